#include "cmd/status.h"

#include "engine/check.h"
#include "engine/definition.h"
#include "engine/lake.h"

static const char *one_line(const struct error *err, struct arena *arena)
{
	const char last = err->text[0] != '\0' ? err->text[strlen(err->text) - 1] : '.';
	const char *between = strchr(".?!", last) != NULL ? " " : ". ";
	return arena_format(arena, "%s%s%s", err->text, err->hint[0] ? between : "", err->hint);
}

/* ---- the tables ---- */

static bool is_append(const struct catalog_table *row, struct arena *arena)
{
	struct relation relation;
	struct error ignored;
	return row->definition[0] != '\0' &&
	       definition_decode(row->definition, row->namespace_name, row->name, arena, &relation,
		       &ignored) &&
	       relation.is_append;
}

static lsn_t position_of(const struct status_table *table, const struct lake *lake)
{
	if (!table->has_version)
		return 0;
	if (table->row->state == TABLE_LIVE)
		return lake->position;
	return table->row->position != 0 ? table->row->position : table->version.position;
}

static void look_at_table(
	struct status *status, struct tables *tables, size_t index, struct arena *arena)
{
	static const struct version_selector newest = { VERSION_NEWEST, 0, 0, 0 };
	struct status_table *table = &status->tables[index];
	struct error err;
	table->row = &lake_tables_view(tables)->tables[index];
	table->is_append = is_append(table->row, arena);
	if (table->row->metadata_location[0] == '\0')
		return;
	table->has_version = lake_tables_look(tables, index, &newest, &table->version, &err);
	if (!table->has_version)
		table->trouble = one_line(&err, arena);
	table->position = position_of(table, status->lake);
}

/* ---- the source ---- */

static uint64_t beyond(lsn_t to, lsn_t from)
{
	return to > from && from > 0 ? to - from : 0;
}

static void measure(struct status *status)
{
	const struct lake *lake = status->lake;
	status->held_bytes = beyond(status->source.current_lsn, status->source.restart_lsn);
	if (lake->phase != LAKE_LIVE)
		return;
	status->lag_bytes = beyond(status->source.current_lsn, lake->position);
	if (status->lag_bytes > 0 && status->now > lake->position_at)
		status->lag = status->now - lake->position_at;
}

static void look_at_source(struct status *status, struct arena *arena)
{
	struct source *source = NULL;
	struct error err;
	if (status->configuration->source_url == NULL) {
		status->source_trouble = "no connection string is given (\"walberg status "
					 "CONNECTION\", or source.url)";
		return;
	}
	status->is_reachable = lake_open_source(world_posix(), status->configuration, status->lake,
				       &source, &err) &&
			       source_inspect(source, arena, &status->source, &err);
	source_close(source);
	if (!status->is_reachable) {
		status->source_trouble = one_line(&err, arena);
		return;
	}
	if (status->lake->phase == LAKE_LIVE && !check_source(status->lake, &status->source, &err))
		status->source_trouble = one_line(&err, arena);
	measure(status);
}

/* ---- the process ---- */

static uint64_t directory_bytes(const char *path)
{
	struct arena arena = { 0 };
	struct error ignored;
	struct file_info *files;
	size_t count = 0;
	uint64_t bytes = 0;
	if (world_list(world_posix(), path, &arena, &files, &count, &ignored))
		for (size_t i = 0; i < count; i++)
			bytes += files[i].is_directory ? 0 : files[i].size_bytes;
	arena_deinit(&arena);
	return bytes;
}

bool status_look(const struct configuration *configuration, struct tables *tables,
	struct arena *arena, struct status *out, struct error *err)
{
	const struct table_entry *entries;
	*out = (struct status){ .configuration = configuration, .now = world_now(world_posix()) };
	if (!tables->ops->begin(tables, &entries, &out->table_count, err) ||
		!process_look(configuration->lake_directory, &out->process, &out->is_running, err))
		return false;
	out->process.text[PROCESS_TEXT_SIZE - 1] = '\0';
	out->process.http[PROCESS_URL_SIZE - 1] = '\0';
	out->lake = &lake_tables_view(tables)->lake;
	out->log_bytes = directory_bytes(configuration->log_directory);
	out->tables = arena_array(arena, struct status_table, out->table_count);
	for (size_t i = 0; i < out->table_count; i++)
		look_at_table(out, tables, i, arena);
	look_at_source(out, arena);
	return true;
}
