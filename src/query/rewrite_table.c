#include "query/rewrite_internal.h"
#include "query/scan.h"

#include <assert.h>
#include <errno.h>
#include <inttypes.h>
#include <stdlib.h>
#include <strings.h>

#define CATALOG_NAME "walberg"
#define NAMESPACE_DEFAULT "public"

/* ---- names ---- */

enum name_match {
	MATCH_EXACT,
	MATCH_ANY_CASE,
};

static bool name_equal(const char *a, const char *b, enum name_match match)
{
	return match == MATCH_EXACT ? strcmp(a, b) == 0 : strcasecmp(a, b) == 0;
}

/* How many entries match; *found is the last of them. */
static size_t count_matches(const struct rewriter *rewriter, const char *schema, const char *name,
	enum name_match match, size_t *found)
{
	size_t count = 0;
	for (size_t i = 0; i < rewriter->entry_count; i++) {
		const struct table_entry *entry = &rewriter->entries[i];
		if (!name_equal(entry->name, name, match))
			continue;
		if (schema != NULL && !name_equal(entry->namespace_name, schema, match))
			continue;
		*found = i;
		count++;
	}
	return count;
}

static bool no_such_table(struct rewrite *rewrite, const char *schema, const char *name)
{
	const char *dot = schema != NULL ? "." : "";
	error_set(rewrite->err, ERROR_MISSING, "there is no table \"%s%s%s\" in the lake",
		schema != NULL ? schema : "", dot, name);
	if (strpbrk(name, "./*") != NULL)
		return error_hint(rewrite->err, "Files cannot be read by name; SHOW TABLES lists "
						"the tables.");
	return error_hint(rewrite->err, "SHOW TABLES lists the tables of the lake.");
}

/*
 * As it is written first, then in any case, as DuckDB compares names.  Without a schema: public,
 * then the one schema that has such a table.
 */
static bool resolve(struct rewrite *rewrite, const char *schema, const char *name, size_t *out)
{
	for (enum name_match match = MATCH_EXACT; match <= MATCH_ANY_CASE; match++) {
		const char *first = schema != NULL ? schema : NAMESPACE_DEFAULT;
		size_t count = count_matches(rewrite->rewriter, first, name, match, out);
		if (count == 0 && schema == NULL)
			count = count_matches(rewrite->rewriter, NULL, name, match, out);
		if (count == 1)
			return true;
		if (count > 1)
			return error_set(rewrite->err, ERROR_UNSUPPORTED, "\"%s\" names %zu tables",
				       name, count) ||
			       error_hint(rewrite->err,
				       "Write the schema before it, and quote names.");
	}
	return no_such_table(rewrite, schema, name);
}

/* ---- versions ---- */

#define CONSTANT_QUERY_BEFORE                                                                      \
	"{\"error\":false,\"statements\":[{\"node\":{\"type\":\"SELECT_NODE\",\"modifiers\":[],"   \
	"\"cte_map\":{\"map\":[]},\"select_list\":["
#define CONSTANT_QUERY_AFTER                                                                       \
	"],\"from_table\":{\"type\":\"EMPTY\",\"alias\":\"\",\"sample\":null,"                     \
	"\"query_location\":18446744073709551615},\"where_clause\":null,"                          \
	"\"group_expressions\":[],\"group_sets\":[],"                                              \
	"\"aggregate_handling\":\"STANDARD_HANDLING\",\"having\":null,\"sample\":null,"            \
	"\"qualify\":null},\"named_param_map\":[]}]}"

/* The value of a constant expression, cast by `format`, which has one %s. */
static bool evaluate(struct rewrite *rewrite, struct tree *expression, const char *before,
	const char *after, const char **out)
{
	if (!rewrite_walk_constant(rewrite, expression))
		return false;
	struct buffer json = { 0 };
	buffer_append_cstring(&json, CONSTANT_QUERY_BEFORE);
	tree_print(expression, &json);
	buffer_append_cstring(&json, CONSTANT_QUERY_AFTER);
	struct tree *query;
	const char *sql;
	bool ok = tree_parse(buffer_bytes(&json), rewrite->arena, &query, rewrite->err) &&
		  rewrite_unparse(rewrite, query, &sql);
	buffer_deinit(&json);
	if (!ok)
		return false;
	sql = arena_format(rewrite->arena, "%s(%s)%s", before, sql, after);
	if (!session_ask(
		    rewrite->rewriter->session, sql, 0, NULL, rewrite->arena, out, rewrite->err))
		return error_context(rewrite->err, "evaluating AT");
	return *out != NULL || error_set(rewrite->err, ERROR_UNSUPPORTED, "AT NULL is no version");
}

