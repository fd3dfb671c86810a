#include "source/postgres/postgres_internal.h"

#include <stdlib.h>

enum {
	SLOT_NAME_SIZE_MAX = 63 - 9, /* NAMEDATALEN less the suffix of a temporary slot */
	VERSION_MIN = 140000,        /* of pgoutput's protocol 2 */
	REPLY_INTERVAL_MAX = 10 * 1000000,
	REPLY_INTERVAL_MIN = 50 * MICROS_PER_MILLI,
	REPLIES_PER_TIMEOUT = 3,
};

bool postgres_source_wants(
	const struct postgres_options *options, const char *schema, const char *name)
{
	for (size_t i = 0; i < options->table_count; i++)
		if (source_pattern_names(options->tables[i], schema, name))
			return true;
	return options->table_count == 0;
}

/* ---- checks ------------------------------------------------------------------------------ */

static bool check_options(const struct postgres_options *options, struct error *err)
{
	const char *name = options->slot_name;
	if (strspn(name, "abcdefghijklmnopqrstuvwxyz0123456789_") != strlen(name) ||
		name[0] == '\0' || strlen(name) > SLOT_NAME_SIZE_MAX) {
		error_set(err, ERROR_SETUP, "\"%.80s\" cannot name a replication slot", name);
		return error_hint(err,
			"Use at most %d lower-case letters, digits and underscores in source.slot.",
			SLOT_NAME_SIZE_MAX);
	}
	for (size_t i = 0; i < options->table_count; i++) {
		if (strchr(options->tables[i], '.') != NULL)
			continue;
		error_set(err, ERROR_SETUP, "\"%.80s\" in source.tables names no schema",
			options->tables[i]);
		return error_hint(err, "Write it as schema.table, for instance public.%.80s.",
			options->tables[i]);
	}
	return true;
}

/* What the server must offer; columns of the query in check_server(). */
struct server_facts {
	const char *wal_level;
	bool is_standby;
	bool may_replicate;
	bool has_slot;
	int64_t slot_count;
	int64_t slots_max;
	int64_t senders_max;
};

static bool check_facts(
	const struct postgres_source *source, const struct server_facts *facts, struct error *err)
{
	const char *slot = source->options.slot_name;
	const int version = postgres_server_version(source->control);
	if (version < VERSION_MIN) {
		error_set(err, ERROR_UNSUPPORTED, "the server is PostgreSQL %d", version / 10000);
		return error_hint(err, "PostgreSQL 14 and later can stream what walberg reads.");
	}
	if (facts->is_standby) {
		error_set(err, ERROR_UNSUPPORTED, "the server is a standby");
		return error_hint(err, "Let source.url name the primary server.");
	}
	if (strcmp(facts->wal_level, "logical") != 0) {
		error_set(err, ERROR_SETUP,
			"replication slot \"%s\" cannot be used: wal_level is \"%s\"", slot,
			facts->wal_level);
		return error_hint(
			err, "Set wal_level = logical in postgresql.conf and restart PostgreSQL.");
	}
	if (!facts->may_replicate) {
		error_set(err, ERROR_SETUP, "role \"%s\" may not replicate", source->role);
		return error_hint(
			err, "Run as a superuser: ALTER ROLE \"%s\" REPLICATION;", source->role);
	}
	if (facts->senders_max == 0) {
		error_set(err, ERROR_SETUP, "the server sends no WAL: max_wal_senders is 0");
		return error_hint(
			err, "Set max_wal_senders = 10 in postgresql.conf and restart PostgreSQL.");
	}
	if (!facts->has_slot && facts->slot_count >= facts->slots_max) {
		error_set(err, ERROR_SETUP,
			"replication slot \"%s\" cannot be made: all %lld slots are in use", slot,
			(long long)facts->slots_max);
		return error_hint(err,
			"Raise max_replication_slots and restart PostgreSQL, or drop a slot that "
			"pg_replication_slots shows as unused.");
	}
	return true;
}

