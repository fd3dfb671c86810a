#include "format/parquet/decoder_internal.h"

#include <assert.h>

enum {
	SLICE_ROWS = 1024, /* of the scratch space on the stack */
	LENGTH_SIZE = 4,   /* u32le before a byte array */
};

static bool corrupt(const struct decoder *decoder, struct error *err, const char *what)
{
	return error_set(err, ERROR_CORRUPT, "column \"%s\" of a Parquet file is damaged: %s",
		decoder->column.name, what);
}

void decoder_begin(struct decoder *decoder, const struct decoder_column *column, uint64_t row_count)
{
	decoder->column = *column;
	decoder->rows_left = row_count;
	decoder->has_dictionary = false;
	decoder->dictionary_count = 0;
	decoder->page_rows_left = 0;
}

void decoder_deinit(struct decoder *decoder)
{
	pages_deinit(&decoder->pages);
	buffer_deinit(&decoder->dictionary_page);
	buffer_deinit(&decoder->dictionary);
	buffer_deinit(&decoder->page);
}

static bool is_text(const struct decoder *decoder)
{
	return column_type_width(decoder->column.type) == 0;
}

/* ---- PLAIN values of fixed size ---- */

static struct bytes take_front(struct bytes *from, size_t size)
{
	struct bytes front = bytes_of(from->data, size);
	if (size > 0)
		from->data += size;
	from->size -= size;
	return front;
}

/* Of two's complement, big-endian; false beyond 16 bytes. */
static bool load_big_endian(struct bytes value, __int128 *out)
{
	if (value.size == 0 || value.size > sizeof *out)
		return false;
	unsigned __int128 number = value.data[0] & 0x80 ? ~(unsigned __int128)0 : 0;
	for (size_t i = 0; i < value.size; i++)
		number = number << 8 | value.data[i];
	*out = (__int128)number;
	return true;
}

static bool store_decimal(__int128 number, struct column_type type, void *out, size_t index)
{
	if (type.precision > DECIMAL_LONG_PRECISION_MAX) {
		memcpy((uint8_t *)out + index * sizeof number, &number, sizeof number);
		return true;
	}
	int64_t narrow = (int64_t)number;
	memcpy((uint8_t *)out + index * sizeof narrow, &narrow, sizeof narrow);
	return narrow == number;
}

static bool take_byte_array(struct bytes *plain, struct bytes *out)
{
	uint32_t size;
	if (plain->size < sizeof size)
		return false;
	memcpy(&size, take_front(plain, sizeof size).data, sizeof size);
	if (size > plain->size)
		return false;
	*out = take_front(plain, size);
	return true;
}

static bool decode_decimals(
	const struct decoder_column *column, struct bytes *plain, void *out, size_t count)
{
	struct layout layout = column->layout;
	if (layout.width > 0 && plain->size / layout.width < count)
		return false;
	for (size_t i = 0; i < count; i++) {
		int32_t number_32;
		int64_t number_64;
		__int128 number;
		struct bytes value;
		if (layout.width > 0)
			value = take_front(plain, layout.width);
		else if (!take_byte_array(plain, &value))
			return false;
		if (layout.type == PHYSICAL_INT32) {
			memcpy(&number_32, value.data, sizeof number_32);
			number = number_32;
		} else if (layout.type == PHYSICAL_INT64) {
			memcpy(&number_64, value.data, sizeof number_64);
			number = number_64;
		} else if (!load_big_endian(value, &number)) {
			return false;
		}
		if (!store_decimal(number, column->type, out, i))
			return false;
	}
	return true;
}

static void widen_integers(const uint8_t *in, void *out, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		int32_t narrow;
		memcpy(&narrow, in + i * sizeof narrow, sizeof narrow);
		int64_t wide = narrow;
		memcpy((uint8_t *)out + i * sizeof wide, &wide, sizeof wide);
	}
}

static void widen_floats(const uint8_t *in, void *out, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		float narrow;
		memcpy(&narrow, in + i * sizeof narrow, sizeof narrow);
		double wide = narrow;
		memcpy((uint8_t *)out + i * sizeof wide, &wide, sizeof wide);
	}
}

