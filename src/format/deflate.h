/*
 * deflate.h: zlib's compression of whole buffers, raw (Avro's codec) or with a gzip header.
 */
#ifndef FORMAT_DEFLATE_H
#define FORMAT_DEFLATE_H

#include "base/buffer.h"

enum deflate_form {
	DEFLATE_RAW = 1, /* RFC 1951, without header or checksum */
	DEFLATE_GZIP,    /* RFC 1952 */
};

/* Compresses data at a fast level, appended to out. */
void deflate_encode(enum deflate_form form, struct bytes data, struct buffer *out);

/*
 * Appends what data holds to out: LIMIT when that is more than size_max bytes, CORRUPT when it is
 * not one whole stream.  Behind a raw stream up to 4 bytes are passed over: Avro writers in Python
 * make one by cutting zlib's header off and leave some of its checksum.
 */
bool deflate_decode(enum deflate_form form, struct bytes data, size_t size_max, struct buffer *out,
	struct error *err) MUST_CHECK;

#endif
