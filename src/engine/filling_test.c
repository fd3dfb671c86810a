#include "engine/filling.h"

#include "apply/apply_fixture.h"
#include "base/logline.h"
#include "engine/definition.h"
#include "engine/publisher_internal.h"
#include "source/replay/replay.h"

struct filled {
	struct world *world;
	struct store *store;
	struct catalog *catalog;
	struct arena arena;
	struct recording *recording;
	struct replay_server server;
	struct source *source;
	struct publisher *publisher;
	struct log *log;
	unsigned logs;       /* opened so far */
	uint64_t told;       /* rows, of the last word about progress */
	unsigned stop_after; /* words; 0: never */
	struct error err;
};

static struct relation_column boxed_columns[] = {
	{ "id", 23, -1, { .type = VALUE_INT }, true, true, 0, 0, NULL },
	{ "box", 603, -1, { .type = VALUE_NONE }, false, false, 0, 0, "box" },
	{ "count", 20, -1, { .type = VALUE_LONG }, true, false, 0, 0, NULL },
};

static const struct relation BOXED = { 105, 105, "public", "boxed", 'd', false, 3, boxed_columns,
	false, false };

static struct pgoutput_tuple row_of(struct filled *f, int32_t id, const char *note, bool is_whole)
{
	const struct pgoutput_value values[] = { replay_int4(&f->arena, id),
		replay_text(&f->arena, note),
		is_whole ? replay_int8(&f->arena, id) : replay_null() };
	return replay_row(&f->arena, values, 3);
}

static void record_row(struct filled *f, size_t table, struct pgoutput_tuple row)
{
	const uint32_t xid = recording_begin(f->recording, false, 5);
	recording_insert(f->recording, xid, table, row);
	(void)recording_commit(f->recording, xid);
}

static void filled_begin(struct filled *f)
{
	logline_configure((struct logline_settings){ LOGLINE_ERROR, LOGLINE_TEXT, stderr });
	*f = (struct filled){ .world = world_sim_open(1), .catalog = catalog_memory_open() };
	CHECK_OK(store_local_open(f->world, "/lake", &f->store, &f->err), &f->err);
	f->recording = recording_open("7001");
	const struct lake lake = {
		.id = "test",
		.slot_name = "s",
		.publication_name = "p",
		.append_publication_name = "q",
		.system_identifier = "",
		.commit_id = "none",
		.log_id = "",
	};
	CHECK_OK(catalog_create(f->catalog, &lake, &f->err), &f->err);
}

/* All that was recorded has happened. */
static void connect(struct filled *f)
{
	if (f->server.recording == NULL)
		replay_server_init(&f->server, f->recording);
	f->server.happened = recording_step_count(f->recording);
	source_close(f->source);
	CHECK_OK(source_replay_open(f->world, &f->server, &f->source, &f->err), &f->err);
}

static void open_publisher(struct filled *f)
{
	const struct publisher_options options = {
		.world = f->world,
		.store = f->store,
		.catalog = f->catalog,
		.table = { .zstd_level = 1,
			.file_size_target_bytes = 1 << 20,
			.row_group_rows = 1 << 16,
			.lake_id = "test" },
		.pending_bytes_max = 1 << 20,
		.commit_interval = 1000,
		.history = { 3, 10, 60000000, 60000000 },
	};
	publisher_close(f->publisher);
	CHECK_OK(publisher_open(&options, &f->publisher, &f->err), &f->err);
}

static bool open_log(void *context, struct log **out, struct error *err)
{
	struct filled *f = context;
	const struct segment_options options = {
		.lake_id = "test",
		.codec = &log_codec_pgoutput,
		.segment_size_bytes = 1 << 20,
		.size_limit_bytes = 1 << 24,
	};
	const char *directory = arena_format(&f->arena, "/log-%u", f->logs++);
	log_close(f->log);
	f->log = NULL;
	if (!log_segment_open(f->world, directory, &options, &f->log, err))
		return false;
	*out = f->log;
	return true;
}

static bool tell(void *context, const struct relation *relation, uint64_t rows)
{
	struct filled *f = context;
	CHECK(relation->name != NULL);
	f->told = rows;
	return f->stop_after == 0 || --f->stop_after > 0;
}

