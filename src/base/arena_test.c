#include "base/arena.h"

#include "base/test.h"

TEST(an_arena_gives_zeroed_aligned_memory_that_does_not_overlap)
{
	enum {
		COUNT = 500
	};
	struct arena arena = { 0 };
	uint8_t *pieces[COUNT];
	size_t sizes[COUNT];
	uint64_t random = test_seed();
	for (int round = 0; round < 3; round++) {
		for (size_t i = 0; i < COUNT; i++) {
			sizes[i] = test_random(&random) % (i % 50 == 0 ? 40000 : 100);
			pieces[i] = arena_alloc(&arena, sizes[i], 1);
			CHECK((uintptr_t)pieces[i] % _Alignof(max_align_t) == 0);
			for (size_t at = 0; at < sizes[i]; at++)
				CHECK(pieces[i][at] == 0);
			memset(pieces[i], (int)(i % 255) + 1, sizes[i]);
		}
		for (size_t i = 0; i < COUNT; i++)
			for (size_t at = 0; at < sizes[i]; at++)
				CHECK(pieces[i][at] == i % 255 + 1);
		CHECK(arena.used_bytes > 0);
		arena_reset(&arena);
		CHECK_EQUAL(arena.used_bytes, 0);
	}
	arena_deinit(&arena);
	CHECK_TEXT(arena_format(&arena, "%s-%d", "usable again", 7), "usable again-7");
	arena_deinit(&arena);
}

TEST(copies_in_an_arena_are_independent_of_their_originals)
{
	struct arena arena = { 0 };
	char original[] = "text";
	const char *text = arena_copy_cstring(&arena, original);
	const struct bytes bytes = arena_copy_bytes(&arena, bytes_of(original, 4));
	const char *part = arena_copy_text(&arena, bytes_of(original, 2));
	memset(original, 'x', 4);
	CHECK_TEXT(text, "text");
	CHECK(bytes_equal(bytes, BYTES_LITERAL("text")));
	CHECK_TEXT(part, "te");
	CHECK_TEXT(arena_copy_text(&arena, (struct bytes){ 0 }), "");
	arena_deinit(&arena);
}
