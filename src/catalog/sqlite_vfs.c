#include "catalog/sqlite_vfs.h"

#include <assert.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdlib.h>

enum {
	SECTOR_BYTES = 512,
	PATH_BYTES_MAX = 4096,
};

/* What the handles of one file share. */
struct node {
	struct node *next;
	size_t handles;
	bool is_dead; /* from before a crash: new handles get a node of their own */

	size_t shared; /* handles at SHARED or above */
	struct vfs_file *reserved;
	struct vfs_file *pending; /* and, when shared is 1, exclusive */

	size_t memory_handles;
	void **regions; /* of the WAL index */
	size_t region_count;
	size_t slot_shared[SQLITE_SHM_NLOCK];
	struct vfs_file *slot_exclusive[SQLITE_SHM_NLOCK];

	char path[];
};

struct sqlite_vfs {
	sqlite3_vfs base;
	struct world *world;
	pthread_mutex_t lock; /* of all nodes */
	struct node *nodes;
	char name[];
};

struct vfs_file {
	sqlite3_file base;
	struct sqlite_vfs *vfs;
	struct file *file;
	struct node *node;
	int level;              /* SQLITE_LOCK_... */
	bool has_memory;        /* counted in memory_handles */
	uint8_t slots_shared;   /* bit per slot that this handle holds */
	bool must_sync_name;    /* the file may be new: its first sync covers the directory */
	bool is_removed_closed; /* SQLITE_OPEN_DELETEONCLOSE */
};

static struct vfs_file *vfs_file_of(sqlite3_file *file)
{
	return (struct vfs_file *)file;
}

static struct sqlite_vfs *vfs_of(sqlite3_vfs *vfs)
{
	return (struct sqlite_vfs *)vfs->pAppData;
}

static void mark_dead(struct vfs_file *file)
{
	pthread_mutex_lock(&file->vfs->lock);
	file->node->is_dead = true;
	pthread_mutex_unlock(&file->vfs->lock);
}

/* SQLite's code for a failed call; `code` says which call it was. */
static int fail(struct vfs_file *file, const struct error *err, int code)
{
	if (err->kind == ERROR_LOST)
		mark_dead(file);
	return err->kind == ERROR_LIMIT ? SQLITE_FULL : code;
}

/* --- bytes ---------------------------------------------------------------------------------- */

static int vfs_read(sqlite3_file *base, void *out, int size, sqlite3_int64 offset)
{
	struct vfs_file *file = vfs_file_of(base);
	struct error err;
	size_t got;
	if (!file_read_at(file->file, (uint64_t)offset, out, (size_t)size, &got, &err))
		return fail(file, &err, SQLITE_IOERR_READ);
	if (got == (size_t)size)
		return SQLITE_OK;
	memset((uint8_t *)out + got, 0, (size_t)size - got);
	return SQLITE_IOERR_SHORT_READ;
}

static int vfs_write(sqlite3_file *base, const void *data, int size, sqlite3_int64 offset)
{
	struct vfs_file *file = vfs_file_of(base);
	struct error err;
	if (file_write_at(file->file, (uint64_t)offset, bytes_of(data, (size_t)size), &err))
		return SQLITE_OK;
	return fail(file, &err, SQLITE_IOERR_WRITE);
}

static int vfs_truncate(sqlite3_file *base, sqlite3_int64 size)
{
	struct vfs_file *file = vfs_file_of(base);
	struct error err;
	if (file_truncate(file->file, (uint64_t)size, &err))
		return SQLITE_OK;
	return fail(file, &err, SQLITE_IOERR_TRUNCATE);
}

static bool sync_directory_of(struct world *world, const char *path, struct error *err)
{
	char directory[PATH_BYTES_MAX];
	const char *slash = strrchr(path, '/');
	const size_t size = slash > path ? (size_t)(slash - path) : 1;
	assert(slash != NULL && size < sizeof directory);
	memcpy(directory, path, size);
	directory[size] = '\0';
	return world_sync_directory(world, directory, err);
}

