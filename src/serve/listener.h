/*
 * listener.h: what a running process shows over HTTP.
 *
 *	/healthz  200 {"status":"ok"}; 503 when the main loop stands still
 *	/readyz   200 {"ready":true,"reasons":[]} when the lake is live, connected and its log not
 *	          full; else 503 with the reasons
 *	/metrics  Prometheus's text format, version 0.0.4 (docs/metrics.md)
 *
 * GET and HEAD only; everything else is a JSON object with "error" and "hint".  It listens on
 * http.listen.  Beyond this machine http.token and TLS are demanded; with a token, all but /healthz
 * want it.  It reads the process's shared activity, holds nothing up and is held up by nothing: one
 * thread of its own.
 */
#ifndef SERVE_LISTENER_H
#define SERVE_LISTENER_H

#include "engine/configuration.h"
#include "engine/process.h"

enum {
	LISTENER_CONNECTIONS_MAX = 64,
	LISTENER_HEADER_BYTES_MAX = 16 * 1024, /* a greater request is 431, or cut off */
	LISTENER_TIMEOUT_S = 10,               /* of a connection on which nothing happens */
	LISTENER_STALLED_S = 300,              /* without a sign of life or work, it is stalled */
};

struct listener;

/*
 * *out is NULL when http.listen is off.  The address in use goes into the activity, which is
 * borrowed.  SETUP: the address is taken, not one of this machine, or not safe.
 */
bool listener_open(const struct configuration *configuration, struct process *process,
	struct listener **out, struct error *err) MUST_CHECK;
void listener_close(struct listener *listener); /* also NULL; answers in progress end first */

/* The reasons why this is not ready, as a JSON object; true when there is none. */
bool listener_write_readiness(const struct process_activity *activity, struct buffer *out);

#endif
