#include "format/parquet/parquet_writer.h"
#include "format/parquet/encoder_internal.h"

#include <assert.h>
#include <stdlib.h>

enum {
	ZSTD_LEVEL = 1,
	ROW_GROUP_ROWS = 1 << 20,
	ROW_GROUP_BYTES = 64 << 20,
	PAGE_ROWS = 20000,
	PAGE_BYTES = 1 << 20,
	STATISTICS_VALUE_BYTES_MAX = 256,
};

struct parquet_writer {
	struct parquet_writer_options options; /* no zeros */
	struct parquet_sink sink;
	struct arena arena; /* of the file: names, key-values, row groups */
	size_t column_count;
	struct encoder *encoders;
	struct encoder_scratch scratch;
	struct buffer dictionary_page; /* scratch */
	uint64_t written_bytes;
	uint64_t row_count;
	size_t row_group_rows, row_group_bytes; /* of the one being filled */
	struct row_group *row_groups;
	size_t row_group_count, row_group_capacity;
	bool is_failed;
};

/* ---- open ---- */

static struct parquet_writer_options with_defaults(const struct parquet_writer_options *given)
{
	struct parquet_writer_options options =
		given ? *given : (struct parquet_writer_options){ 0 };
	if (options.zstd_level == 0)
		options.zstd_level = ZSTD_LEVEL;
	if (options.row_group_rows == 0)
		options.row_group_rows = ROW_GROUP_ROWS;
	if (options.row_group_bytes == 0)
		options.row_group_bytes = ROW_GROUP_BYTES;
	if (options.page_rows == 0)
		options.page_rows = PAGE_ROWS;
	if (options.page_bytes == 0)
		options.page_bytes = PAGE_BYTES;
	return options;
}

static void copy_key_values(struct parquet_writer *writer)
{
	size_t count = writer->options.key_value_count;
	struct parquet_key_value *copies =
		arena_array(&writer->arena, struct parquet_key_value, count);
	for (size_t i = 0; i < count; i++) {
		const struct parquet_key_value *given = &writer->options.key_values[i];
		copies[i].key = arena_copy_cstring(&writer->arena, given->key);
		copies[i].value = arena_copy_cstring(&writer->arena, given->value);
	}
	writer->options.key_values = copies;
}

static bool is_name_taken(const struct parquet_writer *writer, size_t count, struct bytes name)
{
	for (size_t i = 0; i < count; i++)
		if (bytes_equal(bytes_of_cstring(writer->encoders[i].column.name), name))
			return true;
	return false;
}

/* Two names that become one by the change of alphabet are told apart by their field ids. */
static const char *file_name(
	struct parquet_writer *writer, size_t index, const struct parquet_column *column)
{
	struct bytes name = layout_compatible_name(&writer->arena, column->name);
	if (!is_name_taken(writer, index, name))
		return arena_copy_text(&writer->arena, name);
	return arena_format(&writer->arena, "%.*s_%d", (int)name.size, (const char *)name.data,
		column->field_id);
}

bool parquet_writer_open(const struct parquet_column *columns, size_t column_count,
	const struct parquet_writer_options *options, struct parquet_sink sink,
	struct parquet_writer **out, struct error *err)
{
	assert(column_count > 0 && column_count <= PARQUET_COLUMNS_MAX);
	struct parquet_writer *writer = memory_allocate(1, sizeof *writer);
	writer->options = with_defaults(options);
	writer->sink = sink;
	copy_key_values(writer);
	writer->scratch.compressor = compressor_open(writer->options.zstd_level);
	writer->encoders = memory_allocate(column_count, sizeof *writer->encoders);
	struct encoder_limits limits = { writer->options.page_rows, writer->options.page_bytes };
	for (size_t i = 0; i < column_count; i++) {
		assert(columns[i].type.type != VALUE_NONE);
		struct parquet_column column = columns[i];
		column.name = file_name(writer, i, &columns[i]);
		encoder_init(&writer->encoders[i], &column, limits);
		writer->column_count++;
	}
	if (!sink.write(sink.context, BYTES_LITERAL(PARQUET_MAGIC), err)) {
		parquet_writer_close(writer);
		return false;
	}
	writer->written_bytes = PARQUET_MAGIC_SIZE;
	*out = writer;
	return true;
}

