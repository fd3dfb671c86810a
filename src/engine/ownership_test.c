#include "engine/ownership.h"

#include "engine/publisher_fixture.h"

static void put(struct store *store, const char *path)
{
	struct error err = { 0 };
	CHECK_OK(store_put(store, path, BYTES_LITERAL("x"), &err), &err);
}

/* A lake that is named and has nothing yet. */
static struct catalog *new_lake(const char *id)
{
	struct error err = { 0 };
	struct catalog *catalog = catalog_memory_open();
	const struct lake lake = {
		.id = id,
		.slot_name = "s",
		.publication_name = "p",
		.append_publication_name = "a",
		.system_identifier = "",
		.commit_id = "c",
		.log_id = "",
		.phase = LAKE_NEW,
	};
	CHECK_OK(catalog_create(catalog, &lake, &err), &err);
	return catalog;
}

static struct store *memory(void)
{
	return store_memory_open(world_posix(), "memory://lake");
}

/* "" when nobody has it. */
static const char *owner_of(struct store *store, const char *folder, struct arena *arena)
{
	struct error err = { 0 };
	const char *owner;
	CHECK_OK(ownership_find(store, folder, "", arena, &owner, &err), &err);
	return owner != NULL ? owner : "";
}

TEST(a_warehouse_belongs_to_the_first_lake_that_takes_it)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct store *store = memory();
	struct catalog *first = new_lake("1f00"), *second = new_lake("2f00");
	CHECK_TEXT(owner_of(store, "", &arena), "");
	CHECK(!ownership_check(store, "1f00", &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK_OK(ownership_take(store, first, &err), &err);
	CHECK_OK(ownership_take(store, first, &err), &err);
	CHECK_OK(ownership_check(store, "1f00", &err), &err);
	CHECK(!ownership_take(store, second, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, "memory://lake") != NULL && strstr(err.text, "lake 1f00") != NULL);
	CHECK(strstr(err.hint, "lake.warehouse") != NULL);
	CHECK(!ownership_check(store, "2f00", &err));
	CHECK_TEXT(owner_of(store, "", &arena), "1f00");
	catalog_close(first);
	catalog_close(second);
	store_close(store);
	arena_deinit(&arena);
}

struct race {
	struct store *inner;
	const char *path; /* what the other puts, when this one's is about to be */
};

static enum error_kind strike(void *context, const char *call, const char *path)
{
	struct race *race = context;
	(void)path;
	if (strcmp(call, "create") == 0 && race->path != NULL)
		put(race->inner, race->path);
	return ERROR_NONE;
}

TEST(of_two_lakes_that_take_a_warehouse_at_once_both_never_get_it)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct race race = { .inner = memory(), .path = ".walberg/2f00" };
	struct store *store = store_faulty_open(race.inner, strike, &race);
	struct catalog *first = new_lake("1f00");
	CHECK(!ownership_take(store, first, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, "lake 2f00") != NULL);
	CHECK_TEXT(owner_of(store, "", &arena), "2f00");
	CHECK_OK(ownership_check(store, "2f00", &err), &err);
	catalog_close(first);
	store_close(store);
	arena_deinit(&arena);
}

TEST(a_new_lake_takes_no_warehouse_with_tables_that_its_catalog_does_not_know)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct store *store = memory();
	struct catalog *catalog = new_lake("1f00");
	put(store, "README.txt");
	put(store, "theirs/t/data/left.parquet");
	put(store, "another/.walberg/2f00");
	put(store, "another/public/t/metadata/00001-a.metadata.json");
	put(store, "hadoop/t/metadata/version-hint.text");
	put(store, "hadoop/t/metadata/v1.metadata.json");
	put(store, "theirs/t/metadata/00001-a.metadata.json");
	CHECK(!ownership_take(store, catalog, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, "\"theirs/t/metadata/\"") != NULL);
	CHECK(err.hint[0] != '\0');
	CHECK_TEXT(owner_of(store, "", &arena), "");
	CHECK_OK(store_remove(store, "theirs/t/metadata/00001-a.metadata.json", &err), &err);
	CHECK_OK(ownership_take(store, catalog, &err), &err);
	catalog_close(catalog);
	store_close(store);
	arena_deinit(&arena);
}

TEST(a_lake_with_tables_takes_no_warehouse_but_its_own)
{
	struct published lake;
	struct store *elsewhere = store_memory_open(world_posix(), "memory://elsewhere");
	published_open(&lake);
	CHECK(published_row(&lake, "items")->metadata_location[0] != '\0');
	CHECK(!ownership_take(elsewhere, lake.catalog.inner, &lake.err));
	CHECK_EQUAL(lake.err.kind, ERROR_SETUP);
	CHECK(strstr(lake.err.text, "lake.warehouse is \"memory://elsewhere\"") != NULL);
	CHECK_TEXT(owner_of(elsewhere, "", &lake.arena), "");
	CHECK(!ownership_take(lake.store, lake.catalog.inner, &lake.err));
	CHECK(strstr(lake.err.text, "\".walberg/test\"") != NULL);
	CHECK_TEXT(owner_of(lake.store, "", &lake.arena), "");
	put(lake.store, ".walberg/test");
	CHECK_OK(ownership_take(lake.store, lake.catalog.inner, &lake.err), &lake.err);
	published_close(&lake);
	store_close(elsewhere);
}

