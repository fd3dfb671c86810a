/*
 * pgcopy.h: decode the rows of a binary COPY, from chunks that are cut anywhere.
 *
 *	pgcopy_push(copy, chunk);
 *	while (pgcopy_next_row(copy, &row, err) && row != NULL)
 *		...
 *
 * A row that lies whole in one chunk is not copied.  At the end of the data pgcopy_finish() tells
 * whether it was complete.  After an error a decoder is of no more use.
 * Spec: PostgreSQL manual, "COPY", "Binary Format".
 */
#ifndef FORMAT_PGCOPY_PGCOPY_H
#define FORMAT_PGCOPY_PGCOPY_H

#include "base/buffer.h"

enum {
	PGCOPY_ROW_SIZE_MAX = 1 << 30, /* PostgreSQL's MaxAllocSize: no server sends more */
	PGCOPY_EXTENSION_SIZE_MAX = 1 << 16,
};

enum pgcopy_state {
	PGCOPY_HEADER = 0,
	PGCOPY_ROWS,
	PGCOPY_DONE, /* the trailer was there */
};

struct pgcopy_field {
	bool is_null;
	struct bytes bytes; /* empty when NULL */
};

struct pgcopy {
	enum pgcopy_state state;
	size_t column_count;
	struct pgcopy_field *fields;
	struct bytes input;  /* not decoded yet: in the caller's chunk, or in `kept` */
	size_t needed_bytes; /* input shorter than this has no whole row */
	struct buffer kept;  /* the beginning of a row that its chunk did not end */
};

void pgcopy_init(struct pgcopy *copy, size_t column_count);
void pgcopy_deinit(struct pgcopy *copy);

/* The chunk must stay until pgcopy_next_row() has no more rows; only then comes the next one. */
void pgcopy_push(struct pgcopy *copy, struct bytes chunk);

/*
 * The fields of one row, valid until the next call or push; NULL when there is no whole row left.
 * Kinds: CORRUPT, UNSUPPORTED (a header with flags that are not known).
 */
bool pgcopy_next_row(
	struct pgcopy *copy, const struct pgcopy_field **row, struct error *err) MUST_CHECK;

bool pgcopy_finish(const struct pgcopy *copy, struct error *err) MUST_CHECK; /* CORRUPT */

/* The server's side, for replays, simulations and tests. */
void pgcopy_encode_header(struct buffer *out);
void pgcopy_encode_row(struct buffer *out, const struct pgcopy_field *fields, size_t count);
void pgcopy_encode_trailer(struct buffer *out);

#endif
