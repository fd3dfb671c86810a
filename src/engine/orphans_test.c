#include "engine/orphans.h"

#include "engine/publisher_fixture.h"

static struct orphans find(struct published *lake, micros_t written_until)
{
	struct orphans orphans;
	CHECK_OK(orphans_find(lake->store, &lake->catalog.base, written_until, &lake->arena,
			 &orphans, &lake->err),
		&lake->err);
	return orphans;
}

/* Their paths, by path, separated by blanks. */
static const char *found(struct published *lake)
{
	const struct orphans orphans = find(lake, INT64_MAX);
	const char *text = "";
	for (size_t i = 0; i < orphans.count; i++)
		text = arena_format(
			&lake->arena, "%s%s%s", text, text[0] ? " " : "", orphans.objects[i].path);
	return text;
}

static void put(struct published *lake, const char *path)
{
	CHECK_OK(store_put(lake->store, path, bytes_of_cstring("PAR1"), &lake->err), &lake->err);
}

static void open_with_rows(struct published *lake)
{
	published_open(lake);
	for (lsn_t i = 1; i <= 5; i++) {
		char row[32];
		snprintf(row, sizeof row, "%d|a|1", (int)i);
		published_insert(lake, 100 * i, &script_items, row);
		world_sim_advance(lake->world, SECOND);
	}
}

TEST(what_any_version_names_or_waits_for_removal_is_no_orphan)
{
	struct published lake;
	open_with_rows(&lake);
	CHECK_TEXT(found(&lake), "");
	CHECK(find(&lake, INT64_MAX).named_count > 20);
	put(&lake, "public/items/data/0192f0c1-2a3b-8a1b-8e5f-60718293a4b5.parquet");
	published_reopen(&lake); /* finds it, and gives readers their time */
	published_step(&lake);
	CHECK_TEXT(found(&lake), "");
	published_close(&lake);
}

TEST(every_file_of_a_table_that_nothing_names_is_an_orphan_wherever_it_lies)
{
	struct published lake;
	size_t removed;
	open_with_rows(&lake);
	put(&lake, "public/dropped/data/a.parquet");
	put(&lake, "public/dropped/metadata/00001-b.metadata.json");
	put(&lake, "public/items/metadata/snap-1.avro");
	put(&lake, "theirs/deep/er/dv.puffin");
	put(&lake, "probe-00000000-0000-4000-8000-000000000000");
	put(&lake, "probe-10000000-0000-4000-8000-000000000000/probe");
	put(&lake, "README.txt");
	put(&lake, "public/dropped/data/a.parquet.crc");
	const struct orphans orphans = find(&lake, INT64_MAX);
	CHECK_EQUAL(orphans.count, 6);
	CHECK_EQUAL(orphans.bytes, 24);
	CHECK_EQUAL(orphans.other_count, 2);
	CHECK_TEXT(found(&lake),
		"probe-00000000-0000-4000-8000-000000000000 "
		"probe-10000000-0000-4000-8000-000000000000/probe public/dropped/data/a.parquet "
		"public/dropped/metadata/00001-b.metadata.json public/items/metadata/snap-1.avro "
		"theirs/deep/er/dv.puffin");
	CHECK_OK(orphans_remove(lake.store, &orphans, &removed, &lake.err), &lake.err);
	CHECK_EQUAL(removed, 6);
	CHECK_TEXT(found(&lake), "");
	CHECK_EQUAL(find(&lake, INT64_MAX).other_count, 2);
	published_check_named(&lake);
	published_reopen(&lake);
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1 2|a|1 3|a|1 4|a|1 5|a|1");
	published_close(&lake);
}

TEST(what_lies_in_others_folders_is_no_orphan)
{
	struct published lake;
	open_with_rows(&lake);
	put(&lake, ".walberg/test");
	put(&lake, "shop/.walberg/another");
	put(&lake, "shop/public/items/data/live.parquet");
	put(&lake, "hadoop/t/metadata/version-hint.text");
	put(&lake, "hadoop/t/metadata/v2.metadata.json");
	put(&lake, "hadoop/t/data/live.parquet");
	put(&lake, "shopping/public/items/data/left.parquet");
	CHECK_TEXT(found(&lake), "shopping/public/items/data/left.parquet");
	CHECK_EQUAL(find(&lake, INT64_MAX).other_count, 0);
	published_close(&lake);
}

TEST(a_file_that_is_too_young_stays)
{
	struct published lake;
	open_with_rows(&lake);
	put(&lake, "x/old.parquet");
	const micros_t then = world_now(lake.world);
	world_sim_advance(lake.world, SECOND);
	put(&lake, "x/young.parquet");
	const struct orphans orphans = find(&lake, then);
	CHECK_EQUAL(orphans.count, 1);
	CHECK_TEXT(orphans.objects[0].path, "x/old.parquet");
	CHECK_EQUAL(orphans.younger_count, 1);
	published_close(&lake);
}

/* A paused table stays at its version; somebody else's is not opened at all. */
TEST(the_files_of_tables_that_are_not_walbergs_to_write_stay)
{
	struct published lake;
	open_with_rows(&lake);
	published_foreign(&lake, "items", published_foreign_version(&lake, "items"));
	CHECK_TEXT(found(&lake), "");
	const struct error why = { .kind = ERROR_CORRUPT, .text = "of a test" };
	publisher_pause(lake.publisher, publisher_find(lake.publisher, "public", "whole"), &why);
	published_step(&lake);
	CHECK_TEXT(found(&lake), "");
	published_close(&lake);
}

TEST(nothing_is_an_orphan_while_it_is_not_known_what_a_table_names)
{
	struct published lake;
	struct orphans orphans;
	open_with_rows(&lake);
	put(&lake, "theirs/t/metadata/broken.metadata.json");
	const char *uri =
		store_uri(lake.store, "theirs/t/metadata/broken.metadata.json", &lake.arena);
	published_foreign(&lake, "items", uri);
	CHECK(!orphans_find(
		lake.store, &lake.catalog.base, INT64_MAX, &lake.arena, &orphans, &lake.err));
	CHECK_EQUAL(lake.err.kind, ERROR_CORRUPT);
	CHECK(strstr(lake.err.context, "public.items") != NULL);
	CHECK(lake.err.hint[0] != '\0');
	published_close(&lake);
}

TEST(after_the_fence_a_stalled_writers_commit_is_not_taken)
{
	struct published lake;
	open_with_rows(&lake);
	script_insert_alone(&lake.script, 600, &script_items, "6|b|1");
	CHECK_OK(orphans_fence(lake.world, lake.catalog.inner, &lake.err), &lake.err);
	world_sim_advance(lake.world, MINUTE);
	struct error err;
	bool done = true;
	for (int i = 0; done && i < 10; i++)
		done = publisher_step(lake.publisher, &err);
	CHECK(!done);
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	published_reopen(&lake);
	published_step(&lake);
	world_sim_advance(lake.world, MINUTE);
	published_step(&lake);
	CHECK_TEXT(published_rows(&lake, &script_items), "1|a|1 2|a|1 3|a|1 4|a|1 5|a|1 6|b|1");
	published_close(&lake);
}
