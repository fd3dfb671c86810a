#include "table/table_fixture.h"

#include <inttypes.h>
#include <stdlib.h>

enum {
	FOREVER = 1000 * 1000 * 1000, /* ms: no version is old */
};

static struct store *memory(void)
{
	return store_memory_open(world_posix(), "memory://lake");
}

static void check_all(struct fixture *fixture)
{
	fixture_check_rows(fixture);
	fixture_check_store(fixture);
	arena_reset(&fixture->arena);
}

TEST(a_table_is_what_was_written_into_it)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	CHECK_TEXT(table_metadata_location(fixture.table), "");
	CHECK(!table_has_delta(fixture.table));
	fixture_write(&fixture, 1000);
	CHECK(table_has_delta(fixture.table));
	fixture_check_rows(&fixture);
	fixture_commit(&fixture, FOREVER);
	CHECK_EQUAL(table_position(fixture.table), 110);
	check_all(&fixture);
	fixture_delete(&fixture, 100);
	fixture_write(&fixture, 10);
	fixture_commit(&fixture, FOREVER);
	check_all(&fixture);
	fixture_reload(&fixture);
	CHECK_EQUAL(table_file_count(fixture.table), 2);
	check_all(&fixture);
	fixture_close(&fixture);
}

TEST(a_table_without_rows_has_a_version_with_its_position)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	fixture_commit(&fixture, FOREVER);
	check_all(&fixture);
	fixture_reload(&fixture);
	CHECK_EQUAL(table_position(fixture.table), 110);
	CHECK_EQUAL(table_row_count(fixture.table), 0);
	fixture_write(&fixture, 3);
	fixture_commit(&fixture, FOREVER);
	check_all(&fixture);
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
	fixture_open(&fixture, memory(), 1);
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
	check_all(&fixture);
	fixture_truncate(&fixture);
	CHECK_EQUAL(table_row_count(fixture.table), 0);
	fixture_commit(&fixture, FOREVER);
	CHECK_TEXT(committed_operation(&fixture), "delete");
	check_all(&fixture);
	fixture_write(&fixture, 10);
	fixture_commit(&fixture, 0);
	check_all(&fixture);
	fixture_close(&fixture);
}

TEST(a_truncated_delta_leaves_no_object_behind)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	fixture_write(&fixture, 10);
	fixture_append(&fixture, 3, 100);
	fixture_truncate(&fixture);
	fixture_write(&fixture, 5);
	fixture_commit(&fixture, FOREVER);
	CHECK_EQUAL(table_file_count(fixture.table), 1);
	check_all(&fixture);
	fixture_close(&fixture);
}

TEST(appended_rows_go_to_files_of_the_target_size)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	fixture_append(&fixture, 40, 2000);
	const size_t count = table_file_count(fixture.table);
	CHECK(count > 3 && count < 40);
	fixture_check_rows(&fixture);
	fixture_commit(&fixture, FOREVER);
	fixture_reload(&fixture);
	check_all(&fixture);
	fixture_close(&fixture);
}

TEST(only_old_versions_are_expired_when_there_is_no_delta)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
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
	check_all(&fixture);

	CHECK_OK(fixture_prepare(&fixture, 400), &fixture.err);
	CHECK_TEXT(fixture.prepared.metadata_location, fixture.prepared.base_location);
	CHECK_EQUAL(fixture.prepared.removal_count, 0);
	table_accept(fixture.table);
	check_all(&fixture);
	fixture_close(&fixture);
}

TEST(a_commit_prepared_twice_leaves_nothing_of_the_first)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	fixture_write(&fixture, 1000);
	fixture_commit(&fixture, FOREVER);
	fixture_delete(&fixture, 100);
	CHECK_OK(fixture_prepare(&fixture, FOREVER), &fixture.err);
	CHECK_OK(fixture_prepare(&fixture, FOREVER), &fixture.err);
	fixture_delete(&fixture, 10);
	fixture_write(&fixture, 10);
	fixture_commit(&fixture, FOREVER);
	check_all(&fixture);
	fixture_close(&fixture);
}

