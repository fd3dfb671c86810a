#include "cmd/cmd.h"

#include "cmd/sql.h"
#include "query/lake_tables.h"

#include <unistd.h>

static bool open_session(const struct configuration *configuration, struct arena *arena,
	struct query_session **out, struct error *err)
{
	struct tables *tables;
	if (!cmd_open_tables(configuration, &tables, err))
		return false;
	struct query_options options = {
		.threads = (unsigned)configuration->query_threads,
		.memory_limit_bytes = (uint64_t)configuration->query_memory,
		.temp_directory = arena_format(arena, "%s/tmp", configuration->lake_directory),
	};
	options.files = lake_tables_files(tables, &options.is_cache);
	return query_session_open(&options, tables, out, err);
}

bool cmd_sql(const struct cmd_line *line, struct error *err)
{
	struct arena arena = { 0 };
	struct configuration configuration;
	struct query_session *session = NULL;
	const struct sql_output output = { stdout, stderr, line->is_json };
	bool done = cmd_load_configuration(line, false, &arena, &configuration, err) &&
		    open_session(&configuration, &arena, &session, err);
	if (done && line->count > 0)
		done = cmd_sql_run(session, line->arguments[0], &output, err);
	else if (done && !cmd_sql_read(session, stdin, isatty(STDIN_FILENO), &output))
		done = error_set(err, ERROR_UNSUPPORTED, "some statements failed");
	query_session_close(session);
	arena_deinit(&arena);
	return done;
}
