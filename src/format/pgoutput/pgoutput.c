#include "format/pgoutput/pgoutput.h"

#include "base/reader.h"

enum {
	COLUMN_FLAG_KEY = 1,
	COLUMN_SIZE_MIN = 1 + 1 + 4 + 4, /* flags, empty name, type, modifier */
	VALUE_SIZE_MIN = 1,              /* NULL has nothing but its kind */
	TRUNCATE_CASCADE = 1,
	TRUNCATE_RESTART_IDENTITY = 2,
	MESSAGE_TRANSACTIONAL = 1,
};

#define MICROS_1970_TO_2000 INT64_C(946684800000000)

static const char *kind_name(uint8_t kind)
{
	switch (kind) {
	case PGOUTPUT_BEGIN:
		return "Begin";
	case PGOUTPUT_COMMIT:
		return "Commit";
	case PGOUTPUT_ORIGIN:
		return "Origin";
	case PGOUTPUT_RELATION:
		return "Relation";
	case PGOUTPUT_TYPE:
		return "Type";
	case PGOUTPUT_INSERT:
		return "Insert";
	case PGOUTPUT_UPDATE:
		return "Update";
	case PGOUTPUT_DELETE:
		return "Delete";
	case PGOUTPUT_TRUNCATE:
		return "Truncate";
	case PGOUTPUT_MESSAGE:
		return "Message";
	case PGOUTPUT_STREAM_START:
		return "Stream Start";
	case PGOUTPUT_STREAM_STOP:
		return "Stream Stop";
	case PGOUTPUT_STREAM_COMMIT:
		return "Stream Commit";
	case PGOUTPUT_STREAM_ABORT:
		return "Stream Abort";
	default:
		return "unknown";
	}
}

/* Begin Prepare, Prepare, Commit Prepared, Rollback Prepared, Stream Prepare. */
static bool is_two_phase(uint8_t kind)
{
	return kind != 0 && strchr("bPKrp", kind) != NULL;
}

/* The messages that say which transaction they belong to when they stand inside a stream. */
static bool has_stream_xid(uint8_t kind)
{
	return kind != 0 && strchr("RYIUDTM", kind) != NULL;
}

/* As reader_u32be, without a call: a row has one for each value. */
static inline uint32_t read_u32(struct reader *in)
{
	const struct bytes slice = reader_take(in, 4);
	uint32_t value = 0;
	if (slice.size)
		memcpy(&value, slice.data, 4);
	return __builtin_bswap32(value);
}

static inline uint8_t read_u8(struct reader *in)
{
	const struct bytes slice = reader_take(in, 1);
	return slice.size ? slice.data[0] : 0;
}

/* A byte of which only some bits have a meaning. */
static uint8_t read_flags(struct reader *in, uint8_t known)
{
	const uint8_t flags = read_u8(in);
	in->failed |= (flags & ~known) != 0;
	return flags;
}

/* On the wire: microseconds since 2000-01-01. */
static micros_t read_time(struct reader *in)
{
	micros_t time = 0;
	const int64_t since_2000 = (int64_t)reader_u64be(in);
	in->failed |= __builtin_add_overflow(since_2000, MICROS_1970_TO_2000, &time);
	return time;
}

/* u16 count | per value: u8 kind | of 't' and 'b': u32 size, bytes */
static struct pgoutput_tuple read_tuple(struct reader *in, struct arena *arena)
{
	const size_t count = reader_count(in, reader_u16be(in), VALUE_SIZE_MIN);
	in->failed |= count > PGOUTPUT_COLUMNS_MAX;
	if (in->failed)
		return (struct pgoutput_tuple){ 0 };
	struct pgoutput_value *values = arena_array(arena, struct pgoutput_value, count);
	for (size_t i = 0; i < count; i++) {
		values[i].kind = read_u8(in);
		if (values[i].kind == 't' || values[i].kind == 'b')
			values[i].bytes = reader_take(in, read_u32(in));
		else if (values[i].kind != 'n' && values[i].kind != 'u')
			in->failed = true;
	}
	return (struct pgoutput_tuple){ count, values };
}

/*
 * After the xid: u32 relation | [ 'K' or 'O' | old tuple ] | [ 'N' | new tuple ].
 * Insert has the new one, Delete the old one, Update the new one and sometimes the old one.
 */
