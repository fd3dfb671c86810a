#include "source/replay/replay.h"

#include "base/test.h"

struct fixture {
	struct arena arena;
	struct recording *recording;
	struct replay_server server;
	struct source *source;
	size_t keyed;
	size_t append;
};

static const struct relation KEYED = {
	.oid = 100,
	.namespace_name = "public",
	.name = "keyed",
	.replica_identity = 'd',
	.column_count = 2,
	.columns =
		(struct relation_column[]){
			{ "id", 23, -1, { VALUE_INT, 0, 0 }, true, true, 0, 0, NULL },
			{ "note", 25, -1, { VALUE_STRING, 0, 0 }, false, false, 0, 0, NULL },
		},
};

static const struct relation APPEND = {
	.oid = 101,
	.namespace_name = "public",
	.name = "append",
	.replica_identity = 'd',
	.is_append = true,
	.column_count = 1,
	.columns = (struct relation_column[]){ { "n", 20, -1, { VALUE_LONG, 0, 0 }, false, false, 0,
		0, NULL } },
};

static void begin(struct fixture *f)
{
	*f = (struct fixture){ .recording = recording_open("7000000000000000001") };
	f->keyed = recording_add_table(f->recording, &KEYED);
	f->append = recording_add_table(f->recording, &APPEND);
}

/* Everything that was recorded has happened, to a server with a slot at its very beginning. */
static void serve(struct fixture *f)
{
	replay_server_init(&f->server, f->recording);
	f->server.has_slot = true;
	f->server.is_published[f->keyed] = true;
	f->server.is_published[f->append] = true;
	f->server.happened = recording_step_count(f->recording);
}

static void reopen(struct fixture *f, lsn_t lsn)
{
	struct error err;
	source_close(f->source);
	CHECK_OK(source_replay_open(world_posix(), &f->server, &f->source, &err), &err);
	CHECK_OK(source_start(f->source, lsn, &err), &err);
}

static void finish(struct fixture *f)
{
	source_close(f->source);
	recording_close(f->recording);
	arena_deinit(&f->arena);
}

static struct pgoutput_tuple row(struct fixture *f, int32_t id, const char *note)
{
	const struct pgoutput_value values[] = { replay_int4(&f->arena, id),
		replay_text(&f->arena, note) };
	return replay_row(&f->arena, values, 2);
}

static struct pgoutput_tuple number(struct fixture *f, int64_t n)
{
	const struct pgoutput_value value = replay_int8(&f->arena, n);
	return replay_row(&f->arena, &value, 1);
}

/* The kinds of the messages that come, 'k' for a keepalive, until there is nothing. */
static const char *played(struct fixture *f)
{
	struct buffer kinds = { 0 };
	bool in_stream = false;
	for (;;) {
		struct source_message message;
		struct pgoutput_message decoded;
		struct error err;
		CHECK_OK(source_receive(f->source, 0, &message, &err), &err);
		if (message.kind == SOURCE_NOTHING)
			break;
		buffer_append_u8(
			&kinds, message.kind == SOURCE_KEEPALIVE ? 'k' : message.body.data[0]);
		if (message.kind == SOURCE_KEEPALIVE)
			continue;
		CHECK_OK(pgoutput_decode(message.body, in_stream, &f->arena, &decoded, &err), &err);
		in_stream = decoded.kind == PGOUTPUT_STREAM_START ||
			    (in_stream && decoded.kind != PGOUTPUT_STREAM_STOP);
	}
	const char *text = arena_copy_text(&f->arena, buffer_bytes(&kinds));
	buffer_deinit(&kinds);
	return text;
}

