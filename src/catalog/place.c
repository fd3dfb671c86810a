#include "catalog/place.h"

#define LOCAL_SCHEME "file://"

static const char *without_scheme(const char *location)
{
	const size_t size = strlen(LOCAL_SCHEME);
	return strncmp(location, LOCAL_SCHEME, size) == 0 ? location + size : location;
}

/* The first that has a location, in the store unless that is NULL. */
static const struct catalog_table *find_table(
	const struct catalog_view *view, const struct store *store)
{
	for (size_t i = 0; i < view->table_count; i++) {
		const char *location = view->tables[i].metadata_location;
		if (location[0] != '\0' && (store == NULL || store_may_hold(store, location)))
			return &view->tables[i];
	}
	return NULL;
}

/* What "/schema/table/metadata/file" stands behind. */
static const char *place_of(const struct catalog_table *table, struct arena *arena)
{
	char *place = arena_copy_cstring(arena, without_scheme(table->metadata_location));
	for (int i = 0; i < 4; i++) {
		char *slash = strrchr(place, '/');
		if (slash != NULL)
			*slash = '\0';
	}
	return place;
}

const char *place_of_tables(const struct catalog_view *view, struct arena *arena)
{
	const struct catalog_table *table = find_table(view, NULL);
	return table != NULL ? place_of(table, arena) : NULL;
}

static bool refuse(const char *location, const char *place, struct error *err)
{
	error_set(err, ERROR_SETUP,
		"this lake's tables are in \"%s\", and lake.warehouse is \"%s\"", place,
		without_scheme(location));
	return error_hint(err, "Set lake.warehouse=%s (walberg.yaml keeps it)%s.", place,
		place[0] == '/' ? ", or bring the directory back to where it was" : "");
}

bool place_check(const struct store *store, const struct catalog_view *view, struct error *err)
{
	const struct catalog_table *table = find_table(view, NULL);
	if (table == NULL || find_table(view, store) != NULL)
		return true;
	struct arena arena = { 0 };
	refuse(store->location, place_of(table, &arena), err);
	arena_deinit(&arena);
	return false;
}

/* s3://x, s3a://x and s3n://x are one place. */
static const char *without_any_scheme(const char *location)
{
	const char *separator = strstr(location, "://");
	return separator != NULL ? separator + strlen("://") : location;
}

static bool refuse_without_mark(
	const struct store *store, const char *mark, const char *place, struct error *err)
{
	if (strcmp(without_any_scheme(place), without_any_scheme(store->location)) != 0)
		return refuse(store->location, place, err);
	place = without_scheme(store->location);
	error_set(err, ERROR_SETUP, "this lake's tables are in \"%s\", and its mark \"%s\" is not",
		place, mark);
	return error_hint(err,
		"Bring back what was there: %s? Where nothing but the mark is missing, put an "
		"empty file of that name.",
		place[0] == '/' ? "is the disk mounted" : "is s3.endpoint the same server");
}

bool place_look(struct store *store, const struct catalog_view *view, struct error *err)
{
	if (!place_check(store, view, err))
		return false;
	const struct catalog_table *table = find_table(view, store);
	if (table == NULL)
		return true;
	struct arena arena = { 0 };
	struct object_info *objects;
	size_t count;
	const char *mark = arena_format(&arena, PLACE_MARKS "%s", view->lake.id);
	bool done = store_list(store, PLACE_MARKS, &arena, &objects, &count, err);
	if (done) {
		bool is_there = false;
		for (size_t i = 0; i < count; i++)
			is_there |= strcmp(objects[i].path, mark) == 0;
		done = is_there || refuse_without_mark(store, mark, place_of(table, &arena), err);
	}
	arena_deinit(&arena);
	return done;
}
