/*
 * s3_fixture.h: a real S3 server for tests, as the environment names it (tests/support/servers.py),
 * and objects to put into any.
 */
#ifndef STORE_S3_S3_FIXTURE_H
#define STORE_S3_S3_FIXTURE_H

#include "store/s3/s3.h"

/* Of a prefix that no other test uses, in the test's arena; skips the test without a server. */
struct s3_options s3_fixture_options(struct arena *arena);
struct store *s3_fixture_open(const struct s3_options *options);

uint8_t *s3_fixture_body(size_t size); /* random bytes, to be freed */
bool s3_fixture_write_in_pieces(
	struct store *store, const char *path, struct bytes body, struct error *err) MUST_CHECK;

#endif
