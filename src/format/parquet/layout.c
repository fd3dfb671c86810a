#include "format/parquet/layout_internal.h"

enum {
	DECIMAL_INT_PRECISION_MAX = 9, /* up to here an INT32 holds it */
};

/* Bytes of the least two's complement that holds every decimal of a precision. */
static uint8_t decimal_width(unsigned precision)
{
	unsigned __int128 greatest = 1; /* 10^precision */
	for (unsigned i = 0; i < precision; i++)
		greatest *= 10;
	uint8_t width = 1;
	while (width < 16 && ((unsigned __int128)1 << (8 * width - 1)) < greatest)
		width++;
	return width;
}

struct layout layout_of(struct column_type type)
{
	switch (type.type) {
	case VALUE_NONE:
	case VALUE_BOOLEAN:
		return (struct layout){ PHYSICAL_BOOLEAN, 0 };
	case VALUE_INT:
	case VALUE_DATE:
		return (struct layout){ PHYSICAL_INT32, 4 };
	case VALUE_LONG:
	case VALUE_TIME:
	case VALUE_TIMESTAMP:
	case VALUE_TIMESTAMPTZ:
		return (struct layout){ PHYSICAL_INT64, 8 };
	case VALUE_FLOAT:
		return (struct layout){ PHYSICAL_FLOAT, 4 };
	case VALUE_DOUBLE:
		return (struct layout){ PHYSICAL_DOUBLE, 8 };
	case VALUE_DECIMAL:
		if (type.precision <= DECIMAL_INT_PRECISION_MAX)
			return (struct layout){ PHYSICAL_INT32, 4 };
		if (type.precision <= DECIMAL_LONG_PRECISION_MAX)
			return (struct layout){ PHYSICAL_INT64, 8 };
		return (struct layout){ PHYSICAL_FIXED, decimal_width(type.precision) };
	case VALUE_UUID:
		return (struct layout){ PHYSICAL_FIXED, 16 };
	case VALUE_STRING:
	case VALUE_BINARY:
		break;
	}
	return (struct layout){ PHYSICAL_BYTE_ARRAY, 0 };
}

/* ---- schema elements ---- */

static void set_converted(struct schema_element *element, enum converted_type type)
{
	element->converted_type = type;
	element->present |= THRIFT_BIT(SCHEMA_CONVERTED_TYPE);
}

static void set_logical(struct schema_element *element, int id)
{
	element->logical_type.present = THRIFT_BIT(id);
	element->present |= THRIFT_BIT(SCHEMA_LOGICAL_TYPE);
}

static void set_decimal(struct schema_element *element, struct column_type type)
{
	set_logical(element, LOGICAL_DECIMAL);
	set_converted(element, CONVERTED_DECIMAL);
	element->scale = type.scale;
	element->precision = type.precision;
	element->present |= THRIFT_BIT(SCHEMA_SCALE) | THRIFT_BIT(SCHEMA_PRECISION);
	element->logical_type.decimal = (struct decimal_type){
		.present = THRIFT_BIT(1) | THRIFT_BIT(2),
		.scale = type.scale,
		.precision = type.precision,
	};
}

static struct time_type micros_type(bool is_adjusted_to_utc)
{
	return (struct time_type){
		.present = THRIFT_BIT(1) | THRIFT_BIT(2),
		.is_adjusted_to_utc = is_adjusted_to_utc,
		.unit.present = THRIFT_BIT(TIME_UNIT_MICROS),
	};
}

/* The old converted types of time and timestamp mean "adjusted to UTC": only timestamptz is. */
static void set_time(struct schema_element *element, enum value_type type)
{
	bool is_utc = type == VALUE_TIMESTAMPTZ;
	set_logical(element, type == VALUE_TIME ? LOGICAL_TIME : LOGICAL_TIMESTAMP);
	if (type == VALUE_TIME)
		element->logical_type.time = micros_type(is_utc);
	else
		element->logical_type.timestamp = micros_type(is_utc);
	if (is_utc)
		set_converted(element, CONVERTED_TIMESTAMP_MICROS);
}