TEST(an_abandoned_delta_is_gone)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	fixture_write(&fixture, 1000);
	fixture_commit(&fixture, FOREVER);
	fixture_delete(&fixture, 100);
	fixture_append(&fixture, 2, 10);
	CHECK_OK(fixture_prepare(&fixture, FOREVER), &fixture.err);
	fixture_abandon(&fixture);
	check_all(&fixture);
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
		return check_all(fixture);
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
	check_all(fixture);
	if (fixture_random(fixture, 6) == 0)
		fixture_reload(fixture);
	check_all(fixture);
}

TEST(random_changes_leave_exactly_the_rows_and_objects_of_the_model)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), test_seed());
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

/* --- folding --- */

TEST(files_stay_few_and_rows_are_rewritten_few_times)
{
	struct fixture fixture;
	size_t most = 0, written = 0;
	fixture_open(&fixture, memory(), test_seed());
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
	check_all(&fixture);
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
	fixture_open(&fixture, memory(), test_seed());
	fixture.table->options.file_size_target_bytes = 64 * 1024 * 1024;
	for (int i = 0; i < 80; i++) {
		fixture_write(&fixture, 200);
		fixture_fold(&fixture, 4000);
		fixture_commit(&fixture, 0);
	}
	check_all(&fixture);
	CHECK(table_file_count(fixture.table) - count_files_over(&fixture, 2000) <= 3 * 2 + 1);
	fixture_close(&fixture);
}

TEST(a_much_deleted_file_is_written_again_without_its_deleted_rows)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	fixture_append(&fixture, 5, 6000);
	fixture_commit(&fixture, FOREVER);
	fixture_delete(&fixture, 18000);
	fixture_fold(&fixture, UINT64_MAX);
	fixture_commit(&fixture, FOREVER);
	uint64_t records = 0;
	for (size_t i = 0; i < fixture.table->file_count; i++)
		records += (uint64_t)fixture.table->files[i]->entry.data_file.record_count;
	CHECK_EQUAL(records, table_row_count(fixture.table));
	check_all(&fixture);
	fixture_close(&fixture);
}

TEST(a_file_without_live_rows_is_dropped_with_its_deletes)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	fixture_write(&fixture, 20);
	fixture_commit(&fixture, FOREVER);
	fixture_delete(&fixture, 5);
	fixture_commit(&fixture, FOREVER);
	while (table_row_count(fixture.table) > 0)
		fixture_delete(&fixture, 20);
	fixture_commit(&fixture, 0);
	CHECK_EQUAL(table_file_count(fixture.table), 0);
	check_all(&fixture);
	fixture_reload(&fixture);
	check_all(&fixture);
	fixture_close(&fixture);
}

TEST(many_files_are_in_several_manifests_of_which_few_are_rewritten)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	for (int i = 0; i < 300; i++)
		fixture_write(&fixture, 2);
	fixture_commit(&fixture, FOREVER);
	CHECK_EQUAL(fixture.table->group_count, 3);
	check_all(&fixture);
	const char *first = arena_copy_cstring(
		&fixture.arena, fixture.table->groups[0]->current[MANIFEST_DATA].uri);
	fixture_write(&fixture, 2);
	CHECK_OK(fixture_prepare(&fixture, FOREVER), &fixture.err);
	fixture_accept(&fixture);
	CHECK_TEXT(fixture.table->groups[0]->current[MANIFEST_DATA].uri, first);
	CHECK_EQUAL(fixture.table->group_count, 3);
	check_all(&fixture);
	fixture_fold(&fixture, UINT64_MAX);
	fixture_commit(&fixture, FOREVER);
	fixture_commit(&fixture, 0); /* expires */
	fixture_reload(&fixture);
	check_all(&fixture);
	fixture_close(&fixture);
}

/* --- somebody else's changes --- */

