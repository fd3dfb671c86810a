#include "engine/run_internal.h"

#include "base/logline.h"
#include "engine/check.h"
#include "engine/definition.h"
#include "engine/ownership.h"

#include <stdlib.h>
#include <unistd.h>

enum { /* microseconds */
	REQUEST_INTERVAL = 1000 * 1000,
	IDLE_WAIT_MAX = 200 * 1000,
	BACK_OFF_FIRST = 100 * 1000,
	BACK_OFF_MAX = 10 * 1000 * 1000,
	BACK_OFF_PIECE = 50 * 1000,
	PROGRESS_INTERVAL = 5 * 1000 * 1000, /* of lines; a bar is redrawn more often */
	BAR_INTERVAL = 200 * 1000,
	READING_AGAIN_MIN = 1000 * 1000, /* after one that failed */
	READING_AGAIN_MAX = 64 * 1000 * 1000,
};

enum {
	FIRST_TRIES_MAX = 6, /* for six seconds */
	OPEN_TRIES_MAX = 60,
};

enum outcome {
	OUTCOME_STOPPED = 1,
	OUTCOME_BEGIN_AGAIN, /* everything is to be read anew */
	OUTCOME_REOPEN,      /* err says why: the lake is opened again after a while */
	OUTCOME_BROKEN,      /* err says why: source, log and lake are opened again after a while */
	OUTCOME_FAILED,      /* err is for an operator */
};

struct run {
	struct world *world;
	const struct configuration *configuration;
	volatile sig_atomic_t *stop;
	bool watches;
	struct process *process;
	struct lake_parts parts;
	struct publisher *publisher;
	struct log *log;
	struct capture_thread capture;
	struct reading_thread reading;
	micros_t requests_due_at;
	micros_t reading_due_at; /* after a failure, not at once */
	int reading_failures;    /* one after another */
	bool has_connected;      /* then a server that cannot be reached will be again */
	bool begins_again;       /* a request says so */
};

/* --- shared with the threads --- */

void run_back_off(struct world *world, int *tries, volatile sig_atomic_t *stop, atomic_bool *also)
{
	micros_t wait = BACK_OFF_FIRST;
	for (int i = 0; i < *tries && wait < BACK_OFF_MAX; i++)
		wait *= 2;
	uint8_t jitter;
	world_random(world, &jitter, sizeof jitter);
	wait = (wait < BACK_OFF_MAX ? wait : BACK_OFF_MAX) * (192 + jitter / 4) / 256;
	*tries += 1;
	for (; wait > 0; wait -= BACK_OFF_PIECE) {
		if ((stop != NULL && *stop) || (also != NULL && *also))
			return;
		world_sleep(world, wait < BACK_OFF_PIECE ? wait : BACK_OFF_PIECE);
	}
}

static void draw_bar(const struct relation *relation, uint64_t rows, micros_t elapsed)
{
	const double seconds = elapsed > 0 ? (double)elapsed / 1e6 : 1e-6;
	fprintf(stderr, "\r\033[Kreading %s.%s  %llu rows  %.0f rows/s", relation->namespace_name,
		relation->name, (unsigned long long)rows, (double)rows / seconds);
}

static bool tell(void *context, const struct relation *relation, uint64_t rows)
{
	struct run_progress *progress = context;
	const micros_t now = world_monotonic(world_posix());
	struct process_activity *activity = process_activity(progress->process);
	process_beat(progress->process);
	if (relation->oid != progress->oid || activity->copied_rows > rows) {
		activity->copied_rows = 0;
		progress->began_at = now;
		progress->oid = relation->oid;
		if (progress->watches) {
			fputs("\r\033[K", stderr); /* the bar of the table before */
			progress->next_at = now + BAR_INTERVAL;
		}
		process_say(progress->process, "reading %s.%s", relation->namespace_name,
			relation->name);
		logline_info("reading a table", LOG_TEXT("namespace", relation->namespace_name),
			LOG_TEXT("table", relation->name));
	}
	metrics_add(&activity->metrics.snapshot_rows, rows - activity->copied_rows);
	activity->copied_rows = rows;
	if (now >= progress->next_at) {
		if (progress->watches)
			draw_bar(relation, rows, now - progress->began_at);
		else if (progress->next_at > 0)
			logline_info("reading", LOG_TEXT("table", relation->name),
				LOG_INT("rows", rows));
		progress->next_at = now + (progress->watches ? BAR_INTERVAL : PROGRESS_INTERVAL);
	}
	return !(progress->stop != NULL && *progress->stop) &&
	       !(progress->stop_reading != NULL && *progress->stop_reading);
}

