/*
 * world_sim_internal.h: the disk of a simulated world.  Not thread safe; the world locks.
 *
 * A node is a file or a directory.  It has a present state, which calls see, and a durable one,
 * which survives; what lies between is the list of its un-synced writes and the disk's list of
 * un-synced names.  Nodes are counted: by names, un-synced names, and open handles.
 */
#ifndef BASE_WORLD_SIM_INTERNAL_H
#define BASE_WORLD_SIM_INTERNAL_H

#include "base/buffer.h"

enum {
	DISK_SECTOR_BYTES = 512
};

struct disk_write; /* un-synced, oldest first */
struct disk_edit;
struct disk_node;

struct disk_entry { /* sorted by name */
	struct disk_entry *next;
	struct disk_node *node;
	char name[];
};

struct disk_node {
	size_t references;
	bool is_directory;
	int64_t modified_at;
	struct buffer bytes;
	struct buffer durable_bytes;
	struct disk_write *writes, **writes_end;
	struct disk_entry *entries;
	struct disk_entry *durable_entries;
};

struct disk {
	struct disk_node *root;
	struct disk_edit *edits, **edits_end; /* un-synced names, oldest first */
};

void disk_init(struct disk *disk);
void disk_deinit(struct disk *disk);

/* The last directory of path, and the name in it; "" when path is "/".  NULL: no such path. */
struct disk_node *disk_find_parent(
	struct disk *disk, const char *path, struct arena *arena, const char **name);
struct disk_node *disk_find(struct disk *disk, const char *path);                    /* or NULL */
struct disk_node *disk_find_in(const struct disk_node *directory, const char *name); /* or NULL */

struct disk_node *disk_create(
	struct disk *disk, struct disk_node *directory, const char *name, bool is_directory);
void disk_remove(struct disk *disk, struct disk_node *directory, const char *name);

struct disk_place {
	struct disk_node *directory;
	const char *name;
};
void disk_rename(struct disk *disk, struct disk_place from, struct disk_place to);

void disk_write(struct disk_node *node, uint64_t offset, struct bytes data);
void disk_truncate(struct disk_node *node, uint64_t size);
void disk_sync(struct disk_node *node);
void disk_sync_directory(struct disk *disk, struct disk_node *directory);

void disk_crash(struct disk *disk, uint64_t *random);

void disk_hold(struct disk_node *node);
void disk_release(struct disk_node *node);

uint64_t disk_random(uint64_t *state); /* SplitMix64 */

#endif
