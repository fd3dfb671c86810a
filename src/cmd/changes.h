/*
 * changes.h: committed changes of the source, one a line, as `walberg log` shows them.
 *
 *	0/16B3748 2026-11-26 10:00:00.123 UTC public.people insert id=1 name='Zoë'
 *	0/16B3790 2026-11-26 10:00:01.002 UTC public.people update (id=1) id=1 name='Ada'
 *	0/16B37D8 2026-11-26 10:00:02.500 UTC public.people delete (id=1)
 *	0/16B3900 2026-11-26 10:00:03.000 UTC public.people truncate
 *
 * In parentheses stands what identified the row before, in full where the source sends that.  A
 * value that is stored out of line and did not change is not sent: it is left out, and its column
 * named after "unchanged".  With --json an object:
 *
 *	{"position":"0/16B3790","committed_at":"2026-11-26T10:00:01.002000Z","xid":731,
 *	 "namespace":"public","table":"people","operation":"update","key":{"id":1},
 *	 "row":{"id":1,"name":"Ada"}}
 *
 * with "old" where the source sends the whole old row, and "unchanged": ["notes"].  Numbers are
 * numbers, booleans booleans; everything else is PostgreSQL's text.
 */
#ifndef CMD_CHANGES_H
#define CMD_CHANGES_H

#include "apply/transactions.h"
#include "catalog/catalog.h"

struct changes;

struct changes *changes_open(FILE *out, bool is_json);
void changes_close(struct changes *changes); /* also NULL */

/*
 * What the lake knows of its tables, which counts for what is defined later: which columns are the
 * key, and which types of the source's own are text.  Copied.
 */
void changes_know(struct changes *changes, const struct catalog_view *view);

/* A definition in force; one that is known already stays. */
void changes_define(struct changes *changes, struct bytes relation_message);

/* Whether the message defines a relation that the lake was not asked about yet. */
bool changes_is_new(const struct changes *changes, const struct pgoutput_message *message);

/*
 * One message of a transaction, in order: a definition is taken, a change printed (unless
 * !is_shown).  CORRUPT: a row that is not of its table's columns.
 */
bool changes_take(struct changes *changes, const struct transaction_commit *commit, bool is_shown,
	const struct pgoutput_message *message, struct error *err) MUST_CHECK;

#endif
