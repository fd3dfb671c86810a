#include "cmd/cmd.h"

#include "engine/metrics.h"

#include <errno.h>
#include <stdarg.h>

static const struct cmd COMMANDS[] = {
	{ "run", "[CONNECTION]", "Capture the source's tables into the lake until stopped.", 0, 1,
		cmd_run, CMD_STOPS, 0 },
	{ "sql", "['SELECT ...']", "Query the lake; without an argument, read statements.", 0, 1,
		cmd_sql, CMD_JSON, 0 },
	{ "status", "[CONNECTION]", "Show the lake, its process, its source and its tables.", 0, 1,
		cmd_status, CMD_JSON, 0 },
	{ "snapshots", "", "List the positions that can be queried, with their versions.", 0, 0,
		cmd_snapshots, CMD_JSON, 0 },
	{ "snapshot", "TABLE | --all", "Read a table, or everything, from the source again.", 1, 1,
		cmd_snapshot, CMD_ALL | CMD_STOPS, 0 },
	{ "log", "", "Show the source's committed changes that are in the log.", 0, 0, cmd_log,
		CMD_JSON | CMD_FOLLOW | CMD_FROM | CMD_STOPS, 0 },
	{ "doctor", "[CONNECTION]",
		"Check source, catalog, store and log, and say what mends them.", 0, 1, cmd_doctor,
		CMD_JSON, 0 },
	{ "maintain", "", "Remove files in the warehouse that belong to no version of any table.",
		0, 0, cmd_maintain, CMD_JSON | CMD_ORPHANS | CMD_DRY_RUN | CMD_OLDER_THAN,
		CMD_ORPHANS },
	{ "init", "[CONNECTION]",
		"Write walberg.yaml, with what is given, and every other setting to edit.", 0, 1,
		cmd_init, 0, 0 },
	{ "drop", "[CONNECTION]", "Drop slot and publications from the source; keep the tables.", 0,
		1, cmd_drop, 0, 0 },
};

enum {
	COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS,
};

struct option {
	const char *name;
	const char *value; /* "DIR"; NULL: a switch */
	unsigned command;  /* of enum cmd_option; 0: every command takes it */
	const char *help;
	size_t offset; /* in struct cmd_line: of a const char *, or a bool */
	/* In place of offset, false when the value is not what `form` says. */
	bool (*take)(struct cmd_line *line, const char *value);
	const char *form;
};

static bool take_from(struct cmd_line *line, const char *value)
{
	return line->has_from = lsn_parse(value, &line->from);
}

static bool take_older_than(struct cmd_line *line, const char *value)
{
	return setting_parse_duration(value, &line->older_than) && line->older_than >= 0;
}

#define AT(field) offsetof(struct cmd_line, field)

/* --set is repeated, and has a place of its own. */
static const struct option OPTIONS[] = {
	{ "--lake", "DIR", 0, "the lake's directory (./lake)", AT(configuration.lake), NULL, NULL },
	{ "-c", "FILE", 0, "the configuration (./walberg.yaml when it is there)",
		AT(configuration.file), NULL, NULL },
	{ "--config", "FILE", 0, "the same as -c", AT(configuration.file), NULL, NULL },
	{ "--set", "KEY=VALUE", 0, "one setting; may be repeated", 0, NULL, NULL },
	{ "--json", NULL, CMD_JSON, "results for programs", AT(is_json), NULL, NULL },
	{ "--all", NULL, CMD_ALL, "every table", AT(is_all), NULL, NULL },
	{ "--follow", NULL, CMD_FOLLOW, "go on with what comes, from now or from --from on",
		AT(is_follow), NULL, NULL },
	{ "--from", "LSN", CMD_FROM, "only what was committed after this position", 0, take_from,
		"a position, as \"walberg snapshots\" writes it: 0/16B3748" },
	{ "--orphans", NULL, CMD_ORPHANS, "files that no version of any table names",
		AT(is_orphans), NULL, NULL },
	{ "--dry-run", NULL, CMD_DRY_RUN, "look, and remove nothing", AT(is_dry_run), NULL, NULL },
	{ "--older-than", "DURATION", CMD_OLDER_THAN,
		"only files of at least this age (" CMD_OLDER_THAN_DEFAULT ")", 0, take_older_than,
		"a duration, as 3d, 12h or 30min" },
};

