#include "table/table_fixture.h"

#include <inttypes.h>
#include <stdlib.h>

static struct relation_column fixture_columns[] = {
	{ "id", 20, -1, { .type = VALUE_LONG }, true, true, 0, 0, NULL },
	{ "value", 23, -1, { .type = VALUE_INT }, false, false, 0, 0, NULL },
	{ "text", 25, -1, { .type = VALUE_STRING }, false, false, 0, 0, NULL },
	{ "price", 1700, -1, { .type = VALUE_DECIMAL, .precision = 10, .scale = 2 }, false, false,
		0, 0, NULL },
};

enum {
	FIXTURE_COLUMNS = sizeof fixture_columns / sizeof *fixture_columns
};

const struct relation fixture_relation = {
	.oid = 16384,
	.namespace_name = "public",
	.name = "orders",
	.replica_identity = 'd',
	.column_count = FIXTURE_COLUMNS,
	.columns = fixture_columns,
};

uint64_t fixture_random(struct fixture *fixture, uint64_t below)
{
	return test_random(&fixture->random) % below;
}

struct store *fixture_memory(void)
{
	return store_memory_open(world_posix(), "memory://lake");
}

void fixture_open(struct fixture *fixture, struct store *store, uint64_t seed)
{
	*fixture = (struct fixture){
		.random = seed,
		.world = world_posix(),
		.store = store,
		.options = { .zstd_level = 1,
			.file_size_target_bytes = 256 * 1024,
			.row_group_rows = 10000,
			.lake_id = "test-lake" },
		.time_ms = 1700000000000,
		.position = 100,
	};
	batch_init_for(&fixture->batch, &fixture_relation);
	CHECK_OK(table_create(fixture->world, store, &fixture->options, &fixture_relation,
			 &fixture->table, &fixture->err),
		&fixture->err);
}

void fixture_close(struct fixture *fixture)
{
	table_close(fixture->table);
	store_close(fixture->store);
	batch_deinit(&fixture->batch);
	arena_deinit(&fixture->arena);
	free(fixture->now.rows);
	free(fixture->committed.rows);
}

/* --- rows --- */

static struct model_row *model_add(struct model *model)
{
	if (model->count == model->capacity) {
		model->capacity = model->capacity ? 2 * model->capacity : 1024;
		model->rows = memory_resize(model->rows, model->capacity, sizeof *model->rows);
	}
	struct model_row *row = &model->rows[model->count];
	*row = (struct model_row){ .id = (int64_t)model->count++, .is_live = true };
	return row;
}

static void model_copy(struct model *to, const struct model *from)
{
	to->rows = memory_resize(to->rows, from->capacity, sizeof *to->rows);
	if (from->count > 0)
		memcpy(to->rows, from->rows, from->count * sizeof *to->rows);
	to->count = from->count;
	to->capacity = from->capacity;
}

static size_t live_count(const struct model *model)
{
	size_t count = 0;
	for (size_t i = 0; i < model->count; i++)
		count += model->rows[i].is_live;
	return count;
}

static void expected_text(const struct model_row *row, char text[64])
{
	snprintf(text, 64, "row %" PRId64 " of value %d", row->id, row->value);
}

static void push_row(struct batch *batch, const struct model_row *row)
{
	char text[64];
	column_append_fixed(&batch->columns[0], &row->id);
	if (row->value % 7 == 0)
		column_append_null(&batch->columns[1]);
	else
		column_append_fixed(&batch->columns[1], &row->value);
	expected_text(row, text);
	if (row->value % 5 == 0)
		column_append_null(&batch->columns[2]);
	else
		column_append_bytes(&batch->columns[2], bytes_of_cstring(text));
	const int64_t price = row->id * 100 + 99;
	column_append_fixed(&batch->columns[3], &price);
	batch_finish_row(batch);
}

static void check_row(const struct batch *batch, size_t at, const struct model_row *row)
{
	char text[64];
	CHECK_EQUAL(column_is_null(&batch->columns[1], at), row->value % 7 == 0);
	if (row->value % 7 != 0)
		CHECK_EQUAL(*(const int32_t *)column_fixed(&batch->columns[1], at), row->value);
	CHECK_EQUAL(column_is_null(&batch->columns[2], at), row->value % 5 == 0);
	expected_text(row, text);
	if (row->value % 5 != 0)
		CHECK(bytes_equal(column_bytes(&batch->columns[2], at), bytes_of_cstring(text)));
	CHECK_EQUAL(*(const int64_t *)column_fixed(&batch->columns[3], at), row->id * 100 + 99);
}

