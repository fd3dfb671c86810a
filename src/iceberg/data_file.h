/*
 * data_file.h: a data or delete file, as manifests describe it.
 *
 * Spec: Iceberg, "Manifests", struct data_file.
 */
#ifndef ICEBERG_DATA_FILE_H
#define ICEBERG_DATA_FILE_H

#include "base/arena.h"

enum file_content {
	FILE_CONTENT_DATA = 0,
	FILE_CONTENT_POSITION_DELETES = 1, /* also deletion vectors */
	FILE_CONTENT_EQUALITY_DELETES = 2, /* read, never written (I7) */
};

/* Of one column of one file.  Each part is there or not on its own. */
struct column_metrics {
	int32_t field_id;
	bool has_size;
	bool has_value_count;
	bool has_null_count;
	bool has_nan_count; /* float and double only */
	bool has_lower;
	bool has_upper;
	int64_t size_bytes;
	int64_t value_count; /* NULLs and NaNs included */
	int64_t null_count;
	int64_t nan_count;
	struct bytes lower; /* single-value form ("Appendix D"); may be truncated */
	struct bytes upper;
};

struct data_file {
	enum file_content content;
	const char *path;   /* absolute URI, the same spelling wherever the file is named */
	const char *format; /* "PARQUET", "PUFFIN", ... */
	int64_t record_count;
	int64_t file_size_in_bytes;

	size_t column_count;
	struct column_metrics *columns;

	size_t split_offset_count; /* 0: not given */
	int64_t *split_offsets;    /* starts of the row groups, ascending */
	size_t equality_id_count;  /* of equality deletes */
	int32_t *equality_ids;

	bool has_sort_order_id;
	bool has_first_row_id; /* v3 */
	bool has_content;      /* v3: content_offset and content_size_in_bytes */
	int32_t sort_order_id;
	int64_t first_row_id;
	int64_t content_offset;
	int64_t content_size_in_bytes;

	const char *referenced_data_file; /* the one data file that all deletes are for, or NULL */
	struct bytes key_metadata;        /* empty: not encrypted */
	size_t partition_field_count;     /* read only: of a partitioned table */
};

/* The file that deletes of this file apply to, if it is one alone: referenced_data_file, or where
 * the bounds of file_path name one ("Position Delete Files"); else NULL.  In the arena. */
const char *data_file_target(const struct data_file *file, struct arena *arena);

/* All of it in the arena. */
struct data_file data_file_copy(const struct data_file *file, struct arena *arena);

enum {
	FIELD_ID_DELETE_FILE_PATH = 2147483546, /* columns of a position delete file */
	FIELD_ID_DELETE_POSITION = 2147483545,
};

#endif
