/*
 * publisher_fixture.h: for tests: a live lake with the tables of apply_fixture.h, and a catalog
 * that counts calls and fails them as it is told.
 */
#ifndef ENGINE_PUBLISHER_FIXTURE_H
#define ENGINE_PUBLISHER_FIXTURE_H

#include "apply/apply_fixture.h"
#include "engine/publisher_internal.h"

struct watched_catalog {
	struct catalog base;
	struct catalog *inner;
	struct world *world;
	unsigned loads, commits;     /* calls */
	micros_t commit_takes;       /* each */
	enum error_kind fail_commit; /* the next one, fail_times times */
	unsigned fail_times;
	bool fails_after;             /* the call is made, then fails */
	void (*after)(void *context); /* a commit that failed */
	void *context;
};

struct published {
	struct world *world; /* simulated */
	struct store *store;
	struct watched_catalog catalog;
	struct script script;
	struct publisher_options options;
	struct publisher *publisher;
	struct arena arena;
	struct error err;
	const char *database; /* of the catalog, for foreign commits */
	bool steps[STEP_COUNT];
};

enum {
	FIRST_LSN = 10, /* of the empty tables items, whole and lines */
	SECOND = 1000 * 1000,
	MINUTE = 60 * SECOND,
};

void published_open(struct published *published);
void published_close(struct published *published);
void published_reopen(struct published *published); /* another process, the same log */

/* Insert one row and let it be read; a commit follows when it is due. */
void published_insert(struct published *published, lsn_t end_lsn, const struct relation *relation,
	const char *row);
void published_step(struct published *published);

/* As the catalog has it, in the arena. */
struct catalog_view published_view(struct published *published);
const struct catalog_table *published_row(struct published *published, const char *name);
struct metadata *published_metadata(struct published *published, const char *location);

/* What a reader of the catalog's pointer sees of a table. */
const char *published_rows(struct published *published, const struct relation *relation);

/* Removals of the catalog, whatever their time; in the arena. */
struct removal *published_removals(struct published *published, size_t *count);

/* Every object that a version in the catalog names is there (I1). */
void published_check_named(struct published *published);

/* Swap a table's pointer as another program would; NULL location: a new property. */
void published_foreign(struct published *published, const char *name, const char *location);

/* Rename a table in the catalog, as another program would. */
void published_rename(struct published *published, const char *name, const char *to);

/* Metadata with a foreign version, which has the rows of the oldest; put into the store. */
const char *published_foreign_version(struct published *published, const char *name);

#endif
