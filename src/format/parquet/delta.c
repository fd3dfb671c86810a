#include "format/parquet/delta_internal.h"

#include <assert.h>

enum {
	BLOCK_VALUES = 128, /* as the Java library writes them */
	MINIBLOCKS = 4,
	MINIBLOCK_VALUES = BLOCK_VALUES / MINIBLOCKS,
	MINIBLOCK_MULTIPLE = 32, /* of the specification */
	BLOCK_MULTIPLE = 128,
	BIT_WIDTH_MAX = 64,
};

/* ---- encoding ---- */

/* A block's differences; those after its last value are zero above the least. */
struct block {
	int64_t differences[BLOCK_VALUES];
	size_t count;
	int64_t least;
};

/* Of the values behind the one at `from`. */
#define DEFINE_SUBTRACT(name, number, unsigned_number)                                             \
	static void name(struct block *block, const number *from, size_t count)                    \
	{                                                                                          \
		int64_t least = INT64_MAX;                                                         \
		for (size_t i = 0; i < count; i++) {                                               \
			const int64_t difference =                                                 \
				(number)((unsigned_number)from[i + 1] - (unsigned_number)from[i]); \
			block->differences[i] = difference;                                        \
			least = difference < least ? difference : least;                           \
		}                                                                                  \
		block->count = count;                                                              \
		block->least = least;                                                              \
	}

DEFINE_SUBTRACT(subtract_32, int32_t, uint32_t)
DEFINE_SUBTRACT(subtract_64, int64_t, uint64_t)

/* Eight values at once, which is all that one word takes. */
static void pack_narrow(uint8_t *out, const uint64_t values[MINIBLOCK_VALUES], unsigned bit_width)
{
	for (size_t i = 0; i < MINIBLOCK_VALUES; i += 8, out += bit_width) {
		uint64_t word = values[i + 7];
		for (size_t j = 7; j-- > 0;)
			word = word << bit_width | values[i + j];
		memcpy(out, &word, sizeof word);
	}
}

static void pack_wide(uint8_t *out, const uint64_t values[MINIBLOCK_VALUES], unsigned bit_width)
{
	uint64_t word = 0;
	unsigned bits = 0; /* of word, that are taken */
	for (size_t i = 0; i < MINIBLOCK_VALUES; i++) {
		word |= values[i] << bits;
		bits += bit_width;
		if (bits >= 64) {
			memcpy(out, &word, sizeof word);
			out += sizeof word;
			bits -= 64;
			word = bits > 0 ? values[i] >> (bit_width - bits) : 0;
		}
	}
	if (bits > 0)
		memcpy(out, &word, sizeof word);
}

/* Writes whole words, so up to 8 bytes more than the values take; returns their end. */
static uint8_t *pack(uint8_t *out, const uint64_t values[MINIBLOCK_VALUES], unsigned bit_width)
{
	if (bit_width <= 8)
		pack_narrow(out, values, bit_width);
	else
		pack_wide(out, values, bit_width);
	return out + MINIBLOCK_VALUES / 8 * bit_width;
}

static void append_block(struct buffer *out, const struct block *block)
{
	uint64_t values[BLOCK_VALUES] = { 0 };
	unsigned widths[MINIBLOCKS] = { 0 };
	for (size_t i = 0; i < block->count; i++)
		values[i] = (uint64_t)block->differences[i] - (uint64_t)block->least;
	for (size_t i = 0; i < MINIBLOCKS; i++) {
		uint64_t all = 0;
		for (size_t j = 0; j < MINIBLOCK_VALUES; j++)
			all |= values[i * MINIBLOCK_VALUES + j];
		widths[i] = all ? 64 - (unsigned)__builtin_clzll(all) : 0;
	}
	buffer_append_zigzag(out, block->least);
	buffer_reserve(out, MINIBLOCKS + sizeof values + sizeof(uint64_t));
	uint8_t *at = out->data + out->size;
	for (size_t i = 0; i < MINIBLOCKS; i++)
		*at++ = (uint8_t)widths[i];
	for (size_t i = 0; i < MINIBLOCKS && i * MINIBLOCK_VALUES < block->count; i++)
		at = pack(at, values + i * MINIBLOCK_VALUES, widths[i]);
	out->size = (size_t)(at - out->data);
}

