/*
 * upload.c: an object on its way to the bucket.
 *
 * Up to one part it is held in memory and put when it is finished.  A longer one is a multipart
 * upload: each part that is full goes to one of a few threads while the next one is being filled.
 *
 *	writing ──finish──▶ PUT ───────────┬─ 2xx ──────────────────────▶ done
 *	   │ more than a part              ├─ 412, or no clear answer ──▶ look: ours? ─▶ done
 *	   ▼                               │
 *	parts ───finish──▶ complete ───────┘
 *	   │
 *	   └─ a part failed, or abort ──▶ DELETE the upload
 */
#include "store/s3/s3_internal.h"

#include "base/logline.h"

#include <assert.h>
#include <stdlib.h>

enum {
	STATUS_CONDITION = 412,
	UNFINISHED_AGE_MAX_HOURS = 24, /* nobody uploads one object for so long */
	UNFINISHED_PAGES_MAX = 100,    /* of a thousand each; the next process goes on */
};

struct part {
	struct part *next;
	struct s3_upload *upload;
	unsigned number; /* from 1 */
	struct buffer body;
};

struct s3_upload {
	struct upload base;
	struct s3_store *s3;
	char *key;
	uint64_t size_bytes;
	struct buffer body; /* of the object, or of the part that is being filled */

	/* of a multipart upload */
	struct arena arena;
	const char *upload_id; /* NULL: it is none */
	const char *identity;
	const char **etags; /* malloc'ed, by number - 1; with the pool's lock */
	unsigned part_count;
	unsigned pending;     /* parts that are not done; with the lock */
	struct error failure; /* the first one of a part; with the lock */
};

/* --- requests ------------------------------------------------------------------------------- */

/* After a write that may have been refused only because it, or its like, has already been done. */
static bool resolve(
	struct s3_upload *upload, const char *identity, bool is_refused, struct error *err)
{
	struct arena arena = { 0 };
	struct error look;
	uint64_t size;
	const char *write;
	bool done = false;
	if (s3_look(upload->s3, upload->key, &arena, &size, &write, &look)) {
		done = size == upload->size_bytes && strcmp(write, identity) == 0;
		if (!done)
			error_set(err, ERROR_CONFLICT,
				"another writer has made an object of that name");
	} else if (look.kind != ERROR_MISSING) {
		err->kind = ERROR_UNCERTAIN;
	} else if (is_refused || err->kind == ERROR_LOST) {
		err->kind = ERROR_BUSY; /* nothing is there: the same call may work later */
	}
	arena_deinit(&arena);
	return done;
}

static bool put_whole(struct s3_upload *upload, struct error *err)
{
	char hash[SIGN_HASH_SIZE];
	struct s3_answer answer;
	sign_hash(buffer_bytes(&upload->body), hash);
	const struct s3_request request = {
		.method = "PUT",
		.key = upload->key,
		.headers = { { "If-None-Match", "*" }, { S3_WRITE_HEADER, hash } },
		.header_count = 2,
		.body = buffer_bytes(&upload->body),
		.body_hash = hash,
	};
	bool done = s3_call(upload->s3, &request, &answer, err);
	const bool is_refused = answer.http.status == STATUS_CONDITION;
	if (!done && (is_refused || answer.may_have_happened))
		done = resolve(upload, hash, is_refused, err);
	s3_answer_deinit(&answer);
	return done;
}

static bool take_upload_id(const struct s3_store *s3, const struct http_answer *answer,
	void *result, struct error *err)
{
	struct s3_upload *upload = result;
	(void)s3;
	return xml_read_upload_id(
		buffer_bytes(&answer->body), &upload->arena, &upload->upload_id, err);
}

static bool begin(struct s3_upload *upload, struct error *err)
{
	char uuid[UUID_TEXT_SIZE];
	struct s3_answer answer;
	upload->identity = arena_copy_cstring(&upload->arena, world_uuid(upload->s3->world, uuid));
	const struct s3_request request = {
		.method = "POST",
		.key = upload->key,
		.parameters = { { "uploads", "" } },
		.parameter_count = 1,
		.headers = { { S3_WRITE_HEADER, upload->identity } },
		.header_count = 1,
		.take = take_upload_id,
		.result = upload,
	};
	const bool done = s3_call(upload->s3, &request, &answer, err);
	if (!done)
		upload->upload_id = NULL;
	s3_answer_deinit(&answer);
	return done;
}

