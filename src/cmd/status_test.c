#include "cmd/status.h"

#include "base/test.h"

#include <stdlib.h>

/* 2024-01-31 09:08:07.123456 UTC */
#define NOW INT64_C(1706692087123456)

static const struct configuration the_configuration = { .lake_directory = "/lake" };

static const struct catalog_table the_rows[] = {
	{ "public", "customers", "file:///lake/1", TABLE_LIVE, "", "", 0, 0 },
	{ "public", "events", "file:///lake/2", TABLE_LIVE, "", "", 0, 0 },
	{ "public", "orders", "file:///lake/3", TABLE_PAUSED, "A value does not fit.", "", 0x50,
		0 },
	{ "public", "visits", "", TABLE_LEFT_OUT, "it is unlogged.", "", 0, 0 },
};

static void fill(struct status *status, struct lake *lake, struct status_table tables[4])
{
	*lake = (struct lake){ .id = "0a1b2c3d",
		.slot_name = "walberg_0a1b2c3d",
		.phase = LAKE_LIVE,
		.commit_number = 7,
		.position = 0x100,
		.position_at = NOW - 2000000 };
	for (size_t i = 0; i < 4; i++)
		tables[i] = (struct status_table){ .row = &the_rows[i] };
	tables[0].has_version = tables[1].has_version = tables[2].has_version = true;
	tables[0].version = (struct lake_version){ 9007199254740993, 3, 0x100 };
	tables[1].version = (struct lake_version){ 5, 12, 0x80 };
	tables[1].is_append = true;
	tables[2].version = (struct lake_version){ 6, 0, 0x40 };
	tables[0].position = tables[1].position = 0x100;
	tables[2].position = 0x50;
	*status = (struct status){ .configuration = &the_configuration,
		.lake = lake,
		.now = NOW,
		.log_bytes = 2048,
		.table_count = 4,
		.tables = tables };
}

static void expect(const struct status *status, const char *expected, int line)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	status_print(status, out);
	fclose(out);
	if (strcmp(text, expected) != 0)
		test_fail(__FILE__, line, "printed\n%s", text);
	free(text);
}

#define TABLES                                                                                     \
	"      table       | rows |     version      | position |                  state         " \
	"  "                                                                                       \
	"        \n"                                                                               \
	"------------------+------+------------------+----------+--------------------------------" \
	"--"                                                                                       \
	"--------\n"                                                                               \
	" public.customers |    3 | 9007199254740993 |    0/100 | live\n"                          \
	" public.events    |   12 |                5 |    0/100 | append: updates and deletes "    \
	"are "                                                                                     \
	"not seen\n"                                                                               \
	" public.orders    |    0 |                6 |     0/50 | paused\n"                        \
	" public.visits    |      |                  |          | left out\n"                      \
	"(4 rows)\n"                                                                               \
	"public.orders is paused: A value does not fit. \"walberg snapshot public.orders\" "       \
	"brings it back.\n"                                                                        \
	"public.visits is left out: it is unlogged.\n"

TEST(a_status_without_process_and_source_says_so)
{
	struct status status;
	struct lake lake;
	struct status_table tables[4];
	fill(&status, &lake, tables);
	status.source_trouble = "it was not asked";
	expect(&status,
		"lake      0a1b2c3d in /lake, at 0/100 (2024-01-31 09:08:05.123 UTC)\n"
		"process   none is running (\"walberg run\" starts one)\n"
		"source    not looked at: it was not asked\n"
		"log       2.0 kB\n\n" TABLES,
		__LINE__);
}

TEST(a_status_shows_what_the_process_and_the_source_do)
{
	struct status status;
	struct lake lake;
	struct status_table tables[4];
	fill(&status, &lake, tables);
	status.is_running = true;
	status.process.pid = 4711;
	status.process.started_at = NOW - 300 * INT64_C(1000000);
	status.process.metrics.is_connected = 1;
	status.process.metrics.is_log_full = 1;
	strcpy(status.process.text, "running");
	status.is_reachable = true;
	status.source = (struct source_state){ .server_version = 150018,
		.current_lsn = 0x600,
		.has_slot = true,
		.confirmed_lsn = 0x200,
		.restart_lsn = 0x80 };
	status.held_bytes = 0x580;
	status.lag_bytes = 0x500;
	status.lag = 2000000;
	expect(&status,
		"lake      0a1b2c3d in /lake, at 0/100 (2024-01-31 09:08:05.123 UTC)\n"
		"process   4711, for 5 min: running\n"
		"          nothing is read from the source: the log has reached log.size_limit,\n"
		"          and waits for the tables; a transaction larger than that never fits\n"
		"source    PostgreSQL 15, at 0/600\n"
		"slot      walberg_0a1b2c3d, confirmed 0/200, restarts at 0/80, holds back 1.4 kB "
		"of WAL\n"
		"lag       1.2 kB, 2.0 s\n"
		"log       2.0 kB\n\n" TABLES,
		__LINE__);
}

TEST(a_status_in_json_is_exact_and_whole)
{
	struct status status;
	struct lake lake;
	struct status_table tables[4];
	struct error err;
	fill(&status, &lake, tables);
	status.source_trouble = "it was not asked";
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	CHECK_OK(status_print_json(&status, out, &err), &err);
	fclose(out);
	CHECK_TEXT(text,
		"{\"lake\":{\"id\":\"0a1b2c3d\",\"directory\":\"/lake\",\"phase\":\"live\","
		"\"commit_number\":7,\"position\":\"0/100\","
		"\"position_at\":\"2024-01-31T09:08:05.123456Z\"},\"process\":null,"
		"\"source\":{\"is_reachable\":false,\"trouble\":\"it was not asked\"},"
		"\"lag_bytes\":null,\"lag_seconds\":null,\"log_bytes\":2048,\"tables\":["
		"{\"namespace\":\"public\",\"name\":\"customers\",\"state\":\"live\","
		"\"is_append\":false,\"rows\":3,\"snapshot_id\":9007199254740993,"
		"\"position\":\"0/100\",\"metadata_location\":\"file:///lake/1\"},"
		"{\"namespace\":\"public\",\"name\":\"events\",\"state\":\"live\","
		"\"is_append\":true,\"rows\":12,\"snapshot_id\":5,\"position\":\"0/100\","
		"\"metadata_location\":\"file:///lake/2\"},"
		"{\"namespace\":\"public\",\"name\":\"orders\",\"state\":\"paused\","
		"\"is_append\":false,\"rows\":0,\"snapshot_id\":6,\"position\":\"0/50\","
		"\"metadata_location\":\"file:///lake/3\",\"reason\":\"A value does not fit.\"},"
		"{\"namespace\":\"public\",\"name\":\"visits\",\"state\":\"left out\","
		"\"is_append\":false,\"position\":null,\"reason\":\"it is unlogged.\"}]}\n");
	free(text);
}
