#include "cmd/cmd.h"

#include "base/logline.h"
#include "engine/lake.h"
#include "query/lake_tables.h"

static void configure_lines(const struct configuration *configuration)
{
	struct logline_settings settings = {
		.level = LOGLINE_INFO,
		.format = strcmp(configuration->log_format, "json") == 0 ? LOGLINE_JSON
									 : LOGLINE_TEXT,
		.out = stderr,
	};
	(void)logline_level_of(configuration->log_level, &settings.level);
	logline_configure(settings);
}

bool cmd_load_configuration(const struct cmd_line *line, bool has_connection, struct arena *arena,
	struct configuration *out, struct error *err)
{
	struct configuration_arguments arguments = line->configuration;
	if (has_connection)
		arguments.url = line->arguments[0];
	if (!configuration_load(&arguments, arena, out, err))
		return false;
	configure_lines(out);
	return true;
}

/* A store on another machine is read through the cache. */
static bool open_cache(const struct configuration *configuration, const struct store *store,
	struct cache **out, struct error *err)
{
	const struct cache_options options = {
		.directory = configuration->lake_cache_directory,
		.size_max = (uint64_t)configuration->lake_cache_size,
	};
	*out = NULL;
	return !lake_tables_need_cache(store) || cache_open(&options, out, err);
}

bool cmd_open_tables(
	const struct configuration *configuration, struct tables **out, struct error *err)
{
	struct catalog *catalog;
	struct store *store = NULL;
	struct cache *cache;
	if (!lake_open_catalog(configuration, true, &catalog, err))
		return false;
	if (!lake_look_store(world_posix(), configuration, &store, err) ||
		!open_cache(configuration, store, &cache, err)) {
		if (store != NULL)
			store_close(store);
		catalog_close(catalog);
		return false;
	}
	*out = lake_tables_open(catalog, store, cache);
	return true;
}

void cmd_close_tables(struct tables *tables)
{
	if (tables != NULL)
		tables->ops->close(tables);
}
