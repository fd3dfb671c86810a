#include "base/setting/setting.h"

static const char *shown_default(const struct setting *setting)
{
	return setting->is_secret || setting->value == NULL ? "" : setting->value;
}

void setting_print_help(const struct setting_table *table, FILE *out)
{
	for (size_t i = 0; i < table->count; i++) {
		const struct setting *setting = &table->settings[i];
		fprintf(out, "  %s=%s\n      %s", setting->name, shown_default(setting),
			setting->help);
		if (setting->choices)
			fprintf(out, "  (one of %s)", setting->choices);
		fputc('\n', out);
	}
}

/* '|' would end a cell of the table. */
static void print_cell(const char *text, FILE *out)
{
	for (; *text; text++) {
		if (*text == '|')
			fputc('\\', out);
		fputc(*text, out);
	}
}

void setting_print_markdown(const struct setting_table *table, FILE *out)
{
	fputs("| setting | environment | default | meaning |\n|---|---|---|---|\n", out);
	for (size_t i = 0; i < table->count; i++) {
		const struct setting *setting = &table->settings[i];
		const char *value = shown_default(setting);
		char variable[SETTING_NAME_SIZE];
		fprintf(out, "| `%s` | `%s`", setting->name,
			setting_environment_name(setting->name, variable));
		for (size_t k = 0; k < table->alias_count; k++)
			if (table->aliases[k].name &&
				strcmp(table->aliases[k].name, setting->name) == 0)
				fprintf(out, ", `%s`", table->aliases[k].environment);
		fprintf(out, " | %s%s%s | ", value[0] ? "`" : "", value, value[0] ? "`" : "");
		print_cell(setting->help, out);
		if (setting->choices)
			fprintf(out, " One of `%s`.", setting->choices);
		fputs(" |\n", out);
	}
}

/* The size of the groups, with the last dot, that two names share. */
static size_t shared_groups(const char *a, const char *b)
{
	size_t shared = 0;
	for (size_t i = 0; a[i] && a[i] == b[i]; i++)
		if (a[i] == '.')
			shared = i + 1;
	return shared;
}

/* The last value that "KEY=VALUE" assignments give to a name, or to one of a group "lake."; NULL.
 */
static const char *assigned(const struct setting_assignments *given, const char *name, size_t size)
{
	for (size_t i = given->count; i-- > 0;)
		if (strncmp(given->items[i], name, size) == 0)
			return given->items[i] + size;
	return NULL;
}

static void print_indented(size_t depth, bool is_comment, FILE *out)
{
	fputs(is_comment ? "# " : "", out);
	for (size_t i = 0; i < depth; i++)
		fputs("  ", out);
}

/* YAML, "Indicator Characters": a plain scalar cannot begin with one. */
static bool needs_quotes(const char *value)
{
	return value[0] != '\0' && strchr("*&!|>%@`\"'#,[]{}?:-", value[0]) != NULL;
}

static void print_default(const struct setting *setting, FILE *out)
{
	const char *value = shown_default(setting);
	const char *quote = needs_quotes(value) ? "'" : "";
	fprintf(out, "%s%s%s\n", quote, value, quote);
}

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

/* Its groups that are not the last setting's too; returns its own part of the name. */
static const char *print_groups(const struct setting *setting, const char *before,
	const struct setting_assignments *given, size_t *depth, FILE *out)
{
	const size_t shared = shared_groups(before, setting->name);
	const char *part = setting->name;
	for (const char *dot; (dot = strchr(part, '.')) != NULL; part = dot + 1, ++*depth) {
		const size_t size = (size_t)(dot + 1 - setting->name);
		if (size <= shared)
			continue;
		print_indented(*depth, assigned(given, setting->name, size) == NULL, out);
		fprintf(out, "%.*s:\n", (int)(dot - part), part);
	}
	return part;
}

void setting_print_yaml(
	const struct setting_table *table, const struct setting_assignments *given, FILE *out)
{
	const char *before = "";
	for (size_t i = 0; i < table->count; i++) {
		const struct setting *setting = &table->settings[i];
		char key[SETTING_NAME_SIZE];
		const int size = snprintf(key, sizeof key, "%s=", setting->name);
		size_t depth = 0;
		const char *part = print_groups(setting, before, given, &depth, out);
		const char *value = assigned(given, key, (size_t)size);
		print_indented(depth, true, out);
		fprintf(out, "# %s\n", setting->help);
		print_indented(depth, value == NULL, out);
		fprintf(out, "%s: ", part);
		if (value != NULL)
			print_quoted(value, out);
		else
			print_default(setting, out);
		before = setting->name;
	}
}
