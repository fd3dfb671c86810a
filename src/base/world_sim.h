/*
 * world_sim.h: a world made of memory, for tests: the same seed and calls give the same run.
 *
 * Time stands still but for world_sleep(), which returns at once, and world_sim_advance().  The
 * disk starts as an empty "/".  It knows which bytes of each file and which names of each
 * directory were synced; world_sim_crash() keeps those, and of the rest what chance leaves, as a
 * real disk might:
 *
 *	un-synced write     each of its 512-byte sectors is kept or not; a lost one past the end of
 *	                    the file leaves zeros, or nothing
 *	un-synced truncate  done or not
 *	un-synced name      created, removed or renamed or not; in order for one name, in any order
 *	                    for different ones.  A rename within a directory is atomic; between
 *	                    two directories the file may be left under both names.
 *
 * A file's sync does not make its name durable.  Handles of one file see each other's writes.
 */
#ifndef BASE_WORLD_SIM_H
#define BASE_WORLD_SIM_H

#include "base/world.h"

struct world *world_sim_open(uint64_t seed);
void world_sim_close(struct world *world); /* after every file; also NULL */

void world_sim_advance(struct world *world, micros_t micros);
void world_sim_jump(struct world *world, micros_t micros); /* only world_now(); also backwards */

/*
 * The power fails.  Every call on files fails with LOST until world_sim_restart(), so that what
 * still runs can be unwound; a handle from before the crash fails with LOST for ever.
 */
void world_sim_crash(struct world *world);
void world_sim_restart(struct world *world);

/*
 * Called before each call on files, with its name ("open", "rename", "remove", "make_directory",
 * "sync_directory", "list", "read_at", "write_at", "truncate", "sync", "size") and path.  It may
 * crash the world, advance time, or make the call fail: by returning false with *err filled.
 */
typedef bool world_sim_hook(void *context, const char *call, const char *path, struct error *err);
void world_sim_observe(struct world *world, world_sim_hook *before, void *context);

uint64_t world_sim_calls(struct world *world); /* calls on files so far */

#endif
