/*
 * address.h: "127.0.0.1:8080", "[::1]:0" or "localhost:8080", made a listening socket.
 */
#ifndef SERVE_ADDRESS_H
#define SERVE_ADDRESS_H

#include "base/arena.h"
#include "base/error.h"

enum {
	ADDRESS_TEXT_SIZE = 64
};

struct address {
	int socket;                   /* listening; the caller's to close */
	bool is_loopback;             /* of the bound one: nobody beyond this machine reaches it */
	char text[ADDRESS_TEXT_SIZE]; /* with the port that is in use: "127.0.0.1:40123" */
};

/* setting: the name of the setting that the text is of, for messages.  Kinds: SETUP. */
bool address_listen(
	const char *setting, const char *text, struct address *out, struct error *err) MUST_CHECK;

#endif
