#include "cmd/sql.h"

#include "base/test.h"
#include "cmd/aligned.h"

#include <stdlib.h>

/* A lake with one paused table without rows. */

static const struct table_entry the_entry = {
	.namespace_name = "public",
	.name = "orders",
	.is_readable = true,
	.is_paused = true,
	.position = 0x10,
	.reason = "no key",
};

static bool one_begin(
	struct tables *tables, const struct table_entry **out, size_t *count, struct error *err)
{
	(void)tables, (void)err;
	*out = &the_entry;
	*count = 1;
	return true;
}

static bool one_version(struct tables *tables, size_t index,
	const struct version_selector *selector, struct table_version *out, struct error *err)
{
	(void)tables, (void)index, (void)selector, (void)err;
	static struct schema_field field = { .id = 1, .name = "id", .type = { VALUE_LONG, 0, 0 } };
	static const struct schema schema = { .field_count = 1, .fields = &field };
	*out = (struct table_version){ .schema = &schema };
	return true;
}

static bool one_fetch(struct tables *tables, const struct table_version *version,
	const struct wanted_columns *wanted, struct table_version *out, struct error *err)
{
	(void)tables, (void)wanted, (void)err;
	*out = *version;
	return true;
}

static void one_close(struct tables *tables)
{
	free(tables);
}

struct desk {
	struct query_session *session;
	char *out;
	char *errors;
	size_t out_size;
	size_t errors_size;
	struct sql_output output;
};

static void desk_open(struct desk *desk, bool is_json)
{
	static const struct tables_ops ops = { one_begin, one_version, one_fetch, one_close };
	struct tables *tables = memory_allocate(1, sizeof *tables);
	tables->ops = &ops;
	struct query_options options = { .threads = 1, .files = test_directory() };
	struct error err;
	CHECK(query_session_open(&options, tables, &desk->session, &err));
	desk->output.out = open_memstream(&desk->out, &desk->out_size);
	desk->output.errors = open_memstream(&desk->errors, &desk->errors_size);
	desk->output.is_json = is_json;
}

static void desk_close(struct desk *desk)
{
	query_session_close(desk->session);
	fclose(desk->output.out);
	fclose(desk->output.errors);
	free(desk->out);
	free(desk->errors);
}

static void expect_text(FILE *stream, char **text, const char *expected, int line)
{
	fflush(stream);
	if (strcmp(*text, expected) != 0)
		test_fail(__FILE__, line, "printed\n%s", *text);
}

#define EXPECT_OUT(desk, expected) expect_text((desk)->output.out, &(desk)->out, expected, __LINE__)
#define EXPECT_ERRORS(desk, expected)                                                              \
	expect_text((desk)->output.errors, &(desk)->errors, expected, __LINE__)

TEST(a_result_is_printed_as_psql_prints_it)
{
	struct desk desk;
	struct error err;
	desk_open(&desk, false);
	CHECK(cmd_sql_run(desk.session,
		"SELECT * FROM (VALUES (1, '张三', 1.50, true), (12, NULL, NULL, NULL), "
		"(3, 'two' || chr(10) || 'lines', 0.25, false)) t(id, name, \"the total\", ok);"
		"VALUES (1); SELECT 1 AS none WHERE false",
		&desk.output, &err));
	EXPECT_OUT(&desk, " id | name  | the total | ok \n"
			  "----+-------+-----------+----\n"
			  "  1 | 张三  |      1.50 | t\n"
			  " 12 |       |           | \n"
			  "  3 | two  +|      0.25 | f\n"
			  "    | lines |           | \n"
			  "(3 rows)\n"
			  " col0 \n"
			  "------\n"
			  "    1\n"
			  "(1 row)\n"
			  " none \n"
			  "------\n"
			  "(0 rows)\n");
	desk_close(&desk);
}

TEST(a_result_is_printed_as_one_json_object_a_row)
{
	struct desk desk;
	struct error err;
	desk_open(&desk, true);
	CHECK(cmd_sql_run(desk.session,
		"SELECT 9223372036854775807 AS i, 1.50 AS d, 0.5::FLOAT AS f, 'x\"' AS s, NULL AS "
		"n, "
		"true AS b, 1 AS i, 2 AS i, [1] AS l, DATE '2024-01-31' AS day UNION ALL "
		"SELECT 1, 2, 3, '', 4, false, 5, 6, NULL, NULL",
		&desk.output, &err));
	EXPECT_OUT(&desk,
		"{\"i\":9223372036854775807,\"d\":\"1.50\",\"f\":0.5,\"s\":\"x\\\"\",\"n\":null,"
		"\"b\":true,\"i_1\":1,\"i_2\":2,\"l\":[1],\"day\":\"2024-01-31\"}\n"
		"{\"i\":1,\"d\":\"2.00\",\"f\":3,\"s\":\"\",\"n\":4,\"b\":false,\"i_1\":5,\"i_2\":"
		"6,"
		"\"l\":null,\"day\":null}\n");
	desk_close(&desk);
}

