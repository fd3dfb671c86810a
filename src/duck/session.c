#include "duck/session.h"

#include "duck/print_internal.h"

#include <assert.h>
#include <inttypes.h>
#include <stdlib.h>

enum {
	KEPT_STATEMENTS_MAX = 4
};

struct kept_statement {
	char *sql; /* NULL: free */
	duckdb_prepared_statement statement;
};

struct session {
	duckdb_database database;
	duckdb_connection connection;
	uint64_t memory_limit_bytes;
	bool is_query_only; /* from the end of its opening on */
	bool has_open_result;
	struct kept_statement kept[KEPT_STATEMENTS_MAX];
};

struct result {
	struct session *session;
	struct arena arena;
	duckdb_prepared_statement statement; /* NULL: the session keeps it */
	duckdb_result rows;                  /* needs destroying also after a failed run */
	size_t column_count;
	const char **names;
	struct printer *printers;
	duckdb_data_chunk chunk;
	duckdb_vector *vectors; /* of chunk */
	idx_t row_count;        /* of chunk */
	idx_t row;
	bool is_started;
	bool is_finished; /* DuckDB calls reading on an error */
};

/* ---- errors ---- */

static enum error_kind kind_of(enum duckdb_error_type type)
{
	switch (type) {
	case DUCKDB_ERROR_OUT_OF_MEMORY:
		return ERROR_LIMIT;
	case DUCKDB_ERROR_IO:
		return ERROR_LOST;
	case DUCKDB_ERROR_FATAL:
	case DUCKDB_ERROR_INTERNAL:
		return ERROR_CORRUPT;
	default:
		return ERROR_UNSUPPORTED;
	}
}

/* DuckDB's text without the excerpt of the statement at its end, on one line. */
static void flatten(const char *message, char *out, size_t size)
{
	const char *excerpt = strstr(message, "\n\nLINE ");
	size_t length = excerpt != NULL ? (size_t)(excerpt - message) : strlen(message);
	size_t used = 0;
	for (size_t i = 0; i < length && used + 1 < size; i++) {
		bool is_blank = message[i] == '\n' || message[i] == '\t' || message[i] == ' ';
		if (is_blank && (used == 0 || out[used - 1] == ' '))
			continue;
		out[used++] = is_blank ? ' ' : message[i];
	}
	while (used > 0 && out[used - 1] == ' ')
		used--;
	out[used] = '\0';
}

static bool fail(const struct session *session, enum duckdb_error_type type, const char *message,
	struct error *err)
{
	char text[sizeof err->text];
	flatten(message != NULL ? message : "DuckDB gave no reason", text, sizeof text);
	error_set(err, kind_of(type), "%s", text);
	if (err->kind == ERROR_LIMIT)
		error_hint(err, "Queries may use %" PRIu64 " MB of memory; ask for less at once.",
			session->memory_limit_bytes >> 20);
	/* Statements name no files: it is one of the lake's. */
	else if (type == DUCKDB_ERROR_IO || strstr(text, ".parquet") != NULL)
		error_hint(err, "A file of the lake is missing or damaged; \"walberg snapshot "
				"SCHEMA.TABLE\" reads its table again.");
	return false;
}

/* ---- opening ---- */

static bool configure(duckdb_config config, const char *name, const char *value, struct error *err)
{
	if (duckdb_set_config(config, name, value) == DUCKDB_SUCCESS)
		return true;
	return error_set(err, ERROR_SETUP, "DuckDB refuses the setting %s = %s", name, value);
}

static bool configure_all(
	duckdb_config config, const struct session_options *options, struct error *err)
{
	char number[40];
	if (!configure(config, "autoinstall_known_extensions", "false", err) ||
		!configure(config, "autoload_known_extensions", "false", err) ||
		!configure(config, "allow_community_extensions", "false", err) ||
		!configure(config, "temp_directory",
			options->temp_directory != NULL ? options->temp_directory : "", err))
		return false;
	snprintf(number, sizeof number, "%u", options->threads);
	if (options->threads > 0 && !configure(config, "threads", number, err))
		return false;
	snprintf(number, sizeof number, "%" PRIu64 "B", options->memory_limit_bytes);
	if (options->memory_limit_bytes > 0 && !configure(config, "memory_limit", number, err))
		return false;
	return !options->files_grow ||
	       configure(config, "enable_external_file_cache", "false", err);
}

