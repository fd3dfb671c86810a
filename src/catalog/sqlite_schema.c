/*
 * The tables of a SQLite catalog.
 *
 * The first two are Iceberg's JDBC layout, version 1: Java's JdbcCatalog and PyIceberg's SqlCatalog
 * read them by these names.  walberg's own stand beside them, keyed by the same catalog name.
 */
#include "catalog/sqlite_internal.h"

enum {
	FORMAT_VERSION = 1,
};

static const char ICEBERG_TABLES[] =
	"CREATE TABLE IF NOT EXISTS iceberg_tables ("
	"catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, "
	"table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), "
	"previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5), "
	"PRIMARY KEY (catalog_name, table_namespace, table_name));"
	"CREATE TABLE IF NOT EXISTS iceberg_namespace_properties ("
	"catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL, "
	"property_key VARCHAR(255), property_value VARCHAR(1000), "
	"PRIMARY KEY (catalog_name, namespace, property_key));";

static const char WALBERG_TABLES[] =
	"CREATE TABLE walberg_format (magic TEXT NOT NULL, version INTEGER NOT NULL, "
	"fence INTEGER NOT NULL);"
	"CREATE TABLE walberg_lake (catalog_name TEXT PRIMARY KEY, id TEXT NOT NULL, "
	"slot_name TEXT NOT NULL, publication_name TEXT NOT NULL, "
	"append_publication_name TEXT NOT NULL, system_identifier TEXT NOT NULL, "
	"timeline INTEGER NOT NULL, phase INTEGER NOT NULL, commit_number INTEGER NOT NULL, "
	"commit_id TEXT NOT NULL, position INTEGER NOT NULL, position_at INTEGER NOT NULL, "
	"timestamp_ms INTEGER NOT NULL, log_position INTEGER NOT NULL, log_id TEXT NOT NULL, "
	"last_commit_lsn INTEGER NOT NULL, last_commit_xid INTEGER NOT NULL, "
	"last_commit_at INTEGER NOT NULL);"
	"CREATE TABLE walberg_table (catalog_name TEXT NOT NULL, table_namespace TEXT NOT NULL, "
	"table_name TEXT NOT NULL, state INTEGER NOT NULL, reason TEXT NOT NULL, "
	"definition TEXT NOT NULL, position INTEGER NOT NULL, log_position INTEGER NOT NULL, "
	"PRIMARY KEY (catalog_name, table_namespace, table_name));"
	"CREATE TABLE walberg_commit (catalog_name TEXT NOT NULL, commit_number INTEGER NOT NULL, "
	"position INTEGER NOT NULL, timestamp_ms INTEGER NOT NULL, "
	"PRIMARY KEY (catalog_name, commit_number)) WITHOUT ROWID;"
	"CREATE TABLE walberg_removal (catalog_name TEXT NOT NULL, path TEXT NOT NULL, "
	"not_before INTEGER NOT NULL, PRIMARY KEY (catalog_name, path)) WITHOUT ROWID;"
	"CREATE INDEX walberg_removal_by_time ON walberg_removal (catalog_name, not_before, path);"
	"CREATE TABLE walberg_request (id INTEGER PRIMARY KEY AUTOINCREMENT, "
	"catalog_name TEXT NOT NULL, kind TEXT NOT NULL, argument TEXT NOT NULL, "
	"UNIQUE (catalog_name, kind, argument));"
	"INSERT INTO walberg_format (magic, version, fence) VALUES ('walberg', 1, 0);";

/* The first value of the first row as a number and as text; *found is false without a row. */
struct answer {
	bool found;
	int64_t number;
	char text[32];
};

