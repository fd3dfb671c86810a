/*
 * store.h: whole objects by path, on a local disk or in S3.
 *
 * An implementation embeds `struct store` as its first member.  Calls block and may come from
 * several threads at once, except close, which comes last; one upload belongs to one thread.
 * Paths are relative to the store's location, use '/', name no empty, "." or ".." part, and are
 * never reused for other bytes, so everything but create is safe to repeat.
 *
 * An object appears whole, when its upload is finished, or not at all.  To create the same bytes at
 * the same path again succeeds; of two writers of different bytes S3 refuses the second (CONFLICT).
 *
 * Kinds: BUSY, LOST, UNCERTAIN (a finish whose answer was lost), MISSING, CONFLICT, LIMIT (full),
 * SETUP (permission).
 */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/world.h"
#include "event/lsn.h"

#include <stdatomic.h>

struct store;
struct upload;

struct object_info {
	const char *path;
	uint64_t size_bytes;
	micros_t modified_at;
};

struct store_ops {
	const char *scheme; /* "file", "s3", "memory" */

	/* Begin an object.  *out is the caller's until finish or abort. */
	bool (*create)(
		struct store *store, const char *path, struct upload **out, struct error *err);

	/* size bytes from offset, appended to out; MISSING, or CORRUPT when the object is shorter.
	 */
	bool (*read)(struct store *store, const char *path, uint64_t offset, size_t size,
		struct buffer *out, struct error *err);

	/* The whole object in one request; NULL: size and read are as good. */
	bool (*get)(struct store *store, const char *path, size_t size_max, struct buffer *out,
		struct error *err);

	bool (*size)(struct store *store, const char *path, uint64_t *out, struct error *err);

	/* All objects whose path begins with prefix, by path. */
	bool (*list)(struct store *store, const char *prefix, struct arena *arena,
		struct object_info **out, size_t *count, struct error *err);

	/* True also when there is no such object. */
	bool (*remove)(struct store *store, const char *path, struct error *err);

	/* As many in one request as can be; after a failure some may be gone.  NULL: one by one. */
	bool (*remove_many)(
		struct store *store, const char *const *paths, size_t count, struct error *err);

	void (*close)(struct store *store);
};

struct upload_ops {
	bool (*write)(struct upload *upload, struct bytes data, struct error *err);
	/* I1: durable, name included, when it returns true.  The upload is gone in either case. */
	bool (*finish)(struct upload *upload, struct error *err);
	void (*abort)(struct upload *upload); /* also NULL */
};

struct store_counts { /* what a store has done; any thread reads them */
	_Atomic uint64_t objects_written;
	_Atomic uint64_t bytes_written; /* also of uploads that were not finished */
	_Atomic uint64_t bytes_read;
	_Atomic uint64_t objects_removed;
	_Atomic uint64_t errors[ERROR_KIND_COUNT];
};

struct store {
	const struct store_ops *ops;
	char *location;       /* absolute URI without a trailing slash: "file:///var/lib/lake" */
	const char *endpoint; /* whose location it is, "http://host:9000"; NULL: there is one */
	struct store_counts *counts; /* the caller's to set, and to keep; NULL: nobody counts */
};

struct upload {
	const struct upload_ops *ops;
	struct store *store; /* set by store_create() */
};

bool store_create(
	struct store *store, const char *path, struct upload **out, struct error *err) MUST_CHECK;
bool upload_write(struct upload *upload, struct bytes data, struct error *err) MUST_CHECK;
bool upload_finish(struct upload *upload, struct error *err) MUST_CHECK;
void upload_abort(struct upload *upload);

/* create, write and finish in one. */
bool store_put(
	struct store *store, const char *path, struct bytes body, struct error *err) MUST_CHECK;
bool store_read(struct store *store, const char *path, uint64_t offset, size_t size,
	struct buffer *out, struct error *err) MUST_CHECK;
/* The whole object, appended to out; LIMIT beyond size_max. */
bool store_get(struct store *store, const char *path, size_t size_max, struct buffer *out,
	struct error *err) MUST_CHECK;
bool store_size(struct store *store, const char *path, uint64_t *out, struct error *err) MUST_CHECK;
bool store_list(struct store *store, const char *prefix, struct arena *arena,
	struct object_info **out, size_t *count, struct error *err) MUST_CHECK;
bool store_remove(struct store *store, const char *path, struct error *err) MUST_CHECK;
bool store_remove_many(
	struct store *store, const char *const *paths, size_t count, struct error *err) MUST_CHECK;
void store_close(struct store *store);

/*
 * Writes, reads, lists and removes an object of a random name: what a lake needs to be able to do.
 * *written_at is when that was by the store's clock.
 */
bool store_probe(struct world *world, struct store *store, micros_t *written_at,
	struct error *err) MUST_CHECK;
/* UNSUPPORTED when of two writers of one name the second is not refused. */
bool store_probe_condition(struct world *world, struct store *store, struct error *err) MUST_CHECK;
/* Of a name that they make, or in a folder of such a name: a dead process left it. */
bool store_is_probe(const char *path);

/* Relative, no part empty, "." or "..": nothing outside can be named. */
bool store_path_is_valid(const char *path);

/* Between an object's path and its absolute URI; NULL when the URI is not of this store. */
const char *store_uri(const struct store *store, const char *path, struct arena *arena);
const char *store_path(const struct store *store, const char *uri);
/* Whether the URI begins with the store's location, though no path may have its spelling. */
bool store_may_hold(const struct store *store, const char *uri);

/* A directory of the world, made when missing.  Temporary names live in directory/.tmp. */
bool store_local_open(struct world *world, const char *directory, struct store **out,
	struct error *err) MUST_CHECK;
/* For looking: nothing is made, and what is missing has no objects. */
struct store *store_local_look(struct world *world, const char *directory);
struct store *store_memory_open(struct world *world, const char *location);

/*
 * Wraps inner and owns it.  Before each call `strike` is asked; what it returns (ERROR_NONE for
 * "go on") is how the call fails.  UNCERTAIN: the call is made and its answer lost.  `strike` may
 * itself run something else first, which is how a simulation stalls a writer.
 */
struct store *store_faulty_open(struct store *inner,
	enum error_kind (*strike)(void *context, const char *call, const char *path),
	void *context);

#endif
