#include "net/postgres.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <libpq-fe.h>
#include <poll.h>
#include <stdlib.h>
#include <sys/socket.h>

enum {
	SERVER_VERSION_MIN = 140000,
	SERVER_VERSION_TRANSACTION_TIMEOUT = 170000,
	CONNECT_SECONDS_MIN = 2, /* libpq's own least value */
	MESSAGE_SIZE = 400,
};

struct postgres {
	PGconn *connection;
	const char *password_setting;
	micros_t answer_timeout; /* 0: none */
	bool is_silent;          /* it was over: the connection is given up */
};

/* What a kind of failure asks of the administrator. First match wins; a shorter code is a class. */
struct state_rule {
	const char *code;
	enum error_kind kind;
	const char *hint;
};

static const char PASSWORD_HINT[] =
	"Check the user name and the password, in the connection string or ";

static const struct state_rule STATE_RULES[] = {
	{ "08", ERROR_LOST, "" },
	{ "57P01", ERROR_LOST, "" },
	{ "57P02", ERROR_LOST, "" },
	{ "57P03", ERROR_LOST, "" },
	{ "57P05", ERROR_LOST, "" },
	{ "57014", ERROR_BUSY, "" },
	{ "28P01", ERROR_SETUP, PASSWORD_HINT },
	{ "28", ERROR_SETUP,
		"Check the user name in the connection string, and the server's pg_hba.conf." },
	{ "3D000", ERROR_SETUP, "Check the database name in the connection string." },
	{ "42501", ERROR_SETUP, "Grant the privilege to the role that walberg connects as." },
	{ "55006", ERROR_BUSY, "" },
	{ "55P03", ERROR_BUSY, "Another transaction holds a lock on it; see pg_locks." },
	{ "53300", ERROR_BUSY,
		"Close other connections, or raise max_connections or max_wal_senders." },
	{ "53400", ERROR_SETUP,
		"Raise max_replication_slots and restart PostgreSQL, or drop an unused slot." },
	{ "53", ERROR_BUSY, "" },
	{ "40", ERROR_BUSY, "" },
	{ "42P01", ERROR_MISSING, "" },
	{ "42704", ERROR_MISSING, "" },
	{ "42703", ERROR_MISSING, "" },
	{ "3F000", ERROR_MISSING, "" },
	{ "42710", ERROR_CONFLICT, "" },
	{ "55000", ERROR_SETUP, "" },
	{ "58", ERROR_SETUP, "" },
	{ "XX001", ERROR_CORRUPT, "" },
	{ "XX002", ERROR_CORRUPT, "" },
};

/*
 * A failed connection has no SQLSTATE in libpq's interface, only a text. A server that speaks
 * another language than English falls to the last rule, LOST, which still shows its words.
 */
static const struct state_rule CONNECT_RULES[] = {
	{ "password", ERROR_SETUP, PASSWORD_HINT },
	{ "no pg_hba.conf entry", ERROR_SETUP,
		"Allow this user, database and address in the server's pg_hba.conf." },
	{ "authentication", ERROR_SETUP, PASSWORD_HINT },
	{ "permission denied for database", ERROR_SETUP,
		"Run GRANT CONNECT ON DATABASE ... TO the connection string's user." },
	{ "must be superuser or replication role", ERROR_SETUP,
		"Run ALTER ROLE ... REPLICATION for the connection string's user." },
	{ "permission denied to start WAL sender", ERROR_SETUP,
		"Run ALTER ROLE ... REPLICATION for the connection string's user." },
	{ "role \"", ERROR_SETUP, "Check the user name in the connection string." },
	{ "database \"", ERROR_SETUP, "Check the database name in the connection string." },
	{ "max_wal_senders (currently 0)", ERROR_SETUP,
		"Set max_wal_senders = 10 in postgresql.conf and restart PostgreSQL." },
	{ "max_wal_senders", ERROR_BUSY, "Raise max_wal_senders and restart PostgreSQL." },
	{ "too many", ERROR_BUSY, "Close other connections, or raise max_connections." },
	{ "reserved for", ERROR_BUSY, "Close other connections, or raise max_connections." },
	{ "invalid ", ERROR_SETUP, "Correct the connection string." },
	{ "certificate", ERROR_SETUP,
		"Correct sslmode, sslrootcert or sslcert in the connection string." },
	{ "", ERROR_LOST,
		"Check that PostgreSQL runs, and host and port in the connection string." },
};

