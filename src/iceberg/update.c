#include "iceberg/update.h"

#include "iceberg/json_members_internal.h"

#include <errno.h>
#include <stdlib.h>

enum {
	PREVIOUS_VERSIONS_DEFAULT = 100
};

/* The new metadata while it is made: a copy of base, with room for what the updates add. */
struct change {
	struct metadata *metadata;
	const struct update_options *options;
	struct arena *arena;
	struct error *err;
	int32_t schema_id; /* current */
	int32_t last_added_schema_id;
	bool had_current; /* base: a current snapshot */
	bool has_current;
	bool has_removed_snapshots;
	int64_t base_current_id;
	int64_t current_id;
	int64_t base_sequence_number;
	int64_t updated_ms; /* of the newest added snapshot; 0 without one */
};

static bool change_conflict(struct change *change, const char *what, int64_t id)
{
	return error_set(change->err, ERROR_CONFLICT,
		"the table at \"%s\" cannot be changed: %s %lld", change->metadata->location, what,
		(long long)id);
}

static bool has_snapshot(const struct change *change, int64_t id)
{
	return metadata_find_snapshot(change->metadata, id) != NULL;
}

/* arena_array with room for more items at the end. */
static void *grown(struct arena *arena, const void *items, size_t count, size_t more, size_t size)
{
	void *copy = arena_alloc(arena, count + more, size);
	if (count)
		memcpy(copy, items, count * size);
	return copy;
}

#define GROW(change, items, count, more)                                                           \
	((items) = grown((change)->arena, (items), (count), (more), sizeof *(items)))

static bool apply_uuid(struct change *change, const char *uuid)
{
	if (strcmp(change->metadata->table_uuid, uuid) == 0)
		return true;
	return error_set(change->err, ERROR_CONFLICT,
		"the table at \"%s\" has another identity than \"%.40s\"",
		change->metadata->location, uuid);
}

static bool apply_add_schema(struct change *change, const struct schema *schema)
{
	struct metadata *metadata = change->metadata;
	int32_t id = 0;
	for (size_t i = 0; i < metadata->schema_count; i++) {
		if (schema_equal(&metadata->schemas[i], schema)) {
			change->last_added_schema_id = metadata->schemas[i].schema_id;
			return true;
		}
		if (metadata->schemas[i].schema_id >= id)
			id = metadata->schemas[i].schema_id + 1;
	}
	GROW(change, metadata->schemas, metadata->schema_count, 1);
	struct schema *added = &metadata->schemas[metadata->schema_count++];
	*added = *schema_copy(schema, change->arena);
	added->schema_id = id;
	added->json = NULL; /* which may name another id */
	if (schema_field_id_max(added) > metadata->last_column_id)
		metadata->last_column_id = schema_field_id_max(added);
	change->last_added_schema_id = id;
	return true;
}

static bool apply_current_schema(struct change *change, int32_t schema_id)
{
	if (schema_id == SCHEMA_ID_LAST_ADDED)
		schema_id = change->last_added_schema_id;
	if (metadata_find_schema(change->metadata, schema_id) == NULL)
		return change_conflict(change, "there is no schema", schema_id);
	change->schema_id = schema_id;
	return true;
}

/* Version 3 gives every row of a snapshot an id ("Row Lineage"). */
static bool assign_row_ids(struct change *change, const struct snapshot *snapshot)
{
	if (change->metadata->format_version < 3)
		return true;
	if (!snapshot->has_first_row_id || snapshot->first_row_id < change->metadata->next_row_id)
		return change_conflict(
			change, "row ids are taken up to", change->metadata->next_row_id);
	change->metadata->next_row_id = snapshot->first_row_id + snapshot->added_rows;
	return true;
}

static bool apply_add_snapshot(struct change *change, const struct snapshot *snapshot)
{
	struct metadata *metadata = change->metadata;
	if (has_snapshot(change, snapshot->snapshot_id))
		return change_conflict(change, "it has a snapshot", snapshot->snapshot_id);
	if (snapshot->sequence_number <= metadata->last_sequence_number)
		return change_conflict(change, "its sequence numbers are taken up to",
			metadata->last_sequence_number);
	if (snapshot->has_schema_id && !metadata_find_schema(metadata, snapshot->schema_id))
		return change_conflict(change, "there is no schema", snapshot->schema_id);
	if (!assign_row_ids(change, snapshot))
		return false;
	GROW(change, metadata->snapshots, metadata->snapshot_count, 1);
	metadata->snapshots[metadata->snapshot_count++] = snapshot_copy(snapshot, change->arena);
	metadata->last_sequence_number = snapshot->sequence_number;
	if (snapshot->timestamp_ms > change->updated_ms)
		change->updated_ms = snapshot->timestamp_ms;
	return true;
}

static struct snapshot_ref *find_ref(struct metadata *metadata, const char *name)
{
	return (struct snapshot_ref *)metadata_find_ref(metadata, name);
}

