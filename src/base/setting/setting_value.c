#include "base/setting/setting_internal.h"

#include <assert.h>
#include <ctype.h>
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

struct unit {
	const char *name; /* in any case */
	int64_t factor;
};

static const struct unit SIZES[] = {
	{ "", 1 },
	{ "B", 1 },
	{ "kB", INT64_C(1) << 10 },
	{ "KiB", INT64_C(1) << 10 },
	{ "MB", INT64_C(1) << 20 },
	{ "MiB", INT64_C(1) << 20 },
	{ "GB", INT64_C(1) << 30 },
	{ "GiB", INT64_C(1) << 30 },
	{ "TB", INT64_C(1) << 40 },
	{ "TiB", INT64_C(1) << 40 },
	{ NULL, 0 },
};

static const struct unit DURATIONS[] = {
	{ "us", 1 },
	{ "ms", 1000 },
	{ "s", 1000 * 1000 },
	{ "min", 60 * 1000 * 1000 },
	{ "h", INT64_C(3600) * 1000 * 1000 },
	{ "d", INT64_C(86400) * 1000 * 1000 },
	{ NULL, 0 },
};

static bool parse_number(const char *text, const char **end, int64_t *out)
{
	if (!isdigit((unsigned char)text[0]) &&
		!(text[0] == '-' && isdigit((unsigned char)text[1])))
		return false;
	errno = 0;
	char *stop;
	*out = strtoll(text, &stop, 10);
	*end = stop;
	return errno == 0;
}

static bool parse_with_unit(const char *text, const struct unit *units, int64_t *out)
{
	int64_t number;
	const char *end;
	if (!parse_number(text, &end, &number))
		return false;
	while (*end == ' ')
		end++;
	for (const struct unit *unit = units; unit->name != NULL; unit++)
		if (strcasecmp(unit->name, end) == 0)
			return !__builtin_mul_overflow(number, unit->factor, out);
	return false;
}

bool setting_parse_size(const char *text, int64_t *size_bytes)
{
	return parse_with_unit(text, SIZES, size_bytes);
}

bool setting_parse_duration(const char *text, int64_t *micros)
{
	*micros = 0;
	return strcmp(text, "0") == 0 || parse_with_unit(text, DURATIONS, micros);
}

static bool parse_integer(const char *text, int64_t *out)
{
	const char *end;
	return parse_number(text, &end, out) && *end == '\0';
}

static bool parse_boolean(const char *text, bool *out)
{
	static const char *const WORDS[][2] = { { "false", "true" }, { "no", "yes" },
		{ "off", "on" }, { "0", "1" } };
	for (size_t i = 0; i < sizeof WORDS / sizeof *WORDS; i++)
		for (size_t truth = 0; truth < 2; truth++)
			if (strcasecmp(text, WORDS[i][truth]) == 0) {
				*out = truth != 0;
				return true;
			}
	return false;
}

static bool is_space(uint8_t byte)
{
	return byte == ' ' || byte == '\t';
}

/* The items of "a, b", without the spaces around them; empty ones are left out. */
static struct setting_list split_list(const char *text, struct arena *arena)
{
	struct setting_list list = { 0 };
	size_t commas = 0;
	for (const char *at = text; *at; at++)
		commas += *at == ',';
	list.items = arena_array(arena, const char *, commas + 1);
	while (true) {
		const size_t whole = strcspn(text, ",");
		struct bytes item = bytes_of(text, whole);
		while (item.size > 0 && is_space(item.data[0]))
			item = bytes_of(item.data + 1, item.size - 1);
		while (item.size > 0 && is_space(item.data[item.size - 1]))
			item.size--;
		if (item.size > 0)
			list.items[list.count++] = arena_copy_text(arena, item);
		if (text[whole] == '\0')
			return list;
		text += whole + 1;
	}
}

static const char *describe_type(enum setting_type type)
{
	switch (type) {
	case SETTING_INTEGER:
		return "a whole number";
	case SETTING_SIZE:
		return "a size such as 512, 64kB, 256MB or 2GB";
	case SETTING_DURATION:
		return "a duration such as 400ms, 10s, 5min, 2h or 1d";
	case SETTING_BOOLEAN:
		return "true or false";
	case SETTING_TEXT:
		return "text";
	case SETTING_LIST:
		return "a list";
	}
	return "a value";
}

