#include "query/lake_tables.h"

#include "base/test.h"
#include "base/world.h"
#include "catalog/place.h"
#include "iceberg/manifest.h"
#include "iceberg/update.h"
#include "query/query.h"
#include "query/scan.h"

/*
 * A lake in a real store and catalog, whose table public.orders(id) gets its versions here: each
 * with all of its live files in a data and a delete manifest.  Version n has snapshot id n,
 * position 0/n000 and timestamp n seconds.
 */

enum {
	FILES_MAX = 4
};

struct lab {
	struct arena arena;
	struct store *store;     /* of the query session */
	struct catalog *catalog; /* for writing */
	struct session *writer;
	struct query_session *session;
	const char *directory;
	const struct metadata *metadata;
	const char *location; /* of metadata; "" before the first commit */
	struct catalog_table table;
	int64_t version;
	lsn_t known_until; /* of the next version's parent; 0: the next version */
	uint64_t commit_number;
	struct manifest_entry data[FILES_MAX];
	struct manifest_entry deletes[FILES_MAX];
	size_t data_count;
	size_t delete_count;
	struct buffer out;
	struct buffer notes;
};

static struct schema_field FIELDS[] = { { 1, "id", true, { VALUE_LONG, 0, 0 }, NULL } };
static const struct schema SCHEMA = { 0, 1, FIELDS, 0, NULL, NULL };

static void run_writer(struct lab *lab, const char *sql)
{
	struct error err = { 0 };
	CHECK_OK(session_do(lab->writer, sql, &err), &err);
}

static const char *path_of(struct lab *lab, const char *name)
{
	return arena_format(&lab->arena, "%s/%s", lab->directory, name);
}

static struct manifest_entry entry_of(struct lab *lab, const char *name, int64_t record_count)
{
	return (struct manifest_entry){
		.status = ENTRY_ADDED,
		.has_snapshot_id = true,
		.has_sequence_number = true,
		.has_file_sequence_number = true,
		.snapshot_id = lab->version + 1,
		.sequence_number = lab->version + 1,
		.file_sequence_number = lab->version + 1,
		.data_file = { .path = store_uri(lab->store, name, &lab->arena),
			.format = "PARQUET",
			.record_count = record_count,
			.file_size_in_bytes = 1000 },
	};
}

/* A file of the ids from first on, for the next version. */
static void add_data(struct lab *lab, const char *name, int first, int count)
{
	run_writer(lab,
		arena_format(&lab->arena,
			"COPY (SELECT i AS id FROM range(%d, %d) t(i)) TO '%s' (FORMAT parquet, "
			"FIELD_IDS {id: 1})",
			first, first + count, path_of(lab, name)));
	lab->data[lab->data_count++] = entry_of(lab, name, count);
}

/* The deleted rows of a file; the list of them replaces what there was in delete slot `slot`. */
static void put_deletes(
	struct lab *lab, size_t slot, const char *name, const char *of, const char *rows)
{
	run_writer(
		lab, arena_format(&lab->arena,
			     "COPY (SELECT '%s' AS file_path, unnest(%s)::BIGINT AS pos) TO '%s' "
			     "(FORMAT parquet, FIELD_IDS {file_path: 2147483546, pos: 2147483545})",
			     store_uri(lab->store, of, &lab->arena), rows, path_of(lab, name)));
	lab->deletes[slot] = entry_of(lab, name, 1);
	lab->deletes[slot].data_file.content = FILE_CONTENT_POSITION_DELETES;
	lab->deletes[slot].data_file.referenced_data_file = store_uri(lab->store, of, &lab->arena);
	lab->delete_count = slot + 1 > lab->delete_count ? slot + 1 : lab->delete_count;
}

static void put_object(struct lab *lab, const char *path, const struct buffer *body)
{
	struct error err = { 0 };
	CHECK_OK(store_put(lab->store, path, buffer_bytes(body), &err), &err);
}

static struct manifest_file write_manifest(struct lab *lab, enum manifest_content content,
	struct manifest_entry *entries, size_t count)
{
	const struct manifest_options options = {
		.format_version = 2,
		.content = content,
		.schema = &SCHEMA,
		.codec = AVRO_CODEC_NULL,
	};
	const char *path = arena_format(&lab->arena, "%d-%d.avro", (int)lab->version, (int)content);
	struct buffer body = { 0 };
	manifest_encode(&options, entries, count, &body);
	put_object(lab, path, &body);
	struct manifest_file file = {
		.manifest_path = store_uri(lab->store, path, &lab->arena),
		.manifest_length = (int64_t)body.size,
		.content = content,
		.sequence_number = lab->version,
		.added_snapshot_id = lab->version,
	};
	manifest_file_count(&file, entries, count, lab->version);
	buffer_deinit(&body);
	for (size_t i = 0; i < count; i++)
		entries[i].status = ENTRY_EXISTING;
	return file;
}

