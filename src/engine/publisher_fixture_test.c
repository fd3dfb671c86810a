#include "engine/publisher_fixture.h"

#include "base/logline.h"
#include "engine/definition.h"
#include "iceberg/update.h"

#include <sqlite3.h>
#include <stdlib.h>

static const struct relation *const RELATIONS[] = { &script_items, &script_whole, &script_lines };

/* --- the catalog --- */

static struct watched_catalog *watched(struct catalog *catalog)
{
	return (struct watched_catalog *)catalog;
}

static bool watched_load(
	struct catalog *catalog, struct arena *arena, struct catalog_view *out, struct error *err)
{
	watched(catalog)->loads++;
	return catalog_load(watched(catalog)->inner, arena, out, err);
}

static bool watched_create(struct catalog *catalog, const struct lake *lake, struct error *err)
{
	return catalog_create(watched(catalog)->inner, lake, err);
}

static bool watched_commit(struct catalog *catalog, const struct catalog_commit *commit,
	size_t *table_conflict, struct error *err)
{
	struct watched_catalog *self = watched(catalog);
	self->commits++;
	if (self->commit_takes > 0)
		world_sim_advance(self->world, self->commit_takes);
	if (self->fail_times == 0)
		return catalog_commit(self->inner, commit, table_conflict, err);
	self->fail_times--;
	if (self->fails_after)
		CHECK_OK(catalog_commit(self->inner, commit, table_conflict, err), err);
	if (self->after != NULL)
		self->after(self->context);
	*table_conflict = SIZE_MAX;
	return error_set(err, self->fail_commit, "as the test wants it");
}

static bool watched_pointers(struct catalog *catalog, struct arena *arena,
	struct catalog_pointer **out, size_t *count, struct error *err)
{
	return catalog_pointers(watched(catalog)->inner, arena, out, count, err);
}

static bool watched_removals(struct catalog *catalog, micros_t now, size_t count_max,
	struct arena *arena, struct removal **out, size_t *count, struct error *err)
{
	return catalog_removals(watched(catalog)->inner, now, count_max, arena, out, count, err);
}

static bool watched_request(
	struct catalog *catalog, const char *kind, const char *argument, struct error *err)
{
	return catalog_request(watched(catalog)->inner, kind, argument, err);
}

static void watched_close(struct catalog *catalog)
{
	catalog_close(watched(catalog)->inner);
}

static void open_catalog(struct published *published)
{
	static const struct catalog_ops OPS = {
		.scheme = "watched",
		.load = watched_load,
		.create = watched_create,
		.commit = watched_commit,
		.removals = watched_removals,
		.pointers = watched_pointers,
		.request = watched_request,
		.close = watched_close,
	};
	published->database = arena_format(&published->arena, "%s/catalog.db", test_directory());
	const struct sqlite_options options = {
		.path = published->database,
		.catalog_name = "walberg",
		.busy_timeout_ms = 1000,
	};
	published->catalog = (struct watched_catalog){ { &OPS }, .world = published->world };
	CHECK_OK(catalog_sqlite_open(&options, &published->catalog.inner, &published->err),
		&published->err);
}

/* --- the lake --- */

static void note_step(void *context, enum publisher_step step)
{
	((struct published *)context)->steps[step] = true;
}

static void open_publisher(struct published *published)
{
	CHECK_OK(publisher_open(&published->options, &published->publisher, &published->err),
		&published->err);
}

static void begin_table(struct published *published, const struct relation *relation)
{
	struct publisher *publisher = published->publisher;
	struct publisher_table *table = publisher_put(publisher, relation->namespace_name,
		relation->name, TABLE_SNAPSHOT, "", definition_encode(relation, &published->arena));
	CHECK_OK(apply_add(publisher_apply(publisher), relation, "", FIRST_LSN, &table->open,
			 &published->err),
		&published->err);
}

