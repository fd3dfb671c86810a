#include "source/source.h"

#include <assert.h>

bool source_inspect(
	struct source *source, struct arena *arena, struct source_state *out, struct error *err)
{
	*out = (struct source_state){ 0 };
	if (!source->ops->inspect(source, arena, out, err))
		return error_context(err, "looking at the source");
	return true;
}

bool source_publish(
	struct source *source, const struct relation *relations, size_t count, struct error *err)
{
	if (!source->ops->publish(source, relations, count, err))
		return error_context(err, "publishing the tables of the source");
	return true;
}

bool source_open_snapshot(
	struct source *source, bool is_lake_slot, struct source_snapshot **out, struct error *err)
{
	*out = NULL;
	if (!source->ops->open_snapshot(source, is_lake_slot, out, err))
		return error_context(err, "taking a snapshot of the source");
	assert((*out)->lsn != 0);
	return true;
}

bool source_start(struct source *source, lsn_t lsn, struct error *err)
{
	char text[LSN_TEXT_SIZE];
	if (!source->ops->start(source, lsn, err))
		return error_context(err, "starting the stream at %s", lsn_format(lsn, text));
	return true;
}

bool source_receive(
	struct source *source, micros_t timeout, struct source_message *out, struct error *err)
{
	assert(timeout >= 0);
	*out = (struct source_message){ 0 };
	if (!source->ops->receive(source, timeout, out, err))
		return error_context(err, "receiving changes");
	return true;
}

bool source_confirm(struct source *source, const struct log_receipt *receipt, struct error *err)
{
	char text[LSN_TEXT_SIZE];
	if (!source->ops->confirm(source, receipt, err))
		return error_context(
			err, "confirming %s", lsn_format(log_receipt_lsn(receipt), text));
	return true;
}

bool source_drop(struct source *source, struct error *err)
{
	if (!source->ops->drop(source, err))
		return error_context(err, "removing slot and publications from the source");
	return true;
}

void source_close(struct source *source)
{
	if (source != NULL)
		source->ops->close(source);
}

bool source_snapshot_open_table(
	struct source_snapshot *snapshot, const struct relation *relation, struct error *err)
{
	if (!snapshot->ops->open_table(snapshot, relation, err))
		return error_context(
			err, "opening \"%s.%s\"", relation->namespace_name, relation->name);
	return true;
}

bool source_snapshot_next(struct source_snapshot *snapshot, struct bytes *chunk, struct error *err)
{
	*chunk = (struct bytes){ 0 };
	if (!snapshot->ops->next(snapshot, chunk, err))
		return error_context(err, "reading rows of the snapshot");
	return true;
}

void source_snapshot_close(struct source_snapshot *snapshot)
{
	if (snapshot != NULL)
		snapshot->ops->close(snapshot);
}

struct relation *source_find_relation(
	const struct source_state *state, const char *namespace_name, const char *name)
{
	for (size_t i = 0; i < state->relation_count; i++)
		if (strcmp(state->relations[i].name, name) == 0 &&
			strcmp(state->relations[i].namespace_name, namespace_name) == 0)
			return &state->relations[i];
	return NULL;
}

const char *source_why_left_out(
	const struct source_state *state, const char *namespace_name, const char *name)
{
	if (source_find_relation(state, namespace_name, name) != NULL)
		return NULL;
	for (size_t i = 0; i < state->left_out_count; i++)
		if (strcmp(state->left_out[i].name, name) == 0 &&
			strcmp(state->left_out[i].namespace_name, namespace_name) == 0)
			return state->left_out[i].reason;
	return NULL;
}

/* '*' stands for any text; the rest is literal. */
static bool glob_matches(struct bytes pattern, const char *text)
{
	size_t at = 0, star = SIZE_MAX;
	const char *retry = NULL;
	while (*text != '\0') {
		if (at < pattern.size && pattern.data[at] == '*') {
			star = at++;
			retry = text;
		} else if (at < pattern.size && pattern.data[at] == (uint8_t)*text) {
			at++;
			text++;
		} else if (star != SIZE_MAX) {
			at = star + 1;
			text = ++retry;
		} else {
			return false;
		}
	}
	while (at < pattern.size && pattern.data[at] == '*')
		at++;
	return at == pattern.size;
}

bool source_pattern_names(const char *pattern, const char *namespace_name, const char *name)
{
	const char *dot = strchr(pattern, '.');
	return glob_matches(bytes_of(pattern, (size_t)(dot - pattern)), namespace_name) &&
	       glob_matches(bytes_of_cstring(dot + 1), name);
}

bool source_is_unnamed(
	const struct source_state *state, const char *namespace_name, const char *name)
{
	for (size_t i = 0; i < state->unnamed_count; i++)
		if (strcmp(state->unnamed[i].name, name) == 0 &&
			strcmp(state->unnamed[i].namespace_name, namespace_name) == 0)
			return true;
	return false;
}
