/*
 * put.c: one file into a bucket, as walberg puts its data files, for bench.py.
 *
 *	bench_put FILE s3://BUCKET/PREFIX ENDPOINT
 *
 * AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY are the keys; AWS_CA_BUNDLE, for TLS.  Prints the
 * seconds from the first byte that is read until the object is there.
 */
#include "store/s3/s3.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	PIECE_SIZE = 1024 * 1024,
};

static bool write_file(int file, struct upload *upload, struct error *err)
{
	uint8_t *piece = memory_allocate(PIECE_SIZE, 1);
	bool done = true;
	ssize_t size;
	while (done && (size = read(file, piece, PIECE_SIZE)) > 0)
		done = upload_write(upload, bytes_of(piece, (size_t)size), err);
	free(piece);
	return done;
}

static bool put_file(struct store *store, const char *path, struct error *err)
{
	struct upload *upload;
	char uuid[UUID_TEXT_SIZE];
	const int file = open(path, O_RDONLY);
	if (file < 0)
		return error_set_errno(err, ERROR_SETUP, "\"%s\" cannot be read", path);
	bool done = store_create(store, world_uuid(world_posix(), uuid), &upload, err);
	if (done && !write_file(file, upload, err)) {
		upload_abort(upload);
		done = false;
	} else if (done) {
		done = upload_finish(upload, err);
	}
	close(file);
	return done;
}

int main(int count, char **arguments)
{
	if (count != 4) {
		fprintf(stderr, "usage: bench_put FILE s3://BUCKET/PREFIX ENDPOINT\n");
		return 2;
	}
	struct world *world = world_posix();
	struct error err;
	struct store *store;
	const struct s3_options options = {
		.location = arguments[2],
		.endpoint = arguments[3],
		.region = "us-east-1",
		.access_key = getenv("AWS_ACCESS_KEY_ID"),
		.secret_key = getenv("AWS_SECRET_ACCESS_KEY"),
		.ca_file = getenv("AWS_CA_BUNDLE"),
	};
	bool done = store_s3_open(world, &options, &store, &err);
	const micros_t began_at = world_monotonic(world);
	if (done) {
		done = put_file(store, arguments[1], &err);
		printf("%.6f\n", (double)(world_monotonic(world) - began_at) / 1e6);
		store_close(store);
	}
	if (!done)
		error_print(&err, stderr);
	return done ? 0 : 1;
}
