/*
 * parquet_fixture_columns.h: the columns of the files that tests/support/parquet_fixtures.py
 * writes.
 */
#ifndef FORMAT_PARQUET_PARQUET_FIXTURE_COLUMNS_H
#define FORMAT_PARQUET_PARQUET_FIXTURE_COLUMNS_H

#include "format/parquet/parquet.h"

enum {
	TYPE_COUNT = 15,
};

static const struct parquet_column COLUMNS[TYPE_COUNT] = {
	{ "a_boolean", 1, { VALUE_BOOLEAN, 0, 0 }, false, 0, 0 },
	{ "an_int", 2, { VALUE_INT, 0, 0 }, true, 0, 0 },
	{ "a_long", 3, { VALUE_LONG, 0, 0 }, false, 0, 0 },
	{ "a_float", 4, { VALUE_FLOAT, 0, 0 }, false, 0, 0 },
	{ "a_double", 5, { VALUE_DOUBLE, 0, 0 }, false, 0, 0 },
	{ "a_small_decimal", 6, { VALUE_DECIMAL, 9, 2 }, false, 0, 0 },
	{ "a_decimal", 7, { VALUE_DECIMAL, 18, 3 }, false, 0, 0 },
	{ "a_wide_decimal", 8, { VALUE_DECIMAL, 38, 10 }, false, 0, 0 },
	{ "a_date", 9, { VALUE_DATE, 0, 0 }, false, 0, 0 },
	{ "a_time", 10, { VALUE_TIME, 0, 0 }, false, 0, 0 },
	{ "a_timestamp", 11, { VALUE_TIMESTAMP, 0, 0 }, false, 0, 0 },
	{ "a_timestamptz", 12, { VALUE_TIMESTAMPTZ, 0, 0 }, false, 0, 0 },
	{ "a_string", 13, { VALUE_STRING, 0, 0 }, false, 0, 0 },
	{ "a_binary", 14, { VALUE_BINARY, 0, 0 }, false, 0, 0 },
	{ "a_uuid", 15, { VALUE_UUID, 0, 0 }, false, 0, 0 },
};

#endif
