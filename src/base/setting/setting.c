#include "base/setting/setting.h"
#include "base/setting/setting_internal.h"

#include <assert.h>
#include <ctype.h>

static const char PREFIX[] = "WALBERG_";

const char *setting_environment_name(const char *name, char out[SETTING_NAME_SIZE])
{
	size_t size = (size_t)snprintf(out, SETTING_NAME_SIZE, "%s", PREFIX);
	for (; *name && size < SETTING_NAME_SIZE - 1; name++)
		out[size++] =
			(char)(isalnum((unsigned char)*name) ? toupper((unsigned char)*name) : '_');
	out[size] = '\0';
	return out;
}

const struct setting *setting_find(const struct setting_table *table, const char *name)
{
	for (size_t i = 0; i < table->count; i++)
		if (strcmp(table->settings[i].name, name) == 0)
			return &table->settings[i];
	return NULL;
}

bool setting_is_group(const struct setting_table *table, const char *name)
{
	const size_t size = strlen(name);
	for (size_t i = 0; i < table->count; i++)
		if (strncmp(table->settings[i].name, name, size) == 0 &&
			table->settings[i].name[size] == '.')
			return true;
	return false;
}

/* Levenshtein's distance, by one row of its table; longer texts count as far. */
static size_t edit_distance(struct bytes a, struct bytes b)
{
	size_t row[SETTING_NAME_SIZE];
	if (a.size >= SETTING_NAME_SIZE || b.size >= SETTING_NAME_SIZE)
		return SIZE_MAX;
	for (size_t j = 0; j <= b.size; j++)
		row[j] = j;
	for (size_t i = 1; i <= a.size; i++) {
		size_t diagonal = row[0];
		row[0] = i;
		for (size_t j = 1; j <= b.size; j++) {
			const size_t above = row[j];
			size_t least = diagonal + (a.data[i - 1] != b.data[j - 1]);
			least = above + 1 < least ? above + 1 : least;
			row[j] = row[j - 1] + 1 < least ? row[j - 1] + 1 : least;
			diagonal = above;
		}
	}
	return row[b.size];
}

struct nearest {
	struct bytes name;
	size_t distance;
};

static void consider(struct nearest *nearest, struct bytes asked, const char *name, size_t size)
{
	const struct bytes candidate = bytes_of(name, size);
	const size_t distance = edit_distance(asked, candidate);
	if (distance < nearest->distance)
		*nearest = (struct nearest){ candidate, distance };
}

/* Among the settings and their groups; empty when none is near. */
static struct bytes nearest_name(const struct setting_table *table, const char *name)
{
	struct nearest nearest = { .distance = SIZE_MAX };
	const struct bytes asked = bytes_of_cstring(name);
	for (size_t i = 0; i < table->count; i++) {
		const char *candidate = table->settings[i].name;
		consider(&nearest, asked, candidate, strlen(candidate));
		for (const char *dot = strchr(candidate, '.'); dot; dot = strchr(dot + 1, '.'))
			consider(&nearest, asked, candidate, (size_t)(dot - candidate));
	}
	const size_t size = asked.size > nearest.name.size ? asked.size : nearest.name.size;
	return nearest.distance <= size / 2 ? nearest.name : (struct bytes){ 0 };
}

bool setting_fail_unknown(
	const struct setting_table *table, const char *origin, const char *name, struct error *err)
{
	error_set(err, ERROR_SETUP, "%s: there is no setting \"%.100s\"", origin, name);
	if (setting_is_group(table, name))
		return error_hint(err, "\"%s\" is a group of settings, not one.", name);
	const struct bytes nearest = nearest_name(table, name);
	if (nearest.size == 0)
		return error_hint(err, "\"walberg --help\" lists the settings.");
	return error_hint(err, "The nearest valid name is \"%.*s\".", (int)nearest.size,
		(const char *)nearest.data);
}

bool setting_give(
	struct setting_reading *reading, const char *name, struct given given, struct error *err)
{
	const struct setting *setting = setting_find(reading->table, name);
	if (setting == NULL)
		return setting_fail_unknown(reading->table, given.origin, name, err);
	if (given.is_list && setting->type != SETTING_LIST)
		return error_set(err, ERROR_SETUP,
			"%s: the setting \"%s\" takes one value, not a list", given.origin, name);
	struct given *at = &reading->given[setting - reading->table->settings];
	if (given.is_from_yaml && at->is_from_yaml)
		return error_set(err, ERROR_SETUP, "%s: the setting \"%s\" is given already at %s",
			given.origin, name, at->origin);
	*at = given;
	at->source = reading->source;
	return true;
}

