#include "serve/listener.h"

#include "base/test.h"
#include "serve/address.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <unistd.h>

enum {
	ANSWER_SIZE = 64 * 1024,
	WAIT_S = 20,
};

struct server {
	struct configuration configuration;
	struct process *process;
	struct process_activity *activity;
	struct listener *listener;
	char answer[ANSWER_SIZE];
};

static void server_open(struct server *server, const char *token)
{
	struct error err;
	*server = (struct server){
		.configuration = { .http_listen = "127.0.0.1:0", .http_token = token },
	};
	CHECK_OK(process_open(test_directory(), &server->process, &err), &err);
	server->activity = process_activity(server->process);
	CHECK_OK(listener_open(&server->configuration, server->process, &server->listener, &err),
		&err);
}

static void server_close(struct server *server)
{
	listener_close(server->listener);
	CHECK_TEXT(server->activity->http, "");
	process_close(server->process);
}

static int connect_to(const struct server *server)
{
	static const char URL[] = "http://127.0.0.1:";
	CHECK(strncmp(server->activity->http, URL, sizeof URL - 1) == 0);
	const struct sockaddr_in address = {
		.sin_family = AF_INET,
		.sin_port = htons((uint16_t)atoi(server->activity->http + sizeof URL - 1)),
		.sin_addr.s_addr = htonl(INADDR_LOOPBACK),
	};
	const struct timeval limit = { .tv_sec = WAIT_S };
	const int file = socket(AF_INET, SOCK_STREAM, 0);
	CHECK(file >= 0);
	setsockopt(file, SOL_SOCKET, SO_RCVTIMEO, &limit, sizeof limit);
	CHECK(connect(file, (const struct sockaddr *)&address, sizeof address) == 0);
	return file;
}

/* What comes back until the end; the request says that the connection is to be closed. */
static const char *ask(struct server *server, const char *request)
{
	const int file = connect_to(server);
	size_t size = strlen(request), got = 0;
	while (size > 0) {
		const ssize_t sent = send(file, request, size, MSG_NOSIGNAL);
		if (sent <= 0)
			break; /* refused before all of it was read */
		request += sent;
		size -= (size_t)sent;
	}
	ssize_t more;
	while ((more = recv(file, server->answer + got, ANSWER_SIZE - 1 - got, 0)) > 0)
		got += (size_t)more;
	server->answer[got] = '\0';
	close(file);
	return server->answer;
}

static const char *get(struct server *server, const char *path, const char *header)
{
	char request[1024];
	snprintf(request, sizeof request,
		"GET %s HTTP/1.1\r\nHost: test\r\nConnection: close\r\n%s\r\n", path, header);
	return ask(server, request);
}

static void check_status(const char *answer, int status)
{
	char expected[32];
	snprintf(expected, sizeof expected, "HTTP/1.1 %d ", status);
	if (strncmp(answer, expected, strlen(expected)) != 0)
		test_fail(__FILE__, __LINE__, "not %d but %s", status, answer);
}

static const char *body_of(const char *answer)
{
	const char *body = strstr(answer, "\r\n\r\n");
	return body != NULL ? body + 4 : "";
}

TEST(a_process_is_ready_when_its_lake_is_live_connected_and_its_log_not_full)
{
	struct server server;
	server_open(&server, NULL);
	const char *answer = get(&server, "/readyz", "");
	check_status(answer, 503);
	CHECK(strstr(answer, "\"ready\":false") != NULL);
	CHECK(strstr(answer, "the tables are not live") != NULL);
	CHECK(strstr(answer, "the source is not connected") != NULL);
	server.activity->metrics.is_live = 1;
	server.activity->metrics.is_connected = 1;
	answer = get(&server, "/readyz", "");
	check_status(answer, 200);
	CHECK_TEXT(body_of(answer), "{\"ready\":true,\"reasons\":[]}");
	server.activity->metrics.is_log_full = 1;
	answer = get(&server, "/readyz", "");
	check_status(answer, 503);
	CHECK(strstr(answer, "the log is full") != NULL);
	server_close(&server);
}

TEST(a_process_is_healthy_while_its_loop_lives_or_work_is_done)
{
	struct server server;
	server_open(&server, NULL);
	const char *answer = get(&server, "/healthz", "");
	check_status(answer, 200);
	CHECK_TEXT(body_of(answer), "{\"status\":\"ok\"}");
	CHECK(strstr(answer, "application/json") != NULL);
	server.activity->metrics.beat_at -= (LISTENER_STALLED_S + 10) * (micros_t)1000000;
	answer = get(&server, "/healthz", "");
	check_status(answer, 503);
	CHECK_TEXT(body_of(answer), "{\"status\":\"stalled\"}");
	server.activity->metrics.apply.rows[APPLY_INSERT] = 1;
	check_status(get(&server, "/healthz", ""), 200);
	server_close(&server);
}

TEST(metrics_are_served_as_prometheus_wants_them)
{
	struct server server;
	server_open(&server, NULL);
	server.activity->metrics.apply.transactions = 42;
	const char *answer = get(&server, "/metrics", "");
	check_status(answer, 200);
	CHECK(strstr(answer, "text/plain; version=0.0.4") != NULL);
	CHECK(strstr(answer, "\nwalberg_transactions_total 42\n") != NULL);
	server_close(&server);
}

