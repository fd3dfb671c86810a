#include "engine/filling.h"

#include "base/logline.h"
#include "engine/check.h"
#include "engine/definition.h"
#include "engine/ownership.h"

#include <stdlib.h>

enum {
	ROWS_TOLD = 4096, /* rows between two words about the progress */
};

static void hint_snapshot(const struct relation *relation, struct error *why)
{
	if (why->hint[0] == '\0')
		error_hint(why, "Run \"walberg snapshot %s.%s\" to read it again.",
			relation->namespace_name, relation->name);
}

static bool check_folder(
	const struct apply *apply, const struct relation *relation, struct error *err)
{
	struct arena arena = { 0 };
	const bool done = ownership_check_folder(apply_store(apply),
		table_folder(relation->namespace_name, relation->name, &arena), err);
	arena_deinit(&arena);
	return done;
}

/* What cannot be read is the lake's when it has had a version: it is damaged. */
static bool check_ours(const struct apply *apply, const struct relation *relation,
	const struct catalog_table *known, struct error *err)
{
	bool is_ours;
	if (!apply_is_of_lake(apply, known->metadata_location, &is_ours, err)) {
		if (err->kind != ERROR_MISSING && err->kind != ERROR_CORRUPT)
			return false;
		is_ours = known->position > 0;
	}
	return is_ours || publisher_fail_taken(relation->namespace_name, relation->name, err);
}

bool filling_open_empty(struct apply *apply, const struct relation *relation,
	const struct catalog_table *known, struct apply_table **out, struct error *err)
{
	const char *location = known->metadata_location;
	if (location[0] == '\0')
		return check_folder(apply, relation, err) &&
		       apply_add(apply, relation, "", 0, out, err);
	if (!check_ours(apply, relation, known, err))
		return false;
	if (apply_add(apply, relation, location, 0, out, err)) {
		apply_truncate(*out);
		return true;
	}
	return apply_concerns_table(err->kind) &&
	       apply_replace(apply, relation, location, out, err);
}

bool filling_read_table(struct apply_table *table, struct source_snapshot *snapshot,
	const struct filling_progress *progress, struct error *err)
{
	uint64_t told = 0;
	if (!source_snapshot_open_table(snapshot, table->relation, err))
		return false;
	while (true) {
		struct bytes chunk;
		if (!source_snapshot_next(snapshot, &chunk, err))
			return false;
		if (chunk.size == 0)
			break;
		if (!apply_copy(table, chunk, err))
			return false;
		const uint64_t rows = apply_copied_rows(table);
		if (rows == 0 || rows - told >= ROWS_TOLD) {
			told = rows;
			if (!progress->tell(progress->context, table->relation, rows))
				return error_set(err, ERROR_LOST, "stopped");
		}
	}
	(void)progress->tell(progress->context, table->relation, apply_copied_rows(table));
	return apply_copy_end(table, snapshot->lsn, err);
}

/* Why the source gives a table that the lake keeps no more. */
static void find_loss(
	const struct source_state *state, const struct catalog_table *row, struct error *why)
{
	const char *reason = source_why_left_out(state, row->namespace_name, row->name);
	*why = (struct error){ 0 };
	if (reason != NULL) {
		error_set(why, ERROR_UNSUPPORTED, "%s", reason);
	} else if (source_is_unnamed(state, row->namespace_name, row->name)) {
		error_set(why, ERROR_SETUP,
			"source.tables did not name it any more, and what changed since is not "
			"known");
		error_hint(why,
			"Let source.tables name it and start again, then run \"walberg snapshot "
			"%s.%s\".",
			row->namespace_name, row->name);
	} else {
		error_set(why, ERROR_MISSING, "the source has no such table any more");
	}
}

static void note_left_out(struct publisher *publisher, const struct publisher_table *known,
	const struct source_left_out *table)
{
	if (known == NULL || strcmp(known->row.reason, table->reason) != 0)
		logline_warning("a table is left out", LOG_TEXT("namespace", table->namespace_name),
			LOG_TEXT("table", table->name), LOG_TEXT("reason", table->reason));
	publisher_put(
		publisher, table->namespace_name, table->name, TABLE_LEFT_OUT, table->reason, "");
}