static const char *write_list(struct lab *lab)
{
	const struct manifest_list_options options = {
		.format_version = 2,
		.snapshot_id = lab->version,
		.sequence_number = lab->version,
		.codec = AVRO_CODEC_NULL,
	};
	struct manifest_file files[2];
	size_t count = 0;
	if (lab->data_count > 0)
		files[count++] = write_manifest(lab, MANIFEST_DATA, lab->data, lab->data_count);
	if (lab->delete_count > 0)
		files[count++] =
			write_manifest(lab, MANIFEST_DELETES, lab->deletes, lab->delete_count);
	const char *path = arena_format(&lab->arena, "list-%d.avro", (int)lab->version);
	struct buffer body = { 0 };
	manifest_list_encode(&options, files, count, &body);
	put_object(lab, path, &body);
	buffer_deinit(&body);
	return store_uri(lab->store, path, &lab->arena);
}

static void write_metadata(struct lab *lab, const struct update *updates, size_t count)
{
	const struct update_options options = { .now_ms = lab->version * 1000 };
	struct metadata *metadata;
	struct error err = { 0 };
	CHECK_OK(metadata_apply(
			 lab->metadata, updates, count, &options, &lab->arena, &metadata, &err),
		&err);
	lab->metadata = metadata;
	const char *path =
		arena_format(&lab->arena, "%d-%d.metadata.json", (int)lab->version, (int)count);
	struct buffer body = { 0 };
	metadata_encode(metadata, &body);
	put_object(lab, path, &body);
	buffer_deinit(&body);
	lab->location = store_uri(lab->store, path, &lab->arena);
}

/* The lake's state and the table's pointer as they are now. */
static void publish(struct lab *lab)
{
	uint64_t number = lab->commit_number++;
	const struct lake lake = {
		.id = "lake",
		.slot_name = "s",
		.publication_name = "p",
		.append_publication_name = "a",
		.system_identifier = "1",
		.phase = LAKE_LIVE,
		.commit_number = number + 1,
		.commit_id = arena_format(&lab->arena, "c%d", (int)number + 1),
		.position = (lsn_t)lab->version << 12,
		.timestamp_ms = lab->version * 1000,
		.log_id = "log",
	};
	const char *base = lab->table.metadata_location;
	lab->table.metadata_location = lab->location;
	const struct table_change change = { &lab->table, base };
	const struct catalog_commit commit = {
		.base_commit_number = number,
		.lake = &lake,
		.change_count = 1,
		.changes = &change,
		.makes_version = true,
	};
	size_t conflict;
	struct error err = { 0 };
	CHECK_OK(catalog_commit(lab->catalog, &commit, &conflict, &err), &err);
}

static void commit_version(struct lab *lab)
{
	lab->version++;
	char position[LSN_TEXT_SIZE], until[LSN_TEXT_SIZE];
	struct key_value summary[] = {
		{ SUMMARY_OPERATION, "overwrite" },
		{ SUMMARY_POSITION, lsn_format((lsn_t)lab->version << 12, position) },
		{ SUMMARY_LAKE, "lake" },
		{ SUMMARY_KNOWN_UNTIL, lsn_format(lab->known_until, until) },
	};
	const struct snapshot snapshot = {
		.snapshot_id = lab->version,
		.has_parent = lab->version > 1,
		.parent_snapshot_id = lab->metadata->current_snapshot
					      ? lab->metadata->current_snapshot->snapshot_id
					      : 0,
		.has_schema_id = true,
		.sequence_number = lab->version,
		.timestamp_ms = lab->version * 1000,
		.manifest_list = write_list(lab),
		.summary_count = lab->known_until != 0 ? 4 : 3,
		.summary = summary,
	};
	const struct snapshot_ref main_ref = { .name = REF_MAIN, .snapshot_id = lab->version };
	const struct update updates[] = {
		{ .kind = UPDATE_ADD_SNAPSHOT, .snapshot = &snapshot },
		{ .kind = UPDATE_SET_SNAPSHOT_REF, .ref = &main_ref },
	};
	write_metadata(lab, updates, 2);
	publish(lab);
}

