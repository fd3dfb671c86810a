#include "log/segment/segment_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>
#include <time.h>

enum {
	FLUSH_SIZE_MAX = 4 << 20, /* written, not synced, when so much waits for a sync */
};
#define NO_GROUP SIZE_MAX

static struct segment_log *segment_log_of(struct log *log)
{
	return (struct segment_log *)log;
}

static log_position_t appended_end(const struct segment_log *log)
{
	return log->written + log->buffer.size;
}

/* --- appending ------------------------------------------------------------------------------ */

void segment_list_push(struct segment_log *log, log_position_t first)
{
	if (log->first_count == log->first_capacity) {
		log->first_capacity = log->first_capacity ? 2 * log->first_capacity : 16;
		log->firsts = memory_resize(log->firsts, log->first_capacity, sizeof *log->firsts);
	}
	log->firsts[log->first_count++] = first;
}

/* All that was written is durable: show it to readers. */
static void publish(struct segment_log *log)
{
	log->synced = log->written;
	pthread_mutex_lock(&log->lock);
	if (log->first_count == 0 || log->firsts[log->first_count - 1] != log->head.first)
		segment_list_push(log, log->head.first);
	log->first = log->firsts[0];
	log->end_lsn = log->end_lsn_appended;
	log->end = log->synced;
	log->appended_end = appended_end(log);
	pthread_cond_broadcast(&log->grown);
	pthread_mutex_unlock(&log->lock);
}

/* After a failed sync nobody knows which pages are on disk; only recovery finds out. */
static bool check_broken(const struct segment_log *log, struct error *err)
{
	if (log->broken.kind == ERROR_NONE)
		return true;
	*err = log->broken;
	return false;
}

static bool sync_written(struct segment_log *log, struct error *err)
{
	if (log->synced == log->written)
		return true;
	if (!file_sync(log->file, err)) {
		err->kind = ERROR_LOST;
		log->broken = *err;
		return false;
	}
	publish(log);
	return true;
}

/* The directory is synced before anything in the file is called durable. */
static bool make_file(struct segment_log *log, struct error *err)
{
	char path[SEGMENT_PATH_SIZE];
	segment_path(log->directory, log->head.first, path);
	struct file *file;
	if (!world_open(log->world, path, FILE_CREATE, &file, err))
		return false;
	if (!file_truncate(file, 0, err) ||
		!world_sync_directory(log->world, log->directory, err)) {
		file_close(file);
		return false;
	}
	log->file = file;
	return true;
}

static void end_group(struct segment_log *log)
{
	if (log->group_offset == NO_GROUP)
		return;
	const size_t start = log->group_offset + GROUP_HEAD_SIZE;
	const struct group_head head = {
		.size = log->buffer.size - start,
		.durable_before = log->synced,
	};
	group_head_encode(
		&head, log->written + log->group_offset, log->buffer.data + log->group_offset);
}

/* What cannot be written stays in the buffer, for the next call to try again. */
static bool flush(struct segment_log *log, struct error *err)
{
	if (log->buffer.size == 0)
		return true;
	if (log->file == NULL && !make_file(log, err))
		return false;
	end_group(log);
	const uint64_t offset = log->written - log->head.first;
	if (!file_write_at(log->file, offset, buffer_bytes(&log->buffer), err))
		return false;
	log->written += log->buffer.size;
	buffer_reset(&log->buffer);
	log->group_offset = NO_GROUP;
	return true;
}

static void append_definition(void *context, struct bytes body)
{
	struct segment_log *log = context;
	const struct log_record record = { .kind = LOG_RELATION, .body = body };
	record_encode(&record, appended_end(log), &log->buffer);
}

/* A segment is closed durable, so that only the last one can have a torn end. */
static bool begin_segment(struct segment_log *log, struct error *err)
{
	if (!sync_written(log, err))
		return false;
	file_close(log->file);
	log->file = NULL;
	log->head.first = log->written;
	log->head.end_lsn = log->end_lsn_appended;
	segment_head_encode(&log->head, &log->buffer);
	return true;
}

