#include "iceberg/schema.h"

#include "base/test.h"

static struct relation_column COLUMNS[] = {
	{ "id", 20, -1, { VALUE_LONG, 0, 0 }, true, true, 0, 0, NULL },
	{ "größe", 701, -1, { VALUE_DOUBLE, 0, 0 }, true, false, 0, 0, NULL },
	{ "paid", 1700, -1, { VALUE_DECIMAL, 12, 3 }, false, false, 0, 0, NULL },
};
static struct relation RELATION = {
	.namespace_name = "public", .name = "orders", .column_count = 3, .columns = COLUMNS
};

static bool decode_text(
	struct bytes text, struct arena *arena, struct schema *out, struct error *err)
{
	json_t *json;
	if (!json_parse(text, 10000, &json, err))
		return false;
	const bool done = schema_decode(json, arena, out, err);
	json_decref(json);
	return done;
}

TEST(a_relations_schema_has_ids_from_1_and_its_key_as_identifier)
{
	struct arena arena = { 0 };
	const struct schema *schema = schema_of_relation(&RELATION, &arena);
	CHECK_EQUAL(schema->field_count, 3);
	CHECK_EQUAL(schema->fields[0].id, 1);
	CHECK_EQUAL(schema->fields[2].id, 3);
	CHECK(schema->fields[0].required && !schema->fields[2].required);
	CHECK_EQUAL(schema->identifier_field_count, 1);
	CHECK_EQUAL(schema->identifier_field_ids[0], 1);
	CHECK_EQUAL(schema_field_id_max(schema), 3);
	CHECK_TEXT(schema->fields[1].name, "größe");
	arena_deinit(&arena);
}

TEST(a_key_with_a_floating_point_column_is_no_identifier)
{
	struct arena arena = { 0 };
	COLUMNS[1].is_key = true;
	CHECK_EQUAL(schema_of_relation(&RELATION, &arena)->identifier_field_count, 0);
	COLUMNS[1].is_key = false;
	arena_deinit(&arena);
}

TEST(a_schema_reads_back_as_it_was_written)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct buffer json = { 0 }, again = { 0 };
	struct schema back;
	const struct schema *schema = schema_of_relation(&RELATION, &arena);
	schema_encode(schema, &json);
	CHECK_OK(decode_text(buffer_bytes(&json), &arena, &back, &err), &err);
	CHECK(schema_equal(schema, &back));
	schema_encode(schema_copy(&back, &arena), &again);
	CHECK(bytes_equal(buffer_bytes(&json), buffer_bytes(&again)));
	back.fields[2].type.scale = 4;
	CHECK(!schema_equal(schema, &back));
	arena_deinit(&arena);
	buffer_deinit(&json);
	buffer_deinit(&again);
}

TEST(columns_of_types_that_are_not_modelled_are_kept_as_text)
{
	static const char JSON[] =
		"{\"type\":\"struct\",\"schema-id\":3,\"fields\":["
		"{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"fixed[4]\"},"
		"{\"id\":2,\"name\":\"b\",\"required\":false,\"type\":{\"type\":\"list\","
		"\"element-id\":3,\"element\":\"int\",\"element-required\":true}},"
		"{\"id\":4,\"name\":\"c\",\"required\":false,\"type\":\"int\","
		"\"initial-default\":9007199254740993}]}";
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct buffer again = { 0 };
	struct schema schema;
	CHECK_OK(decode_text(bytes_of_cstring(JSON), &arena, &schema, &err), &err);
	CHECK_EQUAL(schema.fields[0].type.type, VALUE_NONE);
	CHECK_EQUAL(schema.fields[1].type.type, VALUE_NONE);
	CHECK_EQUAL(schema.fields[2].type.type, VALUE_INT);
	schema_encode(&schema, &again);
	CHECK(bytes_equal(buffer_bytes(&again), bytes_of_cstring(JSON)));
	arena_deinit(&arena);
	buffer_deinit(&again);
}

TEST(schemas_that_break_the_specification_are_corrupt)
{
	static const char *const CASES[] = {
		"[]",
		"{\"type\":\"list\",\"fields\":[]}",
		"{\"type\":\"struct\"}",
		"{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"type\":\"int\"}]}",
		"{\"type\":\"struct\",\"fields\":[{\"id\":1.5,\"name\":\"a\",\"required\":true,"
		"\"type\":\"int\"}]}",
		"{\"type\":\"struct\",\"fields\":[{\"id\":1,\"name\":\"a\",\"required\":true}]}",
		"{\"type\":\"struct\",\"fields\":[],\"identifier-field-ids\":[\"a\"]}",
		"{\"type\":\"struct\",\"fields\":["
		"{\"id\":1,\"name\":\"a\",\"required\":true,\"type\":\"int\"},"
		"{\"id\":1,\"name\":\"b\",\"required\":true,\"type\":\"int\"}]}",
	};
	for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
		struct arena arena = { 0 };
		struct error err = { 0 };
		struct schema schema;
		CHECK(!decode_text(bytes_of_cstring(CASES[i]), &arena, &schema, &err));
		CHECK_EQUAL(err.kind, ERROR_CORRUPT);
		arena_deinit(&arena);
	}
}
