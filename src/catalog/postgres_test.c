/*
 * The catalog in a real PostgreSQL, whose address tests/run puts into WALBERG_TEST_POSTGRES (a
 * superuser's), and behind a proxy that cuts the connection at a COMMIT.
 */
#include "base/test.h"
#include "base/world.h"
#include "catalog/catalog_fixture.h"
#include "net/postgres.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SECOND = 1000 * 1000,
	PIECE = 64 * 1024,
};

struct fixture {
	struct arena arena;
	struct postgres *admin;   /* of another database */
	struct postgres *outside; /* of the catalog's, as another program */
	char name[80];
	const char *url;
};

static const char *server_url(void)
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

static void run_as_admin(struct fixture *f, const char *sql)
{
	struct error err;
	CHECK_OK(postgres_run(f->admin, sql, &err), &err);
}

/* The server's URL with another user and database. */
static const char *url_of(struct fixture *f, const char *user, const char *database)
{
	const char *url = server_url();
	const char *at = strchr(url, '@'), *end = strrchr(url, '/');
	CHECK(at != NULL);
	return arena_format(
		&f->arena, "postgresql://%s%.*s/%s", user, (int)(end - at), at, database);
}

/* A transaction that is left open would hold up every slot that is made on the server. */
static void end_connections(void *context)
{
	const struct fixture *f = context;
	struct arena arena = { 0 };
	struct postgres *admin = connect_to(server_url());
	struct error ignored;
	(void)!postgres_run(admin,
		arena_format(&arena, "DROP DATABASE IF EXISTS %s WITH (FORCE)", f->name), &ignored);
	postgres_close(admin);
	arena_deinit(&arena);
}

static void begin(struct fixture *f)
{
	static int count;
	*f = (struct fixture){ 0 };
	snprintf(f->name, sizeof f->name, "walberg_catalog_%d_%d", (int)getpid(), ++count);
	f->admin = connect_to(server_url());
	test_on_failure(end_connections, f);
	f->url = url_of(f, "postgres", f->name);
}

static void end(struct fixture *f)
{
	postgres_close(f->outside);
	run_as_admin(
		f, arena_format(&f->arena, "DROP DATABASE IF EXISTS %s WITH (FORCE)", f->name));
	postgres_close(f->admin);
	arena_deinit(&f->arena);
}

static struct postgres_catalog_options options_of(const char *url)
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

static struct catalog *open_with(const struct postgres_catalog_options *options)
{
	struct error err;
	struct catalog *catalog;
	CHECK_OK(catalog_postgres_open(options, &catalog, &err), &err);
	return catalog;
}

static struct catalog *open_at(const char *url)
{
	const struct postgres_catalog_options options = options_of(url);
	return open_with(&options);
}

static struct error open_fails(const struct postgres_catalog_options *options)
{
	struct error err = { 0 };
	struct catalog *catalog;
	CHECK(!catalog_postgres_open(options, &catalog, &err));
	return err;
}

/* Runs SQL from outside, as another program would. */
static void run_outside(struct fixture *f, const char *sql)
{
	struct error err;
	if (f->outside == NULL)
		f->outside = connect_to(f->url);
	CHECK_OK(postgres_run(f->outside, "SET search_path TO DEFAULT", &err), &err);
	CHECK_OK(postgres_run(f->outside, sql, &err), &err);
}

static const char *ask_outside(struct fixture *f, const char *sql)
{
	struct error err;
	struct postgres_rows rows;
	run_outside(f, "SELECT 1");
	CHECK_OK(postgres_query(f->outside, sql, &rows, &err), &err);
	CHECK_EQUAL(rows.count, 1);
	const char *text = postgres_text(&rows, 0, 0);
	text = arena_copy_cstring(&f->arena, text != NULL ? text : "NULL");
	postgres_rows_close(&rows);
	return text;
}

/* --- the contract --------------------------------------------------------------------------- */

TEST(catalog_in_postgres_keeps_the_contract)
{
	struct fixture f;
	begin(&f);
	catalog_fixture_check_contract(open_at(f.url));
	struct catalog *again = open_at(f.url);
	catalog_fixture_check_lake(again, 7);
	catalog_close(again);
	end(&f);
}

