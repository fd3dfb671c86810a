/*
 * delta_internal.h: integers as the differences between them, packed to few bits.
 *
 *   header: varint(values of a block) | varint(miniblocks of a block) | varint(values in all) |
 *           zigzag(first value)
 *   block:  zigzag(least difference) | a bit width for each miniblock, u8 |
 *           the miniblocks: differences less the least, lowest bits first, filled up with zeros
 *
 * Miniblocks after the last value have no bytes.  Sums wrap around, in 32 bits for INT32.
 * Spec: parquet-format, "Encodings.md", DELTA_BINARY_PACKED = 5.
 */
#ifndef FORMAT_PARQUET_DELTA_INTERNAL_H
#define FORMAT_PARQUET_DELTA_INTERNAL_H

#include "base/buffer.h"
#include "base/reader.h"

enum {
	DELTA_BLOCK_VALUES_MAX = 1 << 16, /* of a block that is read */
	DELTA_MINIBLOCKS_MAX = 512,
};

void delta_encode_32(struct buffer *out, const int32_t *values, size_t count);
void delta_encode_64(struct buffer *out, const int64_t *values, size_t count);

struct delta_decoder {
	struct reader in;
	size_t miniblock_count, miniblock_values; /* of each block */
	uint64_t left;                            /* values that were not decoded yet */
	bool is_first;                            /* value itself comes next */
	uint64_t value;                           /* the last one, or the first */
	uint64_t least_difference;
	struct bytes widths; /* of the block's miniblocks that were not begun yet */
	unsigned bit_width;
	size_t packed_left; /* values of the miniblock at hand */
	struct bytes packed;
	size_t packed_bit; /* the next value's first bit */
};

/* Reads the header; false when it is malformed. */
bool delta_decoder_begin(struct delta_decoder *decoder, struct bytes input) MUST_CHECK;

/* The next count values, modulo 2^64; false when there are fewer or they are malformed. */
bool delta_decode(struct delta_decoder *decoder, uint64_t *out, size_t count) MUST_CHECK;

#endif
