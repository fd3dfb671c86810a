#include "format/parquet/encoder_internal.h"

#include "format/parquet/delta_internal.h"
#include "format/parquet/rle_internal.h"

#include <assert.h>

enum {
	TRY_VALUES = 1024,     /* after so many values a dictionary must look worth it */
	LEVELS_SIZE_FIELD = 4, /* u32le before the levels of a v1 page */
	TRY_COMPRESSION_PAGES = 16,
	COPY_BLOCK = 64, /* short texts are copied in one block of this size */
};

/* The values of one append, without NULLs, in the batch's form; struct bytes of texts. */
struct slice {
	const void *values;
	size_t count;
	const uint8_t *readable_end; /* of the memory that texts point into */
};

struct slice_space {
	_Alignas(16) uint8_t values[ENCODER_SLICE_ROWS_MAX * 16];
	_Alignas(16) uint8_t plain[ENCODER_SLICE_ROWS_MAX * 16];
	uint32_t indices[ENCODER_SLICE_ROWS_MAX];
};

/* ---- a page and a chunk begin ---- */

/*
 * Room before the values for the levels, whose size is known only when the page is full; a whole
 * number of words, so that the values are aligned.
 */
static size_t levels_gap(const struct encoder *encoder)
{
	if (encoder->column.is_required)
		return 0;
	const size_t size_max = LEVELS_SIZE_FIELD + rle_levels_size_max(encoder->limits.page_rows);
	return (size_max + sizeof(uint64_t) - 1) / sizeof(uint64_t) * sizeof(uint64_t);
}

static void begin_page(struct encoder *encoder)
{
	size_t gap = levels_gap(encoder);
	encoder->row_count = encoder->value_count = encoder->plain_size = 0;
	buffer_reset(&encoder->levels);
	buffer_reset(&encoder->indices);
	buffer_reset(&encoder->plain);
	buffer_reserve(&encoder->plain, gap);
	encoder->plain.size = gap;
}

static bool is_text(const struct encoder *encoder)
{
	return encoder->layout.type == PHYSICAL_BYTE_ARRAY;
}

static bool is_integer(const struct encoder *encoder)
{
	return encoder->layout.type == PHYSICAL_INT32 || encoder->layout.type == PHYSICAL_INT64;
}

void encoder_begin_chunk(struct encoder *encoder)
{
	bool is_boolean = encoder->layout.type == PHYSICAL_BOOLEAN;
	const enum parquet_encoding encoding = encoder->column.encoding;
	encoder->use = encoding == PARQUET_ENCODING_CONSTANT              ? DICTIONARY_ON
		       : is_boolean || encoding == PARQUET_ENCODING_DELTA ? DICTIONARY_OFF
									  : DICTIONARY_TRYING;
	dictionary_reset(&encoder->dictionary);
	encoder->dictionary.width = encoder->layout.width;
	buffer_reset(&encoder->pages);
	encoder->page_counts = (struct page_counts){ 0 };
	encoder->chunk_rows = encoder->chunk_nulls = 0;
	encoder->uncompressed_size = 0;
	value_range_reset(&encoder->chunk_range);
	begin_page(encoder);
}

void encoder_init(
	struct encoder *encoder, const struct parquet_column *column, struct encoder_limits limits)
{
	*encoder = (struct encoder){
		.column = *column,
		.layout = layout_of(column->type),
		.limits = limits,
	};
	assert(column->encoding != PARQUET_ENCODING_DELTA || is_integer(encoder));
	assert(column->encoding != PARQUET_ENCODING_CONSTANT ||
		(column->is_required && is_text(encoder)));
	encoder_begin_chunk(encoder);
}

void encoder_deinit(struct encoder *encoder)
{
	buffer_deinit(&encoder->levels);
	buffer_deinit(&encoder->plain);
	buffer_deinit(&encoder->indices);
	buffer_deinit(&encoder->pages);
	dictionary_deinit(&encoder->dictionary);
	value_range_deinit(&encoder->chunk_range);
	value_range_deinit(&encoder->file_range);
}

/* ---- values of the batch, without NULLs ---- */

