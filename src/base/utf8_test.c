#include "base/test.h"
#include "base/utf8.h"

TEST(utf8_is_told_from_other_bytes)
{
	static const struct {
		const char *text;
		bool is_valid;
	} cases[] = {
		{ "", true },
		{ "plain ASCII, longer than one word", true },
		{ "gr\xC3\xBC\xC3\x9F", true },
		{ "\xE2\x82\xAC \xEF\xBF\xBF \xED\x9F\xBF \xEE\x80\x80", true },
		{ "\xF0\x9F\x98\x80 \xF4\x8F\xBF\xBF", true },
		{ "12345678\xC3\xBC", true },
		{ "\x80", false },
		{ "latin \xFC", false },
		{ "\xC3", false },
		{ "12345678\xC3", false },
		{ "\xC0\x80", false },
		{ "\xC1\xBF", false },
		{ "\xE0\x9F\xBF", false },
		{ "\xE2\x82", false },
		{ "\xE2\x28\xA1", false },
		{ "\xED\xA0\x80", false },
		{ "\xF0\x8F\xBF\xBF", false },
		{ "\xF0\x9F\x98", false },
		{ "\xF4\x90\x80\x80", false },
		{ "\xF5\x80\x80\x80", false },
		{ "\xFF", false },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		CHECK(utf8_is_valid(bytes_of_cstring(cases[i].text)) == cases[i].is_valid);
}