static bool begin_lake(struct filled *f)
{
	const struct filling_progress progress = { tell, f };
	open_publisher(f);
	return filling_begin_lake(f->publisher, f->source, open_log, f, &progress, &f->err);
}

static void filled_end(struct filled *f)
{
	publisher_close(f->publisher);
	source_close(f->source);
	log_close(f->log);
	recording_close(f->recording);
	catalog_close(f->catalog);
	store_close(f->store);
	world_sim_close(f->world);
	arena_deinit(&f->arena);
}

static struct catalog_view view_of(struct filled *f)
{
	struct catalog_view view;
	CHECK_OK(catalog_load(f->catalog, &f->arena, &view, &f->err), &f->err);
	return view;
}

static const struct catalog_table *row_in(struct filled *f, const char *name)
{
	const struct catalog_view view = view_of(f);
	const struct catalog_table *row = catalog_view_find(&view, "public", name);
	CHECK(row != NULL);
	return row;
}

static const char *rows_in(struct filled *f, const char *name)
{
	struct publisher_table *table = publisher_find(f->publisher, "public", name);
	CHECK(table != NULL && table->open != NULL);
	return table_rows_text(table->open->table, &f->arena);
}

TEST(a_lake_begins_with_all_tables_at_one_point)
{
	struct filled f;
	filled_begin(&f);
	const size_t items = recording_add_table(f.recording, &script_items);
	const size_t lines = recording_add_table(f.recording, &script_lines);
	recording_add_table(f.recording, &script_whole);
	record_row(&f, items, row_of(&f, 1, "a", true));
	record_row(&f, lines, row_of(&f, 5, "x", true));
	record_row(&f, items, row_of(&f, 2, "b", true));
	connect(&f);
	CHECK_OK(begin_lake(&f), &f.err);
	const struct catalog_view view = view_of(&f);
	CHECK_EQUAL(view.lake.phase, LAKE_LIVE);
	CHECK_EQUAL(view.lake.position, replay_server_lsn(&f.server));
	CHECK_TEXT(view.lake.system_identifier, "7001");
	CHECK_EQUAL(view.lake.timeline, 1);
	CHECK_TEXT(view.lake.log_id, log_id(f.log));
	CHECK_EQUAL(view.commit_count, 1); /* they appear together */
	CHECK_EQUAL(view.table_count, 3);
	for (size_t i = 0; i < view.table_count; i++) {
		CHECK_EQUAL(view.tables[i].state, TABLE_LIVE);
		CHECK_EQUAL(view.tables[i].position, view.lake.position);
		CHECK(view.tables[i].metadata_location[0] != '\0');
	}
	CHECK_TEXT(rows_in(&f, "items"), "1|a|1 2|b|2");
	CHECK_TEXT(rows_in(&f, "lines"), "5|x|5");
	CHECK_TEXT(rows_in(&f, "whole"), "");
	CHECK(f.server.has_slot);
	CHECK_EQUAL(f.server.confirmed_lsn, view.lake.position);
	CHECK(f.server.is_published[items] && f.server.is_published[lines]);
	/* A process that ends now finds a log that reaches up to what the slot has confirmed. */
	CHECK_EQUAL(log_end_lsn(f.log), f.server.confirmed_lsn);
	filled_end(&f);
}

TEST(a_table_that_cannot_be_captured_or_read_exactly_is_paused_and_the_others_are_there)
{
	struct filled f;
	filled_begin(&f);
	recording_add_table(f.recording, &BOXED);
	const size_t items = recording_add_table(f.recording, &script_items);
	const size_t lines = recording_add_table(f.recording, &script_lines);
	record_row(&f, items, row_of(&f, 7, "a", false)); /* NULL where NOT NULL */
	record_row(&f, lines, row_of(&f, 5, "x", true));
	connect(&f);
	CHECK_OK(begin_lake(&f), &f.err);
	const struct catalog_table *boxed = row_in(&f, "boxed"), *failed = row_in(&f, "items");
	CHECK_EQUAL(boxed->state, TABLE_PAUSED);
	CHECK(strstr(boxed->reason, "column \"box\" has a type that is not captured") != NULL);
	CHECK_TEXT(boxed->metadata_location, "");
	CHECK_EQUAL(failed->state, TABLE_PAUSED);
	CHECK(strstr(failed->reason, "where id = 7") != NULL);
	CHECK(strstr(failed->reason, "walberg snapshot public.items") != NULL);
	CHECK_TEXT(failed->metadata_location, "");
	CHECK_EQUAL(row_in(&f, "lines")->state, TABLE_LIVE);
	CHECK_TEXT(rows_in(&f, "lines"), "5|x|5");
	filled_end(&f);
}

