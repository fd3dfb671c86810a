#include "format/deflate.h"
#include "iceberg/json_members_internal.h"
#include "iceberg/metadata.h"

const struct metadata_limits METADATA_LIMITS_DEFAULT = {
	.size_max = 64 * 1024 * 1024,
	.snapshot_count_max = 100 * 1000,
};

enum {
	FORMAT_VERSION_MAX = 3,
	LAST_PARTITION_ID_NONE = 999,
};

/* Version 1 has one schema and one list of partition fields; they become lists of one. */
static void upgrade_v1(struct members *members)
{
	json_t *root = members->object;
	json_t *schema = json_object_get(root, "schema");
	if (json_object_get(root, "schemas") == NULL && json_is_object(schema)) {
		json_t *copy = json_copy(schema);
		if (json_object_get(copy, "schema-id") == NULL)
			json_object_set_new(copy, "schema-id", json_integer(0));
		json_object_set(root, "current-schema-id", json_object_get(copy, "schema-id"));
		json_object_set_new(root, "schemas", json_pack("[o]", copy));
	}
	json_t *fields = json_object_get(root, "partition-spec");
	if (json_object_get(root, "partition-specs") == NULL && json_is_array(fields)) {
		json_object_set_new(root, "partition-specs",
			json_pack("[{s:i, s:O}]", "spec-id", 0, "fields", fields));
		json_object_set_new(root, "default-spec-id", json_integer(0));
	}
	if (json_object_get(root, "last-partition-id") == NULL)
		json_object_set_new(root, "last-partition-id",
			json_integer(LAST_PARTITION_ID_NONE + (int)json_array_size(fields)));
	if (json_object_get(root, "sort-orders") == NULL) {
		json_object_set_new(
			root, "sort-orders", json_pack("[{s:i, s:[]}]", "order-id", 0, "fields"));
		json_object_set_new(root, "default-sort-order-id", json_integer(0));
	}
	if (json_object_get(root, "last-sequence-number") == NULL)
		json_object_set_new(root, "last-sequence-number", json_integer(0));
}

static void decode_schemas(struct members *members, struct metadata *out)
{
	json_t *schemas = members_array(members, "schemas");
	int32_t current_id = members_int(members, "current-schema-id");
	out->schema_count = json_array_size(schemas);
	out->schemas = arena_array(members->arena, struct schema, out->schema_count);
	for (size_t i = 0; i < out->schema_count && !members->failed; i++)
		members->failed = !schema_decode(
			json_array_get(schemas, i), members->arena, &out->schemas[i], members->err);
	out->current_schema = metadata_find_schema(out, current_id);
	if (out->current_schema == NULL)
		members_fail(members, "the current schema %d is not among its schemas", current_id);
}

/* The id and the number of fields of a partition spec or sort order. */
static size_t decode_spec(
	struct members *members, json_t *json, const char *what, const char *id_key, int32_t *id)
{
	struct members spec = members_of(json, what, members->arena, members->err);
	*id = members_int(&spec, id_key);
	json_t *fields = members_array(&spec, "fields");
	members->failed |= spec.failed;
	return json_array_size(fields);
}

static void decode_specs(struct members *members, struct metadata *out)
{
	json_t *specs = members_array(members, "partition-specs");
	bool has_default = false;
	out->default_spec_id = members_int(members, "default-spec-id");
	out->last_partition_id = members_int(members, "last-partition-id");
	out->spec_count = json_array_size(specs);
	out->specs = arena_array(members->arena, struct partition_spec, out->spec_count);
	for (size_t i = 0; i < out->spec_count && !members->failed; i++) {
		struct partition_spec *spec = &out->specs[i];
		json_t *json = json_array_get(specs, i);
		spec->field_count =
			decode_spec(members, json, "partition spec", "spec-id", &spec->spec_id);
		spec->json = json_to_text(json, members->arena);
		has_default |= spec->spec_id == out->default_spec_id;
	}
	if (!has_default)
		members_fail(members, "the default partition spec is not among its specs");
}

static void decode_sort_orders(struct members *members, struct metadata *out)
{
	json_t *orders = members_array(members, "sort-orders");
	bool has_default = false;
	out->default_sort_order_id = members_int(members, "default-sort-order-id");
	out->sort_order_count = json_array_size(orders);
	out->sort_orders = arena_array(members->arena, struct sort_order, out->sort_order_count);
	for (size_t i = 0; i < out->sort_order_count && !members->failed; i++) {
		struct sort_order *order = &out->sort_orders[i];
		json_t *json = json_array_get(orders, i);
		order->field_count =
			decode_spec(members, json, "sort order", "order-id", &order->order_id);
		order->json = json_to_text(json, members->arena);
		has_default |= order->order_id == out->default_sort_order_id;
	}
	if (!has_default)
		members_fail(members, "the default sort order is not among its orders");
}

