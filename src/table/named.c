/*
 * named.c: which objects a table's versions name, for finding those that none does.
 */
#include "table/table_internal.h"

#include <stdlib.h>

static void add_statistics(struct history *names, const struct store *store,
	const struct statistics_file *files, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		json_t *json = json_loads(files[i].json, 0, NULL);
		const char *uri = json_string_value(json_object_get(json, "statistics-path"));
		if (uri)
			history_name(names, store, uri, 0, 0);
		json_decref(json);
	}
}

/* What the metadata file itself names, but for its versions' files. */
static void add_metadata(struct history *names, const struct store *store, const char *location,
	const struct metadata *metadata)
{
	history_name(names, store, location, 0, 0);
	for (size_t i = 0; i < metadata->metadata_log_count; i++)
		history_name(names, store, metadata->metadata_log[i].metadata_file, 0, 0);
	add_statistics(names, store, metadata->statistics, metadata->statistics_count);
	add_statistics(
		names, store, metadata->partition_statistics, metadata->partition_statistics_count);
}

/* Gives names up. */
static void take_paths(
	struct history *names, struct arena *arena, const char ***paths, size_t *count)
{
	history_join(names);
	*count = names->count;
	*paths = arena_array(arena, const char *, names->count + 1);
	for (size_t i = 0; i < names->count; i++)
		(*paths)[i] = arena_copy_cstring(arena, names->objects[i].path);
	history_deinit(names);
}

void table_named_paths(
	const struct table *table, struct arena *arena, const char ***paths, size_t *count)
{
	struct history names = { 0 };
	table_current_names(table, &names);
	for (size_t i = 0; i < table->past.count; i++)
		history_add(&names, table->past.objects[i].path, 0, 0);
	add_metadata(&names, table->store, table->metadata_location, table->metadata);
	for (size_t i = 0; i < table->written_count; i++)
		history_add(&names, table->written[i], 0, 0);
	take_paths(&names, arena, paths, count);
}

/* An old version 1 names its manifests in a form that is not read. */
static bool check_versions(const struct metadata *metadata, struct error *err)
{
	for (size_t i = 0; i < metadata->snapshot_count; i++)
		if (metadata->snapshots[i].manifest_list[0] == '\0')
			return error_set(err, ERROR_UNSUPPORTED,
				"version %lld has no manifest list",
				(long long)metadata->snapshots[i].snapshot_id);
	return true;
}

static bool find_names(struct store *store, const char *location, struct history *names,
	struct arena *arena, struct error *err)
{
	struct metadata *metadata;
	if (!metadata_read(store, location, arena, &metadata, err) ||
		!check_versions(metadata, err) || !history_read(store, metadata, NULL, names, err))
		return false;
	add_metadata(names, store, location, metadata);
	return !names->is_unclear ||
	       error_set(err, ERROR_UNSUPPORTED,
		       "a file of the table is named in a spelling that is not understood");
}

bool table_find_named(struct store *store, const char *metadata_location, struct arena *arena,
	const char ***paths, size_t *count, bool *is_here, struct error *err)
{
	struct arena metadata_arena = { 0 };
	struct history names = { 0 };
	*is_here = store_may_hold(store, metadata_location);
	if (!*is_here)
		return true;
	const bool done = find_names(store, metadata_location, &names, &metadata_arena, err);
	arena_deinit(&metadata_arena);
	if (done)
		take_paths(&names, arena, paths, count);
	history_deinit(&names);
	return done;
}
