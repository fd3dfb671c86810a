#include "base/test.h"
#include "event/value.h"

TEST(a_column_type_keeps_its_value_through_text)
{
	static const struct {
		struct column_type type;
		const char *text;
		size_t width;
	} cases[] = {
		{ { VALUE_BOOLEAN, 0, 0 }, "boolean", 1 },
		{ { VALUE_INT, 0, 0 }, "int", 4 },
		{ { VALUE_LONG, 0, 0 }, "long", 8 },
		{ { VALUE_FLOAT, 0, 0 }, "float", 4 },
		{ { VALUE_DOUBLE, 0, 0 }, "double", 8 },
		{ { VALUE_DECIMAL, 18, 2 }, "decimal(18, 2)", 8 },
		{ { VALUE_DECIMAL, 19, 19 }, "decimal(19, 19)", 16 },
		{ { VALUE_DECIMAL, 38, 0 }, "decimal(38, 0)", 16 },
		{ { VALUE_DATE, 0, 0 }, "date", 4 },
		{ { VALUE_TIME, 0, 0 }, "time", 8 },
		{ { VALUE_TIMESTAMP, 0, 0 }, "timestamp", 8 },
		{ { VALUE_TIMESTAMPTZ, 0, 0 }, "timestamptz", 8 },
		{ { VALUE_STRING, 0, 0 }, "string", 0 },
		{ { VALUE_UUID, 0, 0 }, "uuid", 16 },
		{ { VALUE_BINARY, 0, 0 }, "binary", 0 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		char text[COLUMN_TYPE_TEXT_SIZE];
		struct column_type parsed;
		CHECK_TEXT(column_type_format(cases[i].type, text), cases[i].text);
		CHECK(column_type_parse(cases[i].text, &parsed));
		CHECK(column_type_equal(parsed, cases[i].type));
		CHECK_EQUAL(column_type_width(parsed), cases[i].width);
	}
}

TEST(decimal_types_are_parsed_whatever_their_blanks)
{
	struct column_type parsed;
	CHECK(column_type_parse("decimal(9,2)", &parsed));
	CHECK(column_type_equal(parsed, (struct column_type){ VALUE_DECIMAL, 9, 2 }));
	CHECK(column_type_parse("decimal( 9 , 2 )", &parsed));
	CHECK(!column_type_equal(parsed, (struct column_type){ VALUE_DECIMAL, 9, 3 }));
}

TEST(text_that_is_no_column_type_is_refused)
{
	static const char *const bad[] = { "", "none", "longs", "lon", "timestamp_ns", "decimal",
		"decimal(", "decimal(0,0)", "decimal(39,0)", "decimal(9,10)", "decimal(9)",
		"decimal(9,2", "decimal(9,2)x", "decimal(009,2)", "decimal(-1,2)", "fixed[16]",
		"STRING" };
	for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
		struct column_type parsed;
		CHECK(!column_type_parse(bad[i], &parsed));
	}
}