TEST(a_replay_sends_what_ends_after_the_start_and_definitions_once_a_connection)
{
	struct fixture f;
	begin(&f);
	uint32_t xid = recording_begin(f.recording, false, 1);
	recording_insert(f.recording, xid, f.keyed, row(&f, 1, "a"));
	recording_update(f.recording, xid, f.keyed, row(&f, 1, "a"), row(&f, 1, "b"));
	recording_insert(f.recording, xid, f.append, number(&f, 5));
	const lsn_t first = recording_commit(f.recording, xid);
	recording_advance(f.recording, 100);
	xid = recording_begin(f.recording, false, 2);
	recording_delete(f.recording, xid, f.keyed, row(&f, 1, "b"));
	const lsn_t second = recording_commit(f.recording, xid);
	serve(&f);
	reopen(&f, 0);
	CHECK_TEXT(played(&f), "BRIURICBDCk");
	reopen(&f, first);
	CHECK_TEXT(played(&f), "BRDCk");
	struct error err;
	CHECK_OK(source_confirm(f.source, &(struct log_receipt){ second }, &err), &err);
	reopen(&f, first);
	CHECK_TEXT(played(&f), "k");
	f.server.is_published[f.keyed] = false;
	f.server.confirmed_lsn = 0;
	reopen(&f, 0);
	CHECK_TEXT(played(&f), "BRICBCk");
	finish(&f);
}

TEST(a_replayed_stream_interleaves_takes_back_and_starts_again_after_a_reconnect)
{
	struct fixture f;
	begin(&f);
	const uint32_t big = recording_begin(f.recording, true, 1);
	recording_insert(f.recording, big, f.keyed, row(&f, 1, "a"));
	recording_savepoint(f.recording, big);
	recording_insert(f.recording, big, f.keyed, row(&f, 2, "b"));
	recording_send_block(f.recording, big);
	recording_insert(f.recording, big, f.keyed, row(&f, 3, "c"));
	const uint32_t small = recording_begin(f.recording, false, 2);
	recording_insert(f.recording, small, f.keyed, row(&f, 4, "d"));
	const lsn_t middle = recording_commit(f.recording, small);
	recording_rollback_to_savepoint(f.recording, big);
	recording_insert(f.recording, big, f.keyed, row(&f, 5, "e"));
	const lsn_t end = recording_commit(f.recording, big);
	const uint32_t aborted = recording_begin(f.recording, true, 3);
	recording_insert(f.recording, aborted, f.append, number(&f, 1));
	recording_send_block(f.recording, aborted);
	recording_abort(f.recording, aborted);
	serve(&f);
	reopen(&f, 0);
	CHECK_TEXT(played(&f), "SRIIE"
			       "BRIC"
			       "A"
			       "SIE"
			       "c"
			       "SRIE"
			       "A"
			       "k");
	reopen(&f, middle);
	CHECK_TEXT(played(&f), "SRIIE"
			       "A"
			       "SIE"
			       "c"
			       "SRIE"
			       "A"
			       "k");

	struct pgoutput_tuple *rows;
	CHECK_EQUAL(replay_rows_at(f.recording, f.keyed, middle, &f.arena, &rows), 1);
	CHECK_EQUAL(replay_rows_at(f.recording, f.keyed, end - 1, &f.arena, &rows), 1);
	CHECK_EQUAL(replay_rows_at(f.recording, f.keyed, end, &f.arena, &rows), 3);
	CHECK_EQUAL(rows[2].values[0].bytes.data[3], 5);
	CHECK_EQUAL(replay_rows_at(f.recording, f.append, UINT64_MAX - 1, &f.arena, &rows), 0);
	finish(&f);
}

