/*
 * thrift_internal.h: records of Thrift's compact protocol, described by tables.
 *
 * A record is a C struct whose first member is a mask of the fields that are present (bit n is the
 * field with id n, so ids are below 64).  One table per record serves encoding and decoding.
 * Spec: thrift, "doc/specs/thrift-compact-protocol.md".
 */
#ifndef FORMAT_PARQUET_THRIFT_INTERNAL_H
#define FORMAT_PARQUET_THRIFT_INTERNAL_H

#include "base/arena.h"
#include "base/buffer.h"
#include "base/reader.h"

typedef uint64_t thrift_mask_t;

#define THRIFT_HAS(record_pointer, id) (((record_pointer)->present >> (id)) & 1)
#define THRIFT_BIT(id) ((thrift_mask_t)1 << (id))

enum thrift_kind {
	THRIFT_BOOL = 1,     /* bool */
	THRIFT_I8,           /* int8_t */
	THRIFT_I16,          /* int16_t */
	THRIFT_I32,          /* int32_t */
	THRIFT_I64,          /* int64_t */
	THRIFT_BINARY,       /* struct bytes */
	THRIFT_RECORD,       /* the struct itself */
	THRIFT_LIST_I32,     /* struct thrift_list of int32_t */
	THRIFT_LIST_BINARY,  /* struct thrift_list of struct bytes */
	THRIFT_LIST_RECORDS, /* struct thrift_list of structs */
};

struct thrift_list {
	void *items;
	size_t count;
};

struct thrift_field {
	uint8_t id;
	enum thrift_kind kind;
	size_t offset; /* in the struct */
	const struct thrift_record *record;
};

struct thrift_record {
	const char *name;
	size_t size;            /* of the struct */
	size_t encoded_min;     /* bytes that the smallest valid record takes */
	thrift_mask_t required; /* fields without which a record is CORRUPT */
	size_t field_count;
	const struct thrift_field *fields; /* ascending by id */
};

void thrift_encode(struct buffer *out, const struct thrift_record *record, const void *from);

/*
 * Fields that the table does not name are passed over.  Byte strings point into the input; lists
 * live in arena, which may grow to memory_max (LIMIT beyond).  Bytes after the record stay unread.
 */
bool thrift_decode(struct reader *in, const struct thrift_record *record, void *to,
	struct arena *arena, size_t memory_max, struct error *err) MUST_CHECK;

#endif
