/*
 * call.c: one request to the bucket: its address, its signature, what its answer means, and when
 * it is worth another try.
 */
#include "store/s3/s3_internal.h"

#include "base/logline.h"

#include <stdlib.h>

enum { /* microseconds */
	BACK_OFF_FIRST = 50 * 1000,
	BACK_OFF_MAX = 1000 * 1000,
	CLOCK_OFFSET_MIN = 60 * 1000 * 1000, /* a smaller one is not why a server refuses */
};

#define CLOCK_MIN (INT64_C(1577836800) * 1000000) /* 2020: what else a server says is no time, */
#define CLOCK_MAX (INT64_C(7258118400) * 1000000) /* 2200: and may be one that cannot be signed */

enum {
	STATUS_OK = 200,
	STATUS_OK_MAX = 299,
	STATUS_REDIRECT_MAX = 399,
	STATUS_TOO_MANY = 429,
	STATUS_SERVER = 500,
	STATUS_NOT_IMPLEMENTED = 501,
	STATUS_FULL = 507,
};

/* --- what an answer means --- */

enum hint {
	HINT_NONE = 0,
	HINT_BUCKET,
	HINT_RIGHTS,
	HINT_ACCESS_KEY,
	HINT_SECRET_KEY,
	HINT_TOKEN,
	HINT_REGION,
	HINT_CLOCK,
	HINT_ENDPOINT,
	HINT_SERVER,
};

struct meaning {
	const char *code;
	enum error_kind kind;
	enum hint hint;
};

/* Amazon S3 API Reference, "Error Responses"; the XMinio ones are MinIO's own. */
static const struct meaning MEANINGS[] = {
	{ "NoSuchKey", ERROR_MISSING, HINT_NONE },
	{ "NoSuchUpload", ERROR_MISSING, HINT_NONE },
	{ "InvalidPart", ERROR_MISSING, HINT_NONE },
	{ "InvalidRange", ERROR_CORRUPT, HINT_NONE },
	{ "PreconditionFailed", ERROR_CONFLICT, HINT_NONE },
	{ "ConditionalRequestConflict", ERROR_BUSY, HINT_NONE },
	{ "OperationAborted", ERROR_BUSY, HINT_NONE },
	{ "RequestTimeout", ERROR_BUSY, HINT_NONE },
	{ "IncompleteBody", ERROR_BUSY, HINT_NONE },
	{ "BadDigest", ERROR_BUSY, HINT_NONE }, /* this and the next two: not what was sent */
	{ "XAmzContentSHA256Mismatch", ERROR_BUSY, HINT_NONE },
	{ "XAmzContentChecksumMismatch", ERROR_BUSY, HINT_NONE },
	{ "SlowDown", ERROR_BUSY, HINT_NONE },
	{ "InternalError", ERROR_BUSY, HINT_NONE },
	{ "ServiceUnavailable", ERROR_BUSY, HINT_NONE },
	{ "NoSuchBucket", ERROR_SETUP, HINT_BUCKET },
	{ "InvalidBucketName", ERROR_SETUP, HINT_BUCKET },
	{ "AccessDenied", ERROR_SETUP, HINT_RIGHTS },
	{ "AllAccessDisabled", ERROR_SETUP, HINT_RIGHTS },
	{ "AccountProblem", ERROR_SETUP, HINT_RIGHTS },
	{ "InvalidAccessKeyId", ERROR_SETUP, HINT_ACCESS_KEY },
	{ "SignatureDoesNotMatch", ERROR_SETUP, HINT_SECRET_KEY },
	{ "ExpiredToken", ERROR_SETUP, HINT_TOKEN },
	{ "InvalidToken", ERROR_SETUP, HINT_TOKEN },
	{ "InvalidTokenId", ERROR_SETUP, HINT_TOKEN },
	{ "TokenRefreshRequired", ERROR_SETUP, HINT_TOKEN },
	{ "AuthorizationHeaderMalformed", ERROR_SETUP, HINT_REGION },
	{ "PermanentRedirect", ERROR_SETUP, HINT_REGION },
	{ "TemporaryRedirect", ERROR_SETUP, HINT_REGION },
	{ "IllegalLocationConstraintException", ERROR_SETUP, HINT_REGION },
	{ "RequestTimeTooSkewed", ERROR_SETUP, HINT_CLOCK },
	{ "NotImplemented", ERROR_UNSUPPORTED, HINT_SERVER },
	{ "QuotaExceeded", ERROR_LIMIT, HINT_NONE },
	{ "EntityTooLarge", ERROR_LIMIT, HINT_NONE },
	{ "XMinioStorageFull", ERROR_LIMIT, HINT_NONE },
	{ "XMinioAdminBucketQuotaExceeded", ERROR_LIMIT, HINT_NONE },
};