static void read_row(struct reader *in, struct arena *arena, struct pgoutput_message *out)
{
	struct pgoutput_row *row = &out->row;
	row->relation_oid = read_u32(in);
	uint8_t part = read_u8(in);
	if (out->kind != PGOUTPUT_INSERT && (part == 'K' || part == 'O')) {
		row->old_kind = (char)part;
		row->old_tuple = read_tuple(in, arena);
		part = out->kind == PGOUTPUT_UPDATE ? read_u8(in) : 0;
	}
	if (out->kind != PGOUTPUT_DELETE && part == 'N')
		row->new_tuple = read_tuple(in, arena);
	else
		in->failed |= out->kind != PGOUTPUT_DELETE || row->old_kind == 0;
}

/* u8 flags | cstring name | u32 type | i32 type modifier */
static struct pgoutput_column read_column(struct reader *in)
{
	struct pgoutput_column column = { 0 };
	column.is_key = read_flags(in, COLUMN_FLAG_KEY) != 0;
	column.name = reader_cstring(in);
	column.type_oid = read_u32(in);
	column.type_modifier = (int32_t)read_u32(in);
	return column;
}

/* u32 oid | cstring namespace | cstring name | u8 replica identity | u16 count | columns */
static void read_relation(struct reader *in, struct arena *arena, struct pgoutput_relation *out)
{
	out->oid = read_u32(in);
	out->namespace_name = reader_cstring(in);
	out->name = reader_cstring(in);
	out->replica_identity = (char)read_u8(in);
	in->failed |= memchr("dnfi", out->replica_identity, 4) == NULL;
	out->column_count = reader_count(in, reader_u16be(in), COLUMN_SIZE_MIN);
	in->failed |= out->column_count > PGOUTPUT_COLUMNS_MAX;
	if (in->failed)
		return;
	struct pgoutput_column *columns =
		arena_array(arena, struct pgoutput_column, out->column_count);
	for (size_t i = 0; i < out->column_count; i++)
		columns[i] = read_column(in);
	out->columns = columns;
}

/* u32 count | u8 options | u32 relation each */
static void read_truncate(struct reader *in, struct arena *arena, struct pgoutput_truncate *out)
{
	const uint32_t count = read_u32(in);
	const uint8_t options = read_flags(in, TRUNCATE_CASCADE | TRUNCATE_RESTART_IDENTITY);
	out->cascade = options & TRUNCATE_CASCADE;
	out->restart_identity = options & TRUNCATE_RESTART_IDENTITY;
	out->relation_count = reader_count(in, count, sizeof(uint32_t));
	uint32_t *oids = arena_array(arena, uint32_t, out->relation_count);
	for (size_t i = 0; i < out->relation_count; i++)
		oids[i] = read_u32(in);
	out->relation_oids = oids;
}

/* u8 flags, unused | u64 commit LSN | u64 end LSN | i64 time */
static void read_commit(struct reader *in, struct pgoutput_commit *out)
{
	read_flags(in, 0);
	out->commit_lsn = reader_u64be(in);
	out->end_lsn = reader_u64be(in);
	out->committed_at = read_time(in);
}

/* u64 commit LSN | i64 time | u32 xid */
static void read_begin(struct reader *in, struct pgoutput_message *out)
{
	out->begin.commit_lsn = reader_u64be(in);
	out->begin.committed_at = read_time(in);
	out->xid = read_u32(in);
}

/* u8 flags | u64 LSN | cstring prefix | u32 size | content */
static void read_logical_message(struct reader *in, struct pgoutput_logical_message *out)
{
	out->is_transactional = read_flags(in, MESSAGE_TRANSACTIONAL) != 0;
	out->lsn = reader_u64be(in);
	out->prefix = reader_cstring(in);
	out->content = reader_take(in, read_u32(in));
}

/* u32 xid | u32 xid of the subtransaction | from protocol 4 on: u64 LSN | i64 time */
static void read_stream_abort(struct reader *in, struct pgoutput_message *out)
{
	out->xid = read_u32(in);
	out->stream_abort.subtransaction_xid = read_u32(in);
	if (reader_left(in) == 0)
		return;
	out->stream_abort.lsn = reader_u64be(in);
	out->stream_abort.aborted_at = read_time(in);
	in->failed |= out->stream_abort.lsn == 0;
}

