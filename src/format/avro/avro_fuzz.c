#include "format/avro/avro_reader.h"

#include "base/test.h"

static const struct avro_limits LIMITS = {
	.header_size_max = 64 * 1024,
	.content_size_max = 1024 * 1024,
};

FUZZ(avro)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct avro_reader reader;
	struct reader items;
	size_t item_count = 1;
	bool done = avro_reader_open(&reader, bytes_of(data, size), &LIMITS, &arena, &err);
	while (done && item_count > 0) {
		done = avro_reader_next(&reader, &items, &item_count, &err);
		for (size_t i = 0; done && i < item_count && !items.failed; i++)
			avro_skip(&items, reader.type);
	}
	arena_deinit(&arena);
}
