#include "log/segment/segment_format.h"

#include "base/reader.h"

#include <assert.h>
#include <inttypes.h>
#include <stdio.h>
#include <xxhash.h>

enum {
	SEGMENT_VERSION = 1,
};
/* A group begins with a number that no record's size can be. */
static const uint32_t GROUP_MAGIC = 0xf10c6a01;
static const char SEGMENT_MAGIC[8] = "walb\rlog";

const char *segment_name(log_position_t first, char name[SEGMENT_NAME_SIZE])
{
	snprintf(name, SEGMENT_NAME_SIZE, "%020" PRIu64 ".log", first);
	return name;
}

bool segment_name_parse(const char *name, log_position_t *first)
{
	log_position_t value = 0;
	for (size_t i = 0; i < 20; i++) {
		const unsigned digit = (unsigned)(name[i] - '0');
		if (digit > 9 || value > (UINT64_MAX - digit) / 10)
			return false;
		value = 10 * value + digit;
	}
	*first = value;
	return strcmp(name + 20, ".log") == 0;
}

static uint32_t check_of(struct bytes bytes, log_position_t position)
{
	const uint64_t hash = XXH3_64bits(bytes.data, bytes.size);
	return (uint32_t)((hash ^ position * 0x9e3779b97f4a7c15) >> 32);
}

static void put_u32(uint8_t *out, uint32_t value)
{
	for (size_t i = 0; i < 4; i++)
		out[i] = (uint8_t)(value >> (8 * i));
}

static void put_u64(uint8_t *out, uint64_t value)
{
	for (size_t i = 0; i < 8; i++)
		out[i] = (uint8_t)(value >> (8 * i));
}

static void append_text(struct buffer *out, const char *text, size_t size)
{
	char padded[SEGMENT_TEXT_SIZE] = { 0 };
	assert(size <= sizeof padded && strlen(text) < size);
	memcpy(padded, text, strlen(text));
	buffer_append(out, padded, size);
}

struct segment_head segment_head_for(const char *lake_id, const struct log_codec *codec)
{
	struct segment_head head = { 0 };
	snprintf(head.lake_id, sizeof head.lake_id, "%s", lake_id);
	snprintf(head.codec, sizeof head.codec, "%s", codec != NULL ? codec->name : "opaque");
	return head;
}

/*
 * magic 8 | u32 version | u32 zero | u64 first position | u64 end LSN before | log id 40 |
 * lake id 40 | codec 16 | zero 28 | u32 check
 */
void segment_head_encode(const struct segment_head *head, struct buffer *out)
{
	const size_t start = out->size;
	buffer_append(out, SEGMENT_MAGIC, sizeof SEGMENT_MAGIC);
	buffer_append_u32le(out, SEGMENT_VERSION);
	buffer_append_u32le(out, 0);
	buffer_append_u64le(out, head->first);
	buffer_append_u64le(out, head->end_lsn);
	append_text(out, head->log_id, SEGMENT_TEXT_SIZE);
	append_text(out, head->lake_id, SEGMENT_TEXT_SIZE);
	append_text(out, head->codec, SEGMENT_CODEC_SIZE);
	while (out->size - start < SEGMENT_HEAD_SIZE - 4)
		buffer_append_u8(out, 0);
	const struct bytes checked = bytes_of(out->data + start, SEGMENT_HEAD_SIZE - 4);
	buffer_append_u32le(out, check_of(checked, head->first));
}

static void take_text(struct reader *in, char *out, size_t size)
{
	const struct bytes text = reader_take(in, size);
	if (text.size > 0)
		memcpy(out, text.data, size - 1);
	out[size - 1] = '\0';
}

static bool check_version(struct bytes in, struct error *err)
{
	if (in.size < SEGMENT_HEAD_SIZE)
		return error_set(err, ERROR_CORRUPT, "its head is cut short");
	if (memcmp(in.data, SEGMENT_MAGIC, sizeof SEGMENT_MAGIC) != 0)
		return error_set(err, ERROR_CORRUPT, "it is not a log segment");
	struct reader version = reader_of(bytes_of(in.data + sizeof SEGMENT_MAGIC, 4));
	const uint32_t number = reader_u32le(&version);
	if (number > SEGMENT_VERSION && number < 0x10000)
		return error_set(err, ERROR_UNSUPPORTED, "its format version is %u, known is %d",
			       number, SEGMENT_VERSION) ||
		       error_hint(err, "Use the version of walberg that wrote this log.");
	return true;
}

