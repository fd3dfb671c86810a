/*
 * scan.c: live rows of data files as batches.
 */
#include "table/table_internal.h"

#include <assert.h>
#include <stdlib.h>

/* So many that a batch stays near READ_BYTES_TARGET, when values compress to a quarter. */
static size_t rows_per_read(const struct table_file *file)
{
	const struct data_file *data_file = &file->entry.data_file;
	const uint64_t row_bytes =
		4 * (uint64_t)data_file->file_size_in_bytes / (uint64_t)data_file->record_count + 1;
	const uint64_t rows = READ_BYTES_TARGET / row_bytes;
	if (rows < 16)
		return 16;
	return rows > READ_ROWS_MAX ? READ_ROWS_MAX : (size_t)rows;
}

static bool open_reader(
	struct file_rows *rows, const struct parquet_column *wanted, struct error *err)
{
	const struct data_file *data_file = &rows->file->entry.data_file;
	rows->source = memory_allocate(1, sizeof *rows->source);
	rows->source->store = rows->table->store;
	rows->source->path = store_path(rows->table->store, data_file->path);
	rows->source->held = buffer_bytes(&rows->file->held);
	const struct parquet_source source = { (uint64_t)data_file->file_size_in_bytes,
		object_source_read_at, rows->source };
	if (!parquet_reader_open(&source, wanted, rows->column_count, NULL, &rows->reader, err)) {
		rows->reader = NULL;
		return false;
	}
	if (parquet_reader_row_count(rows->reader) != (uint64_t)data_file->record_count)
		return error_set(err, ERROR_CORRUPT, "the file holds %llu rows, not %lld",
			(unsigned long long)parquet_reader_row_count(rows->reader),
			(long long)data_file->record_count);
	return true;
}

static void choose_columns(
	struct file_rows *rows, const int *columns, struct parquet_column *wanted)
{
	struct column_type *types = memory_allocate(rows->column_count, sizeof *types);
	rows->columns = memory_allocate(rows->column_count, sizeof *rows->columns);
	for (size_t i = 0; i < rows->column_count; i++) {
		wanted[i] = rows->table->columns[columns ? (size_t)columns[i] : i];
		types[i] = wanted[i].type;
		rows->columns[i] = i;
	}
	batch_init(&rows->raw, types, rows->column_count);
	batch_init(&rows->live, types, rows->column_count);
	free(types);
}

/* columns may be NULL: all of them. */
bool file_rows_open(struct table *table, const struct table_file *file, const int *columns,
	size_t column_count, struct file_rows *out, struct error *err)
{
	assert(column_count > 0 && !file->is_open);
	*out = (struct file_rows){ .table = table, .file = file, .column_count = column_count };
	out->rows_max = rows_per_read(file);
	out->positions = memory_allocate(out->rows_max, sizeof *out->positions);
	struct parquet_column *wanted = memory_allocate(column_count, sizeof *wanted);
	choose_columns(out, columns, wanted);
	const bool ok = open_reader(out, wanted, err);
	free(wanted);
	if (!ok) {
		file_rows_close(out);
		return error_context(err, "reading \"%s\"", file->entry.data_file.path);
	}
	return true;
}

void file_rows_close(struct file_rows *rows)
{
	parquet_reader_close(rows->reader);
	if (rows->source)
		buffer_deinit(&rows->source->buffer);
	free(rows->source);
	free(rows->columns);
	free(rows->positions);
	batch_deinit(&rows->raw);
	batch_deinit(&rows->live);
}

/* Batches come in order; false in *more at the end of the file. */
static bool read_raw(struct file_rows *rows, bool *more, struct error *err)
{
	batch_reset(&rows->raw);
	while (rows->group_rows_left == 0) {
		*more = rows->row_group < parquet_reader_row_group_count(rows->reader);
		if (!*more)
			return true;
		rows->group_rows_left =
			parquet_reader_row_group_rows(rows->reader, rows->row_group);
		if (!parquet_reader_begin(rows->reader, rows->row_group++, rows->columns,
			    rows->column_count, err))
			return false;
	}
	size_t got;
	if (!parquet_reader_next(rows->reader, &rows->raw, rows->rows_max, &got, err))
		return false;
	if (got == 0 || got > rows->group_rows_left)
		return error_set(err, ERROR_CORRUPT, "a row group ends before its rows do");
	rows->group_rows_left -= got;
	*more = true;
	return true;
}

static void append_live(
	struct column *to, const struct column *from, const uint32_t *rows, size_t row_count)
{
	if (from->null_count > 0 || from->width == 0) {
		for (size_t i = 0; i < row_count; i++)
			column_append_from(to, from, rows[i]);
		return;
	}
	for (size_t i = 0; i < row_count; i++)
		column_append_fixed(to, column_fixed(from, rows[i]));
}

/* The live rows of raw, in live; their positions. */
static void keep_live(struct file_rows *rows)
{
	const struct bitmap *deleted = &rows->file->deleted;
	size_t count = 0;
	for (size_t i = 0; i < rows->raw.row_count; i++) {
		if (!bitmap_get(deleted, (uint32_t)(rows->position + i)))
			rows->positions[count++] = (uint32_t)i;
	}
	batch_reset(&rows->live);
	for (size_t i = 0; i < rows->column_count; i++)
		append_live(&rows->live.columns[i], &rows->raw.columns[i], rows->positions, count);
	rows->live.row_count = count;
	for (size_t i = 0; i < count; i++)
		rows->positions[i] += (uint32_t)rows->position;
}

bool file_rows_next(struct file_rows *rows, struct table_rows *out, struct error *err)
{
	*out = (struct table_rows){ .file = rows->file->id, .positions = rows->positions };
	bool more = true;
	while (more && (out->batch == NULL || out->batch->row_count == 0)) {
		if (!read_raw(rows, &more, err))
			return error_context(
				err, "reading \"%s\"", rows->file->entry.data_file.path);
		if (rows->file->deleted.set_count == 0) {
			for (size_t i = 0; i < rows->raw.row_count; i++)
				rows->positions[i] = (uint32_t)(rows->position + i);
			out->batch = &rows->raw;
		} else {
			keep_live(rows);
			out->batch = &rows->live;
		}
		rows->position += rows->raw.row_count;
	}
	if (!more)
		out->batch = NULL;
	return true;
}

static bool scan_file(struct table *table, const struct table_file *file, const int *columns,
	size_t column_count,
	bool (*callback)(void *context, const struct table_rows *rows, struct error *err),
	void *context, struct error *err)
{
	struct file_rows rows;
	if (!file_rows_open(table, file, columns, column_count, &rows, err))
		return false;
	struct table_rows batch;
	bool ok = file_rows_next(&rows, &batch, err);
	while (ok && batch.batch)
		ok = callback(context, &batch, err) && file_rows_next(&rows, &batch, err);
	file_rows_close(&rows);
	return ok;
}

bool table_scan(struct table *table, const int *columns, size_t column_count,
	bool (*rows)(void *context, const struct table_rows *rows, struct error *err),
	void *context, struct error *err)
{
	assert(table->append == NULL);
	for (size_t i = 0; i < table->file_count; i++) {
		const struct table_file *file = table->files[i];
		if (table_file_is_live(file) &&
			!scan_file(table, file, columns, column_count, rows, context, err))
			return false;
	}
	return true;
}
