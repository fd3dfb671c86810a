#include "base/json.h"
#include "base/utf8.h"

#include <assert.h>
#include <math.h>

/* jansson descends by recursion: the depth is known before it starts. */
static bool check_depth(struct bytes text, struct error *err)
{
	int depth = 0;
	bool in_text = false;
	for (size_t i = 0; i < text.size; i++) {
		const uint8_t byte = text.data[i];
		if (byte == '"')
			in_text = !in_text;
		else if (in_text && byte == '\\')
			i++;
		else if (!in_text && (byte == '{' || byte == '['))
			depth++;
		else if (!in_text && (byte == '}' || byte == ']'))
			depth--;
		if (depth > JSON_DEPTH_MAX)
			return error_set(err, ERROR_CORRUPT, "the JSON is nested more than %d deep",
				JSON_DEPTH_MAX);
	}
	return true;
}

bool json_parse(struct bytes text, size_t size_max, json_t **out, struct error *err)
{
	*out = NULL;
	if (text.size > size_max)
		return error_set(err, ERROR_LIMIT,
			"the JSON has %zu bytes, more than the %zu that are read", text.size,
			size_max);
	if (!check_depth(text, err))
		return false;
	json_error_t error;
	*out = json_loadb(text.size ? (const char *)text.data : "", text.size,
		JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, &error);
	if (*out == NULL)
		return error_set(err, ERROR_CORRUPT, "the JSON is ill formed at line %d: %s",
			error.line, error.text);
	return true;
}

static const char *name_of_type(json_type type)
{
	switch (type) {
	case JSON_OBJECT:
		return "an object";
	case JSON_ARRAY:
		return "an array";
	case JSON_STRING:
		return "text";
	case JSON_INTEGER:
		return "an integer";
	case JSON_TRUE:
	case JSON_FALSE:
		return "true or false";
	default:
		return "a value";
	}
}

/* The member, or NULL when it is absent or null; false when it has another type. */
static bool find_member(
	const json_t *object, const char *key, json_type type, json_t **out, struct error *err)
{
	*out = json_object_get(object, key);
	if (!json_is_object(object))
		return error_set(
			err, ERROR_CORRUPT, "the JSON that should hold \"%s\" is no object", key);
	if (json_is_null(*out))
		*out = NULL;
	const bool is_bool = type == JSON_TRUE && json_is_boolean(*out);
	if (*out != NULL && json_typeof(*out) != type && !is_bool)
		return error_set(err, ERROR_CORRUPT, "the JSON member \"%s\" is not %s", key,
			name_of_type(type));
	return true;
}

static bool require_member(
	const json_t *object, const char *key, json_type type, json_t **out, struct error *err)
{
	if (!find_member(object, key, type, out, err))
		return false;
	if (*out == NULL)
		return error_set(err, ERROR_CORRUPT, "the JSON member \"%s\" is missing", key);
	return true;
}

bool json_read_text(const json_t *object, const char *key, const char **out, struct error *err)
{
	json_t *member;
	if (!require_member(object, key, JSON_STRING, &member, err))
		return false;
	*out = json_string_value(member);
	return true;
}

bool json_read_text_or(const json_t *object, const char *key, const char *absent, const char **out,
	struct error *err)
{
	json_t *member;
	if (!find_member(object, key, JSON_STRING, &member, err))
		return false;
	*out = member ? json_string_value(member) : absent;
	return true;
}

bool json_read_int(const json_t *object, const char *key, int64_t *out, struct error *err)
{
	json_t *member;
	if (!require_member(object, key, JSON_INTEGER, &member, err))
		return false;
	*out = json_integer_value(member);
	return true;
}

bool json_read_bool_or(
	const json_t *object, const char *key, bool absent, bool *out, struct error *err)
{
	json_t *member;
	if (!find_member(object, key, JSON_TRUE, &member, err))
		return false;
	*out = member ? json_is_true(member) : absent;
	return true;
}

bool json_read_array(const json_t *object, const char *key, json_t **out, struct error *err)
{
	return require_member(object, key, JSON_ARRAY, out, err);
}

/* Puts what stands before a value. */
static void begin_value(struct json_writer *writer)
{
	if (writer->depth > 0 && !writer->after_key) {
		assert((writer->is_object & 1) == 0); /* an object's value comes after its key */
		if (writer->has_items & 1)
			buffer_append_u8(writer->out, ',');
		writer->has_items |= 1;
	}
	writer->after_key = false;
}

static void begin_nested(struct json_writer *writer, bool is_object)
{
	begin_value(writer);
	assert(writer->depth < JSON_DEPTH_MAX);
	writer->depth++;
	writer->is_object = writer->is_object << 1 | is_object;
	writer->has_items <<= 1;
	buffer_append_u8(writer->out, is_object ? '{' : '[');
}

static void end_nested(struct json_writer *writer, bool is_object)
{
	assert(writer->depth > 0 && !writer->after_key && (writer->is_object & 1) == is_object);
	writer->depth--;
	writer->is_object >>= 1;
	writer->has_items >>= 1;
	buffer_append_u8(writer->out, is_object ? '}' : ']');
}

