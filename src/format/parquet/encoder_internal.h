/*
 * encoder_internal.h: the values of one column to the pages of its chunks.
 *
 * A chunk begins with a dictionary when its first values look as if one paid; it goes on in PLAIN
 * when the dictionary fills up.  A column of differences or of one value is what it says.  The
 * pages of a chunk stay in memory until the chunk is taken.
 */
#ifndef FORMAT_PARQUET_ENCODER_INTERNAL_H
#define FORMAT_PARQUET_ENCODER_INTERNAL_H

#include "event/batch.h"
#include "format/parquet/bounds.h"
#include "format/parquet/compressor_internal.h"
#include "format/parquet/dictionary_internal.h"
#include "format/parquet/layout_internal.h"

enum {
	ENCODER_SLICE_ROWS_MAX = 1024 /* rows of one encoder_append(), and of its scratch space */
};

/* Working space that all columns of a file share. */
struct encoder_scratch {
	struct compressor *compressor;
	struct buffer levels; /* the encoded levels of a page */
	struct buffer wide;   /* uint32_t a level */
	struct buffer packed; /* the values of a page of differences */
};

struct encoder_limits {
	size_t page_rows, page_bytes;
};

enum dictionary_use {
	DICTIONARY_OFF = 0,
	DICTIONARY_TRYING, /* not one page is written yet */
	DICTIONARY_ON,
};

struct page_counts {
	size_t dictionary, plain, delta;
};

struct encoder {
	struct parquet_column column; /* name in the file */
	struct layout layout;
	struct encoder_limits limits;

	/* the page being filled */
	size_t row_count, value_count; /* value_count without NULLs */
	size_t plain_size;     /* bytes that its values take, or would take, in PLAIN form */
	struct buffer levels;  /* u8 a row; optional columns only */
	struct buffer plain;   /* gap for the levels | values; a boolean in a byte each */
	struct buffer indices; /* uint32_t a value, while the dictionary is in use */

	/* the chunk */
	enum dictionary_use use;
	struct dictionary dictionary;
	struct buffer pages; /* finished data pages with their headers */
	struct page_counts page_counts;
	uint64_t chunk_rows, chunk_nulls;
	enum compression compression;
	size_t uncompressed_size; /* of finished pages with their headers */
	struct value_range chunk_range;

	/* the file */
	uint64_t file_rows, file_nulls, file_size;
	struct value_range file_range;
};

/* What the footer wants to know of a chunk; the bytes stay in the encoder until the next append. */
struct encoded_chunk {
	struct bytes dictionary_page; /* empty when there is none */
	struct bytes data_pages;
	size_t uncompressed_size; /* of both, before compression */
	struct page_counts page_counts;
	uint64_t row_count, null_count;
};

void encoder_init(
	struct encoder *encoder, const struct parquet_column *column, struct encoder_limits limits);
void encoder_deinit(struct encoder *encoder);

static inline bool encoder_is_constant(const struct encoder *encoder)
{
	return encoder->column.encoding == PARQUET_ENCODING_CONSTANT;
}

/*
 * Rows start to start + count of the column, or those rows[start] to rows[start + count - 1] names.
 * At most ENCODER_SLICE_ROWS_MAX.  UNSUPPORTED for a decimal beyond its precision.
 */
bool encoder_append(struct encoder *encoder, const struct column *column, const uint32_t *rows,
	size_t start, size_t count, struct encoder_scratch *scratch, struct error *err) MUST_CHECK;

/* Ends the chunk; the next append begins another after encoder_begin_chunk(). */
void encoder_finish_chunk(struct encoder *encoder, struct encoder_scratch *scratch,
	struct buffer *dictionary_page, struct encoded_chunk *out);
void encoder_begin_chunk(struct encoder *encoder);

/* A value of fixed size (not boolean) in the batch's form, as it lies in the file. */
void encoder_plain_value(const struct encoder *encoder, struct bytes value, uint8_t out[16]);

size_t encoder_size(const struct encoder *encoder); /* of the chunk so far, bytes */

#endif
