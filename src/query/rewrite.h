/*
 * rewrite.h: a user's statement, checked and turned into one that reads exact files.
 *
 * Admitted is one SELECT, VALUES, TABLE, DESCRIBE, SUMMARIZE or SHOW TABLES, perhaps behind EXPLAIN
 * [ANALYZE].  In DuckDB's parse tree (never in the text) every table is found and replaced by a
 * scan of its version's files (scan.h); AT (VERSION => ...) and AT (TIMESTAMP => ...) choose the
 * version and go.  What could read or tell anything else is refused: table functions beyond a short
 * list, functions that read settings or run SQL, every kind of node that is not known here.
 *
 * Kinds: UNSUPPORTED (refused, or not SQL), MISSING (no such table or version), those of tables.h.
 */
#ifndef QUERY_REWRITE_H
#define QUERY_REWRITE_H

#include "duck/session.h"
#include "query/tables.h"

struct rewriter;

/* Where files are fetched: what is fetched of the tables. */
enum rewrite_reach {
	REACH_NAMED = 0, /* the columns that the statement may read (columns.h) */
	REACH_ALL,
	REACH_NOTHING, /* to see whether DuckDB understands the statement; it cannot be run */
};

struct rewritten {
	const char *sql; /* in the arena; NULL when there was no statement, only blanks */
	bool is_partial; /* not all columns of its tables can be read */
	size_t note_count;
	const char **notes; /* what to tell the user beside the result, one line each */
};

/* Borrows both, for as long as it lives.  Keeps the scans of recent versions. */
struct rewriter *rewriter_open(struct session *session, struct tables *tables);
void rewriter_close(struct rewriter *rewriter); /* also NULL */

/* Begins a new state of the tables.  *out lives in arena. */
bool rewriter_rewrite(struct rewriter *rewriter, const char *sql, enum rewrite_reach reach,
	struct arena *arena, struct rewritten *out, struct error *err) MUST_CHECK;

/* Whether SQL of others may call a scalar or aggregate function, or a table function. */
bool function_is_admitted(const char *name);
bool table_function_is_admitted(const char *name);

#endif
