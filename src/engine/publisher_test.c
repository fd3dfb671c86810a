#include "engine/publisher_fixture.h"

#include "engine/definition.h"

/* --- pace --- */

TEST(rows_are_committed_at_the_commit_interval)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	CHECK_EQUAL(lake.catalog.commits, 1);
	world_sim_advance(lake.world, 100 * 1000);
	published_insert(&lake, 200, &script_items, "2|b|1");
	CHECK_EQUAL(lake.catalog.commits, 1);
	CHECK_EQUAL(publisher_idle_time(lake.publisher), 300 * 1000);
	world_sim_advance(lake.world, 299 * 1000);
	published_step(&lake);
	CHECK_EQUAL(lake.catalog.commits, 1);
	world_sim_advance(lake.world, 1000);
	published_step(&lake);
	CHECK_EQUAL(lake.catalog.commits, 2);
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1 2|b|1");
	published_close(&lake);
}

TEST(committing_takes_at_most_a_third_of_the_time)
{
	struct published lake;
	published_open(&lake);
	lake.catalog.commit_takes = SECOND;
	published_insert(&lake, 100, &script_items, "1|a|1");
	CHECK_EQUAL(lake.catalog.commits, 1);
	published_insert(&lake, 200, &script_items, "2|b|1");
	world_sim_advance(lake.world, 2 * SECOND - 1000);
	published_step(&lake);
	CHECK_EQUAL(lake.catalog.commits, 1);
	world_sim_advance(lake.world, 1000);
	published_step(&lake);
	CHECK_EQUAL(lake.catalog.commits, 2);
	published_close(&lake);
}

TEST(much_in_memory_is_committed_before_its_time)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	char *row = arena_alloc(&lake.arena, 1, 700 * 1024);
	snprintf(row, 700 * 1024, "2|%0*d|1", 600 * 1024, 5);
	published_insert(&lake, 200, &script_lines, row);
	CHECK_EQUAL(lake.catalog.commits, 2);
	CHECK_EQUAL(published_view(&lake).lake.position, 200);
	published_close(&lake);
}

TEST(marks_alone_make_one_catalog_commit_in_ten_seconds_and_no_version)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	const struct catalog_view before = published_view(&lake);
	const unsigned commits = lake.catalog.commits;
	for (lsn_t second = 1; second <= 30; second++) {
		world_sim_advance(lake.world, SECOND);
		script_mark(&lake.script, 100 + second);
		script_sync(&lake.script);
		published_step(&lake);
	}
	CHECK_EQUAL(lake.catalog.commits - commits, 3);
	const struct catalog_view after = published_view(&lake);
	CHECK(after.lake.position >= 129);
	CHECK_EQUAL(after.commit_count, before.commit_count);
	for (size_t i = 0; i < after.table_count; i++)
		CHECK_TEXT(after.tables[i].metadata_location, before.tables[i].metadata_location);
	published_close(&lake);
}

static unsigned commits_of_marks(struct published *lake, lsn_t *lsn, lsn_t step, int seconds)
{
	const unsigned before = lake->catalog.commits;
	for (int second = 0; second < seconds; second++) {
		world_sim_advance(lake->world, SECOND);
		script_mark(&lake->script, *lsn += step);
		script_sync(&lake->script);
		published_step(lake);
	}
	return lake->catalog.commits - before;
}

/* On the source's server each commit makes WAL, and that makes the next mark. */
TEST(marks_that_may_be_of_the_catalogs_own_wal_make_one_commit_in_a_minute)
{
	struct published lake;
	lsn_t lsn = 100;
	published_open(&lake);
	lake.options.quiet_bytes_min = 1 << 20;
	published_reopen(&lake);
	published_insert(&lake, lsn, &script_items, "1|a|1");
	published_view(&lake);
	CHECK_EQUAL(commits_of_marks(&lake, &lsn, 100, 50), 0);
	CHECK_EQUAL(commits_of_marks(&lake, &lsn, 100, 125), 2);
	CHECK(published_view(&lake).lake.position >= lsn - 100 * 60);
	CHECK_EQUAL(commits_of_marks(&lake, &lsn, 1 << 20, 30), 3);
	published_close(&lake);
}

TEST(nothing_new_is_no_commit)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	const unsigned commits = lake.catalog.commits;
	for (int i = 0; i < 100; i++) {
		world_sim_advance(lake.world, 5 * SECOND);
		published_step(&lake);
	}
	/* Only what expires: versions beyond the newest three, then their objects. */
	CHECK(lake.catalog.commits - commits <= 2);
	published_close(&lake);
}

