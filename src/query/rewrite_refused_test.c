#include "query/rewrite_fixture.h"

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
	struct queried lake;
	queried_open(&lake);
	for (size_t i = 0; i < sizeof refused_statements / sizeof *refused_statements; i++)
		EXPECT_ERROR(&lake, refused_statements[i], ERROR_UNSUPPORTED, "");
	EXPECT_ERROR(
		&lake, "  copy orders TO 'x'", ERROR_UNSUPPORTED, "\"copy\" cannot be run here");
	EXPECT_ERROR(&lake, "SELECT FROM FROM", ERROR_UNSUPPORTED, "character 13");
	queried_close(&lake);
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
	struct queried lake;
	queried_open(&lake);
	struct buffer sql = { 0 };
	struct buffer name = { 0 };
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		/* that the place itself is admitted shows that the name is what is refused */
		struct error err;
		fill(&sql, places[i], "%s", "items");
		bool ok = queried_run(&lake, (const char *)sql.data, &err);
		if (!ok && strstr(err.text, "cannot be used here") != NULL)
			test_fail(__FILE__, __LINE__, "%s: %s", (const char *)sql.data, err.text);
		for (size_t j = 0; j < sizeof forbidden / sizeof *forbidden; j++) {
			fill(&name, forbidden[j], "%DIR", lake.directory);
			fill(&sql, places[i], "%s", (const char *)name.data);
			if (queried_run(&lake, (const char *)sql.data, &err))
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
	queried_close(&lake);
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
	struct queried lake;
	queried_open(&lake);
	for (size_t i = 0; i < sizeof refused_functions / sizeof *refused_functions; i++) {
		struct error err;
		if (queried_run(&lake, refused_functions[i], &err))
			test_fail(__FILE__, __LINE__, "%s: is not refused", refused_functions[i]);
		bool is_ours = strstr(err.text, "cannot be used here") != NULL ||
			       strstr(err.text, "in the lake") != NULL ||
			       strstr(err.text, "no database") != NULL;
		if (!is_ours)
			test_fail(__FILE__, __LINE__, "%s: %s", refused_functions[i], err.text);
	}
	EXPECT(&lake, "SELECT sum(i) FROM range(5) t(i)", "10");
	EXPECT(&lake, "SELECT * FROM unnest([1, 2])", "1;2");
	EXPECT(&lake, "SELECT count(*) FROM generate_series(1, 3)", "3");
	EXPECT(&lake, "SELECT j.value FROM customers, json_each('[7]') j LIMIT 1", "7");
	EXPECT(&lake, "SELECT 7 / 2, upper('a'), current_date > DATE '2020-01-01'", "3|A|t");
	queried_close(&lake);
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
	struct queried lake;
	queried_open(&lake);
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
			bool ok = queried_run(&lake, (const char *)sql.data, &err);
			bool has_content = memmem(lake.out.data, lake.out.size, "root:", 5) != NULL;
			/* whatever reached a file would say so: the session forbids all but its own
			 */
			if (ok ? has_content : strstr(err.text, "Permission Error") != NULL)
				test_fail(__FILE__, __LINE__, "%s: %s", (const char *)sql.data,
					ok ? "ran" : err.text);
		}
	EXPECT_ERROR(&lake, "SELECT $\"1, (SELECT content FROM read_text('/etc/passwd'))\"",
		ERROR_UNSUPPORTED, "\"read_text\" cannot be used here");
	EXPECT_ERROR(&lake, "SELECT $\"1 FROM read_parquet('/etc/passwd')\"", ERROR_UNSUPPORTED,
		"\"CONSTANT\" cannot be used here");
	EXPECT_ERROR(&lake, "SELECT $\"1 FROM pg_class\"", ERROR_UNSUPPORTED,
		"\"pg_class\" cannot be used here");
	EXPECT_ERROR(&lake, "SELECT $\"1; SELECT 2\"", ERROR_CORRUPT, "not one statement");
	buffer_deinit(&once);
	buffer_deinit(&sql);
	queried_close(&lake);
}
