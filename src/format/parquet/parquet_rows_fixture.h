/*
 * parquet_rows_fixture.h: batches, random ones too, written to a file in memory and read from it;
 * columns may be COLUMNS or others, of at most as many.
 */
#ifndef FORMAT_PARQUET_PARQUET_ROWS_FIXTURE_H
#define FORMAT_PARQUET_PARQUET_ROWS_FIXTURE_H

#include "format/parquet/parquet_fixture.h"
#include "format/parquet/parquet_fixture_columns.h"

static const size_t ALL[TYPE_COUNT] = { 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14 };

void parquet_rows_init(struct batch *batch, const struct parquet_column *columns, size_t count);

/* A NULL is one value in six; few distinct values make dictionaries begin, fill and end. */
void parquet_rows_append_random(struct batch *batch, const struct parquet_column *columns,
	size_t rows, uint64_t *seed, uint64_t distinct);

void parquet_rows_write(const struct parquet_column *columns, size_t count,
	const struct parquet_writer_options *options, const struct batch *batch, struct buffer *out,
	struct arena *arena, struct parquet_file_info *info);

/* All rows of all columns, in portions of rows_max; false at the first error. */
bool parquet_rows_read(struct bytes file, const struct parquet_column *columns, size_t count,
	size_t rows_max, struct batch *out, struct error *err) MUST_CHECK;

void parquet_rows_check_same(const struct batch *a, const struct batch *b);

/* COLUMNS, those of integers in the encoding. */
void parquet_rows_encode_as(
	struct parquet_column columns[TYPE_COUNT], enum parquet_encoding encoding);

__int128 parquet_rows_power_of_ten(int exponent);

#endif
