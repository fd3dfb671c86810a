#include "engine/capture.h"

#include "base/logline.h"
#include "base/test.h"
#include "base/world_sim.h"
#include "format/pgoutput/pgoutput_encode.h"

enum {
	MESSAGES_MAX = 256,
	SECOND = 1000 * 1000,
};

/* A server that sends what it is given and notes what it is told. */
struct server {
	struct source base;
	struct capturing *capturing;
	size_t count, next;
	struct source_message messages[MESSAGES_MAX];
	unsigned receives, confirms;
	lsn_t confirmed;
};

struct capturing {
	struct world *world;
	struct log *log;
	struct server server;
	struct capture *capture;
	struct arena arena;
	_Atomic uint32_t is_logging;
	struct error err;
	bool sync_fails;
	bool in_stream;
};

static bool server_start(struct source *source, lsn_t lsn, struct error *err)
{
	(void)source;
	(void)err;
	CHECK_EQUAL(lsn, 0); /* where the slot stands */
	return true;
}

static bool server_receive(
	struct source *source, micros_t timeout, struct source_message *out, struct error *err)
{
	(void)timeout;
	(void)err;
	struct server *server = (struct server *)source;
	server->receives++;
	*out = (struct source_message){ 0 };
	if (server->next < server->count)
		*out = server->messages[server->next++];
	return true;
}

/* I3: whatever is confirmed is in the durable log. */
static bool server_confirm(
	struct source *source, const struct log_receipt *receipt, struct error *err)
{
	(void)err;
	struct server *server = (struct server *)source;
	server->confirms++;
	server->confirmed = log_receipt_lsn(receipt);
	CHECK(server->confirmed <= log_end_lsn(server->capturing->log));
	return true;
}

static bool before_file_call(void *context, const char *call, const char *path, struct error *err)
{
	(void)path;
	struct capturing *capturing = context;
	if (capturing->sync_fails && strcmp(call, "sync") == 0)
		return error_set(err, ERROR_LOST, "the disk does not answer");
	return true;
}

static void open_log(struct capturing *c, uint64_t size_limit_bytes)
{
	const struct segment_options options = {
		.lake_id = "test",
		.codec = &log_codec_pgoutput,
		.segment_size_bytes = 1024,
		.size_limit_bytes = size_limit_bytes,
	};
	CHECK_OK(log_segment_open(c->world, "/log", &options, &c->log, &c->err), &c->err);
}

static void open_capture(struct capturing *c, struct capture_last expected)
{
	CHECK_OK(capture_open(c->world, &c->server.base, c->log, &expected, &c->is_logging,
			 &c->capture, &c->err),
		&c->err);
}

static void begin_with(struct capturing *c, struct capture_last expected, uint64_t size_limit)
{
	static const struct source_ops OPS = {
		.start = server_start,
		.receive = server_receive,
		.confirm = server_confirm,
	};
	logline_configure((struct logline_settings){ LOGLINE_ERROR + 1, LOGLINE_TEXT, stderr });
	*c = (struct capturing){ .world = world_sim_open(1) };
	c->server.base.ops = &OPS;
	c->server.capturing = c;
	world_sim_observe(c->world, before_file_call, c);
	open_log(c, size_limit);
	open_capture(c, expected);
}

static void begin(struct capturing *c)
{
	begin_with(c, (struct capture_last){ 0 }, 1 << 20);
}

static void finish(struct capturing *c)
{
	capture_close(c->capture);
	log_close(c->log);
	world_sim_close(c->world);
	arena_deinit(&c->arena);
	logline_configure((struct logline_settings){ LOGLINE_ERROR, LOGLINE_TEXT, stderr });
}

static void send_bytes(struct capturing *c, struct bytes body)
{
	CHECK(c->server.count < MESSAGES_MAX);
	c->server.messages[c->server.count++] = (struct source_message){
		.kind = SOURCE_MESSAGE,
		.body = arena_copy_bytes(&c->arena, body),
		.sent_at = 1,
	};
}

static void send(struct capturing *c, const struct pgoutput_message *message)
{
	struct buffer body = { 0 };
	pgoutput_encode(&body, message, c->in_stream);
	send_bytes(c, buffer_bytes(&body));
	buffer_deinit(&body);
	if (message->kind == PGOUTPUT_STREAM_START || message->kind == PGOUTPUT_STREAM_STOP)
		c->in_stream = message->kind == PGOUTPUT_STREAM_START;
}

static void send_keepalive(struct capturing *c, lsn_t lsn)
{
	CHECK(c->server.count < MESSAGES_MAX);
	c->server.messages[c->server.count++] =
		(struct source_message){ .kind = SOURCE_KEEPALIVE, .lsn = lsn };
}

