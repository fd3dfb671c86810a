/*
 * postgres_internal.h: what the files of source/postgres share.
 *
 * postgres.c opens and checks the server, inspect.c reads its catalog, publish.c makes and removes
 * publications and slot, snapshot.c reads tables at one LSN, stream.c receives the WAL.
 */
#ifndef SOURCE_POSTGRES_POSTGRES_INTERNAL_H
#define SOURCE_POSTGRES_POSTGRES_INTERNAL_H

#include "net/postgres.h"
#include "source/source.h"

struct postgres_stream {
	struct postgres *walsender; /* from opening on; in COPY mode once is_on */
	bool is_on;
	char *message;           /* libpq's memory of the last message, or NULL */
	lsn_t confirmed_lsn;     /* what the server may be told: the slot's own, then receipts */
	micros_t reply_interval; /* a status update at least so often */
	int64_t replied_at;      /* monotonic */
	unsigned unclocked;      /* messages since the clock was read */
};

struct postgres_source {
	struct source base;
	struct world *world;
	struct arena arena; /* for the source's life: options and what opening learnt */
	struct postgres_options options;
	struct postgres *control; /* catalog queries and publications */
	const char *role;
	const char *database;
	const char *system_identifier;
	int64_t timeline;
	struct postgres_stream stream;
};

static inline struct postgres_source *postgres_source_of(struct source *source)
{
	return (struct postgres_source *)source;
}

/* For a connection whose answers may take any time: a snapshot's. */
static inline struct postgres_target postgres_source_target(
	const struct postgres_source *source, bool is_replication)
{
	return (struct postgres_target){
		.url = source->options.url,
		.user = source->options.user,
		.password = source->options.password,
		.is_replication = is_replication,
		.connect_timeout = source->options.connect_timeout,
	};
}

/* For one whose server answers soon, or is given up. */
static inline struct postgres_target postgres_source_prompt_target(
	const struct postgres_source *source, bool is_replication)
{
	struct postgres_target target = postgres_source_target(source, is_replication);
	target.answer_timeout = source->options.answer_timeout;
	return target;
}

/* The lake's slot as pg_replication_slots has it. */
struct postgres_slot {
	bool exists;
	bool is_active;
	bool is_lost;
	int64_t active_pid;
	lsn_t confirmed_lsn;
	lsn_t restart_lsn;
};

bool postgres_source_find_slot(
	struct postgres_source *source, struct postgres_slot *out, struct error *err) MUST_CHECK;

/* True when a pattern of the options names the table, or there is none. */
bool postgres_source_wants(
	const struct postgres_options *options, const char *schema, const char *name);

bool postgres_source_inspect(struct source *source, struct arena *arena, struct source_state *out,
	struct error *err) MUST_CHECK;
bool postgres_source_publish(struct source *source, const struct relation *relations, size_t count,
	struct error *err) MUST_CHECK;
bool postgres_source_drop(struct source *source, struct error *err) MUST_CHECK;
bool postgres_source_open_snapshot(struct source *source, bool is_lake_slot,
	struct source_snapshot **out, struct error *err) MUST_CHECK;
bool postgres_source_start(struct source *source, lsn_t lsn, struct error *err) MUST_CHECK;
bool postgres_source_receive(struct source *source, micros_t timeout, struct source_message *out,
	struct error *err) MUST_CHECK;
bool postgres_source_confirm(
	struct source *source, const struct log_receipt *receipt, struct error *err) MUST_CHECK;
void postgres_stream_end(struct postgres_stream *stream); /* also one that never began */

#endif
