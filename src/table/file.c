#include "table/table_internal.h"

#include <stdlib.h>

bool bitmap_get(const struct bitmap *bitmap, uint32_t position)
{
	const size_t word = position / BITMAP_WORD_BITS;
	return word < bitmap->word_count &&
	       (bitmap->words[word] >> position % BITMAP_WORD_BITS & 1) != 0;
}

/* Room for the position; at least doubled, because an open file's rows are deleted as it grows. */
static void bitmap_reserve(struct bitmap *bitmap, uint32_t position)
{
	const size_t needed = position / BITMAP_WORD_BITS + 1;
	if (needed <= bitmap->word_count)
		return;
	const size_t count = needed > 2 * bitmap->word_count ? needed : 2 * bitmap->word_count;
	bitmap->words = memory_resize(bitmap->words, count, sizeof *bitmap->words);
	memset(bitmap->words + bitmap->word_count, 0,
		(count - bitmap->word_count) * sizeof *bitmap->words);
	bitmap->word_count = count;
}

bool bitmap_set(struct bitmap *bitmap, uint32_t position)
{
	bitmap_reserve(bitmap, position);
	uint64_t *word = &bitmap->words[position / BITMAP_WORD_BITS];
	const uint64_t bit = (uint64_t)1 << position % BITMAP_WORD_BITS;
	if (*word & bit)
		return false;
	*word |= bit;
	bitmap->set_count++;
	return true;
}

static void bitmap_deinit(struct bitmap *bitmap)
{
	free(bitmap->words);
	*bitmap = (struct bitmap){ 0 };
}

void delete_file_close(struct delete_file *deletes)
{
	if (deletes == NULL)
		return;
	arena_deinit(&deletes->arena);
	free(deletes);
}

uint64_t table_file_live_rows(const struct table_file *file)
{
	return (uint64_t)file->entry.data_file.record_count - file->deleted.set_count;
}

bool table_file_is_live(const struct table_file *file)
{
	return !file->is_dropped && table_file_live_rows(file) > 0;
}

const struct delete_file *table_file_next_deletes(const struct table_file *file)
{
	return file->next_deletes ? file->next_deletes : file->deletes;
}

static void table_file_close(struct table_file *file)
{
	bitmap_deinit(&file->deleted);
	buffer_deinit(&file->held);
	delete_file_close(file->deletes);
	delete_file_close(file->next_deletes);
	arena_deinit(&file->arena);
	free(file);
}

struct table_file *table_add_file(struct table *table)
{
	if (table->file_count == table->file_capacity) {
		table->file_capacity = table->file_capacity ? 2 * table->file_capacity : 16;
		table->files =
			memory_resize(table->files, table->file_capacity, sizeof *table->files);
	}
	struct table_file *file = memory_allocate(1, sizeof *file);
	file->id = table->next_file++;
	file->is_new = true;
	table->files[table->file_count++] = file;
	return file;
}

void table_remove_file(struct table *table, size_t index)
{
	table->held_bytes -= table->files[index]->held.size;
	table_file_close(table->files[index]);
	table->file_count--;
	memmove(table->files + index, table->files + index + 1,
		(table->file_count - index) * sizeof *table->files);
}

struct table_file *table_find_file(const struct table *table, uint32_t id)
{
	size_t from = 0, to = table->file_count;
	while (from < to) {
		const size_t middle = from + (to - from) / 2;
		if (table->files[middle]->id < id)
			from = middle + 1;
		else
			to = middle;
	}
	return from < table->file_count && table->files[from]->id == id ? table->files[from] : NULL;
}
