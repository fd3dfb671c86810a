/*
 * The SQLite catalog on a disk that loses what was not synced: a commit that returned true is
 * there after any crash, none is half there, and what was shown after UNCERTAIN stays so (I4, I6).
 */
#include "base/test.h"
#include "base/world_sim.h"
#include "catalog/catalog.h"
#include "catalog/sqlite_vfs.h"

#include <stdio.h>

enum {
	ROUNDS = 100,
	CRASHES_PER_ROUND = 3,
	STEPS_MAX = 40,
	TABLES = 3,
};

struct trial {
	struct world *world;
	struct sqlite_vfs *vfs;
	const char *vfs_name; /* one for each trial: a failed one leaves its own behind */
	struct catalog *catalog;
	struct catalog *reader;
	uint64_t random;
	uint64_t crash_at;
	unsigned fault_odds;

	bool is_created;
	uint64_t committed; /* by a call that returned true, or shown since */
	uint64_t attempted;
	size_t uncertain;
};

static uint64_t draw(struct trial *trial, uint64_t bound)
{
	return test_random(&trial->random) % bound;
}

static bool before_call(void *context, const char *call, const char *path, struct error *err)
{
	struct trial *trial = context;
	if (world_sim_calls(trial->world) == trial->crash_at)
		world_sim_crash(trial->world);
	if (trial->fault_odds == 0 || draw(trial, trial->fault_odds) != 0)
		return true;
	const bool is_write = strcmp(call, "write_at") == 0;
	return error_set(err, is_write ? ERROR_LIMIT : ERROR_BUSY, "injected fault in %s of \"%s\"",
		call, path);
}

static bool open_handle(
	struct trial *trial, bool is_read_only, struct catalog **out, struct error *err)
{
	const struct sqlite_options options = {
		.path = "/lake/catalog.db",
		.catalog_name = "walberg",
		.vfs = trial->vfs_name,
		.is_read_only = is_read_only,
		.busy_timeout_ms = 10,
	};
	return catalog_sqlite_open(&options, out, err);
}

static struct lake lake_at(uint64_t number)
{
	return (struct lake){ "id", "s", "p", "a", "y", 1, LAKE_LIVE, number, "c", number, 0, 1, 0,
		"l", 0, 0, 0 };
}

static const char *location_of(uint64_t number, char text[32])
{
	snprintf(text, 32, "v%llu", (unsigned long long)number);
	return number ? text : "";
}

/* A commit moves every table's pointer, so that a half one would be seen. */
static bool commit_next(struct trial *trial, struct error *err)
{
	const uint64_t base = trial->committed;
	const struct lake lake = lake_at(base + 1);
	char name[TABLES][8], old_location[32], new_location[32], path[32];
	struct catalog_table tables[TABLES];
	struct table_change changes[TABLES];
	for (size_t i = 0; i < TABLES; i++) {
		snprintf(name[i], sizeof name[i], "t%zu", i);
		tables[i] = (struct catalog_table){ "public", name[i],
			location_of(base + 1, new_location), TABLE_LIVE, "", "{}", base + 1, 0 };
		changes[i] = (struct table_change){ &tables[i], location_of(base, old_location) };
	}
	snprintf(path, sizeof path, "removed%llu", (unsigned long long)base);
	const struct removal removal = { path, (micros_t)base };
	const struct catalog_commit commit = {
		.base_commit_number = base,
		.lake = &lake,
		.change_count = TABLES,
		.changes = changes,
		.makes_version = true,
		.forget_before_ms = 0,
		.removal_count = 1,
		.removals = &removal,
	};
	size_t conflict;
	trial->attempted = base + 1;
	if (!catalog_commit(trial->catalog, &commit, &conflict, err)) {
		CHECK(err->kind != ERROR_CONFLICT);
		if (err->kind != ERROR_UNCERTAIN)
			trial->attempted = base;
		return false;
	}
	trial->committed = base + 1;
	return true;
}

