#include "store/store.h"

#include <assert.h>
#include <stdio.h>

bool store_path_is_valid(const char *path)
{
	for (;;) {
		const size_t size = strcspn(path, "/");
		if (size == 0 || (size == 1 && path[0] == '.') ||
			(size == 2 && path[0] == '.' && path[1] == '.'))
			return false;
		if (path[size] == '\0')
			return true;
		path += size + 1;
	}
}

static void count_error(const struct store *store, const struct error *err)
{
	if (store->counts != NULL)
		atomic_fetch_add_explicit(
			&store->counts->errors[err->kind], 1, memory_order_relaxed);
}

static void add(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

static bool place(const struct store *store, const char *verb, const char *path, struct error *err)
{
	if (err->kind == ERROR_LIMIT && err->hint[0] == '\0')
		error_hint(err, "Free space where \"%s\" lies.", store->location);
	return error_context(err, "%s \"%s\" in \"%s\"", verb, path, store->location);
}

static bool fail(const struct store *store, const char *verb, const char *path, struct error *err)
{
	count_error(store, err);
	return place(store, verb, path, err);
}

bool store_create(struct store *store, const char *path, struct upload **out, struct error *err)
{
	assert(store_path_is_valid(path));
	*out = NULL;
	if (!store->ops->create(store, path, out, err))
		return fail(store, "creating", path, err);
	(*out)->store = store;
	return true;
}

bool upload_write(struct upload *upload, struct bytes data, struct error *err)
{
	const struct store *store = upload->store;
	if (!upload->ops->write(upload, data, err)) {
		count_error(store, err);
		return false;
	}
	if (store->counts != NULL)
		add(&store->counts->bytes_written, data.size);
	return true;
}

bool upload_finish(struct upload *upload, struct error *err)
{
	const struct store *store = upload->store; /* the upload is gone afterwards */
	if (!upload->ops->finish(upload, err)) {
		count_error(store, err);
		return false;
	}
	if (store->counts != NULL)
		add(&store->counts->objects_written, 1);
	return true;
}

void upload_abort(struct upload *upload)
{
	if (upload != NULL)
		upload->ops->abort(upload);
}

bool store_put(struct store *store, const char *path, struct bytes body, struct error *err)
{
	struct upload *upload;
	if (!store_create(store, path, &upload, err))
		return false;
	if (!upload_write(upload, body, err)) {
		upload_abort(upload);
		return place(store, "writing", path, err);
	}
	return upload_finish(upload, err) || place(store, "writing", path, err);
}

bool store_read(struct store *store, const char *path, uint64_t offset, size_t size,
	struct buffer *out, struct error *err)
{
	assert(store_path_is_valid(path));
	if (!store->ops->read(store, path, offset, size, out, err))
		return fail(store, "reading", path, err);
	if (store->counts != NULL)
		add(&store->counts->bytes_read, size);
	return true;
}

bool store_size(struct store *store, const char *path, uint64_t *out, struct error *err)
{
	assert(store_path_is_valid(path));
	return store->ops->size(store, path, out, err) || fail(store, "looking for", path, err);
}

static bool get(struct store *store, const char *path, size_t size_max, struct buffer *out,
	struct error *err)
{
	uint64_t size;
	if (store->ops->get != NULL)
		return store->ops->get(store, path, size_max, out, err);
	if (!store->ops->size(store, path, &size, err))
		return false;
	if (size > size_max)
		return error_set(err, ERROR_LIMIT, "\"%s\" is %llu bytes large", path,
			(unsigned long long)size);
	return store->ops->read(store, path, 0, (size_t)size, out, err);
}

bool store_get(struct store *store, const char *path, size_t size_max, struct buffer *out,
	struct error *err)
{
	assert(store_path_is_valid(path));
	const size_t before = out->size;
	if (get(store, path, size_max, out, err)) {
		if (store->counts != NULL)
			add(&store->counts->bytes_read, out->size - before);
		return true;
	}
	if (err->kind == ERROR_LIMIT && err->hint[0] == '\0')
		error_hint(err, "At most %zu bytes are read, and walberg writes no such object.",
			size_max);
	return fail(store, "reading", path, err);
}

bool store_list(struct store *store, const char *prefix, struct arena *arena,
	struct object_info **out, size_t *count, struct error *err)
{
	*out = NULL;
	*count = 0;
	return store->ops->list(store, prefix, arena, out, count, err) ||
	       fail(store, "listing", prefix, err);
}

bool store_remove(struct store *store, const char *path, struct error *err)
{
	assert(store_path_is_valid(path));
	if (!store->ops->remove(store, path, err))
		return fail(store, "removing", path, err);
	if (store->counts != NULL)
		add(&store->counts->objects_removed, 1);
	return true;
}

bool store_remove_many(
	struct store *store, const char *const *paths, size_t count, struct error *err)
{
	for (size_t i = 0; i < count; i++)
		assert(store_path_is_valid(paths[i]));
	if (store->ops->remove_many != NULL) {
		if (count > 0 && !store->ops->remove_many(store, paths, count, err)) {
			count_error(store, err);
			return error_context(err, "removing objects in \"%s\"", store->location);
		}
		if (store->counts != NULL)
			add(&store->counts->objects_removed, count);
		return true;
	}
	for (size_t i = 0; i < count; i++)
		if (!store_remove(store, paths[i], err))
			return false;
	return true;
}

/* --- probes --- */

enum {
	PROBE_SIZE = 64,
};
#define PROBE "probe-"

bool store_is_probe(const char *path)
{
	return strncmp(path, PROBE, strlen(PROBE)) == 0 &&
	       strcspn(path, "/") == strlen(PROBE) + UUID_TEXT_SIZE - 1;
}

/* Its name is what it says. */
static struct bytes name_probe(struct world *world, char path[PROBE_SIZE])
{
	char uuid[UUID_TEXT_SIZE];
	snprintf(path, PROBE_SIZE, PROBE "%s", world_uuid(world, uuid));
	return bytes_of_cstring(path);
}

static bool read_probe(struct store *store, const char *path, struct error *err)
{
	struct buffer body = { 0 };
	bool done = store_get(store, path, PROBE_SIZE, &body, err);
	if (done && !bytes_equal(buffer_bytes(&body), bytes_of_cstring(path)))
		done = error_set(err, ERROR_CORRUPT,
			"an object in \"%s\" does not read as it was written", store->location);
	buffer_deinit(&body);
	return done;
}

static bool list_probe(
	struct store *store, const char *path, micros_t *written_at, struct error *err)
{
	struct arena arena = { 0 };
	struct object_info *objects;
	size_t count;
	bool done = store_list(store, path, &arena, &objects, &count, err);
	if (done && count != 1)
		done = error_set(err, ERROR_CORRUPT,
			"an object in \"%s\" is not listed when it was written", store->location);
	if (done)
		*written_at = objects[0].modified_at;
	arena_deinit(&arena);
	return done;
}

bool store_probe(struct world *world, struct store *store, micros_t *written_at, struct error *err)
{
	char path[PROBE_SIZE];
	struct error ignored;
	if (!store_put(store, path, name_probe(world, path), err))
		return false;
	const bool done = read_probe(store, path, err) && list_probe(store, path, written_at, err);
	return store_remove(store, path, done ? err : &ignored) && done;
}

bool store_probe_condition(struct world *world, struct store *store, struct error *err)
{
	char path[PROBE_SIZE];
	struct error ignored;
	if (!store_put(store, path, name_probe(world, path), err))
		return false;
	const bool is_replaced = store_put(store, path, BYTES_LITERAL("another"), err);
	const bool done = !is_replaced && err->kind == ERROR_CONFLICT;
	if (is_replaced) {
		error_set(err, ERROR_UNSUPPORTED, "an object was overwritten that must not be");
		error_hint(
			err, "Use a server that has S3's conditional writes (If-None-Match: *).");
	}
	return store_remove(store, path, done ? err : &ignored) && done;
}

void store_close(struct store *store)
{
	if (store != NULL)
		store->ops->close(store);
}

const char *store_uri(const struct store *store, const char *path, struct arena *arena)
{
	assert(store_path_is_valid(path));
	return arena_format(arena, "%s/%s", store->location, path);
}

enum place { /* of a URI */
	PLACE_OTHER = 0,
	PLACE_FILE,
	PLACE_BARE, /* a path without a scheme, which some take for a file */
	PLACE_S3,
};

/*
 * What stands behind the scheme.  Java writes "file:/lake" as well as "file:///lake", and Hadoop's
 * names for "s3" are "s3a" and "s3n".
 */
static const char *after_scheme(const char *uri, enum place *place)
{
	static const char *const S3[] = { "s3://", "s3a://", "s3n://" };
	*place = PLACE_OTHER;
	for (size_t i = 0; i < sizeof S3 / sizeof *S3; i++) {
		if (strncmp(uri, S3[i], strlen(S3[i])) != 0)
			continue;
		*place = PLACE_S3;
		return uri + strlen(S3[i]);
	}
	if (uri[0] == '/')
		*place = PLACE_BARE;
	if (strncmp(uri, "file:/", 6) != 0)
		return uri;
	uri += 5;
	*place = PLACE_FILE;
	return strncmp(uri, "///", 3) == 0 ? uri + 2 : uri;
}

const char *store_path(const struct store *store, const char *uri)
{
	enum place here, there;
	const char *location = after_scheme(store->location, &here);
	const char *rest = after_scheme(uri, &there);
	const size_t size = strlen(location);
	if (here != there || strncmp(rest, location, size) != 0 || rest[size] != '/')
		return NULL;
	rest += size + 1;
	return store_path_is_valid(rest) ? rest : NULL;
}

bool store_may_hold(const struct store *store, const char *uri)
{
	enum place here, there;
	const char *location = after_scheme(store->location, &here);
	const char *rest = after_scheme(uri, &there);
	if (there == PLACE_BARE)
		there = PLACE_FILE;
	/* Several slashes are one, here. */
	for (; *location != '\0' && *location == *rest; location++, rest++)
		while (rest[0] == '/' && rest[1] == '/')
			rest++;
	return here == there && *location == '\0' && (*rest == '/' || *rest == '\0');
}
