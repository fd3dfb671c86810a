#include "store/cache.h"

#include "base/test.h"
#include "store/cache_lab_fixture.h"

#include <fcntl.h>
#include <unistd.h>

/* ---- fetching ---- */

TEST(what_was_fetched_is_asked_for_once_also_after_a_restart)
{
	struct cache_lab lab;
	cache_lab_open(&lab, 100 << 20);
	cache_lab_put(&lab, "a", OBJECT_SIZE);
	const char *file = cache_lab_fetch(&lab, "a", 1000, 5000);
	CHECK_EQUAL(lab.calls, 1);
	cache_lab_check_bytes(file, "a", 1000, 5000);
	cache_lab_fetch(&lab, "a", 2000, 5000);
	CHECK_EQUAL(lab.calls, 1);
	cache_lab_fetch(&lab, "a", 600 * KB, OBJECT_SIZE);
	CHECK_EQUAL(lab.calls, 2);
	cache_lab_reopen(&lab);
	CHECK_TEXT(cache_lab_fetch(&lab, "a", 1000, 5000), file);
	cache_lab_fetch(&lab, "a", 600 * KB, OBJECT_SIZE);
	CHECK_EQUAL(lab.calls, 2);
	cache_lab_fetch(&lab, "a", 0, OBJECT_SIZE); /* what was fetched is not asked for again */
	CHECK_EQUAL(lab.calls, 3);
	cache_lab_check_bytes(file, "a", 0, OBJECT_SIZE);
	cache_lab_close(&lab);
}

TEST(buckets_of_equal_names_at_two_servers_are_not_mixed_up)
{
	static const char *const BODIES[] = { "of the first", "other bytes!" };
	static const char *const ENDPOINTS[] = { "http://one:9000", "http://two:9000" };
	const struct byte_range range = { 0, 12 };
	struct cache_lab lab;
	struct store *stores[2];
	struct error err;
	cache_lab_open(&lab, 10 << 20);
	for (size_t i = 0; i < 2; i++) {
		stores[i] = store_memory_open(world_posix(), "memory://lake");
		stores[i]->endpoint = ENDPOINTS[i];
		const struct bytes body = bytes_of(BODIES[i], range.end);
		CHECK_OK(store_put(stores[i], "fetched", body, &err), &err);
		CHECK_OK(store_put(stores[i], "got", body, &err), &err);
	}
	for (size_t i = 0; i < 6; i++) {
		struct buffer body = { 0 };
		struct cached_object object = { "fetched", range.end, 1, &range, NULL };
		CHECK_OK(cache_fetch(lab.cache, stores[i % 2], &object, 1, &lab.arena, &err), &err);
		CHECK_OK(world_read_file(world_posix(), object.file, range.end, &body, &err), &err);
		CHECK_OK(cache_get(lab.cache, stores[i % 2], "got", 100, &body, &err), &err);
		CHECK_EQUAL(body.size, 2 * range.end);
		CHECK(memcmp(body.data, BODIES[i % 2], range.end) == 0);
		CHECK(memcmp(body.data + range.end, BODIES[i % 2], range.end) == 0);
		buffer_deinit(&body);
		if (i == 3)
			cache_lab_reopen(&lab);
	}
	store_close(stores[0]);
	store_close(stores[1]);
	cache_lab_close(&lab);
}

TEST(only_what_is_asked_for_is_fetched)
{
	struct cache_lab lab;
	cache_lab_open(&lab, 100 << 20);
	cache_lab_put(&lab, "a", OBJECT_SIZE);
	const struct byte_range ranges[] = { { 900 * KB, 901 * KB }, { 0, 10 }, { 5, 20 },
		{ 500 * KB, 500 * KB } };
	const char *file;
	struct error err;
	CHECK_OK(cache_lab_fetch_by(&lab, lab.cache, "a", ranges, 4, &file, &err), &err);
	CHECK_EQUAL(lab.calls, 2);
	cache_lab_check_bytes(file, "a", 0, 20);
	cache_lab_check_bytes(file, "a", 900 * KB, 901 * KB);
	uint8_t bytes[2] = { 1, 1 };
	const int descriptor = open(file, O_RDONLY);
	CHECK_EQUAL(pread(descriptor, bytes, 1, 400 * KB), 1);
	CHECK_EQUAL(pread(descriptor, bytes + 1, 1, 20), 1);
	CHECK_EQUAL(lseek(descriptor, 0, SEEK_END), OBJECT_SIZE);
	close(descriptor);
	CHECK(bytes[0] == 0 && bytes[1] == 0);
	CHECK(cache_lab_disk_bytes(&lab) < 20 * KB);
	cache_lab_close(&lab);
}

