#include "query/lake_tables.h"

#include "catalog/place.h"
#include "iceberg/manifest.h"
#include "iceberg/metadata.h"
#include "query/fetch.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>
#include <time.h>

enum {
	KEPT_METADATA_MAX = 64,
	KEPT_VERSIONS_MAX = 64,
	MANIFEST_SIZE_MAX = 256 << 20,
};

#define LOCAL_SCHEME "file:"

struct kept {              /* a metadata file, by its location, or a version, by its key */
	struct kept *next; /* used last first */
	struct arena arena;
	const char *key;
	struct metadata *metadata;
	struct table_version version;
};

struct lake_tables {
	struct tables base;
	struct catalog *catalog;
	struct store *store;
	struct cache *cache;     /* NULL: the store is on this machine */
	struct fetcher *fetcher; /* NULL with it */
	struct arena state;      /* of the newest begin */
	struct catalog_view view;
	struct table_entry *entries;
	struct kept *metadata;
	struct kept *versions;
};

/* ---- what is kept ---- */

static struct kept *kept_find(struct kept **list, const char *key)
{
	for (struct kept **at = list; *at != NULL; at = &(*at)->next) {
		struct kept *kept = *at;
		if (strcmp(kept->key, key) != 0)
			continue;
		*at = kept->next;
		kept->next = *list;
		*list = kept;
		return kept;
	}
	return NULL;
}

static void kept_free(struct kept *kept)
{
	while (kept != NULL) {
		struct kept *next = kept->next;
		arena_deinit(&kept->arena);
		free(kept);
		kept = next;
	}
}

/* Only between statements: what a statement was given lives until the next begins. */
static void kept_trim(struct kept **list, size_t count_max)
{
	for (size_t i = 0; i < count_max && *list != NULL; i++)
		list = &(*list)->next;
	kept_free(*list);
	*list = NULL;
}

static void kept_add(struct kept **list, struct kept *kept)
{
	kept->next = *list;
	*list = kept;
}

/* ---- the state ---- */

static struct table_entry entry_of(const struct catalog_table *table)
{
	bool is_again = table->state == TABLE_SNAPSHOT;
	bool is_readable = table->metadata_location[0] != '\0';
	const char *reason = table->reason;
	if (reason[0] == '\0' && is_again)
		reason =
			is_readable ? "it is being read again" : "its snapshot is still being read";
	return (struct table_entry){
		.namespace_name = table->namespace_name,
		.name = table->name,
		.is_readable = is_readable,
		.is_paused = table->state == TABLE_PAUSED || is_again,
		.position = table->position,
		.reason = reason,
	};
}

static bool lake_begin(
	struct tables *tables, const struct table_entry **out, size_t *count, struct error *err)
{
	struct lake_tables *lake = (struct lake_tables *)tables;
	arena_reset(&lake->state);
	if (lake->fetcher != NULL)
		fetcher_reset(lake->fetcher);
	kept_trim(&lake->metadata, KEPT_METADATA_MAX);
	kept_trim(&lake->versions, KEPT_VERSIONS_MAX);
	if (!catalog_load(lake->catalog, &lake->state, &lake->view, err)) {
		if (err->kind == ERROR_MISSING)
			error_hint(err, "Start \"walberg run\" first; it makes the lake.");
		return error_context(err, "looking for the tables of the lake");
	}
	lake->entries = arena_array(&lake->state, struct table_entry, lake->view.table_count);
	for (size_t i = 0; i < lake->view.table_count; i++)
		lake->entries[i] = entry_of(&lake->view.tables[i]);
	*out = lake->entries;
	*count = lake->view.table_count;
	return true;
}

/* ---- reading objects ---- */

static bool read_object(const struct lake_tables *lake, const char *uri, size_t size_max,
	struct buffer *out, struct error *err)
{
	const char *path = store_path(lake->store, uri);
	if (path == NULL)
		return place_check(lake->store, &lake->view, err) &&
		       error_set(err, ERROR_UNSUPPORTED, "\"%s\" is not in the warehouse %s", uri,
			       lake->store->location);
	if (lake->cache != NULL ? cache_get(lake->cache, lake->store, path, size_max, out, err)
				: store_get(lake->store, path, size_max, out, err))
		return true;
	if (err->kind != ERROR_MISSING || !place_look(lake->store, &lake->view, err))
		return false;
	error_set(err, ERROR_CORRUPT, "\"%s\" is named by the lake, but it is gone", uri);
	return error_hint(err, "Bring the file back from a copy, or take the table in again with "
			       "\"walberg snapshot\".");
}

