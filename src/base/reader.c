#include "base/reader.h"

#include <assert.h>

static uint64_t read_be(struct reader *reader, size_t width)
{
	struct bytes slice = reader_take(reader, width);
	uint64_t value = 0;
	for (size_t i = 0; i < slice.size; i++)
		value = value << 8 | slice.data[i];
	return value;
}

static uint64_t read_le(struct reader *reader, size_t width)
{
	struct bytes slice = reader_take(reader, width);
	uint64_t value = 0;
	for (size_t i = slice.size; i > 0; i--)
		value = value << 8 | slice.data[i - 1];
	return value;
}

uint8_t reader_u8(struct reader *reader)
{
	return (uint8_t)read_be(reader, 1);
}

uint16_t reader_u16be(struct reader *reader)
{
	return (uint16_t)read_be(reader, 2);
}

uint32_t reader_u32be(struct reader *reader)
{
	return (uint32_t)read_be(reader, 4);
}

uint64_t reader_u64be(struct reader *reader)
{
	return read_be(reader, 8);
}

uint32_t reader_u32le(struct reader *reader)
{
	return (uint32_t)read_le(reader, 4);
}

uint64_t reader_u64le(struct reader *reader)
{
	return read_le(reader, 8);
}

uint64_t reader_varint(struct reader *reader)
{
	uint64_t value = 0;
	for (unsigned shift = 0; shift < 64; shift += 7) {
		uint8_t byte = reader_u8(reader);
		if (shift == 63 && byte > 1)
			break;
		value |= (uint64_t)(byte & 0x7f) << shift;
		if ((byte & 0x80) == 0)
			return reader->failed ? 0 : value;
	}
	reader->failed = true;
	return 0;
}

int64_t reader_zigzag(struct reader *reader)
{
	uint64_t value = reader_varint(reader);
	return (int64_t)(value >> 1) ^ -(int64_t)(value & 1);
}

struct bytes reader_cstring(struct reader *reader)
{
	size_t left = reader_left(reader);
	const uint8_t *start = left ? reader->input.data + reader->offset : NULL;
	const uint8_t *end = left && !reader->failed ? memchr(start, 0, left) : NULL;
	if (end == NULL) {
		reader->failed = true;
		return (struct bytes){ 0 };
	}
	struct bytes text = reader_take(reader, (size_t)(end - start));
	reader_take(reader, 1);
	return text;
}

size_t reader_count(struct reader *reader, uint64_t count, size_t item_size_min)
{
	assert(item_size_min > 0);
	if (reader->failed || count > reader_left(reader) / item_size_min) {
		reader->failed = true;
		return 0;
	}
	return (size_t)count;
}

bool reader_finish(const struct reader *reader, const char *what, struct error *err)
{
	if (reader->failed)
		return error_set(err, ERROR_CORRUPT, "%s is damaged or ends early, at byte %zu",
			what, reader->offset);
	if (reader->offset != reader->input.size)
		return error_set(
			err, ERROR_CORRUPT, "%s has %zu bytes too many", what, reader_left(reader));
	return true;
}
