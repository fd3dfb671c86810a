#include "base/map.h"

#include <assert.h>
#include <stdlib.h>

enum {
	CAPACITY_MIN = 16
};

/* The finalizer of MurmurHash3: every bit of the key reaches the low bits of the slot. */
static size_t home_of(const struct map *map, uint64_t key)
{
	key = (key ^ key >> 33) * 0xff51afd7ed558ccd;
	key = (key ^ key >> 33) * 0xc4ceb9fe1a85ec53;
	return (size_t)(key ^ key >> 33) & (map->capacity - 1);
}

/* The entry of the key, or the free one where it belongs. */
static struct map_entry *find(const struct map *map, uint64_t key)
{
	size_t slot = home_of(map, key);
	while (map->entries[slot].value != NULL && map->entries[slot].key != key)
		slot = (slot + 1) & (map->capacity - 1);
	return &map->entries[slot];
}

static void grow(struct map *map)
{
	struct map larger = { .capacity = map->capacity ? map->capacity * 2 : CAPACITY_MIN,
		.count = map->count };
	larger.entries = memory_allocate(larger.capacity, sizeof *larger.entries);
	for (size_t i = 0; i < map->capacity; i++)
		if (map->entries[i].value != NULL)
			*find(&larger, map->entries[i].key) = map->entries[i];
	free(map->entries);
	*map = larger;
}

void map_deinit(struct map *map)
{
	free(map->entries);
	*map = (struct map){ 0 };
}

void *map_get(const struct map *map, uint64_t key)
{
	return map->count ? find(map, key)->value : NULL;
}

void *map_put(struct map *map, uint64_t key, void *value)
{
	assert(value != NULL);
	if (map->count + 1 > map->capacity / 4 * 3)
		grow(map);
	struct map_entry *entry = find(map, key);
	void *old = entry->value;
	map->count += old == NULL;
	*entry = (struct map_entry){ key, value };
	return old;
}

/* Moves later entries of the run back, so that no search ends at the hole. */
static void close_hole(struct map *map, size_t hole)
{
	const size_t mask = map->capacity - 1;
	for (size_t slot = (hole + 1) & mask; map->entries[slot].value != NULL;
		slot = (slot + 1) & mask) {
		const size_t home = home_of(map, map->entries[slot].key);
		if (((slot - home) & mask) >= ((slot - hole) & mask)) {
			map->entries[hole] = map->entries[slot];
			hole = slot;
		}
	}
	map->entries[hole].value = NULL;
}

void *map_remove(struct map *map, uint64_t key)
{
	struct map_entry *entry = map->count ? find(map, key) : NULL;
	void *old = entry ? entry->value : NULL;
	if (old != NULL) {
		close_hole(map, (size_t)(entry - map->entries));
		map->count--;
	}
	return old;
}
