#include "iceberg/manifest.h"

#include "iceberg/data_file_internal.h"

#include <assert.h>
#include <stdlib.h>

#define PLACE(member) .offset = offsetof(struct manifest_entry, member)
#define OPTIONAL_PLACE(member, has_member)                                                         \
	.is_optional = true, PLACE(member),                                                        \
	.has_offset = offsetof(struct manifest_entry, has_member)

/* Iceberg spec, "Manifests", manifest_entry. */
static const struct avro_record_field FIELDS[] = {
	{ 0, "status", AVRO_RECORD_INT, PLACE(status) },
	{ 1, "snapshot_id", AVRO_RECORD_LONG, OPTIONAL_PLACE(snapshot_id, has_snapshot_id) },
	{ 3, "sequence_number", AVRO_RECORD_LONG, .since_version = 2,
		OPTIONAL_PLACE(sequence_number, has_sequence_number) },
	{ 4, "file_sequence_number", AVRO_RECORD_LONG, .since_version = 2,
		OPTIONAL_PLACE(file_sequence_number, has_file_sequence_number) },
	{ 2, "data_file", AVRO_RECORD_NESTED, PLACE(data_file), .nested = &DATA_FILE_RECORD },
};

static const struct avro_record_type ENTRY_RECORD = { "manifest_entry",
	sizeof FIELDS / sizeof FIELDS[0], FIELDS };

static void check_entry(const struct manifest_options *options, const struct manifest_entry *entry)
{
	const bool is_data = entry->data_file.content == FILE_CONTENT_DATA;
	assert(is_data == (options->content == MANIFEST_DATA));
	assert(entry->data_file.content != FILE_CONTENT_EQUALITY_DELETES); /* I7 */
	/* only what a commit adds may take its number from it */
	assert(entry->status == ENTRY_ADDED ||
		(entry->has_snapshot_id && entry->has_sequence_number &&
			entry->has_file_sequence_number));
}

static void begin(
	struct avro_writer *writer, const struct manifest_options *options, struct buffer *out)
{
	struct buffer avro_schema = { 0 }, table_schema = { 0 };
	char schema_id[AVRO_NUMBER_TEXT_SIZE], spec_id[AVRO_NUMBER_TEXT_SIZE],
		version[AVRO_NUMBER_TEXT_SIZE];
	avro_record_write_schema(&ENTRY_RECORD, options->format_version, &avro_schema);
	buffer_append_u8(&avro_schema, 0);
	schema_encode(options->schema, &table_schema);
	const struct avro_key_value key_values[] = {
		{ "schema", buffer_bytes(&table_schema) },
		{ "schema-id", avro_number_text(schema_id, options->schema->schema_id) },
		{ "partition-spec", BYTES_LITERAL("[]") },
		{ "partition-spec-id", avro_number_text(spec_id, options->partition_spec_id) },
		{ "format-version", avro_number_text(version, options->format_version) },
		{ "content", options->content == MANIFEST_DATA ? BYTES_LITERAL("data")
							       : BYTES_LITERAL("deletes") },
	};
	struct avro_writer_options writer_options = { .codec = options->codec,
		.schema_json = (const char *)avro_schema.data,
		.key_value_count = sizeof key_values / sizeof key_values[0],
		.key_values = key_values };
	memcpy(writer_options.sync, options->sync, AVRO_SYNC_SIZE);
	avro_writer_begin(writer, &writer_options, out);
	buffer_deinit(&avro_schema);
	buffer_deinit(&table_schema);
}

void manifest_encode(const struct manifest_options *options, const struct manifest_entry *entries,
	size_t entry_count, struct buffer *out)
{
	struct avro_writer writer;
	assert(entry_count > 0); /* PyIceberg refuses an empty one */
	begin(&writer, options, out);
	for (size_t i = 0; i < entry_count; i++) {
		check_entry(options, &entries[i]);
		avro_record_encode(
			&ENTRY_RECORD, options->format_version, &entries[i], &writer.block);
		avro_writer_end_item(&writer);
	}
	avro_writer_finish(&writer);
}

static void count_entry(struct manifest_file *file, const struct manifest_entry *entry)
{
	const int64_t rows = entry->data_file.record_count;
	switch (entry->status) {
	case ENTRY_ADDED:
		file->added_files_count++;
		file->added_rows_count += rows;
		break;
	case ENTRY_EXISTING:
		file->existing_files_count++;
		file->existing_rows_count += rows;
		break;
	case ENTRY_DELETED:
		file->deleted_files_count++;
		file->deleted_rows_count += rows;
		break;
	}
}

void manifest_file_count(struct manifest_file *file, const struct manifest_entry *entries,
	size_t entry_count, int64_t sequence_number)
{
	file->added_files_count = file->existing_files_count = file->deleted_files_count = 0;
	file->added_rows_count = file->existing_rows_count = file->deleted_rows_count = 0;
	file->min_sequence_number = sequence_number;
	for (size_t i = 0; i < entry_count; i++) {
		const struct manifest_entry *entry = &entries[i];
		count_entry(file, entry);
		if (entry->status != ENTRY_DELETED && entry->has_sequence_number &&
			entry->sequence_number < file->min_sequence_number)
			file->min_sequence_number = entry->sequence_number;
	}
}

/* A whole number among the header's keys; absent when it is missing. */
static bool read_number(const struct avro_reader *reader, const char *key, int32_t absent,
	int32_t *out, struct error *err)
{
	const struct bytes *text = avro_reader_find(reader, key);
	char digits[12] = { 0 };
	*out = absent;
	if (text == NULL)
		return true;
	char *end = digits;
	if (text->size > 0 && text->size < sizeof digits) {
		memcpy(digits, text->data, text->size);
		*out = (int32_t)strtol(digits, &end, 10);
	}
	if (end == digits || *end != '\0' || *out < 0)
		return error_set(err, ERROR_CORRUPT, "\"%s\" of a manifest is no number", key);
	return true;
}

