#include "table/table_fixture.h"

TEST(a_table_is_what_was_written_into_it)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), 1);
	CHECK_TEXT(table_metadata_location(fixture.table), "");
	CHECK(!table_has_delta(fixture.table));
	fixture_write(&fixture, 1000);
	CHECK(table_has_delta(fixture.table));
	fixture_check_rows(&fixture);
	fixture_commit(&fixture, FOREVER);
	CHECK_EQUAL(table_position(fixture.table), 110);
	fixture_check(&fixture);
	fixture_delete(&fixture, 100);
	fixture_write(&fixture, 10);
	fixture_commit(&fixture, FOREVER);
	fixture_check(&fixture);
	fixture_reload(&fixture);
	CHECK_EQUAL(table_file_count(fixture.table), 2);
	fixture_check(&fixture);
	fixture_close(&fixture);
}

TEST(a_table_without_rows_has_a_version_with_its_position)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), 1);
	fixture_commit(&fixture, FOREVER);
	fixture_check(&fixture);
	fixture_reload(&fixture);
	CHECK_EQUAL(table_position(fixture.table), 110);
	CHECK_EQUAL(table_row_count(fixture.table), 0);
	fixture_write(&fixture, 3);
	fixture_commit(&fixture, FOREVER);
	fixture_check(&fixture);
	fixture_close(&fixture);
}

static const char *committed_operation(struct fixture *fixture)
{
	const struct metadata *metadata =
		fixture_metadata(fixture, table_metadata_location(fixture->table));
	return snapshot_summary(metadata->current_snapshot, SUMMARY_OPERATION);
}

TEST(a_version_says_what_kind_of_change_made_it)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), 1);
	for (int i = 0; i < 4; i++) {
		fixture_write(&fixture, 1500);
		fixture_commit(&fixture, FOREVER);
		CHECK_TEXT(committed_operation(&fixture), "append");
	}
	fixture_fold(&fixture, UINT64_MAX);
	CHECK(table_has_delta(fixture.table));
	CHECK_EQUAL(table_file_count(fixture.table), 1);
	fixture_commit(&fixture, FOREVER);
	CHECK_TEXT(committed_operation(&fixture), "replace");
	fixture_delete(&fixture, 10);
	fixture_commit(&fixture, FOREVER);
	CHECK_TEXT(committed_operation(&fixture), "delete");
	fixture_delete(&fixture, 10);
	fixture_write(&fixture, 10);
	fixture_commit(&fixture, FOREVER);
	CHECK_TEXT(committed_operation(&fixture), "overwrite");
	fixture_check(&fixture);
	fixture_truncate(&fixture);
	CHECK_EQUAL(table_row_count(fixture.table), 0);
	fixture_commit(&fixture, FOREVER);
	CHECK_TEXT(committed_operation(&fixture), "delete");
	fixture_check(&fixture);
	fixture_write(&fixture, 10);
	fixture_commit(&fixture, 0);
	fixture_check(&fixture);
	fixture_close(&fixture);
}

TEST(a_truncated_delta_leaves_no_object_behind)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), 1);
	fixture_write(&fixture, 10);
	fixture_append(&fixture, 3, 100);
	fixture_truncate(&fixture);
	fixture_write(&fixture, 5);
	fixture_commit(&fixture, FOREVER);
	CHECK_EQUAL(table_file_count(fixture.table), 1);
	fixture_check(&fixture);
	fixture_close(&fixture);
}

TEST(appended_rows_go_to_files_of_the_target_size)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), 1);
	fixture_append(&fixture, 40, 2000);
	const size_t count = table_file_count(fixture.table);
	CHECK(count > 3 && count < 40);
	fixture_check_rows(&fixture);
	fixture_commit(&fixture, FOREVER);
	fixture_reload(&fixture);
	fixture_check(&fixture);
	fixture_close(&fixture);
}

