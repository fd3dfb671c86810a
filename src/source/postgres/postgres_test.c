/*
 * Against a real server, whose address tests/run puts into WALBERG_TEST_POSTGRES (a superuser's).
 * Each test has a database, slot and publications of its own.
 */
#include "source/source.h"

#include "base/reader.h"
#include "base/test.h"
#include "format/pgoutput/pgoutput.h"
#include "net/postgres.h"

#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	SECOND = 1000000,
	RECEIVE_TRIES_MAX = 2000,
};

struct fixture {
	struct arena arena;
	char name[48]; /* of database and slot */
	const char *url;
	struct postgres *admin; /* in the server's own database */
	struct postgres *user;  /* in the test's */
	struct source *source;
	struct source_state state;
};

static bool run(struct postgres *postgres, const char *sql, struct error *err)
{
	return postgres_run(postgres, sql, err);
}

#define RUN(fixture, sql)                                                                          \
	do {                                                                                       \
		struct error run_err;                                                              \
		CHECK_OK(run((fixture)->user, (sql), &run_err), &run_err);                         \
	} while (0)

static const char *server_url(void)
{
	const char *url = getenv("WALBERG_TEST_POSTGRES");
	if (url == NULL)
		test_skip("WALBERG_TEST_POSTGRES names no PostgreSQL server");
	return url;
}

/* The server's URL with another database, and perhaps more parameters. */
static const char *url_of(struct arena *arena, const char *database, const char *parameters)
{
	const char *url = server_url();
	const char *end = strrchr(url, '/');
	return arena_format(arena, "%.*s/%s%s", (int)(end - url), url, database, parameters);
}

static struct postgres *connect_to(const char *url)
{
	struct error err;
	struct postgres *postgres;
	const struct postgres_target target = { .url = url, .connect_timeout = 5 * SECOND };
	CHECK_OK(postgres_open(&target, &postgres, &err), &err);
	return postgres;
}

static bool open_with(struct fixture *f, const char *url, struct source **out, struct error *err)
{
	const struct postgres_options options = {
		.url = url,
		.slot_name = f->name,
		.publication_name = f->name,
		.append_publication_name = arena_format(&f->arena, "%s_append", f->name),
		.connect_timeout = 5 * SECOND,
	};
	return source_postgres_open(world_posix(), &options, out, err);
}

static void begin(struct fixture *f, const char *parameters)
{
	static int count;
	struct error err;
	*f = (struct fixture){ 0 };
	server_url();
	snprintf(f->name, sizeof f->name, "walberg_test_%d_%d", (int)getpid(), ++count);
	f->admin = connect_to(server_url());
	const char *create = arena_format(&f->arena, "CREATE DATABASE %s", f->name);
	CHECK_OK(run(f->admin, create, &err), &err);
	f->url = url_of(&f->arena, f->name, parameters);
	f->user = connect_to(f->url);
	CHECK_OK(run(f->user, "SET search_path = public", &err), &err);
	CHECK_OK(open_with(f, f->url, &f->source, &err), &err);
}

static void inspect(struct fixture *f)
{
	struct error err;
	CHECK_OK(source_inspect(f->source, &f->arena, &f->state, &err), &err);
}

static void publish(struct fixture *f)
{
	struct error err;
	inspect(f);
	CHECK_OK(
		source_publish(f->source, f->state.relations, f->state.relation_count, &err), &err);
}

static void finish(struct fixture *f)
{
	struct error err;
	CHECK_OK(source_drop(f->source, &err) || err.kind == ERROR_BUSY, &err);
	source_close(f->source);
	postgres_close(f->user);
	/* The server frees a slot a moment after its connection closed. */
	const char *drop_slot = arena_format(&f->arena,
		"SELECT pg_drop_replication_slot(slot_name) FROM pg_replication_slots"
		" WHERE slot_name = '%s'",
		f->name);
	for (int i = 0; i < 100 && !run(f->admin, drop_slot, &err); i++)
		world_sleep(world_posix(), SECOND / 50);
	const char *drop = arena_format(&f->arena, "DROP DATABASE %s WITH (FORCE)", f->name);
	for (int i = 0; i < 100 && !run(f->admin, drop, &err); i++) {
		CHECK_EQUAL(err.kind, ERROR_BUSY);
		world_sleep(world_posix(), SECOND / 50);
	}
	const char *left =
		arena_format(&f->arena, "SELECT FROM pg_database WHERE datname = '%s'", f->name);
	struct postgres_rows rows;
	CHECK_OK(postgres_query(f->admin, left, &rows, &err), &err);
	CHECK_EQUAL(rows.count, 0);
	postgres_rows_close(&rows);
	postgres_close(f->admin);
	arena_deinit(&f->arena);
}

