#include "query/query.h"
#include "query/scan.h"

#include "base/test.h"
#include "base/world.h"

#include <stdlib.h>
#include <unistd.h>

/*
 * A lake of files that DuckDB itself wrote: public.orders in three versions (the last with
 * deletes), public.customers, shop.orders, shop."Mixed Case", public.none (empty),
 * public.everything (all types, and columns named like DuckDB's own), public.broken (paused),
 * public.pending.
 */

struct fake_version {
	int64_t snapshot_id;
	lsn_t position;
	micros_t timestamp;
	struct table_version version;
};

struct fake_table {
	struct table_entry entry;
	size_t version_count;
	struct fake_version versions[4];
};

struct fake_tables {
	struct tables base;
	struct arena arena;
	size_t count;
	struct fake_table tables[10];
	struct table_entry entries[10];
	size_t begin_count;
};

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

static const struct tables_ops fake_ops = { fake_begin, fake_version, fake_close };

struct lab {
	struct fake_tables *tables;
	struct query_session *session;
	struct session *writer;
	const char *directory;
	struct arena arena;
	struct buffer out;
	struct buffer notes;
};

static struct schema *schema_make(
	struct lab *lab, size_t count, const char *const *names, const char *const *types)
{
	struct schema *schema = arena_new(&lab->tables->arena, struct schema);
	schema->field_count = count;
	schema->fields = arena_array(&lab->tables->arena, struct schema_field, count);
	for (size_t i = 0; i < count; i++) {
		schema->fields[i].id = (int32_t)i + 1;
		schema->fields[i].name = names[i];
		CHECK(column_type_parse(types[i], &schema->fields[i].type));
	}
	return schema;
}

/* Writes the rows of a query; its columns get the schema's field ids. */
static struct scan_file file_write(struct lab *lab, const char *name, const struct schema *schema,
	const char *query, uint64_t row_count)
{
	const char *path = arena_format(&lab->tables->arena, "%s/%s", lab->directory, name);
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
	if (!session_do(lab->writer, (const char *)sql.data, &err))
		test_fail(__FILE__, __LINE__, "%s: %s", (const char *)sql.data, err.text);
	buffer_deinit(&sql);
	return (struct scan_file){ path, row_count, false };
}

