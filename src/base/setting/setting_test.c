#include "base/setting/setting.h"
#include "base/test.h"

#include <stdlib.h>

struct values {
	const char *url;
	const char *type;
	struct setting_list tables;
	int64_t interval;
	int64_t memory;
	int64_t port;
	bool is_checked;
	const char *password;
};

static const struct setting SETTINGS[] = {
	{ "source.url", SETTING_TEXT, NULL, .help = "Where changes come from.",
		.offset = offsetof(struct values, url) },
	{ "source.tables", SETTING_LIST, "public.*", .help = "Which tables.",
		.offset = offsetof(struct values, tables) },
	{ "source.password", SETTING_INTEGER, NULL, .help = "A secret number.", .is_secret = true,
		.offset = offsetof(struct values, port) },
	{ "lake.commit_interval", SETTING_DURATION, "400ms", .minimum = 10000,
		.maximum = 3600000000, .help = "How long a|b.",
		.offset = offsetof(struct values, interval) },
	{ "lake.memory", SETTING_SIZE, "256MB", .minimum = 1 << 20, .help = "How much.",
		.offset = offsetof(struct values, memory) },
	{ "log.type", SETTING_TEXT, "segment", .choices = "segment,kafka", .help = "Which log.",
		.offset = offsetof(struct values, type) },
	{ "checked", SETTING_BOOLEAN, "no", .help = "Whether.",
		.offset = offsetof(struct values, is_checked) },
};

static bool convert_url(const char *text, struct arena *arena, const char **out, struct error *err)
{
	if (strncmp(text, "jdbc:", 5) != 0)
		return error_set(err, ERROR_SETUP, "\"%s\" is no JDBC URL", text);
	*out = arena_copy_cstring(arena, text + 5);
	return true;
}

static const struct setting_alias ALIASES[] = {
	{ "POSTGRES_URL", "source.url", convert_url },
	{ "OTHER_URL", "source.url", NULL },
	{ "WALBERG_SEED", NULL, NULL },
};

static const struct setting_table TABLE = { SETTINGS, sizeof SETTINGS / sizeof *SETTINGS, ALIASES,
	sizeof ALIASES / sizeof *ALIASES };

static struct setting_sources sources_of(const char *yaml, const char *env)
{
	return (struct setting_sources){
		.yaml = { "walberg.yaml", bytes_of_cstring(yaml) },
		.env = { ".env", bytes_of_cstring(env) },
	};
}

static void load(const struct setting_sources *sources, struct arena *arena, struct values *out)
{
	struct error err;
	CHECK_OK(setting_load(&TABLE, sources, arena, out, &err), &err);
}

static void check_fails(const struct setting_sources *sources, const char *text, const char *hint)
{
	struct arena arena = { 0 };
	struct values values;
	struct error err;
	CHECK(!setting_load(&TABLE, sources, &arena, &values, &err));
	CHECK(err.kind == ERROR_SETUP);
	CHECK_TEXT(err.text, text);
	CHECK_TEXT(err.hint, hint);
	arena_deinit(&arena);
}

static void check_yaml_fails(const char *yaml, const char *text, const char *hint)
{
	const struct setting_sources sources = sources_of(yaml, "");
	check_fails(&sources, text, hint);
}

TEST(settings_have_defaults)
{
	struct arena arena = { 0 };
	struct values values;
	const struct setting_sources sources = { 0 };
	load(&sources, &arena, &values);
	CHECK(values.url == NULL);
	CHECK_TEXT(values.type, "segment");
	CHECK_EQUAL(values.interval, 400000);
	CHECK_EQUAL(values.memory, 256 << 20);
	CHECK(!values.is_checked);
	CHECK_EQUAL(values.tables.count, 1);
	CHECK_TEXT(values.tables.items[0], "public.*");
	arena_deinit(&arena);
}

