#include "cmd/cmd.h"

#include "base/json.h"
#include "cmd/show.h"
#include "engine/maintenance.h"

#include <inttypes.h>

/* --- what was found --- */

static void print_objects(const struct cmd_line *line, const struct orphans *orphans)
{
	char bytes[SHOW_SIZE], at[SHOW_SIZE];
	for (size_t i = 0; i < orphans->count; i++)
		printf("%s  %s, written %s\n", orphans->objects[i].path,
			show_bytes(orphans->objects[i].size_bytes, bytes),
			show_time(orphans->objects[i].modified_at, at));
	printf("%zu %s of %s %s no version: %s\n", orphans->count,
		orphans->count == 1 ? "file" : "files", show_bytes(orphans->bytes, bytes),
		orphans->count == 1 ? "belongs to" : "belong to",
		line->is_dry_run ? "nothing was removed (--dry-run)" : "removed");
	if (orphans->younger_count > 0)
		printf("%zu more are too young, or may be the running process's\n",
			orphans->younger_count);
	if (orphans->other_count > 0)
		printf("%zu files that are not of tables were left alone\n", orphans->other_count);
}

static bool print_json(const struct cmd_line *line, const struct orphans *orphans, size_t removed,
	struct error *err)
{
	struct buffer text = { 0 };
	char at[SHOW_SIZE];
	struct json_writer writer = json_writer_of(&text);
	json_write_begin_object(&writer);
	json_write_member_bool(&writer, "is_dry_run", line->is_dry_run);
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

static bool work(const struct cmd_line *line, struct maintenance *maintenance, struct arena *arena,
	struct error *err)
{
	struct orphans orphans;
	size_t removed = 0;
	if (!maintenance_find(maintenance, arena, &orphans, err))
		return false;
	if (!line->is_dry_run && !maintenance_remove(maintenance, &orphans, &removed, err))
		return error_context(
			err, "removing files (%zu of %zu are gone)", removed, orphans.count);
	if (line->is_json)
		return print_json(line, &orphans, removed, err);
	print_objects(line, &orphans);
	return true;
}

bool cmd_maintain(const struct cmd_line *line, struct error *err)
{
	struct arena arena = { 0 };
	struct configuration configuration;
	struct maintenance *maintenance = NULL;
	struct maintenance_options options = {
		.world = world_posix(),
		.configuration = &configuration,
		.older_than = line->older_than,
		.only_looks = line->is_dry_run,
	};
	const bool done = cmd_load_configuration(line, false, &arena, &configuration, err) &&
			  maintenance_open(&options, &maintenance, err) &&
			  work(line, maintenance, &arena, err);
	maintenance_close(maintenance);
	arena_deinit(&arena);
	return done;
}
