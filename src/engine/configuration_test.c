#include "engine/configuration.h"

#include "base/test.h"

#include <limits.h>
#include <sys/stat.h>
#include <unistd.h>

struct loading {
	struct arena arena;
	struct configuration_arguments arguments;
	char **environment; /* NULL: empty */
	struct configuration configuration;
	struct error err;
};

/* In a directory of its own: the .env of the one that tests are run in is a user's. */
static bool load(struct loading *loading)
{
	extern char **environ;
	char here[4096];
	CHECK(getcwd(here, sizeof here) != NULL);
	CHECK_EQUAL(chdir(test_directory()), 0);
	char *empty[] = { NULL }, **kept = environ;
	loading->err = (struct error){ 0 };
	environ = loading->environment != NULL ? loading->environment : empty;
	const bool done = configuration_load(
		&loading->arguments, &loading->arena, &loading->configuration, &loading->err);
	environ = kept;
	CHECK_EQUAL(chdir(here), 0);
	return done;
}

static const char *write_file(struct loading *loading, const char *name, const char *text)
{
	const char *path = arena_format(&loading->arena, "%s/%s", test_directory(), name);
	FILE *file = fopen(path, "w");
	CHECK(file != NULL);
	CHECK(fputs(text, file) >= 0);
	CHECK_EQUAL(fclose(file), 0);
	return path;
}

TEST(a_connection_string_is_enough)
{
	struct loading loading = { .arguments = { .url = "postgresql://me@host/shop" } };
	CHECK_OK(load(&loading), &loading.err);
	const struct configuration *is = &loading.configuration;
	char here[PATH_MAX];
	CHECK(realpath(test_directory(), here) != NULL);
	const char *lake = arena_format(&loading.arena, "%s/lake", here);
	CHECK_TEXT(is->source_url, "postgresql://me@host/shop");
	CHECK_TEXT(is->lake_directory, lake);
	CHECK_TEXT(is->lake_warehouse, arena_format(&loading.arena, "%s/warehouse", lake));
	CHECK_TEXT(is->lake_catalog, arena_format(&loading.arena, "sqlite:%s/catalog.db", lake));
	CHECK_TEXT(is->log_directory, arena_format(&loading.arena, "%s/log", lake));
	CHECK_EQUAL(is->lake_commit_interval, 400 * 1000);
	CHECK_EQUAL(is->source_tables.count, 1);
	CHECK_TEXT(is->source_tables.items[0], "*.*");
	arena_deinit(&loading.arena);
}

TEST(arguments_come_before_the_file)
{
	struct loading loading = { 0 };
	static const char *const SET[] = { "log.size_limit=2MB" };
	loading.arguments = (struct configuration_arguments){
		.file = write_file(&loading, "walberg.yaml",
			"source:\n  url: postgresql://file/shop\n  tables: [public.*, app.orders]\n"
			"lake:\n  directory: /from/file\n  catalog: sqlite:/elsewhere/c.db\n"
			"log:\n  size_limit: 1GB\n  segment_size: 1MB\n"),
		.lake = "/from/argument",
		.assignments = SET,
		.assignment_count = 1,
	};
	CHECK_OK(load(&loading), &loading.err);
	const struct configuration *is = &loading.configuration;
	CHECK_TEXT(is->source_url, "postgresql://file/shop");
	CHECK_EQUAL(is->source_tables.count, 2);
	CHECK_TEXT(is->source_tables.items[1], "app.orders");
	CHECK_TEXT(is->lake_directory, "/from/argument");
	CHECK_TEXT(is->log_directory, "/from/argument/log");
	CHECK_EQUAL(is->log_size_limit, 2 * 1024 * 1024);
	CHECK_EQUAL(is->log_segment_size, 1024 * 1024);
	enum catalog_form form;
	const char *path;
	CHECK_OK(configuration_catalog(is, &form, &path, &loading.err), &loading.err);
	CHECK_EQUAL(form, CATALOG_SQLITE);
	CHECK_TEXT(path, "/elsewhere/c.db");
	arena_deinit(&loading.arena);
}

