/*
 * Which records of the log make up which transaction.
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
 */
#include "apply/apply_internal.h"

#include <assert.h>
#include <stdlib.h>

struct range {
	log_position_t start; /* the first record of the block's contents */
	log_position_t end;   /* the record after them */
};

struct transaction {
	uint32_t xid;
	log_position_t first; /* of its first record: a restart must read from here */
	size_t range_count;
	struct range *ranges;
	size_t aborted_count;
	uint32_t *aborted; /* subtransactions; sorted once it commits */
};

struct transactions {
	size_t count;
	struct transaction **open; /* the one between Begin and Commit included */
	struct transaction *block; /* whose Stream Start or Begin was the last, until its end */
	bool in_stream;
	log_position_t block_start;
};

struct transactions *transactions_open(void)
{
	return memory_allocate(1, sizeof(struct transactions));
}

static void transaction_free(struct transaction *transaction)
{
	free(transaction->ranges);
	free(transaction->aborted);
	free(transaction);
}

static void forget_all(struct transactions *transactions)
{
	for (size_t i = 0; i < transactions->count; i++)
		transaction_free(transactions->open[i]);
	transactions->count = 0;
	transactions->block = NULL;
	transactions->in_stream = false;
}

void transactions_close(struct transactions *transactions)
{
	if (transactions == NULL)
		return;
	forget_all(transactions);
	free(transactions->open);
	free(transactions);
}

static struct transaction *find(const struct transactions *transactions, uint32_t xid)
{
	for (size_t i = 0; i < transactions->count; i++)
		if (transactions->open[i]->xid == xid)
			return transactions->open[i];
	return NULL;
}

static struct transaction *begin(
	struct transactions *transactions, uint32_t xid, log_position_t first)
{
	struct transaction *transaction = memory_allocate(1, sizeof *transaction);
	transaction->xid = xid;
	transaction->first = first;
	transactions->open = memory_resize(
		transactions->open, transactions->count + 1, sizeof(struct transaction *));
	transactions->open[transactions->count++] = transaction;
	return transaction;
}

static void forget(struct transactions *transactions, struct transaction *transaction)
{
	for (size_t i = 0; i < transactions->count; i++) {
		if (transactions->open[i] != transaction)
			continue;
		transactions->open[i] = transactions->open[--transactions->count];
		transaction_free(transaction);
		return;
	}
}

static void add_range(struct transaction *transaction, log_position_t start, log_position_t end)
{
	transaction->ranges = memory_resize(
		transaction->ranges, transaction->range_count + 1, sizeof(struct range));
	transaction->ranges[transaction->range_count++] = (struct range){ start, end };
}

static int compare_xids(const void *a, const void *b)
{
	const uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;
	return left < right ? -1 : left > right;
}

static bool is_aborted(const struct transaction *transaction, uint32_t xid)
{
	return transaction->aborted_count > 0 &&
	       bsearch(&xid, transaction->aborted, transaction->aborted_count, sizeof xid,
		       compare_xids) != NULL;
}

static void abort_part(
	struct transactions *transactions, struct transaction *transaction, uint32_t xid)
{
	if (transaction == NULL)
		return; /* all of it was aborted while nothing of it had been sent */
	if (xid == transaction->xid) {
		forget(transactions, transaction);
		return;
	}
	transaction->aborted = memory_resize(
		transaction->aborted, transaction->aborted_count + 1, sizeof(uint32_t));
	transaction->aborted[transaction->aborted_count++] = xid;
}

static bool apply_range(struct apply *apply, struct log *log, const struct transaction *transaction,
	const struct range *range, bool in_stream, lsn_t end_lsn, struct error *err)
{
	struct log_record record;
	for (log_position_t at = range->start; at < range->end; at = record.next) {
		bool found;
		if (!log_read(log, at, &record, &found, err))
			return false;
		if (!found)
			return error_set(err, ERROR_CORRUPT, "the log ends inside transaction %u",
				transaction->xid);
		if (record.kind != LOG_MESSAGE)
			continue;
		struct pgoutput_message message;
		arena_reset(&apply->message_arena);
		if (!pgoutput_decode(record.body, in_stream, &apply->message_arena, &message, err))
			return false;
		if (in_stream && is_aborted(transaction, message.xid))
			continue;
		if (!transaction_apply_message(apply, &message, record.body.size, end_lsn, err))
			return false;
	}
	return true;
}

static bool commit(struct apply *apply, struct log *log, struct transaction *transaction,
	bool is_streamed, const struct pgoutput_peek *peek, struct error *err)
{
	struct apply_position *position = &apply->position;
	if (transaction != NULL && transaction->aborted_count > 0)
		qsort(transaction->aborted, transaction->aborted_count,
			sizeof *transaction->aborted, compare_xids);
	if (peek->end_lsn > position->lsn) {
		for (size_t i = 0; transaction != NULL && i < transaction->range_count; i++)
			if (!apply_range(apply, log, transaction, &transaction->ranges[i],
				    is_streamed, peek->end_lsn, err))
				return error_context(err, "applying transaction %u", peek->xid);
		position->lsn = peek->end_lsn;
		position->at = peek->committed_at;
	}
	if (peek->end_lsn >= position->commit_lsn) {
		position->commit_lsn = peek->end_lsn;
		position->commit_xid = transaction != NULL ? transaction->xid : peek->xid;
		position->commit_at = peek->committed_at;
	}
	if (transaction != NULL)
		forget(apply->transactions, transaction);
	return true;
}

