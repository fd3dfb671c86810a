#include "iceberg/data_file_internal.h"

#include <assert.h>
#include <stdlib.h>

enum {
	METRICS_MAX = 6 * 10000, /* parts of metrics of one file */
	COLUMNS_MIN = 8,
};

/*
 * Metrics are six maps of field id to number or bytes, each an array of pairs, because Avro's own
 * maps have text keys.  `offset` and `has_offset` of such a field are those of its part in
 * struct column_metrics; all six are gathered in data_file.columns.
 */
#define METRIC_TYPE(key_id, value_id, value_type)                                                  \
	"{\"type\":\"array\",\"items\":{\"type\":\"record\",\"name\":\"k" #key_id "_v" #value_id   \
	"\",\"fields\":[{\"name\":\"key\",\"type\":\"int\",\"field-id\":" #key_id                  \
	"},{\"name\":\"value\",\"type\":\"" value_type "\",\"field-id\":" #value_id                \
	"}]},\"logicalType\":\"map\"}"

static bool has_part(const struct avro_record_field *field, const struct column_metrics *column)
{
	return *(const bool *)((const char *)column + field->has_offset);
}

static size_t count_parts(const struct avro_record_field *field, const struct data_file *file)
{
	size_t count = 0;
	for (size_t i = 0; i < file->column_count; i++)
		count += has_part(field, &file->columns[i]);
	return count;
}

/*
 * A file with metrics of any kind has all six maps, if need be empty: PyIceberg's inspection of
 * manifests does not take null.  False when there are no items to follow.
 */
static bool begin_metric(
	const struct avro_record_field *field, const struct data_file *file, struct buffer *out)
{
	const size_t count = count_parts(field, file);
	avro_append_branch(out, file->column_count > 0);
	avro_begin_items(out, count);
	if (count == 0 && file->column_count > 0)
		avro_end_items(out);
	return count > 0;
}

static void encode_counts(
	const struct avro_record_field *field, const void *record, struct buffer *out)
{
	const struct data_file *file = record;
	if (!begin_metric(field, file, out))
		return;
	for (size_t i = 0; i < file->column_count; i++) {
		const struct column_metrics *column = &file->columns[i];
		if (!has_part(field, column))
			continue;
		avro_append_long(out, column->field_id);
		avro_append_long(out,
			*(const int64_t *)(const void *)((const char *)column + field->offset));
	}
	avro_end_items(out);
}

static void encode_bounds(
	const struct avro_record_field *field, const void *record, struct buffer *out)
{
	const struct data_file *file = record;
	if (!begin_metric(field, file, out))
		return;
	for (size_t i = 0; i < file->column_count; i++) {
		const struct column_metrics *column = &file->columns[i];
		if (!has_part(field, column))
			continue;
		avro_append_long(out, column->field_id);
		avro_append_bytes(out, *(const struct bytes *)(const void *)((const char *)column +
									     field->offset));
	}
	avro_end_items(out);
}

/* Room for twice as many whenever the count is a power of two. */
static struct column_metrics *add_column(
	struct data_file *file, int32_t field_id, struct arena *arena)
{
	const size_t count = file->column_count;
	if (count == 0 || (count >= COLUMNS_MIN && (count & (count - 1)) == 0)) {
		struct column_metrics *grown =
			arena_array(arena, struct column_metrics, count ? count * 2 : COLUMNS_MIN);
		if (count)
			memcpy(grown, file->columns, count * sizeof *grown);
		file->columns = grown;
	}
	file->columns[count].field_id = field_id;
	file->column_count++;
	return &file->columns[count];
}

/*
 * The place for a part of a column.  Maps mostly list the same columns in the same order: *cursor
 * walks along once.  What it does not meet is added, and put together later by merge_columns().
 */
static struct column_metrics *find_column(
	struct data_file *file, int32_t field_id, size_t *cursor, struct arena *arena)
{
	while (*cursor < file->column_count && file->columns[*cursor].field_id != field_id)
		++*cursor;
	const size_t found = (*cursor)++;
	if (found < file->column_count)
		return &file->columns[found];
	return add_column(file, field_id, arena);
}