void parquet_writer_close(struct parquet_writer *writer)
{
	if (writer == NULL)
		return;
	for (size_t i = 0; i < writer->column_count; i++)
		encoder_deinit(&writer->encoders[i]);
	free(writer->encoders);
	free(writer->row_groups);
	buffer_deinit(&writer->dictionary_page);
	buffer_deinit(&writer->scratch.levels);
	buffer_deinit(&writer->scratch.wide);
	buffer_deinit(&writer->scratch.packed);
	compressor_close(writer->scratch.compressor);
	arena_deinit(&writer->arena);
	free(writer);
}

/* ---- row groups ---- */

static bool write_out(struct parquet_writer *writer, struct bytes data, struct error *err)
{
	if (data.size == 0)
		return true;
	if (!writer->sink.write(writer->sink.context, data, err)) {
		writer->is_failed = true;
		return false;
	}
	writer->written_bytes += data.size;
	return true;
}

/* The least and greatest value in PLAIN form, if both are short. */
static void set_bounds(struct statistics *statistics, struct encoder *encoder, struct arena *arena)
{
	struct column_type type = encoder->column.type;
	struct bytes bounds[2] = {
		value_range_lower(&encoder->chunk_range, type),
		value_range_upper(&encoder->chunk_range, type),
	};
	for (int i = 0; i < 2; i++) {
		uint8_t plain[16];
		if (bounds[i].size > STATISTICS_VALUE_BYTES_MAX)
			return;
		if (encoder->layout.width > 0) {
			encoder_plain_value(encoder, bounds[i], plain);
			bounds[i] = bytes_of(plain, encoder->layout.width);
		}
		bounds[i] = arena_copy_bytes(arena, bounds[i]);
	}
	statistics->min_value = bounds[0];
	statistics->max_value = bounds[1];
	statistics->min_is_exact = statistics->max_is_exact = true;
	statistics->present |= THRIFT_BIT(STATISTICS_MIN_VALUE) | THRIFT_BIT(STATISTICS_MAX_VALUE) |
			       THRIFT_BIT(STATISTICS_MIN_IS_EXACT) |
			       THRIFT_BIT(STATISTICS_MAX_IS_EXACT);
}

/* Readers disagree on whether NaN is above all: bounds beside a NaN could hide its row. */
static struct statistics chunk_statistics(
	struct encoder *encoder, uint64_t null_count, struct arena *arena)
{
	struct statistics statistics = {
		.present = THRIFT_BIT(STATISTICS_NULL_COUNT),
		.null_count = (int64_t)null_count,
	};
	if (encoder->chunk_range.has_values && encoder->chunk_range.nan_count == 0)
		set_bounds(&statistics, encoder, arena);
	return statistics;
}

static struct page_encoding_stats encoding_stats(
	enum page_type type, enum encoding encoding, size_t count)
{
	return (struct page_encoding_stats){
		.present = THRIFT_BIT(1) | THRIFT_BIT(2) | THRIFT_BIT(3),
		.page_type = type,
		.encoding = encoding,
		.count = (int32_t)count,
	};
}

