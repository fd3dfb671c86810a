#include "duck/print_internal.h"

#include "base/calendar.h"
#include "base/json.h"
#include "base/micros.h"

#include <assert.h>
#include <float.h>
#include <inttypes.h>
#include <math.h>
#include <stdlib.h>

enum {
	NESTING_MAX = 32,
	SECONDS_PER_DAY = 86400,
	DATE_INFINITY = INT32_MAX, /* and its negative */
	TIME_OFFSET_MAX = 57599,   /* seconds: 15:59:59, as TIME WITH TIME ZONE keeps it */
};
#define TIMESTAMP_INFINITY INT64_MAX

/* ---- types ---- */

static bool type_is_supported(enum duckdb_type type)
{
	return (type >= DUCKDB_TYPE_BOOLEAN && type <= DUCKDB_TYPE_ARRAY &&
		       type != DUCKDB_TYPE_UNION) ||
	       type == DUCKDB_TYPE_SQLNULL || type == DUCKDB_TYPE_TIME_NS;
}

static bool init_typed(struct printer *printer, duckdb_logical_type type, size_t depth,
	struct arena *arena, struct error *err);

static bool init_children(struct printer *printer, size_t count, duckdb_logical_type *types,
	size_t depth, struct arena *arena, struct error *err)
{
	printer->child_count = count;
	printer->children = arena_array(arena, struct printer, count);
	bool ok = true;
	for (size_t i = 0; i < count; i++) {
		ok = ok && init_typed(&printer->children[i], types[i], depth + 1, arena, err);
		duckdb_destroy_logical_type(&types[i]);
	}
	return ok;
}

static const char *take_label(char *label, struct arena *arena)
{
	const char *copy = arena_copy_cstring(arena, label != NULL ? label : "");
	duckdb_free(label);
	return copy;
}

static bool init_struct(struct printer *printer, duckdb_logical_type type, size_t depth,
	struct arena *arena, struct error *err)
{
	size_t count = duckdb_struct_type_child_count(type);
	duckdb_logical_type *types = arena_array(arena, duckdb_logical_type, count);
	printer->label_count = count;
	printer->labels = arena_array(arena, const char *, count);
	for (size_t i = 0; i < count; i++) {
		types[i] = duckdb_struct_type_child_type(type, i);
		printer->labels[i] = take_label(duckdb_struct_type_child_name(type, i), arena);
	}
	return init_children(printer, count, types, depth, arena, err);
}

static void init_enum(struct printer *printer, duckdb_logical_type type, struct arena *arena)
{
	printer->physical = duckdb_enum_internal_type(type);
	printer->label_count = duckdb_enum_dictionary_size(type);
	printer->labels = arena_array(arena, const char *, printer->label_count);
	for (size_t i = 0; i < printer->label_count; i++)
		printer->labels[i] = take_label(duckdb_enum_dictionary_value(type, i), arena);
}

static bool init_typed(struct printer *printer, duckdb_logical_type type, size_t depth,
	struct arena *arena, struct error *err)
{
	printer->type = duckdb_get_type_id(type);
	if (!type_is_supported(printer->type))
		return error_set(err, ERROR_UNSUPPORTED,
			       "a column of DuckDB's type %d cannot be shown",
			       (int)printer->type) ||
		       error_hint(err, "Cast the column to VARCHAR.");
	if (depth > NESTING_MAX)
		return error_set(err, ERROR_LIMIT, "a column is nested deeper than %d levels",
			(int)NESTING_MAX);

	duckdb_logical_type children[2] = { NULL };
	switch (printer->type) {
	case DUCKDB_TYPE_DECIMAL:
		printer->physical = duckdb_decimal_internal_type(type);
		printer->scale = duckdb_decimal_scale(type);
		return true;
	case DUCKDB_TYPE_ENUM:
		init_enum(printer, type, arena);
		return true;
	case DUCKDB_TYPE_LIST:
		children[0] = duckdb_list_type_child_type(type);
		return init_children(printer, 1, children, depth, arena, err);
	case DUCKDB_TYPE_ARRAY:
		printer->array_size = duckdb_array_type_array_size(type);
		children[0] = duckdb_array_type_child_type(type);
		return init_children(printer, 1, children, depth, arena, err);
	case DUCKDB_TYPE_MAP:
		children[0] = duckdb_map_type_key_type(type);
		children[1] = duckdb_map_type_value_type(type);
		return init_children(printer, 2, children, depth, arena, err);
	case DUCKDB_TYPE_STRUCT:
		return init_struct(printer, type, depth, arena, err);
	default:
		return true;
	}
}

