#include "catalog/sql_internal.h"

#define LAKE_COLUMNS                                                                               \
	"id, slot_name, publication_name, append_publication_name, system_identifier, timeline, "  \
	"phase, commit_number, commit_id, position, position_at, timestamp_ms, log_position, "     \
	"log_id, last_commit_lsn, last_commit_xid, last_commit_at"
#define POINTER "catalog_name = ?1 AND table_namespace = ?2 AND table_name = ?3"
#define IS_TABLE "(iceberg_type = 'TABLE' OR iceberg_type IS NULL)"

static const char *const TEXTS[STATEMENT_COUNT] = {
	[SQL_COMMIT] = "COMMIT",
	[SQL_FENCE] = "UPDATE walberg_format SET fence = fence + 1",
	[SQL_LOAD_FORMAT] = "SELECT version FROM walberg_format WHERE magic = 'walberg'",
	[SQL_LOAD_LAKE] = "SELECT " LAKE_COLUMNS " FROM walberg_lake WHERE catalog_name = ?1",
	[SQL_LOAD_TABLES] =
		"SELECT t.table_namespace, t.table_name, i.metadata_location, t.state, t.reason, "
		"t.definition, t.position, t.log_position FROM walberg_table t "
		"LEFT JOIN iceberg_tables i ON i.catalog_name = t.catalog_name AND "
		"i.table_namespace = t.table_namespace AND i.table_name = t.table_name AND "
		"(i.iceberg_type = 'TABLE' OR i.iceberg_type IS NULL) "
		"WHERE t.catalog_name = ?1 ORDER BY t.table_namespace, t.table_name",
	[SQL_LOAD_COMMITS] = "SELECT commit_number, position, timestamp_ms FROM walberg_commit "
			     "WHERE catalog_name = ?1 ORDER BY commit_number",
	[SQL_LOAD_REQUESTS] = "SELECT id, kind, argument FROM walberg_request "
			      "WHERE catalog_name = ?1 ORDER BY id",
	[SQL_LOAD_REMOVALS] = "SELECT path, not_before FROM walberg_removal "
			      "WHERE catalog_name = ?1 AND not_before <= ?2 "
			      "ORDER BY not_before, path LIMIT ?3",
	[SQL_LOAD_POINTERS] =
		"SELECT catalog_name, table_namespace, table_name, metadata_location, "
		"previous_metadata_location, CASE iceberg_type WHEN 'VIEW' THEN 1 "
		"ELSE 0 END FROM iceberg_tables WHERE metadata_location IS NOT NULL",
	[SQL_INSERT_LAKE] = "INSERT INTO walberg_lake (catalog_name, " LAKE_COLUMNS ") VALUES "
			    "(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15, "
			    "?16, ?17, ?18) ON CONFLICT DO NOTHING",
	[SQL_UPDATE_LAKE] =
		"UPDATE walberg_lake SET (" LAKE_COLUMNS ") = (?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, "
		"?10, ?11, ?12, ?13, ?14, ?15, ?16, ?17, ?18) "
		"WHERE catalog_name = ?1 AND commit_number = ?9 - 1",
	[SQL_INSERT_POINTER] =
		"INSERT INTO iceberg_tables (catalog_name, table_namespace, table_name, "
		"metadata_location, previous_metadata_location, iceberg_type) "
		"VALUES (?1, ?2, ?3, ?4, NULL, 'TABLE') ON CONFLICT DO NOTHING",
	[SQL_UPDATE_POINTER] = "UPDATE iceberg_tables SET metadata_location = ?4, "
			       "previous_metadata_location = ?5 "
			       "WHERE " POINTER " AND metadata_location = ?5 AND " IS_TABLE,
	[SQL_CHECK_POINTER] = "UPDATE iceberg_tables SET metadata_location = ?4 WHERE " POINTER
			      " AND metadata_location = ?4 AND " IS_TABLE,
	[SQL_DELETE_POINTER] = "DELETE FROM iceberg_tables WHERE " POINTER
			       " AND metadata_location = ?4 AND " IS_TABLE,
	[SQL_INSERT_NAMESPACE] =
		"INSERT INTO iceberg_namespace_properties (catalog_name, namespace, property_key, "
		"property_value) VALUES (?1, ?2, 'exists', 'true') ON CONFLICT DO NOTHING",
	[SQL_PUT_TABLE] = "INSERT INTO walberg_table (catalog_name, table_namespace, table_name, "
			  "state, reason, definition, position, log_position) "
			  "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) "
			  "ON CONFLICT (catalog_name, table_namespace, table_name) DO UPDATE SET "
			  "state = ?4, reason = ?5, definition = ?6, position = ?7, "
			  "log_position = ?8",
	[SQL_DELETE_TABLE] = "DELETE FROM walberg_table WHERE " POINTER,
	[SQL_INSERT_COMMIT] = "INSERT INTO walberg_commit (catalog_name, commit_number, position, "
			      "timestamp_ms) VALUES (?1, ?2, ?3, ?4)",
	[SQL_DELETE_COMMITS] = "DELETE FROM walberg_commit WHERE catalog_name = ?1 AND "
			       "timestamp_ms < ?2",
	[SQL_PUT_REMOVAL] =
		"INSERT INTO walberg_removal (catalog_name, path, not_before) VALUES (?1, ?2, ?3) "
		"ON CONFLICT (catalog_name, path) DO UPDATE SET not_before = ?3",
	[SQL_DELETE_REMOVAL] = "DELETE FROM walberg_removal WHERE catalog_name = ?1 AND path = ?2",
	[SQL_INSERT_REQUEST] = "INSERT INTO walberg_request (catalog_name, kind, argument) "
			       "VALUES (?1, ?2, ?3) ON CONFLICT DO NOTHING",
	[SQL_DELETE_REQUEST] = "DELETE FROM walberg_request WHERE catalog_name = ?1 AND id = ?2",
};

const char *sql_statement_text(const struct sql_catalog *catalog, enum statement which)
{
	const char *own = catalog->driver->texts[which];
	return own != NULL ? own : TEXTS[which];
}
