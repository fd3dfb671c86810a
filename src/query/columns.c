#include "query/columns.h"

#include <ctype.h>

struct node_list {
	const struct tree *node;
	struct node_list *next;
};

struct column_use {
	struct arena *arena;
	struct map names;    /* by column_name_key() */
	struct map referred; /* the same, of what may be a table: t.* and columns' last names */
	struct node_list *whole_tables; /* BASE_TABLE nodes of which all columns are read */
};

/* The part of the statement with one FROM. */
struct part {
	struct node_list *tables; /* that stand directly in it */
	bool is_whole;
};

/* FNV-1a.  Where two names share a key, a column more is read. */
uint64_t column_name_key(const char *name)
{
	uint64_t key = UINT64_C(0xcbf29ce484222325);
	for (; *name != '\0'; name++)
		key = (key ^ (uint64_t)tolower((unsigned char)*name)) * UINT64_C(0x100000001b3);
	return key;
}

static void remember(struct map *map, const struct tree *text, struct arena *arena)
{
	map_put(map, column_name_key(tree_text(text, arena)), map);
}

static void add_node(struct node_list **list, const struct tree *node, struct arena *arena)
{
	struct node_list *item = arena_new(arena, struct node_list);
	*item = (struct node_list){ node, *list };
	*list = item;
}

static void look(struct column_use *use, const struct tree *tree, struct part *part);

static void look_at_all(struct column_use *use, const struct tree *tree, struct part *part)
{
	for (const struct tree *item = tree->first; item != NULL; item = item->next)
		look(use, item, part);
}

static void look_at_query(struct column_use *use, const struct tree *query)
{
	struct part part = { 0 };
	look_at_all(use, query, &part);
	for (const struct node_list *table = part.tables; part.is_whole && table != NULL;
		table = table->next)
		add_node(&use->whole_tables, table->node, use->arena);
}

static void look_at_base_table(struct column_use *use, const struct tree *table, struct part *part)
{
	const struct tree *names = tree_member(table, "column_name_alias");
	add_node(&part->tables, table, use->arena);
	if (names != NULL && names->first != NULL)
		add_node(&use->whole_tables, table, use->arena);
}

static void look_at_star(struct column_use *use, const struct tree *star, struct part *part)
{
	const struct tree *relation = tree_member(star, "relation_name");
	if (relation != NULL && relation->kind == TREE_STRING && !tree_is_text(relation, ""))
		remember(&use->referred, relation, use->arena);
	else
		part->is_whole = true;
}

static void look_at_column(struct column_use *use, const struct tree *column)
{
	const struct tree *names = tree_member(column, "column_names");
	const struct tree *last = names != NULL ? names->first : NULL;
	while (last != NULL && last->next != NULL)
		last = last->next;
	if (last != NULL && last->kind == TREE_STRING)
		remember(&use->referred, last, use->arena);
}

static void look_at_object(struct column_use *use, const struct tree *node, struct part *part)
{
	const struct tree *class = tree_member(node, "class");
	const struct tree *type = tree_member(node, "type");
	if (tree_is_text(class, "STAR"))
		look_at_star(use, node, part);
	else if (tree_is_text(class, "COLUMN_REF"))
		look_at_column(use, node);
	else if (tree_is_text(class, "POSITIONAL_REFERENCE") || tree_is_text(type, "PIVOT") ||
		 tree_is_text(tree_member(node, "ref_type"), "NATURAL"))
		part->is_whole = true;
	else if (class == NULL && tree_is_text(type, "BASE_TABLE"))
		look_at_base_table(use, node, part);
	look_at_all(use, node, part);
}

static void look(struct column_use *use, const struct tree *tree, struct part *part)
{
	if (tree->kind == TREE_STRING)
		remember(&use->names, tree, use->arena);
	else if (tree->kind == TREE_ARRAY)
		look_at_all(use, tree, part);
	else if (tree->kind == TREE_OBJECT && tree_member(tree, "cte_map") != NULL)
		look_at_query(use, tree);
	else if (tree->kind == TREE_OBJECT)
		look_at_object(use, tree, part);
}

struct column_use *column_use_find(const struct tree *statement, struct arena *arena)
{
	struct column_use *use = arena_new(arena, struct column_use);
	struct part none = { 0 };
	use->arena = arena;
	look(use, statement, &none);
	return use;
}

void column_use_deinit(struct column_use *use)
{
	if (use == NULL)
		return;
	map_deinit(&use->names);
	map_deinit(&use->referred);
}

static bool is_referred(const struct column_use *use, const char *name)
{
	return map_get(&use->referred, column_name_key(name)) != NULL;
}

struct wanted_columns column_use_of(
	const struct column_use *use, const struct tree *table, struct arena *arena)
{
	const struct node_list *whole = use->whole_tables;
	while (whole != NULL && whole->node != table)
		whole = whole->next;
	const bool is_whole = whole != NULL ||
			      is_referred(use, tree_member_text(table, "alias", arena)) ||
			      is_referred(use, tree_member_text(table, "table_name", arena));
	return (struct wanted_columns){
		.kind = is_whole ? COLUMNS_ALL : COLUMNS_NAMED,
		.names = &use->names,
	};
}

bool column_is_wanted(const struct wanted_columns *wanted, const char *name)
{
	return wanted->kind != COLUMNS_NAMED ||
	       map_get(wanted->names, column_name_key(name)) != NULL;
}
