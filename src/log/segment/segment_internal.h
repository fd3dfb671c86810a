/*
 * segment_internal.h: what the segment log's own files share.
 */
#ifndef LOG_SEGMENT_SEGMENT_INTERNAL_H
#define LOG_SEGMENT_SEGMENT_INTERNAL_H

#include "base/world.h"
#include "log/segment/segment_format.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	SEGMENT_PATH_SIZE = 4096,
	CURSOR_CHUNK_SIZE = 1 << 20,
	CURSOR_COUNT = 2, /* apply reads on, and rereads a streamed transaction */
};

/* Reads one segment file in large pieces; belongs to one thread. */
struct cursor {
	struct file *file; /* of the segment that begins at `first`; NULL: none */
	log_position_t first;
	log_position_t start; /* of the first byte in `bytes` */
	struct buffer bytes;
	uint64_t used_at; /* for choosing the one to give up */
};

/* Of CURSOR_COUNT: the one that has position in memory, else that was used least recently. */
struct cursor *cursor_choose(struct cursor *cursors, log_position_t position);

/* A zeroed cursor has no file.  MISSING when there is no such segment. */
bool cursor_open(struct cursor *cursor, struct world *world, const char *directory,
	log_position_t first, struct error *err) MUST_CHECK;
void cursor_close(struct cursor *cursor);

/* The bytes from position on that are in memory, maybe none. */
struct bytes cursor_view(const struct cursor *cursor, log_position_t position);

/*
 * Bring position, and at least size bytes where the file has them, into memory; nothing at or
 * beyond limit.
 */
bool cursor_load(struct cursor *cursor, log_position_t position, size_t size, log_position_t limit,
	struct error *err) MUST_CHECK;

/* Decode what stands at position, loading what it takes.  ITEM_SHORT: not complete before limit. */
bool cursor_item(struct cursor *cursor, log_position_t position, log_position_t limit,
	struct group_head *group, struct log_record *record, enum segment_item *out,
	struct error *err) MUST_CHECK;

struct segment_log {
	struct log base;
	struct world *world;
	char *directory;
	uint64_t segment_size_bytes;
	uint64_t size_limit_bytes;
	size_t flush_size_bytes;
	const struct log_codec *codec;
	struct segment_head head; /* as the next segment's, but for its position and LSN */

	/* of the appending thread */
	void *codec_state;
	struct file *file;      /* of the segment being written; NULL until it is made */
	log_position_t written; /* everything before is in the file, maybe not durable */
	struct buffer buffer;   /* what follows `written` */
	size_t group_offset;    /* in buffer: the head of the group being filled */
	log_position_t synced;  /* everything before is durable */
	lsn_t end_lsn_appended;
	struct error broken; /* a sync failed: what is durable is unknown until the next open */

	/* of all; the lock is for the list and for waiting */
	pthread_mutex_t lock;
	pthread_cond_t grown;
	log_position_t *firsts; /* of the segments that are durable, oldest first */
	size_t first_count;
	size_t first_capacity;
	_Atomic log_position_t first;
	_Atomic log_position_t end;
	_Atomic lsn_t end_lsn;
	_Atomic log_position_t appended_end;

	/* of the reading thread */
	struct cursor cursors[CURSOR_COUNT];
};

const char *segment_path(const char *directory, log_position_t first, char path[SEGMENT_PATH_SIZE]);

void segment_list_push(struct segment_log *log, log_position_t first);

/* CORRUPT, naming the file and the byte, with the command that mends it. */
bool segment_damage(const char *directory, log_position_t first, log_position_t position,
	const char *what, struct error *err);
bool segment_hint_snapshot(struct error *err); /* false, as error_hint */

/* SETUP unless what a segment's head says is as expected: what is "lake" or "codec". */
bool segment_check_text(const char *directory, const char *what, const char *there,
	const char *expected, struct error *err) MUST_CHECK;

/* Positions of the segments in the directory, oldest first; in the arena. */
bool segment_list(struct world *world, const char *directory, struct arena *arena,
	log_position_t **out, size_t *count, struct error *err) MUST_CHECK;

/*
 * Verify every segment, cut a torn tail, and leave the log ready to append behind what is there.
 * *found is false, and nothing was done, when the directory holds no segment.
 */
bool segment_recover(struct segment_log *log, const struct segment_options *options, bool *found,
	struct error *err) MUST_CHECK;

#endif
