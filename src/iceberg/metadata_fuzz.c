#include "iceberg/metadata.h"

#include "base/test.h"

#include <stdlib.h>

static const struct metadata_limits LIMITS = {
	.size_max = 1024 * 1024,
	.snapshot_count_max = 1000,
};

/* What was accepted can be written, and is accepted again. */
FUZZ(metadata)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct buffer again = { 0 };
	struct metadata *metadata;
	if (metadata_decode(bytes_of(data, size), &LIMITS, &arena, &metadata, &err)) {
		metadata_walberg_snapshot(metadata);
		metadata_encode(metadata, &again);
		if (!metadata_decode(buffer_bytes(&again), &METADATA_LIMITS_DEFAULT, &arena,
			    &metadata, &err) &&
			metadata->format_version >= 2) /* version 1 is only read */
			abort();
	}
	buffer_deinit(&again);
	arena_deinit(&arena);
}
