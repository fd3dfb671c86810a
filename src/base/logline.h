/*
 * logline.h: what the operator reads on standard error.
 *
 *	logline_info("the snapshot is complete", LOG_TEXT("table", name), LOG_INT("rows", rows));
 *
 * writes one line, whole, whichever threads write at the same time:
 *
 *	2026-11-26T10:00:00.123Z info  the snapshot is complete table=public.orders rows=1200
 *	{"time":"2026-11-26T10:00:00.123Z","level":"info","message":"the
 *...","table":"...","rows":1200}
 *
 * Values that hold a space, quote or control character are quoted and escaped, so that outside
 * text cannot forge a line.  Secrets never enter a line.  An error is logged once, where it is
 * handled.
 */
#ifndef BASE_LOGLINE_H
#define BASE_LOGLINE_H

#include "base/arena.h"

enum logline_level {
	LOGLINE_DEBUG = 1,
	LOGLINE_INFO,
	LOGLINE_WARNING,
	LOGLINE_ERROR,
};

enum logline_format {
	LOGLINE_TEXT = 1, /* coloured on a terminal, unless NO_COLOR is set */
	LOGLINE_JSON,
};

struct logline_settings {
	enum logline_level level; /* lower ones are dropped */
	enum logline_format format;
	FILE *out;
};

/* Once, before threads start; without it: info, text, stderr. */
void logline_configure(struct logline_settings settings);

struct logline_field {
	const char *key;
	const char *text; /* NULL: shown as null */
	int64_t number;
	bool is_number;
};

#define LOG_TEXT(key_, text_)                                                                      \
	{                                                                                          \
		.key = (key_), .text = (text_)                                                     \
	}
#define LOG_INT(key_, number_)                                                                     \
	{                                                                                          \
		.key = (key_), .number = (int64_t)(number_), .is_number = true                     \
	}

/* The first field is skipped: it lets the macros below do without any. */
void logline_write(enum logline_level level, const char *message,
	const struct logline_field *fields, size_t count);

#define LOGLINE_WRITE(level, message, ...)                                                         \
	logline_write((level), (message),                                                          \
		(const struct logline_field[]){ { .key = NULL }, __VA_ARGS__ },                    \
		sizeof((const struct logline_field[]){ { .key = NULL }, __VA_ARGS__ }) /           \
			sizeof(struct logline_field))
#define logline_debug(...) LOGLINE_WRITE(LOGLINE_DEBUG, __VA_ARGS__, )
#define logline_info(...) LOGLINE_WRITE(LOGLINE_INFO, __VA_ARGS__, )
#define logline_warning(...) LOGLINE_WRITE(LOGLINE_WARNING, __VA_ARGS__, )

/* All of an error: text, context, hint and kind; at the level given, or as an error. */
void logline_write_error(enum logline_level level, const struct error *err);
void logline_error(const struct error *err);

bool logline_level_of(const char *name, enum logline_level *out); /* "debug", ... */

#endif
