#include "store/s3/s3_fake_fixture.h"

#include "base/test.h"
#include "store/s3/s3_fixture.h"

struct s3_fake_object *s3_fake_find(struct s3_fake *fake, const char *name)
{
	for (size_t i = 0; i < fake->count; i++)
		if (strcmp(fake->objects[i].name, name) == 0)
			return &fake->objects[i];
	return NULL;
}

static void forget(struct s3_fake *fake, struct s3_fake_object *object)
{
	buffer_deinit(&object->body);
	*object = fake->objects[--fake->count];
}

static struct s3_fake_object *add(struct s3_fake *fake, const char *name, const char *write)
{
	struct s3_fake_object *object = s3_fake_find(fake, name);
	if (object == NULL) {
		CHECK(fake->count < S3_FAKE_OBJECTS_MAX);
		object = &fake->objects[fake->count++];
		*object = (struct s3_fake_object){ 0 };
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

static void put_object(
	struct s3_fake *fake, const struct served_request *request, struct buffer *out)
{
	const char *condition = served_header(request, "if-none-match", &fake->arena);
	const bool is_part = strstr(request->target, "partNumber=") != NULL;
	if (!is_part && condition != NULL && s3_fake_find(fake, request->target) != NULL) {
		answer_error(out, 412, "PreconditionFailed");
		return;
	}
	if (is_part && fake->uploads == 0) {
		answer_error(out, 404, "NoSuchUpload");
		return;
	}
	struct s3_fake_object *object = add(fake, request->target,
		served_header(request, "x-amz-meta-walberg-write", &fake->arena));
	buffer_append_bytes(&object->body, request->body);
	serve_answer(out, 200, "ETag: \"e\"\r\n", BYTES_LITERAL(""));
}

/* False when no range is asked for. */
static bool get_range(const struct s3_fake_object *object, struct s3_fake *fake,
	const struct served_request *request, struct buffer *out)
{
	char headers[200];
	size_t first, last;
	const char *range = served_header(request, "range", &fake->arena);
	if (range == NULL || sscanf(range, "bytes=%zu-%zu", &first, &last) != 2)
		return false;
	const size_t size = object->body.size;
	snprintf(headers, sizeof headers, "ETag: \"e\"\r\nContent-Range: bytes */%zu\r\n", size);
	if (first >= size)
		serve_answer(out, 416, headers,
			BYTES_LITERAL("<Error><Code>InvalidRange</Code></Error>"));
	else
		serve_answer(out, 206, headers,
			bytes_of(object->body.data + first,
				(last < size ? last + 1 : size) - first));
	return true;
}

static void get_object(
	struct s3_fake *fake, const struct served_request *request, struct buffer *out)
{
	char headers[200];
	const struct s3_fake_object *object = s3_fake_find(fake, request->target);
	const bool is_head = strcmp(request->method, "HEAD") == 0;
	if (object == NULL && is_head) {
		serve_answer(out, 404, "Content-Length: 9\r\n", BYTES_LITERAL(""));
	} else if (object == NULL) {
		answer_error(out, 404, "NoSuchKey");
	} else if (is_head || !get_range(object, fake, request, out)) {
		snprintf(headers, sizeof headers,
			"ETag: \"e\"\r\nx-amz-meta-walberg-write: %s\r\nContent-Length: %zu\r\n",
			object->write, object->body.size);
		serve_answer(out, 200, headers,
			is_head ? BYTES_LITERAL("") : buffer_bytes(&object->body));
	}
}

void s3_fake_forget_parts(struct s3_fake *fake)
{
	fake->uploads = 0;
	for (size_t i = fake->count; i-- > 0;)
		if (strstr(fake->objects[i].name, "partNumber=") != NULL)
			forget(fake, &fake->objects[i]);
}

/* "/bucket/x?uploads=" begins an upload, "/bucket/x?uploadId=7" ends it. */
static void post_upload(
	struct s3_fake *fake, const struct served_request *request, struct buffer *out)
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
	if (fake->uploads == 0 || (condition != NULL && s3_fake_find(fake, name) != NULL)) {
		answer_error(out, fake->uploads == 0 ? 404 : 412,
			fake->uploads == 0 ? "NoSuchUpload" : "PreconditionFailed");
		return;
	}
	struct buffer whole = { 0 };
	const struct s3_fake_object *part;
	for (unsigned number = 1;
		(part = s3_fake_find(fake, arena_format(&fake->arena, "%s?partNumber=%u&uploadId=7",
						   name, number))) != NULL;
		number++)
		buffer_append_bytes(&whole, buffer_bytes(&part->body));
	s3_fake_forget_parts(fake);
	struct s3_fake_object *object = add(fake, name, fake->upload_write);
	buffer_deinit(&object->body);
	object->body = whole;
	serve_answer(out, 200, "", BYTES_LITERAL("\n<CompleteMultipartUploadResult/>"));
}

/* "<Delete>...<Object><Key>lake/a</Key></Object>..." */
static void delete_objects(
	struct s3_fake *fake, const struct served_request *request, struct buffer *out)
{
	const char *at = arena_copy_text(&fake->arena, request->body);
	while ((at = strstr(at, "<Key>")) != NULL) {
		at += strlen("<Key>");
		const int size = (int)strcspn(at, "<");
		struct s3_fake_object *object =
			s3_fake_find(fake, arena_format(&fake->arena, "/bucket/%.*s", size, at));
		if (object != NULL)
			forget(fake, object);
	}
	serve_answer(out, 200, "", BYTES_LITERAL("<DeleteResult/>"));
}

static void list_objects(struct s3_fake *fake, struct buffer *out)
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
	struct s3_fake *fake, const struct served_request *request, struct buffer *out)
{
	const bool is_first = strstr(request->target, "key-marker=") == NULL;
	const char *page = is_first ? fake->old_uploads : fake->older_uploads;
	serve_answer(out, 200, "",
		page != NULL ? bytes_of_cstring(page)
			     : BYTES_LITERAL("<ListMultipartUploadsResult/>"));
}

