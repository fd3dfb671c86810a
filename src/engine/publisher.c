#include "engine/publisher_internal.h"

#include "base/logline.h"
#include "engine/definition.h"

#include <assert.h>
#include <stdlib.h>

enum {
	QUIET_INTERVAL = 10 * 1000 * 1000, /* I3: of commits without rows */
	MARKS_INTERVAL = 60 * 1000 * 1000, /* of those whose reason may be the last commit's WAL */
};

const char *publisher_step_name(enum publisher_step step)
{
	static const char *const NAMES[STEP_COUNT] = { "idle", "apply", "files", "swap", "swapped",
		"retention" };
	assert(step < STEP_COUNT);
	return NAMES[step];
}

void publisher_report(const struct publisher *publisher, enum publisher_step step)
{
	if (publisher->options.step != NULL)
		publisher->options.step(publisher->options.context, step);
}

void publisher_add_removal(struct publisher *publisher, const char *path, micros_t not_before)
{
	publisher->removals = memory_resize(
		publisher->removals, publisher->removal_count + 1, sizeof(struct removal));
	publisher->removals[publisher->removal_count++] =
		(struct removal){ arena_copy_cstring(&publisher->removal_arena, path), not_before };
}

static const char *keep(struct publisher *publisher, const char *text)
{
	return arena_copy_cstring(&publisher->arena, text);
}

/* --- tables --- */

struct publisher_table *publisher_find(
	const struct publisher *publisher, const char *namespace_name, const char *name)
{
	for (size_t i = 0; i < publisher->table_count; i++) {
		struct publisher_table *table = publisher->tables[i];
		if (strcmp(table->row.name, name) == 0 &&
			strcmp(table->row.namespace_name, namespace_name) == 0)
			return table;
	}
	return NULL;
}

size_t publisher_table_count(const struct publisher *publisher)
{
	return publisher->table_count;
}

struct publisher_table *publisher_table_at(const struct publisher *publisher, size_t index)
{
	assert(index < publisher->table_count);
	return publisher->tables[index];
}

static struct publisher_table *add_table(
	struct publisher *publisher, const struct catalog_table *row)
{
	struct publisher_table *table = memory_allocate(1, sizeof *table);
	table->row = *row;
	table->row.namespace_name = keep(publisher, row->namespace_name);
	table->row.name = keep(publisher, row->name);
	table->row.metadata_location = keep(publisher, row->metadata_location);
	table->row.reason = keep(publisher, row->reason);
	table->row.definition = keep(publisher, row->definition);
	publisher->tables = memory_resize(
		publisher->tables, publisher->table_count + 1, sizeof(struct publisher_table *));
	publisher->tables[publisher->table_count++] = table;
	return table;
}

struct publisher_table *publisher_put(struct publisher *publisher, const char *namespace_name,
	const char *name, enum table_state state, const char *reason, const char *definition)
{
	struct publisher_table *table = publisher_find(publisher, namespace_name, name);
	if (table == NULL)
		table = add_table(publisher,
			&(struct catalog_table){ namespace_name, name, "", state, "", "", 0, 0 });
	else if (table->row.state == state && strcmp(table->row.reason, reason) == 0 &&
		 strcmp(table->row.definition, definition) == 0)
		return table;
	table->row.state = state;
	table->row.reason = keep(publisher, reason);
	table->row.definition = keep(publisher, definition);
	table->is_changed = true;
	return table;
}

/* One line of sentences, of which the last is the way out. */
static const char *reason_text(
	const struct catalog_table *row, const struct error *why, struct arena *arena)
{
	const size_t size = strlen(why->text);
	const char *stop = size > 0 && why->text[size - 1] == '.' ? "" : ".";
	const char *text = why->text;
	if (why->context[0] != '\0')
		text = arena_format(arena, "%s (%s).", text, why->context);
	else
		text = arena_format(arena, "%s%s", text, stop);
	if (why->hint[0] != '\0')
		text = arena_format(arena, "%s %s", text, why->hint);
	if (strstr(why->hint, "walberg snapshot") != NULL)
		return text;
	return arena_format(arena, "%s %s \"walberg snapshot %s.%s\".", text,
		why->hint[0] ? "Then run" : "Run", row->namespace_name, row->name);
}

void publisher_discard(struct publisher *publisher, const struct apply_table *table)
{
	struct arena arena = { 0 };
	const char **paths;
	size_t count;
	table_abandon(table->table, &arena, &paths, &count);
	const micros_t at =
		world_now(publisher->options.world) + publisher->options.history.removal_delay;
	for (size_t i = 0; i < count; i++)
		publisher_add_removal(publisher, paths[i], at);
	arena_deinit(&arena);
}

