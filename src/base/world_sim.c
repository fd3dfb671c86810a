#include "base/world_sim.h"
#include "base/world_sim_internal.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

#define START_MICROS INT64_C(1700000000000000) /* 2023-11-14T22:13:20Z: a time like any other */

struct sim {
	struct world base;
	pthread_mutex_t lock; /* guards all below */
	int64_t now;
	int64_t monotonic;
	uint64_t random;       /* what the program asks for */
	uint64_t crash_random; /* apart, so that a crash does not change what follows */
	struct disk disk;
	uint64_t crashes;
	bool is_down;
	uint64_t calls;
	world_sim_hook *before;
	void *context;
};

struct sim_file {
	struct file base;
	struct sim *sim;
	struct disk_node *node;
	uint64_t crashes; /* of the world when the file was opened */
	bool may_write;
	char path[];
};

/* Announces a call, then locks; false when the call cannot be, and nothing is locked. */
static bool enter(struct sim *sim, const char *call, const char *path, struct error *err)
{
	pthread_mutex_lock(&sim->lock);
	sim->calls++;
	world_sim_hook *before = sim->before;
	void *context = sim->context;
	pthread_mutex_unlock(&sim->lock);
	if (before != NULL && !before(context, call, path, err))
		return false;
	pthread_mutex_lock(&sim->lock);
	if (!sim->is_down)
		return true;
	pthread_mutex_unlock(&sim->lock);
	return error_set(err, ERROR_LOST, "\"%s\": the simulated machine is down", path);
}

static bool leave(struct sim *sim, bool ok)
{
	pthread_mutex_unlock(&sim->lock);
	return ok;
}

static bool enter_file(struct sim_file *file, const char *call, struct error *err)
{
	if (!enter(file->sim, call, file->path, err))
		return false;
	if (file->crashes == file->sim->crashes)
		return true;
	error_set(err, ERROR_LOST, "\"%s\" was opened before the simulated crash", file->path);
	return leave(file->sim, false);
}

static micros_t sim_now(struct world *world)
{
	struct sim *sim = (struct sim *)world;
	pthread_mutex_lock(&sim->lock);
	const int64_t now = sim->now;
	pthread_mutex_unlock(&sim->lock);
	return now;
}

static micros_t sim_monotonic(struct world *world)
{
	struct sim *sim = (struct sim *)world;
	pthread_mutex_lock(&sim->lock);
	const int64_t monotonic = sim->monotonic;
	pthread_mutex_unlock(&sim->lock);
	return monotonic;
}

static void sim_random(struct world *world, void *out, size_t size)
{
	struct sim *sim = (struct sim *)world;
	pthread_mutex_lock(&sim->lock);
	for (size_t i = 0; i < size; i++)
		((uint8_t *)out)[i] = (uint8_t)disk_random(&sim->random);
	pthread_mutex_unlock(&sim->lock);
}

static bool sim_read_at(
	struct file *file, uint64_t offset, void *out, size_t size, size_t *got, struct error *err)
{
	struct sim_file *sim_file = (struct sim_file *)file;
	if (!enter_file(sim_file, "read_at", err))
		return false;
	const struct buffer *bytes = &sim_file->node->bytes;
	if (offset < bytes->size) {
		*got = bytes->size - (size_t)offset < size ? bytes->size - (size_t)offset : size;
		memcpy(out, bytes->data + offset, *got);
	}
	return leave(sim_file->sim, true);
}

static bool sim_write_at(struct file *file, uint64_t offset, struct bytes data, struct error *err)
{
	struct sim_file *sim_file = (struct sim_file *)file;
	assert(sim_file->may_write);
	if (!enter_file(sim_file, "write_at", err))
		return false;
	disk_write(sim_file->node, offset, data);
	sim_file->node->modified_at = sim_file->sim->now;
	return leave(sim_file->sim, true);
}

static bool sim_truncate(struct file *file, uint64_t size, struct error *err)
{
	struct sim_file *sim_file = (struct sim_file *)file;
	assert(sim_file->may_write);
	if (!enter_file(sim_file, "truncate", err))
		return false;
	disk_truncate(sim_file->node, size);
	sim_file->node->modified_at = sim_file->sim->now;
	return leave(sim_file->sim, true);
}

static bool sim_sync(struct file *file, struct error *err)
{
	struct sim_file *sim_file = (struct sim_file *)file;
	if (!enter_file(sim_file, "sync", err))
		return false;
	disk_sync(sim_file->node);
	return leave(sim_file->sim, true);
}

static bool sim_size(struct file *file, uint64_t *out, struct error *err)
{
	struct sim_file *sim_file = (struct sim_file *)file;
	if (!enter_file(sim_file, "size", err))
		return false;
	*out = sim_file->node->bytes.size;
	return leave(sim_file->sim, true);
}

static void sim_file_close(struct file *file)
{
	struct sim_file *sim_file = (struct sim_file *)file;
	pthread_mutex_lock(&sim_file->sim->lock);
	disk_release(sim_file->node);
	pthread_mutex_unlock(&sim_file->sim->lock);
	free(sim_file);
}

