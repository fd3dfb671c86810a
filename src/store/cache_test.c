#include "store/cache.h"

#include "base/test.h"
#include "store/cache_internal.h"

#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

enum {
	KB = 1024,
	OBJECT_SIZE = 1000 * KB + 17,
};

/* A store in memory whose calls are counted and fail as asked, and a cache of it. */
struct lab {
	struct arena arena;
	struct store *store;
	struct cache *cache;
	const char *directory;
	uint64_t size_max;
	pthread_mutex_t lock; /* of what follows */
	size_t calls;
	size_t failures; /* that are still to come */
	enum error_kind failure;
	size_t freeze_after; /* calls; 0: never */
	int hung;            /* told of that */
};

static enum error_kind strike(void *context, const char *call, const char *path)
{
	struct lab *lab = context;
	(void)path;
	if (strcmp(call, "read") != 0 && strcmp(call, "size") != 0)
		return ERROR_NONE;
	pthread_mutex_lock(&lab->lock);
	const size_t calls = ++lab->calls;
	const bool fails = lab->failures > 0;
	lab->failures -= fails;
	pthread_mutex_unlock(&lab->lock);
	if (lab->freeze_after > 0 && calls > lab->freeze_after && write(lab->hung, "", 1) >= 0)
		pause();
	return fails ? lab->failure : ERROR_NONE;
}

static uint8_t byte_at(const char *path, uint64_t offset)
{
	const uint64_t x =
		(offset / 8 + (uint64_t)path[0] * 1000003) * UINT64_C(0x9E3779B97F4A7C15);
	return (uint8_t)((x >> (8 + 8 * (offset % 7))) | 1); /* never that of a hole */
}

static void put(struct lab *lab, const char *path, size_t size)
{
	struct buffer body = { 0 };
	struct error err;
	buffer_reserve(&body, size);
	for (size_t i = 0; i < size; i++)
		body.data[i] = byte_at(path, i);
	body.size = size;
	CHECK_OK(store_put(lab->store, path, buffer_bytes(&body), &err), &err);
	buffer_deinit(&body);
}

static struct cache *open_cache(struct lab *lab)
{
	const struct cache_options options = { lab->directory, lab->size_max };
	struct cache *cache = NULL;
	struct error err;
	CHECK_OK(cache_open(&options, &cache, &err), &err);
	return cache;
}

static void lab_open(struct lab *lab, uint64_t size_max)
{
	*lab = (struct lab){ .size_max = size_max };
	pthread_mutex_init(&lab->lock, NULL);
	lab->directory = arena_format(&lab->arena, "%s/cache", test_directory());
	lab->store =
		store_faulty_open(store_memory_open(world_posix(), "memory://lake"), strike, lab);
	lab->cache = open_cache(lab);
}

static void lab_reopen(struct lab *lab)
{
	cache_close(lab->cache);
	lab->cache = open_cache(lab);
}

static void lab_close(struct lab *lab)
{
	cache_close(lab->cache);
	store_close(lab->store);
	arena_deinit(&lab->arena);
	pthread_mutex_destroy(&lab->lock);
}

static bool fetch_by(struct lab *lab, struct cache *cache, const char *path,
	const struct byte_range *ranges, size_t count, const char **file, struct error *err)
{
	struct cached_object object = { path, OBJECT_SIZE, count, ranges, NULL };
	const bool ok = cache_fetch(cache, lab->store, &object, 1, &lab->arena, err);
	*file = object.file;
	return ok;
}

/* The local file of an object in which a range was fetched. */
static const char *fetch(struct lab *lab, const char *path, uint64_t start, uint64_t end)
{
	const struct byte_range range = { start, end };
	const char *file;
	struct error err;
	CHECK_OK(fetch_by(lab, lab->cache, path, &range, 1, &file, &err), &err);
	return file;
}

static void check_bytes(const char *file, const char *path, uint64_t start, uint64_t end)
{
	uint8_t *bytes = memory_allocate(end - start + 1, 1);
	const int descriptor = open(file, O_RDONLY);
	CHECK(descriptor >= 0);
	CHECK_EQUAL(pread(descriptor, bytes, end - start, (off_t)start), end - start);
	close(descriptor);
	for (uint64_t i = start; i < end; i++)
		if (bytes[i - start] != byte_at(path, i))
			test_fail(
				__FILE__, __LINE__, "byte %llu of %s", (unsigned long long)i, path);
	free(bytes);
}

