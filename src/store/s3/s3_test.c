/*
 * The S3 store against a server that loses answers as it is told (s3_fake_fixture.h): what then is
 * there, and what is said of it.
 */
#include "base/test.h"
#include "store/s3/s3_fake_fixture.h"
#include "store/s3/s3_fixture.h"

/* --- lost answers ---------------------------------------------------------------------------- */

TEST(a_put_that_fails_once_in_any_way_is_there_once)
{
	for (enum s3_fault kind = S3_FAULT_NONE; kind < S3_FAULT_COUNT; kind++) {
		struct s3_fake fake;
		struct store *store = s3_fake_begin(&fake);
		s3_fake_meet(&fake, store);
		fake.fault = s3_fake_fault_once;
		fake.fault_at = 1;
		fake.fault_kind = kind;
		CHECK_OK(store_put(store, "a/x", BYTES_LITERAL("body"), &fake.err), &fake.err);
		CHECK_EQUAL(fake.count, 1);
		CHECK_TEXT(fake.objects[0].name, "/bucket/lake/a/x");
		CHECK(bytes_equal(buffer_bytes(&fake.objects[0].body), BYTES_LITERAL("body")));
		if (kind == S3_FAULT_NONE)
			CHECK_EQUAL(http_server_request_count(fake.server), 2);
		s3_fake_end(&fake, store);
	}
}

static enum s3_fault lose_all(struct s3_fake *fake, const struct served_request *request)
{
	(void)fake;
	return request->number == 0 ? S3_FAULT_DROP_AFTER : S3_FAULT_DROP_BEFORE;
}

