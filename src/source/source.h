/*
 * source.h: where changes come from: a PostgreSQL server, or a recording (source/replay).
 *
 * One source belongs to one thread, except that a snapshot may be read by another.  The source
 * keeps its connections; after LOST, close it and open it again.
 *
 * Kinds: LOST (the server went away), BUSY (the slot is still active for another connection),
 * SETUP (what an administrator must change: privileges, wal_level, a dropped or invalidated slot),
 * UNSUPPORTED, CORRUPT (a server that breaks the protocol), MISSING (a table is gone), CONFLICT
 * (a table was rewritten since it was inspected: its filenode differs).
 */
#ifndef SOURCE_SOURCE_H
#define SOURCE_SOURCE_H

#include "event/relation.h"
#include "log/log.h"

struct source;
struct source_snapshot;

/*
 * Of a table that is not captured, or captured in part (then it is among the relations as well:
 * without its generated columns), and why.
 */
struct source_left_out {
	const char *namespace_name;
	const char *name;
	const char *reason; /* a sentence for `status`, with what to do about it */
};

struct source_name {
	const char *namespace_name;
	const char *name;
};

struct source_state { /* in the arena of the call */
	const char *system_identifier;
	int64_t timeline;
	int server_version; /* 150018 */
	lsn_t current_lsn;  /* the server's flushed WAL end */

	bool has_slot;
	bool slot_is_active;
	bool slot_is_lost; /* invalidated: the WAL that the lake needs is gone */
	lsn_t confirmed_lsn;
	lsn_t restart_lsn;       /* WAL from here on is held back */
	const char *publication; /* one of the lake's that exists; NULL: none does */

	size_t relation_count; /* what is captured; a column of VALUE_NONE pauses its table */
	struct relation *relations;
	size_t left_out_count;
	struct source_left_out *left_out;
	size_t unnamed_count; /* tables that no pattern names */
	struct source_name *unnamed;
	size_t idle_count; /* patterns that name no table */
	const char **idle;
};

/* Whether a pattern, "schema.table" with '*' for any text in either part, names a table. */
bool source_pattern_names(const char *pattern, const char *namespace_name, const char *name);

/* NULL when it is not among them. */
struct relation *source_find_relation(
	const struct source_state *state, const char *namespace_name, const char *name);
/* The table is there, but no pattern names it. */
bool source_is_unnamed(
	const struct source_state *state, const char *namespace_name, const char *name);
/* The reason; NULL when the table is captured, if only in part, or is not there. */
const char *source_why_left_out(
	const struct source_state *state, const char *namespace_name, const char *name);

enum source_message_kind {
	SOURCE_NOTHING = 0, /* none came within the time */
	SOURCE_MESSAGE,     /* body is a pgoutput message */
	SOURCE_KEEPALIVE,   /* lsn: the server has sent everything up to here */
};

struct source_message {
	enum source_message_kind kind;
	lsn_t lsn;         /* of a message: its WAL start; of a keepalive: the WAL end */
	micros_t sent_at;  /* the server's clock, since 1970 */
	struct bytes body; /* valid until the next call */
};

struct source_ops {
	/* What is there. Changes nothing. */
	bool (*inspect)(struct source *source, struct arena *arena, struct source_state *out,
		struct error *err);

	/*
	 * Make both publications, and put these relations into them where they are missing, by
	 * is_append.  One with a column of VALUE_NONE or with replica identity 'i', which is
	 * paused, goes into neither.  Comes before the snapshot: the stream knows publications
	 * only as they were at its position.  Safe to repeat.
	 */
	bool (*publish)(struct source *source, const struct relation *relations, size_t count,
		struct error *err);

	/*
	 * The state at one LSN, to be read.  With is_lake_slot the lake's own slot is made there
	 * (it must not exist, or CONFLICT; after any other failure it may), else a temporary one
	 * that goes with the snapshot.  While it waits for transactions that are open on the
	 * server, it logs their pids and ages.
	 */
	bool (*open_snapshot)(struct source *source, bool is_lake_slot,
		struct source_snapshot **out, struct error *err);

	/* Stream from lsn on (0: from where the slot stands). */
	bool (*start)(struct source *source, lsn_t lsn, struct error *err);

	/*
	 * The next message, waiting at most timeout.  Keepalives that ask for an answer get one
	 * with what was confirmed last.
	 */
	bool (*receive)(struct source *source, micros_t timeout, struct source_message *out,
		struct error *err);

