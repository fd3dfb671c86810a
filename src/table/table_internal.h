/*
 * table_internal.h: what a table is in memory, for the files of this folder.
 *
 * A table has data files; each has its entry as manifests state it, a bitmap of deleted rows, and
 * the delete file that says the same in the store.  Files live in groups; a group is written as
 * one manifest of data files and, when one of them has deletes, one manifest of delete files.
 *
 * The delta is marked on the files (is_new, is_dropped, deletes_changed).  table_prepare() puts
 * what the next version has in the next_... fields, which table_accept() makes current.
 */
#ifndef TABLE_TABLE_INTERNAL_H
#define TABLE_TABLE_INTERNAL_H

#include "format/parquet/parquet_reader.h"
#include "format/parquet/parquet_writer.h"
#include "iceberg/manifest.h"
#include "iceberg/update.h"
#include "table/table.h"

enum {
	GROUP_FILES_MAX = 128,            /* entries of one manifest that a commit rewrites */
	FILE_ROWS_MAX = 16 * 1024 * 1024, /* then the next file is begun: bounds its bitmap */
	READ_ROWS_MAX = 8192,             /* rows read at once */
	READ_BYTES_TARGET = 4 * 1024 * 1024,
};

/* --- files --- */

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
void bitmap_deinit(struct bitmap *bitmap);

/* The position-delete file of one data file. */
struct delete_file {
	struct arena arena; /* of the entry */
	struct manifest_entry entry;
};

void delete_file_close(struct delete_file *deletes); /* NULL too */

struct group;

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
bool group_manifest_has_live(const struct group_manifest *manifest);

/* Makes the delete files and manifests of the next version, and the puts that write them. */
bool manifests_write(struct table *table, struct error *err) MUST_CHECK;
void table_release_held(struct table *table); /* the files of the next version are in the store */
void manifests_forget_next(struct table *table); /* the next version is not to be */
void manifests_accept(struct table *table);      /* the next version is the current one */

/* --- which objects old versions name --- */

/* An object that the current version does not name, but a version of first to last may. */
struct past_object {
	char *path; /* owned, in the store */
	int64_t first_sequence_number;
	int64_t last_sequence_number;
	bool is_unnamed; /* by the next version's metadata: to be removed */
};

struct history {
	size_t count;
	size_t capacity;
	struct past_object *objects;
};

/* From first to last; ranges of one path are joined by history_join(). */
void history_add(struct history *history, const char *path, int64_t first, int64_t last);
void history_join(struct history *history);
void history_deinit(struct history *history);
const struct past_object *history_find(const struct history *joined, const char *path);

/* Adds what the versions of metadata name, those of `known` left out (NULL: none). */
bool history_read(struct table *table, const struct metadata *metadata,
	const struct metadata *known, struct history *out, struct error *err) MUST_CHECK;

/* Marks the objects that no snapshot of metadata names. */
void history_mark(struct history *history, const struct metadata *metadata);

/*
 * Ids of the versions of metadata that are older than the newest one at or before
 * expire_before_ms, `added` (or NULL) among them, which will be on top of the current one.  What a
 * ref names stays, and so does the version that records the position.
 */
int64_t *history_expired(const struct metadata *metadata, const struct snapshot *added,
	int64_t expire_before_ms, struct arena *arena, size_t *count);

/* --- objects on their way to the store and from it --- */

enum {
	HELD_OBJECT_BYTES_MAX = 256 * 1024, /* a bigger one goes to the store at once */
	HELD_TABLE_BYTES_MAX = 1024 * 1024, /* of data files of one delta */
};

struct object_sink {
	struct table *table;
	const char *path;
	size_t held_max;
	struct buffer held;    /* the bytes so far, while there is no upload */
	struct upload *upload; /* or NULL */
};

bool object_sink_write(void *context, struct bytes data, struct error *err); /* of a parquet_sink */
/* True: durable in the store, unless held has its bytes.  The upload is gone in either case. */
bool object_sink_finish(struct object_sink *sink, struct error *err) MUST_CHECK;
void object_sink_abort(struct object_sink *sink);

struct object_source {
	struct store *store;
	const char *path;
	struct bytes held; /* its bytes, when they are not in the store yet */
	struct buffer buffer;
};

bool object_source_read_at(void *context, uint64_t offset, void *out, size_t size,
	struct error *err); /* of a parquet_source */

struct put {
	const char *path; /* borrowed */
	struct bytes body;
	struct buffer owned;
};

struct puts {
	size_t count, capacity;
	struct put *items;
};

void puts_add(struct puts *puts, const char *path, struct bytes body);
void puts_take(struct puts *puts, const char *path, struct buffer *body); /* owns it from here */
void puts_reset(struct puts *puts);
/* All durable when it returns true; after a failure some may be. */
bool puts_run(struct store *store, const struct puts *puts, unsigned parallel,
	struct error *err) MUST_CHECK;

/* --- the table --- */

