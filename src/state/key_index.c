#include "state/key_index.h"

#include <stdlib.h>

/*
 * Shards by the hash's top bits, so that growing copies one shard at a time.  A shard is a table
 * with linear probing whose used slots stand in the order of their hashes (Robin Hood): a slot is
 * at its home, hash * capacity / 2^32, or right of it behind a run of used ones.  A search ends
 * at the first greater hash; growing and deleting are moves of neighbours.  There is no wrapping
 * around: a tail takes the runs that pass the end, and the last slot of it is always empty.
 */
enum {
	SHARD_BITS = 8,
	SHARD_COUNT = 1 << SHARD_BITS,
	CAPACITY_MIN = 16,
	TAIL_MAX = 128,
	LOAD_MAX_FIFTHS = 4,
};

struct slot {
	struct key key; /* all zeros: empty */
	struct key_place place;
};

struct shard {
	struct slot *slots; /* capacity + tail of them; NULL: none yet */
	uint32_t capacity;
	uint32_t count;
};

struct key_index {
	uint64_t seed;
	uint64_t count;
	size_t used_bytes;
	struct shard shards[SHARD_COUNT];
};

static bool slot_is_empty(const struct slot *slot)
{
	return slot->key.high == 0;
}

/* One round of wyhash: the halves of a 128-bit product. */
static uint64_t hash_of(const struct key_index *index, struct key key)
{
	const uint64_t a = key.low ^ index->seed ^ UINT64_C(0xA0761D6478BD642F);
	const uint64_t b =
		key.high ^ (index->seed >> 32 | index->seed << 32) ^ UINT64_C(0xE7037ED1A0B428DB);
	const unsigned __int128 product = (unsigned __int128)a * b;
	return (uint64_t)product ^ (uint64_t)(product >> 64);
}

static size_t shard_number(uint64_t hash)
{
	return hash >> (64 - SHARD_BITS);
}

static size_t home_of(uint32_t capacity, uint64_t hash)
{
	return (uint64_t)(uint32_t)hash * capacity >> 32;
}

static size_t slot_count(uint32_t capacity)
{
	const uint32_t tail = capacity / 4 + 8;
	return (size_t)capacity + (tail < TAIL_MAX ? tail : TAIL_MAX);
}

static uint32_t slot_hash(const struct key_index *index, const struct slot *slot)
{
	return (uint32_t)hash_of(index, slot->key);
}

/* The slot of the key, or the one before which it belongs; *found tells which. */
static size_t locate(const struct key_index *index, const struct shard *shard, struct key key,
	uint64_t hash, bool *found)
{
	size_t at = home_of(shard->capacity, hash);
	for (;; at++) {
		const struct slot *slot = &shard->slots[at];
		*found = key_equal(slot->key, key);
		if (*found || slot_is_empty(slot) || slot_hash(index, slot) > (uint32_t)hash)
			return at;
	}
}

/* Copies the shard in order into `slots` of another capacity; false when its tail is too short. */
static bool copy_slots(const struct key_index *index, const struct shard *shard, struct slot *slots,
	uint32_t capacity)
{
	size_t next = 0; /* slots before it are used or passed */
	const size_t end = shard->slots ? slot_count(shard->capacity) : 0;
	for (size_t i = 0; i < end; i++) {
		const struct slot *slot = &shard->slots[i];
		if (slot_is_empty(slot))
			continue;
		const size_t home = home_of(capacity, slot_hash(index, slot));
		next = home > next ? home : next;
		if (next + 1 >= slot_count(capacity))
			return false;
		slots[next++] = *slot;
	}
	return true;
}

static void grow(struct key_index *index, struct shard *shard)
{
	uint32_t capacity = shard->capacity;
	struct slot *slots = NULL;
	do {
		free(slots);
		assert(capacity <= UINT32_MAX / 2);
		capacity = capacity ? capacity + capacity / 2 : CAPACITY_MIN;
		slots = memory_allocate(slot_count(capacity), sizeof *slots);
	} while (!copy_slots(index, shard, slots, capacity));
	if (shard->slots)
		index->used_bytes -= slot_count(shard->capacity) * sizeof *slots;
	index->used_bytes += slot_count(capacity) * sizeof *slots;
	free(shard->slots);
	shard->slots = slots;
	shard->capacity = capacity;
}

