#include "state/key.h"

#include "base/utf8.h"
#include "format/pgvalue/pgvalue.h"

#define XXH_INLINE_ALL
#include <xxhash.h>

enum {
	INLINE_SIZE_MAX = 15,
	STACK_SIZE = 256, /* longer keys are hashed piece by piece */
	SHOWN_CHARACTERS_MAX = 60,
};

#define HASHED_BIT (UINT64_C(1) << 63)

/* The bytes of one value, with its size in front where the key needs that to be unambiguous. */
struct piece {
	bool has_size;
	uint32_t size;
	struct bytes bytes;
};

static bool is_minus_zero(const struct column *column, const void *value)
{
	static const uint8_t MINUS_ZERO[8] = { 0, 0, 0, 0, 0, 0, 0, 0x80 }; /* little-endian */
	if (column->type.type == VALUE_DOUBLE)
		return memcmp(value, MINUS_ZERO, 8) == 0;
	return column->type.type == VALUE_FLOAT && memcmp(value, MINUS_ZERO + 4, 4) == 0;
}

static struct piece piece_of(const struct column *column, size_t row, bool is_only_column)
{
	static const uint8_t ZERO[8] = { 0 };
	assert(!column_is_null(column, row));
	if (column->width) {
		const void *value = column_fixed(column, row);
		if (is_minus_zero(column, value))
			value = ZERO;
		return (struct piece){ .bytes = bytes_of(value, column->width) };
	}
	const struct bytes bytes = column_bytes(column, row);
	return (struct piece){ !is_only_column, (uint32_t)bytes.size, bytes };
}

static size_t piece_size(const struct piece *piece)
{
	return (piece->has_size ? sizeof piece->size : 0) + piece->bytes.size;
}

static struct key hashed_key(XXH128_hash_t hash)
{
	return (struct key){ .high = hash.high64 | HASHED_BIT, .low = hash.low64 };
}

static struct key key_of_bytes(const uint8_t *data, size_t size, uint64_t seed)
{
	if (size > INLINE_SIZE_MAX)
		return hashed_key(XXH3_128bits_withSeed(data, size, seed));
	uint8_t padded[16] = { 0 };
	if (size)
		memcpy(padded, data, size);
	padded[INLINE_SIZE_MAX] = (uint8_t)(size + 1);
	struct key key;
	memcpy(&key.low, padded, 8);
	memcpy(&key.high, padded + 8, 8);
	return key;
}

static struct key key_of_pieces(
	const struct batch *batch, const size_t *columns, size_t count, size_t row, uint64_t seed)
{
	XXH3_state_t state = { .seed = 0 };
	XXH3_128bits_reset_withSeed(&state, seed);
	for (size_t i = 0; i < count; i++) {
		const struct piece piece = piece_of(&batch->columns[columns[i]], row, count == 1);
		if (piece.has_size)
			XXH3_128bits_update(&state, &piece.size, sizeof piece.size);
		if (piece.bytes.size)
			XXH3_128bits_update(&state, piece.bytes.data, piece.bytes.size);
	}
	return hashed_key(XXH3_128bits_digest(&state));
}

struct key key_of(
	const struct batch *batch, const size_t *columns, size_t count, size_t row, uint64_t seed)
{
	assert(count > 0);
	if (count == 1) {
		const struct piece piece = piece_of(&batch->columns[columns[0]], row, true);
		return key_of_bytes(piece.bytes.data, piece.bytes.size, seed);
	}
	uint8_t whole[STACK_SIZE];
	size_t size = 0;
	for (size_t i = 0; i < count; i++) {
		const struct piece piece = piece_of(&batch->columns[columns[i]], row, false);
		if (piece_size(&piece) > STACK_SIZE - size)
			return key_of_pieces(batch, columns, count, row, seed);
		if (piece.has_size) {
			memcpy(whole + size, &piece.size, sizeof piece.size);
			size += sizeof piece.size;
		}
		if (piece.bytes.size)
			memcpy(whole + size, piece.bytes.data, piece.bytes.size);
		size += piece.bytes.size;
	}
	return key_of_bytes(whole, size, seed);
}

static bool is_bare(enum value_type type)
{
	return type == VALUE_BOOLEAN || value_type_is_number(type);
}

/* A quoted literal, with a line's worth of characters and none that would break the line. */
static void append_quoted(struct buffer *out, struct bytes text)
{
	buffer_append_u8(out, '\'');
	for (int shown = 0; text.size > 0; shown++) {
		if (shown == SHOWN_CHARACTERS_MAX) {
			buffer_append_cstring(out, "...");
			break;
		}
		size_t size = utf8_sequence_size(text);
		const bool is_shown = size > 0 && text.data[0] >= ' ' && text.data[0] != 0x7F;
		size = size ? size : 1;
		if (text.data[0] == '\'')
			buffer_append_u8(out, '\'');
		buffer_append_bytes(out, is_shown ? bytes_of(text.data, size) : BYTES_LITERAL("?"));
		text = bytes_of(text.data + size, text.size - size);
	}
	buffer_append_u8(out, '\'');
}

static void append_value(struct buffer *out, const struct column *column, size_t row)
{
	if (column_is_null(column, row)) {
		buffer_append_cstring(out, "NULL");
	} else if (is_bare(column->type.type)) {
		pgvalue_format(out, column, row);
	} else {
		struct buffer text = { 0 };
		pgvalue_format(&text, column, row);
		append_quoted(out, buffer_bytes(&text));
		buffer_deinit(&text);
	}
}

void key_format(
	struct buffer *out, const struct batch *batch, const struct relation *relation, size_t row)
{
	size_t count = 0;
	for (size_t i = 0; i < relation->column_count; i++)
		count += relation->columns[i].is_key;
	const char *separator = count > 1 ? "(" : "";
	for (size_t i = 0; i < relation->column_count; i++) {
		if (!relation->columns[i].is_key)
			continue;
		buffer_append_cstring(out, separator);
		buffer_append_cstring(out, relation->columns[i].name);
		separator = ", ";
	}
	buffer_append_cstring(out, count > 1 ? ") = (" : " = ");
	separator = "";
	for (size_t i = 0; i < relation->column_count; i++) {
		if (!relation->columns[i].is_key)
			continue;
		buffer_append_cstring(out, separator);
		append_value(out, &batch->columns[i], row);
		separator = ", ";
	}
	if (count > 1)
		buffer_append_u8(out, ')');
}
