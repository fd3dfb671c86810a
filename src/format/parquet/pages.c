#include "format/parquet/pages_internal.h"

#include "format/deflate.h"

#include <zlib.h>

enum {
	HEADER_BYTES_USUAL = 4096,
	HEADER_BYTES_MAX = 4 << 20, /* a header may hold two long values as statistics */
};

void pages_begin(struct pages *pages, enum codec codec, uint64_t offset, uint64_t size)
{
	pages->codec = codec;
	pages->offset = offset;
	pages->end = offset + size;
	buffer_reset(&pages->window);
	pages->window_offset = offset;
}

void pages_deinit(struct pages *pages)
{
	buffer_deinit(&pages->window);
}

/* Forget the bytes before offset. */
static void move_window(struct pages *pages, uint64_t offset)
{
	struct buffer *window = &pages->window;
	uint64_t drop = offset - pages->window_offset;
	if (drop < window->size) {
		memmove(window->data, window->data + drop, window->size - drop);
		window->size -= drop;
	} else {
		buffer_reset(window);
	}
	pages->window_offset = offset;
}

/* size bytes from pages->offset, which the chunk has; read ahead as far as the options say. */
static bool need(struct pages *pages, size_t size, struct bytes *out, struct error *err)
{
	struct buffer *window = &pages->window;
	uint64_t start = pages->offset - pages->window_offset;
	if (start > window->size || window->size - start < size) {
		move_window(pages, pages->offset);
		start = 0;
		uint64_t left = pages->end - pages->offset;
		size_t wanted = size;
		if (wanted < pages->options->read_ahead_bytes)
			wanted = pages->options->read_ahead_bytes;
		if (wanted > left)
			wanted = (size_t)left;
		size_t missing = wanted - window->size;
		buffer_reserve(window, missing);
		if (!pages->source->read_at(pages->source->context, pages->offset + window->size,
			    window->data + window->size, missing, err))
			return false;
		window->size += missing;
	}
	*out = bytes_of(window->data + start, size);
	return true;
}

static bool corrupt(struct error *err, const char *what)
{
	return error_set(err, ERROR_CORRUPT, "a page of a Parquet file is damaged: %s", what);
}

/* Decode a header from at most size bytes; CORRUPT also when it is longer. */
static bool decode_header(struct pages *pages, size_t size, struct error *err)
{
	struct bytes bytes;
	if (!need(pages, size, &bytes, err))
		return false;
	struct reader in = reader_of(bytes);
	struct arena arena = { 0 }; /* stays empty: a page header has no lists */
	if (!thrift_decode(&in, &PAGE_HEADER_RECORD, &pages->header, &arena, 0, err))
		return false;
	pages->offset += in.offset;
	return true;
}

static bool check_header(const struct pages *pages, struct error *err)
{
	const struct page_header *header = &pages->header;
	if (header->compressed_size < 0 || header->uncompressed_size < 0 ||
		(uint64_t)header->compressed_size > pages->end - pages->offset)
		return corrupt(err, "its size is impossible");
	if ((size_t)header->uncompressed_size > pages->options->page_bytes_max)
		return error_set(err, ERROR_LIMIT,
			"a page of a Parquet file takes %d bytes, more than %zu",
			header->uncompressed_size, pages->options->page_bytes_max);
	return true;
}

bool pages_next(struct pages *pages, struct error *err)
{
	uint64_t left = pages->end - pages->offset;
	if (left == 0)
		return corrupt(err, "the column has fewer values than rows");
	size_t usual = left < HEADER_BYTES_USUAL ? (size_t)left : HEADER_BYTES_USUAL;
	size_t most = left < HEADER_BYTES_MAX ? (size_t)left : HEADER_BYTES_MAX;
	bool done = decode_header(pages, usual, err);
	if (!done && err->kind == ERROR_CORRUPT && most > usual)
		done = decode_header(pages, most, err);
	return done && check_header(pages, err);
}

void pages_skip_body(struct pages *pages)
{
	pages->offset += (uint64_t)pages->header.compressed_size;
}

/* ---- bodies ---- */

static bool check_crc(const struct page_header *header, struct bytes body, struct error *err)
{
	if (!THRIFT_HAS(header, PAGE_HEADER_CRC))
		return true;
	if ((uint32_t)header->crc == (uint32_t)crc32_z(0, body.data, body.size))
		return true;
	return corrupt(err, "its checksum is another");
}

static bool decompress_zstd(
	struct pages *pages, struct bytes data, size_t size, struct buffer *out, struct error *err)
{
	buffer_reserve(out, size);
	size_t got =
		ZSTD_decompressDCtx(pages->zstd, out->data + out->size, size, data.data, data.size);
	if (ZSTD_isError(got))
		return error_set(err, ERROR_CORRUPT,
			"a page of a Parquet file is damaged: zstd says \"%s\"",
			ZSTD_getErrorName(got));
	out->size += got;
	return true;
}

static bool decompress(
	struct pages *pages, struct bytes data, size_t size, struct buffer *out, struct error *err)
{
	size_t before = out->size;
	bool done = true;
	if (data.size == 0)
		done = true;
	else if (pages->codec == CODEC_NONE)
		buffer_append_bytes(out, data);
	else if (pages->codec == CODEC_ZSTD)
		done = decompress_zstd(pages, data, size, out, err);
	else
		done = deflate_decode(DEFLATE_GZIP, data, size, out, err);
	if (done && out->size - before != size)
		return corrupt(err, "it has another size than it says");
	return done;
}

/* The levels of a v2 page are never compressed; the values need not be. */
static bool take_body_v2(
	struct pages *pages, struct bytes body, struct buffer *out, struct error *err)
{
	const struct page_header *header = &pages->header;
	const struct data_page_header_v2 *v2 = &header->data_v2;
	if (v2->definition_size < 0 || v2->repetition_size != 0 ||
		v2->definition_size > header->compressed_size ||
		v2->definition_size > header->uncompressed_size)
		return corrupt(err, "its levels do not fit");
	size_t levels = (size_t)v2->definition_size;
	buffer_append(out, body.data, levels);
	struct bytes values = bytes_of(body.data + levels, body.size - levels);
	size_t size = (size_t)header->uncompressed_size - levels;
	bool is_compressed = !THRIFT_HAS(v2, DATA_V2_IS_COMPRESSED) || v2->is_compressed;
	if (is_compressed)
		return decompress(pages, values, size, out, err);
	buffer_append_bytes(out, values);
	return values.size == size || corrupt(err, "it has another size than it says");
}

bool pages_take_body(struct pages *pages, struct buffer *out, struct error *err)
{
	const struct page_header *header = &pages->header;
	struct bytes body;
	if (!need(pages, (size_t)header->compressed_size, &body, err) ||
		!check_crc(header, body, err))
		return false;
	pages_skip_body(pages);
	buffer_reset(out);
	if (header->type == PAGE_DATA_V2)
		return take_body_v2(pages, body, out, err);
	return decompress(pages, body, (size_t)header->uncompressed_size, out, err);
}
