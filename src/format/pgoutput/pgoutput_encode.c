#include "format/pgoutput/pgoutput_encode.h"

#include <assert.h>

#define MICROS_1970_TO_2000 INT64_C(946684800000000)

static void write_time(struct buffer *out, micros_t time)
{
	buffer_append_u64be(out, (uint64_t)time - (uint64_t)MICROS_1970_TO_2000);
}

static void write_cstring(struct buffer *out, struct bytes text)
{
	buffer_append_bytes(out, text);
	buffer_append_u8(out, 0);
}

static void write_sized(struct buffer *out, struct bytes bytes)
{
	buffer_append_u32be(out, (uint32_t)bytes.size);
	buffer_append_bytes(out, bytes);
}

static void write_tuple(struct buffer *out, char kind, const struct pgoutput_tuple *tuple)
{
	buffer_append_u8(out, (uint8_t)kind);
	buffer_append_u16be(out, (uint16_t)tuple->count);
	for (size_t i = 0; i < tuple->count; i++) {
		const struct pgoutput_value *value = &tuple->values[i];
		buffer_append_u8(out, value->kind);
		if (value->kind == PGOUTPUT_VALUE_TEXT || value->kind == PGOUTPUT_VALUE_BINARY)
			write_sized(out, value->bytes);
	}
}

static void write_row(struct buffer *out, enum pgoutput_kind kind, const struct pgoutput_row *row)
{
	buffer_append_u32be(out, row->relation_oid);
	if (kind != PGOUTPUT_INSERT && row->old_kind)
		write_tuple(out, row->old_kind, &row->old_tuple);
	if (kind != PGOUTPUT_DELETE)
		write_tuple(out, 'N', &row->new_tuple);
}

static void write_relation(struct buffer *out, const struct pgoutput_relation *relation)
{
	buffer_append_u32be(out, relation->oid);
	write_cstring(out, relation->namespace_name);
	write_cstring(out, relation->name);
	buffer_append_u8(out, (uint8_t)relation->replica_identity);
	buffer_append_u16be(out, (uint16_t)relation->column_count);
	for (size_t i = 0; i < relation->column_count; i++) {
		const struct pgoutput_column *column = &relation->columns[i];
		buffer_append_u8(out, column->is_key);
		write_cstring(out, column->name);
		buffer_append_u32be(out, column->type_oid);
		buffer_append_u32be(out, (uint32_t)column->type_modifier);
	}
}

static void write_truncate(struct buffer *out, const struct pgoutput_truncate *truncate)
{
	buffer_append_u32be(out, (uint32_t)truncate->relation_count);
	buffer_append_u8(out, (uint8_t)(truncate->cascade | truncate->restart_identity << 1));
	for (size_t i = 0; i < truncate->relation_count; i++)
		buffer_append_u32be(out, truncate->relation_oids[i]);
}

static void write_commit(struct buffer *out, const struct pgoutput_commit *commit)
{
	buffer_append_u8(out, 0);
	buffer_append_u64be(out, commit->commit_lsn);
	buffer_append_u64be(out, commit->end_lsn);
	write_time(out, commit->committed_at);
}

static void write_logical_message(
	struct buffer *out, const struct pgoutput_logical_message *message)
{
	buffer_append_u8(out, message->is_transactional);
	buffer_append_u64be(out, message->lsn);
	write_cstring(out, message->prefix);
	write_sized(out, message->content);
}

static void write_stream_abort(struct buffer *out, const struct pgoutput_message *message)
{
	buffer_append_u32be(out, message->xid);
	buffer_append_u32be(out, message->stream_abort.subtransaction_xid);
	if (message->stream_abort.lsn == 0)
		return;
	buffer_append_u64be(out, message->stream_abort.lsn);
	write_time(out, message->stream_abort.aborted_at);
}

void pgoutput_encode(struct buffer *out, const struct pgoutput_message *message, bool in_stream)
{
	assert(message->kind != PGOUTPUT_NONE);
	buffer_append_u8(out, (uint8_t)message->kind);
	if (in_stream && strchr("RYIUDTM", message->kind) != NULL)
		buffer_append_u32be(out, message->xid);
	switch (message->kind) {
	case PGOUTPUT_BEGIN:
		buffer_append_u64be(out, message->begin.commit_lsn);
		write_time(out, message->begin.committed_at);
		buffer_append_u32be(out, message->xid);
		break;
	case PGOUTPUT_COMMIT:
		write_commit(out, &message->commit);
		break;
	case PGOUTPUT_STREAM_COMMIT:
		buffer_append_u32be(out, message->xid);
		write_commit(out, &message->commit);
		break;
	case PGOUTPUT_ORIGIN:
		buffer_append_u64be(out, message->origin.commit_lsn);
		write_cstring(out, message->origin.name);
		break;
	case PGOUTPUT_RELATION:
		write_relation(out, &message->relation);
		break;
	case PGOUTPUT_TYPE:
		buffer_append_u32be(out, message->type.oid);
		write_cstring(out, message->type.namespace_name);
		write_cstring(out, message->type.name);
		break;
	case PGOUTPUT_INSERT:
	case PGOUTPUT_UPDATE:
	case PGOUTPUT_DELETE:
		write_row(out, message->kind, &message->row);
		break;
	case PGOUTPUT_TRUNCATE:
		write_truncate(out, &message->truncate);
		break;
	case PGOUTPUT_MESSAGE:
		write_logical_message(out, &message->message);
		break;
	case PGOUTPUT_STREAM_START:
		buffer_append_u32be(out, message->xid);
		buffer_append_u8(out, message->stream_start.is_first);
		break;
	case PGOUTPUT_STREAM_ABORT:
		write_stream_abort(out, message);
		break;
	case PGOUTPUT_STREAM_STOP:
	case PGOUTPUT_NONE:
		break;
	}
}
