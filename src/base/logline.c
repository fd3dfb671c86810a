#include "base/logline.h"
#include "base/json.h"
#include "base/world.h"

#include <assert.h>
#include <pthread.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

enum {
	TIME_TEXT_SIZE = 40
};

/* The log sink is one of the program's two writable globals. */
static struct {
	pthread_mutex_t lock;
	struct logline_settings settings;
	bool is_coloured;
} sink = { .lock = PTHREAD_MUTEX_INITIALIZER };

static const char *const LEVELS[] = {
	[LOGLINE_DEBUG] = "debug",
	[LOGLINE_INFO] = "info",
	[LOGLINE_WARNING] = "warning",
	[LOGLINE_ERROR] = "error",
};

bool logline_level_of(const char *name, enum logline_level *out)
{
	for (int level = LOGLINE_DEBUG; level <= LOGLINE_ERROR; level++)
		if (strcmp(name, LEVELS[level]) == 0) {
			*out = (enum logline_level)level;
			return true;
		}
	return false;
}

static bool can_show_colour(FILE *out)
{
	const char *terminal = getenv("TERM"), *refused = getenv("NO_COLOR");
	return isatty(fileno(out)) && (refused == NULL || !refused[0]) && terminal != NULL &&
	       strcmp(terminal, "dumb") != 0;
}

static void configure_locked(struct logline_settings settings)
{
	sink.settings = settings;
	sink.is_coloured = settings.format == LOGLINE_TEXT && can_show_colour(settings.out);
}

void logline_configure(struct logline_settings settings)
{
	pthread_mutex_lock(&sink.lock);
	configure_locked(settings);
	pthread_mutex_unlock(&sink.lock);
}

static void format_time(char text[TIME_TEXT_SIZE])
{
	const int64_t now = world_now(world_posix());
	const time_t seconds = (time_t)(now / 1000000);
	struct tm parts;
	gmtime_r(&seconds, &parts);
	const size_t size = strftime(text, TIME_TEXT_SIZE, "%Y-%m-%dT%H:%M:%S", &parts);
	snprintf(text + size, TIME_TEXT_SIZE - size, ".%03dZ", (int)(now % 1000000 / 1000));
}

static bool is_plain(const char *text)
{
	if (!text[0])
		return false;
	for (; *text; text++)
		if ((uint8_t)*text <= ' ' || *text == '"' || *text == '=' || *text == '\\' ||
			*text == 0x7f)
			return false;
	return true;
}

/* Quoted as in JSON where it is not plain. */
static void append_value(struct buffer *line, const char *text)
{
	struct json_writer writer = json_writer_of(line);
	if (is_plain(text))
		buffer_append_cstring(line, text);
	else
		json_write_cstring(&writer, text);
}

/* A message is a sentence: it keeps its spaces, and loses what could begin another line. */
static void append_message(struct buffer *line, const char *message)
{
	for (; *message; message++)
		buffer_append_u8(line,
			(uint8_t)*message < ' ' || *message == 0x7f ? ' ' : (uint8_t)*message);
}

static void write_text(struct buffer *line, enum logline_level level, const char *message,
	const struct logline_field *fields, size_t count)
{
	static const char *const COLOURS[] = {
		[LOGLINE_DEBUG] = "\x1b[2m",
		[LOGLINE_INFO] = "\x1b[32m",
		[LOGLINE_WARNING] = "\x1b[33m",
		[LOGLINE_ERROR] = "\x1b[31m",
	};
	char time[TIME_TEXT_SIZE];
	format_time(time);
	buffer_append_format(line, "%s %s%-5s%s ", time, sink.is_coloured ? COLOURS[level] : "",
		LEVELS[level], sink.is_coloured ? "\x1b[0m" : "");
	append_message(line, message);
	for (size_t i = 1; i < count; i++) {
		buffer_append_format(line, " %s=", fields[i].key);
		if (fields[i].is_number)
			buffer_append_format(line, "%lld", (long long)fields[i].number);
		else
			append_value(line, fields[i].text ? fields[i].text : "null");
	}
}

static void write_json(struct buffer *line, enum logline_level level, const char *message,
	const struct logline_field *fields, size_t count)
{
	char time[TIME_TEXT_SIZE];
	format_time(time);
	struct json_writer writer = json_writer_of(line);
	json_write_begin_object(&writer);
	json_write_member_cstring(&writer, "time", time);
	json_write_member_cstring(&writer, "level", LEVELS[level]);
	json_write_member_cstring(&writer, "message", message);
	for (size_t i = 1; i < count; i++) {
		if (fields[i].is_number)
			json_write_member_int(&writer, fields[i].key, fields[i].number);
		else
			json_write_member_cstring(&writer, fields[i].key, fields[i].text);
	}
	json_write_end_object(&writer);
}

void logline_write(enum logline_level level, const char *message,
	const struct logline_field *fields, size_t count)
{
	assert(level >= LOGLINE_DEBUG && level <= LOGLINE_ERROR);
	struct buffer line = { 0 };
	pthread_mutex_lock(&sink.lock);
	if (sink.settings.out == NULL)
		configure_locked((struct logline_settings){ LOGLINE_INFO, LOGLINE_TEXT, stderr });
	if (level >= sink.settings.level) {
		if (sink.settings.format == LOGLINE_JSON)
			write_json(&line, level, message, fields, count);
		else
			write_text(&line, level, message, fields, count);
		buffer_append_u8(&line, '\n');
		fwrite(line.data, 1, line.size, sink.settings.out);
		fflush(sink.settings.out);
	}
	pthread_mutex_unlock(&sink.lock);
	buffer_deinit(&line);
}

void logline_write_error(enum logline_level level, const struct error *err)
{
	struct logline_field fields[4] = { { .key = NULL },
		{ .key = "kind", .text = error_kind_name(err->kind) } };
	size_t count = 2;
	if (err->context[0])
		fields[count++] = (struct logline_field)LOG_TEXT("context", err->context);
	if (err->hint[0])
		fields[count++] = (struct logline_field)LOG_TEXT("hint", err->hint);
	logline_write(level, err->text, fields, count);
}

void logline_error(const struct error *err)
{
	logline_write_error(LOGLINE_ERROR, err);
}