enum {
	OPTION_COUNT = sizeof OPTIONS / sizeof *OPTIONS,
};

/* ---- help ---- */

/* " (log, status)": who takes it; nothing for an option of all. */
static void print_takers(const struct option *option, FILE *out)
{
	const char *before = " (";
	for (size_t i = 0; option->command != 0 && i < COMMAND_COUNT; i++) {
		if (!(COMMANDS[i].options & option->command))
			continue;
		fprintf(out, "%s%s", before, COMMANDS[i].name);
		before = ", ";
	}
	fputs(option->command != 0 ? ")\n" : "\n", out);
}

/* Of a command, or of all when it is NULL. */
static void print_options(const struct cmd *command, FILE *out)
{
	fputs("options:\n", out);
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option *option = &OPTIONS[i];
		char name[40];
		if (command != NULL && option->command != 0 &&
			!(command->options & option->command))
			continue;
		snprintf(name, sizeof name, "%s%s%s", option->name, option->value ? " " : "",
			option->value ? option->value : "");
		fprintf(out, "  %-25s %s", name, option->help);
		if (command == NULL)
			print_takers(option, out);
		else
			fputc('\n', out);
	}
	fputs("  --version, --help\n", out);
}

static void print_help(FILE *out)
{
	fputs("walberg " WALBERG_VERSION
	      ": PostgreSQL's changes, live, in Apache Iceberg tables\n\n"
	      "usage: walberg COMMAND [ARGUMENT] [OPTION...]\n\n"
	      "  walberg run postgresql://user@host/database\n"
	      "  walberg sql 'SELECT count(*) FROM orders'\n\n"
	      "commands:\n",
		out);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-9s %-15s %s\n", COMMANDS[i].name, COMMANDS[i].arguments,
			COMMANDS[i].help);
	fputc('\n', out);
	print_options(NULL, out);
	fputs("\nexit codes: 0 done, 1 not done (the error says why), 2 the command line is "
	      "wrong\n\nsettings, from the first of --set, environment, configuration file, "
	      ".env\n(lake.memory is WALBERG_LAKE_MEMORY in the environment):\n\n",
		out);
	setting_print_help(&CONFIGURATION_SETTINGS, out);
}

static void print_command_help(const struct cmd *command, FILE *out)
{
	fprintf(out, "usage: walberg %s%s%s [OPTION...]\n\n%s\n\n", command->name,
		command->arguments[0] ? " " : "", command->arguments, command->help);
	print_options(command, out);
	fputs("\n\"walberg --help\" lists all commands and settings.\n", out);
}

void cmd_print_configuration(FILE *out)
{
	fputs("# Configuration\n\n"
	      "Every setting may be given in four places; the first that gives it counts:\n\n"
	      "1. `--set KEY=VALUE` on the command line (`--lake DIR` is `--set "
	      "lake.directory=DIR`,\n"
	      "   and `walberg run CONNECTION` is `--set source.url=CONNECTION`),\n"
	      "2. the environment,\n"
	      "3. the YAML file: `walberg.yaml` in the present directory, or the one that `-c` "
	      "names,\n"
	      "4. a file `.env` in the present directory, with the names of the environment.\n\n"
	      "A name that does not exist is an error, and so is a variable of the environment "
	      "that begins with\n"
	      "`WALBERG_` and names no setting. `walberg init` writes a YAML file with all of "
	      "them.\n\n"
	      "Sizes are written as `64kB`, `256MB`, `2GB` (1 kB is 1024 bytes); durations as "
	      "`400ms`, `10s`,\n"
	      "`5min`, `2h`, `1d`; lists as `a, b` or as a YAML sequence.\n\n",
		out);
	setting_print_markdown(&CONFIGURATION_SETTINGS, out);
	fputs("\nThis page is written by `make docs`.\n", out);
}

