#include "base/test.h"
#include "state/key.h"

enum {
	SEED = 7
};

static const struct column_type TYPES[] = { { VALUE_LONG, 0, 0 }, { VALUE_STRING, 0, 0 },
	{ VALUE_STRING, 0, 0 }, { VALUE_DOUBLE, 0, 0 }, { VALUE_DATE, 0, 0 } };

static void append(struct batch *batch, int64_t number, const char *a, const char *b, double real)
{
	const int32_t days = (int32_t)number;
	column_append_fixed(&batch->columns[0], &number);
	column_append_bytes(&batch->columns[1], bytes_of_cstring(a));
	column_append_bytes(&batch->columns[2], bytes_of_cstring(b));
	column_append_fixed(&batch->columns[3], &real);
	column_append_fixed(&batch->columns[4], &days);
	batch_finish_row(batch);
}

static struct key key(const struct batch *batch, size_t row, size_t first, size_t count)
{
	static const size_t columns[] = { 0, 1, 2, 3, 4 };
	return key_of(batch, columns + first, count, row, SEED);
}

TEST(short_keys_are_their_bytes_and_long_keys_are_hashes)
{
	struct batch batch;
	batch_init(&batch, TYPES, 5);
	append(&batch, 5, "", "", 0);
	append(&batch, -1, "123456789012345", "", 0);
	append(&batch, 5, "1234567890123456", "", 0);
	CHECK(key(&batch, 0, 0, 1).low == 5 && key(&batch, 0, 0, 1).high == UINT64_C(9) << 56);
	CHECK(key(&batch, 1, 0, 1).low == UINT64_MAX);
	CHECK(key(&batch, 0, 1, 1).high == UINT64_C(1) << 56); /* an empty text is no empty slot */
	CHECK(key(&batch, 1, 1, 1).high >> 56 == 16);
	CHECK(key(&batch, 2, 1, 1).high >> 63 == 1);
	CHECK(key_equal(key(&batch, 0, 0, 1), key(&batch, 2, 0, 1)));
	const size_t column = 1;
	CHECK(!key_equal(key_of(&batch, &column, 1, 2, 1), key_of(&batch, &column, 1, 2, 2)));
	batch_deinit(&batch);
}

TEST(keys_of_several_columns_do_not_run_into_each_other)
{
	static const char *const texts[][2] = { { "ab", "c" }, { "a", "bc" }, { "", "abc" },
		{ "abc", "" }, { "abcdefghijklmnop", "q" }, { "abcdefghijklmno", "pq" } };
	struct batch batch;
	batch_init(&batch, TYPES, 5);
	for (size_t i = 0; i < 6; i++)
		append(&batch, 1, texts[i][0], texts[i][1], 0);
	for (size_t i = 0; i < 6; i++)
		for (size_t j = 0; j < 6; j++)
			CHECK(key_equal(key(&batch, i, 1, 2), key(&batch, j, 1, 2)) == (i == j));
	batch_deinit(&batch);
}

TEST(a_key_of_any_length_depends_on_all_of_its_bytes)
{
	struct batch batch;
	char text[600];
	batch_init(&batch, TYPES, 5);
	for (size_t size = 0; size < sizeof text; size++) {
		memset(text, 'x', size);
		text[size] = '\0';
		batch_reset(&batch);
		append(&batch, 1, text, "end", 0);
		append(&batch, 1, text, "end", 0);
		text[size / 2] = 'y';
		append(&batch, 1, text, "end", 0);
		CHECK(key_equal(key(&batch, 0, 0, 3), key(&batch, 1, 0, 3)));
		CHECK(size == 0 || !key_equal(key(&batch, 0, 0, 3), key(&batch, 2, 0, 3)));
		CHECK(size == 0 || !key_equal(key(&batch, 0, 1, 1), key(&batch, 2, 1, 1)));
	}
	batch_deinit(&batch);
}

TEST(both_zeros_are_one_key)
{
	struct batch batch;
	batch_init(&batch, TYPES, 5);
	append(&batch, 1, "", "", 0.0);
	append(&batch, 1, "", "", -0.0);
	append(&batch, 1, "", "", -1.0);
	CHECK(key_equal(key(&batch, 0, 3, 1), key(&batch, 1, 3, 1)));
	CHECK(!key_equal(key(&batch, 0, 3, 1), key(&batch, 2, 3, 1)));
	batch_deinit(&batch);
}

static void check_format(
	const struct batch *batch, size_t row, size_t first, size_t count, const char *expected)
{
	struct relation_column columns[5] = { { .name = "id" }, { .name = "name" },
		{ .name = "note" }, { .name = "real" }, { .name = "day" } };
	const struct relation relation = { .column_count = 5, .columns = columns };
	struct buffer out = { 0 };
	for (size_t i = first; i < first + count; i++)
		columns[i].is_key = true;
	key_format(&out, batch, &relation, row);
	buffer_append_u8(&out, 0);
	CHECK_TEXT((const char *)out.data, expected);
	buffer_deinit(&out);
}

TEST(a_key_is_shown_as_a_condition_on_one_line)
{
	struct batch batch;
	batch_init(&batch, TYPES, 5);
	append(&batch, 5, "it's\n",
		"\xC3\xBC\xC3\xBC\xC3\xBC 789012345678901234567890123456789012345"
		"678901234567890 tail",
		1.5);
	check_format(&batch, 0, 0, 1, "id = 5");
	check_format(&batch, 0, 0, 2, "(id, name) = (5, 'it''s?')");
	check_format(&batch, 0, 3, 2, "(real, day) = (1.5, '1970-01-06')");
	check_format(&batch, 0, 2, 1,
		"note = '\xC3\xBC\xC3\xBC\xC3\xBC 789012345678901234567890123456789012345"
		"678901234567890 t...'");
	batch_deinit(&batch);
}
