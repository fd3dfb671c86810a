#include "store/s3/sign.h"

#include "base/calendar.h"

#include <assert.h>
#include <ctype.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdlib.h>

#define ALGORITHM "AWS4-HMAC-SHA256"

enum {
	HASH_BYTES = 32,
	PARAMETERS_MAX = 16,
	HEADERS_MAX = 24,
	DATE_SIZE = 8, /* of "20130524T000000Z" */
};

/* --- encoding --- */

void sign_append_encoded(struct buffer *out, const char *text, bool is_path)
{
	for (; *text; text++) {
		const unsigned char byte = (unsigned char)*text;
		const bool is_plain =
			byte < 0x80 && (isalnum(byte) || strchr("-._~", byte) != NULL);
		if (is_plain || (is_path && byte == '/'))
			buffer_append_u8(out, byte);
		else
			buffer_append_format(out, "%%%02X", byte);
	}
}

static const char *encoded(const char *text, struct arena *arena)
{
	struct buffer out = { 0 };
	sign_append_encoded(&out, text, false);
	const char *copy = arena_copy_text(arena, buffer_bytes(&out));
	buffer_deinit(&out);
	return copy;
}

static int compare_parameters(const void *a, const void *b)
{
	const struct sign_parameter *left = a, *right = b;
	const int order = strcmp(left->name, right->name);
	return order != 0 ? order : strcmp(left->value, right->value);
}

/* Sorted by the encoded name, then by the encoded value. */
void sign_append_query(struct buffer *out, const struct sign_parameter *parameters, size_t count)
{
	struct sign_parameter sorted[PARAMETERS_MAX];
	struct arena arena = { 0 };
	assert(count <= PARAMETERS_MAX);
	for (size_t i = 0; i < count; i++)
		sorted[i] = (struct sign_parameter){ encoded(parameters[i].name, &arena),
			encoded(parameters[i].value, &arena) };
	if (count > 0)
		qsort(sorted, count, sizeof *sorted, compare_parameters);
	for (size_t i = 0; i < count; i++)
		buffer_append_format(
			out, "%s%s=%s", i > 0 ? "&" : "", sorted[i].name, sorted[i].value);
	arena_deinit(&arena);
}

static const char *hexadecimal(const unsigned char hash[HASH_BYTES], char out[SIGN_HASH_SIZE])
{
	static const char DIGITS[] = "0123456789abcdef";
	for (size_t i = 0; i < HASH_BYTES; i++) {
		out[2 * i] = DIGITS[hash[i] >> 4];
		out[2 * i + 1] = DIGITS[hash[i] & 15];
	}
	out[SIGN_HASH_SIZE - 1] = '\0';
	return out;
}

const char *sign_hash(struct bytes bytes, char out[SIGN_HASH_SIZE])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned size;
	if (EVP_Digest(bytes.data, bytes.size, hash, &size, EVP_sha256(), NULL) != 1)
		abort(); /* only without memory */
	return hexadecimal(hash, out);
}

static void hmac(struct bytes key, const char *text, unsigned char out[HASH_BYTES])
{
	unsigned size = HASH_BYTES;
	if (HMAC(EVP_sha256(), key.data, (int)key.size, (const unsigned char *)text, strlen(text),
		    out, &size) == NULL)
		abort(); /* only without memory */
}

const char *sign_time(micros_t time, char out[SIGN_TIME_SIZE])
{
	enum {
		DAY_SECONDS = 24 * 60 * 60
	};
	assert(time >= 0);
	const int64_t seconds = time / 1000000;
	const struct calendar_date date = calendar_date_of(seconds / DAY_SECONDS);
	const unsigned second = (unsigned)(seconds % DAY_SECONDS);
	assert(date.year <= 9999);
	snprintf(out, SIGN_TIME_SIZE, "%04u%02u%02uT%02u%02u%02uZ", (unsigned)date.year % 10000,
		date.month % 100, date.day % 100, second / 3600, second / 60 % 60, second % 60);
	return out;
}

/* --- the steps --- */

/* Trimmed, and every run of spaces is one. */
static void append_trimmed(struct buffer *out, const char *value)
{
	bool is_first = true;
	while (*value) {
		value += strspn(value, " \t");
		const size_t size = strcspn(value, " \t");
		if (size > 0 && !is_first)
			buffer_append_u8(out, ' ');
		buffer_append(out, value, size);
		is_first = false;
		value += size;
	}
}