static void set_encodings(
	struct column_metadata *metadata, struct page_counts counts, struct arena *arena)
{
	int32_t *encodings = arena_array(arena, int32_t, 4);
	struct page_encoding_stats *stats = arena_array(arena, struct page_encoding_stats, 4);
	size_t encoding_count = 0, stats_count = 0;
	encodings[encoding_count++] = ENCODING_RLE; /* of the levels */
	if (counts.delta == 0)
		encodings[encoding_count++] = ENCODING_PLAIN;
	if (counts.dictionary > 0) {
		encodings[encoding_count++] = ENCODING_RLE_DICTIONARY;
		stats[stats_count++] = encoding_stats(PAGE_DICTIONARY, ENCODING_PLAIN, 1);
		stats[stats_count++] =
			encoding_stats(PAGE_DATA, ENCODING_RLE_DICTIONARY, counts.dictionary);
	}
	if (counts.plain > 0)
		stats[stats_count++] = encoding_stats(PAGE_DATA, ENCODING_PLAIN, counts.plain);
	if (counts.delta > 0) {
		encodings[encoding_count++] = ENCODING_DELTA_BINARY_PACKED;
		stats[stats_count++] =
			encoding_stats(PAGE_DATA, ENCODING_DELTA_BINARY_PACKED, counts.delta);
	}
	metadata->encodings = (struct thrift_list){ encodings, encoding_count };
	metadata->encoding_stats = (struct thrift_list){ stats, stats_count };
}

static struct column_metadata chunk_metadata(
	struct parquet_writer *writer, struct encoder *encoder, const struct encoded_chunk *chunk)
{
	struct arena *arena = &writer->arena;
	struct bytes *path = arena_new(arena, struct bytes);
	*path = bytes_of_cstring(encoder->column.name);
	struct column_metadata metadata = {
		.present = THRIFT_BIT(COLUMN_TYPE) | THRIFT_BIT(COLUMN_ENCODINGS) |
			   THRIFT_BIT(COLUMN_PATH) | THRIFT_BIT(COLUMN_CODEC) |
			   THRIFT_BIT(COLUMN_VALUE_COUNT) | THRIFT_BIT(COLUMN_UNCOMPRESSED_SIZE) |
			   THRIFT_BIT(COLUMN_COMPRESSED_SIZE) |
			   THRIFT_BIT(COLUMN_DATA_PAGE_OFFSET) | THRIFT_BIT(COLUMN_STATISTICS) |
			   THRIFT_BIT(COLUMN_ENCODING_STATS),
		.type = encoder->layout.type,
		.codec = CODEC_ZSTD,
		.path = { path, 1 },
		.value_count = (int64_t)chunk->row_count,
		.uncompressed_size = (int64_t)chunk->uncompressed_size,
		.compressed_size = (int64_t)(chunk->dictionary_page.size + chunk->data_pages.size),
		.data_page_offset = (int64_t)(writer->written_bytes + chunk->dictionary_page.size),
		.statistics = chunk_statistics(encoder, chunk->null_count, arena),
	};
	if (chunk->dictionary_page.size > 0) {
		metadata.dictionary_page_offset = (int64_t)writer->written_bytes;
		metadata.present |= THRIFT_BIT(COLUMN_DICTIONARY_PAGE_OFFSET);
	}
	set_encodings(&metadata, chunk->page_counts, arena);
	return metadata;
}

static bool write_chunk(struct parquet_writer *writer, struct encoder *encoder,
	struct column_chunk *out, struct error *err)
{
	struct encoded_chunk chunk;
	encoder_finish_chunk(encoder, &writer->scratch, &writer->dictionary_page, &chunk);
	*out = (struct column_chunk){
		.present = THRIFT_BIT(CHUNK_FILE_OFFSET) | THRIFT_BIT(CHUNK_METADATA),
		.file_offset = 0, /* deprecated; 0 is what it should hold */
		.metadata = chunk_metadata(writer, encoder, &chunk),
	};
	if (!write_out(writer, chunk.dictionary_page, err) ||
		!write_out(writer, chunk.data_pages, err))
		return false;
	encoder_begin_chunk(encoder);
	return true;
}

static struct row_group *push_row_group(struct parquet_writer *writer)
{
	if (writer->row_group_count == writer->row_group_capacity) {
		writer->row_group_capacity = writer->row_group_capacity * 2 + 4;
		writer->row_groups = memory_resize(
			writer->row_groups, writer->row_group_capacity, sizeof *writer->row_groups);
	}
	return &writer->row_groups[writer->row_group_count++];
}

