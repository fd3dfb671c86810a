/*
 * query.h: a standing session in which statements run against the lake.
 *
 * Each statement sees the lake's newest position at its start (I5, I6), unless AT chooses another.
 * One thread at a time.  Kinds: those of session.h and rewrite.h.
 */
#ifndef QUERY_QUERY_H
#define QUERY_QUERY_H

#include "duck/session.h"
#include "query/tables.h"

struct query_session;

struct query_options {
	unsigned threads;            /* 0: one for each core */
	uint64_t memory_limit_bytes; /* 0: 80 % of the machine's memory */
	const char *temp_directory;  /* for what does not fit in memory; NULL: never spill */
	const char *files; /* absolute path of the directory that holds all files to be read */
	bool is_cache;     /* whose files are filled while the session stands */
};

/* Owns tables, also when it fails. */
bool query_session_open(const struct query_options *options, struct tables *tables,
	struct query_session **out, struct error *err) MUST_CHECK;
void query_session_close(struct query_session *session); /* also NULL */

struct query_answer {
	struct result *result; /* NULL when there was no statement; the caller's to close */
	size_t note_count;
	const char **notes; /* about paused tables; in the arena */
};

/* The result is closed before the session runs another statement. */
bool query_run(struct query_session *session, const char *sql, struct arena *arena,
	struct query_answer *out, struct error *err) MUST_CHECK;

/*
 * The size of the first statement in text, its ';' included, or 0 when text ends within it.
 * Quotes, dollar quotes and comments (nested ones too) are respected.
 */
size_t query_statement_size(struct bytes text);

/* True when there is nothing but blanks, comments and ';' in text. */
bool query_is_blank(struct bytes text);

#endif
