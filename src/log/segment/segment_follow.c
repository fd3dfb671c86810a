/*
 * A log that another process writes, for looking at.
 *
 * Every segment's file is opened as soon as it is seen, and kept open: its bytes stay readable when
 * the writer has removed it.  What counts as there are whole groups.  The bytes behind the last one
 * may be a group that is being written, or the torn end of one that will be cut: they are read anew
 * each time.
 */
#include "log/segment/segment_internal.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	LOOK_INTERVAL = 20 * 1000,          /* microseconds */
	LOOK_SIZE_BYTES = 16 * 1024 * 1024, /* verified at one look, so that much is soon shown */
};

struct held {
	log_position_t first;
	struct file *file;
};

struct follow_log {
	struct log base;
	struct world *world;
	char *directory;
	struct segment_head head; /* what every segment's says; no log's id before the first */
	struct held *held;        /* oldest first */
	size_t held_count;
	log_position_t end; /* of the last whole group, or of a segment's head */
	lsn_t end_lsn;
	struct cursor looking;               /* for more, at the end; its file is a held one */
	struct cursor cursors[CURSOR_COUNT]; /* likewise */
	struct error trouble;                /* ends the following */
};

static struct follow_log *follow_of(struct log *log)
{
	return (struct follow_log *)log;
}

static log_position_t limit_of(const struct follow_log *log, size_t index)
{
	return index + 1 < log->held_count ? log->held[index + 1].first : log->end;
}

static size_t held_at(const struct follow_log *log, log_position_t position)
{
	size_t i = log->held_count;
	while (i > 0 && log->held[i - 1].first > position)
		i--;
	return i - 1; /* SIZE_MAX: it was released */
}

static void point(struct cursor *cursor, const struct held *held)
{
	if (cursor->file == held->file)
		return;
	cursor->file = held->file;
	cursor->first = held->first;
	buffer_reset(&cursor->bytes);
}

/* --- segments come and go --- */

static bool is_held(const struct follow_log *log, log_position_t first)
{
	return log->held_count > 0 && log->held[log->held_count - 1].first >= first;
}

static bool released(const struct follow_log *log, struct error *err)
{
	error_set(err, ERROR_MISSING,
		"the log in \"%s\" was released at position %" PRIu64 " before it was looked at",
		log->directory, log->end);
	return error_hint(err, "What it held is in the lake's tables. Look again from here on.");
}

/* MISSING: it went since the directory was listed. */
static bool hold(struct follow_log *log, log_position_t first, struct error *err)
{
	char path[SEGMENT_PATH_SIZE];
	struct file *file;
	if (!world_open(
		    log->world, segment_path(log->directory, first, path), FILE_READ, &file, err))
		return false;
	log->held = memory_resize(log->held, log->held_count + 1, sizeof *log->held);
	log->held[log->held_count++] = (struct held){ first, file };
	return true;
}

static void let_go(struct follow_log *log, struct file *file)
{
	for (size_t i = 0; i < CURSOR_COUNT; i++)
		if (log->cursors[i].file == file)
			log->cursors[i].file = NULL;
	if (log->looking.file == file)
		log->looking.file = NULL;
	file_close(file);
}

/* Another log begins at other positions, or with a head that says so. */
static bool check_same_log(struct follow_log *log, log_position_t first, struct error *err)
{
	struct cursor cursor = { 0 };
	struct segment_head head;
	struct error why;
	bool done = cursor_open(&cursor, log->world, log->directory, first, err) &&
		    cursor_load(&cursor, first, SEGMENT_HEAD_SIZE, first + SEGMENT_HEAD_SIZE, err);
	if (!done && err->kind == ERROR_MISSING)
		done = true; /* released this moment */
	else if (done && segment_head_decode(cursor_view(&cursor, first), first, &head, &why) &&
		 strcmp(head.log_id, log->head.log_id) != 0 && log->head.log_id[0] != '\0')
		done = error_set(
			err, ERROR_CONFLICT, "the log in \"%s\" was begun anew", log->directory);
	cursor_close(&cursor);
	return done;
}

/* Hold what is new; *later: a segment stands behind the one that the end is in. */
static bool list(struct follow_log *log, bool *later, struct error *err)
{
	struct arena arena = { 0 };
	log_position_t *firsts;
	size_t count = 0;
	bool done = segment_list(log->world, log->directory, &arena, &firsts, &count, err) &&
		    (count == 0 || check_same_log(log, firsts[0], err));
	for (size_t i = 0; done && i < count; i++) {
		if (is_held(log, firsts[i]))
			continue;
		done = hold(log, firsts[i], err);
		if (done || err->kind != ERROR_MISSING)
			continue;
		done = true; /* released this moment */
		if (log->held_count > 0)
			break; /* a gap; the next look sees it */
	}
	arena_deinit(&arena);
	*later = done && log->held_count > 0 && log->held[log->held_count - 1].first > log->end;
	return done;
}

/* --- looking for whole groups --- */

