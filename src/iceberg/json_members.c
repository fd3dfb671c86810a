#include "iceberg/json_members_internal.h"

#include <assert.h>
#include <stdarg.h>
#include <stdlib.h>

struct members members_of(json_t *json, const char *what, struct arena *arena, struct error *err)
{
	struct members members = { json, what, arena, err, false };
	if (!json_is_object(json))
		members_fail(&members, "it is not an object");
	return members;
}

void members_fail(struct members *members, const char *format, ...)
{
	if (members->failed)
		return;
	char text[200];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	error_set(members->err, ERROR_CORRUPT, "%s cannot be read: %s", members->what, text);
	members->failed = true;
}

json_t *members_find(struct members *members, const char *key)
{
	json_t *value = members->failed ? NULL : json_object_get(members->object, key);
	return json_is_null(value) ? NULL : value;
}

static json_t *find_required(struct members *members, const char *key)
{
	json_t *value = members_find(members, key);
	if (value == NULL)
		members_fail(members, "\"%s\" is missing", key);
	return value;
}

static int64_t long_of(
	struct members *members, const char *key, json_t *value, int64_t min, int64_t max)
{
	if (!json_is_integer(value)) {
		members_fail(members, "\"%s\" is not a whole number", key);
		return 0;
	}
	int64_t number = json_integer_value(value);
	if (number < min || number > max) {
		members_fail(members, "\"%s\" is out of range", key);
		return 0;
	}
	return number;
}

static const char *text_of(struct members *members, const char *key, json_t *value)
{
	if (!json_is_string(value)) {
		members_fail(members, "\"%s\" is not a string", key);
		return "";
	}
	return arena_copy(members->arena, json_string_value(value), json_string_length(value) + 1);
}

static json_t *array_of(struct members *members, const char *key, json_t *value)
{
	if (json_is_array(value))
		return value;
	members_fail(members, "\"%s\" is not an array", key);
	return NULL;
}

int64_t members_long(struct members *members, const char *key, int64_t min, int64_t max)
{
	json_t *value = find_required(members, key);
	return value ? long_of(members, key, value, min, max) : 0;
}

int32_t members_int(struct members *members, const char *key)
{
	return (int32_t)members_long(members, key, 0, INT32_MAX);
}

const char *members_text(struct members *members, const char *key)
{
	json_t *value = find_required(members, key);
	return value ? text_of(members, key, value) : "";
}

bool members_boolean(struct members *members, const char *key)
{
	json_t *value = find_required(members, key);
	if (value != NULL && !json_is_boolean(value))
		members_fail(members, "\"%s\" is not true or false", key);
	return json_is_true(value);
}

json_t *members_array(struct members *members, const char *key)
{
	json_t *value = find_required(members, key);
	return value ? array_of(members, key, value) : NULL;
}

int64_t members_optional_long(
	struct members *members, const char *key, int64_t min, int64_t max, bool *is_there)
{
	json_t *value = members_find(members, key);
	*is_there = value != NULL;
	return value ? long_of(members, key, value, min, max) : 0;
}

const char *members_optional_text(struct members *members, const char *key)
{
	json_t *value = members_find(members, key);
	return value ? text_of(members, key, value) : NULL;
}

json_t *members_optional_array(struct members *members, const char *key)
{
	json_t *value = members_find(members, key);
	return value ? array_of(members, key, value) : NULL;
}

struct key_value *members_key_values(struct members *members, const char *key, size_t *count)
{
	*count = 0;
	json_t *object = members_find(members, key);
	if (object == NULL)
		return NULL;
	if (!json_is_object(object)) {
		members_fail(members, "\"%s\" is not an object", key);
		return NULL;
	}
	struct key_value *items =
		arena_array(members->arena, struct key_value, json_object_size(object));
	const char *name;
	json_t *value;
	json_object_foreach(object, name, value)
	{
		items[*count].key = arena_copy_cstring(members->arena, name);
		items[*count].value = text_of(members, name, value);
		(*count)++;
	}
	return items;
}

static bool is_known(const char *key, const char *const *known)
{
	while (*known != NULL && strcmp(*known, key) != 0)
		known++;
	return *known != NULL;
}

struct kept_members members_other(struct members *members, const char *const *known)
{
	struct kept_members other = { 0 };
	if (members->failed)
		return other;
	const char *key;
	json_t *value;
	size_t count = 0;
	json_object_foreach(members->object, key, value) count += !is_known(key, known);
	if (count == 0)
		return other;
	other.members = arena_array(members->arena, struct kept_member, count);
	json_object_foreach(members->object, key, value)
	{
		if (is_known(key, known))
			continue;
		other.members[other.count].key = arena_copy_cstring(members->arena, key);
		other.members[other.count].json = json_to_text(value, members->arena);
		other.count++;
	}
	return other;
}

const char *json_to_text(json_t *json, struct arena *arena)
{
	char *text = json_dumps(json, JSON_COMPACT | JSON_ENCODE_ANY);
	assert(text != NULL); /* what was parsed can be printed, but for a lack of memory */
	const char *copy = arena_copy_cstring(arena, text);
	free(text);
	return copy;
}

void members_write(struct json_writer *out, const struct kept_members *kept)
{
	for (size_t i = 0; i < kept->count; i++) {
		json_write_key(out, kept->members[i].key);
		json_write_raw(out, bytes_of_cstring(kept->members[i].json));
	}
}

void key_values_write(struct json_writer *out, const struct key_value *items, size_t count)
{
	json_write_begin_object(out);
	for (size_t i = 0; i < count; i++)
		json_write_member_cstring(out, items[i].key, items[i].value);
	json_write_end_object(out);
}

/* The text at *end, which is moved past it. */
static const char *put_text(char **end, const char *text)
{
	const char *start = *end;
	*end = stpcpy(*end, text) + 1;
	return start;
}

/* All texts in one piece: a commit copies the summaries of all versions. */
struct key_value *key_values_copy(const struct key_value *items, size_t count, struct arena *arena)
{
	struct key_value *copies = arena_array(arena, struct key_value, count);
	size_t size = 0;
	for (size_t i = 0; i < count; i++)
		size += strlen(items[i].key) + strlen(items[i].value) + 2;
	char *end = arena_array(arena, char, size);
	for (size_t i = 0; i < count; i++) {
		copies[i].key = put_text(&end, items[i].key);
		copies[i].value = put_text(&end, items[i].value);
	}
	return copies;
}

struct kept_members members_copy(const struct kept_members *kept, struct arena *arena)
{
	struct kept_members copy = { kept->count, NULL };
	if (kept->count == 0)
		return copy;
	copy.members = arena_array(arena, struct kept_member, kept->count);
	for (size_t i = 0; i < kept->count; i++) {
		copy.members[i].key = arena_copy_cstring(arena, kept->members[i].key);
		copy.members[i].json = arena_copy_cstring(arena, kept->members[i].json);
	}
	return copy;
}
