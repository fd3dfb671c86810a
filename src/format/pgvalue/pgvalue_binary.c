#include "format/pgvalue/pgvalue_internal.h"

/* Of exactly 2, 4 or 8 bytes, whose presence the caller has checked. */
static int16_t load_i16(const uint8_t *at)
{
	return (int16_t)(at[0] << 8 | at[1]);
}

static uint32_t load_u32(const uint8_t *at)
{
	uint32_t value;
	memcpy(&value, at, sizeof value);
	return __builtin_bswap32(value);
}

static uint64_t load_u64(const uint8_t *at)
{
	uint64_t value;
	memcpy(&value, at, sizeof value);
	return __builtin_bswap64(value);
}

enum pgvalue_fault pgvalue_binary_boolean(struct column *column, struct bytes wire)
{
	if (wire.size != 1 || wire.data[0] > 1)
		return PGVALUE_MALFORMED;
	*(uint8_t *)column_push_fixed(column) = wire.data[0];
	return PGVALUE_FITS;
}

enum pgvalue_fault pgvalue_binary_int(struct column *column, struct bytes wire)
{
	if (wire.size != 4 && wire.size != 2) /* int4, int2 */
		return PGVALUE_MALFORMED;
	const int32_t value = wire.size == 4 ? (int32_t)load_u32(wire.data) : load_i16(wire.data);
	memcpy(column_push_fixed(column), &value, sizeof value);
	return PGVALUE_FITS;
}

enum pgvalue_fault pgvalue_binary_long(struct column *column, struct bytes wire)
{
	if (wire.size != 8)
		return PGVALUE_MALFORMED;
	const uint64_t value = load_u64(wire.data);
	memcpy(column_push_fixed(column), &value, sizeof value);
	return PGVALUE_FITS;
}

enum pgvalue_fault pgvalue_binary_float(struct column *column, struct bytes wire)
{
	if (wire.size != 4)
		return PGVALUE_MALFORMED;
	const uint32_t bits = load_u32(wire.data);
	float value;
	memcpy(&value, &bits, sizeof value);
	pgvalue_push_float(column, value);
	return PGVALUE_FITS;
}

enum pgvalue_fault pgvalue_binary_double(struct column *column, struct bytes wire)
{
	if (wire.size != 8)
		return PGVALUE_MALFORMED;
	const uint64_t bits = load_u64(wire.data);
	double value;
	memcpy(&value, &bits, sizeof value);
	pgvalue_push_double(column, value);
	return PGVALUE_FITS;
}

enum {
	NUMERIC_HEAD_SIZE = 8,
	NUMERIC_NEGATIVE = 0x4000,
	NUMERIC_NAN = 0xC000,
	NUMERIC_INFINITE = 0xD000,
	NUMERIC_MINUS_INFINITE = 0xF000,
	NUMERIC_SCALE_MAX = 0x3FFF,
	GROUP_DIGITS = 4, /* decimal digits of one base-10000 digit */
	GROUP_BASE = 10000,
};

/* Base-10000 digits, most significant first, without zeros at either end. */
struct numeric {
	const uint8_t *groups; /* int16 each, big-endian */
	int count;
	int weight; /* the first group counts 10000^weight */
	bool is_negative;
};

/* int16 count | int16 weight | u16 sign | u16 display scale | int16 groups */
static enum pgvalue_fault read_numeric(struct bytes wire, struct numeric *out)
{
	if (wire.size < NUMERIC_HEAD_SIZE)
		return PGVALUE_MALFORMED;
	*out = (struct numeric){ .groups = wire.data + NUMERIC_HEAD_SIZE,
		.count = load_i16(wire.data),
		.weight = load_i16(wire.data + 2) };
	const uint16_t sign = (uint16_t)load_i16(wire.data + 4);
	const uint16_t display_scale = (uint16_t)load_i16(wire.data + 6);
	if (out->count < 0 || wire.size != NUMERIC_HEAD_SIZE + 2 * (size_t)out->count)
		return PGVALUE_MALFORMED;
	if (sign == NUMERIC_NAN)
		return PGVALUE_NAN;
	if (sign == NUMERIC_INFINITE || sign == NUMERIC_MINUS_INFINITE)
		return PGVALUE_INFINITE;
	if ((sign != 0 && sign != NUMERIC_NEGATIVE) || display_scale > NUMERIC_SCALE_MAX)
		return PGVALUE_MALFORMED;
	out->is_negative = sign != 0;
	for (int i = 0; i < out->count; i++)
		if ((uint16_t)load_i16(out->groups + 2 * i) >= GROUP_BASE)
			return PGVALUE_MALFORMED;
	for (; out->count > 0 && load_i16(out->groups) == 0; out->count--, out->weight--)
		out->groups += 2;
	while (out->count > 0 && load_i16(out->groups + 2 * (out->count - 1)) == 0)
		out->count--;
	return PGVALUE_FITS;
}

