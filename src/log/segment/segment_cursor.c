#include "log/segment/segment_internal.h"

#include <stdio.h>

const char *segment_path(const char *directory, log_position_t first, char path[SEGMENT_PATH_SIZE])
{
	char name[SEGMENT_NAME_SIZE];
	snprintf(path, SEGMENT_PATH_SIZE, "%s/%s", directory, segment_name(first, name));
	return path;
}

struct cursor *cursor_choose(struct cursor *cursors, log_position_t position)
{
	struct cursor *chosen = NULL, *oldest = &cursors[0], *newest = &cursors[0];
	for (size_t i = 0; i < CURSOR_COUNT; i++) {
		struct cursor *cursor = &cursors[i];
		if (chosen == NULL && cursor->file != NULL && position >= cursor->start &&
			position <= cursor->start + cursor->bytes.size)
			chosen = cursor;
		if (cursor->used_at < oldest->used_at)
			oldest = cursor;
		if (cursor->used_at > newest->used_at)
			newest = cursor;
	}
	if (chosen == NULL)
		chosen = oldest;
	chosen->used_at = newest->used_at + 1;
	return chosen;
}

bool cursor_open(struct cursor *cursor, struct world *world, const char *directory,
	log_position_t first, struct error *err)
{
	if (cursor->file != NULL && cursor->first == first)
		return true;
	char path[SEGMENT_PATH_SIZE];
	struct file *file;
	if (!world_open(world, segment_path(directory, first, path), FILE_READ, &file, err))
		return false;
	file_close(cursor->file);
	cursor->file = file;
	cursor->first = first;
	buffer_reset(&cursor->bytes);
	return true;
}

void cursor_close(struct cursor *cursor)
{
	file_close(cursor->file);
	buffer_deinit(&cursor->bytes);
	*cursor = (struct cursor){ 0 };
}

bool segment_list(struct world *world, const char *directory, struct arena *arena,
	log_position_t **out, size_t *count, struct error *err)
{
	struct file_info *files;
	size_t file_count;
	if (!world_list(world, directory, arena, &files, &file_count, err))
		return false;
	*out = arena_array(arena, log_position_t, file_count + 1);
	*count = 0;
	for (size_t i = 0; i < file_count; i++) {
		const bool is_segment = strlen(files[i].name) == SEGMENT_NAME_SIZE - 1 &&
					segment_name_parse(files[i].name, &(*out)[*count]);
		*count += is_segment && !files[i].is_directory;
	}
	return true;
}

struct bytes cursor_view(const struct cursor *cursor, log_position_t position)
{
	const log_position_t end = cursor->start + cursor->bytes.size;
	if (position < cursor->start || position >= end)
		return (struct bytes){ 0 };
	return bytes_of(cursor->bytes.data + (position - cursor->start), end - position);
}

bool cursor_load(struct cursor *cursor, log_position_t position, size_t size, log_position_t limit,
	struct error *err)
{
	const size_t wanted = size > CURSOR_CHUNK_SIZE ? size : CURSOR_CHUNK_SIZE;
	const uint64_t there = limit > position ? limit - position : 0;
	const size_t asked = there < wanted ? (size_t)there : wanted;
	size_t got;
	buffer_reset(&cursor->bytes);
	buffer_reserve(&cursor->bytes, asked);
	if (!file_read_at(
		    cursor->file, position - cursor->first, cursor->bytes.data, asked, &got, err))
		return false;
	cursor->bytes.size = got;
	cursor->start = position;
	return true;
}

bool cursor_item(struct cursor *cursor, log_position_t position, log_position_t limit,
	struct group_head *group, struct log_record *record, enum segment_item *out,
	struct error *err)
{
	size_t needed;
	size_t had = SIZE_MAX;
	for (;;) {
		const struct bytes view = cursor_view(cursor, position);
		*out = segment_item_decode(view, position, group, record, &needed);
		if (*out != ITEM_SHORT || view.size == had || needed > limit - position)
			return true;
		if (!cursor_load(cursor, position, needed, limit, err))
			return false;
		had = view.size;
	}
}
