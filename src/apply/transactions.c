#include "apply/transactions.h"

#include <assert.h>
#include <stdlib.h>

struct range {
	log_position_t start; /* the first record of the block's contents */
	log_position_t end;   /* the record after them */
};

struct transaction {
	uint32_t xid;
	bool is_streamed;
	bool is_whole;
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
	bool begins_anywhere;     /* until the first message */
	struct transaction *torn; /* whatever the first message may be in the middle of, or NULL */
	struct arena message_arena; /* of one decoded message */
};

struct transactions *transactions_open(bool begins_anywhere)
{
	struct transactions *transactions = memory_allocate(1, sizeof *transactions);
	transactions->begins_anywhere = begins_anywhere;
	return transactions;
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
	transactions->torn = NULL;
	transactions->in_stream = false;
}

void transactions_close(struct transactions *transactions)
{
	if (transactions == NULL)
		return;
	forget_all(transactions);
	free(transactions->open);
	arena_deinit(&transactions->message_arena);
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
	transaction->is_whole = true;
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

static bool damaged(const char *what, struct error *err)
{
	return error_set(err, ERROR_CORRUPT, "the log has %s", what);
}

/* --- where the first record is no beginning --- */

/* Until the first end of a block, nobody knows whether one is open, and which. */
static void begin_torn(struct transactions *transactions, log_position_t position)
{
	transactions->begins_anywhere = false;
	transactions->torn = transactions->block = begin(transactions, 0, position);
	transactions->torn->is_whole = false;
	transactions->block_start = position;
}

/* A message that stands between blocks: none was open. */
static void forget_torn(struct transactions *transactions)
{
	if (transactions->torn == NULL)
		return;
	if (transactions->block == transactions->torn)
		transactions->block = NULL;
	forget(transactions, transactions->torn);
	transactions->torn = NULL;
}

/* --- records, one after another --- */

static bool stream_start(struct transactions *transactions, const struct pgoutput_peek *peek,
	const struct log_record *record, struct error *err)
{
	forget_torn(transactions);
	if (transactions->block != NULL)
		return damaged("a Stream Start inside another transaction", err);
	struct transaction *transaction = find(transactions, peek->xid);
	if (transaction == NULL) {
		struct pgoutput_message message;
		arena_reset(&transactions->message_arena);
		if (!pgoutput_decode(
			    record->body, false, &transactions->message_arena, &message, err))
			return false;
		transaction = begin(transactions, peek->xid, record->position);
		transaction->is_streamed = true;
		transaction->is_whole = message.stream_start.is_first;
	}
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

static void fill_commit(struct transaction_commit *commit, struct transaction *transaction,
	const struct pgoutput_peek *peek)
{
	if (transaction != NULL && transaction->aborted_count > 0)
		qsort(transaction->aborted, transaction->aborted_count,
			sizeof *transaction->aborted, compare_xids);
	*commit = (struct transaction_commit){
		.transaction = transaction,
		.is_whole = transaction != NULL && transaction->is_whole,
		.xid = transaction != NULL ? transaction->xid : peek->xid,
		.end_lsn = peek->end_lsn,
		.committed_at = peek->committed_at,
	};
}

static bool take_commit(struct transactions *transactions, const struct pgoutput_peek *peek,
	const struct log_record *record, struct transaction_commit *commit, struct error *err)
{
	struct transaction *transaction = transactions->block;
	if (transactions->in_stream)
		return damaged("a Commit inside a stream", err);
	if (!end_block(transactions, record, err))
		return false;
	transactions->torn = NULL; /* it was this one */
	fill_commit(commit, transaction, peek);
	return true;
}

static bool take_stream_commit(struct transactions *transactions, const struct pgoutput_peek *peek,
	struct transaction_commit *commit, struct error *err)
{
	forget_torn(transactions);
	if (transactions->block != NULL)
		return damaged("a Stream Commit inside a transaction", err);
	fill_commit(commit, find(transactions, peek->xid), peek);
	return true;
}

static bool take_abort(
	struct transactions *transactions, const struct log_record *record, struct error *err)
{
	struct pgoutput_message message;
	forget_torn(transactions);
	if (transactions->block != NULL)
		return damaged("a Stream Abort inside a transaction", err);
	arena_reset(&transactions->message_arena);
	if (!pgoutput_decode(record->body, false, &transactions->message_arena, &message, err))
		return false;
	abort_part(transactions, find(transactions, message.xid),
		message.stream_abort.subtransaction_xid);
	return true;
}

static bool take_stop(
	struct transactions *transactions, const struct log_record *record, struct error *err)
{
	if (!end_block(transactions, record, err))
		return false;
	forget_torn(transactions); /* the block of a transaction whose xid is not known */
	return true;
}

static bool take_message(struct transactions *transactions, const struct log_record *record,
	bool *is_commit, struct transaction_commit *commit, struct error *err)
{
	struct pgoutput_peek peek;
	if (transactions->begins_anywhere)
		begin_torn(transactions, record->position);
	if (!pgoutput_peek(record->body, transactions->in_stream, &peek))
		return damaged("a message that is too short", err);
	switch (peek.kind) {
	case PGOUTPUT_BEGIN:
		forget_torn(transactions);
		if (transactions->block != NULL)
			return damaged("a Begin inside another transaction", err);
		transactions->block = begin(transactions, peek.xid, record->position);
		transactions->block_start = record->next;
		return true;
	case PGOUTPUT_COMMIT:
		*is_commit = true;
		return take_commit(transactions, &peek, record, commit, err);
	case PGOUTPUT_STREAM_START:
		return stream_start(transactions, &peek, record, err);
	case PGOUTPUT_STREAM_STOP:
		return take_stop(transactions, record, err);
	case PGOUTPUT_STREAM_COMMIT:
		*is_commit = true;
		return take_stream_commit(transactions, &peek, commit, err);
	case PGOUTPUT_STREAM_ABORT:
		return take_abort(transactions, record, err);
	default:
		return true; /* contents: read when the transaction commits */
	}
}

bool transactions_take(struct transactions *transactions, const struct log_record *record,
	bool *is_commit, struct transaction_commit *commit, struct error *err)
{
	*is_commit = false;
	if (record->kind == LOG_MESSAGE)
		return take_message(transactions, record, is_commit, commit, err);
	if (record->kind == LOG_START) {
		forget_all(transactions);
		transactions->begins_anywhere = false;
	}
	return true;
}

/* --- a transaction, all of it --- */

struct replay {
	struct transactions *transactions;
	struct log *log;
	const struct transaction *transaction;
	bool (*visit)(void *context, const struct pgoutput_message *message, size_t size,
		struct error *err);
	void *context;
};

static bool replay_record(
	const struct replay *replay, const struct log_record *record, struct error *err)
{
	struct arena *arena = &replay->transactions->message_arena;
	const struct transaction *transaction = replay->transaction;
	struct pgoutput_message message;
	arena_reset(arena);
	if (!pgoutput_decode(record->body, transaction->is_streamed, arena, &message, err))
		return false;
	if (transaction->is_streamed && is_aborted(transaction, message.xid))
		return true;
	return replay->visit(replay->context, &message, record->body.size, err);
}

static bool replay_range(const struct replay *replay, const struct range *range, struct error *err)
{
	struct log_record record;
	for (log_position_t at = range->start; at < range->end; at = record.next) {
		bool found;
		if (!log_read(replay->log, at, &record, &found, err))
			return false;
		if (!found)
			return error_set(err, ERROR_CORRUPT, "the log ends inside transaction %u",
				replay->transaction->xid);
		if (record.kind == LOG_MESSAGE && !replay_record(replay, &record, err))
			return false;
	}
	return true;
}

bool transactions_replay(struct transactions *transactions, struct log *log,
	const struct transaction_commit *commit,
	bool (*visit)(void *context, const struct pgoutput_message *message, size_t size,
		struct error *err),
	void *context, struct error *err)
{
	const struct transaction *transaction = commit->transaction;
	const struct replay replay = { transactions, log, transaction, visit, context };
	for (size_t i = 0; transaction != NULL && i < transaction->range_count; i++)
		if (!replay_range(&replay, &transaction->ranges[i], err))
			return false;
	return true;
}

void transactions_forget(struct transactions *transactions, const struct transaction_commit *commit)
{
	if (commit->transaction != NULL)
		forget(transactions, commit->transaction);
}

log_position_t transactions_resume(const struct transactions *transactions, log_position_t next)
{
	log_position_t resume = next;
	for (size_t i = 0; i < transactions->count; i++)
		if (transactions->open[i]->first < resume)
			resume = transactions->open[i]->first;
	return resume;
}
