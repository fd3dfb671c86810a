/*
 * fold.c: many small files into few bigger ones.
 *
 * Files are in tiers by their live rows, each tier four times the one before.  When a tier has four
 * files, these and all smaller ones become one, which is then in a higher tier: a row is written
 * again at most once for each tier that it rises, so about log4 of the table's size times, and no
 * tier keeps more than three files.  Beside that, a file of which more than a third is deleted, or
 * an eighth that is many rows, is written again without them; one near the target size is otherwise
 * left alone.
 */
#include "table/table_internal.h"

#include <assert.h>
#include <stdlib.h>

enum {
	FAN_IN = 4,
	TIER_ROWS_MIN = 256, /* tier 0 is below FAN_IN times as many */
	TIERS_MAX = 16,
	SPARSE_ROWS_MIN = 4 * TIER_ROWS_MIN, /* smaller files are folded soon anyway */
	DELETES_MAX = 64 * 1024, /* each commit that adds one writes all of them: 0.4 ms */
};

static int tier_of(uint64_t rows)
{
	int tier = 0;
	for (uint64_t bound = FAN_IN * (uint64_t)TIER_ROWS_MIN;
		rows >= bound && tier < TIERS_MAX - 1; bound *= FAN_IN)
		tier++;
	return tier;
}

struct plan {
	struct table_file **candidates; /* files to be thought of, by age */
	size_t candidate_count;
	size_t tier_count[TIERS_MAX]; /* of small ones among them */
	uint64_t tier_rows[TIERS_MAX];
	struct table_file **chosen;
	size_t chosen_count;
	uint64_t chosen_rows;
	uint64_t rows_max;
};

static bool is_small(const struct table *table, const struct table_file *file)
{
	/* by live bytes, three quarters of the target */
	const struct data_file *data_file = &file->entry.data_file;
	const double live = (double)table_file_live_rows(file) / (double)data_file->record_count;
	return live * (double)data_file->file_size_in_bytes <
		       0.75 * (double)table->options.file_size_target_bytes &&
	       table_file_live_rows(file) < FILE_ROWS_MAX / 4 * 3;
}

static bool is_sparse(const struct table_file *file)
{
	const int64_t rows = file->entry.data_file.record_count;
	const int64_t deleted = file->deleted.set_count;
	return rows >= SPARSE_ROWS_MIN &&
	       (3 * deleted > rows || (deleted > DELETES_MAX && 8 * deleted > rows));
}

/* One or few new files of this delta are left for a later commit: they were written just now. */
static void find_candidates(const struct table *table, struct plan *plan)
{
	size_t new_count = 0;
	for (size_t i = 0; i < table->file_count; i++)
		new_count += table->files[i]->is_new && table_file_is_live(table->files[i]);
	for (size_t i = 0; i < table->file_count; i++) {
		struct table_file *file = table->files[i];
		if (!table_file_is_live(file) || (file->is_new && new_count < FAN_IN))
			continue;
		plan->candidates[plan->candidate_count++] = file;
		if (is_small(table, file)) {
			const int tier = tier_of(table_file_live_rows(file));
			plan->tier_count[tier]++;
			plan->tier_rows[tier] += table_file_live_rows(file);
		}
	}
}

static void choose(struct plan *plan, struct table_file *file)
{
	plan->chosen[plan->chosen_count++] = file;
	plan->chosen_rows += table_file_live_rows(file);
}

/*
 * The highest tier that overflows, with all smaller files, within rows_max; -1 when there is none.
 * *blocked is the highest tier that overflows but has too many rows.
 */
static int overflowing_tier(const struct plan *plan, int *blocked)
{
	int highest = -1;
	uint64_t rows = 0;        /* of tiers up to this one */
	uint64_t folded_rows = 0; /* of tiers up to the highest that overflows so far */
	*blocked = -1;
	for (int tier = 0; tier < TIERS_MAX; tier++) {
		rows += plan->tier_rows[tier];
		const bool joins = highest >= 0 && tier_of(folded_rows) == tier;
		if (plan->tier_count[tier] + joins < FAN_IN)
			continue;
		if (rows > plan->rows_max) {
			*blocked = tier;
			continue;
		}
		highest = tier;
		folded_rows = rows;
	}
	return highest;
}

static int compare_rows(const void *a, const void *b)
{
	const struct table_file *left = *(struct table_file *const *)a;
	const struct table_file *right = *(struct table_file *const *)b;
	const uint64_t fewer = table_file_live_rows(left), more = table_file_live_rows(right);
	if (fewer != more)
		return fewer < more ? -1 : 1;
	return left->id < right->id ? -1 : 1;
}

static int compare_ids(const void *a, const void *b)
{
	const struct table_file *left = *(struct table_file *const *)a;
	const struct table_file *right = *(struct table_file *const *)b;
	return left->id < right->id ? -1 : 1;
}

