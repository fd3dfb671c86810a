#include "cmd/cmd.h"

#include "base/logline.h"
#include "engine/run.h"

#include <unistd.h>

static void configure_lines(const struct configuration *configuration)
{
	struct logline_settings settings = {
		.level = LOGLINE_INFO,
		.format = strcmp(configuration->log_format, "json") == 0 ? LOGLINE_JSON
									 : LOGLINE_TEXT,
		.out = stderr,
	};
	(void)logline_level_of(configuration->log_level, &settings.level);
	logline_configure(settings);
}

bool cmd_run(const struct cmd_line *line, struct error *err)
{
	struct arena arena = { 0 };
	struct configuration configuration;
	bool done = cmd_load_configuration(line, line->count > 0, &arena, &configuration, err);
	if (done) {
		configure_lines(&configuration);
		done = engine_run(&configuration, line->stop, isatty(STDERR_FILENO), err);
	}
	arena_deinit(&arena);
	return done;
}
