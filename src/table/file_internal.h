/*
 * file_internal.h: a table's data files, their deletes, and the groups in which manifests name
 * them.
 */
#ifndef TABLE_FILE_INTERNAL_H
#define TABLE_FILE_INTERNAL_H

#include "base/buffer.h"
#include "iceberg/manifest.h"

struct table;
struct group;

enum {
	BITMAP_WORD_BITS = 64
};

struct bitmap {
	uint64_t *words;
	size_t word_count;
	uint32_t set_count;
};

bool bitmap_get(const struct bitmap *bitmap, uint32_t position);
bool bitmap_set(struct bitmap *bitmap, uint32_t position); /* false: it was set */

/* The position-delete file of one data file. */
struct delete_file {
	struct arena arena; /* of the entry */
	struct manifest_entry entry;
};

void delete_file_close(struct delete_file *deletes); /* NULL too */

struct table_file {
	uint32_t id;
	bool is_new;                 /* written by this delta */
	bool is_open;                /* table_append() is writing it */
	bool is_dropped;             /* truncated, or folded into others, by this delta */
	bool deletes_changed;        /* by this delta */
	struct arena arena;          /* of the entry */
	struct manifest_entry entry; /* of a new file without numbers */
	struct buffer held;          /* the file itself, until a commit puts it into the store */
	bool is_written;             /* its path is among those written */
	struct bitmap deleted;
	struct group *group;         /* whose manifests name it; NULL while it is new */
	struct delete_file *deletes; /* of the current version, or NULL */

	struct group *next_group;
	struct delete_file *next_deletes; /* replaces deletes */
};

/* A file with rows that the next version has. */
bool table_file_is_live(const struct table_file *file);
uint64_t table_file_live_rows(const struct table_file *file);
/* That the next version names. */
const struct delete_file *table_file_next_deletes(const struct table_file *file);

struct table_file *table_add_file(struct table *table); /* new, with the next id */
void table_remove_file(struct table *table, size_t index);
struct table_file *table_find_file(const struct table *table, uint32_t id); /* NULL: no such */

/* --- groups of files and their manifests --- */

enum {
	MANIFEST_KINDS = 2 /* indexed by enum manifest_content */
};

struct group_manifest {
	bool is_there;
	char *uri; /* owned; file.manifest_path */
	struct manifest_file file;
	size_t entry_count; /* of one that the next version writes, in the pending arena */
	struct manifest_entry *entries;
};

struct group {
	struct group_manifest current[MANIFEST_KINDS];
	struct group_manifest next[MANIFEST_KINDS]; /* where the next version writes another */
	bool changes[MANIFEST_KINDS];               /* next counts, not current */
	bool must_rewrite_deletes; /* they stand in a manifest of somebody else's making */
};

struct group *table_add_group(struct table *table);

/* Makes the delete files and manifests of the next version, and the puts that write them. */
bool manifests_write(struct table *table, struct error *err) MUST_CHECK;
void table_release_held(struct table *table); /* the files of the next version are in the store */
void manifests_forget_next(struct table *table); /* the next version is not to be */
void manifests_accept(struct table *table);      /* the next version is the current one */

#endif
