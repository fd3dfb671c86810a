/*
 * The segment log on a disk that loses what was not synced: what a receipt was given for is there
 * after any crash, whole and in order.
 */
#include "base/reader.h"
#include "base/test.h"
#include "base/world_sim.h"
#include "log/log.h"

#include <stdio.h>

enum {
	ROUNDS = 200,
	CRASHES_PER_ROUND = 6,
	STEPS_MAX = 120,
	RELATION_EVERY = 7,
	OID = 77,
};

struct trial {
	struct world *world;
	struct log *log;
	uint64_t random;
	uint64_t crash_at;   /* the call on files at which the power fails; 0: none */
	unsigned fault_odds; /* one call in so many fails; 0: none */

	lsn_t appended;
	lsn_t receipted;
	lsn_t needed_lsn; /* the message at `needed` */
	log_position_t needed;
	size_t faults;
};

static uint64_t draw(struct trial *trial, uint64_t bound)
{
	return test_random(&trial->random) % bound;
}

static bool before_call(void *context, const char *call, const char *path, struct error *err)
{
	struct trial *trial = context;
	const uint64_t calls = world_sim_calls(trial->world);
	if (calls == trial->crash_at)
		world_sim_crash(trial->world);
	if (trial->fault_odds == 0 || draw(trial, trial->fault_odds) != 0)
		return true;
	trial->faults++;
	const enum error_kind kind = strcmp(call, "write_at") == 0 ? ERROR_LIMIT : ERROR_LOST;
	return error_set(err, kind, "injected fault in %s of \"%s\"", call, path);
}

static bool open_trial(struct trial *trial, struct error *err)
{
	const struct segment_options options = {
		.lake_id = "lake1",
		.codec = &log_codec_pgoutput,
		.segment_size_bytes = 1500,
		.size_limit_bytes = 1 << 20,
		.confirmed_lsn = trial->receipted,
		.needed = trial->needed,
	};
	return log_segment_open(trial->world, "/log", &options, &trial->log, err);
}

static void close_trial(struct trial *trial)
{
	log_close(trial->log);
	trial->log = NULL;
}

/* Relation messages are sent now and then; the others say which definition they expect. */
static bool append_next(struct trial *trial, struct error *err)
{
	const lsn_t n = trial->appended + 1;
	struct buffer body = { 0 };
	buffer_append_u8(&body, n % RELATION_EVERY == 0 ? 'R' : 'I');
	buffer_append_u32be(&body, OID);
	buffer_append_u64be(&body, n % RELATION_EVERY == 0 ? n : n / RELATION_EVERY);
	while (body.size < 20 + n * 31 % 300)
		buffer_append_u8(&body, (uint8_t)n);
	const struct log_record record = {
		.kind = LOG_MESSAGE,
		.end_lsn = n,
		.body = buffer_bytes(&body),
	};
	const bool ok = log_append(trial->log, &record, err);
	trial->appended += ok;
	buffer_deinit(&body);
	return ok;
}

static bool sync_trial(struct trial *trial, struct error *err)
{
	struct log_receipt receipt;
	if (!log_sync(trial->log, &receipt, err))
		return false;
	trial->receipted = log_receipt_lsn(&receipt);
	CHECK_EQUAL(trial->receipted, trial->appended);
	return true;
}

static bool release_some(struct trial *trial, struct error *err)
{
	log_position_t at = trial->needed;
	lsn_t n = trial->needed_lsn;
	struct log_record record;
	for (uint64_t left = draw(trial, 20); left > 0; left--) {
		bool found;
		if (!log_read(trial->log, at, &record, &found, err))
			return false;
		if (!found)
			break;
		at = record.next;
		n += record.kind == LOG_MESSAGE;
	}
	trial->needed = at;
	trial->needed_lsn = n;
	return log_release(trial->log, at, err);
}

static bool take_step(struct trial *trial, struct error *err)
{
	switch (draw(trial, 10)) {
	case 0:
		return release_some(trial, err);
	case 1:
	case 2:
	case 3:
		return sync_trial(trial, err);
	default:
		return append_next(trial, err);
	}
}