TEST(a_filling_that_stops_leaves_nothing_that_counts_and_begins_again)
{
	struct filled f;
	filled_begin(&f);
	const size_t items = recording_add_table(f.recording, &script_items);
	recording_add_table(f.recording, &script_lines);
	record_row(&f, items, row_of(&f, 1, "a", true));
	connect(&f);
	f.stop_after = 2;
	CHECK(!begin_lake(&f));
	CHECK_EQUAL(f.err.kind, ERROR_LOST);
	CHECK(strstr(f.err.text, "stopped") != NULL);
	struct catalog_view view = view_of(&f);
	CHECK_EQUAL(view.lake.phase, LAKE_STARTING);
	CHECK_EQUAL(view.lake.position, 0);
	for (size_t i = 0; i < view.table_count; i++)
		CHECK_TEXT(view.tables[i].metadata_location, "");
	record_row(&f, items, row_of(&f, 2, "b", true));
	connect(&f);
	f.stop_after = 0;
	CHECK_OK(begin_lake(&f), &f.err);
	view = view_of(&f);
	CHECK_EQUAL(view.lake.phase, LAKE_LIVE);
	CHECK_EQUAL(view.lake.position, replay_server_lsn(&f.server));
	CHECK_TEXT(rows_in(&f, "items"), "1|a|1 2|b|2");
	filled_end(&f);
}

TEST(a_new_lake_leaves_a_slot_of_its_name_that_is_there_already)
{
	struct filled f;
	filled_begin(&f);
	recording_add_table(f.recording, &script_items);
	connect(&f);
	f.server.has_slot = true;
	CHECK(!begin_lake(&f));
	CHECK_EQUAL(f.err.kind, ERROR_SETUP);
	CHECK(strstr(f.err.text, "exists already") != NULL);
	CHECK(f.server.has_slot);
	CHECK_EQUAL(view_of(&f).lake.phase, LAKE_NEW);
	filled_end(&f);
}

/* Before a slot or publication is made or dropped the catalog says so. */
TEST(a_lake_that_is_read_all_again_says_so_before_it_touches_the_source)
{
	struct filled f;
	filled_begin(&f);
	const size_t items = recording_add_table(f.recording, &script_items);
	recording_add_table(f.recording, &script_lines);
	record_row(&f, items, row_of(&f, 1, "a", true));
	connect(&f);
	CHECK_OK(begin_lake(&f), &f.err);
	const uint64_t number = view_of(&f).lake.commit_number;
	const char *location = row_in(&f, "items")->metadata_location;
	publisher_set_phase(f.publisher, LAKE_STARTING);
	CHECK_OK(publisher_commit(f.publisher, &f.err), &f.err);
	f.stop_after = 2;
	connect(&f);
	CHECK(!begin_lake(&f));
	struct catalog_view view = view_of(&f);
	CHECK_EQUAL(view.lake.phase, LAKE_STARTING);
	CHECK(view.lake.commit_number > number);
	CHECK_TEXT(row_in(&f, "items")->metadata_location, location);
	f.stop_after = 0;
	connect(&f);
	CHECK_OK(begin_lake(&f), &f.err);
	CHECK_EQUAL(row_in(&f, "items")->state, TABLE_LIVE);
	CHECK_TEXT(rows_in(&f, "items"), "1|a|1");
	CHECK(strcmp(row_in(&f, "items")->metadata_location, location) != 0);
	filled_end(&f);
}

