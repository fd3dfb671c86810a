#include "cmd/changes.h"

#include "base/json.h"
#include "base/map.h"
#include "base/utf8.h"
#include "cmd/show.h"
#include "engine/definition.h"
#include "format/pgvalue/pgvalue.h"

#include <inttypes.h>
#include <stdlib.h>

/* A relation as the stream describes it, with what the lake knows of it. */
struct described {
	struct arena arena;
	const char *namespace_name;
	const char *name;
	size_t column_count;
	struct described_column {
		const char *name;
		bool is_key;
		bool is_typed; /* else its values are shown as they came */
		struct pgvalue_decoder decoder;
		struct column value; /* of one row */
	} * columns;
};

struct changes {
	FILE *out;
	bool is_json;
	struct map described; /* by oid */
	struct arena lake_arena;
	struct map lake; /* by oid: struct relation, as the lake's catalog has it */
	struct buffer line;

	/* As text, of the commit whose changes are being shown. */
	lsn_t commit_lsn;
	char position[LSN_TEXT_SIZE];
	char committed_at[SHOW_SIZE];
};

static void described_free(struct described *described)
{
	if (described == NULL)
		return;
	for (size_t i = 0; i < described->column_count; i++)
		if (described->columns[i].is_typed)
			column_deinit(&described->columns[i].value);
	arena_deinit(&described->arena);
	free(described);
}

struct changes *changes_open(FILE *out, bool is_json)
{
	struct changes *changes = memory_allocate(1, sizeof *changes);
	changes->out = out;
	changes->is_json = is_json;
	return changes;
}

void changes_close(struct changes *changes)
{
	if (changes == NULL)
		return;
	for (size_t i = 0; i < changes->described.capacity; i++)
		described_free(changes->described.entries[i].value);
	map_deinit(&changes->described);
	map_deinit(&changes->lake);
	arena_deinit(&changes->lake_arena);
	buffer_deinit(&changes->line);
	free(changes);
}

void changes_know(struct changes *changes, const struct catalog_view *view)
{
	map_deinit(&changes->lake);
	arena_reset(&changes->lake_arena);
	for (size_t i = 0; i < view->table_count; i++) {
		const struct catalog_table *table = &view->tables[i];
		struct relation *relation = arena_new(&changes->lake_arena, struct relation);
		struct error ignored;
		if (table->definition[0] != '\0' &&
			definition_decode(table->definition, table->namespace_name, table->name,
				&changes->lake_arena, relation, &ignored))
			map_put(&changes->lake, relation->oid, relation);
	}
}

/* --- definitions --- */

static const struct relation_column *known_column(
	const struct relation *relation, const struct pgoutput_column *seen)
{
	for (size_t i = 0; relation != NULL && i < relation->column_count; i++) {
		const struct relation_column *column = &relation->columns[i];
		if (bytes_equal(bytes_of_cstring(column->name), seen->name) &&
			column->type_oid == seen->type_oid &&
			column->type_modifier == seen->type_modifier)
			return column;
	}
	return NULL;
}

static void describe_column(struct described *described, size_t index,
	const struct pgoutput_column *seen, const struct relation *lake)
{
	struct described_column *column = &described->columns[index];
	const struct relation_column *known = known_column(lake, seen);
	struct column_type type = { 0 };
	column->name = arena_copy_text(&described->arena, seen->name);
	column->is_key =
		lake != NULL && !lake->is_append ? known != NULL && known->is_key : seen->is_key;
	if (known != NULL)
		type = known->type;
	else if (!pgvalue_type(seen->type_oid, seen->type_modifier, 'b', &type))
		type.type = VALUE_NONE;
	column->is_typed = type.type != VALUE_NONE;
	if (!column->is_typed)
		return;
	column->decoder = pgvalue_decoder_of(seen->type_oid, type);
	column_init(&column->value, type);
}

static void describe(struct changes *changes, const struct pgoutput_relation *seen)
{
	struct described *described = memory_allocate(1, sizeof *described);
	const struct relation *lake = map_get(&changes->lake, seen->oid);
	described->namespace_name = arena_copy_text(&described->arena, seen->namespace_name);
	described->name = arena_copy_text(&described->arena, seen->name);
	described->column_count = seen->column_count;
	described->columns =
		arena_array(&described->arena, struct described_column, seen->column_count);
	for (size_t i = 0; i < seen->column_count; i++)
		describe_column(described, i, &seen->columns[i], lake);
	described_free(map_put(&changes->described, seen->oid, described));
}

