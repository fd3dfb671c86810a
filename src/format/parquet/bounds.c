#include "format/parquet/bounds.h"

#include <math.h>

/* ---- ranges ---- */

void value_range_deinit(struct value_range *range)
{
	buffer_deinit(&range->least_text);
	buffer_deinit(&range->greatest_text);
}

void value_range_reset(struct value_range *range)
{
	range->has_values = false;
	range->nan_count = 0;
}

static void store(uint8_t to[16], const void *value, size_t size)
{
	memset(to, 0, 16);
	memcpy(to, value, size);
}

/* Two chains of minima, so that a value need not wait for the one before it. */
#define DEFINE_UPDATE(name, number)                                                                \
	static void name(struct value_range *range, const number *values, size_t count)            \
	{                                                                                          \
		number least_0 = values[0], greatest_0 = values[0];                                \
		if (range->has_values) {                                                           \
			memcpy(&least_0, range->least, sizeof least_0);                            \
			memcpy(&greatest_0, range->greatest, sizeof greatest_0);                   \
		}                                                                                  \
		number least_1 = least_0, greatest_1 = greatest_0;                                 \
		size_t i = 0;                                                                      \
		for (; i + 2 <= count; i += 2) {                                                   \
			least_0 = values[i] < least_0 ? values[i] : least_0;                       \
			greatest_0 = values[i] > greatest_0 ? values[i] : greatest_0;              \
			least_1 = values[i + 1] < least_1 ? values[i + 1] : least_1;               \
			greatest_1 = values[i + 1] > greatest_1 ? values[i + 1] : greatest_1;      \
		}                                                                                  \
		if (i < count) {                                                                   \
			least_0 = values[i] < least_0 ? values[i] : least_0;                       \
			greatest_0 = values[i] > greatest_0 ? values[i] : greatest_0;              \
		}                                                                                  \
		least_0 = least_1 < least_0 ? least_1 : least_0;                                   \
		greatest_0 = greatest_1 > greatest_0 ? greatest_1 : greatest_0;                    \
		store(range->least, &least_0, sizeof least_0);                                     \
		store(range->greatest, &greatest_0, sizeof greatest_0);                            \
		range->has_values = true;                                                          \
	}

DEFINE_UPDATE(update_u8, uint8_t)
DEFINE_UPDATE(update_i32, int32_t)
DEFINE_UPDATE(update_i64, int64_t)
DEFINE_UPDATE(update_i128, __int128)

/* A comparison with NaN is false, so NaN never becomes the least or the greatest. */
#define DEFINE_UPDATE_FLOAT(name, number)                                                          \
	static void name(struct value_range *range, const number *values, size_t count)            \
	{                                                                                          \
		number least = INFINITY, greatest = -INFINITY;                                     \
		if (range->has_values) {                                                           \
			memcpy(&least, range->least, sizeof least);                                \
			memcpy(&greatest, range->greatest, sizeof greatest);                       \
		}                                                                                  \
		uint64_t nan_count = 0;                                                            \
		for (size_t i = 0; i < count; i++) {                                               \
			least = values[i] < least ? values[i] : least;                             \
			greatest = values[i] > greatest ? values[i] : greatest;                    \
			nan_count += values[i] != values[i];                                       \
		}                                                                                  \
		range->nan_count += nan_count;                                                     \
		range->has_values |= nan_count < count;                                            \
		store(range->least, &least, sizeof least);                                         \
		store(range->greatest, &greatest, sizeof greatest);                                \
	}

DEFINE_UPDATE_FLOAT(update_float, float)
DEFINE_UPDATE_FLOAT(update_double, double)

static void update_uuid(struct value_range *range, const uint8_t *values, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const uint8_t *value = values + 16 * i;
		if (!range->has_values || memcmp(value, range->least, 16) < 0)
			memcpy(range->least, value, 16);
		if (!range->has_values || memcmp(value, range->greatest, 16) > 0)
			memcpy(range->greatest, value, 16);
		range->has_values = true;
	}
}

static void keep_text(struct buffer *to, struct bytes text)
{
	buffer_reset(to);
	buffer_append_bytes(to, text);
}

/* Its first eight bytes as a number that orders texts unless it is equal. */
static uint64_t text_prefix(struct bytes text)
{
	uint64_t prefix = 0;
	memcpy(&prefix, text.size ? text.data : (const uint8_t *)"", text.size < 8 ? text.size : 8);
	return __builtin_bswap64(prefix);
}

