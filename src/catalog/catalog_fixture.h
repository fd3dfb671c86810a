/*
 * catalog_fixture.h: the contract of every catalog, and a lake for the tests of each.
 */
#ifndef CATALOG_CATALOG_FIXTURE_H
#define CATALOG_CATALOG_FIXTURE_H

#include "catalog/catalog.h"

/* As it is at one of its first commits. */
struct lake catalog_fixture_lake(uint64_t commit_number);
void catalog_fixture_create(struct catalog *catalog);

/* One table's pointer from base to location, on top of commit number base_number. */
bool catalog_fixture_commit(struct catalog *catalog, uint64_t base_number, const char *name,
	const char *base, const char *location, size_t *conflict, struct error *err);
void catalog_fixture_commit_ok(struct catalog *catalog, uint64_t base_number, const char *name,
	const char *base, const char *location);

struct catalog_view catalog_fixture_load(struct catalog *catalog, struct arena *arena);
void catalog_fixture_check_location(
	struct catalog *catalog, const char *name, const char *location);
void catalog_fixture_check_lake(struct catalog *catalog, uint64_t commit_number);

/* Of a catalog without a lake, which is closed; the lake is at commit 7 afterwards. */
void catalog_fixture_check_contract(struct catalog *catalog);

/* Two handles of one catalog without a lake; both are closed. */
void catalog_fixture_check_two_handles(struct catalog *one, struct catalog *two);

#endif
