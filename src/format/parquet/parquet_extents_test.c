#include "format/parquet/parquet_extents.h"

#include "base/test.h"
#include "format/parquet/footer_internal.h"
#include "format/parquet/parquet_fixture.h"

enum {
	ROWS = 5000,
	COLUMNS = 3
};

static const struct parquet_column FIELDS[COLUMNS] = {
	{ "id", 11, { VALUE_LONG, 0, 0 }, true, 0, 0 },
	{ "name", 12, { VALUE_STRING, 0, 0 }, false, 0, 0 },
	{ "price", 13, { VALUE_DOUBLE, 0, 0 }, false, 0, 0 },
};

/* Three columns in row groups of 1000 rows. */
static void write_file(struct buffer *out, struct arena *arena)
{
	const struct parquet_writer_options options = { .row_group_rows = 1000 };
	const struct parquet_sink sink = parquet_fixture_sink(out);
	struct column_type types[COLUMNS];
	struct parquet_file_info info;
	struct parquet_writer *writer;
	struct batch batch;
	struct error err;
	for (size_t i = 0; i < COLUMNS; i++)
		types[i] = FIELDS[i].type;
	batch_init(&batch, types, COLUMNS);
	for (int64_t row = 0; row < ROWS; row++) {
		const double price = (double)row / 3;
		const char *name = arena_format(arena, "name %d", (int)(row * 7 % 997));
		column_append_fixed(&batch.columns[0], &row);
		column_append_bytes(&batch.columns[1], bytes_of_cstring(name));
		column_append_fixed(&batch.columns[2], &price);
		batch_finish_row(&batch);
	}
	CHECK_OK(parquet_writer_open(FIELDS, COLUMNS, &options, sink, &writer, &err), &err);
	CHECK_OK(parquet_writer_write(writer, &batch, NULL, 0, &err), &err);
	CHECK_OK(parquet_writer_finish(writer, arena, &info, &err), &err);
	parquet_writer_close(writer);
	batch_deinit(&batch);
}

/* All rows of one column, by a reader that sees what is in its extents and 0xAA elsewhere. */
static void read_alone(const struct buffer *file, const struct parquet_extents *extents,
	size_t column, struct batch *out)
{
	struct buffer holes = { 0 };
	struct error err;
	buffer_append_bytes(&holes, buffer_bytes(file));
	memset(holes.data, 0xAA, extents->footer_start);
	for (size_t i = 0; i < extents->count; i++) {
		const struct parquet_extent *extent = &extents->items[i];
		if (extent->field_id == FIELDS[column].field_id)
			memcpy(holes.data + extent->start, file->data + extent->start,
				extent->end - extent->start);
	}
	struct bytes bytes = buffer_bytes(&holes);
	const struct parquet_source source = parquet_fixture_source(&bytes);
	const size_t first = 0;
	struct parquet_reader *reader;
	CHECK_OK(parquet_reader_open(&source, &FIELDS[column], 1, NULL, &reader, &err), &err);
	for (size_t i = 0; i < parquet_reader_row_group_count(reader); i++) {
		size_t got;
		CHECK_OK(parquet_reader_begin(reader, i, &first, 1, &err), &err);
		CHECK_OK(parquet_reader_next(reader, out, ROWS, &got, &err), &err);
	}
	parquet_reader_close(reader);
	buffer_deinit(&holes);
}

TEST(a_column_is_read_from_its_extents_alone)
{
	struct arena arena = { 0 };
	struct buffer file = { 0 };
	struct parquet_extents extents;
	struct error err;
	write_file(&file, &arena);
	struct bytes bytes = buffer_bytes(&file);
	const struct parquet_source source = parquet_fixture_source(&bytes);
	CHECK_OK(parquet_extents_read(&source, &arena, &extents, &err), &err);
	CHECK_EQUAL(extents.count, COLUMNS * ROWS / 1000);
	CHECK_EQUAL(extents.items[0].start, PARQUET_MAGIC_SIZE);
	for (size_t i = 0; i < extents.count; i++) {
		const bool is_last = i + 1 == extents.count;
		CHECK_EQUAL(extents.items[i].end,
			is_last ? extents.footer_start : extents.items[i + 1].start);
		CHECK_EQUAL(extents.items[i].field_id, 11 + (int64_t)(i % COLUMNS));
	}
	for (size_t column = 0; column < COLUMNS; column++) {
		struct batch batch;
		batch_init(&batch, &FIELDS[column].type, 1);
		read_alone(&file, &extents, column, &batch);
		CHECK_EQUAL(batch.row_count, ROWS);
		const int64_t id = 4321;
		CHECK(column != 0 ||
			memcmp(column_fixed(&batch.columns[0], 4321), &id, sizeof id) == 0);
		batch_deinit(&batch);
	}
	buffer_deinit(&file);
	arena_deinit(&arena);
}

