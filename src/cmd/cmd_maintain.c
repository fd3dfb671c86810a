#include "cmd/cmd.h"

#include "cmd/show.h"
#include "engine/lake.h"
#include "engine/orphans.h"
#include "engine/process.h"

#include <inttypes.h>

/* Files of the running process are told from older ones by a clock that may be the store's. */
#define CLOCK_MARGIN MICROS_PER_HOUR

struct maintenance {
	const struct cmd_line *line;
	const struct configuration *configuration;
	struct process *process; /* when none was running */
	bool is_running;
	struct lake_parts parts;
	micros_t now;
	micros_t written_until;
};

/* --- what may be looked at --- */

static bool is_within(const char *path, const char *directory)
{
	const size_t size = strlen(directory);
	return strncmp(path, directory, size) == 0 && (path[size] == '/' || path[size] == '\0');
}

/* The lake's own files would be taken for files of no table. */
static bool check_apart(const struct configuration *configuration, struct error *err)
{
	const char *own[] = { configuration->lake_directory, configuration->log_directory,
		configuration->lake_cache_directory };
	for (size_t i = 0; i < sizeof own / sizeof *own; i++) {
		if (own[i] == NULL || !is_within(own[i], configuration->lake_warehouse))
			continue;
		error_set(err, ERROR_SETUP, "\"%s\" lies in the warehouse \"%s\"", own[i],
			configuration->lake_warehouse);
		return error_hint(err, "Give the warehouse a place of its own (lake.warehouse): "
				       "files there that no table names are removed.");
	}
	return true;
}

static bool parse_age(const struct maintenance *maintenance, micros_t *out, struct error *err)
{
	const char *text = maintenance->line->older_than;
	if (!setting_parse_duration(text != NULL ? text : "3d", out) || *out < 0) {
		error_set(err, ERROR_SETUP, "--older-than \"%s\" is not a duration", text);
		return error_hint(err, "Write it as 3d, 12h or 30min.");
	}
	if (!maintenance->is_running || *out >= MICROS_PER_HOUR)
		return true;
	error_set(err, ERROR_SETUP, "--older-than \"%s\" is too short while the lake is in use",
		text);
	return error_hint(err, "At least 1h is needed; or stop \"walberg run\" first.");
}

/* All that a running process has written is younger than itself. */
static bool find_moment(
	struct maintenance *maintenance, const struct process_activity *activity, struct error *err)
{
	micros_t age;
	if (!parse_age(maintenance, &age, err))
		return false;
	maintenance->written_until = age > 0 ? maintenance->now - age : INT64_MAX;
	if (maintenance->is_running &&
		activity->started_at - CLOCK_MARGIN < maintenance->written_until)
		maintenance->written_until = activity->started_at - CLOCK_MARGIN;
	return true;
}

/* Without a running process the lake is held, so that none begins meanwhile. */
static bool hold(struct maintenance *maintenance, struct error *err)
{
	const struct configuration *configuration = maintenance->configuration;
	const bool only_looks = maintenance->line->is_dry_run || maintenance->is_running;
	struct catalog **catalog = &maintenance->parts.catalog;
	if (only_looks)
		return lake_open_catalog(configuration, true, catalog, err);
	return process_open(configuration->lake_directory, &maintenance->process, err) &&
	       lake_open_catalog(configuration, false, catalog, err) && catalog_lock(*catalog, err);
}

static bool open_lake(struct maintenance *maintenance, struct error *err)
{
	const struct configuration *configuration = maintenance->configuration;
	struct process_activity activity;
	struct catalog *looked;
	/* First only looked for, so that a wrong --lake makes no directory. */
	if (!lake_open_catalog(configuration, true, &looked, err))
		return false;
	catalog_close(looked);
	return check_apart(configuration, err) &&
	       process_look(
		       configuration->lake_directory, &activity, &maintenance->is_running, err) &&
	       find_moment(maintenance, &activity, err) && hold(maintenance, err) &&
	       lake_open_store(world_posix(), configuration, &maintenance->parts.store, err);
}

