#include "store/s3/xml.h"

#include "base/calendar.h"

#include <assert.h>
#include <expat.h>
#include <stdlib.h>

enum {
	DEPTH_MAX = 8,
	ELEMENTS_MAX = 40000,
	TEXT_SIZE_MAX = 16 * 1024,
	DIGITS_MAX = 18,
};

struct element {
	const char *name;
	const char *text; /* of it, without that of its children */
	struct element *children;
	struct element *next;
};

/* --- a document as a tree --- */

struct parsing {
	XML_Parser parser;
	struct arena *arena;
	struct element *open[DEPTH_MAX];
	struct element **end[DEPTH_MAX]; /* where the next child goes */
	struct buffer text[DEPTH_MAX];
	unsigned depth;
	unsigned count;
	struct element *root;
	const char *refusal; /* NULL: none */
};

static void refuse(struct parsing *parsing, const char *why)
{
	parsing->refusal = why;
	XML_StopParser(parsing->parser, XML_FALSE);
}

static void begin_element(void *context, const char *name, const char **attributes)
{
	struct parsing *parsing = context;
	(void)attributes;
	if (parsing->refusal != NULL)
		return;
	if (parsing->depth == DEPTH_MAX) {
		refuse(parsing, "it is nested too deeply");
		return;
	}
	if (parsing->count++ == ELEMENTS_MAX) {
		refuse(parsing, "it has too many elements");
		return;
	}
	struct element *element = arena_new(parsing->arena, struct element);
	element->name = arena_copy_cstring(parsing->arena, name);
	if (parsing->depth == 0) {
		parsing->root = element;
	} else {
		*parsing->end[parsing->depth - 1] = element;
		parsing->end[parsing->depth - 1] = &element->next;
	}
	parsing->open[parsing->depth] = element;
	parsing->end[parsing->depth] = &element->children;
	buffer_reset(&parsing->text[parsing->depth]);
	parsing->depth++;
}

static void end_element(void *context, const char *name)
{
	struct parsing *parsing = context;
	(void)name;
	if (parsing->refusal != NULL)
		return;
	parsing->depth--;
	parsing->open[parsing->depth]->text =
		arena_copy_text(parsing->arena, buffer_bytes(&parsing->text[parsing->depth]));
}

static void add_text(void *context, const char *text, int size)
{
	struct parsing *parsing = context;
	if (parsing->refusal != NULL || parsing->depth == 0)
		return;
	struct buffer *buffer = &parsing->text[parsing->depth - 1];
	if ((size_t)size > TEXT_SIZE_MAX - buffer->size)
		refuse(parsing, "it has a text that is too long");
	else
		buffer_append(buffer, text, (size_t)size);
}

/* Nothing that S3 says needs one, and entities are what makes XML dangerous. */
static void begin_doctype(void *context, const char *name, const char *system_id,
	const char *public_id, int has_internal_subset)
{
	(void)name, (void)system_id, (void)public_id, (void)has_internal_subset;
	refuse(context, "it has a DOCTYPE");
}

static bool parse(
	struct bytes document, struct arena *arena, struct element **out, struct error *err)
{
	if (document.size > XML_DOCUMENT_SIZE_MAX)
		return error_set(err, ERROR_LOST, "the server's XML is too long");
	struct parsing parsing = { .parser = XML_ParserCreate("UTF-8"), .arena = arena };
	if (parsing.parser == NULL)
		abort(); /* only without memory */
	XML_SetUserData(parsing.parser, &parsing);
	XML_SetElementHandler(parsing.parser, begin_element, end_element);
	XML_SetCharacterDataHandler(parsing.parser, add_text);
	XML_SetStartDoctypeDeclHandler(parsing.parser, begin_doctype);
	const bool done = XML_Parse(parsing.parser, (const char *)document.data, (int)document.size,
				  XML_TRUE) == XML_STATUS_OK &&
			  parsing.refusal == NULL;
	if (!done)
		error_set(err, ERROR_LOST, "the server's XML is not understood: %s",
			parsing.refusal != NULL
				? parsing.refusal
				: XML_ErrorString(XML_GetErrorCode(parsing.parser)));
	XML_ParserFree(parsing.parser);
	for (size_t i = 0; i < DEPTH_MAX; i++)
		buffer_deinit(&parsing.text[i]);
	*out = parsing.root;
	return done;
}

static bool parse_as(const char *name, struct bytes document, struct arena *arena,
	struct element **out, struct error *err)
{
	if (!parse(document, arena, out, err))
		return false;
	return strcmp((*out)->name, name) == 0 ||
	       error_set(err, ERROR_LOST, "the server sent \"%.40s\", not \"%s\"", (*out)->name,
		       name);
}

/* --- what elements say --- */

static const struct element *child_of(const struct element *element, const char *name)
{
	for (const struct element *child = element->children; child; child = child->next)
		if (strcmp(child->name, name) == 0)
			return child;
	return NULL;
}

