#include "format/parquet/parquet_fixture.h"

#include "base/test.h"

#include <math.h>
#include <stdlib.h>

enum {
	TYPE_COUNT = 15,
	FIXTURE_ROWS = 100,
};

/* Field ids and types of the fixtures (tests/support/parquet_fixtures.py). */
static const struct parquet_column COLUMNS[TYPE_COUNT] = {
	{ "a_boolean", 1, { VALUE_BOOLEAN, 0, 0 }, false, 0, 0 },
	{ "an_int", 2, { VALUE_INT, 0, 0 }, true, 0, 0 },
	{ "a_long", 3, { VALUE_LONG, 0, 0 }, false, 0, 0 },
	{ "a_float", 4, { VALUE_FLOAT, 0, 0 }, false, 0, 0 },
	{ "a_double", 5, { VALUE_DOUBLE, 0, 0 }, false, 0, 0 },
	{ "a_small_decimal", 6, { VALUE_DECIMAL, 9, 2 }, false, 0, 0 },
	{ "a_decimal", 7, { VALUE_DECIMAL, 18, 3 }, false, 0, 0 },
	{ "a_wide_decimal", 8, { VALUE_DECIMAL, 38, 10 }, false, 0, 0 },
	{ "a_date", 9, { VALUE_DATE, 0, 0 }, false, 0, 0 },
	{ "a_time", 10, { VALUE_TIME, 0, 0 }, false, 0, 0 },
	{ "a_timestamp", 11, { VALUE_TIMESTAMP, 0, 0 }, false, 0, 0 },
	{ "a_timestamptz", 12, { VALUE_TIMESTAMPTZ, 0, 0 }, false, 0, 0 },
	{ "a_string", 13, { VALUE_STRING, 0, 0 }, false, 0, 0 },
	{ "a_binary", 14, { VALUE_BINARY, 0, 0 }, false, 0, 0 },
	{ "a_uuid", 15, { VALUE_UUID, 0, 0 }, false, 0, 0 },
};

static const size_t ALL[TYPE_COUNT] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };

static void init_batch(struct batch *batch, const struct parquet_column *columns, size_t count)
{
	struct column_type types[TYPE_COUNT];
	for (size_t i = 0; i < count; i++)
		types[i] = columns[i].type;
	batch_init(batch, types, count);
}

static void write_file(const struct parquet_column *columns, size_t count,
	const struct parquet_writer_options *options, const struct batch *batch, struct buffer *out,
	struct arena *arena, struct parquet_file_info *info)
{
	struct error err;
	struct parquet_writer *writer;
	struct parquet_sink sink = parquet_fixture_sink(out);
	CHECK_OK(parquet_writer_open(columns, count, options, sink, &writer, &err), &err);
	CHECK_OK(parquet_writer_write(writer, batch, NULL, 0, &err), &err);
	CHECK_OK(parquet_writer_finish(writer, arena, info, &err), &err);
	CHECK_EQUAL(info->file_size, out->size);
	parquet_writer_close(writer);
}

/* All rows of all columns, in portions of rows_max; false at the first error. */
static bool read_file(struct bytes file, const struct parquet_column *columns, size_t count,
	size_t rows_max, struct batch *out, struct error *err)
{
	struct parquet_reader_options options = { .read_ahead_bytes = 64 };
	struct parquet_source source = parquet_fixture_source(&file);
	struct parquet_reader *reader;
	if (!parquet_reader_open(&source, columns, count, &options, &reader, err))
		return false;
	bool done = true;
	for (size_t group = 0; done && group < parquet_reader_row_group_count(reader); group++) {
		size_t got = 1;
		done = parquet_reader_begin(reader, group, ALL, count, err);
		while (done && got > 0)
			done = parquet_reader_next(reader, out, rows_max, &got, err);
	}
	parquet_reader_close(reader);
	return done;
}

static void check_same_column(const struct column *a, const struct column *b, size_t rows)
{
	CHECK_EQUAL(a->count, rows);
	CHECK_EQUAL(b->count, rows);
	CHECK_EQUAL(a->null_count, b->null_count);
	for (size_t row = 0; row < rows; row++) {
		CHECK_EQUAL(column_is_null(a, row), column_is_null(b, row));
		if (a->width)
			CHECK(memcmp(column_fixed(a, row), column_fixed(b, row), a->width) == 0);
		else
			CHECK(bytes_equal(column_bytes(a, row), column_bytes(b, row)));
	}
}