bool printer_init(
	struct printer *printer, duckdb_logical_type type, struct arena *arena, struct error *err)
{
	*printer = (struct printer){ 0 };
	return init_typed(printer, type, 0, arena, err);
}

static bool is_whole_number(enum duckdb_type type)
{
	return (type >= DUCKDB_TYPE_TINYINT && type <= DUCKDB_TYPE_UBIGINT) ||
	       type == DUCKDB_TYPE_HUGEINT || type == DUCKDB_TYPE_UHUGEINT;
}

static bool is_float(enum duckdb_type type)
{
	return type == DUCKDB_TYPE_FLOAT || type == DUCKDB_TYPE_DOUBLE;
}

bool printer_is_number(const struct printer *printer)
{
	return is_whole_number(printer->type) || is_float(printer->type) ||
	       printer->type == DUCKDB_TYPE_DECIMAL;
}

/* ---- numbers ---- */

static void append_unsigned(
	struct buffer *out, unsigned __int128 value, bool is_negative, unsigned scale)
{
	char digits[48];
	size_t at = sizeof digits;
	unsigned written = 0;
	do {
		if (written == scale && scale > 0)
			digits[--at] = '.';
		digits[--at] = (char)('0' + (unsigned)(value % 10));
		value /= 10;
		written++;
	} while (value > 0 || written <= scale);
	if (is_negative)
		digits[--at] = '-';
	buffer_append(out, digits + at, sizeof digits - at);
}

static void append_signed(struct buffer *out, __int128 value, unsigned scale)
{
	bool is_negative = value < 0;
	unsigned __int128 magnitude =
		is_negative ? -(unsigned __int128)value : (unsigned __int128)value;
	append_unsigned(out, magnitude, is_negative, scale);
}

static __int128 hugeint_value(duckdb_hugeint value)
{
	return (__int128)((unsigned __int128)(uint64_t)value.upper << 64 | value.lower);
}

static __int128 whole_number(enum duckdb_type type, const void *data, idx_t row)
{
	switch (type) {
	case DUCKDB_TYPE_TINYINT:
		return ((const int8_t *)data)[row];
	case DUCKDB_TYPE_SMALLINT:
		return ((const int16_t *)data)[row];
	case DUCKDB_TYPE_INTEGER:
		return ((const int32_t *)data)[row];
	case DUCKDB_TYPE_BIGINT:
		return ((const int64_t *)data)[row];
	case DUCKDB_TYPE_UTINYINT:
		return ((const uint8_t *)data)[row];
	case DUCKDB_TYPE_USMALLINT:
		return ((const uint16_t *)data)[row];
	case DUCKDB_TYPE_UINTEGER:
		return ((const uint32_t *)data)[row];
	case DUCKDB_TYPE_UBIGINT:
		return ((const uint64_t *)data)[row];
	default:
		return hugeint_value(((const duckdb_hugeint *)data)[row]);
	}
}

static void append_whole_number(
	struct buffer *out, enum duckdb_type type, const void *data, idx_t row)
{
	__int128 value = whole_number(type, data, row);
	if (type == DUCKDB_TYPE_UHUGEINT)
		append_unsigned(out, (unsigned __int128)value, false, 0);
	else
		append_signed(out, value, 0);
}

static bool reads_back(const char *text, double value, bool is_single)
{
	return is_single ? strtof(text, NULL) == (float)value : strtod(text, NULL) == value;
}

