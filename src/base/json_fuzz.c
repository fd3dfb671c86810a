#include "base/json.h"
#include "base/test.h"

#include <assert.h>

/* What the reader accepts as a text, the writer writes and the reader reads as the same. */
static void check_text_round_trip(const json_t *value)
{
	struct buffer buffer = { 0 };
	struct json_writer writer = json_writer_of(&buffer);
	struct error err;
	json_write_cstring(&writer, json_string_value(value));
	bool ok = json_write_finish(&writer, &err);
	assert(ok);
	json_t *again;
	ok = json_parse(buffer_bytes(&buffer), SIZE_MAX, &again, &err);
	assert(ok && json_equal(value, again));
	json_decref(again);
	buffer_deinit(&buffer);
}

FUZZ(json)
{
	struct error err;
	json_t *document;
	if (json_parse(bytes_of(data, size), 1 << 20, &document, &err)) {
		if (json_is_string(document))
			check_text_round_trip(document);
		json_decref(document);
	}
	struct buffer buffer = { 0 };
	struct json_writer writer = json_writer_of(&buffer);
	json_write_text(&writer, bytes_of(data, size));
	if (json_write_finish(&writer, &err) && memchr(data, 0, size) == NULL) {
		const bool ok = json_parse(buffer_bytes(&buffer), SIZE_MAX, &document, &err);
		assert(ok);
		json_decref(document);
	}
	buffer_deinit(&buffer);
}
