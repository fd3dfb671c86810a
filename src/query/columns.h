/*
 * columns.h: which columns of its tables a statement may read, found in its parsed tree.
 *
 * What is found is never too little.  A column is read when its name stands anywhere in the
 * statement (in any case, as DuckDB compares names, as an identifier or within a string), or when
 * the statement speaks of columns without naming them: then all columns of those tables are read
 * that the part could mean.  Such parts are
 *   *, COLUMNS(...), #1, NATURAL and PIVOT: all tables that stand directly in that FROM
 *   t.*, and t as a value: every table that is called t somewhere in the statement
 *   t AS u(a, b): this table, because its columns have other names
 * Tables behind a subquery or a WITH query give what that query selects, which is looked at by
 * itself.
 */
#ifndef QUERY_COLUMNS_H
#define QUERY_COLUMNS_H

#include "base/map.h"
#include "query/tables.h"
#include "query/tree.h"

struct column_use;

struct column_use *column_use_find(const struct tree *statement, struct arena *arena);
void column_use_deinit(struct column_use *use); /* also NULL; the struct is the arena's */

/* table is a BASE_TABLE node of the tree, as the statement had it. */
struct wanted_columns column_use_of(
	const struct column_use *use, const struct tree *table, struct arena *arena);

#endif
