#include "query/fetch.h"

#include "base/test.h"
#include "query/query.h"
#include "query/scan.h"

#include <pthread.h>
#include <unistd.h>

/*
 * The same tables twice: as files that are read in place, and as objects of a store in memory, read
 * through a cache.  What a statement gives must be the same, however little was fetched for it.
 */

enum {
	COLUMNS = 20,
	TABLES = 3,
	FILES_MAX = 3,
};

static const char *const NAMES[TABLES] = { "wide", "other", "tiny" };

struct place { /* one of the two */
	struct tables base;
	struct lab *lab;
	struct fetcher *fetcher; /* NULL: in place */
	struct cache *cache;
	struct arena arena;
	struct query_session *session;
	struct buffer out;
	struct error err;
	bool ok;
};

struct lab {
	struct arena arena;
	const char *directory;
	struct store *store;
	struct session *writer;
	struct table_entry entries[TABLES];
	struct table_version versions[TABLES];
	struct scan_file files[TABLES][FILES_MAX];
	struct delete_file deletes[TABLES][FILES_MAX];
	struct place *local;
	struct place *remote;
	size_t cache_count;
	pthread_mutex_t lock;
	size_t requests;
	uint64_t object_bytes;
};

/* ---- tables ---- */

static bool begin(
	struct tables *tables, const struct table_entry **out, size_t *count, struct error *err)
{
	struct place *place = (struct place *)tables;
	(void)err;
	arena_reset(&place->arena);
	if (place->fetcher != NULL)
		fetcher_reset(place->fetcher);
	*out = place->lab->entries;
	*count = TABLES;
	return true;
}

static bool find_version(struct tables *tables, size_t index,
	const struct version_selector *selector, struct table_version *out, struct error *err)
{
	struct place *place = (struct place *)tables;
	(void)selector, (void)err;
	*out = place->lab->versions[index];
	if (place->fetcher != NULL)
		return true;
	struct scan_file *files =
		arena_copy(&place->arena, out->files, out->file_count * sizeof *files);
	for (size_t i = 0; i < out->file_count; i++)
		files[i].uri = NULL;
	out->files = files;
	return true;
}

static bool fetch(struct tables *tables, const struct table_version *version,
	const struct wanted_columns *wanted, struct table_version *out, struct error *err)
{
	struct place *place = (struct place *)tables;
	*out = *version;
	return place->fetcher == NULL ||
	       fetcher_fetch(place->fetcher, version, wanted, &place->arena, out, err);
}

static void close_cache(struct place *place)
{
	fetcher_close(place->fetcher);
	cache_close(place->cache);
}

static void close_place(struct tables *tables)
{
	struct place *place = (struct place *)tables;
	close_cache(place);
	arena_deinit(&place->arena);
	buffer_deinit(&place->out);
	free(place);
}

static struct place *open_place(struct lab *lab, bool is_remote)
{
	static const struct tables_ops OPS = { begin, find_version, fetch, close_place };
	struct place *place = memory_allocate(1, sizeof *place);
	place->base.ops = &OPS;
	place->lab = lab;
	const struct query_options options = {
		.threads = 1, .files = lab->directory, .is_cache = is_remote
	};
	struct error err;
	CHECK_OK(query_session_open(&options, &place->base, &place->session, &err), &err);
	return place;
}

static void open_cache(struct lab *lab, uint64_t size_max)
{
	struct place *remote = lab->remote;
	struct error err;
	const struct cache_options options = {
		arena_format(&lab->arena, "%s/cache-%zu", lab->directory, lab->cache_count++),
		size_max,
	};
	close_cache(remote);
	CHECK_OK(cache_open(&options, &remote->cache, &err), &err);
	remote->fetcher = fetcher_open(lab->store, remote->cache, FETCHER_LAYOUTS_SIZE);
}

/* Nothing is there any more; what was read of footers is forgotten, too. */
static void empty_cache(struct lab *lab)
{
	struct place *remote = lab->remote;
	struct arena arena = { 0 };
	struct file_info *infos;
	size_t count;
	struct error err;
	CHECK_OK(
		world_list(world_posix(), cache_files(remote->cache), &arena, &infos, &count, &err),
		&err);
	for (size_t i = 0; i < count; i++)
		unlink(arena_format(&arena, "%s/%s", cache_files(remote->cache), infos[i].name));
	arena_deinit(&arena);
	fetcher_close(remote->fetcher);
	remote->fetcher = fetcher_open(lab->store, remote->cache, FETCHER_LAYOUTS_SIZE);
}