TEST(a_version_that_a_tag_names_is_kept_with_its_objects)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	fixture_write(&fixture, 1000);
	fixture_commit(&fixture, FOREVER);
	const struct metadata *metadata =
		fixture_metadata(&fixture, table_metadata_location(fixture.table));
	const int64_t tagged = metadata->current_snapshot->snapshot_id;
	const struct snapshot_ref tag = { .name = "audit", .is_tag = true, .snapshot_id = tagged };
	const struct update update = { .kind = UPDATE_SET_SNAPSHOT_REF, .ref = &tag };
	fixture_delete(&fixture, 1000);
	fixture_write(&fixture, 10);
	CHECK_OK(fixture_prepare(&fixture, 0), &fixture.err);
	CHECK_OK(table_rebase(fixture.table, fixture_foreign(&fixture, &update, 1), &fixture.arena,
			 &fixture.prepared, &fixture.err),
		&fixture.err);
	fixture_accept(&fixture);
	check_all(&fixture);
	for (int i = 0; i < 3; i++) {
		fixture_truncate(&fixture);
		fixture_write(&fixture, 10);
		fixture_commit(&fixture, 0);
		check_all(&fixture);
	}
	metadata = fixture_metadata(&fixture, table_metadata_location(fixture.table));
	CHECK(metadata_find_snapshot(metadata, tagged) != NULL);
	CHECK_EQUAL(metadata->snapshot_count, 2);
	fixture_close(&fixture);
}

/* A version on top of the current one with the same files, as a branch or as main. */
static const char *foreign_version(
	struct fixture *fixture, const char *ref_name, const char *manifest_list)
{
	const struct metadata *base =
		fixture_metadata(fixture, table_metadata_location(fixture->table));
	struct snapshot *snapshot = arena_new(&fixture->arena, struct snapshot);
	const struct key_value operation = { SUMMARY_OPERATION, "replace" };
	*snapshot = *base->current_snapshot;
	snapshot->json = NULL; /* another one */
	if (manifest_list)
		snapshot->manifest_list = manifest_list;
	snapshot->has_parent = true;
	snapshot->parent_snapshot_id = snapshot->snapshot_id;
	snapshot->snapshot_id = 4711;
	snapshot->sequence_number = base->last_sequence_number + 1;
	snapshot->timestamp_ms += 10;
	snapshot->summary = arena_copy(&fixture->arena, &operation, sizeof operation);
	snapshot->summary_count = 1;
	const struct snapshot_ref ref = { .name = ref_name, .snapshot_id = 4711 };
	const struct update updates[] = {
		{ .kind = UPDATE_ADD_SNAPSHOT, .snapshot = snapshot },
		{ .kind = UPDATE_SET_SNAPSHOT_REF, .ref = &ref },
	};
	return fixture_foreign(fixture, updates, 2);
}

TEST(a_branch_of_somebody_else_is_built_upon_and_its_objects_are_kept)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	fixture_write(&fixture, 1000);
	fixture_commit(&fixture, FOREVER);
	fixture_truncate(&fixture);
	fixture_write(&fixture, 10);
	CHECK_OK(fixture_prepare(&fixture, 0), &fixture.err);
	const char *location = foreign_version(&fixture, "try", NULL);
	CHECK_OK(table_rebase(
			 fixture.table, location, &fixture.arena, &fixture.prepared, &fixture.err),
		&fixture.err);
	fixture_accept(&fixture);
	fixture_write(&fixture, 10);
	fixture_commit(&fixture, 0);
	const struct metadata *metadata =
		fixture_metadata(&fixture, table_metadata_location(fixture.table));
	const struct snapshot *branch = metadata_find_snapshot(metadata, 4711);
	CHECK(branch != NULL);
	uint64_t size;
	CHECK_OK(store_size(fixture.store, store_path(fixture.store, branch->manifest_list), &size,
			 &fixture.err),
		&fixture.err);
	const char **paths;
	size_t count, data_files = 0;
	table_named_paths(fixture.table, &fixture.arena, &paths, &count);
	for (size_t i = 0; i < count; i++) {
		CHECK_OK(store_size(fixture.store, paths[i], &size, &fixture.err), &fixture.err);
		data_files += strstr(paths[i], "/data/") != NULL;
	}
	CHECK_EQUAL(data_files, 3);
	fixture_close(&fixture);
}

