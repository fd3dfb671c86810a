/*
 * What a log on disk says, and whether it may be believed.
 *
 * Only the end of the last segment may be damaged by a crash: a segment is synced before the next
 * is made, and each group says up to where all was durable when it was written.
 */
#include "log/segment/segment_internal.h"

#include <inttypes.h>
#include <stdio.h>

struct scan {
	struct segment_log *log;
	const struct segment_options *options;
	struct arena arena;
	log_position_t *firsts;
	size_t count;
	struct cursor cursor;
	log_position_t file_end;       /* of the segment being verified */
	log_position_t position;       /* everything before is whole */
	log_position_t durable_before; /* of the last group: what follows was perhaps not synced */
	bool is_observed;              /* the segment's records tell what is in force at the end */
	bool is_torn;                  /* at position, in the last segment */
	bool is_head_torn;             /* the last segment has not even a head */
	bool is_needed_found;
	lsn_t end_lsn;
};

bool segment_hint_snapshot(struct error *err)
{
	return error_hint(err,
		"Bring the log back from where it was moved, or run `walberg "
		"snapshot --all`, which begins a new log and reads everything again.");
}

bool segment_damage(const char *directory, log_position_t first, log_position_t position,
	const char *what, struct error *err)
{
	char path[SEGMENT_PATH_SIZE];
	error_set(err, ERROR_CORRUPT, "log segment \"%s\" %s at byte %" PRIu64,
		segment_path(directory, first, path), what, position - first);
	return error_hint(err, "Bring the file back from a backup, or run `walberg snapshot "
			       "--all`, which begins a new log and reads everything again.");
}

static void note_position(struct scan *scan, log_position_t position)
{
	scan->is_needed_found |= position == scan->options->needed;
}

bool segment_check_text(const char *directory, const char *what, const char *there,
	const char *expected, struct error *err)
{
	if (strcmp(there, expected) == 0)
		return true;
	error_set(err, ERROR_SETUP, "the log in \"%s\" is of %s \"%s\", not \"%s\"", directory,
		what, there, expected);
	return error_hint(err, "Give each lake a directory of its own (log.directory).");
}

/* The first segment says which log it is; the others must be of the same. */
static bool check_head(
	struct scan *scan, const struct segment_head *head, size_t index, struct error *err)
{
	struct segment_head *own = &scan->log->head;
	const char *directory = scan->log->directory;
	if (!segment_check_text(directory, "lake", head->lake_id, own->lake_id, err) ||
		!segment_check_text(directory, "codec", head->codec, own->codec, err))
		return false;
	if (index > 0 && strcmp(head->log_id, own->log_id) != 0)
		return segment_damage(
			directory, head->first, head->first, "is of another log", err);
	memcpy(own->log_id, head->log_id, sizeof own->log_id);
	return true;
}

static bool scan_head(struct scan *scan, size_t index, struct error *err)
{
	const log_position_t first = scan->firsts[index];
	struct segment_head head;
	struct error why;
	if (!cursor_load(&scan->cursor, first, SEGMENT_HEAD_SIZE, scan->file_end, err))
		return false;
	if (!segment_head_decode(cursor_view(&scan->cursor, first), first, &head, &why)) {
		char path[SEGMENT_PATH_SIZE];
		scan->is_head_torn = why.kind == ERROR_CORRUPT && index + 1 == scan->count;
		if (scan->is_head_torn)
			return true;
		segment_path(scan->log->directory, first, path);
		error_set(err, why.kind, "log segment \"%s\" cannot be read: %s", path, why.text);
		return why.kind == ERROR_CORRUPT ? segment_hint_snapshot(err)
						 : error_hint(err, "%s", why.hint);
	}
	if (!check_head(scan, &head, index, err))
		return false;
	if (head.end_lsn > scan->end_lsn)
		scan->end_lsn = head.end_lsn;
	note_position(scan, first);
	scan->position = first + SEGMENT_HEAD_SIZE;
	note_position(scan, scan->position);
	return true;
}

/* The records of one group; *is_whole is false when one is damaged or does not fit. */
static bool scan_records(struct scan *scan, log_position_t position, log_position_t end,
	bool *is_whole, struct error *err)
{
	lsn_t end_lsn = scan->end_lsn;
	*is_whole = false;
	while (position < end) {
		struct group_head none;
		struct log_record record;
		enum segment_item item;
		if (!cursor_item(&scan->cursor, position, end, &none, &record, &item, err))
			return false;
		if (item != ITEM_RECORD)
			return true;
		note_position(scan, position);
		if (record.end_lsn > end_lsn)
			end_lsn = record.end_lsn;
		position = record.next;
	}
	*is_whole = position == end;
	if (*is_whole)
		scan->end_lsn = end_lsn;
	return true;
}

