#include "engine/run_internal.h"

#include "base/logline.h"
#include "engine/check.h"

#include <stdlib.h>

enum {
	RECEIVE_TIMEOUT = 100 * 1000,
	LOOK_INTERVAL = 10 * 1000 * 1000,
};

void run_forget_seen(struct seen_source *seen)
{
	if (seen != NULL)
		arena_deinit(&seen->arena);
	free(seen);
}

static void show_source(struct capture_thread *capture, const struct source_state *state)
{
	struct metrics *metrics = &capture->activity->metrics;
	const bool is_held = state->restart_lsn > 0 && state->current_lsn > state->restart_lsn;
	metrics->slot_held_bytes = is_held ? state->current_lsn - state->restart_lsn : 0;
	metrics->source_position = state->current_lsn;
}

/*
 * No message says that a table was dropped, or that a publication was altered.  It is also what
 * notices a server that hangs: the stream itself may be silent for as long as nothing changes, or
 * as the server reads a large transaction.
 */
static bool look(struct capture_thread *capture, struct error *err)
{
	const micros_t now = world_monotonic(capture->world);
	if (now < capture->look_at || capture->seen != NULL)
		return true;
	capture->look_at = now + LOOK_INTERVAL;
	struct seen_source *seen = memory_allocate(1, sizeof *seen);
	if (!source_inspect(capture->source, &seen->arena, &seen->state, err)) {
		run_forget_seen(seen);
		if (err->kind == ERROR_LOST)
			return false;
		logline_write_error(LOGLINE_WARNING, err); /* the stream does not need it */
		return true;
	}
	show_source(capture, &seen->state);
	filling_let_go(capture->source, &seen->state);
	capture->seen = seen;
	return true;
}

static bool mends_itself(enum error_kind kind)
{
	return kind == ERROR_LOST || kind == ERROR_BUSY || kind == ERROR_LIMIT;
}

/* What the server is now may not be what it was. */
static bool check_again(
	struct capture_thread *capture, struct capture_last *expected, struct error *err)
{
	struct arena arena = { 0 };
	struct source_state state;
	bool done = source_inspect(capture->source, &arena, &state, err) &&
		    check_source(&capture->lake, &state, err) &&
		    check_log(&capture->lake, &state, log_end_lsn(capture->log), err);
	*expected = (struct capture_last){ 0 };
	if (done)
		show_source(capture, &state);
	if (done && state.confirmed_lsn < capture->last.end_lsn)
		*expected = capture->last;
	arena_deinit(&arena);
	return done;
}

static bool stream(struct capture_thread *capture, struct capture *stepped, struct error *err)
{
	while (!capture->stop) {
		if (!capture_step(stepped, RECEIVE_TIMEOUT, err) || !look(capture, err))
			return false;
		capture->activity->metrics.is_log_full = capture_is_full(stepped);
		capture->activity->metrics.confirmed_lsn = capture_confirmed(stepped);
		capture->activity->metrics.log_bytes = log_size_bytes(capture->log);
		if (log_end_lsn(capture->log) > capture->activity->metrics.source_position)
			capture->activity->metrics.source_position = log_end_lsn(capture->log);
	}
	return true;
}

static bool connect_and_stream(struct capture_thread *capture, int *tries, struct error *err)
{
	struct capture *stepped;
	struct capture_last expected;
	if (capture->source == NULL && !lake_open_source(capture->world, capture->configuration,
					       &capture->lake, &capture->source, err))
		return false;
	if (!check_again(capture, &expected, err) ||
		!capture_open(capture->world, capture->source, capture->log, &expected,
			&capture->activity->is_logging, &stepped, err))
		return false;
	logline_info("capturing", LOG_TEXT("slot", capture->lake.slot_name));
	capture->activity->metrics.is_connected = 1;
	metrics_add(&capture->activity->metrics.connections, 1);
	*tries = 0;
	capture->look_at = world_monotonic(capture->world) + LOOK_INTERVAL;
	bool done = stream(capture, stepped, err);
	if (capture_last(stepped).end_lsn > capture->last.end_lsn)
		capture->last = capture_last(stepped);
	capture_close(stepped);
	return done;
}

/* A log of which a sync failed takes nothing more until it is opened again. */
static bool is_log_broken(struct capture_thread *capture, struct error *err)
{
	struct log_receipt receipt;
	struct error why;
	if (log_sync(capture->log, &receipt, &why) || why.kind != ERROR_LOST)
		return false;
	*err = why;
	return true;
}

static void *capture_main(void *argument)
{
	struct capture_thread *capture = argument;
	int tries = 0;
	while (!capture->stop) {
		struct error err;
		if (connect_and_stream(capture, &tries, &err))
			break;
		capture->activity->metrics.is_connected = 0;
		capture->activity->is_logging = 0;
		source_close(capture->source);
		capture->source = NULL;
		if (!mends_itself(err.kind) || is_log_broken(capture, &err)) {
			capture->err = err;
			capture->failed = true;
			break;
		}
		logline_write_error(LOGLINE_WARNING, &err);
		run_back_off(capture->world, &tries, NULL, &capture->stop);
	}
	source_close(capture->source);
	capture->source = NULL;
	return NULL;
}

bool capture_thread_start(struct capture_thread *capture, struct error *err)
{
	capture->stop = false;
	capture->failed = false;
	int number = pthread_create(&capture->thread, NULL, capture_main, capture);
	capture->is_started = number == 0;
	return number == 0 || error_set(err, ERROR_LIMIT, "cannot start a thread");
}

void capture_thread_stop(struct capture_thread *capture)
{
	capture->stop = true;
	if (capture->is_started)
		pthread_join(capture->thread, NULL);
	capture->is_started = false;
	source_close(capture->source);
	capture->source = NULL;
	run_forget_seen(atomic_exchange(&capture->seen, NULL));
	arena_deinit(&capture->arena);
}
