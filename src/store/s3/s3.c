/*
 * s3.c: the store's calls, but for uploads (upload.c).
 */
#include "store/s3/s3_internal.h"

#include <assert.h>
#include <ctype.h>
#include <openssl/evp.h>
#include <stdlib.h>

enum { /* microseconds */
	RETRY_TIME = 4 * 1000 * 1000,
	CONNECT_TIMEOUT = 5 * 1000 * 1000,
	STALL_TIMEOUT = 20 * 1000 * 1000,
};

enum {
	PART_SIZE = 8 * 1024 * 1024,
	KEYS_AT_ONCE = 1000, /* of a batch, and of a page: S3's limit */
	STATUS_WHOLE = 200,
	STATUS_OK_MAX = 299,
	STATUS_MISSING = 404,
	STATUS_NO_RANGE = 416,
	MD5_BYTES = 16,
	MD5_TEXT_SIZE = 25, /* in base64, with its NUL */
};

#define LOCATION_SCHEME "s3://"

char *s3_key(const struct s3_store *s3, const char *path)
{
	const size_t size = strlen(s3->key_prefix) + strlen(path) + 1;
	char *key = memory_allocate(size, 1);
	snprintf(key, size, "%s%s", s3->key_prefix, path);
	return key;
}

/* --- reading -------------------------------------------------------------------------------- */

struct range {
	uint64_t offset;
	size_t size;
	struct buffer *out;
};

/* CORRUPT only by the server's own word, "bytes 0-9/443" or "bytes *" "/443". */
static bool fail_short(
	const struct http_answer *answer, const struct range *range, struct error *err)
{
	uint64_t total;
	const char *said = http_answer_header(answer, "content-range");
	const char *slash = said != NULL ? strrchr(said, '/') : NULL;
	if (slash == NULL || !xml_read_number(slash + 1, &total) ||
		total >= range->offset + range->size)
		return error_set(err, ERROR_LOST,
			"the S3 server sent %zu bytes of an object, not %zu from %llu",
			answer->body.size, range->size, (unsigned long long)range->offset);
	return error_set(err, ERROR_CORRUPT, "the object ends early, after %llu bytes",
		(unsigned long long)total);
}

/* Some servers answer a range that is the whole object as the whole object. */
static bool take_range(const struct s3_store *s3, const struct http_answer *answer, void *result,
	struct error *err)
{
	const struct range *range = result;
	const struct bytes body = buffer_bytes(&answer->body);
	(void)s3;
	if (body.size != range->size)
		return fail_short(answer, range, err);
	if (answer->status == STATUS_WHOLE && range->offset != 0)
		return error_set(err, ERROR_LOST,
			"the S3 server answers the range of an object with the whole object");
	buffer_append_bytes(range->out, body);
	return true;
}

/* That nothing is there, S3 and MinIO say by InvalidRange alone, without a Content-Range. */
static bool read_range(struct s3_store *s3, const char *key, struct range *range, struct error *err)
{
	char text[64];
	struct s3_answer answer;
	snprintf(text, sizeof text, "bytes=%llu-%llu", (unsigned long long)range->offset,
		(unsigned long long)(range->offset + range->size - 1));
	const struct s3_request request = {
		.method = "GET",
		.key = key,
		.headers = { { "Range", text } },
		.header_count = 1,
		.answer_size_max = range->size,
		.take = take_range,
		.result = range,
	};
	const bool done = s3_call(s3, &request, &answer, err);
	const bool has_range = http_answer_header(&answer.http, "content-range") != NULL;
	if (!done && answer.http.status == STATUS_NO_RANGE &&
		(has_range || err->kind != ERROR_CORRUPT))
		fail_short(&answer.http, range, err);
	s3_answer_deinit(&answer);
	return done;
}

/*
 * The answer to a GET says more of what is wrong than that to a HEAD; an empty object gives 416.
 * True when nothing is: what was in the way of the HEAD no longer is.
 */
static bool is_readable(struct s3_store *s3, const char *key, struct error *err)
{
	struct s3_answer answer;
	const struct s3_request request = {
		.method = "GET",
		.key = key,
		.headers = { { "Range", "bytes=0-0" } },
		.header_count = 1,
	};
	const bool done =
		s3_call(s3, &request, &answer, err) || answer.http.status == STATUS_NO_RANGE;
	s3_answer_deinit(&answer);
	return done;
}

