#include "iceberg/update.h"

#include "base/test.h"

static struct schema_field FIELDS[] = {
	{ 1, "id", true, { VALUE_LONG, 0, 0 }, NULL },
	{ 2, "price \"net\"", false, { VALUE_DECIMAL, 18, 2 }, "without tax" },
};
static int32_t IDENTIFIERS[] = { 1 };
static const struct schema SCHEMA = { 7, 2, FIELDS, 1, IDENTIFIERS, NULL };

static struct metadata *new_table(int32_t version, struct arena *arena)
{
	const struct key_value property = { PROPERTY_PREVIOUS_VERSIONS_MAX, "3" };
	const struct metadata_options options = { .format_version = version,
		.table_uuid = "9c12d441-03fe-4693-9a96-a0705ddf69c1",
		.location = "file:///lake/public/orders",
		.schema = &SCHEMA,
		.property_count = 1,
		.properties = &property,
		.now_ms = 1000 };
	return metadata_new(&options, arena);
}

/* The n-th version: id n, at second n, on top of n - 1. */
static struct snapshot version(int64_t n, struct key_value summary[2])
{
	summary[0] = (struct key_value){ SUMMARY_OPERATION, "overwrite" };
	summary[1] = (struct key_value){ SUMMARY_POSITION, n % 2 ? "0/1" : "0/2" };
	return (struct snapshot){ .snapshot_id = n,
		.has_parent = n > 1,
		.parent_snapshot_id = n - 1,
		.has_schema_id = true,
		.sequence_number = n,
		.timestamp_ms = n * 1000,
		.manifest_list = "file:///lake/public/orders/metadata/snap.avro",
		.summary_count = 2,
		.summary = summary };
}

/* One commit: a version becomes main, others go. */
static struct metadata *commit(const struct metadata *base, const struct snapshot *snapshot,
	const int64_t *removed, size_t removed_count, struct arena *arena)
{
	const struct snapshot_ref main_ref = { .name = REF_MAIN,
		.snapshot_id = snapshot->snapshot_id };
	const struct update updates[] = {
		{ .kind = UPDATE_ADD_SNAPSHOT, .snapshot = snapshot },
		{ .kind = UPDATE_SET_SNAPSHOT_REF, .ref = &main_ref },
		{ .kind = UPDATE_REMOVE_SNAPSHOTS, .snapshots = { removed_count, removed } },
	};
	const struct update_options options = { .now_ms = 99999,
		.base_location = "file:///lake/public/orders/metadata/old.metadata.json" };
	struct error err = { 0 };
	struct metadata *out = NULL;
	CHECK_OK(metadata_apply(base, updates, 3, &options, arena, &out, &err), &err);
	return out;
}

static struct metadata *commits(int64_t count, struct arena *arena)
{
	struct metadata *metadata = new_table(2, arena);
	for (int64_t n = 1; n <= count; n++) {
		struct key_value summary[2];
		const struct snapshot snapshot = version(n, summary);
		metadata = commit(metadata, &snapshot, NULL, 0, arena);
	}
	return metadata;
}

static bool apply_one(const struct metadata *base, struct update update, struct arena *arena,
	struct metadata **out, struct error *err)
{
	const struct update_options options = { .now_ms = 5000 };
	return metadata_apply(base, &update, 1, &options, arena, out, err);
}

TEST(a_new_table_is_encoded_as_the_specification_asks)
{
	struct arena arena = { 0 };
	struct buffer json = { 0 };
	metadata_encode(new_table(2, &arena), &json);
	buffer_append_u8(&json, 0);
	CHECK_TEXT((const char *)json.data,
		"{\"format-version\":2,\"table-uuid\":\"9c12d441-03fe-4693-9a96-a0705ddf69c1\","
		"\"location\":\"file:///lake/public/orders\",\"last-sequence-number\":0,"
		"\"last-updated-ms\":1000,\"last-column-id\":2,\"current-schema-id\":0,\"schemas\":"
		"[{\"type\":\"struct\",\"schema-id\":0,\"fields\":["
		"{\"id\":1,\"name\":\"id\",\"required\":true,\"type\":\"long\"},"
		"{\"id\":2,\"name\":\"price \\\"net\\\"\",\"required\":false,"
		"\"type\":\"decimal(18, 2)\",\"doc\":\"without tax\"}],"
		"\"identifier-field-ids\":[1]}],\"default-spec-id\":0,"
		"\"partition-specs\":[{\"spec-id\":0,\"fields\":[]}],\"last-partition-id\":999,"
		"\"default-sort-order-id\":0,\"sort-orders\":[{\"order-id\":0,\"fields\":[]}],"
		"\"properties\":{\"write.metadata.previous-versions-max\":\"3\"},\"refs\":{},"
		"\"snapshots\":[],\"statistics\":[],\"partition-statistics\":[],"
		"\"snapshot-log\":[],\"metadata-log\":[]}");
	arena_deinit(&arena);
	buffer_deinit(&json);
}

