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

static const char *put_orphan(struct published *lake, const char *folder)
{
	const char *path = arena_format(&lake->arena, "%sdata/orphan.parquet", folder);
	CHECK_OK(store_put(lake->store, path, bytes_of_cstring("PAR1"), &lake->err), &lake->err);
	return path;
}

TEST(an_object_that_nothing_names_is_removed_when_readers_had_their_time)
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
