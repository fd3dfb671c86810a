#include "format/avro/avro_schema.h"

#include "base/json.h"

enum {
	JSON_SIZE_MAX = 16 * 1024 * 1024,
	DEPTH_MAX = 32,    /* of the schema, and of a value of a recursive type */
	WEIGHT_MAX = 4096, /* a manifest of a table with 100 partition fields has about 250 */
};

struct named_type {
	const char *name;
	struct avro_type *type;
	struct named_type *next;
};

struct parser {
	struct arena *arena;
	struct named_type *names; /* defined so far */
	struct error *err;
};

static const struct {
	const char *name;
	enum avro_kind kind;
	size_t size_min;
} PRIMITIVES[] = {
	{ "null", AVRO_NULL, 0 },
	{ "boolean", AVRO_BOOLEAN, 1 },
	{ "int", AVRO_INT, 1 },
	{ "long", AVRO_LONG, 1 },
	{ "float", AVRO_FLOAT, 4 },
	{ "double", AVRO_DOUBLE, 8 },
	{ "bytes", AVRO_BYTES, 1 },
	{ "string", AVRO_STRING, 1 },
};

static bool refuse(struct parser *parser, const char *what)
{
	return error_set(parser->err, ERROR_CORRUPT, "Avro schema cannot be read: %s", what);
}

static struct avro_type *fail(struct parser *parser, const char *what)
{
	refuse(parser, what);
	return NULL;
}

static struct avro_type *type_new(struct parser *parser, enum avro_kind kind, size_t size_min)
{
	struct avro_type *type = arena_new(parser->arena, struct avro_type);
	*type = (struct avro_type){
		.kind = kind, .size_min = size_min, .weight = 1, .is_complete = true
	};
	return type;
}

/* "Names": a name without a dot is in the namespace in force; ours are compared by last part. */
static const char *last_part(const char *name)
{
	const char *dot = strrchr(name, '.');
	return dot ? dot + 1 : name;
}

static struct avro_type *parse_name(struct parser *parser, const char *name)
{
	for (size_t i = 0; i < sizeof PRIMITIVES / sizeof *PRIMITIVES; i++)
		if (strcmp(PRIMITIVES[i].name, name) == 0)
			return type_new(parser, PRIMITIVES[i].kind, PRIMITIVES[i].size_min);
	for (struct named_type *named = parser->names; named != NULL; named = named->next)
		if (strcmp(named->name, last_part(name)) == 0)
			return named->type;
	return fail(parser, "a type's name is unknown");
}

static bool define_name(struct parser *parser, json_t *json, struct avro_type *type)
{
	const char *name = json_string_value(json_object_get(json, "name"));
	if (name == NULL)
		return refuse(parser, "a type has no name");
	struct named_type *named = arena_new(parser->arena, struct named_type);
	*named = (struct named_type){ arena_copy_cstring(parser->arena, last_part(name)), type,
		parser->names };
	parser->names = named;
	return true;
}

/* Count what a child adds to its parent; false when that is too much, or without end. */
static bool add_child(
	struct parser *parser, struct avro_type *parent, const struct avro_type *child)
{
	const bool is_bounded = parent->kind != AVRO_RECORD; /* bytes of its own stand between */
	if (!child->is_complete && !is_bounded)
		return refuse(parser, "a record contains itself");
	if (child->is_complete)
		parent->weight += child->weight;
	if (!is_bounded)
		parent->size_min += child->size_min;
	if (parent->weight > WEIGHT_MAX || parent->size_min > SIZE_MAX / 4)
		return error_set(parser->err, ERROR_LIMIT, "Avro schema is too large");
	return true;
}

static const struct avro_type *parse_type(struct parser *parser, json_t *json, int depth);

static int32_t field_id(json_t *json)
{
	json_t *id = json_object_get(json, "field-id");
	json_int_t value = json_is_integer(id) ? json_integer_value(id) : AVRO_FIELD_ID_NONE;
	return value >= 0 && value <= INT32_MAX ? (int32_t)value : AVRO_FIELD_ID_NONE;
}

static bool parse_field(struct parser *parser, json_t *json, struct avro_type *record,
	struct avro_field *out, int depth)
{
	const char *name = json_string_value(json_object_get(json, "name"));
	if (name == NULL)
		return refuse(parser, "a field has no name");
	out->name = arena_copy_cstring(parser->arena, name);
	out->id = field_id(json);
	out->type = parse_type(parser, json_object_get(json, "type"), depth);
	return out->type != NULL && add_child(parser, record, out->type);
}

