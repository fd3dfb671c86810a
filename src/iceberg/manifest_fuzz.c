#include "iceberg/manifest.h"

#include "base/test.h"

static const struct avro_limits LIMITS = {
	.header_size_max = 64 * 1024,
	.content_size_max = 1024 * 1024,
};

FUZZ(manifest)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct manifest manifest;
	struct manifest_file *files;
	size_t file_count;
	const struct manifest_file from = { .sequence_number = 1, .has_first_row_id = true };
	const struct bytes bytes = bytes_of(data, size);
	if (manifest_decode(bytes, &from, &LIMITS, &arena, &manifest, &err))
		for (size_t i = 0; i < manifest.entry_count; i++) {
			struct data_file copy =
				data_file_copy(&manifest.entries[i].data_file, &arena);
			data_file_target(&copy, &arena);
		}
	(void)!manifest_list_decode(bytes, &LIMITS, &arena, &files, &file_count, &err);
	arena_deinit(&arena);
}
