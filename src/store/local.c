#include "store/store.h"

#include <assert.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

enum {
	OPEN_FILES = 8,          /* kept for the next read */
	DIRECTORIES_MAX = 10000, /* remembered; then all are forgotten */
	DEPTH_MAX = 64,
};
#define TEMPORARY ".tmp"
#define TEMPORARY_AGE_MAX INT64_C(86400000000) /* a day: nobody uploads one object for so long */

struct open_file {
	char *path; /* NULL: free */
	struct file *file;
	uint64_t used_at;
};

struct local_store {
	struct store base;
	struct world *world;
	char *directory;

	pthread_mutex_t lock; /* of all below */
	struct open_file open_files[OPEN_FILES];
	uint64_t use_count;
	char **directories; /* known to be there, durable */
	size_t directory_count;
	size_t directory_capacity;
};

struct local_upload {
	struct upload base;
	struct local_store *local;
	struct file *file;
	uint64_t size;
	char *temporary;
	char *target;
};

static char *text_copy(const char *text)
{
	const size_t size = strlen(text) + 1;
	return memcpy(memory_allocate(size, 1), text, size);
}

static char *text_join(const char *directory, const char *name)
{
	const size_t size = strlen(directory) + 1 + strlen(name) + 1;
	char *path = memory_allocate(size, 1);
	snprintf(path, size, "%s/%s", directory, name);
	return path;
}

static char *parent_of(const char *path)
{
	char *parent = text_copy(path);
	*strrchr(parent, '/') = '\0';
	return parent;
}

/* --- directories ---------------------------------------------------------------------------- */

static bool directory_is_known(struct local_store *local, const char *path)
{
	pthread_mutex_lock(&local->lock);
	bool is_known = false;
	for (size_t i = local->directory_count; i-- > 0 && !is_known;)
		is_known = strcmp(local->directories[i], path) == 0;
	pthread_mutex_unlock(&local->lock);
	return is_known;
}

static void forget_directories_locked(struct local_store *local)
{
	while (local->directory_count > 0)
		free(local->directories[--local->directory_count]);
}

static void forget_directories(struct local_store *local)
{
	pthread_mutex_lock(&local->lock);
	forget_directories_locked(local);
	pthread_mutex_unlock(&local->lock);
}

static void remember_directory(struct local_store *local, const char *path)
{
	pthread_mutex_lock(&local->lock);
	if (local->directory_count == DIRECTORIES_MAX)
		forget_directories_locked(local);
	if (local->directory_count == local->directory_capacity) {
		local->directory_capacity =
			local->directory_capacity ? 2 * local->directory_capacity : 16;
		local->directories = memory_resize(
			local->directories, local->directory_capacity, sizeof *local->directories);
	}
	local->directories[local->directory_count++] = text_copy(path);
	pthread_mutex_unlock(&local->lock);
}

static bool ensure_directory(struct local_store *local, const char *path, struct error *err)
{
	if (directory_is_known(local, path))
		return true;
	if (!world_make_directories(local->world, path, err))
		return false;
	remember_directory(local, path);
	return true;
}

/* --- uploads -------------------------------------------------------------------------------- */

static void upload_free(struct local_upload *upload)
{
	file_close(upload->file);
	free(upload->temporary);
	free(upload->target);
	free(upload);
}

static bool local_write(struct upload *base, struct bytes data, struct error *err)
{
	struct local_upload *upload = (struct local_upload *)base;
	if (!file_write_at(upload->file, upload->size, data, err))
		return false;
	upload->size += data.size;
	return true;
}

static void local_abort(struct upload *base)
{
	struct local_upload *upload = (struct local_upload *)base;
	struct error ignored; /* what is left is removed when the store is opened a day later */
	if (!world_remove(upload->local->world, upload->temporary, &ignored))
		ignored.kind = ERROR_NONE;
	upload_free(upload);
}

