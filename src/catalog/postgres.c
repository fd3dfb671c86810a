/*
 * The SQL catalog in a PostgreSQL database.
 *
 * I2 rests on conditional changes under READ COMMITTED: one that meets a row which another
 * transaction is changing waits for it, and looks at the condition again.
 *
 * I4: the answer to COMMIT is lost with the connection.  Then the server's process of that
 * connection may still be committing, so what others read is not final before it has ended: the
 * next connection sees to that first (postgres_connect.c).
 */
#include "catalog/postgres_internal.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>

enum {
	NUMBER_TEXT_SIZE = 24,
	TEXT_OID = 25,
	NUMBER_OID = 20, /* int8 */
	/* So few that neither side waits for the other to read. */
	STEPS_AT_ONCE = 64,
};

static PGconn *connection_of(const struct postgres_catalog *catalog)
{
	return postgres_handle(catalog->connection);
}

/* --- statements ----------------------------------------------------------------------------- */

struct bound { /* a statement's parameters as libpq wants them */
	int count;
	Oid types[PARAMETERS_MAX];
	const char *values[PARAMETERS_MAX];
	char numbers[PARAMETERS_MAX][NUMBER_TEXT_SIZE];
};

static void bind(const struct postgres_catalog *catalog, enum statement which,
	const struct parameter *parameters, size_t count, struct bound *out)
{
	assert(count < PARAMETERS_MAX);
	out->count = 0;
	if (strstr(sql_statement_text(&catalog->sql, which), "?1") == NULL)
		return;
	out->types[0] = TEXT_OID;
	out->values[0] = catalog->sql.name;
	for (size_t i = 0; i < count; i++) {
		const bool is_text = parameters[i].text != NULL;
		out->types[i + 1] = is_text ? TEXT_OID : NUMBER_OID;
		out->values[i + 1] = is_text ? parameters[i].text : out->numbers[i + 1];
		if (!is_text)
			snprintf(out->numbers[i + 1], NUMBER_TEXT_SIZE, "%lld",
				(long long)parameters[i].number);
	}
	out->count = (int)count + 1;
}

static void statement_name(enum statement which, char out[static NUMBER_TEXT_SIZE])
{
	snprintf(out, NUMBER_TEXT_SIZE, "walberg_%d", (int)which);
}

/* The result of what was sent first, and the NULL behind it. */
static PGresult *take_result(struct postgres_catalog *catalog)
{
	PGresult *result = postgres_next_result(catalog->connection);
	if (result != NULL && PQresultStatus(result) != PGRES_PIPELINE_SYNC)
		PQclear(postgres_next_result(catalog->connection));
	return result;
}

static bool prepare(struct postgres_catalog *catalog, enum statement which,
	const struct bound *bound, struct error *err)
{
	if (catalog->is_prepared[which])
		return true;
	struct arena arena = { 0 };
	char name[NUMBER_TEXT_SIZE];
	statement_name(which, name);
	char *text = arena_copy_cstring(&arena, sql_statement_text(&catalog->sql, which));
	for (char *mark = text; (mark = strchr(mark, '?')) != NULL;)
		*mark = '$';
	const bool is_sent =
		PQsendPrepare(connection_of(catalog), name, text, bound->count, bound->types) == 1;
	PGresult *result = is_sent ? take_result(catalog) : NULL;
	arena_deinit(&arena);
	catalog->is_prepared[which] = PQresultStatus(result) == PGRES_COMMAND_OK;
	const bool ok = catalog->is_prepared[which] || postgres_catalog_fail(catalog, result, err);
	PQclear(result);
	return ok;
}

static bool send_prepared(
	struct postgres_catalog *catalog, enum statement which, const struct bound *bound)
{
	char name[NUMBER_TEXT_SIZE];
	statement_name(which, name);
	return PQsendQueryPrepared(connection_of(catalog), name, bound->count, bound->values, NULL,
		       NULL, 0) == 1;
}

static void forget_rows(struct postgres_catalog *catalog)
{
	PQclear(catalog->result);
	catalog->result = NULL;
}

static bool postgres_start(struct sql_catalog *sql, enum statement which,
	const struct parameter *parameters, size_t count, struct error *err)
{
	struct postgres_catalog *catalog = postgres_catalog_of(sql);
	struct bound bound;
	forget_rows(catalog);
	bind(catalog, which, parameters, count, &bound);
	if (!prepare(catalog, which, &bound, err))
		return false;
	if (send_prepared(catalog, which, &bound))
		catalog->result = take_result(catalog);
	catalog->next_row = 0;
	const ExecStatusType status = PQresultStatus(catalog->result);
	return status == PGRES_TUPLES_OK || status == PGRES_COMMAND_OK ||
	       postgres_catalog_fail(catalog, catalog->result, err);
}

static bool postgres_next(struct sql_catalog *sql, bool *found, struct error *err)
{
	(void)err;
	struct postgres_catalog *catalog = postgres_catalog_of(sql);
	*found = catalog->next_row < PQntuples(catalog->result);
	catalog->next_row++;
	if (!*found)
		forget_rows(catalog);
	return true;
}