static bool ask(
	struct sqlite_catalog *catalog, const char *sql, struct answer *out, struct error *err)
{
	sqlite3_stmt *statement;
	*out = (struct answer){ 0 };
	int code = sqlite3_prepare_v2(catalog->db, sql, -1, &statement, NULL);
	if (code != SQLITE_OK)
		return sqlite_fail(catalog, code, err);
	code = sqlite3_step(statement);
	out->found = code == SQLITE_ROW;
	if (out->found) {
		const char *text = (const char *)sqlite3_column_text(statement, 0);
		snprintf(out->text, sizeof out->text, "%s", text != NULL ? text : "");
		out->number = sqlite3_column_int64(statement, 0);
	}
	while (code == SQLITE_ROW)
		code = sqlite3_step(statement); /* a change of mode is made by the last step */
	const bool ok = code == SQLITE_DONE || sqlite_fail(catalog, code, err);
	sqlite3_finalize(statement);
	return ok;
}

/* WAL with FULL: a commit is one fsync, of the log alone, and readers never wait for a writer. */
static bool set_up_connection(struct sqlite_catalog *catalog, struct error *err)
{
	struct answer mode;
	if (!sqlite_execute(catalog, "PRAGMA temp_store = MEMORY", err))
		return false;
	if (catalog->is_read_only)
		return true;
	if (!ask(catalog, "PRAGMA journal_mode = WAL", &mode, err))
		return false;
	if (strcmp(mode.text, "wal") != 0 && strcmp(mode.text, "memory") != 0) {
		error_set(err, ERROR_SETUP, "the catalog \"%s\" cannot use a write-ahead log",
			catalog->path);
		return error_hint(err, "Put lake.catalog on a local disk.");
	}
	return sqlite_execute(catalog, "PRAGMA synchronous = FULL", err);
}

static bool check_format(struct sqlite_catalog *catalog, struct error *err)
{
	struct answer there, version;
	if (!ask(catalog, "SELECT 1 FROM sqlite_master WHERE name = 'walberg_format'", &there, err))
		return false;
	catalog->has_tables = there.found;
	if (!there.found)
		return true;
	if (!ask(catalog, "SELECT version FROM walberg_format WHERE magic = 'walberg'", &version,
		    err))
		return false;
	if (!version.found)
		return error_set(err, ERROR_CORRUPT, "the table walberg_format of \"%s\" is empty",
			catalog->path);
	if (version.number == FORMAT_VERSION)
		return true;
	error_set(err, ERROR_UNSUPPORTED,
		"the tables of the catalog \"%s\" have version %lld, known "
		"is %d",
		catalog->path, (long long)version.number, FORMAT_VERSION);
	return error_hint(err, "Use the version of walberg that wrote this catalog.");
}

/* A catalog that another program made before views existed has no column for the type. */
static bool add_type_column(struct sqlite_catalog *catalog, struct error *err)
{
	struct answer there;
	if (!ask(catalog,
		    "SELECT 1 FROM pragma_table_info('iceberg_tables') WHERE name = 'iceberg_type'",
		    &there, err))
		return false;
	return there.found ||
	       sqlite_execute(catalog,
		       "ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)", err);
}

/* Looks again inside the transaction: another process may have been faster. */
static bool make_tables(struct sqlite_catalog *catalog, struct error *err)
{
	return check_format(catalog, err) &&
	       (catalog->has_tables || (sqlite_execute(catalog, ICEBERG_TABLES, err) &&
					       add_type_column(catalog, err) &&
					       sqlite_execute(catalog, WALBERG_TABLES, err)));
}

bool sqlite_prepare_schema(struct sqlite_catalog *catalog, struct error *err)
{
	if (!set_up_connection(catalog, err) || !check_format(catalog, err))
		return false;
	if (catalog->has_tables || catalog->is_read_only)
		return true;
	if (!sqlite_begin_write(catalog, err))
		return false;
	if (!make_tables(catalog, err)) {
		sqlite_rollback(catalog);
		return false;
	}
	catalog->has_tables = true;
	if (sqlite_commit(catalog, err))
		return true;
	if (err->kind == ERROR_UNCERTAIN)
		err->kind = ERROR_LOST; /* opening it again finds out */
	return false;
}