static bool find_metadata(
	struct lake_tables *lake, const char *location, struct metadata **out, struct error *err)
{
	struct kept *kept = kept_find(&lake->metadata, location);
	if (kept != NULL) {
		*out = kept->metadata;
		return true;
	}
	kept = memory_allocate(1, sizeof *kept);
	kept->key = arena_copy_cstring(&kept->arena, location);
	struct buffer bytes = { 0 };
	bool ok = read_object(lake, location, METADATA_LIMITS_DEFAULT.size_max, &bytes, err) &&
		  metadata_decode(buffer_bytes(&bytes), &METADATA_LIMITS_DEFAULT, &kept->arena,
			  &kept->metadata, err);
	buffer_deinit(&bytes);
	if (!ok) {
		kept_free(kept);
		return error_context(err, "reading \"%s\"", location);
	}
	kept_add(&lake->metadata, kept);
	*out = kept->metadata;
	return true;
}

/* ---- choosing a version ---- */

enum {
	TIME_TEXT_SIZE = 32,
	ASKED_TEXT_SIZE = 64,
};

static const char *time_text(int64_t seconds, char out[TIME_TEXT_SIZE])
{
	const time_t at = (time_t)seconds;
	struct tm parts;
	if (gmtime_r(&at, &parts) == NULL ||
		strftime(out, TIME_TEXT_SIZE, "%Y-%m-%d %H:%M:%S UTC", &parts) == 0)
		snprintf(out, TIME_TEXT_SIZE, "%" PRId64 " s", seconds);
	return out;
}

static const char *asked_text(const struct version_selector *selector, char out[ASKED_TEXT_SIZE])
{
	char position[LSN_TEXT_SIZE], time[TIME_TEXT_SIZE];
	if (selector->kind == VERSION_SNAPSHOT)
		snprintf(out, ASKED_TEXT_SIZE, "%" PRId64, selector->snapshot_id);
	else if (selector->kind == VERSION_POSITION)
		snprintf(out, ASKED_TEXT_SIZE, "at %s", lsn_format(selector->position, position));
	else
		snprintf(out, ASKED_TEXT_SIZE, "of %s",
			time_text(selector->timestamp / MICROS_PER_SECOND, time));
	return out;
}

/* Of walberg's own that are kept; NULL. */
static const struct snapshot *oldest_version(const struct metadata *metadata, lsn_t *position)
{
	for (size_t i = 0; i < metadata->snapshot_count; i++)
		if (snapshot_position(&metadata->snapshots[i], position))
			return &metadata->snapshots[i];
	return NULL;
}

static bool no_version(const struct lake_tables *lake, size_t index,
	const struct metadata *metadata, const struct version_selector *selector, struct error *err)
{
	char asked[ASKED_TEXT_SIZE], position[LSN_TEXT_SIZE], time[TIME_TEXT_SIZE];
	const struct catalog_table *table = &lake->view.tables[index];
	lsn_t oldest_position;
	const struct snapshot *oldest = oldest_version(metadata, &oldest_position);
	error_set(err, ERROR_MISSING, "table \"%s.%s\" has no version %s that is kept",
		table->namespace_name, table->name, asked_text(selector, asked));
	if (oldest == NULL)
		return error_hint(
			err, "\"walberg snapshots\" lists the positions that can be read.");
	return error_hint(err,
		"Its oldest is %s of %s; \"walberg snapshots\" lists all that can be read.",
		lsn_format(oldest_position, position),
		time_text(oldest->timestamp_ms / 1000, time));
}

static bool is_tagged(const struct metadata *metadata, int64_t snapshot_id)
{
	for (size_t i = 0; i < metadata->ref_count; i++)
		if (metadata->refs[i].is_tag && metadata->refs[i].snapshot_id == snapshot_id)
			return true;
	return false;
}

/* Nothing but foreign versions, which keep the rows (I2), lies between the two. */
static bool follows(const struct metadata *metadata, const struct snapshot *after,
	const struct snapshot *before)
{
	lsn_t position;
	const struct snapshot *parent = metadata_parent(metadata, after);
	while (parent != NULL && parent != before && !snapshot_position(parent, &position))
		parent = metadata_parent(metadata, parent);
	return parent == before;
}

/* Whether the version before this one is what the table was at the position. */
static bool is_known_until(const struct snapshot *after, lsn_t position)
{
	lsn_t until;
	const char *text = snapshot_summary(after, SUMMARY_KNOWN_UNTIL);
	return text == NULL || (lsn_parse(text, &until) && position <= until);
}

