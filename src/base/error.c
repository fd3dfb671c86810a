#include "base/error.h"

#include <assert.h>
#include <errno.h>
#include <stdarg.h>
#include <string.h>

/* Into a text of its own first: an argument may be a text of err itself. */
static void set(struct error *err, enum error_kind kind, const char *format, va_list arguments)
{
	assert(kind != ERROR_NONE);
	char text[sizeof err->text];
	vsnprintf(text, sizeof text, format, arguments);
	*err = (struct error){ .kind = kind };
	memcpy(err->text, text, sizeof text);
}

bool error_set(struct error *err, enum error_kind kind, const char *format, ...)
{
	va_list arguments;
	va_start(arguments, format);
	set(err, kind, format, arguments);
	va_end(arguments);
	return false;
}

bool error_set_errno(struct error *err, enum error_kind kind, const char *format, ...)
{
	const int number = errno;
	va_list arguments;
	va_start(arguments, format);
	set(err, kind, format, arguments);
	va_end(arguments);
	size_t used = strlen(err->text);
	snprintf(err->text + used, sizeof err->text - used, ": %s", strerror(number));
	return false;
}

bool error_hint(struct error *err, const char *format, ...)
{
	assert(err->kind != ERROR_NONE);
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(err->hint, sizeof err->hint, format, arguments);
	va_end(arguments);
	return false;
}

bool error_context(struct error *err, const char *format, ...)
{
	assert(err->kind != ERROR_NONE);
	size_t used = strlen(err->context);
	int lead = snprintf(
		err->context + used, sizeof err->context - used, "%swhile ", used ? "; " : "");
	if (used + (size_t)lead + 1 >= sizeof err->context) {
		err->context[used] = '\0'; /* no room for more than the word itself */
		return false;
	}
	used += (size_t)lead;
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(err->context + used, sizeof err->context - used, format, arguments);
	va_end(arguments);
	return false;
}

const char *error_kind_name(enum error_kind kind)
{
	static const char *const NAMES[] = {
		[ERROR_NONE] = "none",
		[ERROR_BUSY] = "busy",
		[ERROR_LOST] = "lost",
		[ERROR_MISSING] = "missing",
		[ERROR_CONFLICT] = "conflict",
		[ERROR_UNCERTAIN] = "uncertain",
		[ERROR_LIMIT] = "limit",
		[ERROR_CORRUPT] = "corrupt",
		[ERROR_UNSUPPORTED] = "unsupported",
		[ERROR_SETUP] = "setup",
	};
	assert((size_t)kind < sizeof NAMES / sizeof *NAMES);
	return NAMES[kind];
}

void error_print(const struct error *err, FILE *out)
{
	fprintf(out, "error: %s\n", err->text);
	if (err->context[0])
		fprintf(out, "       %s\n", err->context);
	if (err->hint[0])
		fprintf(out, " hint: %s\n", err->hint);
}
