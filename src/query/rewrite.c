#include "query/rewrite.h"

#include "query/rewrite_internal.h"
#include "query/scan.h"

#include <assert.h>
#include <stdlib.h>
#include <strings.h>

/* ---- what a tree may consist of ---- */

static const char *const query_nodes[] = {
	"SELECT_NODE",
	"SET_OPERATION_NODE",
	"RECURSIVE_CTE_NODE",
};

/* Objects with a type that are neither query nodes nor expressions. */
static const char *const other_nodes[] = {
	"BASE_TABLE",
	"SUBQUERY",
	"JOIN",
	"TABLE_FUNCTION",
	"EXPRESSION_LIST",
	"EMPTY",
	"PIVOT",
	"SHOW_REF",
	"ORDER_MODIFIER",
	"DISTINCT_MODIFIER",
	"LIMIT_MODIFIER",
	"LIMIT_PERCENT_MODIFIER",
	"ORDER_DEFAULT",
	"ASCENDING",
	"DESCENDING",
	"DECIMAL_TYPE_INFO",
	"STRING_TYPE_INFO",
	"LIST_TYPE_INFO",
	"STRUCT_TYPE_INFO",
	"ARRAY_TYPE_INFO",
	"GENERIC_TYPE_INFO",
	"UNBOUND_TYPE_INFO",
	"INTEGER_LITERAL_TYPE_INFO",
};

