#include "format/parquet/thrift_internal.h"

#include <assert.h>

/* Types on the wire; a boolean field's value is its type. */
enum {
	WIRE_STOP = 0,
	WIRE_TRUE = 1,
	WIRE_FALSE = 2,
	WIRE_I8 = 3,
	WIRE_I16 = 4,
	WIRE_I32 = 5,
	WIRE_I64 = 6,
	WIRE_DOUBLE = 7,
	WIRE_BINARY = 8,
	WIRE_LIST = 9,
	WIRE_SET = 10,
	WIRE_MAP = 11,
	WIRE_STRUCT = 12,
	WIRE_UUID = 13,

	LIST_COUNT_LONG = 15, /* the count follows as a varint */
	SKIP_DEPTH_MAX = 16,
};

static uint8_t wire_type(enum thrift_kind kind)
{
	static const uint8_t TYPES[] = {
		[THRIFT_BOOL] = WIRE_TRUE,
		[THRIFT_I8] = WIRE_I8,
		[THRIFT_I16] = WIRE_I16,
		[THRIFT_I32] = WIRE_I32,
		[THRIFT_I64] = WIRE_I64,
		[THRIFT_BINARY] = WIRE_BINARY,
		[THRIFT_RECORD] = WIRE_STRUCT,
		[THRIFT_LIST_I32] = WIRE_LIST,
		[THRIFT_LIST_BINARY] = WIRE_LIST,
		[THRIFT_LIST_RECORDS] = WIRE_LIST,
	};
	return TYPES[kind];
}

static uint8_t wire_item_type(enum thrift_kind kind)
{
	if (kind == THRIFT_LIST_I32)
		return WIRE_I32;
	return kind == THRIFT_LIST_BINARY ? WIRE_BINARY : WIRE_STRUCT;
}

static thrift_mask_t present_in(const void *record)
{
	thrift_mask_t present;
	memcpy(&present, record, sizeof present);
	return present;
}

/* ---- encode ---- */

/* Field header: delta of the id (1..15) in the high, the type in the low half; or 0|type, id. */
static void encode_header(struct buffer *out, uint8_t id, uint8_t last_id, uint8_t type)
{
	unsigned delta = (unsigned)id - last_id;
	if (delta <= 15) {
		buffer_append_u8(out, (uint8_t)(delta << 4 | type));
		return;
	}
	buffer_append_u8(out, type);
	buffer_append_zigzag(out, id);
}

static void encode_binary(struct buffer *out, struct bytes value)
{
	buffer_append_varint(out, value.size);
	buffer_append_bytes(out, value);
}

static void encode_list(
	struct buffer *out, const struct thrift_field *field, const struct thrift_list *list)
{
	uint8_t type = wire_item_type(field->kind);
	if (list->count < LIST_COUNT_LONG) {
		buffer_append_u8(out, (uint8_t)(list->count << 4 | type));
	} else {
		buffer_append_u8(out, (uint8_t)(LIST_COUNT_LONG << 4 | type));
		buffer_append_varint(out, list->count);
	}
	for (size_t i = 0; i < list->count; i++) {
		if (field->kind == THRIFT_LIST_I32)
			buffer_append_zigzag(out, ((const int32_t *)list->items)[i]);
		else if (field->kind == THRIFT_LIST_BINARY)
			encode_binary(out, ((const struct bytes *)list->items)[i]);
		else
			thrift_encode(out, field->record,
				(const uint8_t *)list->items + i * field->record->size);
	}
}

static void encode_value(struct buffer *out, const struct thrift_field *field, const void *at)
{
	switch (field->kind) {
	case THRIFT_BOOL:
		break; /* in the header */
	case THRIFT_I8:
		buffer_append_u8(out, *(const uint8_t *)at);
		break;
	case THRIFT_I16:
		buffer_append_zigzag(out, *(const int16_t *)at);
		break;
	case THRIFT_I32:
		buffer_append_zigzag(out, *(const int32_t *)at);
		break;
	case THRIFT_I64:
		buffer_append_zigzag(out, *(const int64_t *)at);
		break;
	case THRIFT_BINARY:
		encode_binary(out, *(const struct bytes *)at);
		break;
	case THRIFT_RECORD:
		thrift_encode(out, field->record, at);
		break;
	case THRIFT_LIST_I32:
	case THRIFT_LIST_BINARY:
	case THRIFT_LIST_RECORDS:
		encode_list(out, field, at);
		break;
	}
}

