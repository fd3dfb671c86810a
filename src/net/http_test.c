#include "net/http.h"

#include "base/test.h"
#include "net/http_fixture.h"

#include <arpa/inet.h>
#include <poll.h>
#include <pthread.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	SECOND = 1000 * 1000,
};

struct asking {
	struct http_server *server;
	struct http *http;
	struct http_answer answer;
	struct arena arena;
	struct error err;
	char seen[300]; /* of the last request */
	unsigned connection;
};

static void open_client(struct asking *asking)
{
	const struct http_options options = { .connect_timeout = SECOND, .stall_timeout = SECOND };
	CHECK_OK(http_open(&options, &asking->http, &asking->err), &asking->err);
}

static void begin(struct asking *asking, http_serve *serve)
{
	*asking = (struct asking){ 0 };
	asking->server = http_server_open(serve, asking);
	open_client(asking);
}

static void end(struct asking *asking)
{
	http_answer_deinit(&asking->answer);
	http_close(asking->http);
	http_server_close(asking->server);
	arena_deinit(&asking->arena);
}

static bool ask_at(struct asking *asking, const char *url, const char *method, const char *body)
{
	const struct http_header headers[] = { { "X-Asked", "a b" } };
	const struct http_request request = {
		.method = method,
		.url = url,
		.headers = headers,
		.header_count = 1,
		.body = bytes_of_cstring(body),
		.answer_size_max = 1000,
	};
	http_answer_reset(&asking->answer);
	asking->err = (struct error){ 0 };
	return http_perform(asking->http, &request, &asking->answer, &asking->err);
}

static bool ask(struct asking *asking, const char *method, const char *body)
{
	const char *url =
		arena_format(&asking->arena, "%s/a%%20b/../c?x=1", http_server_url(asking->server));
	return ask_at(asking, url, method, body);
}

static bool echo(void *context, const struct served_request *request, struct buffer *out)
{
	struct asking *asking = context;
	const char *asked = served_header(request, "x-asked", &asking->arena);
	const char *type = served_header(request, "content-type", &asking->arena);
	snprintf(asking->seen, sizeof asking->seen, "%s %s %s %s %.*s", request->method,
		request->target, asked, type != NULL ? type : "-", (int)request->body.size,
		(const char *)request->body.data);
	asking->connection = request->connection;
	const bool is_head = strcmp(request->method, "HEAD") == 0;
	serve_answer(out, 207,
		is_head ? "X-Said:  Yes \r\nContent-Length: 7\r\n" : "X-Said: Yes\r\n",
		is_head ? BYTES_LITERAL("") : BYTES_LITERAL("answer\n"));
	return true;
}

TEST(a_request_of_each_method_is_sent_as_it_is_given_and_answered)
{
	static const char *const METHODS[] = { "GET", "HEAD", "PUT", "POST", "DELETE" };
	struct asking asking;
	begin(&asking, echo);
	for (size_t i = 0; i < 5; i++) {
		const bool has_body = METHODS[i][0] == 'P';
		CHECK_OK(ask(&asking, METHODS[i], has_body ? "body" : ""), &asking.err);
		CHECK_TEXT(asking.seen, arena_format(&asking.arena, "%s /a%%20b/../c?x=1 a b - %s",
						METHODS[i], has_body ? "body" : ""));
		CHECK_EQUAL(asking.answer.status, 207);
		CHECK_TEXT(http_answer_header(&asking.answer, "x-said"), "Yes");
		CHECK_TEXT(http_answer_header(&asking.answer, "content-length"), "7");
		CHECK(http_answer_header(&asking.answer, "x-other") == NULL);
		CHECK_EQUAL(asking.answer.body.size, i == 1 ? 0 : 7);
		CHECK_EQUAL(asking.connection, 0); /* one for all */
	}
	CHECK_OK(ask(&asking, "PUT", ""), &asking.err);
	CHECK_TEXT(asking.seen, "PUT /a%20b/../c?x=1 a b - ");
	end(&asking);
}

static bool answer_size(void *context, const struct served_request *request, struct buffer *out)
{
	struct asking *asking = context;
	snprintf(asking->seen, sizeof asking->seen, "%zu %02x%02x", request->body.size,
		request->body.data[0], request->body.data[request->body.size - 1]);
	serve_answer(out, 200, "", BYTES_LITERAL(""));
	return true;
}

