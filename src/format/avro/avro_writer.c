#include "format/avro/avro_writer.h"

#include "format/deflate.h"

enum {
	BLOCK_SIZE_TARGET = 64 * 1024
};

static const char *codec_name(enum avro_codec codec)
{
	return codec == AVRO_CODEC_DEFLATE ? "deflate" : "null";
}

static void append_key_value(struct buffer *out, const char *key, struct bytes value)
{
	avro_append_text(out, key);
	avro_append_bytes(out, value);
}

/* "Obj" 1 | map of key to bytes | 16 bytes sync marker */
void avro_writer_begin(
	struct avro_writer *writer, const struct avro_writer_options *options, struct buffer *out)
{
	*writer = (struct avro_writer){ .out = out, .codec = options->codec };
	memcpy(writer->sync, options->sync, AVRO_SYNC_SIZE);
	buffer_append(out, "Obj\1", 4);
	avro_begin_items(out, options->key_value_count + 2);
	append_key_value(out, "avro.schema", bytes_of_cstring(options->schema_json));
	append_key_value(out, "avro.codec", bytes_of_cstring(codec_name(options->codec)));
	for (size_t i = 0; i < options->key_value_count; i++)
		append_key_value(out, options->key_values[i].key, options->key_values[i].value);
	avro_end_items(out);
	buffer_append(out, writer->sync, AVRO_SYNC_SIZE);
}

/* long item count | long size | the items, compressed | 16 bytes sync marker */
static void write_block(struct avro_writer *writer)
{
	avro_append_long(writer->out, writer->block_item_count);
	if (writer->codec == AVRO_CODEC_DEFLATE) {
		struct buffer packed = { 0 };
		deflate_encode(DEFLATE_RAW, buffer_bytes(&writer->block), &packed);
		avro_append_bytes(writer->out, buffer_bytes(&packed));
		buffer_deinit(&packed);
	} else {
		avro_append_bytes(writer->out, buffer_bytes(&writer->block));
	}
	buffer_append(writer->out, writer->sync, AVRO_SYNC_SIZE);
	buffer_reset(&writer->block);
	writer->block_item_count = 0;
}

void avro_writer_end_item(struct avro_writer *writer)
{
	writer->block_item_count++;
	if (writer->block.size >= BLOCK_SIZE_TARGET)
		write_block(writer);
}

void avro_writer_finish(struct avro_writer *writer)
{
	if (writer->block_item_count > 0)
		write_block(writer);
	buffer_deinit(&writer->block);
}

void avro_append_float(struct buffer *out, float value)
{
	uint32_t bits;
	memcpy(&bits, &value, sizeof bits);
	buffer_append_u32le(out, bits);
}

void avro_append_double(struct buffer *out, double value)
{
	uint64_t bits;
	memcpy(&bits, &value, sizeof bits);
	buffer_append_u64le(out, bits);
}

struct bytes avro_number_text(char text[AVRO_NUMBER_TEXT_SIZE], int64_t number)
{
	snprintf(text, AVRO_NUMBER_TEXT_SIZE, "%lld", (long long)number);
	return bytes_of_cstring(text);
}
