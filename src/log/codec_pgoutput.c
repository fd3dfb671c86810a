/*
 * Which Relation messages of pgoutput are in force, as the server sees it.
 *
 * The server sends a definition once and deems it sent.  One sent inside a streamed transaction
 * counts for that transaction alone, until its Stream Commit makes it general; after a Stream
 * Abort, of a subtransaction too, the server forgets what it sent in the transaction.
 * PostgreSQL manual, "Logical Replication Message Formats".
 */
#include "base/buffer.h"
#include "base/reader.h"
#include "log/log.h"

#include <stdlib.h>

enum {
	XID_SIZE = 4,
	PREPARE_XID_OFFSET = 1 + 8 + 8 + 8, /* in Stream Prepare: after flags, LSNs and time */
};

struct definition {
	uint32_t oid;
	uint32_t xid; /* of the streamed transaction it counts for; 0: in force */
	struct buffer body;
};

struct state {
	struct definition *items;
	size_t count;
	size_t capacity;
	uint32_t stream_xid; /* between Stream Start and Stream Stop; else 0 */
};

static void *pgoutput_open(void)
{
	return memory_allocate(1, sizeof(struct state));
}

static void drop_at(struct state *state, size_t index)
{
	buffer_deinit(&state->items[index].body);
	state->items[index] = state->items[--state->count];
}

static void clear(struct state *state)
{
	while (state->count > 0)
		drop_at(state, state->count - 1);
	state->stream_xid = 0;
}

static struct definition *find(struct state *state, uint32_t oid, uint32_t xid)
{
	for (size_t i = 0; i < state->count; i++)
		if (state->items[i].oid == oid && state->items[i].xid == xid)
			return &state->items[i];
	return NULL;
}

static struct definition *find_or_add(struct state *state, uint32_t oid, uint32_t xid)
{
	struct definition *found = find(state, oid, xid);
	if (found != NULL)
		return found;
	if (state->count == state->capacity) {
		state->capacity = state->capacity ? 2 * state->capacity : 16;
		state->items = memory_resize(state->items, state->capacity, sizeof *state->items);
	}
	state->items[state->count] = (struct definition){ .oid = oid, .xid = xid };
	return &state->items[state->count++];
}

/* Keep the message without the xid that it has inside a stream. */
static void define(struct state *state, struct bytes body)
{
	const size_t skip = state->stream_xid ? XID_SIZE : 0;
	struct reader in = reader_of(body);
	reader_take(&in, 1 + skip);
	const uint32_t oid = reader_u32be(&in);
	if (in.failed)
		return;
	struct definition *kept = find_or_add(state, oid, state->stream_xid);
	buffer_reset(&kept->body);
	buffer_append_u8(&kept->body, 'R');
	buffer_append(&kept->body, body.data + 1 + skip, body.size - 1 - skip);
}

static void stream_abort(struct state *state, uint32_t xid)
{
	for (size_t i = state->count; i-- > 0;)
		if (state->items[i].xid == xid && xid != 0)
			drop_at(state, i);
}

static void stream_commit(struct state *state, uint32_t xid)
{
	for (size_t i = state->count; i-- > 0;) {
		if (state->items[i].xid != xid || xid == 0)
			continue;
		struct definition *old = find(state, state->items[i].oid, 0);
		if (old == NULL) {
			state->items[i].xid = 0;
			continue;
		}
		const struct buffer body = old->body;
		old->body = state->items[i].body;
		state->items[i].body = body;
		drop_at(state, i);
	}
}

static uint32_t xid_at(struct bytes body, size_t offset)
{
	struct reader in = reader_of(body);
	reader_take(&in, 1 + offset);
	return reader_u32be(&in);
}

static void observe_message(struct state *state, struct bytes body)
{
	switch (body.size ? body.data[0] : 0) {
	case 'R':
		define(state, body);
		break;
	case 'S':
		state->stream_xid = xid_at(body, 0);
		break;
	case 'E':
		state->stream_xid = 0;
		break;
	case 'A':
		stream_abort(state, xid_at(body, 0));
		break;
	case 'c':
		stream_commit(state, xid_at(body, 0));
		break;
	case 'p':
		stream_commit(state, xid_at(body, PREPARE_XID_OFFSET));
		break;
	default:
		break;
	}
}

static void pgoutput_observe(void *opaque, enum log_kind kind, struct bytes body)
{
	struct state *state = opaque;
	if (kind == LOG_START) {
		clear(state); /* a new connection is sent every definition again */
	} else if (kind == LOG_MESSAGE) {
		observe_message(state, body);
	} else if (kind == LOG_RELATION) {
		const uint32_t stream_xid = state->stream_xid;
		state->stream_xid = 0;
		define(state, body);
		state->stream_xid = stream_xid;
	}
}

static void pgoutput_definitions(
	void *opaque, void (*emit)(void *context, struct bytes body), void *context)
{
	const struct state *state = opaque;
	for (size_t i = 0; i < state->count; i++)
		if (state->items[i].xid == 0)
			emit(context, buffer_bytes(&state->items[i].body));
}

static void pgoutput_close(void *opaque)
{
	struct state *state = opaque;
	clear(state);
	free(state->items);
	free(state);
}

const struct log_codec log_codec_pgoutput = {
	.name = "pgoutput",
	.open = pgoutput_open,
	.observe = pgoutput_observe,
	.definitions = pgoutput_definitions,
	.close = pgoutput_close,
};
