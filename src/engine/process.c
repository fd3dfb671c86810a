#include "engine/process.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

static const char MAGIC[8] = "WALBPROC";

/* Where tests read the file (tests/support/walberg.py, Activity). */
#define LIES_AT(field, at)                                                                         \
	_Static_assert(offsetof(struct process_activity, field) == (at),                           \
		"tests/support/walberg.py reads this field elsewhere")
LIES_AT(pid, 12);
LIES_AT(publisher_step, 24);
LIES_AT(is_logging, 28);
LIES_AT(text, 40);
LIES_AT(http, 240);
LIES_AT(metrics.is_connected, 320);
_Static_assert(STEP_COUNT == 6, "tests/support/walberg.py has a name for each step");

enum {
	LOCK_TRIES_MAX = 400, /* for two seconds: who only looks is gone long before */
	LOCK_INTERVAL = 5 * 1000,
};

struct process {
	int file;
	struct process_activity *activity;
};

static void process_path(const char *directory, char *out, size_t size)
{
	snprintf(out, size, "%s/process", directory);
}

static bool fail(const char *path, const char *verb, struct error *err)
{
	error_set_errno(err, ERROR_SETUP, "\"%s\" cannot be %s", path, verb);
	return error_hint(err, "Give the user that runs walberg permission to read and write the "
			       "lake's directory, and room on its disk.");
}

static bool refuse(int file, const char *directory, struct error *err)
{
	struct process_activity other = { 0 };
	ssize_t got = pread(file, &other, sizeof other, 0);
	if (got == (ssize_t)sizeof other && memcmp(other.magic, MAGIC, sizeof MAGIC) == 0)
		error_set(err, ERROR_SETUP, "the lake \"%s\" is in use by process %d", directory,
			other.pid);
	else
		error_set(err, ERROR_SETUP, "the lake \"%s\" is in use by another process",
			directory);
	return error_hint(err, "One process writes to a lake. Stop that one, or use another "
			       "lake with --lake.");
}

/*
 * Whoever looks holds the lock as well, shared and for an instant, and is waited for; one that
 * writes is not, and leaves errno at EWOULDBLOCK.
 */
static bool lock(int file)
{
	for (int tries = 0; flock(file, LOCK_EX | LOCK_NB) != 0; tries++) {
		if (errno != EWOULDBLOCK || tries >= LOCK_TRIES_MAX ||
			flock(file, LOCK_SH | LOCK_NB) != 0)
			return false;
		flock(file, LOCK_UN);
		world_sleep(world_posix(), LOCK_INTERVAL);
	}
	return true;
}

static bool open_locked(struct process *process, const char *directory, struct error *err)
{
	char path[4096];
	process_path(directory, path, sizeof path);
	process->file = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (process->file < 0)
		return fail(path, "opened", err);
	if (!lock(process->file))
		return errno == EWOULDBLOCK ? refuse(process->file, directory, err)
					    : fail(path, "locked", err);
	if (ftruncate(process->file, 0) != 0 ||
		ftruncate(process->file, sizeof(struct process_activity)) != 0)
		return fail(path, "written", err);
	void *memory = mmap(NULL, sizeof(struct process_activity), PROT_READ | PROT_WRITE,
		MAP_SHARED, process->file, 0);
	if (memory == MAP_FAILED)
		return fail(path, "mapped", err);
	process->activity = memory;
	return true;
}

bool process_open(const char *directory, struct process **out, struct error *err)
{
	struct process *process = memory_allocate(1, sizeof *process);
	process->file = -1;
	if (!open_locked(process, directory, err)) {
		process_close(process);
		return false;
	}
	process->activity->version = PROCESS_VERSION;
	process->activity->pid = (int32_t)getpid();
	process->activity->started_at = world_now(world_posix());
	process_beat(process);
	memcpy(process->activity->magic, MAGIC, sizeof MAGIC);
	*out = process;
	return true;
}

void process_close(struct process *process)
{
	if (process == NULL)
		return;
	if (process->activity != NULL)
		munmap(process->activity, sizeof *process->activity);
	if (process->file >= 0)
		close(process->file);
	free(process);
}

struct process_activity *process_activity(struct process *process)
{
	return process->activity;
}

void process_beat(struct process *process)
{
	process->activity->metrics.beat_at = world_monotonic(world_posix());
}

void process_say(struct process *process, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(process->activity->text, PROCESS_TEXT_SIZE, format, arguments);
	va_end(arguments);
}

bool process_look(
	const char *directory, struct process_activity *out, bool *running, struct error *err)
{
	char path[4096];
	process_path(directory, path, sizeof path);
	*running = false;
	int file = open(path, O_RDONLY | O_CLOEXEC);
	if (file < 0)
		return errno == ENOENT || fail(path, "read", err);
	if (flock(file, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK)
		*running = pread(file, out, sizeof *out, 0) == (ssize_t)sizeof *out &&
			   memcmp(out->magic, MAGIC, sizeof MAGIC) == 0 &&
			   out->version == PROCESS_VERSION;
	close(file);
	return true;
}
