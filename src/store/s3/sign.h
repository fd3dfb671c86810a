/*
 * sign.h: AWS Signature Version 4 in a request's headers.  Pure: the clock is an argument.
 *
 * Paths and parameters are given as they are meant and encoded here, once, as S3 has it: all
 * bytes but A-Z a-z 0-9 - . _ ~, and in a path '/', become %XX.  The same text is to be sent.
 */
#ifndef STORE_S3_SIGN_H
#define STORE_S3_SIGN_H

#include "net/http.h"

enum {
	SIGN_HASH_SIZE = 65, /* SHA-256 in hexadecimal, with its NUL */
	SIGN_TIME_SIZE = 17, /* "20130524T000000Z" */
};

#define SIGN_UNSIGNED "UNSIGNED-PAYLOAD"

struct sign_parameter { /* of a query, not encoded */
	const char *name;
	const char *value; /* "" as in "?uploads" */
};

struct sign_credentials {
	const char *access_key;
	const char *secret_key;
};

struct sign_request {
	const char *method;
	const char *path; /* begins with '/', not encoded */
	const struct sign_parameter *parameters;
	size_t parameter_count;
	const struct http_header *headers; /* all are signed; host and x-amz-date are among them */
	size_t header_count;
	const char *payload_hash; /* of the body, or SIGN_UNSIGNED */
	const char *time;         /* that of x-amz-date */
	const char *region;
	const char *service;
};

/* The value of the header Authorization. */
const char *sign_authorization(const struct sign_request *request,
	const struct sign_credentials *credentials, struct arena *arena);

/* The steps on the way there, as the specification names them. */
const char *sign_canonical_request(
	const struct sign_request *request, const char **signed_headers, struct arena *arena);
const char *sign_string_to_sign(
	const struct sign_request *request, const char *canonical_request, struct arena *arena);

void sign_append_encoded(struct buffer *out, const char *text, bool is_path);
void sign_append_query(
	struct buffer *out, const struct sign_parameter *parameters, size_t count); /* sorted */

const char *sign_hash(struct bytes bytes, char out[SIGN_HASH_SIZE]);
const char *sign_time(micros_t time, char out[SIGN_TIME_SIZE]);

#endif
