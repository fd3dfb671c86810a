#include "catalog/sqlite_internal.h"

#include <errno.h>
#include <stdlib.h>

/* --- loading -------------------------------------------------------------------------------- */

static struct lake lake_of(sqlite3_stmt *row, struct arena *arena)
{
	return (struct lake){
		.id = sqlite_text(row, 0, arena),
		.slot_name = sqlite_text(row, 1, arena),
		.publication_name = sqlite_text(row, 2, arena),
		.append_publication_name = sqlite_text(row, 3, arena),
		.system_identifier = sqlite_text(row, 4, arena),
		.timeline = sqlite3_column_int64(row, 5),
		.phase = (enum lake_phase)sqlite3_column_int(row, 6),
		.commit_number = (uint64_t)sqlite3_column_int64(row, 7),
		.commit_id = sqlite_text(row, 8, arena),
		.position = (lsn_t)sqlite3_column_int64(row, 9),
		.position_at = sqlite3_column_int64(row, 10),
		.timestamp_ms = sqlite3_column_int64(row, 11),
		.log_position = (uint64_t)sqlite3_column_int64(row, 12),
		.log_id = sqlite_text(row, 13, arena),
		.last_commit_lsn = (lsn_t)sqlite3_column_int64(row, 14),
		.last_commit_xid = (uint32_t)sqlite3_column_int64(row, 15),
		.last_commit_at = sqlite3_column_int64(row, 16),
	};
}

static bool load_lake(
	struct sqlite_catalog *catalog, struct arena *arena, struct lake *out, struct error *err)
{
	sqlite3_stmt *row = sqlite_start(catalog, SQL_LOAD_LAKE, NO_PARAMETERS, err);
	bool found;
	if (row == NULL || !sqlite_next(catalog, row, &found, err))
		return false;
	if (!found)
		return error_set(err, ERROR_MISSING,
			"the catalog \"%s\" has no lake of the name "
			"\"%s\" yet",
			catalog->path, catalog->name);
	*out = lake_of(row, arena);
	sqlite3_reset(row);
	return true;
}

/* Room for one item more in a list that grows in an arena. */
static void *grow(struct arena *arena, void *items, size_t count, size_t item_size)
{
	if (count & (count - 1)) /* capacities are the powers of two */
		return items;
	void *larger = arena_alloc(arena, count ? 2 * count : 1, item_size);
	if (count > 0)
		memcpy(larger, items, count * item_size);
	return larger;
}

static struct catalog_table table_of(sqlite3_stmt *row, struct arena *arena)
{
	return (struct catalog_table){
		.namespace_name = sqlite_text(row, 0, arena),
		.name = sqlite_text(row, 1, arena),
		.metadata_location = sqlite_text(row, 2, arena),
		.state = (enum table_state)sqlite3_column_int(row, 3),
		.reason = sqlite_text(row, 4, arena),
		.definition = sqlite_text(row, 5, arena),
		.position = (lsn_t)sqlite3_column_int64(row, 6),
		.log_position = (uint64_t)sqlite3_column_int64(row, 7),
	};
}

static bool load_tables(struct sqlite_catalog *catalog, struct arena *arena,
	struct catalog_view *out, struct error *err)
{
	sqlite3_stmt *row = sqlite_start(catalog, SQL_LOAD_TABLES, NO_PARAMETERS, err);
	for (bool found = true; row != NULL;) {
		if (!sqlite_next(catalog, row, &found, err))
			return false;
		if (!found)
			return true;
		out->tables = grow(arena, out->tables, out->table_count, sizeof *out->tables);
		out->tables[out->table_count++] = table_of(row, arena);
	}
	return false;
}

static bool load_commits(struct sqlite_catalog *catalog, struct arena *arena,
	struct catalog_view *out, struct error *err)
{
	sqlite3_stmt *row = sqlite_start(catalog, SQL_LOAD_COMMITS, NO_PARAMETERS, err);
	for (bool found = true; row != NULL;) {
		if (!sqlite_next(catalog, row, &found, err))
			return false;
		if (!found)
			return true;
		out->commits = grow(arena, out->commits, out->commit_count, sizeof *out->commits);
		out->commits[out->commit_count++] = (struct lake_commit){
			.commit_number = (uint64_t)sqlite3_column_int64(row, 0),
			.position = (lsn_t)sqlite3_column_int64(row, 1),
			.timestamp_ms = sqlite3_column_int64(row, 2),
		};
	}
	return false;
}