/*
 * The objects of a delta that nobody will name are to be removed.  The table stays at its version,
 * which equals the source up to the lake's position.
 */
static void abandon(struct publisher *publisher, struct publisher_table *table)
{
	publisher_discard(publisher, table->open);
	/* The location is the table's; keep it beyond the table's end. */
	table->row.metadata_location = keep(publisher, table->row.metadata_location);
	if (table->row.state == TABLE_LIVE)
		table->row.position = publisher->lake.position;
	apply_remove(publisher->apply, table->open);
	table->open = NULL;
}

void publisher_pause(
	struct publisher *publisher, struct publisher_table *table, const struct error *why)
{
	const char *reason = reason_text(&table->row, why, &publisher->arena);
	logline_warning("a table is paused", LOG_TEXT("namespace", table->row.namespace_name),
		LOG_TEXT("table", table->row.name), LOG_TEXT("reason", reason));
	if (table->open != NULL)
		abandon(publisher, table);
	table->row.state = TABLE_PAUSED;
	table->row.reason = reason;
	table->row.log_position = 0;
	table->is_changed = true;
}

/* --- the lake --- */

const struct lake *publisher_lake(const struct publisher *publisher)
{
	return &publisher->lake;
}

struct apply *publisher_apply(const struct publisher *publisher)
{
	return publisher->apply;
}

micros_t publisher_now(const struct publisher *publisher)
{
	return world_now(publisher->options.world);
}

void publisher_set_phase(struct publisher *publisher, enum lake_phase phase)
{
	publisher->lake.phase = phase;
	publisher->lake_is_changed = true;
}

void publisher_set_source(
	struct publisher *publisher, const char *system_identifier, int64_t timeline)
{
	publisher->lake.system_identifier = keep(publisher, system_identifier);
	publisher->lake.timeline = timeline;
	publisher->lake_is_changed = true;
}

void publisher_finish_request(struct publisher *publisher, int64_t request_id)
{
	publisher->done =
		memory_resize(publisher->done, publisher->done_count + 1, sizeof(int64_t));
	publisher->done[publisher->done_count++] = request_id;
}

static struct apply *open_apply(const struct publisher *publisher, const struct apply_position *at)
{
	const struct apply_options options = {
		.world = publisher->options.world,
		.store = publisher->options.store,
		.table = publisher->options.table,
		.pending_bytes_max = publisher->options.pending_bytes_max,
		.counts = publisher->options.metrics != NULL ? &publisher->options.metrics->apply
							     : NULL,
	};
	return apply_open(&options, at);
}

void publisher_begin_at(struct publisher *publisher, lsn_t lsn, micros_t at)
{
	assert(apply_table_count(publisher->apply) == 0);
	apply_close(publisher->apply);
	publisher->apply = open_apply(publisher, &(struct apply_position){ .lsn = lsn, .at = at });
}

/* I2: somebody may have set the table back to a version that is walberg's, but not its last. */
static bool check_position(struct publisher_table *table, struct error *err)
{
	const lsn_t position = table_position(table->open->table);
	char is[LSN_TEXT_SIZE], was[LSN_TEXT_SIZE];
	if (position == table->row.position)
		return true;
	return error_set(err, ERROR_CONFLICT,
		"the current version of \"%s.%s\" has the source's rows at %s, not at %s",
		table->row.namespace_name, table->row.name, lsn_format(position, is),
		lsn_format(table->row.position, was));
}

static bool open_live(struct publisher *publisher, struct publisher_table *table, struct error *err)
{
	struct arena arena = { 0 };
	struct relation relation;
	if (table->row.metadata_location[0] == '\0')
		return error_set(err, ERROR_CONFLICT,
			"the table was dropped from the catalog, or renamed there");
	bool done = definition_decode(table->row.definition, table->row.namespace_name,
			    table->row.name, &arena, &relation, err) &&
		    apply_add(publisher->apply, &relation, table->row.metadata_location,
			    table->row.position, &table->open, err);
	arena_deinit(&arena);
	if (!done)
		return false;
	if (!check_position(table, err)) {
		apply_remove(publisher->apply, table->open);
		table->open = NULL;
		return false;
	}
	table->row.metadata_location = table_metadata_location(table->open->table);
	return true;
}

static bool open_tables(
	struct publisher *publisher, const struct catalog_view *view, struct error *err)
{
	for (size_t i = 0; i < view->table_count; i++) {
		struct publisher_table *table = add_table(publisher, &view->tables[i]);
		if (table->row.state != TABLE_LIVE || publisher->lake.phase != LAKE_LIVE)
			continue;
		if (open_live(publisher, table, err))
			continue;
		if (!apply_concerns_table(err->kind))
			return false;
		if (err->kind == ERROR_CONFLICT || err->hint[0] == '\0')
			error_hint(err, "Run \"walberg snapshot %s.%s\" to read it again.",
				table->row.namespace_name, table->row.name);
		publisher_pause(publisher, table, err);
	}
	return true;
}