static void lab_open(struct lab *lab)
{
	*lab = (struct lab){ .location = "", .directory = test_directory() };
	struct error err = { 0 };
	const struct session_options options = {
		.threads = 1, .directory_count = 1, .directories = &lab->directory
	};
	CHECK_OK(session_open(&options, &lab->writer, &err), &err);
	CHECK_OK(store_local_open(world_posix(), lab->directory, &lab->store, &err), &err);
	CHECK_OK(store_put(lab->store, PLACE_MARKS "lake", BYTES_LITERAL(""), &err), &err);
	lab->catalog = catalog_memory_open();
	lab->table = (struct catalog_table){
		.namespace_name = "public",
		.name = "orders",
		.metadata_location = "",
		.state = TABLE_SNAPSHOT,
		.reason = "",
		.definition = "{}",
	};
	const struct query_options query_options = { .threads = 1, .files = lab->directory };
	CHECK_OK(query_session_open(&query_options,
			 lake_tables_open(catalog_memory_share(lab->catalog), lab->store, NULL),
			 &lab->session, &err),
		&err);
}

static void lake_create(struct lab *lab)
{
	const struct lake lake = {
		.id = "lake",
		.slot_name = "s",
		.publication_name = "p",
		.append_publication_name = "a",
		.system_identifier = "1",
		.phase = LAKE_STARTING,
		.commit_id = "c0",
		.log_id = "log",
	};
	struct error err = { 0 };
	CHECK_OK(catalog_create(lab->catalog, &lake, &err), &err);
	const struct metadata_options options = {
		.format_version = 2,
		.table_uuid = "9c12d441-03fe-4693-9a96-a0705ddf69c1",
		.location = lab->store->location,
		.schema = &SCHEMA,
		.now_ms = 1,
	};
	lab->metadata = metadata_new(&options, &lab->arena);
}

static void lab_close(struct lab *lab)
{
	query_session_close(lab->session);
	catalog_close(lab->catalog);
	session_close(lab->writer);
	arena_deinit(&lab->arena);
	buffer_deinit(&lab->out);
	buffer_deinit(&lab->notes);
}

/* All rows' first columns, with blanks between. */
static bool run(struct lab *lab, const char *sql, struct error *err)
{
	struct arena arena = { 0 };
	struct query_answer answer;
	buffer_reset(&lab->out);
	buffer_reset(&lab->notes);
	bool ok = query_run(lab->session, sql, &arena, &answer, err);
	for (size_t i = 0; ok && i < answer.note_count; i++)
		buffer_append_format(&lab->notes, "%s\n", answer.notes[i]);
	bool has_row = ok;
	while (ok && (ok = result_next(answer.result, &has_row, err)) && has_row) {
		if (lab->out.size > 0)
			buffer_append_u8(&lab->out, ' ');
		result_append_text(answer.result, 0, &lab->out);
	}
	result_close(answer.result);
	arena_deinit(&arena);
	buffer_append_u8(&lab->out, 0);
	buffer_append_u8(&lab->notes, 0);
	return ok;
}

static void expect(struct lab *lab, const char *sql, const char *ids, int line)
{
	struct error err;
	if (!run(lab, sql, &err))
		test_fail(__FILE__, line, "%s: %s %s", sql, err.text, err.context);
	if (strcmp((const char *)lab->out.data, ids) != 0)
		test_fail(__FILE__, line, "%s: %s", sql, (const char *)lab->out.data);
}

#define EXPECT(lab, sql, ids) expect(lab, sql, ids, __LINE__)

static void expect_error(
	struct lab *lab, const char *sql, enum error_kind kind, const char *part, int line)
{
	struct error err;
	if (run(lab, sql, &err))
		test_fail(__FILE__, line, "%s: does not fail", sql);
	if (err.kind != kind || strstr(err.text, part) == NULL)
		test_fail(__FILE__, line, "%s: %s: %s", sql, error_kind_name(err.kind), err.text);
}

#define EXPECT_ERROR(lab, sql, kind, part) expect_error(lab, sql, kind, part, __LINE__)

/* 1: ids 0 to 4.  2: 5 and 6 too.  3: without 1.  4: without 1, 2 and 6. */
static void commit_four(struct lab *lab)
{
	add_data(lab, "a.parquet", 0, 5);
	lab->table.state = TABLE_LIVE;
	commit_version(lab);
	add_data(lab, "b.parquet", 5, 2);
	commit_version(lab);
	put_deletes(lab, 0, "a-1.parquet", "a.parquet", "[1]");
	commit_version(lab);
	put_deletes(lab, 0, "a-2.parquet", "a.parquet", "[1, 2]");
	put_deletes(lab, 1, "b-1.parquet", "b.parquet", "[1]");
	commit_version(lab);
}

