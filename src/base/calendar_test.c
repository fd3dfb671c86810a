#include "base/calendar.h"
#include "base/test.h"

TEST(every_day_of_800_years_and_its_date_belong_together)
{
	struct calendar_date expected = { 1600, 1, 1 };
	const int64_t first = calendar_days(expected);
	for (int64_t days = first; expected.year < 2400; days++) {
		const struct calendar_date date = calendar_date_of(days);
		CHECK(date.year == expected.year && date.month == expected.month &&
			date.day == expected.day);
		CHECK_EQUAL(calendar_days(expected), days);
		expected.day++;
		if (!calendar_is_date(expected))
			expected = (struct calendar_date){ expected.year, expected.month + 1, 1 };
		if (expected.month > 12)
			expected = (struct calendar_date){ expected.year + 1, 1, 1 };
	}
}

TEST(known_days_have_their_dates)
{
	CHECK_EQUAL(calendar_days((struct calendar_date){ 1970, 1, 1 }), 0);
	CHECK_EQUAL(calendar_days((struct calendar_date){ 2000, 1, 1 }), 10957);
	CHECK_EQUAL(calendar_days((struct calendar_date){ 1, 1, 1 }), -719162);
	CHECK_EQUAL(calendar_days((struct calendar_date){ 9999, 12, 31 }), 2932896);
	CHECK_EQUAL(calendar_days((struct calendar_date){ -4713, 11, 24 }), -2440588);
	CHECK_EQUAL(calendar_date_of(INT32_MIN).year, -5877641);
	CHECK_EQUAL(calendar_date_of(INT32_MAX).year, 5881580);
	CHECK(calendar_is_date((struct calendar_date){ 2000, 2, 29 }));
	CHECK(!calendar_is_date((struct calendar_date){ 1900, 2, 29 }));
	CHECK(calendar_is_date((struct calendar_date){ 0, 2, 29 }));
	CHECK(!calendar_is_date((struct calendar_date){ 2001, 13, 1 }));
	CHECK(!calendar_is_date((struct calendar_date){ 2001, 4, 31 }));
}
