#include "store/s3/xml.h"

#include "base/test.h"

#define PAGE                                                                                       \
	"<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<ListBucketResult xmlns=\"http://s3\">"       \
	"<Name>lake</Name><IsTruncated>true</IsTruncated>"                                         \
	"<NextContinuationToken>a/b=</NextContinuationToken><EncodingType>url</EncodingType>"      \
	"<Contents><Key>a+b%C3%A9%3D/c%2b</Key><LastModified>2009-10-12T17:50:30.000Z"             \
	"</LastModified><Size>434234</Size></Contents>"                                            \
	"<Contents><Key>d</Key><LastModified>1970-01-02T00:00:01Z</LastModified><Size>0</Size>"    \
	"</Contents></ListBucketResult>"

static bool read_page(const char *text, struct arena *arena, struct xml_page *page)
{
	struct error err = { 0 };
	const bool done = xml_read_page(bytes_of_cstring(text), arena, page, &err);
	CHECK(done || err.kind == ERROR_LOST);
	return done;
}

TEST(a_page_of_a_listing_is_read)
{
	struct arena arena = { 0 };
	struct xml_page page;
	CHECK(read_page(PAGE, &arena, &page));
	CHECK_EQUAL(page.count, 2);
	CHECK_TEXT(page.objects[0].key, "a b\u00e9=/c+");
	CHECK_EQUAL(page.objects[0].size_bytes, 434234);
	CHECK_EQUAL(page.objects[0].modified_at, INT64_C(1255369830000000));
	CHECK_TEXT(page.objects[1].key, "d");
	CHECK_EQUAL(page.objects[1].modified_at, INT64_C(86401000000));
	CHECK_TEXT(page.next, "a/b=");
	CHECK(read_page("<ListBucketResult><Contents><Key>a%20</Key><LastModified>"
			"2024-02-29T23:59:59Z</LastModified><Size>1</Size></Contents>"
			"</ListBucketResult>",
		&arena, &page));
	CHECK_TEXT(page.objects[0].key, "a%20");
	CHECK(page.next == NULL);
	arena_deinit(&arena);
}

static void check_refused(const char *page_text)
{
	struct arena arena = { 0 };
	struct xml_page page;
	if (read_page(page_text, &arena, &page))
		test_fail(__FILE__, __LINE__, "not refused: %s", page_text);
	arena_deinit(&arena);
}

#define ONE(key, time, size)                                                                       \
	"<ListBucketResult><EncodingType>url</EncodingType><Contents><Key>" key                    \
	"</Key><LastModified>" time "</LastModified><Size>" size                                   \
	"</Size></Contents></ListBucketResult>"

TEST(a_listing_that_breaks_its_form_is_refused)
{
	check_refused("");
	check_refused("no XML");
	check_refused("<Other/>");
	check_refused(ONE("", "2009-10-12T17:50:30Z", "1"));
	check_refused(ONE("a%2", "2009-10-12T17:50:30Z", "1"));
	check_refused(ONE("a%zz", "2009-10-12T17:50:30Z", "1"));
	check_refused(ONE("a%00", "2009-10-12T17:50:30Z", "1"));
	check_refused(ONE("a", "2009-02-29T17:50:30Z", "1"));
	check_refused(ONE("a", "2009-10-12T24:50:30Z", "1"));
	check_refused(ONE("a", "2009-10-12 17:50:30", "1"));
	check_refused(ONE("a", "2009-10-12T17:50:30.00", "1"));
	check_refused(ONE("a", "2009-10-12T17:50:30Zx", "1"));
	check_refused(ONE("a", "", "1"));
	check_refused(ONE("a", "2009-10-12T17:50:30Z", ""));
	check_refused(ONE("a", "2009-10-12T17:50:30Z", "-1"));
	check_refused(ONE("a", "2009-10-12T17:50:30Z", "1234567890123456789"));
	check_refused("<ListBucketResult><IsTruncated>true</IsTruncated></ListBucketResult>");
	check_refused("<!DOCTYPE x [<!ENTITY e \"x\">]><ListBucketResult>&e;</ListBucketResult>");
	check_refused("<a><b><c><d><e><f><g><h><i/></h></g></f></e></d></c></b></a>");
}

TEST(a_listing_cut_anywhere_is_refused)
{
	const size_t size = strlen(PAGE);
	for (size_t cut = 0; cut < size; cut++) {
		struct arena arena = { 0 };
		struct xml_page page;
		struct error err = { 0 };
		CHECK(!xml_read_page(bytes_of(PAGE, cut), &arena, &page, &err));
		CHECK_EQUAL(err.kind, ERROR_LOST);
		arena_deinit(&arena);
	}
}

TEST(a_listing_with_a_flipped_bit_is_read_or_refused)
{
	char text[] = PAGE;
	for (size_t bit = 0; bit < 8 * (sizeof text - 1); bit++) {
		struct arena arena = { 0 };
		struct xml_page page;
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
		if (read_page(text, &arena, &page))
			CHECK(page.count <= 2);
		text[bit / 8] = (char)(text[bit / 8] ^ (1 << bit % 8));
		arena_deinit(&arena);
	}
}

