#include "cmd/cmd.h"

#include "engine/lake.h"
#include "engine/process.h"

#include <inttypes.h>
#include <unistd.h>

enum {
	LOOK_INTERVAL = 200 * 1000,
	TELL_INTERVAL = 5 * 1000 * 1000,
};

struct snapshot_order {
	const struct cmd_line *line;
	const struct configuration *configuration;
	const char *argument; /* of the request: schema.table, or CATALOG_REQUEST_EVERYTHING */
	const char *namespace_name; /* NULL: everything */
	const char *name;
};

static bool is_everything(const struct snapshot_order *order)
{
	return order->namespace_name == NULL;
}

/* ---- is there such a table? ---- */

static bool not_a_name(
	const struct snapshot_order *order, const struct catalog_view *view, struct error *err)
{
	const char *schema = "public";
	error_set(err, ERROR_SETUP, "\"%s\" is not a table's whole name", order->argument);
	if (strchr(order->argument, '.') != NULL)
		return error_hint(err, "Write schema.table, for instance public.orders.");
	for (size_t i = 0; i < view->table_count; i++)
		if (strcmp(view->tables[i].name, order->argument) == 0)
			schema = view->tables[i].namespace_name;
	return error_hint(err, "Write schema.table, for instance %s.%s.", schema, order->argument);
}

/* A table that the lake does not keep: perhaps it is new, or was changed since the start. */
static bool check_in_source(const struct snapshot_order *order, const struct lake *lake,
	struct arena *arena, struct error *err)
{
	struct source *source;
	struct source_state state;
	if (!lake_open_source(world_posix(), order->configuration, lake, &source, err))
		return error_context(
			err, "looking for \"%s\", which the lake does not keep", order->argument);
	const bool is_read = source_inspect(source, arena, &state, err);
	source_close(source);
	if (!is_read)
		return false;
	if (source_find_relation(&state, order->namespace_name, order->name) != NULL)
		return true;
	const char *reason = source_why_left_out(&state, order->namespace_name, order->name);
	if (reason != NULL)
		return error_set(
			err, ERROR_UNSUPPORTED, "\"%s\" is left out: %s", order->argument, reason);
	error_set(err, ERROR_MISSING, "neither the lake nor the source has a table \"%s\"",
		order->argument);
	return error_hint(err, "\"walberg status\" lists the tables; source.tables says which are "
			       "captured.");
}

static bool check(struct snapshot_order *order, const struct catalog_view *view,
	struct arena *arena, struct error *err)
{
	if (view->lake.phase == LAKE_DROPPED) {
		error_set(err, ERROR_SETUP, "the lake was dropped from its source");
		return error_hint(err, "\"walberg run\" begins anew, with all tables.");
	}
	if (strcmp(order->argument, CATALOG_REQUEST_EVERYTHING) == 0)
		return true;
	const char *dot = strchr(order->argument, '.');
	if (dot == NULL || dot == order->argument || dot[1] == '\0')
		return not_a_name(order, view, err);
	order->namespace_name =
		arena_copy_text(arena, bytes_of(order->argument, (size_t)(dot - order->argument)));
	order->name = dot + 1;
	const struct catalog_table *table =
		catalog_view_find(view, order->namespace_name, order->name);
	return (table != NULL && table->state != TABLE_LEFT_OUT) ||
	       check_in_source(order, &view->lake, arena, err);
}

/* ---- waiting ---- */

static bool is_asked(const struct snapshot_order *order, const struct catalog_view *view)
{
	for (size_t i = 0; i < view->request_count; i++)
		if (strcmp(view->requests[i].kind, CATALOG_REQUEST_SNAPSHOT) == 0 &&
			strcmp(view->requests[i].argument, order->argument) == 0)
			return true;
	return false;
}

/* *done is set when there is nothing to wait for any more; false when it did not work. */
static bool look(
	const struct snapshot_order *order, struct catalog *catalog, bool *done, struct error *err)
{
	struct arena arena = { 0 };
	struct catalog_view view;
	bool ok = catalog_load(catalog, &arena, &view, err);
	if (ok && !is_asked(order, &view)) {
		const struct catalog_table *table =
			is_everything(order)
				? NULL
				: catalog_view_find(&view, order->namespace_name, order->name);
		*done = is_everything(order) ? view.lake.phase == LAKE_LIVE
					     : table == NULL || table->state != TABLE_SNAPSHOT;
		if (*done && !is_everything(order) && (table == NULL || table->state != TABLE_LIVE))
			ok = error_set(err, ERROR_UNSUPPORTED, "\"%s\" is not back: %s",
				order->argument,
				table != NULL ? table->reason : "the lake has no such table");
	}
	arena_deinit(&arena);
	return ok;
}

