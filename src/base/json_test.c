#include "base/json.h"
#include "base/test.h"
#include "base/utf8.h"

static const char DOCUMENT[] = "{\"id\":-9223372036854775808,\"big\":18446744073709551615,\"name\":"
			       "\"caf\xc3\xa9 \\\"\\n\\u0001\","
			       "\"flags\":[true,false,null,[],{}],\"half\":0.5,\"raw\":{\"a\":1}}";

static void write_document(struct json_writer *writer)
{
	json_write_begin_object(writer);
	json_write_member_int(writer, "id", INT64_MIN);
	json_write_member_uint(writer, "big", UINT64_MAX);
	json_write_member_cstring(writer, "name", "caf\xc3\xa9 \"\n\x01");
	json_write_key(writer, "flags");
	json_write_begin_array(writer);
	json_write_bool(writer, true);
	json_write_bool(writer, false);
	json_write_cstring(writer, NULL);
	json_write_begin_array(writer);
	json_write_end_array(writer);
	json_write_begin_object(writer);
	json_write_end_object(writer);
	json_write_end_array(writer);
	json_write_key(writer, "half");
	json_write_double(writer, 0.5);
	json_write_key(writer, "raw");
	json_write_raw(writer, BYTES_LITERAL("{\"a\":1}"));
	json_write_end_object(writer);
}

TEST(json_is_written_with_its_commas_and_escapes)
{
	struct buffer buffer = { 0 };
	struct json_writer writer = json_writer_of(&buffer);
	struct error err;
	write_document(&writer);
	CHECK_OK(json_write_finish(&writer, &err), &err);
	buffer_append_u8(&buffer, 0);
	CHECK_TEXT((const char *)buffer.data, DOCUMENT);
	buffer_deinit(&buffer);
}

TEST(json_with_invalid_text_is_valid_but_not_finished)
{
	struct buffer buffer = { 0 };
	struct json_writer writer = json_writer_of(&buffer);
	struct error err;
	json_write_text(&writer, BYTES_LITERAL("a\xff\xc3"));
	CHECK(!json_write_finish(&writer, &err));
	CHECK(err.kind == ERROR_CORRUPT);
	CHECK(bytes_equal(buffer_bytes(&buffer), BYTES_LITERAL("\"a\xef\xbf\xbd\xef\xbf\xbd\"")));
	buffer_deinit(&buffer);
}

TEST(json_members_are_read_by_type)
{
	struct error err;
	json_t *document, *array;
	const char *text;
	int64_t number;
	bool flag;
	CHECK_OK(json_parse(BYTES_LITERAL("{\"i\":9223372036854775807,\"t\":\"x\",\"b\":true,"
					  "\"a\":[1],\"n\":null}"),
			 1000, &document, &err),
		&err);
	CHECK_OK(json_read_int(document, "i", &number, &err), &err);
	CHECK(number == INT64_MAX);
	CHECK_OK(json_read_text(document, "t", &text, &err), &err);
	CHECK_TEXT(text, "x");
	CHECK_OK(json_read_bool_or(document, "b", false, &flag, &err), &err);
	CHECK(flag);
	CHECK_OK(json_read_array(document, "a", &array, &err), &err);
	CHECK_EQUAL(json_array_size(array), 1);
	CHECK_OK(json_read_text_or(document, "n", "none", &text, &err), &err);
	CHECK_TEXT(text, "none");
	CHECK_OK(json_read_text_or(document, "no", NULL, &text, &err), &err);
	CHECK(text == NULL);
	CHECK(!json_read_int(document, "n", &number, &err));
	CHECK_TEXT(err.text, "the JSON member \"n\" is missing");
	CHECK(!json_read_text_or(document, "i", "", &text, &err));
	CHECK_TEXT(err.text, "the JSON member \"i\" is not text");
	CHECK(!json_read_int(array, "i", &number, &err));
	CHECK(err.kind == ERROR_CORRUPT);
	json_decref(document);
}

static enum error_kind kind_of(struct bytes text)
{
	struct error err = { 0 };
	json_t *document;
	if (json_parse(text, 1000, &document, &err))
		json_decref(document);
	return err.kind;
}

TEST(json_that_would_lose_or_hide_something_is_refused)
{
	CHECK(kind_of(BYTES_LITERAL("9223372036854775808")) == ERROR_CORRUPT);
	CHECK(kind_of(BYTES_LITERAL("{\"a\":1,\"a\":2}")) == ERROR_CORRUPT);
	CHECK(kind_of(BYTES_LITERAL("[1] 2")) == ERROR_CORRUPT);
	CHECK(kind_of(BYTES_LITERAL("")) == ERROR_CORRUPT);
	CHECK(kind_of(BYTES_LITERAL("\"\xff\"")) == ERROR_CORRUPT);
	CHECK(kind_of(BYTES_LITERAL("\"[[[[\\\"[\"")) == ERROR_NONE);
	char deep[JSON_DEPTH_MAX * 2 + 2];
	memset(deep, '[', sizeof deep / 2);
	memset(deep + sizeof deep / 2, ']', sizeof deep / 2);
	CHECK(kind_of(bytes_of(deep, sizeof deep)) == ERROR_CORRUPT);
	CHECK(kind_of(bytes_of(deep + 1, sizeof deep - 2)) == ERROR_NONE);
	char large[1001] = { 0 };
	CHECK(kind_of(bytes_of(large, sizeof large)) == ERROR_LIMIT);
}

TEST(json_cut_or_with_flipped_bits_never_crashes_the_reader)
{
	for (size_t size = 0; size < sizeof DOCUMENT - 1; size++)
		CHECK(kind_of(bytes_of(DOCUMENT, size)) == ERROR_CORRUPT);
	for (size_t bit = 0; bit < 8 * (sizeof DOCUMENT - 1); bit++) {
		char flipped[sizeof DOCUMENT];
		memcpy(flipped, DOCUMENT, sizeof flipped);
		flipped[bit / 8] = (char)(flipped[bit / 8] ^ 1 << bit % 8);
		kind_of(bytes_of(flipped, sizeof flipped - 1));
	}
}

TEST(utf8_is_checked_by_the_letter_of_its_rfc)
{
	CHECK(utf8_is_valid(BYTES_LITERAL(
		"a\xc2\x80\xe0\xa0\x80\xed\x9f\xbf\xf0\x90\x80\x80\xf4\x8f\xbf\xbf")));
	static const char *const BAD[] = { "\x80", "\xc1\xbf", "\xe0\x9f\xbf", "\xed\xa0\x80",
		"\xf0\x8f\xbf\xbf", "\xf4\x90\x80\x80", "\xf5\x80\x80\x80", "\xe1\x80",
		"\xe1\x80\xc0", "\xff" };
	for (size_t i = 0; i < sizeof BAD / sizeof *BAD; i++)
		CHECK(!utf8_is_valid(bytes_of_cstring(BAD[i])));
}
