/*
 * credentials.c: the shared file of access keys.
 *
 *	[default]
 *	aws_access_key_id = AKIDEXAMPLE
 *	aws_secret_access_key = wJalrXUtnFEMI
 *	aws_session_token = ...
 *
 * '#' and ';' begin a comment line.  Other names are passed over.
 */
#include "store/s3/s3_internal.h"

enum {
	FILE_SIZE_MAX = 1024 * 1024,
};

static struct bytes trimmed(struct bytes text)
{
	while (text.size > 0 && strchr(" \t\r", text.data[0]) != NULL)
		text = bytes_of(text.data + 1, text.size - 1);
	while (text.size > 0 && strchr(" \t\r", text.data[text.size - 1]) != NULL)
		text.size--;
	return text;
}

static struct bytes take_line(struct bytes *text)
{
	const uint8_t *end = memchr(text->data, '\n', text->size);
	const size_t size = end != NULL ? (size_t)(end - text->data) : text->size;
	const struct bytes line = bytes_of(text->data, size);
	const size_t taken = end != NULL ? size + 1 : size;
	*text = bytes_of(text->data + taken, text->size - taken);
	return trimmed(line);
}

static bool is_heading(struct bytes line, const char *profile)
{
	if (line.data[line.size - 1] != ']')
		return false;
	return bytes_equal(
		trimmed(bytes_of(line.data + 1, line.size - 2)), bytes_of_cstring(profile));
}

static void take_setting(struct bytes line, struct arena *arena, struct s3_credentials *out)
{
	const struct {
		const char *name;
		const char **at;
	} NAMES[] = {
		{ "aws_access_key_id", &out->access_key },
		{ "aws_secret_access_key", &out->secret_key },
		{ "aws_session_token", &out->session_token },
	};
	const uint8_t *equals = memchr(line.data, '=', line.size);
	if (equals == NULL)
		return;
	const size_t size = (size_t)(equals - line.data);
	const struct bytes name = trimmed(bytes_of(line.data, size));
	const struct bytes value = trimmed(bytes_of(equals + 1, line.size - size - 1));
	for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++)
		if (value.size > 0 && bytes_equal(name, bytes_of_cstring(NAMES[i].name)))
			*NAMES[i].at = arena_copy_text(arena, value);
}

bool s3_find_credentials(
	struct bytes text, const char *profile, struct arena *arena, struct s3_credentials *out)
{
	bool is_found = false, is_inside = false;
	*out = (struct s3_credentials){ 0 };
	while (text.size > 0) {
		const struct bytes line = take_line(&text);
		if (line.size == 0 || line.data[0] == '#' || line.data[0] == ';')
			continue;
		if (line.data[0] == '[') {
			is_inside = is_heading(line, profile);
			is_found |= is_inside;
		} else if (is_inside) {
			take_setting(line, arena, out);
		}
	}
	return is_found;
}

/* A file that is not there holds no credentials; one that cannot be read is an error. */
static bool read_file(const struct s3_store *s3, struct arena *arena, struct s3_credentials *out,
	struct error *err)
{
	struct buffer text = { 0 };
	*out = (struct s3_credentials){ 0 };
	if (s3->credentials_file == NULL)
		return true;
	bool done = world_read_file(s3->world, s3->credentials_file, FILE_SIZE_MAX, &text, err);
	if (done)
		s3_find_credentials(buffer_bytes(&text), s3->profile, arena, out);
	else if (err->kind == ERROR_MISSING)
		done = true;
	else
		err->kind = ERROR_SETUP;
	buffer_deinit(&text);
	return done;
}

static void set(struct s3_store *s3, const struct s3_credentials *from)
{
	struct s3_credentials *credentials = arena_new(&s3->arena, struct s3_credentials);
	credentials->access_key = arena_copy_cstring(&s3->arena, from->access_key);
	credentials->secret_key = arena_copy_cstring(&s3->arena, from->secret_key);
	if (from->session_token != NULL && from->session_token[0] != '\0')
		credentials->session_token = arena_copy_cstring(&s3->arena, from->session_token);
	atomic_store(&s3->credentials, credentials);
}

static bool fail_incomplete(const struct s3_credentials *found, struct error *err)
{
	error_set(err, ERROR_SETUP, "%s is not given",
		found->access_key == NULL ? "s3.access_key" : "s3.secret_key");
	return error_hint(err, "Set s3.access_key and s3.secret_key, or AWS_ACCESS_KEY_ID and "
			       "AWS_SECRET_ACCESS_KEY, or MINIO_ACCESS_KEY and MINIO_SECRET_KEY, "
			       "or write them to ~/.aws/credentials.");
}

bool s3_credentials_open(struct s3_store *s3, const struct s3_options *options, struct error *err)
{
	struct s3_credentials found = { options->access_key, options->secret_key,
		options->session_token };
	const bool has_token = found.session_token != NULL && found.session_token[0] != '\0';
	if (found.access_key == NULL && found.secret_key == NULL && options->profile != NULL &&
		options->credentials_file != NULL) {
		s3->credentials_file = arena_copy_cstring(&s3->arena, options->credentials_file);
		s3->profile = arena_copy_cstring(&s3->arena, options->profile);
		if (!read_file(s3, &s3->arena, &found, err))
			return false;
	}
	if (found.access_key == NULL || found.secret_key == NULL)
		return fail_incomplete(&found, err);
	if (s3->credentials_file != NULL && has_token) {
		error_set(err, ERROR_SETUP, "s3.session_token is given, and its keys are not");
		return error_hint(err,
			"Set s3.access_key and s3.secret_key, too, or take s3.session_token "
			"away: \"%s\" has the keys, and their token if they need one.",
			s3->credentials_file);
	}
	set(s3, &found);
	return true;
}

static bool texts_are_equal(const char *a, const char *b)
{
	return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

bool s3_credentials_renew(struct s3_store *s3, const struct s3_credentials *used)
{
	struct arena arena = { 0 };
	struct s3_credentials found;
	struct error err;
	if (s3->credentials_file == NULL)
		return false;
	pthread_mutex_lock(&s3->credentials_lock);
	bool is_new = atomic_load(&s3->credentials) != used; /* by another thread */
	if (!is_new && read_file(s3, &arena, &found, &err) && found.access_key != NULL &&
		found.secret_key != NULL) {
		is_new = !texts_are_equal(found.access_key, used->access_key) ||
			 !texts_are_equal(found.secret_key, used->secret_key) ||
			 !texts_are_equal(found.session_token, used->session_token);
		if (is_new)
			set(s3, &found);
	}
	pthread_mutex_unlock(&s3->credentials_lock);
	arena_deinit(&arena);
	return is_new;
}