static uint64_t disk_bytes(struct lab *lab)
{
	struct arena arena = { 0 };
	struct file_info *infos;
	size_t count;
	struct error err;
	uint64_t bytes = 0;
	CHECK_OK(world_list(world_posix(), cache_files(lab->cache), &arena, &infos, &count, &err),
		&err);
	for (size_t i = 0; i < count; i++) {
		struct stat info;
		CHECK(stat(arena_format(&arena, "%s/%s", cache_files(lab->cache), infos[i].name),
			      &info) == 0);
		bytes += (uint64_t)info.st_blocks * 512;
	}
	arena_deinit(&arena);
	return bytes;
}

/* ---- ranges ---- */

enum {
	UNIVERSE = 64
};

static uint64_t bits_of(const struct byte_ranges *ranges)
{
	uint64_t bits = 0;
	for (size_t i = 0; i < ranges->count; i++) {
		const struct byte_range *range = &ranges->items[i];
		CHECK(range->start < range->end);
		CHECK(i == 0 || range[-1].end < range->start);
		for (uint64_t at = range->start; at < range->end; at++)
			bits |= UINT64_C(1) << at;
	}
	return bits;
}

static struct byte_ranges random_ranges(uint64_t *state, struct arena *arena, uint64_t *bits)
{
	struct byte_range items[8];
	const size_t count = test_random(state) % 8;
	*bits = 0;
	for (size_t i = 0; i < count; i++) {
		items[i].start = test_random(state) % UNIVERSE;
		items[i].end =
			items[i].start + test_random(state) % (UNIVERSE - items[i].start + 1);
		for (uint64_t at = items[i].start; at < items[i].end; at++)
			*bits |= UINT64_C(1) << at;
	}
	return ranges_of(items, count, arena);
}

TEST(ranges_are_reckoned_as_sets_of_bytes)
{
	struct arena arena = { 0 };
	uint64_t state = test_seed();
	for (size_t round = 0; round < 20000; round++) {
		uint64_t wanted_bits, present_bits;
		const struct byte_ranges wanted = random_ranges(&state, &arena, &wanted_bits);
		const struct byte_ranges present = random_ranges(&state, &arena, &present_bits);
		const struct byte_ranges missing = ranges_missing(&wanted, &present, &arena);
		const struct byte_ranges bridged = ranges_bridged(&missing, 3, &arena);
		CHECK(bits_of(&wanted) == wanted_bits);
		CHECK(bits_of(&present) == present_bits);
		CHECK(bits_of(&missing) == (wanted_bits & ~present_bits));
		CHECK((bits_of(&bridged) & bits_of(&missing)) == bits_of(&missing));
		for (size_t i = 1; i < bridged.count; i++)
			CHECK(bridged.items[i].start - bridged.items[i - 1].end > 3);
		arena_reset(&arena);
	}
	arena_deinit(&arena);
}

/* ---- fetching ---- */

TEST(what_was_fetched_is_asked_for_once_also_after_a_restart)
{
	struct lab lab;
	lab_open(&lab, 100 << 20);
	put(&lab, "a", OBJECT_SIZE);
	const char *file = fetch(&lab, "a", 1000, 5000);
	CHECK_EQUAL(lab.calls, 1);
	check_bytes(file, "a", 1000, 5000);
	fetch(&lab, "a", 2000, 5000);
	CHECK_EQUAL(lab.calls, 1);
	fetch(&lab, "a", 600 * KB, OBJECT_SIZE);
	CHECK_EQUAL(lab.calls, 2);
	lab_reopen(&lab);
	CHECK_TEXT(fetch(&lab, "a", 1000, 5000), file);
	fetch(&lab, "a", 600 * KB, OBJECT_SIZE);
	CHECK_EQUAL(lab.calls, 2);
	fetch(&lab, "a", 0, OBJECT_SIZE); /* what was fetched is not asked for again */
	CHECK_EQUAL(lab.calls, 3);
	check_bytes(file, "a", 0, OBJECT_SIZE);
	lab_close(&lab);
}