struct look {
	struct arena *arena;
	uint64_t *size_bytes;
	const char **write;
};

static bool take_look(const struct s3_store *s3, const struct http_answer *answer, void *result,
	struct error *err)
{
	const struct look *look = result;
	const char *size = http_answer_header(answer, "content-length");
	const char *write = http_answer_header(answer, S3_WRITE_HEADER);
	(void)s3;
	if (size == NULL || !xml_read_number(size, look->size_bytes))
		return error_set(err, ERROR_LOST, "the S3 server tells no size of an object");
	*look->write = write != NULL ? arena_copy_cstring(look->arena, write) : "";
	return true;
}

static bool look(struct s3_store *s3, const char *key, struct look *found, bool *is_refused,
	struct error *err)
{
	struct s3_answer answer;
	const struct s3_request request = {
		.method = "HEAD",
		.key = key,
		.take = take_look,
		.result = found,
	};
	const bool done = s3_call(s3, &request, &answer, err);
	*is_refused = !done && answer.http.status > STATUS_OK_MAX;
	s3_answer_deinit(&answer);
	return done;
}

bool s3_look(struct s3_store *s3, const char *key, struct arena *arena, uint64_t *size_bytes,
	const char **write, struct error *err)
{
	struct look found = { arena, size_bytes, write };
	bool is_refused;
	if (look(s3, key, &found, &is_refused, err))
		return true;
	return is_refused && is_readable(s3, key, err) && look(s3, key, &found, &is_refused, err);
}

static bool s3_size(struct store *store, const char *path, uint64_t *out, struct error *err)
{
	struct s3_store *s3 = (struct s3_store *)store;
	struct arena arena = { 0 };
	const char *write;
	char *key = s3_key(s3, path);
	const bool done = s3_look(s3, key, &arena, out, &write, err);
	free(key);
	arena_deinit(&arena);
	return done;
}

static bool s3_read(struct store *store, const char *path, uint64_t offset, size_t size,
	struct buffer *out, struct error *err)
{
	struct s3_store *s3 = (struct s3_store *)store;
	uint64_t there;
	if (size == 0) /* a range has one byte at least */
		return s3_size(store, path, &there, err) &&
		       (offset <= there || error_set(err, ERROR_CORRUPT,
						   "the object ends early, after %llu bytes",
						   (unsigned long long)there));
	char *key = s3_key(s3, path);
	const bool done = read_range(s3, key, &(struct range){ offset, size, out }, err);
	free(key);
	return done;
}

static bool s3_get(struct store *store, const char *path, size_t size_max, struct buffer *out,
	struct error *err)
{
	struct s3_store *s3 = (struct s3_store *)store;
	struct s3_answer answer;
	char *key = s3_key(s3, path);
	const struct s3_request request = {
		.method = "GET",
		.key = key,
		.answer_size_max = size_max,
	};
	bool done = s3_call(s3, &request, &answer, err);
	if (done && answer.http.body.size > size_max)
		done = error_set(err, ERROR_LIMIT, "it is %zu bytes large", answer.http.body.size);
	if (done)
		buffer_append_bytes(out, buffer_bytes(&answer.http.body));
	s3_answer_deinit(&answer);
	free(key);
	return done;
}

/* --- listing -------------------------------------------------------------------------------- */

struct listing {
	struct s3_store *s3;
	struct arena *arena; /* of the result */
	struct object_info *objects;
	size_t count;
	size_t capacity;
};

/* What cannot be a path of this store, as a console's "folder/", was not put by it. */
static void listing_add(struct listing *listing, const struct xml_object *object)
{
	const size_t prefix_size = strlen(listing->s3->key_prefix);
	if (strncmp(object->key, listing->s3->key_prefix, prefix_size) != 0 ||
		!store_path_is_valid(object->key + prefix_size))
		return;
	if (listing->count == listing->capacity) {
		listing->capacity = listing->capacity > 0 ? 2 * listing->capacity : 64;
		listing->objects = memory_resize(
			listing->objects, listing->capacity, sizeof *listing->objects);
	}
	listing->objects[listing->count++] = (struct object_info){
		.path = arena_copy_cstring(listing->arena, object->key + prefix_size),
		.size_bytes = object->size_bytes,
		.modified_at = object->modified_at,
	};
}

struct page {
	struct arena arena;
	struct xml_page found;
};

