#include "source/replay/replay_internal.h"

#include <assert.h>
#include <endian.h>
#include <stdlib.h>

enum {
	FIRST_XID = 1000,
	CHANGE_SIZE_BYTES = 64, /* of WAL, by which positions move on */
	COMMIT_SIZE_BYTES = 48,
	FILENODES_PER_TABLE = 1 << 20,
	STEPS_MIN = 64,
};

#define FIRST_LSN UINT64_C(0x1000000)

struct recording *recording_open(const char *system_identifier)
{
	struct recording *recording = memory_allocate(1, sizeof *recording);
	recording->system_identifier = arena_copy_cstring(&recording->arena, system_identifier);
	recording->next_xid = FIRST_XID;
	recording->lsn = FIRST_LSN;
	return recording;
}

void recording_close(struct recording *recording)
{
	if (recording == NULL)
		return;
	arena_deinit(&recording->arena);
	free(recording->steps);
	free(recording);
}

size_t recording_add_table(struct recording *recording, const struct relation *relation)
{
	assert(recording->table_count < REPLAY_TABLES_MAX);
	struct relation *copy = &recording->tables[recording->table_count].relation;
	*copy = *relation_copy(relation, &recording->arena);
	copy->filenode = (uint32_t)(recording->table_count + 1) * FILENODES_PER_TABLE;
	return recording->table_count++;
}

/* ---- transactions ------------------------------------------------------------------------ */

static struct transaction *find(struct recording *recording, uint32_t xid)
{
	struct transaction *at = recording->first_transaction;
	while (at != NULL && at->xid != xid)
		at = at->next;
	assert(at != NULL && !at->is_ended);
	return at;
}

static struct step *add_step(
	struct recording *recording, enum step_kind kind, const struct transaction *transaction)
{
	if (recording->step_count == recording->step_capacity) {
		recording->step_capacity =
			recording->step_capacity ? 2 * recording->step_capacity : STEPS_MIN;
		recording->steps = memory_resize(
			recording->steps, recording->step_capacity, sizeof(struct step));
	}
	struct step *step = &recording->steps[recording->step_count++];
	*step = (struct step){
		.kind = kind, .transaction = transaction, .end_lsn = recording->lsn
	};
	return step;
}

uint32_t recording_begin(struct recording *recording, bool is_streamed, micros_t committed_at)
{
	struct transaction *transaction = arena_new(&recording->arena, struct transaction);
	transaction->xid = recording->next_xid++;
	transaction->is_streamed = is_streamed;
	transaction->committed_at = committed_at;
	transaction->end_lsn = UINT64_MAX;
	if (recording->last_transaction != NULL)
		recording->last_transaction->next = transaction;
	else
		recording->first_transaction = transaction;
	recording->last_transaction = transaction;
	return transaction->xid;
}

static struct pgoutput_tuple copy_row(struct recording *recording, struct pgoutput_tuple row)
{
	struct pgoutput_value *values =
		arena_array(&recording->arena, struct pgoutput_value, row.count);
	for (size_t i = 0; i < row.count; i++) {
		values[i].kind = row.values[i].kind;
		values[i].bytes = arena_copy_bytes(&recording->arena, row.values[i].bytes);
	}
	return (struct pgoutput_tuple){ row.count, values };
}

static struct change *add_change(
	struct recording *recording, uint32_t xid, enum pgoutput_kind kind, size_t table)
{
	assert(table < recording->table_count);
	struct transaction *transaction = find(recording, xid);
	struct change *change = arena_new(&recording->arena, struct change);
	change->kind = kind;
	change->xid = transaction->subtransaction_xid ? transaction->subtransaction_xid : xid;
	change->lsn = recording->lsn;
	change->table = table;
	recording->lsn += CHANGE_SIZE_BYTES;
	if (transaction->last != NULL)
		transaction->last->next = change;
	else
		transaction->first = change;
	transaction->last = change;
	return change;
}

static size_t width_of(const struct recording *recording, size_t table)
{
	return recording->tables[table].relation.column_count;
}

void recording_insert(
	struct recording *recording, uint32_t xid, size_t table, struct pgoutput_tuple row)
{
	struct change *change = add_change(recording, xid, PGOUTPUT_INSERT, table);
	assert(row.count == width_of(recording, table));
	change->new_row = copy_row(recording, row);
}

void recording_update(struct recording *recording, uint32_t xid, size_t table,
	struct pgoutput_tuple old_row, struct pgoutput_tuple new_row)
{
	struct change *change = add_change(recording, xid, PGOUTPUT_UPDATE, table);
	assert(!recording->tables[table].relation.is_append);
	assert(old_row.count == width_of(recording, table) && new_row.count == old_row.count);
	change->old_row = copy_row(recording, old_row);
	change->new_row = copy_row(recording, new_row);
}

void recording_delete(
	struct recording *recording, uint32_t xid, size_t table, struct pgoutput_tuple old_row)
{
	struct change *change = add_change(recording, xid, PGOUTPUT_DELETE, table);
	assert(!recording->tables[table].relation.is_append);
	assert(old_row.count == width_of(recording, table));
	change->old_row = copy_row(recording, old_row);
}

void recording_truncate(
	struct recording *recording, uint32_t xid, const size_t *tables, size_t count)
{
	assert(count > 0);
	struct change *change = add_change(recording, xid, PGOUTPUT_TRUNCATE, tables[0]);
	change->truncated = arena_copy(&recording->arena, tables, count * sizeof tables[0]);
	change->truncated_count = count;
}

