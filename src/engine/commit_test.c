#include "engine/publisher_fixture.h"

/* --- I5: the lake's position and the versions' time --- */

static void check_version(struct published *lake, const char *name, lsn_t position, int64_t at_ms)
{
	const struct catalog_table *row = published_row(lake, name);
	const struct snapshot *version =
		published_metadata(lake, row->metadata_location)->current_snapshot;
	char text[LSN_TEXT_SIZE];
	CHECK_EQUAL(row->position, position);
	CHECK_TEXT(snapshot_summary(version, SUMMARY_POSITION), lsn_format(position, text));
	CHECK_EQUAL(version->timestamp_ms, at_ms);
}

TEST(versions_of_one_commit_carry_its_position_and_time_whatever_the_clock_does)
{
	static const int64_t JUMPS[] = { 0, -3600 * (int64_t)SECOND, 0, 7200 * (int64_t)SECOND };
	struct published lake;
	int64_t last_ms = 0;
	published_open(&lake);
	for (size_t i = 0; i < 4; i++) {
		char row[32];
		snprintf(row, sizeof row, "%zu|a|1", i);
		const lsn_t lsn = 100 * (i + 1);
		world_sim_advance(lake.world, SECOND);
		world_sim_jump(lake.world, JUMPS[i]);
		script_begin(&lake.script, 1);
		script_insert(&lake.script, &script_items, row);
		script_insert(&lake.script, &script_lines, row);
		script_commit(&lake.script, lsn);
		script_sync(&lake.script);
		published_step(&lake);
		const struct catalog_view view = published_view(&lake);
		CHECK_EQUAL(view.lake.position, lsn);
		CHECK(view.lake.timestamp_ms > last_ms);
		last_ms = view.lake.timestamp_ms;
		check_version(&lake, "items", lsn, last_ms);
		check_version(&lake, "lines", lsn, last_ms);
		CHECK_EQUAL(view.commits[view.commit_count - 1].timestamp_ms, last_ms);
		CHECK_EQUAL(view.commits[view.commit_count - 1].position, lsn);
	}
	published_close(&lake);
}

/* --- I2, I4: failures of the catalog --- */

TEST(a_busy_catalog_is_asked_again_for_a_while)
{
	struct published lake;
	published_open(&lake);
	lake.catalog.fail_commit = ERROR_BUSY;
	lake.catalog.fail_times = 3;
	published_insert(&lake, 100, &script_items, "1|a|1");
	CHECK_EQUAL(lake.catalog.commits, 4);
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1");
	world_sim_advance(lake.world, SECOND);
	lake.catalog.fail_times = 1000;
	script_insert_alone(&lake.script, 200, &script_items, "2|b|2");
	CHECK(!publisher_step(lake.publisher, &lake.err));
	CHECK_EQUAL(lake.err.kind, ERROR_BUSY);
	published_close(&lake);
}

TEST(a_commit_whose_answer_was_lost_is_looked_for_and_not_sent_again)
{
	struct published lake;
	published_open(&lake);
	lake.catalog.fail_commit = ERROR_UNCERTAIN;
	lake.catalog.fail_times = 1;
	lake.catalog.fails_after = true;
	published_insert(&lake, 100, &script_items, "1|a|1");
	CHECK_EQUAL(lake.catalog.commits, 1);
	CHECK_EQUAL(lake.catalog.loads, 1);
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1");
	world_sim_advance(lake.world, SECOND);
	published_insert(&lake, 200, &script_items, "2|b|2");
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1 2|b|2");
	published_check_named(&lake);
	published_close(&lake);
}

TEST(a_commit_that_did_not_happen_is_sent_again_after_looking)
{
	struct published lake;
	published_open(&lake);
	lake.catalog.fail_commit = ERROR_UNCERTAIN;
	lake.catalog.fail_times = 2;
	published_insert(&lake, 100, &script_items, "1|a|1");
	CHECK_EQUAL(lake.catalog.commits, 3);
	CHECK_EQUAL(lake.catalog.loads, 2);
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1");
	published_close(&lake);
}