static const struct relation *relation_named(const struct fixture *f, const char *name)
{
	for (size_t i = 0; i < f->state.relation_count; i++)
		if (strcmp(f->state.relations[i].name, name) == 0)
			return &f->state.relations[i];
	test_fail(__FILE__, __LINE__, "\"%s\" is not captured", name);
}

static const char *reason_of(const struct fixture *f, const char *name)
{
	for (size_t i = 0; i < f->state.left_out_count; i++)
		if (strcmp(f->state.left_out[i].name, name) == 0)
			return f->state.left_out[i].reason;
	test_fail(__FILE__, __LINE__, "\"%s\" is not left out", name);
}

/* The only value of a query's only row. */
static const char *value_of(struct fixture *f, const char *sql)
{
	struct error err;
	struct postgres_rows rows;
	CHECK_OK(postgres_query(f->user, sql, &rows, &err), &err);
	CHECK_EQUAL(rows.count, 1);
	const char *text = postgres_text(&rows, 0, 0);
	const char *copy = text != NULL ? arena_copy_cstring(&f->arena, text) : "NULL";
	postgres_rows_close(&rows);
	return copy;
}

static void check_reason(const struct fixture *f, const char *name, const char *part)
{
	const char *reason = reason_of(f, name);
	if (strstr(reason, part) == NULL)
		test_fail(__FILE__, __LINE__, "\"%s\" is left out for: %s", name, reason);
}

/* ---- inspect and publish ----------------------------------------------------------------- */

TEST(tables_without_usable_identity_are_append_and_other_sorts_are_left_out)
{
	struct fixture f;
	begin(&f, "");
	RUN(&f, "CREATE SCHEMA s; CREATE SCHEMA \"a.b\"; CREATE TYPE s.mood AS ENUM ('a', 'b');"
		"CREATE TABLE s.keyed (x int, b text NOT NULL, a int, m s.mood, n numeric(10,2),"
		" gone int, g int GENERATED ALWAYS AS (x + 1) STORED, PRIMARY KEY (a, b) INCLUDE "
		"(x));"
		"ALTER TABLE s.keyed DROP COLUMN gone;"
		"CREATE TABLE s.fullkey (a int PRIMARY KEY); ALTER TABLE s.fullkey REPLICA "
		"IDENTITY FULL;"
		"CREATE TABLE s.keyless (a int);"
		"CREATE TABLE s.fullonly (a int); ALTER TABLE s.fullonly REPLICA IDENTITY FULL;"
		"CREATE TABLE s.nothing (a int PRIMARY KEY); ALTER TABLE s.nothing REPLICA "
		"IDENTITY NOTHING;"
		"CREATE TABLE s.deferred (a int PRIMARY KEY DEFERRABLE);"
		"CREATE TABLE s.genkey (a int, k int GENERATED ALWAYS AS (a) STORED PRIMARY KEY);"
		"CREATE TABLE s.byindex (a int PRIMARY KEY, u int NOT NULL UNIQUE);"
		"ALTER TABLE s.byindex REPLICA IDENTITY USING INDEX byindex_u_key;"
		"CREATE TABLE s.odd (a int PRIMARY KEY, p point[]);"
		"CREATE TABLE s.root (a int) PARTITION BY RANGE (a);"
		"CREATE TABLE s.leaf PARTITION OF s.root FOR VALUES FROM (0) TO (10);"
		"CREATE TABLE s.parent (a int); CREATE TABLE s.child () INHERITS (s.parent);"
		"CREATE UNLOGGED TABLE s.unlogged (a int); CREATE TABLE \"a.b\".dotted (a int);"
		"CREATE TABLE s.empty (); CREATE TEMP TABLE temporary (a int); CREATE VIEW s.v AS "
		"SELECT 1");
	publish(&f);

	CHECK_EQUAL(f.state.relation_count, 10);
	const struct relation *keyed = relation_named(&f, "keyed");
	CHECK(!keyed->is_append);
	CHECK_EQUAL(keyed->column_count, 5);
	CHECK_TEXT(keyed->columns[0].name, "x");
	CHECK(!keyed->columns[0].is_key && !keyed->columns[0].is_required);
	CHECK(keyed->columns[1].is_key && keyed->columns[1].is_required);
	CHECK(keyed->columns[2].is_key);
	CHECK_EQUAL(keyed->columns[3].type.type, VALUE_STRING);
	CHECK_EQUAL(keyed->columns[4].type.precision, 10);
	CHECK(keyed->filenode != 0);
	CHECK(!relation_named(&f, "fullkey")->is_append);
	CHECK_EQUAL(relation_named(&f, "odd")->columns[1].type.type, VALUE_NONE);
	CHECK_TEXT(relation_named(&f, "odd")->columns[1].type_name, "point[]");
	CHECK(!relation_named(&f, "byindex")->is_append);
	CHECK_EQUAL(relation_named(&f, "byindex")->replica_identity, 'i');
	static const char *const append[] = { "keyless", "fullonly", "nothing", "deferred",
		"genkey", "leaf" };
	for (size_t i = 0; i < sizeof append / sizeof append[0]; i++)
		CHECK(relation_named(&f, append[i])->is_append);

	CHECK_EQUAL(f.state.left_out_count, 8);
	check_reason(&f, "keyed", "without its generated columns (g)");
	check_reason(&f, "genkey", "without its generated columns (k)");
	check_reason(&f, "root", "partition");
	check_reason(&f, "parent", "inheritance");
	check_reason(&f, "child", "inheritance");
	check_reason(&f, "unlogged", "unlogged");
	check_reason(&f, "dotted", "dot");
	check_reason(&f, "empty", "no columns");

	const char *members = "SELECT string_agg(tablename, ',' ORDER BY tablename)"
			      " FROM pg_publication_tables WHERE pubname = '%s%s'";
	CHECK_TEXT(value_of(&f, arena_format(&f.arena, members, f.name, "")), "fullkey,keyed");
	CHECK_TEXT(value_of(&f, arena_format(&f.arena, members, f.name, "_append")),
		"deferred,fullonly,genkey,keyless,leaf,nothing");
	finish(&f);
}

