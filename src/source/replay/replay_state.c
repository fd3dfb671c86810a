/*
 * The rows of one table at one LSN, by applying every committed change up to there.
 */
#include "base/map.h"
#include "format/pgcopy/pgcopy.h"
#include "source/replay/replay_internal.h"

#include <assert.h>
#include <stdlib.h>

struct state_row {
	struct state_row *older;     /* in the table */
	struct state_row *same_hash; /* rows whose keys hash alike */
	struct pgoutput_tuple tuple;
	bool is_gone;
};

struct state {
	struct arena *arena;
	const struct relation *relation;
	struct state_row *newest;
	struct map by_key;
};

const struct transaction *recording_next_committed(
	const struct recording *recording, lsn_t lsn, size_t *step)
{
	while (*step < recording->step_count) {
		const struct step *at = &recording->steps[(*step)++];
		const bool is_commit =
			at->kind == STEP_TRANSACTION || at->kind == STEP_STREAM_COMMIT;
		if (is_commit && at->transaction->end_lsn <= lsn)
			return at->transaction;
	}
	return NULL;
}

static bool truncates(const struct change *change, size_t table)
{
	for (size_t i = 0; i < change->truncated_count; i++)
		if (change->truncated[i] == table)
			return true;
	return false;
}

uint32_t replay_filenode_at(const struct recording *recording, size_t table, lsn_t lsn)
{
	uint32_t filenode = recording->tables[table].relation.filenode;
	const struct transaction *transaction;
	for (size_t step = 0;
		(transaction = recording_next_committed(recording, lsn, &step)) != NULL;)
		for (const struct change *at = transaction->first; at != NULL; at = at->next)
			filenode += !at->is_rolled_back && truncates(at, table);
	return filenode;
}

/* ---- rows by key ------------------------------------------------------------------------- */

static uint64_t hash_of_key(const struct relation *relation, struct pgoutput_tuple row)
{
	uint64_t hash = UINT64_C(0xcbf29ce484222325); /* FNV-1a, 64 bits */
	for (size_t i = 0; i < row.count; i++) {
		if (!relation->columns[i].is_key)
			continue;
		const struct bytes bytes = row.values[i].bytes;
		for (size_t k = 0; k < bytes.size; k++)
			hash = (hash ^ bytes.data[k]) * UINT64_C(0x100000001b3);
		hash = (hash ^ bytes.size) * UINT64_C(0x100000001b3);
	}
	return hash;
}

static bool keys_equal(
	const struct relation *relation, struct pgoutput_tuple a, struct pgoutput_tuple b)
{
	for (size_t i = 0; i < a.count; i++)
		if (relation->columns[i].is_key &&
			!bytes_equal(a.values[i].bytes, b.values[i].bytes))
			return false;
	return true;
}

static void add_row(struct state *state, struct pgoutput_tuple tuple)
{
	struct state_row *row = arena_new(state->arena, struct state_row);
	row->tuple = tuple;
	row->older = state->newest;
	state->newest = row;
	if (!state->relation->is_append)
		row->same_hash = map_put(&state->by_key, hash_of_key(state->relation, tuple), row);
}

static struct state_row *find_row(struct state *state, struct pgoutput_tuple tuple)
{
	struct state_row *row = map_get(&state->by_key, hash_of_key(state->relation, tuple));
	while (row != NULL && (row->is_gone || !keys_equal(state->relation, row->tuple, tuple)))
		row = row->same_hash;
	assert(row != NULL && "a recording changes only rows that are there");
	return row;
}

static struct pgoutput_tuple resolve(
	struct arena *arena, struct pgoutput_tuple new_row, struct pgoutput_tuple stored)
{
	struct pgoutput_value *values =
		arena_copy(arena, new_row.values, new_row.count * sizeof new_row.values[0]);
	for (size_t i = 0; i < new_row.count; i++)
		if (values[i].kind == PGOUTPUT_VALUE_UNCHANGED)
			values[i] = stored.values[i];
	return (struct pgoutput_tuple){ new_row.count, values };
}

static void apply_change(struct state *state, const struct change *change)
{
	if (change->kind == PGOUTPUT_INSERT) {
		add_row(state, change->new_row);
		return;
	}
	struct state_row *row = find_row(state, change->old_row);
	row->is_gone = true;
	if (change->kind == PGOUTPUT_UPDATE)
		add_row(state, resolve(state->arena, change->new_row, row->tuple));
}

static void apply_transaction(
	struct state *state, const struct transaction *transaction, size_t table)
{
	for (const struct change *at = transaction->first; at != NULL; at = at->next) {
		if (at->is_rolled_back)
			continue;
		if (at->kind != PGOUTPUT_TRUNCATE) {
			if (at->table == table)
				apply_change(state, at);
		} else if (truncates(at, table)) {
			map_deinit(&state->by_key);
			state->newest = NULL;
		}
	}
}

/* ---- results ----------------------------------------------------------------------------- */

size_t replay_rows_at(const struct recording *recording, size_t table, lsn_t lsn,
	struct arena *arena, struct pgoutput_tuple **rows)
{
	assert(table < recording->table_count);
	struct state state = { .arena = arena, .relation = &recording->tables[table].relation };
	const struct transaction *transaction;
	for (size_t step = 0;
		(transaction = recording_next_committed(recording, lsn, &step)) != NULL;)
		apply_transaction(&state, transaction, table);
	map_deinit(&state.by_key);

	size_t count = 0;
	for (const struct state_row *at = state.newest; at != NULL; at = at->older)
		count += !at->is_gone;
	*rows = arena_array(arena, struct pgoutput_tuple, count);
	size_t left = count;
	for (const struct state_row *at = state.newest; at != NULL; at = at->older)
		if (!at->is_gone)
			(*rows)[--left] = at->tuple;
	return count;
}

void replay_copy_at(const struct recording *recording, size_t table, lsn_t lsn, struct buffer *out)
{
	struct arena arena = { 0 };
	struct pgoutput_tuple *rows;
	const size_t column_count = recording->tables[table].relation.column_count;
	const size_t count = replay_rows_at(recording, table, lsn, &arena, &rows);
	struct pgcopy_field *fields = arena_array(&arena, struct pgcopy_field, column_count);
	pgcopy_encode_header(out);
	for (size_t i = 0; i < count; i++) {
		assert(rows[i].count == column_count);
		for (size_t c = 0; c < column_count; c++) {
			const struct pgoutput_value *value = &rows[i].values[c];
			fields[c] = (struct pgcopy_field){
				.is_null = value->kind == PGOUTPUT_VALUE_NULL,
				.bytes = value->bytes,
			};
		}
		pgcopy_encode_row(out, fields, column_count);
	}
	pgcopy_encode_trailer(out);
	arena_deinit(&arena);
}
