/*
 * parquet_fixture_types.h: the columns of the files that tests/support/parquet_fixtures.py writes,
 * by field id.
 */
#ifndef FORMAT_PARQUET_PARQUET_FIXTURE_TYPES_H
#define FORMAT_PARQUET_PARQUET_FIXTURE_TYPES_H

#include "event/value.h"

enum {
	TYPE_COUNT = 15
};

static const struct column_type TYPES[TYPE_COUNT] = { { VALUE_BOOLEAN, 0, 0 }, { VALUE_INT, 0, 0 },
	{ VALUE_LONG, 0, 0 }, { VALUE_FLOAT, 0, 0 }, { VALUE_DOUBLE, 0, 0 },
	{ VALUE_DECIMAL, 9, 2 }, { VALUE_DECIMAL, 18, 3 }, { VALUE_DECIMAL, 38, 10 },
	{ VALUE_DATE, 0, 0 }, { VALUE_TIME, 0, 0 }, { VALUE_TIMESTAMP, 0, 0 },
	{ VALUE_TIMESTAMPTZ, 0, 0 }, { VALUE_STRING, 0, 0 }, { VALUE_BINARY, 0, 0 },
	{ VALUE_UUID, 0, 0 } };

#endif
