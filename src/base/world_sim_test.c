#include "base/test.h"
#include "base/world_sim.h"

enum {
	ROUNDS = 200
};

static struct file *make_file(struct world *world, const char *path, const char *text)
{
	struct file *file;
	struct error err;
	CHECK_OK(world_open(world, path, FILE_CREATE, &file, &err), &err);
	CHECK_OK(file_write_at(file, 0, bytes_of_cstring(text), &err), &err);
	return file;
}

static void sync_file(struct file *file)
{
	struct error err;
	CHECK_OK(file_sync(file, &err), &err);
}

static void sync_names(struct world *world, const char *path)
{
	struct error err;
	CHECK_OK(world_sync_directory(world, path, &err), &err);
}

static void crash(struct world *world)
{
	world_sim_crash(world);
	world_sim_restart(world);
}

/* The text of a file into text, or "-" when there is no file. */
static const char *text_of(struct world *world, const char *path, char text[64])
{
	struct buffer buffer = { 0 };
	struct error err = { 0 };
	const bool ok = world_read_file(world, path, 63, &buffer, &err);
	CHECK(ok || err.kind == ERROR_MISSING);
	snprintf(text, 64, "%.*s", (int)buffer.size, (const char *)buffer.data);
	buffer_deinit(&buffer);
	return ok ? text : "-";
}

static void rename_file(struct world *world, const char *from, const char *to)
{
	struct error err;
	CHECK_OK(world_rename(world, from, to, &err), &err);
}

TEST(what_was_synced_survives_every_crash)
{
	struct world *world = world_sim_open(test_seed());
	struct error err;
	char text[64];
	CHECK_OK(world_make_directories(world, "/lake/data", &err), &err);
	struct file *file = make_file(world, "/lake/data/a", "kept");
	sync_file(file);
	sync_names(world, "/lake/data");
	for (int i = 0; i < ROUNDS; i++) {
		CHECK_OK(file_write_at(file, 1000, BYTES_LITERAL("lost"), &err), &err);
		crash(world);
		CHECK(!file_write_at(file, 0, BYTES_LITERAL("x"), &err));
		CHECK(err.kind == ERROR_LOST);
		file_close(file);
		CHECK_OK(world_open(world, "/lake/data/a", FILE_WRITE, &file, &err), &err);
		CHECK_OK(file_truncate(file, 4, &err), &err);
		sync_file(file);
		CHECK_TEXT(text_of(world, "/lake/data/a", text), "kept");
	}
	file_close(file);
	world_sim_close(world);
}

TEST(a_synced_file_without_a_synced_name_may_vanish)
{
	struct world *world = world_sim_open(test_seed());
	char text[64];
	bool was_lost = false, was_kept = false;
	for (int i = 0; i < ROUNDS; i++) {
		char path[32];
		snprintf(path, sizeof path, "/%d", i);
		struct file *file = make_file(world, path, "kept");
		sync_file(file);
		file_close(file);
		crash(world);
		if (strcmp(text_of(world, path, text), "kept") == 0)
			was_kept = true;
		else
			was_lost = true;
	}
	CHECK(was_lost && was_kept);
	world_sim_close(world);
}

TEST(an_unsynced_write_is_lost_kept_or_torn_in_sectors)
{
	struct world *world = world_sim_open(test_seed());
	struct error err;
	int lost = 0, kept = 0, torn = 0, zeros = 0;
	char block[2048];
	memset(block, 'x', sizeof block);
	sync_names(world, "/");
	for (int i = 0; i < ROUNDS; i++) {
		struct file *file = make_file(world, "/a", "");
		sync_names(world, "/");
		CHECK_OK(file_truncate(file, 0, &err), &err);
		sync_file(file);
		CHECK_OK(file_write_at(file, 0, bytes_of(block, sizeof block), &err), &err);
		file_close(file);
		crash(world);
		struct buffer after = { 0 };
		CHECK_OK(world_read_file(world, "/a", sizeof block, &after, &err), &err);
		CHECK(after.size % 512 == 0);
		int present = 0;
		for (size_t at = 0; at < after.size; at += 512) {
			const bool is_zero = after.data[at] == 0;
			for (size_t k = 0; k < 512; k++)
				CHECK(after.data[at + k] == (is_zero ? 0 : 'x'));
			present += !is_zero;
			zeros += is_zero;
		}
		lost += present == 0;
		kept += present == 4;
		torn += present > 0 && present < 4;
		buffer_deinit(&after);
	}
	CHECK(lost > 0 && kept > 0 && torn > 0 && zeros > 0);
	world_sim_close(world);
}

TEST(a_rename_replaces_atomically_or_not_at_all)
{
	struct world *world = world_sim_open(test_seed());
	char text[64], other[64];
	int before = 0, after = 0;
	for (int i = 0; i < ROUNDS; i++) {
		struct file *file = make_file(world, "/current", "old");
		sync_file(file);
		file_close(file);
		file = make_file(world, "/next", "new");
		sync_file(file);
		file_close(file);
		sync_names(world, "/");
		rename_file(world, "/next", "/current");
		CHECK_TEXT(text_of(world, "/current", text), "new");
		crash(world);
		text_of(world, "/current", text);
		if (strcmp(text, "old") == 0) {
			CHECK_TEXT(text_of(world, "/next", other), "new");
			before++;
		} else {
			CHECK_TEXT(text, "new");
			CHECK_TEXT(text_of(world, "/next", other), "-");
			after++;
		}
	}
	CHECK(before > 0 && after > 0);
	world_sim_close(world);
}

