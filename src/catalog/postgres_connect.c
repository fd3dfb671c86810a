/*
 * The connection of a PostgreSQL catalog: how it is made, made again, and locked; and the database
 * at its other end.
 */
#include "catalog/postgres_internal.h"

#include <libpq-fe.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

enum {
	ENDING_TIMEOUT_MS = 5000, /* of the process of a lost connection */
	HOST_NAME_SIZE = 65,
};

/* --- errors --------------------------------------------------------------------------------- */

/* Where a catalog's reaction is not every connection's (net/postgres.c). */
static const struct {
	const char *state;
	enum error_kind kind;
	const char *hint;
} RULES[] = {
	{ "53100", ERROR_LIMIT, "Free space on the disk of the catalog's server." },
	{ "25006", ERROR_BUSY,
		"The catalog's database takes no writes: it is a standby, or "
		"default_transaction_read_only is on there." },
	{ "42501", ERROR_SETUP,
		"Give the catalog's user (lake.catalog_user) the right to make and change tables "
		"in the catalog's database: make it the database's owner, or GRANT CREATE ON "
		"SCHEMA public." },
	{ "42P01", ERROR_CORRUPT, "Check that lake.catalog names walberg's own database." },
	{ "42703", ERROR_CORRUPT, "Check that lake.catalog names walberg's own database." },
	{ "3F000", ERROR_SETUP,
		"Give the catalog's user a search_path with a schema in which it may make "
		"tables." },
	{ "42P07", ERROR_BUSY, "" }, /* somebody else makes the same tables */
	{ "22001", ERROR_SETUP, "Choose a shorter path for lake.warehouse." },
};

bool postgres_catalog_fail(
	struct postgres_catalog *catalog, const struct pg_result *result, struct error *err)
{
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	postgres_failed(catalog->connection, result, err);
	for (size_t i = 0; state != NULL && i < sizeof RULES / sizeof *RULES; i++) {
		if (strcmp(state, RULES[i].state) != 0)
			continue;
		err->kind = RULES[i].kind;
		error_hint(err, "%s", RULES[i].hint);
	}
	if (PQstatus(postgres_handle(catalog->connection)) != CONNECTION_OK ||
		err->kind == ERROR_LOST)
		postgres_catalog_disconnect(catalog);
	return false;
}

/* --- the lock ------------------------------------------------------------------------------- */

/* One for each catalog name; locks are those of one database anyway. */
static int64_t lock_key(const struct postgres_catalog *catalog)
{
	return (int64_t)XXH3_64bits(catalog->sql.name, strlen(catalog->sql.name));
}

static bool refuse_lock(struct postgres_catalog *catalog, struct error *err)
{
	struct arena arena = { 0 };
	struct postgres_rows rows;
	const char *sql = arena_format(&arena,
		"SELECT pid, application_name, coalesce(host(client_addr), 'a local socket')"
		" FROM pg_locks JOIN pg_stat_activity USING (pid) WHERE locktype = 'advisory'"
		" AND database = (SELECT oid FROM pg_database WHERE datname = current_database())"
		" AND (classid::bigint << 32 | objid::bigint) = %lld AND objsubid = 1 AND granted",
		(long long)lock_key(catalog));
	if (!postgres_query(catalog->connection, sql, &rows, err)) {
		arena_deinit(&arena);
		return false;
	}
	if (rows.count == 0)
		error_set(err, ERROR_BUSY, "the lock of the lake was not given");
	else /* who had it when the connection was lost may get it back: it is no wrong start */
		error_set(err, catalog->had_lock ? ERROR_BUSY : ERROR_SETUP,
			"the lake in the catalog \"%s\" is in use by \"%s\" (from %s, session %s "
			"of the catalog's server)",
			catalog->sql.place, postgres_text(&rows, 0, 1), postgres_text(&rows, 0, 2),
			postgres_text(&rows, 0, 0));
	postgres_rows_close(&rows);
	arena_deinit(&arena);
	return error_hint(err,
		"One process writes to a lake. Stop that one, or use another lake "
		"(lake.catalog, lake.catalog_name). After the crash of its machine its session "
		"ends within half a minute.");
}

