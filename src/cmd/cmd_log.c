#include "cmd/changes.h"
#include "cmd/cmd.h"

#include "engine/lake.h"

enum {
	WAIT_TIMEOUT = 200 * 1000, /* microseconds: how soon a signal is heard */
};

struct following {
	const struct cmd_line *line;
	const struct configuration *configuration;
	const char *lake_id;
	struct changes *changes;
	lsn_t from; /* commits that end at or before it are not shown, or were */

	struct log *log;
	struct transactions *transactions;
	log_position_t next;
	const struct transaction_commit *commit; /* of what is being shown */
};

static bool is_stopped(const struct following *following)
{
	return *following->line->stop;
}

/* What the lake knows of its tables now. */
static bool ask_lake(struct following *following, struct arena *arena, struct error *err)
{
	struct catalog *catalog;
	struct catalog_view view;
	if (!lake_open_catalog(following->configuration, true, &catalog, err))
		return false;
	const bool done = catalog_load(catalog, arena, &view, err);
	catalog_close(catalog);
	if (!done)
		return false;
	changes_know(following->changes, &view);
	following->lake_id = arena_copy_cstring(arena, view.lake.id);
	return true;
}

/* A table that is new to the log may be so to the lake; without the lake it is shown all the same.
 */
static void ask_lake_again(struct following *following)
{
	struct arena arena = { 0 };
	struct error ignored;
	const char *lake_id = following->lake_id;
	(void)!ask_lake(following, &arena, &ignored);
	following->lake_id = lake_id;
	arena_deinit(&arena);
}

static bool show(
	void *context, const struct pgoutput_message *message, size_t size, struct error *err)
{
	struct following *following = context;
	const struct transaction_commit *commit = following->commit;
	const bool is_shown =
		commit->is_whole && commit->end_lsn > following->from && !is_stopped(following);
	(void)size;
	if (changes_is_new(following->changes, message))
		ask_lake_again(following);
	if (changes_take(following->changes, commit, is_shown, message, err))
		return true;
	if (err->kind != ERROR_MISSING)
		return false;
	error_print(err, stderr);
	return true;
}

static void say_not_whole(const struct transaction_commit *commit)
{
	char position[LSN_TEXT_SIZE];
	fprintf(stderr,
		"transaction %u, committed at %s, is not shown: the log's part with its beginning "
		"was released\n",
		commit->xid, lsn_format(commit->end_lsn, position));
}

/* Definitions in what is not shown count all the same. */
static bool take_commit(
	struct following *following, const struct transaction_commit *commit, struct error *err)
{
	following->commit = commit;
	if (!transactions_replay(
		    following->transactions, following->log, commit, show, following, err))
		return false;
	if (commit->end_lsn > following->from) {
		if (!commit->is_whole)
			say_not_whole(commit);
		following->from = commit->end_lsn;
	}
	transactions_forget(following->transactions, commit);
	return true;
}

static bool take_record(
	struct following *following, const struct log_record *record, struct error *err)
{
	struct transaction_commit commit;
	bool is_commit;
	following->next = record->next; /* showing a transaction reads the log again */
	if (record->kind == LOG_RELATION)
		changes_define(following->changes, record->body);
	if (!transactions_take(following->transactions, record, &is_commit, &commit, err))
		return false;
	return !is_commit || take_commit(following, &commit, err);
}

/* All that is there now. */
static bool show_all(struct following *following, struct error *err)
{
	while (!is_stopped(following)) {
		struct log_record record;
		bool found;
		if (!log_read(following->log, following->next, &record, &found, err))
			return false;
		if (!found)
			break;
		if (!take_record(following, &record, err))
			return false;
	}
	if (fflush(stdout) != 0)
		return error_set_errno(err, ERROR_LOST, "the output cannot be written");
	return log_release(
		following->log, transactions_resume(following->transactions, following->next), err);
}

static bool open_log(struct following *following, struct error *err)
{
	if (!log_segment_follow(world_posix(), following->configuration->log_directory,
		    following->lake_id, &log_codec_pgoutput, &following->log, err))
		return false;
	following->next = log_first(following->log);
	following->transactions = transactions_open(following->next > 0);
	return true;
}

static void close_log(struct following *following)
{
	transactions_close(following->transactions);
	log_close(following->log);
	following->transactions = NULL;
	following->log = NULL;
}

/* Until its end, whatever comes meanwhile. */
static lsn_t find_end(struct log *log)
{
	while (log_wait(log, log_end(log), 0))
		;
	return log_end_lsn(log);
}

static bool follow_log(struct following *following, struct error *err)
{
	while (!is_stopped(following)) {
		if (!show_all(following, err))
			return false;
		log_wait(following->log, following->next, WAIT_TIMEOUT);
	}
	return true;
}

/* The log may be begun anew, or go on faster than it is looked at: then from where it is now. */
static bool follow(struct following *following, struct error *err)
{
	while (!follow_log(following, err)) {
		if (err->kind != ERROR_CONFLICT && err->kind != ERROR_MISSING)
			return false;
		error_print(err, stderr);
		close_log(following);
		if (!open_log(following, err))
			return false;
	}
	return true;
}

static bool show_once(struct following *following, struct error *err)
{
	find_end(following->log);
	return show_all(following, err);
}

static bool show_log(struct following *following, struct error *err)
{
	const struct cmd_line *line = following->line;
	if (!open_log(following, err))
		return false;
	following->from = line->from;
	if (line->is_follow && !line->has_from)
		following->from = find_end(following->log);
	return line->is_follow ? follow(following, err) : show_once(following, err);
}

bool cmd_log(const struct cmd_line *line, struct error *err)
{
	signal(SIGPIPE, SIG_DFL); /* whoever reads may have enough */
	struct arena arena = { 0 };
	struct configuration configuration;
	struct following following = {
		.line = line,
		.configuration = &configuration,
		.changes = changes_open(stdout, line->is_json),
	};
	const bool done = cmd_load_configuration(line, false, &arena, &configuration, err) &&
			  ask_lake(&following, &arena, err) && show_log(&following, err);
	close_log(&following);
	changes_close(following.changes);
	arena_deinit(&arena);
	return done;
}
