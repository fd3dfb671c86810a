/*
 * avro_record.h: a record of a specification as one table, which the schema's JSON,
 * the encoder and the decoder walk.
 *
 * A field is optional when its Avro type is ["null", T].  How null looks in the struct: a bool
 * beside a number, NULL for text, empty for bytes; a custom field decides for itself.
 */
#ifndef FORMAT_AVRO_AVRO_RECORD_H
#define FORMAT_AVRO_AVRO_RECORD_H

#include "base/buffer.h"
#include "format/avro/avro_reader.h"

enum avro_record_kind {
	AVRO_RECORD_INT = 1, /* int32_t, or an enum */
	AVRO_RECORD_LONG,    /* int64_t */
	AVRO_RECORD_TEXT,    /* const char *, in the arena */
	AVRO_RECORD_BYTES,   /* struct bytes, in the arena */
	AVRO_RECORD_NESTED,  /* a struct, described by `nested` */
	AVRO_RECORD_CUSTOM,
};

struct avro_record_type;

struct avro_record_field {
	int32_t id;
	const char *name;
	enum avro_record_kind kind;
	bool is_optional;
	int8_t since_version; /* of the format: not written before, not missed when read */
	size_t offset;        /* in the struct */
	size_t has_offset;    /* of the bool of an optional number */

	const struct avro_record_type *nested;
	const char *type_json; /* custom: T */
	/* custom: with the branch of the union, if it is one */
	void (*encode)(
		const struct avro_record_field *field, const void *record, struct buffer *out);
	void (*decode)(const struct avro_record_field *field, struct reader *in,
		const struct avro_type *type, struct arena *arena, void *record);
};

struct avro_record_type {
	const char *name;
	size_t field_count;
	const struct avro_record_field *fields;
};

void avro_record_write_schema(
	const struct avro_record_type *type, int32_t version, struct buffer *json);
void avro_record_encode(const struct avro_record_type *type, int32_t version, const void *record,
	struct buffer *out);

/* A file's schema matched with the table, by field id. */
struct avro_record_plan;

/* In the arena.  CORRUPT when the file's schema lacks a required field of version 1. */
bool avro_record_plan_make(const struct avro_record_type *type, const struct avro_type *file_type,
	struct arena *arena, const struct avro_record_plan **out, struct error *err) MUST_CHECK;

/* Fields that are not in the file leave the zeroed record alone.  Failures are the reader's. */
void avro_record_decode(
	const struct avro_record_plan *plan, struct reader *in, struct arena *arena, void *record);

#endif
