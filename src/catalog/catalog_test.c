/*
 * One contract for every catalog, and what is particular to SQLite.
 */
#include "base/test.h"
#include "base/world.h"
#include "catalog/catalog_fixture.h"

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>

static const char *catalog_path(void)
{
	static char path[400];
	snprintf(path, sizeof path, "%s/catalog.db", test_directory());
	return path;
}

static struct sqlite_options options_of(const char *name)
{
	return (struct sqlite_options){
		.path = catalog_path(),
		.catalog_name = name,
		.busy_timeout_ms = 20,
	};
}

static struct catalog *sqlite_open_as(const char *name, bool is_read_only)
{
	struct sqlite_options options = options_of(name);
	options.is_read_only = is_read_only;
	struct error err;
	struct catalog *catalog;
	CHECK_OK(catalog_sqlite_open(&options, &catalog, &err), &err);
	return catalog;
}

static enum error_kind open_fails(void)
{
	const struct sqlite_options options = options_of("walberg");
	struct error err = { 0 };
	struct catalog *catalog;
	CHECK(!catalog_sqlite_open(&options, &catalog, &err));
	return err.kind;
}

/* Runs SQL from outside, as another program would. */
static void run_outside(const char *sql)
{
	sqlite3 *db;
	CHECK_EQUAL(sqlite3_open(catalog_path(), &db), SQLITE_OK);
	char *message = NULL;
	if (sqlite3_exec(db, sql, NULL, NULL, &message) != SQLITE_OK)
		test_fail(__FILE__, __LINE__, "%s: %s", sql, message);
	sqlite3_close(db);
}

static const char *ask_outside(const char *sql, char text[200])
{
	sqlite3 *db;
	sqlite3_stmt *statement;
	CHECK_EQUAL(sqlite3_open(catalog_path(), &db), SQLITE_OK);
	CHECK_EQUAL(sqlite3_prepare_v2(db, sql, -1, &statement, NULL), SQLITE_OK);
	CHECK_EQUAL(sqlite3_step(statement), SQLITE_ROW);
	const char *value = (const char *)sqlite3_column_text(statement, 0);
	snprintf(text, 200, "%s", value != NULL ? value : "NULL");
	sqlite3_finalize(statement);
	sqlite3_close(db);
	return text;
}

static enum error_kind no_strike(void *context, const char *call)
{
	(void)context, (void)call;
	return ERROR_NONE;
}

TEST(catalog_in_sqlite_keeps_the_contract)
{
	catalog_fixture_check_contract(sqlite_open_as("walberg", false));
	struct catalog *again = sqlite_open_as("walberg", false);
	catalog_fixture_check_lake(again, 7);
	catalog_close(again);
}

TEST(catalog_in_memory_keeps_the_contract)
{
	catalog_fixture_check_contract(catalog_memory_open());
}

TEST(catalog_that_never_fails_though_it_could_keeps_the_contract)
{
	catalog_fixture_check_contract(catalog_faulty_open(catalog_memory_open(), no_strike, NULL));
}

TEST(catalog_in_sqlite_is_one_for_two_handles)
{
	struct catalog *one = sqlite_open_as("walberg", false);
	catalog_fixture_check_two_handles(one, sqlite_open_as("walberg", false));
}

TEST(catalog_in_memory_is_one_for_two_handles)
{
	struct catalog *one = catalog_memory_open();
	catalog_fixture_check_two_handles(one, catalog_memory_share(one));
}

struct strike {
	const char *call;
	enum error_kind kind;
};

static enum error_kind strike_once(void *context, const char *call)
{
	struct strike *strike = context;
	if (strike->call == NULL || strcmp(strike->call, call) != 0)
		return ERROR_NONE;
	strike->call = NULL;
	return strike->kind;
}

