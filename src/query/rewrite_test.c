#include "query/rewrite_fixture.h"

#include "base/world.h"

TEST(a_query_reads_the_newest_version_with_deletes_applied)
{
	struct queried lake;
	queried_open(&lake);
	EXPECT(&lake, "SELECT count(*), sum(id), sum(total) FROM orders", "12|84|67.00");
	EXPECT(&lake, "SELECT id FROM orders WHERE id IN (2, 3, 4, 20, 21) ORDER BY id", "2;4;21");
	EXPECT(&lake, "SELECT * FROM orders WHERE id = 10", "10|~|2.00|~");
	EXPECT(&lake, "SELECT \"a \"\"b\" FROM orders WHERE id = 9", "s9");
	EXPECT(&lake, "TABLE customers", "0|张三;1|李四;2|王五");
	EXPECT(&lake, "VALUES (1, 'a'), (2, NULL)", "1|a;2|~");
	EXPECT(&lake, " -- nothing\n", "");
	CHECK(lake.tables->begin_count == 7);
	queried_close(&lake);
}

TEST(names_are_found_as_in_postgresql)
{
	struct queried lake;
	queried_open(&lake);
	EXPECT(&lake, "SELECT count(*) FROM public.orders", "12");
	EXPECT(&lake, "SELECT count(*) FROM shop.orders", "3");
	EXPECT(&lake, "SELECT count(*) FROM items", "3");
	EXPECT(&lake, "SELECT count(*) FROM walberg.shop.items", "3");
	EXPECT(&lake, "SELECT count(*) FROM \"Mixed Case\"", "3");
	EXPECT(&lake, "SELECT count(*) FROM \"shop\".\"Mixed Case\"", "3");
	EXPECT(&lake, "SELECT count(*) FROM OrderS", "12");
	EXPECT(&lake,
		"SELECT o.id, c.name FROM orders o JOIN customers AS c ON c.id = o.customer_id "
		"WHERE o.id < 3 ORDER BY 1",
		"0|张三;1|李四;2|王五");
	EXPECT(&lake,
		"SELECT orders.id, customers.name FROM orders JOIN customers "
		"ON customers.id = orders.customer_id WHERE orders.id = 4",
		"4|李四");
	EXPECT(&lake, "SELECT public.orders.id FROM public.orders WHERE public.orders.id = 4", "4");
	EXPECT(&lake, "SELECT x, y FROM customers AS c(x, y) WHERE x = 1", "1|李四");
	EXPECT(&lake,
		"SELECT a.id FROM customers a, customers b WHERE a.id = b.id AND b.name = '王五'",
		"2");
	EXPECT(&lake, "SELECT count(*) FROM orders JOIN customers USING (id)", "3");
	EXPECT(&lake,
		"SELECT \"Mixed Case\".*, c.* FROM \"Mixed Case\", customers c "
		"WHERE c.id = 1 AND \"Mixed Case\".id = 2",
		"2|王五|1|李四");
	EXPECT(&lake, "SELECT \"a\"\"b.c\".* FROM customers \"a\"\"b.c\" WHERE id = 1", "1|李四");
	EXPECT_ERROR(&lake, "SELECT * FROM nothing", ERROR_MISSING, "\"nothing\"");
	EXPECT_ERROR(&lake, "SELECT * FROM shop.customers", ERROR_MISSING, "\"shop.customers\"");
	EXPECT_ERROR(&lake, "SELECT * FROM other.public.orders", ERROR_MISSING, "\"other\"");
	EXPECT_ERROR(&lake, "SELECT * FROM pending", ERROR_MISSING, "still being read");
	EXPECT_ERROR(&lake, "SELECT nothing FROM orders", ERROR_UNSUPPORTED, "nothing");
	queried_close(&lake);
}

