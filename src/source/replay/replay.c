#include "base/map.h"
#include "format/pgoutput/pgoutput_encode.h"
#include "source/replay/replay_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
	SNAPSHOT_CHUNK_SIZE = 997, /* rows do not end where chunks do */
	SERVER_VERSION = 150000,
	TABLE_BITS = 8, /* of the key of a relation sent inside a stream */
};

struct message {
	size_t end; /* in the source's bytes */
	lsn_t lsn;
	micros_t sent_at;
};

struct replay_source {
	struct source base;
	struct world *world;
	struct replay_server *server;
	uint32_t cuts; /* of the server when this connection was made */
	bool is_on;
	lsn_t from;  /* transactions that end up to here are not sent */
	size_t step; /* next to be played */
	lsn_t keepalive_lsn;
	bool is_relation_sent[REPLAY_TABLES_MAX];
	struct map sent_in_stream; /* by transaction and table */
	struct arena arena;        /* of the step that is played */
	struct buffer bytes;       /* messages of the step, one after the other */
	struct buffer messages;    /* struct message */
	size_t next_message;
	size_t next_byte;
};

static struct replay_source *replay_of(struct source *source)
{
	return (struct replay_source *)source;
}

/* ---- the server -------------------------------------------------------------------------- */

void replay_server_init(struct replay_server *server, const struct recording *recording)
{
	memset(server, 0, sizeof *server);
	server->recording = recording;
}

void replay_server_cut(struct replay_server *server)
{
	atomic_fetch_add(&server->cuts, 1);
}

lsn_t replay_server_lsn(const struct replay_server *server)
{
	return recording_lsn_after(server->recording, atomic_load(&server->happened));
}

static bool check_connected(const struct replay_source *source, struct error *err)
{
	if (atomic_load(&source->server->is_down) ||
		atomic_load(&source->server->cuts) != source->cuts)
		return error_set(err, ERROR_LOST, "the replayed server went away");
	return true;
}

static size_t table_of(const struct recording *recording, uint32_t oid)
{
	size_t table = 0;
	while (table < recording->table_count && recording->tables[table].relation.oid != oid)
		table++;
	return table;
}

/* ---- inspect, publish, drop -------------------------------------------------------------- */

static bool replay_inspect(
	struct source *base, struct arena *arena, struct source_state *out, struct error *err)
{
	struct replay_source *source = replay_of(base);
	if (!check_connected(source, err))
		return false;
	struct replay_server *server = source->server;
	const struct recording *recording = server->recording;
	const lsn_t lsn = replay_server_lsn(server);
	*out = (struct source_state){
		.system_identifier = recording->system_identifier,
		.timeline = 1,
		.server_version = SERVER_VERSION,
		.current_lsn = lsn,
		.has_slot = atomic_load(&server->has_slot),
		.slot_is_lost = atomic_load(&server->slot_is_lost),
		.confirmed_lsn = atomic_load(&server->confirmed_lsn),
		.restart_lsn = atomic_load(&server->confirmed_lsn),
		.relation_count = recording->table_count,
		.relations = arena_array(arena, struct relation, recording->table_count),
	};
	for (size_t i = 0; i < recording->table_count; i++) {
		out->relations[i] = recording->tables[i].relation;
		out->relations[i].filenode = replay_filenode_at(recording, i, lsn);
		out->relations[i].is_unpublished = !atomic_load(&server->is_published[i]);
	}
	return true;
}

static bool replay_publish(
	struct source *base, const struct relation *relations, size_t count, struct error *err)
{
	struct replay_source *source = replay_of(base);
	if (!check_connected(source, err))
		return false;
	const struct recording *recording = source->server->recording;
	for (size_t i = 0; i < count; i++) {
		const size_t table = table_of(recording, relations[i].oid);
		if (table == recording->table_count)
			return error_set(
				err, ERROR_MISSING, "there is no table \"%s\"", relations[i].name);
		atomic_store(&source->server->is_published[table], true);
	}
	return true;
}

