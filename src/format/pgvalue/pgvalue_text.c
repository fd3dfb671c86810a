#include "base/calendar.h"
#include "format/pgvalue/pgvalue_internal.h"

#include <math.h>
#include <stdlib.h>

/* A text that is read from its start; a step that does not match sets failed, once and for all. */
struct scan {
	const uint8_t *at;
	const uint8_t *end;
	bool failed;
};

static struct scan scan_of(struct bytes text)
{
	if (text.size == 0)
		text = BYTES_LITERAL(""); /* an empty slice may have no address */
	return (struct scan){ .at = text.data, .end = text.data + text.size };
}

static bool scan_done(const struct scan *scan)
{
	return !scan->failed && scan->at == scan->end;
}

static bool is_digit(uint8_t byte)
{
	return byte >= '0' && byte <= '9';
}

static bool scan_sees(const struct scan *scan, char byte)
{
	return scan->at < scan->end && *scan->at == (uint8_t)byte;
}

static bool scan_skip(struct scan *scan, char byte)
{
	const bool sees = scan_sees(scan, byte);
	scan->at += sees;
	return sees;
}

static void scan_expect(struct scan *scan, char byte)
{
	scan->failed |= !scan_skip(scan, byte);
}

static bool scan_skip_text(struct scan *scan, struct bytes text)
{
	const bool sees = (size_t)(scan->end - scan->at) >= text.size &&
			  memcmp(scan->at, text.data, text.size) == 0;
	scan->at += sees ? text.size : 0;
	return sees;
}

/* A number of digits_min to digits_max digits (at most 18). */
static int64_t scan_number(struct scan *scan, int digits_min, int digits_max)
{
	int64_t value = 0;
	int digits = 0;
	for (; digits < digits_max && scan->at < scan->end && is_digit(*scan->at); digits++)
		value = value * 10 + (*scan->at++ - '0');
	scan->failed |= digits < digits_min;
	return value;
}

static bool text_is(struct bytes text, const char *word)
{
	return bytes_equal(text, bytes_of_cstring(word));
}

static bool is_infinite(struct bytes text, const char *infinity)
{
	if (text.size > 0 && text.data[0] == '-')
		text = bytes_of(text.data + 1, text.size - 1);
	return text_is(text, infinity);
}

enum pgvalue_fault pgvalue_text_boolean(struct column *column, struct bytes wire)
{
	if (!text_is(wire, "t") && !text_is(wire, "f"))
		return PGVALUE_MALFORMED;
	*(uint8_t *)column_push_fixed(column) = wire.data[0] == 't';
	return PGVALUE_FITS;
}

/* A whole number of at most 19 digits; -max - 1 to max. */
static bool parse_integer(struct bytes text, int64_t max, int64_t *out)
{
	struct scan scan = scan_of(text);
	const bool is_negative = scan_skip(&scan, '-');
	uint64_t value = (uint64_t)scan_number(&scan, 1, 18);
	if (scan.at < scan.end)
		value = value * 10 + (uint64_t)scan_number(&scan, 1, 1);
	*out = (int64_t)(is_negative ? -value : value);
	return scan_done(&scan) && value <= (uint64_t)max + is_negative;
}

enum pgvalue_fault pgvalue_text_int(struct column *column, struct bytes wire)
{
	int64_t parsed;
	if (!parse_integer(wire, INT32_MAX, &parsed))
		return PGVALUE_MALFORMED;
	const int32_t value = (int32_t)parsed;
	memcpy(column_push_fixed(column), &value, sizeof value);
	return PGVALUE_FITS;
}

enum pgvalue_fault pgvalue_text_long(struct column *column, struct bytes wire)
{
	int64_t value;
	if (!parse_integer(wire, INT64_MAX, &value))
		return PGVALUE_MALFORMED;
	memcpy(column_push_fixed(column), &value, sizeof value);
	return PGVALUE_FITS;
}

enum {
	FLOAT_TEXT_SIZE_MAX =
		64, /* the shortest exact form of a double has at most 24 characters */
};

/* NUL-terminates what strtod would read in full: a decimal number, NaN or Infinity. */
static bool copy_float_text(struct bytes text, char out[FLOAT_TEXT_SIZE_MAX])
{
	if (text.size == 0 || text.size >= FLOAT_TEXT_SIZE_MAX)
		return false;
	memcpy(out, text.data, text.size);
	out[text.size] = '\0';
	return strspn(out, "+-.0123456789eE") == text.size || text_is(text, "NaN") ||
	       is_infinite(text, "Infinity");
}