/* ---- files ---- */

static void run_writer(struct lab *lab, const char *sql)
{
	struct error err;
	if (!session_do(lab->writer, sql, &err))
		test_fail(__FILE__, __LINE__, "%s: %s", sql, err.text);
}

/* A local file, and an object with the same bytes. */
static uint64_t put_copy(struct lab *lab, const char *path, const char *name)
{
	struct buffer bytes = { 0 };
	struct error err;
	CHECK_OK(world_read_file(world_posix(), path, 64 << 20, &bytes, &err), &err);
	CHECK_OK(store_put(lab->store, name, buffer_bytes(&bytes), &err), &err);
	const uint64_t size = bytes.size;
	lab->object_bytes += size;
	buffer_deinit(&bytes);
	return size;
}

static const char *path_of(struct lab *lab, const char *name)
{
	return arena_format(&lab->arena, "%s/%s", lab->directory, name);
}

/* Columns id, c1, c2, ... of a query that gives them. */
static void add_file(struct lab *lab, size_t table, const char *query, uint64_t row_count)
{
	struct table_version *version = &lab->versions[table];
	const size_t number = version->file_count++;
	const char *name = arena_format(&lab->arena, "%s-%zu.parquet", NAMES[table], number);
	struct buffer sql = { 0 };
	buffer_append_format(&sql,
		"COPY (%s) TO '%s' (FORMAT parquet, ROW_GROUP_SIZE 2048, FIELD_IDS {", query,
		path_of(lab, name));
	for (size_t i = 0; i < version->schema->field_count; i++) {
		buffer_append_cstring(&sql, i > 0 ? ", " : "");
		sql_append_identifier(&sql, version->schema->fields[i].name);
		buffer_append_format(&sql, ": %d", (int)version->schema->fields[i].id);
	}
	buffer_append_cstring(&sql, "}");
	if (number == 2) /* a footer of more than is fetched at first */
		buffer_append_format(&sql, ", KV_METADATA {note: '%0100000d'}", 1);
	buffer_append(&sql, ")", 2);
	run_writer(lab, (const char *)sql.data);
	buffer_deinit(&sql);
	lab->files[table][number] = (struct scan_file){
		.path = path_of(lab, name),
		.uri = store_uri(lab->store, name, &lab->arena),
		.row_count = row_count,
	};
	lab->files[table][number].size_bytes = put_copy(lab, lab->files[table][number].path, name);
}

/*
 * Every third row of a file goes.  One and the same delete file names it for both places: by its
 * path and by its URI.
 */
static void delete_rows(struct lab *lab, size_t table, size_t number)
{
	struct table_version *version = &lab->versions[table];
	struct scan_file *file = &lab->files[table][number];
	const char *name = arena_format(&lab->arena, "%s-%zu.deletes", NAMES[table], number);
	const char *path = path_of(lab, name);
	run_writer(lab, arena_format(&lab->arena,
				"COPY (SELECT unnest(['file:%s', '%s']) AS file_path, 3 * i AS pos "
				"FROM range(%d) t(i)) TO '%s' (FORMAT parquet, "
				"FIELD_IDS {file_path: 2147483546, pos: 2147483545})",
				file->path, number == 0 ? file->uri : "s3a://lake/wide-1.parquet",
				(int)(file->row_count / 3), path));
	file->has_deletes = true;
	lab->deletes[table][version->delete_file_count++] = (struct delete_file){ path,
		store_uri(lab->store, name, &lab->arena), put_copy(lab, path, name) };
	version->deleted_row_count += file->row_count / 3;
}

