/*
 * postgres_fixture.h: a database for a catalog in a real PostgreSQL, whose address tests/run puts
 * into WALBERG_TEST_POSTGRES (a superuser's).
 */
#ifndef CATALOG_POSTGRES_FIXTURE_H
#define CATALOG_POSTGRES_FIXTURE_H

#include "catalog/catalog.h"
#include "net/postgres.h"

enum {
	SECOND = 1000 * 1000, /* microseconds */
};

struct postgres_fixture {
	struct arena arena;
	struct postgres *admin;   /* of another database */
	struct postgres *outside; /* of the catalog's, as another program */
	char name[80];
	const char *url;
};

/* Skips the test without a server.  The database has a name of its own, and is not made yet. */
void postgres_fixture_begin(struct postgres_fixture *f);
void postgres_fixture_end(struct postgres_fixture *f);

const char *postgres_fixture_server_url(void);
/* The server's URL with another user and database. */
const char *postgres_fixture_url(
	struct postgres_fixture *f, const char *user, const char *database);

struct postgres_catalog_options postgres_fixture_options(const char *url);
struct catalog *postgres_fixture_open_with(const struct postgres_catalog_options *options);
struct catalog *postgres_fixture_open(const char *url);
struct error postgres_fixture_open_fails(const struct postgres_catalog_options *options);

void postgres_fixture_run_as_admin(struct postgres_fixture *f, const char *sql);
/* In the catalog's database, as another program would; ask: the only row's first value. */
void postgres_fixture_run(struct postgres_fixture *f, const char *sql);
const char *postgres_fixture_ask(struct postgres_fixture *f, const char *sql);

#endif
