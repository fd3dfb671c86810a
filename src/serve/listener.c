#include "serve/listener.h"

#include "base/json.h"
#include "base/logline.h"
#include "serve/address.h"

#include <assert.h>
#include <microhttpd.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	PEM_BYTES_MAX = 1024 * 1024,
};

struct listener {
	struct process_activity *activity;
	char *token; /* or NULL */
	struct buffer certificate;
	struct buffer key;
	struct MHD_Daemon *daemon;

	/* of its thread: when work was last seen to have been done */
	uint64_t work_seen;
	micros_t work_seen_at;
};

/* What is answered; the body is the buffer's. */
struct answer {
	unsigned status;
	const char *content_type;
	struct buffer body;
	const char *header; /* one more, or NULL */
	const char *header_value;
};

static const char JSON[] = "application/json";

static void answer_error(
	struct answer *answer, unsigned status, const char *error, const char *hint)
{
	struct json_writer writer = json_writer_of(&answer->body);
	answer->status = status;
	answer->content_type = JSON;
	json_write_begin_object(&writer);
	json_write_member_cstring(&writer, "error", error);
	json_write_member_cstring(&writer, "hint", hint);
	json_write_end_object(&writer);
}

/* --- what is shown --- */

/* The main loop may be busy with one long piece of work, of which other numbers tell. */
static bool is_stalled(struct listener *listener, micros_t now)
{
	const uint64_t work = metrics_work(listener->activity);
	if (work != listener->work_seen)
		listener->work_seen_at = now;
	listener->work_seen = work;
	const micros_t beat_at = listener->activity->metrics.beat_at;
	const micros_t alive_at =
		beat_at > listener->work_seen_at ? beat_at : listener->work_seen_at;
	return now - alive_at > (micros_t)LISTENER_STALLED_S * MICROS_PER_SECOND;
}

static void show_health(struct listener *listener, struct answer *answer)
{
	const bool stalled = is_stalled(listener, world_monotonic(world_posix()));
	answer->status = stalled ? MHD_HTTP_SERVICE_UNAVAILABLE : MHD_HTTP_OK;
	answer->content_type = JSON;
	buffer_append_cstring(
		&answer->body, stalled ? "{\"status\":\"stalled\"}" : "{\"status\":\"ok\"}");
}

bool listener_write_readiness(const struct process_activity *activity, struct buffer *out)
{
	const struct {
		bool holds;
		const char *text;
	} reasons[] = {
		{ !activity->metrics.is_live,
			"the tables are not live: they are read for the first time, or opened "
			"again after an error" },
		{ !activity->metrics.is_connected, "the source is not connected" },
		{ activity->metrics.is_log_full,
			"the log is full, so that nothing is read from the source" },
	};
	bool is_ready = true;
	struct json_writer writer = json_writer_of(out);
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		is_ready &= !reasons[i].holds;
	json_write_begin_object(&writer);
	json_write_member_bool(&writer, "ready", is_ready);
	json_write_key(&writer, "reasons");
	json_write_begin_array(&writer);
	for (size_t i = 0; i < sizeof reasons / sizeof *reasons; i++)
		if (reasons[i].holds)
			json_write_cstring(&writer, reasons[i].text);
	json_write_end_array(&writer);
	json_write_end_object(&writer);
	return is_ready;
}

static void show_readiness(struct listener *listener, struct answer *answer)
{
	const bool is_ready = listener_write_readiness(listener->activity, &answer->body);
	answer->status = is_ready ? MHD_HTTP_OK : MHD_HTTP_SERVICE_UNAVAILABLE;
	answer->content_type = JSON;
}

static void show_metrics(struct listener *listener, struct answer *answer)
{
	answer->status = MHD_HTTP_OK;
	answer->content_type = "text/plain; version=0.0.4; charset=utf-8";
	metrics_print(listener->activity, world_now(world_posix()), &answer->body);
}

static const struct page {
	const char *path;
	bool is_open; /* without the token */
	void (*show)(struct listener *listener, struct answer *answer);
} PAGES[] = {
	{ "/healthz", true, show_health },
	{ "/readyz", false, show_readiness },
	{ "/metrics", false, show_metrics },
};

/* --- a request --- */

/* Takes as long whatever the two have in common. */
static bool is_same_secret(const char *a, const char *b)
{
	const size_t a_size = strlen(a), b_size = strlen(b);
	unsigned char difference = a_size != b_size;
	for (size_t i = 0; i < b_size; i++)
		difference |= (unsigned char)((i < a_size ? a[i] : 0) ^ b[i]);
	return difference == 0;
}

