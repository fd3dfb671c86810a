/* Objects in parts, to a server that fails as it is told (s3_fake_fixture.h). */
#include "base/test.h"
#include "store/s3/s3_fake_fixture.h"
#include "store/s3/s3_fixture.h"

static unsigned upload_with_fault(struct bytes body, unsigned at, enum s3_fault kind)
{
	struct s3_fake fake;
	struct store *store = s3_fake_begin(&fake);
	s3_fake_meet(&fake, store);
	fake.fault = s3_fake_fault_once;
	fake.fault_at = 1 + at;
	fake.fault_kind = kind;
	CHECK_OK(s3_fixture_write_in_pieces(store, "big", body, &fake.err), &fake.err);
	CHECK_EQUAL(fake.uploads, 0);
	CHECK_EQUAL(fake.count, 1);
	CHECK(bytes_equal(buffer_bytes(&fake.objects[0].body), body));
	const unsigned count = http_server_request_count(fake.server) - 1;
	s3_fake_end(&fake, store);
	return count;
}

TEST(an_upload_in_parts_any_request_of_which_fails_once_is_whole)
{
	const size_t size = 3 * S3_FAKE_PART_SIZE + 17;
	uint8_t *body = s3_fixture_body(size);
	const unsigned count = upload_with_fault(bytes_of(body, size), 0, S3_FAULT_NONE);
	CHECK_EQUAL(count, 7); /* old uploads, begin, 4 parts, end */
	for (unsigned at = 0; at < count; at++)
		for (enum s3_fault kind = S3_FAULT_BUSY; kind < S3_FAULT_COUNT; kind++)
			upload_with_fault(bytes_of(body, size), at, kind);
	free(body);
}

TEST(objects_of_whole_parts_are_cut_where_they_should_be)
{
	static const struct {
		size_t size;
		unsigned requests;
	} CASES[] = { { S3_FAKE_PART_SIZE - 1, 1 }, { S3_FAKE_PART_SIZE, 1 },
		{ S3_FAKE_PART_SIZE + 1, 5 }, { 2 * S3_FAKE_PART_SIZE, 5 },
		{ 20 * S3_FAKE_PART_SIZE, 23 } };
	uint8_t *body = s3_fixture_body(20 * S3_FAKE_PART_SIZE);
	for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++)
		CHECK_EQUAL(upload_with_fault(bytes_of(body, CASES[i].size), 0, S3_FAULT_NONE),
			CASES[i].requests);
	free(body);
}

static enum s3_fault refuse_parts(struct s3_fake *fake, const struct served_request *request)
{
	(void)fake;
	return strstr(request->target, "partNumber=3") != NULL ? S3_FAULT_BUSY : S3_FAULT_NONE;
}

