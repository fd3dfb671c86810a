#include "engine/lake.h"

#include "net/postgres.h"

#include <stdlib.h>

enum {
	BUSY_TIMEOUT_MS = 5000,
	LAKE_ID_BYTES = 4,
	/* More WAL than a commit's own, unless whole pages are in it: the next one is small. */
	QUIET_BYTES_MIN = 16 * 1024,
};

static bool open_sqlite(const struct configuration *configuration, const char *path,
	bool is_read_only, struct catalog **out, struct error *err)
{
	const struct sqlite_options options = {
		.path = path,
		.catalog_name = configuration->lake_catalog_name,
		.is_read_only = is_read_only,
		.busy_timeout_ms = BUSY_TIMEOUT_MS,
	};
	return catalog_sqlite_open(&options, out, err);
}

static bool open_postgres(const struct configuration *configuration, const char *url,
	bool is_read_only, struct catalog **out, struct error *err)
{
	const struct postgres_catalog_options options = {
		.url = url,
		.user = configuration->lake_catalog_user,
		.password = configuration->lake_catalog_password,
		.catalog_name = configuration->lake_catalog_name,
		.is_read_only = is_read_only,
		.busy_timeout_ms = BUSY_TIMEOUT_MS,
		.connect_timeout = configuration->source_connect_timeout,
	};
	return catalog_postgres_open(&options, out, err);
}

static bool open_catalog(const struct configuration *configuration, bool is_read_only,
	struct catalog **out, struct error *err)
{
	enum catalog_form form;
	const char *place;
	if (!configuration_catalog(configuration, &form, &place, err))
		return false;
	return form == CATALOG_SQLITE ? open_sqlite(configuration, place, is_read_only, out, err)
				      : open_postgres(configuration, place, is_read_only, out, err);
}

bool lake_open_catalog(const struct configuration *configuration, bool is_read_only,
	struct catalog **out, struct error *err)
{
	if (open_catalog(configuration, is_read_only, out, err))
		return true;
	if (err->kind != ERROR_MISSING)
		return false;
	if (strncmp(configuration->lake_catalog, "sqlite:", strlen("sqlite:")) == 0)
		error_set(err, ERROR_MISSING, "there is no lake in \"%s\"",
			configuration->lake_directory);
	return error_hint(err, "Name it with --lake, or make it with \"walberg run "
			       "postgresql://user@host/database\".");
}

/* --- a database of its own ------------------------------------------------------------------ */

struct database { /* which one it is, of all that there are */
	const char *server;
	const char *name;
};

/* A server is known by its system identifier, or, where that may not be read, by its start. */
static bool identify(const struct postgres_target *target, struct arena *arena,
	struct database *out, struct error *err)
{
	struct postgres *postgres;
	struct postgres_rows rows;
	if (!postgres_open(target, &postgres, err))
		return false;
	bool ok = postgres_query(postgres,
		"SELECT system_identifier, current_database() FROM pg_control_system()", &rows,
		err);
	if (!ok && err->kind == ERROR_SETUP)
		ok = postgres_query(postgres,
			"SELECT pg_postmaster_start_time(), current_database()", &rows, err);
	if (ok) {
		out->server = arena_copy_cstring(arena, postgres_text(&rows, 0, 0));
		out->name = arena_copy_cstring(arena, postgres_text(&rows, 0, 1));
		postgres_rows_close(&rows);
	}
	postgres_close(postgres);
	return ok;
}

/* A catalog that cannot be reached, or is not there yet: opening it says more. */
static bool identify_catalog(const struct postgres_target *target, struct arena *arena,
	struct database *out, struct error *err)
{
	if (identify(target, arena, out, err))
		return true;
	struct postgres_target server = *target;
	server.database = "postgres";
	const bool is_there = err->kind == ERROR_SETUP && identify(&server, arena, out, err);
	out->name = "";
	return is_there;
}

