/*
 * A log directory of arbitrary bytes is opened, read to its end and appended to.
 *
 * The first byte chooses: 0, the rest is one file as it is; 1, the rest is a script of pieces
 * with valid checks but any content, so that the fuzzer reaches what lies behind them:
 *	0, n, bytes          n bytes as they are
 *	1, u16, u16          a group head: size of the records, durable before
 *	2, kind, n, bytes    a record with a body of n bytes
 *	3, u8                the next segment begins here; its head names this LSN
 */
#include "base/reader.h"
#include "base/test.h"
#include "base/world_sim.h"
#include "log/segment/segment_format.h"

#include <stdio.h>

static void write_segment(struct world *world, log_position_t first, struct bytes bytes)
{
	char path[64], name[SEGMENT_NAME_SIZE];
	struct error err;
	struct file *file;
	snprintf(path, sizeof path, "/log/%s", segment_name(first, name));
	CHECK_OK(world_open(world, path, FILE_CREATE, &file, &err), &err);
	CHECK_OK(file_write_at(file, 0, bytes, &err), &err);
	file_close(file);
}

static void put_head(log_position_t first, lsn_t end_lsn, struct buffer *out)
{
	const struct segment_head head = {
		.first = first,
		.end_lsn = end_lsn,
		.log_id = "id",
		.lake_id = "lake1",
		.codec = "pgoutput",
	};
	segment_head_encode(&head, out);
}

static void put_group(struct reader *in, log_position_t position, struct buffer *out)
{
	const struct group_head group = { reader_u16be(in), reader_u16be(in) };
	uint8_t head[GROUP_HEAD_SIZE];
	group_head_encode(&group, position, head);
	buffer_append(out, head, sizeof head);
}

static void put_record(struct reader *in, log_position_t position, struct buffer *out)
{
	struct log_record record = { .kind = (enum log_kind)reader_u8(in) };
	record.body = reader_take(in, reader_u8(in));
	record_encode(&record, position, out);
}

static void write_script(struct world *world, struct reader *in)
{
	log_position_t first = 0;
	struct buffer segment = { 0 };
	put_head(first, 0, &segment);
	while (!in->failed && reader_left(in) > 0) {
		switch (reader_u8(in) % 4) {
		case 0:
			buffer_append_bytes(&segment, reader_take(in, reader_u8(in)));
			break;
		case 1:
			put_group(in, first + segment.size, &segment);
			break;
		case 2:
			put_record(in, first + segment.size, &segment);
			break;
		default:
			write_segment(world, first, buffer_bytes(&segment));
			first += segment.size;
			buffer_reset(&segment);
			put_head(first, reader_u8(in), &segment);
			break;
		}
	}
	write_segment(world, first, buffer_bytes(&segment));
	buffer_deinit(&segment);
}

/* What was opened can be read to its end, and goes on. */
static void use_log(struct log *log)
{
	struct error err;
	struct log_receipt receipt;
	struct log_record record = { .next = log_first(log) };
	bool found = true;
	while (found)
		CHECK_OK(log_read(log, record.next, &record, &found, &err), &err);
	const struct log_record mark = { .kind = LOG_MARK, .end_lsn = 1 };
	CHECK_OK(log_append(log, &mark, &err), &err);
	CHECK_OK(log_sync(log, &receipt, &err), &err);
	CHECK_OK(log_read(log, record.next, &record, &found, &err), &err);
	CHECK(found);
}

FUZZ(segment)
{
	struct world *world = world_sim_open(1);
	struct reader in = reader_of(bytes_of(data, size));
	struct error err;
	CHECK_OK(world_make_directories(world, "/log", &err), &err);
	if (reader_u8(&in) == 1)
		write_script(world, &in);
	else
		write_segment(world, 0, reader_take(&in, reader_left(&in)));
	const struct segment_options options = {
		.lake_id = "lake1",
		.codec = &log_codec_pgoutput,
		.segment_size_bytes = 1 << 20,
		.size_limit_bytes = 1 << 30,
	};
	struct log *log;
	for (unsigned turn = 0; turn < 2; turn++) {
		if (!log_segment_open(world, "/log", &options, &log, &err))
			break;
		use_log(log);
		log_close(log);
	}
	world_sim_close(world);
}
