/*
 * fetch.h: the files of a version that lies in another store are brought to this machine, as far
 * as a statement reads them.
 *
 * Small files, delete files and files whose footer is not understood here are fetched whole; of the
 * others the footer and the column chunks.  DuckDB is given local files of the full size, and a
 * schema without the columns that were not fetched: none of these can be read, so that no hole is
 * ever taken for data.
 */
#ifndef QUERY_FETCH_H
#define QUERY_FETCH_H

#include "query/tables.h"
#include "store/cache.h"

struct fetcher;

enum {
	FETCHER_LAYOUTS_SIZE = 16 * 1024 * 1024, /* bytes; of some ten thousand files */
};

/*
 * Borrows both.  So many bytes may be spent on remembering where columns lie; what was used longest
 * ago is forgotten, and read again from the footer.
 */
struct fetcher *fetcher_open(struct store *store, struct cache *cache, size_t layouts_size_max);
void fetcher_close(struct fetcher *fetcher); /* also NULL */

/* A statement ends: the cache may let go of what was fetched for it. */
void fetcher_reset(struct fetcher *fetcher);

/* As tables.h wants it; files stay until the reset.  Kinds: those of cache.h. */
bool fetcher_fetch(struct fetcher *fetcher, const struct table_version *version,
	const struct wanted_columns *wanted, struct arena *arena, struct table_version *out,
	struct error *err) MUST_CHECK;

#endif
