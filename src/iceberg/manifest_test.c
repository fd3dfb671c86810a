#include "iceberg/manifest.h"

#include "base/test.h"
#include "base/world.h"

static void read_corpus(const char *name, struct buffer *out)
{
	char path[512];
	struct error err = { 0 };
	snprintf(path, sizeof path, WALBERG_CORPUS "/manifest/%s", name);
	buffer_reset(out);
	CHECK_OK(world_read_file(world_posix(), path, 1 << 24, out, &err), &err);
}

static struct schema_field FIELDS[] = {
	{ 1, "id", true, { VALUE_LONG, 0, 0 }, NULL },
	{ 2, "name", false, { VALUE_STRING, 0, 0 }, NULL },
	{ 3, "price", false, { VALUE_DOUBLE, 0, 0 }, NULL },
};
static int32_t IDENTIFIERS[] = { 1 };
static const struct schema SCHEMA = { 0, 3, FIELDS, 1, IDENTIFIERS, NULL };

static struct column_metrics COLUMNS[] = {
	{ .field_id = 1,
		.has_size = true,
		.has_value_count = true,
		.has_null_count = true,
		.has_lower = true,
		.has_upper = true,
		.size_bytes = 48,
		.value_count = 3,
		.lower = BYTES_LITERAL("\1\0\0\0\0\0\0\0"),
		.upper = BYTES_LITERAL("\3\0\0\0\0\0\0\0") },
	{ .field_id = 2,
		.has_size = true,
		.has_value_count = true,
		.has_null_count = true,
		.has_lower = true,
		.has_upper = true,
		.size_bytes = 61,
		.value_count = 3,
		.null_count = 1,
		.lower = BYTES_LITERAL("anna"),
		.upper = BYTES_LITERAL("zoe") },
	{ .field_id = 3, /* NaN only: no bounds */
		.has_value_count = true,
		.has_null_count = true,
		.has_nan_count = true,
		.value_count = 3,
		.nan_count = 3 },
};
static int64_t SPLIT_OFFSETS[] = { 4 };
#define DATA_PATH "file:///lake/public/orders/data/1.parquet"

static struct manifest_entry data_entry(enum manifest_entry_status status)
{
	return (struct manifest_entry){ .status = status,
		.has_snapshot_id = true,
		.has_sequence_number = status != ENTRY_ADDED,
		.has_file_sequence_number = status != ENTRY_ADDED,
		.snapshot_id = 8888888888888888888,
		.sequence_number = 3,
		.file_sequence_number = 4,
		.data_file = { .path = DATA_PATH,
			.format = "PARQUET",
			.record_count = 3,
			.file_size_in_bytes = 1234,
			.column_count = 3,
			.columns = COLUMNS,
			.split_offset_count = 1,
			.split_offsets = SPLIT_OFFSETS,
			.has_sort_order_id = true } };
}

static struct manifest_entry delete_entry(void)
{
	static struct column_metrics path = { .field_id = FIELD_ID_DELETE_FILE_PATH,
		.has_lower = true,
		.has_upper = true,
		.lower = BYTES_LITERAL(DATA_PATH),
		.upper = BYTES_LITERAL(DATA_PATH) };
	return (struct manifest_entry){ .status = ENTRY_ADDED,
		.has_snapshot_id = true,
		.snapshot_id = 8888888888888888888,
		.data_file = { .content = FILE_CONTENT_POSITION_DELETES,
			.path = "file:///lake/public/orders/data/1-deletes.parquet",
			.format = "PARQUET",
			.record_count = 1,
			.file_size_in_bytes = 600,
			.column_count = 1,
			.columns = &path,
			.referenced_data_file = DATA_PATH } };
}

static const struct manifest_file FROM = {
	.manifest_path = "file:///lake/public/orders/metadata/m0.avro",
	.manifest_length = 2000,
	.sequence_number = 5,
	.min_sequence_number = 3,
	.added_snapshot_id = 8888888888888888888,
	.added_files_count = 1,
	.added_rows_count = 3,
};

static struct manifest_options options_of(
	int32_t version, enum manifest_content content, enum avro_codec codec)
{
	return (struct manifest_options){ .format_version = version,
		.content = content,
		.schema = &SCHEMA,
		.codec = codec,
		.sync = "0123456789abcde" };
}