static void set_annotation(struct schema_element *element, struct column_type type)
{
	switch (type.type) {
	case VALUE_DATE:
		set_logical(element, LOGICAL_DATE);
		set_converted(element, CONVERTED_DATE);
		break;
	case VALUE_TIME:
	case VALUE_TIMESTAMP:
	case VALUE_TIMESTAMPTZ:
		set_time(element, type.type);
		break;
	case VALUE_DECIMAL:
		set_decimal(element, type);
		break;
	case VALUE_STRING:
		set_logical(element, LOGICAL_STRING);
		set_converted(element, CONVERTED_UTF8);
		break;
	case VALUE_UUID:
		set_logical(element, LOGICAL_UUID);
		break;
	default:
		break;
	}
}

struct schema_element layout_schema_element(const struct parquet_column *column, struct bytes name)
{
	struct layout layout = layout_of(column->type);
	struct schema_element element = {
		.present = THRIFT_BIT(SCHEMA_TYPE) | THRIFT_BIT(SCHEMA_REPETITION) |
			   THRIFT_BIT(SCHEMA_NAME) | THRIFT_BIT(SCHEMA_FIELD_ID),
		.type = layout.type,
		.repetition = column->is_required ? REPETITION_REQUIRED : REPETITION_OPTIONAL,
		.name = name,
		.field_id = column->field_id,
	};
	if (layout.type == PHYSICAL_FIXED) {
		element.type_length = layout.width;
		element.present |= THRIFT_BIT(SCHEMA_TYPE_LENGTH);
	}
	set_annotation(&element, column->type);
	return element;
}

static bool is_letter(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
}

static bool is_digit(char c)
{
	return c >= '0' && c <= '9';
}

struct bytes layout_compatible_name(struct arena *arena, const char *name)
{
	struct buffer out = { 0 };
	for (const char *at = name; *at != '\0'; at++) {
		bool is_first = at == name;
		if (is_letter(*at) || (is_digit(*at) && !is_first))
			buffer_append_u8(&out, (uint8_t)*at);
		else if (is_digit(*at))
			buffer_append_format(&out, "_%c", *at);
		else
			buffer_append_format(&out, "_x%X", (uint8_t)*at);
	}
	struct bytes compatible = arena_copy_bytes(arena, buffer_bytes(&out));
	buffer_deinit(&out);
	return compatible;
}

/* ---- what can be read as what ---- */

static bool has_logical(const struct schema_element *element, int id)
{
	return THRIFT_HAS(element, SCHEMA_LOGICAL_TYPE) && THRIFT_HAS(&element->logical_type, id);
}

static bool has_converted(const struct schema_element *element, enum converted_type type)
{
	return THRIFT_HAS(element, SCHEMA_CONVERTED_TYPE) &&
	       element->converted_type == (int32_t)type;
}

static bool has_annotation(const struct schema_element *element)
{
	return THRIFT_HAS(element, SCHEMA_LOGICAL_TYPE) ||
	       THRIFT_HAS(element, SCHEMA_CONVERTED_TYPE);
}

static bool is_integer(const struct schema_element *element, int8_t bit_width)
{
	if (!has_annotation(element))
		return true;
	if (has_logical(element, LOGICAL_INTEGER)) {
		const struct int_type *integer = &element->logical_type.integer;
		return integer->is_signed && integer->bit_width == bit_width;
	}
	return has_converted(element, bit_width == 32 ? CONVERTED_INT_32 : CONVERTED_INT_64);
}

