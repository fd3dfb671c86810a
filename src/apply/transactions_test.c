#include "apply/apply_fixture.h"

#include "apply/transactions.h"

static const char *items_of(struct applied *applied)
{
	applied_read(applied);
	return applied_rows(applied, applied->items);
}

/* The log cannot be read on, for this reason. */
static void check_damaged(struct applied *applied, const char *what)
{
	bool advanced;
	script_sync(&applied->script);
	CHECK(!apply_advance(applied->apply, applied->script.log, &advanced, &applied->err));
	CHECK_EQUAL(applied->err.kind, ERROR_CORRUPT);
	if (strstr(applied->err.text, what) == NULL)
		test_fail(__FILE__, __LINE__, "\"%s\", not \"%s\"", applied->err.text, what);
	applied_close(applied);
}

TEST(a_plain_transaction_is_applied_when_it_commits)
{
	struct applied applied;
	applied_open(&applied);
	struct script *script = &applied.script;
	script_start(script);
	script_begin(script, 7);
	script_insert(script, &script_items, "1|apple|3");
	script_insert(script, &script_lines, "1|~|9");
	script_sync(script);
	CHECK_TEXT(items_of(&applied), "");
	CHECK_EQUAL(apply_position(applied.apply)->lsn, 0);
	script_commit(script, 100);
	script_sync(script);
	CHECK_TEXT(items_of(&applied), "1|apple|3");
	CHECK_TEXT(applied_rows(&applied, applied.lines), "1|~|9");
	const struct apply_position *position = apply_position(applied.apply);
	CHECK_EQUAL(position->lsn, 100);
	CHECK_EQUAL(position->at, 100 * 1000);
	CHECK_EQUAL(position->commit_lsn, 100);
	CHECK_EQUAL(position->commit_xid, 7);
	CHECK_EQUAL(position->resume, log_end(script->log));
	applied_close(&applied);
}

TEST(one_call_applies_one_transaction)
{
	struct applied applied;
	bool advanced;
	applied_open(&applied);
	script_insert_alone(&applied.script, 100, &script_items, "1|a|1");
	script_insert_alone(&applied.script, 200, &script_items, "2|b|2");
	CHECK_OK(apply_advance(applied.apply, applied.script.log, &advanced, &applied.err),
		&applied.err);
	CHECK(advanced);
	CHECK_EQUAL(apply_position(applied.apply)->lsn, 100);
	CHECK_TEXT(applied_rows(&applied, applied.items), "1|a|1");
	CHECK_TEXT(items_of(&applied), "1|a|1 2|b|2");
	applied_close(&applied);
}

TEST(interleaved_streams_are_applied_each_at_its_own_commit)
{
	struct applied applied;
	applied_open(&applied);
	struct script *script = &applied.script;
	script_stream_start(script, 7);
	script_insert(script, &script_items, "1|seven|1");
	script_stream_stop(script);
	script_stream_start(script, 8);
	script_insert(script, &script_items, "2|eight|1");
	script_stream_stop(script);
	script_begin(script, 9);
	script_insert(script, &script_items, "3|nine|1");
	script_commit(script, 100);
	script_stream_start(script, 7);
	script_insert(script, &script_items, "4|seven|1");
	script_stream_stop(script);
	script_sync(script);
	CHECK_TEXT(items_of(&applied), "3|nine|1");
	script_stream_commit(script, 8, 200);
	script_sync(script);
	CHECK_TEXT(items_of(&applied), "2|eight|1 3|nine|1");
	CHECK_EQUAL(apply_position(applied.apply)->commit_xid, 8);
	script_stream_commit(script, 7, 300);
	script_sync(script);
	CHECK_TEXT(items_of(&applied), "1|seven|1 2|eight|1 3|nine|1 4|seven|1");
	CHECK_EQUAL(apply_position(applied.apply)->commit_xid, 7);
	applied_close(&applied);
}