static void decode(struct bytes bytes, const struct manifest_file *from, struct arena *arena,
	struct manifest *out)
{
	struct error err = { 0 };
	CHECK_OK(manifest_decode(bytes, from, &AVRO_LIMITS_DEFAULT, arena, out, &err), &err);
}

static void check_column(const struct column_metrics *a, const struct column_metrics *b)
{
	CHECK_EQUAL(a->field_id, b->field_id);
	CHECK(a->has_size == b->has_size && a->size_bytes == b->size_bytes);
	CHECK(a->has_value_count == b->has_value_count && a->value_count == b->value_count);
	CHECK(a->has_null_count == b->has_null_count && a->null_count == b->null_count);
	CHECK(a->has_nan_count == b->has_nan_count && a->nan_count == b->nan_count);
	CHECK(a->has_lower == b->has_lower && bytes_equal(a->lower, b->lower));
	CHECK(a->has_upper == b->has_upper && bytes_equal(a->upper, b->upper));
}

TEST(a_manifest_reads_back_with_both_codecs)
{
	for (int codec = AVRO_CODEC_NULL; codec <= AVRO_CODEC_DEFLATE; codec++) {
		struct arena arena = { 0 };
		struct buffer bytes = { 0 };
		struct manifest manifest;
		const struct manifest_options options =
			options_of(2, MANIFEST_DATA, (enum avro_codec)codec);
		const struct manifest_entry entries[] = { data_entry(ENTRY_EXISTING),
			data_entry(ENTRY_ADDED), data_entry(ENTRY_DELETED) };
		manifest_encode(&options, entries, 3, &bytes);
		decode(buffer_bytes(&bytes), &FROM, &arena, &manifest);
		buffer_deinit(&bytes); /* nothing points into it */
		CHECK_EQUAL(manifest.format_version, 2);
		CHECK_EQUAL(manifest.content, MANIFEST_DATA);
		CHECK(!manifest.is_partitioned);
		CHECK_EQUAL(manifest.entry_count, 3);
		const struct data_file *file = &manifest.entries[2].data_file;
		CHECK_EQUAL(manifest.entries[2].status, ENTRY_DELETED);
		CHECK_TEXT(file->path, DATA_PATH);
		CHECK_TEXT(file->format, "PARQUET");
		CHECK_EQUAL(file->record_count, 3);
		CHECK_EQUAL(file->file_size_in_bytes, 1234);
		CHECK_EQUAL(file->split_offset_count, 1);
		CHECK_EQUAL(file->split_offsets[0], 4);
		CHECK(file->has_sort_order_id && file->sort_order_id == 0);
		CHECK(file->referenced_data_file == NULL);
		CHECK_EQUAL(file->column_count, 3);
		for (size_t i = 0; i < 3; i++)
			check_column(&file->columns[i], &COLUMNS[i]);
		const struct data_file copy = data_file_copy(file, &arena);
		check_column(&copy.columns[1], &COLUMNS[1]);
		arena_deinit(&arena);
	}
}

TEST(added_entries_inherit_their_sequence_numbers_and_others_do_not)
{
	struct arena arena = { 0 };
	struct buffer bytes = { 0 };
	struct manifest manifest;
	const struct manifest_options options = options_of(2, MANIFEST_DATA, AVRO_CODEC_NULL);
	struct manifest_entry entries[] = { data_entry(ENTRY_ADDED), data_entry(ENTRY_EXISTING) };
	entries[0].has_snapshot_id = false;
	manifest_encode(&options, entries, 2, &bytes);
	decode(buffer_bytes(&bytes), &FROM, &arena, &manifest);
	CHECK_EQUAL(manifest.entries[0].sequence_number, 5);
	CHECK_EQUAL(manifest.entries[0].file_sequence_number, 5);
	CHECK_EQUAL(manifest.entries[0].snapshot_id, 8888888888888888888);
	CHECK_EQUAL(manifest.entries[1].sequence_number, 3);
	CHECK_EQUAL(manifest.entries[1].file_sequence_number, 4);
	arena_deinit(&arena);
	buffer_deinit(&bytes);
}