static bool take_etag(const struct s3_store *s3, const struct http_answer *answer, void *result,
	struct error *err)
{
	char **etag = result;
	const char *said = http_answer_header(answer, "etag");
	(void)s3, (void)err;
	*etag = strcpy(memory_allocate(strlen(said) + 1, 1), said);
	return true;
}

/* *etag is malloc'ed. */
static bool put_part(const struct part *part, char **etag, struct error *err)
{
	const struct s3_upload *upload = part->upload;
	struct s3_answer answer;
	char number[16];
	snprintf(number, sizeof number, "%u", part->number);
	const struct s3_request request = {
		.method = "PUT",
		.key = upload->key,
		.parameters = { { "partNumber", number }, { "uploadId", upload->upload_id } },
		.parameter_count = 2,
		.body = buffer_bytes(&part->body),
		/* TLS vouches for the bytes; the hash would make the server half as fast. */
		.body_hash = upload->s3->is_tls ? SIGN_UNSIGNED : NULL,
		.take = take_etag,
		.result = etag,
	};
	const bool done = s3_call(upload->s3, &request, &answer, err);
	if (!done && err->kind == ERROR_MISSING)
		err->kind = ERROR_LOST; /* somebody has ended the upload: it may be begun again */
	s3_answer_deinit(&answer);
	return done;
}

static bool take_completion(const struct s3_store *s3, const struct http_answer *answer,
	void *result, struct error *err)
{
	(void)s3, (void)result;
	return xml_is_completion(buffer_bytes(&answer->body)) ||
	       error_set(err, ERROR_LOST, "the answer to the end of an upload is cut off");
}

static bool complete(struct s3_upload *upload, bool *is_over, struct error *err)
{
	struct buffer body = { 0 };
	struct s3_answer answer;
	xml_append_completion(&body, upload->etags, upload->part_count);
	const struct s3_request request = {
		.method = "POST",
		.key = upload->key,
		.parameters = { { "uploadId", upload->upload_id } },
		.parameter_count = 1,
		.headers = { { "If-None-Match", "*" }, { "Content-Type", "application/xml" } },
		.header_count = 2,
		.body = buffer_bytes(&body),
		.take = take_completion,
	};
	bool done = s3_call(upload->s3, &request, &answer, err);
	const bool is_refused =
		!done && (answer.http.status == STATUS_CONDITION || err->kind == ERROR_MISSING);
	const bool may_come = !done && !is_refused && answer.may_have_happened;
	if (is_refused || may_come)
		done = resolve(upload, upload->identity, is_refused, err);
	if (!done && may_come && err->kind == ERROR_BUSY)
		err->kind = ERROR_UNCERTAIN; /* the server may be at it still */
	*is_over = done || (may_come && err->kind != ERROR_CONFLICT);
	s3_answer_deinit(&answer);
	buffer_deinit(&body);
	return done;
}

/* What stays behind when this fails is removed when it is a day old. */
static void give_up(struct s3_store *s3, const char *key, const char *upload_id)
{
	struct s3_answer answer;
	struct error err;
	const struct s3_request request = {
		.method = "DELETE",
		.key = key,
		.parameters = { { "uploadId", upload_id } },
		.parameter_count = 1,
	};
	if (!s3_call(s3, &request, &answer, &err) && err.kind != ERROR_MISSING)
		logline_write_error(LOGLINE_WARNING, &err);
	s3_answer_deinit(&answer);
}

/* --- uploads that processes of long ago left behind: they cost room, no more ---------------- */

struct unfinished {
	struct arena arena; /* of the page */
	struct xml_unfinished_page page;
};

static bool take_unfinished(const struct s3_store *s3, const struct http_answer *answer,
	void *result, struct error *err)
{
	struct unfinished *found = result;
	(void)s3;
	return xml_read_unfinished(buffer_bytes(&answer->body), &found->arena, &found->page, err);
}

static bool find_unfinished(struct s3_store *s3, const char *key_marker,
	const char *upload_id_marker, struct unfinished *found, struct error *err)
{
	struct s3_answer answer;
	const struct s3_request request = {
		.method = "GET",
		.parameters = { { "uploads", "" }, { "encoding-type", "url" },
			{ "prefix", s3->key_prefix }, { "key-marker", key_marker },
			{ "upload-id-marker", upload_id_marker } },
		.parameter_count = key_marker[0] == '\0'         ? 3
				   : upload_id_marker[0] == '\0' ? 4
								 : 5,
		.answer_size_max = XML_DOCUMENT_SIZE_MAX,
		.take = take_unfinished,
		.result = found,
	};
	*found = (struct unfinished){ 0 };
	const bool done = s3_call(s3, &request, &answer, err);
	s3_answer_deinit(&answer);
	return done;
}