static int vfs_sync(sqlite3_file *base, int flags)
{
	(void)flags;
	struct vfs_file *file = vfs_file_of(base);
	struct error err;
	if (!file_sync(file->file, &err))
		return fail(file, &err, SQLITE_IOERR_FSYNC);
	if (file->must_sync_name && !sync_directory_of(file->vfs->world, file->node->path, &err))
		return fail(file, &err, SQLITE_IOERR_DIR_FSYNC);
	file->must_sync_name = false;
	return SQLITE_OK;
}

static int vfs_size(sqlite3_file *base, sqlite3_int64 *out)
{
	struct vfs_file *file = vfs_file_of(base);
	struct error err;
	uint64_t size;
	if (!file_size(file->file, &size, &err))
		return fail(file, &err, SQLITE_IOERR_FSTAT);
	*out = (sqlite3_int64)size;
	return SQLITE_OK;
}

/* --- locks of the database file ------------------------------------------------------------- */

static bool is_others(const struct vfs_file *holder, const struct vfs_file *file)
{
	return holder != NULL && holder != file;
}

static int lock_shared(struct vfs_file *file)
{
	if (is_others(file->node->pending, file))
		return SQLITE_BUSY;
	file->node->shared++;
	file->level = SQLITE_LOCK_SHARED;
	return SQLITE_OK;
}

static int lock_reserved(struct vfs_file *file)
{
	if (is_others(file->node->reserved, file) || is_others(file->node->pending, file))
		return SQLITE_BUSY;
	file->node->reserved = file;
	file->level = SQLITE_LOCK_RESERVED;
	return SQLITE_OK;
}

/* PENDING keeps new readers out while the last ones leave. */
static int lock_exclusive(struct vfs_file *file)
{
	struct node *node = file->node;
	if (is_others(node->reserved, file) || is_others(node->pending, file))
		return SQLITE_BUSY;
	node->pending = file;
	file->level = node->shared > 1 ? SQLITE_LOCK_PENDING : SQLITE_LOCK_EXCLUSIVE;
	return node->shared > 1 ? SQLITE_BUSY : SQLITE_OK;
}

static int vfs_lock(sqlite3_file *base, int level)
{
	struct vfs_file *file = vfs_file_of(base);
	if (file->level >= level)
		return SQLITE_OK;
	pthread_mutex_lock(&file->vfs->lock);
	int code = SQLITE_OK;
	if (file->level == SQLITE_LOCK_NONE)
		code = lock_shared(file);
	if (code == SQLITE_OK && level == SQLITE_LOCK_RESERVED)
		code = lock_reserved(file);
	if (code == SQLITE_OK && level == SQLITE_LOCK_EXCLUSIVE)
		code = lock_exclusive(file);
	pthread_mutex_unlock(&file->vfs->lock);
	return code;
}

static void unlock_to(struct vfs_file *file, int level)
{
	struct node *node = file->node;
	if (node->reserved == file)
		node->reserved = NULL;
	if (node->pending == file)
		node->pending = NULL;
	if (level == SQLITE_LOCK_NONE)
		node->shared--;
	file->level = level;
}

static int vfs_unlock(sqlite3_file *base, int level)
{
	struct vfs_file *file = vfs_file_of(base);
	if (file->level <= level)
		return SQLITE_OK;
	pthread_mutex_lock(&file->vfs->lock);
	unlock_to(file, level);
	pthread_mutex_unlock(&file->vfs->lock);
	return SQLITE_OK;
}

static int vfs_check_reserved_lock(sqlite3_file *base, int *out)
{
	struct vfs_file *file = vfs_file_of(base);
	pthread_mutex_lock(&file->vfs->lock);
	*out = file->node->reserved != NULL || file->node->pending != NULL;
	pthread_mutex_unlock(&file->vfs->lock);
	return SQLITE_OK;
}

