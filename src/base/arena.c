#include "base/arena.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

enum {
	BLOCK_BYTES_MIN = 16 * 1024
};

struct arena_block {
	struct arena_block *next;
	size_t size_bytes;
	size_t used_bytes;
	max_align_t data[];
};

static void stop_without_memory(size_t count, size_t item_size)
{
	fprintf(stderr, "fatal: no memory for %zu x %zu bytes\n", count, item_size);
	abort();
}

void *memory_allocate(size_t count, size_t item_size)
{
	void *memory = calloc(count ? count : 1, item_size ? item_size : 1);
	if (memory == NULL)
		stop_without_memory(count, item_size);
	return memory;
}

void *memory_resize(void *memory, size_t count, size_t item_size)
{
	void *moved = reallocarray(memory, count ? count : 1, item_size ? item_size : 1);
	if (moved == NULL)
		stop_without_memory(count, item_size);
	return moved;
}

static struct arena_block *block_push(struct arena *arena, size_t size_bytes)
{
	struct arena_block *block = malloc(sizeof *block + size_bytes);
	if (block == NULL)
		stop_without_memory(1, size_bytes);
	block->next = arena->head;
	block->size_bytes = size_bytes;
	block->used_bytes = 0;
	arena->head = block;
	return block;
}

/* Blocks grow with the arena, so that a long life costs few of them. */
static size_t block_size(const struct arena *arena, size_t size)
{
	size_t usual = arena->used_bytes / 2;
	if (usual < BLOCK_BYTES_MIN)
		usual = BLOCK_BYTES_MIN;
	return size > usual ? size : usual;
}

void *arena_alloc(struct arena *arena, size_t count, size_t item_size)
{
	assert(item_size > 0);
	if (count > (SIZE_MAX / 2) / item_size)
		stop_without_memory(count, item_size);
	size_t size = count * item_size;
	size = (size + _Alignof(max_align_t) - 1) & ~(_Alignof(max_align_t) - 1);

	struct arena_block *block = arena->head;
	if (block == NULL || block->size_bytes - block->used_bytes < size)
		block = block_push(arena, block_size(arena, size));
	void *memory = (char *)block->data + block->used_bytes;
	block->used_bytes += size;
	arena->used_bytes += size;
	return memset(memory, 0, size);
}

void *arena_copy(struct arena *arena, const void *data, size_t size)
{
	void *copy = arena_alloc(arena, size, 1);
	return size ? memcpy(copy, data, size) : copy;
}

struct bytes arena_copy_bytes(struct arena *arena, struct bytes bytes)
{
	return bytes_of(arena_copy(arena, bytes.data, bytes.size), bytes.size);
}

char *arena_copy_text(struct arena *arena, struct bytes text)
{
	char *copy = arena_alloc(arena, text.size + 1, 1);
	if (text.size)
		memcpy(copy, text.data, text.size);
	return copy;
}

char *arena_copy_cstring(struct arena *arena, const char *text)
{
	return arena_copy_text(arena, bytes_of_cstring(text));
}

char *arena_format(struct arena *arena, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	int size = vsnprintf(NULL, 0, format, arguments);
	va_end(arguments);
	assert(size >= 0);
	char *text = arena_alloc(arena, (size_t)size + 1, 1);
	va_start(arguments, format);
	vsnprintf(text, (size_t)size + 1, format, arguments);
	va_end(arguments);
	return text;
}

static void free_blocks(struct arena_block *block)
{
	while (block != NULL) {
		struct arena_block *next = block->next;
		free(block);
		block = next;
	}
}

void arena_reset(struct arena *arena)
{
	if (arena->head != NULL) {
		free_blocks(arena->head->next);
		arena->head->next = NULL;
		arena->head->used_bytes = 0;
	}
	arena->used_bytes = 0;
}

void arena_deinit(struct arena *arena)
{
	free_blocks(arena->head);
	*arena = (struct arena){ 0 };
}
