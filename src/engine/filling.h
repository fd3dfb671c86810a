/*
 * filling.h: tables get their initial rows: all of them when a lake begins, one or several later.
 *
 * A lake begins with everything at one LSN, the consistent point of its own slot.  Until its first
 * commit a kill leaves nothing that counts: the next start drops the slot and begins again.
 */
#ifndef ENGINE_FILLING_H
#define ENGINE_FILLING_H

#include "engine/process.h"
#include "engine/publisher.h"

/* Told about every now and then; false ends the filling with LOST ("stopped"). */
struct filling_progress {
	bool (*tell)(void *context, const struct relation *relation, uint64_t rows);
	void *context;
};

/*
 * Begin the lake: publications, slot, all rows, first commit.  The log is new.  Tables that cannot
 * be captured, or not be read exactly, are paused or left out, with the reason.
 */
bool filling_begin_lake(struct publisher *publisher, struct source *source,
	bool (*open_log)(void *context, struct log **out, struct error *err), void *log_context,
	const struct filling_progress *progress, struct error *err) MUST_CHECK;

/*
 * Read one table, which is open and empty, at the snapshot's LSN.  Kinds that concern this table
 * alone: CONFLICT, MISSING, UNSUPPORTED, CORRUPT.
 */
bool filling_read_table(struct apply_table *table, struct source_snapshot *snapshot,
	const struct filling_progress *progress, struct error *err) MUST_CHECK;

/*
 * Open a table to be filled anew: on its present Iceberg table, at the location of the row that is
 * known of it, where the rows fit it (its old rows go in the commit that brings the new ones), else
 * on a new one.  Of `known` the location and the position are read.  CONFLICT when the Iceberg
 * table is not this lake's; UNSUPPORTED also for a new one whose folder lies in another lake's
 * warehouse.
 */
bool filling_open_empty(struct apply *apply, const struct relation *relation,
	const struct catalog_table *known, struct apply_table **out, struct error *err) MUST_CHECK;

/*
 * SETUP when a pattern of source.tables names no table of the source, and none that the lake keeps:
 * nobody asks for nothing, and a slip must not end the capture of other tables.  The pattern for
 * all of them may find none yet.
 */
bool filling_check_patterns(const struct publisher *publisher, const struct source_state *state,
	struct error *err) MUST_CHECK;

/*
 * Bring the catalog's rows and the source's tables together: new tables are put in state SNAPSHOT,
 * changed or missing ones are paused, others are left out, each with the reason.
 */
void filling_compare(struct publisher *publisher, const struct source_state *state);

/*
 * What the source has become while the lake lives: live tables that were dropped, changed or taken
 * out of their publication are paused.  A state that is older than a table says nothing of it.
 */
void filling_look_again(struct publisher *publisher, const struct source_state *state);

/*
 * A table that has lost its key must not stay in the publication in which the user's own updates of
 * it fail: it is published as what it is now.  What does not work is logged, and holds up nothing.
 */
void filling_let_go(struct source *source, const struct source_state *state);

#endif
