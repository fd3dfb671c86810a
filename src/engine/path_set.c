#include "engine/path_set.h"

#include <stdlib.h>

void path_set_add(struct path_set *set, const char *const *paths, size_t count)
{
	if (count == 0)
		return;
	if (set->capacity - set->count < count) {
		while (set->capacity - set->count < count)
			set->capacity = set->capacity ? 2 * set->capacity : 256;
		set->paths = memory_resize(set->paths, set->capacity, sizeof *set->paths);
	}
	memcpy(set->paths + set->count, paths, count * sizeof *paths);
	set->count += count;
	set->is_sorted = false;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

bool path_set_has(struct path_set *set, const char *path)
{
	if (set->count == 0)
		return false;
	if (!set->is_sorted)
		qsort(set->paths, set->count, sizeof *set->paths, compare_paths);
	set->is_sorted = true;
	return bsearch(&path, set->paths, set->count, sizeof *set->paths, compare_paths) != NULL;
}

void path_set_deinit(struct path_set *set)
{
	free(set->paths);
	*set = (struct path_set){ 0 };
}

bool path_set_add_removals(
	struct path_set *set, struct catalog *catalog, struct arena *arena, struct error *err)
{
	struct removal *removals;
	size_t count;
	if (!catalog_removals(catalog, INT64_MAX, SIZE_MAX, arena, &removals, &count, err))
		return false;
	for (size_t i = 0; i < count; i++)
		path_set_add(set, &removals[i].path, 1);
	return true;
}

static void add_location(struct path_set *set, const struct store *store, const char *uri)
{
	const char *path = store_path(store, uri);
	path_set_add(set, &path, path != NULL);
}

void path_set_add_pointer(
	struct path_set *set, const struct store *store, const struct catalog_pointer *pointer)
{
	add_location(set, store, pointer->metadata_location);
	add_location(set, store, pointer->previous_location);
}
