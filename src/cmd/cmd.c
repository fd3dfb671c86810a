#include "cmd/cmd.h"

#include <stdlib.h>

static const struct cmd COMMANDS[] = {
	{ "run", "[CONNECTION]", "Capture the source's tables into the lake until stopped.", 0, 1,
		cmd_run },
	{ "sql", "['SELECT ...']", "Query the lake; without an argument, read statements.", 0, 1,
		cmd_sql },
};

enum {
	COMMAND_COUNT = sizeof COMMANDS / sizeof *COMMANDS,
};

static void print_help(FILE *out)
{
	fputs("walberg " WALBERG_VERSION
	      ": PostgreSQL's changes, live, in Apache Iceberg tables\n\n"
	      "usage: walberg COMMAND [ARGUMENT] [OPTION...]\n\ncommands:\n",
		out);
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		fprintf(out, "  %-9s %-15s %s\n", COMMANDS[i].name, COMMANDS[i].arguments,
			COMMANDS[i].help);
	fputs("\noptions:\n"
	      "  --lake DIR          the lake's directory (./lake)\n"
	      "  -c FILE             the configuration (./walberg.yaml when it exists)\n"
	      "  --set KEY=VALUE     one setting; may be repeated\n"
	      "  --json              results for programs\n"
	      "  --version, --help\n\n"
	      "settings, in order of precedence: --set, environment, configuration file, .env\n\n",
		out);
	setting_print_help(&CONFIGURATION_SETTINGS, out);
}

static int complain(const char *format, const char *what)
{
	fputs("error: ", stderr);
	fprintf(stderr, format, what);
	fputs("\n hint: \"walberg --help\" lists commands, options and settings.\n", stderr);
	return EXIT_USAGE;
}

/* Takes the option at argv[*at] with its value; false when it is none or has no value. */
static bool take_option(
	struct cmd_line *line, const char **assignments, int argc, const char *const *argv, int *at)
{
	const char *option = argv[*at];
	if (strcmp(option, "--json") == 0)
		return line->is_json = true;
	if (strcmp(option, "--all") == 0)
		return line->is_all = true;
	if (*at + 1 >= argc)
		return false;
	const char *value = argv[*at + 1];
	if (strcmp(option, "--lake") == 0)
		line->configuration.lake = value;
	else if (strcmp(option, "-c") == 0 || strcmp(option, "--config") == 0)
		line->configuration.file = value;
	else if (strcmp(option, "--set") == 0)
		assignments[line->configuration.assignment_count++] = value;
	else
		return false;
	*at += 1;
	return true;
}

static const struct cmd *find_command(const char *name)
{
	for (size_t i = 0; i < COMMAND_COUNT; i++)
		if (strcmp(COMMANDS[i].name, name) == 0)
			return &COMMANDS[i];
	return NULL;
}

static int run_command(const struct cmd *command, const struct cmd_line *line)
{
	struct error err = { 0 };
	if (line->count < command->arguments_min || line->count > command->arguments_max)
		return complain("usage: walberg %s",
			command->arguments[0] ? command->arguments : command->name);
	if (command->run(line, &err))
		return EXIT_DONE;
	fflush(stdout);
	error_print(&err, stderr);
	return EXIT_ERROR;
}

int cmd_main(int argc, const char *const *argv, volatile sig_atomic_t *stop)
{
	struct arena arena = { 0 };
	const char **plain = arena_array(&arena, const char *, (size_t)argc + 1);
	const char **assignments = arena_array(&arena, const char *, (size_t)argc + 1);
	struct cmd_line line = { .arguments = plain, .stop = stop };
	line.configuration.assignments = assignments;
	const struct cmd *command = NULL;
	int code = -1;
	for (int i = 1; i < argc && code < 0; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0 ||
			strcmp(argv[i], "help") == 0) {
			print_help(stdout);
			code = EXIT_DONE;
		} else if (strcmp(argv[i], "--version") == 0) {
			puts("walberg " WALBERG_VERSION);
			code = EXIT_DONE;
		} else if (argv[i][0] == '-') {
			if (!take_option(&line, assignments, argc, argv, &i))
				code = complain(
					"\"%s\" is not an option here, or has no value", argv[i]);
		} else if (command == NULL) {
			command = find_command(argv[i]);
			if (command == NULL)
				code = complain("there is no command \"%s\"", argv[i]);
		} else {
			plain[line.count++] = argv[i];
		}
	}
	if (code < 0)
		code = command != NULL ? run_command(command, &line)
				       : complain("no command is given%s", "");
	arena_deinit(&arena);
	return code;
}
