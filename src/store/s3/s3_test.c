/*
 * The S3 store against a server inside the test, which loses answers as it is told, and against a
 * real one (s3_fixture.h).
 */
#include "base/test.h"
#include "net/http_fixture.h"
#include "store/s3/s3_fixture.h"

#include <pthread.h>

enum {
	PART_SIZE = 64 * 1024,
	OBJECTS_MAX = 64,
	RETRY_TIME = 600 * 1000,
};

/* --- a server with one bucket ---------------------------------------------------------------- */

enum fault {
	FAULT_NONE = 0,
	FAULT_BUSY,        /* 503, nothing done */
	FAULT_DROP_BEFORE, /* no answer, nothing done */
	FAULT_DROP_AFTER,  /* done, no answer */
	FAULT_ERROR_AFTER, /* done, 500 */
	FAULT_GATEWAY,     /* nothing done, a 403 that is not S3's */
	FAULT_ERROR_IN_OK, /* done, 200 with an Error */
	FAULT_GARBAGE,     /* done, 200 with something else */
	FAULT_CUT,         /* done, half of the answer's body */
	FAULT_COUNT,
};

struct object {
	char name[200]; /* a target; of a part with its query */
	char write[80];
	struct buffer body;
};

struct fake {
	struct http_server *server;
	struct object objects[OBJECTS_MAX];
	size_t count;
	unsigned uploads;        /* begun and not over */
	const char *old_uploads; /* a page of uploads, and the next one */
	const char *older_uploads;
	bool ends_badly;    /* the end of an upload: 200 with an error */
	char given_up[400]; /* targets */
	char upload_write[80];
	enum fault (*fault)(struct fake *fake, const struct served_request *request);
	unsigned fault_at;
	enum fault fault_kind;
	const char *fixed; /* an answer to everything */
	unsigned fixed_status;
	char last[400]; /* method, host and target of the last request */
	struct arena arena;
	struct error err;
};

static struct object *find(struct fake *fake, const char *name)
{
	for (size_t i = 0; i < fake->count; i++)
		if (strcmp(fake->objects[i].name, name) == 0)
			return &fake->objects[i];
	return NULL;
}

static void forget(struct fake *fake, struct object *object)
{
	buffer_deinit(&object->body);
	*object = fake->objects[--fake->count];
}

static struct object *add(struct fake *fake, const char *name, const char *write)
{
	struct object *object = find(fake, name);
	if (object == NULL) {
		CHECK(fake->count < OBJECTS_MAX);
		object = &fake->objects[fake->count++];
		*object = (struct object){ 0 };
		snprintf(object->name, sizeof object->name, "%s", name);
	}
	buffer_reset(&object->body);
	snprintf(object->write, sizeof object->write, "%s", write != NULL ? write : "");
	return object;
}

static void answer_error(struct buffer *out, unsigned status, const char *code)
{
	struct buffer body = { 0 };
	buffer_append_format(
		&body, "<Error><Code>%s</Code><Message>said so</Message></Error>", code);
	serve_answer(out, status, "", buffer_bytes(&body));
	buffer_deinit(&body);
}

static void put_object(struct fake *fake, const struct served_request *request, struct buffer *out)
{
	const char *condition = served_header(request, "if-none-match", &fake->arena);
	const bool is_part = strstr(request->target, "partNumber=") != NULL;
	if (!is_part && condition != NULL && find(fake, request->target) != NULL) {
		answer_error(out, 412, "PreconditionFailed");
		return;
	}
	if (is_part && fake->uploads == 0) {
		answer_error(out, 404, "NoSuchUpload");
		return;
	}
	struct object *object = add(fake, request->target,
		served_header(request, "x-amz-meta-walberg-write", &fake->arena));
	buffer_append_bytes(&object->body, request->body);
	serve_answer(out, 200, "ETag: \"e\"\r\n", BYTES_LITERAL(""));
}

/* False when no range is asked for. */
static bool get_range(const struct object *object, struct fake *fake,
	const struct served_request *request, struct buffer *out)
{
	char headers[200];
	size_t first, last;
	const char *range = served_header(request, "range", &fake->arena);
	if (range == NULL || sscanf(range, "bytes=%zu-%zu", &first, &last) != 2)
		return false;
	const size_t size = object->body.size;
	snprintf(headers, sizeof headers, "Content-Range: bytes */%zu\r\n", size);
	if (first >= size)
		serve_answer(out, 416, headers,
			BYTES_LITERAL("<Error><Code>InvalidRange</Code></Error>"));
	else
		serve_answer(out, 206, headers,
			bytes_of(object->body.data + first,
				(last < size ? last + 1 : size) - first));
	return true;
}

static void get_object(struct fake *fake, const struct served_request *request, struct buffer *out)
{
	char headers[200];
	const struct object *object = find(fake, request->target);
	const bool is_head = strcmp(request->method, "HEAD") == 0;
	if (object == NULL && is_head) {
		serve_answer(out, 404, "Content-Length: 9\r\n", BYTES_LITERAL(""));
	} else if (object == NULL) {
		answer_error(out, 404, "NoSuchKey");
	} else if (is_head || !get_range(object, fake, request, out)) {
		snprintf(headers, sizeof headers,
			"x-amz-meta-walberg-write: %s\r\nContent-Length: %zu\r\n", object->write,
			object->body.size);
		serve_answer(out, 200, headers,
			is_head ? BYTES_LITERAL("") : buffer_bytes(&object->body));
	}
}

static void forget_parts(struct fake *fake)
{
	fake->uploads = 0;
	for (size_t i = fake->count; i-- > 0;)
		if (strstr(fake->objects[i].name, "partNumber=") != NULL)
			forget(fake, &fake->objects[i]);
}

