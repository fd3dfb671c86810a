#include "query/rewrite_fixture.h"

#include "base/world.h"
#include "query/scan.h"

#include <stdlib.h>

static bool fake_begin(
	struct tables *tables, const struct table_entry **out, size_t *count, struct error *err)
{
	(void)err;
	struct fake_tables *fake = (struct fake_tables *)tables;
	for (size_t i = 0; i < fake->count; i++)
		fake->entries[i] = fake->tables[i].entry;
	fake->begin_count++;
	*out = fake->entries;
	*count = fake->count;
	return true;
}

static bool is_chosen(const struct fake_version *version, const struct version_selector *selector)
{
	switch (selector->kind) {
	case VERSION_SNAPSHOT:
		return version->snapshot_id == selector->snapshot_id;
	case VERSION_POSITION:
		return version->position <= selector->position;
	case VERSION_TIMESTAMP:
		return version->timestamp <= selector->timestamp;
	default:
		return true;
	}
}

static bool fake_version(struct tables *tables, size_t index,
	const struct version_selector *selector, struct table_version *out, struct error *err)
{
	const struct fake_table *table = &((struct fake_tables *)tables)->tables[index];
	for (size_t i = table->version_count; i-- > 0;)
		if (is_chosen(&table->versions[i], selector)) {
			*out = table->versions[i].version;
			return true;
		}
	return error_set(err, ERROR_MISSING, "no such version");
}

static void fake_close(struct tables *tables)
{
	arena_deinit(&((struct fake_tables *)tables)->arena);
	free(tables);
}

/* Only what is wanted can be read, as where files are fetched. */
static bool fake_fetch(struct tables *tables, const struct table_version *version,
	const struct wanted_columns *wanted, struct table_version *out, struct error *err)
{
	struct fake_tables *fake = (struct fake_tables *)tables;
	struct schema *schema = schema_copy(version->schema, &fake->arena);
	(void)err;
	schema->field_count = 0;
	for (size_t i = 0; i < version->schema->field_count; i++)
		if (column_is_wanted(wanted, version->schema->fields[i].name))
			schema->fields[schema->field_count++] = version->schema->fields[i];
	fake->fetched_columns += schema->field_count;
	*out = *version;
	out->schema = schema;
	return true;
}

static const struct tables_ops fake_ops = { fake_begin, fake_version, fake_fetch, fake_close };

static struct schema *schema_make(
	struct queried *lake, size_t count, const char *const *names, const char *const *types)
{
	struct schema *schema = arena_new(&lake->tables->arena, struct schema);
	schema->field_count = count;
	schema->fields = arena_array(&lake->tables->arena, struct schema_field, count);
	for (size_t i = 0; i < count; i++) {
		schema->fields[i].id = (int32_t)i + 1;
		schema->fields[i].name = names[i];
		CHECK(column_type_parse(types[i], &schema->fields[i].type));
	}
	return schema;
}

/* Writes the rows of a query; its columns get the schema's field ids. */
static struct scan_file file_write(struct queried *lake, const char *name,
	const struct schema *schema, const char *query, uint64_t row_count)
{
	const char *path = arena_format(&lake->tables->arena, "%s/%s", lake->directory, name);
	struct buffer sql = { 0 };
	buffer_append_format(&sql, "COPY (SELECT * FROM (%s) AS t(", query);
	for (size_t i = 0; i < schema->field_count; i++)
		buffer_append_format(&sql, "%sc%zu", i > 0 ? ", " : "", i + 1);
	buffer_append_cstring(&sql, ")) TO ");
	sql_append_text(&sql, path);
	buffer_append_cstring(&sql, " (FORMAT parquet, FIELD_IDS {");
	for (size_t i = 0; i < schema->field_count; i++)
		buffer_append_format(
			&sql, "%sc%zu: %d", i > 0 ? ", " : "", i + 1, (int)schema->fields[i].id);
	buffer_append(&sql, "})", 3);
	struct error err;
	if (!session_do(lake->writer, (const char *)sql.data, &err))
		test_fail(__FILE__, __LINE__, "%s: %s", (const char *)sql.data, err.text);
	buffer_deinit(&sql);
	return (struct scan_file){ .path = path, .row_count = row_count };
}

