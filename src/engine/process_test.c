#include "engine/process.h"

#include "base/test.h"

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

TEST(a_second_process_on_a_lake_is_refused_and_told_of_the_first)
{
	struct process *first, *second;
	struct error err;
	char pid[32];
	CHECK_OK(process_open(test_directory(), &first, &err), &err);
	CHECK(!process_open(test_directory(), &second, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	snprintf(pid, sizeof pid, "by process %d", (int)getpid());
	CHECK(strstr(err.text, pid) != NULL);
	CHECK(err.hint[0] != '\0');
	process_close(first);
	CHECK_OK(process_open(test_directory(), &second, &err), &err);
	process_close(second);
}

struct onlooker {
	const char *directory;
	atomic_bool stop;
};

static void *look_on(void *argument)
{
	struct onlooker *onlooker = argument;
	struct process_activity seen;
	struct error err;
	bool running;
	while (!onlooker->stop)
		if (!process_look(onlooker->directory, &seen, &running, &err))
			break;
	return NULL;
}

TEST(a_process_starts_while_others_look_at_the_lake_all_the_time)
{
	struct process *process;
	struct error err = { 0 };
	struct onlooker onlooker = { .directory = test_directory() };
	pthread_t thread;
	CHECK_OK(process_open(test_directory(), &process, &err), &err);
	process_close(process);
	CHECK_EQUAL(pthread_create(&thread, NULL, look_on, &onlooker), 0);
	for (int i = 0; i < 50; i++) {
		if (!process_open(test_directory(), &process, &err))
			break;
		process_close(process);
		process = NULL;
	}
	onlooker.stop = true;
	pthread_join(thread, NULL);
	CHECK_EQUAL(err.kind, ERROR_NONE);
}

TEST(what_a_process_does_is_seen_by_others_while_it_runs)
{
	struct process *process;
	struct process_activity seen;
	struct error err;
	bool running;
	CHECK_OK(process_look(test_directory(), &seen, &running, &err), &err);
	CHECK(!running);
	CHECK_OK(process_open(test_directory(), &process, &err), &err);
	process_say(process, "reading %s", "public.orders");
	process_activity(process)->publisher_step = STEP_SWAP;
	process_activity(process)->metrics.confirmed_lsn = 4711;
	CHECK_OK(process_look(test_directory(), &seen, &running, &err), &err);
	CHECK(running);
	CHECK_EQUAL(seen.pid, getpid());
	CHECK(seen.started_at > 0);
	CHECK_TEXT(seen.text, "reading public.orders");
	CHECK_EQUAL(seen.publisher_step, STEP_SWAP);
	CHECK_EQUAL(seen.metrics.confirmed_lsn, 4711);
	process_close(process);
	CHECK_OK(process_look(test_directory(), &seen, &running, &err), &err);
	CHECK(!running);
}

TEST(a_long_word_about_the_activity_is_cut)
{
	struct process *process;
	struct error err;
	CHECK_OK(process_open(test_directory(), &process, &err), &err);
	process_say(process, "%0500d", 5);
	CHECK_EQUAL(strlen(process_activity(process)->text), PROCESS_TEXT_SIZE - 1);
	process_close(process);
}

TEST(a_lake_in_a_place_that_cannot_be_written_is_refused)
{
	struct process *process;
	struct error err;
	CHECK(!process_open("/nowhere/at/all", &process, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, "/nowhere/at/all/process") != NULL);
}