static const char *const expression_classes[] = {
	"BETWEEN",
	"CASE",
	"CAST",
	"COLLATE",
	"COLUMN_REF",
	"COMPARISON",
	"CONJUNCTION",
	"CONSTANT",
	"DEFAULT",
	"FUNCTION",
	"LAMBDA",
	"LAMBDA_REF",
	"OPERATOR",
	"PARAMETER",
	"POSITIONAL_REFERENCE",
	"STAR",
	"SUBQUERY",
	"TYPE",
	"WINDOW",
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

static bool is_one_of(const struct tree *text, const char *const *names, size_t count)
{
	for (size_t i = 0; i < count; i++)
		if (tree_is_text(text, names[i]))
			return true;
	return false;
}

static bool refuse(struct rewrite *rewrite, const char *what, const char *name)
{
	error_set(rewrite->err, ERROR_UNSUPPORTED, "%s \"%s\" cannot be used here", what, name);
	return error_hint(rewrite->err,
		"Queries read the tables of the lake and nothing else; SHOW TABLES lists them.");
}

static bool refuse_node(struct rewrite *rewrite, const struct tree *type)
{
	return refuse(rewrite, "the kind of expression", tree_text(type, rewrite->arena));
}

/* ---- walking ---- */

/* The names of the WITH queries that a part of the statement sees, innermost first. */
struct scope {
	const char *name;
	const struct scope *outer;
};

static bool scope_has(const struct scope *scope, const char *name)
{
	while (scope != NULL && strcasecmp(scope->name, name) != 0)
		scope = scope->outer;
	return scope != NULL;
}

static bool walk(struct rewrite *rewrite, struct tree *tree, const struct scope *scope);

static bool walk_all(struct rewrite *rewrite, struct tree *items, const struct scope *scope)
{
	for (struct tree *item = items; item != NULL; item = item->next)
		if (!walk(rewrite, item, scope))
			return false;
	return true;
}

static const struct scope *scope_enter(
	struct rewrite *rewrite, const char *name, const struct scope *outer)
{
	struct scope *scope = arena_new(rewrite->arena, struct scope);
	*scope = (struct scope){ name, outer };
	return scope;
}

/*
 * A WITH query sees those before it, and itself when it is recursive.  A name that could be taken
 * for a file is refused, so that not even a mistake about scopes would open one.
 */
static bool walk_with(struct rewrite *rewrite, const struct tree *node, const struct scope **scope)
{
	const struct tree *map = tree_member(tree_member(node, "cte_map"), "map");
	for (struct tree *entry = map != NULL ? map->first : NULL; entry != NULL;
		entry = entry->next) {
		const char *name = tree_member_text(entry, "key", rewrite->arena);
		if (strpbrk(name, "./\\:*?[") != NULL)
			return refuse(rewrite, "the WITH name", name);
		struct tree *value = tree_member(entry, "value");
		const struct tree *query = tree_member(tree_member(value, "query"), "node");
		bool is_recursive = tree_is_text(tree_member(query, "type"), "RECURSIVE_CTE_NODE");
		const struct scope *with = scope_enter(rewrite, name, *scope);
		if (!walk(rewrite, value, is_recursive ? with : *scope))
			return false;
		*scope = with;
	}
	return true;
}

static bool walk_query(struct rewrite *rewrite, struct tree *node, const struct scope *scope)
{
	const struct tree *type = tree_member(node, "type");
	if (!is_one_of(type, query_nodes, COUNT(query_nodes)))
		return refuse_node(rewrite, type);
	if (!walk_with(rewrite, node, &scope))
		return false;
	for (struct tree *member = node->first; member != NULL; member = member->next)
		if (!bytes_equal(member->key, BYTES_LITERAL("cte_map")) &&
			!walk(rewrite, member, scope))
			return false;
	return true;
}

static bool walk_base_table(struct rewrite *rewrite, struct tree *node, const struct scope *scope)
{
	const char *schema = tree_member_text(node, "schema_name", rewrite->arena);
	const char *name = tree_member_text(node, "table_name", rewrite->arena);
	bool is_plain = tree_member_text(node, "catalog_name", rewrite->arena)[0] == '\0' &&
			(schema[0] == '\0' || strcmp(schema, "recurring") == 0);
	if (!is_plain || !scope_has(scope, name))
		return rewrite->is_verifying ? refuse(rewrite, "the table", name)
					     : rewrite_table(rewrite, node);
	const struct tree *at = tree_member(node, "at_clause");
	if (at != NULL && at->kind != TREE_NULL)
		return error_set(rewrite->err, ERROR_UNSUPPORTED,
			"AT cannot choose a version of the WITH query \"%s\"", name);
	return walk_all(rewrite, node->first, scope);
}

/* The arguments of a scan hold no string that walberg did not put into one. */
static bool walk_scan(struct rewrite *rewrite, struct tree *node, const struct scope *scope)
{
	rewrite->is_in_scan = true;
	bool ok = walk_all(rewrite, node->first, scope);
	rewrite->is_in_scan = false;
	return ok;
}

static bool is_scan_text(const struct rewrite *rewrite, const struct tree *constant)
{
	const struct tree *value = tree_member(tree_member(constant, "value"), "value");
	if (value == NULL || value->kind != TREE_STRING)
		return true;
	const struct text_list *text = rewrite->scan_texts;
	while (text != NULL && !bytes_equal(text->token, value->token))
		text = text->next;
	return text != NULL;
}

static bool is_scan_part(const struct rewrite *rewrite, const struct tree *node)
{
	static const char *const functions[] = { "list_value", "map", "struct_pack", "row",
		"read_parquet" };
	const struct tree *class = tree_member(node, "class");
	if (tree_is_text(class, "CONSTANT"))
		return is_scan_text(rewrite, node);
	if (tree_is_text(class, "FUNCTION"))
		return is_one_of(tree_member(node, "function_name"), functions, COUNT(functions));
	return tree_is_text(class, "CAST") || tree_is_text(class, "COMPARISON") ||
	       tree_is_text(class, "COLUMN_REF");
}

static bool walk_table_function(
	struct rewrite *rewrite, struct tree *node, const struct scope *scope)
{
	struct tree *function = tree_member(node, "function");
	const char *name = tree_member_text(function, "function_name", rewrite->arena);
	if (rewrite->is_verifying && strcmp(name, "read_parquet") == 0)
		return walk_scan(rewrite, node, scope);
	if (!tree_is_text(tree_member(function, "class"), "FUNCTION") ||
		!table_function_is_admitted(name))
		return refuse(rewrite, "the table function", name);
	return walk_all(rewrite, node->first, scope);
}

/* SHOW without a query asks DuckDB's own catalog; only the list of tables is given, the lake's. */
static bool walk_show(struct rewrite *rewrite, struct tree *node, const struct scope *scope)
{
	const struct tree *query = tree_member(node, "query");
	if (query != NULL && query->kind == TREE_OBJECT) {
		const bool was_described = rewrite->is_described;
		rewrite->is_described |= tree_is_text(tree_member(node, "show_type"), "DESCRIBE");
		const bool ok = walk_all(rewrite, node->first, scope);
		rewrite->is_described = was_described;
		return ok;
	}
	const char *name = tree_member_text(node, "table_name", rewrite->arena);
	if (strcmp(name, "\"tables\"") == 0 || strcmp(name, "__show_tables_expanded") == 0)
		return rewrite_show_tables(rewrite, node);
	return refuse(rewrite, "SHOW", name);
}

/* DuckDB writes the name in "name".* as it is, so it gets its quotes here. */
static void quote_star(struct rewrite *rewrite, struct tree *star)
{
	struct tree *name = tree_member(star, "relation_name");
	if (name == NULL || name->kind != TREE_STRING || tree_is_text(name, ""))
		return;
	struct buffer quoted = { 0 };
	sql_append_identifier(&quoted, tree_text(name, rewrite->arena));
	const char *text = arena_copy_text(rewrite->arena, buffer_bytes(&quoted));
	tree_replace(name, tree_string(text, rewrite->arena));
	buffer_deinit(&quoted);
}

static bool walk_expression(struct rewrite *rewrite, struct tree *node, const struct scope *scope)
{
	const struct tree *class = tree_member(node, "class");
	if (!is_one_of(class, expression_classes, COUNT(expression_classes)))
		return refuse_node(rewrite, class);
	if (rewrite->is_in_at && tree_is_text(class, "SUBQUERY"))
		return error_set(rewrite->err, ERROR_UNSUPPORTED, "AT takes a constant");
	if (rewrite->is_in_scan)
		return is_scan_part(rewrite, node) ? walk_all(rewrite, node->first, scope)
						   : refuse_node(rewrite, class);
	const struct tree *function = tree_member(node, "function_name");
	if (function != NULL && function->kind == TREE_STRING) {
		const char *name = tree_text(function, rewrite->arena);
		if (!function_is_admitted(name))
			return refuse(rewrite, "the function", name);
	}
	if (tree_is_text(class, "COLUMN_REF"))
		rewrite_note_column(rewrite, node);
	if (tree_is_text(class, "STAR") && !rewrite->is_verifying)
		quote_star(rewrite, node);
	return walk_all(rewrite, node->first, scope);
}

static bool walk_object(struct rewrite *rewrite, struct tree *node, const struct scope *scope)
{
	if (tree_member(node, "class") != NULL)
		return walk_expression(rewrite, node, scope);
	if (tree_member(node, "cte_map") != NULL)
		return walk_query(rewrite, node, scope);
	const struct tree *type = tree_member(node, "type");
	if (type == NULL || type->kind != TREE_STRING)
		return walk_all(rewrite, node->first, scope);
	if (!is_one_of(type, other_nodes, COUNT(other_nodes)))
		return refuse_node(rewrite, type);
	if (tree_is_text(type, "BASE_TABLE"))
		return walk_base_table(rewrite, node, scope);
	if (tree_is_text(type, "TABLE_FUNCTION"))
		return walk_table_function(rewrite, node, scope);
	if (tree_is_text(type, "SHOW_REF"))
		return walk_show(rewrite, node, scope);
	return walk_all(rewrite, node->first, scope);
}

static bool walk(struct rewrite *rewrite, struct tree *tree, const struct scope *scope)
{
	if (tree->kind == TREE_OBJECT)
		return walk_object(rewrite, tree, scope);
	return walk_all(rewrite, tree->first, scope);
}

bool rewrite_walk_constant(struct rewrite *rewrite, struct tree *expression)
{
	rewrite->is_in_at = true;
	bool ok = walk(rewrite, expression, NULL);
	rewrite->is_in_at = false;
	return ok;
}

/* ---- DuckDB's parser ---- */

static bool ask(struct rewrite *rewrite, const char *sql, struct bytes value, const char **out)
{
	if (!session_ask(
		    rewrite->rewriter->session, sql, 1, &value, rewrite->arena, out, rewrite->err))
		return false;
	return *out != NULL || error_set(rewrite->err, ERROR_CORRUPT, "DuckDB gave no tree");
}

static bool parse_failed(struct rewrite *rewrite, const struct tree *answer, const char *sql)
{
	const char *message = tree_member_text(answer, "error_message", rewrite->arena);
	const char *position = tree_member_text(answer, "position", rewrite->arena);
	if (strncmp(message, "Only SELECT", 11) == 0) {
		const char *word = sql + strspn(sql, " \t\r\n;");
		error_set(rewrite->err, ERROR_UNSUPPORTED, "\"%.*s\" cannot be run here",
			(int)strcspn(word, " \t\r\n;("), word);
		return error_hint(rewrite->err, "SELECT, VALUES, DESCRIBE, SUMMARIZE, SHOW TABLES "
						"and EXPLAIN can; the lake is only read.");
	}
	if (position[0] == '\0')
		return error_set(rewrite->err, ERROR_UNSUPPORTED, "%s", message);
	return error_set(rewrite->err, ERROR_UNSUPPORTED, "%s (character %ld)", message,
		strtol(position, NULL, 10) + 1);
}

bool rewrite_parse(struct rewrite *rewrite, struct bytes sql, struct tree **out)
{
	const char *json;
	if (!ask(rewrite, "SELECT json_serialize_sql($1::VARCHAR)", sql, &json))
		return false;
	struct tree *answer;
	if (!tree_parse(bytes_of_cstring(json), rewrite->arena, &answer, rewrite->err))
		return false;
	const struct tree *error = tree_member(answer, "error");
	if (error == NULL || !bytes_equal(error->token, BYTES_LITERAL("false")))
		return parse_failed(rewrite, answer, (const char *)sql.data);
	*out = answer;
	return true;
}

bool rewrite_unparse(struct rewrite *rewrite, const struct tree *tree, const char **out)
{
	struct buffer json = { 0 };
	tree_print(tree, &json);
	bool ok = ask(rewrite, "SELECT json_deserialize_sql($1::JSON)", buffer_bytes(&json), out);
	buffer_deinit(&json);
	return ok;
}

/* ---- the whole statement ---- */

/* Whether an expression of the class is in it. */
static bool has_class(const struct tree *tree, const char *class)
{
	if (tree_is_text(tree_member(tree, "class"), class))
		return true;
	for (const struct tree *item = tree->first; item != NULL; item = item->next)
		if (has_class(item, class))
			return true;
	return false;
}

/* Of a function's call; "" of an operator and of what may become several columns. */
static const char *function_column_name(struct rewrite *rewrite, const struct tree *expression)
{
	const struct tree *class = tree_member(expression, "class");
	const struct tree *is_operator = tree_member(expression, "is_operator");
	const char *name = tree_member_text(expression, "function_name", rewrite->arena);
	if (strcasecmp(name, "unnest") == 0 ||
		(is_operator != NULL && bytes_equal(is_operator->token, BYTES_LITERAL("true"))) ||
		(!tree_is_text(class, "FUNCTION") && !tree_is_text(class, "WINDOW")) ||
		has_class(expression, "STAR"))
		return "";
	return strcasecmp(name, "count_star") == 0 ? "count" : name;
}

/* A subquery's only column gives it its name, in PostgreSQL, if that is one or a function's. */
static const char *subquery_column_name(struct rewrite *rewrite, const struct tree *expression)
{
	if (tree_is_text(tree_member(expression, "subquery_type"), "EXISTS"))
		return "exists";
	const struct tree *node = tree_member(tree_member(expression, "subquery"), "node");
	const struct tree *list = tree_member(node, "select_list");
	const struct tree *column = list != NULL ? list->first : NULL;
	if (!tree_is_text(tree_member(expression, "subquery_type"), "SCALAR") || column == NULL)
		return "";
	const char *alias = tree_member_text(column, "alias", rewrite->arena);
	const struct tree *names = tree_member(column, "column_names");
	if (alias[0] != '\0' || names == NULL)
		return alias[0] != '\0' ? alias : function_column_name(rewrite, column);
	const struct tree *last = names->first;
	while (last != NULL && last->next != NULL)
		last = last->next;
	return last != NULL ? tree_text(last, rewrite->arena) : "";
}

/*
 * A column is called as in PostgreSQL where DuckDB would call it otherwise: "count", not
 * "count_star()".  One with a subquery in it must not be called by the rewritten text.
 */
static void name_column(struct rewrite *rewrite, struct tree *expression)
{
	struct tree *alias = tree_member(expression, "alias");
	if (!tree_is_text(alias, ""))
		return;
	const char *name = function_column_name(rewrite, expression);
	if (tree_is_text(tree_member(expression, "class"), "SUBQUERY"))
		name = subquery_column_name(rewrite, expression);
	if (name[0] == '\0' && has_class(expression, "SUBQUERY") && !has_class(expression, "STAR"))
		name = "?column?";
	if (name[0] != '\0')
		tree_replace(alias, tree_string(name, rewrite->arena));
}

static void name_columns(struct rewrite *rewrite, const struct tree *statement)
{
	const struct tree *node = tree_member(statement, "node");
	const struct tree *list = tree_member(node, "select_list");
	for (struct tree *item = list != NULL ? list->first : NULL; item != NULL; item = item->next)
		name_column(rewrite, item);
}

static const char *skip_blanks(const char *at)
{
	for (;;) {
		at += strspn(at, " \t\r\n\f\v");
		if (at[0] != '-' || at[1] != '-')
			return at;
		at += strcspn(at, "\n");
	}
}

/* After the word and the blanks behind it; NULL when another word stands there. */
static const char *skip_word(const char *at, const char *word)
{
	size_t size = strlen(word);
	if (strncasecmp(at, word, size) != 0 || at[size] == '\0' ||
		strchr(" \t\r\n-(", at[size]) == NULL)
		return NULL;
	return skip_blanks(at + size);
}

static const char *split_explain(const char *sql, const char **explain)
{
	*explain = "";
	const char *rest = skip_word(skip_blanks(sql), "EXPLAIN");
	if (rest == NULL)
		return sql;
	*explain = "EXPLAIN ";
	const char *after = skip_word(rest, "ANALYZE");
	if (after == NULL)
		return rest;
	*explain = "EXPLAIN ANALYZE ";
	return after;
}

/*
 * What DuckDB makes of the tree is text again, and runs as text.  It is parsed once more, so that
 * a name which DuckDB forgot to quote cannot say something that the tree did not.
 */
static bool verify(struct rewrite *rewrite, const char *text)
{
	struct tree *answer;
	if (!rewrite_parse(rewrite, bytes_of_cstring(text), &answer))
		return error_context(rewrite->err, "reading the rewritten statement again");
	const struct tree *statements = tree_member(answer, "statements");
	if (statements == NULL || statements->first == NULL || statements->first->next != NULL)
		return error_set(rewrite->err, ERROR_CORRUPT,
			"the rewritten statement is not one statement");
	rewrite->is_verifying = true;
	bool ok = walk(rewrite, statements->first, NULL);
	rewrite->is_verifying = false;
	return ok;
}

static bool rewrite_tree(
	struct rewrite *rewrite, struct tree *answer, const char *explain, struct rewritten *out)
{
	struct tree *statements = tree_member(answer, "statements");
	if (statements == NULL || statements->kind != TREE_ARRAY)
		return error_set(rewrite->err, ERROR_CORRUPT, "DuckDB gave no statements");
	if (statements->first == NULL)
		return true;
	if (statements->first->next != NULL)
		return error_set(rewrite->err, ERROR_UNSUPPORTED, "one statement at a time");
	const char *text;
	rewrite->use = column_use_find(statements, rewrite->arena);
	bool ok = walk(rewrite, statements, NULL);
	if (ok) { /* by what the user wrote, not by what stands for the tables */
		name_columns(rewrite, statements->first);
		ok = rewrite_tables(rewrite);
	}
	column_use_deinit(rewrite->use);
	if (!ok)
		return false;
	rewrite_columns(rewrite);
	if (!rewrite_unparse(rewrite, answer, &text) || !verify(rewrite, text))
		return false;
	out->sql = arena_format(rewrite->arena, "%s%s", explain, text);
	out->is_partial = rewrite->is_partial;
	return true;
}

bool rewriter_rewrite(struct rewriter *rewriter, const char *sql, enum rewrite_reach reach,
	struct arena *arena, struct rewritten *out, struct error *err)
{
	*out = (struct rewritten){ 0 };
	struct tables *tables = rewriter->tables;
	if (!tables->ops->begin(tables, &rewriter->entries, &rewriter->entry_count, err))
		return false;
	struct rewrite rewrite = {
		.rewriter = rewriter,
		.arena = arena,
		.err = err,
		.reach = reach,
		.is_noted = arena_array(arena, bool, rewriter->entry_count),
	};
	const char *explain;
	const char *statement = split_explain(sql, &explain);
	if (strcmp(explain, "EXPLAIN ") == 0)
		rewrite.reach = REACH_NOTHING;
	struct tree *answer;
	if (!rewrite_parse(&rewrite, bytes_of_cstring(statement), &answer) ||
		!rewrite_tree(&rewrite, answer, explain, out))
		return false;
	out->notes = arena_array(arena, const char *, rewriter->entry_count);
	for (size_t i = 0; i < rewriter->entry_count; i++)
		if (rewrite.is_noted[i])
			out->notes[out->note_count++] = rewrite_note(&rewriter->entries[i], arena);
	return true;
}

struct rewriter *rewriter_open(struct session *session, struct tables *tables)
{
	struct rewriter *rewriter = memory_allocate(1, sizeof *rewriter);
	rewriter->session = session;
	rewriter->tables = tables;
	return rewriter;
}

void rewriter_close(struct rewriter *rewriter)
{
	if (rewriter == NULL)
		return;
	for (size_t i = 0; i < SCAN_CACHE_SIZE; i++) {
		free(rewriter->scans[i].sql);
		free(rewriter->scans[i].json);
	}
	free(rewriter);
}
