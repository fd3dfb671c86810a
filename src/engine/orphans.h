/*
 * orphans.h: files of tables in the warehouse that nobody names.
 *
 * They are left by processes that died, by tables that were dropped, and by other engines.  An
 * orphan is a file that has one of the endings of Iceberg's files; that no version of any table in
 * the catalog's database names, also of tables that are not walberg's; that does not wait for its
 * removal; and that was last written at or before a moment.  Of a table whose metadata lies outside
 * of the warehouse, the files are taken to do so too.  What lies in others' folders is no orphan
 * (engine/ownership.h).
 *
 * What keeps a file from being named after it was found (I1): whoever holds the lake's lock has
 * written all of its files since it took it, and a writer that stalled before that finds another
 * commit number (I2).  Of other engines it is their age.
 */
#ifndef ENGINE_ORPHANS_H
#define ENGINE_ORPHANS_H

#include "catalog/catalog.h"
#include "store/store.h"

struct orphans {
	size_t count;
	const struct object_info *objects;
	uint64_t bytes;
	size_t named_count;   /* files in the warehouse that are named, or wait for removal */
	size_t younger_count; /* that nothing names, and that are too young */
	size_t other_count;   /* that are no files of tables */
};

/*
 * In the arena.  UNSUPPORTED, CORRUPT: what a table in the warehouse names cannot be told; the
 * error names it, and nothing may be removed.
 */
bool orphans_find(struct store *store, struct catalog *catalog, micros_t written_until,
	struct arena *arena, struct orphans *out, struct error *err) MUST_CHECK;

/* While the lake's lock is held: a stalled writer's commit will not be taken any more. */
bool orphans_fence(struct world *world, struct catalog *catalog, struct error *err) MUST_CHECK;

/* *removed counts also when it fails. */
bool orphans_remove(struct store *store, const struct orphans *orphans, size_t *removed,
	struct error *err) MUST_CHECK;

#endif