static bool load_requests(struct sqlite_catalog *catalog, struct arena *arena,
	struct catalog_view *out, struct error *err)
{
	sqlite3_stmt *row = sqlite_start(catalog, SQL_LOAD_REQUESTS, NO_PARAMETERS, err);
	for (bool found = true; row != NULL;) {
		if (!sqlite_next(catalog, row, &found, err))
			return false;
		if (!found)
			return true;
		out->requests =
			grow(arena, out->requests, out->request_count, sizeof *out->requests);
		out->requests[out->request_count++] = (struct catalog_request){
			.id = sqlite3_column_int64(row, 0),
			.kind = sqlite_text(row, 1, arena),
			.argument = sqlite_text(row, 2, arena),
		};
	}
	return false;
}

static bool sqlite_load(
	struct catalog *base, struct arena *arena, struct catalog_view *out, struct error *err)
{
	struct sqlite_catalog *catalog = (struct sqlite_catalog *)base;
	if (!catalog->has_tables)
		return error_set(
			err, ERROR_MISSING, "the catalog \"%s\" has no lake yet", catalog->path);
	if (!sqlite_fence(catalog, err))
		return false;
	const bool ok = sqlite_run(catalog, SQL_BEGIN, NO_PARAMETERS, NULL, err) &&
			load_lake(catalog, arena, &out->lake, err) &&
			load_tables(catalog, arena, out, err) &&
			load_commits(catalog, arena, out, err) &&
			load_requests(catalog, arena, out, err);
	sqlite_rollback(catalog);
	return ok;
}

static bool load_removals(struct sqlite_catalog *catalog, micros_t now, size_t count_max,
	struct arena *arena, struct removal **out, size_t *count, struct error *err)
{
	sqlite3_stmt *row = sqlite_start(
		catalog, SQL_LOAD_REMOVALS, PARAMETERS(NUMBER(now), NUMBER(count_max)), err);
	for (bool found = true; row != NULL;) {
		if (!sqlite_next(catalog, row, &found, err))
			return false;
		if (!found)
			return true;
		*out = grow(arena, *out, *count, sizeof **out);
		(*out)[(*count)++] = (struct removal){
			.path = sqlite_text(row, 0, arena),
			.not_before = sqlite3_column_int64(row, 1),
		};
	}
	return false;
}

static bool sqlite_removals(struct catalog *base, micros_t now, size_t count_max,
	struct arena *arena, struct removal **out, size_t *count, struct error *err)
{
	struct sqlite_catalog *catalog = (struct sqlite_catalog *)base;
	const bool ok = !catalog->has_tables ||
			load_removals(catalog, now, count_max, arena, out, count, err);
	sqlite_rollback(catalog);
	return ok;
}

/* --- changing ------------------------------------------------------------------------------- */

#define LAKE_PARAMETERS(lake)                                                                      \
	PARAMETERS(TEXT((lake)->id), TEXT((lake)->slot_name), TEXT((lake)->publication_name),      \
		TEXT((lake)->append_publication_name), TEXT((lake)->system_identifier),            \
		NUMBER((lake)->timeline), NUMBER((lake)->phase), NUMBER((lake)->commit_number),    \
		TEXT((lake)->commit_id), NUMBER((lake)->position), NUMBER((lake)->position_at),    \
		NUMBER((lake)->timestamp_ms), NUMBER((lake)->log_position), TEXT((lake)->log_id),  \
		NUMBER((lake)->last_commit_lsn), NUMBER((lake)->last_commit_xid),                  \
		NUMBER((lake)->last_commit_at))

static bool insert_lake(struct sqlite_catalog *catalog, const struct lake *lake, struct error *err)
{
	int changes;
	if (!sqlite_run(catalog, SQL_INSERT_LAKE, LAKE_PARAMETERS(lake), &changes, err))
		return false;
	return changes == 1 || error_set(err, ERROR_CONFLICT,
				       "the catalog \"%s\" has a lake of the name \"%s\" "
				       "already",
				       catalog->path, catalog->name);
}

/* I2: only on top of the commit that the maker loaded. */
static bool update_lake(
	struct sqlite_catalog *catalog, const struct catalog_commit *commit, struct error *err)
{
	int changes;
	if (!sqlite_run(catalog, SQL_UPDATE_LAKE, LAKE_PARAMETERS(commit->lake), &changes, err))
		return false;
	return changes == 1 ||
	       error_set(err, ERROR_CONFLICT, "the lake is no longer at commit %llu",
		       (unsigned long long)commit->base_commit_number);
}

