#include "base/logline.h"
#include "source/postgres/postgres_internal.h"

#include <assert.h>
#include <libpq-fe.h>
#include <stdlib.h>

enum {
	CHUNK_SIZE_BYTES = 256 << 10,
	WAITING_REPORT_INTERVAL = 2 * 1000000, /* microseconds */
	WAITING_STOP_INTERVAL = 200 * 1000,    /* between two looks whether to go on */
	WAITING_QUERY_CHARACTERS = 60,
	TEMPORARY_NAME_SIZE = 64, /* NAMEDATALEN */
};

/*
 * The exporter made the slot; its session holds a temporary one, and asks the catalog as it is now.
 * The reader's transaction sees the rows as they were at the slot's point.
 */
struct postgres_snapshot {
	struct source_snapshot base;
	struct postgres *exporter;
	struct postgres *reader;
	bool is_copying;
	struct buffer chunk;
};

/* ---- the slot ---------------------------------------------------------------------------- */

static void log_waiting(const struct postgres_rows *rows, const char *slot_name)
{
	for (size_t i = 0; i < rows->count; i++) {
		const char *gid = postgres_text(rows, i, 1);
		logline_info("waiting for a transaction that is open on the server",
			LOG_TEXT("slot", slot_name),
			LOG_TEXT(gid != NULL ? "prepared" : "pid",
				gid != NULL ? gid : postgres_text(rows, i, 0)),
			LOG_TEXT("open_seconds", postgres_text(rows, i, 2)),
			LOG_TEXT("query", postgres_text(rows, i, 3)));
	}
}

/*
 * What the walsender waits for right now, and what it will wait for next: transactions with an
 * xid that are older than its command.  Prepared ones belong to no process.
 */
static bool report_waiting(struct postgres_source *source, struct postgres *exporter,
	const char *slot_name, int64_t waited, struct error *err)
{
	struct arena arena = { 0 };
	const char *sql = arena_format(&arena,
		"SELECT pid, NULL, extract(epoch FROM clock_timestamp() - xact_start)::bigint,"
		" left(regexp_replace(query, '\\s+', ' ', 'g'), %d)"
		" FROM pg_stat_activity WHERE pid = ANY (pg_blocking_pids(%d))"
		" OR (backend_xid IS NOT NULL AND backend_type <> 'walsender'"
		"  AND xact_start < clock_timestamp() - interval '%lld microseconds')"
		" UNION ALL SELECT NULL, gid,"
		" extract(epoch FROM clock_timestamp() - prepared)::bigint, ''"
		" FROM pg_prepared_xacts",
		WAITING_QUERY_CHARACTERS, postgres_backend_pid(exporter), (long long)waited);
	struct postgres_rows rows;
	const bool is_read = postgres_query(source->control, sql, &rows, err);
	arena_deinit(&arena);
	if (!is_read)
		return false;
	log_waiting(&rows, slot_name);
	postgres_rows_close(&rows);
	return true;
}

/* Waits for the answer of a command that was sent, and reports every two seconds on what for. */
static bool await_slot(struct postgres_source *source, struct postgres *exporter,
	const char *slot_name, struct error *err)
{
	PGconn *connection = postgres_handle(exporter);
	const int64_t started_at = world_monotonic(source->world);
	int64_t report_at = started_at + WAITING_REPORT_INTERVAL;
	while (PQisBusy(connection)) {
		bool is_readable;
		if (!postgres_wait(exporter, WAITING_STOP_INTERVAL, &is_readable, err))
			return false;
		if (source->base.is_stopped != NULL &&
			source->base.is_stopped(source->base.stop_context))
			return error_set(err, ERROR_LOST,
				"stopped while the server made slot \"%s\"", slot_name);
		if (is_readable && !PQconsumeInput(connection))
			return postgres_failed(exporter, NULL, err);
		const int64_t now = world_monotonic(source->world);
		if (is_readable || now < report_at)
			continue;
		report_at = now + WAITING_REPORT_INTERVAL;
		if (!report_waiting(source, exporter, slot_name, now - started_at, err))
			return false;
	}
	return true;
}

