#include "engine/maintenance.h"

#include "base/test.h"

#define SECOND MICROS_PER_SECOND
#define HOUR MICROS_PER_HOUR
#define NOW (1000 * HOUR)

static micros_t moment(struct maintenance_times times)
{
	struct error err = { 0 };
	micros_t out = 0;
	CHECK_OK(maintenance_moment(&times, &out, &err), &err);
	return out;
}

TEST(the_age_of_files_is_measured_by_the_stores_clock)
{
	const struct maintenance_times times = {
		.now = NOW,
		.store_now = NOW - 30 * SECOND,
		.older_than = 72 * HOUR,
	};
	CHECK_EQUAL(moment(times), NOW - 30 * SECOND - 72 * HOUR);
}

TEST(without_a_running_process_any_age_will_do)
{
	const struct maintenance_times times = { .now = NOW, .store_now = NOW };
	CHECK_EQUAL(moment(times), INT64_MAX);
}

TEST(beside_a_running_process_only_what_was_written_well_before_it_counts)
{
	struct maintenance_times times = {
		.now = NOW,
		.store_now = NOW,
		.older_than = HOUR,
		.is_running = true,
		.started_at = NOW - 10 * HOUR,
	};
	CHECK_EQUAL(moment(times), NOW - 11 * HOUR);
	times.older_than = 72 * HOUR;
	CHECK_EQUAL(moment(times), NOW - 72 * HOUR);
	times.older_than = HOUR - 1;
	struct error err = { 0 };
	micros_t out;
	CHECK(!maintenance_moment(&times, &out, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, "too short while the lake is in use") != NULL);
}

TEST(clocks_that_differ_by_more_than_a_minute_are_refused)
{
	static const micros_t SKEWS[] = { 61 * SECOND, -61 * SECOND, 5000 * HOUR };
	for (size_t i = 0; i < sizeof SKEWS / sizeof *SKEWS; i++) {
		const struct maintenance_times times = {
			.now = NOW,
			.store_now = NOW + SKEWS[i],
			.older_than = 72 * HOUR,
		};
		struct error err = { 0 };
		micros_t out;
		CHECK(!maintenance_moment(&times, &out, &err));
		CHECK_EQUAL(err.kind, ERROR_SETUP);
		CHECK(strstr(err.hint, "NTP") != NULL);
	}
}
