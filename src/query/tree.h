/*
 * tree.h: parsed SQL as DuckDB's json_serialize_sql() gives it, to be walked, changed and given
 * back to json_deserialize_sql().
 *
 * It is JSON, but numbers and strings are kept as they were written: DuckDB's trees hold 128-bit
 * parts of numbers and other values that no JSON number type keeps.  A tree lives in one arena and
 * points into the text that it was read from.
 */
#ifndef QUERY_TREE_H
#define QUERY_TREE_H

#include "base/arena.h"
#include "base/buffer.h"

enum tree_kind {
	TREE_NULL = 0,
	TREE_BOOLEAN,
	TREE_NUMBER,
	TREE_STRING,
	TREE_ARRAY,
	TREE_OBJECT,
};

struct tree {
	enum tree_kind kind;
	struct bytes key;   /* of an object's member, as it was written, quotes left out */
	struct bytes token; /* of a scalar, as it was written, quotes included */
	struct tree *first; /* items or members */
	struct tree *next;
};

/* CORRUPT when text is not JSON; LIMIT when it is nested too deeply for this program's stack. */
bool tree_parse(
	struct bytes text, struct arena *arena, struct tree **out, struct error *err) MUST_CHECK;

void tree_print(const struct tree *tree, struct buffer *out);

struct tree *tree_member(const struct tree *object, const char *key); /* or NULL */
bool tree_is_text(const struct tree *tree, const char *text);         /* a string and equal */
const char *tree_text(const struct tree *tree, struct arena *arena);  /* of a string, unescaped */

/* The text of a member; "" when it is missing or not a string. */
const char *tree_member_text(const struct tree *object, const char *key, struct arena *arena);

/* A string node made of text. */
struct tree *tree_string(const char *text, struct arena *arena);

/* tree takes the place of *at, which keeps its key and its place among its siblings. */
void tree_replace(struct tree *at, const struct tree *tree);

#endif