static void add_table(struct lab *lab, size_t table, size_t column_count)
{
	struct schema *schema = arena_new(&lab->arena, struct schema);
	schema->fields = arena_array(&lab->arena, struct schema_field, column_count);
	schema->field_count = column_count;
	for (size_t i = 0; i < column_count; i++) {
		struct schema_field *field = &schema->fields[i];
		field->id = (int32_t)i + 1;
		field->name = i == 0 ? "id" : arena_format(&lab->arena, "c%zu", i);
		field->type.type = i == 0 || i % 3 == 1 ? VALUE_LONG
				   : i % 3 == 2         ? VALUE_STRING
							: VALUE_DOUBLE;
	}
	lab->entries[table] = (struct table_entry){
		.namespace_name = "public", .name = NAMES[table], .is_readable = true, .reason = ""
	};
	lab->versions[table] = (struct table_version){
		.schema = schema, .files = lab->files[table], .delete_files = lab->deletes[table]
	};
}

static const char *rows_query(struct lab *lab, size_t column_count, int first, int count)
{
	struct buffer sql = { 0 };
	buffer_append_cstring(&sql, "SELECT i AS id");
	for (size_t i = 1; i < column_count; i++) {
		if (i % 3 == 1)
			buffer_append_format(&sql, ", (hash(i + %zu) %% %zu)::BIGINT AS c%zu",
				i * 1000, i * i * i * 10, i);
		else if (i % 3 == 2)
			buffer_append_format(&sql,
				", 's' || hash(i * %zu) %% %zu || md5(i::VARCHAR) AS c%zu", i,
				i * 300, i);
		else
			buffer_append_format(&sql,
				", CASE WHEN i %% 7 = 0 THEN NULL ELSE (hash(i * %zu) %% 100000) / "
				"8 "
				"/ 8 END AS c%zu",
				i, i);
	}
	buffer_append_format(&sql, " FROM range(%d, %d) t(i)", first, first + count);
	const char *text = arena_copy_text(&lab->arena, buffer_bytes(&sql));
	buffer_deinit(&sql);
	return text;
}

static enum error_kind count_request(void *context, const char *call, const char *path)
{
	struct lab *lab = context;
	(void)path;
	pthread_mutex_lock(&lab->lock);
	lab->requests += strcmp(call, "read") == 0;
	pthread_mutex_unlock(&lab->lock);
	return ERROR_NONE;
}

static void lab_open(struct lab *lab)
{
	*lab = (struct lab){ .directory = test_directory() };
	struct error err;
	const struct session_options options = {
		.threads = 1, .directory_count = 1, .directories = &lab->directory
	};
	pthread_mutex_init(&lab->lock, NULL);
	CHECK_OK(session_open(&options, &lab->writer, &err), &err);
	lab->store = store_faulty_open(
		store_memory_open(world_posix(), "s3://lake"), count_request, lab);
	add_table(lab, 0, COLUMNS);
	add_table(lab, 1, 6);
	add_table(lab, 2, 2);
	for (int i = 0; i < 3; i++)
		add_file(lab, 0, rows_query(lab, COLUMNS, i * 3000, 3000), 3000);
	delete_rows(lab, 0, 0);
	delete_rows(lab, 0, 1);
	add_file(lab, 1, rows_query(lab, 6, 2500, 1000), 1000);
	add_file(lab, 2, rows_query(lab, 2, 0, 10), 10);
	CHECK(lab->files[0][0].size_bytes > 520 * 1024);
	lab->local = open_place(lab, false);
	lab->remote = open_place(lab, true);
	open_cache(lab, UINT64_C(1) << 30);
}

static void lab_close(struct lab *lab)
{
	query_session_close(lab->local->session);
	query_session_close(lab->remote->session);
	session_close(lab->writer);
	store_close(lab->store);
	arena_deinit(&lab->arena);
	pthread_mutex_destroy(&lab->lock);
}

/* ---- statements ---- */

static bool read_rows(struct place *place, struct result *result)
{
	bool has_row;
	for (size_t i = 0; i < result_column_count(result); i++)
		buffer_append_format(&place->out, "%s|", result_column_name(result, i));
	while (result_next(result, &has_row, &place->err)) {
		if (!has_row)
			return true;
		buffer_append_cstring(&place->out, "\n");
		for (size_t i = 0; i < result_column_count(result); i++) {
			if (!result_append_text(result, i, &place->out))
				buffer_append_cstring(&place->out, "~");
			buffer_append_cstring(&place->out, "|");
		}
	}
	return false;
}

