/*
 * cache_internal.h: what the parts of the cache share.
 *
 * cache_index.c is the index, cache_pins.c says which objects are in use, cache_room.c makes room,
 * cache_download.c brings bytes into files, cache_ranges.c reckons with ranges, cache.c puts them
 * together.
 *
 * <directory>/walberg-cache.db   the index
 * <directory>/pins               locks, see below
 * <directory>/objects/<id>-<random>
 */
#ifndef STORE_CACHE_INTERNAL_H
#define STORE_CACHE_INTERNAL_H

#include "base/map.h"
#include "store/cache.h"

enum {
	CACHE_BLOCK_SIZE = 4096, /* what a byte takes at least on a disk */
};

/* ---- ranges ---- */

struct byte_ranges { /* by start, none empty, none touching another */
	size_t count;
	struct byte_range *items;
};

/* The same bytes, in order, in arena. */
struct byte_ranges ranges_of(const struct byte_range *items, size_t count, struct arena *arena);

/* Those of wanted that are not in present. */
struct byte_ranges ranges_missing(
	const struct byte_ranges *wanted, const struct byte_ranges *present, struct arena *arena);

/* The same with the gaps up to gap_max filled: one request costs more than the bytes between. */
struct byte_ranges ranges_bridged(
	const struct byte_ranges *ranges, uint64_t gap_max, struct arena *arena);

uint64_t ranges_disk_bytes(const struct byte_ranges *ranges); /* in whole blocks */

/* ---- pins ---- */

/*
 * Who uses an object holds a shared lock on byte <id> of the file of pins; who removes one needs
 * the exclusive lock.  Locks go with their process.  Byte 0 stands for the whole cache.
 */
struct pins {
	int descriptor;
	struct map held; /* ids that are pinned here */
};

bool pins_open(struct pins *pins, const char *path, struct error *err) MUST_CHECK; /* waits */
void pins_close(struct pins *pins);
bool pins_add(struct pins *pins, int64_t id, struct error *err) MUST_CHECK;
bool pins_has(const struct pins *pins, int64_t id);
void pins_drop(struct pins *pins, int64_t id);
void pins_drop_all(struct pins *pins);

/* Whether nobody, here or elsewhere, uses the object; nobody can pin it until pins_unlock(). */
bool pins_try_lock(struct pins *pins, int64_t id);
void pins_unlock(struct pins *pins, int64_t id);

/* Of an object that is pinned here: whether nobody else uses it, or can until pins_share(). */
bool pins_try_own(struct pins *pins, int64_t id);
void pins_share(struct pins *pins, int64_t id);

/* Whether no other cache is open in this directory; none can be opened until pins_share(). */
bool pins_try_lock_all(struct pins *pins);
void pins_share_all(struct pins *pins);

/* ---- the index ---- */

/* Of objects by name: that of cache.c, which is another for an equal URI at another endpoint. */
struct index;

struct index_object {
	int64_t id;       /* 0: there is none */
	const char *file; /* its name in objects/ */
	uint64_t size;
	uint64_t charged; /* bytes that it takes, or will when what is being fetched is there */
	int64_t used_at;
	bool has_checksum; /* it is whole, and read with its checksum: its ranges are not durable */
	uint64_t checksum;
};

/* CORRUPT: it is damaged, or of another version; nothing is open then. */
bool index_open(const char *path, struct index **out, struct error *err) MUST_CHECK;
void index_close(struct index *index); /* also NULL */

/* Whether a change is durable when it ends; else it may be lost when the machine crashes. */
bool index_be_durable(struct index *index, bool is_durable, struct error *err) MUST_CHECK;

/* All changes are made between these two; the others of this machine wait meanwhile. */
bool index_begin(struct index *index, struct error *err) MUST_CHECK;
bool index_end(struct index *index, bool is_good, struct error *err) MUST_CHECK;

bool index_find(struct index *index, const char *name, struct arena *arena,
	struct index_object *out, struct error *err) MUST_CHECK;