static const char *text_of(const struct element *element, const char *name)
{
	const struct element *child = child_of(element, name);
	return child != NULL ? child->text : "";
}

static size_t count_of(const struct element *element, const char *name)
{
	size_t count = 0;
	for (const struct element *child = element->children; child; child = child->next)
		count += strcmp(child->name, name) == 0;
	return count;
}

static bool is_digit(char byte)
{
	return byte >= '0' && byte <= '9';
}

bool xml_read_number(const char *text, uint64_t *out)
{
	const size_t size = strlen(text);
	*out = 0;
	if (size == 0 || size > DIGITS_MAX)
		return false;
	for (; is_digit(*text); text++)
		*out = *out * 10 + (uint64_t)(*text - '0');
	return *text == '\0';
}

/* `count` digits at *text, then the byte `after`. */
static bool take_digits(const char **text, unsigned count, char after, unsigned *out)
{
	*out = 0;
	for (; count > 0; count--, (*text)++) {
		if (!is_digit(**text))
			return false;
		*out = *out * 10 + (unsigned)(**text - '0');
	}
	return *(*text)++ == after;
}

/* "2009-10-12T17:50:30.000Z", with any fraction or none; of seconds. */
static bool read_time(const char *text, micros_t *out)
{
	unsigned year, month, day, hour, minute, second;
	if (!take_digits(&text, 4, '-', &year) || !take_digits(&text, 2, '-', &month) ||
		!take_digits(&text, 2, 'T', &day) || !take_digits(&text, 2, ':', &hour) ||
		!take_digits(&text, 2, ':', &minute))
		return false;
	const char *end = text;
	if (!take_digits(&end, 2, '.', &second)) {
		if (!take_digits(&text, 2, 'Z', &second) || *text != '\0')
			return false;
	} else if (end[strspn(end, "0123456789")] != 'Z') {
		return false;
	}
	const struct calendar_date date = { year, month, day };
	if (!calendar_is_date(date) || hour > 23 || minute > 59 || second > 60)
		return false;
	*out = ((calendar_days(date) * 24 + hour) * 60 + minute) * INT64_C(60000000) +
	       second * INT64_C(1000000);
	return true;
}

static int digit_of(char byte)
{
	if (is_digit(byte))
		return byte - '0';
	if (byte >= 'A' && byte <= 'F')
		return byte - 'A' + 10;
	return byte >= 'a' && byte <= 'f' ? byte - 'a' + 10 : -1;
}

/* The encoding of forms, in which '+' is a space; NULL when it is none, or of a NUL. */
static const char *decode_url(const char *text, struct arena *arena)
{
	char *out = arena_copy_cstring(arena, text);
	char *end = out;
	for (; *text; text++) {
		if (*text != '%') {
			*end++ = *text == '+' ? ' ' : *text;
			continue;
		}
		const int high = digit_of(text[1]);
		const int low = high < 0 ? -1 : digit_of(text[2]);
		if (low < 0 || high + low == 0)
			return NULL;
		*end++ = (char)(high * 16 + low);
		text += 2;
	}
	*end = '\0';
	return out;
}

/* --- the answers --- */

static struct xml_error error_of(const struct element *element)
{
	return (struct xml_error){
		.code = text_of(element, "Code"),
		.message = text_of(element, "Message"),
		.region = text_of(element, "Region"),
	};
}

bool xml_read_error(struct bytes document, struct arena *arena, struct xml_error *out)
{
	struct error ignored;
	struct element *root;
	*out = (struct xml_error){ "", "", "" };
	if (!parse_as("Error", document, arena, &root, &ignored))
		return false;
	*out = error_of(root);
	return out->code[0] != '\0';
}

static bool read_object(
	const struct element *element, bool is_encoded, struct arena *arena, struct xml_object *out)
{
	const char *key = text_of(element, "Key");
	out->key = is_encoded ? decode_url(key, arena) : key;
	return out->key != NULL && out->key[0] != '\0' &&
	       xml_read_number(text_of(element, "Size"), &out->size_bytes) &&
	       read_time(text_of(element, "LastModified"), &out->modified_at);
}

bool xml_read_page(
	struct bytes document, struct arena *arena, struct xml_page *out, struct error *err)
{
	struct element *root;
	*out = (struct xml_page){ 0 };
	if (!parse_as("ListBucketResult", document, arena, &root, err))
		return false;
	const bool is_encoded = strcmp(text_of(root, "EncodingType"), "url") == 0;
	out->objects = arena_array(arena, struct xml_object, count_of(root, "Contents"));
	for (const struct element *child = root->children; child; child = child->next) {
		if (strcmp(child->name, "Contents") != 0)
			continue;
		if (!read_object(child, is_encoded, arena, &out->objects[out->count++]))
			return error_set(err, ERROR_LOST,
				"the server's listing has an object without key, size or time");
	}
	const char *next = text_of(root, "NextContinuationToken");
	if (strcmp(text_of(root, "IsTruncated"), "true") != 0)
		return true;
	out->next = next;
	return next[0] != '\0' ||
	       error_set(err, ERROR_LOST, "the server's listing ends without its token");
}

