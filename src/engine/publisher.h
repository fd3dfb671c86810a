/*
 * publisher.h: brings the log's transactions into the tables and publishes them together (D3).
 *
 * It owns what one process knows of a lake: the catalog's rows, the open tables with their key
 * indexes, and the position in the log.  It is stepped by its caller and has no thread: a
 * simulation steps two of them on one store and one catalog.
 *
 * When a call fails, the publisher is closed and opened again: what was not committed is dropped,
 * and work resumes from the recorded position (I2).  A commit whose answer was lost is resolved by
 * looking, here or at the next opening (I4).
 *
 * Kinds: those of the store, the catalog and the log.  CONFLICT: another writer committed first.
 */
#ifndef ENGINE_PUBLISHER_H
#define ENGINE_PUBLISHER_H

#include "apply/apply.h"
#include "engine/metrics.h"
#include "source/source.h"

enum publisher_step { /* for status and for tests that stop a process at one */
	STEP_IDLE = 0,
	STEP_APPLY,     /* transactions to columns */
	STEP_FILES,     /* data files, deletes, metadata are being written */
	STEP_SWAP,      /* all files are durable; the catalog's commit is under way */
	STEP_SWAPPED,   /* committed; the log is not yet told */
	STEP_RETENTION, /* objects that no version names are being removed */
	STEP_COUNT,
};
const char *publisher_step_name(enum publisher_step step);

struct history_options {
	size_t versions_min; /* of the lake, kept whatever their age */
	size_t versions_max;
	micros_t age;
	micros_t removal_delay; /* objects stay this long after the last version that names them */
};

struct publisher_options { /* everything borrowed lives as long as the publisher */
	struct world *world;
	struct store *store;
	struct catalog *catalog;
	struct table_options table;
	uint64_t pending_bytes_max;
	micros_t commit_interval;
	/* Marks that bring less WAL than this are committed less often: it may be a commit's own.
	 */
	uint64_t quiet_bytes_min;
	struct history_options history;
	struct metrics *metrics;                               /* NULL: nobody counts */
	void (*step)(void *context, enum publisher_step step); /* may be NULL */
	void *context;
};

struct publisher;

struct publisher_table {
	struct catalog_table row; /* as in the catalog, or as it will be with the next commit */
	struct apply_table *open; /* NULL unless its changes are applied here */
	bool is_changed;          /* the row is to be written with the next commit */
};

/*
 * Loads the lake, opens its live tables and finds orphans.  A table that cannot be opened is
 * paused with the reason.  MISSING: the catalog has no lake.
 */
bool publisher_open(const struct publisher_options *options, struct publisher **out,
	struct error *err) MUST_CHECK;
void publisher_close(struct publisher *publisher); /* also NULL */

const struct lake *publisher_lake(const struct publisher *publisher);
struct publisher_table *publisher_find(
	const struct publisher *publisher, const char *namespace_name, const char *name);
size_t publisher_table_count(const struct publisher *publisher);
struct publisher_table *publisher_table_at(const struct publisher *publisher, size_t index);
struct apply *publisher_apply(const struct publisher *publisher);
micros_t publisher_now(const struct publisher *publisher); /* the world's clock */

/*
 * The log to read, given once, before the first step: from the lake's log position on when it is
 * the lake's log, else from its beginning, which must not be after the lake's position.
 */
void publisher_use_log(struct publisher *publisher, struct log *log);

/* Read and apply what the log has, and commit when that is due. */
bool publisher_step(struct publisher *publisher, struct error *err) MUST_CHECK;

/* How long nothing will be due if the log does not grow. */
micros_t publisher_idle_time(const struct publisher *publisher);

/* Commit now, at the position that apply has reached. */
bool publisher_commit(struct publisher *publisher, struct error *err) MUST_CHECK;

/* --- changes of the lake itself, durable with the next commit --- */

void publisher_set_phase(struct publisher *publisher, enum lake_phase phase);
void publisher_set_source(
	struct publisher *publisher, const char *system_identifier, int64_t timeline);
void publisher_finish_request(struct publisher *publisher, int64_t request_id);

/* Adds the row when it is new.  Texts are copied. */
struct publisher_table *publisher_put(struct publisher *publisher, const char *namespace_name,
	const char *name, enum table_state state, const char *reason, const char *definition);

/* Give up what is not committed of a table, leave it at its version, and say why. */
void publisher_pause(
	struct publisher *publisher, struct publisher_table *table, const struct error *why);

/*
 * Begin reading tables into a lake that has none yet, all at lsn: apply starts there.
 */
void publisher_begin_at(struct publisher *publisher, lsn_t lsn, micros_t at);

/* Close a table and say that it is being read again; the log is kept for it from here on. */
void publisher_reread(struct publisher *publisher, struct publisher_table *table);
/* Fails with CONFLICT: a table of somebody else stands in its place, and stays. */
bool publisher_fail_taken(const char *namespace_name, const char *name, struct error *err);
/* Where the catalog has a table that is not open: somebody may have dropped or renamed it. */
void publisher_set_location(
	struct publisher *publisher, struct publisher_table *table, const char *location);

/* Another apply at the lake's last commit, for tables that are read while this one goes on. */
struct apply *publisher_fork_apply(const struct publisher *publisher);

/* What another apply wrote for a table that will not be joined is to be removed. */
void publisher_discard(struct publisher *publisher, const struct apply_table *table);

/*
 * A table that was filled by another apply, at its floor: bring it to this one's place in the log
 * and take it over.  It shows with the first commit at or beyond its floor.
 */
bool publisher_join(struct publisher *publisher, struct apply *filled, struct apply_table *table,
	struct error *err) MUST_CHECK;

#endif
