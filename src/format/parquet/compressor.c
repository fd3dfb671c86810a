#include "format/parquet/compressor_internal.h"

/* for ZSTD_c_literalCompressionMode, without which only whole levels could be chosen */
#define ZSTD_STATIC_LINKING_ONLY
#include <zstd.h>

#include <assert.h>
#include <stdlib.h>

enum {
	ADAPTIVE_LEVEL = 1,
	NO_MATCHES_LEVEL = -100, /* leaps over the data so fast that it finds next to nothing */
	LOSS_DIVISOR = 6,        /* a faster way may cost this part of the size */
};

struct compressor {
	ZSTD_CCtx *context;
	int level;
	enum compression current;
	struct buffer frames[2]; /* the last result, and the candidate of a trial */
};

/* A library that does not know a parameter only compresses differently. */
static void set_parameters(struct compressor *compressor, enum compression compression)
{
	ZSTD_CCtx *context = compressor->context;
	bool is_level = compression == COMPRESSION_LEVEL;
	ZSTD_CCtx_setParameter(
		context, ZSTD_c_compressionLevel, is_level ? compressor->level : NO_MATCHES_LEVEL);
	ZSTD_CCtx_setParameter(context, ZSTD_c_literalCompressionMode,
		is_level                              ? ZSTD_ps_auto
		: compression == COMPRESSION_LITERALS ? ZSTD_ps_enable
						      : ZSTD_ps_disable);
	compressor->current = compression;
}

struct compressor *compressor_open(int level)
{
	struct compressor *compressor = memory_allocate(1, sizeof *compressor);
	compressor->level = level;
	compressor->context = ZSTD_createCCtx();
	if (compressor->context == NULL)
		abort();
	ZSTD_CCtx_setParameter(compressor->context, ZSTD_c_checksumFlag, 1);
	set_parameters(compressor, COMPRESSION_LEVEL);
	return compressor;
}

void compressor_close(struct compressor *compressor)
{
	if (compressor == NULL)
		return;
	ZSTD_freeCCtx(compressor->context);
	buffer_deinit(&compressor->frames[0]);
	buffer_deinit(&compressor->frames[1]);
	free(compressor);
}

static void compress(struct compressor *compressor, enum compression compression, struct bytes data,
	struct buffer *out)
{
	if (compressor->current != compression)
		set_parameters(compressor, compression);
	buffer_reset(out);
	buffer_reserve(out, ZSTD_compressBound(data.size));
	out->size =
		ZSTD_compress2(compressor->context, out->data, out->capacity, data.data, data.size);
	assert(!ZSTD_isError(out->size)); /* there is room, and memory does not run out */
}

struct bytes compressor_run(
	struct compressor *compressor, enum compression compression, struct bytes data)
{
	compress(compressor, compression, data, &compressor->frames[0]);
	return buffer_bytes(&compressor->frames[0]);
}

struct bytes compressor_try(
	struct compressor *compressor, struct bytes data, enum compression *best)
{
	struct buffer *frames = compressor->frames;
	*best = COMPRESSION_LEVEL;
	compress(compressor, COMPRESSION_LEVEL, data, &frames[0]);
	size_t size_max = frames[0].size + frames[0].size / LOSS_DIVISOR;
	if (compressor->level != ADAPTIVE_LEVEL)
		return buffer_bytes(&frames[0]);
	for (int way = COMPRESSION_LEVEL + 1; way < COMPRESSION_COUNT; way++) {
		compress(compressor, (enum compression)way, data, &frames[1]);
		if (frames[1].size > size_max)
			continue;
		*best = (enum compression)way;
		struct buffer swap = frames[0];
		frames[0] = frames[1];
		frames[1] = swap;
	}
	return buffer_bytes(&frames[0]);
}
