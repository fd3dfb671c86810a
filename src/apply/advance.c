#include "apply/apply_internal.h"

struct replaying {
	struct apply *apply;
	lsn_t end_lsn;
};

static bool apply_one(
	void *context, const struct pgoutput_message *message, size_t size, struct error *err)
{
	const struct replaying *replaying = context;
	return apply_message(replaying->apply, message, size, replaying->end_lsn, err);
}

/* Blocks before where a restart resumed are not known, but then the commit is in the tables. */
static bool commit(struct apply *apply, struct log *log, const struct transaction_commit *committed,
	struct error *err)
{
	struct apply_position *position = &apply->position;
	if (committed->end_lsn > position->lsn) {
		struct replaying replaying = { apply, committed->end_lsn };
		if (committed->transaction == NULL)
			return error_set(err, ERROR_CORRUPT,
				"the log has the commit of a transaction that did not begin");
		if (!transactions_replay(
			    apply->transactions, log, committed, apply_one, &replaying, err))
			return error_context(err, "applying transaction %u", committed->xid);
		apply_count(apply, offsetof(struct apply_counts, transactions));
		position->lsn = committed->end_lsn;
		position->at = committed->committed_at;
	}
	if (committed->end_lsn >= position->commit_lsn) {
		position->commit_lsn = committed->end_lsn;
		position->commit_xid = committed->xid;
		position->commit_at = committed->committed_at;
	}
	transactions_forget(apply->transactions, committed);
	return true;
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
		struct transaction_commit committed;
		bool found, is_commit;
		if (!log_read(log, position->next, &record, &found, err))
			return false;
		if (!found)
			return true;
		/* Copied: applying a transaction reads the log again and moves record.body. */
		const log_position_t next = record.next;
		if (!transactions_take(apply->transactions, &record, &is_commit, &committed, err) ||
			(is_commit && !commit(apply, log, &committed, err)))
			return error_context(err, "reading the log at position %llu",
				(unsigned long long)position->next);
		if (record.kind == LOG_MARK)
			take_mark(apply, &record);
		*advanced = is_commit || record.kind == LOG_MARK;
		position->next = next;
		position->resume = transactions_resume(apply->transactions, next);
	}
	return true;
}
