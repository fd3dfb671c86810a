#include "base/test.h"
#include "engine/lake.h"

static bool open_with_file(
	const char *text, const char *profile, const char *token, struct error *err)
{
	struct arena arena = { 0 };
	struct store *store;
	const char *path = arena_format(&arena, "%s/credentials", test_directory());
	FILE *file = fopen(path, "w");
	CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
	const struct configuration configuration = {
		.lake_warehouse = "s3://bucket/x",
		.s3_region = "us-east-1",
		.s3_profile = profile,
		.s3_session_token = token,
		.s3_credentials_file = path,
	};
	const bool done = lake_open_store(world_posix(), &configuration, &store, err);
	if (done)
		store_close(store);
	arena_deinit(&arena);
	return done;
}

TEST(keys_that_no_setting_gives_come_from_the_shared_file)
{
	static const char TEXT[] = "[work]\naws_access_key_id = a\naws_secret_access_key = s\n";
	struct error err = { 0 };
	CHECK_OK(open_with_file(TEXT, "work", NULL, &err), &err);
	CHECK(!open_with_file(TEXT, "default", "", &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, "s3.access_key") != NULL);
	CHECK(strstr(err.hint, "~/.aws/credentials") != NULL);
}

TEST(a_token_without_its_keys_is_not_sent_with_those_of_the_shared_file)
{
	static const char TEXT[] = "[work]\naws_access_key_id = a\naws_secret_access_key = s\n";
	struct error err = { 0 };
	CHECK(!open_with_file(TEXT, "work", "t", &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, "s3.session_token") != NULL);
}

TEST(one_key_without_the_other_is_told)
{
	struct error err = { 0 };
	struct store *store;
	const struct configuration configuration = {
		.lake_warehouse = "s3://bucket/x",
		.s3_region = "us-east-1",
		.s3_access_key = "a",
	};
	CHECK(!lake_open_store(world_posix(), &configuration, &store, &err));
	CHECK(strstr(err.text, "s3.secret_key is not given") != NULL);
}