/* Moves the run that begins at `at` one to the right; false when it reaches the end. */
static bool open_gap(struct shard *shard, size_t at)
{
	size_t end = at;
	while (!slot_is_empty(&shard->slots[end]))
		end++;
	if (end + 1 >= slot_count(shard->capacity))
		return false;
	memmove(&shard->slots[at + 1], &shard->slots[at], (end - at) * sizeof(struct slot));
	return true;
}

struct key_index *key_index_open(uint64_t seed)
{
	struct key_index *index = memory_allocate(1, sizeof *index);
	index->seed = seed;
	index->used_bytes = sizeof *index;
	return index;
}

void key_index_clear(struct key_index *index)
{
	for (size_t i = 0; i < SHARD_COUNT; i++) {
		free(index->shards[i].slots);
		index->shards[i] = (struct shard){ 0 };
	}
	index->count = 0;
	index->used_bytes = sizeof *index;
}

void key_index_close(struct key_index *index)
{
	if (index == NULL)
		return;
	key_index_clear(index);
	free(index);
}

bool key_index_find(const struct key_index *index, struct key key, struct key_place *out)
{
	const uint64_t hash = hash_of(index, key);
	const struct shard *shard = &index->shards[shard_number(hash)];
	if (shard->count == 0)
		return false;
	bool found;
	const size_t at = locate(index, shard, key, hash, &found);
	if (found)
		*out = shard->slots[at].place;
	return found;
}

bool key_index_put(
	struct key_index *index, struct key key, struct key_place place, struct key_place *old)
{
	assert(key.high != 0);
	const uint64_t hash = hash_of(index, key);
	struct shard *shard = &index->shards[shard_number(hash)];
	if (shard->slots == NULL)
		grow(index, shard);
	bool found;
	size_t at = locate(index, shard, key, hash, &found);
	if (found) {
		*old = shard->slots[at].place;
		shard->slots[at].place = place;
		return true;
	}
	bool is_full =
		(uint64_t)(shard->count + 1) * 5 > (uint64_t)shard->capacity * LOAD_MAX_FIFTHS;
	while (is_full || !open_gap(shard, at)) {
		grow(index, shard);
		at = locate(index, shard, key, hash, &found);
		is_full = false;
	}
	shard->slots[at] = (struct slot){ key, place };
	shard->count++;
	index->count++;
	return false;
}

bool key_index_remove(struct key_index *index, struct key key, struct key_place *old)
{
	const uint64_t hash = hash_of(index, key);
	struct shard *shard = &index->shards[shard_number(hash)];
	if (shard->count == 0)
		return false;
	bool found;
	const size_t at = locate(index, shard, key, hash, &found);
	if (!found)
		return false;
	*old = shard->slots[at].place;

	/* What stands right of its home moves one to the left. */
	size_t end = at + 1;
	while (!slot_is_empty(&shard->slots[end]) &&
		home_of(shard->capacity, slot_hash(index, &shard->slots[end])) < end)
		end++;
	memmove(&shard->slots[at], &shard->slots[at + 1], (end - at - 1) * sizeof(struct slot));
	shard->slots[end - 1] = (struct slot){ 0 };
	shard->count--;
	index->count--;
	return true;
}

void key_index_prefetch(const struct key_index *index, struct key key)
{
	const uint64_t hash = hash_of(index, key);
	const struct shard *shard = &index->shards[shard_number(hash)];
	if (shard->slots == NULL)
		return;
	const char *slot = (const char *)&shard->slots[home_of(shard->capacity, hash)];
	__builtin_prefetch(slot);
	__builtin_prefetch(slot + 64); /* a run of three slots seldom fits into one line */
}

uint64_t key_index_count(const struct key_index *index)
{
	return index->count;
}

size_t key_index_used_bytes(const struct key_index *index)
{
	return index->used_bytes;
}