static bool replay_drop(struct source *base, struct error *err)
{
	struct replay_source *source = replay_of(base);
	if (!check_connected(source, err))
		return false;
	source->is_on = false;
	atomic_store(&source->server->has_slot, false);
	atomic_store(&source->server->slot_is_lost, false);
	atomic_store(&source->server->confirmed_lsn, 0);
	for (size_t i = 0; i < REPLAY_TABLES_MAX; i++)
		atomic_store(&source->server->is_published[i], false);
	return true;
}

/* ---- snapshot ---------------------------------------------------------------------------- */

struct replay_snapshot {
	struct source_snapshot base;
	const struct replay_server *server;
	uint32_t cuts;
	struct buffer rows;
	size_t offset;
};

static bool check_snapshot(const struct replay_snapshot *snapshot, struct error *err)
{
	if (atomic_load(&snapshot->server->is_down) ||
		atomic_load(&snapshot->server->cuts) != snapshot->cuts)
		return error_set(err, ERROR_LOST, "the replayed server went away");
	return true;
}

static bool replay_snapshot_open_table(
	struct source_snapshot *base, const struct relation *relation, struct error *err)
{
	struct replay_snapshot *snapshot = (struct replay_snapshot *)base;
	if (!check_snapshot(snapshot, err))
		return false;
	const struct recording *recording = snapshot->server->recording;
	const size_t table = table_of(recording, relation->oid);
	if (table == recording->table_count)
		return error_set(err, ERROR_MISSING, "there is no such table");
	const lsn_t now = replay_server_lsn(snapshot->server);
	if (replay_filenode_at(recording, table, now) != relation->filenode)
		return error_set(err, ERROR_CONFLICT,
			"the table was truncated or rewritten since it was first looked at");
	buffer_reset(&snapshot->rows);
	snapshot->offset = 0;
	replay_copy_at(recording, table, base->lsn, &snapshot->rows);
	return true;
}

static bool replay_snapshot_next(
	struct source_snapshot *base, struct bytes *chunk, struct error *err)
{
	struct replay_snapshot *snapshot = (struct replay_snapshot *)base;
	if (!check_snapshot(snapshot, err))
		return false;
	const size_t left = snapshot->rows.size - snapshot->offset;
	const size_t size = left < SNAPSHOT_CHUNK_SIZE ? left : SNAPSHOT_CHUNK_SIZE;
	*chunk = bytes_of(size ? snapshot->rows.data + snapshot->offset : NULL, size);
	snapshot->offset += size;
	return true;
}

static void replay_snapshot_close(struct source_snapshot *base)
{
	struct replay_snapshot *snapshot = (struct replay_snapshot *)base;
	buffer_deinit(&snapshot->rows);
	free(snapshot);
}

static bool replay_open_snapshot(
	struct source *base, bool is_lake_slot, struct source_snapshot **out, struct error *err)
{
	static const struct source_snapshot_ops ops = {
		.open_table = replay_snapshot_open_table,
		.next = replay_snapshot_next,
		.close = replay_snapshot_close,
	};
	struct replay_source *source = replay_of(base);
	struct replay_server *server = source->server;
	if (!check_connected(source, err))
		return false;
	const lsn_t lsn = replay_server_lsn(server);
	if (is_lake_slot) {
		if (atomic_load(&server->has_slot))
			return error_set(err, ERROR_CONFLICT, "the slot exists already");
		atomic_store(&server->has_slot, true);
		atomic_store(&server->confirmed_lsn, lsn);
	}
	struct replay_snapshot *snapshot = memory_allocate(1, sizeof *snapshot);
	snapshot->base.ops = &ops;
	snapshot->base.lsn = lsn;
	snapshot->server = server;
	snapshot->cuts = source->cuts;
	*out = &snapshot->base;
	return true;
}

/* ---- messages of a step ------------------------------------------------------------------ */

/* Where a step's messages stand: their transaction, and how they are wrapped. */
struct wrapping {
	const struct transaction *transaction;
	bool in_stream;
};