/* The bucket may be others', too, whose uploads may last. */
static void give_up_old(struct s3_store *s3, const struct xml_unfinished_page *page)
{
	const size_t prefix_size = strlen(s3->key_prefix);
	const micros_t old = world_now(s3->world) + atomic_load(&s3->clock_offset) -
			     UNFINISHED_AGE_MAX_HOURS * INT64_C(3600000000);
	for (size_t i = 0; i < page->count; i++) {
		const struct xml_unfinished *upload = &page->uploads[i];
		if (upload->began_at < old &&
			strncmp(upload->key, s3->key_prefix, prefix_size) == 0 &&
			s3->is_own(upload->key + prefix_size))
			give_up(s3, upload->key, upload->upload_id);
	}
}

/* Once in a process that uploads in parts at all. */
static void forget_old_uploads(struct s3_store *s3)
{
	struct unfinished last = { 0 }, found;
	struct error err;
	const char *key = "", *upload_id = "";
	if (s3->is_own == NULL || atomic_exchange(&s3->has_forgotten, true))
		return;
	for (unsigned pages = 0; pages < UNFINISHED_PAGES_MAX; pages++) {
		const bool done = find_unfinished(s3, key, upload_id, &found, &err);
		arena_deinit(&last.arena);
		last = found;
		if (!done) {
			error_context(&err, "looking for uploads that were left behind");
			logline_write_error(LOGLINE_WARNING, &err);
			break;
		}
		give_up_old(s3, &found.page);
		if (found.page.next_key == NULL)
			break;
		key = found.page.next_key;
		upload_id = found.page.next_upload_id;
	}
	arena_deinit(&last.arena);
}

/* --- the threads that put parts ------------------------------------------------------------- */

static void part_free(struct part *part)
{
	buffer_deinit(&part->body);
	free(part);
}

static void run_part(struct part_pool *pool, struct part *part)
{
	struct s3_upload *upload = part->upload;
	struct error err;
	char *etag = NULL;
	pthread_mutex_lock(&pool->lock);
	const bool is_wanted = upload->failure.kind == ERROR_NONE; /* by what failed before it */
	pthread_mutex_unlock(&pool->lock);
	const bool done = !is_wanted || put_part(part, &etag, &err);
	pthread_mutex_lock(&pool->lock);
	upload->etags[part->number - 1] = etag;
	if (!done && upload->failure.kind == ERROR_NONE)
		upload->failure = err;
	upload->pending--;
	pool->in_flight--;
	pthread_cond_broadcast(&pool->is_done);
	pthread_mutex_unlock(&pool->lock);
	part_free(part);
}

/* The lock is held.  NULL when the pool closes. */
static struct part *take_part(struct part_pool *pool)
{
	while (pool->first == NULL && !pool->is_closing)
		pthread_cond_wait(&pool->has_work, &pool->lock);
	struct part *part = pool->first;
	if (part != NULL)
		pool->first = part->next;
	if (pool->first == NULL)
		pool->last = NULL;
	return part;
}

static void *put_parts(void *context)
{
	struct part_pool *pool = context;
	while (true) {
		pthread_mutex_lock(&pool->lock);
		struct part *part = take_part(pool);
		pthread_mutex_unlock(&pool->lock);
		if (part == NULL)
			return NULL;
		run_part(pool, part);
	}
}

/* Waits until there is room.  Takes the part. */
static void submit(struct part_pool *pool, struct part *part)
{
	pthread_mutex_lock(&pool->lock);
	while (pool->in_flight == S3_PARTS_IN_FLIGHT)
		pthread_cond_wait(&pool->is_done, &pool->lock);
	pool->in_flight++;
	part->upload->pending++;
	if (pool->thread_count < pool->in_flight &&
		pthread_create(&pool->threads[pool->thread_count], NULL, put_parts, pool) == 0)
		pool->thread_count++;
	const bool has_thread = pool->thread_count > 0;
	if (has_thread) {
		if (pool->last != NULL)
			pool->last->next = part;
		else
			pool->first = part;
		pool->last = part;
		pthread_cond_signal(&pool->has_work);
	}
	pthread_mutex_unlock(&pool->lock);
	if (!has_thread)
		run_part(pool, part);
}

static void wait_for_parts(struct s3_upload *upload)
{
	struct part_pool *pool = &upload->s3->pool;
	pthread_mutex_lock(&pool->lock);
	while (upload->pending > 0)
		pthread_cond_wait(&pool->is_done, &pool->lock);
	pthread_mutex_unlock(&pool->lock);
}

