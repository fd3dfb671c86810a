#include "base/test.h"
#include "store/s3/s3.h"

#define FILE_TEXT                                                                                  \
	"# keys\n[default]\naws_access_key_id = A1\naws_secret_access_key=S1=x/y\n\n"              \
	"; more\r\n [ other ] \r\n  aws_access_key_id=A2\r\naws_secret_access_key\t=\tS2\r\n"      \
	"aws_session_token = T2\r\nregion = x\r\n[empty]\naws_access_key_id =\n"

TEST(credentials_are_found_in_the_shared_file_by_profile)
{
	struct arena arena = { 0 };
	struct s3_credentials found;
	CHECK(s3_find_credentials(BYTES_LITERAL(FILE_TEXT), "default", &arena, &found));
	CHECK_TEXT(found.access_key, "A1");
	CHECK_TEXT(found.secret_key, "S1=x/y");
	CHECK(found.session_token == NULL);
	CHECK(s3_find_credentials(BYTES_LITERAL(FILE_TEXT), "other", &arena, &found));
	CHECK_TEXT(found.access_key, "A2");
	CHECK_TEXT(found.secret_key, "S2");
	CHECK_TEXT(found.session_token, "T2");
	CHECK(s3_find_credentials(BYTES_LITERAL(FILE_TEXT), "empty", &arena, &found));
	CHECK(found.access_key == NULL);
	CHECK(!s3_find_credentials(BYTES_LITERAL(FILE_TEXT), "absent", &arena, &found));
	CHECK(found.access_key == NULL);
	arena_deinit(&arena);
}

TEST(a_shared_file_cut_anywhere_is_read_as_far_as_it_goes)
{
	for (size_t cut = 0; cut < sizeof FILE_TEXT; cut++) {
		struct arena arena = { 0 };
		struct s3_credentials found;
		const char *text = arena_copy_text(&arena, bytes_of(FILE_TEXT, cut));
		s3_find_credentials(bytes_of(text, cut), "other", &arena, &found);
		CHECK(found.access_key == NULL || strcmp(found.access_key, "A2") == 0 ||
			strcmp(found.access_key, "A") == 0);
		arena_deinit(&arena);
	}
}
