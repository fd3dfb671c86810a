#include "query/tree.h"

#include "base/test.h"

static const char sample[] = "{\"a\":[1,-2.5e300,18446744073709551615,null,true],\"b\":{},\"c\":[],"
			     "\"d\":\"x\\\"\\u5f20\\ud83d\\ude00\\n\\\\\",\"e\":{\"f\":\"\"}}";

TEST(a_tree_is_printed_as_it_was_read)
{
	struct arena arena = { 0 };
	struct error err;
	struct tree *tree;
	CHECK(tree_parse(bytes_of_cstring(sample), &arena, &tree, &err));
	struct buffer out = { 0 };
	tree_print(tree, &out);
	CHECK(bytes_equal(buffer_bytes(&out), bytes_of_cstring(sample)));
	CHECK(strcmp(tree_member_text(tree, "d", &arena), "x\"张😀\n\\") == 0);
	CHECK(strcmp(tree_member_text(tree_member(tree, "e"), "f", &arena), "") == 0);
	CHECK(strcmp(tree_member_text(tree, "a", &arena), "") == 0);
	CHECK(tree_member(tree, "z") == NULL);
	struct tree *text = tree_string("q\"\\\n", &arena);
	CHECK(strcmp(tree_text(text, &arena), "q\"\\\n") == 0);
	buffer_deinit(&out);
	arena_deinit(&arena);
}

TEST(a_tree_cut_at_any_length_is_corrupt)
{
	struct arena arena = { 0 };
	struct error err;
	struct tree *tree;
	for (size_t size = 0; size < sizeof sample - 1; size++) {
		uint8_t *copy = arena_copy(&arena, sample, size);
		CHECK(!tree_parse(bytes_of(copy, size), &arena, &tree, &err));
		CHECK(err.kind == ERROR_CORRUPT);
	}
	CHECK(!tree_parse(BYTES_LITERAL("{} {}"), &arena, &tree, &err));
	CHECK(!tree_parse(BYTES_LITERAL("[1 2]"), &arena, &tree, &err));
	CHECK(!tree_parse(BYTES_LITERAL("{\"a\" 1}"), &arena, &tree, &err));
	arena_deinit(&arena);
}

TEST(a_tree_nested_without_end_is_a_limit)
{
	struct arena arena = { 0 };
	struct error err;
	struct tree *tree;
	struct buffer text = { 0 };
	for (int i = 0; i < 100000; i++)
		buffer_append_u8(&text, '[');
	CHECK(!tree_parse(buffer_bytes(&text), &arena, &tree, &err));
	CHECK(err.kind == ERROR_LIMIT);
	buffer_deinit(&text);
	arena_deinit(&arena);
}