static void decode_snapshots(struct members *members, size_t count_max, struct metadata *out)
{
	json_t *snapshots = members_optional_array(members, "snapshots");
	out->snapshot_count = json_array_size(snapshots);
	if (out->snapshot_count > count_max) {
		error_set(members->err, ERROR_LIMIT,
			"table metadata lists %zu snapshots, more than %zu", out->snapshot_count,
			count_max);
		members->failed = true;
		return;
	}
	out->snapshots = arena_array(members->arena, struct snapshot, out->snapshot_count);
	for (size_t i = 0; i < out->snapshot_count && !members->failed; i++) {
		struct snapshot *snapshot = &out->snapshots[i];
		members->failed = !snapshot_decode(
			json_array_get(snapshots, i), members->arena, snapshot, members->err);
		if (snapshot->sequence_number > out->last_sequence_number)
			members_fail(members,
				"a snapshot's sequence number is greater than the last one");
	}
}

static void decode_ref(
	struct members *members, const char *name, json_t *json, struct snapshot_ref *out)
{
	static const char *const KNOWN[] = { "snapshot-id", "type", "min-snapshots-to-keep",
		"max-snapshot-age-ms", "max-ref-age-ms", NULL };
	struct members ref = members_of(json, "snapshot reference", members->arena, members->err);
	bool is_there;
	out->name = arena_copy_cstring(members->arena, name);
	out->snapshot_id = members_long(&ref, "snapshot-id", 0, INT64_MAX);
	const char *type = members_text(&ref, "type");
	out->is_tag = strcmp(type, "tag") == 0;
	if (!out->is_tag && strcmp(type, "branch") != 0)
		members_fail(&ref, "\"type\" is neither \"branch\" nor \"tag\"");
	out->min_snapshots_to_keep = (int32_t)members_optional_long(
		&ref, "min-snapshots-to-keep", 1, INT32_MAX, &is_there);
	out->max_snapshot_age_ms =
		members_optional_long(&ref, "max-snapshot-age-ms", 1, INT64_MAX, &is_there);
	out->max_ref_age_ms =
		members_optional_long(&ref, "max-ref-age-ms", 1, INT64_MAX, &is_there);
	out->other = members_other(&ref, KNOWN);
	members->failed |= ref.failed;
}

/* Without refs, main is implied by the current snapshot. */
static void imply_main(struct members *members, int64_t current_id, struct metadata *out)
{
	struct snapshot_ref *refs =
		arena_array(members->arena, struct snapshot_ref, out->ref_count + 1);
	for (size_t i = 0; i < out->ref_count; i++)
		refs[i + 1] = out->refs[i];
	refs[0] = (struct snapshot_ref){ .name = REF_MAIN, .snapshot_id = current_id };
	out->refs = refs;
	out->ref_count++;
}

static void decode_refs(struct members *members, struct metadata *out)
{
	json_t *refs = members_find(members, "refs");
	if (refs != NULL && !json_is_object(refs))
		members_fail(members, "\"refs\" is not an object");
	if (members->failed)
		return;
	out->refs = arena_array(members->arena, struct snapshot_ref, json_object_size(refs));
	const char *name;
	json_t *json;
	json_object_foreach(refs, name, json)
	{
		decode_ref(members, name, json, &out->refs[out->ref_count++]);
		if (members->failed)
			return;
	}
}

static void decode_current(struct members *members, struct metadata *out)
{
	bool has_current;
	int64_t current_id =
		members_optional_long(members, "current-snapshot-id", -1, INT64_MAX, &has_current);
	if (members->failed)
		return;
	const struct snapshot_ref *main_ref = metadata_find_ref(out, REF_MAIN);
	if (current_id == -1)
		has_current = false;
	if (has_current && main_ref == NULL) {
		imply_main(members, current_id, out);
		main_ref = &out->refs[0];
	}
	if (has_current && main_ref->snapshot_id != current_id)
		members_fail(members, "branch main is not at the current snapshot");
	for (size_t i = 0; i < out->ref_count; i++)
		if (metadata_find_snapshot(out, out->refs[i].snapshot_id) == NULL)
			members_fail(members, "\"%.100s\" refers to a snapshot that is not there",
				out->refs[i].name);
	if (main_ref != NULL)
		out->current_snapshot = metadata_find_snapshot(out, main_ref->snapshot_id);
}

static void decode_snapshot_log(struct members *members, struct metadata *out)
{
	json_t *log = members_optional_array(members, "snapshot-log");
	out->snapshot_log_count = json_array_size(log);
	out->snapshot_log =
		arena_array(members->arena, struct snapshot_log_entry, out->snapshot_log_count);
	for (size_t i = 0; i < out->snapshot_log_count && !members->failed; i++) {
		struct members entry = members_of(
			json_array_get(log, i), "snapshot-log entry", members->arena, members->err);
		out->snapshot_log[i].timestamp_ms =
			members_long(&entry, "timestamp-ms", INT64_MIN, INT64_MAX);
		out->snapshot_log[i].snapshot_id =
			members_long(&entry, "snapshot-id", 0, INT64_MAX);
		members->failed |= entry.failed;
	}
}

