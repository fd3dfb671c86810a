/*
 * credentials.c: the shared file of access keys.
 *
 *	[default]
 *	aws_access_key_id = AKIDEXAMPLE
 *	aws_secret_access_key = wJalrXUtnFEMI
 *	aws_session_token = ...
 *
 * '#' and ';' begin a comment line.  Other names are passed over.
 */
#include "store/s3/s3.h"

static struct bytes trimmed(struct bytes text)
{
	while (text.size > 0 && strchr(" \t\r", text.data[0]) != NULL)
		text = bytes_of(text.data + 1, text.size - 1);
	while (text.size > 0 && strchr(" \t\r", text.data[text.size - 1]) != NULL)
		text.size--;
	return text;
}

static struct bytes take_line(struct bytes *text)
{
	const uint8_t *end = memchr(text->data, '\n', text->size);
	const size_t size = end != NULL ? (size_t)(end - text->data) : text->size;
	const struct bytes line = bytes_of(text->data, size);
	const size_t taken = end != NULL ? size + 1 : size;
	*text = bytes_of(text->data + taken, text->size - taken);
	return trimmed(line);
}

static bool is_heading(struct bytes line, const char *profile)
{
	if (line.data[line.size - 1] != ']')
		return false;
	return bytes_equal(
		trimmed(bytes_of(line.data + 1, line.size - 2)), bytes_of_cstring(profile));
}

static void take_setting(struct bytes line, struct arena *arena, struct s3_credentials *out)
{
	const struct {
		const char *name;
		const char **at;
	} NAMES[] = {
		{ "aws_access_key_id", &out->access_key },
		{ "aws_secret_access_key", &out->secret_key },
		{ "aws_session_token", &out->session_token },
	};
	const uint8_t *equals = memchr(line.data, '=', line.size);
	if (equals == NULL)
		return;
	const size_t size = (size_t)(equals - line.data);
	const struct bytes name = trimmed(bytes_of(line.data, size));
	const struct bytes value = trimmed(bytes_of(equals + 1, line.size - size - 1));
	for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
		if (value.size > 0 && bytes_equal(name, bytes_of_cstring(NAMES[i].name)))
			*NAMES[i].at = arena_copy_text(arena, value);
}

bool s3_find_credentials(
	struct bytes text, const char *profile, struct arena *arena, struct s3_credentials *out)
{
	bool is_found = false, is_inside = false;
	*out = (struct s3_credentials){ 0 };
	while (text.size > 0) {
		const struct bytes line = take_line(&text);
		if (line.size == 0 || line.data[0] == '#' || line.data[0] == ';')
			continue;
		if (line.data[0] == '[') {
			is_inside = is_heading(line, profile);
			is_found |= is_inside;
		} else if (is_inside) {
			take_setting(line, arena, out);
		}
	}
	return is_found;
}
