/*
 * replay_internal.h: the recording, as its builder, its player and its state see it.
 */
#ifndef SOURCE_REPLAY_REPLAY_INTERNAL_H
#define SOURCE_REPLAY_REPLAY_INTERNAL_H

#include "source/replay/replay.h"

struct change {
	struct change *next;
	enum pgoutput_kind kind; /* Insert, Update, Delete, Truncate */
	uint32_t xid;            /* of the subtransaction, or of the transaction */
	lsn_t lsn;
	size_t table;
	struct pgoutput_tuple old_row; /* whole */
	struct pgoutput_tuple new_row; /* as sent: may hold 'u' */
	size_t truncated_count;
	const size_t *truncated;
	bool is_sent;        /* in a block */
	bool is_rolled_back; /* by its subtransaction */
};

struct transaction {
	struct transaction *next; /* in the order of their beginning */
	uint32_t xid;
	uint32_t subtransaction_xid; /* open, or 0 */
	bool is_streamed;
	bool is_ended;
	bool is_committed;
	micros_t committed_at;
	lsn_t commit_lsn;
	lsn_t end_lsn; /* of its commit or abort; UINT64_MAX while it is open */
	struct change *first;
	struct change *last;
	bool has_blocks;
};

enum step_kind {
	STEP_TRANSACTION = 1, /* all of one that is not streamed */
	STEP_BLOCK,           /* changes of a streamed one */
	STEP_STREAM_COMMIT,
	STEP_STREAM_ABORT, /* of a subtransaction, or of all of it */
	STEP_OTHER,        /* WAL of no interest */
};

struct step {
	enum step_kind kind;
	const struct transaction *transaction;
	uint32_t subtransaction_xid; /* of an abort */
	bool is_first;               /* block of its transaction */
	size_t change_count;         /* of a block: those that it sends, aborted later or not */
	const struct change **changes;
	lsn_t end_lsn; /* the WAL's end once this step has happened */
};

struct recorded_table {
	struct relation relation; /* filenode: before the first truncate */
};

struct recording {
	struct arena arena;
	const char *system_identifier;
	uint32_t next_xid;
	lsn_t lsn;
	size_t table_count;
	struct recorded_table tables[REPLAY_TABLES_MAX];
	struct transaction *first_transaction;
	struct transaction *last_transaction;
	size_t step_count;
	size_t step_capacity;
	struct step *steps;
};

/* The filenode of a table once all that ended up to lsn has happened. */
uint32_t replay_filenode_at(const struct recording *recording, size_t table, lsn_t lsn);

/* Up to the first transaction that ends later, in the order of the commits. */
const struct transaction *recording_next_committed(
	const struct recording *recording, lsn_t lsn, size_t *step);

#endif