TEST(what_is_not_there_or_not_allowed_is_said_in_json)
{
	struct server server;
	server_open(&server, NULL);
	const char *answer = get(&server, "/", "");
	check_status(answer, 404);
	CHECK(strstr(body_of(answer), "{\"error\":") != NULL);
	check_status(get(&server, "/metrics/", ""), 404);
	check_status(get(&server, "/healthz?x=1", ""), 200);
	answer = ask(&server, "POST /metrics HTTP/1.1\r\nHost: t\r\nContent-Length: 0\r\n"
			      "Connection: close\r\n\r\n");
	check_status(answer, 405);
	CHECK(strstr(answer, "Allow: GET, HEAD") != NULL);
	answer = ask(&server, "HEAD /metrics HTTP/1.1\r\nHost: t\r\nConnection: close\r\n\r\n");
	check_status(answer, 200);
	CHECK_TEXT(body_of(answer), "");
	server_close(&server);
}

TEST(a_token_is_asked_for_everywhere_but_for_the_health)
{
	struct server server;
	server_open(&server, "s3cret");
	check_status(get(&server, "/healthz", ""), 200);
	check_status(get(&server, "/metrics", ""), 401);
	check_status(get(&server, "/nothing", ""), 401);
	check_status(get(&server, "/metrics", "Authorization: Bearer s3cre\r\n"), 401);
	check_status(get(&server, "/metrics", "Authorization: Bearer s3crets\r\n"), 401);
	check_status(get(&server, "/metrics", "Authorization: Basic s3cret\r\n"), 401);
	check_status(get(&server, "/metrics", "Authorization: Bearer s3cret\r\n"), 200);
	server_close(&server);
}

/* Refused, or cut off, and the next one is served. */
TEST(requests_that_are_too_long_or_no_http_hold_nothing_up)
{
	struct server server;
	server_open(&server, NULL);
	char *request = memory_allocate(4 * LISTENER_HEADER_BYTES_MAX, 1);
	int head = snprintf(request, 100, "GET /metrics HTTP/1.1\r\nHost: t\r\nX: ");
	memset(request + head, 'x', 3 * LISTENER_HEADER_BYTES_MAX);
	memcpy(request + head + 3 * LISTENER_HEADER_BYTES_MAX, "\r\n\r\n", 5);
	CHECK(strncmp(ask(&server, request), "HTTP/1.1 200", 12) != 0);
	memset(request + 5, 'x', 3 * LISTENER_HEADER_BYTES_MAX);
	CHECK(strncmp(ask(&server, request), "HTTP/1.1 200", 12) != 0);
	free(request);
	CHECK(strncmp(ask(&server, "\x16\x03\x01 nonsense\r\n\r\n"), "HTTP/1.1 200", 12) != 0);
	check_status(get(&server, "/metrics", ""), 200);
	server_close(&server);
}

TEST(more_connections_than_the_limit_are_not_taken)
{
	struct server server;
	server_open(&server, NULL);
	int held[LISTENER_CONNECTIONS_MAX + 1];
	for (size_t i = 0; i <= LISTENER_CONNECTIONS_MAX; i++)
		held[i] = connect_to(&server); /* the system takes them, the server not all */
	for (size_t i = 0; i <= LISTENER_CONNECTIONS_MAX; i++)
		close(held[i]);
	check_status(get(&server, "/metrics", ""), 200);
	server_close(&server);
}

/* --- addresses --- */

static void check_refused(const struct configuration *configuration, const char *text)
{
	struct process *process;
	struct listener *listener;
	struct error err = { 0 };
	CHECK_OK(process_open(test_directory(), &process, &err), &err);
	CHECK(!listener_open(configuration, process, &listener, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(err.hint[0] != '\0');
	if (strstr(err.text, text) == NULL)
		test_fail(__FILE__, __LINE__, "\"%s\", not \"%s\"", err.text, text);
	process_close(process);
}

TEST(beyond_this_machine_a_token_and_tls_are_demanded)
{
	struct configuration configuration = { .http_listen = "0.0.0.0:0" };
	check_refused(&configuration, "http.token");
	configuration.http_token = "secret";
	check_refused(&configuration, "http.certificate");
	configuration.http_listen = "[::]:0";
	check_refused(&configuration, "http.certificate");
	configuration.http_listen = "127.0.0.1:0";
	configuration.http_key = "/nowhere";
	check_refused(&configuration, "only one is set");
	configuration.http_certificate = "/nowhere/at/all";
	check_refused(&configuration, "/nowhere/at/all");
}

TEST(an_address_that_cannot_be_listened_on_is_told_with_a_way_out)
{
	static const char *const WRONG[] = { "", "8080", ":8080", "127.0.0.1",
		"127.0.0.1:", "127.0.0.1:x", "127.0.0.1:65536", "127.0.0.1:-1", "::1:80", "[::1]",
		"of" };
	struct configuration configuration = { 0 };
	for (size_t i = 0; i < sizeof WRONG / sizeof *WRONG; i++) {
		configuration.http_listen = WRONG[i];
		check_refused(&configuration, "is not an address and a port");
	}
	struct address taken;
	struct error err;
	CHECK_OK(address_listen("http.listen", "127.0.0.1:0", &taken, &err), &err);
	CHECK(taken.is_loopback);
	configuration.http_listen = taken.text;
	check_refused(&configuration, "cannot be listened on");
	close(taken.socket);
}

TEST(nothing_listens_when_it_is_off)
{
	const struct configuration configuration = { .http_listen = "off" };
	struct process *process;
	struct listener *listener;
	struct error err;
	CHECK_OK(process_open(test_directory(), &process, &err), &err);
	CHECK_OK(listener_open(&configuration, process, &listener, &err), &err);
	CHECK(listener == NULL);
	CHECK_TEXT(process_activity(process)->http, "");
	process_close(process);
}