/* --- a lake and what the source has now --- */

static struct source_state state_of(
	struct filled *f, const struct relation *relations, size_t count)
{
	return (struct source_state){
		.relation_count = count,
		.relations = arena_copy(&f->arena, relations, count * sizeof *relations),
	};
}

static void begin_with_two(struct filled *f)
{
	filled_begin(f);
	recording_add_table(f->recording, &script_items);
	recording_add_table(f->recording, &script_lines);
	connect(f);
	CHECK_OK(begin_lake(f), &f->err);
}

static enum table_state state_now(const struct filled *f, const char *name)
{
	const struct publisher_table *table = publisher_find(f->publisher, "public", name);
	return table == NULL ? TABLE_FORGOTTEN : table->row.state;
}

TEST(tables_that_are_the_same_go_on_and_new_ones_are_taken_in)
{
	struct filled f;
	begin_with_two(&f);
	const struct relation now[] = { script_items, script_lines, script_whole, BOXED };
	const struct source_state state = state_of(&f, now, 4);
	filling_compare(f.publisher, &state);
	CHECK_EQUAL(state_now(&f, "items"), TABLE_LIVE);
	CHECK_EQUAL(state_now(&f, "lines"), TABLE_LIVE);
	CHECK_EQUAL(state_now(&f, "whole"), TABLE_SNAPSHOT);
	CHECK_EQUAL(state_now(&f, "boxed"), TABLE_PAUSED);
	filled_end(&f);
}

TEST(another_file_of_a_table_is_remembered)
{
	struct filled f;
	begin_with_two(&f);
	const struct publisher_table *items = publisher_find(f.publisher, "public", "items");
	struct relation now[] = { *items->open->relation, script_lines };
	now[0].is_unpublished = false; /* as it was when the lake began */
	filling_look_again(
		f.publisher, &(struct source_state){ .relation_count = 2, .relations = now });
	CHECK(!items->is_changed);
	now[0].filenode++;
	filling_look_again(
		f.publisher, &(struct source_state){ .relation_count = 2, .relations = now });
	CHECK_EQUAL(items->row.state, TABLE_LIVE);
	CHECK(items->is_changed);
	struct relation kept;
	struct arena arena = { 0 };
	CHECK_OK(definition_decode(items->row.definition, "public", "items", &arena, &kept, &f.err),
		&f.err);
	CHECK_EQUAL(kept.filenode, now[0].filenode);
	arena_deinit(&arena);
	filled_end(&f);
}

TEST(tables_that_are_gone_or_another_are_paused)
{
	struct filled f;
	begin_with_two(&f);
	struct relation again = script_lines;
	again.oid = 999;
	const struct source_state state = state_of(&f, &again, 1);
	filling_compare(f.publisher, &state);
	const struct publisher_table *gone = publisher_find(f.publisher, "public", "items");
	const struct publisher_table *other = publisher_find(f.publisher, "public", "lines");
	CHECK_EQUAL(gone->row.state, TABLE_PAUSED);
	CHECK(strstr(gone->row.reason, "no such table any more") != NULL);
	CHECK_EQUAL(other->row.state, TABLE_PAUSED);
	CHECK(strstr(other->row.reason, "dropped and made again") != NULL);
	CHECK(strstr(other->row.reason, "walberg snapshot public.lines") != NULL);
	CHECK(gone->open == NULL && other->open == NULL);
	/* A paused table stays so until somebody says otherwise. */
	filling_compare(f.publisher, &state);
	CHECK_EQUAL(state_now(&f, "lines"), TABLE_PAUSED);
	filled_end(&f);
}

TEST(a_table_that_the_setting_names_no_more_is_paused_for_that)
{
	struct filled f;
	begin_with_two(&f);
	struct source_name unnamed[] = { { "public", "noise" }, { "public", "lines" } };
	struct source_state state = state_of(&f, &script_items, 1);
	state.unnamed = unnamed;
	state.unnamed_count = 2;
	filling_compare(f.publisher, &state);
	CHECK_EQUAL(state_now(&f, "items"), TABLE_LIVE);
	CHECK_EQUAL(state_now(&f, "noise"), TABLE_FORGOTTEN);
	const struct publisher_table *lines = publisher_find(f.publisher, "public", "lines");
	CHECK_EQUAL(lines->row.state, TABLE_PAUSED);
	CHECK(strstr(lines->row.reason, "source.tables did not name it any more") != NULL);
	CHECK(strstr(lines->row.reason, "run \"walberg snapshot public.lines\"") != NULL);
	filled_end(&f);
}