/* A second pass, over a whole group: the definitions in a torn one are not in force. */
static bool observe_records(
	struct scan *scan, log_position_t position, log_position_t end, struct error *err)
{
	const struct log_codec *codec = scan->log->codec;
	while (codec != NULL && scan->is_observed && position < end) {
		struct group_head none;
		struct log_record record;
		enum segment_item item;
		if (!cursor_item(&scan->cursor, position, end, &none, &record, &item, err))
			return false;
		if (item != ITEM_RECORD)
			return error_set(err, ERROR_LOST, "the log changed while opening");
		codec->observe(scan->log->codec_state, record.kind, record.body);
		position = record.next;
	}
	return true;
}

static bool scan_group(struct scan *scan, bool *is_whole, struct error *err)
{
	struct group_head group;
	struct log_record none;
	enum segment_item item;
	*is_whole = false;
	if (!cursor_item(&scan->cursor, scan->position, scan->file_end, &group, &none, &item, err))
		return false;
	const log_position_t start = scan->position + GROUP_HEAD_SIZE;
	if (item != ITEM_GROUP || group.size > scan->file_end - start)
		return true;
	const log_position_t end = start + group.size;
	if (!scan_records(scan, start, end, is_whole, err))
		return false;
	if (!*is_whole)
		return true;
	if (!observe_records(scan, start, end, err))
		return false;
	note_position(scan, start);
	note_position(scan, end);
	scan->durable_before = group.durable_before;
	scan->position = end;
	return true;
}

static bool scan_groups(struct scan *scan, size_t index, struct error *err)
{
	bool is_whole = true;
	while (is_whole && scan->position < scan->file_end)
		if (!scan_group(scan, &is_whole, err))
			return false;
	if (is_whole)
		return true;
	scan->is_torn = index + 1 == scan->count;
	if (scan->is_torn)
		return true;
	return segment_damage(scan->log->directory, scan->firsts[index], scan->position,
		"is damaged in the group", err);
}

static bool scan_segment(struct scan *scan, size_t index, struct error *err)
{
	const log_position_t first = scan->firsts[index];
	uint64_t size;
	if (!cursor_open(&scan->cursor, scan->log->world, scan->log->directory, first, err) ||
		!file_size(scan->cursor.file, &size, err))
		return false;
	if (index > 0 && first != scan->position)
		return segment_damage(scan->log->directory, scan->firsts[index - 1], scan->position,
			"is cut short, or the next one is missing: it ends", err);
	scan->file_end = first + size;
	scan->is_observed = index + 2 >= scan->count; /* the last may have but a torn head */
	if (!scan_head(scan, index, err))
		return false;
	return scan->is_head_torn || scan_groups(scan, index, err);
}

/* Whether a group beyond `bad` says that the log was durable beyond it. */
static bool find_later_claim(struct scan *scan, log_position_t bad, bool *found, struct error *err)
{
	*found = false;
	log_position_t at = bad + 1;
	while (at < scan->file_end && scan->file_end - at >= GROUP_HEAD_SIZE && !*found) {
		if (!cursor_load(&scan->cursor, at, GROUP_HEAD_SIZE, scan->file_end, err))
			return false;
		const struct bytes view = cursor_view(&scan->cursor, at);
		size_t i = 0;
		for (; i + GROUP_HEAD_SIZE <= view.size && !*found; i++) {
			struct group_head group;
			*found = segment_group_decode(bytes_of(view.data + i, view.size - i),
					 at + i, &group) == ITEM_GROUP &&
				 group.durable_before > bad;
		}
		if (i == 0)
			break;
		at += i;
	}
	return true;
}

static bool check_torn_tail(struct scan *scan, struct error *err)
{
	const log_position_t first = scan->firsts[scan->count - 1];
	const log_position_t bad = scan->is_head_torn ? first : scan->position;
	bool was_durable;
	if (!find_later_claim(scan, bad, &was_durable, err))
		return false;
	/* A first segment that is not the log's first was there before the older were removed. */
	was_durable |= scan->is_head_torn && scan->count == 1 && first > 0;
	if (!was_durable && scan->end_lsn >= scan->options->confirmed_lsn)
		return true;
	return segment_damage(scan->log->directory, first, bad, "is damaged", err);
}

