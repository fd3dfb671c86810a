#include "base/utf8.h"
#include "catalog/sql_internal.h"

#include <stdlib.h>

static struct sql_catalog *sql_catalog_of(struct catalog *base)
{
	return (struct sql_catalog *)base;
}

/* --- reading -------------------------------------------------------------------------------- */

static int64_t number(struct sql_catalog *row, int column)
{
	return row->driver->number(row, column);
}

static const char *text(struct sql_catalog *row, int column, struct arena *arena)
{
	return row->driver->text(row, column, arena);
}

static struct lake lake_of(struct sql_catalog *row, struct arena *arena)
{
	return (struct lake){
		.id = text(row, 0, arena),
		.slot_name = text(row, 1, arena),
		.publication_name = text(row, 2, arena),
		.append_publication_name = text(row, 3, arena),
		.system_identifier = text(row, 4, arena),
		.timeline = number(row, 5),
		.phase = (enum lake_phase)number(row, 6),
		.commit_number = (uint64_t)number(row, 7),
		.commit_id = text(row, 8, arena),
		.position = (lsn_t)number(row, 9),
		.position_at = number(row, 10),
		.timestamp_ms = number(row, 11),
		.log_position = (uint64_t)number(row, 12),
		.log_id = text(row, 13, arena),
		.last_commit_lsn = (lsn_t)number(row, 14),
		.last_commit_xid = (uint32_t)number(row, 15),
		.last_commit_at = number(row, 16),
	};
}

