/*
 * log.h: the durable hand-over between the source and the tables (D1).
 *
 * One thread appends and syncs, one reads; both may run at once.  Only what was synced is read.
 * A position is opaque, grows with every record, and stays valid over restarts; 0 is the log's
 * very beginning.
 *
 * I3: a receipt comes from log_sync() alone, and a source is told an LSN only with a receipt.
 *
 * Kinds: LIMIT (log.size_limit reached: stop reading the source; disk full), LOST (I/O error),
 * CORRUPT (damage other than a torn tail beyond what was ever confirmed: the lake stops).
 */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include "base/world.h"
#include "event/lsn.h"

typedef uint64_t log_position_t;

enum log_kind {
	LOG_NONE = 0,
	LOG_START,    /* a connection begins at end_lsn: half-received streams are void (I3) */
	LOG_RELATION, /* a Relation message in force when the segment began; not in the stream here
		       */
	LOG_MESSAGE,  /* a message of the source as it came, Relation messages included */
	LOG_MARK,     /* nothing of interest up to end_lsn (a keepalive) */
};

struct log_record {
	enum log_kind kind;
	lsn_t end_lsn; /* up to where the source may be told once durable; 0: says nothing */
	micros_t received_at;
	struct bytes body;       /* valid until the next call on the same side of the log */
	log_position_t position; /* set by reading: of this record */
	log_position_t next;     /* set by reading: of the record after it */
};

struct log_receipt {
	lsn_t end_lsn_made_by_log_sync; /* read it with log_receipt_lsn() */
};

static inline lsn_t log_receipt_lsn(const struct log_receipt *receipt)
{
	return receipt->end_lsn_made_by_log_sync;
}

struct log;

struct log_ops {
	/* Buffered, not durable.  body is copied. */
	bool (*append)(struct log *log, const struct log_record *record, struct error *err);

	/* Make all that was appended durable; the receipt carries the greatest end_lsn of it. */
	bool (*sync)(struct log *log, struct log_receipt *out, struct error *err);

	/* The record at `position`; *found is false at the durable end. */
	bool (*read)(struct log *log, log_position_t position, struct log_record *out, bool *found,
		struct error *err);

	/* Nothing before position will be read again (call only after a durable catalog commit). */
	bool (*release)(struct log *log, log_position_t position, struct error *err);

	log_position_t (*first)(const struct log *log); /* oldest that is still there */
	log_position_t (*end)(const struct log *log);   /* durable end; any thread */
	lsn_t (*end_lsn)(const struct log *log);        /* greatest durable end_lsn; any thread */
	uint64_t (*size_bytes)(const struct log *log);  /* on disk and buffered; any thread */
	void (*close)(struct log *log);
};

struct log {
	const struct log_ops *ops;
};

bool log_append(struct log *log, const struct log_record *record, struct error *err) MUST_CHECK;
bool log_sync(struct log *log, struct log_receipt *out, struct error *err) MUST_CHECK;
bool log_read(struct log *log, log_position_t position, struct log_record *out, bool *found,
	struct error *err) MUST_CHECK;
bool log_release(struct log *log, log_position_t position, struct error *err) MUST_CHECK;
log_position_t log_first(const struct log *log);
log_position_t log_end(const struct log *log);
lsn_t log_end_lsn(const struct log *log);
uint64_t log_size_bytes(const struct log *log);
void log_close(struct log *log);

/* Wait until the durable end is beyond position, at most timeout; true when it is. */
bool log_wait(struct log *log, log_position_t position, micros_t timeout);

struct segment_options {
	const char *lake_id;         /* written to, and checked in, every segment's head */
	uint64_t segment_size_bytes; /* a new segment begins beyond it (log.segment_size) */
	uint64_t size_limit_bytes;   /* append fails with LIMIT beyond it (log.size_limit) */
	lsn_t confirmed_lsn;         /* the source or the lake ever heard this: a log that ends
				      * before it is CORRUPT, not torn; 0 for a new log */
	log_position_t needed;       /* the lake resumes here: must be in the log, or MISSING */
};

/*
 * The segment log in a directory of its own, made when missing.  A torn tail beyond confirmed_lsn
 * is cut; anything else that is damaged or missing is CORRUPT and nothing is changed.
 */
bool log_segment_open(struct world *world, const char *directory,
	const struct segment_options *options, struct log **out, struct error *err) MUST_CHECK;

#endif
