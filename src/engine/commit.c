/*
 * One commit of the lake: the versions of all changed tables and the lake's position, together.
 *
 *	rows to files ─▶ deletes, manifests, metadata ─▶ catalog transaction ─▶ log released
 *	      FILES                  FILES                      SWAP               SWAPPED
 *
 * Up to SWAP nothing is visible, and giving up costs only objects that become removals.
 */
#include "engine/publisher_internal.h"

#include "base/logline.h"

#include <assert.h>
#include <stdlib.h>

enum {
	TRIES_MAX = 20, /* of one catalog call that says BUSY, and of looking after UNCERTAIN */
	TRY_AFTER = 50 * 1000,
	REBASES_MAX = 20,
};

struct change {
	struct publisher_table *table;
	bool has_version; /* table_prepare() was asked */
	struct table_prepared prepared;
	struct catalog_table row; /* as it shall be */
};

struct commit {
	struct publisher *publisher;
	struct arena arena;
	struct lake lake; /* as it shall be */
	char commit_id[UUID_TEXT_SIZE];
	bool makes_version;
	int64_t cutoff_ms;
	size_t change_count;
	struct change *changes;
};

/*
 * The lake's history keeps its newest versions_min commits, and more up to versions_max while they
 * are not older than age: the oldest that stays, in milliseconds.
 */
int64_t history_cutoff(const struct publisher *publisher, int64_t now_ms, bool adds_one)
{
	const struct history_options *history = &publisher->options.history;
	const int64_t age_ms = history->age / 1000;
	size_t total = publisher->commit_count + (adds_one ? 1 : 0);
	for (size_t i = 0; i < publisher->commit_count; i++) {
		size_t kept = total - i;
		int64_t at = publisher->commits[i].timestamp_ms;
		if (kept <= history->versions_min ||
			(kept <= history->versions_max && now_ms - at <= age_ms))
			return at;
	}
	return now_ms;
}

static bool makes_version(const struct publisher *publisher, const struct publisher_table *table)
{
	return table->open != NULL && apply_is_visible(publisher->apply, table->open) &&
	       (table_has_delta(table->open->table) ||
		       table_metadata_location(table->open->table)[0] == '\0');
}

static bool can_expire(const struct commit *commit, const struct publisher_table *table)
{
	return table->open != NULL && apply_is_visible(commit->publisher->apply, table->open) &&
	       table_can_expire(table->open->table, commit->cutoff_ms);
}

/* Failed tables are given up before anything is prepared: their deltas are not committed. */
static void pause_failed(struct publisher *publisher)
{
	for (size_t i = 0; i < publisher->table_count; i++) {
		struct publisher_table *table = publisher->tables[i];
		if (table->open != NULL && table->open->failure.kind != ERROR_NONE) {
			const struct error why = table->open->failure;
			publisher_pause(publisher, table, &why);
		}
	}
}

static void plan_lake(struct commit *commit)
{
	struct publisher *publisher = commit->publisher;
	const struct apply_position *at = apply_position(publisher->apply);
	struct lake *lake = &commit->lake;
	*lake = publisher->lake;
	lake->commit_number++;
	lake->commit_id = world_uuid(publisher->options.world, commit->commit_id);
	lake->position = at->lsn;
	lake->position_at = at->at;
	lake->log_position = at->resume;
	lake->last_commit_lsn = at->commit_lsn;
	lake->last_commit_xid = at->commit_xid;
	lake->last_commit_at = at->commit_at;

	bool any = false;
	for (size_t i = 0; i < publisher->table_count; i++)
		any |= makes_version(publisher, publisher->tables[i]);
	const int64_t now_ms = world_now(publisher->options.world) / 1000;
	commit->makes_version = any;
	if (any)
		lake->timestamp_ms = now_ms > lake->timestamp_ms ? now_ms : lake->timestamp_ms + 1;
	commit->cutoff_ms = history_cutoff(publisher, now_ms, any);
}

/* Of a table that was read again and has older versions. */
static lsn_t known_until(const struct publisher_table *table)
{
	const bool has_gap =
		table->row.state == TABLE_SNAPSHOT && table->row.metadata_location[0] != '\0';
	return has_gap ? table->row.position : 0;
}