static bool take_page(const struct s3_store *s3, const struct http_answer *answer, void *result,
	struct error *err)
{
	struct page *page = result;
	(void)s3;
	return xml_read_page(buffer_bytes(&answer->body), &page->arena, &page->found, err);
}

/*
 * Each token is held against an earlier one, which is replaced at every power of two: whatever the
 * length of a circle, it is seen.
 */
struct circle {
	struct buffer token;
	uint64_t pages;
};

static bool circle_is_closed(struct circle *circle, const char *token)
{
	const struct bytes seen = bytes_of(token, strlen(token));
	if (circle->pages > 0 && bytes_equal(buffer_bytes(&circle->token), seen))
		return true;
	if ((circle->pages & (circle->pages + 1)) == 0) {
		buffer_reset(&circle->token);
		buffer_append_bytes(&circle->token, seen);
	}
	circle->pages++;
	return false;
}

/* *token is of the page, "" for the first, and then of the next one, or NULL. */
static bool list_page(struct listing *listing, const char *key_prefix, struct buffer *token,
	bool *has_more, struct error *err)
{
	struct s3_answer answer;
	struct page page = { 0 };
	const struct s3_request request = {
		.method = "GET",
		.parameters = { { "list-type", "2" }, { "encoding-type", "url" },
			{ "prefix", key_prefix },
			{ "continuation-token", (const char *)token->data } },
		.parameter_count = token->size > 0 ? 4 : 3,
		.answer_size_max = XML_DOCUMENT_SIZE_MAX,
		.take = take_page,
		.result = &page,
	};
	const bool done = s3_call(listing->s3, &request, &answer, err);
	for (size_t i = 0; done && i < page.found.count; i++)
		listing_add(listing, &page.found.objects[i]);
	*has_more = done && page.found.next != NULL;
	buffer_reset(token);
	if (*has_more)
		buffer_append(token, page.found.next, strlen(page.found.next) + 1);
	s3_answer_deinit(&answer);
	arena_deinit(&page.arena);
	return done;
}

static int compare_paths(const void *a, const void *b)
{
	return strcmp(((const struct object_info *)a)->path, ((const struct object_info *)b)->path);
}

static bool s3_list(struct store *store, const char *prefix, struct arena *arena,
	struct object_info **out, size_t *count, struct error *err)
{
	struct listing listing = { .s3 = (struct s3_store *)store, .arena = arena };
	struct buffer token = { 0 };
	struct circle circle = { 0 };
	char *key_prefix = s3_key(listing.s3, prefix);
	bool done, has_more;
	do {
		done = list_page(&listing, key_prefix, &token, &has_more, err);
		if (done && has_more && circle_is_closed(&circle, (const char *)token.data))
			done = error_set(
				err, ERROR_LOST, "the S3 server's listing begins again and again");
	} while (done && has_more);
	if (done && listing.count > 0) {
		qsort(listing.objects, listing.count, sizeof *listing.objects, compare_paths);
		*out = arena_copy(arena, listing.objects, listing.count * sizeof *listing.objects);
		*count = listing.count;
	}
	free(listing.objects);
	free(key_prefix);
	buffer_deinit(&circle.token);
	buffer_deinit(&token);
	return done;
}

/* --- removal -------------------------------------------------------------------------------- */

static bool s3_remove(struct store *store, const char *path, struct error *err)
{
	struct s3_store *s3 = (struct s3_store *)store;
	struct s3_answer answer;
	char *key = s3_key(s3, path);
	const struct s3_request request = { .method = "DELETE", .key = key };
	const bool done = s3_call(s3, &request, &answer, err) || err->kind == ERROR_MISSING;
	s3_answer_deinit(&answer);
	free(key);
	return done;
}

static const char *md5_of(struct bytes bytes, char out[MD5_TEXT_SIZE])
{
	unsigned char hash[EVP_MAX_MD_SIZE];
	unsigned size;
	if (EVP_Digest(bytes.data, bytes.size, hash, &size, EVP_md5(), NULL) != 1)
		return NULL;
	EVP_EncodeBlock((unsigned char *)out, hash, MD5_BYTES);
	return out;
}

