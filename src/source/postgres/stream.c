#include "base/reader.h"
#include "source/postgres/postgres_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <libpq-fe.h>

enum {
	MESSAGES_PER_CLOCK = 64, /* the clock is read once in so many messages */
};

/* 2000-01-01, where PostgreSQL's clock begins, in microseconds since 1970. */
#define POSTGRES_EPOCH INT64_C(946684800000000)

static micros_t micros_of_server(uint64_t since_2000)
{
	return (micros_t)(since_2000 + (uint64_t)POSTGRES_EPOCH);
}

/* ---- start and end ----------------------------------------------------------------------- */

static bool check_slot(
	const struct postgres_source *source, const struct postgres_slot *slot, struct error *err)
{
	const char *name = source->options.slot_name;
	if (!slot->exists) {
		error_set(err, ERROR_SETUP, "replication slot \"%s\" does not exist", name);
		return error_hint(err, "Run walberg snapshot --all to make it anew and read "
				       "every table again.");
	}
	if (slot->is_lost) {
		error_set(err, ERROR_SETUP,
			"replication slot \"%s\" is invalidated: WAL that the lake needs is gone",
			name);
		return error_hint(err,
			"Run walberg snapshot --all to read every table again, and raise "
			"max_slot_wal_keep_size.");
	}
	if (slot->is_active) {
		error_set(err, ERROR_BUSY, "replication slot \"%s\" is in use by process %" PRId64,
			name, slot->active_pid);
		return error_hint(err,
			"If that connection is dead, the server gives the slot free after "
			"wal_sender_timeout; else stop the other reader of this slot.");
	}
	return true;
}

/* A failure of the stream itself: what is missing then is the slot, a publication or WAL. */
static bool stream_failed(
	struct postgres_source *source, const struct pg_result *result, struct error *err)
{
	postgres_failed(source->stream.walsender, result, err);
	if (err->kind != ERROR_MISSING && err->kind != ERROR_SETUP)
		return false;
	err->kind = ERROR_SETUP;
	return error_hint(err,
		"Slot \"%s\" or its publications were dropped or have lost WAL: run walberg "
		"snapshot --all to make them anew and read every table again.",
		source->options.slot_name);
}

static const char *start_command(
	const struct postgres_source *source, lsn_t lsn, struct arena *arena)
{
	char text[LSN_TEXT_SIZE];
	const struct postgres_options *options = &source->options;
	const char *publications =
		arena_format(arena, "%s,%s", postgres_identifier(arena, options->publication_name),
			postgres_identifier(arena, options->append_publication_name));
	return arena_format(arena,
		"START_REPLICATION SLOT %s LOGICAL %s (proto_version '2', publication_names %s,"
		" binary 'true', streaming 'on')",
		postgres_identifier(arena, options->slot_name), lsn_format(lsn, text),
		postgres_literal(arena, publications));
}

static bool send_start(struct postgres_source *source, lsn_t lsn, struct error *err)
{
	struct arena arena = { 0 };
	PGresult *result =
		postgres_execute(source->stream.walsender, start_command(source, lsn, &arena));
	arena_deinit(&arena);
	const bool is_on = PQresultStatus(result) == PGRES_COPY_BOTH;
	if (!is_on)
		stream_failed(source, result, err);
	PQclear(result);
	return is_on;
}

bool postgres_source_start(struct source *base, lsn_t lsn, struct error *err)
{
	struct postgres_source *source = postgres_source_of(base);
	struct postgres_stream *stream = &source->stream;
	assert(!stream->is_on);
	const struct postgres_target walsender = postgres_source_prompt_target(source, true);
	if (stream->walsender == NULL && !postgres_open(&walsender, &stream->walsender, err))
		return false;
	struct postgres_slot slot;
	if (!postgres_source_find_slot(source, &slot, err) || !check_slot(source, &slot, err))
		return false;
	if (!send_start(source, lsn, err))
		return false;
	stream->is_on = true;
	stream->confirmed_lsn = slot.confirmed_lsn;
	stream->replied_at = world_monotonic(source->world);
	return true;
}

void postgres_stream_end(struct postgres_stream *stream)
{
	if (stream->is_on) {
		PGconn *connection = postgres_handle(stream->walsender);
		if (PQputCopyEnd(connection, NULL) > 0)
			PQflush(connection);
	}
	PQfreemem(stream->message);
	postgres_close(stream->walsender);
	stream->message = NULL;
	stream->walsender = NULL;
	stream->is_on = false;
}

/* ---- to the server ----------------------------------------------------------------------- */

/*
 * Standby status update:
 *   'r' | i64 written LSN | i64 flushed LSN | i64 applied LSN | i64 clock | u8 reply requested
 */
static bool send_status(struct postgres_source *source, struct error *err)
{
	struct postgres_stream *stream = &source->stream;
	struct buffer status = { 0 };
	buffer_append_u8(&status, 'r');
	buffer_append_u64be(&status, stream->confirmed_lsn);
	buffer_append_u64be(&status, stream->confirmed_lsn);
	buffer_append_u64be(&status, stream->confirmed_lsn);
	buffer_append_u64be(&status, (uint64_t)(world_now(source->world) - POSTGRES_EPOCH));
	buffer_append_u8(&status, 0);
	PGconn *connection = postgres_handle(stream->walsender);
	const bool is_sent =
		PQputCopyData(connection, (const char *)status.data, (int)status.size) > 0 &&
		PQflush(connection) >= 0;
	buffer_deinit(&status);
	stream->replied_at = world_monotonic(source->world);
	return is_sent || postgres_failed(stream->walsender, NULL, err);
}

