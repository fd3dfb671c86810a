#include "engine/run_internal.h"

#include "base/logline.h"
#include "engine/check.h"

static bool find_table(
	struct reading_thread *reading, const struct source_state *state, struct error *err)
{
	reading->relation = source_find_relation(state, reading->namespace_name, reading->name);
	if (reading->relation != NULL)
		return check_relation(reading->relation, err);
	const char *reason = source_why_left_out(state, reading->namespace_name, reading->name);
	if (reason != NULL)
		return error_set(err, ERROR_UNSUPPORTED, "%s", reason);
	return error_set(err, ERROR_MISSING,
		"the source has no such table, or source.tables does not name it");
}

static bool read_table(
	struct reading_thread *reading, struct source_snapshot *snapshot, struct error *err)
{
	struct run_progress progress = {
		.process = reading->process,
		.stop_reading = &reading->stop,
		.watches = reading->watches,
	};
	const struct filling_progress telling = run_progress_of(&progress);
	return filling_open_empty(
		       reading->apply, reading->relation, &reading->known, &reading->table, err) &&
	       filling_read_table(reading->table, snapshot, &telling, err);
}

static bool work(struct reading_thread *reading, struct source *source, struct error *err)
{
	struct source_state state;
	struct source_snapshot *snapshot;
	if (!source_inspect(source, &reading->arena, &state, err) ||
		!check_source(&reading->lake, &state, err) || !find_table(reading, &state, err) ||
		!source_publish(source, reading->relation, 1, err) ||
		!source_open_snapshot(source, false, &snapshot, err))
		return false;
	bool done = read_table(reading, snapshot, err);
	source_snapshot_close(snapshot);
	return done;
}

static bool is_stopped(void *context)
{
	const struct reading_thread *reading = context;
	return reading->stop;
}

static void *reading_main(void *argument)
{
	struct reading_thread *reading = argument;
	struct source *source = NULL;
	struct error err = { 0 };
	bool done = lake_open_source(
		reading->world, reading->configuration, &reading->lake, &source, &err);
	if (done) {
		source->is_stopped = is_stopped;
		source->stop_context = reading;
		done = work(reading, source, &err);
	}
	source_close(source);
	reading->err = done ? (struct error){ 0 } : err;
	reading->state = READING_DONE;
	return NULL;
}

bool reading_thread_start(struct reading_thread *reading, struct error *err)
{
	reading->stop = false;
	reading->state = READING_RUNS;
	reading->relation = NULL;
	reading->table = NULL;
	if (pthread_create(&reading->thread, NULL, reading_main, reading) == 0)
		return true;
	reading->state = READING_NONE;
	return error_set(err, ERROR_LIMIT, "cannot start a thread");
}

void reading_thread_reset(struct reading_thread *reading)
{
	if (reading->state == READING_NONE)
		return;
	reading->stop = true;
	pthread_join(reading->thread, NULL);
	apply_close(reading->apply);
	reading->apply = NULL;
	arena_deinit(&reading->arena);
	reading->state = READING_NONE;
}