bool decode_plain(const struct decoder_column *column, struct bytes *plain, void *out, size_t count)
{
	size_t width = column_type_width(column->type);
	struct layout layout = column->layout;
	if (column->type.type == VALUE_DECIMAL &&
		!(layout.type == PHYSICAL_INT64 && width == sizeof(int64_t)))
		return decode_decimals(column, plain, out, count);
	if (plain->size / layout.width < count)
		return false;
	if (count == 0)
		return true;
	const uint8_t *in = take_front(plain, count * layout.width).data;
	if (layout.width == width)
		memcpy(out, in, count * width);
	else if (layout.type == PHYSICAL_FLOAT)
		widen_floats(in, out, count);
	else
		widen_integers(in, out, count);
	return true;
}

/* One bit each, lowest first. */
static bool decode_booleans(struct decoder *decoder, uint8_t *out, size_t count)
{
	struct bytes *plain = &decoder->plain;
	if (plain->size * 8 < decoder->plain_bit + count)
		return false;
	for (size_t i = 0; i < count; i++) {
		size_t bit = decoder->plain_bit + i;
		out[i] = plain->data[bit / 8] >> (bit % 8) & 1;
	}
	size_t end = decoder->plain_bit + count;
	take_front(plain, end / 8);
	decoder->plain_bit = end % 8;
	return true;
}

/* ---- the dictionary ---- */

static bool load_dictionary_texts(struct decoder *decoder, struct bytes plain, size_t count)
{
	if (plain.size / LENGTH_SIZE < count)
		return false;
	buffer_reserve(&decoder->dictionary, count * sizeof(struct bytes));
	struct bytes *texts = (struct bytes *)(void *)decoder->dictionary.data;
	for (size_t i = 0; i < count; i++)
		if (!take_byte_array(&plain, &texts[i]))
			return false;
	return true;
}

static bool load_dictionary_values(struct decoder *decoder, struct bytes plain, size_t count)
{
	size_t width_min =
		decoder->column.layout.width ? decoder->column.layout.width : LENGTH_SIZE;
	if (plain.size / width_min < count)
		return false;
	buffer_reserve(&decoder->dictionary, count * column_type_width(decoder->column.type));
	return decode_plain(&decoder->column, &plain, decoder->dictionary.data, count);
}

static bool load_dictionary(struct decoder *decoder, struct error *err)
{
	const struct dictionary_page_header *header = &decoder->pages.header.dictionary;
	if (!THRIFT_HAS(&decoder->pages.header, PAGE_HEADER_DICTIONARY) ||
		header->value_count < 0 || decoder->has_dictionary)
		return corrupt(decoder, err, "its dictionary page is out of place");
	if (header->encoding != ENCODING_PLAIN && header->encoding != ENCODING_PLAIN_DICTIONARY)
		return error_set(err, ERROR_UNSUPPORTED,
			"the dictionary of column \"%s\" has encoding %d", decoder->column.name,
			header->encoding);
	size_t count = (size_t)header->value_count;
	if (!pages_take_body(&decoder->pages, &decoder->dictionary_page, err))
		return false;
	struct bytes plain = buffer_bytes(&decoder->dictionary_page);
	buffer_reset(&decoder->dictionary);
	if (decoder->column.layout.type == PHYSICAL_BOOLEAN ||
		!(is_text(decoder) ? load_dictionary_texts(decoder, plain, count)
				   : load_dictionary_values(decoder, plain, count)))
		return corrupt(decoder, err, "its dictionary does not hold what it says");
	decoder->dictionary_count = count;
	decoder->has_dictionary = true;
	return true;
}

/* ---- a page begins ---- */

static bool begin_indices(struct decoder *decoder, struct bytes values, struct error *err)
{
	if (!decoder->has_dictionary)
		return corrupt(decoder, err, "a page refers to a dictionary that is not there");
	uint8_t bit_width = 0;
	if (values.size > 0)
		bit_width = *take_front(&values, 1).data;
	if (bit_width > RLE_BIT_WIDTH_MAX)
		return corrupt(decoder, err, "its indices are too wide");
	decoder->source = VALUES_DICTIONARY;
	decoder->indices = rle_decoder_of(values, bit_width);
	return true;
}

/* u32le size | hybrid */
static bool begin_rle_booleans(struct decoder *decoder, struct bytes values, struct error *err)
{
	struct bytes runs = { 0 };
	if (values.size > 0 && !take_byte_array(&values, &runs))
		return corrupt(decoder, err, "its booleans are cut short");
	decoder->source = VALUES_RLE;
	decoder->indices = rle_decoder_of(runs, 1);
	return true;
}

static bool is_integer(const struct decoder *decoder)
{
	const enum physical_type type = decoder->column.layout.type;
	return type == PHYSICAL_INT32 || type == PHYSICAL_INT64;
}