static struct file *file_new(
	struct sim *sim, struct disk_node *node, const char *path, enum file_mode mode)
{
	static const struct file_ops ops = {
		.read_at = sim_read_at,
		.write_at = sim_write_at,
		.truncate = sim_truncate,
		.sync = sim_sync,
		.size = sim_size,
		.close = sim_file_close,
	};
	struct sim_file *file = memory_allocate(1, sizeof *file + strlen(path) + 1);
	file->base.ops = &ops;
	file->sim = sim;
	file->node = node;
	file->crashes = sim->crashes;
	file->may_write = mode != FILE_READ;
	strcpy(file->path, path);
	disk_hold(node);
	return &file->base;
}

/* A path leads nowhere: through a file (SETUP), or through a directory that is not there. */
static bool fail_path(struct sim *sim, const char *path, struct error *err)
{
	struct arena arena = { 0 };
	char *part = arena_copy_cstring(&arena, path);
	const struct disk_node *node = NULL;
	while (node == NULL && strrchr(part, '/') > part) {
		*strrchr(part, '/') = '\0';
		node = disk_find(&sim->disk, part);
	}
	arena_deinit(&arena);
	if (node != NULL && !node->is_directory)
		return error_set(err, ERROR_SETUP, "\"%s\": a part is not a directory", path);
	return error_set(err, ERROR_MISSING, "\"%s\": no such file or directory", path);
}

static bool open_locked(struct sim *sim, const char *path, enum file_mode mode, struct file **out,
	struct error *err)
{
	struct arena arena = { 0 };
	const char *name;
	struct disk_node *directory = disk_find_parent(&sim->disk, path, &arena, &name);
	struct disk_node *node = directory && name[0] ? disk_find_in(directory, name) : directory;
	bool ok = false;
	if (directory == NULL || (node == NULL && mode < FILE_CREATE)) {
		fail_path(sim, path, err);
	} else if (node != NULL && mode == FILE_CREATE_NEW) {
		error_set(err, ERROR_CONFLICT, "\"%s\" exists already", path);
	} else if (node != NULL && node->is_directory) {
		error_set(err, ERROR_SETUP, "\"%s\" is a directory", path);
	} else {
		if (node == NULL) {
			node = disk_create(&sim->disk, directory, name, false);
			node->modified_at = sim->now;
		}
		*out = file_new(sim, node, path, mode);
		ok = true;
	}
	arena_deinit(&arena);
	return ok;
}

static bool sim_open(struct world *world, const char *path, enum file_mode mode, struct file **out,
	struct error *err)
{
	struct sim *sim = (struct sim *)world;
	if (!enter(sim, "open", path, err))
		return false;
	return leave(sim, open_locked(sim, path, mode, out, err));
}

static bool rename_locked(struct sim *sim, const char *from, const char *to, struct error *err)
{
	struct arena arena = { 0 };
	struct disk_place source, target;
	source.directory = disk_find_parent(&sim->disk, from, &arena, &source.name);
	target.directory = disk_find_parent(&sim->disk, to, &arena, &target.name);
	const struct disk_node *node = disk_find(&sim->disk, from);
	const struct disk_node *replaced = disk_find(&sim->disk, to);
	const size_t size = strlen(from);
	const bool is_inside = strncmp(from, to, size) == 0 && to[size] == '/';
	bool ok = false;
	if (node == NULL)
		fail_path(sim, from, err);
	else if (target.directory == NULL)
		fail_path(sim, to, err);
	else if (is_inside || (replaced != NULL && replaced->is_directory))
		error_set(err, ERROR_SETUP, "\"%s\" cannot be renamed to \"%s\"", from, to);
	else
		ok = true;
	if (ok && node != replaced)
		disk_rename(&sim->disk, source, target);
	arena_deinit(&arena);
	return ok;
}

static bool sim_rename(struct world *world, const char *from, const char *to, struct error *err)
{
	struct sim *sim = (struct sim *)world;
	if (!enter(sim, "rename", from, err))
		return false;
	return leave(sim, rename_locked(sim, from, to, err));
}

static bool remove_locked(struct sim *sim, const char *path, struct error *err)
{
	const struct disk_node *node = disk_find(&sim->disk, path);
	if (node == NULL)
		return fail_path(sim, path, err);
	if (node->is_directory)
		return error_set(err, ERROR_SETUP, "\"%s\" is a directory", path);
	struct arena arena = { 0 };
	const char *name;
	struct disk_node *directory = disk_find_parent(&sim->disk, path, &arena, &name);
	disk_remove(&sim->disk, directory, name);
	arena_deinit(&arena);
	return true;
}

static bool sim_remove(struct world *world, const char *path, struct error *err)
{
	struct sim *sim = (struct sim *)world;
	if (!enter(sim, "remove", path, err))
		return false;
	return leave(sim, remove_locked(sim, path, err));
}

