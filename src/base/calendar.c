#include "base/calendar.h"

/*
 * A year is taken to begin with March, so that the leap day is its last, and 400 years make an
 * era of always 146097 days (Hinnant, "chrono-Compatible Low-Level Date Algorithms").
 */
enum {
	DAYS_PER_ERA = 146097,
	DAYS_PER_4_YEARS = 1461,
	DAYS_TO_1970 = 719468, /* from 0000-03-01 */
};

static int64_t divide_down(int64_t value, int64_t by)
{
	return (value - (value % by < 0 ? by : 0)) / by;
}

bool calendar_is_date(struct calendar_date date)
{
	static const uint8_t DAYS[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
	if (date.month < 1 || date.month > 12 || date.day < 1 || date.day > DAYS[date.month - 1])
		return false;
	const bool is_leap = date.year % 4 == 0 && (date.year % 100 != 0 || date.year % 400 == 0);
	return is_leap || date.month != 2 || date.day < 29;
}

int64_t calendar_days(struct calendar_date date)
{
	const int64_t year = date.year - (date.month <= 2);
	const int64_t era = divide_down(year, 400);
	const int64_t year_of_era = year - era * 400;
	const int64_t month = date.month > 2 ? date.month - 3 : date.month + 9;
	const int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
	const int64_t day_of_era =
		year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
	return era * DAYS_PER_ERA + day_of_era - DAYS_TO_1970;
}

struct calendar_date calendar_date_of(int64_t days)
{
	days += DAYS_TO_1970;
	const int64_t era = divide_down(days, DAYS_PER_ERA);
	const int64_t day_of_era = days - era * DAYS_PER_ERA;
	const int64_t year_of_era = (day_of_era - day_of_era / (DAYS_PER_4_YEARS - 1) +
					    day_of_era / 36524 - day_of_era / (DAYS_PER_ERA - 1)) /
				    365;
	const int64_t day_of_year =
		day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
	const int64_t month = (5 * day_of_year + 2) / 153; /* 0 is March */
	return (struct calendar_date){
		.year = year_of_era + era * 400 + (month >= 10),
		.month = (unsigned)(month < 10 ? month + 3 : month - 9),
		.day = (unsigned)(day_of_year - (153 * month + 2) / 5 + 1),
	};
}