TEST(catalog_in_postgres_is_one_for_two_handles)
{
	struct fixture f;
	begin(&f);
	struct catalog *one = open_at(f.url);
	catalog_fixture_check_two_handles(one, open_at(f.url));
	end(&f);
}

TEST(catalog_of_another_name_is_empty_in_the_same_postgres_database)
{
	struct fixture f;
	begin(&f);
	struct postgres_catalog_options other = options_of(f.url);
	other.catalog_name = "other";
	struct catalog *one = open_at(f.url);
	catalog_fixture_create(one);
	struct catalog *two = open_with(&other);
	catalog_fixture_check_two_handles(two, open_with(&other));
	catalog_fixture_check_lake(one, 0);
	catalog_close(one);
	end(&f);
}

TEST(catalog_in_postgres_is_in_the_layout_of_jdbc_catalogs)
{
	struct fixture f;
	begin(&f);
	struct catalog *catalog = open_at(f.url);
	catalog_fixture_create(catalog);
	catalog_fixture_commit_ok(catalog, 0, "a", "", "file:///a1");
	catalog_fixture_commit_ok(catalog, 1, "a", "file:///a1", "file:///a2");
	CHECK_TEXT(ask_outside(&f, "SELECT catalog_name || table_namespace || table_name || "
				   "metadata_location || previous_metadata_location || "
				   "iceberg_type FROM iceberg_tables"),
		"walbergpublicafile:///a2file:///a1TABLE");
	CHECK_TEXT(ask_outside(&f, "SELECT namespace || property_key || property_value FROM "
				   "iceberg_namespace_properties"),
		"publicexiststrue");
	catalog_close(catalog);
	end(&f);
}

