/*
 * sqlite_internal.h: how the SQLite catalog speaks SQL.
 */
#ifndef CATALOG_SQLITE_INTERNAL_H
#define CATALOG_SQLITE_INTERNAL_H

#include "catalog/catalog.h"

#include <sqlite3.h>

enum statement { /* kept prepared; their text is in sqlite_statement.c */
	SQL_BEGIN = 0,
	SQL_BEGIN_WRITE,
	SQL_COMMIT,
	SQL_FENCE,
	SQL_LOAD_LAKE,
	SQL_LOAD_TABLES,
	SQL_LOAD_COMMITS,
	SQL_LOAD_REQUESTS,
	SQL_LOAD_REMOVALS,
	SQL_INSERT_LAKE,
	SQL_UPDATE_LAKE,
	SQL_INSERT_POINTER,
	SQL_UPDATE_POINTER,
	SQL_CHECK_POINTER,
	SQL_DELETE_POINTER,
	SQL_INSERT_NAMESPACE,
	SQL_PUT_TABLE,
	SQL_DELETE_TABLE,
	SQL_INSERT_COMMIT,
	SQL_DELETE_COMMITS,
	SQL_PUT_REMOVAL,
	SQL_DELETE_REMOVAL,
	SQL_INSERT_REQUEST,
	SQL_DELETE_REQUEST,
	STATEMENT_COUNT,
};

struct sqlite_catalog {
	struct catalog base;
	sqlite3 *db;
	char *path;
	char *name; /* the catalog_name column; parameter 1 of every statement that has any */
	bool is_read_only;
	bool has_tables; /* walberg's; a read-only open does not make them */
	bool is_unsure;  /* a commit ended without an answer: see sqlite_fence() */
	sqlite3_stmt *statements[STATEMENT_COUNT];
};

struct parameter { /* text, or when that is NULL number */
	const char *text;
	int64_t number;
};
#define TEXT(value)                                                                                \
	{                                                                                          \
		.text = (value)                                                                    \
	}
#define NUMBER(value)                                                                              \
	{                                                                                          \
		.number = (int64_t)(value)                                                         \
	}
#define PARAMETERS(...)                                                                            \
	(const struct parameter[]){ __VA_ARGS__ },                                                 \
		sizeof((const struct parameter[]){ __VA_ARGS__ }) / sizeof(struct parameter)
#define NO_PARAMETERS NULL, 0

/* The kind that SQLite's last error on this connection is, with its text and a hint. */
bool sqlite_fail(struct sqlite_catalog *catalog, int code, struct error *err);

/* A statement with its parameters bound (from 2 on), to be stepped through; NULL on an error. */
sqlite3_stmt *sqlite_start(struct sqlite_catalog *catalog, enum statement which,
	const struct parameter *parameters, size_t count, struct error *err);

/* The next row; *found is false, and the statement is done, after the last. */
bool sqlite_next(struct sqlite_catalog *catalog, sqlite3_stmt *statement, bool *found,
	struct error *err) MUST_CHECK;

/* Run to the end; *changes (when not NULL) is how many rows were changed. */
bool sqlite_run(struct sqlite_catalog *catalog, enum statement which,
	const struct parameter *parameters, size_t count, int *changes,
	struct error *err) MUST_CHECK;

/* One or more statements without parameters or rows, not kept. */
bool sqlite_execute(struct sqlite_catalog *catalog, const char *sql, struct error *err) MUST_CHECK;

bool sqlite_begin_write(struct sqlite_catalog *catalog, struct error *err) MUST_CHECK; /* or BUSY */
bool sqlite_commit(struct sqlite_catalog *catalog, struct error *err) MUST_CHECK; /* or UNCERTAIN */
void sqlite_rollback(struct sqlite_catalog *catalog); /* also when there is no transaction */

/*
 * I4: after a commit without an answer, make final what will be shown.  When the sync of a commit
 * fails, SQLite shows the state before it, but its frames stand in the write-ahead log, and a
 * crash could still bring them to life: a commit of nothing writes over them.  When a process died
 * before the sync, the next one shows the commit, and a crash could take it away: a commit of
 * nothing behind it makes it durable.  (It counts up: SQLite does not write what has not changed.)
 */
bool sqlite_fence(struct sqlite_catalog *catalog, struct error *err) MUST_CHECK;

/* The settings of the connection, and the tables: made when missing, checked when there. */
bool sqlite_prepare_schema(struct sqlite_catalog *catalog, struct error *err) MUST_CHECK;

/* Text of a column, "" for NULL, in the arena. */
const char *sqlite_text(sqlite3_stmt *statement, int column, struct arena *arena);

#endif