static inline size_t source_row(const uint32_t *rows, size_t start, size_t i)
{
	return rows ? rows[start + i] : start + i;
}

/* A NULL's place is overwritten by the value after it. */
#define DEFINE_GATHER(name, item)                                                                  \
	static size_t name(item *out, const item *in, const uint8_t *valid, const uint32_t *rows,  \
		size_t start, size_t count)                                                        \
	{                                                                                          \
		size_t taken = 0;                                                                  \
		for (size_t i = 0; i < count; i++) {                                               \
			size_t row = source_row(rows, start, i);                                   \
			out[taken] = in[row];                                                      \
			taken += valid[row];                                                       \
		}                                                                                  \
		return taken;                                                                      \
	}

DEFINE_GATHER(gather_8, uint8_t)
DEFINE_GATHER(gather_32, uint32_t)
DEFINE_GATHER(gather_64, uint64_t)
DEFINE_GATHER(gather_128, __int128)

static size_t gather_fixed(
	void *out, const struct column *column, const uint32_t *rows, size_t start, size_t count)
{
	const void *in = column->fixed.data;
	const uint8_t *valid = column->valid.data;
	switch (column->width) {
	case 1:
		return gather_8(out, in, valid, rows, start, count);
	case 4:
		return gather_32(out, in, valid, rows, start, count);
	case 8:
		return gather_64(out, in, valid, rows, start, count);
	default:
		assert(column->width == 16);
		return gather_128(out, in, valid, rows, start, count);
	}
}

static size_t gather_text(struct bytes *out, const struct column *column, const uint32_t *rows,
	size_t start, size_t count)
{
	const uint8_t *valid = column->valid.data;
	size_t taken = 0;
	for (size_t i = 0; i < count; i++) {
		size_t row = source_row(rows, start, i);
		out[taken] = column_bytes(column, row);
		taken += valid[row];
	}
	return taken;
}

static struct slice gather(const struct column *column, const uint32_t *rows, size_t start,
	size_t count, struct slice_space *space)
{
	struct slice slice = { space->values, 0, NULL };
	if (column->width == 0) {
		slice.count = gather_text((void *)space->values, column, rows, start, count);
		slice.readable_end = column->data.data + column->data.capacity;
	} else if (rows == NULL && column->null_count == 0) {
		slice.values = column->fixed.data + start * column->width;
		slice.count = count;
	} else {
		slice.count = gather_fixed(space->values, column, rows, start, count);
	}
	return slice;
}

static void append_levels(struct encoder *encoder, const struct column *column,
	const uint32_t *rows, size_t start, size_t count)
{
	if (encoder->column.is_required)
		return;
	buffer_reserve(&encoder->levels, count);
	uint8_t *out = encoder->levels.data + encoder->levels.size;
	const uint8_t *valid = column->valid.data;
	for (size_t i = 0; i < count; i++)
		out[i] = valid[source_row(rows, start, i)];
	encoder->levels.size += count;
}

/* ---- values in PLAIN form ---- */

static bool is_decimal_within_precision(const struct encoder *encoder)
{
	struct column_type type = encoder->column.type;
	const struct value_range *range = &encoder->chunk_range;
	if (type.type != VALUE_DECIMAL || !range->has_values)
		return true;
	__int128 least, greatest, limit = 1;
	if (type.precision <= DECIMAL_LONG_PRECISION_MAX) {
		int64_t least_64, greatest_64;
		memcpy(&least_64, range->least, sizeof least_64);
		memcpy(&greatest_64, range->greatest, sizeof greatest_64);
		least = least_64;
		greatest = greatest_64;
	} else {
		memcpy(&least, range->least, sizeof least);
		memcpy(&greatest, range->greatest, sizeof greatest);
	}
	for (int i = 0; i < type.precision; i++)
		limit *= 10;
	return least > -limit && greatest < limit;
}

static void narrow_decimals(int32_t *out, const int64_t *in, size_t count)
{
	for (size_t i = 0; i < count; i++)
		out[i] = (int32_t)in[i];
}