static void send_begin(struct capturing *c, uint32_t xid)
{
	send(c, &(struct pgoutput_message){ .kind = PGOUTPUT_BEGIN, .xid = xid });
}

static void send_row(struct capturing *c, size_t size)
{
	char *text = arena_alloc(&c->arena, 1, size + 1);
	memset(text, 'x', size);
	const struct pgoutput_value value = { PGOUTPUT_VALUE_TEXT, bytes_of(text, size) };
	send(c, &(struct pgoutput_message){ .kind = PGOUTPUT_INSERT,
			.row = { .relation_oid = 1, .new_tuple = { 1, &value } } });
}

static void send_end(struct capturing *c, enum pgoutput_kind kind, uint32_t xid, lsn_t end_lsn)
{
	send(c, &(struct pgoutput_message){
			.kind = kind, .xid = xid, .commit = { end_lsn - 1, end_lsn, 5 } });
}

static void send_transaction(struct capturing *c, uint32_t xid, lsn_t end_lsn)
{
	send_begin(c, xid);
	send_row(c, 10);
	send_end(c, PGOUTPUT_COMMIT, 0, end_lsn);
}

static void step(struct capturing *c)
{
	CHECK_OK(capture_step(c->capture, 1000, &c->err), &c->err);
}

/* "s" start, "m" mark, else the message's kind, for each record. */
static const char *log_text(struct capturing *c)
{
	struct buffer text = { 0 };
	struct log_record record;
	for (log_position_t at = log_first(c->log);; at = record.next) {
		bool found;
		CHECK_OK(log_read(c->log, at, &record, &found, &c->err), &c->err);
		if (!found)
			break;
		if (record.kind == LOG_RELATION)
			continue;
		buffer_append_u8(&text, record.kind == LOG_START  ? 's'
					: record.kind == LOG_MARK ? 'm'
								  : record.body.data[0]);
	}
	const char *copy = arena_copy_text(&c->arena, buffer_bytes(&text));
	buffer_deinit(&text);
	return copy;
}

/* --- I3 --- */

TEST(what_was_received_is_durable_before_it_is_confirmed)
{
	struct capturing c;
	begin(&c);
	CHECK_EQUAL(c.server.confirms, 0);
	send_transaction(&c, 7, 100);
	send_transaction(&c, 8, 200);
	step(&c);
	CHECK_EQUAL(c.server.confirms, 1);
	CHECK_EQUAL(c.server.confirmed, 200);
	CHECK_EQUAL(capture_confirmed(c.capture), 200);
	CHECK_EQUAL(c.is_logging, 0);
	CHECK_TEXT(log_text(&c), "sBICBIC");
	const struct capture_last last = capture_last(c.capture);
	CHECK_EQUAL(last.end_lsn, 200);
	CHECK_EQUAL(last.xid, 8);
	CHECK_EQUAL(last.committed_at, 5);
	step(&c);
	CHECK_EQUAL(c.server.confirms, 1); /* nothing new */
	finish(&c);
}

TEST(nothing_is_confirmed_when_the_log_cannot_be_made_durable)
{
	struct capturing c;
	begin(&c);
	send_transaction(&c, 7, 100);
	c.sync_fails = true;
	CHECK(!capture_step(c.capture, 0, &c.err));
	CHECK_EQUAL(c.err.kind, ERROR_LOST);
	CHECK_EQUAL(c.server.confirms, 0);
	CHECK_EQUAL(log_end_lsn(c.log), 0);
	finish(&c);
}

TEST(half_a_transaction_confirms_nothing_new)
{
	struct capturing c;
	begin(&c);
	send_transaction(&c, 7, 100);
	send_begin(&c, 8);
	send_row(&c, 10);
	step(&c);
	CHECK_EQUAL(c.server.confirmed, 100);
	send_row(&c, 10);
	step(&c);
	CHECK_EQUAL(c.server.confirmed, 100);
	send_end(&c, PGOUTPUT_COMMIT, 0, 200);
	step(&c);
	CHECK_EQUAL(c.server.confirmed, 200);
	finish(&c);
}

/* --- marks --- */

TEST(a_keepalive_between_transactions_is_a_mark_and_confirmed)
{
	struct capturing c;
	begin(&c);
	send_transaction(&c, 7, 100);
	send_keepalive(&c, 150);
	step(&c);
	CHECK_EQUAL(c.server.confirmed, 150);
	send_keepalive(&c, 150); /* known already */
	send_keepalive(&c, 120);
	step(&c);
	CHECK_TEXT(log_text(&c), "sBICm");
	send_keepalive(&c, 170);
	step(&c);
	CHECK_TEXT(log_text(&c), "sBICmm");
	CHECK_EQUAL(c.server.confirmed, 170);
	finish(&c);
}

