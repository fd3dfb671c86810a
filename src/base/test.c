#include "base/test.h"

#include <dirent.h>
#include <ftw.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/random.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum {
	SLOW_MS = 1000,
	TIME_LIMIT_S = 300, /* a test that hangs ends the run with its name */
	PATH_SIZE = 512,
	CORPUS_FILE_BYTES_MAX = 16 << 20
};

enum outcome {
	OUTCOME_PASSED = 1,
	OUTCOME_FAILED,
	OUTCOME_SKIPPED
};

static struct {
	struct test *tests; /* by file, then in the order of the file */
	uint64_t seed;
	uint64_t round;   /* of the running test */
	pthread_t thread; /* runs the tests; only it may leave one by longjmp */
	jmp_buf leave;
	void (*on_failure)(void *context);
	void *context;         /* of on_failure */
	char label[PATH_SIZE]; /* of the running test */
	char directory[PATH_SIZE];
	int counts[OUTCOME_SKIPPED + 1];
} run;

void test_register(struct test *test)
{
	struct test **at = &run.tests;
	while (*at != NULL && strcmp((*at)->file, test->file) <= 0)
		at = &(*at)->next;
	test->next = *at;
	*at = test;
}

/* splitmix64 */
uint64_t test_random(uint64_t *state)
{
	uint64_t value = (*state += 0x9e3779b97f4a7c15u);
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9u;
	value = (value ^ value >> 27) * 0x94d049bb133111ebu;
	return value ^ value >> 31;
}

uint64_t test_seed(void)
{
	return run.seed;
}

uint64_t test_seed_of_round(uint64_t round)
{
	alarm(TIME_LIMIT_S);
	run.round = round;
	return run.seed + round;
}

_Noreturn static void leave_test(enum outcome outcome)
{
	fflush(stdout);
	if (!pthread_equal(pthread_self(), run.thread))
		abort(); /* the stack to return to belongs to another thread */
	void (*call)(void *) = outcome == OUTCOME_FAILED ? run.on_failure : NULL;
	run.on_failure = NULL; /* it may fail itself */
	if (call != NULL)
		call(run.context);
	longjmp(run.leave, outcome);
}

_Noreturn void test_fail(const char *file, int line, const char *format, ...)
{
	printf("FAILED %s\n       %s:%d: ", run.label, file, line);
	va_list arguments;
	va_start(arguments, format);
	vprintf(format, arguments);
	va_end(arguments);
	printf("\n       seed: WALBERG_SEED=%llu\n", (unsigned long long)(run.seed + run.round));
	leave_test(OUTCOME_FAILED);
}

_Noreturn void test_skip(const char *why)
{
	printf("SKIPPED %s: %s\n", run.label, why);
	leave_test(OUTCOME_SKIPPED);
}

void test_on_failure(void (*call)(void *context), void *context)
{
	run.on_failure = call;
	run.context = context;
}

const char *test_directory(void)
{
	if (run.directory[0])
		return run.directory;
	const char *parent = getenv("TMPDIR");
	snprintf(run.directory, sizeof run.directory, "%s/walberg_test.XXXXXX",
		parent && parent[0] == '/' ? parent : "/tmp");
	if (mkdtemp(run.directory) == NULL)
		test_fail(__FILE__, __LINE__, "no directory \"%s\"", run.directory);
	return run.directory;
}

static int remove_entry(const char *path, const struct stat *info, int type, struct FTW *place)
{
	(void)info;
	(void)type;
	(void)place;
	return remove(path);
}

