#include "base/test.h"
#include "base/world.h"
#include "log/segment/segment_format.h"

#include <inttypes.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>

static struct segment_options options_of(uint64_t segment_size_bytes)
{
	return (struct segment_options){
		.lake_id = "lake1",
		.codec = &log_codec_pgoutput,
		.segment_size_bytes = segment_size_bytes,
		.size_limit_bytes = (uint64_t)1 << 30,
	};
}

static struct log *open_with(const struct segment_options *options)
{
	struct error err;
	struct log *log;
	CHECK_OK(log_segment_open(world_posix(), test_directory(), options, &log, &err), &err);
	return log;
}

static enum error_kind open_fails(const struct segment_options *options)
{
	struct error err = { 0 };
	struct log *log;
	if (log_segment_open(world_posix(), test_directory(), options, &log, &err)) {
		log_close(log);
		return ERROR_NONE;
	}
	CHECK(err.hint[0] != '\0');
	return err.kind;
}

static void append(struct log *log, enum log_kind kind, lsn_t end_lsn, struct bytes body)
{
	struct error err;
	const struct log_record record = { kind, end_lsn, (micros_t)end_lsn * 3, body, 0, 0 };
	CHECK_OK(log_append(log, &record, &err), &err);
}

static lsn_t sync_log(struct log *log)
{
	struct error err;
	struct log_receipt receipt;
	CHECK_OK(log_sync(log, &receipt, &err), &err);
	return log_receipt_lsn(&receipt);
}

/* Message number n: its LSN is n, its body depends on it. */
static void append_message(struct log *log, lsn_t n)
{
	char body[300];
	const size_t size = (size_t)snprintf(
		body, sizeof body, "Xmessage %" PRIu64 "%*s", n, (int)(n * 37 % 200), ".");
	append(log, LOG_MESSAGE, n, bytes_of(body, size));
}

static void append_groups(struct log *log, lsn_t from, lsn_t to, lsn_t group_size)
{
	for (lsn_t n = from; n <= to; n++) {
		append_message(log, n);
		if (n % group_size == 0 || n == to)
			CHECK_EQUAL(sync_log(log), n);
	}
}

static bool read_at(struct log *log, log_position_t position, struct log_record *out)
{
	struct error err;
	bool found;
	CHECK_OK(log_read(log, position, out, &found, &err), &err);
	return found;
}

/* Reads on to the next message or mark, and checks that it is number n. */
static log_position_t check_message(struct log *log, log_position_t at, lsn_t n)
{
	struct log_record record;
	do {
		CHECK(read_at(log, at, &record));
		CHECK(record.position >= at && record.next > record.position);
		at = record.next;
	} while (record.kind == LOG_RELATION);
	char text[32];
	snprintf(text, sizeof text, "Xmessage %" PRIu64, n);
	CHECK_EQUAL(record.kind, LOG_MESSAGE);
	CHECK_EQUAL(record.end_lsn, n);
	CHECK_EQUAL(record.received_at, n * 3);
	CHECK(memcmp(record.body.data, text, strlen(text)) == 0);
	return at;
}

static log_position_t check_messages(struct log *log, log_position_t at, lsn_t from, lsn_t to)
{
	for (lsn_t n = from; n <= to; n++)
		at = check_message(log, at, n);
	return at;
}

static const char *path_of(log_position_t first)
{
	static char path[4200];
	char name[SEGMENT_NAME_SIZE];
	snprintf(path, sizeof path, "%s/%s", test_directory(), segment_name(first, name));
	return path;
}

/* The first position of the last segment at or before position. */
static log_position_t segment_of(log_position_t position)
{
	struct arena arena = { 0 };
	struct file_info *files;
	size_t count;
	struct error err;
	CHECK_OK(world_list(world_posix(), test_directory(), &arena, &files, &count, &err), &err);
	log_position_t first = 0, next;
	for (size_t i = 0; i < count; i++)
		if (segment_name_parse(files[i].name, &next) && next <= position)
			first = next;
	arena_deinit(&arena);
	return first;
}