TEST(only_old_versions_are_expired_when_there_is_no_delta)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), 1);
	for (int i = 0; i < 5; i++) {
		fixture_write(&fixture, 10);
		fixture_commit(&fixture, FOREVER);
	}
	const lsn_t position = table_position(fixture.table);
	CHECK(!table_can_expire(fixture.table, fixture.time_ms - 1600));
	CHECK(table_can_expire(fixture.table, fixture.time_ms - 1200));
	CHECK_OK(fixture_prepare(&fixture, 400), &fixture.err);
	CHECK_EQUAL(fixture.prepared.snapshot_id, 0);
	fixture_accept(&fixture);
	CHECK_EQUAL(table_position(fixture.table), position);
	CHECK_EQUAL(
		fixture_metadata(&fixture, table_metadata_location(fixture.table))->snapshot_count,
		1);
	fixture_check(&fixture);

	CHECK_OK(fixture_prepare(&fixture, 400), &fixture.err);
	CHECK_TEXT(fixture.prepared.metadata_location, fixture.prepared.base_location);
	CHECK_EQUAL(fixture.prepared.removal_count, 0);
	table_accept(fixture.table);
	fixture_check(&fixture);
	fixture_close(&fixture);
}

TEST(a_commit_prepared_twice_leaves_nothing_of_the_first)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), 1);
	fixture_write(&fixture, 1000);
	fixture_commit(&fixture, FOREVER);
	fixture_delete(&fixture, 100);
	CHECK_OK(fixture_prepare(&fixture, FOREVER), &fixture.err);
	CHECK_OK(fixture_prepare(&fixture, FOREVER), &fixture.err);
	fixture_delete(&fixture, 10);
	fixture_write(&fixture, 10);
	fixture_commit(&fixture, FOREVER);
	fixture_check(&fixture);
	fixture_close(&fixture);
}

TEST(an_abandoned_delta_is_gone)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), 1);
	fixture_write(&fixture, 1000);
	fixture_commit(&fixture, FOREVER);
	fixture_delete(&fixture, 100);
	fixture_append(&fixture, 2, 10);
	CHECK_OK(fixture_prepare(&fixture, FOREVER), &fixture.err);
	fixture_abandon(&fixture);
	fixture_check(&fixture);
	CHECK_EQUAL(table_row_count(fixture.table), 1000);
	fixture_close(&fixture);
}

/* --- random operations against the model --- */

static void random_change(struct fixture *fixture)
{
	switch (fixture_random(fixture, 12)) {
	case 0:
	case 1:
	case 2:
	case 3:
		fixture_write(fixture, 1 + fixture_random(fixture, 400));
		break;
	case 4:
		fixture_append(
			fixture, 1 + fixture_random(fixture, 4), 1 + fixture_random(fixture, 3000));
		break;
	case 5:
	case 6:
	case 7:
		fixture_delete(fixture, fixture_random(fixture, 500));
		break;
	case 8:
	case 9:
	case 10:
		fixture_fold(fixture, fixture_random(fixture, 3) ? UINT64_MAX : 2000);
		break;
	default:
		if (fixture_random(fixture, 6) == 0)
			fixture_truncate(fixture);
	}
}

static void random_rebase(struct fixture *fixture)
{
	const struct key_value property = { "owner", "somebody" };
	const struct update update = { .kind = UPDATE_SET_PROPERTIES,
		.properties = { 1, &property } };
	const char *location = fixture_foreign(fixture, &update, 1);
	CHECK_OK(table_rebase(fixture->table, location, &fixture->arena, &fixture->prepared,
			 &fixture->err),
		&fixture->err);
	CHECK_TEXT(fixture->prepared.base_location, location);
	fixture_accept(fixture);
	const struct metadata *metadata =
		fixture_metadata(fixture, table_metadata_location(fixture->table));
	CHECK_TEXT(metadata_property(metadata, "owner"), "somebody");
}

