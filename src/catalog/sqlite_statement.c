#include "catalog/sqlite_internal.h"

#include <assert.h>

#define LAKE_COLUMNS                                                                               \
	"id, slot_name, publication_name, append_publication_name, system_identifier, timeline, "  \
	"phase, commit_number, commit_id, position, position_at, timestamp_ms, log_position, "     \
	"log_id, last_commit_lsn, last_commit_xid, last_commit_at"
#define POINTER "catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3"
#define IS_TABLE "(iceberg_type = 'TABLE' OR iceberg_type IS NULL)"

static const char *const TEXTS[STATEMENT_COUNT] = {
	[SQL_BEGIN] = "BEGIN",
	[SQL_BEGIN_WRITE] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_FENCE] = "UPDATE walberg_format SET fence = fence + 1",
	[SQL_LOAD_LAKE] = "SELECT " LAKE_COLUMNS " FROM walberg_lake WHERE catalog_name = ?1",
	[SQL_LOAD_TABLES] =
		"SELECT t.table_namespace, t.table_name, i.metadata_location, t.state, t.reason, "
		"t.definition, t.position, t.log_position FROM walberg_table t "
		"LEFT JOIN iceberg_tables i ON i.catalog_name = t.catalog_name AND "
		"i.table_namespace = t.table_namespace AND i.table_name = t.table_name AND "
		"(i.iceberg_type = 'TABLE' OR i.iceberg_type IS NULL) "
		"WHERE t.catalog_name = ?1 ORDER BY t.table_namespace, t.table_name",
	[SQL_LOAD_COMMITS] = "SELECT commit_number, position, timestamp_ms FROM walberg_commit "
			     "WHERE catalog_name = ?1 ORDER BY commit_number",
	[SQL_LOAD_REQUESTS] = "SELECT id, kind, argument FROM walberg_request "
			      "WHERE catalog_name = ?1 ORDER BY id",
	[SQL_LOAD_REMOVALS] = "SELECT path, not_before FROM walberg_removal "
			      "WHERE catalog_name = ?1 AND not_before <= ?2 "
			      "ORDER BY not_before, path LIMIT ?3",
	[SQL_INSERT_LAKE] = "INSERT INTO walberg_lake (catalog_name, " LAKE_COLUMNS ") VALUES "
			    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
			    "?16, ?17, ?18) ON CONFLICT DO NOTHING",
	[SQL_UPDATE_LAKE] =
		"UPDATE walberg_lake SET (" LAKE_COLUMNS ") = (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
		"?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) "
		"WHERE catalog_name = ?1 AND commit_number = ?9 - 1",
	[SQL_INSERT_POINTER] =
		"INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, "
		"metadata_location, previous_metadata_location, iceberg_type) "
		"VALUES (?1, ?2, ?3, ?4, NULL, 'TABLE') ON CONFLICT DO NOTHING",
	[SQL_UPDATE_POINTER] = "UPDATE iceberg_tables SET metadata_location = ?4, "
			       "previous_metadata_location = ?5 "
			       "WHERE " POINTER " AND metadata_location = ?5 AND " IS_TABLE,
	[SQL_CHECK_POINTER] = "UPDATE iceberg_tables SET metadata_location = ?4 WHERE " POINTER
			      " AND metadata_location = ?4 AND " IS_TABLE,
	[SQL_DELETE_POINTER] = "DELETE FROM iceberg_tables WHERE " POINTER
			       " AND metadata_location = ?4 AND " IS_TABLE,
	[SQL_INSERT_NAMESPACE] =
		"INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, "
		"property_value) VALUES (?1, ?2, 'exists', 'true') ON CONFLICT DO NOTHING",
	[SQL_PUT_TABLE] = "INSERT INTO walberg_table (catalog_name, table_namespace, table_name, "
			  "state, reason, definition, position, log_position) "
			  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "
			  "ON CONFLICT (catalog_name, table_namespace, table_name) DO UPDATE SET "
			  "state = ?4, reason = ?5, definition = ?6, position = ?7, "
			  "log_position = ?8",
	[SQL_DELETE_TABLE] = "DELETE FROM walberg_table WHERE " POINTER,
	[SQL_INSERT_COMMIT] = "INSERT INTO walberg_commit (catalog_name, commit_number, position, "
			      "timestamp_ms) VALUES (?1, ?2, ?3, ?4)",
	[SQL_DELETE_COMMITS] = "DELETE FROM walberg_commit WHERE catalog_name = ?1 AND "
			       "timestamp_ms < ?2",
	[SQL_PUT_REMOVAL] =
		"INSERT INTO walberg_removal (catalog_name, path, not_before) VALUES (?1, ?2, ?3) "
		"ON CONFLICT (catalog_name, path) DO UPDATE SET not_before = ?3",
	[SQL_DELETE_REMOVAL] = "DELETE FROM walberg_removal WHERE catalog_name = ?1 AND path = ?2",
	[SQL_INSERT_REQUEST] = "INSERT INTO walberg_request (catalog_name, kind, argument) "
			       "VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
	[SQL_DELETE_REQUEST] = "DELETE FROM walberg_request WHERE catalog_name = ?1 AND id = ?2",
};

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

