#include "format/avro/avro_record.h"
#include "iceberg/manifest.h"

#include <assert.h>

static void encode_partitions(
	const struct avro_record_field *field, const void *record, struct buffer *out)
{
	(void)field;
	assert(((const struct manifest_file *)record)->partition_field_count == 0);
	avro_append_branch(out, 1);
	avro_end_items(out); /* no partition field, no summary */
}

static void decode_partitions(const struct avro_record_field *field, struct reader *in,
	const struct avro_type *type, struct arena *arena, void *record)
{
	(void)field;
	(void)arena;
	struct manifest_file *file = record;
	const struct avro_type *array = avro_read_branch(in, type, AVRO_ARRAY);
	size_t count;
	while (array != NULL && (count = avro_read_items(in, array)) > 0) {
		file->partition_field_count += count;
		for (size_t i = 0; i < count && !in->failed; i++)
			avro_skip(in, array->children[0].type);
	}
}

#define PLACE(member) .offset = offsetof(struct manifest_file, member)

static const char PARTITIONS_TYPE[] =
	"{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"r508\",\"fields\":["
	"{\"name\":\"contains_null\",\"type\":\"boolean\",\"field-id\":509},"
	"{\"name\":\"contains_nan\",\"type\":[\"null\",\"boolean\"],\"default\":null,"
	"\"field-id\":518},"
	"{\"name\":\"lower_bound\",\"type\":[\"null\",\"bytes\"],\"default\":null,"
	"\"field-id\":510},"
	"{\"name\":\"upper_bound\",\"type\":[\"null\",\"bytes\"],\"default\":null,"
	"\"field-id\":511}]},\"element-id\":508}";

/* Iceberg spec, "Manifest Lists", manifest_file; names and order are Java's. */
static const struct avro_record_field FIELDS[] = {
	{ 500, "manifest_path", AVRO_RECORD_TEXT, PLACE(manifest_path) },
	{ 501, "manifest_length", AVRO_RECORD_LONG, PLACE(manifest_length) },
	{ 502, "partition_spec_id", AVRO_RECORD_INT, PLACE(partition_spec_id) },
	{ 517, "content", AVRO_RECORD_INT, .since_version = 2, PLACE(content) },
	{ 515, "sequence_number", AVRO_RECORD_LONG, .since_version = 2, PLACE(sequence_number) },
	{ 516, "min_sequence_number", AVRO_RECORD_LONG, .since_version = 2,
		PLACE(min_sequence_number) },
	{ 503, "added_snapshot_id", AVRO_RECORD_LONG, .since_version = 2,
		PLACE(added_snapshot_id) },
	{ 504, "added_files_count", AVRO_RECORD_INT, .since_version = 2, PLACE(added_files_count) },
	{ 505, "existing_files_count", AVRO_RECORD_INT, .since_version = 2,
		PLACE(existing_files_count) },
	{ 506, "deleted_files_count", AVRO_RECORD_INT, .since_version = 2,
		PLACE(deleted_files_count) },
	{ 512, "added_rows_count", AVRO_RECORD_LONG, .since_version = 2, PLACE(added_rows_count) },
	{ 513, "existing_rows_count", AVRO_RECORD_LONG, .since_version = 2,
		PLACE(existing_rows_count) },
	{ 514, "deleted_rows_count", AVRO_RECORD_LONG, .since_version = 2,
		PLACE(deleted_rows_count) },
	{ 507, "partitions", AVRO_RECORD_CUSTOM, .is_optional = true, .type_json = PARTITIONS_TYPE,
		.encode = encode_partitions, .decode = decode_partitions },
	{ 519, "key_metadata", AVRO_RECORD_BYTES, .is_optional = true, PLACE(key_metadata) },
	{ 520, "first_row_id", AVRO_RECORD_LONG, .is_optional = true, .since_version = 3,
		PLACE(first_row_id),
		.has_offset = offsetof(struct manifest_file, has_first_row_id) },
};

static const struct avro_record_type LIST_RECORD = { "manifest_file",
	sizeof FIELDS / sizeof FIELDS[0], FIELDS };

