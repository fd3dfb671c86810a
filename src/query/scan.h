/*
 * scan.h: the SQL that reads exactly one version of a table.
 *
 * Columns have the names, order and types of the schema and are found in the files by field id
 * ("Column Projection"), so that files written before a column was renamed, widened or added are
 * read rightly.  Files without deletes are read as they are; files with deletes through an
 * anti-join on (file, row number).  DuckDB pushes filters and the choice of columns into both.
 * The schema may be a part of the table's, and may be empty: the rows can still be counted.
 */
#ifndef QUERY_SCAN_H
#define QUERY_SCAN_H

#include "base/buffer.h"
#include "query/tables.h"

/* UNSUPPORTED when a table with this schema cannot be read. */
bool scan_check_schema(const struct schema *schema, struct error *err) MUST_CHECK;

/* Append a SELECT to out. */
void scan_append_sql(const struct table_version *version, struct buffer *out);

/*
 * DuckDB takes a path with any of *?[ in it as a pattern.  This is the pattern that matches path
 * alone; a session needs leave for both (query.c).
 */
void scan_append_pattern(struct buffer *out, const char *path);

void sql_append_text(struct buffer *out, const char *text);       /* 'it''s' */
void sql_append_identifier(struct buffer *out, const char *name); /* "a""b" */

#endif