bool sqlite_fail(struct sqlite_catalog *catalog, int code, struct error *err)
{
	const char *text = catalog->db != NULL ? sqlite3_errmsg(catalog->db) : sqlite3_errstr(code);
	const enum error_kind kind = kind_of(code);
	error_set(err, kind, "SQLite says of \"%s\": %s", catalog->path, text);
	return error_hint(err, "%s", hint_of(kind));
}

static sqlite3_stmt *prepared(
	struct sqlite_catalog *catalog, enum statement which, struct error *err)
{
	sqlite3_stmt **statement = &catalog->statements[which];
	if (*statement != NULL)
		return *statement;
	const int code = sqlite3_prepare_v3(
		catalog->db, TEXTS[which], -1, SQLITE_PREPARE_PERSISTENT, statement, NULL);
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

sqlite3_stmt *sqlite_start(struct sqlite_catalog *catalog, enum statement which,
	const struct parameter *parameters, size_t count, struct error *err)
{
	sqlite3_stmt *statement = prepared(catalog, which, err);
	if (statement == NULL)
		return NULL;
	int code = SQLITE_OK;
	if (sqlite3_bind_parameter_count(statement) > 0) {
		assert((size_t)sqlite3_bind_parameter_count(statement) == count + 1);
		code = bind(statement, 1, (struct parameter)TEXT(catalog->name));
	}
	for (size_t i = 0; i < count && code == SQLITE_OK; i++)
		code = bind(statement, (int)i + 2, parameters[i]);
	if (code == SQLITE_OK)
		return statement;
	sqlite_fail(catalog, code, err);
	return NULL;
}

bool sqlite_next(
	struct sqlite_catalog *catalog, sqlite3_stmt *statement, bool *found, struct error *err)
{
	const int code = sqlite3_step(statement);
	*found = code == SQLITE_ROW;
	if (*found)
		return true;
	if (code != SQLITE_DONE)
		sqlite_fail(catalog, code, err);
	sqlite3_reset(statement);
	return code == SQLITE_DONE;
}

bool sqlite_run(struct sqlite_catalog *catalog, enum statement which,
	const struct parameter *parameters, size_t count, int *changes, struct error *err)
{
	sqlite3_stmt *statement = sqlite_start(catalog, which, parameters, count, err);
	bool found = true;
	while (found)
		if (statement == NULL || !sqlite_next(catalog, statement, &found, err))
			return false;
	if (changes != NULL)
		*changes = sqlite3_changes(catalog->db);
	return true;
}

bool sqlite_execute(struct sqlite_catalog *catalog, const char *sql, struct error *err)
{
	const int code = sqlite3_exec(catalog->db, sql, NULL, NULL, NULL);
	return code == SQLITE_OK || sqlite_fail(catalog, code, err);
}

static bool begin_write(struct sqlite_catalog *catalog, struct error *err)
{
	if (catalog->is_read_only)
		return error_set(
			err, ERROR_SETUP, "the catalog \"%s\" is open for reading", catalog->path);
	return sqlite_run(catalog, SQL_BEGIN_WRITE, NO_PARAMETERS, NULL, err);
}

bool sqlite_begin_write(struct sqlite_catalog *catalog, struct error *err)
{
	return sqlite_fence(catalog, err) && begin_write(catalog, err);
}

bool sqlite_commit(struct sqlite_catalog *catalog, struct error *err)
{
	if (sqlite_run(catalog, SQL_COMMIT, NO_PARAMETERS, NULL, err))
		return true;
	sqlite_rollback(catalog);
	if (err->kind == ERROR_BUSY || err->kind == ERROR_LIMIT)
		return false; /* the last frame, which makes the commit, was not written */
	err->kind = ERROR_UNCERTAIN;
	err->hint[0] = '\0';
	catalog->is_unsure = true;
	return false;
}

void sqlite_rollback(struct sqlite_catalog *catalog)
{
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_reset(catalog->statements[i]);
	if (catalog->db != NULL && !sqlite3_get_autocommit(catalog->db))
		sqlite3_exec(catalog->db, "ROLLBACK", NULL, NULL, NULL);
}

bool sqlite_fence(struct sqlite_catalog *catalog, struct error *err)
{
	if (!catalog->is_unsure || !catalog->has_tables)
		return true;
	const bool ok = begin_write(catalog, err) &&
			sqlite_run(catalog, SQL_FENCE, NO_PARAMETERS, NULL, err);
	if (!ok) {
		sqlite_rollback(catalog);
		return false;
	}
	if (!sqlite_commit(catalog, err))
		return false;
	catalog->is_unsure = false;
	return true;
}

const char *sqlite_text(sqlite3_stmt *statement, int column, struct arena *arena)
{
	const void *text = sqlite3_column_text(statement, column);
	const int size = sqlite3_column_bytes(statement, column);
	return arena_copy_text(arena, bytes_of(text, text != NULL ? (size_t)size : 0));
}