static void run(struct place *place, const char *sql)
{
	struct arena arena = { 0 };
	struct query_answer answer = { 0 };
	buffer_reset(&place->out);
	place->err = (struct error){ 0 };
	place->ok = query_run(place->session, sql, &arena, &answer, &place->err) &&
		    read_rows(place, answer.result);
	result_close(answer.result);
	arena_deinit(&arena);
}

static void expect_same(struct lab *lab, const char *sql)
{
	run(lab->local, sql);
	run(lab->remote, sql);
	if (lab->local->ok != lab->remote->ok)
		test_fail(__FILE__, __LINE__, "%s: here: %s; fetched: %s", sql,
			lab->local->ok ? "runs" : lab->local->err.text,
			lab->remote->ok ? "runs" : lab->remote->err.text);
	if (!lab->local->ok && strcmp(lab->local->err.text, lab->remote->err.text) != 0)
		test_fail(__FILE__, __LINE__, "%s: here: %s; fetched: %s", sql,
			lab->local->err.text, lab->remote->err.text);
	if (lab->local->ok &&
		!bytes_equal(buffer_bytes(&lab->local->out), buffer_bytes(&lab->remote->out)))
		test_fail(__FILE__, __LINE__, "%s: here: %.*s; fetched: %.*s", sql,
			(int)lab->local->out.size, (const char *)lab->local->out.data,
			(int)lab->remote->out.size, (const char *)lab->remote->out.data);
}

static uint64_t fetched_bytes(struct lab *lab)
{
	struct arena arena = { 0 };
	struct file_info *infos;
	size_t count;
	struct error err;
	uint64_t bytes = 0;
	CHECK_OK(world_list(world_posix(), cache_files(lab->remote->cache), &arena, &infos, &count,
			 &err),
		&err);
	for (size_t i = 0; i < count; i++) {
		struct buffer file = { 0 };
		CHECK_OK(world_read_file(world_posix(),
				 arena_format(&arena, "%s/%s", cache_files(lab->remote->cache),
					 infos[i].name),
				 64 << 20, &file, &err),
			&err);
		for (size_t at = 0; at + 512 <= file.size; at += 512) {
			static const uint8_t ZEROS[512];
			bytes += memcmp(file.data + at, ZEROS, sizeof ZEROS) != 0 ? 512 : 0;
		}
		buffer_deinit(&file);
	}
	arena_deinit(&arena);
	return bytes;
}

