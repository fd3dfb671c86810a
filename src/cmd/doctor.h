/*
 * doctor.h: is all there that a lake needs?
 *
 * A list of checks, each a function that says one or several findings.  A finding is ok, a warning
 * (it works, and something may go wrong later), or wrong (it does not work), and comes with the
 * statement or setting that mends it.  Nothing is changed but for a probe object in the store,
 * which is written, read, listed and removed.
 */
#ifndef CMD_DOCTOR_H
#define CMD_DOCTOR_H

#include "engine/lake.h"
#include "engine/process.h"

enum verdict {
	VERDICT_OK = 1,
	VERDICT_WARNING,
	VERDICT_WRONG,
};

struct finding {             /* texts are in the doctor's arena */
	const char *topic;   /* "source", "store", "catalog", "log", "http" */
	const char *subject; /* "wal_level", "public.orders" */
	enum verdict verdict;
	const char *text;
	const char *mend; /* "" when there is nothing to mend */
};

struct doctor {
	struct arena arena;
	const struct configuration *configuration;
	bool is_running; /* a process has the lake */
	struct process_activity process;

	/* what earlier checks have found out, for later ones */
	bool has_lake;
	struct catalog_view view;
	bool has_facts;
	struct postgres_facts facts;

	size_t finding_count;
	struct finding *findings; /* grows in the arena */
	const char *topic;        /* of the check at work */
};

/* Runs every check. */
void doctor_examine(struct doctor *doctor);

size_t doctor_count(const struct doctor *doctor, enum verdict verdict);
void doctor_print(const struct doctor *doctor, FILE *out);
bool doctor_print_json(const struct doctor *doctor, FILE *out, struct error *err) MUST_CHECK;

/* --- for the checks --- */

/* mend may be NULL or "". */
void doctor_say(struct doctor *doctor, enum verdict verdict, const char *subject, const char *mend,
	const char *format, ...) PRINTF_LIKE(5, 6);
/* An error's text, and its hint as what mends it. */
void doctor_say_error(
	struct doctor *doctor, enum verdict verdict, const char *subject, const struct error *err);

void doctor_look_at_catalog(struct doctor *doctor);
void doctor_look_at_settings(struct doctor *doctor); /* of the source */
void doctor_look_at_slot(struct doctor *doctor);
void doctor_look_at_tables(struct doctor *doctor);
void doctor_look_at_store(struct doctor *doctor);
void doctor_look_at_log(struct doctor *doctor);
void doctor_look_at_http(struct doctor *doctor);

#endif
