#include "source/postgres/postgres_internal.h"

/* Which of the lake's publications a table belongs into. */
enum publication {
	PUBLICATION_NONE = 0,
	PUBLICATION_MAIN,   /* all changes */
	PUBLICATION_APPEND, /* no updates and deletes: the user's own would fail without identity */
	PUBLICATION_COUNT,
};

static const char *const PUBLISHED[PUBLICATION_COUNT] = {
	[PUBLICATION_MAIN] = "insert, update, delete, truncate",
	[PUBLICATION_APPEND] = "insert, truncate",
};

static const char *publication_name(
	const struct postgres_source *source, enum publication publication)
{
	return publication == PUBLICATION_MAIN ? source->options.publication_name
					       : source->options.append_publication_name;
}

/* A table that is paused for what it is goes into neither, and costs no WAL traffic. */
static enum publication publication_of(const struct relation *relation)
{
	if (relation->replica_identity == 'i')
		return PUBLICATION_NONE;
	for (size_t i = 0; i < relation->column_count; i++)
		if (relation->columns[i].type.type == VALUE_NONE)
			return PUBLICATION_NONE;
	return relation->is_append ? PUBLICATION_APPEND : PUBLICATION_MAIN;
}

/* ---- the publications themselves --------------------------------------------------------- */

static bool check_may_create(struct postgres_source *source, struct arena *arena, struct error *err)
{
	struct postgres_rows rows;
	if (!postgres_query(source->control,
		    "SELECT has_database_privilege(current_database(), 'CREATE')", &rows, err))
		return false;
	const bool may_create = postgres_bool(&rows, 0, 0);
	postgres_rows_close(&rows);
	if (may_create)
		return true;
	error_set(err, ERROR_SETUP, "role \"%s\" may not create publications in database \"%s\"",
		source->role, source->database);
	return error_hint(err, "Run: GRANT CREATE ON DATABASE %s TO %s;",
		postgres_identifier(arena, source->database),
		postgres_identifier(arena, source->role));
}

/* Makes a publication where it is missing, and sets what it publishes where that differs. */
static bool ensure_publication(struct postgres_source *source, enum publication publication,
	struct arena *arena, struct error *err)
{
	const char *name = publication_name(source, publication);
	const char *quoted = postgres_identifier(arena, name);
	const char *sql = arena_format(arena,
		"SELECT puballtables, pubinsert AND pubtruncate AND NOT pubviaroot"
		" AND pubupdate = %s AND pubdelete = pubupdate"
		" FROM pg_publication WHERE pubname = %s",
		publication == PUBLICATION_MAIN ? "true" : "false", postgres_literal(arena, name));
	struct postgres_rows rows;
	if (!postgres_query(source->control, sql, &rows, err))
		return false;
	const bool exists = rows.count > 0;
	const bool is_for_all = exists && postgres_bool(&rows, 0, 0);
	const bool is_right = exists && postgres_bool(&rows, 0, 1);
	postgres_rows_close(&rows);
	if (is_for_all) {
		error_set(err, ERROR_SETUP, "publication \"%s\" is FOR ALL TABLES", name);
		return error_hint(err,
			"Drop it; walberg makes its own, in which no table without a primary key "
			"publishes updates.");
	}
	if (is_right)
		return true;
	if (!exists && !check_may_create(source, arena, err))
		return false;
	const char *settings = arena_format(arena,
		"(publish = '%s', publish_via_partition_root = false)", PUBLISHED[publication]);
	return postgres_run(source->control,
		exists ? arena_format(arena, "ALTER PUBLICATION %s SET %s", quoted, settings)
		       : arena_format(arena, "CREATE PUBLICATION %s WITH %s", quoted, settings),
		err);
}

/* ---- their tables ------------------------------------------------------------------------ */

static bool contains(const struct postgres_rows *members, uint32_t oid)
{
	for (size_t i = 0; i < members->count; i++)
		if ((uint32_t)postgres_int64(members, i, 0) == oid)
			return true;
	return false;
}