void changes_define(struct changes *changes, struct bytes relation_message)
{
	struct arena arena = { 0 };
	struct pgoutput_message message;
	struct error ignored;
	if (pgoutput_decode(relation_message, false, &arena, &message, &ignored) &&
		message.kind == PGOUTPUT_RELATION &&
		map_get(&changes->described, message.relation.oid) == NULL)
		describe(changes, &message.relation);
	arena_deinit(&arena);
}

bool changes_is_new(const struct changes *changes, const struct pgoutput_message *message)
{
	return message->kind == PGOUTPUT_RELATION &&
	       map_get(&changes->described, message->relation.oid) == NULL;
}

/* --- values --- */

struct shown {
	bool is_there; /* false: an unchanged value that was not sent */
	bool is_null;
	bool is_bare; /* a number, or a boolean */
	bool is_boolean;
	struct buffer text;
};

/* What cannot be read as the column's type is shown as it came: text, or \x and hex digits. */
static void show_raw(struct shown *shown, const struct pgoutput_value *value)
{
	if (value->kind == PGOUTPUT_VALUE_TEXT) {
		buffer_append_bytes(&shown->text, value->bytes);
		return;
	}
	buffer_append_cstring(&shown->text, "\\x");
	for (size_t i = 0; i < value->bytes.size; i++)
		buffer_append_format(&shown->text, "%02x", value->bytes.data[i]);
}

static void show_value(
	struct shown *shown, struct described_column *column, const struct pgoutput_value *value)
{
	shown->is_there = value->kind != PGOUTPUT_VALUE_UNCHANGED;
	shown->is_null = value->kind == PGOUTPUT_VALUE_NULL;
	shown->is_bare = shown->is_boolean = false;
	buffer_reset(&shown->text);
	if (!shown->is_there || shown->is_null)
		return;
	if (!column->is_typed) {
		show_raw(shown, value);
		return;
	}
	column_reset(&column->value);
	if (pgvalue_append(&column->decoder, value->kind, value->bytes, &column->value) !=
		PGVALUE_FITS) {
		show_raw(shown, value);
		return;
	}
	pgvalue_format(&shown->text, &column->value, 0);
	shown->is_boolean = column->value.type.type == VALUE_BOOLEAN;
	shown->is_bare = shown->is_boolean || value_type_is_number(column->value.type.type);
}

/* --- lines for people --- */

/* 'text', in which no character steers a terminal or ends the line. */
static void append_quoted(struct buffer *line, struct bytes text)
{
	buffer_append_u8(line, '\'');
	while (text.size > 0) {
		const size_t size = utf8_sequence_size(text);
		const uint8_t first = text.data[0];
		if (first == '\'')
			buffer_append_cstring(line, "''");
		else if (size == 0 || first < ' ' || first == 0x7F)
			buffer_append_format(line, "\\x%02X", first);
		else
			buffer_append(line, text.data, size);
		text = bytes_of(text.data + (size ? size : 1), text.size - (size ? size : 1));
	}
	buffer_append_u8(line, '\'');
}

static void append_shown(struct buffer *line, const char *name, const struct shown *shown)
{
	buffer_append_cstring(line, name);
	buffer_append_u8(line, '=');
	if (shown->is_null)
		buffer_append_cstring(line, "NULL");
	else if (shown->is_bare)
		buffer_append_bytes(line, buffer_bytes(&shown->text));
	else
		append_quoted(line, buffer_bytes(&shown->text));
}

static void append_text_tuple(struct buffer *line, struct described *described,
	const struct pgoutput_tuple *tuple, bool key_alone)
{
	struct shown shown = { 0 };
	const char *separator = "";
	for (size_t i = 0; i < described->column_count; i++) {
		struct described_column *column = &described->columns[i];
		if (key_alone && !column->is_key)
			continue;
		show_value(&shown, column, &tuple->values[i]);
		if (!shown.is_there)
			continue;
		buffer_append_cstring(line, separator);
		append_shown(line, column->name, &shown);
		separator = " ";
	}
	buffer_deinit(&shown.text);
}

