/*
 * lab.h: the program's own engines on a simulated world, fed by a recording of a ledger.
 *
 * Money moves from accounts_a to accounts_b and each move is a line in journal, which has no key.
 * Some transactions are streamed in blocks, some have a savepoint that is rolled back, some are
 * aborted, accounts change their keys, and the journal is truncated now and then.
 */
#ifndef SIM_LAB_H
#define SIM_LAB_H

#include "base/test.h"
#include "base/world_sim.h"
#include "engine/capture.h"
#include "engine/filling.h"
#include "engine/publisher.h"
#include "source/replay/replay.h"

enum {
	LAB_TABLES = 3,
	LAB_ACCOUNTS = 24,
};

struct lab {
	uint64_t random; /* state */
	struct world *world;
	struct recording *recording;
	struct relation relations[LAB_TABLES];
	struct arena arena;
	lsn_t position; /* of the lake, when last checked */
	uint64_t commit_number;
};

void lab_open(struct lab *lab, uint64_t seed, size_t transactions);
void lab_close(struct lab *lab);
uint64_t lab_random(struct lab *lab, uint64_t below);

/* How many seeds a simulation runs: WALBERG_SIM_SEEDS, else the usual number. */
size_t lab_seed_count(size_t usual);

/*
 * The lake that catalog and store hold now: its position does not go back; every object that a
 * version names is there (I1); each table has exactly the source's rows at the lake's position
 * (I5, I6).  Neither handle may be one that fails on purpose.
 */
void lab_check(struct lab *lab, struct catalog *catalog, struct store *store);

/* --- one engine --- */

struct engine {
	struct lab *lab;
	struct store *store;     /* borrowed, perhaps faulty */
	struct catalog *catalog; /* borrowed, perhaps faulty */
	struct replay_server server;
	struct source *source;
	struct log *log;
	struct capture *capture;
	struct publisher *publisher;
	_Atomic uint32_t is_logging;
	char log_directory[64];
	bool keeps_log; /* opens the same log again, as one process after another does */
	unsigned opened;
	void (*step)(void *context, enum publisher_step step);
	void *context;
};

/* Begins the lake when there is none. */
bool engine_open(struct engine *engine, struct error *err) MUST_CHECK;
void engine_close(struct engine *engine);

/* Take in what the server has, and apply, commit and retain what is due. */
bool engine_step(struct engine *engine, struct error *err) MUST_CHECK;

#endif
