/*
 * What may be removed from the warehouse, and when.
 *
 * An object that the last version naming it has lost becomes a removal in the catalog, in the same
 * transaction; it is deleted once readers had time to finish.  A process that dies leaves objects
 * that no version ever named: they are found when the next one opens the lake.  That they become
 * removals is itself a catalog commit, so a stalled writer that still means to name one of them
 * finds another commit number and gives its batch up (I1, I2).
 *
 * Another engine writes files into the same folder before any version names them, and a table that
 * was renamed in the catalog keeps its files where they are.  So only objects that walberg alone
 * names like that are found, and only when no table of the catalog's database names them; all else
 * is for `walberg maintain`, which leaves writers their days.
 */
#include "engine/publisher_internal.h"

#include "base/logline.h"
#include "engine/ownership.h"
#include "engine/path_set.h"

#include <stdlib.h>

enum {
	REMOVALS_AT_ONCE = 1000,
};

/* --- what other tables name --- */

/* The tables of the catalog's database that this lake has not open, whoever has made them. */
struct others {
	struct arena arena;
	bool are_read;
	struct path_set named;
	struct path_set unread; /* metadata of paused tables, in their own folders */
	bool has_stranger;      /* another table is not understood, which may name anything */
};

static void others_deinit(struct others *others)
{
	path_set_deinit(&others->named);
	path_set_deinit(&others->unread);
	arena_deinit(&others->arena);
}

static bool is_open_at(const struct publisher *publisher, const char *location)
{
	for (size_t i = 0; i < publisher->table_count; i++) {
		const struct publisher_table *table = publisher->tables[i];
		if (table->open != NULL && strcmp(table->row.metadata_location, location) == 0)
			return true;
	}
	return false;
}

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* Its metadata lies where the lake puts a table of its name. */
static bool is_in_place(const struct publisher *publisher, const struct catalog_pointer *pointer,
	const char *path, struct arena *arena)
{
	return publisher_find(publisher, pointer->namespace_name, pointer->name) != NULL &&
	       path != NULL &&
	       starts_with(path, table_folder(pointer->namespace_name, pointer->name, arena));
}

static void add_unread(struct others *others, const struct publisher *publisher,
	const struct catalog_pointer *pointer, const struct error *why)
{
	const char *path = store_path(publisher->options.store, pointer->metadata_location);
	if (is_in_place(publisher, pointer, path, &others->arena)) {
		path_set_add(&others->unread, &path, 1);
		return;
	}
	others->has_stranger = true;
	logline_warning("what a table names is not known: what a crash left behind stays",
		LOG_TEXT("namespace", pointer->namespace_name), LOG_TEXT("table", pointer->name),
		LOG_TEXT("reason", why->text));
}

static bool add_pointer(struct others *others, const struct publisher *publisher,
	const struct catalog_pointer *pointer, struct error *err)
{
	struct store *store = publisher->options.store;
	const char **paths;
	size_t count;
	bool is_here;
	path_set_add_pointer(&others->named, store, pointer);
	if (pointer->is_view || is_open_at(publisher, pointer->metadata_location))
		return true;
	if (table_find_named(store, pointer->metadata_location, &others->arena, &paths, &count,
		    &is_here, err)) {
		path_set_add(&others->named, paths, is_here ? count : 0);
		return true;
	}
	if (!apply_concerns_table(err->kind))
		return false;
	add_unread(others, publisher, pointer, err);
	return true;
}

static bool read_others(struct others *others, const struct publisher *publisher, struct error *err)
{
	struct catalog_pointer *pointers;
	size_t count;
	if (others->are_read)
		return true;
	if (!catalog_pointers(publisher->options.catalog, &others->arena, &pointers, &count, err))
		return false;
	for (size_t i = 0; i < count; i++)
		if (!add_pointer(others, publisher, &pointers[i], err))
			return false;
	others->are_read = true;
	return true;
}

static bool may_name_any(const struct others *others, const char *folder)
{
	bool found = others->has_stranger;
	for (size_t i = 0; i < others->unread.count; i++)
		found |= starts_with(others->unread.paths[i], folder);
	return found;
}

/* --- what nothing names --- */

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

/* Walberg's own objects that are not in the set move to the front. */
static size_t keep_unknown(struct object_info *objects, size_t count, struct path_set *known)
{
	size_t kept = 0;
	for (size_t i = 0; i < count; i++)
		if (table_is_own_path(objects[i].path) && !path_set_has(known, objects[i].path))
			objects[kept++] = objects[i];
	return kept;
}

