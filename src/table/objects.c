/*
 * objects.c: the objects of a commit on their way to the store.
 *
 * A commit writes some ten small objects, and making one durable takes as long as making all of
 * them so at the same time.  Small ones are therefore kept in memory until the commit, which puts
 * them together; a big one goes to the store as it is made.
 */
#include "table/table_internal.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>

/* --- one object --- */

static bool begin_upload(struct object_sink *sink, struct error *err)
{
	struct table *table = sink->table;
	table_add_written(table, sink->path);
	if (!store_create(table->store, sink->path, &sink->upload, err)) {
		sink->upload = NULL;
		return false;
	}
	const bool ok = upload_write(sink->upload, buffer_bytes(&sink->held), err);
	buffer_deinit(&sink->held);
	return ok;
}

bool object_sink_write(void *context, struct bytes data, struct error *err)
{
	struct object_sink *sink = context;
	if (sink->upload == NULL && sink->held.size + data.size <= sink->held_max) {
		buffer_append_bytes(&sink->held, data);
		return true;
	}
	if (sink->upload == NULL && !begin_upload(sink, err))
		return false;
	return upload_write(sink->upload, data, err);
}

bool object_sink_finish(struct object_sink *sink, struct error *err)
{
	struct upload *upload = sink->upload;
	sink->upload = NULL; /* gone in either case */
	return upload == NULL || upload_finish(upload, err);
}

void object_sink_abort(struct object_sink *sink)
{
	upload_abort(sink->upload);
	sink->upload = NULL;
	buffer_deinit(&sink->held);
}

bool object_source_read_at(
	void *context, uint64_t offset, void *out, size_t size, struct error *err)
{
	struct object_source *source = context;
	if (source->held.size > 0) {
		assert(offset <= source->held.size && size <= source->held.size - offset);
		memcpy(out, source->held.data + offset, size);
		return true;
	}
	buffer_reset(&source->buffer);
	if (!store_read(source->store, source->path, offset, size, &source->buffer, err))
		return false;
	memcpy(out, source->buffer.data, size);
	return true;
}

/* --- all of a commit --- */

static struct put *puts_push(struct puts *puts)
{
	if (puts->count == puts->capacity) {
		puts->capacity = puts->capacity ? 2 * puts->capacity : 16;
		puts->items = memory_resize(puts->items, puts->capacity, sizeof *puts->items);
	}
	struct put *put = &puts->items[puts->count++];
	*put = (struct put){ 0 };
	return put;
}

void puts_add(struct puts *puts, const char *path, struct bytes body)
{
	struct put *put = puts_push(puts);
	put->path = path;
	put->body = body;
}

void puts_take(struct puts *puts, const char *path, struct buffer *body)
{
	struct put *put = puts_push(puts);
	put->path = path;
	put->owned = *body;
	put->body = buffer_bytes(body);
	*body = (struct buffer){ 0 };
}

void puts_reset(struct puts *puts)
{
	for (size_t i = 0; i < puts->count; i++)
		buffer_deinit(&puts->items[i].owned);
	free(puts->items);
	*puts = (struct puts){ 0 };
}

struct put_work {
	struct store *store;
	const struct puts *puts;
	pthread_mutex_t lock; /* of all below */
	size_t next;
	bool failed;
	struct error err;
};

/* The next one to put; NULL when there is none, or one failed. */
static const struct put *next_put(struct put_work *work)
{
	pthread_mutex_lock(&work->lock);
	const struct put *put = NULL;
	if (!work->failed && work->next < work->puts->count)
		put = &work->puts->items[work->next++];
	pthread_mutex_unlock(&work->lock);
	return put;
}

static void note_failure(struct put_work *work, const struct error *err)
{
	pthread_mutex_lock(&work->lock);
	if (!work->failed)
		work->err = *err;
	work->failed = true;
	pthread_mutex_unlock(&work->lock);
}

static void *put_some(void *context)
{
	struct put_work *work = context;
	struct error err;
	for (const struct put *put = next_put(work); put; put = next_put(work)) {
		if (!store_put(work->store, put->path, put->body, &err))
			note_failure(work, &err);
	}
	return NULL;
}

bool puts_run(struct store *store, const struct puts *puts, unsigned parallel, struct error *err)
{
	enum {
		THREADS_MAX = 32
	};
	struct put_work work = { .store = store, .puts = puts };
	pthread_t threads[THREADS_MAX];
	size_t count = 0;
	pthread_mutex_init(&work.lock, NULL);
	while (count < THREADS_MAX && count + 1 < parallel && count + 1 < puts->count &&
		pthread_create(&threads[count], NULL, put_some, &work) == 0)
		count++; /* fewer threads than wished are only slower */
	put_some(&work);
	for (size_t i = 0; i < count; i++)
		pthread_join(threads[i], NULL);
	pthread_mutex_destroy(&work.lock);
	if (work.failed)
		*err = work.err;
	return !work.failed;
}
