/*
 * value.h: the types of a column in the lake, and how a value lies in memory.
 *
 * They are Iceberg's primitive types ("Primitive Types").  A fixed-size value lies in host byte
 * order in VALUE_WIDTH bytes:
 *   boolean 1 (0 or 1) | int, date 4 | float 4 | long, time, timestamp, timestamptz, double 8 |
 *   decimal 8 up to precision 18, else 16 (__int128), unscaled | uuid 16, as in its text form
 * string (UTF-8) and binary have no fixed size.  date is days, time microseconds of the day,
 * timestamps microseconds, since 1970-01-01.
 */
#ifndef EVENT_VALUE_H
#define EVENT_VALUE_H

#include "base/bytes.h"

enum value_type {
	VALUE_NONE = 0,
	VALUE_BOOLEAN,
	VALUE_INT,
	VALUE_LONG,
	VALUE_FLOAT,
	VALUE_DOUBLE,
	VALUE_DECIMAL,
	VALUE_DATE,
	VALUE_TIME,
	VALUE_TIMESTAMP,
	VALUE_TIMESTAMPTZ,
	VALUE_STRING,
	VALUE_UUID,
	VALUE_BINARY,
};

enum {
	DECIMAL_PRECISION_MAX = 38,
	DECIMAL_LONG_PRECISION_MAX = 18, /* up to here an int64 holds it */
};

struct column_type {
	enum value_type type;
	uint8_t precision; /* decimal only */
	uint8_t scale;     /* decimal only */
};

size_t column_type_width(struct column_type type); /* bytes of a value; 0 for string, binary */
bool value_type_is_number(enum value_type type);
bool column_type_equal(struct column_type a, struct column_type b);

/* Iceberg's spelling: "long", "decimal(18, 2)". Fits in COLUMN_TYPE_TEXT_SIZE. */
enum {
	COLUMN_TYPE_TEXT_SIZE = 24
};
const char *column_type_format(struct column_type type, char text[COLUMN_TYPE_TEXT_SIZE]);
bool column_type_parse(const char *text, struct column_type *out);

#endif
