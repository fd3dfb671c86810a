/*
 * parquet.h: what the Parquet writer and reader share.
 *
 * Only flat tables: every column is a required or optional primitive at the top.  How a type of
 * the lake is stored follows Iceberg's specification, "Appendix A: Parquet":
 *   boolean BOOLEAN | int INT32 | long INT64 | float FLOAT | double DOUBLE | date INT32 DATE |
 *   time INT64 TIME(micros, not UTC) | timestamp(tz) INT64 TIMESTAMP(micros, UTC when tz) |
 *   decimal INT32 up to precision 9, INT64 up to 18, else FIXED of the least width, big-endian |
 *   string BYTE_ARRAY STRING | binary BYTE_ARRAY | uuid FIXED(16) UUID
 */
#ifndef FORMAT_PARQUET_PARQUET_H
#define FORMAT_PARQUET_PARQUET_H

#include "base/error.h"
#include "event/value.h"

enum {
	PARQUET_COLUMNS_MAX = 10000,
	PARQUET_VALUE_BYTES_MAX = 1 << 30, /* of one string or binary value */
};

/* What becomes of a string or binary column's smallest and greatest value in its metrics. */
enum parquet_bounds {
	PARQUET_BOUNDS_TRUNCATE = 0, /* to 16 code points or bytes: Iceberg's default */
	PARQUET_BOUNDS_FULL,         /* whole: file_path of position deletes */
	PARQUET_BOUNDS_NONE,
};

/* How the writer lays a column's values down. */
enum parquet_encoding {
	PARQUET_ENCODING_USUAL = 0, /* by a dictionary while it pays, else PLAIN */
	PARQUET_ENCODING_DELTA,    /* DELTA_BINARY_PACKED: what lies as INT32 or INT64, ascending */
	PARQUET_ENCODING_CONSTANT, /* of texts: each row has the value of the batch's row 0 */
};

struct parquet_column {
	const char *name; /* the table's name of it; see parquet_writer_open() */
	int32_t field_id;
	struct column_type type;
	bool is_required;
	enum parquet_bounds bounds; /* of the writer */
	enum parquet_encoding encoding;
};

struct parquet_key_value {
	const char *key;
	const char *value;
};

#endif