/* Status is the first byte of the first entry: 2 is ADDED, 0 is EXISTING in zigzag. */
TEST(an_existing_entry_without_sequence_numbers_is_corrupt)
{
	struct arena arena = { 0 };
	struct buffer bytes = { 0 };
	struct error err = { 0 };
	struct manifest manifest;
	struct avro_reader reader;
	struct reader items;
	size_t count;
	const struct manifest_options options = options_of(2, MANIFEST_DATA, AVRO_CODEC_NULL);
	const struct manifest_entry entry = data_entry(ENTRY_ADDED);
	manifest_encode(&options, &entry, 1, &bytes);
	CHECK_OK(
		avro_reader_open(&reader, buffer_bytes(&bytes), &AVRO_LIMITS_DEFAULT, &arena, &err),
		&err);
	CHECK_OK(avro_reader_next(&reader, &items, &count, &err), &err);
	bytes.data[items.input.data - bytes.data] = 0;
	CHECK(!manifest_decode(
		buffer_bytes(&bytes), &FROM, &AVRO_LIMITS_DEFAULT, &arena, &manifest, &err));
	CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	arena_deinit(&arena);
	buffer_deinit(&bytes);
}

TEST(a_delete_file_names_the_data_file_that_it_is_for)
{
	struct arena arena = { 0 };
	struct buffer bytes = { 0 };
	struct manifest manifest;
	const struct manifest_options options = options_of(2, MANIFEST_DELETES, AVRO_CODEC_DEFLATE);
	const struct manifest_entry entry = delete_entry();
	manifest_encode(&options, &entry, 1, &bytes);
	decode(buffer_bytes(&bytes), &FROM, &arena, &manifest);
	struct data_file *file = &manifest.entries[0].data_file;
	CHECK_EQUAL(manifest.content, MANIFEST_DELETES);
	CHECK_EQUAL(file->content, FILE_CONTENT_POSITION_DELETES);
	CHECK_TEXT(data_file_target(file, &arena), DATA_PATH);
	file->referenced_data_file = NULL; /* then by the bounds of file_path */
	CHECK_TEXT(data_file_target(file, &arena), DATA_PATH);
	file->columns[0].upper = BYTES_LITERAL("file:///lake/publid");
	CHECK(data_file_target(file, &arena) == NULL);
	arena_deinit(&arena);
	buffer_deinit(&bytes);
}

TEST(version_3_fields_are_written_and_row_ids_are_inherited)
{
	struct arena arena = { 0 };
	struct buffer bytes = { 0 };
	struct manifest manifest;
	struct manifest_file from = FROM;
	from.has_first_row_id = true;
	from.first_row_id = 100;
	const struct manifest_options options = options_of(3, MANIFEST_DATA, AVRO_CODEC_NULL);
	struct manifest_entry entries[] = { data_entry(ENTRY_ADDED), data_entry(ENTRY_EXISTING),
		data_entry(ENTRY_ADDED) };
	entries[1].data_file.has_first_row_id = true;
	entries[1].data_file.first_row_id = 7;
	manifest_encode(&options, entries, 3, &bytes);
	decode(buffer_bytes(&bytes), &from, &arena, &manifest);
	CHECK_EQUAL(manifest.entries[0].data_file.first_row_id, 100);
	CHECK_EQUAL(manifest.entries[1].data_file.first_row_id, 7);
	CHECK_EQUAL(manifest.entries[2].data_file.first_row_id, 103);
	arena_deinit(&arena);
	buffer_deinit(&bytes);
}

TEST(a_manifest_file_counts_its_entries)
{
	struct manifest_entry entries[] = { data_entry(ENTRY_ADDED), data_entry(ENTRY_EXISTING),
		data_entry(ENTRY_DELETED), data_entry(ENTRY_DELETED) };
	entries[2].sequence_number = 1; /* gone: it does not count for the least number */
	struct manifest_file file = { .manifest_length = 77 };
	manifest_file_count(&file, entries, 4, 9);
	CHECK_EQUAL(file.added_files_count, 1);
	CHECK_EQUAL(file.existing_files_count, 1);
	CHECK_EQUAL(file.deleted_files_count, 2);
	CHECK_EQUAL(file.deleted_rows_count, 6);
	CHECK_EQUAL(file.min_sequence_number, 3);
	CHECK_EQUAL(file.manifest_length, 77);
	manifest_file_count(&file, entries, 1, 9);
	CHECK_EQUAL(file.min_sequence_number, 9);
}

