/*
 * session.h: an embedded DuckDB that can reach nothing but the folders it was given.
 *
 * A session is an in-memory database with one connection.  Extensions are never loaded from
 * elsewhere, files are reachable inside allowed_directories only, the configuration is locked and
 * the time zone is UTC.  Files inside are readable and writable: whoever runs SQL of others gates
 * it first (query/gate.h).
 *
 * Calls block; a session belongs to one thread at a time.
 * Kinds: LIMIT (the memory limit), LOST (a file could not be read), CORRUPT (DuckDB failed inside),
 * SETUP (another DuckDB, a setting refused), UNSUPPORTED (any other complaint about the statement;
 * its text is DuckDB's).
 */
#ifndef DUCK_SESSION_H
#define DUCK_SESSION_H

#include "base/arena.h"
#include "base/buffer.h"

struct session;
struct result;

struct session_options {
	unsigned threads;            /* 0: one for each core */
	uint64_t memory_limit_bytes; /* 0: DuckDB's own, 80 % of the machine's memory */
	const char *temp_directory;  /* spilled data; NULL: never spill */
	size_t directory_count;      /* what SQL may read, absolute paths */
	const char *const *directories;
	bool is_query_only; /* anything but SELECT and EXPLAIN is refused, whoever asks */
	bool files_grow;    /* what was read of a file once is not what it holds later */
};

bool session_open(
	const struct session_options *options, struct session **out, struct error *err) MUST_CHECK;
void session_close(struct session *session); /* its results are closed before it */

/*
 * Run one statement.  Rows are made while they are read, so memory does not grow with the result;
 * until result_close() the session runs nothing else.
 */
bool session_run(struct session *session, const char *sql, struct result **out,
	struct error *err) MUST_CHECK;

/* Whether the statement could be run, as far as can be seen without running it. */
bool session_check(struct session *session, const char *sql, struct error *err) MUST_CHECK;

/* Run a statement that has no rows of interest. */
bool session_do(struct session *session, const char *sql, struct error *err) MUST_CHECK;

/*
 * The first column of the first row as text, in arena; NULL for NULL or no row.  The statement has
 * as many parameters ($1, ...) as there are values.  One that has some is prepared once and kept.
 */
bool session_ask(struct session *session, const char *sql, size_t value_count,
	const struct bytes *values, struct arena *arena, const char **out,
	struct error *err) MUST_CHECK;

size_t result_column_count(const struct result *result);
const char *result_column_name(const struct result *result, size_t column);
bool result_column_is_number(const struct result *result, size_t column); /* aligned right */

/* Move to the next row, at first to the first; *has_row is false after the last. */
bool result_next(struct result *result, bool *has_row, struct error *err) MUST_CHECK;

/*
 * Append the current row's value as PostgreSQL prints it ("t", "2024-01-31 12:00:00+00", "\x00ff"),
 * lists, structs and maps as JSON.  False, and nothing appended, when it is NULL.
 */
bool result_append_text(const struct result *result, size_t column, struct buffer *out);

/*
 * As a JSON value: NULL null, booleans true and false, whole numbers of any size and finite floats
 * as numbers with all their digits, lists and arrays as arrays, structs and maps as objects (a
 * map's keys as text), and everything else (decimals, NaN, dates, times, UUIDs, binary) as a string
 * of its text.
 */
void result_append_json(const struct result *result, size_t column, struct buffer *out);

void result_close(struct result *result); /* also NULL */

#endif