/* --- shared memory of the write-ahead log --------------------------------------------------- */

static void add_regions(struct node *node, size_t count, size_t size)
{
	node->regions = memory_resize(node->regions, count, sizeof *node->regions);
	while (node->region_count < count)
		node->regions[node->region_count++] = memory_allocate(1, size);
}

static void free_regions(struct node *node)
{
	for (size_t i = 0; i < node->region_count; i++)
		free(node->regions[i]);
	free(node->regions);
	node->regions = NULL;
	node->region_count = 0;
}

static int vfs_memory_map(sqlite3_file *base, int region, int size, int extend, void volatile **out)
{
	struct vfs_file *file = vfs_file_of(base);
	struct node *node = file->node;
	const size_t index = (size_t)region;
	pthread_mutex_lock(&file->vfs->lock);
	if (!file->has_memory)
		node->memory_handles++;
	file->has_memory = true;
	if (index >= node->region_count && extend)
		add_regions(node, index + 1, (size_t)size);
	*out = index < node->region_count ? node->regions[index] : NULL;
	pthread_mutex_unlock(&file->vfs->lock);
	return SQLITE_OK;
}

static void unlock_slot(struct vfs_file *file, int slot)
{
	struct node *node = file->node;
	const uint8_t bit = (uint8_t)(1 << slot);
	if (node->slot_exclusive[slot] == file)
		node->slot_exclusive[slot] = NULL;
	if (file->slots_shared & bit)
		node->slot_shared[slot]--;
	file->slots_shared &= (uint8_t)~bit;
}

static bool slot_is_free(const struct vfs_file *file, int slot, bool for_exclusive)
{
	const struct node *node = file->node;
	const size_t own = file->slots_shared >> slot & 1;
	return !is_others(node->slot_exclusive[slot], file) &&
	       (!for_exclusive || node->slot_shared[slot] == own);
}

static void lock_slot(struct vfs_file *file, int slot, bool is_exclusive)
{
	const uint8_t bit = (uint8_t)(1 << slot);
	if (is_exclusive) {
		file->node->slot_exclusive[slot] = file;
	} else if (!(file->slots_shared & bit)) {
		file->node->slot_shared[slot]++;
		file->slots_shared |= bit;
	}
}

static int vfs_memory_lock(sqlite3_file *base, int offset, int count, int flags)
{
	struct vfs_file *file = vfs_file_of(base);
	const bool is_exclusive = flags & SQLITE_SHM_EXCLUSIVE;
	bool is_free = true;
	pthread_mutex_lock(&file->vfs->lock);
	for (int slot = offset; slot < offset + count && !(flags & SQLITE_SHM_UNLOCK); slot++)
		is_free = is_free && slot_is_free(file, slot, is_exclusive);
	for (int slot = offset; slot < offset + count && is_free; slot++) {
		if (flags & SQLITE_SHM_UNLOCK)
			unlock_slot(file, slot);
		else
			lock_slot(file, slot, is_exclusive);
	}
	pthread_mutex_unlock(&file->vfs->lock);
	return is_free ? SQLITE_OK : SQLITE_BUSY;
}

static void vfs_memory_barrier(sqlite3_file *base)
{
	struct vfs_file *file = vfs_file_of(base);
	pthread_mutex_lock(&file->vfs->lock);
	pthread_mutex_unlock(&file->vfs->lock);
}

static void unmap_locked(struct vfs_file *file)
{
	for (int slot = 0; slot < SQLITE_SHM_NLOCK; slot++)
		unlock_slot(file, slot);
	if (file->has_memory && --file->node->memory_handles == 0)
		free_regions(file->node);
	file->has_memory = false;
}

static int vfs_memory_unmap(sqlite3_file *base, int is_last)
{
	(void)is_last;
	struct vfs_file *file = vfs_file_of(base);
	pthread_mutex_lock(&file->vfs->lock);
	unmap_locked(file);
	pthread_mutex_unlock(&file->vfs->lock);
	return SQLITE_OK;
}