/* One line, without the blanks that libpq puts around sentences; each ends with a full stop. */
static void squeeze(const char *text, char out[static MESSAGE_SIZE])
{
	size_t used = 0;
	bool is_gap = false;
	bool is_line_end = false;
	for (; *text != '\0' && used + 3 < MESSAGE_SIZE; text++) {
		if (isspace((unsigned char)*text)) {
			is_gap = used > 0;
			is_line_end = is_line_end || *text == '\n';
			continue;
		}
		if (is_gap && is_line_end && isalnum((unsigned char)out[used - 1]))
			out[used++] = '.';
		if (is_gap)
			out[used++] = ' ';
		is_gap = is_line_end = false;
		out[used++] = *text;
	}
	out[used] = '\0';
}

static bool give_hint(const struct postgres *postgres, const char *hint, struct error *err)
{
	if (hint == PASSWORD_HINT)
		return error_hint(err, "%s%s.", hint, postgres->password_setting);
	return error_hint(err, "%s", hint);
}

static bool connect_failed(const struct postgres *postgres, struct error *err)
{
	char message[MESSAGE_SIZE];
	squeeze(PQerrorMessage(postgres->connection), message);
	const struct state_rule *rule = CONNECT_RULES;
	while (strstr(message, rule->code) == NULL)
		rule++;
	error_set(err, rule->kind, "PostgreSQL cannot be reached: %s", message);
	return give_hint(postgres, rule->hint, err);
}

static const struct state_rule *rule_of_state(const char *state)
{
	static const struct state_rule other = { "", ERROR_UNSUPPORTED, "" };
	for (size_t i = 0; i < sizeof STATE_RULES / sizeof STATE_RULES[0]; i++)
		if (strncmp(state, STATE_RULES[i].code, strlen(STATE_RULES[i].code)) == 0)
			return &STATE_RULES[i];
	return &other;
}

bool postgres_failed(struct postgres *postgres, const struct pg_result *result, struct error *err)
{
	char message[MESSAGE_SIZE];
	const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
	if (state == NULL && postgres->is_silent)
		return error_set(err, ERROR_LOST,
			"PostgreSQL has not answered for %lld s: its connection is given up",
			(long long)(postgres->answer_timeout / MICROS_PER_SECOND));
	if (state == NULL) {
		squeeze(PQerrorMessage(postgres->connection), message);
		return error_set(err, ERROR_LOST, "the connection to PostgreSQL is lost: %s",
			message[0] ? message : "the server closed it");
	}
	squeeze(PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY), message);
	const struct state_rule *rule = rule_of_state(state);
	const bool is_gone = PQstatus(postgres->connection) == CONNECTION_BAD;
	error_set(err, is_gone && rule->kind != ERROR_SETUP ? ERROR_LOST : rule->kind,
		"PostgreSQL says: %s (SQLSTATE %s)", message, state);
	const char *hint = PQresultErrorField(result, PG_DIAG_MESSAGE_HINT);
	return give_hint(postgres, rule->hint[0] || hint == NULL ? rule->hint : hint, err);
}

/* ---- opening ---------------------------------------------------------------------------- */

static bool is_port_list(const char *text)
{
	return text == NULL || strspn(text, "0123456789,") == strlen(text);
}

/*
 * A password with '@' or '/' in a URI that does not percent-encode them ends up in the host, the
 * port or the database name, from where messages would quote it. Such a URI is refused unquoted.
 */
static bool check_url(const struct postgres_target *target, struct error *err)
{
	const char *url = target->url;
	char *complaint = NULL;
	PQconninfoOption *options = PQconninfoParse(url, &complaint);
	bool is_valid = options != NULL;
	PQfreemem(complaint);
	for (const PQconninfoOption *o = options; is_valid && o->keyword != NULL; o++) {
		const bool is_name = strcmp(o->keyword, "host") == 0 ||
				     strcmp(o->keyword, "dbname") == 0 ||
				     strcmp(o->keyword, "user") == 0;
		if (o->val != NULL && is_name && strchr(o->val, '@') != NULL &&
			strncmp(url, "postgres", strlen("postgres")) == 0)
			is_valid = false;
		if (strcmp(o->keyword, "port") == 0 && !is_port_list(o->val))
			is_valid = false;
	}
	PQconninfoFree(options);
	if (is_valid)
		return true;
	error_set(err, ERROR_SETUP, "the %s's connection string cannot be understood",
		target->owner != NULL ? target->owner : "source");
	return error_hint(err,
		"Write postgresql://user:password@host:port/database, and "
		"percent-encode special characters in the password (@ is %%40, / is %%2F).");
}

