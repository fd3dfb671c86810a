/*
 * write.c: rows to new data files.
 */
#include "table/table_internal.h"

#include <assert.h>
#include <stdlib.h>

struct output {
	struct table *table;
	struct table_file *file;
	struct object_sink sink;
	struct parquet_writer *writer;
};

static bool writer_open(struct output *output, struct error *err)
{
	const struct table *table = output->table;
	const struct parquet_key_value schema = { "iceberg.schema", table->schema_json };
	const struct parquet_writer_options options = {
		.zstd_level = table->options.zstd_level,
		.row_group_rows = table->options.row_group_rows,
		.key_values = &schema,
		.key_value_count = 1,
	};
	const struct parquet_sink sink = { object_sink_write, &output->sink };
	return parquet_writer_open(
		table->columns, table->column_count, &options, sink, &output->writer, err);
}

static size_t room_to_hold(const struct table *table)
{
	const size_t room = HELD_TABLE_BYTES_MAX - table->held_bytes;
	return room < HELD_OBJECT_BYTES_MAX ? room : HELD_OBJECT_BYTES_MAX;
}

static struct table_file *new_file(struct table *table)
{
	char uuid[UUID_TEXT_SIZE];
	struct table_file *file = table_add_file(table);
	file->is_open = true;
	file->entry.status = ENTRY_ADDED;
	const char *path = arena_format(
		&file->arena, "%sdata/%s.parquet", table->folder, table_new_name(table, uuid));
	file->entry.data_file.path = store_uri(table->store, path, &file->arena);
	return file;
}

/* How long the UUID with walberg's mark is that text begins with, or 0. */
static size_t own_uuid_size(const char *text)
{
	enum {
		SIZE = UUID_TEXT_SIZE - 1
	};
	if (strspn(text, "0123456789abcdef-") < SIZE)
		return 0;
	for (int i = 0; i < SIZE; i++)
		if ((text[i] == '-') != (i == 8 || i == 13 || i == 18 || i == 23))
			return 0;
	return strncmp(text + NAME_MARK_AT, NAME_MARK, strlen(NAME_MARK)) == 0 ? SIZE : 0;
}

/* In a pattern, U stands for such a UUID and N for a number. */
static bool has_pattern(const char *text, const char *pattern)
{
	for (; *pattern; pattern++) {
		size_t size = *text == *pattern;
		if (*pattern == 'U')
			size = own_uuid_size(text);
		else if (*pattern == 'N')
			size = strspn(text, "0123456789");
		if (size == 0)
			return false;
		text += size;
	}
	return *text == '\0';
}

bool table_is_own_path(const char *path)
{
	static const char *const PATTERNS[] = { "data/U.parquet", "data/U-deletes.parquet",
		"metadata/U-mN.avro", "metadata/snap-N-1-U.avro", "metadata/N-U.metadata.json" };
	const char *at = strrchr(path, '/');
	while (at != NULL && at > path && at[-1] != '/')
		at--;
	for (size_t i = 0; at != NULL && i < sizeof PATTERNS / sizeof *PATTERNS; i++)
		if (has_pattern(at, PATTERNS[i]))
			return true;
	return false;
}

static bool output_open(struct table *table, struct output **out, struct error *err)
{
	struct output *output = memory_allocate(1, sizeof *output);
	output->table = table;
	output->file = new_file(table);
	output->sink.table = table;
	output->sink.path = store_path(table->store, output->file->entry.data_file.path);
	output->sink.held_max = room_to_hold(table);
	if (!writer_open(output, err)) {
		output_abort(output);
		return false;
	}
	*out = output;
	return true;
}

static bool output_write(struct output *output, const struct batch *batch, const uint32_t *rows,
	size_t row_count, struct error *err)
{
	const size_t count = rows ? row_count : batch->row_count;
	if (!parquet_writer_write(output->writer, batch, rows, row_count, err))
		return false;
	output->file->entry.data_file.record_count += (int64_t)count;
	output->table->row_count += count;
	return true;
}