TEST(an_aborted_subtransaction_is_passed_over)
{
	struct applied applied;
	applied_open(&applied);
	struct script *script = &applied.script;
	script_stream_start(script, 7);
	script_insert(script, &script_items, "1|kept|1");
	script->xid = 70;
	script_insert(script, &script_items, "2|aborted|1");
	script->xid = 71;
	script_insert(script, &script_items, "3|kept|1");
	script_stream_stop(script);
	script_stream_abort(script, 7, 70);
	script_stream_start(script, 7);
	script->xid = 72;
	script_insert(script, &script_items, "4|aborted|1");
	script_stream_stop(script);
	script_stream_abort(script, 7, 72);
	script_stream_commit(script, 7, 100);
	script_sync(script);
	CHECK_TEXT(items_of(&applied), "1|kept|1 3|kept|1");
	applied_close(&applied);
}

TEST(many_subtransactions_may_be_aborted_in_any_order)
{
	enum {
		COUNT = 500
	};
	struct applied applied;
	applied_open(&applied);
	struct script *script = &applied.script;
	char row[32];
	script_stream_start(script, 7);
	for (uint32_t i = 0; i < COUNT; i++) {
		snprintf(row, sizeof row, "%u|x|1", i);
		script->xid = 100 + i;
		script_insert(script, &script_items, row);
	}
	script_stream_stop(script);
	for (uint32_t i = COUNT; i-- > 0;)
		if (i != 250)
			script_stream_abort(script, 7, 100 + i);
	script_stream_commit(script, 7, 100);
	script_sync(script);
	CHECK_TEXT(items_of(&applied), "250|x|1");
	applied_close(&applied);
}

TEST(an_aborted_transaction_leaves_nothing_and_holds_nothing)
{
	struct applied applied;
	applied_open(&applied);
	struct script *script = &applied.script;
	script_stream_start(script, 7);
	script_insert(script, &script_items, "1|aborted|1");
	script_stream_stop(script);
	script_sync(script);
	applied_read(&applied);
	CHECK(apply_position(applied.apply)->resume < log_end(script->log));
	script_stream_abort(script, 7, 7);
	script_stream_abort(script, 8, 8); /* of which nothing was sent */
	script_mark(script, 100);
	script_sync(script);
	CHECK_TEXT(items_of(&applied), "");
	CHECK_EQUAL(apply_position(applied.apply)->lsn, 100);
	CHECK_EQUAL(apply_position(applied.apply)->resume, log_end(script->log));
	applied_close(&applied);
}

TEST(a_start_mark_voids_what_was_half_received)
{
	struct applied applied;
	applied_open(&applied);
	struct script *script = &applied.script;
	script_start(script);
	script_stream_start(script, 7);
	script_insert(script, &script_items, "1|first|1");
	script_stream_stop(script);
	script_begin(script, 8);
	script_insert(script, &script_items, "2|first|1");
	script_start(script);
	script_begin(script, 8);
	script_insert(script, &script_items, "2|again|1");
	script_commit(script, 100);
	script_stream_start(script, 7);
	script_insert(script, &script_items, "1|again|1");
	script_sync(script);
	script_start(script); /* in the middle of a block */
	script_stream_start(script, 7);
	script_insert(script, &script_items, "1|third|1");
	script_stream_stop(script);
	script_stream_commit(script, 7, 200);
	script_sync(script);
	CHECK_TEXT(items_of(&applied), "1|third|1 2|again|1");
	CHECK_EQUAL(apply_position(applied.apply)->resume, log_end(script->log));
	applied_close(&applied);
}

TEST(what_is_sent_again_is_skipped_by_its_position)
{
	struct applied applied;
	applied_open(&applied);
	struct script *script = &applied.script;
	script_insert_alone(script, 100, &script_lines, "1|a|1");
	script_insert_alone(script, 200, &script_lines, "2|b|1");
	script_start(script);
	script_insert_alone(script, 200, &script_lines, "2|b|1");
	script_stream_start(script, 9);
	script_insert(script, &script_lines, "0|old|1");
	script_stream_stop(script);
	script_stream_commit(script, 9, 150);
	script_insert_alone(script, 300, &script_lines, "3|c|1");
	applied_read(&applied);
	CHECK_TEXT(applied_rows(&applied, applied.lines), "1|a|1 2|b|1 3|c|1");
	CHECK_EQUAL(apply_position(applied.apply)->lsn, 300);
	applied_close(&applied);
}

