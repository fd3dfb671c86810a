#include "engine/publisher_fixture.h"

static bool is_there(struct published *lake, const char *path)
{
	uint64_t size;
	if (store_size(lake->store, path, &size, &lake->err))
		return true;
	CHECK_EQUAL(lake->err.kind, ERROR_MISSING);
	return false;
}

static const struct removal *find_removal(struct published *lake, const char *path)
{
	size_t count;
	const struct removal *removals = published_removals(lake, &count);
	for (size_t i = 0; i < count; i++)
		if (strcmp(removals[i].path, path) == 0)
			return &removals[i];
	return NULL;
}

static const char *put(struct published *lake, const char *path)
{
	CHECK_OK(store_put(lake->store, path, bytes_of_cstring("PAR1"), &lake->err), &lake->err);
	return path;
}

/* As a process of walberg that died leaves it. */
static const char *put_orphan(struct published *lake, const char *folder)
{
	return put(lake, arena_format(&lake->arena,
				 "%sdata/0192f0c1-2a3b-8a1b-8e5f-60718293a4b5.parquet", folder));
}

TEST(an_own_object_that_nothing_names_is_removed_when_readers_had_their_time)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	const char *path = put_orphan(&lake, "public/items/");
	published_reopen(&lake);
	CHECK(find_removal(&lake, path) == NULL);
	const micros_t found_at = world_now(lake.world);
	published_step(&lake);
	const struct removal *removal = find_removal(&lake, path);
	CHECK(removal != NULL);
	CHECK_EQUAL(removal->not_before, found_at + lake.options.history.removal_delay);
	world_sim_advance(lake.world, lake.options.history.removal_delay - 1);
	published_step(&lake);
	published_step(&lake);
	CHECK(is_there(&lake, path));
	CHECK(!lake.steps[STEP_RETENTION]);
	world_sim_advance(lake.world, 2 * SECOND);
	published_step(&lake);
	CHECK(!is_there(&lake, path));
	CHECK(lake.steps[STEP_RETENTION]);
	world_sim_advance(lake.world, 20 * SECOND);
	published_step(&lake);
	CHECK(find_removal(&lake, path) == NULL);
	published_check_named(&lake);
	published_close(&lake);
}

TEST(an_orphan_is_found_once)
{
	struct published lake;
	published_open(&lake);
	const char *path = put_orphan(&lake, "public/items/");
	published_reopen(&lake);
	published_step(&lake);
	const micros_t not_before = find_removal(&lake, path)->not_before;
	world_sim_advance(lake.world, MINUTE);
	published_reopen(&lake);
	published_step(&lake);
	CHECK_EQUAL(find_removal(&lake, path)->not_before, not_before);
	published_close(&lake);
}

TEST(the_objects_of_a_table_that_cannot_be_opened_stay)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	const char *path = put_orphan(&lake, "public/items/");
	const struct error why = { .kind = ERROR_CORRUPT, .text = "of a test" };
	publisher_pause(lake.publisher, publisher_find(lake.publisher, "public", "items"), &why);
	published_step(&lake);
	published_reopen(&lake);
	published_step(&lake);
	size_t count;
	const struct removal *removals = published_removals(&lake, &count);
	for (size_t i = 0; i < count; i++)
		CHECK(strncmp(removals[i].path, "public/items/", 13) != 0);
	CHECK(is_there(&lake, path));
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1");
	published_close(&lake);
}

TEST(objects_of_expired_versions_stay_for_the_readers_of_these_versions)
{
	struct published lake;
	size_t count = 0;
	published_open(&lake);
	for (lsn_t i = 1; count == 0; i++) {
		char row[32];
		CHECK(i < 10);
		snprintf(row, sizeof row, "%d|a|1", (int)i);
		world_sim_advance(lake.world, 2 * MINUTE);
		published_insert(&lake, 100 * i, &script_items, row);
		(void)published_removals(&lake, &count);
	}
	const micros_t now = world_now(lake.world);
	const struct removal *removals = published_removals(&lake, &count);
	for (size_t i = 0; i < count; i++) {
		CHECK_EQUAL(removals[i].not_before, now + lake.options.history.removal_delay);
		CHECK(is_there(&lake, removals[i].path));
	}
	published_close(&lake);
}