/* --- several tables at one position --- */

TEST(a_transaction_is_visible_in_all_its_tables_at_once)
{
	struct published lake;
	published_open(&lake);
	struct script *script = &lake.script;
	script_begin(script, 5);
	script_insert(script, &script_items, "1|a|1");
	script_insert(script, &script_lines, "1|a|1");
	script_sync(script);
	published_step(&lake);
	CHECK_EQUAL(lake.catalog.commits, 0);
	script_commit(script, 100);
	script_sync(script);
	published_step(&lake);
	CHECK_EQUAL(lake.catalog.commits, 1);
	const struct catalog_view view = published_view(&lake);
	CHECK_EQUAL(view.lake.position, 100);
	CHECK_EQUAL(view.lake.position_at, 100 * 1000);
	CHECK_EQUAL(view.lake.last_commit_lsn, 100);
	CHECK_EQUAL(view.lake.last_commit_xid, 5);
	CHECK_EQUAL(view.lake.last_commit_at, 100 * 1000);
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1");
	CHECK_TEXT(published_rows(&lake, &script_lines), "1|a|1");
	published_close(&lake);
}

TEST(a_paused_table_keeps_its_version_and_the_rest_advances)
{
	struct published lake;
	published_open(&lake);
	struct script *script = &lake.script;
	published_insert(&lake, 100, &script_items, "1|a|1");
	const char *location = published_row(&lake, "items")->metadata_location;
	world_sim_advance(lake.world, SECOND);
	script_begin(script, 5);
	script_insert(script, &script_items, "2|b|2");
	script_insert(script, &script_items, "1|twice|1");
	script_insert(script, &script_lines, "7|c|7");
	script_commit(script, 200);
	script_sync(script);
	published_step(&lake);
	const struct catalog_table *row = published_row(&lake, "items");
	CHECK_EQUAL(row->state, TABLE_PAUSED);
	CHECK_TEXT(row->metadata_location, location);
	CHECK_EQUAL(row->position, 100);
	CHECK(strstr(row->reason, "a row is inserted that the lake has already") != NULL);
	CHECK(strstr(row->reason, "where id = 1") != NULL);
	CHECK(strstr(row->reason, "walberg snapshot public.items") != NULL);
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1");
	CHECK_TEXT(published_rows(&lake, &script_lines), "7|c|7");
	CHECK_EQUAL(published_view(&lake).lake.position, 200);
	world_sim_advance(lake.world, SECOND);
	published_insert(&lake, 300, &script_items, "3|c|3");
	published_reopen(&lake);
	published_insert(&lake, 400, &script_lines, "8|d|8");
	world_sim_advance(lake.world, SECOND);
	published_step(&lake);
	CHECK_EQUAL(published_row(&lake, "items")->state, TABLE_PAUSED);
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1");
	CHECK_TEXT(published_rows(&lake, &script_lines), "7|c|7 8|d|8");
	published_close(&lake);
}

/* That neither compresses nor waits in memory: a file of its own at once. */
static const char *big_row(struct arena *arena)
{
	enum {
		SIZE = 800 * 1024
	};
	char *row = arena_alloc(arena, 1, SIZE + 8);
	uint64_t random = 1;
	memcpy(row, "1|", 2);
	for (size_t i = 2; i < SIZE; i++) {
		const uint64_t drawn = test_random(&random);
		row[i] = (char)('A' + drawn % 26 + (drawn >> 60) % 2 * 32);
	}
	memcpy(row + SIZE, "|1", 3);
	return row;
}

TEST(the_objects_of_a_delta_that_was_given_up_are_removed_later)
{
	struct published lake;
	published_open(&lake);
	lake.options.pending_bytes_max = 4096;
	published_reopen(&lake);
	struct script *script = &lake.script;
	script_begin(script, 5);
	script_insert(script, &script_items, big_row(&lake.arena));
	script_insert(script, &script_items, "1|twice|1");
	script_commit(script, 200);
	script_sync(script);
	published_step(&lake);
	CHECK_EQUAL(published_row(&lake, "items")->state, TABLE_PAUSED);
	size_t removal_count;
	const struct removal *removals = published_removals(&lake, &removal_count);
	CHECK(removal_count > 0);
	CHECK_EQUAL(
		removals[0].not_before, world_now(lake.world) + lake.options.history.removal_delay);
	for (int minute = 0; minute < 8; minute++) {
		world_sim_advance(lake.world, MINUTE);
		published_step(&lake);
		published_step(&lake);
	}
	struct object_info *objects;
	size_t count;
	CHECK_OK(store_list(lake.store, "public/items/data/", &lake.arena, &objects, &count,
			 &lake.err),
		&lake.err);
	CHECK_EQUAL(count, 0);
	published_check_named(&lake);
	published_close(&lake);
}

