#include "format/avro/avro_reader.h"

#include "base/test.h"

/* Every kind of type, with three fields that a reader looks for. */
static const char SCHEMA[] =
	"{\"type\":\"record\",\"name\":\"row\",\"fields\":["
	"{\"name\":\"id\",\"type\":\"long\",\"field-id\":1},"
	"{\"name\":\"flag\",\"type\":\"boolean\",\"field-id\":2},"
	"{\"name\":\"f\",\"type\":\"float\"},{\"name\":\"d\",\"type\":\"double\"},"
	"{\"name\":\"fixed\",\"type\":{\"type\":\"fixed\",\"name\":\"five\",\"size\":5}},"
	"{\"name\":\"again\",\"type\":\"five\"},"
	"{\"name\":\"enum\",\"type\":{\"type\":\"enum\",\"name\":\"e\",\"symbols\":[\"a\",\"b\"]}},"
	"{\"name\":\"map\",\"type\":{\"type\":\"map\",\"values\":\"int\"}},"
	"{\"name\":\"list\",\"type\":[\"null\",{\"type\":\"array\",\"items\":"
	"{\"type\":\"record\",\"name\":\"pair\",\"fields\":["
	"{\"name\":\"key\",\"type\":\"int\",\"field-id\":11},"
	"{\"name\":\"value\",\"type\":\"bytes\",\"field-id\":12}]}}],\"field-id\":3},"
	"{\"name\":\"note\",\"type\":[\"null\",{\"type\":\"string\",\"logicalType\":\"x\"}],"
	"\"default\":null,\"field-id\":4}]}";

static void append_row(struct buffer *out, int64_t id)
{
	avro_append_long(out, id);
	avro_append_boolean(out, id % 2);
	avro_append_float(out, 1.5F);
	avro_append_double(out, -2.5);
	buffer_append(out, "aaaaabbbbb", 10);
	avro_append_long(out, 1);
	avro_begin_items(out, 1);
	avro_append_text(out, "key");
	avro_append_long(out, 7);
	avro_end_items(out);
	avro_append_branch(out, 1);
	avro_begin_items(out, 2);
	for (int i = 0; i < 2; i++) {
		avro_append_long(out, i);
		avro_append_text(out, "value");
	}
	avro_end_items(out);
	avro_append_branch(out, id % 3 != 0);
	if (id % 3 != 0)
		avro_append_text(out, "note");
}

static void write_rows(enum avro_codec codec, int64_t count, struct buffer *out)
{
	const struct avro_key_value extra = { "answer", BYTES_LITERAL("42") };
	const struct avro_writer_options options = { .codec = codec,
		.sync = "0123456789abcde",
		.schema_json = SCHEMA,
		.key_value_count = 1,
		.key_values = &extra };
	struct avro_writer writer;
	avro_writer_begin(&writer, &options, out);
	for (int64_t id = 0; id < count; id++) {
		append_row(&writer.block, id);
		avro_writer_end_item(&writer);
	}
	avro_writer_finish(&writer);
}

struct row {
	int64_t id;
	bool flag;
	int64_t key_sum;
	size_t value_size;
	bool has_note;
};

static void read_list(struct reader *in, const struct avro_type *type, struct row *row)
{
	bool is_null;
	const struct avro_type *array = avro_read_branch(in, type, AVRO_ARRAY);
	size_t count;
	while (array != NULL && (count = avro_read_items(in, array)) > 0)
		for (size_t i = 0; i < count; i++) {
			const struct avro_type *pair =
				avro_read_branch(in, array->children[0].type, AVRO_RECORD);
			if (pair == NULL || pair->child_count != 2)
				return;
			row->key_sum += avro_read_long(in, pair->children[0].type, &is_null);
			row->value_size +=
				avro_read_bytes(in, pair->children[1].type, &is_null).size;
		}
}

static void read_row(struct reader *in, const struct avro_type *type, struct row *row)
{
	bool is_null;
	*row = (struct row){ 0 };
	for (size_t i = 0; i < type->child_count; i++) {
		const struct avro_field *field = &type->children[i];
		switch (field->id) {
		case 1:
			row->id = avro_read_long(in, field->type, &is_null);
			break;
		case 2:
			row->flag = avro_read_boolean(in, field->type, &is_null);
			break;
		case 3:
			read_list(in, field->type, row);
			break;
		case 4:
			avro_read_bytes(in, field->type, &is_null);
			row->has_note = !is_null;
			break;
		default:
			avro_skip(in, field->type);
		}
	}
}

