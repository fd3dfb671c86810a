#include "format/pgvalue/pgvalue.h"
#include "source/postgres/postgres_internal.h"

/* ---- tables ------------------------------------------------------------------------------ */

enum table_field {
	TABLE_OID,
	TABLE_FILENODE,
	TABLE_SCHEMA,
	TABLE_NAME,
	TABLE_KIND,
	TABLE_PERSISTENCE,
	TABLE_REPLICA_IDENTITY,
	TABLE_IS_INHERITED,
	TABLE_HAS_USAGE,
	TABLE_HAS_SELECT,
	TABLE_IS_PUBLISHABLE,
	TABLE_HAS_ROW_SECURITY,
	TABLE_IS_FILTERED,
	TABLE_OWNER,
	TABLE_HAS_KEY,
	TABLE_COLUMN_COUNT,
	TABLE_GENERATED,
	TABLE_IS_PUBLISHED,
	TABLE_IS_PUBLISHED_APPEND,
};

/*
 * A primary key is usable when it is checked at once (a deferrable one is no replica identity) and
 * none of its columns is generated (those are not in the stream).  Ordinary and partitioned
 * parents are told apart by relkind: only ordinary ones make an inheritance hierarchy.
 */
#define TABLES_SQL                                                                                 \
	"SELECT c.oid, pg_relation_filenode(c.oid), n.nspname, c.relname, c.relkind,"              \
	" c.relpersistence, c.relreplident,"                                                       \
	" EXISTS (SELECT FROM pg_inherits i JOIN pg_class p ON p.oid = i.inhparent"                \
	"  WHERE p.relkind <> 'p' AND c.oid IN (i.inhrelid, i.inhparent)),"                        \
	" has_schema_privilege(n.oid, 'USAGE'), has_table_privilege(c.oid, 'SELECT'),"             \
	" pg_has_role(c.relowner, 'USAGE') OR EXISTS (" MEMBERS_SQL "),"                           \
	" row_security_active(c.oid), %s, pg_get_userbyid(c.relowner),"                            \
	" EXISTS (SELECT FROM pg_index x WHERE x.indrelid = c.oid AND x.indisprimary"              \
	"  AND x.indimmediate AND x.indisvalid AND NOT EXISTS (SELECT FROM pg_attribute a"         \
	"   WHERE a.attrelid = c.oid AND a.attgenerated <> '' AND a.attnum = ANY (x.indkey))),"    \
	" (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = c.oid AND a.attnum > 0"          \
	"  AND NOT a.attisdropped AND a.attgenerated = ''),"                                       \
	" (SELECT string_agg(quote_ident(a.attname), ', ' ORDER BY a.attnum) FROM pg_attribute a"  \
	"  WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped"                       \
	"  AND a.attgenerated <> ''),"                                                             \
	" EXISTS (" MEMBER_SQL " AND p.pubinsert AND p.pubtruncate AND p.pubupdate"                \
	"  AND p.pubdelete),"                                                                      \
	" EXISTS (" MEMBER_SQL " AND p.pubinsert AND p.pubtruncate)"                               \
	" FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace"                           \
	" WHERE c.relkind IN ('r', 'p', 'f') AND c.relpersistence <> 't'"                          \
	" AND n.nspname <> 'information_schema' AND n.nspname !~ '^pg_'"                           \
	" ORDER BY n.nspname, c.relname"

#define MEMBER_SQL                                                                                 \
	"SELECT FROM pg_publication_rel m JOIN pg_publication p ON p.oid = m.prpubid"              \
	" WHERE m.prrelid = c.oid AND p.pubname = %s"

#define MEMBERS_SQL                                                                                \
	"SELECT FROM pg_publication_rel m JOIN pg_publication p ON p.oid = m.prpubid"              \
	" WHERE m.prrelid = c.oid AND p.pubname IN (%s, %s)"

static const char *tables_sql(const struct postgres_source *source, struct arena *arena)
{
	const char *main = postgres_literal(arena, source->options.publication_name);
	const char *append = postgres_literal(arena, source->options.append_publication_name);
	const char *is_filtered = "false";
	if (postgres_server_version(source->control) >= 150000)
		is_filtered = arena_format(arena,
			"EXISTS (" MEMBERS_SQL
			" AND (m.prqual IS NOT NULL OR m.prattrs IS NOT NULL))",
			main, append);
	return arena_format(arena, TABLES_SQL, main, append, is_filtered, main, append);
}

