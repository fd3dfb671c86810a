#include "format/parquet/decoder_internal.h"
#include "format/parquet/footer_internal.h"

#include <assert.h>
#include <math.h>
#include <stdlib.h>

enum {
	PAGE_BYTES_MAX = PARQUET_VALUE_BYTES_MAX + (1 << 20),
	READ_AHEAD_BYTES = 256 << 10,
};

/* An expected column and where the file has it. */
struct found_column {
	struct parquet_column column;
	bool is_found;
	size_t leaf; /* index of its chunk in a row group */
	int32_t physical_type;
	struct decoder_column decoding;
};

struct parquet_reader {
	struct parquet_source source;
	struct parquet_reader_options options; /* no zeros */
	struct arena arena;                    /* of the reader: footer and columns */
	ZSTD_DCtx *zstd;
	struct file_metadata metadata;
	size_t leaf_count;
	struct found_column *columns;
	size_t column_count;

	/* the row group being read */
	uint64_t rows_left;
	const struct found_column **chosen;
	struct decoder *decoders; /* one for each of columns; the first chosen_count are in use */
	size_t chosen_count;

	_Alignas(16) uint8_t bounds[2][16]; /* what parquet_reader_bounds() gave last */
};

static const struct row_group *row_group_at(const struct parquet_reader *reader, size_t index)
{
	assert(index < reader->metadata.row_groups.count);
	return &((const struct row_group *)reader->metadata.row_groups.items)[index];
}

static bool corrupt(struct error *err, const char *what)
{
	return error_set(err, ERROR_CORRUPT, "the Parquet file is damaged: %s", what);
}

/* ---- the footer ---- */

static struct parquet_reader_options with_defaults(const struct parquet_reader_options *given)
{
	struct parquet_reader_options options =
		given ? *given : (struct parquet_reader_options){ 0 };
	if (options.footer_bytes_max == 0)
		options.footer_bytes_max = FOOTER_BYTES_MAX;
	if (options.page_bytes_max == 0)
		options.page_bytes_max = PAGE_BYTES_MAX;
	if (options.read_ahead_bytes == 0)
		options.read_ahead_bytes = READ_AHEAD_BYTES;
	return options;
}

static bool read_footer(struct parquet_reader *reader, struct error *err)
{
	return footer_read(&reader->source, reader->options.footer_bytes_max, &reader->arena,
		&reader->metadata, NULL, err);
}

/* ---- the schema ---- */

struct leaf {
	const struct schema_element *element;
	size_t index;
};

static bool is_group(const struct schema_element *element)
{
	return !THRIFT_HAS(element, SCHEMA_TYPE);
}

/* Past a group and all in it; the leaves in it are counted. */
static bool pass_group(const struct parquet_reader *reader, size_t *at, size_t *leaf_count)
{
	const struct schema_element *elements = reader->metadata.schema.items;
	size_t count = reader->metadata.schema.count;
	for (size_t pending = 1; pending > 0; pending--) {
		if (*at >= count)
			return false;
		const struct schema_element *element = &elements[(*at)++];
		if (!is_group(element)) {
			*leaf_count += 1;
			continue;
		}
		if (element->child_count < 0 || (size_t)element->child_count > count)
			return false;
		pending += (size_t)element->child_count;
		if (pending > count)
			return false;
	}
	return true;
}

/* The columns at the top that are not nested. */
static bool list_leaves(struct parquet_reader *reader, struct leaf *leaves, size_t *count)
{
	const struct schema_element *elements = reader->metadata.schema.items;
	size_t element_count = reader->metadata.schema.count;
	if (element_count == 0 || elements[0].child_count < 0)
		return false;
	size_t at = 1, leaf_count = 0;
	*count = 0;
	for (int32_t child = 0; child < elements[0].child_count; child++) {
		if (at >= element_count)
			return false;
		const struct schema_element *element = &elements[at];
		if (is_group(element)) {
			if (!pass_group(reader, &at, &leaf_count))
				return false;
			continue;
		}
		if (element->repetition != REPETITION_REPEATED)
			leaves[(*count)++] = (struct leaf){ element, leaf_count };
		leaf_count++;
		at++;
	}
	reader->leaf_count = leaf_count;
	return at == element_count;
}