static void xor_byte(const char *path, uint64_t offset, uint8_t mask)
{
	struct error err;
	struct file *file;
	uint8_t byte;
	size_t got;
	CHECK_OK(world_open(world_posix(), path, FILE_WRITE, &file, &err), &err);
	CHECK_OK(file_read_at(file, offset, &byte, 1, &got, &err), &err);
	byte ^= mask;
	CHECK_OK(file_write_at(file, offset, bytes_of(&byte, 1), &err), &err);
	file_close(file);
}

static void truncate_file(const char *path, uint64_t size)
{
	struct error err;
	struct file *file;
	CHECK_OK(world_open(world_posix(), path, FILE_WRITE, &file, &err), &err);
	CHECK_OK(file_truncate(file, size, &err), &err);
	file_close(file);
}

TEST(log_records_come_back_as_they_were_appended)
{
	const struct segment_options options = options_of(1 << 20);
	struct log *log = open_with(&options);
	append(log, LOG_START, 7, (struct bytes){ 0 });
	append(log, LOG_MESSAGE, 0, BYTES_LITERAL("Bmsg"));
	append(log, LOG_MARK, 9, (struct bytes){ 0 });
	CHECK_EQUAL(sync_log(log), 9);

	struct log_record record;
	CHECK(read_at(log, 0, &record));
	CHECK_EQUAL(record.kind, LOG_START);
	CHECK_EQUAL(record.end_lsn, 7);
	CHECK(read_at(log, record.next, &record));
	CHECK(bytes_equal(record.body, BYTES_LITERAL("Bmsg")));
	CHECK(read_at(log, record.next, &record));
	CHECK_EQUAL(record.kind, LOG_MARK);
	CHECK_EQUAL(record.received_at, 27);
	CHECK_EQUAL(record.body.size, 0);
	CHECK(!read_at(log, record.next, &record));
	log_close(log);
}

TEST(log_shows_only_what_was_synced)
{
	const struct segment_options options = options_of(1 << 20);
	struct log *log = open_with(&options);
	struct log_record record;
	append_message(log, 1);
	CHECK(!read_at(log, 0, &record));
	CHECK_EQUAL(log_end_lsn(log), 0);
	CHECK_EQUAL(sync_log(log), 1);
	CHECK_EQUAL(log_end_lsn(log), 1);
	const log_position_t end = check_messages(log, 0, 1, 1);
	append_message(log, 2);
	CHECK(!read_at(log, end, &record));
	sync_log(log);
	check_messages(log, end, 2, 2);
	log_close(log);
}

TEST(log_survives_a_restart_across_many_segments)
{
	struct segment_options options = options_of(2000);
	struct log *log = open_with(&options);
	char id[UUID_TEXT_SIZE];
	snprintf(id, sizeof id, "%s", log_id(log));
	append_groups(log, 1, 300, 7);
	const log_position_t middle = check_messages(log, 0, 1, 150);
	const log_position_t end = log_end(log);
	log_close(log);

	options.confirmed_lsn = 300;
	options.needed = middle;
	options.needed_log_id = id;
	log = open_with(&options);
	CHECK_TEXT(log_id(log), id);
	CHECK_EQUAL(log_end(log), end);
	CHECK_EQUAL(log_end_lsn(log), 300);
	append_groups(log, 301, 400, 1);
	check_messages(log, middle, 151, 400);
	check_messages(log, 0, 1, 400);
	log_close(log);
}

TEST(a_new_log_ends_where_it_began)
{
	struct segment_options options = options_of(2000);
	options.begin_lsn = 700;
	struct log *log = open_with(&options);
	CHECK_EQUAL(log_end_lsn(log), 700);
	log_close(log);
	options.begin_lsn = 0;
	options.confirmed_lsn = 700; /* by the slot, when it was made */
	log = open_with(&options);
	CHECK_EQUAL(log_end_lsn(log), 700);
	log_close(log);
}