/* The directory is made again when somebody has removed it since it was remembered. */
static bool move_into_place(struct local_upload *upload, const char *directory, struct error *err)
{
	struct local_store *local = upload->local;
	if (!ensure_directory(local, directory, err))
		return false;
	if (world_rename(local->world, upload->temporary, upload->target, err))
		return true;
	if (err->kind != ERROR_MISSING)
		return false;
	forget_directories(local);
	return ensure_directory(local, directory, err) &&
	       world_rename(local->world, upload->temporary, upload->target, err);
}

/*
 * I1: bytes, then name.  A rename that is not synced may be undone by a crash, so a failed sync
 * of the directory is UNCERTAIN: the object may be there or not.
 */
static bool finish(struct local_upload *upload, bool *is_moved, struct error *err)
{
	*is_moved = false;
	if (!file_sync(upload->file, err))
		return false;
	char *directory = parent_of(upload->target);
	*is_moved = move_into_place(upload, directory, err);
	const bool ok = *is_moved && world_sync_directory(upload->local->world, directory, err);
	if (*is_moved && !ok)
		err->kind = ERROR_UNCERTAIN;
	free(directory);
	return ok;
}

static bool local_finish(struct upload *base, struct error *err)
{
	struct local_upload *upload = (struct local_upload *)base;
	bool is_moved;
	const bool ok = finish(upload, &is_moved, err);
	if (is_moved)
		upload_free(upload);
	else
		local_abort(base);
	return ok;
}

static bool local_create(
	struct store *store, const char *path, struct upload **out, struct error *err)
{
	static const struct upload_ops OPS = {
		.write = local_write,
		.finish = local_finish,
		.abort = local_abort,
	};
	struct local_store *local = (struct local_store *)store;
	char name[sizeof TEMPORARY + UUID_TEXT_SIZE];
	char uuid[UUID_TEXT_SIZE];
	snprintf(name, sizeof name, "%s/%s", TEMPORARY, world_uuid(local->world, uuid));
	char *temporary = text_join(local->directory, name);
	struct file *file;
	if (!world_open(local->world, temporary, FILE_CREATE_NEW, &file, err)) {
		free(temporary);
		return false;
	}
	struct local_upload *upload = memory_allocate(1, sizeof *upload);
	upload->base.ops = &OPS;
	upload->local = local;
	upload->file = file;
	upload->temporary = temporary;
	upload->target = text_join(local->directory, path);
	*out = &upload->base;
	return true;
}

/* --- reading -------------------------------------------------------------------------------- */

static void open_file_close(struct open_file *open)
{
	file_close(open->file);
	free(open->path);
	*open = (struct open_file){ 0 };
}

/* Takes an open file out of those kept, or opens it: a file belongs to one thread at a time. */
static bool take_file(
	struct local_store *local, const char *path, struct open_file *out, struct error *err)
{
	*out = (struct open_file){ 0 };
	pthread_mutex_lock(&local->lock);
	for (size_t i = 0; i < OPEN_FILES && out->path == NULL; i++) {
		struct open_file *kept = &local->open_files[i];
		if (kept->path == NULL || strcmp(kept->path, path) != 0)
			continue;
		*out = *kept;
		*kept = (struct open_file){ 0 };
	}
	pthread_mutex_unlock(&local->lock);
	if (out->path != NULL)
		return true;
	char *full = text_join(local->directory, path);
	const bool ok = world_open(local->world, full, FILE_READ, &out->file, err);
	free(full);
	if (ok)
		out->path = text_copy(path);
	return ok;
}

static void give_file(struct local_store *local, struct open_file open)
{
	pthread_mutex_lock(&local->lock);
	struct open_file *place = &local->open_files[0];
	for (size_t i = 1; i < OPEN_FILES; i++)
		if (local->open_files[i].used_at < place->used_at)
			place = &local->open_files[i];
	open_file_close(place);
	open.used_at = ++local->use_count;
	*place = open;
	pthread_mutex_unlock(&local->lock);
}

