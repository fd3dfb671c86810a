/*
 * load.c: a table from its metadata file.
 */
#include "table/table_internal.h"

#include <stdlib.h>

enum {
	MANIFEST_SIZE_MAX = 256 * 1024 * 1024, /* bytes of a manifest or a list */
};

/* --- objects --- */

static bool object_get(struct store *store, const char *uri, size_t size_max, struct buffer *out,
	struct error *err)
{
	const char *path = store_path(store, uri);
	if (path == NULL)
		return error_set(err, ERROR_UNSUPPORTED,
			"\"%s\" is not in the lake's store, \"%s\"", uri, store->location);
	return store_get(store, path, size_max, out, err);
}

bool metadata_read(struct store *store, const char *location, struct arena *arena,
	struct metadata **out, struct error *err)
{
	struct buffer bytes = { 0 };
	const bool ok =
		object_get(store, location, METADATA_LIMITS_DEFAULT.size_max, &bytes, err) &&
		metadata_decode(buffer_bytes(&bytes), &METADATA_LIMITS_DEFAULT, arena, out, err);
	buffer_deinit(&bytes);
	return ok || error_context(err, "reading metadata \"%s\"", location);
}

bool manifest_list_read(struct store *store, const struct snapshot *snapshot, struct arena *arena,
	struct manifest_file **out, size_t *count, struct error *err)
{
	struct buffer bytes = { 0 };
	const bool ok =
		object_get(store, snapshot->manifest_list, MANIFEST_SIZE_MAX, &bytes, err) &&
		manifest_list_decode(
			buffer_bytes(&bytes), &AVRO_LIMITS_DEFAULT, arena, out, count, err);
	buffer_deinit(&bytes);
	return ok || error_context(err, "reading manifest list \"%s\"", snapshot->manifest_list);
}

bool manifest_read(struct store *store, const struct manifest_file *file, struct arena *arena,
	struct manifest *out, struct error *err)
{
	struct buffer bytes = { 0 };
	const bool ok =
		object_get(store, file->manifest_path, MANIFEST_SIZE_MAX, &bytes, err) &&
		manifest_decode(buffer_bytes(&bytes), file, &AVRO_LIMITS_DEFAULT, arena, out, err);
	buffer_deinit(&bytes);
	return ok || error_context(err, "reading manifest \"%s\"", file->manifest_path);
}

/* --- what walberg writes on --- */

/* Documentation of columns may differ. */
static bool same_columns(const struct schema *schema, const struct relation *relation)
{
	if (schema->field_count != relation->column_count)
		return false;
	for (size_t i = 0; i < schema->field_count; i++) {
		const struct schema_field *field = &schema->fields[i];
		const struct relation_column *column = &relation->columns[i];
		if (field->id != (int32_t)i + 1 || strcmp(field->name, column->name) != 0 ||
			field->required != column->is_required ||
			!column_type_equal(field->type, column->type))
			return false;
	}
	return true;
}

bool metadata_check(struct table *table, const struct metadata *metadata, struct error *err)
{
	char text[160];
	if (!metadata_check_writable(metadata, err))
		return false;
	if (metadata->format_version != 2)
		return error_set(err, ERROR_UNSUPPORTED,
			"table \"%s\" has format version %d, and walberg writes version 2",
			table_text(table, text), metadata->format_version);
	if (!same_columns(metadata->current_schema, table->relation)) {
		error_set(err, ERROR_UNSUPPORTED,
			"table \"%s\" in the lake has other columns than in the source",
			table_text(table, text));
		return error_hint(
			err, "Run `walberg snapshot %s` to make it anew.", table_text(table, text));
	}
	return true;
}

/* --- files of one version --- */

struct version_files {
	struct arena arena;
	size_t manifest_count;
	struct manifest_file *manifest_files;
	struct manifest *manifests;
};

static bool version_read(struct table *table, const struct snapshot *snapshot,
	struct version_files *out, struct error *err)
{
	if (!manifest_list_read(table->store, snapshot, &out->arena, &out->manifest_files,
		    &out->manifest_count, err))
		return false;
	out->manifests = arena_array(&out->arena, struct manifest, out->manifest_count + 1);
	for (size_t i = 0; i < out->manifest_count; i++) {
		if (!manifest_read(table->store, &out->manifest_files[i], &out->arena,
			    &out->manifests[i], err))
			return false;
	}
	return true;
}

