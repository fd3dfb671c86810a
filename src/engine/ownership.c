#include "engine/ownership.h"

#include "apply/apply.h"
#include "engine/path_set.h"

#include <stdlib.h>

#define HADOOP_TABLE "metadata/version-hint.text"

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* --- whose it is --- */

bool ownership_find(struct store *store, const char *folder, const char *lake_id,
	struct arena *arena, const char **owner, struct error *err)
{
	const char *place = arena_format(arena, "%s" PLACE_MARKS, folder);
	struct object_info *objects;
	size_t count;
	*owner = NULL;
	if (!store_list(store, place, arena, &objects, &count, err))
		return false;
	for (size_t i = 0; i < count; i++) {
		const char *id = objects[i].path + strlen(place);
		if (strchr(id, '/') == NULL && (*owner == NULL || strcmp(id, lake_id) != 0))
			*owner = id;
	}
	return true;
}

static bool refuse(const struct store *store, const char *owner, struct error *err)
{
	error_set(err, ERROR_SETUP, "the warehouse \"%s\" belongs to the lake %s", store->location,
		owner);
	return error_hint(err, "Choose another place in lake.warehouse. When that lake is gone for "
			       "good, with its catalog, empty this one, " PLACE_MARKS " included.");
}

/* *is_taken is false when it is nobody's. */
static bool check(struct store *store, const char *lake_id, bool *is_taken, struct error *err)
{
	struct arena arena = { 0 };
	const char *owner;
	bool done = ownership_find(store, "", lake_id, &arena, &owner, err);
	*is_taken = done && owner != NULL;
	if (*is_taken && strcmp(owner, lake_id) != 0)
		done = refuse(store, owner, err);
	arena_deinit(&arena);
	return done;
}

bool ownership_check(struct store *store, const char *lake_id, struct error *err)
{
	bool is_taken;
	if (!check(store, lake_id, &is_taken, err))
		return false;
	if (is_taken)
		return true;
	error_set(err, ERROR_SETUP, "no lake has taken the warehouse \"%s\" yet", store->location);
	return error_hint(err, "\"walberg run\" does so, when it starts.");
}

/* Schema and table: "shop/orders/" lies in what is taken as "shop/". */
bool ownership_check_folder(struct store *store, const char *folder, struct error *err)
{
	struct arena arena = { 0 };
	const char *owner = NULL;
	bool done = true;
	for (const char *end = folder; done && owner == NULL && (end = strchr(end, '/')); end++) {
		const struct bytes part = bytes_of(folder, (size_t)(end + 1 - folder));
		done = ownership_find(
			store, arena_copy_text(&arena, part), "", &arena, &owner, err);
	}
	if (owner != NULL) {
		error_set(err, ERROR_UNSUPPORTED,
			"its folder \"%s\" lies in the warehouse of the lake %s", folder, owner);
		done = error_hint(err, "Give one of the two lakes another place in "
				       "lake.warehouse: no schema has a folder of that name.");
	}
	arena_deinit(&arena);
	return done;
}

/* --- others' folders --- */

