/*
 * One contract for every catalog, and what is particular to SQLite.
 */
#include "base/test.h"
#include "base/world.h"
#include "catalog/catalog.h"

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

static struct lake lake_at(uint64_t commit_number)
{
	static const char *const COMMIT_IDS[] = { "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7" };
	return (struct lake){
		.id = "k3x9",
		.slot_name = "walberg_k3x9",
		.publication_name = "walberg_k3x9",
		.append_publication_name = "walberg_k3x9_append",
		.system_identifier = "7301",
		.timeline = 1,
		.phase = LAKE_LIVE,
		.commit_number = commit_number,
		.commit_id = COMMIT_IDS[commit_number],
		.position = 1000 * commit_number,
		.position_at = -5,
		.timestamp_ms = (int64_t)(100 * commit_number),
		.log_position = 77,
		.log_id = "log",
		.last_commit_lsn = UINT64_C(0x7fffffffffffffff),
		.last_commit_xid = UINT32_MAX,
		.last_commit_at = 12,
	};
}

static struct catalog_table table_at(const char *name, const char *location)
{
	return (struct catalog_table){
		.namespace_name = "public",
		.name = name,
		.metadata_location = location,
		.state = TABLE_LIVE,
		.reason = "",
		.definition = "{}",
		.position = 500,
	};
}

static void create(struct catalog *catalog)
{
	struct error err;
	const struct lake lake = lake_at(0);
	CHECK_OK(catalog_create(catalog, &lake, &err), &err);
}

/* One table's pointer from base to location, on top of commit number base_number. */
static bool commit_table(struct catalog *catalog, uint64_t base_number, const char *name,
	const char *base, const char *location, size_t *conflict, struct error *err)
{
	const struct lake lake = lake_at(base_number + 1);
	const struct catalog_table table = table_at(name, location);
	const struct table_change change = { &table, base };
	const struct catalog_commit commit = {
		.base_commit_number = base_number,
		.lake = &lake,
		.change_count = 1,
		.changes = &change,
		.makes_version = true,
	};
	return catalog_commit(catalog, &commit, conflict, err);
}

static void commit_ok(struct catalog *catalog, uint64_t base_number, const char *name,
	const char *base, const char *location)
{
	struct error err;
	size_t conflict;
	CHECK_OK(commit_table(catalog, base_number, name, base, location, &conflict, &err), &err);
}

static struct catalog_view load(struct catalog *catalog, struct arena *arena)
{
	struct error err;
	struct catalog_view view;
	CHECK_OK(catalog_load(catalog, arena, &view, &err), &err);
	return view;
}

static void check_location(struct catalog *catalog, const char *name, const char *location)
{
	struct arena arena = { 0 };
	const struct catalog_view view = load(catalog, &arena);
	const struct catalog_table *table = catalog_view_find(&view, "public", name);
	CHECK(table != NULL);
	CHECK_TEXT(table->metadata_location, location);
	arena_deinit(&arena);
}

static void check_lake(struct catalog *catalog, uint64_t commit_number)
{
	struct arena arena = { 0 };
	const struct lake lake = load(catalog, &arena).lake;
	const struct lake expected = lake_at(commit_number);
	CHECK_TEXT(lake.id, expected.id);
	CHECK_TEXT(lake.slot_name, expected.slot_name);
	CHECK_TEXT(lake.publication_name, expected.publication_name);
	CHECK_TEXT(lake.append_publication_name, expected.append_publication_name);
	CHECK_TEXT(lake.system_identifier, expected.system_identifier);
	CHECK_EQUAL(lake.timeline, expected.timeline);
	CHECK_EQUAL(lake.phase, expected.phase);
	CHECK_EQUAL(lake.commit_number, expected.commit_number);
	CHECK_TEXT(lake.commit_id, expected.commit_id);
	CHECK_EQUAL(lake.position, expected.position);
	CHECK_EQUAL(lake.position_at, expected.position_at);
	CHECK_EQUAL(lake.timestamp_ms, expected.timestamp_ms);
	CHECK_EQUAL(lake.log_position, expected.log_position);
	CHECK_TEXT(lake.log_id, expected.log_id);
	CHECK_EQUAL(lake.last_commit_lsn, expected.last_commit_lsn);
	CHECK_EQUAL(lake.last_commit_xid, expected.last_commit_xid);
	CHECK_EQUAL(lake.last_commit_at, expected.last_commit_at);
	arena_deinit(&arena);
}