static const char *slot_command(const struct postgres_source *source, struct arena *arena,
	const char *name, bool is_temporary)
{
	return arena_format(arena, "CREATE_REPLICATION_SLOT %s%s LOGICAL pgoutput %s",
		postgres_identifier(arena, name), is_temporary ? " TEMPORARY" : "",
		postgres_server_version(source->control) >= 150000 ? "(SNAPSHOT 'export')"
								   : "EXPORT_SNAPSHOT");
}

/* slot_name | consistent_point | snapshot_name | output_plugin; the name goes into arena. */
static bool read_slot_answer(struct postgres *exporter, struct arena *arena, lsn_t *lsn,
	const char **snapshot_name, struct error *err)
{
	PGconn *connection = postgres_handle(exporter);
	PGresult *result = PQgetResult(connection);
	bool is_made = PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1 &&
		       PQnfields(result) >= 3;
	if (!is_made)
		postgres_failed(exporter, result, err);
	else if (!lsn_parse(PQgetvalue(result, 0, 1), lsn) || *lsn == 0)
		is_made = error_set(
			err, ERROR_CORRUPT, "the server does not say where the slot begins");
	else
		*snapshot_name = arena_copy_cstring(arena, PQgetvalue(result, 0, 2));
	PQclear(result);
	while ((result = PQgetResult(connection)) != NULL)
		PQclear(result);
	return is_made;
}

static bool make_slot(struct postgres_source *source, struct postgres_snapshot *snapshot,
	bool is_lake_slot, struct arena *arena, const char **snapshot_name, struct error *err)
{
	char temporary[TEMPORARY_NAME_SIZE];
	uint32_t random;
	world_random(source->world, &random, sizeof random);
	snprintf(temporary, sizeof temporary, "%s_%08x", source->options.slot_name, random);
	const char *name = is_lake_slot ? source->options.slot_name : temporary;

	const char *command = slot_command(source, arena, name, !is_lake_slot);
	if (!PQsendQuery(postgres_handle(snapshot->exporter), command))
		return postgres_failed(snapshot->exporter, NULL, err);
	return await_slot(source, snapshot->exporter, name, err) &&
	       read_slot_answer(snapshot->exporter, arena, &snapshot->base.lsn, snapshot_name, err);
}

static bool import_snapshot(struct postgres_snapshot *snapshot, struct arena *arena,
	const char *snapshot_name, struct error *err)
{
	const char *sql = arena_format(arena,
		"BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY; SET TRANSACTION SNAPSHOT %s;"
		"SET LOCAL lock_timeout = '10s'",
		postgres_literal(arena, snapshot_name));
	return postgres_run(snapshot->reader, sql, err);
}

static bool open_all(struct postgres_source *source, struct postgres_snapshot *snapshot,
	bool is_lake_slot, struct arena *arena, struct error *err)
{
	const struct postgres_target exporter = postgres_source_target(source, true);
	const struct postgres_target reader = postgres_source_target(source, false);
	const char *snapshot_name = "";
	return postgres_open(&exporter, &snapshot->exporter, err) &&
	       make_slot(source, snapshot, is_lake_slot, arena, &snapshot_name, err) &&
	       postgres_open(&reader, &snapshot->reader, err) &&
	       import_snapshot(snapshot, arena, snapshot_name, err);
}

/* ---- one table --------------------------------------------------------------------------- */