static void version_names(
	const struct table *table, const struct version_files *version, struct history *out)
{
	for (size_t i = 0; i < version->manifest_count; i++) {
		for (size_t j = 0; j < version->manifests[i].entry_count; j++) {
			const struct manifest_entry *entry = &version->manifests[i].entries[j];
			if (entry->status != ENTRY_DELETED)
				history_add(
					out, store_path(table->store, entry->data_file.path), 0, 0);
		}
	}
	history_join(out);
}

/* --- a version that is not walberg's --- */

static bool same_names(const struct history *a, const struct history *b)
{
	if (a->count != b->count)
		return false;
	for (size_t i = 0; i < a->count; i++) {
		if (strcmp(a->objects[i].path, b->objects[i].path) != 0)
			return false;
	}
	return true;
}

static bool check_maker(struct table *table, const struct version_files *current, struct error *err)
{
	const struct snapshot *head = table->metadata->current_snapshot;
	const struct snapshot *ours = metadata_walberg_snapshot(table->metadata);
	if (ours == head)
		return true;
	bool same = false;
	if (ours) {
		struct version_files version = { 0 };
		struct history theirs = { 0 }, own = { 0 };
		const bool ok = version_read(table, ours, &version, err);
		if (ok) {
			version_names(table, &version, &own);
			version_names(table, current, &theirs);
			same = same_names(&own, &theirs);
		}
		history_deinit(&own);
		history_deinit(&theirs);
		arena_deinit(&version.arena);
		if (!ok)
			return false;
	}
	if (same)
		return true;
	char text[160];
	const char *operation = snapshot_summary(head, SUMMARY_OPERATION);
	table_text(table, text);
	error_set(err, ERROR_CONFLICT,
		"table \"%s\" has other rows than walberg wrote: version %lld (%s) is somebody "
		"else's",
		text, (long long)head->snapshot_id, operation ? operation : "unknown operation");
	return error_hint(err, "Run `walberg snapshot %s` to read the table again.", text);
}

/* --- files and groups --- */

/* Text and metrics of the entry live in the file's own arena. */
static struct manifest_entry entry_copy(const struct manifest_entry *entry, struct arena *arena)
{
	struct manifest_entry copy = *entry;
	copy.status = ENTRY_EXISTING;
	copy.data_file = data_file_copy(&entry->data_file, arena);
	return copy;
}

static bool check_data_file(
	struct table *table, const struct manifest_entry *entry, struct error *err)
{
	const struct data_file *file = &entry->data_file;
	if (strcasecmp(file->format, "PARQUET") != 0 || file->key_metadata.size > 0 ||
		store_path(table->store, file->path) == NULL)
		return error_set(err, ERROR_UNSUPPORTED, "\"%s\" is not a file that walberg reads",
			file->path);
	if (file->record_count < 1 || file->record_count > UINT32_MAX ||
		file->file_size_in_bytes < 1)
		return error_set(err, ERROR_CORRUPT, "\"%s\" has %lld rows in %lld bytes",
			file->path, (long long)file->record_count,
			(long long)file->file_size_in_bytes);
	return true;
}

static void group_take_manifest(struct group *group, const struct manifest_file *file)
{
	struct group_manifest *manifest = &group->current[file->content];
	manifest->is_there = true;
	manifest->uri = copy_text(file->manifest_path);
	manifest->file = *file;
	manifest->file.manifest_path = manifest->uri;
	manifest->file.key_metadata = (struct bytes){ 0 };
}

static bool take_data_manifest(struct table *table, const struct manifest_file *manifest_file,
	const struct manifest *manifest, struct error *err)
{
	struct group *group = table_add_group(table);
	group_take_manifest(group, manifest_file);
	for (size_t i = 0; i < manifest->entry_count; i++) {
		const struct manifest_entry *entry = &manifest->entries[i];
		if (entry->status == ENTRY_DELETED)
			continue;
		if (!check_data_file(table, entry, err))
			return false;
		struct table_file *file = table_add_file(table);
		file->is_new = false;
		file->group = group;
		file->entry = entry_copy(entry, &file->arena);
		table->row_count += (uint64_t)entry->data_file.record_count;
	}
	return true;
}

static int compare_ages(const void *a, const void *b)
{
	const struct table_file *left = *(struct table_file *const *)a;
	const struct table_file *right = *(struct table_file *const *)b;
	const int64_t older = left->entry.file_sequence_number;
	const int64_t newer = right->entry.file_sequence_number;
	if (older != newer)
		return older < newer ? -1 : 1;
	return left->id < right->id ? -1 : 1;
}

/* Ids go by age. */
static void number_files(struct table *table)
{
	if (table->file_count > 0)
		qsort(table->files, table->file_count, sizeof(struct table_file *), compare_ages);
	for (size_t i = 0; i < table->file_count; i++)
		table->files[i]->id = (uint32_t)i;
}

