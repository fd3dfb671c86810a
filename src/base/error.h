/*
 * error.h: the one way a function says that it could not do its work.
 *
 * A function that can fail returns bool and takes `struct error *err` last: true leaves *err
 * alone, false comes after *err is filled.  The struct lives on the caller's stack; err is never
 * NULL.  Mistakes of the program are not errors: they are assert()ed.
 */
#ifndef BASE_ERROR_H
#define BASE_ERROR_H

#include <stdbool.h>
#include <stdio.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(format_at, arguments_at)                                                       \
	__attribute__((format(printf, format_at, arguments_at)))

/* A kind names the reaction, not the place of the fault. */
enum error_kind {
	ERROR_NONE = 0,
	ERROR_BUSY,        /* nothing changed; the same call may work later */
	ERROR_LOST,        /* the peer went away; reopen, resume from the last durable position */
	ERROR_MISSING,     /* what was asked for is not there */
	ERROR_CONFLICT,    /* another writer committed first; reload and rebuild */
	ERROR_UNCERTAIN,   /* the write may have happened; look before acting */
	ERROR_LIMIT,       /* a limit of the configuration was reached */
	ERROR_CORRUPT,     /* bytes that break their own format */
	ERROR_UNSUPPORTED, /* well formed, but not something this program does */
	ERROR_SETUP,       /* an operator has to decide or to change something */
};
enum {
	ERROR_KIND_COUNT = ERROR_SETUP + 1
};

struct error {
	enum error_kind kind;
	char text[480];    /* what could not be done and why, one line, objects quoted */
	char hint[320];    /* what to do about it, a full sentence, or "" */
	char context[360]; /* "while ..." clauses, innermost first */
};

/* Each returns false, so that a failing path is one statement. */
bool error_set(struct error *err, enum error_kind kind, const char *format, ...) PRINTF_LIKE(3, 4);
bool error_hint(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3);
bool error_context(struct error *err, const char *format, ...) PRINTF_LIKE(2, 3); /* no "while" */

/* As error_set, with ": " and the text of errno added. */
bool error_set_errno(struct error *err, enum error_kind kind, const char *format, ...)
	PRINTF_LIKE(3, 4);

const char *error_kind_name(enum error_kind kind); /* "busy", "lost", ... */

/* Up to three lines: "error: ...", "       while ...", " hint: ...". */
void error_print(const struct error *err, FILE *out);

#endif
