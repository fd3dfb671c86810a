#include "catalog/catalog.h"

#include <stdlib.h>

typedef enum error_kind strike_function(void *context, const char *call);

struct faulty_catalog {
	struct catalog base;
	struct catalog *inner;
	strike_function *strike;
	void *context;
};

static bool fail(enum error_kind kind, const char *call, struct error *err)
{
	return error_set(err, kind, "injected fault in %s", call);
}

/* An uncertain call is made; only its answer is lost.  *kind is what the call shall fail with. */
static bool is_made(struct faulty_catalog *faulty, const char *call, enum error_kind *kind)
{
	*kind = faulty->strike(faulty->context, call);
	return *kind == ERROR_NONE || *kind == ERROR_UNCERTAIN;
}

static bool faulty_load(
	struct catalog *catalog, struct arena *arena, struct catalog_view *out, struct error *err)
{
	struct faulty_catalog *faulty = (struct faulty_catalog *)catalog;
	const enum error_kind kind = faulty->strike(faulty->context, "load");
	if (kind != ERROR_NONE)
		return fail(kind, "load", err);
	return catalog_load(faulty->inner, arena, out, err);
}

static bool faulty_create(struct catalog *catalog, const struct lake *lake, struct error *err)
{
	struct faulty_catalog *faulty = (struct faulty_catalog *)catalog;
	enum error_kind kind;
	const bool ok =
		is_made(faulty, "create", &kind) && catalog_create(faulty->inner, lake, err);
	return kind == ERROR_NONE ? ok : fail(kind, "create", err);
}

static bool faulty_commit(struct catalog *catalog, const struct catalog_commit *commit,
	size_t *table_conflict, struct error *err)
{
	struct faulty_catalog *faulty = (struct faulty_catalog *)catalog;
	enum error_kind kind;
	const bool ok = is_made(faulty, "commit", &kind) &&
			catalog_commit(faulty->inner, commit, table_conflict, err);
	if (kind == ERROR_NONE)
		return ok;
	*table_conflict = SIZE_MAX;
	return fail(kind, "commit", err);
}

static bool faulty_removals(struct catalog *catalog, micros_t now, size_t count_max,
	struct arena *arena, struct removal **out, size_t *count, struct error *err)
{
	struct faulty_catalog *faulty = (struct faulty_catalog *)catalog;
	const enum error_kind kind = faulty->strike(faulty->context, "removals");
	if (kind != ERROR_NONE)
		return fail(kind, "removals", err);
	return catalog_removals(faulty->inner, now, count_max, arena, out, count, err);
}

static bool faulty_pointers(struct catalog *catalog, struct arena *arena,
	struct catalog_pointer **out, size_t *count, struct error *err)
{
	struct faulty_catalog *faulty = (struct faulty_catalog *)catalog;
	const enum error_kind kind = faulty->strike(faulty->context, "pointers");
	if (kind != ERROR_NONE)
		return fail(kind, "pointers", err);
	return catalog_pointers(faulty->inner, arena, out, count, err);
}

static bool faulty_requests(struct catalog *catalog, struct arena *arena,
	struct catalog_request **out, size_t *count, struct error *err)
{
	struct faulty_catalog *faulty = (struct faulty_catalog *)catalog;
	const enum error_kind kind = faulty->strike(faulty->context, "requests");
	if (kind != ERROR_NONE)
		return fail(kind, "requests", err);
	return catalog_load_requests(faulty->inner, arena, out, count, err);
}

static bool faulty_request(struct catalog *catalog, const char *kind_of_request,
	const char *argument, struct error *err)
{
	struct faulty_catalog *faulty = (struct faulty_catalog *)catalog;
	enum error_kind kind;
	const bool ok = is_made(faulty, "request", &kind) &&
			catalog_request(faulty->inner, kind_of_request, argument, err);
	return kind == ERROR_NONE ? ok : fail(kind, "request", err);
}

static bool faulty_lock(struct catalog *catalog, struct error *err)
{
	return catalog_lock(((struct faulty_catalog *)catalog)->inner, err);
}

static void faulty_close(struct catalog *catalog)
{
	struct faulty_catalog *faulty = (struct faulty_catalog *)catalog;
	catalog_close(faulty->inner);
	free(faulty);
}

struct catalog *catalog_faulty_open(struct catalog *inner, strike_function *strike, void *context)
{
	static const struct catalog_ops OPS = {
		.scheme = "faulty",
		.load = faulty_load,
		.create = faulty_create,
		.commit = faulty_commit,
		.removals = faulty_removals,
		.pointers = faulty_pointers,
		.requests = faulty_requests,
		.request = faulty_request,
		.lock = faulty_lock,
		.close = faulty_close,
	};
	struct faulty_catalog *faulty = memory_allocate(1, sizeof *faulty);
	*faulty = (struct faulty_catalog){
		.base = { &OPS },
		.inner = inner,
		.strike = strike,
		.context = context,
	};
	return &faulty->base;
}
