#include "store/s3/s3_fixture.h"

#include "base/test.h"

static const char *variable(const char *name)
{
	const char *value = getenv(name);
	return value != NULL && value[0] != '\0' ? value : NULL;
}

struct s3_options s3_fixture_options(struct arena *arena)
{
	char uuid[UUID_TEXT_SIZE];
	const char *endpoint = variable("WALBERG_TEST_S3");
	if (endpoint == NULL)
		test_skip("WALBERG_TEST_S3 names no server; tests/support/postgres.py starts one");
	return (struct s3_options){
		.location = arena_format(arena, "s3://%s/unit/%s",
			variable("WALBERG_TEST_S3_BUCKET"), world_uuid(world_posix(), uuid)),
		.endpoint = endpoint,
		.region = "us-east-1",
		.access_key = variable("WALBERG_TEST_S3_ACCESS_KEY"),
		.secret_key = variable("WALBERG_TEST_S3_SECRET_KEY"),
	};
}

struct store *s3_fixture_open(const struct s3_options *options)
{
	struct error err;
	struct store *store;
	CHECK_OK(store_s3_open(world_posix(), options, &store, &err), &err);
	return store;
}