static struct model_row *new_row(struct fixture *fixture)
{
	struct model_row *row = model_add(&fixture->now);
	row->value = (int32_t)fixture_random(fixture, 1000);
	return row;
}

/* A row of the batch is not among those listed now and then. */
void fixture_write(struct fixture *fixture, size_t row_count)
{
	const uint32_t file = table_next_file(fixture->table);
	uint32_t *rows = memory_allocate(row_count, sizeof *rows);
	batch_reset(&fixture->batch);
	for (size_t i = 0; i < row_count; i++) {
		if (fixture_random(fixture, 4) == 0)
			push_row(&fixture->batch, &(struct model_row){ .id = -1 });
		struct model_row *row = new_row(fixture);
		row->file = file;
		row->position = (uint32_t)i;
		rows[i] = (uint32_t)fixture->batch.row_count;
		push_row(&fixture->batch, row);
	}
	CHECK_OK(table_write(fixture->table, &fixture->batch, rows, row_count, &fixture->err),
		&fixture->err);
	free(rows);
}

void fixture_append(struct fixture *fixture, size_t batch_count, size_t row_count)
{
	for (size_t i = 0; i < batch_count; i++) {
		const size_t first = fixture->now.count;
		batch_reset(&fixture->batch);
		for (size_t j = 0; j < row_count; j++)
			push_row(&fixture->batch, new_row(fixture));
		uint32_t file, position;
		CHECK_OK(table_append(
				 fixture->table, &fixture->batch, &file, &position, &fixture->err),
			&fixture->err);
		for (size_t j = 0; j < row_count; j++) {
			fixture->now.rows[first + j].file = file;
			fixture->now.rows[first + j].position = position + (uint32_t)j;
		}
		if (fixture_random(fixture, 2) == 0)
			fixture_delete(fixture, row_count / 4);
	}
	CHECK_OK(table_append_end(fixture->table, &fixture->err), &fixture->err);
}

void fixture_delete(struct fixture *fixture, size_t row_count)
{
	for (size_t i = 0; i < row_count && fixture->now.count > 0; i++) {
		struct model_row *row =
			&fixture->now.rows[fixture_random(fixture, fixture->now.count)];
		if (!row->is_live)
			continue;
		row->is_live = false;
		table_delete(fixture->table, row->file, row->position);
	}
}

void fixture_truncate(struct fixture *fixture)
{
	for (size_t i = 0; i < fixture->now.count; i++)
		fixture->now.rows[i].is_live = false;
	table_truncate(fixture->table);
}

static bool follow_move(void *context, const struct table_rows *rows, struct error *err)
{
	(void)err;
	struct fixture *fixture = context;
	for (size_t i = 0; i < rows->batch->row_count; i++) {
		const int64_t id = *(const int64_t *)column_fixed(&rows->batch->columns[0], i);
		CHECK(id >= 0 && (size_t)id < fixture->now.count);
		struct model_row *row = &fixture->now.rows[id];
		CHECK(row->is_live);
		check_row(rows->batch, i, row);
		row->file = rows->file;
		row->position = rows->positions[i];
		fixture->rewritten++;
	}
	return true;
}

void fixture_fold(struct fixture *fixture, uint64_t rows_max)
{
	const uint64_t before = fixture->rewritten;
	CHECK_OK(table_fold(fixture->table, rows_max, follow_move, fixture, &fixture->err),
		&fixture->err);
	CHECK(fixture->rewritten - before <= rows_max);
}

/* --- commits --- */

bool fixture_prepare(struct fixture *fixture, int64_t expire_age_ms)
{
	fixture->time_ms += 400;
	fixture->position += 10;
	const struct table_prepare options = {
		.position = fixture->position,
		.timestamp_ms = fixture->time_ms,
		.expire_before_ms = fixture->time_ms - expire_age_ms,
		.removal_at = 77,
	};
	return table_prepare(
		fixture->table, &options, &fixture->arena, &fixture->prepared, &fixture->err);
}

