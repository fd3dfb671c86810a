/* The catalog in a real PostgreSQL (postgres_fixture.h). */
#include "base/test.h"
#include "base/world.h"
#include "catalog/catalog_fixture.h"
#include "catalog/postgres_fixture.h"

#include <pthread.h>

/* --- the contract --------------------------------------------------------------------------- */

TEST(catalog_in_postgres_keeps_the_contract)
{
	struct postgres_fixture f;
	postgres_fixture_begin(&f);
	catalog_fixture_check_contract(postgres_fixture_open(f.url));
	struct catalog *again = postgres_fixture_open(f.url);
	catalog_fixture_check_lake(again, 7);
	catalog_close(again);
	postgres_fixture_end(&f);
}

TEST(catalog_in_postgres_is_one_for_two_handles)
{
	struct postgres_fixture f;
	postgres_fixture_begin(&f);
	struct catalog *one = postgres_fixture_open(f.url);
	catalog_fixture_check_two_handles(one, postgres_fixture_open(f.url));
	postgres_fixture_end(&f);
}

TEST(catalog_of_another_name_is_empty_in_the_same_postgres_database)
{
	struct postgres_fixture f;
	postgres_fixture_begin(&f);
	struct postgres_catalog_options other = postgres_fixture_options(f.url);
	other.catalog_name = "other";
	struct catalog *one = postgres_fixture_open(f.url);
	catalog_fixture_create(one);
	struct catalog *two = postgres_fixture_open_with(&other);
	catalog_fixture_check_two_handles(two, postgres_fixture_open_with(&other));
	catalog_fixture_check_lake(one, 0);
	catalog_close(one);
	postgres_fixture_end(&f);
}

TEST(catalog_in_postgres_is_in_the_layout_of_jdbc_catalogs)
{
	struct postgres_fixture f;
	postgres_fixture_begin(&f);
	struct catalog *catalog = postgres_fixture_open(f.url);
	catalog_fixture_create(catalog);
	catalog_fixture_commit_ok(catalog, 0, "a", "", "file:///a1");
	catalog_fixture_commit_ok(catalog, 1, "a", "file:///a1", "file:///a2");
	CHECK_TEXT(
		postgres_fixture_ask(&f, "SELECT catalog_name || table_namespace || table_name || "
					 "metadata_location || previous_metadata_location || "
					 "iceberg_type FROM iceberg_tables"),
		"walbergpublicafile:///a2file:///a1TABLE");
	CHECK_TEXT(
		postgres_fixture_ask(&f, "SELECT namespace || property_key || property_value FROM "
					 "iceberg_namespace_properties"),
		"publicexiststrue");
	catalog_close(catalog);
	postgres_fixture_end(&f);
}