/* --- opening and closing -------------------------------------------------------------------- */

static struct node *take_node(struct sqlite_vfs *vfs, const char *path)
{
	pthread_mutex_lock(&vfs->lock);
	struct node *node = vfs->nodes;
	while (node != NULL && (node->is_dead || strcmp(node->path, path) != 0))
		node = node->next;
	if (node == NULL) {
		node = memory_allocate(1, sizeof *node + strlen(path) + 1);
		strcpy(node->path, path);
		node->next = vfs->nodes;
		vfs->nodes = node;
	}
	node->handles++;
	pthread_mutex_unlock(&vfs->lock);
	return node;
}

static void give_node_locked(struct sqlite_vfs *vfs, struct node *node)
{
	if (--node->handles > 0)
		return;
	struct node **at = &vfs->nodes;
	while (*at != node)
		at = &(*at)->next;
	*at = node->next;
	free_regions(node);
	free(node);
}

static int vfs_close(sqlite3_file *base)
{
	struct vfs_file *file = vfs_file_of(base);
	struct error err;
	file_close(file->file);
	if (file->is_removed_closed && !world_remove(file->vfs->world, file->node->path, &err))
		fail(file, &err, SQLITE_IOERR_DELETE);
	pthread_mutex_lock(&file->vfs->lock);
	unmap_locked(file);
	if (file->level != SQLITE_LOCK_NONE)
		unlock_to(file, SQLITE_LOCK_NONE);
	give_node_locked(file->vfs, file->node);
	pthread_mutex_unlock(&file->vfs->lock);
	return SQLITE_OK;
}

static int vfs_file_control(sqlite3_file *file, int operation, void *argument)
{
	(void)file, (void)operation, (void)argument;
	return SQLITE_NOTFOUND;
}

static int vfs_sector_size(sqlite3_file *file)
{
	(void)file;
	return SECTOR_BYTES;
}

/* A torn write never harms bytes beside it. */
static int vfs_characteristics(sqlite3_file *file)
{
	(void)file;
	return SQLITE_IOCAP_POWERSAFE_OVERWRITE;
}

static const sqlite3_io_methods METHODS = {
	.iVersion = 2,
	.xClose = vfs_close,
	.xRead = vfs_read,
	.xWrite = vfs_write,
	.xTruncate = vfs_truncate,
	.xSync = vfs_sync,
	.xFileSize = vfs_size,
	.xLock = vfs_lock,
	.xUnlock = vfs_unlock,
	.xCheckReservedLock = vfs_check_reserved_lock,
	.xFileControl = vfs_file_control,
	.xSectorSize = vfs_sector_size,
	.xDeviceCharacteristics = vfs_characteristics,
	.xShmMap = vfs_memory_map,
	.xShmLock = vfs_memory_lock,
	.xShmBarrier = vfs_memory_barrier,
	.xShmUnmap = vfs_memory_unmap,
};

static enum file_mode mode_of(int flags)
{
	if (flags & SQLITE_OPEN_EXCLUSIVE)
		return FILE_CREATE_NEW;
	if (flags & SQLITE_OPEN_CREATE)
		return FILE_CREATE;
	return flags & SQLITE_OPEN_READWRITE ? FILE_WRITE : FILE_READ;
}

static int vfs_open(
	sqlite3_vfs *base, sqlite3_filename path, sqlite3_file *out, int flags, int *out_flags)
{
	struct sqlite_vfs *vfs = vfs_of(base);
	struct vfs_file *file = vfs_file_of(out);
	struct error err;
	*file = (struct vfs_file){ .vfs = vfs };
	/* Temporary files have no name; they stay in memory (PRAGMA temp_store). */
	if (path == NULL || !world_open(vfs->world, path, mode_of(flags), &file->file, &err))
		return SQLITE_CANTOPEN;
	file->base.pMethods = &METHODS;
	file->node = take_node(vfs, path);
	file->must_sync_name = (flags & SQLITE_OPEN_CREATE) != 0;
	file->is_removed_closed = (flags & SQLITE_OPEN_DELETEONCLOSE) != 0;
	if (out_flags != NULL)
		*out_flags = flags;
	return SQLITE_OK;
}