TEST(a_rename_between_directories_never_loses_the_file)
{
	struct world *world = world_sim_open(test_seed());
	struct error err;
	char text[64];
	bool seen_both = false;
	CHECK_OK(world_make_directories(world, "/a", &err), &err);
	CHECK_OK(world_make_directories(world, "/b", &err), &err);
	for (int i = 0; i < ROUNDS; i++) {
		struct file *file = make_file(world, "/a/file", "data");
		sync_file(file);
		file_close(file);
		sync_names(world, "/a");
		rename_file(world, "/a/file", "/b/file");
		if (i % 2)
			sync_names(world, i % 4 == 1 ? "/a" : "/b");
		crash(world);
		const bool in_a = strcmp(text_of(world, "/a/file", text), "data") == 0;
		const bool in_b = strcmp(text_of(world, "/b/file", text), "data") == 0;
		CHECK(in_a || in_b);
		CHECK(in_b || i % 2 == 0);
		seen_both = seen_both || (in_a && in_b);
		if (in_b)
			CHECK_OK(world_remove(world, "/b/file", &err), &err);
		sync_names(world, "/b");
	}
	CHECK(seen_both);
	world_sim_close(world);
}

TEST(names_in_an_unsynced_directory_go_with_it)
{
	struct world *world = world_sim_open(test_seed());
	struct error err;
	char text[64];
	bool was_lost = false;
	for (int i = 0; i < ROUNDS && !was_lost; i++) {
		char path[32];
		snprintf(path, sizeof path, "/d%d", i);
		CHECK_OK(world->ops->make_directory(world, path, &err), &err);
		snprintf(path, sizeof path, "/d%d/file", i);
		struct file *file = make_file(world, path, "data");
		sync_file(file);
		file_close(file);
		snprintf(path, sizeof path, "/d%d", i);
		sync_names(world, path);
		crash(world);
		snprintf(path, sizeof path, "/d%d/file", i);
		was_lost = strcmp(text_of(world, path, text), "-") == 0;
	}
	CHECK(was_lost);
	world_sim_close(world);
}

static uint64_t digest_of_a_run(uint64_t seed)
{
	struct world *world = world_sim_open(seed);
	struct error err;
	struct arena arena = { 0 };
	uint64_t digest = 0;
	for (int i = 0; i < 50; i++) {
		char path[32], id[UUID_TEXT_SIZE];
		world_uuid(world, id);
		snprintf(path, sizeof path, "/%.8s", id);
		file_close(make_file(world, path, id));
		if (i % 10 == 9)
			crash(world);
		struct file_info *infos;
		size_t count;
		CHECK_OK(world_list(world, "/", &arena, &infos, &count, &err), &err);
		for (size_t k = 0; k < count; k++)
			digest = digest * 31 + infos[k].size_bytes + (uint64_t)infos[k].name[1];
	}
	arena_deinit(&arena);
	world_sim_close(world);
	return digest;
}

TEST(the_same_seed_gives_the_same_run)
{
	CHECK(digest_of_a_run(1) == digest_of_a_run(1));
	CHECK(digest_of_a_run(1) != digest_of_a_run(2));
}

struct strike {
	struct world *world;
	uint64_t at;
	enum error_kind kind; /* NONE: crash */
	char call[32];
};

static bool strike(void *context, const char *call, const char *path, struct error *err)
{
	struct strike *at = context;
	if (world_sim_calls(at->world) != at->at)
		return true;
	snprintf(at->call, sizeof at->call, "%s %s", call, path);
	if (at->kind != ERROR_NONE)
		return error_set(err, at->kind, "struck");
	world_sim_crash(at->world);
	return true;
}

TEST(a_test_can_crash_or_fail_any_call)
{
	struct strike at = { .world = world_sim_open(test_seed()), .at = 2 };
	struct error err;
	struct file *file;
	world_sim_observe(at.world, strike, &at);
	CHECK_OK(world_open(at.world, "/a", FILE_CREATE, &file, &err), &err);
	CHECK(!file_write_at(file, 0, BYTES_LITERAL("x"), &err));
	CHECK(err.kind == ERROR_LOST);
	CHECK_TEXT(at.call, "write_at /a");
	file_close(file);
	CHECK(!world_open(at.world, "/b", FILE_CREATE, &file, &err));
	CHECK(err.kind == ERROR_LOST);
	world_sim_restart(at.world);
	at.at = 4;
	at.kind = ERROR_LIMIT;
	CHECK(!world_open(at.world, "/b", FILE_CREATE, &file, &err));
	CHECK(err.kind == ERROR_LIMIT);
	CHECK_OK(world_open(at.world, "/b", FILE_CREATE, &file, &err), &err);
	file_close(file);
	world_sim_close(at.world);
}

TEST(simulated_time_moves_only_when_told)
{
	struct world *world = world_sim_open(1);
	const int64_t now = world_now(world), monotonic = world_monotonic(world);
	CHECK(world_now(world) == now);
	world_sleep(world, 5);
	world_sim_advance(world, 6);
	world_sim_jump(world, -1000);
	CHECK_EQUAL(world_monotonic(world) - monotonic, 11);
	CHECK_EQUAL(world_now(world) - now, -989);
	world_sim_close(world);
}
