#include "base/json.h"
#include "base/logline.h"
#include "base/test.h"

#include <pthread.h>
#include <stdlib.h>

struct captured {
	char *text;
	size_t size;
	FILE *file;
};

static void begin_capture(struct captured *out, enum logline_format format)
{
	*out = (struct captured){ 0 };
	out->file = open_memstream(&out->text, &out->size);
	logline_configure((struct logline_settings){ LOGLINE_INFO, format, out->file });
}

static void end_capture(struct captured *captured)
{
	logline_configure((struct logline_settings){ LOGLINE_INFO, LOGLINE_TEXT, stderr });
	fclose(captured->file);
}

/* What comes after the time of the first line. */
static const char *after_time(const struct captured *captured)
{
	CHECK(captured->size > 25);
	CHECK(captured->text[10] == 'T' && captured->text[19] == '.' && captured->text[23] == 'Z');
	return captured->text + 25;
}

TEST(a_log_line_is_text_that_outside_text_cannot_forge)
{
	struct captured captured;
	begin_capture(&captured, LOGLINE_TEXT);
	logline_debug("not shown");
	logline_info("it\nruns", LOG_TEXT("table", "public.orders"), LOG_TEXT("note", "a b\n\""),
		LOG_INT("rows", -5));
	end_capture(&captured);
	CHECK_TEXT(after_time(&captured),
		"info  it runs table=public.orders note=\"a b\\n\\\"\" rows=-5\n");
	free(captured.text);
}

TEST(a_logged_error_keeps_its_context_and_hint)
{
	struct captured captured;
	struct error err;
	error_set(&err, ERROR_SETUP, "wal_level is \"replica\"");
	error_context(&err, "starting");
	error_hint(&err, "Set it.");
	begin_capture(&captured, LOGLINE_TEXT);
	logline_error(&err);
	end_capture(&captured);
	CHECK_TEXT(after_time(&captured),
		"error wal_level is \"replica\" kind=setup context=\"while starting\" "
		"hint=\"Set it.\"\n");
	free(captured.text);
}

TEST(a_log_line_in_json_is_valid)
{
	struct captured captured;
	begin_capture(&captured, LOGLINE_JSON);
	logline_warning("a \"b\" \xff", LOG_INT("rows", 1));
	end_capture(&captured);
	json_t *line;
	struct error err;
	const char *text;
	int64_t rows;
	CHECK_OK(json_parse(bytes_of(captured.text, captured.size), 1000, &line, &err), &err);
	CHECK_OK(json_read_text(line, "level", &text, &err), &err);
	CHECK_TEXT(text, "warning");
	CHECK_OK(json_read_int(line, "rows", &rows, &err), &err);
	CHECK_EQUAL(rows, 1);
	json_decref(line);
	free(captured.text);
}

static void *write_lines(void *argument)
{
	for (int i = 0; i < 200; i++)
		logline_info("from a thread", LOG_TEXT("who", argument));
	return NULL;
}

TEST(lines_of_several_threads_stay_whole)
{
	struct captured captured;
	begin_capture(&captured, LOGLINE_TEXT);
	pthread_t threads[4];
	for (size_t i = 0; i < 4; i++)
		CHECK(pthread_create(&threads[i], NULL, write_lines, (void *)(uintptr_t) "me") ==
			0);
	for (size_t i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	end_capture(&captured);
	size_t lines = 0;
	for (const char *line = captured.text; *line; line = strchr(line, '\n') + 1, lines++)
		CHECK(strncmp(line + 25, "info  from a thread who=me\n", 27) == 0);
	CHECK_EQUAL(lines, 800);
	free(captured.text);
}