static bool is_allowed(const struct listener *listener, struct MHD_Connection *connection)
{
	static const char BEARER[] = "Bearer ";
	if (listener->token == NULL)
		return true;
	const char *given = MHD_lookup_connection_value(
		connection, MHD_HEADER_KIND, MHD_HTTP_HEADER_AUTHORIZATION);
	return given != NULL && strncmp(given, BEARER, sizeof BEARER - 1) == 0 &&
	       is_same_secret(given + sizeof BEARER - 1, listener->token);
}

static const struct page *find_page(const char *path)
{
	for (size_t i = 0; i < sizeof PAGES / sizeof *PAGES; i++)
		if (strcmp(PAGES[i].path, path) == 0)
			return &PAGES[i];
	return NULL;
}

static void answer_request(struct listener *listener, struct MHD_Connection *connection,
	const char *path, const char *method, struct answer *answer)
{
	const struct page *page = find_page(path);
	if (strcmp(method, MHD_HTTP_METHOD_GET) != 0 && strcmp(method, MHD_HTTP_METHOD_HEAD) != 0) {
		answer->header = MHD_HTTP_HEADER_ALLOW;
		answer->header_value = "GET, HEAD";
		answer_error(answer, MHD_HTTP_METHOD_NOT_ALLOWED, "the method is not allowed",
			"Use GET or HEAD.");
	} else if (!(page != NULL && page->is_open) && !is_allowed(listener, connection)) {
		answer->header = MHD_HTTP_HEADER_WWW_AUTHENTICATE;
		answer->header_value = "Bearer";
		answer_error(answer, MHD_HTTP_UNAUTHORIZED, "the token is missing or wrong",
			"Send \"Authorization: Bearer ...\" with the value of http.token.");
	} else if (page == NULL) {
		answer_error(answer, MHD_HTTP_NOT_FOUND, "there is nothing here",
			"Look at /healthz, /readyz or /metrics.");
	} else {
		page->show(listener, answer);
	}
}

static enum MHD_Result send_answer(struct MHD_Connection *connection, struct answer *answer)
{
	struct MHD_Response *response = MHD_create_response_from_buffer(
		answer->body.size, answer->body.data, MHD_RESPMEM_MUST_COPY);
	buffer_deinit(&answer->body);
	if (response == NULL)
		return MHD_NO;
	enum MHD_Result done = MHD_add_response_header(
		response, MHD_HTTP_HEADER_CONTENT_TYPE, answer->content_type);
	if (done == MHD_YES && answer->header != NULL)
		done = MHD_add_response_header(response, answer->header, answer->header_value);
	if (done == MHD_YES)
		done = MHD_add_response_header(response, MHD_HTTP_HEADER_CACHE_CONTROL, "no-store");
	if (done == MHD_YES)
		done = MHD_queue_response(connection, answer->status, response);
	MHD_destroy_response(response);
	return done;
}

/* libmicrohttpd calls it once when the headers are there, and again with what follows them. */
static enum MHD_Result take_request(void *context, struct MHD_Connection *connection,
	const char *path, const char *method, const char *version, const char *upload,
	size_t *upload_size, void **state)
{
	struct answer answer = { 0 };
	(void)version;
	(void)upload;
	(void)upload_size;
	(void)state;
	answer_request(context, connection, path, method, &answer);
	return send_answer(connection, &answer);
}

/* --- opening --- */

static bool read_pem(const char *setting, const char *path, struct buffer *out, struct error *err)
{
	if (!world_read_file(world_posix(), path, PEM_BYTES_MAX, out, err)) {
		err->kind = ERROR_SETUP;
		error_hint(err, "%s must name a PEM file that this user may read.", setting);
		return error_context(err, "reading %s", setting);
	}
	buffer_append_u8(out, '\0');
	return true;
}

static bool demand(const char *listen, const char *setting, struct error *err)
{
	error_set(err, ERROR_SETUP,
		"http.listen \"%s\" is open to other machines, and %s is not set", listen, setting);
	return error_hint(err, "Beyond this machine http.token, http.certificate and http.key are "
			       "needed; or listen on 127.0.0.1.");
}

