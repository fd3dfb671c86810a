#include "engine/definition.h"

#include "base/json.h"

enum {
	DEFINITION_BYTES_MAX = 4 * 1024 * 1024,
};

static void encode_column(struct json_writer *json, const struct relation_column *column)
{
	char type[COLUMN_TYPE_TEXT_SIZE];
	json_write_begin_object(json);
	json_write_member_cstring(json, "name", column->name);
	json_write_member_int(json, "oid", column->type_oid);
	json_write_member_int(json, "modifier", column->type_modifier);
	json_write_member_cstring(json, "type",
		column->type.type == VALUE_NONE ? NULL : column_type_format(column->type, type));
	json_write_member_bool(json, "required", column->is_required);
	json_write_member_bool(json, "key", column->is_key);
	json_write_member_int(json, "number", column->number);
	json_write_member_int(json, "xid", column->xid);
	json_write_end_object(json);
}

const char *definition_encode(const struct relation *relation, struct arena *arena)
{
	struct buffer out = { 0 };
	struct json_writer json = json_writer_of(&out);
	json_write_begin_object(&json);
	json_write_member_int(&json, "oid", relation->oid);
	json_write_member_int(&json, "filenode", relation->filenode);
	json_write_member_text(&json, "replica_identity", bytes_of(&relation->replica_identity, 1));
	json_write_member_bool(&json, "append", relation->is_append);
	json_write_key(&json, "columns");
	json_write_begin_array(&json);
	for (size_t i = 0; i < relation->column_count; i++)
		encode_column(&json, &relation->columns[i]);
	json_write_end_array(&json);
	json_write_end_object(&json);
	const char *text = arena_copy_text(arena, buffer_bytes(&out));
	buffer_deinit(&out);
	return text;
}

static bool decode_column(
	const json_t *json, struct arena *arena, struct relation_column *out, struct error *err)
{
	int64_t oid, modifier, number, xid;
	const char *name, *type;
	if (!json_read_text(json, "name", &name, err) || !json_read_int(json, "oid", &oid, err) ||
		!json_read_int(json, "modifier", &modifier, err) ||
		!json_read_text_or(json, "type", "", &type, err) ||
		!json_read_bool_or(json, "required", false, &out->is_required, err) ||
		!json_read_bool_or(json, "key", false, &out->is_key, err) ||
		!json_read_int(json, "number", &number, err) ||
		!json_read_int(json, "xid", &xid, err))
		return false;
	if (type[0] != '\0' && !column_type_parse(type, &out->type))
		return error_set(err, ERROR_CORRUPT, "\"%s\" is not a type", type);
	out->name = arena_copy_cstring(arena, name);
	out->type_oid = (uint32_t)oid;
	out->type_modifier = (int32_t)modifier;
	out->number = (int32_t)number;
	out->xid = (uint32_t)xid;
	return true;
}

static bool decode_object(
	const json_t *json, struct arena *arena, struct relation *out, struct error *err)
{
	int64_t oid, filenode;
	const char *identity;
	json_t *columns;
	if (!json_read_int(json, "oid", &oid, err) ||
		!json_read_int(json, "filenode", &filenode, err) ||
		!json_read_text(json, "replica_identity", &identity, err) ||
		!json_read_bool_or(json, "append", false, &out->is_append, err) ||
		!json_read_array(json, "columns", &columns, err))
		return false;
	out->oid = (uint32_t)oid;
	out->filenode = (uint32_t)filenode;
	out->replica_identity = identity[0];
	out->column_count = json_array_size(columns);
	out->columns = arena_array(arena, struct relation_column, out->column_count);
	for (size_t i = 0; i < out->column_count; i++)
		if (!decode_column(json_array_get(columns, i), arena, &out->columns[i], err))
			return false;
	return true;
}

bool definition_decode(const char *text, const char *namespace_name, const char *name,
	struct arena *arena, struct relation *out, struct error *err)
{
	*out = (struct relation){
		.namespace_name = arena_copy_cstring(arena, namespace_name),
		.name = arena_copy_cstring(arena, name),
	};
	json_t *json;
	bool done = json_parse(bytes_of_cstring(text), DEFINITION_BYTES_MAX, &json, err);
	if (done) {
		done = decode_object(json, arena, out, err);
		json_decref(json);
	}
	if (!done)
		error_context(err, "reading the definition of \"%s.%s\"", namespace_name, name);
	return done;
}
