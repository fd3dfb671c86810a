#include "apply/apply_fixture.h"

/* One transaction after another, each of one change. */
struct step {
	char kind; /* 'I', 'U', 'D', 'T' */
	const char *row;
	char old_kind;
	const char *old_row;
};

static void run_steps(struct applied *applied, const struct relation *relation,
	const struct step *steps, size_t count)
{
	struct script *script = &applied->script;
	for (size_t i = 0; i < count; i++) {
		const struct step *step = &steps[i];
		script_begin(script, 1);
		if (step->kind == 'I')
			script_insert(script, relation, step->row);
		else if (step->kind == 'U')
			script_update(script, relation, step->old_kind, step->old_row, step->row);
		else if (step->kind == 'D')
			script_delete(script, relation, step->old_kind, step->old_row);
		else
			script_truncate(script, relation);
		script_commit(script, apply_position(applied->apply)->lsn + 100);
		script_sync(script);
		applied_read(applied);
	}
}

#define RUN(applied, relation, ...)                                                                \
	run_steps(applied, relation, (const struct step[]){ __VA_ARGS__ },                         \
		sizeof((const struct step[]){ __VA_ARGS__ }) / sizeof(struct step))

/* The table failed with this text and context; another one goes on. */
static void check_failed(
	struct applied *applied, struct apply_table *table, const char *text, const char *where)
{
	const struct error *failure = &table->failure;
	if (failure->kind == ERROR_NONE)
		test_fail(__FILE__, __LINE__, "the table did not fail: %s", text);
	if (strstr(failure->text, text) == NULL || strstr(failure->context, where) == NULL)
		test_fail(__FILE__, __LINE__, "\"%s\" (%s), not \"%s\" (%s)", failure->text,
			failure->context, text, where);
	CHECK(strstr(failure->hint, "walberg snapshot public.") != NULL);
	CHECK(!apply_is_visible(applied->apply, table));
	RUN(applied, &script_lines, { 'I', "7|more|7", 0, NULL });
	CHECK_EQUAL(applied->lines->failure.kind, ERROR_NONE);
	CHECK_TEXT(applied_rows(applied, applied->lines), "7|more|7");
	applied_close(applied);
}

/* --- changes in memory and in files --- */

TEST(rows_that_change_before_they_are_written_never_reach_a_file)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "1|a|1", 0, NULL }, { 'I', "2|b|2", 0, NULL },
		{ 'I', "3|c|3", 0, NULL }, { 'U', "1|a|10", 0, NULL },
		{ 'U', "5|e|5", 'K', "2|~|~" }, { 'D', NULL, 'K', "3|~|~" },
		{ 'U', "1|a|11", 0, NULL });
	CHECK_TEXT(applied_rows(&applied, applied.items), "1|a|11 5|e|5");
	CHECK_EQUAL(table_file_count(applied.items->table), 1);
	CHECK_EQUAL(table_row_count(applied.items->table), 2);
	applied_close(&applied);
}

TEST(rows_that_are_written_are_deleted_at_their_place)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "1|a|1", 0, NULL }, { 'I', "2|b|2", 0, NULL },
		{ 'D', NULL, 'K', "1|~|~" }, { 'I', "3|c|3", 0, NULL }, { 'I', "4|d|4", 0, NULL });
	/* Rows behind a dead one stand one place further on in the file. */
	CHECK_TEXT(applied_rows(&applied, applied.items), "2|b|2 3|c|3 4|d|4");
	RUN(&applied, &script_items, { 'D', NULL, 'K', "3|~|~" }, { 'U', "4|d|40", 0, NULL },
		{ 'U', "6|b|2", 'K', "2|~|~" }, { 'I', "3|new|3", 0, NULL });
	CHECK_TEXT(applied_rows(&applied, applied.items), "3|new|3 4|d|40 6|b|2");
	applied_close(&applied);
}

TEST(rows_are_found_where_a_fold_has_put_them)
{
	struct applied applied;
	applied_open(&applied);
	size_t files = 0;
	for (int id = 1; id <= 9; id++) {
		char row[32];
		snprintf(row, sizeof row, "%d|a|1", id);
		RUN(&applied, &script_items, { 'I', row, 0, NULL });
		CHECK_OK(apply_flush(applied.apply, &applied.err), &applied.err);
		CHECK_OK(apply_fold(applied.apply, &applied.err), &applied.err);
		struct table_prepared prepared;
		CHECK_OK(table_prepare(applied.items->table,
				 &(struct table_prepare){ .position = 1, .timestamp_ms = id },
				 &applied.script.arena, &prepared, &applied.err),
			&applied.err);
		table_accept(applied.items->table);
		files++;
	}
	CHECK(table_file_count(applied.items->table) < files);
	RUN(&applied, &script_items, { 'U', "1|b|2", 0, NULL }, { 'U', "10|b|2", 'K', "2|~|~" },
		{ 'D', NULL, 'K', "3|~|~" }, { 'D', NULL, 'K', "9|~|~" });
	CHECK_TEXT(applied_rows(&applied, applied.items),
		"10|b|2 1|b|2 4|a|1 5|a|1 6|a|1 7|a|1 8|a|1");
	applied_close(&applied);
}