TEST(each_statement_reads_the_newest_version_of_the_lake)
{
	struct lab lab;
	lab_open(&lab);
	lake_create(&lab);
	EXPECT_ERROR(&lab, "SELECT id FROM orders", ERROR_MISSING, "\"orders\"");
	add_data(&lab, "a.parquet", 0, 5);
	lab.table.state = TABLE_LIVE;
	commit_version(&lab);
	EXPECT(&lab, "SELECT id FROM orders ORDER BY id", "0 1 2 3 4");
	put_deletes(&lab, 0, "a-1.parquet", "a.parquet", "[1]");
	commit_version(&lab);
	EXPECT(&lab, "SELECT id FROM orders ORDER BY id", "0 2 3 4");
	lab.data_count = 0;
	lab.delete_count = 0;
	commit_version(&lab);
	EXPECT(&lab, "SELECT id FROM orders ORDER BY id", "");
	EXPECT(&lab, "SELECT column_type FROM (DESCRIBE orders)", "BIGINT");
	lab_close(&lab);
}

TEST(at_gives_what_the_lake_was_at_a_position_or_time)
{
	struct lab lab;
	lab_open(&lab);
	lake_create(&lab);
	commit_four(&lab);
#define IDS_AT(at) "SELECT id FROM orders AT (" at ") ORDER BY id"
	EXPECT(&lab, "SELECT id FROM orders ORDER BY id", "0 3 4 5");
	EXPECT(&lab, IDS_AT("VERSION => 1"), "0 1 2 3 4");
	EXPECT(&lab, IDS_AT("VERSION => 3"), "0 2 3 4 5 6");
	EXPECT(&lab, IDS_AT("VERSION => '0/1000'"), "0 1 2 3 4");
	EXPECT(&lab, IDS_AT("VERSION => '0/2FFF'"), "0 1 2 3 4 5 6");
	EXPECT(&lab, IDS_AT("VERSION => '0/4000'"), "0 3 4 5");
	EXPECT(&lab, IDS_AT("TIMESTAMP => '1970-01-01 00:00:03'"), "0 2 3 4 5 6");
	EXPECT(&lab, IDS_AT("TIMESTAMP => '1970-01-01 00:00:03.999'"), "0 2 3 4 5 6");
	EXPECT(&lab, IDS_AT("TIMESTAMP => now()"), "0 3 4 5");
	EXPECT_ERROR(&lab, IDS_AT("VERSION => 9"), ERROR_MISSING,
		"table \"public.orders\" has no version 9 that is kept");
	EXPECT_ERROR(&lab, IDS_AT("VERSION => '0/FFF'"), ERROR_MISSING, "no version at 0/FFF");
	EXPECT_ERROR(&lab, IDS_AT("VERSION => '0/4001'"), ERROR_MISSING, "at position 0/4000");
	EXPECT_ERROR(&lab, IDS_AT("TIMESTAMP => '1970-01-01 00:00:00.999'"), ERROR_MISSING,
		"no version of 1970-01-01 00:00:00 UTC");
	lab_close(&lab);
}

TEST(a_version_that_is_gone_is_never_replaced_by_an_older_one)
{
	struct lab lab;
	lab_open(&lab);
	lake_create(&lab);
	commit_four(&lab);
	const int64_t gone = 2;
	const struct update update = { .kind = UPDATE_REMOVE_SNAPSHOTS, .snapshots = { 1, &gone } };
	write_metadata(&lab, &update, 1);
	publish(&lab);
	EXPECT(&lab, IDS_AT("VERSION => '0/1000'"), "0 1 2 3 4");
	EXPECT_ERROR(&lab, IDS_AT("VERSION => '0/1001'"), ERROR_MISSING, "no version");
	EXPECT_ERROR(&lab, IDS_AT("VERSION => '0/2FFF'"), ERROR_MISSING, "no version");
	EXPECT_ERROR(
		&lab, IDS_AT("TIMESTAMP => '1970-01-01 00:00:02'"), ERROR_MISSING, "no version");
	EXPECT(&lab, IDS_AT("TIMESTAMP => '1970-01-01 00:00:01.5'"), "0 1 2 3 4");
	EXPECT(&lab, IDS_AT("VERSION => '0/3000'"), "0 2 3 4 5 6");
	lab_close(&lab);
}

