#include "engine/configuration.h"

#include "base/world.h"
#include "net/postgres.h"
#include "store/s3/s3.h"

#include <ctype.h>
#include <stdlib.h>
#include <unistd.h>

enum {
	FILE_BYTES_MAX = 1024 * 1024,
};

#define AT(field) .offset = offsetof(struct configuration, field)

static const struct setting SETTINGS[] = {
	{ "source.url", SETTING_TEXT, NULL, .is_secret = true, AT(source_url),
		.help = "Connection string of the PostgreSQL server, as a URI or key=value text." },
	{ "source.user", SETTING_TEXT, NULL, AT(source_user),
		.help = "User of the source, where source.url names none." },
	{ "source.password", SETTING_TEXT, NULL, .is_secret = true, AT(source_password),
		.help = "Password of the source, where source.url has none." },
	{ "source.database", SETTING_TEXT, NULL, AT(source_database),
		.help = "Database of the source, where source.url names none." },
	{ "source.tables", SETTING_LIST, "*.*", AT(source_tables),
		.help = "Tables to capture, as schema.table; * stands for any part. Each of them "
			"must name a table." },
	{ "source.slot", SETTING_TEXT, NULL, AT(source_slot),
		.help = "Name of the replication slot and the publications, which may not exist "
			"before the lake makes them; walberg_<lake id> unless set then." },
	{ "source.connect_timeout", SETTING_DURATION, "10s", .minimum = 1000 * 1000,
		AT(source_connect_timeout),
		.help = "How long a connection to the source may take, and one to a catalog in "
			"PostgreSQL." },
	{ "source.answer_timeout", SETTING_DURATION, "60s", .minimum = 10 * 1000 * 1000,
		AT(source_answer_timeout),
		.help = "How long the source may leave a question without an answer before its "
			"connections are given up and made anew; not the rows of a table, nor "
			"changes, which may take any time." },
	{ "lake.directory", SETTING_TEXT, "./lake", AT(lake_directory),
		.help = "Directory of the lake: what the settings below default to." },
	{ "lake.warehouse", SETTING_TEXT, NULL, AT(lake_warehouse),
		.help = "Where the tables' files are: a directory, or s3://bucket/prefix; "
			"<lake.directory>/warehouse unless set." },
	{ "lake.catalog", SETTING_TEXT, NULL, .is_secret = true, AT(lake_catalog),
		.help = "The catalog, as sqlite:PATH, or as postgresql://host:port/database, a "
			"database of its own, which is made when it is missing; "
			"sqlite:<lake.directory>/catalog.db unless set." },
	{ "lake.catalog_server", SETTING_TEXT, NULL, .is_secret = true, AT(lake_catalog_server),
		.help = "PostgreSQL server, as postgresql://host:port: where lake.catalog is not "
			"set, the catalog is the database lake_catalog there." },
	{ "lake.catalog_user", SETTING_TEXT, NULL, AT(lake_catalog_user),
		.help = "User of a catalog in PostgreSQL, where lake.catalog names none; the "
			"source's unless set." },
	{ "lake.catalog_password", SETTING_TEXT, NULL, .is_secret = true, AT(lake_catalog_password),
		.help = "Password of a catalog in PostgreSQL, where lake.catalog has none; the "
			"source's unless set." },
	{ "lake.catalog_name", SETTING_TEXT, "walberg", AT(lake_catalog_name),
		.help = "Name by which other engines find the tables in the catalog." },
	{ "lake.catalog_timeout", SETTING_DURATION, "30s", .minimum = 10 * 1000 * 1000,
		AT(lake_catalog_timeout),
		.help = "How long the server of a catalog in PostgreSQL may leave a question "
			"without an answer before its connection is given up." },
	{ "lake.commit_interval", SETTING_DURATION, "400ms", .minimum = 10 * 1000,
		AT(lake_commit_interval),
		.help = "Pace of commits; it stretches so that they take at most a third of the "
			"time." },
	{ "lake.memory", SETTING_SIZE, "128MB", .minimum = 8 * 1024 * 1024, AT(lake_memory),
		.help = "Rows that wait in memory before they are written to files." },
	{ "lake.cache_directory", SETTING_TEXT, NULL, AT(lake_cache_directory),
		.help = "Directory of what queries have fetched from a warehouse that is not on "
			"this machine; <lake.directory>/cache unless set." },
	{ "lake.cache_size", SETTING_SIZE, "10GB", .minimum = 16 * 1024 * 1024, AT(lake_cache_size),
		.help = "Size of that directory; what was used longest ago goes. The columns that "
			"one query reads have to fit." },
	{ "s3.endpoint", SETTING_TEXT, NULL, AT(s3_endpoint),
		.help = "Address of the S3 server, as http://host:port; Amazon's of the region "
			"unless set." },
	{ "s3.region", SETTING_TEXT, "us-east-1", AT(s3_region),
		.help = "Region of the bucket, as the server names it." },
	{ "s3.access_key", SETTING_TEXT, NULL, AT(s3_access_key),
		.help = "Access key; with s3.secret_key from the shared file unless set." },
	{ "s3.secret_key", SETTING_TEXT, NULL, .is_secret = true, AT(s3_secret_key),
		.help = "Secret of the access key." },
	{ "s3.session_token", SETTING_TEXT, NULL, .is_secret = true, AT(s3_session_token),
		.help = "Token that belongs to a temporary access key." },
	{ "s3.addressing", SETTING_TEXT, NULL, .choices = "path,virtual", AT(s3_addressing),
		.help = "Whether the bucket stands in the path or in the host's name; path when "
			"s3.endpoint is set." },
	{ "s3.ca_file", SETTING_TEXT, NULL, AT(s3_ca_file),
		.help = "Certificates (PEM) that the S3 server's is checked against; the system's "
			"unless set." },
	{ "s3.profile", SETTING_TEXT, "default", AT(s3_profile),
		.help = "Profile in the shared file." },
	{ "s3.credentials_file", SETTING_TEXT, NULL, AT(s3_credentials_file),
		.help = "The shared file of access keys; ~/.aws/credentials unless set." },
	{ "log.directory", SETTING_TEXT, NULL, AT(log_directory),
		.help = "Directory of the log; <lake.directory>/log unless set." },
	{ "log.segment_size", SETTING_SIZE, "64MB", .minimum = 64 * 1024, AT(log_segment_size),
		.help = "Size at which a new segment of the log begins." },
	{ "log.size_limit", SETTING_SIZE, "16GB", .minimum = 1024 * 1024, AT(log_size_limit),
		.help = "Size of the log at which reading from the source stops until the lake has "
			"caught up." },
	{ "log.level", SETTING_TEXT, "info", .choices = "debug,info,warning,error", AT(log_level),
		.help = "The least important lines that are written to standard error." },
	{ "log.format", SETTING_TEXT, "text", .choices = "text,json", AT(log_format),
		.help = "Form of the lines on standard error." },
	{ "table.file_size", SETTING_SIZE, "128MB", .minimum = 1024 * 1024, AT(table_file_size),
		.help = "Size that data files are folded up to." },
	{ "table.row_group_rows", SETTING_INTEGER, "262144", .minimum = 1024,
		.maximum = 16 * 1024 * 1024, AT(table_row_group_rows),
		.help = "Rows of a row group in a data file." },
	{ "table.zstd_level", SETTING_INTEGER, "1", .minimum = 1, .maximum = 19,
		AT(table_zstd_level), .help = "Compression level of data files." },
	{ "history.age", SETTING_DURATION, "10min", .minimum = 1000 * 1000, AT(history_age),
		.help = "How long versions are kept." },
	{ "history.versions_min", SETTING_INTEGER, "10", .minimum = 1, .maximum = 100000,
		AT(history_versions_min), .help = "Versions that are kept whatever their age." },
	{ "history.versions_max", SETTING_INTEGER, "200", .minimum = 1, .maximum = 100000,
		AT(history_versions_max), .help = "Versions that are kept at most." },
	{ "history.removal_delay", SETTING_DURATION, "10min", AT(history_removal_delay),
		.help = "How long files stay after the last version that names them, for readers "
			"still at work." },
	{ "query.memory", SETTING_SIZE, "1GB", .minimum = 64 * 1024 * 1024, AT(query_memory),
		.help = "Memory of the query engine." },
	{ "query.threads", SETTING_INTEGER, "2", .minimum = 1, .maximum = 1024, AT(query_threads),
		.help = "Threads of the query engine." },
	{ "http.listen", SETTING_TEXT, "127.0.0.1:8080", AT(http_listen),
		.help = "Address and port of /healthz, /readyz and /metrics; port 0 is any free "
			"one, off is none. Beyond this machine it demands the three settings "
			"below." },
	{ "http.token", SETTING_TEXT, NULL, .is_secret = true, AT(http_token),
		.help = "What a client must send as \"Authorization: Bearer ...\", for all but "
			"/healthz." },
	{ "http.certificate", SETTING_TEXT, NULL, AT(http_certificate),
		.help = "File with the TLS certificate, in PEM, and those it rests on; plain HTTP "
			"unless set." },
	{ "http.key", SETTING_TEXT, NULL, AT(http_key),
		.help = "File with the certificate's private key, in PEM." },
};

