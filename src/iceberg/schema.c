#include "iceberg/schema.h"

#include "iceberg/json_members_internal.h"

#include <assert.h>
#include <stdlib.h>

static bool can_identify(const struct relation_column *column)
{
	return column->is_required && column->type.type != VALUE_FLOAT &&
	       column->type.type != VALUE_DOUBLE;
}

static void set_identifiers(
	struct schema *schema, const struct relation *relation, struct arena *arena)
{
	schema->identifier_field_ids = arena_array(arena, int32_t, relation->column_count);
	for (size_t i = 0; i < relation->column_count; i++) {
		if (!relation->columns[i].is_key)
			continue;
		if (!can_identify(&relation->columns[i])) {
			schema->identifier_field_count = 0;
			return;
		}
		schema->identifier_field_ids[schema->identifier_field_count++] =
			schema->fields[i].id;
	}
}

struct schema *schema_of_relation(const struct relation *relation, struct arena *arena)
{
	struct schema *schema = arena_new(arena, struct schema);
	schema->field_count = relation->column_count;
	schema->fields = arena_array(arena, struct schema_field, relation->column_count);
	for (size_t i = 0; i < relation->column_count; i++) {
		const struct relation_column *column = &relation->columns[i];
		schema->fields[i] = (struct schema_field){
			.id = (int32_t)i + 1,
			.name = arena_copy_cstring(arena, column->name),
			.required = column->is_required,
			.type = column->type,
		};
	}
	set_identifiers(schema, relation, arena);
	return schema;
}

static void encode_field(const struct schema_field *field, struct json_writer *out)
{
	char type[COLUMN_TYPE_TEXT_SIZE];
	json_write_begin_object(out);
	json_write_member_int(out, "id", field->id);
	json_write_member_cstring(out, "name", field->name);
	json_write_key(out, "required");
	json_write_bool(out, field->required);
	json_write_member_cstring(out, "type", column_type_format(field->type, type));
	if (field->doc != NULL)
		json_write_member_cstring(out, "doc", field->doc);
	json_write_end_object(out);
}

void schema_write(struct json_writer *out, const struct schema *schema)
{
	if (schema->json != NULL) {
		json_write_raw(out, bytes_of_cstring(schema->json));
		return;
	}
	json_write_begin_object(out);
	json_write_member_cstring(out, "type", "struct");
	json_write_member_int(out, "schema-id", schema->schema_id);
	json_write_key(out, "fields");
	json_write_begin_array(out);
	for (size_t i = 0; i < schema->field_count; i++)
		encode_field(&schema->fields[i], out);
	json_write_end_array(out);
	if (schema->identifier_field_count > 0) {
		json_write_key(out, "identifier-field-ids");
		json_write_begin_array(out);
		for (size_t i = 0; i < schema->identifier_field_count; i++)
			json_write_int(out, schema->identifier_field_ids[i]);
		json_write_end_array(out);
	}
	json_write_end_object(out);
}

void schema_encode(const struct schema *schema, struct buffer *buffer)
{
	struct json_writer out = json_writer_of(buffer);
	schema_write(&out, schema);
	assert(!out.has_invalid_text); /* names come from decoders that check them */
}

/* A string names a primitive; an object is a struct, list or map, which is not modelled. */
static struct column_type decode_type(struct members *field)
{
	struct column_type type = { VALUE_NONE, 0, 0 };
	json_t *json = members_find(field, "type");
	if (json_is_string(json)) {
		if (!column_type_parse(json_string_value(json), &type))
			type.type = VALUE_NONE;
	} else if (!json_is_object(json)) {
		members_fail(field, "a field has no \"type\"");
	}
	return type;
}

static bool decode_field(
	json_t *json, struct arena *arena, struct schema_field *out, struct error *err)
{
	struct members field = members_of(json, "field of a schema", arena, err);
	out->id = members_int(&field, "id");
	out->name = members_text(&field, "name");
	out->required = members_boolean(&field, "required");
	out->type = decode_type(&field);
	out->doc = members_optional_text(&field, "doc");
	return !field.failed;
}

static int compare_ids(const void *a, const void *b)
{
	const int32_t left = *(const int32_t *)a, right = *(const int32_t *)b;
	return (left > right) - (left < right);
}