TEST(a_version_of_somebody_else_is_a_conflict_for_what_was_prepared)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	fixture_write(&fixture, 1000);
	fixture_commit(&fixture, FOREVER);
	fixture_delete(&fixture, 10);
	CHECK_OK(fixture_prepare(&fixture, FOREVER), &fixture.err);
	const char *location = foreign_version(&fixture, REF_MAIN, NULL);
	CHECK(!table_rebase(
		fixture.table, location, &fixture.arena, &fixture.prepared, &fixture.err));
	CHECK_EQUAL(fixture.err.kind, ERROR_CONFLICT);
	CHECK(strstr(fixture.err.text, "its version is 4711 (replace)") != NULL);
	CHECK(strstr(fixture.err.hint, "walberg snapshot public.orders") != NULL);
	fixture_close(&fixture);
}

/* --- manifests in somebody else's arrangement --- */

static void gather_entries(struct fixture *fixture, const struct manifest_file *file,
	struct manifest_entry *entries, size_t *count)
{
	struct buffer bytes = { 0 };
	struct manifest manifest;
	CHECK_OK(store_get(fixture->store, store_path(fixture->store, file->manifest_path),
			 SIZE_MAX, &bytes, &fixture->err),
		&fixture->err);
	CHECK_OK(manifest_decode(buffer_bytes(&bytes), file, &AVRO_LIMITS_DEFAULT, &fixture->arena,
			 &manifest, &fixture->err),
		&fixture->err);
	for (size_t i = 0; i < manifest.entry_count; i++) {
		if (manifest.entries[i].status == ENTRY_DELETED)
			continue;
		entries[*count] = manifest.entries[i];
		entries[(*count)++].status = ENTRY_EXISTING;
	}
	buffer_deinit(&bytes);
}

static const char *put_foreign(struct fixture *fixture, const char *name, struct buffer *bytes)
{
	const char *path =
		arena_format(&fixture->arena, "public/orders/metadata/foreign-%s.avro", name);
	CHECK_OK(
		store_put(fixture->store, path, buffer_bytes(bytes), &fixture->err), &fixture->err);
	buffer_deinit(bytes);
	return store_uri(fixture->store, path, &fixture->arena);
}

/* The manifests of deletes of the current version as one. */
static struct manifest_file merge_deletes(struct fixture *fixture, const struct metadata *base,
	const struct manifest_file *files, size_t count)
{
	const struct manifest_options options = { .format_version = 2,
		.content = MANIFEST_DELETES,
		.schema = base->current_schema,
		.codec = AVRO_CODEC_NULL };
	struct manifest_entry *entries = arena_array(&fixture->arena, struct manifest_entry, 1000);
	size_t entry_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (files[i].content == MANIFEST_DELETES)
			gather_entries(fixture, &files[i], entries, &entry_count);
	}
	struct buffer bytes = { 0 };
	manifest_encode(&options, entries, entry_count, &bytes);
	struct manifest_file merged = { .manifest_length = (int64_t)bytes.size,
		.content = MANIFEST_DELETES,
		.sequence_number = base->last_sequence_number + 1,
		.added_snapshot_id = 4711 };
	manifest_file_count(&merged, entries, entry_count, merged.sequence_number);
	merged.manifest_path = put_foreign(fixture, "deletes", &bytes);
	return merged;
}