static bool read_header(const struct avro_reader *reader, struct manifest *out, struct error *err)
{
	const struct bytes *content = avro_reader_find(reader, "content");
	const struct bytes *spec = avro_reader_find(reader, "partition-spec");
	out->content = content && bytes_equal(*content, BYTES_LITERAL("deletes")) ? MANIFEST_DELETES
										  : MANIFEST_DATA;
	out->is_partitioned = spec && !bytes_equal(*spec, BYTES_LITERAL("[]"));
	return read_number(reader, "format-version", 1, &out->format_version, err) &&
	       read_number(reader, "partition-spec-id", 0, &out->partition_spec_id, err);
}

/* Iceberg spec, "Sequence Number Inheritance". */
static bool inherit_numbers(
	struct manifest_entry *entry, const struct manifest_file *from, struct error *err)
{
	if (!entry->has_snapshot_id) {
		entry->snapshot_id = from->added_snapshot_id;
		entry->has_snapshot_id = true;
	}
	const bool can_inherit = entry->status == ENTRY_ADDED || from->sequence_number == 0;
	if (!can_inherit && !(entry->has_sequence_number && entry->has_file_sequence_number))
		return error_set(err, ERROR_CORRUPT,
			"a manifest entry of \"%.200s\" has no sequence number",
			entry->data_file.path);
	if (!entry->has_sequence_number)
		entry->sequence_number = from->sequence_number;
	if (!entry->has_file_sequence_number)
		entry->file_sequence_number = from->sequence_number;
	entry->has_sequence_number = entry->has_file_sequence_number = true;
	return true;
}

/* Iceberg spec, "First Row ID Inheritance". */
static void inherit_row_id(
	struct data_file *file, const struct manifest_file *from, int64_t *next_row_id)
{
	if (!from->has_first_row_id || file->has_first_row_id || file->content != FILE_CONTENT_DATA)
		return;
	file->first_row_id = *next_row_id;
	file->has_first_row_id = true;
	/* a sum that hostile counts make too great is of no use, but defined */
	*next_row_id = (int64_t)((uint64_t)*next_row_id + (uint64_t)file->record_count);
}

static bool check_decoded(const struct manifest_entry *entry, struct error *err)
{
	const struct data_file *file = &entry->data_file;
	if ((unsigned)entry->status > ENTRY_DELETED)
		return error_set(err, ERROR_CORRUPT, "a manifest entry has an unknown status");
	if (file->path == NULL || file->path[0] == '\0' || file->format == NULL)
		return error_set(err, ERROR_CORRUPT, "a manifest entry names no file");
	if ((unsigned)file->content > FILE_CONTENT_EQUALITY_DELETES)
		return error_set(err, ERROR_UNSUPPORTED,
			"\"%.200s\" has content of an unknown kind", file->path);
	if (file->record_count < 0 || file->file_size_in_bytes < 0)
		return error_set(err, ERROR_CORRUPT, "\"%.200s\" has a negative size", file->path);
	return true;
}

/* Room for more entries at the end. */
static void reserve_entries(
	struct manifest *out, size_t more, size_t *capacity, struct arena *arena)
{
	if (*capacity - out->entry_count >= more)
		return;
	*capacity = out->entry_count + (more > out->entry_count ? more : out->entry_count);
	struct manifest_entry *grown = arena_array(arena, struct manifest_entry, *capacity);
	if (out->entry_count)
		memcpy(grown, out->entries, out->entry_count * sizeof *grown);
	out->entries = grown;
}

static bool decode_entries(struct avro_reader *reader, const struct avro_record_plan *plan,
	const struct manifest_file *from, struct manifest *out, struct error *err)
{
	struct reader items;
	size_t item_count, capacity = 0;
	int64_t next_row_id = from->first_row_id;
	for (;;) {
		if (!avro_reader_next(reader, &items, &item_count, err))
			return false;
		if (item_count == 0)
			return true;
		reserve_entries(out, item_count, &capacity, reader->arena);
		for (size_t i = 0; i < item_count && !items.failed; i++) {
			struct manifest_entry *entry = &out->entries[out->entry_count];
			avro_record_decode(plan, &items, reader->arena, entry);
			if (items.failed)
				break;
			if (!check_decoded(entry, err) || !inherit_numbers(entry, from, err))
				return false;
			data_file_merge_columns(&entry->data_file);
			inherit_row_id(&entry->data_file, from, &next_row_id);
			out->is_partitioned |= entry->data_file.partition_field_count > 0;
			out->entry_count++;
		}
		if (!reader_finish(&items, "a block of a manifest", err))
			return false;
	}
}

bool manifest_decode(struct bytes bytes, const struct manifest_file *from,
	const struct avro_limits *limits, struct arena *arena, struct manifest *out,
	struct error *err)
{
	struct avro_reader reader;
	const struct avro_record_plan *plan;
	*out = (struct manifest){ 0 };
	if (from->key_metadata.size > 0)
		return error_set(
			err, ERROR_UNSUPPORTED, "a manifest is encrypted, and cannot be read");
	return avro_reader_open(&reader, bytes, limits, arena, err) &&
	       read_header(&reader, out, err) &&
	       avro_record_plan_make(&ENTRY_RECORD, reader.type, arena, &plan, err) &&
	       decode_entries(&reader, plan, from, out, err);
}