void fixture_accept(struct fixture *fixture)
{
	CHECK(strcmp(fixture->prepared.metadata_location,
		      table_metadata_location(fixture->table)) != 0);
	table_accept(fixture->table);
	CHECK_TEXT(table_metadata_location(fixture->table), fixture->prepared.metadata_location);
	for (size_t i = 0; i < fixture->prepared.removal_count; i++) {
		CHECK_EQUAL(fixture->prepared.removals[i].not_before, 77);
		CHECK_OK(store_remove(
				 fixture->store, fixture->prepared.removals[i].path, &fixture->err),
			&fixture->err);
	}
	model_copy(&fixture->committed, &fixture->now);
	CHECK(!table_has_delta(fixture->table));
}

void fixture_commit(struct fixture *fixture, int64_t expire_age_ms)
{
	CHECK_OK(fixture_prepare(fixture, expire_age_ms), &fixture->err);
	fixture_accept(fixture);
	arena_reset(&fixture->arena);
}

static bool take_place(void *context, const struct table_rows *rows, struct error *err)
{
	(void)err;
	struct fixture *fixture = context;
	for (size_t i = 0; i < rows->batch->row_count; i++) {
		const int64_t id = *(const int64_t *)column_fixed(&rows->batch->columns[0], i);
		CHECK(id >= 0 && (size_t)id < fixture->now.count);
		fixture->now.rows[id].file = rows->file;
		fixture->now.rows[id].position = rows->positions[i];
	}
	return true;
}

/* Loads the committed table; the places of its rows are found anew. */
static void load(struct fixture *fixture, const char *location)
{
	CHECK_OK(table_load(fixture->world, fixture->store, &fixture->options, &fixture_relation,
			 location, &fixture->table, &fixture->err),
		&fixture->err);
	model_copy(&fixture->now, &fixture->committed);
	const int id = 0;
	CHECK_OK(table_scan(fixture->table, &id, 1, take_place, fixture, &fixture->err),
		&fixture->err);
}

void fixture_reload(struct fixture *fixture)
{
	const char *location =
		arena_copy_cstring(&fixture->arena, table_metadata_location(fixture->table));
	table_close(fixture->table);
	fixture->table = NULL;
	load(fixture, location);
}

void fixture_abandon(struct fixture *fixture)
{
	const char *location =
		arena_copy_cstring(&fixture->arena, table_metadata_location(fixture->table));
	const char **paths;
	size_t count;
	table_abandon(fixture->table, &fixture->arena, &paths, &count);
	table_close(fixture->table);
	fixture->table = NULL;
	for (size_t i = 0; i < count; i++)
		CHECK_OK(store_remove(fixture->store, paths[i], &fixture->err), &fixture->err);
	load(fixture, location);
}

struct metadata *fixture_metadata(struct fixture *fixture, const char *location)
{
	struct metadata *metadata;
	struct buffer bytes = { 0 };
	CHECK_OK(store_get(fixture->store, store_path(fixture->store, location), SIZE_MAX, &bytes,
			 &fixture->err),
		&fixture->err);
	CHECK_OK(metadata_decode(buffer_bytes(&bytes), &METADATA_LIMITS_DEFAULT, &fixture->arena,
			 &metadata, &fixture->err),
		&fixture->err);
	buffer_deinit(&bytes);
	return metadata;
}

const char *fixture_foreign(struct fixture *fixture, const struct update *updates, size_t count)
{
	char uuid[UUID_TEXT_SIZE];
	const char *base_location = table_metadata_location(fixture->table);
	const struct metadata *base = fixture_metadata(fixture, base_location);
	const struct update_options options = { fixture->time_ms + 100, base_location };
	struct metadata *metadata;
	CHECK_OK(metadata_apply(
			 base, updates, count, &options, &fixture->arena, &metadata, &fixture->err),
		&fixture->err);
	const char *path = arena_format(&fixture->arena, "public/orders/metadata/%s.metadata.json",
		world_uuid(fixture->world, uuid));
	struct buffer bytes = { 0 };
	metadata_encode(metadata, &bytes);
	CHECK_OK(store_put(fixture->store, path, buffer_bytes(&bytes), &fixture->err),
		&fixture->err);
	buffer_deinit(&bytes);
	return store_uri(fixture->store, path, &fixture->arena);
}

/* --- checks --- */

struct row_check {
	struct fixture *fixture;
	size_t count;
	bool *seen;
};

