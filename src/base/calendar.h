/*
 * calendar.h: days since 1970-01-01 to dates of the proleptic Gregorian calendar, and back.
 *
 * Years are astronomical: 0 is 1 BC.  Any int32_t of days and its years are in range.
 */
#ifndef BASE_CALENDAR_H
#define BASE_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

struct calendar_date {
	int64_t year;
	unsigned month; /* 1 to 12 */
	unsigned day;   /* 1 to 31 */
};

bool calendar_is_date(struct calendar_date date); /* the month has that day */
int64_t calendar_days(struct calendar_date date);
struct calendar_date calendar_date_of(int64_t days);

#endif