static void take_lake(struct publisher *publisher, const struct catalog_view *view)
{
	struct lake *lake = &publisher->lake;
	*lake = catalog_copy_lake(&view->lake, &publisher->arena);
	publisher->options.table.lake_id = lake->id;
	publisher->commit_count = view->commit_count;
	publisher->commits =
		memory_resize(NULL, view->commit_count + 1, sizeof(struct lake_commit));
	if (view->commit_count > 0)
		memcpy(publisher->commits, view->commits,
			view->commit_count * sizeof(struct lake_commit));
	publisher->apply = open_apply(publisher, &(struct apply_position){
							 .lsn = lake->position,
							 .at = lake->position_at,
							 .resume = lake->log_position,
							 .next = lake->log_position,
							 .commit_lsn = lake->last_commit_lsn,
							 .commit_xid = lake->last_commit_xid,
							 .commit_at = lake->last_commit_at,
						 });
}

bool publisher_open(
	const struct publisher_options *options, struct publisher **out, struct error *err)
{
	struct publisher *publisher = memory_allocate(1, sizeof *publisher);
	publisher->options = *options;
	publisher->log_due_at = world_monotonic(options->world) + QUIET_INTERVAL;
	publisher->marks_due_at = world_monotonic(options->world) + MARKS_INTERVAL;
	struct arena arena = { 0 };
	struct catalog_view view;
	bool done = catalog_load(options->catalog, &arena, &view, err);
	if (done) {
		take_lake(publisher, &view);
		done = open_tables(publisher, &view, err) && retention_find_orphans(publisher, err);
	}
	arena_deinit(&arena);
	if (!done) {
		publisher_close(publisher);
		return error_context(err, "opening the lake");
	}
	*out = publisher;
	return true;
}

void publisher_close(struct publisher *publisher)
{
	if (publisher == NULL)
		return;
	apply_close(publisher->apply);
	for (size_t i = 0; i < publisher->table_count; i++)
		free(publisher->tables[i]);
	free(publisher->tables);
	free(publisher->commits);
	free(publisher->removals);
	free(publisher->removed);
	free(publisher->done);
	arena_deinit(&publisher->removal_arena);
	arena_deinit(&publisher->arena);
	free(publisher);
}

void publisher_use_log(struct publisher *publisher, struct log *log)
{
	publisher->log = log;
	if (strcmp(publisher->lake.log_id, log_id(log)) == 0)
		return;
	apply_read_from(publisher->apply, log_first(log));
	publisher->lake.log_id = keep(publisher, log_id(log));
	publisher->lake_is_changed = true;
}

/* --- stepping --- */

/* A row of the catalog is to be written, or a table to be given up. */
static bool has_row_news(const struct publisher *publisher)
{
	for (size_t i = 0; i < publisher->table_count; i++) {
		const struct publisher_table *table = publisher->tables[i];
		if (table->is_changed ||
			(table->open != NULL && table->open->failure.kind != ERROR_NONE))
			return true;
	}
	return false;
}

/*
 * I3: a catalog on the source's server writes WAL there with each commit, which comes back as a
 * mark.  So little is no reason for the next commit, but once in a while, so that the lake's
 * position stays close to the server's.
 */
static bool is_news(const struct publisher *publisher, uint64_t now, uint64_t then)
{
	return now > then &&
	       (now - then >= publisher->options.quiet_bytes_min ||
		       world_monotonic(publisher->options.world) >= publisher->marks_due_at);
}

static bool has_quiet_news(const struct publisher *publisher)
{
	return is_news(publisher, apply_position(publisher->apply)->lsn,
		       publisher->lake.position) ||
	       publisher->removed_count > 0 || publisher->removal_count > 0 ||
	       publisher->done_count > 0;
}

/* Records that say nothing (a new connection) must not keep the log from being released. */
static bool has_log_news(const struct publisher *publisher)
{
	return is_news(
		publisher, apply_position(publisher->apply)->resume, publisher->lake.log_position);
}

static bool is_due(const struct publisher *publisher)
{
	const micros_t now = world_monotonic(publisher->options.world);
	if (publisher->lake_is_changed || has_row_news(publisher))
		return true;
	if (apply_has_delta(publisher->apply))
		return now >= publisher->delta_due_at ||
		       apply_pending_bytes(publisher->apply) >=
			       publisher->options.pending_bytes_max / 2;
	return (now >= publisher->quiet_due_at && has_quiet_news(publisher)) ||
	       (now >= publisher->log_due_at && has_log_news(publisher));
}