static void tell(const struct process_activity *process, bool watches, micros_t *next_at)
{
	const micros_t now = world_monotonic(world_posix());
	if (!watches && now < *next_at)
		return;
	*next_at = now + TELL_INTERVAL;
	char text[PROCESS_TEXT_SIZE];
	memcpy(text, process->text, sizeof text);
	text[sizeof text - 1] = '\0';
	if (strncmp(text, "reading", strlen("reading")) != 0)
		fprintf(stderr, watches ? "\r\033[Kwaiting" : "waiting\n");
	else
		fprintf(stderr, watches ? "\r\033[K%s  %" PRIu64 " rows" : "%s  %" PRIu64 " rows\n",
			text, (uint64_t)process->copied_rows);
}

static bool wait_for_it(
	const struct snapshot_order *order, struct catalog *catalog, struct error *err)
{
	const bool watches = isatty(STDERR_FILENO);
	micros_t next_at = world_monotonic(world_posix()) + TELL_INTERVAL;
	bool ok = true;
	bool done = false;
	while (ok && !done) {
		struct process_activity process;
		bool is_running = false;
		world_sleep(world_posix(), LOOK_INTERVAL);
		ok = process_look(
			     order->configuration->lake_directory, &process, &is_running, err) &&
		     look(order, catalog, &done, err);
		if (!ok || done)
			break;
		if (*order->line->stop)
			ok = error_set(err, ERROR_LOST,
				"not waited for: the running process goes on with it");
		else if (!is_running)
			ok = error_set(err, ERROR_LOST,
				"the process ended before it was done; its next start goes on");
		else
			tell(&process, watches, &next_at);
	}
	if (watches)
		fputs("\r\033[K", stderr);
	return ok;
}

/* ---- asking ---- */

/* The lake's lock tells of a process on another machine, where the catalog can be reached. */
static bool tell_who_will(const char *what, struct catalog *catalog, struct error *err)
{
	if (catalog_lock(catalog, err))
		printf("%s will be read again when \"walberg run\" starts: no process runs now\n",
			what);
	else if (err->kind == ERROR_SETUP)
		printf("%s will be read again, which is not waited for: %s\n", what, err->text);
	else
		return false;
	return true;
}

static bool ask_and_wait(const struct snapshot_order *order, struct error *err)
{
	struct process_activity process;
	struct catalog *catalog;
	bool is_running = false;
	if (!lake_open_catalog(order->configuration, false, &catalog, err))
		return false;
	bool done = catalog_request(catalog, CATALOG_REQUEST_SNAPSHOT, order->argument, err) &&
		    process_look(order->configuration->lake_directory, &process, &is_running, err);
	const char *what = is_everything(order) ? "everything" : order->argument;
	if (done && !is_running)
		done = tell_who_will(what, catalog, err);
	else if (done && (done = wait_for_it(order, catalog, err)))
		printf("%s is read again\n", what);
	catalog_close(catalog);
	return done;
}

bool cmd_snapshot(const struct cmd_line *line, struct error *err)
{
	struct arena arena = { 0 };
	struct configuration configuration;
	struct catalog *catalog = NULL;
	struct catalog_view view;
	struct snapshot_order order = {
		.line = line,
		.configuration = &configuration,
		.argument = line->is_all ? CATALOG_REQUEST_EVERYTHING : line->arguments[0],
	};
	bool done = cmd_load_configuration(line, false, &arena, &configuration, err) &&
		    lake_open_catalog(&configuration, true, &catalog, err) &&
		    catalog_load(catalog, &arena, &view, err) &&
		    lake_check_place(&configuration, &view, err) &&
		    check(&order, &view, &arena, err);
	catalog_close(catalog);
	done = done && ask_and_wait(&order, err);
	arena_deinit(&arena);
	return done;
}
