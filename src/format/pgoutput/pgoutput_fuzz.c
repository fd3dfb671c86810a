#include "base/test.h"
#include "format/pgoutput/pgoutput_encode.h"

#include <assert.h>

/* What is decoded is encoded to the same bytes again: no bit of a message is overlooked. */
static void decode_and_encode(struct bytes body, bool in_stream)
{
	struct arena arena = { 0 };
	struct pgoutput_message message;
	struct pgoutput_peek peek;
	struct error err;
	if (pgoutput_decode(body, in_stream, &arena, &message, &err)) {
		struct buffer again = { 0 };
		pgoutput_encode(&again, &message, in_stream);
		assert(bytes_equal(buffer_bytes(&again), body));
		buffer_deinit(&again);
		assert(pgoutput_peek(body, in_stream, &peek) && peek.kind == message.kind);
	}
	arena_deinit(&arena);
}

FUZZ(pgoutput)
{
	decode_and_encode(bytes_of(data, size), false);
	decode_and_encode(bytes_of(data, size), true);
	struct pgoutput_peek peek;
	(void)!pgoutput_peek(bytes_of(data, size), true, &peek);
}