TEST(the_command_line_beats_the_environment_beats_the_file_beats_dot_env)
{
	struct arena arena = { 0 };
	struct values values;
	static const char *const ENVIRONMENT[] = { "WALBERG_LAKE_MEMORY=3MB",
		"WALBERG_LAKE_COMMIT_INTERVAL=3s", "HOME=/", "WALBERG_CHECKED=", NULL };
	static const char *const ASSIGNMENTS[] = { "lake.memory=5MB", "lake.memory=4MB" };
	struct setting_sources sources = sources_of(
		"lake:\n  memory: 2MB\n  commit_interval: 2s\nlog: {type: kafka}\nchecked: yes\n",
		"WALBERG_LAKE_MEMORY=1MB\nWALBERG_LOG_TYPE=segment\nWALBERG_SOURCE_URL=here\n");
	sources.environment = ENVIRONMENT;
	sources.assignments = (struct setting_assignments){ ASSIGNMENTS, 2 };
	load(&sources, &arena, &values);
	CHECK_EQUAL(values.memory, 4 << 20);
	CHECK_EQUAL(values.interval, 3000000);
	CHECK_TEXT(values.type, "kafka");
	CHECK_TEXT(values.url, "here");
	CHECK(values.is_checked);
	arena_deinit(&arena);
}

TEST(an_alias_is_converted_and_yields_to_the_own_name)
{
	struct arena arena = { 0 };
	struct values values;
	static const char *const ENVIRONMENT[] = { "WALBERG_SEED=5", "POSTGRES_URL=jdbc:there",
		NULL };
	struct setting_sources sources = sources_of("source: {url: file}", "");
	sources.environment = ENVIRONMENT;
	load(&sources, &arena, &values);
	CHECK_TEXT(values.url, "there");
	static const char *const BOTH[] = { "WALBERG_SOURCE_URL=own", "POSTGRES_URL=jdbc:x", NULL };
	sources.environment = BOTH;
	load(&sources, &arena, &values);
	CHECK_TEXT(values.url, "own");
	sources = sources_of("", "WALBERG_SOURCE_URL=own\nPOSTGRES_URL=jdbc:x\n");
	load(&sources, &arena, &values);
	CHECK_TEXT(values.url, "own");
	sources = sources_of("", "\nPOSTGRES_URL=x\n");
	check_fails(&sources, "\"x\" is no JDBC URL", "");
	arena_deinit(&arena);
}

TEST(the_first_of_two_aliases_wins_wherever_it_stands)
{
	static const char *const FIRST[] = { "POSTGRES_URL=jdbc:one", "OTHER_URL=two", NULL };
	static const char *const LAST[] = { "OTHER_URL=two", "POSTGRES_URL=jdbc:one", NULL };
	static const char *const WEAK[] = { "OTHER_URL=two", NULL };
	struct arena arena = { 0 };
	struct values values;
	struct setting_sources sources =
		sources_of("", "POSTGRES_URL=jdbc:three\nOTHER_URL=four\n");
	load(&sources, &arena, &values);
	CHECK_TEXT(values.url, "three");
	sources = sources_of("", "OTHER_URL=four\nPOSTGRES_URL=jdbc:three\n");
	load(&sources, &arena, &values);
	CHECK_TEXT(values.url, "three");
	sources.environment = FIRST;
	load(&sources, &arena, &values);
	CHECK_TEXT(values.url, "one");
	sources.environment = LAST;
	load(&sources, &arena, &values);
	CHECK_TEXT(values.url, "one");
	sources.environment = WEAK; /* of a stronger source */
	load(&sources, &arena, &values);
	CHECK_TEXT(values.url, "two");
	arena_deinit(&arena);
}

TEST(a_list_is_a_sequence_or_a_text_with_commas)
{
	struct arena arena = { 0 };
	struct values values;
	struct setting_sources sources = sources_of("source: {tables: ['a,b', c]}", "");
	load(&sources, &arena, &values);
	CHECK_EQUAL(values.tables.count, 2);
	CHECK_TEXT(values.tables.items[0], "a,b");
	sources = sources_of("source: {tables: ' a , ,b,'}", "");
	load(&sources, &arena, &values);
	CHECK_EQUAL(values.tables.count, 2);
	CHECK_TEXT(values.tables.items[0], "a");
	CHECK_TEXT(values.tables.items[1], "b");
	sources = sources_of("source: {tables: []}", "");
	load(&sources, &arena, &values);
	CHECK_EQUAL(values.tables.count, 0);
	arena_deinit(&arena);
}