static bool write_row_group(struct parquet_writer *writer, struct error *err)
{
	if (writer->row_group_rows == 0)
		return true;
	struct column_chunk *chunks =
		arena_array(&writer->arena, struct column_chunk, writer->column_count);
	uint64_t start = writer->written_bytes;
	int64_t uncompressed_size = 0;
	for (size_t i = 0; i < writer->column_count; i++) {
		if (!write_chunk(writer, &writer->encoders[i], &chunks[i], err))
			return false;
		uncompressed_size += chunks[i].metadata.uncompressed_size;
	}
	size_t ordinal = writer->row_group_count;
	struct row_group *group = push_row_group(writer);
	*group = (struct row_group){
		.present = THRIFT_BIT(1) | THRIFT_BIT(2) | THRIFT_BIT(3) | THRIFT_BIT(5) |
			   THRIFT_BIT(6),
		.columns = { chunks, writer->column_count },
		.uncompressed_size = uncompressed_size,
		.row_count = (int64_t)writer->row_group_rows,
		.file_offset = (int64_t)start,
		.compressed_size = (int64_t)(writer->written_bytes - start),
	};
	if (ordinal <= INT16_MAX) {
		group->ordinal = (int16_t)ordinal;
		group->present |= THRIFT_BIT(7);
	}
	writer->row_group_rows = writer->row_group_bytes = 0;
	return true;
}

/* ---- rows ---- */

static size_t row_at(const uint32_t *rows, size_t i)
{
	return rows ? rows[i] : i;
}

static bool check_required(const struct encoder *encoder, const struct column *column,
	const uint32_t *rows, size_t row_count, struct error *err)
{
	if (!encoder->column.is_required || column->null_count == 0)
		return true;
	for (size_t i = 0; i < row_count; i++)
		if (column_is_null(column, row_at(rows, i)))
			return error_set(err, ERROR_UNSUPPORTED,
				"the required column \"%s\" is NULL in a row",
				encoder->column.name);
	return true;
}

static bool check_sizes(const struct encoder *encoder, const struct column *column,
	const uint32_t *rows, size_t row_count, struct error *err)
{
	if (column->width > 0 || column->data.size <= PARQUET_VALUE_BYTES_MAX ||
		encoder_is_constant(encoder))
		return true;
	for (size_t i = 0; i < row_count; i++) {
		size_t size = column_bytes(column, row_at(rows, i)).size;
		if (size > PARQUET_VALUE_BYTES_MAX)
			return error_set(err, ERROR_UNSUPPORTED,
				"a value of column \"%s\" has %zu bytes, more than %d",
				encoder->column.name, size, PARQUET_VALUE_BYTES_MAX);
	}
	return true;
}

static bool check_rows(const struct parquet_writer *writer, const struct batch *batch,
	const uint32_t *rows, size_t row_count, struct error *err)
{
	for (size_t i = 0; i < writer->column_count; i++) {
		const struct encoder *encoder = &writer->encoders[i];
		const struct column *column = &batch->columns[i];
		assert(column_type_equal(column->type, encoder->column.type));
		if (!check_required(encoder, column, rows, row_count, err) ||
			!check_sizes(encoder, column, rows, row_count, err))
			return false;
	}
	return true;
}

