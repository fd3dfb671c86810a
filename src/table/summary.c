/*
 * summary.c: what a version says about itself.
 *
 * Spec: Iceberg, "Appendix F: Optional Snapshot Summary Fields".  Readers count rows from the
 * totals, so they are counted from the files each time, never carried from version to version.
 */
#include "table/table_internal.h"

#include <inttypes.h>

struct tally {
	int64_t data_files, records, delete_files, position_deletes, size_bytes;
};

static void tally_data(struct tally *tally, const struct table_file *file)
{
	tally->data_files++;
	tally->records += file->entry.data_file.record_count;
	tally->size_bytes += file->entry.data_file.file_size_in_bytes;
}

static void tally_deletes(struct tally *tally, const struct delete_file *deletes)
{
	if (deletes == NULL)
		return;
	tally->delete_files++;
	tally->position_deletes += deletes->entry.data_file.record_count;
	tally->size_bytes += deletes->entry.data_file.file_size_in_bytes;
}

struct tallies {
	struct tally added, removed, total;
};

static void tally_file(struct tallies *tallies, const struct table_file *file)
{
	const bool is_live = table_file_is_live(file);
	if (is_live) {
		tally_data(&tallies->total, file);
		tally_deletes(&tallies->total, table_file_next_deletes(file));
		tally_deletes(&tallies->added, file->next_deletes);
		if (file->is_new)
			tally_data(&tallies->added, file);
	} else if (!file->is_new) {
		tally_data(&tallies->removed, file);
	}
	if (!is_live || file->next_deletes)
		tally_deletes(&tallies->removed, file->deletes);
}

struct summary {
	struct arena *arena;
	struct key_value *items;
	size_t count;
};

enum {
	SUMMARY_KEYS_MAX = 24
};

static void add_text(struct summary *summary, const char *key, const char *value)
{
	summary->items[summary->count++] =
		(struct key_value){ key, arena_copy_cstring(summary->arena, value) };
}

static void add_total(struct summary *summary, const char *key, int64_t value)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRId64, value);
	add_text(summary, key, text);
}

static void add_count(struct summary *summary, const char *key, int64_t value)
{
	if (value != 0)
		add_total(summary, key, value);
}

static const char *operation_of(const struct table *table, const struct tallies *tallies)
{
	const struct tally *added = &tallies->added, *removed = &tallies->removed;
	if (table->has_folded && !table->rows_changed)
		return "replace";
	if (removed->data_files == 0 && added->delete_files == 0)
		return "append";
	return added->data_files == 0 ? "delete" : "overwrite";
}

static void add_changes(struct summary *summary, const struct tallies *tallies)
{
	const struct tally *added = &tallies->added, *removed = &tallies->removed;
	add_count(summary, "added-data-files", added->data_files);
	add_count(summary, "deleted-data-files", removed->data_files);
	add_count(summary, "added-delete-files", added->delete_files);
	add_count(summary, "added-position-delete-files", added->delete_files);
	add_count(summary, "removed-delete-files", removed->delete_files);
	add_count(summary, "removed-position-delete-files", removed->delete_files);
	add_count(summary, "added-records", added->records);
	add_count(summary, "deleted-records", removed->records);
	add_count(summary, "added-files-size", added->size_bytes);
	add_count(summary, "removed-files-size", removed->size_bytes);
	add_count(summary, "added-position-deletes", added->position_deletes);
	add_count(summary, "removed-position-deletes", removed->position_deletes);
}

static void add_totals(struct summary *summary, const struct tally *total)
{
	add_total(summary, "total-records", total->records);
	add_total(summary, "total-files-size", total->size_bytes);
	add_total(summary, "total-data-files", total->data_files);
	add_total(summary, "total-delete-files", total->delete_files);
	add_total(summary, "total-position-deletes", total->position_deletes);
	add_total(summary, "total-equality-deletes", 0);
}

struct key_value *summary_make(const struct table *table, const struct table_prepare *options,
	struct arena *arena, size_t *count)
{
	struct tallies tallies = { 0 };
	for (size_t i = 0; i < table->file_count; i++)
		tally_file(&tallies, table->files[i]);
	struct summary summary = { arena, arena_array(arena, struct key_value, SUMMARY_KEYS_MAX),
		0 };
	char text[LSN_TEXT_SIZE];
	add_text(&summary, SUMMARY_OPERATION, operation_of(table, &tallies));
	add_text(&summary, SUMMARY_POSITION, lsn_format(options->position, text));
	add_text(&summary, SUMMARY_LAKE, table->options.lake_id);
	if (options->known_until != 0)
		add_text(&summary, SUMMARY_KNOWN_UNTIL, lsn_format(options->known_until, text));
	add_changes(&summary, &tallies);
	add_totals(&summary, &tallies.total);
	*count = summary.count;
	return summary.items;
}
