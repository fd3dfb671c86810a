/*
 * test.h: unit tests and fuzz targets, beside the code that they prove.
 *
 *	TEST(a_commit_record_survives_a_restart)
 *	{
 *		CHECK(...);
 *	}
 *
 * A test's name is a sentence.  A failed CHECK prints where, and ends the test (not the program).
 * Every *_test.c and *_fuzz.c is linked into one program, build/<preset>/walberg_tests:
 *	walberg_tests [--list] [PART-OF-A-NAME...]
 * whose last line is "N passed, N failed, N skipped".
 *
 *	FUZZ(pgoutput)
 *	{
 *		... data, size: must not crash, whatever the bytes ...
 *	}
 *
 * is a libFuzzer target under -DWALBERG_FUZZ (make fuzz); in the test program each file of
 * tests/corpus/<name>/ runs through it as one test.
 */
#ifndef BASE_TEST_H
#define BASE_TEST_H

#include "base/arena.h"

#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>

struct test {
	const char *file;
	const char *name;
	void (*run)(void);
	void (*fuzz)(const uint8_t *data, size_t size);
	struct test *next;
};

void test_register(struct test *test);
#ifndef WALBERG_FUZZ
_Noreturn void test_fail(const char *file, int line, const char *format, ...) PRINTF_LIKE(3, 4);
#else /* the fuzzer keeps the input of a program that aborts */
#define test_fail(file, line, ...)                                                                 \
	(fprintf(stderr, "%s:%d: ", (file), (line)), fprintf(stderr, __VA_ARGS__), abort())
#endif
_Noreturn void test_skip(const char *why); /* loud; a failure when CI is set in the environment */

/* The seed of this run: from WALBERG_SEED, else random; printed with every failure. */
uint64_t test_seed(void);

/*
 * The seed of a round of a test that repeats itself: what is printed from then on, so that the
 * failing round replays as the first.  The limit of a test's time begins anew.
 */
uint64_t test_seed_of_round(uint64_t round);

/* The next number of a sequence that a state begins, which may be any number. */
uint64_t test_random(uint64_t *state);

/* Called when this test fails, to end what would disturb the next ones. */
void test_on_failure(void (*call)(void *context), void *context);

/* A fresh directory of this test, removed when it passes, kept and printed when it fails. */
const char *test_directory(void);

#define TEST(test_name)                                                                            \
	static void test_name(void);                                                               \
	static struct test test_name##_entry = { __FILE__, #test_name, test_name, NULL, NULL };    \
	__attribute__((constructor)) static void test_name##_register(void)                        \
	{                                                                                          \
		test_register(&test_name##_entry);                                                 \
	}                                                                                          \
	static void test_name(void)

#define CHECK(condition)                                                                           \
	do {                                                                                       \
		if (!(condition))                                                                  \
			test_fail(__FILE__, __LINE__, "%s", #condition);                           \
	} while (0)

/* For calls that take `struct error *err`: prints the error when the call fails. */
#define CHECK_OK(call, err)                                                                        \
	do {                                                                                       \
		if (!(call))                                                                       \
			test_fail(__FILE__, __LINE__, "%s: %s (%s)", #call, (err)->text,           \
				(err)->context);                                                   \
	} while (0)

#define CHECK_EQUAL(actual, expected)                                                              \
	do {                                                                                       \
		const int64_t a_ = (int64_t)(actual), e_ = (int64_t)(expected);                    \
		if (a_ != e_)                                                                      \
			test_fail(__FILE__, __LINE__, "%s is %lld, not %lld", #actual,             \
				(long long)a_, (long long)e_);                                     \
	} while (0)

#define CHECK_TEXT(actual, expected)                                                               \
	do {                                                                                       \
		const char *a_ = (actual), *e_ = (expected);                                       \
		if (strcmp(a_, e_) != 0)                                                           \
			test_fail(                                                                 \
				__FILE__, __LINE__, "%s is \"%s\", not \"%s\"", #actual, a_, e_);  \
	} while (0)

#ifdef WALBERG_FUZZ
#define FUZZ(fuzz_name)                                                                            \
	static void fuzz_name##_fuzz(const uint8_t *data, size_t size);                            \
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);                              \
	int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)                               \
	{                                                                                          \
		fuzz_name##_fuzz(data, size);                                                      \
		return 0;                                                                          \
	}                                                                                          \
	static void fuzz_name##_fuzz(const uint8_t *data, size_t size)
#else
#define FUZZ(fuzz_name)                                                                            \
	static void fuzz_name##_fuzz(const uint8_t *data, size_t size);                            \
	static struct test fuzz_name##_entry = { __FILE__, #fuzz_name, NULL, fuzz_name##_fuzz,     \
		NULL };                                                                            \
	__attribute__((constructor)) static void fuzz_name##_register(void)                        \
	{                                                                                          \
		test_register(&fuzz_name##_entry);                                                 \
	}                                                                                          \
	static void fuzz_name##_fuzz(const uint8_t *data, size_t size)
#endif

#endif
