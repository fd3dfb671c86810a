#include "base/utf8.h"
#include "format/pgvalue/pgvalue_internal.h"

#include <math.h>

enum {
	NUMERIC_MODIFIER_OFFSET = 4, /* VARHDRSZ */
	NUMERIC_SCALE_MASK = 0x7FF,
	NUMERIC_SCALE_SIGN = 0x400,
};

/* numeric's modifier: 4 + (precision << 16 | scale, signed, in 11 bits); see numeric.c. */
static bool decimal_type(int32_t type_modifier, struct column_type *out)
{
	if (type_modifier < NUMERIC_MODIFIER_OFFSET)
		return false; /* numeric without a precision */
	const int32_t packed = type_modifier - NUMERIC_MODIFIER_OFFSET;
	const int32_t scale =
		((packed & NUMERIC_SCALE_MASK) ^ NUMERIC_SCALE_SIGN) - NUMERIC_SCALE_SIGN;
	int32_t precision = packed >> 16 & 0xFFFF;
	if (scale < 0) /* numeric(3, -2): up to 99900 */
		precision -= scale;
	else if (scale > precision) /* numeric(3, 5): up to 0.00999 */
		precision = scale;
	if (precision < 1 || precision > DECIMAL_PRECISION_MAX)
		return false;
	*out = (struct column_type){ VALUE_DECIMAL, (uint8_t)precision,
		(uint8_t)(scale < 0 ? 0 : scale) };
	return true;
}

static enum value_type base_type(uint32_t type_oid)
{
	switch (type_oid) {
	case OID_BOOL:
		return VALUE_BOOLEAN;
	case OID_INT2:
	case OID_INT4:
		return VALUE_INT;
	case OID_INT8:
		return VALUE_LONG;
	case OID_FLOAT4:
		return VALUE_FLOAT;
	case OID_FLOAT8:
		return VALUE_DOUBLE;
	case OID_NUMERIC:
		return VALUE_DECIMAL;
	case OID_TEXT:
	case OID_VARCHAR:
	case OID_BPCHAR:
	case OID_NAME:
	case OID_JSON:
	case OID_JSONB:
		return VALUE_STRING;
	case OID_DATE:
		return VALUE_DATE;
	case OID_TIME:
		return VALUE_TIME;
	case OID_TIMESTAMP:
		return VALUE_TIMESTAMP;
	case OID_TIMESTAMPTZ:
		return VALUE_TIMESTAMPTZ;
	case OID_UUID:
		return VALUE_UUID;
	case OID_BYTEA:
		return VALUE_BINARY;
	default:
		return VALUE_NONE;
	}
}

bool pgvalue_type(uint32_t type_oid, int32_t type_modifier, char typtype, struct column_type *out)
{
	*out = (struct column_type){ 0 };
	if (typtype == 'e')
		out->type = VALUE_STRING;
	else if (typtype == 'b')
		out->type = base_type(type_oid);
	if (out->type != VALUE_DECIMAL)
		return out->type != VALUE_NONE;
	*out = (struct column_type){ 0 };
	return decimal_type(type_modifier, out);
}

struct pgvalue_decoder pgvalue_decoder_of(uint32_t type_oid, struct column_type type)
{
	static const struct pgvalue_decoder DECODERS[] = {
		[VALUE_BOOLEAN] = { pgvalue_binary_boolean, pgvalue_text_boolean },
		[VALUE_INT] = { pgvalue_binary_int, pgvalue_text_int },
		[VALUE_LONG] = { pgvalue_binary_long, pgvalue_text_long },
		[VALUE_FLOAT] = { pgvalue_binary_float, pgvalue_text_float },
		[VALUE_DOUBLE] = { pgvalue_binary_double, pgvalue_text_double },
		[VALUE_DECIMAL] = { pgvalue_binary_decimal, pgvalue_text_decimal },
		[VALUE_DATE] = { pgvalue_binary_date, pgvalue_text_date },
		[VALUE_TIME] = { pgvalue_binary_time, pgvalue_text_time },
		[VALUE_TIMESTAMP] = { pgvalue_binary_timestamp, pgvalue_text_timestamp },
		[VALUE_TIMESTAMPTZ] = { pgvalue_binary_timestamp, pgvalue_text_timestamptz },
		[VALUE_STRING] = { pgvalue_append_string, pgvalue_append_string },
		[VALUE_UUID] = { pgvalue_binary_uuid, pgvalue_text_uuid },
		[VALUE_BINARY] = { pgvalue_binary_bytea, pgvalue_text_bytea },
	};
	assert(type.type != VALUE_NONE);
	struct pgvalue_decoder decoder = DECODERS[type.type];
	if (type_oid == OID_JSONB)
		decoder.append_binary = pgvalue_binary_jsonb;
	return decoder;
}

#define E19 (unsigned __int128)UINT64_C(10000000000000000000)