static bool check_rows(void *context, const struct table_rows *rows, struct error *err)
{
	(void)err;
	struct row_check *check = context;
	for (size_t i = 0; i < rows->batch->row_count; i++) {
		const int64_t id = *(const int64_t *)column_fixed(&rows->batch->columns[0], i);
		CHECK(id >= 0 && (size_t)id < check->fixture->now.count);
		const struct model_row *row = &check->fixture->now.rows[id];
		CHECK(row->is_live && !check->seen[id]);
		check->seen[id] = true;
		check->count++;
		CHECK_EQUAL(rows->file, row->file);
		CHECK_EQUAL(rows->positions[i], row->position);
		check_row(rows->batch, i, row);
	}
	return true;
}

void fixture_check_rows(struct fixture *fixture)
{
	struct row_check check = { fixture, 0,
		arena_array(&fixture->arena, bool, fixture->now.count + 1) };
	const int columns[FIXTURE_COLUMNS] = { 0, 1, 2, 3 };
	CHECK_OK(table_scan(fixture->table, columns, FIXTURE_COLUMNS, check_rows, &check,
			 &fixture->err),
		&fixture->err);
	CHECK_EQUAL(check.count, live_count(&fixture->now));
	CHECK_EQUAL(table_row_count(fixture->table), check.count);
}

struct version_totals {
	int64_t records, data_files, delete_files, deletes, size;
};

static void add_path(struct fixture *fixture, struct history *named, const char *uri)
{
	const char *path = store_path(fixture->store, uri);
	CHECK(path != NULL);
	history_add(named, path, 0, 0);
}

/* The data file of the version that the deletes are for, which no others are for. */
static void check_target(
	struct fixture *fixture, const struct manifest_entry *entry, struct history *targets)
{
	const char *target = data_file_target(&entry->data_file, &fixture->arena);
	CHECK(target != NULL);
	history_add(targets, target, 0, 0);
}

static void check_manifest(struct fixture *fixture, const struct snapshot *snapshot,
	const struct manifest_file *file, struct history *named, struct history *live,
	struct history *targets, struct version_totals *totals)
{
	struct buffer bytes = { 0 };
	struct manifest manifest;
	CHECK_OK(store_get(fixture->store, store_path(fixture->store, file->manifest_path),
			 SIZE_MAX, &bytes, &fixture->err),
		&fixture->err);
	CHECK_EQUAL(file->manifest_length, bytes.size);
	CHECK_OK(manifest_decode(buffer_bytes(&bytes), file, &AVRO_LIMITS_DEFAULT, &fixture->arena,
			 &manifest, &fixture->err),
		&fixture->err);
	buffer_deinit(&bytes);
	CHECK(manifest.entry_count > 0);
	CHECK_EQUAL(manifest.content, file->content);
	struct manifest_file counted = *file;
	manifest_file_count(
		&counted, manifest.entries, manifest.entry_count, file->sequence_number);
	CHECK_EQUAL(file->added_files_count, counted.added_files_count);
	CHECK_EQUAL(file->existing_files_count, counted.existing_files_count);
	CHECK_EQUAL(file->deleted_files_count, counted.deleted_files_count);
	CHECK_EQUAL(file->added_rows_count, counted.added_rows_count);
	CHECK_EQUAL(file->existing_rows_count, counted.existing_rows_count);
	CHECK_EQUAL(file->deleted_rows_count, counted.deleted_rows_count);
	CHECK_EQUAL(file->min_sequence_number, counted.min_sequence_number);
	CHECK(file->sequence_number <= snapshot->sequence_number);
	for (size_t i = 0; i < manifest.entry_count; i++) {
		const struct manifest_entry *entry = &manifest.entries[i];
		CHECK(entry->sequence_number > 0 &&
			entry->sequence_number <= file->sequence_number);
		if (entry->status == ENTRY_DELETED)
			continue;
		uint64_t size;
		add_path(fixture, named, entry->data_file.path);
		CHECK_OK(store_size(fixture->store,
				 store_path(fixture->store, entry->data_file.path), &size,
				 &fixture->err),
			&fixture->err);
		CHECK_EQUAL(entry->data_file.file_size_in_bytes, size);
		totals->size += (int64_t)size;
		if (file->content == MANIFEST_DATA) {
			history_add(live, entry->data_file.path, 0, 0);
			totals->records += entry->data_file.record_count;
			totals->data_files++;
		} else {
			check_target(fixture, entry, targets);
			totals->deletes += entry->data_file.record_count;
			totals->delete_files++;
		}
	}
}