TEST(a_table_takes_only_what_ends_after_its_floor)
{
	struct applied applied;
	applied_open(&applied);
	CHECK_OK(apply_copy(applied.lines, script_copy(&applied.script.arena, "9|copied|9"),
			 &applied.err),
		&applied.err);
	CHECK_OK(apply_copy_end(applied.lines, 200, &applied.err), &applied.err);
	script_insert_alone(&applied.script, 100, &script_lines, "1|a|1");
	script_begin(&applied.script, 5);
	script_truncate(&applied.script, &script_lines);
	script_insert(&applied.script, &script_lines, "2|b|1");
	script_commit(&applied.script, 200);
	script_sync(&applied.script);
	applied_read(&applied);
	CHECK(apply_is_visible(applied.apply, applied.lines));
	script_insert_alone(&applied.script, 300, &script_lines, "3|c|1");
	applied_read(&applied);
	CHECK_TEXT(applied_rows(&applied, applied.lines), "3|c|1 9|copied|9");
	applied.lines->floor = 400;
	CHECK(!apply_is_visible(applied.apply, applied.lines));
	CHECK(!apply_has_delta(applied.apply));
	applied_close(&applied);
}

/* A table that was dropped and made again, and then read again: the log may speak of the old one.
 */
TEST(an_older_table_of_the_same_name_does_not_matter_before_the_floor)
{
	struct applied applied;
	struct relation older = script_items;
	older.oid = 900;
	applied_open(&applied);
	applied.items->floor = 200;
	script_begin(&applied.script, 5);
	script_relation(&applied.script, &older);
	script_insert(&applied.script, &older, "1|old|1");
	script_commit(&applied.script, 200);
	script_sync(&applied.script);
	applied_read(&applied);
	CHECK_EQUAL(applied.items->failure.kind, ERROR_NONE);
	applied_close(&applied);
}

TEST(a_table_that_moves_takes_nothing_twice)
{
	struct applied applied;
	struct apply_table *lines;
	bool advanced;
	applied_open(&applied);
	script_insert_alone(&applied.script, 100, &script_items, "1|a|1");
	script_insert_alone(&applied.script, 200, &script_lines, "2|b|1");
	script_insert_alone(&applied.script, 300, &script_lines, "3|c|1");
	struct apply *behind = apply_open(&applied.options, &(struct apply_position){ 0 });
	CHECK_OK(apply_advance(behind, applied.script.log, &advanced, &applied.err), &applied.err);
	applied_read(&applied);
	lines = applied.lines;
	apply_move(behind, applied.apply, lines);
	CHECK_EQUAL(apply_table_count(applied.apply), 2);
	CHECK(!apply_is_visible(behind, lines)); /* it is further on than the others there */
	while (advanced)
		CHECK_OK(apply_advance(behind, applied.script.log, &advanced, &applied.err),
			&applied.err);
	CHECK(apply_is_visible(behind, lines));
	CHECK_OK(apply_flush(behind, &applied.err), &applied.err);
	CHECK_TEXT(table_rows_text(lines->table, &applied.script.arena), "2|b|1 3|c|1");
	apply_close(behind);
	applied_close(&applied);
}

