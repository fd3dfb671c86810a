/*
 * commit.c: the delta as the table's next version.
 *
 * Data files, delete files, manifests, the manifest list and the metadata file name each other in
 * this order, but nobody reads any of them before the catalog names the last: they are put into
 * the store together, and the commit is prepared when all are durable (I1).  All but the last two
 * depend only on the files; a rebase makes those two again, on another base.
 */
#include "table/table_internal.h"

#include <assert.h>
#include <stdlib.h>

void pending_reset(struct table *table)
{
	struct pending *pending = &table->pending;
	struct arena arena = pending->arena; /* keeps a block for the next commit */
	manifests_forget_next(table);
	history_deinit(&pending->past);
	puts_reset(&pending->puts);
	arena_deinit(&pending->metadata_arena);
	arena_reset(&arena);
	*pending = (struct pending){ .arena = arena };
}

/* --- manifest list --- */

static size_t list_manifests(const struct table *table, struct manifest_file *files)
{
	const int64_t sequence_number = table->pending.sequence_number;
	size_t count = 0;
	for (size_t i = 0; i < table->group_count; i++) {
		struct group *group = table->groups[i];
		for (int kind = 0; kind < MANIFEST_KINDS; kind++) {
			struct group_manifest *next = &group->next[kind];
			if (!group->changes[kind]) {
				if (group->current[kind].is_there)
					files[count++] = group->current[kind].file;
			} else if (next->is_there) {
				next->file.sequence_number = sequence_number;
				manifest_file_count(&next->file, next->entries, next->entry_count,
					sequence_number);
				files[count++] = next->file;
			}
		}
	}
	return count;
}

static void list_write(struct table *table, const struct metadata *base)
{
	struct pending *pending = &table->pending;
	struct manifest_list_options options = {
		.format_version = base->format_version,
		.snapshot_id = pending->snapshot_id,
		.has_parent = base->current_snapshot != NULL,
		.sequence_number = pending->sequence_number,
		.codec = AVRO_CODEC_DEFLATE,
	};
	if (base->current_snapshot)
		options.parent_snapshot_id = base->current_snapshot->snapshot_id;
	world_random(table->world, options.sync, sizeof options.sync);

	struct manifest_file *files = arena_array(
		&pending->arena, struct manifest_file, MANIFEST_KINDS * table->group_count + 1);
	const size_t count = list_manifests(table, files);
	char uuid[UUID_TEXT_SIZE];
	const char *path = table_new_path(table, "metadata/snap-%lld-1-%s.avro",
		(long long)pending->snapshot_id, table_new_name(table, uuid));
	struct buffer bytes = { 0 };
	manifest_list_encode(&options, files, count, &bytes);
	puts_take(&pending->puts, path, &bytes);
	pending->list_uri = store_uri(table->store, path, &pending->arena);
	pending->list_sequence_number = pending->sequence_number;
}

/* --- metadata --- */

static int64_t new_snapshot_id(struct table *table)
{
	int64_t id;
	do {
		uint64_t random;
		world_random(table->world, &random, sizeof random);
		id = snapshot_id_of_random(random);
	} while (metadata_find_snapshot(table->metadata, id));
	return id;
}

static struct snapshot snapshot_make(
	const struct table *table, const struct metadata *base, struct arena *arena)
{
	const struct pending *pending = &table->pending;
	struct snapshot snapshot = {
		.snapshot_id = pending->snapshot_id,
		.has_parent = base->current_snapshot != NULL,
		.has_schema_id = true,
		.schema_id = base->current_schema->schema_id,
		.sequence_number = pending->sequence_number,
		.timestamp_ms = pending->options.timestamp_ms,
		.manifest_list = pending->list_uri,
	};
	if (base->current_snapshot)
		snapshot.parent_snapshot_id = base->current_snapshot->snapshot_id;
	snapshot.summary = summary_make(table, &pending->options, arena, &snapshot.summary_count);
	return snapshot;
}

/* The metadata file's number, which counts them for people: one more than the base's. */
static unsigned long metadata_number(const char *base_location)
{
	const char *name = strrchr(base_location, '/');
	if (name == NULL)
		return 0;
	name += name[1] == 'v' ? 2 : 1;
	return strtoul(name, NULL, 10) + 1;
}

static void metadata_write(struct table *table, const char *base_location)
{
	struct pending *pending = &table->pending;
	char uuid[UUID_TEXT_SIZE];
	const char *path = table_new_path(table, "metadata/%05lu-%s.metadata.json",
		metadata_number(base_location), table_new_name(table, uuid));
	struct buffer bytes = { 0 };
	metadata_encode(pending->metadata, &bytes);
	puts_take(&pending->puts, path, &bytes);
	pending->metadata_location = store_uri(table->store, path, &pending->metadata_arena);
}

