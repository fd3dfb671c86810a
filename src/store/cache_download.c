#include "store/cache_internal.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	THREADS_MAX = 8,
};

struct crew {
	struct store *store;
	const struct downloads *downloads;
	pthread_mutex_t lock; /* of all below */
	pthread_cond_t changed;
	size_t *left;     /* parts of each object that are not written yet */
	size_t taken;     /* downloads before it have a thread */
	size_t *finished; /* in the order in which they finished */
	size_t finished_count;
	size_t running; /* threads */
	bool has_failed;
	struct error *err; /* of the first failure */
};

/* ---- one ---- */

static bool disk_failed(const char *file, const char *verb, struct error *err)
{
	const bool is_full = errno == ENOSPC || errno == EDQUOT;
	error_set_errno(err, is_full ? ERROR_LIMIT : ERROR_LOST, "\"%s\" cannot be %s", file, verb);
	if (is_full)
		error_hint(err, "Free space on this disk, lower lake.cache_size, or set "
				"lake.cache_directory to a larger one.");
	return false;
}

static bool write_all(int descriptor, struct bytes data, uint64_t offset)
{
	while (data.size > 0) {
		const ssize_t part = pwrite(descriptor, data.data, data.size, (off_t)offset);
		if (part < 0 && errno == EINTR)
			continue;
		if (part < 0)
			return false;
		data = bytes_of(data.data + part, data.size - (size_t)part);
		offset += (uint64_t)part;
	}
	return true;
}

static bool write_range(const struct download *download, struct bytes data, struct error *err)
{
	const int descriptor = open(download->file, O_WRONLY | O_CLOEXEC);
	if (descriptor < 0)
		return disk_failed(download->file, "opened", err);
	const bool ok = write_all(descriptor, data, download->range.start) ||
			disk_failed(download->file, "written", err);
	close(descriptor);
	return ok;
}

/* All that was written to it, by whichever thread. */
static bool sync_file(const char *file, struct error *err)
{
	const int descriptor = open(file, O_WRONLY | O_CLOEXEC);
	if (descriptor < 0)
		return disk_failed(file, "opened", err);
	const bool ok = fdatasync(descriptor) == 0 || disk_failed(file, "made durable", err);
	close(descriptor);
	return ok;
}

/* ---- many ---- */

/* One that nobody has taken; NULL when there is none, or no use. */
static const struct download *take(struct crew *crew)
{
	pthread_mutex_lock(&crew->lock);
	const bool ok = !crew->has_failed && crew->taken < crew->downloads->count;
	const struct download *out = ok ? &crew->downloads->items[crew->taken++] : NULL;
	pthread_mutex_unlock(&crew->lock);
	return out;
}

static void report_failure(struct crew *crew, const struct error *err)
{
	pthread_mutex_lock(&crew->lock);
	if (!crew->has_failed)
		*crew->err = *err;
	crew->has_failed = true;
	pthread_cond_signal(&crew->changed);
	pthread_mutex_unlock(&crew->lock);
}

/* Whoever brings the last part of an object makes it durable. */
static bool is_last_part(struct crew *crew, size_t object)
{
	pthread_mutex_lock(&crew->lock);
	const bool is_last = --crew->left[object] == 0;
	pthread_mutex_unlock(&crew->lock);
	return is_last;
}

static bool do_part(
	struct crew *crew, const struct download *download, struct buffer *bytes, struct error *err)
{
	const struct byte_range *range = &download->range;
	buffer_reset(bytes);
	if (!store_read(crew->store, download->path, range->start,
		    (size_t)(range->end - range->start), bytes, err) ||
		!write_range(download, buffer_bytes(bytes), err))
		return false;
	if (!is_last_part(crew, download->object))
		return true;
	if (!sync_file(download->file, err))
		return false;
	pthread_mutex_lock(&crew->lock);
	crew->finished[crew->finished_count++] = download->object;
	pthread_cond_signal(&crew->changed);
	pthread_mutex_unlock(&crew->lock);
	return true;
}

static void *work(void *context)
{
	struct crew *crew = context;
	struct buffer bytes = { 0 };
	const struct download *download;
	while ((download = take(crew)) != NULL) {
		struct error err = { 0 };
		if (!do_part(crew, download, &bytes, &err))
			report_failure(crew, &err);
	}
	buffer_deinit(&bytes);
	pthread_mutex_lock(&crew->lock);
	crew->running--;
	pthread_cond_signal(&crew->changed);
	pthread_mutex_unlock(&crew->lock);
	return NULL;
}

static size_t start_threads(struct crew *crew, pthread_t *threads)
{
	const size_t count = crew->downloads->count;
	const size_t wanted = count < THREADS_MAX ? count : THREADS_MAX;
	size_t started = 0;
	crew->running = wanted;
	while (started < wanted && pthread_create(&threads[started], NULL, work, crew) == 0)
		started++;
	struct error err;
	if (started == 0 && wanted > 0 && !error_set(&err, ERROR_LIMIT, "no thread can be started"))
		report_failure(crew, &err);
	pthread_mutex_lock(&crew->lock);
	crew->running -= wanted - started;
	pthread_mutex_unlock(&crew->lock);
	return started;
}

/* The lock is held, and let go of while `done` works. */
static void hand_over(struct crew *crew, size_t object)
{
	struct error err;
	pthread_mutex_unlock(&crew->lock);
	if (!crew->downloads->done(crew->downloads->context, object, &err))
		report_failure(crew, &err);
	pthread_mutex_lock(&crew->lock);
}

static void hand_over_all(struct crew *crew)
{
	size_t handed_over = 0;
	pthread_mutex_lock(&crew->lock);
	while (crew->running > 0 || handed_over < crew->finished_count) {
		if (handed_over < crew->finished_count)
			hand_over(crew, crew->finished[handed_over++]);
		else
			pthread_cond_wait(&crew->changed, &crew->lock);
	}
	pthread_mutex_unlock(&crew->lock);
}

bool downloads_run(struct store *store, const struct downloads *downloads, struct error *err)
{
	const size_t objects = downloads->object_count;
	struct crew crew = {
		.store = store,
		.downloads = downloads,
		.finished = memory_allocate(objects + 1, sizeof *crew.finished),
		.left = memory_allocate(objects + 1, sizeof *crew.left),
		.err = err,
	};
	pthread_t threads[THREADS_MAX];
	for (size_t i = 0; i < downloads->count; i++)
		crew.left[downloads->items[i].object]++;
	pthread_mutex_init(&crew.lock, NULL);
	pthread_cond_init(&crew.changed, NULL);
	const size_t started = start_threads(&crew, threads);
	hand_over_all(&crew);
	for (size_t i = 0; i < started; i++)
		pthread_join(threads[i], NULL);
	pthread_cond_destroy(&crew.changed);
	pthread_mutex_destroy(&crew.lock);
	free(crew.finished);
	free(crew.left);
	return !crew.has_failed;
}
