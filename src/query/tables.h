/*
 * tables.h: what a query sees of a lake: its tables, their versions, and the files of a version.
 *
 * The rewriter asks through this interface; lake_tables.c answers it from catalog and store, tests
 * answer it with files of their own.  Calls block and come from one thread.
 */
#ifndef QUERY_TABLES_H
#define QUERY_TABLES_H

#include "base/map.h"
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
	const char *uri;  /* by which delete files name it, when that is not its path; or NULL */
	uint64_t size_bytes;
	uint64_t row_count;
	bool has_deletes; /* some of the version's delete files may name rows of it */
};

struct delete_file { /* position deletes: URI of a file, row in it */
	const char *path;
	const char *uri;
	uint64_t size_bytes;
};

/* One version: its rows are those of its files without the positions in its delete files. */
struct table_version {
	int64_t snapshot_id;
	const struct schema *schema;
	size_t file_count;
	const struct scan_file *files;
	size_t delete_file_count;
	const struct delete_file *delete_files;
	uint64_t deleted_row_count;
};

enum columns_kind {
	COLUMNS_NAMED = 0, /* those with these names */
	COLUMNS_ALL,
	COLUMNS_UNREAD, /* all, but only their names and types: no file is read */
};

struct wanted_columns {
	enum columns_kind kind;
	const struct map *names; /* of COLUMNS_NAMED: by column_name_key() */
};

uint64_t column_name_key(const char *name); /* one key for names that differ in case only */
bool column_is_wanted(const struct wanted_columns *wanted, const char *name);

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
	 * Files that do not lie on this machine have no path yet.
	 */
	bool (*version)(struct tables *tables, size_t index,
		const struct version_selector *selector, struct table_version *out,
		struct error *err);

	/*
	 * The same version with all files where they can be read, until the next begin.  Its schema
	 * has at least the wanted columns, and no other can be read: where files are fetched, the
	 * others are not there.
	 */
	bool (*fetch)(struct tables *tables, const struct table_version *version,
		const struct wanted_columns *wanted, struct table_version *out, struct error *err);

	void (*close)(struct tables *tables);
};

struct tables {
	const struct tables_ops *ops;
};

#endif
