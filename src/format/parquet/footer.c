#include "format/parquet/footer_internal.h"

enum {
	FOOTER_MEMORY_FACTOR = 16,
	FOOTER_MEMORY_MIN = 1 << 20,
};

static bool corrupt(struct error *err, const char *what)
{
	return error_set(err, ERROR_CORRUPT, "the Parquet file is damaged: %s", what);
}

static bool read_tail(const struct parquet_source *source, size_t bytes_max, size_t *footer_size,
	struct error *err)
{
	uint64_t size = source->size;
	uint8_t tail[PARQUET_TAIL_SIZE];
	if (size < PARQUET_MAGIC_SIZE + PARQUET_TAIL_SIZE)
		return corrupt(err, "it is too short");
	if (!source->read_at(source->context, size - sizeof tail, tail, sizeof tail, err))
		return false;
	if (memcmp(tail + 4, "PARE", PARQUET_MAGIC_SIZE) == 0)
		return error_set(err, ERROR_UNSUPPORTED, "the Parquet file is encrypted");
	if (memcmp(tail + 4, PARQUET_MAGIC, PARQUET_MAGIC_SIZE) != 0)
		return corrupt(err, "it does not end as a Parquet file does");
	uint32_t stated;
	memcpy(&stated, tail, sizeof stated);
	if (stated > size - PARQUET_MAGIC_SIZE - PARQUET_TAIL_SIZE)
		return corrupt(err, "its footer is larger than the file");
	if (stated > bytes_max)
		return error_set(err, ERROR_LIMIT,
			"the footer of the Parquet file takes %u bytes, more than %zu", stated,
			bytes_max);
	*footer_size = stated;
	return true;
}

bool footer_read(const struct parquet_source *source, size_t bytes_max, struct arena *arena,
	struct file_metadata *out, uint64_t *start, struct error *err)
{
	size_t size = 0;
	if (!read_tail(source, bytes_max, &size, err))
		return false;
	const uint64_t offset = source->size - PARQUET_TAIL_SIZE - size;
	uint8_t *footer = arena_alloc(arena, size, 1);
	if (!source->read_at(source->context, offset, footer, size, err))
		return false;
	if (start != NULL)
		*start = offset;
	struct reader in = reader_of(bytes_of(footer, size));
	size_t memory_max = arena->used_bytes + size * FOOTER_MEMORY_FACTOR + FOOTER_MEMORY_MIN;
	return thrift_decode(&in, &FILE_METADATA_RECORD, out, arena, memory_max, err);
}

uint64_t column_chunk_start(const struct column_metadata *metadata)
{
	int64_t start = metadata->data_page_offset;
	if (THRIFT_HAS(metadata, COLUMN_DICTIONARY_PAGE_OFFSET) &&
		metadata->dictionary_page_offset > 0 && metadata->dictionary_page_offset < start)
		start = metadata->dictionary_page_offset;
	return (uint64_t)start;
}