static bool begin_group(struct segment_log *log, struct error *err)
{
	if (log->written - log->head.first >= log->segment_size_bytes && !begin_segment(log, err))
		return false;
	const bool is_first = appended_end(log) == log->head.first + SEGMENT_HEAD_SIZE;
	static const uint8_t EMPTY[GROUP_HEAD_SIZE];
	log->group_offset = log->buffer.size;
	buffer_append(&log->buffer, EMPTY, sizeof EMPTY);
	if (is_first && log->codec != NULL)
		log->codec->definitions(log->codec_state, append_definition, log);
	return true;
}

static bool check_limits(
	const struct segment_log *log, const struct log_record *record, struct error *err)
{
	if (record->body.size > RECORD_BODY_SIZE_MAX)
		return error_set(err, ERROR_UNSUPPORTED, "a message of %zu bytes is too large",
			record->body.size);
	const uint64_t size = appended_end(log) - log->first + GROUP_HEAD_SIZE + RECORD_HEAD_SIZE +
			      record->body.size;
	if (size <= log->size_limit_bytes)
		return true;
	error_set(err, ERROR_LIMIT, "the log in \"%s\" has reached its limit of %" PRIu64 " bytes",
		log->directory, log->size_limit_bytes);
	return error_hint(err, "It goes on when the lake's tables have caught up. A transaction "
			       "larger than the limit never fits: raise log.size_limit.");
}

/*
 * The last segment is never released: one that the limit finds is ended early, so that the log can
 * shrink below the limit, however the two sizes stand to each other.
 */
static bool end_full_segment(struct segment_log *log, struct error *err)
{
	if (appended_end(log) <= log->head.first + SEGMENT_HEAD_SIZE)
		return true;
	return flush(log, err) && begin_segment(log, err) && flush(log, err) &&
	       sync_written(log, err);
}

static bool segment_append(struct log *base, const struct log_record *record, struct error *err)
{
	struct segment_log *log = segment_log_of(base);
	if (!check_broken(log, err))
		return false;
	if (!check_limits(log, record, err)) {
		struct error failure;
		if (err->kind == ERROR_LIMIT && !end_full_segment(log, &failure))
			*err = failure;
		return false;
	}
	if (log->buffer.size >= log->flush_size_bytes && !flush(log, err))
		return false;
	if (log->group_offset == NO_GROUP && !begin_group(log, err))
		return false;
	record_encode(record, appended_end(log), &log->buffer);
	if (log->codec != NULL)
		log->codec->observe(log->codec_state, record->kind, record->body);
	if (record->end_lsn > log->end_lsn_appended)
		log->end_lsn_appended = record->end_lsn;
	atomic_store_explicit(&log->appended_end, appended_end(log), memory_order_relaxed);
	return true;
}

static bool segment_sync(struct log *base, struct log_receipt *out, struct error *err)
{
	struct segment_log *log = segment_log_of(base);
	if (!check_broken(log, err) || !flush(log, err) || !sync_written(log, err))
		return false;
	out->end_lsn_made_by_log_sync = log->end_lsn_appended;
	return true;
}

/* --- reading -------------------------------------------------------------------------------- */

/* The segment that holds position, and its end as far as it is durable. */
static bool find_segment(struct segment_log *log, log_position_t position, log_position_t *first,
	log_position_t *limit, struct error *err)
{
	pthread_mutex_lock(&log->lock);
	size_t i = log->first_count;
	while (i > 0 && log->firsts[i - 1] > position)
		i--;
	*limit = i < log->first_count ? log->firsts[i] : log->end;
	*first = i > 0 ? log->firsts[i - 1] : UINT64_MAX;
	pthread_mutex_unlock(&log->lock);
	if (i > 0)
		return true;
	error_set(err, ERROR_MISSING, "position %" PRIu64 " of the log in \"%s\" was released",
		position, log->directory);
	return segment_hint_snapshot(err);
}

/* Open the segment of position and step over what is no record there. */
static bool seek(struct segment_log *log, struct cursor *cursor, log_position_t *position,
	log_position_t *limit, struct error *err)
{
	log_position_t first;
	if (!find_segment(log, *position, &first, limit, err))
		return false;
	if (*position == first)
		*position += SEGMENT_HEAD_SIZE;
	return cursor_open(cursor, log->world, log->directory, first, err);
}

static bool damaged(struct segment_log *log, log_position_t position, struct error *err)
{
	log_position_t first, limit;
	if (!find_segment(log, position, &first, &limit, err))
		return false;
	return segment_damage(log->directory, first, position, "is damaged in the record", err);
}

