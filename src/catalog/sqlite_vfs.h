/*
 * sqlite_vfs.h: SQLite's files in a world, so that a simulated power failure takes from the
 * catalog, too, what was not synced.
 *
 *	struct sqlite_vfs *vfs = sqlite_vfs_register(world, "sim");
 *	... catalog_sqlite_open() with options.vfs = "sim" ...
 *	sqlite_vfs_unregister(vfs);
 *
 * Locks and the write-ahead log's shared memory are the process's own: handles of one file see
 * each other as processes would, also from several threads.  After a crash of the world the
 * handles of before fail; what they shared is forgotten, as the memory of a machine is, when one
 * of them has failed or the last is closed.
 */
#ifndef CATALOG_SQLITE_VFS_H
#define CATALOG_SQLITE_VFS_H

#include "base/world.h"

struct sqlite_vfs;

/* The name must be free. */
struct sqlite_vfs *sqlite_vfs_register(struct world *world, const char *name);
void sqlite_vfs_unregister(struct sqlite_vfs *vfs); /* after every handle is closed; also NULL */

#endif