void thrift_encode(struct buffer *out, const struct thrift_record *record, const void *from)
{
	thrift_mask_t present = present_in(from);
	uint8_t last_id = 0;
	for (size_t i = 0; i < record->field_count; i++) {
		const struct thrift_field *field = &record->fields[i];
		if (!(present & THRIFT_BIT(field->id)))
			continue;
		const uint8_t *at = (const uint8_t *)from + field->offset;
		uint8_t type = wire_type(field->kind);
		if (field->kind == THRIFT_BOOL && !*(const bool *)at)
			type = WIRE_FALSE;
		encode_header(out, field->id, last_id, type);
		encode_value(out, field, at);
		last_id = field->id;
	}
	buffer_append_u8(out, WIRE_STOP);
}

/* ---- decode ---- */

struct decoder {
	struct reader *in;
	struct arena *arena;
	size_t memory_max;
	struct error *err;
};

static struct bytes take_binary(struct reader *in)
{
	return reader_take(in, reader_count(in, reader_varint(in), 1));
}

static size_t take_list_header(struct reader *in, uint8_t *type)
{
	uint8_t header = reader_u8(in);
	*type = header & 0x0f;
	uint64_t count = header >> 4;
	if (count == LIST_COUNT_LONG)
		count = reader_varint(in);
	return reader_count(in, count, 1);
}

static void skip_value(struct reader *in, uint8_t type, int depth);

static void skip_struct(struct reader *in, int depth)
{
	for (;;) {
		uint8_t header = reader_u8(in);
		if (in->failed || header == WIRE_STOP)
			return;
		if (header >> 4 == 0)
			reader_zigzag(in);
		uint8_t type = header & 0x0f;
		if (type != WIRE_TRUE && type != WIRE_FALSE)
			skip_value(in, type, depth);
	}
}

static void skip_map(struct reader *in, int depth)
{
	size_t count = reader_count(in, reader_varint(in), 1);
	uint8_t types = count ? reader_u8(in) : 0;
	for (size_t i = 0; i < count && !in->failed; i++) {
		skip_value(in, types >> 4, depth);
		skip_value(in, types & 0x0f, depth);
	}
}

/* A value that is not a field: here a boolean takes a byte. */
static void skip_value(struct reader *in, uint8_t type, int depth)
{
	if (depth == SKIP_DEPTH_MAX) {
		in->failed = true;
		return;
	}
	uint8_t item_type;
	switch (type) {
	case WIRE_TRUE:
	case WIRE_FALSE:
	case WIRE_I8:
		reader_u8(in);
		break;
	case WIRE_I16:
	case WIRE_I32:
	case WIRE_I64:
		reader_varint(in);
		break;
	case WIRE_DOUBLE:
		reader_take(in, 8);
		break;
	case WIRE_UUID:
		reader_take(in, 16);
		break;
	case WIRE_BINARY:
		take_binary(in);
		break;
	case WIRE_LIST:
	case WIRE_SET:
		for (size_t i = take_list_header(in, &item_type); i > 0 && !in->failed; i--)
			skip_value(in, item_type, depth + 1);
		break;
	case WIRE_MAP:
		skip_map(in, depth + 1);
		break;
	case WIRE_STRUCT:
		skip_struct(in, depth + 1);
		break;
	default:
		in->failed = true;
	}
}

static bool decode_record(struct decoder *decoder, const struct thrift_record *record, void *to);

static size_t item_size(const struct thrift_field *field)
{
	if (field->kind == THRIFT_LIST_I32)
		return sizeof(int32_t);
	return field->kind == THRIFT_LIST_BINARY ? sizeof(struct bytes) : field->record->size;
}

static bool allocate_list(struct decoder *decoder, const struct thrift_field *field, size_t count,
	struct thrift_list *out)
{
	size_t size = item_size(field);
	size_t used = decoder->arena->used_bytes;
	size_t room = used < decoder->memory_max ? decoder->memory_max - used : 0;
	if (count > room / size)
		return error_set(decoder->err, ERROR_LIMIT,
			"Parquet metadata takes more than %zu bytes of memory",
			decoder->memory_max);
	out->items = arena_alloc(decoder->arena, count, size);
	out->count = count;
	return true;
}

