#include "base/test.h"
#include "format/parquet/parquet_fixture.h"
#include "format/parquet/parquet_fixture_columns.h"

enum {
	ROWS_MAX = 4096,
};

static void read_group(
	struct parquet_reader *reader, size_t group, const size_t *column, struct column_type type)
{
	struct error err;
	struct batch batch;
	struct bytes lower, upper;
	batch_init(&batch, &type, 1);
	parquet_reader_bounds(reader, group, *column, &lower, &upper);
	size_t got = 1;
	bool done = parquet_reader_begin(reader, group, column, 1, &err) &&
		    parquet_reader_next(reader, &batch, 7, &got, &err) &&
		    parquet_reader_skip(reader, 5, &err);
	while (done && got > 0 && batch.row_count < ROWS_MAX)
		done = parquet_reader_next(reader, &batch, 1000, &got, &err);
	batch_deinit(&batch);
}

static void read_column(const struct parquet_source *source, size_t index)
{
	const struct parquet_reader_options options = {
		.footer_bytes_max = 1 << 20,
		.page_bytes_max = 1 << 20,
		.read_ahead_bytes = 100,
	};
	const struct parquet_column column = { "c", (int32_t)index + 1, COLUMNS[index].type, false,
		0, 0 };
	const size_t first = 0;
	struct parquet_reader *reader;
	struct error err;
	if (!parquet_reader_open(source, &column, 1, &options, &reader, &err))
		return;
	size_t groups = parquet_reader_row_group_count(reader);
	for (size_t group = 0; group < groups && group < 4; group++)
		read_group(reader, group, &first, COLUMNS[index].type);
	parquet_reader_close(reader);
}

FUZZ(parquet)
{
	struct bytes file = { data, size };
	const struct parquet_source source = parquet_fixture_source(&file);
	for (size_t i = 0; i < TYPE_COUNT; i++)
		read_column(&source, i);
}
