/* run_internal.h: what run.c, run_capture.c and run_reading.c share. */
#ifndef ENGINE_RUN_INTERNAL_H
#define ENGINE_RUN_INTERNAL_H

#include "engine/capture.h"
#include "engine/filling.h"
#include "engine/lake.h"
#include "engine/process.h"
#include "engine/run.h"

#include <pthread.h>

/* The source as it was seen while the stream goes on; given from one thread to another. */
struct seen_source {
	struct arena arena;
	struct source_state state;
};
void run_forget_seen(struct seen_source *seen); /* also NULL */

struct capture_thread {
	pthread_t thread;
	bool is_started;
	atomic_bool stop;
	atomic_bool failed; /* err is filled: LOST when the log is to be opened again, else for an
			       operator */
	struct error err;

	struct world *world;
	const struct configuration *configuration;
	struct process_activity *activity;
	struct arena arena;    /* of lake */
	struct lake lake;      /* what belongs together: identity, slot, position at the start */
	struct source *source; /* the first connection; then its own */
	struct log *log;
	struct capture_last last;
	micros_t look_at;                   /* monotonic: when the source is looked at again */
	_Atomic(struct seen_source *) seen; /* NULL once it was taken */
};

/* Takes the source.  last: of the log, when the thread begins. */
bool capture_thread_start(struct capture_thread *capture, struct error *err) MUST_CHECK;
void capture_thread_stop(struct capture_thread *capture); /* also when it did not start */

enum reading_state {
	READING_NONE = 0,
	READING_RUNS,
	READING_DONE, /* with or without an error */
};

struct reading_thread { /* one table that is read again */
	pthread_t thread;
	atomic_int state; /* enum reading_state */
	atomic_bool stop;
	struct error err; /* kind NONE: it worked */

	struct world *world;
	const struct configuration *configuration;
	struct process *process;
	bool watches;
	struct arena arena;
	struct lake lake;
	const char *namespace_name;
	const char *name;
	struct catalog_table known; /* its row; texts but the location are not there */
	struct apply *apply;        /* with the one table */
	struct apply_table *table;
	struct relation *relation; /* as found in the source */
};

bool reading_thread_start(struct reading_thread *reading, struct error *err) MUST_CHECK;
void reading_thread_reset(struct reading_thread *reading); /* stops, joins, gives all up */

/* Progress of a filling: the process's activity, a bar or a line. */
struct run_progress {
	struct process *process;
	volatile sig_atomic_t *stop; /* either ends the filling */
	atomic_bool *stop_reading;
	bool watches;
	micros_t next_at;
	micros_t began_at;
	uint32_t oid; /* of the table that is read; 0 before the first */
};
struct filling_progress run_progress_of(struct run_progress *progress);

/* Waits 0.1 s, 0.2 s, ... 10 s, with jitter, in pieces, until *stop. */
void run_back_off(struct world *world, int *tries, volatile sig_atomic_t *stop, atomic_bool *also);

#endif