TEST(buckets_of_equal_names_at_two_servers_are_not_mixed_up)
{
	static const char *const BODIES[] = { "of the first", "other bytes!" };
	static const char *const ENDPOINTS[] = { "http://one:9000", "http://two:9000" };
	const struct byte_range range = { 0, 12 };
	struct lab lab;
	struct store *stores[2];
	struct error err;
	lab_open(&lab, 10 << 20);
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
			lab_reopen(&lab);
	}
	store_close(stores[0]);
	store_close(stores[1]);
	lab_close(&lab);
}

TEST(only_what_is_asked_for_is_fetched)
{
	struct lab lab;
	lab_open(&lab, 100 << 20);
	put(&lab, "a", OBJECT_SIZE);
	const struct byte_range ranges[] = { { 900 * KB, 901 * KB }, { 0, 10 }, { 5, 20 },
		{ 500 * KB, 500 * KB } };
	const char *file;
	struct error err;
	CHECK_OK(fetch_by(&lab, lab.cache, "a", ranges, 4, &file, &err), &err);
	CHECK_EQUAL(lab.calls, 2);
	check_bytes(file, "a", 0, 20);
	check_bytes(file, "a", 900 * KB, 901 * KB);
	uint8_t bytes[2] = { 1, 1 };
	const int descriptor = open(file, O_RDONLY);
	CHECK_EQUAL(pread(descriptor, bytes, 1, 400 * KB), 1);
	CHECK_EQUAL(pread(descriptor, bytes + 1, 1, 20), 1);
	CHECK_EQUAL(lseek(descriptor, 0, SEEK_END), OBJECT_SIZE);
	close(descriptor);
	CHECK(bytes[0] == 0 && bytes[1] == 0);
	CHECK(disk_bytes(&lab) < 20 * KB);
	lab_close(&lab);
}

TEST(random_ranges_of_several_objects_read_as_in_the_store)
{
	struct lab lab;
	lab_open(&lab, 100 << 20);
	const char *const paths[] = { "a", "b", "c" };
	uint64_t state = test_seed();
	for (size_t i = 0; i < 3; i++)
		put(&lab, paths[i], OBJECT_SIZE);
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
			check_bytes(objects[i].file, paths[i], ranges[i].start, ranges[i].end);
		if (round % 20 == 19)
			lab_reopen(&lab);
	}
	lab_close(&lab);
}

