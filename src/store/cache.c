#include "store/cache_internal.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

enum {
	GAP_MAX = 128 * 1024,       /* bytes that are fetched rather than asked for around */
	PART_MAX = 4 * 1024 * 1024, /* of one request; as many are in memory as there are threads */
};
#define TOUCH_INTERVAL INT64_C(60000000) /* how exact the order of use is */

#define INDEX_NAME "walberg-cache.db"
#define PINS_NAME "pins"

/* One object of a fetch. */
struct piece {
	struct cached_object *object;
	const char *name; /* in the index */
	struct index_object entry;
	struct byte_ranges wanted;
	struct byte_ranges missing;
};

struct fetch {
	struct cache *cache;
	struct store *store;
	struct arena *arena;
	size_t count;
	struct piece *pieces;
};

/* ---- opening ---- */

static bool remove_files(const struct cache *cache, bool all, struct error *err)
{
	struct arena arena = { 0 };
	struct file_info *infos;
	size_t count;
	bool ok = world_list(world_posix(), cache->files, &arena, &infos, &count, err);
	for (size_t i = 0; ok && i < count; i++) {
		bool is_known = false;
		ok = all || index_file_exists(cache->index, infos[i].name, &is_known, err);
		if (ok && !is_known)
			unlink(cache_file(cache, infos[i].name, &arena));
	}
	arena_deinit(&arena);
	return ok;
}

/* All that is kept is worth nothing without its index. */
static bool start_over(struct cache *cache, const char *index_path, struct error *err)
{
	static const char *const SUFFIXES[] = { "", "-wal", "-shm" };
	struct arena arena = { 0 };
	if (!pins_try_lock_all(&cache->pins))
		return error_hint(err,
			"End what uses the cache and remove its directory \"%s\"; "
			"it is made again.",
			cache->directory);
	for (size_t i = 0; i < sizeof SUFFIXES / sizeof *SUFFIXES; i++)
		unlink(arena_format(&arena, "%s%s", index_path, SUFFIXES[i]));
	const bool ok =
		remove_files(cache, true, err) && index_open(index_path, &cache->index, err);
	pins_share_all(&cache->pins);
	arena_deinit(&arena);
	return ok;
}

/*
 * After a crash of the machine the index may be that of an earlier moment, which does not know the
 * newest files: nothing would ever remove them.
 */
static bool sweep(struct cache *cache, struct error *err)
{
	bool is_of_this_boot;
	if (!cache_change_begin(cache, err))
		return false;
	const bool ok = index_is_of_this_boot(cache->index, &is_of_this_boot, err) &&
			(is_of_this_boot || remove_files(cache, false, err));
	return cache_change_end(cache, ok, err);
}

/* The bound may be lower than it was. */
static bool shrink(struct cache *cache, struct error *err)
{
	bool has_room;
	return cache_change_begin(cache, err) &&
	       cache_change_end(cache, cache_make_room(cache, 0, &has_room, err), err);
}

static bool open_parts(struct cache *cache, struct error *err)
{
	struct arena arena = { 0 };
	const char *index_path = arena_format(&arena, "%s/" INDEX_NAME, cache->directory);
	bool ok = world_make_directories(world_posix(), cache->files, err) &&
		  pins_open(&cache->pins, arena_format(&arena, "%s/" PINS_NAME, cache->directory),
			  err);
	if (ok && !index_open(index_path, &cache->index, err))
		ok = err->kind == ERROR_CORRUPT && start_over(cache, index_path, err);
	arena_deinit(&arena);
	return ok && sweep(cache, err) && shrink(cache, err);
}