TEST(statements_of_all_forms_give_the_same_when_little_is_fetched)
{
	static const char *const STATEMENTS[] = {
		"SELECT count(*) FROM wide",
		"SELECT count(*), max(id) FROM wide, tiny",
		"SELECT C4, \"c5\" FROM wide ORDER BY id LIMIT 5",
		"SELECT * FROM wide ORDER BY id LIMIT 3",
		"SELECT w.* FROM wide w ORDER BY w.id LIMIT 3",
		"SELECT * EXCLUDE (c1, c2) FROM other ORDER BY id LIMIT 2",
		"SELECT * REPLACE (c1 + 1 AS c1) FROM other ORDER BY id LIMIT 2",
		"SELECT COLUMNS('c[12]') FROM other ORDER BY id LIMIT 2",
		"SELECT sum(COLUMNS(c -> c LIKE '%4')) FROM wide",
		"SELECT other FROM other ORDER BY other.id LIMIT 2",
		"SELECT (o).c3, o.c3 FROM other o ORDER BY o.id LIMIT 2",
		"SELECT count(o), to_json(any_value(o)) IS NULL FROM other AS o",
		"SELECT #3 FROM other ORDER BY id LIMIT 2",
		"SELECT a, b FROM other AS t(a, b) ORDER BY a LIMIT 2",
		"SELECT count(*) FROM wide NATURAL JOIN other",
		"SELECT count(*) FROM wide NATURAL JOIN (SELECT id, c1 FROM other)",
		"SELECT c7, c5 FROM wide JOIN other USING (id) ORDER BY id LIMIT 4",
		"SELECT w.c7, o.c5 FROM wide w LEFT JOIN other o ON w.id = o.id + 1 ORDER BY w.id "
		"LIMIT 4",
		"WITH x AS (SELECT id, c8 FROM wide) SELECT * FROM x ORDER BY id LIMIT 4",
		"WITH x AS (FROM other) SELECT c4 FROM x ORDER BY id LIMIT 4",
		"WITH RECURSIVE r AS (SELECT min(id) AS n FROM tiny UNION ALL SELECT n + 1 FROM r "
		"WHERE n < 3) SELECT * FROM r",
		"SELECT id FROM tiny WHERE EXISTS (SELECT * FROM other o WHERE o.c1 = tiny.c1)",
		"SELECT id, (SELECT max(c4) FROM other o WHERE o.id < 2500 + tiny.id) FROM tiny "
		"ORDER BY id",
		"SELECT c3, count(*) FROM wide GROUP BY ALL ORDER BY ALL LIMIT 5",
		"SELECT c9 FROM wide ORDER BY ALL LIMIT 5",
		"SELECT c2 FROM other UNION BY NAME SELECT c1 FROM tiny ORDER BY ALL LIMIT 5",
		"SELECT DISTINCT ON (c1 % 5) c1 % 5, c4 FROM other ORDER BY c1 % 5, id",
		"SELECT id, row_number() OVER (PARTITION BY c1 % 3 ORDER BY c4, id) FROM other "
		"ORDER BY id LIMIT 5",
		"SELECT id FROM other QUALIFY rank() OVER (ORDER BY c3 DESC, id) <= 3",
		"PIVOT (SELECT id % 2 AS k, c1 % 3 AS v FROM other) ON k USING count(*)",
		"SELECT * FROM (PIVOT tiny ON id USING sum(c1))",
		"SELECT * FROM (UNPIVOT tiny ON id, c1 INTO NAME n VALUE v) ORDER BY ALL",
		"TABLE tiny",
		"FROM tiny ORDER BY id",
		"SUMMARIZE other",
		"SUMMARIZE SELECT c4 FROM other",
		"DESCRIBE wide",
		"SELECT column_name FROM (DESCRIBE wide)",
		"SELECT x FROM other, LATERAL (SELECT other.c4 AS x) ORDER BY x LIMIT 3",
		"SELECT unnest(struct_pack(k := c1, other)) FROM other ORDER BY id LIMIT 2",
		"SELECT list(c1 ORDER BY id)[1:3], list_transform([1, 2], x -> x + 1) FROM tiny",
		"SELECT c10 FROM wide WHERE c11 LIKE 's1%' AND c13 BETWEEN 1 AND 5000 ORDER BY ALL",
		"SELECT c19 FROM wide WHERE id = 7001",
		"SELECT id FROM wide WHERE c2 LIKE 's77%' ORDER BY id",
		"SELECT t.id FROM wide t SEMI JOIN other USING (c1) ORDER BY 1 LIMIT 3",
		"SELECT count(*) FROM wide POSITIONAL JOIN tiny",
		"SELECT count(*) FROM other TABLESAMPLE 100%",
		"SELECT public.wide.c2 FROM public.wide ORDER BY public.wide.id LIMIT 2",
		"SELECT nothing FROM wide",
		"SELECT c30 FROM wide JOIN other USING (id)",
		"SELECT id FROM wide, other",
		"SELECT c1 FROM wide WHERE c2",
		"SELECT c2::INTEGER FROM other",
		"SELECT \"no column of the table\", nothing FROM wide",
		"SELECT count(*) FROM wide WHERE",
	};
	struct lab lab;
	lab_open(&lab);
	for (size_t i = 0; i < sizeof STATEMENTS / sizeof *STATEMENTS; i++) {
		empty_cache(&lab);
		expect_same(&lab, STATEMENTS[i]);
	}
	lab_close(&lab);
}

TEST(only_the_columns_of_a_statement_are_fetched_and_only_once)
{
	struct lab lab;
	lab_open(&lab);
	expect_same(&lab, "SELECT count(*) FROM wide");
	CHECK(lab.requests > 0);
	CHECK(fetched_bytes(&lab) < lab.object_bytes / 4); /* footers and delete files */
	expect_same(&lab, "SELECT sum(c7) FROM wide");
	CHECK(fetched_bytes(&lab) < lab.object_bytes / 3);
	size_t requests = lab.requests;
	expect_same(&lab, "SELECT max(c7) FROM wide WHERE c7 > 5");
	expect_same(&lab, "SELECT count(*) FROM wide");
	CHECK_EQUAL(lab.requests, requests);
	expect_same(&lab, "EXPLAIN SELECT 1");
	run(lab.remote, "EXPLAIN SELECT * FROM wide");
	CHECK(lab.remote->ok);
	expect_same(&lab, "DESCRIBE wide");
	expect_same(&lab, "SELECT nothing FROM wide");
	CHECK_EQUAL(lab.requests, requests);
	expect_same(&lab, "SELECT max(c8) FROM wide");
	CHECK(lab.requests > requests);
	CHECK(fetched_bytes(&lab) < lab.object_bytes / 2);
	lab_close(&lab);
}

