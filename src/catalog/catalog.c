#include "catalog/catalog.h"

#include <assert.h>

static bool fail(const struct catalog *catalog, const char *verb, struct error *err)
{
	return error_context(err, "%s the %s catalog", verb, catalog->ops->scheme);
}

bool catalog_load(
	struct catalog *catalog, struct arena *arena, struct catalog_view *out, struct error *err)
{
	*out = (struct catalog_view){ 0 };
	return catalog->ops->load(catalog, arena, out, err) || fail(catalog, "loading", err);
}

bool catalog_create(struct catalog *catalog, const struct lake *lake, struct error *err)
{
	return catalog->ops->create(catalog, lake, err) ||
	       fail(catalog, "putting a lake into", err);
}

bool catalog_commit(struct catalog *catalog, const struct catalog_commit *commit,
	size_t *table_conflict, struct error *err)
{
	assert(commit->lake->commit_number == commit->base_commit_number + 1); /* I2 */
	*table_conflict = SIZE_MAX;
	return catalog->ops->commit(catalog, commit, table_conflict, err) ||
	       fail(catalog, "committing to", err);
}

bool catalog_removals(struct catalog *catalog, micros_t now, size_t count_max, struct arena *arena,
	struct removal **out, size_t *count, struct error *err)
{
	*out = NULL;
	*count = 0;
	return catalog->ops->removals(catalog, now, count_max, arena, out, count, err) ||
	       fail(catalog, "reading removals from", err);
}

bool catalog_pointers(struct catalog *catalog, struct arena *arena, struct catalog_pointer **out,
	size_t *count, struct error *err)
{
	*out = NULL;
	*count = 0;
	return catalog->ops->pointers(catalog, arena, out, count, err) ||
	       error_context(err, "loading the tables of the catalog");
}

bool catalog_load_requests(struct catalog *catalog, struct arena *arena,
	struct catalog_request **out, size_t *count, struct error *err)
{
	*out = NULL;
	*count = 0;
	return catalog->ops->requests(catalog, arena, out, count, err) ||
	       fail(catalog, "reading requests from", err);
}

bool catalog_request(
	struct catalog *catalog, const char *kind, const char *argument, struct error *err)
{
	return catalog->ops->request(catalog, kind, argument, err) ||
	       fail(catalog, "writing a request to", err);
}

bool catalog_lock(struct catalog *catalog, struct error *err)
{
	return catalog->ops->lock(catalog, err) || fail(catalog, "locking", err);
}

void catalog_close(struct catalog *catalog)
{
	if (catalog != NULL)
		catalog->ops->close(catalog);
}

bool lake_may_have_slot(const struct lake *lake)
{
	return lake->phase == LAKE_STARTING || lake->phase == LAKE_LIVE;
}

struct lake catalog_copy_lake(const struct lake *lake, struct arena *arena)
{
	struct lake copy = *lake;
	copy.id = arena_copy_cstring(arena, lake->id);
	copy.slot_name = arena_copy_cstring(arena, lake->slot_name);
	copy.publication_name = arena_copy_cstring(arena, lake->publication_name);
	copy.append_publication_name = arena_copy_cstring(arena, lake->append_publication_name);
	copy.system_identifier = arena_copy_cstring(arena, lake->system_identifier);
	copy.commit_id = arena_copy_cstring(arena, lake->commit_id);
	copy.log_id = arena_copy_cstring(arena, lake->log_id);
	return copy;
}

const struct catalog_table *catalog_view_find(
	const struct catalog_view *view, const char *namespace_name, const char *name)
{
	size_t low = 0, high = view->table_count;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		const struct catalog_table *table = &view->tables[middle];
		int order = strcmp(table->namespace_name, namespace_name);
		if (order == 0)
			order = strcmp(table->name, name);
		if (order == 0)
			return table;
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return NULL;
}