static bool read_whole(
	struct open_file *open, uint64_t offset, size_t size, struct buffer *out, struct error *err)
{
	uint64_t there;
	if (!file_size(open->file, &there, err))
		return false;
	if (offset > there || size > there - offset)
		return error_set(err, ERROR_CORRUPT, "\"%s\" ends early, after %llu bytes",
			open->path, (unsigned long long)there);
	size_t got;
	buffer_reserve(out, size);
	if (!file_read_at(open->file, offset, out->data + out->size, size, &got, err))
		return false;
	if (got != size)
		return error_set(err, ERROR_LOST, "\"%s\" became shorter", open->path);
	out->size += size;
	return true;
}

static bool local_read(struct store *store, const char *path, uint64_t offset, size_t size,
	struct buffer *out, struct error *err)
{
	struct local_store *local = (struct local_store *)store;
	struct open_file open;
	if (!take_file(local, path, &open, err))
		return false;
	const bool ok = read_whole(&open, offset, size, out, err);
	if (ok)
		give_file(local, open);
	else
		open_file_close(&open);
	return ok;
}

static bool local_size(struct store *store, const char *path, uint64_t *out, struct error *err)
{
	struct local_store *local = (struct local_store *)store;
	struct open_file open;
	if (!take_file(local, path, &open, err))
		return false;
	const bool ok = file_size(open.file, out, err);
	if (ok)
		give_file(local, open);
	else
		open_file_close(&open);
	return ok;
}

static void drop_open_file(struct local_store *local, const char *path)
{
	pthread_mutex_lock(&local->lock);
	for (size_t i = 0; i < OPEN_FILES; i++) {
		struct open_file *kept = &local->open_files[i];
		if (kept->path != NULL && strcmp(kept->path, path) == 0)
			open_file_close(kept);
	}
	pthread_mutex_unlock(&local->lock);
}

/* --- listing -------------------------------------------------------------------------------- */

struct listing {
	struct local_store *local;
	const char *prefix;
	struct arena *arena;
	struct object_info *objects;
	size_t count;
	size_t capacity;
};

static void listing_add(struct listing *listing, struct object_info object)
{
	if (listing->count == listing->capacity) {
		const size_t capacity = listing->capacity ? 2 * listing->capacity : 64;
		struct object_info *larger =
			arena_array(listing->arena, struct object_info, capacity);
		if (listing->count > 0)
			memcpy(larger, listing->objects, listing->count * sizeof *larger);
		listing->objects = larger;
		listing->capacity = capacity;
	}
	listing->objects[listing->count++] = object;
}

/* The folder is "" or ends in '/'. */
static bool list_below(
	struct listing *listing, const char *folder, unsigned depth, struct error *err)
{
	struct file_info *files;
	size_t count;
	if (depth > DEPTH_MAX)
		return error_set(err, ERROR_UNSUPPORTED, "directories are nested too deeply");
	const char *path = arena_format(listing->arena, "%s/%s", listing->local->directory, folder);
	if (!world_list(listing->local->world, path, listing->arena, &files, &count, err))
		return err->kind == ERROR_MISSING;
	for (size_t i = 0; i < count; i++) {
		const char *child = arena_format(listing->arena, "%s%s%s", folder, files[i].name,
			files[i].is_directory ? "/" : "");
		if (strncmp(child, listing->prefix, strlen(listing->prefix)) != 0)
			continue;
		if (!files[i].is_directory)
			listing_add(listing, (struct object_info){ child, files[i].size_bytes,
						     files[i].modified_at });
		else if (strcmp(child, TEMPORARY "/") != 0 &&
			 !list_below(listing, child, depth + 1, err))
			return false;
	}
	return true;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct object_info *)a)->path, ((const struct object_info *)b)->path);
}