/* ---- subtransactions --------------------------------------------------------------------- */

void recording_savepoint(struct recording *recording, uint32_t xid)
{
	struct transaction *transaction = find(recording, xid);
	assert(transaction->subtransaction_xid == 0);
	transaction->subtransaction_xid = recording->next_xid++;
}

void recording_rollback_to_savepoint(struct recording *recording, uint32_t xid)
{
	struct transaction *transaction = find(recording, xid);
	assert(transaction->subtransaction_xid != 0);
	bool was_sent = false;
	for (struct change *at = transaction->first; at != NULL; at = at->next) {
		if (at->xid != transaction->subtransaction_xid)
			continue;
		at->is_rolled_back = true;
		was_sent |= at->is_sent;
	}
	recording->lsn += COMMIT_SIZE_BYTES;
	if (was_sent)
		add_step(recording, STEP_STREAM_ABORT, transaction)->subtransaction_xid =
			transaction->subtransaction_xid;
	transaction->subtransaction_xid = 0;
}

/* ---- sending and ending ------------------------------------------------------------------ */

/* Whether a change that was not sent yet goes out with the next step of its transaction. */
static bool is_waiting(const struct change *change)
{
	return !change->is_sent && !change->is_rolled_back;
}

static void collect_changes(
	struct recording *recording, struct transaction *transaction, struct step *step)
{
	for (const struct change *at = transaction->first; at != NULL; at = at->next)
		step->change_count += is_waiting(at);
	step->changes = arena_array(&recording->arena, const struct change *, step->change_count);
	size_t count = 0;
	for (struct change *at = transaction->first; at != NULL; at = at->next) {
		if (!is_waiting(at))
			continue;
		at->is_sent = true;
		step->changes[count++] = at;
	}
}

void recording_send_block(struct recording *recording, uint32_t xid)
{
	struct transaction *transaction = find(recording, xid);
	assert(transaction->is_streamed);
	struct step *step = add_step(recording, STEP_BLOCK, transaction);
	step->is_first = !transaction->has_blocks;
	transaction->has_blocks = true;
	collect_changes(recording, transaction, step);
}

static void end_transaction(struct recording *recording, struct transaction *transaction)
{
	transaction->commit_lsn = recording->lsn;
	recording->lsn += COMMIT_SIZE_BYTES;
	transaction->end_lsn = recording->lsn;
	transaction->is_ended = true;
}

static bool has_waiting(const struct transaction *transaction)
{
	const struct change *at = transaction->first;
	while (at != NULL && !is_waiting(at))
		at = at->next;
	return at != NULL;
}

lsn_t recording_commit(struct recording *recording, uint32_t xid)
{
	struct transaction *transaction = find(recording, xid);
	if (transaction->is_streamed && (has_waiting(transaction) || !transaction->has_blocks))
		recording_send_block(recording, xid);
	end_transaction(recording, transaction);
	transaction->is_committed = true;
	struct step *step = add_step(recording,
		transaction->is_streamed ? STEP_STREAM_COMMIT : STEP_TRANSACTION, transaction);
	if (!transaction->is_streamed)
		collect_changes(recording, transaction, step);
	return transaction->end_lsn;
}

void recording_abort(struct recording *recording, uint32_t xid)
{
	struct transaction *transaction = find(recording, xid);
	end_transaction(recording, transaction);
	if (transaction->has_blocks)
		add_step(recording, STEP_STREAM_ABORT, transaction)->subtransaction_xid = xid;
	else
		add_step(recording, STEP_OTHER, NULL);
}

lsn_t recording_advance(struct recording *recording, uint32_t size_bytes)
{
	recording->lsn += size_bytes;
	add_step(recording, STEP_OTHER, NULL);
	return recording->lsn;
}

size_t recording_step_count(const struct recording *recording)
{
	return recording->step_count;
}

lsn_t recording_lsn_after(const struct recording *recording, size_t step_count)
{
	assert(step_count <= recording->step_count);
	return step_count ? recording->steps[step_count - 1].end_lsn : FIRST_LSN;
}

/* ---- values and rows --------------------------------------------------------------------- */

static struct pgoutput_value value_of(struct arena *arena, const void *data, size_t size)
{
	return (struct pgoutput_value){ PGOUTPUT_VALUE_BINARY,
		arena_copy_bytes(arena, bytes_of(data, size)) };
}

struct pgoutput_value replay_null(void)
{
	return (struct pgoutput_value){ .kind = PGOUTPUT_VALUE_NULL };
}

struct pgoutput_value replay_unchanged(void)
{
	return (struct pgoutput_value){ .kind = PGOUTPUT_VALUE_UNCHANGED };
}

struct pgoutput_value replay_int4(struct arena *arena, int32_t value)
{
	const uint32_t wire = htobe32((uint32_t)value);
	return value_of(arena, &wire, sizeof wire);
}

struct pgoutput_value replay_int8(struct arena *arena, int64_t value)
{
	const uint64_t wire = htobe64((uint64_t)value);
	return value_of(arena, &wire, sizeof wire);
}

struct pgoutput_value replay_text(struct arena *arena, const char *value)
{
	return value_of(arena, value, strlen(value));
}

struct pgoutput_tuple replay_row(
	struct arena *arena, const struct pgoutput_value *values, size_t count)
{
	return (struct pgoutput_tuple){ count,
		arena_copy(arena, values, count * sizeof values[0]) };
}
