/*
 * world.h: everything that the outside decides: time, randomness, and files.
 *
 * world_posix() is the machine.  A simulation passes its own (base/world_sim.h), in which time is
 * a number, randomness is a seed, and a crash loses every write, name and rename that was not
 * synced.  Calls may come from several threads; one open file belongs to one thread at a time.
 *
 * Paths are absolute.  Durability follows POSIX: file_sync() makes the bytes and the size of one
 * file durable, world_sync_directory() the names in one directory (creations, renames, removals).
 *
 * Kinds: MISSING (no such file or directory), CONFLICT (exists already), LIMIT (disk full),
 * SETUP (permission, read-only, not a directory), LOST (I/O error).
 */
#ifndef BASE_WORLD_H
#define BASE_WORLD_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/micros.h"

struct world;
struct file;

enum file_mode {
	FILE_READ = 1,   /* must exist */
	FILE_WRITE,      /* read and write; must exist */
	FILE_CREATE,     /* read and write; made when missing, bytes kept when not */
	FILE_CREATE_NEW, /* read and write; CONFLICT when it exists */
};

struct file_info {
	const char *name; /* within its directory; in the arena of the listing */
	bool is_directory;
	uint64_t size_bytes;
	micros_t modified_at;
};

struct world_ops {
	micros_t (*now)(struct world *world);       /* may jump */
	micros_t (*monotonic)(struct world *world); /* never goes back */
	void (*sleep)(struct world *world, micros_t span);
	void (*random)(struct world *world, void *out, size_t size);

	bool (*open)(struct world *world, const char *path, enum file_mode mode, struct file **out,
		struct error *err);
	bool (*rename)(struct world *world, const char *from, const char *to, struct error *err);
	bool (*remove)(struct world *world, const char *path, struct error *err); /* a file */
	bool (*make_directory)(struct world *world, const char *path, struct error *err);
	bool (*sync_directory)(struct world *world, const char *path, struct error *err);
	bool (*list)(struct world *world, const char *path, struct arena *arena,
		struct file_info **out, size_t *count, struct error *err); /* sorted by name */
	void (*close)(struct world *world);
};

struct file_ops {
	/* Up to size bytes from offset; *got is less only at the end of the file. */
	bool (*read_at)(struct file *file, uint64_t offset, void *out, size_t size, size_t *got,
		struct error *err);
	bool (*write_at)(struct file *file, uint64_t offset, struct bytes data, struct error *err);
	bool (*truncate)(struct file *file, uint64_t size, struct error *err);
	bool (*sync)(struct file *file, struct error *err);
	bool (*size)(struct file *file, uint64_t *out, struct error *err);
	void (*close)(struct file *file); /* also NULL; un-synced bytes may be lost */
};

struct world {
	const struct world_ops *ops;
};

struct file {
	const struct file_ops *ops;
};

struct world *world_posix(void); /* one for the process, never closed */

micros_t world_now(struct world *world);
micros_t world_monotonic(struct world *world);
void world_sleep(struct world *world, micros_t span);
void world_random(struct world *world, void *out, size_t size);

bool world_open(struct world *world, const char *path, enum file_mode mode, struct file **out,
	struct error *err) MUST_CHECK;
bool world_rename(
	struct world *world, const char *from, const char *to, struct error *err) MUST_CHECK;
bool world_remove(struct world *world, const char *path, struct error *err) MUST_CHECK;
bool world_sync_directory(struct world *world, const char *path, struct error *err) MUST_CHECK;
bool world_list(struct world *world, const char *path, struct arena *arena, struct file_info **out,
	size_t *count, struct error *err) MUST_CHECK;

/* Makes path and its parents where missing, each durable in its parent. */
bool world_make_directories(struct world *world, const char *path, struct error *err) MUST_CHECK;

bool file_read_at(struct file *file, uint64_t offset, void *out, size_t size, size_t *got,
	struct error *err) MUST_CHECK;
bool file_write_at(
	struct file *file, uint64_t offset, struct bytes data, struct error *err) MUST_CHECK;
bool file_truncate(struct file *file, uint64_t size, struct error *err) MUST_CHECK;
bool file_sync(struct file *file, struct error *err) MUST_CHECK;
bool file_size(struct file *file, uint64_t *out, struct error *err) MUST_CHECK;
void file_close(struct file *file);

/* The whole file, appended to out; LIMIT beyond size_max. */
bool world_read_file(struct world *world, const char *path, size_t size_max, struct buffer *out,
	struct error *err) MUST_CHECK;

/* A random identifier in lower-case text form, version 4 (RFC 9562). */
enum {
	UUID_TEXT_SIZE = 37
};
const char *world_uuid(struct world *world, char text[UUID_TEXT_SIZE]);

#endif