/* They make the tables without a type, and keep tables of their own. */
TEST(catalog_in_postgres_that_another_program_made_is_taken_over)
{
	struct fixture f;
	struct error err = { 0 };
	size_t conflict;
	begin(&f);
	run_as_admin(&f, arena_format(&f.arena, "CREATE DATABASE %s", f.name));
	run_outside(&f,
		"CREATE TABLE iceberg_tables (catalog_name VARCHAR(255) NOT NULL, "
		"table_namespace VARCHAR(255) NOT NULL, table_name VARCHAR(255) NOT NULL, "
		"metadata_location VARCHAR(1000), previous_metadata_location VARCHAR(1000), "
		"PRIMARY KEY (catalog_name, table_namespace, table_name));"
		"INSERT INTO iceberg_tables VALUES ('walberg', 'public', 'theirs', 't1', NULL),"
		" ('lake', 'public', 'a', 't2', NULL)");
	struct catalog *catalog = open_at(f.url);
	catalog_fixture_create(catalog);
	CHECK(!catalog_fixture_commit(catalog, 0, "theirs", "", "ours", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	CHECK_EQUAL(conflict, 0);
	catalog_fixture_commit_ok(catalog, 0, "a", "", "a1");
	CHECK_TEXT(ask_outside(&f, "SELECT string_agg(metadata_location, ',' ORDER BY "
				   "metadata_location) FROM iceberg_tables"),
		"a1,t1,t2");
	catalog_close(catalog);
	end(&f);
}

/* The lake's tables are looked up by their bytes, whatever the database's order is. */
TEST(catalog_in_postgres_is_ordered_by_bytes)
{
	struct fixture f;
	begin(&f);
	const bool has_icu = postgres_server_version(f.admin) >= 150000;
	run_as_admin(
		&f, arena_format(&f.arena, "CREATE DATABASE %s TEMPLATE template0 LOCALE 'C'%s",
			    f.name, has_icu ? " LOCALE_PROVIDER icu ICU_LOCALE 'en'" : ""));
	struct catalog *catalog = open_at(f.url);
	catalog_fixture_create(catalog);
	static const char *const NAMES[] = { "b", "B", "_a", "a", "\xc3\xa4" };
	for (size_t i = 0; i < 5; i++)
		catalog_fixture_commit_ok(catalog, i, NAMES[i], "", NAMES[i]);
	for (size_t i = 0; i < 5; i++)
		catalog_fixture_check_location(catalog, NAMES[i], NAMES[i]);
	catalog_close(catalog);
	end(&f);
}

TEST(catalog_in_postgres_makes_more_changes_than_are_sent_at_once)
{
	struct fixture f;
	begin(&f);
	struct arena arena = { 0 };
	struct catalog *catalog = open_at(f.url);
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
	end(&f);
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
	struct fixture f;
	begin(&f);
	struct postgres_catalog_options options = options_of(f.url);
	options.busy_timeout_ms = 60 * 1000;
	struct reading reading = { .catalog = open_with(&options) };
	pthread_t thread;
	catalog_fixture_create(reading.catalog);
	catalog_fixture_commit_ok(reading.catalog, 0, "a", "", "a1");
	run_outside(&f, "BEGIN; LOCK TABLE walberg_commit IN ACCESS EXCLUSIVE MODE");
	CHECK_EQUAL(pthread_create(&thread, NULL, read_all, &reading), 0);
	while (strcmp(ask_outside(&f, "SELECT count(*) FROM pg_locks WHERE NOT granted AND "
				      "relation = 'walberg_commit'::regclass"),
		       "1") != 0)
		world_sleep(world_posix(), 1000);
	run_outside(&f, "INSERT INTO walberg_commit VALUES ('walberg', 99, 0, 0); COMMIT");
	pthread_join(thread, NULL);
	CHECK_OK(reading.done, &reading.err);
	CHECK_EQUAL(reading.view.commit_count, 1);
	arena_deinit(&reading.arena);
	catalog_close(reading.catalog);
	end(&f);
}

TEST(a_commit_to_postgres_is_durable_though_the_database_says_it_need_not_be)
{
	struct fixture f;
	begin(&f);
	run_as_admin(&f, arena_format(&f.arena, "CREATE DATABASE %s", f.name));
	run_as_admin(&f,
		arena_format(&f.arena, "ALTER DATABASE %s SET synchronous_commit = off", f.name));
	struct catalog *catalog = open_at(f.url);
	catalog_fixture_create(catalog);
	run_outside(&f, "CREATE TABLE seen (setting text);"
			"CREATE FUNCTION see() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN INSERT "
			"INTO seen VALUES (current_setting(''synchronous_commit'')); RETURN NULL; "
			"END';"
			"CREATE TRIGGER see AFTER UPDATE ON walberg_lake EXECUTE FUNCTION see()");
	catalog_fixture_commit_ok(catalog, 0, "a", "", "a1");
	CHECK_TEXT(ask_outside(&f, "SELECT setting FROM seen"), "on");
	catalog_close(catalog);
	end(&f);
}

struct race {
	const char *url;
	uint64_t won;
	enum error_kind other; /* what a lost round ended with */
};

static void *run_race(void *argument)
{
	struct race *race = argument;
	const struct postgres_catalog_options options = options_of(race->url);
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
	struct fixture f;
	begin(&f);
	struct race races[4];
	pthread_t threads[4];
	struct catalog *catalog = open_at(f.url);
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
	end(&f);
}

static void *make_tables(void *argument)
{
	struct race *race = argument;
	struct postgres_catalog_options options = options_of(race->url);
	options.busy_timeout_ms = 60 * 1000;
	struct catalog *catalog = NULL;
	struct error err = { 0 };
	catalog_postgres_open(&options, &catalog, &err) ? race->won++ : (race->other = err.kind);
	catalog_close(catalog);
	return NULL;
}

TEST(a_catalog_in_postgres_is_made_once_by_many_at_a_time)
{
	struct fixture f;
	begin(&f);
	struct race races[4];
	pthread_t threads[4];
	run_as_admin(&f, arena_format(&f.arena, "CREATE DATABASE %s", f.name));
	for (size_t i = 0; i < 4; i++) {
		races[i] = (struct race){ .url = f.url };
		CHECK_EQUAL(pthread_create(&threads[i], NULL, make_tables, &races[i]), 0);
	}
	for (size_t i = 0; i < 4; i++) {
		pthread_join(threads[i], NULL);
		CHECK_EQUAL(races[i].other, ERROR_NONE);
	}
	CHECK_TEXT(ask_outside(&f, "SELECT count(*) FROM walberg_format"), "1");
	end(&f);
}

/* --- a proxy that cuts at a COMMIT ---------------------------------------------------------- */

enum cut {
	CUT_NOTHING = 0,
	CUT_BEFORE, /* the server never hears of it */
	CUT_BEHIND, /* the server has answered, the client does not hear it */
	CUT_HELD,   /* the server hears of it only when it is let go */
	CUT_SILENT, /* likewise, and the client's connection stays open meanwhile */
};

struct proxy {
	int listener;
	int port;
	uint16_t server_port;
	pthread_t thread;
	atomic_bool stop;
	atomic_int cut; /* enum cut: of the next COMMIT */
	atomic_bool let_go;
	atomic_bool translates; /* what the server says of a missing database */
	int held;               /* to the server; a COMMIT is to be sent there; -1: none */
	uint8_t held_bytes[PIECE];
	size_t held_size;
};

static int connect_port(uint16_t port)
{
	const struct sockaddr_in to = { AF_INET, htons(port), { htonl(INADDR_LOOPBACK) }, { 0 } };
	const int file = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (connect(file, (const struct sockaddr *)&to, sizeof to) == 0)
		return file;
	close(file);
	return -1;
}

static bool is_commit(const uint8_t *bytes, size_t size)
{
	return memmem(bytes, size, "COMMIT", sizeof "COMMIT") != NULL; /* not READ COMMITTED */
}

/* false: the connection is to be closed on the client's side. */
static bool pass_to_server(struct proxy *proxy, int client, int *server)
{
	uint8_t bytes[PIECE];
	const ssize_t got = read(client, bytes, sizeof bytes);
	if (got <= 0)
		return false;
	if (proxy->cut != CUT_NOTHING && is_commit(bytes, (size_t)got)) {
		const enum cut cut = (enum cut)atomic_exchange(&proxy->cut, CUT_NOTHING);
		if (cut == CUT_BEFORE)
			return false;
		if (cut == CUT_HELD || cut == CUT_SILENT) {
			memcpy(proxy->held_bytes, bytes, (size_t)got);
			proxy->held_size = (size_t)got;
			proxy->held = *server;
			*server = -1;
			return cut == CUT_SILENT;
		}
		uint8_t answer[PIECE];
		return send(*server, bytes, (size_t)got, MSG_NOSIGNAL) == got &&
		       read(*server, answer, sizeof answer) < 0; /* and then it is cut */
	}
	return send(*server, bytes, (size_t)got, MSG_NOSIGNAL) == got;
}

static void translate(uint8_t *bytes, size_t size)
{
	uint8_t *found = memmem(bytes, size, "database \"", strlen("database \""));
	if (found != NULL)
		memcpy(found, "Datenbank\"", strlen("Datenbank\""));
}

static bool pass_to_client(const struct proxy *proxy, int server, int client)
{
	uint8_t bytes[PIECE];
	const ssize_t got = read(server, bytes, sizeof bytes);
	if (proxy->translates && got > 0 && memmem(bytes, (size_t)got, "3D000", 5) != NULL)
		translate(bytes, (size_t)got);
	return got > 0 && send(client, bytes, (size_t)got, MSG_NOSIGNAL) == got;
}

static void let_held_go(struct proxy *proxy)
{
	const ssize_t sent = send(proxy->held, proxy->held_bytes, proxy->held_size, MSG_NOSIGNAL);
	uint8_t answer[PIECE];
	if (sent > 0)
		while (read(proxy->held, answer, sizeof answer) < 0)
			continue; /* until the server has done it, or closes */
	close(proxy->held);
	proxy->held = -1;
	proxy->let_go = false;
}

static void *proxy_main(void *argument)
{
	struct proxy *proxy = argument;
	int client = -1, server = -1;
	while (!proxy->stop) {
		struct pollfd waits[] = { { proxy->listener, POLLIN, 0 }, { client, POLLIN, 0 },
			{ server, POLLIN, 0 } };
		poll(waits, 3, 10);
		if (proxy->let_go)
			let_held_go(proxy);
		bool is_open = true;
		if (waits[1].revents != 0)
			is_open = pass_to_server(proxy, client, &server);
		if (is_open && waits[2].revents != 0)
			is_open = pass_to_client(proxy, server, client);
		if (!is_open) {
			close(client);
			if (server >= 0)
				close(server);
			client = server = -1;
		}
		if (waits[0].revents != 0 && client < 0) {
			client = accept(proxy->listener, NULL, NULL);
			server = connect_port(proxy->server_port);
		}
	}
	if (client >= 0)
		close(client);
	if (server >= 0)
		close(server);
	return NULL;
}

static struct proxy *proxy_start(struct fixture *f)
{
	struct proxy *proxy = memory_allocate(1, sizeof *proxy);
	struct sockaddr_in at = { AF_INET, 0, { htonl(INADDR_LOOPBACK) }, { 0 } };
	socklen_t size = sizeof at;
	proxy->held = -1;
	const char *port = postgres_url_part(server_url(), "port", &f->arena);
	proxy->server_port = (uint16_t)atoi(port != NULL ? port : "5432");
	proxy->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK_EQUAL(bind(proxy->listener, (struct sockaddr *)&at, sizeof at), 0);
	CHECK_EQUAL(listen(proxy->listener, 8), 0);
	CHECK_EQUAL(getsockname(proxy->listener, (struct sockaddr *)&at, &size), 0);
	proxy->port = ntohs(at.sin_port);
	CHECK_EQUAL(pthread_create(&proxy->thread, NULL, proxy_main, proxy), 0);
	return proxy;
}

static void proxy_stop(struct proxy *proxy)
{
	proxy->stop = true;
	pthread_join(proxy->thread, NULL);
	close(proxy->listener);
	free(proxy);
}

static void let_go(struct proxy *proxy)
{
	proxy->let_go = true;
	while (proxy->let_go)
		world_sleep(world_posix(), 1000);
}

static struct postgres_catalog_options options_through(struct fixture *f, const struct proxy *proxy)
{
	return options_of(arena_format(
		&f->arena, "postgresql://postgres@127.0.0.1:%d/%s", proxy->port, f->name));
}

static struct catalog *open_through(struct fixture *f, const struct proxy *proxy)
{
	const struct postgres_catalog_options options = options_through(f, proxy);
	return open_with(&options);
}

/* The lake is at commit 1, and the answer to the second is lost in the given way. */
static struct catalog *lose_answer(struct fixture *f, struct proxy **proxy, enum cut cut)
{
	struct error err = { 0 };
	size_t conflict;
	begin(f);
	*proxy = proxy_start(f);
	struct catalog *catalog = open_through(f, *proxy);
	catalog_fixture_create(catalog);
	catalog_fixture_commit_ok(catalog, 0, "a", "", "a1");
	(*proxy)->cut = cut;
	CHECK(!catalog_fixture_commit(catalog, 1, "a", "a1", "a2", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_UNCERTAIN);
	return catalog;
}

static void end_lost(struct fixture *f, struct proxy *proxy, struct catalog *catalog)
{
	catalog_close(catalog);
	proxy_stop(proxy);
	end(f);
}

TEST(a_commit_to_postgres_whose_answer_was_lost_is_seen_by_looking)
{
	struct fixture f;
	struct proxy *proxy;
	struct catalog *catalog = lose_answer(&f, &proxy, CUT_BEHIND);
	catalog_fixture_check_lake(catalog, 2);
	catalog_fixture_check_location(catalog, "a", "a2");
	catalog_fixture_commit_ok(catalog, 2, "a", "a2", "a3");
	end_lost(&f, proxy, catalog);
}

TEST(a_commit_to_postgres_that_was_lost_itself_is_not_seen_by_looking)
{
	struct fixture f;
	struct proxy *proxy;
	struct catalog *catalog = lose_answer(&f, &proxy, CUT_BEFORE);
	catalog_fixture_check_lake(catalog, 1);
	catalog_fixture_check_location(catalog, "a", "a1");
	catalog_fixture_commit_ok(catalog, 1, "a", "a1", "a2");
	end_lost(&f, proxy, catalog);
}

/* I4: what was looked at stays so, though the COMMIT is still on its way to the server. */
TEST(a_commit_to_postgres_that_was_not_seen_by_looking_never_comes)
{
	struct fixture f;
	struct proxy *proxy;
	struct catalog *catalog = lose_answer(&f, &proxy, CUT_HELD);
	catalog_fixture_check_lake(catalog, 1);
	let_go(proxy);
	catalog_fixture_check_lake(catalog, 1);
	catalog_fixture_commit_ok(catalog, 1, "a", "a1", "a2");
	end_lost(&f, proxy, catalog);
}

/* Its process may be stopped, or its disk hang: the connection shows nothing of it. */
TEST(a_commit_to_postgres_that_stays_without_an_answer_is_uncertain)
{
	struct fixture f;
	struct error err = { 0 };
	size_t conflict;
	begin(&f);
	struct proxy *proxy = proxy_start(&f);
	struct postgres_catalog_options options = options_through(&f, proxy);
	options.target.answer_timeout = SECOND;
	struct catalog *catalog = open_with(&options);
	catalog_fixture_create(catalog);
	catalog_fixture_commit_ok(catalog, 0, "a", "", "a1");
	proxy->cut = CUT_SILENT;
	CHECK(!catalog_fixture_commit(catalog, 1, "a", "a1", "a2", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_UNCERTAIN);
	CHECK(strstr(err.text, "has not answered for 1 s") != NULL);
	catalog_fixture_check_lake(catalog, 1);
	let_go(proxy);
	catalog_fixture_check_lake(catalog, 1);
	catalog_fixture_commit_ok(catalog, 1, "a", "a1", "a2");
	end_lost(&f, proxy, catalog);
}

/* libpq gives no SQLSTATE of it, and the words are in the server's language. */
TEST(a_catalog_in_postgres_is_made_whatever_language_the_server_speaks)
{
	struct fixture f;
	struct error err = { 0 };
	begin(&f);
	struct proxy *proxy = proxy_start(&f);
	struct postgres_catalog_options options = options_through(&f, proxy);
	proxy->translates = true;
	options.is_read_only = true;
	err = open_fails(&options);
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	options.is_read_only = false;
	struct catalog *catalog = open_with(&options);
	catalog_fixture_create(catalog);
	end_lost(&f, proxy, catalog);
}

/* --- the lock ------------------------------------------------------------------------------- */

TEST(a_lake_in_postgres_is_locked_by_one_process_whose_name_the_other_hears)
{
	struct fixture f;
	struct error err = { 0 };
	begin(&f);
	struct catalog *one = open_at(f.url), *two = open_at(f.url);
	struct postgres_catalog_options options = options_of(f.url);
	options.catalog_name = "other";
	struct catalog *other = open_with(&options);
	CHECK_OK(catalog_lock(one, &err), &err);
	CHECK_OK(catalog_lock(other, &err), &err);
	CHECK(!catalog_lock(two, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, arena_format(&f.arena, "process %d on ", (int)getpid())) != NULL);
	CHECK(strstr(err.text, "127.0.0.1") != NULL);
	catalog_fixture_create(one);
	catalog_close(one);
	CHECK_OK(catalog_lock(two, &err), &err);
	catalog_close(two);
	catalog_close(other);
	end(&f);
}

TEST(a_lake_in_postgres_is_locked_again_after_its_connection_was_lost)
{
	struct fixture f;
	struct error err = { 0 };
	struct arena arena = { 0 };
	struct catalog_view view;
	begin(&f);
	struct catalog *one = open_at(f.url), *two = open_at(f.url);
	catalog_fixture_create(one);
	CHECK_OK(catalog_lock(one, &err), &err);
	run_as_admin(&f, arena_format(&f.arena,
				 "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
				 "WHERE datname = '%s'",
				 f.name));
	CHECK(!catalog_load(one, &arena, &view, &err));
	CHECK_EQUAL(err.kind, ERROR_LOST);
	catalog_fixture_check_lake(one, 0);
	CHECK(!catalog_load(two, &arena, &view, &err));
	CHECK(!catalog_lock(two, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	catalog_close(one);
	catalog_close(two);
	arena_deinit(&arena);
	end(&f);
}

/* For a process that runs it is no reason to end: the other one may. */
TEST(a_lake_in_postgres_that_another_took_while_the_connection_was_lost_is_busy)
{
	struct fixture f;
	struct error err = { 0 };
	struct arena arena = { 0 };
	struct catalog_view view;
	begin(&f);
	struct catalog *one = open_at(f.url);
	catalog_fixture_create(one);
	CHECK_OK(catalog_lock(one, &err), &err);
	run_as_admin(&f, arena_format(&f.arena,
				 "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
				 "WHERE datname = '%s'",
				 f.name));
	struct catalog *two = open_at(f.url);
	CHECK_OK(catalog_lock(two, &err), &err);
	CHECK(!catalog_load(one, &arena, &view, &err));
	CHECK_EQUAL(err.kind, ERROR_LOST);
	CHECK(!catalog_load(one, &arena, &view, &err));
	CHECK_EQUAL(err.kind, ERROR_BUSY);
	CHECK(strstr(err.text, "is in use by") != NULL);
	catalog_close(two);
	catalog_fixture_check_lake(one, 0);
	catalog_close(one);
	arena_deinit(&arena);
	end(&f);
}

/* The session of a lost connection that the server still believes in would hold the lock. */
TEST(a_lake_in_postgres_is_locked_again_though_the_server_has_not_noticed_the_loss)
{
	struct fixture f;
	struct proxy *proxy;
	struct error err = { 0 };
	size_t conflict;
	begin(&f);
	proxy = proxy_start(&f);
	struct catalog *catalog = open_through(&f, proxy);
	catalog_fixture_create(catalog);
	CHECK_OK(catalog_lock(catalog, &err), &err);
	proxy->cut = CUT_HELD;
	CHECK(!catalog_fixture_commit(catalog, 0, "a", "", "a1", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_UNCERTAIN);
	catalog_fixture_check_lake(catalog, 0);
	catalog_fixture_commit_ok(catalog, 0, "a", "", "a1");
	let_go(proxy);
	end_lost(&f, proxy, catalog);
}

/* --- what an operator meets ----------------------------------------------------------------- */

TEST(a_catalog_in_postgres_waits_for_a_lock_only_for_a_while)
{
	struct fixture f;
	struct error err = { 0 };
	size_t conflict;
	begin(&f);
	struct catalog *catalog = open_at(f.url);
	catalog_fixture_create(catalog);
	catalog_fixture_commit_ok(catalog, 0, "a", "", "a1");
	run_outside(&f, "BEGIN; SELECT * FROM iceberg_tables FOR UPDATE");
	catalog_fixture_check_location(catalog, "a", "a1");
	CHECK(!catalog_fixture_commit(catalog, 1, "a", "a1", "a2", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_BUSY);
	run_outside(&f, "ROLLBACK");
	catalog_fixture_commit_ok(catalog, 1, "a", "a1", "a2");
	catalog_close(catalog);
	end(&f);
}

TEST(a_catalog_in_postgres_that_is_read_only_is_refused_or_waited_for)
{
	struct fixture f;
	struct error err = { 0 };
	size_t conflict;
	begin(&f);
	struct catalog *catalog = open_at(f.url);
	catalog_fixture_create(catalog);
	run_as_admin(
		&f, arena_format(&f.arena,
			    "ALTER DATABASE %s SET default_transaction_read_only = on", f.name));
	const struct postgres_catalog_options options = options_of(f.url);
	struct error refused = open_fails(&options);
	CHECK_EQUAL(refused.kind, ERROR_SETUP);
	CHECK(strstr(refused.text, "default_transaction_read_only is on") != NULL);
	CHECK(strstr(refused.hint, "ALTER DATABASE") != NULL);
	run_as_admin(&f, arena_format(&f.arena,
				 "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
				 "WHERE datname = '%s'",
				 f.name));
	CHECK(!catalog_fixture_commit(catalog, 0, "a", "", "a1", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_LOST);
	CHECK(!catalog_fixture_commit(catalog, 0, "a", "", "a1", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_BUSY);
	catalog_fixture_check_lake(catalog, 0);
	catalog_close(catalog);
	end(&f);
}

TEST(a_catalog_in_postgres_for_reading_makes_and_changes_nothing)
{
	struct fixture f;
	struct error err = { 0 };
	struct arena arena = { 0 };
	struct catalog_view view;
	size_t conflict;
	begin(&f);
	struct postgres_catalog_options options = options_of(f.url);
	options.is_read_only = true;
	CHECK_EQUAL(open_fails(&options).kind, ERROR_MISSING);
	run_as_admin(&f, arena_format(&f.arena, "CREATE DATABASE %s", f.name));
	struct catalog *reader = open_with(&options);
	CHECK(!catalog_load(reader, &arena, &view, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	catalog_close(reader);
	CHECK_TEXT(ask_outside(&f, "SELECT count(*) FROM pg_class WHERE relname LIKE 'walberg%'"),
		"0");
	catalog_fixture_check_contract(open_at(f.url));
	reader = open_with(&options);
	catalog_fixture_check_lake(reader, 7);
	CHECK(!catalog_fixture_commit(reader, 7, "z", "", "z1", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(!catalog_request(reader, "snapshot", "public.a", &err));
	catalog_close(reader);
	arena_deinit(&arena);
	end(&f);
}

TEST(a_catalog_in_postgres_that_cannot_be_made_comes_with_the_statement_that_makes_it)
{
	struct fixture f;
	begin(&f);
	run_as_admin(&f, arena_format(&f.arena, "CREATE ROLE %s LOGIN", f.name));
	struct postgres_catalog_options options = options_of(url_of(&f, f.name, f.name));
	struct error err = open_fails(&options);
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.hint, arena_format(&f.arena, "CREATE DATABASE \"%s\" OWNER \"%s\"", f.name,
				       f.name)) != NULL);
	run_as_admin(&f, arena_format(&f.arena, "CREATE DATABASE %s", f.name));
	run_outside(&f, "REVOKE CREATE ON SCHEMA public FROM PUBLIC");
	err = open_fails(&options);
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.hint, "lake.catalog_user") != NULL);
	run_as_admin(&f, arena_format(&f.arena, "ALTER DATABASE %s OWNER TO %s", f.name, f.name));
	if (postgres_server_version(f.admin) <
		150000) /* the schema is not the database's owner's */
		run_outside(
			&f, arena_format(&f.arena, "GRANT CREATE ON SCHEMA public TO %s", f.name));
	catalog_close(open_with(&options));
	run_as_admin(&f, arena_format(&f.arena, "DROP DATABASE %s WITH (FORCE)", f.name));
	run_as_admin(&f, arena_format(&f.arena, "ALTER ROLE %s CREATEDB", f.name));
	catalog_close(open_with(&options));
	run_as_admin(&f, arena_format(&f.arena, "DROP DATABASE %s WITH (FORCE)", f.name));
	run_as_admin(&f, arena_format(&f.arena, "DROP ROLE %s", f.name));
	end(&f);
}

TEST(a_catalog_in_postgres_that_cannot_be_used_says_why)
{
	struct fixture f;
	begin(&f);
	struct postgres_catalog_options options =
		options_of("postgresql://walberg:secret@127.0.0.1:1/lake");
	struct error err = open_fails(&options);
	CHECK_EQUAL(err.kind, ERROR_LOST);
	CHECK(strstr(err.context, "postgresql://127.0.0.1:1/lake") != NULL);
	CHECK(strstr(err.context, "secret") == NULL);
	options.target.url = url_of(&f, "nobody_of_this_name", f.name);
	CHECK_EQUAL(open_fails(&options).kind, ERROR_SETUP);
	options.target.url = "secret";
	err = open_fails(&options);
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, "the catalog's connection string") != NULL);
	CHECK(strstr(err.text, "secret") == NULL);

	options.target.url = f.url;
	catalog_close(open_at(f.url));
	run_outside(&f, "UPDATE walberg_format SET version = 2");
	CHECK_EQUAL(open_fails(&options).kind, ERROR_UNSUPPORTED);
	run_outside(&f, "DELETE FROM walberg_format");
	CHECK_EQUAL(open_fails(&options).kind, ERROR_CORRUPT);
	end(&f);
}
