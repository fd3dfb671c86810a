#include "engine/lake.h"

#include "store/s3/s3.h"
#include "table/table.h"

#include <stdlib.h>

enum {
	CREDENTIALS_SIZE_MAX = 1024 * 1024,
};

/* NULL: there is no home directory to look in. */
static const char *credentials_path(const struct configuration *configuration, struct arena *arena)
{
	const char *home = getenv("HOME");
	if (configuration->s3_credentials_file != NULL)
		return configuration_path(configuration->s3_credentials_file, arena);
	return home != NULL && home[0] == '/' ? arena_format(arena, "%s/.aws/credentials", home)
					      : NULL;
}

/* A file that is not there holds no credentials; one that cannot be read is an error. */
static bool read_shared_file(struct world *world, const struct configuration *configuration,
	struct arena *arena, struct s3_credentials *out, struct error *err)
{
	struct buffer text = { 0 };
	const char *path = credentials_path(configuration, arena);
	*out = (struct s3_credentials){ 0 };
	if (path == NULL)
		return true;
	bool done = world_read_file(world, path, CREDENTIALS_SIZE_MAX, &text, err);
	if (done)
		s3_find_credentials(buffer_bytes(&text), configuration->s3_profile, arena, out);
	else if (err->kind == ERROR_MISSING)
		done = true;
	else
		err->kind = ERROR_SETUP;
	buffer_deinit(&text);
	return done;
}

static bool open_s3(struct world *world, const struct configuration *configuration,
	struct arena *arena, struct store **out, struct error *err)
{
	struct s3_options options = {
		.location = configuration->lake_warehouse,
		.endpoint = configuration->s3_endpoint,
		.region = configuration->s3_region,
		.access_key = configuration->s3_access_key,
		.secret_key = configuration->s3_secret_key,
		.session_token = configuration->s3_session_token,
		.addressing = configuration->s3_addressing,
		.ca_file = configuration->s3_ca_file,
		.is_own = table_is_own_path,
	};
	struct s3_credentials shared;
	if (options.access_key == NULL && options.secret_key == NULL) {
		if (!read_shared_file(world, configuration, arena, &shared, err))
			return false;
		options.access_key = shared.access_key;
		options.secret_key = shared.secret_key;
		options.session_token = shared.session_token;
	}
	return store_s3_open(world, &options, out, err);
}

bool lake_open_store(struct world *world, const struct configuration *configuration,
	struct store **out, struct error *err)
{
	if (!s3_is_location(configuration->lake_warehouse))
		return store_local_open(world, configuration->lake_warehouse, out, err);
	struct arena arena = { 0 };
	*out = NULL;
	const bool done = open_s3(world, configuration, &arena, out, err);
	arena_deinit(&arena);
	return done;
}