static const char *rewrite_manifests(struct fixture *fixture)
{
	const struct metadata *base =
		fixture_metadata(fixture, table_metadata_location(fixture->table));
	struct buffer bytes = { 0 };
	struct manifest_file *files;
	size_t count;
	CHECK_OK(store_get(fixture->store,
			 store_path(fixture->store, base->current_snapshot->manifest_list),
			 SIZE_MAX, &bytes, &fixture->err),
		&fixture->err);
	CHECK_OK(manifest_list_decode(buffer_bytes(&bytes), &AVRO_LIMITS_DEFAULT, &fixture->arena,
			 &files, &count, &fixture->err),
		&fixture->err);
	buffer_reset(&bytes);
	struct manifest_file merged[16];
	size_t merged_count = 0;
	for (size_t i = 0; i < count; i++) {
		if (files[i].content == MANIFEST_DATA)
			merged[merged_count++] = files[i];
	}
	CHECK_EQUAL(merged_count, 2);
	merged[merged_count++] = merge_deletes(fixture, base, files, count);
	const struct manifest_list_options options = { .format_version = 2,
		.snapshot_id = 4711,
		.sequence_number = base->last_sequence_number + 1,
		.codec = AVRO_CODEC_NULL };
	manifest_list_encode(&options, merged, merged_count, &bytes);
	const char *list = put_foreign(fixture, "list", &bytes);
	return foreign_version(fixture, REF_MAIN, list);
}

TEST(manifests_in_somebody_elses_arrangement_are_arranged_again)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	for (int i = 0; i < 200; i++)
		fixture_write(&fixture, 5);
	fixture_commit(&fixture, FOREVER);
	fixture_delete(&fixture, 100);
	fixture_commit(&fixture, FOREVER);
	const char *location = rewrite_manifests(&fixture);
	table_close(fixture.table);
	fixture.table = NULL;
	CHECK_OK(table_load(fixture.world, fixture.store, &fixture.options, &fixture_relation,
			 location, &fixture.table, &fixture.err),
		&fixture.err);
	CHECK_EQUAL(fixture.table->loose.count, 1);
	fixture_reload(&fixture); /* finds the places of the rows, too */
	fixture_check_rows(&fixture);
	while (!table_has_delta(fixture.table)) /* one row: of one of the two groups */
		fixture_delete(&fixture, 1);
	fixture_commit(&fixture, FOREVER);
	fixture_check_rows(&fixture);
	fixture_commit(&fixture, 0);
	CHECK_EQUAL(
		fixture_metadata(&fixture, table_metadata_location(fixture.table))->snapshot_count,
		1);
	check_all(&fixture);
	fixture_close(&fixture);
}

static bool load_at(struct fixture *fixture, const char *location)
{
	table_close(fixture->table);
	return table_load(fixture->world, fixture->store, &fixture->options, &fixture_relation,
		location, &fixture->table, &fixture->err);
}

TEST(a_version_of_somebody_else_with_the_same_files_is_built_upon)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	fixture_write(&fixture, 1000);
	fixture_commit(&fixture, FOREVER);
	fixture_delete(&fixture, 10);
	fixture_commit(&fixture, FOREVER);
	const lsn_t position = table_position(fixture.table);
	const char *location = foreign_version(&fixture, REF_MAIN, NULL);
	CHECK_OK(load_at(&fixture, location), &fixture.err);
	CHECK_EQUAL(table_position(fixture.table), position);
	CHECK_OK(fixture_prepare(&fixture, 0), &fixture.err); /* 4711 stays, and so does ours */
	CHECK(fixture.prepared.metadata_location != NULL);
	CHECK_EQUAL(table_position(fixture.table), position);
	fixture_close(&fixture);
}

