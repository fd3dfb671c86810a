#include "table/table_fixture.h"

TEST(files_stay_few_and_rows_are_rewritten_few_times)
{
	struct fixture fixture;
	size_t most = 0, written = 0;
	fixture_open(&fixture, fixture_memory(), test_seed());
	fixture.options.file_size_target_bytes = 64 * 1024 * 1024;
	table_close(fixture.table);
	CHECK_OK(table_create(fixture.world, fixture.store, &fixture.options, &fixture_relation,
			 &fixture.table, &fixture.err),
		&fixture.err);
	for (int i = 0; i < 200; i++) {
		fixture_write(&fixture, 200);
		written += 200;
		fixture_delete(&fixture, 50);
		fixture_fold(&fixture, UINT64_MAX);
		fixture_commit(&fixture, 4000);
		const size_t count = table_file_count(fixture.table);
		most = count > most ? count : most;
	}
	fixture_check(&fixture);
	CHECK(most <= 3 * 4 + 2); /* tiers up to 256 * 4^4 = 65536 rows */
	CHECK(fixture.rewritten <= 4 * written);
	fixture_close(&fixture);
}

static size_t count_files_over(const struct fixture *fixture, uint64_t rows)
{
	size_t count = 0;
	for (size_t i = 0; i < fixture->table->file_count; i++)
		count += table_file_live_rows(fixture->table->files[i]) > rows;
	return count;
}

TEST(files_that_have_too_many_rows_for_one_fold_are_left_and_the_others_are_not)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), test_seed());
	fixture.table->options.file_size_target_bytes = 64 * 1024 * 1024;
	for (int i = 0; i < 80; i++) {
		fixture_write(&fixture, 200);
		fixture_fold(&fixture, 4000);
		fixture_commit(&fixture, 0);
	}
	fixture_check(&fixture);
	CHECK(table_file_count(fixture.table) - count_files_over(&fixture, 2000) <= 3 * 2 + 1);
	fixture_close(&fixture);
}

TEST(a_much_deleted_file_is_written_again_without_its_deleted_rows)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), 1);
	fixture_append(&fixture, 5, 6000);
	fixture_commit(&fixture, FOREVER);
	fixture_delete(&fixture, 18000);
	fixture_fold(&fixture, UINT64_MAX);
	fixture_commit(&fixture, FOREVER);
	uint64_t records = 0;
	for (size_t i = 0; i < fixture.table->file_count; i++)
		records += (uint64_t)fixture.table->files[i]->entry.data_file.record_count;
	CHECK_EQUAL(records, table_row_count(fixture.table));
	fixture_check(&fixture);
	fixture_close(&fixture);
}

TEST(a_big_file_is_written_again_when_an_eighth_of_it_is_deleted)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), 1);
	fixture.table->options.file_size_target_bytes = 64 * 1024 * 1024;
	fixture_write(&fixture, 205000);
	fixture_commit(&fixture, FOREVER);
	const struct table_file *file = fixture.table->files[0];
	while (file->deleted.set_count < 64 * 1024 - 500)
		fixture_delete(&fixture, 500);
	fixture_fold(&fixture, UINT64_MAX);
	CHECK_EQUAL(fixture.rewritten, 0);
	while (file->deleted.set_count <= 64 * 1024)
		fixture_delete(&fixture, 500);
	fixture_fold(&fixture, UINT64_MAX);
	CHECK_EQUAL(fixture.rewritten, table_row_count(fixture.table));
	fixture_close(&fixture);
}

TEST(a_file_without_live_rows_is_dropped_with_its_deletes)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), 1);
	fixture_write(&fixture, 20);
	fixture_commit(&fixture, FOREVER);
	fixture_delete(&fixture, 5);
	fixture_commit(&fixture, FOREVER);
	while (table_row_count(fixture.table) > 0)
		fixture_delete(&fixture, 20);
	fixture_commit(&fixture, 0);
	CHECK_EQUAL(table_file_count(fixture.table), 0);
	fixture_check(&fixture);
	fixture_reload(&fixture);
	fixture_check(&fixture);
	fixture_close(&fixture);
}

TEST(many_files_are_in_several_manifests_of_which_few_are_rewritten)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), 1);
	for (int i = 0; i < 300; i++)
		fixture_write(&fixture, 2);
	fixture_commit(&fixture, FOREVER);
	CHECK_EQUAL(fixture.table->group_count, 3);
	fixture_check(&fixture);
	const char *first = arena_copy_cstring(
		&fixture.arena, fixture.table->groups[0]->current[MANIFEST_DATA].uri);
	fixture_write(&fixture, 2);
	CHECK_OK(fixture_prepare(&fixture, FOREVER), &fixture.err);
	fixture_accept(&fixture);
	CHECK_TEXT(fixture.table->groups[0]->current[MANIFEST_DATA].uri, first);
	CHECK_EQUAL(fixture.table->group_count, 3);
	fixture_check(&fixture);
	fixture_fold(&fixture, UINT64_MAX);
	fixture_commit(&fixture, FOREVER);
	fixture_commit(&fixture, 0); /* expires */
	fixture_reload(&fixture);
	fixture_check(&fixture);
	fixture_close(&fixture);
}