/* "1.2500e+02" becomes "1.25e+02"; returns the digits that are left. */
static int trim_zeros(char *text)
{
	char *exponent = strchr(text, 'e');
	char *end = exponent;
	while (end[-1] == '0' && memchr(text, '.', (size_t)(end - text)) != NULL)
		end--;
	if (end[-1] == '.')
		end--;
	memmove(end, exponent, strlen(exponent) + 1);
	int digit_count = 0;
	for (const char *at = text; at < end; at++)
		digit_count += *at >= '0' && *at <= '9';
	return digit_count;
}

/*
 * The fewest digits that read back as the same value, as "d.ddde+dd".  A number of up to DBL_DIG
 * digits is the only one that short near its value, unless it is subnormal; so there is one way
 * to begin, and trailing zeros are no digits.
 */
static int write_shortest(char *text, size_t size, double value, bool is_single)
{
	double least_normal = is_single ? (double)FLT_MIN : DBL_MIN;
	bool is_normal = value == 0 || fabs(value) >= least_normal;
	int digit_count = !is_normal ? 1 : is_single ? FLT_DIG : DBL_DIG;
	do
		snprintf(text, size, "%.*e", digit_count - 1, value);
	while (!reads_back(text, value, is_single) && digit_count++ < DBL_DECIMAL_DIG);
	return trim_zeros(text);
}

/* As PostgreSQL lays it out: an exponent below 1e-4 and from 1e15 (1e6 for a single) on. */
static void append_finite(struct buffer *out, double value, bool is_single)
{
	char text[40];
	int digit_count = write_shortest(text, sizeof text, value, is_single);
	int exponent = atoi(strchr(text, 'e') + 1);
	if (exponent < -4 || exponent >= (is_single ? FLT_DIG : DBL_DIG)) {
		buffer_append_cstring(out, text);
		return;
	}
	int decimals = digit_count - 1 - exponent;
	if (decimals >= 0) {
		buffer_append_format(out, "%.*f", decimals, value);
		return;
	}
	/* more places before the point than digits: the rest are zeros, not the binary value's */
	if (text[0] == '-')
		buffer_append_u8(out, '-');
	for (const char *at = text; *at != 'e'; at++)
		if (*at >= '0' && *at <= '9')
			buffer_append_u8(out, (uint8_t)*at);
	while (decimals++ < 0)
		buffer_append_u8(out, '0');
}

static double float_value(enum duckdb_type type, const void *data, idx_t row)
{
	return type == DUCKDB_TYPE_FLOAT ? ((const float *)data)[row] : ((const double *)data)[row];
}

static void append_float(struct buffer *out, enum duckdb_type type, double value)
{
	if (isnan(value))
		buffer_append_cstring(out, "NaN");
	else if (isinf(value))
		buffer_append_cstring(out, value > 0 ? "Infinity" : "-Infinity");
	else
		append_finite(out, value, type == DUCKDB_TYPE_FLOAT);
}

/* ---- dates and times ---- */

static void append_date(struct buffer *out, int64_t days, bool *is_before_christ)
{
	struct calendar_date date = calendar_date_of(days);
	*is_before_christ = date.year <= 0;
	buffer_append_format(out, "%04" PRId64 "-%02u-%02u",
		date.year > 0 ? date.year : 1 - date.year, date.month, date.day);
}

/* With up to `places` decimals, trailing zeros left out. */
static void append_clock(struct buffer *out, int64_t seconds, int64_t fraction, int places)
{
	buffer_append_format(out, "%02" PRId64 ":%02" PRId64 ":%02" PRId64, seconds / 3600,
		seconds / 60 % 60, seconds % 60);
	if (fraction == 0)
		return;
	buffer_append_format(out, ".%0*" PRId64, places, fraction);
	while (out->data[out->size - 1] == '0')
		out->size--;
}

static void append_day(struct buffer *out, int32_t days)
{
	if (days == DATE_INFINITY || days == -DATE_INFINITY) {
		buffer_append_cstring(out, days > 0 ? "infinity" : "-infinity");
		return;
	}
	bool is_before_christ;
	append_date(out, days, &is_before_christ);
	if (is_before_christ)
		buffer_append_cstring(out, " BC");
}