/* The usual case, without a lock: the record is in memory. */
static bool read_cached(
	const struct cursor *cursor, log_position_t *position, struct log_record *out)
{
	struct group_head group;
	size_t needed;
	for (;;) {
		const struct bytes view = cursor_view(cursor, *position);
		switch (segment_item_decode(view, *position, &group, out, &needed)) {
		case ITEM_RECORD:
			return true;
		case ITEM_GROUP:
			*position += GROUP_HEAD_SIZE;
			break;
		default:
			return false;
		}
	}
}

static bool read_from(struct segment_log *log, struct cursor *cursor, log_position_t position,
	struct log_record *out, bool *found, struct error *err)
{
	const log_position_t end = log->end;
	while (position < end) {
		log_position_t limit;
		struct group_head group;
		enum segment_item item;
		if (!seek(log, cursor, &position, &limit, err))
			return false;
		if (position >= limit)
			continue; /* a segment of which nothing but the head is there yet */
		if (!cursor_item(cursor, position, limit, &group, out, &item, err))
			return false;
		if (item != ITEM_RECORD && item != ITEM_GROUP)
			return damaged(log, position, err);
		*found = item == ITEM_RECORD;
		if (*found)
			return true;
		position += GROUP_HEAD_SIZE;
	}
	return true;
}

static bool segment_read(struct log *base, log_position_t position, struct log_record *out,
	bool *found, struct error *err)
{
	struct segment_log *log = segment_log_of(base);
	if (position >= log->end)
		return true;
	struct cursor *cursor = cursor_choose(log->cursors, position);
	*found = cursor->file != NULL && read_cached(cursor, &position, out);
	return *found || read_from(log, cursor, position, out, found, err);
}

/* --- the rest ------------------------------------------------------------------------------- */

static bool oldest_to_release(
	struct segment_log *log, log_position_t position, log_position_t *first)
{
	pthread_mutex_lock(&log->lock);
	const bool is_free = log->first_count > 1 && log->firsts[1] <= position;
	if (is_free)
		*first = log->firsts[0];
	pthread_mutex_unlock(&log->lock);
	return is_free;
}

static void forget_oldest(struct segment_log *log)
{
	pthread_mutex_lock(&log->lock);
	memmove(log->firsts, log->firsts + 1, --log->first_count * sizeof *log->firsts);
	log->first = log->firsts[0];
	pthread_mutex_unlock(&log->lock);
}

/* One at a time, each durable before the next: a crash must not leave a hole. */
static bool segment_release(struct log *base, log_position_t position, struct error *err)
{
	struct segment_log *log = segment_log_of(base);
	log_position_t first;
	while (oldest_to_release(log, position, &first)) {
		char path[SEGMENT_PATH_SIZE];
		segment_path(log->directory, first, path);
		if (!world_remove(log->world, path, err) && err->kind != ERROR_MISSING)
			return false;
		if (!world_sync_directory(log->world, log->directory, err))
			return false;
		forget_oldest(log);
	}
	return true;
}

static struct timespec deadline_after(micros_t timeout)
{
	struct timespec at;
	clock_gettime(CLOCK_MONOTONIC, &at);
	at.tv_sec += timeout / 1000000;
	at.tv_nsec += timeout % 1000000 * 1000;
	if (at.tv_nsec >= 1000000000) {
		at.tv_sec++;
		at.tv_nsec -= 1000000000;
	}
	return at;
}

static bool segment_wait(struct log *base, log_position_t position, micros_t timeout)
{
	struct segment_log *log = segment_log_of(base);
	if (log->end > position || timeout <= 0)
		return log->end > position;
	const struct timespec deadline = deadline_after(timeout);
	pthread_mutex_lock(&log->lock);
	int waited = 0;
	while (log->end <= position && waited == 0)
		waited = pthread_cond_timedwait(&log->grown, &log->lock, &deadline);
	pthread_mutex_unlock(&log->lock);
	return log->end > position;
}

static const char *segment_id(const struct log *log)
{
	return ((const struct segment_log *)log)->head.log_id;
}

static log_position_t segment_first(const struct log *log)
{
	return ((const struct segment_log *)log)->first;
}