struct file_by_uri {
	const char *uri;
	struct table_file *file;
};

static int compare_uris(const void *a, const void *b)
{
	return strcmp(((const struct file_by_uri *)a)->uri, ((const struct file_by_uri *)b)->uri);
}

static struct file_by_uri *files_by_uri(const struct table *table, struct arena *arena)
{
	struct file_by_uri *files = arena_array(arena, struct file_by_uri, table->file_count + 1);
	for (size_t i = 0; i < table->file_count; i++)
		files[i] = (struct file_by_uri){ table->files[i]->entry.data_file.path,
			table->files[i] };
	if (table->file_count > 0)
		qsort(files, table->file_count, sizeof *files, compare_uris);
	return files;
}

static bool take_deletes(struct table *table, const struct file_by_uri *files,
	const struct manifest_entry *entry, struct arena *arena, struct group **group,
	struct error *err)
{
	if (entry->data_file.content != FILE_CONTENT_POSITION_DELETES)
		return error_set(err, ERROR_UNSUPPORTED,
			"\"%s\" holds equality deletes, which walberg does not write on",
			entry->data_file.path);
	if (!check_data_file(table, entry, err))
		return false;
	const char *target = data_file_target(&entry->data_file, arena);
	const struct file_by_uri wanted = { target, NULL };
	const struct file_by_uri *found =
		target && table->file_count > 0
			? bsearch(&wanted, files, table->file_count, sizeof wanted, compare_uris)
			: NULL;
	if (found == NULL || found->file->deletes ||
		entry->sequence_number < found->file->entry.sequence_number)
		return error_set(err, ERROR_UNSUPPORTED,
			"delete file \"%s\" is not the only one of a live data file",
			entry->data_file.path);
	found->file->deletes = memory_allocate(1, sizeof *found->file->deletes);
	found->file->deletes->entry = entry_copy(entry, &found->file->deletes->arena);
	*group = found->file->group;
	return delete_file_read(table, found->file, err);
}

/*
 * A manifest whose deletes are all for files of one group is that group's.  Another is in no group
 * and will not be named by the next version, for which the groups write theirs.
 */
static bool take_delete_manifest(struct table *table, const struct file_by_uri *files,
	const struct manifest_file *manifest_file, const struct manifest *manifest,
	struct arena *arena, struct error *err)
{
	struct group **groups = arena_array(arena, struct group *, manifest->entry_count + 1);
	size_t count = 0;
	bool is_one_group = true;
	for (size_t i = 0; i < manifest->entry_count; i++) {
		if (manifest->entries[i].status == ENTRY_DELETED)
			continue;
		if (!take_deletes(table, files, &manifest->entries[i], arena, &groups[count], err))
			return false;
		is_one_group = is_one_group && groups[count] == groups[0];
		count++;
	}
	if (count > 0 && is_one_group && !groups[0]->current[MANIFEST_DELETES].is_there) {
		group_take_manifest(groups[0], manifest_file);
		return true;
	}
	history_add(&table->loose, store_path(table->store, manifest_file->manifest_path),
		manifest_file->sequence_number, manifest_file->sequence_number);
	for (size_t i = 0; i < count; i++)
		groups[i]->must_rewrite_deletes = true;
	return true;
}

static bool take_version(struct table *table, struct version_files *version, struct error *err)
{
	for (size_t i = 0; i < version->manifest_count; i++) {
		if (version->manifest_files[i].content == MANIFEST_DATA &&
			!take_data_manifest(
				table, &version->manifest_files[i], &version->manifests[i], err))
			return false;
	}
	number_files(table);
	const struct file_by_uri *files = files_by_uri(table, &version->arena);
	for (size_t i = 0; i < version->manifest_count; i++) {
		if (version->manifest_files[i].content == MANIFEST_DELETES &&
			!take_delete_manifest(table, files, &version->manifest_files[i],
				&version->manifests[i], &version->arena, err))
			return false;
	}
	for (size_t i = 0; i < table->file_count; i++)
		table->row_count -= table->files[i]->deleted.set_count;
	return true;
}

/* --- names --- */