bool cache_open(const struct cache_options *options, struct cache **out, struct error *err)
{
	assert(options->directory[0] == '/');
	struct arena arena = { 0 };
	struct cache *cache = memory_allocate(1, sizeof *cache);
	cache->pins.descriptor = -1;
	cache->size_max = options->size_max;
	cache->directory = strdup(options->directory);
	cache->files = strdup(arena_format(&arena, "%s/objects", options->directory));
	arena_deinit(&arena);
	if (cache->directory == NULL || cache->files == NULL)
		abort();
	if (!open_parts(cache, err)) {
		cache_close(cache);
		return error_context(err, "opening the cache in \"%s\"", options->directory);
	}
	*out = cache;
	return true;
}

void cache_close(struct cache *cache)
{
	if (cache == NULL)
		return;
	cache_end_use(cache);
	map_deinit(&cache->in_use);
	index_close(cache->index);
	pins_close(&cache->pins);
	buffer_deinit(&cache->removed);
	free(cache->directory);
	free(cache->files);
	free(cache);
}

const char *cache_files(const struct cache *cache)
{
	return cache->files;
}

void cache_unpin(struct cache *cache)
{
	cache_end_use(cache);
	pins_drop_all(&cache->pins);
}

static bool no_room(const struct cache *cache, uint64_t bytes, struct error *err)
{
	error_set(err, ERROR_LIMIT,
		"%" PRIu64 " MB more do not fit into the cache of %" PRIu64
		" MB beside what is in use",
		(bytes >> 20) + 1, cache->size_max >> 20);
	return error_hint(err,
		"Set lake.cache_size to more than a statement reads, or ask for fewer "
		"columns at once.");
}

/* ---- what is there ---- */

/* An object's name in the index: servers may have buckets of equal names. */
static const char *name_of(const struct store *store, const char *path, struct arena *arena)
{
	const char *uri = store_uri(store, path, arena);
	return store->endpoint != NULL ? arena_format(arena, "%s %s", store->endpoint, uri) : uri;
}

/* A file may have been removed by hand, or by a crash whose index is older. */
static bool file_is_whole(const struct cache *cache, const struct index_object *entry)
{
	struct arena arena = { 0 };
	struct stat info;
	const bool ok = stat(cache_file(cache, entry->file, &arena), &info) == 0 &&
			(uint64_t)info.st_size == entry->size;
	arena_deinit(&arena);
	return ok;
}

/* The ranges of a file that is about to be made again, as a hole. */
static bool forget_ranges(struct cache *cache, int64_t id, struct arena *arena, struct error *err)
{
	const struct byte_ranges none = { 0 };
	struct byte_ranges present;
	return index_ranges(cache->index, id, arena, &present, err) &&
	       (present.count == 0 || cache_set_ranges(cache, id, &none, err));
}

/* One whose bytes are not what they were, unless somebody uses it. */
static bool discard(struct cache *cache, const struct index_object *entry, struct arena *arena,
	struct error *err)
{
	bool is_gone = false;
	pins_drop(&cache->pins, entry->id);
	if (!cache_change_begin(cache, err))
		return false;
	return cache_change_end(cache, cache_try_remove(cache, entry, &is_gone, arena, err), err);
}

/*
 * The entry of an object, pinned; id 0 when there is none.  It is looked up once more after it is
 * pinned, because it may have been removed between.
 */
static bool find_pinned(struct cache *cache, const char *name, struct arena *arena,
	struct index_object *out, struct error *err)
{
	struct index_object first;
	if (!index_find(cache->index, name, arena, &first, err))
		return false;
	*out = first;
	if (first.id == 0 || pins_has(&cache->pins, first.id))
		return true;
	if (!pins_add(&cache->pins, first.id, err) ||
		!index_find(cache->index, name, arena, out, err))
		return false;
	if (out->id == first.id)
		return true;
	pins_drop(&cache->pins, first.id);
	*out = (struct index_object){ 0 };
	return true;
}

static bool touch(struct cache *cache, const struct index_object *entry, struct error *err)
{
	const int64_t now = world_now(world_posix());
	const int64_t age = now - entry->used_at;
	return (age >= 0 && age < TOUCH_INTERVAL) || index_touch(cache->index, entry->id, now, err);
}

