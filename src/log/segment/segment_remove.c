/*
 * A log that nobody needs any more is removed; one that is another lake's is not.
 */
#include "log/segment/segment_internal.h"

/* A head that cannot be read says nothing of whose it is: the name is a segment's, and it is
 * useless. */
static bool check_segment(struct world *world, const char *directory, log_position_t first,
	const char *lake_id, struct error *err)
{
	struct cursor cursor = { 0 };
	struct segment_head head;
	struct error why;
	bool done = cursor_open(&cursor, world, directory, first, err) &&
		    cursor_load(&cursor, first, SEGMENT_HEAD_SIZE, first + SEGMENT_HEAD_SIZE, err);
	if (done && segment_head_decode(cursor_view(&cursor, first), first, &head, &why))
		done = segment_check_text(directory, "lake", head.lake_id, lake_id, err);
	else if (done && why.kind != ERROR_CORRUPT) {
		*err = why;
		done = false;
	}
	cursor_close(&cursor);
	return done;
}

/* None where there is no directory. */
static bool list_own(struct world *world, const char *directory, const char *lake_id,
	struct arena *arena, log_position_t **firsts, size_t *count, struct error *err)
{
	*count = 0;
	if (!segment_list(world, directory, arena, firsts, count, err))
		return err->kind == ERROR_MISSING;
	for (size_t i = 0; i < *count; i++)
		if (!check_segment(world, directory, (*firsts)[i], lake_id, err))
			return false;
	return true;
}

bool log_segment_check_lake(
	struct world *world, const char *directory, const char *lake_id, struct error *err)
{
	struct arena arena = { 0 };
	log_position_t *firsts;
	size_t count;
	const bool done = list_own(world, directory, lake_id, &arena, &firsts, &count, err);
	arena_deinit(&arena);
	return done;
}

bool log_segment_remove(
	struct world *world, const char *directory, const char *lake_id, struct error *err)
{
	struct arena arena = { 0 };
	log_position_t *firsts;
	size_t count;
	char path[SEGMENT_PATH_SIZE];
	bool done = list_own(world, directory, lake_id, &arena, &firsts, &count, err);
	for (size_t i = 0; done && i < count; i++)
		done = world_remove(world, segment_path(directory, firsts[i], path), err);
	arena_deinit(&arena);
	return done && (count == 0 || world_sync_directory(world, directory, err));
}