/* Before anything is taken from the socket. */
static bool check_safety(
	const struct configuration *configuration, const struct address *address, struct error *err)
{
	const char *listen = configuration->http_listen;
	if (!address->is_loopback && configuration->http_token == NULL)
		return demand(listen, "http.token", err);
	if (!address->is_loopback && configuration->http_certificate == NULL)
		return demand(listen, "http.certificate", err);
	if ((configuration->http_certificate == NULL) == (configuration->http_key == NULL))
		return true;
	error_set(err, ERROR_SETUP, "of http.certificate and http.key only one is set");
	return error_hint(err, "TLS needs both: a certificate, and its private key.");
}

static bool read_secrets(
	struct listener *listener, const struct configuration *configuration, struct error *err)
{
	if (configuration->http_token != NULL) {
		listener->token = strdup(configuration->http_token);
		assert(listener->token != NULL);
	}
	return configuration->http_certificate == NULL ||
	       (read_pem("http.certificate", configuration->http_certificate,
			&listener->certificate, err) &&
		       read_pem("http.key", configuration->http_key, &listener->key, err));
}

static void take_line(void *context, const char *format, va_list arguments)
	__attribute__((format(printf, 2, 0)));

static void take_line(void *context, const char *format, va_list arguments)
{
	char text[300];
	(void)context;
	vsnprintf(text, sizeof text, format, arguments);
	text[strcspn(text, "\r\n")] = '\0';
	logline_debug("http", LOG_TEXT("about", text));
}

/* Takes the socket when it works. */
static bool start(struct listener *listener, int socket, struct error *err)
{
	const bool is_tls = listener->certificate.size > 0;
	const unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL | MHD_USE_ITC |
			       MHD_USE_ERROR_LOG | (is_tls ? MHD_USE_TLS : 0);
	const struct MHD_OptionItem tls[] = {
		{ MHD_OPTION_HTTPS_MEM_CERT, 0, listener->certificate.data },
		{ MHD_OPTION_HTTPS_MEM_KEY, 0, listener->key.data },
		{ MHD_OPTION_END, 0, NULL },
	};
	listener->daemon = MHD_start_daemon(flags, 0, NULL, NULL, take_request, listener,
		MHD_OPTION_EXTERNAL_LOGGER, take_line, NULL, MHD_OPTION_LISTEN_SOCKET, socket,
		MHD_OPTION_CONNECTION_LIMIT, (unsigned)LISTENER_CONNECTIONS_MAX,
		MHD_OPTION_CONNECTION_MEMORY_LIMIT, (size_t)LISTENER_HEADER_BYTES_MAX,
		MHD_OPTION_CONNECTION_TIMEOUT, (unsigned)LISTENER_TIMEOUT_S,
		MHD_OPTION_STRICT_FOR_CLIENT, 1, MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,
		MHD_OPTION_ARRAY, is_tls ? tls : &tls[2], MHD_OPTION_END);
	if (listener->daemon != NULL)
		return true;
	error_set(err, ERROR_SETUP, "HTTP cannot be served%s",
		is_tls ? " with http.certificate and http.key" : "");
	return error_hint(
		err, is_tls ? "Both must be PEM files, and the key the certificate's own; "
			      "log.level debug says more."
			    : "log.level debug says why.");
}

static void announce(const struct listener *listener, const char *text)
{
	snprintf(listener->activity->http, sizeof listener->activity->http, "%s://%s",
		listener->certificate.size > 0 ? "https" : "http", text);
	logline_info("listening", LOG_TEXT("url", listener->activity->http));
}

bool listener_open(const struct configuration *configuration, struct process *process,
	struct listener **out, struct error *err)
{
	*out = NULL;
	if (strcmp(configuration->http_listen, "off") == 0)
		return true;
	struct listener *listener = memory_allocate(1, sizeof *listener);
	struct address address = { .socket = -1 };
	listener->activity = process_activity(process);
	listener->work_seen_at = INT64_MIN / 2; /* never */
	if (address_listen("http.listen", configuration->http_listen, &address, err) &&
		check_safety(configuration, &address, err) &&
		read_secrets(listener, configuration, err) &&
		start(listener, address.socket, err)) {
		announce(listener, address.text);
		*out = listener;
		return true;
	}
	if (address.socket >= 0)
		close(address.socket);
	listener_close(listener);
	return error_context(err, "starting to serve HTTP");
}

void listener_close(struct listener *listener)
{
	if (listener == NULL)
		return;
	if (listener->daemon != NULL)
		MHD_stop_daemon(listener->daemon);
	listener->activity->http[0] = '\0';
	buffer_deinit(&listener->certificate);
	buffer_deinit(&listener->key);
	free(listener->token);
	free(listener);
}
