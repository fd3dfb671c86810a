#include "base/reader.h"

#include "base/test.h"

static const uint8_t FIELDS[] = { 0x01, 0x01, 0x02, 0x01, 0x02, 0x03, 0x04, 0x01, 0x02, 0x03, 0x04,
	0x05, 0x06, 0x07, 0x08, 0x01, 0x02, 0x03, 0x04, 0x01, 0x02, 0x03, 0x04, 0x05, 0x06, 0x07,
	0x08, 0xac, 0x02, 0x03, 'a', 'b', 0x00, 0xff };

static bool read_all(struct bytes input, struct error *err)
{
	struct reader in = reader_of(input);
	const bool is_right =
		reader_u8(&in) == 1 && reader_u16be(&in) == 0x0102 &&
		reader_u32be(&in) == 0x01020304 && reader_u64be(&in) == 0x0102030405060708 &&
		reader_u32le(&in) == 0x04030201 && reader_u64le(&in) == 0x0807060504030201 &&
		reader_varint(&in) == 300 && reader_zigzag(&in) == -2 &&
		bytes_equal(reader_cstring(&in), BYTES_LITERAL("ab")) &&
		bytes_equal(reader_take(&in, 1), BYTES_LITERAL("\xff"));
	CHECK(is_right || in.failed);
	return reader_finish(&in, "the message", err);
}

TEST(a_reader_takes_what_is_there_and_fails_on_each_shorter_input)
{
	struct error err;
	CHECK_OK(read_all(bytes_of(FIELDS, sizeof FIELDS), &err), &err);
	for (size_t size = 0; size < sizeof FIELDS; size++) {
		CHECK(!read_all(bytes_of(FIELDS, size), &err));
		CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	}
}

TEST(a_reader_that_failed_yields_zero_and_stays_where_it_was)
{
	struct error err;
	struct reader in = reader_of(BYTES_LITERAL("\x01\x02\x03"));
	CHECK_EQUAL(reader_u8(&in), 1);
	CHECK_EQUAL(reader_u32be(&in), 0);
	CHECK_EQUAL(reader_u8(&in), 0);
	CHECK_EQUAL(reader_varint(&in), 0);
	CHECK_EQUAL(reader_cstring(&in).size, 0);
	CHECK_EQUAL(reader_count(&in, 0, 1), 0);
	CHECK(!reader_finish(&in, "the message", &err));
	CHECK_TEXT(err.text, "the message is damaged or ends early, at byte 1");
}

TEST(bytes_that_are_left_over_are_damage)
{
	struct error err;
	struct reader in = reader_of(BYTES_LITERAL("\x01\x02\x03"));
	CHECK_EQUAL(reader_u8(&in), 1);
	CHECK(!reader_finish(&in, "the message", &err));
	CHECK_TEXT(err.text, "the message has 2 bytes too many");
}

TEST(a_varint_has_at_most_64_bits)
{
	struct reader most = reader_of(BYTES_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
	CHECK(reader_varint(&most) == UINT64_MAX);
	struct reader least = reader_of(BYTES_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01"));
	CHECK(reader_zigzag(&least) == INT64_MIN);
	struct reader more = reader_of(BYTES_LITERAL("\xff\xff\xff\xff\xff\xff\xff\xff\xff\x02"));
	CHECK_EQUAL(reader_varint(&more), 0);
	CHECK(more.failed);
	struct reader longer =
		reader_of(BYTES_LITERAL("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00"));
	CHECK_EQUAL(reader_varint(&longer), 0);
	CHECK(longer.failed);
}

TEST(a_count_is_believed_only_as_far_as_bytes_are_left)
{
	struct reader in = reader_of(BYTES_LITERAL("12345678"));
	CHECK_EQUAL(reader_count(&in, 2, 4), 2);
	CHECK(!in.failed);
	CHECK_EQUAL(reader_count(&in, 3, 4), 0);
	CHECK(in.failed);
	in.failed = false;
	CHECK_EQUAL(reader_count(&in, UINT64_MAX, 8), 0);
	CHECK(in.failed);
}
