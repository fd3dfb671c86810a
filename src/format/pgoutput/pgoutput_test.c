#include "base/test.h"
#include "format/pgoutput/pgoutput_encode.h"

/* As PostgreSQL 15 sent them, in binary with streaming, the last ones in text. */
static const struct recorded {
	char kind;
	bool in_stream;
	const char *hex;
} RECORDED[] = {
	{ 'B', false, "420000000001543ef80003042a693557de000002da" },
	{ 'Y', false, "59000040017075626c6963006d6f6f6400" },
	{ 'R', false,
		"52000040057075626c6963006974656d006400050169640000000017ffffffff006e616d6500"
		"00000019ffffffff00707269636500000006a4000a00060073746174650000004001ffffffff"
		"006269670000000019ffffffff" },
	{ 'U', false,
		"55000040054e000562000000040000000162000000036f6e65620000000a0001000000000002"
		"0002620000000463616c6d75" },
	{ 'U', false,
		"55000040054b00056200000004000000016e6e6e6e4e00056200000004000000026200000003"
		"6f6e65620000000a00010000000000020002620000000463616c6d75" },
	{ 'D', false, "44000040054b00056200000004000000026e6e6e6e" },
	{ 'C', false, "43000000000001543ef80000000001543f280003042a693557de" },
	{ 'I', false, "490000400c4e0002620000000400000001620000000161" },
	{ 'U', false, "550000400c4f00026200000004000000016200000001614e00026200000004000000016e" },
	{ 'D', false, "440000400c4f00026200000004000000016e" },
	{ 'T', false, "540000000203000040050000400c" },
	{ 'M', false, "4d01000000000154568077616c62657267000000000568656c6c6f" },
	{ 'S', false, "53000002de01" },
	{ 'Y', true, "59000002de000040017075626c6963006d6f6f6400" },
	{ 'R', true,
		"52000002de000040057075626c6963006974656d006400050169640000000017ffffffff006e"
		"616d650000000019ffffffff00707269636500000006a4000a00060073746174650000004001"
		"ffffffff006269670000000019ffffffff" },
	{ 'I', true,
		"49000002de000040054e000562000000040000000162000000016e6200000008000000000000"
		"00026e620000000a79797979797979797979" },
	{ 'E', false, "45" },
	{ 'S', false, "53000002de00" },
	{ 'c', false, "63000002de00000000000155e678000000000155e6b00003042a693566eb" },
	{ 'B', false, "420000000001543ef80003042a693557de000002da" },
	{ 'U', false,
		"55000040054e000574000000013174000000036f6e657400000004322e303074000000046361"
		"6c6d75" },
	{ 'U', false,
		"55000040054b00057400000001316e6e6e6e4e000574000000013274000000036f6e65740000"
		"0004322e3030740000000463616c6d75" },
	{ 'I', false, "490000400c4e0002740000000131740000000161" },
	{ 'U', false, "550000400c4f00027400000001317400000001614e00027400000001316e" },
};

enum {
	RECORDED_COUNT = sizeof RECORDED / sizeof RECORDED[0]
};

static void append_hex(struct buffer *out, const char *hex)
{
	static const char DIGITS[] = "0123456789abcdef";
	for (; hex[0]; hex += 2)
		buffer_append_u8(out, (uint8_t)((strchr(DIGITS, hex[0]) - DIGITS) << 4 |
						(strchr(DIGITS, hex[1]) - DIGITS)));
}

static const struct recorded *find_recorded(char kind, size_t number)
{
	for (size_t i = 0; i < RECORDED_COUNT; i++)
		if (RECORDED[i].kind == kind && number-- == 0)
			return &RECORDED[i];
	test_fail(__FILE__, __LINE__, "no recorded '%c'", kind);
}

