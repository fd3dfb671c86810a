#include "net/http_fixture.h"

#include "base/test.h"

#include <arpa/inet.h>
#include <pthread.h>
#include <stdatomic.h>
#include <strings.h>
#include <sys/socket.h>
#include <unistd.h>

enum {
	CONNECTIONS_MAX = 64,
};

struct http_server {
	http_serve *serve;
	void *context;
	int listener;
	char url[64];
	pthread_t acceptor;
	pthread_mutex_t lock; /* of all below, and around serve */
	pthread_t threads[CONNECTIONS_MAX];
	int sockets[CONNECTIONS_MAX]; /* -1: closed */
	unsigned connection_count;
	unsigned request_count;
};

struct connection {
	struct http_server *server;
	unsigned number;
	int socket;
	struct buffer received;
};

static bool receive_more(struct connection *connection)
{
	char bytes[16384];
	const ssize_t size = recv(connection->socket, bytes, sizeof bytes, 0);
	if (size <= 0)
		return false;
	buffer_append(&connection->received, bytes, (size_t)size);
	return true;
}

const char *served_header(
	const struct served_request *request, const char *name, struct arena *arena)
{
	const size_t name_size = strlen(name);
	for (const char *line = request->headers; *line;) {
		const char *end = strstr(line, "\r\n");
		if (strncasecmp(line, name, name_size) == 0 && line[name_size] == ':') {
			const char *value = line + name_size + 1;
			value += strspn(value, " ");
			return arena_copy_text(arena, bytes_of(value, (size_t)(end - value)));
		}
		line = end + 2;
	}
	return NULL;
}

void serve_answer(struct buffer *out, unsigned status, const char *headers, struct bytes body)
{
	buffer_append_format(out, "HTTP/1.1 %u Said\r\n%s", status, headers);
	if (strstr(headers, "Content-Length") == NULL)
		buffer_append_format(out, "Content-Length: %zu\r\n", body.size);
	buffer_append_cstring(out, "\r\n");
	buffer_append_bytes(out, body);
}

static bool send_all(int socket, struct bytes bytes)
{
	while (bytes.size > 0) {
		const ssize_t size = send(socket, bytes.data, bytes.size, MSG_NOSIGNAL);
		if (size <= 0)
			return false;
		bytes = bytes_of(bytes.data + size, bytes.size - (size_t)size);
	}
	return true;
}

/* Reads one request and answers it; false when the connection is over. */
static bool serve_one(struct connection *connection)
{
	struct buffer *received = &connection->received;
	const uint8_t *end = NULL;
	while (received->size == 0 ||
		(end = memmem(received->data, received->size, "\r\n\r\n", 4)) == NULL)
		if (!receive_more(connection))
			return false;
	struct arena arena = { 0 };
	const size_t head_size = (size_t)(end - received->data) + 4;
	char *head = arena_copy_text(&arena, bytes_of(received->data, head_size - 2));
	struct served_request request = { .connection = connection->number };
	request.method = strsep(&head, " ");
	request.target = strsep(&head, " ");
	request.headers = strstr(head, "\r\n") + 2;
	const char *size_text = served_header(&request, "Content-Length", &arena);
	const size_t size = size_text != NULL ? (size_t)strtoul(size_text, NULL, 10) : 0;
	bool goes_on = true;
	while (goes_on && received->size < head_size + size)
		goes_on = receive_more(connection);
	if (goes_on) {
		struct buffer answer = { 0 };
		request.body = bytes_of(received->data + head_size, size);
		pthread_mutex_lock(&connection->server->lock);
		request.number = connection->server->request_count++;
		goes_on = connection->server->serve(connection->server->context, &request, &answer);
		pthread_mutex_unlock(&connection->server->lock);
		goes_on = send_all(connection->socket, buffer_bytes(&answer)) && goes_on;
		memmove(received->data, received->data + head_size + size,
			received->size - head_size - size);
		received->size -= head_size + size;
		buffer_deinit(&answer);
	}
	arena_deinit(&arena);
	return goes_on;
}

static void *serve_connection(void *context)
{
	struct connection *connection = context;
	struct http_server *server = connection->server;
	while (serve_one(connection))
		;
	pthread_mutex_lock(&server->lock);
	server->sockets[connection->number] = -1;
	close(connection->socket);
	pthread_mutex_unlock(&server->lock);
	buffer_deinit(&connection->received);
	free(connection);
	return NULL;
}

static void *accept_connections(void *context)
{
	struct http_server *server = context;
	int accepted;
	while ((accepted = accept(server->listener, NULL, NULL)) >= 0) {
		pthread_mutex_lock(&server->lock);
		CHECK(server->connection_count < CONNECTIONS_MAX);
		const unsigned number = server->connection_count++;
		struct connection *connection = memory_allocate(1, sizeof *connection);
		*connection = (struct connection){ server, number, accepted, { 0 } };
		server->sockets[number] = accepted;
		CHECK_EQUAL(pthread_create(
				    &server->threads[number], NULL, serve_connection, connection),
			0);
		pthread_mutex_unlock(&server->lock);
	}
	return NULL;
}

struct http_server *http_server_open(http_serve *serve, void *context)
{
	struct http_server *server = memory_allocate(1, sizeof *server);
	struct sockaddr_in address = { .sin_family = AF_INET };
	socklen_t size = sizeof address;
	address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	server->serve = serve;
	server->context = context;
	pthread_mutex_init(&server->lock, NULL);
	server->listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	CHECK(bind(server->listener, (struct sockaddr *)&address, sizeof address) == 0);
	CHECK(listen(server->listener, CONNECTIONS_MAX) == 0);
	CHECK(getsockname(server->listener, (struct sockaddr *)&address, &size) == 0);
	snprintf(server->url, sizeof server->url, "http://127.0.0.1:%u", ntohs(address.sin_port));
	CHECK_EQUAL(pthread_create(&server->acceptor, NULL, accept_connections, server), 0);
	return server;
}

void http_server_close(struct http_server *server)
{
	shutdown(server->listener, SHUT_RDWR);
	pthread_join(server->acceptor, NULL);
	close(server->listener);
	pthread_mutex_lock(&server->lock);
	for (unsigned i = 0; i < server->connection_count; i++)
		if (server->sockets[i] >= 0)
			shutdown(server->sockets[i], SHUT_RDWR);
	pthread_mutex_unlock(&server->lock);
	for (unsigned i = 0; i < server->connection_count; i++)
		pthread_join(server->threads[i], NULL);
	pthread_mutex_destroy(&server->lock);
	free(server);
}

const char *http_server_url(const struct http_server *server)
{
	return server->url;
}

unsigned http_server_request_count(struct http_server *server)
{
	pthread_mutex_lock(&server->lock);
	const unsigned count = server->request_count;
	pthread_mutex_unlock(&server->lock);
	return count;
}