static void put(struct replay_source *source, const struct wrapping *in, lsn_t lsn,
	const struct pgoutput_message *message)
{
	pgoutput_encode(&source->bytes, message, in->in_stream);
	const struct message entry = { source->bytes.size, lsn, in->transaction->committed_at };
	buffer_append(&source->messages, &entry, sizeof entry);
}

static void put_relation(struct replay_source *source, const struct wrapping *in,
	const struct change *change, size_t table)
{
	const struct relation *relation = &source->server->recording->tables[table].relation;
	struct pgoutput_column *columns =
		arena_array(&source->arena, struct pgoutput_column, relation->column_count);
	for (size_t i = 0; i < relation->column_count; i++)
		columns[i] = (struct pgoutput_column){
			.name = bytes_of_cstring(relation->columns[i].name),
			.type_oid = relation->columns[i].type_oid,
			.type_modifier = relation->columns[i].type_modifier,
			.is_key = relation->columns[i].is_key || relation->replica_identity == 'f',
		};
	const struct pgoutput_message message = {
		.kind = PGOUTPUT_RELATION,
		.xid = in->in_stream ? change->xid : 0,
		.relation = {
			.oid = relation->oid,
			.namespace_name = bytes_of_cstring(relation->namespace_name),
			.name = bytes_of_cstring(relation->name),
			.replica_identity = relation->replica_identity,
			.column_count = relation->column_count,
			.columns = columns,
		},
	};
	put(source, in, change->lsn, &message);
}

static uint64_t stream_key(const struct transaction *transaction, size_t table)
{
	return (uint64_t)transaction->xid << TABLE_BITS | table;
}

/* A definition sent inside a stream belongs to its transaction alone, until that commits. */
static void announce(struct replay_source *source, const struct wrapping *in,
	const struct change *change, size_t table)
{
	if (in->in_stream) {
		if (map_put(&source->sent_in_stream, stream_key(in->transaction, table), source))
			return;
	} else {
		if (source->is_relation_sent[table])
			return;
		source->is_relation_sent[table] = true;
	}
	put_relation(source, in, change, table);
}

static struct pgoutput_tuple key_only(
	struct replay_source *source, const struct relation *relation, struct pgoutput_tuple row)
{
	struct pgoutput_value *values =
		arena_copy(&source->arena, row.values, row.count * sizeof row.values[0]);
	for (size_t i = 0; i < row.count; i++)
		if (!relation->columns[i].is_key)
			values[i] = (struct pgoutput_value){ .kind = PGOUTPUT_VALUE_NULL };
	return (struct pgoutput_tuple){ row.count, values };
}

static bool key_changes(const struct relation *relation, const struct change *change)
{
	for (size_t i = 0; i < relation->column_count; i++)
		if (relation->columns[i].is_key &&
			change->new_row.values[i].kind != PGOUTPUT_VALUE_UNCHANGED &&
			!bytes_equal(
				change->old_row.values[i].bytes, change->new_row.values[i].bytes))
			return true;
	return false;
}

static void put_row(
	struct replay_source *source, const struct wrapping *in, const struct change *change)
{
	const struct relation *relation =
		&source->server->recording->tables[change->table].relation;
	struct pgoutput_message message = {
		.kind = change->kind,
		.xid = in->in_stream ? change->xid : 0,
		.row = { .relation_oid = relation->oid, .new_tuple = change->new_row },
	};
	if (change->kind != PGOUTPUT_INSERT && relation->replica_identity == 'f') {
		message.row.old_kind = 'O';
		message.row.old_tuple = change->old_row;
	} else if (change->kind == PGOUTPUT_DELETE ||
		   (change->kind == PGOUTPUT_UPDATE && key_changes(relation, change))) {
		message.row.old_kind = 'K';
		message.row.old_tuple = key_only(source, relation, change->old_row);
	}
	put(source, in, change->lsn, &message);
}

static bool is_published(const struct replay_source *source, size_t table)
{
	return atomic_load(&source->server->is_published[table]);
}

