#include "engine/lake.h"

#include "catalog/place.h"
#include "store/s3/s3.h"
#include "table/table.h"

#include <stdlib.h>

/* NULL: there is no home directory to look in. */
static const char *credentials_path(const struct configuration *configuration, struct arena *arena)
{
	const char *home = getenv("HOME");
	if (configuration->s3_credentials_file != NULL)
		return configuration_path(configuration->s3_credentials_file, arena);
	return home != NULL && home[0] == '/' ? arena_format(arena, "%s/.aws/credentials", home)
					      : NULL;
}

static bool open_s3(struct world *world, const struct configuration *configuration,
	struct arena *arena, struct store **out, struct error *err)
{
	const struct s3_options options = {
		.location = configuration->lake_warehouse,
		.endpoint = configuration->s3_endpoint,
		.region = configuration->s3_region,
		.access_key = configuration->s3_access_key,
		.secret_key = configuration->s3_secret_key,
		.session_token = configuration->s3_session_token,
		.credentials_file = credentials_path(configuration, arena),
		.profile = configuration->s3_profile,
		.addressing = configuration->s3_addressing,
		.ca_file = configuration->s3_ca_file,
		.is_own = table_is_own_path,
	};
	return store_s3_open(world, &options, out, err);
}

bool lake_look_store(struct world *world, const struct configuration *configuration,
	struct store **out, struct error *err)
{
	if (!s3_is_location(configuration->lake_warehouse)) {
		*out = store_local_look(world, configuration->lake_warehouse);
		return true;
	}
	struct arena arena = { 0 };
	*out = NULL;
	const bool done = open_s3(world, configuration, &arena, out, err);
	arena_deinit(&arena);
	return done;
}

bool lake_open_store(struct world *world, const struct configuration *configuration,
	struct store **out, struct error *err)
{
	if (!s3_is_location(configuration->lake_warehouse))
		return store_local_open(world, configuration->lake_warehouse, out, err);
	return lake_look_store(world, configuration, out, err);
}

/* --- where the tables are --- */

bool lake_check_place(const struct configuration *configuration, const struct catalog_view *view,
	struct error *err)
{
	struct arena arena = { 0 };
	char *location = arena_format(&arena, "%s%s",
		s3_is_location(configuration->lake_warehouse) ? "" : "file://",
		configuration->lake_warehouse);
	for (size_t size = strlen(location); location[size - 1] == '/';)
		location[--size] = '\0';
	const struct store named = { .location = location };
	const bool done = place_check(&named, view, err);
	arena_deinit(&arena);
	return done;
}

bool lake_look_for_place(struct world *world, const struct configuration *configuration,
	const struct catalog_view *view, struct error *err)
{
	struct store *store = NULL;
	const bool done = lake_check_place(configuration, view, err) &&
			  lake_look_store(world, configuration, &store, err) &&
			  place_look(store, view, err);
	store_close(store);
	return done;
}