void table_current_names(const struct table *table, struct history *out)
{
	struct store *store = table->store;
	if (table->metadata->current_snapshot)
		history_add(out,
			store_path(store, table->metadata->current_snapshot->manifest_list), 0, 0);
	for (size_t i = 0; i < table->group_count; i++) {
		for (int kind = 0; kind < MANIFEST_KINDS; kind++) {
			if (table->groups[i]->current[kind].is_there)
				history_add(out,
					store_path(store, table->groups[i]->current[kind].uri), 0,
					0);
		}
	}
	for (size_t i = 0; i < table->loose.count; i++)
		history_add(out, table->loose.objects[i].path, 0, 0);
	for (size_t i = 0; i < table->file_count; i++) {
		const struct table_file *file = table->files[i];
		if (!file->is_new)
			history_add(out, store_path(store, file->entry.data_file.path), 0, 0);
		if (file->deletes)
			history_add(
				out, store_path(store, file->deletes->entry.data_file.path), 0, 0);
	}
	history_join(out);
}

/* --- whose it is --- */

static const char *newest_lake(const struct metadata *metadata)
{
	const char *lake = NULL;
	for (size_t i = metadata->snapshot_count; i > 0 && lake == NULL; i--)
		lake = snapshot_summary(&metadata->snapshots[i - 1], SUMMARY_LAKE);
	return lake;
}

bool table_find_lake(struct store *store, const char *metadata_location, struct arena *arena,
	const char **lake_id, struct error *err)
{
	struct metadata *metadata;
	*lake_id = NULL;
	if (store_path(store, metadata_location) == NULL)
		return true;
	if (!metadata_read(store, metadata_location, arena, &metadata, err))
		return false;
	*lake_id = newest_lake(metadata);
	return true;
}

bool table_is_of_lake(struct store *store, const char *metadata_location, const char *lake_id,
	bool *out, struct error *err)
{
	struct arena arena = { 0 };
	const char *found;
	const bool ok = table_find_lake(store, metadata_location, &arena, &found, err);
	*out = found != NULL && strcmp(found, lake_id) == 0;
	arena_deinit(&arena);
	return ok;
}

/* --- load --- */

/* Objects of old versions only. */
static bool load_past(struct table *table, struct error *err)
{
	struct history current = { 0 }, all = { 0 };
	const bool ok = history_read(table->store, table->metadata, NULL, &all, err);
	table_current_names(table, &current);
	for (size_t i = 0; ok && i < all.count; i++) {
		const struct past_object *object = &all.objects[i];
		if (!history_find(&current, object->path))
			history_add(&table->past, object->path, object->first_sequence_number,
				object->last_sequence_number);
	}
	history_deinit(&current);
	history_deinit(&all);
	history_join(&table->past);
	return ok;
}

static bool load_version(struct table *table, struct error *err)
{
	if (table->metadata->current_snapshot == NULL)
		return true;
	struct version_files version = { 0 };
	const bool ok = version_read(table, table->metadata->current_snapshot, &version, err) &&
			check_maker(table, &version, err) && take_version(table, &version, err);
	arena_deinit(&version.arena);
	return ok;
}

bool table_load(struct world *world, struct store *store, const struct table_options *options,
	const struct relation *relation, const char *metadata_location, struct table **out,
	struct error *err)
{
	*out = NULL;
	char text[160];
	struct table *table = table_new(world, store, options, relation);
	if (!metadata_read(
		    store, metadata_location, &table->metadata_arena, &table->metadata, err) ||
		!metadata_check(table, table->metadata, err) || !load_version(table, err) ||
		!load_past(table, err)) {
		error_context(err, "loading table \"%s\"", table_text(table, text));
		table_close(table);
		return false;
	}
	free(table->metadata_location);
	table->metadata_location = copy_text(metadata_location);
	*out = table;
	return true;
}

/* --- replace --- */

/* Best effort: what cannot be read is found as an orphan later. */
static void find_replaced(struct table *table, const char *location)
{
	struct arena arena = { 0 };
	struct history names = { 0 };
	struct metadata *metadata;
	struct error err;
	if (metadata_read(table->store, location, &arena, &metadata, &err)) {
		for (size_t i = 0; i < metadata->metadata_log_count; i++)
			history_add(&names,
				store_path(table->store, metadata->metadata_log[i].metadata_file),
				0, 0);
		if (!history_read(table->store, metadata, NULL, &names, &err))
			history_join(&names);
	}
	for (size_t i = 0; i < names.count; i++) {
		if (strncmp(names.objects[i].path, table->folder, strlen(table->folder)) == 0)
			history_add(&table->past, names.objects[i].path, 0, 0);
	}
	history_deinit(&names);
	arena_deinit(&arena);
}

bool table_replace(struct world *world, struct store *store, const struct table_options *options,
	const struct relation *relation, const char *metadata_location, struct table **out,
	struct error *err)
{
	if (!table_create(world, store, options, relation, out, err))
		return false;
	free((*out)->replaces);
	(*out)->replaces = copy_text(metadata_location);
	find_replaced(*out, metadata_location);
	return true;
}