/*
 * The newest of walberg's snapshots up to a position and a time.  When the one after it does
 * not follow it, versions between the two are gone, and one of them may be what was asked for; only
 * a tag says that this one was meant to be kept for the time after it.  When the table was read
 * again, what it was from its pause on is not known.
 */
static const struct snapshot *find_newest(
	const struct metadata *metadata, lsn_t position_max, int64_t timestamp_ms_max)
{
	const struct snapshot *newest = NULL;
	const struct snapshot *after = NULL;
	lsn_t newest_position = 0;
	for (size_t i = 0; i < metadata->snapshot_count; i++) {
		const struct snapshot *snapshot = &metadata->snapshots[i];
		lsn_t position;
		if (!snapshot_position(snapshot, &position))
			continue;
		if (position <= position_max && snapshot->timestamp_ms <= timestamp_ms_max) {
			newest = snapshot;
			newest_position = position;
			after = NULL;
		} else if (after == NULL) {
			after = snapshot;
		}
	}
	if (newest == NULL)
		return NULL;
	bool is_exact = newest_position == position_max || newest->timestamp_ms == timestamp_ms_max;
	bool is_followed = after == NULL || follows(metadata, after, newest);
	if (after != NULL && !is_exact && !is_known_until(after, position_max))
		return NULL;
	if (!is_exact && !is_followed && !is_tagged(metadata, newest->snapshot_id))
		return NULL;
	return newest;
}

/* A table that stands still is not known beyond its position. */
static bool check_stands(
	const struct lake_tables *lake, size_t index, lsn_t position, struct error *err)
{
	char text[LSN_TEXT_SIZE];
	const lsn_t stands_at = lake->entries[index].position;
	if (!lake->entries[index].is_paused || position <= stands_at)
		return true;
	error_set(err, ERROR_MISSING, "the table stands still at position %s",
		lsn_format(stands_at, text));
	return error_hint(err, "Without AT the rows that it has there are read.");
}

static bool find_by_position(const struct lake_tables *lake, size_t index,
	const struct metadata *metadata, lsn_t position, const struct snapshot **out,
	struct error *err)
{
	char text[LSN_TEXT_SIZE];
	if (position > lake->view.lake.position)
		return error_set(err, ERROR_MISSING, "the lake is at position %s, not further",
			lsn_format(lake->view.lake.position, text));
	if (!check_stands(lake, index, position, err))
		return false;
	*out = find_newest(metadata, position, INT64_MAX);
	return true;
}

/* A time between two commits of the lake is that of the earlier one. */
static bool find_by_time(const struct lake_tables *lake, size_t index,
	const struct metadata *metadata, micros_t timestamp, const struct snapshot **out,
	struct error *err)
{
	const struct lake_commit *commit = NULL;
	for (size_t i = 0; i < lake->view.commit_count; i++)
		if (lake->view.commits[i].timestamp_ms <= timestamp / 1000)
			commit = &lake->view.commits[i];
	if (commit == NULL)
		return true;
	if (!check_stands(lake, index, commit->position, err))
		return false;
	*out = find_newest(metadata, commit->position, commit->timestamp_ms);
	return true;
}

/* Leaves *out NULL when there is no such version. */
static bool find_selected(const struct lake_tables *lake, size_t index,
	const struct metadata *metadata, const struct version_selector *selector,
	const struct snapshot **out, struct error *err)
{
	switch (selector->kind) {
	case VERSION_SNAPSHOT:
		*out = metadata_find_snapshot(metadata, selector->snapshot_id);
		return true;
	case VERSION_POSITION:
		return find_by_position(lake, index, metadata, selector->position, out, err);
	case VERSION_TIMESTAMP:
		return find_by_time(lake, index, metadata, selector->timestamp, out, err);
	default:
		*out = metadata->current_snapshot;
		return true;
	}
}

/* *out is NULL for the newest version of a table that has none. */
static bool find_snapshot(const struct lake_tables *lake, size_t index,
	const struct metadata *metadata, const struct version_selector *selector,
	const struct snapshot **out, struct error *err)
{
	*out = NULL;
	if (!find_selected(lake, index, metadata, selector, out, err))
		return false;
	return *out != NULL || selector->kind == VERSION_NEWEST ||
	       no_version(lake, index, metadata, selector, err);
}

/* ---- the files of a version ---- */

struct file_list { /* live entries of all manifests */
	size_t count;
	size_t capacity;
	const struct manifest_entry **entries;
};

