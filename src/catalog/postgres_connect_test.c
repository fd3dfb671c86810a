/*
 * The catalog in a real PostgreSQL behind a proxy that cuts the connection at a COMMIT; and the
 * lock, which is a connection's.
 */
#include "base/test.h"
#include "base/world.h"
#include "catalog/catalog_fixture.h"
#include "catalog/postgres_fixture.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	PIECE = 64 * 1024,
};

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

static struct proxy *proxy_start(struct postgres_fixture *f)
{
	struct proxy *proxy = memory_allocate(1, sizeof *proxy);
	struct sockaddr_in at = { AF_INET, 0, { htonl(INADDR_LOOPBACK) }, { 0 } };
	socklen_t size = sizeof at;
	proxy->held = -1;
	const char *port = postgres_url_part(postgres_fixture_server_url(), "port", &f->arena);
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

static struct postgres_catalog_options options_through(
	struct postgres_fixture *f, const struct proxy *proxy)
{
	return postgres_fixture_options(arena_format(
		&f->arena, "postgresql://postgres@127.0.0.1:%d/%s", proxy->port, f->name));
}

static struct catalog *open_through(struct postgres_fixture *f, const struct proxy *proxy)
{
	const struct postgres_catalog_options options = options_through(f, proxy);
	return postgres_fixture_open_with(&options);
}

/* The lake is at commit 1, and the answer to the second is lost in the given way. */
static struct catalog *lose_answer(struct postgres_fixture *f, struct proxy **proxy, enum cut cut)
{
	struct error err = { 0 };
	size_t conflict;
	postgres_fixture_begin(f);
	*proxy = proxy_start(f);
	struct catalog *catalog = open_through(f, *proxy);
	catalog_fixture_create(catalog);
	catalog_fixture_commit_ok(catalog, 0, "a", "", "a1");
	(*proxy)->cut = cut;
	CHECK(!catalog_fixture_commit(catalog, 1, "a", "a1", "a2", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_UNCERTAIN);
	return catalog;
}

static void end_lost(struct postgres_fixture *f, struct proxy *proxy, struct catalog *catalog)
{
	catalog_close(catalog);
	proxy_stop(proxy);
	postgres_fixture_end(f);
}

TEST(a_commit_to_postgres_whose_answer_was_lost_is_seen_by_looking)
{
	struct postgres_fixture f;
	struct proxy *proxy;
	struct catalog *catalog = lose_answer(&f, &proxy, CUT_BEHIND);
	catalog_fixture_check_lake(catalog, 2);
	catalog_fixture_check_location(catalog, "a", "a2");
	catalog_fixture_commit_ok(catalog, 2, "a", "a2", "a3");
	end_lost(&f, proxy, catalog);
}

TEST(a_commit_to_postgres_that_was_lost_itself_is_not_seen_by_looking)
{
	struct postgres_fixture f;
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
	struct postgres_fixture f;
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
	struct postgres_fixture f;
	struct error err = { 0 };
	size_t conflict;
	postgres_fixture_begin(&f);
	struct proxy *proxy = proxy_start(&f);
	struct postgres_catalog_options options = options_through(&f, proxy);
	options.target.answer_timeout = SECOND;
	struct catalog *catalog = postgres_fixture_open_with(&options);
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
	struct postgres_fixture f;
	struct error err = { 0 };
	postgres_fixture_begin(&f);
	struct proxy *proxy = proxy_start(&f);
	struct postgres_catalog_options options = options_through(&f, proxy);
	proxy->translates = true;
	options.is_read_only = true;
	err = postgres_fixture_open_fails(&options);
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	options.is_read_only = false;
	struct catalog *catalog = postgres_fixture_open_with(&options);
	catalog_fixture_create(catalog);
	end_lost(&f, proxy, catalog);
}

/* --- the lock ------------------------------------------------------------------------------- */

TEST(a_lake_in_postgres_is_locked_by_one_process_whose_name_the_other_hears)
{
	struct postgres_fixture f;
	struct error err = { 0 };
	postgres_fixture_begin(&f);
	struct catalog *one = postgres_fixture_open(f.url), *two = postgres_fixture_open(f.url);
	struct postgres_catalog_options options = postgres_fixture_options(f.url);
	options.catalog_name = "other";
	struct catalog *other = postgres_fixture_open_with(&options);
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
	postgres_fixture_end(&f);
}

TEST(a_lake_in_postgres_is_locked_again_after_its_connection_was_lost)
{
	struct postgres_fixture f;
	struct error err = { 0 };
	struct arena arena = { 0 };
	struct catalog_view view;
	postgres_fixture_begin(&f);
	struct catalog *one = postgres_fixture_open(f.url), *two = postgres_fixture_open(f.url);
	catalog_fixture_create(one);
	CHECK_OK(catalog_lock(one, &err), &err);
	postgres_fixture_run_as_admin(
		&f, arena_format(&f.arena,
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
	postgres_fixture_end(&f);
}

/* For a process that runs it is no reason to end: the other one may. */
TEST(a_lake_in_postgres_that_another_took_while_the_connection_was_lost_is_busy)
{
	struct postgres_fixture f;
	struct error err = { 0 };
	struct arena arena = { 0 };
	struct catalog_view view;
	postgres_fixture_begin(&f);
	struct catalog *one = postgres_fixture_open(f.url);
	catalog_fixture_create(one);
	CHECK_OK(catalog_lock(one, &err), &err);
	postgres_fixture_run_as_admin(
		&f, arena_format(&f.arena,
			    "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
			    "WHERE datname = '%s'",
			    f.name));
	struct catalog *two = postgres_fixture_open(f.url);
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
	postgres_fixture_end(&f);
}

/* The session of a lost connection that the server still believes in would hold the lock. */
TEST(a_lake_in_postgres_is_locked_again_though_the_server_has_not_noticed_the_loss)
{
	struct postgres_fixture f;
	struct proxy *proxy;
	struct error err = { 0 };
	size_t conflict;
	postgres_fixture_begin(&f);
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
