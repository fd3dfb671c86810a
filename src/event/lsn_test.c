#include "base/test.h"
#include "event/lsn.h"

TEST(an_lsn_keeps_its_value_through_text)
{
	static const struct {
		lsn_t lsn;
		const char *text;
	} pairs[] = { { 0, "0/0" }, { 0x16B3748, "0/16B3748" }, { 0x1600000000, "16/0" },
		{ UINT64_MAX, "FFFFFFFF/FFFFFFFF" } };
	for (size_t i = 0; i < sizeof pairs / sizeof pairs[0]; i++) {
		char text[LSN_TEXT_SIZE];
		lsn_t parsed = 1;
		CHECK_TEXT(lsn_format(pairs[i].lsn, text), pairs[i].text);
		CHECK(lsn_parse(pairs[i].text, &parsed));
		CHECK(parsed == pairs[i].lsn);
	}
	lsn_t lower;
	CHECK(lsn_parse("a/ff", &lower));
	CHECK(lower == 0xA000000FF);
}

TEST(text_that_is_no_lsn_is_refused)
{
	static const char *const bad[] = { "", "/", "0", "0/", "/0", "0/0/0", "0/G", " 0/0", "0/0 ",
		"123456789/0", "0/123456789", "-1/0" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		lsn_t parsed;
		CHECK(!lsn_parse(bad[i], &parsed));
	}
}
