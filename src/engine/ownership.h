/*
 * ownership.h: a warehouse belongs to one lake.
 *
 * What a lake's tables do not name is removed from their folders, and `walberg maintain` removes
 * it anywhere in the warehouse: two lakes in one place would remove each other's files.  So a lake
 * takes its warehouse before it writes there, with an object that is named by its id:
 *
 *	.walberg/1f00c0de
 *
 * It looks, puts its own, and looks again: of two lakes that take a place at once, none may get it,
 * but never both.  A lake's warehouse may lie in a folder of another's, which leaves it alone.
 */
#ifndef ENGINE_OWNERSHIP_H
#define ENGINE_OWNERSHIP_H

#include "catalog/place.h"

/*
 * Whose the folder is ("" or with its '/'), in the arena; NULL: nobody has taken it.  Of several,
 * one that is not lake_id.
 */
bool ownership_find(struct store *store, const char *folder, const char *lake_id,
	struct arena *arena, const char **owner, struct error *err) MUST_CHECK;

/*
 * The lake's from now on, if it is nobody's: SETUP when it is another's, when the lake's tables are
 * in another place (catalog/place.h), and when a lake without tables finds some there that no
 * catalog of its database knows, or that are another lake's.
 */
bool ownership_take(struct store *store, struct catalog *catalog, struct error *err) MUST_CHECK;

/* SETUP unless the warehouse is that lake's. */
bool ownership_check(struct store *store, const char *lake_id, struct error *err) MUST_CHECK;

/* UNSUPPORTED when a table's folder lies in another lake's warehouse. */
bool ownership_check_folder(struct store *store, const char *folder, struct error *err) MUST_CHECK;

/*
 * Takes out of a listing, sorted by path, what is in others' folders: in another lake's warehouse,
 * or in a table of Hadoop's kind, which no catalog knows.  Also what says whose the warehouse is.
 */
size_t ownership_leave_out(struct object_info *objects, size_t count, struct arena *arena);

#endif