static void encode_list(int32_t version, enum avro_codec codec, struct buffer *out)
{
	struct manifest_list_options options = { .format_version = version,
		.snapshot_id = 8888888888888888888,
		.sequence_number = 5,
		.codec = codec,
		.sync = "0123456789abcde" };
	struct manifest_file files[] = { FROM, FROM };
	files[1].manifest_path = "file:///lake/public/orders/metadata/m1.avro";
	files[1].content = MANIFEST_DELETES;
	files[1].has_first_row_id = version >= 3;
	files[1].first_row_id = 12;
	manifest_list_encode(&options, files, 2, out);
}

TEST(a_manifest_list_reads_back)
{
	for (int32_t version = 2; version <= 3; version++) {
		struct arena arena = { 0 };
		struct buffer bytes = { 0 };
		struct error err = { 0 };
		struct manifest_file *files;
		size_t count;
		encode_list(version, AVRO_CODEC_DEFLATE, &bytes);
		CHECK_OK(manifest_list_decode(buffer_bytes(&bytes), &AVRO_LIMITS_DEFAULT, &arena,
				 &files, &count, &err),
			&err);
		buffer_deinit(&bytes);
		CHECK_EQUAL(count, 2);
		CHECK_TEXT(files[0].manifest_path, FROM.manifest_path);
		CHECK_EQUAL(files[0].manifest_length, 2000);
		CHECK_EQUAL(files[0].sequence_number, 5);
		CHECK_EQUAL(files[0].min_sequence_number, 3);
		CHECK_EQUAL(files[0].added_snapshot_id, 8888888888888888888);
		CHECK_EQUAL(files[0].added_files_count, 1);
		CHECK_EQUAL(files[0].added_rows_count, 3);
		CHECK_EQUAL(files[1].content, MANIFEST_DELETES);
		CHECK(files[1].has_first_row_id == (version == 3));
		arena_deinit(&arena);
	}
}

/* Documentation is all that may differ. */
static void strip_docs(json_t *json)
{
	const char *key;
	json_t *value;
	size_t i;
	json_object_del(json, "doc");
	json_object_foreach(json, key, value) strip_docs(value);
	json_array_foreach(json, i, value) strip_docs(value);
}

static json_t *schema_of(struct bytes file)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct avro_reader reader;
	json_t *json = NULL;
	CHECK_OK(avro_reader_open(&reader, file, &AVRO_LIMITS_DEFAULT, &arena, &err), &err);
	CHECK_OK(json_parse(reader.schema_json, 1 << 20, &json, &err), &err);
	arena_deinit(&arena);
	strip_docs(json);
	return json;
}

static void check_same_schema(struct bytes ours, const char *theirs)
{
	struct buffer file = { 0 };
	read_corpus(theirs, &file);
	json_t *a = schema_of(ours), *b = schema_of(buffer_bytes(&file));
	CHECK(json_equal(a, b));
	json_decref(a);
	json_decref(b);
	buffer_deinit(&file);
}

TEST(the_avro_schemas_are_those_of_javas_writer)
{
	struct buffer manifest = { 0 }, list = { 0 };
	const struct manifest_options options = options_of(3, MANIFEST_DATA, AVRO_CODEC_NULL);
	const struct manifest_entry entry = data_entry(ENTRY_ADDED);
	manifest_encode(&options, &entry, 1, &manifest);
	check_same_schema(buffer_bytes(&manifest), "trino-v3-data.avro");
	encode_list(3, AVRO_CODEC_DEFLATE, &list);
	check_same_schema(buffer_bytes(&list), "trino-v3-list.avro");
	buffer_deinit(&manifest);
	buffer_deinit(&list);
}

