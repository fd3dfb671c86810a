#include "net/http.h"

#include <arpa/inet.h>
#include <assert.h>
#include <ctype.h>
#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <strings.h>
#include <unistd.h>

enum {
	CONNECTIONS_KEPT = 64,
	HEADERS_SIZE_MAX = 64 * 1024,
	UPLOAD_BUFFER_SIZE = 512 * 1024, /* of bodies too big to go out with the headers */
	RECEIVE_BUFFER_SIZE = 256 * 1024,
};

struct http {
	struct http_options options;
	char *ca_file;
	pthread_mutex_t lock; /* of both below */
	CURL *idle[CONNECTIONS_KEPT];
	size_t idle_count;
};

/* --- the pool: one handle is one kept connection, the last one used comes first --- */

static CURL *take_handle(struct http *http)
{
	pthread_mutex_lock(&http->lock);
	CURL *curl = http->idle_count > 0 ? http->idle[--http->idle_count] : NULL;
	pthread_mutex_unlock(&http->lock);
	if (curl != NULL)
		return curl;
	curl = curl_easy_init();
	if (curl == NULL)
		abort(); /* only without memory */
	return curl;
}

static void give_handle(struct http *http, CURL *curl)
{
	curl_easy_reset(curl); /* the connection stays */
	pthread_mutex_lock(&http->lock);
	const bool is_kept = http->idle_count < CONNECTIONS_KEPT;
	if (is_kept)
		http->idle[http->idle_count++] = curl;
	pthread_mutex_unlock(&http->lock);
	if (!is_kept)
		curl_easy_cleanup(curl);
}

/* --- what libcurl calls --- */

struct receiving {
	struct http_answer *answer;
	size_t body_size_max;
	bool is_too_large;
	bool has_all_headers; /* libcurl takes an end of the connection for that of the headers */
};

static size_t receive_body(char *data, size_t item_size, size_t count, void *context)
{
	struct receiving *receiving = context;
	struct buffer *body = &receiving->answer->body;
	const size_t size = item_size * count;
	if (size > receiving->body_size_max - body->size) {
		receiving->is_too_large = true;
		return 0;
	}
	buffer_append(body, data, size);
	return size;
}

static void append_header(struct buffer *headers, struct bytes name, struct bytes value)
{
	while (value.size > 0 && isspace(value.data[0]))
		value = bytes_of(value.data + 1, value.size - 1);
	while (value.size > 0 && isspace(value.data[value.size - 1]))
		value.size--;
	if (memchr(name.data, 0, name.size) != NULL || memchr(value.data, 0, value.size) != NULL)
		return;
	for (size_t i = 0; i < name.size; i++)
		buffer_append_u8(headers, (uint8_t)tolower(name.data[i]));
	buffer_append_u8(headers, 0);
	buffer_append_bytes(headers, value);
	buffer_append_u8(headers, 0);
}

/* One line at a time; a status line begins the answer, after one of the 100s again. */
static size_t receive_header(char *data, size_t item_size, size_t count, void *context)
{
	struct receiving *receiving = context;
	struct buffer *headers = &receiving->answer->headers;
	const struct bytes line = bytes_of(data, item_size * count);
	if (line.size >= 5 && memcmp(line.data, "HTTP/", 5) == 0) {
		buffer_reset(headers);
		receiving->has_all_headers = false;
		return line.size;
	}
	receiving->has_all_headers = line.size == 2 && memcmp(line.data, "\r\n", 2) == 0;
	const uint8_t *colon = memchr(line.data, ':', line.size);
	if (colon == NULL)
		return line.size;
	if (line.size > HEADERS_SIZE_MAX - headers->size) {
		receiving->is_too_large = true;
		return 0;
	}
	const size_t name_size = (size_t)(colon - line.data);
	append_header(headers, bytes_of(line.data, name_size),
		bytes_of(colon + 1, line.size - name_size - 1));
	return line.size;
}

/* --- one request --- */

static struct curl_slist *add_line(struct curl_slist *list, const char *line)
{
	struct curl_slist *longer = curl_slist_append(list, line);
	if (longer == NULL)
		abort(); /* only without memory */
	return longer;
}

