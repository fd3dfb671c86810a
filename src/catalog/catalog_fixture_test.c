#include "catalog/catalog_fixture.h"

#include "base/test.h"

struct lake catalog_fixture_lake(uint64_t commit_number)
{
	static const char *const COMMIT_IDS[] = { "c0", "c1", "c2", "c3", "c4", "c5", "c6", "c7",
		"c8" };
	return (struct lake){
		.id = "k3x9",
		.slot_name = "walberg_k3x9",
		.publication_name = "walberg_k3x9",
		.append_publication_name = "walberg_k3x9_append",
		.system_identifier = "7301",
		.timeline = 1,
		.phase = LAKE_LIVE,
		.commit_number = commit_number,
		.commit_id = COMMIT_IDS[commit_number],
		.position = 1000 * commit_number,
		.position_at = -5,
		.timestamp_ms = (int64_t)(100 * commit_number),
		.log_position = 77,
		.log_id = "log",
		.last_commit_lsn = UINT64_C(0x7fffffffffffffff),
		.last_commit_xid = UINT32_MAX,
		.last_commit_at = 12,
	};
}

static struct catalog_table table_at(const char *name, const char *location)
{
	return (struct catalog_table){
		.namespace_name = "public",
		.name = name,
		.metadata_location = location,
		.state = TABLE_LIVE,
		.reason = "",
		.definition = "{}",
		.position = 500,
	};
}

void catalog_fixture_create(struct catalog *catalog)
{
	struct error err;
	const struct lake lake = catalog_fixture_lake(0);
	CHECK_OK(catalog_create(catalog, &lake, &err), &err);
}

/* One table's pointer from base to location, on top of commit number base_number. */
bool catalog_fixture_commit(struct catalog *catalog, uint64_t base_number, const char *name,
	const char *base, const char *location, size_t *conflict, struct error *err)
{
	const struct lake lake = catalog_fixture_lake(base_number + 1);
	const struct catalog_table table = table_at(name, location);
	const struct table_change change = { &table, base };
	const struct catalog_commit commit = {
		.base_commit_number = base_number,
		.lake = &lake,
		.change_count = 1,
		.changes = &change,
		.makes_version = true,
	};
	return catalog_commit(catalog, &commit, conflict, err);
}

void catalog_fixture_commit_ok(struct catalog *catalog, uint64_t base_number, const char *name,
	const char *base, const char *location)
{
	struct error err;
	size_t conflict;
	CHECK_OK(
		catalog_fixture_commit(catalog, base_number, name, base, location, &conflict, &err),
		&err);
}

struct catalog_view catalog_fixture_load(struct catalog *catalog, struct arena *arena)
{
	struct error err;
	struct catalog_view view;
	CHECK_OK(catalog_load(catalog, arena, &view, &err), &err);
	return view;
}

/* Among all pointers of the database, whatever the catalog's name is. */
static void check_pointer(struct catalog *catalog, const char *name, const char *location)
{
	struct arena arena = { 0 };
	struct error err;
	struct catalog_pointer *pointers;
	size_t count, found = 0;
	CHECK_OK(catalog_pointers(catalog, &arena, &pointers, &count, &err), &err);
	for (size_t i = 0; i < count; i++) {
		if (strcmp(pointers[i].name, name) != 0 ||
			strcmp(pointers[i].metadata_location, location) != 0)
			continue;
		CHECK(pointers[i].catalog_name[0] != '\0');
		CHECK_TEXT(pointers[i].namespace_name, "public");
		CHECK(!pointers[i].is_view);
		found++;
	}
	CHECK_EQUAL(found, location[0] != '\0');
	arena_deinit(&arena);
}

void catalog_fixture_check_location(struct catalog *catalog, const char *name, const char *location)
{
	check_pointer(catalog, name, location);
	struct arena arena = { 0 };
	const struct catalog_view view = catalog_fixture_load(catalog, &arena);
	const struct catalog_table *table = catalog_view_find(&view, "public", name);
	CHECK(table != NULL);
	CHECK_TEXT(table->metadata_location, location);
	arena_deinit(&arena);
}

void catalog_fixture_check_lake(struct catalog *catalog, uint64_t commit_number)
{
	struct arena arena = { 0 };
	const struct lake lake = catalog_fixture_load(catalog, &arena).lake;
	const struct lake expected = catalog_fixture_lake(commit_number);
	CHECK_TEXT(lake.id, expected.id);
	CHECK_TEXT(lake.slot_name, expected.slot_name);
	CHECK_TEXT(lake.publication_name, expected.publication_name);
	CHECK_TEXT(lake.append_publication_name, expected.append_publication_name);
	CHECK_TEXT(lake.system_identifier, expected.system_identifier);
	CHECK_EQUAL(lake.timeline, expected.timeline);
	CHECK_EQUAL(lake.phase, expected.phase);
	CHECK_EQUAL(lake.commit_number, expected.commit_number);
	CHECK_TEXT(lake.commit_id, expected.commit_id);
	CHECK_EQUAL(lake.position, expected.position);
	CHECK_EQUAL(lake.position_at, expected.position_at);
	CHECK_EQUAL(lake.timestamp_ms, expected.timestamp_ms);
	CHECK_EQUAL(lake.log_position, expected.log_position);
	CHECK_TEXT(lake.log_id, expected.log_id);
	CHECK_EQUAL(lake.last_commit_lsn, expected.last_commit_lsn);
	CHECK_EQUAL(lake.last_commit_xid, expected.last_commit_xid);
	CHECK_EQUAL(lake.last_commit_at, expected.last_commit_at);
	arena_deinit(&arena);
}