static bool starts_with(const char *text, const char *prefix)
{
	return strncmp(text, prefix, strlen(prefix)) == 0;
}

/* jdbc:postgresql://host:port/database is libpq's URI with a word before it. */
static const char *without_jdbc(const char *text)
{
	return starts_with(text, "jdbc:postgresql:") ? text + strlen("jdbc:") : text;
}

static bool convert_jdbc(const char *text, struct arena *arena, const char **out, struct error *err)
{
	(void)arena;
	(void)err;
	*out = without_jdbc(text);
	return true;
}

static const struct setting_alias ALIASES[] = {
	{ "POSTGRES_URL", "source.url", convert_jdbc },
	{ "POSTGRES_USER", "source.user", NULL },
	{ "POSTGRES_PASSWORD", "source.password", NULL },
	{ "POSTGRES_DB", "source.database", NULL },
	{ "JDBC_BASE_URL", "lake.catalog_server", convert_jdbc },
	{ "AWS_ACCESS_KEY_ID", "s3.access_key", NULL },
	{ "AWS_SECRET_ACCESS_KEY", "s3.secret_key", NULL },
	{ "AWS_SESSION_TOKEN", "s3.session_token", NULL },
	{ "AWS_REGION", "s3.region", NULL },
	{ "AWS_DEFAULT_REGION", "s3.region", NULL },
	{ "AWS_ENDPOINT_URL_S3", "s3.endpoint", NULL },
	{ "AWS_ENDPOINT_URL", "s3.endpoint", NULL },
	{ "AWS_CA_BUNDLE", "s3.ca_file", NULL },
	{ "AWS_PROFILE", "s3.profile", NULL },
	{ "AWS_SHARED_CREDENTIALS_FILE", "s3.credentials_file", NULL },
	{ "MINIO_ACCESS_KEY", "s3.access_key", NULL },
	{ "MINIO_SECRET_KEY", "s3.secret_key", NULL },
};

