#include "format/avro/avro_record.h"

#include <assert.h>

struct planned_field {
	const struct avro_type *file_type;
	const struct avro_record_field *field; /* NULL: skipped */
	const struct avro_record_plan *nested;
};

struct avro_record_plan {
	size_t field_count;
	struct planned_field *fields; /* in the file's order */
};

static const char *primitive_json(enum avro_record_kind kind)
{
	switch (kind) {
	case AVRO_RECORD_INT:
		return "\"int\"";
	case AVRO_RECORD_LONG:
		return "\"long\"";
	case AVRO_RECORD_TEXT:
		return "\"string\"";
	case AVRO_RECORD_BYTES:
		return "\"bytes\"";
	default:
		return NULL;
	}
}

static void write_field(const struct avro_record_field *field, int32_t version, struct buffer *json)
{
	buffer_append_format(json, "{\"name\":\"%s\",\"type\":%s", field->name,
		field->is_optional ? "[\"null\"," : "");
	if (field->kind == AVRO_RECORD_NESTED)
		avro_record_write_schema(field->nested, version, json);
	else
		buffer_append_cstring(
			json, field->type_json ? field->type_json : primitive_json(field->kind));
	if (field->is_optional)
		buffer_append_cstring(json, "],\"default\":null");
	buffer_append_format(json, ",\"field-id\":%d}", field->id);
}

void avro_record_write_schema(
	const struct avro_record_type *type, int32_t version, struct buffer *json)
{
	bool needs_comma = false;
	buffer_append_format(json, "{\"type\":\"record\",\"name\":\"%s\",\"fields\":[", type->name);
	for (size_t i = 0; i < type->field_count; i++) {
		if (type->fields[i].since_version > version)
			continue;
		if (needs_comma)
			buffer_append_u8(json, ',');
		write_field(&type->fields[i], version, json);
		needs_comma = true;
	}
	buffer_append_cstring(json, "]}");
}

static const void *at(const void *record, size_t offset)
{
	return (const char *)record + offset;
}

static void encode_number(
	const struct avro_record_field *field, const void *record, struct buffer *out)
{
	const void *place = at(record, field->offset);
	if (field->is_optional) {
		const bool has = *(const bool *)at(record, field->has_offset);
		avro_append_branch(out, has);
		if (!has)
			return;
	}
	if (field->kind == AVRO_RECORD_INT)
		avro_append_long(out, *(const int32_t *)place);
	else
		avro_append_long(out, *(const int64_t *)place);
}

static void encode_text(
	const struct avro_record_field *field, const void *record, struct buffer *out)
{
	const char *text = *(const char *const *)at(record, field->offset);
	if (field->is_optional)
		avro_append_branch(out, text != NULL);
	assert(text != NULL || field->is_optional);
	if (text != NULL)
		avro_append_text(out, text);
}

static void encode_bytes(
	const struct avro_record_field *field, const void *record, struct buffer *out)
{
	const struct bytes *bytes = at(record, field->offset);
	if (field->is_optional)
		avro_append_branch(out, bytes->size > 0);
	if (bytes->size > 0 || !field->is_optional)
		avro_append_bytes(out, *bytes);
}

void avro_record_encode(const struct avro_record_type *type, int32_t version, const void *record,
	struct buffer *out)
{
	for (size_t i = 0; i < type->field_count; i++) {
		const struct avro_record_field *field = &type->fields[i];
		if (field->since_version > version)
			continue;
		switch (field->kind) {
		case AVRO_RECORD_INT:
		case AVRO_RECORD_LONG:
			encode_number(field, record, out);
			break;
		case AVRO_RECORD_TEXT:
			encode_text(field, record, out);
			break;
		case AVRO_RECORD_BYTES:
			encode_bytes(field, record, out);
			break;
		case AVRO_RECORD_NESTED:
			avro_record_encode(field->nested, version, at(record, field->offset), out);
			break;
		case AVRO_RECORD_CUSTOM:
			field->encode(field, record, out);
			break;
		}
	}
}

static const struct avro_record_field *find_field(const struct avro_record_type *type, int32_t id)
{
	for (size_t i = 0; i < type->field_count && id != AVRO_FIELD_ID_NONE; i++)
		if (type->fields[i].id == id)
			return &type->fields[i];
	return NULL;
}