static void append_timestamp(
	struct buffer *out, int64_t value, int64_t units_per_second, int places, const char *zone)
{
	if (value == TIMESTAMP_INFINITY || value == -TIMESTAMP_INFINITY) {
		buffer_append_cstring(out, value > 0 ? "infinity" : "-infinity");
		return;
	}
	int64_t units_per_day = units_per_second * SECONDS_PER_DAY;
	int64_t day = value / units_per_day - (value % units_per_day < 0);
	int64_t of_day = (value % units_per_day + units_per_day) % units_per_day;
	bool is_before_christ;
	append_date(out, day, &is_before_christ);
	buffer_append_u8(out, ' ');
	append_clock(out, of_day / units_per_second, of_day % units_per_second, places);
	buffer_append_cstring(out, zone);
	if (is_before_christ)
		buffer_append_cstring(out, " BC");
}

static void append_time_zone(struct buffer *out, uint64_t bits)
{
	int64_t micros = (int64_t)(bits >> 24);
	int64_t offset = TIME_OFFSET_MAX - (int64_t)(bits & 0xFFFFFF);
	append_clock(out, micros / MICROS_PER_SECOND, micros % MICROS_PER_SECOND, 6);
	buffer_append_u8(out, offset < 0 ? '-' : '+');
	int64_t distance = offset < 0 ? -offset : offset;
	buffer_append_format(out, "%02" PRId64, distance / 3600);
	if (distance % 3600 != 0)
		buffer_append_format(out, ":%02" PRId64, distance / 60 % 60);
	if (distance % 60 != 0)
		buffer_append_format(out, ":%02" PRId64, distance % 60);
}

static void append_count(struct buffer *out, int64_t count, const char *unit)
{
	if (count == 0)
		return;
	const char *space = out->size > 0 ? " " : "";
	buffer_append_format(out, "%s%" PRId64 " %s%s", space, count, unit, count == 1 ? "" : "s");
}

static void append_interval(struct buffer *out, duckdb_interval value)
{
	struct buffer text = { 0 };
	append_count(&text, value.months / 12, "year");
	append_count(&text, value.months % 12, "mon");
	append_count(&text, value.days, "day");
	if (value.micros != 0 || text.size == 0) {
		if (text.size > 0)
			buffer_append_u8(&text, ' ');
		if (value.micros < 0)
			buffer_append_u8(&text, '-');
		uint64_t distance =
			value.micros < 0 ? -(uint64_t)value.micros : (uint64_t)value.micros;
		append_clock(&text, (int64_t)(distance / MICROS_PER_SECOND),
			(int64_t)(distance % MICROS_PER_SECOND), 6);
	}
	buffer_append_bytes(out, buffer_bytes(&text));
	buffer_deinit(&text);
}

/* ---- bytes ---- */

static struct bytes string_bytes(const duckdb_string_t *string)
{
	uint32_t length = string->inlined.length;
	bool is_inlined = length <= sizeof string->inlined.data;
	return bytes_of(is_inlined ? string->inlined.data : string->pointer.data, length);
}

static void append_hex(struct buffer *out, struct bytes bytes)
{
	static const char digits[] = "0123456789abcdef";
	buffer_append_cstring(out, "\\x");
	for (size_t i = 0; i < bytes.size; i++) {
		buffer_append_u8(out, (uint8_t)digits[bytes.data[i] >> 4]);
		buffer_append_u8(out, (uint8_t)digits[bytes.data[i] & 15]);
	}
}

/* The first byte is the number of unused leading bits in the second. */
static void append_bits(struct buffer *out, struct bytes bytes)
{
	size_t unused = bytes.size > 0 ? bytes.data[0] : 0;
	for (size_t bit = unused; bytes.size > 0 && bit < (bytes.size - 1) * 8; bit++)
		buffer_append_u8(out, bytes.data[1 + bit / 8] >> (7 - bit % 8) & 1 ? '1' : '0');
}

/* A UUID is kept as a number whose order is that of its text: the top bit is turned. */
static void append_uuid(struct buffer *out, duckdb_hugeint value)
{
	uint64_t high = (uint64_t)value.upper ^ UINT64_C(1) << 63;
	buffer_append_format(out,
		"%08" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%04" PRIx64 "-%012" PRIx64, high >> 32,
		high >> 16 & 0xFFFF, high & 0xFFFF, value.lower >> 48,
		value.lower & UINT64_C(0xFFFFFFFFFFFF));
}

