/*
 * footer_internal.h: the end of a Parquet file: its metadata, their size, and the magic.
 */
#ifndef FORMAT_PARQUET_FOOTER_INTERNAL_H
#define FORMAT_PARQUET_FOOTER_INTERNAL_H

#include "format/parquet/metadata_internal.h"
#include "format/parquet/parquet_reader.h"

enum {
	FOOTER_BYTES_MAX = 32 << 20,
};

/*
 * *start (when not NULL) is where the footer begins.  The bytes and what they say live in arena.
 * CORRUPT, UNSUPPORTED (encrypted), LIMIT (more than bytes_max).
 */
bool footer_read(const struct parquet_source *source, size_t bytes_max, struct arena *arena,
	struct file_metadata *out, uint64_t *start, struct error *err) MUST_CHECK;

/* Where the first page of a chunk lies, which is its dictionary when it has one. */
uint64_t column_chunk_start(const struct column_metadata *metadata);

#endif
