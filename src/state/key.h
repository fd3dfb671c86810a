/*
 * key.h: what identifies a row of a table: its key columns' values in 16 bytes.
 *
 * A key is made from the lake's values (src/event/batch.h), never from wire bytes, so that text,
 * binary, snapshot and rebuild agree.  Its bytes are, in the order of the key's columns: a
 * fixed-size value as its bytes in the batch (-0.0 as 0.0, which are equal in PostgreSQL); a string
 * or binary value as its bytes, after their number as uint32_t when the key has several columns.
 * Up to 15 such bytes are kept as they are; more are hashed to 127 bits with a seed that is
 * secret to the process, and two keys that long are equal when their hashes are.
 */
#ifndef STATE_KEY_H
#define STATE_KEY_H

#include "event/batch.h"

/* Never all zeros.  The top bit of high: hashed; else its top byte is the number of bytes + 1. */
struct key {
	uint64_t high;
	uint64_t low;
};

static inline bool key_equal(struct key a, struct key b)
{
	return a.high == b.high && a.low == b.low;
}

/* None of the key's values is NULL.  columns are indices into the batch, count is at least 1. */
struct key key_of(
	const struct batch *batch, const size_t *columns, size_t count, size_t row, uint64_t seed);

/*
 * The key of a row for a message: id = 5, or (a, b) = (1, 'x'); all but numbers and booleans are
 * quoted, and a value is cut after 60 characters.  Batch columns are the relation's.
 */
void key_format(
	struct buffer *out, const struct batch *batch, const struct relation *relation, size_t row);

#endif
