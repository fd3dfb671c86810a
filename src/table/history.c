/*
 * history.c: which objects old versions name, and which versions may go.
 *
 * An object is named from the version that added it to the last version that has it.  A version is
 * known by its sequence number, so an object that the current version does not name is kept as a
 * range of them, and may be removed when no version that is left lies in the range.  On a branch
 * that is not walberg's own the range may be wider than the truth, never narrower.
 */
#include "table/table_internal.h"

#include <stdlib.h>

void history_add(struct history *history, const char *path, int64_t first, int64_t last)
{
	if (path == NULL)
		return; /* not in this store, so not walberg's to remove */
	if (history->count == history->capacity) {
		history->capacity = history->capacity ? 2 * history->capacity : 64;
		history->objects = memory_resize(
			history->objects, history->capacity, sizeof *history->objects);
	}
	history->objects[history->count++] = (struct past_object){
		.path = copy_text(path),
		.first_sequence_number = first,
		.last_sequence_number = last,
	};
}

void history_name(struct history *history, const struct store *store, const char *uri,
	int64_t first, int64_t last)
{
	const char *path = store_path(store, uri);
	history->is_unclear |= path == NULL && store_may_hold(store, uri);
	history_add(history, path, first, last);
}

void history_deinit(struct history *history)
{
	for (size_t i = 0; i < history->count; i++)
		free(history->objects[i].path);
	free(history->objects);
	*history = (struct history){ 0 };
}

static int compare_paths(const void *a, const void *b)
{
	const struct past_object *left = a, *right = b;
	return strcmp(left->path, right->path);
}

/* The two are of one path; the second goes. */
static void join_ranges(struct past_object *to, struct past_object *from)
{
	if (from->first_sequence_number < to->first_sequence_number)
		to->first_sequence_number = from->first_sequence_number;
	if (from->last_sequence_number > to->last_sequence_number)
		to->last_sequence_number = from->last_sequence_number;
	free(from->path);
}

void history_join(struct history *history)
{
	if (history->count == 0)
		return;
	qsort(history->objects, history->count, sizeof *history->objects, compare_paths);
	size_t last = 0;
	for (size_t i = 1; i < history->count; i++) {
		if (compare_paths(&history->objects[last], &history->objects[i]) == 0)
			join_ranges(&history->objects[last], &history->objects[i]);
		else
			history->objects[++last] = history->objects[i];
	}
	history->count = last + 1;
}

const struct past_object *history_find(const struct history *joined, const char *path)
{
	if (joined->count == 0)
		return NULL;
	union {
		const char *constant;
		char *path;
	} name = { .constant = path };
	const struct past_object wanted = { .path = name.path };
	return bsearch(&wanted, joined->objects, joined->count, sizeof wanted, compare_paths);
}

/* --- what versions name --- */

/* A manifest that several versions' lists name. */
struct named_manifest {
	struct manifest_file file;
	int64_t first, last;
};

struct named_manifests {
	size_t count, capacity;
	struct named_manifest *items;
};

static int compare_manifests(const void *a, const void *b)
{
	const struct named_manifest *left = a, *right = b;
	return strcmp(left->file.manifest_path, right->file.manifest_path);
}

static void add_manifest(struct named_manifests *manifests, const struct manifest_file *file,
	int64_t sequence_number)
{
	if (manifests->count == manifests->capacity) {
		manifests->capacity = manifests->capacity ? 2 * manifests->capacity : 64;
		manifests->items = memory_resize(
			manifests->items, manifests->capacity, sizeof *manifests->items);
	}
	manifests->items[manifests->count++] =
		(struct named_manifest){ *file, sequence_number, sequence_number };
}

static bool add_version(struct store *store, const struct snapshot *snapshot,
	struct named_manifests *manifests, struct history *out, struct arena *arena,
	struct error *err)
{
	const int64_t sequence_number = snapshot->sequence_number;
	struct manifest_file *files;
	size_t count;
	if (!manifest_list_read(store, snapshot, arena, &files, &count, err))
		return false;
	history_name(out, store, snapshot->manifest_list, sequence_number, sequence_number);
	for (size_t i = 0; i < count; i++)
		add_manifest(manifests, &files[i], sequence_number);
	return true;
}

static bool add_versions(struct store *store, const struct metadata *metadata,
	const struct metadata *known, struct named_manifests *manifests, struct history *out,
	struct arena *arena, struct error *err)
{
	for (size_t i = 0; i < metadata->snapshot_count; i++) {
		const struct snapshot *snapshot = &metadata->snapshots[i];
		if (known && metadata_find_snapshot(known, snapshot->snapshot_id))
			continue;
		if (!add_version(store, snapshot, manifests, out, arena, err))
			return error_context(
				err, "reading version %lld", (long long)snapshot->snapshot_id);
	}
	return true;
}

