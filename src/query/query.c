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
	scan_append_pattern(&pattern, options->warehouse);
	buffer_append_u8(&pattern, 0);
	const char *directories[] = { options->warehouse, (const char *)pattern.data };
	struct session_options session_options = {
		.threads = options->threads,
		.memory_limit_bytes = options->memory_limit_bytes,
		.temp_directory = options->temp_directory,
		.directory_count = 2,
		.directories = directories,
		.is_query_only = true,
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

bool query_run(struct query_session *session, const char *sql, struct arena *arena,
	struct query_answer *out, struct error *err)
{
	struct rewritten rewritten;
	*out = (struct query_answer){ 0 };
	if (!rewriter_rewrite(session->rewriter, sql, arena, &rewritten, err))
		return false;
	out->note_count = rewritten.note_count;
	out->notes = rewritten.notes;
	return rewritten.sql == NULL ||
	       session_run(session->session, rewritten.sql, &out->result, err);
}