static bool may_be(const char *log, const char *cache, const char *warehouse)
{
	struct loading loading = { .arguments = { .lake = "/data/lake" } };
	const char *set[] = {
		arena_format(&loading.arena, "log.directory=%s", log),
		arena_format(&loading.arena, "lake.cache_directory=%s", cache),
		arena_format(&loading.arena, "lake.warehouse=%s", warehouse),
	};
	loading.arguments.assignments = set;
	loading.arguments.assignment_count = 3;
	CHECK_OK(load(&loading), &loading.err);
	const bool may = configuration_check_places(&loading.configuration, &loading.err);
	CHECK(may || (loading.err.kind == ERROR_SETUP && loading.err.hint[0] != '\0'));
	arena_deinit(&loading.arena);
	return may;
}

TEST(lake_log_cache_and_warehouse_lie_apart)
{
	CHECK(may_be("/data/lake/log", "/data/lake/cache", "/data/lake/warehouse"));
	CHECK(may_be("/data/log", "/data/cache", "s3://bucket/data/log"));
	CHECK(may_be("/data/lak", "/data/lak1", "/data/tables"));
	CHECK(!may_be("/data/lake", "/cache", "/tables"));
	CHECK(!may_be("/data", "/cache", "/tables"));
	CHECK(!may_be("/", "/cache", "/tables"));
	CHECK(!may_be("/cache", "/cache", "/tables"));
	CHECK(!may_be("/cache/log", "/cache", "/tables"));
	CHECK(!may_be("/data/log", "/data/log/cache", "/tables"));
	CHECK(!may_be("/tables", "/cache", "/tables"));
	CHECK(!may_be("/tables/log", "/cache", "/tables"));
	CHECK(!may_be("/data/log", "/cache", "/data/log/tables"));
	CHECK(!may_be("/log", "/tables/cache", "/tables"));
	CHECK(!may_be("/log", "/cache", "/cache/tables"));
	CHECK(!may_be("/log", "/cache", "/data/lake"));
	CHECK(!may_be("/log", "/cache", "/data"));
}

static void check_refused(struct loading *loading, const char *text)
{
	CHECK(!load(loading));
	CHECK_EQUAL(loading->err.kind, ERROR_SETUP);
	if (strstr(loading->err.text, text) == NULL)
		test_fail(__FILE__, __LINE__, "\"%s\", not \"%s\"", loading->err.text, text);
	arena_deinit(&loading->arena);
}

TEST(a_mistake_in_the_configuration_is_told)
{
	static const char *const UNKNOWN[] = { "lake.comit_interval=1s" };
	static const char *const LOW[] = { "lake.commit_interval=1ms" };
	struct loading loading = { 0 };
	loading.arguments.file = "/no/such/file.yaml";
	check_refused(&loading, "/no/such/file.yaml");
	loading = (struct loading){ 0 };
	loading.arguments.assignments = UNKNOWN;
	loading.arguments.assignment_count = 1;
	CHECK(!load(&loading));
	CHECK(strstr(loading.err.hint, "lake.commit_interval") != NULL);
	check_refused(&loading, "comit_interval");
	loading.arguments.assignments = LOW;
	check_refused(&loading, "lake.commit_interval");
	loading = (struct loading){ 0 };
	loading.arguments.file = write_file(&loading, "bad.yaml", "lake: [\n");
	check_refused(&loading, "bad.yaml");
}

TEST(a_catalog_of_another_kind_is_refused)
{
	static const char *const SET[] = { "lake.catalog=rest:http://host" };
	struct loading loading = { .arguments = { .assignments = SET, .assignment_count = 1 } };
	enum catalog_form form;
	const char *path;
	CHECK_OK(load(&loading), &loading.err);
	CHECK(!configuration_catalog(&loading.configuration, &form, &path, &loading.err));
	CHECK_EQUAL(loading.err.kind, ERROR_UNSUPPORTED);
	CHECK(strstr(loading.err.hint, "sqlite:PATH") != NULL);
	arena_deinit(&loading.arena);
}

TEST(the_urls_of_other_stacks_are_understood)
{
	char url[] = "POSTGRES_URL=jdbc:postgresql://host:5432/shop", user[] = "POSTGRES_USER=me";
	char *environment[] = { url, user, NULL };
	struct loading loading = { .environment = environment };
	CHECK_OK(load(&loading), &loading.err);
	CHECK_TEXT(loading.configuration.source_url, "postgresql://host:5432/shop");
	CHECK_TEXT(loading.configuration.source_user, "me");
	arena_deinit(&loading.arena);
}