/* What is shown is one commit, whole. */
static void check_view(struct trial *trial, const struct catalog_view *view, bool is_writer)
{
	char location[32];
	const uint64_t number = view->lake.commit_number;
	if (number < trial->committed || number > trial->attempted)
		test_fail(__FILE__, __LINE__, "%s shows commit %llu, not %llu to %llu",
			is_writer ? "writer" : "reader", (unsigned long long)number,
			(unsigned long long)trial->committed, (unsigned long long)trial->attempted);
	CHECK_EQUAL(view->lake.position, number);
	CHECK_EQUAL(view->table_count, number ? TABLES : 0);
	CHECK_EQUAL(view->commit_count, number);
	for (size_t i = 0; i < view->table_count; i++) {
		CHECK_EQUAL(view->tables[i].position, number);
		CHECK_TEXT(view->tables[i].metadata_location, location_of(number, location));
	}
	if (is_writer)
		trial->committed = trial->attempted = number;
}

static bool load_handle(struct trial *trial, struct catalog *catalog, struct error *err)
{
	struct arena arena = { 0 };
	struct catalog_view view;
	const bool ok = catalog_load(catalog, &arena, &view, err);
	if (ok)
		check_view(trial, &view, catalog == trial->catalog);
	arena_deinit(&arena);
	return ok;
}

static void close_handle(struct catalog **catalog)
{
	catalog_close(*catalog);
	*catalog = NULL;
}

static bool use_reader(struct trial *trial, struct error *err)
{
	if (trial->reader != NULL && draw(trial, 3) == 0) {
		close_handle(&trial->reader);
		return true;
	}
	if (trial->reader == NULL && !open_handle(trial, true, &trial->reader, err))
		return false;
	return load_handle(trial, trial->reader, err) || err->kind == ERROR_MISSING;
}

static bool take_step(struct trial *trial, struct error *err)
{
	switch (draw(trial, 8)) {
	case 0:
		return load_handle(trial, trial->catalog, err);
	case 1:
		return use_reader(trial, err);
	case 2:
		if (draw(trial, 4) != 0)
			return true;
		close_handle(&trial->catalog);
		return open_handle(trial, false, &trial->catalog, err) &&
		       load_handle(trial, trial->catalog, err);
	default:
		return commit_next(trial, err);
	}
}

/* After an error the engine looks first. */
static bool look(struct trial *trial, struct error *err)
{
	trial->uncertain += err->kind == ERROR_UNCERTAIN;
	if (trial->catalog == NULL && !open_handle(trial, false, &trial->catalog, err))
		return false;
	return load_handle(trial, trial->catalog, err);
}

static bool begin(struct trial *trial, struct error *err)
{
	if (!open_handle(trial, false, &trial->catalog, err))
		return false;
	const struct lake lake = lake_at(0);
	if (!trial->is_created && !catalog_create(trial->catalog, &lake, err) &&
		err->kind != ERROR_CONFLICT)
		return false;
	trial->is_created = true;
	return load_handle(trial, trial->catalog, err);
}

static void run_until_crash(struct trial *trial)
{
	struct error err = { 0 };
	bool ok = begin(trial, &err);
	for (unsigned step = 0; step < STEPS_MAX && trial->is_created; step++) {
		if (ok)
			ok = take_step(trial, &err);
		else
			ok = look(trial, &err);
	}
	if (world_sim_calls(trial->world) < trial->crash_at)
		world_sim_crash(trial->world);
	close_handle(&trial->catalog);
	close_handle(&trial->reader);
	world_sim_restart(trial->world);
}

static struct trial trial_begin(uint64_t seed)
{
	struct error err;
	struct trial trial = { .world = world_sim_open(seed), .random = seed };
	CHECK_OK(world_make_directories(trial.world, "/lake", &err), &err);
	static char name[32];
	static unsigned count;
	snprintf(name, sizeof name, "crash test %u", ++count);
	trial.vfs_name = name;
	trial.vfs = sqlite_vfs_register(trial.world, name);
	return trial;
}

/* No more faults: everything must be readable, and go on. */
static void trial_end(struct trial *trial)
{
	struct error err;
	trial->crash_at = 0;
	trial->fault_odds = 0;
	CHECK_OK(begin(trial, &err), &err);
	CHECK_OK(commit_next(trial, &err), &err);
	CHECK_OK(load_handle(trial, trial->catalog, &err), &err);
	close_handle(&trial->catalog);
	world_sim_observe(trial->world, NULL, NULL);
	sqlite_vfs_unregister(trial->vfs);
	world_sim_close(trial->world);
}