TEST(a_manifest_list_by_trino_is_read)
{
	struct arena arena = { 0 };
	struct buffer file = { 0 };
	struct error err = { 0 };
	struct manifest_file *files;
	size_t count;
	read_corpus("trino-v3-list.avro", &file);
	CHECK_OK(manifest_list_decode(
			 buffer_bytes(&file), &AVRO_LIMITS_DEFAULT, &arena, &files, &count, &err),
		&err);
	int64_t rows = 0, deleted = 0;
	for (size_t i = 0; i < count; i++) {
		if (files[i].content == MANIFEST_DATA)
			rows += files[i].added_rows_count + files[i].existing_rows_count;
		else
			deleted += files[i].added_rows_count + files[i].existing_rows_count;
		CHECK_EQUAL(files[i].partition_field_count, 0);
	}
	CHECK_EQUAL(rows, 16);   /* total-records of the snapshot */
	CHECK_EQUAL(deleted, 8); /* total-position-deletes */
	arena_deinit(&arena);
	buffer_deinit(&file);
}

TEST(manifests_by_trino_are_read)
{
	struct arena arena = { 0 };
	struct buffer file = { 0 };
	struct manifest manifest;
	read_corpus("trino-v3-append.avro", &file);
	decode(buffer_bytes(&file), &FROM, &arena, &manifest);
	CHECK_EQUAL(manifest.format_version, 3);
	CHECK_EQUAL(manifest.entry_count, 1);
	CHECK_EQUAL(manifest.entries[0].status, ENTRY_ADDED);
	const struct data_file *data = &manifest.entries[0].data_file;
	CHECK_EQUAL(data->record_count, 8);
	CHECK_EQUAL(data->file_size_in_bytes, 371);
	CHECK_EQUAL(data->column_count, 2);
	CHECK(bytes_equal(data->columns[0].lower, BYTES_LITERAL("\10\0\0\0")));
	CHECK(bytes_equal(data->columns[0].upper, BYTES_LITERAL("\17\0\0\0")));

	read_corpus("trino-v3-deletes.avro", &file);
	decode(buffer_bytes(&file), &FROM, &arena, &manifest);
	CHECK_EQUAL(manifest.content, MANIFEST_DELETES);
	for (size_t i = 0; i < manifest.entry_count; i++) {
		CHECK_TEXT(manifest.entries[i].data_file.format, "PUFFIN");
		CHECK(manifest.entries[i].data_file.has_content);
		CHECK(manifest.entries[i].data_file.referenced_data_file != NULL);
	}
	arena_deinit(&arena);
	buffer_deinit(&file);
}

TEST(metrics_in_any_order_are_put_together_by_column)
{
	struct arena arena = { 0 };
	struct buffer bytes = { 0 };
	struct manifest manifest;
	const struct manifest_options options = options_of(2, MANIFEST_DATA, AVRO_CODEC_NULL);
	struct manifest_entry entry = data_entry(ENTRY_ADDED);
	/* the same metrics, one part an item, in an order that no map shares with the next */
	struct column_metrics parts[9];
	size_t count = 0;
	for (int i = 2; i >= 0; i--) {
		parts[count] = (struct column_metrics){ .field_id = COLUMNS[i].field_id };
		parts[count].has_value_count = true;
		parts[count++].value_count = COLUMNS[i].value_count;
	}
	for (int i = 0; i < 3; i++) {
		parts[count] = COLUMNS[i];
		parts[count].value_count = 0;
		parts[count++].has_value_count = false;
	}
	entry.data_file.columns = parts;
	entry.data_file.column_count = count;
	manifest_encode(&options, &entry, 1, &bytes);
	decode(buffer_bytes(&bytes), &FROM, &arena, &manifest);
	CHECK_EQUAL(manifest.entries[0].data_file.column_count, 3);
	for (size_t i = 0; i < 3; i++)
		check_column(&manifest.entries[0].data_file.columns[i], &COLUMNS[i]);
	arena_deinit(&arena);
	buffer_deinit(&bytes);
}

