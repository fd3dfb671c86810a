#include "store/store.h"

#include <stdlib.h>

typedef enum error_kind strike_function(void *context, const char *call, const char *path);

struct faulty_store {
	struct store base;
	struct store *inner;
	strike_function *strike;
	void *context;
};

struct faulty_upload {
	struct upload base;
	struct faulty_store *faulty;
	struct upload *inner;
	char *path;
};

static enum error_kind strike(struct faulty_store *faulty, const char *call, const char *path)
{
	return faulty->strike(faulty->context, call, path);
}

static bool fail(enum error_kind kind, const char *call, const char *path, struct error *err)
{
	return error_set(err, kind, "injected fault in %s of \"%s\"", call, path);
}

static void upload_free(struct faulty_upload *upload)
{
	free(upload->path);
	free(upload);
}

static bool faulty_write(struct upload *base, struct bytes data, struct error *err)
{
	struct faulty_upload *upload = (struct faulty_upload *)base;
	const enum error_kind kind = strike(upload->faulty, "write", upload->path);
	if (kind != ERROR_NONE)
		return fail(kind, "write", upload->path, err);
	return upload_write(upload->inner, data, err);
}

/* An uncertain finish does happen; only its answer is lost. */
static bool finish_struck(struct faulty_upload *upload, enum error_kind kind, struct error *err)
{
	struct error lost;
	if (kind != ERROR_UNCERTAIN)
		upload_abort(upload->inner);
	else if (!upload_finish(upload->inner, &lost))
		lost.kind = ERROR_NONE; /* then it did not: that is uncertain, too */
	return fail(kind, "finish", upload->path, err);
}

static bool faulty_finish(struct upload *base, struct error *err)
{
	struct faulty_upload *upload = (struct faulty_upload *)base;
	const enum error_kind kind = strike(upload->faulty, "finish", upload->path);
	const bool ok = kind == ERROR_NONE ? upload_finish(upload->inner, err)
					   : finish_struck(upload, kind, err);
	upload_free(upload);
	return ok;
}

static void faulty_abort(struct upload *base)
{
	struct faulty_upload *upload = (struct faulty_upload *)base;
	upload_abort(upload->inner);
	upload_free(upload);
}

static bool faulty_create(
	struct store *store, const char *path, struct upload **out, struct error *err)
{
	static const struct upload_ops OPS = {
		.write = faulty_write,
		.finish = faulty_finish,
		.abort = faulty_abort,
	};
	struct faulty_store *faulty = (struct faulty_store *)store;
	const enum error_kind kind = strike(faulty, "create", path);
	if (kind != ERROR_NONE)
		return fail(kind, "create", path, err);
	struct upload *inner;
	if (!store_create(faulty->inner, path, &inner, err))
		return false;
	struct faulty_upload *upload = memory_allocate(1, sizeof *upload);
	upload->base.ops = &OPS;
	upload->faulty = faulty;
	upload->inner = inner;
	upload->path = memory_allocate(strlen(path) + 1, 1);
	memcpy(upload->path, path, strlen(path));
	*out = &upload->base;
	return true;
}

static bool faulty_read(struct store *store, const char *path, uint64_t offset, size_t size,
	struct buffer *out, struct error *err)
{
	struct faulty_store *faulty = (struct faulty_store *)store;
	const enum error_kind kind = strike(faulty, "read", path);
	if (kind != ERROR_NONE)
		return fail(kind, "read", path, err);
	return store_read(faulty->inner, path, offset, size, out, err);
}

static bool faulty_size(struct store *store, const char *path, uint64_t *out, struct error *err)
{
	struct faulty_store *faulty = (struct faulty_store *)store;
	const enum error_kind kind = strike(faulty, "size", path);
	if (kind != ERROR_NONE)
		return fail(kind, "size", path, err);
	return store_size(faulty->inner, path, out, err);
}

static bool faulty_list(struct store *store, const char *prefix, struct arena *arena,
	struct object_info **out, size_t *count, struct error *err)
{
	struct faulty_store *faulty = (struct faulty_store *)store;
	const enum error_kind kind = strike(faulty, "list", prefix);
	if (kind != ERROR_NONE)
		return fail(kind, "list", prefix, err);
	return store_list(faulty->inner, prefix, arena, out, count, err);
}

static bool faulty_remove(struct store *store, const char *path, struct error *err)
{
	struct faulty_store *faulty = (struct faulty_store *)store;
	const enum error_kind kind = strike(faulty, "remove", path);
	if (kind != ERROR_NONE && kind != ERROR_UNCERTAIN)
		return fail(kind, "remove", path, err);
	const bool ok = store_remove(faulty->inner, path, err);
	return kind == ERROR_NONE ? ok : fail(kind, "remove", path, err);
}

static void faulty_close(struct store *store)
{
	struct faulty_store *faulty = (struct faulty_store *)store;
	store_close(faulty->inner);
	free(faulty);
}

struct store *store_faulty_open(struct store *inner, strike_function *strikes, void *context)
{
	static const struct store_ops OPS = {
		.scheme = "faulty",
		.create = faulty_create,
		.read = faulty_read,
		.size = faulty_size,
		.list = faulty_list,
		.remove = faulty_remove,
		.close = faulty_close,
	};
	struct faulty_store *faulty = memory_allocate(1, sizeof *faulty);
	*faulty = (struct faulty_store){
		.base = { .ops = &OPS, .location = inner->location, .endpoint = inner->endpoint },
		.inner = inner,
		.strike = strikes,
		.context = context,
	};
	return &faulty->base;
}