static void append_text_unchanged(
	struct buffer *line, const struct described *described, const struct pgoutput_tuple *tuple)
{
	const char *before = " unchanged ";
	for (size_t i = 0; i < described->column_count; i++) {
		if (tuple->values[i].kind != PGOUTPUT_VALUE_UNCHANGED)
			continue;
		buffer_append_cstring(line, before);
		buffer_append_cstring(line, described->columns[i].name);
		before = ", ";
	}
}

/* --- objects for programs --- */

static void write_json_value(struct json_writer *writer, const struct shown *shown)
{
	const struct bytes text = buffer_bytes(&shown->text);
	const bool is_finite = text.size > 0 &&
			       (text.data[text.size - 1] >= '0' && text.data[text.size - 1] <= '9');
	if (shown->is_null)
		json_write_null(writer);
	else if (shown->is_boolean)
		json_write_bool(writer, text.data[0] == 't');
	else if (shown->is_bare && is_finite)
		json_write_raw(writer, text);
	else if (utf8_is_valid(text))
		json_write_text(writer, text);
	else
		json_write_null(writer); /* text of a database without an encoding */
}

static void write_json_tuple(struct json_writer *writer, const char *key,
	struct described *described, const struct pgoutput_tuple *tuple, bool key_alone)
{
	struct shown shown = { 0 };
	json_write_key(writer, key);
	json_write_begin_object(writer);
	for (size_t i = 0; i < described->column_count; i++) {
		struct described_column *column = &described->columns[i];
		if (key_alone && !column->is_key)
			continue;
		show_value(&shown, column, &tuple->values[i]);
		if (!shown.is_there)
			continue;
		json_write_key(writer, column->name);
		write_json_value(writer, &shown);
	}
	json_write_end_object(writer);
	buffer_deinit(&shown.text);
}

static void write_json_unchanged(struct json_writer *writer, const struct described *described,
	const struct pgoutput_tuple *tuple)
{
	bool is_any = false;
	for (size_t i = 0; i < described->column_count; i++) {
		if (tuple->values[i].kind != PGOUTPUT_VALUE_UNCHANGED)
			continue;
		if (!is_any) {
			json_write_key(writer, "unchanged");
			json_write_begin_array(writer);
		}
		is_any = true;
		json_write_cstring(writer, described->columns[i].name);
	}
	if (is_any)
		json_write_end_array(writer);
}

/* --- changes --- */

struct change {
	const char *operation;
	struct described *described;
	const struct pgoutput_tuple *old; /* NULL: not sent */
	bool is_whole_old;
	const struct pgoutput_tuple *row; /* NULL: none */
};

/* Once for all changes of a commit. */
static void format_commit(struct changes *changes, const struct transaction_commit *commit)
{
	if (changes->commit_lsn == commit->end_lsn)
		return;
	changes->commit_lsn = commit->end_lsn;
	lsn_format(commit->end_lsn, changes->position);
	if (changes->is_json)
		show_time_json(commit->committed_at, changes->committed_at);
	else
		show_time(commit->committed_at, changes->committed_at);
}

static void append_text(
	struct buffer *line, const struct changes *changes, const struct change *change)
{
	const struct described *described = change->described;
	const char *const words[] = { changes->position, " ", changes->committed_at, " ",
		described->namespace_name, ".", described->name, " ", change->operation };
	for (size_t i = 0; i < sizeof words / sizeof *words; i++)
		buffer_append_cstring(line, words[i]);
	const struct pgoutput_tuple *identity = change->old != NULL ? change->old : change->row;
	if (identity != NULL && strcmp(change->operation, "insert") != 0) {
		buffer_append_cstring(line, " (");
		append_text_tuple(line, change->described, identity, !change->is_whole_old);
		buffer_append_u8(line, ')');
	}
	if (change->row == NULL)
		return;
	buffer_append_u8(line, ' ');
	append_text_tuple(line, change->described, change->row, false);
	append_text_unchanged(line, described, change->row);
}

