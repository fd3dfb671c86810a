#include "format/parquet/parquet_extents.h"

#include "base/test.h"
#include "format/parquet/parquet_fixture.h"
#include "format/parquet/parquet_fixture_columns.h"

/*
 * Whatever the bytes: a column reads the same from its extents and the footer alone.  Field ids and
 * types are those of the fixtures (tests/support/parquet_fixtures.py).
 */

enum {
	ROWS_MAX = 4096,
};

/* The rows up to the first error; false when there was one. */
static bool read_column(struct bytes file, size_t index, struct batch *out)
{
	const struct parquet_source source = parquet_fixture_source(&file);
	const struct parquet_reader_options options = {
		.footer_bytes_max = 1 << 20,
		.page_bytes_max = 1 << 20,
	};
	const struct parquet_column column = { "c", (int32_t)index + 1, COLUMNS[index].type, false,
		0, 0 };
	const size_t first = 0;
	struct parquet_reader *reader;
	struct error err;
	if (!parquet_reader_open(&source, &column, 1, &options, &reader, &err))
		return false;
	bool ok = true;
	const size_t groups = parquet_reader_row_group_count(reader);
	for (size_t group = 0; ok && group < groups && group < 4; group++) {
		size_t got;
		ok = parquet_reader_begin(reader, group, &first, 1, &err) &&
		     parquet_reader_next(reader, out, ROWS_MAX, &got, &err);
	}
	parquet_reader_close(reader);
	return ok;
}

/* The file with nothing but the footer and one column; the rest are ones. */
static void keep_column(struct bytes file, const struct parquet_extents *extents, int32_t field_id,
	struct buffer *out)
{
	buffer_reset(out);
	buffer_append_bytes(out, file);
	memset(out->data, 0xFF, extents->footer_start);
	for (size_t i = 0; i < extents->count; i++) {
		const struct parquet_extent *extent = &extents->items[i];
		if (extent->start > extent->end || extent->end > extents->footer_start)
			abort();
		if (extent->field_id == field_id)
			memcpy(out->data + extent->start, file.data + extent->start,
				extent->end - extent->start);
	}
}

static bool is_same(const struct batch *a, const struct batch *b)
{
	if (a->row_count != b->row_count)
		return false;
	for (size_t row = 0; row < a->row_count; row++) {
		const struct column *x = &a->columns[0], *y = &b->columns[0];
		if (column_is_null(x, row) != column_is_null(y, row) ||
			(x->width > 0 && memcmp(column_fixed(x, row), column_fixed(y, row),
						 x->width) != 0) ||
			(x->width == 0 && !bytes_equal(column_bytes(x, row), column_bytes(y, row))))
			return false;
	}
	return true;
}

static void check_column(
	struct bytes file, const struct parquet_extents *extents, size_t index, struct buffer *part)
{
	struct batch whole, alone;
	batch_init(&whole, &COLUMNS[index].type, 1);
	batch_init(&alone, &COLUMNS[index].type, 1);
	keep_column(file, extents, (int32_t)index + 1, part);
	const bool ok = read_column(file, index, &whole);
	if (read_column(buffer_bytes(part), index, &alone) != ok || !is_same(&whole, &alone))
		abort();
	batch_deinit(&whole);
	batch_deinit(&alone);
}

FUZZ(parquet_extents)
{
	struct bytes file = { data, size };
	const struct parquet_source source = parquet_fixture_source(&file);
	struct arena arena = { 0 };
	struct buffer part = { 0 };
	struct parquet_extents extents;
	struct error err;
	if (parquet_extents_read(&source, &arena, &extents, &err))
		for (size_t i = 0; i < TYPE_COUNT; i++)
			check_column(file, &extents, i, &part);
	buffer_deinit(&part);
	arena_deinit(&arena);
}