static const struct leaf *find_leaf(const struct leaf *leaves, size_t count, int32_t field_id)
{
	for (size_t i = 0; i < count; i++)
		if (THRIFT_HAS(leaves[i].element, SCHEMA_FIELD_ID) &&
			leaves[i].element->field_id == field_id)
			return &leaves[i];
	return NULL;
}

static bool find_column(
	struct found_column *found, const struct leaf *leaves, size_t count, struct error *err)
{
	const struct parquet_column *column = &found->column;
	const struct leaf *leaf = find_leaf(leaves, count, column->field_id);
	if (leaf == NULL) {
		if (column->is_required)
			return error_set(err, ERROR_UNSUPPORTED,
				"the Parquet file lacks the required column \"%s\" (field id %d)",
				column->name, column->field_id);
		return true;
	}
	struct decoder_column *decoding = &found->decoding;
	*decoding = (struct decoder_column){
		.name = column->name,
		.type = column->type,
		.is_optional = leaf->element->repetition == REPETITION_OPTIONAL,
		.is_required = column->is_required,
	};
	char text[COLUMN_TYPE_TEXT_SIZE];
	if (!layout_find(leaf->element, column->type, &decoding->layout))
		return error_set(err, ERROR_UNSUPPORTED,
			"column \"%s\" (field id %d) of the Parquet file cannot be read as %s",
			column->name, column->field_id, column_type_format(column->type, text));
	found->is_found = true;
	found->leaf = leaf->index;
	found->physical_type = leaf->element->type;
	return true;
}

static bool has_field_ids(const struct leaf *leaves, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (THRIFT_HAS(leaves[i].element, SCHEMA_FIELD_ID))
			return true;
	return count == 0;
}

static bool find_columns(
	struct parquet_reader *reader, const struct parquet_column *expected, struct error *err)
{
	struct leaf *leaves =
		arena_array(&reader->arena, struct leaf, reader->metadata.schema.count);
	size_t leaf_count;
	if (!list_leaves(reader, leaves, &leaf_count))
		return corrupt(err, "its schema does not add up");
	if (!has_field_ids(leaves, leaf_count))
		return error_set(err, ERROR_UNSUPPORTED, "the Parquet file has no field ids");
	for (size_t i = 0; i < reader->column_count; i++) {
		struct found_column *found = &reader->columns[i];
		found->column = expected[i];
		found->column.name = arena_copy_cstring(&reader->arena, expected[i].name);
		if (!find_column(found, leaves, leaf_count, err))
			return false;
	}
	return true;
}

/* ---- row groups ---- */

static bool check_chunk(const struct parquet_reader *reader, const struct row_group *group,
	const struct found_column *found, struct error *err)
{
	const struct column_chunk *chunk =
		&((const struct column_chunk *)group->columns.items)[found->leaf];
	const struct column_metadata *metadata = &chunk->metadata;
	uint64_t file_size = reader->source.size;
	if (THRIFT_HAS(chunk, CHUNK_FILE_PATH))
		return error_set(err, ERROR_UNSUPPORTED,
			"the Parquet file keeps its columns in other files");
	if (metadata->type != found->physical_type || metadata->value_count != group->row_count)
		return corrupt(err, "a column chunk is not of its column");
	if (metadata->data_page_offset < PARQUET_MAGIC_SIZE || metadata->compressed_size < 0 ||
		column_chunk_start(metadata) > file_size ||
		(uint64_t)metadata->compressed_size > file_size - column_chunk_start(metadata))
		return corrupt(err, "a column chunk lies outside of it");
	if (metadata->codec != CODEC_NONE && metadata->codec != CODEC_ZSTD &&
		metadata->codec != CODEC_GZIP)
		return error_set(err, ERROR_UNSUPPORTED,
			"column \"%s\" of the Parquet file has codec %d; read are none, gzip and "
			"zstd",
			found->column.name, metadata->codec);
	return true;
}