/* Ends a COPY that is under way, and gives back the table's lock. */
static bool leave_table(struct postgres_snapshot *snapshot, struct error *err)
{
	PGconn *connection = postgres_handle(snapshot->reader);
	if (snapshot->is_copying) {
		postgres_cancel(snapshot->reader);
		char *row;
		while (PQgetCopyData(connection, &row, 0) > 0)
			PQfreemem(row);
	}
	snapshot->is_copying = false;
	PGresult *result;
	while ((result = PQgetResult(connection)) != NULL)
		PQclear(result);
	static const char back[] = "ROLLBACK TO SAVEPOINT table_read; RELEASE table_read";
	if (postgres_run(snapshot->reader, back, err))
		return true;
	/* A cancel that came after the end of its COPY hits the command that follows. */
	return err->kind == ERROR_BUSY && postgres_run(snapshot->reader, back, err);
}

static bool columns_differ(const struct relation *relation, const struct postgres_rows *rows)
{
	if (rows->count != relation->column_count)
		return true;
	for (size_t i = 0; i < rows->count; i++) {
		const struct relation_column *column = &relation->columns[i];
		if (strcmp(postgres_text(rows, i, 1), column->name) != 0 ||
			(uint32_t)postgres_int64(rows, i, 2) != column->type_oid ||
			(int32_t)postgres_int64(rows, i, 3) != column->type_modifier ||
			(column->is_required && !postgres_bool(rows, i, 4)))
			return true;
	}
	return false;
}

/*
 * The table as it is now, under the reader's lock: after TRUNCATE or a rewriting ALTER TABLE the
 * snapshot would see it empty, after any other ALTER TABLE its columns mean something else.  Asked
 * for on the exporter's connection, because the reader's catalog is that of the snapshot.
 */
static bool check_unchanged(struct postgres_snapshot *snapshot, const struct relation *relation,
	struct arena *arena, struct error *err)
{
	const char *name = postgres_literal(
		arena, postgres_qualified(arena, relation->namespace_name, relation->name));
	const char *sql = arena_format(arena,
		"SELECT pg_relation_filenode(c.oid), a.attname, a.atttypid, a.atttypmod,"
		" a.attnotnull FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid"
		" WHERE c.oid = to_regclass(%s) AND c.oid = %u AND a.attnum > 0"
		" AND NOT a.attisdropped AND a.attgenerated = '' ORDER BY a.attnum",
		name, relation->oid);
	struct postgres_rows rows;
	if (!postgres_query(snapshot->exporter, sql, &rows, err))
		return false;
	bool is_unchanged = true;
	if (rows.count == 0)
		is_unchanged = error_set(err, ERROR_MISSING,
			"the table was dropped or renamed since it was first looked at");
	else if ((uint32_t)postgres_int64(&rows, 0, 0) != relation->filenode)
		is_unchanged = error_set(err, ERROR_CONFLICT,
			"the table was truncated or rewritten since it was first looked at");
	else if (columns_differ(relation, &rows))
		is_unchanged = error_set(err, ERROR_CONFLICT,
			"the table's columns were changed since it was first looked at");
	postgres_rows_close(&rows);
	return is_unchanged;
}

static const char *copy_command(const struct relation *relation, struct arena *arena)
{
	struct buffer columns = { 0 };
	for (size_t i = 0; i < relation->column_count; i++)
		buffer_append_format(&columns, "%s%s", i ? ", " : "",
			postgres_identifier(arena, relation->columns[i].name));
	const char *command =
		arena_format(arena, "COPY (SELECT %.*s FROM ONLY %s) TO STDOUT (FORMAT binary)",
			(int)columns.size, (const char *)columns.data,
			postgres_qualified(arena, relation->namespace_name, relation->name));
	buffer_deinit(&columns);
	return command;
}

static bool begin_copy(struct postgres_snapshot *snapshot, const char *command, struct error *err)
{
	PGresult *result = PQexec(postgres_handle(snapshot->reader), command);
	snapshot->is_copying = PQresultStatus(result) == PGRES_COPY_OUT;
	if (!snapshot->is_copying)
		postgres_failed(snapshot->reader, result, err);
	PQclear(result);
	return snapshot->is_copying;
}