/* --- what was found --- */

static void print_objects(const struct maintenance *maintenance, const struct orphans *orphans)
{
	char bytes[SHOW_SIZE], at[SHOW_SIZE];
	for (size_t i = 0; i < orphans->count; i++)
		printf("%s  %s, written %s\n", orphans->objects[i].path,
			show_bytes(orphans->objects[i].size_bytes, bytes),
			show_time(orphans->objects[i].modified_at, at));
	printf("%zu %s of %s %s no version: %s\n", orphans->count,
		orphans->count == 1 ? "file" : "files", show_bytes(orphans->bytes, bytes),
		orphans->count == 1 ? "belongs to" : "belong to",
		maintenance->line->is_dry_run ? "nothing was removed (--dry-run)" : "removed");
	if (orphans->younger_count > 0)
		printf("%zu more are too young, or may be the running process's\n",
			orphans->younger_count);
	if (orphans->other_count > 0)
		printf("%zu files that are not of tables were left alone\n", orphans->other_count);
}

static bool print_json(const struct maintenance *maintenance, const struct orphans *orphans,
	size_t removed, struct error *err)
{
	struct buffer text = { 0 };
	char at[SHOW_SIZE];
	struct json_writer writer = json_writer_of(&text);
	json_write_begin_object(&writer);
	json_write_member_bool(&writer, "is_dry_run", maintenance->line->is_dry_run);
	json_write_member_uint(&writer, "orphans", orphans->count);
	json_write_member_uint(&writer, "bytes", orphans->bytes);
	json_write_member_uint(&writer, "removed", removed);
	json_write_member_uint(&writer, "younger", orphans->younger_count);
	json_write_member_uint(&writer, "named", orphans->named_count);
	json_write_member_uint(&writer, "others", orphans->other_count);
	json_write_key(&writer, "objects");
	json_write_begin_array(&writer);
	for (size_t i = 0; i < orphans->count; i++) {
		json_write_begin_object(&writer);
		json_write_member_cstring(&writer, "path", orphans->objects[i].path);
		json_write_member_uint(&writer, "bytes", orphans->objects[i].size_bytes);
		json_write_member_cstring(&writer, "modified_at",
			show_time_json(orphans->objects[i].modified_at, at));
		json_write_end_object(&writer);
	}
	json_write_end_array(&writer);
	json_write_end_object(&writer);
	printf("%.*s\n", (int)text.size, (const char *)text.data);
	buffer_deinit(&text);
	return json_write_finish(&writer, err);
}

static bool work(struct maintenance *maintenance, struct arena *arena, struct error *err)
{
	struct lake_parts *parts = &maintenance->parts;
	struct orphans orphans;
	size_t removed = 0;
	if (!orphans_find(
		    parts->store, parts->catalog, maintenance->written_until, arena, &orphans, err))
		return false;
	const bool removes = !maintenance->line->is_dry_run && orphans.count > 0;
	if (removes && !maintenance->is_running &&
		!orphans_fence(world_posix(), parts->catalog, err))
		return false;
	if (removes && !orphans_remove(parts->store, &orphans, &removed, err))
		return error_context(
			err, "removing files (%zu of %zu are gone)", removed, orphans.count);
	if (maintenance->line->is_json)
		return print_json(maintenance, &orphans, removed, err);
	print_objects(maintenance, &orphans);
	return true;
}

bool cmd_maintain(const struct cmd_line *line, struct error *err)
{
	struct arena arena = { 0 };
	struct configuration configuration;
	struct maintenance maintenance = {
		.line = line,
		.configuration = &configuration,
		.now = world_now(world_posix()),
	};
	const bool done = cmd_load_configuration(line, false, &arena, &configuration, err) &&
			  open_lake(&maintenance, err) && work(&maintenance, &arena, err);
	lake_close(&maintenance.parts);
	process_close(maintenance.process);
	arena_deinit(&arena);
	return done;
}