bool index_insert(struct index *index, const char *name, uint64_t size, int64_t now,
	struct arena *arena, struct index_object *out, struct error *err) MUST_CHECK;
bool index_remove(struct index *index, int64_t id, struct error *err) MUST_CHECK;
bool index_charge(struct index *index, int64_t id, uint64_t bytes, struct error *err) MUST_CHECK;
bool index_set_charge(
	struct index *index, int64_t id, uint64_t bytes, struct error *err) MUST_CHECK;
bool index_touch(struct index *index, int64_t id, int64_t now, struct error *err) MUST_CHECK;
bool index_set_checksum(
	struct index *index, int64_t id, uint64_t checksum, struct error *err) MUST_CHECK;

bool index_ranges(struct index *index, int64_t id, struct arena *arena, struct byte_ranges *out,
	struct error *err) MUST_CHECK;
bool index_add_range(struct index *index, int64_t id, const struct byte_range *range,
	struct error *err) MUST_CHECK;

bool index_remove_ranges(struct index *index, int64_t id, struct error *err) MUST_CHECK;

bool index_total(struct index *index, uint64_t *out, struct error *err) MUST_CHECK;
/* The next one in the order of their use, after *at, which is moved; id 0 when there is none. */
bool index_next_used(struct index *index, struct index_object *at, struct arena *arena,
	struct error *err) MUST_CHECK;

/* Whether the machine has started since this was asked last: what was not synced may be gone. */
bool index_is_of_this_boot(struct index *index, bool *out, struct error *err) MUST_CHECK;
bool index_file_exists(
	struct index *index, const char *file, bool *out, struct error *err) MUST_CHECK;

/* ---- room ---- */

struct cache {
	char *directory;
	char *files; /* <directory>/objects */
	uint64_t size_max;
	struct pins pins;
	struct index *index;
	struct buffer removed; /* int64_t: ids that this change of the index has removed, locked */
	struct map in_use;     /* of cache_room.c, by id */
};

const char *cache_file(const struct cache *cache, const char *name, struct arena *arena);

bool cache_change_begin(struct cache *cache, struct error *err) MUST_CHECK;
bool cache_change_end(struct cache *cache, bool is_good, struct error *err) MUST_CHECK;

/* Within a change; *is_gone is false when somebody uses it. */
bool cache_try_remove(struct cache *cache, const struct index_object *object, bool *is_gone,
	struct arena *arena, struct error *err) MUST_CHECK;

/*
 * Within a change: what was used longest ago goes until so many bytes fit.  What was removed stays
 * removed, also when there is no room.
 */
bool cache_make_room(
	struct cache *cache, uint64_t bytes, bool *has_room, struct error *err) MUST_CHECK;

/* What is wanted of a pinned object, until cache_end_use(); each call adds. */
void cache_use(
	struct cache *cache, const struct index_object *object, const struct byte_ranges *wanted);
void cache_end_use(struct cache *cache);

/*
 * Outside of a change, and durable: a range that the index forgets must not come back with a crash
 * of the machine when its bytes become a hole.
 */
bool cache_set_ranges(struct cache *cache, int64_t id, const struct byte_ranges *ranges,
	struct error *err) MUST_CHECK;

/* Outside of a change: of objects that are in use here alone, what is not wanted goes. */
bool cache_trim(struct cache *cache, struct error *err) MUST_CHECK;

/* ---- bringing bytes ---- */

struct download {
	const char *path; /* in the store */
	const char *file; /* which has its size */
	struct byte_range range;
	size_t object; /* the number of the object that it is a part of */
};

/*
 * Several at once.  `done` is called in the calling thread for each object all of whose parts are
 * durable; the rest is given up after the first failure, theirs or that of `done`.
 */
struct downloads {
	const struct download *items;
	size_t count;
	size_t object_count;
	bool (*done)(void *context, size_t object, struct error *err);
	void *context;
};

bool downloads_run(
	struct store *store, const struct downloads *downloads, struct error *err) MUST_CHECK;

#endif
