/*
 * postgres.h: a connection to a PostgreSQL server over libpq, and its answers as rows of text.
 *
 * Every connection has the session settings on which decoding relies (UTF-8, ISO dates, UTC, an
 * empty search_path, row_security off, no time-outs).  Calls block; a connection belongs to one
 * thread at a time.  No message ever holds the connection string or a part of it.  A server that is
 * silent for longer than answer_timeout is one whose connection was lost.
 *
 * Kinds by SQLSTATE (manual, appendix "PostgreSQL Error Codes"): LOST (08, 57P, no answer), BUSY
 * (in use, locked, cancelled, too many connections), SETUP (password, privileges, settings),
 * MISSING (no such object), CONFLICT (it exists already), CORRUPT (damaged data), UNSUPPORTED.
 */
#ifndef NET_POSTGRES_H
#define NET_POSTGRES_H

#include "base/arena.h"
#include "base/micros.h"

struct pg_conn;
struct pg_result;
struct postgres;

struct postgres_target {
	const char *url;              /* libpq URI or key=value text */
	const char *user;             /* where the url names none; NULL */
	const char *password;         /* likewise */
	const char *database;         /* instead of the url's; NULL */
	const char *owner;            /* whose connection it is, for messages; NULL: "source" */
	const char *password_setting; /* NULL: "source.password" */
	bool is_replication;      /* a walsender: replication commands, and simple SQL as well */
	micros_t connect_timeout; /* libpq takes whole seconds, at least 2 */
	micros_t answer_timeout;  /* how long the server may be silent in a call; 0: for ever */
};

bool postgres_open(
	const struct postgres_target *target, struct postgres **out, struct error *err) MUST_CHECK;
void postgres_close(struct postgres *postgres);

/* With its texts copied. */
struct postgres_target postgres_copy_target(
	const struct postgres_target *target, struct arena *arena);

/* Where it leads, without user and password: "postgresql://host:5432/shop". */
const char *postgres_place(const struct postgres_target *target, struct arena *arena);

/* What a url says of "user", "password", "dbname" ...; NULL when nothing, or ill formed. */
const char *postgres_url_part(const char *url, const char *keyword, struct arena *arena);

/* Whether it is written as a URI, and not as key=value text. */
bool postgres_is_url(const char *text);

/* The same connection string with another database; of a URI that has parameters, with them. */
const char *postgres_url_with_database(const char *url, const char *database, struct arena *arena);

int postgres_server_version(const struct postgres *postgres); /* 150018 */
int postgres_backend_pid(const struct postgres *postgres);

struct postgres_rows {
	struct pg_result *result; /* owned until postgres_rows_close() */
	size_t count;
};

/* One or several statements; the rows are those of the last. */
bool postgres_query(struct postgres *postgres, const char *sql, struct postgres_rows *out,
	struct error *err) MUST_CHECK;
bool postgres_run(struct postgres *postgres, const char *sql, struct error *err) MUST_CHECK;

const char *postgres_text(const struct postgres_rows *rows, size_t row, int column); /* or NULL */
int64_t postgres_int64(const struct postgres_rows *rows, size_t row, int column);    /* NULL is 0 */
bool postgres_bool(const struct postgres_rows *rows, size_t row, int column); /* NULL is false */
void postgres_rows_close(struct postgres_rows *rows);

/* Ask the server to end what it is doing on this connection. Best effort. */
void postgres_cancel(struct postgres *postgres);

/* Wait until there is something to read or timeout is over. LOST. */
bool postgres_wait(struct postgres *postgres, micros_t timeout, bool *is_readable,
	struct error *err) MUST_CHECK;

/* libpq's own object, for COPY; stays owned by the connection. */
struct pg_conn *postgres_handle(struct postgres *postgres);

/*
 * PQexec() and PQgetResult() within answer_timeout: what a silent server leaves is a failed result,
 * or NULL, and a broken connection.  The result is the caller's.
 */
struct pg_result *postgres_execute(struct postgres *postgres, const char *sql);
struct pg_result *postgres_next_result(struct postgres *postgres);

/* Fills err from a failed result (NULL: from the connection) and returns false. */
bool postgres_failed(struct postgres *postgres, const struct pg_result *result, struct error *err);

/* Quoted for SQL, in arena. */
const char *postgres_identifier(struct arena *arena, const char *name);
const char *postgres_literal(struct arena *arena, const char *text);
const char *postgres_qualified(struct arena *arena, const char *schema, const char *name);

#endif
