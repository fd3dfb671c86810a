/*
 * lake_tables.h: the tables of a lake as queries see them (tables.h), read from its catalog and
 * store.
 *
 * A state is what one read transaction on the catalog returned (I6).  Metadata files and versions
 * that were read are kept, because neither ever changes.
 *
 * AT by position or time gives exactly what the lake was there, or MISSING where that version is
 * not kept any more; a position that the lake has not reached is MISSING too, and so is, for a
 * table that was paused or read again, what lies between.
 *
 * Kinds: those of catalog.h and store.h; MISSING when there is no lake; CORRUPT for metadata that
 * breaks its format or is gone; SETUP when all tables are in another place (catalog/place.h);
 * UNSUPPORTED for files that are not read here (deletion vectors,
 * equality deletes, formats other than Parquet, files that are not in the store).
 */
#ifndef QUERY_LAKE_TABLES_H
#define QUERY_LAKE_TABLES_H

#include "catalog/catalog.h"
#include "query/tables.h"
#include "store/cache.h"

/*
 * Owns all of them; a catalog opened read-only is enough.  The files of a store on this machine are
 * read where they lie, and cache is NULL; those of any other store through the cache.
 */
struct tables *lake_tables_open(struct catalog *catalog, struct store *store, struct cache *cache);

bool lake_tables_need_cache(const struct store *store);

/* The directory of all files that are to be read, for query_options. */
const char *lake_tables_files(const struct tables *tables, bool *is_cache);

/*
 * For `status` and `snapshots`, which read no data.  The view is of the newest begin, until the
 * next; entry number index of that begin is its table number index.
 */
const struct catalog_view *lake_tables_view(const struct tables *tables);

struct lake_version {        /* what a table's metadata say of a version */
	int64_t snapshot_id; /* 0: the table has none yet */
	uint64_t row_count;
	lsn_t position; /* 0: it is not walberg's */
};
/* Kinds: as the version call of tables.h. */
bool lake_tables_look(struct tables *tables, size_t index, const struct version_selector *selector,
	struct lake_version *out, struct error *err) MUST_CHECK;

#endif