static bool load_lake(
	struct sql_catalog *catalog, struct arena *arena, struct lake *out, struct error *err)
{
	bool found;
	if (!catalog->driver->start(catalog, SQL_LOAD_LAKE, NO_PARAMETERS, err) ||
		!catalog->driver->next(catalog, &found, err))
		return false;
	if (!found)
		return error_set(err, ERROR_MISSING,
			"the catalog \"%s\" has no lake of the name \"%s\" yet", catalog->place,
			catalog->name);
	*out = lake_of(catalog, arena);
	return catalog->driver->next(catalog, &found, err);
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

static void take_table(struct sql_catalog *row, struct arena *arena, void *context)
{
	struct catalog_view *out = context;
	out->tables = grow(arena, out->tables, out->table_count, sizeof *out->tables);
	out->tables[out->table_count++] = (struct catalog_table){
		.namespace_name = text(row, 0, arena),
		.name = text(row, 1, arena),
		.metadata_location = text(row, 2, arena),
		.state = (enum table_state)number(row, 3),
		.reason = text(row, 4, arena),
		.definition = text(row, 5, arena),
		.position = (lsn_t)number(row, 6),
		.log_position = (uint64_t)number(row, 7),
	};
}

static void take_commit(struct sql_catalog *row, struct arena *arena, void *context)
{
	struct catalog_view *out = context;
	out->commits = grow(arena, out->commits, out->commit_count, sizeof *out->commits);
	out->commits[out->commit_count++] = (struct lake_commit){
		.commit_number = (uint64_t)number(row, 0),
		.position = (lsn_t)number(row, 1),
		.timestamp_ms = number(row, 2),
	};
}

static void take_request(struct sql_catalog *row, struct arena *arena, void *context)
{
	struct catalog_view *out = context;
	out->requests = grow(arena, out->requests, out->request_count, sizeof *out->requests);
	out->requests[out->request_count++] = (struct catalog_request){
		.id = number(row, 0),
		.kind = text(row, 1, arena),
		.argument = text(row, 2, arena),
	};
}

struct removal_list {
	struct removal *items;
	size_t count;
};

static void take_removal(struct sql_catalog *row, struct arena *arena, void *context)
{
	struct removal_list *out = context;
	out->items = grow(arena, out->items, out->count, sizeof *out->items);
	out->items[out->count++] = (struct removal){
		.path = text(row, 0, arena),
		.not_before = number(row, 1),
	};
}

struct query {
	enum statement which;
	const struct parameter *parameters;
	size_t count;
	void (*take)(struct sql_catalog *row, struct arena *arena, void *context);
};

static bool load_rows(struct sql_catalog *catalog, const struct query *query, struct arena *arena,
	void *context, struct error *err)
{
	const struct sql_driver *driver = catalog->driver;
	if (!driver->start(catalog, query->which, query->parameters, query->count, err))
		return false;
	for (bool found = true; found;) {
		if (!driver->next(catalog, &found, err))
			return false;
		if (found)
			query->take(catalog, arena, context);
	}
	return true;
}

static bool load_lists(struct sql_catalog *catalog, struct arena *arena, struct catalog_view *out,
	struct error *err)
{
	static const struct query queries[] = {
		{ SQL_LOAD_TABLES, NO_PARAMETERS, take_table },
		{ SQL_LOAD_COMMITS, NO_PARAMETERS, take_commit },
		{ SQL_LOAD_REQUESTS, NO_PARAMETERS, take_request },
	};
	for (size_t i = 0; i < sizeof queries / sizeof *queries; i++)
		if (!load_rows(catalog, &queries[i], arena, out, err))
			return false;
	return true;
}

static bool sql_load(
	struct catalog *base, struct arena *arena, struct catalog_view *out, struct error *err)
{
	struct sql_catalog *catalog = sql_catalog_of(base);
	if (!catalog->has_tables)
		return error_set(
			err, ERROR_MISSING, "the catalog \"%s\" has no lake yet", catalog->place);
	const bool ok = catalog->driver->begin(catalog, err) &&
			load_lake(catalog, arena, &out->lake, err) &&
			load_lists(catalog, arena, out, err);
	catalog->driver->rollback(catalog);
	return ok;
}

static bool sql_removals(struct catalog *base, micros_t now, size_t count_max, struct arena *arena,
	struct removal **out, size_t *count, struct error *err)
{
	struct sql_catalog *catalog = sql_catalog_of(base);
	const int64_t limit = count_max < INT64_MAX ? (int64_t)count_max : INT64_MAX;
	const struct query query = { SQL_LOAD_REMOVALS, PARAMETERS(NUMBER(now), NUMBER(limit)),
		take_removal };
	struct removal_list list = { 0 };
	if (!catalog->has_tables)
		return true;
	const bool ok = catalog->driver->begin(catalog, err) &&
			load_rows(catalog, &query, arena, &list, err);
	catalog->driver->rollback(catalog);
	*out = list.items;
	*count = list.count;
	return ok;
}

struct pointer_list {
	struct catalog_pointer *items;
	size_t count;
};

static void take_pointer(struct sql_catalog *row, struct arena *arena, void *context)
{
	struct pointer_list *out = context;
	out->items = grow(arena, out->items, out->count, sizeof *out->items);
	out->items[out->count++] = (struct catalog_pointer){
		.catalog_name = text(row, 0, arena),
		.namespace_name = text(row, 1, arena),
		.name = text(row, 2, arena),
		.metadata_location = text(row, 3, arena),
		.previous_location = text(row, 4, arena),
		.is_view = number(row, 5) != 0,
	};
}

static bool sql_pointers(struct catalog *base, struct arena *arena, struct catalog_pointer **out,
	size_t *count, struct error *err)
{
	struct sql_catalog *catalog = sql_catalog_of(base);
	const struct query query = { SQL_LOAD_POINTERS, NO_PARAMETERS, take_pointer };
	struct pointer_list list = { 0 };
	if (!catalog->has_tables)
		return error_set(
			err, ERROR_MISSING, "the catalog \"%s\" has no lake yet", catalog->place);
	const bool ok = catalog->driver->begin(catalog, err) &&
			load_rows(catalog, &query, arena, &list, err);
	catalog->driver->rollback(catalog);
	*out = list.items;
	*count = list.count;
	return ok;
}

static bool sql_requests(struct catalog *base, struct arena *arena, struct catalog_request **out,
	size_t *count, struct error *err)
{
	struct sql_catalog *catalog = sql_catalog_of(base);
	const struct query query = { SQL_LOAD_REQUESTS, NO_PARAMETERS, take_request };
	struct catalog_view view = { 0 };
	if (!catalog->has_tables)
		return true;
	const bool ok = catalog->driver->begin(catalog, err) &&
			load_rows(catalog, &query, arena, &view, err);
	catalog->driver->rollback(catalog);
	*out = view.requests;
	*count = view.request_count;
	return ok;
}

/* --- changing ------------------------------------------------------------------------------- */

/* The steps of one transaction; texts are the caller's. */
struct plan {
	struct arena arena;
	struct sql_step *steps;
	size_t count;
};

static struct sql_step *plan_step(
	struct plan *plan, enum statement which, const struct parameter *parameters, size_t count)
{
	plan->steps = grow(&plan->arena, plan->steps, plan->count, sizeof *plan->steps);
	struct sql_step *step = &plan->steps[plan->count++];
	*step = (struct sql_step){ which,
		arena_copy(&plan->arena, parameters, count * sizeof *parameters), count, false };
	return step;
}

static size_t plan_condition(
	struct plan *plan, enum statement which, const struct parameter *parameters, size_t count)
{
	plan_step(plan, which, parameters, count)->is_conditional = true;
	return plan->count - 1;
}

static bool check_writable(const struct sql_catalog *catalog, struct error *err)
{
	return !catalog->is_read_only ||
	       error_set(
		       err, ERROR_SETUP, "the catalog \"%s\" is open for reading", catalog->place);
}

/* *refused is the index of the step that was refused, or SIZE_MAX; then nothing has changed. */
static bool carry_out(
	struct sql_catalog *catalog, struct plan *plan, size_t *refused, struct error *err)
{
	*refused = SIZE_MAX;
	bool ok = check_writable(catalog, err) && catalog->driver->begin_write(catalog, err);
	if (ok) {
		ok = catalog->driver->run(catalog, plan->steps, plan->count, refused, err);
		if (ok && *refused == SIZE_MAX)
			ok = catalog->driver->commit(catalog, err);
		else
			catalog->driver->rollback(catalog);
	}
	arena_deinit(&plan->arena);
	return ok && *refused == SIZE_MAX;
}

#define LAKE_PARAMETERS(lake)                                                                      \
	PARAMETERS(TEXT((lake)->id), TEXT((lake)->slot_name), TEXT((lake)->publication_name),      \
		TEXT((lake)->append_publication_name), TEXT((lake)->system_identifier),            \
		NUMBER((lake)->timeline), NUMBER((lake)->phase), NUMBER((lake)->commit_number),    \
		TEXT((lake)->commit_id), NUMBER((lake)->position), NUMBER((lake)->position_at),    \
		NUMBER((lake)->timestamp_ms), NUMBER((lake)->log_position), TEXT((lake)->log_id),  \
		NUMBER((lake)->last_commit_lsn), NUMBER((lake)->last_commit_xid),                  \
		NUMBER((lake)->last_commit_at))

/* How the table's pointer moves. */
static void plan_pointer(struct plan *plan, const struct table_change *change)
{
	const struct catalog_table *table = change->table;
	const char *location = table->metadata_location;
	const char *base = change->base_location;
	const struct parameter space = TEXT(table->namespace_name), name = TEXT(table->name);
	if (location[0] == '\0' && base[0] == '\0')
		return;
	if (base[0] == '\0')
		plan_condition(plan, SQL_INSERT_POINTER, PARAMETERS(space, name, TEXT(location)));
	else if (location[0] == '\0')
		plan_condition(plan, SQL_DELETE_POINTER, PARAMETERS(space, name, TEXT(base)));
	else if (strcmp(location, base) == 0)
		plan_condition(plan, SQL_CHECK_POINTER, PARAMETERS(space, name, TEXT(base)));
	else
		plan_condition(plan, SQL_UPDATE_POINTER,
			PARAMETERS(space, name, TEXT(location), TEXT(base)));
}

/* A message may have been cut within a character, or quote bytes of a database in SQL_ASCII. */
static const char *valid_text(struct arena *arena, const char *message)
{
	struct bytes rest = bytes_of_cstring(message);
	if (utf8_is_valid(rest))
		return message;
	char *copy = arena_copy_cstring(arena, message);
	for (size_t at = 0; rest.size > 0;) {
		const size_t size = utf8_sequence_size(rest);
		if (size == 0)
			copy[at] = '?';
		at += size > 0 ? size : 1;
		rest = bytes_of(message + at, strlen(message + at));
	}
	return copy;
}

static void plan_table(struct plan *plan, const struct catalog_table *table)
{
	const struct parameter space = TEXT(table->namespace_name), name = TEXT(table->name);
	if (table->state == TABLE_FORGOTTEN) {
		plan_step(plan, SQL_DELETE_TABLE, PARAMETERS(space, name));
		return;
	}
	if (table->metadata_location[0] != '\0')
		plan_step(plan, SQL_INSERT_NAMESPACE, PARAMETERS(space));
	plan_step(plan, SQL_PUT_TABLE,
		PARAMETERS(space, name, NUMBER(table->state),
			TEXT(valid_text(&plan->arena, table->reason)), TEXT(table->definition),
			NUMBER(table->position), NUMBER(table->log_position)));
}

static void plan_history(struct plan *plan, const struct catalog_commit *commit)
{
	const struct lake *lake = commit->lake;
	if (commit->makes_version)
		plan_step(plan, SQL_INSERT_COMMIT,
			PARAMETERS(NUMBER(lake->commit_number), NUMBER(lake->position),
				NUMBER(lake->timestamp_ms)));
	if (commit->forget_before_ms != 0)
		plan_step(plan, SQL_DELETE_COMMITS, PARAMETERS(NUMBER(commit->forget_before_ms)));
}

static void plan_lists(struct plan *plan, const struct catalog_commit *commit)
{
	for (size_t i = 0; i < commit->removed_count; i++)
		plan_step(plan, SQL_DELETE_REMOVAL, PARAMETERS(TEXT(commit->removed[i])));
	for (size_t i = 0; i < commit->removal_count; i++)
		plan_step(plan, SQL_PUT_REMOVAL,
			PARAMETERS(TEXT(commit->removals[i].path),
				NUMBER(commit->removals[i].not_before)));
	for (size_t i = 0; i < commit->done_count; i++)
		plan_step(plan, SQL_DELETE_REQUEST, PARAMETERS(NUMBER(commit->done[i])));
}

/* Which change the refused step belongs to. */
static size_t change_of(const size_t *first_steps, size_t change_count, size_t step)
{
	size_t change = 0;
	while (change + 1 < change_count && first_steps[change + 1] <= step)
		change++;
	return change;
}

static bool sql_commit(struct catalog *base, const struct catalog_commit *commit,
	size_t *table_conflict, struct error *err)
{
	struct sql_catalog *catalog = sql_catalog_of(base);
	struct plan plan = { 0 };
	size_t refused;
	/* I2: only on top of the commit that the maker loaded. */
	const size_t lake_step =
		plan_condition(&plan, SQL_UPDATE_LAKE, LAKE_PARAMETERS(commit->lake));
	size_t *first_steps = memory_allocate(commit->change_count + 1, sizeof(size_t));
	for (size_t i = 0; i < commit->change_count; i++) {
		first_steps[i] = plan.count;
		plan_pointer(&plan, &commit->changes[i]);
		plan_table(&plan, commit->changes[i].table);
	}
	plan_history(&plan, commit);
	plan_lists(&plan, commit);
	const bool ok = carry_out(catalog, &plan, &refused, err);
	if (refused != SIZE_MAX && refused != lake_step)
		*table_conflict = change_of(first_steps, commit->change_count, refused);
	free(first_steps);
	if (refused == SIZE_MAX)
		return ok;
	if (refused == lake_step)
		return error_set(err, ERROR_CONFLICT, "the lake is no longer at commit %llu",
			(unsigned long long)commit->base_commit_number);
	const struct catalog_table *table = commit->changes[*table_conflict].table;
	return error_set(err, ERROR_CONFLICT, "table \"%s.%s\" was committed to by another writer",
		table->namespace_name, table->name);
}

static bool sql_create(struct catalog *base, const struct lake *lake, struct error *err)
{
	struct sql_catalog *catalog = sql_catalog_of(base);
	struct plan plan = { 0 };
	size_t refused;
	plan_condition(&plan, SQL_INSERT_LAKE, LAKE_PARAMETERS(lake));
	if (carry_out(catalog, &plan, &refused, err))
		return true;
	return refused != SIZE_MAX &&
	       error_set(err, ERROR_CONFLICT,
		       "the catalog \"%s\" has a lake of the name \"%s\" already", catalog->place,
		       catalog->name);
}

static bool sql_request(
	struct catalog *base, const char *kind, const char *argument, struct error *err)
{
	struct plan plan = { 0 };
	size_t refused;
	plan_step(&plan, SQL_INSERT_REQUEST, PARAMETERS(TEXT(kind), TEXT(argument)));
	return carry_out(sql_catalog_of(base), &plan, &refused, err);
}

/* --- life ----------------------------------------------------------------------------------- */

static bool sql_lock(struct catalog *base, struct error *err)
{
	struct sql_catalog *catalog = sql_catalog_of(base);
	return catalog->driver->lock == NULL || catalog->driver->lock(catalog, err);
}

static void sql_close(struct catalog *base)
{
	struct sql_catalog *catalog = sql_catalog_of(base);
	catalog->driver->close(catalog);
}

static char *text_copy(const char *from)
{
	const size_t size = strlen(from) + 1;
	return memcpy(memory_allocate(size, 1), from, size);
}

void sql_catalog_init(struct sql_catalog *catalog, const struct sql_driver *driver,
	const char *place, const char *name, bool is_read_only)
{
	catalog->ops = (struct catalog_ops){
		.scheme = driver->scheme,
		.load = sql_load,
		.create = sql_create,
		.commit = sql_commit,
		.removals = sql_removals,
		.pointers = sql_pointers,
		.requests = sql_requests,
		.request = sql_request,
		.lock = sql_lock,
		.close = sql_close,
	};
	catalog->base.ops = &catalog->ops;
	catalog->driver = driver;
	catalog->place = text_copy(place);
	catalog->name = text_copy(name);
	catalog->is_read_only = is_read_only;
}

void sql_catalog_deinit(struct sql_catalog *catalog)
{
	free(catalog->place);
	free(catalog->name);
}
