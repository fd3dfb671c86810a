#include "store/store.h"

#include <pthread.h>
#include <stdlib.h>

struct object {
	char *path;
	struct buffer body;
	micros_t modified_at;
};

struct memory_store {
	struct store base;
	struct world *world;
	pthread_mutex_t lock;
	struct object *objects; /* by path */
	size_t count;
	size_t capacity;
};

struct memory_upload {
	struct upload base;
	struct memory_store *memory;
	char *path;
	struct buffer body;
};

static char *text_copy(const char *text)
{
	const size_t size = strlen(text) + 1;
	return memcpy(memory_allocate(size, 1), text, size);
}

/* Where path is, or where it would be. */
static size_t find(const struct memory_store *memory, const char *path)
{
	size_t low = 0, high = memory->count;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (strcmp(memory->objects[middle].path, path) < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

/* The object, with the lock held; or NULL, MISSING, and not held. */
static struct object *lock_object(struct memory_store *memory, const char *path, struct error *err)
{
	pthread_mutex_lock(&memory->lock);
	const size_t at = find(memory, path);
	if (at < memory->count && strcmp(memory->objects[at].path, path) == 0)
		return &memory->objects[at];
	pthread_mutex_unlock(&memory->lock);
	error_set(err, ERROR_MISSING, "there is no object \"%s\"", path);
	return NULL;
}

static void object_deinit(struct object *object)
{
	free(object->path);
	buffer_deinit(&object->body);
}

static struct object *insert(struct memory_store *memory, size_t at)
{
	if (memory->count == memory->capacity) {
		memory->capacity = memory->capacity ? 2 * memory->capacity : 64;
		memory->objects =
			memory_resize(memory->objects, memory->capacity, sizeof *memory->objects);
	}
	struct object *object = &memory->objects[at];
	memmove(object + 1, object, (memory->count - at) * sizeof *object);
	memory->count++;
	return object;
}

static bool memory_write(struct upload *upload, struct bytes data, struct error *err)
{
	(void)err;
	buffer_append_bytes(&((struct memory_upload *)upload)->body, data);
	return true;
}

static bool memory_finish(struct upload *base, struct error *err)
{
	(void)err;
	struct memory_upload *upload = (struct memory_upload *)base;
	struct memory_store *memory = upload->memory;
	pthread_mutex_lock(&memory->lock);
	const size_t at = find(memory, upload->path);
	if (at < memory->count && strcmp(memory->objects[at].path, upload->path) == 0)
		object_deinit(&memory->objects[at]);
	else
		insert(memory, at);
	memory->objects[at] =
		(struct object){ upload->path, upload->body, world_now(memory->world) };
	pthread_mutex_unlock(&memory->lock);
	free(upload);
	return true;
}

static void memory_abort(struct upload *base)
{
	struct memory_upload *upload = (struct memory_upload *)base;
	buffer_deinit(&upload->body);
	free(upload->path);
	free(upload);
}

static bool memory_create(
	struct store *store, const char *path, struct upload **out, struct error *err)
{
	static const struct upload_ops OPS = {
		.write = memory_write,
		.finish = memory_finish,
		.abort = memory_abort,
	};
	(void)err;
	struct memory_upload *upload = memory_allocate(1, sizeof *upload);
	upload->base.ops = &OPS;
	upload->memory = (struct memory_store *)store;
	upload->path = text_copy(path);
	*out = &upload->base;
	return true;
}

static bool memory_read(struct store *store, const char *path, uint64_t offset, size_t size,
	struct buffer *out, struct error *err)
{
	struct memory_store *memory = (struct memory_store *)store;
	const struct object *object = lock_object(memory, path, err);
	if (object == NULL)
		return false;
	const size_t there = object->body.size;
	const bool ok = offset <= there && size <= there - offset;
	if (ok)
		buffer_append(out, object->body.data + offset, size);
	pthread_mutex_unlock(&memory->lock);
	return ok ||
	       error_set(err, ERROR_CORRUPT, "\"%s\" ends early, after %zu bytes", path, there);
}

static bool memory_size(struct store *store, const char *path, uint64_t *out, struct error *err)
{
	struct memory_store *memory = (struct memory_store *)store;
	const struct object *object = lock_object(memory, path, err);
	if (object == NULL)
		return false;
	*out = object->body.size;
	pthread_mutex_unlock(&memory->lock);
	return true;
}

static bool memory_list(struct store *store, const char *prefix, struct arena *arena,
	struct object_info **out, size_t *count, struct error *err)
{
	(void)err;
	struct memory_store *memory = (struct memory_store *)store;
	const size_t prefix_size = strlen(prefix);
	pthread_mutex_lock(&memory->lock);
	size_t at = find(memory, prefix);
	*out = arena_array(arena, struct object_info, memory->count - at + 1);
	for (; at < memory->count; at++) {
		const struct object *object = &memory->objects[at];
		if (strncmp(object->path, prefix, prefix_size) != 0)
			break;
		(*out)[(*count)++] = (struct object_info){
			.path = arena_copy_cstring(arena, object->path),
			.size_bytes = object->body.size,
			.modified_at = object->modified_at,
		};
	}
	pthread_mutex_unlock(&memory->lock);
	return true;
}

static bool memory_remove(struct store *store, const char *path, struct error *err)
{
	(void)err;
	struct memory_store *memory = (struct memory_store *)store;
	struct error missing;
	struct object *object = lock_object(memory, path, &missing);
	if (object == NULL)
		return true;
	object_deinit(object);
	const size_t after = memory->count - (size_t)(object - memory->objects) - 1;
	memmove(object, object + 1, after * sizeof *object);
	memory->count--;
	pthread_mutex_unlock(&memory->lock);
	return true;
}

static void memory_close(struct store *store)
{
	struct memory_store *memory = (struct memory_store *)store;
	for (size_t i = 0; i < memory->count; i++)
		object_deinit(&memory->objects[i]);
	pthread_mutex_destroy(&memory->lock);
	free(memory->objects);
	free(memory->base.location);
	free(memory);
}

struct store *store_memory_open(struct world *world, const char *location)
{
	static const struct store_ops OPS = {
		.scheme = "memory",
		.create = memory_create,
		.read = memory_read,
		.size = memory_size,
		.list = memory_list,
		.remove = memory_remove,
		.close = memory_close,
	};
	struct memory_store *memory = memory_allocate(1, sizeof *memory);
	memory->base.ops = &OPS;
	memory->base.location = text_copy(location);
	memory->world = world;
	pthread_mutex_init(&memory->lock, NULL);
	return &memory->base;
}
