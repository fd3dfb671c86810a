/*
 * place.h: whether a warehouse is the one that a lake's tables are in.
 *
 * A table's location is absolute.  With lake.warehouse changed or forgotten, the lake's directory
 * moved or a disk not mounted, every table would be taken for damaged, and reading it again would
 * fill the wrong place: so this is asked before any table is judged.  A lake's warehouse has its
 * mark, which is put before its first table (engine/ownership.h).
 */
#ifndef CATALOG_PLACE_H
#define CATALOG_PLACE_H

#include "catalog/catalog.h"
#include "store/store.h"

#define PLACE_MARKS ".walberg/" /* the folder of the lakes' marks, which are named by their ids */

/* As lake.warehouse names it: "s3://bucket/shop", "/var/lake"; NULL: the lake has no table yet. */
const char *place_of_tables(const struct catalog_view *view, struct arena *arena);

/* SETUP when the lake has tables, and none of them has its location there; asks the store nothing.
 */
bool place_check(
	const struct store *store, const struct catalog_view *view, struct error *err) MUST_CHECK;

/* SETUP also when it has tables, and its mark is not there. */
bool place_look(struct store *store, const struct catalog_view *view, struct error *err) MUST_CHECK;

#endif