/* --- the log and restarts --- */

TEST(a_restart_resumes_at_the_recorded_place_of_the_same_log)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_lines, "1|a|1");
	script_insert_alone(&lake.script, 200, &script_lines, "2|b|2");
	published_reopen(&lake);
	CHECK_EQUAL(apply_position(publisher_apply(lake.publisher))->lsn, 100);
	published_step(&lake);
	CHECK_TEXT(published_rows(&lake, &script_lines), "1|a|1 2|b|2");
	published_close(&lake);
}

TEST(rows_that_were_read_and_not_committed_are_read_again)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	published_insert(&lake, 200, &script_items, "2|b|2"); /* not due yet */
	published_reopen(&lake);
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1");
	published_step(&lake);
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1 2|b|2");
	published_close(&lake);
}

TEST(another_log_is_read_from_its_beginning_and_its_name_recorded)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_lines, "1|a|1");
	const char *old_id = published_view(&lake).lake.log_id;
	publisher_close(lake.publisher);
	script_close(&lake.script);
	script_open(&lake.script, lake.world, "/other");
	script_start(&lake.script);
	script_insert_alone(&lake.script, 100, &script_lines, "1|a|1");
	script_insert_alone(&lake.script, 200, &script_lines, "2|b|2");
	lake.publisher = NULL;
	published_reopen(&lake);
	published_step(&lake);
	world_sim_advance(lake.world, SECOND);
	published_step(&lake);
	CHECK_TEXT(published_rows(&lake, &script_lines), "1|a|1 2|b|2");
	CHECK(strcmp(published_view(&lake).lake.log_id, old_id) != 0);
	CHECK_TEXT(published_view(&lake).lake.log_id, log_id(lake.script.log));
	published_close(&lake);
}

/* --- tables that are read again --- */

static struct apply_table *fill(struct published *lake, struct apply *apply, const char *location,
	lsn_t floor, const char *rows)
{
	struct apply_table *table;
	CHECK_OK(apply_add(apply, &script_lines, location, 0, &table, &lake->err), &lake->err);
	apply_truncate(table);
	CHECK_OK(apply_copy(table, script_copy(&lake->arena, rows), &lake->err), &lake->err);
	CHECK_OK(apply_copy_end(table, floor, &lake->err), &lake->err);
	return table;
}

static bool can_read(struct published *lake, log_position_t position)
{
	struct log_record record;
	bool found;
	return log_read(lake->script.log, position, &record, &found, &lake->err);
}

TEST(a_table_of_a_floor_beyond_the_position_is_not_shown_until_then)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_lines, "1|a|1");
	struct publisher_table *table = publisher_find(lake.publisher, "public", "lines");
	const char *location = arena_copy_cstring(&lake.arena, table->row.metadata_location);
	world_sim_advance(lake.world, SECOND);
	published_insert(&lake, 150, &script_items, "8|w|8");
	publisher_reread(lake.publisher, table);
	published_step(&lake);
	CHECK_EQUAL(published_row(&lake, "lines")->position, 150);
	const struct catalog_table *row = published_row(&lake, "lines");
	CHECK_EQUAL(row->state, TABLE_SNAPSHOT);
	CHECK_TEXT(row->metadata_location, location);

	struct apply *apply = publisher_fork_apply(lake.publisher);
	script_insert_alone(&lake.script, 200, &script_lines, "2|b|2");
	world_sim_advance(lake.world, SECOND);
	published_step(&lake);
	/* Read at 250, in which 200 is; the log is only at 200. */
	struct apply_table *filled = fill(&lake, apply, location, 250, "1|a|1 2|b|2 3|copied|3");
	CHECK_OK(publisher_join(lake.publisher, apply, filled, &lake.err), &lake.err);
	apply_close(apply);
	world_sim_advance(lake.world, SECOND);
	published_insert(&lake, 240, &script_items, "9|x|9");
	CHECK_EQUAL(published_view(&lake).lake.position, 240);
	row = published_row(&lake, "lines");
	CHECK_EQUAL(row->state, TABLE_SNAPSHOT);
	CHECK_TEXT(row->metadata_location, location);
	CHECK_TEXT(published_rows(&lake, &script_lines), "1|a|1");

	world_sim_advance(lake.world, SECOND);
	script_insert_alone(&lake.script, 245, &script_lines, "3|copied|3");
	published_insert(&lake, 260, &script_lines, "4|d|4");
	row = published_row(&lake, "lines");
	CHECK_EQUAL(row->state, TABLE_LIVE);
	CHECK_EQUAL(row->position, 260);
	CHECK_EQUAL(row->log_position, 0);
	CHECK_TEXT(published_rows(&lake, &script_lines), "1|a|1 2|b|2 3|copied|3 4|d|4");
	published_close(&lake);
}

