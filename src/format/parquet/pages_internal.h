/*
 * pages_internal.h: the pages of one column chunk, read front to back.
 */
#ifndef FORMAT_PARQUET_PAGES_INTERNAL_H
#define FORMAT_PARQUET_PAGES_INTERNAL_H

#include "format/parquet/metadata_internal.h"
#include "format/parquet/parquet_reader.h"

#include <zstd.h>

struct pages {
	const struct parquet_source *source;
	const struct parquet_reader_options *options; /* no zeros */
	ZSTD_DCtx *zstd;                              /* of the reader */
	enum codec codec;
	uint64_t offset, end; /* in the file: the next page, the end of the chunk */
	struct buffer window; /* bytes of the file from window_offset on */
	uint64_t window_offset;
	struct page_header header; /* of the page at hand; its body starts at offset */
};

/* The window's memory is kept. */
void pages_begin(struct pages *pages, enum codec codec, uint64_t offset, uint64_t size);
void pages_deinit(struct pages *pages);

/* Read the header of the next page.  CORRUPT at the end of the chunk. */
bool pages_next(struct pages *pages, struct error *err) MUST_CHECK;

void pages_skip_body(struct pages *pages);

/* The page's bytes, decompressed, in place of what out held; of a v2 page the levels come first. */
bool pages_take_body(struct pages *pages, struct buffer *out, struct error *err) MUST_CHECK;

#endif
