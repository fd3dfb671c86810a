/*
 * catalog.h: names to table metadata, and the lake's own small state, changed atomically (D3).
 *
 * A SQL catalog keeps Iceberg's JDBC layout (V1), which other engines read, and beside it walberg's
 * own tables.  Everything of one catalog_commit() happens in one transaction or not at all.
 *
 * I2: a commit carries the commit number that its maker loaded; when the lake has another by now,
 * nothing changes and it is CONFLICT.  I5, I6: the lake's position is written in the transaction
 * that swaps the tables' pointers.
 *
 * Calls block; one catalog handle belongs to one thread.  Kinds: BUSY, LOST, CONFLICT, UNCERTAIN
 * (a commit whose answer was lost: look at commit_id before anything else, I4; what a load then
 * shows is final), LIMIT (disk full), CORRUPT, SETUP.
 */
#ifndef CATALOG_CATALOG_H
#define CATALOG_CATALOG_H

#include "base/arena.h"
#include "event/lsn.h"
#include "net/postgres.h"

enum lake_phase {
	LAKE_NEW = 0,  /* named, nothing made yet */
	LAKE_STARTING, /* slot and publications may exist; initial snapshot not committed */
	LAKE_LIVE,     /* has a position */
	LAKE_DROPPED,  /* walberg drop: slot and publications are gone, the tables stay */
};

/* One row for a lake.  Text is never NULL. */
struct lake {
	const char *id;                      /* short, random: names slot and publications */
	const char *slot_name;               /* written before the slot is made */
	const char *publication_name;        /* tables with identity */
	const char *append_publication_name; /* tables without: insert, truncate */
	const char *system_identifier;       /* of the source, "" when not known yet */
	int64_t timeline;
	enum lake_phase phase;

	uint64_t commit_number; /* one more with each catalog commit */
	const char *commit_id;  /* random, of the last commit */
	lsn_t position;         /* all source commits up to here are in the tables */
	micros_t position_at;   /* the source's clock at position: commit or keepalive time */
	int64_t timestamp_ms;   /* of the last commit's versions; grows whatever the clock does */
	uint64_t log_position;  /* where in the log apply resumes; of the log named log_id */
	const char *log_id;

	/* The last logged source commit: the server must send exactly it again. */
	lsn_t last_commit_lsn; /* its end LSN */
	uint32_t last_commit_xid;
	micros_t last_commit_at;
};

enum table_state {
	TABLE_FORGOTTEN = 0, /* in a change: the lake knows it no more, its row goes */
	TABLE_LIVE,
	TABLE_SNAPSHOT, /* being read (again); not visible or left at its version until then */
	TABLE_PAUSED,   /* left at its version, with a reason */
	TABLE_LEFT_OUT, /* of the source, not captured, with a reason */
};
enum {
	TABLE_STATE_COUNT = TABLE_LEFT_OUT + 1
};

struct catalog_table {
	const char *namespace_name;
	const char *name;
	const char *metadata_location; /* "" when the lake has no such table yet */
	enum table_state state;
	const char *reason;     /* why paused or left out: text and hint, one line; else "" */
	const char *definition; /* struct relation as JSON, written by engine; "" when left out */
	lsn_t position;         /* changes up to here are in it: of its snapshot, or where paused */
	uint64_t log_position;  /* where a snapshot in progress needs the log from; else 0 */
};

/* A point in the lake's history: one for each commit that made versions. */
struct lake_commit {
	uint64_t commit_number;
	lsn_t position;
	int64_t timestamp_ms;
};

#define CATALOG_REQUEST_SNAPSHOT "snapshot"
#define CATALOG_REQUEST_EVERYTHING "--all"

struct catalog_request { /* of a command to the running process */
	int64_t id;
	const char *kind;     /* CATALOG_REQUEST_SNAPSHOT: read a table again */
	const char *argument; /* "public.orders", or CATALOG_REQUEST_EVERYTHING */
};

struct catalog_view { /* everything, read in one transaction; in the arena */
	struct lake lake;
	size_t table_count;
	struct catalog_table *tables; /* sorted by namespace, name */
	size_t commit_count;
	struct lake_commit *commits; /* oldest first */
	size_t request_count;
	struct catalog_request *requests;
};

struct removal {             /* an object that no version names any more */
	const char *path;    /* in the store */
	micros_t not_before; /* readers may still be at work until then */
};

/* The same location twice changes the state alone; a new location of "" drops the table. */
struct table_change {
	const struct catalog_table *table; /* as it shall be; metadata_location is the new one */
	const char *base_location;         /* the pointer it replaces; "" for a new table */
};

struct catalog_commit {
	uint64_t base_commit_number; /* I2: what the maker loaded */
	const struct lake *lake;     /* as it shall be; commit_number is base + 1, commit_id new */
	size_t change_count;
	const struct table_change *changes;
	bool makes_version;       /* record a lake_commit */
	int64_t forget_before_ms; /* drop lake_commits older than this; 0: none */
	size_t removal_count;
	const struct removal *removals; /* added */
	size_t removed_count;
	const char *const *removed; /* paths that are gone from the store: dropped from removals */
	size_t done_count;
	const int64_t *done; /* requests that are dealt with */
};

struct catalog_pointer { /* of any table or view in the same database, whoever has put it there */
	const char *catalog_name;
	const char *namespace_name;
	const char *name;
	const char *metadata_location;
	const char *previous_location; /* "" when there is none */
	bool is_view;
};

