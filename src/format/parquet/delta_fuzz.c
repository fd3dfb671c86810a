#include "format/parquet/delta_internal.h"

#include "base/test.h"

#include <stdlib.h>

enum {
	VALUES_MAX = 4096
};

/* What is decoded comes back from its own encoding. */
FUZZ(delta)
{
	struct delta_decoder decoder;
	if (!delta_decoder_begin(&decoder, bytes_of(data, size)))
		return;
	const size_t count = decoder.left < VALUES_MAX ? (size_t)decoder.left : VALUES_MAX;
	uint64_t values[VALUES_MAX], again[VALUES_MAX];
	const size_t portion = count / 3;
	if (!delta_decode(&decoder, values, portion) ||
		!delta_decode(&decoder, values + portion, count - portion))
		return;
	struct buffer out = { 0 };
	delta_encode_64(&out, (const int64_t *)values, count);
	CHECK(delta_decoder_begin(&decoder, buffer_bytes(&out)));
	CHECK(delta_decode(&decoder, again, count));
	CHECK(count == 0 || memcmp(values, again, count * sizeof *values) == 0);
	buffer_deinit(&out);
}
