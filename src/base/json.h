/*
 * json.h: JSON read whole, by jansson and under limits, and JSON written as it goes.
 *
 * Reading: integers are exact in 64 bits (a greater one is CORRUPT), an object's keys are unique,
 * text is valid UTF-8 without NUL.  A json_t is released with json_decref(); what the json_read
 * functions yield is borrowed from it.
 *
 * Writing: call in the order of the document; the writer puts commas and colons.  Mistakes of
 * order are asserted.  Text that is not valid UTF-8 is written with U+FFFD in place of what is
 * ill formed, and json_write_finish() then fails, so that nothing is changed silently.
 */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buffer.h"

#include <jansson.h>

enum {
	JSON_DEPTH_MAX = 64
};

/* LIMIT when text has more than size_max bytes; CORRUPT when ill formed or nested too deeply. */
bool json_parse(struct bytes text, size_t size_max, json_t **out, struct error *err) MUST_CHECK;

/*
 * The member `key` of an object: CORRUPT, naming the key, when it is absent or of another type.
 * The _or forms yield `absent` when it is absent or null.
 */
bool json_read_text(
	const json_t *object, const char *key, const char **out, struct error *err) MUST_CHECK;
bool json_read_text_or(const json_t *object, const char *key, const char *absent, const char **out,
	struct error *err) MUST_CHECK;
bool json_read_int(
	const json_t *object, const char *key, int64_t *out, struct error *err) MUST_CHECK;
bool json_read_bool_or(const json_t *object, const char *key, bool absent, bool *out,
	struct error *err) MUST_CHECK;
bool json_read_array(
	const json_t *object, const char *key, json_t **out, struct error *err) MUST_CHECK;

struct json_writer {
	struct buffer *out;
	uint64_t is_object; /* a bit per level, the innermost lowest */
	uint64_t has_items;
	int depth;
	bool after_key;
	bool has_invalid_text;
};

static inline struct json_writer json_writer_of(struct buffer *out)
{
	return (struct json_writer){ .out = out };
}

void json_write_begin_object(struct json_writer *writer);
void json_write_end_object(struct json_writer *writer);
void json_write_begin_array(struct json_writer *writer);
void json_write_end_array(struct json_writer *writer);
void json_write_key(struct json_writer *writer, const char *key);

void json_write_text(struct json_writer *writer, struct bytes text);
void json_write_cstring(struct json_writer *writer, const char *text); /* NULL: null */
void json_write_int(struct json_writer *writer, int64_t value);
void json_write_uint(struct json_writer *writer, uint64_t value);
void json_write_double(struct json_writer *writer, double value); /* not finite: null */
void json_write_bool(struct json_writer *writer, bool value);
void json_write_null(struct json_writer *writer);
void json_write_raw(struct json_writer *writer, struct bytes json); /* one whole value */

/* A key and its value in one. */
void json_write_member_text(struct json_writer *writer, const char *key, struct bytes text);
void json_write_member_cstring(struct json_writer *writer, const char *key, const char *text);
void json_write_member_int(struct json_writer *writer, const char *key, int64_t value);
void json_write_member_uint(struct json_writer *writer, const char *key, uint64_t value);
void json_write_member_bool(struct json_writer *writer, const char *key, bool value);

/* True when all text was valid; else CORRUPT. */
bool json_write_finish(const struct json_writer *writer, struct error *err) MUST_CHECK;

#endif