TEST(a_catalog_that_never_answers_is_given_up_after_a_while)
{
	struct published lake;
	published_open(&lake);
	lake.catalog.fail_commit = ERROR_UNCERTAIN;
	lake.catalog.fail_times = 1000;
	script_insert_alone(&lake.script, 100, &script_items, "1|a|1");
	CHECK(!publisher_step(lake.publisher, &lake.err));
	CHECK_EQUAL(lake.err.kind, ERROR_UNCERTAIN);
	CHECK(lake.catalog.commits < 100);
	lake.catalog.fail_times = 0;
	published_reopen(&lake);
	published_step(&lake); /* what was written in vain becomes removals */
	world_sim_advance(lake.world, SECOND);
	published_step(&lake);
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1");
	published_close(&lake);
}

/* Another process at work on the same lake. */
static void commit_elsewhere(void *context)
{
	struct published *lake = context;
	struct publisher_options options = lake->options;
	struct publisher *other;
	struct error err;
	options.catalog = lake->catalog.inner;
	options.step = NULL;
	CHECK_OK(publisher_open(&options, &other, &err), &err);
	publisher_use_log(other, lake->script.log);
	CHECK_OK(publisher_step(other, &err), &err);
	CHECK_OK(publisher_commit(other, &err), &err);
	publisher_close(other);
}

TEST(a_commit_whose_answer_was_lost_and_another_ones_that_is_there_is_a_conflict)
{
	struct published lake;
	published_open(&lake);
	lake.catalog.fail_commit = ERROR_UNCERTAIN;
	lake.catalog.fail_times = 1;
	lake.catalog.after = commit_elsewhere;
	lake.catalog.context = &lake;
	script_insert_alone(&lake.script, 100, &script_lines, "1|a|1");
	CHECK(!publisher_step(lake.publisher, &lake.err));
	CHECK_EQUAL(lake.err.kind, ERROR_CONFLICT);
	published_reopen(&lake);
	published_insert(&lake, 200, &script_lines, "2|b|2");
	world_sim_advance(lake.world, SECOND);
	published_step(&lake);
	CHECK_TEXT(published_rows(&lake, &script_lines), "1|a|1 2|b|2");
	published_close(&lake);
}

TEST(a_commit_on_a_lake_that_another_process_moved_on_changes_nothing)
{
	struct published lake;
	published_open(&lake);
	script_insert_alone(&lake.script, 100, &script_lines, "1|a|1");
	commit_elsewhere(&lake);
	const struct catalog_view before = published_view(&lake);
	CHECK_EQUAL(before.lake.position, 100);
	CHECK(!publisher_step(lake.publisher, &lake.err));
	CHECK_EQUAL(lake.err.kind, ERROR_CONFLICT);
	const struct catalog_view after = published_view(&lake);
	CHECK_EQUAL(after.lake.commit_number, before.lake.commit_number);
	CHECK_TEXT(published_rows(&lake, &script_lines), "1|a|1");
	published_close(&lake);
}

/* --- commits of other programs --- */

TEST(a_foreign_property_is_built_upon)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	published_foreign(&lake, "items", NULL);
	world_sim_advance(lake.world, SECOND);
	published_insert(&lake, 200, &script_items, "2|b|2");
	const struct catalog_table *row = published_row(&lake, "items");
	CHECK_EQUAL(row->state, TABLE_LIVE);
	CHECK_TEXT(metadata_property(published_metadata(&lake, row->metadata_location), "owner"),
		"somebody");
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1 2|b|2");
	world_sim_advance(lake.world, SECOND);
	published_insert(&lake, 300, &script_items, "3|c|3");
	CHECK_EQUAL(lake.catalog.commits, 4);
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1 2|b|2 3|c|3");
	published_close(&lake);
}