	/*
	 * I3.  Tells the server now; also keeps the connection alive when nothing is received.  A
	 * receipt below what the slot has confirmed already says nothing more than that.
	 */
	bool (*confirm)(
		struct source *source, const struct log_receipt *receipt, struct error *err);

	/* Drop the lake's slot and publications where they exist, and nothing else. */
	bool (*drop)(struct source *source, struct error *err);

	void (*close)(struct source *source);
};

struct source_snapshot_ops {
	/*
	 * CONFLICT when the table's filenode or columns are not the relation's any more, MISSING
	 * when it was dropped or renamed, BUSY while another transaction locks it.  After these,
	 * and in the middle of a table, another one can be opened.
	 */
	bool (*open_table)(struct source_snapshot *snapshot, const struct relation *relation,
		struct error *err);

	/*
	 * Bytes of the table's binary COPY (format/pgcopy), in relation->columns' order; an empty
	 * chunk is the end.
	 */
	bool (*next)(struct source_snapshot *snapshot, struct bytes *chunk, struct error *err);

	void (*close)(struct source_snapshot *snapshot);
};

struct source {
	const struct source_ops *ops;
	/* Asked while open_snapshot waits for others: true ends it with LOST. NULL: never. */
	bool (*is_stopped)(void *context);
	void *stop_context;
};

struct source_snapshot {
	const struct source_snapshot_ops *ops;
	lsn_t lsn; /* the consistent point: exactly the commits up to here are in it */
};

bool source_inspect(struct source *source, struct arena *arena, struct source_state *out,
	struct error *err) MUST_CHECK;
bool source_publish(struct source *source, const struct relation *relations, size_t count,
	struct error *err) MUST_CHECK;
bool source_open_snapshot(struct source *source, bool is_lake_slot, struct source_snapshot **out,
	struct error *err) MUST_CHECK;
bool source_start(struct source *source, lsn_t lsn, struct error *err) MUST_CHECK;
bool source_receive(struct source *source, micros_t timeout, struct source_message *out,
	struct error *err) MUST_CHECK;
bool source_confirm(
	struct source *source, const struct log_receipt *receipt, struct error *err) MUST_CHECK;
bool source_drop(struct source *source, struct error *err) MUST_CHECK;
void source_close(struct source *source);

bool source_snapshot_open_table(struct source_snapshot *snapshot, const struct relation *relation,
	struct error *err) MUST_CHECK;
bool source_snapshot_next(
	struct source_snapshot *snapshot, struct bytes *chunk, struct error *err) MUST_CHECK;
void source_snapshot_close(struct source_snapshot *snapshot);

struct postgres_options {
	const char *url;       /* libpq URI or key=value text */
	const char *user;      /* where the url names none; NULL */
	const char *password;  /* likewise */
	const char *slot_name; /* walberg_<lake id> unless set */
	const char *publication_name;
	const char *append_publication_name;
	const char *const *tables; /* patterns "schema.table", "*" in either part */
	size_t table_count;
	micros_t connect_timeout;
	micros_t answer_timeout; /* to a question; not of a snapshot and its rows; 0: for ever */
};

/* Connects and checks the server: version, wal_level, free slots and senders, privileges. */
bool source_postgres_open(struct world *world, const struct postgres_options *options,
	struct source **out, struct error *err) MUST_CHECK;

struct postgres_facts { /* what a server offers, enough or not; texts are in the arena */
	int version;
	const char *version_text;
	const char *role;
	const char *database;
	bool is_standby;
	bool may_replicate;
	bool may_create; /* publications, in the database */
	const char *wal_level;
	int64_t slots_max, slots_used;
	int64_t senders_max, senders_used;
	int64_t slot_keep_bytes; /* max_slot_wal_keep_size; -1: without a limit */
	int64_t idle_timeout;    /* idle_replication_slot_timeout; 0: none */
	bool has_tls;
	bool is_local; /* the connection does not leave this machine */

	bool has_slot;           /* the one that the options name */
	const char *slot_status; /* pg_replication_slots.wal_status; "" */
	int64_t slot_held_bytes;
	bool has_slot_room;
	int64_t slot_room_bytes; /* of WAL until it is invalidated */

	size_t large_count;
	const char **large; /* tables, quoted: an update need not send all of their values */
};

/* Changes nothing, and needs no more than to connect. */
bool source_postgres_examine(const struct postgres_options *options, struct arena *arena,
	struct postgres_facts *out, struct error *err) MUST_CHECK;

#endif
