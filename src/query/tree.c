#include "query/tree.h"

#include <assert.h>

enum {
	/* DuckDB parses expressions up to 1000 deep, each at most four levels of JSON */
	DEPTH_MAX = 5000
};

struct parser {
	struct bytes text;
	size_t offset;
	unsigned depth;
	struct arena *arena;
	struct error *err;
};

/* ---- reading ---- */

static bool broken(struct parser *parser)
{
	return error_set(parser->err, ERROR_CORRUPT,
		"DuckDB's tree of a statement breaks off at %zu", parser->offset);
}

static uint8_t peek(const struct parser *parser)
{
	return parser->offset < parser->text.size ? parser->text.data[parser->offset] : 0;
}

static void skip_blanks(struct parser *parser)
{
	while (peek(parser) == ' ' || peek(parser) == '\n' || peek(parser) == '\t' ||
		peek(parser) == '\r')
		parser->offset++;
}

static bool take(struct parser *parser, uint8_t byte)
{
	skip_blanks(parser);
	if (peek(parser) != byte)
		return false;
	parser->offset++;
	return true;
}

/* The whole string, quotes included. */
static bool parse_string(struct parser *parser, struct bytes *out)
{
	size_t start = parser->offset;
	if (!take(parser, '"'))
		return broken(parser);
	while (peek(parser) != '"') {
		parser->offset += peek(parser) == '\\' ? 2 : 1;
		if (parser->offset >= parser->text.size)
			return broken(parser);
	}
	parser->offset++;
	*out = bytes_of(parser->text.data + start, parser->offset - start);
	return true;
}

static bool parse_word(struct parser *parser, struct tree *tree)
{
	size_t start = parser->offset;
	while (peek(parser) != 0 && strchr(",]} \n\t\r", peek(parser)) == NULL)
		parser->offset++;
	tree->token = bytes_of(parser->text.data + start, parser->offset - start);
	if (tree->token.size == 0)
		return broken(parser);
	uint8_t first = tree->token.data[0];
	tree->kind = first == 'n'                   ? TREE_NULL
		     : first == 't' || first == 'f' ? TREE_BOOLEAN
						    : TREE_NUMBER;
	return true;
}

static bool parse_value(struct parser *parser, struct tree *tree);

static bool parse_member_key(struct parser *parser, struct tree *member)
{
	skip_blanks(parser);
	struct bytes key;
	if (!parse_string(parser, &key))
		return false;
	member->key = bytes_of(key.data + 1, key.size - 2);
	return take(parser, ':') || broken(parser);
}

static bool parse_items(struct parser *parser, struct tree *tree, uint8_t closing)
{
	struct tree **at = &tree->first;
	if (take(parser, closing))
		return true;
	do {
		struct tree *item = arena_new(parser->arena, struct tree);
		*at = item;
		at = &item->next;
		if (closing == '}' && !parse_member_key(parser, item))
			return false;
		if (!parse_value(parser, item))
			return false;
	} while (take(parser, ','));
	return take(parser, closing) || broken(parser);
}

static bool parse_value(struct parser *parser, struct tree *tree)
{
	if (parser->depth >= DEPTH_MAX)
		return error_set(parser->err, ERROR_LIMIT, "the statement is nested too deeply");
	skip_blanks(parser);
	uint8_t first = peek(parser);
	if (first == '"') {
		tree->kind = TREE_STRING;
		return parse_string(parser, &tree->token);
	}
	if (first != '{' && first != '[')
		return parse_word(parser, tree);

	parser->offset++;
	parser->depth++;
	tree->kind = first == '{' ? TREE_OBJECT : TREE_ARRAY;
	bool ok = parse_items(parser, tree, first == '{' ? '}' : ']');
	parser->depth--;
	return ok;
}

bool tree_parse(struct bytes text, struct arena *arena, struct tree **out, struct error *err)
{
	struct parser parser = { .text = text, .arena = arena, .err = err };
	struct tree *tree = arena_new(arena, struct tree);
	if (!parse_value(&parser, tree))
		return false;
	skip_blanks(&parser);
	if (parser.offset != text.size)
		return broken(&parser);
	*out = tree;
	return true;
}

/* ---- writing ---- */

void tree_print(const struct tree *tree, struct buffer *out)
{
	if (tree->kind != TREE_ARRAY && tree->kind != TREE_OBJECT) {
		buffer_append_bytes(out, tree->token);
		return;
	}
	bool is_object = tree->kind == TREE_OBJECT;
	buffer_append_u8(out, is_object ? '{' : '[');
	for (const struct tree *item = tree->first; item != NULL; item = item->next) {
		if (is_object) {
			buffer_append_u8(out, '"');
			buffer_append_bytes(out, item->key);
			buffer_append(out, "\":", 2);
		}
		tree_print(item, out);
		if (item->next != NULL)
			buffer_append_u8(out, ',');
	}
	buffer_append_u8(out, is_object ? '}' : ']');
}

