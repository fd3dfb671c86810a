/*
 * check.h: may this lake go on with this source and this log?  (design: the end of "Invariants")
 *
 * Pure.  Anything that could hide a lost or doubled change is SETUP, with the command that mends
 * it; nothing is resumed over a gap.
 */
#ifndef ENGINE_CHECK_H
#define ENGINE_CHECK_H

#include "catalog/catalog.h"
#include "source/source.h"

/* Whether a new lake may make its slot and publications: what there is of their names is not its.
 */
bool check_is_free(
	const struct lake *lake, const struct source_state *source, struct error *err) MUST_CHECK;

/* Before the log is opened, and at each new connection. */
bool check_source(
	const struct lake *lake, const struct source_state *source, struct error *err) MUST_CHECK;

/* With the log: log_end_lsn is the greatest position that it holds. */
bool check_log(const struct lake *lake, const struct source_state *source, lsn_t log_end_lsn,
	struct error *err) MUST_CHECK;

/* False, with the reason as an error, when a captured relation cannot be kept exactly. */
bool check_relation(const struct relation *relation, struct error *why) MUST_CHECK;

/* Whether rows of the source as it is now are what the lake's table was made for. */
bool check_same_definition(
	const struct relation *lake, const struct relation *source, struct error *why) MUST_CHECK;

/*
 * Whether the source's table, of the same definition, has another file or later changes of its
 * columns than the lake knows of: to be remembered, or a later look takes both for a rewrite.
 */
bool check_is_newer(const struct relation *lake, const struct relation *source);

#endif
