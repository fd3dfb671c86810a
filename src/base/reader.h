/*
 * reader.h: take numbers and slices out of bytes that came from outside.
 *
 * The first read past the end marks the reader as failed; from then on every read yields zero or
 * an empty slice and the position stays put.  A decoder therefore reads straight down, like the
 * table in the protocol's manual, and asks once, with reader_finish(), whether all of it was there.
 */
#ifndef BASE_READER_H
#define BASE_READER_H

#include "base/bytes.h"
#include "base/error.h"

struct reader {
	struct bytes input;
	size_t offset;
	bool failed;
};

static inline struct reader reader_of(struct bytes input)
{
	return (struct reader){ .input = input };
}

static inline size_t reader_left(const struct reader *reader)
{
	return reader->input.size - reader->offset;
}

static inline struct bytes reader_take(struct reader *reader, size_t size)
{
	if (reader->failed || size > reader_left(reader)) {
		reader->failed = true;
		return (struct bytes){ 0 };
	}
	struct bytes slice = { size ? reader->input.data + reader->offset : NULL, size };
	reader->offset += size;
	return slice;
}

uint8_t reader_u8(struct reader *reader);
uint16_t reader_u16be(struct reader *reader);
uint32_t reader_u32be(struct reader *reader);
uint64_t reader_u64be(struct reader *reader);
uint32_t reader_u32le(struct reader *reader);
uint64_t reader_u64le(struct reader *reader);
uint64_t reader_varint(struct reader *reader); /* ULEB128, at most 10 bytes */
int64_t reader_zigzag(struct reader *reader);
struct bytes reader_cstring(struct reader *reader); /* without its NUL, which is consumed */

/*
 * Check an item count that was read: fails, and yields 0, when the bytes that remain cannot hold
 * that many items of item_size_min bytes, so that a false count drives no loop and no allocation.
 */
size_t reader_count(struct reader *reader, uint64_t count, size_t item_size_min);

/* True when every read succeeded and no byte is left over; else CORRUPT. */
bool reader_finish(const struct reader *reader, const char *what, struct error *err) MUST_CHECK;

#endif