static bool fail_value(const struct setting *setting, const struct given *given,
	const char *expected, struct error *err)
{
	if (setting->is_secret)
		return error_set(err, ERROR_SETUP, "%s: the setting \"%s\" must be %s",
			given->origin, setting->name, expected);
	return error_set(err, ERROR_SETUP, "%s: the setting \"%s\" must be %s, not \"%.100s\"",
		given->origin, setting->name, expected, given->text);
}

static bool parse_any_number(const struct setting *setting, const char *text, int64_t *out)
{
	if (setting->type == SETTING_SIZE)
		return setting_parse_size(text, out);
	if (setting->type == SETTING_DURATION)
		return setting_parse_duration(text, out);
	return parse_integer(text, out);
}

/* A bound in the form that a person would write, exact. */
static void format_bound(const struct setting *setting, int64_t value, char text[32])
{
	const struct unit *units = setting->type == SETTING_SIZE       ? SIZES
				   : setting->type == SETTING_DURATION ? DURATIONS
								       : NULL;
	struct unit best = { "", 1 };
	for (const struct unit *unit = units; unit && unit->name; unit++)
		if (value != 0 && value % unit->factor == 0 &&
			(unit->factor > best.factor || !best.name[0]))
			best = *unit;
	snprintf(text, 32, "%lld%s", (long long)(value / best.factor), best.name);
}

static bool store_number(
	const struct setting *setting, const struct given *given, void *out, struct error *err)
{
	int64_t value = 0;
	if (given->text && !parse_any_number(setting, given->text, &value))
		return fail_value(setting, given, describe_type(setting->type), err);
	const bool is_below = value < setting->minimum;
	const bool is_above = setting->maximum != 0 && value > setting->maximum;
	if (given->text && (is_below || is_above)) {
		char bound[32], expected[64];
		format_bound(setting, is_below ? setting->minimum : setting->maximum, bound);
		snprintf(expected, sizeof expected, "at %s %s", is_below ? "least" : "most", bound);
		return fail_value(setting, given, expected, err);
	}
	*(int64_t *)out = value;
	return true;
}

static bool is_choice(const char *choices, const char *text)
{
	const size_t size = strlen(text);
	while (true) {
		const size_t whole = strcspn(choices, ",");
		if (whole == size && memcmp(choices, text, size) == 0)
			return true;
		if (choices[whole] == '\0')
			return false;
		choices += whole + 1;
	}
}

static bool store_text(
	const struct setting *setting, const struct given *given, void *out, struct error *err)
{
	if (given->text && setting->choices && !is_choice(setting->choices, given->text)) {
		char expected[160];
		snprintf(expected, sizeof expected, "one of %s", setting->choices);
		return fail_value(setting, given, expected, err);
	}
	*(const char **)out = given->text;
	return true;
}

static bool store_boolean(
	const struct setting *setting, const struct given *given, void *out, struct error *err)
{
	bool value = false;
	if (given->text && !parse_boolean(given->text, &value))
		return fail_value(setting, given, describe_type(setting->type), err);
	*(bool *)out = value;
	return true;
}

bool setting_store(const struct setting *setting, const struct given *given, struct arena *arena,
	void *out, struct error *err)
{
	void *at = (char *)out + setting->offset;
	switch (setting->type) {
	case SETTING_TEXT:
		return store_text(setting, given, at, err);
	case SETTING_INTEGER:
	case SETTING_SIZE:
	case SETTING_DURATION:
		return store_number(setting, given, at, err);
	case SETTING_BOOLEAN:
		return store_boolean(setting, given, at, err);
	case SETTING_LIST:
		*(struct setting_list *)at = given->is_list ? given->items
					     : given->text  ? split_list(given->text, arena)
							    : (struct setting_list){ 0 };
		return true;
	}
	assert(!"a setting has a type");
	return false;
}