TEST(a_with_query_hides_a_table_of_its_name_where_it_is_seen)
{
	struct queried lake;
	queried_open(&lake);
	EXPECT(&lake, "WITH orders AS (SELECT 5 AS id) SELECT * FROM orders", "5");
	EXPECT(&lake, "WITH orders AS (SELECT count(*) AS n FROM orders) SELECT n FROM orders",
		"12");
	EXPECT(&lake, "WITH a AS (SELECT 1 AS n), orders AS (SELECT n FROM a) SELECT * FROM ORDERS",
		"1");
	EXPECT(&lake, "WITH orders AS (SELECT 5 AS id) SELECT count(*) FROM public.orders", "12");
	EXPECT(&lake,
		"SELECT (WITH orders AS (SELECT 5 AS id) SELECT id FROM orders), count(*) "
		"FROM orders",
		"5|12");
	EXPECT(&lake, "WITH orders AS (SELECT 5 AS id) SELECT (SELECT max(id) FROM orders)", "5");
	EXPECT(&lake,
		"WITH a AS (SELECT count(*) n FROM orders), orders AS (SELECT 5) SELECT n FROM a",
		"12");
	EXPECT(&lake,
		"WITH RECURSIVE orders(n) AS (SELECT 1 UNION ALL SELECT n + 1 FROM orders "
		"WHERE n < 4) SELECT sum(n) FROM orders",
		"10");
	EXPECT_ERROR(&lake, "WITH a AS (SELECT 1) SELECT * FROM a AT (VERSION => 1)",
		ERROR_UNSUPPORTED, "AT cannot");
	EXPECT_ERROR(&lake, "WITH \"a.parquet\" AS (SELECT 1) SELECT * FROM \"a.parquet\"",
		ERROR_UNSUPPORTED, "WITH name");
	EXPECT_ERROR(&lake, "SELECT (WITH a AS (SELECT 1) SELECT 1), (SELECT 1 FROM a)",
		ERROR_MISSING, "\"a\"");
	queried_close(&lake);
}

TEST(at_chooses_a_version_by_snapshot_position_or_time)
{
	struct queried lake;
	queried_open(&lake);
	EXPECT(&lake, "SELECT count(*) FROM orders AT (VERSION => 100)", "10");
	EXPECT(&lake, "SELECT count(*) FROM public.orders o AT (VERSION => 200)", "12");
	EXPECT(&lake, "SELECT max(o.id) FROM orders AS o AT (VERSION => 300)", "21");
	EXPECT(&lake, "SELECT count(*) FROM orders AT (VERSION => '200')", "12");
	EXPECT(&lake, "SELECT max(id) FROM orders AT (VERSION => '0/1000')", "9");
	EXPECT(&lake, "SELECT max(id) FROM orders AT (VERSION => '0/1FFF')", "9");
	EXPECT(&lake, "SELECT max(id) FROM orders AT (VERSION => '0/2000')", "11");
	EXPECT(&lake, "SELECT max(id) FROM orders AT (VERSION => 'FF/0')", "21");
	EXPECT(&lake, "SELECT max(id) FROM orders AT (TIMESTAMP => '2024-01-01 00:00:01')", "9");
	EXPECT(&lake,
		"SELECT max(id) FROM orders AT (TIMESTAMP => TIMESTAMP '2024-01-01 00:00:01.9')",
		"9");
	EXPECT(&lake,
		"SELECT max(id) FROM orders AT (TIMESTAMP => TIMESTAMPTZ '2024-01-01 02:00:02+02')",
		"11");
	EXPECT(&lake, "SELECT max(id) FROM orders AT (TIMESTAMP => now() - INTERVAL 1 minute)",
		"21");
	EXPECT(&lake,
		"SELECT a.n, b.n FROM (SELECT count(*) n FROM orders AT (VERSION => 100)) a, "
		"(SELECT count(*) n FROM orders) b",
		"10|12");
	EXPECT(&lake,
		"SELECT count(*) FROM orders EXCEPT SELECT count(*) FROM orders AT (VERSION => "
		"200)",
		"");
	EXPECT_ERROR(&lake, "SELECT * FROM orders AT (VERSION => 7)", ERROR_MISSING, "version");
	EXPECT_ERROR(
		&lake, "SELECT * FROM orders AT (VERSION => '0/FFF')", ERROR_MISSING, "version");
	EXPECT_ERROR(&lake, "SELECT * FROM orders AT (VERSION => 'latest')", ERROR_UNSUPPORTED,
		"neither");
	EXPECT_ERROR(&lake, "SELECT * FROM orders AT (VERSION => NULL)", ERROR_UNSUPPORTED, "NULL");
	EXPECT_ERROR(&lake, "SELECT * FROM orders AT (TIMESTAMP => 'tomorrow')", ERROR_UNSUPPORTED,
		"timestamp");
	EXPECT_ERROR(
		&lake, "SELECT * FROM orders AT (TIMESTAMP => 'infinity')", ERROR_UNSUPPORTED, "");
	EXPECT_ERROR(&lake, "SELECT * FROM orders AT (VERSION => (SELECT 100))", ERROR_UNSUPPORTED,
		"constant");
	EXPECT_ERROR(&lake, "SELECT * FROM orders AT (VERSION => $1)", ERROR_UNSUPPORTED, "param");
	EXPECT_ERROR(&lake, "SELECT * FROM orders AT (VERSION => getenv('HOME'))",
		ERROR_UNSUPPORTED, "getenv");
	queried_close(&lake);
}

