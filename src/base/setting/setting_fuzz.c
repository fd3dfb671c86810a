#include "base/setting/setting.h"
#include "base/test.h"

struct values {
	const char *text;
	struct setting_list list;
	int64_t size, duration;
	bool is_on;
};

static const struct setting SETTINGS[] = {
	{ "a.text", SETTING_TEXT, "x", .help = "Text.", .offset = offsetof(struct values, text) },
	{ "a.b.list", SETTING_LIST, NULL, .help = "List.",
		.offset = offsetof(struct values, list) },
	{ "a.size", SETTING_SIZE, "1kB", .help = "Size.", .offset = offsetof(struct values, size) },
	{ "a.duration", SETTING_DURATION, "1s", .maximum = 1 << 30, .help = "Duration.",
		.offset = offsetof(struct values, duration) },
	{ "on", SETTING_BOOLEAN, "no", .help = "On.", .offset = offsetof(struct values, is_on) },
};

/* The first byte chooses the kind of file, the others are the file. */
FUZZ(setting)
{
	if (size == 0)
		return;
	const struct setting_table table = { SETTINGS, sizeof SETTINGS / sizeof *SETTINGS, NULL,
		0 };
	struct setting_sources sources = { 0 };
	struct setting_file *file = data[0] == 'y' ? &sources.yaml : &sources.env;
	*file = (struct setting_file){ "file", bytes_of(data + 1, size - 1) };
	struct arena arena = { 0 };
	struct values values;
	struct error err;
	if (!setting_load(&table, &sources, &arena, &values, &err))
		(void)err.text[0];
	arena_deinit(&arena);
}