static void random_step(struct fixture *fixture)
{
	const uint64_t changes = fixture_random(fixture, 4);
	for (uint64_t i = 0; i <= changes; i++)
		random_change(fixture);
	fixture_check_rows(fixture);
	if (*table_metadata_location(fixture->table) && fixture_random(fixture, 10) == 0) {
		if (fixture_random(fixture, 2) == 0)
			CHECK_OK(fixture_prepare(fixture, FOREVER), &fixture->err);
		fixture_abandon(fixture);
		return fixture_check(fixture);
	}
	if (!table_has_delta(fixture->table))
		return;
	CHECK_OK(fixture_prepare(fixture, 400 * (int64_t)fixture_random(fixture, 12)),
		&fixture->err);
	fixture_check_rows(fixture);
	if (*table_metadata_location(fixture->table) && fixture_random(fixture, 8) == 0)
		random_rebase(fixture);
	else
		fixture_accept(fixture);
	fixture_check(fixture);
	if (fixture_random(fixture, 6) == 0)
		fixture_reload(fixture);
	fixture_check(fixture);
}

TEST(random_changes_leave_exactly_the_rows_and_objects_of_the_model)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), test_seed());
	for (int i = 0; i < 25; i++)
		random_step(&fixture);
	fixture_close(&fixture);
}

TEST(random_changes_are_the_same_on_a_disk)
{
	struct store *store;
	struct fixture fixture;
	struct error err;
	CHECK_OK(store_local_open(world_posix(), test_directory(), &store, &err), &err);
	fixture_open(&fixture, store, test_seed());
	fixture.options.parallel_puts = fixture.table->options.parallel_puts = 4;
	for (int i = 0; i < 8; i++)
		random_step(&fixture);
	fixture_close(&fixture);
}

/* --- faults --- */

struct strikes {
	uint64_t calls_left; /* until one fails */
	enum error_kind kind;
};

static enum error_kind strike(void *context, const char *call, const char *path)
{
	(void)call;
	(void)path;
	struct strikes *strikes = context;
	if (strikes->calls_left == 0)
		return ERROR_NONE;
	return --strikes->calls_left == 0 ? strikes->kind : ERROR_NONE;
}

static void check_failing_prepare(enum error_kind kind)
{
	struct strikes strikes = { 0, kind };
	struct fixture fixture;
	fixture_open(&fixture, store_faulty_open(fixture_memory(), strike, &strikes), 1);
	fixture_write(&fixture, 1000);
	fixture_commit(&fixture, FOREVER);
	for (uint64_t call = 1; strikes.calls_left == 0; call++) {
		fixture_delete(&fixture, 10);
		fixture_write(&fixture, 10);
		strikes.calls_left = call;
		if (!fixture_prepare(&fixture, 2000)) {
			CHECK_EQUAL(fixture.err.kind, kind);
			fixture_delete(&fixture, 1);
			CHECK_OK(fixture_prepare(&fixture, 2000), &fixture.err);
		}
		const uint64_t left = strikes.calls_left;
		strikes.calls_left = 0;
		fixture_accept(&fixture);
		fixture_check(&fixture);
		strikes.calls_left = left;
	}
	fixture_close(&fixture);
}

TEST(a_prepare_that_failed_at_any_call_is_done_again)
{
	check_failing_prepare(ERROR_BUSY);
	check_failing_prepare(ERROR_UNCERTAIN);
}

TEST(a_write_that_failed_leaves_the_delta_as_it_was)
{
	struct strikes strikes = { 0, ERROR_LIMIT };
	struct fixture fixture;
	fixture_open(&fixture, store_faulty_open(fixture_memory(), strike, &strikes), 1);
	fixture_write(&fixture, 100);
	const uint32_t next = table_next_file(fixture.table);
	const uint32_t rows[] = { 0, 2 };
	for (uint64_t call = 1; strikes.calls_left == 0; call++) {
		strikes.calls_left = call;
		if (table_write(fixture.table, &fixture.batch, rows, 2, &fixture.err))
			break;
		CHECK_EQUAL(fixture.err.kind, ERROR_LIMIT);
		CHECK_EQUAL(table_next_file(fixture.table), next);
		fixture_check_rows(&fixture);
		CHECK(call < 100);
	}
	strikes.calls_left = 0;
	CHECK_EQUAL(table_next_file(fixture.table), next + 1);
	CHECK_EQUAL(table_row_count(fixture.table), 102);
	fixture_close(&fixture);
}