static bool check_required(
	const struct avro_record_type *type, const struct avro_type *file_type, struct error *err)
{
	for (size_t i = 0; i < type->field_count; i++) {
		const struct avro_record_field *field = &type->fields[i];
		bool is_there = field->is_optional || field->since_version > 1;
		for (size_t j = 0; j < file_type->child_count; j++)
			is_there |= file_type->children[j].id == field->id;
		if (!is_there)
			return error_set(err, ERROR_CORRUPT,
				"an Avro file has no field \"%s\" with id %d", field->name,
				field->id);
	}
	return true;
}

bool avro_record_plan_make(const struct avro_record_type *type, const struct avro_type *file_type,
	struct arena *arena, const struct avro_record_plan **out, struct error *err)
{
	if (file_type->kind != AVRO_RECORD)
		return error_set(err, ERROR_CORRUPT, "an Avro file holds no records");
	if (!check_required(type, file_type, err))
		return false;
	struct avro_record_plan *plan = arena_new(arena, struct avro_record_plan);
	plan->field_count = file_type->child_count;
	plan->fields = arena_array(arena, struct planned_field, plan->field_count);
	for (size_t i = 0; i < plan->field_count; i++) {
		struct planned_field *planned = &plan->fields[i];
		planned->file_type = file_type->children[i].type;
		planned->field = find_field(type, file_type->children[i].id);
		if (planned->field == NULL || planned->field->kind != AVRO_RECORD_NESTED)
			continue;
		if (!avro_record_plan_make(planned->field->nested, planned->file_type, arena,
			    &planned->nested, err))
			return false;
	}
	*out = plan;
	return true;
}

static void decode_number(const struct avro_record_field *field, struct reader *in,
	const struct avro_type *type, char *record)
{
	bool is_null;
	int64_t value = avro_read_long(in, type, &is_null);
	if (field->is_optional)
		*(bool *)(record + field->has_offset) = !is_null;
	if (field->kind == AVRO_RECORD_LONG)
		*(int64_t *)(void *)(record + field->offset) = value;
	else if (value >= INT32_MIN && value <= INT32_MAX)
		*(int32_t *)(void *)(record + field->offset) = (int32_t)value;
	else
		in->failed = true;
}

static void decode_text(const struct avro_record_field *field, struct reader *in,
	const struct avro_type *type, struct arena *arena, char *record)
{
	bool is_null;
	struct bytes text = avro_read_bytes(in, type, &is_null);
	if (text.size > 0 && memchr(text.data, 0, text.size) != NULL)
		in->failed = true;
	*(const char **)(void *)(record + field->offset) =
		is_null ? NULL : arena_copy_text(arena, text);
}

static void decode_bytes(const struct avro_record_field *field, struct reader *in,
	const struct avro_type *type, struct arena *arena, char *record)
{
	bool is_null;
	struct bytes bytes = avro_read_bytes(in, type, &is_null);
	*(struct bytes *)(void *)(record + field->offset) = arena_copy_bytes(arena, bytes);
}

static void decode_field(
	const struct planned_field *planned, struct reader *in, struct arena *arena, char *record)
{
	const struct avro_record_field *field = planned->field;
	if (field == NULL) {
		avro_skip(in, planned->file_type);
		return;
	}
	switch (field->kind) {
	case AVRO_RECORD_INT:
	case AVRO_RECORD_LONG:
		decode_number(field, in, planned->file_type, record);
		break;
	case AVRO_RECORD_TEXT:
		decode_text(field, in, planned->file_type, arena, record);
		break;
	case AVRO_RECORD_BYTES:
		decode_bytes(field, in, planned->file_type, arena, record);
		break;
	case AVRO_RECORD_NESTED:
		avro_record_decode(planned->nested, in, arena, record + field->offset);
		break;
	case AVRO_RECORD_CUSTOM:
		field->decode(field, in, planned->file_type, arena, record);
		break;
	}
}

void avro_record_decode(
	const struct avro_record_plan *plan, struct reader *in, struct arena *arena, void *record)
{
	for (size_t i = 0; i < plan->field_count && !in->failed; i++)
		decode_field(&plan->fields[i], in, arena, record);
}