static void store_decimals_big_endian(uint8_t *out, const __int128 *in, size_t count, size_t width)
{
	for (size_t i = 0; i < count; i++, out += width) {
		uint64_t low = __builtin_bswap64((uint64_t)in[i]);
		uint64_t high = __builtin_bswap64((uint64_t)(in[i] >> 64));
		uint8_t whole[16];
		memcpy(whole, &high, 8);
		memcpy(whole + 8, &low, 8);
		memcpy(out, whole + 16 - width, width);
	}
}

/* Values of fixed size as they lie in the file. */
static const void *to_plain(const struct encoder *encoder, struct slice slice, uint8_t *space)
{
	if (encoder->column.type.type != VALUE_DECIMAL || encoder->layout.type == PHYSICAL_INT64)
		return slice.values;
	if (encoder->layout.type == PHYSICAL_INT32)
		narrow_decimals((int32_t *)(void *)space, slice.values, slice.count);
	else
		store_decimals_big_endian(space, slice.values, slice.count, encoder->layout.width);
	return space;
}

static size_t text_size(const struct bytes *texts, size_t count)
{
	size_t size = count * sizeof(uint32_t);
	for (size_t i = 0; i < count; i++)
		size += texts[i].size;
	return size;
}

/* Length and bytes of each; short ones are copied with what follows them, which is overwritten. */
static void append_texts(struct buffer *out, const struct bytes *texts, size_t count, size_t size,
	const uint8_t *readable_end)
{
	buffer_reserve(out, size + COPY_BLOCK);
	uint8_t *to = out->data + out->size;
	for (size_t i = 0; i < count; i++) {
		struct bytes text = texts[i];
		uint32_t text_length = (uint32_t)text.size;
		memcpy(to, &text_length, sizeof text_length);
		to += sizeof text_length;
		if (text.size == 0)
			continue; /* it may lie nowhere */
		if (text.size <= COPY_BLOCK && readable_end - text.data >= COPY_BLOCK)
			memcpy(to, text.data, COPY_BLOCK);
		else
			memcpy(to, text.data, text.size);
		to += text.size;
	}
	out->size += size;
}

static size_t plain_size(const struct encoder *encoder, struct slice slice)
{
	if (is_text(encoder))
		return text_size(slice.values, slice.count);
	return slice.count * (encoder->layout.width ? encoder->layout.width : 1);
}

static void append_plain(struct encoder *encoder, struct slice slice, const void *plain)
{
	size_t size = plain_size(encoder, slice);
	if (is_text(encoder))
		append_texts(&encoder->plain, slice.values, slice.count, size, slice.readable_end);
	else
		buffer_append(&encoder->plain, plain, size);
}

/* ---- dictionary ---- */

static size_t index_count(const struct encoder *encoder)
{
	return encoder->indices.size / sizeof(uint32_t);
}

/* Numbers are in the range already; texts enter it once each, with the dictionary. */
static void widen_range_by_dictionary(struct encoder *encoder)
{
	const struct dictionary *dictionary = &encoder->dictionary;
	for (uint32_t i = 0; is_text(encoder) && i < dictionary->count; i++) {
		struct bytes plain = dictionary_plain(dictionary, i);
		struct bytes text = bytes_of(plain.data + 4, plain.size - 4);
		value_range_update(&encoder->chunk_range, encoder->column.type, &text, 1);
	}
}

/* The page being filled goes on in PLAIN, and so do those after it. */
static void leave_dictionary(struct encoder *encoder)
{
	const uint32_t *indices = (const uint32_t *)(const void *)encoder->indices.data;
	for (size_t i = 0; i < index_count(encoder); i++)
		buffer_append_bytes(
			&encoder->plain, dictionary_plain(&encoder->dictionary, indices[i]));
	buffer_reset(&encoder->indices);
	if (encoder->page_counts.dictionary == 0) {
		widen_range_by_dictionary(encoder);
		dictionary_reset(&encoder->dictionary);
	}
	encoder->use = DICTIONARY_OFF;
}