TEST(a_pattern_that_names_no_table_is_refused_unless_the_lake_keeps_such_a_table)
{
	struct filled f;
	begin_with_two(&f);
	const char *idle[] = { "*.*", "public.li*", "public.ordrs" };
	struct source_state state = state_of(&f, &script_items, 1);
	state.idle = idle;
	state.idle_count = 2;
	CHECK_OK(filling_check_patterns(f.publisher, &state, &f.err), &f.err);
	state.idle_count = 3;
	CHECK(!filling_check_patterns(f.publisher, &state, &f.err));
	CHECK_EQUAL(f.err.kind, ERROR_SETUP);
	CHECK(strstr(f.err.text, "\"public.ordrs\" in source.tables") != NULL);
	filled_end(&f);
}

TEST(tables_that_are_left_out_say_why_and_come_back_when_they_can)
{
	struct filled f;
	begin_with_two(&f);
	struct source_left_out left_out[] = { { "public", "parts", "it is partitioned" },
		{ "public", "lines", "it is unlogged" } };
	struct source_state state = state_of(&f, &script_items, 1);
	state.left_out = left_out;
	state.left_out_count = 2;
	filling_compare(f.publisher, &state);
	const struct publisher_table *parts = publisher_find(f.publisher, "public", "parts");
	CHECK_EQUAL(parts->row.state, TABLE_LEFT_OUT);
	CHECK_TEXT(parts->row.reason, "it is partitioned");
	CHECK_EQUAL(state_now(&f, "items"), TABLE_LIVE);
	const struct publisher_table *lines = publisher_find(f.publisher, "public", "lines");
	CHECK_EQUAL(lines->row.state, TABLE_PAUSED);
	CHECK(strstr(lines->row.reason, "it is unlogged") != NULL);
	struct relation now[] = { script_items, script_whole };
	now[1].name = "parts";
	state = state_of(&f, now, 2);
	filling_compare(f.publisher, &state);
	CHECK_EQUAL(parts->row.state, TABLE_SNAPSHOT);
	filled_end(&f);
}

TEST(a_table_that_somebody_took_out_of_the_publication_is_paused)
{
	struct filled f;
	begin_with_two(&f);
	struct relation now[] = { script_items, script_lines };
	now[1].is_unpublished = true;
	const struct source_state state = state_of(&f, now, 2);
	filling_compare(f.publisher, &state);
	CHECK_EQUAL(state_now(&f, "items"), TABLE_LIVE);
	const struct publisher_table *lines = publisher_find(f.publisher, "public", "lines");
	CHECK_EQUAL(lines->row.state, TABLE_PAUSED);
	CHECK(strstr(lines->row.reason, "its publication was changed") != NULL);
	CHECK(strstr(lines->row.reason, "walberg snapshot public.lines") != NULL);
	filled_end(&f);
}

TEST(a_table_that_is_dropped_while_the_lake_lives_is_paused)
{
	struct filled f;
	begin_with_two(&f);
	struct source_state state = state_of(&f, &script_items, 1);
	struct publisher_table *lines = publisher_find(f.publisher, "public", "lines");
	lines->open->floor = 500;
	state.current_lsn = 499; /* before this table was read */
	filling_look_again(f.publisher, &state);
	CHECK_EQUAL(lines->row.state, TABLE_LIVE);
	state.current_lsn = 500;
	filling_look_again(f.publisher, &state);
	CHECK_EQUAL(state_now(&f, "items"), TABLE_LIVE);
	CHECK_EQUAL(lines->row.state, TABLE_PAUSED);
	CHECK(strstr(lines->row.reason, "no such table any more") != NULL);
	struct source_left_out left_out = { "public", "items", "it may not be read" };
	state = (struct source_state){ .left_out_count = 1, .left_out = &left_out };
	filling_look_again(f.publisher, &state);
	const struct publisher_table *items = publisher_find(f.publisher, "public", "items");
	CHECK(strstr(items->row.reason, "it may not be read") != NULL);
	filled_end(&f);
}

