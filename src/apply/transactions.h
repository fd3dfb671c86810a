/*
 * transactions.h: which records of the log make up which transaction.
 *
 * The log is read twice: once to find where transactions begin, pause and end, by looking at each
 * message's first bytes; and once more, transaction by transaction, when its commit was found.
 * The second reading mostly hits what the first has just read.
 *
 *	Begin … Commit                      one range of records
 *	Stream Start … Stream Stop, …, Stream Commit    one range for each block; blocks of other
 *	                                    transactions stand between them
 *	Stream Abort (sub)                  the rows of that subtransaction are passed over
 *	start mark                          whatever is open is void: the server sends it again
 *
 * One thread.  Kinds: those of the log; CORRUPT when the messages do not fit together.
 */
#ifndef APPLY_TRANSACTIONS_H
#define APPLY_TRANSACTIONS_H

#include "format/pgoutput/pgoutput.h"
#include "log/log.h"

struct transaction;
struct transactions;

struct transaction_commit {
	struct transaction *transaction; /* NULL: no record of it was seen */
	bool is_whole;                   /* its first record was seen, and so all are */
	uint32_t xid;
	lsn_t end_lsn;
	micros_t committed_at;
};

/*
 * begins_anywhere: the first record may stand inside a transaction, which then is not whole;
 * otherwise that is CORRUPT.
 */
struct transactions *transactions_open(bool begins_anywhere);
void transactions_close(struct transactions *transactions); /* also NULL */

/*
 * Take the log's records, in order.  *is_commit: this one commits a transaction, which is to be
 * forgotten before the next record is taken.
 */
bool transactions_take(struct transactions *transactions, const struct log_record *record,
	bool *is_commit, struct transaction_commit *commit, struct error *err) MUST_CHECK;

/* Visit the transaction's messages, read again, but for those of aborted subtransactions. */
bool transactions_replay(struct transactions *transactions, struct log *log,
	const struct transaction_commit *commit,
	bool (*visit)(void *context, const struct pgoutput_message *message, size_t size,
		struct error *err),
	void *context, struct error *err) MUST_CHECK;

void transactions_forget(
	struct transactions *transactions, const struct transaction_commit *commit);

/* The first record that an open transaction still needs; `next` when there is none. */
log_position_t transactions_resume(const struct transactions *transactions, log_position_t next);

#endif
