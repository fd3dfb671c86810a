/* What a server refuses or says of the time, and keys that end (call.c). */
#include "base/test.h"
#include "store/s3/s3_fake_fixture.h"
#include "store/s3/s3_fixture.h"

#define DOCUMENT(code, rest) "<Error><Code>" code "</Code>" rest "</Error>"

static void check_refusal(
	unsigned status, const char *body, enum error_kind kind, const char *text, const char *hint)
{
	struct s3_fake fake;
	uint64_t size;
	struct store *store = s3_fake_begin(&fake);
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
	s3_fake_end(&fake, store);
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
	check_refusal(400,
		DOCUMENT("InvalidArgument",
			"<Message>S3 API Requests must be made to API port.</Message>"),
		ERROR_SETUP, "InvalidArgument", "9001 is its console");
	check_refusal(400, DOCUMENT("InvalidArgument", ""), ERROR_SETUP, "InvalidArgument", "");
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
	struct s3_fake *fake = context;
	const char *time = served_header(request, "x-amz-date", &fake->arena);
	const char *date =
		fake->fixed != NULL ? fake->fixed : "Date: Wed, 01 Jan 2031 00:00:00 GMT\r\n";
	if (strncmp(time, "20310101", 8) == 0)
		serve_answer(out, 200, "ETag: \"e\"\r\n", BYTES_LITERAL(""));
	else
		serve_answer(out, 403, date, BYTES_LITERAL(DOCUMENT("RequestTimeTooSkewed", "")));
	return true;
}

static struct store *begin_by_the_clock(struct s3_fake *fake)
{
	*fake = (struct s3_fake){ 0 };
	fake->server = http_server_open(serve_by_the_clock, fake);
	const struct s3_options options = {
		.location = "s3://bucket",
		.endpoint = http_server_url(fake->server),
		.region = "us-east-1",
		.access_key = "key",
		.secret_key = "secret",
		.retry_time = S3_FAKE_RETRY_TIME,
	};
	return s3_fixture_open(&options);
}

TEST(a_server_with_another_clock_is_asked_by_that_clock)
{
	struct s3_fake fake;
	struct store *store = begin_by_the_clock(&fake);
	CHECK_OK(store_put(store, "x", BYTES_LITERAL("x"), &fake.err), &fake.err);
	CHECK_OK(store_put(store, "y", BYTES_LITERAL("y"), &fake.err), &fake.err);
	CHECK_EQUAL(http_server_request_count(fake.server), 3);
	s3_fake_end(&fake, store);
}

TEST(a_date_that_cannot_be_is_no_clock)
{
	static const char *const DATES[] = { "Date: Thu, 01 Jan 1970 00:00:00 GMT\r\n",
		"Date: Fri, 01 Jan 9999 00:00:00 GMT\r\n",
		"Date: Fri, 01 Jan 99999 00:00:00 GMT\r\n", "Date: now\r\n" };
	for (size_t i = 0; i < sizeof DATES / sizeof *DATES; i++) {
		struct s3_fake fake;
		struct store *store = begin_by_the_clock(&fake);
		fake.fixed = DATES[i];
		CHECK(!store_put(store, "x", BYTES_LITERAL("x"), &fake.err));
		CHECK_EQUAL(fake.err.kind, ERROR_SETUP);
		CHECK(strstr(fake.err.hint, "clock") != NULL);
		s3_fake_end(&fake, store);
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
		serve_answer(out, 200, "ETag: \"e\"\r\n", BYTES_LITERAL(""));
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
		.retry_time = S3_FAKE_RETRY_TIME,
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
