#include "engine/maintenance.h"

#include "engine/lake.h"
#include "engine/ownership.h"
#include "engine/process.h"

#include <stdlib.h>

#define RUNNING_MARGIN MICROS_PER_HOUR
#define SKEW_MAX (60 * MICROS_PER_SECOND)

struct maintenance {
	struct maintenance_options options;
	struct process *process; /* when none was running */
	bool is_running;
	struct process_activity activity;
	struct lake_parts parts;
	micros_t written_until;
};

/* --- the rule --- */

bool maintenance_moment(const struct maintenance_times *times, micros_t *out, struct error *err)
{
	const micros_t skew = times->store_now - times->now;
	if (skew > SKEW_MAX || skew < -SKEW_MAX) {
		error_set(err, ERROR_SETUP,
			"the store's clock and this machine's differ by %lld seconds",
			(long long)(skew / MICROS_PER_SECOND));
		return error_hint(err, "Let both machines follow the same time (NTP): the age of "
				       "files tells which of them may be removed.");
	}
	if (times->is_running && times->older_than < RUNNING_MARGIN) {
		error_set(err, ERROR_SETUP, "--older-than is too short while the lake is in use");
		return error_hint(err, "At least 1h is needed; or stop \"walberg run\" first.");
	}
	*out = times->older_than > 0 ? times->store_now - times->older_than : INT64_MAX;
	if (times->is_running && times->started_at - RUNNING_MARGIN < *out)
		*out = times->started_at - RUNNING_MARGIN;
	return true;
}

static bool find_moment(struct maintenance *maintenance, struct error *err)
{
	struct world *world = maintenance->options.world;
	const micros_t now = world_now(world);
	struct maintenance_times times = {
		.now = now,
		.store_now = now,
		.older_than = maintenance->options.older_than,
		.is_running = maintenance->is_running,
		.started_at = maintenance->activity.started_at,
	};
	/* To ask it is to write there, which who only looks need not be able to. */
	return (maintenance->options.only_looks ||
		       store_probe(world, maintenance->parts.store, &times.store_now, err)) &&
	       maintenance_moment(&times, &maintenance->written_until, err);
}

/* --- what may be looked at --- */

/* Who only looks may do so where no lake has written yet, but not at another's. */
static bool check_owner(struct maintenance *maintenance, struct error *err)
{
	struct arena arena = { 0 };
	struct catalog_view view;
	const char *owner;
	struct store *store = maintenance->parts.store;
	bool done = catalog_load(maintenance->parts.catalog, &arena, &view, err);
	if (done && maintenance->options.only_looks)
		done = ownership_find(store, "", view.lake.id, &arena, &owner, err) &&
		       (owner == NULL || ownership_check(store, view.lake.id, err));
	else if (done)
		done = ownership_check(store, view.lake.id, err);
	arena_deinit(&arena);
	return done;
}

/* Without a running process the lake is held, so that none begins meanwhile. */
static bool hold(struct maintenance *maintenance, struct error *err)
{
	const struct configuration *configuration = maintenance->options.configuration;
	struct catalog **catalog = &maintenance->parts.catalog;
	if (maintenance->options.only_looks || maintenance->is_running)
		return lake_open_catalog(configuration, true, catalog, err);
	return process_open(configuration->lake_directory, &maintenance->process, err) &&
	       lake_open_catalog(configuration, false, catalog, err) && catalog_lock(*catalog, err);
}

static bool open_store(struct maintenance *maintenance, struct error *err)
{
	const struct maintenance_options *options = &maintenance->options;
	return (options->only_looks ? lake_look_store : lake_open_store)(
		options->world, options->configuration, &maintenance->parts.store, err);
}

/* First only looked for, so that a wrong --lake makes no directory, nor a wrong warehouse. */
static bool check_place(const struct maintenance_options *options, struct error *err)
{
	struct arena arena = { 0 };
	struct catalog *catalog = NULL;
	struct catalog_view view;
	const bool done = lake_open_catalog(options->configuration, true, &catalog, err) &&
			  catalog_load(catalog, &arena, &view, err) &&
			  lake_look_for_place(options->world, options->configuration, &view, err);
	catalog_close(catalog);
	arena_deinit(&arena);
	return done;
}

static bool open_lake(struct maintenance *maintenance, struct error *err)
{
	const struct maintenance_options *options = &maintenance->options;
	const struct configuration *configuration = options->configuration;
	return configuration_check_places(configuration, err) && check_place(options, err) &&
	       process_look(configuration->lake_directory, &maintenance->activity,
		       &maintenance->is_running, err) &&
	       hold(maintenance, err) && open_store(maintenance, err) &&
	       check_owner(maintenance, err) && find_moment(maintenance, err);
}

bool maintenance_open(
	const struct maintenance_options *options, struct maintenance **out, struct error *err)
{
	struct maintenance *maintenance = memory_allocate(1, sizeof *maintenance);
	maintenance->options = *options;
	*out = NULL;
	if (!open_lake(maintenance, err)) {
		maintenance_close(maintenance);
		return false;
	}
	*out = maintenance;
	return true;
}

void maintenance_close(struct maintenance *maintenance)
{
	if (maintenance == NULL)
		return;
	lake_close(&maintenance->parts);
	process_close(maintenance->process);
	free(maintenance);
}

/* --- work --- */

bool maintenance_find(struct maintenance *maintenance, struct arena *arena, struct orphans *out,
	struct error *err)
{
	return orphans_find(maintenance->parts.store, maintenance->parts.catalog,
		maintenance->written_until, arena, out, err);
}

bool maintenance_remove(struct maintenance *maintenance, const struct orphans *orphans,
	size_t *removed, struct error *err)
{
	struct lake_parts *parts = &maintenance->parts;
	*removed = 0;
	if (orphans->count == 0)
		return true;
	return (maintenance->is_running ||
		       orphans_fence(maintenance->options.world, parts->catalog, err)) &&
	       orphans_remove(parts->store, orphans, removed, err);
}