bool xml_read_failures(struct bytes document, struct arena *arena, struct xml_failure **out,
	size_t *count, struct error *err)
{
	struct element *root;
	*count = 0;
	*out = NULL;
	if (!parse_as("DeleteResult", document, arena, &root, err))
		return false;
	*out = arena_array(arena, struct xml_failure, count_of(root, "Error"));
	for (const struct element *child = root->children; child; child = child->next)
		if (strcmp(child->name, "Error") == 0)
			(*out)[(*count)++] =
				(struct xml_failure){ text_of(child, "Key"), error_of(child) };
	return true;
}

bool xml_read_upload_id(
	struct bytes document, struct arena *arena, const char **out, struct error *err)
{
	struct element *root;
	*out = NULL;
	if (!parse_as("InitiateMultipartUploadResult", document, arena, &root, err))
		return false;
	*out = text_of(root, "UploadId");
	return (*out)[0] != '\0' ||
	       error_set(err, ERROR_LOST, "the server began an upload without an id");
}

bool xml_is_completion(struct bytes document)
{
	struct arena arena = { 0 };
	struct error ignored;
	struct element *root;
	const bool is_one =
		parse_as("CompleteMultipartUploadResult", document, &arena, &root, &ignored);
	arena_deinit(&arena);
	return is_one;
}

static void read_unfinished(const struct element *element, bool is_encoded, struct arena *arena,
	struct xml_unfinished_page *out)
{
	struct xml_unfinished *upload = &out->uploads[out->count];
	const char *key = text_of(element, "Key");
	upload->key = is_encoded ? decode_url(key, arena) : key;
	upload->upload_id = text_of(element, "UploadId");
	/* One that cannot be told the age of is left alone. */
	out->count += upload->key != NULL && upload->upload_id[0] != '\0' &&
		      read_time(text_of(element, "Initiated"), &upload->began_at);
}

bool xml_read_unfinished(struct bytes document, struct arena *arena,
	struct xml_unfinished_page *out, struct error *err)
{
	struct element *root;
	*out = (struct xml_unfinished_page){ 0 };
	if (!parse_as("ListMultipartUploadsResult", document, arena, &root, err))
		return false;
	const bool is_encoded = strcmp(text_of(root, "EncodingType"), "url") == 0;
	out->uploads = arena_array(arena, struct xml_unfinished, count_of(root, "Upload"));
	for (const struct element *child = root->children; child; child = child->next)
		if (strcmp(child->name, "Upload") == 0)
			read_unfinished(child, is_encoded, arena, out);
	if (strcmp(text_of(root, "IsTruncated"), "true") != 0)
		return true;
	const char *next = text_of(root, "NextKeyMarker");
	out->next_key = is_encoded ? decode_url(next, arena) : next;
	out->next_upload_id = text_of(root, "NextUploadIdMarker");
	return (out->next_key != NULL && out->next_key[0] != '\0') ||
	       error_set(err, ERROR_LOST, "the server's list of uploads ends without its marker");
}

/* --- the requests --- */

bool xml_can_name(const char *key)
{
	for (; *key; key++)
		if ((unsigned char)*key < 0x20)
			return false;
	return true;
}

static void append_text(struct buffer *out, const char *text)
{
	for (; *text; text++) {
		switch (*text) {
		case '&':
			buffer_append_cstring(out, "&amp;");
			break;
		case '<':
			buffer_append_cstring(out, "&lt;");
			break;
		case '>':
			buffer_append_cstring(out, "&gt;");
			break;
		case '"':
			buffer_append_cstring(out, "&quot;");
			break;
		default:
			buffer_append_u8(out, (uint8_t)*text);
		}
	}
}

void xml_append_removals(struct buffer *out, const char *const *keys, size_t count)
{
	buffer_append_cstring(out, "<Delete><Quiet>true</Quiet>");
	for (size_t i = 0; i < count; i++) {
		buffer_append_cstring(out, "<Object><Key>");
		append_text(out, keys[i]);
		buffer_append_cstring(out, "</Key></Object>");
	}
	buffer_append_cstring(out, "</Delete>");
}

void xml_append_completion(struct buffer *out, const char *const *etags, size_t count)
{
	buffer_append_cstring(out, "<CompleteMultipartUpload>");
	for (size_t i = 0; i < count; i++) {
		assert(etags[i] !=
			NULL); /* I1: a part that is not there is no part of the object */
		buffer_append_format(out, "<Part><PartNumber>%zu</PartNumber><ETag>", i + 1);
		append_text(out, etags[i]);
		buffer_append_cstring(out, "</ETag></Part>");
	}
	buffer_append_cstring(out, "</CompleteMultipartUpload>");
}
