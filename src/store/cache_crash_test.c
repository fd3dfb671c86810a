/* What a cache finds after its process was killed, and after the machine crashed. */
#include "base/test.h"
#include "store/cache_lab_fixture.h"

#include <fcntl.h>
#include <signal.h>
#include <sqlite3.h>
#include <sys/wait.h>
#include <unistd.h>

/* ---- restarts ---- */

enum {
	PARTS = 6,
	STRIDE = 160 * KB, /* too far apart to be fetched together */
};

static struct byte_range part(size_t index)
{
	return (struct byte_range){ index * STRIDE, index * STRIDE + 8 * KB };
}

static bool fetch_parts(struct cache_lab *lab, struct cache *cache, struct error *err)
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
static bool fetch_and_die(struct cache_lab *lab, size_t freeze_after)
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
	struct cache_lab lab;
	cache_lab_open(&lab, 2 << 20);
	const char *const paths[] = { "a", "b", "c" };
	for (size_t i = 0; i < 3; i++)
		cache_lab_put(&lab, paths[i], OBJECT_SIZE);
	cache_close(lab.cache);
	size_t rounds = 0;
	while (!fetch_and_die(&lab, rounds * 2 + 1))
		rounds++;
	CHECK(rounds > 1);
	lab.cache = cache_lab_open_cache(&lab);
	for (size_t i = 0; i < 3; i++) {
		for (size_t j = 0; j < PARTS; j++) {
			const struct byte_range range = part(j);
			const char *file = cache_lab_fetch(&lab, paths[i], range.start, range.end);
			cache_lab_check_bytes(file, paths[i], range.start, range.end);
		}
	}
	CHECK_EQUAL(lab.calls, 0);
	cache_lab_close(&lab);
}

TEST(a_damaged_index_is_made_again_unless_it_is_in_use)
{
	struct cache_lab lab;
	cache_lab_open(&lab, 10 << 20);
	cache_lab_put(&lab, "a", OBJECT_SIZE);
	cache_lab_fetch(&lab, "a", 0, 1000);
	cache_close(lab.cache);
	const char *path = arena_format(&lab.arena, "%s/walberg-cache.db", lab.directory);
	const int descriptor = open(path, O_WRONLY);
	CHECK_EQUAL(pwrite(descriptor, "This is not an index at all.", 28, 0), 28);
	close(descriptor);
	lab.cache = cache_lab_open_cache(&lab);
	CHECK_EQUAL(cache_lab_disk_bytes(&lab), 0);
	cache_lab_check_bytes(cache_lab_fetch(&lab, "a", 0, 1000), "a", 0, 1000);

	sqlite3 *db;
	CHECK(sqlite3_open(path, &db) == SQLITE_OK);
	CHECK(sqlite3_exec(db, "PRAGMA user_version = 99", NULL, NULL, NULL) == SQLITE_OK);
	sqlite3_close(db);
	struct cache *other;
	struct error err;
	const struct cache_options options = { lab.directory, lab.size_max };
	CHECK(!cache_open(&options, &other, &err));
	CHECK(strstr(err.hint, lab.directory) != NULL);
	cache_lab_reopen(&lab);
	cache_lab_check_bytes(cache_lab_fetch(&lab, "a", 0, 1000), "a", 0, 1000);
	cache_lab_close(&lab);
}

static void set_boot(struct cache_lab *lab, const char *boot)
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
	struct cache_lab lab;
	cache_lab_open(&lab, 10 << 20);
	cache_lab_put(&lab, "a", OBJECT_SIZE);
	cache_lab_fetch(&lab, "a", 0, 1000);
	const char *stray = arena_format(&lab.arena, "%s/99-00112233", cache_files(lab.cache));
	close(open(stray, O_WRONLY | O_CREAT, 0600));
	cache_lab_reopen(&lab);
	CHECK(access(stray, F_OK) == 0);
	set_boot(&lab, "before");
	cache_lab_reopen(&lab);
	CHECK(access(stray, F_OK) != 0);
	lab.calls = 0;
	cache_lab_check_bytes(cache_lab_fetch(&lab, "a", 0, 1000), "a", 0, 1000);
	CHECK_EQUAL(lab.calls, 0);
	cache_lab_close(&lab);
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