static struct pgoutput_message decode_recorded(
	char kind, size_t number, struct arena *arena, struct buffer *body)
{
	const struct recorded *recorded = find_recorded(kind, number);
	struct pgoutput_message message;
	struct error err = { 0 };
	buffer_reset(body);
	append_hex(body, recorded->hex);
	CHECK_OK(pgoutput_decode(buffer_bytes(body), recorded->in_stream, arena, &message, &err),
		&err);
	return message;
}

static bool value_is(const struct pgoutput_value *value, char kind, const char *text)
{
	return value->kind == (uint8_t)kind && bytes_equal(value->bytes, bytes_of_cstring(text));
}

TEST(every_recorded_message_is_decoded_and_encoded_to_the_same_bytes)
{
	struct arena arena = { 0 };
	struct buffer body = { 0 }, again = { 0 };
	for (size_t i = 0; i < RECORDED_COUNT; i++) {
		struct pgoutput_message message;
		struct error err = { 0 };
		buffer_reset(&body);
		buffer_reset(&again);
		append_hex(&body, RECORDED[i].hex);
		CHECK_OK(pgoutput_decode(buffer_bytes(&body), RECORDED[i].in_stream, &arena,
				 &message, &err),
			&err);
		CHECK_EQUAL(message.kind, RECORDED[i].kind);
		pgoutput_encode(&again, &message, RECORDED[i].in_stream);
		CHECK(bytes_equal(buffer_bytes(&body), buffer_bytes(&again)));
		arena_reset(&arena);
	}
	buffer_deinit(&body);
	buffer_deinit(&again);
	arena_deinit(&arena);
}

TEST(a_recorded_relation_and_its_rows_mean_what_the_sql_said)
{
	struct arena arena = { 0 };
	struct buffer body = { 0 };
	struct pgoutput_message relation = decode_recorded('R', 0, &arena, &body);
	CHECK(bytes_equal(relation.relation.namespace_name, BYTES_LITERAL("public")));
	CHECK(bytes_equal(relation.relation.name, BYTES_LITERAL("item")));
	CHECK_EQUAL(relation.relation.replica_identity, 'd');
	CHECK_EQUAL(relation.relation.column_count, 5);
	CHECK(relation.relation.columns[0].is_key && !relation.relation.columns[1].is_key);
	CHECK(bytes_equal(relation.relation.columns[2].name, BYTES_LITERAL("price")));
	CHECK_EQUAL(relation.relation.columns[2].type_oid, 1700);
	CHECK_EQUAL(relation.relation.columns[2].type_modifier, (10 << 16 | 2) + 4);
	CHECK_EQUAL(relation.relation.columns[0].type_modifier, -1);

	/* update item set price = 2: no key changed, and the long text is not sent */
	struct pgoutput_message update = decode_recorded('U', 0, &arena, &body);
	CHECK_EQUAL(update.row.old_kind, 0);
	CHECK_EQUAL(update.row.new_tuple.count, 5);
	CHECK(value_is(&update.row.new_tuple.values[1], 'b', "one"));
	CHECK(value_is(&update.row.new_tuple.values[3], 'b', "calm"));
	CHECK(value_is(&update.row.new_tuple.values[4], 'u', ""));

	/* update item set id = 2 */
	update = decode_recorded('U', 1, &arena, &body);
	CHECK_EQUAL(update.row.old_kind, 'K');
	CHECK_EQUAL(update.row.old_tuple.values[0].bytes.data[3], 1);
	CHECK_EQUAL(update.row.old_tuple.values[1].kind, 'n');
	CHECK_EQUAL(update.row.new_tuple.values[0].bytes.data[3], 2);

	struct pgoutput_message deleted = decode_recorded('D', 0, &arena, &body);
	CHECK_EQUAL(deleted.row.old_kind, 'K');
	CHECK_EQUAL(deleted.row.old_tuple.values[0].bytes.data[3], 2);
	CHECK_EQUAL(deleted.row.new_tuple.count, 0);

	struct pgoutput_message truncate = decode_recorded('T', 0, &arena, &body);
	CHECK(truncate.truncate.cascade && truncate.truncate.restart_identity);
	CHECK_EQUAL(truncate.truncate.relation_count, 2);
	CHECK_EQUAL(truncate.truncate.relation_oids[0], relation.relation.oid);
	buffer_deinit(&body);
	arena_deinit(&arena);
}