static void check_beginning(struct catalog *catalog)
{
	struct error err = { 0 };
	struct arena arena = { 0 };
	struct catalog_view view;
	const struct lake lake = catalog_fixture_lake(0);
	CHECK(!catalog_load(catalog, &arena, &view, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	catalog_fixture_create(catalog);
	CHECK(!catalog_create(catalog, &lake, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	catalog_fixture_check_lake(catalog, 0);
	CHECK_EQUAL(catalog_fixture_load(catalog, &arena).table_count, 0);
	arena_deinit(&arena);
}

/* I2, I6: all of a commit or nothing. */
static void check_conflicts(struct catalog *catalog)
{
	struct error err = { 0 };
	size_t conflict;
	catalog_fixture_commit_ok(catalog, 0, "a", "", "a1");
	CHECK(!catalog_fixture_commit(catalog, 0, "a", "a1", "a2", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	CHECK(conflict == SIZE_MAX);

	const struct lake lake = catalog_fixture_lake(2);
	const struct catalog_table tables[] = { table_at("b", "b1"), table_at("a", "a2") };
	struct table_change changes[] = { { &tables[0], "" }, { &tables[1], "other" } };
	const struct removal removal = { "gone", 1 };
	const struct catalog_commit commit = {
		.base_commit_number = 1,
		.lake = &lake,
		.change_count = 2,
		.changes = changes,
		.makes_version = true,
		.removal_count = 1,
		.removals = &removal,
	};
	CHECK(!catalog_commit(catalog, &commit, &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	CHECK_EQUAL(conflict, 1);
	catalog_fixture_check_lake(catalog, 1);
	catalog_fixture_check_location(catalog, "a", "a1");
	struct arena arena = { 0 };
	const struct catalog_view view = catalog_fixture_load(catalog, &arena);
	CHECK_EQUAL(view.table_count, 1);
	CHECK_EQUAL(view.commit_count, 1);
	arena_deinit(&arena);

	changes[0].base_location = "b0"; /* no such pointer */
	CHECK(!catalog_commit(catalog, &commit, &conflict, &err));
	CHECK_EQUAL(conflict, 0);
	changes[0].base_location = "";
	changes[1].base_location = "a1";
	CHECK_OK(catalog_commit(catalog, &commit, &conflict, &err), &err);
	catalog_fixture_check_lake(catalog, 2);
	catalog_fixture_check_location(catalog, "a", "a2");
	catalog_fixture_check_location(catalog, "b", "b1");
	CHECK(!catalog_fixture_commit(catalog, 2, "b", "", "b9", &conflict, &err));
	CHECK_EQUAL(conflict, 0);
}

static void commit_state(struct catalog *catalog, uint64_t base_number,
	const struct catalog_table *table, const char *base_location)
{
	const struct lake lake = catalog_fixture_lake(base_number + 1);
	const struct table_change change = { table, base_location };
	const struct catalog_commit commit = {
		.base_commit_number = base_number,
		.lake = &lake,
		.change_count = 1,
		.changes = &change,
	};
	struct error err;
	size_t conflict;
	CHECK_OK(catalog_commit(catalog, &commit, &conflict, &err), &err);
}

static void check_states(struct catalog *catalog)
{
	struct arena arena = { 0 };
	struct catalog_table table = table_at("b", "b1");
	table.state = TABLE_PAUSED;
	table.reason = "a value did not fit; run it again";
	table.log_position = 9;
	commit_state(catalog, 2, &table, "b1");
	struct catalog_table left_out = table_at("0part", "");
	left_out.state = TABLE_LEFT_OUT;
	left_out.reason = "a \xc3\xa4 and bytes \xff that are no text, cut in \xe7\x8e";
	commit_state(catalog, 3, &left_out, "");
	struct catalog_view view = catalog_fixture_load(catalog, &arena);
	CHECK_EQUAL(view.table_count, 3);
	CHECK_TEXT(view.tables[0].name, "0part");
	CHECK_TEXT(view.tables[0].metadata_location, "");
	CHECK_TEXT(view.tables[0].reason, "a \xc3\xa4 and bytes ? that are no text, cut in ??");
	const struct catalog_table *found = catalog_view_find(&view, "public", "b");
	CHECK_EQUAL(found->state, TABLE_PAUSED);
	CHECK_TEXT(found->reason, table.reason);
	CHECK_TEXT(found->definition, "{}");
	CHECK_EQUAL(found->position, 500);
	CHECK_EQUAL(found->log_position, 9);
	CHECK_TEXT(found->metadata_location, "b1");
	CHECK(catalog_view_find(&view, "public", "c") == NULL);
	CHECK(catalog_view_find(&view, "other", "a") == NULL);
	CHECK_EQUAL(view.commit_count, 2);
	CHECK_EQUAL(view.commits[0].commit_number, 1);
	CHECK_EQUAL(view.commits[1].position, 2000);
	CHECK_EQUAL(view.commits[1].timestamp_ms, 200);

	table.state = TABLE_FORGOTTEN;
	table.metadata_location = "";
	commit_state(catalog, 4, &table, "b1");
	CHECK_EQUAL(catalog_fixture_load(catalog, &arena).table_count, 2);
	arena_deinit(&arena);
}

static void check_removals(struct catalog *catalog)
{
	const struct lake lake = catalog_fixture_lake(6);
	const struct removal removals[] = { { "x", 30 }, { "y", 20 }, { "z", 99 } };
	static const char *const removed[] = { "gone" };
	struct catalog_commit commit = {
		.base_commit_number = 5,
		.lake = &lake,
		.forget_before_ms = 200,
		.removal_count = 3,
		.removals = removals,
		.removed_count = 1,
		.removed = removed,
	};
	struct arena arena = { 0 };
	struct error err;
	size_t conflict, count;
	struct removal *found;
	CHECK_OK(catalog_removals(catalog, 98, SIZE_MAX, &arena, &found, &count, &err), &err);
	CHECK_EQUAL(count, 1);
	CHECK_TEXT(found[0].path, "gone");
	CHECK_OK(catalog_commit(catalog, &commit, &conflict, &err), &err);
	CHECK_OK(catalog_removals(catalog, 98, 10, &arena, &found, &count, &err), &err);
	CHECK_EQUAL(count, 2);
	CHECK_TEXT(found[0].path, "y");
	CHECK_EQUAL(found[1].not_before, 30);
	CHECK_OK(catalog_removals(catalog, 98, 1, &arena, &found, &count, &err), &err);
	CHECK_EQUAL(count, 1);
	const struct catalog_view view = catalog_fixture_load(catalog, &arena);
	CHECK_EQUAL(view.commit_count, 1);
	CHECK_EQUAL(view.commits[0].commit_number, 2);
	arena_deinit(&arena);
}

static void check_requests(struct catalog *catalog)
{
	struct error err;
	struct arena arena = { 0 };
	CHECK_OK(catalog_request(catalog, "snapshot", "public.a", &err), &err);
	CHECK_OK(catalog_request(catalog, "snapshot", "public.b", &err), &err);
	CHECK_OK(catalog_request(catalog, "snapshot", "public.a", &err), &err);
	struct catalog_view view = catalog_fixture_load(catalog, &arena);
	CHECK_EQUAL(view.request_count, 2);
	CHECK_TEXT(view.requests[0].kind, "snapshot");
	CHECK_TEXT(view.requests[0].argument, "public.a");
	struct catalog_request *requests;
	size_t count;
	CHECK_OK(catalog_load_requests(catalog, &arena, &requests, &count, &err), &err);
	CHECK_EQUAL(count, 2);
	for (size_t i = 0; i < count; i++) {
		CHECK_EQUAL(requests[i].id, view.requests[i].id);
		CHECK_TEXT(requests[i].kind, view.requests[i].kind);
		CHECK_TEXT(requests[i].argument, view.requests[i].argument);
	}
	const struct lake lake = catalog_fixture_lake(7);
	const int64_t done = view.requests[0].id;
	const struct catalog_commit commit = {
		.base_commit_number = 6,
		.lake = &lake,
		.done_count = 1,
		.done = &done,
	};
	size_t conflict;
	CHECK_OK(catalog_commit(catalog, &commit, &conflict, &err), &err);
	view = catalog_fixture_load(catalog, &arena);
	CHECK_EQUAL(view.request_count, 1);
	CHECK_TEXT(view.requests[0].argument, "public.b");
	CHECK_OK(catalog_request(catalog, "snapshot", "public.a", &err), &err);
	CHECK(catalog_fixture_load(catalog, &arena).requests[1].id > done);
	arena_deinit(&arena);
}

void catalog_fixture_check_contract(struct catalog *catalog)
{
	check_beginning(catalog);
	check_conflicts(catalog);
	check_states(catalog);
	check_removals(catalog);
	check_requests(catalog);
	catalog_close(catalog);
}

void catalog_fixture_check_two_handles(struct catalog *one, struct catalog *two)
{
	struct error err = { 0 };
	size_t conflict;
	catalog_fixture_create(one);
	catalog_fixture_commit_ok(one, 0, "a", "", "a1");
	catalog_fixture_check_location(two, "a", "a1");
	catalog_fixture_commit_ok(two, 1, "a", "a1", "a2");
	CHECK(!catalog_fixture_commit(one, 1, "a", "a1", "a3", &conflict, &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	catalog_fixture_check_location(one, "a", "a2");
	catalog_close(one);
	catalog_fixture_check_location(two, "a", "a2");
	catalog_close(two);
}