static bool take_lock(struct postgres_catalog *catalog, struct error *err)
{
	struct arena arena = { 0 };
	char host[HOST_NAME_SIZE] = "";
	gethostname(host, sizeof host - 1);
	const char *sql = arena_format(&arena, "SET application_name = %s",
		postgres_literal(&arena,
			arena_format(&arena, "walberg, process %d on %s", (int)getpid(), host)));
	bool ok = postgres_run(catalog->connection, sql, err);
	sql = arena_format(&arena, "SELECT pg_advisory_lock(%lld)", (long long)lock_key(catalog));
	if (ok) {
		PGresult *result = postgres_execute(catalog->connection, sql);
		const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
		ok = PQresultStatus(result) == PGRES_TUPLES_OK;
		if (!ok && state != NULL && strcmp(state, "55P03") == 0)
			refuse_lock(catalog, err);
		else if (!ok)
			postgres_failed(catalog->connection, result, err);
		PQclear(result);
	}
	catalog->had_lock |= ok;
	arena_deinit(&arena);
	return ok;
}

/* --- connecting ----------------------------------------------------------------------------- */

/*
 * Tables are where search_path says, as for every other program; a database that is read-only by
 * its settings stays so.  A server whose client's machine has crashed notices by its keepalives.
 */
static bool set_session(struct postgres_catalog *catalog, struct error *err)
{
	struct arena arena = { 0 };
	const char *sql = arena_format(&arena,
		"SET search_path TO DEFAULT; SET default_transaction_read_only TO DEFAULT;"
		"SET synchronous_commit = on; SET lock_timeout = %lld;"
		"SET tcp_keepalives_idle = 10; SET tcp_keepalives_interval = 5;"
		"SET tcp_keepalives_count = 3",
		(long long)catalog->busy_timeout_ms);
	const bool ok = postgres_run(catalog->connection, sql, err);
	arena_deinit(&arena);
	return ok;
}

static bool identify_backend(
	struct postgres_catalog *catalog, struct postgres_backend *out, struct error *err)
{
	struct postgres_rows rows;
	if (!postgres_query(catalog->connection,
		    "SELECT pid, backend_start FROM pg_stat_activity WHERE pid = pg_backend_pid()",
		    &rows, err))
		return false;
	if (rows.count == 1) {
		const char *started_at = postgres_text(&rows, 0, 1);
		out->pid = postgres_int64(&rows, 0, 0);
		snprintf(out->started_at, sizeof out->started_at, "%s",
			started_at != NULL ? started_at : "");
	}
	const bool found = rows.count == 1;
	postgres_rows_close(&rows);
	return found ||
	       error_set(err, ERROR_SETUP, "the catalog's server does not show its own session");
}

/* I4: afterwards the commit of the lost connection has happened, or never will. */
static bool end_old_backend(struct postgres_catalog *catalog, struct error *err)
{
	if (catalog->old.pid == 0)
		return true;
	struct arena arena = { 0 };
	struct postgres_rows rows;
	const char *sql = arena_format(&arena,
		"SELECT pg_terminate_backend(pid, %d) FROM pg_stat_activity"
		" WHERE pid = %lld AND backend_start = %s::timestamptz",
		ENDING_TIMEOUT_MS, (long long)catalog->old.pid,
		postgres_literal(&arena, catalog->old.started_at));
	bool ok = postgres_query(catalog->connection, sql, &rows, err);
	if (ok) {
		ok = rows.count == 0 || postgres_bool(&rows, 0, 0) ||
		     error_set(err, ERROR_BUSY,
			     "the session of the lost connection (process %lld of the catalog's "
			     "server) has not ended yet",
			     (long long)catalog->old.pid);
		postgres_rows_close(&rows);
	}
	arena_deinit(&arena);
	if (ok)
		catalog->old = (struct postgres_backend){ 0 };
	return ok;
}

void postgres_catalog_disconnect(struct postgres_catalog *catalog)
{
	if (catalog->connection == NULL)
		return;
	if (catalog->backend.pid != 0)
		catalog->old = catalog->backend;
	catalog->backend = (struct postgres_backend){ 0 };
	memset(catalog->is_prepared, 0, sizeof catalog->is_prepared);
	postgres_close(catalog->connection);
	catalog->connection = NULL;
}

bool postgres_catalog_connect(struct postgres_catalog *catalog, struct error *err)
{
	if (catalog->connection != NULL)
		return true;
	if (!postgres_open(&catalog->target, &catalog->connection, err))
		return false;
	struct postgres_backend backend = { 0 };
	bool ok = set_session(catalog, err) && identify_backend(catalog, &backend, err) &&
		  end_old_backend(catalog, err);
	if (ok) {
		catalog->backend = backend; /* before, it has nothing that it could leave behind */
		ok = !catalog->wants_lock || take_lock(catalog, err);
	}
	if (!ok)
		postgres_catalog_disconnect(catalog);
	return ok;
}

