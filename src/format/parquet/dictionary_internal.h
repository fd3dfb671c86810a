/*
 * dictionary_internal.h: the distinct values of a column chunk, bounded, by hash.
 */
#ifndef FORMAT_PARQUET_DICTIONARY_INTERNAL_H
#define FORMAT_PARQUET_DICTIONARY_INTERNAL_H

#include "base/buffer.h"

enum {
	DICTIONARY_COUNT_MAX = 1 << 16,
	DICTIONARY_BYTES_MAX = 1 << 20, /* of the values in PLAIN form */
};

struct dictionary_entry {
	uint32_t hash;
	uint32_t start; /* in plain */
	uint32_t size;  /* of the value, in its PLAIN form */
};

/* A zeroed struct is an empty dictionary of values of any size; width is set by its user. */
struct dictionary {
	uint8_t width; /* bytes of every value; 0: byte arrays */
	size_t count;
	struct buffer plain; /* the dictionary page: all values in PLAIN form */
	struct dictionary_entry *entries;
	uint32_t *slots; /* index + 1, 0 is free; a power of two of them */
	size_t slot_count;
};

void dictionary_deinit(struct dictionary *dictionary);
void dictionary_reset(struct dictionary *dictionary);

/*
 * The index of each value in out, values that are new being added.  Returns how many values were
 * taken: less than count when the dictionary is full.  values are those of width, or struct bytes.
 */
size_t dictionary_add(
	struct dictionary *dictionary, const void *values, size_t count, uint32_t *out);

/* The value of an index in its PLAIN form. */
static inline struct bytes dictionary_plain(const struct dictionary *dictionary, uint32_t index)
{
	const struct dictionary_entry *entry = &dictionary->entries[index];
	return bytes_of(dictionary->plain.data + entry->start, entry->size);
}

/* Bits of the greatest index, at least 1. */
unsigned dictionary_bit_width(const struct dictionary *dictionary);

#endif
