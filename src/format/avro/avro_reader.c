#include "format/avro/avro_reader.h"

#include "format/deflate.h"

const struct avro_limits AVRO_LIMITS_DEFAULT = {
	.header_size_max = 1024 * 1024,
	.content_size_max = 64 * 1024 * 1024,
};

enum {
	KEY_VALUE_SIZE_MIN = 2,
	KEY_VALUE_COUNT_MAX = 1000,
};

static struct bytes take_bytes(struct reader *in)
{
	return reader_take(in, (size_t)reader_zigzag(in));
}

static void add_key_value(struct avro_reader *reader, size_t *capacity)
{
	if (reader->key_value_count == *capacity) {
		*capacity = *capacity ? *capacity * 2 : 16;
		struct avro_key_value *grown =
			arena_array(reader->arena, struct avro_key_value, *capacity);
		if (reader->key_value_count)
			memcpy(grown, reader->key_values, reader->key_value_count * sizeof *grown);
		reader->key_values = grown;
	}
	struct avro_key_value *item = &reader->key_values[reader->key_value_count++];
	item->key = arena_copy_text(reader->arena, take_bytes(&reader->in));
	item->value = take_bytes(&reader->in);
}

/* A map of key to bytes, in blocks. */
static void read_key_values(struct avro_reader *reader)
{
	struct reader *in = &reader->in;
	size_t capacity = 0;
	for (;;) {
		int64_t count = reader_zigzag(in);
		if (count < 0) {
			reader_zigzag(in); /* the size of the block */
			count = count == INT64_MIN ? INT64_MAX : -count;
		}
		size_t items = reader_count(in, (uint64_t)count, KEY_VALUE_SIZE_MIN);
		if (items == 0)
			return;
		if (items > KEY_VALUE_COUNT_MAX - reader->key_value_count) {
			in->failed = true;
			return;
		}
		for (size_t i = 0; i < items && !in->failed; i++)
			add_key_value(reader, &capacity);
	}
}

const struct bytes *avro_reader_find(const struct avro_reader *reader, const char *key)
{
	for (size_t i = 0; i < reader->key_value_count; i++)
		if (strcmp(reader->key_values[i].key, key) == 0)
			return &reader->key_values[i].value;
	return NULL;
}

static bool read_codec(struct avro_reader *reader, struct error *err)
{
	const struct bytes *name = avro_reader_find(reader, "avro.codec");
	reader->codec = AVRO_CODEC_NULL;
	if (name == NULL || bytes_equal(*name, BYTES_LITERAL("null")))
		return true;
	reader->codec = AVRO_CODEC_DEFLATE;
	if (bytes_equal(*name, BYTES_LITERAL("deflate")))
		return true;
	return error_set(err, ERROR_UNSUPPORTED, "Avro codec \"%.*s\" is not known",
		(int)(name->size < 40 ? name->size : 40), (const char *)name->data);
}

bool avro_reader_open(struct avro_reader *reader, struct bytes file,
	const struct avro_limits *limits, struct arena *arena, struct error *err)
{
	*reader = (struct avro_reader){ .arena = arena,
		.content_size_left = limits->content_size_max };
	/* the header is read from a prefix, so that its limit holds */
	const bool is_long = file.size > limits->header_size_max;
	reader->in = reader_of(bytes_of(file.data, is_long ? limits->header_size_max : file.size));
	if (!bytes_equal(reader_take(&reader->in, 4), BYTES_LITERAL("Obj\1")))
		return error_set(err, ERROR_CORRUPT, "it is not an Avro file");
	read_key_values(reader);
	reader->sync = reader_take(&reader->in, AVRO_SYNC_SIZE);
	if (reader->in.failed)
		return error_set(err, is_long ? ERROR_LIMIT : ERROR_CORRUPT,
			"the header of an Avro file is damaged or too large");
	reader->in.input = file;
	const struct bytes *schema = avro_reader_find(reader, "avro.schema");
	if (schema == NULL)
		return error_set(err, ERROR_CORRUPT, "an Avro file has no schema");
	reader->schema_json = *schema;
	return read_codec(reader, err) && avro_schema_decode(*schema, arena, &reader->type, err);
}

static bool inflate_block(struct avro_reader *reader, struct bytes *block, struct error *err)
{
	struct buffer plain = { 0 };
	bool done = deflate_decode(DEFLATE_RAW, *block, reader->content_size_left, &plain, err);
	if (done)
		*block = arena_copy_bytes(reader->arena, buffer_bytes(&plain));
	buffer_deinit(&plain);
	return done;
}

bool avro_reader_next(
	struct avro_reader *reader, struct reader *items, size_t *item_count, struct error *err)
{
	struct reader *in = &reader->in;
	*item_count = 0;
	if (reader_left(in) == 0 && !in->failed)
		return true;
	int64_t count = reader_zigzag(in);
	struct bytes block = take_bytes(in);
	if (!bytes_equal(reader_take(in, AVRO_SYNC_SIZE), reader->sync) || count <= 0) {
		in->failed = true;
		return error_set(err, ERROR_CORRUPT,
			"a block of an Avro file is damaged, before byte %zu", in->offset);
	}
	if (reader->codec == AVRO_CODEC_DEFLATE && !inflate_block(reader, &block, err))
		return false;
	if (block.size > reader->content_size_left)
		return error_set(err, ERROR_LIMIT, "an Avro file holds too many bytes");
	reader->content_size_left -= block.size;
	*items = reader_of(block);
	const size_t size_min = reader->type->size_min ? reader->type->size_min : 1;
	*item_count = reader_count(items, (uint64_t)count, size_min);
	if (items->failed)
		return error_set(err, ERROR_CORRUPT, "a block of an Avro file counts %lld items",
			(long long)count);
	return true;
}