static struct avro_type *parse_record(struct parser *parser, json_t *json, int depth)
{
	struct avro_type *record = type_new(parser, AVRO_RECORD, 0);
	record->is_complete = false;
	json_t *fields = json_object_get(json, "fields");
	if (!json_is_array(fields))
		return fail(parser, "a record has no fields");
	if (!define_name(parser, json, record))
		return NULL;
	record->children = arena_array(parser->arena, struct avro_field, json_array_size(fields));
	size_t i;
	json_t *field;
	json_array_foreach(fields, i, field)
	{
		if (!parse_field(parser, field, record, &record->children[i], depth))
			return NULL;
		record->child_count = i + 1;
	}
	record->is_complete = true;
	return record;
}

static struct avro_type *parse_items(
	struct parser *parser, enum avro_kind kind, json_t *items, int depth)
{
	struct avro_type *type = type_new(parser, kind, 1);
	type->child_count = 1;
	type->children = arena_new(parser->arena, struct avro_field);
	type->children->id = AVRO_FIELD_ID_NONE;
	type->children->type = parse_type(parser, items, depth);
	if (type->children->type == NULL || !add_child(parser, type, type->children->type))
		return NULL;
	/* the key of a map's item takes a byte; the size of an incomplete type is not known */
	if (kind == AVRO_ARRAY &&
		(type->children->type->size_min == 0 || !type->children->type->is_complete))
		return fail(parser, "the items of an array may take no bytes");
	return type;
}

static struct avro_type *parse_union(struct parser *parser, json_t *json, int depth)
{
	struct avro_type *type = type_new(parser, AVRO_UNION, 1);
	type->children = arena_array(parser->arena, struct avro_field, json_array_size(json));
	size_t i;
	json_t *branch;
	json_array_foreach(json, i, branch)
	{
		type->children[i].id = AVRO_FIELD_ID_NONE;
		type->children[i].type = parse_type(parser, branch, depth);
		if (type->children[i].type == NULL ||
			!add_child(parser, type, type->children[i].type))
			return NULL;
		type->child_count = i + 1;
	}
	return type;
}

static struct avro_type *parse_fixed(struct parser *parser, json_t *json)
{
	json_t *size = json_object_get(json, "size");
	if (!json_is_integer(size) || json_integer_value(size) < 0 ||
		json_integer_value(size) > INT32_MAX)
		return fail(parser, "a fixed has no size");
	struct avro_type *type = type_new(parser, AVRO_FIXED, (size_t)json_integer_value(size));
	type->fixed_size = type->size_min;
	return define_name(parser, json, type) ? type : NULL;
}

static struct avro_type *parse_enum(struct parser *parser, json_t *json)
{
	struct avro_type *type = type_new(parser, AVRO_ENUM, 1);
	return define_name(parser, json, type) ? type : NULL;
}

/* {"type": T, ...}: a complex type, or a primitive with a logical type beside it. */
static const struct avro_type *parse_object(struct parser *parser, json_t *json, int depth)
{
	json_t *inner = json_object_get(json, "type");
	const char *name = json_string_value(inner);
	if (name == NULL)
		return parse_type(parser, inner, depth);
	if (strcmp(name, "record") == 0)
		return parse_record(parser, json, depth);
	if (strcmp(name, "array") == 0)
		return parse_items(parser, AVRO_ARRAY, json_object_get(json, "items"), depth);
	if (strcmp(name, "map") == 0)
		return parse_items(parser, AVRO_MAP, json_object_get(json, "values"), depth);
	if (strcmp(name, "fixed") == 0)
		return parse_fixed(parser, json);
	if (strcmp(name, "enum") == 0)
		return parse_enum(parser, json);
	return parse_name(parser, name);
}

static const struct avro_type *parse_type(struct parser *parser, json_t *json, int depth)
{
	if (depth >= DEPTH_MAX)
		return fail(parser, "it is nested too deep");
	if (json_is_string(json))
		return parse_name(parser, json_string_value(json));
	if (json_is_array(json))
		return parse_union(parser, json, depth + 1);
	if (json_is_object(json))
		return parse_object(parser, json, depth + 1);
	return fail(parser, "a type is missing");
}

bool avro_schema_decode(
	struct bytes json, struct arena *arena, const struct avro_type **out, struct error *err)
{
	json_t *root;
	if (!json_parse(json, JSON_SIZE_MAX, &root, err))
		return error_context(err, "reading an Avro schema");
	struct parser parser = { .arena = arena, .err = err };
	*out = parse_type(&parser, root, 0);
	json_decref(root);
	return *out != NULL;
}

static void skip_value(struct reader *in, const struct avro_type *type, int depth);

/* A block of items begins with their count; a negative one is followed by the block's size. */
static size_t read_block_count(
	struct reader *in, size_t item_size_min, bool can_skip, uint64_t *skip_size)
{
	int64_t count = reader_zigzag(in);
	*skip_size = 0;
	if (count < 0) {
		uint64_t size = (uint64_t)reader_zigzag(in);
		if (can_skip)
			*skip_size = size;
		count = count == INT64_MIN ? INT64_MAX : -count;
	}
	return reader_count(in, (uint64_t)count, item_size_min);
}

