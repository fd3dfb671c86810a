/*
 * cmd.h: the commands of walberg, each described once in a table that help is printed from.
 *
 *	walberg COMMAND [ARGUMENT...] [--lake DIR] [-c FILE] [--set KEY=VALUE]... [--json]
 *
 * Exit codes: 0 done; 1 it could not be done (the error says why), or the doctor has found
 * something wrong; 2 the command line is wrong.
 */
#ifndef CMD_CMD_H
#define CMD_CMD_H

#include "engine/configuration.h"
#include "event/lsn.h"

#include <signal.h>

enum {
	EXIT_DONE = 0,
	EXIT_ERROR = 1,
	EXIT_USAGE = 2,
};

struct cmd_line { /* what was typed, options taken out */
	struct configuration_arguments configuration;
	bool is_json;
	bool is_all;         /* --all */
	bool is_follow;      /* --follow */
	bool has_from;       /* --from */
	lsn_t from;          /* 0 without it */
	bool is_orphans;     /* --orphans */
	bool is_dry_run;     /* --dry-run */
	micros_t older_than; /* --older-than, or its default */
	size_t count;        /* plain arguments after the command's name */
	const char *const *arguments;
	volatile sig_atomic_t *stop; /* set by SIGINT and SIGTERM */
};

/* Of --older-than. */
#define CMD_OLDER_THAN_DEFAULT "3d"

enum cmd_option { /* beside those that every command takes */
	CMD_JSON = 1,
	CMD_ALL = 2,   /* in place of the arguments */
	CMD_STOPS = 4, /* no option: it looks at line->stop, and ends cleanly by itself */
	CMD_FOLLOW = 8,
	CMD_FROM = 16,
	CMD_ORPHANS = 32,
	CMD_DRY_RUN = 64,
	CMD_OLDER_THAN = 128,
};

struct cmd {
	const char *name;
	const char *arguments; /* "[CONNECTION]", "'SELECT ...'" */
	const char *help;      /* one sentence */
	size_t arguments_min;
	size_t arguments_max;
	/* An error of kind NONE was told already. */
	bool (*run)(const struct cmd_line *line, struct error *err);
	unsigned options;  /* of enum cmd_option */
	unsigned required; /* of these */
};

bool cmd_run(const struct cmd_line *line, struct error *err) MUST_CHECK;
bool cmd_init(const struct cmd_line *line, struct error *err) MUST_CHECK;
bool cmd_sql(const struct cmd_line *line, struct error *err) MUST_CHECK;
bool cmd_status(const struct cmd_line *line, struct error *err) MUST_CHECK;
bool cmd_snapshots(const struct cmd_line *line, struct error *err) MUST_CHECK;
bool cmd_snapshot(const struct cmd_line *line, struct error *err) MUST_CHECK;
bool cmd_log(const struct cmd_line *line, struct error *err) MUST_CHECK;
bool cmd_doctor(const struct cmd_line *line, struct error *err) MUST_CHECK;
bool cmd_maintain(const struct cmd_line *line, struct error *err) MUST_CHECK;
bool cmd_drop(const struct cmd_line *line, struct error *err) MUST_CHECK;

/* Parses and runs; the process's exit code. */
int cmd_main(int argc, const char *const *argv, volatile sig_atomic_t *stop);

/* docs/configuration.md, and what `walberg init` writes. */
void cmd_print_configuration(FILE *out);
void cmd_print_yaml(const struct setting_assignments *given, FILE *out);

/* --- shared by commands --- */

/*
 * And what is written to standard error from then on is as log.level and log.format say.
 * has_connection: the first argument is the source's connection string.
 */
bool cmd_load_configuration(const struct cmd_line *line, bool has_connection, struct arena *arena,
	struct configuration *out, struct error *err) MUST_CHECK;

/* The lake's tables, for looking.  MISSING when there is no lake. */
struct tables;
bool cmd_open_tables(const struct configuration *configuration, struct tables **out,
	struct error *err) MUST_CHECK;
void cmd_close_tables(struct tables *tables); /* also NULL */

#endif
