/*
 * avro_writer.h: write an Avro object container file into a buffer.
 *
 *	avro_writer_begin(&writer, &options, out);
 *	for each item: append its fields to &writer.block, then avro_writer_end_item(&writer);
 *	avro_writer_finish(&writer);
 *
 * The schema is written as the caller spells it, because Iceberg's "field-id" attributes, and the
 * order of its header keys, are not Avro's own.  Nothing here can fail.
 * Spec: Apache Avro 1.11, "Object Container Files" and "Binary Encoding".
 */
#ifndef FORMAT_AVRO_WRITER_H
#define FORMAT_AVRO_WRITER_H

#include "base/buffer.h"

enum {
	AVRO_SYNC_SIZE = 16
};

enum avro_codec {
	AVRO_CODEC_NULL = 1,
	AVRO_CODEC_DEFLATE,
};

struct avro_key_value {
	const char *key;
	struct bytes value;
};

struct avro_writer_options {
	enum avro_codec codec;
	uint8_t sync[AVRO_SYNC_SIZE]; /* random, so that it is not met inside a block */
	const char *schema_json;
	size_t key_value_count; /* beside avro.schema and avro.codec */
	const struct avro_key_value *key_values;
};

struct avro_writer {
	struct buffer *out;  /* the caller's; appended to */
	struct buffer block; /* fields of the items of the block in work */
	int64_t block_item_count;
	enum avro_codec codec;
	uint8_t sync[AVRO_SYNC_SIZE];
};

void avro_writer_begin(
	struct avro_writer *writer, const struct avro_writer_options *options, struct buffer *out);
void avro_writer_end_item(struct avro_writer *writer); /* writes the block when it is full */
void avro_writer_finish(struct avro_writer *writer);   /* writes the last block; frees the block */

/* A number as a header's value, which is text; it lies in text. */
enum {
	AVRO_NUMBER_TEXT_SIZE = 24
};
struct bytes avro_number_text(char text[AVRO_NUMBER_TEXT_SIZE], int64_t number);

/* int and long: the same bytes. */
static inline void avro_append_long(struct buffer *out, int64_t value)
{
	buffer_append_zigzag(out, value);
}

static inline void avro_append_boolean(struct buffer *out, bool value)
{
	buffer_append_u8(out, value);
}

void avro_append_float(struct buffer *out, float value);
void avro_append_double(struct buffer *out, double value);

static inline void avro_append_bytes(struct buffer *out, struct bytes value)
{
	buffer_append_zigzag(out, (int64_t)value.size);
	buffer_append_bytes(out, value);
}

static inline void avro_append_text(struct buffer *out, const char *value)
{
	avro_append_bytes(out, bytes_of_cstring(value));
}

/* Which branch of a union follows; Iceberg's optional fields are ["null", T]. */
static inline void avro_append_branch(struct buffer *out, unsigned index)
{
	buffer_append_zigzag(out, (int64_t)index);
}

/* An array or map of count items: begin, the items, end.  One block; none when it is empty. */
static inline void avro_begin_items(struct buffer *out, size_t count)
{
	if (count)
		buffer_append_zigzag(out, (int64_t)count);
}

static inline void avro_end_items(struct buffer *out)
{
	buffer_append_zigzag(out, 0);
}

#endif