static bool compare(const struct configuration *configuration, const char *url, struct arena *arena,
	bool *is_on_source, struct error *err)
{
	const struct postgres_target at_source = {
		.url = configuration->source_url,
		.user = configuration->source_user,
		.password = configuration->source_password,
		.connect_timeout = configuration->source_connect_timeout,
	};
	const struct postgres_target at_catalog = {
		.url = url,
		.user = configuration->lake_catalog_user,
		.password = configuration->lake_catalog_password,
		.connect_timeout = configuration->source_connect_timeout,
	};
	struct database source, catalog;
	struct error ignored;
	if (!identify(&at_source, arena, &source, err))
		return error_context(err, "comparing the source with the catalog");
	*is_on_source = identify_catalog(&at_catalog, arena, &catalog, &ignored) &&
			strcmp(source.server, catalog.server) == 0;
	if (!*is_on_source || strcmp(source.name, catalog.name) != 0)
		return true;
	error_set(err, ERROR_SETUP,
		"the catalog lies in the source's own database \"%s\": it would capture itself",
		source.name);
	return error_hint(err, "Name a database of its own in lake.catalog, for instance "
			       "postgresql://host:port/lake_catalog; it is made when it is "
			       "missing.");
}

bool lake_compare_servers(
	const struct configuration *configuration, bool *catalog_is_on_source, struct error *err)
{
	enum catalog_form form;
	const char *place;
	*catalog_is_on_source = false;
	if (!configuration_catalog(configuration, &form, &place, err))
		return false;
	if (form != CATALOG_POSTGRES)
		return true;
	struct arena arena = { 0 };
	const bool ok = compare(configuration, place, &arena, catalog_is_on_source, err);
	arena_deinit(&arena);
	return ok;
}

/* --- the parts ------------------------------------------------------------------------------ */

bool lake_open(struct world *world, const struct configuration *configuration,
	struct lake_parts *out, struct error *err)
{
	*out = (struct lake_parts){ 0 };
	if (world_make_directories(world, configuration->lake_directory, err) &&
		lake_open_store(world, configuration, &out->store, err) &&
		open_catalog(configuration, false, &out->catalog, err))
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

static bool create(struct world *world, const struct configuration *configuration,
	struct catalog *catalog, struct arena *arena, struct error *err)
{
	uint8_t random[LAKE_ID_BYTES];
	world_random(world, random, sizeof random);
	const char *id =
		arena_format(arena, "%02x%02x%02x%02x", random[0], random[1], random[2], random[3]);
	const char *name = configuration->source_slot != NULL
				   ? configuration->source_slot
				   : arena_format(arena, "walberg_%s", id);
	char commit_id[UUID_TEXT_SIZE];
	const struct lake lake = {
		.id = id,
		.slot_name = name,
		.publication_name = name,
		.append_publication_name = arena_format(arena, "%s_append", name),
		.system_identifier = "",
		.phase = LAKE_NEW,
		.commit_id = world_uuid(world, commit_id),
		.log_id = "",
	};
	return catalog_create(catalog, &lake, err);
}

bool lake_load_or_create(struct world *world, const struct configuration *configuration,
	struct catalog *catalog, struct arena *arena, struct catalog_view *out, struct error *err)
{
	if (catalog_load(catalog, arena, out, err))
		return true;
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
	return error_hint(err, "Set source.url to postgresql://user@host/database (run, status and "
			       "drop also take it as their argument).");
}

struct postgres_options lake_source_options(
	const struct configuration *configuration, const struct lake *lake)
{
	return (struct postgres_options){
		.url = configuration->source_url,
		.user = configuration->source_user,
		.password = configuration->source_password,
		.slot_name = lake->slot_name,
		.publication_name = lake->publication_name,
		.append_publication_name = lake->append_publication_name,
		.tables = configuration->source_tables.items,
		.table_count = configuration->source_tables.count,
		.connect_timeout = configuration->source_connect_timeout,
	};
}

bool lake_open_source(struct world *world, const struct configuration *configuration,
	const struct lake *lake, struct source **out, struct error *err)
{
	if (!lake_check_source_is_given(configuration, err))
		return false;
	const struct postgres_options options = lake_source_options(configuration, lake);
	return source_postgres_open(world, &options, out, err);
}