/* --- the database --------------------------------------------------------------------------- */

static bool find_database(struct postgres *server, const char *name, bool *found, struct error *err)
{
	struct arena arena = { 0 };
	struct postgres_rows rows;
	const char *sql =
		arena_format(&arena, "SELECT 1 FROM pg_catalog.pg_database WHERE datname = %s",
			postgres_literal(&arena, name));
	const bool ok = postgres_query(server, sql, &rows, err);
	*found = ok && rows.count > 0;
	if (ok)
		postgres_rows_close(&rows);
	arena_deinit(&arena);
	return ok;
}

static bool create_database(
	struct postgres *server, const char *name, const char *user, struct error *err)
{
	struct arena arena = { 0 };
	const char *quoted = postgres_identifier(&arena, name);
	const char *sql = arena_format(&arena,
		"CREATE DATABASE %s TEMPLATE template0 ENCODING 'UTF8' LC_COLLATE 'C' LC_CTYPE 'C'",
		quoted);
	bool found;
	struct error ignored;
	bool ok = postgres_run(server, sql, err) ||
		  (find_database(server, name, &found, &ignored) && found); /* made by another */
	if (!ok) {
		error_context(err, "making the catalog's database \"%s\"", name);
		if (err->kind == ERROR_SETUP)
			error_hint(err,
				"Run CREATE DATABASE %s OWNER %s as an administrator of that "
				"server, or let the user make databases: ALTER ROLE %s CREATEDB.",
				quoted, user, user);
	}
	arena_deinit(&arena);
	return ok;
}

/* The first database there that lets the user in. */
static bool open_server(
	const struct postgres_catalog *catalog, struct postgres **out, struct error *err)
{
	static const char *const DATABASES[] = { "postgres", "template1" };
	for (size_t i = 0; i < sizeof DATABASES / sizeof *DATABASES; i++) {
		struct postgres_target target = catalog->target;
		target.database = DATABASES[i];
		if (postgres_open(&target, out, err))
			return true;
	}
	return false;
}

bool postgres_catalog_may_miss_database(
	const struct postgres_catalog *catalog, const struct error *failure)
{
	struct arena arena = { 0 };
	const char *name = postgres_url_part(catalog->target.url, "dbname", &arena);
	const bool may = (failure->kind == ERROR_SETUP || failure->kind == ERROR_LOST) &&
			 name != NULL && strstr(failure->text, name) != NULL;
	arena_deinit(&arena);
	return may;
}

bool postgres_catalog_make_database(
	const struct postgres_catalog *catalog, bool may_make, struct error *err)
{
	struct arena arena = { 0 };
	struct postgres *server;
	bool found = true;
	const char *name = postgres_url_part(catalog->target.url, "dbname", &arena);
	*err = (struct error){ 0 };
	if (name == NULL || !open_server(catalog, &server, err)) {
		arena_deinit(&arena);
		*err = (struct error){ 0 };
		return false;
	}
	bool ok = find_database(server, name, &found, err) && !found;
	if (ok && !may_make)
		ok = error_set(
			err, ERROR_MISSING, "there is no catalog \"%s\" yet", catalog->sql.place);
	else if (ok) {
		const char *user = postgres_identifier(&arena, PQuser(postgres_handle(server)));
		ok = create_database(server, name, user, err);
	}
	postgres_close(server);
	arena_deinit(&arena);
	return ok;
}

bool postgres_catalog_check_writable(struct postgres_catalog *catalog, struct error *err)
{
	struct postgres_rows rows;
	if (catalog->sql.is_read_only)
		return true;
	if (!postgres_query(catalog->connection,
		    "SELECT pg_is_in_recovery(), current_setting('transaction_read_only') = 'on'",
		    &rows, err))
		return false;
	const bool is_standby = postgres_bool(&rows, 0, 0);
	const bool is_read_only = postgres_bool(&rows, 0, 1);
	postgres_rows_close(&rows);
	if (!is_standby && !is_read_only)
		return true;
	error_set(err, ERROR_SETUP, "the catalog's database is read-only: %s",
		is_standby ? "its server is a standby" : "default_transaction_read_only is on");
	return error_hint(err, is_standby
				       ? "Name the primary in lake.catalog."
				       : "Run ALTER DATABASE ... SET default_transaction_read_only "
					 "= off, or use another database (lake.catalog).");
}