struct files {
	struct arena *arena; /* of what was decoded */
	struct file_list data;
	struct file_list deletes;
};

static void file_list_add(
	struct file_list *list, const struct manifest_entry *entry, struct arena *arena)
{
	if (list->count == list->capacity) {
		size_t capacity = list->capacity > 0 ? list->capacity * 2 : 64;
		const struct manifest_entry **entries =
			arena_array(arena, const struct manifest_entry *, capacity);
		if (list->count > 0)
			memcpy(entries, list->entries, list->count * sizeof *entries);
		list->entries = entries;
		list->capacity = capacity;
	}
	list->entries[list->count++] = entry;
}

static bool check_place(
	const struct lake_tables *lake, const struct data_file *file, struct error *err)
{
	if (lake->cache == NULL)
		return strncmp(file->path, LOCAL_SCHEME "/", sizeof LOCAL_SCHEME) == 0 ||
		       error_set(err, ERROR_UNSUPPORTED, "\"%s\" is not a local file", file->path);
	if (store_path(lake->store, file->path) == NULL)
		return error_set(err, ERROR_UNSUPPORTED, "\"%s\" is not in the warehouse %s",
			file->path, lake->store->location);
	return file->file_size_in_bytes > 0 ||
	       error_set(err, ERROR_CORRUPT, "\"%s\" is said to have %" PRId64 " bytes", file->path,
		       file->file_size_in_bytes);
}

static bool check_file(
	const struct lake_tables *lake, const struct data_file *file, struct error *err)
{
	if (file->content == FILE_CONTENT_EQUALITY_DELETES)
		return error_set(err, ERROR_UNSUPPORTED, "equality deletes cannot be read here");
	if (strcasecmp(file->format, "PARQUET") != 0)
		return error_set(
			err, ERROR_UNSUPPORTED, "%s files cannot be read here", file->format);
	return check_place(lake, file, err);
}

static bool add_manifest(const struct lake_tables *lake, const struct manifest_file *from,
	struct files *files, struct error *err)
{
	struct buffer bytes = { 0 };
	struct manifest manifest;
	bool ok = read_object(lake, from->manifest_path, MANIFEST_SIZE_MAX, &bytes, err) &&
		  manifest_decode(buffer_bytes(&bytes), from, &AVRO_LIMITS_DEFAULT, files->arena,
			  &manifest, err);
	buffer_deinit(&bytes);
	for (size_t i = 0; ok && i < manifest.entry_count; i++) {
		const struct manifest_entry *entry = &manifest.entries[i];
		if (entry->status == ENTRY_DELETED)
			continue;
		bool is_data = entry->data_file.content == FILE_CONTENT_DATA;
		file_list_add(is_data ? &files->data : &files->deletes, entry, files->arena);
		ok = check_file(lake, &entry->data_file, err);
	}
	return ok || error_context(err, "reading \"%s\"", from->manifest_path);
}

/*
 * All at once, where each would be a request of its own.  One that is gone, or in another place, is
 * left to be told of when it is read.
 */
static bool fetch_manifests(const struct lake_tables *lake, const struct manifest_file *manifests,
	size_t count, struct arena *arena, struct error *err)
{
	struct cached_object *objects = arena_array(arena, struct cached_object, count);
	struct byte_range *ranges = arena_array(arena, struct byte_range, count);
	for (size_t i = 0; i < count; i++) {
		const uint64_t size = (uint64_t)manifests[i].manifest_length;
		const char *path = store_path(lake->store, manifests[i].manifest_path);
		if (path == NULL || size == 0 || size > MANIFEST_SIZE_MAX)
			return true;
		ranges[i] = (struct byte_range){ 0, size };
		objects[i] = (struct cached_object){ path, size, 1, &ranges[i], NULL };
	}
	return cache_fetch(lake->cache, lake->store, objects, count, arena, err) ||
	       err->kind == ERROR_MISSING;
}

static bool read_files(const struct lake_tables *lake, const struct snapshot *snapshot,
	struct files *files, struct error *err)
{
	struct buffer bytes = { 0 };
	struct manifest_file *manifests = NULL;
	size_t count = 0;
	bool ok = read_object(lake, snapshot->manifest_list, MANIFEST_SIZE_MAX, &bytes, err) &&
		  manifest_list_decode(buffer_bytes(&bytes), &AVRO_LIMITS_DEFAULT, files->arena,
			  &manifests, &count, err);
	buffer_deinit(&bytes);
	if (ok && lake->cache != NULL)
		ok = fetch_manifests(lake, manifests, count, files->arena, err);
	for (size_t i = 0; ok && i < count; i++)
		ok = add_manifest(lake, &manifests[i], files, err);
	return ok || error_context(err, "reading version %" PRId64, snapshot->snapshot_id);
}

