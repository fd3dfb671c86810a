/* The S3 store against a real server (s3_fixture.h). */
#include "base/test.h"
#include "store/s3/s3_fixture.h"

#include <pthread.h>

struct creator {
	pthread_t thread;
	struct store *store;
	char body[32];
	struct error err;
	bool done;
};

static void *create(void *context)
{
	struct creator *creator = context;
	creator->done =
		store_put(creator->store, "one", bytes_of_cstring(creator->body), &creator->err);
	return NULL;
}

TEST(of_sixteen_creators_of_one_object_exactly_one_wins)
{
	enum {
		COUNT = 16
	};
	struct arena arena = { 0 };
	struct creator creators[COUNT] = { 0 };
	struct buffer body = { 0 };
	struct error err;
	const struct s3_options options = s3_fixture_options(&arena);
	for (int i = 0; i < COUNT; i++) {
		creators[i].store = s3_fixture_open(&options);
		snprintf(creators[i].body, sizeof creators[i].body, "creator %d", i);
	}
	for (int i = 0; i < COUNT; i++)
		CHECK_EQUAL(pthread_create(&creators[i].thread, NULL, create, &creators[i]), 0);
	const struct creator *winner = NULL;
	for (int i = 0; i < COUNT; i++) {
		pthread_join(creators[i].thread, NULL);
		CHECK(winner == NULL || !creators[i].done);
		if (creators[i].done)
			winner = &creators[i];
		else
			CHECK_EQUAL(creators[i].err.kind, ERROR_CONFLICT);
	}
	CHECK(winner != NULL);
	CHECK_OK(store_get(winner->store, "one", 100, &body, &err), &err);
	CHECK(bytes_equal(buffer_bytes(&body), bytes_of_cstring(winner->body)));
	for (int i = 0; i < COUNT; i++)
		store_close(creators[i].store);
	buffer_deinit(&body);
	arena_deinit(&arena);
}

static void check_real_refusal(struct s3_options options, const char *hint)
{
	struct error err = { 0 };
	struct store *store = s3_fixture_open(&options);
	CHECK(!store_put(store, "x", BYTES_LITERAL("x"), &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	if (strstr(err.hint, hint) == NULL)
		test_fail(__FILE__, __LINE__, "%s (%s)", err.text, err.hint);
	store_close(store);
}

TEST(a_real_server_refuses_wrong_keys_and_buckets_with_a_hint)
{
	struct arena arena = { 0 };
	const struct s3_options good = s3_fixture_options(&arena);
	struct s3_options bad = good;
	bad.secret_key = "wrong";
	check_real_refusal(bad, "s3.secret_key");
	bad = good;
	bad.access_key = "nobody";
	check_real_refusal(bad, "s3.access_key");
	bad = good;
	bad.location = "s3://no-such-bucket-of-walberg/x";
	check_real_refusal(bad, "Make the bucket");
	bad = good;
	bad.session_token = "wrong";
	check_real_refusal(bad, "s3.session_token");
	bad = good;
	bad.region = "eu-nowhere-1";
	check_real_refusal(bad, "s3.region to \"us-east-1\"");
	arena_deinit(&arena);
}

TEST(a_real_server_takes_an_object_in_parts)
{
	enum {
		SIZE = 20 * 1024 * 1024 + 3
	};
	struct arena arena = { 0 };
	struct buffer got = { 0 };
	struct error err;
	struct upload *upload;
	const struct s3_options options = s3_fixture_options(&arena);
	struct store *store = s3_fixture_open(&options);
	uint8_t *body = s3_fixture_body(SIZE);
	CHECK_OK(s3_fixture_write_in_pieces(store, "a b/big", bytes_of(body, SIZE), &err), &err);
	CHECK_OK(store_get(store, "a b/big", SIZE, &got, &err), &err);
	CHECK(bytes_equal(buffer_bytes(&got), bytes_of(body, SIZE)));
	buffer_reset(&got);
	CHECK_OK(store_read(store, "a b/big", SIZE - 5, 5, &got, &err), &err);
	CHECK(bytes_equal(buffer_bytes(&got), bytes_of(body + SIZE - 5, 5)));
	CHECK(!s3_fixture_write_in_pieces(store, "a b/big", bytes_of(body, SIZE), &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);

	CHECK_OK(store_create(store, "given up", &upload, &err), &err);
	CHECK_OK(upload_write(upload, bytes_of(body, SIZE), &err), &err);
	upload_abort(upload);
	uint64_t size;
	CHECK(!store_size(store, "given up", &size, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	CHECK_OK(store_remove(store, "a b/big", &err), &err);
	free(body);
	buffer_deinit(&got);
	store_close(store);
	arena_deinit(&arena);
}

TEST(a_real_server_lists_and_removes_more_than_a_page)
{
	enum {
		COUNT = 1003
	};
	struct arena arena = { 0 };
	struct error err;
	struct object_info *objects;
	size_t count;
	const struct s3_options options = s3_fixture_options(&arena);
	struct store *store = s3_fixture_open(&options);
	const char **paths = arena_array(&arena, const char *, COUNT);
	for (int i = 0; i < COUNT; i++) {
		paths[i] = arena_format(&arena, "page/%04d", i);
		CHECK_OK(store_put(store, paths[i], BYTES_LITERAL("x"), &err), &err);
	}
	CHECK_OK(store_list(store, "page/", &arena, &objects, &count, &err), &err);
	CHECK_EQUAL(count, COUNT);
	for (int i = 0; i < COUNT; i++)
		CHECK_TEXT(objects[i].path, paths[i]);
	CHECK_OK(store_remove_many(store, paths, COUNT, &err), &err);
	CHECK_OK(store_list(store, "page/", &arena, &objects, &count, &err), &err);
	CHECK_EQUAL(count, 0);
	store_close(store);
	arena_deinit(&arena);
}
