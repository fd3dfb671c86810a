/*
 * snapshot.h: one version of a table.
 *
 * Spec: Iceberg, "Snapshots" and "Appendix F: Optional Snapshot Summary Fields".
 *
 * walberg adds two keys to the summary of each of its snapshots (I5): the lake's position up to
 * which the table equals its source, and the lake that made it.  The first version of a table that
 * was read again says up to where the version before it equals the source: what the table was
 * between that position and its own is not known.
 */
#ifndef ICEBERG_SNAPSHOT_H
#define ICEBERG_SNAPSHOT_H

#include "base/json.h"
#include "event/lsn.h"

#define SUMMARY_POSITION "walberg.position"       /* lsn_format() */
#define SUMMARY_LAKE "walberg.lake"               /* the lake's id */
#define SUMMARY_KNOWN_UNTIL "walberg.known-until" /* lsn_format(), of the parent */
#define SUMMARY_OPERATION "operation"             /* append, replace, overwrite, delete */

struct key_value {
	const char *key;
	const char *value;
};

/* Members of an object that walberg does not model, written back as they were. */
struct kept_member {
	const char *key;
	const char *json;
};

struct kept_members {
	size_t count;
	struct kept_member *members;
};

struct snapshot {
	int64_t snapshot_id;
	bool has_parent;
	bool has_schema_id;
	bool has_first_row_id; /* v3: first_row_id and added_rows */
	int32_t schema_id;
	int64_t parent_snapshot_id;
	int64_t sequence_number;
	int64_t timestamp_ms;
	const char *manifest_list; /* URI; "" in an old table of version 1 */
	size_t summary_count;
	struct key_value *summary; /* in order; "operation" among them */
	int64_t first_row_id;
	int64_t added_rows;
	const char *json; /* of one read or committed: what is written; NULL for one made here */
};

bool snapshot_decode(
	json_t *json, struct arena *arena, struct snapshot *out, struct error *err) MUST_CHECK;

/* In the arena, with its JSON made if it was missing: the summary's keys are unique. */
struct snapshot snapshot_copy(const struct snapshot *snapshot, struct arena *arena);

const char *snapshot_summary(const struct snapshot *snapshot, const char *key); /* or NULL */

/* As a whole number; 0 when it is not there or not one. */
int64_t snapshot_summary_count(const struct snapshot *snapshot, const char *key);

/* The lake's position; false when the snapshot is not walberg's. */
bool snapshot_position(const struct snapshot *snapshot, lsn_t *out);

/* A positive random snapshot id from 8 random bytes (world_random). */
int64_t snapshot_id_of_random(uint64_t random);

#endif