static void read_fields(struct reader *in, struct arena *arena, struct pgoutput_message *out)
{
	switch (out->kind) {
	case PGOUTPUT_INSERT:
	case PGOUTPUT_UPDATE:
	case PGOUTPUT_DELETE:
		read_row(in, arena, out);
		break;
	case PGOUTPUT_BEGIN:
		read_begin(in, out);
		break;
	case PGOUTPUT_STREAM_COMMIT:
		out->xid = read_u32(in);
		read_commit(in, &out->commit);
		break;
	case PGOUTPUT_COMMIT:
		read_commit(in, &out->commit);
		break;
	case PGOUTPUT_ORIGIN:
		out->origin.commit_lsn = reader_u64be(in);
		out->origin.name = reader_cstring(in);
		break;
	case PGOUTPUT_RELATION:
		read_relation(in, arena, &out->relation);
		break;
	case PGOUTPUT_TYPE:
		out->type.oid = read_u32(in);
		out->type.namespace_name = reader_cstring(in);
		out->type.name = reader_cstring(in);
		break;
	case PGOUTPUT_TRUNCATE:
		read_truncate(in, arena, &out->truncate);
		break;
	case PGOUTPUT_MESSAGE:
		read_logical_message(in, &out->message);
		break;
	case PGOUTPUT_STREAM_START:
		out->xid = read_u32(in);
		out->stream_start.is_first = read_flags(in, 1) != 0;
		break;
	case PGOUTPUT_STREAM_ABORT:
		read_stream_abort(in, out);
		break;
	case PGOUTPUT_STREAM_STOP:
	case PGOUTPUT_NONE:
		break;
	}
}

static bool set_unknown_kind(uint8_t kind, struct error *err)
{
	if (!is_two_phase(kind))
		return error_set(
			err, ERROR_CORRUPT, "no pgoutput message begins with byte 0x%02x", kind);
	error_set(err, ERROR_UNSUPPORTED,
		"pgoutput message '%c' of a two-phase commit cannot be decoded", kind);
	return error_hint(err, "Create the replication slot without TWO_PHASE.");
}

bool pgoutput_decode(struct bytes body, bool in_stream, struct arena *message_arena,
	struct pgoutput_message *out, struct error *err)
{
	memset(out, 0, sizeof *out);
	struct reader in = reader_of(body);
	const uint8_t kind = read_u8(&in);
	const char *name = kind_name(kind);
	if (in.failed)
		return error_set(err, ERROR_CORRUPT, "a pgoutput message is empty");
	if (strcmp(name, "unknown") == 0)
		return set_unknown_kind(kind, err);
	out->kind = (enum pgoutput_kind)kind;
	if (in_stream && has_stream_xid(kind))
		out->xid = read_u32(&in);
	read_fields(&in, message_arena, out);
	if (reader_finish(&in, name, err))
		return true;
	return error_context(err, "decoding a pgoutput message");
}

bool pgoutput_peek(struct bytes body, bool in_stream, struct pgoutput_peek *out)
{
	*out = (struct pgoutput_peek){ 0 };
	struct reader in = reader_of(body);
	struct pgoutput_message message = { 0 };
	out->kind = read_u8(&in);
	if (in_stream && has_stream_xid(out->kind))
		out->xid = read_u32(&in);
	switch (out->kind) {
	case PGOUTPUT_BEGIN:
		read_begin(&in, &message);
		out->xid = message.xid;
		out->committed_at = message.begin.committed_at;
		break;
	case PGOUTPUT_STREAM_COMMIT:
		out->xid = read_u32(&in);
		read_commit(&in, &message.commit);
		out->end_lsn = message.commit.end_lsn;
		out->committed_at = message.commit.committed_at;
		break;
	case PGOUTPUT_COMMIT:
		read_commit(&in, &message.commit);
		out->end_lsn = message.commit.end_lsn;
		out->committed_at = message.commit.committed_at;
		break;
	case PGOUTPUT_RELATION:
	case PGOUTPUT_INSERT:
	case PGOUTPUT_UPDATE:
	case PGOUTPUT_DELETE:
		out->relation_oid = read_u32(&in);
		break;
	case PGOUTPUT_STREAM_START:
	case PGOUTPUT_STREAM_ABORT:
		out->xid = read_u32(&in);
		break;
	default:
		break;
	}
	return !in.failed;
}