TEST(publishing_never_breaks_updates_and_follows_a_changed_identity)
{
	struct fixture f;
	begin(&f, "");
	RUN(&f, "CREATE TABLE t (a int); CREATE TABLE u (a int PRIMARY KEY);"
		"INSERT INTO t VALUES (1); INSERT INTO u VALUES (1)");
	publish(&f);
	RUN(&f, "UPDATE t SET a = 2; DELETE FROM t; UPDATE u SET a = 2");
	RUN(&f, "ALTER TABLE t ADD PRIMARY KEY (a); ALTER TABLE u REPLICA IDENTITY NOTHING");
	publish(&f);
	publish(&f);
	RUN(&f, "UPDATE u SET a = 3");
	const char *sql = "SELECT string_agg(pubname || ':' || tablename, ' ' ORDER BY tablename)"
			  " FROM pg_publication_tables";
	CHECK_TEXT(value_of(&f, sql), arena_format(&f.arena, "%s:t %s_append:u", f.name, f.name));
	finish(&f);
}

TEST(patterns_choose_tables_by_schema_and_name)
{
	struct fixture f;
	begin(&f, "");
	RUN(&f, "CREATE SCHEMA one; CREATE SCHEMA two; CREATE TABLE one.a (x int);"
		"CREATE TABLE one.order_1 (x int); CREATE TABLE two.order_2 (x int);"
		"CREATE TABLE two.b (x int); CREATE UNLOGGED TABLE two.c (x int)");
	static const char *const patterns[] = { "one.*", "*.order_*", "two.ordr", "*.c" };
	const struct postgres_options options = {
		.url = f.url,
		.slot_name = f.name,
		.publication_name = f.name,
		.append_publication_name = f.name,
		.tables = patterns,
		.table_count = 4,
		.connect_timeout = 5 * SECOND,
	};
	struct error err;
	struct source *source;
	struct source_state state;
	CHECK_OK(source_postgres_open(world_posix(), &options, &source, &err), &err);
	CHECK_OK(source_inspect(source, &f.arena, &state, &err), &err);
	CHECK_EQUAL(state.relation_count, 3);
	CHECK_TEXT(state.relations[0].name, "a");
	CHECK_TEXT(state.relations[1].name, "order_1");
	CHECK_TEXT(state.relations[2].name, "order_2");
	CHECK_EQUAL(state.left_out_count, 1);
	CHECK_EQUAL(state.unnamed_count, 1);
	CHECK(source_is_unnamed(&state, "two", "b") && !source_is_unnamed(&state, "one", "b"));
	CHECK_EQUAL(state.idle_count, 1);
	CHECK_TEXT(state.idle[0], "two.ordr");
	source_close(source);
	finish(&f);
}

