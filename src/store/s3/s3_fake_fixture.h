/*
 * s3_fake_fixture.h: an S3 server inside a test, with one bucket, which loses and spoils answers as
 * it is told.
 */
#ifndef STORE_S3_S3_FAKE_FIXTURE_H
#define STORE_S3_S3_FAKE_FIXTURE_H

#include "net/http_fixture.h"
#include "store/s3/s3.h"

enum {
	S3_FAKE_PART_SIZE = 64 * 1024,
	S3_FAKE_OBJECTS_MAX = 64,
	S3_FAKE_RETRY_TIME = 600 * 1000,
};

enum s3_fault {
	S3_FAULT_NONE = 0,
	S3_FAULT_BUSY,        /* 503, nothing done */
	S3_FAULT_DROP_BEFORE, /* no answer, nothing done */
	S3_FAULT_DROP_AFTER,  /* done, no answer */
	S3_FAULT_ERROR_AFTER, /* done, 500 */
	S3_FAULT_GATEWAY,     /* nothing done, a 403 that is not S3's */
	S3_FAULT_ERROR_IN_OK, /* done, 200 with an Error */
	S3_FAULT_GARBAGE,     /* done, 200 with something else */
	S3_FAULT_CUT,         /* done, half of the answer's body */
	S3_FAULT_COUNT,
};

struct s3_fake_object {
	char name[200]; /* a target; of a part with its query */
	char write[80];
	struct buffer body;
};

struct s3_fake { /* a test sets what is to go wrong, and looks at the rest */
	struct http_server *server;
	struct s3_fake_object objects[S3_FAKE_OBJECTS_MAX];
	size_t count;
	unsigned uploads;        /* begun and not over */
	const char *old_uploads; /* a page of uploads, and the next one */
	const char *older_uploads;
	bool ends_badly;    /* the end of an upload: 200 with an error */
	char given_up[400]; /* targets */
	char upload_write[80];
	enum s3_fault (*fault)(struct s3_fake *fake, const struct served_request *request);
	unsigned fault_at;
	enum s3_fault fault_kind;
	const char *fixed; /* an answer to everything */
	unsigned fixed_status;
	char last[400]; /* method, host and target of the last request */
	struct arena arena;
	struct error err;
};

/* A store whose objects are "/bucket/lake/PATH" there; patient: asking again for another time. */
struct store *s3_fake_begin(struct s3_fake *fake);
struct store *s3_fake_begin_patient(struct s3_fake *fake, micros_t retry_time);
void s3_fake_end(struct s3_fake *fake, struct store *store);

/* From now on a gateway's word is not taken for the server's. */
void s3_fake_meet(struct s3_fake *fake, struct store *store);

/* For `fault`: the request fault_at, and no other, meets fault_kind. */
enum s3_fault s3_fake_fault_once(struct s3_fake *fake, const struct served_request *request);

struct s3_fake_object *s3_fake_find(struct s3_fake *fake, const char *name);
void s3_fake_forget_parts(struct s3_fake *fake);

#endif
