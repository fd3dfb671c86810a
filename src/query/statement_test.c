#include "query/query.h"

#include "base/test.h"

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
