/*
 * table.c: a table from its creation to its end, and the delta that needs no files.
 */
#include "table/table_internal.h"

#include <assert.h>
#include <ctype.h>
#include <stdarg.h>
#include <stdlib.h>

enum {
	METADATA_FILES_KEPT = 20, /* in the metadata-log */
};

/* --- names --- */

/* The part of a folder's name that one name of the source makes: no '/', no leading '.'. */
static void encode_name(const char *name, struct buffer *out)
{
	for (const char *at = name; *at; at++) {
		const unsigned char byte = (unsigned char)*at;
		const bool plain = byte < 0x80 && (isalnum(byte) || strchr("_-", byte) ||
							  (byte == '.' && at > name));
		if (plain)
			buffer_append_u8(out, byte);
		else
			buffer_append_format(out, "%%%02X", byte);
	}
}

const char *table_folder(const char *namespace_name, const char *name, struct arena *arena)
{
	struct buffer folder = { 0 };
	encode_name(namespace_name, &folder);
	buffer_append_u8(&folder, '/');
	encode_name(name, &folder);
	buffer_append_u8(&folder, '/');
	const char *text = arena_copy_text(arena, buffer_bytes(&folder));
	buffer_deinit(&folder);
	return text;
}

const char *table_text(const struct table *table, char text[160])
{
	snprintf(text, 160, "%s.%s", table->relation->namespace_name, table->relation->name);
	return text;
}

const char *table_new_uuid(struct table *table, char text[UUID_TEXT_SIZE])
{
	return world_uuid(table->world, text);
}

/* Other engines' names have UUIDs of version 4 or 7; version 8 (RFC 9562) is everybody's own. */
const char *table_new_name(struct table *table, char text[UUID_TEXT_SIZE])
{
	table_new_uuid(table, text);
	memcpy(text + NAME_MARK_AT, NAME_MARK, strlen(NAME_MARK));
	return text;
}

const char *table_add_written(struct table *table, const char *path)
{
	if (table->written_count == table->written_capacity) {
		table->written_capacity =
			table->written_capacity ? 2 * table->written_capacity : 16;
		table->written = memory_resize(
			table->written, table->written_capacity, sizeof *table->written);
	}
	return table->written[table->written_count++] = copy_text(path);
}

const char *table_new_path(struct table *table, const char *format, ...)
{
	char name[128];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(name, sizeof name, format, arguments);
	va_end(arguments);
	struct arena arena = { 0 };
	const char *path =
		table_add_written(table, arena_format(&arena, "%s%s", table->folder, name));
	arena_deinit(&arena);
	return path;
}

/* --- open and close --- */

static void fill_columns(struct table *table)
{
	const struct relation *relation = table->relation;
	table->column_count = relation->column_count;
	table->columns = memory_allocate(table->column_count, sizeof *table->columns);
	for (size_t i = 0; i < table->column_count; i++) {
		table->columns[i] = (struct parquet_column){
			.name = relation->columns[i].name,
			.field_id = (int32_t)i + 1, /* schema_of_relation() */
			.type = relation->columns[i].type,
			.is_required = relation->columns[i].is_required,
		};
	}
}

char *copy_text(const char *text)
{
	const size_t size = strlen(text) + 1;
	return memcpy(memory_allocate(size, 1), text, size);
}

/* A table without metadata. */
struct table *table_new(struct world *world, struct store *store,
	const struct table_options *options, const struct relation *relation)
{
	struct table *table = memory_allocate(1, sizeof *table);
	table->world = world;
	table->store = store;
	table->options = *options;
	table->relation = relation;
	fill_columns(table);
	table->metadata_location = copy_text("");
	table->replaces = copy_text("");

	struct arena arena = { 0 };
	struct buffer schema = { 0 };
	table->folder = copy_text(table_folder(relation->namespace_name, relation->name, &arena));
	schema_encode(schema_of_relation(relation, &arena), &schema);
	buffer_append_u8(&schema, 0);
	table->schema_json = (char *)schema.data;
	arena_deinit(&arena);
	return table;
}