/* They make the tables without a type, and keep tables of their own. */
TEST(catalog_in_postgres_that_another_program_made_is_taken_over)
{
	struct postgres_fixture f;
	struct error err = { 0 };
	size_t conflict;
	postgres_fixture_begin(&f);
	postgres_fixture_run_as_admin(&f, arena_format(&f.arena, "CREATE DATABASE %s", f.name));
	postgres_fixture_run(&f,
		"CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, "
		"table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, "
		"metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), "
		"PRIMARY KEY (catalog_name, table_namespace, table_name));"
		"INSERT INTO iceberg_tables VALUES ('walberg', 'public', 'theirs', 't1', NULL),"
		" ('lake', 'public', 'a', 't2', NULL)");
	struct catalog *catalog = postgres_fixture_open(f.url);
	catalog_fixture_create(catalog);
	CHECK(!catalog_fixture_commit(catalog, 0, "theirs", "", "ours", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	CHECK_EQUAL(conflict, 0);
	catalog_fixture_commit_ok(catalog, 0, "a", "", "a1");
	CHECK_TEXT(postgres_fixture_ask(&f, "SELECT string_agg(metadata_location, ',' ORDER BY "
					    "metadata_location) FROM iceberg_tables"),
		"a1,t1,t2");
	catalog_close(catalog);
	postgres_fixture_end(&f);
}

/* The lake's tables are looked up by their bytes, whatever the database's order is. */
TEST(catalog_in_postgres_is_ordered_by_bytes)
{
	struct postgres_fixture f;
	postgres_fixture_begin(&f);
	const bool has_icu = postgres_server_version(f.admin) >= 150000;
	postgres_fixture_run_as_admin(
		&f, arena_format(&f.arena, "CREATE DATABASE %s TEMPLATE template0 LOCALE 'C'%s",
			    f.name, has_icu ? " LOCALE_PROVIDER icu ICU_LOCALE 'en'" : ""));
	struct catalog *catalog = postgres_fixture_open(f.url);
	catalog_fixture_create(catalog);
	static const char *const NAMES[] = { "b", "B", "_a", "a", "\xc3\xa4" };
	for (size_t i = 0; i < 5; i++)
		catalog_fixture_commit_ok(catalog, i, NAMES[i], "", NAMES[i]);
	for (size_t i = 0; i < 5; i++)
		catalog_fixture_check_location(catalog, NAMES[i], NAMES[i]);
	catalog_close(catalog);
	postgres_fixture_end(&f);
}

TEST(catalog_in_postgres_makes_more_changes_than_are_sent_at_once)
{
	struct postgres_fixture f;
	postgres_fixture_begin(&f);
	struct arena arena = { 0 };
	struct catalog *catalog = postgres_fixture_open(f.url);
	struct error err;
	struct removal removals[500], *found;
	size_t conflict, count;
	catalog_fixture_create(catalog);
	for (size_t i = 0; i < 500; i++)
		removals[i] = (struct removal){ arena_format(&arena, "path %zu", i), 1 };
	const struct lake lake = catalog_fixture_lake(1);
	const struct catalog_commit commit = {
		.lake = &lake,
		.removal_count = 500,
		.removals = removals,
	};
	CHECK_OK(catalog_commit(catalog, &commit, &conflict, &err), &err);
	CHECK_OK(catalog_removals(catalog, 9, 1000, &arena, &found, &count, &err), &err);
	CHECK_EQUAL(count, 500);
	arena_deinit(&arena);
	catalog_close(catalog);
	postgres_fixture_end(&f);
}

struct reading {
	struct catalog *catalog;
	struct arena arena;
	struct catalog_view view;
	struct error err;
	bool done;
};

static void *read_all(void *argument)
{
	struct reading *reading = argument;
	reading->done =
		catalog_load(reading->catalog, &reading->arena, &reading->view, &reading->err);
	return NULL;
}

/* I5: a reader stopped between two of the tables does not see what was committed meanwhile. */
TEST(a_catalog_in_postgres_is_read_as_of_one_moment)
{
	struct postgres_fixture f;
	postgres_fixture_begin(&f);
	struct postgres_catalog_options options = postgres_fixture_options(f.url);
	options.busy_timeout_ms = 60 * 1000;
	struct reading reading = { .catalog = postgres_fixture_open_with(&options) };
	pthread_t thread;
	catalog_fixture_create(reading.catalog);
	catalog_fixture_commit_ok(reading.catalog, 0, "a", "", "a1");
	postgres_fixture_run(&f, "BEGIN; LOCK TABLE walberg_commit IN ACCESS EXCLUSIVE MODE");
	CHECK_EQUAL(pthread_create(&thread, NULL, read_all, &reading), 0);
	while (strcmp(postgres_fixture_ask(&f,
			      "SELECT count(*) FROM pg_locks WHERE NOT granted AND "
			      "relation = 'walberg_commit'::regclass"),
		       "1") != 0)
		world_sleep(world_posix(), 1000);
	postgres_fixture_run(&f, "INSERT INTO walberg_commit VALUES ('walberg', 99, 0, 0); COMMIT");
	pthread_join(thread, NULL);
	CHECK_OK(reading.done, &reading.err);
	CHECK_EQUAL(reading.view.commit_count, 1);
	arena_deinit(&reading.arena);
	catalog_close(reading.catalog);
	postgres_fixture_end(&f);
}

TEST(a_commit_to_postgres_is_durable_though_the_database_says_it_need_not_be)
{
	struct postgres_fixture f;
	postgres_fixture_begin(&f);
	postgres_fixture_run_as_admin(&f, arena_format(&f.arena, "CREATE DATABASE %s", f.name));
	postgres_fixture_run_as_admin(&f,
		arena_format(&f.arena, "ALTER DATABASE %s SET synchronous_commit = off", f.name));
	struct catalog *catalog = postgres_fixture_open(f.url);
	catalog_fixture_create(catalog);
	postgres_fixture_run(&f,
		"CREATE TABLE seen (setting text);"
		"CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT "
		"INTO seen VALUES (current_setting(''synchronous_commit'')); RETURN NULL; "
		"END';"
		"CREATE TRIGGER see AFTER UPDATE ON walberg_lake EXECUTE FUNCTION see()");
	catalog_fixture_commit_ok(catalog, 0, "a", "", "a1");
	CHECK_TEXT(postgres_fixture_ask(&f, "SELECT setting FROM seen"), "on");
	catalog_close(catalog);
	postgres_fixture_end(&f);
}

struct race {
	const char *url;
	uint64_t won;
	enum error_kind other; /* what a lost round ended with */
};

static void *run_race(void *argument)
{
	struct race *race = argument;
	const struct postgres_catalog_options options = postgres_fixture_options(race->url);
	struct catalog *catalog;
	struct error err;
	if (!catalog_postgres_open(&options, &catalog, &err)) {
		race->other = err.kind;
		return NULL;
	}
	for (uint64_t base = 0; base < 7; base++) {
		size_t conflict;
		if (catalog_fixture_commit(
			    catalog, base, "a", base == 0 ? "" : "x", "x", &conflict, &err))
			race->won++;
		else if (err.kind != ERROR_CONFLICT || conflict != SIZE_MAX)
			race->other = err.kind;
	}
	catalog_close(catalog);
	return NULL;
}

/* I2: of all that build on one commit, one wins, and the others change nothing. */
TEST(of_racing_commits_to_a_catalog_in_postgres_exactly_one_wins_each_round)
{
	struct postgres_fixture f;
	postgres_fixture_begin(&f);
	struct race races[4];
	pthread_t threads[4];
	struct catalog *catalog = postgres_fixture_open(f.url);
	catalog_fixture_create(catalog);
	for (size_t i = 0; i < 4; i++) {
		races[i] = (struct race){ .url = f.url };
		CHECK_EQUAL(pthread_create(&threads[i], NULL, run_race, &races[i]), 0);
	}
	uint64_t won = 0;
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		won += races[i].won;
		CHECK_EQUAL(races[i].other, ERROR_NONE);
	}
	CHECK_EQUAL(won, 7);
	catalog_fixture_check_lake(catalog, 7);
	catalog_close(catalog);
	postgres_fixture_end(&f);
}

static void *make_tables(void *argument)
{
	struct race *race = argument;
	struct postgres_catalog_options options = postgres_fixture_options(race->url);
	options.busy_timeout_ms = 60 * 1000;
	struct catalog *catalog = NULL;
	struct error err = { 0 };
	catalog_postgres_open(&options, &catalog, &err) ? race->won++ : (race->other = err.kind);
	catalog_close(catalog);
	return NULL;
}

TEST(a_catalog_in_postgres_is_made_once_by_many_at_a_time)
{
	struct postgres_fixture f;
	postgres_fixture_begin(&f);
	struct race races[4];
	pthread_t threads[4];
	postgres_fixture_run_as_admin(&f, arena_format(&f.arena, "CREATE DATABASE %s", f.name));
	for (size_t i = 0; i < 4; i++) {
		races[i] = (struct race){ .url = f.url };
		CHECK_EQUAL(pthread_create(&threads[i], NULL, make_tables, &races[i]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		CHECK_EQUAL(races[i].other, ERROR_NONE);
	}
	CHECK_TEXT(postgres_fixture_ask(&f, "SELECT count(*) FROM walberg_format"), "1");
	postgres_fixture_end(&f);
}

/* --- what an operator meets ----------------------------------------------------------------- */

TEST(a_catalog_in_postgres_waits_for_a_lock_only_for_a_while)
{
	struct postgres_fixture f;
	struct error err = { 0 };
	size_t conflict;
	postgres_fixture_begin(&f);
	struct catalog *catalog = postgres_fixture_open(f.url);
	catalog_fixture_create(catalog);
	catalog_fixture_commit_ok(catalog, 0, "a", "", "a1");
	postgres_fixture_run(&f, "BEGIN; SELECT * FROM iceberg_tables FOR UPDATE");
	catalog_fixture_check_location(catalog, "a", "a1");
	CHECK(!catalog_fixture_commit(catalog, 1, "a", "a1", "a2", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_BUSY);
	postgres_fixture_run(&f, "ROLLBACK");
	catalog_fixture_commit_ok(catalog, 1, "a", "a1", "a2");
	catalog_close(catalog);
	postgres_fixture_end(&f);
}

TEST(a_catalog_in_postgres_that_is_read_only_is_refused_or_waited_for)
{
	struct postgres_fixture f;
	struct error err = { 0 };
	size_t conflict;
	postgres_fixture_begin(&f);
	struct catalog *catalog = postgres_fixture_open(f.url);
	catalog_fixture_create(catalog);
	postgres_fixture_run_as_admin(
		&f, arena_format(&f.arena,
			    "ALTER DATABASE %s SET default_transaction_read_only = on", f.name));
	const struct postgres_catalog_options options = postgres_fixture_options(f.url);
	struct error refused = postgres_fixture_open_fails(&options);
	CHECK_EQUAL(refused.kind, ERROR_SETUP);
	CHECK(strstr(refused.text, "default_transaction_read_only is on") != NULL);
	CHECK(strstr(refused.hint, "ALTER DATABASE") != NULL);
	postgres_fixture_run_as_admin(
		&f, arena_format(&f.arena,
			    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
			    "WHERE datname = '%s'",
			    f.name));
	CHECK(!catalog_fixture_commit(catalog, 0, "a", "", "a1", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_LOST);
	CHECK(!catalog_fixture_commit(catalog, 0, "a", "", "a1", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_BUSY);
	catalog_fixture_check_lake(catalog, 0);
	catalog_close(catalog);
	postgres_fixture_end(&f);
}

TEST(a_catalog_in_postgres_for_reading_makes_and_changes_nothing)
{
	struct postgres_fixture f;
	struct error err = { 0 };
	struct arena arena = { 0 };
	struct catalog_view view;
	size_t conflict;
	postgres_fixture_begin(&f);
	struct postgres_catalog_options options = postgres_fixture_options(f.url);
	options.is_read_only = true;
	CHECK_EQUAL(postgres_fixture_open_fails(&options).kind, ERROR_MISSING);
	postgres_fixture_run_as_admin(&f, arena_format(&f.arena, "CREATE DATABASE %s", f.name));
	struct catalog *reader = postgres_fixture_open_with(&options);
	CHECK(!catalog_load(reader, &arena, &view, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	catalog_close(reader);
	CHECK_TEXT(postgres_fixture_ask(
			   &f, "SELECT count(*) FROM pg_class WHERE relname LIKE 'walberg%'"),
		"0");
	catalog_fixture_check_contract(postgres_fixture_open(f.url));
	reader = postgres_fixture_open_with(&options);
	catalog_fixture_check_lake(reader, 7);
	CHECK(!catalog_fixture_commit(reader, 7, "z", "", "z1", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(!catalog_request(reader, "snapshot", "public.a", &err));
	catalog_close(reader);
	arena_deinit(&arena);
	postgres_fixture_end(&f);
}

TEST(a_catalog_in_postgres_that_cannot_be_made_comes_with_the_statement_that_makes_it)
{
	struct postgres_fixture f;
	postgres_fixture_begin(&f);
	postgres_fixture_run_as_admin(&f, arena_format(&f.arena, "CREATE ROLE %s LOGIN", f.name));
	struct postgres_catalog_options options =
		postgres_fixture_options(postgres_fixture_url(&f, f.name, f.name));
	struct error err = postgres_fixture_open_fails(&options);
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.hint, arena_format(&f.arena, "CREATE DATABASE \"%s\" OWNER \"%s\"", f.name,
				       f.name)) != NULL);
	postgres_fixture_run_as_admin(&f, arena_format(&f.arena, "CREATE DATABASE %s", f.name));
	postgres_fixture_run(&f, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
	err = postgres_fixture_open_fails(&options);
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.hint, "lake.catalog_user") != NULL);
	postgres_fixture_run_as_admin(
		&f, arena_format(&f.arena, "ALTER DATABASE %s OWNER TO %s", f.name, f.name));
	if (postgres_server_version(f.admin) <
		150000) /* the schema is not the database's owner's */
		postgres_fixture_run(
			&f, arena_format(&f.arena, "GRANT CREATE ON SCHEMA public TO %s", f.name));
	catalog_close(postgres_fixture_open_with(&options));
	postgres_fixture_run_as_admin(
		&f, arena_format(&f.arena, "DROP DATABASE %s WITH (FORCE)", f.name));
	postgres_fixture_run_as_admin(&f, arena_format(&f.arena, "ALTER ROLE %s CREATEDB", f.name));
	catalog_close(postgres_fixture_open_with(&options));
	postgres_fixture_run_as_admin(
		&f, arena_format(&f.arena, "DROP DATABASE %s WITH (FORCE)", f.name));
	postgres_fixture_run_as_admin(&f, arena_format(&f.arena, "DROP ROLE %s", f.name));
	postgres_fixture_end(&f);
}

TEST(a_catalog_in_postgres_that_cannot_be_used_says_why)
{
	struct postgres_fixture f;
	postgres_fixture_begin(&f);
	struct postgres_catalog_options options =
		postgres_fixture_options("postgresql://walberg:secret@127.0.0.1:1/lake");
	struct error err = postgres_fixture_open_fails(&options);
	CHECK_EQUAL(err.kind, ERROR_LOST);
	CHECK(strstr(err.context, "postgresql://127.0.0.1:1/lake") != NULL);
	CHECK(strstr(err.context, "secret") == NULL);
	options.target.url = postgres_fixture_url(&f, "nobody_of_this_name", f.name);
	CHECK_EQUAL(postgres_fixture_open_fails(&options).kind, ERROR_SETUP);
	options.target.url = "secret";
	err = postgres_fixture_open_fails(&options);
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, "the catalog's connection string") != NULL);
	CHECK(strstr(err.text, "secret") == NULL);

	options.target.url = f.url;
	catalog_close(postgres_fixture_open(f.url));
	postgres_fixture_run(&f, "UPDATE walberg_format SET version = 2");
	CHECK_EQUAL(postgres_fixture_open_fails(&options).kind, ERROR_UNSUPPORTED);
	postgres_fixture_run(&f, "DELETE FROM walberg_format");
	CHECK_EQUAL(postgres_fixture_open_fails(&options).kind, ERROR_CORRUPT);
	postgres_fixture_end(&f);
}