/* What a table is that is not captured, or NULL: a property that no privilege changes. */
static const char *wrong_sort(const struct postgres_rows *rows, size_t row)
{
	switch (postgres_text(rows, row, TABLE_KIND)[0]) {
	case 'p':
		return "it is partitioned: each of its partitions is captured as its own table.";
	case 'f':
		return "it is a foreign table: its changes are not in this server's WAL.";
	default:
		break;
	}
	if (postgres_text(rows, row, TABLE_PERSISTENCE)[0] == 'u')
		return "it is unlogged: its changes are not in the WAL (ALTER TABLE ... SET LOGGED "
		       "makes it an ordinary table).";
	if (postgres_bool(rows, row, TABLE_IS_INHERITED))
		return "it is part of an inheritance hierarchy, which is not captured.";
	if (strchr(postgres_text(rows, row, TABLE_SCHEMA), '.') != NULL)
		return "the name of its schema has a dot in it.";
	if (postgres_int64(rows, row, TABLE_COLUMN_COUNT) == 0)
		return "it has no columns that are captured.";
	return NULL;
}

/* What the role lacks for a table, with the statement that gives it, or NULL. */
static const char *missing_right(const struct postgres_source *source,
	const struct postgres_rows *rows, size_t row, struct arena *arena)
{
	const char *schema = postgres_text(rows, row, TABLE_SCHEMA);
	const char *name = postgres_text(rows, row, TABLE_NAME);
	const char *role = postgres_identifier(arena, source->role);
	if (!postgres_bool(rows, row, TABLE_HAS_USAGE))
		return arena_format(arena,
			"the schema may not be used; run: GRANT USAGE ON SCHEMA %s TO %s;",
			postgres_identifier(arena, schema), role);
	if (!postgres_bool(rows, row, TABLE_HAS_SELECT))
		return arena_format(arena, "it may not be read; run: GRANT SELECT ON %s TO %s;",
			postgres_qualified(arena, schema, name), role);
	if (postgres_bool(rows, row, TABLE_HAS_ROW_SECURITY))
		return arena_format(arena,
			"row security hides rows of it; run: ALTER ROLE %s BYPASSRLS;", role);
	if (!postgres_bool(rows, row, TABLE_IS_PUBLISHABLE))
		return arena_format(arena,
			"only its owner can publish it; run: GRANT %s TO %s; (or let the owner add "
			"it to the publication)",
			postgres_identifier(arena, postgres_text(rows, row, TABLE_OWNER)), role);
	if (postgres_bool(rows, row, TABLE_IS_FILTERED))
		return "its publication has a row filter or a column list; remove it from the "
		       "publication.";
	return NULL;
}

static struct relation relation_of(
	const struct postgres_rows *rows, size_t row, struct arena *arena)
{
	const char identity = postgres_text(rows, row, TABLE_REPLICA_IDENTITY)[0];
	const bool has_key = postgres_bool(rows, row, TABLE_HAS_KEY) && identity != 'n';
	const bool is_append = !has_key && identity != 'i';
	return (struct relation){
		.oid = (uint32_t)postgres_int64(rows, row, TABLE_OID),
		.filenode = (uint32_t)postgres_int64(rows, row, TABLE_FILENODE),
		.namespace_name = arena_copy_cstring(arena, postgres_text(rows, row, TABLE_SCHEMA)),
		.name = arena_copy_cstring(arena, postgres_text(rows, row, TABLE_NAME)),
		.replica_identity = identity,
		.is_append = is_append,
		.is_unpublished = !postgres_bool(
			rows, row, is_append ? TABLE_IS_PUBLISHED_APPEND : TABLE_IS_PUBLISHED),
		.refuses_updates = is_append && identity != 'f' &&
				   postgres_bool(rows, row, TABLE_IS_PUBLISHED),
	};
}

static void leave_out(struct source_state *out, struct arena *arena, const char *schema,
	const char *name, const char *reason)
{
	out->left_out[out->left_out_count++] = (struct source_left_out){
		.namespace_name = arena_copy_cstring(arena, schema),
		.name = arena_copy_cstring(arena, name),
		.reason = arena_copy_cstring(arena, reason),
	};
}

