/*
 * pgvalue.h: PostgreSQL's types and values to the lake's, and the lake's values as PostgreSQL
 * writes them.
 *
 * Binary and text form of a value give the same bytes in the lake.  No value is changed silently
 * (I10): what the lake's type cannot hold is a fault, and nothing is appended.  Two things count
 * as the same value: all NaNs are one, and uuids have no case.
 *
 * The text forms are those of sessions with DateStyle ISO, bytea_output hex, UTF8 and
 * extra_float_digits >= 1, in any time zone.
 * Spec: PostgreSQL manual, "Data Types"; binary forms: the *_send functions of its sources.
 */
#ifndef FORMAT_PGVALUE_PGVALUE_H
#define FORMAT_PGVALUE_PGVALUE_H

#include "event/batch.h"

/*
 * The lake's type of a PostgreSQL type; false when there is none: the type is not captured.
 * typtype is pg_type.typtype; a domain ('d') has to be resolved to its base type and modifier
 * first.  numeric needs a precision, of at most 38 digits once its scale lies in 0..precision.
 */
bool pgvalue_type(uint32_t type_oid, int32_t type_modifier, char typtype, struct column_type *out);

/* Why a value does not go into its column. */
enum pgvalue_fault {
	PGVALUE_FITS = 0,
	PGVALUE_MALFORMED,    /* not a value of this type at all */
	PGVALUE_NAN,          /* numeric */
	PGVALUE_INFINITE,     /* numeric, date, timestamp, timestamptz */
	PGVALUE_TOO_PRECISE,  /* numeric with more digits, before or after the point, than its type
			       */
	PGVALUE_OUT_OF_RANGE, /* a date or timestamp outside of the years 0001 to 9999 */
	PGVALUE_END_OF_DAY,   /* time 24:00:00 */
	PGVALUE_NOT_UTF8,     /* text of a database in SQL_ASCII */
	PGVALUE_TOO_LONG,     /* the bytes of this column in one batch would pass 4 GB */
};

struct pgvalue_decoder {
	enum pgvalue_fault (*append_binary)(struct column *column, struct bytes wire);
	enum pgvalue_fault (*append_text)(struct column *column, struct bytes wire);
};

/* type is what pgvalue_type() says of type_oid; chosen once per column. */
struct pgvalue_decoder pgvalue_decoder_of(uint32_t type_oid, struct column_type type);

/* wire_kind: 'b' or 't', as in pgoutput; COPY in binary is 'b'. */
static inline enum pgvalue_fault pgvalue_append(const struct pgvalue_decoder *decoder,
	uint8_t wire_kind, struct bytes wire, struct column *column)
{
	return wire_kind == 'b' ? decoder->append_binary(column, wire)
				: decoder->append_text(column, wire);
}

/*
 * Fills err and returns false: column "price" of relation cannot take a value: it is infinite...
 * The kind is UNSUPPORTED, for PGVALUE_MALFORMED it is CORRUPT, for PGVALUE_TOO_LONG it is LIMIT.
 */
bool pgvalue_set_error(struct error *err, enum pgvalue_fault fault, const struct relation *relation,
	size_t column_index);

/* As PostgreSQL shows it (timestamptz in UTC); nothing for NULL. */
void pgvalue_format(struct buffer *out, const struct column *column, size_t row);

#endif