TEST(keys_may_change_places_within_a_transaction)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "1|one|1", 0, NULL }, { 'I', "2|two|2", 0, NULL });
	CHECK_TEXT(applied_rows(&applied, applied.items), "1|one|1 2|two|2");
	script_begin(&applied.script, 9);
	script_update(&applied.script, &script_items, 'K', "1|~|~", "0|one|1");
	script_update(&applied.script, &script_items, 'K', "2|~|~", "1|two|2");
	script_update(&applied.script, &script_items, 'K', "0|~|~", "2|one|1");
	script_commit(&applied.script, 10000);
	script_sync(&applied.script);
	applied_read(&applied);
	CHECK_TEXT(applied_rows(&applied, applied.items), "1|two|2 2|one|1");
	applied_close(&applied);
}

TEST(a_truncate_drops_waiting_and_written_rows)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "1|a|1", 0, NULL }, { 'I', "2|b|2", 0, NULL });
	CHECK_TEXT(applied_rows(&applied, applied.items), "1|a|1 2|b|2");
	RUN(&applied, &script_items, { 'I', "3|c|3", 0, NULL }, { 'T', NULL, 0, NULL },
		{ 'I', "1|after|1", 0, NULL });
	RUN(&applied, &script_lines, { 'I', "8|x|8", 0, NULL }, { 'I', "8|x|8", 0, NULL });
	CHECK_TEXT(applied_rows(&applied, applied.items), "1|after|1");
	CHECK_TEXT(applied_rows(&applied, applied.lines), "8|x|8 8|x|8");
	applied_close(&applied);
}

TEST(a_row_that_came_and_went_leaves_no_file)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "1|a|1", 0, NULL }, { 'D', NULL, 'K', "1|~|~" });
	CHECK_TEXT(applied_rows(&applied, applied.items), "");
	CHECK_EQUAL(table_file_count(applied.items->table), 0);
	RUN(&applied, &script_items, { 'I', "1|again|1", 0, NULL });
	CHECK_TEXT(applied_rows(&applied, applied.items), "1|again|1");
	applied_close(&applied);
}

/* --- REPLICA IDENTITY FULL and TOAST --- */

TEST(an_unchanged_toast_value_is_taken_from_the_whole_old_row)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_whole, { 'I', "1|long|1", 0, NULL },
		{ 'U', "1|?|2", 'O', "1|long|1" }, { 'I', "2|b|2", 0, NULL },
		{ 'U', "3|?|2", 'O', "2|b|2" }, { 'I', "4|~|4", 0, NULL },
		{ 'D', NULL, 'O', "4|~|4" });
	CHECK_TEXT(applied_rows(&applied, applied.whole), "1|long|2 3|b|2");
	applied_close(&applied);
}

TEST(an_unchanged_toast_value_without_the_old_row_fails_the_table)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "1|long|1", 0, NULL }, { 'U', "1|?|2", 0, NULL });
	CHECK(strstr(applied.items->failure.hint, "REPLICA IDENTITY FULL") != NULL);
	CHECK_EQUAL(applied.items->failure.kind, ERROR_UNSUPPORTED);
	check_failed(
		&applied, applied.items, "column \"note\" is stored out of line", "where id = 1");
}

TEST(an_unchanged_toast_value_with_the_old_key_alone_fails_the_table)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "1|long|1", 0, NULL }, { 'U', "2|?|2", 'K', "1|~|~" });
	check_failed(
		&applied, applied.items, "column \"note\" is stored out of line", "where id = 2");
}

/* --- what cannot be applied exactly --- */

TEST(a_null_in_a_required_column_fails_the_table_and_names_the_key)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "5|a|~", 0, NULL });
	check_failed(&applied, applied.items, "column \"count\" was NOT NULL and has a NULL now",
		"\"public.items\" where id = 5");
}

TEST(a_null_in_the_key_fails_the_table)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "~|a|1", 0, NULL });
	check_failed(&applied, applied.items, "column \"id\" was NOT NULL", "\"public.items\"");
}

TEST(a_value_that_does_not_fit_fails_the_table_and_names_the_key)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "5|a|1", 0, NULL },
		{ 'U', "5|a|99999999999999999999", 0, NULL });
	check_failed(&applied, applied.items, "\"count\"", "where id = 5");
}