static void update_text(struct value_range *range, const struct bytes *values, size_t count)
{
	if (!range->has_values) {
		keep_text(&range->least_text, values[0]);
		keep_text(&range->greatest_text, values[0]);
		range->has_values = true;
	}
	struct bytes least = buffer_bytes(&range->least_text);
	struct bytes greatest = buffer_bytes(&range->greatest_text);
	uint64_t least_prefix = text_prefix(least), greatest_prefix = text_prefix(greatest);
	for (size_t i = 0; i < count; i++) {
		uint64_t prefix = text_prefix(values[i]);
		if (prefix <= least_prefix && bytes_compare(values[i], least) < 0) {
			least = values[i];
			least_prefix = prefix;
		}
		if (prefix >= greatest_prefix && bytes_compare(values[i], greatest) > 0) {
			greatest = values[i];
			greatest_prefix = prefix;
		}
	}
	if (least.data != range->least_text.data)
		keep_text(&range->least_text, least);
	if (greatest.data != range->greatest_text.data)
		keep_text(&range->greatest_text, greatest);
}

void value_range_update(
	struct value_range *range, struct column_type type, const void *values, size_t count)
{
	if (count == 0)
		return;
	switch (type.type) {
	case VALUE_NONE:
		break;
	case VALUE_BOOLEAN:
		update_u8(range, values, count);
		break;
	case VALUE_INT:
	case VALUE_DATE:
		update_i32(range, values, count);
		break;
	case VALUE_LONG:
	case VALUE_TIME:
	case VALUE_TIMESTAMP:
	case VALUE_TIMESTAMPTZ:
		update_i64(range, values, count);
		break;
	case VALUE_FLOAT:
		update_float(range, values, count);
		break;
	case VALUE_DOUBLE:
		update_double(range, values, count);
		break;
	case VALUE_DECIMAL:
		if (type.precision <= DECIMAL_LONG_PRECISION_MAX)
			update_i64(range, values, count);
		else
			update_i128(range, values, count);
		break;
	case VALUE_UUID:
		update_uuid(range, values, count);
		break;
	case VALUE_STRING:
	case VALUE_BINARY:
		update_text(range, values, count);
		break;
	}
}

void value_range_merge(
	struct value_range *range, struct column_type type, const struct value_range *other)
{
	range->nan_count += other->nan_count;
	if (!other->has_values)
		return;
	if (column_type_width(type) == 0) {
		struct bytes texts[2] = { buffer_bytes(&other->least_text),
			buffer_bytes(&other->greatest_text) };
		value_range_update(range, type, texts, 2);
		return;
	}
	_Alignas(16) uint8_t value[16];
	memcpy(value, other->least, sizeof value);
	value_range_update(range, type, value, 1);
	memcpy(value, other->greatest, sizeof value);
	value_range_update(range, type, value, 1);
}

/* Zeros compare equal, so a bound of zero is given the sign that covers both. */
static void widen_zero(uint8_t value[16], enum value_type type, bool is_negative)
{
	float as_float;
	double as_double;
	memcpy(&as_float, value, sizeof as_float);
	memcpy(&as_double, value, sizeof as_double);
	if (type == VALUE_FLOAT && as_float == 0)
		value[3] = is_negative ? 0x80 : 0;
	if (type == VALUE_DOUBLE && as_double == 0)
		value[7] = is_negative ? 0x80 : 0;
}

struct bytes value_range_lower(struct value_range *range, struct column_type type)
{
	size_t width = column_type_width(type);
	if (width == 0)
		return buffer_bytes(&range->least_text);
	widen_zero(range->least, type.type, true);
	return bytes_of(range->least, width);
}

struct bytes value_range_upper(struct value_range *range, struct column_type type)
{
	size_t width = column_type_width(type);
	if (width == 0)
		return buffer_bytes(&range->greatest_text);
	widen_zero(range->greatest, type.type, false);
	return bytes_of(range->greatest, width);
}

/* ---- single values ---- */

/* Two's complement, big-endian, in the fewest bytes that keep the sign. */
static struct bytes encode_decimal(struct arena *arena, __int128 value)
{
	uint8_t big_endian[16];
	for (int i = 0; i < 16; i++)
		big_endian[i] = (uint8_t)((unsigned __int128)value >> (120 - 8 * i));
	uint8_t fill = value < 0 ? 0xff : 0;
	size_t skip = 0;
	while (skip < 15 && big_endian[skip] == fill && (big_endian[skip + 1] ^ fill) < 0x80)
		skip++;
	return arena_copy_bytes(arena, bytes_of(big_endian + skip, 16 - skip));
}