static bool begin_delta(struct decoder *decoder, struct bytes values, struct error *err)
{
	decoder->source = VALUES_DELTA;
	return delta_decoder_begin(&decoder->delta, values) ||
	       corrupt(decoder, err, "its differences begin with another header");
}

static bool begin_values(
	struct decoder *decoder, int32_t encoding, struct bytes values, struct error *err)
{
	switch (encoding) {
	case ENCODING_PLAIN:
		decoder->source = VALUES_PLAIN;
		decoder->plain = values;
		decoder->plain_bit = 0;
		return true;
	case ENCODING_RLE_DICTIONARY:
	case ENCODING_PLAIN_DICTIONARY:
		return begin_indices(decoder, values, err);
	case ENCODING_RLE:
		if (decoder->column.layout.type == PHYSICAL_BOOLEAN)
			return begin_rle_booleans(decoder, values, err);
		break;
	case ENCODING_DELTA_BINARY_PACKED:
		if (is_integer(decoder))
			return begin_delta(decoder, values, err);
		break;
	default:
		break;
	}
	return error_set(err, ERROR_UNSUPPORTED, "a page of column \"%s\" has encoding %d",
		decoder->column.name, encoding);
}

static bool begin_page_v1(struct decoder *decoder, struct error *err)
{
	const struct data_page_header *header = &decoder->pages.header.data;
	struct bytes values = buffer_bytes(&decoder->page);
	if (decoder->column.is_optional) {
		struct bytes levels;
		if (header->definition_encoding != ENCODING_RLE)
			return error_set(err, ERROR_UNSUPPORTED,
				"the levels of column \"%s\" have encoding %d",
				decoder->column.name, header->definition_encoding);
		if (!take_byte_array(&values, &levels))
			return corrupt(decoder, err, "its levels are cut short");
		decoder->levels = rle_decoder_of(levels, 1);
	}
	return begin_values(decoder, header->encoding, values, err);
}

static bool begin_page_v2(struct decoder *decoder, struct error *err)
{
	const struct data_page_header_v2 *header = &decoder->pages.header.data_v2;
	struct bytes values = buffer_bytes(&decoder->page);
	struct bytes levels = take_front(&values, (size_t)header->definition_size);
	decoder->levels = rle_decoder_of(levels, 1);
	return begin_values(decoder, header->encoding, values, err);
}

/* Rows of the data page whose header was read. */
static bool page_rows(const struct decoder *decoder, size_t *out, struct error *err)
{
	const struct page_header *header = &decoder->pages.header;
	bool is_v2 = header->type == PAGE_DATA_V2;
	if (!THRIFT_HAS(header, is_v2 ? PAGE_HEADER_DATA_V2 : PAGE_HEADER_DATA))
		return corrupt(decoder, err, "a page lacks its own header");
	int32_t count = is_v2 ? header->data_v2.value_count : header->data.value_count;
	if (count < 0 || (uint64_t)count > decoder->rows_left)
		return corrupt(decoder, err, "its pages have more values than rows");
	*out = (size_t)count;
	return true;
}

static bool is_data_page(const struct decoder *decoder)
{
	int32_t type = decoder->pages.header.type;
	return type == PAGE_DATA || type == PAGE_DATA_V2;
}

/* To the header of the next data page with rows in it, past a dictionary. */
static bool find_data_page(struct decoder *decoder, size_t *rows, struct error *err)
{
	for (;;) {
		if (!pages_next(&decoder->pages, err))
			return false;
		if (is_data_page(decoder)) {
			if (!page_rows(decoder, rows, err))
				return false;
			if (*rows > 0)
				return true;
			pages_skip_body(&decoder->pages);
		} else if (decoder->pages.header.type == PAGE_DICTIONARY) {
			if (!load_dictionary(decoder, err))
				return false;
		} else {
			pages_skip_body(&decoder->pages);
		}
	}
}

static bool begin_page(struct decoder *decoder, size_t rows, struct error *err)
{
	if (!pages_take_body(&decoder->pages, &decoder->page, err))
		return false;
	decoder->page_rows_left = rows;
	if (decoder->pages.header.type == PAGE_DATA_V2)
		return begin_page_v2(decoder, err);
	return begin_page_v1(decoder, err);
}

/* ---- values of the page at hand ---- */

struct slice {
	size_t row_count, value_count; /* value_count without NULLs */
	uint8_t valid[SLICE_ROWS];
};

