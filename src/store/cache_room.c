#include "store/cache_internal.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

/* What is wanted of an object that is pinned here. */
struct use {
	struct arena arena;
	const char *file; /* absolute */
	struct byte_ranges wanted;
};

const char *cache_file(const struct cache *cache, const char *name, struct arena *arena)
{
	return arena_format(arena, "%s/%s", cache->files, name);
}

/* ---- changes of the index ---- */

bool cache_change_begin(struct cache *cache, struct error *err)
{
	return index_begin(cache->index, err);
}

/* What was removed can be pinned by others only when they see in the index that it is gone. */
bool cache_change_end(struct cache *cache, bool is_good, struct error *err)
{
	const bool ok = index_end(cache->index, is_good, err);
	const int64_t *ids = (const int64_t *)(const void *)cache->removed.data;
	for (size_t i = 0; i < cache->removed.size / sizeof *ids; i++)
		pins_unlock(&cache->pins, ids[i]);
	buffer_reset(&cache->removed);
	return ok;
}

bool cache_try_remove(struct cache *cache, const struct index_object *object, bool *is_gone,
	struct arena *arena, struct error *err)
{
	*is_gone = pins_try_lock(&cache->pins, object->id);
	if (!*is_gone)
		return true;
	buffer_append(&cache->removed, &object->id, sizeof object->id);
	unlink(cache_file(cache, object->file, arena));
	return index_remove(cache->index, object->id, err);
}

bool cache_make_room(struct cache *cache, uint64_t bytes, bool *has_room, struct error *err)
{
	struct arena arena = { 0 };
	struct index_object at = { .used_at = INT64_MIN };
	uint64_t total = 0;
	bool ok;
	*has_room = false;
	while ((ok = index_total(cache->index, &total, err))) {
		bool is_gone;
		*has_room = bytes <= cache->size_max && total <= cache->size_max - bytes;
		ok = *has_room || index_next_used(cache->index, &at, &arena, err);
		if (!ok || *has_room || at.id == 0)
			break;
		ok = cache_try_remove(cache, &at, &is_gone, &arena, err);
		if (!ok)
			break;
	}
	arena_deinit(&arena);
	return ok;
}

/* ---- what is in use here ---- */

void cache_use(
	struct cache *cache, const struct index_object *object, const struct byte_ranges *wanted)
{
	struct use *use = map_get(&cache->in_use, (uint64_t)object->id);
	if (use == NULL) {
		use = memory_allocate(1, sizeof *use);
		use->file = cache_file(cache, object->file, &use->arena);
		map_put(&cache->in_use, (uint64_t)object->id, use);
	}
	struct buffer all = { 0 };
	buffer_append(&all, use->wanted.items, use->wanted.count * sizeof *use->wanted.items);
	buffer_append(&all, wanted->items, wanted->count * sizeof *wanted->items);
	use->wanted = ranges_of((const struct byte_range *)(const void *)all.data,
		all.size / sizeof(struct byte_range), &use->arena);
	buffer_deinit(&all);
}

void cache_end_use(struct cache *cache)
{
	for (size_t i = 0; i < cache->in_use.capacity; i++) {
		struct use *use = cache->in_use.entries[i].value;
		if (use == NULL)
			continue;
		arena_deinit(&use->arena);
		free(use);
	}
	map_deinit(&cache->in_use);
}

/* ---- cutting down ---- */

bool cache_set_ranges(
	struct cache *cache, int64_t id, const struct byte_ranges *ranges, struct error *err)
{
	if (!index_be_durable(cache->index, true, err) || !cache_change_begin(cache, err))
		return false;
	bool ok = index_remove_ranges(cache->index, id, err);
	for (size_t i = 0; ok && i < ranges->count; i++)
		ok = index_add_range(cache->index, id, &ranges->items[i], err);
	return cache_change_end(cache, ok, err) && index_be_durable(cache->index, false, err);
}

/* False also where the file system has no holes. */
static bool punch(const char *file, const struct byte_ranges *ranges)
{
	const int descriptor = open(file, O_WRONLY | O_CLOEXEC);
	bool ok = descriptor >= 0;
	for (size_t i = 0; ok && i < ranges->count; i++) {
		const struct byte_range *range = &ranges->items[i];
		ok = fallocate(descriptor, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
			     (off_t)range->start, (off_t)(range->end - range->start)) == 0;
	}
	if (descriptor >= 0)
		close(descriptor);
	return ok;
}

/*
 * The index forgets ranges, durably, before they become holes, and counts them until then: whenever
 * this ends, nothing is there that is not counted, and no hole is taken for bytes.
 */
static bool trim_object(struct cache *cache, int64_t id, const struct use *use, struct error *err)
{
	struct arena arena = { 0 };
	struct byte_ranges present;
	bool ok = index_ranges(cache->index, id, &arena, &present, err);
	if (ok) {
		const struct byte_ranges surplus = ranges_missing(&present, &use->wanted, &arena);
		const struct byte_ranges kept = ranges_missing(&present, &surplus, &arena);
		if (surplus.count > 0)
			ok = cache_set_ranges(cache, id, &kept, err) &&
			     (!punch(use->file, &surplus) ||
				     index_set_charge(
					     cache->index, id, ranges_disk_bytes(&kept), err));
	}
	arena_deinit(&arena);
	return ok;
}

bool cache_trim(struct cache *cache, struct error *err)
{
	bool ok = true;
	for (size_t i = 0; ok && i < cache->in_use.capacity; i++) {
		const struct map_entry *entry = &cache->in_use.entries[i];
		const int64_t id = (int64_t)entry->key;
		if (entry->value == NULL || !pins_try_own(&cache->pins, id))
			continue;
		ok = trim_object(cache, id, entry->value, err);
		pins_share(&cache->pins, id);
	}
	return ok;
}
