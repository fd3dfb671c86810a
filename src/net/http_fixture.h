/*
 * http_fixture.h: a small HTTP server inside a test, which answers as the test says.
 */
#ifndef NET_HTTP_FIXTURE_H
#define NET_HTTP_FIXTURE_H

#include "base/buffer.h"

struct http_server;

struct served_request { /* valid during the call */
	const char *method;
	const char *target;  /* path and query, as sent */
	const char *headers; /* lines as sent, "Name: value\r\n" */
	struct bytes body;
	unsigned number;     /* from 0, of all */
	unsigned connection; /* likewise */
};

/*
 * Appends the whole answer to out, or a part of it; false: the connection is closed after that.
 * Called from one thread at a time.
 */
typedef bool http_serve(void *context, const struct served_request *request, struct buffer *out);

struct http_server *http_server_open(http_serve *serve, void *context);
void http_server_close(struct http_server *server);
const char *http_server_url(const struct http_server *server); /* "http://127.0.0.1:port" */
unsigned http_server_request_count(struct http_server *server);

/* The value of a header of the request, in the arena; NULL. */
const char *served_header(
	const struct served_request *request, const char *name, struct arena *arena);
/* headers: more lines, each ended by \r\n. */
void serve_answer(struct buffer *out, unsigned status, const char *headers, struct bytes body);

#endif