static bool has_duplicate_id(const struct schema *schema, struct arena *arena)
{
	int32_t *ids = arena_array(arena, int32_t, schema->field_count);
	for (size_t i = 0; i < schema->field_count; i++)
		ids[i] = schema->fields[i].id;
	qsort(ids, schema->field_count, sizeof *ids, compare_ids);
	for (size_t i = 1; i < schema->field_count; i++)
		if (ids[i - 1] == ids[i])
			return true;
	return false;
}

static void decode_identifiers(struct members *members, struct schema *out)
{
	json_t *ids = members_optional_array(members, "identifier-field-ids");
	out->identifier_field_count = json_array_size(ids);
	out->identifier_field_ids =
		arena_array(members->arena, int32_t, out->identifier_field_count);
	for (size_t i = 0; i < out->identifier_field_count; i++) {
		json_int_t id = json_integer_value(json_array_get(ids, i));
		if (id < 0 || id > INT32_MAX || !json_is_integer(json_array_get(ids, i)))
			members_fail(members, "an identifier field is not a field id");
		out->identifier_field_ids[i] = (int32_t)id;
	}
}

bool schema_decode(json_t *json, struct arena *arena, struct schema *out, struct error *err)
{
	*out = (struct schema){ 0 };
	struct members members = members_of(json, "schema", arena, err);
	bool has_id;
	out->schema_id =
		(int32_t)members_optional_long(&members, "schema-id", 0, INT32_MAX, &has_id);
	if (strcmp(members_text(&members, "type"), "struct") != 0)
		members_fail(&members, "\"type\" is not \"struct\"");
	json_t *fields = members_array(&members, "fields");
	out->field_count = json_array_size(fields);
	out->fields = arena_array(arena, struct schema_field, out->field_count);
	for (size_t i = 0; i < out->field_count; i++)
		if (!decode_field(json_array_get(fields, i), arena, &out->fields[i], err))
			return false;
	decode_identifiers(&members, out);
	if (has_duplicate_id(out, arena))
		members_fail(&members, "a field id is used twice");
	if (!members.failed)
		out->json = json_to_text(json, arena);
	return !members.failed;
}

struct schema *schema_copy(const struct schema *schema, struct arena *arena)
{
	struct schema *copy = arena_copy(arena, schema, sizeof *schema);
	copy->fields =
		arena_copy(arena, schema->fields, schema->field_count * sizeof *schema->fields);
	for (size_t i = 0; i < copy->field_count; i++) {
		struct schema_field *field = &copy->fields[i];
		field->name = arena_copy_cstring(arena, field->name);
		if (field->doc != NULL)
			field->doc = arena_copy_cstring(arena, field->doc);
	}
	copy->identifier_field_ids = arena_copy(arena, schema->identifier_field_ids,
		schema->identifier_field_count * sizeof *schema->identifier_field_ids);
	if (schema->json != NULL)
		copy->json = arena_copy_cstring(arena, schema->json);
	return copy;
}

int32_t schema_field_id_max(const struct schema *schema)
{
	int32_t max = 0;
	for (size_t i = 0; i < schema->field_count; i++)
		if (schema->fields[i].id > max)
			max = schema->fields[i].id;
	return max;
}

static bool texts_equal(const char *a, const char *b)
{
	return a == b || (a != NULL && b != NULL && strcmp(a, b) == 0);
}

static bool fields_equal(const struct schema_field *a, const struct schema_field *b)
{
	return a->id == b->id && strcmp(a->name, b->name) == 0 && a->required == b->required &&
	       a->type.type != VALUE_NONE && column_type_equal(a->type, b->type) &&
	       texts_equal(a->doc, b->doc);
}

bool schema_equal(const struct schema *a, const struct schema *b)
{
	if (a->field_count != b->field_count ||
		a->identifier_field_count != b->identifier_field_count)
		return false;
	for (size_t i = 0; i < a->field_count; i++)
		if (!fields_equal(&a->fields[i], &b->fields[i]))
			return false;
	return a->identifier_field_count == 0 ||
	       memcmp(a->identifier_field_ids, b->identifier_field_ids,
		       a->identifier_field_count * sizeof *a->identifier_field_ids) == 0;
}