TEST(limits_of_xml_are_kept)
{
	struct buffer text = { 0 };
	buffer_append_cstring(&text, "<ListBucketResult>");
	for (int i = 0; i < 40001; i++)
		buffer_append_cstring(&text, "<x/>");
	buffer_append_cstring(&text, "</ListBucketResult>");
	buffer_append_u8(&text, 0);
	check_refused((const char *)text.data);
	buffer_reset(&text);
	buffer_append_cstring(&text, "<ListBucketResult><x>");
	for (int i = 0; i < 16 * 1024 + 1; i++)
		buffer_append_cstring(&text, "y");
	buffer_append_cstring(&text, "</x></ListBucketResult>");
	buffer_append_u8(&text, 0);
	check_refused((const char *)text.data);
	buffer_deinit(&text);
}

TEST(an_error_document_is_told_from_others)
{
	struct arena arena = { 0 };
	struct xml_error error;
	CHECK(xml_read_error(
		BYTES_LITERAL("<Error><Code>AuthorizationHeaderMalformed</Code>"
			      "<Message>m</Message><Region>eu-west-1</Region></Error>"),
		&arena, &error));
	CHECK_TEXT(error.code, "AuthorizationHeaderMalformed");
	CHECK_TEXT(error.message, "m");
	CHECK_TEXT(error.region, "eu-west-1");
	CHECK(!xml_read_error(BYTES_LITERAL("<Error></Error>"), &arena, &error));
	CHECK(!xml_read_error(BYTES_LITERAL("<html>404</html>"), &arena, &error));
	CHECK(!xml_read_error(BYTES_LITERAL("Not Found"), &arena, &error));
	CHECK_TEXT(error.code, "");
	arena_deinit(&arena);
}

TEST(the_other_answers_in_xml_are_read)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct xml_failure *failures;
	struct xml_unfinished_page unfinished;
	const char *id;
	size_t count;
	CHECK_OK(xml_read_failures(
			 BYTES_LITERAL("<DeleteResult><Deleted><Key>a</Key></Deleted><Error><Key>"
				       "b&amp;</Key><Code>AccessDenied</Code></Error>"
				       "</DeleteResult>"),
			 &arena, &failures, &count, &err),
		&err);
	CHECK_EQUAL(count, 1);
	CHECK_TEXT(failures[0].key, "b&");
	CHECK_TEXT(failures[0].error.code, "AccessDenied");
	CHECK_OK(xml_read_upload_id(BYTES_LITERAL("<InitiateMultipartUploadResult><UploadId>u/1"
						  "</UploadId></InitiateMultipartUploadResult>"),
			 &arena, &id, &err),
		&err);
	CHECK_TEXT(id, "u/1");
	CHECK(!xml_read_upload_id(
		BYTES_LITERAL("<InitiateMultipartUploadResult/>"), &arena, &id, &err));
	CHECK_EQUAL(err.kind, ERROR_LOST);
	CHECK(xml_is_completion(BYTES_LITERAL("\n\n<CompleteMultipartUploadResult/>")));
	CHECK(!xml_is_completion(BYTES_LITERAL("<Error/>")));
	CHECK_OK(xml_read_unfinished(
			 BYTES_LITERAL("<ListMultipartUploadsResult><Upload><Key>k</Key><UploadId>"
				       "1</UploadId><Initiated>2010-11-10T20:48:33.000Z</Initiated>"
				       "</Upload><Upload><Key>old</Key></Upload>"
				       "</ListMultipartUploadsResult>"),
			 &arena, &unfinished, &err),
		&err);
	CHECK_EQUAL(unfinished.count, 1);
	CHECK_TEXT(unfinished.uploads[0].upload_id, "1");
	CHECK(unfinished.next_key == NULL);
	CHECK_OK(xml_read_unfinished(
			 BYTES_LITERAL("<ListMultipartUploadsResult><EncodingType>url"
				       "</EncodingType><IsTruncated>true</IsTruncated>"
				       "<NextKeyMarker>a%20b</NextKeyMarker><NextUploadIdMarker>7"
				       "</NextUploadIdMarker></ListMultipartUploadsResult>"),
			 &arena, &unfinished, &err),
		&err);
	CHECK_TEXT(unfinished.next_key, "a b");
	CHECK_TEXT(unfinished.next_upload_id, "7");
	CHECK(!xml_read_unfinished(
		BYTES_LITERAL("<ListMultipartUploadsResult><IsTruncated>true</IsTruncated>"
			      "</ListMultipartUploadsResult>"),
		&arena, &unfinished, &err));
	arena_deinit(&arena);
}

TEST(requests_in_xml_escape_what_they_name)
{
	struct buffer out = { 0 };
	static const char *const KEYS[] = { "a", "<&>\"'\u00e9" };
	xml_append_removals(&out, KEYS, 2);
	buffer_append_u8(&out, 0);
	CHECK_TEXT((const char *)out.data,
		"<Delete><Quiet>true</Quiet><Object><Key>a</Key></Object><Object><Key>"
		"&lt;&amp;&gt;&quot;'\u00e9</Key></Object></Delete>");
	buffer_reset(&out);
	static const char *const ETAGS[] = { "\"e1\"", "e2" };
	xml_append_completion(&out, ETAGS, 2);
	buffer_append_u8(&out, 0);
	CHECK_TEXT((const char *)out.data,
		"<CompleteMultipartUpload><Part><PartNumber>1</PartNumber><ETag>&quot;e1&quot;"
		"</ETag></Part><Part><PartNumber>2</PartNumber><ETag>e2</ETag></Part>"
		"</CompleteMultipartUpload>");
	CHECK(xml_can_name("a b\u00e9"));
	CHECK(!xml_can_name("a\x01"));
	CHECK(!xml_can_name("a\n"));
	buffer_deinit(&out);
}