TEST(positions_times_and_xids_are_decoded)
{
	struct arena arena = { 0 };
	struct buffer body = { 0 };
	const struct pgoutput_message begin = decode_recorded('B', 0, &arena, &body);
	CHECK_EQUAL(begin.begin.commit_lsn, 0x1543ef8);
	CHECK_EQUAL(begin.xid, 0x2da);
	CHECK_EQUAL(begin.begin.committed_at, 0x3042a693557de + INT64_C(946684800000000));
	const struct pgoutput_message commit = decode_recorded('C', 0, &arena, &body);
	CHECK_EQUAL(commit.commit.commit_lsn, 0x1543ef8);
	CHECK_EQUAL(commit.commit.end_lsn, 0x1543f28);
	CHECK_EQUAL(commit.commit.committed_at, begin.begin.committed_at);
	const struct pgoutput_message start = decode_recorded('S', 0, &arena, &body);
	CHECK_EQUAL(start.xid, 0x2de);
	CHECK(start.stream_start.is_first);
	CHECK(!decode_recorded('S', 1, &arena, &body).stream_start.is_first);
	const struct pgoutput_message streamed = decode_recorded('c', 0, &arena, &body);
	CHECK_EQUAL(streamed.xid, 0x2de);
	CHECK(streamed.commit.end_lsn > streamed.commit.commit_lsn);
	buffer_deinit(&body);
	arena_deinit(&arena);
}

TEST(a_stream_abort_is_read_with_and_without_its_position)
{
	struct arena arena = { 0 };
	struct buffer body = { 0 };
	struct error err = { 0 };
	struct pgoutput_message message;
	append_hex(&body, "41000002de000002df");
	CHECK_OK(pgoutput_decode(buffer_bytes(&body), false, &arena, &message, &err), &err);
	CHECK_EQUAL(message.xid, 0x2de);
	CHECK_EQUAL(message.stream_abort.subtransaction_xid, 0x2df);
	CHECK_EQUAL(message.stream_abort.lsn, 0);
	append_hex(&body, "00000000015456800000000000000001");
	CHECK_OK(pgoutput_decode(buffer_bytes(&body), false, &arena, &message, &err), &err);
	CHECK_EQUAL(message.stream_abort.lsn, 0x1545680);
	CHECK_EQUAL(message.stream_abort.aborted_at, INT64_C(946684800000001));
	buffer_deinit(&body);
	arena_deinit(&arena);
}

TEST(a_peek_agrees_with_the_whole_message)
{
	struct arena arena = { 0 };
	struct buffer body = { 0 };
	for (size_t i = 0; i < RECORDED_COUNT; i++) {
		struct pgoutput_message message;
		struct pgoutput_peek peek;
		struct error err = { 0 };
		buffer_reset(&body);
		append_hex(&body, RECORDED[i].hex);
		const bool in_stream = RECORDED[i].in_stream;
		CHECK_OK(pgoutput_decode(buffer_bytes(&body), in_stream, &arena, &message, &err),
			&err);
		CHECK(pgoutput_peek(buffer_bytes(&body), in_stream, &peek));
		CHECK_EQUAL(peek.kind, message.kind);
		CHECK_EQUAL(peek.xid, message.xid);
		if (peek.kind == PGOUTPUT_COMMIT || peek.kind == PGOUTPUT_STREAM_COMMIT)
			CHECK_EQUAL(peek.end_lsn, message.commit.end_lsn);
		else
			CHECK_EQUAL(peek.end_lsn, 0);
		if (peek.kind == PGOUTPUT_RELATION)
			CHECK_EQUAL(peek.relation_oid, message.relation.oid);
		CHECK(!pgoutput_peek((struct bytes){ 0 }, in_stream, &peek));
	}
	buffer_deinit(&body);
	arena_deinit(&arena);
}