/* ---- JSON ---- */

/* What is not UTF-8 cannot come out of DuckDB's VARCHAR, so nothing is lost here. */
static void append_json_string(struct buffer *out, struct bytes text)
{
	struct json_writer writer = json_writer_of(out);
	json_write_text(&writer, text);
}

static void append_json_items(const struct printer *printer, duckdb_vector items, idx_t offset,
	idx_t count, struct buffer *out)
{
	buffer_append_u8(out, '[');
	for (idx_t i = 0; i < count; i++) {
		if (i > 0)
			buffer_append_u8(out, ',');
		printer_append_json(&printer->children[0], items, offset + i, out);
	}
	buffer_append_u8(out, ']');
}

static void append_json_struct(
	const struct printer *printer, duckdb_vector vector, idx_t row, struct buffer *out)
{
	buffer_append_u8(out, '{');
	for (size_t i = 0; i < printer->child_count; i++) {
		if (i > 0)
			buffer_append_u8(out, ',');
		append_json_string(out, bytes_of_cstring(printer->labels[i]));
		buffer_append_u8(out, ':');
		printer_append_json(
			&printer->children[i], duckdb_struct_vector_get_child(vector, i), row, out);
	}
	buffer_append_u8(out, '}');
}

static void append_json_map(const struct printer *printer, duckdb_vector vector,
	duckdb_list_entry entry, struct buffer *out)
{
	duckdb_vector entries = duckdb_list_vector_get_child(vector);
	duckdb_vector keys = duckdb_struct_vector_get_child(entries, 0);
	duckdb_vector values = duckdb_struct_vector_get_child(entries, 1);
	struct buffer key = { 0 };
	buffer_append_u8(out, '{');
	for (idx_t i = entry.offset; i < entry.offset + entry.length; i++) {
		if (i > entry.offset)
			buffer_append_u8(out, ',');
		buffer_reset(&key);
		printer_append_text(&printer->children[0], keys, i, &key);
		append_json_string(out, buffer_bytes(&key));
		buffer_append_u8(out, ':');
		printer_append_json(&printer->children[1], values, i, out);
	}
	buffer_append_u8(out, '}');
	buffer_deinit(&key);
}

/* ---- all of them ---- */

static bool is_null(const struct printer *printer, duckdb_vector vector, idx_t row)
{
	const uint64_t *validity = duckdb_vector_get_validity(vector);
	return printer->type == DUCKDB_TYPE_SQLNULL ||
	       (validity != NULL && (validity[row / 64] >> (row % 64) & 1) == 0);
}

static bool is_nested(enum duckdb_type type)
{
	return type == DUCKDB_TYPE_LIST || type == DUCKDB_TYPE_ARRAY || type == DUCKDB_TYPE_MAP ||
	       type == DUCKDB_TYPE_STRUCT;
}

static void append_nested(
	const struct printer *printer, duckdb_vector vector, idx_t row, struct buffer *out)
{
	if (printer->type == DUCKDB_TYPE_STRUCT) {
		append_json_struct(printer, vector, row, out);
		return;
	}
	if (printer->type == DUCKDB_TYPE_ARRAY) {
		append_json_items(printer, duckdb_array_vector_get_child(vector),
			row * printer->array_size, printer->array_size, out);
		return;
	}
	duckdb_list_entry entry = ((duckdb_list_entry *)duckdb_vector_get_data(vector))[row];
	if (printer->type == DUCKDB_TYPE_MAP)
		append_json_map(printer, vector, entry, out);
	else
		append_json_items(printer, duckdb_list_vector_get_child(vector), entry.offset,
			entry.length, out);
}

static void append_label(
	const struct printer *printer, const void *data, idx_t row, struct buffer *out)
{
	size_t index = (size_t)whole_number(printer->physical, data, row);
	assert(index < printer->label_count);
	buffer_append_cstring(out, printer->labels[index]);
}