TEST(a_role_may_stand_beside_the_connection_string)
{
	struct fixture f;
	begin(&f, "");
	struct postgres_options options = {
		.url = arena_format(&f.arena, "postgresql://%s", strchr(f.url, '@') + 1),
		.user = arena_format(&f.arena, "%s_nobody", f.name),
		.slot_name = f.name,
		.publication_name = f.name,
		.append_publication_name = f.name,
	};
	struct source *source;
	struct error err;
	CHECK(!source_postgres_open(world_posix(), &options, &source, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, options.user) != NULL);
	options.user = "postgres";
	CHECK_OK(source_postgres_open(world_posix(), &options, &source, &err), &err);
	source_close(source);
	finish(&f);
}

TEST(a_role_without_a_right_is_told_the_statement_that_gives_it)
{
	struct fixture f;
	begin(&f, "");
	struct error err;
	const char *role = arena_format(&f.arena, "%s_role", f.name);
	RUN(&f, arena_format(&f.arena, "CREATE ROLE %s LOGIN", role));
	RUN(&f, "CREATE TABLE unread (a int); CREATE TABLE foreign_owner (a int);"
		"CREATE TABLE guarded (a int); ALTER TABLE guarded ENABLE ROW LEVEL SECURITY;"
		"CREATE SCHEMA closed; CREATE TABLE closed.hidden (a int); CREATE TABLE own (a "
		"int)");
	RUN(&f, arena_format(&f.arena,
			"GRANT SELECT ON foreign_owner, guarded TO %s; ALTER TABLE own OWNER TO %s",
			role, role));
	struct source *source;
	const char *at = strchr(f.url, '@');
	const char *url = arena_format(&f.arena, "postgresql://%s%s", role, at);
	CHECK(!open_with(&f, url, &source, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.hint, "REPLICATION;") != NULL);

	RUN(&f, arena_format(&f.arena, "ALTER ROLE %s REPLICATION", role));
	CHECK_OK(open_with(&f, url, &source, &err), &err);
	CHECK_OK(source_inspect(source, &f.arena, &f.state, &err), &err);
	CHECK_EQUAL(f.state.relation_count, 1);
	check_reason(&f, "unread", "GRANT SELECT ON \"public\".\"unread\" TO ");
	check_reason(&f, "foreign_owner", "GRANT \"postgres\" TO ");
	check_reason(&f, "guarded", "BYPASSRLS");
	check_reason(&f, "hidden", "GRANT USAGE ON SCHEMA \"closed\" TO ");
	CHECK(!source_publish(source, f.state.relations, f.state.relation_count, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.hint, "GRANT CREATE ON DATABASE") != NULL);
	source_close(source);
	RUN(&f, arena_format(&f.arena, "DROP OWNED BY %s; DROP ROLE %s", role, role));
	finish(&f);
}

/* ---- snapshot ---------------------------------------------------------------------------- */

/* Rows of a binary COPY's bytes, counted by their headers. */
static size_t copied_rows(struct source_snapshot *snapshot)
{
	struct error err;
	struct buffer all = { 0 };
	struct bytes chunk;
	do {
		CHECK_OK(source_snapshot_next(snapshot, &chunk, &err), &err);
		buffer_append_bytes(&all, chunk);
	} while (chunk.size > 0);
	struct reader in = reader_of(buffer_bytes(&all));
	reader_take(&in, 11 + 4 + 4); /* signature, flags, extension */
	size_t rows = 0;
	for (uint16_t fields = reader_u16be(&in); fields != UINT16_MAX && !in.failed;
		fields = reader_u16be(&in), rows++)
		for (uint16_t i = 0; i < fields; i++) {
			const uint32_t size = reader_u32be(&in);
			reader_take(&in, size == UINT32_MAX ? 0 : size);
		}
	CHECK_OK(reader_finish(&in, "COPY", &err), &err);
	buffer_deinit(&all);
	return rows;
}