/* As another program would have written it. */
static void not_of_a_lake(struct published *lake, const char *name)
{
	static const char KEY[] = "walberg.lake";
	struct buffer body = { 0 };
	const char *location = published_row(lake, name)->metadata_location;
	const char *path = arena_format(&lake->arena, "public/%s/metadata/2.metadata.json", name);
	CHECK_OK(store_get(lake->store, store_path(lake->store, location), 1 << 20, &body,
			 &lake->err),
		&lake->err);
	for (char *key; (key = memmem(body.data, body.size, KEY, sizeof KEY - 1)) != NULL;)
		key[0] = 'W';
	CHECK_OK(store_put(lake->store, path, buffer_bytes(&body), &lake->err), &lake->err);
	published_foreign(lake, name, store_uri(lake->store, path, &lake->arena));
	buffer_deinit(&body);
}

/* Another lake of the same database, which is new. */
TEST(tables_that_another_catalog_of_the_database_knows_are_in_nobodys_way)
{
	struct published lake;
	struct catalog *catalog;
	published_open(&lake);
	const struct sqlite_options options = { .path = lake.database, .catalog_name = "other" };
	struct lake another = published_view(&lake).lake;
	another.id = "another";
	CHECK_OK(catalog_sqlite_open(&options, &catalog, &lake.err), &lake.err);
	CHECK_OK(catalog_create(catalog, &another, &lake.err), &lake.err);
	/* But another lake's are. */
	CHECK(!ownership_take(lake.store, catalog, &lake.err));
	CHECK_EQUAL(lake.err.kind, ERROR_SETUP);
	CHECK(strstr(lake.err.text, "of the lake test") != NULL);
	CHECK_TEXT(owner_of(lake.store, "", &lake.arena), "");
	/* Unless they lie in a place that the other has. */
	put(lake.store, "public/.walberg/test");
	CHECK_OK(ownership_take(lake.store, catalog, &lake.err), &lake.err);
	CHECK_OK(store_remove(lake.store, ".walberg/another", &lake.err), &lake.err);
	CHECK_OK(store_remove(lake.store, "public/.walberg/test", &lake.err), &lake.err);
	not_of_a_lake(&lake, "items");
	not_of_a_lake(&lake, "lines");
	not_of_a_lake(&lake, "whole");
	CHECK_OK(ownership_take(lake.store, catalog, &lake.err), &lake.err);
	CHECK_OK(store_remove(lake.store, ".walberg/another", &lake.err), &lake.err);
	put(lake.store, "public/gone/metadata/00000-b.metadata.json");
	CHECK(!ownership_take(lake.store, catalog, &lake.err));
	CHECK(strstr(lake.err.text, "\"public/gone/metadata/\"") != NULL);
	catalog_close(catalog);
	published_close(&lake);
}

TEST(a_folder_in_another_lakes_warehouse_is_not_a_tables)
{
	struct error err = { 0 };
	struct store *store = memory();
	put(store, ".walberg/1f00");
	put(store, "shop/.walberg/2f00");
	put(store, "public/orders/.walberg/3f00");
	CHECK_OK(ownership_check_folder(store, "public/items/", &err), &err);
	CHECK_OK(ownership_check_folder(store, "shopping/items/", &err), &err);
	CHECK(!ownership_check_folder(store, "shop/items/", &err));
	CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
	CHECK(strstr(err.text, "\"shop/items/\"") != NULL && strstr(err.text, "2f00") != NULL);
	CHECK(!ownership_check_folder(store, "public/orders/", &err));
	store_close(store);
}

TEST(what_lies_in_others_folders_is_left_out_of_a_listing)
{
	static const char *const PATHS[] = { ".walberg/1f00", ".walberg/folder/x",
		"a/.walberg/2f00", "a/b/.walberg/3f00", "a/b/x", "a/x",
		"a/z/metadata/version-hint.text", "a0/x", "b", "h/t/data/x",
		"h/t/metadata/version-hint.text", "h/t.x", "h/t2/x", "z/x" };
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct store *store = memory();
	struct object_info *objects;
	size_t count;
	for (size_t i = 0; i < sizeof PATHS / sizeof *PATHS; i++)
		put(store, PATHS[i]);
	CHECK_OK(store_list(store, "", &arena, &objects, &count, &err), &err);
	count = ownership_leave_out(objects, count, &arena);
	const char *text = "";
	for (size_t i = 0; i < count; i++)
		text = arena_format(&arena, "%s%s ", text, objects[i].path);
	CHECK_TEXT(text, "a0/x b h/t.x h/t2/x z/x ");
	CHECK_EQUAL(ownership_leave_out(objects, 0, &arena), 0);
	store_close(store);
	arena_deinit(&arena);
}
