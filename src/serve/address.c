#include "serve/address.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	BACKLOG = 64,
	PORT_MAX = 65535,
};

static bool refuse(const char *setting, const char *text, struct error *err)
{
	error_set(err, ERROR_SETUP, "%s \"%s\" is not an address and a port", setting, text);
	return error_hint(err, "Write it as 127.0.0.1:8080 or [::1]:8080; port 0 is any free one, "
			       "off is none.");
}

/* The host without its brackets, and the port, both as text in host. */
static bool split(const char *text, char host[256], const char **port)
{
	const char *colon = strrchr(text, ':');
	const size_t size = colon != NULL ? (size_t)(colon - text) : 0;
	if (size == 0 || size >= 256)
		return false;
	const bool is_bracketed = text[0] == '[' && size > 2 && text[size - 1] == ']';
	memcpy(host, text + is_bracketed, size - 2 * is_bracketed);
	host[size - 2 * is_bracketed] = '\0';
	*port = colon + 1;
	if (!is_bracketed && strchr(host, ':') != NULL)
		return false;
	char *end;
	const long number = strtol(*port, &end, 10);
	return **port >= '0' && **port <= '9' && *end == '\0' && number <= PORT_MAX;
}

static bool resolve(const char *setting, const char *text, struct addrinfo **out, struct error *err)
{
	char host[256];
	const char *port;
	if (!split(text, host, &port))
		return refuse(setting, text, err);
	const struct addrinfo wanted = { .ai_socktype = SOCK_STREAM,
		.ai_flags = AI_PASSIVE | AI_NUMERICSERV };
	const int code = getaddrinfo(host, port, &wanted, out);
	if (code == 0)
		return true;
	error_set(err, ERROR_SETUP, "%s names \"%s\", which is no address: %s", setting, host,
		gai_strerror(code));
	return error_hint(err, "Use an address of this machine, as 127.0.0.1.");
}

static bool is_loopback(const struct sockaddr *address)
{
	if (address->sa_family == AF_INET) {
		const struct sockaddr_in *v4 = (const void *)address;
		return ntohl(v4->sin_addr.s_addr) >> 24 == 127;
	}
	const struct sockaddr_in6 *v6 = (const void *)address;
	return address->sa_family == AF_INET6 && IN6_IS_ADDR_LOOPBACK(&v6->sin6_addr);
}

static bool fail(const char *setting, const char *text, int cause, struct error *err)
{
	errno = cause;
	error_set_errno(err, ERROR_SETUP, "%s \"%s\" cannot be listened on", setting, text);
	if (cause == EADDRINUSE)
		return error_hint(err,
			"Another program has that port, perhaps another lake's walberg. Set %s to "
			"another port, to port 0 for any free one, or to off.",
			setting);
	if (cause == EACCES)
		return error_hint(err, "Ports below 1024 need a privilege: choose a higher one.");
	return error_hint(err, "Use an address of this machine, as 127.0.0.1.");
}

static void describe(struct address *address)
{
	struct sockaddr_storage is = { 0 };
	socklen_t size = sizeof is;
	char host[INET6_ADDRSTRLEN] = "?", port[8] = "?";
	if (getsockname(address->socket, (struct sockaddr *)&is, &size) == 0)
		getnameinfo((struct sockaddr *)&is, size, host, sizeof host, port, sizeof port,
			NI_NUMERICHOST | NI_NUMERICSERV);
	address->is_loopback = is_loopback((const struct sockaddr *)&is);
	const bool is_v6 = strchr(host, ':') != NULL;
	snprintf(address->text, sizeof address->text, "%s%s%s:%s", is_v6 ? "[" : "", host,
		is_v6 ? "]" : "", port);
}

/* Of a name with several addresses the first is used. */
bool address_listen(const char *setting, const char *text, struct address *out, struct error *err)
{
	struct addrinfo *found;
	if (!resolve(setting, text, &found, err))
		return false;
	const int on = 1;
	*out = (struct address){ 0 };
	out->socket = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	const bool done = out->socket >= 0 &&
			  setsockopt(out->socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) == 0 &&
			  bind(out->socket, found->ai_addr, found->ai_addrlen) == 0 &&
			  listen(out->socket, BACKLOG) == 0;
	const int cause = errno;
	freeaddrinfo(found);
	if (done) {
		describe(out);
		return true;
	}
	if (out->socket >= 0)
		close(out->socket);
	return fail(setting, text, cause, err);
}