/* A restart at any committed place of a log with open streams gives the same rows. */
TEST(a_restart_reads_from_the_first_record_of_the_oldest_open_transaction)
{
	struct applied applied;
	applied_open(&applied);
	struct script *script = &applied.script;
	script_insert_alone(script, 100, &script_lines, "1|a|1");
	script_stream_start(script, 6);
	script_insert(script, &script_lines, "2|b|1");
	script_stream_stop(script);
	script_sync(script);
	applied_read(&applied);
	const log_position_t stream_end = log_end(script->log);
	script_stream_start(script, 7);
	script_insert(script, &script_lines, "3|c|1");
	script_stream_stop(script);
	script_stream_start(script, 6);
	script_insert(script, &script_lines, "4|d|1");
	script_stream_stop(script);
	script_stream_commit(script, 6, 200);
	script_sync(script);
	applied_read(&applied);
	const struct apply_position at = *apply_position(applied.apply);
	CHECK_EQUAL(at.lsn, 200);
	struct log_record oldest;
	bool found;
	CHECK_OK(log_read(script->log, stream_end, &oldest, &found, &applied.err), &applied.err);
	CHECK(found && at.resume == oldest.position); /* of 7, though 6 began before */
	script_stream_commit(script, 7, 300);
	script_stream_abort(script, 6, 6);
	script_sync(script);

	struct apply_table *lines;
	struct apply *restarted = apply_open(&applied.options,
		&(struct apply_position){ .lsn = at.lsn, .resume = at.resume, .next = at.resume });
	CHECK_OK(apply_add(restarted, &script_lines, "", 0, &lines, &applied.err), &applied.err);
	bool advanced = true;
	while (advanced)
		CHECK_OK(apply_advance(restarted, script->log, &advanced, &applied.err),
			&applied.err);
	CHECK_OK(apply_flush(restarted, &applied.err), &applied.err);
	CHECK_TEXT(table_rows_text(lines->table, &script->arena), "3|c|1");
	CHECK_EQUAL(apply_position(restarted)->lsn, 300);
	apply_close(restarted);
	applied_close(&applied);
}

TEST(a_mark_moves_the_position_and_never_back)
{
	struct applied applied;
	applied_open(&applied);
	script_mark(&applied.script, 500);
	script_mark(&applied.script, 400);
	script_sync(&applied.script);
	applied_read(&applied);
	CHECK_EQUAL(apply_position(applied.apply)->lsn, 500);
	CHECK_EQUAL(apply_position(applied.apply)->at, 500 * 1000);
	CHECK_EQUAL(apply_position(applied.apply)->commit_lsn, 0);
	applied_close(&applied);
}

TEST(another_log_is_read_from_its_beginning)
{
	struct applied applied;
	struct script other;
	applied_open(&applied);
	script_insert_alone(&applied.script, 100, &script_lines, "1|a|1");
	applied_read(&applied);
	script_open(&other, applied.world, "/other");
	script_start(&other);
	script_insert_alone(&other, 100, &script_lines, "1|a|1");
	script_insert_alone(&other, 200, &script_lines, "2|b|1");
	apply_read_from(applied.apply, log_first(other.log));
	script_close(&applied.script);
	applied.script = other;
	applied_read(&applied);
	CHECK_TEXT(applied_rows(&applied, applied.lines), "1|a|1 2|b|1");
	applied_close(&applied);
}

TEST(a_commit_that_nothing_began_is_damage)
{
	struct applied applied;
	applied_open(&applied);
	script_commit(&applied.script, 100);
	check_damaged(&applied, "the end of a transaction that did not begin");
}

TEST(a_begin_inside_a_transaction_is_damage)
{
	struct applied applied;
	applied_open(&applied);
	script_begin(&applied.script, 1);
	script_begin(&applied.script, 2);
	check_damaged(&applied, "a Begin inside another transaction");
}

TEST(a_stream_start_inside_a_transaction_is_damage)
{
	struct applied applied;
	applied_open(&applied);
	script_begin(&applied.script, 1);
	script_stream_start(&applied.script, 2);
	check_damaged(&applied, "a Stream Start inside another transaction");
}

TEST(the_end_of_a_stream_inside_a_block_is_damage)
{
	struct applied applied;
	applied_open(&applied);
	script_stream_start(&applied.script, 7);
	script_stream_commit(&applied.script, 7, 100);
	check_damaged(&applied, "a Stream Commit inside a transaction");

	applied_open(&applied);
	script_stream_start(&applied.script, 7);
	script_stream_abort(&applied.script, 7, 7);
	check_damaged(&applied, "a Stream Abort inside a transaction");

	applied_open(&applied);
	script_stream_start(&applied.script, 7);
	script_commit(&applied.script, 100);
	check_damaged(&applied, "a Commit inside a stream");
}

