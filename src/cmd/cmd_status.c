#include "cmd/cmd.h"
#include "cmd/status.h"

bool cmd_status(const struct cmd_line *line, struct error *err)
{
	struct arena arena = { 0 };
	struct configuration configuration;
	struct tables *tables = NULL;
	struct status status;
	bool done = cmd_load_configuration(line, line->count > 0, &arena, &configuration, err) &&
		    cmd_open_tables(&configuration, &tables, err) &&
		    status_look(&configuration, tables, &arena, &status, err);
	if (done && line->is_json)
		done = status_print_json(&status, stdout, err);
	else if (done)
		status_print(&status, stdout);
	cmd_close_tables(tables);
	arena_deinit(&arena);
	return done;
}