static void append_quoted(struct buffer *out, const char *text)
{
	buffer_append_u8(out, '\'');
	for (; *text != '\0'; text++) {
		if (*text == '\'')
			buffer_append_u8(out, '\'');
		buffer_append_u8(out, (uint8_t)*text);
	}
	buffer_append_u8(out, '\'');
}

/* The order matters: after external access is off, no folder can be added; after the lock, nothing.
 */
static bool lock_down(
	struct session *session, const struct session_options *options, struct error *err)
{
	struct buffer sql = { 0 };
	buffer_append_cstring(&sql, "SET allowed_directories = [");
	for (size_t i = 0; i < options->directory_count; i++) {
		assert(options->directories[i][0] == '/');
		buffer_append_cstring(&sql, i > 0 ? ", " : "");
		append_quoted(&sql, options->directories[i]);
	}
	buffer_append(&sql, "]", 2);
	bool ok = session_do(session, (const char *)sql.data, err);
	buffer_deinit(&sql);

	/* PostgreSQL's meaning where DuckDB leaves the choice */
	static const char *const settings[] = {
		"SET TimeZone = 'UTC'",
		"SET default_null_order = 'nulls_last_on_asc_first_on_desc'",
		"SET integer_division = true",
		"SET parquet_metadata_cache = true",
		"SET enable_external_access = false",
		"SET lock_configuration = true",
	};
	for (size_t i = 0; ok && i < sizeof settings / sizeof settings[0]; i++)
		ok = session_do(session, settings[i], err);
	return ok;
}

static bool start(struct session *session, const struct session_options *options,
	duckdb_config config, struct error *err)
{
	if (!configure_all(config, options, err))
		return false;
	char *reason = NULL;
	if (duckdb_open_ext(NULL, &session->database, config, &reason) != DUCKDB_SUCCESS) {
		error_set(err, ERROR_SETUP, "DuckDB cannot be opened: %s",
			reason != NULL ? reason : "no reason given");
		duckdb_free(reason);
		return false;
	}
	if (duckdb_connect(session->database, &session->connection) != DUCKDB_SUCCESS)
		return error_set(err, ERROR_SETUP, "DuckDB cannot be connected to");
	if (!lock_down(session, options, err))
		return false;
	session->is_query_only = options->is_query_only;
	return true;
}

bool session_open(const struct session_options *options, struct session **out, struct error *err)
{
	const char *version = duckdb_library_version();
	if (strcmp(version, DUCKDB_VERSION_EXPECTED) != 0)
		return error_set(err, ERROR_SETUP,
			       "DuckDB is %s, but " DUCKDB_VERSION_EXPECTED " is needed",
			       version) ||
		       error_hint(err, "Run tools/setup, which brings the right libduckdb.so.");

	duckdb_config config = NULL;
	if (duckdb_create_config(&config) != DUCKDB_SUCCESS)
		return error_set(err, ERROR_SETUP, "DuckDB cannot be configured");
	struct session *session = memory_allocate(1, sizeof *session);
	session->memory_limit_bytes = options->memory_limit_bytes;
	bool ok = start(session, options, config, err);
	duckdb_destroy_config(&config);
	if (!ok) {
		session_close(session);
		return error_context(err, "opening DuckDB");
	}
	*out = session;
	return true;
}

void session_close(struct session *session)
{
	if (session == NULL)
		return;
	assert(!session->has_open_result);
	for (size_t i = 0; i < KEPT_STATEMENTS_MAX; i++) {
		duckdb_destroy_prepare(&session->kept[i].statement);
		free(session->kept[i].sql);
	}
	duckdb_disconnect(&session->connection);
	duckdb_close(&session->database);
	free(session);
}

/* ---- running ---- */