static void append_header(struct buffer *out, size_t count, int64_t first)
{
	buffer_append_varint(out, BLOCK_VALUES);
	buffer_append_varint(out, MINIBLOCKS);
	buffer_append_varint(out, count);
	buffer_append_zigzag(out, first);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

#define DEFINE_ENCODE(name, number, subtract)                                                      \
	void name(struct buffer *out, const number *values, size_t count)                          \
	{                                                                                          \
		append_header(out, count, count > 0 ? values[0] : 0);                              \
		for (size_t i = 1; i < count; i += BLOCK_VALUES) {                                 \
			struct block block;                                                        \
			subtract(&block, values + i - 1, least(count - i, BLOCK_VALUES));          \
			append_block(out, &block);                                                 \
		}                                                                                  \
	}

DEFINE_ENCODE(delta_encode_32, int32_t, subtract_32)
DEFINE_ENCODE(delta_encode_64, int64_t, subtract_64)

/* ---- decoding ---- */

bool delta_decoder_begin(struct delta_decoder *decoder, struct bytes input)
{
	*decoder = (struct delta_decoder){ .in = reader_of(input), .is_first = true };
	const uint64_t block_values = reader_varint(&decoder->in);
	const uint64_t miniblocks = reader_varint(&decoder->in);
	decoder->left = reader_varint(&decoder->in);
	decoder->value = (uint64_t)reader_zigzag(&decoder->in);
	if (decoder->in.failed || block_values == 0 || block_values > DELTA_BLOCK_VALUES_MAX ||
		block_values % BLOCK_MULTIPLE != 0 || miniblocks == 0 ||
		miniblocks > DELTA_MINIBLOCKS_MAX ||
		block_values % (miniblocks * MINIBLOCK_MULTIPLE) != 0)
		return false;
	decoder->miniblock_count = (size_t)miniblocks;
	decoder->miniblock_values = (size_t)(block_values / miniblocks);
	return true;
}

static bool begin_miniblock(struct delta_decoder *decoder)
{
	if (decoder->widths.size == 0) {
		decoder->least_difference = (uint64_t)reader_zigzag(&decoder->in);
		decoder->widths = reader_take(&decoder->in, decoder->miniblock_count);
		if (decoder->in.failed)
			return false;
	}
	decoder->bit_width = *decoder->widths.data++;
	decoder->widths.size--;
	if (decoder->bit_width > BIT_WIDTH_MAX)
		return false;
	decoder->packed_left = decoder->miniblock_values;
	decoder->packed_bit = 0;
	decoder->packed =
		reader_take(&decoder->in, decoder->miniblock_values / 8 * decoder->bit_width);
	return !decoder->in.failed;
}

/* The miniblock has it. */
static uint64_t next_packed(struct delta_decoder *decoder)
{
	if (decoder->bit_width == 0)
		return 0;
	const size_t byte = decoder->packed_bit / 8;
	const unsigned shift = decoder->packed_bit % 8;
	uint8_t bytes[sizeof(uint64_t) + 1] = { 0 };
	memcpy(bytes, decoder->packed.data + byte,
		least(sizeof bytes, decoder->packed.size - byte));
	uint64_t value;
	memcpy(&value, bytes, sizeof value);
	value >>= shift;
	if (shift > 0)
		value |= (uint64_t)bytes[sizeof value] << (64 - shift);
	decoder->packed_bit += decoder->bit_width;
	return decoder->bit_width == 64 ? value : value & (((uint64_t)1 << decoder->bit_width) - 1);
}

bool delta_decode(struct delta_decoder *decoder, uint64_t *out, size_t count)
{
	if (count > decoder->left)
		return false;
	decoder->left -= count;
	if (count > 0 && decoder->is_first) {
		decoder->is_first = false;
		*out++ = decoder->value;
		count--;
	}
	while (count > 0) {
		if (decoder->packed_left == 0 && !begin_miniblock(decoder))
			return false;
		const size_t take = least(count, decoder->packed_left);
		for (size_t i = 0; i < take; i++) {
			decoder->value += decoder->least_difference + next_packed(decoder);
			out[i] = decoder->value;
		}
		decoder->packed_left -= take;
		out += take;
		count -= take;
	}
	return true;
}
