/*
 * The source: what the server and the role offer, the slot, and the tables.
 */
#include "cmd/doctor.h"

#include "cmd/show.h"
#include "engine/check.h"
#include "net/postgres.h"

#include <inttypes.h>

enum {
	VERSION_MIN = 140000,
	SLOTS_WANTED = 2, /* the lake's own, and a temporary one for tables that are read again */
};

/* A lake that is not there yet is examined under names that nothing has. */
static const struct lake *lake_of(const struct doctor *doctor)
{
	static const struct lake NONE = {
		.slot_name = "walberg_doctor",
		.publication_name = "walberg_doctor",
		.append_publication_name = "walberg_doctor_append",
	};
	return doctor->has_lake ? &doctor->view.lake : &NONE;
}

/* --- settings and privileges --- */

static void look_at_version(struct doctor *doctor)
{
	const struct postgres_facts *facts = &doctor->facts;
	if (facts->version < VERSION_MIN)
		doctor_say(doctor, VERDICT_WRONG, "version",
			"PostgreSQL 14 and later can stream what walberg reads.",
			"the server is PostgreSQL %s", facts->version_text);
	else
		doctor_say(doctor, VERDICT_OK, "version", NULL,
			"PostgreSQL %s, database \"%s\", as \"%s\"", facts->version_text,
			facts->database, facts->role);
	if (facts->is_standby)
		doctor_say(doctor, VERDICT_WRONG, "primary",
			"Let source.url name the primary server.", "the server is a standby");
}

static void look_at_wal(struct doctor *doctor)
{
	const struct postgres_facts *facts = &doctor->facts;
	const bool is_logical = strcmp(facts->wal_level, "logical") == 0;
	doctor_say(doctor, is_logical ? VERDICT_OK : VERDICT_WRONG, "wal_level",
		is_logical ? NULL
			   : "Run: ALTER SYSTEM SET wal_level = 'logical'; and restart PostgreSQL.",
		"it is \"%s\"", facts->wal_level);
}

static void look_at_room(
	struct doctor *doctor, const char *setting, int64_t used, int64_t max, int64_t wanted)
{
	const int64_t left = max > used ? max - used : 0;
	const enum verdict verdict = wanted > 0 && left == 0 ? VERDICT_WRONG
				     : left < wanted         ? VERDICT_WARNING
							     : VERDICT_OK;
	const char *mend = verdict == VERDICT_OK ? NULL
						 : arena_format(&doctor->arena,
							   "Run: ALTER SYSTEM SET %s = %" PRId64
							   "; and restart PostgreSQL.",
							   setting, used + 10);
	doctor_say(
		doctor, verdict, setting, mend, "%" PRId64 " of %" PRId64 " are in use", used, max);
}

static void look_at_role(struct doctor *doctor)
{
	const struct postgres_facts *facts = &doctor->facts;
	const char *role = postgres_identifier(&doctor->arena, facts->role);
	if (!facts->may_replicate)
		doctor_say(doctor, VERDICT_WRONG, "replication",
			arena_format(&doctor->arena,
				"Run as a superuser: ALTER ROLE %s REPLICATION;", role),
			"role %s may not replicate", role);
	else
		doctor_say(doctor, VERDICT_OK, "replication", NULL, "role %s may replicate", role);
	if (!facts->may_create)
		doctor_say(doctor, doctor->has_lake ? VERDICT_WARNING : VERDICT_WRONG,
			"publications",
			arena_format(&doctor->arena, "Run: GRANT CREATE ON DATABASE %s TO %s;",
				postgres_identifier(&doctor->arena, facts->database), role),
			"role %s may not create publications in database \"%s\"", role,
			facts->database);
}

static void look_at_tls(struct doctor *doctor)
{
	const struct postgres_facts *facts = &doctor->facts;
	if (facts->is_local || facts->has_tls)
		doctor_say(doctor, VERDICT_OK, "TLS", NULL, "%s",
			facts->has_tls ? "the connection is encrypted"
				       : "the connection does not leave this machine");
	else
		doctor_say(doctor, VERDICT_WARNING, "TLS",
			"Set ssl = on at the server, and sslmode=verify-full in source.url.",
			"the connection leaves this machine without encryption");
}