static void sort_table(const struct postgres_source *source, const struct postgres_rows *rows,
	size_t row, struct arena *arena, bool *is_used, struct source_state *out)
{
	const char *schema = postgres_text(rows, row, TABLE_SCHEMA);
	const char *name = postgres_text(rows, row, TABLE_NAME);
	for (size_t i = 0; i < source->options.table_count; i++)
		is_used[i] |= source_pattern_names(source->options.tables[i], schema, name);
	if (!postgres_source_wants(&source->options, schema, name)) {
		out->unnamed[out->unnamed_count++] =
			(struct source_name){ arena_copy_cstring(arena, schema),
				arena_copy_cstring(arena, name) };
		return;
	}
	const char *reason = wrong_sort(rows, row);
	if (reason == NULL)
		reason = missing_right(source, rows, row, arena);
	if (reason != NULL) {
		leave_out(out, arena, schema, name, reason);
		return;
	}
	out->relations[out->relation_count++] = relation_of(rows, row, arena);
	const char *generated = postgres_text(rows, row, TABLE_GENERATED);
	if (generated != NULL)
		leave_out(out, arena, schema, name,
			arena_format(arena,
				"it is captured without its generated columns (%s), which are not "
				"in the stream.",
				generated));
}

static bool read_tables(struct postgres_source *source, struct arena *arena,
	struct source_state *out, struct error *err)
{
	struct postgres_rows rows;
	if (!postgres_query(source->control, tables_sql(source, arena), &rows, err))
		return false;
	out->relations = arena_array(arena, struct relation, rows.count);
	out->left_out = arena_array(arena, struct source_left_out, rows.count);
	out->unnamed = arena_array(arena, struct source_name, rows.count);
	out->idle = arena_array(arena, const char *, source->options.table_count);
	bool *is_used = arena_array(arena, bool, source->options.table_count);
	for (size_t i = 0; i < rows.count; i++)
		sort_table(source, &rows, i, arena, is_used, out);
	for (size_t i = 0; i < source->options.table_count; i++)
		if (!is_used[i])
			out->idle[out->idle_count++] =
				arena_copy_cstring(arena, source->options.tables[i]);
	postgres_rows_close(&rows);
	return true;
}

/* ---- columns ----------------------------------------------------------------------------- */

enum column_field {
	COLUMN_TABLE_OID,
	COLUMN_NAME,
	COLUMN_TYPE_OID,
	COLUMN_TYPE_MODIFIER,
	COLUMN_TYPE_SORT,
	COLUMN_IS_REQUIRED,
	COLUMN_IS_IN_KEY,
	COLUMN_NUMBER,
	COLUMN_XID,
	COLUMN_TYPE_NAME,
};

/* A NOT NULL that is NOT VALID (18) promises nothing about old rows. */
#define COLUMNS_SQL                                                                                \
	"SELECT a.attrelid, a.attname, a.atttypid, a.atttypmod, t.typtype,"                        \
	" a.attnotnull AND NOT EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid"  \
	"  AND k.contype = 'n' AND NOT k.convalidated AND a.attnum = ANY (k.conkey)),"             \
	" EXISTS (SELECT FROM pg_index x WHERE x.indrelid = a.attrelid AND x.indisprimary"         \
	"  AND a.attnum = ANY ((x.indkey::int2[])[0:x.indnkeyatts - 1])),"                         \
	" a.attnum, a.xmin, format_type(a.atttypid, NULL)"                                         \
	" FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid"                                \
	" JOIN pg_class c ON c.oid = a.attrelid"                                                   \
	" WHERE c.relkind = 'r' AND c.relpersistence = 'p' AND a.attrelid >= 16384"                \
	" AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''"                         \
	" ORDER BY a.attrelid, a.attnum"

static struct relation_column column_of(const struct postgres_rows *rows, size_t row,
	const struct relation *relation, struct arena *arena)
{
	const uint32_t oid = (uint32_t)postgres_int64(rows, row, COLUMN_TYPE_OID);
	const int32_t modifier = (int32_t)postgres_int64(rows, row, COLUMN_TYPE_MODIFIER);
	struct column_type type;
	if (!pgvalue_type(oid, modifier, postgres_text(rows, row, COLUMN_TYPE_SORT)[0], &type))
		type = (struct column_type){ VALUE_NONE, 0, 0 };
	const bool is_captured = type.type != VALUE_NONE;
	return (struct relation_column){
		.name = arena_copy_cstring(arena, postgres_text(rows, row, COLUMN_NAME)),
		.type_oid = oid,
		.type_modifier = modifier,
		.type = type,
		.is_required = postgres_bool(rows, row, COLUMN_IS_REQUIRED),
		.is_key = !relation->is_append && postgres_bool(rows, row, COLUMN_IS_IN_KEY),
		.number = (int32_t)postgres_int64(rows, row, COLUMN_NUMBER),
		.xid = (uint32_t)postgres_int64(rows, row, COLUMN_XID),
		.type_name = is_captured ? NULL
					 : arena_copy_cstring(arena,
						   postgres_text(rows, row, COLUMN_TYPE_NAME)),
	};
}

