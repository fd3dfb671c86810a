/*
 * bytes.h: a view of bytes or of text.
 *
 * A view never owns, is never freed, and is valid as long as what it points into.
 * Text is UTF-8 and not terminated; text that needs a NUL is a `const char *`.
 */
#ifndef BASE_BYTES_H
#define BASE_BYTES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

struct bytes {
	const uint8_t *data;
	size_t size;
};

#define BYTES_LITERAL(literal) ((struct bytes){ (const uint8_t *)(literal), sizeof(literal) - 1 })

static inline struct bytes bytes_of(const void *data, size_t size)
{
	return (struct bytes){ (const uint8_t *)data, size };
}

static inline struct bytes bytes_of_cstring(const char *text)
{
	return (struct bytes){ (const uint8_t *)text, strlen(text) };
}

static inline bool bytes_equal(struct bytes a, struct bytes b)
{
	return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* Unsigned bytes first, the shorter of two equal prefixes before the longer: <0, 0, >0. */
static inline int bytes_compare(struct bytes a, struct bytes b)
{
	size_t shared = a.size < b.size ? a.size : b.size;
	int order = shared ? memcmp(a.data, b.data, shared) : 0;
	if (order != 0)
		return order;
	return (a.size > b.size) - (a.size < b.size);
}

#endif
