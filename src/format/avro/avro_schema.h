/*
 * avro_schema.h: the writer's schema of an Avro file, and reading values by it.
 *
 * Values are read with the schema that stands in the file; a field is found by Iceberg's
 * "field-id", so that the order, the spelling and the optional fields of other writers do not
 * matter.  A union with one other branch than null reads as that branch or as null.
 *
 * Limits hold for any schema: no array or map has items of no bytes, and the number of types that
 * one value can expand to is bounded, so that work stays in proportion to the bytes read.
 * Spec: Apache Avro 1.11, "Schema Declaration"; Iceberg, "Appendix A: Avro".
 */
#ifndef FORMAT_AVRO_SCHEMA_H
#define FORMAT_AVRO_SCHEMA_H

#include "base/arena.h"
#include "base/reader.h"

enum avro_kind {
	AVRO_NULL = 1,
	AVRO_BOOLEAN,
	AVRO_INT,
	AVRO_LONG,
	AVRO_FLOAT,
	AVRO_DOUBLE,
	AVRO_BYTES,
	AVRO_STRING,
	AVRO_FIXED,
	AVRO_ENUM,
	AVRO_ARRAY,
	AVRO_MAP,
	AVRO_UNION,
	AVRO_RECORD,
};

enum {
	AVRO_FIELD_ID_NONE = -1
};

struct avro_type;

struct avro_field {
	const char *name;
	int32_t id; /* "field-id", or AVRO_FIELD_ID_NONE */
	const struct avro_type *type;
};

struct avro_type {
	enum avro_kind kind;
	size_t fixed_size; /* of AVRO_FIXED */
	size_t size_min;   /* the fewest bytes that a value takes */
	size_t weight;     /* types that one value expands to */
	bool is_complete;  /* its children are known; false while a named type is being read */
	size_t child_count;
	struct avro_field *children; /* fields, branches of a union, or the one item type */
};

/* *out lives in arena.  CORRUPT, or LIMIT for a schema that is absurdly large. */
bool avro_schema_decode(struct bytes json, struct arena *arena, const struct avro_type **out,
	struct error *err) MUST_CHECK;

/*
 * One value of type.  A type of another kind than asked for fails the reader, as does a branch
 * that does not exist.  *is_null tells a null branch, with an empty value.
 */
void avro_skip(struct reader *in, const struct avro_type *type);
int64_t avro_read_long(struct reader *in, const struct avro_type *type, bool *is_null);
bool avro_read_boolean(struct reader *in, const struct avro_type *type, bool *is_null);
struct bytes avro_read_bytes(struct reader *in, const struct avro_type *type, bool *is_null);

/*
 * The branch that is there, for records and arrays; NULL for null, and when the reader has failed.
 * kind is what it must be.
 */
const struct avro_type *avro_read_branch(
	struct reader *in, const struct avro_type *type, enum avro_kind kind);

/*
 * The items of an array of type `array`, block by block: the count of items that follow, 0 at the
 * end.  Each item takes size_min bytes at least, so counts are bounded by the bytes that remain.
 */
size_t avro_read_items(struct reader *in, const struct avro_type *array);

#endif