TEST(a_put_without_an_answer_that_cannot_be_looked_at_is_uncertain)
{
	struct s3_fake fake;
	struct store *store = s3_fake_begin(&fake);
	fake.fault = lose_all;
	CHECK(!store_put(store, "x", BYTES_LITERAL("body"), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_UNCERTAIN);
	CHECK(http_server_request_count(fake.server) > 2); /* which all are over */
	fake.fault = NULL;
	CHECK_OK(store_put(store, "x", BYTES_LITERAL("body"), &fake.err), &fake.err);
	s3_fake_end(&fake, store);
}

static enum s3_fault drop_puts(struct s3_fake *fake, const struct served_request *request)
{
	return strcmp(request->method, "PUT") == 0 ? fake->fault_kind : S3_FAULT_NONE;
}

TEST(a_put_that_was_looked_for_and_is_not_there_may_be_tried_again)
{
	static const enum s3_fault KINDS[] = { S3_FAULT_BUSY, S3_FAULT_DROP_BEFORE };
	for (size_t i = 0; i < 2; i++) {
		struct s3_fake fake;
		struct store *store = s3_fake_begin(&fake);
		fake.fault = drop_puts;
		fake.fault_kind = KINDS[i];
		CHECK(!store_put(store, "x", BYTES_LITERAL("body"), &fake.err));
		CHECK_EQUAL(fake.err.kind, ERROR_BUSY);
		CHECK(http_server_request_count(fake.server) > 3);
		CHECK_EQUAL(fake.count, 0);
		s3_fake_end(&fake, store);
	}
}

TEST(an_object_of_other_bytes_is_never_replaced)
{
	struct s3_fake fake;
	struct store *store = s3_fake_begin(&fake);
	CHECK_OK(store_put(store, "x", BYTES_LITERAL("one"), &fake.err), &fake.err);
	CHECK_OK(store_put(store, "x", BYTES_LITERAL("one"), &fake.err), &fake.err);
	CHECK(!store_put(store, "x", BYTES_LITERAL("two"), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_CONFLICT);
	fake.objects[0].write[0] = '\0'; /* made by another program */
	CHECK(!store_put(store, "x", BYTES_LITERAL("one"), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_CONFLICT);
	CHECK(bytes_equal(buffer_bytes(&fake.objects[0].body), BYTES_LITERAL("one")));
	s3_fake_end(&fake, store);
}

static void read_again(struct s3_fake *fake, struct store *store)
{
	struct buffer body = { 0 };
	fake->fault_at = http_server_request_count(fake->server);
	CHECK_OK(store_read(store, "x", 1, 2, &body, &fake->err), &fake->err);
	CHECK(bytes_equal(buffer_bytes(&body), BYTES_LITERAL("od")));
	buffer_deinit(&body);
}

static void look_again(struct s3_fake *fake, struct store *store)
{
	uint64_t size;
	fake->fault_at = http_server_request_count(fake->server);
	CHECK_OK(store_size(store, "x", &size, &fake->err), &fake->err);
	CHECK_EQUAL(size, 4);
}

static void list_again(struct s3_fake *fake, struct store *store)
{
	struct object_info *objects;
	size_t count;
	fake->fault_at = http_server_request_count(fake->server);
	CHECK_OK(store_list(store, "", &fake->arena, &objects, &count, &fake->err), &fake->err);
	CHECK_EQUAL(count, 2);
	CHECK_TEXT(objects[1].path, "y");
}

static void remove_again(struct s3_fake *fake, struct store *store)
{
	static const char *const PATHS[] = { "y" };
	fake->fault_at = http_server_request_count(fake->server);
	CHECK_OK(store_remove_many(store, PATHS, 1, &fake->err), &fake->err);
	CHECK_EQUAL(fake->count, 1);
	fake->fault_at = http_server_request_count(fake->server);
	CHECK_OK(store_remove(store, "x", &fake->err), &fake->err);
	CHECK_EQUAL(fake->count, 0);
}

TEST(reads_and_removals_are_repeated_until_they_are_answered)
{
	for (enum s3_fault kind = S3_FAULT_BUSY; kind < S3_FAULT_COUNT; kind++) {
		struct s3_fake fake;
		struct store *store = s3_fake_begin(&fake);
		CHECK_OK(store_put(store, "x", BYTES_LITERAL("body"), &fake.err), &fake.err);
		CHECK_OK(store_put(store, "y", BYTES_LITERAL("other"), &fake.err), &fake.err);
		fake.fault = s3_fake_fault_once;
		fake.fault_kind = kind;
		read_again(&fake, store);
		look_again(&fake, store);
		list_again(&fake, store);
		remove_again(&fake, store);
		s3_fake_end(&fake, store);
	}
}

static void check_unusable(unsigned status, const char *body)
{
	struct s3_fake fake;
	struct buffer got = { 0 };
	struct object_info *objects;
	size_t count;
	uint64_t size;
	static const char *const PATHS[] = { "x" };
	struct store *store = s3_fake_begin_patient(&fake, 1);
	s3_fake_meet(&fake, store);
	fake.fixed = body;
	fake.fixed_status = status;
	CHECK(!store_read(store, "x", 0, strlen(body), &got, &fake.err));
	CHECK(fake.err.kind == ERROR_LOST || fake.err.kind == ERROR_BUSY);
	CHECK(!store_get(store, "x", 100, &got, &fake.err));
	CHECK(fake.err.kind == ERROR_LOST || fake.err.kind == ERROR_BUSY);
	CHECK(!store_size(store, "x", &size, &fake.err));
	CHECK(fake.err.kind == ERROR_LOST || fake.err.kind == ERROR_BUSY);
	CHECK(!store_list(store, "", &fake.arena, &objects, &count, &fake.err));
	CHECK(fake.err.kind == ERROR_LOST || fake.err.kind == ERROR_BUSY);
	CHECK(!store_remove_many(store, PATHS, 1, &fake.err));
	CHECK(fake.err.kind == ERROR_LOST || fake.err.kind == ERROR_BUSY);
	CHECK_EQUAL(got.size, 0);
	buffer_deinit(&got);
	s3_fake_end(&fake, store);
}

/* So that it is asked again, and no table is thought to be damaged. */
TEST(answers_that_cannot_be_used_are_no_damage_of_a_table)
{
	check_unusable(200, "<html>Welcome!</html>");
	check_unusable(200, "not");
	check_unusable(200, "<Error><Code>SomethingNew</Code></Error>");
	check_unusable(403, "<html>Sign in first.</html>");
	check_unusable(404, "<html>nothing here</html>");
	check_unusable(400, "<Error><Code>IncompleteBody</Code></Error>");
}

TEST(only_an_object_that_is_shorter_by_the_servers_word_is_damaged)
{
	struct s3_fake fake;
	struct buffer got = { 0 };
	struct store *store = s3_fake_begin(&fake);
	CHECK_OK(store_put(store, "x", BYTES_LITERAL("body"), &fake.err), &fake.err);
	CHECK(!store_read(store, "x", 2, 3, &got, &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_CORRUPT);
	CHECK(!store_read(store, "x", 4, 1, &got, &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_CORRUPT);
	fake.fixed = "<Error><Code>InvalidRange</Code></Error>"; /* without a Content-Range */
	fake.fixed_status = 416;
	CHECK(!store_read(store, "x", 4, 1, &got, &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_CORRUPT);
	fake.fixed = "<html>no such range</html>";
	CHECK(!store_read(store, "x", 4, 1, &got, &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_LOST);
	s3_fake_end(&fake, store);
}

static void check_not_put(unsigned status, const char *body)
{
	struct s3_fake fake;
	struct store *store = s3_fake_begin_patient(&fake, 1);
	s3_fake_meet(&fake, store);
	fake.fixed = body;
	fake.fixed_status = status;
	CHECK(!store_put(store, "x", bytes_of_cstring(body), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_UNCERTAIN);
	fake.fixed = NULL;
	CHECK_OK(store_put(store, "x", bytes_of_cstring(body), &fake.err), &fake.err);
	CHECK_EQUAL(fake.count, 1);
	s3_fake_end(&fake, store);
}

/* I1: a commit would name an object that is not there, and its rows would be forgotten. */
TEST(what_answers_every_request_with_a_page_has_put_nothing)
{
	check_not_put(200, "<html>Welcome!</html>");
	check_not_put(200, "");
	check_not_put(204, "");
}

static void check_endless(const char *page)
{
	struct s3_fake fake;
	struct object_info *objects;
	size_t count;
	struct store *store = s3_fake_begin(&fake);
	fake.fixed = page;
	fake.fixed_status = 200;
	CHECK(!store_list(store, "", &fake.arena, &objects, &count, &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_LOST);
	CHECK(http_server_request_count(fake.server) < 5);
	s3_fake_end(&fake, store);
}

TEST(a_listing_that_goes_round_in_a_circle_is_given_up)
{
	check_endless("<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a"
		      "</NextContinuationToken></ListBucketResult>");
}

/* --- addresses ------------------------------------------------------------------------------- */

static void check_address(
	const struct s3_options *given, struct s3_fake *fake, const char *host, const char *target)
{
	struct s3_options options = *given;
	options.region = "us-east-1";
	options.access_key = "key";
	options.secret_key = "secret";
	struct store *store = s3_fixture_open(&options);
	CHECK_OK(store_put(store, "a/\u00e9 +", BYTES_LITERAL("x"), &fake->err), &fake->err);
	CHECK_TEXT(fake->last, arena_format(&fake->arena, "PUT %s %s", host, target));
	store_close(store);
}

TEST(the_bucket_stands_in_the_path_or_in_the_name_of_the_host)
{
	struct s3_fake fake;
	struct store *store = s3_fake_begin(&fake);
	const char *port = strrchr(http_server_url(fake.server), ':') + 1;
	const char *local = arena_format(&fake.arena, "localhost:%s", port);
	struct s3_options options = {
		.location = "s3://bucket/pre fix",
		.endpoint = arena_format(&fake.arena, "HTTP://%s/", local),
	};
	check_address(&options, &fake, local, "/bucket/pre%20fix/a/%C3%A9%20%2B");
	options.location = "s3://bucket";
	options.addressing = "virtual";
	check_address(
		&options, &fake, arena_format(&fake.arena, "bucket.%s", local), "/a/%C3%A9%20%2B");
	s3_fake_end(&fake, store);
}

static void check_not_opened(struct s3_options options, const char *text)
{
	struct error err = { 0 };
	struct store *store;
	CHECK(!store_s3_open(world_posix(), &options, &store, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(err.hint[0] != '\0');
	if (strstr(err.text, text) == NULL)
		test_fail(__FILE__, __LINE__, "\"%s\", not \"%s\"", err.text, text);
}

TEST(options_that_cannot_be_used_are_told)
{
	const struct s3_options good = {
		.location = "s3://bucket/prefix",
		.endpoint = "http://127.0.0.1:9000",
		.region = "us-east-1",
		.access_key = "key",
		.secret_key = "secret",
	};
	static const char *const LOCATIONS[] = { "s3://", "s3://b", "s3://BUCKET", "s3://bucket//x",
		"s3://bucket/a/../b", "s3://buck et" };
	static const char *const ENDPOINTS[] = { "127.0.0.1:9000", "ftp://host", "http://",
		"http://host/path", "http://user@host", "http://host?x" };
	for (size_t i = 0; i < sizeof LOCATIONS / sizeof *LOCATIONS; i++) {
		struct s3_options bad = good;
		bad.location = LOCATIONS[i];
		check_not_opened(bad, LOCATIONS[i]);
	}
	for (size_t i = 0; i < sizeof ENDPOINTS / sizeof *ENDPOINTS; i++) {
		struct s3_options bad = good;
		bad.endpoint = ENDPOINTS[i];
		check_not_opened(bad, ENDPOINTS[i]);
	}
	struct s3_options bad = good;
	bad.access_key = NULL;
	check_not_opened(bad, "s3.access_key");
	bad = good;
	bad.secret_key = NULL;
	check_not_opened(bad, "s3.secret_key");
}