static void ignore_notice(void *context, const PGresult *result)
{
	(void)context;
	(void)result;
}

/* Of a database in SQL_ASCII, bytes that are no UTF-8 come as they are: a value, not an error. */
static bool set_encoding(struct postgres *postgres, struct error *err)
{
	const char *encoding = PQparameterStatus(postgres->connection, "server_encoding");
	const bool is_raw = encoding != NULL && strcmp(encoding, "SQL_ASCII") == 0;
	return postgres_run(postgres,
		is_raw ? "SET client_encoding = 'SQL_ASCII'" : "SET client_encoding = 'UTF8'", err);
}

static bool set_session(struct postgres *postgres, struct error *err)
{
	if (postgres_server_version(postgres) < SERVER_VERSION_MIN) {
		error_set(err, ERROR_UNSUPPORTED, "the server is PostgreSQL %s",
			PQparameterStatus(postgres->connection, "server_version"));
		return error_hint(err, "walberg reads from PostgreSQL 14 and newer.");
	}
	if (!postgres_run(postgres,
		    "SET search_path = ''; SET row_security = off;"
		    "SET DateStyle = 'ISO'; SET IntervalStyle = 'iso_8601'; SET TimeZone = 'UTC';"
		    "SET extra_float_digits = 3; SET bytea_output = 'hex';"
		    "SET statement_timeout = 0; SET lock_timeout = 0; SET idle_session_timeout = 0;"
		    "SET idle_in_transaction_session_timeout = 0;"
		    "SET default_transaction_read_only = off",
		    err))
		return false;
	if (!set_encoding(postgres, err))
		return false;
	if (postgres_server_version(postgres) < SERVER_VERSION_TRANSACTION_TIMEOUT)
		return true;
	return postgres_run(postgres, "SET transaction_timeout = 0", err);
}

static PGconn *connect_to(const struct postgres_target *target)
{
	int64_t seconds = target->connect_timeout / MICROS_PER_SECOND;
	if (seconds < CONNECT_SECONDS_MIN)
		seconds = CONNECT_SECONDS_MIN;
	char timeout[24];
	snprintf(timeout, sizeof timeout, "%lld", (long long)seconds);
	/* What stands before dbname gives way to the URL, what stands after it does not. */
	const char *const keywords[] = { "user", "password", "keepalives_idle",
		"keepalives_interval", "keepalives_count", "tcp_user_timeout", "dbname", "dbname",
		"connect_timeout", "application_name",
		target->is_replication ? "replication" : NULL, NULL };
	const char *const values[] = { target->user, target->password, "10", "5", "3", "30000",
		target->url, target->database, timeout, "walberg", "database", NULL };
	return PQconnectdbParams(keywords, values, 1);
}

bool postgres_open(const struct postgres_target *target, struct postgres **out, struct error *err)
{
	*out = NULL;
	if (!check_url(target, err))
		return false;
	struct postgres *postgres = memory_allocate(1, sizeof *postgres);
	postgres->password_setting =
		target->password_setting != NULL ? target->password_setting : "source.password";
	postgres->connection = connect_to(target);
	if (PQstatus(postgres->connection) != CONNECTION_OK) {
		connect_failed(postgres, err);
		postgres_close(postgres);
		return false;
	}
	PQsetNoticeReceiver(postgres->connection, ignore_notice, NULL);
	postgres->answer_timeout = target->answer_timeout;
	if (postgres->answer_timeout != 0 && PQsetnonblocking(postgres->connection, 1) != 0) {
		postgres_failed(postgres, NULL, err);
		postgres_close(postgres);
		return false;
	}
	if (!set_session(postgres, err)) {
		postgres_close(postgres);
		return false;
	}
	*out = postgres;
	return true;
}

void postgres_close(struct postgres *postgres)
{
	if (postgres == NULL)
		return;
	PQfinish(postgres->connection);
	free(postgres);
}

const char *postgres_url_part(const char *url, const char *keyword, struct arena *arena)
{
	const char *found = NULL;
	PQconninfoOption *options = PQconninfoParse(url, NULL);
	for (const PQconninfoOption *o = options; o != NULL && o->keyword != NULL; o++)
		if (o->val != NULL && o->val[0] != '\0' && strcmp(o->keyword, keyword) == 0)
			found = arena_copy_cstring(arena, o->val);
	PQconninfoFree(options);
	return found;
}

bool postgres_is_url(const char *text)
{
	static const char *const SCHEMES[] = { "postgresql://", "postgres://" };
	return strncmp(text, SCHEMES[0], strlen(SCHEMES[0])) == 0 ||
	       strncmp(text, SCHEMES[1], strlen(SCHEMES[1])) == 0;
}