static void delete_object(
	struct s3_fake *fake, const struct served_request *request, struct buffer *out)
{
	struct s3_fake_object *object = s3_fake_find(fake, request->target);
	if (strstr(request->target, "?uploadId=7") != NULL)
		s3_fake_forget_parts(fake);
	else if (strstr(request->target, "?uploadId=") != NULL)
		snprintf(fake->given_up + strlen(fake->given_up),
			sizeof fake->given_up - strlen(fake->given_up), "%s ", request->target);
	else if (object != NULL)
		forget(fake, object);
	serve_answer(out, 204, "", BYTES_LITERAL(""));
}

static void serve_well(
	struct s3_fake *fake, const struct served_request *request, struct buffer *out)
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
static void spoil(enum s3_fault fault, const struct served_request *request, struct buffer *out)
{
	const char *text = (const char *)out->data;
	const char *end = memmem(text, out->size, "\r\n\r\n", 4);
	const size_t head_size = (size_t)(end + 4 - text);
	struct buffer half = { 0 };
	buffer_append(&half, end + 4, (out->size - head_size) / 2);
	buffer_reset(out);
	if (fault == S3_FAULT_ERROR_AFTER)
		answer_error(out, 500, "InternalError");
	else if (strcmp(request->method, "HEAD") == 0)
		buffer_append_cstring(out, "HTTP/1.1 200 OK\r\n\r\n");
	else if (fault == S3_FAULT_ERROR_IN_OK)
		answer_error(out, 200, "InternalError");
	else if (fault == S3_FAULT_GARBAGE)
		serve_answer(out, 200, "", BYTES_LITERAL("<html>Welcome!</html>"));
	else
		serve_answer(out, 200, "", buffer_bytes(&half));
	buffer_deinit(&half);
}

static bool serve(void *context, const struct served_request *request, struct buffer *out)
{
	struct s3_fake *fake = context;
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
	const enum s3_fault fault =
		fake->fault != NULL ? fake->fault(fake, request) : S3_FAULT_NONE;
	if (fault == S3_FAULT_BUSY)
		answer_error(out, 503, "SlowDown");
	if (fault == S3_FAULT_GATEWAY)
		serve_answer(out, 403, "", BYTES_LITERAL("<html>Sign in first.</html>"));
	if (fault == S3_FAULT_BUSY || fault == S3_FAULT_DROP_BEFORE || fault == S3_FAULT_GATEWAY)
		return fault != S3_FAULT_DROP_BEFORE;
	serve_well(fake, request, out);
	if (fault == S3_FAULT_DROP_AFTER)
		buffer_reset(out);
	else if (fault != S3_FAULT_NONE)
		spoil(fault, request, out);
	return fault != S3_FAULT_DROP_AFTER;
}

enum s3_fault s3_fake_fault_once(struct s3_fake *fake, const struct served_request *request)
{
	return request->number == fake->fault_at ? fake->fault_kind : S3_FAULT_NONE;
}

static bool is_own(const char *path)
{
	return path[0] != '_';
}

struct store *s3_fake_begin_patient(struct s3_fake *fake, micros_t retry_time)
{
	*fake = (struct s3_fake){ 0 };
	fake->server = http_server_open(serve, fake);
	const struct s3_options options = {
		.location = "s3://bucket/lake/",
		.endpoint = http_server_url(fake->server),
		.region = "us-east-1",
		.access_key = "key",
		.secret_key = "secret",
		.retry_time = retry_time,
		.part_size_bytes = S3_FAKE_PART_SIZE,
		.is_own = is_own,
	};
	return s3_fixture_open(&options);
}

struct store *s3_fake_begin(struct s3_fake *fake)
{
	return s3_fake_begin_patient(fake, S3_FAKE_RETRY_TIME);
}

void s3_fake_meet(struct s3_fake *fake, struct store *store)
{
	CHECK_OK(store_remove(store, "no such object", &fake->err), &fake->err);
}

void s3_fake_end(struct s3_fake *fake, struct store *store)
{
	store_close(store);
	http_server_close(fake->server);
	while (fake->count > 0)
		forget(fake, &fake->objects[0]);
	arena_deinit(&fake->arena);
}