/* Every message up to the end, those before `needed` for their definitions alone. */
static void check_log(struct trial *trial)
{
	struct error err;
	struct log_record record = { .next = log_first(trial->log) };
	lsn_t expected = 0, defined = 0;
	bool found;
	for (;;) {
		CHECK_OK(log_read(trial->log, record.next, &record, &found, &err), &err);
		if (!found)
			break;
		if (record.kind == LOG_START)
			continue;
		struct reader in = reader_of(record.body);
		const bool is_relation = reader_u8(&in) == 'R';
		CHECK_EQUAL(reader_u32be(&in), OID);
		const uint64_t said = reader_u64be(&in);
		if (record.kind == LOG_RELATION) {
			CHECK(expected == 0 || said == defined);
			defined = said;
			continue;
		}
		CHECK(expected == 0 || record.end_lsn == expected);
		expected = record.end_lsn + 1;
		if (is_relation)
			defined = record.end_lsn;
		else
			CHECK_EQUAL(said, defined / RELATION_EVERY);
		if (record.next <= trial->needed)
			CHECK(record.end_lsn <= trial->needed_lsn);
	}
	CHECK_EQUAL(log_end_lsn(trial->log), expected ? expected - 1 : trial->needed_lsn);
	CHECK(log_end_lsn(trial->log) >= trial->receipted);
	CHECK(log_first(trial->log) <= trial->needed && trial->needed <= log_end(trial->log));
}

/* The power may fail again, or a call, while the log is opened. */
static void reopen(struct trial *trial)
{
	struct error err = { 0 };
	while (!open_trial(trial, &err)) {
		CHECK(err.kind == ERROR_LOST || err.kind == ERROR_LIMIT);
		world_sim_restart(trial->world);
	}
	const uint64_t crash_at = trial->crash_at;
	const unsigned fault_odds = trial->fault_odds;
	trial->crash_at = 0;
	trial->fault_odds = 0;
	check_log(trial);
	trial->crash_at = crash_at;
	trial->fault_odds = fault_odds;
	trial->appended = log_end_lsn(trial->log);
	trial->receipted = trial->appended;
}

static void run_until_failure(struct trial *trial)
{
	struct error err = { 0 };
	reopen(trial);
	bool ok = true;
	for (unsigned step = 0; ok && step < STEPS_MAX; step++)
		ok = take_step(trial, &err) || err.kind == ERROR_LIMIT;
	CHECK(ok || err.kind == ERROR_LOST);
	close_trial(trial);
	world_sim_restart(trial->world);
}

static struct trial trial_of(uint64_t seed)
{
	return (struct trial){ .world = world_sim_open(seed), .random = seed };
}

static void finish(struct trial *trial)
{
	trial->crash_at = 0;
	trial->fault_odds = 0;
	run_until_failure(trial);
	run_until_failure(trial);
	world_sim_observe(trial->world, NULL, NULL);
	world_sim_close(trial->world);
}

TEST(a_receipt_of_the_log_holds_over_power_failures)
{
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct trial trial = trial_of(test_seed_of_round(round));
		world_sim_observe(trial.world, before_call, &trial);
		for (unsigned i = 0; i < CRASHES_PER_ROUND; i++) {
			trial.crash_at = world_sim_calls(trial.world) + 1 + draw(&trial, 150);
			run_until_failure(&trial);
		}
		finish(&trial);
	}
}

TEST(a_receipt_of_the_log_holds_over_a_crash_at_every_call)
{
	for (uint64_t call = 1; call < 250; call++) {
		struct trial trial = trial_of(test_seed());
		world_sim_observe(trial.world, before_call, &trial);
		trial.crash_at = call;
		run_until_failure(&trial);
		finish(&trial);
	}
}

TEST(a_receipt_of_the_log_holds_over_failing_calls_and_a_full_disk)
{
	size_t faults = 0;
	for (unsigned round = 0; round < ROUNDS; round++) {
		struct trial trial = trial_of(test_seed_of_round(round));
		trial.fault_odds = 25;
		world_sim_observe(trial.world, before_call, &trial);
		for (unsigned i = 0; i < CRASHES_PER_ROUND; i++) {
			trial.crash_at = world_sim_calls(trial.world) + 1 + draw(&trial, 300);
			run_until_failure(&trial);
		}
		faults += trial.faults;
		finish(&trial);
	}
	CHECK(faults > ROUNDS);
}