/* As a part of a URI, or as a value in key=value text. */
static const char *escaped(const char *text, bool is_url, struct arena *arena)
{
	const char *out = "";
	for (; *text != '\0'; text++) {
		const unsigned char byte = (unsigned char)*text;
		const bool is_plain =
			is_url ? isalnum(byte) || byte == '_' : byte != '\'' && byte != '\\';
		out = arena_format(arena,
			is_plain ? "%s%c"
			: is_url ? "%s%%%02X"
				 : "%s\\%c",
			out, byte);
	}
	return out;
}

const char *postgres_url_with_database(const char *url, const char *database, struct arena *arena)
{
	const bool is_url = postgres_is_url(url);
	database = escaped(database, is_url, arena);
	if (!is_url)
		return arena_format(arena, "%s dbname='%s'", url, database);
	const char *address = strstr(url, "://") + strlen("://");
	const char *end = address + strcspn(address, "/?");
	const char *parameters = strchr(url, '?');
	return arena_format(arena, "%.*s/%s%s", (int)(end - url), url, database,
		parameters != NULL ? parameters : "");
}

static const char *copy_or_null(const char *text, struct arena *arena)
{
	return text != NULL ? arena_copy_cstring(arena, text) : NULL;
}

struct postgres_target postgres_copy_target(
	const struct postgres_target *target, struct arena *arena)
{
	struct postgres_target copy = *target;
	copy.url = copy_or_null(target->url, arena);
	copy.user = copy_or_null(target->user, arena);
	copy.password = copy_or_null(target->password, arena);
	copy.database = copy_or_null(target->database, arena);
	copy.owner = copy_or_null(target->owner, arena);
	copy.password_setting = copy_or_null(target->password_setting, arena);
	return copy;
}

const char *postgres_place(const struct postgres_target *target, struct arena *arena)
{
	const char *host = postgres_url_part(target->url, "host", arena);
	const char *port = postgres_url_part(target->url, "port", arena);
	const char *database = target->database;
	if (database == NULL)
		database = postgres_url_part(target->url, "dbname", arena);
	return arena_format(arena, "postgresql://%s%s%s/%s", host != NULL ? host : "",
		port != NULL ? ":" : "", port != NULL ? port : "",
		database != NULL ? database : "");
}

int postgres_server_version(const struct postgres *postgres)
{
	return PQserverVersion(postgres->connection);
}

int postgres_backend_pid(const struct postgres *postgres)
{
	return PQbackendPID(postgres->connection);
}

struct pg_conn *postgres_handle(struct postgres *postgres)
{
	return postgres->connection;
}

/* ---- answers ---------------------------------------------------------------------------- */

static int poll_millis(micros_t timeout)
{
	const int64_t millis = (timeout + MICROS_PER_MILLI - 1) / MICROS_PER_MILLI;
	return millis > INT32_MAX ? INT32_MAX : (int)millis;
}

/* Whatever libpq waits for next on this connection then fails at once. */
static void give_up(struct postgres *postgres)
{
	postgres->is_silent = true;
	shutdown(PQsocket(postgres->connection), SHUT_RDWR);
}

/* Until the next result can be taken without waiting, or the connection is broken. */
static void await_result(struct postgres *postgres)
{
	PGconn *connection = postgres->connection;
	while (PQsocket(connection) >= 0) {
		const int unsent = PQflush(connection);
		if (unsent < 0 || PQisBusy(connection) == 0)
			return;
		struct pollfd wait = {
			.fd = PQsocket(connection),
			.events = (short)(POLLIN | (unsent > 0 ? POLLOUT : 0)),
		};
		const int ready = poll(&wait, 1, poll_millis(postgres->answer_timeout));
		if (ready == 0)
			give_up(postgres);
		if (ready == 0 || (ready < 0 && errno != EINTR))
			return;
		if (ready > 0 && (wait.revents & ~POLLOUT) != 0 && PQconsumeInput(connection) == 0)
			return;
	}
}

struct pg_result *postgres_next_result(struct postgres *postgres)
{
	if (postgres->answer_timeout != 0)
		await_result(postgres);
	return PQgetResult(postgres->connection);
}

/* As long as it lasts, there is no other result. */
static bool is_copy(ExecStatusType status)
{
	return status == PGRES_COPY_IN || status == PGRES_COPY_OUT || status == PGRES_COPY_BOTH;
}