static bool parse_whole(const char *text, int64_t *out)
{
	char *end;
	errno = 0;
	*out = strtoll(text, &end, 10);
	return errno == 0 && end != text && *end == '\0';
}

static bool select_version(
	struct rewrite *rewrite, const char *text, struct version_selector *selector)
{
	selector->kind = VERSION_SNAPSHOT;
	if (parse_whole(text, &selector->snapshot_id))
		return true;
	selector->kind = VERSION_POSITION;
	if (lsn_parse(text, &selector->position))
		return true;
	error_set(rewrite->err, ERROR_UNSUPPORTED, "\"%s\" is neither a snapshot id nor a position",
		text);
	return error_hint(
		rewrite->err, "Write AT (VERSION => 123) or AT (VERSION => '0/16B3748').");
}

static bool select_by_at(
	struct rewrite *rewrite, const struct tree *at, struct version_selector *selector)
{
	const char *text;
	struct tree *expression = tree_member(at, "expr");
	if (expression == NULL)
		return error_set(rewrite->err, ERROR_UNSUPPORTED, "AT without a value");
	if (strcasecmp(tree_member_text(at, "unit", rewrite->arena), "VERSION") == 0)
		return evaluate(rewrite, expression, "SELECT CAST(", " AS VARCHAR)", &text) &&
		       select_version(rewrite, text, selector);
	if (strcasecmp(tree_member_text(at, "unit", rewrite->arena), "TIMESTAMP") != 0)
		return error_set(
			rewrite->err, ERROR_UNSUPPORTED, "AT takes VERSION => or TIMESTAMP =>");
	selector->kind = VERSION_TIMESTAMP;
	if (evaluate(rewrite, expression, "SELECT epoch_us(CAST(", " AS TIMESTAMP WITH TIME ZONE))",
		    &text))
		return parse_whole(text, &selector->timestamp) ||
		       error_set(rewrite->err, ERROR_UNSUPPORTED, "AT a time without end");
	if (rewrite->err->hint[0] == '\0')
		error_hint(rewrite->err, "Write AT (TIMESTAMP => '2026-01-31 12:00:00+00') or "
					 "AT (TIMESTAMP => now() - INTERVAL '5 minutes').");
	return false;
}

/* ---- scans ---- */

static struct cached_scan *find_cached(struct rewriter *rewriter, struct bytes sql)
{
	for (size_t i = 0; i < SCAN_CACHE_SIZE; i++) {
		struct cached_scan *scan = &rewriter->scans[i];
		if (scan->sql != NULL && bytes_equal(bytes_of(scan->sql, scan->sql_size), sql)) {
			scan->used_at = ++rewriter->clock;
			return scan;
		}
	}
	return NULL;
}

static char *copy_text(struct bytes text)
{
	char *copy = memory_allocate(text.size + 1, 1);
	memcpy(copy, text.data, text.size);
	return copy;
}

/* In the place of the scan that was used longest ago. */
static void cache(struct rewriter *rewriter, struct bytes sql, struct bytes json)
{
	struct cached_scan *oldest = &rewriter->scans[0];
	for (size_t i = 1; i < SCAN_CACHE_SIZE; i++)
		if (rewriter->scans[i].used_at < oldest->used_at)
			oldest = &rewriter->scans[i];
	free(oldest->sql);
	free(oldest->json);
	*oldest = (struct cached_scan){
		.sql = copy_text(sql),
		.sql_size = sql.size,
		.json = copy_text(json),
		.used_at = ++rewriter->clock,
	};
}

/* The node of a query that walberg wrote itself. */
static bool parse_own(struct rewrite *rewrite, struct bytes sql, struct tree **out)
{
	struct tree *answer;
	if (!rewrite_parse(rewrite, sql, &answer))
		return false;
	*out = tree_member(tree_member(answer, "statements")->first, "node");
	assert(*out != NULL);
	return true;
}

/* DuckDB takes much longer to parse a scan than it takes to be written. */
static bool parse_scan(struct rewrite *rewrite, struct bytes sql, struct tree **out)
{
	const struct cached_scan *cached = find_cached(rewrite->rewriter, sql);
	if (cached != NULL) {
		struct bytes json =
			bytes_of_cstring(arena_copy_cstring(rewrite->arena, cached->json));
		return tree_parse(json, rewrite->arena, out, rewrite->err);
	}
	if (!parse_own(rewrite, sql, out))
		return false;
	struct buffer json = { 0 };
	tree_print(*out, &json);
	cache(rewrite->rewriter, sql, buffer_bytes(&json));
	buffer_deinit(&json);
	return true;
}

