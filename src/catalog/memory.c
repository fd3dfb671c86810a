/*
 * A catalog that lives as long as its handles: SQLite's own database in memory, one for all
 * handles that were shared.
 */
#include "catalog/catalog.h"

#include <pthread.h>
#include <stdlib.h>

struct shared_catalog {
	struct catalog *inner;
	pthread_mutex_t lock; /* of inner and handles */
	size_t handles;
};

struct memory_catalog {
	struct catalog base;
	struct shared_catalog *shared;
};

static struct catalog *lock_inner(struct catalog *catalog)
{
	struct shared_catalog *shared = ((struct memory_catalog *)catalog)->shared;
	pthread_mutex_lock(&shared->lock);
	return shared->inner;
}

static bool unlock_inner(struct catalog *catalog, bool ok)
{
	pthread_mutex_unlock(&((struct memory_catalog *)catalog)->shared->lock);
	return ok;
}

static bool memory_load(
	struct catalog *catalog, struct arena *arena, struct catalog_view *out, struct error *err)
{
	struct catalog *inner = lock_inner(catalog);
	return unlock_inner(catalog, catalog_load(inner, arena, out, err));
}

static bool memory_create(struct catalog *catalog, const struct lake *lake, struct error *err)
{
	struct catalog *inner = lock_inner(catalog);
	return unlock_inner(catalog, catalog_create(inner, lake, err));
}

static bool memory_commit(struct catalog *catalog, const struct catalog_commit *commit,
	size_t *table_conflict, struct error *err)
{
	struct catalog *inner = lock_inner(catalog);
	return unlock_inner(catalog, catalog_commit(inner, commit, table_conflict, err));
}

static bool memory_removals(struct catalog *catalog, micros_t now, size_t count_max,
	struct arena *arena, struct removal **out, size_t *count, struct error *err)
{
	struct catalog *inner = lock_inner(catalog);
	const bool ok = catalog_removals(inner, now, count_max, arena, out, count, err);
	return unlock_inner(catalog, ok);
}

static bool memory_pointers(struct catalog *catalog, struct arena *arena,
	struct catalog_pointer **out, size_t *count, struct error *err)
{
	struct catalog *inner = lock_inner(catalog);
	return unlock_inner(catalog, catalog_pointers(inner, arena, out, count, err));
}

static bool memory_requests(struct catalog *catalog, struct arena *arena,
	struct catalog_request **out, size_t *count, struct error *err)
{
	struct catalog *inner = lock_inner(catalog);
	return unlock_inner(catalog, catalog_load_requests(inner, arena, out, count, err));
}

static bool memory_request(
	struct catalog *catalog, const char *kind, const char *argument, struct error *err)
{
	struct catalog *inner = lock_inner(catalog);
	return unlock_inner(catalog, catalog_request(inner, kind, argument, err));
}

static bool memory_lock(struct catalog *catalog, struct error *err)
{
	struct catalog *inner = lock_inner(catalog);
	return unlock_inner(catalog, catalog_lock(inner, err));
}

static void memory_close(struct catalog *catalog)
{
	struct shared_catalog *shared = ((struct memory_catalog *)catalog)->shared;
	pthread_mutex_lock(&shared->lock);
	const bool is_last = --shared->handles == 0;
	pthread_mutex_unlock(&shared->lock);
	if (is_last) {
		catalog_close(shared->inner);
		pthread_mutex_destroy(&shared->lock);
		free(shared);
	}
	free(catalog);
}

static struct catalog *handle_new(struct shared_catalog *shared)
{
	static const struct catalog_ops OPS = {
		.scheme = "memory",
		.load = memory_load,
		.create = memory_create,
		.commit = memory_commit,
		.removals = memory_removals,
		.pointers = memory_pointers,
		.requests = memory_requests,
		.request = memory_request,
		.lock = memory_lock,
		.close = memory_close,
	};
	struct memory_catalog *memory = memory_allocate(1, sizeof *memory);
	memory->base.ops = &OPS;
	memory->shared = shared;
	return &memory->base;
}

struct catalog *catalog_memory_open(void)
{
	const struct sqlite_options options = { .path = ":memory:", .catalog_name = "walberg" };
	struct shared_catalog *shared = memory_allocate(1, sizeof *shared);
	struct error err;
	if (!catalog_sqlite_open(&options, &shared->inner, &err)) {
		error_print(&err, stderr); /* nothing but memory can be missing */
		abort();
	}
	pthread_mutex_init(&shared->lock, NULL);
	shared->handles = 1;
	return handle_new(shared);
}

struct catalog *catalog_memory_share(struct catalog *memory)
{
	struct shared_catalog *shared = ((struct memory_catalog *)memory)->shared;
	pthread_mutex_lock(&shared->lock);
	shared->handles++;
	pthread_mutex_unlock(&shared->lock);
	return handle_new(shared);
}
