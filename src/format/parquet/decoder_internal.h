/*
 * decoder_internal.h: the pages of one column chunk to values of a batch's column.
 */
#ifndef FORMAT_PARQUET_DECODER_INTERNAL_H
#define FORMAT_PARQUET_DECODER_INTERNAL_H

#include "event/batch.h"
#include "format/parquet/delta_internal.h"
#include "format/parquet/layout_internal.h"
#include "format/parquet/pages_internal.h"
#include "format/parquet/rle_internal.h"

/* Where a column's values come from and what they become. */
struct decoder_column {
	const char *name;
	struct column_type type; /* of the batch */
	struct layout layout;    /* of the file */
	bool is_optional;        /* the file has levels */
	bool is_required;        /* NULL is an error */
};

enum value_source {
	VALUES_PLAIN = 1,
	VALUES_DICTIONARY,
	VALUES_RLE, /* booleans of v2 pages */
	VALUES_DELTA,
};

struct decoder {
	struct decoder_column column;
	struct pages pages;
	uint64_t rows_left; /* of the chunk, those of the page at hand included */

	struct buffer dictionary_page; /* texts point into it */
	struct buffer dictionary;      /* values in the batch's form, or struct bytes */
	size_t dictionary_count;
	bool has_dictionary;

	struct buffer page;
	size_t page_rows_left;
	enum value_source source;
	struct rle_decoder levels, indices; /* indices: also the booleans of VALUES_RLE */
	struct delta_decoder delta;
	struct bytes plain; /* what is left of PLAIN values */
	unsigned plain_bit; /* the next boolean's bit in its first byte */
};

/* pages have begun. */
void decoder_begin(
	struct decoder *decoder, const struct decoder_column *column, uint64_t row_count);
void decoder_deinit(struct decoder *decoder);

/* Append rows values; as many rows are left.  After a failure the column has too many values. */
bool decoder_read(
	struct decoder *decoder, struct column *out, size_t rows, struct error *err) MUST_CHECK;
bool decoder_skip(struct decoder *decoder, uint64_t rows, struct error *err) MUST_CHECK;

/*
 * count PLAIN values of fixed size from the front of *plain in the batch's form; false when there
 * are fewer or when one does not fit.
 */
bool decode_plain(
	const struct decoder_column *column, struct bytes *plain, void *out, size_t count);

#endif
