#include "engine/capture.h"

#include "base/logline.h"
#include "format/pgoutput/pgoutput.h"

#include <stdlib.h>

enum {
	UNSYNCED_BYTES_MAX = 4 * 1024 * 1024, /* then made durable, even if more is there */
	GATHER_INTERVAL = 10 * 1000,          /* or after this time */
	GATHER_PAUSE = 1000,                  /* many small messages are cheaper taken at once */
	FULL_CONFIRM_INTERVAL = 1000 * 1000,  /* while nothing is read, the server hears of us */
};

struct capture {
	struct world *world;
	struct source *source;
	struct log *log;
	struct capture_last expected;
	bool in_transaction; /* between Begin and Commit */
	bool in_stream;
	uint32_t xid;   /* of the transaction in progress */
	lsn_t mark_lsn; /* the last mark in the log */
	size_t unsynced_bytes;
	bool has_unsynced;
	micros_t sync_due_at;
	bool is_full;
	struct buffer held; /* the record that did not go into the full log */
	struct log_record held_record;
	micros_t full_confirm_at;
	struct log_receipt receipt; /* of what is durable */
	struct log_receipt told;    /* of what the source may hear of */
	struct capture_last last;
	_Atomic uint32_t *is_logging;
};

bool capture_open(struct world *world, struct source *source, struct log *log,
	const struct capture_last *expected, _Atomic uint32_t *is_logging, struct capture **out,
	struct error *err)
{
	struct capture *capture = memory_allocate(1, sizeof *capture);
	capture->world = world;
	capture->source = source;
	capture->log = log;
	capture->expected = *expected;
	capture->is_logging = is_logging;
	const struct log_record start = {
		.kind = LOG_START,
		.end_lsn = 0,
		.received_at = world_now(world),
	};
	if (!source_start(source, 0, err) || !log_append(log, &start, err) ||
		!log_sync(log, &capture->receipt, err)) {
		capture_close(capture);
		return error_context(err, "beginning to capture");
	}
	if (expected->end_lsn == 0)
		capture->told = capture->receipt;
	*out = capture;
	return true;
}

void capture_close(struct capture *capture)
{
	if (capture == NULL)
		return;
	buffer_deinit(&capture->held);
	free(capture);
}

bool capture_is_full(const struct capture *capture)
{
	return capture->is_full;
}

struct capture_last capture_last(const struct capture *capture)
{
	return capture->last;
}

lsn_t capture_confirmed(const struct capture *capture)
{
	return log_receipt_lsn(&capture->told);
}

static bool refuse_history(
	const struct capture_last *expected, const char *what, lsn_t lsn, struct error *err)
{
	char there[LSN_TEXT_SIZE], here[LSN_TEXT_SIZE];
	error_set(err, ERROR_SETUP,
		"the source's history is another: the log's last commit is transaction %u at %s, "
		"the source sends %s at %s",
		expected->xid, lsn_format(expected->end_lsn, here), what, lsn_format(lsn, there));
	return error_hint(err, "The database was restored from an older copy. Run \"walberg "
			       "snapshot --all\" to read everything again.");
}

static bool check_history(
	struct capture *capture, const struct pgoutput_peek *commit, struct error *err)
{
	const struct capture_last *expected = &capture->expected;
	if (expected->end_lsn == 0 || commit->end_lsn < expected->end_lsn)
		return true;
	if (commit->end_lsn == expected->end_lsn && commit->xid == expected->xid &&
		commit->committed_at == expected->committed_at) {
		capture->expected = (struct capture_last){ 0 };
		return true;
	}
	char what[sizeof "transaction 4294967295"];
	snprintf(what, sizeof what, "transaction %u", commit->xid);
	return refuse_history(expected, what, commit->end_lsn, err);
}

/* The server has sent everything up to lsn: had it the same history, the commit would be here. */
static bool check_history_up_to(const struct capture *capture, lsn_t lsn, struct error *err)
{
	const struct capture_last *expected = &capture->expected;
	return expected->end_lsn == 0 || lsn <= expected->end_lsn ||
	       refuse_history(expected, "nothing more", lsn, err);
}

/* What the log must know of a message; follows the transaction in progress. */
static bool look_at(struct capture *capture, const struct source_message *message,
	struct log_record *record, struct error *err)
{
	struct pgoutput_peek peek;
	if (!pgoutput_peek(message->body, capture->in_stream, &peek))
		return error_set(err, ERROR_CORRUPT, "the source sent a message that is too short");
	switch (peek.kind) {
	case PGOUTPUT_BEGIN:
		capture->in_transaction = true;
		capture->xid = peek.xid;
		return true;
	case PGOUTPUT_COMMIT:
		peek.xid = capture->xid;
		/* fall through */
	case PGOUTPUT_STREAM_COMMIT:
		capture->in_transaction = false;
		record->end_lsn = peek.end_lsn;
		if (!check_history(capture, &peek, err))
			return false;
		if (peek.end_lsn > capture->last.end_lsn)
			capture->last =
				(struct capture_last){ peek.end_lsn, peek.xid, peek.committed_at };
		return true;
	case PGOUTPUT_STREAM_START:
		capture->in_stream = true;
		return true;
	case PGOUTPUT_STREAM_STOP:
		capture->in_stream = false;
		return true;
	default:
		return true;
	}
}