TEST(foreign_rows_pause_their_table_and_no_other)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	const char *foreign = published_foreign_version(&lake, "items");
	published_foreign(&lake, "items", foreign);
	world_sim_advance(lake.world, SECOND);
	script_begin(&lake.script, 2);
	script_insert(&lake.script, &script_items, "2|b|2");
	script_insert(&lake.script, &script_lines, "2|b|2");
	script_commit(&lake.script, 200);
	script_sync(&lake.script);
	published_step(&lake);
	const struct catalog_table *row = published_row(&lake, "items");
	CHECK_EQUAL(row->state, TABLE_PAUSED);
	CHECK_TEXT(row->metadata_location, foreign);
	CHECK(strstr(row->reason, "walberg snapshot public.items") != NULL);
	CHECK_TEXT(published_rows(&lake, &script_lines), "2|b|2");
	CHECK_EQUAL(published_row(&lake, "lines")->state, TABLE_LIVE);
	CHECK_EQUAL(published_view(&lake).lake.position, 200);
	published_reopen(&lake);
	published_insert(&lake, 300, &script_lines, "3|c|3");
	CHECK_TEXT(published_rows(&lake, &script_lines), "2|b|2 3|c|3");
	CHECK_TEXT(published_row(&lake, "items")->metadata_location, foreign);
	published_close(&lake);
}

TEST(foreign_rows_that_came_while_nobody_ran_pause_their_table)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	const char *foreign = published_foreign_version(&lake, "items");
	published_foreign(&lake, "items", foreign);
	published_reopen(&lake);
	published_insert(&lake, 200, &script_lines, "2|b|2");
	world_sim_advance(lake.world, SECOND);
	published_step(&lake);
	const struct catalog_table *row = published_row(&lake, "items");
	CHECK_EQUAL(row->state, TABLE_PAUSED);
	CHECK_TEXT(row->metadata_location, foreign);
	CHECK(strstr(row->reason, "walberg snapshot public.items") != NULL);
	CHECK_TEXT(published_rows(&lake, &script_lines), "2|b|2");
	published_close(&lake);
}

TEST(a_table_that_another_program_dropped_is_paused)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	published_foreign(&lake, "items", "");
	world_sim_advance(lake.world, SECOND);
	published_insert(&lake, 200, &script_items, "2|b|2");
	const struct catalog_table *row = published_row(&lake, "items");
	CHECK_EQUAL(row->state, TABLE_PAUSED);
	CHECK(strstr(row->reason, "dropped from the catalog") != NULL);
	CHECK_EQUAL(published_view(&lake).lake.position, 200);
	published_close(&lake);
}

/* --- damaged tables --- */

TEST(a_table_whose_metadata_is_gone_is_paused_when_the_lake_is_opened)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	published_foreign(&lake, "items", "file:///lake/public/items/metadata/none.metadata.json");
	published_reopen(&lake);
	published_insert(&lake, 200, &script_lines, "2|b|2");
	world_sim_advance(lake.world, SECOND);
	published_step(&lake);
	const struct catalog_table *row = published_row(&lake, "items");
	CHECK_EQUAL(row->state, TABLE_PAUSED);
	CHECK(strstr(row->reason, "walberg snapshot public.items") != NULL);
	CHECK_TEXT(published_rows(&lake, &script_lines), "2|b|2");
	published_close(&lake);
}

/* How it is damaged: the bytes of the metadata that another program sets, or NULL for none. */
static void check_damage_pauses(const char *bytes)
{
	struct published lake;
	const char *path = "public/items/metadata/00009-theirs.metadata.json";
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	if (bytes != NULL)
		CHECK_OK(
			store_put(lake.store, path, bytes_of_cstring(bytes), &lake.err), &lake.err);
	const char *theirs = store_uri(lake.store, path, &lake.arena);
	published_foreign(&lake, "items", theirs);
	script_begin(&lake.script, 1);
	script_insert(&lake.script, &script_items, "2|b|2");
	script_insert(&lake.script, &script_lines, "2|b|2");
	script_commit(&lake.script, 200);
	script_sync(&lake.script);
	world_sim_advance(lake.world, SECOND);
	published_step(&lake);
	const struct catalog_table *row = published_row(&lake, "items");
	CHECK_EQUAL(row->state, TABLE_PAUSED);
	CHECK_TEXT(row->metadata_location, theirs);
	CHECK(strstr(row->reason, "walberg snapshot public.items") != NULL);
	CHECK_EQUAL(published_view(&lake).lake.position, 200);
	CHECK_TEXT(published_rows(&lake, &script_lines), "2|b|2");
	published_close(&lake);
}

