#include "apply/apply_fixture.h"

#include "format/pgcopy/pgcopy.h"
#include "format/pgoutput/pgoutput_encode.h"
#include "format/pgvalue/pgvalue.h"

#include <stdlib.h>

enum {
	COLUMNS_MAX = 8,
	ROWS_MAX = 4096,
};

static struct relation_column keyed_columns[] = {
	{ "id", 23, -1, { .type = VALUE_INT }, true, true, 0, 0, NULL },
	{ "note", 25, -1, { .type = VALUE_STRING }, false, false, 0, 0, NULL },
	{ "count", 20, -1, { .type = VALUE_LONG }, true, false, 0, 0, NULL },
};

static struct relation_column line_columns[] = {
	{ "id", 23, -1, { .type = VALUE_INT }, true, false, 0, 0, NULL },
	{ "note", 25, -1, { .type = VALUE_STRING }, false, false, 0, 0, NULL },
	{ "count", 20, -1, { .type = VALUE_LONG }, true, false, 0, 0, NULL },
};

const struct relation script_items = { 100, 100, "public", "items", 'd', false, 3, keyed_columns,
	false, false };
const struct relation script_whole = { 101, 101, "public", "whole", 'f', false, 3, keyed_columns,
	false, false };
const struct relation script_lines = { 102, 102, "public", "lines", 'd', true, 3, line_columns,
	false, false };

/* --- the log --- */

void script_open(struct script *script, struct world *world, const char *directory)
{
	const struct segment_options options = {
		.lake_id = "test",
		.codec = &log_codec_pgoutput,
		.segment_size_bytes = 64 << 20,
		.size_limit_bytes = 256 << 20,
	};
	struct error err;
	*script = (struct script){ 0 };
	CHECK_OK(log_segment_open(world, directory, &options, &script->log, &err), &err);
}

void script_close(struct script *script)
{
	log_close(script->log);
	arena_deinit(&script->arena);
}

void script_sync(struct script *script)
{
	struct log_receipt receipt;
	struct error err;
	CHECK_OK(log_sync(script->log, &receipt, &err), &err);
}

static void append(struct script *script, enum log_kind kind, lsn_t end_lsn, struct bytes body)
{
	const struct log_record record = {
		.kind = kind,
		.end_lsn = end_lsn,
		.received_at = (micros_t)end_lsn * 1000,
		.body = body,
	};
	struct error err;
	CHECK_OK(log_append(script->log, &record, &err), &err);
}

void script_start(struct script *script)
{
	append(script, LOG_START, 0, (struct bytes){ 0 });
	script->in_stream = false;
	script->streamed_count = 0;
}

void script_mark(struct script *script, lsn_t lsn)
{
	append(script, LOG_MARK, lsn, (struct bytes){ 0 });
}

void script_raw(struct script *script, struct bytes body, lsn_t end_lsn)
{
	append(script, LOG_MESSAGE, end_lsn, body);
}

void script_message(struct script *script, const struct pgoutput_message *message, lsn_t end_lsn)
{
	struct buffer body = { 0 };
	pgoutput_encode(&body, message, script->in_stream);
	script_raw(script, buffer_bytes(&body), end_lsn);
	buffer_deinit(&body);
}

void script_begin(struct script *script, uint32_t xid)
{
	script->xid = xid;
	script_message(script, &(struct pgoutput_message){ .kind = PGOUTPUT_BEGIN, .xid = xid }, 0);
}

static struct pgoutput_message commit_message(enum pgoutput_kind kind, uint32_t xid, lsn_t end_lsn)
{
	return (struct pgoutput_message){
		.kind = kind,
		.xid = xid,
		.commit = { end_lsn - 1, end_lsn, (micros_t)end_lsn * 1000 },
	};
}

void script_commit(struct script *script, lsn_t end_lsn)
{
	const struct pgoutput_message message = commit_message(PGOUTPUT_COMMIT, 0, end_lsn);
	script_message(script, &message, end_lsn);
}

/* Whether it is the first block of the transaction on this connection. */
static bool note_streamed(struct script *script, uint32_t xid)
{
	for (size_t i = 0; i < script->streamed_count; i++)
		if (script->streamed[i] == xid)
			return false;
	CHECK(script->streamed_count < sizeof script->streamed / sizeof *script->streamed);
	script->streamed[script->streamed_count++] = xid;
	return true;
}

void script_stream_start(struct script *script, uint32_t xid)
{
	const struct pgoutput_message message = {
		.kind = PGOUTPUT_STREAM_START,
		.xid = xid,
		.stream_start = { note_streamed(script, xid) },
	};
	script_message(script, &message, 0);
	script->in_stream = true;
	script->xid = xid;
}