/* All rows; false with *err when the file is refused. */
static bool read_rows(struct bytes file, struct arena *arena, int64_t *count, struct error *err)
{
	struct avro_reader reader;
	struct reader items;
	size_t item_count;
	*count = 0;
	if (!avro_reader_open(&reader, file, &AVRO_LIMITS_DEFAULT, arena, err))
		return false;
	for (;;) {
		if (!avro_reader_next(&reader, &items, &item_count, err))
			return false;
		if (item_count == 0)
			return true;
		for (size_t i = 0; i < item_count; i++) {
			struct row row;
			if (reader.type->kind != AVRO_RECORD)
				return error_set(err, ERROR_CORRUPT, "no record");
			read_row(&items, reader.type, &row);
			if (!items.failed && row.id == *count && row.key_sum == 1 &&
				row.value_size == 10 && row.flag == row.id % 2 &&
				row.has_note == (row.id % 3 != 0))
				(*count)++;
		}
		if (!reader_finish(&items, "a block", err))
			return false;
	}
}

TEST(an_avro_file_reads_back_with_both_codecs)
{
	for (int codec = AVRO_CODEC_NULL; codec <= AVRO_CODEC_DEFLATE; codec++) {
		struct buffer file = { 0 };
		struct arena arena = { 0 };
		struct error err = { 0 };
		int64_t count;
		write_rows((enum avro_codec)codec, 5000, &file); /* several blocks */
		CHECK_OK(read_rows(buffer_bytes(&file), &arena, &count, &err), &err);
		CHECK_EQUAL(count, 5000);
		arena_deinit(&arena);
		buffer_deinit(&file);
	}
}

TEST(an_avro_header_keeps_the_schema_and_the_keys_as_written)
{
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct avro_reader reader;
	write_rows(AVRO_CODEC_NULL, 1, &file);
	CHECK_OK(avro_reader_open(&reader, buffer_bytes(&file), &AVRO_LIMITS_DEFAULT, &arena, &err),
		&err);
	CHECK(bytes_equal(reader.schema_json, bytes_of_cstring(SCHEMA)));
	CHECK(bytes_equal(*avro_reader_find(&reader, "answer"), BYTES_LITERAL("42")));
	CHECK(avro_reader_find(&reader, "question") == NULL);
	arena_deinit(&arena);
	buffer_deinit(&file);
}

TEST(an_avro_file_cut_inside_a_part_is_refused)
{
	struct buffer file = { 0 };
	struct error err = { 0 };
	struct arena arena = { 0 };
	int64_t count;
	write_rows(AVRO_CODEC_NULL, 0, &file);
	const size_t header_size = file.size;
	buffer_reset(&file);
	write_rows(AVRO_CODEC_NULL, 3, &file);
	for (size_t size = 0; size < file.size; size++) {
		bool done = read_rows(bytes_of(file.data, size), &arena, &count, &err);
		CHECK(done == (size == header_size)); /* a header alone is an empty file */
		arena_reset(&arena);
	}
	arena_deinit(&arena);
	buffer_deinit(&file);
}

TEST(an_avro_file_with_a_flipped_bit_never_breaks_the_reader)
{
	for (int codec = AVRO_CODEC_NULL; codec <= AVRO_CODEC_DEFLATE; codec++) {
		struct buffer file = { 0 };
		struct arena arena = { 0 };
		write_rows((enum avro_codec)codec, 3, &file);
		for (size_t bit = 0; bit < file.size * 8; bit++) {
			struct error err = { 0 };
			int64_t count;
			file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			if (!read_rows(buffer_bytes(&file), &arena, &count, &err))
				CHECK(err.kind != ERROR_NONE);
			file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			arena_reset(&arena);
		}
		arena_deinit(&arena);
		buffer_deinit(&file);
	}
}

TEST(avro_limits_bound_the_header_and_the_content)
{
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct avro_reader reader;
	struct reader items;
	size_t item_count;
	write_rows(AVRO_CODEC_DEFLATE, 100, &file);
	struct avro_limits limits = { .header_size_max = 100, .content_size_max = 1 << 20 };
	CHECK(!avro_reader_open(&reader, buffer_bytes(&file), &limits, &arena, &err));
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	limits = (struct avro_limits){ .header_size_max = 1 << 20, .content_size_max = 100 };
	CHECK_OK(avro_reader_open(&reader, buffer_bytes(&file), &limits, &arena, &err), &err);
	CHECK(!avro_reader_next(&reader, &items, &item_count, &err));
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	arena_deinit(&arena);
	buffer_deinit(&file);
}

