/*
 * capture.h: takes what the source sends into the log, and tells the source what is durable (I3).
 *
 * It is stepped by its caller and has no thread.  When a step fails with LOST or BUSY, open the
 * source and the capture again: the log goes on where it ends.
 */
#ifndef ENGINE_CAPTURE_H
#define ENGINE_CAPTURE_H

#include "source/source.h"

/* The last commit in the log; where the slot stands before it, the server must send it again. */
struct capture_last {
	lsn_t end_lsn; /* 0: none */
	uint32_t xid;
	micros_t committed_at;
};

struct capture;

/*
 * Starts streaming from where the slot stands.  `expected` is the last commit of the log when the
 * slot stands before its end, else all zero.
 * is_logging is 1 while records are on their way to the disk, for whoever watches.
 */
bool capture_open(struct world *world, struct source *source, struct log *log,
	const struct capture_last *expected, _Atomic uint32_t *is_logging, struct capture **out,
	struct error *err) MUST_CHECK;
void capture_close(struct capture *capture); /* also NULL; the source and the log stay */

/*
 * Take what is there, waiting at most timeout for the first of it, make it durable, confirm it.
 * SETUP: the server's history is not the one that the log has.  LIMIT is not an error here: see
 * capture_is_full().
 */
bool capture_step(struct capture *capture, micros_t timeout, struct error *err) MUST_CHECK;

/* The log has reached its size limit (or its disk is full): nothing is read until it shrinks. */
bool capture_is_full(const struct capture *capture);

lsn_t capture_confirmed(const struct capture *capture);
struct capture_last capture_last(const struct capture *capture); /* taken by this capture */

/* Find the last commit between a position and the log's end. */
bool capture_find_last(struct log *log, log_position_t from, struct capture_last *out,
	struct error *err) MUST_CHECK;

#endif