static bool read_levels(
	struct decoder *decoder, size_t rows, struct slice *slice, struct error *err)
{
	slice->row_count = slice->value_count = rows;
	if (!decoder->column.is_optional) {
		memset(slice->valid, 1, rows);
		return true;
	}
	if (!rle_decode_u8(&decoder->levels, slice->valid, rows))
		return corrupt(decoder, err, "its levels are cut short");
	size_t count = 0;
	for (size_t i = 0; i < rows; i++)
		count += slice->valid[i];
	slice->value_count = count;
	if (count < rows && decoder->column.is_required)
		return corrupt(decoder, err, "a required value is NULL");
	return true;
}

static bool read_indices(
	struct decoder *decoder, uint32_t indices[SLICE_ROWS], size_t count, struct error *err)
{
	if (!rle_decode(&decoder->indices, indices, count))
		return corrupt(decoder, err, "its indices are cut short");
	uint32_t greatest = 0;
	for (size_t i = 0; i < count; i++)
		greatest = indices[i] > greatest ? indices[i] : greatest;
	if (count > 0 && greatest >= decoder->dictionary_count)
		return corrupt(decoder, err, "an index is beyond the dictionary");
	return true;
}

static void look_up(
	void *out, const void *dictionary, size_t width, const uint32_t *indices, size_t count)
{
	switch (width) {
	case 4:
		for (size_t i = 0; i < count; i++)
			((uint32_t *)out)[i] = ((const uint32_t *)dictionary)[indices[i]];
		break;
	case 8:
		for (size_t i = 0; i < count; i++)
			((uint64_t *)out)[i] = ((const uint64_t *)dictionary)[indices[i]];
		break;
	default:
		assert(width == 16);
		for (size_t i = 0; i < count; i++)
			memcpy((uint8_t *)out + i * 16,
				(const uint8_t *)dictionary + (size_t)indices[i] * 16, 16);
	}
}

/* The values of differences, in PLAIN form first. */
static bool decode_delta(struct decoder *decoder, void *out, size_t count)
{
	uint64_t values[SLICE_ROWS];
	uint32_t narrow[SLICE_ROWS];
	if (!delta_decode(&decoder->delta, values, count))
		return false;
	struct bytes plain = bytes_of((const uint8_t *)values, count * sizeof *values);
	if (decoder->column.layout.type == PHYSICAL_INT32) {
		for (size_t i = 0; i < count; i++)
			narrow[i] = (uint32_t)values[i];
		plain = bytes_of((const uint8_t *)narrow, count * sizeof *narrow);
	}
	return decode_plain(&decoder->column, &plain, out, count);
}

static bool read_fixed(struct decoder *decoder, void *out, size_t count, struct error *err)
{
	uint32_t indices[SLICE_ROWS];
	if (decoder->source == VALUES_DICTIONARY) {
		if (!read_indices(decoder, indices, count, err))
			return false;
		look_up(out, decoder->dictionary.data, column_type_width(decoder->column.type),
			indices, count);
		return true;
	}
	bool done;
	if (decoder->source == VALUES_RLE)
		done = rle_decode_u8(&decoder->indices, out, count);
	else if (decoder->source == VALUES_DELTA)
		done = decode_delta(decoder, out, count);
	else if (decoder->column.layout.type == PHYSICAL_BOOLEAN)
		done = decode_booleans(decoder, out, count);
	else
		done = decode_plain(&decoder->column, &decoder->plain, out, count);
	return done || corrupt(decoder, err, "a page ends before its values, or one does not fit");
}

static bool read_texts(struct decoder *decoder, struct bytes *out, size_t count, struct error *err)
{
	uint32_t indices[SLICE_ROWS];
	if (decoder->source == VALUES_DICTIONARY) {
		const void *texts = decoder->dictionary.data;
		if (!read_indices(decoder, indices, count, err))
			return false;
		for (size_t i = 0; i < count; i++)
			out[i] = ((const struct bytes *)texts)[indices[i]];
		return true;
	}
	for (size_t i = 0; i < count; i++)
		if (!take_byte_array(&decoder->plain, &out[i]))
			return corrupt(decoder, err, "a page ends before its values");
	return true;
}

/* ---- to the column ---- */

/* Dense values to the places of those that are not NULL, the last first; zero elsewhere. */
static void spread(uint8_t *out, const uint8_t *dense, size_t width, const struct slice *slice)
{
	for (size_t row = 0; row < slice->row_count; row++, out += width) {
		if (slice->valid[row]) {
			memcpy(out, dense, width);
			dense += width;
		} else {
			memset(out, 0, width);
		}
	}
}

