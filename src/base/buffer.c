#include "base/buffer.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

enum {
	CAPACITY_MIN = 256
};

void buffer_grow(struct buffer *buffer, size_t more)
{
	assert(more <= SIZE_MAX / 4 && buffer->size <= SIZE_MAX / 4);
	size_t capacity = buffer->capacity ? buffer->capacity : CAPACITY_MIN;
	while (capacity < buffer->size + more)
		capacity += capacity / 2;
	buffer->data = memory_resize(buffer->data, capacity, 1);
	buffer->capacity = capacity;
}

void buffer_deinit(struct buffer *buffer)
{
	free(buffer->data);
	*buffer = (struct buffer){ 0 };
}

static void append_be(struct buffer *buffer, uint64_t value, size_t width)
{
	uint8_t out[8];
	for (size_t i = 0; i < width; i++)
		out[i] = (uint8_t)(value >> (8 * (width - 1 - i)));
	buffer_append(buffer, out, width);
}

static void append_le(struct buffer *buffer, uint64_t value, size_t width)
{
	uint8_t out[8];
	for (size_t i = 0; i < width; i++)
		out[i] = (uint8_t)(value >> (8 * i));
	buffer_append(buffer, out, width);
}

void buffer_append_u16be(struct buffer *buffer, uint16_t value)
{
	append_be(buffer, value, 2);
}

void buffer_append_u32be(struct buffer *buffer, uint32_t value)
{
	append_be(buffer, value, 4);
}

void buffer_append_u64be(struct buffer *buffer, uint64_t value)
{
	append_be(buffer, value, 8);
}

void buffer_append_u32le(struct buffer *buffer, uint32_t value)
{
	append_le(buffer, value, 4);
}

void buffer_append_u64le(struct buffer *buffer, uint64_t value)
{
	append_le(buffer, value, 8);
}

void buffer_append_varint(struct buffer *buffer, uint64_t value)
{
	buffer_reserve(buffer, 10);
	uint8_t *out = buffer->data + buffer->size;
	while (value >= 0x80) {
		*out++ = (uint8_t)(value | 0x80);
		value >>= 7;
	}
	*out++ = (uint8_t)value;
	buffer->size = (size_t)(out - buffer->data);
}

void buffer_append_zigzag(struct buffer *buffer, int64_t value)
{
	buffer_append_varint(buffer, ((uint64_t)value << 1) ^ (uint64_t)(value >> 63));
}

void buffer_append_format(struct buffer *buffer, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	assert(size >= 0);
	buffer_reserve(buffer, (size_t)size + 1);
	va_start(arguments, format);
	vsnprintf((char *)buffer->data + buffer->size, (size_t)size + 1, format, arguments);
	va_end(arguments);
	buffer->size += (size_t)size;
}
