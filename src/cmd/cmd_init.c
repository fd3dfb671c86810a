#include "cmd/cmd.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

static const char DEFAULT_FILE[] = "walberg.yaml";
static const char URL_LINE[] = "#   url: "; /* as setting_print_yaml() writes it */

/* YAML, "Double-Quoted Style": every text can be written so. */
static void print_quoted(const char *text, FILE *out)
{
	fputc('"', out);
	for (; *text != '\0'; text++) {
		if ((unsigned char)*text < ' ')
			fprintf(out, "\\x%02x", (unsigned)*text);
		else
			fprintf(out, "%s%c", *text == '"' || *text == '\\' ? "\\" : "", *text);
	}
	fputs("\"\n", out);
}

/* The settings, all commented out, but for source.url when there is one. */
void cmd_print_yaml(const char *url, FILE *out)
{
	char *text = NULL;
	size_t size = 0;
	FILE *memory = open_memstream(&text, &size);
	setting_print_yaml(&CONFIGURATION_SETTINGS, memory);
	fclose(memory);
	fputs("# walberg's settings, each with what it is unless set.  To set one, take \"# \" "
	      "away "
	      "from its line\n# and from its group's.  docs/configuration.md says more.\n\n",
		out);
	char *rest = text;
	for (char *line; (line = strsep(&rest, "\n")) != NULL;) {
		if (url != NULL && strcmp(line, "# source:") == 0) {
			fputs("source:\n", out);
		} else if (url != NULL && strncmp(line, URL_LINE, strlen(URL_LINE)) == 0) {
			fputs(URL_LINE + strlen("# "), out);
			print_quoted(url, out);
			url = NULL;
		} else if (rest != NULL) {
			fprintf(out, "%s\n", line);
		}
	}
	free(text);
}

bool cmd_init(const struct cmd_line *line, struct error *err)
{
	const char *path =
		line->configuration.file != NULL ? line->configuration.file : DEFAULT_FILE;
	/* It may hold a password: for its owner alone. */
	int file = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (file < 0 && errno == EEXIST) {
		error_set(err, ERROR_SETUP, "\"%s\" exists, and is left as it is", path);
		return error_hint(err, "Name another file with -c, or remove this one.");
	}
	if (file < 0)
		return error_set_errno(err, ERROR_SETUP, "cannot make \"%s\"", path);
	FILE *out = fdopen(file, "w");
	cmd_print_yaml(line->count > 0 ? line->arguments[0] : NULL, out);
	const bool is_written = !ferror(out);
	if (fclose(out) != 0 || !is_written) {
		error_set_errno(err, ERROR_LIMIT, "cannot write \"%s\"", path);
		unlink(path);
		return false;
	}
	printf("%s is written: edit it, then run \"walberg run\"\n", path);
	return true;
}
