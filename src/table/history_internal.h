/*
 * history_internal.h: which objects old versions name, and which versions are past their time.
 */
#ifndef TABLE_HISTORY_INTERNAL_H
#define TABLE_HISTORY_INTERNAL_H

#include "iceberg/metadata.h"

struct store;

/* An object that the current version does not name, but a version of first to last may. */
struct past_object {
	char *path; /* owned, in the store */
	int64_t first_sequence_number;
	int64_t last_sequence_number;
	bool is_unnamed; /* by the next version's metadata: to be removed */
};

struct history {
	size_t count;
	size_t capacity;
	struct past_object *objects;
	bool is_unclear; /* a URI lies in the store, in a spelling that no path has */
};

/* From first to last; ranges of one path are joined by history_join(). */
void history_add(struct history *history, const char *path, int64_t first, int64_t last);
/* The object of this URI, when it is in the store. */
void history_name(struct history *history, const struct store *store, const char *uri,
	int64_t first, int64_t last);
void history_join(struct history *history);
void history_deinit(struct history *history);
const struct past_object *history_find(const struct history *joined, const char *path);

/* Adds what the versions of metadata name, those of `known` left out (NULL: none). */
bool history_read(struct store *store, const struct metadata *metadata,
	const struct metadata *known, struct history *out, struct error *err) MUST_CHECK;

/* Marks the objects that no snapshot of metadata names. */
void history_mark(struct history *history, const struct metadata *metadata);

/*
 * Ids of the versions of metadata that are older than the newest one at or before
 * expire_before_ms, `added` (or NULL) among them, which will be on top of the current one.  What a
 * ref names stays, and so does the version that records the position.
 */
int64_t *history_expired(const struct metadata *metadata, const struct snapshot *added,
	int64_t expire_before_ms, struct arena *arena, size_t *count);

#endif
