/*
 * table.h: one Iceberg table, open for writing by this process (D2).
 *
 * Between two commits a table gathers a delta: new data files, deleted rows of files, perhaps a
 * truncation, and files folded into others.  table_prepare() writes what is missing (deletes,
 * manifests, manifest list, metadata) and yields the pointer swap for the catalog; after the
 * catalog's commit table_accept() makes the delta the table's state.  A delta that is not to be
 * committed is given up with table_abandon() and table_close(); the table is then loaded afresh.
 *
 * I1: when table_prepare() returns true, every object that the new metadata names is durable.
 * I7: a data file has at most one delete file, replaced by its successor; equality deletes are
 * never written.  Files are named in memory by an id that lives as long as the struct table.
 *
 * One thread.  Kinds: those of the store; CORRUPT (metadata or files that break their format);
 * CONFLICT (from table_rebase: somebody else changed the rows); UNSUPPORTED (metadata that walberg
 * does not write on: another format version, partitions, equality deletes, an evolved schema).
 */
#ifndef TABLE_TABLE_H
#define TABLE_TABLE_H

#include "catalog/catalog.h"
#include "event/batch.h"
#include "iceberg/metadata.h"
#include "store/store.h"

struct table;

struct table_options {
	int zstd_level;
	uint64_t file_size_target_bytes; /* of a data file */
	uint32_t row_group_rows;
	const char *lake_id;    /* into each version's summary */
	unsigned parallel_puts; /* small objects of a commit that are written at once; 0 is 1 */
};

/* A table that is not in the catalog yet.  Everything borrowed lives as long as the table. */
bool table_create(struct world *world, struct store *store, const struct table_options *options,
	const struct relation *relation, struct table **out, struct error *err) MUST_CHECK;

/*
 * A new table in the place of the one at metadata_location, which table_load() refuses because its
 * columns or rows are not walberg's any more.  The first commit swaps the catalog's pointer from
 * there, wherever this lake's table is by then; what the old table named in this table's folder
 * becomes removals.
 */
bool table_replace(struct world *world, struct store *store, const struct table_options *options,
	const struct relation *relation, const char *metadata_location, struct table **out,
	struct error *err) MUST_CHECK;

/*
 * Which lake has made the table at a location, as the newest version that names one says; in the
 * arena, NULL when there is none, and of what is outside of the store.  MISSING, CORRUPT,
 * UNSUPPORTED: it cannot be read, nor told.
 */
bool table_find_lake(struct store *store, const char *metadata_location, struct arena *arena,
	const char **lake_id, struct error *err) MUST_CHECK;
bool table_is_of_lake(struct store *store, const char *metadata_location, const char *lake_id,
	bool *out, struct error *err) MUST_CHECK;

/*
 * Reads metadata, manifests of all versions (to know which objects are still named), and the
 * deleted positions of the current one.  UNSUPPORTED when the schema is not the relation's;
 * CONFLICT when the current version is not walberg's and has other rows than walberg's newest.
 */
bool table_load(struct world *world, struct store *store, const struct table_options *options,
	const struct relation *relation, const char *metadata_location, struct table **out,
	struct error *err) MUST_CHECK;

void table_close(struct table *table); /* also NULL; leaves every object where it is */

uint64_t table_row_count(const struct table *table); /* live rows, the delta included */
size_t table_file_count(const struct table *table);  /* live data files, the delta included */
const char *table_metadata_location(const struct table *table); /* "" before the first commit */

/* That the newest walberg version under the current one records (I2); 0 when there is none. */
lsn_t table_position(const struct table *table);

/*
 * Feed all live rows of all files to `rows`: batches with the named columns (indices into the
 * relation's columns), each row's file and position in the file.  For rebuilding a key index.
 */
struct table_rows {
	uint32_t file;
	const struct batch *batch;
	const uint32_t *positions; /* row i of the batch is at positions[i] in the file */
};
bool table_scan(struct table *table, const int *columns, size_t column_count,
	bool (*rows)(void *context, const struct table_rows *rows, struct error *err),
	void *context, struct error *err) MUST_CHECK;

/* --- the delta --- */

/* The id that the next file of table_write() will have: rows can be indexed before it is written.
 */
uint32_t table_next_file(const struct table *table);

/*
 * Write rows (those listed, ascending; all when rows is NULL) as one new data file: row i of the
 * list is at position i.  Not visible before a commit.  Without rows nothing is written and no id
 * is taken.  After a failure the delta is as it was before.
 */