static void decode_part(const struct avro_record_field *field, struct reader *in,
	const struct avro_type *pair, struct arena *arena, struct data_file *file, size_t *cursor)
{
	bool is_null;
	const int64_t id = avro_read_long(in, pair->children[0].type, &is_null);
	if (in->failed || id < 0 || id > INT32_MAX || file->column_count >= METRICS_MAX) {
		in->failed = true;
		return;
	}
	struct column_metrics *column = find_column(file, (int32_t)id, cursor, arena);
	void *place = (char *)column + field->offset;
	*(bool *)((char *)column + field->has_offset) = true;
	if (field->encode == encode_bounds)
		*(struct bytes *)place = arena_copy_bytes(
			arena, avro_read_bytes(in, pair->children[1].type, &is_null));
	else
		*(int64_t *)place = avro_read_long(in, pair->children[1].type, &is_null);
}

static void decode_metric(const struct avro_record_field *field, struct reader *in,
	const struct avro_type *type, struct arena *arena, void *record)
{
	const struct avro_type *array = avro_read_branch(in, type, AVRO_ARRAY);
	if (array == NULL)
		return;
	const struct avro_type *pair = array->children[0].type;
	if (pair->kind != AVRO_RECORD || pair->child_count != 2) {
		in->failed = true;
		return;
	}
	size_t cursor = 0;
	size_t count;
	while ((count = avro_read_items(in, array)) > 0)
		for (size_t i = 0; i < count && !in->failed; i++)
			decode_part(field, in, pair, arena, record, &cursor);
}

static void encode_split_offsets(
	const struct avro_record_field *field, const void *record, struct buffer *out)
{
	(void)field;
	const struct data_file *file = record;
	avro_append_branch(out, file->split_offset_count > 0);
	if (file->split_offset_count == 0)
		return;
	avro_begin_items(out, file->split_offset_count);
	for (size_t i = 0; i < file->split_offset_count; i++)
		avro_append_long(out, file->split_offsets[i]);
	avro_end_items(out);
}

/* An optional array of whole numbers; blocks are joined. */
static int64_t *decode_longs(
	struct reader *in, const struct avro_type *type, struct arena *arena, size_t *out_count)
{
	const struct avro_type *array = avro_read_branch(in, type, AVRO_ARRAY);
	int64_t *items = NULL;
	*out_count = 0;
	size_t count;
	while (array != NULL && (count = avro_read_items(in, array)) > 0) {
		int64_t *grown = arena_array(arena, int64_t, *out_count + count);
		if (*out_count)
			memcpy(grown, items, *out_count * sizeof *items);
		items = grown;
		bool is_null;
		for (size_t i = 0; i < count; i++)
			items[(*out_count)++] =
				avro_read_long(in, array->children[0].type, &is_null);
		if (*out_count > METRICS_MAX)
			in->failed = true;
	}
	return items;
}

static void decode_split_offsets(const struct avro_record_field *field, struct reader *in,
	const struct avro_type *type, struct arena *arena, void *record)
{
	(void)field;
	struct data_file *file = record;
	file->split_offsets = decode_longs(in, type, arena, &file->split_offset_count);
}

static void encode_equality_ids(
	const struct avro_record_field *field, const void *record, struct buffer *out)
{
	(void)field;
	(void)record;
	avro_append_branch(out, 0); /* I7: equality deletes are never written */
}

static void decode_equality_ids(const struct avro_record_field *field, struct reader *in,
	const struct avro_type *type, struct arena *arena, void *record)
{
	(void)field;
	struct data_file *file = record;
	const int64_t *ids = decode_longs(in, type, arena, &file->equality_id_count);
	file->equality_ids = arena_array(arena, int32_t, file->equality_id_count);
	for (size_t i = 0; i < file->equality_id_count; i++)
		file->equality_ids[i] = (int32_t)ids[i];
}

