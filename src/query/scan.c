#include "query/scan.h"

#include "iceberg/data_file.h"

#include <assert.h>
#include <inttypes.h>

enum {
	FIELD_ID_NOWHERE = 2147483000 /* below those that Iceberg reserves, above any table's */
};

/* In the order of enum value_type. */
static const char *const type_names[] = {
	[VALUE_BOOLEAN] = "BOOLEAN",
	[VALUE_INT] = "INTEGER",
	[VALUE_LONG] = "BIGINT",
	[VALUE_FLOAT] = "FLOAT",
	[VALUE_DOUBLE] = "DOUBLE",
	[VALUE_DECIMAL] = "DECIMAL",
	[VALUE_DATE] = "DATE",
	[VALUE_TIME] = "TIME",
	[VALUE_TIMESTAMP] = "TIMESTAMP",
	[VALUE_TIMESTAMPTZ] = "TIMESTAMP WITH TIME ZONE",
	[VALUE_STRING] = "VARCHAR",
	[VALUE_UUID] = "UUID",
	[VALUE_BINARY] = "BLOB",
};

static void append_quoted(struct buffer *out, const char *text, char quote)
{
	buffer_append_u8(out, (uint8_t)quote);
	for (; *text != '\0'; text++) {
		if (*text == quote)
			buffer_append_u8(out, (uint8_t)quote);
		buffer_append_u8(out, (uint8_t)*text);
	}
	buffer_append_u8(out, (uint8_t)quote);
}

void sql_append_text(struct buffer *out, const char *text)
{
	append_quoted(out, text, '\'');
}

void sql_append_identifier(struct buffer *out, const char *name)
{
	append_quoted(out, name, '"');
}

static void append_type(struct buffer *out, struct column_type type)
{
	buffer_append_cstring(out, type_names[type.type]);
	if (type.type == VALUE_DECIMAL)
		buffer_append_format(out, "(%u,%u)", type.precision, type.scale);
}

/*
 * Inside the scan a column is called c<field id>: DuckDB adds "filename" and "file_row_number",
 * which a column of the table may be called too.  A statement that reads no column, as one that
 * only counts, gets one that no file has.
 */
static void append_columns(struct buffer *out, const struct schema *schema, bool is_empty)
{
	buffer_append_cstring(out,
		schema->field_count > 0 ? "SELECT " : "SELECT NULL AS \"no column of the table\"");
	for (size_t i = 0; i < schema->field_count; i++) {
		const struct schema_field *field = &schema->fields[i];
		buffer_append_cstring(out, i > 0 ? ", " : "");
		if (is_empty) {
			buffer_append_cstring(out, "CAST(NULL AS ");
			append_type(out, field->type);
			buffer_append_cstring(out, ")");
		} else {
			buffer_append_format(out, "c%" PRId32, field->id);
		}
		buffer_append_cstring(out, " AS ");
		sql_append_identifier(out, field->name);
	}
}

static void append_schema_field(struct buffer *out, int32_t id, struct column_type type)
{
	buffer_append_format(out, "%" PRId32 ": {name: 'c%" PRId32 "', type: '", id, id);
	append_type(out, type);
	buffer_append_cstring(out, "', default_value: NULL}");
}

void scan_append_pattern(struct buffer *out, const char *path)
{
	for (; *path != '\0'; path++) {
		if (strchr("*?[", *path) != NULL)
			buffer_append_format(out, "[%c]", *path);
		else
			buffer_append_u8(out, (uint8_t)*path);
	}
}

static void append_path(struct buffer *out, const char *path)
{
	struct buffer pattern = { 0 };
	scan_append_pattern(&pattern, path);
	buffer_append_u8(&pattern, 0);
	sql_append_text(out, (const char *)pattern.data);
	buffer_deinit(&pattern);
}

/* The planner does not open the files when it is given a schema, so it is told how many rows. */
static void append_options(struct buffer *out, uint64_t row_count)
{
	buffer_append_format(out,
		"}, explicit_cardinality = %" PRIu64 ", hive_partitioning = false)",
		row_count > 0 ? row_count : 1);
}

static uint64_t append_paths(
	struct buffer *out, const struct table_version *version, bool has_deletes)
{
	uint64_t row_count = 0;
	size_t count = 0;
	buffer_append_cstring(out, "read_parquet([");
	for (size_t i = 0; i < version->file_count; i++) {
		if (version->files[i].has_deletes != has_deletes)
			continue;
		buffer_append_cstring(out, count++ > 0 ? ", " : "");
		append_path(out, version->files[i].path);
		row_count += version->files[i].row_count;
	}
	buffer_append_cstring(out, "], schema = MAP {");
	if (version->schema->field_count == 0)
		append_schema_field(
			out, FIELD_ID_NOWHERE, (struct column_type){ .type = VALUE_LONG });
	return row_count;
}