void script_stream_stop(struct script *script)
{
	const struct pgoutput_message message = { .kind = PGOUTPUT_STREAM_STOP };
	script_message(script, &message, 0);
	script->in_stream = false;
}

void script_stream_commit(struct script *script, uint32_t xid, lsn_t end_lsn)
{
	const struct pgoutput_message message =
		commit_message(PGOUTPUT_STREAM_COMMIT, xid, end_lsn);
	script_message(script, &message, end_lsn);
}

void script_stream_abort(struct script *script, uint32_t xid, uint32_t subtransaction_xid)
{
	const struct pgoutput_message message = {
		.kind = PGOUTPUT_STREAM_ABORT,
		.xid = xid,
		.stream_abort.subtransaction_xid = subtransaction_xid,
	};
	script_message(script, &message, 0);
}

static struct pgoutput_value value_of(struct bytes text)
{
	if (bytes_equal(text, bytes_of_cstring("~")))
		return (struct pgoutput_value){ PGOUTPUT_VALUE_NULL, { 0 } };
	if (bytes_equal(text, bytes_of_cstring("?")))
		return (struct pgoutput_value){ PGOUTPUT_VALUE_UNCHANGED, { 0 } };
	return (struct pgoutput_value){ PGOUTPUT_VALUE_TEXT, text };
}

static struct pgoutput_tuple tuple_of(struct arena *arena, struct bytes row)
{
	struct pgoutput_value *values = arena_array(arena, struct pgoutput_value, COLUMNS_MAX);
	size_t count = 0, start = 0;
	for (size_t at = 0; at <= row.size; at++) {
		if (at < row.size && row.data[at] != '|')
			continue;
		CHECK(count < COLUMNS_MAX);
		values[count++] = value_of(bytes_of(row.data + start, at - start));
		start = at + 1;
	}
	return (struct pgoutput_tuple){ count, values };
}

static void write_row(struct script *script, enum pgoutput_kind kind,
	const struct relation *relation, char old_kind, const char *old_row, const char *row)
{
	struct pgoutput_message message = {
		.kind = kind,
		.xid = script->xid,
		.row = { .relation_oid = relation->oid, .old_kind = old_kind },
	};
	if (old_row != NULL)
		message.row.old_tuple = tuple_of(&script->arena, bytes_of_cstring(old_row));
	if (row != NULL)
		message.row.new_tuple = tuple_of(&script->arena, bytes_of_cstring(row));
	script_message(script, &message, 0);
}

void script_insert(struct script *script, const struct relation *relation, const char *row)
{
	write_row(script, PGOUTPUT_INSERT, relation, 0, NULL, row);
}

void script_update(struct script *script, const struct relation *relation, char old_kind,
	const char *old_row, const char *row)
{
	write_row(script, PGOUTPUT_UPDATE, relation, old_kind, old_row, row);
}

void script_delete(
	struct script *script, const struct relation *relation, char old_kind, const char *old_row)
{
	write_row(script, PGOUTPUT_DELETE, relation, old_kind, old_row, NULL);
}

void script_truncate(struct script *script, const struct relation *relation)
{
	const struct pgoutput_message message = {
		.kind = PGOUTPUT_TRUNCATE,
		.xid = script->xid,
		.truncate = { .relation_count = 1, .relation_oids = &relation->oid },
	};
	script_message(script, &message, 0);
}

void script_relation(struct script *script, const struct relation *relation)
{
	struct pgoutput_column *columns =
		arena_array(&script->arena, struct pgoutput_column, relation->column_count);
	for (size_t i = 0; i < relation->column_count; i++) {
		const struct relation_column *column = &relation->columns[i];
		columns[i] = (struct pgoutput_column){ bytes_of_cstring(column->name),
			column->type_oid, column->type_modifier,
			column->is_key || relation->replica_identity == 'f' };
	}
	const struct pgoutput_message message = {
		.kind = PGOUTPUT_RELATION,
		.xid = script->xid,
		.relation = { relation->oid, bytes_of_cstring(relation->namespace_name),
			bytes_of_cstring(relation->name), relation->replica_identity,
			relation->column_count, columns },
	};
	script_message(script, &message, 0);
}

void script_insert_alone(
	struct script *script, lsn_t end_lsn, const struct relation *relation, const char *row)
{
	script_begin(script, (uint32_t)end_lsn);
	script_insert(script, relation, row);
	script_commit(script, end_lsn);
	script_sync(script);
}

/* A number's text as PostgreSQL's binary value. */
static struct bytes binary_number(struct arena *arena, struct bytes text, size_t width)
{
	struct buffer out = { 0 };
	const long long number = strtoll(arena_copy_text(arena, text), NULL, 10);
	if (width == 4)
		buffer_append_u32be(&out, (uint32_t)number);
	else
		buffer_append_u64be(&out, (uint64_t)number);
	const struct bytes binary = arena_copy_bytes(arena, buffer_bytes(&out));
	buffer_deinit(&out);
	return binary;
}