bool segment_head_decode(
	struct bytes in, log_position_t first, struct segment_head *out, struct error *err)
{
	if (!check_version(in, err))
		return false;
	const struct bytes checked = bytes_of(in.data, SEGMENT_HEAD_SIZE - 4);
	struct reader reader = reader_of(bytes_of(in.data, SEGMENT_HEAD_SIZE));
	reader_take(&reader, sizeof SEGMENT_MAGIC + 8);
	out->first = reader_u64le(&reader);
	out->end_lsn = reader_u64le(&reader);
	take_text(&reader, out->log_id, sizeof out->log_id);
	take_text(&reader, out->lake_id, sizeof out->lake_id);
	take_text(&reader, out->codec, sizeof out->codec);
	reader.offset = SEGMENT_HEAD_SIZE - 4;
	if (reader_u32le(&reader) != check_of(checked, first) || out->first != first)
		return error_set(err, ERROR_CORRUPT, "its head is damaged");
	return true;
}

/* u32 magic | u32 check | u64 size of the records | u64 durable before */
void group_head_encode(const struct group_head *head, log_position_t position, uint8_t *out)
{
	put_u32(out, GROUP_MAGIC);
	put_u64(out + 8, head->size);
	put_u64(out + 16, head->durable_before);
	put_u32(out + 4, check_of(bytes_of(out + 8, 16), position));
}

/* u32 size of the body | u32 check | u8 kind | u64 end LSN | i64 received at | body */
void record_encode(const struct log_record *record, log_position_t position, struct buffer *out)
{
	const size_t size = RECORD_HEAD_SIZE + record->body.size;
	buffer_reserve(out, size);
	uint8_t *at = out->data + out->size;
	put_u32(at, (uint32_t)record->body.size);
	at[8] = (uint8_t)record->kind;
	put_u64(at + 9, record->end_lsn);
	put_u64(at + 17, (uint64_t)record->received_at);
	if (record->body.size > 0)
		memcpy(at + RECORD_HEAD_SIZE, record->body.data, record->body.size);
	put_u32(at + 4, check_of(bytes_of(at + 8, size - 8), position));
	out->size += size;
}

enum segment_item segment_group_decode(
	struct bytes in, log_position_t position, struct group_head *out)
{
	struct reader reader = reader_of(in);
	const uint32_t magic = reader_u32le(&reader);
	const uint32_t check = reader_u32le(&reader);
	out->size = reader_u64le(&reader);
	out->durable_before = reader_u64le(&reader);
	if (reader.failed)
		return ITEM_SHORT;
	if (magic != GROUP_MAGIC || check != check_of(bytes_of(in.data + 8, 16), position))
		return ITEM_DAMAGED;
	return out->size > 0 && out->durable_before <= position ? ITEM_GROUP : ITEM_DAMAGED;
}

static enum segment_item record_decode(
	struct bytes in, log_position_t position, struct log_record *record)
{
	struct reader reader = reader_of(in);
	reader_u32le(&reader);
	const uint32_t check = reader_u32le(&reader);
	if (check != check_of(bytes_of(in.data + 8, in.size - 8), position))
		return ITEM_DAMAGED;
	record->kind = (enum log_kind)reader_u8(&reader);
	record->end_lsn = reader_u64le(&reader);
	record->received_at = (micros_t)reader_u64le(&reader);
	record->body = reader_take(&reader, reader_left(&reader));
	record->position = position;
	record->next = position + in.size;
	const bool is_known = record->kind >= LOG_START && record->kind <= LOG_MARK;
	return is_known ? ITEM_RECORD : ITEM_DAMAGED;
}

enum segment_item segment_item_decode(struct bytes in, log_position_t position,
	struct group_head *group, struct log_record *record, size_t *size_needed)
{
	struct reader reader = reader_of(in);
	const uint32_t word = reader_u32le(&reader);
	const bool is_group = word == GROUP_MAGIC;
	if (!reader.failed && !is_group && word > RECORD_BODY_SIZE_MAX)
		return ITEM_DAMAGED;
	*size_needed = is_group ? GROUP_HEAD_SIZE : RECORD_HEAD_SIZE + (size_t)word;
	if (reader.failed)
		*size_needed = GROUP_HEAD_SIZE;
	if (in.size < *size_needed)
		return ITEM_SHORT;
	in.size = *size_needed;
	return is_group ? segment_group_decode(in, position, group)
			: record_decode(in, position, record);
}
