#include "format/pgcopy/pgcopy.h"

#include <assert.h>
#include <stdlib.h>

static const struct bytes SIGNATURE = { (const uint8_t *)"PGCOPY\n\377\r\n", 11 };

enum {
	HEADER_SIZE = 11 + 4 + 4,  /* without its extension */
	CRITICAL_FLAGS_SHIFT = 16, /* the upper half of the flags must be understood */
	COUNT_SIZE = 2,
	SIZE_SIZE = 4,
};

void pgcopy_init(struct pgcopy *copy, size_t column_count)
{
	*copy = (struct pgcopy){ .column_count = column_count };
	copy->fields = memory_allocate(column_count, sizeof(struct pgcopy_field));
}

void pgcopy_deinit(struct pgcopy *copy)
{
	free(copy->fields);
	buffer_deinit(&copy->kept);
	*copy = (struct pgcopy){ 0 };
}

void pgcopy_push(struct pgcopy *copy, struct bytes chunk)
{
	if (copy->input.size == 0) {
		copy->input = chunk;
		return;
	}
	assert(copy->input.data == copy->kept.data && copy->input.size == copy->kept.size);
	buffer_append_bytes(&copy->kept, chunk);
	copy->input = buffer_bytes(&copy->kept);
}

/* Moves what is left of the input to where it outlives the chunk. */
static void keep_rest(struct pgcopy *copy)
{
	const struct bytes rest = copy->input;
	if (rest.size == 0) {
		buffer_reset(&copy->kept);
		return;
	}
	const uint8_t *kept = copy->kept.data;
	if (kept != NULL && rest.data >= kept && rest.data < kept + copy->kept.size) {
		memmove(copy->kept.data, rest.data, rest.size);
		copy->kept.size = rest.size;
	} else {
		buffer_reset(&copy->kept);
		buffer_append_bytes(&copy->kept, rest);
	}
	copy->input = buffer_bytes(&copy->kept);
}

static uint16_t load_u16(const uint8_t *at)
{
	return (uint16_t)(at[0] << 8 | at[1]);
}

static uint32_t load_u32(const uint8_t *at)
{
	uint32_t value;
	memcpy(&value, at, sizeof value);
	return __builtin_bswap32(value);
}

/* True when the input has `size` bytes; else notes that so many are needed. */
static bool input_has(struct pgcopy *copy, size_t size)
{
	if (copy->input.size >= size)
		return true;
	copy->needed_bytes = size;
	return false;
}

static void input_consume(struct pgcopy *copy, size_t size)
{
	copy->input = bytes_of(copy->input.data + size, copy->input.size - size);
	copy->needed_bytes = 0;
}

/* 11 bytes signature | u32 flags | u32 size of the extension | extension */
static bool read_header(struct pgcopy *copy, struct error *err)
{
	if (!input_has(copy, HEADER_SIZE))
		return true;
	const uint8_t *at = copy->input.data;
	if (memcmp(at, SIGNATURE.data, SIGNATURE.size) != 0)
		return error_set(err, ERROR_CORRUPT, "COPY data do not begin with the signature");
	const uint32_t flags = load_u32(at + SIGNATURE.size);
	const uint32_t extension_size = load_u32(at + SIGNATURE.size + 4);
	if (flags >> CRITICAL_FLAGS_SHIFT != 0)
		return error_set(
			err, ERROR_UNSUPPORTED, "COPY data have unknown flags 0x%08x", flags);
	if (extension_size > PGCOPY_EXTENSION_SIZE_MAX)
		return error_set(
			err, ERROR_CORRUPT, "COPY data have a header of %u bytes", extension_size);
	if (!input_has(copy, HEADER_SIZE + (size_t)extension_size))
		return true;
	input_consume(copy, HEADER_SIZE + (size_t)extension_size);
	copy->state = PGCOPY_ROWS;
	return true;
}

/* Per field: i32 size, -1 for NULL | bytes.  *is_whole is false when the input ends before. */
static bool read_fields(struct pgcopy *copy, bool *is_whole, struct error *err)
{
	size_t offset = COUNT_SIZE;
	*is_whole = false;
	for (size_t i = 0; i < copy->column_count; i++) {
		if (!input_has(copy, offset + SIZE_SIZE))
			return true;
		const uint32_t size = load_u32(copy->input.data + offset);
		offset += SIZE_SIZE;
		copy->fields[i] = (struct pgcopy_field){ .is_null = size == UINT32_MAX };
		if (copy->fields[i].is_null)
			continue;
		if (size > PGCOPY_ROW_SIZE_MAX || offset + size > PGCOPY_ROW_SIZE_MAX)
			return error_set(err, ERROR_CORRUPT,
				"a field of COPY data claims a size of %u bytes", size);
		if (!input_has(copy, offset + size))
			return true;
		copy->fields[i].bytes = bytes_of(copy->input.data + offset, size);
		offset += size;
	}
	*is_whole = true;
	input_consume(copy, offset);
	return true;
}

/* i16 number of fields | fields; or -1: the trailer */
static bool read_row(struct pgcopy *copy, const struct pgcopy_field **row, struct error *err)
{
	if (!input_has(copy, COUNT_SIZE))
		return true;
	const uint16_t count = load_u16(copy->input.data);
	if (count == UINT16_MAX) {
		input_consume(copy, COUNT_SIZE);
		copy->state = PGCOPY_DONE;
		return true;
	}
	if (count != copy->column_count)
		return error_set(err, ERROR_CORRUPT, "a row of COPY data has %u fields, not %zu",
			count, copy->column_count);
	bool is_whole;
	if (!read_fields(copy, &is_whole, err))
		return false;
	if (is_whole)
		*row = copy->fields;
	return true;
}

bool pgcopy_next_row(struct pgcopy *copy, const struct pgcopy_field **row, struct error *err)
{
	*row = NULL;
	if (copy->input.size < copy->needed_bytes) {
		keep_rest(copy);
		return true;
	}
	if (copy->state == PGCOPY_HEADER && !read_header(copy, err))
		return false;
	if (copy->state == PGCOPY_ROWS && !read_row(copy, row, err))
		return false;
	if (copy->state == PGCOPY_DONE && copy->input.size > 0)
		return error_set(err, ERROR_CORRUPT, "COPY data go on after their trailer");
	if (*row == NULL)
		keep_rest(copy);
	return true;
}

bool pgcopy_finish(const struct pgcopy *copy, struct error *err)
{
	if (copy->state == PGCOPY_DONE)
		return true;
	return error_set(err, ERROR_CORRUPT, "COPY data end without their trailer");
}

void pgcopy_encode_header(struct buffer *out)
{
	buffer_append_bytes(out, SIGNATURE);
	buffer_append_u32be(out, 0);
	buffer_append_u32be(out, 0);
}

void pgcopy_encode_row(struct buffer *out, const struct pgcopy_field *fields, size_t count)
{
	buffer_append_u16be(out, (uint16_t)count);
	for (size_t i = 0; i < count; i++) {
		buffer_append_u32be(
			out, fields[i].is_null ? UINT32_MAX : (uint32_t)fields[i].bytes.size);
		if (!fields[i].is_null)
			buffer_append_bytes(out, fields[i].bytes);
	}
}

void pgcopy_encode_trailer(struct buffer *out)
{
	buffer_append_u16be(out, UINT16_MAX);
}
