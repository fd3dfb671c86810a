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
};

/* Where the columns of a data file lie, which never changes. */
struct layout {
	struct layout *older, *newer; /* in the order of their use */
	size_t size;                  /* bytes, of all of it */
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
	struct layout *oldest, *newest;
	size_t layouts_size, layouts_size_max;
};

/* One version being fetched. */
struct job {
	struct fetcher *fetcher;
	struct arena *arena;
	const struct table_version *version;
	const struct schema *schema; /* of the wanted columns */
	const char **tails;          /* by file: the local one that has its tail; or NULL */
};

/* ---- opening ---- */

struct fetcher *fetcher_open(struct store *store, struct cache *cache, size_t layouts_size_max)
{
	struct fetcher *fetcher = memory_allocate(1, sizeof *fetcher);
	fetcher->store = store;
	fetcher->cache = cache;
	fetcher->layouts_size_max = layouts_size_max;
	return fetcher;
}

void fetcher_close(struct fetcher *fetcher)
{
	if (fetcher == NULL)
		return;
	for (struct layout *layout = fetcher->oldest, *next; layout != NULL; layout = next) {
		next = layout->newer;
		free(layout);
	}
	map_deinit(&fetcher->layouts);
	arena_deinit(&fetcher->arena);
	free(fetcher);
}

void fetcher_reset(struct fetcher *fetcher)
{
	cache_unpin(fetcher->cache);
}

/* ---- layouts that are remembered ---- */

static uint64_t hash_of(const char *uri)
{
	return XXH3_64bits(uri, strlen(uri));
}

static void unlink_layout(struct fetcher *fetcher, const struct layout *layout)
{
	*(layout->older != NULL ? &layout->older->newer : &fetcher->oldest) = layout->newer;
	*(layout->newer != NULL ? &layout->newer->older : &fetcher->newest) = layout->older;
}

static void link_newest(struct fetcher *fetcher, struct layout *layout)
{
	layout->older = fetcher->newest;
	layout->newer = NULL;
	*(fetcher->newest != NULL ? &fetcher->newest->newer : &fetcher->oldest) = layout;
	fetcher->newest = layout;
}

static struct layout *find_layout(const struct fetcher *fetcher, const char *uri)
{
	struct layout *layout = map_get(&fetcher->layouts, hash_of(uri));
	return layout != NULL && strcmp(layout->uri, uri) == 0 ? layout : NULL;
}

static void forget_layout(struct fetcher *fetcher, struct layout *layout)
{
	unlink_layout(fetcher, layout);
	map_remove(&fetcher->layouts, hash_of(layout->uri));
	fetcher->layouts_size -= layout->size;
	free(layout);
}

/* A copy, in one piece. */
static void remember_layout(struct fetcher *fetcher, const struct layout *layout)
{
	const size_t extents_size = layout->extents.count * sizeof *layout->extents.items;
	const size_t uri_size = strlen(layout->uri) + 1;
	const size_t size = sizeof *layout + extents_size + uri_size + sizeof(struct map_entry);
	struct layout *same = map_get(&fetcher->layouts, hash_of(layout->uri));
	if (same != NULL)
		forget_layout(fetcher, same);
	if (size > fetcher->layouts_size_max)
		return;
	while (fetcher->layouts_size + size > fetcher->layouts_size_max)
		forget_layout(fetcher, fetcher->oldest);
	struct layout *kept = memory_allocate(1, size);
	struct parquet_extent *items = (struct parquet_extent *)(void *)(kept + 1);
	char *uri = (char *)items + extents_size;
	*kept = *layout;
	kept->size = size;
	if (extents_size > 0)
		memcpy(items, layout->extents.items, extents_size);
	kept->extents.items = items;
	kept->uri = memcpy(uri, layout->uri, uri_size);
	map_put(&fetcher->layouts, hash_of(uri), kept);
	link_newest(fetcher, kept);
	fetcher->layouts_size += size;
}

/* ---- footers ---- */