TEST(a_body_of_megabytes_arrives_whole)
{
	struct asking asking;
	begin(&asking, answer_size);
	const size_t size = 5 * 1024 * 1024 + 1;
	uint8_t *body = memory_allocate(size, 1);
	body[0] = 0xAB;
	body[size - 1] = 0xCD;
	const struct http_request request = {
		.method = "PUT",
		.url = http_server_url(asking.server),
		.body = bytes_of(body, size),
	};
	CHECK_OK(http_perform(asking.http, &request, &asking.answer, &asking.err), &asking.err);
	CHECK_TEXT(asking.seen, arena_format(&asking.arena, "%zu abcd", size));
	free(body);
	end(&asking);
}

static bool answer_long(void *context, const struct served_request *request, struct buffer *out)
{
	char body[1001] = "";
	(void)context;
	serve_answer(out, 200, "", bytes_of(body, request->number == 0 ? 1000 : 1001));
	return true;
}

TEST(an_answer_that_is_too_long_is_not_taken)
{
	struct asking asking;
	begin(&asking, answer_long);
	CHECK_OK(ask(&asking, "GET", ""), &asking.err);
	CHECK_EQUAL(asking.answer.body.size, 1000);
	CHECK(!ask(&asking, "GET", ""));
	CHECK_EQUAL(asking.err.kind, ERROR_LIMIT);
	CHECK(!ask(&asking, "GET", ""));
	CHECK_EQUAL(asking.err.kind, ERROR_LIMIT);
	end(&asking);
}

static bool cut_off(void *context, const struct served_request *request, struct buffer *out)
{
	struct asking *asking = context;
	asking->connection = request->connection;
	if (request->number % 2 == 1)
		buffer_append_cstring(out, "HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nhalf");
	return false;
}

TEST(a_connection_that_breaks_after_the_request_is_lost)
{
	struct asking asking;
	begin(&asking, cut_off);
	for (int i = 0; i < 2; i++) {
		CHECK(!ask(&asking, "PUT", "x"));
		CHECK_EQUAL(asking.err.kind, ERROR_LOST);
		CHECK(asking.err.text[0] != '\0');
	}
	end(&asking);
}

static const char WHOLE[] = "HTTP/1.1 200 OK\r\nX: y\r\nContent-Length: 10\r\n\r\n0123456789";

static bool cut_later(void *context, const struct served_request *request, struct buffer *out)
{
	(void)context;
	const size_t whole = sizeof WHOLE - 1;
	buffer_append(out, WHOLE, request->number < whole ? request->number : whole);
	return false;
}

TEST(an_answer_that_breaks_off_anywhere_is_lost)
{
	struct asking asking;
	begin(&asking, cut_later);
	for (size_t size = 0; size < sizeof WHOLE - 1; size++) {
		CHECK(!ask(&asking, "GET", ""));
		CHECK_EQUAL(asking.err.kind, ERROR_LOST);
	}
	CHECK_OK(ask(&asking, "GET", ""), &asking.err);
	CHECK_EQUAL(asking.answer.body.size, 10);
	end(&asking);
}

static bool close_after(void *context, const struct served_request *request, struct buffer *out)
{
	struct asking *asking = context;
	asking->connection = request->connection;
	serve_answer(out, 200, "", BYTES_LITERAL("ok"));
	return false;
}

TEST(a_kept_connection_that_was_closed_is_replaced)
{
	struct asking asking;
	begin(&asking, close_after);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_OK(ask(&asking, "PUT", "x"), &asking.err);
		CHECK_EQUAL(asking.connection, i);
	}
	end(&asking);
}

static bool say_nothing(void *context, const struct served_request *request, struct buffer *out)
{
	(void)context, (void)request, (void)out;
	return true;
}

TEST(a_server_that_stalls_is_given_up)
{
	struct asking asking;
	begin(&asking, say_nothing);
	CHECK(!ask(&asking, "GET", ""));
	CHECK_EQUAL(asking.err.kind, ERROR_LOST);
	end(&asking);
}

/* A byte now and then, until the client has had enough. */
static void *trickle(void *context)
{
	const int listener = *(int *)context;
	const int peer = accept(listener, NULL, NULL);
	struct pollfd closing = { .fd = peer, .events = POLLRDHUP };
	static const char HEAD[] = "HTTP/1.1 200 OK\r\nContent-Length: 1000\r\n\r\n";
	CHECK(send(peer, HEAD, sizeof HEAD - 1, MSG_NOSIGNAL) == sizeof HEAD - 1);
	while (poll(&closing, 1, 20) == 0 && send(peer, "x", 1, MSG_NOSIGNAL) == 1) {
	}
	close(peer);
	return NULL;
}