TEST(a_keepalive_inside_a_transaction_or_a_block_says_nothing)
{
	struct capturing c;
	begin(&c);
	send_begin(&c, 7);
	send_keepalive(&c, 150);
	send_end(&c, PGOUTPUT_COMMIT, 0, 160);
	send(&c, &(struct pgoutput_message){ .kind = PGOUTPUT_STREAM_START, .xid = 8 });
	send_keepalive(&c, 170);
	send(&c, &(struct pgoutput_message){ .kind = PGOUTPUT_STREAM_STOP });
	step(&c);
	CHECK_TEXT(log_text(&c), "sBCSE");
	CHECK_EQUAL(c.server.confirmed, 160);
	send_keepalive(&c, 180); /* between blocks: 8 ends later than this */
	send_end(&c, PGOUTPUT_STREAM_COMMIT, 8, 200);
	step(&c);
	CHECK_TEXT(log_text(&c), "sBCSEmc");
	CHECK_EQUAL(c.server.confirmed, 200);
	CHECK_EQUAL(capture_last(c.capture).xid, 8);
	finish(&c);
}

/* --- a full log --- */

static void fill_log(struct capturing *c)
{
	for (uint32_t i = 1; i <= 40 && !capture_is_full(c->capture); i++) {
		send_begin(c, i);
		send_row(c, 500);
		send_end(c, PGOUTPUT_COMMIT, 0, 100 * i);
		step(c);
	}
	CHECK(capture_is_full(c->capture));
}

TEST(a_full_log_holds_the_record_keeps_confirming_and_goes_on_when_it_has_room)
{
	struct capturing c;
	begin_with(&c, (struct capture_last){ 0 }, 8 * 1024);
	fill_log(&c);
	const lsn_t confirmed = c.server.confirmed;
	CHECK(confirmed >= 500);
	const unsigned receives = c.server.receives, confirms = c.server.confirms;
	for (int i = 0; i < 100; i++)
		CHECK_OK(capture_step(c.capture, 100 * 1000, &c.err), &c.err);
	CHECK_EQUAL(c.server.receives, receives); /* nothing is read */
	CHECK(c.server.confirms >= confirms + 9 && c.server.confirms <= confirms + 11);
	CHECK_EQUAL(c.server.confirmed, confirmed);

	CHECK_OK(log_release(c.log, log_end(c.log), &c.err), &c.err);
	for (int i = 0; i < 10; i++)
		step(&c);
	CHECK(!capture_is_full(c.capture));
	CHECK_EQUAL(c.server.next, c.server.count);
	CHECK_EQUAL(c.server.confirmed, capture_last(c.capture).end_lsn);
	/* Of each transaction every record once. */
	const char *text = log_text(&c);
	for (const char *at = strchr(text, 'B'); at != NULL && *at != '\0'; at += 3)
		CHECK(strncmp(at, "BIC", 3) == 0);
	struct capture_last last;
	CHECK_OK(capture_find_last(c.log, log_first(c.log), &last, &c.err), &c.err);
	CHECK_EQUAL(last.end_lsn, c.server.confirmed);
	finish(&c);
}

/* --- the server's history --- */

static const struct capture_last EXPECTED = { 200, 8, 5 };

TEST(the_logs_last_commit_must_come_again_where_the_slot_stands_before_it)
{
	struct capturing c;
	begin_with(&c, EXPECTED, 1 << 20);
	send_transaction(&c, 7, 100);
	send_transaction(&c, 8, 200);
	send_transaction(&c, 9, 300);
	step(&c);
	CHECK_EQUAL(c.server.confirmed, 300);
	finish(&c);
}

static void check_history_refused(struct capturing *c)
{
	CHECK(!capture_step(c->capture, 0, &c->err));
	CHECK_EQUAL(c->err.kind, ERROR_SETUP);
	CHECK(strstr(c->err.text, "the source's history is another") != NULL);
	CHECK(strstr(c->err.hint, "walberg snapshot --all") != NULL);
	CHECK_EQUAL(c->server.confirms, 0);
	finish(c);
}