static bool check_parts(struct s3_upload *upload, struct error *err)
{
	struct part_pool *pool = &upload->s3->pool;
	pthread_mutex_lock(&pool->lock);
	const bool ok = upload->failure.kind == ERROR_NONE;
	if (!ok)
		*err = upload->failure;
	pthread_mutex_unlock(&pool->lock);
	return ok;
}

void s3_pool_init(struct part_pool *pool)
{
	pthread_mutex_init(&pool->lock, NULL);
	pthread_cond_init(&pool->has_work, NULL);
	pthread_cond_init(&pool->is_done, NULL);
}

void s3_pool_deinit(struct part_pool *pool)
{
	pthread_mutex_lock(&pool->lock);
	pool->is_closing = true;
	pthread_cond_broadcast(&pool->has_work);
	pthread_mutex_unlock(&pool->lock);
	for (unsigned i = 0; i < pool->thread_count; i++)
		pthread_join(pool->threads[i], NULL);
	pthread_cond_destroy(&pool->is_done);
	pthread_cond_destroy(&pool->has_work);
	pthread_mutex_destroy(&pool->lock);
}

/* --- the upload ----------------------------------------------------------------------------- */

/* Gives the filled part to a thread. */
static bool send_part(struct s3_upload *upload, struct error *err)
{
	if (upload->upload_id == NULL) {
		forget_old_uploads(upload->s3);
		if (!begin(upload, err))
			return false;
		upload->etags = memory_allocate(S3_PARTS_MAX, sizeof *upload->etags);
	}
	if (upload->part_count == S3_PARTS_MAX)
		return error_set(err, ERROR_LIMIT, "an object has more than %d parts of %zu bytes",
			S3_PARTS_MAX, upload->s3->part_size_bytes);
	struct part *part = memory_allocate(1, sizeof *part);
	part->upload = upload;
	part->number = ++upload->part_count;
	part->body = upload->body;
	upload->body = (struct buffer){ 0 };
	submit(&upload->s3->pool, part);
	return true;
}

static bool upload_write_some(struct upload *base, struct bytes data, struct error *err)
{
	struct s3_upload *upload = (struct s3_upload *)base;
	const size_t part_size = upload->s3->part_size_bytes;
	if (!check_parts(upload, err))
		return false;
	while (data.size > 0) {
		if (upload->body.size == part_size && !send_part(upload, err))
			return false;
		if (upload->part_count > 0)
			buffer_reserve(&upload->body, part_size - upload->body.size);
		const size_t room = part_size - upload->body.size;
		const size_t size = data.size < room ? data.size : room;
		buffer_append(&upload->body, data.data, size);
		upload->size_bytes += size;
		data = bytes_of(data.data + size, data.size - size);
	}
	return true;
}

static void upload_free(struct s3_upload *upload)
{
	for (unsigned i = 0; i < upload->part_count; i++)
		free((char *)upload->etags[i]);
	free(upload->etags);
	free(upload->key);
	buffer_deinit(&upload->body);
	arena_deinit(&upload->arena);
	free(upload);
}

static bool finish_parts(struct s3_upload *upload, struct error *err)
{
	bool is_over = false;
	bool done = send_part(upload, err);
	wait_for_parts(upload);
	done = done && check_parts(upload, err) && complete(upload, &is_over, err);
	if (!is_over)
		give_up(upload->s3, upload->key, upload->upload_id);
	return done;
}

static bool upload_finish_all(struct upload *base, struct error *err)
{
	struct s3_upload *upload = (struct s3_upload *)base;
	const bool done =
		upload->upload_id != NULL ? finish_parts(upload, err) : put_whole(upload, err);
	upload_free(upload);
	return done;
}

static void upload_give_up(struct upload *base)
{
	struct s3_upload *upload = (struct s3_upload *)base;
	wait_for_parts(upload); /* one that arrives later would stay */
	if (upload->upload_id != NULL)
		give_up(upload->s3, upload->key, upload->upload_id);
	upload_free(upload);
}

bool s3_create(struct store *store, const char *path, struct upload **out, struct error *err)
{
	static const struct upload_ops OPS = {
		.write = upload_write_some,
		.finish = upload_finish_all,
		.abort = upload_give_up,
	};
	(void)err; /* the server hears of it with the first part, or at the end */
	struct s3_upload *upload = memory_allocate(1, sizeof *upload);
	upload->base.ops = &OPS;
	upload->s3 = (struct s3_store *)store;
	upload->key = s3_key(upload->s3, path);
	*out = &upload->base;
	return true;
}
