#include "format/deflate.h"

#include <assert.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <zlib.h>

enum {
	LEVEL = 3, /* manifests and metadata are small and written at every commit */
	MEMORY_LEVEL = 8,
	WINDOW_BITS = 15,
	GZIP_WINDOW_BITS = WINDOW_BITS + 16, /* zlib's way to say gzip */
	STEP_SIZE = 64 * 1024,
	CHECKSUM_SIZE = 4, /* of zlib's own form */
};

static int window_bits(enum deflate_form form)
{
	return form == DEFLATE_RAW ? -WINDOW_BITS : GZIP_WINDOW_BITS;
}

static void check_memory(int result)
{
	if (result == Z_OK)
		return;
	fprintf(stderr, "fatal: no memory for compression\n");
	abort();
}

void deflate_encode(enum deflate_form form, struct bytes data, struct buffer *out)
{
	assert(data.size <= UINT_MAX / 2);
	z_stream stream = { 0 };
	check_memory(deflateInit2(
		&stream, LEVEL, Z_DEFLATED, window_bits(form), MEMORY_LEVEL, Z_DEFAULT_STRATEGY));
	size_t bound = deflateBound(&stream, data.size);
	buffer_reserve(out, bound);
	stream.next_in = (Bytef *)data.data;
	stream.avail_in = (uInt)data.size;
	stream.next_out = out->data + out->size;
	stream.avail_out = (uInt)bound;
	int result = deflate(&stream, Z_FINISH);
	assert(result == Z_STREAM_END);
	out->size += stream.total_out;
	deflateEnd(&stream);
}

/* Inflates until the stream ends; Z_BUF_ERROR when more than size_max bytes come out. */
static int inflate_all(z_stream *stream, size_t size_max, struct buffer *out)
{
	int result = Z_OK;
	while (result == Z_OK) {
		size_t left = size_max - stream->total_out;
		/* one byte more than is allowed tells too much from just enough */
		size_t room = left < STEP_SIZE ? left + 1 : STEP_SIZE;
		buffer_reserve(out, room);
		stream->next_out = out->data + out->size;
		stream->avail_out = (uInt)room;
		result = inflate(stream, Z_NO_FLUSH);
		out->size += room - stream->avail_out;
		if (stream->total_out > size_max)
			return Z_BUF_ERROR;
		if (result == Z_OK && stream->avail_out != 0)
			return Z_DATA_ERROR; /* the input ended first */
		if (result == Z_BUF_ERROR)
			return Z_DATA_ERROR;
	}
	return result;
}

bool deflate_decode(enum deflate_form form, struct bytes data, size_t size_max, struct buffer *out,
	struct error *err)
{
	if (data.size > UINT_MAX)
		return error_set(err, ERROR_LIMIT, "%zu compressed bytes are too many", data.size);
	z_stream stream = { 0 };
	check_memory(inflateInit2(&stream, window_bits(form)));
	stream.next_in = (Bytef *)data.data;
	stream.avail_in = (uInt)data.size;
	int result = inflate_all(&stream, size_max, out);
	size_t unread = stream.avail_in;
	inflateEnd(&stream);
	if (result == Z_BUF_ERROR)
		return error_set(err, ERROR_LIMIT,
			"compressed data hold more than the %zu bytes allowed", size_max);
	const size_t unread_max = form == DEFLATE_RAW ? CHECKSUM_SIZE : 0;
	if (result != Z_STREAM_END || unread > unread_max)
		return error_set(err, ERROR_CORRUPT, "compressed data are damaged");
	return true;
}
