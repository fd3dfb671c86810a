/*
 * parquet_reader.h: columns of a Parquet file to batches.
 *
 * Reads walberg's own files and those of others inside these limits: flat columns found by field
 * id (nested columns beside them are passed over), encodings PLAIN, RLE_DICTIONARY,
 * PLAIN_DICTIONARY and RLE (booleans), data pages v1 and v2, codecs none, zstd and gzip.  Anything
 * else is UNSUPPORTED; bytes that contradict themselves are CORRUPT; an option's limit is LIMIT;
 * errors of the source pass through.
 *
 * Memory: the footer, and per chosen column one compressed and one decompressed page and the
 * dictionary.  One reader belongs to one thread.
 */
#ifndef FORMAT_PARQUET_PARQUET_READER_H
#define FORMAT_PARQUET_PARQUET_READER_H

#include "event/batch.h"
#include "format/parquet/parquet.h"

struct parquet_source {
	uint64_t size; /* of the file, bytes */
	/* Exactly size bytes from offset, which lie inside the file. */
	bool (*read_at)(void *context, uint64_t offset, void *out, size_t size, struct error *err);
	void *context;
};

/* Zero means the default. */
struct parquet_reader_options {
	size_t footer_bytes_max; /* 32 MiB; decoded it may take 16 times that */
	size_t page_bytes_max;   /* 1 GiB + 1 MiB, decompressed */
	size_t read_ahead_bytes; /* 256 KiB a column */
};

struct parquet_reader;

/*
 * The file must hold each expected column in its type, or in one that Iceberg promotes to it (int
 * to long, float to double, a decimal to a greater precision): else UNSUPPORTED.  A column that the
 * file lacks is read as NULL; UNSUPPORTED when it is required.  The columns are copied.  options
 * may be NULL.
 */
bool parquet_reader_open(const struct parquet_source *source, const struct parquet_column *expected,
	size_t expected_count, const struct parquet_reader_options *options,
	struct parquet_reader **out, struct error *err) MUST_CHECK;
void parquet_reader_close(struct parquet_reader *reader); /* NULL too */

uint64_t parquet_reader_row_count(const struct parquet_reader *reader); /* of the file */
size_t parquet_reader_row_group_count(const struct parquet_reader *reader);
uint64_t parquet_reader_row_group_rows(const struct parquet_reader *reader, size_t row_group);

/* The footer's value of a key, in the reader; false when it is not there. */
bool parquet_reader_key_value(
	const struct parquet_reader *reader, const char *key, struct bytes *out);

/*
 * The least and greatest value of an expected column in a row group, in the batch's form (width
 * bytes, or the text); false when the file does not say.  NULL and NaN may occur beside them.  The
 * views live in the reader until the next call.
 */
bool parquet_reader_bounds(struct parquet_reader *reader, size_t row_group, size_t column,
	struct bytes *lower, struct bytes *upper);

/* Go to the first row of a row group.  columns are indexes into expected, in the order wanted. */
bool parquet_reader_begin(struct parquet_reader *reader, size_t row_group, const size_t *columns,
	size_t column_count, struct error *err) MUST_CHECK;

/*
 * Append the next rows of the row group, at most rows_max, to out, whose columns are those of
 * begin with their expected types.  *got is less than rows_max only at the end of the row group.
 * After a failure out holds its earlier rows only and the reader must begin again.
 */
bool parquet_reader_next(struct parquet_reader *reader, struct batch *out, size_t rows_max,
	size_t *got, struct error *err) MUST_CHECK;

/* Pass over rows of the row group (at most those left); whole pages are not even decompressed. */
bool parquet_reader_skip(
	struct parquet_reader *reader, uint64_t rows, struct error *err) MUST_CHECK;

#endif