static void leave_out(struct publisher *publisher, const struct source_state *state)
{
	for (size_t i = 0; i < state->left_out_count; i++) {
		const struct source_left_out *table = &state->left_out[i];
		struct publisher_table *known =
			publisher_find(publisher, table->namespace_name, table->name);
		struct error why;
		if (source_find_relation(state, table->namespace_name, table->name) != NULL) {
			logline_warning("a table is captured in part",
				LOG_TEXT("namespace", table->namespace_name),
				LOG_TEXT("table", table->name), LOG_TEXT("reason", table->reason));
			continue;
		}
		if (known == NULL || known->row.state == TABLE_LEFT_OUT) {
			note_left_out(publisher, known, table);
			continue;
		}
		if (known->row.state == TABLE_PAUSED)
			continue;
		error_set(&why, ERROR_UNSUPPORTED, "%s", table->reason);
		publisher_pause(publisher, known, &why);
	}
}

static const struct relation *find_relation(
	const struct source_state *state, const struct catalog_table *row)
{
	return source_find_relation(state, row->namespace_name, row->name);
}

/* What the catalog keeps of the table, which is newer than what it was opened with. */
static bool check_definition(
	const struct publisher_table *table, const struct relation *now, struct error *why)
{
	if (check_same_definition(table->open->relation, now, why))
		return true;
	struct arena arena = { 0 };
	struct relation kept;
	struct error ignored;
	const bool is_same = definition_decode(table->row.definition, table->row.namespace_name,
				     table->row.name, &arena, &kept, &ignored) &&
			     check_same_definition(&kept, now, why);
	arena_deinit(&arena);
	return is_same;
}

/* VACUUM FULL now and another default next month are no rewrite. */
static void remember_definition(
	struct publisher *publisher, struct publisher_table *table, const struct relation *now)
{
	struct arena arena = { 0 };
	struct relation kept;
	struct error ignored;
	if (check_is_newer(table->open->relation, now) &&
		definition_decode(table->row.definition, table->row.namespace_name, table->row.name,
			&arena, &kept, &ignored)) {
		kept.filenode = now->filenode;
		for (size_t i = 0; i < kept.column_count; i++)
			kept.columns[i].xid = now->columns[i].xid;
		publisher_put(publisher, table->row.namespace_name, table->row.name,
			table->row.state, table->row.reason, definition_encode(&kept, &arena));
	}
	arena_deinit(&arena);
}

/* Why a live table cannot go on: the source does not have it any more, or in another form. */
static void find_change(const struct publisher_table *table, const struct relation *now,
	const struct source_state *state, struct error *why)
{
	*why = (struct error){ 0 };
	if (now == NULL) {
		find_loss(state, &table->row, why);
	} else if (!check_relation(now, why) ||
		   (table->open != NULL && !check_definition(table, now, why))) {
		hint_snapshot(now, why);
	} else if (now->is_unpublished) {
		error_set(why, ERROR_UNSUPPORTED,
			"its publication was changed and does not send all its changes: some may "
			"be missing");
		hint_snapshot(now, why);
	}
}

static bool is_named(const struct relation *relation, const struct catalog_table *row)
{
	return strcmp(relation->name, row->name) == 0 &&
	       strcmp(relation->namespace_name, row->namespace_name) == 0;
}

/* The tables of both sides mostly stand in one order: a look at the next one finds it. */
void filling_look_again(struct publisher *publisher, const struct source_state *state)
{
	size_t next = 0;
	for (size_t i = 0; i < publisher_table_count(publisher); i++) {
		struct publisher_table *table = publisher_table_at(publisher, i);
		if (table->row.state != TABLE_LIVE)
			continue;
		const bool is_next = next < state->relation_count &&
				     is_named(&state->relations[next], &table->row);
		const struct relation *now =
			is_next ? &state->relations[next] : find_relation(state, &table->row);
		if (now != NULL)
			next = (size_t)(now - state->relations) + 1;
		if (table->open != NULL && state->current_lsn != 0 &&
			table->open->floor > state->current_lsn)
			continue;
		struct error why;
		find_change(table, now, state, &why);
		if (why.kind != ERROR_NONE)
			publisher_pause(publisher, table, &why);
		else if (table->open != NULL)
			remember_definition(publisher, table, now);
	}
}