static bool change_member(struct postgres_source *source, enum publication publication,
	const char *verb, const struct relation *relation, struct arena *arena, struct error *err)
{
	const char *sql = arena_format(arena, "ALTER PUBLICATION %s %s TABLE ONLY %s",
		postgres_identifier(arena, publication_name(source, publication)), verb,
		postgres_qualified(arena, relation->namespace_name, relation->name));
	if (!postgres_run(source->control, sql, err))
		return error_context(
			err, "publishing \"%s.%s\"", relation->namespace_name, relation->name);
	return true;
}

/* Drop what must not be in this publication, or add what is missing in it. */
static bool change_members(struct postgres_source *source, enum publication publication,
	bool is_adding, const struct relation *relations, size_t count, struct arena *arena,
	struct error *err)
{
	const char *sql = arena_format(arena,
		"SELECT m.prrelid FROM pg_publication_rel m"
		" JOIN pg_publication p ON p.oid = m.prpubid WHERE p.pubname = %s",
		postgres_literal(arena, publication_name(source, publication)));
	struct postgres_rows members;
	if (!postgres_query(source->control, sql, &members, err))
		return false;
	bool is_done = true;
	for (size_t i = 0; is_done && i < count; i++) {
		const bool belongs = publication_of(&relations[i]) == publication;
		if (belongs == is_adding && contains(&members, relations[i].oid) != is_adding)
			is_done = change_member(source, publication, is_adding ? "ADD" : "DROP",
				&relations[i], arena, err);
	}
	postgres_rows_close(&members);
	return is_done;
}

static bool publish_all(struct postgres_source *source, const struct relation *relations,
	size_t count, struct arena *arena, struct error *err)
{
	for (int p = PUBLICATION_MAIN; p < PUBLICATION_COUNT; p++)
		if (!ensure_publication(source, (enum publication)p, arena, err))
			return false;
	/* First out of the one, then into the other: a table is never in both. */
	for (int is_adding = 0; is_adding <= 1; is_adding++)
		for (int p = PUBLICATION_MAIN; p < PUBLICATION_COUNT; p++)
			if (!change_members(source, (enum publication)p, is_adding, relations,
				    count, arena, err))
				return false;
	return true;
}

bool postgres_source_publish(
	struct source *base, const struct relation *relations, size_t count, struct error *err)
{
	struct postgres_source *source = postgres_source_of(base);
	/* A table under VACUUM or ALTER would hold up the start without a word. */
	if (!postgres_run(source->control, "BEGIN; SET LOCAL lock_timeout = '10s'", err))
		return false;
	struct arena arena = { 0 };
	bool is_done = publish_all(source, relations, count, &arena, err);
	arena_deinit(&arena);
	struct error ignored;
	if (is_done)
		is_done = postgres_run(source->control, "COMMIT", err);
	else if (!postgres_run(source->control, "ROLLBACK", &ignored))
		return false;
	return is_done;
}

/* ---- removal ----------------------------------------------------------------------------- */

static bool drop_slot(struct postgres_source *source, struct arena *arena, struct error *err)
{
	struct postgres_slot slot;
	if (!postgres_source_find_slot(source, &slot, err))
		return false;
	if (!slot.exists)
		return true;
	if (slot.is_active) {
		error_set(err, ERROR_BUSY, "replication slot \"%s\" is in use by process %lld",
			source->options.slot_name, (long long)slot.active_pid);
		return error_hint(err, "Stop the walberg that uses it first.");
	}
	const char *sql = arena_format(arena, "SELECT pg_drop_replication_slot(%s)",
		postgres_literal(arena, source->options.slot_name));
	return postgres_run(source->control, sql, err) || err->kind == ERROR_MISSING;
}

bool postgres_source_drop(struct source *base, struct error *err)
{
	struct postgres_source *source = postgres_source_of(base);
	if (source->stream.is_on)
		postgres_stream_end(&source->stream);
	struct arena arena = { 0 };
	const char *sql = arena_format(&arena, "DROP PUBLICATION IF EXISTS %s, %s",
		postgres_identifier(&arena, source->options.publication_name),
		postgres_identifier(&arena, source->options.append_publication_name));
	const bool is_done =
		drop_slot(source, &arena, err) && postgres_run(source->control, sql, err);
	arena_deinit(&arena);
	return is_done;
}
