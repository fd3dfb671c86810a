#include "cmd/cmd.h"

#include <errno.h>
#include <stdarg.h>

static const struct cmd COMMANDS[] = {
	{ "run", "[CONNECTION]", "Capture the source's tables into the lake until stopped.", 0, 1,
		cmd_run, CMD_STOPS },
	{ "sql", "['SELECT ...']", "Query the lake; without an argument, read statements.", 0, 1,
		cmd_sql, CMD_JSON },
	{ "status", "[CONNECTION]", "Show the lake, its process, its source and its tables.", 0, 1,
		cmd_status, CMD_JSON },
	{ "snapshots", "", "List the positions that can be queried, with their versions.", 0, 0,
		cmd_snapshots, CMD_JSON },
	{ "snapshot", "TABLE | --all", "Read a table, or everything, from the source again.", 1, 1,
		cmd_snapshot, CMD_ALL | CMD_STOPS },
	{ "init", "[CONNECTION]", "Write walberg.yaml, with every setting to edit.", 0, 1, cmd_init,
		0 },
	{ "drop", "[CONNECTION]", "Drop slot and publications from the source; keep the tables.", 0,
		1, cmd_drop, 0 },
};

enum {
	COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS,
};

/* ---- help ---- */

static const char OPTIONS[] =
	"options:\n"
	"  --lake DIR                the lake's directory (./lake)\n"
	"  -c FILE                   the configuration (./walberg.yaml when it is there)\n"
	"  --set KEY=VALUE           one setting; may be repeated\n"
	"  --json                    results for programs: sql, status, snapshots\n"
	"  --version, --help\n";

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
	fprintf(out,
		"\n%s\nexit codes: 0 done, 1 not done (the error says why), 2 the command line is "
		"wrong\n\nsettings, from the first of --set, environment, configuration file, "
		".env\n(lake.memory is WALBERG_LAKE_MEMORY in the environment):\n\n",
		OPTIONS);
	setting_print_help(&CONFIGURATION_SETTINGS, out);
}

static void print_command_help(const struct cmd *command, FILE *out)
{
	fprintf(out,
		"usage: walberg %s%s%s [OPTION...]\n\n%s\n\n%s\n"
		"\"walberg --help\" lists all commands and settings.\n",
		command->name, command->arguments[0] ? " " : "", command->arguments, command->help,
		OPTIONS);
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
	bool wants_help;
	bool wants_version;
	bool wants_configuration;
};

static const struct cmd *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(COMMANDS[i].name, name) == 0)
			return &COMMANDS[i];
	return NULL;
}

/* Options without a value. */
static bool take_switch(struct parsing *parsing, const char *option)
{
	const struct {
		const char *name;
		bool *is_set;
	} switches[] = {
		{ "--json", &parsing->line.is_json },
		{ "--all", &parsing->line.is_all },
		{ "--help", &parsing->wants_help },
		{ "-h", &parsing->wants_help },
		{ "--version", &parsing->wants_version },
		{ "--help=configuration", &parsing->wants_configuration },
	};
	for (size_t i = 0; i < sizeof switches / sizeof *switches; i++)
		if (strcmp(option, switches[i].name) == 0)
			return *switches[i].is_set = true;
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

static bool take_option(struct parsing *parsing)
{
	struct configuration_arguments *configuration = &parsing->line.configuration;
	const char *option = parsing->argv[parsing->at];
	const char *value;
	if (take_switch(parsing, option))
		return true;
	if (find_value(parsing, "--lake", &value))
		configuration->lake = value;
	else if (find_value(parsing, "-c", &value) || find_value(parsing, "--config", &value))
		configuration->file = value;
	else if (find_value(parsing, "--set", &value))
		parsing->assignments[configuration->assignment_count++] = value;
	else
		return complain("there is no option \"%s\"", option);
	return (value != NULL && value[0] != '\0') || complain("\"%s\" has no value", option);
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
	if (line->is_json && !(command->options & CMD_JSON))
		return complain("\"walberg %s\" has no --json", command->name);
	if (line->is_all && !(command->options & CMD_ALL))
		return complain("\"walberg %s\" has no --all", command->name);
	const size_t min = line->is_all ? 0 : command->arguments_min;
	const size_t max = line->is_all ? 0 : command->arguments_max;
	if (line->count >= min && line->count <= max)
		return true;
	return complain("%s; usage: walberg %s%s%s",
		line->count < min ? "an argument is missing" : "there are too many arguments",
		command->name, command->arguments[0] ? " " : "", command->arguments);
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
	error_print(&err, stderr);
	return EXIT_ERROR;
}

static int answer(const struct parsing *parsing)
{
	if (parsing->wants_version)
		puts("walberg " WALBERG_VERSION);
	else if (parsing->wants_configuration)
		cmd_print_configuration(stdout);
	else if (parsing->wants_help && parsing->command != NULL)
		print_command_help(parsing->command, stdout);
	else if (parsing->wants_help)
		print_help(stdout);
	else
		return check(parsing) ? run_command(parsing) : EXIT_USAGE;
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
	parsing.line.configuration.assignments = parsing.assignments;
	const int code = parse(&parsing) ? answer(&parsing) : EXIT_USAGE;
	arena_deinit(&arena);
	return code;
}
