/*
 * rewrite_internal.h: what the parts of the rewriter share.
 *
 * rewrite.c walks the tree and admits or refuses; rewrite_table.c resolves one table reference and
 * puts its scan in place.
 */
#ifndef QUERY_REWRITE_INTERNAL_H
#define QUERY_REWRITE_INTERNAL_H

#include "query/columns.h"
#include "query/rewrite.h"
#include "query/tree.h"

enum {
	SCAN_CACHE_SIZE = 64
};

struct cached_scan { /* its text, and the node of its query as JSON */
	char *sql;
	size_t sql_size;
	char *json;
	uint64_t used_at;
};

struct rewriter {
	struct session *session;
	struct tables *tables;
	const struct table_entry *entries;
	size_t entry_count;
	struct cached_scan scans[SCAN_CACHE_SIZE];
	uint64_t clock; /* counts uses of the cache */
};

struct name_pair {
	const char *schema;
	const char *table;
	struct name_pair *next;
};

struct column_list {
	struct tree *names;
	struct column_list *next;
};

struct text_list {
	struct bytes token; /* of a string in a tree, as it is written there */
	struct text_list *next;
};

/* A table of the lake in the statement, whose scan is put in place when all of it is admitted. */
struct table_reference {
	struct tree *node;
	const char *alias;
	size_t index; /* of its entry */
	struct table_version version;
	struct wanted_columns wanted;
	struct table_reference *next;
};

struct rewrite { /* of one statement */
	struct rewriter *rewriter;
	struct arena *arena;
	struct error *err;
	enum rewrite_reach reach;
	struct column_use *use; /* NULL when verifying */
	struct table_reference *tables;
	bool is_partial;   /* some table has more columns than its scan */
	bool is_described; /* within a DESCRIBE */
	bool is_in_at;
	bool is_verifying;            /* what was rewritten: no tables, and own scans only */
	bool is_in_scan;              /* when verifying: the arguments of read_parquet */
	struct text_list *scan_texts; /* all strings in the scans that were put in place */
	bool *is_noted;               /* by table entry */
	struct name_pair *qualified;  /* tables written schema.table without an alias */
	struct column_list *columns;  /* column references of three names or more */
};

bool rewrite_parse(struct rewrite *rewrite, struct bytes sql, struct tree **out) MUST_CHECK;
bool rewrite_unparse(struct rewrite *rewrite, const struct tree *tree, const char **out) MUST_CHECK;

/* Checks an expression that may not contain a query. */
bool rewrite_walk_constant(struct rewrite *rewrite, struct tree *expression) MUST_CHECK;

/* node is a BASE_TABLE, which is a table of the lake.  Its version is found. */
bool rewrite_table(struct rewrite *rewrite, struct tree *node) MUST_CHECK;

/* Each of these nodes becomes a SUBQUERY that scans the version, whose files are fetched. */
bool rewrite_tables(struct rewrite *rewrite) MUST_CHECK;

/* node is a SHOW_REF, and becomes a SUBQUERY of the lake's tables. */
bool rewrite_show_tables(struct rewrite *rewrite, struct tree *node) MUST_CHECK;

void rewrite_note_column(struct rewrite *rewrite, struct tree *column);

/* schema.table.column becomes table.column, because the scan's alias has no schema. */
void rewrite_columns(struct rewrite *rewrite);

const char *rewrite_note(const struct table_entry *entry, struct arena *arena);

#endif
