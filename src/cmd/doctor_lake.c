/*
 * The lake's own places: catalog, store, log, and the address that it listens on.
 */
#include "cmd/doctor.h"

#include "cmd/show.h"
#include "engine/ownership.h"
#include "net/http.h"
#include "serve/address.h"
#include "store/s3/s3.h"

#include <errno.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum {
	SKEW_WARNING = 5 * 1000 * 1000,     /* microseconds */
	SKEW_WRONG = 15 * 60 * 1000 * 1000, /* beyond it S3 refuses every request */
};
#define FREE_BYTES_WRONG ((uint64_t)64 * 1024 * 1024)
#define FREE_BYTES_WARNING ((uint64_t)1024 * 1024 * 1024)

/* --- places on this machine --- */

/* The directory, or what is there of the way to it: it is made when it is missing. */
static const char *existing_part(struct doctor *doctor, const char *path)
{
	char *part = arena_copy_cstring(&doctor->arena, path);
	while (access(part, F_OK) != 0 && strrchr(part, '/') != part)
		*strrchr(part, '/') = '\0';
	return access(part, F_OK) == 0 ? part : "/";
}

/* True when files can be made there. */
static bool look_at_directory(struct doctor *doctor, const char *subject, const char *path)
{
	const char *part = existing_part(doctor, path);
	if (access(part, R_OK | W_OK | X_OK) == 0) {
		doctor_say(doctor, VERDICT_OK, subject, NULL, "\"%s\" %s", path,
			strcmp(part, path) == 0 ? "can be read and written" : "will be made");
		return true;
	}
	doctor_say(doctor, VERDICT_WRONG, subject,
		"Give the user that runs walberg permission to read and write there.", "\"%s\": %s",
		part, strerror(errno));
	return false;
}

static void look_at_free(
	struct doctor *doctor, const char *path, uint64_t wanted, const char *what_for)
{
	struct statvfs disk;
	char bytes[SHOW_SIZE], wish[SHOW_SIZE];
	if (statvfs(existing_part(doctor, path), &disk) != 0)
		return;
	const uint64_t free_bytes = (uint64_t)disk.f_bavail * disk.f_frsize;
	const enum verdict verdict = free_bytes < FREE_BYTES_WRONG ? VERDICT_WRONG
				     : free_bytes < wanted         ? VERDICT_WARNING
								   : VERDICT_OK;
	doctor_say(doctor, verdict, "free space",
		verdict == VERDICT_OK ? NULL
				      : arena_format(&doctor->arena,
						"Free space there, or lower what is wanted: %s %s.",
						what_for, show_bytes(wanted, wish)),
		"%s where \"%s\" lies", show_bytes(free_bytes, bytes), path);
}

/* --- the catalog --- */

static void look_at_lake(struct doctor *doctor)
{
	static const char *const PHASES[] = { "named, and nothing is read yet",
		"its initial snapshot is not complete", "live", "dropped" };
	const struct lake *lake = &doctor->view.lake;
	doctor_say(doctor, VERDICT_OK, "lake", NULL, "%s, %s, %zu tables", lake->id,
		lake->phase <= LAKE_DROPPED ? PHASES[lake->phase] : "of an unknown phase",
		doctor->view.table_count);
	for (size_t i = 0; i < doctor->view.table_count; i++) {
		const struct catalog_table *table = &doctor->view.tables[i];
		if (table->state == TABLE_PAUSED)
			doctor_say(doctor, VERDICT_WARNING,
				arena_format(&doctor->arena, "%s.%s", table->namespace_name,
					table->name),
				NULL, "it is paused: %s", table->reason);
	}
}

/* A commit on one that the lake has not made: it is refused, if it may be written at all. */
static bool try_to_write(struct doctor *doctor, struct error *err)
{
	struct catalog *catalog;
	size_t conflict;
	struct lake lake = doctor->view.lake;
	lake.commit_number = INT64_MAX;
	const struct catalog_commit commit = {
		.base_commit_number = lake.commit_number - 1,
		.lake = &lake,
	};
	if (!lake_open_catalog(doctor->configuration, false, &catalog, err))
		return false;
	const bool is_made = catalog_commit(catalog, &commit, &conflict, err);
	catalog_close(catalog);
	if (is_made)
		return error_set(err, ERROR_CORRUPT,
			"the catalog takes a commit on one that was never made");
	return err->kind == ERROR_CONFLICT;
}