TEST(changes_that_came_while_a_table_was_read_are_in_it)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_lines, "1|a|1");
	struct publisher_table *table = publisher_find(lake.publisher, "public", "lines");
	const char *location = arena_copy_cstring(&lake.arena, table->row.metadata_location);
	publisher_reread(lake.publisher, table);
	published_step(&lake);
	struct apply *apply = publisher_fork_apply(lake.publisher);
	world_sim_advance(lake.world, SECOND);
	published_insert(&lake, 200, &script_lines, "2|b|2");
	published_insert(&lake, 300, &script_lines, "3|c|3");
	world_sim_advance(lake.world, SECOND);
	published_insert(&lake, 400, &script_items, "9|x|9");
	struct apply_table *filled = fill(&lake, apply, location, 200, "1|a|1 2|b|2");
	CHECK_OK(publisher_join(lake.publisher, apply, filled, &lake.err), &lake.err);
	apply_close(apply);
	world_sim_advance(lake.world, SECOND);
	published_insert(&lake, 500, &script_lines, "4|d|4"); /* what is there goes first */
	world_sim_advance(lake.world, SECOND);
	published_step(&lake);
	CHECK_TEXT(published_rows(&lake, &script_lines), "1|a|1 2|b|2 3|c|3 4|d|4");
	published_close(&lake);
}

TEST(a_table_read_again_without_rows_is_live_again)
{
	struct published lake;
	published_open(&lake);
	struct publisher_table *table = publisher_find(lake.publisher, "public", "lines");
	const char *location = arena_copy_cstring(&lake.arena, table->row.metadata_location);
	publisher_reread(lake.publisher, table);
	published_step(&lake);
	struct apply *apply = publisher_fork_apply(lake.publisher);
	struct apply_table *filled = fill(&lake, apply, location, FIRST_LSN, "");
	CHECK_OK(publisher_join(lake.publisher, apply, filled, &lake.err), &lake.err);
	apply_close(apply);
	world_sim_advance(lake.world, SECOND);
	published_step(&lake);
	CHECK_EQUAL(published_row(&lake, "lines")->state, TABLE_LIVE);
	published_close(&lake);
}

static void use_small_segments(struct published *lake)
{
	const struct segment_options small = {
		.lake_id = "test",
		.codec = &log_codec_pgoutput,
		.segment_size_bytes = 100,
		.size_limit_bytes = 1 << 20,
	};
	publisher_close(lake->publisher);
	lake->publisher = NULL;
	log_close(lake->script.log);
	CHECK_OK(log_segment_open(lake->world, "/log", &small, &lake->script.log, &lake->err),
		&lake->err);
	published_reopen(lake);
}

static void insert_some(struct published *lake, lsn_t from, lsn_t to)
{
	for (lsn_t lsn = from; lsn <= to; lsn += 100) {
		char row[32];
		snprintf(row, sizeof row, "%d|a|1", (int)lsn);
		world_sim_advance(lake->world, SECOND);
		published_insert(lake, lsn, &script_items, row);
	}
}

TEST(the_log_is_kept_for_an_open_transaction_and_no_longer)
{
	struct published lake;
	published_open(&lake);
	use_small_segments(&lake);
	insert_some(&lake, 100, 200);
	const log_position_t before = log_end(lake.script.log);
	script_stream_start(&lake.script, 7);
	script_insert(&lake.script, &script_lines, "1|streamed|1");
	script_stream_stop(&lake.script);
	script_sync(&lake.script);
	insert_some(&lake, 300, 1000);
	CHECK(can_read(&lake, before));
	published_reopen(&lake);
	script_stream_commit(&lake.script, 7, 1100);
	script_sync(&lake.script);
	published_step(&lake);
	CHECK_TEXT(published_rows(&lake, &script_lines), "1|streamed|1");
	insert_some(&lake, 1200, 1400);
	CHECK(!can_read(&lake, before));
	CHECK_EQUAL(lake.err.kind, ERROR_MISSING);
	published_close(&lake);
}

