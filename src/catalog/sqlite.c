/*
 * The SQL catalog in a SQLite file.
 */
#include "catalog/sql_internal.h"

#include <assert.h>
#include <errno.h>
#include <sqlite3.h>
#include <stdlib.h>

struct sqlite_catalog {
	struct sql_catalog sql;
	sqlite3 *db;
	bool is_unsure; /* a commit ended without an answer: see sqlite_fence() */
	sqlite3_stmt *statements[STATEMENT_COUNT];
	sqlite3_stmt *row; /* of the query that was started last */
};

static struct sqlite_catalog *sqlite_catalog_of(struct sql_catalog *sql)
{
	return (struct sqlite_catalog *)sql;
}

/* --- errors --------------------------------------------------------------------------------- */

static enum error_kind kind_of(int code)
{
	switch (code & 0xff) {
	case SQLITE_BUSY:
	case SQLITE_LOCKED:
		return ERROR_BUSY;
	case SQLITE_FULL:
		return ERROR_LIMIT;
	case SQLITE_CORRUPT:
	case SQLITE_NOTADB:
	case SQLITE_ERROR: /* a table or column is not there */
	case SQLITE_MISMATCH:
	case SQLITE_CONSTRAINT:
		return ERROR_CORRUPT;
	case SQLITE_PERM:
	case SQLITE_READONLY:
	case SQLITE_CANTOPEN:
	case SQLITE_AUTH:
		return ERROR_SETUP;
	default:
		return ERROR_LOST;
	}
}

static const char *hint_of(enum error_kind kind)
{
	switch (kind) {
	case ERROR_LIMIT:
		return "Free space where the catalog lies (lake.catalog).";
	case ERROR_CORRUPT:
		return "Check that lake.catalog names walberg's own file; bring a damaged one "
		       "back from a backup.";
	case ERROR_SETUP:
		return "Give the user that runs walberg permission to read and write the catalog "
		       "and its directory (lake.catalog).";
	default:
		return "";
	}
}

/* The kind that SQLite's last error on this connection is, with its text and a hint. */
static bool sqlite_fail(struct sqlite_catalog *catalog, int code, struct error *err)
{
	const char *text = catalog->db != NULL ? sqlite3_errmsg(catalog->db) : sqlite3_errstr(code);
	const enum error_kind kind = kind_of(code);
	error_set(err, kind, "SQLite says of \"%s\": %s", catalog->sql.place, text);
	return error_hint(err, "%s", hint_of(kind));
}

/* --- statements ----------------------------------------------------------------------------- */

