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

static void print_indented(size_t depth, FILE *out)
{
	fputs("# ", out);
	for (size_t i = 0; i < depth; i++)
		fputs("  ", out);
}

/* YAML, "Indicator Characters": a plain scalar cannot begin with one. */
static bool needs_quotes(const char *value)
{
	return value[0] != '\0' && strchr("*&!|>%@`\"'#,[]{}?:-", value[0]) != NULL;
}

void setting_print_yaml(const struct setting_table *table, FILE *out)
{
	const char *before = "";
	for (size_t i = 0; i < table->count; i++) {
		const struct setting *setting = &table->settings[i];
		const size_t shared = shared_groups(before, setting->name);
		const char *part = setting->name;
		size_t depth = 0;
		for (const char *dot; (dot = strchr(part, '.')) != NULL; part = dot + 1, depth++) {
			if ((size_t)(dot - setting->name) < shared)
				continue;
			print_indented(depth, out);
			fprintf(out, "%.*s:\n", (int)(dot - part), part);
		}
		print_indented(depth, out);
		fprintf(out, "# %s\n", setting->help);
		print_indented(depth, out);
		const char *value = shown_default(setting);
		const char *quote = needs_quotes(value) ? "'" : "";
		fprintf(out, "%s: %s%s%s\n", part, quote, value, quote);
		before = setting->name;
	}
}
