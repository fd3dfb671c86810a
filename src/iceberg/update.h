/*
 * update.h: changes of a table's metadata.
 *
 * Spec: Iceberg REST catalog, TableUpdate.  Pure: metadata_apply() makes a new metadata on top of
 * base, keeping what Java's reader insists on: the last snapshot-log entry is the current snapshot,
 * the log is cut where a snapshot is gone, main's ref and the current snapshot are one, sequence
 * numbers and times do not go back.
 */
#ifndef ICEBERG_UPDATE_H
#define ICEBERG_UPDATE_H

#include "iceberg/metadata.h"

enum update_kind {
	UPDATE_ASSIGN_UUID = 1,
	UPDATE_ADD_SCHEMA,
	UPDATE_SET_CURRENT_SCHEMA,
	UPDATE_ADD_SNAPSHOT,
	UPDATE_SET_SNAPSHOT_REF,
	UPDATE_REMOVE_SNAPSHOTS,
	UPDATE_REMOVE_SNAPSHOT_REF,
	UPDATE_SET_PROPERTIES,
	UPDATE_REMOVE_PROPERTIES,
};

enum {
	SCHEMA_ID_LAST_ADDED = -1
};

struct update {
	enum update_kind kind;
	union {
		const char *uuid;            /* ASSIGN_UUID: must be the one it has */
		const struct schema *schema; /* ADD_SCHEMA: an equal one is used again; its id is
						chosen here */
		int32_t schema_id;           /* SET_CURRENT_SCHEMA */
		const struct snapshot *snapshot; /* ADD_SNAPSHOT */
		const struct snapshot_ref *ref;  /* SET_SNAPSHOT_REF: made or replaced */
		const char *ref_name;            /* REMOVE_SNAPSHOT_REF: not main */
		struct {
			size_t count;
			const int64_t *ids;
		} snapshots; /* REMOVE_SNAPSHOTS: refs to them and their statistics go too */
		struct {
			size_t count;
			const struct key_value *items;
		} properties; /* SET_PROPERTIES */
		struct {
			size_t count;
			const char *const *keys;
		} removals; /* REMOVE_PROPERTIES */
	};
};

struct update_options {
	int64_t now_ms;            /* last-updated-ms when no snapshot is added */
	const char *base_location; /* the metadata file of base, for the metadata-log; or NULL */
};

/*
 * *out lives in arena (metadata.h says for how long); base is not changed and may go afterwards.
 * CONFLICT when an update does not fit base (a snapshot id that exists, a sequence number that
 * was taken, a time before the last version's, an unknown snapshot); UNSUPPORTED for what walberg
 * does not do (version 1, removing main).
 */
bool metadata_apply(const struct metadata *base, const struct update *updates, size_t update_count,
	const struct update_options *options, struct arena *arena, struct metadata **out,
	struct error *err) MUST_CHECK;

#endif