static void begin(
	struct avro_writer *writer, const struct manifest_list_options *options, struct buffer *out)
{
	char id[AVRO_NUMBER_TEXT_SIZE], parent[AVRO_NUMBER_TEXT_SIZE],
		number[AVRO_NUMBER_TEXT_SIZE];
	char version[AVRO_NUMBER_TEXT_SIZE], row_id[AVRO_NUMBER_TEXT_SIZE];
	struct buffer avro_schema = { 0 };
	avro_record_write_schema(&LIST_RECORD, options->format_version, &avro_schema);
	buffer_append_u8(&avro_schema, 0);
	const struct avro_key_value key_values[] = {
		{ "snapshot-id", avro_number_text(id, options->snapshot_id) },
		{ "parent-snapshot-id",
			options->has_parent ? avro_number_text(parent, options->parent_snapshot_id)
					    : BYTES_LITERAL("null") },
		{ "sequence-number", avro_number_text(number, options->sequence_number) },
		{ "format-version", avro_number_text(version, options->format_version) },
		{ "first-row-id", avro_number_text(row_id, options->first_row_id) }, /* version 3 */
	};
	struct avro_writer_options writer_options = { .codec = options->codec,
		.schema_json = (const char *)avro_schema.data,
		.key_value_count = options->format_version >= 3 ? 5 : 4,
		.key_values = key_values };
	memcpy(writer_options.sync, options->sync, AVRO_SYNC_SIZE);
	avro_writer_begin(writer, &writer_options, out);
	buffer_deinit(&avro_schema);
}

void manifest_list_encode(const struct manifest_list_options *options,
	const struct manifest_file *files, size_t file_count, struct buffer *out)
{
	struct avro_writer writer;
	begin(&writer, options, out);
	for (size_t i = 0; i < file_count; i++) {
		avro_record_encode(&LIST_RECORD, options->format_version, &files[i], &writer.block);
		avro_writer_end_item(&writer);
	}
	avro_writer_finish(&writer);
}

static bool check_decoded(const struct manifest_file *file, struct error *err)
{
	if (file->manifest_path == NULL || file->manifest_path[0] == '\0')
		return error_set(err, ERROR_CORRUPT, "a manifest list names no file");
	if ((unsigned)file->content > MANIFEST_DELETES)
		return error_set(err, ERROR_UNSUPPORTED,
			"\"%.200s\" has content of an unknown kind", file->manifest_path);
	if (file->manifest_length < 0 || file->sequence_number < 0)
		return error_set(err, ERROR_CORRUPT, "\"%.200s\" has a negative number",
			file->manifest_path);
	return true;
}

static bool decode_files(struct avro_reader *reader, const struct avro_record_plan *plan,
	struct manifest_file **out, size_t *file_count, struct error *err)
{
	struct reader items;
	size_t item_count;
	*out = NULL;
	*file_count = 0;
	for (;;) {
		if (!avro_reader_next(reader, &items, &item_count, err))
			return false;
		if (item_count == 0)
			return true;
		struct manifest_file *grown =
			arena_array(reader->arena, struct manifest_file, *file_count + item_count);
		if (*file_count)
			memcpy(grown, *out, *file_count * sizeof *grown);
		*out = grown;
		for (size_t i = 0; i < item_count && !items.failed; i++) {
			struct manifest_file *file = &grown[(*file_count)++];
			avro_record_decode(plan, &items, reader->arena, file);
			if (!items.failed && !check_decoded(file, err))
				return false;
		}
		if (!reader_finish(&items, "a block of a manifest list", err))
			return false;
	}
}

bool manifest_list_decode(struct bytes bytes, const struct avro_limits *limits, struct arena *arena,
	struct manifest_file **out, size_t *file_count, struct error *err)
{
	struct avro_reader reader;
	const struct avro_record_plan *plan;
	return avro_reader_open(&reader, bytes, limits, arena, err) &&
	       avro_record_plan_make(&LIST_RECORD, reader.type, arena, &plan, err) &&
	       decode_files(&reader, plan, out, file_count, err);
}