static void look_for_writing(struct doctor *doctor)
{
	struct error err;
	if (try_to_write(doctor, &err))
		doctor_say(doctor, VERDICT_OK, "writing", NULL, "the catalog can be written");
	else
		doctor_say_error(doctor, VERDICT_WRONG, "writing", &err);
}

static bool catalog_is_file(const struct doctor *doctor)
{
	struct error ignored; /* of what it is told when it is opened */
	enum catalog_form form;
	const char *where;
	return configuration_catalog(doctor->configuration, &form, &where, &ignored) &&
	       form == CATALOG_SQLITE;
}

static void look_at_own_database(struct doctor *doctor)
{
	struct error err;
	enum catalog_server server;
	if (catalog_is_file(doctor) || doctor->configuration->source_url == NULL)
		return;
	if (!lake_compare_servers(doctor->configuration, &server, &err))
		doctor_say_error(doctor, VERDICT_WRONG, "database", &err);
	else if (server == CATALOG_ON_SOURCE)
		doctor_say(doctor, VERDICT_OK, "database", NULL,
			"it is on the source's server, in a database of its own");
}

static void look_at_missing(struct doctor *doctor, const struct error *err)
{
	if (err->kind != ERROR_MISSING) {
		doctor_say_error(doctor, VERDICT_WRONG, "connection", err);
		return;
	}
	doctor_say(doctor, VERDICT_OK, "lake", NULL, "there is none yet: \"walberg run\" makes it");
	if (catalog_is_file(doctor))
		look_at_directory(doctor, "directory", doctor->configuration->lake_directory);
}

void doctor_look_at_catalog(struct doctor *doctor)
{
	struct catalog *catalog = NULL;
	struct error err;
	if (!process_look(doctor->configuration->lake_directory, &doctor->process,
		    &doctor->is_running, &err))
		doctor_say_error(doctor, VERDICT_WRONG, "process", &err);
	doctor->has_lake = lake_open_catalog(doctor->configuration, true, &catalog, &err) &&
			   catalog_load(catalog, &doctor->arena, &doctor->view, &err);
	catalog_close(catalog);
	if (doctor->has_lake) {
		look_at_lake(doctor);
		look_for_writing(doctor);
	} else {
		look_at_missing(doctor, &err);
	}
	if (doctor->has_lake || err.kind == ERROR_MISSING)
		look_at_own_database(doctor);
}

/* --- the store --- */

static void look_at_skew(struct doctor *doctor, micros_t written_at, micros_t now)
{
	char span[SHOW_SIZE];
	const micros_t skew = written_at > now ? written_at - now : now - written_at;
	const enum verdict verdict = skew > SKEW_WRONG     ? VERDICT_WRONG
				     : skew > SKEW_WARNING ? VERDICT_WARNING
							   : VERDICT_OK;
	doctor_say(doctor, verdict, "clock",
		verdict == VERDICT_OK ? NULL : "Let both machines follow the same time (NTP).",
		"the store's clock and this machine's differ by %s", show_span(skew, span));
}

/* Nothing else keeps two processes apart in a bucket. */
static void look_at_condition(struct doctor *doctor, struct store *store)
{
	struct error err;
	if (store_probe_condition(world_posix(), store, &err))
		doctor_say(doctor, VERDICT_OK, "conditional writes", NULL,
			"of two writers of one object the second is refused");
	else
		doctor_say_error(doctor, VERDICT_WRONG, "conditional writes", &err);
}

static bool look_at_probe(struct doctor *doctor, struct store *store)
{
	struct error err;
	micros_t written_at;
	const micros_t now = world_now(world_posix());
	if (!store_probe(world_posix(), store, &written_at, &err)) {
		doctor_say_error(doctor, VERDICT_WRONG, "probe", &err);
		return false;
	}
	doctor_say(doctor, VERDICT_OK, "probe", NULL,
		"an object was written, read, listed and removed in \"%s\"",
		doctor->configuration->lake_warehouse);
	look_at_skew(doctor, written_at, now);
	return true;
}