/* NULL when the relation cannot be captured: its row says why. */
static struct publisher_table *admit(struct publisher *publisher, const struct relation *relation)
{
	struct arena arena = { 0 };
	struct error why = { 0 };
	const char *definition = definition_encode(relation, &arena);
	struct publisher_table *table = publisher_put(publisher, relation->namespace_name,
		relation->name, TABLE_SNAPSHOT, "", definition);
	if (!check_relation(relation, &why)) {
		publisher_pause(publisher, table, &why);
		table = NULL;
	}
	arena_deinit(&arena);
	return table;
}

static bool names_a_row(const struct publisher *publisher, const char *pattern)
{
	for (size_t i = 0; i < publisher_table_count(publisher); i++) {
		const struct catalog_table *row = &publisher_table_at(publisher, i)->row;
		if (source_pattern_names(pattern, row->namespace_name, row->name))
			return true;
	}
	return false;
}

bool filling_check_patterns(
	const struct publisher *publisher, const struct source_state *state, struct error *err)
{
	for (size_t i = 0; i < state->idle_count; i++) {
		const char *pattern = state->idle[i];
		if (strcmp(pattern, "*.*") == 0 || names_a_row(publisher, pattern))
			continue;
		error_set(err, ERROR_SETUP,
			"\"%.200s\" in source.tables names no table of the source", pattern);
		return error_hint(err, "Correct it, or make the table first.");
	}
	return true;
}

void filling_compare(struct publisher *publisher, const struct source_state *state)
{
	leave_out(publisher, state);
	filling_look_again(publisher, state);
	for (size_t i = 0; i < state->relation_count; i++) {
		const struct relation *relation = &state->relations[i];
		const struct publisher_table *known =
			publisher_find(publisher, relation->namespace_name, relation->name);
		if (known == NULL || known->row.state == TABLE_LEFT_OUT)
			(void)admit(publisher, relation);
	}
}

void filling_let_go(struct source *source, const struct source_state *state)
{
	struct arena arena = { 0 };
	struct relation *losers = arena_array(&arena, struct relation, state->relation_count);
	size_t count = 0;
	for (size_t i = 0; i < state->relation_count; i++)
		if (state->relations[i].refuses_updates)
			losers[count++] = state->relations[i];
	struct error err;
	if (count > 0 && !source_publish(source, losers, count, &err))
		logline_write_error(LOGLINE_WARNING, &err);
	arena_deinit(&arena);
}

/* --- the lake's beginning --- */

struct beginning {
	struct publisher *publisher;
	struct source *source;
	const struct filling_progress *progress;
	struct arena arena;
	struct source_state state;
	size_t count; /* relations that are read */
	struct relation *relations;
};

static void choose_relations(struct beginning *beginning)
{
	const struct source_state *state = &beginning->state;
	leave_out(beginning->publisher, state);
	for (size_t i = 0; i < publisher_table_count(beginning->publisher); i++) {
		struct publisher_table *table = publisher_table_at(beginning->publisher, i);
		struct error why;
		if (table->row.state == TABLE_LEFT_OUT || find_relation(state, &table->row) != NULL)
			continue;
		find_loss(state, &table->row, &why);
		publisher_pause(beginning->publisher, table, &why);
	}
	beginning->relations =
		arena_array(&beginning->arena, struct relation, state->relation_count);
	for (size_t i = 0; i < state->relation_count; i++)
		if (admit(beginning->publisher, &state->relations[i]) != NULL)
			beginning->relations[beginning->count++] = state->relations[i];
}