TEST(a_commit_moves_main_and_its_logs)
{
	struct arena arena = { 0 };
	struct metadata *metadata = commits(2, &arena);
	CHECK_EQUAL(metadata->current_snapshot->snapshot_id, 2);
	CHECK_EQUAL(metadata->last_sequence_number, 2);
	CHECK_EQUAL(metadata->last_updated_ms, 2000); /* the snapshot's, not the clock's */
	CHECK_EQUAL(metadata->snapshot_log_count, 2);
	CHECK_EQUAL(metadata->snapshot_log[1].snapshot_id, 2);
	CHECK_EQUAL(metadata->snapshot_log[1].timestamp_ms, 2000);
	CHECK_EQUAL(metadata->ref_count, 1);
	CHECK_EQUAL(metadata_find_ref(metadata, REF_MAIN)->snapshot_id, 2);
	CHECK_EQUAL(metadata_parent(metadata, metadata->current_snapshot)->snapshot_id, 1);
	arena_deinit(&arena);
}

TEST(a_new_version_outlives_its_base_and_its_updates)
{
	struct arena base_arena = { 0 }, arena = { 0 };
	struct buffer before = { 0 }, after = { 0 };
	struct metadata *base = commits(3, &base_arena);
	struct key_value *summary = arena_array(&base_arena, struct key_value, 2);
	struct snapshot *snapshot = arena_new(&base_arena, struct snapshot);
	*snapshot = version(4, summary);
	struct metadata *metadata = commit(base, snapshot, NULL, 0, &arena);
	metadata_encode(metadata, &before);
	arena_deinit(&base_arena);
	metadata_encode(metadata, &after);
	CHECK(bytes_equal(buffer_bytes(&before), buffer_bytes(&after)));
	arena_deinit(&arena);
	buffer_deinit(&before);
	buffer_deinit(&after);
}

TEST(removed_snapshots_cut_the_snapshot_log_before_them)
{
	struct arena arena = { 0 };
	struct key_value summary[2];
	const struct snapshot snapshot = version(6, summary);
	const int64_t removed[] = { 3 };
	struct metadata *metadata = commit(commits(5, &arena), &snapshot, removed, 1, &arena);
	CHECK_EQUAL(metadata->snapshot_count, 5);
	CHECK_EQUAL(metadata->snapshot_log_count, 3); /* 4, 5, 6: 1 and 2 stand before the gap */
	CHECK_EQUAL(metadata->snapshot_log[0].snapshot_id, 4);
	CHECK_EQUAL(metadata->snapshot_log[2].snapshot_id, 6);
	CHECK(metadata_find_snapshot(metadata, 3) == NULL);
	CHECK(metadata_find_snapshot(metadata, 2) != NULL);
	arena_deinit(&arena);
}

TEST(the_metadata_log_keeps_as_many_versions_as_the_property_says)
{
	struct arena arena = { 0 };
	struct metadata *metadata = commits(6, &arena);
	CHECK_EQUAL(metadata->metadata_log_count, 3);
	CHECK_EQUAL(metadata->metadata_log[0].timestamp_ms, 3000);
	CHECK_EQUAL(metadata->metadata_log[2].timestamp_ms, 5000);
	arena_deinit(&arena);
}