static struct source_snapshot *open_snapshot(struct fixture *f, bool is_lake_slot)
{
	struct error err;
	struct source_snapshot *snapshot;
	CHECK_OK(source_open_snapshot(f->source, is_lake_slot, &snapshot, &err), &err);
	return snapshot;
}

static void open_table(struct fixture *f, struct source_snapshot *snapshot, const char *name)
{
	struct error err;
	CHECK_OK(source_snapshot_open_table(snapshot, relation_named(f, name), &err), &err);
}

TEST(a_snapshot_holds_the_rows_of_its_point_and_no_later_ones)
{
	struct fixture f;
	begin(&f, "");
	RUN(&f, "CREATE TABLE \"T 1\" (a int PRIMARY KEY, g int GENERATED ALWAYS AS (a) STORED,"
		" \"b \"\"c\" text); CREATE TABLE none (a int PRIMARY KEY);"
		"INSERT INTO \"T 1\" (a, \"b \"\"c\") SELECT i, i::text FROM generate_series(1, "
		"100000) i");
	publish(&f);
	struct source_snapshot *snapshot = open_snapshot(&f, true);
	RUN(&f, "INSERT INTO \"T 1\" (a, \"b \"\"c\") VALUES (-1, 'later'); DELETE FROM \"T 1\" "
		"WHERE a < 100");
	open_table(&f, snapshot, "T 1");
	CHECK_EQUAL(copied_rows(snapshot), 100000);
	open_table(&f, snapshot, "none");
	CHECK_EQUAL(copied_rows(snapshot), 0);

	inspect(&f);
	CHECK(f.state.has_slot && !f.state.slot_is_active && !f.state.slot_is_lost);
	CHECK_EQUAL(f.state.confirmed_lsn, snapshot->lsn);
	CHECK(f.state.restart_lsn != 0 && f.state.restart_lsn <= snapshot->lsn);
	CHECK(f.state.current_lsn > snapshot->lsn);
	source_snapshot_close(snapshot);
	finish(&f);
}

static void check_open_fails(
	struct fixture *f, struct source_snapshot *snapshot, const char *name, enum error_kind kind)
{
	struct error err;
	CHECK(!source_snapshot_open_table(snapshot, relation_named(f, name), &err));
	if (err.kind != kind)
		test_fail(__FILE__, __LINE__, "%s: %s", name, err.text);
}

TEST(a_table_that_changed_its_shape_since_it_was_inspected_is_a_conflict)
{
	struct fixture f;
	begin(&f, "");
	RUN(&f, "CREATE TABLE truncated (a int); CREATE TABLE rewritten (a int);"
		"CREATE TABLE added (a int); CREATE TABLE swapped (a int, b int);"
		"CREATE TABLE renamed (a int); CREATE TABLE dropped (a int);"
		"CREATE TABLE remade (a int); CREATE TABLE same (a int); INSERT INTO same VALUES "
		"(1)");
	publish(&f);
	struct source_snapshot *snapshot = open_snapshot(&f, false);
	RUN(&f, "TRUNCATE truncated; ALTER TABLE rewritten ALTER a TYPE text;"
		"ALTER TABLE added ADD b int; ALTER TABLE swapped DROP b; ALTER TABLE swapped ADD "
		"b text;"
		"ALTER TABLE renamed RENAME TO elsewhere; DROP TABLE dropped;"
		"DROP TABLE remade; CREATE TABLE remade (a int)");
	check_open_fails(&f, snapshot, "truncated", ERROR_CONFLICT);
	check_open_fails(&f, snapshot, "rewritten", ERROR_CONFLICT);
	check_open_fails(&f, snapshot, "added", ERROR_CONFLICT);
	check_open_fails(&f, snapshot, "swapped", ERROR_CONFLICT);
	check_open_fails(&f, snapshot, "renamed", ERROR_MISSING);
	check_open_fails(&f, snapshot, "dropped", ERROR_MISSING);
	check_open_fails(&f, snapshot, "remade", ERROR_MISSING);
	open_table(&f, snapshot, "same");
	CHECK_EQUAL(copied_rows(snapshot), 1);
	source_snapshot_close(snapshot);
	finish(&f);
}