/* Whether the first page and its dictionary take less than nine tenths of the values. */
static bool dictionary_pays(const struct encoder *encoder)
{
	const struct dictionary *dictionary = &encoder->dictionary;
	size_t index_size = index_count(encoder) * dictionary_bit_width(dictionary) / 8;
	return dictionary->plain.size + index_size < encoder->plain_size / 10 * 9;
}

static bool looks_distinct(const struct encoder *encoder)
{
	return encoder->use == DICTIONARY_TRYING && index_count(encoder) >= TRY_VALUES &&
	       encoder->dictionary.count * 2 > index_count(encoder);
}

static void append_values(struct encoder *encoder, struct slice slice, struct slice_space *space)
{
	const void *plain = slice.values;
	if (!is_text(encoder))
		plain = to_plain(encoder, slice, space->plain);
	size_t done = 0;
	if (encoder->use != DICTIONARY_OFF) {
		done = dictionary_add(&encoder->dictionary, plain, slice.count, space->indices);
		buffer_append(&encoder->indices, space->indices, done * sizeof(uint32_t));
		if (done < slice.count || looks_distinct(encoder))
			leave_dictionary(encoder);
	}
	if (encoder->use != DICTIONARY_OFF || done == slice.count)
		return;
	size_t item = is_text(encoder)        ? sizeof(struct bytes)
		      : encoder->layout.width ? encoder->layout.width
					      : 1;
	slice.values = (const uint8_t *)plain + done * item;
	slice.count -= done;
	if (is_text(encoder))
		value_range_update(
			&encoder->chunk_range, encoder->column.type, slice.values, slice.count);
	append_plain(encoder, slice, slice.values);
}

/* ---- pages ---- */

static void pack_booleans(struct buffer *plain, size_t from)
{
	size_t count = plain->size - from;
	uint8_t *bytes = plain->data + from;
	for (size_t i = 0; i < count; i += 8) {
		uint8_t packed = 0;
		for (size_t bit = 0; bit < 8 && i + bit < count; bit++)
			packed |= (uint8_t)((bytes[i + bit] & 1) << bit);
		bytes[i / 8] = packed;
	}
	plain->size = from + (count + 7) / 8;
}

static void encode_levels(struct encoder *encoder, struct encoder_scratch *scratch)
{
	size_t count = encoder->row_count;
	struct buffer *out = &scratch->levels;
	if (encoder->value_count == count || encoder->value_count == 0) {
		rle_encode_run(out, encoder->value_count != 0, count, 1);
		return;
	}
	buffer_reset(&scratch->wide);
	buffer_reserve(&scratch->wide, count * sizeof(uint32_t));
	uint32_t *wide = (uint32_t *)(void *)scratch->wide.data;
	for (size_t i = 0; i < count; i++)
		wide[i] = encoder->levels.data[i];
	rle_encode(out, wide, count, 1);
}

/* The levels, which stand before the values: u32le size | hybrid.  Returns where they start. */
static size_t place_levels(struct encoder *encoder, struct encoder_scratch *scratch)
{
	size_t gap = levels_gap(encoder);
	if (encoder->column.is_required)
		return gap;
	buffer_reset(&scratch->levels);
	buffer_append_u32le(&scratch->levels, 0);
	encode_levels(encoder, scratch);
	size_t size = scratch->levels.size;
	assert(size <= gap);
	uint32_t size_field = (uint32_t)(size - LEVELS_SIZE_FIELD);
	memcpy(scratch->levels.data, &size_field, sizeof size_field);
	memcpy(encoder->plain.data + gap - size, scratch->levels.data, size);
	return gap - size;
}

/* Appends header and compressed body; returns their size before compression. */
static size_t write_page(
	struct buffer *out, struct page_header *header, size_t body_size, struct bytes compressed)
{
	header->present |= THRIFT_BIT(1) | THRIFT_BIT(2) | THRIFT_BIT(3);
	header->uncompressed_size = (int32_t)body_size;
	header->compressed_size = (int32_t)compressed.size;
	size_t before = out->size;
	thrift_encode(out, &PAGE_HEADER_RECORD, header);
	size_t header_size = out->size - before;
	buffer_append_bytes(out, compressed);
	return header_size + body_size;
}

