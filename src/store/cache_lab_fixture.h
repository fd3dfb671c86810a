/*
 * cache_lab_fixture.h: a cache, of a store in memory whose calls are counted and fail as asked.
 */
#ifndef STORE_CACHE_LAB_FIXTURE_H
#define STORE_CACHE_LAB_FIXTURE_H

#include "store/cache_internal.h"

#include <pthread.h>

enum {
	KB = 1024,
	OBJECT_SIZE = 1000 * KB + 17,
};

struct cache_lab {
	struct arena arena;
	struct store *store;
	struct cache *cache;
	const char *directory;
	uint64_t size_max;
	pthread_mutex_t lock; /* of what follows */
	size_t calls;
	size_t failures; /* that are still to come */
	enum error_kind failure;
	size_t freeze_after; /* calls; 0: never */
	int hung;            /* told of that */
};

void cache_lab_open(struct cache_lab *lab, uint64_t size_max);
void cache_lab_reopen(struct cache_lab *lab);
void cache_lab_close(struct cache_lab *lab);
struct cache *cache_lab_open_cache(struct cache_lab *lab); /* another one, in the same directory */

/* An object of the store; the bytes of its path are told by their offset. */
void cache_lab_put(struct cache_lab *lab, const char *path, size_t size);

/* The local file of an object of OBJECT_SIZE in which ranges, or one, were fetched. */
bool cache_lab_fetch_by(struct cache_lab *lab, struct cache *cache, const char *path,
	const struct byte_range *ranges, size_t count, const char **file, struct error *err);
const char *cache_lab_fetch(struct cache_lab *lab, const char *path, uint64_t start, uint64_t end);

/* The whole object by the cache, which is checked. */
void cache_lab_get(struct cache_lab *lab, const char *path, size_t size);

void cache_lab_check_bytes(const char *file, const char *path, uint64_t start, uint64_t end);
uint64_t cache_lab_disk_bytes(struct cache_lab *lab);

#endif