enum pgvalue_fault pgvalue_text_float(struct column *column, struct bytes wire)
{
	char text[FLOAT_TEXT_SIZE_MAX];
	if (!copy_float_text(wire, text))
		return PGVALUE_MALFORMED;
	char *end;
	const float value = strtof(text, &end);
	if (*end != '\0' || (isinf(value) && !is_infinite(wire, "Infinity")))
		return PGVALUE_MALFORMED;
	pgvalue_push_float(column, value);
	return PGVALUE_FITS;
}

enum pgvalue_fault pgvalue_text_double(struct column *column, struct bytes wire)
{
	char text[FLOAT_TEXT_SIZE_MAX];
	if (!copy_float_text(wire, text))
		return PGVALUE_MALFORMED;
	char *end;
	const double value = strtod(text, &end);
	if (*end != '\0' || (isinf(value) && !is_infinite(wire, "Infinity")))
		return PGVALUE_MALFORMED;
	pgvalue_push_double(column, value);
	return PGVALUE_FITS;
}

/* Digits of a decimal number, as long as they fit. */
struct digits {
	unsigned __int128 value;
	int count; /* without zeros in front */
};

/* False when more than max digits are significant. */
static bool digits_push(struct digits *digits, unsigned digit, int max)
{
	digits->value = digits->value * 10 + digit;
	digits->count += digits->count > 0 || digit > 0;
	return digits->count <= max;
}

/* [-]digits[.digits]; the fraction is filled up with zeros to the type's scale. */
enum pgvalue_fault pgvalue_text_decimal(struct column *column, struct bytes wire)
{
	if (text_is(wire, "NaN"))
		return PGVALUE_NAN;
	if (is_infinite(wire, "Infinity"))
		return PGVALUE_INFINITE;
	struct scan scan = scan_of(wire);
	const bool is_negative = scan_skip(&scan, '-');
	struct digits digits = { 0 };
	bool fits = true;
	scan.failed = scan.at == scan.end || !is_digit(*scan.at);
	for (; scan.at < scan.end && is_digit(*scan.at); scan.at++)
		fits = fits && digits_push(&digits, *scan.at - '0', column->type.precision);
	int scale = 0;
	if (scan_skip(&scan, '.')) {
		for (; scan.at < scan.end && is_digit(*scan.at); scan.at++, scale++) {
			if (scale < column->type.scale)
				fits = fits &&
				       digits_push(&digits, *scan.at - '0', column->type.precision);
			else
				fits = fits && *scan.at == '0';
		}
		scan.failed |= scale == 0;
	}
	if (!scan_done(&scan))
		return PGVALUE_MALFORMED;
	for (; scale < column->type.scale; scale++)
		fits = fits && digits_push(&digits, 0, column->type.precision);
	if (!fits)
		return PGVALUE_TOO_PRECISE;
	pgvalue_push_decimal(column, digits.value, is_negative);
	return PGVALUE_FITS;
}

/* YYYY-MM-DD, the year of four to seven digits; " BC" may follow later. */
static struct calendar_date scan_date(struct scan *scan)
{
	struct calendar_date date = { 0 };
	date.year = scan_number(scan, 4, 7);
	scan_expect(scan, '-');
	date.month = (unsigned)scan_number(scan, 2, 2);
	scan_expect(scan, '-');
	date.day = (unsigned)scan_number(scan, 2, 2);
	return date;
}

/* The era, which ends a date or timestamp: days since 1970; fails for a day that is none. */
static int64_t scan_era(struct scan *scan, struct calendar_date date)
{
	const bool is_bc = scan_skip_text(scan, BYTES_LITERAL(" BC"));
	scan->failed |= date.year == 0;
	if (is_bc)
		date.year = 1 - date.year;
	scan->failed |= !calendar_is_date(date);
	return scan->failed ? 0 : calendar_days(date);
}

/* HH:MM:SS[.ffffff], up to 24:00:00: microseconds. */
static int64_t scan_time(struct scan *scan)
{
	const int64_t hours = scan_number(scan, 2, 2);
	scan_expect(scan, ':');
	const int64_t minutes = scan_number(scan, 2, 2);
	scan_expect(scan, ':');
	const int64_t seconds = scan_number(scan, 2, 2);
	int64_t micros = 0;
	if (scan_skip(scan, '.')) {
		const uint8_t *start = scan->at;
		micros = scan_number(scan, 1, 6);
		for (int64_t digits = scan->at - start; digits < 6; digits++)
			micros *= 10;
	}
	scan->failed |= hours > 24 || minutes > 59 || seconds > 59;
	micros += ((hours * 60 + minutes) * 60 + seconds) * MICROS_PER_SECOND;
	scan->failed |= micros > MICROS_PER_DAY;
	return micros;
}

enum {
	ZONE_DAYS_MAX = 5 /* two digits of hours, and then some */
};

