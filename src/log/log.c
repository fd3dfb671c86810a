#include "log/log.h"

#include <assert.h>

bool log_append(struct log *log, const struct log_record *record, struct error *err)
{
	assert(record->kind == LOG_START || record->kind == LOG_MESSAGE ||
		record->kind == LOG_MARK);
	return log->ops->append(log, record, err) || error_context(err, "appending to the log");
}

bool log_sync(struct log *log, struct log_receipt *out, struct error *err)
{
	return log->ops->sync(log, out, err) || error_context(err, "making the log durable");
}

bool log_read(struct log *log, log_position_t position, struct log_record *out, bool *found,
	struct error *err)
{
	*found = false;
	return log->ops->read(log, position, out, found, err) ||
	       error_context(err, "reading the log");
}

bool log_release(struct log *log, log_position_t position, struct error *err)
{
	return log->ops->release(log, position, err) ||
	       error_context(err, "releasing what the log needs no more");
}

bool log_wait(struct log *log, log_position_t position, micros_t timeout)
{
	return log->ops->wait(log, position, timeout);
}

const char *log_id(const struct log *log)
{
	return log->ops->id(log);
}

log_position_t log_first(const struct log *log)
{
	return log->ops->first(log);
}

log_position_t log_end(const struct log *log)
{
	return log->ops->end(log);
}

lsn_t log_end_lsn(const struct log *log)
{
	return log->ops->end_lsn(log);
}

uint64_t log_size_bytes(const struct log *log)
{
	return log->ops->size_bytes(log);
}

void log_close(struct log *log)
{
	if (log != NULL)
		log->ops->close(log);
}
