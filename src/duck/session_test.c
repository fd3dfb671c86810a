#include "duck/session.h"

#include "base/test.h"
#include "base/world.h"

static struct session *open_in(const char *directory)
{
	struct session_options options = {
		.threads = 1,
		.memory_limit_bytes = UINT64_C(256) << 20,
		.temp_directory = NULL,
		.directory_count = directory != NULL,
		.directories = &directory,
	};
	struct session *session;
	struct error err;
	if (!session_open(&options, &session, &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	return session;
}

/* The first row of a statement, as text with '|' between columns and ~ for NULL, or as JSON. */
static void first_row(
	struct session *session, const char *sql, bool is_json, char *out, size_t size)
{
	struct error err;
	struct result *result;
	bool has_row;
	if (!session_run(session, sql, &result, &err) || !result_next(result, &has_row, &err))
		test_fail(__FILE__, __LINE__, "%s: %s", sql, err.text);
	CHECK(has_row);
	struct buffer text = { 0 };
	for (size_t i = 0; i < result_column_count(result); i++) {
		if (i > 0)
			buffer_append_u8(&text, '|');
		if (is_json)
			result_append_json(result, i, &text);
		else if (!result_append_text(result, i, &text))
			buffer_append_u8(&text, '~');
	}
	snprintf(out, size, "%.*s", (int)text.size, (const char *)text.data);
	buffer_deinit(&text);
	result_close(result);
}

struct printed {
	const char *sql;
	const char *text;
	const char *json;
};

static const struct printed printed[] = {
	{ "true", "t", "true" },
	{ "NULL", "~", "null" },
	{ "NULL::INTEGER", "~", "null" },
	{ "(-128)::TINYINT", "-128", "-128" },
	{ "65535::USMALLINT", "65535", "65535" },
	{ "(-9223372036854775808)::BIGINT", "-9223372036854775808", "-9223372036854775808" },
	{ "18446744073709551615::UBIGINT", "18446744073709551615", "18446744073709551615" },
	{ "170141183460469231731687303715884105727::HUGEINT",
		"170141183460469231731687303715884105727",
		"170141183460469231731687303715884105727" },
	{ "340282366920938463463374607431768211455::UHUGEINT",
		"340282366920938463463374607431768211455",
		"340282366920938463463374607431768211455" },
	{ "0.1::DOUBLE", "0.1", "0.1" },
	{ "1e15::DOUBLE", "1e+15", "1e+15" },
	{ "123456789012345::DOUBLE", "123456789012345", "123456789012345" },
	{ "100000000000000::DOUBLE", "100000000000000", "100000000000000" },
	{ "(-0.00001)::DOUBLE", "-1e-05", "-1e-05" },
	{ "(0.1::DOUBLE + 0.2::DOUBLE)", "0.30000000000000004", "0.30000000000000004" },
	{ "5e-324::DOUBLE", "5e-324", "5e-324" },
	{ "0::DOUBLE", "0", "0" },
	{ "'-0'::DOUBLE", "-0", "-0" },
	{ "100::DOUBLE", "100", "100" },
	{ "123450000::DOUBLE", "123450000", "123450000" },
	{ "1e22::DOUBLE", "1e+22", "1e+22" },
	{ "-1234.5::DOUBLE", "-1234.5", "-1234.5" },
	{ "1.7976931348623157e308::DOUBLE", "1.7976931348623157e+308", "1.7976931348623157e+308" },
	{ "1e-45::FLOAT", "1e-45", "1e-45" },
	{ "100000::FLOAT", "100000", "100000" },
	{ "3.4028235e38::FLOAT", "3.4028235e+38", "3.4028235e+38" },
	{ "0.1::FLOAT", "0.1", "0.1" },
	{ "16777216::FLOAT", "1.6777216e+07", "1.6777216e+07" },
	{ "'nan'::DOUBLE", "NaN", "\"NaN\"" },
	{ "'-inf'::FLOAT", "-Infinity", "\"-Infinity\"" },
	{ "(-0.05)::DECIMAL(4,2)", "-0.05", "\"-0.05\"" },
	{ "12345678901234567890123456789012345.678::DECIMAL(38,3)",
		"12345678901234567890123456789012345.678",
		"\"12345678901234567890123456789012345.678\"" },
	{ "7::DECIMAL(5,0)", "7", "\"7\"" },
	{ "'a\"b\\c' || chr(10) || chr(1) || '张三'", "a\"b\\c\n\001张三",
		"\"a\\\"b\\\\c\\n\\u0001张三\"" },
	{ "'a text that is longer than twelve bytes'", "a text that is longer than twelve bytes",
		"\"a text that is longer than twelve bytes\"" },
	{ "'\\x00\\xFF'::BLOB", "\\x00ff", "\"\\\\x00ff\"" },
	{ "'0101'::BIT", "0101", "\"0101\"" },
	{ "DATE '0001-01-01'", "0001-01-01", "\"0001-01-01\"" },
	{ "DATE '2024-02-29'", "2024-02-29", "\"2024-02-29\"" },
	{ "DATE '9999-12-31'", "9999-12-31", "\"9999-12-31\"" },
	{ "DATE '1969-12-31'", "1969-12-31", "\"1969-12-31\"" },
	{ "'0044-03-15 (BC)'::DATE", "0044-03-15 BC", "\"0044-03-15 BC\"" },
	{ "'infinity'::DATE", "infinity", "\"infinity\"" },
	{ "TIME '23:59:59.5'", "23:59:59.5", "\"23:59:59.5\"" },
	{ "'12:00:00+05:30'::TIMETZ", "12:00:00+05:30", "\"12:00:00+05:30\"" },
	{ "TIMESTAMP '1969-12-31 23:59:59.999999'", "1969-12-31 23:59:59.999999",
		"\"1969-12-31 23:59:59.999999\"" },
	{ "TIMESTAMPTZ '2024-01-31 12:00:00+02'", "2024-01-31 10:00:00+00",
		"\"2024-01-31 10:00:00+00\"" },
	{ "TIMESTAMP_NS '2024-01-31 12:00:00.123456789'", "2024-01-31 12:00:00.123456789",
		"\"2024-01-31 12:00:00.123456789\"" },
	{ "TIMESTAMP_S '2024-01-31 12:00:00'", "2024-01-31 12:00:00", "\"2024-01-31 12:00:00\"" },
	{ "INTERVAL '14 months 3 days 04:05:06.5'", "1 year 2 mons 3 days 04:05:06.5",
		"\"1 year 2 mons 3 days 04:05:06.5\"" },
	{ "INTERVAL '-90 seconds'", "-00:01:30", "\"-00:01:30\"" },
	{ "INTERVAL '0 days'", "00:00:00", "\"00:00:00\"" },
	{ "'00112233-4455-6677-8899-aabbccddeeff'::UUID", "00112233-4455-6677-8899-aabbccddeeff",
		"\"00112233-4455-6677-8899-aabbccddeeff\"" },
	{ "'ffffffff-ffff-ffff-ffff-ffffffffffff'::UUID", "ffffffff-ffff-ffff-ffff-ffffffffffff",
		"\"ffffffff-ffff-ffff-ffff-ffffffffffff\"" },
	{ "'b'::ENUM('a', 'b')", "b", "\"b\"" },
	{ "[1, NULL, 3]", "[1,null,3]", "[1,null,3]" },
	{ "[]::INTEGER[]", "[]", "[]" },
	{ "array_value(1.5::DOUBLE, 2)", "[1.5,2]", "[1.5,2]" },
	{ "{'a': [1], 'b': {'c\"': true}}", "{\"a\":[1],\"b\":{\"c\\\"\":true}}",
		"{\"a\":[1],\"b\":{\"c\\\"\":true}}" },
	{ "MAP {1: 'x', 2: NULL}", "{\"1\":\"x\",\"2\":null}", "{\"1\":\"x\",\"2\":null}" },
};

TEST(values_are_printed_as_postgresql_prints_them_and_as_exact_json)
{
	struct session *session = open_in(NULL);
	char sql[300];
	char out[300];
	for (size_t i = 0; i < sizeof printed / sizeof printed[0]; i++) {
		snprintf(sql, sizeof sql, "SELECT %s", printed[i].sql);
		first_row(session, sql, false, out, sizeof out);
		if (strcmp(out, printed[i].text) != 0)
			test_fail(__FILE__, __LINE__, "%s printed as %s", printed[i].sql, out);
		first_row(session, sql, true, out, sizeof out);
		if (strcmp(out, printed[i].json) != 0)
			test_fail(__FILE__, __LINE__, "%s as JSON is %s", printed[i].sql, out);
	}
	session_close(session);
}

TEST(a_row_far_into_a_result_has_its_own_values)
{
	struct session *session = open_in(NULL);
	char out[100];
	first_row(session,
		"SELECT list(i ORDER BY i)[5000], count(*), max(CASE WHEN i % 7 = 0 THEN NULL ELSE "
		"i END) "
		"FROM range(10000) t(i)",
		false, out, sizeof out);
	CHECK(strcmp(out, "4999|10000|9999") == 0);

	struct error err;
	struct result *result;
	CHECK(session_run(session,
		"SELECT i, CASE WHEN i % 3 = 0 THEN [i, NULL] END FROM range(10000) t(i)", &result,
		&err));
	struct buffer text = { 0 };
	bool has_row;
	size_t rows = 0;
	for (;; rows++) {
		CHECK(result_next(result, &has_row, &err));
		if (!has_row)
			break;
		buffer_reset(&text);
		CHECK(result_append_text(result, 1, &text) == (rows % 3 == 0));
		if (rows % 3 == 0) {
			char expected[40];
			snprintf(expected, sizeof expected, "[%zu,null]", rows);
			CHECK(bytes_equal(buffer_bytes(&text), bytes_of_cstring(expected)));
		}
	}
	CHECK(rows == 10000);
	CHECK(result_next(result, &has_row, &err) && !has_row);
	buffer_deinit(&text);
	result_close(result);
	session_close(session);
}

TEST(a_question_takes_its_values_as_parameters)
{
	struct session *session = open_in(NULL);
	struct arena arena = { 0 };
	struct error err;
	const char *answer;
	struct bytes values[] = { BYTES_LITERAL("it's"), BYTES_LITERAL("; DROP") };
	CHECK(session_ask(session, "SELECT $1 || $2", 2, values, &arena, &answer, &err));
	CHECK(strcmp(answer, "it's; DROP") == 0);
	CHECK(session_ask(session, "SELECT 1 WHERE false", 0, NULL, &arena, &answer, &err));
	CHECK(answer == NULL);
	struct bytes bad[] = { BYTES_LITERAL("\xFF\xFE") };
	CHECK(!session_ask(session, "SELECT $1", 1, bad, &arena, &answer, &err));
	CHECK(err.kind == ERROR_UNSUPPORTED);
	arena_deinit(&arena);
	session_close(session);
}

static bool refuses(struct session *session, const char *sql)
{
	struct error err;
	if (session_do(session, sql, &err))
		return false;
	return err.kind == ERROR_UNSUPPORTED || err.kind == ERROR_LOST;
}

TEST(a_session_reaches_only_the_folders_it_was_given)
{
	const char *directory = test_directory();
	struct arena arena = { 0 };
	const char *inside = arena_format(&arena, "%s/in", directory);
	const char *outside = arena_format(&arena, "%s/out.csv", directory);
	struct error err;
	CHECK(world_make_directories(world_posix(), inside, &err));
	FILE *file = fopen(outside, "w");
	CHECK(file != NULL && fputs("secret\n1\n", file) >= 0 && fclose(file) == 0);

	struct session *session = open_in(inside);
	CHECK(session_do(session,
		arena_format(&arena, "COPY (SELECT 1 AS a) TO '%s/x.parquet'", inside), &err));
	CHECK(session_do(session,
		arena_format(&arena, "SELECT a FROM read_parquet('%s/x.parquet')", inside), &err));
	CHECK(refuses(session, arena_format(&arena, "SELECT * FROM read_csv('%s')", outside)));
	CHECK(refuses(session, arena_format(&arena, "SELECT * FROM '%s'", outside)));
	CHECK(refuses(
		session, arena_format(&arena, "SELECT * FROM read_csv('%s/../out.csv')", inside)));
	CHECK(refuses(session, arena_format(&arena, "COPY (SELECT 1) TO '%s/y.csv'", directory)));
	CHECK(refuses(session, arena_format(&arena, "ATTACH '%s/z.db'", directory)));
	CHECK(refuses(session, "SELECT * FROM read_text('/proc/self/environ')"));
	CHECK(refuses(session, "INSTALL httpfs"));
	CHECK(refuses(session, "LOAD httpfs"));
	CHECK(refuses(session, "SET enable_external_access = true"));
	CHECK(refuses(session, "SET threads = 2"));
	CHECK(refuses(session, "SET lock_configuration = false"));
	CHECK(refuses(session, "SELECT 1; SELECT 2"));
	session_close(session);
	arena_deinit(&arena);
}

TEST(complaints_have_one_line_and_a_kind)
{
	struct session *session = open_in(NULL);
	struct error err;
	struct result *result;
	CHECK(!session_run(session, "SELECT nothing\nFROM nowhere", &result, &err));
	CHECK(err.kind == ERROR_UNSUPPORTED && strchr(err.text, '\n') == NULL);
	CHECK(strstr(err.text, "nowhere") != NULL && strstr(err.text, "LINE") == NULL);
	CHECK(!session_run(session, "SELECT", &result, &err) && err.kind == ERROR_UNSUPPORTED);
	CHECK(!session_do(
		session, "SELECT error('late') FROM range(5000) t(i) WHERE i = 4500", &err));
	CHECK(err.kind == ERROR_UNSUPPORTED && strstr(err.text, "late") != NULL);
	CHECK(!session_do(session, "SELECT '1 0'::INTEGER", &err));
	CHECK(!session_run(session, "SELECT 1::BIGNUM", &result, &err));
	CHECK(err.kind == ERROR_UNSUPPORTED && strstr(err.hint, "Cast") != NULL);
	CHECK(session_do(session, "SELECT 1", &err));
	session_close(session);
}

TEST(a_query_that_needs_more_memory_than_it_may_use_is_a_limit)
{
	struct session_options options = { .threads = 1, .memory_limit_bytes = UINT64_C(48) << 20 };
	struct session *session;
	struct error err;
	CHECK(session_open(&options, &session, &err));
	CHECK(!session_do(session,
		"SELECT sum(len(l)) FROM (SELECT list(i::VARCHAR || repeat('x', 100)) AS l FROM "
		"range(1000000) t(i))",
		&err));
	CHECK(err.kind == ERROR_LIMIT && strstr(err.hint, "48 MB") != NULL);
	CHECK(session_do(session, "SELECT 1", &err));
	session_close(session);
}

TEST(a_query_spills_to_its_temporary_directory)
{
	const char *directory = test_directory();
	struct session_options options = {
		.threads = 1,
		.memory_limit_bytes = UINT64_C(64) << 20,
		.temp_directory = directory,
	};
	struct session *session;
	struct error err;
	CHECK(session_open(&options, &session, &err));
	if (!session_do(session,
		    "SELECT count(*) FROM (SELECT hash(i) AS h, repeat('x', 60) || i AS s "
		    "FROM range(1000000) t(i) ORDER BY h)",
		    &err))
		test_fail(__FILE__, __LINE__, "%s", err.text);
	session_close(session);
}
