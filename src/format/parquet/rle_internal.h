/*
 * rle_internal.h: Parquet's hybrid of run lengths and bit-packed groups of eight.
 *
 *   run:  varint(count << 1)      | value in ceil(bit_width / 8) bytes, little-endian
 *   pack: varint(groups << 1 | 1) | groups * bit_width bytes, lowest bits first
 *
 * Spec: parquet-format, "Encodings.md", RLE = 3.
 */
#ifndef FORMAT_PARQUET_RLE_INTERNAL_H
#define FORMAT_PARQUET_RLE_INTERNAL_H

#include "base/buffer.h"

enum {
	RLE_BIT_WIDTH_MAX = 32
};

/* bit_width holds every value; 0 is allowed when all are zero. */
void rle_encode(struct buffer *out, const uint32_t *values, size_t count, unsigned bit_width);
void rle_encode_run(struct buffer *out, uint32_t value, size_t count, unsigned bit_width);

/* No more bytes than this come out of rle_encode() for count values of one bit. */
static inline size_t rle_levels_size_max(size_t count)
{
	return count / 4 + 32;
}

struct rle_decoder {
	const uint8_t *at, *end;
	unsigned bit_width;
	size_t run_left; /* values of a run */
	uint32_t run_value;
	size_t packed_left; /* values of a bit-packed stretch */
	const uint8_t *packed;
	size_t packed_size; /* bytes */
	size_t packed_bit;  /* the next value's first bit */
};

struct rle_decoder rle_decoder_of(struct bytes input, unsigned bit_width);

/* The next count values; false when the bytes end before or are malformed. */
bool rle_decode(struct rle_decoder *decoder, uint32_t *out, size_t count);
bool rle_decode_u8(struct rle_decoder *decoder, uint8_t *out, size_t count); /* bit_width <= 8 */

#endif