static bool prepare_table(struct commit *commit, struct change *change, struct error *err)
{
	const struct publisher *publisher = commit->publisher;
	struct publisher_table *table = change->table;
	const struct table_prepare options = {
		.position = commit->lake.position,
		.known_until = known_until(table),
		.timestamp_ms = commit->lake.timestamp_ms,
		.expire_before_ms = commit->cutoff_ms,
		.removal_at = world_now(publisher->options.world) +
			      publisher->options.history.removal_delay,
	};
	const bool is_version = makes_version(publisher, table);
	if (!table_prepare(table->open->table, &options, &commit->arena, &change->prepared, err))
		return false;
	change->row.metadata_location = change->prepared.metadata_location;
	if (is_version) {
		change->row.state = TABLE_LIVE;
		change->row.reason = "";
		change->row.position = commit->lake.position;
		change->row.log_position = 0;
	}
	return true;
}

/* *gave_up: a table's own files are damaged, it was paused, and the commit is planned anew. */
static bool plan_tables(struct commit *commit, bool *gave_up, struct error *err)
{
	struct publisher *publisher = commit->publisher;
	commit->changes = arena_array(&commit->arena, struct change, publisher->table_count);
	for (size_t i = 0; i < publisher->table_count; i++) {
		struct publisher_table *table = publisher->tables[i];
		const bool prepares = makes_version(publisher, table) || can_expire(commit, table);
		if (!prepares && !table->is_changed)
			continue;
		struct change *change = &commit->changes[commit->change_count++];
		*change = (struct change){ table, prepares, { 0 }, table->row };
		if (!prepares || prepare_table(commit, change, err))
			continue;
		error_context(err, "preparing a version of \"%s.%s\"", table->row.namespace_name,
			table->row.name);
		if (!apply_concerns_table(err->kind))
			return false;
		publisher_pause(publisher, table, err);
		*gave_up = true;
		return true;
	}
	return true;
}

/* --- the catalog's transaction --- */

static size_t count_removals(const struct commit *commit)
{
	size_t count = commit->publisher->removal_count;
	for (size_t i = 0; i < commit->change_count; i++)
		count += commit->changes[i].prepared.removal_count;
	return count;
}

static const struct removal *gather_removals(struct commit *commit, size_t *count)
{
	const struct publisher *publisher = commit->publisher;
	struct removal *all = arena_array(&commit->arena, struct removal, count_removals(commit));
	*count = publisher->removal_count;
	if (*count > 0)
		memcpy(all, publisher->removals, *count * sizeof *all);
	for (size_t i = 0; i < commit->change_count; i++) {
		const struct table_prepared *prepared = &commit->changes[i].prepared;
		for (size_t j = 0; j < prepared->removal_count; j++)
			all[(*count)++] = prepared->removals[j];
	}
	return all;
}

static struct catalog_commit catalog_request_of(struct commit *commit)
{
	const struct publisher *publisher = commit->publisher;
	struct table_change *changes =
		arena_array(&commit->arena, struct table_change, commit->change_count);
	for (size_t i = 0; i < commit->change_count; i++) {
		const struct change *change = &commit->changes[i];
		changes[i].table = &change->row;
		changes[i].base_location = change->has_version ? change->prepared.base_location
							       : change->row.metadata_location;
	}
	struct catalog_commit request = {
		.base_commit_number = publisher->lake.commit_number,
		.lake = &commit->lake,
		.change_count = commit->change_count,
		.changes = changes,
		.makes_version = commit->makes_version,
		.forget_before_ms = commit->cutoff_ms,
		.removed_count = publisher->removed_count,
		.removed = publisher->removed,
		.done_count = publisher->done_count,
		.done = publisher->done,
	};
	request.removals = gather_removals(commit, &request.removal_count);
	return request;
}

enum look {
	LOOK_DONE,
	LOOK_NOT_DONE,
	LOOK_OTHER, /* somebody else's commit is there */
	LOOK_FAILED,
};