static void check_cut_and_flipped(const char *name)
{
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct manifest manifest;
	struct manifest_file *files;
	size_t count;
	read_corpus(name, &file);
	for (size_t bit = 0; bit < file.size * 8; bit += 61) {
		const struct bytes cut = bytes_of(file.data, bit / 8);
		file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		for (int i = 0; i < 2; i++) {
			const struct bytes bytes = i ? cut : buffer_bytes(&file);
			(void)!manifest_decode(
				bytes, &FROM, &AVRO_LIMITS_DEFAULT, &arena, &manifest, &err);
			(void)!manifest_list_decode(
				bytes, &AVRO_LIMITS_DEFAULT, &arena, &files, &count, &err);
		}
		file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		arena_reset(&arena);
	}
	arena_deinit(&arena);
	buffer_deinit(&file);
}

TEST(manifests_cut_or_with_a_flipped_bit_never_break_the_reader)
{
	check_cut_and_flipped("trino-v3-data.avro");
	check_cut_and_flipped("trino-v3-list.avro");
}

TEST(a_manifest_cut_inside_its_entries_is_corrupt)
{
	struct arena arena = { 0 };
	struct buffer bytes = { 0 }, twice = { 0 };
	struct error err = { 0 };
	struct manifest manifest;
	const struct manifest_options options = options_of(2, MANIFEST_DATA, AVRO_CODEC_NULL);
	const struct manifest_entry entries[] = { data_entry(ENTRY_ADDED),
		data_entry(ENTRY_ADDED) };
	manifest_encode(&options, entries, 1, &bytes);
	manifest_encode(&options, entries, 2, &twice);
	const size_t header_size = bytes.size - (twice.size - bytes.size) - AVRO_SYNC_SIZE - 8;
	for (size_t size = header_size + 40; size < twice.size; size++) {
		CHECK(!manifest_decode(bytes_of(twice.data, size), &FROM, &AVRO_LIMITS_DEFAULT,
			&arena, &manifest, &err));
		CHECK_EQUAL(err.kind, ERROR_CORRUPT);
		arena_reset(&arena);
	}
	arena_deinit(&arena);
	buffer_deinit(&bytes);
	buffer_deinit(&twice);
}

static void check_golden(const char *name, struct bytes bytes)
{
	struct buffer golden = { 0 };
	read_corpus(name, &golden);
	CHECK(bytes_equal(buffer_bytes(&golden), bytes));
	buffer_deinit(&golden);
}

/* PyIceberg 0.12 has read these very bytes. */
TEST(manifests_have_the_bytes_that_pyiceberg_was_seen_to_read)
{
	struct buffer bytes = { 0 };
	const struct manifest_entry data[] = { data_entry(ENTRY_EXISTING), data_entry(ENTRY_ADDED),
		data_entry(ENTRY_DELETED) };
	struct manifest_options options = options_of(2, MANIFEST_DATA, AVRO_CODEC_NULL);
	manifest_encode(&options, data, 3, &bytes);
	check_golden("walberg-v2-data.avro", buffer_bytes(&bytes));

	const struct manifest_entry deletes = delete_entry();
	options = options_of(2, MANIFEST_DELETES, AVRO_CODEC_NULL);
	buffer_reset(&bytes);
	manifest_encode(&options, &deletes, 1, &bytes);
	check_golden("walberg-v2-deletes.avro", buffer_bytes(&bytes));

	buffer_reset(&bytes);
	encode_list(2, AVRO_CODEC_NULL, &bytes);
	check_golden("walberg-v2-list.avro", buffer_bytes(&bytes));
	buffer_deinit(&bytes);
}

TEST(a_manifest_by_pyiceberg_is_read)
{
	struct arena arena = { 0 };
	struct buffer file = { 0 };
	struct manifest manifest;
	read_corpus("pyiceberg-v2-data.avro", &file);
	decode(buffer_bytes(&file), &FROM, &arena, &manifest);
	CHECK_EQUAL(manifest.format_version, 2);
	CHECK_EQUAL(manifest.entry_count, 1);
	CHECK_EQUAL(manifest.entries[0].data_file.record_count, 1);
	CHECK_EQUAL(manifest.entries[0].data_file.column_count, 3);
	CHECK_EQUAL(manifest.entries[0].sequence_number, 5);
	CHECK(bytes_equal(manifest.entries[0].data_file.columns[2].lower, BYTES_LITERAL("d")));
	arena_deinit(&arena);
	buffer_deinit(&file);
}