/* The ranges that are there of an object whose entry is pinned. */
static bool find_present(
	struct fetch *fetch, struct piece *piece, struct byte_ranges *out, struct error *err)
{
	struct cache *cache = fetch->cache;
	const int64_t id = piece->entry.id;
	if (piece->entry.size != piece->object->size)
		return error_set(err, ERROR_CORRUPT,
			"\"%s\" should have %" PRIu64 " bytes, but had %" PRIu64
			" when it was read first",
			piece->object->path, piece->object->size, piece->entry.size);
	if (!file_is_whole(cache, &piece->entry))
		return forget_ranges(cache, id, fetch->arena, err);
	return index_ranges(cache->index, id, fetch->arena, out, err) &&
	       touch(cache, &piece->entry, err);
}

static bool find_missing(struct fetch *fetch, struct piece *piece, struct error *err)
{
	struct cache *cache = fetch->cache;
	const struct cached_object *object = piece->object;
	struct byte_ranges present = { 0 };
	if (!find_pinned(cache, piece->name, fetch->arena, &piece->entry, err) ||
		(piece->entry.id != 0 && !find_present(fetch, piece, &present, err)))
		return false;
	piece->wanted = ranges_of(object->ranges, object->range_count, fetch->arena);
	assert(piece->wanted.count == 0 ||
		piece->wanted.items[piece->wanted.count - 1].end <= object->size);
	piece->missing = ranges_missing(&piece->wanted, &present, fetch->arena);
	piece->missing = ranges_bridged(&piece->missing, GAP_MAX, fetch->arena);
	return true;
}

/* ---- admission ---- */

static uint64_t charge_of(const struct piece *piece)
{
	const uint64_t whole =
		(piece->object->size + CACHE_BLOCK_SIZE - 1) / CACHE_BLOCK_SIZE * CACHE_BLOCK_SIZE;
	const uint64_t left = piece->entry.charged < whole ? whole - piece->entry.charged : 0;
	const uint64_t missing = ranges_disk_bytes(&piece->missing);
	return missing < left ? missing : left;
}

/* Another process may have made the entry meanwhile, or this one have cut it down. */
static bool find_or_insert(struct fetch *fetch, struct piece *piece, struct error *err)
{
	struct cache *cache = fetch->cache;
	const int64_t now = world_now(world_posix());
	if (!index_find(cache->index, piece->name, fetch->arena, &piece->entry, err))
		return false;
	if (piece->entry.id == 0 && !index_insert(cache->index, piece->name, piece->object->size,
					    now, fetch->arena, &piece->entry, err))
		return false;
	return pins_add(&cache->pins, piece->entry.id, err);
}

static bool admit_all(struct fetch *fetch, bool *has_room, uint64_t *bytes, struct error *err)
{
	*bytes = 0;
	for (size_t i = 0; i < fetch->count; i++) {
		if (!find_or_insert(fetch, &fetch->pieces[i], err))
			return false;
		*bytes += charge_of(&fetch->pieces[i]);
	}
	if (!cache_make_room(fetch->cache, *bytes, has_room, err))
		return false;
	for (size_t i = 0; *has_room && i < fetch->count; i++) {
		const struct piece *piece = &fetch->pieces[i];
		const uint64_t charge = charge_of(piece);
		if (charge > 0 && !index_charge(fetch->cache->index, piece->entry.id, charge, err))
			return false;
	}
	return true;
}

static bool try_admit(struct fetch *fetch, bool *has_room, uint64_t *bytes, struct error *err)
{
	if (!cache_change_begin(fetch->cache, err))
		return false;
	const bool ok = admit_all(fetch, has_room, bytes, err);
	return cache_change_end(fetch->cache, ok, err);
}

static bool admit(struct fetch *fetch, struct error *err)
{
	bool has_room = false;
	uint64_t bytes = 0;
	if (!try_admit(fetch, &has_room, &bytes, err))
		return false;
	if (!has_room &&
		(!cache_trim(fetch->cache, err) || !try_admit(fetch, &has_room, &bytes, err)))
		return false;
	return has_room || no_room(fetch->cache, bytes, err);
}