static void check_same(const struct batch *a, const struct batch *b)
{
	CHECK_EQUAL(a->row_count, b->row_count);
	CHECK_EQUAL(a->column_count, b->column_count);
	for (size_t i = 0; i < a->column_count; i++)
		check_same_column(&a->columns[i], &b->columns[i], a->row_count);
}

/* ---- random rows ---- */

static __int128 power_of_ten(int exponent)
{
	__int128 power = 1;
	while (exponent-- > 0)
		power *= 10;
	return power;
}

static void append_random_decimal(struct column *column, uint64_t *seed)
{
	__int128 limit = power_of_ten(column->type.precision);
	__int128 wide = (__int128)((unsigned __int128)test_random(seed) << 64 | test_random(seed));
	wide %= limit;
	int64_t narrow = (int64_t)wide;
	column_append_fixed(column, column->width == 8 ? (const void *)&narrow : &wide);
}

/* Few distinct values now and then, so that dictionaries begin, fill and end. */
static void append_random(struct column *column, uint64_t *seed, uint64_t distinct)
{
	uint8_t bytes[64];
	uint64_t value = test_random(seed) % distinct * 0x9e3779b97f4a7c15u;
	for (size_t i = 0; i < sizeof bytes; i += 8, value = value * 31 + 7)
		memcpy(bytes + i, &value, 8);
	if (column->type.type == VALUE_DECIMAL) {
		uint64_t again = value | 1;
		append_random_decimal(column, &again);
	} else if (column->width == 1) {
		bytes[0] &= 1;
		column_append_fixed(column, bytes);
	} else if (column->width) {
		column_append_fixed(column, bytes);
	} else {
		column_append_bytes(column, bytes_of(bytes, value % 64));
	}
}

static void append_random_rows(struct batch *batch, const struct parquet_column *columns,
	size_t rows, uint64_t *seed, uint64_t distinct)
{
	for (size_t row = 0; row < rows; row++) {
		for (size_t i = 0; i < batch->column_count; i++)
			if (!columns[i].is_required && test_random(seed) % 6 == 0)
				column_append_null(&batch->columns[i]);
			else
				append_random(&batch->columns[i], seed, distinct);
		batch_finish_row(batch);
	}
}

/* ---- round trips ---- */