static bool output_is_full(const struct output *output)
{
	return parquet_writer_size(output->writer) >=
		       output->table->options.file_size_target_bytes ||
	       output->file->entry.data_file.record_count >= FILE_ROWS_MAX;
}

static struct column_metrics column_metrics_of(
	const struct parquet_column_metrics *from, struct arena *arena)
{
	return (struct column_metrics){
		.field_id = from->field_id,
		.has_size = true,
		.has_value_count = true,
		.has_null_count = true,
		.has_nan_count = from->has_nan_count,
		.has_lower = from->has_lower,
		.has_upper = from->has_upper,
		.size_bytes = (int64_t)from->column_size,
		.value_count = (int64_t)from->value_count,
		.null_count = (int64_t)from->null_count,
		.nan_count = (int64_t)from->nan_count,
		.lower = arena_copy_bytes(arena, from->lower),
		.upper = arena_copy_bytes(arena, from->upper),
	};
}

struct data_file data_file_of(const struct parquet_file_info *info, enum file_content content,
	const char *uri, struct arena *arena)
{
	struct data_file file = {
		.content = content,
		.path = uri,
		.format = "PARQUET",
		.record_count = (int64_t)info->record_count,
		.file_size_in_bytes = (int64_t)info->file_size,
		.column_count = info->column_count,
		.columns = arena_array(arena, struct column_metrics, info->column_count),
		.split_offset_count = info->split_offset_count,
		.split_offsets = arena_copy(arena, info->split_offsets,
			info->split_offset_count * sizeof *info->split_offsets),
	};
	for (size_t i = 0; i < info->column_count; i++)
		file.columns[i] = column_metrics_of(&info->columns[i], arena);
	return file;
}

void output_abort(struct output *output)
{
	struct table *table = output->table;
	parquet_writer_close(output->writer);
	object_sink_abort(&output->sink);
	assert(table->files[table->file_count - 1] == output->file);
	table->row_count -= table_file_live_rows(output->file);
	table_remove_file(table, table->file_count - 1);
	table->next_file--;
	free(output);
}

static void keep_file(struct output *output, const struct parquet_file_info *info)
{
	struct table_file *file = output->file;
	assert((int64_t)info->record_count == file->entry.data_file.record_count);
	file->entry.data_file =
		data_file_of(info, FILE_CONTENT_DATA, file->entry.data_file.path, &file->arena);
	file->held = output->sink.held;
	file->is_written = file->held.size == 0;
	file->is_open = false;
	output->table->held_bytes += file->held.size;
	parquet_writer_close(output->writer);
	free(output);
}

static bool output_finish(struct output *output, struct error *err)
{
	struct parquet_file_info info;
	struct arena arena = { 0 };
	const bool ok = parquet_writer_finish(output->writer, &arena, &info, err) &&
			object_sink_finish(&output->sink, err);
	if (ok)
		keep_file(output, &info);
	else
		output_abort(output);
	arena_deinit(&arena);
	return ok;
}

bool table_write(struct table *table, const struct batch *batch, const uint32_t *rows,
	size_t row_count, struct error *err)
{
	assert(table->append == NULL);
	pending_give_up(table);
	if ((rows ? row_count : batch->row_count) == 0)
		return true;
	struct output *output;
	if (!output_open(table, &output, err))
		return false;
	if (!output_write(output, batch, rows, row_count, err)) {
		output_abort(output);
		return false;
	}
	if (!output_finish(output, err))
		return false;
	table->rows_changed = true;
	return true;
}

bool table_append(struct table *table, const struct batch *batch, uint32_t *file,
	uint32_t *position, struct error *err)
{
	pending_give_up(table);
	if (table->append == NULL && !output_open(table, &table->append, err))
		return false;
	struct output *output = table->append;
	*file = output->file->id;
	*position = (uint32_t)output->file->entry.data_file.record_count;
	if (!output_write(output, batch, NULL, 0, err))
		return false;
	table->rows_changed = true;
	return !output_is_full(output) || table_append_end(table, err);
}

bool table_append_end(struct table *table, struct error *err)
{
	if (table->append == NULL)
		return true;
	struct output *output = table->append;
	table->append = NULL;
	return output_finish(output, err);
}
