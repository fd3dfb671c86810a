/*
 * maintenance.h: finding and removing orphans beside whatever is at work.
 *
 * Without a running process the lake is held meanwhile, and a writer that stalled is fenced off
 * before anything is removed.  Beside one, only what was written an hour before that process began
 * counts: all that it may still name is younger.  Nothing is removed from a warehouse that the lake
 * has not taken (engine/ownership.h).
 */
#ifndef ENGINE_MAINTENANCE_H
#define ENGINE_MAINTENANCE_H

#include "engine/configuration.h"
#include "engine/orphans.h"

struct maintenance_options { /* borrowed */
	struct world *world;
	const struct configuration *configuration;
	micros_t older_than;
	bool only_looks; /* nothing is written; ages are by this machine's clock */
};

struct maintenance;

/* MISSING when there is no lake.  SETUP: it may not be done, and why. */
bool maintenance_open(const struct maintenance_options *options, struct maintenance **out,
	struct error *err) MUST_CHECK;
bool maintenance_find(struct maintenance *maintenance, struct arena *arena, struct orphans *out,
	struct error *err) MUST_CHECK;
/* Of what was found; *removed counts also when it fails. */
bool maintenance_remove(struct maintenance *maintenance, const struct orphans *orphans,
	size_t *removed, struct error *err) MUST_CHECK;
void maintenance_close(struct maintenance *maintenance); /* also NULL */

/* --- the rule --- */

struct maintenance_times { /* microseconds since 1970 */
	micros_t now;
	micros_t store_now; /* by the store's clock, which dates its objects */
	micros_t older_than;
	bool is_running;
	micros_t started_at; /* of the running process */
};

/* The moment at or before which an orphan was written; SETUP: age or clocks do not allow one. */
bool maintenance_moment(
	const struct maintenance_times *times, micros_t *out, struct error *err) MUST_CHECK;

#endif