static void put_truncate(
	struct replay_source *source, const struct wrapping *in, const struct change *change)
{
	const struct recording *recording = source->server->recording;
	uint32_t *oids = arena_array(&source->arena, uint32_t, change->truncated_count);
	size_t count = 0;
	for (size_t i = 0; i < change->truncated_count; i++) {
		const size_t table = change->truncated[i];
		if (!is_published(source, table))
			continue;
		announce(source, in, change, table);
		oids[count++] = recording->tables[table].relation.oid;
	}
	const struct pgoutput_message message = {
		.kind = PGOUTPUT_TRUNCATE,
		.xid = in->in_stream ? change->xid : 0,
		.truncate = { .relation_count = count, .relation_oids = oids },
	};
	if (count > 0)
		put(source, in, change->lsn, &message);
}

static void put_changes(
	struct replay_source *source, const struct wrapping *in, const struct step *step)
{
	for (size_t i = 0; i < step->change_count; i++) {
		const struct change *change = step->changes[i];
		if (change->kind == PGOUTPUT_TRUNCATE) {
			put_truncate(source, in, change);
		} else if (is_published(source, change->table)) {
			announce(source, in, change, change->table);
			put_row(source, in, change);
		}
	}
}

static void put_commit(
	struct replay_source *source, const struct wrapping *in, enum pgoutput_kind kind)
{
	const struct transaction *transaction = in->transaction;
	const struct pgoutput_message message = {
		.kind = kind,
		.xid = kind == PGOUTPUT_STREAM_COMMIT ? transaction->xid : 0,
		.commit = { transaction->commit_lsn, transaction->end_lsn,
			transaction->committed_at },
	};
	put(source, in, transaction->commit_lsn, &message);
}

static void put_transaction(struct replay_source *source, const struct step *step)
{
	const struct wrapping in = { step->transaction, false };
	const struct pgoutput_message begin = {
		.kind = PGOUTPUT_BEGIN,
		.xid = step->transaction->xid,
		.begin = { step->transaction->commit_lsn, step->transaction->committed_at },
	};
	put(source, &in, step->transaction->commit_lsn, &begin);
	put_changes(source, &in, step);
	put_commit(source, &in, PGOUTPUT_COMMIT);
}

static void put_block(struct replay_source *source, const struct step *step)
{
	const struct wrapping outside = { step->transaction, false };
	const struct wrapping inside = { step->transaction, true };
	const struct pgoutput_message begin = {
		.kind = PGOUTPUT_STREAM_START,
		.xid = step->transaction->xid,
		.stream_start = { .is_first = step->is_first },
	};
	const struct pgoutput_message end = { .kind = PGOUTPUT_STREAM_STOP };
	put(source, &outside, step->end_lsn, &begin);
	put_changes(source, &inside, step);
	put(source, &outside, step->end_lsn, &end);
}

static void put_stream_commit(struct replay_source *source, const struct step *step)
{
	const struct wrapping in = { step->transaction, false };
	put_commit(source, &in, PGOUTPUT_STREAM_COMMIT);
	for (size_t i = 0; i < REPLAY_TABLES_MAX; i++)
		if (map_remove(&source->sent_in_stream, stream_key(step->transaction, i)))
			source->is_relation_sent[i] = true;
}

static void put_stream_abort(struct replay_source *source, const struct step *step)
{
	const struct wrapping in = { step->transaction, false };
	const struct pgoutput_message message = {
		.kind = PGOUTPUT_STREAM_ABORT,
		.xid = step->transaction->xid,
		.stream_abort = { .subtransaction_xid = step->subtransaction_xid },
	};
	put(source, &in, step->end_lsn, &message);
}

static void play_step(struct replay_source *source, const struct step *step)
{
	arena_reset(&source->arena);
	buffer_reset(&source->bytes);
	buffer_reset(&source->messages);
	source->next_message = 0;
	source->next_byte = 0;
	if (step->kind == STEP_OTHER || step->transaction->end_lsn <= source->from)
		return;
	switch (step->kind) {
	case STEP_TRANSACTION:
		put_transaction(source, step);
		break;
	case STEP_BLOCK:
		put_block(source, step);
		break;
	case STEP_STREAM_COMMIT:
		put_stream_commit(source, step);
		break;
	case STEP_STREAM_ABORT:
		put_stream_abort(source, step);
		break;
	case STEP_OTHER:
		break;
	}
}

