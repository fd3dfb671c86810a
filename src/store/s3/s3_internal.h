/*
 * s3_internal.h: what the store's parts share: a request to the bucket, and the parts of uploads
 * that are on their way.
 */
#ifndef STORE_S3_S3_INTERNAL_H
#define STORE_S3_S3_INTERNAL_H

#include "store/s3/s3.h"
#include "store/s3/sign.h"
#include "store/s3/xml.h"

#include <pthread.h>
#include <stdatomic.h>

enum {
	S3_PARTS_MAX = 10000,
	S3_PARTS_IN_FLIGHT = 4, /* of all uploads together: they are what uploads hold in memory */
	S3_ERROR_SIZE_MAX = 64 * 1024,
};

#define S3_WRITE_HEADER "x-amz-meta-walberg-write" /* names the write that made an object */

struct part;

struct part_pool {
	pthread_mutex_t lock; /* of all below, and of the parts' results in struct s3_upload */
	pthread_cond_t has_work;
	pthread_cond_t is_done;
	struct part *first, *last; /* that no thread has taken */
	unsigned in_flight;        /* those, and the ones taken */
	pthread_t threads[S3_PARTS_IN_FLIGHT];
	unsigned thread_count;
	bool is_closing;
};

struct s3_store {
	struct store base;
	struct world *world;
	struct http *http;
	struct arena arena; /* of the texts */
	const char *origin; /* "http://127.0.0.1:9000", with the bucket in virtual addressing */
	const char *host;   /* as in the header */
	const char *bucket;
	const char *key_prefix; /* "" or "warehouse/" */
	const char *region;
	/* In the arena, whose lock is that of new ones. */
	_Atomic(const struct s3_credentials *) credentials;
	pthread_mutex_t credentials_lock;
	const char *credentials_file; /* NULL: they are settings */
	const char *profile;
	bool is_path_style;
	bool is_tls;
	micros_t retry_time;
	size_t part_size_bytes;
	bool (*is_own)(const char *path);
	atomic_bool is_found;         /* it has done something that was asked of it */
	_Atomic int64_t clock_offset; /* of the server's clock from the world's */
	atomic_bool has_forgotten;    /* the uploads of long ago */
	struct part_pool pool;
};

/* --- call.c --- */

struct s3_request {
	const char *method;
	const char *key; /* NULL: of the bucket */
	struct sign_parameter parameters[6];
	size_t parameter_count;
	struct http_header headers[4]; /* beside those that every request has */
	size_t header_count;
	struct bytes body;
	const char *body_hash;  /* SHA-256, or SIGN_UNSIGNED; NULL: it is computed */
	size_t answer_size_max; /* of a success; at least S3_ERROR_SIZE_MAX are taken */
	/*
	 * Reads a success into result, all or nothing; of an object it has an ETag.  False when it
	 * is not what was asked for: then the attempt has failed, LOST when another answer may be
	 * better.  NULL: there is nothing to read, or it is the caller's to.
	 */
	bool (*take)(const struct s3_store *s3, const struct http_answer *answer, void *result,
		struct error *err);
	void *result;
};

struct s3_answer {
	struct http_answer http; /* of the last attempt; status 0: none */
	bool may_have_happened;  /* an attempt was sent that no answer of S3 itself refuses */
};

/*
 * Sends it, again and again while that can help.  True: the status is 2xx, and taken.  False: *err
 * says why, with a hint; http.status is that of the last attempt.  The answer is the caller's to
 * deinit.
 */
bool s3_call(struct s3_store *s3, const struct s3_request *request, struct s3_answer *answer,
	struct error *err) MUST_CHECK;
void s3_answer_deinit(struct s3_answer *answer);

/* What an Error in a document means, as an answer of that status; in a success: as in a 500. */
bool s3_fail(const struct s3_store *s3, unsigned status, const struct xml_error *error,
	struct error *err);

/* --- credentials.c --- */

/* Those of the options, or of the shared file.  SETUP: there are none, or only some. */
bool s3_credentials_open(
	struct s3_store *s3, const struct s3_options *options, struct error *err) MUST_CHECK;

/* True when there are others than those used, which the server refused. */
bool s3_credentials_renew(struct s3_store *s3, const struct s3_credentials *used);

/* --- s3.c --- */

char *s3_key(const struct s3_store *s3, const char *path); /* malloc'ed */

/* HEAD: the size, and what S3_WRITE_HEADER says ("" without it), in the arena. */
bool s3_look(struct s3_store *s3, const char *key, struct arena *arena, uint64_t *size_bytes,
	const char **write, struct error *err) MUST_CHECK;

/* --- upload.c --- */

bool s3_create(struct store *store, const char *path, struct upload **out, struct error *err);
void s3_pool_init(struct part_pool *pool);
void s3_pool_deinit(struct part_pool *pool);

#endif
