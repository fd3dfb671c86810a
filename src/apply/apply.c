#include "apply/apply_internal.h"

#include "base/logline.h"

#include <assert.h>
#include <stdlib.h>

enum {
	/* Rows that one commit may rewrite while folding: about a second's work. */
	FOLD_ROWS_MAX = 2 * 1000 * 1000,
};

struct apply *apply_open(const struct apply_options *options, const struct apply_position *start)
{
	struct apply *apply = memory_allocate(1, sizeof *apply);
	apply->options = *options;
	apply->position = *start;
	apply->transactions = transactions_open(false);
	return apply;
}

static void table_free(struct apply_table *table)
{
	table_close(table->table);
	rows_close(table->rows);
	free(table);
}

void apply_close(struct apply *apply)
{
	if (apply == NULL)
		return;
	for (size_t i = 0; i < apply->table_count; i++)
		table_free(apply->tables[i]);
	free(apply->tables);
	map_deinit(&apply->by_oid);
	transactions_close(apply->transactions);
	free(apply);
}

static struct apply_table *find_table(const struct apply *apply, uint32_t oid)
{
	return map_get(&apply->by_oid, oid);
}

static void list_push(struct apply *apply, struct apply_table *table)
{
	apply->tables =
		memory_resize(apply->tables, apply->table_count + 1, sizeof(struct apply_table *));
	apply->tables[apply->table_count++] = table;
	map_put(&apply->by_oid, table->relation->oid, table);
}

static void list_remove(struct apply *apply, struct apply_table *table)
{
	for (size_t i = 0; i < apply->table_count; i++) {
		if (apply->tables[i] != table)
			continue;
		memmove(&apply->tables[i], &apply->tables[i + 1],
			(apply->table_count - i - 1) * sizeof(struct apply_table *));
		apply->table_count--;
		if (find_table(apply, table->relation->oid) == table)
			map_remove(&apply->by_oid, table->relation->oid);
		return;
	}
}

static bool open_table(struct apply *apply, struct apply_table *table,
	const char *metadata_location, struct error *err)
{
	const struct apply_options *options = &apply->options;
	if (metadata_location[0] == '\0')
		return table_create(options->world, options->store, &options->table,
			table->relation, &table->table, err);
	return table_load(options->world, options->store, &options->table, table->relation,
		       metadata_location, &table->table, err) &&
	       rows_build_index(table, err);
}

static struct apply_table *new_table(
	const struct apply *apply, const struct relation *relation, lsn_t floor)
{
	struct apply_table *table = memory_allocate(1, sizeof *table);
	table->rows = rows_open(apply->options.world, relation);
	table->relation = rows_relation(table->rows);
	table->floor = floor;
	return table;
}

static bool add(struct apply *apply, struct apply_table *table, bool is_open,
	struct apply_table **out, struct error *err)
{
	if (!is_open) {
		error_context(err, "opening table \"%s.%s\"", table->relation->namespace_name,
			table->relation->name);
		table_free(table);
		return false;
	}
	list_push(apply, table);
	*out = table;
	return true;
}

bool apply_add(struct apply *apply, const struct relation *relation, const char *metadata_location,
	lsn_t floor, struct apply_table **out, struct error *err)
{
	struct apply_table *table = new_table(apply, relation, floor);
	return add(apply, table, open_table(apply, table, metadata_location, err), out, err);
}

bool apply_replace(struct apply *apply, const struct relation *relation,
	const char *metadata_location, struct apply_table **out, struct error *err)
{
	const struct apply_options *options = &apply->options;
	struct apply_table *table = new_table(apply, relation, 0);
	return add(apply, table,
		table_replace(options->world, options->store, &options->table, table->relation,
			metadata_location, &table->table, err),
		out, err);
}

void apply_move(struct apply *to, struct apply *from, struct apply_table *table)
{
	if (table->floor < from->position.lsn)
		table->floor = from->position.lsn;
	list_remove(from, table);
	list_push(to, table);
}