TEST(an_insert_of_a_key_that_is_there_fails_the_table)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "5|a|1", 0, NULL });
	CHECK_TEXT(applied_rows(&applied, applied.items), "5|a|1");
	RUN(&applied, &script_items, { 'I', "5|b|1", 0, NULL });
	CHECK_EQUAL(applied.items->failure.kind, ERROR_CORRUPT);
	check_failed(&applied, applied.items, "a row is inserted that the lake has already",
		"where id = 5");
}

TEST(an_update_to_a_key_that_is_there_fails_the_table)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "5|a|1", 0, NULL }, { 'I', "6|b|1", 0, NULL },
		{ 'U', "6|a|1", 'K', "5|~|~" });
	check_failed(&applied, applied.items, "the lake has already", "where id = 6");
}

TEST(an_update_of_a_key_that_is_not_there_fails_the_table)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "5|a|1", 0, NULL }, { 'U', "6|b|1", 0, NULL });
	check_failed(&applied, applied.items, "that the lake does not have", "where id = 6");
}

TEST(a_delete_of_a_key_that_is_not_there_fails_the_table)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "5|a|1", 0, NULL }, { 'D', NULL, 'K', "5|~|~" },
		{ 'D', NULL, 'K', "5|~|~" });
	check_failed(&applied, applied.items, "that the lake does not have", "where id = 5");
}

TEST(a_delete_in_a_table_without_a_key_fails_it)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_lines, { 'I', "5|a|1", 0, NULL }, { 'D', NULL, 'O', "5|a|1" });
	CHECK(strstr(applied.lines->failure.text, "have no key") != NULL);
	CHECK_EQUAL(applied.items->failure.kind, ERROR_NONE);
	applied_close(&applied);
}

TEST(a_row_of_another_width_fails_the_table)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "5|a|1|more", 0, NULL });
	check_failed(
		&applied, applied.items, "a row has 4 columns, its table 3", "\"public.items\"");
}

TEST(a_failed_table_takes_no_more_changes_and_holds_no_memory)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "1|a|1", 0, NULL }, { 'D', NULL, 'K', "9|~|~" },
		{ 'I', "1|a|1", 0, NULL }, { 'T', NULL, 0, NULL });
	CHECK(strstr(applied.items->failure.text, "does not have") != NULL);
	CHECK_EQUAL(apply_pending_bytes(applied.apply), 0);
	CHECK(!apply_has_delta(applied.apply));
	CHECK_EQUAL(apply_position(applied.apply)->lsn, 400);
	applied_close(&applied);
}

TEST(a_relation_that_is_made_again_or_redefined_fails_the_table)
{
	struct applied applied;
	applied_open(&applied);
	struct relation again = script_items, renamed = script_whole;
	again.oid = 900;
	renamed.name = "other";
	script_begin(&applied.script, 3);
	script_relation(&applied.script, &script_lines);
	script_relation(&applied.script, &script_items);
	script_commit(&applied.script, 10);
	script_sync(&applied.script);
	applied_read(&applied);
	CHECK_EQUAL(applied.items->failure.kind, ERROR_NONE);
	script_begin(&applied.script, 4);
	script_relation(&applied.script, &again);
	script_relation(&applied.script, &renamed);
	script_commit(&applied.script, 20);
	script_sync(&applied.script);
	applied_read(&applied);
	CHECK(strstr(applied.items->failure.text, "was dropped and made again") != NULL);
	CHECK(strstr(applied.whole->failure.text, "called \"public.other\" now") != NULL);
	CHECK_EQUAL(applied.lines->failure.kind, ERROR_NONE);
	applied_close(&applied);
}

/* --- memory --- */

TEST(rows_beyond_the_memory_are_written_to_files_before_the_commit)
{
	struct applied applied;
	applied_open(&applied);
	apply_close(applied.apply);
	applied.options.pending_bytes_max = 64 * 1024;
	applied.apply = apply_open(&applied.options, &(struct apply_position){ 0 });
	struct apply_table *items;
	CHECK_OK(
		apply_add(applied.apply, &script_items, "", 0, &items, &applied.err), &applied.err);
	script_begin(&applied.script, 7);
	char row[600];
	for (int id = 0; id < 2000; id++) {
		snprintf(row, sizeof row, "%d|%0500d|%d", id, id, id);
		script_insert(&applied.script, &script_items, row);
		if (id % 3 == 0)
			script_update(&applied.script, &script_items, 0, NULL, row);
	}
	script_commit(&applied.script, 100);
	script_sync(&applied.script);
	applied_read(&applied);
	CHECK(apply_pending_bytes(applied.apply) <= 64 * 1024 + 256 * 1024);
	CHECK(table_file_count(items->table) > 2);
	CHECK_OK(apply_flush(applied.apply, &applied.err), &applied.err);
	CHECK_EQUAL(table_row_count(items->table), 2000);
	applied_close(&applied);
}

