#include "base/calendar.h"
#include "format/pgvalue/pgvalue_internal.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

static void format_decimal(struct buffer *out, const struct column *column, size_t row)
{
	__int128 value;
	if (column->width == 8)
		value = *(const int64_t *)column_fixed(column, row);
	else
		memcpy(&value, column_fixed(column, row), sizeof value);
	unsigned __int128 rest = value < 0 ? -(unsigned __int128)value : (unsigned __int128)value;
	char text[48];
	char *at = text + sizeof text;
	const int scale = column->type.scale;
	for (int digits = 0; rest != 0 || digits <= scale; digits++, rest /= 10) {
		if (digits == scale && scale > 0)
			*--at = '.';
		*--at = (char)('0' + (int)(rest % 10));
	}
	if (value < 0)
		*--at = '-';
	buffer_append(out, at, (size_t)(text + sizeof text - at));
}

/*
 * The shortest digits that read back as the same number, plain from 0.0001 up to exponent_max
 * digits before the point, else with an exponent: as PostgreSQL with extra_float_digits = 1.
 */
static void format_float(struct buffer *out, double value, bool is_single)
{
	if (!isfinite(value)) {
		buffer_append_cstring(out, isnan(value) ? "NaN"
					   : value < 0  ? "-Infinity"
							: "Infinity");
		return;
	}
	char text[40];
	int precision = 0; /* digits after the first */
	do
		snprintf(text, sizeof text, "%.*e", precision, value);
	while (precision++ < 17 &&
		(is_single ? strtof(text, NULL) != (float)value : strtod(text, NULL) != value));
	char *mark = strchr(text, 'e');
	const int exponent = atoi(mark + 1);
	const int digits = precision;
	if (exponent < -4 || exponent >= (is_single ? FLT_DIG : DBL_DIG))
		buffer_append_cstring(out, text);
	else
		buffer_append_format(
			out, "%.*f", digits - 1 > exponent ? digits - 1 - exponent : 0, value);
}

static void format_date(struct buffer *out, int64_t days)
{
	const struct calendar_date date = calendar_date_of(days);
	buffer_append_format(out, "%04d-%02u-%02u", (int)date.year, date.month, date.day);
}

static void format_time(struct buffer *out, int64_t micros)
{
	const int seconds = (int)(micros / MICROS_PER_SECOND);
	int fraction = (int)(micros % MICROS_PER_SECOND);
	buffer_append_format(
		out, "%02d:%02d:%02d", seconds / 3600, seconds / 60 % 60, seconds % 60);
	if (fraction == 0)
		return;
	int digits = 6;
	for (; fraction % 10 == 0; fraction /= 10)
		digits--;
	buffer_append_format(out, ".%0*d", digits, fraction);
}

static void format_timestamp(struct buffer *out, int64_t micros)
{
	int64_t days = micros / MICROS_PER_DAY;
	days -= micros % MICROS_PER_DAY < 0;
	format_date(out, days);
	buffer_append_u8(out, ' ');
	format_time(out, micros - days * MICROS_PER_DAY);
}

static void format_hex(struct buffer *out, struct bytes bytes)
{
	static const char DIGITS[] = "0123456789abcdef";
	buffer_reserve(out, 2 * bytes.size);
	for (size_t i = 0; i < bytes.size; i++) {
		buffer_append_u8(out, (uint8_t)DIGITS[bytes.data[i] >> 4]);
		buffer_append_u8(out, (uint8_t)DIGITS[bytes.data[i] & 15]);
	}
}

static void format_uuid(struct buffer *out, const uint8_t *uuid)
{
	static const uint8_t GROUP_ENDS[] = { 0, 4, 6, 8, 10, 16 };
	for (int group = 1; group < 6; group++) {
		if (group > 1)
			buffer_append_u8(out, '-');
		const uint8_t start = GROUP_ENDS[group - 1];
		format_hex(out, bytes_of(uuid + start, GROUP_ENDS[group] - start));
	}
}

static void format_long(struct buffer *out, int64_t value)
{
	char text[24];
	char *at = text + sizeof text;
	uint64_t rest = value < 0 ? -(uint64_t)value : (uint64_t)value;
	do
		*--at = (char)('0' + rest % 10);
	while ((rest /= 10) != 0);
	if (value < 0)
		*--at = '-';
	buffer_append(out, at, (size_t)(text + sizeof text - at));
}

static void format_fixed(struct buffer *out, const struct column *column, size_t row)
{
	const void *value = column_fixed(column, row);
	switch (column->type.type) {
	case VALUE_BOOLEAN:
		buffer_append_u8(out, *(const uint8_t *)value ? 't' : 'f');
		break;
	case VALUE_INT:
		format_long(out, *(const int32_t *)value);
		break;
	case VALUE_LONG:
		format_long(out, *(const int64_t *)value);
		break;
	case VALUE_FLOAT:
		format_float(out, (double)*(const float *)value, true);
		break;
	case VALUE_DOUBLE:
		format_float(out, *(const double *)value, false);
		break;
	case VALUE_DECIMAL:
		format_decimal(out, column, row);
		break;
	case VALUE_DATE:
		format_date(out, *(const int32_t *)value);
		break;
	case VALUE_TIME:
		format_time(out, *(const int64_t *)value);
		break;
	case VALUE_TIMESTAMP:
		format_timestamp(out, *(const int64_t *)value);
		break;
	case VALUE_TIMESTAMPTZ:
		format_timestamp(out, *(const int64_t *)value);
		buffer_append_cstring(out, "+00");
		break;
	case VALUE_UUID:
		format_uuid(out, value);
		break;
	case VALUE_STRING:
	case VALUE_BINARY:
	case VALUE_NONE:
		assert(false);
	}
}

void pgvalue_format(struct buffer *out, const struct column *column, size_t row)
{
	if (column_is_null(column, row))
		return;
	if (column->type.type == VALUE_STRING) {
		buffer_append_bytes(out, column_bytes(column, row));
	} else if (column->type.type == VALUE_BINARY) {
		buffer_append_cstring(out, "\\x");
		format_hex(out, column_bytes(column, row));
	} else {
		format_fixed(out, column, row);
	}
}