static struct delete_file deletes_write(
	struct queried *lake, const char *name, const char *data_path, const char *positions)
{
	const char *path = arena_format(&lake->tables->arena, "%s/%s", lake->directory, name);
	struct buffer sql = { 0 };
	buffer_append_cstring(&sql, "COPY (SELECT 'file://' || ");
	sql_append_text(&sql, data_path);
	buffer_append_format(&sql, " AS file_path, unnest(%s)::BIGINT AS pos) TO ", positions);
	sql_append_text(&sql, path);
	buffer_append_cstring(
		&sql, " (FORMAT parquet, FIELD_IDS {file_path: 2147483546, pos: 2147483545})");
	buffer_append_u8(&sql, 0);
	struct error err;
	if (!session_do(lake->writer, (const char *)sql.data, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	buffer_deinit(&sql);
	return (struct delete_file){ .path = path };
}

static struct fake_table *table_add(struct queried *lake, const char *schema, const char *name)
{
	struct fake_table *table = &lake->tables->tables[lake->tables->count++];
	table->entry = (struct table_entry){
		.namespace_name = schema, .name = name, .is_readable = true, .reason = ""
	};
	return table;
}

/* Version n has snapshot id n * 100, position 0/n000 and second n of 2024. */
static struct table_version *version_add(struct queried *lake, struct fake_table *table,
	const struct schema *schema, size_t file_count, const struct scan_file *files)
{
	struct fake_version *version = &table->versions[table->version_count++];
	int64_t number = (int64_t)table->version_count;
	version->snapshot_id = number * 100;
	version->position = (lsn_t)number << 12;
	version->timestamp = (INT64_C(1704067200) + number) * 1000000;
	version->version = (struct table_version){
		.snapshot_id = version->snapshot_id,
		.schema = schema,
		.file_count = file_count,
		.files = arena_copy(&lake->tables->arena, files, file_count * sizeof *files),
	};
	return &version->version;
}

static void add_orders(struct queried *lake)
{
	static const char *const names[] = { "id", "customer_id", "total", "a \"b" };
	static const char *const types[] = { "long", "int", "decimal(10, 2)", "string" };
	struct schema *schema = schema_make(lake, 4, names, types);
	struct fake_table *orders = table_add(lake, "public", "orders");
	struct scan_file first = file_write(lake, "o1.parquet", schema,
		"SELECT i, (i % 3)::INTEGER, i * 1.5::DECIMAL(10,2), 's' || i FROM range(10) t(i)",
		10);
	struct scan_file second = file_write(lake, "o2.parquet", schema,
		"SELECT i, NULL::INTEGER, 2::DECIMAL(10,2), NULL::VARCHAR FROM range(10, 12) t(i)",
		2);
	version_add(lake, orders, schema, 1, &first);
	version_add(lake, orders, schema, 2, (struct scan_file[]){ first, second });

	/* row 3 of the first file and row 0 of the third are gone; the second is whole */
	struct scan_file third = file_write(lake, "o3.parquet", schema,
		"SELECT i, 1::INTEGER, 0::DECIMAL(10,2), '' FROM range(20, 22) t(i)", 2);
	struct delete_file *deletes = arena_array(&lake->tables->arena, struct delete_file, 2);
	deletes[0] = deletes_write(lake, "d1.parquet", first.path, "[3]");
	deletes[1] = deletes_write(lake, "d3.parquet", third.path, "[0]");
	first.has_deletes = true;
	third.has_deletes = true;
	struct table_version *version =
		version_add(lake, orders, schema, 3, (struct scan_file[]){ first, second, third });
	version->delete_files = deletes;
	version->delete_file_count = 2;
	version->deleted_row_count = 2;
}

static void add_others(struct queried *lake)
{
	static const char *const names[] = { "id", "name" };
	static const char *const types[] = { "int", "string" };
	struct schema *schema = schema_make(lake, 2, names, types);
	struct scan_file people = file_write(lake, "c1.parquet", schema,
		"SELECT * FROM (VALUES (0, '张三'), (1, '李四'), (2, '王五'))", 3);
	version_add(lake, table_add(lake, "public", "customers"), schema, 1, &people);
	version_add(lake, table_add(lake, "shop", "orders"), schema, 1, &people);
	version_add(lake, table_add(lake, "shop", "Mixed Case"), schema, 1, &people);
	version_add(lake, table_add(lake, "shop", "items"), schema, 1, &people);

	struct fake_table *broken = table_add(lake, "public", "broken");
	broken->entry.is_paused = true;
	broken->entry.position = 0x16B3748;
	broken->entry.reason = "a value does not fit";
	version_add(lake, broken, schema, 1, &people);
	struct fake_table *pending = table_add(lake, "public", "pending");
	pending->entry.is_readable = false;
	pending->entry.reason = "its snapshot is still being read";
}

#define TYPE_NAMES                                                                                 \
	"boolean", "int", "long", "float", "double", "decimal(9, 2)", "decimal(38, 10)", "date",   \
		"time", "timestamp", "timestamptz", "string", "uuid", "binary", "string", "long"

static void add_everything(struct queried *lake)
{
	static const char *const names[] = { "b", "i", "l", "f", "d", "small", "big", "day", "t",
		"ts", "tz", "s", "u", "bin", "filename", "file_row_number" };
	static const char *const types[] = { TYPE_NAMES };
	struct schema *schema = schema_make(lake, 16, names, types);
	struct scan_file file = file_write(lake, "e1.parquet", schema,
		"SELECT true, 1::INTEGER, 9223372036854775807, 0.5::FLOAT, 0.1::DOUBLE, "
		"-1.25::DECIMAL(9,2), 1234567890123456789012345678.0123456789::DECIMAL(38,10), "
		"DATE '2024-02-29', TIME '12:34:56.789', TIMESTAMP '2024-02-29 12:00:00', "
		"TIMESTAMPTZ '2024-02-29 12:00:00+00', 'x''y', "
		"'00112233-4455-6677-8899-aabbccddeeff'::UUID, '\\x00\\xFF'::BLOB, 'my name', "
		"77::BIGINT "
		"UNION ALL SELECT NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, NULL, "
		"NULL, "
		"NULL, NULL, NULL, NULL, NULL",
		2);
	struct fake_table *table = table_add(lake, "public", "everything");
	version_add(lake, table, schema, 1, &file);
	file.has_deletes = true;
	struct delete_file *deletes = arena_array(&lake->tables->arena, struct delete_file, 1);
	deletes[0] = deletes_write(lake, "de.parquet", file.path, "[1]");
	struct table_version *version = version_add(lake, table, schema, 1, &file);
	version->delete_files = deletes;
	version->delete_file_count = 1;
	version_add(lake, table_add(lake, "public", "none"), schema, 0, NULL);
}

void queried_open_in(struct queried *lake, const char *directory)
{
	*lake = (struct queried){ .directory = directory };
	struct error err;
	struct session_options options = {
		.threads = 1, .directory_count = 1, .directories = &lake->directory
	};
	CHECK(session_open(&options, &lake->writer, &err));
	lake->tables = memory_allocate(1, sizeof *lake->tables);
	lake->tables->base.ops = &fake_ops;
	add_orders(lake);
	add_others(lake);
	add_everything(lake);
	struct query_options query_options = { .threads = 1, .files = lake->directory };
	if (!query_session_open(&query_options, &lake->tables->base, &lake->session, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
}

void queried_open(struct queried *lake)
{
	queried_open_in(lake, test_directory());
}

void queried_close(struct queried *lake)
{
	query_session_close(lake->session);
	session_close(lake->writer);
	arena_deinit(&lake->arena);
	buffer_deinit(&lake->out);
	buffer_deinit(&lake->notes);
}

static bool read_rows(struct queried *lake, struct result *result, struct error *err)
{
	bool has_row;
	while (result_next(result, &has_row, err)) {
		if (!has_row)
			return true;
		if (lake->out.size > 0)
			buffer_append_u8(&lake->out, ';');
		for (size_t i = 0; i < result_column_count(result); i++) {
			if (i > 0)
				buffer_append_u8(&lake->out, '|');
			if (!result_append_text(result, i, &lake->out))
				buffer_append_u8(&lake->out, '~');
		}
	}
	return false;
}

bool queried_run(struct queried *lake, const char *sql, struct error *err)
{
	struct query_answer answer;
	buffer_reset(&lake->out);
	buffer_reset(&lake->notes);
	arena_reset(&lake->arena);
	if (!query_run(lake->session, sql, &lake->arena, &answer, err))
		return false;
	for (size_t i = 0; i < answer.note_count; i++)
		buffer_append_format(&lake->notes, "%s\n", answer.notes[i]);
	bool ok = answer.result == NULL || read_rows(lake, answer.result, err);
	result_close(answer.result);
	return ok;
}

void queried_expect(struct queried *lake, const char *sql, const char *rows, int line)
{
	struct error err;
	if (!queried_run(lake, sql, &err))
		test_fail(__FILE__, line, "%s: %s", sql, err.text);
	if (!bytes_equal(buffer_bytes(&lake->out), bytes_of_cstring(rows)))
		test_fail(__FILE__, line, "%s: %.*s", sql, (int)lake->out.size,
			(const char *)lake->out.data);
}

void queried_expect_error(
	struct queried *lake, const char *sql, enum error_kind kind, const char *part, int line)
{
	struct error err;
	if (queried_run(lake, sql, &err))
		test_fail(__FILE__, line, "%s: is not refused", sql);
	if (err.kind != kind || strstr(err.text, part) == NULL)
		test_fail(__FILE__, line, "%s: %s: %s", sql, error_kind_name(err.kind), err.text);
}