bool table_write(struct table *table, const struct batch *batch, const uint32_t *rows,
	size_t row_count, struct error *err) MUST_CHECK;

/*
 * As table_write(), for many batches into files of the target size, until table_append_end(); no
 * other write, scan or fold may come between, deletions may.  The batch's rows stand one after the
 * other from *position on, all in *file.  After a failure the delta is lost: abandon the table.
 */
bool table_append(struct table *table, const struct batch *batch, uint32_t *file,
	uint32_t *position, struct error *err) MUST_CHECK;
bool table_append_end(struct table *table, struct error *err) MUST_CHECK;

/* The row is gone.  It must be live. */
void table_delete(struct table *table, uint32_t file, uint32_t position);

/* Every row written so far is gone, at the cost of metadata only. */
void table_truncate(struct table *table);

bool table_has_delta(const struct table *table);
bool table_has_folded(const struct table *table); /* files, in this delta */

/*
 * Fold small and much-deleted files into bigger ones, as part of the delta, with at most
 * rows_max rows rewritten.  Each moved batch (all columns, live rows only) is reported with its
 * new place, so that the owner of the key index can follow.  Files of this very delta are folded
 * only when it has several.  After a failure the delta is lost: abandon the table.
 */
bool table_fold(struct table *table, uint64_t rows_max,
	bool (*moved)(void *context, const struct table_rows *rows, struct error *err),
	void *context, struct error *err) MUST_CHECK;

/* --- the commit --- */

struct table_prepare {
	lsn_t position;           /* of the source: in the version's summary (I5) */
	lsn_t known_until;        /* the table was read again: its last version holds up to here */
	int64_t timestamp_ms;     /* the same for all tables of a commit (I5) */
	int64_t expire_before_ms; /* versions are kept from the newest one at or before this on */
	micros_t removal_at;      /* not_before of objects that no version names any more */
};

/* True when versions older than expire_before_ms are there to be expired. */
bool table_can_expire(const struct table *table, int64_t expire_before_ms);

/*
 * What the catalog is to swap, and the objects that no version names once it has (those among them
 * that this delta wrote in vain).  Everything is in the arena.  Without a delta only old versions
 * are expired and no version is made, except that a new table gets its first, which records its
 * position, even without rows; when there is nothing to do, metadata_location is base_location.
 *
 * It may be called again, with other options perhaps, and the delta may grow before that: what was
 * written for the first answer is then given up.
 */
struct table_prepared {
	const char *metadata_location;
	const char *base_location; /* what the catalog must still have; "" for a new table */
	int64_t snapshot_id;       /* of the new version; 0 when none was made */
	size_t removal_count;
	const struct removal *removals;
};
bool table_prepare(struct table *table, const struct table_prepare *options, struct arena *arena,
	struct table_prepared *out, struct error *err) MUST_CHECK;

/*
 * I2: the catalog's pointer was another.  When the table at that location still has the version
 * and the schema that the delta was built on (somebody changed properties, tags,
 * documentation), write the prepared commit on top of it; else CONFLICT.
 */
bool table_rebase(struct table *table, const char *metadata_location, struct arena *arena,
	struct table_prepared *out, struct error *err) MUST_CHECK;

/* The catalog has committed what table_prepare() or table_rebase() yielded. */
void table_accept(struct table *table);

/* Paths of all objects written since the last accept, for removal once they are not needed. */
void table_abandon(struct table *table, struct arena *arena, const char ***paths, size_t *count);

/* Every path in the store that a version, or the metadata log, names; for finding orphans. */
void table_named_paths(
	const struct table *table, struct arena *arena, const char ***paths, size_t *count);

/*
 * The same of a table that is not open, whoever has written it, and in whatever form of rows and
 * deletes.  *is_here is false, and nothing is listed, when its metadata is not in this store: its
 * files are taken to lie where that does.  UNSUPPORTED when all that it names cannot be told;
 * MISSING when a version was expired meanwhile.
 */
bool table_find_named(struct store *store, const char *metadata_location, struct arena *arena,
	const char ***paths, size_t *count, bool *is_here, struct error *err) MUST_CHECK;

/* Whether a path is one of a table's object as this program, and no other, names them. */
bool table_is_own_path(const char *path);

/* Folder of a table's objects in the store: "public/orders/"; names are percent-encoded. */
const char *table_folder(const char *namespace_name, const char *name, struct arena *arena);

#endif