/* All but decimals lie in a batch as here: a host of little-endian order is assumed throughout. */
struct bytes single_value_encode(struct arena *arena, struct column_type type, struct bytes value)
{
	if (type.type != VALUE_DECIMAL)
		return arena_copy_bytes(arena, value);
	__int128 number;
	int64_t number_64;
	if (value.size == sizeof number) {
		memcpy(&number, value.data, sizeof number);
	} else {
		memcpy(&number_64, value.data, sizeof number_64);
		number = number_64;
	}
	return encode_decimal(arena, number);
}

/* ---- truncation ---- */

static bool starts_character(uint8_t byte)
{
	return (byte & 0xc0) != 0x80;
}

/* Bytes of the first length characters; all of them when there are no more. */
static size_t prefix_size(enum value_type type, struct bytes value, size_t length)
{
	if (type == VALUE_BINARY)
		return value.size < length ? value.size : length;
	size_t characters = 0, size = 0;
	for (; size < value.size; size++) {
		characters += starts_character(value.data[size]);
		if (characters > length)
			break;
	}
	return size;
}

struct bytes bounds_truncate_lower(enum value_type type, struct bytes value, size_t length)
{
	return bytes_of(value.data, prefix_size(type, value, length));
}

/* False when the bytes are not the UTF-8 of one code point. */
static bool decode_character(struct bytes text, uint32_t *out)
{
	static const uint32_t LEAST[] = { 0, 0, 0x80, 0x800, 0x10000 };
	uint8_t lead = text.data[0];
	size_t size = lead < 0x80 ? 1 : lead < 0xc0 ? 0 : lead < 0xe0 ? 2 : lead < 0xf0 ? 3 : 4;
	if (size != text.size || lead >= 0xf8)
		return false;
	uint32_t code = size == 1 ? lead : lead & (0x7fu >> size);
	for (size_t i = 1; i < size; i++)
		code = code << 6 | (text.data[i] & 0x3f);
	*out = code;
	return code >= LEAST[size] && code <= 0x10ffff && (code < 0xd800 || code > 0xdfff);
}

static size_t encode_character(uint32_t code, uint8_t out[4])
{
	if (code < 0x80) {
		out[0] = (uint8_t)code;
		return 1;
	}
	size_t size = code < 0x800 ? 2 : code < 0x10000 ? 3 : 4;
	for (size_t i = size; i-- > 1; code >>= 6)
		out[i] = (uint8_t)(0x80 | (code & 0x3f));
	out[0] = (uint8_t)(0xf00u >> size | code);
	return size;
}

static struct bytes join(struct arena *arena, struct bytes head, const uint8_t *tail, size_t size)
{
	uint8_t *joined = arena_alloc(arena, head.size + size, 1);
	if (head.size)
		memcpy(joined, head.data, head.size);
	memcpy(joined + head.size, tail, size);
	return bytes_of(joined, head.size + size);
}

/* The next code point in place of the last one that has a next. */
static bool increment_text(struct arena *arena, struct bytes text, struct bytes *out)
{
	while (text.size > 0) {
		size_t start = text.size - 1;
		while (start > 0 && !starts_character(text.data[start]))
			start--;
		uint32_t code;
		if (!decode_character(bytes_of(text.data + start, text.size - start), &code))
			return false;
		text.size = start;
		if (code == 0x10ffff)
			continue;
		uint8_t next[4];
		size_t size = encode_character(code == 0xd7ff ? 0xe000 : code + 1, next);
		*out = join(arena, text, next, size);
		return true;
	}
	return false;
}

static bool increment_binary(struct arena *arena, struct bytes value, struct bytes *out)
{
	while (value.size > 0 && value.data[value.size - 1] == 0xff)
		value.size--;
	if (value.size == 0)
		return false;
	uint8_t next = value.data[value.size - 1] + 1;
	*out = join(arena, bytes_of(value.data, value.size - 1), &next, 1);
	return true;
}

bool bounds_truncate_upper(struct arena *arena, enum value_type type, struct bytes value,
	size_t length, struct bytes *out)
{
	struct bytes prefix = bytes_of(value.data, prefix_size(type, value, length));
	if (prefix.size == value.size) {
		*out = arena_copy_bytes(arena, value);
		return true;
	}
	if (type == VALUE_BINARY)
		return increment_binary(arena, prefix, out);
	return increment_text(arena, prefix, out);
}