static bool make_scan(
	struct rewrite *rewrite, const struct table_version *version, struct tree **out)
{
	struct buffer text = { 0 };
	scan_append_sql(version, &text);
	const bool ok =
		parse_scan(rewrite, arena_copy_bytes(rewrite->arena, buffer_bytes(&text)), out);
	buffer_deinit(&text);
	return ok;
}

/* ---- putting it in place ---- */

static void remember_texts(struct rewrite *rewrite, const struct tree *tree)
{
	for (const struct tree *item = tree->first; item != NULL; item = item->next)
		remember_texts(rewrite, item);
	if (!bytes_equal(tree->key, BYTES_LITERAL("value")) || tree->kind != TREE_STRING)
		return;
	struct text_list *text = arena_new(rewrite->arena, struct text_list);
	*text = (struct text_list){ tree->token, rewrite->scan_texts };
	rewrite->scan_texts = text;
}

static struct tree *copy_member(struct rewrite *rewrite, const struct tree *node, const char *key)
{
	struct tree *copy = arena_new(rewrite->arena, struct tree);
	const struct tree *member = tree_member(node, key);
	if (member != NULL)
		*copy = *member;
	copy->key = bytes_of_cstring(key);
	return copy;
}

static struct tree *object_of(struct rewrite *rewrite, const char *key, struct tree *first)
{
	struct tree *object = arena_new(rewrite->arena, struct tree);
	*object = (struct tree){ .kind = TREE_OBJECT, .key = bytes_of_cstring(key) };
	object->first = first;
	return object;
}

/* The reference keeps its place, alias, column names and sample. */
static void put_subquery(
	struct rewrite *rewrite, struct tree *node, const char *alias, struct tree *query)
{
	struct tree *type = tree_string("SUBQUERY", rewrite->arena);
	type->key = BYTES_LITERAL("type");
	struct tree *name = tree_string(alias, rewrite->arena);
	name->key = BYTES_LITERAL("alias");
	struct tree *sample = copy_member(rewrite, node, "sample");
	if (sample->token.size == 0 && sample->kind == TREE_NULL)
		sample->token = BYTES_LITERAL("null");
	struct tree *location = copy_member(rewrite, node, "query_location");
	struct tree *columns = copy_member(rewrite, node, "column_name_alias");
	if (columns->kind != TREE_ARRAY)
		*columns = (struct tree){ .kind = TREE_ARRAY, .key = columns->key };

	query->key = BYTES_LITERAL("node");
	query->next = NULL;
	struct tree *subquery = object_of(rewrite, "subquery", query);
	type->next = name;
	name->next = sample;
	sample->next = location;
	location->next = subquery;
	subquery->next = columns;
	columns->next = NULL;
	node->first = type;
}

static void remember_qualified(struct rewrite *rewrite, const char *schema, const char *name)
{
	struct name_pair *pair = arena_new(rewrite->arena, struct name_pair);
	*pair = (struct name_pair){ schema, name, rewrite->qualified };
	rewrite->qualified = pair;
}

static bool cannot_read(struct rewrite *rewrite, const struct table_entry *entry)
{
	const enum error_kind kind = rewrite->err->kind;
	if ((kind == ERROR_CORRUPT || kind == ERROR_MISSING) && rewrite->err->hint[0] == '\0')
		error_hint(rewrite->err, "\"walberg snapshot %s.%s\" reads it again.",
			entry->namespace_name, entry->name);
	return error_context(
		rewrite->err, "reading table \"%s.%s\"", entry->namespace_name, entry->name);
}

bool rewrite_table(struct rewrite *rewrite, struct tree *node)
{
	struct rewriter *rewriter = rewrite->rewriter;
	const char *catalog = tree_member_text(node, "catalog_name", rewrite->arena);
	const char *schema = tree_member_text(node, "schema_name", rewrite->arena);
	const char *name = tree_member_text(node, "table_name", rewrite->arena);
	const char *alias = tree_member_text(node, "alias", rewrite->arena);
	if (catalog[0] != '\0' && strcasecmp(catalog, CATALOG_NAME) != 0)
		return error_set(rewrite->err, ERROR_MISSING,
			"there is no database \"%s\" but the lake", catalog);

	size_t index = 0;
	if (!resolve(rewrite, schema[0] != '\0' ? schema : NULL, name, &index))
		return false;
	const struct table_entry *entry = &rewriter->entries[index];
	if (!entry->is_readable)
		return error_set(rewrite->err, ERROR_MISSING,
			"table \"%s.%s\" is not in the lake: %s", entry->namespace_name,
			entry->name, entry->reason);

	struct version_selector selector = { VERSION_NEWEST, 0, 0, 0 };
	const struct tree *at = tree_member(node, "at_clause");
	if (at != NULL && at->kind == TREE_OBJECT && !select_by_at(rewrite, at, &selector))
		return false;
	struct table_reference *reference = arena_new(rewrite->arena, struct table_reference);
	struct tables *tables = rewriter->tables;
	if (!tables->ops->version(tables, index, &selector, &reference->version, rewrite->err) ||
		!scan_check_schema(reference->version.schema, rewrite->err))
		return cannot_read(rewrite, entry);
	reference->node = node;
	reference->alias = alias[0] != '\0' ? alias : name;
	reference->index = index;
	reference->wanted = column_use_of(rewrite->use, node, rewrite->arena);
	if (rewrite->reach == REACH_NOTHING || rewrite->is_described)
		reference->wanted.kind = COLUMNS_UNREAD;
	else if (rewrite->reach == REACH_ALL)
		reference->wanted.kind = COLUMNS_ALL;
	reference->next = rewrite->tables;
	rewrite->tables = reference;
	if (alias[0] == '\0' && schema[0] != '\0')
		remember_qualified(rewrite, schema, name);
	return true;
}