static void check_round_trip(
	const struct batch *batch, const struct parquet_writer_options *options, size_t rows_max)
{
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	struct batch again;
	struct error err;
	write_file(COLUMNS, TYPE_COUNT, options, batch, &file, &arena, &info);
	CHECK_EQUAL(info.record_count, batch->row_count);
	init_batch(&again, COLUMNS, TYPE_COUNT);
	CHECK_OK(read_file(buffer_bytes(&file), COLUMNS, TYPE_COUNT, rows_max, &again, &err), &err);
	check_same(batch, &again);
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
		init_batch(&batch, COLUMNS, TYPE_COUNT);
		append_random_rows(&batch, COLUMNS, 5000, &seed, DISTINCT[i]);
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

/* The fixtures' columns, those of integers in the encoding. */
static void encode_as(struct parquet_column columns[TYPE_COUNT], enum parquet_encoding encoding)
{
	memcpy(columns, COLUMNS, sizeof COLUMNS);
	for (size_t i = 0; i < TYPE_COUNT; i++) {
		const struct column_type type = COLUMNS[i].type;
		if (type.type == VALUE_INT || type.type == VALUE_LONG || type.type == VALUE_DATE ||
			type.type == VALUE_TIME || type.type == VALUE_TIMESTAMP ||
			(type.type == VALUE_DECIMAL && type.precision <= 18))
			columns[i].encoding = encoding;
	}
}

static void check_read(const struct buffer *file, const struct batch *expected, size_t rows_max)
{
	struct batch again;
	struct error err;
	init_batch(&again, COLUMNS, TYPE_COUNT);
	CHECK_OK(read_file(buffer_bytes(file), COLUMNS, TYPE_COUNT, rows_max, &again, &err), &err);
	check_same(expected, &again);
	batch_deinit(&again);
}

TEST(integers_come_back_from_their_differences)
{
	uint64_t seed = test_seed() | 1;
	struct parquet_column columns[TYPE_COUNT];
	encode_as(columns, PARQUET_ENCODING_DELTA);
	for (uint64_t distinct = 1; distinct < 1000000; distinct *= 30) {
		struct batch batch;
		struct buffer file = { 0 };
		struct arena arena = { 0 };
		struct parquet_file_info info;
		struct parquet_writer_options options = { .row_group_rows = 2000,
			.page_rows = 1 + test_random(&seed) % 700 };
		init_batch(&batch, columns, TYPE_COUNT);
		append_random_rows(&batch, columns, 3000, &seed, distinct);
		write_file(columns, TYPE_COUNT, &options, &batch, &file, &arena, &info);
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
	init_batch(&batch, COLUMNS, TYPE_COUNT);
	write_file(COLUMNS, TYPE_COUNT, NULL, &batch, &file, &arena, &info);
	CHECK_EQUAL(info.record_count, 0);
	CHECK_EQUAL(info.split_offset_count, 0);
	CHECK(!info.columns[2].has_lower && !info.columns[2].has_upper);
	CHECK_OK(read_file(buffer_bytes(&file), COLUMNS, TYPE_COUNT, 10, &batch, &err), &err);
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
	init_batch(&batch, COLUMNS, TYPE_COUNT);
	init_batch(&expected, COLUMNS, TYPE_COUNT);
	init_batch(&again, COLUMNS, TYPE_COUNT);
	append_random_rows(&batch, COLUMNS, 3000, &seed, 100);
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
	CHECK_OK(read_file(buffer_bytes(&file), COLUMNS, TYPE_COUNT, 100, &again, &err), &err);
	check_same(&expected, &again);
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
	init_batch(&batch, &TEXT, 1);
	init_batch(&again, &TEXT, 1);
	uint8_t *text = memory_allocate(700000, 1);
	for (uint8_t i = 0; i < 10; i++) {
		memset(text, 'a' + i, 700000);
		column_append_bytes(&batch.columns[0], bytes_of(text, 700000));
		batch_finish_row(&batch);
	}
	write_file(&TEXT, 1, &options, &batch, &file, &arena, &info);
	CHECK_EQUAL(info.split_offset_count, 10);
	CHECK(bytes_equal(info.columns[0].lower, BYTES_LITERAL("aaaaaaaaaaaaaaaa")));
	CHECK(bytes_equal(info.columns[0].upper, BYTES_LITERAL("jjjjjjjjjjjjjjjk")));
	CHECK_OK(read_file(buffer_bytes(&file), &TEXT, 1, 3, &again, &err), &err);
	check_same(&batch, &again);
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
	init_batch(&batch, &PATH, 1);
	init_batch(&again, &PATH, 1);
	column_append_bytes(&batch.columns[0], path);
	batch.row_count = ROWS;
	write_file(&PATH, 1, &options, &batch, &file, &arena, &info);
	CHECK_EQUAL(info.columns[0].value_count, ROWS);
	check_bounds(&info.columns[0], path, path);
	CHECK_OK(read_file(buffer_bytes(&file), &PATH, 1, 999, &again, &err), &err);
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
	init_batch(&batch, THREE, 3);
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
	write_file(THREE, 3, NULL, &batch, &file, &arena, &info);
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

TEST(row_group_bounds_are_read_back_in_the_form_of_a_batch)
{
	uint64_t seed = test_seed();
	struct batch batch;
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	struct parquet_reader *reader;
	struct error err;
	init_batch(&batch, COLUMNS, TYPE_COUNT);
	append_random_rows(&batch, COLUMNS, 300, &seed, 10);
	write_file(COLUMNS, TYPE_COUNT, NULL, &batch, &file, &arena, &info);
	struct bytes bytes = buffer_bytes(&file), lower, upper;
	struct parquet_source source = parquet_fixture_source(&bytes);
	CHECK_OK(parquet_reader_open(&source, COLUMNS, TYPE_COUNT, NULL, &reader, &err), &err);
	for (size_t i = 0; i < TYPE_COUNT; i++) {
		if (COLUMNS[i].type.type == VALUE_FLOAT || COLUMNS[i].type.type == VALUE_DOUBLE)
			continue; /* random bits may be NaN */
		CHECK(parquet_reader_bounds(reader, 0, i, &lower, &upper));
		bool has_lower = false, has_upper = false;
		const struct column *column = &batch.columns[i];
		for (size_t row = 0; row < 300; row++) {
			struct bytes value =
				column->width ? bytes_of(column_fixed(column, row), column->width)
					      : column_bytes(column, row);
			has_lower |= !column_is_null(column, row) && bytes_equal(value, lower);
			has_upper |= !column_is_null(column, row) && bytes_equal(value, upper);
		}
		CHECK(has_lower && has_upper);
	}
	parquet_reader_close(reader);
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
	init_batch(&batch, COLUMNS, TYPE_COUNT);
	append_random_rows(&batch, COLUMNS, 10, &seed, 10);
	for (size_t i = 0; i < TYPE_COUNT; i++)
		column_append_null(&batch.columns[i]);
	batch_finish_row(&batch);
	struct parquet_sink sink = parquet_fixture_sink(&file);
	CHECK_OK(parquet_writer_open(COLUMNS, TYPE_COUNT, NULL, sink, &writer, &err), &err);
	CHECK(!parquet_writer_write(writer, &batch, NULL, 0, &err));
	CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
	CHECK_EQUAL(parquet_writer_row_count(writer), 0);
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
	init_batch(&batch, &PRICE, 1);
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
	init_batch(&batch, COLUMNS, TYPE_COUNT);
	append_random_rows(&batch, COLUMNS, 50, &seed, 10);
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

/* ---- damage ---- */

static void make_small_file(
	struct buffer *file, struct arena *arena, enum parquet_encoding encoding)
{
	struct parquet_column columns[TYPE_COUNT];
	encode_as(columns, encoding);
	uint64_t seed = 11;
	struct batch batch;
	struct parquet_file_info info;
	struct parquet_writer_options options = { .row_group_rows = 20, .page_rows = 8 };
	init_batch(&batch, COLUMNS, TYPE_COUNT);
	append_random_rows(&batch, COLUMNS, 24, &seed, 6);
	write_file(columns, TYPE_COUNT, &options, &batch, file, arena, &info);
	batch_deinit(&batch);
}

static void check_cut(enum parquet_encoding encoding)
{
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct batch batch;
	init_batch(&batch, COLUMNS, TYPE_COUNT);
	make_small_file(&file, &arena, encoding);
	for (size_t size = 0; size < file.size; size++) {
		struct error err = { 0 };
		CHECK(!read_file(bytes_of(file.data, size), COLUMNS, TYPE_COUNT, 50, &batch, &err));
		CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	}
	batch_deinit(&batch);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

TEST(a_file_cut_at_any_length_is_corrupt)
{
	check_cut(PARQUET_ENCODING_USUAL);
	check_cut(PARQUET_ENCODING_DELTA);
}

static void check_flipped(enum parquet_encoding encoding, size_t step)
{
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	make_small_file(&file, &arena, encoding);
	size_t refused = 0, read = 0;
	for (size_t at = 0; at < file.size; at += step) {
		struct batch batch;
		struct error err = { 0 };
		uint8_t mask = (uint8_t)(1 << (at * 5 + at / 8) % 8);
		init_batch(&batch, COLUMNS, TYPE_COUNT);
		file.data[at] ^= mask;
		if (read_file(buffer_bytes(&file), COLUMNS, TYPE_COUNT, 50, &batch, &err)) {
			CHECK_EQUAL(batch.row_count, 24);
			read++;
		} else {
			CHECK(err.kind == ERROR_CORRUPT || err.kind == ERROR_UNSUPPORTED ||
				err.kind == ERROR_LIMIT);
			refused++;
		}
		file.data[at] ^= mask;
		batch_deinit(&batch);
	}
	CHECK(refused > read); /* pages carry checksums; names and statistics do not */
	buffer_deinit(&file);
	arena_deinit(&arena);
}

TEST(a_flipped_bit_is_an_error_or_harmless)
{
	check_flipped(PARQUET_ENCODING_USUAL, 1);
	check_flipped(PARQUET_ENCODING_DELTA, 5);
}

/* ---- other schemas ---- */

TEST(types_that_iceberg_promotes_are_widened)
{
	static const struct parquet_column NARROW[] = {
		{ "i", 1, { VALUE_INT, 0, 0 }, true, 0, 0 },
		{ "f", 2, { VALUE_FLOAT, 0, 0 }, true, 0, 0 },
		{ "d", 3, { VALUE_DECIMAL, 9, 2 }, true, 0, 0 },
		{ "e", 4, { VALUE_DECIMAL, 18, 2 }, true, 0, 0 },
	};
	static const struct parquet_column WIDE[] = {
		{ "i", 1, { VALUE_LONG, 0, 0 }, true, 0, 0 },
		{ "f", 2, { VALUE_DOUBLE, 0, 0 }, true, 0, 0 },
		{ "d", 3, { VALUE_DECIMAL, 18, 2 }, true, 0, 0 },
		{ "e", 4, { VALUE_DECIMAL, 38, 2 }, true, 0, 0 },
		{ "added", 5, { VALUE_STRING, 0, 0 }, false, 0, 0 },
	};
	const int32_t number = -7;
	const float ratio = 0.5f;
	const int64_t price = -12345, amount = -999999999999999999;
	const __int128 wide_amount = amount;
	const int64_t wide_number = number;
	const double wide_ratio = ratio;
	struct batch batch, again;
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	struct error err;
	init_batch(&batch, NARROW, 4);
	init_batch(&again, WIDE, 5);
	column_append_fixed(&batch.columns[0], &number);
	column_append_fixed(&batch.columns[1], &ratio);
	column_append_fixed(&batch.columns[2], &price);
	column_append_fixed(&batch.columns[3], &amount);
	batch_finish_row(&batch);
	write_file(NARROW, 4, NULL, &batch, &file, &arena, &info);
	CHECK_OK(read_file(buffer_bytes(&file), WIDE, 5, 10, &again, &err), &err);
	CHECK(memcmp(column_fixed(&again.columns[0], 0), &wide_number, 8) == 0);
	CHECK(memcmp(column_fixed(&again.columns[1], 0), &wide_ratio, 8) == 0);
	CHECK(memcmp(column_fixed(&again.columns[2], 0), &price, 8) == 0);
	CHECK(memcmp(column_fixed(&again.columns[3], 0), &wide_amount, 16) == 0);
	CHECK(column_is_null(&again.columns[4], 0));
	batch_deinit(&again);

	struct parquet_column refused[] = { WIDE[0], WIDE[2], WIDE[4] };
	refused[0].type = (struct column_type){ VALUE_STRING, 0, 0 };
	refused[1].type.scale = 3; /* another scale would change the value */
	refused[2].is_required = true;
	for (int i = 0; i < 3; i++) {
		init_batch(&again, &refused[i], 1);
		CHECK(!read_file(buffer_bytes(&file), &refused[i], 1, 10, &again, &err));
		CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
		batch_deinit(&again);
	}
	batch_deinit(&batch);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

TEST(skipped_rows_are_those_that_would_have_been_read)
{
	uint64_t seed = test_seed();
	struct batch batch, part;
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	struct parquet_reader *reader;
	struct error err;
	struct parquet_writer_options options = { .page_rows = 100 };
	init_batch(&batch, COLUMNS, TYPE_COUNT);
	append_random_rows(&batch, COLUMNS, 2000, &seed, 50);
	write_file(COLUMNS, TYPE_COUNT, &options, &batch, &file, &arena, &info);
	struct bytes bytes = buffer_bytes(&file);
	struct parquet_source source = parquet_fixture_source(&bytes);
	CHECK_OK(parquet_reader_open(&source, COLUMNS, TYPE_COUNT, NULL, &reader, &err), &err);
	CHECK_OK(parquet_reader_begin(reader, 0, ALL, TYPE_COUNT, &err), &err);
	for (size_t row = 0;;) {
		size_t skip = test_random(&seed) % 350, got;
		struct batch expected;
		init_batch(&part, COLUMNS, TYPE_COUNT);
		init_batch(&expected, COLUMNS, TYPE_COUNT);
		CHECK_OK(parquet_reader_skip(reader, skip, &err), &err);
		CHECK_OK(parquet_reader_next(reader, &part, 20, &got, &err), &err);
		row += skip;
		for (size_t i = 0; i < got; i++)
			batch_append_from(&expected, &batch, row++);
		check_same(&expected, &part);
		batch_deinit(&part);
		batch_deinit(&expected);
		if (got < 20)
			break;
	}
	parquet_reader_close(reader);
	batch_deinit(&batch);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

TEST(key_values_and_awkward_names_are_kept_apart)
{
	static const struct parquet_column TWO[] = {
		{ "a b", 1, { VALUE_INT, 0, 0 }, true, 0, 0 },
		{ "a_x20b", 2, { VALUE_INT, 0, 0 }, true, 0, 0 },
	};
	const struct parquet_key_value pair = { "iceberg.schema", "{\"type\":\"struct\"}" };
	struct parquet_writer_options options = { .key_values = &pair, .key_value_count = 1 };
	struct batch batch;
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	struct parquet_reader *reader;
	struct error err;
	init_batch(&batch, TWO, 2);
	write_file(TWO, 2, &options, &batch, &file, &arena, &info);
	struct bytes bytes = buffer_bytes(&file), value;
	struct parquet_source source = parquet_fixture_source(&bytes);
	CHECK_OK(parquet_reader_open(&source, TWO, 2, NULL, &reader, &err), &err);
	CHECK(parquet_reader_key_value(reader, "iceberg.schema", &value));
	CHECK(bytes_equal(value, bytes_of_cstring(pair.value)));
	CHECK(!parquet_reader_key_value(reader, "iceberg", &value));
	parquet_reader_close(reader);
	CHECK(memmem(file.data, file.size, "a_x20b_2", 8) != NULL);
	batch_deinit(&batch);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

/* ---- files of another writer ---- */

static void read_fixture(const char *name, struct buffer *out)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/parquet/%s.parquet", WALBERG_CORPUS, name);
	FILE *file = fopen(path, "rb");
	CHECK(file != NULL);
	buffer_reserve(out, 1 << 16);
	out->size = fread(out->data, 1, 1 << 16, file);
	fclose(file);
}

static void append_number(struct column *column, int64_t value)
{
	int32_t narrow = (int32_t)value;
	column_append_fixed(column, column->width == 8 ? (const void *)&value : &narrow);
}

/* Row i as tests/support/parquet_fixtures.py makes it. */
static void append_fixture_row(struct batch *batch, int64_t i)
{
	static const int64_t TRILLION = 1000000000000;
	struct column *columns = batch->columns;
	append_number(&columns[1], i * 3 - 50);
	for (size_t k = 0; i % 5 == 0 && k < TYPE_COUNT; k++)
		if (k != 1)
			column_append_null(&columns[k]);
	if (i % 5 != 0) {
		uint8_t is_third = i % 3 == 0, repeated[16];
		float ratio = (float)i / 4;
		double negative = -(double)i / 8;
		__int128 wide = -i * power_of_ten(24);
		char text[16];
		memset(repeated, (int)i, sizeof repeated);
		snprintf(text, sizeof text, "text %d", (int)(i % 7));
		column_append_fixed(&columns[0], &is_third);
		append_number(&columns[2], i * TRILLION);
		column_append_fixed(&columns[3], &ratio);
		column_append_fixed(&columns[4], &negative);
		append_number(&columns[5], i - 50);
		append_number(&columns[6], i * TRILLION);
		column_append_fixed(&columns[7], &wide);
		append_number(&columns[8], i - 50);
		append_number(&columns[9], i * 1000001);
		append_number(&columns[10], i * 1000000000 + 1);
		append_number(&columns[11], -i * 1000000000);
		column_append_bytes(&columns[12], bytes_of_cstring(text));
		column_append_bytes(&columns[13], bytes_of(repeated, (size_t)(i % 4)));
		column_append_fixed(&columns[14], repeated);
	}
	batch_finish_row(batch);
}

TEST(files_of_other_writers_are_read)
{
	static const char *const NAMES[] = { "v1_dictionary_zstd", "v1_plain_none", "v2_plain_gzip",
		"v2_dictionary_zstd", "nested_crc", "decimals_as_integers", "delta",
		"walberg" /* by the first version of the writer here */ };
	struct batch expected;
	init_batch(&expected, COLUMNS, TYPE_COUNT);
	for (int64_t i = 0; i < FIXTURE_ROWS; i++)
		append_fixture_row(&expected, i);
	for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
		struct batch batch;
		struct buffer file = { 0 };
		struct error err;
		init_batch(&batch, COLUMNS, TYPE_COUNT);
		read_fixture(NAMES[i], &file);
		CHECK_OK(read_file(buffer_bytes(&file), COLUMNS, TYPE_COUNT, 30, &batch, &err),
			&err);
		check_same(&expected, &batch);
		batch_deinit(&batch);
		buffer_deinit(&file);
	}
	batch_deinit(&expected);
}

TEST(codecs_and_encodings_that_are_not_read_are_named)
{
	static const char *const NAMES[][2] = {
		{ "snappy", "codec 1" },
		{ "delta_texts", "encoding 7" },
	};
	for (int i = 0; i < 2; i++) {
		struct batch batch;
		struct buffer file = { 0 };
		struct error err;
		init_batch(&batch, COLUMNS, TYPE_COUNT);
		read_fixture(NAMES[i][0], &file);
		CHECK(!read_file(buffer_bytes(&file), COLUMNS, TYPE_COUNT, 30, &batch, &err));
		CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
		CHECK(strstr(err.text, NAMES[i][1]) != NULL);
		batch_deinit(&batch);
		buffer_deinit(&file);
	}
}