static bool check_head(struct follow_log *log, const struct segment_head *head, struct error *err)
{
	if (!segment_check_text(log->directory, "lake", head->lake_id, log->head.lake_id, err) ||
		!segment_check_text(log->directory, "codec", head->codec, log->head.codec, err))
		return false;
	if (log->head.log_id[0] != '\0' && strcmp(head->log_id, log->head.log_id) != 0)
		return error_set(
			err, ERROR_CONFLICT, "the log in \"%s\" was begun anew", log->directory);
	memcpy(log->head.log_id, head->log_id, sizeof log->head.log_id);
	if (head->end_lsn > log->end_lsn)
		log->end_lsn = head->end_lsn;
	return true;
}

/* A damaged head may be one that is being written; a later version's is not waited for. */
static bool look_at_head(
	struct follow_log *log, log_position_t file_end, bool *is_whole, struct error *err)
{
	const log_position_t first = log->looking.first;
	struct segment_head head;
	if (!cursor_load(&log->looking, first, SEGMENT_HEAD_SIZE, file_end, err))
		return false;
	if (!segment_head_decode(cursor_view(&log->looking, first), first, &head, err))
		return err->kind == ERROR_CORRUPT;
	if (!check_head(log, &head, err))
		return false;
	log->end = first + SEGMENT_HEAD_SIZE;
	*is_whole = true;
	return true;
}

static bool look_at_records(struct follow_log *log, log_position_t position, log_position_t end,
	bool *is_whole, struct error *err)
{
	lsn_t end_lsn = log->end_lsn;
	while (position < end) {
		struct group_head none;
		struct log_record record;
		enum segment_item item;
		if (!cursor_item(&log->looking, position, end, &none, &record, &item, err))
			return false;
		if (item != ITEM_RECORD)
			return true;
		if (record.end_lsn > end_lsn)
			end_lsn = record.end_lsn;
		position = record.next;
	}
	*is_whole = position == end;
	if (*is_whole) {
		log->end = end;
		log->end_lsn = end_lsn;
	}
	return true;
}

static bool look_at_group(
	struct follow_log *log, log_position_t file_end, bool *is_whole, struct error *err)
{
	struct group_head group;
	struct log_record none;
	enum segment_item item;
	if (!cursor_item(&log->looking, log->end, file_end, &group, &none, &item, err))
		return false;
	const log_position_t start = log->end + GROUP_HEAD_SIZE;
	if (item != ITEM_GROUP || group.size > file_end - start)
		return true;
	return look_at_records(log, start, start + group.size, is_whole, err);
}

/* *is_whole: the end has moved.  *is_at_end: all bytes of the segment are whole groups. */
static bool look_on(struct follow_log *log, bool *is_whole, bool *is_at_end, struct error *err)
{
	const struct held *held = &log->held[held_at(log, log->end)];
	uint64_t size;
	*is_whole = *is_at_end = false;
	point(&log->looking, held);
	if (!file_size(held->file, &size, err))
		return false;
	const log_position_t file_end = held->first + size;
	*is_at_end = log->end >= file_end && size > 0;
	if (*is_at_end)
		return true;
	const bool done = log->end == held->first ? look_at_head(log, file_end, is_whole, err)
						  : look_at_group(log, file_end, is_whole, err);
	if (!*is_whole)
		buffer_reset(&log->looking.bytes); /* they may be others the next time */
	return done;
}

/* Nothing was found: is there a segment behind this one?  Then this one is whole by now. */
static bool look_behind(struct follow_log *log, struct error *err)
{
	bool later, is_whole, is_at_end;
	if (!list(log, &later, err))
		return false;
	if (!later)
		return true;
	if (!look_on(log, &is_whole, &is_at_end, err))
		return false;
	if (is_whole)
		return true;
	if (is_at_end)
		return released(log, err);
	return segment_damage(log->directory, log->looking.first, log->end, "is damaged", err);
}

static bool look_once(struct follow_log *log, struct error *err)
{
	const log_position_t start = log->end;
	bool is_whole = true, is_at_end, done = true;
	while (done && is_whole && log->end - start < LOOK_SIZE_BYTES)
		done = look_on(log, &is_whole, &is_at_end, err);
	return done && (is_whole || look_behind(log, err));
}

/* Again, when a new segment was found behind what had been the last one. */
static void look(struct follow_log *log)
{
	struct error err;
	size_t held_count = log->held_count - 1;
	while (log->trouble.kind == ERROR_NONE && log->held_count > held_count) {
		held_count = log->held_count;
		if (!look_once(log, &err))
			log->trouble = err;
	}
}

/* --- as a log --- */

static bool follow_refuse(struct follow_log *log, struct error *err)
{
	return error_set(err, ERROR_UNSUPPORTED, "the log in \"%s\" is open for looking alone",
		log->directory);
}

static bool follow_append(struct log *base, const struct log_record *record, struct error *err)
{
	(void)record;
	return follow_refuse(follow_of(base), err);
}