/* What the footer is read from. */
struct footer_source {
	const struct job *job;
	const struct scan_file *file;
	struct arena *arena;
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

static struct byte_range tail_of(const struct scan_file *file)
{
	return (struct byte_range){ file->size_bytes - TAIL_SIZE, file->size_bytes };
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
	if (source->local == NULL || offset < source->fetched_from) {
		const uint64_t tail = tail_of(source->file).start;
		const struct byte_range range = { offset < tail ? offset : tail,
			source->file->size_bytes };
		struct cached_object object = object_of(job, source->file, &range);
		if (!cache_fetch(job->fetcher->cache, job->fetcher->store, &object, 1,
			    source->arena, err))
			return false;
		source->local = object.file;
		source->fetched_from = range.start;
	}
	return read_local(source->local, offset, out, size, err);
}

/* A footer that is not understood is DuckDB's to complain about. */
static bool read_layout(const struct job *job, size_t number, struct arena *arena,
	struct layout *out, struct error *err)
{
	const struct scan_file *file = &job->version->files[number];
	struct footer_source footer = { job, file, arena, job->tails[number], tail_of(file).start };
	const struct parquet_source source = { file->size_bytes, read_footer_part, &footer };
	*out = (struct layout){ .uri = file->uri };
	out->is_known = parquet_extents_read(&source, arena, &out->extents, err);
	if (!out->is_known)
		out->extents.count = 0;
	return out->is_known || err->kind == ERROR_CORRUPT || err->kind == ERROR_UNSUPPORTED ||
	       err->kind == ERROR_LIMIT;
}

static bool is_small(const struct scan_file *file)
{
	return file->size_bytes <= WHOLE_MAX;
}

/* Of all files whose layout is not known, at once. */
static bool fetch_tails(const struct job *job, struct error *err)
{
	struct fetcher *fetcher = job->fetcher;
	const struct table_version *version = job->version;
	struct cached_object *objects =
		arena_array(job->arena, struct cached_object, version->file_count);
	struct byte_range *tails = arena_array(job->arena, struct byte_range, version->file_count);
	size_t *numbers = arena_array(job->arena, size_t, version->file_count);
	size_t count = 0;
	for (size_t i = 0; i < version->file_count; i++) {
		const struct scan_file *file = &version->files[i];
		if (is_small(file) || find_layout(fetcher, file->uri) != NULL)
			continue;
		tails[count] = tail_of(file);
		objects[count] = object_of(job, file, &tails[count]);
		numbers[count++] = i;
	}
	if (!cache_fetch(fetcher->cache, fetcher->store, objects, count, job->arena, err))
		return false;
	for (size_t i = 0; i < count; i++)
		job->tails[numbers[i]] = objects[i].file;
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

static void choose_extents(
	const struct job *job, const struct layout *layout, struct cached_object *object)
{
	const size_t extent_count = layout->extents.count;
	struct byte_range *ranges = arena_array(job->arena, struct byte_range, extent_count + 1);
	size_t count = 0;
	for (size_t i = 0; i < extent_count; i++) {
		const struct parquet_extent *extent = &layout->extents.items[i];
		if (has_field(job->schema, extent->field_id))
			ranges[count++] = (struct byte_range){ extent->start, extent->end };
	}
	ranges[count++] = (struct byte_range){ layout->is_known ? layout->extents.footer_start : 0,
		object->size };
	object->ranges = ranges;
	object->range_count = count;
}

static bool choose_by_footer(
	const struct job *job, size_t number, struct cached_object *object, struct error *err)
{
	struct arena arena = { 0 };
	struct layout layout;
	const bool ok = read_layout(job, number, &arena, &layout, err);
	if (ok) {
		choose_extents(job, &layout, object);
		remember_layout(job->fetcher, &layout);
	}
	arena_deinit(&arena);
	return ok;
}

static bool choose_ranges(
	const struct job *job, size_t number, struct cached_object *object, struct error *err)
{
	static const struct layout UNKNOWN = { .is_known = false };
	const struct scan_file *file = &job->version->files[number];
	*object = object_of(job, file, NULL);
	if (is_small(file)) {
		choose_extents(job, &UNKNOWN, object);
		return true;
	}
	struct layout *layout = find_layout(job->fetcher, file->uri);
	if (layout == NULL)
		return choose_by_footer(job, number, object, err);
	unlink_layout(job->fetcher, layout);
	link_newest(job->fetcher, layout);
	choose_extents(job, layout, object);
	return true;
}

static bool fetch_files(const struct job *job, struct table_version *out, struct error *err)
{
	const struct table_version *version = job->version;
	const size_t count = version->file_count + version->delete_file_count;
	struct cached_object *objects = arena_array(job->arena, struct cached_object, count);
	for (size_t i = 0; i < version->file_count; i++)
		if (!choose_ranges(job, i, &objects[i], err))
			return false;
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
		.tails = arena_array(arena, const char *, version->file_count),
	};
	*out = *version;
	out->schema = job.schema;
	if (wanted->kind == COLUMNS_UNREAD)
		return fetch_nothing(&job, out, err);
	return fetch_tails(&job, err) && fetch_files(&job, out, err);
}