static const char *value(const struct postgres_catalog *catalog, int column)
{
	return PQgetvalue(catalog->result, catalog->next_row - 1, column); /* "" for NULL */
}

static int64_t postgres_number(struct sql_catalog *sql, int column)
{
	return strtoll(value(postgres_catalog_of(sql), column), NULL, 10);
}

static const char *postgres_column_text(struct sql_catalog *sql, int column, struct arena *arena)
{
	return arena_copy_cstring(arena, value(postgres_catalog_of(sql), column));
}

static bool postgres_run_text(struct sql_catalog *sql, const char *text, struct error *err)
{
	struct postgres_catalog *catalog = postgres_catalog_of(sql);
	PGresult *result = postgres_execute(catalog->connection, text);
	const ExecStatusType status = PQresultStatus(result);
	const bool ok = status == PGRES_COMMAND_OK || status == PGRES_TUPLES_OK ||
			postgres_catalog_fail(catalog, result, err);
	PQclear(result);
	return ok;
}

/* --- changes, sent together ----------------------------------------------------------------- */

static bool send_step(struct postgres_catalog *catalog, const struct sql_step *step)
{
	struct bound bound;
	bind(catalog, step->which, step->parameters, step->count, &bound);
	return send_prepared(catalog, step->which, &bound);
}

/* A step that was refused makes void whatever comes behind it. */
static bool take_results(struct postgres_catalog *catalog, const struct sql_step *steps,
	size_t count, size_t *refused, struct error *err)
{
	PGconn *connection = connection_of(catalog);
	PGresult *failed = NULL;
	for (size_t i = 0; i < count; i++) {
		PGresult *result = take_result(catalog);
		const bool ok = PQresultStatus(result) == PGRES_COMMAND_OK;
		if (ok && steps[i].is_conditional && *refused == SIZE_MAX &&
			strcmp(PQcmdTuples(result), "1") != 0)
			*refused = i;
		if (!ok && *refused == SIZE_MAX && failed == NULL)
			failed = result;
		else
			PQclear(result);
	}
	PQclear(take_result(catalog)); /* of the synchronisation */
	const bool is_whole = PQexitPipelineMode(connection) == 1;
	if (failed == NULL && is_whole)
		return true;
	if (*refused != SIZE_MAX && PQstatus(connection) == CONNECTION_OK)
		return true; /* and what failed behind it does not matter */
	*refused = SIZE_MAX;
	postgres_catalog_fail(catalog, failed, err);
	PQclear(failed);
	return false;
}

static bool run_together(struct postgres_catalog *catalog, const struct sql_step *steps,
	size_t count, size_t *refused, struct error *err)
{
	for (size_t i = 0; i < count; i++) {
		struct bound bound;
		bind(catalog, steps[i].which, steps[i].parameters, steps[i].count, &bound);
		if (!prepare(catalog, steps[i].which, &bound, err))
			return false;
	}
	PGconn *connection = connection_of(catalog);
	if (PQenterPipelineMode(connection) != 1)
		return postgres_catalog_fail(catalog, NULL, err);
	bool is_sent = true;
	for (size_t i = 0; is_sent && i < count; i++)
		is_sent = send_step(catalog, &steps[i]);
	if (!is_sent || PQpipelineSync(connection) != 1)
		return postgres_catalog_fail(catalog, NULL, err);
	return take_results(catalog, steps, count, refused, err);
}

static bool postgres_run_steps(struct sql_catalog *sql, const struct sql_step *steps, size_t count,
	size_t *refused, struct error *err)
{
	for (size_t done = 0; done < count; done += STEPS_AT_ONCE) {
		const size_t more = count - done < STEPS_AT_ONCE ? count - done : STEPS_AT_ONCE;
		if (!run_together(postgres_catalog_of(sql), steps + done, more, refused, err))
			return false;
		if (*refused != SIZE_MAX) {
			*refused += done;
			return true;
		}
	}
	return true;
}

/* --- transactions --------------------------------------------------------------------------- */

static bool begin(struct sql_catalog *sql, const char *text, struct error *err)
{
	return postgres_catalog_connect(postgres_catalog_of(sql), err) &&
	       postgres_run_text(sql, text, err);
}

static bool postgres_begin(struct sql_catalog *sql, struct error *err)
{
	return begin(sql, "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY", err);
}

/* Two processes that make the tables at the same time would both find none. */
static bool postgres_begin_write(struct sql_catalog *sql, struct error *err)
{
	return begin(sql, "BEGIN ISOLATION LEVEL READ COMMITTED", err) &&
	       (sql->has_tables ||
		       postgres_run_text(sql,
			       "SELECT pg_advisory_xact_lock(hashtext('walberg_format'))", err));
}

static void postgres_rollback(struct sql_catalog *sql)
{
	struct postgres_catalog *catalog = postgres_catalog_of(sql);
	struct error ignored; /* a connection that fails here is opened again */
	forget_rows(catalog);
	if (catalog->connection != NULL &&
		PQtransactionStatus(connection_of(catalog)) != PQTRANS_IDLE &&
		!postgres_run_text(sql, "ROLLBACK", &ignored))
		postgres_catalog_disconnect(catalog);
}