/* Bytes before encoding of rows [start, start + count). */
static size_t rows_size(const struct parquet_writer *writer, const struct batch *batch,
	const uint32_t *rows, size_t start, size_t count)
{
	size_t size = 0;
	for (size_t i = 0; i < batch->column_count; i++) {
		const struct column *column = &batch->columns[i];
		if (encoder_is_constant(&writer->encoders[i]))
			continue;
		if (column->width > 0) {
			size += column->width * count;
			continue;
		}
		size += 4 * count;
		if (rows == NULL) {
			struct bytes first = column_bytes(column, start);
			struct bytes last = column_bytes(column, start + count - 1);
			size += (size_t)(last.data - first.data) + last.size;
			continue;
		}
		for (size_t k = start; k < start + count; k++)
			size += column_bytes(column, rows[k]).size;
	}
	return size;
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* Rows that fit a page and the row group; one row at least. */
static size_t slice_rows(const struct parquet_writer *writer, const struct batch *batch,
	const uint32_t *rows, size_t start, size_t left, size_t *size)
{
	const struct parquet_writer_options *options = &writer->options;
	size_t count = least(left, ENCODER_SLICE_ROWS_MAX);
	count = least(count, options->page_rows);
	count = least(count, options->row_group_rows - writer->row_group_rows);
	size_t size_max = least(options->page_bytes, options->row_group_bytes);
	*size = rows_size(writer, batch, rows, start, count);
	while (count > 1 && *size > size_max) {
		count /= 2;
		*size = rows_size(writer, batch, rows, start, count);
	}
	return count;
}

static bool write_slice(struct parquet_writer *writer, const struct batch *batch,
	const uint32_t *rows, size_t start, size_t count, struct error *err)
{
	for (size_t i = 0; i < writer->column_count; i++)
		if (!encoder_append(&writer->encoders[i], &batch->columns[i], rows, start, count,
			    &writer->scratch, err)) {
			writer->is_failed = true;
			return false;
		}
	writer->row_group_rows += count;
	writer->row_count += count;
	return true;
}

bool parquet_writer_write(struct parquet_writer *writer, const struct batch *batch,
	const uint32_t *rows, size_t row_count, struct error *err)
{
	assert(!writer->is_failed && batch->column_count == writer->column_count);
	size_t total = rows ? row_count : batch->row_count;
	if (!check_rows(writer, batch, rows, total, err))
		return false;
	for (size_t start = 0; start < total;) {
		size_t size;
		size_t count = slice_rows(writer, batch, rows, start, total - start, &size);
		if (writer->row_group_bytes + size > writer->options.row_group_bytes &&
			!write_row_group(writer, err))
			return false;
		if (!write_slice(writer, batch, rows, start, count, err))
			return false;
		writer->row_group_bytes += size;
		start += count;
		if (writer->row_group_rows == writer->options.row_group_rows &&
			!write_row_group(writer, err))
			return false;
	}
	return true;
}

uint64_t parquet_writer_size(const struct parquet_writer *writer)
{
	uint64_t size = writer->written_bytes;
	for (size_t i = 0; i < writer->column_count; i++)
		size += encoder_size(&writer->encoders[i]);
	return size;
}

/* ---- finish ---- */

static struct thrift_list footer_schema(struct parquet_writer *writer)
{
	size_t count = writer->column_count;
	struct schema_element *elements =
		arena_array(&writer->arena, struct schema_element, count + 1);
	elements[0] = (struct schema_element){
		.present = THRIFT_BIT(SCHEMA_NAME) | THRIFT_BIT(SCHEMA_CHILD_COUNT),
		.name = BYTES_LITERAL("table"),
		.child_count = (int32_t)count,
	};
	for (size_t i = 0; i < count; i++) {
		const struct parquet_column *column = &writer->encoders[i].column;
		elements[i + 1] = layout_schema_element(column, bytes_of_cstring(column->name));
	}
	return (struct thrift_list){ elements, count + 1 };
}

static struct thrift_list footer_key_values(struct parquet_writer *writer)
{
	size_t count = writer->options.key_value_count;
	struct key_value *pairs = arena_array(&writer->arena, struct key_value, count);
	for (size_t i = 0; i < count; i++)
		pairs[i] = (struct key_value){
			.present = THRIFT_BIT(1) | THRIFT_BIT(2),
			.key = bytes_of_cstring(writer->options.key_values[i].key),
			.value = bytes_of_cstring(writer->options.key_values[i].value),
		};
	return (struct thrift_list){ pairs, count };
}

static struct thrift_list footer_column_orders(struct parquet_writer *writer)
{
	struct column_order *orders =
		arena_array(&writer->arena, struct column_order, writer->column_count);
	for (size_t i = 0; i < writer->column_count; i++)
		orders[i].present = THRIFT_BIT(1);
	return (struct thrift_list){ orders, writer->column_count };
}

/* footer | u32le its size | magic */
static bool write_footer(struct parquet_writer *writer, struct error *err)
{
	struct file_metadata metadata = {
		.present = THRIFT_BIT(1) | THRIFT_BIT(2) | THRIFT_BIT(3) | THRIFT_BIT(4) |
			   THRIFT_BIT(6) | THRIFT_BIT(7),
		.version = 1,
		.schema = footer_schema(writer),
		.row_count = (int64_t)writer->row_count,
		.row_groups = { writer->row_groups, writer->row_group_count },
		.key_values = footer_key_values(writer),
		.created_by = BYTES_LITERAL("walberg version " WALBERG_VERSION),
		.column_orders = footer_column_orders(writer),
	};
	if (metadata.key_values.count > 0)
		metadata.present |= THRIFT_BIT(5);
	struct buffer footer = { 0 };
	thrift_encode(&footer, &FILE_METADATA_RECORD, &metadata);
	buffer_append_u32le(&footer, (uint32_t)footer.size);
	buffer_append_bytes(&footer, BYTES_LITERAL(PARQUET_MAGIC));
	bool done = write_out(writer, buffer_bytes(&footer), err);
	buffer_deinit(&footer);
	return done;
}

static bool truncates(const struct parquet_column *column)
{
	return column->bounds == PARQUET_BOUNDS_TRUNCATE &&
	       (column->type.type == VALUE_STRING || column->type.type == VALUE_BINARY);
}

static void set_metric_bounds(
	struct encoder *encoder, struct arena *arena, struct parquet_column_metrics *out)
{
	struct column_type type = encoder->column.type;
	struct value_range *range = &encoder->file_range;
	if (!range->has_values || encoder->column.bounds == PARQUET_BOUNDS_NONE)
		return;
	struct bytes lower = value_range_lower(range, type);
	struct bytes upper = value_range_upper(range, type);
	out->has_lower = out->has_upper = true;
	if (truncates(&encoder->column)) {
		lower = bounds_truncate_lower(type.type, lower, BOUNDS_TRUNCATE_LENGTH);
		out->has_upper = bounds_truncate_upper(
			arena, type.type, upper, BOUNDS_TRUNCATE_LENGTH, &out->upper);
	} else {
		out->upper = single_value_encode(arena, type, upper);
	}
	out->lower = single_value_encode(arena, type, lower);
}

static struct parquet_column_metrics column_metrics(struct encoder *encoder, struct arena *arena)
{
	enum value_type type = encoder->column.type.type;
	struct parquet_column_metrics metrics = {
		.field_id = encoder->column.field_id,
		.column_size = encoder->file_size,
		.value_count = encoder->file_rows,
		.null_count = encoder->file_nulls,
		.nan_count = encoder->file_range.nan_count,
		.has_nan_count = type == VALUE_FLOAT || type == VALUE_DOUBLE,
	};
	set_metric_bounds(encoder, arena, &metrics);
	return metrics;
}

static void file_info(
	struct parquet_writer *writer, struct arena *arena, struct parquet_file_info *out)
{
	*out = (struct parquet_file_info){
		.record_count = writer->row_count,
		.file_size = writer->written_bytes,
		.column_count = writer->column_count,
		.columns = arena_array(arena, struct parquet_column_metrics, writer->column_count),
		.split_offset_count = writer->row_group_count,
		.split_offsets = arena_array(arena, int64_t, writer->row_group_count),
	};
	for (size_t i = 0; i < writer->column_count; i++)
		out->columns[i] = column_metrics(&writer->encoders[i], arena);
	for (size_t i = 0; i < writer->row_group_count; i++)
		out->split_offsets[i] = writer->row_groups[i].file_offset;
}

bool parquet_writer_finish(struct parquet_writer *writer, struct arena *arena,
	struct parquet_file_info *out, struct error *err)
{
	assert(!writer->is_failed);
	if (!write_row_group(writer, err) || !write_footer(writer, err))
		return false;
	file_info(writer, arena, out);
	return true;
}