struct pg_result *postgres_execute(struct postgres *postgres, const char *sql)
{
	PGconn *connection = postgres->connection;
	if (postgres->answer_timeout == 0)
		return PQexec(connection, sql);
	if (PQpipelineStatus(connection) != PQ_PIPELINE_OFF || PQsendQuery(connection, sql) != 1)
		return NULL;
	PGresult *last = NULL;
	for (PGresult *next; (next = postgres_next_result(postgres)) != NULL;) {
		/* Behind the server's reason there is only that the connection has ended. */
		const bool is_reason = PQresultStatus(last) == PGRES_FATAL_ERROR && last != NULL;
		PQclear(is_reason ? next : last);
		last = is_reason ? last : next;
		if (is_copy(PQresultStatus(last)))
			break;
	}
	return last;
}

/* ---- queries ---------------------------------------------------------------------------- */

bool postgres_query(
	struct postgres *postgres, const char *sql, struct postgres_rows *out, struct error *err)
{
	*out = (struct postgres_rows){ 0 };
	PGresult *result = postgres_execute(postgres, sql);
	const ExecStatusType status = PQresultStatus(result);
	if (status != PGRES_TUPLES_OK && status != PGRES_COMMAND_OK) {
		postgres_failed(postgres, result, err);
		PQclear(result);
		return false;
	}
	*out = (struct postgres_rows){ result, (size_t)PQntuples(result) };
	return true;
}

bool postgres_run(struct postgres *postgres, const char *sql, struct error *err)
{
	struct postgres_rows rows;
	if (!postgres_query(postgres, sql, &rows, err))
		return false;
	postgres_rows_close(&rows);
	return true;
}

const char *postgres_text(const struct postgres_rows *rows, size_t row, int column)
{
	assert(row < rows->count && column < PQnfields(rows->result));
	if (PQgetisnull(rows->result, (int)row, column))
		return NULL;
	return PQgetvalue(rows->result, (int)row, column);
}

int64_t postgres_int64(const struct postgres_rows *rows, size_t row, int column)
{
	const char *text = postgres_text(rows, row, column);
	return text != NULL ? strtoll(text, NULL, 10) : 0;
}

bool postgres_bool(const struct postgres_rows *rows, size_t row, int column)
{
	const char *text = postgres_text(rows, row, column);
	return text != NULL && text[0] == 't';
}

void postgres_rows_close(struct postgres_rows *rows)
{
	PQclear(rows->result);
	*rows = (struct postgres_rows){ 0 };
}

void postgres_cancel(struct postgres *postgres)
{
	PGcancel *cancel = PQgetCancel(postgres->connection);
	if (cancel == NULL)
		return;
	char complaint[256];
	PQcancel(cancel, complaint, sizeof complaint);
	PQfreeCancel(cancel);
}

bool postgres_wait(
	struct postgres *postgres, micros_t timeout, bool *is_readable, struct error *err)
{
	struct pollfd wait = { .fd = PQsocket(postgres->connection), .events = POLLIN };
	if (wait.fd < 0)
		return postgres_failed(postgres, NULL, err);
	const int ready = poll(&wait, 1, poll_millis(timeout));
	if (ready < 0 && errno != EINTR)
		return error_set_errno(err, ERROR_LOST, "waiting for PostgreSQL failed");
	*is_readable = ready > 0;
	return true;
}

/* ---- quoting ---------------------------------------------------------------------------- */

static char *quote(
	struct arena *arena, const char *prefix, char mark, bool with_backslash, const char *text)
{
	char *quoted = arena_alloc(arena, 2 * strlen(text) + strlen(prefix) + 3, 1);
	char *at = stpcpy(quoted, prefix);
	*at++ = mark;
	for (; *text != '\0'; text++) {
		if (*text == mark || (with_backslash && *text == '\\'))
			*at++ = *text;
		*at++ = *text;
	}
	*at = mark;
	return quoted;
}

const char *postgres_identifier(struct arena *arena, const char *name)
{
	return quote(arena, "", '"', false, name);
}

/* With a backslash the E form, which reads alike whatever standard_conforming_strings is. */
const char *postgres_literal(struct arena *arena, const char *text)
{
	const bool has_backslash = strchr(text, '\\') != NULL;
	return quote(arena, has_backslash ? " E" : "", '\'', has_backslash, text);
}

const char *postgres_qualified(struct arena *arena, const char *schema, const char *name)
{
	return arena_format(arena, "%s.%s", postgres_identifier(arena, schema),
		postgres_identifier(arena, name));
}