/* I3: all that anybody was told of must be there. */
static bool check_end(struct scan *scan, struct error *err)
{
	const struct segment_options *options = scan->options;
	char ends[LSN_TEXT_SIZE], confirmed[LSN_TEXT_SIZE];
	if (scan->end_lsn >= options->confirmed_lsn)
		return true;
	error_set(err, ERROR_CORRUPT, "the log in \"%s\" ends at %s, before %s that was confirmed",
		scan->log->directory, lsn_format(scan->end_lsn, ends),
		lsn_format(options->confirmed_lsn, confirmed));
	return error_hint(err,
		"If the log was moved, bring it back. If the slot was made again or moved, or the "
		"lake is an older copy, changes are missing: run \"walberg snapshot --all\", which "
		"reads everything again.");
}

static bool check_needed(struct scan *scan, struct error *err)
{
	const struct segment_options *options = scan->options;
	const bool is_ours = options->needed_log_id == NULL ||
			     strcmp(options->needed_log_id, scan->log->head.log_id) == 0;
	const bool is_inside =
		options->needed >= scan->firsts[0] && options->needed <= scan->position;
	if (!is_ours || (is_inside && scan->is_needed_found))
		return true;
	error_set(err, is_inside ? ERROR_CORRUPT : ERROR_MISSING,
		"the log in \"%s\" has no record at position %" PRIu64
		", where the lake resumes: it reaches from %" PRIu64 " to %" PRIu64,
		scan->log->directory, options->needed, scan->firsts[0], scan->position);
	return segment_hint_snapshot(err);
}

static bool scan_all(struct scan *scan, struct error *err)
{
	scan->position = scan->firsts[0];
	note_position(scan, scan->position);
	for (size_t i = 0; i < scan->count; i++)
		if (!scan_segment(scan, i, err))
			return false;
	if ((scan->is_torn || scan->is_head_torn) && !check_torn_tail(scan, err))
		return false;
	return check_end(scan, err) && check_needed(scan, err);
}

/*
 * Write again what was perhaps never synced: when an fsync fails, Linux marks the pages as clean,
 * and a later fsync would say that they are on disk.
 */
static bool rewrite_tail(struct scan *scan, log_position_t from, struct error *err)
{
	struct segment_log *log = scan->log;
	const log_position_t first = scan->cursor.first;
	for (log_position_t at = from; at < scan->position;) {
		if (!cursor_load(&scan->cursor, at, CURSOR_CHUNK_SIZE, scan->position, err))
			return false;
		const struct bytes chunk = cursor_view(&scan->cursor, at);
		if (chunk.size == 0)
			return error_set(err, ERROR_LOST, "the log became shorter while opening");
		if (!file_write_at(log->file, at - first, chunk, err))
			return false;
		at += chunk.size;
	}
	return file_sync(log->file, err);
}

static bool open_last(struct scan *scan, struct error *err)
{
	struct segment_log *log = scan->log;
	const log_position_t first = scan->firsts[scan->count - 1];
	char path[SEGMENT_PATH_SIZE];
	segment_path(log->directory, first, path);
	if (!cursor_open(&scan->cursor, log->world, log->directory, first, err) ||
		!world_open(log->world, path, FILE_WRITE, &log->file, err))
		return false;
	if (scan->is_torn && !file_truncate(log->file, scan->position - first, err))
		return false;
	const log_position_t from = scan->durable_before > first ? scan->durable_before : first;
	return rewrite_tail(scan, from, err);
}

static bool remove_torn_last(struct scan *scan, struct error *err)
{
	char path[SEGMENT_PATH_SIZE];
	segment_path(scan->log->directory, scan->firsts[--scan->count], path);
	cursor_close(&scan->cursor);
	return world_remove(scan->log->world, path, err);
}

static bool adopt(struct scan *scan, struct error *err)
{
	struct segment_log *log = scan->log;
	if (scan->is_head_torn && !remove_torn_last(scan, err))
		return false;
	if (scan->count > 0 && !open_last(scan, err))
		return false;
	if (!world_sync_directory(log->world, log->directory, err))
		return false;
	for (size_t i = 0; i < scan->count; i++)
		segment_list_push(log, scan->firsts[i]);
	log->written = scan->position;
	log->end_lsn_appended = scan->end_lsn;
	return true;
}

bool segment_recover(struct segment_log *log, const struct segment_options *options, bool *found,
	struct error *err)
{
	struct scan scan = { .log = log, .options = options };
	*found = false;
	bool ok = segment_list(
		log->world, log->directory, &scan.arena, &scan.firsts, &scan.count, err);
	if (ok && scan.count > 0)
		ok = scan_all(&scan, err) && adopt(&scan, err);
	*found = ok && scan.count > 0;
	cursor_close(&scan.cursor);
	arena_deinit(&scan.arena);
	return ok;
}