TEST(a_table_that_was_renamed_and_read_by_its_new_name_gets_its_changes_once)
{
	struct published lake;
	published_open(&lake);
	struct relation renamed = script_lines;
	renamed.name = "renamed";
	publisher_put(lake.publisher, "public", "renamed", TABLE_SNAPSHOT, "",
		definition_encode(&renamed, &lake.arena));
	struct apply *apply = publisher_fork_apply(lake.publisher);
	struct apply_table *filled;
	CHECK_OK(apply_add(apply, &renamed, "", FIRST_LSN, &filled, &lake.err), &lake.err);
	CHECK_OK(publisher_join(lake.publisher, apply, filled, &lake.err), &lake.err);
	apply_close(apply);
	world_sim_advance(lake.world, SECOND);
	published_insert(&lake, 100, &renamed, "1|a|1");
	world_sim_advance(lake.world, SECOND);
	published_step(&lake);
	CHECK_EQUAL(published_row(&lake, "lines")->state, TABLE_PAUSED);
	CHECK(strstr(published_row(&lake, "lines")->reason, "\"public.renamed\" now") != NULL);
	CHECK_EQUAL(published_row(&lake, "renamed")->state, TABLE_LIVE);
	CHECK_TEXT(published_rows(&lake, &renamed), "1|a|1");
	published_close(&lake);
}

TEST(the_log_is_kept_for_a_table_that_is_read_again_and_no_longer)
{
	struct published lake;
	published_open(&lake);
	use_small_segments(&lake);
	published_insert(&lake, 100, &script_lines, "1|a|1");
	struct publisher_table *table = publisher_find(lake.publisher, "public", "lines");
	publisher_reread(lake.publisher, table);
	published_step(&lake);
	const log_position_t kept = published_row(&lake, "lines")->log_position;
	CHECK(kept > 0);
	insert_some(&lake, 200, 1000);
	CHECK(can_read(&lake, kept));
	struct apply *apply = publisher_fork_apply(lake.publisher);
	struct apply_table *filled =
		fill(&lake, apply, table->row.metadata_location, 1050, "5|b|5");
	CHECK_OK(publisher_join(lake.publisher, apply, filled, &lake.err), &lake.err);
	apply_close(apply);
	/* Not shown yet, as its floor is beyond the log's end: but a full log can shrink. */
	world_sim_advance(lake.world, SECOND);
	published_step(&lake);
	CHECK_EQUAL(published_row(&lake, "lines")->state, TABLE_SNAPSHOT);
	CHECK(!can_read(&lake, kept));
	world_sim_advance(lake.world, SECOND);
	published_insert(&lake, 1100, &script_items, "1|a|1");
	CHECK_TEXT(published_rows(&lake, &script_lines), "5|b|5");
	CHECK(!can_read(&lake, kept));
	CHECK_EQUAL(lake.err.kind, ERROR_MISSING);
	published_close(&lake);
}

/* --- rows of the catalog --- */

TEST(a_row_that_is_put_is_in_the_next_commit_and_requests_are_finished_with_it)
{
	struct published lake;
	published_open(&lake);
	CHECK_OK(catalog_request(lake.catalog.inner, "snapshot", "public.x", &lake.err), &lake.err);
	const int64_t id = published_view(&lake).requests[0].id;
	publisher_put(lake.publisher, "public", "x", TABLE_LEFT_OUT, "it is unlogged", "");
	publisher_finish_request(lake.publisher, id);
	published_step(&lake);
	CHECK_EQUAL(lake.catalog.commits, 1);
	const struct catalog_table *row = published_row(&lake, "x");
	CHECK_EQUAL(row->state, TABLE_LEFT_OUT);
	CHECK_TEXT(row->reason, "it is unlogged");
	CHECK_TEXT(row->metadata_location, "");
	CHECK_EQUAL(published_view(&lake).request_count, 0);
	publisher_put(lake.publisher, "public", "x", TABLE_LEFT_OUT, "it is unlogged", "");
	published_step(&lake);
	CHECK_EQUAL(lake.catalog.commits, 1);
	published_close(&lake);
}

TEST(each_step_of_a_commit_is_told)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	for (enum publisher_step step = STEP_IDLE; step < STEP_RETENTION; step++)
		CHECK(lake.steps[step]);
	CHECK_TEXT(publisher_step_name(STEP_SWAPPED), "swapped");
	published_close(&lake);
}