/* The tuple of an unpartitioned table has no fields and so no bytes. */
static void encode_partition(
	const struct avro_record_field *field, const void *record, struct buffer *out)
{
	(void)field;
	(void)out;
	assert(((const struct data_file *)record)->partition_field_count == 0);
}

static void decode_partition(const struct avro_record_field *field, struct reader *in,
	const struct avro_type *type, struct arena *arena, void *record)
{
	(void)field;
	(void)arena;
	const struct avro_type *tuple = avro_read_branch(in, type, AVRO_RECORD);
	if (tuple == NULL)
		return;
	((struct data_file *)record)->partition_field_count = tuple->child_count;
	avro_skip(in, tuple);
}

#define PLACE(member) .offset = offsetof(struct data_file, member)
#define OPTIONAL_PLACE(member, has_member)                                                         \
	.is_optional = true, PLACE(member), .has_offset = offsetof(struct data_file, has_member)
#define METRIC(part, has_part)                                                                     \
	.kind = AVRO_RECORD_CUSTOM, .is_optional = true,                                           \
	.offset = offsetof(struct column_metrics, part),                                           \
	.has_offset = offsetof(struct column_metrics, has_part), .decode = decode_metric

/* Iceberg spec, "Manifests", data_file; names and order are Java's. */
static const struct avro_record_field FIELDS[] = {
	{ 134, "content", AVRO_RECORD_INT, .since_version = 2, PLACE(content) },
	{ 100, "file_path", AVRO_RECORD_TEXT, PLACE(path) },
	{ 101, "file_format", AVRO_RECORD_TEXT, PLACE(format) },
	{ 102, "partition", AVRO_RECORD_CUSTOM,
		.type_json = "{\"type\":\"record\",\"name\":\"r102\",\"fields\":[]}",
		.encode = encode_partition, .decode = decode_partition },
	{ 103, "record_count", AVRO_RECORD_LONG, PLACE(record_count) },
	{ 104, "file_size_in_bytes", AVRO_RECORD_LONG, PLACE(file_size_in_bytes) },
	{ 108, "column_sizes", METRIC(size_bytes, has_size),
		.type_json = METRIC_TYPE(117, 118, "long"), .encode = encode_counts },
	{ 109, "value_counts", METRIC(value_count, has_value_count),
		.type_json = METRIC_TYPE(119, 120, "long"), .encode = encode_counts },
	{ 110, "null_value_counts", METRIC(null_count, has_null_count),
		.type_json = METRIC_TYPE(121, 122, "long"), .encode = encode_counts },
	{ 137, "nan_value_counts", METRIC(nan_count, has_nan_count),
		.type_json = METRIC_TYPE(138, 139, "long"), .encode = encode_counts },
	{ 125, "lower_bounds", METRIC(lower, has_lower),
		.type_json = METRIC_TYPE(126, 127, "bytes"), .encode = encode_bounds },
	{ 128, "upper_bounds", METRIC(upper, has_upper),
		.type_json = METRIC_TYPE(129, 130, "bytes"), .encode = encode_bounds },
	{ 131, "key_metadata", AVRO_RECORD_BYTES, .is_optional = true, PLACE(key_metadata) },
	{ 132, "split_offsets", AVRO_RECORD_CUSTOM, .is_optional = true,
		.type_json = "{\"type\":\"array\",\"items\":\"long\",\"element-id\":133}",
		.encode = encode_split_offsets, .decode = decode_split_offsets },
	{ 135, "equality_ids", AVRO_RECORD_CUSTOM, .is_optional = true,
		.type_json = "{\"type\":\"array\",\"items\":\"int\",\"element-id\":136}",
		.encode = encode_equality_ids, .decode = decode_equality_ids },
	{ 140, "sort_order_id", AVRO_RECORD_INT, OPTIONAL_PLACE(sort_order_id, has_sort_order_id) },
	{ 142, "first_row_id", AVRO_RECORD_LONG, .since_version = 3,
		OPTIONAL_PLACE(first_row_id, has_first_row_id) },
	{ 143, "referenced_data_file", AVRO_RECORD_TEXT, .is_optional = true,
		PLACE(referenced_data_file) },
	{ 144, "content_offset", AVRO_RECORD_LONG, .since_version = 3,
		OPTIONAL_PLACE(content_offset, has_content) },
	{ 145, "content_size_in_bytes", AVRO_RECORD_LONG, .since_version = 3,
		OPTIONAL_PLACE(content_size_in_bytes, has_content) },
};