static enum error_kind decode_kind(const char *json)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	const struct avro_type *type;
	if (avro_schema_decode(bytes_of_cstring(json), &arena, &type, &err))
		err.kind = ERROR_NONE;
	arena_deinit(&arena);
	return err.kind;
}

TEST(avro_schemas_that_read_without_end_are_refused)
{
	CHECK_EQUAL(decode_kind("\"long\""), ERROR_NONE);
	CHECK_EQUAL(decode_kind("[\"null\",\"long\"]"), ERROR_NONE);
	CHECK_EQUAL(decode_kind("\"unknown\""), ERROR_CORRUPT);
	CHECK_EQUAL(decode_kind("{\"type\":\"array\",\"items\":\"null\"}"), ERROR_CORRUPT);
	CHECK_EQUAL(decode_kind("{\"type\":\"record\",\"name\":\"r\",\"fields\":["
				"{\"name\":\"a\",\"type\":\"r\"}]}"),
		ERROR_CORRUPT);
	CHECK_EQUAL(decode_kind("{\"type\":\"record\",\"name\":\"r\",\"fields\":["
				"{\"name\":\"a\",\"type\":[\"null\",\"r\"]}]}"),
		ERROR_NONE);
}

TEST(an_avro_schema_that_doubles_itself_is_refused)
{
	struct buffer json = { 0 };
	buffer_append_cstring(&json, "{\"type\":\"record\",\"name\":\"all\",\"fields\":[");
	buffer_append_cstring(&json,
		"{\"name\":\"f\",\"type\":{\"type\":\"record\",\"name\":\"n0\","
		"\"fields\":[{\"name\":\"x\",\"type\":\"null\"}]}}");
	for (int i = 1; i < 20; i++)
		buffer_append_format(&json,
			",{\"name\":\"f\",\"type\":{\"type\":\"record\",\"name\":\"n%d\","
			"\"fields\":["
			"{\"name\":\"x\",\"type\":\"n%d\"},{\"name\":\"y\",\"type\":\"n%d\"}]}}",
			i, i - 1, i - 1);
	buffer_append_cstring(&json, "]}");
	buffer_append_u8(&json, 0);
	CHECK_EQUAL(decode_kind((const char *)json.data), ERROR_LIMIT);
	buffer_deinit(&json);
}

TEST(avro_blocks_with_their_size_are_skipped_and_read)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	const struct avro_type *type;
	const char *json = "{\"type\":\"array\",\"items\":\"int\"}";
	CHECK_OK(avro_schema_decode(bytes_of_cstring(json), &arena, &type, &err), &err);
	static const uint8_t BLOCKS[] = { 3, 4, 2, 4, 0 }; /* -2 items in 2 bytes: 1, 2; end */
	struct reader in = reader_of(bytes_of(BLOCKS, sizeof BLOCKS));
	avro_skip(&in, type);
	CHECK_OK(reader_finish(&in, "array", &err), &err);
	in = reader_of(bytes_of(BLOCKS, sizeof BLOCKS));
	bool is_null;
	CHECK_EQUAL(avro_read_items(&in, type), 2);
	CHECK_EQUAL(avro_read_long(&in, type->children[0].type, &is_null), 1);
	CHECK_EQUAL(avro_read_long(&in, type->children[0].type, &is_null), 2);
	CHECK_EQUAL(avro_read_items(&in, type), 0);
	CHECK_OK(reader_finish(&in, "array", &err), &err);
	arena_deinit(&arena);
}

TEST(an_avro_value_of_another_type_than_asked_for_fails_the_reader)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	const struct avro_type *type;
	bool is_null;
	CHECK_OK(avro_schema_decode(bytes_of_cstring("[\"null\",\"string\"]"), &arena, &type, &err),
		&err);
	static const uint8_t TEXT[] = { 2, 2, 'x' }, NOTHING[] = { 0 }, NO_BRANCH[] = { 4 };
	struct reader in = reader_of(bytes_of(TEXT, sizeof TEXT));
	avro_read_long(&in, type, &is_null);
	CHECK(in.failed);
	in = reader_of(bytes_of(NOTHING, sizeof NOTHING));
	CHECK_EQUAL(avro_read_long(&in, type, &is_null), 0);
	CHECK(!in.failed && is_null);
	in = reader_of(bytes_of(NO_BRANCH, sizeof NO_BRANCH));
	avro_skip(&in, type);
	CHECK(in.failed);
	arena_deinit(&arena);
}
