#include "query/fetch.h"

#include "format/parquet/parquet_extents.h"

#include <assert.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>
#include <xxhash.h>

enum {
	WHOLE_MAX = 512 * 1024, /* of a file that is fetched in one request */
	TAIL_SIZE = 64 * 1024,  /* where its footer lies, most often */
	LAYOUTS_MAX = 10000,
};

/* Where the columns of a data file lie, which never changes. */
struct layout {
	struct arena arena;
	const char *uri;
	bool is_known; /* else the file is fetched whole */
	struct parquet_extents extents;
};

struct fetcher {
	struct store *store;
	struct cache *cache;
	const char *unread; /* a file that exists and is no Parquet file */
	struct arena arena; /* of unread */
	struct map layouts; /* by the hash of their URI */
	struct layout **kept;
	size_t kept_count;
};

/* One version being fetched. */
struct job {
	struct fetcher *fetcher;
	struct arena *arena;
	const struct table_version *version;
	const struct schema *schema; /* of the wanted columns */
};

/* ---- opening ---- */

struct fetcher *fetcher_open(struct store *store, struct cache *cache)
{
	struct fetcher *fetcher = memory_allocate(1, sizeof *fetcher);
	fetcher->store = store;
	fetcher->cache = cache;
	fetcher->kept = memory_allocate(LAYOUTS_MAX, sizeof *fetcher->kept);
	return fetcher;
}

static void forget_layouts(struct fetcher *fetcher)
{
	for (size_t i = 0; i < fetcher->kept_count; i++) {
		arena_deinit(&fetcher->kept[i]->arena);
		free(fetcher->kept[i]);
	}
	fetcher->kept_count = 0;
	map_deinit(&fetcher->layouts);
}

void fetcher_close(struct fetcher *fetcher)
{
	if (fetcher == NULL)
		return;
	forget_layouts(fetcher);
	arena_deinit(&fetcher->arena);
	free(fetcher->kept);
	free(fetcher);
}

void fetcher_reset(struct fetcher *fetcher)
{
	cache_unpin(fetcher->cache);
	if (fetcher->kept_count >= LAYOUTS_MAX)
		forget_layouts(fetcher);
}

/* ---- layouts ---- */

/* What the footer is read from. */
struct footer_source {
	const struct job *job;
	const struct scan_file *file;
	const char *local;
	uint64_t fetched_from; /* to the end of the file */
};

static struct cached_object object_of(
	const struct job *job, const struct scan_file *file, const struct byte_range *range)
{
	return (struct cached_object){
		.path = store_path(job->fetcher->store, file->uri),
		.size = file->size_bytes,
		.range_count = 1,
		.ranges = range,
	};
}

static bool read_local(const char *path, uint64_t offset, void *out, size_t size, struct error *err)
{
	struct file *file;
	size_t got = 0;
	if (!world_open(world_posix(), path, FILE_READ, &file, err))
		return false;
	bool ok = file_read_at(file, offset, out, size, &got, err);
	file_close(file);
	if (ok && got < size)
		ok = error_set(err, ERROR_LOST, "\"%s\" ends early", path);
	return ok;
}

static bool read_footer_part(
	void *context, uint64_t offset, void *out, size_t size, struct error *err)
{
	struct footer_source *source = context;
	const struct job *job = source->job;
	if (offset < source->fetched_from) {
		const struct byte_range range = { offset, source->file->size_bytes };
		struct cached_object object = object_of(job, source->file, &range);
		if (!cache_fetch(
			    job->fetcher->cache, job->fetcher->store, &object, 1, job->arena, err))
			return false;
		source->fetched_from = offset;
	}
	return read_local(source->local, offset, out, size, err);
}

static struct layout *find_layout(const struct fetcher *fetcher, const char *uri)
{
	struct layout *layout = map_get(&fetcher->layouts, XXH3_64bits(uri, strlen(uri)));
	return layout != NULL && strcmp(layout->uri, uri) == 0 ? layout : NULL;
}

static void add_layout(struct fetcher *fetcher, struct layout *layout)
{
	map_put(&fetcher->layouts, XXH3_64bits(layout->uri, strlen(layout->uri)), layout);
	fetcher->kept[fetcher->kept_count++] = layout;
}

/* A footer that is not understood is DuckDB's to complain about. */
static bool read_layout(const struct job *job, const struct scan_file *file, const char *local,
	uint64_t fetched_from, struct layout *out, struct error *err)
{
	struct footer_source footer = { job, file, local, fetched_from };
	const struct parquet_source source = { file->size_bytes, read_footer_part, &footer };
	out->uri = arena_copy_cstring(&out->arena, file->uri);
	out->is_known = parquet_extents_read(&source, &out->arena, &out->extents, err);
	return out->is_known || err->kind == ERROR_CORRUPT || err->kind == ERROR_UNSUPPORTED ||
	       err->kind == ERROR_LIMIT;
}

static bool is_small(const struct scan_file *file)
{
	return file->size_bytes <= WHOLE_MAX;
}