TEST(an_upload_a_part_of_which_fails_leaves_nothing)
{
	struct s3_fake fake;
	struct store *store = s3_fake_begin(&fake);
	uint8_t *body = s3_fixture_body(5 * S3_FAKE_PART_SIZE);
	fake.fault = refuse_parts;
	CHECK(!s3_fixture_write_in_pieces(
		store, "big", bytes_of(body, 5 * S3_FAKE_PART_SIZE), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_BUSY);
	CHECK_EQUAL(fake.uploads, 0);
	CHECK_EQUAL(fake.count, 0);
	free(body);
	s3_fake_end(&fake, store);
}

TEST(an_upload_that_is_given_up_leaves_nothing)
{
	struct s3_fake fake;
	struct upload *upload;
	struct store *store = s3_fake_begin(&fake);
	uint8_t *body = s3_fixture_body(3 * S3_FAKE_PART_SIZE);
	CHECK_OK(store_create(store, "big", &upload, &fake.err), &fake.err);
	CHECK_OK(upload_write(upload, bytes_of(body, 3 * S3_FAKE_PART_SIZE), &fake.err), &fake.err);
	upload_abort(upload);
	CHECK_EQUAL(fake.uploads, 0);
	CHECK_EQUAL(fake.count, 0);
	free(body);
	s3_fake_end(&fake, store);
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
	struct s3_fake fake;
	struct store *store = s3_fake_begin(&fake);
	uint8_t *body = s3_fixture_body(2 * S3_FAKE_PART_SIZE);
	fake.old_uploads = UPLOADS("<IsTruncated>true</IsTruncated><NextKeyMarker>lake/c"
				   "</NextKeyMarker><NextUploadIdMarker>3</NextUploadIdMarker>",
		UPLOAD("lake/a b", "1", "2020-01-02T03:04:05.000Z") UPLOAD("lake/young", "2",
			"2999-01-01T00:00:00.000Z") UPLOAD("lake/c", "3", "2021-01-01T00:00:00Z"));
	fake.older_uploads = UPLOADS(
		"", UPLOAD("lake/_others", "4", "2020-01-02T03:04:05Z") UPLOAD("elsewhere", "5",
			    "2020-01-02T03:04:05Z") UPLOAD("lake/d", "6", "2021-01-01T00:00:00Z"));
	CHECK_OK(s3_fixture_write_in_pieces(
			 store, "x", bytes_of(body, 2 * S3_FAKE_PART_SIZE), &fake.err),
		&fake.err);
	CHECK_TEXT(fake.given_up, GIVEN_UP);
	CHECK_OK(s3_fixture_write_in_pieces(
			 store, "y", bytes_of(body, 2 * S3_FAKE_PART_SIZE), &fake.err),
		&fake.err);
	CHECK_TEXT(fake.given_up, GIVEN_UP);
	free(body);
	s3_fake_end(&fake, store);
}

/* It is left alone: the server may be putting the parts together all the same. */
TEST(an_upload_whose_end_is_an_error_in_a_success_is_uncertain)
{
	struct s3_fake fake;
	struct store *store = s3_fake_begin(&fake);
	uint8_t *body = s3_fixture_body(2 * S3_FAKE_PART_SIZE);
	fake.ends_badly = true;
	CHECK(!s3_fixture_write_in_pieces(
		store, "x", bytes_of(body, 2 * S3_FAKE_PART_SIZE), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_UNCERTAIN);
	CHECK(strstr(fake.err.text, "InternalError") != NULL);
	CHECK_EQUAL(fake.uploads, 1);
	CHECK(s3_fake_find(&fake, "/bucket/lake/x") == NULL);
	free(body);
	s3_fake_end(&fake, store);
}

static enum s3_fault drop_ends(struct s3_fake *fake, const struct served_request *request)
{
	(void)fake;
	return strstr(request->target, "?uploadId=7") != NULL ? S3_FAULT_DROP_BEFORE
							      : S3_FAULT_NONE;
}

TEST(an_upload_whose_end_is_not_answered_is_uncertain_and_left_alone)
{
	struct s3_fake fake;
	struct store *store = s3_fake_begin(&fake);
	uint8_t *body = s3_fixture_body(2 * S3_FAKE_PART_SIZE);
	fake.fault = drop_ends;
	CHECK(!s3_fixture_write_in_pieces(
		store, "x", bytes_of(body, 2 * S3_FAKE_PART_SIZE), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_UNCERTAIN);
	CHECK_EQUAL(fake.uploads, 1);
	CHECK(strncmp(fake.last, "HEAD", 4) == 0 || strncmp(fake.last, "GET", 3) == 0);
	free(body);
	s3_fake_end(&fake, store);
}

static enum s3_fault end_upload(struct s3_fake *fake, const struct served_request *request)
{
	if (strstr(request->target, "partNumber=2") != NULL)
		s3_fake_forget_parts(fake);
	return S3_FAULT_NONE;
}

TEST(an_upload_that_somebody_else_ends_is_lost_and_leaves_nothing)
{
	struct s3_fake fake;
	struct store *store = s3_fake_begin(&fake);
	uint8_t *body = s3_fixture_body(3 * S3_FAKE_PART_SIZE);
	fake.fault = end_upload;
	CHECK(!s3_fixture_write_in_pieces(
		store, "x", bytes_of(body, 3 * S3_FAKE_PART_SIZE), &fake.err));
	CHECK(fake.err.kind == ERROR_LOST || fake.err.kind == ERROR_BUSY);
	CHECK_EQUAL(fake.count, 0);
	free(body);
	s3_fake_end(&fake, store);
}

TEST(an_upload_in_parts_does_not_replace_an_object)
{
	struct s3_fake fake;
	struct store *store = s3_fake_begin(&fake);
	uint8_t *body = s3_fixture_body(2 * S3_FAKE_PART_SIZE);
	CHECK_OK(store_put(store, "big", BYTES_LITERAL("small"), &fake.err), &fake.err);
	CHECK(!s3_fixture_write_in_pieces(
		store, "big", bytes_of(body, 2 * S3_FAKE_PART_SIZE), &fake.err));
	CHECK_EQUAL(fake.err.kind, ERROR_CONFLICT);
	CHECK_EQUAL(fake.uploads, 0);
	CHECK_EQUAL(fake.count, 1);
	free(body);
	s3_fake_end(&fake, store);
}