/* I4: whether the commit whose answer was lost has happened. */
static enum look look(struct commit *commit, struct error *err)
{
	const struct publisher *publisher = commit->publisher;
	struct error failure;
	for (int i = 0; i < TRIES_MAX; i++) {
		struct arena arena = { 0 };
		struct catalog_view view;
		bool loaded = catalog_load(publisher->options.catalog, &arena, &view, &failure);
		enum look found = LOOK_OTHER;
		if (loaded && strcmp(view.lake.commit_id, commit->commit_id) == 0)
			found = LOOK_DONE;
		else if (loaded && view.lake.commit_number == publisher->lake.commit_number)
			found = LOOK_NOT_DONE;
		arena_deinit(&arena);
		if (loaded)
			return found;
		world_sleep(publisher->options.world, TRY_AFTER);
	}
	*err = failure;
	err->kind = ERROR_UNCERTAIN;
	return LOOK_FAILED;
}

bool publisher_fail_taken(const char *namespace_name, const char *name, struct error *err)
{
	error_set(err, ERROR_CONFLICT, "the catalog has a table of that name, not of this lake");
	return error_hint(err, "Rename it there or drop it, and run \"walberg snapshot %s.%s\".",
		namespace_name, name);
}

/* The lake's rows have no such table: it was dropped, or somebody else made one of its name. */
static void fail_without_pointer(const struct change *change, struct error *err)
{
	const struct catalog_table *row = &change->table->row;
	if (change->prepared.base_location[0] != '\0') {
		error_set(err, ERROR_CONFLICT,
			"the table was dropped from the catalog, or renamed there");
		return;
	}
	publisher_fail_taken(row->namespace_name, row->name, err);
}

/* One change whose pointer in the catalog is another than it was built on. */
static bool rebase(struct commit *commit, size_t index, bool *gave_up, struct error *err)
{
	struct publisher *publisher = commit->publisher;
	struct change *change = &commit->changes[index];
	struct publisher_table *table = change->table;
	struct catalog_view view;
	if (!catalog_load(publisher->options.catalog, &commit->arena, &view, err))
		return false;
	const struct catalog_table *now =
		catalog_view_find(&view, table->row.namespace_name, table->row.name);
	const char *location = now != NULL ? now->metadata_location : "";
	if (!change->has_version) {
		change->row.metadata_location = location;
		return true;
	}
	struct table_prepared rebased = { 0 };
	if (location[0] == '\0' || change->prepared.base_location[0] == '\0')
		fail_without_pointer(change, err);
	else if (table_rebase(table->open->table, location, &commit->arena, &rebased, err)) {
		change->prepared = rebased;
		change->row.metadata_location = rebased.metadata_location;
		return true;
	}
	if (!apply_concerns_table(err->kind))
		return false;
	if (err->hint[0] == '\0')
		error_hint(err, "Run \"walberg snapshot %s.%s\" to read it again.",
			table->row.namespace_name, table->row.name);
	publisher_pause(publisher, table, err);
	table->row.metadata_location = arena_copy_cstring(&publisher->arena, location);
	*gave_up = true;
	return true;
}

/* *gave_up: a table was paused, and the commit is to be planned anew. */
static bool swap(struct commit *commit, bool *gave_up, struct error *err)
{
	struct publisher *publisher = commit->publisher;
	int tries = 0, rebases = 0;
	while (true) {
		struct catalog_commit request = catalog_request_of(commit);
		size_t conflict = SIZE_MAX;
		if (catalog_commit(publisher->options.catalog, &request, &conflict, err))
			return true;
		if (err->kind == ERROR_CONFLICT && publisher->options.metrics != NULL)
			metrics_add(&publisher->options.metrics->catalog_conflicts, 1);
		if (err->kind == ERROR_UNCERTAIN) {
			enum look found = look(commit, err);
			if (found == LOOK_DONE)
				return true;
			if (found == LOOK_OTHER)
				return error_set(err, ERROR_CONFLICT,
					"another writer committed to the lake");
			if (found == LOOK_FAILED || tries++ >= TRIES_MAX)
				return false;
			world_sleep(publisher->options.world, TRY_AFTER);
		} else if (err->kind == ERROR_CONFLICT && conflict != SIZE_MAX &&
			   rebases++ < REBASES_MAX) {
			if (!rebase(commit, conflict, gave_up, err))
				return false;
			if (*gave_up)
				return true;
		} else if (err->kind == ERROR_BUSY && tries++ < TRIES_MAX) {
			world_sleep(publisher->options.world, TRY_AFTER);
		} else {
			return false;
		}
	}
}

