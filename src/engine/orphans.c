#include "engine/orphans.h"

#include "engine/ownership.h"
#include "engine/path_set.h"
#include "table/table.h"

enum {
	TRIES_MAX = 5, /* of reading what the tables name, while versions expire */
	REMOVED_AT_ONCE = 1000,
};

/* --- what is named --- */

static bool add_table(struct path_set *named, struct store *store,
	const struct catalog_pointer *pointer, struct arena *arena, struct error *err)
{
	const char **paths;
	size_t count;
	bool is_here;
	if (!table_find_named(
		    store, pointer->metadata_location, arena, &paths, &count, &is_here, err))
		return error_context(err, "looking at what \"%s.%s\" of the catalog \"%s\" names",
			pointer->namespace_name, pointer->name, pointer->catalog_name);
	if (is_here)
		path_set_add(named, paths, count);
	return true;
}

/* Pointers first: what is named no more when they are read waits for removal by then. */
static bool find_named(struct path_set *named, struct store *store, struct catalog *catalog,
	struct arena *arena, struct error *err)
{
	struct catalog_pointer *pointers;
	size_t count;
	if (!catalog_pointers(catalog, arena, &pointers, &count, err))
		return false;
	for (size_t i = 0; i < count; i++) {
		path_set_add_pointer(named, store, &pointers[i]);
		if (!pointers[i].is_view && !add_table(named, store, &pointers[i], arena, err))
			return false;
	}
	return path_set_add_removals(named, catalog, arena, err);
}

static bool find_named_again(struct path_set *named, struct store *store, struct catalog *catalog,
	struct arena *arena, struct error *err)
{
	for (int tries = 1;; tries++) {
		if (find_named(named, store, catalog, arena, err))
			return true;
		if (err->kind != ERROR_MISSING || tries == TRIES_MAX)
			break;
		path_set_deinit(named);
	}
	if (err->hint[0] == '\0')
		error_hint(err, "Nothing is removed before it is known what every table in the "
				"warehouse names. Drop the table from the catalog, or repair it.");
	return false;
}

/* --- what is there --- */

static bool ends_with(const char *path, const char *ending)
{
	const size_t size = strlen(path), ending_size = strlen(ending);
	return size >= ending_size && strcmp(path + size - ending_size, ending) == 0;
}

static bool is_of_table(const char *path)
{
	static const char *const ENDINGS[] = { ".parquet", ".avro", ".orc", ".puffin", ".stats",
		".metadata.json", ".metadata.json.gz" };
	for (size_t i = 0; i < sizeof ENDINGS / sizeof *ENDINGS; i++)
		if (ends_with(path, ENDINGS[i]))
			return true;
	return store_is_probe(path);
}

/* Sorts the objects by what they are; the orphans move to the front. */
static void choose(struct object_info *objects, size_t count, struct path_set *named,
	micros_t written_until, struct orphans *out)
{
	*out = (struct orphans){ .objects = objects };
	for (size_t i = 0; i < count; i++) {
		if (path_set_has(named, objects[i].path)) {
			out->named_count++;
		} else if (!is_of_table(objects[i].path)) {
			out->other_count++;
		} else if (objects[i].modified_at > written_until) {
			out->younger_count++;
		} else {
			out->bytes += objects[i].size_bytes;
			objects[out->count++] = objects[i];
		}
	}
}

bool orphans_find(struct store *store, struct catalog *catalog, micros_t written_until,
	struct arena *arena, struct orphans *out, struct error *err)
{
	struct path_set named = { 0 };
	struct object_info *objects;
	size_t count;
	/* Listed first: what is named only later was there already. */
	const bool done = store_list(store, "", arena, &objects, &count, err) &&
			  find_named_again(&named, store, catalog, arena, err);
	if (done)
		choose(objects, ownership_leave_out(objects, count, arena), &named, written_until,
			out);
	path_set_deinit(&named);
	return done;
}

/* --- removing --- */

bool orphans_fence(struct world *world, struct catalog *catalog, struct error *err)
{
	struct arena arena = { 0 };
	struct catalog_view view;
	char commit_id[UUID_TEXT_SIZE];
	size_t conflict;
	bool done = catalog_load(catalog, &arena, &view, err);
	if (done) {
		struct lake lake = view.lake;
		lake.commit_number++;
		lake.commit_id = world_uuid(world, commit_id);
		const struct catalog_commit commit = {
			.base_commit_number = view.lake.commit_number,
			.lake = &lake,
		};
		done = catalog_commit(catalog, &commit, &conflict, err);
	}
	arena_deinit(&arena);
	return done;
}

bool orphans_remove(
	struct store *store, const struct orphans *orphans, size_t *removed, struct error *err)
{
	const char *paths[REMOVED_AT_ONCE];
	*removed = 0;
	while (*removed < orphans->count) {
		size_t count = 0;
		while (count < REMOVED_AT_ONCE && *removed + count < orphans->count) {
			paths[count] = orphans->objects[*removed + count].path;
			count++;
		}
		if (!store_remove_many(store, paths, count, err))
			return false;
		*removed += count;
	}
	return true;
}