const struct avro_record_type DATA_FILE_RECORD = { "r2", sizeof FIELDS / sizeof FIELDS[0], FIELDS };

static int compare_columns(const void *a, const void *b)
{
	const struct column_metrics *left = a, *right = b;
	return (left->field_id > right->field_id) - (left->field_id < right->field_id);
}

/* Take over the parts that from has. */
static void merge_column(struct column_metrics *to, const struct column_metrics *from)
{
	for (size_t i = 0; i < DATA_FILE_RECORD.field_count; i++) {
		const struct avro_record_field *field = &FIELDS[i];
		if (field->decode != decode_metric || !has_part(field, from))
			continue;
		const size_t size =
			field->encode == encode_bounds ? sizeof(struct bytes) : sizeof(int64_t);
		memcpy((char *)to + field->offset, (const char *)from + field->offset, size);
		*(bool *)((char *)to + field->has_offset) = true;
	}
}

void data_file_merge_columns(struct data_file *file)
{
	bool is_ascending = true;
	for (size_t i = 1; i < file->column_count; i++)
		is_ascending &= file->columns[i - 1].field_id < file->columns[i].field_id;
	if (is_ascending)
		return;
	qsort(file->columns, file->column_count, sizeof *file->columns, compare_columns);
	size_t kept = 0;
	for (size_t i = 1; i < file->column_count; i++) {
		if (file->columns[i].field_id == file->columns[kept].field_id)
			merge_column(&file->columns[kept], &file->columns[i]);
		else
			file->columns[++kept] = file->columns[i];
	}
	file->column_count = kept + 1;
}

static const struct column_metrics *find_metrics(const struct data_file *file, int32_t field_id)
{
	for (size_t i = 0; i < file->column_count; i++)
		if (file->columns[i].field_id == field_id)
			return &file->columns[i];
	return NULL;
}

const char *data_file_target(const struct data_file *file, struct arena *arena)
{
	if (file->content != FILE_CONTENT_POSITION_DELETES)
		return NULL;
	if (file->referenced_data_file != NULL)
		return arena_copy_cstring(arena, file->referenced_data_file);
	const struct column_metrics *path = find_metrics(file, FIELD_ID_DELETE_FILE_PATH);
	/* a truncated upper bound is greater than the lower one */
	if (path == NULL || !path->has_lower || !path->has_upper ||
		!bytes_equal(path->lower, path->upper))
		return NULL;
	return arena_copy_text(arena, path->lower);
}

struct data_file data_file_copy(const struct data_file *file, struct arena *arena)
{
	struct data_file copy = *file;
	copy.path = arena_copy_cstring(arena, file->path);
	copy.format = arena_copy_cstring(arena, file->format);
	copy.columns = arena_copy(arena, file->columns, file->column_count * sizeof *file->columns);
	for (size_t i = 0; i < copy.column_count; i++) {
		copy.columns[i].lower = arena_copy_bytes(arena, copy.columns[i].lower);
		copy.columns[i].upper = arena_copy_bytes(arena, copy.columns[i].upper);
	}
	copy.split_offsets = arena_copy(
		arena, file->split_offsets, file->split_offset_count * sizeof *file->split_offsets);
	copy.equality_ids = arena_copy(
		arena, file->equality_ids, file->equality_id_count * sizeof *file->equality_ids);
	if (file->referenced_data_file != NULL)
		copy.referenced_data_file = arena_copy_cstring(arena, file->referenced_data_file);
	copy.key_metadata = arena_copy_bytes(arena, file->key_metadata);
	return copy;
}