/* The status of a success was sent before the work was done: its Error is one of the server. */
static struct meaning meaning_of(unsigned status, const char *code)
{
	if (status <= STATUS_OK_MAX)
		status = STATUS_SERVER;
	for (size_t i = 0; i < sizeof MEANINGS / sizeof *MEANINGS; i++)
		if (strcmp(MEANINGS[i].code, code) == 0)
			return MEANINGS[i];
	if (status == STATUS_FULL)
		return (struct meaning){ code, ERROR_LIMIT, HINT_NONE };
	if (status == STATUS_NOT_IMPLEMENTED)
		return (struct meaning){ code, ERROR_UNSUPPORTED, HINT_SERVER };
	if (status >= STATUS_SERVER || status == STATUS_TOO_MANY)
		return (struct meaning){ code, ERROR_BUSY, HINT_NONE };
	if (status <= STATUS_REDIRECT_MAX)
		return (struct meaning){ code, ERROR_SETUP, HINT_REGION };
	return (struct meaning){ code, ERROR_SETUP, HINT_NONE };
}

static void hint_at_keys(const struct s3_store *s3, enum hint hint, struct error *err)
{
	const char *access_key = atomic_load(&s3->credentials)->access_key;
	if (hint == HINT_RIGHTS)
		error_hint(err,
			"Allow the access key \"%s\" s3:ListBucket and "
			"s3:ListBucketMultipartUploads on bucket \"%s\", and s3:GetObject, "
			"s3:PutObject, s3:DeleteObject and s3:AbortMultipartUpload "
			"on what is in it.",
			access_key, s3->bucket);
	else if (hint == HINT_ACCESS_KEY)
		error_hint(err, "Set s3.access_key to one that %s knows; \"%s\" is not.",
			s3->base.endpoint, access_key);
	else if (hint == HINT_SECRET_KEY)
		error_hint(
			err, "Set s3.secret_key to the secret of access key \"%s\".", access_key);
	else if (hint == HINT_TOKEN && s3->credentials_file != NULL)
		error_hint(err,
			"Write keys that are valid to profile \"%s\" in \"%s\"; they are read "
			"again.",
			s3->profile, s3->credentials_file);
	else if (hint == HINT_TOKEN)
		error_hint(err,
			"Set s3.session_token to the one that belongs to access key \"%s\", "
			"or take it away when that key needs none.",
			access_key);
}

static void hint_at_server(
	const struct s3_store *s3, enum hint hint, const char *region, struct error *err)
{
	if (hint == HINT_BUCKET)
		error_hint(err,
			"Make the bucket \"%s\" at %s, or name another one in "
			"lake.warehouse.",
			s3->bucket, s3->base.endpoint);
	else if (hint == HINT_REGION && region[0] != '\0')
		error_hint(err, "Set s3.region to \"%s\".", region);
	else if (hint == HINT_REGION)
		error_hint(err, "Set s3.region and s3.endpoint to those of bucket \"%s\".",
			s3->bucket);
	else if (hint == HINT_CLOCK)
		error_hint(err, "Set the clock of this machine or of %s right.", s3->base.endpoint);
	else if (hint == HINT_ENDPOINT)
		error_hint(err, "Set s3.endpoint to the port of the S3 API: MinIO's is 9000, 9001 "
				"is its console.");
	else if (hint == HINT_SERVER)
		error_hint(err, "Use a server that has S3's conditional writes and multipart "
				"uploads.");
}