/* "/bucket/x?uploads=" begins an upload, "/bucket/x?uploadId=7" ends it. */
static void post_upload(struct fake *fake, const struct served_request *request, struct buffer *out)
{
	const char *query = strchr(request->target, '?');
	const char *name = arena_copy_text(
		&fake->arena, bytes_of(request->target, (size_t)(query - request->target)));
	if (strcmp(query, "?uploads=") == 0) {
		fake->uploads = 1;
		snprintf(fake->upload_write, sizeof fake->upload_write, "%s",
			served_header(request, "x-amz-meta-walberg-write", &fake->arena));
		serve_answer(out, 200, "",
			BYTES_LITERAL("<InitiateMultipartUploadResult><UploadId>7</UploadId>"
				      "</InitiateMultipartUploadResult>"));
		return;
	}
	CHECK_TEXT(query, "?uploadId=7");
	if (fake->ends_badly) {
		answer_error(out, 200, "InternalError");
		return;
	}
	const char *condition = served_header(request, "if-none-match", &fake->arena);
	if (fake->uploads == 0 || (condition != NULL && find(fake, name) != NULL)) {
		answer_error(out, fake->uploads == 0 ? 404 : 412,
			fake->uploads == 0 ? "NoSuchUpload" : "PreconditionFailed");
		return;
	}
	struct buffer whole = { 0 };
	const struct object *part;
	for (unsigned number = 1;
		(part = find(fake, arena_format(&fake->arena, "%s?partNumber=%u&uploadId=7", name,
					   number))) != NULL;
		number++)
		buffer_append_bytes(&whole, buffer_bytes(&part->body));
	forget_parts(fake);
	struct object *object = add(fake, name, fake->upload_write);
	buffer_deinit(&object->body);
	object->body = whole;
	serve_answer(out, 200, "", BYTES_LITERAL("\n<CompleteMultipartUploadResult/>"));
}

/* "<Delete>...<Object><Key>lake/a</Key></Object>..." */
static void delete_objects(
	struct fake *fake, const struct served_request *request, struct buffer *out)
{
	const char *at = arena_copy_text(&fake->arena, request->body);
	while ((at = strstr(at, "<Key>")) != NULL) {
		at += strlen("<Key>");
		const int size = (int)strcspn(at, "<");
		struct object *object =
			find(fake, arena_format(&fake->arena, "/bucket/%.*s", size, at));
		if (object != NULL)
			forget(fake, object);
	}
	serve_answer(out, 200, "", BYTES_LITERAL("<DeleteResult/>"));
}

static void list_objects(struct fake *fake, struct buffer *out)
{
	struct buffer page = { 0 };
	buffer_append_cstring(&page, "<ListBucketResult>");
	for (size_t i = 0; i < fake->count; i++)
		buffer_append_format(&page,
			"<Contents><Key>%s</Key><LastModified>2024-02-29T23:59:59Z</LastModified>"
			"<Size>%zu</Size></Contents>",
			fake->objects[i].name + strlen("/bucket/"), fake->objects[i].body.size);
	buffer_append_cstring(&page, "</ListBucketResult>");
	serve_answer(out, 200, "", buffer_bytes(&page));
	buffer_deinit(&page);
}

static void list_uploads(
	struct fake *fake, const struct served_request *request, struct buffer *out)
{
	const bool is_first = strstr(request->target, "key-marker=") == NULL;
	const char *page = is_first ? fake->old_uploads : fake->older_uploads;
	serve_answer(out, 200, "",
		page != NULL ? bytes_of_cstring(page)
			     : BYTES_LITERAL("<ListMultipartUploadsResult/>"));
}

static void delete_object(
	struct fake *fake, const struct served_request *request, struct buffer *out)
{
	struct object *object = find(fake, request->target);
	if (strstr(request->target, "?uploadId=7") != NULL)
		forget_parts(fake);
	else if (strstr(request->target, "?uploadId=") != NULL)
		snprintf(fake->given_up + strlen(fake->given_up),
			sizeof fake->given_up - strlen(fake->given_up), "%s ", request->target);
	else if (object != NULL)
		forget(fake, object);
	serve_answer(out, 204, "", BYTES_LITERAL(""));
}

static void serve_well(struct fake *fake, const struct served_request *request, struct buffer *out)
{
	if (strcmp(request->method, "PUT") == 0)
		put_object(fake, request, out);
	else if (strstr(request->target, "?delete=") != NULL)
		delete_objects(fake, request, out);
	else if (strcmp(request->method, "POST") == 0)
		post_upload(fake, request, out);
	else if (strcmp(request->method, "DELETE") == 0)
		delete_object(fake, request, out);
	else if (strstr(request->target, "list-type=2") != NULL)
		list_objects(fake, out);
	else if (strstr(request->target, "?encoding-type=url&") != NULL)
		list_uploads(fake, request, out);
	else
		get_object(fake, request, out);
}

/* What has been answered, made unusable. */
static void spoil(enum fault fault, const struct served_request *request, struct buffer *out)
{
	const char *text = (const char *)out->data;
	const char *end = memmem(text, out->size, "\r\n\r\n", 4);
	const size_t head_size = (size_t)(end + 4 - text);
	struct buffer half = { 0 };
	buffer_append(&half, end + 4, (out->size - head_size) / 2);
	buffer_reset(out);
	if (fault == FAULT_ERROR_AFTER)
		answer_error(out, 500, "InternalError");
	else if (strcmp(request->method, "HEAD") == 0)
		buffer_append_cstring(out, "HTTP/1.1 200 OK\r\n\r\n");
	else if (fault == FAULT_ERROR_IN_OK)
		answer_error(out, 200, "InternalError");
	else if (fault == FAULT_GARBAGE)
		serve_answer(out, 200, "", BYTES_LITERAL("<html>Welcome!</html>"));
	else
		serve_answer(out, 200, "", buffer_bytes(&half));
	buffer_deinit(&half);
}

