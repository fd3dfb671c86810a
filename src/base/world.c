#include "base/world.h"

#include <assert.h>
#include <stdlib.h>

static bool path_is_valid(const char *path)
{
	return path != NULL && path[0] == '/';
}

micros_t world_now(struct world *world)
{
	return world->ops->now(world);
}

micros_t world_monotonic(struct world *world)
{
	return world->ops->monotonic(world);
}

void world_sleep(struct world *world, micros_t span)
{
	if (span > 0)
		world->ops->sleep(world, span);
}

void world_random(struct world *world, void *out, size_t size)
{
	world->ops->random(world, out, size);
}

bool world_open(struct world *world, const char *path, enum file_mode mode, struct file **out,
	struct error *err)
{
	assert(path_is_valid(path));
	*out = NULL;
	return world->ops->open(world, path, mode, out, err);
}

bool world_rename(struct world *world, const char *from, const char *to, struct error *err)
{
	assert(path_is_valid(from) && path_is_valid(to));
	return world->ops->rename(world, from, to, err);
}

bool world_remove(struct world *world, const char *path, struct error *err)
{
	assert(path_is_valid(path));
	return world->ops->remove(world, path, err);
}

bool world_sync_directory(struct world *world, const char *path, struct error *err)
{
	assert(path_is_valid(path));
	return world->ops->sync_directory(world, path, err);
}

bool world_list(struct world *world, const char *path, struct arena *arena, struct file_info **out,
	size_t *count, struct error *err)
{
	assert(path_is_valid(path));
	*out = NULL;
	*count = 0;
	return world->ops->list(world, path, arena, out, count, err);
}

/* Makes the name at path durable; a parent that may not be opened was not made by this program. */
static bool sync_parent(struct world *world, const char *path, bool is_new, struct error *err)
{
	struct arena arena = { 0 };
	const char *slash = strrchr(path, '/');
	const char *parent =
		slash == path ? "/"
			      : arena_copy_text(&arena, bytes_of(path, (size_t)(slash - path)));
	bool ok = world->ops->sync_directory(world, parent, err);
	if (!ok && !is_new && err->kind == ERROR_SETUP) {
		*err = (struct error){ 0 };
		ok = true;
	}
	arena_deinit(&arena);
	return ok;
}

/* Of a chain that a crash interrupted only the deepest name can lack its sync: it is repeated. */
static bool make_directory(struct world *world, const char *path, struct error *err)
{
	if (world->ops->make_directory(world, path, err))
		return sync_parent(world, path, true, err);
	if (err->kind != ERROR_CONFLICT)
		return false;
	*err = (struct error){ 0 };
	return sync_parent(world, path, false, err);
}

bool world_make_directories(struct world *world, const char *path, struct error *err)
{
	assert(path_is_valid(path));
	struct arena arena = { 0 };
	char *part = arena_copy_cstring(&arena, path);
	size_t size = strlen(part);
	while (size > 1 && part[size - 1] == '/')
		part[--size] = '\0';

	/* Up to the deepest directory that is there, then down again. */
	bool done = make_directory(world, part, err);
	while (!done && err->kind == ERROR_MISSING && strrchr(part, '/') > part) {
		*strrchr(part, '/') = '\0';
		*err = (struct error){ 0 };
		done = make_directory(world, part, err);
	}
	while (done && strlen(part) < size) {
		part[strlen(part)] = '/';
		done = make_directory(world, part, err);
	}
	arena_deinit(&arena);
	return done;
}

bool file_read_at(
	struct file *file, uint64_t offset, void *out, size_t size, size_t *got, struct error *err)
{
	*got = 0;
	return file->ops->read_at(file, offset, out, size, got, err);
}

bool file_write_at(struct file *file, uint64_t offset, struct bytes data, struct error *err)
{
	return data.size == 0 || file->ops->write_at(file, offset, data, err);
}

bool file_truncate(struct file *file, uint64_t size, struct error *err)
{
	return file->ops->truncate(file, size, err);
}

bool file_sync(struct file *file, struct error *err)
{
	return file->ops->sync(file, err);
}

bool file_size(struct file *file, uint64_t *out, struct error *err)
{
	return file->ops->size(file, out, err);
}

void file_close(struct file *file)
{
	if (file != NULL)
		file->ops->close(file);
}

static bool read_all(
	struct file *file, const char *path, size_t size_max, struct buffer *out, struct error *err)
{
	uint64_t size = 0;
	if (!file_size(file, &size, err))
		return false;
	if (size > size_max)
		return error_set(err, ERROR_LIMIT,
			"\"%s\" has %llu bytes, more than the %zu that are read", path,
			(unsigned long long)size, size_max);
	buffer_reserve(out, (size_t)size);
	size_t got = 0;
	if (!file_read_at(file, 0, out->data + out->size, (size_t)size, &got, err))
		return false;
	out->size += got;
	return true;
}

bool world_read_file(struct world *world, const char *path, size_t size_max, struct buffer *out,
	struct error *err)
{
	struct file *file;
	if (!world_open(world, path, FILE_READ, &file, err))
		return false;
	const bool ok = read_all(file, path, size_max, out, err);
	file_close(file);
	return ok;
}

const char *world_uuid(struct world *world, char text[UUID_TEXT_SIZE])
{
	uint8_t id[16];
	world_random(world, id, sizeof id);
	id[6] = (uint8_t)(0x40 | (id[6] & 0x0f)); /* version 4 */
	id[8] = (uint8_t)(0x80 | (id[8] & 0x3f)); /* variant of RFC 9562 */
	snprintf(text, UUID_TEXT_SIZE,
		"%02x%02x%02x%02x-%02x%02x-%02x%02x-%02x%02x-%02x%02x%02x%02x%02x%02x", id[0],
		id[1], id[2], id[3], id[4], id[5], id[6], id[7], id[8], id[9], id[10], id[11],
		id[12], id[13], id[14], id[15]);
	return text;
}