static void check_database(const char *url, const char *database, const char *expected)
{
	char set[200];
	snprintf(set, sizeof set, "POSTGRES_DB=%s", database);
	char *environment[] = { set, NULL };
	struct loading loading = { .arguments = { .url = url }, .environment = environment };
	CHECK_OK(load(&loading), &loading.err);
	CHECK_TEXT(loading.configuration.source_url, expected);
	arena_deinit(&loading.arena);
}

TEST(the_database_of_other_stacks_counts_where_the_url_names_none)
{
	check_database("postgresql://h/mine", "shop", "postgresql://h/mine");
	check_database("postgresql://h", "shop", "postgresql://h/shop");
	check_database("postgresql://h/?sslmode=disable", "a b/?",
		"postgresql://h/a%20b%2F%3F?sslmode=disable");
	check_database("host=h dbname=mine", "shop", "host=h dbname=mine");
	check_database("host=h", "it's\\", "host=h dbname='it\\'s\\\\'");
}

static void check_catalog(const char *setting, const char *expected, const char *user,
	const char *password, const char *const more[2])
{
	const char *const set[] = { setting, more[0], more[1] };
	struct loading loading = { .arguments = {
					   .url = "postgresql://me:mine@host/shop",
					   .assignments = set,
					   .assignment_count = 3,
				   } };
	enum catalog_form form;
	const char *url;
	CHECK_OK(load(&loading), &loading.err);
	const struct configuration *is = &loading.configuration;
	CHECK_OK(configuration_catalog(is, &form, &url, &loading.err), &loading.err);
	CHECK_EQUAL(form, CATALOG_POSTGRES);
	CHECK_TEXT(url, expected);
	CHECK_TEXT(is->lake_catalog_user != NULL ? is->lake_catalog_user : "", user);
	CHECK_TEXT(is->lake_catalog_password != NULL ? is->lake_catalog_password : "", password);
	arena_deinit(&loading.arena);
}

TEST(a_catalog_in_postgres_is_named_by_itself_or_by_its_server)
{
	static const char *const NONE[] = { "log.level=info", "log.level=info" };
	static const char *const OTHERS[] = { "source.user=you", "lake.catalog_password=secret" };
	static const char *const OWN[] = { "lake.catalog_user=they", "log.level=info" };
	check_catalog("lake.catalog=postgresql://h:1/c", "postgresql://h:1/c", "me", "mine", NONE);
	check_catalog(
		"lake.catalog=jdbc:postgresql://h/c", "postgresql://h/c", "you", "secret", OTHERS);
	check_catalog("lake.catalog=postgres://h/c", "postgres://h/c", "they", "", OWN);
	check_catalog("lake.catalog=postgresql://u:p@h/c", "postgresql://u:p@h/c", "", "", NONE);
	check_catalog("lake.catalog_server=postgresql://h:1", "postgresql://h:1/lake_catalog", "me",
		"mine", NONE);
	check_catalog("lake.catalog_server=jdbc:postgresql://h:1/other?sslmode=require",
		"postgresql://h:1/lake_catalog?sslmode=require", "me", "mine", NONE);
}

TEST(the_server_of_the_catalog_is_that_of_other_stacks)
{
	char server[] = "JDBC_BASE_URL=jdbc:postgresql://postgres:5432";
	char *environment[] = { server, NULL };
	struct loading loading = { .environment = environment };
	CHECK_OK(load(&loading), &loading.err);
	CHECK_TEXT(loading.configuration.lake_catalog, "postgresql://postgres:5432/lake_catalog");
	arena_deinit(&loading.arena);
}

TEST(a_lake_with_a_catalog_of_its_own_is_not_begun_anew_on_a_server)
{
	static const char *const SET[] = { "lake.catalog_server=postgresql://host" };
	struct loading loading = { 0 };
	write_file(&loading, "catalog.db", "");
	loading.arguments = (struct configuration_arguments){
		.lake = test_directory(),
		.assignments = SET,
		.assignment_count = 1,
	};
	check_refused(&loading, "catalog.db");
}