TEST(an_unknown_name_is_an_error_that_names_the_nearest)
{
	check_yaml_fails("lake:\n  comit_interval: 1s\n",
		"walberg.yaml:2: there is no setting \"lake.comit_interval\"",
		"The nearest valid name is \"lake.commit_interval\".");
	check_yaml_fails("sorce:\n  url: x\n", "walberg.yaml:2: there is no setting \"sorce\"",
		"The nearest valid name is \"source\".");
	check_yaml_fails("\nlog: kafka\n", "walberg.yaml:2: there is no setting \"log\"",
		"\"log\" is a group of settings, not one.");
	check_yaml_fails("lak:\n", "walberg.yaml:1: there is no setting \"lak\"",
		"The nearest valid name is \"lake\".");
	struct setting_sources sources = { 0 };
	static const char *const ENVIRONMENT[] = { "WALBERG_LAKE_MEMROY=1", NULL };
	sources.environment = ENVIRONMENT;
	check_fails(&sources, "environment variable WALBERG_LAKE_MEMROY names no setting",
		"The nearest valid name is WALBERG_LAKE_MEMORY.");
	static const char *const ASSIGNMENTS[] = { "log.typ=kafka" };
	sources = (struct setting_sources){ .assignments = { ASSIGNMENTS, 1 } };
	check_fails(&sources, "--set: there is no setting \"log.typ\"",
		"The nearest valid name is \"log.type\".");
	sources = sources_of("", "WALBERG_COLOUR=red\n");
	check_fails(&sources, ".env:1: WALBERG_COLOUR names no setting",
		"\"walberg --help\" lists the settings.");
	sources = (struct setting_sources){ .assignments = { ASSIGNMENTS, 1 } };
	static const char *const OTHERS[] = { "colour=red" };
	sources.assignments.items = OTHERS;
	check_fails(&sources, "--set: there is no setting \"colour\"",
		"\"walberg --help\" lists the settings.");
}

TEST(a_wrong_value_is_an_error_that_says_where_it_stands)
{
	check_yaml_fails("lake:\n  commit_interval: soon\n",
		"walberg.yaml:2: the setting \"lake.commit_interval\" must be a duration such as "
		"400ms, 10s, 5min, 2h or 1d, not \"soon\"",
		"");
	check_yaml_fails("lake: {commit_interval: 5ms}",
		"walberg.yaml:1: the setting \"lake.commit_interval\" must be at least 10ms, "
		"not \"5ms\"",
		"");
	check_yaml_fails("lake: {commit_interval: 1d}",
		"walberg.yaml:1: the setting \"lake.commit_interval\" must be at most 1h, "
		"not \"1d\"",
		"");
	check_yaml_fails("log: {type: paper}",
		"walberg.yaml:1: the setting \"log.type\" must be one of segment,kafka, not "
		"\"paper\"",
		"");
	check_yaml_fails("log: {type: [kafka]}",
		"walberg.yaml:1: the setting \"log.type\" takes one value, not a list", "");
	check_yaml_fails("checked: maybe",
		"walberg.yaml:1: the setting \"checked\" must be true or false, not \"maybe\"", "");
	check_yaml_fails("source: {password: hunter2}",
		"walberg.yaml:1: the setting \"source.password\" must be a whole number", "");
	check_yaml_fails("checked: no\n\nchecked: yes\n",
		"walberg.yaml:3: the setting \"checked\" is given already at walberg.yaml:1", "");
	check_yaml_fails("checked: *x\n", "walberg.yaml:1: YAML aliases (*name) are not read", "");
	check_yaml_fails("- a\n", "walberg.yaml:1: a list cannot stand here", "");
}

TEST(broken_yaml_is_an_error_with_its_line)
{
	struct arena arena = { 0 };
	struct values values;
	struct error err;
	const struct setting_sources sources = sources_of("checked: yes\nlake: [\n", "");
	CHECK(!setting_load(&TABLE, &sources, &arena, &values, &err));
	CHECK(strncmp(err.text, "walberg.yaml:3: ", 16) == 0);
	arena_deinit(&arena);
}

