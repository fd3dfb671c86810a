#include "catalog/place.h"

#include "base/test.h"

#define TABLE(place)                                                                               \
	{                                                                                          \
		.metadata_location = place "/public/t/metadata/00001-a.metadata.json"              \
	}

static struct catalog_view view_of(struct catalog_table *tables, size_t count)
{
	return (struct catalog_view){
		.lake = { .id = "1f00" }, .tables = tables, .table_count = count
	};
}

static void put(struct store *store, const char *path)
{
	struct error err = { 0 };
	CHECK_OK(store_put(store, path, BYTES_LITERAL(""), &err), &err);
}

static void check_refusal(
	const char *location, const struct catalog_view *view, const char *text, const char *hint)
{
	struct store *store = store_memory_open(world_posix(), location);
	struct error err = { 0 };
	put(store, ".walberg/1f00"); /* it came with the directory */
	CHECK(!place_check(store, view, &err));
	CHECK(!place_look(store, view, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK_TEXT(err.text, text);
	CHECK_TEXT(err.hint, hint);
	store_close(store);
}

TEST(a_lake_without_tables_may_have_any_place)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct store *store = store_memory_open(world_posix(), "file:///lake/warehouse");
	struct catalog_table left_out = { .metadata_location = "" };
	const struct catalog_view view = view_of(&left_out, 1);
	CHECK(place_of_tables(&view, &arena) == NULL);
	CHECK_OK(place_look(store, &view, &err), &err);
	store_close(store);
	arena_deinit(&arena);
}

TEST(a_warehouse_that_the_tables_are_not_in_is_refused_by_its_name)
{
	struct catalog_table in_s3 = TABLE("s3://mine/good"), here = TABLE("file:///my/lake");
	const struct catalog_view remote = view_of(&in_s3, 1), local = view_of(&here, 1);
	check_refusal("file:///lake/warehouse", &remote,
		"this lake's tables are in \"s3://mine/good\", and lake.warehouse is "
		"\"/lake/warehouse\"",
		"Set lake.warehouse=s3://mine/good (walberg.yaml keeps it).");
	check_refusal("s3://mine/goods", &local,
		"this lake's tables are in \"/my/lake\", and lake.warehouse is \"s3://mine/goods\"",
		"Set lake.warehouse=/my/lake (walberg.yaml keeps it), or bring the directory back "
		"to where it was.");
}

/* That one is judged by itself. */
TEST(one_table_that_is_elsewhere_does_not_change_the_others_place)
{
	struct error err = { 0 };
	struct store *store = store_memory_open(world_posix(), "s3://mine/good");
	struct catalog_table tables[] = { TABLE("s3://theirs"), { .metadata_location = "" },
		TABLE("s3a://mine/good") };
	const struct catalog_view view = view_of(tables, 3);
	CHECK_OK(place_check(store, &view, &err), &err);
	CHECK(!place_look(store, &view, &err));
	CHECK_TEXT(err.text, "this lake's tables are in \"s3://mine/good\", and its mark "
			     "\".walberg/1f00\" is not");
	put(store, ".walberg/1f00");
	CHECK_OK(place_look(store, &view, &err), &err);
	store_close(store);
}

TEST(a_warehouse_without_the_lakes_mark_is_not_its)
{
	struct error err = { 0 };
	struct catalog_table table = TABLE("s3://mine/good");
	const struct catalog_view view = view_of(&table, 1);
	struct store *store = store_memory_open(world_posix(), "s3://mine/good");
	struct store *above = store_memory_open(world_posix(), "s3://mine");
	put(store, ".walberg/2f00");
	CHECK_OK(place_check(store, &view, &err), &err);
	CHECK(!place_look(store, &view, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK_TEXT(err.text, "this lake's tables are in \"s3://mine/good\", and its mark "
			     "\".walberg/1f00\" is not");
	CHECK(strstr(err.hint, "s3.endpoint") != NULL);
	put(store, ".walberg/1f00");
	CHECK_OK(place_look(store, &view, &err), &err);
	CHECK(!place_look(above, &view, &err));
	CHECK(strstr(err.text, "lake.warehouse is \"s3://mine\"") != NULL);
	store_close(store);
	store_close(above);
}