static bool fail_unknown_variable(
	const struct setting_table *table, const char *origin, const char *name, struct error *err)
{
	struct nearest nearest = { .distance = SIZE_MAX };
	char candidate[SETTING_NAME_SIZE], best[SETTING_NAME_SIZE] = "";
	for (size_t i = 0; i < table->count; i++) {
		const size_t distance = nearest.distance;
		setting_environment_name(table->settings[i].name, candidate);
		consider(&nearest, bytes_of_cstring(name), candidate, strlen(candidate));
		if (nearest.distance < distance)
			strcpy(best, candidate);
	}
	const size_t size = strlen(name) - (sizeof PREFIX - 1);
	const bool is_named = strstr(origin, name) != NULL;
	error_set(err, ERROR_SETUP, "%s%s%.100s names no setting", origin, is_named ? "" : ": ",
		is_named ? "" : name);
	if (nearest.distance > size / 2)
		return error_hint(err, "\"walberg --help\" lists the settings.");
	return error_hint(err, "The nearest valid name is %s.", best);
}

/* Whatever the order in which the environment happens to name them. */
static bool has_stronger_alias(
	const struct setting_reading *reading, const struct setting_alias *alias)
{
	const struct setting *setting =
		alias->name ? setting_find(reading->table, alias->name) : NULL;
	if (setting == NULL)
		return false;
	const struct given *at = &reading->given[setting - reading->table->settings];
	return at->source == reading->source && at->alias != NULL && at->alias < alias;
}

static bool give_aliases(struct setting_reading *reading, const char *name, const char *value,
	const char *origin, bool *is_known, struct error *err)
{
	for (size_t i = 0; i < reading->table->alias_count; i++) {
		const struct setting_alias *alias = &reading->table->aliases[i];
		if (strcmp(alias->environment, name) != 0)
			continue;
		*is_known = true;
		if (has_stronger_alias(reading, alias))
			continue;
		const char *text = value;
		if (alias->convert && !alias->convert(value, reading->arena, &text, err))
			return error_context(err, "reading %s", origin);
		const struct given given = { .text = text, .origin = origin, .alias = alias };
		if (alias->name && !setting_give(reading, alias->name, given, err))
			return false;
	}
	return true;
}

bool setting_give_variable(struct setting_reading *reading, const char *name, const char *value,
	const char *origin, struct error *err)
{
	bool is_known = false;
	if (!value[0])
		return true;
	if (!give_aliases(reading, name, value, origin, &is_known, err))
		return false;
	if (is_known || strncmp(name, PREFIX, sizeof PREFIX - 1) != 0)
		return true;
	char candidate[SETTING_NAME_SIZE];
	for (size_t i = 0; i < reading->table->count; i++) {
		const char *setting = reading->table->settings[i].name;
		if (strcmp(setting_environment_name(setting, candidate), name) == 0)
			return setting_give(reading, setting,
				(struct given){ .text = value, .origin = origin }, err);
	}
	return fail_unknown_variable(reading->table, origin, name, err);
}

/* Own names come after aliases, so that they win. */
static bool read_environment(struct setting_reading *reading, const char *const *environment,
	bool own_names, struct error *err)
{
	for (; environment && *environment; environment++) {
		const char *equals = strchr(*environment, '=');
		const bool is_own = strncmp(*environment, PREFIX, sizeof PREFIX - 1) == 0;
		if (equals == NULL || is_own != own_names)
			continue;
		const struct bytes name = bytes_of(*environment, (size_t)(equals - *environment));
		const char *text = arena_copy_text(reading->arena, name);
		const char *origin =
			arena_format(reading->arena, "environment variable %.100s", text);
		if (!setting_give_variable(reading, text, equals + 1, origin, err))
			return false;
	}
	return true;
}

static bool read_assignments(
	struct setting_reading *reading, const struct setting_sources *sources, struct error *err)
{
	for (size_t i = 0; i < sources->assignments.count; i++) {
		const char *assignment = sources->assignments.items[i];
		const char *equals = strchr(assignment, '=');
		if (equals == NULL) {
			error_set(err, ERROR_SETUP, "--set \"%.100s\" has no value", assignment);
			return error_hint(err, "Write --set KEY=VALUE.");
		}
		const char *name = arena_copy_text(
			reading->arena, bytes_of(assignment, (size_t)(equals - assignment)));
		const struct given given = { .text = equals + 1, .origin = "--set" };
		if (!setting_give(reading, name, given, err))
			return false;
	}
	return true;
}

bool setting_load(const struct setting_table *table, const struct setting_sources *sources,
	struct arena *arena, void *out, struct error *err)
{
	struct setting_reading reading = {
		.table = table,
		.given = arena_array(arena, struct given, table->count),
		.arena = arena,
		.source = 1,
	};
	if (!setting_read_env(&reading, &sources->env, err) ||
		!setting_read_yaml(&reading, &sources->yaml, err))
		return false;
	reading.source++;
	if (!read_environment(&reading, sources->environment, false, err) ||
		!read_environment(&reading, sources->environment, true, err) ||
		!read_assignments(&reading, sources, err))
		return false;
	for (size_t i = 0; i < table->count; i++) {
		const struct setting *setting = &table->settings[i];
		struct given *given = &reading.given[i];
		if (given->text == NULL && !given->is_list)
			*given = (struct given){ .text = setting->value, .origin = "default" };
		if (!setting_store(setting, given, arena, out, err))
			return false;
	}
	return true;
}