/* A file of one row group whose footer is made here; its other bytes are zeros. */
static bool read_made(
	struct column_chunk *chunks, size_t count, struct parquet_extents *out, struct arena *arena)
{
	struct schema_element elements[4] = { { .present = THRIFT_BIT(SCHEMA_NAME) |
							   THRIFT_BIT(SCHEMA_CHILD_COUNT),
		.child_count = (int32_t)count } };
	for (size_t i = 0; i < count; i++) {
		elements[i + 1] = (struct schema_element){
			.present = THRIFT_BIT(SCHEMA_NAME) | THRIFT_BIT(SCHEMA_TYPE) |
				   THRIFT_BIT(SCHEMA_FIELD_ID),
			.field_id = (int32_t)i + 1,
		};
		chunks[i].present |= THRIFT_BIT(CHUNK_METADATA);
		chunks[i].metadata.present |=
			THRIFT_BIT(COLUMN_TYPE) | THRIFT_BIT(COLUMN_CODEC) |
			THRIFT_BIT(COLUMN_VALUE_COUNT) | THRIFT_BIT(COLUMN_UNCOMPRESSED_SIZE) |
			THRIFT_BIT(COLUMN_COMPRESSED_SIZE) | THRIFT_BIT(COLUMN_DATA_PAGE_OFFSET);
	}
	struct row_group group = { .present = THRIFT_BIT(1) | THRIFT_BIT(3),
		.columns = { chunks, count } };
	const struct file_metadata metadata = {
		.present = THRIFT_BIT(2) | THRIFT_BIT(3) | THRIFT_BIT(4),
		.schema = { elements, count + 1 },
		.row_groups = { &group, 1 },
	};
	struct buffer file = { 0 };
	struct error err;
	buffer_append(&file, PARQUET_MAGIC, PARQUET_MAGIC_SIZE);
	buffer_reserve(&file, 996);
	memset(file.data + 4, 0, 996);
	file.size = 1000;
	thrift_encode(&file, &FILE_METADATA_RECORD, &metadata);
	buffer_append_u32le(&file, (uint32_t)(file.size - 1000));
	buffer_append(&file, PARQUET_MAGIC, PARQUET_MAGIC_SIZE);
	struct bytes bytes = buffer_bytes(&file);
	const struct parquet_source source = parquet_fixture_source(&bytes);
	const bool ok = parquet_extents_read(&source, arena, out, &err);
	CHECK(ok || err.kind == ERROR_CORRUPT);
	buffer_deinit(&file);
	return ok;
}

static struct column_chunk chunk_at(int64_t dictionary, int64_t data, int64_t size)
{
	return (struct column_chunk){
		.metadata = {
			.present = dictionary > 0 ? THRIFT_BIT(COLUMN_DICTIONARY_PAGE_OFFSET) : 0,
			.dictionary_page_offset = dictionary,
			.data_page_offset = data,
			.compressed_size = size,
		},
	};
}

static void check_extent(
	const struct parquet_extents *extents, size_t index, int32_t field_id, int start, int end)
{
	CHECK(index < extents->count);
	CHECK_EQUAL(extents->items[index].field_id, field_id);
	CHECK_EQUAL(extents->items[index].start, start);
	CHECK_EQUAL(extents->items[index].end, end);
}

