/*
 * apply.h: the log's records become rows of tables.
 *
 * apply_record() takes the log in order.  A transaction is applied when its commit is reached, by
 * reading its records again where they stand in the log: the log is what keeps large, streamed and
 * unfinished transactions, not memory.  Aborted subtransactions are never seen by a table.
 *
 * Of each table the last change per key counts: a row that is replaced before it was written to a
 * file never reaches one.  Key bytes come from the lake's values.
 *
 * What cannot be applied exactly (a value that does not fit, an unchanged TOAST value, a changed
 * definition, a key that should or should not be there) fails its table alone: `failure` is set,
 * the table's delta is not to be committed, and the other tables go on.  I10.
 *
 * One thread.  Kinds: those of the log and the store; CORRUPT for messages that break their format.
 */
#ifndef APPLY_APPLY_H
#define APPLY_APPLY_H

#include "event/relation.h"
#include "log/log.h"
#include "state/key_index.h"
#include "table/table.h"

#include <stdatomic.h>

struct apply;

enum apply_operation {
	APPLY_INSERT = 0,
	APPLY_UPDATE,
	APPLY_DELETE,
	APPLY_TRUNCATE,
	APPLY_OPERATION_COUNT,
};

struct apply_counts {                                 /* what was done; any thread reads them */
	_Atomic uint64_t rows[APPLY_OPERATION_COUNT]; /* truncates: of tables */
	_Atomic uint64_t transactions;
	_Atomic uint64_t folds; /* of files of a table into one */
};

struct apply_options { /* everything borrowed lives as long as the apply */
	struct world *world;
	struct store *store;
	struct table_options table;
	uint64_t pending_bytes_max;  /* rows in memory, over all tables, before files are written */
	struct apply_counts *counts; /* NULL: nobody counts */
};

struct apply_table { /* owned by the apply; read-only for others */
	const struct relation *relation;
	struct table *table;     /* NULL once it has failed */
	lsn_t floor;             /* what was committed up to here is in it already */
	struct error failure;    /* kind is ERROR_NONE while it goes on */
	struct apply_rows *rows; /* rows.c */
};

/* Where the applied transactions end. */
struct apply_position {
	lsn_t lsn;             /* all source commits up to here are in the tables' deltas */
	micros_t at;           /* the source's clock there */
	log_position_t resume; /* in the log, for a restart at lsn: before any open transaction */
	log_position_t next;   /* in the log, of the next record */
	lsn_t commit_lsn;      /* of the last commit in the log: end LSN, xid and time */
	uint32_t commit_xid;
	micros_t commit_at;
};

/* Transactions that end at or before start.lsn are skipped: they are in the tables already. */
struct apply *apply_open(const struct apply_options *options, const struct apply_position *start);
void apply_close(struct apply *apply); /* also NULL; its tables too */

/*
 * Open a table where metadata_location has it and build its key index; "" for a new, empty one.
 * The relation is copied.  The table is not added when that fails.
 */
bool apply_add(struct apply *apply, const struct relation *relation, const char *metadata_location,
	lsn_t floor, struct apply_table **out, struct error *err) MUST_CHECK;

/* Add a new, empty table in the place of the one at metadata_location: table_replace(). */
bool apply_replace(struct apply *apply, const struct relation *relation,
	const char *metadata_location, struct apply_table **out, struct error *err) MUST_CHECK;

/* Take a table from another apply of the same log: what that one applied to it is in its floor. */
void apply_move(struct apply *to, struct apply *from, struct apply_table *table);

/* Close the table and forget it. */
void apply_remove(struct apply *apply, struct apply_table *table);

/* As table_is_of_lake(), of the lake that is applied to. */
bool apply_is_of_lake(const struct apply *apply, const char *metadata_location, bool *out,
	struct error *err) MUST_CHECK;
struct store *apply_store(const struct apply *apply);
size_t apply_table_count(const struct apply *apply);

/* Whether an error of this kind is one table's own trouble, which the others do not share. */
bool apply_concerns_table(enum error_kind kind);

/* Drop every row, as a truncate does. */
void apply_truncate(struct apply_table *table);

/* Rows of a binary COPY, as chunks; the table must be empty but for them. */
bool apply_copy(struct apply_table *table, struct bytes chunk, struct error *err) MUST_CHECK;
bool apply_copy_end(struct apply_table *table, lsn_t floor, struct error *err) MUST_CHECK;
uint64_t apply_copied_rows(const struct apply_table *table);

/*
 * Read records from log at apply_position()->next until one transaction or mark is complete, or
 * the log's durable end: *advanced says which.  A commit of the lake may stand between two calls.
 */
bool apply_advance(
	struct apply *apply, struct log *log, bool *advanced, struct error *err) MUST_CHECK;

/* Go on in another log, which begins at `first`. */
void apply_read_from(struct apply *apply, log_position_t first);

const struct apply_position *apply_position(const struct apply *apply);

/* Whether a version of the table at apply_position() would be one that the source had. */
bool apply_is_visible(const struct apply *apply, const struct apply_table *table);

/* Bytes of rows that wait in memory, and whether any visible table has a delta to commit. */
uint64_t apply_pending_bytes(const struct apply *apply);
bool apply_has_delta(const struct apply *apply);

/*
 * Write all waiting rows to files; then fold, once no rows wait.  A table whose own files are
 * damaged or gone fails alone; other kinds fail the call.
 */
bool apply_flush(struct apply *apply, struct error *err) MUST_CHECK;
bool apply_fold(struct apply *apply, struct error *err) MUST_CHECK;

#endif
