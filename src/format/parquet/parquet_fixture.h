/*
 * parquet_fixture.h: files in memory, for tests: written to a buffer, read from its bytes.
 */
#ifndef FORMAT_PARQUET_PARQUET_FIXTURE_H
#define FORMAT_PARQUET_PARQUET_FIXTURE_H

#include "format/parquet/parquet_reader.h"
#include "format/parquet/parquet_writer.h"

static inline bool parquet_fixture_write(void *context, struct bytes data, struct error *err)
{
	(void)err;
	buffer_append_bytes(context, data);
	return true;
}

static inline struct parquet_sink parquet_fixture_sink(struct buffer *file)
{
	return (struct parquet_sink){ parquet_fixture_write, file };
}

static inline bool parquet_fixture_read(
	void *context, uint64_t offset, void *out, size_t size, struct error *err)
{
	const struct bytes *file = context;
	if (offset > file->size || size > file->size - offset)
		return error_set(err, ERROR_LOST, "read beyond the file");
	if (size > 0)
		memcpy(out, file->data + offset, size);
	return true;
}

/* The bytes stay the caller's, and in place. */
static inline struct parquet_source parquet_fixture_source(struct bytes *file)
{
	return (struct parquet_source){ file->size, parquet_fixture_read, file };
}

#endif
