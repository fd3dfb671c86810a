#include "base/test.h"
#include "base/world.h"
#include "log/segment/segment_format.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

static struct log *open_writer(uint64_t segment_size_bytes)
{
	const struct segment_options options = {
		.lake_id = "lake1",
		.codec = &log_codec_pgoutput,
		.segment_size_bytes = segment_size_bytes,
		.size_limit_bytes = 1 << 30,
	};
	struct error err;
	struct log *log;
	CHECK_OK(log_segment_open(world_posix(), test_directory(), &options, &log, &err), &err);
	return log;
}

static struct log *open_follower(void)
{
	struct error err;
	struct log *log;
	CHECK_OK(log_segment_follow(
			 world_posix(), test_directory(), "lake1", &log_codec_pgoutput, &log, &err),
		&err);
	return log;
}

/* Message number n, with end_lsn n. */
static void append(struct log *log, lsn_t n)
{
	char body[64];
	struct error err;
	const size_t size = (size_t)snprintf(body, sizeof body, "Xmessage %" PRIu64, n);
	const struct log_record record = { LOG_MESSAGE, n, 0, bytes_of(body, size), 0, 0 };
	CHECK_OK(log_append(log, &record, &err), &err);
}

static void append_synced(struct log *log, lsn_t from, lsn_t to)
{
	struct log_receipt receipt;
	struct error err;
	for (lsn_t n = from; n <= to; n++)
		append(log, n);
	CHECK_OK(log_sync(log, &receipt, &err), &err);
}

/* Reads from *at on, as far as it goes; the number of the last message, 0 for none. */
static lsn_t read_on(struct log *log, log_position_t *at)
{
	lsn_t last = 0;
	struct log_record record;
	struct error err;
	bool found = true;
	while (log_wait(log, log_end(log), 0))
		;
	while (found) {
		CHECK_OK(log_read(log, *at, &record, &found, &err), &err);
		if (!found)
			break;
		*at = record.next;
		CHECK(record.kind != LOG_MESSAGE || last == 0 || record.end_lsn == last + 1);
		last = record.kind == LOG_MESSAGE ? record.end_lsn : last;
	}
	return last;
}

static enum error_kind read_fails(struct log *log, log_position_t at)
{
	struct log_record record;
	struct error err = { 0 };
	bool found;
	while (log_wait(log, log_end(log), 0))
		;
	CHECK(!log_read(log, at, &record, &found, &err));
	return err.kind;
}

static const char *path_of(log_position_t first)
{
	static char path[4200];
	char name[SEGMENT_NAME_SIZE];
	snprintf(path, sizeof path, "%s/%s", test_directory(), segment_name(first, name));
	return path;
}

TEST(a_log_is_followed_while_it_grows_over_segments)
{
	struct log *writer = open_writer(500);
	struct log *follower = open_follower();
	log_position_t at = 0;
	CHECK_EQUAL(read_on(follower, &at), 0);
	for (lsn_t n = 0; n < 100; n += 5) {
		append_synced(writer, n + 1, n + 5);
		CHECK_EQUAL(read_on(follower, &at), n + 5);
		CHECK_EQUAL(log_end_lsn(follower), n + 5);
	}
	CHECK_TEXT(log_id(follower), log_id(writer));
	CHECK_EQUAL(log_end(follower), log_end(writer));
	CHECK_EQUAL(read_on(follower, &at), 0);
	log_close(follower);
	log_close(writer);
}

TEST(what_the_writer_has_released_stays_for_a_follower_that_has_seen_it)
{
	struct error err;
	struct log *writer = open_writer(500);
	append_synced(writer, 1, 20);
	append_synced(writer, 21, 40);
	struct log *follower = open_follower();
	append_synced(writer, 41, 60);
	CHECK_OK(log_release(writer, log_end(writer), &err), &err);
	log_position_t at = 0;
	CHECK_EQUAL(read_on(follower, &at), 60);
	at = 0;
	CHECK_EQUAL(read_on(follower, &at), 60);
	CHECK_OK(log_release(follower, at, &err), &err);
	CHECK(log_first(follower) > 0);
	CHECK_EQUAL(read_fails(follower, 0), ERROR_MISSING);
	append_synced(writer, 61, 80);
	CHECK_EQUAL(read_on(follower, &at), 80);
	log_close(follower);
	log_close(writer);
}

TEST(a_part_that_went_before_it_was_seen_is_missing)
{
	struct error err;
	struct log *writer = open_writer(500);
	append_synced(writer, 1, 20);
	struct log *follower = open_follower();
	log_position_t at = 0;
	CHECK_EQUAL(read_on(follower, &at), 20);
	append_synced(writer, 21, 40);
	append_synced(writer, 41, 60);
	append_synced(writer, 61, 80);
	CHECK_OK(log_release(writer, log_end(writer), &err), &err);
	CHECK_EQUAL(read_fails(follower, UINT64_MAX), ERROR_MISSING);
	log_close(follower);
	log_close(writer);
}

