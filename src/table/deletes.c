/*
 * deletes.c: the deleted rows of a data file as its position-delete file.
 *
 * Spec: Iceberg, "Position Delete Files".  One delete file holds all deleted positions of one data
 * file (I7).  Readers know that it is for that file alone by the bounds of file_path, which are
 * equal and whole.
 */
#include "table/table_internal.h"

#include <assert.h>
#include <stdlib.h>

enum {
	DELETE_COLUMNS = 2,
	WRITE_ROWS_MAX = 4096,
};

/* All positions are written again by each commit that adds one: they take few bytes and little
 * time. */
static const struct parquet_column delete_columns[DELETE_COLUMNS] = {
	{ "file_path", FIELD_ID_DELETE_FILE_PATH, { .type = VALUE_STRING }, true,
		PARQUET_BOUNDS_FULL, PARQUET_ENCODING_CONSTANT },
	{ "pos", FIELD_ID_DELETE_POSITION, { .type = VALUE_LONG }, true, PARQUET_BOUNDS_FULL,
		PARQUET_ENCODING_DELTA },
};

/* Takes the lowest bit of *bits, if there is one, as the next position; *next is written anyway. */
static inline int64_t *take_position(uint64_t *bits, int64_t first, int64_t *next)
{
	const uint64_t highest = (uint64_t)1 << (BITMAP_WORD_BITS - 1);
	*next = first + __builtin_ctzll(*bits | highest);
	next += *bits != 0;
	*bits &= *bits - 1;
	return next;
}

/*
 * The deleted positions from word *word on, of whole words, at most WRITE_ROWS_MAX.  Three at a
 * time without a branch, which nothing could predict: most words have none to three.
 */
static void fill_positions(const struct bitmap *deleted, size_t *word, struct column *column)
{
	column_reset(column);
	buffer_reserve(&column->fixed, (WRITE_ROWS_MAX + 1) * sizeof(int64_t));
	int64_t *const positions = (int64_t *)(void *)column->fixed.data, *next = positions;
	int64_t *const full = positions + WRITE_ROWS_MAX - BITMAP_WORD_BITS;
	for (; *word < deleted->word_count && next <= full; ++*word) {
		const int64_t first = (int64_t)(*word * BITMAP_WORD_BITS);
		uint64_t bits = deleted->words[*word];
		do {
			next = take_position(&bits, first, next);
			next = take_position(&bits, first, next);
			next = take_position(&bits, first, next);
		} while (bits != 0);
	}
	const size_t count = (size_t)(next - positions);
	column->fixed.size = count * sizeof *positions;
	column->count = count;
	buffer_reserve(&column->valid, count);
	memset(column->valid.data, 1, count);
	column->valid.size = count;
}

static bool write_positions(
	const struct table_file *file, struct parquet_writer *writer, struct error *err)
{
	const struct column_type types[DELETE_COLUMNS] = { delete_columns[0].type,
		delete_columns[1].type };
	struct batch batch;
	batch_init(&batch, types, DELETE_COLUMNS);
	column_append_bytes(&batch.columns[0], bytes_of_cstring(file->entry.data_file.path));
	bool ok = true;
	for (size_t word = 0; ok && word < file->deleted.word_count;) {
		fill_positions(&file->deleted, &word, &batch.columns[1]);
		batch.row_count = batch.columns[1].count;
		ok = batch.row_count == 0 || parquet_writer_write(writer, &batch, NULL, 0, err);
	}
	batch_deinit(&batch);
	return ok;
}

/* Java leaves the counts of these columns out; the bounds are what readers go by. */
static void keep_bounds_only(struct data_file *file)
{
	for (size_t i = 0; i < file->column_count; i++) {
		struct column_metrics *column = &file->columns[i];
		column->has_value_count = column->has_null_count = false;
		assert(column->has_lower && column->has_upper);
	}
}

static bool write_object(struct table *table, const struct table_file *file,
	struct object_sink *object, struct arena *arena, struct parquet_file_info *info,
	struct error *err)
{
	const struct parquet_writer_options options = { .zstd_level = table->options.zstd_level };
	const struct parquet_sink sink = { object_sink_write, object };
	struct parquet_writer *writer;
	if (!parquet_writer_open(delete_columns, DELETE_COLUMNS, &options, sink, &writer, err))
		return false;
	const bool ok = write_positions(file, writer, err) &&
			parquet_writer_finish(writer, arena, info, err);
	parquet_writer_close(writer);
	return ok && object_sink_finish(object, err);
}