TEST(a_table_can_be_left_in_the_middle_and_holds_no_lock_afterwards)
{
	struct fixture f;
	begin(&f, "");
	RUN(&f, "CREATE TABLE big (a int, b text); CREATE TABLE other (a int);"
		"INSERT INTO big SELECT i, repeat('x', 100) FROM generate_series(1, 100000) i;"
		"INSERT INTO other VALUES (1), (2)");
	publish(&f);
	struct source_snapshot *snapshot = open_snapshot(&f, false);
	open_table(&f, snapshot, "big");
	struct bytes chunk;
	struct error err;
	CHECK_OK(source_snapshot_next(snapshot, &chunk, &err), &err);
	CHECK(chunk.size > 0);
	open_table(&f, snapshot, "other");
	CHECK_EQUAL(copied_rows(snapshot), 2);
	RUN(&f, "SET lock_timeout = '2s'; TRUNCATE big, other");
	source_snapshot_close(snapshot);
	/* The temporary slot goes with its connection. */
	const char *sql = arena_format(&f.arena,
		"SELECT count(*) FROM pg_replication_slots WHERE slot_name LIKE '%s%%'", f.name);
	for (int i = 0; i < 100 && strcmp(value_of(&f, sql), "0") != 0; i++)
		world_sleep(world_posix(), SECOND / 50);
	CHECK_TEXT(value_of(&f, sql), "0");
	finish(&f);
}

static void *commit_later(void *argument)
{
	struct error err;
	world_sleep(world_posix(), 2300000);
	return postgres_run(argument, "COMMIT", &err) ? argument : NULL;
}

TEST(a_slot_waits_for_open_transactions_and_is_made_after_them)
{
	struct fixture f;
	begin(&f, "");
	RUN(&f, "CREATE TABLE t (a int PRIMARY KEY)");
	publish(&f);
	RUN(&f, "BEGIN; INSERT INTO t VALUES (1)");
	pthread_t thread;
	CHECK(pthread_create(&thread, NULL, commit_later, f.user) == 0);
	struct source_snapshot *snapshot = open_snapshot(&f, true);
	void *is_committed;
	CHECK(pthread_join(thread, &is_committed) == 0);
	CHECK(is_committed != NULL);
	open_table(&f, snapshot, "t");
	CHECK_EQUAL(copied_rows(snapshot), 1);
	source_snapshot_close(snapshot);
	finish(&f);
}

/* ---- stream ------------------------------------------------------------------------------ */

/* Receives until a message of this kind has come; how many others came before it. */
static struct pgoutput_peek receive_until(struct fixture *f, uint8_t kind, size_t *others)
{
	struct error err;
	struct pgoutput_peek peek = { 0 };
	bool in_stream = false;
	*others = 0;
	for (int tries = 0; tries < RECEIVE_TRIES_MAX; tries++) {
		struct source_message message;
		CHECK_OK(source_receive(f->source, SECOND / 10, &message, &err), &err);
		if (message.kind != SOURCE_MESSAGE) {
			tries += 20;
			continue;
		}
		CHECK(message.sent_at > INT64_C(1600000000000000));
		CHECK(pgoutput_peek(message.body, in_stream, &peek));
		if (peek.kind == kind)
			return peek;
		if (peek.kind == PGOUTPUT_STREAM_START)
			in_stream = true;
		if (peek.kind == PGOUTPUT_STREAM_STOP)
			in_stream = false;
		++*others;
	}
	test_fail(__FILE__, __LINE__, "no message '%c' came", kind);
}

static lsn_t make_slot(struct fixture *f)
{
	publish(f);
	struct source_snapshot *snapshot = open_snapshot(f, true);
	const lsn_t lsn = snapshot->lsn;
	source_snapshot_close(snapshot);
	return lsn;
}

static void start(struct fixture *f, lsn_t lsn)
{
	struct error err;
	CHECK_OK(source_start(f->source, lsn, &err), &err);
}

static void confirm(struct fixture *f, lsn_t lsn)
{
	struct error err;
	const struct log_receipt receipt = { lsn };
	CHECK_OK(source_confirm(f->source, &receipt, &err), &err);
}