TEST(where_columns_lie_is_read_again_when_there_is_no_room_to_remember_it)
{
	struct lab lab;
	struct place *remote;
	lab_open(&lab);
	remote = lab.remote;
	fetcher_close(remote->fetcher);
	remote->fetcher = fetcher_open(lab.store, remote->cache, 1500); /* of one file */
	expect_same(&lab, "SELECT sum(c7) FROM wide");
	CHECK(fetched_bytes(&lab) < lab.object_bytes / 3);
	const size_t requests = lab.requests;
	expect_same(&lab, "SELECT max(c7) FROM wide WHERE c7 > 5");
	CHECK_EQUAL(lab.requests, requests);
	fetcher_close(remote->fetcher);
	remote->fetcher = fetcher_open(lab.store, remote->cache, 0);
	expect_same(&lab, "SELECT min(c7) FROM wide");
	CHECK_EQUAL(lab.requests, requests);
	expect_same(&lab, "SELECT min(c8), max(c1) FROM wide");
	CHECK(fetched_bytes(&lab) < lab.object_bytes / 2);
	lab_close(&lab);
}

TEST(a_statement_that_does_not_fit_into_the_cache_says_so_and_others_go_on)
{
	struct lab lab;
	lab_open(&lab);
	open_cache(&lab, 1200 * 1024);
	expect_same(&lab, "SELECT sum(c1) FROM wide");
	run(lab.remote, "SELECT * FROM wide");
	CHECK(!lab.remote->ok);
	CHECK_EQUAL(lab.remote->err.kind, ERROR_LIMIT);
	CHECK(strstr(lab.remote->err.hint, "lake.cache_size") != NULL);
	expect_same(&lab, "SELECT sum(c4) FROM wide");
	expect_same(&lab, "SELECT max(c11) FROM wide");
	expect_same(&lab, "SELECT sum(c1) FROM wide");
	lab_close(&lab);
}

/* ---- statements by chance ---- */

struct chance {
	uint64_t state;
	struct arena *arena;
};

static size_t roll(struct chance *chance, size_t sides)
{
	return (size_t)(test_random(&chance->state) % sides);
}

static const char *column(struct chance *chance, const char *of, size_t count)
{
	const size_t number = roll(chance, count);
	const char *dot = of[0] != '\0' ? "." : "";
	if (number == 0)
		return arena_format(chance->arena, "%s%sid", of, dot);
	return arena_format(
		chance->arena, "%s%s%c%zu", of, dot, roll(chance, 2) ? 'c' : 'C', number);
}

static const char *value(struct chance *chance, const char *of, size_t count)
{
	const char *name = column(chance, of, count);
	switch (roll(chance, 6)) {
	case 0:
		return arena_format(chance->arena, "length(%s::VARCHAR)", name);
	case 1:
		return arena_format(chance->arena, "coalesce(%s::VARCHAR, %s::VARCHAR)", name,
			column(chance, of, count));
	case 2:
		return arena_format(chance->arena, "hash(%s) %% %zu", name, 2 + roll(chance, 50));
	default:
		return name;
	}
}

static const char *condition(struct chance *chance, const char *of, size_t count)
{
	const char *name = column(chance, of, count);
	switch (roll(chance, 5)) {
	case 0:
		return arena_format(chance->arena, "%s IS NOT NULL", name);
	case 1:
		return arena_format(
			chance->arena, "hash(%s) %% 10 < %zu", name, 1 + roll(chance, 9));
	case 2:
		return arena_format(chance->arena, "%s::VARCHAR > '%zu'", name, roll(chance, 10));
	case 3:
		return arena_format(chance->arena,
			"%s IN (SELECT %s FROM other) OR %s::VARCHAR LIKE '%%1%%'",
			arena_format(chance->arena, "%s::VARCHAR", name),
			arena_format(chance->arena, "%s::VARCHAR", column(chance, "", 6)),
			column(chance, of, count));
	default:
		return arena_format(chance->arena, "%s::VARCHAR = 's%zu'", name, roll(chance, 99));
	}
}