TEST(log_holds_messages_larger_than_a_chunk)
{
	const struct segment_options options = options_of(1 << 20);
	struct log *log = open_with(&options);
	const size_t size = 5 << 20;
	uint8_t *body = memory_allocate(size, 1);
	for (size_t i = 0; i < size; i++)
		body[i] = (uint8_t)(i * 7 >> 3);
	for (lsn_t n = 1; n <= 3; n++) {
		append(log, LOG_MESSAGE, 2 * n, bytes_of(body, size - n));
		append(log, LOG_MARK, 2 * n + 1, (struct bytes){ 0 });
	}
	sync_log(log);
	struct log_record record = { 0 };
	for (lsn_t n = 1; n <= 3; n++) {
		CHECK(read_at(log, record.next, &record));
		CHECK(bytes_equal(record.body, bytes_of(body, size - n)));
		CHECK(read_at(log, record.next, &record));
		CHECK_EQUAL(record.end_lsn, 2 * n + 1);
	}
	free(body);
	log_close(log);
}

TEST(log_is_read_at_two_places_by_turns)
{
	const struct segment_options options = options_of(2000);
	struct log *log = open_with(&options);
	append_groups(log, 1, 400, 5);
	log_position_t behind = 0;
	log_position_t ahead = check_messages(log, 0, 1, 200);
	for (lsn_t n = 1; n <= 200; n++) {
		behind = check_message(log, behind, n);
		ahead = check_message(log, ahead, 200 + n);
	}
	log_close(log);
}

TEST(log_release_removes_whole_segments_and_never_the_last)
{
	const struct segment_options options = options_of(2000);
	struct log *log = open_with(&options);
	struct error err;
	struct log_record record;
	append_groups(log, 1, 200, 5);
	const log_position_t needed = check_messages(log, 0, 1, 100);
	const uint64_t size = log_size_bytes(log);
	CHECK_OK(log_release(log, needed, &err), &err);
	CHECK(log_first(log) > 0 && log_first(log) <= needed && needed - log_first(log) < 3000);
	CHECK_EQUAL(log_size_bytes(log), size - log_first(log));
	check_messages(log, needed, 101, 200);
	bool found;
	CHECK(!log_read(log, 0, &record, &found, &err));
	CHECK_EQUAL(err.kind, ERROR_MISSING);

	CHECK_OK(log_release(log, log_end(log), &err), &err);
	CHECK(log_first(log) < log_end(log));
	log_close(log);
	struct segment_options again = options;
	again.confirmed_lsn = 200;
	again.needed = needed;
	CHECK_EQUAL(open_fails(&again), ERROR_MISSING);
	again.needed_log_id = "another log";
	log = open_with(&again);
	append_groups(log, 201, 210, 5);
	log_close(log);
}

static void check_limit(uint64_t segment_size_bytes)
{
	struct segment_options options = options_of(segment_size_bytes);
	options.size_limit_bytes = 20000;
	struct log *log = open_with(&options);
	struct error err;
	lsn_t n = 0;
	const struct bytes body = BYTES_LITERAL("Xmessage");
	struct log_record record = { .kind = LOG_MESSAGE, .body = body };
	do {
		sync_log(log);
		record.end_lsn = ++n;
	} while (log_append(log, &record, &err));
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	CHECK(strstr(err.hint, "log.size_limit") != NULL);
	CHECK(log_size_bytes(log) <= 20000 + SEGMENT_HEAD_SIZE && log_size_bytes(log) > 19000);
	CHECK_EQUAL(sync_log(log), n - 1);
	CHECK(!log_append(log, &record, &err)); /* as often as it is tried */
	CHECK(log_size_bytes(log) <= 20000 + SEGMENT_HEAD_SIZE);
	const log_position_t released = log_end(log);
	CHECK_OK(log_release(log, released, &err), &err);
	CHECK_OK(log_append(log, &record, &err), &err);
	CHECK_EQUAL(sync_log(log), n);
	log_close(log);

	options.confirmed_lsn = n;
	options.needed = released;
	log = open_with(&options);
	CHECK_EQUAL(log_end_lsn(log), n);
	log_close(log);
}

TEST(log_at_its_limit_goes_on_after_a_release)
{
	check_limit(2000);
}

