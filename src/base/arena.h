/*
 * arena.h: memory that is freed all at once, when a known span of work ends.
 *
 * arena_alloc() never returns NULL: without memory the process stops with one line, which is safe
 * because a restart resumes from the last durable position.  Sizes taken from outside bytes are
 * checked against those bytes first (reader_count...), so that no peer makes an allocation huge.
 *
 * Not thread safe: an arena belongs to one thread at a time.
 */
#ifndef BASE_ARENA_H
#define BASE_ARENA_H

#include "base/bytes.h"
#include "base/error.h"

struct arena_block;

struct arena {
	struct arena_block *head; /* newest block first */
	size_t used_bytes;        /* handed out since the last reset */
};

/* A zeroed struct arena is an empty one: `struct arena arena = { 0 };`. */
void arena_reset(struct arena *arena);  /* keeps one block; every pointer handed out is void */
void arena_deinit(struct arena *arena); /* frees all; the arena is empty and usable again */

/* Zeroed memory for count items of item_size bytes, aligned for any type. */
void *arena_alloc(struct arena *arena, size_t count, size_t item_size);
void *arena_copy(struct arena *arena, const void *data, size_t size);
struct bytes arena_copy_bytes(struct arena *arena, struct bytes bytes);
char *arena_copy_text(struct arena *arena, struct bytes text); /* NUL-terminated */
char *arena_copy_cstring(struct arena *arena, const char *text);
char *arena_format(struct arena *arena, const char *format, ...) PRINTF_LIKE(2, 3);

#define arena_new(arena, type) ((type *)arena_alloc((arena), 1, sizeof(type)))
#define arena_array(arena, type, count) ((type *)arena_alloc((arena), (count), sizeof(type)))

/* malloc family that ends the process instead of returning NULL; free() releases. */
void *memory_allocate(size_t count, size_t item_size); /* zeroed */
void *memory_resize(void *memory, size_t count, size_t item_size);

#endif
