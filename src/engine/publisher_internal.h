/* publisher_internal.h: what publisher.c, commit.c and retention.c share. */
#ifndef ENGINE_PUBLISHER_INTERNAL_H
#define ENGINE_PUBLISHER_INTERNAL_H

#include "engine/publisher.h"

struct publisher {
	struct publisher_options options;
	struct arena arena; /* texts of rows that change rarely, and of the lake */
	struct lake lake;   /* as committed last, but for what publisher_set_... changed */
	char commit_id[UUID_TEXT_SIZE];
	bool lake_is_changed;

	size_t table_count;
	struct publisher_table **tables;
	struct apply *apply;
	struct log *log;

	size_t commit_count; /* the lake's history, oldest first */
	struct lake_commit *commits;

	size_t removal_count; /* to be told to the catalog with the next commit */
	struct removal *removals;
	size_t removed_count; /* gone from the store, likewise */
	const char **removed;
	struct arena removal_arena; /* of both */
	size_t done_count;
	int64_t *done;

	micros_t fold_time;    /* of the last commit: rare, and no measure of the next */
	micros_t delta_due_at; /* monotonic; of a commit with rows */
	micros_t quiet_due_at; /* of one with nothing but a position or removals */
	micros_t log_due_at;   /* of one that only lets the log go */
	micros_t marks_due_at; /* of one with less than options.quiet_bytes_min of marks alone */
	micros_t retention_due_at;
};

void publisher_report(const struct publisher *publisher, enum publisher_step step);
void publisher_add_removal(struct publisher *publisher, const char *path, micros_t not_before);

/* commit.c */
int64_t history_cutoff(const struct publisher *publisher, int64_t now_ms, bool adds_one);
/* Before the oldest position that anything still has to read from; the log may be missing. */
bool publisher_release_log(struct publisher *publisher, struct error *err) MUST_CHECK;

/* retention.c: objects of the lake's tables that no version names and no removal knows. */
bool retention_find_orphans(struct publisher *publisher, struct error *err) MUST_CHECK;
/* Remove what is due from the store. */
bool retention_remove_due(struct publisher *publisher, struct error *err) MUST_CHECK;

#endif