/* --- afterwards --- */

static void remember(struct commit *commit)
{
	struct publisher *publisher = commit->publisher;
	size_t first = 0;
	while (first < publisher->commit_count &&
		publisher->commits[first].timestamp_ms < commit->cutoff_ms)
		first++;
	publisher->commit_count -= first;
	memmove(publisher->commits, publisher->commits + first,
		publisher->commit_count * sizeof(struct lake_commit));
	if (!commit->makes_version)
		return;
	publisher->commits = memory_resize(
		publisher->commits, publisher->commit_count + 1, sizeof(struct lake_commit));
	publisher->commits[publisher->commit_count++] =
		(struct lake_commit){ commit->lake.commit_number, commit->lake.position,
			commit->lake.timestamp_ms };
}

static void accept(struct commit *commit)
{
	struct publisher *publisher = commit->publisher;
	publisher->lake = commit->lake;
	memcpy(publisher->commit_id, commit->commit_id, sizeof commit->commit_id);
	publisher->lake.commit_id = publisher->commit_id;
	publisher->lake_is_changed = false;
	for (size_t i = 0; i < commit->change_count; i++) {
		struct change *change = &commit->changes[i];
		struct publisher_table *table = change->table;
		table->is_changed = false;
		if (!change->has_version)
			continue;
		table_accept(table->open->table);
		table->row = change->row;
		table->row.metadata_location = table_metadata_location(table->open->table);
	}
	remember(commit);
	publisher->removal_count = 0;
	publisher->removed_count = 0;
	publisher->done_count = 0;
	arena_reset(&publisher->removal_arena);
}

bool publisher_release_log(struct publisher *publisher, struct error *err)
{
	if (publisher->log == NULL)
		return true;
	log_position_t needed = publisher->lake.log_position;
	for (size_t i = 0; i < publisher->table_count; i++) {
		const struct catalog_table *row = &publisher->tables[i]->row;
		if (row->state == TABLE_SNAPSHOT && row->log_position < needed &&
			row->log_position != 0)
			needed = row->log_position;
	}
	return log_release(publisher->log, needed, err);
}

static bool try_commit(struct publisher *publisher, bool *gave_up, struct error *err)
{
	struct commit commit = { .publisher = publisher };
	pause_failed(publisher);
	plan_lake(&commit);
	bool done = plan_tables(&commit, gave_up, err);
	if (done && !*gave_up) {
		publisher_report(publisher, STEP_SWAP);
		done = swap(&commit, gave_up, err);
	}
	if (done && !*gave_up) {
		publisher_report(publisher, STEP_SWAPPED);
		accept(&commit);
	}
	arena_deinit(&commit.arena);
	return done;
}

bool publisher_commit(struct publisher *publisher, struct error *err)
{
	const micros_t began_at = world_monotonic(publisher->options.world);
	publisher_report(publisher, STEP_FILES);
	if (!apply_flush(publisher->apply, err))
		return error_context(err, "writing rows to files");
	const micros_t before = world_monotonic(publisher->options.world);
	if (!apply_fold(publisher->apply, err))
		return error_context(err, "folding files");
	publisher->fold_time = world_monotonic(publisher->options.world) - before;
	bool gave_up = true;
	while (gave_up) {
		gave_up = false;
		if (!try_commit(publisher, &gave_up, err))
			return error_context(err, "committing the lake");
	}
	if (publisher->options.metrics != NULL)
		metrics_observe(&publisher->options.metrics->commits,
			world_monotonic(publisher->options.world) - began_at);
	return publisher_release_log(publisher, err);
}