static struct curl_slist *header_lines(const struct http_request *request)
{
	/* Each of these costs a round trip or says something that is not meant. */
	struct curl_slist *list = add_line(NULL, "Expect:");
	list = add_line(list, "Content-Type:");
	list = add_line(list, "Accept:");
	struct buffer line = { 0 };
	for (size_t i = 0; i < request->header_count; i++) {
		const struct http_header *header = &request->headers[i];
		assert(strpbrk(header->name, "\r\n") == NULL);
		assert(strpbrk(header->value, "\r\n") == NULL && header->value[0] != '\0');
		buffer_reset(&line);
		buffer_append_format(&line, "%s: %s", header->name, header->value);
		buffer_append_u8(&line, 0);
		list = add_line(list, (const char *)line.data);
	}
	buffer_deinit(&line);
	return list;
}

static void set_method(CURL *curl, const struct http_request *request)
{
	const bool has_body =
		strcmp(request->method, "PUT") == 0 || strcmp(request->method, "POST") == 0;
	if (strcmp(request->method, "HEAD") == 0)
		curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
	if (has_body) { /* a small one goes out in one packet with the headers */
		curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body.size);
		curl_easy_setopt(curl, CURLOPT_POSTFIELDS,
			request->body.size > 0 ? (const char *)request->body.data : "");
		curl_easy_setopt(curl, CURLOPT_UPLOAD_BUFFERSIZE, (long)UPLOAD_BUFFER_SIZE);
	}
	curl_easy_setopt(curl, CURLOPT_CUSTOMREQUEST, request->method);
}

/* What a user's name stands before is none: "http://127.0.0.1:80@example.com". */
bool http_is_loopback(const char *url)
{
	const char *scheme_end = strstr(url, "://");
	const char *host = scheme_end != NULL ? scheme_end + 3 : url;
	const size_t size = host[0] == '[' ? strcspn(host, "]/?#") + 1 : strcspn(host, ":/?#");
	char text[16];
	struct in_addr address;
	if (memchr(host, '@', strcspn(host, "/?#")) != NULL || size >= sizeof text)
		return false;
	memcpy(text, host, size);
	text[size] = '\0';
	return strcasecmp(text, "localhost") == 0 || strcmp(text, "[::1]") == 0 ||
	       (strncmp(text, "127.", 4) == 0 && inet_pton(AF_INET, text, &address) == 1);
}

/* What is never slower than it may be is done by then. */
static long time_limit_ms(const struct http *http, const struct http_request *request)
{
	const uint64_t size = request->body.size + request->answer_size_max + HEADERS_SIZE_MAX;
	const micros_t waits = http->options.connect_timeout + 2 * http->options.stall_timeout;
	return (long)(size / HTTP_SPEED_MIN * 1000) + (long)(waits / 1000);
}

static void set_options(CURL *curl, const struct http *http, const struct http_request *request)
{
	curl_easy_setopt(curl, CURLOPT_URL, request->url);
	curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
	curl_easy_setopt(curl, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
	curl_easy_setopt(curl, CURLOPT_PATH_AS_IS, 1L);
	curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
	curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
	curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, (long)RECEIVE_BUFFER_SIZE);
	curl_easy_setopt(
		curl, CURLOPT_CONNECTTIMEOUT_MS, (long)(http->options.connect_timeout / 1000));
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, (long)HTTP_SPEED_MIN);
	curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, time_limit_ms(http, request));
	curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME,
		(long)((http->options.stall_timeout + 999999) / 1000000));
	if (http->ca_file != NULL)
		curl_easy_setopt(curl, CURLOPT_CAINFO, http->ca_file);
	if (http_is_loopback(request->url)) /* not by a proxy that the environment names */
		curl_easy_setopt(curl, CURLOPT_PROXY, "");
}

