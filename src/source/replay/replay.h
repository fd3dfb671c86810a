/*
 * replay.h: a source that plays a recording: the PostgreSQL of tests and of the simulation.
 *
 * A recording is all that will ever happen on a server: tables, and transactions in the order in
 * which they commit.  It is built first, by one thread, and shared by any number afterwards.  A
 * replay_server is what changes and outlives a connection: how far the recording has happened, the
 * slot, and what is published.  A source is one connection to it.
 *
 * Rows are tuples of PostgreSQL's binary values, one a column.  Everything is copied.
 */
#ifndef SOURCE_REPLAY_REPLAY_H
#define SOURCE_REPLAY_REPLAY_H

#include "format/pgoutput/pgoutput.h"
#include "source/source.h"

#include <stdatomic.h>

struct recording;

struct recording *recording_open(const char *system_identifier);
void recording_close(struct recording *recording);

/* The table's number, from 0.  Its filenode is the recording's: each truncate changes it. */
size_t recording_add_table(struct recording *recording, const struct relation *relation);

/* ---- building ---- */

/*
 * Several transactions may be open at once.  A streamed one is sent in blocks, each where
 * recording_send_block() stands, before its commit or abort; any other whole at its commit, or
 * never.
 */
uint32_t recording_begin(struct recording *recording, bool is_streamed, micros_t committed_at);
void recording_insert(
	struct recording *recording, uint32_t xid, size_t table, struct pgoutput_tuple row);

/*
 * old_row is the whole row as it was; what is sent of it follows from replica identity and key.
 * A value 'u' in new_row is sent as an unchanged TOAST value.
 */
void recording_update(struct recording *recording, uint32_t xid, size_t table,
	struct pgoutput_tuple old_row, struct pgoutput_tuple new_row);
void recording_delete(
	struct recording *recording, uint32_t xid, size_t table, struct pgoutput_tuple old_row);
void recording_truncate(
	struct recording *recording, uint32_t xid, const size_t *tables, size_t count);

/* One level: the changes that follow belong to a subtransaction, until it or all is ended. */
void recording_savepoint(struct recording *recording, uint32_t xid);
void recording_rollback_to_savepoint(struct recording *recording, uint32_t xid);

void recording_send_block(struct recording *recording, uint32_t xid);
lsn_t recording_commit(struct recording *recording, uint32_t xid); /* its end LSN */
void recording_abort(struct recording *recording, uint32_t xid);
lsn_t recording_advance(struct recording *recording, uint32_t size_bytes); /* other WAL */

/* ---- what is in it ---- */

/* Steps: whole transactions, blocks, commits and aborts of streamed ones, other WAL. */
size_t recording_step_count(const struct recording *recording);
lsn_t recording_lsn_after(const struct recording *recording, size_t step_count);

/* The table's rows at lsn: what the lake's table must be equal to there. In no special order. */
size_t replay_rows_at(const struct recording *recording, size_t table, lsn_t lsn,
	struct arena *arena, struct pgoutput_tuple **rows);

/* The same as a binary COPY, appended to out; format/pgcopy makes batches of it. */
void replay_copy_at(const struct recording *recording, size_t table, lsn_t lsn, struct buffer *out);

/* ---- values and rows ---- */

struct pgoutput_value replay_null(void);
struct pgoutput_value replay_unchanged(void);
struct pgoutput_value replay_int4(struct arena *arena, int32_t value);
struct pgoutput_value replay_int8(struct arena *arena, int64_t value);
struct pgoutput_value replay_text(struct arena *arena, const char *value);
struct pgoutput_tuple replay_row(
	struct arena *arena, const struct pgoutput_value *values, size_t count);

/* ---- playing ---- */

enum {
	REPLAY_TABLES_MAX = 64
};

struct replay_server {
	const struct recording *recording;
	_Atomic size_t happened; /* steps so far; the test moves it on */
	_Atomic bool is_down;    /* every call fails with LOST */
	_Atomic uint32_t cuts;   /* connections made before the last cut fail with LOST */
	_Atomic bool has_slot;
	_Atomic bool slot_is_lost;
	_Atomic lsn_t confirmed_lsn;
	_Atomic bool is_published[REPLAY_TABLES_MAX]; /* others are not streamed */
};

/* With nothing happened yet, no slot, and nothing published. */
void replay_server_init(struct replay_server *server, const struct recording *recording);
void replay_server_cut(struct replay_server *server);
lsn_t replay_server_lsn(const struct replay_server *server);

/* Sleeps in world while nothing is to be received.  LOST when the server is down. */
bool source_replay_open(struct world *world, struct replay_server *server, struct source **out,
	struct error *err) MUST_CHECK;

#endif