TEST(bloom_filters_and_page_indexes_belong_to_their_columns)
{
	struct arena arena = { 0 };
	struct parquet_extents extents;
	struct column_chunk chunks[2] = { chunk_at(4, 50, 100), chunk_at(0, 120, 80) };
	chunks[0].metadata.present |= THRIFT_BIT(COLUMN_BLOOM_FILTER_OFFSET); /* without a length */
	chunks[0].metadata.bloom_filter_offset = 300;
	chunks[1].metadata.present |=
		THRIFT_BIT(COLUMN_BLOOM_FILTER_OFFSET) | THRIFT_BIT(COLUMN_BLOOM_FILTER_LENGTH);
	chunks[1].metadata.bloom_filter_offset = 400;
	chunks[1].metadata.bloom_filter_length = 100;
	chunks[0].present =
		THRIFT_BIT(CHUNK_OFFSET_INDEX_OFFSET) | THRIFT_BIT(CHUNK_OFFSET_INDEX_LENGTH) |
		THRIFT_BIT(CHUNK_COLUMN_INDEX_OFFSET) | THRIFT_BIT(CHUNK_COLUMN_INDEX_LENGTH);
	chunks[0].column_index_offset = 600;
	chunks[0].column_index_length = 10;
	chunks[0].offset_index_offset = 700;
	chunks[0].offset_index_length = 10;
	CHECK(read_made(chunks, 2, &extents, &arena));
	CHECK_EQUAL(extents.count, 6);
	CHECK_EQUAL(extents.footer_start, 1000);
	check_extent(&extents, 0, 1, 4, 120);
	check_extent(&extents, 1, 2, 120, 300);
	check_extent(&extents, 2, 1, 300, 400);
	check_extent(&extents, 3, 2, 400, 600);
	check_extent(&extents, 4, 1, 600, 700);
	check_extent(&extents, 5, 1, 700, 1000);
	arena_deinit(&arena);
}

TEST(extents_that_cannot_be_are_refused)
{
	struct arena arena = { 0 };
	struct parquet_extents extents;
	CHECK(read_made((struct column_chunk[]){ chunk_at(0, 4, 996) }, 1, &extents, &arena));
	CHECK(!read_made((struct column_chunk[]){ chunk_at(0, 4, 997) }, 1, &extents, &arena));
	CHECK(!read_made((struct column_chunk[]){ chunk_at(0, 3, 9) }, 1, &extents, &arena));
	CHECK(!read_made((struct column_chunk[]){ chunk_at(0, -4, 9) }, 1, &extents, &arena));
	CHECK(!read_made((struct column_chunk[]){ chunk_at(0, 1000, 0) }, 1, &extents, &arena));
	CHECK(!read_made((struct column_chunk[]){ chunk_at(0, 4, -1) }, 1, &extents, &arena));
	CHECK(!read_made((struct column_chunk[]){ chunk_at(99, 4, 9) }, 1, &extents, &arena));
	CHECK(!read_made(
		(struct column_chunk[]){ chunk_at(0, 4, INT64_MAX) }, 1, &extents, &arena));
	CHECK(read_made((struct column_chunk[]){ chunk_at(0, 4, 0), chunk_at(0, 4, 96) }, 2,
		&extents, &arena));
	check_extent(&extents, 0, extents.items[0].field_id, 4, 1000);
	check_extent(&extents, 1, extents.items[1].field_id, 4, 1000);
	CHECK(!read_made((struct column_chunk[]){ chunk_at(0, 4, 97), chunk_at(0, 100, 9) }, 2,
		&extents, &arena));
	CHECK(!read_made((struct column_chunk[]){ chunk_at(0, 900, 9), chunk_at(0, 100, 801) }, 2,
		&extents, &arena));
	arena_deinit(&arena);
}

TEST(a_damaged_footer_gives_an_error_or_extents_within_the_file)
{
	struct arena arena = { 0 };
	struct buffer file = { 0 };
	struct parquet_extents extents;
	struct error err;
	write_file(&file, &arena);
	struct bytes whole = buffer_bytes(&file);
	struct parquet_source source = parquet_fixture_source(&whole);
	CHECK_OK(parquet_extents_read(&source, &arena, &extents, &err), &err);
	const size_t footer = extents.footer_start;
	for (size_t size = footer; size < whole.size; size++) {
		struct bytes cut = bytes_of(whole.data, size);
		source = parquet_fixture_source(&cut);
		CHECK(!parquet_extents_read(&source, &arena, &extents, &err));
	}
	source = parquet_fixture_source(&whole);
	for (size_t bit = footer * 8; bit < whole.size * 8; bit += 3) {
		struct arena decoded = { 0 };
		file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (parquet_extents_read(&source, &decoded, &extents, &err))
			for (size_t i = 0; i < extents.count; i++)
				CHECK(extents.items[i].end <= whole.size);
		file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		arena_deinit(&decoded);
	}
	buffer_deinit(&file);
	arena_deinit(&arena);
}