/* As if somebody had appended: main is set to an older version. */
TEST(other_rows_of_somebody_else_are_found_when_the_table_is_loaded)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	fixture_write(&fixture, 10);
	fixture_commit(&fixture, FOREVER);
	const char *list = arena_copy_cstring(
		&fixture.arena, fixture.table->metadata->current_snapshot->manifest_list);
	fixture_write(&fixture, 10);
	CHECK_OK(fixture_prepare(&fixture, FOREVER), &fixture.err);
	fixture_accept(&fixture);
	fixture.table->metadata->snapshots[1].manifest_list = list;
	foreign_version(&fixture, REF_MAIN, NULL);
	const struct metadata *base =
		fixture_metadata(&fixture, table_metadata_location(fixture.table));
	struct snapshot other = *base->current_snapshot;
	other.json = NULL;
	const struct key_value operation = { SUMMARY_OPERATION, "overwrite" };
	other.has_parent = true;
	other.parent_snapshot_id = other.snapshot_id;
	other.snapshot_id = 4712;
	other.sequence_number++;
	other.manifest_list = list;
	other.summary = arena_copy(&fixture.arena, &operation, sizeof operation);
	other.summary_count = 1;
	const struct snapshot_ref ref = { .name = REF_MAIN, .snapshot_id = 4712 };
	const struct update updates[] = {
		{ .kind = UPDATE_ADD_SNAPSHOT, .snapshot = &other },
		{ .kind = UPDATE_SET_SNAPSHOT_REF, .ref = &ref },
	};
	const char *location = fixture_foreign(&fixture, updates, 2);
	CHECK(!load_at(&fixture, location));
	CHECK_EQUAL(fixture.err.kind, ERROR_CONFLICT);
	CHECK(strstr(fixture.err.text, "4712 (overwrite)") != NULL);
	fixture_close(&fixture);
}

TEST(a_table_with_other_columns_is_not_loaded)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	fixture_write(&fixture, 10);
	fixture_commit(&fixture, FOREVER);
	const char *location =
		arena_copy_cstring(&fixture.arena, table_metadata_location(fixture.table));
	struct relation other = fixture_relation;
	other.column_count--;
	table_close(fixture.table);
	CHECK(!table_load(fixture.world, fixture.store, &fixture.options, &other, location,
		&fixture.table, &fixture.err));
	CHECK_EQUAL(fixture.err.kind, ERROR_UNSUPPORTED);
	fixture_close(&fixture);
}

TEST(a_table_that_cannot_be_loaded_is_replaced_and_its_objects_are_removed)
{
	struct fixture fixture;
	fixture_open(&fixture, memory(), 1);
	for (int i = 0; i < 3; i++) {
		fixture_write(&fixture, 1000);
		fixture_delete(&fixture, 100);
		fixture_commit(&fixture, FOREVER);
	}
	const char *location =
		arena_copy_cstring(&fixture.arena, table_metadata_location(fixture.table));
	table_close(fixture.table);
	for (size_t i = 0; i < fixture.now.count; i++)
		fixture.now.rows[i].is_live = false;
	CHECK_OK(table_replace(fixture.world, fixture.store, &fixture.options, &fixture_relation,
			 location, &fixture.table, &fixture.err),
		&fixture.err);
	CHECK_TEXT(table_metadata_location(fixture.table), "");
	fixture_append(&fixture, 2, 500);
	CHECK_OK(fixture_prepare(&fixture, FOREVER), &fixture.err);
	CHECK_TEXT(fixture.prepared.base_location, location);
	fixture_accept(&fixture);
	check_all(&fixture);
	fixture_write(&fixture, 10);
	fixture_commit(&fixture, FOREVER);
	fixture_reload(&fixture);
	check_all(&fixture);
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
	fixture_open(&fixture, store_faulty_open(memory(), strike, &strikes), 1);
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
		check_all(&fixture);
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
	fixture_open(&fixture, store_faulty_open(memory(), strike, &strikes), 1);
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

TEST(a_folder_of_a_table_has_no_surprising_name)
{
	struct arena arena = { 0 };
	CHECK_TEXT(table_folder("public", "orders", &arena), "public/orders/");
	CHECK_TEXT(table_folder("..", "a/b c", &arena), "%2E./a%2Fb%20c/");
	CHECK_TEXT(table_folder("a.b", "\xe5\xbc\xa0", &arena), "a.b/%E5%BC%A0/");
	arena_deinit(&arena);
}