static void append_scan(struct buffer *out, const struct table_version *version, bool has_deletes)
{
	append_columns(out, version->schema, false);
	buffer_append_cstring(out, " FROM ");
	uint64_t row_count = append_paths(out, version, has_deletes);
	for (size_t i = 0; i < version->schema->field_count; i++) {
		const struct schema_field *field = &version->schema->fields[i];
		buffer_append_cstring(out, i > 0 ? ", " : "");
		append_schema_field(out, field->id, field->type);
	}
	append_options(out, row_count);
}

/* Java writes the same bucket with other schemes. */
static void append_names(struct buffer *out, const struct scan_file *file, bool is_first)
{
	static const char *const SCHEMES[] = { "s3:", "s3a:", "s3n:" };
	const size_t count = strncmp(file->uri, "s3:", 3) == 0 ? 3 : 1;
	for (size_t i = 0; i < count; i++) {
		struct buffer name = { 0 };
		if (count > 1)
			buffer_append_format(&name, "%s%s", SCHEMES[i], file->uri + 3);
		else
			buffer_append_cstring(&name, file->uri);
		buffer_append_u8(&name, 0);
		buffer_append_cstring(out, is_first && i == 0 ? "(" : ", (");
		sql_append_text(out, (const char *)name.data);
		buffer_append_cstring(out, ", ");
		sql_append_text(out, file->path);
		buffer_append_cstring(out, ")");
		buffer_deinit(&name);
	}
}

/* The path of the file that a row of a delete file names. */
static void append_deleted_path(struct buffer *out, bool is_in_place)
{
	/* URIs are written file:///lake and, by Java, file:/lake */
	if (is_in_place)
		buffer_append_format(out, "'/' || ltrim(substr(c%d, %zu), '/')",
			FIELD_ID_DELETE_FILE_PATH, strlen("file:") + 1);
	else
		buffer_append_cstring(out, "names.file");
}

static void append_name_join(struct buffer *out, const struct table_version *version)
{
	bool is_first = true;
	buffer_append_cstring(out, " JOIN (VALUES ");
	for (size_t i = 0; i < version->file_count; i++) {
		if (!version->files[i].has_deletes)
			continue;
		append_names(out, &version->files[i], is_first);
		is_first = false;
	}
	buffer_append_format(
		out, ") AS names(uri, file) ON names.uri = c%d", FIELD_ID_DELETE_FILE_PATH);
}

static bool is_in_place(const struct table_version *version)
{
	return version->files[0].uri == NULL;
}

/* A correlated NOT EXISTS would be planned as a join of the data with itself. */
static void append_anti_join(struct buffer *out, const struct table_version *version)
{
	buffer_append_cstring(out, " AS d ANTI JOIN (SELECT ");
	append_deleted_path(out, is_in_place(version));
	buffer_append_format(
		out, " AS path, c%d AS row FROM read_parquet([", FIELD_ID_DELETE_POSITION);
	for (size_t i = 0; i < version->delete_file_count; i++) {
		buffer_append_cstring(out, i > 0 ? ", " : "");
		append_path(out, version->delete_files[i].path);
	}
	buffer_append_cstring(out, "], schema = MAP {");
	append_schema_field(
		out, FIELD_ID_DELETE_FILE_PATH, (struct column_type){ .type = VALUE_STRING });
	buffer_append_cstring(out, ", ");
	append_schema_field(
		out, FIELD_ID_DELETE_POSITION, (struct column_type){ .type = VALUE_LONG });
	append_options(out, version->deleted_row_count);
	if (!is_in_place(version))
		append_name_join(out, version);
	buffer_append_cstring(out, ") AS x ON x.path = d.filename AND x.row = d.file_row_number");
}

bool scan_check_schema(const struct schema *schema, struct error *err)
{
	if (schema->field_count == 0)
		return error_set(err, ERROR_UNSUPPORTED, "a table without columns cannot be read");
	for (size_t i = 0; i < schema->field_count; i++)
		if (schema->fields[i].type.type == VALUE_NONE)
			return error_set(err, ERROR_UNSUPPORTED,
				"column \"%s\" has a type that cannot be read here",
				schema->fields[i].name);
	return true;
}

void scan_append_sql(const struct table_version *version, struct buffer *out)
{
	size_t deleted_from = 0;
	for (size_t i = 0; i < version->file_count; i++)
		deleted_from += version->files[i].has_deletes;
	assert(deleted_from == 0 || version->delete_file_count > 0);

	if (version->file_count == 0) {
		append_columns(out, version->schema, true);
		buffer_append_cstring(out, " WHERE false");
		return;
	}
	if (deleted_from < version->file_count)
		append_scan(out, version, false);
	if (deleted_from > 0 && deleted_from < version->file_count)
		buffer_append_cstring(out, " UNION ALL ");
	if (deleted_from > 0) {
		append_scan(out, version, true);
		append_anti_join(out, version);
	}
}