struct filling_progress run_progress_of(struct run_progress *progress)
{
	return (struct filling_progress){ tell, progress };
}

static void report_step(void *context, enum publisher_step step)
{
	struct run *run = context;
	process_activity(run->process)->publisher_step = step;
	process_beat(run->process);
}

/* What the publisher knows, as of now. */
static void show_lake(struct run *run)
{
	struct metrics *metrics = &process_activity(run->process)->metrics;
	const struct lake *lake = publisher_lake(run->publisher);
	uint64_t counts[TABLE_STATE_COUNT] = { 0 };
	for (size_t i = 0; i < publisher_table_count(run->publisher); i++)
		counts[publisher_table_at(run->publisher, i)->row.state]++;
	for (size_t i = 0; i < TABLE_STATE_COUNT; i++)
		metrics->tables[i] = counts[i];
	metrics->position = lake->position;
	metrics->position_at = lake->position_at;
	metrics->is_live = lake->phase == LAKE_LIVE;
	process_beat(run->process);
}

/* --- opening --- */

static bool open_publisher(struct run *run, struct error *err)
{
	struct publisher_options options =
		lake_publisher_options(run->world, run->configuration, &run->parts);
	options.step = report_step;
	options.context = run;
	options.metrics = &process_activity(run->process)->metrics;
	process_beat(run->process);
	metrics_add(&options.metrics->openings, 1);
	process_say(run->process, "opening the tables");
	return publisher_open(&options, &run->publisher, err);
}

static bool open_log_at(struct run *run, lsn_t begin_lsn, lsn_t confirmed_lsn, struct error *err)
{
	const struct lake *lake = publisher_lake(run->publisher);
	const struct segment_options options = {
		.lake_id = lake->id,
		.codec = &log_codec_pgoutput,
		.segment_size_bytes = (uint64_t)run->configuration->log_segment_size,
		.size_limit_bytes = (uint64_t)run->configuration->log_size_limit,
		.confirmed_lsn = confirmed_lsn,
		.begin_lsn = begin_lsn,
		.needed = lake->phase == LAKE_LIVE ? lake->log_position : 0,
		.needed_log_id = lake->phase == LAKE_LIVE ? lake->log_id : NULL,
	};
	return log_segment_open(
		run->world, run->configuration->log_directory, &options, &run->log, err);
}

static bool open_new_log(void *context, struct log **out, struct error *err)
{
	struct run *run = context;
	const lsn_t begin_lsn = apply_position(publisher_apply(run->publisher))->lsn;
	if (!log_segment_remove(run->world, run->configuration->log_directory,
		    publisher_lake(run->publisher)->id, err) ||
		!open_log_at(run, begin_lsn, 0, err))
		return false;
	*out = run->log;
	return true;
}

static size_t live_table_count(const struct publisher *publisher)
{
	size_t count = 0;
	for (size_t i = 0; i < publisher_table_count(publisher); i++)
		count += publisher_table_at(publisher, i)->row.state == TABLE_LIVE;
	return count;
}

static bool begin_lake(struct run *run, struct source *source, struct error *err)
{
	struct run_progress progress = {
		.process = run->process,
		.stop = run->stop,
		.watches = run->watches,
	};
	const struct filling_progress telling = run_progress_of(&progress);
	process_say(run->process, "making publications and slot");
	bool done = log_segment_check_lake(run->world, run->configuration->log_directory,
			    publisher_lake(run->publisher)->id, err) &&
		    filling_begin_lake(run->publisher, source, open_new_log, run, &telling, err);
	if (run->watches)
		fputs("\r\033[K", stderr);
	if (!done)
		return false;
	char position[LSN_TEXT_SIZE];
	const size_t count = live_table_count(run->publisher);
	logline_info("the initial snapshot is complete",
		LOG_TEXT(
			"position", lsn_format(publisher_lake(run->publisher)->position, position)),
		LOG_INT("tables", count));
	if (count == 0)
		logline_warning("no table is captured: the source has none that source.tables "
				"names and that is not left out");
	return true;
}

