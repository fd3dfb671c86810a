/*
 * segment_format.h: the bytes of a log segment.
 *
 * A segment is a file, named by the position of its first byte.  A position counts every byte of
 * every segment since the log began, heads included:
 *
 *	segment head | group, group, ...        a group: group head | record, record, ...
 *
 * A group is what was written at once.  Its head says up to where the log was durable before it
 * was written: what is damaged before that was once confirmed, what is damaged beyond may be the
 * torn end of a write that nobody was told of.
 *
 * Every check is mixed with the position at which it stands, so that bytes that moved are seen.
 * Pure: no I/O.  Numbers are little-endian.
 */
#ifndef LOG_SEGMENT_SEGMENT_FORMAT_H
#define LOG_SEGMENT_SEGMENT_FORMAT_H

#include "base/buffer.h"
#include "log/log.h"

enum {
	SEGMENT_HEAD_SIZE = 160,
	GROUP_HEAD_SIZE = 24,
	RECORD_HEAD_SIZE = 25,
	SEGMENT_NAME_SIZE = 25, /* "00000000000000000000.log" with the NUL */
	SEGMENT_TEXT_SIZE = 40, /* an id with the NUL */
	SEGMENT_CODEC_SIZE = 16,
};
#define RECORD_BODY_SIZE_MAX ((size_t)1 << 30) /* PostgreSQL's own limit of a message */

struct segment_head {
	log_position_t first;
	lsn_t end_lsn; /* the greatest of all segments before this one */
	char log_id[SEGMENT_TEXT_SIZE];
	char lake_id[SEGMENT_TEXT_SIZE];
	char codec[SEGMENT_CODEC_SIZE];
};

struct group_head {
	uint64_t size; /* of the records, without this head */
	log_position_t durable_before;
};

enum segment_item { /* what stands at a position */
	ITEM_DAMAGED = 0,
	ITEM_SHORT, /* the bytes given end before it does */
	ITEM_GROUP,
	ITEM_RECORD,
};

const char *segment_name(log_position_t first, char name[SEGMENT_NAME_SIZE]);
bool segment_name_parse(const char *name, log_position_t *first);

/* Of the lake and the codec, which may be NULL; the rest of it is zero. */
struct segment_head segment_head_for(const char *lake_id, const struct log_codec *codec);

void segment_head_encode(const struct segment_head *head, struct buffer *out);

/* CORRUPT; UNSUPPORTED when a later version of walberg wrote it. */
bool segment_head_decode(struct bytes in, log_position_t first, struct segment_head *out,
	struct error *err) MUST_CHECK;

/* Write a group's head to out; its records stand behind it already. */
void group_head_encode(const struct group_head *head, log_position_t position, uint8_t *out);

void record_encode(const struct log_record *record, log_position_t position, struct buffer *out);

/* ITEM_GROUP, ITEM_SHORT or ITEM_DAMAGED. */
enum segment_item segment_group_decode(
	struct bytes in, log_position_t position, struct group_head *out);

/*
 * Decode what stands at position, whose bytes `in` begins with.  ITEM_SHORT: *size_needed bytes
 * are (at least) needed to tell.  ITEM_RECORD: record->body points into `in`.
 */
enum segment_item segment_item_decode(struct bytes in, log_position_t position,
	struct group_head *group, struct log_record *record, size_t *size_needed);

#endif