TEST(log_whose_only_segment_is_at_the_limit_goes_on_after_a_release)
{
	check_limit(1 << 20);
}

TEST(log_beyond_a_limit_that_was_lowered_goes_on_after_a_release)
{
	struct segment_options options = options_of(1 << 20);
	struct log *log = open_with(&options);
	struct error err;
	append_groups(log, 1, 100, 10);
	const log_position_t end = log_end(log);
	log_close(log);

	options.size_limit_bytes = 1000;
	log = open_with(&options);
	const struct log_record record = { .kind = LOG_START };
	CHECK(!log_append(log, &record, &err));
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	CHECK_OK(log_release(log, end, &err), &err);
	CHECK_OK(log_append(log, &record, &err), &err);
	CHECK_EQUAL(sync_log(log), 100);
	log_close(log);
}

TEST(log_tail_torn_at_any_byte_is_cut_unless_it_was_confirmed)
{
	struct segment_options options = options_of(1 << 20);
	struct log *log = open_with(&options);
	append_groups(log, 1, 10, 5);
	const log_position_t before = log_end(log);
	append_groups(log, 11, 12, 5);
	const log_position_t after = log_end(log);
	log_close(log);
	for (log_position_t size = after - 1; size >= before; size--) {
		truncate_file(path_of(0), size);
		options.confirmed_lsn = 11;
		CHECK_EQUAL(open_fails(&options), ERROR_CORRUPT);
		options.confirmed_lsn = 10;
		log = open_with(&options);
		CHECK_EQUAL(log_end(log), before);
		CHECK_EQUAL(log_end_lsn(log), 10);
		append_groups(log, 11, 12, 5);
		CHECK_EQUAL(log_end(log), after);
		check_messages(log, 0, 1, 12);
		log_close(log);
	}
}

TEST(log_with_any_byte_flipped_is_refused_and_left_as_it_is)
{
	struct segment_options options = options_of(1200);
	struct log *log = open_with(&options);
	append_groups(log, 1, 30, 4);
	const log_position_t last = log_end(log);
	log_close(log);
	CHECK(segment_of(last) > segment_of(last / 2) && segment_of(last / 2) > 0);
	options.confirmed_lsn = 30;
	for (log_position_t at = 0; at < last; at += 1 + at % 5) {
		const log_position_t first = segment_of(at);
		xor_byte(path_of(first), at - first, (uint8_t)(1 << at % 8));
		CHECK(open_fails(&options) != ERROR_NONE);
		xor_byte(path_of(first), at - first, (uint8_t)(1 << at % 8));
	}
	log = open_with(&options);
	check_messages(log, 0, 1, 30);
	log_close(log);
}

TEST(log_damage_before_a_later_group_is_refused_without_any_confirmation)
{
	const struct segment_options options = options_of(1 << 20);
	struct log *log = open_with(&options);
	append_groups(log, 1, 5, 5);
	const log_position_t damaged = log_end(log);
	append_groups(log, 6, 10, 5);
	append_groups(log, 11, 15, 5);
	log_close(log);
	xor_byte(path_of(0), damaged + 2, 1); /* the head of the second of three groups */
	CHECK_EQUAL(open_fails(&options), ERROR_CORRUPT);
	xor_byte(path_of(0), damaged + 2, 1);
	xor_byte(path_of(0), damaged + 60, 1); /* a record in it */
	CHECK_EQUAL(open_fails(&options), ERROR_CORRUPT);
}

TEST(log_without_a_segment_in_between_is_refused)
{
	struct segment_options options = options_of(1200);
	struct log *log = open_with(&options);
	struct error err;
	append_groups(log, 1, 40, 4);
	const log_position_t first = segment_of(log_end(log) / 2);
	CHECK(first > 0 && first < segment_of(log_end(log)));
	log_close(log);
	char other[4200];
	snprintf(other, sizeof other, "%s/away", test_directory());
	CHECK_OK(world_rename(world_posix(), path_of(first), other, &err), &err);
	CHECK_EQUAL(open_fails(&options), ERROR_CORRUPT);
}

