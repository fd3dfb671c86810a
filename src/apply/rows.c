/*
 * The rows of one table on their way to a file.
 *
 * New rows wait as columns; a waiting row that is replaced or deleted is marked dead and never
 * written.  The key index says where each live row is: in a file, or waiting, as a row of the file
 * that will be written next.  When rows before it are dead, a row's place moves at the writing.
 */
#include "apply/apply_internal.h"

#include "format/pgcopy/pgcopy.h"
#include "format/pgvalue/pgvalue.h"

#include <assert.h>
#include <stdlib.h>

enum {
	/* Rows of a COPY are handed to the table in batches of this many bytes. */
	COPY_BATCH_BYTES = 4 * 1024 * 1024,
	/* Keys whose memory is fetched before it is needed (key_index.h). */
	KEYS_AHEAD = 10,
};

struct apply_rows {
	struct arena arena; /* the relation's and the arrays' */
	struct relation *relation;
	struct pgvalue_decoder *decoders; /* one a column */

	size_t key_count; /* 0: an append table, without index */
	size_t *key_columns;
	struct batch key; /* the relation's columns, of which only the key's ever have a value */
	struct key_index *index;
	uint64_t seed; /* of the index's keys */

	struct batch waiting;
	struct buffer dead; /* one byte a waiting row */
	size_t dead_count;

	struct pgcopy copy;
	struct pgoutput_value *copy_values; /* one a column */
	uint64_t copied_rows;
};

static void choose_decoders(struct apply_rows *rows)
{
	const struct relation *relation = rows->relation;
	rows->decoders = arena_array(&rows->arena, struct pgvalue_decoder, relation->column_count);
	for (size_t i = 0; i < relation->column_count; i++)
		rows->decoders[i] = pgvalue_decoder_of(
			relation->columns[i].type_oid, relation->columns[i].type);
}

static void choose_key(struct apply_rows *rows, struct world *world)
{
	const struct relation *relation = rows->relation;
	rows->key_columns = arena_array(&rows->arena, size_t, relation->column_count);
	for (size_t i = 0; !relation->is_append && i < relation->column_count; i++)
		if (relation->columns[i].is_key)
			rows->key_columns[rows->key_count++] = i;
	if (rows->key_count == 0)
		return;
	batch_init_for(&rows->key, relation);
	world_random(world, &rows->seed, sizeof rows->seed);
	rows->index = key_index_open(rows->seed);
}

struct apply_rows *rows_open(struct world *world, const struct relation *relation)
{
	struct apply_rows *rows = memory_allocate(1, sizeof *rows);
	rows->relation = relation_copy(relation, &rows->arena);
	choose_decoders(rows);
	choose_key(rows, world);
	batch_init_for(&rows->waiting, relation);
	pgcopy_init(&rows->copy, relation->column_count);
	rows->copy_values =
		arena_array(&rows->arena, struct pgoutput_value, relation->column_count);
	return rows;
}

void rows_close(struct apply_rows *rows)
{
	if (rows == NULL)
		return;
	pgcopy_deinit(&rows->copy);
	batch_deinit(&rows->waiting);
	if (rows->key_count > 0)
		batch_deinit(&rows->key);
	buffer_deinit(&rows->dead);
	key_index_close(rows->index);
	arena_deinit(&rows->arena);
	free(rows);
}

const struct relation *rows_relation(const struct apply_rows *rows)
{
	return rows->relation;
}

size_t rows_waiting(const struct apply_rows *rows)
{
	return rows->waiting.row_count;
}

uint64_t rows_pending_bytes(const struct apply_rows *rows)
{
	return rows->waiting.row_count > 0 ? batch_used_bytes(&rows->waiting) : 0;
}

uint64_t rows_copied(const struct apply_rows *rows)
{
	return rows->copied_rows;
}

/* --- errors that name the table, the column and the key --- */

/* batch is NULL when the key is not known; else its row has at least the key's columns. */
static bool fault(
	const struct apply_table *table, const struct batch *batch, size_t row, struct error *why)
{
	const struct relation *relation = table->relation;
	struct buffer key = { 0 };
	if (batch != NULL && table->rows->key_count > 0)
		key_format(&key, batch, relation, row);
	error_context(why, "applying a change to \"%s.%s\"%s%.*s", relation->namespace_name,
		relation->name, key.size ? " where " : "", (int)key.size,
		key.size ? (const char *)key.data : "");
	if (why->hint[0] == '\0')
		error_hint(why, "Run \"walberg snapshot %s.%s\" once the cause is gone.",
			relation->namespace_name, relation->name);
	buffer_deinit(&key);
	return false;
}