TEST(a_failed_fetch_leaves_nothing_that_is_taken_for_bytes)
{
	struct lab lab;
	const struct byte_range range = { 0, 1000 };
	const char *file;
	struct error err;
	lab_open(&lab, 100 << 20);
	put(&lab, "a", OBJECT_SIZE);
	lab.failure = ERROR_SETUP;
	lab.failures = 1;
	CHECK(!fetch_by(&lab, lab.cache, "a", &range, 1, &file, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	check_bytes(fetch(&lab, "a", 0, 1000), "a", 0, 1000);
	CHECK_EQUAL(lab.calls, 2);

	CHECK(!fetch_by(&lab, lab.cache, "none", &range, 1, &file, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	put(&lab, "short", 500);
	CHECK(!fetch_by(&lab, lab.cache, "short", &range, 1, &file, &err));
	CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	lab_close(&lab);
}

TEST(a_file_that_is_removed_by_hand_is_fetched_again)
{
	struct lab lab;
	lab_open(&lab, 100 << 20);
	put(&lab, "a", OBJECT_SIZE);
	CHECK(unlink(fetch(&lab, "a", 0, 1000)) == 0);
	check_bytes(fetch(&lab, "a", 0, 1000), "a", 0, 1000);
	CHECK(truncate(fetch(&lab, "a", 0, 1000), 10) == 0);
	check_bytes(fetch(&lab, "a", 500, 1000), "a", 500, 1000);
	CHECK_EQUAL(lab.calls, 3);
	lab_close(&lab);
}

/* ---- the bound ---- */

TEST(what_was_used_longest_ago_goes_and_the_bound_holds)
{
	struct lab lab;
	lab_open(&lab, 300 * KB);
	const char *const paths[] = { "a", "b", "c", "d", "e" };
	for (size_t i = 0; i < 5; i++)
		put(&lab, paths[i], OBJECT_SIZE);
	for (size_t i = 0; i < 5; i++) {
		cache_unpin(lab.cache);
		fetch(&lab, paths[i], 0, 100 * KB);
		CHECK(disk_bytes(&lab) <= 300 * KB);
	}
	CHECK(disk_bytes(&lab) >= 299 * KB);
	lab.calls = 0;
	cache_unpin(lab.cache);
	for (size_t i = 5; i-- > 2;)
		fetch(&lab, paths[i], 0, 100 * KB);
	CHECK_EQUAL(lab.calls, 0);
	cache_unpin(lab.cache);
	fetch(&lab, "a", 0, 100 * KB);
	CHECK_EQUAL(lab.calls, 1);
	CHECK(disk_bytes(&lab) <= 300 * KB);

	cache_unpin(lab.cache);
	lab.size_max = 150 * KB; /* a lower bound holds from the next opening on */
	lab_reopen(&lab);
	CHECK(disk_bytes(&lab) <= 150 * KB);
	fetch(&lab, "a", 0, 100 * KB);
	CHECK_EQUAL(lab.calls, 1);
	lab_close(&lab);
}

TEST(what_is_in_use_stays_whoever_uses_it)
{
	struct lab lab;
	const struct byte_range range = { 0, 100 * KB };
	const char *file;
	struct error err;
	lab_open(&lab, 250 * KB);
	for (const char *path = "abc"; *path != '\0'; path++)
		put(&lab, arena_format(&lab.arena, "%c", *path), OBJECT_SIZE);
	struct cache *other = open_cache(&lab);
	CHECK_OK(fetch_by(&lab, other, "a", &range, 1, &file, &err), &err);
	fetch(&lab, "b", 0, 100 * KB);
	CHECK(!fetch_by(&lab, lab.cache, "c", &range, 1, &file, &err));
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	CHECK(strstr(err.hint, "lake.cache_size") != NULL);
	cache_unpin(other);
	fetch(&lab, "c", 0, 100 * KB); /* in the place of a */
	lab.calls = 0;
	fetch(&lab, "b", 0, 100 * KB);
	CHECK_EQUAL(lab.calls, 0);
	check_bytes(fetch(&lab, "b", 0, 100 * KB), "b", 0, 100 * KB);
	CHECK(!fetch_by(&lab, other, "a", &range, 1, &file, &err));
	cache_close(lab.cache); /* who goes uses nothing any more */
	lab.cache = other;
	CHECK_OK(fetch_by(&lab, other, "a", &range, 1, &file, &err), &err);
	check_bytes(file, "a", 0, 100 * KB);
	lab_close(&lab);
}

TEST(an_object_in_use_is_cut_down_to_what_is_wanted_of_it)
{
	struct lab lab;
	const struct byte_range range = { 800 * KB, 900 * KB };
	const char *file;
	struct error err;
	lab_open(&lab, 150 * KB);
	put(&lab, "a", OBJECT_SIZE);
	fetch(&lab, "a", 0, 100 * KB);
	CHECK(!fetch_by(&lab, lab.cache, "a", &range, 1, &file, &err)); /* both are wanted */
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	cache_unpin(lab.cache);
	check_bytes(fetch(&lab, "a", 90 * KB, 110 * KB), "a", 90 * KB, 110 * KB);
	file = fetch(&lab, "a", 800 * KB, 900 * KB); /* in the place of what is before 90 kB */
	check_bytes(file, "a", 800 * KB, 900 * KB);
	check_bytes(file, "a", 90 * KB, 110 * KB);
	CHECK(disk_bytes(&lab) <= 150 * KB);
	cache_unpin(lab.cache);

	struct cache *other = open_cache(&lab);
	CHECK_OK(fetch_by(&lab, other, "a", &range, 1, &file, &err), &err);
	const struct byte_range first = { 0, 100 * KB };
	CHECK(!fetch_by(&lab, lab.cache, "a", &first, 1, &file, &err)); /* the other uses it */
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	check_bytes(fetch(&lab, "a", 800 * KB, 900 * KB), "a", 800 * KB, 900 * KB);
	cache_close(other);
	cache_unpin(lab.cache);
	check_bytes(fetch(&lab, "a", 0, 100 * KB), "a", 0, 100 * KB);
	CHECK(disk_bytes(&lab) <= 150 * KB);
	lab_close(&lab);
}

/* ---- whole objects ---- */

static void get(struct lab *lab, const char *path, size_t size)
{
	struct buffer bytes = { 0 };
	struct error err;
	buffer_append_u8(&bytes, 'x');
	CHECK_OK(cache_get(lab->cache, lab->store, path, OBJECT_SIZE, &bytes, &err), &err);
	CHECK_EQUAL(bytes.size, 1 + size);
	for (size_t i = 0; i < size; i++)
		CHECK_EQUAL(bytes.data[1 + i], byte_at(path, i));
	buffer_deinit(&bytes);
}

TEST(small_objects_are_kept_whole_and_checked_when_they_are_read)
{
	struct lab lab;
	lab_open(&lab, 10 << 20);
	put(&lab, "m", 5000);
	put(&lab, "n", 0);
	get(&lab, "m", 5000);
	get(&lab, "n", 0);
	const size_t calls = lab.calls;
	get(&lab, "m", 5000);
	lab_reopen(&lab);
	get(&lab, "m", 5000);
	get(&lab, "n", 0);
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
	get(&lab, "m", 5000);
	CHECK(lab.calls > calls);
	const size_t calls_again = lab.calls;
	get(&lab, "m", 5000);
	CHECK_EQUAL(lab.calls, calls_again);
	struct buffer bytes = { 0 };
	CHECK(!cache_get(lab.cache, lab.store, "none", 10, &bytes, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	CHECK(!cache_get(lab.cache, lab.store, "m", 10, &bytes, &err));
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	buffer_deinit(&bytes);
	lab_close(&lab);
}

TEST(an_object_that_was_fetched_whole_is_got_without_a_request)
{
	struct lab lab;
	lab_open(&lab, 10 << 20);
	put(&lab, "m", OBJECT_SIZE);
	fetch(&lab, "m", 0, OBJECT_SIZE - 1);
	get(&lab, "m", OBJECT_SIZE); /* not whole: it is asked for */
	CHECK(lab.calls > 1);
	put(&lab, "n", OBJECT_SIZE);
	fetch(&lab, "n", 0, OBJECT_SIZE);
	lab.calls = 0;
	get(&lab, "n", OBJECT_SIZE);
	get(&lab, "m", OBJECT_SIZE);
	CHECK_EQUAL(lab.calls, 0);
	lab_close(&lab);
}

TEST(an_object_that_is_too_large_for_the_cache_is_read_all_the_same)
{
	struct lab lab;
	lab_open(&lab, 8 * KB);
	put(&lab, "m", 50 * KB);
	get(&lab, "m", 50 * KB);
	get(&lab, "m", 50 * KB);
	CHECK(disk_bytes(&lab) <= 8 * KB);
	lab_close(&lab);
}

/* ---- restarts ---- */

enum {
	PARTS = 6,
	STRIDE = 160 * KB, /* too far apart to be fetched together */
};

static struct byte_range part(size_t index)
{
	return (struct byte_range){ index * STRIDE, index * STRIDE + 8 * KB };
}

static bool fetch_parts(struct lab *lab, struct cache *cache, struct error *err)
{
	const char *const paths[] = { "a", "b", "c" };
	struct byte_range ranges[PARTS];
	struct cached_object objects[3];
	for (size_t i = 0; i < PARTS; i++)
		ranges[i] = part(i);
	for (size_t i = 0; i < 3; i++)
		objects[i] = (struct cached_object){ paths[i], OBJECT_SIZE, PARTS, ranges, NULL };
	return cache_fetch(cache, lab->store, objects, 3, &lab->arena, err);
}

/* A process of its own, which hangs after some calls; it is killed then.  Whether it ended first.
 */
static bool fetch_and_die(struct lab *lab, size_t freeze_after)
{
	int hung[2];
	char byte;
	CHECK(pipe(hung) == 0);
	const pid_t child = fork();
	CHECK(child >= 0);
	if (child == 0) {
		struct cache *cache = NULL;
		struct error err;
		const struct cache_options options = { lab->directory, lab->size_max };
		lab->freeze_after = freeze_after;
		lab->hung = hung[1];
		const bool ok = cache_open(&options, &cache, &err) && fetch_parts(lab, cache, &err);
		_exit(ok ? 0 : 1);
	}
	close(hung[1]);
	const ssize_t got = read(hung[0], &byte, 1); /* or its end */
	close(hung[0]);
	int status;
	kill(child, SIGKILL);
	CHECK_EQUAL(waitpid(child, &status, 0), child);
	CHECK(WIFSIGNALED(status) || WEXITSTATUS(status) == 0);
	return got == 0;
}

TEST(a_process_that_is_killed_while_it_fetches_leaves_only_what_is_right)
{
	struct lab lab;
	lab_open(&lab, 2 << 20);
	const char *const paths[] = { "a", "b", "c" };
	for (size_t i = 0; i < 3; i++)
		put(&lab, paths[i], OBJECT_SIZE);
	cache_close(lab.cache);
	size_t rounds = 0;
	while (!fetch_and_die(&lab, rounds * 2 + 1))
		rounds++;
	CHECK(rounds > 1);
	lab.cache = open_cache(&lab);
	for (size_t i = 0; i < 3; i++) {
		for (size_t j = 0; j < PARTS; j++) {
			const struct byte_range range = part(j);
			const char *file = fetch(&lab, paths[i], range.start, range.end);
			check_bytes(file, paths[i], range.start, range.end);
		}
	}
	CHECK_EQUAL(lab.calls, 0);
	lab_close(&lab);
}

TEST(a_damaged_index_is_made_again_unless_it_is_in_use)
{
	struct lab lab;
	lab_open(&lab, 10 << 20);
	put(&lab, "a", OBJECT_SIZE);
	fetch(&lab, "a", 0, 1000);
	cache_close(lab.cache);
	const char *path = arena_format(&lab.arena, "%s/walberg-cache.db", lab.directory);
	const int descriptor = open(path, O_WRONLY);
	CHECK_EQUAL(pwrite(descriptor, "This is not an index at all.", 28, 0), 28);
	close(descriptor);
	lab.cache = open_cache(&lab);
	CHECK_EQUAL(disk_bytes(&lab), 0);
	check_bytes(fetch(&lab, "a", 0, 1000), "a", 0, 1000);

	sqlite3 *db;
	CHECK(sqlite3_open(path, &db) == SQLITE_OK);
	CHECK(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
	struct cache *other;
	struct error err;
	const struct cache_options options = { lab.directory, lab.size_max };
	CHECK(!cache_open(&options, &other, &err));
	CHECK(strstr(err.hint, lab.directory) != NULL);
	lab_reopen(&lab);
	check_bytes(fetch(&lab, "a", 0, 1000), "a", 0, 1000);
	lab_close(&lab);
}

static void set_boot(struct lab *lab, const char *boot)
{
	sqlite3 *db;
	CHECK(sqlite3_open(arena_format(&lab->arena, "%s/walberg-cache.db", lab->directory), &db) ==
		SQLITE_OK);
	CHECK(sqlite3_exec(db, arena_format(&lab->arena, "UPDATE state SET boot = '%s'", boot),
		      NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
}

TEST(after_a_crash_of_the_machine_files_that_the_index_does_not_know_go)
{
	struct lab lab;
	lab_open(&lab, 10 << 20);
	put(&lab, "a", OBJECT_SIZE);
	fetch(&lab, "a", 0, 1000);
	const char *stray = arena_format(&lab.arena, "%s/99-00112233", cache_files(lab.cache));
	close(open(stray, O_WRONLY | O_CREAT, 0600));
	lab_reopen(&lab);
	CHECK(access(stray, F_OK) == 0);
	set_boot(&lab, "before");
	lab_reopen(&lab);
	CHECK(access(stray, F_OK) != 0);
	lab.calls = 0;
	check_bytes(fetch(&lab, "a", 0, 1000), "a", 0, 1000);
	CHECK_EQUAL(lab.calls, 0);
	lab_close(&lab);
}

/* ---- crashes of the machine ---- */

/*
 * What a crash can leave of the index: what was synced last, or any later state.  SQLite's calls
 * for a sync are watched; what is behind them is copied to "synced".
 */
static struct {
	sqlite3_vfs vfs;
	sqlite3_vfs *real;
	sqlite3_io_methods methods[2]; /* of the index itself and of its log, which differ */
	int (*real_sync)(sqlite3_file *, int);
	const char *directory; /* of the cache */
	size_t sync_count;
} power;

static const char *const INDEX_FILES[] = { "walberg-cache.db", "walberg-cache.db-wal" };

static void copy_file(const char *from, const char *to)
{
	struct buffer bytes = { 0 };
	struct file *file;
	struct error err;
	unlink(to);
	if (!world_read_file(world_posix(), from, 64 << 20, &bytes, &err)) {
		CHECK_EQUAL(err.kind, ERROR_MISSING);
		return;
	}
	CHECK_OK(world_open(world_posix(), to, FILE_CREATE, &file, &err), &err);
	CHECK_OK(file_write_at(file, 0, buffer_bytes(&bytes), &err), &err);
	file_close(file);
	buffer_deinit(&bytes);
}

static void copy_index(const char *from, const char *to)
{
	struct arena arena = { 0 };
	struct error err;
	CHECK_OK(world_make_directories(world_posix(), to, &err), &err);
	for (size_t i = 0; i < 2; i++)
		copy_file(arena_format(&arena, "%s/%s", from, INDEX_FILES[i]),
			arena_format(&arena, "%s/%s", to, INDEX_FILES[i]));
	arena_deinit(&arena);
}

static const char *index_copy(struct arena *arena, const char *name)
{
	return arena_format(arena, "%s-%s", power.directory, name);
}

static void power_step_begin(void)
{
	struct arena arena = { 0 };
	copy_index(power.directory, index_copy(&arena, "before"));
	power.sync_count = 0;
	arena_deinit(&arena);
}

/* The one from before the step, unless something was synced meanwhile. */
static const char *power_earliest_index(void)
{
	return power.sync_count > 0 ? "synced" : "before";
}

static int power_sync(sqlite3_file *file, int flags)
{
	struct arena arena = { 0 };
	const int code = power.real_sync(file, flags);
	power.sync_count++;
	copy_index(power.directory, index_copy(&arena, "synced"));
	arena_deinit(&arena);
	return code;
}

static int power_open(
	sqlite3_vfs *vfs, const char *name, sqlite3_file *file, int flags, int *out_flags)
{
	const int code = power.real->xOpen(vfs, name, file, flags, out_flags);
	if (code != SQLITE_OK || !(flags & (SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL)))
		return code;
	sqlite3_io_methods *methods = &power.methods[(flags & SQLITE_OPEN_WAL) != 0];
	power.real_sync = file->pMethods->xSync;
	*methods = *file->pMethods;
	methods->xSync = power_sync;
	file->pMethods = methods;
	return code;
}

static void power_watch(struct lab *lab)
{
	power.real = sqlite3_vfs_find(NULL);
	power.vfs = *power.real;
	power.vfs.zName = "watched";
	power.vfs.xOpen = power_open;
	power.directory = lab->directory;
	CHECK(sqlite3_vfs_register(&power.vfs, 1) == SQLITE_OK);
	lab_reopen(lab);
}

static void power_unwatch(void)
{
	sqlite3_vfs_unregister(&power.vfs);
	sqlite3_vfs_register(power.real, 1);
}

/* What the next start finds: the files as they are, and that index. */
static void check_after_crash(
	struct lab *lab, const char *index, const char *const *paths, size_t count, uint64_t end)
{
	struct lab after = { .store = lab->store, .size_max = 100 << 20 };
	struct file_info *infos;
	size_t file_count;
	struct error err;
	after.directory = index_copy(&after.arena, "after");
	const char *files = arena_format(&after.arena, "%s/objects", after.directory);
	CHECK_OK(world_make_directories(world_posix(), files, &err), &err);
	CHECK_OK(world_list(world_posix(), cache_files(lab->cache), &after.arena, &infos,
			 &file_count, &err),
		&err);
	for (size_t i = 0; i < file_count; i++)
		copy_file(
			arena_format(&after.arena, "%s/%s", cache_files(lab->cache), infos[i].name),
			arena_format(&after.arena, "%s/%s", files, infos[i].name));
	copy_index(index_copy(&after.arena, index), after.directory);
	set_boot(&after, "before");
	after.cache = open_cache(&after);
	for (size_t i = 0; i < count; i++)
		check_bytes(fetch(&after, paths[i], 0, end), paths[i], 0, end);
	cache_close(after.cache);
	CHECK_OK(world_list(world_posix(), files, &after.arena, &infos, &file_count, &err), &err);
	for (size_t i = 0; i < file_count; i++)
		unlink(arena_format(&after.arena, "%s/%s", files, infos[i].name));
	arena_deinit(&after.arena);
}

TEST(a_hole_is_not_taken_for_the_bytes_of_a_file_that_was_removed_when_the_machine_crashes)
{
	static const char *const PATHS[] = { "a" };
	struct lab lab;
	lab_open(&lab, 100 << 20);
	put(&lab, "a", OBJECT_SIZE);
	power_watch(&lab);
	const char *file = fetch(&lab, "a", 0, 100 * KB);
	power_step_begin();
	CHECK(unlink(file) == 0);
	fetch(&lab, "a", 800 * KB, 801 * KB);
	check_after_crash(&lab, power_earliest_index(), PATHS, 1, OBJECT_SIZE);

	power_step_begin();
	CHECK(unlink(file) == 0);
	get(&lab, "a", OBJECT_SIZE); /* whose bytes are not durable */
	CHECK(truncate(file, 0) == 0 && truncate(file, OBJECT_SIZE) == 0);
	check_after_crash(&lab, power_earliest_index(), PATHS, 1, OBJECT_SIZE);
	power_unwatch();
	lab_close(&lab);
}

static void remove_some_file(struct lab *lab, uint64_t *state)
{
	struct file_info *infos;
	size_t count;
	struct error err;
	CHECK_OK(world_list(
			 world_posix(), cache_files(lab->cache), &lab->arena, &infos, &count, &err),
		&err);
	if (count == 0)
		return;
	const char *path = arena_format(&lab->arena, "%s/%s", cache_files(lab->cache),
		infos[test_random(state) % count].name);
	CHECK((test_random(state) % 2 ? unlink(path) : truncate(path, 10)) == 0);
}

/* One thing that happens to a cache; a fetch may be refused for want of room. */
static void live(struct lab *lab, const char *const *paths, uint64_t *state)
{
	const char *path = paths[test_random(state) % 2], *file;
	const uint64_t start = test_random(state) % 10 * (100 * KB);
	const struct byte_range range = { start, start + 1 + test_random(state) % (100 * KB) };
	struct error err;
	switch (test_random(state) % 8) {
	case 0:
		get(lab, path, OBJECT_SIZE);
		break;
	case 1:
		remove_some_file(lab, state);
		break;
	case 2:
		lab_reopen(lab);
		break;
	case 3:
		cache_unpin(lab->cache);
		break;
	default:
		if (!fetch_by(lab, lab->cache, path, &range, 1, &file, &err))
			CHECK_EQUAL(err.kind, ERROR_LIMIT);
	}
}

TEST(whatever_index_a_crash_of_the_machine_brings_back_names_only_bytes_that_are_there)
{
	static const char *const PATHS[] = { "a", "b" };
	struct lab lab;
	uint64_t state = test_seed();
	lab_open(&lab, 1100 * KB); /* not room for both */
	for (size_t i = 0; i < 2; i++)
		put(&lab, PATHS[i], OBJECT_SIZE);
	power_watch(&lab);
	for (size_t round = 0; round < 6; round++) {
		power_step_begin();
		for (size_t i = 0; i < 10; i++)
			live(&lab, PATHS, &state);
		check_after_crash(&lab, power_earliest_index(), PATHS, 2, OBJECT_SIZE);
	}
	power_unwatch();
	lab_close(&lab);
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
