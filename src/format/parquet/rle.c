#include "format/parquet/rle_internal.h"

#include <assert.h>

enum {
	GROUP = 8,         /* values of a bit-packed group */
	RUN_GROUPS_MIN = 2 /* fewer equal groups are not worth a run of their own */
};

/* ---- encode ---- */

void rle_encode_run(struct buffer *out, uint32_t value, size_t count, unsigned bit_width)
{
	buffer_append_varint(out, (uint64_t)count << 1);
	for (unsigned bit = 0; bit < bit_width; bit += 8)
		buffer_append_u8(out, (uint8_t)(value >> bit));
}

static uint8_t *pack_group(uint8_t *to, const uint32_t values[GROUP], unsigned bit_width)
{
	uint64_t waiting = 0;
	unsigned bits = 0;
	for (int i = 0; i < GROUP; i++) {
		waiting |= (uint64_t)values[i] << bits;
		bits += bit_width;
		for (; bits >= 8; bits -= 8, waiting >>= 8)
			*to++ = (uint8_t)waiting;
	}
	return to;
}

/* The last group is filled up with zeros. */
static void encode_packed(
	struct buffer *out, const uint32_t *values, size_t count, unsigned bit_width)
{
	if (count == 0)
		return;
	size_t groups = (count + GROUP - 1) / GROUP;
	buffer_append_varint(out, (uint64_t)groups << 1 | 1);
	buffer_reserve(out, groups * bit_width);
	uint8_t *to = out->data + out->size;
	for (; count >= GROUP; count -= GROUP, values += GROUP)
		to = pack_group(to, values, bit_width);
	if (count > 0) {
		uint32_t last[GROUP] = { 0 };
		memcpy(last, values, count * sizeof *values);
		pack_group(to, last, bit_width);
	}
	out->size += groups * bit_width;
}

static bool all_are(const uint32_t *values, size_t count, uint32_t value)
{
	uint32_t differ = 0;
	for (size_t i = 0; i < count; i++)
		differ |= values[i] ^ value;
	return differ == 0;
}

/* How many groups from values on hold nothing but the first value. */
static size_t equal_groups(const uint32_t *values, size_t group_count)
{
	size_t equal = 0;
	while (equal < group_count && all_are(values + equal * GROUP, GROUP, values[0]))
		equal++;
	return equal;
}

void rle_encode(struct buffer *out, const uint32_t *values, size_t count, unsigned bit_width)
{
	assert(bit_width <= RLE_BIT_WIDTH_MAX);
	const uint32_t *packed_from = values;
	const uint32_t *end = values + count;
	while ((size_t)(end - values) >= GROUP) {
		size_t groups = equal_groups(values, (size_t)(end - values) / GROUP);
		if (groups < RUN_GROUPS_MIN) {
			values += GROUP;
			continue;
		}
		size_t run = groups * GROUP;
		size_t rest = (size_t)(end - values) - run;
		if (rest < GROUP && all_are(values + run, rest, values[0]))
			run += rest;
		encode_packed(out, packed_from, (size_t)(values - packed_from), bit_width);
		rle_encode_run(out, values[0], run, bit_width);
		values += run;
		packed_from = values;
	}
	encode_packed(out, packed_from, (size_t)(end - packed_from), bit_width);
}

/* ---- decode ---- */

struct rle_decoder rle_decoder_of(struct bytes input, unsigned bit_width)
{
	return (struct rle_decoder){
		.at = input.data,
		.end = input.size ? input.data + input.size : input.data,
		.bit_width = bit_width,
	};
}

static bool take_varint(struct rle_decoder *decoder, uint32_t *out)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 35 && decoder->at != decoder->end; shift += 7) {
		uint8_t byte = *decoder->at++;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if (!(byte & 0x80)) {
			*out = (uint32_t)value;
			return value <= UINT32_MAX;
		}
	}
	return false;
}

/* A last stretch may be cut short by a writer that leaves out its padding. */
static bool begin_packed(struct rle_decoder *decoder, size_t groups)
{
	size_t left = (size_t)(decoder->end - decoder->at);
	size_t size = groups * decoder->bit_width;
	decoder->packed = decoder->at;
	decoder->packed_size = size < left ? size : left;
	decoder->packed_bit = 0;
	decoder->packed_left = groups * GROUP;
	if (size > left)
		decoder->packed_left = left * 8 / decoder->bit_width;
	decoder->at += decoder->packed_size;
	return decoder->packed_left > 0;
}

static bool begin_run(struct rle_decoder *decoder, size_t count)
{
	size_t value_size = (decoder->bit_width + 7) / 8;
	if (count == 0 || (size_t)(decoder->end - decoder->at) < value_size)
		return false;
	decoder->run_left = count;
	decoder->run_value = 0;
	for (size_t i = 0; i < value_size; i++)
		decoder->run_value |= (uint32_t)*decoder->at++ << (8 * i);
	return decoder->bit_width == RLE_BIT_WIDTH_MAX ||
	       decoder->run_value >> decoder->bit_width == 0;
}

static bool begin_stretch(struct rle_decoder *decoder)
{
	uint32_t header;
	if (!take_varint(decoder, &header))
		return false;
	return header & 1 ? begin_packed(decoder, header >> 1) : begin_run(decoder, header >> 1);
}

static uint32_t next_packed(struct rle_decoder *decoder)
{
	size_t byte = decoder->packed_bit / 8;
	uint64_t window = 0;
	if (decoder->packed_size - byte >= sizeof window)
		memcpy(&window, decoder->packed + byte, sizeof window);
	else if (decoder->packed_size > byte)
		memcpy(&window, decoder->packed + byte, decoder->packed_size - byte);
	window >>= decoder->packed_bit % 8;
	decoder->packed_bit += decoder->bit_width;
	return (uint32_t)(window & (((uint64_t)1 << decoder->bit_width) - 1));
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

/* The same loop for both sizes of an item. */
#define DEFINE_DECODE(name, item)                                                                  \
	bool name(struct rle_decoder *decoder, item *out, size_t count)                            \
	{                                                                                          \
		while (count > 0) {                                                                \
			size_t run = least(count, decoder->run_left);                              \
			for (size_t i = 0; i < run; i++)                                           \
				out[i] = (item)decoder->run_value;                                 \
			size_t packed = run ? 0 : least(count, decoder->packed_left);              \
			for (size_t i = 0; i < packed; i++)                                        \
				out[i] = (item)next_packed(decoder);                               \
			decoder->run_left -= run;                                                  \
			decoder->packed_left -= packed;                                            \
			out += run + packed;                                                       \
			count -= run + packed;                                                     \
			if (run + packed == 0 && !begin_stretch(decoder))                          \
				return false;                                                      \
		}                                                                                  \
		return true;                                                                       \
	}

DEFINE_DECODE(rle_decode, uint32_t)
DEFINE_DECODE(rle_decode_u8, uint8_t)
