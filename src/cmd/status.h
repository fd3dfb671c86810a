/*
 * status.h: what a lake, its process and its source are doing at this moment.
 *
 * status_look() works with and without a running process, and without the source: what cannot be
 * looked at is said, and is no error.  Everything is in the arena, and part of it belongs to
 * `tables`, until its next begin.
 */
#ifndef CMD_STATUS_H
#define CMD_STATUS_H

#include "engine/configuration.h"
#include "engine/process.h"
#include "query/lake_tables.h"

struct status_table {
	const struct catalog_table *row;
	bool is_append;
	bool has_version;
	struct lake_version version;
	lsn_t position;      /* up to which it equals the source's table; 0: not known */
	const char *trouble; /* why its metadata cannot be read, or NULL */
};

struct status {
	const struct configuration *configuration;
	const struct lake *lake;
	micros_t now;

	bool is_running;
	struct process_activity process;
	uint64_t log_bytes;

	bool is_reachable;
	const char *source_trouble; /* not reachable, or not the lake's source as it was; or NULL */
	struct source_state source;
	uint64_t held_bytes; /* WAL that the slot holds back */
	uint64_t lag_bytes;  /* of the source's WAL, behind which the lake is */
	micros_t lag;        /* 0 when nothing is behind */

	size_t table_count;
	struct status_table *tables;
};

/* Kinds: those of the catalog. */
bool status_look(const struct configuration *configuration, struct tables *tables,
	struct arena *arena, struct status *out, struct error *err) MUST_CHECK;

void status_print(const struct status *status, FILE *out);
bool status_print_json(const struct status *status, FILE *out, struct error *err) MUST_CHECK;

#endif
