#include "cmd/cmd.h"

#include "catalog/place.h"
#include "engine/lake.h"
#include "engine/process.h"

static bool drop_from_source(struct world *world, const struct configuration *configuration,
	const struct lake *lake, struct error *err)
{
	struct source *source;
	if (!lake_open_source(world, configuration, lake, &source, err))
		return false;
	const bool is_dropped = source_drop(source, err);
	source_close(source);
	return is_dropped;
}

/*
 * The source is let go first: a kill before the commit leaves a lake that says what is missing.  A
 * lake that has made nothing there has nothing to drop: what bears its names is another's.
 */
static bool drop(struct world *world, const struct configuration *configuration,
	struct catalog *catalog, struct arena *arena, struct error *err)
{
	struct catalog_view view;
	if (!catalog_load(catalog, arena, &view, err))
		return false;
	if (lake_may_have_slot(&view.lake) &&
		!drop_from_source(world, configuration, &view.lake, err))
		return false;

	char commit_id[UUID_TEXT_SIZE];
	struct lake lake = view.lake;
	lake.phase = LAKE_DROPPED;
	lake.commit_number = view.lake.commit_number + 1;
	lake.commit_id = world_uuid(world, commit_id);
	int64_t *requests = arena_array(arena, int64_t, view.request_count);
	for (size_t i = 0; i < view.request_count; i++)
		requests[i] = view.requests[i].id;
	const struct catalog_commit commit = {
		.base_commit_number = view.lake.commit_number,
		.lake = &lake,
		.done_count = view.request_count,
		.done = requests,
	};
	size_t conflict;
	if (!catalog_commit(catalog, &commit, &conflict, err))
		return false;
	const char *place = place_of_tables(&view, arena);
	if (lake_may_have_slot(&view.lake))
		printf("slot and publications \"%s\" are dropped from the source; the tables "
		       "stay in %s\n",
			lake.slot_name, place != NULL ? place : configuration->lake_warehouse);
	else
		printf("the lake has no slot and no publication at the source\n");
	return true;
}

/* Made by looking first, so that a wrong --lake makes no directory. */
static bool lock_and_drop(
	const struct configuration *configuration, struct arena *arena, struct error *err)
{
	struct process *process = NULL;
	struct catalog *catalog;
	if (!lake_open_catalog(configuration, true, &catalog, err))
		return false;
	catalog_close(catalog);
	catalog = NULL;
	bool done = process_open(configuration->lake_directory, &process, err) &&
		    lake_open_catalog(configuration, false, &catalog, err) &&
		    catalog_lock(catalog, err) &&
		    drop(world_posix(), configuration, catalog, arena, err);
	catalog_close(catalog);
	process_close(process);
	return done;
}

bool cmd_drop(const struct cmd_line *line, struct error *err)
{
	struct arena arena = { 0 };
	struct configuration configuration;
	bool done = cmd_load_configuration(line, line->count > 0, &arena, &configuration, err) &&
		    lock_and_drop(&configuration, &arena, err);
	arena_deinit(&arena);
	return done || error_context(err, "dropping the lake from its source");
}