/* ---- the command line ---- */

/* What was typed wrong; returns false. */
static bool complain(const char *format, ...) PRINTF_LIKE(1, 2);

static bool complain(const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	fputs("error: ", stderr);
	vfprintf(stderr, format, arguments);
	fputs("\n hint: \"walberg --help\" lists commands, options and settings.\n", stderr);
	va_end(arguments);
	return false;
}

struct parsing {
	int argc;
	const char *const *argv;
	int at;
	const char **plain;
	const char **assignments;
	struct cmd_line line;
	const struct cmd *command;
	unsigned given; /* of enum cmd_option */
	bool wants_help;
	bool wants_version;
	bool wants_configuration;
	bool wants_metrics;
};

static const struct cmd *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(COMMANDS[i].name, name) == 0)
			return &COMMANDS[i];
	return NULL;
}

/* Of the program itself. */
static bool take_question(struct parsing *parsing, const char *option)
{
	const struct {
		const char *name;
		bool *is_set;
	} questions[] = {
		{ "--help", &parsing->wants_help },
		{ "-h", &parsing->wants_help },
		{ "--version", &parsing->wants_version },
		{ "--help=configuration", &parsing->wants_configuration },
		{ "--help=metrics", &parsing->wants_metrics },
	};
	for (size_t i = 0; i < sizeof questions / sizeof *questions; i++)
		if (strcmp(option, questions[i].name) == 0)
			return *questions[i].is_set = true;
	return false;
}

/* "--lake DIR" and "--lake=DIR"; false when it is another option. */
static bool find_value(struct parsing *parsing, const char *name, const char **value)
{
	const char *option = parsing->argv[parsing->at];
	const size_t size = strlen(name);
	if (strncmp(option, name, size) != 0)
		return false;
	*value = NULL;
	if (option[size] == '=' && option[1] == '-')
		*value = option + size + 1;
	else if (option[size] != '\0')
		return false;
	else if (parsing->at + 1 < parsing->argc)
		*value = parsing->argv[++parsing->at];
	return true;
}

static bool take_value(struct parsing *parsing, const struct option *option, const char *value)
{
	struct configuration_arguments *configuration = &parsing->line.configuration;
	if (value == NULL || value[0] == '\0')
		return complain("\"%s\" has no value", parsing->argv[parsing->at]);
	parsing->given |= option->command;
	if (option->take != NULL)
		return option->take(&parsing->line, value) ||
		       complain("%s \"%s\" is not %s", option->name, value, option->form);
	if (strcmp(option->name, "--set") == 0)
		parsing->assignments[configuration->assignment_count++] = value;
	else
		*(const char **)(void *)((char *)&parsing->line + option->offset) = value;
	return true;
}

static bool take_option(struct parsing *parsing)
{
	const char *typed = parsing->argv[parsing->at];
	const char *value;
	if (take_question(parsing, typed))
		return true;
	for (size_t i = 0; i < OPTION_COUNT; i++) {
		const struct option *option = &OPTIONS[i];
		if (option->value != NULL && find_value(parsing, option->name, &value))
			return take_value(parsing, option, value);
		if (option->value != NULL || strcmp(option->name, typed) != 0)
			continue;
		parsing->given |= option->command;
		return *(bool *)((char *)&parsing->line + option->offset) = true;
	}
	return complain("there is no option \"%s\"", typed);
}

static bool take_argument(struct parsing *parsing)
{
	const char *argument = parsing->argv[parsing->at];
	if (parsing->command != NULL) {
		parsing->plain[parsing->line.count++] = argument;
		return true;
	}
	if (strcmp(argument, "help") == 0)
		return parsing->wants_help = true;
	parsing->command = find_command(argument);
	return parsing->command != NULL || complain("there is no command \"%s\"", argument);
}