/* The updates on top of base; none when there is nothing to do. */
static size_t plan_updates(const struct table *table, const struct metadata *base,
	struct update updates[3], struct arena *arena)
{
	const struct pending *pending = &table->pending;
	const struct snapshot *added = NULL;
	size_t count = 0;
	if (pending->makes_version) {
		struct snapshot *snapshot = arena_new(arena, struct snapshot);
		struct snapshot_ref *ref = arena_new(arena, struct snapshot_ref);
		const struct snapshot_ref *main_ref = metadata_find_ref(base, REF_MAIN);
		*snapshot = snapshot_make(table, base, arena);
		*ref = main_ref ? *main_ref : (struct snapshot_ref){ .name = REF_MAIN };
		ref->snapshot_id = snapshot->snapshot_id;
		updates[count++] =
			(struct update){ .kind = UPDATE_ADD_SNAPSHOT, .snapshot = snapshot };
		updates[count++] = (struct update){ .kind = UPDATE_SET_SNAPSHOT_REF, .ref = ref };
		added = snapshot;
	}
	size_t expired_count;
	const int64_t *expired = history_expired(
		base, added, pending->options.expire_before_ms, arena, &expired_count);
	if (expired_count > 0)
		updates[count++] = (struct update){ .kind = UPDATE_REMOVE_SNAPSHOTS,
			.snapshots = { expired_count, expired } };
	return count;
}

/* --- what is named no more --- */

static void add_past_deletes(
	struct history *past, struct store *store, const struct delete_file *deletes, int64_t last)
{
	if (deletes)
		history_add(past, store_path(store, deletes->entry.data_file.path),
			deletes->entry.file_sequence_number, last);
}

/* What the current version names and the next one does not; last is the last version before it. */
static void add_replaced(const struct table *table, struct history *past, int64_t last)
{
	struct store *store = table->store;
	const struct snapshot *current = table->metadata->current_snapshot;
	if (current)
		history_add(past, store_path(store, current->manifest_list),
			current->sequence_number, last);
	for (size_t i = 0; i < table->group_count; i++) {
		const struct group *group = table->groups[i];
		for (int kind = 0; kind < MANIFEST_KINDS; kind++) {
			const struct group_manifest *manifest = &group->current[kind];
			if (group->changes[kind] && manifest->is_there)
				history_add(past, store_path(store, manifest->uri),
					manifest->file.sequence_number, last);
		}
	}
	for (size_t i = 0; i < table->file_count; i++) {
		const struct table_file *file = table->files[i];
		const bool is_live = table_file_is_live(file);
		if (!is_live && !file->is_new)
			history_add(past, store_path(store, file->entry.data_file.path),
				file->entry.file_sequence_number, last);
		if (!is_live || file->next_deletes)
			add_past_deletes(past, store, file->deletes, last);
	}
	for (size_t i = 0; i < table->loose.count; i++)
		history_add(past, table->loose.objects[i].path,
			table->loose.objects[i].first_sequence_number, last);
}

static void plan_past(struct table *table)
{
	struct pending *pending = &table->pending;
	history_deinit(&pending->past);
	for (size_t i = 0; i < table->past.count; i++) {
		const struct past_object *object = &table->past.objects[i];
		history_add(&pending->past, object->path, object->first_sequence_number,
			object->last_sequence_number);
	}
	if (pending->makes_version)
		add_replaced(table, &pending->past, pending->sequence_number - 1);
	history_mark(&pending->past, pending->metadata);
}

/* The objects of this delta that the next version names. */
static void add_next_names(const struct table *table, struct history *names)
{
	const struct pending *pending = &table->pending;
	struct store *store = table->store;
	history_add(names, store_path(store, pending->metadata_location), 0, 0);
	if (pending->makes_version)
		history_add(names, store_path(store, pending->list_uri), 0, 0);
	for (size_t i = 0; i < table->group_count; i++) {
		for (int kind = 0; kind < MANIFEST_KINDS; kind++) {
			if (table->groups[i]->next[kind].is_there)
				history_add(names,
					store_path(store, table->groups[i]->next[kind].uri), 0, 0);
		}
	}
	for (size_t i = 0; i < table->file_count; i++) {
		const struct table_file *file = table->files[i];
		if (file->next_group)
			history_add(names, store_path(store, file->entry.data_file.path), 0, 0);
		if (file->next_deletes)
			history_add(names,
				store_path(store, file->next_deletes->entry.data_file.path), 0, 0);
	}
	history_join(names);
}

static void add_metadata_files(struct history *names, struct store *store,
	const struct metadata *metadata, const char *location)
{
	history_add(names, store_path(store, location), 0, 0);
	for (size_t i = 0; i < metadata->metadata_log_count; i++)
		history_add(
			names, store_path(store, metadata->metadata_log[i].metadata_file), 0, 0);
}

