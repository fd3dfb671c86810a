/*
 * The tables of a SQL catalog.
 *
 * The first two are Iceberg's JDBC layout, version 1: Java's JdbcCatalog and PyIceberg's SqlCatalog
 * read them by these names.  walberg's own stand beside them, keyed by the same catalog name.
 */
#include "base/buffer.h"
#include "catalog/sql_internal.h"

enum {
	FORMAT_VERSION = 1,
};

static const char ICEBERG_TABLES[] =
	"CREATE TABLE IF NOT EXISTS iceberg_tables ("
	"catalog_name VARCHAR(255) NOT NULL, table_namespace VARCHAR(255) NOT NULL, "
	"table_name VARCHAR(255) NOT NULL, metadata_location VARCHAR(1000), "
	"previous_metadata_location VARCHAR(1000), iceberg_type VARCHAR(5), "
	"PRIMARY KEY (catalog_name, table_namespace, table_name));"
	"CREATE TABLE IF NOT EXISTS iceberg_namespace_properties ("
	"catalog_name VARCHAR(255) NOT NULL, namespace VARCHAR(255) NOT NULL, "
	"property_key VARCHAR(255), property_value VARCHAR(1000), "
	"PRIMARY KEY (catalog_name, namespace, property_key));";

/* A catalog that another program made before views existed has no column for the type. */
static const char TYPE_COLUMN[] = "ALTER TABLE iceberg_tables ADD COLUMN iceberg_type VARCHAR(5)";

/* %text and the like are the database's words (struct sql_words). */
static const char WALBERG_TABLES[] =
	"CREATE TABLE walberg_format (magic %text NOT NULL, version %number NOT NULL, "
	"fence %number NOT NULL);"
	"CREATE TABLE walberg_lake (catalog_name %text PRIMARY KEY, id %text NOT NULL, "
	"slot_name %text NOT NULL, publication_name %text NOT NULL, "
	"append_publication_name %text NOT NULL, system_identifier %text NOT NULL, "
	"timeline %number NOT NULL, phase %number NOT NULL, commit_number %number NOT NULL, "
	"commit_id %text NOT NULL, position %number NOT NULL, position_at %number NOT NULL, "
	"timestamp_ms %number NOT NULL, log_position %number NOT NULL, log_id %text NOT NULL, "
	"last_commit_lsn %number NOT NULL, last_commit_xid %number NOT NULL, "
	"last_commit_at %number NOT NULL);"
	"CREATE TABLE walberg_table (catalog_name %text NOT NULL, table_namespace %text NOT NULL, "
	"table_name %text NOT NULL, state %number NOT NULL, reason %text NOT NULL, "
	"definition %text NOT NULL, position %number NOT NULL, log_position %number NOT NULL, "
	"PRIMARY KEY (catalog_name, table_namespace, table_name));"
	"CREATE TABLE walberg_commit (catalog_name %text NOT NULL, commit_number %number NOT NULL, "
	"position %number NOT NULL, timestamp_ms %number NOT NULL, "
	"PRIMARY KEY (catalog_name, commit_number)) %by_key;"
	"CREATE TABLE walberg_removal (catalog_name %text NOT NULL, path %text NOT NULL, "
	"not_before %number NOT NULL, PRIMARY KEY (catalog_name, path)) %by_key;"
	"CREATE INDEX walberg_removal_by_time ON walberg_removal (catalog_name, not_before, path);"
	"CREATE TABLE walberg_request (id %counter, catalog_name %text NOT NULL, "
	"kind %text NOT NULL, argument %text NOT NULL, "
	"UNIQUE (catalog_name, kind, argument));"
	"INSERT INTO walberg_format (magic, version, fence) VALUES ('walberg', 1, 0);";

/* The first number of the only row; *found is false without a row. */
static bool ask(struct sql_catalog *catalog, enum statement which, bool *found, int64_t *number,
	struct error *err)
{
	const struct sql_driver *driver = catalog->driver;
	bool more = true;
	if (!driver->start(catalog, which, NO_PARAMETERS, err) ||
		!driver->next(catalog, found, err))
		return false;
	if (!*found)
		return true;
	*number = driver->number(catalog, 0);
	return driver->next(catalog, &more, err);
}

static bool check_format(struct sql_catalog *catalog, struct error *err)
{
	int64_t version;
	bool found;
	if (!ask(catalog, SQL_FIND_TABLES, &catalog->has_tables, &version, err))
		return false;
	if (!catalog->has_tables)
		return true;
	if (!ask(catalog, SQL_LOAD_FORMAT, &found, &version, err))
		return false;
	if (!found)
		return error_set(err, ERROR_CORRUPT, "the table walberg_format of \"%s\" is empty",
			catalog->place);
	if (version == FORMAT_VERSION)
		return true;
	error_set(err, ERROR_UNSUPPORTED,
		"the tables of the catalog \"%s\" have version %lld, known is %d", catalog->place,
		(long long)version, FORMAT_VERSION);
	return error_hint(err, "Use the version of walberg that wrote this catalog.");
}

static bool add_type_column(struct sql_catalog *catalog, struct error *err)
{
	int64_t number;
	bool found;
	return ask(catalog, SQL_FIND_TYPE_COLUMN, &found, &number, err) &&
	       (found || catalog->driver->execute(catalog, TYPE_COLUMN, err));
}

static const char *word_at(const struct sql_words *words, const char **text)
{
	const struct {
		const char *mark;
		const char *word;
	} marks[] = {
		{ "%text", words->text },
		{ "%number", words->number },
		{ "%counter", words->counter },
		{ "%by_key", words->by_key },
	};
	for (size_t i = 0; i < sizeof marks / sizeof *marks; i++) {
		const size_t size = strlen(marks[i].mark);
		if (strncmp(*text, marks[i].mark, size) == 0) {
			*text += size;
			return marks[i].word;
		}
	}
	return NULL;
}

static bool make_walberg_tables(struct sql_catalog *catalog, struct error *err)
{
	struct buffer sql = { 0 };
	for (const char *text = WALBERG_TABLES; *text != '\0';) {
		const char *word = word_at(&catalog->driver->words, &text);
		if (word != NULL)
			buffer_append_cstring(&sql, word);
		else
			buffer_append(&sql, text++, 1);
	}
	buffer_append_u8(&sql, '\0');
	const bool ok = catalog->driver->execute(catalog, (const char *)sql.data, err);
	buffer_deinit(&sql);
	return ok;
}

/* Looks again inside the transaction: another process may have been faster. */
static bool make_tables(struct sql_catalog *catalog, struct error *err)
{
	return check_format(catalog, err) &&
	       (catalog->has_tables ||
		       (catalog->driver->execute(catalog, ICEBERG_TABLES, err) &&
			       add_type_column(catalog, err) && make_walberg_tables(catalog, err)));
}

bool sql_prepare_schema(struct sql_catalog *catalog, struct error *err)
{
	const struct sql_driver *driver = catalog->driver;
	if (!check_format(catalog, err))
		return false;
	if (catalog->has_tables || catalog->is_read_only)
		return true;
	if (!driver->begin_write(catalog, err))
		return false;
	if (!make_tables(catalog, err)) {
		driver->rollback(catalog);
		return false;
	}
	catalog->has_tables = true;
	if (driver->commit(catalog, err))
		return true;
	if (err->kind == ERROR_UNCERTAIN)
		err->kind = ERROR_LOST; /* opening it again finds out */
	return false;
}