/* All that it knows of S3: "S3 API Requests must be made to API port." */
static bool is_console_of_minio(const struct xml_error *error)
{
	return strcmp(error->code, "InvalidArgument") == 0 &&
	       strstr(error->message, "must be made to API port") != NULL;
}

static enum hint fail(const struct s3_store *s3, unsigned status, const struct xml_error *error,
	struct error *err)
{
	const struct meaning meaning = meaning_of(status, error->code);
	error_set(err, meaning.kind, "S3 answered %u %s%s%.200s", status, error->code,
		error->message[0] != '\0' ? ": " : "", error->message);
	hint_at_keys(s3, meaning.hint, err);
	hint_at_server(
		s3, is_console_of_minio(error) ? HINT_ENDPOINT : meaning.hint, error->region, err);
	return meaning.hint;
}

bool s3_fail(const struct s3_store *s3, unsigned status, const struct xml_error *error,
	struct error *err)
{
	fail(s3, status, error, err);
	return false;
}

/* Once the server has been found, it is something on the way that answers for it. */
static enum hint fail_foreign(const struct s3_store *s3, unsigned status, struct error *err)
{
	const bool is_found = atomic_load(&s3->is_found);
	if (is_found || status >= STATUS_SERVER || status == STATUS_TOO_MANY) {
		error_set(err, ERROR_BUSY, "%s answered %u, and not as S3 does", s3->base.endpoint,
			status);
		return HINT_NONE;
	}
	error_set(
		err, ERROR_SETUP, "%s answered %u, and not as S3 does", s3->base.endpoint, status);
	error_hint(err, "Set s3.endpoint to the S3 interface of the server: http:// or "
			"https://, its host and its port.");
	return HINT_NONE;
}

/* The answer to HEAD has no body that says more. */
static enum hint fail_without_document(
	const struct s3_store *s3, unsigned status, const char *region, struct error *err)
{
	enum {
		STATUS_FORBIDDEN = 403,
		STATUS_MISSING = 404,
		STATUS_CONDITION = 412,
	};
	const char *code = status == STATUS_FORBIDDEN   ? "AccessDenied"
			   : status == STATUS_MISSING   ? "NoSuchKey"
			   : status == STATUS_CONDITION ? "PreconditionFailed"
							: "";
	return fail(s3, status, &(struct xml_error){ code, "", region }, err);
}

static enum hint fail_of_status(const struct s3_store *s3, const struct s3_request *request,
	const struct http_answer *answer, struct error *err)
{
	struct arena arena = { 0 };
	struct xml_error error;
	enum hint hint;
	const char *region = http_answer_header(answer, "x-amz-bucket-region");
	if (xml_read_error(buffer_bytes(&answer->body), &arena, &error)) {
		if (error.region[0] == '\0' && region != NULL)
			error.region = region;
		hint = fail(s3, answer->status, &error, err);
	} else if (answer->body.size == 0 &&
		   (strcmp(request->method, "HEAD") == 0 || region != NULL)) {
		hint = fail_without_document(s3, answer->status, region != NULL ? region : "", err);
	} else {
		hint = fail_foreign(s3, answer->status, err);
	}
	arena_deinit(&arena);
	return hint;
}

/* A success that is not what was asked for may be an Error, which says more. */
static void explain_success(
	const struct s3_store *s3, const struct http_answer *answer, struct error *err)
{
	struct arena arena = { 0 };
	struct xml_error error;
	if (err->kind == ERROR_LOST && xml_read_error(buffer_bytes(&answer->body), &arena, &error))
		fail(s3, answer->status, &error, err);
	arena_deinit(&arena);
}

/* --- one attempt --- */

enum {
	HEADERS_OF_ALL = 5, /* host, date, hash, token, authorization */
	HEADERS_MAX = HEADERS_OF_ALL + 4,
};

static const char *path_of(
	const struct s3_store *s3, const struct s3_request *request, struct arena *arena)
{
	const char *key = request->key != NULL ? request->key : "";
	return s3->is_path_style ? arena_format(arena, "/%s/%s", s3->bucket, key)
				 : arena_format(arena, "/%s", key);
}