static bool prepare_failed(
	const struct session *session, duckdb_prepared_statement statement, struct error *err)
{
	const char *message = statement != NULL ? duckdb_prepare_error(statement) : NULL;
	enum duckdb_error_type type = DUCKDB_ERROR_INVALID;
	if (message != NULL && strncmp(message, "IO Error", 8) == 0)
		type = DUCKDB_ERROR_IO;
	else if (message != NULL && strncmp(message, "Out of Memory", 13) == 0)
		type = DUCKDB_ERROR_OUT_OF_MEMORY;
	return fail(session, type, message, err);
}

static bool prepare(
	struct session *session, const char *sql, duckdb_prepared_statement *out, struct error *err)
{
	assert(!session->has_open_result);
	bool ok = duckdb_prepare(session->connection, sql, out) == DUCKDB_SUCCESS;
	if (!ok) {
		prepare_failed(session, *out, err);
	} else if (session->is_query_only) {
		enum duckdb_statement_type type = duckdb_prepared_statement_type(*out);
		ok = type == DUCKDB_STATEMENT_TYPE_SELECT || type == DUCKDB_STATEMENT_TYPE_EXPLAIN;
		if (!ok)
			error_set(err, ERROR_UNSUPPORTED, "only queries can be run here");
	}
	if (!ok)
		duckdb_destroy_prepare(out);
	return ok;
}

static bool prepare_once(
	struct session *session, const char *sql, duckdb_prepared_statement *out, struct error *err)
{
	struct kept_statement *kept = session->kept;
	size_t i = 0;
	while (i < KEPT_STATEMENTS_MAX && kept[i].sql != NULL && strcmp(kept[i].sql, sql) != 0)
		i++;
	assert(i < KEPT_STATEMENTS_MAX);
	if (kept[i].sql == NULL) {
		if (!prepare(session, sql, &kept[i].statement, err))
			return false;
		kept[i].sql = memory_allocate(strlen(sql) + 1, 1);
		strcpy(kept[i].sql, sql);
	}
	*out = kept[i].statement;
	return true;
}

static bool describe_columns(struct result *result, struct error *err)
{
	result->column_count = duckdb_column_count(&result->rows);
	result->names = arena_array(&result->arena, const char *, result->column_count);
	result->printers = arena_array(&result->arena, struct printer, result->column_count);
	result->vectors = arena_array(&result->arena, duckdb_vector, result->column_count);
	for (size_t i = 0; i < result->column_count; i++) {
		result->names[i] =
			arena_copy_cstring(&result->arena, duckdb_column_name(&result->rows, i));
		duckdb_logical_type type = duckdb_column_logical_type(&result->rows, i);
		bool ok = printer_init(&result->printers[i], type, &result->arena, err);
		duckdb_destroy_logical_type(&type);
		if (!ok)
			return error_context(err, "describing column \"%s\"", result->names[i]);
	}
	return true;
}

static struct result *result_open(
	struct session *session, duckdb_prepared_statement owned_statement)
{
	struct result *result = memory_allocate(1, sizeof *result);
	result->session = session;
	result->statement = owned_statement;
	session->has_open_result = true;
	return result;
}

bool session_run(struct session *session, const char *sql, struct result **out, struct error *err)
{
	duckdb_prepared_statement statement = NULL;
	if (!prepare(session, sql, &statement, err))
		return false;
	struct result *result = result_open(session, statement);
	bool ok = duckdb_execute_prepared_streaming(statement, &result->rows) == DUCKDB_SUCCESS;
	if (!ok)
		fail(session, duckdb_result_error_type(&result->rows),
			duckdb_result_error(&result->rows), err);
	if (!ok || !describe_columns(result, err)) {
		result_close(result);
		return false;
	}
	*out = result;
	return true;
}

bool session_check(struct session *session, const char *sql, struct error *err)
{
	duckdb_prepared_statement statement = NULL;
	if (!prepare(session, sql, &statement, err))
		return false;
	duckdb_destroy_prepare(&statement);
	return true;
}

bool session_do(struct session *session, const char *sql, struct error *err)
{
	struct result *result;
	if (!session_run(session, sql, &result, err))
		return false;
	bool has_row = true;
	bool ok = true;
	while (ok && has_row)
		ok = result_next(result, &has_row, err);
	result_close(result);
	return ok;
}

