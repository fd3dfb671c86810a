#include "engine/lake.h"

#include <stdlib.h>
#include <unistd.h>

enum {
	LAKE_ID_BYTES = 4,
	/* More WAL than a commit's own, unless whole pages are in it: the next one is small. */
	QUIET_BYTES_MIN = 16 * 1024,
};

/* A file is opened for writing: only so is a journal taken back that a crash has left beside it. */
static bool open_catalog_that_is_there(
	const struct configuration *configuration, struct catalog **out, struct error *err)
{
	enum catalog_form form;
	const char *file;
	if (!configuration_catalog(configuration, &form, &file, err))
		return false;
	const bool is_file = form == CATALOG_SQLITE && access(file, F_OK) == 0;
	return lake_open_catalog(configuration, !is_file, out, err);
}

/* Of a lake that is there already. */
static bool check_tables(
	struct world *world, const struct configuration *configuration, struct error *err)
{
	struct arena arena = { 0 };
	struct catalog *catalog = NULL;
	struct catalog_view view;
	const bool is_there = open_catalog_that_is_there(configuration, &catalog, err) &&
			      catalog_load(catalog, &arena, &view, err);
	const bool done = is_there ? lake_look_for_place(world, configuration, &view, err)
				   : err->kind == ERROR_MISSING;
	catalog_close(catalog);
	arena_deinit(&arena);
	return done;
}

bool lake_open(struct world *world, const struct configuration *configuration,
	struct lake_parts *out, struct error *err)
{
	*out = (struct lake_parts){ 0 };
	if (check_tables(world, configuration, err) &&
		world_make_directories(world, configuration->lake_directory, err) &&
		lake_open_store(world, configuration, &out->store, err) &&
		lake_make_catalog(configuration, &out->catalog, err))
		return true;
	lake_close(out);
	return error_context(err, "opening the lake in \"%s\"", configuration->lake_directory);
}

void lake_close(struct lake_parts *parts)
{
	catalog_close(parts->catalog);
	store_close(parts->store);
	*parts = (struct lake_parts){ 0 };
}

static void name_slot(
	const struct configuration *configuration, struct lake *lake, struct arena *arena)
{
	lake->slot_name = configuration->source_slot != NULL
				  ? configuration->source_slot
				  : arena_format(arena, "walberg_%s", lake->id);
	lake->publication_name = lake->slot_name;
	lake->append_publication_name = arena_format(arena, "%s_append", lake->slot_name);
}

static bool create(struct world *world, const struct configuration *configuration,
	struct catalog *catalog, struct arena *arena, struct error *err)
{
	uint8_t random[LAKE_ID_BYTES];
	world_random(world, random, sizeof random);
	const char *id =
		arena_format(arena, "%02x%02x%02x%02x", random[0], random[1], random[2], random[3]);
	char commit_id[UUID_TEXT_SIZE];
	struct lake lake = {
		.id = id,
		.system_identifier = "",
		.phase = LAKE_NEW,
		.commit_id = world_uuid(world, commit_id),
		.log_id = "",
	};
	name_slot(configuration, &lake, arena);
	return catalog_create(catalog, &lake, err);
}

/* Until a lake makes its slot, the name may change: the one that was chosen may be taken. */
static bool rename_slot(struct world *world, const struct configuration *configuration,
	struct catalog *catalog, struct arena *arena, struct catalog_view *view, struct error *err)
{
	struct lake lake = view->lake;
	if (lake_may_have_slot(&lake))
		return true;
	name_slot(configuration, &lake, arena);
	if (strcmp(lake.slot_name, view->lake.slot_name) == 0)
		return true;
	char commit_id[UUID_TEXT_SIZE];
	lake.commit_number++;
	lake.commit_id = world_uuid(world, commit_id);
	const struct catalog_commit commit = {
		.base_commit_number = view->lake.commit_number,
		.lake = &lake,
	};
	size_t conflict;
	return catalog_commit(catalog, &commit, &conflict, err) &&
	       catalog_load(catalog, arena, view, err);
}

bool lake_load_or_create(struct world *world, const struct configuration *configuration,
	struct catalog *catalog, struct arena *arena, struct catalog_view *out, struct error *err)
{
	if (catalog_load(catalog, arena, out, err))
		return rename_slot(world, configuration, catalog, arena, out, err);
	if (err->kind != ERROR_MISSING)
		return false;
	return create(world, configuration, catalog, arena, err) &&
	       catalog_load(catalog, arena, out, err);
}

struct publisher_options lake_publisher_options(struct world *world,
	const struct configuration *configuration, const struct lake_parts *parts)
{
	return (struct publisher_options){
		.world = world,
		.store = parts->store,
		.catalog = parts->catalog,
		.table = {
			.zstd_level = (int)configuration->table_zstd_level,
			.file_size_target_bytes = (uint64_t)configuration->table_file_size,
			.row_group_rows = (uint32_t)configuration->table_row_group_rows,
			.parallel_puts = 16, /* a commit's usual number of objects */
		},
		.pending_bytes_max = (uint64_t)configuration->lake_memory,
		.commit_interval = configuration->lake_commit_interval,
		.quiet_bytes_min = parts->catalog_is_on_source ? QUIET_BYTES_MIN : 0,
		.history = {
			.versions_min = (size_t)configuration->history_versions_min,
			.versions_max = (size_t)configuration->history_versions_max,
			.age = configuration->history_age,
			.removal_delay = configuration->history_removal_delay,
		},
	};
}

bool lake_check_source_is_given(const struct configuration *configuration, struct error *err)
{
	if (configuration->source_url != NULL)
		return true;
	error_set(err, ERROR_SETUP, "no source is given");
	return error_hint(err, "Set it, for instance by --set source.url=postgresql://user@host/"
			       "database (run, status, doctor, init and drop also take it as their "
			       "argument).");
}

struct postgres_options lake_source_options(
	const struct configuration *configuration, const struct lake *lake)
{
	const struct postgres_target target = lake_source_target(configuration);
	return (struct postgres_options){
		.url = target.url,
		.user = target.user,
		.password = target.password,
		.slot_name = lake->slot_name,
		.publication_name = lake->publication_name,
		.append_publication_name = lake->append_publication_name,
		.tables = configuration->source_tables.items,
		.table_count = configuration->source_tables.count,
		.connect_timeout = target.connect_timeout,
		.answer_timeout = target.answer_timeout,
	};
}

/* Under another name the lake would leave a slot behind that holds back WAL. */
static bool check_slot(
	const struct configuration *configuration, const struct lake *lake, struct error *err)
{
	const char *name = configuration->source_slot;
	if (!lake_may_have_slot(lake) || name == NULL || strcmp(name, lake->slot_name) == 0)
		return true;
	error_set(err, ERROR_SETUP,
		"this lake's replication slot is \"%s\", and source.slot is \"%s\"",
		lake->slot_name, name);
	return error_hint(err,
		"A lake keeps its slot: set source.slot to \"%s\", or leave it unset. After "
		"\"walberg drop\" the lake can begin again with another one.",
		lake->slot_name);
}

bool lake_open_source(struct world *world, const struct configuration *configuration,
	const struct lake *lake, struct source **out, struct error *err)
{
	if (!lake_check_source_is_given(configuration, err) ||
		!check_slot(configuration, lake, err))
		return false;
	const struct postgres_options options = lake_source_options(configuration, lake);
	return source_postgres_open(world, &options, out, err);
}
