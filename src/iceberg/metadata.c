#include "iceberg/metadata.h"

#include "iceberg/json_members_internal.h"

#include <assert.h>

enum {
	LAST_PARTITION_ID_NONE = 999 /* partition field ids start at 1000 */
};

static void encode_schemas(const struct metadata *metadata, struct json_writer *out)
{
	json_write_member_int(out, "current-schema-id", metadata->current_schema->schema_id);
	json_write_key(out, "schemas");
	json_write_begin_array(out);
	for (size_t i = 0; i < metadata->schema_count; i++) {
		schema_write(out, &metadata->schemas[i]);
	}
	json_write_end_array(out);
}

static void encode_specs_and_orders(const struct metadata *metadata, struct json_writer *out)
{
	json_write_member_int(out, "default-spec-id", metadata->default_spec_id);
	json_write_key(out, "partition-specs");
	json_write_begin_array(out);
	for (size_t i = 0; i < metadata->spec_count; i++)
		json_write_raw(out, bytes_of_cstring(metadata->specs[i].json));
	json_write_end_array(out);
	json_write_member_int(out, "last-partition-id", metadata->last_partition_id);
	json_write_member_int(out, "default-sort-order-id", metadata->default_sort_order_id);
	json_write_key(out, "sort-orders");
	json_write_begin_array(out);
	for (size_t i = 0; i < metadata->sort_order_count; i++)
		json_write_raw(out, bytes_of_cstring(metadata->sort_orders[i].json));
	json_write_end_array(out);
}

static void encode_ref(const struct snapshot_ref *ref, struct json_writer *out)
{
	json_write_key(out, ref->name);
	json_write_begin_object(out);
	json_write_member_int(out, "snapshot-id", ref->snapshot_id);
	json_write_member_cstring(out, "type", ref->is_tag ? "tag" : "branch");
	if (ref->min_snapshots_to_keep > 0)
		json_write_member_int(out, "min-snapshots-to-keep", ref->min_snapshots_to_keep);
	if (ref->max_snapshot_age_ms > 0)
		json_write_member_int(out, "max-snapshot-age-ms", ref->max_snapshot_age_ms);
	if (ref->max_ref_age_ms > 0)
		json_write_member_int(out, "max-ref-age-ms", ref->max_ref_age_ms);
	members_write(out, &ref->other);
	json_write_end_object(out);
}

static void encode_snapshots(const struct metadata *metadata, struct json_writer *out)
{
	json_write_key(out, "refs");
	json_write_begin_object(out);
	for (size_t i = 0; i < metadata->ref_count; i++)
		encode_ref(&metadata->refs[i], out);
	json_write_end_object(out);
	json_write_key(out, "snapshots");
	json_write_begin_array(out);
	for (size_t i = 0; i < metadata->snapshot_count; i++) {
		snapshot_write(out, &metadata->snapshots[i]);
	}
	json_write_end_array(out);
}

static void encode_statistics(
	const char *key, const struct statistics_file *files, size_t count, struct json_writer *out)
{
	json_write_key(out, key);
	json_write_begin_array(out);
	for (size_t i = 0; i < count; i++)
		json_write_raw(out, bytes_of_cstring(files[i].json));
	json_write_end_array(out);
}

static void encode_logs(const struct metadata *metadata, struct json_writer *out)
{
	json_write_key(out, "snapshot-log");
	json_write_begin_array(out);
	for (size_t i = 0; i < metadata->snapshot_log_count; i++) {
		const struct snapshot_log_entry *entry = &metadata->snapshot_log[i];
		json_write_begin_object(out);
		json_write_member_int(out, "timestamp-ms", entry->timestamp_ms);
		json_write_member_int(out, "snapshot-id", entry->snapshot_id);
		json_write_end_object(out);
	}
	json_write_end_array(out);
	json_write_key(out, "metadata-log");
	json_write_begin_array(out);
	for (size_t i = 0; i < metadata->metadata_log_count; i++) {
		const struct metadata_log_entry *entry = &metadata->metadata_log[i];
		json_write_begin_object(out);
		json_write_member_int(out, "timestamp-ms", entry->timestamp_ms);
		json_write_member_cstring(out, "metadata-file", entry->metadata_file);
		json_write_end_object(out);
	}
	json_write_end_array(out);
}

/* In the order of Java's TableMetadataParser. */
void metadata_encode(const struct metadata *metadata, struct buffer *buffer)
{
	struct json_writer out = json_writer_of(buffer);
	json_write_begin_object(&out);
	json_write_member_int(&out, "format-version", metadata->format_version);
	if (metadata->table_uuid[0] != '\0')
		json_write_member_cstring(&out, "table-uuid", metadata->table_uuid);
	json_write_member_cstring(&out, "location", metadata->location);
	if (metadata->format_version >= 2)
		json_write_member_int(&out, "last-sequence-number", metadata->last_sequence_number);
	json_write_member_int(&out, "last-updated-ms", metadata->last_updated_ms);
	json_write_member_int(&out, "last-column-id", metadata->last_column_id);
	encode_schemas(metadata, &out);
	encode_specs_and_orders(metadata, &out);
	json_write_key(&out, "properties");
	key_values_write(&out, metadata->properties, metadata->property_count);
	if (metadata->current_snapshot != NULL)
		json_write_member_int(
			&out, "current-snapshot-id", metadata->current_snapshot->snapshot_id);
	if (metadata->format_version >= 3)
		json_write_member_int(&out, "next-row-id", metadata->next_row_id);
	encode_snapshots(metadata, &out);
	encode_statistics("statistics", metadata->statistics, metadata->statistics_count, &out);
	encode_statistics("partition-statistics", metadata->partition_statistics,
		metadata->partition_statistics_count, &out);
	encode_logs(metadata, &out);
	members_write(&out, &metadata->other);
	json_write_end_object(&out);
	assert(!out.has_invalid_text); /* texts come from decoders that check them */
}

