/*
 * json_members_internal.h: JSON objects of the specification, member by member, read and written.
 *
 * Reading is sticky like struct reader: the first member that is missing, of another type or out
 * of range fills *err and later reads give zero, so that a decoder reads down the specification's
 * table and asks once.
 */
#ifndef ICEBERG_JSON_MEMBERS_INTERNAL_H
#define ICEBERG_JSON_MEMBERS_INTERNAL_H

#include "iceberg/schema.h"
#include "iceberg/snapshot.h"

struct members {
	json_t *object;
	const char *what; /* "snapshot": for messages */
	struct arena *arena;
	struct error *err;
	bool failed;
};

/* Fails at once when json is not an object. */
struct members members_of(json_t *json, const char *what, struct arena *arena, struct error *err);
void members_fail(struct members *members, const char *format, ...) PRINTF_LIKE(2, 3);

/* Required members. Text is copied into the arena. */
int64_t members_long(struct members *members, const char *key, int64_t min, int64_t max);
int32_t members_int(struct members *members, const char *key); /* not negative */
const char *members_text(struct members *members, const char *key);
bool members_boolean(struct members *members, const char *key);
json_t *members_array(struct members *members, const char *key);

/* Members that may be missing or null. */
json_t *members_find(struct members *members, const char *key); /* NULL when missing or null */
int64_t members_optional_long(
	struct members *members, const char *key, int64_t min, int64_t max, bool *is_there);
const char *members_optional_text(struct members *members, const char *key);
json_t *members_optional_array(struct members *members, const char *key);

/* The string members of an object that is itself a member; none when it is missing. */
struct key_value *members_key_values(struct members *members, const char *key, size_t *count);

/* Members whose keys are not in known (which ends with NULL), as text. */
struct kept_members members_other(struct members *members, const char *const *known);

const char *json_to_text(json_t *json, struct arena *arena); /* compact, order kept */

void members_write(struct json_writer *out, const struct kept_members *kept);
/* The object itself, without its key. */
void key_values_write(struct json_writer *out, const struct key_value *items, size_t count);
void schema_write(struct json_writer *out, const struct schema *schema);
void snapshot_write(struct json_writer *out, const struct snapshot *snapshot);

/* Deep copies. */
struct key_value *key_values_copy(const struct key_value *items, size_t count, struct arena *arena);
struct kept_members members_copy(const struct kept_members *kept, struct arena *arena);

#endif