TEST(nothing_that_a_version_names_is_ever_removed)
{
	struct published lake;
	published_open(&lake);
	char row[32], key[32];
	for (int i = 1; i <= 80; i++) {
		script_begin(&lake.script, 1);
		snprintf(row, sizeof row, "%d|a|1", i);
		script_insert(&lake.script, &script_items, row);
		script_insert(&lake.script, &script_lines, row);
		snprintf(key, sizeof key, "%d|~|~", i / 2 + 1);
		if (i % 2 == 1 && i > 1)
			script_delete(&lake.script, &script_items, 'K', key);
		if (i % 25 == 0)
			script_truncate(&lake.script, &script_lines);
		script_commit(&lake.script, (lsn_t)(100 * i));
		script_sync(&lake.script);
		world_sim_advance(lake.world, 20 * SECOND);
		published_step(&lake);
		published_step(&lake);
		if (i % 20 == 0)
			published_reopen(&lake);
		published_check_named(&lake);
	}
	struct object_info *objects;
	size_t count, removal_count, named = 0;
	CHECK_OK(store_list(lake.store, "", &lake.arena, &objects, &count, &lake.err), &lake.err);
	(void)published_removals(&lake, &removal_count);
	for (size_t i = 0; i < 3; i++) {
		static const struct relation *const TABLES[] = { &script_items, &script_whole,
			&script_lines };
		const struct publisher_table *table =
			publisher_find(lake.publisher, "public", TABLES[i]->name);
		const char **paths;
		size_t path_count;
		table_named_paths(table->open->table, &lake.arena, &paths, &path_count);
		named += path_count;
	}
	/* Every object is named by a version, waits for its removal, or was just removed. */
	CHECK(count <= named + removal_count);
	CHECK(count > 20);
	published_close(&lake);
}

TEST(a_removal_of_an_object_that_is_gone_already_is_done)
{
	struct published lake;
	published_open(&lake);
	const char *path = put_orphan(&lake, "public/items/");
	published_reopen(&lake);
	published_step(&lake);
	CHECK_OK(store_remove(lake.store, path, &lake.err), &lake.err);
	world_sim_advance(lake.world, lake.options.history.removal_delay + SECOND);
	published_step(&lake);
	world_sim_advance(lake.world, 20 * SECOND);
	published_step(&lake);
	CHECK(find_removal(&lake, path) == NULL);
	published_close(&lake);
}

TEST(nothing_is_removed_from_a_folder_in_which_another_table_of_the_catalog_lies)
{
	struct published lake;
	published_open(&lake);
	published_foreign(&lake, "lines", "file:///lake/public/items/metadata/1.metadata.json");
	const char *theirs = put_orphan(&lake, "public/items/data/");
	published_reopen(&lake);
	published_step(&lake);
	CHECK(find_removal(&lake, theirs) == NULL);
	published_close(&lake);
}

TEST(what_lies_in_another_lakes_warehouse_is_never_removed)
{
	struct published lake;
	published_open(&lake);
	CHECK_OK(store_put(lake.store, "public/items/eu/.walberg/2f00", BYTES_LITERAL("x"),
			 &lake.err),
		&lake.err);
	const char *theirs = put_orphan(&lake, "public/items/eu/");
	const char *left = put_orphan(&lake, "public/items/");
	/* A table that has no version: its folder is another's. */
	CHECK_OK(store_put(lake.store, "shop/.walberg/3f00", BYTES_LITERAL("x"), &lake.err),
		&lake.err);
	const char *live = put_orphan(&lake, "shop/items/");
	publisher_put(lake.publisher, "shop", "items", TABLE_SNAPSHOT, "", "");
	published_step(&lake);
	published_reopen(&lake);
	published_step(&lake);
	CHECK(find_removal(&lake, left) != NULL);
	CHECK(find_removal(&lake, theirs) == NULL);
	CHECK(find_removal(&lake, live) == NULL);
	published_close(&lake);
}

TEST(what_another_engine_wrote_and_has_not_named_yet_stays)
{
	static const char *const PATHS[] = {
		"public/items/data/00000-0-0192f0c1-2a3b-4c4d-8e5f-60718293a4b5.parquet",
		"public/items/metadata/0192f0c1-2a3b-4c4d-8e5f-60718293a4b5-m0.avro",
		"public/items/metadata/snap-47-0-0192f0c1-2a3b-4c4d-8e5f-60718293a4b5.avro",
		"public/items/metadata/00002-0192f0c1-2a3b-4c4d-8e5f-60718293a4b5.metadata.json",
		"public/items/README.txt",
	};
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++)
		put(&lake, PATHS[i]);
	published_reopen(&lake);
	published_step(&lake);
	for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++)
		CHECK(find_removal(&lake, PATHS[i]) == NULL);
	published_close(&lake);
}

/* Else what a crash leaves behind would stay. */
TEST(every_object_that_walberg_writes_has_a_name_of_its_own)
{
	struct published lake;
	struct object_info *objects;
	size_t count;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	script_begin(&lake.script, 1);
	script_delete(&lake.script, &script_items, 'K', "1|~|~");
	script_commit(&lake.script, 200);
	script_sync(&lake.script);
	world_sim_advance(lake.world, SECOND);
	published_step(&lake);
	CHECK_OK(store_list(lake.store, "public/", &lake.arena, &objects, &count, &lake.err),
		&lake.err);
	CHECK(count > 8);
	for (size_t i = 0; i < count; i++)
		CHECK(table_is_own_path(objects[i].path));
	published_close(&lake);
}

/* --- tables that were renamed in the catalog --- */