/* Of one version: its objects, its totals, and that deletes are one for a live file (I7). */
static void check_version(
	struct fixture *fixture, const struct snapshot *snapshot, struct history *named)
{
	struct buffer bytes = { 0 };
	struct manifest_file *files;
	size_t count;
	struct history live = { 0 }, targets = { 0 };
	struct version_totals totals = { 0 };
	add_path(fixture, named, snapshot->manifest_list);
	CHECK_OK(store_get(fixture->store, store_path(fixture->store, snapshot->manifest_list),
			 SIZE_MAX, &bytes, &fixture->err),
		&fixture->err);
	CHECK_OK(manifest_list_decode(buffer_bytes(&bytes), &AVRO_LIMITS_DEFAULT, &fixture->arena,
			 &files, &count, &fixture->err),
		&fixture->err);
	buffer_deinit(&bytes);
	for (size_t i = 0; i < count; i++) {
		add_path(fixture, named, files[i].manifest_path);
		check_manifest(fixture, snapshot, &files[i], named, &live, &targets, &totals);
	}
	history_join(&live);
	history_join(&targets);
	CHECK_EQUAL(live.count, totals.data_files);
	CHECK_EQUAL(targets.count, totals.delete_files);
	for (size_t i = 0; i < targets.count; i++)
		CHECK(history_find(&live, targets.objects[i].path) != NULL);
	CHECK_EQUAL(snapshot_summary_count(snapshot, "total-records"), totals.records);
	CHECK_EQUAL(snapshot_summary_count(snapshot, "total-data-files"), totals.data_files);
	CHECK_EQUAL(snapshot_summary_count(snapshot, "total-delete-files"), totals.delete_files);
	CHECK_EQUAL(snapshot_summary_count(snapshot, "total-position-deletes"), totals.deletes);
	CHECK_EQUAL(snapshot_summary_count(snapshot, "total-files-size"), totals.size);
	CHECK(snapshot->has_schema_id);
	history_deinit(&live);
	history_deinit(&targets);
}

static void check_objects(struct fixture *fixture, const struct history *named)
{
	struct object_info *objects;
	size_t count;
	CHECK_OK(store_list(fixture->store, "", &fixture->arena, &objects, &count, &fixture->err),
		&fixture->err);
	for (size_t i = 0; i < count; i++) {
		if (!history_find(named, objects[i].path))
			test_fail(__FILE__, __LINE__, "nothing names \"%s\"", objects[i].path);
	}
	CHECK_EQUAL(count, named->count);
	const char **paths;
	size_t path_count;
	table_named_paths(fixture->table, &fixture->arena, &paths, &path_count);
	CHECK_EQUAL(path_count, named->count);
	for (size_t i = 0; i < path_count; i++)
		CHECK_TEXT(paths[i], named->objects[i].path);
}

void fixture_check_store(struct fixture *fixture)
{
	struct history named = { 0 };
	const char *location = table_metadata_location(fixture->table);
	const struct metadata *metadata = fixture_metadata(fixture, location);
	add_path(fixture, &named, location);
	for (size_t i = 0; i < metadata->metadata_log_count; i++)
		add_path(fixture, &named, metadata->metadata_log[i].metadata_file);
	for (size_t i = 0; i < metadata->snapshot_count; i++)
		check_version(fixture, &metadata->snapshots[i], &named);
	history_join(&named);
	check_objects(fixture, &named);
	history_deinit(&named);
	const struct snapshot *current = metadata->current_snapshot;
	CHECK(current != NULL);
	lsn_t position;
	CHECK(snapshot_position(current, &position));
	CHECK_EQUAL(table_position(fixture->table), position);
	CHECK_TEXT(snapshot_summary(current, SUMMARY_LAKE), "test-lake");
	CHECK_EQUAL(snapshot_summary_count(current, "total-records") -
			    snapshot_summary_count(current, "total-position-deletes"),
		live_count(&fixture->committed));
}

void fixture_check(struct fixture *fixture)
{
	fixture_check_rows(fixture);
	fixture_check_store(fixture);
	arena_reset(&fixture->arena);
}