static micros_t reply_interval(int64_t wal_sender_timeout_ms)
{
	const micros_t third = wal_sender_timeout_ms * MICROS_PER_MILLI / REPLIES_PER_TIMEOUT;
	if (third == 0 || third > REPLY_INTERVAL_MAX)
		return REPLY_INTERVAL_MAX;
	return third < REPLY_INTERVAL_MIN ? REPLY_INTERVAL_MIN : third;
}

static bool check_server(struct postgres_source *source, struct error *err)
{
	const char *sql = arena_format(&source->arena,
		"SELECT current_user, current_database(), current_setting('wal_level'),"
		" pg_is_in_recovery(),"
		" (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user),"
		" EXISTS (SELECT FROM pg_replication_slots WHERE slot_name = %s),"
		" (SELECT count(*) FROM pg_replication_slots),"
		" current_setting('max_replication_slots'), current_setting('max_wal_senders'),"
		" (SELECT setting FROM pg_settings WHERE name = 'wal_sender_timeout')",
		postgres_literal(&source->arena, source->options.slot_name));
	struct postgres_rows rows;
	if (!postgres_query(source->control, sql, &rows, err))
		return false;
	source->role = arena_copy_cstring(&source->arena, postgres_text(&rows, 0, 0));
	source->database = arena_copy_cstring(&source->arena, postgres_text(&rows, 0, 1));
	const struct server_facts facts = {
		.wal_level = postgres_text(&rows, 0, 2),
		.is_standby = postgres_bool(&rows, 0, 3),
		.may_replicate = postgres_bool(&rows, 0, 4),
		.has_slot = postgres_bool(&rows, 0, 5),
		.slot_count = postgres_int64(&rows, 0, 6),
		.slots_max = postgres_int64(&rows, 0, 7),
		.senders_max = postgres_int64(&rows, 0, 8),
	};
	source->stream.reply_interval = reply_interval(postgres_int64(&rows, 0, 9));
	const bool is_fit = check_facts(source, &facts, err);
	postgres_rows_close(&rows);
	return is_fit;
}

/* IDENTIFY_SYSTEM: systemid | timeline | xlogpos | dbname */
static bool identify(struct postgres_source *source, struct error *err)
{
	struct postgres_rows rows;
	if (!postgres_query(source->stream.walsender, "IDENTIFY_SYSTEM", &rows, err))
		return false;
	source->system_identifier = arena_copy_cstring(&source->arena, postgres_text(&rows, 0, 0));
	source->timeline = postgres_int64(&rows, 0, 1);
	postgres_rows_close(&rows);
	return true;
}

/* Of the slot that has the lake's name; plugin and database are NULL of a physical one. */
static bool check_slot(const struct postgres_source *source, const char *plugin,
	const char *database, struct error *err)
{
	const char *slot = source->options.slot_name;
	if (plugin == NULL || strcmp(plugin, "pgoutput") != 0) {
		error_set(err, ERROR_SETUP,
			"replication slot \"%s\" belongs to something else: its plugin is %s", slot,
			plugin != NULL ? plugin : "none");
		return error_hint(err,
			"Give this lake another name for its slot (source.slot), before it is "
			"filled.");
	}
	if (strcmp(database, source->database) == 0)
		return true;
	error_set(err, ERROR_SETUP,
		"this lake's replication slot \"%s\" is one of database \"%s\", and the "
		"connection is to \"%s\"",
		slot, database, source->database);
	return error_hint(err,
		"Connect to \"%s\" if this lake was filled from it; else use another lake "
		"(--lake), or for a new one another source.slot.",
		database);
}

