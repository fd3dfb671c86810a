/*
 * compressor_internal.h: pages to zstd frames, as fast as the data allows.
 *
 * At level 1 most of the time goes into looking for repetitions, which numbers and random texts do
 * not have.  So now and then a page is compressed in each of three ways, and the column's next
 * pages in the fastest whose result is at most a sixth larger than that of plain level 1.
 * Other levels are used as they are.
 */
#ifndef FORMAT_PARQUET_COMPRESSOR_INTERNAL_H
#define FORMAT_PARQUET_COMPRESSOR_INTERNAL_H

#include "base/buffer.h"

enum compression {
	COMPRESSION_LEVEL = 0, /* the level as zstd defines it */
	COMPRESSION_LITERALS,  /* entropy coding only */
	COMPRESSION_STORED,    /* neither */
	COMPRESSION_COUNT,
};

struct compressor;

struct compressor *compressor_open(int level);
void compressor_close(struct compressor *compressor); /* NULL too */

/* The frame of data, valid until the next call. */
struct bytes compressor_run(
	struct compressor *compressor, enum compression compression, struct bytes data);

/* As compressor_run() with the best of all; *best is what to use for the pages that follow. */
struct bytes compressor_try(
	struct compressor *compressor, struct bytes data, enum compression *best);

#endif
