#include "store/cache_lab_fixture.h"

#include "base/test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

static enum error_kind strike(void *context, const char *call, const char *path)
{
	struct cache_lab *lab = context;
	(void)path;
	if (strcmp(call, "read") != 0 && strcmp(call, "size") != 0)
		return ERROR_NONE;
	pthread_mutex_lock(&lab->lock);
	const size_t calls = ++lab->calls;
	const bool fails = lab->failures > 0;
	lab->failures -= fails;
	pthread_mutex_unlock(&lab->lock);
	if (lab->freeze_after > 0 && calls > lab->freeze_after && write(lab->hung, "", 1) >= 0)
		pause();
	return fails ? lab->failure : ERROR_NONE;
}

static uint8_t cache_lab_byte_at(const char *path, uint64_t offset)
{
	const uint64_t x =
		(offset / 8 + (uint64_t)path[0] * 1000003) * UINT64_C(0x9E3779B97F4A7C15);
	return (uint8_t)((x >> (8 + 8 * (offset % 7))) | 1); /* never that of a hole */
}

void cache_lab_put(struct cache_lab *lab, const char *path, size_t size)
{
	struct buffer body = { 0 };
	struct error err;
	buffer_reserve(&body, size);
	for (size_t i = 0; i < size; i++)
		body.data[i] = cache_lab_byte_at(path, i);
	body.size = size;
	CHECK_OK(store_put(lab->store, path, buffer_bytes(&body), &err), &err);
	buffer_deinit(&body);
}

struct cache *cache_lab_open_cache(struct cache_lab *lab)
{
	const struct cache_options options = { lab->directory, lab->size_max };
	struct cache *cache = NULL;
	struct error err;
	CHECK_OK(cache_open(&options, &cache, &err), &err);
	return cache;
}

void cache_lab_open(struct cache_lab *lab, uint64_t size_max)
{
	*lab = (struct cache_lab){ .size_max = size_max };
	pthread_mutex_init(&lab->lock, NULL);
	lab->directory = arena_format(&lab->arena, "%s/cache", test_directory());
	lab->store =
		store_faulty_open(store_memory_open(world_posix(), "memory://lake"), strike, lab);
	lab->cache = cache_lab_open_cache(lab);
}

void cache_lab_reopen(struct cache_lab *lab)
{
	cache_close(lab->cache);
	lab->cache = cache_lab_open_cache(lab);
}

void cache_lab_close(struct cache_lab *lab)
{
	cache_close(lab->cache);
	store_close(lab->store);
	arena_deinit(&lab->arena);
	pthread_mutex_destroy(&lab->lock);
}

bool cache_lab_fetch_by(struct cache_lab *lab, struct cache *cache, const char *path,
	const struct byte_range *ranges, size_t count, const char **file, struct error *err)
{
	struct cached_object object = { path, OBJECT_SIZE, count, ranges, NULL };
	const bool ok = cache_fetch(cache, lab->store, &object, 1, &lab->arena, err);
	*file = object.file;
	return ok;
}

const char *cache_lab_fetch(struct cache_lab *lab, const char *path, uint64_t start, uint64_t end)
{
	const struct byte_range range = { start, end };
	const char *file;
	struct error err;
	CHECK_OK(cache_lab_fetch_by(lab, lab->cache, path, &range, 1, &file, &err), &err);
	return file;
}

void cache_lab_check_bytes(const char *file, const char *path, uint64_t start, uint64_t end)
{
	uint8_t *bytes = memory_allocate(end - start + 1, 1);
	const int descriptor = open(file, O_RDONLY);
	CHECK(descriptor >= 0);
	CHECK_EQUAL(pread(descriptor, bytes, end - start, (off_t)start), end - start);
	close(descriptor);
	for (uint64_t i = start; i < end; i++)
		if (bytes[i - start] != cache_lab_byte_at(path, i))
			test_fail(
				__FILE__, __LINE__, "byte %llu of %s", (unsigned long long)i, path);
	free(bytes);
}

uint64_t cache_lab_disk_bytes(struct cache_lab *lab)
{
	struct arena arena = { 0 };
	struct file_info *infos;
	size_t count;
	struct error err;
	uint64_t bytes = 0;
	CHECK_OK(world_list(world_posix(), cache_files(lab->cache), &arena, &infos, &count, &err),
		&err);
	for (size_t i = 0; i < count; i++) {
		struct stat info;
		CHECK(stat(arena_format(&arena, "%s/%s", cache_files(lab->cache), infos[i].name),
			      &info) == 0);
		bytes += (uint64_t)info.st_blocks * 512;
	}
	arena_deinit(&arena);
	return bytes;
}

void cache_lab_get(struct cache_lab *lab, const char *path, size_t size)
{
	struct buffer bytes = { 0 };
	struct error err;
	buffer_append_u8(&bytes, 'x');
	CHECK_OK(cache_get(lab->cache, lab->store, path, OBJECT_SIZE, &bytes, &err), &err);
	CHECK_EQUAL(bytes.size, 1 + size);
	for (size_t i = 0; i < size; i++)
		CHECK_EQUAL(bytes.data[1 + i], cache_lab_byte_at(path, i));
	buffer_deinit(&bytes);
}