TEST(one_huge_row_is_written_at_once)
{
	struct applied applied;
	applied_open(&applied);
	apply_close(applied.apply);
	applied.options.pending_bytes_max = 64 * 1024;
	applied.apply = apply_open(&applied.options, &(struct apply_position){ 0 });
	struct apply_table *lines;
	CHECK_OK(
		apply_add(applied.apply, &script_lines, "", 0, &lines, &applied.err), &applied.err);
	char *row = arena_alloc(&applied.script.arena, 1, 300 * 1024);
	snprintf(row, 300 * 1024, "1|%0*d|1", 290 * 1024, 5);
	script_insert_alone(&applied.script, 100, &script_lines, row);
	applied_read(&applied);
	CHECK_EQUAL(apply_pending_bytes(applied.apply), 0);
	CHECK_EQUAL(table_row_count(lines->table), 1);
	applied_close(&applied);
}

/* --- COPY --- */

TEST(copied_rows_are_found_by_later_changes_however_the_bytes_are_cut)
{
	struct applied applied;
	applied_open(&applied);
	const struct bytes copy = script_copy(&applied.script.arena, "1|a|1 2|~|2 3|c|3");
	for (size_t at = 0; at < copy.size; at += 7) {
		const size_t size = copy.size - at < 7 ? copy.size - at : 7;
		CHECK_OK(apply_copy(applied.items, bytes_of(copy.data + at, size), &applied.err),
			&applied.err);
	}
	CHECK_OK(apply_copy_end(applied.items, 50, &applied.err), &applied.err);
	CHECK_EQUAL(apply_copied_rows(applied.items), 3);
	CHECK_EQUAL(applied.items->floor, 50);
	RUN(&applied, &script_items, { 'U', "2|b|20", 0, NULL }, { 'D', NULL, 'K', "3|~|~" },
		{ 'I', "4|d|4", 0, NULL });
	CHECK_TEXT(applied_rows(&applied, applied.items), "1|a|1 2|b|20 4|d|4");
	applied_close(&applied);
}

TEST(a_copy_with_a_key_twice_or_a_null_or_a_cut_end_is_refused)
{
	struct applied applied;
	struct error *err = &applied.err;
	applied_open(&applied);
	struct arena *arena = &applied.script.arena;
	CHECK_OK(apply_copy(applied.items, script_copy(arena, "1|a|1 1|b|2"), err), err);
	CHECK(!apply_copy_end(applied.items, 50, err));
	CHECK_EQUAL(err->kind, ERROR_CORRUPT);
	CHECK(strstr(err->context, "where id = 1") != NULL);

	CHECK(!apply_copy(applied.whole, script_copy(arena, "1|a|1 2|b|~"), err));
	CHECK_EQUAL(err->kind, ERROR_UNSUPPORTED);
	CHECK(strstr(err->context, "where id = 2") != NULL);

	struct bytes cut = script_copy(arena, "1|a|1 2|b|2");
	cut.size -= 3;
	CHECK_OK(apply_copy(applied.lines, cut, err), err);
	CHECK(!apply_copy_end(applied.lines, 50, err));
	CHECK_EQUAL(err->kind, ERROR_CORRUPT);
	applied_close(&applied);
}

/* --- the index of a table that is opened again --- */

TEST(the_index_is_rebuilt_from_the_files)
{
	struct applied applied;
	applied_open(&applied);
	RUN(&applied, &script_items, { 'I', "1|a|1", 0, NULL }, { 'I', "2|b|2", 0, NULL },
		{ 'I', "3|c|3", 0, NULL });
	CHECK_TEXT(applied_rows(&applied, applied.items), "1|a|1 2|b|2 3|c|3");
	RUN(&applied, &script_items, { 'D', NULL, 'K', "2|~|~" });
	CHECK_OK(apply_flush(applied.apply, &applied.err), &applied.err);
	struct table_prepared prepared;
	struct arena *arena = &applied.script.arena;
	CHECK_OK(table_prepare(applied.items->table,
			 &(struct table_prepare){ .position = 400, .timestamp_ms = 1 }, arena,
			 &prepared, &applied.err),
		&applied.err);
	table_accept(applied.items->table);
	const char *location = arena_copy_cstring(arena, prepared.metadata_location);
	apply_remove(applied.apply, applied.items);
	CHECK_OK(apply_add(
			 applied.apply, &script_items, location, 400, &applied.items, &applied.err),
		&applied.err);
	RUN(&applied, &script_items, { 'I', "2|new|2", 0, NULL }, { 'U', "3|c|30", 0, NULL },
		{ 'D', NULL, 'K', "1|~|~" });
	CHECK_TEXT(applied_rows(&applied, applied.items), "2|new|2 3|c|30");
	RUN(&applied, &script_items, { 'I', "3|twice|1", 0, NULL });
	check_failed(&applied, applied.items, "the lake has already", "where id = 3");
}
