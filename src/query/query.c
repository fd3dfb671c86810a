#include "query/query.h"

#include "query/rewrite.h"
#include "query/scan.h"

#include <stdlib.h>

struct query_session {
	struct session *session;
	struct tables *tables;
	struct rewriter *rewriter;
};

bool query_session_open(const struct query_options *options, struct tables *tables,
	struct query_session **out, struct error *err)
{
	struct buffer pattern = { 0 };
	scan_append_pattern(&pattern, options->files);
	buffer_append_u8(&pattern, 0);
	const char *directories[] = { options->files, (const char *)pattern.data };
	struct session_options session_options = {
		.threads = options->threads,
		.memory_limit_bytes = options->memory_limit_bytes,
		.temp_directory = options->temp_directory,
		.directory_count = 2,
		.directories = directories,
		.is_query_only = true,
		.files_grow = options->is_cache,
	};
	struct query_session *session = memory_allocate(1, sizeof *session);
	session->tables = tables;
	bool ok = session_open(&session_options, &session->session, err);
	buffer_deinit(&pattern);
	if (!ok) {
		query_session_close(session);
		return false;
	}
	session->rewriter = rewriter_open(session->session, tables);
	*out = session;
	return true;
}

void query_session_close(struct query_session *session)
{
	if (session == NULL)
		return;
	rewriter_close(session->rewriter);
	session_close(session->session);
	session->tables->ops->close(session->tables);
	free(session);
}

/*
 * A statement that was given only the columns it names, and failed.  If it can be understood with
 * all columns and not with these, it reads one that it does not name, and gets them all; else what
 * it gets is the error that it has with all.
 */
static bool run_with_all(struct query_session *session, const char *sql, struct arena *arena,
	const struct rewritten *partial, struct query_answer *out, struct error *err)
{
	struct rewritten all;
	struct error failure = *err;
	if (session_check(session->session, partial->sql, err)) {
		*err = failure;
		return false;
	}
	return rewriter_rewrite(session->rewriter, sql, REACH_NOTHING, arena, &all, err) &&
	       session_check(session->session, all.sql, err) &&
	       rewriter_rewrite(session->rewriter, sql, REACH_ALL, arena, &all, err) &&
	       session_run(session->session, all.sql, &out->result, err);
}

bool query_run(struct query_session *session, const char *sql, struct arena *arena,
	struct query_answer *out, struct error *err)
{
	struct rewritten rewritten;
	*out = (struct query_answer){ 0 };
	if (!rewriter_rewrite(session->rewriter, sql, REACH_NAMED, arena, &rewritten, err))
		return false;
	out->note_count = rewritten.note_count;
	out->notes = rewritten.notes;
	if (rewritten.sql == NULL ||
		session_run(session->session, rewritten.sql, &out->result, err))
		return true;
	return rewritten.is_partial && err->kind == ERROR_UNSUPPORTED &&
	       run_with_all(session, sql, arena, &rewritten, out, err);
}