static struct bytes compress_body(
	struct encoder *encoder, struct encoder_scratch *scratch, struct bytes body)
{
	const struct page_counts *counts = &encoder->page_counts;
	const size_t page = counts->dictionary + counts->plain;
	if (encoder->column.encoding == PARQUET_ENCODING_DELTA)
		return compressor_run(scratch->compressor, COMPRESSION_STORED, body);
	if (page % TRY_COMPRESSION_PAGES == 0)
		return compressor_try(scratch->compressor, body, &encoder->compression);
	return compressor_run(scratch->compressor, encoder->compression, body);
}

static void write_data_page(
	struct encoder *encoder, struct encoder_scratch *scratch, enum encoding encoding)
{
	size_t start = place_levels(encoder, scratch);
	struct page_header header = {
		.present = THRIFT_BIT(PAGE_HEADER_DATA),
		.type = PAGE_DATA,
		.data = {
			.present = THRIFT_BIT(1) | THRIFT_BIT(2) | THRIFT_BIT(3) | THRIFT_BIT(4),
			.value_count = (int32_t)encoder->row_count,
			.encoding = encoding,
			.definition_encoding = ENCODING_RLE,
			.repetition_encoding = ENCODING_RLE,
		},
	};
	struct bytes body = bytes_of(encoder->plain.data + start, encoder->plain.size - start);
	encoder->uncompressed_size += write_page(
		&encoder->pages, &header, body.size, compress_body(encoder, scratch, body));
}

static void append_indices(struct encoder *encoder)
{
	unsigned bit_width = dictionary_bit_width(&encoder->dictionary);
	buffer_append_u8(&encoder->plain, (uint8_t)bit_width);
	if (encoder_is_constant(encoder))
		rle_encode_run(&encoder->plain, 0, encoder->row_count, bit_width);
	else
		rle_encode(&encoder->plain, (const uint32_t *)(const void *)encoder->indices.data,
			index_count(encoder), bit_width);
}

/* The page's values, which are PLAIN, as their differences. */
static void pack_differences(struct encoder *encoder, struct buffer *packed)
{
	const size_t gap = levels_gap(encoder);
	const void *values = encoder->plain.data + gap;
	buffer_reset(packed);
	if (encoder->layout.type == PHYSICAL_INT32)
		delta_encode_32(packed, values, encoder->value_count);
	else
		delta_encode_64(packed, values, encoder->value_count);
	encoder->plain.size = gap;
	buffer_append_bytes(&encoder->plain, buffer_bytes(packed));
}

static void flush_page(struct encoder *encoder, struct encoder_scratch *scratch)
{
	if (encoder->row_count == 0)
		return;
	if (encoder->use == DICTIONARY_TRYING && !dictionary_pays(encoder))
		leave_dictionary(encoder);
	if (encoder->use != DICTIONARY_OFF) {
		append_indices(encoder);
		encoder->use = DICTIONARY_ON;
		write_data_page(encoder, scratch, ENCODING_RLE_DICTIONARY);
		encoder->page_counts.dictionary++;
	} else if (encoder->column.encoding == PARQUET_ENCODING_DELTA) {
		pack_differences(encoder, &scratch->packed);
		write_data_page(encoder, scratch, ENCODING_DELTA_BINARY_PACKED);
		encoder->page_counts.delta++;
	} else {
		if (encoder->layout.type == PHYSICAL_BOOLEAN)
			pack_booleans(&encoder->plain, levels_gap(encoder));
		write_data_page(encoder, scratch, ENCODING_PLAIN);
		encoder->page_counts.plain++;
	}
	begin_page(encoder);
}

static bool is_page_full(const struct encoder *encoder, size_t rows, size_t size)
{
	return encoder->row_count + rows > encoder->limits.page_rows ||
	       (encoder->row_count > 0 && encoder->plain_size + size > encoder->limits.page_bytes);
}

