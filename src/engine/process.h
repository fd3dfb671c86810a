/*
 * process.h: one process per lake, and what it is doing.
 *
 * The file <lake>/process is locked (flock) by the process that writes to the lake; a second one
 * is refused.  Its bytes say what that process does at this moment, for `walberg status` and for
 * tests that stop it at a chosen step; they are shared memory, never synced, and mean nothing
 * without the lock.
 */
#ifndef ENGINE_PROCESS_H
#define ENGINE_PROCESS_H

#include "engine/publisher.h"

enum {
	PROCESS_VERSION = 3,
	PROCESS_TEXT_SIZE = 200,
	PROCESS_URL_SIZE = 80,
};

struct process_activity { /* as it lies in the file, in host byte order */
	char magic[8];    /* "WALBPROC" */
	uint32_t version;
	int32_t pid;
	int64_t started_at;
	_Atomic uint32_t publisher_step; /* enum publisher_step */
	_Atomic uint32_t is_logging;     /* an append to the log is under way */
	_Atomic uint64_t copied_rows;    /* of the table that is being read now */
	char text[PROCESS_TEXT_SIZE];    /* "reading public.orders"; may be torn */
	char http[PROCESS_URL_SIZE];     /* "http://127.0.0.1:8080"; "" when it does not listen */
	struct metrics metrics;
};

struct process;

/* SETUP when another process has the lake; its pid is in the text. */
bool process_open(const char *directory, struct process **out, struct error *err) MUST_CHECK;
void process_close(struct process *process); /* also NULL */
struct process_activity *process_activity(struct process *process);
/* The main loop lives; said at least every few seconds, also while something takes long. */
void process_beat(struct process *process);
void process_say(struct process *process, const char *format, ...) PRINTF_LIKE(2, 3);

/* Of whoever runs; *running is false when nobody does. */
bool process_look(const char *directory, struct process_activity *out, bool *running,
	struct error *err) MUST_CHECK;

#endif