struct removals {
	struct arena *arena;
	micros_t not_before;
	size_t count;
	struct removal *items;
};

static void add_removal(struct removals *removals, const char *path)
{
	removals->items[removals->count++] =
		(struct removal){ arena_copy_cstring(removals->arena, path), removals->not_before };
}

static void collect_removals(const struct table *table, const struct metadata *base,
	const char *base_location, struct removals *removals)
{
	const struct pending *pending = &table->pending;
	struct history names = { 0 }, old_files = { 0 }, new_files = { 0 };
	add_next_names(table, &names);
	add_metadata_files(&old_files, table->store, table->metadata, table->metadata_location);
	add_metadata_files(&old_files, table->store, base, base_location);
	history_join(&old_files);
	add_metadata_files(&new_files, table->store, pending->metadata, pending->metadata_location);
	history_join(&new_files);

	removals->items = arena_array(removals->arena, struct removal,
		pending->past.count + table->written_count + old_files.count + 1);
	for (size_t i = 0; i < pending->past.count; i++) {
		if (pending->past.objects[i].is_unnamed)
			add_removal(removals, pending->past.objects[i].path);
	}
	for (size_t i = 0; i < table->written_count; i++) {
		if (!history_find(&names, table->written[i]))
			add_removal(removals, table->written[i]);
	}
	for (size_t i = 0; i < old_files.count; i++) {
		if (!history_find(&new_files, old_files.objects[i].path))
			add_removal(removals, old_files.objects[i].path);
	}
	history_deinit(&names);
	history_deinit(&old_files);
	history_deinit(&new_files);
}

/* --- the commit on a base --- */

static void fill_prepared(const struct table *table, const char *base_location, struct arena *arena,
	struct table_prepared *out)
{
	const struct pending *pending = &table->pending;
	*out = (struct table_prepared){
		.metadata_location = arena_copy_cstring(
			arena, pending->metadata ? pending->metadata_location : base_location),
		.base_location = arena_copy_cstring(arena, base_location),
		.snapshot_id = pending->makes_version ? pending->snapshot_id : 0,
	};
}

static bool apply_updates(struct table *table, const struct metadata *base,
	const char *base_location, const struct update *updates, size_t count, struct error *err)
{
	struct pending *pending = &table->pending;
	const struct update_options options = {
		.now_ms = pending->options.timestamp_ms,
		.base_location = *table->metadata_location ? base_location : NULL,
	};
	struct metadata *metadata;
	if (!metadata_apply(
		    base, updates, count, &options, &pending->metadata_arena, &metadata, err))
		return false;
	pending->metadata = metadata;
	metadata_write(table, base_location);
	return true;
}

static bool publish(struct table *table, const struct metadata *base, const char *base_location,
	struct arena *arena, struct table_prepared *out, struct error *err)
{
	struct pending *pending = &table->pending;
	arena_deinit(&pending->metadata_arena);
	pending->metadata = NULL;
	pending->sequence_number = base->last_sequence_number + 1;
	if (pending->makes_version && pending->list_sequence_number != pending->sequence_number)
		list_write(table, base);
	struct update updates[3];
	const size_t count = plan_updates(table, base, updates, &pending->arena);
	if (count > 0) {
		if (!apply_updates(table, base, base_location, updates, count, err))
			return false;
		plan_past(table);
	}
	if (!puts_run(table->store, &pending->puts, table->options.parallel_puts, err))
		return false;
	puts_reset(&pending->puts);
	table_release_held(table);
	fill_prepared(table, base_location, arena, out);
	if (pending->metadata) {
		struct removals removals = { arena, pending->options.removal_at, 0, NULL };
		collect_removals(table, base, base_location, &removals);
		out->removals = removals.items;
		out->removal_count = removals.count;
	}
	pending->is_ready = true;
	return true;
}

bool table_prepare(struct table *table, const struct table_prepare *options, struct arena *arena,
	struct table_prepared *out, struct error *err)
{
	char text[160];
	assert(table->append == NULL);
	pending_reset(table);
	struct pending *pending = &table->pending;
	pending->options = *options;
	pending->makes_version = table_has_delta(table) || *table->metadata_location == '\0';
	pending->snapshot_id = new_snapshot_id(table);
	if ((pending->makes_version && !manifests_write(table, err)) ||
		!publish(table, table->metadata,
			*table->replaces ? table->replaces : table->metadata_location, arena, out,
			err))
		return error_context(
			err, "preparing a version of table \"%s\"", table_text(table, text));
	return true;
}

/* --- rebase --- */

static bool conflict(struct table *table, struct error *err, const char *what)
{
	char text[160];
	table_text(table, text);
	error_set(err, ERROR_CONFLICT, "table \"%s\" was changed by somebody else: %s", text, what);
	return error_hint(err, "Run `walberg snapshot %s` to read the table again.", text);
}

