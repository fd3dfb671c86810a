/*
 * manifest.h: manifests and manifest lists, as bytes of Avro files.
 *
 * Spec: Iceberg, "Manifests" and "Manifest Lists".  Both are pure: what was read from or is
 * written to the store comes and goes as bytes.  Unpartitioned tables are written; of partitioned
 * ones everything is read but the partition values.
 *
 * Sequence numbers.  A commit's number is known only when it succeeds, so an ADDED entry is
 * written without numbers and inherits those of its manifest, which inherits the commit's; a
 * manifest can then be written once and survive a retry.  All other entries state theirs.
 */
#ifndef ICEBERG_MANIFEST_H
#define ICEBERG_MANIFEST_H

#include "format/avro/avro_reader.h"
#include "iceberg/data_file.h"
#include "iceberg/schema.h"

enum manifest_entry_status {
	ENTRY_EXISTING = 0,
	ENTRY_ADDED = 1,
	ENTRY_DELETED = 2,
};

enum manifest_content {
	MANIFEST_DATA = 0,
	MANIFEST_DELETES = 1,
};

struct manifest_entry {
	enum manifest_entry_status status;
	bool has_snapshot_id;
	bool has_sequence_number;
	bool has_file_sequence_number;
	int64_t snapshot_id;          /* ADDED: that added it; DELETED: that deleted it */
	int64_t sequence_number;      /* of the data: deletes apply to it by this */
	int64_t file_sequence_number; /* of the commit that added the file */
	struct data_file data_file;
};

/* A manifest as its manifest list names it. */
struct manifest_file {
	const char *manifest_path;
	int64_t manifest_length;
	int32_t partition_spec_id;
	enum manifest_content content;
	int64_t sequence_number;     /* of the commit that wrote it */
	int64_t min_sequence_number; /* of the data of its live entries */
	int64_t added_snapshot_id;   /* that wrote it */
	int32_t added_files_count;
	int32_t existing_files_count;
	int32_t deleted_files_count;
	int64_t added_rows_count;
	int64_t existing_rows_count;
	int64_t deleted_rows_count;
	struct bytes key_metadata; /* empty: not encrypted */
	bool has_first_row_id;     /* v3, data only */
	int64_t first_row_id;
	size_t partition_field_count; /* read only */
};

struct manifest {
	int32_t format_version; /* 1 to 3 */
	enum manifest_content content;
	int32_t partition_spec_id;
	bool is_partitioned;
	size_t entry_count;
	struct manifest_entry *entries;
};

struct manifest_options {
	int32_t format_version; /* 2 or 3 */
	enum manifest_content content;
	const struct schema *schema; /* the table's current one */
	int32_t partition_spec_id;   /* of an unpartitioned spec */
	enum avro_codec codec;
	uint8_t sync[AVRO_SYNC_SIZE]; /* random */
};

/*
 * Append a manifest of entry_count entries, at least one, to out.  ADDED entries without
 * sequence numbers inherit them; EXISTING and DELETED ones must have both.
 */
void manifest_encode(const struct manifest_options *options, const struct manifest_entry *entries,
	size_t entry_count, struct buffer *out);

/*
 * The counts and the least sequence number for the manifest list of a manifest of these entries.
 * sequence_number is the commit's, taken where an entry inherits.  The other fields are left alone.
 */
void manifest_file_count(struct manifest_file *file, const struct manifest_entry *entries,
	size_t entry_count, int64_t sequence_number);

/*
 * *out lives in arena, and does not point into bytes.  Every entry comes with all of its numbers,
 * inherited from `from`, the line of the manifest list that named it.  CORRUPT, LIMIT, UNSUPPORTED.
 */
bool manifest_decode(struct bytes bytes, const struct manifest_file *from,
	const struct avro_limits *limits, struct arena *arena, struct manifest *out,
	struct error *err) MUST_CHECK;

struct manifest_list_options {
	int32_t format_version; /* 2 or 3 */
	int64_t snapshot_id;
	bool has_parent;
	int64_t parent_snapshot_id;
	int64_t sequence_number;
	int64_t first_row_id; /* v3 */
	enum avro_codec codec;
	uint8_t sync[AVRO_SYNC_SIZE];
};

void manifest_list_encode(const struct manifest_list_options *options,
	const struct manifest_file *files, size_t file_count, struct buffer *out);

/* *out lives in arena, and does not point into bytes. */
bool manifest_list_decode(struct bytes bytes, const struct avro_limits *limits, struct arena *arena,
	struct manifest_file **out, size_t *file_count, struct error *err) MUST_CHECK;

#endif