TEST(all_types_and_names_come_through_with_and_without_deletes)
{
	struct queried lake;
	queried_open(&lake);
#define EVERYTHING                                                                                 \
	"t|1|9223372036854775807|0.5|0.1|-1.25|1234567890123456789012345678.0123456789|"           \
	"2024-02-29|12:34:56.789|2024-02-29 12:00:00|2024-02-29 12:00:00+00|x'y|"                  \
	"00112233-4455-6677-8899-aabbccddeeff|\\x00ff|my name|77"
	EXPECT(&lake, "SELECT * FROM everything AT (VERSION => 100) WHERE i = 1", EVERYTHING);
	EXPECT(&lake, "SELECT * FROM everything", EVERYTHING);
	EXPECT(&lake, "SELECT * FROM everything AT (VERSION => 100) WHERE i IS NULL",
		"~|~|~|~|~|~|~|~|~|~|~|~|~|~|~|~");
	EXPECT(&lake, "SELECT filename, file_row_number FROM everything", "my name|77");
	EXPECT(&lake, "SELECT column_type FROM (DESCRIBE everything)",
		"BOOLEAN;INTEGER;BIGINT;FLOAT;DOUBLE;DECIMAL(9,2);DECIMAL(38,10);DATE;TIME;"
		"TIMESTAMP;"
		"TIMESTAMP WITH TIME ZONE;VARCHAR;UUID;BLOB;VARCHAR;BIGINT");
	EXPECT(&lake, "SELECT column_type FROM (DESCRIBE none)",
		"BOOLEAN;INTEGER;BIGINT;FLOAT;DOUBLE;DECIMAL(9,2);DECIMAL(38,10);DATE;TIME;"
		"TIMESTAMP;"
		"TIMESTAMP WITH TIME ZONE;VARCHAR;UUID;BLOB;VARCHAR;BIGINT");
	EXPECT(&lake, "SELECT count(*), max(l) FROM none", "0|~");
	EXPECT(&lake, "SELECT * FROM none", "");
	queried_close(&lake);
}

TEST(a_paused_table_is_read_with_a_note)
{
	struct queried lake;
	queried_open(&lake);
	EXPECT(&lake, "SELECT count(*) FROM customers a, broken b, broken c", "27");
	CHECK(bytes_equal(buffer_bytes(&lake.notes),
		BYTES_LITERAL("table \"public.broken\" is paused at position 0/16B3748: "
			      "a value does not fit\n")));
	EXPECT(&lake, "SELECT count(*) FROM customers", "3");
	CHECK(lake.notes.size == 0);
	queried_close(&lake);
}