struct signed_header {
	const char *name; /* in lower case */
	const char *value;
	size_t index;
};

static int compare_headers(const void *a, const void *b)
{
	const struct signed_header *left = a, *right = b;
	const int order = strcmp(left->name, right->name);
	return order != 0 ? order : (left->index > right->index) - (left->index < right->index);
}

static size_t sort_headers(
	const struct sign_request *request, struct signed_header *sorted, struct arena *arena)
{
	assert(request->header_count <= HEADERS_MAX);
	for (size_t i = 0; i < request->header_count; i++) {
		char *name = arena_copy_cstring(arena, request->headers[i].name);
		for (char *at = name; *at; at++)
			*at = (char)tolower((unsigned char)*at);
		sorted[i] = (struct signed_header){ name, request->headers[i].value, i };
	}
	qsort(sorted, request->header_count, sizeof *sorted, compare_headers);
	return request->header_count;
}

/* Values of one name are joined by commas, in the order in which they are sent. */
static void append_headers(struct buffer *lines, struct buffer *names,
	const struct signed_header *headers, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		const char *name = headers[i].name;
		buffer_append_format(names, "%s%s", i > 0 ? ";" : "", name);
		buffer_append_format(lines, "%s:", name);
		append_trimmed(lines, headers[i].value);
		for (; i + 1 < count && strcmp(headers[i + 1].name, name) == 0; i++) {
			buffer_append_u8(lines, ',');
			append_trimmed(lines, headers[i + 1].value);
		}
		buffer_append_u8(lines, '\n');
	}
}

const char *sign_canonical_request(
	const struct sign_request *request, const char **signed_headers, struct arena *arena)
{
	struct signed_header sorted[HEADERS_MAX];
	struct buffer text = { 0 }, names = { 0 };
	const size_t count = sort_headers(request, sorted, arena);
	buffer_append_format(&text, "%s\n", request->method);
	sign_append_encoded(&text, request->path, true);
	buffer_append_u8(&text, '\n');
	sign_append_query(&text, request->parameters, request->parameter_count);
	buffer_append_u8(&text, '\n');
	append_headers(&text, &names, sorted, count);
	*signed_headers = arena_copy_text(arena, buffer_bytes(&names));
	buffer_append_format(&text, "\n%s\n%s", *signed_headers, request->payload_hash);
	const char *out = arena_copy_text(arena, buffer_bytes(&text));
	buffer_deinit(&names);
	buffer_deinit(&text);
	return out;
}

static const char *scope_of(const struct sign_request *request, struct arena *arena)
{
	return arena_format(arena, "%.*s/%s/%s/aws4_request", DATE_SIZE, request->time,
		request->region, request->service);
}

const char *sign_string_to_sign(
	const struct sign_request *request, const char *canonical_request, struct arena *arena)
{
	char hash[SIGN_HASH_SIZE];
	return arena_format(arena, ALGORITHM "\n%s\n%s\n%s", request->time,
		scope_of(request, arena), sign_hash(bytes_of_cstring(canonical_request), hash));
}

static void derive_key(const struct sign_request *request,
	const struct sign_credentials *credentials, struct arena *arena,
	unsigned char key[HASH_BYTES])
{
	const char *date = arena_format(arena, "%.*s", DATE_SIZE, request->time);
	const char *secret = arena_format(arena, "AWS4%s", credentials->secret_key);
	hmac(bytes_of_cstring(secret), date, key);
	hmac(bytes_of(key, HASH_BYTES), request->region, key);
	hmac(bytes_of(key, HASH_BYTES), request->service, key);
	hmac(bytes_of(key, HASH_BYTES), "aws4_request", key);
}

const char *sign_authorization(const struct sign_request *request,
	const struct sign_credentials *credentials, struct arena *arena)
{
	const char *signed_headers;
	unsigned char key[HASH_BYTES], signature[HASH_BYTES];
	char text[SIGN_HASH_SIZE];
	const char *canonical = sign_canonical_request(request, &signed_headers, arena);
	derive_key(request, credentials, arena, key);
	hmac(bytes_of(key, HASH_BYTES), sign_string_to_sign(request, canonical, arena), signature);
	return arena_format(arena, ALGORITHM " Credential=%s/%s, SignedHeaders=%s, Signature=%s",
		credentials->access_key, scope_of(request, arena), signed_headers,
		hexadecimal(signature, text));
}