struct catalog;

struct catalog_ops {
	const char *scheme; /* "sqlite", "postgresql", "memory" */

	/* MISSING when the catalog has no lake yet. */
	bool (*load)(struct catalog *catalog, struct arena *arena, struct catalog_view *out,
		struct error *err);

	/* Put the first row; CONFLICT when there is a lake already. */
	bool (*create)(struct catalog *catalog, const struct lake *lake, struct error *err);

	/*
	 * CONFLICT with *table_conflict == SIZE_MAX: the lake's commit number is another; else
	 * the index of the change whose table pointer is another (a foreign commit).
	 */
	bool (*commit)(struct catalog *catalog, const struct catalog_commit *commit,
		size_t *table_conflict, struct error *err);

	/* Removals whose time is at or before now, at most count_max, earliest first. */
	bool (*removals)(struct catalog *catalog, micros_t now, size_t count_max,
		struct arena *arena, struct removal **out, size_t *count, struct error *err);

	/* Every pointer of every catalog in the database, in no order; of one moment. */
	bool (*pointers)(struct catalog *catalog, struct arena *arena, struct catalog_pointer **out,
		size_t *count, struct error *err);

	/* Those of the view, without the rest. */
	bool (*requests)(struct catalog *catalog, struct arena *arena, struct catalog_request **out,
		size_t *count, struct error *err);

	/* Ask the running process for something; safe to repeat. */
	bool (*request)(
		struct catalog *catalog, const char *kind, const char *argument, struct error *err);

	/*
	 * Where several machines reach the catalog: the lake's lock among them, until close().
	 * SETUP when somebody else holds it, who is named; BUSY when this handle had it and its
	 * connection was lost.  I2 holds without it.
	 */
	bool (*lock)(struct catalog *catalog, struct error *err);

	void (*close)(struct catalog *catalog);
};

struct catalog {
	const struct catalog_ops *ops;
};

bool catalog_load(struct catalog *catalog, struct arena *arena, struct catalog_view *out,
	struct error *err) MUST_CHECK;
bool catalog_create(struct catalog *catalog, const struct lake *lake, struct error *err) MUST_CHECK;
bool catalog_commit(struct catalog *catalog, const struct catalog_commit *commit,
	size_t *table_conflict, struct error *err) MUST_CHECK;
bool catalog_removals(struct catalog *catalog, micros_t now, size_t count_max, struct arena *arena,
	struct removal **out, size_t *count, struct error *err) MUST_CHECK;
bool catalog_pointers(struct catalog *catalog, struct arena *arena, struct catalog_pointer **out,
	size_t *count, struct error *err) MUST_CHECK;
bool catalog_load_requests(struct catalog *catalog, struct arena *arena,
	struct catalog_request **out, size_t *count, struct error *err) MUST_CHECK;
bool catalog_request(struct catalog *catalog, const char *kind, const char *argument,
	struct error *err) MUST_CHECK;
bool catalog_lock(struct catalog *catalog, struct error *err) MUST_CHECK;
void catalog_close(struct catalog *catalog);

/* STARTING or LIVE: what bears the lake's names at the source is its own. */
bool lake_may_have_slot(const struct lake *lake);

/* With copies of its texts. */
struct lake catalog_copy_lake(const struct lake *lake, struct arena *arena);

const struct catalog_table *catalog_view_find(
	const struct catalog_view *view, const char *namespace_name, const char *name);

struct sqlite_options {
	const char *path;         /* absolute */
	const char *catalog_name; /* the catalog_name column: "walberg" unless set */
	const char *vfs;          /* NULL: SQLite's own; a simulation registers another */
	bool is_read_only;        /* for queries and status: never makes or changes anything */
	int64_t busy_timeout_ms;
};
/*
 * Makes the file when it is missing, but not its directory.  MISSING: a read-only open of a file
 * that is not there; CORRUPT: not a SQLite database; UNSUPPORTED: of a later walberg.
 */
bool catalog_sqlite_open(
	const struct sqlite_options *options, struct catalog **out, struct error *err) MUST_CHECK;

struct postgres_catalog_options {
	struct postgres_target target; /* a database of its own; texts are copied */
	const char *catalog_name;      /* the catalog_name column: "walberg" unless set */
	bool is_read_only;             /* for queries and status: never makes or changes anything */
	int64_t busy_timeout_ms;       /* how long a lock of another transaction is waited for */
};
/*
 * Makes the database and the tables when they are missing.  MISSING: a read-only open of a database
 * that is not there; SETUP: no privilege, wrong password, a standby or read-only; UNSUPPORTED: of
 * a later walberg.  A handle whose connection is lost makes another one by itself.  A server that
 * is silent for longer than target.answer_timeout is LOST, in a commit's end UNCERTAIN.
 */
bool catalog_postgres_open(const struct postgres_catalog_options *options, struct catalog **out,
	struct error *err) MUST_CHECK;

/* Handles made by catalog_memory_share() see the same catalog. */
struct catalog *catalog_memory_open(void);
struct catalog *catalog_memory_share(struct catalog *memory);

/* As store_faulty_open() (store.h): owns inner; UNCERTAIN makes the call and loses its answer. */
struct catalog *catalog_faulty_open(struct catalog *inner,
	enum error_kind (*strike)(void *context, const char *call), void *context);

#endif
