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
#include "iceberg/update.h"
#include "table/file_internal.h"
#include "table/history_internal.h"
#include "table/objects_internal.h"
#include "table/table.h"

enum {
	GROUP_FILES_MAX = 128,            /* entries of one manifest that a commit rewrites */
	FILE_ROWS_MAX = 16 * 1024 * 1024, /* then the next file is begun: bounds its bitmap */
	READ_ROWS_MAX = 8192,             /* rows read at once */
	READ_BYTES_TARGET = 4 * 1024 * 1024,
};

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
/* The same for the name of an object, with the mark that table_is_own_path() looks for. */
#define NAME_MARK "-8a1b-"
enum {
	NAME_MARK_AT = 13
};
const char *table_new_name(struct table *table, char text[UUID_TEXT_SIZE]);

/* "public.orders", for messages. */
const char *table_text(const struct table *table, char text[160]);

/* The metadata at a location, in arena. */
bool metadata_read(struct store *store, const char *location, struct arena *arena,
	struct metadata **out, struct error *err) MUST_CHECK;
/* UNSUPPORTED unless walberg can write the table with the relation's columns. */
bool metadata_check(
	struct table *table, const struct metadata *metadata, struct error *err) MUST_CHECK;
bool manifest_list_read(struct store *store, const struct snapshot *snapshot, struct arena *arena,
	struct manifest_file **out, size_t *count, struct error *err) MUST_CHECK;
bool manifest_read(struct store *store, const struct manifest_file *file, struct arena *arena,
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

struct output; /* write.c: a data file that is being written */

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
