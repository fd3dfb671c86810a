#include "cmd/cmd.h"

#include "base/logline.h"
#include "engine/run.h"
#include "serve/listener.h"

#include <unistd.h>

static bool is_json(const struct configuration *configuration)
{
	return strcmp(configuration->log_format, "json") == 0;
}

static bool run(
	const struct configuration *configuration, volatile sig_atomic_t *stop, struct error *err)
{
	struct process *process = NULL;
	struct listener *listener = NULL;
	const bool watches = isatty(STDERR_FILENO) && !is_json(configuration);
	const bool done = engine_open_process(configuration, &process, err) &&
			  listener_open(configuration, process, &listener, err) &&
			  engine_run(configuration, process, stop, watches, err);
	listener_close(listener);
	process_close(process);
	return done;
}

/* The last word too is a line like the others, where programs read them. */
static void tell(const struct configuration *configuration, struct error *err)
{
	if (!is_json(configuration))
		return;
	logline_error(err);
	err->kind = ERROR_NONE;
}

bool cmd_run(const struct cmd_line *line, struct error *err)
{
	struct arena arena = { 0 };
	struct configuration configuration;
	bool done = cmd_load_configuration(line, line->count > 0, &arena, &configuration, err);
	if (done) {
		done = run(&configuration, line->stop, err);
		if (!done)
			tell(&configuration, err);
	}
	arena_deinit(&arena);
	return done;
}
