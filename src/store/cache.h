/*
 * cache.h: byte ranges of stores' objects, kept in local files, within a bound.
 *
 * A store's objects never change, so that what was fetched once stays right.  An object is known by
 * its store's endpoint and its URI: several stores may share a directory.  A local file of an
 * object has the object's size and is sparse: what was fetched lies at its offset, the rest is a
 * hole that reads as zeros.  An index (an SQLite file) says which ranges are there; a range is
 * entered when its bytes are durable, so that neither a killed process nor a crashed machine leaves
 * an entry without its bytes.
 *
 * The bound holds for all that is kept, at every moment, beside the index (about 1 kB an object):
 * before bytes are fetched, the objects that were used longest ago go.  Objects that cache_fetch()
 * gave stay until cache_unpin().
 *
 * Several processes, and several caches of one process, may use a directory at the same time.  One
 * cache belongs to one thread at a time.  The directory can be deleted while nobody uses it.
 *
 * Kinds: those of store.h for what is fetched; LIMIT when what is asked for does not fit beside
 * what is in use, or the disk is full; SETUP for a directory that cannot be used; CORRUPT for an
 * index that is damaged while it is in use.
 */
#ifndef STORE_CACHE_H
#define STORE_CACHE_H

#include "store/store.h"

struct cache;

struct cache_options {
	const char *directory; /* absolute; made when missing */
	uint64_t size_max;     /* bytes on this disk */
};

bool cache_open(
	const struct cache_options *options, struct cache **out, struct error *err) MUST_CHECK;
void cache_close(struct cache *cache); /* also NULL */

/* The directory of the local files, absolute; nothing else lies in it. */
const char *cache_files(const struct cache *cache);

struct byte_range {
	uint64_t start, end; /* the end not included */
};

struct cached_object {
	const char *path; /* in the store */
	uint64_t size;    /* of the object, bytes */
	size_t range_count;
	const struct byte_range *ranges; /* within the object, in any order */
	const char *file;                /* out: absolute, in the arena */
};

/*
 * Fetch what is missing of the ranges of all objects, in parallel.  On success every object has its
 * file, which stays until cache_unpin(), whatever else is fetched.  Nothing is asked of the store
 * when nothing is missing.  CORRUPT when an object is shorter than its size.
 */
bool cache_fetch(struct cache *cache, struct store *store, struct cached_object *objects,
	size_t count, struct arena *arena, struct error *err) MUST_CHECK;
void cache_unpin(struct cache *cache);

/* As store_get(), of an object that is small and read whole, or was fetched whole. */
bool cache_get(struct cache *cache, struct store *store, const char *path, size_t size_max,
	struct buffer *out, struct error *err) MUST_CHECK;

#endif
