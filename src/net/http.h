/*
 * http.h: requests to one HTTP/1.1 server after another, over libcurl.
 *
 * Connections are kept and used again; calls block and may come from several threads at once.  A
 * body is bytes in memory, in both directions.  Redirects are not followed: they are an answer.
 * Any status is success here; what it means is the caller's.
 *
 * A kept connection that turns out to be closed before a byte of the answer has come is replaced
 * and the request is sent once more, so a request that may not be done twice needs a condition
 * that refuses the second one.
 *
 * Kinds: BUSY (no connection: nothing was sent), LOST (the connection broke or stalled after
 * that, or was slower than it may be: the request may have been carried out), LIMIT (the answer is
 * larger than asked for), SETUP (address, TLS).
 */
#ifndef NET_HTTP_H
#define NET_HTTP_H

#include "base/buffer.h"
#include "event/lsn.h"

struct http;

enum {
	HTTP_SPEED_MIN = 4 * 1024, /* bytes in a second: what is slower counts as broken off */
};

struct http_options {
	micros_t connect_timeout;
	micros_t stall_timeout; /* at less than HTTP_SPEED_MIN, both directions; whole seconds */
	const char *ca_file;    /* certificates that are trusted, PEM; NULL: the system's */
};

struct http_header {
	const char *name;
	const char *value;
};

struct http_request {
	const char *method; /* HEAD has no answer's body */
	const char *url;    /* encoded as it is to be sent */
	const struct http_header *headers;
	size_t header_count;
	struct bytes body; /* sent with PUT and POST, also when empty */
	size_t answer_size_max;
};

struct http_answer {
	unsigned status;
	struct buffer body;
	struct buffer headers; /* "name\0value\0"..., of the last answer, names in lower case */
};

/* SETUP when ca_file cannot be read. */
bool http_open(const struct http_options *options, struct http **out, struct error *err) MUST_CHECK;
void http_close(struct http *http); /* also NULL; no call is under way */

/* *answer is empty before, and the caller's to deinit in either case. */
bool http_perform(struct http *http, const struct http_request *request, struct http_answer *answer,
	struct error *err) MUST_CHECK;
void http_answer_deinit(struct http_answer *answer);
void http_answer_reset(struct http_answer *answer); /* empty, memory kept */

/* The first header of that name, which is in lower case; NULL when there is none. */
const char *http_answer_header(const struct http_answer *answer, const char *name);

/* Whether the URL's host is this machine itself: 127.*, [::1] or localhost. */
bool http_is_loopback(const char *url);

/* The forms of the header Date. */
bool http_parse_date(const char *text, micros_t *out);

#endif