static bool serve(void *context, const struct served_request *request, struct buffer *out)
{
	struct fake *fake = context;
	snprintf(fake->last, sizeof fake->last, "%s %s %s", request->method,
		served_header(request, "host", &fake->arena), request->target);
	CHECK(strstr(served_header(request, "authorization", &fake->arena),
		      "AWS4-HMAC-SHA256 Credential=key/") != NULL);
	if (fake->fixed != NULL) {
		const bool is_head = strcmp(request->method, "HEAD") == 0;
		serve_answer(out, fake->fixed_status, is_head ? "Content-Length: 9\r\n" : "",
			is_head ? BYTES_LITERAL("") : bytes_of_cstring(fake->fixed));
		return true;
	}
	const enum fault fault = fake->fault != NULL ? fake->fault(fake, request) : FAULT_NONE;
	if (fault == FAULT_BUSY)
		answer_error(out, 503, "SlowDown");
	if (fault == FAULT_GATEWAY)
		serve_answer(out, 403, "", BYTES_LITERAL("<html>Sign in first.</html>"));
	if (fault == FAULT_BUSY || fault == FAULT_DROP_BEFORE || fault == FAULT_GATEWAY)
		return fault != FAULT_DROP_BEFORE;
	serve_well(fake, request, out);
	if (fault == FAULT_DROP_AFTER)
		buffer_reset(out);
	else if (fault != FAULT_NONE)
		spoil(fault, request, out);
	return fault != FAULT_DROP_AFTER;
}

static enum fault fault_once(struct fake *fake, const struct served_request *request)
{
	return request->number == fake->fault_at ? fake->fault_kind : FAULT_NONE;
}

static bool is_own(const char *path)
{
	return path[0] != '_';
}

static struct store *begin_patient(struct fake *fake, micros_t retry_time)
{
	*fake = (struct fake){ 0 };
	fake->server = http_server_open(serve, fake);
	const struct s3_options options = {
		.location = "s3://bucket/lake/",
		.endpoint = http_server_url(fake->server),
		.region = "us-east-1",
		.access_key = "key",
		.secret_key = "secret",
		.retry_time = retry_time,
		.part_size_bytes = PART_SIZE,
		.is_own = is_own,
	};
	return s3_fixture_open(&options);
}

static struct store *begin(struct fake *fake)
{
	return begin_patient(fake, RETRY_TIME);
}

/* From now on a gateway's word is not taken for the server's. */
static void meet(struct fake *fake, struct store *store)
{
	CHECK_OK(store_remove(store, "no such object", &fake->err), &fake->err);
}

static void end(struct fake *fake, struct store *store)
{
	store_close(store);
	http_server_close(fake->server);
	while (fake->count > 0)
		forget(fake, &fake->objects[0]);
	arena_deinit(&fake->arena);
}

/* --- lost answers ---------------------------------------------------------------------------- */

TEST(a_put_that_fails_once_in_any_way_is_there_once)
{
	for (enum fault kind = FAULT_NONE; kind < FAULT_COUNT; kind++) {
		struct fake fake;
		struct store *store = begin(&fake);
		meet(&fake, store);
		fake.fault = fault_once;
		fake.fault_at = 1;
		fake.fault_kind = kind;
		CHECK_OK(store_put(store, "a/x", BYTES_LITERAL("body"), &fake.err), &fake.err);
		CHECK_EQUAL(fake.count, 1);
		CHECK_TEXT(fake.objects[0].name, "/bucket/lake/a/x");
		CHECK(bytes_equal(buffer_bytes(&fake.objects[0].body), BYTES_LITERAL("body")));
		if (kind == FAULT_NONE)
			CHECK_EQUAL(http_server_request_count(fake.server), 2);
		end(&fake, store);
	}
}

static enum fault lose_all(struct fake *fake, const struct served_request *request)
{
	(void)fake;
	return request->number == 0 ? FAULT_DROP_AFTER : FAULT_DROP_BEFORE;
}