static bool apply_set_ref(struct change *change, const struct snapshot_ref *ref)
{
	struct metadata *metadata = change->metadata;
	const bool is_main = strcmp(ref->name, REF_MAIN) == 0;
	if (!has_snapshot(change, ref->snapshot_id))
		return change_conflict(change, "it has no snapshot", ref->snapshot_id);
	if (is_main && ref->is_tag)
		return change_conflict(change, "main is a branch, not a tag of", ref->snapshot_id);
	struct snapshot_ref *place = find_ref(metadata, ref->name);
	if (place == NULL) {
		GROW(change, metadata->refs, metadata->ref_count, 1);
		place = &metadata->refs[metadata->ref_count++];
	}
	*place = *ref;
	place->name = arena_copy_cstring(change->arena, ref->name);
	place->other = members_copy(&ref->other, change->arena);
	if (is_main) {
		change->has_current = true;
		change->current_id = ref->snapshot_id;
	}
	return true;
}

static bool contains(const struct update *update, int64_t id)
{
	for (size_t i = 0; i < update->snapshots.count; i++)
		if (update->snapshots.ids[i] == id)
			return true;
	return false;
}

static size_t drop_statistics(
	struct statistics_file *files, size_t count, const struct update *update)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (!contains(update, files[i].snapshot_id))
			files[kept++] = files[i];
	return kept;
}

static bool apply_remove_snapshots(struct change *change, const struct update *update)
{
	struct metadata *metadata = change->metadata;
	if (change->has_current && contains(update, change->current_id))
		return error_set(change->err, ERROR_UNSUPPORTED,
			"the current version of the table at \"%s\" cannot be removed",
			metadata->location);
	size_t kept = 0;
	for (size_t i = 0; i < metadata->snapshot_count; i++)
		if (!contains(update, metadata->snapshots[i].snapshot_id))
			metadata->snapshots[kept++] = metadata->snapshots[i];
	change->has_removed_snapshots |= kept < metadata->snapshot_count;
	metadata->snapshot_count = kept;
	kept = 0;
	for (size_t i = 0; i < metadata->ref_count; i++)
		if (!contains(update, metadata->refs[i].snapshot_id))
			metadata->refs[kept++] = metadata->refs[i];
	metadata->ref_count = kept;
	metadata->statistics_count =
		drop_statistics(metadata->statistics, metadata->statistics_count, update);
	metadata->partition_statistics_count = drop_statistics(
		metadata->partition_statistics, metadata->partition_statistics_count, update);
	return true;
}

static bool apply_remove_ref(struct change *change, const char *name)
{
	struct metadata *metadata = change->metadata;
	if (strcmp(name, REF_MAIN) == 0)
		return error_set(change->err, ERROR_UNSUPPORTED,
			"branch main of the table at \"%s\" cannot be removed", metadata->location);
	struct snapshot_ref *ref = find_ref(metadata, name);
	if (ref == NULL)
		return true;
	const size_t after = metadata->ref_count - (size_t)(ref - metadata->refs) - 1;
	memmove(ref, ref + 1, after * sizeof *ref);
	metadata->ref_count--;
	return true;
}

static void set_property(struct change *change, const struct key_value *item)
{
	struct metadata *metadata = change->metadata;
	const char *value = arena_copy_cstring(change->arena, item->value);
	for (size_t i = 0; i < metadata->property_count; i++)
		if (strcmp(metadata->properties[i].key, item->key) == 0) {
			metadata->properties[i].value = value;
			return;
		}
	GROW(change, metadata->properties, metadata->property_count, 1);
	metadata->properties[metadata->property_count++] =
		(struct key_value){ arena_copy_cstring(change->arena, item->key), value };
}

static void remove_property(struct metadata *metadata, const char *key)
{
	size_t kept = 0;
	for (size_t i = 0; i < metadata->property_count; i++)
		if (strcmp(metadata->properties[i].key, key) != 0)
			metadata->properties[kept++] = metadata->properties[i];
	metadata->property_count = kept;
}

static bool apply_one(struct change *change, const struct update *update)
{
	switch (update->kind) {
	case UPDATE_ASSIGN_UUID:
		return apply_uuid(change, update->uuid);
	case UPDATE_ADD_SCHEMA:
		return apply_add_schema(change, update->schema);
	case UPDATE_SET_CURRENT_SCHEMA:
		return apply_current_schema(change, update->schema_id);
	case UPDATE_ADD_SNAPSHOT:
		return apply_add_snapshot(change, update->snapshot);
	case UPDATE_SET_SNAPSHOT_REF:
		return apply_set_ref(change, update->ref);
	case UPDATE_REMOVE_SNAPSHOTS:
		return apply_remove_snapshots(change, update);
	case UPDATE_REMOVE_SNAPSHOT_REF:
		return apply_remove_ref(change, update->ref_name);
	case UPDATE_SET_PROPERTIES:
		for (size_t i = 0; i < update->properties.count; i++)
			set_property(change, &update->properties.items[i]);
		return true;
	case UPDATE_REMOVE_PROPERTIES:
		for (size_t i = 0; i < update->removals.count; i++)
			remove_property(change->metadata, update->removals.keys[i]);
		return true;
	}
	return error_set(change->err, ERROR_UNSUPPORTED, "an update of unknown kind");
}