/* One line for each manifest. */
static void join_manifests(struct named_manifests *manifests)
{
	if (manifests->count == 0)
		return;
	qsort(manifests->items, manifests->count, sizeof *manifests->items, compare_manifests);
	size_t last = 0;
	for (size_t i = 1; i < manifests->count; i++) {
		struct named_manifest *to = &manifests->items[last], *from = &manifests->items[i];
		if (compare_manifests(to, from) != 0) {
			manifests->items[++last] = *from;
			continue;
		}
		to->first = from->first < to->first ? from->first : to->first;
		to->last = from->last > to->last ? from->last : to->last;
	}
	manifests->count = last + 1;
}

static bool add_manifest_files(struct store *store, const struct named_manifest *named,
	struct history *out, struct error *err)
{
	history_name(out, store, named->file.manifest_path, named->first, named->last);
	struct arena arena = { 0 };
	struct manifest manifest;
	const bool ok = manifest_read(store, &named->file, &arena, &manifest, err);
	for (size_t i = 0; ok && i < manifest.entry_count; i++) {
		const struct manifest_entry *entry = &manifest.entries[i];
		if (entry->status != ENTRY_DELETED)
			history_name(out, store, entry->data_file.path, named->first, named->last);
	}
	arena_deinit(&arena);
	return ok;
}

bool history_read(struct store *store, const struct metadata *metadata,
	const struct metadata *known, struct history *out, struct error *err)
{
	struct arena arena = { 0 };
	struct named_manifests manifests = { 0 };
	bool ok = add_versions(store, metadata, known, &manifests, out, &arena, err);
	if (ok)
		join_manifests(&manifests);
	for (size_t i = 0; ok && i < manifests.count; i++)
		ok = add_manifest_files(store, &manifests.items[i], out, err);
	free(manifests.items);
	arena_deinit(&arena);
	if (ok)
		history_join(out);
	return ok;
}

/* --- what is no longer named --- */

static int compare_numbers(const void *a, const void *b)
{
	const int64_t left = *(const int64_t *)a, right = *(const int64_t *)b;
	return (left > right) - (left < right);
}

/* The least number not below first, in ascending numbers; INT64_MAX when there is none. */
static int64_t number_from(const int64_t *numbers, size_t count, int64_t first)
{
	size_t from = 0, to = count;
	while (from < to) {
		const size_t middle = from + (to - from) / 2;
		if (numbers[middle] < first)
			from = middle + 1;
		else
			to = middle;
	}
	return from < count ? numbers[from] : INT64_MAX;
}

void history_mark(struct history *history, const struct metadata *metadata)
{
	const size_t count = metadata->snapshot_count;
	int64_t *numbers = memory_allocate(count, sizeof *numbers);
	for (size_t i = 0; i < count; i++)
		numbers[i] = metadata->snapshots[i].sequence_number;
	qsort(numbers, count, sizeof *numbers, compare_numbers);
	for (size_t i = 0; i < history->count; i++) {
		struct past_object *object = &history->objects[i];
		object->is_unnamed = number_from(numbers, count, object->first_sequence_number) >
				     object->last_sequence_number;
	}
	free(numbers);
}

/* --- which versions go --- */

static bool is_referred_to(const struct metadata *metadata, int64_t snapshot_id)
{
	for (size_t i = 0; i < metadata->ref_count; i++) {
		const struct snapshot_ref *ref = &metadata->refs[i];
		if (ref->snapshot_id == snapshot_id && strcmp(ref->name, REF_MAIN) != 0)
			return true;
	}
	return false;
}

/* The newest version at or before a time; NULL when all are later. */
static const struct snapshot *oldest_kept(
	const struct metadata *metadata, const struct snapshot *added, int64_t expire_before_ms)
{
	if (added && added->timestamp_ms <= expire_before_ms)
		return added;
	const struct snapshot *snapshot = metadata->current_snapshot;
	while (snapshot && snapshot->timestamp_ms > expire_before_ms)
		snapshot = metadata_parent(metadata, snapshot);
	return snapshot;
}

int64_t *history_expired(const struct metadata *metadata, const struct snapshot *added,
	int64_t expire_before_ms, struct arena *arena, size_t *count)
{
	*count = 0;
	const struct snapshot *kept = oldest_kept(metadata, added, expire_before_ms);
	if (kept == NULL)
		return NULL;
	const struct snapshot *position = added ? added : metadata_walberg_snapshot(metadata);
	int64_t *ids = arena_array(arena, int64_t, metadata->snapshot_count + 1);
	for (size_t i = 0; i < metadata->snapshot_count; i++) {
		const struct snapshot *snapshot = &metadata->snapshots[i];
		if (snapshot->timestamp_ms < kept->timestamp_ms && snapshot != position &&
			!is_referred_to(metadata, snapshot->snapshot_id))
			ids[(*count)++] = snapshot->snapshot_id;
	}
	return ids;
}

bool table_can_expire(const struct table *table, int64_t expire_before_ms)
{
	struct arena arena = { 0 };
	size_t count;
	history_expired(table->metadata, NULL, expire_before_ms, &arena, &count);
	arena_deinit(&arena);
	return count > 0;
}
