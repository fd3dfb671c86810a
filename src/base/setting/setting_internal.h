/*
 * setting_internal.h: what the readers of the several sources share.
 *
 * Readers run from the weakest source to the strongest; each value given replaces the one before.
 */
#ifndef BASE_SETTING_INTERNAL_H
#define BASE_SETTING_INTERNAL_H

#include "base/buffer.h"
#include "base/setting/setting.h"

struct given {
	const char *text; /* NULL: not given as one text */
	struct setting_list items;
	bool is_list;
	bool is_from_yaml;
	const char *origin; /* "walberg.yaml:12", "environment variable X", "--set" */
	const struct setting_alias *alias; /* that gave it; NULL: its own name did */
	unsigned source;                   /* as of struct setting_reading */
};

struct setting_reading {
	const struct setting_table *table;
	struct given *given; /* one per setting of the table */
	struct arena *arena;
	unsigned source; /* a number for each of the sources, so far */
};

const struct setting *setting_find(
	const struct setting_table *table, const char *name); /* or NULL */
bool setting_is_group(const struct setting_table *table, const char *name);

/* Fills *err with the nearest valid name; returns false. */
bool setting_fail_unknown(
	const struct setting_table *table, const char *origin, const char *name, struct error *err);

bool setting_give(struct setting_reading *reading, const char *name, struct given given,
	struct error *err) MUST_CHECK;

/* One variable; others than aliases and WALBERG_ names are passed over. */
bool setting_give_variable(struct setting_reading *reading, const char *name, const char *value,
	const char *origin, struct error *err) MUST_CHECK;

bool setting_read_yaml(struct setting_reading *reading, const struct setting_file *file,
	struct error *err) MUST_CHECK;
bool setting_read_env(struct setting_reading *reading, const struct setting_file *file,
	struct error *err) MUST_CHECK;

/* Parses, checks and stores the value of one setting into the struct at out. */
bool setting_store(const struct setting *setting, const struct given *given, struct arena *arena,
	void *out, struct error *err) MUST_CHECK;

#endif