/* ---- stream ------------------------------------------------------------------------------ */

static bool replay_start(struct source *base, lsn_t lsn, struct error *err)
{
	struct replay_source *source = replay_of(base);
	struct replay_server *server = source->server;
	assert(!source->is_on);
	if (!check_connected(source, err))
		return false;
	if (!atomic_load(&server->has_slot) || atomic_load(&server->slot_is_lost)) {
		error_set(err, ERROR_SETUP, "the slot does not exist or is invalidated");
		return error_hint(err, "Run walberg snapshot --all to make it anew.");
	}
	const lsn_t confirmed = atomic_load(&server->confirmed_lsn);
	source->from = lsn > confirmed ? lsn : confirmed;
	source->is_on = true;
	return true;
}

/* False when all that has happened is sent. */
static bool take_message(struct replay_source *source, struct source_message *out)
{
	const size_t happened = atomic_load(&source->server->happened);
	while (source->next_message == source->messages.size / sizeof(struct message)) {
		if (source->step == happened)
			return false;
		play_step(source, &source->server->recording->steps[source->step++]);
	}
	const struct message *messages = (const void *)source->messages.data;
	const struct message *message = &messages[source->next_message++];
	out->kind = SOURCE_MESSAGE;
	out->lsn = message->lsn;
	out->sent_at = message->sent_at;
	out->body =
		bytes_of(source->bytes.data + source->next_byte, message->end - source->next_byte);
	source->next_byte = message->end;
	return true;
}

static bool replay_receive(
	struct source *base, micros_t timeout, struct source_message *out, struct error *err)
{
	struct replay_source *source = replay_of(base);
	assert(source->is_on);
	if (!check_connected(source, err))
		return false;
	if (take_message(source, out))
		return true;
	const lsn_t lsn = recording_lsn_after(source->server->recording, source->step);
	if (lsn > source->keepalive_lsn) {
		source->keepalive_lsn = lsn;
		out->kind = SOURCE_KEEPALIVE;
		out->lsn = lsn;
		out->sent_at = world_now(source->world);
		return true;
	}
	if (timeout > 0)
		world_sleep(source->world, timeout);
	return true;
}

static bool replay_confirm(
	struct source *base, const struct log_receipt *receipt, struct error *err)
{
	struct replay_source *source = replay_of(base);
	if (!check_connected(source, err))
		return false;
	const lsn_t lsn = log_receipt_lsn(receipt);
	assert(lsn <= replay_server_lsn(source->server)); /* I3 */
	if (lsn > atomic_load(&source->server->confirmed_lsn))
		atomic_store(&source->server->confirmed_lsn, lsn);
	return true;
}

static void replay_close(struct source *base)
{
	struct replay_source *source = replay_of(base);
	map_deinit(&source->sent_in_stream);
	arena_deinit(&source->arena);
	buffer_deinit(&source->bytes);
	buffer_deinit(&source->messages);
	free(source);
}

bool source_replay_open(
	struct world *world, struct replay_server *server, struct source **out, struct error *err)
{
	static const struct source_ops ops = {
		.inspect = replay_inspect,
		.publish = replay_publish,
		.open_snapshot = replay_open_snapshot,
		.start = replay_start,
		.receive = replay_receive,
		.confirm = replay_confirm,
		.drop = replay_drop,
		.close = replay_close,
	};
	*out = NULL;
	if (atomic_load(&server->is_down))
		return error_set(err, ERROR_LOST, "the replayed server is down");
	struct replay_source *source = memory_allocate(1, sizeof *source);
	source->base.ops = &ops;
	source->world = world;
	source->server = server;
	source->cuts = atomic_load(&server->cuts);
	*out = &source->base;
	return true;
}