/* ---- fetching ---- */

/* Made with its size, all hole. */
static bool make_file(const char *path, uint64_t size, struct error *err)
{
	struct stat info;
	const int descriptor = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0640);
	const bool ok = descriptor >= 0 && fstat(descriptor, &info) == 0 &&
			((uint64_t)info.st_size == size || ftruncate(descriptor, (off_t)size) == 0);
	if (!ok) {
		error_set_errno(err, errno == ENOSPC ? ERROR_LIMIT : ERROR_SETUP,
			"\"%s\" cannot be made with %" PRIu64 " bytes", path, size);
		error_hint(err, "Look at the disk and the permissions of lake.cache_directory.");
	}
	if (descriptor >= 0)
		close(descriptor);
	return ok;
}

static void append_parts(const struct fetch *fetch, size_t number, const struct byte_range *range,
	struct buffer *out)
{
	const struct cached_object *object = fetch->pieces[number].object;
	for (uint64_t at = range->start; at < range->end; at += PART_MAX) {
		const uint64_t end = range->end - at > PART_MAX ? at + PART_MAX : range->end;
		const struct download download = { object->path, object->file, { at, end },
			number };
		buffer_append(out, &download, sizeof download);
	}
}

static bool enter_object(void *context, size_t number, struct error *err)
{
	const struct fetch *fetch = context;
	struct cache *cache = fetch->cache;
	const struct piece *piece = &fetch->pieces[number];
	if (!cache_change_begin(cache, err))
		return false;
	bool ok = true;
	for (size_t i = 0; ok && i < piece->missing.count; i++)
		ok = index_add_range(cache->index, piece->entry.id, &piece->missing.items[i], err);
	return cache_change_end(cache, ok, err);
}

static bool download_missing(struct fetch *fetch, struct error *err)
{
	struct buffer parts = { 0 };
	bool ok = true;
	for (size_t i = 0; ok && i < fetch->count; i++) {
		const struct piece *piece = &fetch->pieces[i];
		piece->object->file = cache_file(fetch->cache, piece->entry.file, fetch->arena);
		ok = make_file(piece->object->file, piece->object->size, err);
		cache_use(fetch->cache, &piece->entry, &piece->wanted);
		for (size_t j = 0; ok && j < piece->missing.count; j++)
			append_parts(fetch, i, &piece->missing.items[j], &parts);
	}
	const struct downloads downloads = {
		.items = (const struct download *)(void *)parts.data,
		.count = parts.size / sizeof(struct download),
		.object_count = fetch->count,
		.done = enter_object,
		.context = fetch,
	};
	ok = ok && downloads_run(fetch->store, &downloads, err);
	buffer_deinit(&parts);
	return ok;
}

static bool fetch_all(struct fetch *fetch, struct error *err)
{
	bool is_complete = true;
	for (size_t i = 0; i < fetch->count; i++) {
		struct piece *piece = &fetch->pieces[i];
		if (!find_missing(fetch, piece, err))
			return false;
		is_complete = is_complete && piece->entry.id != 0 && piece->missing.count == 0;
		if (piece->entry.id == 0)
			continue;
		piece->object->file = cache_file(fetch->cache, piece->entry.file, fetch->arena);
		cache_use(fetch->cache, &piece->entry, &piece->wanted);
	}
	return is_complete || (admit(fetch, err) && download_missing(fetch, err));
}

bool cache_fetch(struct cache *cache, struct store *store, struct cached_object *objects,
	size_t count, struct arena *arena, struct error *err)
{
	struct fetch fetch = {
		.cache = cache,
		.store = store,
		.arena = arena,
		.count = count,
		.pieces = arena_array(arena, struct piece, count),
	};
	for (size_t i = 0; i < count; i++) {
		fetch.pieces[i].object = &objects[i];
		fetch.pieces[i].name = name_of(store, objects[i].path, arena);
	}
	return fetch_all(&fetch, err) ||
	       error_context(err, "fetching from \"%s\"", store->location);
}