static bool check_row_groups(const struct parquet_reader *reader, struct error *err)
{
	uint64_t rows = 0;
	for (size_t i = 0; i < reader->metadata.row_groups.count; i++) {
		const struct row_group *group = row_group_at(reader, i);
		if (group->columns.count != reader->leaf_count)
			return corrupt(err, "a row group does not have all columns");
		if (group->row_count < 0 || group->row_count > INT64_MAX / 2 ||
			rows > INT64_MAX / 2)
			return corrupt(err, "a row group has an impossible number of rows");
		rows += (uint64_t)group->row_count;
	}
	if ((int64_t)rows != reader->metadata.row_count)
		return corrupt(err, "its row groups do not add up to its rows");
	return true;
}

/* ---- open ---- */

static void open_decoders(struct parquet_reader *reader)
{
	size_t count = reader->column_count;
	reader->decoders = arena_array(&reader->arena, struct decoder, count);
	reader->chosen = arena_array(&reader->arena, const struct found_column *, count);
	for (size_t i = 0; i < count; i++) {
		reader->decoders[i].pages.source = &reader->source;
		reader->decoders[i].pages.options = &reader->options;
		reader->decoders[i].pages.zstd = reader->zstd;
	}
}

bool parquet_reader_open(const struct parquet_source *source, const struct parquet_column *expected,
	size_t expected_count, const struct parquet_reader_options *options,
	struct parquet_reader **out, struct error *err)
{
	struct parquet_reader *reader = memory_allocate(1, sizeof *reader);
	reader->source = *source;
	reader->options = with_defaults(options);
	reader->zstd = ZSTD_createDCtx();
	if (reader->zstd == NULL)
		abort();
	reader->columns = arena_array(&reader->arena, struct found_column, expected_count);
	reader->column_count = expected_count;
	open_decoders(reader);
	if (!read_footer(reader, err) || !find_columns(reader, expected, err) ||
		!check_row_groups(reader, err)) {
		parquet_reader_close(reader);
		return false;
	}
	*out = reader;
	return true;
}

void parquet_reader_close(struct parquet_reader *reader)
{
	if (reader == NULL)
		return;
	for (size_t i = 0; i < reader->column_count; i++)
		decoder_deinit(&reader->decoders[i]);
	ZSTD_freeDCtx(reader->zstd);
	arena_deinit(&reader->arena);
	free(reader);
}

uint64_t parquet_reader_row_count(const struct parquet_reader *reader)
{
	return (uint64_t)reader->metadata.row_count;
}

size_t parquet_reader_row_group_count(const struct parquet_reader *reader)
{
	return reader->metadata.row_groups.count;
}

uint64_t parquet_reader_row_group_rows(const struct parquet_reader *reader, size_t row_group)
{
	return (uint64_t)row_group_at(reader, row_group)->row_count;
}

bool parquet_reader_key_value(
	const struct parquet_reader *reader, const char *key, struct bytes *out)
{
	const struct key_value *pairs = reader->metadata.key_values.items;
	for (size_t i = 0; i < reader->metadata.key_values.count; i++)
		if (bytes_equal(pairs[i].key, bytes_of_cstring(key))) {
			*out = pairs[i].value;
			return true;
		}
	return false;
}

/* ---- bounds ---- */

/* Statistics mean something only in the order that the footer declares. */
static bool has_type_order(const struct parquet_reader *reader, size_t leaf)
{
	const struct column_order *orders = reader->metadata.column_orders.items;
	return leaf < reader->metadata.column_orders.count && THRIFT_HAS(&orders[leaf], 1);
}

static bool is_nan(struct column_type type, const uint8_t value[16])
{
	float as_float;
	double as_double;
	memcpy(&as_float, value, sizeof as_float);
	memcpy(&as_double, value, sizeof as_double);
	return (type.type == VALUE_FLOAT && isnan(as_float)) ||
	       (type.type == VALUE_DOUBLE && isnan(as_double));
}

