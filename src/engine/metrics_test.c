#include "engine/process.h"

#include "base/test.h"

#include <unistd.h>

static const char *text_of(
	const struct process_activity *activity, micros_t now, struct buffer *out)
{
	buffer_reset(out);
	metrics_print(activity, now, out);
	buffer_append_u8(out, '\0');
	return (const char *)out->data;
}

/* The line is there, whole. */
static void check_line(const char *text, const char *line)
{
	const char *found = strstr(text, line);
	while (found != NULL && !(found == text || found[-1] == '\n'))
		found = strstr(found + 1, line);
	if (found == NULL || found[strlen(line)] != '\n')
		test_fail(__FILE__, __LINE__, "no line \"%s\" in %s", line, text);
}

TEST(metrics_are_printed_in_prometheus_form)
{
	struct process_activity activity = {
		.pid = (int32_t)getpid(),
		.started_at = 1000000,
		.metrics = {
			.is_connected = 1,
			.log_bytes = 77,
			.apply = { .rows = { 5, 4, 3, 2 }, .transactions = UINT64_MAX },
			.tables = { 9, 8, 7, 6, 5 },
			.is_live = 1,
			.position = 1000,
			.position_at = 2000000,
			.source_position = 1500,
		},
	};
	struct buffer out = { 0 };
	const char *text = text_of(&activity, 3500000, &out);
	check_line(text, "# TYPE walberg_rows_applied_total counter");
	check_line(text, "walberg_rows_applied_total{operation=\"insert\"} 5");
	check_line(text, "walberg_rows_applied_total{operation=\"truncate\"} 2");
	check_line(text, "walberg_transactions_total 18446744073709551615");
	check_line(text, "walberg_tables{state=\"left_out\"} 5");
	CHECK(strstr(text, "state=\"forgotten\"") == NULL);
	check_line(text, "walberg_lag_bytes 500");
	check_line(text, "walberg_lag_seconds 1.5");
	check_line(text, "walberg_uptime_seconds 2.5");
	check_line(text, "walberg_connected 1");
	check_line(text, "walberg_log_bytes 77");
	check_line(text, "walberg_reconnects_total 0");
	check_line(text, "walberg_build_info{version=\"" WALBERG_VERSION "\"} 1");
	CHECK(strstr(text, "\nwalberg_memory_bytes 0\n") == NULL);
	buffer_deinit(&out);
}

/* HELP and TYPE once for each name, before its samples, as the format demands. */
TEST(every_sample_stands_behind_its_help_and_type)
{
	const struct process_activity activity = { .pid = (int32_t)getpid() };
	struct buffer out = { 0 };
	char name[128] = "";
	text_of(&activity, 0, &out);
	char *rest = (char *)out.data;
	for (char *line; (line = strsep(&rest, "\n")) != NULL && line[0] != '\0';) {
		if (sscanf(line, "# HELP %127s", name) == 1) {
			line = strsep(&rest, "\n");
			CHECK(strncmp(line, "# TYPE ", 7) == 0);
			CHECK(strncmp(line + 7, name, strlen(name)) == 0);
			continue;
		}
		CHECK(strncmp(line, name, strlen(name)) == 0);
		CHECK(strrchr(line, ' ') != NULL && strrchr(line, ' ')[1] != '\0');
	}
	buffer_deinit(&out);
}

TEST(a_histogram_counts_each_time_once_and_adds_up)
{
	struct process_activity activity = { .pid = 1 };
	static const micros_t TOOK[] = { 0, 10000, 10001, 400000, 10000000, 99000000 };
	for (size_t i = 0; i < sizeof TOOK / sizeof *TOOK; i++)
		metrics_observe(&activity.metrics.commits, TOOK[i]);
	struct buffer out = { 0 };
	const char *text = text_of(&activity, 0, &out);
	check_line(text, "walberg_commit_seconds_bucket{le=\"0.01\"} 2");
	check_line(text, "walberg_commit_seconds_bucket{le=\"0.025\"} 3");
	check_line(text, "walberg_commit_seconds_bucket{le=\"0.5\"} 4");
	check_line(text, "walberg_commit_seconds_bucket{le=\"10\"} 5");
	check_line(text, "walberg_commit_seconds_bucket{le=\"+Inf\"} 6");
	check_line(text, "walberg_commit_seconds_count 6");
	check_line(text, "walberg_commit_seconds_sum 109.420001");
	buffer_deinit(&out);
}

TEST(nothing_lags_before_the_lake_is_live_or_when_all_is_there)
{
	struct process_activity activity = {
		.metrics = { .position = 10, .position_at = 5, .source_position = 20 },
	};
	CHECK_EQUAL(metrics_lag_bytes(&activity), 0);
	activity.metrics.is_live = 1;
	CHECK_EQUAL(metrics_lag_bytes(&activity), 10);
	CHECK_EQUAL(metrics_lag(&activity, 25), 20);
	CHECK_EQUAL(metrics_lag(&activity, 1), 0); /* the source's clock may be ahead */
	activity.metrics.position = 20;
	CHECK_EQUAL(metrics_lag(&activity, 25), 0);
}

TEST(metrics_as_json_have_the_same_names)
{
	struct process_activity activity = { .pid = (int32_t)getpid() };
	struct buffer out = { 0 };
	struct error err;
	struct json_writer writer = json_writer_of(&out);
	activity.metrics.apply.rows[APPLY_DELETE] = 7;
	json_write_begin_object(&writer);
	metrics_write_json(&activity, 0, &writer);
	json_write_end_object(&writer);
	CHECK_OK(json_write_finish(&writer, &err), &err);
	buffer_append_u8(&out, '\0');
	CHECK(strstr((char *)out.data, "\"walberg_rows_applied_total\":{\"insert\":0,\"update\":0,"
				       "\"delete\":7,\"truncate\":0}") != NULL);
	CHECK(strstr((char *)out.data, "\"walberg_commit_seconds\":{\"count\":0,\"sum\":") != NULL);
	buffer_deinit(&out);
}

TEST(the_page_about_the_metrics_is_up_to_date)
{
	enum {
		TEXT_SIZE_MAX = 1 << 20
	};
	char *expected = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&expected, &size);
	metrics_print_markdown(out);
	fclose(out);
	FILE *file = fopen(WALBERG_CORPUS "/../../docs/metrics.md", "r");
	CHECK(file != NULL);
	char *page = memory_allocate(TEXT_SIZE_MAX, 1);
	const size_t got = fread(page, 1, TEXT_SIZE_MAX - 1, file);
	fclose(file);
	if (got != size || memcmp(page, expected, size) != 0)
		test_fail(__FILE__, __LINE__, "docs/metrics.md is old: run \"make docs\"");
	free(page);
	free(expected);
}