/* ---- whole objects ---- */

/* Kept whole by cache_get(), or fetched whole: then its bytes were durable first. */
static bool is_whole(
	const struct cache *cache, const struct index_object *entry, struct arena *arena)
{
	struct byte_ranges present;
	struct error err;
	if (entry->id == 0 || entry->has_checksum)
		return entry->id != 0;
	return index_ranges(cache->index, entry->id, arena, &present, &err) && present.count == 1 &&
	       present.items[0].start == 0 && present.items[0].end == entry->size;
}

/* False also when the bytes are not those that were kept. */
static bool read_kept(const struct cache *cache, const struct index_object *entry, size_t size_max,
	struct arena *arena, struct buffer *out)
{
	struct error err;
	const size_t before = out->size;
	if (!is_whole(cache, entry, arena) || entry->size > size_max)
		return false;
	const bool ok = world_read_file(world_posix(), cache_file(cache, entry->file, arena),
				(size_t)entry->size, out, &err) &&
			out->size - before == entry->size &&
			(!entry->has_checksum || XXH3_64bits(out->data + before,
							 out->size - before) == entry->checksum);
	if (!ok)
		out->size = before;
	return ok;
}

/* Bytes that are read with their checksum need not be durable. */
static bool keep_bytes(struct fetch *fetch, struct bytes bytes, struct error *err)
{
	struct piece *piece = &fetch->pieces[0];
	struct file *file = NULL;
	if (!admit(fetch, err) ||
		(!file_is_whole(fetch->cache, &piece->entry) &&
			!forget_ranges(fetch->cache, piece->entry.id, fetch->arena, err)))
		return false;
	const char *path = cache_file(fetch->cache, piece->entry.file, fetch->arena);
	const bool ok = world_open(world_posix(), path, FILE_CREATE, &file, err) &&
			file_write_at(file, 0, bytes, err) && file_truncate(file, bytes.size, err);
	file_close(file);
	return ok && index_set_checksum(fetch->cache->index, piece->entry.id,
			     XXH3_64bits(bytes.data, bytes.size), err);
}

/* That it cannot be kept fails nobody: it was read. */
static void keep(struct cache *cache, struct store *store, const char *path, struct bytes bytes,
	struct arena *arena)
{
	struct error ignored;
	const struct byte_range whole = { 0, bytes.size };
	struct cached_object object = { path, bytes.size, 1, &whole, NULL };
	struct piece piece = {
		.object = &object,
		.name = name_of(store, path, arena),
		.missing = ranges_of(&whole, 1, arena),
	};
	struct fetch fetch = { cache, store, arena, 1, &piece };
	bool is_kept = keep_bytes(&fetch, bytes, &ignored);
	if (piece.entry.id == 0)
		return;
	pins_drop(&cache->pins, piece.entry.id);
	is_kept = is_kept || discard(cache, &piece.entry, arena, &ignored);
}

bool cache_get(struct cache *cache, struct store *store, const char *path, size_t size_max,
	struct buffer *out, struct error *err)
{
	struct arena arena = { 0 };
	struct index_object entry;
	const char *name = name_of(store, path, &arena);
	const size_t before = out->size;
	bool ok = index_find(cache->index, name, &arena, &entry, err);
	if (ok && read_kept(cache, &entry, size_max, &arena, out)) {
		ok = touch(cache, &entry, err);
	} else if (ok) {
		ok = (!entry.has_checksum || discard(cache, &entry, &arena, err)) &&
		     store_get(store, path, size_max, out, err);
		if (ok)
			keep(cache, store, path, bytes_of(out->data + before, out->size - before),
				&arena);
	}
	arena_deinit(&arena);
	return ok;
}