static log_position_t segment_end(const struct log *log)
{
	return ((const struct segment_log *)log)->end;
}

static lsn_t segment_end_lsn(const struct log *log)
{
	return ((const struct segment_log *)log)->end_lsn;
}

static uint64_t segment_size_bytes(const struct log *base)
{
	const struct segment_log *log = (const struct segment_log *)base;
	const log_position_t first = log->first; /* before the end, which only grows */
	return log->appended_end - first;
}

static void segment_close(struct log *base)
{
	struct segment_log *log = segment_log_of(base);
	file_close(log->file);
	for (size_t i = 0; i < CURSOR_COUNT; i++)
		cursor_close(&log->cursors[i]);
	if (log->codec != NULL)
		log->codec->close(log->codec_state);
	pthread_mutex_destroy(&log->lock);
	pthread_cond_destroy(&log->grown);
	buffer_deinit(&log->buffer);
	free(log->firsts);
	free(log->directory);
	free(log);
}

/* --- opening -------------------------------------------------------------------------------- */

static struct segment_log *segment_log_new(
	struct world *world, const char *directory, const struct segment_options *options)
{
	static const struct log_ops OPS = {
		.append = segment_append,
		.sync = segment_sync,
		.read = segment_read,
		.release = segment_release,
		.wait = segment_wait,
		.id = segment_id,
		.first = segment_first,
		.end = segment_end,
		.end_lsn = segment_end_lsn,
		.size_bytes = segment_size_bytes,
		.close = segment_close,
	};
	struct segment_log *log = memory_allocate(1, sizeof *log);
	log->base.ops = &OPS;
	log->world = world;
	log->directory = strcpy(memory_allocate(strlen(directory) + 1, 1), directory);
	log->segment_size_bytes = options->segment_size_bytes;
	log->flush_size_bytes = options->segment_size_bytes < FLUSH_SIZE_MAX
					? (size_t)options->segment_size_bytes
					: FLUSH_SIZE_MAX;
	log->size_limit_bytes = options->size_limit_bytes;
	log->codec = options->codec;
	log->codec_state = log->codec != NULL ? log->codec->open() : NULL;
	log->group_offset = NO_GROUP;
	assert(strlen(options->lake_id) < SEGMENT_TEXT_SIZE);
	log->head = segment_head_for(options->lake_id, options->codec);
	pthread_condattr_t clock;
	pthread_condattr_init(&clock);
	pthread_condattr_setclock(&clock, CLOCK_MONOTONIC);
	pthread_cond_init(&log->grown, &clock);
	pthread_condattr_destroy(&clock);
	pthread_mutex_init(&log->lock, NULL);
	return log;
}

/* Its head is made durable at once: from then on the log has an id. */
static bool begin_log(
	struct segment_log *log, const struct segment_options *options, struct error *err)
{
	if (options->confirmed_lsn != 0 || options->needed != 0)
		return error_set(err, ERROR_MISSING, "there is no log in \"%s\"", log->directory) ||
		       segment_hint_snapshot(err);
	world_uuid(log->world, log->head.log_id);
	log->head.end_lsn = options->begin_lsn;
	log->end_lsn_appended = options->begin_lsn;
	log->end_lsn = options->begin_lsn;
	segment_head_encode(&log->head, &log->buffer);
	return flush(log, err) && sync_written(log, err);
}

static bool open_log(
	struct segment_log *log, const struct segment_options *options, struct error *err)
{
	bool is_there;
	if (!world_make_directories(log->world, log->directory, err) ||
		!segment_recover(log, options, &is_there, err))
		return false;
	if (!is_there)
		return begin_log(log, options, err);
	log->head.first = log->firsts[log->first_count - 1];
	publish(log);
	return true;
}

bool log_segment_open(struct world *world, const char *directory,
	const struct segment_options *options, struct log **out, struct error *err)
{
	*out = NULL;
	if (strlen(directory) + SEGMENT_NAME_SIZE + 1 > SEGMENT_PATH_SIZE)
		return error_set(err, ERROR_SETUP, "the path of the log's directory is too long");
	struct segment_log *log = segment_log_new(world, directory, options);
	if (!open_log(log, options, err)) {
		segment_close(&log->base);
		return error_context(err, "opening the log in \"%s\"", directory);
	}
	*out = &log->base;
	return true;
}