TEST(a_server_that_says_a_byte_now_and_then_is_given_up)
{
	struct asking asking = { 0 };
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof address;
	pthread_t thread;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(listener, (struct sockaddr *)&address, sizeof address) == 0);
	CHECK(listen(listener, 1) == 0);
	CHECK(getsockname(listener, (struct sockaddr *)&address, &size) == 0);
	CHECK_EQUAL(pthread_create(&thread, NULL, trickle, &listener), 0);
	open_client(&asking);
	CHECK(!ask_at(&asking,
		arena_format(&asking.arena, "http://127.0.0.1:%u/", ntohs(address.sin_port)), "GET",
		""));
	CHECK_EQUAL(asking.err.kind, ERROR_LOST);
	pthread_join(thread, NULL);
	CHECK(asking.answer.body.size < 500);
	close(listener);
	http_answer_deinit(&asking.answer);
	http_close(asking.http);
	arena_deinit(&asking.arena);
}

TEST(a_request_without_a_connection_was_not_sent)
{
	struct asking asking = { 0 };
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof address;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	const int taken = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0); /* and not listened on */
	CHECK(bind(taken, (struct sockaddr *)&address, sizeof address) == 0);
	CHECK(getsockname(taken, (struct sockaddr *)&address, &size) == 0);
	open_client(&asking);
	CHECK(!ask_at(&asking,
		arena_format(&asking.arena, "http://127.0.0.1:%u/", ntohs(address.sin_port)), "PUT",
		"x"));
	CHECK_EQUAL(asking.err.kind, ERROR_BUSY);
	CHECK(!ask_at(&asking, "http://no-such-host.invalid/", "PUT", "x"));
	CHECK_EQUAL(asking.err.kind, ERROR_BUSY);
	CHECK(!ask_at(&asking, "ftp://127.0.0.1/", "GET", ""));
	CHECK_EQUAL(asking.err.kind, ERROR_SETUP);
	close(taken);
	http_close(asking.http);
	arena_deinit(&asking.arena);
}

TEST(certificates_that_cannot_be_read_are_told)
{
	const struct http_options options = { SECOND, SECOND, "/no/such/file.pem" };
	struct http *http;
	struct error err = { 0 };
	CHECK(!http_open(&options, &http, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, "/no/such/file.pem") != NULL);
}

static bool answer_number(void *context, const struct served_request *request, struct buffer *out)
{
	(void)context;
	serve_answer(out, 200, "", request->body);
	return true;
}

static void *ask_many(void *context)
{
	struct asking *asking = context;
	for (unsigned i = 0; i < 50; i++) {
		struct http_answer answer = { 0 };
		struct error err;
		char body[32];
		snprintf(body, sizeof body, "%p %u", (void *)&answer, i);
		const struct http_request request = {
			.method = "POST",
			.url = http_server_url(asking->server),
			.body = bytes_of_cstring(body),
			.answer_size_max = 100,
		};
		if (!http_perform(asking->http, &request, &answer, &err) ||
			!bytes_equal(buffer_bytes(&answer.body), request.body))
			return asking; /* not NULL: wrong */
		http_answer_deinit(&answer);
	}
	return NULL;
}

TEST(requests_of_several_threads_get_their_own_answers)
{
	struct asking asking;
	pthread_t threads[8];
	begin(&asking, answer_number);
	for (int i = 0; i < 8; i++)
		CHECK_EQUAL(pthread_create(&threads[i], NULL, ask_many, &asking), 0);
	for (int i = 0; i < 8; i++) {
		void *wrong;
		pthread_join(threads[i], &wrong);
		CHECK(wrong == NULL);
	}
	CHECK_EQUAL(http_server_request_count(asking.server), 400);
	end(&asking);
}

TEST(this_machine_is_told_by_the_whole_name_of_the_host)
{
	static const char *const HERE[] = { "http://127.0.0.1:9000", "http://127.0.0.2/x",
		"https://localhost", "http://LOCALHOST:80/b?c", "http://[::1]:9000/x",
		"http://[::1]" };
	static const char *const ELSEWHERE[] = { "http://localhost.example.com:9000",
		"http://127.0.0.1.example.com", "http://127.example.com/", "http://localhosts",
		"http://[::1", "http://[::12]/", "http://127.0.0.1:80@example.com/",
		"http://example.com/localhost", "http://s3.example.com?://localhost", "http://",
		"http://:80", "" };
	for (size_t i = 0; i < sizeof HERE / sizeof *HERE; i++)
		if (!http_is_loopback(HERE[i]))
			test_fail(__FILE__, __LINE__, "\"%s\" is elsewhere", HERE[i]);
	for (size_t i = 0; i < sizeof ELSEWHERE / sizeof *ELSEWHERE; i++)
		if (http_is_loopback(ELSEWHERE[i]))
			test_fail(__FILE__, __LINE__, "\"%s\" is here", ELSEWHERE[i]);
}