TEST(a_long_result_keeps_its_columns_and_counts_its_rows)
{
	struct desk desk;
	struct error err;
	desk_open(&desk, false);
	CHECK(cmd_sql_run(desk.session, "SELECT i FROM range(100000) t(i)", &desk.output, &err));
	fflush(desk.output.out);
	const char *end = strstr(desk.out, " 99999\n(100000 rows)\n");
	CHECK(end != NULL && end[strlen(" 99999\n(100000 rows)\n")] == '\0');
	CHECK(strncmp(desk.out, "  i   \n------\n    0\n", 20) == 0);
	desk_close(&desk);
}

static bool read_as(struct desk *desk, const char *text, bool is_interactive)
{
	FILE *in = fmemopen((void *)(uintptr_t)text, strlen(text), "r");
	CHECK(in != NULL);
	bool ok = cmd_sql_read(desk->session, in, is_interactive, &desk->output);
	fclose(in);
	return ok;
}

static bool read_text(struct desk *desk, const char *text)
{
	return read_as(desk, text, false);
}

TEST(statements_are_read_to_the_end_whatever_fails)
{
	struct desk desk;
	desk_open(&desk, true);
	CHECK(!read_text(&desk,
		"SELECT ';' AS a; -- one;\nSELECT\n2 AS b;\nCOPY x TO 'y'; SELECT 3 AS c"
		" /* ; */;\n\n;;\nSELECT 4 AS d"));
	EXPECT_OUT(&desk, "{\"a\":\";\"}\n{\"b\":2}\n{\"c\":3}\n{\"d\":4}\n");
	EXPECT_ERRORS(&desk, "error: \"COPY\" cannot be run here\n hint: SELECT, VALUES, DESCRIBE, "
			     "SUMMARIZE, SHOW TABLES and EXPLAIN can; the lake is only read.\n");
	desk_close(&desk);

	desk_open(&desk, true);
	CHECK(read_text(&desk, " -- nothing at all\n"));
	CHECK(read_text(&desk, "SELECT 1 AS a"));
	CHECK(!read_text(&desk, "SELECT 'never closed;\n"));
	desk_close(&desk);
}

TEST(a_prompt_can_be_left_and_asked_for_help)
{
	static const char *const ENDS[] = { "exit\n", " \\q ; \n", "quit;\n", "" };
	for (size_t i = 0; i < sizeof ENDS / sizeof *ENDS; i++) {
		char text[80];
		struct desk desk;
		desk_open(&desk, true);
		snprintf(text, sizeof text, "\\d orders\nSELECT 'quit\nexit' AS a;\n%s%s", ENDS[i],
			ENDS[i][0] ? "SELECT 2;\n" : "");
		CHECK(read_as(&desk, text, true));
		fflush(desk.output.out);
		CHECK(strstr(desk.out, "\"help\" says more") != NULL);
		CHECK(strstr(desk.out, "\nSHOW TABLES;") == NULL); /* behind the prompt */
		CHECK(strstr(desk.out, "walberg=> SHOW TABLES;") != NULL);
		CHECK(strstr(desk.out, "{\"a\":\"quit\\nexit\"}\nwalberg=> ") != NULL);
		CHECK(strstr(desk.out, "{\"2\":2}") == NULL);
		EXPECT_ERRORS(&desk, "");
		desk_close(&desk);
	}
}

TEST(a_paused_table_is_noted_beside_the_result)
{
	struct desk desk;
	struct error err;
	desk_open(&desk, true);
	CHECK(cmd_sql_run(
		desk.session, "SELECT count(*), max(id), 1 + 1 FROM orders", &desk.output, &err));
	EXPECT_OUT(&desk, "{\"count\":0,\"max\":null,\"(1 + 1)\":2}\n");
	EXPECT_ERRORS(&desk, "note: table \"public.orders\" is paused at position 0/10: no key\n");
	desk_close(&desk);
}

TEST(the_width_of_text_is_that_on_a_terminal)
{
	CHECK(aligned_text_width(BYTES_LITERAL("")) == 0);
	CHECK(aligned_text_width(BYTES_LITERAL("abc")) == 3);
	CHECK(aligned_text_width(BYTES_LITERAL("张三")) == 4);
	CHECK(aligned_text_width(BYTES_LITERAL("e\xCC\x81")) == 1);
	CHECK(aligned_text_width(BYTES_LITERAL("😀")) == 2);
	CHECK(aligned_text_width(BYTES_LITERAL("a\tb")) == 9);
	CHECK(aligned_text_width(BYTES_LITERAL("a\nlonger\nb")) == 6);
	CHECK(aligned_text_width(BYTES_LITERAL("\x1B[0m")) == 7);
	CHECK(aligned_text_width(BYTES_LITERAL("\xFF")) == 4);
}