/* What table_prepare() has made, until table_accept(). */
struct pending {
	bool is_ready;
	bool makes_version;
	struct table_prepare options;
	struct arena arena;          /* of manifest entries and the list */
	struct arena metadata_arena; /* of metadata and its location */
	struct metadata *metadata;   /* NULL: there was nothing to do */
	const char *metadata_location;
	int64_t snapshot_id;
	int64_t sequence_number;
	int64_t list_sequence_number; /* for which list_uri was written; 0: not yet */
	const char *list_uri;
	struct puts puts;    /* what is not in the store yet */
	struct history past; /* what the new metadata's versions, but not its current one, name */
};

struct table {
	struct world *world;
	struct store *store;
	struct table_options options;
	const struct relation *relation;
	char *folder;                   /* "public/orders/" */
	struct parquet_column *columns; /* of data files */
	size_t column_count;
	char *schema_json;

	struct arena metadata_arena;
	struct metadata *metadata; /* of the current version; of a new table an empty one */
	char *metadata_location;   /* "" of a new table */
	char *replaces;            /* of a new table: the location that it swaps, or "" */
	struct history past;       /* joined */
	struct history loose;      /* manifests of the current version in no group */

	size_t file_count, file_capacity;
	struct table_file **files; /* by id, which is by age */
	uint32_t next_file;
	size_t group_count;
	struct group **groups; /* newest last */
	uint64_t row_count;    /* live */

	bool rows_changed; /* the delta is more than folding */
	bool has_folded;
	struct output *append;
	size_t held_bytes; /* of new files */
	size_t written_count, written_capacity;
	char **written; /* paths of objects since the last accept */
	struct pending pending;
};

/* The path is remembered, as that of an object written since the last accept: the copy. */
const char *table_add_written(struct table *table, const char *path);
/* The path of a new object in the folder, remembered; it lives until table_accept(). */
const char *table_new_path(struct table *table, const char *format, ...) PRINTF_LIKE(2, 3);
const char *table_new_uuid(struct table *table, char text[UUID_TEXT_SIZE]);

/* "public.orders", for messages. */
const char *table_text(const struct table *table, char text[160]);

/* The metadata at a location, in arena. */
bool metadata_read(struct table *table, const char *location, struct arena *arena,
	struct metadata **out, struct error *err) MUST_CHECK;
/* UNSUPPORTED unless walberg can write the table with the relation's columns. */
bool metadata_check(
	struct table *table, const struct metadata *metadata, struct error *err) MUST_CHECK;
bool manifest_list_read(struct table *table, const struct snapshot *snapshot, struct arena *arena,
	struct manifest_file **out, size_t *count, struct error *err) MUST_CHECK;
bool manifest_read(struct table *table, const struct manifest_file *file, struct arena *arena,
	struct manifest *out, struct error *err) MUST_CHECK;

struct table *table_new(struct world *world, struct store *store,
	const struct table_options *options,
	const struct relation *relation); /* without metadata */
/* Every object that the current version names, joined; sequence numbers are 0. */
void table_current_names(const struct table *table, struct history *out);
void pending_reset(struct table *table); /* nothing is prepared; what was written stays listed */
char *copy_text(const char *text);

/* The delta changes: what was prepared of it does not count. */
static inline void pending_give_up(struct table *table)
{
	if (table->pending.is_ready)
		pending_reset(table);
}

/* --- rows in and out of files --- */

/* A data file that is being written. */
struct output {
	struct table *table;
	struct table_file *file;
	struct object_sink sink;
	struct parquet_writer *writer;
};

bool output_open(struct table *table, struct output **out, struct error *err) MUST_CHECK;
bool output_write(struct output *output, const struct batch *batch, const uint32_t *rows,
	size_t row_count, struct error *err) MUST_CHECK;
bool output_is_full(const struct output *output);
/* The output is gone in either case. */
bool output_finish(struct output *output, struct error *err) MUST_CHECK;
void output_abort(struct output *output); /* its file is gone from the table, too */

/* The data_file that the writer's metrics describe, in arena. */
struct data_file data_file_of(const struct parquet_file_info *info, enum file_content content,
	const char *uri, struct arena *arena);

/* Live rows of one file, in order. */
struct file_rows {
	struct table *table;
	const struct table_file *file;
	struct object_source *source;
	struct parquet_reader *reader;
	size_t *columns; /* 0, 1, ... of the reader */
	size_t column_count;
	size_t row_group;
	uint64_t group_rows_left;
	uint64_t position; /* of the next row */
	size_t rows_max;   /* of one batch */
	struct batch raw, live;
	uint32_t *positions;
};

bool file_rows_open(struct table *table, const struct table_file *file, const int *columns,
	size_t column_count, struct file_rows *out, struct error *err) MUST_CHECK;
/* The next live rows, of the relation's types; rows->batch is NULL at the end. */
bool file_rows_next(struct file_rows *rows, struct table_rows *out, struct error *err) MUST_CHECK;
void file_rows_close(struct file_rows *rows);

/* The delete file is in the store, or its bytes are in the pending puts. */
bool delete_file_write(struct table *table, const struct table_file *file, struct delete_file **out,
	struct error *err) MUST_CHECK;
/* Sets the file's bitmap from its delete file. */
bool delete_file_read(struct table *table, struct table_file *file, struct error *err) MUST_CHECK;

/* --- summary of the next version --- */

struct key_value *summary_make(const struct table *table, const struct table_prepare *options,
	struct arena *arena, size_t *count);

#endif