static void decode_metadata_log(struct members *members, struct metadata *out)
{
	json_t *log = members_optional_array(members, "metadata-log");
	out->metadata_log_count = json_array_size(log);
	out->metadata_log =
		arena_array(members->arena, struct metadata_log_entry, out->metadata_log_count);
	for (size_t i = 0; i < out->metadata_log_count && !members->failed; i++) {
		struct members entry = members_of(
			json_array_get(log, i), "metadata-log entry", members->arena, members->err);
		out->metadata_log[i].timestamp_ms =
			members_long(&entry, "timestamp-ms", INT64_MIN, INT64_MAX);
		out->metadata_log[i].metadata_file = members_text(&entry, "metadata-file");
		members->failed |= entry.failed;
	}
}

static struct statistics_file *decode_statistics(
	struct members *members, const char *key, size_t *count)
{
	json_t *files = members_optional_array(members, key);
	*count = json_array_size(files);
	struct statistics_file *out = arena_array(members->arena, struct statistics_file, *count);
	for (size_t i = 0; i < *count && !members->failed; i++) {
		json_t *json = json_array_get(files, i);
		struct members file =
			members_of(json, "statistics file", members->arena, members->err);
		out[i].snapshot_id = members_long(&file, "snapshot-id", 0, INT64_MAX);
		members->failed |= file.failed;
		if (!file.failed)
			out[i].json = json_to_text(json, members->arena);
	}
	return out;
}

static const char *strip_slashes(const char *location, struct arena *arena)
{
	struct bytes text = bytes_of_cstring(location);
	while (text.size > 1 && text.data[text.size - 1] == '/')
		text.size--;
	return arena_copy_text(arena, text);
}

static void decode_head(struct members *members, struct metadata *out)
{
	const bool has_uuid = out->format_version >= 2 || members_find(members, "table-uuid");
	out->table_uuid = has_uuid ? members_text(members, "table-uuid") : "";
	out->location = strip_slashes(members_text(members, "location"), members->arena);
	out->last_sequence_number = members_long(members, "last-sequence-number", 0, INT64_MAX);
	out->last_updated_ms = members_long(members, "last-updated-ms", INT64_MIN, INT64_MAX);
	out->last_column_id = members_int(members, "last-column-id");
	if (out->format_version >= 3)
		out->next_row_id = members_long(members, "next-row-id", 0, INT64_MAX);
}

static bool decode_root(json_t *root, const struct metadata_limits *limits, struct arena *arena,
	struct metadata *out, struct error *err)
{
	static const char *const KNOWN[] = { "format-version", "table-uuid", "location",
		"last-sequence-number", "last-updated-ms", "last-column-id", "current-schema-id",
		"schemas", "default-spec-id", "partition-specs", "last-partition-id",
		"default-sort-order-id", "sort-orders", "properties", "current-snapshot-id",
		"next-row-id", "refs", "snapshots", "statistics", "partition-statistics",
		"snapshot-log", "metadata-log", NULL };
	struct members members = members_of(root, "table metadata", arena, err);
	out->format_version = members_int(&members, "format-version");
	if (members.failed)
		return false;
	if (out->format_version < 1 || out->format_version > FORMAT_VERSION_MAX)
		return error_set(err, ERROR_UNSUPPORTED,
			"Iceberg format version %d of table metadata is not known",
			out->format_version);
	if (out->format_version == 1)
		upgrade_v1(&members);
	decode_head(&members, out);
	decode_schemas(&members, out);
	decode_specs(&members, out);
	decode_sort_orders(&members, out);
	out->properties = members_key_values(&members, "properties", &out->property_count);
	decode_snapshots(&members, limits->snapshot_count_max, out);
	decode_refs(&members, out);
	decode_current(&members, out);
	decode_snapshot_log(&members, out);
	decode_metadata_log(&members, out);
	out->statistics = decode_statistics(&members, "statistics", &out->statistics_count);
	out->partition_statistics = decode_statistics(
		&members, "partition-statistics", &out->partition_statistics_count);
	out->other = members_other(&members, KNOWN);
	return !members.failed;
}

static bool decode_json(struct bytes json, const struct metadata_limits *limits,
	struct arena *arena, struct metadata *out, struct error *err)
{
	json_t *root;
	if (!json_parse(json, limits->size_max, &root, err))
		return error_context(err, "reading table metadata");
	bool done = decode_root(root, limits, arena, out, err);
	json_decref(root);
	return done;
}

static bool is_gzip(struct bytes bytes)
{
	return bytes.size >= 2 && bytes.data[0] == 0x1f && bytes.data[1] == 0x8b;
}

bool metadata_decode(struct bytes bytes, const struct metadata_limits *limits, struct arena *arena,
	struct metadata **out, struct error *err)
{
	struct buffer plain = { 0 };
	*out = arena_new(arena, struct metadata);
	bool done = true;
	if (is_gzip(bytes)) {
		done = deflate_decode(DEFLATE_GZIP, bytes, limits->size_max, &plain, err);
		bytes = buffer_bytes(&plain);
	}
	done = done && decode_json(bytes, limits, arena, *out, err);
	buffer_deinit(&plain);
	return done;
}
