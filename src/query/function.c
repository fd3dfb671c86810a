#include "query/rewrite.h"

#include <strings.h>

/*
 * Reviewed against all functions of DuckDB 1.5.5 with its built-in extensions.  Refused are those
 * that read settings, files, the text of statements or DuckDB's own catalog, that plan or run SQL
 * given as text, that write, and the optimizer's own, which trust their arguments.
 */
static const char *const refused_prefixes[] = {
	"__internal_",
	"arrow_scan",
	"current_connection",
	"current_query",
	"current_setting",
	"duckdb_",
	"enable_",
	"disable_",
	"get_block_size",
	"getenv",
	"getvariable",
	"glob",
	"json_deserialize_sql",
	"json_execute_serialized_sql",
	"json_serialize_",
	"parquet_",
	"pg_get_",
	"pragma_",
	"query",
	"read_",
	"sql_auto_complete",
	"which_secret",
	"write_",
};

static const char *const refused_names[] = {
	"currval",
	"nextval",
	"obj_description",
	"col_description",
	"shobj_description",
};

static const char *const admitted_table_functions[] = {
	"generate_series",
	"json_each",
	"json_tree",
	"range",
	"repeat",
	"repeat_row",
	"unnest",
};

#define COUNT(array) (sizeof(array) / sizeof(array)[0])

bool function_is_admitted(const char *name)
{
	for (size_t i = 0; i < COUNT(refused_prefixes); i++)
		if (strncasecmp(name, refused_prefixes[i], strlen(refused_prefixes[i])) == 0)
			return false;
	for (size_t i = 0; i < COUNT(refused_names); i++)
		if (strcasecmp(name, refused_names[i]) == 0)
			return false;
	return true;
}

bool table_function_is_admitted(const char *name)
{
	for (size_t i = 0; i < COUNT(admitted_table_functions); i++)
		if (strcasecmp(name, admitted_table_functions[i]) == 0)
			return true;
	return false;
}
