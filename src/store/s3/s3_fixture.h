/*
 * s3_fixture.h: a real S3 server for tests, as the environment names it
 * (tests/support/postgres.py).
 */
#ifndef STORE_S3_S3_FIXTURE_H
#define STORE_S3_S3_FIXTURE_H

#include "store/s3/s3.h"

/* Of a prefix that no other test uses, in the test's arena; skips the test without a server. */
struct s3_options s3_fixture_options(struct arena *arena);
struct store *s3_fixture_open(const struct s3_options *options);

#endif
