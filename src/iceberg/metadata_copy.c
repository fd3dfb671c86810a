#include "iceberg/json_members_internal.h"
#include "iceberg/metadata.h"

static void copy_schemas(struct metadata *copy, struct arena *arena)
{
	const struct schema *from = copy->schemas;
	copy->schemas = arena_array(arena, struct schema, copy->schema_count);
	for (size_t i = 0; i < copy->schema_count; i++)
		copy->schemas[i] = *schema_copy(&from[i], arena);
	copy->current_schema = metadata_find_schema(copy, copy->current_schema->schema_id);
}

static void copy_specs_and_orders(struct metadata *copy, struct arena *arena)
{
	copy->specs = arena_copy(arena, copy->specs, copy->spec_count * sizeof *copy->specs);
	for (size_t i = 0; i < copy->spec_count; i++)
		copy->specs[i].json = arena_copy_cstring(arena, copy->specs[i].json);
	copy->sort_orders = arena_copy(
		arena, copy->sort_orders, copy->sort_order_count * sizeof *copy->sort_orders);
	for (size_t i = 0; i < copy->sort_order_count; i++)
		copy->sort_orders[i].json = arena_copy_cstring(arena, copy->sort_orders[i].json);
}

static void copy_snapshots(struct metadata *copy, struct arena *arena)
{
	const struct snapshot *from = copy->snapshots;
	copy->snapshots = arena_array(arena, struct snapshot, copy->snapshot_count);
	for (size_t i = 0; i < copy->snapshot_count; i++)
		copy->snapshots[i] = snapshot_copy(&from[i], arena);
	if (copy->current_snapshot != NULL)
		copy->current_snapshot = &copy->snapshots[copy->current_snapshot - from];
}

static void copy_refs(struct metadata *copy, struct arena *arena)
{
	copy->refs = arena_copy(arena, copy->refs, copy->ref_count * sizeof *copy->refs);
	for (size_t i = 0; i < copy->ref_count; i++) {
		struct snapshot_ref *ref = &copy->refs[i];
		ref->name = arena_copy_cstring(arena, ref->name);
		ref->other = members_copy(&ref->other, arena);
	}
}

static void copy_logs(struct metadata *copy, struct arena *arena)
{
	copy->snapshot_log = arena_copy(
		arena, copy->snapshot_log, copy->snapshot_log_count * sizeof *copy->snapshot_log);
	copy->metadata_log = arena_copy(
		arena, copy->metadata_log, copy->metadata_log_count * sizeof *copy->metadata_log);
	for (size_t i = 0; i < copy->metadata_log_count; i++)
		copy->metadata_log[i].metadata_file =
			arena_copy_cstring(arena, copy->metadata_log[i].metadata_file);
}

static struct statistics_file *copy_statistics(
	const struct statistics_file *files, size_t count, struct arena *arena)
{
	struct statistics_file *copy = arena_copy(arena, files, count * sizeof *files);
	for (size_t i = 0; i < count; i++)
		copy[i].json = arena_copy_cstring(arena, copy[i].json);
	return copy;
}

struct metadata *metadata_copy(const struct metadata *metadata, struct arena *arena)
{
	struct metadata *copy = arena_copy(arena, metadata, sizeof *metadata);
	copy->table_uuid = arena_copy_cstring(arena, copy->table_uuid);
	copy->location = arena_copy_cstring(arena, copy->location);
	copy->properties = key_values_copy(copy->properties, copy->property_count, arena);
	copy_schemas(copy, arena);
	copy_specs_and_orders(copy, arena);
	copy_snapshots(copy, arena);
	copy_refs(copy, arena);
	copy_logs(copy, arena);
	copy->statistics = copy_statistics(copy->statistics, copy->statistics_count, arena);
	copy->partition_statistics = copy_statistics(
		copy->partition_statistics, copy->partition_statistics_count, arena);
	copy->other = members_copy(&copy->other, arena);
	return copy;
}