TEST(log_that_is_not_there_is_missing_when_the_lake_needs_it)
{
	struct segment_options options = options_of(1 << 20);
	options.confirmed_lsn = 5;
	CHECK_EQUAL(open_fails(&options), ERROR_MISSING);
	options.confirmed_lsn = 0;
	struct log *log = open_with(&options);
	append_groups(log, 1, 5, 5);
	const log_position_t end = log_end(log);
	log_close(log);
	options.needed = end + 1;
	CHECK_EQUAL(open_fails(&options), ERROR_MISSING);
	options.needed = end - 1;
	CHECK_EQUAL(open_fails(&options), ERROR_CORRUPT);
	options.needed = end;
	options.lake_id = "lake2";
	CHECK_EQUAL(open_fails(&options), ERROR_SETUP);
	options.lake_id = "lake1";
	CHECK_EQUAL(open_fails(&options), ERROR_NONE);
}

static size_t file_count(void)
{
	struct arena arena = { 0 };
	struct file_info *files;
	size_t count = 0;
	struct error err;
	CHECK_OK(world_list(world_posix(), test_directory(), &arena, &files, &count, &err), &err);
	arena_deinit(&arena);
	return count;
}

static void write_file(const char *name, const char *text)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/%s", test_directory(), name);
	FILE *file = fopen(path, "w");
	CHECK(file != NULL && fputs(text, file) >= 0 && fclose(file) == 0);
}

