/*
 * path_set.h: paths of objects that must stay, to be looked up.
 *
 * A zeroed set is an empty one.  The paths are borrowed.
 */
#ifndef ENGINE_PATH_SET_H
#define ENGINE_PATH_SET_H

#include "catalog/catalog.h"
#include "store/store.h"

struct path_set {
	size_t count;
	size_t capacity;
	const char **paths;
	bool is_sorted;
};

void path_set_add(struct path_set *set, const char *const *paths, size_t count);
bool path_set_has(struct path_set *set, const char *path);
void path_set_deinit(struct path_set *set);

/* All that wait for removal, in the arena. */
bool path_set_add_removals(struct path_set *set, struct catalog *catalog, struct arena *arena,
	struct error *err) MUST_CHECK;

/* Its metadata file, and the one before, which another engine may still want to look at. */
void path_set_add_pointer(
	struct path_set *set, const struct store *store, const struct catalog_pointer *pointer);

#endif
