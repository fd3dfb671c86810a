/* What is written: it comes back, and its metrics are those of a manifest. */
#include "base/test.h"
#include "format/parquet/parquet_rows_fixture.h"

#include <math.h>
#include <stdlib.h>

/* ---- round trips ---- */

static void check_round_trip(
	const struct batch *batch, const struct parquet_writer_options *options, size_t rows_max)
{
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	struct batch again;
	struct error err;
	parquet_rows_write(COLUMNS, TYPE_COUNT, options, batch, &file, &arena, &info);
	CHECK_EQUAL(info.record_count, batch->row_count);
	parquet_rows_init(&again, COLUMNS, TYPE_COUNT);
	CHECK_OK(
		parquet_rows_read(buffer_bytes(&file), COLUMNS, TYPE_COUNT, rows_max, &again, &err),
		&err);
	parquet_rows_check_same(batch, &again);
	batch_deinit(&again);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

TEST(values_of_all_types_come_back_as_they_were_written)
{
	uint64_t seed = test_seed();
	static const uint64_t DISTINCT[] = { 1, 40, 3000, UINT64_MAX };
	for (int i = 0; i < 4; i++) {
		struct batch batch;
		parquet_rows_init(&batch, COLUMNS, TYPE_COUNT);
		parquet_rows_append_random(&batch, COLUMNS, 5000, &seed, DISTINCT[i]);
		check_round_trip(&batch, NULL, 999);
		struct parquet_writer_options small = {
			.row_group_rows = 1 + test_random(&seed) % 2000,
			.page_rows = 1 + test_random(&seed) % 300,
			.page_bytes = 2000,
		};
		check_round_trip(&batch, &small, 1 + test_random(&seed) % 500);
		batch_deinit(&batch);
	}
}

static void check_read(const struct buffer *file, const struct batch *expected, size_t rows_max)
{
	struct batch again;
	struct error err;
	parquet_rows_init(&again, COLUMNS, TYPE_COUNT);
	CHECK_OK(parquet_rows_read(buffer_bytes(file), COLUMNS, TYPE_COUNT, rows_max, &again, &err),
		&err);
	parquet_rows_check_same(expected, &again);
	batch_deinit(&again);
}

TEST(integers_come_back_from_their_differences)
{
	uint64_t seed = test_seed() | 1;
	struct parquet_column columns[TYPE_COUNT];
	parquet_rows_encode_as(columns, PARQUET_ENCODING_DELTA);
	for (uint64_t distinct = 1; distinct < 1000000; distinct *= 30) {
		struct batch batch;
		struct buffer file = { 0 };
		struct arena arena = { 0 };
		struct parquet_file_info info;
		struct parquet_writer_options options = { .row_group_rows = 2000,
			.page_rows = 1 + test_random(&seed) % 700 };
		parquet_rows_init(&batch, columns, TYPE_COUNT);
		parquet_rows_append_random(&batch, columns, 3000, &seed, distinct);
		parquet_rows_write(columns, TYPE_COUNT, &options, &batch, &file, &arena, &info);
		check_read(&file, &batch, 1 + test_random(&seed) % 500);
		batch_deinit(&batch);
		buffer_deinit(&file);
		arena_deinit(&arena);
	}
}

TEST(an_empty_file_has_no_row_group_and_no_bounds)
{
	struct batch batch;
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	struct error err;
	parquet_rows_init(&batch, COLUMNS, TYPE_COUNT);
	parquet_rows_write(COLUMNS, TYPE_COUNT, NULL, &batch, &file, &arena, &info);
	CHECK_EQUAL(info.record_count, 0);
	CHECK_EQUAL(info.split_offset_count, 0);
	CHECK(!info.columns[2].has_lower && !info.columns[2].has_upper);
	CHECK_OK(parquet_rows_read(buffer_bytes(&file), COLUMNS, TYPE_COUNT, 10, &batch, &err),
		&err);
	CHECK_EQUAL(batch.row_count, 0);
	batch_deinit(&batch);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

TEST(only_the_rows_named_are_written)
{
	uint64_t seed = test_seed();
	struct batch batch, expected, again;
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	struct parquet_writer *writer;
	struct error err;
	uint32_t rows[3000];
	size_t count = 0;
	parquet_rows_init(&batch, COLUMNS, TYPE_COUNT);
	parquet_rows_init(&expected, COLUMNS, TYPE_COUNT);
	parquet_rows_init(&again, COLUMNS, TYPE_COUNT);
	parquet_rows_append_random(&batch, COLUMNS, 3000, &seed, 100);
	for (uint32_t row = 0; row < 3000; row++)
		if (test_random(&seed) % 3 == 0) {
			rows[count++] = row;
			batch_append_from(&expected, &batch, row);
		}
	struct parquet_sink sink = parquet_fixture_sink(&file);
	CHECK_OK(parquet_writer_open(COLUMNS, TYPE_COUNT, NULL, sink, &writer, &err), &err);
	CHECK_OK(parquet_writer_write(writer, &batch, rows, count, &err), &err);
	CHECK_OK(parquet_writer_write(writer, &batch, rows, 0, &err), &err);
	CHECK_OK(parquet_writer_finish(writer, &arena, &info, &err), &err);
	parquet_writer_close(writer);
	CHECK_OK(parquet_rows_read(buffer_bytes(&file), COLUMNS, TYPE_COUNT, 100, &again, &err),
		&err);
	parquet_rows_check_same(&expected, &again);
	batch_deinit(&batch);
	batch_deinit(&expected);
	batch_deinit(&again);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

TEST(wide_values_get_pages_and_row_groups_of_their_own)
{
	static const struct parquet_column TEXT = { "t", 1, { VALUE_STRING, 0, 0 }, true, 0, 0 };
	struct parquet_writer_options options = { .row_group_bytes = 1 << 20, .page_bytes = 65536 };
	struct batch batch, again;
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	struct error err;
	parquet_rows_init(&batch, &TEXT, 1);
	parquet_rows_init(&again, &TEXT, 1);
	uint8_t *text = memory_allocate(700000, 1);
	for (uint8_t i = 0; i < 10; i++) {
		memset(text, 'a' + i, 700000);
		column_append_bytes(&batch.columns[0], bytes_of(text, 700000));
		batch_finish_row(&batch);
	}
	parquet_rows_write(&TEXT, 1, &options, &batch, &file, &arena, &info);
	CHECK_EQUAL(info.split_offset_count, 10);
	CHECK(bytes_equal(info.columns[0].lower, BYTES_LITERAL("aaaaaaaaaaaaaaaa")));
	CHECK(bytes_equal(info.columns[0].upper, BYTES_LITERAL("jjjjjjjjjjjjjjjk")));
	CHECK_OK(parquet_rows_read(buffer_bytes(&file), &TEXT, 1, 3, &again, &err), &err);
	parquet_rows_check_same(&batch, &again);
	free(text);
	batch_deinit(&batch);
	batch_deinit(&again);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

/* ---- metrics ---- */

static void check_bounds(
	const struct parquet_column_metrics *column, struct bytes lower, struct bytes upper)
{
	CHECK(column->has_lower && column->has_upper);
	CHECK(bytes_equal(column->lower, lower));
	CHECK(bytes_equal(column->upper, upper));
}

TEST(one_value_stands_for_all_rows_of_a_constant_column)
{
	enum {
		ROWS = 5000
	};
	static const struct parquet_column PATH = { "path", 1, { VALUE_STRING, 0, 0 }, true,
		PARQUET_BOUNDS_FULL, PARQUET_ENCODING_CONSTANT };
	const struct bytes path = BYTES_LITERAL("s3://lake/public/orders/data/1.parquet");
	struct batch batch, again;
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	struct error err;
	struct parquet_writer_options options = { .row_group_rows = 2100, .page_rows = 700 };
	parquet_rows_init(&batch, &PATH, 1);
	parquet_rows_init(&again, &PATH, 1);
	column_append_bytes(&batch.columns[0], path);
	batch.row_count = ROWS;
	parquet_rows_write(&PATH, 1, &options, &batch, &file, &arena, &info);
	CHECK_EQUAL(info.columns[0].value_count, ROWS);
	check_bounds(&info.columns[0], path, path);
	CHECK_OK(parquet_rows_read(buffer_bytes(&file), &PATH, 1, 999, &again, &err), &err);
	CHECK_EQUAL(again.row_count, ROWS);
	for (size_t row = 0; row < ROWS; row++)
		CHECK(bytes_equal(column_bytes(&again.columns[0], row), path));
	CHECK(file.size < ROWS);
	batch_deinit(&batch);
	batch_deinit(&again);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

TEST(metrics_are_those_of_a_manifest)
{
	static const struct parquet_column THREE[] = {
		{ "price", 7, { VALUE_DECIMAL, 9, 2 }, false, 0, 0 },
		{ "ratio", 8, { VALUE_DOUBLE, 0, 0 }, false, 0, 0 },
		{ "path", 9, { VALUE_STRING, 0, 0 }, true, PARQUET_BOUNDS_FULL, 0 },
	};
	const int64_t prices[] = { 1420, -129, 0 };
	const double ratios[] = { NAN, -0.0, 0.0 };
	struct bytes path = BYTES_LITERAL("s3://lake/warehouse/orders/data/0001.parquet");
	struct batch batch;
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	parquet_rows_init(&batch, THREE, 3);
	for (int i = 0; i < 4; i++) {
		if (i < 3) {
			column_append_fixed(&batch.columns[0], &prices[i]);
			column_append_fixed(&batch.columns[1], &ratios[i]);
		} else {
			column_append_null(&batch.columns[0]);
			column_append_null(&batch.columns[1]);
		}
		column_append_bytes(&batch.columns[2], path);
		batch_finish_row(&batch);
	}
	parquet_rows_write(THREE, 3, NULL, &batch, &file, &arena, &info);
	CHECK_EQUAL(info.columns[0].field_id, 7);
	CHECK_EQUAL(info.columns[0].value_count, 4);
	CHECK_EQUAL(info.columns[0].null_count, 1);
	CHECK(!info.columns[0].has_nan_count);
	check_bounds(&info.columns[0], BYTES_LITERAL("\xff\x7f"), BYTES_LITERAL("\x05\x8c"));
	CHECK(info.columns[1].has_nan_count);
	CHECK_EQUAL(info.columns[1].nan_count, 1);
	check_bounds(&info.columns[1], BYTES_LITERAL("\0\0\0\0\0\0\0\x80"),
		BYTES_LITERAL("\0\0\0\0\0\0\0\0"));
	check_bounds(&info.columns[2], path, path);
	uint64_t columns_size = 0;
	for (int i = 0; i < 3; i++)
		columns_size += info.columns[i].column_size;
	CHECK_EQUAL(info.split_offsets[0], 4);
	CHECK(columns_size > 0 && columns_size < info.file_size);
	batch_deinit(&batch);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

/* ---- what is refused ---- */

TEST(a_null_in_a_required_column_is_refused_before_any_row_is_taken)
{
	struct batch batch;
	struct buffer file = { 0 };
	struct parquet_writer *writer;
	struct error err;
	uint64_t seed = 1;
	parquet_rows_init(&batch, COLUMNS, TYPE_COUNT);
	parquet_rows_append_random(&batch, COLUMNS, 10, &seed, 10);
	for (size_t i = 0; i < TYPE_COUNT; i++)
		column_append_null(&batch.columns[i]);
	batch_finish_row(&batch);
	struct parquet_sink sink = parquet_fixture_sink(&file);
	CHECK_OK(parquet_writer_open(COLUMNS, TYPE_COUNT, NULL, sink, &writer, &err), &err);
	const uint64_t size = parquet_writer_size(writer);
	CHECK(!parquet_writer_write(writer, &batch, NULL, 0, &err));
	CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
	CHECK_EQUAL(parquet_writer_size(writer), size);
	const uint32_t rows[] = { 2, 5 };
	CHECK_OK(parquet_writer_write(writer, &batch, rows, 2, &err), &err);
	parquet_writer_close(writer);
	batch_deinit(&batch);
	buffer_deinit(&file);
}

TEST(a_decimal_beyond_its_precision_is_refused)
{
	static const struct parquet_column PRICE = { "p", 1, { VALUE_DECIMAL, 9, 2 }, true, 0, 0 };
	const int64_t values[] = { 999999999, -999999999, 1000000000 };
	struct batch batch;
	struct buffer file = { 0 };
	struct parquet_writer *writer;
	struct error err;
	parquet_rows_init(&batch, &PRICE, 1);
	for (int i = 0; i < 3; i++) {
		column_append_fixed(&batch.columns[0], &values[i]);
		batch_finish_row(&batch);
	}
	struct parquet_sink sink = parquet_fixture_sink(&file);
	CHECK_OK(parquet_writer_open(&PRICE, 1, NULL, sink, &writer, &err), &err);
	const uint32_t rows[] = { 0, 1 };
	CHECK_OK(parquet_writer_write(writer, &batch, rows, 2, &err), &err);
	CHECK(!parquet_writer_write(writer, &batch, NULL, 0, &err));
	CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
	parquet_writer_close(writer);
	batch_deinit(&batch);
	buffer_deinit(&file);
}

static bool refuse_write(void *context, struct bytes data, struct error *err)
{
	size_t *left = context;
	if (data.size > *left)
		return error_set(err, ERROR_LIMIT, "the disk is full");
	*left -= data.size;
	return true;
}

TEST(an_error_of_the_sink_comes_through)
{
	uint64_t seed = 7;
	struct batch batch;
	struct arena arena = { 0 };
	parquet_rows_init(&batch, COLUMNS, TYPE_COUNT);
	parquet_rows_append_random(&batch, COLUMNS, 50, &seed, 10);
	static const size_t ROOM[] = { 0, 10, 3000 };
	for (int i = 0; i < 3; i++) {
		size_t room = ROOM[i];
		struct parquet_writer_options options = { .row_group_rows = 20 };
		struct parquet_sink sink = { refuse_write, &room };
		struct parquet_writer *writer = NULL;
		struct parquet_file_info info;
		struct error err = { 0 };
		bool done =
			parquet_writer_open(COLUMNS, TYPE_COUNT, &options, sink, &writer, &err) &&
			parquet_writer_write(writer, &batch, NULL, 0, &err) &&
			parquet_writer_finish(writer, &arena, &info, &err);
		CHECK(!done);
		CHECK_TEXT(err.text, "the disk is full");
		parquet_writer_close(writer);
	}
	batch_deinit(&batch);
	arena_deinit(&arena);
}