/* --- a table that is locked while the lake begins --- */

static struct {
	const struct source_ops *source;
	const struct source_snapshot_ops *snapshot;
} unlocked;

static bool open_unless_locked(
	struct source_snapshot *snapshot, const struct relation *relation, struct error *err)
{
	if (strcmp(relation->name, "items") == 0)
		return error_set(err, ERROR_BUSY, "another transaction holds a lock");
	return unlocked.snapshot->open_table(snapshot, relation, err);
}

static bool open_snapshot_with_a_lock(
	struct source *source, bool is_lake_slot, struct source_snapshot **out, struct error *err)
{
	static struct source_snapshot_ops ops;
	if (!unlocked.source->open_snapshot(source, is_lake_slot, out, err))
		return false;
	unlocked.snapshot = (*out)->ops;
	ops = *unlocked.snapshot;
	ops.open_table = open_unless_locked;
	(*out)->ops = &ops;
	return true;
}

TEST(a_locked_table_does_not_hold_up_the_lake_and_is_read_later)
{
	struct filled f;
	filled_begin(&f);
	const size_t items = recording_add_table(f.recording, &script_items);
	const size_t lines = recording_add_table(f.recording, &script_lines);
	record_row(&f, items, row_of(&f, 1, "a", true));
	record_row(&f, lines, row_of(&f, 5, "x", true));
	connect(&f);
	unlocked.source = f.source->ops;
	struct source_ops ops = *f.source->ops;
	ops.open_snapshot = open_snapshot_with_a_lock;
	f.source->ops = &ops;
	CHECK_OK(begin_lake(&f), &f.err);
	f.source->ops = unlocked.source;
	CHECK_EQUAL(view_of(&f).lake.phase, LAKE_LIVE);
	CHECK_EQUAL(row_in(&f, "items")->state, TABLE_SNAPSHOT);
	CHECK_EQUAL(row_in(&f, "items")->log_position, 0);
	CHECK(publisher_find(f.publisher, "public", "items")->open == NULL);
	CHECK_TEXT(rows_in(&f, "lines"), "5|x|5");
	filled_end(&f);
}

/* --- one table anew --- */

static const struct catalog_table NOTHING_KNOWN = { .metadata_location = "" };

TEST(a_table_that_is_captured_in_part_goes_on)
{
	struct filled f;
	begin_with_two(&f);
	struct source_left_out left_out[] = { { "public", "items", "a column is generated" } };
	struct relation relations[] = { script_items, script_lines };
	struct source_state state = state_of(&f, relations, 2);
	state.left_out = left_out;
	state.left_out_count = 1;
	filling_compare(f.publisher, &state);
	CHECK_EQUAL(state_now(&f, "items"), TABLE_LIVE);
	CHECK(source_why_left_out(&state, "public", "items") == NULL);
	filled_end(&f);
}

TEST(a_table_is_filled_anew_on_its_old_one_where_its_rows_fit)
{
	struct filled f;
	begin_with_two(&f);
	const struct catalog_table *known = row_in(&f, "items");
	struct apply *apply = publisher_fork_apply(f.publisher);
	struct apply_table *table;
	CHECK_OK(filling_open_empty(apply, &script_items, known, &table, &f.err), &f.err);
	CHECK_TEXT(table_metadata_location(table->table), known->metadata_location);
	CHECK_EQUAL(table_row_count(table->table), 0);
	struct relation_column columns[3];
	memcpy(columns, script_items.columns, sizeof columns);
	columns[1].type.type = VALUE_BINARY;
	struct relation other = script_items;
	other.columns = columns;
	CHECK_OK(filling_open_empty(apply, &other, known, &table, &f.err), &f.err);
	CHECK_TEXT(table_metadata_location(table->table), "");
	apply_close(apply);
	filled_end(&f);
}