const struct setting_table CONFIGURATION_SETTINGS = {
	SETTINGS,
	sizeof SETTINGS / sizeof *SETTINGS,
	ALIASES,
	sizeof ALIASES / sizeof *ALIASES,
};

static bool read_text(const char *path, bool is_asked_for, struct arena *arena,
	struct setting_file *out, struct error *err)
{
	struct buffer text = { 0 };
	char *absolute = realpath(path, NULL);
	*out = (struct setting_file){ .path = path };
	if (absolute == NULL)
		return !is_asked_for ||
		       error_set_errno(err, ERROR_SETUP, "cannot read \"%s\"", path);
	bool done = world_read_file(world_posix(), absolute, FILE_BYTES_MAX, &text, err);
	if (done)
		out->text = arena_copy_bytes(arena, buffer_bytes(&text));
	else
		err->kind = ERROR_SETUP;
	buffer_deinit(&text);
	free(absolute);
	return done;
}

const char *configuration_path(const char *path, struct arena *arena)
{
	char here[4096];
	if (path[0] != '/' && getcwd(here, sizeof here) != NULL)
		path = arena_format(arena, "%s/%s", here, path);
	char *out = arena_copy_cstring(arena, "");
	char *rest = arena_copy_cstring(arena, path);
	for (char *part; (part = strsep(&rest, "/")) != NULL;) {
		if (part[0] == '\0' || strcmp(part, ".") == 0)
			continue;
		if (strcmp(part, "..") == 0) {
			if (out[0] != '\0')
				*strrchr(out, '/') = '\0';
			continue;
		}
		out = arena_format(arena, "%s/%s", out, part);
		char *resolved = realpath(out, NULL);
		if (resolved != NULL)
			out = arena_copy_cstring(arena, strcmp(resolved, "/") == 0 ? "" : resolved);
		free(resolved);
	}
	return out[0] != '\0' ? out : "/";
}

static const char *within(const char *directory, const char *name, struct arena *arena)
{
	return arena_format(arena, "%s/%s", directory, name);
}

