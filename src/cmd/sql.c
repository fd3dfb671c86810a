#include "cmd/sql.h"

#include "base/json.h"
#include "cmd/aligned.h"

#include <ctype.h>
#include <stdlib.h>

enum {
	STATEMENT_SIZE_MAX = 16 << 20
};

#define GREETING "A statement ends with \";\".  \"help\" says more, \"exit\" or Ctrl-D ends.\n"
#define PROMPT "walberg=> "
#define PROMPT_WITHIN "walberg-> "

/* ---- one result ---- */

static bool print_aligned(struct result *result, FILE *out, struct error *err)
{
	struct arena arena = { 0 };
	size_t count = result_column_count(result);
	const char **names = arena_array(&arena, const char *, count);
	bool *is_right = arena_array(&arena, bool, count);
	for (size_t i = 0; i < count; i++) {
		names[i] = result_column_name(result, i);
		is_right[i] = result_column_is_number(result, i);
	}
	struct aligned aligned;
	struct buffer cell = { 0 };
	aligned_init(&aligned, out, count, names, is_right);
	bool has_row = true;
	bool ok;
	while ((ok = result_next(result, &has_row, err)) && has_row) {
		for (size_t i = 0; i < count; i++) {
			buffer_reset(&cell);
			result_append_text(result, i, &cell);
			aligned_add(&aligned, buffer_bytes(&cell));
		}
	}
	if (ok)
		aligned_finish(&aligned);
	aligned_deinit(&aligned);
	buffer_deinit(&cell);
	arena_deinit(&arena);
	return ok;
}

static bool is_taken(const char *const *names, size_t count, const char *name)
{
	for (size_t i = 0; i < count; i++)
		if (strcmp(names[i], name) == 0)
			return true;
	return false;
}

/* The keys of an object differ: a name that comes again gets _1, _2, ... behind it. */
static const char **unique_names(const struct result *result, struct arena *arena)
{
	size_t count = result_column_count(result);
	const char **names = arena_array(arena, const char *, count);
	for (size_t i = 0; i < count; i++) {
		const char *name = result_column_name(result, i);
		names[i] = name;
		for (int suffix = 1; is_taken(names, i, names[i]); suffix++)
			names[i] = arena_format(arena, "%s_%d", name, suffix);
	}
	return names;
}

static void append_json_row(
	const struct result *result, const char *const *names, struct buffer *out)
{
	struct json_writer writer = json_writer_of(out);
	json_write_begin_object(&writer);
	struct buffer value = { 0 };
	for (size_t i = 0; i < result_column_count(result); i++) {
		buffer_reset(&value);
		result_append_json(result, i, &value);
		json_write_key(&writer, names[i]);
		json_write_raw(&writer, buffer_bytes(&value));
	}
	buffer_deinit(&value);
	json_write_end_object(&writer);
	buffer_append_u8(out, '\n');
}

static bool print_json(struct result *result, FILE *out, struct error *err)
{
	struct arena arena = { 0 };
	const char **names = unique_names(result, &arena);
	struct buffer row = { 0 };
	bool has_row = true;
	bool ok;
	while ((ok = result_next(result, &has_row, err)) && has_row) {
		buffer_reset(&row);
		append_json_row(result, names, &row);
		fwrite(row.data, 1, row.size, out);
	}
	buffer_deinit(&row);
	arena_deinit(&arena);
	return ok;
}

/* ---- statements ---- */

static bool check_output(FILE *out, struct error *err)
{
	if (fflush(out) == 0 && !ferror(out))
		return true;
	return error_set_errno(err, ERROR_LOST, "the result cannot be written");
}

static bool run_statement(struct query_session *session, const char *sql,
	const struct sql_output *output, struct error *err)
{
	struct arena arena = { 0 };
	struct query_answer answer;
	bool ok = query_run(session, sql, &arena, &answer, err);
	for (size_t i = 0; ok && i < answer.note_count; i++)
		fprintf(output->errors, "note: %s\n", answer.notes[i]);
	if (ok && answer.result != NULL)
		ok = output->is_json ? print_json(answer.result, output->out, err)
				     : print_aligned(answer.result, output->out, err);
	result_close(answer.result);
	arena_deinit(&arena);
	return ok && check_output(output->out, err);
}

static bool run_bytes(struct query_session *session, struct bytes text,
	const struct sql_output *output, struct error *err)
{
	while (text.size > 0 && isspace(text.data[0])) /* errors count characters from here */
		text = bytes_of(text.data + 1, text.size - 1);
	if (query_is_blank(text))
		return true;
	if (memchr(text.data, 0, text.size) != NULL)
		return error_set(err, ERROR_UNSUPPORTED, "the statement holds a zero byte");
	struct arena arena = { 0 };
	bool ok = run_statement(session, arena_copy_text(&arena, text), output, err);
	arena_deinit(&arena);
	return ok;
}

