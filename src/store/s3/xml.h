/*
 * xml.h: the XML of S3's answers, and of the two requests that have some.  Pure.
 *
 * Documents are read over expat.  A document is refused, LOST, when it is not well formed, has
 * a DOCTYPE, is nested deeper than its kind needs or lacks what it must say; what else it says is
 * passed over.  Results are in the arena.  API: Amazon S3 API Reference.
 */
#ifndef STORE_S3_XML_H
#define STORE_S3_XML_H

#include "base/arena.h"
#include "base/buffer.h"
#include "event/lsn.h"

enum {
	XML_DOCUMENT_SIZE_MAX = 8 * 1024 * 1024, /* of a page of 1000 of the longest keys: 3 MB */
};

struct xml_error {        /* texts are "" where the document has none */
	const char *code; /* "NoSuchKey" */
	const char *message;
	const char *region; /* that the bucket is in, in an error about it */
};

struct xml_object {
	const char *key;
	uint64_t size_bytes;
	micros_t modified_at;
};

struct xml_page { /* ListBucketResult, asked for with encoding-type=url */
	struct xml_object *objects;
	size_t count;
	const char *next; /* token of the page after it; NULL: there is none */
};

struct xml_failure { /* of one key of a batch */
	const char *key;
	struct xml_error error;
};

struct xml_unfinished { /* a multipart upload that was begun */
	const char *key;
	const char *upload_id;
	micros_t began_at;
};

struct xml_unfinished_page { /* ListMultipartUploadsResult, asked for with encoding-type=url */
	struct xml_unfinished *uploads;
	size_t count;
	const char *next_key; /* markers of the page after it; NULL: there is none */
	const char *next_upload_id;
};

/* False when it is something else than an Error, for which *err has no words: a body may be any. */
bool xml_read_error(struct bytes document, struct arena *arena, struct xml_error *out);

bool xml_read_page(struct bytes document, struct arena *arena, struct xml_page *out,
	struct error *err) MUST_CHECK;

/* DeleteResult: the keys that could not be removed. */
bool xml_read_failures(struct bytes document, struct arena *arena, struct xml_failure **out,
	size_t *count, struct error *err) MUST_CHECK;

/* InitiateMultipartUploadResult */
bool xml_read_upload_id(
	struct bytes document, struct arena *arena, const char **out, struct error *err) MUST_CHECK;

/* True for a CompleteMultipartUploadResult; an Error is told by xml_read_error. */
bool xml_is_completion(struct bytes document);

bool xml_read_unfinished(struct bytes document, struct arena *arena,
	struct xml_unfinished_page *out, struct error *err) MUST_CHECK;

/* Decimal digits; false when it is something else. */
bool xml_read_number(const char *text, uint64_t *out);

/* False when XML cannot name the key, which has a control character. */
bool xml_can_name(const char *key);
void xml_append_removals(struct buffer *out, const char *const *keys, size_t count);
void xml_append_completion(struct buffer *out, const char *const *etags, size_t count);

#endif
