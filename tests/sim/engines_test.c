/*
 * Two engines without a lock on one store and one catalog, each with a log of its own, fed by one
 * recording.  At a random call one of them stalls while the other works on, time passes, and
 * sometimes the call then fails or its answer is lost.  Nothing but I2 keeps them apart.
 */
#include "lab.h"

enum {
	TRANSACTIONS = 60,
	MINUTE = 60 * 1000 * 1000,
};

struct race {
	struct lab lab;
	struct catalog *catalog; /* that never fails */
	struct store *store;
	struct engine engines[2];
	struct strike {
		struct race *race;
		size_t engine;
	} strikes[2];
	uint64_t calls_to_stall;
	bool is_stalled;
};

static bool may_happen(enum error_kind kind)
{
	return kind == ERROR_CONFLICT || kind == ERROR_LOST || kind == ERROR_BUSY ||
	       kind == ERROR_UNCERTAIN;
}

static void pass_time(struct race *race)
{
	struct lab *lab = &race->lab;
	world_sim_advance(lab->world, (int64_t)lab_random(lab, 900 * 1000));
	if (lab_random(lab, 60) == 0)
		world_sim_advance(lab->world, 11 * (int64_t)MINUTE);
	size_t happened = race->engines[0].server.happened + lab_random(lab, 4);
	size_t end = recording_step_count(lab->recording);
	for (size_t i = 0; i < 2; i++)
		race->engines[i].server.happened = happened < end ? happened : end;
}

static void step(struct race *race, size_t index)
{
	struct engine *engine = &race->engines[index];
	struct error err = { 0 };
	bool done =
		engine->publisher != NULL ? engine_step(engine, &err) : engine_open(engine, &err);
	if (done)
		return;
	if (!may_happen(err.kind))
		test_fail(__FILE__, __LINE__, "engine %zu: %s (%s)", index, err.text, err.context);
	engine_close(engine);
}

static enum error_kind stall(struct strike *strike)
{
	struct race *race = strike->race;
	if (race->is_stalled || race->calls_to_stall-- > 0)
		return ERROR_NONE;
	static const enum error_kind KINDS[] = { ERROR_NONE, ERROR_NONE, ERROR_BUSY, ERROR_LOST,
		ERROR_UNCERTAIN };
	race->is_stalled = true;
	for (uint64_t i = lab_random(&race->lab, 8); i > 0; i--) {
		pass_time(race);
		step(race, 1 - strike->engine);
	}
	race->is_stalled = false;
	race->calls_to_stall = lab_random(&race->lab, 120);
	return KINDS[lab_random(&race->lab, sizeof KINDS / sizeof *KINDS)];
}

static enum error_kind strike_store(void *context, const char *call, const char *path)
{
	(void)call;
	(void)path;
	return stall(context);
}

static enum error_kind strike_catalog(void *context, const char *call)
{
	(void)call;
	return stall(context);
}

static void race_open(struct race *race, uint64_t seed)
{
	struct error err;
	*race = (struct race){ 0 };
	lab_open(&race->lab, seed, TRANSACTIONS);
	race->catalog = catalog_memory_open();
	CHECK_OK(store_local_open(race->lab.world, "/lake", &race->store, &err), &err);
	for (size_t i = 0; i < 2; i++) {
		struct store *store;
		CHECK_OK(store_local_open(race->lab.world, "/lake", &store, &err), &err);
		race->strikes[i] = (struct strike){ race, i };
		race->engines[i].lab = &race->lab;
		race->engines[i].store = store_faulty_open(store, strike_store, &race->strikes[i]);
		race->engines[i].catalog = catalog_faulty_open(
			catalog_memory_share(race->catalog), strike_catalog, &race->strikes[i]);
		replay_server_init(&race->engines[i].server, race->lab.recording);
	}
	/* The lake begins undisturbed, with the accounts open. */
	race->calls_to_stall = UINT64_MAX;
	race->engines[0].server.happened = 3;
	race->engines[1].server.happened = 3;
	CHECK_OK(engine_open(&race->engines[0], &err), &err);
	race->calls_to_stall = lab_random(&race->lab, 50);
}

static void race_close(struct race *race)
{
	for (size_t i = 0; i < 2; i++) {
		engine_close(&race->engines[i]);
		store_close(race->engines[i].store);
		catalog_close(race->engines[i].catalog);
	}
	store_close(race->store);
	catalog_close(race->catalog);
	lab_close(&race->lab);
}

/* Without any more faults the lake reaches the recording's end. */
static void finish(struct race *race)
{
	size_t end = recording_step_count(race->lab.recording);
	lsn_t last = recording_lsn_after(race->lab.recording, end);
	race->calls_to_stall = UINT64_MAX;
	for (size_t i = 0; i < 2; i++)
		race->engines[i].server.happened = end;
	for (int i = 0; i < 60 && race->lab.position < last; i++) {
		world_sim_advance(race->lab.world, 11 * 1000 * 1000);
		step(race, (size_t)i % 2);
		lab_check(&race->lab, race->catalog, race->store);
	}
	CHECK_EQUAL(race->lab.position, last);
}

static void run_race(uint64_t seed)
{
	struct race race;
	race_open(&race, seed);
	size_t end = recording_step_count(race.lab.recording);
	while (race.engines[0].server.happened < end) {
		pass_time(&race);
		step(&race, lab_random(&race.lab, 2));
		lab_check(&race.lab, race.catalog, race.store);
	}
	finish(&race);
	race_close(&race);
}

TEST(two_engines_without_a_lock_apply_each_change_once)
{
	for (uint64_t i = 0; i < lab_seed_count(10); i++)
		run_race(test_seed_of_round(i));
}
