#include "base/setting/setting_internal.h"

#include <ctype.h>

/*
 * A line of an .env file, as Docker Compose reads it:
 *
 *	[export] NAME=VALUE        trimmed; ends at " #"
 *	[export] NAME='VALUE'      as it stands
 *	[export] NAME="VALUE"      with \n \t \" \\ \$
 *	# comment, or nothing
 */
struct env_line {
	struct bytes left; /* what of the line was not read */
	struct buffer value;
};

static bool is_blank(uint8_t byte)
{
	return byte == ' ' || byte == '\t' || byte == '\r';
}

static void skip(struct bytes *left, size_t size)
{
	*left = bytes_of(left->data + size, left->size - size);
}

static void skip_blanks(struct bytes *left)
{
	while (left->size > 0 && is_blank(left->data[0]))
		skip(left, 1);
}

static struct bytes take_name(struct bytes *left)
{
	size_t size = 0;
	while (size < left->size && (isalnum(left->data[size]) || left->data[size] == '_'))
		size++;
	const struct bytes name = bytes_of(left->data, size);
	skip(left, size);
	return name;
}

static bool take_plain(struct env_line *line)
{
	size_t size = 0;
	while (size < line->left.size &&
		!(line->left.data[size] == '#' && size > 0 && is_blank(line->left.data[size - 1])))
		size++;
	const size_t end = size;
	while (size > 0 && is_blank(line->left.data[size - 1]))
		size--;
	buffer_append(&line->value, line->left.data, size);
	skip(&line->left, end);
	return true;
}

static uint8_t unescape(uint8_t byte)
{
	return byte == 'n' ? '\n' : byte == 't' ? '\t' : byte == 'r' ? '\r' : byte;
}

/* False when the quote is not closed. */
static bool take_quoted(struct env_line *line)
{
	const uint8_t quote = line->left.data[0];
	skip(&line->left, 1);
	while (line->left.size > 0 && line->left.data[0] != quote) {
		uint8_t byte = line->left.data[0];
		if (quote == '"' && byte == '\\' && line->left.size > 1) {
			skip(&line->left, 1);
			byte = unescape(line->left.data[0]);
		}
		buffer_append_u8(&line->value, byte);
		skip(&line->left, 1);
	}
	if (line->left.size == 0)
		return false;
	skip(&line->left, 1);
	return true;
}

static bool take_value(struct env_line *line)
{
	skip_blanks(&line->left);
	const uint8_t first = line->left.size ? line->left.data[0] : 0;
	if (first == '\'' || first == '"') {
		if (!take_quoted(line))
			return false;
	} else {
		take_plain(line);
	}
	skip_blanks(&line->left);
	return line->left.size == 0 || line->left.data[0] == '#';
}

/* The name and value; an empty name for a line without. */
static bool parse_line(struct env_line *line, struct bytes *name)
{
	skip_blanks(&line->left);
	*name = (struct bytes){ 0 };
	if (line->left.size == 0 || line->left.data[0] == '#')
		return true;
	*name = take_name(&line->left);
	if (bytes_equal(*name, BYTES_LITERAL("export"))) {
		skip_blanks(&line->left);
		*name = take_name(&line->left);
	}
	skip_blanks(&line->left);
	if (name->size == 0 || line->left.size == 0 || line->left.data[0] != '=')
		return false;
	skip(&line->left, 1);
	return take_value(line);
}

static bool read_line(
	struct setting_reading *reading, struct bytes text, const char *origin, struct error *err)
{
	struct env_line line = { .left = text };
	struct bytes name;
	const bool is_text = text.size == 0 || memchr(text.data, 0, text.size) == NULL;
	const bool ok = is_text && parse_line(&line, &name);
	const char *value = arena_copy_text(reading->arena, buffer_bytes(&line.value));
	buffer_deinit(&line.value);
	if (!ok) {
		error_set(err, ERROR_SETUP, "%s: the line is not NAME=VALUE", origin);
		return error_hint(err, "Put a value with spaces around '#' or with quotes inside "
				       "into quotes, on one line.");
	}
	return name.size == 0 || setting_give_variable(reading,
					 arena_copy_text(reading->arena, name), value, origin, err);
}

/* Own names are read after aliases, so that they win. */
static bool read_lines(struct setting_reading *reading, const struct setting_file *file,
	bool own_names, struct error *err)
{
	struct bytes left = file->text;
	for (size_t number = 1; left.size > 0; number++) {
		const uint8_t *end = memchr(left.data, '\n', left.size);
		const struct bytes line =
			bytes_of(left.data, end ? (size_t)(end - left.data) : left.size);
		skip(&left, line.size + (end != NULL));
		struct bytes peek = line;
		skip_blanks(&peek);
		struct bytes name = take_name(&peek);
		if (bytes_equal(name, BYTES_LITERAL("export"))) {
			skip_blanks(&peek);
			name = take_name(&peek);
		}
		const bool is_own = name.size > 8 && memcmp(name.data, "WALBERG_", 8) == 0;
		const char *origin = arena_format(reading->arena, "%s:%zu", file->path, number);
		if (is_own == own_names && !read_line(reading, line, origin, err))
			return false;
	}
	return true;
}

bool setting_read_env(
	struct setting_reading *reading, const struct setting_file *file, struct error *err)
{
	return read_lines(reading, file, false, err) && read_lines(reading, file, true, err);
}