/* --- tuples to columns --- */

static bool append_value(const struct apply_rows *rows, size_t index, struct column *column,
	const struct pgoutput_value *value, const struct pgoutput_value *old, struct error *why)
{
	const struct relation_column *about = &rows->relation->columns[index];
	if (value->kind == PGOUTPUT_VALUE_UNCHANGED && old != NULL)
		value = old;
	switch (value->kind) {
	case PGOUTPUT_VALUE_BINARY:
	case PGOUTPUT_VALUE_TEXT: {
		enum pgvalue_fault found =
			pgvalue_append(&rows->decoders[index], value->kind, value->bytes, column);
		if (found == PGVALUE_FITS)
			return true;
		return pgvalue_set_error(why, found, rows->relation, index);
	}
	case PGOUTPUT_VALUE_NULL:
		if (about->is_required)
			return error_set(why, ERROR_UNSUPPORTED,
				"column \"%s\" was NOT NULL and has a NULL now", about->name);
		column_append_null(column);
		return true;
	default:
		error_set(why, ERROR_UNSUPPORTED,
			"the value of column \"%s\" is stored out of line, did not change, and "
			"is not sent",
			about->name);
		return error_hint(why,
			"ALTER TABLE %s.%s REPLICA IDENTITY FULL makes PostgreSQL send it; then "
			"run \"walberg snapshot %s.%s\".",
			rows->relation->namespace_name, rows->relation->name,
			rows->relation->namespace_name, rows->relation->name);
	}
}

static bool check_width(
	const struct relation *relation, const struct pgoutput_tuple *tuple, struct error *why)
{
	if (tuple->count == relation->column_count)
		return true;
	return error_set(why, ERROR_CORRUPT, "a row has %zu columns, its table %zu", tuple->count,
		relation->column_count);
}

/* Appends to rows->waiting; on failure nothing is left of the row. */
static bool append_row(struct apply_rows *rows, const struct pgoutput_tuple *tuple,
	const struct pgoutput_tuple *old, struct error *why)
{
	if (!check_width(rows->relation, tuple, why))
		return false;
	if (old != NULL && !check_width(rows->relation, old, why))
		return false;
	for (size_t i = 0; i < tuple->count; i++) {
		if (append_value(rows, i, &rows->waiting.columns[i], &tuple->values[i],
			    old != NULL ? &old->values[i] : NULL, why))
			continue;
		batch_cancel_row(&rows->waiting);
		return false;
	}
	batch_finish_row(&rows->waiting);
	buffer_append_u8(&rows->dead, 0);
	return true;
}

static bool decode_key(
	struct apply_rows *rows, const struct pgoutput_tuple *tuple, struct error *why)
{
	if (!check_width(rows->relation, tuple, why))
		return false;
	for (size_t i = 0; i < rows->key_count; i++) {
		size_t at = rows->key_columns[i];
		column_reset(&rows->key.columns[at]);
		if (!append_value(rows, at, &rows->key.columns[at], &tuple->values[at], NULL, why))
			return false;
	}
	return true;
}

/* Of a row that was not taken: its key, if that can be read. */
static bool fault_in_row(
	const struct apply_table *table, const struct pgoutput_tuple *tuple, struct error *why)
{
	struct apply_rows *rows = table->rows;
	struct error ignored = { 0 };
	if (rows->key_count > 0 && decode_key(rows, tuple, &ignored))
		return fault(table, &rows->key, 0, why);
	return fault(table, NULL, 0, why);
}

/* --- rows and their places --- */

static struct key waiting_key(const struct apply_rows *rows, size_t row)
{
	return key_of(&rows->waiting, rows->key_columns, rows->key_count, row, rows->seed);
}

static struct key old_key(const struct apply_rows *rows)
{
	return key_of(&rows->key, rows->key_columns, rows->key_count, 0, rows->seed);
}

/* Of a row in a loop over all rows: the memory of a later one's place is on its way meanwhile. */
static struct key key_in_turn(
	const struct apply_rows *rows, const struct batch *batch, const size_t *columns, size_t row)
{
	if (row + KEYS_AHEAD < batch->row_count)
		key_index_prefetch(rows->index,
			key_of(batch, columns, rows->key_count, row + KEYS_AHEAD, rows->seed));
	return key_of(batch, columns, rows->key_count, row, rows->seed);
}