/* How long the name of the folder is that belongs to somebody else, as this object says; or 0. */
static size_t size_of_folder(const char *path)
{
	static const char *const SIGNS[] = { "/" PLACE_MARKS, "/" HADOOP_TABLE };
	for (size_t i = 0; i < sizeof SIGNS / sizeof *SIGNS; i++) {
		const char *sign = strstr(path, SIGNS[i]);
		if (sign != NULL)
			return (size_t)(sign + 1 - path);
	}
	return 0;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static const char **find_folders(
	const struct object_info *objects, size_t object_count, struct arena *arena, size_t *count)
{
	const char **folders = arena_array(arena, const char *, object_count + 1);
	*count = 0;
	for (size_t i = 0; i < object_count; i++) {
		const char *path = objects[i].path;
		const size_t size = size_of_folder(path);
		if (size > 0)
			folders[(*count)++] = arena_copy_text(arena, bytes_of(path, size));
	}
	qsort(folders, *count, sizeof *folders, compare_paths);
	return folders;
}

/* Both are sorted, so that what begins with a folder's name stands together, and right behind it.
 */
size_t ownership_leave_out(struct object_info *objects, size_t count, struct arena *arena)
{
	size_t folder_count, next = 0, kept = 0;
	const char **folders = find_folders(objects, count, arena, &folder_count);
	for (size_t i = 0; i < count; i++) {
		const char *path = objects[i].path;
		while (next < folder_count && strcmp(folders[next], path) <= 0 &&
			!starts_with(path, folders[next]))
			next++;
		const bool is_other = next < folder_count && starts_with(path, folders[next]);
		if (!is_other && !starts_with(path, PLACE_MARKS))
			objects[kept++] = objects[i];
	}
	return kept;
}

/* --- taking it --- */

/* "t/metadata/" of "t/metadata/00001-x.metadata.json". */
static const char *directory_of(const char *path, struct arena *arena)
{
	const char *slash = strrchr(path, '/');
	return arena_copy_text(arena, bytes_of(path, slash ? (size_t)(slash + 1 - path) : 0));
}

static bool is_metadata(const char *path)
{
	return strstr(path, ".metadata.json") != NULL;
}

struct pointers {
	size_t count;
	struct catalog_pointer *items;
};

static void add_folders(const struct store *store, const struct pointers *pointers,
	struct arena *arena, struct path_set *out)
{
	for (size_t i = 0; i < pointers->count; i++) {
		const char *path = store_path(store, pointers->items[i].metadata_location);
		const char *folder = path != NULL ? directory_of(path, arena) : NULL;
		path_set_add(out, &folder, folder != NULL);
	}
}

static bool check_not_of_lake(struct store *store, const struct catalog_pointer *pointer,
	const char *lake_id, struct arena *arena, struct error *err)
{
	const char *owner;
	if (!table_find_lake(store, pointer->metadata_location, arena, &owner, err))
		return apply_concerns_table(err->kind);
	if (owner == NULL || strcmp(owner, lake_id) == 0)
		return true;
	error_set(err, ERROR_SETUP, "the warehouse \"%s\" has the table \"%s.%s\" of the lake %s",
		store->location, pointer->namespace_name, pointer->name, owner);
	return error_hint(err, "Choose another place in lake.warehouse: two lakes in one place "
			       "would remove each other's files.");
}

/* Another lake of this database writes, and waits to remove, what no table of it names. */
static bool check_no_other_lake(struct store *store, const struct pointers *pointers,
	const char *lake_id, struct path_set *here, struct arena *arena, struct error *err)
{
	bool done = true;
	for (size_t i = 0; done && i < pointers->count; i++) {
		const struct catalog_pointer *pointer = &pointers->items[i];
		const char *path = store_path(store, pointer->metadata_location);
		if (path != NULL && !pointer->is_view && path_set_has(here, path))
			done = check_not_of_lake(store, pointer, lake_id, arena, err);
	}
	return done;
}

/* Its files would be taken for those of nobody. */
static bool check_no_unknown_table(struct store *store, struct catalog *catalog,
	const char *lake_id, struct arena *arena, struct error *err)
{
	struct path_set known = { 0 }, here = { 0 };
	struct pointers pointers = { 0 };
	struct object_info *objects;
	size_t count;
	bool done = store_list(store, "", arena, &objects, &count, err) &&
		    catalog_pointers(catalog, arena, &pointers.items, &pointers.count, err);
	add_folders(store, &pointers, arena, &known);
	count = done ? ownership_leave_out(objects, count, arena) : 0;
	for (size_t i = 0; done && i < count; i++) {
		path_set_add(&here, &objects[i].path, 1);
		const char *folder = directory_of(objects[i].path, arena);
		if (!is_metadata(objects[i].path) || path_set_has(&known, folder))
			continue;
		error_set(err, ERROR_SETUP,
			"the warehouse \"%s\" has a table in \"%s\" that the catalog does not know",
			store->location, folder);
		done = error_hint(err, "Choose another place in lake.warehouse, or remove that "
				       "table's files: what no table of the catalog names is "
				       "removed there.");
	}
	done = done && check_no_other_lake(store, &pointers, lake_id, &here, arena, err);
	path_set_deinit(&here);
	path_set_deinit(&known);
	return done;
}

static bool put(struct store *store, const char *lake_id, struct arena *arena, struct error *err)
{
	const char *path = arena_format(arena, PLACE_MARKS "%s", lake_id);
	const char *text = arena_format(arena,
		"This place belongs to the walberg lake %s: what its tables do not name is removed "
		"from it.\n",
		lake_id);
	struct error ignored;
	bool is_taken;
	if (!store_put(store, path, bytes_of_cstring(text), err))
		return false;
	if (check(store, lake_id, &is_taken, err))
		return true;
	/* It is let go where another was as fast, and kept where nothing is known. */
	if (err->kind == ERROR_SETUP && !store_remove(store, path, &ignored))
		error_context(err, "and \"%s\" could not be removed", path);
	return false;
}

bool ownership_take(struct store *store, struct catalog *catalog, struct error *err)
{
	struct arena arena = { 0 };
	struct catalog_view view;
	bool is_taken = false;
	bool done = catalog_load(catalog, &arena, &view, err) && place_check(store, &view, err) &&
		    check(store, view.lake.id, &is_taken, err);
	if (done && !is_taken)
		done = place_look(store, &view, err) &&
		       check_no_unknown_table(store, catalog, view.lake.id, &arena, err) &&
		       put(store, view.lake.id, &arena, err);
	arena_deinit(&arena);
	return done;
}