TEST(tables_can_be_listed_described_and_explained)
{
	struct queried lake;
	queried_open(&lake);
	EXPECT(&lake, "SHOW TABLES",
		"public|orders|live;public|customers|live;shop|orders|live;shop|Mixed Case|live;"
		"shop|items|live;public|broken|paused;public|pending|not in the lake;"
		"public|everything|live;public|none|live");
	EXPECT(&lake, "SELECT name FROM (SHOW TABLES) WHERE state = 'paused'", "broken");
	EXPECT(&lake, "SELECT column_name, column_type FROM (DESCRIBE customers)",
		"id|INTEGER;name|VARCHAR");
	EXPECT(&lake, "SELECT column_name, max FROM (SUMMARIZE customers)", "id|2;name|王五");
	struct error err;
	CHECK(queried_run(&lake, "EXPLAIN SELECT id FROM orders WHERE id > 5", &err));
	CHECK(memmem(lake.out.data, lake.out.size, "ANTI", 4) != NULL);
	CHECK(memmem(lake.out.data, lake.out.size, "c1>5", 4) != NULL);
	CHECK(queried_run(&lake, "explain -- why\n analyze SELECT id FROM orders", &err));
	EXPECT_ERROR(&lake, "EXPLAIN COPY orders TO 'x'", ERROR_UNSUPPORTED, "\"COPY\"");
	EXPECT_ERROR(&lake, "EXPLAIN EXPLAIN SELECT 1", ERROR_UNSUPPORTED, "\"EXPLAIN\"");
	EXPECT_ERROR(&lake, "SHOW DATABASES", ERROR_UNSUPPORTED, "databases");
	EXPECT(&lake, "SELECT count(*) FROM (SHOW ALL TABLES)", "9");
	queried_close(&lake);
}

TEST(numbers_and_texts_of_a_statement_keep_their_value)
{
	struct queried lake;
	queried_open(&lake);
	EXPECT(&lake,
		"SELECT 18446744073709551615, 170141183460469231731687303715884105727, 0.1, 1e300",
		"18446744073709551615|170141183460469231731687303715884105727|0.1|1e+300");
	EXPECT(&lake, "SELECT 'a''b\"c\\d', E'x\\ty', $$z'z$$, '张\U0001F600'",
		"a'b\"c\\d|x\ty|z'z|张😀");
	EXPECT(&lake, "SELECT 1 AS \"quoted \"\"name\"", "1");
	EXPECT(&lake, "SELECT column_name FROM (DESCRIBE SELECT * FROM (SELECT count(*) AS count))",
		"count");
	EXPECT(&lake, "SELECT count(*), max(COLUMNS(*)) FROM customers", "3|2|王五");
	EXPECT(&lake,
		"SELECT lower(name), count(*) FROM customers WHERE id = 1 GROUP BY lower(name) "
		"ORDER BY count(*), lower(name)",
		"李四|1");
	EXPECT(&lake, "SELECT unnest({'a': 1, 'b': 2})", "1|2");
	EXPECT(&lake, "SELECT id FROM customers ORDER BY id DESC LIMIT 1", "2");
	EXPECT(&lake, "SELECT x FROM (VALUES (1), (NULL)) t(x) ORDER BY x DESC", "~;1");
	EXPECT(&lake,
		"SELECT count(*) FILTER (WHERE id > 0), sum(id) OVER (ORDER BY id) "
		"FROM customers GROUP BY id ORDER BY id",
		"0|0;1|1;1|3");
	queried_close(&lake);
}

TEST(a_warehouse_may_have_any_characters_in_its_path)
{
	struct queried lake;
	const char *directory = test_directory();
	char path[400];
	snprintf(path, sizeof path, "%s/it's [x] a=b *?%%20", directory);
	struct error err;
	CHECK(world_make_directories(world_posix(), path, &err));
	queried_open_in(&lake, path);
	EXPECT(&lake, "SELECT count(*), sum(id), sum(total) FROM orders", "12|84|67.00");
	queried_close(&lake);
}