/* How the table's pointer moves: what statement does it, and how many rows it must meet. */
static bool swap_pointer(struct sqlite_catalog *catalog, const struct table_change *change,
	bool *is_swapped, struct error *err)
{
	const struct catalog_table *table = change->table;
	const char *new_location = table->metadata_location;
	const char *base_location = change->base_location;
	const struct parameter space = TEXT(table->namespace_name), name = TEXT(table->name);
	int changes = 0;
	bool ok;
	*is_swapped = true;
	if (new_location[0] == '\0' && base_location[0] == '\0')
		return true;
	if (base_location[0] == '\0')
		ok = sqlite_run(catalog, SQL_INSERT_POINTER,
			PARAMETERS(space, name, TEXT(new_location)), &changes, err);
	else if (new_location[0] == '\0')
		ok = sqlite_run(catalog, SQL_DELETE_POINTER,
			PARAMETERS(space, name, TEXT(base_location)), &changes, err);
	else if (strcmp(new_location, base_location) == 0)
		ok = sqlite_run(catalog, SQL_CHECK_POINTER,
			PARAMETERS(space, name, TEXT(base_location)), &changes, err);
	else
		ok = sqlite_run(catalog, SQL_UPDATE_POINTER,
			PARAMETERS(space, name, TEXT(new_location), TEXT(base_location)), &changes,
			err);
	*is_swapped = changes == 1;
	return ok;
}

static bool put_table(
	struct sqlite_catalog *catalog, const struct catalog_table *table, struct error *err)
{
	if (table->state == TABLE_FORGOTTEN)
		return sqlite_run(catalog, SQL_DELETE_TABLE,
			PARAMETERS(TEXT(table->namespace_name), TEXT(table->name)), NULL, err);
	if (table->metadata_location[0] != '\0' &&
		!sqlite_run(catalog, SQL_INSERT_NAMESPACE, PARAMETERS(TEXT(table->namespace_name)),
			NULL, err))
		return false;
	return sqlite_run(catalog, SQL_PUT_TABLE,
		PARAMETERS(TEXT(table->namespace_name), TEXT(table->name), NUMBER(table->state),
			TEXT(table->reason), TEXT(table->definition), NUMBER(table->position),
			NUMBER(table->log_position)),
		NULL, err);
}

static bool put_changes(struct sqlite_catalog *catalog, const struct catalog_commit *commit,
	size_t *table_conflict, struct error *err)
{
	for (size_t i = 0; i < commit->change_count; i++) {
		const struct table_change *change = &commit->changes[i];
		bool is_swapped;
		if (!swap_pointer(catalog, change, &is_swapped, err))
			return false;
		if (!is_swapped) {
			*table_conflict = i;
			return error_set(err, ERROR_CONFLICT,
				"table \"%s.%s\" was committed to by another writer",
				change->table->namespace_name, change->table->name);
		}
		if (!put_table(catalog, change->table, err))
			return false;
	}
	return true;
}

static bool put_history(
	struct sqlite_catalog *catalog, const struct catalog_commit *commit, struct error *err)
{
	const struct lake *lake = commit->lake;
	if (commit->makes_version &&
		!sqlite_run(catalog, SQL_INSERT_COMMIT,
			PARAMETERS(NUMBER(lake->commit_number), NUMBER(lake->position),
				NUMBER(lake->timestamp_ms)),
			NULL, err))
		return false;
	return commit->forget_before_ms == 0 ||
	       sqlite_run(catalog, SQL_DELETE_COMMITS, PARAMETERS(NUMBER(commit->forget_before_ms)),
		       NULL, err);
}

static bool put_lists(
	struct sqlite_catalog *catalog, const struct catalog_commit *commit, struct error *err)
{
	bool ok = true;
	for (size_t i = 0; ok && i < commit->removed_count; i++)
		ok = sqlite_run(catalog, SQL_DELETE_REMOVAL, PARAMETERS(TEXT(commit->removed[i])),
			NULL, err);
	for (size_t i = 0; ok && i < commit->removal_count; i++)
		ok = sqlite_run(catalog, SQL_PUT_REMOVAL,
			PARAMETERS(TEXT(commit->removals[i].path),
				NUMBER(commit->removals[i].not_before)),
			NULL, err);
	for (size_t i = 0; ok && i < commit->done_count; i++)
		ok = sqlite_run(catalog, SQL_DELETE_REQUEST, PARAMETERS(NUMBER(commit->done[i])),
			NULL, err);
	return ok;
}