TEST(files_that_other_programs_write_are_not_taken_for_own_ones)
{
	static const char *const OWN[] = {
		"public/orders/data/0192f0c1-2a3b-8a1b-8e5f-60718293a4b5.parquet",
		"a/b/data/0192f0c1-2a3b-8a1b-8e5f-60718293a4b5-deletes.parquet",
		"a/b/metadata/0192f0c1-2a3b-8a1b-8e5f-60718293a4b5-m0.avro",
		"a/b/metadata/0192f0c1-2a3b-8a1b-8e5f-60718293a4b5-m17.avro",
		"a/b/metadata/snap-4711-1-0192f0c1-2a3b-8a1b-8e5f-60718293a4b5.avro",
		"a/b/metadata/00001-0192f0c1-2a3b-8a1b-8e5f-60718293a4b5.metadata.json",
	};
	static const char *const OTHERS[] = {
		"public/orders/data/0192f0c1-2a3b-7c4d-8e5f-60718293a4b5.parquet",
		"public/orders/data/0192f0c1-2a3b-4c4d-8e5f-60718293a4b5-deletes.parquet",
		"public/orders/data/00000-0-0192f0c1-2a3b-8a1b-8e5f-60718293a4b5-00001.parquet",
		"public/orders/data/0192f0c1-2a3b-8a1b-8e5f-60718293a4b5-m0.avro",
		"public/orders/data/0192f0c1-2a3b-8a1b-8e5f-60718293a4b5",
		"public/orders/data/0192f0c1-2a3b-8a1b-8e5f60718293a4b5-.parquet",
		"public/orders/0192f0c1-2a3b-8a1b-8e5f-60718293a4b5.parquet",
		"0192f0c1-2a3b-8a1b-8e5f-60718293a4b5.parquet",
		"a/b/metadata/0192f0c1-2a3b-4c4d-8e5f-60718293a4b5-m0.avro",
		"a/b/metadata/0192f0c1-2a3b-8a1b-8e5f-60718293a4b5-m.avro",
		"a/b/metadata/snap-4711-1-0192f0c1-2a3b-7c4d-8e5f-60718293a4b5.avro",
		"a/b/metadata/snap-4711-0192f0c1-2a3b-8a1b-8e5f-60718293a4b5.avro",
		"a/b/metadata/00001-0192f0c1-2a3b-4c4d-8e5f-60718293a4b5.metadata.json",
		"a/b/metadata/00001-0192f0c1-2a3b-8a1b-8e5f-60718293a4b5.metadata.json.gz",
		"public/orders/data/",
		"",
	};
	for (size_t i = 0; i < sizeof OWN / sizeof *OWN; i++)
		CHECK(table_is_own_path(OWN[i]));
	for (size_t i = 0; i < sizeof OTHERS / sizeof *OTHERS; i++)
		CHECK(!table_is_own_path(OTHERS[i]));
}

TEST(a_folder_of_a_table_has_no_surprising_name)
{
	struct arena arena = { 0 };
	CHECK_TEXT(table_folder("public", "orders", &arena), "public/orders/");
	CHECK_TEXT(table_folder("..", "a/b c", &arena), "%2E./a%2Fb%20c/");
	CHECK_TEXT(table_folder("a.b", "\xe5\xbc\xa0", &arena), "a.b/%E5%BC%A0/");
	arena_deinit(&arena);
}