bool postgres_source_confirm(
	struct source *base, const struct log_receipt *receipt, struct error *err)
{
	struct postgres_source *source = postgres_source_of(base);
	assert(source->stream.is_on);
	const lsn_t lsn = log_receipt_lsn(receipt);
	if (lsn > source->stream.confirmed_lsn)
		source->stream.confirmed_lsn = lsn; /* I3 */
	return send_status(source, err);
}

/* ---- from the server --------------------------------------------------------------------- */

/*
 * XLogData:  'w' | i64 WAL start | i64 WAL end | i64 clock | a pgoutput message
 * Keepalive: 'k' | i64 WAL end | i64 clock | u8 reply requested
 */
static bool take_message(struct postgres_source *source, struct bytes body,
	struct source_message *out, struct error *err)
{
	struct reader in = reader_of(body);
	const uint8_t kind = reader_u8(&in);
	out->lsn = reader_u64be(&in);
	if (kind == 'w')
		reader_u64be(&in);
	out->sent_at = micros_of_server(reader_u64be(&in));
	if (kind == 'w') {
		out->kind = SOURCE_MESSAGE;
		out->body = reader_take(&in, reader_left(&in));
		return reader_finish(&in, "XLogData message", err);
	}
	if (kind != 'k')
		return error_set(
			err, ERROR_CORRUPT, "the server sent a message of unknown kind %u", kind);
	out->kind = SOURCE_KEEPALIVE;
	const bool wants_reply = reader_u8(&in) != 0;
	if (!reader_finish(&in, "Keepalive message", err))
		return false;
	return !wants_reply || send_status(source, err);
}

/* The server ended the stream: with an error, or because it stops. */
static bool stream_ended(struct postgres_source *source, struct error *err)
{
	PGresult *result = postgres_next_result(source->stream.walsender);
	if (PQresultStatus(result) == PGRES_FATAL_ERROR)
		stream_failed(source, result, err);
	else
		error_set(err, ERROR_LOST, "the server ended the stream");
	PQclear(result);
	return false;
}

/* *is_one is false when no whole message has arrived yet. */
static bool poll_message(
	struct postgres_source *source, struct source_message *out, bool *is_one, struct error *err)
{
	struct postgres_stream *stream = &source->stream;
	PQfreemem(stream->message);
	stream->message = NULL;
	const int size = PQgetCopyData(postgres_handle(stream->walsender), &stream->message, 1);
	*is_one = size > 0;
	if (size > 0)
		return take_message(source, bytes_of(stream->message, (size_t)size), out, err);
	if (size == 0)
		return true;
	return size == -1 ? stream_ended(source, err)
			  : postgres_failed(stream->walsender, NULL, err);
}

static bool reply_in_time(struct postgres_source *source, int64_t now, struct error *err)
{
	struct postgres_stream *stream = &source->stream;
	stream->unclocked = 0;
	return now - stream->replied_at < stream->reply_interval || send_status(source, err);
}

/* What has arrived by now goes into libpq's buffer. */
static bool take_bytes(struct postgres_source *source, struct error *err)
{
	if (PQconsumeInput(postgres_handle(source->stream.walsender)))
		return true;
	/* An error that the server sent before it closed says more than the closed socket. */
	return stream_ended(source, err);
}

/* Waits for bytes, but not beyond the deadline nor the next status update. */
static bool wait_for_bytes(
	struct postgres_source *source, int64_t now, int64_t deadline, struct error *err)
{
	struct postgres_stream *stream = &source->stream;
	const int64_t reply_at = stream->replied_at + stream->reply_interval;
	const int64_t until = reply_at < deadline ? reply_at : deadline;
	bool is_readable;
	return postgres_wait(stream->walsender, until > now ? until - now : 0, &is_readable, err);
}

bool postgres_source_receive(
	struct source *base, micros_t timeout, struct source_message *out, struct error *err)
{
	struct postgres_source *source = postgres_source_of(base);
	struct postgres_stream *stream = &source->stream;
	assert(stream->is_on);
	bool is_one;
	if (!poll_message(source, out, &is_one, err))
		return false;
	if (is_one && ++stream->unclocked < MESSAGES_PER_CLOCK)
		return true;
	int64_t now = world_monotonic(source->world);
	const int64_t deadline = now + timeout;
	if (!reply_in_time(source, now, err))
		return false;
	if (is_one)
		return true;
	for (;;) {
		if (!take_bytes(source, err) || !poll_message(source, out, &is_one, err))
			return false;
		if (is_one)
			return true;
		if (!wait_for_bytes(source, now, deadline, err))
			return false;
		now = world_monotonic(source->world);
		if (!reply_in_time(source, now, err))
			return false;
		if (now >= deadline)
			return true;
	}
}
