/*
 * avro_reader.h: read an Avro object container file that lies in memory.
 *
 *	avro_reader_open(&reader, bytes, &limits, arena, err)
 *	while (avro_reader_next(&reader, &items, &item_count, err) && item_count > 0)
 *		read item_count values of reader.type from &items (avro_schema.h)
 *
 * Codecs null and deflate; another is UNSUPPORTED.  Broken bytes are CORRUPT, more of them than
 * the limits allow is LIMIT.
 */
#ifndef FORMAT_AVRO_READER_H
#define FORMAT_AVRO_READER_H

#include "format/avro/avro_schema.h"
#include "format/avro/avro_writer.h"

struct avro_limits {
	size_t header_size_max;  /* bytes of all keys and values */
	size_t content_size_max; /* bytes of all blocks, decompressed */
};

extern const struct avro_limits AVRO_LIMITS_DEFAULT; /* 1 MiB, 64 MiB */

struct avro_reader {
	size_t key_value_count;
	struct avro_key_value *key_values; /* in the arena; values point into the file's bytes */
	struct bytes schema_json;
	const struct avro_type *type;
	enum avro_codec codec;

	struct reader in;
	struct bytes sync;
	struct arena *arena;
	size_t content_size_left;
};

/* The reader, and what it yields, live in the arena and in file, which both outlive it. */
bool avro_reader_open(struct avro_reader *reader, struct bytes file,
	const struct avro_limits *limits, struct arena *arena, struct error *err) MUST_CHECK;

/*
 * The next block: *items holds *item_count values (each takes a byte at least).  At the end of the
 * file *item_count is 0.  Bytes of a decompressed block lie in the arena.
 */
bool avro_reader_next(struct avro_reader *reader, struct reader *items, size_t *item_count,
	struct error *err) MUST_CHECK;

/* The value of a header key, or NULL. */
const struct bytes *avro_reader_find(const struct avro_reader *reader, const char *key);

#endif
