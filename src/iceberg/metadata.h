/*
 * metadata.h: the root of a table, and its JSON form.
 *
 * Spec: Iceberg, "Table Metadata Fields" and "Appendix C: Table Metadata and Snapshots".
 *
 * A struct metadata is immutable once made, and all of it lives in the one arena it was made in:
 * it points neither into the bytes it was decoded from, nor into the metadata it was built on, nor
 * into the updates.  The lifetime of a version is therefore an arena of its own: decode or apply
 * into a fresh arena, and drop the old version's arena when the new one has taken its place.
 *
 * What walberg does not model is kept as JSON text and written back, so that a foreign change
 * survives a commit on top of it.
 */
#ifndef ICEBERG_METADATA_H
#define ICEBERG_METADATA_H

#include "iceberg/schema.h"
#include "iceberg/snapshot.h"

#define REF_MAIN "main"
#define PROPERTY_PREVIOUS_VERSIONS_MAX "write.metadata.previous-versions-max"

struct partition_spec {
	int32_t spec_id;
	size_t field_count; /* 0: unpartitioned */
	const char *json;
};

struct sort_order {
	int32_t order_id;
	size_t field_count; /* 0: unsorted */
	const char *json;
};

/* A retention of 0 is not set. */
struct snapshot_ref {
	const char *name;
	bool is_tag; /* else a branch */
	int64_t snapshot_id;
	int32_t min_snapshots_to_keep; /* branch */
	int64_t max_snapshot_age_ms;   /* branch */
	int64_t max_ref_age_ms;
	struct kept_members other;
};

struct snapshot_log_entry {
	int64_t timestamp_ms;
	int64_t snapshot_id;
};

struct metadata_log_entry {
	int64_t timestamp_ms;
	const char *metadata_file;
};

struct statistics_file {
	int64_t snapshot_id;
	const char *json;
};

struct metadata {
	int32_t format_version; /* 1 (only read), 2, 3 */
	const char *table_uuid;
	const char *location; /* without a trailing slash */
	int64_t last_sequence_number;
	int64_t last_updated_ms;
	int32_t last_column_id;
	int32_t last_partition_id;
	int64_t next_row_id; /* v3 */

	size_t schema_count;
	struct schema *schemas;
	const struct schema *current_schema;
	size_t spec_count;
	struct partition_spec *specs;
	int32_t default_spec_id;
	size_t sort_order_count;
	struct sort_order *sort_orders;
	int32_t default_sort_order_id;

	size_t property_count;
	struct key_value *properties;

	const struct snapshot *current_snapshot; /* head of main; NULL for a table without */
	size_t snapshot_count;
	struct snapshot *snapshots; /* in the file's order: oldest first */
	size_t ref_count;
	struct snapshot_ref *refs;
	size_t snapshot_log_count;
	struct snapshot_log_entry *snapshot_log;
	size_t metadata_log_count;
	struct metadata_log_entry *metadata_log;
	size_t statistics_count;
	struct statistics_file *statistics;
	size_t partition_statistics_count;
	struct statistics_file *partition_statistics;
	struct kept_members other;
};

struct metadata_limits {
	size_t size_max; /* bytes of JSON, decompressed */
	size_t snapshot_count_max;
};

extern const struct metadata_limits METADATA_LIMITS_DEFAULT; /* 64 MiB, 100 000 snapshots */

/*
 * The bytes of a metadata file, gzip-compressed or not.  CORRUPT when they break the specification,
 * UNSUPPORTED for a format version beyond 3, LIMIT.
 */
bool metadata_decode(struct bytes bytes, const struct metadata_limits *limits, struct arena *arena,
	struct metadata **out, struct error *err) MUST_CHECK;

/* Compact JSON, appended to out. */
void metadata_encode(const struct metadata *metadata, struct buffer *out);

/* UNSUPPORTED when walberg cannot write this table: version 1, partitioned, unknown column types.
 */
bool metadata_check_writable(const struct metadata *metadata, struct error *err) MUST_CHECK;

struct metadata_options {
	int32_t format_version; /* 2 or 3 */
	const char *table_uuid;
	const char *location; /* absolute URI without a trailing slash */
	const struct schema *schema;
	size_t property_count;
	const struct key_value *properties;
	int64_t now_ms;
};

/* A new table without a snapshot: unpartitioned, unsorted, schema id 0.  Copies everything. */
struct metadata *metadata_new(const struct metadata_options *options, struct arena *arena);

/* All of it in the arena; nothing is shared with metadata. */
struct metadata *metadata_copy(const struct metadata *metadata, struct arena *arena);

const struct snapshot *metadata_find_snapshot(const struct metadata *metadata, int64_t id);
const struct snapshot *metadata_parent(const struct metadata *metadata,
	const struct snapshot *snapshot); /* NULL: none, or expired */
const struct snapshot_ref *metadata_find_ref(const struct metadata *metadata, const char *name);
const char *metadata_property(const struct metadata *metadata, const char *key); /* or NULL */
const struct schema *metadata_find_schema(const struct metadata *metadata, int32_t schema_id);

/*
 * walberg's newest snapshot in the ancestry of the current one (I2): its position is the table's.
 * NULL when there is none.
 */
const struct snapshot *metadata_walberg_snapshot(const struct metadata *metadata);

#endif