TEST(random_ranges_of_several_objects_read_as_in_the_store)
{
	struct cache_lab lab;
	cache_lab_open(&lab, 100 << 20);
	const char *const paths[] = { "a", "b", "c" };
	uint64_t state = test_seed();
	for (size_t i = 0; i < 3; i++)
		cache_lab_put(&lab, paths[i], OBJECT_SIZE);
	for (size_t round = 0; round < 60; round++) {
		struct cached_object objects[3];
		struct byte_range ranges[3];
		struct error err;
		for (size_t i = 0; i < 3; i++) {
			ranges[i].start = test_random(&state) % OBJECT_SIZE;
			ranges[i].end = ranges[i].start + test_random(&state) % (10 * KB);
			if (ranges[i].end > OBJECT_SIZE)
				ranges[i].end = OBJECT_SIZE;
			objects[i] = (struct cached_object){ paths[i], OBJECT_SIZE, 1, &ranges[i],
				NULL };
		}
		CHECK_OK(cache_fetch(lab.cache, lab.store, objects, 3, &lab.arena, &err), &err);
		for (size_t i = 0; i < 3; i++)
			cache_lab_check_bytes(
				objects[i].file, paths[i], ranges[i].start, ranges[i].end);
		if (round % 20 == 19)
			cache_lab_reopen(&lab);
	}
	cache_lab_close(&lab);
}