static bool parse(struct parsing *parsing)
{
	bool only_arguments = false; /* behind "--" */
	for (parsing->at = 1; parsing->at < parsing->argc; parsing->at++) {
		const char *argument = parsing->argv[parsing->at];
		const bool is_option = argument[0] == '-' && argument[1] != '\0' && !only_arguments;
		if (is_option && strcmp(argument, "--") == 0)
			only_arguments = true;
		else if (!(is_option ? take_option(parsing) : take_argument(parsing)))
			return false;
	}
	return true;
}

/* Whether the command takes what was given. */
static bool check(const struct parsing *parsing)
{
	const struct cmd *command = parsing->command;
	const struct cmd_line *line = &parsing->line;
	if (command == NULL)
		return complain("no command is given");
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (parsing->given & OPTIONS[i].command & ~command->options)
			return complain("\"walberg %s\" has no %s", command->name, OPTIONS[i].name);
	for (size_t i = 0; i < OPTION_COUNT; i++)
		if (command->required & OPTIONS[i].command & ~parsing->given)
			return complain("\"walberg %s\" needs %s", command->name, OPTIONS[i].name);
	const size_t min = line->is_all ? 0 : command->arguments_min;
	const size_t max = line->is_all ? 0 : command->arguments_max;
	if (line->count >= min && line->count <= max)
		return true;
	return complain("%s; usage: walberg %s%s%s",
		line->count < min ? "an argument is missing" : "there are too many arguments",
		command->name, command->arguments[0] ? " " : "", command->arguments);
}

static bool check_settings(const struct parsing *parsing)
{
	struct error err;
	if (configuration_check_arguments(&parsing->line.configuration, &err))
		return true;
	error_print(&err, stderr);
	return false;
}

static int run_command(const struct parsing *parsing)
{
	struct error err = { 0 };
	if (!(parsing->command->options & CMD_STOPS)) {
		/* It may wait long for a server or a query; it can be killed at any moment. */
		signal(SIGINT, SIG_DFL);
		signal(SIGTERM, SIG_DFL);
	}
	bool done = parsing->command->run(&parsing->line, &err);
	if (fflush(stdout) != 0 && done) {
		if (errno == EPIPE)
			return EXIT_ERROR; /* whoever reads has enough */
		done = error_set_errno(&err, ERROR_LOST, "the output cannot be written");
	}
	if (done)
		return EXIT_DONE;
	if (err.kind != ERROR_NONE)
		error_print(&err, stderr);
	return EXIT_ERROR;
}

static int answer(const struct parsing *parsing)
{
	if (parsing->wants_version)
		puts("walberg " WALBERG_VERSION);
	else if (parsing->wants_configuration)
		cmd_print_configuration(stdout);
	else if (parsing->wants_metrics)
		metrics_print_markdown(stdout);
	else if (parsing->wants_help && parsing->command != NULL)
		print_command_help(parsing->command, stdout);
	else if (parsing->wants_help)
		print_help(stdout);
	else
		return check(parsing) && check_settings(parsing) ? run_command(parsing)
								 : EXIT_USAGE;
	return fflush(stdout) == 0 ? EXIT_DONE : EXIT_ERROR;
}

int cmd_main(int argc, const char *const *argv, volatile sig_atomic_t *stop)
{
	struct arena arena = { 0 };
	struct parsing parsing = {
		.argc = argc,
		.argv = argv,
		.plain = arena_array(&arena, const char *, (size_t)argc + 1),
		.assignments = arena_array(&arena, const char *, (size_t)argc + 1),
	};
	parsing.line.arguments = parsing.plain;
	parsing.line.stop = stop;
	(void)!setting_parse_duration(CMD_OLDER_THAN_DEFAULT, &parsing.line.older_than);
	parsing.line.configuration.assignments = parsing.assignments;
	const int code = parse(&parsing) ? answer(&parsing) : EXIT_USAGE;
	arena_deinit(&arena);
	return code;
}