static int compare_paths(const void *a, const void *b)
{
	const struct manifest_entry *first = *(const struct manifest_entry *const *)a;
	const struct manifest_entry *second = *(const struct manifest_entry *const *)b;
	return strcmp(first->data_file.path, second->data_file.path);
}

/* Java writes "file:/lake" as well as "file:///lake". */
static const char *local_path(const char *uri, struct arena *arena)
{
	const char *path = uri + strlen(LOCAL_SCHEME);
	return arena_format(arena, "/%s", path + strspn(path, "/"));
}

/* Either the path or the URI of a file. */
static void place(const struct lake_tables *lake, const struct data_file *file, struct arena *arena,
	const char **path, const char **uri)
{
	if (lake->cache == NULL)
		*path = local_path(file->path, arena);
	else
		*uri = arena_copy_cstring(arena, file->path);
}

static bool applies(const struct manifest_entry *deletes, const struct manifest_entry *data)
{
	return deletes->sequence_number >= data->sequence_number;
}

/*
 * Marks the data files that a delete file is about ("Scan Planning": the same file or none named,
 * and not older than the data); true when there are any.
 */
static bool mark_deletes(const struct files *files, const struct manifest_entry *deletes,
	struct scan_file *scan_files)
{
	const struct file_list *data = &files->data;
	const char *target = data_file_target(&deletes->data_file, files->arena);
	bool is_needed = false;
	if (target == NULL) {
		for (size_t i = 0; i < data->count; i++)
			if (applies(deletes, data->entries[i]))
				is_needed = scan_files[i].has_deletes = true;
		return is_needed;
	}
	struct manifest_entry wanted = { .data_file.path = target };
	const struct manifest_entry *key = &wanted;
	const struct manifest_entry **found =
		bsearch(&key, data->entries, data->count, sizeof *data->entries, compare_paths);
	if (found == NULL || !applies(deletes, *found))
		return false;
	scan_files[found - data->entries].has_deletes = true;
	return true;
}

static void fill_version(const struct lake_tables *lake, const struct files *files,
	struct arena *arena, struct table_version *out)
{
	size_t count = files->data.count;
	if (count > 0)
		qsort(files->data.entries, count, sizeof *files->data.entries, compare_paths);
	struct scan_file *scan_files = arena_array(arena, struct scan_file, count);
	for (size_t i = 0; i < count; i++) {
		const struct data_file *file = &files->data.entries[i]->data_file;
		place(lake, file, arena, &scan_files[i].path, &scan_files[i].uri);
		scan_files[i].size_bytes = (uint64_t)file->file_size_in_bytes;
		scan_files[i].row_count = (uint64_t)file->record_count;
	}
	struct delete_file *delete_files =
		arena_array(arena, struct delete_file, files->deletes.count);
	for (size_t i = 0; i < files->deletes.count; i++) {
		const struct manifest_entry *entry = files->deletes.entries[i];
		if (!mark_deletes(files, entry, scan_files))
			continue;
		struct delete_file *to = &delete_files[out->delete_file_count++];
		place(lake, &entry->data_file, arena, &to->path, &to->uri);
		to->size_bytes = (uint64_t)entry->data_file.file_size_in_bytes;
		out->deleted_row_count += (uint64_t)entry->data_file.record_count;
	}
	out->file_count = count;
	out->files = scan_files;
	out->delete_files = delete_files;
}

static bool read_version(const struct lake_tables *lake, const struct metadata *metadata,
	const struct snapshot *snapshot, struct kept *kept, struct error *err)
{
	struct table_version *version = &kept->version;
	const struct schema *schema = metadata->current_schema;
	if (snapshot != NULL && snapshot->has_schema_id)
		schema = metadata_find_schema(metadata, snapshot->schema_id);
	if (schema == NULL)
		return error_set(err, ERROR_CORRUPT, "version %" PRId64 " names no known schema",
			snapshot->snapshot_id);
	version->schema = schema_copy(schema, &kept->arena);
	if (snapshot == NULL)
		return true;
	version->snapshot_id = snapshot->snapshot_id;
	struct arena decoded = { 0 };
	struct files files = { .arena = &decoded };
	bool ok = read_files(lake, snapshot, &files, err);
	if (ok)
		fill_version(lake, &files, &kept->arena, version);
	arena_deinit(&decoded);
	return ok;
}

