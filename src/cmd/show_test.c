#include "cmd/show.h"

#include "base/test.h"

TEST(a_time_is_shown_to_people_and_to_programs)
{
	char text[SHOW_SIZE];
	CHECK_TEXT(show_time(1706692087123456, text), "2024-01-31 09:08:07.123 UTC");
	CHECK_TEXT(show_time_json(1706692087123456, text), "2024-01-31T09:08:07.123456Z");
	CHECK_TEXT(show_time_json(0, text), "1970-01-01T00:00:00.000000Z");
	CHECK_TEXT(show_time_json(-1, text), "1969-12-31T23:59:59.999999Z");
}

TEST(a_size_is_shown_in_the_unit_that_fits)
{
	char text[SHOW_SIZE];
	CHECK_TEXT(show_bytes(0, text), "0 bytes");
	CHECK_TEXT(show_bytes(1, text), "1 byte");
	CHECK_TEXT(show_bytes(1023, text), "1023 bytes");
	CHECK_TEXT(show_bytes(1024, text), "1.0 kB");
	CHECK_TEXT(show_bytes(1024 * 1024 - 1, text), "1.0 MB");
	CHECK_TEXT(show_bytes(1258291, text), "1.2 MB");
	CHECK_TEXT(show_bytes(UINT64_MAX, text), "16384.0 PB");
}

TEST(a_span_is_shown_in_the_unit_that_fits)
{
	char text[SHOW_SIZE];
	CHECK_TEXT(show_span(0, text), "0.0 s");
	CHECK_TEXT(show_span(449999, text), "0.4 s");
	CHECK_TEXT(show_span(9999999, text), "9.9 s");
	CHECK_TEXT(show_span(119 * INT64_C(1000000), text), "119 s");
	CHECK_TEXT(show_span(7199 * INT64_C(1000000), text), "119 min");
	CHECK_TEXT(show_span(7200 * INT64_C(1000000), text), "2 h");
	CHECK_TEXT(show_span(5 * 86400 * INT64_C(1000000), text), "5 d");
}