static bool resume_lake(struct run *run, struct source *source, struct error *err)
{
	const struct lake *lake = publisher_lake(run->publisher);
	struct arena arena = { 0 };
	struct source_state state;
	bool done = source_inspect(source, &arena, &state, err) &&
		    check_source(lake, &state, err) &&
		    filling_check_patterns(run->publisher, &state, err) &&
		    open_log_at(run, 0, state.confirmed_lsn, err) &&
		    check_log(lake, &state, log_end_lsn(run->log), err);
	if (done) {
		filling_compare(run->publisher, &state);
		filling_let_go(source, &state);
		publisher_use_log(run->publisher, run->log);
		done = capture_find_last(run->log, lake->log_position, &run->capture.last, err);
	}
	if (done && run->capture.last.end_lsn < lake->last_commit_lsn)
		run->capture.last = (struct capture_last){ lake->last_commit_lsn,
			lake->last_commit_xid, lake->last_commit_at };
	arena_deinit(&arena);
	return done;
}

static bool start_capture(struct run *run, struct source *source, struct error *err)
{
	struct capture_thread *capture = &run->capture;
	capture->world = run->world;
	capture->configuration = run->configuration;
	capture->activity = process_activity(run->process);
	capture->source = source;
	capture->log = run->log;
	capture->lake = catalog_copy_lake(publisher_lake(run->publisher), &capture->arena);
	return capture_thread_start(capture, err);
}

/* --- requests and tables that are read again --- */

static void take_request(
	struct run *run, const struct catalog_view *view, const struct catalog_request *request)
{
	if (strcmp(request->argument, CATALOG_REQUEST_EVERYTHING) == 0) {
		run->begins_again = true;
		return; /* dealt with by the commit that begins the lake again */
	}
	publisher_finish_request(run->publisher, request->id);
	const char *dot = strchr(request->argument, '.');
	if (dot == NULL)
		return;
	struct arena arena = { 0 };
	const char *namespace_name = arena_copy_text(
		&arena, bytes_of(request->argument, (size_t)(dot - request->argument)));
	struct publisher_table *table = publisher_find(run->publisher, namespace_name, dot + 1);
	if (table == NULL)
		table = publisher_put(
			run->publisher, namespace_name, dot + 1, TABLE_SNAPSHOT, "", "");
	if (run->reading.state != READING_NONE && strcmp(run->reading.name, table->row.name) == 0 &&
		strcmp(run->reading.namespace_name, table->row.namespace_name) == 0)
		reading_thread_reset(&run->reading);
	publisher_reread(run->publisher, table);
	const struct catalog_table *row = catalog_view_find(view, namespace_name, dot + 1);
	publisher_set_location(run->publisher, table, row != NULL ? row->metadata_location : "");
	logline_info("a table will be read again", LOG_TEXT("table", request->argument));
	arena_deinit(&arena);
}

static bool take_requests(struct run *run, struct error *err)
{
	const micros_t now = world_monotonic(run->world);
	if (now < run->requests_due_at)
		return true;
	run->requests_due_at = now + REQUEST_INTERVAL;
	struct arena arena = { 0 };
	struct catalog_request *requests;
	struct catalog_view view;
	size_t count;
	bool done = catalog_load_requests(run->parts.catalog, &arena, &requests, &count, err) &&
		    (count == 0 || catalog_load(run->parts.catalog, &arena, &view, err));
	for (size_t i = 0; done && i < count; i++)
		take_request(run, &view, &requests[i]);
	arena_deinit(&arena);
	return done;
}