TEST(a_log_is_removed_without_the_files_beside_it_and_never_another_lakes)
{
	const struct segment_options options = options_of(1000);
	struct error err = { 0 };
	struct log *log = open_with(&options);
	append_groups(log, 1, 50, 5);
	log_close(log);
	write_file("notes.txt", "keep");
	const size_t count = file_count();
	CHECK(count > 2);
	CHECK(!log_segment_check_lake(world_posix(), test_directory(), "lake2", &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.hint, "log.directory") != NULL);
	CHECK(!log_segment_remove(world_posix(), test_directory(), "lake2", &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK_EQUAL(file_count(), count);
	CHECK_OK(log_segment_check_lake(world_posix(), test_directory(), "lake1", &err), &err);
	CHECK_EQUAL(file_count(), count);
	CHECK_OK(log_segment_remove(world_posix(), test_directory(), "lake1", &err), &err);
	CHECK_EQUAL(file_count(), 1);
	CHECK_OK(log_segment_remove(world_posix(), test_directory(), "lake1", &err), &err);
	CHECK_OK(log_segment_remove(world_posix(), "/nowhere/at/all", "lake1", &err), &err);
}

TEST(a_segment_without_a_whole_head_is_removed_with_its_log)
{
	struct error err = { 0 };
	write_file("00000000000000000000.log", "");
	write_file("00000000000000000007.log", "no head");
	CHECK_OK(log_segment_remove(world_posix(), test_directory(), "lake1", &err), &err);
	CHECK_EQUAL(file_count(), 0);
}

struct definitions {
	size_t count;
	char text[512]; /* bodies in order, without their 'R' and oid, separated by spaces */
};

static struct definitions segment_head_of(struct log *log, log_position_t first)
{
	struct definitions out = { 0 };
	struct log_record record;
	for (log_position_t at = first; read_at(log, at, &record) && record.kind == LOG_RELATION;
		at = record.next) {
		CHECK(record.body.size > 5 && record.body.data[0] == 'R');
		snprintf(out.text + strlen(out.text), sizeof out.text - strlen(out.text), "%.*s ",
			(int)record.body.size - 5, (const char *)record.body.data + 5);
		out.count++;
	}
	return out;
}

static void relation(struct log *log, uint32_t xid, uint32_t oid, const char *text)
{
	struct buffer body = { 0 };
	buffer_append_u8(&body, 'R');
	if (xid)
		buffer_append_u32be(&body, xid);
	buffer_append_u32be(&body, oid);
	buffer_append_cstring(&body, text);
	append(log, LOG_MESSAGE, 0, buffer_bytes(&body));
	buffer_deinit(&body);
}

static void stream(struct log *log, char kind, uint32_t xid)
{
	struct buffer body = { 0 };
	buffer_append_u8(&body, (uint8_t)kind);
	buffer_append_u32be(&body, xid);
	buffer_append_u32be(&body, xid);
	append(log, LOG_MESSAGE, 0, buffer_bytes(&body));
	buffer_deinit(&body);
}

/* Fills the segment, so that the next record begins another; returns where. */
static log_position_t fill_segment(struct log *log)
{
	static const uint8_t filler[4000] = "Xfiller";
	sync_log(log);
	append(log, LOG_MESSAGE, 0, bytes_of(filler, sizeof filler));
	sync_log(log);
	const log_position_t first = log_end(log);
	append(log, LOG_MARK, 0, (struct bytes){ 0 });
	sync_log(log);
	return first;
}

TEST(log_segment_begins_with_the_definitions_in_force)
{
	const struct segment_options options = options_of(3000);
	struct log *log = open_with(&options);
	append(log, LOG_START, 0, (struct bytes){ 0 });
	relation(log, 0, 10, "a1");
	relation(log, 0, 11, "b1");
	relation(log, 0, 10, "a2");
	CHECK_TEXT(segment_head_of(log, fill_segment(log)).text, "a2 b1 ");

	stream(log, 'S', 700);
	relation(log, 700, 11, "b2");
	stream(log, 'E', 0);
	stream(log, 'S', 800);
	relation(log, 801, 10, "a3");
	stream(log, 'E', 0);
	CHECK_TEXT(segment_head_of(log, fill_segment(log)).text, "a2 b1 ");
	stream(log, 'c', 700);
	stream(log, 'A', 800);
	stream(log, 'c', 800);
	CHECK_TEXT(segment_head_of(log, fill_segment(log)).text, "a2 b2 ");
	log_close(log);

	log = open_with(&options);
	CHECK_TEXT(segment_head_of(log, fill_segment(log)).text, "a2 b2 ");
	append(log, LOG_START, 0, (struct bytes){ 0 });
	CHECK_TEXT(segment_head_of(log, fill_segment(log)).text, "");
	log_close(log);
}

struct waiter {
	struct log *log;
	log_position_t position;
	bool is_beyond;
};

static void *wait_for_growth(void *argument)
{
	struct waiter *waiter = argument;
	waiter->is_beyond = log_wait(waiter->log, waiter->position, 10000000);
	return NULL;
}

TEST(log_wait_ends_when_the_log_grows_or_the_time_is_over)
{
	const struct segment_options options = options_of(1 << 20);
	struct log *log = open_with(&options);
	struct waiter waiter = { log, log_end(log), false };
	CHECK(!log_wait(log, waiter.position, 1000));
	pthread_t thread;
	CHECK_EQUAL(pthread_create(&thread, NULL, wait_for_growth, &waiter), 0);
	append_groups(log, 1, 1, 1);
	pthread_join(thread, NULL);
	CHECK(waiter.is_beyond);
	log_close(log);
}

struct reading {
	struct log *log;
	lsn_t count;
	bool is_equal;
};

static void *read_along(void *argument)
{
	struct reading *reading = argument;
	struct log_record record;
	struct error err;
	log_position_t at = 0;
	for (lsn_t n = 1; n <= reading->count;) {
		bool found;
		if (!log_read(reading->log, at, &record, &found, &err))
			return NULL;
		if (!found) {
			log_wait(reading->log, at, 100000);
			continue;
		}
		at = record.next;
		if (record.end_lsn != n++ || !log_release(reading->log, at, &err))
			return NULL;
	}
	reading->is_equal = true;
	return NULL;
}

TEST(log_is_read_and_released_while_it_is_written)
{
	const struct segment_options options = options_of(5000);
	struct log *log = open_with(&options);
	struct reading reading = { log, 2000, false };
	pthread_t thread;
	CHECK_EQUAL(pthread_create(&thread, NULL, read_along, &reading), 0);
	append_groups(log, 1, reading.count, 20);
	pthread_join(thread, NULL);
	CHECK(reading.is_equal);
	log_close(log);
}