bool postgres_source_find_slot(
	struct postgres_source *source, struct postgres_slot *out, struct error *err)
{
	*out = (struct postgres_slot){ 0 };
	struct arena arena = { 0 };
	const char *sql = arena_format(&arena,
		"SELECT plugin, database, active, active_pid, wal_status = 'lost'%s,"
		" confirmed_flush_lsn, restart_lsn FROM pg_replication_slots WHERE slot_name = %s",
		postgres_server_version(source->control) >= 170000
			? " OR invalidation_reason IS NOT NULL"
			: "",
		postgres_literal(&arena, source->options.slot_name));
	struct postgres_rows rows;
	const bool is_read = postgres_query(source->control, sql, &rows, err);
	arena_deinit(&arena);
	if (!is_read)
		return false;
	bool is_ours = true;
	if (rows.count == 1) {
		const char *plugin = postgres_text(&rows, 0, 0);
		const char *database = postgres_text(&rows, 0, 1);
		const char *confirmed = postgres_text(&rows, 0, 5);
		const char *restart = postgres_text(&rows, 0, 6);
		is_ours = check_slot(source, plugin, database, err);
		out->exists = true;
		out->is_active = postgres_bool(&rows, 0, 2);
		out->active_pid = postgres_int64(&rows, 0, 3);
		out->is_lost = postgres_bool(&rows, 0, 4);
		if (confirmed != NULL && !lsn_parse(confirmed, &out->confirmed_lsn))
			out->confirmed_lsn = 0;
		if (restart != NULL && !lsn_parse(restart, &out->restart_lsn))
			out->restart_lsn = 0;
	}
	postgres_rows_close(&rows);
	return is_ours;
}

/* ---- life -------------------------------------------------------------------------------- */

static void postgres_source_close(struct source *base)
{
	struct postgres_source *source = postgres_source_of(base);
	postgres_stream_end(&source->stream);
	postgres_close(source->control);
	arena_deinit(&source->arena);
	free(source);
}

static const char *copy_or_null(struct arena *arena, const char *text)
{
	return text != NULL ? arena_copy_cstring(arena, text) : NULL;
}

static void copy_options(struct postgres_source *source, const struct postgres_options *options)
{
	struct arena *arena = &source->arena;
	const char **tables = arena_array(arena, const char *, options->table_count);
	for (size_t i = 0; i < options->table_count; i++)
		tables[i] = arena_copy_cstring(arena, options->tables[i]);
	source->options = (struct postgres_options){
		.url = arena_copy_cstring(arena, options->url),
		.user = copy_or_null(arena, options->user),
		.password = copy_or_null(arena, options->password),
		.slot_name = arena_copy_cstring(arena, options->slot_name),
		.publication_name = arena_copy_cstring(arena, options->publication_name),
		.append_publication_name =
			arena_copy_cstring(arena, options->append_publication_name),
		.tables = tables,
		.table_count = options->table_count,
		.connect_timeout = options->connect_timeout,
		.answer_timeout = options->answer_timeout,
	};
}

static bool connect_both(struct postgres_source *source, struct error *err)
{
	const struct postgres_target control = postgres_source_prompt_target(source, false);
	const struct postgres_target walsender = postgres_source_prompt_target(source, true);
	return postgres_open(&control, &source->control, err) && check_server(source, err) &&
	       postgres_open(&walsender, &source->stream.walsender, err) && identify(source, err);
}

bool source_postgres_open(struct world *world, const struct postgres_options *options,
	struct source **out, struct error *err)
{
	static const struct source_ops ops = {
		.inspect = postgres_source_inspect,
		.publish = postgres_source_publish,
		.open_snapshot = postgres_source_open_snapshot,
		.start = postgres_source_start,
		.receive = postgres_source_receive,
		.confirm = postgres_source_confirm,
		.drop = postgres_source_drop,
		.close = postgres_source_close,
	};
	*out = NULL;
	if (!check_options(options, err))
		return false;
	struct postgres_source *source = memory_allocate(1, sizeof *source);
	source->base.ops = &ops;
	source->world = world;
	copy_options(source, options);
	if (!connect_both(source, err)) {
		postgres_source_close(&source->base);
		return error_context(err, "connecting to the source");
	}
	*out = &source->base;
	return true;
}
