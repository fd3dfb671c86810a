/*
 * A lake's catalog: which one it is, and on whose server.
 */
#include "engine/lake.h"

#include "net/postgres.h"

enum {
	BUSY_TIMEOUT_MS = 5000,
};

struct postgres_target lake_source_target(const struct configuration *configuration)
{
	return (struct postgres_target){
		.url = configuration->source_url,
		.user = configuration->source_user,
		.password = configuration->source_password,
		.connect_timeout = configuration->source_connect_timeout,
		.answer_timeout = configuration->source_answer_timeout,
	};
}

struct postgres_target lake_catalog_target(
	const struct configuration *configuration, const char *url)
{
	return (struct postgres_target){
		.url = url,
		.user = configuration->lake_catalog_user,
		.password = configuration->lake_catalog_password,
		.owner = "catalog",
		.password_setting = "lake.catalog_password",
		.connect_timeout = configuration->source_connect_timeout,
		.answer_timeout = configuration->lake_catalog_timeout,
	};
}

/* --- opening -------------------------------------------------------------------------------- */

static bool open_sqlite(const struct configuration *configuration, const char *path,
	bool is_read_only, struct catalog **out, struct error *err)
{
	const struct sqlite_options options = {
		.path = path,
		.catalog_name = configuration->lake_catalog_name,
		.is_read_only = is_read_only,
		.busy_timeout_ms = BUSY_TIMEOUT_MS,
	};
	return catalog_sqlite_open(&options, out, err);
}

static bool open_postgres(const struct configuration *configuration, const char *url,
	bool is_read_only, struct catalog **out, struct error *err)
{
	const struct postgres_catalog_options options = {
		.target = lake_catalog_target(configuration, url),
		.catalog_name = configuration->lake_catalog_name,
		.is_read_only = is_read_only,
		.busy_timeout_ms = BUSY_TIMEOUT_MS,
	};
	return catalog_postgres_open(&options, out, err);
}

static bool open_catalog(const struct configuration *configuration, bool is_read_only,
	enum catalog_form *form, struct catalog **out, struct error *err)
{
	const char *place;
	if (!configuration_catalog(configuration, form, &place, err))
		return false;
	return *form == CATALOG_SQLITE
		       ? open_sqlite(configuration, place, is_read_only, out, err)
		       : open_postgres(configuration, place, is_read_only, out, err);
}

bool lake_make_catalog(
	const struct configuration *configuration, struct catalog **out, struct error *err)
{
	enum catalog_form form;
	return open_catalog(configuration, false, &form, out, err);
}

bool lake_open_catalog(const struct configuration *configuration, bool is_read_only,
	struct catalog **out, struct error *err)
{
	enum catalog_form form;
	if (open_catalog(configuration, is_read_only, &form, out, err))
		return true;
	if (err->kind != ERROR_MISSING)
		return false;
	if (form == CATALOG_SQLITE)
		error_set(err, ERROR_MISSING, "there is no lake in \"%s\"",
			configuration->lake_directory);
	return error_hint(err, "Name it with --lake, or make it with \"walberg run "
			       "postgresql://user@host/database\".");
}

/* --- a database of its own ------------------------------------------------------------------ */

struct database {           /* which one it is, of all that there are */
	const char *server; /* NULL: not known */
	const char *name;
};

/* A server is known by its system identifier, or, where that may not be read, by its start. */
static bool identify(const struct postgres_target *target, struct arena *arena,
	struct database *out, struct error *err)
{
	struct postgres *postgres;
	struct postgres_rows rows;
	if (!postgres_open(target, &postgres, err))
		return false;
	bool ok = postgres_query(postgres,
		"SELECT system_identifier, current_database() FROM pg_control_system()", &rows,
		err);
	if (!ok && err->kind == ERROR_SETUP)
		ok = postgres_query(postgres,
			"SELECT pg_postmaster_start_time(), current_database()", &rows, err);
	if (ok) {
		out->server = arena_copy_cstring(arena, postgres_text(&rows, 0, 0));
		out->name = arena_copy_cstring(arena, postgres_text(&rows, 0, 1));
		postgres_rows_close(&rows);
	}
	postgres_close(postgres);
	return ok;
}

/*
 * The database may have to be made yet, which a server says in its own language: then another one
 * tells which server it is.  Of one that lets nobody in, opening the catalog says more.
 */
static bool identify_catalog(const struct postgres_target *target, struct arena *arena,
	struct database *out, struct error *err)
{
	*out = (struct database){ NULL, "" };
	if (identify(target, arena, out, err))
		return true;
	struct postgres_target other = *target;
	struct error second = { 0 };
	other.database = "postgres";
	if ((err->kind == ERROR_SETUP || err->kind == ERROR_LOST) &&
		identify(&other, arena, out, &second)) {
		out->name = "";
		return true;
	}
	return err->kind == ERROR_SETUP || second.kind == ERROR_SETUP;
}

static bool compare(const struct configuration *configuration, const char *url, struct arena *arena,
	enum catalog_server *out, struct error *err)
{
	const struct postgres_target at_source = lake_source_target(configuration);
	const struct postgres_target at_catalog = lake_catalog_target(configuration, url);
	struct database source, catalog;
	if (!identify(&at_source, arena, &source, err))
		return error_context(err, "comparing the source with the catalog");
	if (!identify_catalog(&at_catalog, arena, &catalog, err))
		return error_context(err, "comparing the catalog \"%s\" with the source",
			postgres_place(&at_catalog, arena));
	if (catalog.server == NULL)
		return true;
	*out = strcmp(source.server, catalog.server) == 0 ? CATALOG_ON_SOURCE : CATALOG_ELSEWHERE;
	if (*out == CATALOG_ELSEWHERE || strcmp(source.name, catalog.name) != 0)
		return true;
	error_set(err, ERROR_SETUP,
		"the catalog lies in the source's own database \"%s\": it would capture itself",
		source.name);
	return error_hint(err, "Name a database of its own in lake.catalog, for instance "
			       "postgresql://host:port/lake_catalog; it is made when it is "
			       "missing.");
}

bool lake_compare_servers(
	const struct configuration *configuration, enum catalog_server *out, struct error *err)
{
	enum catalog_form form;
	const char *place;
	*out = CATALOG_ELSEWHERE;
	if (!configuration_catalog(configuration, &form, &place, err))
		return false;
	if (form != CATALOG_POSTGRES)
		return true;
	struct arena arena = { 0 };
	*out = CATALOG_NOWHERE;
	const bool ok = compare(configuration, place, &arena, out, err);
	arena_deinit(&arena);
	return ok;
}