static bool is_micros(const struct schema_element *element, enum value_type type)
{
	bool is_time = type == VALUE_TIME;
	if (has_logical(element, is_time ? LOGICAL_TIME : LOGICAL_TIMESTAMP)) {
		const struct time_type *time =
			is_time ? &element->logical_type.time : &element->logical_type.timestamp;
		return THRIFT_HAS(&time->unit, TIME_UNIT_MICROS);
	}
	return !THRIFT_HAS(element, SCHEMA_LOGICAL_TYPE) &&
	       has_converted(element, is_time ? CONVERTED_TIME_MICROS : CONVERTED_TIMESTAMP_MICROS);
}

static bool is_text(const struct schema_element *element)
{
	return !has_annotation(element) || has_logical(element, LOGICAL_STRING) ||
	       has_logical(element, LOGICAL_ENUM) || has_logical(element, LOGICAL_JSON) ||
	       has_converted(element, CONVERTED_UTF8) || has_converted(element, CONVERTED_ENUM) ||
	       has_converted(element, CONVERTED_JSON);
}

/* A greater precision is a promotion; another scale would change the value. */
static bool is_decimal(const struct schema_element *element, struct column_type type)
{
	int32_t precision, scale;
	if (has_logical(element, LOGICAL_DECIMAL)) {
		precision = element->logical_type.decimal.precision;
		scale = element->logical_type.decimal.scale;
	} else if (has_converted(element, CONVERTED_DECIMAL)) {
		precision = element->precision;
		scale = element->scale;
	} else {
		return false;
	}
	return precision >= 1 && precision <= type.precision && scale == type.scale;
}

static bool find_decimal(
	const struct schema_element *element, struct column_type type, struct layout *out)
{
	if (!is_decimal(element, type))
		return false;
	switch (element->type) {
	case PHYSICAL_INT32:
		*out = (struct layout){ PHYSICAL_INT32, 4 };
		return true;
	case PHYSICAL_INT64:
		*out = (struct layout){ PHYSICAL_INT64, 8 };
		return true;
	case PHYSICAL_BYTE_ARRAY:
		*out = (struct layout){ PHYSICAL_BYTE_ARRAY, 0 };
		return true;
	case PHYSICAL_FIXED:
		*out = (struct layout){ PHYSICAL_FIXED, (uint8_t)element->type_length };
		return element->type_length >= 1 && element->type_length <= 16;
	default:
		return false;
	}
}

static bool is_readable(const struct schema_element *element, enum value_type type)
{
	switch (type) {
	case VALUE_NONE:
	case VALUE_DECIMAL:
		return false;
	case VALUE_BOOLEAN:
	case VALUE_FLOAT:
		return !has_annotation(element);
	case VALUE_DOUBLE:
		return !has_annotation(element);
	case VALUE_INT:
		return is_integer(element, 32);
	case VALUE_LONG:
		return is_integer(element, element->type == PHYSICAL_INT32 ? 32 : 64);
	case VALUE_DATE:
		return has_logical(element, LOGICAL_DATE) || has_converted(element, CONVERTED_DATE);
	case VALUE_TIME:
	case VALUE_TIMESTAMP:
	case VALUE_TIMESTAMPTZ:
		return is_micros(element, type);
	case VALUE_STRING:
		return is_text(element);
	case VALUE_BINARY:
		return !has_annotation(element);
	case VALUE_UUID:
		return element->type_length == 16 &&
		       (!has_annotation(element) || has_logical(element, LOGICAL_UUID));
	}
	return false;
}

bool layout_find(const struct schema_element *element, struct column_type type, struct layout *out)
{
	if (!THRIFT_HAS(element, SCHEMA_TYPE))
		return false;
	if (type.type == VALUE_DECIMAL)
		return find_decimal(element, type, out);
	struct layout layout = layout_of(type);
	if (type.type == VALUE_LONG && element->type == PHYSICAL_INT32)
		layout = (struct layout){ PHYSICAL_INT32, 4 };
	if (type.type == VALUE_DOUBLE && element->type == PHYSICAL_FLOAT)
		layout = (struct layout){ PHYSICAL_FLOAT, 4 };
	*out = layout;
	return element->type == (int32_t)layout.type && is_readable(element, type.type);
}
