/*
 * manifests.c: the files of the next version as manifests.
 *
 * Spec: Iceberg, "Manifests".  Only the manifests of groups in which something changed are written
 * anew: with the files that were there as EXISTING, the new ones as ADDED, and those that this
 * version removes as DELETED, which are left out when the manifest is next written.
 */
#include "table/table_internal.h"

#include <assert.h>
#include <stdlib.h>

struct group *table_add_group(struct table *table)
{
	table->groups =
		memory_resize(table->groups, table->group_count + 1, sizeof(struct group *));
	struct group *group = memory_allocate(1, sizeof *group);
	table->groups[table->group_count++] = group;
	return group;
}

static bool group_manifest_has_live(const struct group_manifest *manifest)
{
	return manifest->is_there &&
	       manifest->file.added_files_count + manifest->file.existing_files_count > 0;
}

static void group_forget_next(struct group *group)
{
	for (int kind = 0; kind < MANIFEST_KINDS; kind++) {
		free(group->next[kind].uri);
		group->next[kind] = (struct group_manifest){ 0 };
		group->changes[kind] = false;
	}
}

void manifests_forget_next(struct table *table)
{
	for (size_t i = 0; i < table->file_count; i++) {
		delete_file_close(table->files[i]->next_deletes);
		table->files[i]->next_deletes = NULL;
		table->files[i]->next_group = NULL;
	}
	for (size_t i = 0; i < table->group_count; i++)
		group_forget_next(table->groups[i]);
}

/* --- which group a new file joins --- */

static size_t group_next_file_count(const struct table *table, const struct group *group)
{
	size_t count = 0;
	for (size_t i = 0; i < table->file_count; i++) {
		const struct table_file *file = table->files[i];
		count += table_file_is_live(file) &&
			 (file->group == group || file->next_group == group);
	}
	return count;
}

/* The newest group with room, and how much. */
static struct group *group_with_room(struct table *table, size_t *room)
{
	for (size_t i = table->group_count; i-- > 0;) {
		const size_t count = group_next_file_count(table, table->groups[i]);
		if (count < GROUP_FILES_MAX) {
			*room = GROUP_FILES_MAX - count;
			return table->groups[i];
		}
	}
	*room = GROUP_FILES_MAX;
	return table_add_group(table);
}

static void assign_groups(struct table *table)
{
	struct group *group = NULL;
	size_t room = 0;
	for (size_t i = 0; i < table->file_count; i++) {
		struct table_file *file = table->files[i];
		if (file->group || !table_file_is_live(file))
			continue;
		if (room == 0)
			group = group_with_room(table, &room);
		file->next_group = group;
		room--;
	}
}

/* --- entries --- */

static bool is_in(const struct table_file *file, const struct group *group)
{
	return file->group == group || file->next_group == group;
}

static void add_entry(struct group_manifest *manifest, const struct manifest_entry *entry,
	enum manifest_entry_status status, int64_t snapshot_id)
{
	struct manifest_entry *added = &manifest->entries[manifest->entry_count++];
	*added = *entry;
	added->status = status;
	if (status != ENTRY_EXISTING) {
		added->has_snapshot_id = true;
		added->snapshot_id = snapshot_id;
	}
}

/* True when the file's line is another than in the current manifest. */
static bool add_data_entry(
	const struct table_file *file, struct group_manifest *manifest, int64_t snapshot_id)
{
	if (file->next_group) {
		add_entry(manifest, &file->entry, ENTRY_ADDED, snapshot_id);
		return true;
	}
	const bool is_live = table_file_is_live(file);
	add_entry(manifest, &file->entry, is_live ? ENTRY_EXISTING : ENTRY_DELETED, snapshot_id);
	return !is_live;
}

static bool add_delete_entries(
	const struct table_file *file, struct group_manifest *manifest, int64_t snapshot_id)
{
	bool changed = false;
	if (file->deletes) {
		changed = file->next_deletes || !table_file_is_live(file);
		add_entry(manifest, &file->deletes->entry, changed ? ENTRY_DELETED : ENTRY_EXISTING,
			snapshot_id);
	}
	if (file->next_deletes) {
		add_entry(manifest, &file->next_deletes->entry, ENTRY_ADDED, snapshot_id);
		changed = true;
	}
	return changed;
}

/* Fills next and changes of the group. */
static void group_plan(struct table *table, struct group *group)
{
	const int64_t snapshot_id = table->pending.snapshot_id;
	bool changed[MANIFEST_KINDS] = { false, group->must_rewrite_deletes };
	for (int kind = 0; kind < MANIFEST_KINDS; kind++)
		group->next[kind].entries = arena_array(
			&table->pending.arena, struct manifest_entry, 2 * table->file_count + 1);
	for (size_t i = 0; i < table->file_count; i++) {
		const struct table_file *file = table->files[i];
		if (!is_in(file, group))
			continue;
		changed[MANIFEST_DATA] |=
			add_data_entry(file, &group->next[MANIFEST_DATA], snapshot_id);
		changed[MANIFEST_DELETES] |=
			add_delete_entries(file, &group->next[MANIFEST_DELETES], snapshot_id);
	}
	for (int kind = 0; kind < MANIFEST_KINDS; kind++)
		group->changes[kind] =
			changed[kind] || (group->current[kind].is_there &&
						 !group_manifest_has_live(&group->current[kind]));
}