/* Of the file, at each length: what is not whole is not seen, and is no damage. */
TEST(a_group_that_is_being_written_is_seen_once_it_is_whole)
{
	struct log *writer = open_writer(1 << 20);
	append_synced(writer, 1, 2);
	const log_position_t before = log_end(writer);
	append_synced(writer, 3, 5);
	const log_position_t end = log_end(writer);
	log_close(writer);
	struct buffer whole = { 0 };
	struct error err;
	CHECK_OK(world_read_file(world_posix(), path_of(0), 1 << 20, &whole, &err), &err);
	struct file *file;
	CHECK_OK(world_open(world_posix(), path_of(0), FILE_WRITE, &file, &err), &err);
	CHECK_OK(file_truncate(file, 0, &err), &err);
	struct log *follower = open_follower();
	log_position_t at = 0;
	for (uint64_t size = 1; size <= end; size++) {
		CHECK_OK(file_write_at(file, size - 1, bytes_of(whole.data + size - 1, 1), &err),
			&err);
		CHECK_EQUAL(read_on(follower, &at), size == before ? 2 : size == end ? 5 : 0);
	}
	log_close(follower);
	file_close(file);
	buffer_deinit(&whole);
}

/* A torn end is cut by the writer that comes next, and other bytes are written there. */
TEST(a_torn_end_is_read_as_what_stands_there_later)
{
	struct log *writer = open_writer(1 << 20);
	append_synced(writer, 1, 2);
	const log_position_t before = log_end(writer);
	append_synced(writer, 3, 5);
	const log_position_t end = log_end(writer);
	log_close(writer);
	struct error err;
	struct file *file;
	CHECK_OK(world_open(world_posix(), path_of(0), FILE_WRITE, &file, &err), &err);
	CHECK_OK(file_truncate(file, end - 1, &err), &err);
	struct log *follower = open_follower();
	log_position_t at = 0;
	CHECK_EQUAL(read_on(follower, &at), 2);
	CHECK_EQUAL(at, before);
	writer = open_writer(1 << 20);
	append_synced(writer, 3, 3);
	CHECK_EQUAL(read_on(follower, &at), 3);
	append_synced(writer, 4, 9);
	CHECK_EQUAL(read_on(follower, &at), 9);
	log_close(writer);
	log_close(follower);
	file_close(file);
}

TEST(damage_before_a_later_segment_is_told)
{
	struct log *writer = open_writer(500);
	append_synced(writer, 1, 20);
	append_synced(writer, 21, 40);
	log_close(writer);
	struct error err;
	struct file *file;
	uint8_t byte;
	size_t got;
	CHECK_OK(world_open(world_posix(), path_of(0), FILE_WRITE, &file, &err), &err);
	CHECK_OK(file_read_at(file, 300, &byte, 1, &got, &err), &err);
	byte ^= 1;
	CHECK_OK(file_write_at(file, 300, bytes_of(&byte, 1), &err), &err);
	file_close(file);
	struct log *follower;
	CHECK(!log_segment_follow(
		world_posix(), test_directory(), "lake1", &log_codec_pgoutput, &follower, &err));
	CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	CHECK(err.hint[0] != '\0');
}

TEST(another_log_in_its_place_ends_the_following)
{
	struct error err;
	struct log *writer = open_writer(1 << 20);
	append_synced(writer, 1, 2);
	struct log *follower = open_follower();
	log_position_t at = 0;
	CHECK_EQUAL(read_on(follower, &at), 2);
	log_close(writer);
	CHECK_OK(world_remove(world_posix(), path_of(0), &err), &err);
	CHECK_EQUAL(read_on(follower, &at), 0); /* there may be one again */
	writer = open_writer(1 << 20);
	append_synced(writer, 7, 8);
	CHECK_EQUAL(read_fails(follower, at), ERROR_CONFLICT);
	log_close(follower);
	follower = open_follower();
	at = 0;
	CHECK_EQUAL(read_on(follower, &at), 8);
	log_close(follower);
	log_close(writer);
}

TEST(only_the_lakes_own_log_is_followed_and_never_written)
{
	struct error err = { 0 };
	struct log *follower;
	struct log_receipt receipt;
	CHECK(!log_segment_follow(
		world_posix(), test_directory(), "lake1", &log_codec_pgoutput, &follower, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);
	struct log *writer = open_writer(1 << 20);
	CHECK(!log_segment_follow(
		world_posix(), test_directory(), "lake2", &log_codec_pgoutput, &follower, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	follower = open_follower();
	const struct log_record record = { .kind = LOG_MARK, .end_lsn = 9 };
	CHECK(!log_append(follower, &record, &err));
	CHECK(!log_sync(follower, &receipt, &err));
	log_close(follower);
	log_close(writer);
}