static bool decode_list(
	struct decoder *decoder, const struct thrift_field *field, struct thrift_list *out)
{
	struct reader *in = decoder->in;
	uint8_t type;
	size_t count = take_list_header(in, &type);
	bool is_records = field->kind == THRIFT_LIST_RECORDS;
	count = reader_count(in, count, is_records ? field->record->encoded_min : 1);
	if (count > 0 && type != wire_item_type(field->kind))
		in->failed = true;
	if (in->failed)
		return true;
	if (!allocate_list(decoder, field, count, out))
		return false;
	for (size_t i = 0; i < count && !in->failed; i++) {
		if (field->kind == THRIFT_LIST_I32)
			((int32_t *)out->items)[i] = (int32_t)reader_zigzag(in);
		else if (field->kind == THRIFT_LIST_BINARY)
			((struct bytes *)out->items)[i] = take_binary(in);
		else if (!decode_record(decoder, field->record,
				 (uint8_t *)out->items + i * field->record->size))
			return false;
	}
	return true;
}

static bool decode_value(struct decoder *decoder, const struct thrift_field *field, void *at)
{
	struct reader *in = decoder->in;
	switch (field->kind) {
	case THRIFT_BOOL:
		break; /* in the header */
	case THRIFT_I8:
		*(uint8_t *)at = reader_u8(in);
		break;
	case THRIFT_I16:
		*(int16_t *)at = (int16_t)reader_zigzag(in);
		break;
	case THRIFT_I32:
		*(int32_t *)at = (int32_t)reader_zigzag(in);
		break;
	case THRIFT_I64:
		*(int64_t *)at = reader_zigzag(in);
		break;
	case THRIFT_BINARY:
		*(struct bytes *)at = take_binary(in);
		break;
	case THRIFT_RECORD:
		return decode_record(decoder, field->record, at);
	case THRIFT_LIST_I32:
	case THRIFT_LIST_BINARY:
	case THRIFT_LIST_RECORDS:
		return decode_list(decoder, field, at);
	}
	return true;
}

static const struct thrift_field *find_field(const struct thrift_record *record, int64_t id)
{
	for (size_t i = 0; i < record->field_count; i++)
		if (record->fields[i].id == id)
			return &record->fields[i];
	return NULL;
}

static bool decode_field(struct decoder *decoder, const struct thrift_record *record, int64_t id,
	uint8_t type, void *to)
{
	const struct thrift_field *field = find_field(record, id);
	bool is_bool = type == WIRE_TRUE || type == WIRE_FALSE;
	if (field == NULL) {
		if (!is_bool)
			skip_value(decoder->in, type, 0);
		return true;
	}
	uint8_t expected = wire_type(field->kind);
	thrift_mask_t present = present_in(to);
	if ((is_bool ? WIRE_TRUE : type) != expected || present & THRIFT_BIT(field->id))
		return error_set(decoder->err, ERROR_CORRUPT,
			"%s in Parquet metadata has a wrong type or a second field %d",
			record->name, field->id);
	present |= THRIFT_BIT(field->id);
	memcpy(to, &present, sizeof present);
	uint8_t *at = (uint8_t *)to + field->offset;
	if (is_bool)
		*(bool *)at = type == WIRE_TRUE;
	return decode_value(decoder, field, at);
}

static bool decode_record(struct decoder *decoder, const struct thrift_record *record, void *to)
{
	struct reader *in = decoder->in;
	memset(to, 0, record->size);
	int64_t id = 0;
	for (;;) {
		uint8_t header = reader_u8(in);
		if (in->failed || header == WIRE_STOP)
			break;
		if (header >> 4)
			id += header >> 4;
		else
			id = (int16_t)reader_zigzag(in);
		if (!decode_field(decoder, record, id, header & 0x0f, to))
			return false;
	}
	if (in->failed)
		return error_set(decoder->err, ERROR_CORRUPT,
			"%s in Parquet metadata is cut short or malformed", record->name);
	if ((present_in(to) & record->required) != record->required)
		return error_set(decoder->err, ERROR_CORRUPT,
			"%s in Parquet metadata lacks a required field", record->name);
	return true;
}

bool thrift_decode(struct reader *in, const struct thrift_record *record, void *to,
	struct arena *arena, size_t memory_max, struct error *err)
{
	assert(arena->used_bytes <= memory_max);
	struct decoder decoder = { in, arena, memory_max, err };
	return decode_record(&decoder, record, to);
}