void apply_remove(struct apply *apply, struct apply_table *table)
{
	list_remove(apply, table);
	table_free(table);
}

bool apply_is_of_lake(
	const struct apply *apply, const char *metadata_location, bool *out, struct error *err)
{
	return table_is_of_lake(
		apply->options.store, metadata_location, apply->options.table.lake_id, out, err);
}

struct store *apply_store(const struct apply *apply)
{
	return apply->options.store;
}

size_t apply_table_count(const struct apply *apply)
{
	return apply->table_count;
}

bool apply_concerns_table(enum error_kind kind)
{
	return kind == ERROR_CONFLICT || kind == ERROR_MISSING || kind == ERROR_UNSUPPORTED ||
	       kind == ERROR_CORRUPT;
}

/* The first reason stays. */
static void give_up(struct apply_table *table, const struct error *why)
{
	assert(why->kind != ERROR_NONE);
	if (table->failure.kind == ERROR_NONE)
		table->failure = *why;
}

void apply_read_from(struct apply *apply, log_position_t first)
{
	apply->position.resume = first;
	apply->position.next = first;
}

const struct apply_position *apply_position(const struct apply *apply)
{
	return &apply->position;
}

uint64_t apply_pending_bytes(const struct apply *apply)
{
	uint64_t total = 0;
	for (size_t i = 0; i < apply->table_count; i++)
		if (apply->tables[i]->failure.kind == ERROR_NONE)
			total += rows_pending_bytes(apply->tables[i]->rows);
	return total;
}

bool apply_is_visible(const struct apply *apply, const struct apply_table *table)
{
	return table->failure.kind == ERROR_NONE && table->floor <= apply->position.lsn;
}

bool apply_has_delta(const struct apply *apply)
{
	for (size_t i = 0; i < apply->table_count; i++) {
		const struct apply_table *table = apply->tables[i];
		if (!apply_is_visible(apply, table))
			continue;
		if (table_has_delta(table->table) || rows_pending_bytes(table->rows) > 0)
			return true;
	}
	return false;
}

bool apply_flush(struct apply *apply, struct error *err)
{
	for (size_t i = 0; i < apply->table_count; i++) {
		struct apply_table *table = apply->tables[i];
		if (table->failure.kind != ERROR_NONE)
			continue;
		if (rows_write(table, err))
			continue;
		if (!apply_concerns_table(err->kind))
			return false;
		give_up(table, err);
	}
	return true;
}

void apply_count(const struct apply *apply, size_t counter)
{
	if (apply->options.counts == NULL)
		return;
	char *counts = (char *)apply->options.counts;
	atomic_fetch_add_explicit(
		(_Atomic uint64_t *)(void *)(counts + counter), 1, memory_order_relaxed);
}

static void count_row(const struct apply *apply, enum apply_operation operation)
{
	apply_count(apply, offsetof(struct apply_counts, rows) + operation * sizeof(uint64_t));
}

bool apply_fold(struct apply *apply, struct error *err)
{
	for (size_t i = 0; i < apply->table_count; i++) {
		struct apply_table *table = apply->tables[i];
		if (table->failure.kind != ERROR_NONE || !table_has_delta(table->table))
			continue;
		const bool had_folded = table_has_folded(table->table);
		if (rows_fold(table, FOLD_ROWS_MAX, err)) {
			if (!had_folded && table_has_folded(table->table))
				apply_count(apply, offsetof(struct apply_counts, folds));
			continue;
		}
		if (!apply_concerns_table(err->kind))
			return false;
		give_up(table, err);
	}
	return true;
}

void apply_truncate(struct apply_table *table)
{
	rows_truncate(table);
}

bool apply_copy(struct apply_table *table, struct bytes chunk, struct error *err)
{
	return rows_copy(table, chunk, err);
}

bool apply_copy_end(struct apply_table *table, lsn_t floor, struct error *err)
{
	table->floor = floor;
	return rows_copy_end(table, err);
}

uint64_t apply_copied_rows(const struct apply_table *table)
{
	return rows_copied(table->rows);
}

