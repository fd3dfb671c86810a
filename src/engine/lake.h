/*
 * lake.h: a configured lake's parts, opened: its store and its catalog.
 */
#ifndef ENGINE_LAKE_H
#define ENGINE_LAKE_H

#include "engine/configuration.h"
#include "engine/publisher.h"

struct lake_parts {
	struct store *store;
	struct catalog *catalog;
	bool catalog_is_on_source; /* on its server: each commit makes WAL there */
};

/*
 * For writing: makes directories and the catalog where they are missing.  SETUP, and nothing is
 * made, when the lake's tables are in another place than lake.warehouse says.
 */
bool lake_open(struct world *world, const struct configuration *configuration,
	struct lake_parts *out, struct error *err) MUST_CHECK;

/* The catalog alone, made where it is missing. */
bool lake_make_catalog(const struct configuration *configuration, struct catalog **out,
	struct error *err) MUST_CHECK;

/* For looking: MISSING when there is no lake. Only the catalog is opened. */
bool lake_open_catalog(const struct configuration *configuration, bool is_read_only,
	struct catalog **out, struct error *err) MUST_CHECK;
/* A directory is made when it is missing; a bucket is asked nothing yet. */
bool lake_open_store(struct world *world, const struct configuration *configuration,
	struct store **out, struct error *err) MUST_CHECK;
/* For looking: nothing is made. */
bool lake_look_store(struct world *world, const struct configuration *configuration,
	struct store **out, struct error *err) MUST_CHECK;
void lake_close(struct lake_parts *parts);

/* As place_check() and place_look() (catalog/place.h), before anything is made or opened. */
bool lake_check_place(const struct configuration *configuration, const struct catalog_view *view,
	struct error *err) MUST_CHECK;
bool lake_look_for_place(struct world *world, const struct configuration *configuration,
	const struct catalog_view *view, struct error *err) MUST_CHECK;

enum catalog_server {
	CATALOG_NOWHERE = 0, /* not known: it has to be made yet, or its server lets nobody in */
	CATALOG_ELSEWHERE,
	CATALOG_ON_SOURCE,
};

/*
 * Whether the catalog is on the source's server.  SETUP when it is in the source's own database: to
 * be asked before it is made there.  LOST, BUSY when either server cannot be asked now.
 */
bool lake_compare_servers(const struct configuration *configuration, enum catalog_server *out,
	struct error *err) MUST_CHECK;

/* How their servers are reached; url: what configuration_catalog() gives. */
struct postgres_target lake_source_target(const struct configuration *configuration);
struct postgres_target lake_catalog_target(
	const struct configuration *configuration, const char *url);

/*
 * Loads the lake, or puts the first row of a new one, with a random id.  One that has no slot yet
 * takes the name that is configured now.
 */
bool lake_load_or_create(struct world *world, const struct configuration *configuration,
	struct catalog *catalog, struct arena *arena, struct catalog_view *out,
	struct error *err) MUST_CHECK;

struct publisher_options lake_publisher_options(struct world *world,
	const struct configuration *configuration, const struct lake_parts *parts);

/* SETUP when source.url is not set. */
bool lake_check_source_is_given(
	const struct configuration *configuration, struct error *err) MUST_CHECK;

struct postgres_options lake_source_options(
	const struct configuration *configuration, const struct lake *lake);

/* The source that this lake belongs to. */
bool lake_open_source(struct world *world, const struct configuration *configuration,
	const struct lake *lake, struct source **out, struct error *err) MUST_CHECK;

#endif