static void append_temporal(enum duckdb_type type, const void *data, idx_t row, struct buffer *out)
{
	int64_t value = type == DUCKDB_TYPE_DATE ? ((const int32_t *)data)[row]
						 : ((const int64_t *)data)[row];
	switch (type) {
	case DUCKDB_TYPE_DATE:
		append_day(out, (int32_t)value);
		break;
	case DUCKDB_TYPE_TIME:
		append_clock(out, value / MICROS_PER_SECOND, value % MICROS_PER_SECOND, 6);
		break;
	case DUCKDB_TYPE_TIME_NS:
		append_clock(out, value / 1000000000, value % 1000000000, 9);
		break;
	case DUCKDB_TYPE_TIME_TZ:
		append_time_zone(out, (uint64_t)value);
		break;
	case DUCKDB_TYPE_TIMESTAMP_S:
		append_timestamp(out, value, 1, 0, "");
		break;
	case DUCKDB_TYPE_TIMESTAMP_MS:
		append_timestamp(out, value, 1000, 3, "");
		break;
	case DUCKDB_TYPE_TIMESTAMP_NS:
		append_timestamp(out, value, 1000000000, 9, "");
		break;
	case DUCKDB_TYPE_TIMESTAMP_TZ:
		append_timestamp(out, value, MICROS_PER_SECOND, 6, "+00");
		break;
	default:
		append_timestamp(out, value, MICROS_PER_SECOND, 6, "");
	}
}

bool printer_append_text(
	const struct printer *printer, duckdb_vector vector, idx_t row, struct buffer *out)
{
	if (is_null(printer, vector, row))
		return false;
	if (is_nested(printer->type)) {
		append_nested(printer, vector, row, out);
		return true;
	}
	const void *data = duckdb_vector_get_data(vector);
	enum duckdb_type type = printer->type;
	if (is_whole_number(type)) {
		append_whole_number(out, type, data, row);
		return true;
	}
	switch (type) {
	case DUCKDB_TYPE_BOOLEAN:
		buffer_append_u8(out, ((const bool *)data)[row] ? 't' : 'f');
		break;
	case DUCKDB_TYPE_FLOAT:
	case DUCKDB_TYPE_DOUBLE:
		append_float(out, type, float_value(type, data, row));
		break;
	case DUCKDB_TYPE_DECIMAL:
		append_signed(out, whole_number(printer->physical, data, row), printer->scale);
		break;
	case DUCKDB_TYPE_VARCHAR:
		buffer_append_bytes(out, string_bytes((const duckdb_string_t *)data + row));
		break;
	case DUCKDB_TYPE_BLOB:
		append_hex(out, string_bytes((const duckdb_string_t *)data + row));
		break;
	case DUCKDB_TYPE_BIT:
		append_bits(out, string_bytes((const duckdb_string_t *)data + row));
		break;
	case DUCKDB_TYPE_UUID:
		append_uuid(out, ((const duckdb_hugeint *)data)[row]);
		break;
	case DUCKDB_TYPE_INTERVAL:
		append_interval(out, ((const duckdb_interval *)data)[row]);
		break;
	case DUCKDB_TYPE_ENUM:
		append_label(printer, data, row, out);
		break;
	default:
		append_temporal(type, data, row, out);
	}
	return true;
}

static bool is_json_literal(const struct printer *printer, duckdb_vector vector, idx_t row)
{
	if (is_float(printer->type))
		return isfinite(float_value(printer->type, duckdb_vector_get_data(vector), row));
	return is_whole_number(printer->type) || is_nested(printer->type);
}

void printer_append_json(
	const struct printer *printer, duckdb_vector vector, idx_t row, struct buffer *out)
{
	if (is_null(printer, vector, row)) {
		buffer_append_cstring(out, "null");
	} else if (printer->type == DUCKDB_TYPE_BOOLEAN) {
		bool value = ((const bool *)duckdb_vector_get_data(vector))[row];
		buffer_append_cstring(out, value ? "true" : "false");
	} else if (is_json_literal(printer, vector, row)) {
		printer_append_text(printer, vector, row, out);
	} else {
		struct buffer text = { 0 };
		printer_append_text(printer, vector, row, &text);
		append_json_string(out, buffer_bytes(&text));
		buffer_deinit(&text);
	}
}