static const char *url_of(const struct s3_store *s3, const struct s3_request *request,
	const char *path, struct arena *arena)
{
	struct buffer url = { 0 };
	buffer_append_cstring(&url, s3->origin);
	sign_append_encoded(&url, path, true);
	if (request->parameter_count > 0)
		buffer_append_u8(&url, '?');
	sign_append_query(&url, request->parameters, request->parameter_count);
	const char *text = arena_copy_text(arena, buffer_bytes(&url));
	buffer_deinit(&url);
	return text;
}

static size_t list_headers(const struct s3_store *s3, const struct s3_request *request,
	const struct s3_credentials *credentials, const char *body_hash, const char *time,
	struct http_header headers[HEADERS_MAX])
{
	size_t count = 0;
	headers[count++] = (struct http_header){ "Host", s3->host };
	headers[count++] = (struct http_header){ "x-amz-date", time };
	headers[count++] = (struct http_header){ "x-amz-content-sha256", body_hash };
	if (credentials->session_token != NULL)
		headers[count++] =
			(struct http_header){ "x-amz-security-token", credentials->session_token };
	for (size_t i = 0; i < request->header_count; i++)
		headers[count++] = request->headers[i];
	return count;
}

static bool attempt(struct s3_store *s3, const struct s3_request *request,
	const struct s3_credentials *credentials, const char *body_hash, struct http_answer *answer,
	struct error *err)
{
	struct arena arena = { 0 };
	char time[SIGN_TIME_SIZE];
	struct http_header headers[HEADERS_MAX];
	const char *path = path_of(s3, request, &arena);
	sign_time(world_now(s3->world) + atomic_load(&s3->clock_offset), time);
	size_t count = list_headers(s3, request, credentials, body_hash, time, headers);
	const struct sign_request signing = {
		.method = request->method,
		.path = path,
		.parameters = request->parameters,
		.parameter_count = request->parameter_count,
		.headers = headers,
		.header_count = count,
		.payload_hash = body_hash,
		.time = time,
		.region = s3->region,
		.service = "s3",
	};
	headers[count++] = (struct http_header){ "Authorization",
		sign_authorization(&signing,
			&(struct sign_credentials){
				credentials->access_key, credentials->secret_key },
			&arena) };
	const struct http_request sending = {
		.method = request->method,
		.url = url_of(s3, request, path, &arena),
		.headers = headers,
		.header_count = count,
		.body = request->body,
		.answer_size_max = request->answer_size_max > S3_ERROR_SIZE_MAX
					   ? request->answer_size_max
					   : S3_ERROR_SIZE_MAX,
	};
	const bool done = http_perform(s3->http, &sending, answer, err);
	arena_deinit(&arena);
	return done;
}

/* --- another try --- */

/* True when the server's clock was found to be another than was thought. */
static bool set_clock(struct s3_store *s3, const struct http_answer *answer)
{
	const char *date = http_answer_header(answer, "date");
	micros_t now;
	if (date == NULL || !http_parse_date(date, &now) || now < CLOCK_MIN || now > CLOCK_MAX)
		return false;
	const int64_t offset = now - world_now(s3->world);
	const int64_t change = offset - atomic_load(&s3->clock_offset);
	if (llabs(change) < CLOCK_OFFSET_MIN)
		return false;
	atomic_store(&s3->clock_offset, offset);
	logline_warning("the clock of the S3 server differs from that of this machine",
		LOG_TEXT("endpoint", s3->base.endpoint), LOG_INT("seconds", offset / 1000000));
	return true;
}

static micros_t back_off(struct s3_store *s3, unsigned tries)
{
	micros_t wait = BACK_OFF_FIRST;
	for (unsigned i = 0; i < tries && wait < BACK_OFF_MAX; i++)
		wait *= 2;
	uint8_t jitter;
	world_random(s3->world, &jitter, sizeof jitter);
	return (wait < BACK_OFF_MAX ? wait : BACK_OFF_MAX) * (128 + jitter / 2) / 256;
}