TEST(the_rows_at_a_position_follow_updates_of_keys_unchanged_values_and_truncates)
{
	struct fixture f;
	begin(&f);
	uint32_t xid = recording_begin(f.recording, false, 1);
	recording_insert(f.recording, xid, f.keyed, row(&f, 1, "long"));
	const struct pgoutput_value moved[] = { replay_int4(&f.arena, 2), replay_unchanged() };
	recording_update(
		f.recording, xid, f.keyed, row(&f, 1, "long"), replay_row(&f.arena, moved, 2));
	recording_insert(f.recording, xid, f.keyed, row(&f, 1, "new"));
	const lsn_t full = recording_commit(f.recording, xid);
	xid = recording_begin(f.recording, false, 2);
	recording_truncate(f.recording, xid, &f.keyed, 1);
	recording_insert(f.recording, xid, f.keyed, row(&f, 9, "after"));
	const lsn_t truncated = recording_commit(f.recording, xid);
	struct pgoutput_tuple *rows;
	CHECK_EQUAL(replay_rows_at(f.recording, f.keyed, full, &f.arena, &rows), 2);
	CHECK(bytes_equal(rows[0].values[1].bytes, BYTES_LITERAL("long")));
	CHECK(bytes_equal(rows[1].values[1].bytes, BYTES_LITERAL("new")));
	CHECK_EQUAL(replay_rows_at(f.recording, f.keyed, truncated, &f.arena, &rows), 1);
	finish(&f);
}

TEST(a_replayed_snapshot_has_the_rows_of_its_point_and_notices_a_truncate)
{
	struct fixture f;
	begin(&f);
	for (int i = 0; i < 200; i++) {
		const uint32_t xid = recording_begin(f.recording, false, i);
		recording_insert(f.recording, xid, f.keyed, row(&f, i, "a row of the snapshot"));
		recording_commit(f.recording, xid);
	}
	const uint32_t xid = recording_begin(f.recording, false, 1000);
	recording_truncate(f.recording, xid, &f.keyed, 1);
	recording_commit(f.recording, xid);
	serve(&f);
	f.server.has_slot = false;
	f.server.happened = 100;

	struct error err;
	struct source_state state;
	struct source_snapshot *snapshot;
	CHECK_OK(source_replay_open(world_posix(), &f.server, &f.source, &err), &err);
	CHECK_OK(source_inspect(f.source, &f.arena, &state, &err), &err);
	CHECK_EQUAL(state.relation_count, 2);
	CHECK(!state.has_slot);
	CHECK_OK(source_open_snapshot(f.source, true, &snapshot, &err), &err);
	CHECK_EQUAL(snapshot->lsn, recording_lsn_after(f.recording, 100));
	f.server.happened = 150;
	CHECK_OK(source_snapshot_open_table(snapshot, &state.relations[0], &err), &err);
	struct buffer expected = { 0 }, actual = { 0 };
	replay_copy_at(f.recording, f.keyed, snapshot->lsn, &expected);
	struct bytes chunk;
	do {
		CHECK_OK(source_snapshot_next(snapshot, &chunk, &err), &err);
		buffer_append_bytes(&actual, chunk);
	} while (chunk.size > 0);
	CHECK(bytes_equal(buffer_bytes(&expected), buffer_bytes(&actual)));
	CHECK_EQUAL(actual.size, 19 + 100 * (2 + 8 + 4 + 21) + 2);
	f.server.happened = 201;
	CHECK(!source_snapshot_open_table(snapshot, &state.relations[0], &err));
	CHECK_EQUAL(err.kind, ERROR_CONFLICT);
	source_snapshot_close(snapshot);
	buffer_deinit(&expected);
	buffer_deinit(&actual);
	finish(&f);
}

TEST(a_cut_replay_is_lost_until_it_is_opened_again)
{
	struct fixture f;
	begin(&f);
	recording_advance(f.recording, 8);
	serve(&f);
	reopen(&f, 0);
	replay_server_cut(&f.server);
	struct source_message message;
	struct error err;
	CHECK(!source_receive(f.source, 0, &message, &err));
	CHECK_EQUAL(err.kind, ERROR_LOST);
	reopen(&f, 0);
	CHECK_TEXT(played(&f), "k");
	f.server.slot_is_lost = true;
	source_close(f.source);
	CHECK_OK(source_replay_open(world_posix(), &f.server, &f.source, &err), &err);
	CHECK(!source_start(f.source, 0, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	finish(&f);
}