/* --- objects --- */

static void manifest_write(struct table *table, struct group_manifest *manifest,
	enum manifest_content content, const char *path)
{
	struct manifest_options options = {
		.format_version = table->metadata->format_version,
		.content = content,
		.schema = table->metadata->current_schema,
		.partition_spec_id = table->metadata->default_spec_id,
		.codec = AVRO_CODEC_DEFLATE,
	};
	world_random(table->world, options.sync, sizeof options.sync);
	struct buffer bytes = { 0 };
	manifest_encode(&options, manifest->entries, manifest->entry_count, &bytes);
	manifest->is_there = true;
	manifest->uri = copy_text(store_uri(table->store, path, &table->pending.arena));
	manifest->file = (struct manifest_file){
		.manifest_path = manifest->uri,
		.manifest_length = (int64_t)bytes.size,
		.partition_spec_id = options.partition_spec_id,
		.content = content,
		.added_snapshot_id = table->pending.snapshot_id,
	};
	puts_take(&table->pending.puts, path, &bytes);
}

static void group_write(struct table *table, struct group *group, const char *uuid, size_t *number)
{
	for (int kind = 0; kind < MANIFEST_KINDS; kind++) {
		struct group_manifest *next = &group->next[kind];
		if (!group->changes[kind] || next->entry_count == 0)
			continue;
		const char *path =
			table_new_path(table, "metadata/%s-m%zu.avro", uuid, (*number)++);
		manifest_write(table, next, (enum manifest_content)kind, path);
	}
}

static bool write_deletes(struct table *table, struct error *err)
{
	for (size_t i = 0; i < table->file_count; i++) {
		struct table_file *file = table->files[i];
		if (file->deletes_changed && table_file_is_live(file) &&
			!delete_file_write(table, file, &file->next_deletes, err))
			return false;
	}
	return true;
}

static void put_files(struct table *table)
{
	for (size_t i = 0; i < table->file_count; i++) {
		struct table_file *file = table->files[i];
		if (file->held.size == 0 || !table_file_is_live(file))
			continue;
		const char *path = store_path(table->store, file->entry.data_file.path);
		if (!file->is_written)
			table_add_written(table, path);
		file->is_written = true;
		puts_add(&table->pending.puts, path, buffer_bytes(&file->held));
	}
}

void table_release_held(struct table *table)
{
	for (size_t i = 0; i < table->file_count; i++) {
		struct table_file *file = table->files[i];
		if (!table_file_is_live(file))
			continue;
		table->held_bytes -= file->held.size;
		buffer_deinit(&file->held);
	}
}

bool manifests_write(struct table *table, struct error *err)
{
	manifests_forget_next(table);
	if (!write_deletes(table, err))
		return false;
	put_files(table);
	assign_groups(table);
	char uuid[UUID_TEXT_SIZE];
	table_new_name(table, uuid);
	size_t number = 0;
	for (size_t i = 0; i < table->group_count; i++) {
		group_plan(table, table->groups[i]);
		group_write(table, table->groups[i], uuid, &number);
	}
	return true;
}

/* --- the next version becomes the current one --- */

/* The entry as later versions repeat it. */
static void entry_accept(struct manifest_entry *entry, const struct pending *pending)
{
	entry->status = ENTRY_EXISTING;
	entry->has_snapshot_id = entry->has_sequence_number = entry->has_file_sequence_number =
		true;
	entry->snapshot_id = pending->snapshot_id;
	entry->sequence_number = entry->file_sequence_number = pending->sequence_number;
}

static void file_accept(struct table_file *file, const struct pending *pending)
{
	if (file->next_deletes) {
		delete_file_close(file->deletes);
		file->deletes = file->next_deletes;
		file->next_deletes = NULL;
		entry_accept(&file->deletes->entry, pending);
	}
	if (file->next_group) {
		file->group = file->next_group;
		file->next_group = NULL;
		entry_accept(&file->entry, pending);
	}
	file->is_new = file->deletes_changed = false;
}

static void group_accept(struct group *group)
{
	for (int kind = 0; kind < MANIFEST_KINDS; kind++) {
		if (group->changes[kind]) {
			free(group->current[kind].uri);
			group->current[kind] = group->next[kind];
			group->next[kind] = (struct group_manifest){ 0 };
		}
		group->current[kind].entries = NULL;
	}
	group->must_rewrite_deletes = false;
	group_forget_next(group);
}

static bool group_is_empty(const struct group *group)
{
	return !group->current[MANIFEST_DATA].is_there &&
	       !group->current[MANIFEST_DELETES].is_there;
}

void manifests_accept(struct table *table)
{
	for (size_t i = table->file_count; i-- > 0;) {
		if (table_file_is_live(table->files[i]))
			file_accept(table->files[i], &table->pending);
		else
			table_remove_file(table, i);
	}
	for (size_t i = 0; i < table->group_count; i++)
		group_accept(table->groups[i]);
	size_t kept = 0;
	for (size_t i = 0; i < table->group_count; i++) {
		if (group_is_empty(table->groups[i]))
			free(table->groups[i]);
		else
			table->groups[kept++] = table->groups[i];
	}
	table->group_count = kept;
}