static const char *rows_at(struct published *lake, const char *location)
{
	struct table *table;
	CHECK_OK(table_load(lake->world, lake->store, &lake->options.table, &script_items, location,
			 &table, &lake->err),
		&lake->err);
	const char *text = table_rows_text(table, &lake->arena);
	table_close(table);
	return text;
}

/* What is removed is told to the catalog, waits, and goes. */
static void remove_all_that_may_be(struct published *lake)
{
	for (int i = 0; i < 4; i++) {
		published_step(lake);
		world_sim_advance(lake->world, lake->options.history.removal_delay + SECOND);
	}
}

static const char *open_and_rename(struct published *lake)
{
	published_open(lake);
	published_insert(lake, 100, &script_items, "1|a|1");
	const char *location = published_row(lake, "items")->metadata_location;
	published_rename(lake, "items", "items_2026");
	return location;
}

static void begin_items_anew(struct published *lake)
{
	struct publisher_table *table = publisher_find(lake->publisher, "public", "items");
	const struct catalog_table row = { .namespace_name = "public",
		.name = "items",
		.metadata_location = "",
		.state = TABLE_SNAPSHOT,
		.reason = "",
		.definition = table->row.definition };
	CHECK(table->open == NULL);
	table->row = row;
	table->is_changed = true;
	published_step(lake);
}

TEST(a_table_that_was_renamed_in_the_catalog_while_nobody_ran_keeps_its_files)
{
	struct published lake;
	const char *location = open_and_rename(&lake);
	published_reopen(&lake);
	published_step(&lake);
	const struct catalog_table *row = published_row(&lake, "items");
	CHECK_EQUAL(row->state, TABLE_PAUSED);
	CHECK(strstr(row->reason, "dropped from the catalog, or renamed there") != NULL);
	CHECK(strstr(row->reason, "walberg snapshot public.items") != NULL);
	remove_all_that_may_be(&lake);
	CHECK_TEXT(rows_at(&lake, location), "1|a|1");
	published_close(&lake);
}

TEST(a_table_that_was_renamed_in_the_catalog_keeps_its_files_over_a_restart)
{
	struct published lake;
	const char *location = open_and_rename(&lake);
	world_sim_advance(lake.world, SECOND);
	published_insert(&lake, 200, &script_items, "2|b|2");
	CHECK_EQUAL(published_row(&lake, "items")->state, TABLE_PAUSED);
	published_reopen(&lake);
	remove_all_that_may_be(&lake);
	CHECK_TEXT(rows_at(&lake, location), "1|a|1");
	published_close(&lake);
}

/* Its name is another table's now, which has the same folder. */
TEST(what_a_renamed_table_names_stays_while_the_rest_of_its_folder_goes)
{
	struct published lake;
	const char *location = open_and_rename(&lake);
	const char *orphan = put_orphan(&lake, "public/items/");
	published_reopen(&lake);
	begin_items_anew(&lake);
	published_reopen(&lake);
	remove_all_that_may_be(&lake);
	CHECK_TEXT(rows_at(&lake, location), "1|a|1");
	CHECK(!is_there(&lake, orphan));
	published_close(&lake);
}

TEST(nothing_goes_from_a_folder_where_a_renamed_table_cannot_be_read)
{
	struct published lake;
	(void)open_and_rename(&lake);
	published_foreign(&lake, "items_2026",
		store_uri(lake.store,
			put(&lake, "public/items/metadata/00009-broken.metadata.json"),
			&lake.arena));
	const char *orphan = put_orphan(&lake, "public/items/");
	published_reopen(&lake);
	begin_items_anew(&lake);
	published_reopen(&lake);
	remove_all_that_may_be(&lake);
	CHECK(is_there(&lake, orphan));
	published_close(&lake);
}

TEST(a_paused_table_that_cannot_be_read_keeps_nothing_in_other_folders)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	published_foreign(&lake, "items",
		store_uri(lake.store,
			put(&lake, "public/items/metadata/00009-broken.metadata.json"),
			&lake.arena));
	const char *stays = put_orphan(&lake, "public/items/");
	const char *goes = put_orphan(&lake, "public/lines/");
	published_reopen(&lake);
	remove_all_that_may_be(&lake);
	CHECK_EQUAL(published_row(&lake, "items")->state, TABLE_PAUSED);
	CHECK(is_there(&lake, stays));
	CHECK(!is_there(&lake, goes));
	published_close(&lake);
}

TEST(what_the_catalog_points_to_is_not_removed_whatever_says_so)
{
	struct published lake;
	published_open(&lake);
	published_insert(&lake, 100, &script_items, "1|a|1");
	const char *path = store_path(lake.store, published_row(&lake, "items")->metadata_location);
	const char *orphan = put_orphan(&lake, "public/items/");
	publisher_add_removal(lake.publisher, path, 1);
	publisher_add_removal(lake.publisher, orphan, 1);
	remove_all_that_may_be(&lake);
	CHECK(is_there(&lake, path));
	CHECK(!is_there(&lake, orphan));
	CHECK(find_removal(&lake, path) == NULL);
	published_close(&lake);
}