static struct delete_file *make_entry(struct table *table, const struct table_file *file,
	const struct parquet_file_info *info, const char *path)
{
	struct delete_file *deletes = memory_allocate(1, sizeof *deletes);
	struct data_file *data_file = &deletes->entry.data_file;
	assert(info->record_count == file->deleted.set_count);
	deletes->entry.status = ENTRY_ADDED;
	*data_file = data_file_of(info, FILE_CONTENT_POSITION_DELETES,
		store_uri(table->store, path, &deletes->arena), &deletes->arena);
	data_file->referenced_data_file =
		arena_copy_cstring(&deletes->arena, file->entry.data_file.path);
	keep_bounds_only(data_file);
	return deletes;
}

bool delete_file_write(struct table *table, const struct table_file *file, struct delete_file **out,
	struct error *err)
{
	char uuid[UUID_TEXT_SIZE];
	const char *path =
		table_new_path(table, "data/%s-deletes.parquet", table_new_name(table, uuid));
	struct object_sink object = {
		.table = table, .path = path, .held_max = HELD_OBJECT_BYTES_MAX
	};
	struct arena arena = { 0 };
	struct parquet_file_info info;
	const bool ok = write_object(table, file, &object, &arena, &info, err);
	if (ok && object.held.size > 0)
		puts_take(&table->pending.puts, path, &object.held);
	object_sink_abort(&object);
	if (ok)
		*out = make_entry(table, file, &info, path);
	arena_deinit(&arena);
	return ok;
}

/* --- reading --- */

static bool set_positions(struct table_file *file, const struct batch *batch, struct error *err)
{
	const int64_t *positions = (const int64_t *)(const void *)batch->columns[0].fixed.data;
	const int64_t end = file->entry.data_file.record_count;
	for (size_t i = 0; i < batch->row_count; i++) {
		const int64_t position = positions[i];
		if (position < 0 || position >= end)
			return error_set(err, ERROR_CORRUPT,
				"delete file \"%s\" names position %lld of a file of %lld rows",
				file->deletes->entry.data_file.path, (long long)position,
				(long long)end);
		bitmap_set(&file->deleted, (uint32_t)position);
	}
	return true;
}

static bool read_row_group(struct table_file *file, struct parquet_reader *reader, size_t row_group,
	struct batch *batch, struct error *err)
{
	const size_t column = 0;
	if (!parquet_reader_begin(reader, row_group, &column, 1, err))
		return false;
	size_t got = READ_ROWS_MAX;
	while (got == READ_ROWS_MAX) {
		batch_reset(batch);
		if (!parquet_reader_next(reader, batch, READ_ROWS_MAX, &got, err) ||
			!set_positions(file, batch, err))
			return false;
	}
	return true;
}

static bool read_positions(
	struct table_file *file, struct parquet_reader *reader, struct error *err)
{
	struct batch batch;
	batch_init(&batch, &delete_columns[1].type, 1);
	bool ok = true;
	const size_t row_groups = parquet_reader_row_group_count(reader);
	for (size_t i = 0; ok && i < row_groups; i++)
		ok = read_row_group(file, reader, i, &batch, err);
	batch_deinit(&batch);
	return ok;
}

bool delete_file_read(struct table *table, struct table_file *file, struct error *err)
{
	const struct data_file *data_file = &file->deletes->entry.data_file;
	struct object_source object = { .store = table->store,
		.path = store_path(table->store, data_file->path) };
	const struct parquet_source source = { (uint64_t)data_file->file_size_in_bytes,
		object_source_read_at, &object };
	struct parquet_reader *reader;
	bool ok = parquet_reader_open(&source, &delete_columns[1], 1, NULL, &reader, err);
	if (ok) {
		ok = read_positions(file, reader, err);
		parquet_reader_close(reader);
	}
	buffer_deinit(&object.buffer);
	if (!ok)
		return error_context(err, "reading delete file \"%s\"", data_file->path);
	if (file->deleted.set_count != (uint64_t)data_file->record_count)
		return error_set(err, ERROR_CORRUPT,
			"delete file \"%s\" holds %u positions, not %lld", data_file->path,
			file->deleted.set_count, (long long)data_file->record_count);
	return true;
}