/* False: it is not this lake's, and nothing is tried there. */
static bool look_at_owner(struct doctor *doctor, struct store *store)
{
	const char *lake_id = doctor->has_lake ? doctor->view.lake.id : "";
	const char *owner;
	struct error err;
	if (!ownership_find(store, "", lake_id, &doctor->arena, &owner, &err))
		return true; /* the probe says more */
	const bool is_right = (!doctor->has_lake || place_look(store, &doctor->view, &err)) &&
			      (owner == NULL || ownership_check(store, lake_id, &err));
	if (!is_right)
		doctor_say_error(doctor, VERDICT_WRONG, "owner", &err);
	else if (owner == NULL)
		doctor_say(doctor, VERDICT_OK, "owner", NULL,
			"no lake has taken the warehouse yet: \"walberg run\" does");
	else
		doctor_say(doctor, VERDICT_OK, "owner", NULL, "the warehouse is this lake's");
	return is_right;
}

static void look_at_s3_tls(struct doctor *doctor)
{
	const char *endpoint = doctor->configuration->s3_endpoint;
	if (endpoint == NULL || strncasecmp(endpoint, "https:", strlen("https:")) == 0)
		doctor_say(doctor, VERDICT_OK, "TLS", NULL, "the connection is encrypted");
	else if (http_is_loopback(endpoint))
		doctor_say(doctor, VERDICT_OK, "TLS", NULL,
			"the connection does not leave this machine");
	else
		doctor_say(doctor, VERDICT_WARNING, "TLS",
			"Let s3.endpoint begin with https:// (s3.ca_file names an authority of "
			"your own).",
			"the connection leaves this machine without encryption");
}

/* Whether it is there, and not another lake's: what is not there yet is not made here. */
static bool look_at_place(struct doctor *doctor, bool is_local)
{
	const struct configuration *configuration = doctor->configuration;
	const char *warehouse = configuration->lake_warehouse;
	struct store *store;
	struct error err;
	if (!lake_look_store(world_posix(), configuration, &store, &err)) {
		doctor_say_error(doctor, VERDICT_WRONG, "warehouse", &err);
		return false;
	}
	const bool is_right = look_at_owner(doctor, store);
	store_close(store);
	return is_right && (!is_local || (look_at_directory(doctor, "warehouse", warehouse) &&
						 access(warehouse, F_OK) == 0));
}

void doctor_look_at_store(struct doctor *doctor)
{
	const struct configuration *configuration = doctor->configuration;
	const char *warehouse = configuration->lake_warehouse;
	const bool is_local = !s3_is_location(warehouse);
	struct store *store;
	struct error err;
	if (!look_at_place(doctor, is_local))
		return;
	if (!lake_open_store(world_posix(), configuration, &store, &err)) {
		doctor_say_error(doctor, VERDICT_WRONG, "warehouse", &err);
		return;
	}
	if (look_at_probe(doctor, store) && !is_local)
		look_at_condition(doctor, store);
	store_close(store);
	if (is_local)
		look_at_free(doctor, warehouse, FREE_BYTES_WARNING, "the warehouse wants");
	else
		look_at_s3_tls(doctor);
}

/* --- the log and the listener --- */

void doctor_look_at_log(struct doctor *doctor)
{
	const struct configuration *configuration = doctor->configuration;
	if (look_at_directory(doctor, "directory", configuration->log_directory))
		look_at_free(doctor, configuration->log_directory,
			(uint64_t)configuration->log_size_limit, "log.size_limit is");
	if (doctor->is_running && doctor->process.metrics.is_log_full)
		doctor_say(doctor, VERDICT_WRONG, "limit",
			"Wait for the tables, or raise log.size_limit: a transaction larger than "
			"that never fits.",
			"the log is full, and nothing is read from the source");
}

void doctor_look_at_http(struct doctor *doctor)
{
	const char *listen = doctor->configuration->http_listen;
	struct address address;
	struct error err;
	if (strcmp(listen, "off") == 0)
		return;
	if (doctor->is_running) {
		doctor->process.http[PROCESS_URL_SIZE - 1] = '\0';
		doctor_say(doctor, VERDICT_OK, "http.listen", NULL, "process %d listens on %s",
			doctor->process.pid,
			doctor->process.http[0] != '\0' ? doctor->process.http : "nothing");
	} else if (address_listen("http.listen", listen, &address, &err)) {
		close(address.socket);
		doctor_say(doctor, VERDICT_OK, "http.listen", NULL, "\"%s\" is free", listen);
	} else {
		doctor_say_error(doctor, VERDICT_WRONG, "http.listen", &err);
	}
}