TEST(a_stream_stop_without_a_start_is_damage)
{
	struct applied applied;
	applied_open(&applied);
	script_stream_stop(&applied.script);
	check_damaged(&applied, "the end of a transaction that did not begin");
}

TEST(a_new_stream_commit_of_which_no_block_is_there_is_damage)
{
	struct applied applied;
	applied_open(&applied);
	script_stream_commit(&applied.script, 7, 100);
	check_damaged(&applied, "the commit of a transaction that did not begin");
}

TEST(a_message_that_is_cut_is_damage_wherever_it_stands)
{
	struct applied applied;
	applied_open(&applied);
	script_raw(&applied.script, bytes_of_cstring("B\1"), 0);
	check_damaged(&applied, "a message that is too short");

	applied_open(&applied);
	script_begin(&applied.script, 1);
	script_raw(&applied.script, bytes_of("I\0\0\0\x64N\0\3t", 9), 0);
	script_commit(&applied.script, 100);
	check_damaged(&applied, "");
}

/* --- a log that is looked at from some record on --- */

static bool count_message(
	void *context, const struct pgoutput_message *message, size_t size, struct error *err)
{
	(void)size;
	(void)err;
	*(size_t *)context += message->kind == PGOUTPUT_INSERT;
	return true;
}

/* Of the log from `at` on: "7:2 8:?", each commit's xid and inserts, "?" when it is not whole. */
static const char *commits_from(struct script *script, log_position_t at)
{
	struct transactions *transactions = transactions_open(true);
	const char *text = "";
	struct log_record record;
	struct error err;
	bool found;
	script_sync(script);
	while (log_read(script->log, at, &record, &found, &err) && found) {
		struct transaction_commit commit;
		bool is_commit;
		at = record.next;
		CHECK_OK(transactions_take(transactions, &record, &is_commit, &commit, &err), &err);
		if (!is_commit)
			continue;
		size_t count = 0;
		CHECK_OK(transactions_replay(
				 transactions, script->log, &commit, count_message, &count, &err),
			&err);
		const char *inserts = arena_format(&script->arena, "%zu", count);
		text = arena_format(&script->arena, "%s%s%u:%s", text, text[0] ? " " : "",
			commit.xid, commit.is_whole ? inserts : "?");
		transactions_forget(transactions, &commit);
	}
	transactions_close(transactions);
	return text;
}

/* What each position's transactions are, and that no position is damage. */
TEST(a_log_may_be_looked_at_from_any_record_on)
{
	struct applied applied;
	applied_open(&applied);
	struct script *script = &applied.script;
	script_sync(script);
	const log_position_t first = log_end(script->log);
	script_begin(script, 7);
	script_insert(script, &script_items, "1|a|1");
	script_sync(script);
	const log_position_t in_seven = log_end(script->log);
	script_commit(script, 100);
	script_stream_start(script, 8);
	script_insert(script, &script_items, "2|b|1");
	script_sync(script);
	const log_position_t in_eight = log_end(script->log);
	script_insert(script, &script_items, "3|b|1");
	script_stream_stop(script);
	script_sync(script);
	const log_position_t between = log_end(script->log);
	script_stream_start(script, 9);
	script_insert(script, &script_items, "4|b|1");
	script_stream_stop(script);
	script_stream_start(script, 8);
	script_insert(script, &script_items, "5|b|1");
	script_stream_stop(script);
	script_stream_commit(script, 8, 200);
	script_stream_abort(script, 9, 9);
	script_begin(script, 10);
	script_commit(script, 300);
	CHECK_TEXT(commits_from(script, first), "7:1 8:3 10:0");
	CHECK_TEXT(commits_from(script, in_seven), "0:? 8:3 10:0");
	CHECK_TEXT(commits_from(script, in_eight), "8:? 10:0");
	CHECK_TEXT(commits_from(script, between), "8:? 10:0");
	applied_close(&applied);
}