enum {
	ROWS_CHECKED = 256,             /* rows of a table between two looks at the memory */
	ROW_BYTES_CHECKED = 256 * 1024, /* and after each row as big as this */
};

/* The table with the most rows in memory goes first, until there is room. */
static bool make_room(struct apply *apply, struct error *err)
{
	while (apply_pending_bytes(apply) > apply->options.pending_bytes_max) {
		struct apply_table *largest = NULL;
		for (size_t i = 0; i < apply->table_count; i++) {
			struct apply_table *table = apply->tables[i];
			if (table->failure.kind == ERROR_NONE &&
				(largest == NULL || rows_pending_bytes(table->rows) >
							    rows_pending_bytes(largest->rows)))
				largest = table;
		}
		if (!rows_write(largest, err))
			return false;
	}
	return true;
}

static enum apply_operation operation_of(enum pgoutput_kind kind)
{
	return kind == PGOUTPUT_INSERT   ? APPLY_INSERT
	       : kind == PGOUTPUT_UPDATE ? APPLY_UPDATE
					 : APPLY_DELETE;
}

static bool change_row(struct apply *apply, const struct pgoutput_message *message, size_t size,
	lsn_t end_lsn, struct error *err)
{
	struct apply_table *table = find_table(apply, message->row.relation_oid);
	if (table == NULL || table->failure.kind != ERROR_NONE || end_lsn <= table->floor)
		return true;
	struct error failure = { 0 };
	if (!rows_change(table, message, &failure)) {
		give_up(table, &failure);
		return true;
	}
	count_row(apply, operation_of(message->kind));
	if (rows_waiting(table->rows) % ROWS_CHECKED != 0 && size < ROW_BYTES_CHECKED)
		return true;
	return make_room(apply, err);
}

static void truncate(struct apply *apply, const struct pgoutput_truncate *truncate, lsn_t end_lsn)
{
	for (size_t i = 0; i < truncate->relation_count; i++) {
		struct apply_table *table = find_table(apply, truncate->relation_oids[i]);
		if (table == NULL || table->failure.kind != ERROR_NONE || end_lsn <= table->floor)
			continue;
		rows_truncate(table);
		count_row(apply, APPLY_TRUNCATE);
	}
}

static void check_definition(
	struct apply *apply, const struct pgoutput_relation *seen, lsn_t end_lsn)
{
	struct apply_table *table = find_table(apply, seen->oid);
	struct error why = { 0 };
	if (table != NULL) {
		/* The server describes a table as it is when it sends the row, not before. */
		if (end_lsn > table->floor && !definition_check(table->relation, seen, &why))
			give_up(table, &why);
		return;
	}
	for (size_t i = 0; i < apply->table_count; i++) {
		const struct relation *relation = apply->tables[i]->relation;
		if (end_lsn <= apply->tables[i]->floor ||
			!bytes_equal(bytes_of_cstring(relation->name), seen->name) ||
			!bytes_equal(
				bytes_of_cstring(relation->namespace_name), seen->namespace_name))
			continue;
		error_set(&why, ERROR_UNSUPPORTED, "\"%s.%s\" was dropped and made again",
			relation->namespace_name, relation->name);
		error_hint(&why, "Run \"walberg snapshot %s.%s\" to read the new table.",
			relation->namespace_name, relation->name);
		give_up(apply->tables[i], &why);
	}
}

bool apply_message(struct apply *apply, const struct pgoutput_message *message, size_t size,
	lsn_t end_lsn, struct error *err)
{
	switch (message->kind) {
	case PGOUTPUT_INSERT:
	case PGOUTPUT_UPDATE:
	case PGOUTPUT_DELETE:
		return change_row(apply, message, size, end_lsn, err);
	case PGOUTPUT_TRUNCATE:
		truncate(apply, &message->truncate, end_lsn);
		return true;
	case PGOUTPUT_RELATION:
		check_definition(apply, &message->relation, end_lsn);
		return true;
	default:
		return true;
	}
}