/* A byte array stands in statistics without its length. */
static bool decode_bound(const struct decoder_column *column, struct bytes plain, uint8_t space[16],
	struct bytes *out)
{
	size_t width = column_type_width(column->type);
	if (width == 0) {
		*out = plain;
		return true;
	}
	*out = bytes_of(space, width);
	if (column->layout.type == PHYSICAL_BOOLEAN) {
		space[0] = plain.size == 1 && plain.data[0];
		return plain.size == 1;
	}
	return column->layout.width > 0 && plain.size == column->layout.width &&
	       decode_plain(column, &plain, space, 1) && !is_nan(column->type, space);
}

bool parquet_reader_bounds(struct parquet_reader *reader, size_t row_group, size_t column,
	struct bytes *lower, struct bytes *upper)
{
	assert(column < reader->column_count);
	const struct found_column *found = &reader->columns[column];
	const struct row_group *group = row_group_at(reader, row_group);
	if (!found->is_found || !has_type_order(reader, found->leaf))
		return false;
	const struct column_chunk *chunks = group->columns.items;
	const struct statistics *statistics = &chunks[found->leaf].metadata.statistics;
	return THRIFT_HAS(&chunks[found->leaf].metadata, COLUMN_STATISTICS) &&
	       THRIFT_HAS(statistics, STATISTICS_MIN_VALUE) &&
	       THRIFT_HAS(statistics, STATISTICS_MAX_VALUE) &&
	       decode_bound(&found->decoding, statistics->min_value, reader->bounds[0], lower) &&
	       decode_bound(&found->decoding, statistics->max_value, reader->bounds[1], upper);
}

/* ---- rows ---- */

bool parquet_reader_begin(struct parquet_reader *reader, size_t row_group, const size_t *columns,
	size_t column_count, struct error *err)
{
	assert(column_count <= reader->column_count);
	const struct row_group *group = row_group_at(reader, row_group);
	const struct column_chunk *chunks = group->columns.items;
	reader->rows_left = 0;
	reader->chosen_count = column_count;
	for (size_t i = 0; i < column_count; i++) {
		assert(columns[i] < reader->column_count);
		const struct found_column *found = &reader->columns[columns[i]];
		reader->chosen[i] = found;
		if (!found->is_found)
			continue;
		if (!check_chunk(reader, group, found, err))
			return false;
		const struct column_metadata *metadata = &chunks[found->leaf].metadata;
		struct decoder *decoder = &reader->decoders[i];
		pages_begin(&decoder->pages, (enum codec)metadata->codec,
			column_chunk_start(metadata), (uint64_t)metadata->compressed_size);
		decoder_begin(decoder, &found->decoding, (uint64_t)group->row_count);
	}
	reader->rows_left = (uint64_t)group->row_count;
	return true;
}

static bool read_column(struct parquet_reader *reader, size_t index, struct column *out,
	size_t rows, struct error *err)
{
	const struct found_column *found = reader->chosen[index];
	assert(column_type_equal(out->type, found->column.type));
	if (found->is_found)
		return decoder_read(&reader->decoders[index], out, rows, err);
	for (size_t row = 0; row < rows; row++)
		column_append_null(out);
	return true;
}

bool parquet_reader_next(struct parquet_reader *reader, struct batch *out, size_t rows_max,
	size_t *got, struct error *err)
{
	assert(out->column_count == reader->chosen_count);
	size_t rows = rows_max < reader->rows_left ? rows_max : (size_t)reader->rows_left;
	for (size_t i = 0; i < out->column_count; i++)
		if (!read_column(reader, i, &out->columns[i], rows, err)) {
			batch_cancel_row(out);
			reader->rows_left = 0;
			return false;
		}
	out->row_count += rows;
	reader->rows_left -= rows;
	*got = rows;
	return true;
}

bool parquet_reader_skip(struct parquet_reader *reader, uint64_t rows, struct error *err)
{
	if (rows > reader->rows_left)
		rows = reader->rows_left;
	for (size_t i = 0; i < reader->chosen_count; i++)
		if (reader->chosen[i]->is_found && !decoder_skip(&reader->decoders[i], rows, err)) {
			reader->rows_left = 0;
			return false;
		}
	reader->rows_left -= rows;
	return true;
}