static bool lock_table(struct postgres_snapshot *snapshot, const struct relation *relation,
	struct arena *arena, struct error *err)
{
	const char *sql = arena_format(arena, "LOCK TABLE ONLY %s IN ACCESS SHARE MODE",
		postgres_qualified(arena, relation->namespace_name, relation->name));
	return postgres_run(snapshot->reader, sql, err);
}

static bool postgres_snapshot_open_table(
	struct source_snapshot *base, const struct relation *relation, struct error *err)
{
	struct postgres_snapshot *snapshot = (struct postgres_snapshot *)base;
	if (snapshot->is_copying && !leave_table(snapshot, err))
		return false;
	if (!postgres_run(snapshot->reader, "SAVEPOINT table_read", err))
		return false;
	struct arena arena = { 0 };
	const bool is_open = lock_table(snapshot, relation, &arena, err) &&
			     check_unchanged(snapshot, relation, &arena, err) &&
			     begin_copy(snapshot, copy_command(relation, &arena), err);
	arena_deinit(&arena);
	struct error lost;
	if (!is_open && err->kind != ERROR_LOST && !leave_table(snapshot, &lost))
		*err = lost;
	return is_open;
}

/* The server's last word on a COPY whose rows have all come. */
static bool end_copy(struct postgres_snapshot *snapshot, struct error *err)
{
	PGresult *result = PQgetResult(postgres_handle(snapshot->reader));
	const bool is_whole = PQresultStatus(result) == PGRES_COMMAND_OK;
	if (!is_whole)
		postgres_failed(snapshot->reader, result, err);
	PQclear(result);
	snapshot->is_copying = false;
	struct error lost;
	const bool is_left = leave_table(snapshot, is_whole ? err : &lost);
	return is_whole && is_left;
}

static bool postgres_snapshot_next(
	struct source_snapshot *base, struct bytes *chunk, struct error *err)
{
	struct postgres_snapshot *snapshot = (struct postgres_snapshot *)base;
	PGconn *connection = postgres_handle(snapshot->reader);
	buffer_reset(&snapshot->chunk);
	while (snapshot->is_copying && snapshot->chunk.size < CHUNK_SIZE_BYTES) {
		char *row = NULL;
		const int size = PQgetCopyData(connection, &row, 0);
		if (size > 0)
			buffer_append(&snapshot->chunk, row, (size_t)size);
		PQfreemem(row);
		if (size == -2)
			return postgres_failed(snapshot->reader, NULL, err);
		if (size == -1 && !end_copy(snapshot, err))
			return false;
	}
	*chunk = buffer_bytes(&snapshot->chunk);
	return true;
}

static void postgres_snapshot_close(struct source_snapshot *base)
{
	struct postgres_snapshot *snapshot = (struct postgres_snapshot *)base;
	if (snapshot->is_copying)
		postgres_cancel(snapshot->reader);
	postgres_close(snapshot->reader);
	postgres_close(snapshot->exporter);
	buffer_deinit(&snapshot->chunk);
	free(snapshot);
}

bool postgres_source_open_snapshot(
	struct source *base, bool is_lake_slot, struct source_snapshot **out, struct error *err)
{
	static const struct source_snapshot_ops ops = {
		.open_table = postgres_snapshot_open_table,
		.next = postgres_snapshot_next,
		.close = postgres_snapshot_close,
	};
	struct postgres_source *source = postgres_source_of(base);
	struct postgres_snapshot *snapshot = memory_allocate(1, sizeof *snapshot);
	snapshot->base.ops = &ops;
	struct arena arena = { 0 };
	const bool is_open = open_all(source, snapshot, is_lake_slot, &arena, err);
	arena_deinit(&arena);
	if (!is_open) {
		if (snapshot->exporter != NULL)
			postgres_cancel(snapshot->exporter); /* it may still wait */
		postgres_snapshot_close(&snapshot->base);
		return false;
	}
	*out = &snapshot->base;
	return true;
}