TEST(changes_are_streamed_and_confirmed_only_by_receipts)
{
	struct fixture f;
	begin(&f, "");
	RUN(&f, "CREATE TABLE t (a int PRIMARY KEY, b text); CREATE TABLE log (a int)");
	const lsn_t lsn = make_slot(&f);
	start(&f, lsn);
	RUN(&f, "BEGIN; INSERT INTO t VALUES (1, 'x'); UPDATE t SET b = 'y'; UPDATE t SET a = 2;"
		"INSERT INTO log VALUES (1); UPDATE log SET a = 2; DELETE FROM t; COMMIT");
	size_t others;
	const struct pgoutput_peek commit = receive_until(&f, PGOUTPUT_COMMIT, &others);
	/* Begin, Relation t, Insert, Update, Update, Relation log, Insert, Delete: no update of log
	 */
	CHECK_EQUAL(others, 8);
	CHECK(commit.end_lsn > lsn);

	const char *confirmed = arena_format(&f.arena,
		"SELECT confirmed_flush_lsn FROM pg_replication_slots WHERE slot_name = '%s'",
		f.name);
	char text[LSN_TEXT_SIZE];
	confirm(&f, 0);
	world_sleep(world_posix(), SECOND / 10);
	CHECK_TEXT(value_of(&f, confirmed), lsn_format(lsn, text));
	confirm(&f, commit.end_lsn);
	lsn_format(commit.end_lsn, text);
	for (int i = 0; i < 100 && strcmp(value_of(&f, confirmed), text) != 0; i++)
		world_sleep(world_posix(), SECOND / 50);
	CHECK_TEXT(value_of(&f, confirmed), text);
	finish(&f);
}

TEST(a_reopened_source_sends_again_what_was_not_confirmed)
{
	struct fixture f;
	begin(&f, "");
	RUN(&f, "CREATE TABLE t (a int PRIMARY KEY)");
	const lsn_t lsn = make_slot(&f);
	RUN(&f, "INSERT INTO t VALUES (1)");
	RUN(&f, "INSERT INTO t VALUES (2)");
	start(&f, lsn);
	size_t others;
	const lsn_t first = receive_until(&f, PGOUTPUT_COMMIT, &others).end_lsn;
	const lsn_t second = receive_until(&f, PGOUTPUT_COMMIT, &others).end_lsn;
	source_close(f.source);
	struct error err;
	CHECK_OK(open_with(&f, f.url, &f.source, &err), &err);
	bool is_started = false;
	for (int i = 0; i < 100 && !(is_started = source_start(f.source, first, &err)); i++) {
		CHECK_EQUAL(err.kind, ERROR_BUSY);
		world_sleep(world_posix(), SECOND / 50);
	}
	CHECK(is_started);
	CHECK_EQUAL(receive_until(&f, PGOUTPUT_COMMIT, &others).end_lsn, second);
	finish(&f);
}

TEST(a_large_transaction_is_streamed_before_it_commits)
{
	struct fixture f;
	begin(&f, "?options=-c%20logical_decoding_work_mem%3D64kB");
	RUN(&f, "CREATE TABLE t (a int PRIMARY KEY, b text)");
	start(&f, make_slot(&f));
	RUN(&f, "BEGIN; INSERT INTO t SELECT i, repeat('x', 100) FROM generate_series(1, 1500) i");
	size_t others;
	CHECK(receive_until(&f, PGOUTPUT_STREAM_STOP, &others).kind == PGOUTPUT_STREAM_STOP);
	CHECK(others > 100);
	RUN(&f, "ROLLBACK");
	receive_until(&f, PGOUTPUT_STREAM_ABORT, &others);
	finish(&f);
}

TEST(an_idle_stream_waits_no_longer_than_it_is_told)
{
	struct fixture f;
	begin(&f, "");
	RUN(&f, "CREATE TABLE t (a int PRIMARY KEY)");
	start(&f, make_slot(&f));
	struct source_message message;
	struct error err;
	do {
		CHECK_OK(source_receive(f.source, SECOND / 5, &message, &err), &err);
	} while (message.kind != SOURCE_NOTHING);
	struct world *world = world_posix();
	for (int i = 0; i < 2; i++) {
		const micros_t timeout = i * SECOND / 10;
		const int64_t from = world_monotonic(world);
		CHECK_OK(source_receive(f.source, timeout, &message, &err), &err);
		const int64_t took = world_monotonic(world) - from;
		CHECK(took < timeout + SECOND / 2);
		CHECK(message.kind == SOURCE_KEEPALIVE || took >= timeout);
	}
	finish(&f);
}

