/*
 * table_fixture.h: for tests: a table, and beside it what its rows should be.
 */
#ifndef TABLE_TABLE_FIXTURE_H
#define TABLE_TABLE_FIXTURE_H

#include "base/test.h"
#include "table/table_internal.h"

enum {
	FOREVER = 1000 * 1000 * 1000, /* ms: no version is old */
};

struct model_row {
	int64_t id;
	int32_t value;
	bool is_live;
	uint32_t file, position;
};

struct model {
	size_t count, capacity;
	struct model_row *rows; /* by id, which is their index */
};

struct fixture {
	uint64_t random;
	struct world *world;
	struct store *store;
	struct table_options options;
	struct table *table;
	struct model now; /* the delta included */
	struct model committed;
	struct batch batch;
	struct arena arena; /* of one step */
	struct error err;
	int64_t time_ms;
	lsn_t position;
	uint64_t rewritten; /* rows, by folding */
	struct table_prepared prepared;
};

extern const struct relation fixture_relation;

struct store *fixture_memory(void);
void fixture_open(struct fixture *fixture, struct store *store, uint64_t seed);
void fixture_close(struct fixture *fixture); /* the store too */
uint64_t fixture_random(struct fixture *fixture, uint64_t below);

void fixture_write(struct fixture *fixture, size_t row_count);
void fixture_append(struct fixture *fixture, size_t batch_count, size_t row_count);
void fixture_delete(struct fixture *fixture, size_t row_count); /* at most */
void fixture_truncate(struct fixture *fixture);
void fixture_fold(struct fixture *fixture, uint64_t rows_max);

/* expire_age_ms: how far back versions are kept. */
bool fixture_prepare(struct fixture *fixture, int64_t expire_age_ms); /* false: fixture->err */
void fixture_accept(struct fixture *fixture);
void fixture_commit(struct fixture *fixture, int64_t expire_age_ms);
void fixture_reload(struct fixture *fixture);
void fixture_abandon(struct fixture *fixture); /* and load what was committed */

/* The metadata after updates by somebody else; its location, in the arena. */
const char *fixture_foreign(struct fixture *fixture, const struct update *updates, size_t count);

/* The metadata at a location, in the arena. */
struct metadata *fixture_metadata(struct fixture *fixture, const char *location);

/* A scan yields exactly the model, where the model says. */
void fixture_check_rows(struct fixture *fixture);

/*
 * Of the committed metadata: every named object is there, nothing else is; totals are those of the
 * files, each data file has at most one delete file, the numbers in manifests and lists agree.
 */
void fixture_check_store(struct fixture *fixture);

/* Both; the step is at its end. */
void fixture_check(struct fixture *fixture);

#endif