static bool execute_with(struct session *session, duckdb_prepared_statement statement,
	size_t value_count, const struct bytes *values, struct result *result, struct error *err)
{
	if (duckdb_nparams(statement) != value_count)
		return error_set(err, ERROR_UNSUPPORTED, "parameters have no value here");
	for (size_t i = 0; i < value_count; i++)
		if (duckdb_bind_varchar_length(statement, i + 1, (const char *)values[i].data,
			    values[i].size) != DUCKDB_SUCCESS)
			return error_set(
				err, ERROR_UNSUPPORTED, "DuckDB refuses text that is not UTF-8");
	if (duckdb_execute_prepared(statement, &result->rows) == DUCKDB_SUCCESS)
		return true;
	return fail(session, duckdb_result_error_type(&result->rows),
		duckdb_result_error(&result->rows), err);
}

bool session_ask(struct session *session, const char *sql, size_t value_count,
	const struct bytes *values, struct arena *arena, const char **out, struct error *err)
{
	duckdb_prepared_statement statement = NULL;
	bool is_kept = value_count > 0;
	bool ok = is_kept ? prepare_once(session, sql, &statement, err)
			  : prepare(session, sql, &statement, err);
	if (!ok)
		return false;
	struct result *result = result_open(session, is_kept ? NULL : statement);
	bool has_row = false;
	struct buffer text = { 0 };
	ok = execute_with(session, statement, value_count, values, result, err) &&
	     describe_columns(result, err) && result_next(result, &has_row, err);
	if (ok)
		*out = has_row && result_append_text(result, 0, &text)
			       ? arena_copy_text(arena, buffer_bytes(&text))
			       : NULL;
	buffer_deinit(&text);
	result_close(result);
	return ok;
}

/* ---- results ---- */

size_t result_column_count(const struct result *result)
{
	return result->column_count;
}

const char *result_column_name(const struct result *result, size_t column)
{
	assert(column < result->column_count);
	return result->names[column];
}

bool result_column_is_number(const struct result *result, size_t column)
{
	assert(column < result->column_count);
	return printer_is_number(&result->printers[column]);
}

/* False at the end and on an error, which only result_next() tells apart. */
static bool fetch_chunk(struct result *result)
{
	do {
		duckdb_destroy_data_chunk(&result->chunk);
		result->chunk = duckdb_fetch_chunk(result->rows);
		if (result->chunk == NULL)
			return false;
		result->row_count = duckdb_data_chunk_get_size(result->chunk);
	} while (result->row_count == 0);
	for (size_t i = 0; i < result->column_count; i++)
		result->vectors[i] = duckdb_data_chunk_get_vector(result->chunk, i);
	result->row = 0;
	return true;
}

bool result_next(struct result *result, bool *has_row, struct error *err)
{
	*has_row = true;
	if (result->is_started && result->row + 1 < result->row_count) {
		result->row++;
		return true;
	}
	result->is_started = true;
	if (!result->is_finished && fetch_chunk(result))
		return true;
	*has_row = false;
	result->row_count = 0;
	if (result->is_finished)
		return true;
	result->is_finished = true;
	const char *message = duckdb_result_error(&result->rows);
	if (message != NULL && message[0] != '\0')
		return fail(result->session, duckdb_result_error_type(&result->rows), message, err);
	return true;
}

bool result_append_text(const struct result *result, size_t column, struct buffer *out)
{
	assert(column < result->column_count && result->row < result->row_count);
	return printer_append_text(
		&result->printers[column], result->vectors[column], result->row, out);
}

void result_append_json(const struct result *result, size_t column, struct buffer *out)
{
	assert(column < result->column_count && result->row < result->row_count);
	printer_append_json(&result->printers[column], result->vectors[column], result->row, out);
}

void result_close(struct result *result)
{
	if (result == NULL)
		return;
	duckdb_destroy_data_chunk(&result->chunk);
	duckdb_destroy_result(&result->rows);
	duckdb_destroy_prepare(&result->statement);
	arena_deinit(&result->arena);
	result->session->has_open_result = false;
	free(result);
}