static bool fill(struct beginning *beginning, const struct relation *relation,
	struct source_snapshot *snapshot, struct error *err)
{
	struct publisher *publisher = beginning->publisher;
	struct apply *apply = publisher_apply(publisher);
	struct publisher_table *table =
		publisher_find(publisher, relation->namespace_name, relation->name);
	if (filling_open_empty(apply, relation, &table->row, &table->open, err) &&
		filling_read_table(table->open, snapshot, beginning->progress, err))
		return true;
	if (err->kind == ERROR_BUSY) {
		/* A lock on it must not hold up the others: it is read when the lake is there. */
		logline_write_error(LOGLINE_WARNING, err);
		publisher_reread(publisher, table);
		table->row.log_position = 0; /* of the log that the lake will have */
		return true;
	}
	if (!apply_concerns_table(err->kind))
		return error_context(
			err, "reading \"%s.%s\"", relation->namespace_name, relation->name);
	hint_snapshot(relation, err);
	publisher_pause(publisher, table, err);
	return true;
}

static bool fill_all(
	struct beginning *beginning, struct source_snapshot *snapshot, struct error *err)
{
	for (size_t i = 0; i < beginning->count; i++)
		if (!fill(beginning, &beginning->relations[i], snapshot, err))
			return false;
	return true;
}

/*
 * The commit that says STARTING comes before anything is dropped or made: a process that still
 * fills this lake finds another commit number and gives up.  From then on a slot and publications
 * of the lake's names are its own; those that a new lake finds are not.
 */
static bool announce(struct beginning *beginning, struct error *err)
{
	const struct lake *lake = publisher_lake(beginning->publisher);
	if (!source_inspect(beginning->source, &beginning->arena, &beginning->state, err) ||
		(!lake_may_have_slot(lake) && !check_is_free(lake, &beginning->state, err)) ||
		!filling_check_patterns(beginning->publisher, &beginning->state, err))
		return false;
	publisher_set_phase(beginning->publisher, LAKE_STARTING);
	publisher_set_source(beginning->publisher, beginning->state.system_identifier,
		beginning->state.timeline);
	return publisher_commit(beginning->publisher, err) && source_drop(beginning->source, err);
}

/* The slot stands at lsn: a log that is opened again must not seem to end before that. */
static bool mark_beginning(struct log *log, lsn_t lsn, micros_t now, struct error *err)
{
	const struct log_record mark = { .kind = LOG_MARK, .end_lsn = lsn, .received_at = now };
	struct log_receipt receipt;
	return log_append(log, &mark, err) && log_sync(log, &receipt, err);
}

static bool begin(struct beginning *beginning,
	bool (*open_log)(void *context, struct log **out, struct error *err), void *log_context,
	struct error *err)
{
	struct publisher *publisher = beginning->publisher;
	struct source_snapshot *snapshot;
	struct log *log;
	if (!announce(beginning, err))
		return false;
	choose_relations(beginning);
	if (!source_publish(beginning->source, beginning->relations, beginning->count, err) ||
		!source_open_snapshot(beginning->source, true, &snapshot, err))
		return false;
	const lsn_t lsn = snapshot->lsn;
	publisher_begin_at(publisher, lsn, publisher_now(publisher));
	bool done = fill_all(beginning, snapshot, err);
	source_snapshot_close(snapshot);
	if (!done || !open_log(log_context, &log, err) ||
		!mark_beginning(log, lsn, publisher_now(publisher), err))
		return false;
	publisher_use_log(publisher, log);
	publisher_set_phase(publisher, LAKE_LIVE);
	return publisher_commit(publisher, err);
}

bool filling_begin_lake(struct publisher *publisher, struct source *source,
	bool (*open_log)(void *context, struct log **out, struct error *err), void *log_context,
	const struct filling_progress *progress, struct error *err)
{
	struct beginning beginning = {
		.publisher = publisher,
		.source = source,
		.progress = progress,
	};
	bool done = begin(&beginning, open_log, log_context, err);
	arena_deinit(&beginning.arena);
	if (!done)
		return error_context(err, "taking the initial snapshot");
	return true;
}