/* The text of libcurl's own buffer says more than that of the code, where it is filled. */
static bool fail(CURL *curl, CURLcode code, const char *message, struct error *err)
{
	const char *why = message[0] != '\0' ? message : curl_easy_strerror(code);
	long sent = 0;
	curl_easy_getinfo(curl, CURLINFO_REQUEST_SIZE, &sent);
	switch (code) {
	case CURLE_URL_MALFORMAT:
	case CURLE_UNSUPPORTED_PROTOCOL:
		return error_set(err, ERROR_SETUP, "the address is not one of HTTP: %s", why);
	case CURLE_PEER_FAILED_VERIFICATION:
	case CURLE_SSL_CACERT_BADFILE:
	case CURLE_SSL_ISSUER_ERROR:
		return error_set(
			err, ERROR_SETUP, "the server's certificate is not trusted: %s", why);
	case CURLE_OUT_OF_MEMORY:
		abort();
	default:
		return error_set(err, sent > 0 ? ERROR_LOST : ERROR_BUSY, "%s", why);
	}
}

static bool perform(struct http *http, CURL *curl, const struct http_request *request,
	struct http_answer *answer, struct error *err)
{
	char message[CURL_ERROR_SIZE] = "";
	struct receiving receiving = { answer, request->answer_size_max, false, false };
	struct curl_slist *lines = header_lines(request);
	set_options(curl, http, request);
	set_method(curl, request);
	curl_easy_setopt(curl, CURLOPT_HTTPHEADER, lines);
	curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, message);
	curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, receive_body);
	curl_easy_setopt(curl, CURLOPT_WRITEDATA, &receiving);
	curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, receive_header);
	curl_easy_setopt(curl, CURLOPT_HEADERDATA, &receiving);
	const CURLcode code = curl_easy_perform(curl);
	long status = 0;
	curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	answer->status = (unsigned)status;
	bool done = code == CURLE_OK;
	if (receiving.is_too_large)
		done = error_set(err, ERROR_LIMIT, "the answer is larger than %zu bytes",
			request->answer_size_max);
	else if (!done)
		done = fail(curl, code, message, err);
	else if (!receiving.has_all_headers)
		done = error_set(err, ERROR_LOST, "the answer breaks off in its headers");
	curl_slist_free_all(lines);
	return done;
}

bool http_perform(struct http *http, const struct http_request *request, struct http_answer *answer,
	struct error *err)
{
	CURL *curl = take_handle(http);
	const bool done = perform(http, curl, request, answer, err);
	give_handle(http, curl);
	return done;
}

/* --- the rest --- */

static void initialise_library(void)
{
	if (curl_global_init(CURL_GLOBAL_DEFAULT) != CURLE_OK)
		abort();
}

bool http_open(const struct http_options *options, struct http **out, struct error *err)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	*out = NULL;
	if (options->ca_file != NULL && access(options->ca_file, R_OK) != 0)
		return error_set_errno(err, ERROR_SETUP,
			"the certificates in \"%s\" cannot be read", options->ca_file);
	pthread_once(&once, initialise_library);
	struct http *http = memory_allocate(1, sizeof *http);
	http->options = *options;
	if (options->ca_file != NULL) {
		const size_t size = strlen(options->ca_file) + 1;
		http->ca_file = memcpy(memory_allocate(size, 1), options->ca_file, size);
	}
	pthread_mutex_init(&http->lock, NULL);
	*out = http;
	return true;
}

void http_close(struct http *http)
{
	if (http == NULL)
		return;
	for (size_t i = 0; i < http->idle_count; i++)
		curl_easy_cleanup(http->idle[i]);
	pthread_mutex_destroy(&http->lock);
	free(http->ca_file);
	free(http);
}

void http_answer_deinit(struct http_answer *answer)
{
	buffer_deinit(&answer->body);
	buffer_deinit(&answer->headers);
	answer->status = 0;
}

void http_answer_reset(struct http_answer *answer)
{
	buffer_reset(&answer->body);
	buffer_reset(&answer->headers);
	answer->status = 0;
}

const char *http_answer_header(const struct http_answer *answer, const char *name)
{
	const char *at = (const char *)answer->headers.data;
	const char *end = at + answer->headers.size;
	while (at < end) {
		const char *value = at + strlen(at) + 1;
		if (strcmp(at, name) == 0)
			return value;
		at = value + strlen(value) + 1;
	}
	return NULL;
}

bool http_parse_date(const char *text, micros_t *out)
{
	const time_t seconds = curl_getdate(text, NULL);
	*out = (micros_t)seconds * MICROS_PER_SECOND;
	return seconds >= 0;
}
