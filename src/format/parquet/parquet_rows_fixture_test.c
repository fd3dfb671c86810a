#include "format/parquet/parquet_rows_fixture.h"

#include "base/test.h"

void parquet_rows_init(struct batch *batch, const struct parquet_column *columns, size_t count)
{
	struct column_type types[TYPE_COUNT];
	for (size_t i = 0; i < count; i++)
		types[i] = columns[i].type;
	batch_init(batch, types, count);
}

void parquet_rows_write(const struct parquet_column *columns, size_t count,
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

bool parquet_rows_read(struct bytes file, const struct parquet_column *columns, size_t count,
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

void parquet_rows_check_same(const struct batch *a, const struct batch *b)
{
	CHECK_EQUAL(a->row_count, b->row_count);
	CHECK_EQUAL(a->column_count, b->column_count);
	for (size_t i = 0; i < a->column_count; i++)
		check_same_column(&a->columns[i], &b->columns[i], a->row_count);
}

__int128 parquet_rows_power_of_ten(int exponent)
{
	__int128 power = 1;
	while (exponent-- > 0)
		power *= 10;
	return power;
}

static void append_random_decimal(struct column *column, uint64_t *seed)
{
	__int128 limit = parquet_rows_power_of_ten(column->type.precision);
	__int128 wide = (__int128)((unsigned __int128)test_random(seed) << 64 | test_random(seed));
	wide %= limit;
	int64_t narrow = (int64_t)wide;
	column_append_fixed(column, column->width == 8 ? (const void *)&narrow : &wide);
}

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

void parquet_rows_append_random(struct batch *batch, const struct parquet_column *columns,
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

void parquet_rows_encode_as(
	struct parquet_column columns[TYPE_COUNT], enum parquet_encoding encoding)
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