bool cmd_sql_run(struct query_session *session, const char *text, const struct sql_output *output,
	struct error *err)
{
	struct bytes rest = bytes_of_cstring(text);
	bool ok = true;
	while (ok && rest.size > 0) {
		size_t size = query_statement_size(rest);
		size = size > 0 ? size : rest.size;
		ok = run_bytes(session, bytes_of(rest.data, size), output, err);
		rest = bytes_of(rest.data + size, rest.size - size);
	}
	return ok;
}

/* ---- standard input ---- */

struct sql_reader {
	struct query_session *session;
	const struct sql_output *output;
	struct buffer pending; /* read, but not run */
	bool has_failed;
};

static void run_and_report(struct sql_reader *reader, struct bytes text)
{
	struct error err;
	if (run_bytes(reader->session, text, reader->output, &err))
		return;
	reader->has_failed = true;
	error_print(&err, reader->output->errors);
	fflush(reader->output->errors);
}

static void run_pending(struct sql_reader *reader)
{
	struct bytes rest = buffer_bytes(&reader->pending);
	size_t size;
	while ((size = query_statement_size(rest)) > 0) {
		run_and_report(reader, bytes_of(rest.data, size));
		rest = bytes_of(rest.data + size, rest.size - size);
	}
	memmove(reader->pending.data, rest.data, rest.size);
	reader->pending.size = rest.size;
}

/* False when a statement grows too long to find its end. */
static bool take_line(struct sql_reader *reader, const char *line, size_t size)
{
	buffer_append(&reader->pending, line, size);
	if (memchr(line, ';', size) != NULL)
		run_pending(reader);
	if (query_is_blank(buffer_bytes(&reader->pending)))
		buffer_reset(&reader->pending);
	if (reader->pending.size <= STATEMENT_SIZE_MAX)
		return true;
	struct error err;
	error_set(&err, ERROR_LIMIT, "a statement is longer than %d bytes", STATEMENT_SIZE_MAX);
	error_print(&err, reader->output->errors);
	reader->has_failed = true;
	return false;
}

static const char HELP[] =
	"SHOW TABLES;                       the tables of the lake\n"
	"DESCRIBE orders;                   a table's columns\n"
	"SELECT count(*) FROM orders;       any query\n"
	"SELECT * FROM orders AT (TIMESTAMP => now() - INTERVAL '5 minutes');\n"
	"                                   the past, as far as \"walberg snapshots\" lists it\n"
	"exit, quit, \\q or Ctrl-D           the end\n";

enum command {
	COMMAND_NONE,
	COMMAND_HELP,
	COMMAND_EXIT,
};

/* What is typed at the prompt and is no SQL; psql's other commands are answered with help. */
static enum command command_of(const char *line, size_t size)
{
	static const char *const ENDS[] = { "exit", "quit", "\\q" };
	while (size > 0 && (isspace((unsigned char)*line) || *line == ';'))
		line++, size--;
	while (size > 0 && (isspace((unsigned char)line[size - 1]) || line[size - 1] == ';'))
		size--;
	const struct bytes word = bytes_of(line, size);
	for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++)
		if (bytes_equal(word, bytes_of_cstring(ENDS[i])))
			return COMMAND_EXIT;
	const bool is_help = bytes_equal(word, bytes_of_cstring("help"));
	return is_help || (size > 0 && *line == '\\') ? COMMAND_HELP : COMMAND_NONE;
}

bool cmd_sql_read(struct query_session *session, FILE *in, bool is_interactive,
	const struct sql_output *output)
{
	struct sql_reader reader = { .session = session, .output = output };
	char *line = NULL;
	size_t capacity = 0;
	bool ok = true;
	if (is_interactive)
		fputs(GREETING, output->out);
	while (ok) {
		if (is_interactive) {
			fputs(reader.pending.size > 0 ? PROMPT_WITHIN : PROMPT, output->out);
			fflush(output->out);
		}
		ssize_t size = getline(&line, &capacity, in);
		if (size < 0) {
			fputs(is_interactive ? "\n" : "", output->out);
			break;
		}
		const enum command command =
			is_interactive && (reader.pending.size == 0 || line[0] == '\\')
				? command_of(line, (size_t)size)
				: COMMAND_NONE;
		if (command == COMMAND_EXIT)
			break;
		if (command == COMMAND_HELP)
			fputs(HELP, output->out);
		else
			ok = take_line(&reader, line, (size_t)size);
	}
	if (ok)
		run_and_report(&reader, buffer_bytes(&reader.pending));
	free(line);
	buffer_deinit(&reader.pending);
	return is_interactive || !reader.has_failed;
}
