/*
 * parquet_extents.h: where the columns of a Parquet file lie in it, for those who fetch only some.
 *
 * Whatever a reader of some columns looks at lies in the footer and in the extents of these
 * columns: pages, bloom filters, and page indexes.  Each extent goes up to where the next thing
 * that the footer knows of begins, so that a size which a writer stated too small (parquet-mr did,
 * without the dictionary's header) leaves nothing out.
 */
#ifndef FORMAT_PARQUET_PARQUET_EXTENTS_H
#define FORMAT_PARQUET_PARQUET_EXTENTS_H

#include "base/arena.h"
#include "format/parquet/parquet_reader.h"

struct parquet_extent {
	uint64_t start, end; /* bytes, the end not included */
	int32_t field_id;    /* of the column at the top; what is nested in it has its id */
};

struct parquet_extents {
	uint64_t footer_start; /* the footer goes to the end of the file */
	size_t count;
	struct parquet_extent *items; /* by start */
};

/*
 * Reads the footer only: its last 8 bytes, then all of it.  What is returned lives in arena.
 * CORRUPT, UNSUPPORTED (a column without field id, chunks in other files, encryption) or LIMIT:
 * the extents are not known.  Errors of the source pass through.
 */
bool parquet_extents_read(const struct parquet_source *source, struct arena *arena,
	struct parquet_extents *out, struct error *err) MUST_CHECK;

#endif
