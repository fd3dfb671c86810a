/*
 * Each call of a commit on the store and on the catalog fails in turn, in each way that a store or
 * a catalog may fail; the engine is opened again and goes on.  After each run the lake equals the
 * source.
 */
#include "lab.h"

enum {
	TRANSACTIONS = 3,
};

struct faults {
	struct lab lab;
	struct store *store;
	struct catalog *catalog;
	struct engine engine;
	uint64_t calls;
	uint64_t fail_at;
	enum error_kind kind;
};

static enum error_kind strike(struct faults *faults)
{
	return faults->calls++ == faults->fail_at ? faults->kind : ERROR_NONE;
}

static enum error_kind strike_store(void *context, const char *call, const char *path)
{
	(void)call;
	(void)path;
	return strike(context);
}

static enum error_kind strike_catalog(void *context, const char *call)
{
	(void)call;
	return strike(context);
}

static void faults_open(struct faults *faults, uint64_t seed)
{
	struct error err = { 0 };
	struct store *store;
	*faults = (struct faults){ .fail_at = UINT64_MAX };
	lab_open(&faults->lab, seed, TRANSACTIONS);
	faults->catalog = catalog_memory_open();
	CHECK_OK(store_local_open(faults->lab.world, "/lake", &faults->store, &err), &err);
	CHECK_OK(store_local_open(faults->lab.world, "/lake", &store, &err), &err);
	faults->engine.lab = &faults->lab;
	faults->engine.store = store_faulty_open(store, strike_store, faults);
	faults->engine.catalog =
		catalog_faulty_open(catalog_memory_share(faults->catalog), strike_catalog, faults);
	replay_server_init(&faults->engine.server, faults->lab.recording);
	faults->engine.server.happened = 2;
	CHECK_OK(engine_open(&faults->engine, &err), &err);
	faults->calls = 0;
}

static void faults_close(struct faults *faults)
{
	engine_close(&faults->engine);
	store_close(faults->engine.store);
	catalog_close(faults->engine.catalog);
	store_close(faults->store);
	catalog_close(faults->catalog);
	lab_close(&faults->lab);
}

/* To the end of the recording, opening again after whatever fails. */
static void work_on(struct faults *faults)
{
	size_t end = recording_step_count(faults->lab.recording);
	lsn_t last = recording_lsn_after(faults->lab.recording, end);
	for (int i = 0; i < 200; i++) {
		struct error err = { 0 };
		world_sim_advance(faults->lab.world, 4 * 1000 * 1000);
		if (faults->engine.server.happened < end)
			faults->engine.server.happened++;
		bool done = faults->engine.publisher != NULL ? engine_step(&faults->engine, &err)
							     : engine_open(&faults->engine, &err);
		if (!done) {
			CHECK(err.kind == ERROR_BUSY || err.kind == ERROR_LOST ||
				err.kind == ERROR_UNCERTAIN);
			engine_close(&faults->engine);
			lab_check(&faults->lab, faults->catalog, faults->store);
		} else if (publisher_lake(faults->engine.publisher)->position >= last) {
			lab_check(&faults->lab, faults->catalog, faults->store);
			CHECK_EQUAL(faults->lab.position, last);
			return;
		}
	}
	CHECK(!"the lake reaches the end of the recording");
}

static uint64_t run_with_fault(uint64_t seed, enum error_kind kind, uint64_t fail_at)
{
	struct faults faults;
	faults_open(&faults, seed);
	faults.fail_at = fail_at;
	faults.kind = kind;
	work_on(&faults);
	uint64_t calls = faults.calls;
	faults_close(&faults);
	return calls;
}

TEST(each_call_of_a_commit_may_fail_in_each_way)
{
	static const enum error_kind KINDS[] = { ERROR_BUSY, ERROR_LOST, ERROR_UNCERTAIN };
	const uint64_t seed = 1; /* every call is tried, so chance has no part in it */
	const uint64_t calls = run_with_fault(seed, ERROR_BUSY, UINT64_MAX);
	CHECK(calls > 60);
	for (size_t kind = 0; kind < sizeof KINDS / sizeof *KINDS; kind++)
		for (uint64_t fail_at = 0; fail_at < calls; fail_at++)
			(void)run_with_fault(seed, KINDS[kind], fail_at);
}
