/*
 * log.h: the durable hand-over between the source and the tables (D1).
 *
 * One thread appends and syncs, one reads; both may run at once.  Only what was synced is read.
 * A position is opaque, grows with every record, and stays valid over restarts; 0 is the log's
 * very beginning.  Positions of two logs have nothing in common: log_id() tells logs apart.
 *
 * A reader that resumes at `needed` must know the relations that the messages there speak of: it
 * reads from log_first() on, and of what is before `needed` takes the definitions alone
 * (LOG_RELATION and Relation messages).  A reader that came there record by record ignores
 * LOG_RELATION.
 *
 * I3: a receipt comes from log_sync() alone, and a source is told an LSN only with a receipt.
 *
 * Kinds: LIMIT (log.size_limit reached: stop reading the source; disk full; nothing is lost, the
 * same call may work later), LOST (I/O error: open the log again, what was not receipted may be
 * gone), MISSING (a position that was released), CORRUPT (damage other than a torn tail beyond
 * what was ever confirmed: the lake stops).
 */
#ifndef LOG_LOG_H
#define LOG_LOG_H

#include "base/world.h"
#include "event/lsn.h"

typedef uint64_t log_position_t;

enum log_kind {
	LOG_NONE = 0,
	LOG_START,    /* a connection begins at end_lsn: half-received streams are void (I3) */
	LOG_RELATION, /* a Relation message in force when the segment began, without an xid */
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
	/* Buffered, not durable.  body is copied.  Appended are START, MESSAGE and MARK. */
	bool (*append)(struct log *log, const struct log_record *record, struct error *err);

	/* Make all that was appended durable; the receipt carries the greatest end_lsn of it. */
	bool (*sync)(struct log *log, struct log_receipt *out, struct error *err);

	/* The record at `position`; *found is false at the durable end. */
	bool (*read)(struct log *log, log_position_t position, struct log_record *out, bool *found,
		struct error *err);

	/* Nothing before position will be read again (call only after a durable catalog commit). */
	bool (*release)(struct log *log, log_position_t position, struct error *err);

	/* True when the durable end is beyond position, at the latest after timeout. */
	bool (*wait)(struct log *log, log_position_t position, micros_t timeout);

	const char *(*id)(const struct log *log);       /* random, made with the log */
	log_position_t (*first)(const struct log *log); /* oldest that is still there; any thread */
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
bool log_wait(struct log *log, log_position_t position, micros_t timeout);
const char *log_id(const struct log *log);
log_position_t log_first(const struct log *log);
log_position_t log_end(const struct log *log);
lsn_t log_end_lsn(const struct log *log);
uint64_t log_size_bytes(const struct log *log);
void log_close(struct log *log);

/*
 * What a log knows of its messages: which of them define relations, so that a log whose beginning
 * was released can still be read.  The rest is opaque to it.
 */
struct log_codec {
	const char *name; /* written to, and checked in, every segment's head */
	void *(*open)(void);
	/* See a record, in order; a START voids what was half received. */
	void (*observe)(void *state, enum log_kind kind, struct bytes body);
	/* Call emit with each definition in force, in the form of a LOG_RELATION body. */
	void (*definitions)(
		void *state, void (*emit)(void *context, struct bytes body), void *context);
	void (*close)(void *state);
};
extern const struct log_codec log_codec_pgoutput;

struct segment_options {
	const char *lake_id; /* written to, and checked in, every segment's head; < 40 bytes */
	const struct log_codec *codec; /* NULL: the messages define nothing */
	uint64_t segment_size_bytes;   /* a new segment begins beyond it (log.segment_size) */
	uint64_t size_limit_bytes;     /* append fails with LIMIT beyond it (log.size_limit) */
	lsn_t confirmed_lsn;           /* the source or the lake ever heard this: a log that ends
					* before it is CORRUPT, not torn; 0 for a new log */
	lsn_t begin_lsn;               /* of a new log: what comes after it is logged */
	log_position_t needed;         /* the lake resumes here: must be in the log, or MISSING */
	const char *needed_log_id;     /* the log that `needed` is of; another log's is not looked
					* for; NULL: this one */
};

/*
 * The segment log in a directory of its own, made when missing.  A torn tail beyond confirmed_lsn
 * is cut; anything else that is damaged is CORRUPT, `needed` or a whole log that is not there is
 * MISSING, another lake's log is SETUP, a later format UNSUPPORTED, and nothing is changed.
 */
bool log_segment_open(struct world *world, const char *directory,
	const struct segment_options *options, struct log **out, struct error *err) MUST_CHECK;

/*
 * A lake that begins has no use for what an earlier log of its own holds.  Before anything is made
 * it asks whether the directory is its own (or nobody's, or missing): SETUP when another lake's log
 * is there.  Removing asks as well, takes segments alone, and leaves all other files.
 */
bool log_segment_check_lake(struct world *world, const char *directory, const char *lake_id,
	struct error *err) MUST_CHECK;
bool log_segment_remove(struct world *world, const char *directory, const char *lake_id,
	struct error *err) MUST_CHECK;

/*
 * The segment log of a lake for looking at, while another process writes it: it grows, and its
 * oldest segments go.  Nothing is changed there; append and sync fail.
 *
 * Whole groups are read, also one that is not durable yet.  log_wait() is what looks for more (with
 * a timeout of 0, once); a segment that was seen stays readable until log_release().  One thread.
 *
 * MISSING: there is no log, or a segment went before it was seen.  CONFLICT: another log stands in
 * its place; open it again.  Both come from log_read() at the end.
 */
bool log_segment_follow(struct world *world, const char *directory, const char *lake_id,
	const struct log_codec *codec, struct log **out, struct error *err) MUST_CHECK;

#endif