/* An error that leaves the session in order was before the commit record; any other end, not. */
static bool is_answer(const struct postgres_catalog *catalog, const PGresult *result)
{
	const char *severity = PQresultErrorField(result, PG_DIAG_SEVERITY_NONLOCALIZED);
	return severity != NULL && strcmp(severity, "ERROR") == 0 &&
	       PQstatus(connection_of(catalog)) == CONNECTION_OK &&
	       PQtransactionStatus(connection_of(catalog)) == PQTRANS_IDLE;
}

static bool postgres_commit(struct sql_catalog *sql, struct error *err)
{
	struct postgres_catalog *catalog = postgres_catalog_of(sql);
	PGresult *result = postgres_execute(catalog->connection, "COMMIT");
	bool ok = false;
	if (PQresultStatus(result) == PGRES_COMMAND_OK) {
		ok = strcmp(PQcmdStatus(result), "COMMIT") == 0 ||
		     error_set(err, ERROR_BUSY, "PostgreSQL rolled the transaction back");
	} else if (is_answer(catalog, result)) {
		postgres_catalog_fail(catalog, result, err);
	} else {
		postgres_catalog_fail(catalog, result, err);
		err->kind = ERROR_UNCERTAIN;
		err->hint[0] = '\0';
		postgres_catalog_disconnect(catalog);
	}
	PQclear(result);
	return ok;
}

/* --- life ----------------------------------------------------------------------------------- */

static bool postgres_lock(struct sql_catalog *sql, struct error *err)
{
	struct postgres_catalog *catalog = postgres_catalog_of(sql);
	if (!catalog->wants_lock)
		postgres_catalog_disconnect(catalog);
	catalog->wants_lock = true;
	return postgres_catalog_connect(catalog, err);
}

static void postgres_catalog_close(struct sql_catalog *sql)
{
	struct postgres_catalog *catalog = postgres_catalog_of(sql);
	forget_rows(catalog);
	postgres_close(catalog->connection);
	arena_deinit(&catalog->arena);
	sql_catalog_deinit(sql);
	free(catalog);
}

static bool open_database(struct postgres_catalog *catalog, bool may_make, struct error *err)
{
	if (postgres_catalog_connect(catalog, err))
		return true;
	const struct error first = *err;
	if (!postgres_catalog_may_miss_database(catalog, &first))
		return false;
	if (postgres_catalog_make_database(catalog, may_make, err))
		return postgres_catalog_connect(catalog, err);
	if (err->kind == ERROR_NONE)
		*err = first;
	return false;
}

static const char *const TEXTS[STATEMENT_COUNT] = {
	/* to_regclass() would not see a table that was made since the transaction began. */
	[SQL_FIND_TABLES] = "SELECT 1 FROM pg_class WHERE relname = 'walberg_format' AND "
			    "relkind = 'r' AND pg_table_is_visible(oid)",
	[SQL_FIND_TYPE_COLUMN] =
		"SELECT 1 FROM pg_attribute JOIN pg_class ON attrelid = pg_class.oid WHERE "
		"relname = 'iceberg_tables' AND pg_table_is_visible(pg_class.oid) AND "
		"attname = 'iceberg_type' AND NOT attisdropped",
};

static const struct sql_driver DRIVER = {
	.scheme = "postgresql",
	.texts = TEXTS,
	.words = { "TEXT COLLATE \"C\"", "BIGINT",
		"BIGINT GENERATED BY DEFAULT AS IDENTITY PRIMARY KEY", "" },
	.begin = postgres_begin,
	.begin_write = postgres_begin_write,
	.commit = postgres_commit,
	.rollback = postgres_rollback,
	.start = postgres_start,
	.next = postgres_next,
	.number = postgres_number,
	.text = postgres_column_text,
	.run = postgres_run_steps,
	.execute = postgres_run_text,
	.lock = postgres_lock,
	.close = postgres_catalog_close,
};

bool catalog_postgres_open(
	const struct postgres_catalog_options *options, struct catalog **out, struct error *err)
{
	*out = NULL;
	struct postgres_catalog *catalog = memory_allocate(1, sizeof *catalog);
	struct sql_catalog *sql = &catalog->sql;
	catalog->target = postgres_copy_target(&options->target, &catalog->arena);
	catalog->busy_timeout_ms = options->busy_timeout_ms;
	sql_catalog_init(sql, &DRIVER, postgres_place(&catalog->target, &catalog->arena),
		options->catalog_name, options->is_read_only);
	if (!open_database(catalog, !options->is_read_only, err) ||
		!postgres_catalog_check_writable(catalog, err) || !sql_prepare_schema(sql, err)) {
		error_context(err, "opening the catalog \"%s\"", sql->place);
		postgres_catalog_close(sql);
		return false;
	}
	*out = &sql->base;
	return true;
}