/* A batch answers 200 and names the keys that stayed. */
static bool take_removals(const struct s3_store *s3, const struct http_answer *answer, void *result,
	struct error *err)
{
	struct arena arena = { 0 };
	struct xml_failure *failures;
	size_t count;
	(void)result;
	bool done = xml_read_failures(buffer_bytes(&answer->body), &arena, &failures, &count, err);
	for (size_t i = 0; done && i < count; i++) {
		done = s3_fail(s3, answer->status, &failures[i].error, err) ||
		       err->kind == ERROR_MISSING;
		if (!done)
			error_context(err, "removing \"%.100s\"", failures[i].key);
	}
	arena_deinit(&arena);
	return done;
}

static bool remove_keys(
	struct s3_store *s3, const char *const *keys, size_t count, struct error *err)
{
	struct s3_answer answer;
	struct buffer body = { 0 };
	char md5[MD5_TEXT_SIZE];
	xml_append_removals(&body, keys, count);
	if (md5_of(buffer_bytes(&body), md5) == NULL) {
		buffer_deinit(&body);
		return error_set(err, ERROR_UNSUPPORTED, "this machine's OpenSSL has no MD5");
	}
	const struct s3_request request = {
		.method = "POST",
		.parameters = { { "delete", "" } },
		.parameter_count = 1,
		.headers = { { "Content-MD5", md5 }, { "Content-Type", "application/xml" } },
		.header_count = 2,
		.body = buffer_bytes(&body),
		.answer_size_max = XML_DOCUMENT_SIZE_MAX,
		.take = take_removals,
	};
	const bool done = s3_call(s3, &request, &answer, err);
	s3_answer_deinit(&answer);
	buffer_deinit(&body);
	return done;
}

static bool s3_remove_many(
	struct store *store, const char *const *paths, size_t count, struct error *err)
{
	struct s3_store *s3 = (struct s3_store *)store;
	char *keys[KEYS_AT_ONCE];
	bool done = true;
	for (size_t i = 0; done && i < count;) {
		size_t key_count = 0;
		for (; done && i < count && key_count < KEYS_AT_ONCE; i++) {
			if (xml_can_name(paths[i]))
				keys[key_count++] = s3_key(s3, paths[i]);
			else
				done = s3_remove(store, paths[i], err);
		}
		if (done && key_count > 0)
			done = remove_keys(s3, (const char *const *)keys, key_count, err);
		while (key_count > 0)
			free(keys[--key_count]);
	}
	return done;
}

/* --- opening -------------------------------------------------------------------------------- */

static void s3_close(struct store *store)
{
	struct s3_store *s3 = (struct s3_store *)store;
	s3_pool_deinit(&s3->pool);
	http_close(s3->http);
	pthread_mutex_destroy(&s3->credentials_lock);
	arena_deinit(&s3->arena);
	free(s3);
}

bool s3_is_location(const char *location)
{
	return strncmp(location, LOCATION_SCHEME, sizeof LOCATION_SCHEME - 1) == 0;
}

/* Letters in lower case, digits, '.' and '-'; S3's rules are stricter and its servers check them.
 */
static bool bucket_is_valid(const char *bucket)
{
	return strlen(bucket) >= 3 &&
	       bucket[strspn(bucket, "abcdefghijklmnopqrstuvwxyz0123456789.-")] == '\0';
}

static bool set_location(struct s3_store *s3, const char *location, struct error *err)
{
	if (!s3_is_location(location))
		return error_set(err, ERROR_SETUP, "\"%s\" is not s3://BUCKET/PREFIX", location);
	char *text = arena_copy_cstring(&s3->arena, location + sizeof LOCATION_SCHEME - 1);
	for (size_t size = strlen(text); size > 0 && text[size - 1] == '/';)
		text[--size] = '\0';
	s3->base.location = arena_format(&s3->arena, LOCATION_SCHEME "%s", text);
	char *slash = strchr(text, '/');
	s3->key_prefix = "";
	if (slash != NULL) {
		*slash = '\0';
		s3->key_prefix = arena_format(&s3->arena, "%s/", slash + 1);
	}
	s3->bucket = text;
	if (bucket_is_valid(s3->bucket) && (slash == NULL || store_path_is_valid(slash + 1)))
		return true;
	error_set(err, ERROR_SETUP, "\"%s\" is not a place in S3", location);
	return error_hint(err, "Write lake.warehouse as s3://BUCKET/PREFIX; a bucket's name has "
			       "lower-case letters, digits, '.' and '-'.");
}

static bool fail_endpoint(const char *endpoint, struct error *err)
{
	error_set(err, ERROR_SETUP, "s3.endpoint \"%s\" is not the address of a server", endpoint);
	return error_hint(err, "Write it as http://HOST:PORT or https://HOST:PORT.");
}