/* The key is there, its row stands elsewhere now. */
static void move_place(struct apply_rows *rows, struct key key, struct key_place place)
{
	struct key_place before;
	bool was_there = key_index_put(rows->index, key, place, &before);
	assert(was_there);
}

static void bury(struct apply_table *table, struct key_place place)
{
	struct apply_rows *rows = table->rows;
	if (place.file != table_next_file(table->table)) {
		table_delete(table->table, place.file, place.row);
		return;
	}
	assert(place.row < rows->waiting.row_count && rows->dead.data[place.row] == 0);
	rows->dead.data[place.row] = 1;
	rows->dead_count++;
}

/* The last waiting row is new under its key. */
static bool place_new(struct apply_table *table, struct error *why)
{
	struct apply_rows *rows = table->rows;
	if (rows->index == NULL)
		return true;
	const size_t row = rows->waiting.row_count - 1;
	const struct key_place place = { table_next_file(table->table), (uint32_t)row };
	struct key_place before;
	if (!key_index_put(rows->index, waiting_key(rows, row), place, &before))
		return true;
	error_set(why, ERROR_CORRUPT, "a row is inserted that the lake has already");
	return fault(table, &rows->waiting, row, why);
}

static bool remove_old(struct apply_table *table, struct key key, struct error *why)
{
	struct key_place place;
	if (!key_index_remove(table->rows->index, key, &place))
		return error_set(why, ERROR_CORRUPT,
			"a row is changed or deleted that the lake does not have");
	bury(table, place);
	return true;
}

static bool insert(struct apply_table *table, const struct pgoutput_row *row, struct error *why)
{
	if (!append_row(table->rows, &row->new_tuple, NULL, why))
		return fault_in_row(table, &row->new_tuple, why);
	return place_new(table, why);
}

static bool delete (struct apply_table *table, const struct pgoutput_row *row, struct error *why)
{
	struct apply_rows *rows = table->rows;
	if (!decode_key(rows, &row->old_tuple, why))
		return fault(table, NULL, 0, why);
	if (!remove_old(table, old_key(rows), why))
		return fault(table, &rows->key, 0, why);
	return true;
}

static bool update(struct apply_table *table, const struct pgoutput_row *row, struct error *why)
{
	struct apply_rows *rows = table->rows;
	if (row->old_kind != 0 && !delete (table, row, why))
		return false;
	const struct pgoutput_tuple *whole_old = row->old_kind == 'O' ? &row->old_tuple : NULL;
	if (!append_row(rows, &row->new_tuple, whole_old, why))
		return fault_in_row(table, &row->new_tuple, why);
	const size_t last = rows->waiting.row_count - 1;
	if (row->old_kind == 0 && !remove_old(table, waiting_key(rows, last), why))
		return fault(table, &rows->waiting, last, why);
	return place_new(table, why);
}

bool rows_change(
	struct apply_table *table, const struct pgoutput_message *message, struct error *why)
{
	if (message->kind == PGOUTPUT_INSERT)
		return insert(table, &message->row, why);
	if (table->rows->index == NULL) {
		error_set(why, ERROR_UNSUPPORTED,
			"an update or delete came for a table whose rows have no key");
		return fault(table, NULL, 0, why);
	}
	if (message->kind == PGOUTPUT_UPDATE)
		return update(table, &message->row, why);
	return delete (table, &message->row, why);
}

static void forget_waiting(struct apply_rows *rows)
{
	batch_reset(&rows->waiting);
	buffer_reset(&rows->dead);
	rows->dead_count = 0;
}

void rows_truncate(struct apply_table *table)
{
	forget_waiting(table->rows);
	if (table->rows->index != NULL)
		key_index_clear(table->rows->index);
	table_truncate(table->table);
}

/* --- to files --- */

/* Rows that are not dead, ascending; their places move to where they will stand in the file. */
static uint32_t *live_rows(struct apply_table *table, size_t *count)
{
	struct apply_rows *rows = table->rows;
	const uint32_t file = table_next_file(table->table);
	uint32_t *live = memory_allocate(rows->waiting.row_count, sizeof *live);
	*count = 0;
	for (size_t row = 0; row < rows->waiting.row_count; row++) {
		if (rows->dead.data[row])
			continue;
		if (rows->index != NULL && row != *count)
			move_place(rows, waiting_key(rows, row),
				(struct key_place){ file, (uint32_t)*count });
		live[(*count)++] = (uint32_t)row;
	}
	return live;
}

