/*
 * objects_internal.h: objects on their way to the store and from it.
 *
 * A small object is held in memory until its commit, which puts all of them in parallel; a bigger
 * one is uploaded while it is written.
 */
#ifndef TABLE_OBJECTS_INTERNAL_H
#define TABLE_OBJECTS_INTERNAL_H

#include "base/buffer.h"
#include "store/store.h"

struct table;

enum {
	HELD_OBJECT_BYTES_MAX = 256 * 1024, /* a bigger one goes to the store at once */
	HELD_TABLE_BYTES_MAX = 1024 * 1024, /* of data files of one delta */
};

struct object_sink {
	struct table *table;
	const char *path;
	size_t held_max;
	struct buffer held;    /* the bytes so far, while there is no upload */
	struct upload *upload; /* or NULL */
};

bool object_sink_write(void *context, struct bytes data, struct error *err); /* of a parquet_sink */
/* True: durable in the store, unless held has its bytes.  The upload is gone in either case. */
bool object_sink_finish(struct object_sink *sink, struct error *err) MUST_CHECK;
void object_sink_abort(struct object_sink *sink);

struct object_source {
	struct store *store;
	const char *path;
	struct bytes held; /* its bytes, when they are not in the store yet */
	struct buffer buffer;
};

bool object_source_read_at(void *context, uint64_t offset, void *out, size_t size,
	struct error *err); /* of a parquet_source */

struct put {
	const char *path; /* borrowed */
	struct bytes body;
	struct buffer owned;
};

struct puts {
	size_t count, capacity;
	struct put *items;
};

void puts_add(struct puts *puts, const char *path, struct bytes body);
void puts_take(struct puts *puts, const char *path, struct buffer *body); /* owns it from here */
void puts_reset(struct puts *puts);
/* All durable when it returns true; after a failure some may be. */
bool puts_run(struct store *store, const struct puts *puts, unsigned parallel,
	struct error *err) MUST_CHECK;

#endif