/* The port that a scheme has anyway is not a part of the header Host. */
static const char *without_usual_port(const char *scheme, const char *host, struct arena *arena)
{
	const char *port = strcmp(scheme, "https") == 0 ? ":443" : ":80";
	const size_t size = strlen(host), port_size = strlen(port);
	if (size <= port_size || strcmp(host + size - port_size, port) != 0)
		return host;
	return arena_copy_text(arena, bytes_of(host, size - port_size));
}

static bool set_endpoint(struct s3_store *s3, const char *endpoint, struct error *err)
{
	char *text = arena_copy_cstring(&s3->arena, endpoint);
	for (size_t size = strlen(text); size > 0 && text[size - 1] == '/';)
		text[--size] = '\0';
	s3->base.endpoint = arena_copy_cstring(&s3->arena, text);
	char *host = strstr(text, "://");
	if (host == NULL)
		return fail_endpoint(endpoint, err);
	*host = '\0';
	host += 3;
	for (char *at = text; *at; at++)
		*at = (char)tolower((unsigned char)*at);
	if ((strcmp(text, "http") != 0 && strcmp(text, "https") != 0) || host[0] == '\0' ||
		host[strspn(host, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
				  "0123456789.-:[]")] != '\0')
		return fail_endpoint(endpoint, err);
	s3->is_tls = strcmp(text, "https") == 0;
	const char *plain = without_usual_port(text, host, &s3->arena);
	s3->host = s3->is_path_style ? plain : arena_format(&s3->arena, "%s.%s", s3->bucket, plain);
	s3->origin = arena_format(&s3->arena, "%s://%s%s%s", text,
		s3->is_path_style ? "" : s3->bucket, s3->is_path_style ? "" : ".", host);
	return true;
}

/* A certificate of "*.s3.amazonaws.com" is not one of a bucket whose name has dots. */
static bool wants_path_style(const struct s3_options *options, const char *bucket)
{
	if (options->addressing != NULL)
		return strcmp(options->addressing, "path") == 0;
	return options->endpoint != NULL || strchr(bucket, '.') != NULL;
}

static const char *endpoint_of_amazon(const char *region, struct arena *arena)
{
	const bool is_china = strncmp(region, "cn-", 3) == 0;
	return arena_format(arena, "https://s3.%s.amazonaws.com%s", region, is_china ? ".cn" : "");
}

static bool set_options(struct s3_store *s3, const struct s3_options *options, struct error *err)
{
	if (!set_location(s3, options->location, err))
		return false;
	if (!s3_credentials_open(s3, options, err))
		return false;
	s3->region = arena_copy_cstring(&s3->arena, options->region);
	s3->is_path_style = wants_path_style(options, s3->bucket);
	s3->retry_time = options->retry_time > 0 ? options->retry_time : RETRY_TIME;
	s3->is_own = options->is_own;
	s3->part_size_bytes = options->part_size_bytes > 0 ? options->part_size_bytes : PART_SIZE;
	return set_endpoint(s3,
		options->endpoint != NULL ? options->endpoint
					  : endpoint_of_amazon(s3->region, &s3->arena),
		err);
}

bool store_s3_open(struct world *world, const struct s3_options *options, struct store **out,
	struct error *err)
{
	static const struct store_ops OPS = {
		.scheme = "s3",
		.create = s3_create,
		.read = s3_read,
		.get = s3_get,
		.size = s3_size,
		.list = s3_list,
		.remove = s3_remove,
		.remove_many = s3_remove_many,
		.close = s3_close,
	};
	const struct http_options transport = {
		.connect_timeout = CONNECT_TIMEOUT,
		.stall_timeout = STALL_TIMEOUT,
		.ca_file = options->ca_file,
	};
	struct s3_store *s3 = memory_allocate(1, sizeof *s3);
	*out = NULL;
	s3->base.ops = &OPS;
	s3->world = world;
	s3_pool_init(&s3->pool);
	pthread_mutex_init(&s3->credentials_lock, NULL);
	bool done = set_options(s3, options, err);
	if (done && !http_open(&transport, &s3->http, err))
		done = error_hint(err, "Set s3.ca_file to a file of certificates in PEM.");
	if (!done) {
		s3_close(&s3->base);
		return error_context(err, "opening the store in \"%s\"", options->location);
	}
	*out = &s3->base;
	return true;
}
