#include "format/parquet/bounds.h"

#include "base/test.h"

#include <math.h>

static const struct column_type STRING = { VALUE_STRING, 0, 0 };

static void check_upper(
	enum value_type type, struct bytes value, size_t length, struct bytes expected)
{
	struct arena arena = { 0 };
	struct bytes upper;
	CHECK(bounds_truncate_upper(&arena, type, value, length, &upper));
	CHECK(bytes_equal(upper, expected));
	arena_deinit(&arena);
}

static void check_no_upper(enum value_type type, struct bytes value, size_t length)
{
	struct arena arena = { 0 };
	struct bytes upper;
	CHECK(!bounds_truncate_upper(&arena, type, value, length, &upper));
	arena_deinit(&arena);
}

TEST(an_upper_bound_is_cut_and_its_last_code_point_incremented)
{
	check_upper(VALUE_STRING, BYTES_LITERAL("aaaa"), 2, BYTES_LITERAL("ab"));
	check_upper(VALUE_STRING, BYTES_LITERAL("aa"), 2, BYTES_LITERAL("aa"));
	check_upper(VALUE_STRING, BYTES_LITERAL(""), 2, BYTES_LITERAL(""));
	check_upper(VALUE_STRING, BYTES_LITERAL("a\x7f!"), 2, BYTES_LITERAL("a\xc2\x80"));
	check_upper(VALUE_STRING, BYTES_LITERAL("\xdf\xbf!"), 1, BYTES_LITERAL("\xe0\xa0\x80"));
	check_upper(
		VALUE_STRING, BYTES_LITERAL("\xef\xbf\xbf!"), 1, BYTES_LITERAL("\xf0\x90\x80\x80"));
	/* U+D7FF is followed by U+E000: what lies between are surrogates */
	check_upper(VALUE_STRING, BYTES_LITERAL("\xed\x9f\xbf!"), 1, BYTES_LITERAL("\xee\x80\x80"));
	/* the greatest code point gives way to the one before it */
	check_upper(VALUE_STRING, BYTES_LITERAL("a\xf4\x8f\xbf\xbf!"), 2, BYTES_LITERAL("b"));
}

TEST(a_text_without_a_greater_prefix_has_no_upper_bound)
{
	check_no_upper(VALUE_STRING,
		BYTES_LITERAL("\xf4\x8f\xbf\xbf\xf4\x8f\xbf\xbf"
			      "0"),
		2);
	check_no_upper(VALUE_BINARY, BYTES_LITERAL("\xff\xff\0"), 2);
	check_no_upper(VALUE_STRING, BYTES_LITERAL("a\xc0\x80!"), 2); /* is not UTF-8 */
	check_no_upper(VALUE_STRING, BYTES_LITERAL("\xed\xa0\x80!"), 1);
}

TEST(binary_bounds_are_cut_by_bytes)
{
	check_upper(VALUE_BINARY, BYTES_LITERAL("\1\2\3"), 2, BYTES_LITERAL("\1\3"));
	check_upper(VALUE_BINARY, BYTES_LITERAL("\1\xff\xff\3"), 3, BYTES_LITERAL("\2"));
	CHECK_EQUAL(bounds_truncate_lower(VALUE_BINARY, BYTES_LITERAL("\xc3\xa9"), 1).size, 1);
}

TEST(a_lower_bound_is_cut_by_code_points)
{
	CHECK_EQUAL(bounds_truncate_lower(VALUE_STRING, BYTES_LITERAL("iceberg"), 3).size, 3);
	CHECK_EQUAL(
		bounds_truncate_lower(VALUE_STRING, BYTES_LITERAL("\xc3\xa9\xc3\xa9"), 1).size, 2);
	CHECK_EQUAL(bounds_truncate_lower(VALUE_STRING, BYTES_LITERAL("ab"), 16).size, 2);
}