TEST(a_put_without_an_answer_that_cannot_be_looked_at_is_uncertain)
{
	struct fake fake;
	struct store *store = begin(&fake);
	fake.fault = lose_all;
	CHECK(!store_put(store, "x", BYTES_LITERAL("body"), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_UNCERTAIN);
	CHECK(http_server_request_count(fake.server) > 2); /* which all are over */
	fake.fault = NULL;
	CHECK_OK(store_put(store, "x", BYTES_LITERAL("body"), &fake.err), &fake.err);
	end(&fake, store);
}

static enum fault drop_puts(struct fake *fake, const struct served_request *request)
{
	return strcmp(request->method, "PUT") == 0 ? fake->fault_kind : FAULT_NONE;
}

TEST(a_put_that_was_looked_for_and_is_not_there_may_be_tried_again)
{
	static const enum fault KINDS[] = { FAULT_BUSY, FAULT_DROP_BEFORE };
	for (size_t i = 0; i < 2; i++) {
		struct fake fake;
		struct store *store = begin(&fake);
		fake.fault = drop_puts;
		fake.fault_kind = KINDS[i];
		CHECK(!store_put(store, "x", BYTES_LITERAL("body"), &fake.err));
		CHECK_EQUAL(fake.err.kind, ERROR_BUSY);
		CHECK(http_server_request_count(fake.server) > 3);
		CHECK_EQUAL(fake.count, 0);
		end(&fake, store);
	}
}

TEST(an_object_of_other_bytes_is_never_replaced)
{
	struct fake fake;
	struct store *store = begin(&fake);
	CHECK_OK(store_put(store, "x", BYTES_LITERAL("one"), &fake.err), &fake.err);
	CHECK_OK(store_put(store, "x", BYTES_LITERAL("one"), &fake.err), &fake.err);
	CHECK(!store_put(store, "x", BYTES_LITERAL("two"), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_CONFLICT);
	fake.objects[0].write[0] = '\0'; /* made by another program */
	CHECK(!store_put(store, "x", BYTES_LITERAL("one"), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_CONFLICT);
	CHECK(bytes_equal(buffer_bytes(&fake.objects[0].body), BYTES_LITERAL("one")));
	end(&fake, store);
}

static void read_again(struct fake *fake, struct store *store)
{
	struct buffer body = { 0 };
	fake->fault_at = http_server_request_count(fake->server);
	CHECK_OK(store_read(store, "x", 1, 2, &body, &fake->err), &fake->err);
	CHECK(bytes_equal(buffer_bytes(&body), BYTES_LITERAL("od")));
	buffer_deinit(&body);
}

static void look_again(struct fake *fake, struct store *store)
{
	uint64_t size;
	fake->fault_at = http_server_request_count(fake->server);
	CHECK_OK(store_size(store, "x", &size, &fake->err), &fake->err);
	CHECK_EQUAL(size, 4);
}

static void list_again(struct fake *fake, struct store *store)
{
	struct object_info *objects;
	size_t count;
	fake->fault_at = http_server_request_count(fake->server);
	CHECK_OK(store_list(store, "", &fake->arena, &objects, &count, &fake->err), &fake->err);
	CHECK_EQUAL(count, 2);
	CHECK_TEXT(objects[1].path, "y");
}

static void remove_again(struct fake *fake, struct store *store)
{
	static const char *const PATHS[] = { "y" };
	fake->fault_at = http_server_request_count(fake->server);
	CHECK_OK(store_remove_many(store, PATHS, 1, &fake->err), &fake->err);
	CHECK_EQUAL(fake->count, 1);
	fake->fault_at = http_server_request_count(fake->server);
	CHECK_OK(store_remove(store, "x", &fake->err), &fake->err);
	CHECK_EQUAL(fake->count, 0);
}

TEST(reads_and_removals_are_repeated_until_they_are_answered)
{
	for (enum fault kind = FAULT_BUSY; kind < FAULT_COUNT; kind++) {
		struct fake fake;
		struct store *store = begin(&fake);
		CHECK_OK(store_put(store, "x", BYTES_LITERAL("body"), &fake.err), &fake.err);
		CHECK_OK(store_put(store, "y", BYTES_LITERAL("other"), &fake.err), &fake.err);
		fake.fault = fault_once;
		fake.fault_kind = kind;
		read_again(&fake, store);
		look_again(&fake, store);
		list_again(&fake, store);
		remove_again(&fake, store);
		end(&fake, store);
	}
}

static void check_unusable(unsigned status, const char *body)
{
	struct fake fake;
	struct buffer got = { 0 };
	struct object_info *objects;
	size_t count;
	static const char *const PATHS[] = { "x" };
	struct store *store = begin_patient(&fake, 1);
	meet(&fake, store);
	fake.fixed = body;
	fake.fixed_status = status;
	CHECK(!store_read(store, "x", 0, 4, &got, &fake.err));
	CHECK(fake.err.kind == ERROR_LOST || fake.err.kind == ERROR_BUSY);
	CHECK(!store_list(store, "", &fake.arena, &objects, &count, &fake.err));
	CHECK(fake.err.kind == ERROR_LOST || fake.err.kind == ERROR_BUSY);
	CHECK(!store_remove_many(store, PATHS, 1, &fake.err));
	CHECK(fake.err.kind == ERROR_LOST || fake.err.kind == ERROR_BUSY);
	CHECK_EQUAL(got.size, 0);
	buffer_deinit(&got);
	end(&fake, store);
}

/* So that it is asked again, and no table is thought to be damaged. */
TEST(answers_that_cannot_be_used_are_no_damage_of_a_table)
{
	check_unusable(200, "<html>Welcome!</html>");
	check_unusable(200, "not");
	check_unusable(200, "<Error><Code>SomethingNew</Code></Error>");
	check_unusable(403, "<html>Sign in first.</html>");
	check_unusable(404, "<html>nothing here</html>");
	check_unusable(400, "<Error><Code>IncompleteBody</Code></Error>");
}

TEST(only_an_object_that_is_shorter_by_the_servers_word_is_damaged)
{
	struct fake fake;
	struct buffer got = { 0 };
	struct store *store = begin(&fake);
	CHECK_OK(store_put(store, "x", BYTES_LITERAL("body"), &fake.err), &fake.err);
	CHECK(!store_read(store, "x", 2, 3, &got, &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_CORRUPT);
	CHECK(!store_read(store, "x", 4, 1, &got, &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_CORRUPT);
	end(&fake, store);
}

static void check_endless(const char *page)
{
	struct fake fake;
	struct object_info *objects;
	size_t count;
	struct store *store = begin(&fake);
	fake.fixed = page;
	fake.fixed_status = 200;
	CHECK(!store_list(store, "", &fake.arena, &objects, &count, &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_LOST);
	CHECK(http_server_request_count(fake.server) < 5);
	end(&fake, store);
}

TEST(a_listing_that_goes_round_in_a_circle_is_given_up)
{
	check_endless("<ListBucketResult><IsTruncated>true</IsTruncated><NextContinuationToken>a"
		      "</NextContinuationToken></ListBucketResult>");
}

/* --- uploads in parts ------------------------------------------------------------------------ */

static uint8_t *long_body(size_t size)
{
	uint8_t *body = memory_allocate(size, 1);
	uint64_t state = 1;
	for (size_t i = 0; i < size; i += 8)
		memcpy(body + i, &(uint64_t){ test_random(&state) }, size - i < 8 ? size - i : 8);
	return body;
}

static bool write_in_pieces(
	struct store *store, const char *path, struct bytes body, struct error *err)
{
	struct upload *upload;
	if (!store_create(store, path, &upload, err))
		return false;
	for (size_t at = 0; at < body.size;) {
		const size_t size = body.size - at < 50000 ? body.size - at : 50000;
		if (!upload_write(upload, bytes_of(body.data + at, size), err)) {
			upload_abort(upload);
			return false;
		}
		at += size;
	}
	return upload_finish(upload, err);
}

static unsigned upload_with_fault(struct bytes body, unsigned at, enum fault kind)
{
	struct fake fake;
	struct store *store = begin(&fake);
	meet(&fake, store);
	fake.fault = fault_once;
	fake.fault_at = 1 + at;
	fake.fault_kind = kind;
	CHECK_OK(write_in_pieces(store, "big", body, &fake.err), &fake.err);
	CHECK_EQUAL(fake.uploads, 0);
	CHECK_EQUAL(fake.count, 1);
	CHECK(bytes_equal(buffer_bytes(&fake.objects[0].body), body));
	const unsigned count = http_server_request_count(fake.server) - 1;
	end(&fake, store);
	return count;
}

TEST(an_upload_in_parts_any_request_of_which_fails_once_is_whole)
{
	const size_t size = 3 * PART_SIZE + 17;
	uint8_t *body = long_body(size);
	const unsigned count = upload_with_fault(bytes_of(body, size), 0, FAULT_NONE);
	CHECK_EQUAL(count, 7); /* old uploads, begin, 4 parts, end */
	for (unsigned at = 0; at < count; at++)
		for (enum fault kind = FAULT_BUSY; kind < FAULT_COUNT; kind++)
			upload_with_fault(bytes_of(body, size), at, kind);
	free(body);
}

TEST(objects_of_whole_parts_are_cut_where_they_should_be)
{
	static const struct {
		size_t size;
		unsigned requests;
	} CASES[] = { { PART_SIZE - 1, 1 }, { PART_SIZE, 1 }, { PART_SIZE + 1, 5 },
		{ 2 * PART_SIZE, 5 }, { 20 * PART_SIZE, 23 } };
	uint8_t *body = long_body(20 * PART_SIZE);
	for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
		CHECK_EQUAL(upload_with_fault(bytes_of(body, CASES[i].size), 0, FAULT_NONE),
			CASES[i].requests);
	free(body);
}

static enum fault refuse_parts(struct fake *fake, const struct served_request *request)
{
	(void)fake;
	return strstr(request->target, "partNumber=3") != NULL ? FAULT_BUSY : FAULT_NONE;
}

TEST(an_upload_a_part_of_which_fails_leaves_nothing)
{
	struct fake fake;
	struct store *store = begin(&fake);
	uint8_t *body = long_body(5 * PART_SIZE);
	fake.fault = refuse_parts;
	CHECK(!write_in_pieces(store, "big", bytes_of(body, 5 * PART_SIZE), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_BUSY);
	CHECK_EQUAL(fake.uploads, 0);
	CHECK_EQUAL(fake.count, 0);
	free(body);
	end(&fake, store);
}

TEST(an_upload_that_is_given_up_leaves_nothing)
{
	struct fake fake;
	struct upload *upload;
	struct store *store = begin(&fake);
	uint8_t *body = long_body(3 * PART_SIZE);
	CHECK_OK(store_create(store, "big", &upload, &fake.err), &fake.err);
	CHECK_OK(upload_write(upload, bytes_of(body, 3 * PART_SIZE), &fake.err), &fake.err);
	upload_abort(upload);
	CHECK_EQUAL(fake.uploads, 0);
	CHECK_EQUAL(fake.count, 0);
	free(body);
	end(&fake, store);
}

#define UPLOAD(key, id, time)                                                                      \
	"<Upload><Key>" key "</Key><UploadId>" id "</UploadId><Initiated>" time                    \
	"</Initiated></Upload>"

#define UPLOADS(more, uploads)                                                                     \
	"<ListMultipartUploadsResult>" more uploads "</ListMultipartUploadsResult>"

TEST(uploads_of_long_ago_are_given_up_and_no_others)
{
	static const char GIVEN_UP[] = "/bucket/lake/a%20b?uploadId=1 /bucket/lake/c?uploadId=3 "
				       "/bucket/lake/d?uploadId=6 ";
	struct fake fake;
	struct store *store = begin(&fake);
	uint8_t *body = long_body(2 * PART_SIZE);
	fake.old_uploads = UPLOADS("<IsTruncated>true</IsTruncated><NextKeyMarker>lake/c"
				   "</NextKeyMarker><NextUploadIdMarker>3</NextUploadIdMarker>",
		UPLOAD("lake/a b", "1", "2020-01-02T03:04:05.000Z") UPLOAD("lake/young", "2",
			"2999-01-01T00:00:00.000Z") UPLOAD("lake/c", "3", "2021-01-01T00:00:00Z"));
	fake.older_uploads = UPLOADS(
		"", UPLOAD("lake/_others", "4", "2020-01-02T03:04:05Z") UPLOAD("elsewhere", "5",
			    "2020-01-02T03:04:05Z") UPLOAD("lake/d", "6", "2021-01-01T00:00:00Z"));
	CHECK_OK(write_in_pieces(store, "x", bytes_of(body, 2 * PART_SIZE), &fake.err), &fake.err);
	CHECK_TEXT(fake.given_up, GIVEN_UP);
	CHECK_OK(write_in_pieces(store, "y", bytes_of(body, 2 * PART_SIZE), &fake.err), &fake.err);
	CHECK_TEXT(fake.given_up, GIVEN_UP);
	free(body);
	end(&fake, store);
}

/* It is left alone: the server may be putting the parts together all the same. */
TEST(an_upload_whose_end_is_an_error_in_a_success_is_uncertain)
{
	struct fake fake;
	struct store *store = begin(&fake);
	uint8_t *body = long_body(2 * PART_SIZE);
	fake.ends_badly = true;
	CHECK(!write_in_pieces(store, "x", bytes_of(body, 2 * PART_SIZE), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_UNCERTAIN);
	CHECK(strstr(fake.err.text, "InternalError") != NULL);
	CHECK_EQUAL(fake.uploads, 1);
	CHECK(find(&fake, "/bucket/lake/x") == NULL);
	free(body);
	end(&fake, store);
}

static enum fault drop_ends(struct fake *fake, const struct served_request *request)
{
	(void)fake;
	return strstr(request->target, "?uploadId=7") != NULL ? FAULT_DROP_BEFORE : FAULT_NONE;
}

TEST(an_upload_whose_end_is_not_answered_is_uncertain_and_left_alone)
{
	struct fake fake;
	struct store *store = begin(&fake);
	uint8_t *body = long_body(2 * PART_SIZE);
	fake.fault = drop_ends;
	CHECK(!write_in_pieces(store, "x", bytes_of(body, 2 * PART_SIZE), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_UNCERTAIN);
	CHECK_EQUAL(fake.uploads, 1);
	CHECK(strncmp(fake.last, "HEAD", 4) == 0 || strncmp(fake.last, "GET", 3) == 0);
	free(body);
	end(&fake, store);
}

static enum fault end_upload(struct fake *fake, const struct served_request *request)
{
	if (strstr(request->target, "partNumber=2") != NULL)
		forget_parts(fake);
	return FAULT_NONE;
}

TEST(an_upload_that_somebody_else_ends_is_lost_and_leaves_nothing)
{
	struct fake fake;
	struct store *store = begin(&fake);
	uint8_t *body = long_body(3 * PART_SIZE);
	fake.fault = end_upload;
	CHECK(!write_in_pieces(store, "x", bytes_of(body, 3 * PART_SIZE), &fake.err));
	CHECK(fake.err.kind == ERROR_LOST || fake.err.kind == ERROR_BUSY);
	CHECK_EQUAL(fake.count, 0);
	free(body);
	end(&fake, store);
}

TEST(an_upload_in_parts_does_not_replace_an_object)
{
	struct fake fake;
	struct store *store = begin(&fake);
	uint8_t *body = long_body(2 * PART_SIZE);
	CHECK_OK(store_put(store, "big", BYTES_LITERAL("small"), &fake.err), &fake.err);
	CHECK(!write_in_pieces(store, "big", bytes_of(body, 2 * PART_SIZE), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_CONFLICT);
	CHECK_EQUAL(fake.uploads, 0);
	CHECK_EQUAL(fake.count, 1);
	free(body);
	end(&fake, store);
}

/* --- what a server refuses ------------------------------------------------------------------- */

#define DOCUMENT(code, rest) "<Error><Code>" code "</Code>" rest "</Error>"

static void check_refusal(
	unsigned status, const char *body, enum error_kind kind, const char *text, const char *hint)
{
	struct fake fake;
	uint64_t size;
	struct store *store = begin(&fake);
	fake.fixed = body;
	fake.fixed_status = status;
	CHECK(!store_put(store, "x", BYTES_LITERAL("x"), &fake.err));
	for (int i = 0; i < 2; i++) {
		if (fake.err.kind != kind || strstr(fake.err.text, text) == NULL ||
			strstr(fake.err.hint, hint) == NULL)
			test_fail(__FILE__, __LINE__, "%u %s: %s: %s (%s)", status, body,
				error_kind_name(fake.err.kind), fake.err.text, fake.err.hint);
		CHECK(strstr(fake.err.text, "secret") == NULL);
		CHECK(!store_size(store, "x", &size, &fake.err)); /* HEAD: nor is it told less */
	}
	end(&fake, store);
}

TEST(what_a_server_refuses_is_told_with_what_to_do)
{
	check_refusal(404, DOCUMENT("NoSuchBucket", ""), ERROR_SETUP, "NoSuchBucket",
		"Make the bucket \"bucket\"");
	check_refusal(
		403, DOCUMENT("AccessDenied", ""), ERROR_SETUP, "AccessDenied", "s3:PutObject");
	check_refusal(403, DOCUMENT("InvalidAccessKeyId", ""), ERROR_SETUP, "InvalidAccessKeyId",
		"s3.access_key");
	check_refusal(403, DOCUMENT("SignatureDoesNotMatch", ""), ERROR_SETUP,
		"SignatureDoesNotMatch", "s3.secret_key");
	check_refusal(
		400, DOCUMENT("ExpiredToken", ""), ERROR_SETUP, "ExpiredToken", "s3.session_token");
	check_refusal(400, DOCUMENT("AuthorizationHeaderMalformed", "<Region>eu-west-1</Region>"),
		ERROR_SETUP, "AuthorizationHeaderMalformed", "s3.region to \"eu-west-1\"");
	check_refusal(301, DOCUMENT("PermanentRedirect", ""), ERROR_SETUP, "PermanentRedirect",
		"s3.region");
	check_refusal(501, DOCUMENT("NotImplemented", ""), ERROR_UNSUPPORTED, "NotImplemented",
		"conditional writes");
	check_refusal(507, DOCUMENT("XMinioStorageFull", ""), ERROR_LIMIT, "XMinioStorageFull",
		"Free space");
	check_refusal(403, DOCUMENT("SomethingNew", ""), ERROR_SETUP, "SomethingNew", "");
	check_refusal(400, "Client sent an HTTP request to an HTTPS server.", ERROR_SETUP,
		"not as S3 does", "s3.endpoint");
	check_refusal(
		404, "<html>nothing here</html>", ERROR_SETUP, "not as S3 does", "s3.endpoint");
}

/* --- requests -------------------------------------------------------------------------------- */

static bool serve_by_the_clock(
	void *context, const struct served_request *request, struct buffer *out)
{
	struct fake *fake = context;
	const char *time = served_header(request, "x-amz-date", &fake->arena);
	const char *date =
		fake->fixed != NULL ? fake->fixed : "Date: Wed, 01 Jan 2031 00:00:00 GMT\r\n";
	if (strncmp(time, "20310101", 8) == 0)
		serve_answer(out, 200, date, BYTES_LITERAL(""));
	else
		serve_answer(out, 403, date, BYTES_LITERAL(DOCUMENT("RequestTimeTooSkewed", "")));
	return true;
}

static struct store *begin_by_the_clock(struct fake *fake)
{
	*fake = (struct fake){ 0 };
	fake->server = http_server_open(serve_by_the_clock, fake);
	const struct s3_options options = {
		.location = "s3://bucket",
		.endpoint = http_server_url(fake->server),
		.region = "us-east-1",
		.access_key = "key",
		.secret_key = "secret",
		.retry_time = RETRY_TIME,
	};
	return s3_fixture_open(&options);
}

TEST(a_server_with_another_clock_is_asked_by_that_clock)
{
	struct fake fake;
	struct store *store = begin_by_the_clock(&fake);
	CHECK_OK(store_put(store, "x", BYTES_LITERAL("x"), &fake.err), &fake.err);
	CHECK_OK(store_put(store, "y", BYTES_LITERAL("y"), &fake.err), &fake.err);
	CHECK_EQUAL(http_server_request_count(fake.server), 3);
	end(&fake, store);
}

TEST(a_date_that_cannot_be_is_no_clock)
{
	static const char *const DATES[] = { "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
		"Date: Fri, 01 Jan 9999 00:00:00 GMT\r\n",
		"Date: Fri, 01 Jan 99999 00:00:00 GMT\r\n", "Date: now\r\n" };
	for (size_t i = 0; i < sizeof DATES / sizeof *DATES; i++) {
		struct fake fake;
		struct store *store = begin_by_the_clock(&fake);
		fake.fixed = DATES[i];
		CHECK(!store_put(store, "x", BYTES_LITERAL("x"), &fake.err));
		CHECK_EQUAL(fake.err.kind, ERROR_SETUP);
		CHECK(strstr(fake.err.hint, "clock") != NULL);
		end(&fake, store);
	}
}

/* --- keys that end --------------------------------------------------------------------------- */

struct renewing {
	struct http_server *server;
	const char *good; /* token */
	const char *next; /* what is written to the file when another was refused */
	struct arena arena;
};

static const char *write_keys(struct arena *arena, const char *token)
{
	const char *path = arena_format(arena, "%s/credentials", test_directory());
	FILE *file = fopen(path, "w");
	CHECK(file != NULL);
	CHECK(fprintf(file,
		      "[default]\naws_access_key_id = key\naws_secret_access_key = secret\n"
		      "aws_session_token = %s\n",
		      token) > 0);
	CHECK(fclose(file) == 0);
	return path;
}

static bool serve_by_the_token(
	void *context, const struct served_request *request, struct buffer *out)
{
	struct renewing *renewing = context;
	const char *token = served_header(request, "x-amz-security-token", &renewing->arena);
	if (strcmp(token, renewing->good) == 0) {
		serve_answer(out, 200, "", BYTES_LITERAL(""));
	} else {
		if (renewing->next != NULL)
			write_keys(&renewing->arena, renewing->next);
		serve_answer(out, 400, "", BYTES_LITERAL(DOCUMENT("ExpiredToken", "")));
	}
	return true;
}

TEST(keys_that_have_expired_are_read_again)
{
	struct renewing renewing = { .good = "one" };
	struct error err;
	renewing.server = http_server_open(serve_by_the_token, &renewing);
	const struct s3_options options = {
		.location = "s3://bucket",
		.endpoint = http_server_url(renewing.server),
		.region = "us-east-1",
		.credentials_file = write_keys(&renewing.arena, "one"),
		.profile = "default",
		.retry_time = RETRY_TIME,
	};
	struct store *store = s3_fixture_open(&options);
	CHECK_OK(store_put(store, "x", BYTES_LITERAL("x"), &err), &err);
	renewing.good = renewing.next = "two";
	CHECK_OK(store_put(store, "y", BYTES_LITERAL("y"), &err), &err);
	renewing.good = "three"; /* and the file is late */
	CHECK(!store_put(store, "z", BYTES_LITERAL("z"), &err));
	CHECK_EQUAL(err.kind, ERROR_BUSY);
	CHECK(strstr(err.hint, "/credentials\"") != NULL);
	store_close(store);
	http_server_close(renewing.server);
	arena_deinit(&renewing.arena);
}

/* --- addresses ------------------------------------------------------------------------------- */

static void check_address(
	const struct s3_options *given, struct fake *fake, const char *host, const char *target)
{
	struct s3_options options = *given;
	options.region = "us-east-1";
	options.access_key = "key";
	options.secret_key = "secret";
	struct store *store = s3_fixture_open(&options);
	CHECK_OK(store_put(store, "a/\u00e9 +", BYTES_LITERAL("x"), &fake->err), &fake->err);
	CHECK_TEXT(fake->last, arena_format(&fake->arena, "PUT %s %s", host, target));
	store_close(store);
}

TEST(the_bucket_stands_in_the_path_or_in_the_name_of_the_host)
{
	struct fake fake;
	struct store *store = begin(&fake);
	const char *port = strrchr(http_server_url(fake.server), ':') + 1;
	const char *local = arena_format(&fake.arena, "localhost:%s", port);
	struct s3_options options = {
		.location = "s3://bucket/pre fix",
		.endpoint = arena_format(&fake.arena, "HTTP://%s/", local),
	};
	check_address(&options, &fake, local, "/bucket/pre%20fix/a/%C3%A9%20%2B");
	options.location = "s3://bucket";
	options.addressing = "virtual";
	check_address(
		&options, &fake, arena_format(&fake.arena, "bucket.%s", local), "/a/%C3%A9%20%2B");
	end(&fake, store);
}

static void check_not_opened(struct s3_options options, const char *text)
{
	struct error err = { 0 };
	struct store *store;
	CHECK(!store_s3_open(world_posix(), &options, &store, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(err.hint[0] != '\0');
	if (strstr(err.text, text) == NULL)
		test_fail(__FILE__, __LINE__, "\"%s\", not \"%s\"", err.text, text);
}

TEST(options_that_cannot_be_used_are_told)
{
	const struct s3_options good = {
		.location = "s3://bucket/prefix",
		.endpoint = "http://127.0.0.1:9000",
		.region = "us-east-1",
		.access_key = "key",
		.secret_key = "secret",
	};
	static const char *const LOCATIONS[] = { "s3://", "s3://b", "s3://BUCKET", "s3://bucket//x",
		"s3://bucket/a/../b", "s3://buck et" };
	static const char *const ENDPOINTS[] = { "127.0.0.1:9000", "ftp://host", "http://",
		"http://host/path", "http://user@host", "http://host?x" };
	for (size_t i = 0; i < sizeof LOCATIONS / sizeof *LOCATIONS; i++) {
		struct s3_options bad = good;
		bad.location = LOCATIONS[i];
		check_not_opened(bad, LOCATIONS[i]);
	}
	for (size_t i = 0; i < sizeof ENDPOINTS / sizeof *ENDPOINTS; i++) {
		struct s3_options bad = good;
		bad.endpoint = ENDPOINTS[i];
		check_not_opened(bad, ENDPOINTS[i]);
	}
	struct s3_options bad = good;
	bad.access_key = NULL;
	check_not_opened(bad, "s3.access_key");
	bad = good;
	bad.secret_key = NULL;
	check_not_opened(bad, "s3.secret_key");
}

/* --- a real server --------------------------------------------------------------------------- */

struct creator {
	pthread_t thread;
	struct store *store;
	char body[32];
	struct error err;
	bool done;
};

static void *create(void *context)
{
	struct creator *creator = context;
	creator->done =
		store_put(creator->store, "one", bytes_of_cstring(creator->body), &creator->err);
	return NULL;
}

TEST(of_sixteen_creators_of_one_object_exactly_one_wins)
{
	enum {
		COUNT = 16
	};
	struct arena arena = { 0 };
	struct creator creators[COUNT] = { 0 };
	struct buffer body = { 0 };
	struct error err;
	const struct s3_options options = s3_fixture_options(&arena);
	for (int i = 0; i < COUNT; i++) {
		creators[i].store = s3_fixture_open(&options);
		snprintf(creators[i].body, sizeof creators[i].body, "creator %d", i);
	}
	for (int i = 0; i < COUNT; i++)
		CHECK_EQUAL(pthread_create(&creators[i].thread, NULL, create, &creators[i]), 0);
	const struct creator *winner = NULL;
	for (int i = 0; i < COUNT; i++) {
		pthread_join(creators[i].thread, NULL);
		CHECK(winner == NULL || !creators[i].done);
		if (creators[i].done)
			winner = &creators[i];
		else
			CHECK_EQUAL(creators[i].err.kind, ERROR_CONFLICT);
	}
	CHECK(winner != NULL);
	CHECK_OK(store_get(winner->store, "one", 100, &body, &err), &err);
	CHECK(bytes_equal(buffer_bytes(&body), bytes_of_cstring(winner->body)));
	for (int i = 0; i < COUNT; i++)
		store_close(creators[i].store);
	buffer_deinit(&body);
	arena_deinit(&arena);
}

static void check_real_refusal(struct s3_options options, const char *hint)
{
	struct error err = { 0 };
	struct store *store = s3_fixture_open(&options);
	CHECK(!store_put(store, "x", BYTES_LITERAL("x"), &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	if (strstr(err.hint, hint) == NULL)
		test_fail(__FILE__, __LINE__, "%s (%s)", err.text, err.hint);
	store_close(store);
}

TEST(a_real_server_refuses_wrong_keys_and_buckets_with_a_hint)
{
	struct arena arena = { 0 };
	const struct s3_options good = s3_fixture_options(&arena);
	struct s3_options bad = good;
	bad.secret_key = "wrong";
	check_real_refusal(bad, "s3.secret_key");
	bad = good;
	bad.access_key = "nobody";
	check_real_refusal(bad, "s3.access_key");
	bad = good;
	bad.location = "s3://no-such-bucket-of-walberg/x";
	check_real_refusal(bad, "Make the bucket");
	bad = good;
	bad.session_token = "wrong";
	check_real_refusal(bad, "s3.session_token");
	bad = good;
	bad.region = "eu-nowhere-1";
	check_real_refusal(bad, "s3.region to \"us-east-1\"");
	arena_deinit(&arena);
}

TEST(a_real_server_takes_an_object_in_parts)
{
	enum {
		SIZE = 20 * 1024 * 1024 + 3
	};
	struct arena arena = { 0 };
	struct buffer got = { 0 };
	struct error err;
	struct upload *upload;
	const struct s3_options options = s3_fixture_options(&arena);
	struct store *store = s3_fixture_open(&options);
	uint8_t *body = long_body(SIZE);
	CHECK_OK(write_in_pieces(store, "a b/big", bytes_of(body, SIZE), &err), &err);
	CHECK_OK(store_get(store, "a b/big", SIZE, &got, &err), &err);
	CHECK(bytes_equal(buffer_bytes(&got), bytes_of(body, SIZE)));
	buffer_reset(&got);
	CHECK_OK(store_read(store, "a b/big", SIZE - 5, 5, &got, &err), &err);
	CHECK(bytes_equal(buffer_bytes(&got), bytes_of(body + SIZE - 5, 5)));
	CHECK(!write_in_pieces(store, "a b/big", bytes_of(body, SIZE), &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);

	CHECK_OK(store_create(store, "given up", &upload, &err), &err);
	CHECK_OK(upload_write(upload, bytes_of(body, SIZE), &err), &err);
	upload_abort(upload);
	uint64_t size;
	CHECK(!store_size(store, "given up", &size, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	CHECK_OK(store_remove(store, "a b/big", &err), &err);
	free(body);
	buffer_deinit(&got);
	store_close(store);
	arena_deinit(&arena);
}

TEST(a_real_server_lists_and_removes_more_than_a_page)
{
	enum {
		COUNT = 1003
	};
	struct arena arena = { 0 };
	struct error err;
	struct object_info *objects;
	size_t count;
	const struct s3_options options = s3_fixture_options(&arena);
	struct store *store = s3_fixture_open(&options);
	const char **paths = arena_array(&arena, const char *, COUNT);
	for (int i = 0; i < COUNT; i++) {
		paths[i] = arena_format(&arena, "page/%04d", i);
		CHECK_OK(store_put(store, paths[i], BYTES_LITERAL("x"), &err), &err);
	}
	CHECK_OK(store_list(store, "page/", &arena, &objects, &count, &err), &err);
	CHECK_EQUAL(count, COUNT);
	for (int i = 0; i < COUNT; i++)
		CHECK_TEXT(objects[i].path, paths[i]);
	CHECK_OK(store_remove_many(store, paths, COUNT, &err), &err);
	CHECK_OK(store_list(store, "page/", &arena, &objects, &count, &err), &err);
	CHECK_EQUAL(count, 0);
	store_close(store);
	arena_deinit(&arena);
}