static struct metadata *make_metadata(struct table *table, struct arena *arena)
{
	char uuid[UUID_TEXT_SIZE];
	char kept[16];
	snprintf(kept, sizeof kept, "%d", METADATA_FILES_KEPT);
	const struct key_value properties[] = {
		{ "write.format.default", "parquet" },
		{ "write.parquet.compression-codec", "zstd" },
		{ "write.delete.mode", "merge-on-read" },
		{ "write.update.mode", "merge-on-read" },
		{ "write.merge.mode", "merge-on-read" },
		{ PROPERTY_PREVIOUS_VERSIONS_MAX, kept },
	};
	struct arena scratch = { 0 };
	char *folder = arena_copy_cstring(&scratch, table->folder);
	folder[strlen(folder) - 1] = '\0'; /* a location has no trailing slash */
	const struct metadata_options options = {
		.format_version = 2,
		.table_uuid = table_new_uuid(table, uuid),
		.location = store_uri(table->store, folder, &scratch),
		.schema = schema_of_relation(table->relation, &scratch),
		.property_count = sizeof properties / sizeof *properties,
		.properties = properties,
		.now_ms = world_now(table->world) / 1000,
	};
	struct metadata *metadata = metadata_new(&options, arena);
	arena_deinit(&scratch);
	return metadata;
}

bool table_create(struct world *world, struct store *store, const struct table_options *options,
	const struct relation *relation, struct table **out, struct error *err)
{
	*out = NULL;
	for (size_t i = 0; i < relation->column_count; i++) {
		if (relation->columns[i].type.type == VALUE_NONE)
			return error_set(err, ERROR_UNSUPPORTED,
				"column \"%s\" of \"%s.%s\" has a type that the lake does not have",
				relation->columns[i].name, relation->namespace_name,
				relation->name);
	}
	struct table *table = table_new(world, store, options, relation);
	table->metadata = make_metadata(table, &table->metadata_arena);
	*out = table;
	return true;
}

static void group_manifest_close(struct group_manifest *manifest)
{
	free(manifest->uri);
}

static void groups_close(struct table *table)
{
	for (size_t i = 0; i < table->group_count; i++) {
		for (int kind = 0; kind < MANIFEST_KINDS; kind++) {
			group_manifest_close(&table->groups[i]->current[kind]);
			group_manifest_close(&table->groups[i]->next[kind]);
		}
		free(table->groups[i]);
	}
	free(table->groups);
}

static void append_close(struct table *table)
{
	if (table->append == NULL)
		return;
	output_abort(table->append);
	table->append = NULL;
}

void table_close(struct table *table)
{
	if (table == NULL)
		return;
	append_close(table);
	pending_reset(table);
	while (table->file_count > 0)
		table_remove_file(table, table->file_count - 1);
	free(table->files);
	groups_close(table);
	arena_deinit(&table->pending.arena);
	history_deinit(&table->past);
	history_deinit(&table->loose);
	for (size_t i = 0; i < table->written_count; i++)
		free(table->written[i]);
	free(table->written);
	arena_deinit(&table->metadata_arena);
	free(table->metadata_location);
	free(table->replaces);
	free(table->schema_json);
	free(table->columns);
	free(table->folder);
	free(table);
}

void table_abandon(struct table *table, struct arena *arena, const char ***paths, size_t *count)
{
	append_close(table);
	*count = table->written_count;
	*paths = arena_array(arena, const char *, table->written_count + 1);
	for (size_t i = 0; i < table->written_count; i++)
		(*paths)[i] = arena_copy_cstring(arena, table->written[i]);
}

/* --- what it is --- */

uint64_t table_row_count(const struct table *table)
{
	return table->row_count;
}

size_t table_file_count(const struct table *table)
{
	size_t count = 0;
	for (size_t i = 0; i < table->file_count; i++)
		count += table_file_is_live(table->files[i]);
	return count;
}

const char *table_metadata_location(const struct table *table)
{
	return table->metadata_location;
}

lsn_t table_position(const struct table *table)
{
	const struct snapshot *snapshot = metadata_walberg_snapshot(table->metadata);
	lsn_t position = 0;
	return snapshot && snapshot_position(snapshot, &position) ? position : 0;
}

uint32_t table_next_file(const struct table *table)
{
	return table->next_file;
}

/* --- the delta --- */

bool table_has_delta(const struct table *table)
{
	return table->rows_changed || table->has_folded;
}

bool table_has_folded(const struct table *table)
{
	return table->has_folded;
}

void table_delete(struct table *table, uint32_t id, uint32_t position)
{
	struct table_file *file = table_find_file(table, id);
	assert(file && !file->is_dropped);
	assert(position < file->entry.data_file.record_count);
	pending_give_up(table);
	const bool was_live = bitmap_set(&file->deleted, position);
	assert(was_live);
	file->deletes_changed = true;
	table->rows_changed = true;
	table->row_count--;
}

void table_truncate(struct table *table)
{
	assert(table->append == NULL);
	pending_give_up(table);
	for (size_t i = 0; i < table->file_count; i++)
		table->files[i]->is_dropped = true;
	table->row_count = 0;
	table->rows_changed = true;
}