static sqlite3_stmt *prepared(
	struct sqlite_catalog *catalog, enum statement which, struct error *err)
{
	sqlite3_stmt **statement = &catalog->statements[which];
	if (*statement != NULL)
		return *statement;
	const int code = sqlite3_prepare_v3(catalog->db, sql_statement_text(&catalog->sql, which),
		-1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
	if (code != SQLITE_OK)
		sqlite_fail(catalog, code, err);
	return *statement;
}

static int bind(sqlite3_stmt *statement, int index, struct parameter parameter)
{
	if (parameter.text != NULL)
		return sqlite3_bind_text(statement, index, parameter.text, -1, SQLITE_STATIC);
	return sqlite3_bind_int64(statement, index, parameter.number);
}

static bool sqlite_start(struct sql_catalog *sql, enum statement which,
	const struct parameter *parameters, size_t count, struct error *err)
{
	struct sqlite_catalog *catalog = sqlite_catalog_of(sql);
	sqlite3_stmt *statement = prepared(catalog, which, err);
	if (statement == NULL)
		return false;
	int code = SQLITE_OK;
	if (sqlite3_bind_parameter_count(statement) > 0) {
		assert((size_t)sqlite3_bind_parameter_count(statement) == count + 1);
		code = bind(statement, 1, (struct parameter)TEXT(sql->name));
	}
	for (size_t i = 0; i < count && code == SQLITE_OK; i++)
		code = bind(statement, (int)i + 2, parameters[i]);
	catalog->row = statement;
	return code == SQLITE_OK || sqlite_fail(catalog, code, err);
}

static bool sqlite_next(struct sql_catalog *sql, bool *found, struct error *err)
{
	struct sqlite_catalog *catalog = sqlite_catalog_of(sql);
	const int code = sqlite3_step(catalog->row);
	*found = code == SQLITE_ROW;
	if (*found)
		return true;
	if (code != SQLITE_DONE)
		sqlite_fail(catalog, code, err);
	sqlite3_reset(catalog->row);
	return code == SQLITE_DONE;
}

static int64_t sqlite_number(struct sql_catalog *sql, int column)
{
	return sqlite3_column_int64(sqlite_catalog_of(sql)->row, column);
}

static const char *sqlite_text(struct sql_catalog *sql, int column, struct arena *arena)
{
	sqlite3_stmt *row = sqlite_catalog_of(sql)->row;
	const void *text = sqlite3_column_text(row, column);
	const int size = sqlite3_column_bytes(row, column);
	return arena_copy_text(arena, bytes_of(text, text != NULL ? (size_t)size : 0));
}

/* To its end, whether it has rows or not. */
static bool run_one(struct sqlite_catalog *catalog, enum statement which,
	const struct parameter *parameters, size_t count, struct error *err)
{
	bool found = true;
	if (!sqlite_start(&catalog->sql, which, parameters, count, err))
		return false;
	while (found)
		if (!sqlite_next(&catalog->sql, &found, err))
			return false;
	return true;
}

static bool sqlite_run(struct sql_catalog *sql, const struct sql_step *steps, size_t count,
	size_t *refused, struct error *err)
{
	struct sqlite_catalog *catalog = sqlite_catalog_of(sql);
	for (size_t i = 0; i < count; i++) {
		if (!run_one(catalog, steps[i].which, steps[i].parameters, steps[i].count, err))
			return false;
		if (steps[i].is_conditional && sqlite3_changes(catalog->db) != 1) {
			*refused = i;
			return true;
		}
	}
	return true;
}

static bool sqlite_execute(struct sql_catalog *sql, const char *text, struct error *err)
{
	struct sqlite_catalog *catalog = sqlite_catalog_of(sql);
	const int code = sqlite3_exec(catalog->db, text, NULL, NULL, NULL);
	return code == SQLITE_OK || sqlite_fail(catalog, code, err);
}

/* --- transactions --------------------------------------------------------------------------- */

static void sqlite_rollback(struct sql_catalog *sql)
{
	struct sqlite_catalog *catalog = sqlite_catalog_of(sql);
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_reset(catalog->statements[i]);
	if (catalog->db != NULL && !sqlite3_get_autocommit(catalog->db))
		sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
}

static bool sqlite_commit(struct sql_catalog *sql, struct error *err)
{
	struct sqlite_catalog *catalog = sqlite_catalog_of(sql);
	if (run_one(catalog, SQL_COMMIT, NO_PARAMETERS, err))
		return true;
	sqlite_rollback(sql);
	if (err->kind == ERROR_BUSY || err->kind == ERROR_LIMIT)
		return false; /* the last frame, which makes the commit, was not written */
	err->kind = ERROR_UNCERTAIN;
	err->hint[0] = '\0';
	catalog->is_unsure = true;
	return false;
}

/*
 * I4: after a commit without an answer, make final what will be shown.  When the sync of a commit
 * fails, SQLite shows the state before it, but its frames stand in the write-ahead log, and a
 * crash could still bring them to life: a commit of nothing writes over them.  When a process died
 * before the sync, the next one shows the commit, and a crash could take it away: a commit of
 * nothing behind it makes it durable.  (It counts up: SQLite does not write what has not changed.)
 */
static bool sqlite_fence(struct sqlite_catalog *catalog, struct error *err)
{
	if (!catalog->is_unsure || !catalog->sql.has_tables)
		return true;
	const bool ok = run_one(catalog, SQL_BEGIN_WRITE, NO_PARAMETERS, err) &&
			run_one(catalog, SQL_FENCE, NO_PARAMETERS, err);
	if (!ok) {
		sqlite_rollback(&catalog->sql);
		return false;
	}
	if (!sqlite_commit(&catalog->sql, err))
		return false;
	catalog->is_unsure = false;
	return true;
}

static bool sqlite_begin(struct sql_catalog *sql, struct error *err)
{
	struct sqlite_catalog *catalog = sqlite_catalog_of(sql);
	return sqlite_fence(catalog, err) && run_one(catalog, SQL_BEGIN, NO_PARAMETERS, err);
}

static bool sqlite_begin_write(struct sql_catalog *sql, struct error *err)
{
	struct sqlite_catalog *catalog = sqlite_catalog_of(sql);
	return sqlite_fence(catalog, err) && run_one(catalog, SQL_BEGIN_WRITE, NO_PARAMETERS, err);
}

/* --- life ----------------------------------------------------------------------------------- */

static void sqlite_close(struct sql_catalog *sql)
{
	struct sqlite_catalog *catalog = sqlite_catalog_of(sql);
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(catalog->statements[i]);
	sqlite3_close(catalog->db);
	sql_catalog_deinit(sql);
	free(catalog);
}

/* WAL with FULL: a commit is one fsync, of the log alone, and readers never wait for a writer. */
static bool set_up_connection(struct sqlite_catalog *catalog, struct error *err)
{
	struct sql_catalog *sql = &catalog->sql;
	if (!sqlite_execute(sql, "PRAGMA temp_store = MEMORY", err))
		return false;
	if (sql->is_read_only)
		return true;
	sqlite3_stmt *statement;
	int code =
		sqlite3_prepare_v2(catalog->db, "PRAGMA journal_mode = WAL", -1, &statement, NULL);
	if (code != SQLITE_OK)
		return sqlite_fail(catalog, code, err);
	code = sqlite3_step(statement);
	const char *mode =
		code == SQLITE_ROW ? (const char *)sqlite3_column_text(statement, 0) : "";
	const bool is_safe = strcmp(mode, "wal") == 0 || strcmp(mode, "memory") == 0;
	while (code == SQLITE_ROW)
		code = sqlite3_step(statement); /* the mode is changed by the last step */
	const bool ok = code == SQLITE_DONE || sqlite_fail(catalog, code, err);
	sqlite3_finalize(statement);
	if (!ok)
		return false;
	if (!is_safe) {
		error_set(err, ERROR_SETUP, "the catalog \"%s\" cannot use a write-ahead log",
			sql->place);
		return error_hint(err, "Put lake.catalog on a local disk.");
	}
	return sqlite_execute(sql, "PRAGMA synchronous = FULL", err);
}

static bool open_database(
	struct sqlite_catalog *catalog, const struct sqlite_options *options, struct error *err)
{
	const int flags = SQLITE_OPEN_NOMUTEX |
			  (options->is_read_only ? SQLITE_OPEN_READONLY
						 : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	const int code = sqlite3_open_v2(options->path, &catalog->db, flags, options->vfs);
	if (code != SQLITE_OK) {
		const int number = sqlite3_system_errno(catalog->db);
		sqlite_fail(catalog, code, err);
		if (number == EACCES)
			return error_set(err, ERROR_SETUP, "\"%s\" cannot be opened: %s",
				       options->path, strerror(number)) ||
			       error_hint(err, "Give the user that runs walberg permission to read "
					       "and write the lake's directory.");
		if (code == SQLITE_CANTOPEN && options->is_read_only)
			err->kind = ERROR_MISSING;
		return false;
	}
	sqlite3_extended_result_codes(catalog->db, 1);
	sqlite3_busy_timeout(catalog->db, (int)options->busy_timeout_ms);
	return true;
}

static const char *const TEXTS[STATEMENT_COUNT] = {
	[SQL_BEGIN] = "BEGIN",
	[SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[SQL_FIND_TABLES] = "SELECT 1 FROM sqlite_master WHERE name = 'walberg_format'",
	[SQL_FIND_TYPE_COLUMN] = "SELECT 1 FROM pragma_table_info('iceberg_tables') "
				 "WHERE name = 'iceberg_type'",
};

static const struct sql_driver DRIVER = {
	.scheme = "sqlite",
	.texts = TEXTS,
	.words = { "TEXT", "INTEGER", "INTEGER PRIMARY KEY AUTOINCREMENT", "WITHOUT ROWID" },
	.begin = sqlite_begin,
	.begin_write = sqlite_begin_write,
	.commit = sqlite_commit,
	.rollback = sqlite_rollback,
	.start = sqlite_start,
	.next = sqlite_next,
	.number = sqlite_number,
	.text = sqlite_text,
	.run = sqlite_run,
	.execute = sqlite_execute,
	.close = sqlite_close,
};

bool catalog_sqlite_open(
	const struct sqlite_options *options, struct catalog **out, struct error *err)
{
	*out = NULL;
	struct sqlite_catalog *catalog = memory_allocate(1, sizeof *catalog);
	struct sql_catalog *sql = &catalog->sql;
	sql_catalog_init(sql, &DRIVER, options->path, options->catalog_name, options->is_read_only);
	catalog->is_unsure = !options->is_read_only; /* who had it open before may have died */
	if (!open_database(catalog, options, err) || !set_up_connection(catalog, err) ||
		!sql_prepare_schema(sql, err)) {
		sqlite_close(sql);
		return error_context(err, "opening the catalog \"%s\"", options->path);
	}
	*out = &sql->base;
	return true;
}