static void check_beginning(struct catalog *catalog)
{
	struct error err = { 0 };
	struct arena arena = { 0 };
	struct catalog_view view;
	const struct lake lake = lake_at(0);
	CHECK(!catalog_load(catalog, &arena, &view, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	create(catalog);
	CHECK(!catalog_create(catalog, &lake, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	check_lake(catalog, 0);
	CHECK_EQUAL(load(catalog, &arena).table_count, 0);
	arena_deinit(&arena);
}

/* I2, I6: all of a commit or nothing. */
static void check_conflicts(struct catalog *catalog)
{
	struct error err = { 0 };
	size_t conflict;
	commit_ok(catalog, 0, "a", "", "a1");
	CHECK(!commit_table(catalog, 0, "a", "a1", "a2", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	CHECK(conflict == SIZE_MAX);

	const struct lake lake = lake_at(2);
	const struct catalog_table tables[] = { table_at("b", "b1"), table_at("a", "a2") };
	struct table_change changes[] = { { &tables[0], "" }, { &tables[1], "other" } };
	const struct removal removal = { "gone", 1 };
	const struct catalog_commit commit = {
		.base_commit_number = 1,
		.lake = &lake,
		.change_count = 2,
		.changes = changes,
		.makes_version = true,
		.removal_count = 1,
		.removals = &removal,
	};
	CHECK(!catalog_commit(catalog, &commit, &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	CHECK_EQUAL(conflict, 1);
	check_lake(catalog, 1);
	check_location(catalog, "a", "a1");
	struct arena arena = { 0 };
	const struct catalog_view view = load(catalog, &arena);
	CHECK_EQUAL(view.table_count, 1);
	CHECK_EQUAL(view.commit_count, 1);
	arena_deinit(&arena);

	changes[0].base_location = "b0"; /* no such pointer */
	CHECK(!catalog_commit(catalog, &commit, &conflict, &err));
	CHECK_EQUAL(conflict, 0);
	changes[0].base_location = "";
	changes[1].base_location = "a1";
	CHECK_OK(catalog_commit(catalog, &commit, &conflict, &err), &err);
	check_lake(catalog, 2);
	check_location(catalog, "a", "a2");
	check_location(catalog, "b", "b1");
	CHECK(!commit_table(catalog, 2, "b", "", "b9", &conflict, &err));
	CHECK_EQUAL(conflict, 0);
}

static void commit_state(struct catalog *catalog, uint64_t base_number,
	const struct catalog_table *table, const char *base_location)
{
	const struct lake lake = lake_at(base_number + 1);
	const struct table_change change = { table, base_location };
	const struct catalog_commit commit = {
		.base_commit_number = base_number,
		.lake = &lake,
		.change_count = 1,
		.changes = &change,
	};
	struct error err;
	size_t conflict;
	CHECK_OK(catalog_commit(catalog, &commit, &conflict, &err), &err);
}

static void check_states(struct catalog *catalog)
{
	struct arena arena = { 0 };
	struct catalog_table table = table_at("b", "b1");
	table.state = TABLE_PAUSED;
	table.reason = "a value did not fit; run it again";
	table.log_position = 9;
	commit_state(catalog, 2, &table, "b1");
	struct catalog_table left_out = table_at("0part", "");
	left_out.state = TABLE_LEFT_OUT;
	left_out.reason = "a partitioned root";
	commit_state(catalog, 3, &left_out, "");
	struct catalog_view view = load(catalog, &arena);
	CHECK_EQUAL(view.table_count, 3);
	CHECK_TEXT(view.tables[0].name, "0part");
	CHECK_TEXT(view.tables[0].metadata_location, "");
	const struct catalog_table *found = catalog_view_find(&view, "public", "b");
	CHECK_EQUAL(found->state, TABLE_PAUSED);
	CHECK_TEXT(found->reason, table.reason);
	CHECK_TEXT(found->definition, "{}");
	CHECK_EQUAL(found->position, 500);
	CHECK_EQUAL(found->log_position, 9);
	CHECK_TEXT(found->metadata_location, "b1");
	CHECK(catalog_view_find(&view, "public", "c") == NULL);
	CHECK(catalog_view_find(&view, "other", "a") == NULL);
	CHECK_EQUAL(view.commit_count, 2);
	CHECK_EQUAL(view.commits[0].commit_number, 1);
	CHECK_EQUAL(view.commits[1].position, 2000);
	CHECK_EQUAL(view.commits[1].timestamp_ms, 200);

	table.state = TABLE_FORGOTTEN;
	table.metadata_location = "";
	commit_state(catalog, 4, &table, "b1");
	CHECK_EQUAL(load(catalog, &arena).table_count, 2);
	arena_deinit(&arena);
}

static void check_removals(struct catalog *catalog)
{
	const struct lake lake = lake_at(6);
	const struct removal removals[] = { { "x", 30 }, { "y", 20 }, { "z", 99 } };
	static const char *const removed[] = { "gone" };
	struct catalog_commit commit = {
		.base_commit_number = 5,
		.lake = &lake,
		.forget_before_ms = 200,
		.removal_count = 3,
		.removals = removals,
		.removed_count = 1,
		.removed = removed,
	};
	struct arena arena = { 0 };
	struct error err;
	size_t conflict, count;
	struct removal *found;
	CHECK_OK(catalog_removals(catalog, 98, 10, &arena, &found, &count, &err), &err);
	CHECK_EQUAL(count, 1);
	CHECK_TEXT(found[0].path, "gone");
	CHECK_OK(catalog_commit(catalog, &commit, &conflict, &err), &err);
	CHECK_OK(catalog_removals(catalog, 98, 10, &arena, &found, &count, &err), &err);
	CHECK_EQUAL(count, 2);
	CHECK_TEXT(found[0].path, "y");
	CHECK_EQUAL(found[1].not_before, 30);
	CHECK_OK(catalog_removals(catalog, 98, 1, &arena, &found, &count, &err), &err);
	CHECK_EQUAL(count, 1);
	const struct catalog_view view = load(catalog, &arena);
	CHECK_EQUAL(view.commit_count, 1);
	CHECK_EQUAL(view.commits[0].commit_number, 2);
	arena_deinit(&arena);
}

static void check_requests(struct catalog *catalog)
{
	struct error err;
	struct arena arena = { 0 };
	CHECK_OK(catalog_request(catalog, "snapshot", "public.a", &err), &err);
	CHECK_OK(catalog_request(catalog, "snapshot", "public.b", &err), &err);
	CHECK_OK(catalog_request(catalog, "snapshot", "public.a", &err), &err);
	struct catalog_view view = load(catalog, &arena);
	CHECK_EQUAL(view.request_count, 2);
	CHECK_TEXT(view.requests[0].kind, "snapshot");
	CHECK_TEXT(view.requests[0].argument, "public.a");
	const struct lake lake = lake_at(7);
	const int64_t done = view.requests[0].id;
	const struct catalog_commit commit = {
		.base_commit_number = 6,
		.lake = &lake,
		.done_count = 1,
		.done = &done,
	};
	size_t conflict;
	CHECK_OK(catalog_commit(catalog, &commit, &conflict, &err), &err);
	view = load(catalog, &arena);
	CHECK_EQUAL(view.request_count, 1);
	CHECK_TEXT(view.requests[0].argument, "public.b");
	CHECK_OK(catalog_request(catalog, "snapshot", "public.a", &err), &err);
	CHECK(load(catalog, &arena).requests[1].id > done);
	arena_deinit(&arena);
}

static void check_contract(struct catalog *catalog)
{
	check_beginning(catalog);
	check_conflicts(catalog);
	check_states(catalog);
	check_removals(catalog);
	check_requests(catalog);
	catalog_close(catalog);
}

static enum error_kind no_strike(void *context, const char *call)
{
	(void)context, (void)call;
	return ERROR_NONE;
}

TEST(catalog_in_sqlite_keeps_the_contract)
{
	check_contract(sqlite_open_as("walberg", false));
	struct catalog *again = sqlite_open_as("walberg", false);
	check_lake(again, 7);
	catalog_close(again);
}

TEST(catalog_in_memory_keeps_the_contract)
{
	check_contract(catalog_memory_open());
}

TEST(catalog_that_never_fails_though_it_could_keeps_the_contract)
{
	check_contract(catalog_faulty_open(catalog_memory_open(), no_strike, NULL));
}

static void check_two_handles(struct catalog *one, struct catalog *two)
{
	struct error err = { 0 };
	size_t conflict;
	create(one);
	commit_ok(one, 0, "a", "", "a1");
	check_location(two, "a", "a1");
	commit_ok(two, 1, "a", "a1", "a2");
	CHECK(!commit_table(one, 1, "a", "a1", "a3", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	check_location(one, "a", "a2");
	catalog_close(one);
	check_location(two, "a", "a2");
	catalog_close(two);
}

TEST(catalog_in_sqlite_is_one_for_two_handles)
{
	struct catalog *one = sqlite_open_as("walberg", false);
	check_two_handles(one, sqlite_open_as("walberg", false));
}

TEST(catalog_in_memory_is_one_for_two_handles)
{
	struct catalog *one = catalog_memory_open();
	check_two_handles(one, catalog_memory_share(one));
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
	create(catalog);
	strike = (struct strike){ "commit", ERROR_LOST };
	CHECK(!commit_table(catalog, 0, "a", "", "a1", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_LOST);
	check_lake(catalog, 0);
	strike = (struct strike){ "commit", ERROR_UNCERTAIN };
	CHECK(!commit_table(catalog, 0, "a", "", "a1", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_UNCERTAIN);
	check_lake(catalog, 1);
	strike = (struct strike){ "load", ERROR_BUSY };
	CHECK(!catalog_load(catalog, &arena, &view, &err));
	CHECK_EQUAL(err.kind, ERROR_BUSY);
	catalog_close(catalog);
}

TEST(catalog_pointers_are_in_the_layout_of_jdbc_catalogs)
{
	char text[200];
	struct catalog *catalog = sqlite_open_as("walberg", false);
	create(catalog);
	commit_ok(catalog, 0, "a", "", "file:///a1");
	commit_ok(catalog, 1, "a", "file:///a1", "file:///a2");
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
	create(catalog);
	commit_ok(catalog, 0, "a", "", "a1");
	run_outside("UPDATE iceberg_tables SET metadata_location = 'foreign', "
		    "previous_metadata_location = 'a1'");
	CHECK(!commit_table(catalog, 1, "a", "a1", "a2", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	CHECK_EQUAL(conflict, 0);
	check_location(catalog, "a", "foreign");
	commit_ok(catalog, 1, "a", "foreign", "a2");
	catalog_close(catalog);
}

TEST(catalog_of_another_name_is_empty_in_the_same_file)
{
	struct catalog *one = sqlite_open_as("walberg", false);
	struct catalog *two = sqlite_open_as("other", false);
	create(one);
	check_two_handles(two, sqlite_open_as("other", false));
	check_lake(one, 0);
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
	create(catalog);
	CHECK(!commit_table(catalog, 0, "theirs", "", "ours", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	CHECK_EQUAL(conflict, 0);
	commit_ok(catalog, 0, "a", "", "a1");
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
	create(writer);
	commit_ok(writer, 0, "a", "", "a1");
	check_location(reader, "a", "a1");
	sqlite3 *db;
	CHECK_EQUAL(sqlite3_open(catalog_path(), &db), SQLITE_OK);
	CHECK_EQUAL(sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK);
	check_location(reader, "a", "a1");
	CHECK(!commit_table(writer, 1, "a", "a1", "a2", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_BUSY);
	sqlite3_close(db);
	commit_ok(writer, 1, "a", "a1", "a2");
	check_location(reader, "a", "a2");
	CHECK(!commit_table(reader, 2, "a", "a2", "a3", &conflict, &err));
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
