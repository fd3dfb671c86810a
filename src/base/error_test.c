#include "base/error.h"

#include "base/test.h"

#include <errno.h>

static const char *printed(const struct error *err, struct arena *arena)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	error_print(err, out);
	fclose(out);
	const char *copy = arena_copy_cstring(arena, text);
	free(text);
	return copy;
}

TEST(an_error_is_printed_with_its_contexts_and_its_hint)
{
	struct arena arena = { 0 };
	struct error err;
	CHECK(!error_set(&err, ERROR_SETUP, "slot \"%s\" is not there", "s"));
	CHECK_TEXT(printed(&err, &arena), "error: slot \"s\" is not there\n");
	CHECK(!error_context(&err, "opening %d", 1));
	CHECK(!error_context(&err, "starting"));
	CHECK(!error_hint(&err, "Make it."));
	CHECK_TEXT(printed(&err, &arena), "error: slot \"s\" is not there\n"
					  "       while opening 1; while starting\n"
					  " hint: Make it.\n");
	CHECK(!error_set(&err, ERROR_LOST, "again")); /* nothing of the first is left */
	CHECK_TEXT(printed(&err, &arena), "error: again\n");
	arena_deinit(&arena);
}

TEST(an_error_of_the_system_says_which)
{
	struct error err;
	errno = ENOSPC;
	CHECK(!error_set_errno(&err, ERROR_LIMIT, "cannot write \"%s\"", "f"));
	CHECK_TEXT(err.text, "cannot write \"f\": No space left on device");
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
}

TEST(an_error_too_long_for_its_place_is_cut)
{
	char name[2000];
	struct error err;
	memset(name, 'n', sizeof name - 1);
	name[sizeof name - 1] = '\0';
	errno = ENOENT;
	CHECK(!error_set_errno(&err, ERROR_MISSING, "%s", name));
	CHECK_EQUAL(strlen(err.text), sizeof err.text - 1);
	CHECK(!error_hint(&err, "%s", name));
	CHECK_EQUAL(strlen(err.hint), sizeof err.hint - 1);
	for (int i = 0; i < 100; i++)
		CHECK(!error_context(&err, "%.90s", name));
	CHECK_EQUAL(strlen(err.context), sizeof err.context - 1);
}

TEST(an_error_may_be_set_from_its_own_text)
{
	struct error err = { 0 };
	error_set(&err, ERROR_LOST, "the server went away");
	error_set(&err, ERROR_UNSUPPORTED, "table \"a\": %s", err.text);
	CHECK_TEXT(err.text, "table \"a\": the server went away");
	CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
}