/* The tails of all files whose layout is not known yet, and their layouts. */
static bool find_layouts(const struct job *job, struct error *err)
{
	struct fetcher *fetcher = job->fetcher;
	const struct table_version *version = job->version;
	struct cached_object *objects =
		arena_array(job->arena, struct cached_object, version->file_count);
	struct byte_range *tails = arena_array(job->arena, struct byte_range, version->file_count);
	const struct scan_file **files =
		arena_array(job->arena, const struct scan_file *, version->file_count);
	size_t count = 0;
	for (size_t i = 0; i < version->file_count; i++) {
		const struct scan_file *file = &version->files[i];
		if (is_small(file) || find_layout(fetcher, file->uri) != NULL)
			continue;
		tails[count] =
			(struct byte_range){ file->size_bytes - TAIL_SIZE, file->size_bytes };
		objects[count] = object_of(job, file, &tails[count]);
		files[count++] = file;
	}
	if (!cache_fetch(fetcher->cache, fetcher->store, objects, count, job->arena, err))
		return false;
	for (size_t i = 0; i < count && fetcher->kept_count < LAYOUTS_MAX; i++) {
		struct layout *layout = memory_allocate(1, sizeof *layout);
		if (!read_layout(job, files[i], objects[i].file, tails[i].start, layout, err)) {
			arena_deinit(&layout->arena);
			free(layout);
			return false;
		}
		add_layout(fetcher, layout);
	}
	return true;
}

/* ---- what is fetched ---- */

static bool has_field(const struct schema *schema, int32_t id)
{
	for (size_t i = 0; i < schema->field_count; i++)
		if (schema->fields[i].id == id)
			return true;
	return false;
}

static void choose_ranges(
	const struct job *job, const struct scan_file *file, struct cached_object *object)
{
	const struct layout *layout = is_small(file) ? NULL : find_layout(job->fetcher, file->uri);
	const size_t extent_count = layout != NULL && layout->is_known ? layout->extents.count : 0;
	struct byte_range *ranges = arena_array(job->arena, struct byte_range, extent_count + 1);
	size_t count = 0;
	for (size_t i = 0; i < extent_count; i++) {
		const struct parquet_extent *extent = &layout->extents.items[i];
		if (has_field(job->schema, extent->field_id))
			ranges[count++] = (struct byte_range){ extent->start, extent->end };
	}
	const bool is_known = layout != NULL && layout->is_known;
	ranges[count++] = (struct byte_range){ is_known ? layout->extents.footer_start : 0,
		file->size_bytes };
	*object = object_of(job, file, ranges);
	object->range_count = count;
}

static bool fetch_files(const struct job *job, struct table_version *out, struct error *err)
{
	const struct table_version *version = job->version;
	const size_t count = version->file_count + version->delete_file_count;
	struct cached_object *objects = arena_array(job->arena, struct cached_object, count);
	for (size_t i = 0; i < version->file_count; i++)
		choose_ranges(job, &version->files[i], &objects[i]);
	for (size_t i = 0; i < version->delete_file_count; i++) {
		const struct delete_file *deletes = &version->delete_files[i];
		const struct scan_file file = { .uri = deletes->uri,
			.size_bytes = deletes->size_bytes };
		struct byte_range *whole = arena_new(job->arena, struct byte_range);
		*whole = (struct byte_range){ 0, deletes->size_bytes };
		objects[version->file_count + i] = object_of(job, &file, whole);
	}
	if (!cache_fetch(job->fetcher->cache, job->fetcher->store, objects, count, job->arena, err))
		return false;

	struct scan_file *files =
		arena_copy(job->arena, version->files, version->file_count * sizeof *files);
	struct delete_file *deletes = arena_copy(
		job->arena, version->delete_files, version->delete_file_count * sizeof *deletes);
	for (size_t i = 0; i < version->file_count; i++)
		files[i].path = objects[i].file;
	for (size_t i = 0; i < version->delete_file_count; i++)
		deletes[i].path = objects[version->file_count + i].file;
	out->files = files;
	out->delete_files = deletes;
	return true;
}

/* ---- what is not ---- */

/* DuckDB looks whether a file is there, and must fail if it opened it. */
static bool make_unread(struct fetcher *fetcher, struct error *err)
{
	struct file *file;
	const char *path =
		arena_format(&fetcher->arena, "%s/0-unread", cache_files(fetcher->cache));
	if (fetcher->unread != NULL)
		return true;
	if (!world_open(world_posix(), path, FILE_CREATE, &file, err))
		return false;
	const bool ok = file_write_at(file, 0, BYTES_LITERAL("This is no Parquet file.\n"), err);
	file_close(file);
	fetcher->unread = ok ? path : NULL;
	return ok;
}

static bool fetch_nothing(const struct job *job, struct table_version *out, struct error *err)
{
	if (job->version->file_count == 0)
		return true;
	if (!make_unread(job->fetcher, err))
		return false;
	struct scan_file *file = arena_new(job->arena, struct scan_file);
	for (size_t i = 0; i < job->version->file_count; i++)
		file->row_count += job->version->files[i].row_count;
	file->path = job->fetcher->unread;
	file->uri = job->version->files[0].uri;
	out->files = file;
	out->file_count = 1;
	out->delete_file_count = 0;
	return true;
}

static const struct schema *wanted_schema(
	const struct schema *schema, const struct wanted_columns *wanted, struct arena *arena)
{
	struct schema *part = arena_copy(arena, schema, sizeof *schema);
	part->fields = arena_array(arena, struct schema_field, schema->field_count);
	part->field_count = 0;
	for (size_t i = 0; i < schema->field_count; i++)
		if (column_is_wanted(wanted, schema->fields[i].name))
			part->fields[part->field_count++] = schema->fields[i];
	return part;
}

bool fetcher_fetch(struct fetcher *fetcher, const struct table_version *version,
	const struct wanted_columns *wanted, struct arena *arena, struct table_version *out,
	struct error *err)
{
	const struct job job = {
		.fetcher = fetcher,
		.arena = arena,
		.version = version,
		.schema = wanted_schema(version->schema, wanted, arena),
	};
	*out = *version;
	out->schema = job.schema;
	if (wanted->kind == COLUMNS_UNREAD)
		return fetch_nothing(&job, out, err);
	return find_layouts(&job, err) && fetch_files(&job, out, err);
}
