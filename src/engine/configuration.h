/*
 * configuration.h: every setting of walberg, and how a user's files, environment and arguments
 * fill them.  `walberg --help` and docs/configuration.md are printed from the same table.
 */
#ifndef ENGINE_CONFIGURATION_H
#define ENGINE_CONFIGURATION_H

#include "base/setting/setting.h"

struct configuration { /* texts are in the arena of the loading */
	const char *source_url;
	const char *source_user;
	const char *source_password;
	const char *source_database;
	struct setting_list source_tables;
	const char *source_slot;
	int64_t source_connect_timeout;
	int64_t source_answer_timeout;

	const char *lake_directory; /* absolute after loading, as the paths below */
	const char *lake_warehouse; /* "/path", "s3://bucket/prefix" */
	const char *lake_catalog;   /* "sqlite:/path", "postgresql://host/database" */
	const char *lake_catalog_server;
	const char *lake_catalog_user; /* after loading, of PostgreSQL: the source's unless set */
	const char *lake_catalog_password;
	const char *lake_catalog_name;
	int64_t lake_catalog_timeout;
	int64_t lake_commit_interval;
	int64_t lake_memory;
	const char *lake_cache_directory;
	int64_t lake_cache_size;

	const char *s3_endpoint; /* NULL: Amazon's */
	const char *s3_region;
	const char *s3_access_key;
	const char *s3_secret_key;
	const char *s3_session_token;
	const char *s3_addressing;
	const char *s3_ca_file;
	const char *s3_profile;
	const char *s3_credentials_file;

	const char *log_directory;
	int64_t log_segment_size;
	int64_t log_size_limit;
	const char *log_level;
	const char *log_format;

	int64_t table_file_size;
	int64_t table_row_group_rows;
	int64_t table_zstd_level;

	int64_t history_age;
	int64_t history_versions_min;
	int64_t history_versions_max;
	int64_t history_removal_delay;

	int64_t query_memory;
	int64_t query_threads;

	const char *http_listen; /* "127.0.0.1:8080", or "off" */
	const char *http_token;
	const char *http_certificate; /* absolute paths */
	const char *http_key;
};

extern const struct setting_table CONFIGURATION_SETTINGS;

struct configuration_arguments {
	const char *file;               /* -c FILE; NULL: ./walberg.yaml when it exists */
	const char *lake;               /* --lake DIR; NULL */
	const char *url;                /* of the source, as an argument; NULL */
	const char *const *assignments; /* --set KEY=VALUE */
	size_t assignment_count;
};

/* All that the command line sets; in the arena. */
struct setting_assignments configuration_assignments(
	const struct configuration_arguments *arguments, struct arena *arena);

/* Whether the command line sets what there is, to what it can be: SETUP. */
bool configuration_check_arguments(
	const struct configuration_arguments *arguments, struct error *err) MUST_CHECK;

/* Kinds: SETUP. */
bool configuration_load(const struct configuration_arguments *arguments, struct arena *arena,
	struct configuration *out, struct error *err) MUST_CHECK;

/*
 * The absolute path behind "..", "." and symbolic links, whether it exists yet or not: it becomes a
 * part of the tables' locations, which do not depend on how and from where the lake is named.
 */
const char *configuration_path(const char *path, struct arena *arena);

/* Of two such paths: the directory itself, or in it. */
bool configuration_is_within(const char *path, const char *directory);

/* SETUP unless lake, log, cache and warehouse each have their files apart from the others'. */
bool configuration_check_places(
	const struct configuration *configuration, struct error *err) MUST_CHECK;

enum catalog_form {
	CATALOG_SQLITE = 1, /* *out is the file */
	CATALOG_POSTGRES,   /* *out is the connection string */
};

/* What lake.catalog names; UNSUPPORTED when it is neither. */
bool configuration_catalog(const struct configuration *configuration, enum catalog_form *form,
	const char **out, struct error *err) MUST_CHECK;

#endif