/*
 * An entry whose snapshot is gone takes those before it along: what stands before a gap would
 * answer "which version was current at that time" wrongly.
 */
static void cut_snapshot_log(struct metadata *metadata)
{
	size_t kept = 0;
	for (size_t i = 0; i < metadata->snapshot_log_count; i++) {
		if (metadata_find_snapshot(metadata, metadata->snapshot_log[i].snapshot_id))
			metadata->snapshot_log[kept++] = metadata->snapshot_log[i];
		else
			kept = 0;
	}
	metadata->snapshot_log_count = kept;
}

/* A version's time is its snapshot's own when it was made here, else that of this change. */
static int64_t time_of_current(const struct change *change)
{
	const struct metadata *metadata = change->metadata;
	const struct snapshot *current = metadata_find_snapshot(metadata, change->current_id);
	if (current->sequence_number > change->base_sequence_number)
		return current->timestamp_ms;
	return change->options->now_ms > metadata->last_updated_ms ? change->options->now_ms
								   : metadata->last_updated_ms;
}

/* Versions that were current only between two updates of this change leave no entry. */
static bool log_current(struct change *change)
{
	struct metadata *metadata = change->metadata;
	if (!change->has_current ||
		(change->had_current && change->current_id == change->base_current_id))
		return true;
	const size_t count = metadata->snapshot_log_count;
	const int64_t timestamp_ms = time_of_current(change);
	if (count > 0 && timestamp_ms < metadata->snapshot_log[count - 1].timestamp_ms)
		return change_conflict(change, "its newest version is of the later time",
			metadata->snapshot_log[count - 1].timestamp_ms);
	GROW(change, metadata->snapshot_log, count, 1);
	metadata->snapshot_log[metadata->snapshot_log_count++] =
		(struct snapshot_log_entry){ timestamp_ms, change->current_id };
	return true;
}

static size_t previous_versions_max(const struct metadata *metadata)
{
	const char *text = metadata_property(metadata, PROPERTY_PREVIOUS_VERSIONS_MAX);
	char *end;
	errno = 0;
	long value = text ? strtol(text, &end, 10) : PREVIOUS_VERSIONS_DEFAULT;
	if (text != NULL && (errno != 0 || end == text || *end != '\0'))
		value = PREVIOUS_VERSIONS_DEFAULT;
	return value < 1 ? 1 : (size_t)value;
}

static void log_base(struct change *change, int64_t base_updated_ms)
{
	struct metadata *metadata = change->metadata;
	const char *location = change->options->base_location;
	if (location == NULL)
		return;
	const size_t kept_max = previous_versions_max(metadata) - 1;
	const size_t count = metadata->metadata_log_count;
	const size_t kept = count < kept_max ? count : kept_max;
	struct metadata_log_entry *oldest = metadata->metadata_log + (count - kept);
	GROW(change, oldest, kept, 1);
	oldest[kept] = (struct metadata_log_entry){ base_updated_ms,
		arena_copy_cstring(change->arena, location) };
	metadata->metadata_log = oldest;
	metadata->metadata_log_count = kept + 1;
}

static bool finish(struct change *change)
{
	struct metadata *metadata = change->metadata;
	const int64_t base_updated_ms = metadata->last_updated_ms;
	if (!log_current(change))
		return false;
	if (change->has_removed_snapshots)
		cut_snapshot_log(metadata);
	log_base(change, base_updated_ms);
	metadata->current_schema = metadata_find_schema(metadata, change->schema_id);
	metadata->current_snapshot =
		change->has_current ? metadata_find_snapshot(metadata, change->current_id) : NULL;
	const int64_t updated_ms =
		change->updated_ms ? change->updated_ms : change->options->now_ms;
	if (updated_ms > base_updated_ms)
		metadata->last_updated_ms = updated_ms;
	return true;
}

bool metadata_apply(const struct metadata *base, const struct update *updates, size_t update_count,
	const struct update_options *options, struct arena *arena, struct metadata **out,
	struct error *err)
{
	if (base->format_version < 2)
		return error_set(err, ERROR_UNSUPPORTED,
			"the table at \"%s\" has Iceberg format version 1, which is only read",
			base->location);
	struct change change = { .metadata = metadata_copy(base, arena),
		.options = options,
		.arena = arena,
		.err = err,
		.schema_id = base->current_schema->schema_id,
		.last_added_schema_id = base->current_schema->schema_id,
		.base_sequence_number = base->last_sequence_number };
	if (base->current_snapshot != NULL) {
		change.has_current = change.had_current = true;
		change.current_id = change.base_current_id = base->current_snapshot->snapshot_id;
	}
	for (size_t i = 0; i < update_count; i++)
		if (!apply_one(&change, &updates[i]))
			return false;
	if (!finish(&change))
		return false;
	*out = change.metadata;
	return true;
}