static int vfs_delete(sqlite3_vfs *base, const char *path, int sync_directory)
{
	struct sqlite_vfs *vfs = vfs_of(base);
	struct error err;
	if (!world_remove(vfs->world, path, &err))
		return err.kind == ERROR_MISSING ? SQLITE_IOERR_DELETE_NOENT : SQLITE_IOERR_DELETE;
	if (sync_directory && !sync_directory_of(vfs->world, path, &err))
		return SQLITE_IOERR_DIR_FSYNC;
	return SQLITE_OK;
}

/* As SQLite's own: an empty file does not exist, so that an empty journal is not hot. */
static int vfs_access(sqlite3_vfs *base, const char *path, int flags, int *out)
{
	struct sqlite_vfs *vfs = vfs_of(base);
	struct error err;
	struct file *file;
	uint64_t size = 0;
	*out = world_open(vfs->world, path, FILE_READ, &file, &err);
	if (!*out)
		return err.kind == ERROR_MISSING ? SQLITE_OK : SQLITE_IOERR_ACCESS;
	const bool ok = file_size(file, &size, &err);
	file_close(file);
	if (flags == SQLITE_ACCESS_EXISTS)
		*out = size > 0;
	return ok ? SQLITE_OK : SQLITE_IOERR_ACCESS;
}

static int vfs_full_pathname(sqlite3_vfs *vfs, const char *path, int size, char *out)
{
	(void)vfs;
	return snprintf(out, (size_t)size, "%s", path) < size ? SQLITE_OK : SQLITE_CANTOPEN;
}

static int vfs_randomness(sqlite3_vfs *base, int size, char *out)
{
	world_random(vfs_of(base)->world, out, (size_t)size);
	return size;
}

static int vfs_sleep(sqlite3_vfs *base, int micros)
{
	world_sleep(vfs_of(base)->world, micros);
	return micros;
}

/* Milliseconds since noon in Greenwich on November 24, 4714 B.C. */
static int vfs_current_time(sqlite3_vfs *base, sqlite3_int64 *out)
{
	*out = INT64_C(210866760000000) + world_now(vfs_of(base)->world) / 1000;
	return SQLITE_OK;
}

struct sqlite_vfs *sqlite_vfs_register(struct world *world, const char *name)
{
	struct sqlite_vfs *vfs = memory_allocate(1, sizeof *vfs + strlen(name) + 1);
	strcpy(vfs->name, name);
	vfs->world = world;
	pthread_mutex_init(&vfs->lock, NULL);
	vfs->base = (sqlite3_vfs){
		.iVersion = 2,
		.szOsFile = sizeof(struct vfs_file),
		.mxPathname = PATH_BYTES_MAX,
		.zName = vfs->name,
		.pAppData = vfs,
		.xOpen = vfs_open,
		.xDelete = vfs_delete,
		.xAccess = vfs_access,
		.xFullPathname = vfs_full_pathname,
		.xRandomness = vfs_randomness,
		.xSleep = vfs_sleep,
		.xCurrentTimeInt64 = vfs_current_time,
	};
	assert(sqlite3_vfs_find(name) == NULL);
	const int code = sqlite3_vfs_register(&vfs->base, 0);
	assert(code == SQLITE_OK);
	(void)code;
	return vfs;
}

void sqlite_vfs_unregister(struct sqlite_vfs *vfs)
{
	if (vfs == NULL)
		return;
	assert(vfs->nodes == NULL);
	sqlite3_vfs_unregister(&vfs->base);
	pthread_mutex_destroy(&vfs->lock);
	free(vfs);
}