void doctor_look_at_settings(struct doctor *doctor)
{
	struct error err;
	const struct configuration *configuration = doctor->configuration;
	if (!lake_check_source_is_given(configuration, &err)) {
		doctor_say_error(doctor, VERDICT_WRONG, "source.url", &err);
		return;
	}
	const struct postgres_options options = lake_source_options(configuration, lake_of(doctor));
	doctor->has_facts = source_postgres_examine(&options, &doctor->arena, &doctor->facts, &err);
	if (!doctor->has_facts) {
		doctor_say_error(doctor, VERDICT_WRONG, "connection", &err);
		return;
	}
	const struct postgres_facts *facts = &doctor->facts;
	const int64_t running = facts->has_slot && doctor->is_running;
	look_at_version(doctor);
	look_at_wal(doctor);
	look_at_role(doctor);
	look_at_room(doctor, "max_replication_slots", facts->slots_used, facts->slots_max,
		SLOTS_WANTED - facts->has_slot);
	look_at_room(doctor, "max_wal_senders", facts->senders_used, facts->senders_max,
		SLOTS_WANTED - running);
	look_at_tls(doctor);
}

/* --- the slot and the WAL that it holds --- */

static void look_at_limit(struct doctor *doctor)
{
	const struct postgres_facts *facts = &doctor->facts;
	char bytes[SHOW_SIZE];
	if (facts->slot_keep_bytes < 0)
		doctor_say(doctor, VERDICT_OK, "max_slot_wal_keep_size", NULL,
			"without a limit: while walberg does not run, the server keeps all WAL for "
			"it, on its own disk");
	else
		doctor_say(doctor, VERDICT_WARNING, "max_slot_wal_keep_size",
			"Run: ALTER SYSTEM SET max_slot_wal_keep_size = -1; SELECT "
			"pg_reload_conf(); or let walberg never stop for that long.",
			"when walberg does not run for %s of WAL, the slot is invalidated, and "
			"everything is read again",
			show_bytes((uint64_t)facts->slot_keep_bytes, bytes));
	if (facts->idle_timeout > 0)
		doctor_say(doctor, VERDICT_WARNING, "idle_replication_slot_timeout",
			"Run: ALTER SYSTEM SET idle_replication_slot_timeout = 0; SELECT "
			"pg_reload_conf();",
			"when walberg does not run for %" PRId64
			" s, the slot is invalidated, and everything is read again",
			facts->idle_timeout);
}

static void look_at_held(struct doctor *doctor)
{
	const struct postgres_facts *facts = &doctor->facts;
	char held[SHOW_SIZE], room[SHOW_SIZE];
	const char *name = doctor->view.lake.slot_name;
	const bool is_reserved = strcmp(facts->slot_status, "reserved") == 0;
	const uint64_t held_bytes =
		facts->slot_held_bytes > 0 ? (uint64_t)facts->slot_held_bytes : 0;
	show_bytes(held_bytes, held);
	if (is_reserved)
		doctor_say(doctor, VERDICT_OK, "slot", NULL, "\"%s\" holds back %s of WAL", name,
			held);
	else if (facts->has_slot_room)
		doctor_say(doctor, VERDICT_WARNING, "slot",
			"Start \"walberg run\", and let it catch up.",
			"\"%s\" holds back %s of WAL, and is invalidated after %s more", name, held,
			show_bytes(
				facts->slot_room_bytes > 0 ? (uint64_t)facts->slot_room_bytes : 0,
				room));
	else
		doctor_say(doctor, VERDICT_WARNING, "slot",
			"Start \"walberg run\", and let it catch up.",
			"\"%s\" holds back %s of WAL, more than max_wal_size", name, held);
}

void doctor_look_at_slot(struct doctor *doctor)
{
	if (!doctor->has_facts)
		return;
	look_at_limit(doctor);
	if (doctor->has_lake && doctor->view.lake.phase == LAKE_LIVE && doctor->facts.has_slot &&
		strcmp(doctor->facts.slot_status, "lost") != 0)
		look_at_held(doctor);
}

/* --- the lake's tables --- */

static const char *name_of(struct doctor *doctor, const char *namespace_name, const char *name)
{
	return arena_format(&doctor->arena, "%s.%s", namespace_name, name);
}

/* True when all changes of the table are captured. */
static bool look_at_relation(struct doctor *doctor, const struct relation *relation)
{
	struct error why = { 0 };
	const char *name = name_of(doctor, relation->namespace_name, relation->name);
	if (!check_relation(relation, &why)) {
		doctor_say(
			doctor, VERDICT_WARNING, name, why.hint, "it will be paused: %s", why.text);
		return false;
	}
	if (!relation->is_append)
		return true;
	doctor_say(doctor, VERDICT_WARNING, name,
		arena_format(&doctor->arena, "Run: ALTER TABLE %s ADD PRIMARY KEY (...);",
			postgres_qualified(
				&doctor->arena, relation->namespace_name, relation->name)),
		"without a usable primary key, updates and deletes of it are not captured");
	return false;
}

