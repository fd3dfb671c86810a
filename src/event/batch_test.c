#include "base/test.h"
#include "event/batch.h"

static const struct column_type TYPES[] = { { VALUE_LONG, 0, 0 }, { VALUE_STRING, 0, 0 },
	{ VALUE_DECIMAL, 38, 2 }, { VALUE_BOOLEAN, 0, 0 } };

/* Row i: i, "row <i>", i * 10^20, i odd; NULL everywhere when i is a multiple of 3. */
static void append_row(struct batch *batch, int64_t i)
{
	for (size_t column = 0; i % 3 == 0 && column < batch->column_count; column++)
		column_append_null(&batch->columns[column]);
	if (i % 3 != 0) {
		char text[32];
		snprintf(text, sizeof text, "row %d", (int)i);
		const __int128 big = (__int128)i * 1000000000000 * 100000000;
		const bool is_odd = i % 2;
		column_append_fixed(&batch->columns[0], &i);
		column_append_bytes(&batch->columns[1], bytes_of_cstring(text));
		column_append_fixed(&batch->columns[2], &big);
		column_append_fixed(&batch->columns[3], &is_odd);
	}
	batch_finish_row(batch);
}

static void check_row(const struct batch *batch, size_t row, int64_t i)
{
	for (size_t column = 0; column < batch->column_count; column++)
		CHECK(column_is_null(&batch->columns[column], row) == (i % 3 == 0));
	if (i % 3 == 0) {
		CHECK_EQUAL(*(const int64_t *)column_fixed(&batch->columns[0], row), 0);
		CHECK_EQUAL(column_bytes(&batch->columns[1], row).size, 0);
		return;
	}
	char text[32];
	snprintf(text, sizeof text, "row %d", (int)i);
	const __int128 big = (__int128)i * 1000000000000 * 100000000;
	CHECK_EQUAL(*(const int64_t *)column_fixed(&batch->columns[0], row), i);
	CHECK(bytes_equal(column_bytes(&batch->columns[1], row), bytes_of_cstring(text)));
	CHECK(memcmp(column_fixed(&batch->columns[2], row), &big, sizeof big) == 0);
	CHECK_EQUAL(*(const uint8_t *)column_fixed(&batch->columns[3], row), i % 2);
}

TEST(a_batch_gives_back_the_values_put_into_it)
{
	struct batch batch;
	batch_init(&batch, TYPES, 4);
	for (int round = 0; round < 2; round++) {
		for (int i = 0; i < 1000; i++)
			append_row(&batch, i);
		CHECK_EQUAL(batch.row_count, 1000);
		CHECK_EQUAL(batch.columns[1].null_count, 334);
		for (int i = 0; i < 1000; i++)
			check_row(&batch, (size_t)i, i);
		CHECK(batch_used_bytes(&batch) > 1000 * (4 + 8 + 4 + 16 + 1));
		batch_reset(&batch);
		CHECK_EQUAL(batch.row_count, 0);
		CHECK_EQUAL(batch.columns[0].null_count, 0);
		CHECK_EQUAL(batch_used_bytes(&batch), 0);
	}
	batch_deinit(&batch);
}

TEST(a_cancelled_row_leaves_no_trace_however_far_it_got)
{
	struct batch batch;
	batch_init(&batch, TYPES, 4);
	for (int i = 0; i < 50; i++) {
		const int64_t one = 1;
		if (i % 4 > 0)
			column_append_fixed(&batch.columns[0], &one);
		if (i % 4 > 1)
			column_append_bytes(&batch.columns[1], BYTES_LITERAL("half a row"));
		if (i % 4 > 2)
			column_append_null(&batch.columns[2]);
		batch_cancel_row(&batch);
		append_row(&batch, i);
	}
	for (int i = 0; i < 50; i++)
		check_row(&batch, (size_t)i, i);
	CHECK_EQUAL(batch.columns[2].null_count, 17);
	batch_deinit(&batch);
}

TEST(rows_are_copied_from_batch_to_batch)
{
	struct batch from, to;
	batch_init(&from, TYPES, 4);
	batch_init(&to, TYPES, 4);
	for (int i = 0; i < 20; i++)
		append_row(&from, i);
	for (int i = 19; i >= 0; i--)
		batch_append_from(&to, &from, (size_t)i);
	for (int i = 0; i < 20; i++)
		check_row(&to, (size_t)i, 19 - i);
	batch_deinit(&from);
	batch_deinit(&to);
}

TEST(a_batch_has_the_columns_of_its_relation)
{
	struct relation_column columns[] = { { .name = "id", .type = { VALUE_INT, 0, 0 } },
		{ .name = "note", .type = { VALUE_BINARY, 0, 0 } } };
	const struct relation relation = { .column_count = 2, .columns = columns };
	struct batch batch;
	batch_init_for(&batch, &relation);
	CHECK_EQUAL(batch.column_count, 2);
	CHECK_EQUAL(batch.columns[0].width, 4);
	CHECK_EQUAL(batch.columns[1].width, 0);
	CHECK_EQUAL(batch.columns[1].type.type, VALUE_BINARY);
	batch_deinit(&batch);
}