static uint32_t row_table(const struct postgres_rows *rows, size_t row)
{
	return (uint32_t)postgres_int64(rows, row, COLUMN_TABLE_OID);
}

/* The first row of a table in rows, which are ordered by table; rows->count when none. */
static size_t find_columns(const struct postgres_rows *rows, uint32_t oid)
{
	size_t low = 0, high = rows->count;
	while (low < high) {
		const size_t middle = low + (high - low) / 2;
		if (row_table(rows, middle) < oid)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void fill_columns(
	struct relation *relation, const struct postgres_rows *rows, struct arena *arena)
{
	const size_t first = find_columns(rows, relation->oid);
	size_t end = first;
	while (end < rows->count && row_table(rows, end) == relation->oid)
		end++;
	relation->column_count = end - first;
	relation->columns = arena_array(arena, struct relation_column, relation->column_count);
	for (size_t i = first; i < end; i++)
		relation->columns[i - first] = column_of(rows, i, relation, arena);
}

static bool read_columns(struct postgres_source *source, struct arena *arena,
	struct source_state *out, struct error *err)
{
	struct postgres_rows rows;
	if (!postgres_query(source->control, COLUMNS_SQL, &rows, err))
		return false;
	for (size_t i = 0; i < out->relation_count; i++)
		fill_columns(&out->relations[i], &rows, arena);
	postgres_rows_close(&rows);
	return true;
}

/* ---- all --------------------------------------------------------------------------------- */

static bool read_slot(struct postgres_source *source, struct source_state *out, struct error *err)
{
	struct postgres_slot slot;
	if (!postgres_source_find_slot(source, &slot, err))
		return false;
	out->has_slot = slot.exists;
	out->slot_is_active = slot.is_active;
	out->slot_is_lost = slot.is_lost;
	out->confirmed_lsn = slot.confirmed_lsn;
	out->restart_lsn = slot.restart_lsn;
	return true;
}

static bool read_publication(struct postgres_source *source, struct arena *arena,
	struct source_state *out, struct error *err)
{
	const char *sql = arena_format(arena,
		"SELECT min(pubname) FROM pg_publication WHERE pubname IN (%s, %s)",
		postgres_literal(arena, source->options.publication_name),
		postgres_literal(arena, source->options.append_publication_name));
	struct postgres_rows rows;
	if (!postgres_query(source->control, sql, &rows, err))
		return false;
	const char *name = postgres_text(&rows, 0, 0);
	out->publication = name != NULL ? arena_copy_cstring(arena, name) : NULL;
	postgres_rows_close(&rows);
	return true;
}

static bool read_current_lsn(
	struct postgres_source *source, struct source_state *out, struct error *err)
{
	struct postgres_rows rows;
	if (!postgres_query(source->control, "SELECT pg_current_wal_flush_lsn()", &rows, err))
		return false;
	const char *text = postgres_text(&rows, 0, 0);
	const bool is_lsn = text != NULL && lsn_parse(text, &out->current_lsn);
	postgres_rows_close(&rows);
	return is_lsn ||
	       error_set(err, ERROR_CORRUPT, "the server does not say where its WAL ends");
}

bool postgres_source_inspect(
	struct source *base, struct arena *arena, struct source_state *out, struct error *err)
{
	struct postgres_source *source = postgres_source_of(base);
	out->system_identifier = arena_copy_cstring(arena, source->system_identifier);
	out->timeline = source->timeline;
	out->server_version = postgres_server_version(source->control);
	if (!postgres_run(source->control, "BEGIN ISOLATION LEVEL REPEATABLE READ, READ ONLY", err))
		return false;
	/* The position first: what is read after it is at least as new. */
	const bool is_read = read_current_lsn(source, out, err) &&
			     read_tables(source, arena, out, err) &&
			     read_columns(source, arena, out, err) && read_slot(source, out, err) &&
			     read_publication(source, arena, out, err);
	struct error ignored;
	const bool is_ended = postgres_run(source->control, "ROLLBACK", is_read ? err : &ignored);
	return is_read && is_ended;
}