static bool make_directory_locked(struct sim *sim, const char *path, struct error *err)
{
	const struct disk_node *node = disk_find(&sim->disk, path);
	if (node != NULL && !node->is_directory)
		return error_set(err, ERROR_SETUP, "\"%s\" is not a directory", path);
	if (node != NULL)
		return error_set(err, ERROR_CONFLICT, "\"%s\" exists already", path);
	struct arena arena = { 0 };
	const char *name;
	struct disk_node *directory = disk_find_parent(&sim->disk, path, &arena, &name);
	if (directory != NULL)
		disk_create(&sim->disk, directory, name, true)->modified_at = sim->now;
	arena_deinit(&arena);
	return directory != NULL || fail_path(sim, path, err);
}

static bool sim_make_directory(struct world *world, const char *path, struct error *err)
{
	struct sim *sim = (struct sim *)world;
	if (!enter(sim, "make_directory", path, err))
		return false;
	return leave(sim, make_directory_locked(sim, path, err));
}

/* The directory at path, or NULL with *err filled. */
static struct disk_node *find_directory(struct sim *sim, const char *path, struct error *err)
{
	struct disk_node *node = disk_find(&sim->disk, path);
	if (node == NULL)
		fail_path(sim, path, err);
	else if (!node->is_directory)
		error_set(err, ERROR_SETUP, "\"%s\" is not a directory", path);
	return node && node->is_directory ? node : NULL;
}

static bool sim_sync_directory(struct world *world, const char *path, struct error *err)
{
	struct sim *sim = (struct sim *)world;
	if (!enter(sim, "sync_directory", path, err))
		return false;
	struct disk_node *directory = find_directory(sim, path, err);
	if (directory != NULL)
		disk_sync_directory(&sim->disk, directory);
	return leave(sim, directory != NULL);
}

static bool sim_list(struct world *world, const char *path, struct arena *arena,
	struct file_info **out, size_t *count, struct error *err)
{
	struct sim *sim = (struct sim *)world;
	if (!enter(sim, "list", path, err))
		return false;
	const struct disk_node *directory = find_directory(sim, path, err);
	if (directory == NULL)
		return leave(sim, false);
	const struct disk_entry *entry;
	for (entry = directory->entries; entry != NULL; entry = entry->next)
		++*count;
	struct file_info *info = *out = arena_array(arena, struct file_info, *count);
	for (entry = directory->entries; entry != NULL; entry = entry->next)
		*info++ = (struct file_info){
			.name = arena_copy_cstring(arena, entry->name),
			.is_directory = entry->node->is_directory,
			.size_bytes = entry->node->bytes.size,
			.modified_at = entry->node->modified_at,
		};
	return leave(sim, true);
}

static void sim_close(struct world *world)
{
	struct sim *sim = (struct sim *)world;
	disk_deinit(&sim->disk);
	pthread_mutex_destroy(&sim->lock);
	free(sim);
}

struct world *world_sim_open(uint64_t seed)
{
	static const struct world_ops ops = {
		.now = sim_now,
		.monotonic = sim_monotonic,
		.sleep = world_sim_advance,
		.random = sim_random,
		.open = sim_open,
		.rename = sim_rename,
		.remove = sim_remove,
		.make_directory = sim_make_directory,
		.sync_directory = sim_sync_directory,
		.list = sim_list,
		.close = sim_close,
	};
	struct sim *sim = memory_allocate(1, sizeof *sim);
	sim->base.ops = &ops;
	sim->now = START_MICROS;
	sim->random = seed;
	sim->crash_random = ~seed;
	pthread_mutex_init(&sim->lock, NULL);
	disk_init(&sim->disk);
	return &sim->base;
}

void world_sim_close(struct world *world)
{
	if (world != NULL)
		world->ops->close(world);
}

void world_sim_advance(struct world *world, micros_t micros)
{
	struct sim *sim = (struct sim *)world;
	assert(micros >= 0);
	pthread_mutex_lock(&sim->lock);
	sim->now += micros;
	sim->monotonic += micros;
	pthread_mutex_unlock(&sim->lock);
}

void world_sim_jump(struct world *world, micros_t micros)
{
	struct sim *sim = (struct sim *)world;
	pthread_mutex_lock(&sim->lock);
	sim->now += micros;
	pthread_mutex_unlock(&sim->lock);
}

void world_sim_crash(struct world *world)
{
	struct sim *sim = (struct sim *)world;
	pthread_mutex_lock(&sim->lock);
	disk_crash(&sim->disk, &sim->crash_random);
	sim->crashes++;
	sim->is_down = true;
	pthread_mutex_unlock(&sim->lock);
}

void world_sim_restart(struct world *world)
{
	struct sim *sim = (struct sim *)world;
	pthread_mutex_lock(&sim->lock);
	sim->is_down = false;
	pthread_mutex_unlock(&sim->lock);
}

void world_sim_observe(struct world *world, world_sim_hook *before, void *context)
{
	struct sim *sim = (struct sim *)world;
	pthread_mutex_lock(&sim->lock);
	sim->before = before;
	sim->context = context;
	pthread_mutex_unlock(&sim->lock);
}

uint64_t world_sim_calls(struct world *world)
{
	struct sim *sim = (struct sim *)world;
	pthread_mutex_lock(&sim->lock);
	const uint64_t calls = sim->calls;
	pthread_mutex_unlock(&sim->lock);
	return calls;
}