static struct publisher_table *next_to_read(const struct run *run)
{
	for (size_t i = 0; i < publisher_table_count(run->publisher); i++) {
		struct publisher_table *table = publisher_table_at(run->publisher, i);
		if (table->row.state == TABLE_SNAPSHOT && table->open == NULL)
			return table;
	}
	return NULL;
}

static bool start_reading(struct run *run, struct publisher_table *table, struct error *err)
{
	struct reading_thread *reading = &run->reading;
	if (table->row.log_position == 0)
		publisher_reread(run->publisher, table);
	if (table->is_changed)
		return true; /* first the catalog hears that the log is needed from here on */
	reading->world = run->world;
	reading->configuration = run->configuration;
	reading->process = run->process;
	reading->watches = run->watches;
	reading->lake = catalog_copy_lake(publisher_lake(run->publisher), &reading->arena);
	reading->namespace_name = arena_copy_cstring(&reading->arena, table->row.namespace_name);
	reading->name = arena_copy_cstring(&reading->arena, table->row.name);
	reading->known = (struct catalog_table){
		.metadata_location =
			arena_copy_cstring(&reading->arena, table->row.metadata_location),
		.position = table->row.position,
	};
	reading->apply = publisher_fork_apply(run->publisher);
	return reading_thread_start(reading, err);
}

/* Reading all of a table again and again is no small thing for the source: less and less often. */
static void fail_reading(struct run *run, struct publisher_table *table)
{
	const struct reading_thread *reading = &run->reading;
	if (reading->table != NULL)
		publisher_discard(run->publisher, reading->table);
	if (apply_concerns_table(reading->err.kind) || reading->err.kind == ERROR_SETUP) {
		publisher_pause(run->publisher, table, &reading->err);
		return;
	}
	logline_write_error(LOGLINE_WARNING, &reading->err);
	micros_t wait = READING_AGAIN_MIN;
	for (int i = 0; i < run->reading_failures && wait < READING_AGAIN_MAX; i++)
		wait *= 2;
	run->reading_failures++;
	run->reading_due_at = world_monotonic(run->world) + wait;
}

static bool finish_reading(struct run *run, struct error *err)
{
	struct reading_thread *reading = &run->reading;
	struct publisher_table *table =
		publisher_find(run->publisher, reading->namespace_name, reading->name);
	bool done = true;
	if (reading->err.kind == ERROR_NONE) {
		publisher_put(run->publisher, reading->namespace_name, reading->name,
			TABLE_SNAPSHOT, "", definition_encode(reading->relation, &reading->arena));
		done = publisher_join(run->publisher, reading->apply, reading->table, err);
		run->reading_failures = 0;
		if (done)
			logline_info("a table was read",
				LOG_TEXT("namespace", reading->namespace_name),
				LOG_TEXT("table", reading->name));
	} else {
		fail_reading(run, table);
	}
	reading_thread_reset(reading);
	process_say(run->process, "running");
	return done;
}

static bool tend_readings(struct run *run, struct error *err)
{
	if (run->reading.state == READING_DONE)
		return finish_reading(run, err);
	if (run->reading.state != READING_NONE || world_monotonic(run->world) < run->reading_due_at)
		return true;
	struct publisher_table *table = next_to_read(run);
	return table == NULL || start_reading(run, table, err);
}

/* --- the loop --- */

static enum outcome outcome_of(const struct error *err)
{
	switch (err->kind) {
	case ERROR_BUSY:
	case ERROR_LOST:
	case ERROR_CONFLICT:
	case ERROR_UNCERTAIN:
	case ERROR_LIMIT:
		return OUTCOME_REOPEN;
	default:
		return OUTCOME_FAILED;
	}
}

static enum outcome outcome_of_capture(const struct run *run, struct error *err)
{
	*err = run->capture.err;
	return err->kind == ERROR_LOST ? OUTCOME_BROKEN : OUTCOME_FAILED;
}

static void look_at_source(struct run *run)
{
	struct seen_source *seen = atomic_exchange(&run->capture.seen, NULL);
	if (seen != NULL)
		filling_look_again(run->publisher, &seen->state);
	run_forget_seen(seen);
}