static bool check_same_rows(struct table *table, const struct metadata *base, struct error *err)
{
	const struct snapshot *ours = table->metadata->current_snapshot;
	const struct snapshot *theirs = base->current_snapshot;
	if ((ours == NULL) == (theirs == NULL) &&
		(ours == NULL || ours->snapshot_id == theirs->snapshot_id))
		return true;
	if (theirs == NULL)
		return conflict(table, err, "it has no version any more");
	char what[160];
	const char *operation = snapshot_summary(theirs, SUMMARY_OPERATION);
	snprintf(what, sizeof what, "its version is %lld (%s), not %lld",
		(long long)theirs->snapshot_id, operation ? operation : "unknown operation",
		(long long)(ours ? ours->snapshot_id : 0));
	return conflict(table, err, what);
}

static bool check_base(struct table *table, const struct metadata *base, struct error *err)
{
	if (strcmp(base->table_uuid, table->metadata->table_uuid) != 0)
		return conflict(table, err, "another table has its name");
	if (!check_same_rows(table, base, err))
		return false;
	struct error why;
	if (!metadata_check(table, base, &why) ||
		base->format_version != table->metadata->format_version)
		return conflict(table, err, "its schema, format version or partitions changed");
	return true;
}

/* That the table to be replaced has not become somebody else's of its name. */
static bool check_replaced(struct table *table, const char *location, struct error *err)
{
	bool is_ours;
	if (!table_is_of_lake(table->store, location, table->options.lake_id, &is_ours, err))
		return err->kind == ERROR_MISSING || err->kind == ERROR_CORRUPT;
	return is_ours || conflict(table, err, "another table has its name");
}

/*
 * Versions that somebody else made (on a branch) name objects too.  What the current version names
 * is not past; it will be kept for them when it is, because its last number then is a later one.
 */
static bool take_in_versions(struct table *table, const struct metadata *base, struct error *err)
{
	struct history names = { 0 }, current = { 0 };
	if (!history_read(table->store, base, table->metadata, &names, err)) {
		history_deinit(&names);
		return false;
	}
	table_current_names(table, &current);
	for (size_t i = 0; i < names.count; i++) {
		const struct past_object *object = &names.objects[i];
		if (!history_find(&current, object->path))
			history_add(&table->past, object->path, object->first_sequence_number,
				object->last_sequence_number);
	}
	history_join(&table->past);
	history_deinit(&names);
	history_deinit(&current);
	return true;
}

bool table_rebase(struct table *table, const char *metadata_location, struct arena *arena,
	struct table_prepared *out, struct error *err)
{
	char text[160];
	assert(table->pending.is_ready);
	if (*table->replaces)
		return check_replaced(table, metadata_location, err) &&
		       publish(table, table->metadata, metadata_location, arena, out, err);
	struct arena base_arena = { 0 };
	struct metadata *base;
	const bool ok = metadata_read(table->store, metadata_location, &base_arena, &base, err) &&
			check_base(table, base, err) && take_in_versions(table, base, err) &&
			publish(table, base, metadata_location, arena, out, err);
	arena_deinit(&base_arena);
	if (!ok)
		error_context(err, "preparing table \"%s\" on top of somebody else's change",
			table_text(table, text));
	return ok;
}

/* --- accept --- */

static void forget_written(struct table *table)
{
	for (size_t i = 0; i < table->written_count; i++)
		free(table->written[i]);
	table->written_count = 0;
}

static void accept_past(struct table *table)
{
	struct history *past = &table->pending.past;
	size_t kept = 0;
	for (size_t i = 0; i < past->count; i++) {
		if (past->objects[i].is_unnamed)
			free(past->objects[i].path);
		else
			past->objects[kept++] = past->objects[i];
	}
	past->count = kept;
	history_deinit(&table->past);
	table->past = *past;
	*past = (struct history){ 0 };
}

static void accept_metadata(struct table *table)
{
	struct pending *pending = &table->pending;
	free(table->metadata_location);
	table->metadata_location = copy_text(pending->metadata_location);
	*table->replaces = '\0';
	arena_deinit(&table->metadata_arena);
	table->metadata = pending->metadata;
	table->metadata_arena = pending->metadata_arena;
	pending->metadata_arena = (struct arena){ 0 };
}

void table_accept(struct table *table)
{
	struct pending *pending = &table->pending;
	assert(pending->is_ready);
	if (pending->makes_version) {
		manifests_accept(table);
		history_deinit(&table->loose);
		table->rows_changed = table->has_folded = false;
	}
	if (pending->metadata) {
		accept_past(table);
		accept_metadata(table);
		forget_written(table);
	}
	pending_reset(table);
}