/* Listed before anything else is read: what is named only later was there already. */
static bool find_unnamed(struct publisher *publisher, const struct publisher_table *table,
	const char *folder, struct arena *arena, struct object_info **out, size_t *count,
	struct error *err)
{
	struct path_set known = { 0 };
	const bool done = store_list(publisher->options.store, folder, arena, out, count, err) &&
			  known_paths(publisher, table, arena, &known, err);
	if (done)
		*count = keep_unknown(*out, ownership_leave_out(*out, *count, arena), &known);
	path_set_deinit(&known);
	return done;
}

static void add_removals(struct publisher *publisher, const char *folder,
	const struct object_info *objects, size_t count)
{
	const micros_t at =
		world_now(publisher->options.world) + publisher->options.history.removal_delay;
	for (size_t i = 0; i < count; i++)
		publisher_add_removal(publisher, objects[i].path, at);
	if (count > 0)
		logline_info("objects that no version names will be removed",
			LOG_TEXT("folder", folder), LOG_INT("count", count));
}

static bool find_in_table(struct publisher *publisher, const struct publisher_table *table,
	struct others *others, struct arena *arena, struct error *err)
{
	const char *folder = table_folder(table->row.namespace_name, table->row.name, arena);
	struct object_info *objects;
	size_t count;
	/* A table that has no version may find its folder in another lake's warehouse. */
	if (table->row.metadata_location[0] == '\0' &&
		!ownership_check_folder(publisher->options.store, folder, err))
		return err->kind == ERROR_UNSUPPORTED;
	if (!find_unnamed(publisher, table, folder, arena, &objects, &count, err))
		return false;
	if (count == 0)
		return true;
	if (!read_others(others, publisher, err))
		return false;
	if (!may_name_any(others, folder))
		add_removals(
			publisher, folder, objects, keep_unknown(objects, count, &others->named));
	return true;
}

/* The versions of a table that is not open, or was dropped, are not known: its objects stay. */
static bool is_known(const struct publisher_table *table)
{
	const bool had_version = table->row.metadata_location[0] != '\0' || table->row.position > 0;
	return table->open != NULL || (table->row.state != TABLE_LEFT_OUT && !had_version);
}

bool retention_find_orphans(struct publisher *publisher, struct error *err)
{
	struct arena arena = { 0 };
	struct others others = { 0 };
	bool done = true;
	for (size_t i = 0; done && i < publisher->table_count; i++) {
		if (is_known(publisher->tables[i]))
			done = find_in_table(publisher, publisher->tables[i], &others, &arena, err);
		arena_reset(&arena);
	}
	others_deinit(&others);
	arena_deinit(&arena);
	return done;
}

/* --- removing --- */

/* Whatever has made a removal of it: a file that the catalog points to is not deleted. */
static bool leave_out_pointers(struct publisher *publisher, const struct removal *due, size_t count,
	struct arena *arena, const char **paths, size_t *path_count, struct error *err)
{
	struct path_set pointed = { 0 };
	struct catalog_pointer *pointers;
	size_t pointer_count;
	if (!catalog_pointers(publisher->options.catalog, arena, &pointers, &pointer_count, err))
		return false;
	for (size_t i = 0; i < pointer_count; i++)
		path_set_add_pointer(&pointed, publisher->options.store, &pointers[i]);
	*path_count = 0;
	for (size_t i = 0; i < count; i++)
		if (!path_set_has(&pointed, due[i].path))
			paths[(*path_count)++] = due[i].path;
	path_set_deinit(&pointed);
	return true;
}

/* What is left out is done with, too: `walberg maintain` finds it when nothing names it. */
static bool remove_objects(struct publisher *publisher, const struct removal *due, size_t count,
	struct arena *arena, struct error *err)
{
	const char **paths = arena_array(arena, const char *, count + 1);
	size_t path_count;
	if (!leave_out_pointers(publisher, due, count, arena, paths, &path_count, err) ||
		!store_remove_many(publisher->options.store, paths, path_count, err))
		return false;
	publisher->removed = memory_resize(publisher->removed, count + 1, sizeof(const char *));
	for (size_t i = 0; i < count; i++)
		publisher->removed[i] = arena_copy_cstring(&publisher->removal_arena, due[i].path);
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