static void settle_directory(bool keep)
{
	if (run.directory[0] && keep)
		printf("       files kept in %s\n", run.directory);
	else if (run.directory[0])
		nftw(run.directory, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
	run.directory[0] = '\0';
}

static int64_t now_ms(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (int64_t)time.tv_sec * 1000 + time.tv_nsec / 1000000;
}

static void run_one(const struct test *test, struct bytes input)
{
	const int64_t started_ms = now_ms();
	run.round = 0;
	run.on_failure = NULL;
	alarm(TIME_LIMIT_S);
	/* The outcome is read only from setjmp's value: no local changes after the jump is set. */
	int jumped = setjmp(run.leave);
	if (jumped == 0 && test->fuzz != NULL)
		test->fuzz(input.data, input.size);
	else if (jumped == 0)
		test->run();
	alarm(0);
	const enum outcome outcome = jumped == 0 ? OUTCOME_PASSED : (enum outcome)jumped;
	run.counts[outcome]++;
	settle_directory(outcome == OUTCOME_FAILED);
	if (now_ms() - started_ms > SLOW_MS)
		printf("slow %s: %.1f s\n", run.label, (double)(now_ms() - started_ms) / 1000);
}

static void run_missing_corpus(void)
{
	test_fail(__FILE__, __LINE__, "there is no file in its folder of %s", WALBERG_CORPUS);
}

/* The exact size is allocated, so that a sanitizer sees a read past the end. */
static bool read_corpus_file(const char *path, struct bytes *out)
{
	FILE *file = fopen(path, "rb");
	if (file == NULL)
		return false;
	struct stat info;
	bool ok = fstat(fileno(file), &info) == 0 && S_ISREG(info.st_mode) &&
		  info.st_size <= CORPUS_FILE_BYTES_MAX;
	uint8_t *data = ok ? malloc((size_t)info.st_size + (info.st_size == 0)) : NULL;
	ok = data && fread(data, 1, (size_t)info.st_size, file) == (size_t)info.st_size;
	fclose(file);
	if (!ok) {
		free(data);
		return false;
	}
	*out = bytes_of(data, (size_t)info.st_size);
	return true;
}

static void run_corpus(const struct test *test)
{
	char folder[PATH_SIZE];
	snprintf(folder, sizeof folder, "%s/%s", WALBERG_CORPUS, test->name);
	struct dirent **entries = NULL;
	const int count = scandir(folder, &entries, NULL, alphasort);
	int files = 0;
	for (int i = 0; i < count; i++) {
		char path[PATH_SIZE + sizeof entries[i]->d_name];
		struct bytes input;
		snprintf(path, sizeof path, "%s/%s", folder, entries[i]->d_name);
		if (entries[i]->d_name[0] != '.' && read_corpus_file(path, &input)) {
			snprintf(run.label, sizeof run.label, "%s/%.200s", test->name,
				entries[i]->d_name);
			run_one(test, input);
			free((void *)(uintptr_t)input.data);
			files++;
		}
		free(entries[i]);
	}
	free(entries);
	if (files == 0) {
		const struct test missing = { test->file, test->name, run_missing_corpus, NULL,
			NULL };
		snprintf(run.label, sizeof run.label, "%s", test->name);
		run_one(&missing, (struct bytes){ 0 });
	}
}

/* The name of a folder above the sources chooses no test. */
static const char *path_in_project(const char *file)
{
	const char *source = strstr(file, "/src/"), *simulation = strstr(file, "/tests/sim/");
	return source ? source + 1 : simulation ? simulation + 1 : file;
}

static bool is_wanted(const struct test *test, char **parts)
{
	if (*parts == NULL)
		return true;
	for (; *parts != NULL; parts++)
		if (strstr(test->name, *parts) != NULL ||
			strstr(path_in_project(test->file), *parts) != NULL)
			return true;
	return false;
}

/* Says which test ended the program; only calls that are safe in a signal handler. */
static void report_death(int number)
{
	static const char LEAD[] = "ENDED THE RUN ";
	ssize_t ignored = write(STDOUT_FILENO, LEAD, sizeof LEAD - 1);
	ignored = write(STDOUT_FILENO, run.label, strlen(run.label));
	ignored = write(STDOUT_FILENO, "\n", 1);
	(void)ignored;
	signal(number, SIG_DFL);
	raise(number);
}

static uint64_t choose_seed(void)
{
	const char *text = getenv("WALBERG_SEED");
	uint64_t seed = 0;
	if (text != NULL && text[0])
		seed = strtoull(text, NULL, 10);
	else if (getrandom(&seed, sizeof seed, 0) != (ssize_t)sizeof seed)
		seed = (uint64_t)time(NULL);
	return seed;
}

int main(int argc, char **argv)
{
	const bool list = argc > 1 && strcmp(argv[1], "--list") == 0;
	char **parts = argv + (list ? 2 : 1);
	setvbuf(stdout, NULL, _IOLBF, 0);
	run.seed = choose_seed();
	run.thread = pthread_self();
	signal(SIGABRT, report_death);
	signal(SIGALRM, report_death);
	signal(SIGPIPE, SIG_IGN);
	for (struct test *test = run.tests; test != NULL; test = test->next) {
		if (!is_wanted(test, parts))
			continue;
		snprintf(run.label, sizeof run.label, "%s", test->name);
		if (list)
			printf("%s\n", test->name);
		else if (test->fuzz != NULL)
			run_corpus(test);
		else
			run_one(test, (struct bytes){ 0 });
	}
	if (list)
		return 0;
	const int passed = run.counts[OUTCOME_PASSED], failed = run.counts[OUTCOME_FAILED],
		  skipped = run.counts[OUTCOME_SKIPPED];
	printf("%d passed, %d failed, %d skipped\n", passed, failed, skipped);
	const bool skip_fails = skipped > 0 && getenv("CI") != NULL;
	return failed > 0 || skip_fails || passed + skipped == 0;
}