/* A table that the lake keeps may have gone from the source. */
static bool names_a_row(const struct doctor *doctor, const char *pattern)
{
	const struct catalog_view *view = &doctor->view;
	for (size_t i = 0; doctor->has_lake && i < view->table_count; i++)
		if (source_pattern_names(
			    pattern, view->tables[i].namespace_name, view->tables[i].name))
			return true;
	return false;
}

static void look_at_all(struct doctor *doctor, const struct source_state *state)
{
	size_t whole = 0;
	for (size_t i = 0; i < state->relation_count; i++)
		whole += look_at_relation(doctor, &state->relations[i]);
	for (size_t i = 0; i < state->left_out_count; i++) {
		const struct source_left_out *left_out = &state->left_out[i];
		doctor_say(doctor, VERDICT_WARNING,
			name_of(doctor, left_out->namespace_name, left_out->name), NULL,
			"it is left out: %s", left_out->reason);
	}
	for (size_t i = 0; i < state->idle_count && state->relation_count > 0; i++)
		if (!names_a_row(doctor, state->idle[i]))
			doctor_say(doctor, VERDICT_WRONG, "source.tables",
				"Correct it, or make the table first.",
				"\"%s\" names no table of the source", state->idle[i]);
	if (state->relation_count == 0)
		doctor_say(doctor, VERDICT_WRONG, "tables",
			"source.tables must name tables that are there, and that the role may "
			"read.",
			"no table can be captured");
	else
		doctor_say(doctor, VERDICT_OK, "tables", NULL, "all changes of %zu are captured",
			whole);
}

static void look_at_large(struct doctor *doctor)
{
	for (size_t i = 0; i < doctor->facts.large_count; i++)
		doctor_say(doctor, VERDICT_WARNING, doctor->facts.large[i],
			arena_format(&doctor->arena, "Run: ALTER TABLE %s REPLICA IDENTITY FULL;",
				doctor->facts.large[i]),
			"it has values stored out of line, which an update that leaves them alone "
			"does not send: that pauses the table");
}

/* Where the log of a lake without a process ends; 0 when it has none that can be read. */
static lsn_t end_of_log(const struct doctor *doctor)
{
	struct log *log;
	struct error ignored;
	if (!log_segment_follow(world_posix(), doctor->configuration->log_directory,
		    doctor->view.lake.id, &log_codec_pgoutput, &log, &ignored))
		return 0;
	while (log_wait(log, log_end(log), 0))
		;
	const lsn_t end = log_end_lsn(log);
	log_close(log);
	return end;
}

/* Whether the lake may go on with this server, as its start would ask.  A process has asked, and
 * its log grows while it is looked at. */
static void look_at_identity(struct doctor *doctor, const struct source_state *state)
{
	struct error err;
	const struct lake *lake = &doctor->view.lake;
	if (!doctor->has_lake || lake->phase != LAKE_LIVE)
		return;
	if (!check_source(lake, state, &err) ||
		(!doctor->is_running && !check_log(lake, state, end_of_log(doctor), &err)))
		doctor_say_error(doctor, VERDICT_WRONG, "identity", &err);
	else
		doctor_say(doctor, VERDICT_OK, "identity", NULL,
			"the server is the one that the lake was filled from");
}

void doctor_look_at_tables(struct doctor *doctor)
{
	struct source *source = NULL;
	struct source_state state;
	struct error err;
	if (!doctor->has_facts)
		return;
	if (lake_open_source(
		    world_posix(), doctor->configuration, lake_of(doctor), &source, &err) &&
		source_inspect(source, &doctor->arena, &state, &err)) {
		look_at_identity(doctor, &state);
		look_at_all(doctor, &state);
		look_at_large(doctor);
	} else if (doctor_count(doctor, VERDICT_WRONG) == 0) {
		doctor_say_error(doctor, VERDICT_WRONG, "tables", &err);
	} else {
		doctor_say(doctor, VERDICT_WARNING, "tables",
			"Mend what is wrong above, then ask again.",
			"they cannot be looked at yet");
	}
	source_close(source);
}