TEST(another_history_is_refused)
{
	struct capturing c;
	begin_with(&c, EXPECTED, 1 << 20);
	send_transaction(&c, 9, 200); /* another transaction */
	check_history_refused(&c);
	begin_with(&c, EXPECTED, 1 << 20);
	send_transaction(&c, 8, 201); /* at another place */
	check_history_refused(&c);
	begin_with(&c, (struct capture_last){ 200, 8, 6 }, 1 << 20);
	send_transaction(&c, 8, 200); /* at another time */
	check_history_refused(&c);
	begin_with(&c, EXPECTED, 1 << 20);
	send(&c, &(struct pgoutput_message){ .kind = PGOUTPUT_STREAM_START, .xid = 9 });
	send(&c, &(struct pgoutput_message){ .kind = PGOUTPUT_STREAM_STOP });
	send_end(&c, PGOUTPUT_STREAM_COMMIT, 9, 250);
	check_history_refused(&c);
}

TEST(nothing_is_confirmed_before_the_logs_last_commit_came_again)
{
	struct capturing c;
	begin_with(&c, EXPECTED, 1 << 20);
	send_transaction(&c, 7, 100);
	step(&c);
	CHECK_EQUAL(c.server.confirmed, 0);
	CHECK_EQUAL(capture_confirmed(c.capture), 0);
	send_transaction(&c, 8, 200);
	step(&c);
	CHECK_EQUAL(c.server.confirmed, 200);
	CHECK_EQUAL(capture_confirmed(c.capture), 200);
	finish(&c);
}

TEST(a_server_that_has_passed_the_logs_last_commit_without_sending_it_is_refused)
{
	struct capturing c;
	begin_with(&c, EXPECTED, 1 << 20);
	send_keepalive(&c, 150);
	send_keepalive(&c, 200);
	step(&c);
	send_keepalive(&c, 201);
	CHECK(!capture_step(c.capture, 0, &c.err));
	CHECK_EQUAL(c.err.kind, ERROR_SETUP);
	CHECK_EQUAL(c.server.confirmed, 0);
	finish(&c);
}

TEST(a_commit_of_another_history_does_not_take_the_place_of_the_logs_last)
{
	struct capturing c;
	struct capture_last last;
	begin(&c);
	send_transaction(&c, 8, 200);
	step(&c);
	capture_close(c.capture);
	open_capture(&c, EXPECTED);
	send_transaction(&c, 7, 150);
	step(&c);
	send_transaction(&c, 9, 205);
	CHECK(!capture_step(c.capture, 0, &c.err));
	CHECK_EQUAL(c.err.kind, ERROR_SETUP);
	CHECK_OK(capture_find_last(c.log, 0, &last, &c.err), &c.err);
	CHECK_EQUAL(last.end_lsn, 200);
	CHECK_EQUAL(last.xid, 8);
	finish(&c);
}

/* --- damage, and what a log ends with --- */

TEST(a_message_that_is_too_short_is_refused)
{
	struct capturing c;
	begin(&c);
	send_bytes(&c, bytes_of("C\0", 2));
	CHECK(!capture_step(c.capture, 0, &c.err));
	CHECK_EQUAL(c.err.kind, ERROR_CORRUPT);
	finish(&c);
}

TEST(the_last_commit_of_a_log_is_found_over_connections_and_streams)
{
	struct capturing c;
	struct capture_last last;
	begin(&c);
	CHECK_OK(capture_find_last(c.log, 0, &last, &c.err), &c.err);
	CHECK_EQUAL(last.end_lsn, 0);
	send_transaction(&c, 7, 100);
	send(&c, &(struct pgoutput_message){ .kind = PGOUTPUT_STREAM_START, .xid = 8 });
	send_row(&c, 10);
	step(&c);
	CHECK_OK(capture_find_last(c.log, 0, &last, &c.err), &c.err);
	CHECK_EQUAL(last.end_lsn, 100);
	CHECK_EQUAL(last.xid, 7);
	CHECK_EQUAL(last.committed_at, 5);
	/* The connection is cut inside the block. */
	capture_close(c.capture);
	c.in_stream = false;
	open_capture(&c, (struct capture_last){ 0 });
	send_transaction(&c, 9, 200);
	send(&c, &(struct pgoutput_message){ .kind = PGOUTPUT_STREAM_START, .xid = 8 });
	send(&c, &(struct pgoutput_message){ .kind = PGOUTPUT_STREAM_STOP });
	step(&c);
	CHECK_TEXT(log_text(&c), "sBICSIsBICSE");
	CHECK_OK(capture_find_last(c.log, 0, &last, &c.err), &c.err);
	CHECK_EQUAL(last.end_lsn, 200);
	CHECK_EQUAL(last.xid, 9);
	send_end(&c, PGOUTPUT_STREAM_COMMIT, 8, 300);
	send_begin(&c, 10);
	step(&c);
	CHECK_OK(capture_find_last(c.log, 0, &last, &c.err), &c.err);
	CHECK_EQUAL(last.end_lsn, 300);
	CHECK_EQUAL(last.xid, 8);
	finish(&c);
}
