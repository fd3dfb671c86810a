#include "query/query.h"

#include <ctype.h>

/* Every function takes the offset where something begins and gives the one behind it, or text.size
 * when it does not end. */

static bool starts_with(struct bytes text, size_t at, const char *prefix)
{
	size_t size = strlen(prefix);
	return size <= text.size - at && memcmp(text.data + at, prefix, size) == 0;
}

static size_t skip_line(struct bytes text, size_t at)
{
	while (at < text.size && text.data[at] != '\n')
		at++;
	return at;
}

static size_t skip_comment(struct bytes text, size_t at, bool *is_closed)
{
	size_t depth = 0;
	while (at < text.size) {
		if (starts_with(text, at, "/*")) {
			depth++;
			at += 2;
		} else if (starts_with(text, at, "*/")) {
			at += 2;
			if (--depth == 0)
				return at;
		} else {
			at++;
		}
	}
	*is_closed = false;
	return at;
}

/* A doubled quote stands for itself; it reads here as one string after another. */
static size_t skip_quoted(struct bytes text, size_t at, bool has_escapes, bool *is_closed)
{
	uint8_t quote = text.data[at++];
	while (at < text.size) {
		if (has_escapes && text.data[at] == '\\')
			at++;
		else if (text.data[at] == quote)
			return at + 1;
		at++;
	}
	*is_closed = false;
	return text.size;
}

static bool is_word_byte(uint8_t byte)
{
	return isalnum(byte) || byte == '_' || byte >= 0x80;
}

/* $$ or $tag$; a tag is a word that does not begin with a digit ($1 is a parameter). */
static size_t dollar_tag_size(struct bytes text, size_t at)
{
	size_t end = at + 1;
	if (end < text.size && isdigit(text.data[end]))
		return 0;
	while (end < text.size && is_word_byte(text.data[end]))
		end++;
	return end < text.size && text.data[end] == '$' ? end + 1 - at : 0;
}

static size_t skip_dollar_quoted(struct bytes text, size_t at, bool *is_closed)
{
	size_t size = dollar_tag_size(text, at);
	if (size == 0)
		return at + 1;
	const uint8_t *tag = text.data + at;
	for (at += size; at + size <= text.size; at++)
		if (memcmp(text.data + at, tag, size) == 0)
			return at + size;
	*is_closed = false;
	return text.size;
}

static size_t skip_word(struct bytes text, size_t at, bool *is_closed)
{
	bool is_escape = (text.data[at] == 'e' || text.data[at] == 'E') && at + 1 < text.size &&
			 text.data[at + 1] == '\'';
	if (is_escape)
		return skip_quoted(text, at + 1, true, is_closed);
	while (at < text.size && (is_word_byte(text.data[at]) || text.data[at] == '$'))
		at++;
	return at;
}

/* *is_blank: what was skipped means nothing. */
static size_t skip_token(struct bytes text, size_t at, bool *is_closed, bool *is_blank)
{
	uint8_t byte = text.data[at];
	*is_blank = true;
	if (starts_with(text, at, "--"))
		return skip_line(text, at);
	if (starts_with(text, at, "/*"))
		return skip_comment(text, at, is_closed);
	if (isspace(byte) || byte == ';')
		return at + 1;
	*is_blank = false;
	if (byte == '\'' || byte == '"')
		return skip_quoted(text, at, false, is_closed);
	if (byte == '$')
		return skip_dollar_quoted(text, at, is_closed);
	if (is_word_byte(byte))
		return skip_word(text, at, is_closed);
	return at + 1;
}

size_t query_statement_size(struct bytes text)
{
	bool is_closed = true;
	bool is_blank;
	for (size_t at = 0; at < text.size && is_closed;) {
		if (text.data[at] == ';')
			return at + 1;
		at = skip_token(text, at, &is_closed, &is_blank);
	}
	return 0;
}

bool query_is_blank(struct bytes text)
{
	bool is_closed = true;
	bool is_blank = true;
	for (size_t at = 0; at < text.size && is_blank;)
		at = skip_token(text, at, &is_closed, &is_blank);
	return is_blank && is_closed;
}