static const char *deletes_write(
	struct lab *lab, const char *name, const char *data_path, const char *positions)
{
	const char *path = arena_format(&lab->tables->arena, "%s/%s", lab->directory, name);
	struct buffer sql = { 0 };
	buffer_append_cstring(&sql, "COPY (SELECT 'file://' || ");
	sql_append_text(&sql, data_path);
	buffer_append_format(&sql, " AS file_path, unnest(%s)::BIGINT AS pos) TO ", positions);
	sql_append_text(&sql, path);
	buffer_append_cstring(
		&sql, " (FORMAT parquet, FIELD_IDS {file_path: 2147483546, pos: 2147483545})");
	buffer_append_u8(&sql, 0);
	struct error err;
	if (!session_do(lab->writer, (const char *)sql.data, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	buffer_deinit(&sql);
	return path;
}

static struct fake_table *table_add(struct lab *lab, const char *schema, const char *name)
{
	struct fake_table *table = &lab->tables->tables[lab->tables->count++];
	table->entry = (struct table_entry){
		.namespace_name = schema, .name = name, .is_readable = true, .reason = ""
	};
	return table;
}

/* Version n has snapshot id n * 100, position 0/n000 and second n of 2024. */
static struct table_version *version_add(struct lab *lab, struct fake_table *table,
	const struct schema *schema, size_t file_count, const struct scan_file *files)
{
	struct fake_version *version = &table->versions[table->version_count++];
	int64_t number = (int64_t)table->version_count;
	version->snapshot_id = number * 100;
	version->position = (lsn_t)number << 12;
	version->timestamp = (INT64_C(1704067200) + number) * 1000000;
	version->version = (struct table_version){
		.key = arena_format(&lab->tables->arena, "%s.%s#%d", table->entry.namespace_name,
			table->entry.name, (int)number),
		.snapshot_id = version->snapshot_id,
		.schema = schema,
		.file_count = file_count,
		.files = arena_copy(&lab->tables->arena, files, file_count * sizeof *files),
	};
	return &version->version;
}

static void add_orders(struct lab *lab)
{
	static const char *const names[] = { "id", "customer_id", "total", "a \"b" };
	static const char *const types[] = { "long", "int", "decimal(10, 2)", "string" };
	struct schema *schema = schema_make(lab, 4, names, types);
	struct fake_table *orders = table_add(lab, "public", "orders");
	struct scan_file first = file_write(lab, "o1.parquet", schema,
		"SELECT i, (i % 3)::INTEGER, i * 1.5::DECIMAL(10,2), 's' || i FROM range(10) t(i)",
		10);
	struct scan_file second = file_write(lab, "o2.parquet", schema,
		"SELECT i, NULL::INTEGER, 2::DECIMAL(10,2), NULL::VARCHAR FROM range(10, 12) t(i)",
		2);
	version_add(lab, orders, schema, 1, &first);
	version_add(lab, orders, schema, 2, (struct scan_file[]){ first, second });

	/* row 3 of the first file and row 0 of the third are gone; the second is whole */
	struct scan_file third = file_write(lab, "o3.parquet", schema,
		"SELECT i, 1::INTEGER, 0::DECIMAL(10,2), '' FROM range(20, 22) t(i)", 2);
	const char **deletes = arena_array(&lab->tables->arena, const char *, 2);
	deletes[0] = deletes_write(lab, "d1.parquet", first.path, "[3]");
	deletes[1] = deletes_write(lab, "d3.parquet", third.path, "[0]");
	first.has_deletes = true;
	third.has_deletes = true;
	struct table_version *version =
		version_add(lab, orders, schema, 3, (struct scan_file[]){ first, second, third });
	version->delete_files = deletes;
	version->delete_file_count = 2;
	version->deleted_row_count = 2;
}

static void add_others(struct lab *lab)
{
	static const char *const names[] = { "id", "name" };
	static const char *const types[] = { "int", "string" };
	struct schema *schema = schema_make(lab, 2, names, types);
	struct scan_file people = file_write(lab, "c1.parquet", schema,
		"SELECT * FROM (VALUES (0, '张三'), (1, '李四'), (2, '王五'))", 3);
	version_add(lab, table_add(lab, "public", "customers"), schema, 1, &people);
	version_add(lab, table_add(lab, "shop", "orders"), schema, 1, &people);
	version_add(lab, table_add(lab, "shop", "Mixed Case"), schema, 1, &people);
	version_add(lab, table_add(lab, "shop", "items"), schema, 1, &people);

	struct fake_table *broken = table_add(lab, "public", "broken");
	broken->entry.is_paused = true;
	broken->entry.position = 0x16B3748;
	broken->entry.reason = "a value does not fit";
	version_add(lab, broken, schema, 1, &people);
	struct fake_table *pending = table_add(lab, "public", "pending");
	pending->entry.is_readable = false;
	pending->entry.reason = "its snapshot is still being read";
}

#define TYPE_NAMES                                                                                 \
	"boolean", "int", "long", "float", "double", "decimal(9, 2)", "decimal(38, 10)", "date",   \
		"time", "timestamp", "timestamptz", "string", "uuid", "binary", "string", "long"

static void add_everything(struct lab *lab)
{
	static const char *const names[] = { "b", "i", "l", "f", "d", "small", "big", "day", "t",
		"ts", "tz", "s", "u", "bin", "filename", "file_row_number" };
	static const char *const types[] = { TYPE_NAMES };
	struct schema *schema = schema_make(lab, 16, names, types);
	struct scan_file file = file_write(lab, "e1.parquet", schema,
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
	struct fake_table *table = table_add(lab, "public", "everything");
	version_add(lab, table, schema, 1, &file);
	file.has_deletes = true;
	const char **deletes = arena_array(&lab->tables->arena, const char *, 1);
	deletes[0] = deletes_write(lab, "de.parquet", file.path, "[1]");
	struct table_version *version = version_add(lab, table, schema, 1, &file);
	version->delete_files = deletes;
	version->delete_file_count = 1;
	version_add(lab, table_add(lab, "public", "none"), schema, 0, NULL);
}

static void lab_open_in(struct lab *lab, const char *directory)
{
	*lab = (struct lab){ .directory = directory };
	struct error err;
	struct session_options options = {
		.threads = 1, .directory_count = 1, .directories = &lab->directory
	};
	CHECK(session_open(&options, &lab->writer, &err));
	lab->tables = memory_allocate(1, sizeof *lab->tables);
	lab->tables->base.ops = &fake_ops;
	add_orders(lab);
	add_others(lab);
	add_everything(lab);
	struct query_options query_options = { .threads = 1, .warehouse = lab->directory };
	if (!query_session_open(&query_options, &lab->tables->base, &lab->session, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
}

static void lab_open(struct lab *lab)
{
	lab_open_in(lab, test_directory());
}

static void lab_close(struct lab *lab)
{
	query_session_close(lab->session);
	session_close(lab->writer);
	arena_deinit(&lab->arena);
	buffer_deinit(&lab->out);
	buffer_deinit(&lab->notes);
}

static bool read_rows(struct lab *lab, struct result *result, struct error *err)
{
	bool has_row;
	while (result_next(result, &has_row, err)) {
		if (!has_row)
			return true;
		if (lab->out.size > 0)
			buffer_append_u8(&lab->out, ';');
		for (size_t i = 0; i < result_column_count(result); i++) {
			if (i > 0)
				buffer_append_u8(&lab->out, '|');
			if (!result_append_text(result, i, &lab->out))
				buffer_append_u8(&lab->out, '~');
		}
	}
	return false;
}

/* Rows as "a|b;c|d", ~ for NULL, into lab->out; notes into lab->notes. */
static bool run(struct lab *lab, const char *sql, struct error *err)
{
	struct query_answer answer;
	buffer_reset(&lab->out);
	buffer_reset(&lab->notes);
	arena_reset(&lab->arena);
	if (!query_run(lab->session, sql, &lab->arena, &answer, err))
		return false;
	for (size_t i = 0; i < answer.note_count; i++)
		buffer_append_format(&lab->notes, "%s\n", answer.notes[i]);
	bool ok = answer.result == NULL || read_rows(lab, answer.result, err);
	result_close(answer.result);
	return ok;
}

static void expect(struct lab *lab, const char *sql, const char *rows, int line)
{
	struct error err;
	if (!run(lab, sql, &err))
		test_fail(__FILE__, line, "%s: %s", sql, err.text);
	if (!bytes_equal(buffer_bytes(&lab->out), bytes_of_cstring(rows)))
		test_fail(__FILE__, line, "%s: %.*s", sql, (int)lab->out.size,
			(const char *)lab->out.data);
}

#define EXPECT(lab, sql, rows) expect(lab, sql, rows, __LINE__)

static void expect_error(
	struct lab *lab, const char *sql, enum error_kind kind, const char *part, int line)
{
	struct error err;
	if (run(lab, sql, &err))
		test_fail(__FILE__, line, "%s: is not refused", sql);
	if (err.kind != kind || strstr(err.text, part) == NULL)
		test_fail(__FILE__, line, "%s: %s: %s", sql, error_kind_name(err.kind), err.text);
}

#define EXPECT_ERROR(lab, sql, kind, part) expect_error(lab, sql, kind, part, __LINE__)

TEST(a_query_reads_the_newest_version_with_deletes_applied)
{
	struct lab lab;
	lab_open(&lab);
	EXPECT(&lab, "SELECT count(*), sum(id), sum(total) FROM orders", "12|84|67.00");
	EXPECT(&lab, "SELECT id FROM orders WHERE id IN (2, 3, 4, 20, 21) ORDER BY id", "2;4;21");
	EXPECT(&lab, "SELECT * FROM orders WHERE id = 10", "10|~|2.00|~");
	EXPECT(&lab, "SELECT \"a \"\"b\" FROM orders WHERE id = 9", "s9");
	EXPECT(&lab, "TABLE customers", "0|张三;1|李四;2|王五");
	EXPECT(&lab, "VALUES (1, 'a'), (2, NULL)", "1|a;2|~");
	EXPECT(&lab, " -- nothing\n", "");
	CHECK(lab.tables->begin_count == 7);
	lab_close(&lab);
}

TEST(names_are_found_as_in_postgresql)
{
	struct lab lab;
	lab_open(&lab);
	EXPECT(&lab, "SELECT count(*) FROM public.orders", "12");
	EXPECT(&lab, "SELECT count(*) FROM shop.orders", "3");
	EXPECT(&lab, "SELECT count(*) FROM items", "3");
	EXPECT(&lab, "SELECT count(*) FROM walberg.shop.items", "3");
	EXPECT(&lab, "SELECT count(*) FROM \"Mixed Case\"", "3");
	EXPECT(&lab, "SELECT count(*) FROM \"shop\".\"Mixed Case\"", "3");
	EXPECT(&lab, "SELECT count(*) FROM OrderS", "12");
	EXPECT(&lab,
		"SELECT o.id, c.name FROM orders o JOIN customers AS c ON c.id = o.customer_id "
		"WHERE o.id < 3 ORDER BY 1",
		"0|张三;1|李四;2|王五");
	EXPECT(&lab,
		"SELECT orders.id, customers.name FROM orders JOIN customers "
		"ON customers.id = orders.customer_id WHERE orders.id = 4",
		"4|李四");
	EXPECT(&lab, "SELECT public.orders.id FROM public.orders WHERE public.orders.id = 4", "4");
	EXPECT(&lab, "SELECT x, y FROM customers AS c(x, y) WHERE x = 1", "1|李四");
	EXPECT(&lab,
		"SELECT a.id FROM customers a, customers b WHERE a.id = b.id AND b.name = '王五'",
		"2");
	EXPECT(&lab, "SELECT count(*) FROM orders JOIN customers USING (id)", "3");
	EXPECT(&lab,
		"SELECT \"Mixed Case\".*, c.* FROM \"Mixed Case\", customers c "
		"WHERE c.id = 1 AND \"Mixed Case\".id = 2",
		"2|王五|1|李四");
	EXPECT(&lab, "SELECT \"a\"\"b.c\".* FROM customers \"a\"\"b.c\" WHERE id = 1", "1|李四");
	EXPECT_ERROR(&lab, "SELECT * FROM nothing", ERROR_MISSING, "\"nothing\"");
	EXPECT_ERROR(&lab, "SELECT * FROM shop.customers", ERROR_MISSING, "\"shop.customers\"");
	EXPECT_ERROR(&lab, "SELECT * FROM other.public.orders", ERROR_MISSING, "\"other\"");
	EXPECT_ERROR(&lab, "SELECT * FROM pending", ERROR_MISSING, "still being read");
	EXPECT_ERROR(&lab, "SELECT nothing FROM orders", ERROR_UNSUPPORTED, "nothing");
	lab_close(&lab);
}

TEST(a_with_query_hides_a_table_of_its_name_where_it_is_seen)
{
	struct lab lab;
	lab_open(&lab);
	EXPECT(&lab, "WITH orders AS (SELECT 5 AS id) SELECT * FROM orders", "5");
	EXPECT(&lab, "WITH orders AS (SELECT count(*) AS n FROM orders) SELECT n FROM orders",
		"12");
	EXPECT(&lab, "WITH a AS (SELECT 1 AS n), orders AS (SELECT n FROM a) SELECT * FROM ORDERS",
		"1");
	EXPECT(&lab, "WITH orders AS (SELECT 5 AS id) SELECT count(*) FROM public.orders", "12");
	EXPECT(&lab,
		"SELECT (WITH orders AS (SELECT 5 AS id) SELECT id FROM orders), count(*) "
		"FROM orders",
		"5|12");
	EXPECT(&lab, "WITH orders AS (SELECT 5 AS id) SELECT (SELECT max(id) FROM orders)", "5");
	EXPECT(&lab,
		"WITH a AS (SELECT count(*) n FROM orders), orders AS (SELECT 5) SELECT n FROM a",
		"12");
	EXPECT(&lab,
		"WITH RECURSIVE orders(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM orders "
		"WHERE n < 4) SELECT sum(n) FROM orders",
		"10");
	EXPECT_ERROR(&lab, "WITH a AS (SELECT 1) SELECT * FROM a AT (VERSION => 1)",
		ERROR_UNSUPPORTED, "AT cannot");
	EXPECT_ERROR(&lab, "WITH \"a.parquet\" AS (SELECT 1) SELECT * FROM \"a.parquet\"",
		ERROR_UNSUPPORTED, "WITH name");
	EXPECT_ERROR(&lab, "SELECT (WITH a AS (SELECT 1) SELECT 1), (SELECT 1 FROM a)",
		ERROR_MISSING, "\"a\"");
	lab_close(&lab);
}

TEST(at_chooses_a_version_by_snapshot_position_or_time)
{
	struct lab lab;
	lab_open(&lab);
	EXPECT(&lab, "SELECT count(*) FROM orders AT (VERSION => 100)", "10");
	EXPECT(&lab, "SELECT count(*) FROM public.orders o AT (VERSION => 200)", "12");
	EXPECT(&lab, "SELECT max(o.id) FROM orders AS o AT (VERSION => 300)", "21");
	EXPECT(&lab, "SELECT count(*) FROM orders AT (VERSION => '200')", "12");
	EXPECT(&lab, "SELECT max(id) FROM orders AT (VERSION => '0/1000')", "9");
	EXPECT(&lab, "SELECT max(id) FROM orders AT (VERSION => '0/1FFF')", "9");
	EXPECT(&lab, "SELECT max(id) FROM orders AT (VERSION => '0/2000')", "11");
	EXPECT(&lab, "SELECT max(id) FROM orders AT (VERSION => 'FF/0')", "21");
	EXPECT(&lab, "SELECT max(id) FROM orders AT (TIMESTAMP => '2024-01-01 00:00:01')", "9");
	EXPECT(&lab,
		"SELECT max(id) FROM orders AT (TIMESTAMP => TIMESTAMP '2024-01-01 00:00:01.9')",
		"9");
	EXPECT(&lab,
		"SELECT max(id) FROM orders AT (TIMESTAMP => TIMESTAMPTZ '2024-01-01 02:00:02+02')",
		"11");
	EXPECT(&lab, "SELECT max(id) FROM orders AT (TIMESTAMP => now() - INTERVAL 1 minute)",
		"21");
	EXPECT(&lab,
		"SELECT a.n, b.n FROM (SELECT count(*) n FROM orders AT (VERSION => 100)) a, "
		"(SELECT count(*) n FROM orders) b",
		"10|12");
	EXPECT(&lab,
		"SELECT count(*) FROM orders EXCEPT SELECT count(*) FROM orders AT (VERSION => "
		"200)",
		"");
	EXPECT_ERROR(&lab, "SELECT * FROM orders AT (VERSION => 7)", ERROR_MISSING, "version");
	EXPECT_ERROR(
		&lab, "SELECT * FROM orders AT (VERSION => '0/FFF')", ERROR_MISSING, "version");
	EXPECT_ERROR(&lab, "SELECT * FROM orders AT (VERSION => 'latest')", ERROR_UNSUPPORTED,
		"neither");
	EXPECT_ERROR(&lab, "SELECT * FROM orders AT (VERSION => NULL)", ERROR_UNSUPPORTED, "NULL");
	EXPECT_ERROR(&lab, "SELECT * FROM orders AT (TIMESTAMP => 'tomorrow')", ERROR_UNSUPPORTED,
		"timestamp");
	EXPECT_ERROR(
		&lab, "SELECT * FROM orders AT (TIMESTAMP => 'infinity')", ERROR_UNSUPPORTED, "");
	EXPECT_ERROR(&lab, "SELECT * FROM orders AT (VERSION => (SELECT 100))", ERROR_UNSUPPORTED,
		"constant");
	EXPECT_ERROR(&lab, "SELECT * FROM orders AT (VERSION => $1)", ERROR_UNSUPPORTED, "param");
	EXPECT_ERROR(&lab, "SELECT * FROM orders AT (VERSION => getenv('HOME'))", ERROR_UNSUPPORTED,
		"getenv");
	lab_close(&lab);
}

TEST(all_types_and_names_come_through_with_and_without_deletes)
{
	struct lab lab;
	lab_open(&lab);
#define EVERYTHING                                                                                 \
	"t|1|9223372036854775807|0.5|0.1|-1.25|1234567890123456789012345678.0123456789|"           \
	"2024-02-29|12:34:56.789|2024-02-29 12:00:00|2024-02-29 12:00:00+00|x'y|"                  \
	"00112233-4455-6677-8899-aabbccddeeff|\\x00ff|my name|77"
	EXPECT(&lab, "SELECT * FROM everything AT (VERSION => 100) WHERE i = 1", EVERYTHING);
	EXPECT(&lab, "SELECT * FROM everything", EVERYTHING);
	EXPECT(&lab, "SELECT * FROM everything AT (VERSION => 100) WHERE i IS NULL",
		"~|~|~|~|~|~|~|~|~|~|~|~|~|~|~|~");
	EXPECT(&lab, "SELECT filename, file_row_number FROM everything", "my name|77");
	EXPECT(&lab, "SELECT column_type FROM (DESCRIBE everything)",
		"BOOLEAN;INTEGER;BIGINT;FLOAT;DOUBLE;DECIMAL(9,2);DECIMAL(38,10);DATE;TIME;"
		"TIMESTAMP;"
		"TIMESTAMP WITH TIME ZONE;VARCHAR;UUID;BLOB;VARCHAR;BIGINT");
	EXPECT(&lab, "SELECT column_type FROM (DESCRIBE none)",
		"BOOLEAN;INTEGER;BIGINT;FLOAT;DOUBLE;DECIMAL(9,2);DECIMAL(38,10);DATE;TIME;"
		"TIMESTAMP;"
		"TIMESTAMP WITH TIME ZONE;VARCHAR;UUID;BLOB;VARCHAR;BIGINT");
	EXPECT(&lab, "SELECT count(*), max(l) FROM none", "0|~");
	EXPECT(&lab, "SELECT * FROM none", "");
	lab_close(&lab);
}

TEST(a_paused_table_is_read_with_a_note)
{
	struct lab lab;
	lab_open(&lab);
	EXPECT(&lab, "SELECT count(*) FROM customers a, broken b, broken c", "27");
	CHECK(bytes_equal(buffer_bytes(&lab.notes),
		BYTES_LITERAL("table \"public.broken\" is paused at position 0/16B3748: "
			      "a value does not fit\n")));
	EXPECT(&lab, "SELECT count(*) FROM customers", "3");
	CHECK(lab.notes.size == 0);
	lab_close(&lab);
}

TEST(tables_can_be_listed_described_and_explained)
{
	struct lab lab;
	lab_open(&lab);
	EXPECT(&lab, "SHOW TABLES",
		"public|orders|live;public|customers|live;shop|orders|live;shop|Mixed Case|live;"
		"shop|items|live;public|broken|paused;public|pending|not in the lake;"
		"public|everything|live;public|none|live");
	EXPECT(&lab, "SELECT name FROM (SHOW TABLES) WHERE state = 'paused'", "broken");
	EXPECT(&lab, "SELECT column_name, column_type FROM (DESCRIBE customers)",
		"id|INTEGER;name|VARCHAR");
	EXPECT(&lab, "SELECT column_name, max FROM (SUMMARIZE customers)", "id|2;name|王五");
	struct error err;
	CHECK(run(&lab, "EXPLAIN SELECT id FROM orders WHERE id > 5", &err));
	CHECK(memmem(lab.out.data, lab.out.size, "ANTI", 4) != NULL);
	CHECK(memmem(lab.out.data, lab.out.size, "c1>5", 4) != NULL);
	CHECK(run(&lab, "explain -- why\n analyze SELECT id FROM orders", &err));
	EXPECT_ERROR(&lab, "EXPLAIN COPY orders TO 'x'", ERROR_UNSUPPORTED, "\"COPY\"");
	EXPECT_ERROR(&lab, "EXPLAIN EXPLAIN SELECT 1", ERROR_UNSUPPORTED, "\"EXPLAIN\"");
	EXPECT_ERROR(&lab, "SHOW DATABASES", ERROR_UNSUPPORTED, "databases");
	EXPECT(&lab, "SELECT count(*) FROM (SHOW ALL TABLES)", "9");
	lab_close(&lab);
}

static const char *const refused_statements[] = {
	"COPY orders TO '/tmp/x.csv'",
	"COPY (SELECT 1) TO '/tmp/x.csv'",
	"ATTACH '/tmp/x.db'",
	"DETACH memory",
	"INSTALL httpfs",
	"LOAD httpfs",
	"SET threads = 4",
	"RESET threads",
	"PRAGMA version",
	"PRAGMA database_list",
	"CALL pragma_version()",
	"USE memory",
	"EXPORT DATABASE '/tmp/x'",
	"IMPORT DATABASE '/tmp/x'",
	"CREATE TABLE t(a INTEGER)",
	"CREATE VIEW v AS SELECT 1",
	"CREATE MACRO m(a) AS a",
	"CREATE SECRET s (TYPE s3)",
	"INSERT INTO orders VALUES (1)",
	"UPDATE orders SET id = 1",
	"DELETE FROM orders",
	"TRUNCATE orders",
	"MERGE INTO orders USING customers ON true WHEN MATCHED THEN DELETE",
	"DROP TABLE orders",
	"ALTER TABLE orders ADD COLUMN x INTEGER",
	"COMMENT ON TABLE orders IS 'x'",
	"BEGIN",
	"COMMIT",
	"CHECKPOINT",
	"VACUUM",
	"PREPARE p AS SELECT 1",
	"EXECUTE p",
	"DEALLOCATE p",
	"SELECT 1; SELECT 2",
	"SELECT 1; COPY orders TO '/tmp/x.csv'",
	"WITH x AS (DELETE FROM orders RETURNING id) SELECT * FROM x",
	"PIVOT orders ON customer_id USING sum(total)",
};

TEST(every_statement_but_a_query_is_refused)
{
	struct lab lab;
	lab_open(&lab);
	for (size_t i = 0; i < sizeof refused_statements / sizeof *refused_statements; i++)
		EXPECT_ERROR(&lab, refused_statements[i], ERROR_UNSUPPORTED, "");
	EXPECT_ERROR(
		&lab, "  copy orders TO 'x'", ERROR_UNSUPPORTED, "\"copy\" cannot be run here");
	EXPECT_ERROR(&lab, "SELECT FROM FROM", ERROR_UNSUPPORTED, "character 13");
	lab_close(&lab);
}

/* Each %s is a table expression that must not be read. */
static const char *const places[] = {
	"SELECT * FROM %s",
	"SELECT * FROM customers JOIN %s ON true",
	"SELECT * FROM customers, LATERAL (SELECT * FROM %s) x",
	"SELECT * FROM customers POSITIONAL JOIN %s",
	"SELECT (SELECT count(*) FROM %s)",
	"SELECT 1 FROM customers WHERE EXISTS (SELECT 1 FROM %s)",
	"SELECT 1 FROM customers WHERE id IN (SELECT 1 FROM %s)",
	"WITH x AS (SELECT * FROM %s) SELECT 1",
	"WITH RECURSIVE x(n) AS (SELECT 1 UNION ALL SELECT 2 FROM %s) SELECT 1 FROM x",
	"WITH x AS MATERIALIZED (WITH y AS (SELECT 1 FROM %s) SELECT 1) SELECT 1",
	"SELECT 1 UNION ALL SELECT 1 FROM %s",
	"SELECT 1 FROM customers ORDER BY (SELECT 1 FROM %s)",
	"SELECT 1 FROM customers LIMIT (SELECT 1 FROM %s)",
	"SELECT 1 LIMIT 1 OFFSET (SELECT 1 FROM %s)",
	"SELECT 1 FROM customers GROUP BY (SELECT 1 FROM %s)",
	"SELECT 1 FROM customers HAVING (SELECT true FROM %s)",
	"SELECT 1 FROM customers QUALIFY row_number() OVER (ORDER BY (SELECT 1 FROM %s)) = 1",
	"SELECT sum(id) FILTER (WHERE (SELECT true FROM %s)) FROM customers",
	"SELECT sum(id) OVER (PARTITION BY (SELECT 1 FROM %s)) FROM customers",
	"SELECT DISTINCT ON ((SELECT 1 FROM %s)) id FROM customers",
	"SELECT CASE WHEN (SELECT true FROM %s) THEN 1 END",
	"SELECT [y FOR y IN (SELECT list(1) FROM %s)]",
	"SELECT list_transform([1], lambda q: (SELECT 1 FROM %s))",
	"SELECT ARRAY(SELECT 1 FROM %s)",
	"SELECT * REPLACE ((SELECT 1 FROM %s) AS id) FROM customers",
	"SELECT COLUMNS(lambda c: (SELECT true FROM %s)) FROM customers",
	"VALUES ((SELECT 1 FROM %s))",
	"SELECT * FROM (VALUES ((SELECT 1 FROM %s))) v",
	"SELECT * FROM range((SELECT 1 FROM %s))",
	"SELECT unnest((SELECT [1] FROM %s))",
	"FROM %s PIVOT (count(*) FOR id IN (1, 2))",
	"FROM %s UNPIVOT (v FOR n IN (id))",
	"DESCRIBE SELECT * FROM %s",
	"SUMMARIZE SELECT * FROM %s",
	"SELECT * FROM (DESCRIBE SELECT * FROM %s)",
	"EXPLAIN SELECT * FROM %s",
	"EXPLAIN ANALYZE SELECT * FROM %s",
	"SELECT 1 FROM customers TABLESAMPLE 10% WHERE id = ANY (SELECT 1 FROM %s)",
};

static const char *const forbidden[] = {
	"'/etc/passwd'",
	"\"/etc/passwd\"",
	"'%DIR/c1.parquet'",
	"read_parquet('%DIR/c1.parquet')",
	"information_schema.tables",
	"duckdb_settings()",
	"query('SELECT 1')",
};

static void fill(struct buffer *out, const char *text, const char *mark, const char *value)
{
	buffer_reset(out);
	const char *at = strstr(text, mark);
	if (at == NULL) {
		buffer_append_cstring(out, text);
	} else {
		buffer_append(out, text, (size_t)(at - text));
		buffer_append_cstring(out, value);
		buffer_append_cstring(out, at + strlen(mark));
	}
	buffer_append_u8(out, 0);
}

TEST(nothing_but_tables_of_the_lake_is_read_wherever_it_stands)
{
	struct lab lab;
	lab_open(&lab);
	struct buffer sql = { 0 };
	struct buffer name = { 0 };
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		/* that the place itself is admitted shows that the name is what is refused */
		struct error err;
		fill(&sql, places[i], "%s", "items");
		bool ok = run(&lab, (const char *)sql.data, &err);
		if (!ok && strstr(err.text, "cannot be used here") != NULL)
			test_fail(__FILE__, __LINE__, "%s: %s", (const char *)sql.data, err.text);
		for (size_t j = 0; j < sizeof forbidden / sizeof *forbidden; j++) {
			fill(&name, forbidden[j], "%DIR", lab.directory);
			fill(&sql, places[i], "%s", (const char *)name.data);
			if (run(&lab, (const char *)sql.data, &err))
				test_fail(__FILE__, __LINE__, "%s: is not refused",
					(const char *)sql.data);
			bool is_ours = strstr(err.text, "in the lake") != NULL ||
				       strstr(err.text, "cannot be used here") != NULL ||
				       strstr(err.text, "syntax error") != NULL;
			if (!is_ours)
				test_fail(__FILE__, __LINE__, "%s: %s", (const char *)sql.data,
					err.text);
		}
	}
	buffer_deinit(&sql);
	buffer_deinit(&name);
	lab_close(&lab);
}

static const char *const refused_functions[] = {
	"SELECT getenv('HOME')",
	"SELECT current_setting('temp_directory')",
	"SELECT main.current_setting('temp_directory')",
	"SELECT \"CURRENT_SETTING\"('temp_directory')",
	"SELECT name.current_setting() FROM customers",
	"SELECT list_transform(['x'], lambda x: current_setting(x))",
	"SELECT current_query()",
	"SELECT json_serialize_plan('SELECT * FROM read_text(''/etc/passwd'')')",
	"SELECT json_deserialize_sql('{}')",
	"SELECT write_log('x')",
	"SELECT pg_get_viewdef(1)",
	"SELECT nextval('x')",
	"SELECT __internal_decompress_string(1::UTINYINT)",
	"SELECT sum(getvariable('x')) OVER ()",
	"SELECT 1 FROM customers ORDER BY current_setting('threads')",
	"SELECT * FROM read_csv('/etc/passwd')",
	"SELECT * FROM read_text('/etc/passwd')",
	"SELECT * FROM read_blob('/etc/passwd')",
	"SELECT * FROM read_json('/etc/passwd')",
	"SELECT * FROM read_duckdb('/etc/passwd')",
	"SELECT * FROM parquet_scan('x')",
	"SELECT * FROM parquet_schema('x')",
	"SELECT * FROM parquet_metadata('x')",
	"SELECT * FROM sniff_csv('/etc/passwd')",
	"SELECT * FROM glob('/*')",
	"SELECT * FROM query_table('orders')",
	"SELECT * FROM query_table(['/etc/passwd'])",
	"SELECT * FROM histogram('x', 'y')",
	"SELECT * FROM json_execute_serialized_sql('{}')",
	"SELECT * FROM pragma_database_list()",
	"SELECT * FROM duckdb_secrets()",
	"SELECT * FROM which_secret('x', 'y')",
	"SELECT * FROM enable_logging()",
	"SELECT * FROM arrow_scan(1, 2, 3)",
	"SELECT * FROM seq_scan('x')",
	"SELECT * FROM checkpoint()",
	"SELECT * FROM test_all_types()",
	"SELECT * FROM sqlite_master",
	"SELECT * FROM pg_catalog.pg_class",
	"SELECT * FROM duckdb_tables",
	"SELECT * FROM system.information_schema.tables",
	"SELECT * FROM 'x.csv'",
	"SELECT * FROM 'https://example.com/x.parquet'",
	"FROM \"s3://bucket/x.parquet\"",
};

TEST(functions_that_see_more_than_their_arguments_are_refused)
{
	struct lab lab;
	lab_open(&lab);
	for (size_t i = 0; i < sizeof refused_functions / sizeof *refused_functions; i++) {
		struct error err;
		if (run(&lab, refused_functions[i], &err))
			test_fail(__FILE__, __LINE__, "%s: is not refused", refused_functions[i]);
		bool is_ours = strstr(err.text, "cannot be used here") != NULL ||
			       strstr(err.text, "in the lake") != NULL ||
			       strstr(err.text, "no database") != NULL;
		if (!is_ours)
			test_fail(__FILE__, __LINE__, "%s: %s", refused_functions[i], err.text);
	}
	EXPECT(&lab, "SELECT sum(i) FROM range(5) t(i)", "10");
	EXPECT(&lab, "SELECT * FROM unnest([1, 2])", "1;2");
	EXPECT(&lab, "SELECT count(*) FROM generate_series(1, 3)", "3");
	EXPECT(&lab, "SELECT j.value FROM customers, json_each('[7]') j LIMIT 1", "7");
	EXPECT(&lab, "SELECT 7 / 2, upper('a'), current_date > DATE '2020-01-01'", "3|A|t");
	lab_close(&lab);
}

/* What DuckDB writes of a tree is not always quoted; %s is a name that then would be SQL. */
static const char *const named[] = {
	"SELECT \"%s\".* FROM customers \"%s\"",
	"SELECT $\"%s\"",
	"SELECT 1 AS \"%s\"",
	"SELECT name COLLATE \"%s\" FROM customers",
	"SELECT 1::\"%s\"",
	"SELECT * FROM customers JOIN orders USING (\"%s\")",
	"SELECT * FROM customers PIVOT (count(*) AS \"%s\" FOR id IN (1 AS \"%s\"))",
	"SELECT list_transform([1], lambda \"%s\": 1)",
	"SELECT sum(id) OVER \"%s\" FROM customers WINDOW \"%s\" AS (ORDER BY id)",
	"SELECT * EXCLUDE (\"%s\") FROM customers",
	"SELECT * REPLACE (1 AS \"%s\") FROM customers",
	"SELECT * RENAME (id AS \"%s\") FROM customers",
	"SELECT COLUMNS(\"%s\".*) FROM customers \"%s\"",
	"SELECT \"%s\"(1)",
	"SELECT \"%s\".lower(name) FROM customers",
	"SELECT {\"%s\": 1}",
	"FROM customers UNPIVOT (v FOR \"%s\" IN (id AS \"%s\"))",
	"SELECT * FROM range(1) AS \"%s\"(\"%s\")",
	"SELECT CAST({'a': 1} AS STRUCT(\"%s\" INTEGER))",
	"SELECT (customers).\"%s\" FROM customers",
	"SELECT * FROM range(1, \"%s\" := 2)",
	"SELECT * FROM (VALUES (1)) \"%s\"(\"%s\")",
};

TEST(a_name_that_is_sql_is_never_run)
{
	struct lab lab;
	lab_open(&lab);
	static const char *const names[] = {
		"x) FROM read_text('/etc/passwd') --",
		"c.* FROM read_text('/etc/passwd') c --",
		"1, (SELECT content FROM read_text('/etc/passwd')) --",
		"x.* FROM read_parquet('%DIR/c1.parquet') --",
		"x; COPY customers TO '/tmp/x' --",
	};
	struct buffer once = { 0 };
	struct buffer sql = { 0 };
	for (size_t i = 0; i < sizeof named / sizeof *named; i++)
		for (size_t j = 0; j < sizeof names / sizeof *names; j++) {
			struct error err;
			fill(&once, named[i], "%s", names[j]);
			fill(&sql, (const char *)once.data, "%s", names[j]);
			bool ok = run(&lab, (const char *)sql.data, &err);
			bool has_content = memmem(lab.out.data, lab.out.size, "root:", 5) != NULL;
			/* whatever reached a file would say so: the session forbids all but its own
			 */
			if (ok ? has_content : strstr(err.text, "Permission Error") != NULL)
				test_fail(__FILE__, __LINE__, "%s: %s", (const char *)sql.data,
					ok ? "ran" : err.text);
		}
	EXPECT_ERROR(&lab, "SELECT $\"1, (SELECT content FROM read_text('/etc/passwd'))\"",
		ERROR_UNSUPPORTED, "\"read_text\" cannot be used here");
	EXPECT_ERROR(&lab, "SELECT $\"1 FROM read_parquet('/etc/passwd')\"", ERROR_UNSUPPORTED,
		"\"CONSTANT\" cannot be used here");
	EXPECT_ERROR(&lab, "SELECT $\"1 FROM pg_class\"", ERROR_UNSUPPORTED,
		"\"pg_class\" cannot be used here");
	EXPECT_ERROR(&lab, "SELECT $\"1; SELECT 2\"", ERROR_CORRUPT, "not one statement");
	buffer_deinit(&once);
	buffer_deinit(&sql);
	lab_close(&lab);
}

TEST(numbers_and_texts_of_a_statement_keep_their_value)
{
	struct lab lab;
	lab_open(&lab);
	EXPECT(&lab,
		"SELECT 18446744073709551615, 170141183460469231731687303715884105727, 0.1, 1e300",
		"18446744073709551615|170141183460469231731687303715884105727|0.1|1e+300");
	EXPECT(&lab, "SELECT 'a''b\"c\\d', E'x\\ty', $$z'z$$, '张\U0001F600'",
		"a'b\"c\\d|x\ty|z'z|张😀");
	EXPECT(&lab, "SELECT 1 AS \"quoted \"\"name\"", "1");
	EXPECT(&lab, "SELECT column_name FROM (DESCRIBE SELECT * FROM (SELECT count(*) AS count))",
		"count");
	EXPECT(&lab, "SELECT count(*), max(COLUMNS(*)) FROM customers", "3|2|王五");
	EXPECT(&lab,
		"SELECT lower(name), count(*) FROM customers WHERE id = 1 GROUP BY lower(name) "
		"ORDER BY count(*), lower(name)",
		"李四|1");
	EXPECT(&lab, "SELECT unnest({'a': 1, 'b': 2})", "1|2");
	EXPECT(&lab, "SELECT id FROM customers ORDER BY id DESC LIMIT 1", "2");
	EXPECT(&lab, "SELECT x FROM (VALUES (1), (NULL)) t(x) ORDER BY x DESC", "~;1");
	EXPECT(&lab,
		"SELECT count(*) FILTER (WHERE id > 0), sum(id) OVER (ORDER BY id) "
		"FROM customers GROUP BY id ORDER BY id",
		"0|0;1|1;1|3");
	lab_close(&lab);
}

TEST(a_warehouse_may_have_any_characters_in_its_path)
{
	struct lab lab;
	const char *directory = test_directory();
	char path[400];
	snprintf(path, sizeof path, "%s/it's [x] a=b *?%%20", directory);
	struct error err;
	CHECK(world_make_directories(world_posix(), path, &err));
	lab_open_in(&lab, path);
	EXPECT(&lab, "SELECT count(*), sum(id), sum(total) FROM orders", "12|84|67.00");
	lab_close(&lab);
}

TEST(a_statement_ends_at_its_semicolon_outside_of_quotes_and_comments)
{
	static const struct {
		const char *text;
		size_t size;
	} cases[] = {
		{ "SELECT 1; SELECT 2;", 9 },
		{ "SELECT ';'; x", 11 },
		{ "SELECT 'it''s;'; x", 16 },
		{ "SELECT \";\"; x", 11 },
		{ "SELECT 1 -- ;\n; x", 15 },
		{ "SELECT 1 /* ; /* ; */ ; */; x", 27 },
		{ "SELECT $$ ; $$; x", 15 },
		{ "SELECT $a$ ; $b$ ; $a$; x", 23 },
		{ "SELECT a$b, $1; x", 15 },
		{ "SELECT E'\\';'; x", 14 },
		{ "SELECT note'\\'; x", 15 },
		{ "SELECT 1", 0 },
		{ "SELECT ';", 0 },
		{ "SELECT /* ; */", 0 },
		{ "SELECT $a$ ; $A$ ;", 0 },
		{ "", 0 },
		{ ";", 1 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
		if (query_statement_size(bytes_of_cstring(cases[i].text)) != cases[i].size)
			test_fail(__FILE__, __LINE__, "%s", cases[i].text);
	CHECK(query_is_blank(BYTES_LITERAL(" \n-- x\n/* y */ ;; ")));
	CHECK(!query_is_blank(BYTES_LITERAL(" -- x\n1")));
	CHECK(!query_is_blank(BYTES_LITERAL("/* never closed")));
}