TEST(catalog_with_faults_makes_an_uncertain_commit_and_no_other)
{
	struct strike strike = { 0 };
	struct catalog *catalog = catalog_faulty_open(catalog_memory_open(), strike_once, &strike);
	struct error err = { 0 };
	struct arena arena = { 0 };
	struct catalog_view view;
	size_t conflict;
	catalog_fixture_create(catalog);
	strike = (struct strike){ "commit", ERROR_LOST };
	CHECK(!catalog_fixture_commit(catalog, 0, "a", "", "a1", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_LOST);
	catalog_fixture_check_lake(catalog, 0);
	strike = (struct strike){ "commit", ERROR_UNCERTAIN };
	CHECK(!catalog_fixture_commit(catalog, 0, "a", "", "a1", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_UNCERTAIN);
	catalog_fixture_check_lake(catalog, 1);
	strike = (struct strike){ "load", ERROR_BUSY };
	CHECK(!catalog_load(catalog, &arena, &view, &err));
	CHECK_EQUAL(err.kind, ERROR_BUSY);
	catalog_close(catalog);
}

TEST(catalog_pointers_are_in_the_layout_of_jdbc_catalogs)
{
	char text[200];
	struct catalog *catalog = sqlite_open_as("walberg", false);
	catalog_fixture_create(catalog);
	catalog_fixture_commit_ok(catalog, 0, "a", "", "file:///a1");
	catalog_fixture_commit_ok(catalog, 1, "a", "file:///a1", "file:///a2");
	CHECK_TEXT(ask_outside("SELECT catalog_name || table_namespace || table_name || "
			       "metadata_location || previous_metadata_location || iceberg_type "
			       "FROM iceberg_tables",
			   text),
		"walbergpublicafile:///a2file:///a1TABLE");
	CHECK_TEXT(ask_outside("SELECT namespace || property_key || property_value FROM "
			       "iceberg_namespace_properties",
			   text),
		"publicexiststrue");
	CHECK_TEXT(ask_outside("PRAGMA journal_mode", text), "wal");
	catalog_close(catalog);
}

TEST(catalog_sees_a_foreign_commit_as_a_conflict_of_that_table)
{
	struct catalog *catalog = sqlite_open_as("walberg", false);
	struct error err = { 0 };
	size_t conflict;
	catalog_fixture_create(catalog);
	catalog_fixture_commit_ok(catalog, 0, "a", "", "a1");
	run_outside("UPDATE iceberg_tables SET metadata_location = 'foreign', "
		    "previous_metadata_location = 'a1'");
	CHECK(!catalog_fixture_commit(catalog, 1, "a", "a1", "a2", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	CHECK_EQUAL(conflict, 0);
	catalog_fixture_check_location(catalog, "a", "foreign");
	catalog_fixture_commit_ok(catalog, 1, "a", "foreign", "a2");
	catalog_close(catalog);
}

TEST(catalog_of_another_name_is_empty_in_the_same_file)
{
	struct catalog *one = sqlite_open_as("walberg", false);
	struct catalog *two = sqlite_open_as("other", false);
	catalog_fixture_create(one);
	catalog_fixture_check_two_handles(two, sqlite_open_as("other", false));
	catalog_fixture_check_lake(one, 0);
	catalog_close(one);
}

TEST(catalog_that_another_program_made_is_taken_over)
{
	char text[200];
	run_outside(
		"CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, "
		"table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, "
		"metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), "
		"PRIMARY KEY (catalog_name, table_namespace, table_name));"
		"INSERT INTO iceberg_tables VALUES ('walberg', 'public', 'theirs', 't1', NULL)");
	struct catalog *catalog = sqlite_open_as("walberg", false);
	struct error err = { 0 };
	size_t conflict;
	catalog_fixture_create(catalog);
	CHECK(!catalog_fixture_commit(catalog, 0, "theirs", "", "ours", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	CHECK_EQUAL(conflict, 0);
	catalog_fixture_commit_ok(catalog, 0, "a", "", "a1");
	CHECK_TEXT(
		ask_outside("SELECT count(*) FROM iceberg_tables WHERE iceberg_type IS NULL", text),
		"1");
	catalog_close(catalog);
}

TEST(catalog_is_read_while_it_is_written)
{
	struct catalog *writer = sqlite_open_as("walberg", false);
	struct catalog *reader = sqlite_open_as("walberg", true);
	struct error err = { 0 };
	size_t conflict;
	catalog_fixture_create(writer);
	catalog_fixture_commit_ok(writer, 0, "a", "", "a1");
	catalog_fixture_check_location(reader, "a", "a1");
	sqlite3 *db;
	CHECK_EQUAL(sqlite3_open(catalog_path(), &db), SQLITE_OK);
	CHECK_EQUAL(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	catalog_fixture_check_location(reader, "a", "a1");
	CHECK(!catalog_fixture_commit(writer, 1, "a", "a1", "a2", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_BUSY);
	sqlite3_close(db);
	catalog_fixture_commit_ok(writer, 1, "a", "a1", "a2");
	catalog_fixture_check_location(reader, "a", "a2");
	CHECK(!catalog_fixture_commit(reader, 2, "a", "a2", "a3", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(!catalog_request(reader, "snapshot", "public.a", &err));
	catalog_close(writer);
	catalog_close(reader);
}

TEST(catalog_that_cannot_be_used_says_why)
{
	struct sqlite_options options = options_of("walberg");
	struct error err = { 0 };
	struct catalog *catalog;
	options.is_read_only = true;
	CHECK(!catalog_sqlite_open(&options, &catalog, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	options.is_read_only = false;
	options.path = "/nonexistent/catalog.db";
	CHECK(!catalog_sqlite_open(&options, &catalog, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);

	catalog_close(sqlite_open_as("walberg", false));
	run_outside("UPDATE walberg_format SET version = 2");
	CHECK_EQUAL(open_fails(), ERROR_UNSUPPORTED);
	run_outside("UPDATE walberg_format SET version = 1");
	struct file *file;
	CHECK_OK(world_open(world_posix(), catalog_path(), FILE_WRITE, &file, &err), &err);
	CHECK_OK(file_write_at(file, 0, BYTES_LITERAL("this is not a database!!"), &err), &err);
	file_close(file);
	CHECK_EQUAL(open_fails(), ERROR_CORRUPT);
}

TEST(catalog_read_only_of_a_database_without_a_lake_has_none)
{
	struct error err = { 0 };
	struct arena arena = { 0 };
	struct catalog_view view;
	run_outside("CREATE TABLE theirs (x)");
	struct catalog *catalog = sqlite_open_as("walberg", true);
	CHECK(!catalog_load(catalog, &arena, &view, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	catalog_close(catalog);
	arena_deinit(&arena);
}