TEST(a_message_cut_at_any_byte_is_refused)
{
	struct arena arena = { 0 };
	struct buffer body = { 0 };
	for (size_t i = 0; i < RECORDED_COUNT; i++) {
		buffer_reset(&body);
		append_hex(&body, RECORDED[i].hex);
		for (size_t size = 0; size <= body.size; size++) {
			struct pgoutput_message message;
			struct error err = { 0 };
			/* memory of exactly this size, so that a sanitizer sees a read beyond */
			uint8_t *copy = arena_copy(&arena, body.data, size);
			const bool ok = pgoutput_decode(bytes_of(copy, size), RECORDED[i].in_stream,
				&arena, &message, &err);
			CHECK(ok == (size == body.size));
			CHECK(ok || err.kind == ERROR_CORRUPT);
		}
		buffer_append_u8(&body, 0);
		struct pgoutput_message message;
		struct error err = { 0 };
		CHECK(!pgoutput_decode(
			buffer_bytes(&body), RECORDED[i].in_stream, &arena, &message, &err));
		arena_reset(&arena);
	}
	buffer_deinit(&body);
	arena_deinit(&arena);
}

TEST(a_message_with_a_flipped_bit_is_refused_or_still_a_message)
{
	struct arena arena = { 0 };
	struct buffer body = { 0 }, again = { 0 };
	for (size_t i = 0; i < RECORDED_COUNT; i++) {
		buffer_reset(&body);
		append_hex(&body, RECORDED[i].hex);
		for (size_t bit = 0; bit < body.size * 8; bit++) {
			struct pgoutput_message message;
			struct error err = { 0 };
			body.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (pgoutput_decode(buffer_bytes(&body), RECORDED[i].in_stream, &arena,
				    &message, &err)) {
				buffer_reset(&again);
				pgoutput_encode(&again, &message, RECORDED[i].in_stream);
				CHECK(bytes_equal(buffer_bytes(&body), buffer_bytes(&again)));
			}
			body.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			arena_reset(&arena);
		}
	}
	buffer_deinit(&body);
	buffer_deinit(&again);
	arena_deinit(&arena);
}

TEST(two_phase_messages_are_unsupported_and_other_bytes_corrupt)
{
	for (int kind = 0; kind < 256; kind++) {
		const uint8_t body[1] = { (uint8_t)kind };
		struct arena arena = { 0 };
		struct pgoutput_message message;
		struct error err = { 0 };
		const bool ok = pgoutput_decode(bytes_of(body, 1), false, &arena, &message, &err);
		CHECK(ok == (kind == 'E'));
		if (!ok && kind && strchr("bPKrp", kind))
			CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
		else if (!ok)
			CHECK_EQUAL(err.kind, ERROR_CORRUPT);
		arena_deinit(&arena);
	}
}

TEST(false_counts_drive_no_allocation)
{
	static const char *const bodies[] = {
		"49000040054effff6e6e",                   /* Insert of 65535 columns */
		"54ffffffff0000004005",                   /* Truncate of 4 G relations */
		"52000040057000700064ffff01690000000017", /* Relation of 65535 columns */
		"49000040054e000162ffffffff",             /* a value of 4 GB */
	};
	struct arena arena = { 0 };
	struct buffer body = { 0 };
	for (size_t i = 0; i < sizeof bodies / sizeof bodies[0]; i++) {
		struct pgoutput_message message;
		struct error err = { 0 };
		buffer_reset(&body);
		append_hex(&body, bodies[i]);
		CHECK(!pgoutput_decode(buffer_bytes(&body), false, &arena, &message, &err));
		CHECK_EQUAL(err.kind, ERROR_CORRUPT);
		CHECK(arena.used_bytes < 200);
	}
	buffer_deinit(&body);
	arena_deinit(&arena);
}