TEST(metadata_that_is_missing_pauses_its_table_while_the_lake_is_open)
{
	check_damage_pauses(NULL);
}

TEST(metadata_that_is_damaged_pauses_its_table_while_the_lake_is_open)
{
	check_damage_pauses("{");
}

TEST(metadata_of_a_later_format_pauses_its_table_while_the_lake_is_open)
{
	check_damage_pauses("{\"format-version\": 99}");
}

/* --- history --- */

static int64_t cutoff_of(const int64_t *at_ms, size_t count, int64_t now_ms, bool adds_one)
{
	struct lake_commit commits[16];
	struct publisher publisher = { .commit_count = count, .commits = commits };
	publisher.options.history = (struct history_options){ 2, 4, 60 * SECOND, 0 };
	for (size_t i = 0; i < count; i++)
		commits[i] = (struct lake_commit){ i, i, at_ms[i] };
	return history_cutoff(&publisher, now_ms, adds_one);
}

TEST(history_keeps_a_minimum_whatever_its_age_and_never_more_than_the_maximum)
{
	static const int64_t OLD[] = { 1000, 2000, 3000 };
	static const int64_t YOUNG[] = { 100000, 101000, 102000, 103000, 104000, 105000 };
	CHECK_EQUAL(cutoff_of(OLD, 3, 1000000, false), 2000);    /* two, though old */
	CHECK_EQUAL(cutoff_of(OLD, 3, 1000000, true), 3000);     /* with the new one */
	CHECK_EQUAL(cutoff_of(OLD, 3, 62000, false), 2000);      /* 1000 is 61 s old */
	CHECK_EQUAL(cutoff_of(OLD, 3, 61000, false), 1000);      /* 60 s: not yet */
	CHECK_EQUAL(cutoff_of(YOUNG, 6, 105000, false), 102000); /* four, though young */
	CHECK_EQUAL(cutoff_of(YOUNG, 6, 105000, true), 103000);
	CHECK_EQUAL(cutoff_of(YOUNG, 0, 105000, true), 105000);
	CHECK_EQUAL(cutoff_of(YOUNG, 6, 50000, false), 102000); /* the clock went back */
}

TEST(versions_are_kept_as_the_history_says)
{
	struct published lake;
	published_open(&lake);
	for (lsn_t i = 1; i <= 30; i++) {
		char row[32];
		snprintf(row, sizeof row, "%d|a|1", (int)i);
		world_sim_advance(lake.world, SECOND);
		published_insert(&lake, 100 * i, &script_items, row);
		const struct catalog_view view = published_view(&lake);
		const struct metadata *metadata =
			published_metadata(&lake, published_row(&lake, "items")->metadata_location);
		CHECK(view.commit_count <= 10);
		CHECK_EQUAL(view.commit_count, i + 1 < 10 ? i + 1 : 10);
		CHECK(metadata->snapshot_count <= 11);
		/* Of each table what is needed for the oldest point of the lake. */
		CHECK(metadata->snapshots[0].timestamp_ms <= view.commits[0].timestamp_ms);
		published_check_named(&lake);
	}
	world_sim_advance(lake.world, 2 * MINUTE);
	published_insert(&lake, 10000, &script_items, "99|a|1");
	CHECK_EQUAL(published_view(&lake).commit_count, 3);
	published_close(&lake);
}
