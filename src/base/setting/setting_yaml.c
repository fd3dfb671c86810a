#include "base/setting/setting_internal.h"

#include <yaml.h>

enum {
	DEPTH_MAX = 8,
	FILE_BYTES_MAX = 256 * 1024
};

/*
 * Where the reader is: `name` holds the keys from the outermost map to the current one, joined by
 * dots; name_sizes[d] is its size without the key of the map at depth d.
 */
struct yaml_reading {
	struct setting_reading *settings;
	const char *path;
	size_t line;
	char name[SETTING_NAME_SIZE];
	size_t name_sizes[DEPTH_MAX];
	size_t depth;
	bool has_key; /* a value comes next */
	bool is_in_list;
	struct buffer items; /* const char * each */
	bool is_finished;
	size_t documents;
};

static const char *origin_of(const struct yaml_reading *yaml)
{
	return arena_format(yaml->settings->arena, "%s:%zu", yaml->path, yaml->line);
}

static bool fail(const struct yaml_reading *yaml, const char *why, struct error *err)
{
	return error_set(err, ERROR_SETUP, "%s:%zu: %s", yaml->path, yaml->line, why);
}

static bool is_null(const yaml_event_t *event)
{
	const char *text = (const char *)event->data.scalar.value;
	return event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
	       (!text[0] || strcmp(text, "~") == 0 || strcasecmp(text, "null") == 0);
}

static bool add_key(struct yaml_reading *yaml, const char *key, struct error *err)
{
	const size_t used = yaml->name_sizes[yaml->depth - 1];
	const int size =
		snprintf(yaml->name + used, sizeof yaml->name - used, "%s%s", used ? "." : "", key);
	if ((size_t)size >= sizeof yaml->name - used)
		return fail(yaml, "a name is too long", err);
	yaml->has_key = true;
	return true;
}

static void end_value(struct yaml_reading *yaml)
{
	yaml->name[yaml->name_sizes[yaml->depth - 1]] = '\0';
	yaml->has_key = false;
}

static bool give_scalar(
	struct yaml_reading *yaml, const yaml_event_t *event, const char *text, struct error *err)
{
	const struct setting_table *table = yaml->settings->table;
	const struct given given = {
		.text = text, .is_from_yaml = true, .origin = origin_of(yaml)
	};
	bool ok = true;
	if (!is_null(event))
		ok = setting_give(yaml->settings, yaml->name, given, err);
	else if (!setting_find(table, yaml->name) && !setting_is_group(table, yaml->name))
		ok = setting_fail_unknown(table, given.origin, yaml->name, err);
	end_value(yaml);
	return ok;
}

static bool take_scalar(struct yaml_reading *yaml, const yaml_event_t *event, struct error *err)
{
	const struct bytes value = bytes_of(event->data.scalar.value, event->data.scalar.length);
	if (value.size > 0 && memchr(value.data, 0, value.size) != NULL)
		return fail(yaml, "a value holds a NUL character", err);
	const char *text = arena_copy_text(yaml->settings->arena, value);
	if (yaml->is_in_list) {
		buffer_append(&yaml->items, &text, sizeof text);
		return true;
	}
	if (yaml->depth == 0)
		return is_null(event) || fail(yaml, "settings are written KEY: VALUE", err);
	if (!yaml->has_key)
		return add_key(yaml, text, err);
	return give_scalar(yaml, event, text, err);
}

static bool begin_map(struct yaml_reading *yaml, struct error *err)
{
	if (yaml->is_in_list || (yaml->depth > 0 && !yaml->has_key))
		return fail(yaml, "a map cannot stand here", err);
	if (yaml->depth == DEPTH_MAX)
		return fail(yaml, "maps are nested too deeply", err);
	if (yaml->depth > 0 && !setting_is_group(yaml->settings->table, yaml->name))
		return setting_fail_unknown(
			yaml->settings->table, origin_of(yaml), yaml->name, err);
	yaml->name_sizes[yaml->depth++] = strlen(yaml->name);
	yaml->has_key = false;
	return true;
}

static void end_map(struct yaml_reading *yaml)
{
	yaml->depth--;
	if (yaml->depth > 0)
		end_value(yaml);
}

static bool begin_list(struct yaml_reading *yaml, struct error *err)
{
	if (yaml->is_in_list || !yaml->has_key)
		return fail(yaml, "a list cannot stand here", err);
	yaml->is_in_list = true;
	buffer_reset(&yaml->items);
	return true;
}

static bool end_list(struct yaml_reading *yaml, struct error *err)
{
	struct arena *arena = yaml->settings->arena;
	const struct setting_list list = {
		arena_copy(arena, yaml->items.data, yaml->items.size),
		yaml->items.size / sizeof *list.items,
	};
	const struct given given = {
		.items = list, .is_list = true, .is_from_yaml = true, .origin = origin_of(yaml)
	};
	const bool ok = setting_give(yaml->settings, yaml->name, given, err);
	yaml->is_in_list = false;
	end_value(yaml);
	return ok;
}

static bool take_event(struct yaml_reading *yaml, const yaml_event_t *event, struct error *err)
{
	yaml->line = event->start_mark.line + 1;
	switch (event->type) {
	case YAML_DOCUMENT_START_EVENT:
		return ++yaml->documents == 1 || fail(yaml, "a second document begins", err);
	case YAML_SCALAR_EVENT:
		return take_scalar(yaml, event, err);
	case YAML_MAPPING_START_EVENT:
		return begin_map(yaml, err);
	case YAML_MAPPING_END_EVENT:
		end_map(yaml);
		return true;
	case YAML_SEQUENCE_START_EVENT:
		return begin_list(yaml, err);
	case YAML_SEQUENCE_END_EVENT:
		return end_list(yaml, err);
	case YAML_ALIAS_EVENT:
		return fail(yaml, "YAML aliases (*name) are not read", err);
	case YAML_STREAM_END_EVENT:
		yaml->is_finished = true;
		return true;
	default:
		return true;
	}
}

static bool read_events(struct yaml_reading *yaml, yaml_parser_t *parser, struct error *err)
{
	while (!yaml->is_finished) {
		yaml_event_t event;
		if (!yaml_parser_parse(parser, &event)) {
			yaml->line = parser->problem_mark.line + 1;
			return fail(yaml, parser->problem ? parser->problem : "is not YAML", err);
		}
		const bool ok = take_event(yaml, &event, err);
		yaml_event_delete(&event);
		if (!ok)
			return false;
	}
	return true;
}

bool setting_read_yaml(
	struct setting_reading *reading, const struct setting_file *file, struct error *err)
{
	if (file->text.size == 0)
		return true;
	if (file->text.size > FILE_BYTES_MAX)
		return error_set(err, ERROR_SETUP, "%s: the file is larger than %d bytes",
			file->path, FILE_BYTES_MAX);
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		return error_set(err, ERROR_SETUP, "%s: no YAML reader", file->path);
	yaml_parser_set_input_string(&parser, file->text.data, file->text.size);
	struct yaml_reading yaml = { .settings = reading, .path = file->path };
	const bool ok = read_events(&yaml, &parser, err);
	buffer_deinit(&yaml.items);
	yaml_parser_delete(&parser);
	return ok;
}
