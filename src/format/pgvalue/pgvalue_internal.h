/*
 * pgvalue_internal.h: what the binary and the text decoders share.
 */
#ifndef FORMAT_PGVALUE_PGVALUE_INTERNAL_H
#define FORMAT_PGVALUE_PGVALUE_INTERNAL_H

#include "base/micros.h"
#include "format/pgvalue/pgvalue.h"

/* src/include/catalog/pg_type.dat */
enum {
	OID_BOOL = 16,
	OID_BYTEA = 17,
	OID_NAME = 19,
	OID_INT8 = 20,
	OID_INT2 = 21,
	OID_INT4 = 23,
	OID_TEXT = 25,
	OID_JSON = 114,
	OID_FLOAT4 = 700,
	OID_FLOAT8 = 701,
	OID_BPCHAR = 1042,
	OID_VARCHAR = 1043,
	OID_DATE = 1082,
	OID_TIME = 1083,
	OID_TIMESTAMP = 1114,
	OID_TIMESTAMPTZ = 1184,
	OID_NUMERIC = 1700,
	OID_UUID = 2950,
	OID_JSONB = 3802,
};

enum {
	DAYS_1970_TO_2000 = 10957,
	DAYS_MIN = -719162, /* 0001-01-01 */
	DAYS_MAX = 2932896, /* 9999-12-31 */
};

extern const unsigned __int128 PGVALUE_POWERS_OF_10[DECIMAL_PRECISION_MAX + 1];

/* digits fit into the type's precision (or the negated value's do). */
void pgvalue_push_decimal(struct column *column, unsigned __int128 digits, bool is_negative);

enum pgvalue_fault pgvalue_push_date(struct column *column, int64_t days);
enum pgvalue_fault pgvalue_push_time(struct column *column, int64_t micros);
enum pgvalue_fault pgvalue_push_timestamp(struct column *column, int64_t micros); /* since 1970 */
void pgvalue_push_float(struct column *column, float value);
void pgvalue_push_double(struct column *column, double value);

/* The same in both forms: text, varchar, bpchar, name, json, enums; jsonb as text. */
enum pgvalue_fault pgvalue_append_string(struct column *column, struct bytes wire);

enum pgvalue_fault pgvalue_binary_boolean(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_binary_int(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_binary_long(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_binary_float(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_binary_double(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_binary_decimal(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_binary_date(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_binary_time(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_binary_timestamp(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_binary_uuid(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_binary_bytea(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_binary_jsonb(struct column *column, struct bytes wire);

enum pgvalue_fault pgvalue_text_boolean(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_text_int(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_text_long(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_text_float(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_text_double(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_text_decimal(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_text_date(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_text_time(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_text_timestamp(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_text_timestamptz(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_text_uuid(struct column *column, struct bytes wire);
enum pgvalue_fault pgvalue_text_bytea(struct column *column, struct bytes wire);

#endif