static bool append_json(struct buffer *line, const struct changes *changes,
	const struct transaction_commit *commit, const struct change *change, struct error *err)
{
	struct described *described = change->described;
	struct json_writer writer = json_writer_of(line);
	json_write_begin_object(&writer);
	json_write_member_cstring(&writer, "position", changes->position);
	json_write_member_cstring(&writer, "committed_at", changes->committed_at);
	json_write_member_uint(&writer, "xid", commit->xid);
	json_write_member_cstring(&writer, "namespace", described->namespace_name);
	json_write_member_cstring(&writer, "table", described->name);
	json_write_member_cstring(&writer, "operation", change->operation);
	const struct pgoutput_tuple *identity = change->old != NULL ? change->old : change->row;
	if (identity != NULL)
		write_json_tuple(&writer, "key", described, identity, true);
	if (change->is_whole_old)
		write_json_tuple(&writer, "old", described, change->old, false);
	if (change->row != NULL) {
		write_json_tuple(&writer, "row", described, change->row, false);
		write_json_unchanged(&writer, described, change->row);
	}
	json_write_end_object(&writer);
	return json_write_finish(&writer, err);
}

static bool print(struct changes *changes, const struct transaction_commit *commit,
	const struct change *change, struct error *err)
{
	format_commit(changes, commit);
	buffer_reset(&changes->line);
	if (!changes->is_json)
		append_text(&changes->line, changes, change);
	else if (!append_json(&changes->line, changes, commit, change, err))
		return false;
	buffer_append_u8(&changes->line, '\n');
	if (fwrite(changes->line.data, 1, changes->line.size, changes->out) != changes->line.size)
		return error_set_errno(err, ERROR_LOST, "the output cannot be written");
	return true;
}

static bool check_width(
	const struct described *described, const struct pgoutput_tuple *tuple, struct error *err)
{
	if (tuple == NULL || tuple->count == described->column_count)
		return true;
	return error_set(err, ERROR_CORRUPT, "a row of \"%s.%s\" has %zu columns, its table %zu",
		described->namespace_name, described->name, tuple->count, described->column_count);
}

/* Its definition may have stood in a part of the log that is gone: then there is no name for it. */
static bool find(struct changes *changes, uint32_t oid, struct described **out, struct error *err)
{
	*out = map_get(&changes->described, oid);
	if (*out != NULL)
		return true;
	error_set(err, ERROR_MISSING,
		"the log does not say which table %" PRIu32 " is: that part of it was released",
		oid);
	return error_hint(err, "\"walberg log --follow\" shows what comes from now on.");
}

static bool print_row(struct changes *changes, const struct transaction_commit *commit,
	const struct pgoutput_message *message, struct error *err)
{
	const struct pgoutput_row *row = &message->row;
	struct change change = {
		.operation = message->kind == PGOUTPUT_INSERT   ? "insert"
			     : message->kind == PGOUTPUT_UPDATE ? "update"
								: "delete",
		.old = row->old_kind != 0 ? &row->old_tuple : NULL,
		.is_whole_old = row->old_kind == 'O',
		.row = message->kind != PGOUTPUT_DELETE ? &row->new_tuple : NULL,
	};
	return find(changes, row->relation_oid, &change.described, err) &&
	       check_width(change.described, change.old, err) &&
	       check_width(change.described, change.row, err) &&
	       print(changes, commit, &change, err);
}

static bool print_truncate(struct changes *changes, const struct transaction_commit *commit,
	const struct pgoutput_truncate *truncate, struct error *err)
{
	for (size_t i = 0; i < truncate->relation_count; i++) {
		struct change change = { .operation = "truncate" };
		if (!find(changes, truncate->relation_oids[i], &change.described, err) ||
			!print(changes, commit, &change, err))
			return false;
	}
	return true;
}

bool changes_take(struct changes *changes, const struct transaction_commit *commit, bool is_shown,
	const struct pgoutput_message *message, struct error *err)
{
	switch (message->kind) {
	case PGOUTPUT_RELATION:
		describe(changes, &message->relation);
		return true;
	case PGOUTPUT_INSERT:
	case PGOUTPUT_UPDATE:
	case PGOUTPUT_DELETE:
		return !is_shown || print_row(changes, commit, message, err);
	case PGOUTPUT_TRUNCATE:
		return !is_shown || print_truncate(changes, commit, &message->truncate, err);
	default:
		return true;
	}
}
