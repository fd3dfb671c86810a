/*
 * apply_fixture.h: for tests: a log written by hand, and the rows that it makes of tables.
 *
 * A row is written as text: "1|apple|3"; "~" is NULL, "?" an unchanged TOAST value.
 */
#ifndef APPLY_APPLY_FIXTURE_H
#define APPLY_APPLY_FIXTURE_H

#include "apply/apply.h"
#include "base/test.h"
#include "base/world_sim.h"
#include "format/pgoutput/pgoutput.h"

/* --- relations: id int4 key, note text, count int8 NOT NULL --- */

extern const struct relation script_items; /* REPLICA IDENTITY DEFAULT */
extern const struct relation script_whole; /* REPLICA IDENTITY FULL */
extern const struct relation script_lines; /* without a key: append */

/* --- the log --- */

struct script {
	struct arena arena;
	struct log *log; /* owned */
	bool in_stream;
	uint32_t xid; /* of the transaction or block in progress */
	size_t streamed_count;
	uint32_t streamed[8]; /* transactions of which a block was sent on this connection */
};

void script_open(struct script *script, struct world *world, const char *directory);
void script_close(struct script *script);

/* What has been written becomes readable with script_sync() alone; the others write. */
void script_sync(struct script *script);
void script_start(struct script *script); /* a new connection */
void script_mark(struct script *script, lsn_t lsn);
void script_raw(struct script *script, struct bytes body, lsn_t end_lsn);
void script_message(struct script *script, const struct pgoutput_message *message, lsn_t end_lsn);

void script_begin(struct script *script, uint32_t xid);
void script_commit(struct script *script, lsn_t end_lsn);
void script_stream_start(struct script *script, uint32_t xid);
void script_stream_stop(struct script *script);
void script_stream_commit(struct script *script, uint32_t xid, lsn_t end_lsn);
void script_stream_abort(struct script *script, uint32_t xid, uint32_t subtransaction_xid);

/* Changes of the transaction in progress; script->xid may be set to a subtransaction's. */
void script_insert(struct script *script, const struct relation *relation, const char *row);
void script_update(struct script *script, const struct relation *relation, char old_kind,
	const char *old_row, const char *row);
void script_delete(
	struct script *script, const struct relation *relation, char old_kind, const char *old_row);
void script_truncate(struct script *script, const struct relation *relation);
void script_relation(struct script *script, const struct relation *relation);

/* A transaction with one insert, durable. */
void script_insert_alone(
	struct script *script, lsn_t end_lsn, const struct relation *relation, const char *row);

/* The bytes of a binary COPY of such rows, separated by blanks, in the arena. */
struct bytes script_copy(struct arena *arena, const char *rows);

/* --- apply --- */

struct applied {
	struct world *world; /* simulated */
	struct store *store;
	struct script script;
	struct apply_options options;
	struct apply *apply;
	struct apply_table *items, *whole, *lines;
	struct error err;
};

void applied_open(struct applied *applied);
void applied_close(struct applied *applied);

/* Read all that is durable in the log. */
void applied_read(struct applied *applied);

/* Sorted, separated by blanks: "1|apple|3 2|~|4".  Waiting rows are written first. */
const char *applied_rows(struct applied *applied, struct apply_table *table);

/* The same of any open table. */
const char *table_rows_text(struct table *table, struct arena *arena);

#endif
