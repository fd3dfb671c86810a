/*
 * The power fails at a random call on files (SQLite's too): un-synced writes, names and renames
 * are lost as chance has it.  An engine that starts on what is left goes on, and at the end the
 * lake equals the source.  What the source was told is never missing (I3).
 */
#include "lab.h"

#include "catalog/sqlite_vfs.h"

enum {
	TRANSACTIONS = 40,
	CALLS_BETWEEN_MAX = 4000,
};

struct outage {
	struct lab lab;
	struct sqlite_vfs *vfs;
	struct store *store;
	struct catalog *catalog;
	struct engine engine;
	uint64_t calls_left; /* on files, until the power fails */
	unsigned failures;
};

static bool count_down(void *context, const char *call, const char *path, struct error *err)
{
	(void)call;
	(void)path;
	(void)err;
	struct outage *outage = context;
	if (outage->calls_left-- == 0) {
		outage->failures++;
		world_sim_crash(outage->lab.world);
	}
	return true;
}

static bool open_parts(struct outage *outage, struct error *err)
{
	const struct sqlite_options options = {
		.path = "/lake/catalog.db",
		.catalog_name = "walberg",
		.vfs = "outage",
		.busy_timeout_ms = 100,
	};
	if (!world_make_directories(outage->lab.world, "/lake", err) ||
		!store_local_open(outage->lab.world, "/lake/warehouse", &outage->store, err) ||
		!catalog_sqlite_open(&options, &outage->catalog, err))
		return false;
	outage->engine.store = outage->store;
	outage->engine.catalog = outage->catalog;
	return true;
}

static void close_parts(struct outage *outage)
{
	engine_close(&outage->engine);
	catalog_close(outage->catalog);
	store_close(outage->store);
	outage->catalog = NULL;
	outage->store = NULL;
}

static void pass_time(struct outage *outage)
{
	struct lab *lab = &outage->lab;
	world_sim_advance(lab->world, (int64_t)lab_random(lab, 900 * 1000));
	if (lab_random(lab, 50) == 0)
		world_sim_advance(lab->world, 11 * 60 * 1000000L);
	size_t happened = outage->engine.server.happened + lab_random(lab, 4);
	size_t end = recording_step_count(lab->recording);
	outage->engine.server.happened = happened < end ? happened : end;
}

/* The process lives until the power fails, or the recording is over and all of it is there. */
static bool live(struct outage *outage, lsn_t last, struct error *err)
{
	if (!open_parts(outage, err) || !engine_open(&outage->engine, err))
		return false;
	while (publisher_lake(outage->engine.publisher)->position < last) {
		pass_time(outage);
		if (!engine_step(&outage->engine, err))
			return false;
	}
	return true;
}

static void check_after_restart(struct outage *outage)
{
	struct error err = { 0 };
	outage->calls_left = UINT64_MAX;
	CHECK_OK(open_parts(outage, &err), &err);
	lab_check(&outage->lab, outage->catalog, outage->store);
	close_parts(outage);
}

static void run_outages(uint64_t seed)
{
	struct outage outage = { 0 };
	struct lab *lab = &outage.lab;
	lab_open(lab, seed, TRANSACTIONS);
	outage.vfs = sqlite_vfs_register(lab->world, "outage");
	outage.engine.lab = lab;
	outage.engine.keeps_log = true;
	replay_server_init(&outage.engine.server, lab->recording);
	outage.engine.server.happened = 3;
	world_sim_observe(lab->world, count_down, &outage);
	lsn_t last = recording_lsn_after(lab->recording, recording_step_count(lab->recording));

	bool done = false;
	for (unsigned lives = 0; !done; lives++) {
		struct error err = { 0 };
		unsigned failures = outage.failures;
		/* The first lives are short; later ones see the end. */
		outage.calls_left = lab_random(lab, CALLS_BETWEEN_MAX) * (1 + lives / 4);
		done = live(&outage, last, &err);
		if (!done && outage.failures == failures)
			test_fail(__FILE__, __LINE__, "life %u: %s (%s)", lives, err.text,
				err.context);
		if (!done) {
			close_parts(&outage);
			world_sim_restart(lab->world);
			check_after_restart(&outage);
		}
	}
	outage.calls_left = UINT64_MAX;
	lab_check(lab, outage.catalog, outage.store);
	CHECK_EQUAL(lab->position, last);
	close_parts(&outage);
	sqlite_vfs_unregister(outage.vfs);
	lab_close(lab);
}

TEST(power_failures_at_random_moments_lose_nothing_that_was_confirmed)
{
	for (uint64_t i = 0; i < lab_seed_count(15); i++)
		run_outages(test_seed_of_round(i));
}