void json_write_begin_object(struct json_writer *writer)
{
	begin_nested(writer, true);
}

void json_write_end_object(struct json_writer *writer)
{
	end_nested(writer, true);
}

void json_write_begin_array(struct json_writer *writer)
{
	begin_nested(writer, false);
}

void json_write_end_array(struct json_writer *writer)
{
	end_nested(writer, false);
}

static void append_ascii(struct buffer *out, uint8_t byte)
{
	static const char SHORT[] = { ['\b'] = 'b',
		['\t'] = 't',
		['\n'] = 'n',
		['\f'] = 'f',
		['\r'] = 'r',
		['"'] = '"',
		['\\'] = '\\' };
	if (byte < sizeof SHORT && SHORT[byte]) {
		buffer_append_u8(out, '\\');
		buffer_append_u8(out, (uint8_t)SHORT[byte]);
	} else if (byte < 0x20 || byte == 0x7f) {
		buffer_append_format(out, "\\u%04x", byte);
	} else {
		buffer_append_u8(out, byte);
	}
}

static size_t plain_size(struct bytes text)
{
	size_t size = 0;
	while (size < text.size && text.data[size] >= 0x20 && text.data[size] < 0x7f &&
		text.data[size] != '"' && text.data[size] != '\\')
		size++;
	return size;
}

/* Appends the text quoted and escaped. */
static void append_text(struct json_writer *writer, struct bytes text)
{
	buffer_append_u8(writer->out, '"');
	while (text.size > 0) {
		size_t size = plain_size(text);
		if (size > 0) {
			buffer_append(writer->out, text.data, size);
		} else if ((size = utf8_sequence_size(text)) > 1) {
			buffer_append(writer->out, text.data, size);
		} else if (size == 1) {
			append_ascii(writer->out, text.data[0]);
		} else {
			buffer_append_cstring(writer->out, "\xef\xbf\xbd");
			writer->has_invalid_text = true;
			size = 1;
		}
		text = bytes_of(text.data + size, text.size - size);
	}
	buffer_append_u8(writer->out, '"');
}

void json_write_key(struct json_writer *writer, const char *key)
{
	assert(writer->depth > 0 && (writer->is_object & 1) && !writer->after_key);
	if (writer->has_items & 1)
		buffer_append_u8(writer->out, ',');
	writer->has_items |= 1;
	append_text(writer, bytes_of_cstring(key));
	buffer_append_u8(writer->out, ':');
	writer->after_key = true;
}

void json_write_text(struct json_writer *writer, struct bytes text)
{
	begin_value(writer);
	append_text(writer, text);
}

void json_write_cstring(struct json_writer *writer, const char *text)
{
	if (text == NULL)
		json_write_null(writer);
	else
		json_write_text(writer, bytes_of_cstring(text));
}

void json_write_int(struct json_writer *writer, int64_t value)
{
	begin_value(writer);
	buffer_append_format(writer->out, "%lld", (long long)value);
}

void json_write_uint(struct json_writer *writer, uint64_t value)
{
	begin_value(writer);
	buffer_append_format(writer->out, "%llu", (unsigned long long)value);
}

void json_write_double(struct json_writer *writer, double value)
{
	if (isfinite(value)) {
		begin_value(writer);
		buffer_append_format(writer->out, "%.17g", value);
	} else {
		json_write_null(writer);
	}
}

void json_write_bool(struct json_writer *writer, bool value)
{
	begin_value(writer);
	buffer_append_cstring(writer->out, value ? "true" : "false");
}

void json_write_null(struct json_writer *writer)
{
	begin_value(writer);
	buffer_append_cstring(writer->out, "null");
}

void json_write_raw(struct json_writer *writer, struct bytes json)
{
	begin_value(writer);
	buffer_append_bytes(writer->out, json);
}

void json_write_member_text(struct json_writer *writer, const char *key, struct bytes text)
{
	json_write_key(writer, key);
	json_write_text(writer, text);
}

void json_write_member_cstring(struct json_writer *writer, const char *key, const char *text)
{
	json_write_key(writer, key);
	json_write_cstring(writer, text);
}

void json_write_member_int(struct json_writer *writer, const char *key, int64_t value)
{
	json_write_key(writer, key);
	json_write_int(writer, value);
}

void json_write_member_uint(struct json_writer *writer, const char *key, uint64_t value)
{
	json_write_key(writer, key);
	json_write_uint(writer, value);
}

void json_write_member_bool(struct json_writer *writer, const char *key, bool value)
{
	json_write_key(writer, key);
	json_write_bool(writer, value);
}

bool json_write_finish(const struct json_writer *writer, struct error *err)
{
	assert(writer->depth == 0 && !writer->after_key);
	if (writer->has_invalid_text)
		return error_set(err, ERROR_CORRUPT, "a text is not valid UTF-8");
	return true;
}