static bool local_list(struct store *store, const char *prefix, struct arena *arena,
	struct object_info **out, size_t *count, struct error *err)
{
	struct listing listing = {
		.local = (struct local_store *)store,
		.prefix = prefix,
		.arena = arena,
	};
	const char *slash = strrchr(prefix, '/');
	const size_t folder_size = slash != NULL ? (size_t)(slash + 1 - prefix) : 0;
	if (!list_below(&listing, arena_copy_text(arena, bytes_of(prefix, folder_size)), 0, err))
		return false;
	if (listing.count > 0)
		qsort(listing.objects, listing.count, sizeof *listing.objects, compare_paths);
	*out = listing.objects;
	*count = listing.count;
	return true;
}

/* --- the rest ------------------------------------------------------------------------------- */

/* Durable, so that what is no longer remembered as to be removed does not come back. */
static bool local_remove(struct store *store, const char *path, struct error *err)
{
	struct local_store *local = (struct local_store *)store;
	drop_open_file(local, path);
	char *full = text_join(local->directory, path);
	char *directory = parent_of(full);
	const bool ok =
		(world_remove(local->world, full, err) || err->kind == ERROR_MISSING) &&
		(world_sync_directory(local->world, directory, err) || err->kind == ERROR_MISSING);
	free(directory);
	free(full);
	return ok;
}

static void local_close(struct store *store)
{
	struct local_store *local = (struct local_store *)store;
	for (size_t i = 0; i < OPEN_FILES; i++)
		open_file_close(&local->open_files[i]);
	forget_directories_locked(local);
	pthread_mutex_destroy(&local->lock);
	free(local->directories);
	free(local->directory);
	free(local->base.location);
	free(local);
}

/* What an earlier process left behind; younger names may be another's that is at work. */
static bool remove_old_temporaries(struct local_store *local, struct error *err)
{
	struct arena arena = { 0 };
	struct file_info *files;
	size_t count;
	const char *directory = arena_format(&arena, "%s/%s", local->directory, TEMPORARY);
	bool ok = world_list(local->world, directory, &arena, &files, &count, err);
	for (size_t i = 0; ok && i < count; i++) {
		const char *path = arena_format(&arena, "%s/%s", directory, files[i].name);
		if (world_now(local->world) - files[i].modified_at > TEMPORARY_AGE_MAX)
			ok = world_remove(local->world, path, err) || err->kind == ERROR_MISSING;
	}
	arena_deinit(&arena);
	return ok;
}

static bool prepare(struct local_store *local, struct error *err)
{
	char *temporary = text_join(local->directory, TEMPORARY);
	const bool ok = world_make_directories(local->world, temporary, err) &&
			remove_old_temporaries(local, err);
	free(temporary);
	return ok;
}

static char *without_trailing_slashes(const char *directory)
{
	char *copy = text_copy(directory);
	for (size_t size = strlen(copy); size > 1 && copy[size - 1] == '/';)
		copy[--size] = '\0';
	return copy;
}

struct store *store_local_look(struct world *world, const char *directory)
{
	static const struct store_ops OPS = {
		.scheme = "file",
		.create = local_create,
		.read = local_read,
		.size = local_size,
		.list = local_list,
		.remove = local_remove,
		.close = local_close,
	};
	assert(directory[0] == '/');
	struct local_store *local = memory_allocate(1, sizeof *local);
	local->base.ops = &OPS;
	local->world = world;
	local->directory = without_trailing_slashes(directory);
	local->base.location = text_join("file:/", local->directory);
	pthread_mutex_init(&local->lock, NULL);
	return &local->base;
}

bool store_local_open(
	struct world *world, const char *directory, struct store **out, struct error *err)
{
	*out = store_local_look(world, directory);
	if (prepare((struct local_store *)*out, err))
		return true;
	store_close(*out);
	*out = NULL;
	return error_context(err, "opening the store in \"%s\"", directory);
}
