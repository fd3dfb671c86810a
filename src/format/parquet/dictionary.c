#include "format/parquet/dictionary_internal.h"

#include <stdlib.h>

#define XXH_INLINE_ALL /* most values are short: a call would cost more than their hash */
#include <xxhash.h>

enum {
	SLOTS_MIN = 1024,
	BYTE_ARRAY_PREFIX = 4, /* u32le length before each value */
};

void dictionary_deinit(struct dictionary *dictionary)
{
	buffer_deinit(&dictionary->plain);
	free(dictionary->entries);
	free(dictionary->slots);
	*dictionary = (struct dictionary){ 0 };
}

void dictionary_reset(struct dictionary *dictionary)
{
	dictionary->count = 0;
	buffer_reset(&dictionary->plain);
	if (dictionary->slot_count > 0)
		memset(dictionary->slots, 0, dictionary->slot_count * sizeof *dictionary->slots);
}

/* At most half of the slots are taken. */
static void grow(struct dictionary *dictionary)
{
	size_t slot_count = dictionary->slot_count ? dictionary->slot_count * 2 : SLOTS_MIN;
	free(dictionary->slots);
	dictionary->slots = memory_allocate(slot_count, sizeof *dictionary->slots);
	dictionary->slot_count = slot_count;
	dictionary->entries =
		memory_resize(dictionary->entries, slot_count / 2, sizeof *dictionary->entries);
	for (uint32_t i = 0; i < dictionary->count; i++) {
		size_t slot = dictionary->entries[i].hash & (slot_count - 1);
		while (dictionary->slots[slot] != 0)
			slot = (slot + 1) & (slot_count - 1);
		dictionary->slots[slot] = i + 1;
	}
}

static bool is_full(const struct dictionary *dictionary, size_t more)
{
	return dictionary->count == DICTIONARY_COUNT_MAX ||
	       dictionary->plain.size + BYTE_ARRAY_PREFIX + more > DICTIONARY_BYTES_MAX;
}

static uint32_t insert(
	struct dictionary *dictionary, size_t slot, struct bytes value, uint32_t hash)
{
	uint32_t index = (uint32_t)dictionary->count++;
	uint32_t start = (uint32_t)dictionary->plain.size;
	if (dictionary->width == 0)
		buffer_append_u32le(&dictionary->plain, (uint32_t)value.size);
	buffer_append_bytes(&dictionary->plain, value);
	dictionary->entries[index] = (struct dictionary_entry){
		.hash = hash,
		.start = start,
		.size = (uint32_t)dictionary->plain.size - start,
	};
	dictionary->slots[slot] = index + 1;
	return index;
}

/* As memcmp() == 0, without a call for up to 16 bytes: two words that overlap. */
static inline bool same(const uint8_t *a, const uint8_t *b, size_t size)
{
	uint64_t a_head, a_tail, b_head, b_tail;
	if (size < sizeof a_head || size > 2 * sizeof a_head)
		return memcmp(a, b, size) == 0;
	memcpy(&a_head, a, sizeof a_head);
	memcpy(&b_head, b, sizeof b_head);
	memcpy(&a_tail, a + size - sizeof a_tail, sizeof a_tail);
	memcpy(&b_tail, b + size - sizeof b_tail, sizeof b_tail);
	return a_head == b_head && a_tail == b_tail;
}

/* False when the value is new and there is no room for it. */
static inline bool find_or_insert(
	struct dictionary *dictionary, struct bytes value, uint32_t hash, uint32_t *out)
{
	size_t mask = dictionary->slot_count - 1;
	size_t prefix = dictionary->width ? 0 : BYTE_ARRAY_PREFIX;
	size_t slot = hash & mask;
	for (; dictionary->slots[slot] != 0; slot = (slot + 1) & mask) {
		uint32_t index = dictionary->slots[slot] - 1;
		const struct dictionary_entry *entry = &dictionary->entries[index];
		if (entry->hash == hash && entry->size == prefix + value.size &&
			same(dictionary->plain.data + entry->start + prefix, value.data,
				value.size)) {
			*out = index;
			return true;
		}
	}
	if (is_full(dictionary, value.size))
		return false;
	*out = insert(dictionary, slot, value, hash);
	if (dictionary->count * 2 >= dictionary->slot_count)
		grow(dictionary);
	return true;
}

static size_t add_byte_arrays(
	struct dictionary *dictionary, const struct bytes *values, size_t count, uint32_t *out)
{
	for (size_t i = 0; i < count; i++) {
		/* memcmp wants a pointer also for an empty value */
		struct bytes value = values[i].size ? values[i] : BYTES_LITERAL("");
		uint32_t hash = (uint32_t)XXH3_64bits(value.data, value.size);
		if (!find_or_insert(dictionary, value, hash, &out[i]))
			return i;
	}
	return count;
}

static inline uint32_t hash_number(uint64_t number)
{
	return (uint32_t)((number * 0x9e3779b97f4a7c15u) >> 32);
}

static size_t add_fixed(
	struct dictionary *dictionary, const uint8_t *values, size_t count, uint32_t *out)
{
	size_t width = dictionary->width;
	for (size_t i = 0; i < count; i++) {
		const uint8_t *value = values + i * width;
		uint64_t head = 0, tail = 0;
		memcpy(&head, value, width < 8 ? width : 8);
		if (width > 8)
			memcpy(&tail, value + 8, width - 8);
		uint32_t hash = hash_number(head ^ tail * 31);
		if (!find_or_insert(dictionary, bytes_of(value, width), hash, &out[i]))
			return i;
	}
	return count;
}

size_t dictionary_add(
	struct dictionary *dictionary, const void *values, size_t count, uint32_t *out)
{
	if (dictionary->slot_count == 0)
		grow(dictionary);
	if (dictionary->width == 0)
		return add_byte_arrays(dictionary, values, count, out);
	return add_fixed(dictionary, values, count, out);
}

unsigned dictionary_bit_width(const struct dictionary *dictionary)
{
	unsigned bit_width = 1;
	while (bit_width < 32 && dictionary->count > (size_t)1 << bit_width)
		bit_width++;
	return bit_width;
}
