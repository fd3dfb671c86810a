/*
 * batch.h: rows as columns, the form in which they flow from decoding to files.
 *
 * A batch owns its memory and keeps it over batch_reset().  A row is added by appending one value
 * (or NULL) to every column and then calling batch_finish_row(); batch_cancel_row() takes the
 * values of an unfinished row away again.
 */
#ifndef EVENT_BATCH_H
#define EVENT_BATCH_H

#include "base/buffer.h"
#include "event/relation.h"
#include "event/value.h"

#include <assert.h>

struct column {
	struct column_type type;
	uint8_t width; /* column_type_width() */
	size_t count;  /* values appended, NULLs included */
	size_t null_count;
	struct buffer valid;   /* one byte a value: 1 value, 0 NULL */
	struct buffer fixed;   /* width bytes a value (zero where NULL); unused when width is 0 */
	struct buffer offsets; /* uint32_t: end of value i in data; when width is 0 */
	struct buffer data;    /* the bytes of string and binary values; at most UINT32_MAX */
};

struct batch {
	size_t row_count;
	size_t column_count;
	struct column *columns;
};

void column_init(struct column *column, struct column_type type);
void column_deinit(struct column *column);
void column_reset(struct column *column);
void column_truncate(struct column *column, size_t count); /* drop the values from count on */
void column_append_null(struct column *column);
void column_append_fixed(struct column *column, const void *value); /* width bytes */
void column_append_from(struct column *to, const struct column *from, size_t row);

/* Room for one more fixed-size value, which counts as appended: the caller stores it. */
static inline void *column_push_fixed(struct column *column)
{
	buffer_append_u8(&column->valid, 1);
	buffer_reserve(&column->fixed, column->width);
	void *room = column->fixed.data + column->fixed.size;
	column->fixed.size += column->width;
	column->count++;
	return room;
}

/* What was appended to data since the last value becomes a value: for those who write in place. */
static inline void column_finish_bytes(struct column *column)
{
	assert(column->data.size <= UINT32_MAX);
	const uint32_t end = (uint32_t)column->data.size;
	buffer_append_u8(&column->valid, 1);
	buffer_append(&column->offsets, &end, sizeof end);
	column->count++;
}

static inline void column_append_bytes(struct column *column, struct bytes value)
{
	buffer_append_bytes(&column->data, value);
	column_finish_bytes(column);
}

static inline bool column_is_null(const struct column *column, size_t row)
{
	return column->valid.data[row] == 0;
}

static inline const void *column_fixed(const struct column *column, size_t row)
{
	return column->fixed.data + row * column->width;
}

/* Where a string or binary value ends in data. */
static inline uint32_t column_end(const struct column *column, size_t row)
{
	const uint32_t *ends = (const uint32_t *)(const void *)column->offsets.data;
	return ends[row];
}

/* Of a string or binary value; empty where NULL. */
static inline struct bytes column_bytes(const struct column *column, size_t row)
{
	const uint32_t start = row ? column_end(column, row - 1) : 0;
	const uint32_t size = column_end(column, row) - start;
	return bytes_of(size ? column->data.data + start : NULL, size);
}

void batch_init(struct batch *batch, const struct column_type *types, size_t column_count);
void batch_init_for(struct batch *batch, const struct relation *relation);
void batch_deinit(struct batch *batch);
void batch_reset(struct batch *batch);
void batch_finish_row(struct batch *batch); /* every column has row_count + 1 values */
void batch_cancel_row(struct batch *batch);
void batch_append_from(struct batch *to, const struct batch *from, size_t row); /* one whole row */
size_t batch_used_bytes(const struct batch *batch);

#endif
