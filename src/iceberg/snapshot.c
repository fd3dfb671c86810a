#include "iceberg/snapshot.h"

#include "iceberg/json_members_internal.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>

static void write_members(struct json_writer *out, const struct snapshot *snapshot)
{
	json_write_begin_object(out);
	/* a number of 0 is one of format version 1, which has none */
	if (snapshot->sequence_number > 0)
		json_write_member_int(out, "sequence-number", snapshot->sequence_number);
	json_write_member_int(out, "snapshot-id", snapshot->snapshot_id);
	if (snapshot->has_parent)
		json_write_member_int(out, "parent-snapshot-id", snapshot->parent_snapshot_id);
	json_write_member_int(out, "timestamp-ms", snapshot->timestamp_ms);
	if (snapshot->summary_count > 0) {
		json_write_key(out, "summary");
		key_values_write(out, snapshot->summary, snapshot->summary_count);
	}
	if (snapshot->manifest_list[0] != '\0')
		json_write_member_cstring(out, "manifest-list", snapshot->manifest_list);
	if (snapshot->has_schema_id)
		json_write_member_int(out, "schema-id", snapshot->schema_id);
	if (snapshot->has_first_row_id) {
		json_write_member_int(out, "first-row-id", snapshot->first_row_id);
		json_write_member_int(out, "added-rows", snapshot->added_rows);
	}
	json_write_end_object(out);
}

void snapshot_write(struct json_writer *out, const struct snapshot *snapshot)
{
	if (snapshot->json != NULL)
		json_write_raw(out, bytes_of_cstring(snapshot->json));
	else
		write_members(out, snapshot);
}

static void check_keys(const struct snapshot *snapshot)
{
	for (size_t i = 0; i < snapshot->summary_count; i++)
		for (size_t j = 0; j < i; j++)
			assert(strcmp(snapshot->summary[i].key, snapshot->summary[j].key) != 0);
}

static const char *encode(const struct snapshot *snapshot, struct arena *arena)
{
	struct buffer json = { 0 };
	struct json_writer out = json_writer_of(&json);
	check_keys(snapshot);
	write_members(&out, snapshot);
	assert(!out.has_invalid_text);
	const char *copy = arena_copy_text(arena, buffer_bytes(&json));
	buffer_deinit(&json);
	return copy;
}

static void decode_row_ids(struct members *members, struct snapshot *out)
{
	bool has_rows;
	out->first_row_id = members_optional_long(
		members, "first-row-id", 0, INT64_MAX, &out->has_first_row_id);
	out->added_rows = members_optional_long(members, "added-rows", 0, INT64_MAX, &has_rows);
	if (out->has_first_row_id && !has_rows)
		members_fail(members, "\"first-row-id\" is there without \"added-rows\"");
}

bool snapshot_decode(json_t *json, struct arena *arena, struct snapshot *out, struct error *err)
{
	struct members members = members_of(json, "snapshot", arena, err);
	bool has_number;
	*out = (struct snapshot){ 0 };
	out->sequence_number =
		members_optional_long(&members, "sequence-number", 0, INT64_MAX, &has_number);
	out->snapshot_id = members_long(&members, "snapshot-id", 0, INT64_MAX);
	out->parent_snapshot_id = members_optional_long(
		&members, "parent-snapshot-id", -1, INT64_MAX, &out->has_parent);
	if (out->parent_snapshot_id == -1) /* how some writers say none */
		out->has_parent = false;
	out->timestamp_ms = members_long(&members, "timestamp-ms", INT64_MIN, INT64_MAX);
	out->summary = members_key_values(&members, "summary", &out->summary_count);
	out->manifest_list = members_optional_text(&members, "manifest-list");
	if (out->manifest_list == NULL)
		out->manifest_list = "";
	out->schema_id = (int32_t)members_optional_long(
		&members, "schema-id", 0, INT32_MAX, &out->has_schema_id);
	decode_row_ids(&members, out);
	if (!members.failed)
		out->json = json_to_text(json, arena);
	return !members.failed;
}

struct snapshot snapshot_copy(const struct snapshot *snapshot, struct arena *arena)
{
	struct snapshot copy = *snapshot;
	copy.manifest_list = arena_copy_cstring(arena, snapshot->manifest_list);
	copy.summary = key_values_copy(snapshot->summary, snapshot->summary_count, arena);
	copy.json = snapshot->json ? arena_copy_cstring(arena, snapshot->json)
				   : encode(snapshot, arena);
	return copy;
}

const char *snapshot_summary(const struct snapshot *snapshot, const char *key)
{
	for (size_t i = 0; i < snapshot->summary_count; i++)
		if (strcmp(snapshot->summary[i].key, key) == 0)
			return snapshot->summary[i].value;
	return NULL;
}

int64_t snapshot_summary_count(const struct snapshot *snapshot, const char *key)
{
	const char *text = snapshot_summary(snapshot, key);
	if (text == NULL)
		return 0;
	char *end;
	errno = 0;
	long long value = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0' ? value : 0;
}

bool snapshot_position(const struct snapshot *snapshot, lsn_t *out)
{
	const char *text = snapshot_summary(snapshot, SUMMARY_POSITION);
	return text != NULL && lsn_parse(text, out);
}

int64_t snapshot_id_of_random(uint64_t random)
{
	int64_t id = (int64_t)(random & INT64_MAX);
	return id ? id : 1;
}