static void power_watch(struct cache_lab *lab)
{
	power.real = sqlite3_vfs_find(NULL);
	power.vfs = *power.real;
	power.vfs.zName = "watched";
	power.vfs.xOpen = power_open;
	power.directory = lab->directory;
	CHECK(sqlite3_vfs_register(&power.vfs, 1) == SQLITE_OK);
	cache_lab_reopen(lab);
}

static void power_unwatch(void)
{
	sqlite3_vfs_unregister(&power.vfs);
	sqlite3_vfs_register(power.real, 1);
}

/* What the next start finds: the files as they are, and that index. */
static void check_after_crash(struct cache_lab *lab, const char *index, const char *const *paths,
	size_t count, uint64_t end)
{
	struct cache_lab after = { .store = lab->store, .size_max = 100 << 20 };
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
	after.cache = cache_lab_open_cache(&after);
	for (size_t i = 0; i < count; i++)
		cache_lab_check_bytes(cache_lab_fetch(&after, paths[i], 0, end), paths[i], 0, end);
	cache_close(after.cache);
	CHECK_OK(world_list(world_posix(), files, &after.arena, &infos, &file_count, &err), &err);
	for (size_t i = 0; i < file_count; i++)
		unlink(arena_format(&after.arena, "%s/%s", files, infos[i].name));
	arena_deinit(&after.arena);
}

TEST(a_hole_is_not_taken_for_the_bytes_of_a_file_that_was_removed_when_the_machine_crashes)
{
	static const char *const PATHS[] = { "a" };
	struct cache_lab lab;
	cache_lab_open(&lab, 100 << 20);
	cache_lab_put(&lab, "a", OBJECT_SIZE);
	power_watch(&lab);
	const char *file = cache_lab_fetch(&lab, "a", 0, 100 * KB);
	power_step_begin();
	CHECK(unlink(file) == 0);
	cache_lab_fetch(&lab, "a", 800 * KB, 801 * KB);
	check_after_crash(&lab, power_earliest_index(), PATHS, 1, OBJECT_SIZE);

	power_step_begin();
	CHECK(unlink(file) == 0);
	cache_lab_get(&lab, "a", OBJECT_SIZE); /* whose bytes are not durable */
	CHECK(truncate(file, 0) == 0 && truncate(file, OBJECT_SIZE) == 0);
	check_after_crash(&lab, power_earliest_index(), PATHS, 1, OBJECT_SIZE);
	power_unwatch();
	cache_lab_close(&lab);
}

static void remove_some_file(struct cache_lab *lab, uint64_t *state)
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
static void live(struct cache_lab *lab, const char *const *paths, uint64_t *state)
{
	const char *path = paths[test_random(state) % 2], *file;
	const uint64_t start = test_random(state) % 10 * (100 * KB);
	const struct byte_range range = { start, start + 1 + test_random(state) % (100 * KB) };
	struct error err;
	switch (test_random(state) % 8) {
	case 0:
		cache_lab_get(lab, path, OBJECT_SIZE);
		break;
	case 1:
		remove_some_file(lab, state);
		break;
	case 2:
		cache_lab_reopen(lab);
		break;
	case 3:
		cache_unpin(lab->cache);
		break;
	default:
		if (!cache_lab_fetch_by(lab, lab->cache, path, &range, 1, &file, &err))
			CHECK_EQUAL(err.kind, ERROR_LIMIT);
	}
}

TEST(whatever_index_a_crash_of_the_machine_brings_back_names_only_bytes_that_are_there)
{
	static const char *const PATHS[] = { "a", "b" };
	struct cache_lab lab;
	uint64_t state = test_seed();
	cache_lab_open(&lab, 1100 * KB); /* not room for both */
	for (size_t i = 0; i < 2; i++)
		cache_lab_put(&lab, PATHS[i], OBJECT_SIZE);
	power_watch(&lab);
	for (size_t round = 0; round < 6; round++) {
		power_step_begin();
		for (size_t i = 0; i < 10; i++)
			live(&lab, PATHS, &state);
		check_after_crash(&lab, power_earliest_index(), PATHS, 2, OBJECT_SIZE);
	}
	power_unwatch();
	cache_lab_close(&lab);
}
