/*
 * What a server offers, whether it is enough or not: opening a source stops at the first thing that
 * is missing.
 */
#include "source/postgres/postgres_internal.h"

enum fact {
	FACT_VERSION,
	FACT_ROLE,
	FACT_DATABASE,
	FACT_IS_STANDBY,
	FACT_MAY_REPLICATE,
	FACT_MAY_CREATE,
	FACT_WAL_LEVEL,
	FACT_SLOTS_MAX,
	FACT_SLOTS_USED,
	FACT_SENDERS_MAX,
	FACT_SENDERS_USED,
	FACT_SLOT_KEEP_MB,
	FACT_IDLE_TIMEOUT,
	FACT_HAS_TLS,
	FACT_IS_LOCAL,
	FACT_HAS_SLOT,
	FACT_SLOT_STATUS,
	FACT_SLOT_HELD,
	FACT_SLOT_ROOM,
};

/* Settings that a version does not have are NULL. */
#define FACTS_SQL                                                                                  \
	"SELECT current_setting('server_version'), current_user, current_database(),"              \
	" pg_is_in_recovery(),"                                                                    \
	" (SELECT rolsuper OR rolreplication FROM pg_roles WHERE rolname = current_user),"         \
	" has_database_privilege(current_database(), 'CREATE'), current_setting('wal_level'),"     \
	" current_setting('max_replication_slots'),"                                               \
	" (SELECT count(*) FROM pg_replication_slots), current_setting('max_wal_senders'),"        \
	" (SELECT count(*) FROM pg_stat_activity WHERE backend_type = 'walsender'),"               \
	" (SELECT setting FROM pg_settings WHERE name = 'max_slot_wal_keep_size'),"                \
	" (SELECT setting FROM pg_settings WHERE name = 'idle_replication_slot_timeout'),"         \
	" (SELECT ssl FROM pg_stat_ssl WHERE pid = pg_backend_pid()),"                             \
	" coalesce(inet_client_addr() <<= '127.0.0.0/8' OR inet_client_addr() = '::1', true),"     \
	" s.slot_name IS NOT NULL, s.wal_status,"                                                  \
	" pg_wal_lsn_diff(CASE WHEN pg_is_in_recovery() THEN pg_last_wal_replay_lsn()"             \
	"  ELSE pg_current_wal_flush_lsn() END, s.restart_lsn)::bigint, s.safe_wal_size"           \
	" FROM (VALUES (1)) one LEFT JOIN pg_replication_slots s ON s.slot_name = %s"

static void take_facts(
	const struct postgres_rows *rows, struct arena *arena, struct postgres_facts *out)
{
	const char *status = postgres_text(rows, 0, FACT_SLOT_STATUS);
	const int64_t keep_mb = postgres_int64(rows, 0, FACT_SLOT_KEEP_MB);
	out->version_text = arena_copy_cstring(arena, postgres_text(rows, 0, FACT_VERSION));
	out->role = arena_copy_cstring(arena, postgres_text(rows, 0, FACT_ROLE));
	out->database = arena_copy_cstring(arena, postgres_text(rows, 0, FACT_DATABASE));
	out->is_standby = postgres_bool(rows, 0, FACT_IS_STANDBY);
	out->may_replicate = postgres_bool(rows, 0, FACT_MAY_REPLICATE);
	out->may_create = postgres_bool(rows, 0, FACT_MAY_CREATE);
	out->wal_level = arena_copy_cstring(arena, postgres_text(rows, 0, FACT_WAL_LEVEL));
	out->slots_max = postgres_int64(rows, 0, FACT_SLOTS_MAX);
	out->slots_used = postgres_int64(rows, 0, FACT_SLOTS_USED);
	out->senders_max = postgres_int64(rows, 0, FACT_SENDERS_MAX);
	out->senders_used = postgres_int64(rows, 0, FACT_SENDERS_USED);
	out->slot_keep_bytes = keep_mb < 0 ? -1 : keep_mb * 1024 * 1024;
	out->idle_timeout = postgres_int64(rows, 0, FACT_IDLE_TIMEOUT);
	out->has_tls = postgres_bool(rows, 0, FACT_HAS_TLS);
	out->is_local = postgres_bool(rows, 0, FACT_IS_LOCAL);
	out->has_slot = postgres_bool(rows, 0, FACT_HAS_SLOT);
	out->slot_status = status != NULL ? arena_copy_cstring(arena, status) : "";
	out->slot_held_bytes = postgres_int64(rows, 0, FACT_SLOT_HELD);
	out->has_slot_room = postgres_text(rows, 0, FACT_SLOT_ROOM) != NULL;
	out->slot_room_bytes = postgres_int64(rows, 0, FACT_SLOT_ROOM);
}

/*
 * Tables with values stored out of line, of which an update that leaves them alone does not send
 * them: with REPLICA IDENTITY DEFAULT.
 */
#define LARGE_SQL                                                                                  \
	"SELECT n.nspname, c.relname FROM pg_class c JOIN pg_namespace n ON n.oid = "              \
	"c.relnamespace"                                                                           \
	" WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND c.relreplident = 'd'"               \
	" AND c.reltoastrelid <> 0 AND n.nspname <> 'information_schema'"                          \
	" AND n.nspname !~ '^pg_' AND pg_relation_size(c.reltoastrelid) > 0"                       \
	" AND EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisprimary)"         \
	" ORDER BY n.nspname, c.relname"

static void take_large(const struct postgres_rows *rows, const struct postgres_options *options,
	struct arena *arena, struct postgres_facts *out)
{
	out->large = arena_array(arena, const char *, rows->count + 1);
	for (size_t i = 0; i < rows->count; i++) {
		const char *schema = postgres_text(rows, i, 0), *name = postgres_text(rows, i, 1);
		if (postgres_source_wants(options, schema, name))
			out->large[out->large_count++] = postgres_qualified(arena, schema, name);
	}
}

static bool examine(struct postgres *postgres, const struct postgres_options *options,
	struct arena *arena, struct postgres_facts *out, struct error *err)
{
	struct postgres_rows rows;
	const char *slot = postgres_literal(arena, options->slot_name);
	if (!postgres_query(postgres, arena_format(arena, FACTS_SQL, slot), &rows, err))
		return false;
	take_facts(&rows, arena, out);
	postgres_rows_close(&rows);
	out->version = postgres_server_version(postgres);
	if (!postgres_query(postgres, LARGE_SQL, &rows, err))
		return false;
	take_large(&rows, options, arena, out);
	postgres_rows_close(&rows);
	return true;
}

bool source_postgres_examine(const struct postgres_options *options, struct arena *arena,
	struct postgres_facts *out, struct error *err)
{
	const struct postgres_target target = {
		.url = options->url,
		.user = options->user,
		.password = options->password,
		.connect_timeout = options->connect_timeout,
		.answer_timeout = options->answer_timeout,
	};
	struct postgres *postgres;
	*out = (struct postgres_facts){ 0 };
	if (!postgres_open(&target, &postgres, err))
		return error_context(err, "connecting to the source");
	const bool done = examine(postgres, options, arena, out, err);
	postgres_close(postgres);
	return done;
}