static bool lake_version(struct tables *tables, size_t index,
	const struct version_selector *selector, struct table_version *out, struct error *err)
{
	struct lake_tables *lake = (struct lake_tables *)tables;
	assert(index < lake->view.table_count && lake->entries[index].is_readable);
	struct metadata *metadata = NULL;
	const struct snapshot *snapshot = NULL;
	if (!find_metadata(lake, lake->view.tables[index].metadata_location, &metadata, err) ||
		!find_snapshot(lake, index, metadata, selector, &snapshot, err))
		return false;

	/* the schema of a table without a version may still change */
	const char *key = snapshot != NULL
				  ? arena_format(&lake->state, "%s#%" PRId64, metadata->table_uuid,
					    snapshot->snapshot_id)
				  : arena_format(&lake->state, "%s#%s", metadata->table_uuid,
					    lake->view.tables[index].metadata_location);
	struct kept *kept = kept_find(&lake->versions, key);
	if (kept == NULL) {
		kept = memory_allocate(1, sizeof *kept);
		kept->key = arena_copy_cstring(&kept->arena, key);
		if (!read_version(lake, metadata, snapshot, kept, err)) {
			kept_free(kept);
			return false;
		}
		kept_add(&lake->versions, kept);
	}
	*out = kept->version;
	return true;
}

static bool lake_fetch(struct tables *tables, const struct table_version *version,
	const struct wanted_columns *wanted, struct table_version *out, struct error *err)
{
	struct lake_tables *lake = (struct lake_tables *)tables;
	*out = *version;
	return lake->fetcher == NULL ||
	       fetcher_fetch(lake->fetcher, version, wanted, &lake->state, out, err);
}

const struct catalog_view *lake_tables_view(const struct tables *tables)
{
	return &((const struct lake_tables *)tables)->view;
}

/* I7: no row is deleted twice, so that the difference is exact. */
static uint64_t live_rows(const struct snapshot *snapshot)
{
	const int64_t rows = snapshot_summary_count(snapshot, "total-records") -
			     snapshot_summary_count(snapshot, "total-position-deletes");
	return rows > 0 ? (uint64_t)rows : 0;
}

bool lake_tables_look(struct tables *tables, size_t index, const struct version_selector *selector,
	struct lake_version *out, struct error *err)
{
	struct lake_tables *lake = (struct lake_tables *)tables;
	assert(index < lake->view.table_count && lake->entries[index].is_readable);
	struct metadata *metadata = NULL;
	const struct snapshot *snapshot = NULL;
	*out = (struct lake_version){ 0 };
	if (!find_metadata(lake, lake->view.tables[index].metadata_location, &metadata, err) ||
		!find_snapshot(lake, index, metadata, selector, &snapshot, err))
		return false;
	if (snapshot == NULL)
		return true;
	out->snapshot_id = snapshot->snapshot_id;
	out->row_count = live_rows(snapshot);
	if (!snapshot_position(snapshot, &out->position))
		out->position = 0;
	return true;
}

static void lake_close(struct tables *tables)
{
	struct lake_tables *lake = (struct lake_tables *)tables;
	kept_free(lake->metadata);
	kept_free(lake->versions);
	fetcher_close(lake->fetcher);
	cache_close(lake->cache);
	arena_deinit(&lake->state);
	catalog_close(lake->catalog);
	store_close(lake->store);
	free(lake);
}

bool lake_tables_need_cache(const struct store *store)
{
	return strcmp(store->ops->scheme, "file") != 0;
}

const char *lake_tables_files(const struct tables *tables, bool *is_cache)
{
	const struct lake_tables *lake = (const struct lake_tables *)tables;
	*is_cache = lake->cache != NULL;
	return *is_cache ? cache_files(lake->cache) : lake->store->location + strlen("file://");
}

struct tables *lake_tables_open(struct catalog *catalog, struct store *store, struct cache *cache)
{
	static const struct tables_ops ops = { lake_begin, lake_version, lake_fetch, lake_close };
	assert(lake_tables_need_cache(store) == (cache != NULL));
	struct lake_tables *lake = memory_allocate(1, sizeof *lake);
	lake->base.ops = &ops;
	lake->catalog = catalog;
	lake->store = store;
	lake->cache = cache;
	lake->fetcher = cache != NULL ? fetcher_open(store, cache, FETCHER_LAYOUTS_SIZE) : NULL;
	return &lake->base;
}
