/*
 * pgoutput.h: decode messages of PostgreSQL's pgoutput plugin, protocol versions 1 and 2.
 *
 * Pure: no I/O, no clock, no globals.  A decoded message lives as long as the body (every slice
 * points into it) and the arena (arrays) that were given: copy what has to outlive them.
 *
 * In protocol 2 the messages between Stream Start and Stream Stop carry the xid of their
 * transaction or subtransaction; nothing in a message says so, hence the parameter in_stream.
 * Spec: PostgreSQL manual, "Logical Replication Message Formats".
 */
#ifndef FORMAT_PGOUTPUT_PGOUTPUT_H
#define FORMAT_PGOUTPUT_PGOUTPUT_H

#include "base/arena.h"
#include "event/lsn.h"

/* The byte that a message begins with. */
enum pgoutput_kind {
	PGOUTPUT_NONE = 0,
	PGOUTPUT_BEGIN = 'B',
	PGOUTPUT_COMMIT = 'C',
	PGOUTPUT_ORIGIN = 'O',
	PGOUTPUT_RELATION = 'R',
	PGOUTPUT_TYPE = 'Y',
	PGOUTPUT_INSERT = 'I',
	PGOUTPUT_UPDATE = 'U',
	PGOUTPUT_DELETE = 'D',
	PGOUTPUT_TRUNCATE = 'T',
	PGOUTPUT_MESSAGE = 'M', /* of pg_logical_emit_message() */
	PGOUTPUT_STREAM_START = 'S',
	PGOUTPUT_STREAM_STOP = 'E',
	PGOUTPUT_STREAM_COMMIT = 'c',
	PGOUTPUT_STREAM_ABORT = 'A',
};

enum pgoutput_value_kind {
	PGOUTPUT_VALUE_NULL = 'n',
	PGOUTPUT_VALUE_UNCHANGED = 'u', /* a TOAST value that did not change and is not sent */
	PGOUTPUT_VALUE_TEXT = 't',
	PGOUTPUT_VALUE_BINARY = 'b',
};

enum {
	PGOUTPUT_COLUMNS_MAX = 1664, /* PostgreSQL's MaxTupleAttributeNumber */
};

struct pgoutput_value {
	uint8_t kind;       /* enum pgoutput_value_kind */
	struct bytes bytes; /* of 't' and 'b' */
};

struct pgoutput_tuple {
	size_t count;
	const struct pgoutput_value *values;
};

struct pgoutput_begin {
	lsn_t commit_lsn; /* where the commit record starts: not what is confirmed */
	micros_t committed_at;
};

struct pgoutput_commit { /* Commit, Stream Commit */
	lsn_t commit_lsn;
	lsn_t end_lsn; /* where the next record starts: the position that is confirmed */
	micros_t committed_at;
};

struct pgoutput_origin {
	lsn_t commit_lsn; /* on the origin */
	struct bytes name;
};

struct pgoutput_column {
	struct bytes name;
	uint32_t type_oid;
	int32_t type_modifier; /* -1 when the type has none */
	bool is_key;           /* part of the replica identity */
};

struct pgoutput_relation {
	uint32_t oid;
	struct bytes namespace_name; /* as sent: "" is pg_catalog */
	struct bytes name;
	char replica_identity; /* 'd', 'n', 'f' or 'i' */
	size_t column_count;
	const struct pgoutput_column *columns;
};

struct pgoutput_type {
	uint32_t oid;
	struct bytes namespace_name;
	struct bytes name;
};

struct pgoutput_row { /* Insert, Update, Delete */
	uint32_t relation_oid;
	/*
	 * What the old tuple is: 'K' the key columns only (others NULL), 'O' the whole row, 0
	 * absent. An Update has one only when key columns changed ('K') or with REPLICA IDENTITY
	 * FULL ('O').
	 */
	char old_kind;
	struct pgoutput_tuple old_tuple; /* Update, Delete */
	struct pgoutput_tuple new_tuple; /* Insert, Update */
};

struct pgoutput_truncate {
	bool cascade;
	bool restart_identity;
	size_t relation_count;
	const uint32_t *relation_oids;
};

struct pgoutput_logical_message {
	bool is_transactional;
	lsn_t lsn;
	struct bytes prefix;
	struct bytes content;
};

struct pgoutput_stream_start {
	bool is_first; /* the first block of this transaction in this connection */
};

struct pgoutput_stream_abort {
	uint32_t subtransaction_xid; /* equal to the xid: the whole transaction */
	lsn_t lsn;                   /* 0 before protocol 4 */
	micros_t aborted_at;         /* only with lsn */
};

struct pgoutput_message {
	enum pgoutput_kind kind;
	/* Of the transaction for Begin and Stream Start, Commit, Abort; inside a stream also of the
	 * subtransaction that a message belongs to; else 0. */
	uint32_t xid;
	union {
		struct pgoutput_begin begin;
		struct pgoutput_commit commit;
		struct pgoutput_origin origin;
		struct pgoutput_relation relation;
		struct pgoutput_type type;
		struct pgoutput_row row;
		struct pgoutput_truncate truncate;
		struct pgoutput_logical_message message;
		struct pgoutput_stream_start stream_start;
		struct pgoutput_stream_abort stream_abort;
	};
};

/* Kinds: CORRUPT; UNSUPPORTED for the messages of two-phase commit. */
bool pgoutput_decode(struct bytes body, bool in_stream, struct arena *message_arena,
	struct pgoutput_message *out, struct error *err) MUST_CHECK;

/* What a log must know of a message; fields that the kind does not have are 0. */
struct pgoutput_peek {
	uint8_t kind;
	uint32_t xid;          /* Begin, Stream Start, Commit, Abort; inside a stream also others */
	uint32_t relation_oid; /* Relation, Insert, Update, Delete */
	lsn_t end_lsn;         /* Commit, Stream Commit */
	micros_t committed_at; /* Begin, Commit, Stream Commit */
};

/* False when the body is too short for the fields of its kind; any other damage goes unseen. */
bool pgoutput_peek(struct bytes body, bool in_stream, struct pgoutput_peek *out) MUST_CHECK;

#endif
