#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const char DEFAULT_FILE[] = "walberg.yaml";

void cmd_print_yaml(const struct setting_assignments *given, FILE *out)
{
	fputs("# walberg's settings, each with what it is unless set.  To set one, take \"# \"\n"
	      "# away from its line and from its group's.  docs/configuration.md says more.\n\n",
		out);
	setting_print_yaml(&CONFIGURATION_SETTINGS, given, out);
}

/* What the command line sets, which was checked with it. */
static struct setting_assignments gather(const struct cmd_line *line, struct arena *arena)
{
	struct configuration_arguments arguments = line->configuration;
	if (line->count > 0)
		arguments.url = line->arguments[0];
	return configuration_assignments(&arguments, arena);
}

static bool write_file(const char *path, const struct setting_assignments *given, struct error *err)
{
	/* It may hold a password: for its owner alone. */
	int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0 && errno == EEXIST) {
		error_set(err, ERROR_SETUP, "\"%s\" exists, and is left as it is", path);
		return error_hint(err, "Name another file with -c, or remove this one.");
	}
	if (file < 0)
		return error_set_errno(err, ERROR_SETUP, "cannot make \"%s\"", path);
	FILE *out = fdopen(file, "w");
	cmd_print_yaml(given, out);
	const bool is_written = !ferror(out);
	if (fclose(out) != 0 || !is_written) {
		error_set_errno(err, ERROR_LIMIT, "cannot write \"%s\"", path);
		unlink(path);
		return false;
	}
	return true;
}

bool cmd_init(const struct cmd_line *line, struct error *err)
{
	const char *path =
		line->configuration.file != NULL ? line->configuration.file : DEFAULT_FILE;
	struct arena arena = { 0 };
	const struct setting_assignments given = gather(line, &arena);
	const bool done = write_file(path, &given, err);
	arena_deinit(&arena);
	if (done)
		printf("%s is written: edit it, then run \"walberg run\"\n", path);
	return done;
}