static const char *statement(struct chance *chance)
{
	const char *a = value(chance, "", COLUMNS), *b = value(chance, "", COLUMNS);
	const char *where = condition(chance, "", COLUMNS);
	switch (roll(chance, 12)) {
	case 0:
		return arena_format(chance->arena, "SELECT count(*) FROM wide WHERE %s", where);
	case 1:
		return arena_format(chance->arena,
			"SELECT %s AS a, count(*), min(%s), max(%s) FROM wide WHERE %s GROUP BY a "
			"ORDER BY ALL LIMIT 20",
			a, b, b, where);
	case 2:
		return arena_format(chance->arena,
			"SELECT w.%s, %s, %s FROM wide w JOIN other o ON w.id = o.id AND %s ORDER "
			"BY ALL LIMIT 20",
			column(chance, "", COLUMNS), value(chance, "w", COLUMNS),
			value(chance, "o", 6), condition(chance, "w", COLUMNS));
	case 3:
		return arena_format(chance->arena,
			"WITH x AS (SELECT %s AS p, %s AS q FROM wide), y AS (SELECT * FROM other) "
			"SELECT x.*, y.%s FROM x, y WHERE hash(x.p) %% 500 = hash(y.id) %% 500 "
			"ORDER BY ALL LIMIT 20",
			a, b, column(chance, "", 6));
	case 4:
		return arena_format(chance->arena,
			"SELECT %s AS k, (SELECT count(DISTINCT %s) FROM other o WHERE hash(o.%s) "
			"%% 7 = hash(w.%s) %% 7) FROM wide w WHERE %s ORDER BY ALL LIMIT 20",
			value(chance, "w", COLUMNS), column(chance, "o", 6), column(chance, "", 6),
			column(chance, "", COLUMNS), condition(chance, "w", COLUMNS));
	case 5:
		return arena_format(chance->arena,
			"SELECT %s AS a FROM wide WHERE %s UNION ALL SELECT %s FROM other ORDER BY "
			"ALL LIMIT 20",
			arena_format(chance->arena, "(%s)::VARCHAR", a), where,
			arena_format(chance->arena, "(%s)::VARCHAR", value(chance, "", 6)));
	case 6:
		return arena_format(chance->arena,
			"SELECT %s, row_number() OVER (PARTITION BY %s ORDER BY id) FROM wide "
			"QUALIFY hash(%s) %% 50 = 1 ORDER BY ALL LIMIT 20",
			a, b, column(chance, "", COLUMNS));
	case 7:
		return arena_format(chance->arena,
			"SELECT count(t), min(hash(t)) FROM (SELECT * EXCLUDE (%s) FROM wide WHERE "
			"%s) t",
			column(chance, "", COLUMNS), where);
	case 8:
		return arena_format(chance->arena, "SELECT min(hash(w)), max(%s) FROM wide w", b);
	case 9:
		return arena_format(chance->arena,
			"SELECT count(COLUMNS('%zu')), max(%s) FROM wide WHERE %s",
			roll(chance, 10), a, where);
	case 10:
		return arena_format(chance->arena,
			"SELECT u.b, u.a, %s FROM other AS u(a, b) "
			"ORDER BY ALL LIMIT 5",
			roll(chance, 2) ? "a" : "c3");
	default:
		return arena_format(chance->arena,
			"SELECT %s, %s FROM wide WHERE %s ORDER BY %s, ALL LIMIT 20", a, b, where,
			column(chance, "", COLUMNS));
	}
}

TEST(random_statements_give_the_same_when_little_is_fetched)
{
	struct lab lab;
	lab_open(&lab);
	struct chance chance = { test_seed(), &lab.arena };
	size_t good = 0;
	for (size_t round = 0; round < 25; round++) {
		if (roll(&chance, 3) > 0)
			empty_cache(&lab);
		expect_same(&lab, statement(&chance));
		good += lab.local->ok;
	}
	CHECK(good > 10);
	lab_close(&lab);
}
