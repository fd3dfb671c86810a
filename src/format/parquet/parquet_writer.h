/*
 * parquet_writer.h: batches to one Parquet file, with the metrics that Iceberg wants of it.
 *
 * The file goes to a sink, front to back.  Held in memory is at most one encoded row group and, per
 * column, one page.  Pages are DATA_PAGE v1, compressed with zstd (whose frames carry a checksum);
 * a column chunk with few distinct values is dictionary-encoded, any other is PLAIN, unless the
 * column says otherwise; of a column that is CONSTANT, batches need to hold one row only.
 *
 * Statistics of a column chunk: min and max (left out of a chunk that holds a NaN, because readers
 * disagree on where NaN sorts, and of values longer than 256 bytes) and the count of NULLs.
 * Spec: parquet-format, "parquet.thrift"; Iceberg spec, "Appendix A", "Appendix D".
 */
#ifndef FORMAT_PARQUET_PARQUET_WRITER_H
#define FORMAT_PARQUET_PARQUET_WRITER_H

#include "event/batch.h"
#include "format/parquet/parquet.h"

/* Appends data to the file; errors of any kind pass through the writer unchanged. */
struct parquet_sink {
	bool (*write)(void *context, struct bytes data, struct error *err);
	void *context;
};

/* Zero means the default. */
struct parquet_writer_options {
	int zstd_level; /* 1, which spares the search for repetitions where it gains little */
	size_t row_group_rows;  /* 1,048,576 */
	size_t row_group_bytes; /* 64 MiB, before encoding; a single row may exceed it */
	size_t page_rows;       /* 20,000 */
	size_t page_bytes;      /* 1 MiB, before compression; a single value may exceed it */
	const struct parquet_key_value *key_values; /* for the footer, e.g. "iceberg.schema" */
	size_t key_value_count;
};

/* Of one column in the whole file: the manifest's per-column maps. */
struct parquet_column_metrics {
	int32_t field_id;
	uint64_t column_size; /* bytes in the file, page headers included */
	uint64_t value_count; /* NULLs and NaNs included */
	uint64_t null_count;
	uint64_t nan_count; /* of float and double; else has_nan_count is false */
	bool has_nan_count;
	bool has_lower; /* false when every value is NULL or NaN */
	bool has_upper; /* may be false where lower is there: no greater text of 16 exists */
	struct bytes lower, upper; /* Iceberg's single-value form; -0.0 and +0.0 rules kept */
};

struct parquet_file_info {
	uint64_t record_count;
	uint64_t file_size; /* bytes */
	size_t column_count;
	struct parquet_column_metrics *columns; /* in the order of parquet_writer_open() */
	size_t split_offset_count;
	int64_t *split_offsets; /* where each row group starts, ascending */
};

struct parquet_writer;

/*
 * Columns, options and names are copied.  A name goes to the file in the form that Iceberg's Java
 * library gives it (letters, digits and '_'; others as _x and hexadecimal); readers match by field
 * id.  A column of decimal has a precision of 1 to 38 and a scale up to it, and none is
 * VALUE_NONE.  Fails only when the sink does.
 */
bool parquet_writer_open(const struct parquet_column *columns, size_t column_count,
	const struct parquet_writer_options *options, struct parquet_sink sink,
	struct parquet_writer **out, struct error *err) MUST_CHECK;

/*
 * Append rows of the batch, whose columns have the types given to open: all of them when rows is
 * NULL (row_count is then ignored), else those numbered in rows[], ascending.  Fails as the sink
 * does; with UNSUPPORTED for a NULL in a required column or a value above PARQUET_VALUE_BYTES_MAX,
 * before any row of this call is taken.  After a failed sink only close is allowed.
 */
bool parquet_writer_write(struct parquet_writer *writer, const struct batch *batch,
	const uint32_t *rows, size_t row_count, struct error *err) MUST_CHECK;

/* Of all rows so far, about, for the decision to start the next file. */
uint64_t parquet_writer_size(const struct parquet_writer *writer); /* bytes */

/* Write what is left and the footer; *out lives in arena.  Nothing but close may follow. */
bool parquet_writer_finish(struct parquet_writer *writer, struct arena *arena,
	struct parquet_file_info *out, struct error *err) MUST_CHECK;

void parquet_writer_close(struct parquet_writer *writer); /* NULL too; unfinished is abandoned */

#endif
