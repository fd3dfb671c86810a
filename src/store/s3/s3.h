/*
 * s3.h: a store in a bucket of S3, or of a server that speaks as S3 does.
 *
 * An object is created on the condition that there is none of its name (If-None-Match: *), and
 * carries what tells its writer's later look that it is this write's: the SHA-256 of its bytes,
 * or the random identity of an upload in parts.  So a lost answer leaves the store as UNCERTAIN
 * only when looking fails, too, or at the end of an upload in parts, which the server may still be
 * at when looking finds nothing.  Two writers of different bytes: CONFLICT for the second.
 *
 * What can be tried again (no connection, 429, 5xx) is, with back-off, for about four seconds, and
 * is BUSY then.  An answer that is not one of S3 is LOST, or BUSY once the server has done anything
 * at all: something on the way may be out of order.  CORRUPT is only what the server itself says
 * of an object.  Signed by signature version 4 (store/s3/sign.h); docs/decisions/0010-s3.md.
 */
#ifndef STORE_S3_S3_H
#define STORE_S3_S3_H

#include "store/store.h"

struct s3_options {           /* copied */
	const char *location; /* "s3://bucket/prefix" */
	const char *endpoint; /* "http://host:9000"; NULL: Amazon's of the region */
	const char *region;
	const char *access_key;
	const char *secret_key;
	const char *session_token; /* NULL: the keys need none */
	/*
	 * The shared file, and the profile in it: where the keys come from when they are NULL, and
	 * once more whenever the server says that they are over.  NULL: there is none.
	 */
	const char *credentials_file;
	const char *profile;
	const char *addressing; /* "path", "virtual"; NULL: path when endpoint is set */
	const char *ca_file;    /* as of struct http_options */
	micros_t retry_time;    /* 0: 4 s */
	size_t part_size_bytes; /* 0: 8 MB; S3 wants 5 MB at least */
	/* Whether nobody else makes objects of that path; NULL: uploads of long ago stay. */
	bool (*is_own)(const char *path);
};

bool s3_is_location(const char *location);

/* Asks the server nothing.  SETUP: an option is not usable. */
bool store_s3_open(struct world *world, const struct s3_options *options, struct store **out,
	struct error *err) MUST_CHECK;

struct s3_credentials { /* each NULL when there is none */
	const char *access_key;
	const char *secret_key;
	const char *session_token;
};

/* Of one profile of a shared file (~/.aws/credentials); false when it has no such profile. */
bool s3_find_credentials(
	struct bytes text, const char *profile, struct arena *arena, struct s3_credentials *out);

#endif
