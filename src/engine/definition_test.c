#include "engine/definition.h"

#include "base/test.h"

TEST(a_definition_survives_the_catalog)
{
	struct relation_column columns[] = {
		{ "id", 20, -1, { VALUE_LONG, 0, 0 }, true, true, 3, 4000000000, NULL },
		{ "total \"x\"", 1700, 1179654, { VALUE_DECIMAL, 18, 2 }, false, false, 0, 0,
			NULL },
		{ "box", 603, -1, { VALUE_NONE, 0, 0 }, false, false, 0, 0, NULL },
	};
	struct relation relation = { 77, 78, "public", "orders", 'f', false, 3, columns, false,
		false };
	struct arena arena = { 0 };
	struct error err;
	struct relation back;
	const char *json = definition_encode(&relation, &arena);
	CHECK_OK(definition_decode(json, "public", "orders", &arena, &back, &err), &err);
	CHECK_EQUAL(back.oid, 77);
	CHECK_EQUAL(back.filenode, 78);
	CHECK_EQUAL(back.replica_identity, 'f');
	CHECK_TEXT(back.columns[1].name, "total \"x\"");
	CHECK_EQUAL(back.columns[1].type_modifier, 1179654);
	CHECK_EQUAL(back.columns[2].type.type, VALUE_NONE);
	for (size_t i = 0; i < 3; i++) {
		CHECK_TEXT(back.columns[i].name, columns[i].name);
		CHECK(column_type_equal(back.columns[i].type, columns[i].type));
		CHECK_EQUAL(back.columns[i].is_required, columns[i].is_required);
		CHECK_EQUAL(back.columns[i].is_key, columns[i].is_key);
		CHECK_EQUAL(back.columns[i].number, columns[i].number);
		CHECK_EQUAL(back.columns[i].xid, columns[i].xid);
	}
	CHECK(!definition_decode("{\"oid\":1}", "public", "orders", &arena, &back, &err));
	CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	arena_deinit(&arena);
}
