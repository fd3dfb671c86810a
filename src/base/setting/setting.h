/*
 * setting.h: every setting is described once, in a table, and read, checked and documented by it.
 *
 *	static const struct setting SETTINGS[] = {
 *		{ "lake.commit_interval", SETTING_DURATION, "400ms", .minimum = 10 * 1000,
 *			.help = "How long changes are gathered before they are committed.",
 *			.offset = offsetof(struct configuration, commit_interval) },
 *	};
 *
 * A value is taken from the first of these that gives one:
 *
 *	1. --set lake.commit_interval=1s
 *	2. the environment: WALBERG_LAKE_COMMIT_INTERVAL, then the aliases, in the table's order
 *	3. the YAML file: `lake: { commit_interval: 1s }`; nested maps are dotted names
 *	4. the `.env` file: names as in the environment
 *	5. the table
 *
 * An unknown --set or YAML name, and an unknown environment name that begins with WALBERG_, is an
 * error that names the nearest valid one.  An empty environment variable and a YAML null give no
 * value.  All errors are SETUP and say where the value stands; a secret's value is never shown.
 */
#ifndef BASE_SETTING_H
#define BASE_SETTING_H

#include "base/arena.h"

enum setting_type {
	SETTING_TEXT = 1, /* const char *; NULL when nothing gives it */
	SETTING_INTEGER,  /* int64_t */
	SETTING_SIZE,     /* int64_t, bytes: "512", "64kB", "256MB", "2GB"; units of 1024 */
	SETTING_DURATION, /* int64_t, microseconds: "400ms", "10s", "5min", "2h", "1d"; "0" */
	SETTING_BOOLEAN,  /* bool: true/false, yes/no, on/off */
	SETTING_LIST,     /* struct setting_list: "a, b", or a YAML sequence */
};

struct setting_list {
	const char **items;
	size_t count;
};

struct setting {
	const char *name; /* lower case, words joined by '_', groups by '.' */
	enum setting_type type;
	const char *value;   /* when nothing gives one, in text form; NULL: NULL, 0, false, empty */
	int64_t minimum;     /* of a number, in its unit */
	int64_t maximum;     /* 0: none */
	const char *choices; /* the texts allowed, "segment,kafka"; NULL: any */
	const char *help;    /* one sentence */
	bool is_secret;
	size_t offset; /* of the value in the caller's struct */
};

/* Another environment name of a setting. */
struct setting_alias {
	const char *environment;
	const char *name; /* NULL: a WALBERG_ name that is allowed and means nothing here */
	/* To the setting's text form, in the arena; NULL: as it is. */
	bool (*convert)(const char *text, struct arena *arena, const char **out, struct error *err);
};

struct setting_table {
	const struct setting *settings;
	size_t count;
	const struct setting_alias *aliases;
	size_t alias_count;
};

struct setting_file {
	const char *path;  /* for messages */
	struct bytes text; /* empty: no file */
};

struct setting_assignments { /* "KEY=VALUE" of each --set, in order; a later one wins */
	const char *const *items;
	size_t count;
};

struct setting_sources {
	struct setting_assignments assignments;
	const char *const *environment; /* as environ; NULL: none */
	struct setting_file yaml;
	struct setting_file env;
};

/* Fills the struct at out, whose texts are in the arena or the table. */
bool setting_load(const struct setting_table *table, const struct setting_sources *sources,
	struct arena *arena, void *out, struct error *err) MUST_CHECK;

enum {
	SETTING_NAME_SIZE = 128
};

/* "WALBERG_LAKE_COMMIT_INTERVAL"; returns out. */
const char *setting_environment_name(const char *name, char out[SETTING_NAME_SIZE]);

/* The text forms of SETTING_SIZE and SETTING_DURATION; false when ill formed or too great. */
bool setting_parse_size(const char *text, int64_t *size_bytes);
bool setting_parse_duration(const char *text, int64_t *micros);

void setting_print_help(const struct setting_table *table, FILE *out);
void setting_print_markdown(const struct setting_table *table, FILE *out);
/* All commented out, but what is assigned. */
void setting_print_yaml(
	const struct setting_table *table, const struct setting_assignments *given, FILE *out);

#endif