TEST(dot_env_is_read_with_its_quotes_and_comments)
{
	static const struct {
		const char *line;
		const char *value; /* NULL: an error */
	} CASES[] = {
		{ "WALBERG_SOURCE_URL=a b  # comment", "a b" },
		{ "  export WALBERG_SOURCE_URL = a#b\r", "a#b" },
		{ "WALBERG_SOURCE_URL='a # \"b\"' # c", "a # \"b\"" },
		{ "WALBERG_SOURCE_URL=\"a\\\"\\n\\$\"", "a\"\n$" },
		{ "#WALBERG_SOURCE_URL=x\nWALBERG_SOURCE_URL=y\nOTHER=z", "y" },
		{ "WALBERG_SOURCE_URL='a", NULL },
		{ "WALBERG_SOURCE_URL='a' b", NULL },
		{ "WALBERG_SOURCE_URL", NULL },
		{ "=x", NULL },
	};
	for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
		struct arena arena = { 0 };
		struct values values = { 0 };
		struct error err;
		const struct setting_sources sources = sources_of("", CASES[i].line);
		const bool ok = setting_load(&TABLE, &sources, &arena, &values, &err);
		CHECK(ok == (CASES[i].value != NULL));
		if (ok)
			CHECK_TEXT(values.url, CASES[i].value);
		arena_deinit(&arena);
	}
}

TEST(sizes_and_durations_are_exact_or_refused)
{
	int64_t value;
	CHECK(setting_parse_size("64 kb", &value) && value == 65536);
	CHECK(setting_parse_size("2TiB", &value) && value == INT64_C(2) << 40);
	CHECK(setting_parse_size("9", &value) && value == 9);
	CHECK(!setting_parse_size("9223372036854775807kB", &value));
	CHECK(!setting_parse_size("99999999999999999999", &value));
	CHECK(!setting_parse_size("", &value) && !setting_parse_size("MB", &value));
	CHECK(!setting_parse_size("1.5MB", &value) && !setting_parse_size(" 1", &value));
	CHECK(setting_parse_duration("5min", &value) && value == 300000000);
	CHECK(setting_parse_duration("1d", &value) && value == INT64_C(86400000000));
	CHECK(setting_parse_duration("0", &value) && value == 0);
	CHECK(!setting_parse_duration("5", &value) && !setting_parse_duration("5m", &value));
}

TEST(settings_document_themselves)
{
	char *text = NULL;
	size_t size = 0;
	FILE *out = open_memstream(&text, &size);
	setting_print_markdown(&TABLE, out);
	setting_print_help(&TABLE, out);
	static const char *const GIVEN[] = { "log.type=kafka", "lake.memory=1MB",
		"lake.memory=2MB" };
	setting_print_yaml(&TABLE, &(struct setting_assignments){ 0 }, out);
	fputs("---\n", out);
	setting_print_yaml(&TABLE, &(struct setting_assignments){ GIVEN, 3 }, out);
	fclose(out);
	CHECK(strstr(text, "| `lake.commit_interval` | `WALBERG_LAKE_COMMIT_INTERVAL` | `400ms` | "
			   "How long a\\|b. |\n"));
	CHECK(strstr(text, "| `source.url` | `WALBERG_SOURCE_URL`, `POSTGRES_URL`, `OTHER_URL` |"));
	CHECK(strstr(text, "  log.type=segment\n      Which log.  (one of segment,kafka)\n"));
	CHECK(strstr(text, "# lake:\n#   # How long a|b.\n#   commit_interval: 400ms\n"
			   "#   # How much.\n#   memory: 256MB\n# log:\n"));
	CHECK(strstr(text, "\nlake:\n#   # How long a|b.\n#   commit_interval: 400ms\n"
			   "#   # How much.\n  memory: \"2MB\"\nlog:\n"));
	CHECK(strstr(text, "\n  type: \"kafka\"\n"));
	free(text);
}