TEST(a_table_that_stands_still_says_so)
{
	struct lab lab;
	lab_open(&lab);
	lake_create(&lab);
	commit_four(&lab);
	EXPECT(&lab, "SELECT count(*) FROM orders", "4");
	CHECK_TEXT((const char *)lab.notes.data, "");
	lab.table.state = TABLE_PAUSED;
	lab.table.reason = "a value does not fit";
	lab.table.position = 0x4000;
	publish(&lab);
	EXPECT(&lab, "SELECT count(*) FROM orders", "4");
	CHECK_TEXT((const char *)lab.notes.data,
		"table \"public.orders\" is paused at position 0/4000: a value does not fit\n");
	EXPECT(&lab, "SELECT state FROM (SHOW TABLES)", "paused");
	lab_close(&lab);
}

TEST(what_a_table_was_while_it_stood_still_is_not_known)
{
	struct lab lab;
	lab_open(&lab);
	lake_create(&lab);
	commit_four(&lab);
	lab.table.state = TABLE_PAUSED;
	lab.table.reason = "a value does not fit";
	lab.table.position = 0x4800;
	lab.version = 5;
	publish(&lab);
	EXPECT(&lab, IDS_AT("VERSION => '0/4800'"), "0 3 4 5");
	EXPECT_ERROR(&lab, IDS_AT("VERSION => '0/4801'"), ERROR_MISSING, "stands still at");
	EXPECT(&lab, IDS_AT("TIMESTAMP => '1970-01-01 00:00:04'"), "0 3 4 5");
	EXPECT_ERROR(
		&lab, IDS_AT("TIMESTAMP => '1970-01-01 00:00:05'"), ERROR_MISSING, "stands still");

	lab.table.state = TABLE_LIVE;
	lab.known_until = 0x4800;
	add_data(&lab, "c.parquet", 9, 1);
	commit_version(&lab);
	EXPECT(&lab, IDS_AT("VERSION => '0/4000'"), "0 3 4 5");
	EXPECT(&lab, IDS_AT("VERSION => '0/4800'"), "0 3 4 5");
	EXPECT_ERROR(&lab, IDS_AT("VERSION => '0/4801'"), ERROR_MISSING, "no version");
	EXPECT_ERROR(&lab, IDS_AT("VERSION => '0/5FFF'"), ERROR_MISSING, "no version");
	EXPECT(&lab, IDS_AT("TIMESTAMP => '1970-01-01 00:00:04.5'"), "0 3 4 5");
	EXPECT_ERROR(
		&lab, IDS_AT("TIMESTAMP => '1970-01-01 00:00:05'"), ERROR_MISSING, "no version");
	EXPECT(&lab, IDS_AT("VERSION => '0/6000'"), "0 3 4 5 9");
	EXPECT(&lab, IDS_AT("TIMESTAMP => '1970-01-01 00:00:06'"), "0 3 4 5 9");
	lab_close(&lab);
}

TEST(what_is_missing_or_not_read_here_is_a_clear_error)
{
	struct lab lab;
	lab_open(&lab);
	EXPECT_ERROR(&lab, "SELECT 1", ERROR_MISSING, "");
	lake_create(&lab);
	EXPECT(&lab, "SELECT 1", "1");
	add_data(&lab, "a.parquet", 0, 5);
	put_deletes(&lab, 0, "a-1.parquet", "a.parquet", "[1]");
	lab.deletes[0].data_file.format = "PUFFIN";
	commit_version(&lab);
	EXPECT_ERROR(&lab, "SELECT id FROM orders", ERROR_UNSUPPORTED, "PUFFIN");
	lab.deletes[0].data_file.format = "PARQUET";
	commit_version(&lab);
	EXPECT(&lab, "SELECT id FROM orders ORDER BY id", "0 2 3 4");
	lab.location = store_uri(lab.store, "lost.metadata.json", &lab.arena);
	publish(&lab);
	EXPECT_ERROR(&lab, "SELECT id FROM orders", ERROR_CORRUPT, "gone");
	lab_close(&lab);
}

TEST(deletes_apply_to_the_files_they_name_and_to_none_that_are_newer)
{
	struct lab lab;
	lab_open(&lab);
	lake_create(&lab);
	add_data(&lab, "a.parquet", 0, 3);
	add_data(&lab, "b.parquet", 10, 3);
	put_deletes(&lab, 0, "d.parquet", "a.parquet", "[0]");
	lab.deletes[0].data_file.referenced_data_file = NULL; /* any file may be meant */
	put_deletes(&lab, 1, "e.parquet", "b.parquet", "[2]");
	lab.deletes[1].sequence_number = 0;                    /* older than the data */
	put_deletes(&lab, 2, "f.parquet", "c.parquet", "[0]"); /* of a file that is gone */
	commit_version(&lab);
	EXPECT(&lab, "SELECT id FROM orders ORDER BY id", "1 2 10 11 12");
	lab_close(&lab);
}
