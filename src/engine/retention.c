/*
 * What may be removed from the warehouse, and when.
 *
 * An object that the last version naming it has lost becomes a removal in the catalog, in the same
 * transaction; it is deleted once readers had time to finish.  A process that dies leaves objects
 * that no version ever named: they are found when the next one opens the lake.  That they become
 * removals is itself a catalog commit, so a stalled writer that still means to name one of them
 * finds another commit number and gives its batch up (I1, I2).
 */
#include "engine/publisher_internal.h"

#include "base/logline.h"
#include "engine/ownership.h"
#include "engine/path_set.h"

#include <stdlib.h>

enum {
	REMOVALS_AT_ONCE = 1000,
};

/* Paths that are named by a version of the table, or wait for removal. */
static bool known_paths(struct publisher *publisher, const struct publisher_table *table,
	struct arena *arena, struct path_set *out, struct error *err)
{
	const char **named = NULL;
	size_t named_count = 0;
	if (table->open != NULL)
		table_named_paths(table->open->table, arena, &named, &named_count);
	path_set_add(out, named, named_count);
	return path_set_add_removals(out, publisher->options.catalog, arena, err);
}

/*
 * Another table of the catalog, renamed or of another program, may lie in the folder of this one:
 * what it names is not known here, and left to maintenance.
 */
static bool is_shared(const struct publisher *publisher, const struct publisher_table *table,
	const struct catalog_pointer *pointers, size_t count, struct arena *arena)
{
	const char *folder = table_folder(table->row.namespace_name, table->row.name, arena);
	for (size_t i = 0; i < count; i++) {
		const char *location = pointers[i].metadata_location;
		const char *path = store_path(publisher->options.store, location);
		if (path != NULL && strncmp(path, folder, strlen(folder)) == 0 &&
			strcmp(location, table->row.metadata_location) != 0)
			return true;
	}
	return false;
}

static bool find_in_table(struct publisher *publisher, const struct publisher_table *table,
	struct arena *arena, struct error *err)
{
	const char *folder = table_folder(table->row.namespace_name, table->row.name, arena);
	struct object_info *objects;
	size_t object_count;
	struct path_set known = { 0 };
	/* A table that has no version may find its folder in another lake's warehouse. */
	if (table->row.metadata_location[0] == '\0' &&
		!ownership_check_folder(publisher->options.store, folder, err))
		return err->kind == ERROR_UNSUPPORTED;
	if (!store_list(publisher->options.store, folder, arena, &objects, &object_count, err) ||
		!known_paths(publisher, table, arena, &known, err)) {
		path_set_deinit(&known);
		return false;
	}
	/* Of a table without a version nobody can be reading. */
	micros_t at = world_now(publisher->options.world);
	if (table->row.metadata_location[0] != '\0')
		at += publisher->options.history.removal_delay;
	size_t found = 0;
	object_count = ownership_leave_out(objects, object_count, arena);
	for (size_t i = 0; i < object_count; i++) {
		if (path_set_has(&known, objects[i].path))
			continue;
		publisher_add_removal(publisher, objects[i].path, at);
		found++;
	}
	path_set_deinit(&known);
	if (found > 0)
		logline_info("objects that no version names will be removed",
			LOG_TEXT("folder", folder), LOG_INT("count", found));
	return true;
}

bool retention_find_orphans(struct publisher *publisher, struct error *err)
{
	struct arena arena = { 0 }, list = { 0 };
	struct catalog_pointer *pointers;
	size_t count;
	bool done = catalog_pointers(publisher->options.catalog, &list, &pointers, &count, err);
	for (size_t i = 0; done && i < publisher->table_count; i++) {
		const struct publisher_table *table = publisher->tables[i];
		/* The versions of a table that is not open are not known: its objects stay. */
		if (table->row.state == TABLE_LEFT_OUT ||
			(table->open == NULL && table->row.metadata_location[0] != '\0') ||
			is_shared(publisher, table, pointers, count, &arena))
			continue;
		done = find_in_table(publisher, table, &arena, err);
		arena_reset(&arena);
	}
	arena_deinit(&arena);
	arena_deinit(&list);
	return done;
}

static bool remove_objects(struct publisher *publisher, const struct removal *due, size_t count,
	struct arena *arena, struct error *err)
{
	const char **paths = arena_array(arena, const char *, count + 1);
	for (size_t i = 0; i < count; i++)
		paths[i] = due[i].path;
	if (!store_remove_many(publisher->options.store, paths, count, err))
		return false;
	publisher->removed = memory_resize(publisher->removed, count + 1, sizeof(const char *));
	for (size_t i = 0; i < count; i++)
		publisher->removed[i] = arena_copy_cstring(&publisher->removal_arena, paths[i]);
	publisher->removed_count = count;
	return true;
}

bool retention_remove_due(struct publisher *publisher, struct error *err)
{
	if (publisher->removed_count > 0)
		return true; /* the catalog has to hear of those first */
	struct arena arena = { 0 };
	struct removal *due;
	size_t count;
	bool done = catalog_removals(publisher->options.catalog,
		world_now(publisher->options.world), REMOVALS_AT_ONCE, &arena, &due, &count, err);
	if (done && count > 0)
		publisher_report(publisher, STEP_RETENTION);
	if (done)
		done = remove_objects(publisher, due, count, &arena, err);
	arena_deinit(&arena);
	return done;
}
