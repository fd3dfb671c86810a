#include "catalog/postgres_fixture.h"

#include "base/test.h"

#include <unistd.h>

const char *postgres_fixture_server_url(void)
{
	const char *url = getenv("WALBERG_TEST_POSTGRES");
	if (url == NULL)
		test_skip("WALBERG_TEST_POSTGRES names no PostgreSQL server");
	return url;
}

static struct postgres *connect_to(const char *url)
{
	struct error err;
	struct postgres *postgres;
	const struct postgres_target target = { .url = url, .connect_timeout = 5 * SECOND };
	CHECK_OK(postgres_open(&target, &postgres, &err), &err);
	return postgres;
}

void postgres_fixture_run_as_admin(struct postgres_fixture *f, const char *sql)
{
	struct error err;
	CHECK_OK(postgres_run(f->admin, sql, &err), &err);
}

const char *postgres_fixture_url(struct postgres_fixture *f, const char *user, const char *database)
{
	const char *url = postgres_fixture_server_url();
	const char *at = strchr(url, '@'), *end = strrchr(url, '/');
	CHECK(at != NULL);
	return arena_format(
		&f->arena, "postgresql://%s%.*s/%s", user, (int)(end - at), at, database);
}

/* A transaction that is left open would hold up every slot that is made on the server. */
static void end_connections(void *context)
{
	const struct postgres_fixture *f = context;
	struct arena arena = { 0 };
	struct postgres *admin = connect_to(postgres_fixture_server_url());
	struct error ignored;
	(void)!postgres_run(admin,
		arena_format(&arena, "DROP DATABASE IF EXISTS %s WITH (FORCE)", f->name), &ignored);
	postgres_close(admin);
	arena_deinit(&arena);
}

void postgres_fixture_begin(struct postgres_fixture *f)
{
	static int count;
	*f = (struct postgres_fixture){ 0 };
	snprintf(f->name, sizeof f->name, "walberg_catalog_%d_%d", (int)getpid(), ++count);
	f->admin = connect_to(postgres_fixture_server_url());
	test_on_failure(end_connections, f);
	f->url = postgres_fixture_url(f, "postgres", f->name);
}

void postgres_fixture_end(struct postgres_fixture *f)
{
	postgres_close(f->outside);
	postgres_fixture_run_as_admin(
		f, arena_format(&f->arena, "DROP DATABASE IF EXISTS %s WITH (FORCE)", f->name));
	postgres_close(f->admin);
	arena_deinit(&f->arena);
}

struct postgres_catalog_options postgres_fixture_options(const char *url)
{
	return (struct postgres_catalog_options){
		.target = {
			.url = url,
			.owner = "catalog",
			.connect_timeout = 5 * SECOND,
			.answer_timeout = 30 * SECOND,
		},
		.catalog_name = "walberg",
		.busy_timeout_ms = 200,
	};
}

struct catalog *postgres_fixture_open_with(const struct postgres_catalog_options *options)
{
	struct error err;
	struct catalog *catalog;
	CHECK_OK(catalog_postgres_open(options, &catalog, &err), &err);
	return catalog;
}

struct catalog *postgres_fixture_open(const char *url)
{
	const struct postgres_catalog_options options = postgres_fixture_options(url);
	return postgres_fixture_open_with(&options);
}

struct error postgres_fixture_open_fails(const struct postgres_catalog_options *options)
{
	struct error err = { 0 };
	struct catalog *catalog;
	CHECK(!catalog_postgres_open(options, &catalog, &err));
	return err;
}

void postgres_fixture_run(struct postgres_fixture *f, const char *sql)
{
	struct error err;
	if (f->outside == NULL)
		f->outside = connect_to(f->url);
	CHECK_OK(postgres_run(f->outside, "SET search_path TO DEFAULT", &err), &err);
	CHECK_OK(postgres_run(f->outside, sql, &err), &err);
}

const char *postgres_fixture_ask(struct postgres_fixture *f, const char *sql)
{
	struct error err;
	struct postgres_rows rows;
	postgres_fixture_run(f, "SELECT 1");
	CHECK_OK(postgres_query(f->outside, sql, &rows, &err), &err);
	CHECK_EQUAL(rows.count, 1);
	const char *text = postgres_text(&rows, 0, 0);
	text = arena_copy_cstring(&f->arena, text != NULL ? text : "NULL");
	postgres_rows_close(&rows);
	return text;
}