TEST(a_slot_in_use_is_busy_and_a_missing_one_is_an_operators_matter)
{
	struct fixture f;
	begin(&f, "");
	RUN(&f, "CREATE TABLE t (a int PRIMARY KEY)");
	struct error err;
	CHECK(!source_start(f.source, 0, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.hint, "walberg snapshot --all") != NULL);
	start(&f, make_slot(&f));
	struct source *second;
	CHECK_OK(open_with(&f, f.url, &second, &err), &err);
	CHECK(!source_start(second, 0, &err));
	CHECK_EQUAL(err.kind, ERROR_BUSY);
	const char *pid = value_of(
		&f, arena_format(&f.arena,
			    "SELECT active_pid FROM pg_replication_slots WHERE slot_name = '%s'",
			    f.name));
	CHECK(strstr(err.text, pid) != NULL);
	CHECK(!source_drop(second, &err));
	CHECK_EQUAL(err.kind, ERROR_BUSY);
	source_close(second);
	finish(&f);
}

TEST(a_slot_of_another_database_or_plugin_is_not_this_lakes)
{
	struct fixture f;
	begin(&f, "");
	struct error err;
	struct source *elsewhere;
	RUN(&f, arena_format(&f.arena,
			"SELECT pg_create_logical_replication_slot('%s', 'pgoutput')", f.name));
	CHECK_OK(open_with(&f, server_url(), &elsewhere, &err), &err);
	CHECK(!source_inspect(elsewhere, &f.arena, &f.state, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, arena_format(&f.arena, "of database \"%s\"", f.name)) != NULL);
	CHECK(strstr(err.hint, arena_format(&f.arena, "Connect to \"%s\"", f.name)) != NULL);
	source_close(elsewhere);
	CHECK_OK(source_drop(f.source, &err), &err);
	RUN(&f, arena_format(&f.arena, "SELECT pg_create_physical_replication_slot('%s')", f.name));
	CHECK(!source_inspect(f.source, &f.arena, &f.state, &err));
	CHECK(strstr(err.text, "its plugin is none") != NULL);
	RUN(&f, arena_format(&f.arena, "SELECT pg_drop_replication_slot('%s')", f.name));
	finish(&f);
}

TEST(a_dropped_publication_ends_the_stream_with_a_hint)
{
	struct fixture f;
	begin(&f, "");
	RUN(&f, "CREATE TABLE t (a int PRIMARY KEY)");
	start(&f, make_slot(&f));
	RUN(&f, arena_format(&f.arena, "DROP PUBLICATION %s", f.name));
	RUN(&f, "INSERT INTO t VALUES (1)");
	struct source_message message;
	struct error err = { 0 };
	for (int i = 0; i < 50 && source_receive(f.source, SECOND / 10, &message, &err); i++)
		;
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, f.name) != NULL);
	CHECK(strstr(err.hint, "walberg snapshot --all") != NULL);
	finish(&f);
}

TEST(a_connection_that_the_server_ends_is_lost)
{
	struct fixture f;
	begin(&f, "");
	RUN(&f, "CREATE TABLE t (a int PRIMARY KEY)");
	start(&f, make_slot(&f));
	RUN(&f, arena_format(&f.arena,
			"SELECT pg_terminate_backend(active_pid) FROM pg_replication_slots"
			" WHERE slot_name = '%s'",
			f.name));
	struct source_message message;
	struct error err = { 0 };
	for (int i = 0; i < 50 && source_receive(f.source, SECOND / 10, &message, &err); i++)
		;
	CHECK_EQUAL(err.kind, ERROR_LOST);
	RUN(&f, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname ="
		" current_database() AND pid <> pg_backend_pid()");
	world_sleep(world_posix(), SECOND / 10);
	struct source_state state;
	CHECK(!source_inspect(f.source, &f.arena, &state, &err));
	CHECK_EQUAL(err.kind, ERROR_LOST);
	source_close(f.source);
	CHECK_OK(open_with(&f, f.url, &f.source, &err), &err);
	finish(&f);
}

TEST(dropping_removes_slot_and_publications_and_nothing_else)
{
	struct fixture f;
	begin(&f, "");
	RUN(&f, "CREATE TABLE t (a int PRIMARY KEY); CREATE PUBLICATION other FOR TABLE t");
	make_slot(&f);
	struct error err;
	CHECK_OK(source_drop(f.source, &err), &err);
	CHECK_OK(source_drop(f.source, &err), &err);
	CHECK_TEXT(value_of(&f, "SELECT string_agg(pubname, ',') FROM pg_publication"), "other");
	inspect(&f);
	CHECK(!f.state.has_slot);
	/* The same source can begin anew. */
	start(&f, make_slot(&f));
	finish(&f);
}