bool rewrite_tables(struct rewrite *rewrite)
{
	const struct rewriter *rewriter = rewrite->rewriter;
	struct tables *tables = rewriter->tables;
	for (struct table_reference *table = rewrite->tables; table != NULL; table = table->next) {
		const struct table_entry *entry = &rewriter->entries[table->index];
		struct table_version version;
		struct tree *scan;
		if (!tables->ops->fetch(
			    tables, &table->version, &table->wanted, &version, rewrite->err) ||
			!make_scan(rewrite, &version, &scan))
			return cannot_read(rewrite, entry);
		remember_texts(rewrite, scan);
		rewrite->is_noted[table->index] |= entry->is_paused;
		rewrite->is_partial |=
			version.schema->field_count < table->version.schema->field_count;
		put_subquery(rewrite, table->node, table->alias, scan);
	}
	return true;
}

bool rewrite_show_tables(struct rewrite *rewrite, struct tree *node)
{
	const struct rewriter *rewriter = rewrite->rewriter;
	struct buffer sql = { 0 };
	buffer_append_cstring(&sql, "SELECT * FROM (VALUES (NULL::VARCHAR, NULL::VARCHAR, "
				    "NULL::VARCHAR)");
	for (size_t i = 0; i < rewriter->entry_count; i++) {
		const struct table_entry *entry = &rewriter->entries[i];
		buffer_append_cstring(&sql, ", (");
		sql_append_text(&sql, entry->namespace_name);
		buffer_append_cstring(&sql, ", ");
		sql_append_text(&sql, entry->name);
		buffer_append_cstring(&sql, ", ");
		sql_append_text(&sql, !entry->is_readable ? "not in the lake"
				      : entry->is_paused  ? "paused"
							  : "live");
		buffer_append_cstring(&sql, ")");
	}
	buffer_append_cstring(&sql, ") AS t(schema, name, state) WHERE name IS NOT NULL");
	struct tree *query = NULL;
	bool ok = parse_own(rewrite, arena_copy_bytes(rewrite->arena, buffer_bytes(&sql)), &query);
	buffer_deinit(&sql);
	if (ok)
		put_subquery(rewrite, node, "tables", query);
	return ok;
}

const char *rewrite_note(const struct table_entry *entry, struct arena *arena)
{
	char position[LSN_TEXT_SIZE];
	return arena_format(arena, "table \"%s.%s\" is paused at position %s: %s",
		entry->namespace_name, entry->name, lsn_format(entry->position, position),
		entry->reason);
}

/* ---- column references ---- */

void rewrite_note_column(struct rewrite *rewrite, struct tree *column)
{
	struct tree *names = tree_member(column, "column_names");
	if (names == NULL || names->first == NULL || names->first->next == NULL ||
		names->first->next->next == NULL)
		return;
	struct column_list *item = arena_new(rewrite->arena, struct column_list);
	*item = (struct column_list){ names, rewrite->columns };
	rewrite->columns = item;
}

static bool is_qualified(struct rewrite *rewrite, const struct tree *names)
{
	if (names->first->kind != TREE_STRING || names->first->next->kind != TREE_STRING)
		return false;
	const char *schema = tree_text(names->first, rewrite->arena);
	const char *table = tree_text(names->first->next, rewrite->arena);
	for (const struct name_pair *pair = rewrite->qualified; pair != NULL; pair = pair->next)
		if (strcasecmp(pair->schema, schema) == 0 && strcasecmp(pair->table, table) == 0)
			return true;
	return false;
}

void rewrite_columns(struct rewrite *rewrite)
{
	for (struct column_list *item = rewrite->columns; item != NULL; item = item->next)
		if (is_qualified(rewrite, item->names))
			item->names->first = item->names->first->next;
}