static void complete_paths(struct configuration *out, struct arena *arena)
{
	out->lake_directory = configuration_path(out->lake_directory, arena);
	const char *lake = out->lake_directory;
	if (out->lake_warehouse == NULL)
		out->lake_warehouse = within(lake, "warehouse", arena);
	else if (!s3_is_location(out->lake_warehouse))
		out->lake_warehouse = configuration_path(out->lake_warehouse, arena);
	out->lake_cache_directory = out->lake_cache_directory != NULL
					    ? configuration_path(out->lake_cache_directory, arena)
					    : within(lake, "cache", arena);
	out->log_directory = out->log_directory != NULL
				     ? configuration_path(out->log_directory, arena)
				     : within(lake, "log", arena);
	if (out->http_certificate != NULL)
		out->http_certificate = configuration_path(out->http_certificate, arena);
	if (out->http_key != NULL)
		out->http_key = configuration_path(out->http_key, arena);
}

bool configuration_is_within(const char *path, const char *directory)
{
	const size_t size = strcmp(directory, "/") == 0 ? 0 : strlen(directory);
	return strncmp(path, directory, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

bool configuration_check_places(const struct configuration *configuration, struct error *err)
{
	const struct place {
		const char *setting;
		const char *path;
	} lake = { "lake.directory", configuration->lake_directory },
	  log = { "log.directory", configuration->log_directory },
	  cache = { "lake.cache_directory", configuration->lake_cache_directory },
	  warehouse = { "lake.warehouse", configuration->lake_warehouse };
	const struct {
		const struct place *inner, *outer;
	} pairs[] = {
		{ &lake, &log },
		{ &cache, &log },
		{ &warehouse, &log },
		{ &log, &cache },
		{ &warehouse, &cache },
		{ &lake, &warehouse },
		{ &log, &warehouse },
		{ &cache, &warehouse },
	};
	for (size_t i = 0; i < sizeof pairs / sizeof *pairs; i++) {
		const struct place *inner = pairs[i].inner, *outer = pairs[i].outer;
		if (!configuration_is_within(inner->path, outer->path))
			continue;
		error_set(err, ERROR_SETUP, "%s \"%s\" lies in %s \"%s\"", inner->setting,
			inner->path, outer->setting, outer->path);
		return error_hint(err,
			"Give %s a place of its own: files there that are not its "
			"own are removed.",
			outer->setting);
	}
	return true;
}

/* --- the source ------------------------------------------------------------------------------ */

/* Without a name, libpq would take the user's. */
static void complete_source(struct configuration *out, struct arena *arena)
{
	const char *url = out->source_url, *database = out->source_database;
	if (url == NULL || database == NULL || postgres_url_part(url, "dbname", arena) != NULL)
		return;
	out->source_url = postgres_url_with_database(url, database, arena);
}

/* --- the catalog ---------------------------------------------------------------------------- */

static const char SQLITE[] = "sqlite:";

static bool catalog_on_server(
	const char *server, struct arena *arena, const char **out, struct error *err)
{
	if (!postgres_is_url(server)) {
		error_set(err, ERROR_SETUP, "lake.catalog_server does not name a server");
		return error_hint(err, "Write it as postgresql://host:port.");
	}
	*out = postgres_url_with_database(server, "lake_catalog", arena);
	return true;
}

/* A lake that was made before the server was named would be begun anew beside its own log. */
static bool check_no_file(
	const struct configuration *configuration, const char *file, struct error *err)
{
	if (access(file, F_OK) != 0)
		return true;
	error_set(err, ERROR_SETUP,
		"the lake in \"%s\" has its catalog in the file catalog.db, but "
		"lake.catalog_server names a server for it",
		configuration->lake_directory);
	return error_hint(err,
		"Set lake.catalog to sqlite:%s to go on with that lake, or choose "
		"another lake.directory.",
		file);
}

static bool complete_catalog(struct configuration *out, struct arena *arena, struct error *err)
{
	const char *file = within(out->lake_directory, "catalog.db", arena);
	const char *server = out->lake_catalog_server;
	if (out->lake_catalog == NULL && server == NULL)
		out->lake_catalog = arena_format(arena, "%s%s", SQLITE, file);
	else if (out->lake_catalog == NULL)
		return check_no_file(out, file, err) &&
		       catalog_on_server(without_jdbc(server), arena, &out->lake_catalog, err);
	else if (starts_with(out->lake_catalog, SQLITE))
		out->lake_catalog = arena_format(arena, "%s%s", SQLITE,
			configuration_path(out->lake_catalog + strlen(SQLITE), arena));
	else
		out->lake_catalog = without_jdbc(out->lake_catalog);
	return true;
}

static const char *of_source(
	const char *setting, const char *url, const char *keyword, struct arena *arena)
{
	return setting == NULL && url != NULL ? postgres_url_part(url, keyword, arena) : setting;
}

/* Whoever is another user than the source's has another password. */
static void complete_catalog_user(struct configuration *out, struct arena *arena)
{
	if (!postgres_is_url(out->lake_catalog) || out->lake_catalog_user != NULL ||
		postgres_url_part(out->lake_catalog, "user", arena) != NULL)
		return;
	out->lake_catalog_user = of_source(out->source_user, out->source_url, "user", arena);
	if (out->lake_catalog_password == NULL)
		out->lake_catalog_password =
			of_source(out->source_password, out->source_url, "password", arena);
}

bool configuration_catalog(const struct configuration *configuration, enum catalog_form *form,
	const char **out, struct error *err)
{
	const char *catalog = configuration->lake_catalog;
	*out = catalog;
	if (starts_with(catalog, SQLITE)) {
		*form = CATALOG_SQLITE;
		*out = catalog + strlen(SQLITE);
		return true;
	}
	if (postgres_is_url(catalog)) {
		*form = CATALOG_POSTGRES;
		return true;
	}
	error_set(err, ERROR_UNSUPPORTED,
		"lake.catalog names a catalog that this version does not know");
	return error_hint(err, "Use sqlite:PATH or postgresql://host:port/database.");
}

/* "s3:" of "s3:x/y": the beginning of a URI (RFC 3986, "Scheme"), which is no path. */
static bool has_scheme(const char *text)
{
	static const char SCHEME[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"
				     "0123456789+.-";
	return isalpha((unsigned char)text[0]) && text[strspn(text, SCHEME)] == ':';
}

/* --- loading -------------------------------------------------------------------------------- */

static bool check_warehouse(const struct configuration *configuration, struct error *err)
{
	const char *warehouse = configuration->lake_warehouse;
	if (warehouse == NULL || s3_is_location(warehouse) || !has_scheme(warehouse))
		return true;
	error_set(
		err, ERROR_SETUP, "lake.warehouse \"%s\" is not a place that is known", warehouse);
	return error_hint(err, "Set it to a directory, or to s3://BUCKET/PREFIX.");
}

static bool explain(struct error *err)
{
	if (err->hint[0] == '\0')
		error_hint(err, "\"walberg --help\" lists all settings and their forms.");
	return error_context(err, "reading the configuration");
}

struct setting_assignments configuration_assignments(
	const struct configuration_arguments *arguments, struct arena *arena)
{
	const char **assignments =
		arena_array(arena, const char *, arguments->assignment_count + 2);
	size_t count = 0;
	for (; count < arguments->assignment_count; count++)
		assignments[count] = arguments->assignments[count];
	if (arguments->url != NULL)
		assignments[count++] = arena_format(arena, "source.url=%s", arguments->url);
	if (arguments->lake != NULL)
		assignments[count++] = arena_format(arena, "lake.directory=%s", arguments->lake);
	return (struct setting_assignments){ assignments, count };
}

bool configuration_check_arguments(
	const struct configuration_arguments *arguments, struct error *err)
{
	struct arena arena = { 0 };
	struct configuration ignored = { 0 };
	const struct setting_sources sources = {
		.assignments = configuration_assignments(arguments, &arena),
	};
	const bool fits = setting_load(&CONFIGURATION_SETTINGS, &sources, &arena, &ignored, err);
	arena_deinit(&arena);
	return fits || explain(err);
}

bool configuration_load(const struct configuration_arguments *arguments, struct arena *arena,
	struct configuration *out, struct error *err)
{
	extern char **environ;
	struct setting_sources sources = {
		.assignments = configuration_assignments(arguments, arena),
		.environment = (const char *const *)environ,
	};
	const char *file = arguments->file != NULL ? arguments->file : "walberg.yaml";
	*out = (struct configuration){ 0 };
	if (!read_text(file, arguments->file != NULL, arena, &sources.yaml, err) ||
		!read_text(".env", false, arena, &sources.env, err) ||
		!setting_load(&CONFIGURATION_SETTINGS, &sources, arena, out, err) ||
		!check_warehouse(out, err))
		return explain(err);
	complete_paths(out, arena);
	complete_source(out, arena);
	if (!complete_catalog(out, arena, err))
		return explain(err);
	complete_catalog_user(out, arena);
	return true;
}