/* So many of a tier's files as rows_max allows, smallest first, when that makes files fewer. */
static void choose_part(const struct table *table, struct plan *plan, int tier)
{
	struct table_file **files = memory_allocate(plan->candidate_count, sizeof *files);
	size_t count = 0;
	for (size_t i = 0; i < plan->candidate_count; i++) {
		if (is_small(table, plan->candidates[i]) &&
			tier_of(table_file_live_rows(plan->candidates[i])) == tier)
			files[count++] = plan->candidates[i];
	}
	qsort(files, count, sizeof *files, compare_rows);
	uint64_t rows = 0;
	size_t fitting = 0;
	while (fitting < count && rows + table_file_live_rows(files[fitting]) <= plan->rows_max)
		rows += table_file_live_rows(files[fitting++]);
	for (size_t i = 0; fitting >= 2 && i < fitting; i++)
		choose(plan, files[i]);
	free(files);
}

static void choose_small(const struct table *table, struct plan *plan)
{
	int blocked;
	const int tier = overflowing_tier(plan, &blocked);
	for (size_t i = 0; i < plan->candidate_count; i++) {
		struct table_file *file = plan->candidates[i];
		if (is_small(table, file) && tier_of(table_file_live_rows(file)) <= tier)
			choose(plan, file);
	}
	if (tier < 0 && blocked >= 0)
		choose_part(table, plan, blocked);
}

static bool is_chosen(const struct plan *plan, const struct table_file *file)
{
	for (size_t i = 0; i < plan->chosen_count; i++) {
		if (plan->chosen[i] == file)
			return true;
	}
	return false;
}

static void choose_sparse(struct plan *plan)
{
	for (size_t i = 0; i < plan->candidate_count; i++) {
		struct table_file *file = plan->candidates[i];
		if (is_sparse(file) && !is_chosen(plan, file) &&
			plan->chosen_rows + table_file_live_rows(file) <= plan->rows_max)
			choose(plan, file);
	}
}

/* --- execution --- */

struct fold {
	struct table *table;
	bool (*moved)(void *context, const struct table_rows *rows, struct error *err);
	void *context;
	uint32_t *positions; /* READ_ROWS_MAX */
};

static bool move_rows(struct fold *fold, const struct batch *batch, struct error *err)
{
	uint32_t file, position;
	if (!table_append(fold->table, batch, &file, &position, err))
		return false;
	for (size_t i = 0; i < batch->row_count; i++)
		fold->positions[i] = position + (uint32_t)i;
	const struct table_rows rows = { file, batch, fold->positions };
	return fold->moved(fold->context, &rows, err);
}

static bool fold_file(struct fold *fold, struct table_file *file, struct error *err)
{
	struct table *table = fold->table;
	struct file_rows rows;
	if (!file_rows_open(table, file, NULL, table->column_count, &rows, err))
		return false;
	struct table_rows batch;
	bool ok = file_rows_next(&rows, &batch, err);
	while (ok && batch.batch)
		ok = move_rows(fold, batch.batch, err) && file_rows_next(&rows, &batch, err);
	file_rows_close(&rows);
	if (!ok)
		return false;
	table->row_count -= table_file_live_rows(file); /* counted in the output by now */
	file->is_dropped = true;
	return true;
}

static bool fold_files(struct fold *fold, struct plan *plan, struct error *err)
{
	const bool rows_changed = fold->table->rows_changed;
	bool ok = true;
	qsort(plan->chosen, plan->chosen_count, sizeof *plan->chosen, compare_ids);
	for (size_t i = 0; ok && i < plan->chosen_count; i++)
		ok = fold_file(fold, plan->chosen[i], err);
	ok = ok && table_append_end(fold->table, err);
	fold->table->rows_changed = rows_changed; /* folding changes no row */
	fold->table->has_folded = true;
	return ok;
}

bool table_fold(struct table *table, uint64_t rows_max,
	bool (*moved)(void *context, const struct table_rows *rows, struct error *err),
	void *context, struct error *err)
{
	char text[160];
	assert(table->append == NULL);
	pending_give_up(table);
	struct plan plan = { .rows_max = rows_max };
	plan.candidates = memory_allocate(table->file_count, sizeof *plan.candidates);
	plan.chosen = memory_allocate(table->file_count, sizeof *plan.chosen);
	find_candidates(table, &plan);
	choose_small(table, &plan);
	choose_sparse(&plan);
	bool ok = true;
	if (plan.chosen_count > 0) {
		struct fold fold = { table, moved, context, NULL };
		fold.positions = memory_allocate(READ_ROWS_MAX, sizeof *fold.positions);
		ok = fold_files(&fold, &plan, err);
		free(fold.positions);
	}
	free(plan.candidates);
	free(plan.chosen);
	return ok || error_context(err, "folding files of table \"%s\"", table_text(table, text));
}
