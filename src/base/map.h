/*
 * map.h: from a 64-bit number to a pointer, by open addressing.
 *
 * A zeroed struct map is an empty one.  The pointers are the caller's.  Any key is allowed; a NULL
 * value is not.
 */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/arena.h"

struct map_entry {
	uint64_t key;
	void *value; /* NULL: free */
};

struct map {
	struct map_entry *entries;
	size_t capacity; /* zero or a power of two */
	size_t count;
};

void map_deinit(struct map *map);                          /* the map is empty and usable again */
void *map_get(const struct map *map, uint64_t key);        /* or NULL */
void *map_put(struct map *map, uint64_t key, void *value); /* what was there, or NULL */
void *map_remove(struct map *map, uint64_t key);           /* what was there, or NULL */

#endif