static void begin_lake(struct published *published)
{
	const struct lake lake = {
		.id = "test",
		.slot_name = "s",
		.publication_name = "p",
		.append_publication_name = "q",
		.system_identifier = "7",
		.timeline = 1,
		.commit_id = "none",
		.log_id = "",
	};
	CHECK_OK(catalog_create(&published->catalog.base, &lake, &published->err), &published->err);
	open_publisher(published);
	publisher_begin_at(published->publisher, FIRST_LSN, 0);
	for (size_t i = 0; i < sizeof RELATIONS / sizeof *RELATIONS; i++)
		begin_table(published, RELATIONS[i]);
	publisher_use_log(published->publisher, published->script.log);
	publisher_set_phase(published->publisher, LAKE_LIVE);
	CHECK_OK(publisher_commit(published->publisher, &published->err), &published->err);
}

void published_open(struct published *published)
{
	logline_configure((struct logline_settings){ LOGLINE_ERROR, LOGLINE_TEXT, stderr });
	*published = (struct published){ .world = world_sim_open(test_seed()) };
	world_sim_advance(published->world, 10 * MINUTE);
	CHECK_OK(store_local_open(published->world, "/lake", &published->store, &published->err),
		&published->err);
	open_catalog(published);
	script_open(&published->script, published->world, "/log");
	script_start(&published->script);
	script_sync(&published->script);
	published->options = (struct publisher_options){
		.world = published->world,
		.store = published->store,
		.catalog = &published->catalog.base,
		.table = { .zstd_level = 1,
			.file_size_target_bytes = 1 << 20,
			.row_group_rows = 1 << 16,
			.lake_id = "test" },
		.pending_bytes_max = 1 << 20,
		.commit_interval = 400 * 1000,
		.history = { 3, 10, MINUTE, 5 * (micros_t)MINUTE },
		.step = note_step,
		.context = published,
	};
	begin_lake(published);
	published->catalog.commits = 0;
	published->catalog.loads = 0;
}

void published_close(struct published *published)
{
	publisher_close(published->publisher);
	script_close(&published->script);
	catalog_close(&published->catalog.base);
	store_close(published->store);
	world_sim_close(published->world);
	arena_deinit(&published->arena);
}

void published_reopen(struct published *published)
{
	publisher_close(published->publisher);
	open_publisher(published);
	publisher_use_log(published->publisher, published->script.log);
}

void published_step(struct published *published)
{
	CHECK_OK(publisher_step(published->publisher, &published->err), &published->err);
}

void published_insert(struct published *published, lsn_t end_lsn, const struct relation *relation,
	const char *row)
{
	script_insert_alone(&published->script, end_lsn, relation, row);
	published_step(published);
}

/* --- what others see --- */

struct catalog_view published_view(struct published *published)
{
	struct catalog_view view;
	CHECK_OK(catalog_load(published->catalog.inner, &published->arena, &view, &published->err),
		&published->err);
	return view;
}

const struct catalog_table *published_row(struct published *published, const char *name)
{
	const struct catalog_view view = published_view(published);
	const struct catalog_table *row = catalog_view_find(&view, "public", name);
	CHECK(row != NULL);
	return row;
}

struct metadata *published_metadata(struct published *published, const char *location)
{
	struct buffer bytes = { 0 };
	struct metadata *metadata;
	CHECK_OK(store_get(published->store, store_path(published->store, location), 1 << 24,
			 &bytes, &published->err),
		&published->err);
	CHECK_OK(metadata_decode(arena_copy_bytes(&published->arena, buffer_bytes(&bytes)),
			 &METADATA_LIMITS_DEFAULT, &published->arena, &metadata, &published->err),
		&published->err);
	buffer_deinit(&bytes);
	return metadata;
}

static struct table *load(struct published *published, const struct relation *relation)
{
	struct table *table;
	const char *location = published_row(published, relation->name)->metadata_location;
	CHECK_OK(table_load(published->world, published->store, &published->options.table, relation,
			 location, &table, &published->err),
		&published->err);
	return table;
}

const char *published_rows(struct published *published, const struct relation *relation)
{
	struct table *table = load(published, relation);
	const char *text = table_rows_text(table, &published->arena);
	table_close(table);
	return text;
}