static void copy_row(struct buffer *out, const struct pgoutput_tuple *row, struct arena *arena)
{
	static const size_t WIDTHS[] = { 4, 0, 8 };
	struct pgcopy_field fields[COLUMNS_MAX];
	for (size_t i = 0; i < row->count; i++) {
		const struct pgoutput_value *value = &row->values[i];
		fields[i] =
			(struct pgcopy_field){ value->kind == PGOUTPUT_VALUE_NULL, value->bytes };
		if (!fields[i].is_null && WIDTHS[i] > 0)
			fields[i].bytes = binary_number(arena, value->bytes, WIDTHS[i]);
	}
	pgcopy_encode_row(out, fields, row->count);
}

struct bytes script_copy(struct arena *arena, const char *rows)
{
	struct buffer out = { 0 };
	pgcopy_encode_header(&out);
	while (*rows != '\0') {
		const size_t size = strcspn(rows, " ");
		const struct pgoutput_tuple row = tuple_of(arena, bytes_of(rows, size));
		copy_row(&out, &row, arena);
		rows += size + (rows[size] == ' ');
	}
	pgcopy_encode_trailer(&out);
	const struct bytes copy = arena_copy_bytes(arena, buffer_bytes(&out));
	buffer_deinit(&out);
	return copy;
}

/* --- apply --- */

static void add_table(
	struct applied *applied, const struct relation *relation, struct apply_table **out)
{
	CHECK_OK(apply_add(applied->apply, relation, "", 0, out, &applied->err), &applied->err);
}

void applied_open(struct applied *applied)
{
	*applied = (struct applied){ .world = world_sim_open(test_seed()) };
	CHECK_OK(store_local_open(applied->world, "/lake", &applied->store, &applied->err),
		&applied->err);
	script_open(&applied->script, applied->world, "/log");
	applied->options = (struct apply_options){
		.world = applied->world,
		.store = applied->store,
		.table = { .zstd_level = 1,
			.file_size_target_bytes = 1 << 20,
			.row_group_rows = 1 << 16,
			.lake_id = "test" },
		.pending_bytes_max = 64 << 20,
	};
	applied->apply = apply_open(&applied->options, &(struct apply_position){ 0 });
	add_table(applied, &script_items, &applied->items);
	add_table(applied, &script_whole, &applied->whole);
	add_table(applied, &script_lines, &applied->lines);
}

void applied_close(struct applied *applied)
{
	apply_close(applied->apply);
	script_close(&applied->script);
	store_close(applied->store);
	world_sim_close(applied->world);
}

void applied_read(struct applied *applied)
{
	bool advanced = true;
	while (advanced)
		CHECK_OK(apply_advance(
				 applied->apply, applied->script.log, &advanced, &applied->err),
			&applied->err);
}

struct texts {
	struct arena *arena;
	size_t count;
	const char *items[ROWS_MAX];
};

static bool take_rows(void *context, const struct table_rows *rows, struct error *err)
{
	(void)err;
	struct texts *texts = context;
	const struct batch *batch = rows->batch;
	struct buffer text = { 0 };
	for (size_t row = 0; row < batch->row_count; row++) {
		buffer_reset(&text);
		for (size_t i = 0; i < batch->column_count; i++) {
			if (i > 0)
				buffer_append_u8(&text, '|');
			if (column_is_null(&batch->columns[i], row))
				buffer_append_u8(&text, '~');
			else
				pgvalue_format(&text, &batch->columns[i], row);
		}
		CHECK(texts->count < ROWS_MAX);
		texts->items[texts->count++] = arena_copy_text(texts->arena, buffer_bytes(&text));
	}
	buffer_deinit(&text);
	return true;
}

static int compare_texts(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

const char *table_rows_text(struct table *table, struct arena *arena)
{
	static const int COLUMNS[] = { 0, 1, 2 };
	struct texts texts = { .arena = arena };
	struct error err;
	CHECK_OK(table_scan(table, COLUMNS, 3, take_rows, &texts, &err), &err);
	qsort(texts.items, texts.count, sizeof *texts.items, compare_texts);
	struct buffer all = { 0 };
	for (size_t i = 0; i < texts.count; i++) {
		if (i > 0)
			buffer_append_u8(&all, ' ');
		buffer_append_bytes(&all, bytes_of_cstring(texts.items[i]));
	}
	const char *text = arena_copy_text(arena, buffer_bytes(&all));
	buffer_deinit(&all);
	return text;
}

const char *applied_rows(struct applied *applied, struct apply_table *table)
{
	CHECK_OK(apply_flush(applied->apply, &applied->err), &applied->err);
	return table_rows_text(table->table, &applied->script.arena);
}
