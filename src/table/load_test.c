#include "table/table_fixture.h"

TEST(a_version_that_a_tag_names_is_kept_with_its_objects)
{
	struct fixture fixture;
	fixture_open(&fixture, fixture_memory(), 1);
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
	fixture_check(&fixture);
	for (int i = 0; i < 3; i++) {
		fixture_truncate(&fixture);
		fixture_write(&fixture, 10);
		fixture_commit(&fixture, 0);
		fixture_check(&fixture);
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
	fixture_open(&fixture, fixture_memory(), 1);
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
	fixture_open(&fixture, fixture_memory(), 1);
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
	fixture_open(&fixture, fixture_memory(), 1);
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
	fixture_check(&fixture);
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
	fixture_open(&fixture, fixture_memory(), 1);
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
	fixture_open(&fixture, fixture_memory(), 1);
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
	fixture_open(&fixture, fixture_memory(), 1);
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
	fixture_open(&fixture, fixture_memory(), 1);
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
	fixture_check(&fixture);
	fixture_write(&fixture, 10);
	fixture_commit(&fixture, FOREVER);
	fixture_reload(&fixture);
	fixture_check(&fixture);
	fixture_close(&fixture);
}
