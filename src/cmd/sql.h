/*
 * sql.h: statements run against the lake, their results printed.
 */
#ifndef CMD_SQL_H
#define CMD_SQL_H

#include "query/query.h"

struct sql_output {
	FILE *out;    /* results; flushed after each statement */
	FILE *errors; /* notes, and the errors that cmd_sql_read() goes on after */
	bool is_json; /* one object for each row instead of aligned columns */
};

/*
 * Run the statements in text one after another, each at the lake's newest position, up to the
 * first that fails.
 */
bool cmd_sql_run(struct query_session *session, const char *text, const struct sql_output *output,
	struct error *err) MUST_CHECK;

/*
 * Run the statements that come from `in`, each as soon as its ';' is read; errors are printed and
 * the reading goes on.  With a prompt when is_interactive.  False when any statement failed and it
 * is not interactive.
 */
bool cmd_sql_read(struct query_session *session, FILE *in, bool is_interactive,
	const struct sql_output *output) MUST_CHECK;

#endif
