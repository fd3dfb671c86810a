#include "base/buffer.h"
#include "base/reader.h"
#include "base/test.h"

TEST(numbers_written_to_a_buffer_are_read_back)
{
	struct buffer buffer = { 0 };
	buffer_append_u16be(&buffer, 0x0102);
	buffer_append_u32be(&buffer, 0x01020304);
	buffer_append_u64be(&buffer, 0x0102030405060708);
	buffer_append_u32le(&buffer, 7);
	buffer_append_u64le(&buffer, UINT64_MAX - 1);
	buffer_append_varint(&buffer, UINT64_MAX);
	buffer_append_zigzag(&buffer, INT64_MIN);
	buffer_append(&buffer, "name", 5);
	struct reader reader = reader_of(buffer_bytes(&buffer));
	CHECK_EQUAL(reader_u16be(&reader), 0x0102);
	CHECK_EQUAL(reader_u32be(&reader), 0x01020304);
	CHECK_EQUAL(reader_u64be(&reader), 0x0102030405060708);
	CHECK_EQUAL(reader_u32le(&reader), 7);
	CHECK(reader_u64le(&reader) == UINT64_MAX - 1);
	CHECK(reader_varint(&reader) == UINT64_MAX);
	CHECK(reader_zigzag(&reader) == INT64_MIN);
	CHECK(bytes_equal(reader_cstring(&reader), BYTES_LITERAL("name")));
	struct error err;
	CHECK_OK(reader_finish(&reader, "the buffer", &err), &err);
	buffer_deinit(&buffer);
}

TEST(a_reader_cut_at_any_length_fails_instead_of_reading_on)
{
	struct buffer buffer = { 0 };
	buffer_append_u32be(&buffer, 5);
	buffer_append_varint(&buffer, 1 << 20);
	buffer_append(&buffer, "ab", 3);
	for (size_t size = 0; size < buffer.size; size++) {
		struct reader reader = reader_of(bytes_of(buffer.data, size));
		reader_u32be(&reader);
		reader_varint(&reader);
		reader_cstring(&reader);
		struct error err;
		CHECK(!reader_finish(&reader, "it", &err));
		CHECK(err.kind == ERROR_CORRUPT);
	}
	buffer_deinit(&buffer);
}

TEST(a_false_item_count_is_refused)
{
	struct reader reader = reader_of(BYTES_LITERAL("12345678"));
	CHECK_EQUAL(reader_count(&reader, 4, 2), 4);
	CHECK_EQUAL(reader_count(&reader, UINT64_MAX / 2, 2), 0);
	CHECK(reader.failed);
}

TEST(arena_memory_is_zeroed_again_after_a_reset)
{
	struct arena arena = { 0 };
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 100; i++) {
			char *memory = arena_array(&arena, char, 1000);
			CHECK(memory[0] == 0 && memory[999] == 0);
			memset(memory, 1, 1000);
		}
		arena_reset(&arena);
	}
	CHECK_TEXT(arena_format(&arena, "%s-%d", "x", 5), "x-5");
	arena_deinit(&arena);
}
