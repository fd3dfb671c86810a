#include "event/relation.h"

#include "base/test.h"

TEST(a_copied_relation_shares_nothing_with_its_original)
{
	char name[] = "orders", column_name[] = "id";
	struct relation_column column = { column_name, 20, -1, { .type = VALUE_LONG }, true, true,
		1, 0, NULL };
	const struct relation relation = { .oid = 7,
		.namespace_name = "public",
		.name = name,
		.replica_identity = 'f',
		.column_count = 1,
		.columns = &column };
	struct arena arena = { 0 };
	const struct relation *copy = relation_copy(&relation, &arena);
	name[0] = column_name[0] = 'x';
	column.is_key = false;
	CHECK_EQUAL(copy->oid, 7);
	CHECK_EQUAL(copy->replica_identity, 'f');
	CHECK_TEXT(copy->namespace_name, "public");
	CHECK_TEXT(copy->name, "orders");
	CHECK_EQUAL(copy->column_count, 1);
	CHECK_TEXT(copy->columns[0].name, "id");
	CHECK(copy->columns[0].is_key);
	arena_deinit(&arena);
}