struct removal *published_removals(struct published *published, size_t *count)
{
	struct removal *removals;
	CHECK_OK(catalog_removals(published->catalog.inner, INT64_MAX, SIZE_MAX, &published->arena,
			 &removals, count, &published->err),
		&published->err);
	return removals;
}

void published_check_named(struct published *published)
{
	for (size_t i = 0; i < sizeof RELATIONS / sizeof *RELATIONS; i++) {
		struct table *table = load(published, RELATIONS[i]);
		const char **paths;
		size_t count;
		uint64_t size;
		table_named_paths(table, &published->arena, &paths, &count);
		CHECK(count > 0);
		for (size_t path = 0; path < count; path++)
			CHECK_OK(store_size(published->store, paths[path], &size, &published->err),
				&published->err);
		table_close(table);
	}
}

/* --- another program --- */

static const char *put_updated(struct published *published, const char *name,
	const struct metadata *base, const struct update *updates, size_t count)
{
	char uuid[UUID_TEXT_SIZE];
	struct metadata *metadata;
	const struct update_options options = {
		.now_ms = base->last_updated_ms + 1,
		.base_location = published_row(published, name)->metadata_location,
	};
	CHECK_OK(metadata_apply(base, updates, count, &options, &published->arena, &metadata,
			 &published->err),
		&published->err);
	struct buffer bytes = { 0 };
	metadata_encode(metadata, &bytes);
	const char *path = arena_format(&published->arena, "public/%s/metadata/%s.metadata.json",
		name, world_uuid(published->world, uuid));
	CHECK_OK(store_put(published->store, path, buffer_bytes(&bytes), &published->err),
		&published->err);
	buffer_deinit(&bytes);
	return store_uri(published->store, path, &published->arena);
}

const char *published_foreign_version(struct published *published, const char *name)
{
	const struct metadata *base =
		published_metadata(published, published_row(published, name)->metadata_location);
	struct snapshot snapshot = *base->current_snapshot;
	const struct key_value operation = { SUMMARY_OPERATION, "append" };
	snapshot.json = NULL; /* another one */
	snapshot.has_parent = true;
	snapshot.parent_snapshot_id = snapshot.snapshot_id;
	snapshot.snapshot_id = 4711;
	snapshot.sequence_number = base->last_sequence_number + 1;
	snapshot.timestamp_ms += 10;
	snapshot.manifest_list = base->snapshots[0].manifest_list; /* without rows */
	snapshot.summary = arena_copy(&published->arena, &operation, sizeof operation);
	snapshot.summary_count = 1;
	const struct snapshot_ref ref = { .name = REF_MAIN, .snapshot_id = 4711 };
	const struct update updates[] = {
		{ .kind = UPDATE_ADD_SNAPSHOT, .snapshot = &snapshot },
		{ .kind = UPDATE_SET_SNAPSHOT_REF, .ref = &ref },
	};
	return put_updated(published, name, base, updates, 2);
}

static void execute(struct published *published, char *sql)
{
	sqlite3 *database;
	CHECK_EQUAL(sqlite3_open(published->database, &database), SQLITE_OK);
	CHECK_EQUAL(sqlite3_exec(database, sql, NULL, NULL, NULL), SQLITE_OK);
	CHECK_EQUAL(sqlite3_changes(database), 1);
	sqlite3_free(sql);
	sqlite3_close(database);
}

void published_foreign(struct published *published, const char *name, const char *location)
{
	if (location == NULL) {
		const struct key_value property = { "owner", "somebody" };
		const struct update update = {
			.kind = UPDATE_SET_PROPERTIES,
			.properties = { 1, &property },
		};
		const struct metadata *base = published_metadata(
			published, published_row(published, name)->metadata_location);
		location = put_updated(published, name, base, &update, 1);
	}
	execute(published, sqlite3_mprintf("UPDATE iceberg_tables SET metadata_location = %Q "
					   "WHERE table_name = %Q",
				   location, name));
}

void published_rename(struct published *published, const char *name, const char *to)
{
	execute(published,
		sqlite3_mprintf("UPDATE iceberg_tables SET table_name = %Q WHERE table_name = %Q",
			to, name));
}
