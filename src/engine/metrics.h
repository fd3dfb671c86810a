/*
 * metrics.h: what a running process counts and measures, for Prometheus and for `walberg status`.
 *
 * The numbers lie in the process's shared activity (process.h): whoever does the work adds, any
 * thread and any process may read.  Everything that is shown is described once, in a table, from
 * which the text for Prometheus, JSON and docs/metrics.md are printed.
 */
#ifndef ENGINE_METRICS_H
#define ENGINE_METRICS_H

#include "apply/apply.h"
#include "base/json.h"
#include "catalog/catalog.h"

enum {
	METRICS_BUCKET_COUNT = 11 /* of a histogram; the last one has no upper bound */
};

struct metrics_histogram {
	_Atomic uint64_t buckets[METRICS_BUCKET_COUNT]; /* each for itself */
	_Atomic uint64_t sum;                           /* microseconds */
};

struct metrics {
	_Atomic uint64_t is_connected; /* to the source */
	_Atomic uint64_t is_log_full;  /* reading from the source has stopped */
	_Atomic uint64_t log_bytes;
	_Atomic uint64_t confirmed_lsn;

	struct apply_counts apply;
	struct store_counts store;
	struct metrics_histogram commits; /* that succeeded */
	_Atomic uint64_t catalog_conflicts;
	_Atomic uint64_t connections; /* to the source, over which changes were streamed */
	_Atomic uint64_t openings;    /* of the tables, after an error too */
	_Atomic uint64_t snapshot_rows;
	_Atomic uint64_t tables[TABLE_STATE_COUNT];

	_Atomic uint64_t is_live;  /* the tables are open, and follow the log */
	_Atomic uint64_t position; /* of the lake */
	_Atomic int64_t position_at;
	_Atomic uint64_t source_position; /* as far as is known */
	_Atomic uint64_t slot_held_bytes;
	_Atomic uint64_t log_limit_bytes;
	_Atomic int64_t beat_at; /* monotonic microseconds: the main loop was alive */
};

static inline void metrics_add(_Atomic uint64_t *counter, uint64_t more)
{
	atomic_fetch_add_explicit(counter, more, memory_order_relaxed);
}

void metrics_observe(struct metrics_histogram *histogram, micros_t took);

struct process_activity;

uint64_t metrics_lag_bytes(const struct process_activity *activity);
micros_t metrics_lag(const struct process_activity *activity, micros_t now); /* 0: none */

/* Prometheus's text format, version 0.0.4. */
void metrics_print(const struct process_activity *activity, micros_t now, struct buffer *out);

/* The members of an object: "walberg_commits_total": 12, and an object for each with a label. */
void metrics_write_json(
	const struct process_activity *activity, micros_t now, struct json_writer *writer);

void metrics_print_markdown(FILE *out); /* docs/metrics.md */

/*
 * A number that grows while any work is done: when it stands still, and beat_at does, so does the
 * process.
 */
uint64_t metrics_work(const struct process_activity *activity);

#endif