static bool append_fixed(
	struct decoder *decoder, struct column *out, const struct slice *slice, struct error *err)
{
	_Alignas(16) uint8_t dense[SLICE_ROWS * 16];
	size_t size = slice->row_count * out->width;
	buffer_reserve(&out->fixed, size);
	uint8_t *to = out->fixed.data + out->fixed.size;
	bool is_dense = slice->value_count == slice->row_count;
	if (!read_fixed(decoder, is_dense ? to : dense, slice->value_count, err))
		return false;
	if (!is_dense)
		spread(to, dense, out->width, slice);
	out->fixed.size += size;
	return true;
}

static bool append_texts(
	struct decoder *decoder, struct column *out, const struct slice *slice, struct error *err)
{
	struct bytes texts[SLICE_ROWS];
	if (!read_texts(decoder, texts, slice->value_count, err))
		return false;
	uint64_t size = 0;
	for (size_t i = 0; i < slice->value_count; i++)
		size += texts[i].size;
	if (out->data.size + size > UINT32_MAX)
		return error_set(err, ERROR_LIMIT,
			"the rows asked for hold more than 4 GiB of column \"%s\"",
			decoder->column.name);
	buffer_reserve(&out->data, size);
	buffer_reserve(&out->offsets, slice->row_count * sizeof(uint32_t));
	uint32_t *ends = (uint32_t *)(void *)(out->offsets.data + out->offsets.size);
	const struct bytes *next = texts;
	for (size_t row = 0; row < slice->row_count; row++) {
		if (slice->valid[row])
			buffer_append_bytes(&out->data, *next++);
		ends[row] = (uint32_t)out->data.size;
	}
	out->offsets.size += slice->row_count * sizeof(uint32_t);
	return true;
}

static bool append_slice(
	struct decoder *decoder, struct column *out, size_t rows, struct error *err)
{
	struct slice slice;
	if (!read_levels(decoder, rows, &slice, err))
		return false;
	bool done = is_text(decoder) ? append_texts(decoder, out, &slice, err)
				     : append_fixed(decoder, out, &slice, err);
	if (!done)
		return false;
	buffer_append(&out->valid, slice.valid, rows);
	out->count += rows;
	out->null_count += rows - slice.value_count;
	return true;
}

static bool skip_slice(struct decoder *decoder, size_t rows, struct error *err)
{
	struct slice slice;
	_Alignas(16) uint8_t values[SLICE_ROWS * 16]; /* or struct bytes, of the same size */
	if (!read_levels(decoder, rows, &slice, err))
		return false;
	if (is_text(decoder))
		return read_texts(decoder, (void *)values, slice.value_count, err);
	return read_fixed(decoder, values, slice.value_count, err);
}

static size_t least(size_t a, size_t b)
{
	return a < b ? a : b;
}

static void pass_rows(struct decoder *decoder, size_t rows)
{
	decoder->page_rows_left -= rows;
	decoder->rows_left -= rows;
}

bool decoder_read(struct decoder *decoder, struct column *out, size_t rows, struct error *err)
{
	assert(rows <= decoder->rows_left);
	while (rows > 0) {
		size_t found;
		if (decoder->page_rows_left == 0 &&
			(!find_data_page(decoder, &found, err) || !begin_page(decoder, found, err)))
			return false;
		size_t take = least(least(rows, SLICE_ROWS), decoder->page_rows_left);
		if (!append_slice(decoder, out, take, err))
			return false;
		pass_rows(decoder, take);
		rows -= take;
	}
	return true;
}

bool decoder_skip(struct decoder *decoder, uint64_t rows, struct error *err)
{
	assert(rows <= decoder->rows_left);
	while (rows > 0) {
		size_t found;
		if (decoder->page_rows_left == 0) {
			if (!find_data_page(decoder, &found, err))
				return false;
			if (found <= rows) {
				pages_skip_body(&decoder->pages);
				decoder->rows_left -= found;
				rows -= found;
				continue;
			}
			if (!begin_page(decoder, found, err))
				return false;
		}
		size_t take = decoder->page_rows_left;
		take = least(take, SLICE_ROWS);
		take = rows < take ? (size_t)rows : take;
		if (!skip_slice(decoder, take, err))
			return false;
		pass_rows(decoder, take);
		rows -= take;
	}
	return true;
}