const unsigned __int128 PGVALUE_POWERS_OF_10[DECIMAL_PRECISION_MAX + 1] = { 1, 10, 100, 1000, 10000,
	100000, 1000000, 10000000, 100000000, 1000000000, 10000000000, 100000000000, 1000000000000,
	10000000000000, 100000000000000, 1000000000000000, 10000000000000000, 100000000000000000,
	1000000000000000000, E19, E19 * 10, E19 * 100, E19 * 1000, E19 * 10000, E19 * 100000,
	E19 * 1000000, E19 * 10000000, E19 * 100000000, E19 * 1000000000, E19 * 10000000000,
	E19 * 100000000000, E19 * 1000000000000, E19 * 10000000000000, E19 * 100000000000000,
	E19 * 1000000000000000, E19 * 10000000000000000, E19 * 100000000000000000,
	E19 * 1000000000000000000, E19 *E19 };

void pgvalue_push_decimal(struct column *column, unsigned __int128 digits, bool is_negative)
{
	const unsigned __int128 value = is_negative ? -digits : digits;
	void *room = column_push_fixed(column);
	if (column->width == 8) {
		const uint64_t narrow = (uint64_t)value;
		memcpy(room, &narrow, sizeof narrow);
	} else {
		memcpy(room, &value, sizeof value);
	}
}

enum pgvalue_fault pgvalue_push_date(struct column *column, int64_t days)
{
	if (days < DAYS_MIN || days > DAYS_MAX)
		return PGVALUE_OUT_OF_RANGE;
	const int32_t value = (int32_t)days;
	memcpy(column_push_fixed(column), &value, sizeof value);
	return PGVALUE_FITS;
}

enum pgvalue_fault pgvalue_push_time(struct column *column, int64_t micros)
{
	if (micros < 0 || micros > MICROS_PER_DAY)
		return PGVALUE_MALFORMED;
	if (micros == MICROS_PER_DAY)
		return PGVALUE_END_OF_DAY;
	memcpy(column_push_fixed(column), &micros, sizeof micros);
	return PGVALUE_FITS;
}

enum pgvalue_fault pgvalue_push_timestamp(struct column *column, int64_t micros)
{
	if (micros < DAYS_MIN * MICROS_PER_DAY || micros >= (DAYS_MAX + 1) * MICROS_PER_DAY)
		return PGVALUE_OUT_OF_RANGE;
	memcpy(column_push_fixed(column), &micros, sizeof micros);
	return PGVALUE_FITS;
}

void pgvalue_push_float(struct column *column, float value)
{
	if (isnan(value))
		value = NAN;
	memcpy(column_push_fixed(column), &value, sizeof value);
}

void pgvalue_push_double(struct column *column, double value)
{
	if (isnan(value))
		value = (double)NAN;
	memcpy(column_push_fixed(column), &value, sizeof value);
}

enum pgvalue_fault pgvalue_append_string(struct column *column, struct bytes wire)
{
	if (!utf8_is_valid(wire))
		return PGVALUE_NOT_UTF8;
	if (wire.size > UINT32_MAX - column->data.size)
		return PGVALUE_TOO_LONG;
	column_append_bytes(column, wire);
	return PGVALUE_FITS;
}

static const struct {
	const char *reason;
	const char *hint;
} FAULTS[] = {
	[PGVALUE_FITS] = { "it fits", "" },
	[PGVALUE_MALFORMED] = { "its bytes are not of that type", "" },
	[PGVALUE_NAN] = { "it is NaN",
		"Change the value in PostgreSQL, or make the column double precision." },
	[PGVALUE_INFINITE] = { "it is infinite",
		"Change the value in PostgreSQL: Iceberg has no infinite value of this type." },
	[PGVALUE_TOO_PRECISE] = { "it has more digits than the type",
		"Let the table be read again, so that its columns get their present types." },
	[PGVALUE_OUT_OF_RANGE] = { "its year is not within 0001 to 9999",
		"Change the value in PostgreSQL: other engines cannot read such a year." },
	[PGVALUE_END_OF_DAY] = { "it is 24:00:00",
		"Change the value in PostgreSQL: Iceberg's times end before 24:00:00." },
	[PGVALUE_NOT_UTF8] = { "it is not UTF-8",
		"Correct the value in PostgreSQL; a database in SQL_ASCII accepts any bytes." },
	[PGVALUE_TOO_LONG] = { "one batch would hold more than 4 GB of this column", "" },
};

static enum error_kind fault_kind(enum pgvalue_fault fault)
{
	if (fault == PGVALUE_MALFORMED)
		return ERROR_CORRUPT;
	return fault == PGVALUE_TOO_LONG ? ERROR_LIMIT : ERROR_UNSUPPORTED;
}

bool pgvalue_set_error(struct error *err, enum pgvalue_fault fault, const struct relation *relation,
	size_t column_index)
{
	assert(fault != PGVALUE_FITS && column_index < relation->column_count);
	const struct relation_column *column = &relation->columns[column_index];
	char type[COLUMN_TYPE_TEXT_SIZE];
	error_set(err, fault_kind(fault),
		"a value of column \"%s\" of \"%s\".\"%s\" cannot be kept as %s: %s", column->name,
		relation->namespace_name, relation->name, column_type_format(column->type, type),
		FAULTS[fault].reason);
	return error_hint(err, "%s", FAULTS[fault].hint);
}
