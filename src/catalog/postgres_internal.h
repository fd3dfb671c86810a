/*
 * postgres_internal.h: the SQL catalog in a PostgreSQL database: its connection.
 */
#ifndef CATALOG_POSTGRES_INTERNAL_H
#define CATALOG_POSTGRES_INTERNAL_H

#include "catalog/sql_internal.h"
#include "net/postgres.h"

struct postgres_backend { /* the server's process behind a connection */
	int64_t pid;      /* 0: none */
	char started_at[40];
};

struct postgres_catalog {
	struct sql_catalog sql;
	struct arena arena; /* of target */
	struct postgres_target target;
	int64_t busy_timeout_ms;
	bool wants_lock; /* each new connection takes the lake's lock */
	bool had_lock;   /* a connection of this handle had it */

	struct postgres *connection; /* NULL: lost, the next transaction opens another */
	struct postgres_backend backend;
	/* I4: of a connection that was lost.  It may still be committing. */
	struct postgres_backend old;

	bool is_prepared[STATEMENT_COUNT];
	struct pg_result *result; /* of the query that was started last */
	int next_row;
};

static inline struct postgres_catalog *postgres_catalog_of(struct sql_catalog *sql)
{
	return (struct postgres_catalog *)sql;
}

/*
 * Makes the connection that the next transaction needs, if there is none: ends what the last one
 * left behind (I4), sets the session, and takes the lock where it is wanted.
 */
bool postgres_catalog_connect(struct postgres_catalog *catalog, struct error *err) MUST_CHECK;

/* The connection is broken, or not to be trusted any more. */
void postgres_catalog_disconnect(struct postgres_catalog *catalog);

/* Fills err from a failed result, in a catalog's words, and lets a broken connection go. */
bool postgres_catalog_fail(
	struct postgres_catalog *catalog, const struct pg_result *result, struct error *err);

/*
 * Whether it may be for want of the database that a connection failed: libpq has only words for
 * it, in the server's language, which name the database.
 */
bool postgres_catalog_may_miss_database(
	const struct postgres_catalog *catalog, const struct error *failure);

/* Makes the database when the server has none of this name: MISSING when it may not. */
bool postgres_catalog_make_database(
	const struct postgres_catalog *catalog, bool may_make, struct error *err) MUST_CHECK;

/* SETUP when nothing can be written there. */
bool postgres_catalog_check_writable(
	struct postgres_catalog *catalog, struct error *err) MUST_CHECK;

#endif
