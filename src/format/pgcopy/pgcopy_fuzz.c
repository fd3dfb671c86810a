#include "base/test.h"
#include "format/pgcopy/pgcopy.h"

#include <assert.h>

enum {
	COLUMN_COUNT = 2
};

/* Decodes and encodes the rows again; *is_done when the data were whole and valid. */
static void decode(struct bytes data, size_t chunk_size, struct buffer *again, bool *is_done)
{
	struct pgcopy copy;
	struct error err;
	bool ok = true;
	pgcopy_init(&copy, COLUMN_COUNT);
	while (ok && data.size > 0) {
		const size_t size = data.size < chunk_size ? data.size : chunk_size;
		const struct pgcopy_field *row;
		pgcopy_push(&copy, bytes_of(data.data, size));
		data = bytes_of(data.data + size, data.size - size);
		while ((ok = pgcopy_next_row(&copy, &row, &err)) && row != NULL)
			pgcopy_encode_row(again, row, COLUMN_COUNT);
	}
	*is_done = ok && pgcopy_finish(&copy, &err);
	pgcopy_deinit(&copy);
}

/* The first byte says where the data are cut; it makes no difference to what they mean. */
FUZZ(pgcopy)
{
	if (size == 0)
		return;
	struct buffer whole = { 0 }, pieces = { 0 };
	bool whole_done, pieces_done;
	decode(bytes_of(data + 1, size - 1), SIZE_MAX, &whole, &whole_done);
	decode(bytes_of(data + 1, size - 1), 1 + data[0] % 32, &pieces, &pieces_done);
	assert(whole_done == pieces_done);
	assert(bytes_equal(buffer_bytes(&whole), buffer_bytes(&pieces)));
	buffer_deinit(&whole);
	buffer_deinit(&pieces);
}
