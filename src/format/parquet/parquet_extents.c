#include "format/parquet/parquet_extents.h"

#include "format/parquet/footer_internal.h"

#include <stdlib.h>

enum {
	EXTENTS_A_CHUNK = 4 /* pages, bloom filter, offset index, column index */
};

struct scan { /* of one footer */
	struct arena arena;
	struct file_metadata metadata;
	uint64_t footer_start;
	int32_t *field_ids; /* of each leaf */
	size_t leaf_count;
	struct parquet_extent *extents; /* their end is as the footer states it, at first */
	size_t count;
};

static bool corrupt(struct error *err, const char *what)
{
	return error_set(err, ERROR_CORRUPT, "the Parquet file is damaged: %s", what);
}

/* ---- the schema ---- */

/* The leaves of one column at the top, which begins at *at. */
static bool add_leaves(struct scan *scan, size_t *at)
{
	const struct schema_element *elements = scan->metadata.schema.items;
	const size_t count = scan->metadata.schema.count;
	const int32_t field_id = elements[*at].field_id;
	for (size_t pending = 1; pending > 0; pending--) {
		if (*at >= count)
			return false;
		const struct schema_element *element = &elements[(*at)++];
		if (THRIFT_HAS(element, SCHEMA_TYPE)) {
			scan->field_ids[scan->leaf_count++] = field_id;
			continue;
		}
		if (element->child_count < 0 || (size_t)element->child_count > count - pending)
			return false;
		pending += (size_t)element->child_count;
	}
	return true;
}

static bool find_leaves(struct scan *scan, struct error *err)
{
	const struct schema_element *elements = scan->metadata.schema.items;
	const size_t count = scan->metadata.schema.count;
	size_t at = 1;
	scan->field_ids = arena_array(&scan->arena, int32_t, count);
	for (int32_t child = 0; count > 0 && child < elements[0].child_count; child++) {
		if (at >= count)
			return corrupt(err, "its schema does not add up");
		if (!THRIFT_HAS(&elements[at], SCHEMA_FIELD_ID))
			return error_set(err, ERROR_UNSUPPORTED,
				"the Parquet file has a column without field id");
		if (!add_leaves(scan, &at))
			return corrupt(err, "its schema does not add up");
	}
	return at == count || corrupt(err, "its schema does not add up");
}

/* ---- the extents ---- */

static bool add_extent(struct scan *scan, int64_t start, int64_t size, int32_t field_id)
{
	if (start < PARQUET_MAGIC_SIZE || size < 0 || (uint64_t)start >= scan->footer_start ||
		(uint64_t)size > scan->footer_start - (uint64_t)start)
		return false;
	scan->extents[scan->count++] = (struct parquet_extent){
		.start = (uint64_t)start,
		.end = (uint64_t)start + (uint64_t)size,
		.field_id = field_id,
	};
	return true;
}

static bool add_chunk(struct scan *scan, const struct column_chunk *chunk, int32_t field_id)
{
	const struct column_metadata *metadata = &chunk->metadata;
	const int64_t start = (int64_t)column_chunk_start(metadata);
	const bool has_late_dictionary = THRIFT_HAS(metadata, COLUMN_DICTIONARY_PAGE_OFFSET) &&
					 metadata->dictionary_page_offset > start;
	if (has_late_dictionary || !add_extent(scan, start, metadata->compressed_size, field_id))
		return false;
	return (!THRIFT_HAS(metadata, COLUMN_BLOOM_FILTER_OFFSET) ||
		       add_extent(scan, metadata->bloom_filter_offset,
			       metadata->bloom_filter_length, field_id)) &&
	       (!THRIFT_HAS(chunk, CHUNK_OFFSET_INDEX_OFFSET) ||
		       add_extent(scan, chunk->offset_index_offset, chunk->offset_index_length,
			       field_id)) &&
	       (!THRIFT_HAS(chunk, CHUNK_COLUMN_INDEX_OFFSET) ||
		       add_extent(scan, chunk->column_index_offset, chunk->column_index_length,
			       field_id));
}

static bool add_row_group(struct scan *scan, const struct row_group *group, struct error *err)
{
	const struct column_chunk *chunks = group->columns.items;
	for (size_t i = 0; i < scan->leaf_count; i++) {
		if (THRIFT_HAS(&chunks[i], CHUNK_FILE_PATH))
			return error_set(err, ERROR_UNSUPPORTED,
				"the Parquet file keeps its columns in other files");
		if (!add_chunk(scan, &chunks[i], scan->field_ids[i]))
			return corrupt(err, "a column chunk lies outside of it");
	}
	return true;
}

static int compare_extents(const void *a, const void *b)
{
	const struct parquet_extent *first = a, *second = b;
	return (first->start > second->start) - (first->start < second->start);
}

/* Each goes to the beginning of what lies behind it; one that is larger than that is a lie. */
static bool stretch(struct scan *scan, struct error *err)
{
	uint64_t limit = scan->footer_start;
	uint64_t limit_of_equals = limit;
	if (scan->count > 0)
		qsort(scan->extents, scan->count, sizeof *scan->extents, compare_extents);
	for (size_t i = scan->count; i-- > 0;) {
		struct parquet_extent *extent = &scan->extents[i];
		if (i + 1 < scan->count && extent[1].start == extent->start)
			limit = limit_of_equals;
		limit_of_equals = limit;
		if (extent->end > limit)
			return corrupt(err, "its column chunks overlap");
		extent->end = limit;
		limit = extent->start;
	}
	return true;
}

static bool find_extents(struct scan *scan, struct error *err)
{
	const struct row_group *groups = scan->metadata.row_groups.items;
	const size_t group_count = scan->metadata.row_groups.count;
	for (size_t i = 0; i < group_count; i++)
		if (groups[i].columns.count != scan->leaf_count)
			return corrupt(err, "a row group does not have all columns");
	scan->extents = arena_array(&scan->arena, struct parquet_extent,
		group_count * scan->leaf_count * EXTENTS_A_CHUNK);
	for (size_t i = 0; i < group_count; i++)
		if (!add_row_group(scan, &groups[i], err))
			return false;
	return stretch(scan, err);
}

bool parquet_extents_read(const struct parquet_source *source, struct arena *arena,
	struct parquet_extents *out, struct error *err)
{
	struct scan scan = { 0 };
	const bool ok = footer_read(source, FOOTER_BYTES_MAX, &scan.arena, &scan.metadata,
				&scan.footer_start, err) &&
			find_leaves(&scan, err) && find_extents(&scan, err);
	if (ok)
		*out = (struct parquet_extents){
			.footer_start = scan.footer_start,
			.count = scan.count,
			.items = arena_copy(arena, scan.extents, scan.count * sizeof *scan.extents),
		};
	arena_deinit(&scan.arena);
	return ok;
}
