#include "format/parquet/parquet_extents.h"

#include "base/test.h"

static bool read_slice(void *context, uint64_t offset, void *out, size_t size, struct error *err)
{
	const struct bytes *file = context;
	if (offset > file->size || size > file->size - offset)
		return error_set(err, ERROR_LOST, "read beyond the file");
	if (size > 0)
		memcpy(out, file->data + offset, size);
	return true;
}

FUZZ(parquet_extents)
{
	struct bytes file = { data, size };
	const struct parquet_source source = { size, read_slice, &file };
	struct arena arena = { 0 };
	struct parquet_extents extents;
	struct error err;
	if (parquet_extents_read(&source, &arena, &extents, &err))
		for (size_t i = 0; i < extents.count; i++)
			if (extents.items[i].start > extents.items[i].end ||
				extents.items[i].end > extents.footer_start)
				abort();
	arena_deinit(&arena);
}