static int digits_in_group(int group)
{
	return 1 + (group >= 10) + (group >= 100) + (group >= 1000);
}

/* All groups but the last as one number; at most 38 digits, by the caller's check. */
static unsigned __int128 sum_groups(const struct numeric *numeric)
{
	const int count = numeric->count - 1;
	unsigned __int128 sum = 0;
	for (int i = 0; i < count;) {
		/* four groups are one number of 64 bits, so that few products are of 128 */
		uint64_t part = 0, base = 1;
		for (int last = i + 4 < count ? i + 4 : count; i < last; i++) {
			part = part * GROUP_BASE + (uint64_t)load_i16(numeric->groups + 2 * i);
			base *= GROUP_BASE;
		}
		sum = sum * base + part;
	}
	return sum;
}

/*
 * The unscaled value is the sum of group * 10^(4 * (weight - i) + scale).  Of the first group the
 * number of its digits is known, hence before any arithmetic whether all fit into the precision;
 * the exponent of the last group (not 0) says whether digits lie behind the scale.
 */
enum pgvalue_fault pgvalue_binary_decimal(struct column *column, struct bytes wire)
{
	struct numeric numeric;
	const enum pgvalue_fault fault = read_numeric(wire, &numeric);
	if (fault != PGVALUE_FITS)
		return fault;
	if (numeric.count == 0) {
		pgvalue_push_decimal(column, 0, false);
		return PGVALUE_FITS;
	}
	const int scale = column->type.scale;
	const int digits =
		GROUP_DIGITS * numeric.weight + scale + digits_in_group(load_i16(numeric.groups));
	const int exponent = GROUP_DIGITS * (numeric.weight - (numeric.count - 1)) + scale;
	if (digits > column->type.precision || exponent <= -GROUP_DIGITS)
		return PGVALUE_TOO_PRECISE;

	const unsigned last = (unsigned)load_i16(numeric.groups + 2 * (numeric.count - 1));
	unsigned __int128 value = sum_groups(&numeric);
	if (exponent >= 0) {
		value = (value * GROUP_BASE + last) * PGVALUE_POWERS_OF_10[exponent];
	} else {
		const unsigned behind = (unsigned)PGVALUE_POWERS_OF_10[-exponent];
		if (last % behind != 0)
			return PGVALUE_TOO_PRECISE;
		value = value * (GROUP_BASE / behind) + last / behind;
	}
	pgvalue_push_decimal(column, value, numeric.is_negative);
	return PGVALUE_FITS;
}

enum pgvalue_fault pgvalue_binary_date(struct column *column, struct bytes wire)
{
	if (wire.size != 4)
		return PGVALUE_MALFORMED;
	const int32_t days = (int32_t)load_u32(wire.data);
	if (days == INT32_MAX || days == INT32_MIN)
		return PGVALUE_INFINITE;
	return pgvalue_push_date(column, (int64_t)days + DAYS_1970_TO_2000);
}

enum pgvalue_fault pgvalue_binary_time(struct column *column, struct bytes wire)
{
	if (wire.size != 8)
		return PGVALUE_MALFORMED;
	return pgvalue_push_time(column, (int64_t)load_u64(wire.data));
}

enum pgvalue_fault pgvalue_binary_timestamp(struct column *column, struct bytes wire)
{
	if (wire.size != 8)
		return PGVALUE_MALFORMED;
	const int64_t since_2000 = (int64_t)load_u64(wire.data);
	if (since_2000 == INT64_MAX || since_2000 == INT64_MIN)
		return PGVALUE_INFINITE;
	int64_t micros;
	if (__builtin_add_overflow(since_2000, DAYS_1970_TO_2000 * MICROS_PER_DAY, &micros))
		return PGVALUE_OUT_OF_RANGE;
	return pgvalue_push_timestamp(column, micros);
}

enum pgvalue_fault pgvalue_binary_uuid(struct column *column, struct bytes wire)
{
	if (wire.size != 16)
		return PGVALUE_MALFORMED;
	memcpy(column_push_fixed(column), wire.data, 16);
	return PGVALUE_FITS;
}

enum pgvalue_fault pgvalue_binary_bytea(struct column *column, struct bytes wire)
{
	if (wire.size > UINT32_MAX - column->data.size)
		return PGVALUE_TOO_LONG;
	column_append_bytes(column, wire);
	return PGVALUE_FITS;
}

/* u8 version, 1 | text */
enum pgvalue_fault pgvalue_binary_jsonb(struct column *column, struct bytes wire)
{
	if (wire.size < 1 || wire.data[0] != 1)
		return PGVALUE_MALFORMED;
	return pgvalue_append_string(column, bytes_of(wire.data + 1, wire.size - 1));
}