struct metadata *metadata_new(const struct metadata_options *options, struct arena *arena)
{
	assert(options->format_version == 2 || options->format_version == 3);
	struct metadata *metadata = arena_new(arena, struct metadata);
	metadata->format_version = options->format_version;
	metadata->table_uuid = arena_copy_cstring(arena, options->table_uuid);
	metadata->location = arena_copy_cstring(arena, options->location);
	metadata->last_updated_ms = options->now_ms;
	metadata->last_column_id = schema_field_id_max(options->schema);
	metadata->last_partition_id = LAST_PARTITION_ID_NONE;

	metadata->schema_count = 1;
	metadata->schemas = schema_copy(options->schema, arena);
	metadata->schemas[0].schema_id = 0;
	metadata->schemas[0].json = NULL;
	metadata->current_schema = &metadata->schemas[0];
	metadata->spec_count = 1;
	metadata->specs = arena_new(arena, struct partition_spec);
	metadata->specs[0].json = "{\"spec-id\":0,\"fields\":[]}";
	metadata->sort_order_count = 1;
	metadata->sort_orders = arena_new(arena, struct sort_order);
	metadata->sort_orders[0].json = "{\"order-id\":0,\"fields\":[]}";

	metadata->property_count = options->property_count;
	metadata->properties = key_values_copy(options->properties, options->property_count, arena);
	return metadata;
}

const struct snapshot *metadata_find_snapshot(const struct metadata *metadata, int64_t id)
{
	for (size_t i = metadata->snapshot_count; i > 0; i--)
		if (metadata->snapshots[i - 1].snapshot_id == id)
			return &metadata->snapshots[i - 1];
	return NULL;
}

/* A parent is older than its child, whatever the file says: an ancestry has an end. */
static bool is_parent(const struct snapshot *parent, const struct snapshot *child)
{
	return parent->snapshot_id == child->parent_snapshot_id &&
	       parent->sequence_number <= child->sequence_number;
}

const struct snapshot *metadata_parent(
	const struct metadata *metadata, const struct snapshot *snapshot)
{
	if (!snapshot->has_parent)
		return NULL;
	const size_t index = (size_t)(snapshot - metadata->snapshots);
	/* backwards first: a parent usually stands just before its child */
	for (size_t i = index; i > 0; i--)
		if (is_parent(&metadata->snapshots[i - 1], snapshot))
			return &metadata->snapshots[i - 1];
	for (size_t i = index + 1; i < metadata->snapshot_count; i++)
		if (is_parent(&metadata->snapshots[i], snapshot) &&
			metadata->snapshots[i].sequence_number < snapshot->sequence_number)
			return &metadata->snapshots[i];
	return NULL;
}

const struct snapshot_ref *metadata_find_ref(const struct metadata *metadata, const char *name)
{
	for (size_t i = 0; i < metadata->ref_count; i++)
		if (strcmp(metadata->refs[i].name, name) == 0)
			return &metadata->refs[i];
	return NULL;
}

const char *metadata_property(const struct metadata *metadata, const char *key)
{
	for (size_t i = 0; i < metadata->property_count; i++)
		if (strcmp(metadata->properties[i].key, key) == 0)
			return metadata->properties[i].value;
	return NULL;
}

const struct schema *metadata_find_schema(const struct metadata *metadata, int32_t schema_id)
{
	for (size_t i = 0; i < metadata->schema_count; i++)
		if (metadata->schemas[i].schema_id == schema_id)
			return &metadata->schemas[i];
	return NULL;
}

const struct snapshot *metadata_walberg_snapshot(const struct metadata *metadata)
{
	const struct snapshot *snapshot = metadata->current_snapshot;
	lsn_t position;
	while (snapshot != NULL && !snapshot_position(snapshot, &position))
		snapshot = metadata_parent(metadata, snapshot);
	return snapshot;
}

static bool has_unknown_type(const struct schema *schema)
{
	for (size_t i = 0; i < schema->field_count; i++)
		if (schema->fields[i].type.type == VALUE_NONE)
			return true;
	return false;
}

static size_t default_spec_field_count(const struct metadata *metadata)
{
	for (size_t i = 0; i < metadata->spec_count; i++)
		if (metadata->specs[i].spec_id == metadata->default_spec_id)
			return metadata->specs[i].field_count;
	return 0;
}

bool metadata_check_writable(const struct metadata *metadata, struct error *err)
{
	if (metadata->format_version < 2)
		return error_set(err, ERROR_UNSUPPORTED,
			"the table at \"%s\" has Iceberg format version 1, which is only read",
			metadata->location);
	if (default_spec_field_count(metadata) > 0)
		return error_set(err, ERROR_UNSUPPORTED,
			"the table at \"%s\" is partitioned, and such a table is only read",
			metadata->location);
	if (has_unknown_type(metadata->current_schema))
		return error_set(err, ERROR_UNSUPPORTED,
			"the table at \"%s\" has a column of a type that is not written",
			metadata->location);
	return true;
}