/* +HH[:MM[:SS]], east of UTC: seconds. */
static int64_t scan_zone(struct scan *scan)
{
	const bool is_west = scan_sees(scan, '-');
	if (!scan_skip(scan, '-'))
		scan_expect(scan, '+');
	int64_t seconds = scan_number(scan, 2, 2) * 3600;
	if (scan_skip(scan, ':'))
		seconds += scan_number(scan, 2, 2) * 60;
	if (scan_skip(scan, ':'))
		seconds += scan_number(scan, 2, 2);
	return is_west ? -seconds : seconds;
}

enum pgvalue_fault pgvalue_text_date(struct column *column, struct bytes wire)
{
	if (is_infinite(wire, "infinity"))
		return PGVALUE_INFINITE;
	struct scan scan = scan_of(wire);
	const struct calendar_date date = scan_date(&scan);
	const int64_t days = scan_era(&scan, date);
	return scan_done(&scan) ? pgvalue_push_date(column, days) : PGVALUE_MALFORMED;
}

enum pgvalue_fault pgvalue_text_time(struct column *column, struct bytes wire)
{
	struct scan scan = scan_of(wire);
	const int64_t micros = scan_time(&scan);
	return scan_done(&scan) ? pgvalue_push_time(column, micros) : PGVALUE_MALFORMED;
}

/* DATE TIME[ZONE][ BC] */
static enum pgvalue_fault append_timestamp(struct column *column, struct bytes wire, bool has_zone)
{
	if (is_infinite(wire, "infinity"))
		return PGVALUE_INFINITE;
	struct scan scan = scan_of(wire);
	const struct calendar_date date = scan_date(&scan);
	scan_expect(&scan, ' ');
	int64_t micros = scan_time(&scan);
	if (has_zone)
		micros -= scan_zone(&scan) * MICROS_PER_SECOND;
	const int64_t days = scan_era(&scan, date);
	if (!scan_done(&scan))
		return PGVALUE_MALFORMED;
	/* A day that no zone brings back into the range has no product that fits, either. */
	if (days < DAYS_MIN - ZONE_DAYS_MAX || days > DAYS_MAX + ZONE_DAYS_MAX)
		return PGVALUE_OUT_OF_RANGE;
	return pgvalue_push_timestamp(column, micros + days * MICROS_PER_DAY);
}

enum pgvalue_fault pgvalue_text_timestamp(struct column *column, struct bytes wire)
{
	return append_timestamp(column, wire, false);
}

enum pgvalue_fault pgvalue_text_timestamptz(struct column *column, struct bytes wire)
{
	return append_timestamp(column, wire, true);
}

/* 0 to 15; 16 for what is no hexadecimal digit. */
static unsigned hex_value(uint8_t byte)
{
	if (is_digit(byte))
		return byte - '0';
	const uint8_t lower = byte | 0x20;
	return lower >= 'a' && lower <= 'f' ? lower - 'a' + 10u : 16;
}

/* Two digits; fails, and yields 0, when they are none. */
static uint8_t scan_hex_byte(struct scan *scan)
{
	if (scan->failed || scan->end - scan->at < 2) {
		scan->failed = true;
		return 0;
	}
	const unsigned high = hex_value(scan->at[0]), low = hex_value(scan->at[1]);
	scan->failed = high > 15 || low > 15;
	scan->at += 2;
	return (uint8_t)(high << 4 | low);
}

enum pgvalue_fault pgvalue_text_uuid(struct column *column, struct bytes wire)
{
	struct scan scan = scan_of(wire);
	uint8_t uuid[16];
	for (int i = 0; i < 16; i++) {
		if (i == 4 || i == 6 || i == 8 || i == 10)
			scan_expect(&scan, '-');
		uuid[i] = scan_hex_byte(&scan);
	}
	if (!scan_done(&scan))
		return PGVALUE_MALFORMED;
	memcpy(column_push_fixed(column), uuid, sizeof uuid);
	return PGVALUE_FITS;
}

/* \x and two hexadecimal digits a byte (bytea_output = hex). */
enum pgvalue_fault pgvalue_text_bytea(struct column *column, struct bytes wire)
{
	struct scan scan = scan_of(wire);
	if (!scan_skip_text(&scan, BYTES_LITERAL("\\x")))
		return PGVALUE_MALFORMED;
	const size_t size = (wire.size - 2) / 2;
	if (size > UINT32_MAX - column->data.size)
		return PGVALUE_TOO_LONG;
	buffer_reserve(&column->data, size + 1); /* an address even for nothing */
	uint8_t *room = column->data.data + column->data.size;
	for (size_t i = 0; i < size; i++)
		room[i] = scan_hex_byte(&scan);
	if (!scan_done(&scan))
		return PGVALUE_MALFORMED;
	column->data.size += size;
	column_finish_bytes(column);
	return PGVALUE_FITS;
}