static const char *of_another_lake(struct filled *f, const char *location)
{
	static const char OURS[] = "\"walberg.lake\":\"test\"";
	const char *path = arena_format(&f->arena, "%s-2", store_path(f->store, location));
	struct buffer body = { 0 };
	CHECK_OK(store_get(f->store, store_path(f->store, location), 1 << 20, &body, &f->err),
		&f->err);
	char *ours = memmem(body.data, body.size, OURS, sizeof OURS - 1);
	CHECK(ours != NULL);
	ours[sizeof OURS - 3]++;
	CHECK_OK(store_put(f->store, path, buffer_bytes(&body), &f->err), &f->err);
	buffer_deinit(&body);
	return store_uri(f->store, path, &f->arena);
}

TEST(a_table_that_another_has_made_is_never_filled)
{
	struct filled f;
	begin_with_two(&f);
	struct catalog_table known = *row_in(&f, "items");
	const char *locations[] = {
		of_another_lake(&f, known.metadata_location),
		"s3://elsewhere/items/metadata/1.metadata.json",
		"file:///lake/public/items/metadata/none.metadata.json",
	};
	struct apply_table *table;
	struct apply *apply = publisher_fork_apply(f.publisher);
	for (size_t i = 0; i < 3; i++) {
		known.metadata_location = locations[i];
		known.position = i < 2 ? known.position : 0;
		CHECK(!filling_open_empty(apply, &script_items, &known, &table, &f.err));
		CHECK_EQUAL(f.err.kind, ERROR_CONFLICT);
		CHECK(strstr(f.err.hint, "walberg snapshot public.items") != NULL);
	}
	known.position = 1; /* it has had a version, and is damaged */
	CHECK_OK(filling_open_empty(apply, &script_items, &known, &table, &f.err), &f.err);
	apply_close(apply);
	filled_end(&f);
}

TEST(a_new_table_is_not_made_in_another_lakes_warehouse)
{
	struct filled f;
	begin_with_two(&f);
	struct apply *apply = publisher_fork_apply(f.publisher);
	struct apply_table *table;
	CHECK_OK(store_put(f.store, "public/.walberg/2f00", BYTES_LITERAL("x"), &f.err), &f.err);
	CHECK(!filling_open_empty(apply, &script_items, &NOTHING_KNOWN, &table, &f.err));
	CHECK_EQUAL(f.err.kind, ERROR_UNSUPPORTED);
	CHECK(strstr(f.err.text, "2f00") != NULL);
	apply_close(apply);
	filled_end(&f);
}

TEST(the_rows_of_a_table_are_counted_while_they_are_read)
{
	struct filled f;
	begin_with_two(&f);
	for (int32_t i = 0; i < 3; i++)
		record_row(&f, 0, row_of(&f, i, "x", true));
	connect(&f);
	struct source_state state;
	struct source_snapshot *snapshot;
	struct apply_table *table;
	struct apply *apply = publisher_fork_apply(f.publisher);
	const struct filling_progress progress = { tell, &f };
	CHECK_OK(source_inspect(f.source, &f.arena, &state, &f.err), &f.err);
	CHECK_OK(source_open_snapshot(f.source, false, &snapshot, &f.err), &f.err);
	CHECK_OK(filling_open_empty(apply, &state.relations[0], &NOTHING_KNOWN, &table, &f.err),
		&f.err);
	CHECK_OK(filling_read_table(table, snapshot, &progress, &f.err), &f.err);
	CHECK_EQUAL(f.told, 3);
	CHECK_EQUAL(table->floor, snapshot->lsn);
	CHECK_EQUAL(table_row_count(table->table), 3);
	/* Of a table that is another by now. */
	struct relation stale = state.relations[1];
	stale.filenode++;
	CHECK_OK(filling_open_empty(apply, &stale, &NOTHING_KNOWN, &table, &f.err), &f.err);
	CHECK(!filling_read_table(table, snapshot, &progress, &f.err));
	CHECK_EQUAL(f.err.kind, ERROR_CONFLICT);
	source_snapshot_close(snapshot);
	apply_close(apply);
	filled_end(&f);
}