static void set_pace(struct publisher *publisher, micros_t began_at)
{
	/* Committing takes at most a third of the time, but for a fold now and then. */
	const micros_t now = world_monotonic(publisher->options.world);
	const micros_t stretched = 3 * (now - began_at - publisher->fold_time);
	publisher->delta_due_at = began_at + (stretched > publisher->options.commit_interval
							     ? stretched
							     : publisher->options.commit_interval);
	publisher->quiet_due_at = publisher->log_due_at = began_at + QUIET_INTERVAL;
	publisher->marks_due_at = began_at + MARKS_INTERVAL;
}

static void log_commit(const struct publisher *publisher, micros_t took)
{
	char position[LSN_TEXT_SIZE];
	logline_debug("committed", LOG_INT("number", publisher->lake.commit_number),
		LOG_TEXT("position", lsn_format(publisher->lake.position, position)),
		LOG_INT("microseconds", took));
}

bool publisher_step(struct publisher *publisher, struct error *err)
{
	assert(publisher->log != NULL);
	bool advanced = true;
	publisher_report(publisher, STEP_APPLY);
	while (advanced && !is_due(publisher))
		if (!apply_advance(publisher->apply, publisher->log, &advanced, err))
			return false;
	if (is_due(publisher)) {
		const micros_t began_at = world_monotonic(publisher->options.world);
		if (!publisher_commit(publisher, err))
			return false;
		set_pace(publisher, began_at);
		log_commit(publisher, world_monotonic(publisher->options.world) - began_at);
	}
	if (world_monotonic(publisher->options.world) >= publisher->retention_due_at) {
		/* A log at its limit may have ended a segment since the last commit. */
		if (!publisher_release_log(publisher, err) || !retention_remove_due(publisher, err))
			return false;
		publisher->retention_due_at =
			world_monotonic(publisher->options.world) + QUIET_INTERVAL / 10;
	}
	publisher_report(publisher, STEP_IDLE);
	return true;
}

micros_t publisher_idle_time(const struct publisher *publisher)
{
	const micros_t now = world_monotonic(publisher->options.world);
	micros_t at = publisher->retention_due_at;
	if (apply_has_delta(publisher->apply) && publisher->delta_due_at < at)
		at = publisher->delta_due_at;
	if (has_quiet_news(publisher) && publisher->quiet_due_at < at)
		at = publisher->quiet_due_at;
	if (has_log_news(publisher) && publisher->log_due_at < at)
		at = publisher->log_due_at;
	return at > now ? at - now : 0;
}

/* --- tables that are read anew --- */

void publisher_reread(struct publisher *publisher, struct publisher_table *table)
{
	if (table->open != NULL)
		abandon(publisher, table);
	table->row.state = TABLE_SNAPSHOT;
	table->row.reason = "";
	/* 0 says that the log is not needed. */
	table->row.log_position =
		publisher->lake.log_position > 0 ? publisher->lake.log_position : 1;
	table->is_changed = true;
}

void publisher_set_location(
	struct publisher *publisher, struct publisher_table *table, const char *location)
{
	assert(table->open == NULL);
	table->row.metadata_location = keep(publisher, location);
}

struct apply *publisher_fork_apply(const struct publisher *publisher)
{
	const struct lake *lake = &publisher->lake;
	return open_apply(publisher, &(struct apply_position){
					     .lsn = lake->position,
					     .at = lake->position_at,
					     .resume = lake->log_position,
					     .next = lake->log_position,
				     });
}

/* A table that was renamed is not taken twice: its changes can be only one table's. */
static void pause_namesakes(struct publisher *publisher, const struct relation *relation)
{
	for (size_t i = 0; i < publisher->table_count; i++) {
		struct publisher_table *table = publisher->tables[i];
		struct error why;
		if (table->open == NULL || table->open->relation->oid != relation->oid)
			continue;
		error_set(&why, ERROR_UNSUPPORTED, "it is called \"%s.%s\" now",
			relation->namespace_name, relation->name);
		publisher_pause(publisher, table, &why);
	}
}

bool publisher_join(struct publisher *publisher, struct apply *filled, struct apply_table *table,
	struct error *err)
{
	const log_position_t here = apply_position(publisher->apply)->next;
	bool advanced = true;
	while (advanced && apply_position(filled)->next < here)
		if (!apply_advance(filled, publisher->log, &advanced, err))
			return false;
	const struct relation *relation = table->relation;
	struct publisher_table *entry =
		publisher_find(publisher, relation->namespace_name, relation->name);
	assert(entry != NULL && entry->open == NULL);
	pause_namesakes(publisher, relation);
	apply_move(publisher->apply, filled, table);
	entry->open = table;
	/* It follows with the others now; after a restart it is read from its beginning. */
	entry->row.log_position = 0;
	return true;
}
