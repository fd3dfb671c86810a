#include "cmd/aligned.h"
#include "cmd/cmd.h"
#include "cmd/show.h"
#include "query/lake_tables.h"

#include <inttypes.h>

struct history {
	const struct catalog_view *view;
	int64_t *versions; /* of each commit, for each table; 0: none */
};

static int64_t *version_of(const struct history *history, size_t commit, size_t table)
{
	return &history->versions[commit * history->view->table_count + table];
}

/* A table may be younger than a position, or not keep a version that old. */
static bool look_at(struct tables *tables, const struct history *history, size_t table,
	size_t commit, struct error *err)
{
	const struct version_selector selector = {
		.kind = VERSION_POSITION,
		.position = history->view->commits[commit].position,
	};
	struct lake_version version;
	if (!lake_tables_look(tables, table, &selector, &version, err))
		return err->kind == ERROR_MISSING;
	*version_of(history, commit, table) = version.snapshot_id;
	return true;
}

static bool look_at_all(
	struct tables *tables, const struct history *history, size_t table, struct error *err)
{
	for (size_t i = 0; i < history->view->commit_count; i++)
		if (!look_at(tables, history, table, i, err))
			return false;
	return true;
}

/* The other tables' versions are listed all the same. */
static bool concerns_table(enum error_kind kind)
{
	return kind == ERROR_CORRUPT || kind == ERROR_UNSUPPORTED;
}

static bool load_history(
	struct tables *tables, struct arena *arena, struct history *out, struct error *err)
{
	const struct table_entry *entries;
	size_t count;
	if (!tables->ops->begin(tables, &entries, &count, err))
		return false;
	out->view = lake_tables_view(tables);
	out->versions = arena_array(arena, int64_t, out->view->commit_count * count);
	for (size_t table = 0; table < count; table++)
		if (entries[table].is_readable && !look_at_all(tables, out, table, err)) {
			error_context(err, "looking at \"%s.%s\"", entries[table].namespace_name,
				entries[table].name);
			if (!concerns_table(err->kind))
				return false;
			error_print(err, stderr);
		}
	return true;
}

static const char *full_name(const struct catalog_table *table, struct arena *arena)
{
	return arena_format(arena, "%s.%s", table->namespace_name, table->name);
}

static bool is_new(const struct history *history, size_t commit, size_t table)
{
	const int64_t before = commit > 0 ? *version_of(history, commit - 1, table) : 0;
	return *version_of(history, commit, table) != before;
}

/* A table that was paused or is being read again has none. */
static const char *version_text(int64_t version, struct arena *arena)
{
	return version != 0 ? arena_format(arena, "%" PRId64, version) : "not known";
}

/* For people: only what is new at a position. */
static void add_commit(struct aligned *aligned, const struct history *history, size_t commit)
{
	char position[LSN_TEXT_SIZE], time[SHOW_SIZE];
	struct arena arena = { 0 };
	const struct lake_commit *at = &history->view->commits[commit];
	for (size_t i = 0; i < history->view->table_count; i++) {
		if (!is_new(history, commit, i))
			continue;
		const char *cells[] = {
			lsn_format(at->position, position),
			show_time(at->timestamp_ms * MICROS_PER_MILLI, time),
			full_name(&history->view->tables[i], &arena),
			version_text(*version_of(history, commit, i), &arena),
		};
		for (size_t k = 0; k < sizeof cells / sizeof *cells; k++)
			aligned_add(aligned, bytes_of_cstring(cells[k]));
	}
	arena_deinit(&arena);
}

static void print_aligned(const struct history *history)
{
	static const char *const NAMES[] = { "position", "time", "table", "version" };
	static const bool IS_RIGHT[] = { true, false, false, true };
	struct aligned aligned;
	aligned_init(&aligned, stdout, sizeof NAMES / sizeof *NAMES, NAMES, IS_RIGHT);
	for (size_t i = 0; i < history->view->commit_count; i++)
		add_commit(&aligned, history, i);
	aligned_finish(&aligned);
	aligned_deinit(&aligned);
	if (history->view->commit_count > 0)
		puts("At each position, a table that is not listed has the version listed before.");
}

static void write_commit(const struct history *history, size_t commit, struct json_writer *writer)
{
	char text[LSN_TEXT_SIZE], time[SHOW_SIZE];
	const struct lake_commit *at = &history->view->commits[commit];
	json_write_begin_object(writer);
	json_write_member_cstring(writer, "position", lsn_format(at->position, text));
	json_write_member_cstring(
		writer, "time", show_time_json(at->timestamp_ms * MICROS_PER_MILLI, time));
	json_write_member_int(writer, "timestamp_ms", at->timestamp_ms);
	json_write_key(writer, "tables");
	json_write_begin_array(writer);
	for (size_t i = 0; i < history->view->table_count; i++) {
		const struct catalog_table *table = &history->view->tables[i];
		if (*version_of(history, commit, i) == 0)
			continue;
		json_write_begin_object(writer);
		json_write_member_cstring(writer, "namespace", table->namespace_name);
		json_write_member_cstring(writer, "name", table->name);
		json_write_member_int(writer, "snapshot_id", *version_of(history, commit, i));
		json_write_end_object(writer);
	}
	json_write_end_array(writer);
	json_write_end_object(writer);
}

/* One object for each position, as `walberg sql --json` has one for each row. */
static bool print_json(const struct history *history, struct error *err)
{
	struct buffer text = { 0 };
	bool done = true;
	for (size_t i = 0; done && i < history->view->commit_count; i++) {
		struct json_writer writer = json_writer_of(&text);
		buffer_reset(&text);
		write_commit(history, i, &writer);
		done = json_write_finish(&writer, err);
		buffer_append_u8(&text, '\n');
		fwrite(text.data, 1, text.size, stdout);
	}
	buffer_deinit(&text);
	return done;
}

bool cmd_snapshots(const struct cmd_line *line, struct error *err)
{
	struct arena arena = { 0 };
	struct configuration configuration;
	struct tables *tables = NULL;
	struct history history;
	bool done = cmd_load_configuration(line, false, &arena, &configuration, err) &&
		    cmd_open_tables(&configuration, &tables, err) &&
		    load_history(tables, &arena, &history, err);
	if (done && line->is_json)
		done = print_json(&history, err);
	else if (done)
		print_aligned(&history);
	cmd_close_tables(tables);
	arena_deinit(&arena);
	return done;
}