static enum outcome publish(struct run *run, struct error *err)
{
	process_say(run->process, "running");
	while (!*run->stop) {
		if (run->capture.failed)
			return outcome_of_capture(run, err);
		show_lake(run);
		look_at_source(run);
		if (!take_requests(run, err) || !tend_readings(run, err) ||
			!publisher_step(run->publisher, err))
			return outcome_of(err);
		if (run->begins_again)
			return OUTCOME_BEGIN_AGAIN;
		micros_t wait = publisher_idle_time(run->publisher);
		log_wait(run->log, apply_position(publisher_apply(run->publisher))->next,
			wait < IDLE_WAIT_MAX ? wait : IDLE_WAIT_MAX);
	}
	return publisher_commit(run->publisher, err) ? OUTCOME_STOPPED : outcome_of(err);
}

static void close_publisher(struct run *run)
{
	process_activity(run->process)->metrics.is_live = 0;
	if (run->reading.state != READING_NONE)
		reading_thread_reset(&run->reading);
	publisher_close(run->publisher);
	run->publisher = NULL;
}

/* While capture goes on, the lake is opened again and again until that works. */
static enum outcome supervise(struct run *run, struct error *err)
{
	int tries = 0;
	while (true) {
		const micros_t began_at = world_monotonic(run->world);
		const uint64_t commit_number = publisher_lake(run->publisher)->commit_number;
		enum outcome outcome = publish(run, err);
		if (outcome != OUTCOME_REOPEN)
			return outcome;
		if (publisher_lake(run->publisher)->commit_number != commit_number ||
			world_monotonic(run->world) - began_at > BACK_OFF_MAX)
			tries = 0; /* it gets on */
		do {
			process_beat(run->process);
			logline_write_error(LOGLINE_WARNING, err);
			close_publisher(run);
			run_back_off(run->world, &tries, run->stop, &run->capture.failed);
			if (*run->stop)
				return OUTCOME_STOPPED;
			if (run->capture.failed)
				return outcome_of_capture(run, err);
			outcome = open_publisher(run, err) ? OUTCOME_REOPEN : outcome_of(err);
		} while (outcome == OUTCOME_REOPEN && run->publisher == NULL);
		if (run->publisher == NULL)
			return outcome;
		publisher_use_log(run->publisher, run->log);
	}
}

/* Asked while others are waited for, which may take long: the process lives. */
static bool is_stopped(void *context)
{
	const struct run *run = context;
	process_beat(run->process);
	return *run->stop;
}

static bool open_source(struct run *run, struct source **out, bool *has_lake, struct error *err)
{
	struct arena arena = { 0 };
	struct catalog_view view;
	*has_lake = lake_load_or_create(
		run->world, run->configuration, run->parts.catalog, &arena, &view, err);
	const bool done =
		*has_lake && lake_open_source(run->world, run->configuration, &view.lake, out, err);
	arena_deinit(&arena);
	if (done) {
		(*out)->is_stopped = is_stopped;
		(*out)->stop_context = run;
	}
	return done;
}

/* A new lake, one that did not get to its first commit, or one that is to be read all again. */
static bool prepare_beginning(struct run *run, struct error *err)
{
	if (publisher_lake(run->publisher)->phase == LAKE_LIVE) {
		publisher_set_phase(run->publisher, LAKE_STARTING);
		if (!publisher_commit(run->publisher, err))
			return false;
		close_publisher(run);
		if (!open_publisher(run, err))
			return false;
	}
	struct arena arena = { 0 };
	struct catalog_request *requests;
	size_t count;
	bool done = catalog_load_requests(run->parts.catalog, &arena, &requests, &count, err);
	for (size_t i = 0; done && i < count; i++)
		publisher_finish_request(run->publisher, requests[i].id);
	arena_deinit(&arena);
	run->begins_again = false;
	return done;
}

static bool open_lake(struct run *run, struct source *source, struct error *err)
{
	if (!ownership_take(run->parts.store, run->parts.catalog, err) ||
		!open_publisher(run, err) || !take_requests(run, err))
		return false;
	if (publisher_lake(run->publisher)->phase == LAKE_LIVE && !run->begins_again)
		return resume_lake(run, source, err);
	run->capture.last = (struct capture_last){ 0 };
	return prepare_beginning(run, err) && begin_lake(run, source, err);
}