TEST(a_failed_fetch_leaves_nothing_that_is_taken_for_bytes)
{
	struct cache_lab lab;
	const struct byte_range range = { 0, 1000 };
	const char *file;
	struct error err;
	cache_lab_open(&lab, 100 << 20);
	cache_lab_put(&lab, "a", OBJECT_SIZE);
	lab.failure = ERROR_SETUP;
	lab.failures = 1;
	CHECK(!cache_lab_fetch_by(&lab, lab.cache, "a", &range, 1, &file, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	cache_lab_check_bytes(cache_lab_fetch(&lab, "a", 0, 1000), "a", 0, 1000);
	CHECK_EQUAL(lab.calls, 2);

	CHECK(!cache_lab_fetch_by(&lab, lab.cache, "none", &range, 1, &file, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	cache_lab_put(&lab, "short", 500);
	CHECK(!cache_lab_fetch_by(&lab, lab.cache, "short", &range, 1, &file, &err));
	CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	cache_lab_close(&lab);
}

TEST(a_file_that_is_removed_by_hand_is_fetched_again)
{
	struct cache_lab lab;
	cache_lab_open(&lab, 100 << 20);
	cache_lab_put(&lab, "a", OBJECT_SIZE);
	CHECK(unlink(cache_lab_fetch(&lab, "a", 0, 1000)) == 0);
	cache_lab_check_bytes(cache_lab_fetch(&lab, "a", 0, 1000), "a", 0, 1000);
	CHECK(truncate(cache_lab_fetch(&lab, "a", 0, 1000), 10) == 0);
	cache_lab_check_bytes(cache_lab_fetch(&lab, "a", 500, 1000), "a", 500, 1000);
	CHECK_EQUAL(lab.calls, 3);
	cache_lab_close(&lab);
}

/* ---- the bound ---- */

TEST(what_was_used_longest_ago_goes_and_the_bound_holds)
{
	struct cache_lab lab;
	cache_lab_open(&lab, 300 * KB);
	const char *const paths[] = { "a", "b", "c", "d", "e" };
	for (size_t i = 0; i < 5; i++)
		cache_lab_put(&lab, paths[i], OBJECT_SIZE);
	for (size_t i = 0; i < 5; i++) {
		cache_unpin(lab.cache);
		cache_lab_fetch(&lab, paths[i], 0, 100 * KB);
		CHECK(cache_lab_disk_bytes(&lab) <= 300 * KB);
	}
	CHECK(cache_lab_disk_bytes(&lab) >= 299 * KB);
	lab.calls = 0;
	cache_unpin(lab.cache);
	for (size_t i = 5; i-- > 2;)
		cache_lab_fetch(&lab, paths[i], 0, 100 * KB);
	CHECK_EQUAL(lab.calls, 0);
	cache_unpin(lab.cache);
	cache_lab_fetch(&lab, "a", 0, 100 * KB);
	CHECK_EQUAL(lab.calls, 1);
	CHECK(cache_lab_disk_bytes(&lab) <= 300 * KB);

	cache_unpin(lab.cache);
	lab.size_max = 150 * KB; /* a lower bound holds from the next opening on */
	cache_lab_reopen(&lab);
	CHECK(cache_lab_disk_bytes(&lab) <= 150 * KB);
	cache_lab_fetch(&lab, "a", 0, 100 * KB);
	CHECK_EQUAL(lab.calls, 1);
	cache_lab_close(&lab);
}

TEST(what_is_in_use_stays_whoever_uses_it)
{
	struct cache_lab lab;
	const struct byte_range range = { 0, 100 * KB };
	const char *file;
	struct error err;
	cache_lab_open(&lab, 250 * KB);
	for (const char *path = "abc"; *path != '\0'; path++)
		cache_lab_put(&lab, arena_format(&lab.arena, "%c", *path), OBJECT_SIZE);
	struct cache *other = cache_lab_open_cache(&lab);
	CHECK_OK(cache_lab_fetch_by(&lab, other, "a", &range, 1, &file, &err), &err);
	cache_lab_fetch(&lab, "b", 0, 100 * KB);
	CHECK(!cache_lab_fetch_by(&lab, lab.cache, "c", &range, 1, &file, &err));
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	CHECK(strstr(err.hint, "lake.cache_size") != NULL);
	cache_unpin(other);
	cache_lab_fetch(&lab, "c", 0, 100 * KB); /* in the place of a */
	lab.calls = 0;
	cache_lab_fetch(&lab, "b", 0, 100 * KB);
	CHECK_EQUAL(lab.calls, 0);
	cache_lab_check_bytes(cache_lab_fetch(&lab, "b", 0, 100 * KB), "b", 0, 100 * KB);
	CHECK(!cache_lab_fetch_by(&lab, other, "a", &range, 1, &file, &err));
	cache_close(lab.cache); /* who goes uses nothing any more */
	lab.cache = other;
	CHECK_OK(cache_lab_fetch_by(&lab, other, "a", &range, 1, &file, &err), &err);
	cache_lab_check_bytes(file, "a", 0, 100 * KB);
	cache_lab_close(&lab);
}

TEST(an_object_in_use_is_cut_down_to_what_is_wanted_of_it)
{
	struct cache_lab lab;
	const struct byte_range range = { 800 * KB, 900 * KB };
	const char *file;
	struct error err;
	cache_lab_open(&lab, 150 * KB);
	cache_lab_put(&lab, "a", OBJECT_SIZE);
	cache_lab_fetch(&lab, "a", 0, 100 * KB);
	CHECK(!cache_lab_fetch_by(
		&lab, lab.cache, "a", &range, 1, &file, &err)); /* both are wanted */
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	cache_unpin(lab.cache);
	cache_lab_check_bytes(
		cache_lab_fetch(&lab, "a", 90 * KB, 110 * KB), "a", 90 * KB, 110 * KB);
	file = cache_lab_fetch(
		&lab, "a", 800 * KB, 900 * KB); /* in the place of what is before 90 kB */
	cache_lab_check_bytes(file, "a", 800 * KB, 900 * KB);
	cache_lab_check_bytes(file, "a", 90 * KB, 110 * KB);
	CHECK(cache_lab_disk_bytes(&lab) <= 150 * KB);
	cache_unpin(lab.cache);

	struct cache *other = cache_lab_open_cache(&lab);
	CHECK_OK(cache_lab_fetch_by(&lab, other, "a", &range, 1, &file, &err), &err);
	const struct byte_range first = { 0, 100 * KB };
	CHECK(!cache_lab_fetch_by(
		&lab, lab.cache, "a", &first, 1, &file, &err)); /* the other uses it */
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	cache_lab_check_bytes(
		cache_lab_fetch(&lab, "a", 800 * KB, 900 * KB), "a", 800 * KB, 900 * KB);
	cache_close(other);
	cache_unpin(lab.cache);
	cache_lab_check_bytes(cache_lab_fetch(&lab, "a", 0, 100 * KB), "a", 0, 100 * KB);
	CHECK(cache_lab_disk_bytes(&lab) <= 150 * KB);
	cache_lab_close(&lab);
}

/* ---- whole objects ---- */

TEST(small_objects_are_kept_whole_and_checked_when_they_are_read)
{
	struct cache_lab lab;
	cache_lab_open(&lab, 10 << 20);
	cache_lab_put(&lab, "m", 5000);
	cache_lab_put(&lab, "n", 0);
	cache_lab_get(&lab, "m", 5000);
	cache_lab_get(&lab, "n", 0);
	const size_t calls = lab.calls;
	cache_lab_get(&lab, "m", 5000);
	cache_lab_reopen(&lab);
	cache_lab_get(&lab, "m", 5000);
	cache_lab_get(&lab, "n", 0);
	CHECK_EQUAL(lab.calls, calls);

	struct file_info *infos;
	size_t count;
	struct error err;
	CHECK(world_list(world_posix(), cache_files(lab.cache), &lab.arena, &infos, &count, &err));
	CHECK_EQUAL(count, 2);
	for (size_t i = 0; i < count; i++) {
		const char *path =
			arena_format(&lab.arena, "%s/%s", cache_files(lab.cache), infos[i].name);
		const int descriptor = open(path, O_WRONLY);
		CHECK(infos[i].size_bytes == 0 || pwrite(descriptor, "?", 1, 777) == 1);
		close(descriptor);
	}
	cache_lab_get(&lab, "m", 5000);
	CHECK(lab.calls > calls);
	const size_t calls_again = lab.calls;
	cache_lab_get(&lab, "m", 5000);
	CHECK_EQUAL(lab.calls, calls_again);
	struct buffer bytes = { 0 };
	CHECK(!cache_get(lab.cache, lab.store, "none", 10, &bytes, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	CHECK(!cache_get(lab.cache, lab.store, "m", 10, &bytes, &err));
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	buffer_deinit(&bytes);
	cache_lab_close(&lab);
}

TEST(an_object_that_was_fetched_whole_is_got_without_a_request)
{
	struct cache_lab lab;
	cache_lab_open(&lab, 10 << 20);
	cache_lab_put(&lab, "m", OBJECT_SIZE);
	cache_lab_fetch(&lab, "m", 0, OBJECT_SIZE - 1);
	cache_lab_get(&lab, "m", OBJECT_SIZE); /* not whole: it is asked for */
	CHECK(lab.calls > 1);
	cache_lab_put(&lab, "n", OBJECT_SIZE);
	cache_lab_fetch(&lab, "n", 0, OBJECT_SIZE);
	lab.calls = 0;
	cache_lab_get(&lab, "n", OBJECT_SIZE);
	cache_lab_get(&lab, "m", OBJECT_SIZE);
	CHECK_EQUAL(lab.calls, 0);
	cache_lab_close(&lab);
}

TEST(an_object_that_is_too_large_for_the_cache_is_read_all_the_same)
{
	struct cache_lab lab;
	cache_lab_open(&lab, 8 * KB);
	cache_lab_put(&lab, "m", 50 * KB);
	cache_lab_get(&lab, "m", 50 * KB);
	cache_lab_get(&lab, "m", 50 * KB);
	CHECK(cache_lab_disk_bytes(&lab) <= 8 * KB);
	cache_lab_close(&lab);
}

TEST(a_directory_that_cannot_be_used_is_a_clear_error)
{
	const char *file = test_directory();
	struct arena arena = { 0 };
	struct cache *cache;
	struct error err;
	const char *path = arena_format(&arena, "%s/taken", file);
	close(open(path, O_WRONLY | O_CREAT, 0600));
	const struct cache_options options = { path, 1000 };
	CHECK(!cache_open(&options, &cache, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	arena_deinit(&arena);
}
