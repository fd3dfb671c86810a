/* apply_internal.h: what the files of apply/ share. */
#ifndef APPLY_APPLY_INTERNAL_H
#define APPLY_APPLY_INTERNAL_H

#include "apply/apply.h"
#include "apply/transactions.h"
#include "base/map.h"
#include "format/pgoutput/pgoutput.h"

struct apply {
	struct apply_options options;
	struct apply_position position;
	struct transactions *transactions;
	size_t table_count;
	struct apply_table **tables;
	struct map by_oid; /* the same ones */
};

/* --- rows.c: the rows of one table --- */

struct apply_rows *rows_open(struct world *world, const struct relation *relation);
void rows_close(struct apply_rows *rows);
const struct relation *rows_relation(const struct apply_rows *rows);
size_t rows_waiting(const struct apply_rows *rows);
uint64_t rows_pending_bytes(const struct apply_rows *rows);

/* False: this change cannot be applied exactly, which fails the table; *why names the key. */
bool rows_change(struct apply_table *table, const struct pgoutput_message *message,
	struct error *why) MUST_CHECK;
void rows_truncate(struct apply_table *table);

/* Write the waiting rows to a file. */
bool rows_write(struct apply_table *table, struct error *err) MUST_CHECK;
bool rows_fold(struct apply_table *table, uint64_t rows_max, struct error *err) MUST_CHECK;
bool rows_build_index(struct apply_table *table, struct error *err) MUST_CHECK;
bool rows_copy(struct apply_table *table, struct bytes chunk, struct error *err) MUST_CHECK;
bool rows_copy_end(struct apply_table *table, struct error *err) MUST_CHECK;
uint64_t rows_copied(const struct apply_rows *rows);

/* --- definition.c --- */

/* True when a Relation message still says what the relation was captured as; else *err says how. */
bool definition_check(const struct relation *relation, const struct pgoutput_relation *seen,
	struct error *err) MUST_CHECK;

/* --- apply.c --- */

/* counter is an offset in struct apply_counts. */
void apply_count(const struct apply *apply, size_t counter);

/* Apply one message, of size bytes, of the transaction that ends at end_lsn. */
bool apply_message(struct apply *apply, const struct pgoutput_message *message, size_t size,
	lsn_t end_lsn, struct error *err) MUST_CHECK;

#endif