static log_position_t resume_position(const struct transactions *transactions, log_position_t next)
{
	log_position_t resume = next;
	for (size_t i = 0; i < transactions->count; i++)
		if (transactions->open[i]->first < resume)
			resume = transactions->open[i]->first;
	return resume;
}

static bool damaged(const char *what, struct error *err)
{
	return error_set(err, ERROR_CORRUPT, "the log has %s", what);
}

static bool stream_start(struct transactions *transactions, const struct pgoutput_peek *peek,
	const struct log_record *record, struct error *err)
{
	if (transactions->block != NULL)
		return damaged("a Stream Start inside another transaction", err);
	struct transaction *transaction = find(transactions, peek->xid);
	if (transaction == NULL)
		transaction = begin(transactions, peek->xid, record->position);
	transactions->block = transaction;
	transactions->in_stream = true;
	transactions->block_start = record->next;
	return true;
}

static bool end_block(
	struct transactions *transactions, const struct log_record *record, struct error *err)
{
	if (transactions->block == NULL)
		return damaged("the end of a transaction that did not begin", err);
	add_range(transactions->block, transactions->block_start, record->position);
	transactions->block = NULL;
	transactions->in_stream = false;
	return true;
}

static bool take_commit(struct apply *apply, struct log *log, const struct pgoutput_peek *peek,
	const struct log_record *record, struct error *err)
{
	struct transaction *transaction = apply->transactions->block;
	if (apply->transactions->in_stream)
		return damaged("a Commit inside a stream", err);
	return end_block(apply->transactions, record, err) &&
	       commit(apply, log, transaction, false, peek, err);
}

/* Blocks before where a restart resumed are not known, but then the commit is in the tables. */
static bool take_stream_commit(
	struct apply *apply, struct log *log, const struct pgoutput_peek *peek, struct error *err)
{
	struct transaction *transaction = find(apply->transactions, peek->xid);
	if (apply->transactions->block != NULL)
		return damaged("a Stream Commit inside a transaction", err);
	if (transaction == NULL && peek->end_lsn > apply->position.lsn)
		return damaged("the commit of a transaction that did not begin", err);
	return commit(apply, log, transaction, true, peek, err);
}

/* *complete: a transaction or a mark ended with this record. */
static bool take_message(struct apply *apply, struct log *log, const struct log_record *record,
	bool *complete, struct error *err)
{
	struct transactions *transactions = apply->transactions;
	struct pgoutput_peek peek;
	if (!pgoutput_peek(record->body, transactions->in_stream, &peek))
		return damaged("a message that is too short", err);
	switch (peek.kind) {
	case PGOUTPUT_BEGIN:
		if (transactions->block != NULL)
			return damaged("a Begin inside another transaction", err);
		transactions->block = begin(transactions, peek.xid, record->position);
		transactions->block_start = record->next;
		return true;
	case PGOUTPUT_COMMIT:
		*complete = true;
		return take_commit(apply, log, &peek, record, err);
	case PGOUTPUT_STREAM_START:
		return stream_start(transactions, &peek, record, err);
	case PGOUTPUT_STREAM_STOP:
		return end_block(transactions, record, err);
	case PGOUTPUT_STREAM_COMMIT:
		*complete = true;
		return take_stream_commit(apply, log, &peek, err);
	case PGOUTPUT_STREAM_ABORT: {
		struct pgoutput_message message;
		if (transactions->block != NULL)
			return damaged("a Stream Abort inside a transaction", err);
		arena_reset(&apply->message_arena);
		if (!pgoutput_decode(record->body, false, &apply->message_arena, &message, err))
			return false;
		abort_part(transactions, find(transactions, message.xid),
			message.stream_abort.subtransaction_xid);
		return true;
	}
	default:
		return true; /* contents: read when the transaction commits */
	}
}

static void take_mark(struct apply *apply, const struct log_record *record)
{
	if (record->end_lsn <= apply->position.lsn)
		return;
	apply->position.lsn = record->end_lsn;
	apply->position.at = record->received_at;
}

bool apply_advance(struct apply *apply, struct log *log, bool *advanced, struct error *err)
{
	struct apply_position *position = &apply->position;
	*advanced = false;
	while (!*advanced) {
		struct log_record record;
		bool found;
		if (!log_read(log, position->next, &record, &found, err))
			return false;
		if (!found)
			return true;
		/* Copied: applying a transaction reads the log again and moves record.body. */
		const log_position_t next = record.next;
		switch (record.kind) {
		case LOG_MESSAGE:
			if (!take_message(apply, log, &record, advanced, err))
				return error_context(err, "reading the log at position %llu",
					(unsigned long long)position->next);
			break;
		case LOG_MARK:
			take_mark(apply, &record);
			*advanced = true;
			break;
		case LOG_START:
			forget_all(apply->transactions);
			break;
		default:
			break;
		}
		position->next = next;
		position->resume = resume_position(apply->transactions, next);
	}
	return true;
}