TEST(a_catalog_commit_holds_over_power_failures)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct trial trial = trial_begin(test_seed_of_round(round));
		world_sim_observe(trial.world, before_call, &trial);
		for (unsigned i = 0; i < CRASHES_PER_ROUND; i++) {
			trial.crash_at = world_sim_calls(trial.world) + 1 + draw(&trial, 500);
			run_until_crash(&trial);
		}
		trial_end(&trial);
	}
}

TEST(a_catalog_commit_holds_over_a_crash_at_every_call)
{
	for (uint64_t call = 3; call < 250; call++) {
		struct trial trial = trial_begin(test_seed());
		world_sim_observe(trial.world, before_call, &trial);
		trial.crash_at = call;
		run_until_crash(&trial);
		trial_end(&trial);
	}
}

TEST(a_catalog_commit_without_an_answer_is_final_once_it_was_looked_at)
{
	size_t uncertain = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct trial trial = trial_begin(test_seed_of_round(round));
		trial.fault_odds = 30;
		world_sim_observe(trial.world, before_call, &trial);
		for (unsigned i = 0; i < CRASHES_PER_ROUND; i++) {
			trial.crash_at = world_sim_calls(trial.world) + 1 + draw(&trial, 700);
			run_until_crash(&trial);
		}
		uncertain += trial.uncertain;
		trial_end(&trial);
	}
	CHECK(uncertain > ROUNDS / 10);
}

TEST(sqlite_handles_in_one_world_exclude_each_other)
{
	struct error err = { 0 };
	struct trial trial = trial_begin(test_seed());
	struct catalog *other;
	CHECK_OK(begin(&trial, &err), &err);
	CHECK_OK(open_handle(&trial, false, &other, &err), &err);
	for (unsigned i = 0; i < 20; i++) {
		CHECK_OK(commit_next(&trial, &err), &err);
		struct catalog *turn = trial.catalog;
		trial.catalog = other;
		other = turn;
		CHECK_OK(load_handle(&trial, trial.catalog, &err), &err);
	}
	catalog_close(other);
	close_handle(&trial.catalog);
	trial_end(&trial);
}

static bool fail_syncs(void *context, const char *call, const char *path, struct error *err)
{
	(void)context;
	if (strcmp(call, "sync") != 0)
		return true;
	return error_set(err, ERROR_LOST, "injected fault in %s of \"%s\"", call, path);
}

static bool fail_all(void *context, const char *call, const char *path, struct error *err)
{
	(void)context;
	return error_set(err, ERROR_LOST, "injected fault in %s of \"%s\"", call, path);
}

static void commit_without_answer(struct trial *trial)
{
	struct error err;
	CHECK_OK(begin(trial, &err), &err);
	CHECK_OK(commit_next(trial, &err), &err);
	world_sim_observe(trial->world, fail_syncs, NULL);
	CHECK(!commit_next(trial, &err));
	CHECK_EQUAL(err.kind, ERROR_UNCERTAIN);
	world_sim_observe(trial->world, NULL, NULL);
}

static void crash_now(struct trial *trial)
{
	world_sim_crash(trial->world);
	close_handle(&trial->catalog);
	world_sim_restart(trial->world);
}

TEST(a_catalog_commit_that_was_looked_at_and_not_seen_stays_away)
{
	for (unsigned round = 0; round < 20; round++) {
		struct error err;
		struct trial trial = trial_begin(test_seed_of_round(round));
		commit_without_answer(&trial);
		CHECK_OK(load_handle(&trial, trial.catalog, &err), &err);
		CHECK_EQUAL(trial.committed, 1);
		crash_now(&trial);
		trial_end(&trial);
	}
}

TEST(a_catalog_commit_that_another_process_saw_stays)
{
	size_t seen = 0;
	for (unsigned round = 0; round < 20; round++) {
		struct error err;
		struct trial trial = trial_begin(test_seed_of_round(round));
		commit_without_answer(&trial);
		world_sim_observe(
			trial.world, fail_all, NULL); /* the process dies, not the machine */
		close_handle(&trial.catalog);
		world_sim_observe(trial.world, NULL, NULL);
		CHECK_OK(begin(&trial, &err), &err);
		seen += trial.committed == 2;
		crash_now(&trial);
		trial_end(&trial);
	}
	CHECK(seen > 0);
}