/* ---- looking ---- */

struct tree *tree_member(const struct tree *object, const char *key)
{
	if (object == NULL || object->kind != TREE_OBJECT)
		return NULL;
	for (struct tree *member = object->first; member != NULL; member = member->next)
		if (bytes_equal(member->key, bytes_of_cstring(key)))
			return member;
	return NULL;
}

bool tree_is_text(const struct tree *tree, const char *text)
{
	if (tree == NULL || tree->kind != TREE_STRING)
		return false;
	struct bytes inner = bytes_of(tree->token.data + 1, tree->token.size - 2);
	return bytes_equal(inner, bytes_of_cstring(text));
}

static uint32_t hex_value(const uint8_t *digits, size_t count)
{
	uint32_t value = 0;
	for (size_t i = 0; i < count; i++) {
		uint8_t digit = digits[i];
		uint32_t nibble = digit <= '9' ? digit - (uint32_t)'0' : (digit & 7u) + 9;
		value = value << 4 | (nibble & 15);
	}
	return value;
}

static void append_code_point(struct buffer *out, uint32_t code)
{
	if (code < 0x80) {
		buffer_append_u8(out, (uint8_t)code);
	} else if (code < 0x800) {
		buffer_append_u8(out, (uint8_t)(0xC0 | code >> 6));
		buffer_append_u8(out, (uint8_t)(0x80 | (code & 0x3F)));
	} else if (code < 0x10000) {
		buffer_append_u8(out, (uint8_t)(0xE0 | code >> 12));
		buffer_append_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3F)));
		buffer_append_u8(out, (uint8_t)(0x80 | (code & 0x3F)));
	} else {
		buffer_append_u8(out, (uint8_t)(0xF0 | code >> 18));
		buffer_append_u8(out, (uint8_t)(0x80 | (code >> 12 & 0x3F)));
		buffer_append_u8(out, (uint8_t)(0x80 | (code >> 6 & 0x3F)));
		buffer_append_u8(out, (uint8_t)(0x80 | (code & 0x3F)));
	}
}

/* at is after the backslash; returns the bytes that the escape takes after it. */
static size_t append_escape(struct buffer *out, const uint8_t *at, size_t left)
{
	static const char letters[] = "bfnrt";
	static const char meanings[] = "\b\f\n\r\t";
	const char *letter = memchr(letters, at[0], sizeof letters - 1);
	if (letter != NULL) {
		buffer_append_u8(out, (uint8_t)meanings[letter - letters]);
		return 1;
	}
	if (at[0] != 'u' || left < 5) {
		buffer_append_u8(out, at[0]);
		return 1;
	}
	uint32_t code = hex_value(at + 1, 4);
	bool is_pair = code >> 10 == 0x36 && left >= 11 && at[5] == '\\' && at[6] == 'u';
	if (is_pair)
		code = 0x10000 + ((code & 0x3FF) << 10) + (hex_value(at + 7, 4) & 0x3FF);
	append_code_point(out, code);
	return is_pair ? 11 : 5;
}

const char *tree_text(const struct tree *tree, struct arena *arena)
{
	assert(tree->kind == TREE_STRING);
	struct buffer text = { 0 };
	const uint8_t *end = tree->token.data + tree->token.size - 1;
	for (const uint8_t *at = tree->token.data + 1; at < end;) {
		if (*at == '\\' && end - at > 1)
			at += 1 + append_escape(&text, at + 1, (size_t)(end - at - 1));
		else
			buffer_append_u8(&text, *at++);
	}
	const char *copy = arena_copy_text(arena, buffer_bytes(&text));
	buffer_deinit(&text);
	return copy;
}

const char *tree_member_text(const struct tree *object, const char *key, struct arena *arena)
{
	const struct tree *member = tree_member(object, key);
	return member != NULL && member->kind == TREE_STRING ? tree_text(member, arena) : "";
}

/* ---- changing ---- */

struct tree *tree_string(const char *text, struct arena *arena)
{
	struct buffer token = { 0 };
	buffer_append_u8(&token, '"');
	for (const char *at = text; *at != '\0'; at++) {
		if ((unsigned char)*at < 0x20) {
			buffer_append_format(&token, "\\u%04x", (unsigned)*at);
			continue;
		}
		if (*at == '"' || *at == '\\')
			buffer_append_u8(&token, '\\');
		buffer_append_u8(&token, (uint8_t)*at);
	}
	buffer_append_u8(&token, '"');
	struct tree *tree = arena_new(arena, struct tree);
	tree->kind = TREE_STRING;
	tree->token = arena_copy_bytes(arena, buffer_bytes(&token));
	buffer_deinit(&token);
	return tree;
}

void tree_replace(struct tree *at, const struct tree *tree)
{
	at->kind = tree->kind;
	at->token = tree->token;
	at->first = tree->first;
}