bool rows_write(struct apply_table *table, struct error *err)
{
	struct apply_rows *rows = table->rows;
	if (rows->waiting.row_count == 0)
		return true;
	uint32_t *live = NULL;
	size_t count = rows->waiting.row_count;
	if (rows->dead_count > 0)
		live = live_rows(table, &count);
	bool done = count == 0 || table_write(table->table, &rows->waiting, live, count, err);
	free(live);
	if (done)
		forget_waiting(rows);
	return done;
}

static bool follow(void *context, const struct table_rows *moved, struct error *err)
{
	(void)err;
	struct apply_rows *rows = context;
	for (size_t row = 0; rows->index != NULL && row < moved->batch->row_count; row++) {
		struct key key = key_in_turn(rows, moved->batch, rows->key_columns, row);
		move_place(rows, key, (struct key_place){ moved->file, moved->positions[row] });
	}
	return true;
}

bool rows_fold(struct apply_table *table, uint64_t rows_max, struct error *err)
{
	return table_fold(table->table, rows_max, follow, table->rows, err);
}

/* The batch has the key's columns alone, in their order. */
struct rebuild {
	struct apply_rows *rows;
	const size_t *places; /* 0, 1, ... */
};

static bool put_found(void *context, const struct table_rows *found, struct error *err)
{
	const struct rebuild *rebuild = context;
	struct apply_rows *rows = rebuild->rows;
	for (size_t row = 0; row < found->batch->row_count; row++) {
		struct key key = key_in_turn(rows, found->batch, rebuild->places, row);
		struct key_place before;
		if (key_index_put(rows->index, key,
			    (struct key_place){ found->file, found->positions[row] }, &before))
			return error_set(err, ERROR_CORRUPT,
				"the table in the lake has two rows with one key");
	}
	return true;
}

bool rows_build_index(struct apply_table *table, struct error *err)
{
	struct apply_rows *rows = table->rows;
	if (rows->index == NULL)
		return true;
	struct arena arena = { 0 };
	size_t *places = arena_array(&arena, size_t, rows->key_count);
	int *columns = arena_array(&arena, int, rows->key_count);
	for (size_t i = 0; i < rows->key_count; i++) {
		places[i] = i;
		columns[i] = (int)rows->key_columns[i];
	}
	bool done = table_scan(table->table, columns, rows->key_count, put_found,
		&(struct rebuild){ rows, places }, err);
	arena_deinit(&arena);
	return done;
}

/* --- the initial rows --- */

static bool write_copied(struct apply_table *table, struct error *err)
{
	struct apply_rows *rows = table->rows;
	struct key_place place;
	if (rows->waiting.row_count == 0)
		return true;
	if (!table_append(table->table, &rows->waiting, &place.file, &place.row, err))
		return false;
	for (size_t row = 0; rows->index != NULL && row < rows->waiting.row_count; row++) {
		struct key_place before, here = { place.file, place.row + (uint32_t)row };
		struct key key = key_in_turn(rows, &rows->waiting, rows->key_columns, row);
		if (!key_index_put(rows->index, key, here, &before))
			continue;
		error_set(err, ERROR_CORRUPT, "the source sent two rows with one key");
		return fault(table, &rows->waiting, row, err);
	}
	forget_waiting(rows);
	return true;
}

static bool append_copied(
	struct apply_table *table, const struct pgcopy_field *fields, struct error *err)
{
	struct apply_rows *rows = table->rows;
	const size_t count = table->relation->column_count;
	for (size_t i = 0; i < count; i++)
		rows->copy_values[i] = (struct pgoutput_value){
			fields[i].is_null ? PGOUTPUT_VALUE_NULL : PGOUTPUT_VALUE_BINARY,
			fields[i].bytes,
		};
	const struct pgoutput_tuple tuple = { count, rows->copy_values };
	if (!append_row(rows, &tuple, NULL, err))
		return fault_in_row(table, &tuple, err);
	rows->copied_rows++;
	return true;
}

bool rows_copy(struct apply_table *table, struct bytes chunk, struct error *err)
{
	struct apply_rows *rows = table->rows;
	const struct pgcopy_field *fields;
	pgcopy_push(&rows->copy, chunk);
	while (true) {
		if (!pgcopy_next_row(&rows->copy, &fields, err))
			return false;
		if (fields == NULL)
			break;
		if (!append_copied(table, fields, err))
			return false;
	}
	return batch_used_bytes(&rows->waiting) < COPY_BATCH_BYTES || write_copied(table, err);
}

bool rows_copy_end(struct apply_table *table, struct error *err)
{
	return pgcopy_finish(&table->rows->copy, err) && write_copied(table, err) &&
	       table_append_end(table->table, err);
}