TEST(updates_that_do_not_fit_the_table_are_a_conflict)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct metadata *base = commits(3, &arena), *out;
	struct key_value summary[2];
	struct snapshot snapshot = version(3, summary); /* its id exists */
	snapshot.sequence_number = 4;
	struct update add = { .kind = UPDATE_ADD_SNAPSHOT, .snapshot = &snapshot };
	CHECK(!apply_one(base, add, &arena, &out, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);

	snapshot = version(4, summary); /* its sequence number is taken */
	snapshot.sequence_number = 3;
	CHECK(!apply_one(base, add, &arena, &out, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);

	const struct snapshot_ref lost = { .name = "lost", .is_tag = true, .snapshot_id = 77 };
	struct update set = { .kind = UPDATE_SET_SNAPSHOT_REF, .ref = &lost };
	CHECK(!apply_one(base, set, &arena, &out, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);

	struct update uuid = { .kind = UPDATE_ASSIGN_UUID, .uuid = "another" };
	CHECK(!apply_one(base, uuid, &arena, &out, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	arena_deinit(&arena);
}

TEST(a_version_older_than_the_newest_is_a_conflict)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct metadata *base = commits(3, &arena), *out;
	struct key_value summary[2];
	struct snapshot snapshot = version(4, summary);
	snapshot.timestamp_ms = 2999;
	const struct snapshot_ref main_ref = { .name = REF_MAIN, .snapshot_id = 4 };
	const struct update updates[] = {
		{ .kind = UPDATE_ADD_SNAPSHOT, .snapshot = &snapshot },
		{ .kind = UPDATE_SET_SNAPSHOT_REF, .ref = &main_ref },
	};
	const struct update_options options = { .now_ms = 5000 };
	CHECK(!metadata_apply(base, updates, 2, &options, &arena, &out, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	arena_deinit(&arena);
}

TEST(the_current_version_and_main_cannot_be_removed)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct metadata *base = commits(3, &arena), *out;
	const int64_t ids[] = { 3 };
	struct update update = { .kind = UPDATE_REMOVE_SNAPSHOTS, .snapshots = { 1, ids } };
	CHECK(!apply_one(base, update, &arena, &out, &err));
	CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
	update = (struct update){ .kind = UPDATE_REMOVE_SNAPSHOT_REF, .ref_name = REF_MAIN };
	CHECK(!apply_one(base, update, &arena, &out, &err));
	CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
	arena_deinit(&arena);
}

TEST(tags_are_set_with_an_age_and_go_with_their_snapshot)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct buffer json = { 0 };
	struct metadata *base = commits(3, &arena), *out;
	const struct snapshot_ref tag = {
		.name = "hourly", .is_tag = true, .snapshot_id = 2, .max_ref_age_ms = 86400000
	};
	struct update update = { .kind = UPDATE_SET_SNAPSHOT_REF, .ref = &tag };
	CHECK_OK(apply_one(base, update, &arena, &out, &err), &err);
	metadata_encode(out, &json);
	CHECK_OK(metadata_decode(buffer_bytes(&json), &METADATA_LIMITS_DEFAULT, &arena, &out, &err),
		&err);
	CHECK(metadata_find_ref(out, "hourly")->is_tag);
	CHECK_EQUAL(metadata_find_ref(out, "hourly")->max_ref_age_ms, 86400000);
	CHECK_EQUAL(out->current_snapshot->snapshot_id, 3);
	CHECK_EQUAL(out->snapshot_log_count, 3); /* a tag is not a version */

	const int64_t ids[] = { 2 };
	update = (struct update){ .kind = UPDATE_REMOVE_SNAPSHOTS, .snapshots = { 1, ids } };
	CHECK_OK(apply_one(out, update, &arena, &out, &err), &err);
	CHECK(metadata_find_ref(out, "hourly") == NULL);
	CHECK_EQUAL(out->ref_count, 1);
	arena_deinit(&arena);
	buffer_deinit(&json);
}

TEST(properties_are_set_replaced_and_removed)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct metadata *metadata = commits(1, &arena);
	const struct key_value items[] = { { "a", "1" }, { "b", "2" },
		{ PROPERTY_PREVIOUS_VERSIONS_MAX, "9" } };
	struct update update = { .kind = UPDATE_SET_PROPERTIES, .properties = { 3, items } };
	CHECK_OK(apply_one(metadata, update, &arena, &metadata, &err), &err);
	CHECK_EQUAL(metadata->property_count, 3);
	CHECK_TEXT(metadata_property(metadata, PROPERTY_PREVIOUS_VERSIONS_MAX), "9");
	CHECK_EQUAL(metadata->last_updated_ms, 5000);
	const char *const keys[] = { "a", "none" };
	update = (struct update){ .kind = UPDATE_REMOVE_PROPERTIES, .removals = { 2, keys } };
	CHECK_OK(apply_one(metadata, update, &arena, &metadata, &err), &err);
	CHECK_EQUAL(metadata->property_count, 2);
	CHECK(metadata_property(metadata, "a") == NULL);
	CHECK_EQUAL(metadata->current_snapshot->snapshot_id, 1);
	arena_deinit(&arena);
}

TEST(an_equal_schema_is_used_again_and_a_new_one_gets_the_next_id)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct metadata *metadata = commits(1, &arena);
	struct schema_field fields[] = { FIELDS[0], FIELDS[1],
		{ 3, "note", false, { VALUE_STRING, 0, 0 }, NULL } };
	struct schema wider = { 0, 3, fields, 1, IDENTIFIERS, NULL };
	const struct update_options options = { .now_ms = 5000 };
	struct update updates[] = {
		{ .kind = UPDATE_ADD_SCHEMA, .schema = &SCHEMA },
		{ .kind = UPDATE_SET_CURRENT_SCHEMA, .schema_id = SCHEMA_ID_LAST_ADDED },
	};
	CHECK_OK(metadata_apply(metadata, updates, 2, &options, &arena, &metadata, &err), &err);
	CHECK_EQUAL(metadata->schema_count, 1);
	CHECK_EQUAL(metadata->current_schema->schema_id, 0);
	updates[0].schema = &wider;
	CHECK_OK(metadata_apply(metadata, updates, 2, &options, &arena, &metadata, &err), &err);
	CHECK_EQUAL(metadata->schema_count, 2);
	CHECK_EQUAL(metadata->current_schema->schema_id, 1);
	CHECK_EQUAL(metadata->last_column_id, 3);
	arena_deinit(&arena);
}

TEST(version_3_hands_out_row_ids)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct metadata *base = new_table(3, &arena), *out;
	struct key_value summary[2];
	struct snapshot snapshot = version(1, summary);
	struct update add = { .kind = UPDATE_ADD_SNAPSHOT, .snapshot = &snapshot };
	CHECK(!apply_one(base, add, &arena, &out, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	snapshot.has_first_row_id = true;
	snapshot.added_rows = 40;
	CHECK_OK(apply_one(base, add, &arena, &out, &err), &err);
	CHECK_EQUAL(out->next_row_id, 40);
	arena_deinit(&arena);
}

/* A property is set by somebody else, on top of version 3; then rows, which are not walberg's. */
TEST(the_position_of_a_table_is_that_of_walbergs_newest_snapshot)
{
	struct arena arena = { 0 };
	struct key_value summary[2];
	struct metadata *metadata = commits(3, &arena);
	struct snapshot foreign = version(4, summary);
	foreign.summary_count = 1;
	metadata = commit(metadata, &foreign, NULL, 0, &arena);
	lsn_t position = 0;
	CHECK_EQUAL(metadata->current_snapshot->snapshot_id, 4);
	CHECK_EQUAL(metadata_walberg_snapshot(metadata)->snapshot_id, 3);
	CHECK(snapshot_position(metadata_walberg_snapshot(metadata), &position));
	CHECK_EQUAL(position, 1);
	arena_deinit(&arena);
}

TEST(an_ancestry_that_runs_in_a_circle_has_an_end)
{
	struct arena arena = { 0 };
	struct metadata *metadata = commits(2, &arena);
	metadata->snapshots[0].has_parent = true;
	metadata->snapshots[0].parent_snapshot_id = 2;
	metadata->snapshots[0].summary_count = metadata->snapshots[1].summary_count = 0;
	CHECK(metadata_walberg_snapshot(metadata) == NULL);
	arena_deinit(&arena);
}