static bool follow_sync(struct log *base, struct log_receipt *out, struct error *err)
{
	(void)out;
	return follow_refuse(follow_of(base), err);
}

static bool follow_read(struct log *base, log_position_t position, struct log_record *out,
	bool *found, struct error *err)
{
	struct follow_log *log = follow_of(base);
	struct cursor *cursor = cursor_choose(log->cursors, position);
	while (position < log->end) {
		const size_t index = held_at(log, position);
		struct group_head group;
		enum segment_item item;
		if (index == SIZE_MAX)
			return error_set(err, ERROR_MISSING,
				"position %" PRIu64 " of the log was released", position);
		point(cursor, &log->held[index]);
		if (position == cursor->first)
			position += SEGMENT_HEAD_SIZE;
		if (position >= limit_of(log, index))
			continue;
		if (!cursor_item(cursor, position, limit_of(log, index), &group, out, &item, err))
			return false;
		*found = item == ITEM_RECORD;
		if (*found)
			return true;
		if (item != ITEM_GROUP)
			return segment_damage(log->directory, cursor->first, position,
				"is damaged in the record", err);
		position += GROUP_HEAD_SIZE;
	}
	if (log->trouble.kind != ERROR_NONE)
		*err = log->trouble;
	return log->trouble.kind == ERROR_NONE;
}

static bool follow_release(struct log *base, log_position_t position, struct error *err)
{
	struct follow_log *log = follow_of(base);
	(void)err;
	size_t gone = 0;
	while (gone + 1 < log->held_count && log->held[gone + 1].first <= position)
		let_go(log, log->held[gone++].file);
	log->held_count -= gone;
	memmove(log->held, log->held + gone, log->held_count * sizeof *log->held);
	return true;
}

static bool follow_wait(struct log *base, log_position_t position, micros_t timeout)
{
	struct follow_log *log = follow_of(base);
	const micros_t deadline = world_monotonic(log->world) + timeout;
	for (look(log); log->end <= position && log->trouble.kind == ERROR_NONE; look(log)) {
		if (world_monotonic(log->world) >= deadline)
			break;
		world_sleep(log->world, LOOK_INTERVAL);
	}
	return log->end > position;
}

static const char *follow_id(const struct log *log)
{
	return ((const struct follow_log *)log)->head.log_id;
}

static log_position_t follow_first(const struct log *log)
{
	return ((const struct follow_log *)log)->held[0].first;
}

static log_position_t follow_end(const struct log *log)
{
	return ((const struct follow_log *)log)->end;
}

static lsn_t follow_end_lsn(const struct log *log)
{
	return ((const struct follow_log *)log)->end_lsn;
}

static uint64_t follow_size_bytes(const struct log *log)
{
	return follow_end(log) - follow_first(log);
}

static void follow_close(struct log *base)
{
	struct follow_log *log = follow_of(base);
	for (size_t i = 0; i < CURSOR_COUNT; i++)
		buffer_deinit(&log->cursors[i].bytes); /* the files are the held ones */
	buffer_deinit(&log->looking.bytes);
	for (size_t i = 0; i < log->held_count; i++)
		file_close(log->held[i].file);
	free(log->held);
	free(log->directory);
	free(log);
}

static struct follow_log *follow_new(struct world *world, const char *directory,
	const char *lake_id, const struct log_codec *codec)
{
	static const struct log_ops OPS = {
		.append = follow_append,
		.sync = follow_sync,
		.read = follow_read,
		.release = follow_release,
		.wait = follow_wait,
		.id = follow_id,
		.first = follow_first,
		.end = follow_end,
		.end_lsn = follow_end_lsn,
		.size_bytes = follow_size_bytes,
		.close = follow_close,
	};
	struct follow_log *log = memory_allocate(1, sizeof *log);
	log->base.ops = &OPS;
	log->world = world;
	log->directory = strcpy(memory_allocate(strlen(directory) + 1, 1), directory);
	log->head = segment_head_for(lake_id, codec);
	return log;
}

static bool begin(struct follow_log *log, struct error *err)
{
	bool later;
	if (!list(log, &later, err) && err->kind != ERROR_MISSING)
		return false;
	if (log->held_count == 0) {
		error_set(err, ERROR_MISSING, "there is no log in \"%s\"", log->directory);
		return error_hint(
			err, "\"walberg run\" makes one, once the initial snapshot begins.");
	}
	log->end = log->held[0].first;
	look(log);
	if (log->trouble.kind != ERROR_NONE)
		*err = log->trouble;
	return log->trouble.kind == ERROR_NONE;
}

bool log_segment_follow(struct world *world, const char *directory, const char *lake_id,
	const struct log_codec *codec, struct log **out, struct error *err)
{
	struct follow_log *log = follow_new(world, directory, lake_id, codec);
	if (!begin(log, err)) {
		follow_close(&log->base);
		return error_context(err, "looking at the log in \"%s\"", directory);
	}
	*out = &log->base;
	return true;
}
