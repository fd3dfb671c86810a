#include "event/value.h"

#include <stdio.h>

static const struct {
	const char *name;
	uint8_t width; /* 0: varies */
} TYPES[] = {
	[VALUE_NONE] = { "none", 0 },
	[VALUE_BOOLEAN] = { "boolean", 1 },
	[VALUE_INT] = { "int", 4 },
	[VALUE_LONG] = { "long", 8 },
	[VALUE_FLOAT] = { "float", 4 },
	[VALUE_DOUBLE] = { "double", 8 },
	[VALUE_DECIMAL] = { "decimal", 0 },
	[VALUE_DATE] = { "date", 4 },
	[VALUE_TIME] = { "time", 8 },
	[VALUE_TIMESTAMP] = { "timestamp", 8 },
	[VALUE_TIMESTAMPTZ] = { "timestamptz", 8 },
	[VALUE_STRING] = { "string", 0 },
	[VALUE_UUID] = { "uuid", 16 },
	[VALUE_BINARY] = { "binary", 0 },
};

enum {
	TYPE_COUNT = sizeof TYPES / sizeof TYPES[0]
};

size_t column_type_width(struct column_type type)
{
	if (type.type == VALUE_DECIMAL)
		return type.precision <= DECIMAL_LONG_PRECISION_MAX ? 8 : 16;
	return TYPES[type.type].width;
}

bool value_type_is_number(enum value_type type)
{
	switch (type) {
	case VALUE_INT:
	case VALUE_LONG:
	case VALUE_FLOAT:
	case VALUE_DOUBLE:
	case VALUE_DECIMAL:
		return true;
	default:
		return false;
	}
}

bool column_type_equal(struct column_type a, struct column_type b)
{
	if (a.type != b.type)
		return false;
	return a.type != VALUE_DECIMAL || (a.precision == b.precision && a.scale == b.scale);
}

const char *column_type_format(struct column_type type, char text[COLUMN_TYPE_TEXT_SIZE])
{
	if (type.type == VALUE_DECIMAL)
		snprintf(
			text, COLUMN_TYPE_TEXT_SIZE, "decimal(%u, %u)", type.precision, type.scale);
	else
		snprintf(text, COLUMN_TYPE_TEXT_SIZE, "%s", TYPES[type.type].name);
	return text;
}

static const char *skip_blanks(const char *text)
{
	return text + strspn(text, " ");
}

/* Up to two digits; NULL when there is none or the number is greater than max. */
static const char *parse_number(const char *text, unsigned max, uint8_t *out)
{
	unsigned value = 0;
	size_t digits = strspn(text, "0123456789");
	if (digits == 0 || digits > 2)
		return NULL;
	for (size_t i = 0; i < digits; i++)
		value = value * 10 + (unsigned)(text[i] - '0');
	*out = (uint8_t)value;
	return value <= max ? text + digits : NULL;
}

/* After "decimal": "(P, S)", the blanks are free. */
static bool parse_precision_and_scale(const char *text, struct column_type *out)
{
	text = skip_blanks(text);
	if (*text != '(')
		return false;
	text = parse_number(skip_blanks(text + 1), DECIMAL_PRECISION_MAX, &out->precision);
	if (text == NULL || out->precision == 0 || *(text = skip_blanks(text)) != ',')
		return false;
	text = parse_number(skip_blanks(text + 1), out->precision, &out->scale);
	return text != NULL && strcmp(skip_blanks(text), ")") == 0;
}

bool column_type_parse(const char *text, struct column_type *out)
{
	*out = (struct column_type){ 0 };
	for (int type = VALUE_NONE + 1; type < TYPE_COUNT; type++) {
		size_t size = strlen(TYPES[type].name);
		if (strncmp(text, TYPES[type].name, size) != 0)
			continue;
		out->type = (enum value_type)type;
		if (type == VALUE_DECIMAL)
			return parse_precision_and_scale(text + size, out);
		if (text[size] == '\0')
			return true;
	}
	return false;
}