static void skip_items(struct reader *in, const struct avro_type *type, int depth)
{
	const struct avro_type *item = type->children[0].type;
	const size_t key_size_min = type->kind == AVRO_MAP;
	uint64_t skip_size;
	size_t count;
	while ((count = read_block_count(in, item->size_min + key_size_min, true, &skip_size)) >
		0) {
		if (skip_size > 0) {
			reader_take(in, skip_size);
			continue;
		}
		for (size_t i = 0; i < count && !in->failed; i++) {
			if (type->kind == AVRO_MAP)
				reader_take(in, (size_t)reader_zigzag(in));
			skip_value(in, item, depth);
		}
	}
}

static const struct avro_type *take_branch(struct reader *in, const struct avro_type *type)
{
	uint64_t index = (uint64_t)reader_zigzag(in);
	if (in->failed || index >= type->child_count) {
		in->failed = true;
		return NULL;
	}
	return type->children[index].type;
}

static void skip_value(struct reader *in, const struct avro_type *type, int depth)
{
	if (type == NULL || in->failed || depth >= DEPTH_MAX) {
		in->failed = true;
		return;
	}
	switch (type->kind) {
	case AVRO_NULL:
		break;
	case AVRO_BOOLEAN:
		reader_u8(in);
		break;
	case AVRO_INT:
	case AVRO_LONG:
	case AVRO_ENUM:
		reader_varint(in);
		break;
	case AVRO_FLOAT:
		reader_take(in, 4);
		break;
	case AVRO_DOUBLE:
		reader_take(in, 8);
		break;
	case AVRO_BYTES:
	case AVRO_STRING:
		reader_take(in, (size_t)reader_zigzag(in));
		break;
	case AVRO_FIXED:
		reader_take(in, type->fixed_size);
		break;
	case AVRO_ARRAY:
	case AVRO_MAP:
		skip_items(in, type, depth + 1);
		break;
	case AVRO_UNION:
		skip_value(in, take_branch(in, type), depth + 1);
		break;
	case AVRO_RECORD:
		for (size_t i = 0; i < type->child_count && !in->failed; i++)
			skip_value(in, type->children[i].type, depth + 1);
		break;
	}
}

void avro_skip(struct reader *in, const struct avro_type *type)
{
	skip_value(in, type, 0);
}

/* The type of the value that follows, which is no union; NULL when the reader has failed. */
static const struct avro_type *resolve(struct reader *in, const struct avro_type *type)
{
	if (type->kind == AVRO_UNION)
		type = take_branch(in, type);
	if (type != NULL && type->kind == AVRO_UNION) {
		in->failed = true; /* "Unions may not immediately contain other unions." */
		return NULL;
	}
	return in->failed ? NULL : type;
}

int64_t avro_read_long(struct reader *in, const struct avro_type *type, bool *is_null)
{
	type = resolve(in, type);
	*is_null = type == NULL || type->kind == AVRO_NULL;
	if (*is_null)
		return 0;
	if (type->kind == AVRO_INT || type->kind == AVRO_LONG)
		return reader_zigzag(in);
	in->failed = true;
	return 0;
}

bool avro_read_boolean(struct reader *in, const struct avro_type *type, bool *is_null)
{
	type = resolve(in, type);
	*is_null = type == NULL || type->kind == AVRO_NULL;
	if (*is_null)
		return false;
	if (type->kind == AVRO_BOOLEAN)
		return reader_u8(in) != 0;
	in->failed = true;
	return false;
}

struct bytes avro_read_bytes(struct reader *in, const struct avro_type *type, bool *is_null)
{
	type = resolve(in, type);
	*is_null = type == NULL || type->kind == AVRO_NULL;
	if (*is_null)
		return (struct bytes){ 0 };
	if (type->kind == AVRO_BYTES || type->kind == AVRO_STRING)
		return reader_take(in, (size_t)reader_zigzag(in));
	if (type->kind == AVRO_FIXED)
		return reader_take(in, type->fixed_size);
	in->failed = true;
	return (struct bytes){ 0 };
}

const struct avro_type *avro_read_branch(
	struct reader *in, const struct avro_type *type, enum avro_kind kind)
{
	type = resolve(in, type);
	if (type == NULL || type->kind == AVRO_NULL)
		return NULL;
	if (type->kind == kind)
		return type;
	in->failed = true;
	return NULL;
}

size_t avro_read_items(struct reader *in, const struct avro_type *array)
{
	uint64_t unused;
	return read_block_count(in, array->children[0].type->size_min, false, &unused);
}