/* Ends the transaction that a change began. */
static bool end_write(struct sqlite_catalog *catalog, bool ok, struct error *err)
{
	if (ok)
		return sqlite_commit(catalog, err);
	sqlite_rollback(catalog);
	return false;
}

static bool sqlite_commit_all(struct catalog *base, const struct catalog_commit *commit,
	size_t *table_conflict, struct error *err)
{
	struct sqlite_catalog *catalog = (struct sqlite_catalog *)base;
	if (!sqlite_begin_write(catalog, err))
		return false;
	const bool ok = update_lake(catalog, commit, err) &&
			put_changes(catalog, commit, table_conflict, err) &&
			put_history(catalog, commit, err) && put_lists(catalog, commit, err);
	return end_write(catalog, ok, err);
}

static bool sqlite_create(struct catalog *base, const struct lake *lake, struct error *err)
{
	struct sqlite_catalog *catalog = (struct sqlite_catalog *)base;
	if (!sqlite_begin_write(catalog, err))
		return false;
	return end_write(catalog, insert_lake(catalog, lake, err), err);
}

static bool sqlite_request(
	struct catalog *base, const char *kind, const char *argument, struct error *err)
{
	struct sqlite_catalog *catalog = (struct sqlite_catalog *)base;
	if (!sqlite_begin_write(catalog, err))
		return false;
	const bool ok = sqlite_run(
		catalog, SQL_INSERT_REQUEST, PARAMETERS(TEXT(kind), TEXT(argument)), NULL, err);
	return end_write(catalog, ok, err);
}

static void sqlite_close(struct catalog *base)
{
	struct sqlite_catalog *catalog = (struct sqlite_catalog *)base;
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(catalog->statements[i]);
	sqlite3_close(catalog->db);
	free(catalog->path);
	free(catalog->name);
	free(catalog);
}

/* --- opening -------------------------------------------------------------------------------- */

static char *text_copy(const char *text)
{
	const size_t size = strlen(text) + 1;
	return memcpy(memory_allocate(size, 1), text, size);
}

static bool open_database(
	struct sqlite_catalog *catalog, const struct sqlite_options *options, struct error *err)
{
	const int flags = SQLITE_OPEN_NOMUTEX |
			  (options->is_read_only ? SQLITE_OPEN_READONLY
						 : SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
	const int code = sqlite3_open_v2(options->path, &catalog->db, flags, options->vfs);
	if (code != SQLITE_OK) {
		const int number = sqlite3_system_errno(catalog->db);
		sqlite_fail(catalog, code, err);
		if (number == EACCES)
			return error_set(err, ERROR_SETUP, "\"%s\" cannot be opened: %s",
				       options->path, strerror(number)) ||
			       error_hint(err, "Give the user that runs walberg permission to read "
					       "and write the lake's directory.");
		if (code == SQLITE_CANTOPEN && options->is_read_only)
			err->kind = ERROR_MISSING;
		return false;
	}
	sqlite3_extended_result_codes(catalog->db, 1);
	sqlite3_busy_timeout(catalog->db, (int)options->busy_timeout_ms);
	return true;
}

bool catalog_sqlite_open(
	const struct sqlite_options *options, struct catalog **out, struct error *err)
{
	static const struct catalog_ops OPS = {
		.scheme = "sqlite",
		.load = sqlite_load,
		.create = sqlite_create,
		.commit = sqlite_commit_all,
		.removals = sqlite_removals,
		.request = sqlite_request,
		.close = sqlite_close,
	};
	*out = NULL;
	struct sqlite_catalog *catalog = memory_allocate(1, sizeof *catalog);
	catalog->base.ops = &OPS;
	catalog->path = text_copy(options->path);
	catalog->name = text_copy(options->catalog_name);
	catalog->is_read_only = options->is_read_only;
	catalog->is_unsure = !options->is_read_only; /* who had it open before may have died */
	if (!open_database(catalog, options, err) || !sqlite_prepare_schema(catalog, err)) {
		sqlite_close(&catalog->base);
		return error_context(err, "opening the catalog \"%s\"", options->path);
	}
	*out = &catalog->base;
	return true;
}
