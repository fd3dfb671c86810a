#include "cmd/show.h"

#include "base/calendar.h"

#include <inttypes.h>

enum {
	SECONDS_PER_DAY = 24 * 60 * 60,
	STEP = 1024, /* from one unit of size to the next */
};

struct moment {
	struct calendar_date date;
	int hour, minute, second, micros;
};

static struct moment moment_of(micros_t at)
{
	int64_t days = at / MICROS_PER_DAY - (at % MICROS_PER_DAY < 0);
	const int64_t within = at - days * MICROS_PER_DAY;
	const int seconds = (int)(within / MICROS_PER_SECOND);
	return (struct moment){ calendar_date_of(days), seconds / 3600, seconds / 60 % 60,
		seconds % 60, (int)(within % MICROS_PER_SECOND) };
}

const char *show_time(micros_t at, char text[SHOW_SIZE])
{
	const struct moment m = moment_of(at);
	snprintf(text, SHOW_SIZE, "%04" PRId64 "-%02u-%02u %02d:%02d:%02d.%03d UTC", m.date.year,
		m.date.month, m.date.day, m.hour, m.minute, m.second, m.micros / 1000);
	return text;
}

const char *show_time_json(micros_t at, char text[SHOW_SIZE])
{
	const struct moment m = moment_of(at);
	snprintf(text, SHOW_SIZE, "%04" PRId64 "-%02u-%02uT%02d:%02d:%02d.%06dZ", m.date.year,
		m.date.month, m.date.day, m.hour, m.minute, m.second, m.micros);
	return text;
}

const char *show_bytes(uint64_t bytes, char text[SHOW_SIZE])
{
	static const char *const UNITS[] = { "kB", "MB", "GB", "TB", "PB" };
	if (bytes < STEP) {
		snprintf(text, SHOW_SIZE, "%u byte%s", (unsigned)bytes, bytes == 1 ? "" : "s");
		return text;
	}
	double size = (double)bytes / STEP;
	size_t unit = 0;
	for (; size >= STEP - 0.05 && unit + 1 < sizeof UNITS / sizeof *UNITS; unit++)
		size /= STEP;
	snprintf(text, SHOW_SIZE, "%.1f %s", size, UNITS[unit]);
	return text;
}

const char *show_span(micros_t span, char text[SHOW_SIZE])
{
	const int64_t seconds = span / MICROS_PER_SECOND;
	if (seconds < 10)
		snprintf(text, SHOW_SIZE, "%.1f s", (double)(span / 100000) / 10);
	else if (seconds < 120)
		snprintf(text, SHOW_SIZE, "%" PRId64 " s", seconds);
	else if (seconds < 120 * 60)
		snprintf(text, SHOW_SIZE, "%" PRId64 " min", seconds / 60);
	else if (seconds < 2 * SECONDS_PER_DAY)
		snprintf(text, SHOW_SIZE, "%" PRId64 " h", seconds / 3600);
	else
		snprintf(text, SHOW_SIZE, "%" PRId64 " d", seconds / SECONDS_PER_DAY);
	return text;
}
