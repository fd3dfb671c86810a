/*
 * tables.h: what a query sees of a lake: its tables, their versions, and the files of a version.
 *
 * The rewriter asks through this interface; lake_tables.c answers it from catalog and store, tests
 * answer it with files of their own.  Calls block and come from one thread.
 */
#ifndef QUERY_TABLES_H
#define QUERY_TABLES_H

#include "base/arena.h"
#include "event/lsn.h"
#include "iceberg/schema.h"

enum version_kind {
	VERSION_NEWEST = 0,
	VERSION_SNAPSHOT,  /* the version with this snapshot id */
	VERSION_POSITION,  /* the newest at or before this lake position */
	VERSION_TIMESTAMP, /* as of the newest lake commit at or before this time */
};

struct version_selector {
	enum version_kind kind;
	int64_t snapshot_id;
	lsn_t position;
	micros_t timestamp;
};

struct table_entry {
	const char *namespace_name;
	const char *name;
	bool is_readable;   /* has a version; else reason says why not */
	bool is_paused;     /* stands still at position, for this reason */
	lsn_t position;     /* 0: not known */
	const char *reason; /* one line, or "" */
};

struct scan_file {
	const char *path; /* absolute, of the local file system; Parquet with field ids */
	uint64_t row_count;
	bool has_deletes; /* some of the version's delete files may name rows of it */
};

/* One version: its rows are those of its files without the positions in its delete files. */
struct table_version {
	const char *key; /* one text for each distinct content, for caches */
	int64_t snapshot_id;
	const struct schema *schema;
	size_t file_count;
	const struct scan_file *files;
	size_t delete_file_count;
	const char *const *delete_files; /* position deletes: file:// URI of a file, row in it */
	uint64_t deleted_row_count;
};

struct tables;

struct tables_ops {
	/*
	 * Take the newest state, which all calls until the next begin are about (I6).  *out is
	 * sorted by namespace and name and lives until the next begin.
	 */
	bool (*begin)(struct tables *tables, const struct table_entry **out, size_t *count,
		struct error *err);

	/*
	 * A version of the readable entry number index, valid until the next begin.  MISSING when
	 * there is no such version (any more); UNSUPPORTED when its files cannot be read here.
	 */
	bool (*version)(struct tables *tables, size_t index,
		const struct version_selector *selector, struct table_version *out,
		struct error *err);

	void (*close)(struct tables *tables);
};

struct tables {
	const struct tables_ops *ops;
};

#endif