static void check_decimal(int64_t value, struct bytes expected)
{
	struct arena arena = { 0 };
	struct column_type narrow = { VALUE_DECIMAL, 18, 2 }, wide = { VALUE_DECIMAL, 38, 2 };
	__int128 value_128 = value;
	CHECK(bytes_equal(single_value_encode(&arena, narrow, bytes_of(&value, 8)), expected));
	CHECK(bytes_equal(single_value_encode(&arena, wide, bytes_of(&value_128, 16)), expected));
	arena_deinit(&arena);
}

TEST(decimals_take_the_fewest_bytes_that_keep_their_sign)
{
	check_decimal(0, BYTES_LITERAL("\0"));
	check_decimal(1420, BYTES_LITERAL("\x05\x8c"));
	check_decimal(127, BYTES_LITERAL("\x7f"));
	check_decimal(128, BYTES_LITERAL("\0\x80"));
	check_decimal(-1, BYTES_LITERAL("\xff"));
	check_decimal(-128, BYTES_LITERAL("\x80"));
	check_decimal(-129, BYTES_LITERAL("\xff\x7f"));
	check_decimal(INT64_MIN, BYTES_LITERAL("\x80\0\0\0\0\0\0\0"));
}

TEST(nan_is_counted_and_never_a_bound)
{
	struct column_type type = { VALUE_DOUBLE, 0, 0 };
	struct value_range range = { 0 };
	const double nans[] = { NAN, -NAN };
	value_range_update(&range, type, nans, 2);
	CHECK(!range.has_values);
	const double values[] = { NAN, 2.5, NAN, -INFINITY };
	value_range_update(&range, type, values, 4);
	CHECK_EQUAL(range.nan_count, 4);
	double lower, upper;
	memcpy(&lower, value_range_lower(&range, type).data, sizeof lower);
	memcpy(&upper, value_range_upper(&range, type).data, sizeof upper);
	CHECK(lower == -INFINITY && upper == 2.5);
}

TEST(a_bound_of_zero_covers_both_zeros)
{
	struct column_type types[] = { { VALUE_DOUBLE, 0, 0 }, { VALUE_FLOAT, 0, 0 } };
	const double doubles[] = { 0.0 };
	const float floats[] = { -0.0f };
	const void *values[] = { doubles, floats };
	for (int i = 0; i < 2; i++) {
		struct value_range range = { 0 };
		value_range_update(&range, types[i], values[i], 1);
		struct bytes lower = value_range_lower(&range, types[i]);
		CHECK_EQUAL(lower.data[lower.size - 1], 0x80);
		struct bytes upper = value_range_upper(&range, types[i]);
		CHECK_EQUAL(upper.data[upper.size - 1], 0);
	}
}

TEST(texts_are_ordered_by_unsigned_bytes)
{
	struct value_range range = { 0 };
	/* U+FFFF sorts below U+10000 in UTF-8, above it in UTF-16 */
	const struct bytes texts[] = { BYTES_LITERAL("\xef\xbf\xbf"), BYTES_LITERAL("abcdefgh"),
		BYTES_LITERAL("abcdefghi"), BYTES_LITERAL("\xf0\x90\x80\x80"),
		BYTES_LITERAL("abcdefg") };
	value_range_update(&range, STRING, texts, 5);
	CHECK(bytes_equal(value_range_lower(&range, STRING), BYTES_LITERAL("abcdefg")));
	CHECK(bytes_equal(value_range_upper(&range, STRING), BYTES_LITERAL("\xf0\x90\x80\x80")));
	const struct bytes nothing[] = { BYTES_LITERAL("") };
	value_range_update(&range, STRING, nothing, 1);
	CHECK_EQUAL(value_range_lower(&range, STRING).size, 0);
	value_range_deinit(&range);
}

TEST(uuids_are_ordered_by_unsigned_bytes)
{
	struct column_type type = { VALUE_UUID, 0, 0 };
	struct value_range range = { 0 };
	const uint8_t uuids[32] = { [0] = 0x80, [16] = 0x7f };
	value_range_update(&range, type, uuids, 2);
	CHECK_EQUAL(value_range_lower(&range, type).data[0], 0x7f);
	CHECK_EQUAL(value_range_upper(&range, type).data[0], 0x80);
}