/* There is no answer, or only a part of one. */
static bool fail_unanswered(const struct s3_store *s3, const struct s3_request *request,
	struct s3_answer *answer, struct error *err)
{
	const bool is_of_any_size = request->take == NULL && request->answer_size_max > 0;
	answer->may_have_happened |= err->kind == ERROR_LOST || err->kind == ERROR_LIMIT;
	if (err->kind == ERROR_LIMIT && !is_of_any_size)
		err->kind = ERROR_LOST; /* it is longer than what was asked for can be */
	if (err->kind != ERROR_LIMIT)
		error_hint(err,
			"See that the server runs, and that s3.endpoint (%s), with its "
			"http:// or https://, and s3.ca_file are right.",
			s3->base.endpoint);
	return error_context(err, "asking %s", s3->base.endpoint);
}

static bool next_try_knows_better(struct s3_store *s3, enum hint hint,
	const struct s3_credentials *used, const struct http_answer *answer)
{
	if (hint == HINT_CLOCK)
		return set_clock(s3, answer);
	if (hint != HINT_TOKEN && hint != HINT_ACCESS_KEY)
		return false;
	/* What writes the file may be late; it has written keys that were good. */
	return s3_credentials_renew(s3, used) ||
	       (hint == HINT_TOKEN && s3->credentials_file != NULL && atomic_load(&s3->is_found));
}

/* S3 names what it took or gives by an ETag; the page of something on the way has none. */
static bool take(const struct s3_store *s3, const struct s3_request *request,
	const struct http_answer *answer, struct error *err)
{
	const bool names_object = request->key != NULL && strcmp(request->method, "POST") != 0 &&
				  strcmp(request->method, "DELETE") != 0;
	if (names_object && http_answer_header(answer, "etag") == NULL)
		return error_set(err, ERROR_LOST,
			"%s answered %u without an ETag, and not as S3 does", s3->base.endpoint,
			answer->status);
	return request->take == NULL || request->take(s3, answer, request->result, err);
}

static bool try_once(struct s3_store *s3, const struct s3_request *request, const char *body_hash,
	struct s3_answer *answer, struct error *err)
{
	struct http_answer *http = &answer->http;
	const struct s3_credentials *credentials = atomic_load(&s3->credentials);
	enum hint hint = HINT_NONE;
	http_answer_reset(http);
	if (!attempt(s3, request, credentials, body_hash, http, err))
		return fail_unanswered(s3, request, answer, err);
	if (http->status < STATUS_OK || http->status > STATUS_OK_MAX) {
		hint = fail_of_status(s3, request, http, err);
	} else if (take(s3, request, http, err)) {
		atomic_store(&s3->is_found, true);
		return true;
	} else {
		explain_success(s3, http, err);
	}
	/* What is on the way may say so after it has passed the request on. */
	answer->may_have_happened |= err->kind == ERROR_BUSY || err->kind == ERROR_LOST;
	if (next_try_knows_better(s3, hint, credentials, http))
		err->kind = ERROR_BUSY;
	return false;
}

bool s3_call(struct s3_store *s3, const struct s3_request *request, struct s3_answer *answer,
	struct error *err)
{
	char computed[SIGN_HASH_SIZE];
	const char *body_hash = request->body_hash;
	if (body_hash == NULL)
		body_hash = sign_hash(request->body, computed);
	const micros_t give_up_at = world_monotonic(s3->world) + s3->retry_time;
	*answer = (struct s3_answer){ 0 };
	for (unsigned tries = 0;; tries++) {
		*err = (struct error){ 0 };
		if (try_once(s3, request, body_hash, answer, err))
			return true;
		if (err->kind != ERROR_BUSY && err->kind != ERROR_LOST)
			return false;
		const micros_t wait = back_off(s3, tries);
		if (world_monotonic(s3->world) + wait > give_up_at)
			return false;
		world_sleep(s3->world, wait);
	}
}

void s3_answer_deinit(struct s3_answer *answer)
{
	http_answer_deinit(&answer->http);
}
