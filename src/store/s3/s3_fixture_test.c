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
		test_skip("WALBERG_TEST_S3 names no server; tests/support/servers.py starts one");
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

uint8_t *s3_fixture_body(size_t size)
{
	uint8_t *body = memory_allocate(size, 1);
	uint64_t state = 1;
	for (size_t i = 0; i < size; i += 8)
		memcpy(body + i, &(uint64_t){ test_random(&state) }, size - i < 8 ? size - i : 8);
	return body;
}

bool s3_fixture_write_in_pieces(
	struct store *store, const char *path, struct bytes body, struct error *err)
{
	struct upload *upload;
	if (!store_create(store, path, &upload, err))
		return false;
	for (size_t at = 0; at < body.size;) {
		const size_t size = body.size - at < 50000 ? body.size - at : 50000;
		if (!upload_write(upload, bytes_of(body.data + at, size), err)) {
			upload_abort(upload);
			return false;
		}
		at += size;
	}
	return upload_finish(upload, err);
}