/* *taken is false when the log has no room: the record is held and tried again. */
static bool append(
	struct capture *capture, const struct log_record *record, bool *taken, struct error *err)
{
	*capture->is_logging = 1;
	*taken = log_append(capture->log, record, err);
	if (*taken) {
		if (!capture->has_unsynced)
			capture->sync_due_at = world_monotonic(capture->world) + GATHER_INTERVAL;
		capture->has_unsynced = true;
		capture->unsynced_bytes += record->body.size;
		return true;
	}
	if (err->kind != ERROR_LIMIT)
		return false;
	if (!capture->is_full) {
		logline_error(err);
		buffer_reset(&capture->held);
		buffer_append_bytes(&capture->held, record->body);
		capture->held_record = *record;
		capture->held_record.body = buffer_bytes(&capture->held);
	}
	capture->is_full = true;
	return true;
}

static bool sync(struct capture *capture, struct error *err)
{
	if (!capture->has_unsynced)
		return true;
	if (!log_sync(capture->log, &capture->receipt, err))
		return false;
	*capture->is_logging = 0;
	capture->has_unsynced = false;
	capture->unsynced_bytes = 0;
	/* A slot that moved on would have another history's commit never sent again. */
	if (capture->expected.end_lsn == 0)
		capture->told = capture->receipt;
	return source_confirm(capture->source, &capture->told, err);
}

/* While the log is full: keep the server's connection, and try the held record again. */
static bool wait_for_room(struct capture *capture, micros_t timeout, struct error *err)
{
	bool taken;
	if (!sync(capture, err) || !append(capture, &capture->held_record, &taken, err))
		return false;
	if (taken) {
		capture->is_full = false;
		logline_info("the log has room again");
		return true;
	}
	const micros_t now = world_monotonic(capture->world);
	if (now >= capture->full_confirm_at) {
		capture->full_confirm_at = now + FULL_CONFIRM_INTERVAL;
		if (!source_confirm(capture->source, &capture->told, err))
			return false;
	}
	world_sleep(capture->world, timeout);
	return true;
}

static bool take(struct capture *capture, const struct source_message *message, struct error *err)
{
	struct log_record record = {
		.kind = LOG_MESSAGE,
		.received_at = message->sent_at,
		.body = message->body,
	};
	bool taken;
	if (message->kind == SOURCE_MESSAGE)
		return look_at(capture, message, &record, err) &&
		       append(capture, &record, &taken, err);
	/* A keepalive inside a transaction says nothing that could be confirmed. */
	if (capture->in_transaction || capture->in_stream || message->lsn <= capture->mark_lsn ||
		message->lsn <= log_receipt_lsn(&capture->receipt))
		return true;
	if (!check_history_up_to(capture, message->lsn, err))
		return false;
	capture->mark_lsn = message->lsn;
	record.kind = LOG_MARK;
	record.end_lsn = message->lsn;
	return append(capture, &record, &taken, err);
}

static bool has_room(const struct capture *capture)
{
	return !capture->is_full && capture->unsynced_bytes < UNSYNCED_BYTES_MAX;
}

/* Nothing has arrived: whether to look once more before what is there is made durable. */
static bool gather(const struct capture *capture)
{
	if (!capture->has_unsynced || world_monotonic(capture->world) >= capture->sync_due_at)
		return false;
	world_sleep(capture->world, GATHER_PAUSE);
	return true;
}

bool capture_step(struct capture *capture, micros_t timeout, struct error *err)
{
	if (capture->is_full)
		return wait_for_room(capture, timeout, err);
	struct source_message message;
	do {
		if (!source_receive(capture->source, timeout, &message, err))
			return false;
		if (message.kind != SOURCE_NOTHING && !take(capture, &message, err))
			return false;
		timeout = 0; /* what is there already */
	} while (message.kind != SOURCE_NOTHING ? has_room(capture) : gather(capture));
	return sync(capture, err);
}

bool capture_find_last(
	struct log *log, log_position_t from, struct capture_last *out, struct error *err)
{
	*out = (struct capture_last){ 0 };
	bool in_stream = false;
	uint32_t xid = 0;
	struct log_record record;
	for (log_position_t at = from;; at = record.next) {
		bool found;
		struct pgoutput_peek peek;
		if (!log_read(log, at, &record, &found, err))
			return false;
		if (!found)
			return true;
		if (record.kind == LOG_START)
			in_stream = false;
		if (record.kind != LOG_MESSAGE)
			continue;
		if (!pgoutput_peek(record.body, in_stream, &peek))
			return error_set(
				err, ERROR_CORRUPT, "the log has a message that is too short");
		if (peek.kind == PGOUTPUT_STREAM_START || peek.kind == PGOUTPUT_STREAM_STOP)
			in_stream = peek.kind == PGOUTPUT_STREAM_START;
		if (peek.kind == PGOUTPUT_BEGIN)
			xid = peek.xid;
		/* One that the server sent again may follow a greater one. */
		if ((peek.kind == PGOUTPUT_COMMIT || peek.kind == PGOUTPUT_STREAM_COMMIT) &&
			peek.end_lsn > out->end_lsn)
			*out = (struct capture_last){ peek.end_lsn,
				peek.kind == PGOUTPUT_COMMIT ? xid : peek.xid, peek.committed_at };
	}
}
