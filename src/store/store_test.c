/*
 * One contract for every store, and what is particular to some.
 */
#include "base/test.h"
#include "base/world_sim.h"
#include "store/s3/s3_fixture.h"

#include <stdio.h>
#include <string.h>

static enum error_kind no_strike(void *context, const char *call, const char *path)
{
	(void)context, (void)call, (void)path;
	return ERROR_NONE;
}

static struct store *local_open(struct world *world, const char *directory)
{
	struct error err;
	struct store *store;
	CHECK_OK(store_local_open(world, directory, &store, &err), &err);
	return store;
}

static void put(struct store *store, const char *path, const char *body)
{
	struct error err;
	CHECK_OK(store_put(store, path, bytes_of_cstring(body), &err), &err);
}

static void check_body(struct store *store, const char *path, const char *expected)
{
	struct error err;
	struct buffer body = { 0 };
	uint64_t size;
	CHECK_OK(store_get(store, path, 1000, &body, &err), &err);
	CHECK(bytes_equal(buffer_bytes(&body), bytes_of_cstring(expected)));
	CHECK_OK(store_size(store, path, &size, &err), &err);
	CHECK_EQUAL(size, strlen(expected));
	buffer_deinit(&body);
}

static void check_missing(struct store *store, const char *path)
{
	struct error err = { 0 };
	struct buffer body = { 0 };
	uint64_t size;
	CHECK(!store_read(store, path, 0, 0, &body, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	CHECK(!store_size(store, path, &size, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	CHECK(!store_get(store, path, 10, &body, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	buffer_deinit(&body);
}

/* The paths of a listing, separated by spaces. */
static const char *list_text(struct store *store, const char *prefix, char text[400])
{
	struct error err;
	struct arena arena = { 0 };
	struct object_info *objects;
	size_t count;
	text[0] = '\0';
	CHECK_OK(store_list(store, prefix, &arena, &objects, &count, &err), &err);
	for (size_t i = 0; i < count; i++)
		snprintf(text + strlen(text), 400 - strlen(text), "%s ", objects[i].path);
	arena_deinit(&arena);
	return text;
}

static void check_upload_in_pieces(struct store *store)
{
	struct error err;
	struct upload *upload;
	char text[400];
	CHECK_OK(store_create(store, "a/b/pieces", &upload, &err), &err);
	CHECK_OK(upload_write(upload, BYTES_LITERAL("one "), &err), &err);
	check_missing(store, "a/b/pieces");
	CHECK_OK(upload_write(upload, BYTES_LITERAL("two"), &err), &err);
	CHECK_TEXT(list_text(store, "", text), "");
	CHECK_OK(upload_finish(upload, &err), &err);
	check_body(store, "a/b/pieces", "one two");

	CHECK_OK(store_create(store, "a/b/given_up", &upload, &err), &err);
	CHECK_OK(upload_write(upload, BYTES_LITERAL("x"), &err), &err);
	upload_abort(upload);
	upload_abort(NULL);
	check_missing(store, "a/b/given_up");
}

static void check_reading(struct store *store)
{
	struct error err;
	struct buffer body = { 0 };
	put(store, "empty", "");
	check_body(store, "empty", "");
	put(store, "digits", "0123456789");
	buffer_append_cstring(&body, "x");
	CHECK_OK(store_read(store, "digits", 3, 4, &body, &err), &err);
	CHECK_OK(store_read(store, "digits", 10, 0, &body, &err), &err);
	CHECK(bytes_equal(buffer_bytes(&body), BYTES_LITERAL("x3456")));
	CHECK(!store_read(store, "digits", 3, 8, &body, &err));
	CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	CHECK(!store_read(store, "digits", 11, 0, &body, &err));
	CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	CHECK(!store_read(store, "digits", 20, 3, &body, &err));
	CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	CHECK(!store_get(store, "digits", 9, &body, &err));
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	CHECK(bytes_equal(buffer_bytes(&body), BYTES_LITERAL("x3456")));
	buffer_deinit(&body);
}

static void check_listing_and_removal(struct store *store)
{
	struct error err;
	char text[400];
	put(store, "t/data/2", "2");
	put(store, "t/data/1", "1");
	put(store, "t/data-old", "o");
	put(store, "t/data/deep/3", "3");
	put(store, "t2/x", "x");
	CHECK_TEXT(list_text(store, "t/", text), "t/data-old t/data/1 t/data/2 t/data/deep/3 ");
	CHECK_TEXT(list_text(store, "t/data/", text), "t/data/1 t/data/2 t/data/deep/3 ");
	CHECK_TEXT(list_text(store, "t", text), "t/data-old t/data/1 t/data/2 t/data/deep/3 t2/x ");
	CHECK_TEXT(list_text(store, "t/data/d", text), "t/data/deep/3 ");
	CHECK_TEXT(list_text(store, "t/data/1", text), "t/data/1 ");
	CHECK_TEXT(list_text(store, "none/", text), "");
	CHECK_TEXT(list_text(store, "none/x", text), "");
	check_body(store, "t/data/1", "1");
	CHECK_OK(store_remove(store, "t/data/1", &err), &err);
	CHECK_OK(store_remove(store, "t/data/1", &err), &err);
	CHECK_OK(store_remove(store, "none/1", &err), &err);
	check_missing(store, "t/data/1");
	CHECK_TEXT(list_text(store, "t/data/", text), "t/data/2 t/data/deep/3 ");
	put(store, "t/data/2", "2");
	check_body(store, "t/data/2", "2");

	static const char *const MANY[] = { "t/data/2", "none/2", "t2/x", "t/data/deep/3" };
	CHECK_OK(store_remove_many(store, MANY, 4, &err), &err);
	CHECK_OK(store_remove_many(store, MANY, 4, &err), &err);
	CHECK_OK(store_remove_many(store, MANY, 0, &err), &err);
	CHECK_TEXT(list_text(store, "t/", text), "t/data-old ");
}

/* Letters beyond ASCII, and all that a URL, a query, a form or XML has another meaning for. */
static void check_odd_names(struct store *store)
{
	static const char *const NAMES[] = { "odd/a b", "odd/a+b", "odd/a=b&c=d", "odd/50%",
		"odd/%20", "odd/\u00e9\u4e2d\U0001f600", "odd/#?;:@!$'()*,[]~", "odd/<&>\"",
		"odd/back\\slash", "odd/.hidden", "odd/two..dots" };
	enum {
		COUNT = sizeof NAMES / sizeof *NAMES
	};
	struct error err;
	struct arena arena = { 0 };
	struct object_info *objects;
	size_t count;
	for (size_t i = 0; i < COUNT; i++)
		put(store, NAMES[i], NAMES[i]);
	CHECK_OK(store_list(store, "odd/", &arena, &objects, &count, &err), &err);
	CHECK_EQUAL(count, COUNT);
	for (size_t i = 0; i < COUNT; i++) {
		check_body(store, NAMES[i], NAMES[i]);
		CHECK_EQUAL(objects[i].size_bytes, strlen(objects[i].path));
		check_body(store, objects[i].path, objects[i].path);
		CHECK_TEXT(store_path(store, store_uri(store, NAMES[i], &arena)), NAMES[i]);
	}
	CHECK_OK(store_remove(store, NAMES[0], &err), &err);
	CHECK_OK(store_remove_many(store, NAMES, COUNT, &err), &err);
	CHECK_OK(store_list(store, "odd/", &arena, &objects, &count, &err), &err);
	CHECK_EQUAL(count, 0);
	arena_deinit(&arena);
}

static void check_times(struct store *store, struct world *world)
{
	enum {
		MINUTE = 60 * 1000 * 1000
	};
	struct error err;
	struct arena arena = { 0 };
	struct object_info *objects;
	size_t count;
	put(store, "timed/x", "x");
	CHECK_OK(store_list(store, "timed/", &arena, &objects, &count, &err), &err);
	CHECK_EQUAL(count, 1);
	CHECK(objects[0].modified_at > world_now(world) - 5 * MINUTE);
	CHECK(objects[0].modified_at < world_now(world) + 5 * MINUTE);
	micros_t written_at;
	CHECK_OK(store_probe(world, store, &written_at, &err), &err);
	CHECK(written_at > world_now(world) - 5 * MINUTE);
	CHECK(written_at < world_now(world) + 5 * MINUTE);
	if (strcmp(store->ops->scheme, "s3") == 0)
		CHECK_OK(store_probe_condition(world, store, &err), &err);
	CHECK_OK(store_list(store, "", &arena, &objects, &count, &err), &err);
	for (size_t i = 0; i < count; i++)
		CHECK(!store_is_probe(objects[i].path));
	arena_deinit(&arena);
}

static void check_names(struct store *store)
{
	struct arena arena = { 0 };
	char other[400];
	const char *uri = store_uri(store, "t/data/2", &arena);
	CHECK(strstr(uri, "://") != NULL);
	CHECK_TEXT(store_path(store, uri), "t/data/2");
	CHECK(store_path(store, store->location) == NULL);
	snprintf(other, sizeof other, "%s2/t", store->location);
	CHECK(store_path(store, other) == NULL);
	snprintf(other, sizeof other, "%s/t/../../x", store->location);
	CHECK(store_path(store, other) == NULL);
	CHECK(store_path(store, "s3://other/t") == NULL);
	arena_deinit(&arena);
}

static void check_contract(struct store *store, struct world *world)
{
	check_upload_in_pieces(store);
	check_reading(store);
	check_listing_and_removal(store);
	check_names(store);
	check_odd_names(store);
	check_times(store, world);
	store_close(store);
}

TEST(store_on_a_disk_keeps_the_contract)
{
	check_contract(local_open(world_posix(), test_directory()), world_posix());
}

TEST(store_on_a_simulated_disk_keeps_the_contract)
{
	struct world *world = world_sim_open(test_seed());
	check_contract(local_open(world, "/var/lake/"), world);
	world_sim_close(world);
}

TEST(store_in_memory_keeps_the_contract)
{
	check_contract(store_memory_open(world_posix(), "memory://lake"), world_posix());
}

TEST(store_that_never_fails_though_it_could_keeps_the_contract)
{
	struct store *memory = store_memory_open(world_posix(), "memory://lake");
	check_contract(store_faulty_open(memory, no_strike, NULL), world_posix());
}

TEST(store_in_s3_keeps_the_contract)
{
	struct arena arena = { 0 };
	const struct s3_options options = s3_fixture_options(&arena);
	check_contract(s3_fixture_open(&options), world_posix());
	arena_deinit(&arena);
}

TEST(store_on_a_disk_knows_its_uris_in_the_spelling_of_java_too)
{
	struct world *world = world_sim_open(test_seed());
	struct store *store = local_open(world, "/var/lake");
	CHECK_TEXT(store->location, "file:///var/lake");
	CHECK_TEXT(store_path(store, "file:/var/lake/a"), "a");
	CHECK(store_path(store, "/var/lake/a") == NULL);
	CHECK(store_path(store, "file:///var/lake//a") == NULL);
	static const char *const HERE[] = { "file:/var/lake/a", "/var/lake/a",
		"file:///var//lake//a", "file:///var/lake/../lake/a", "file:////var/lake/a" };
	for (size_t i = 0; i < sizeof HERE / sizeof *HERE; i++)
		CHECK(store_may_hold(store, HERE[i]));
	static const char *const ELSEWHERE[] = { "file:///var/lakes/a", "file:///var/lak",
		"s3://var/lake/a", "hdfs:/var/lake/a", "", "/" };
	for (size_t i = 0; i < sizeof ELSEWHERE / sizeof *ELSEWHERE; i++)
		CHECK(!store_may_hold(store, ELSEWHERE[i]));
	store_close(store);
	world_sim_close(world);
}

TEST(a_store_knows_its_uris_by_the_names_that_hadoop_has_for_s3)
{
	struct store *store = store_memory_open(world_posix(), "s3://bucket/lake");
	CHECK_TEXT(store_path(store, "s3a://bucket/lake/t/a b"), "t/a b");
	CHECK_TEXT(store_path(store, "s3n://bucket/lake/a"), "a");
	CHECK(store_path(store, "s3a://bucket2/lake/a") == NULL);
	CHECK(store_may_hold(store, "s3a://bucket/lake//a"));
	CHECK(!store_may_hold(store, "/bucket/lake/a"));
	store_close(store);
}

struct strike {
	const char *call;
	enum error_kind kind;
};

static enum error_kind strike_once(void *context, const char *call, const char *path)
{
	struct strike *strike = context;
	(void)path;
	if (strike->call == NULL || strcmp(strike->call, call) != 0)
		return ERROR_NONE;
	strike->call = NULL;
	return strike->kind;
}

TEST(store_with_faults_fails_as_it_is_told)
{
	static const char *const CALLS[] = { "create", "write", "finish", "read", "size",
		"remove" };
	struct strike strike = { 0 };
	struct store *memory = store_memory_open(world_posix(), "memory://lake");
	struct store *store = store_faulty_open(memory, strike_once, &strike);
	for (size_t i = 0; i < sizeof CALLS / sizeof *CALLS; i++) {
		for (unsigned uncertain = 0; uncertain < 2; uncertain++) {
			struct error err = { 0 };
			struct buffer body = { 0 };
			put(store, "kept", "kept");
			strike = (struct strike){ CALLS[i],
				uncertain ? ERROR_UNCERTAIN : ERROR_LOST };
			const enum error_kind kind = strike.kind;
			CHECK(!(store_put(store, "p", BYTES_LITERAL("p"), &err) &&
				store_get(store, "kept", 100, &body, &err) &&
				store_remove(store, "kept", &err)));
			CHECK_EQUAL(err.kind, kind);
			CHECK(strike.call == NULL);
			buffer_deinit(&body);
			const bool is_finished = uncertain || strcmp(CALLS[i], "finish") != 0;
			const bool is_removed = uncertain && strcmp(CALLS[i], "remove") == 0;
			if (i >= 2 && is_finished)
				check_body(store, "p", "p");
			else
				check_missing(store, "p");
			if (is_removed)
				check_missing(store, "kept");
			else
				check_body(store, "kept", "kept");
			CHECK_OK(store_remove(store, "p", &err), &err);
		}
	}
	store_close(store);
}

TEST(a_probe_that_stays_behind_is_known_by_its_name)
{
	struct strike strike = { 0 };
	struct error err = { 0 };
	struct arena arena = { 0 };
	struct object_info *objects;
	size_t count;
	micros_t written_at;
	struct store *memory = store_memory_open(world_posix(), "memory://lake");
	struct store *store = store_faulty_open(memory, strike_once, &strike);
	strike = (struct strike){ "remove", ERROR_LOST };
	CHECK(!store_probe(world_posix(), store, &written_at, &err));
	CHECK_EQUAL(err.kind, ERROR_LOST);
	strike = (struct strike){ "remove", ERROR_LOST };
	CHECK(!store_probe_condition(world_posix(), store, &err));
	CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED); /* memory takes other bytes */
	CHECK_OK(store_list(store, "", &arena, &objects, &count, &err), &err);
	CHECK_EQUAL(count, 2);
	CHECK(store_is_probe(objects[0].path) && store_is_probe(objects[1].path));
	CHECK(!store_is_probe("probe-1/x") && !store_is_probe("public/probe"));
	store_close(store);
	arena_deinit(&arena);
}

static bool disk_is_full(void *context, const char *call, const char *path, struct error *err)
{
	(void)context, (void)path;
	if (strcmp(call, "write_at") != 0)
		return true;
	return error_set(err, ERROR_LIMIT, "no space left on device");
}

TEST(store_on_a_full_disk_says_what_to_do_and_leaves_nothing)
{
	struct world *world = world_sim_open(test_seed());
	struct store *store = local_open(world, "/lake");
	struct error err = { 0 };
	struct arena arena = { 0 };
	struct file_info *files;
	size_t count;
	world_sim_observe(world, disk_is_full, NULL);
	CHECK(!store_put(store, "data/x", BYTES_LITERAL("x"), &err));
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	CHECK(err.hint[0] != '\0');
	check_missing(store, "data/x");
	CHECK_OK(world_list(world, "/lake/.tmp", &arena, &files, &count, &err), &err);
	CHECK_EQUAL(count, 0);
	world_sim_observe(world, NULL, NULL);
	put(store, "data/x", "x");
	arena_deinit(&arena);
	store_close(store);
	world_sim_close(world);
}

TEST(store_on_a_disk_makes_a_removed_directory_again)
{
	struct world *world = world_sim_open(test_seed());
	struct store *store = local_open(world, "/lake");
	struct error err;
	put(store, "data/x", "x");
	CHECK_OK(world_rename(world, "/lake/data", "/lake/away", &err), &err);
	put(store, "data/y", "y");
	check_body(store, "data/y", "y");
	store_close(store);
	world_sim_close(world);
}

TEST(looking_at_a_store_on_a_disk_makes_nothing)
{
	struct world *world = world_sim_open(test_seed());
	struct store *store = store_local_look(world, "/not/there");
	struct arena arena = { 0 };
	struct object_info *objects;
	struct file_info *files;
	size_t count = 1;
	struct error err;
	CHECK_OK(store_list(store, "", &arena, &objects, &count, &err), &err);
	CHECK_EQUAL(count, 0);
	CHECK(!world_list(world, "/not", &arena, &files, &count, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	store_close(store);
	world_sim_close(world);
	arena_deinit(&arena);
}

TEST(store_forgets_uploads_of_long_ago_and_no_others)
{
	struct world *world = world_sim_open(test_seed());
	struct store *store = local_open(world, "/lake");
	struct error err;
	struct upload *old, *young;
	CHECK_OK(store_create(store, "old", &old, &err), &err);
	world_sim_advance(world, INT64_C(90000000000));
	CHECK_OK(store_create(store, "young", &young, &err), &err);
	store_close(local_open(world, "/lake"));
	CHECK_OK(upload_finish(young, &err), &err);
	CHECK(!upload_finish(old, &err));
	store_close(store);
	world_sim_close(world);
}

struct power {
	struct world *world;
	uint64_t fails_at;
};

static bool fail_power(void *context, const char *call, const char *path, struct error *err)
{
	struct power *power = context;
	(void)call, (void)path, (void)err;
	if (world_sim_calls(power->world) == power->fails_at)
		world_sim_crash(power->world);
	return true;
}

/* Puts objects until the power fails; returns how many are promised to be there. */
static unsigned put_until_failure(struct world *world)
{
	struct error err = { 0 };
	struct store *store;
	unsigned done = 0;
	if (!store_local_open(world, "/srv/lake", &store, &err))
		return 0;
	for (unsigned i = 0; i < 20; i++) {
		char path[40];
		snprintf(path, sizeof path, "t%u/data/%u", i / 4, i);
		if (!store_put(store, path, BYTES_LITERAL("some bytes of an object"), &err))
			break;
		done = i + 1;
	}
	CHECK(done == 20 || err.kind == ERROR_LOST || err.kind == ERROR_UNCERTAIN);
	store_close(store);
	return done;
}

/* I1: what was finished is there; what was not is there whole or not at all. */
TEST(store_on_a_disk_keeps_every_finished_object_over_a_power_failure)
{
	for (unsigned call = 1; call < 240; call++) {
		struct world *world = world_sim_open(test_seed() + call);
		struct power power = { world, call };
		world_sim_observe(world, fail_power, &power);
		const unsigned done = put_until_failure(world);
		world_sim_restart(world);
		world_sim_observe(world, NULL, NULL);
		struct store *store = local_open(world, "/srv/lake");
		for (unsigned i = 0; i < 20; i++) {
			char path[40];
			uint64_t size;
			struct error err;
			snprintf(path, sizeof path, "t%u/data/%u", i / 4, i);
			if (i < done || store_size(store, path, &size, &err))
				check_body(store, path, "some bytes of an object");
			else
				CHECK_EQUAL(err.kind, ERROR_MISSING);
		}
		store_close(store);
		world_sim_close(world);
	}
}
