#include "apply/apply_internal.h"

#include "base/test.h"

static struct relation_column columns[] = {
	{ "id", 23, -1, { .type = VALUE_INT }, true, true, 0, 0, NULL },
	{ "price", 1700, 655366, { VALUE_DECIMAL, 10, 2 }, false, false, 0, 0, NULL },
};

static const struct relation KEPT = { 7, 7, "public", "orders", 'd', false, 2, columns, false,
	false };

struct seen {
	struct pgoutput_column columns[3];
	struct pgoutput_relation relation;
};

static void see(struct seen *seen)
{
	*seen = (struct seen){
		.columns = { { bytes_of_cstring("id"), 23, -1, true },
			{ bytes_of_cstring("price"), 1700, 655366, false },
			{ bytes_of_cstring("more"), 25, -1, false } },
		.relation = { 7, bytes_of_cstring("public"), bytes_of_cstring("orders"), 'd', 2,
			NULL },
	};
	seen->relation.columns = seen->columns;
}

static void check_refused(const struct relation *kept, const struct seen *seen, const char *text)
{
	struct error err = { 0 };
	CHECK(!definition_check(kept, &seen->relation, &err));
	CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
	if (strstr(err.text, text) == NULL)
		test_fail(__FILE__, __LINE__, "\"%s\", not \"%s\"", err.text, text);
	CHECK(strstr(err.text, "the definition of \"public.orders\" changed") != NULL);
	CHECK(strstr(err.hint, "walberg snapshot public.orders") != NULL);
}

TEST(the_same_definition_passes)
{
	struct seen seen;
	struct error err;
	see(&seen);
	CHECK_OK(definition_check(&KEPT, &seen.relation, &err), &err);
}

TEST(each_change_of_a_definition_is_told)
{
	struct seen seen;
	see(&seen);
	seen.relation.name = bytes_of_cstring("bills");
	check_refused(&KEPT, &seen, "called \"public.bills\" now");
	see(&seen);
	seen.relation.namespace_name = bytes_of_cstring("old");
	check_refused(&KEPT, &seen, "called \"old.orders\" now");
	see(&seen);
	seen.relation.replica_identity = 'i';
	check_refused(&KEPT, &seen, "replica identity was 'd' and is 'i'");
	see(&seen);
	seen.relation.column_count = 3;
	check_refused(&KEPT, &seen, "had 2 columns and has 3");
	see(&seen);
	seen.columns[1].name = bytes_of_cstring("cost");
	check_refused(&KEPT, &seen, "column 2 was \"price\" and is \"cost\"");
	see(&seen);
	seen.columns[1].type_oid = 701;
	check_refused(&KEPT, &seen, "column \"price\" has another type");
	see(&seen);
	seen.columns[1].type_modifier = -1;
	check_refused(&KEPT, &seen, "column \"price\" has another type");
	see(&seen);
	seen.columns[1].is_key = true;
	check_refused(&KEPT, &seen, "the primary key is another (column \"price\")");
}

TEST(with_full_identity_every_column_may_be_flagged)
{
	struct relation whole = KEPT;
	struct seen seen;
	struct error err;
	see(&seen);
	whole.replica_identity = 'f';
	seen.relation.replica_identity = 'f';
	seen.columns[1].is_key = true;
	CHECK_OK(definition_check(&whole, &seen.relation, &err), &err);
	CHECK_OK(definition_check(&KEPT, &seen.relation, &err), &err);
	seen.relation.replica_identity = 'd';
	check_refused(&whole, &seen, "the primary key is another");
}

TEST(of_an_append_table_the_identity_does_not_matter)
{
	struct relation lines = KEPT;
	struct seen seen;
	struct error err;
	see(&seen);
	lines.is_append = true;
	seen.relation.replica_identity = 'n';
	seen.columns[1].is_key = true;
	CHECK_OK(definition_check(&lines, &seen.relation, &err), &err);
	seen.columns[1].type_oid = 25;
	check_refused(&lines, &seen, "another type");
}