static void close_lake(struct run *run)
{
	capture_thread_stop(&run->capture);
	close_publisher(run);
	log_close(run->log);
	run->log = NULL;
	run->requests_due_at = 0;
}

static enum outcome run_once(struct run *run, struct error *err)
{
	struct source *source = NULL;
	enum outcome outcome;
	process_say(run->process, "connecting to the source");
	bool has_lake;
	const bool is_connected = open_source(run, &source, &has_lake, err);
	if (!is_connected) {
		outcome = has_lake && !run->has_connected ? OUTCOME_FAILED : outcome_of(err);
	} else if (!open_lake(run, source, err)) {
		outcome = *run->stop ? OUTCOME_STOPPED : outcome_of(err);
		source_close(source);
	} else if (!start_capture(run, source, err)) {
		outcome = OUTCOME_FAILED;
	} else {
		outcome = supervise(run, err);
	}
	run->has_connected |= is_connected;
	close_lake(run);
	return outcome;
}

static bool run_until_stopped(struct run *run, struct error *err)
{
	int tries = 0;
	while (true) {
		process_beat(run->process);
		const micros_t began_at = world_monotonic(run->world);
		const enum outcome outcome = run_once(run, err);
		if (outcome == OUTCOME_BROKEN &&
			world_monotonic(run->world) - began_at > BACK_OFF_MAX)
			tries = 0;
		switch (outcome) {
		case OUTCOME_STOPPED:
			return true;
		case OUTCOME_BEGIN_AGAIN:
			logline_info("everything will be read again");
			break;
		case OUTCOME_REOPEN:
		case OUTCOME_BROKEN:
			logline_write_error(LOGLINE_WARNING, err);
			if (tries >= OPEN_TRIES_MAX)
				return false;
			run_back_off(run->world, &tries, run->stop, NULL);
			break;
		case OUTCOME_FAILED:
			return false;
		}
		if (*run->stop)
			return true;
	}
}

bool engine_open_process(
	const struct configuration *configuration, struct process **out, struct error *err)
{
	return lake_check_source_is_given(configuration, err) &&
	       configuration_check_places(configuration, err) &&
	       world_make_directories(world_posix(), configuration->lake_directory, err) &&
	       process_open(configuration->lake_directory, out, err);
}

static bool open_parts_once(struct run *run, struct error *err)
{
	enum catalog_server server;
	micros_t written_at;
	if (!lake_compare_servers(run->configuration, &server, err) ||
		!lake_open(run->world, run->configuration, &run->parts, err) ||
		!catalog_lock(run->parts.catalog, err))
		return false;
	if (server == CATALOG_NOWHERE && !lake_compare_servers(run->configuration, &server, err))
		return false;
	run->parts.catalog_is_on_source = server == CATALOG_ON_SOURCE;
	return store_probe(run->world, run->parts.store, &written_at, err);
}

/* A connection may break while it is made; that a server is not there is soon said. */
static bool open_parts(struct run *run, struct error *err)
{
	int tries = 0;
	while (true) {
		if (open_parts_once(run, err))
			return true;
		if (err->kind != ERROR_LOST || tries >= FIRST_TRIES_MAX)
			return false;
		lake_close(&run->parts);
		run_back_off(run->world, &tries, run->stop, NULL);
	}
}

bool engine_run(const struct configuration *configuration, struct process *process,
	volatile sig_atomic_t *stop, bool watches, struct error *err)
{
	struct run run = {
		.world = world_posix(),
		.configuration = configuration,
		.stop = stop,
		.watches = watches,
		.process = process,
	};
	struct metrics *metrics = &process_activity(process)->metrics;
	metrics->log_limit_bytes = (uint64_t)configuration->log_size_limit;
	bool done = open_parts(&run, err);
	if (done) {
		run.parts.store->counts = &metrics->store;
		done = run_until_stopped(&run, err);
	}
	lake_close(&run.parts);
	if (done)
		logline_info("stopped");
	return done;
}