static void check_lake(const char *named, const char *expected)
{
	struct arena arena = { 0 };
	CHECK_TEXT(configuration_path(named, &arena), expected);
	arena_deinit(&arena);
}

/* Locations of tables hold the path: it must be the same however the lake is named. */
TEST(a_lake_has_one_path_however_it_is_named)
{
	struct arena arena = { 0 };
	char *real = realpath(test_directory(), NULL);
	const char *lake = arena_format(&arena, "%s/lake", real);
	for (int exists = 0; exists < 2; exists++) {
		check_lake(lake, lake);
		check_lake(arena_format(&arena, "%s/", lake), lake);
		check_lake(arena_format(&arena, "%s//./lake", real), lake);
		check_lake(arena_format(&arena, "%s/none/../lake", real), lake);
		check_lake(arena_format(&arena, "%s/lake/../lake/.", real), lake);
		if (!exists)
			CHECK(mkdir(lake, 0755) == 0);
	}
	const char *link = arena_format(&arena, "%s/link", real);
	CHECK(symlink(lake, link) == 0);
	check_lake(link, lake);
	check_lake(
		arena_format(&arena, "%s/../link/new", link), arena_format(&arena, "%s/new", lake));
	free(real);
	arena_deinit(&arena);
}

TEST(a_relative_lake_is_below_the_present_directory)
{
	struct arena arena = { 0 };
	char *here = getcwd(NULL, 0);
	check_lake("no-such-lake", arena_format(&arena, "%s/no-such-lake", here));
	check_lake("./a/../no-such-lake/", arena_format(&arena, "%s/no-such-lake", here));
	free(here);
	arena_deinit(&arena);
}

TEST(a_warehouse_in_s3_is_taken_as_it_is_written)
{
	static const char *const SET[] = { "lake.warehouse=s3://bucket/a/../b" };
	static const char *const OTHER[] = { "lake.warehouse=gs://bucket/x" };
	static const char *const CUT[] = { "lake.warehouse=s3:mine/shop" };
	static const char *const PATH[] = { "lake.warehouse=/a/s3:mine" };
	struct loading loading = { .arguments = { .assignments = SET, .assignment_count = 1 } };
	CHECK_OK(load(&loading), &loading.err);
	CHECK_TEXT(loading.configuration.lake_warehouse, "s3://bucket/a/../b");
	arena_deinit(&loading.arena);
	loading.arguments.assignments = OTHER;
	check_refused(&loading, "gs://bucket/x");
	loading.arguments.assignments = CUT;
	check_refused(&loading, "s3:mine/shop");
	loading.arguments.assignments = PATH;
	CHECK_OK(load(&loading), &loading.err);
	CHECK_TEXT(loading.configuration.lake_warehouse, "/a/s3:mine");
	arena_deinit(&loading.arena);
}

TEST(the_keys_of_other_s3_clients_are_understood)
{
	char minio[] = "MINIO_ACCESS_KEY=minio", minio_secret[] = "MINIO_SECRET_KEY=minio-secret";
	char key[] = "AWS_ACCESS_KEY_ID=aws", secret[] = "AWS_SECRET_ACCESS_KEY=aws-secret";
	char region[] = "AWS_DEFAULT_REGION=eu-1", endpoint[] = "AWS_ENDPOINT_URL=http://h:1";
	char *of_minio[] = { minio, minio_secret, NULL };
	char *both[] = { key, secret, region, endpoint, minio_secret, minio, NULL };
	struct loading loading = { .environment = of_minio };
	const struct configuration *is = &loading.configuration;
	CHECK_OK(load(&loading), &loading.err);
	CHECK_TEXT(is->s3_access_key, "minio");
	CHECK_TEXT(is->s3_secret_key, "minio-secret");
	CHECK_TEXT(is->s3_region, "us-east-1");
	CHECK(is->s3_endpoint == NULL);
	loading.environment = both;
	CHECK_OK(load(&loading), &loading.err);
	CHECK_TEXT(is->s3_access_key, "aws");
	CHECK_TEXT(is->s3_secret_key, "aws-secret");
	CHECK_TEXT(is->s3_region, "eu-1");
	CHECK_TEXT(is->s3_endpoint, "http://h:1");
	arena_deinit(&loading.arena);
}
