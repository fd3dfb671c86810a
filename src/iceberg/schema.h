/*
 * schema.h: the columns of a table, and their JSON form.
 *
 * Spec: Iceberg, "Schemas and Data Types" and "Appendix C: Schemas".  Walberg models tables of
 * primitive columns.  A column of another type (of a table that someone else made) has the type
 * VALUE_NONE here, and the schema keeps the text it was read from, which is written back as it was.
 */
#ifndef ICEBERG_SCHEMA_H
#define ICEBERG_SCHEMA_H

#include "base/json.h"
#include "event/relation.h"

struct schema_field {
	int32_t id; /* from 1, never used again */
	const char *name;
	bool required;
	struct column_type type; /* VALUE_NONE: not modelled */
	const char *doc;         /* or NULL */
};

struct schema {
	int32_t schema_id;
	size_t field_count;
	struct schema_field *fields;
	size_t identifier_field_count;
	int32_t *identifier_field_ids;
	const char *json; /* of a decoded one: what it was read from; NULL for one made here */
};

/*
 * The first schema of a captured table: ids 1, 2, ... in column order, required where NOT NULL.
 * The identifier fields are the key columns; none when one of them is optional, float or double,
 * which the specification forbids.  In the arena; names are copied.
 */
struct schema *schema_of_relation(const struct relation *relation, struct arena *arena);

/* Compact JSON; schema-id is part of it. */
void schema_encode(const struct schema *schema, struct buffer *out);

/*
 * *out lives in arena.  CORRUPT when it is not a schema.  A schema of format version 1 may have no
 * schema-id: it is 0 then.
 */
bool schema_decode(
	json_t *json, struct arena *arena, struct schema *out, struct error *err) MUST_CHECK;

struct schema *schema_copy(const struct schema *schema, struct arena *arena);
int32_t schema_field_id_max(const struct schema *schema); /* 0 when it has no fields */

/* Same fields and identifiers, whatever the schema ids. */
bool schema_equal(const struct schema *a, const struct schema *b);

#endif