/* The value enters the range with the dictionary. */
static void append_constant(struct encoder *encoder, const struct column *column, size_t count)
{
	const struct bytes value = column_bytes(column, 0);
	uint32_t index;
	const bool is_taken = dictionary_add(&encoder->dictionary, &value, 1, &index) == 1;
	assert(is_taken && index == 0);
	encoder->row_count += count;
	encoder->value_count += count;
	encoder->chunk_rows += count;
}

bool encoder_append(struct encoder *encoder, const struct column *column, const uint32_t *rows,
	size_t start, size_t count, struct encoder_scratch *scratch, struct error *err)
{
	assert(count <= ENCODER_SLICE_ROWS_MAX && count <= encoder->limits.page_rows);
	if (encoder_is_constant(encoder)) {
		if (is_page_full(encoder, count, 0))
			flush_page(encoder, scratch);
		append_constant(encoder, column, count);
		return true;
	}
	struct slice_space space;
	struct slice slice = gather(column, rows, start, count, &space);
	size_t size = plain_size(encoder, slice);
	if (is_page_full(encoder, count, size))
		flush_page(encoder, scratch);

	append_levels(encoder, column, rows, start, count);
	encoder->row_count += count;
	encoder->value_count += slice.count;
	encoder->plain_size += size;
	encoder->chunk_rows += count;
	encoder->chunk_nulls += count - slice.count;
	if (!is_text(encoder))
		value_range_update(
			&encoder->chunk_range, encoder->column.type, slice.values, slice.count);
	if (!is_decimal_within_precision(encoder))
		return error_set(err, ERROR_UNSUPPORTED,
			"a value of column \"%s\" does not fit decimal(%d, %d)",
			encoder->column.name, encoder->column.type.precision,
			encoder->column.type.scale);
	append_values(encoder, slice, &space);
	return true;
}

/* ---- a chunk ends ---- */

static size_t write_dictionary_page(
	struct encoder *encoder, struct encoder_scratch *scratch, struct buffer *out)
{
	struct page_header header = {
		.present = THRIFT_BIT(PAGE_HEADER_DICTIONARY),
		.type = PAGE_DICTIONARY,
		.dictionary = {
			.present = THRIFT_BIT(1) | THRIFT_BIT(2),
			.value_count = (int32_t)encoder->dictionary.count,
			.encoding = ENCODING_PLAIN,
		},
	};
	struct bytes plain = buffer_bytes(&encoder->dictionary.plain);
	return write_page(out, &header, plain.size,
		compressor_run(scratch->compressor, COMPRESSION_LEVEL, plain));
}

void encoder_finish_chunk(struct encoder *encoder, struct encoder_scratch *scratch,
	struct buffer *dictionary_page, struct encoded_chunk *out)
{
	flush_page(encoder, scratch);
	widen_range_by_dictionary(encoder);
	buffer_reset(dictionary_page);
	if (encoder->page_counts.dictionary > 0)
		encoder->uncompressed_size +=
			write_dictionary_page(encoder, scratch, dictionary_page);
	value_range_merge(&encoder->file_range, encoder->column.type, &encoder->chunk_range);
	encoder->file_rows += encoder->chunk_rows;
	encoder->file_nulls += encoder->chunk_nulls;
	encoder->file_size += dictionary_page->size + encoder->pages.size;
	*out = (struct encoded_chunk){
		.dictionary_page = buffer_bytes(dictionary_page),
		.data_pages = buffer_bytes(&encoder->pages),
		.uncompressed_size = encoder->uncompressed_size,
		.page_counts = encoder->page_counts,
		.row_count = encoder->chunk_rows,
		.null_count = encoder->chunk_nulls,
	};
}

void encoder_plain_value(const struct encoder *encoder, struct bytes value, uint8_t out[16])
{
	_Alignas(16) uint8_t aligned[16], space[16];
	memcpy(aligned, value.data, value.size);
	struct slice slice = { aligned, 1, NULL };
	memcpy(out, to_plain(encoder, slice, space), encoder->layout.width);
}

size_t encoder_size(const struct encoder *encoder)
{
	return encoder->pages.size + encoder->indices.size + encoder->plain.size +
	       encoder->dictionary.plain.size;
}
