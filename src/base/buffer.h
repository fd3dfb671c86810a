/*
 * buffer.h: bytes that grow, for everything that is encoded.
 *
 * A zeroed struct buffer is an empty one.  It owns its memory; without memory the process stops.
 */
#ifndef BASE_BUFFER_H
#define BASE_BUFFER_H

#include "base/arena.h"

struct buffer {
	uint8_t *data;
	size_t size;
	size_t capacity;
};

void buffer_deinit(struct buffer *buffer);
void buffer_grow(struct buffer *buffer, size_t more); /* room for `more` bytes beyond size */

static inline void buffer_reset(struct buffer *buffer)
{
	buffer->size = 0;
}

static inline struct bytes buffer_bytes(const struct buffer *buffer)
{
	return (struct bytes){ buffer->data, buffer->size };
}

static inline void buffer_reserve(struct buffer *buffer, size_t more)
{
	if (buffer->capacity - buffer->size < more)
		buffer_grow(buffer, more);
}

static inline void buffer_append(struct buffer *buffer, const void *data, size_t size)
{
	buffer_reserve(buffer, size);
	if (size)
		memcpy(buffer->data + buffer->size, data, size);
	buffer->size += size;
}

static inline void buffer_append_bytes(struct buffer *buffer, struct bytes bytes)
{
	buffer_append(buffer, bytes.data, bytes.size);
}

static inline void buffer_append_cstring(struct buffer *buffer, const char *text)
{
	buffer_append(buffer, text, strlen(text)); /* without its NUL */
}

static inline void buffer_append_u8(struct buffer *buffer, uint8_t value)
{
	buffer_append(buffer, &value, 1);
}

void buffer_append_u16be(struct buffer *buffer, uint16_t value);
void buffer_append_u32be(struct buffer *buffer, uint32_t value);
void buffer_append_u64be(struct buffer *buffer, uint64_t value);
void buffer_append_u32le(struct buffer *buffer, uint32_t value);
void buffer_append_u64le(struct buffer *buffer, uint64_t value);
void buffer_append_varint(struct buffer *buffer, uint64_t value); /* ULEB128 */
void buffer_append_zigzag(struct buffer *buffer, int64_t value);  /* zigzag, then ULEB128 */
void buffer_append_format(struct buffer *buffer, const char *format, ...) PRINTF_LIKE(2, 3);

#endif
