#include "base/world_sim_internal.h"

#include <assert.h>
#include <stdlib.h>

struct disk_write {
	struct disk_write *next;
	bool is_truncate; /* to offset */
	uint64_t offset;
	size_t size;
	uint8_t data[];
};

/* One name set to a node, or to nothing. */
struct name_change {
	struct disk_node *directory; /* NULL: unused */
	struct disk_node *node;
	char *name;
	bool is_order_only; /* changes nothing, but comes after what is pending for this name */
};

/* The changes of one call, which survive together or not at all. */
struct disk_edit {
	struct disk_edit *next;
	struct name_change changes[2];
	bool is_marked; /* sync: becomes durable; crash: is lost */
};

uint64_t disk_random(uint64_t *state)
{
	uint64_t value = *state += 0x9e3779b97f4a7c15;
	value = (value ^ value >> 30) * 0xbf58476d1ce4e5b9;
	value = (value ^ value >> 27) * 0x94d049bb133111eb;
	return value ^ value >> 31;
}

void disk_hold(struct disk_node *node)
{
	if (node != NULL)
		node->references++;
}

static void entries_set(struct disk_entry **entries, const char *name, struct disk_node *node)
{
	while (*entries != NULL && strcmp((*entries)->name, name) < 0)
		entries = &(*entries)->next;
	disk_hold(node);
	struct disk_entry *old = *entries;
	if (old != NULL && strcmp(old->name, name) == 0) {
		*entries = old->next;
		disk_release(old->node);
		free(old);
	}
	if (node == NULL)
		return;
	struct disk_entry *entry = memory_allocate(1, sizeof *entry + strlen(name) + 1);
	entry->node = node;
	strcpy(entry->name, name);
	entry->next = *entries;
	*entries = entry;
}

static void entries_clear(struct disk_entry **entries)
{
	while (*entries != NULL)
		entries_set(entries, (*entries)->name, NULL);
}

static struct disk_node *node_new(bool is_directory)
{
	struct disk_node *node = memory_allocate(1, sizeof *node);
	node->is_directory = is_directory;
	node->references = 1;
	node->writes_end = &node->writes;
	return node;
}

static void writes_clear(struct disk_node *node)
{
	while (node->writes != NULL) {
		struct disk_write *next = node->writes->next;
		free(node->writes);
		node->writes = next;
	}
	node->writes_end = &node->writes;
}

void disk_release(struct disk_node *node)
{
	if (node == NULL || --node->references > 0)
		return;
	writes_clear(node);
	entries_clear(&node->entries);
	entries_clear(&node->durable_entries);
	buffer_deinit(&node->bytes);
	buffer_deinit(&node->durable_bytes);
	free(node);
}

void disk_init(struct disk *disk)
{
	*disk = (struct disk){ .root = node_new(true) };
	disk->edits_end = &disk->edits;
}

static void edit_free(struct disk_edit *edit)
{
	for (size_t i = 0; i < 2; i++) {
		disk_release(edit->changes[i].directory);
		disk_release(edit->changes[i].node);
		free(edit->changes[i].name);
	}
	free(edit);
}

/* Takes the edit that *at points to out of the list. */
static void edit_drop(struct disk *disk, struct disk_edit **at)
{
	struct disk_edit *edit = *at;
	*at = edit->next;
	if (*at == NULL)
		disk->edits_end = at;
	edit_free(edit);
}

void disk_deinit(struct disk *disk)
{
	while (disk->edits != NULL)
		edit_drop(disk, &disk->edits);
	disk_release(disk->root);
	*disk = (struct disk){ 0 };
}

struct disk_node *disk_find_in(const struct disk_node *directory, const char *name)
{
	const struct disk_entry *entry = directory->entries;
	while (entry != NULL && strcmp(entry->name, name) != 0)
		entry = entry->next;
	return entry ? entry->node : NULL;
}

struct disk_node *disk_find_parent(
	struct disk *disk, const char *path, struct arena *arena, const char **name)
{
	struct disk_node *directory = disk->root;
	char *rest = NULL;
	char *part = strtok_r(arena_copy_cstring(arena, path), "/", &rest);
	*name = part ? part : "";
	while (part != NULL && (part = strtok_r(NULL, "/", &rest)) != NULL) {
		directory = disk_find_in(directory, *name);
		if (directory == NULL || !directory->is_directory)
			return NULL;
		*name = part;
	}
	return directory;
}

struct disk_node *disk_find(struct disk *disk, const char *path)
{
	struct arena arena = { 0 };
	const char *name;
	struct disk_node *node = disk_find_parent(disk, path, &arena, &name);
	if (node != NULL && name[0])
		node = disk_find_in(node, name);
	arena_deinit(&arena);
	return node;
}

static struct name_change change_of(struct disk_place place, struct disk_node *node)
{
	disk_hold(place.directory);
	disk_hold(node);
	char *name = memory_allocate(1, strlen(place.name) + 1);
	strcpy(name, place.name);
	return (struct name_change){ place.directory, node, name, false };
}

static struct disk_edit *edit_push(struct disk *disk, struct name_change change)
{
	struct disk_edit *edit = memory_allocate(1, sizeof *edit);
	edit->changes[0] = change;
	*disk->edits_end = edit;
	disk->edits_end = &edit->next;
	return edit;
}

struct disk_node *disk_create(
	struct disk *disk, struct disk_node *directory, const char *name, bool is_directory)
{
	struct disk_node *node = node_new(is_directory);
	entries_set(&directory->entries, name, node);
	edit_push(disk, change_of((struct disk_place){ directory, name }, node));
	disk_release(node);
	return node;
}

void disk_remove(struct disk *disk, struct disk_node *directory, const char *name)
{
	edit_push(disk, change_of((struct disk_place){ directory, name }, NULL));
	entries_set(&directory->entries, name, NULL);
}

void disk_rename(struct disk *disk, struct disk_place from, struct disk_place to)
{
	struct disk_node *node = disk_find_in(from.directory, from.name);
	assert(node != NULL);
	struct disk_edit *edit = edit_push(disk, change_of(to, node));
	if (from.directory == to.directory) {
		edit->changes[1] = change_of(from, NULL);
	} else {
		edit = edit_push(disk, change_of(from, NULL));
		edit->changes[1] = change_of(to, node);
		edit->changes[1].is_order_only = true;
	}
	entries_set(&to.directory->entries, to.name, node);
	entries_set(&from.directory->entries, from.name, NULL);
}

static bool edits_share_a_name(const struct disk_edit *a, const struct disk_edit *b)
{
	for (size_t i = 0; i < 2; i++)
		for (size_t j = 0; j < 2; j++)
			if (a->changes[i].directory != NULL &&
				a->changes[i].directory == b->changes[j].directory &&
				strcmp(a->changes[i].name, b->changes[j].name) == 0)
				return true;
	return false;
}

static void edit_make_durable(const struct disk_edit *edit)
{
	for (size_t i = 0; i < 2; i++) {
		const struct name_change *change = &edit->changes[i];
		if (change->directory != NULL && !change->is_order_only)
			entries_set(
				&change->directory->durable_entries, change->name, change->node);
	}
}

static bool edit_is_in(const struct disk_edit *edit, const struct disk_node *directory)
{
	return edit->changes[0].directory == directory ||
	       (edit->changes[1].directory == directory && !edit->changes[1].is_order_only);
}

/* Marks what precedes a marked edit for one of its names; true when there was something new. */
static bool mark_what_comes_before(struct disk *disk)
{
	bool is_new = false;
	for (const struct disk_edit *late = disk->edits; late != NULL; late = late->next)
		for (struct disk_edit *early = disk->edits; late->is_marked && early != late;
			early = early->next)
			if (!early->is_marked && edits_share_a_name(early, late))
				is_new = early->is_marked = true;
	return is_new;
}

void disk_sync_directory(struct disk *disk, struct disk_node *directory)
{
	for (struct disk_edit *edit = disk->edits; edit != NULL; edit = edit->next)
		edit->is_marked = edit_is_in(edit, directory);
	while (mark_what_comes_before(disk))
		;
	for (struct disk_edit **at = &disk->edits; *at != NULL;) {
		if ((*at)->is_marked) {
			edit_make_durable(*at);
			edit_drop(disk, at);
		} else {
			at = &(*at)->next;
		}
	}
}

static void buffer_set_size(struct buffer *buffer, size_t size)
{
	if (size > buffer->size) {
		buffer_reserve(buffer, size - buffer->size);
		memset(buffer->data + buffer->size, 0, size - buffer->size);
	}
	buffer->size = size;
}

static void buffer_put_at(struct buffer *buffer, size_t offset, struct bytes data)
{
	if (buffer->size < offset + data.size)
		buffer_set_size(buffer, offset + data.size);
	if (data.size > 0)
		memcpy(buffer->data + offset, data.data, data.size);
}

static void push_write(struct disk_node *node, bool is_truncate, uint64_t offset, struct bytes data)
{
	struct disk_write *write = memory_allocate(1, sizeof *write + data.size);
	write->is_truncate = is_truncate;
	write->offset = offset;
	write->size = data.size;
	if (data.size > 0)
		memcpy(write->data, data.data, data.size);
	*node->writes_end = write;
	node->writes_end = &write->next;
}

void disk_write(struct disk_node *node, uint64_t offset, struct bytes data)
{
	push_write(node, false, offset, data);
	buffer_put_at(&node->bytes, (size_t)offset, data);
}

void disk_truncate(struct disk_node *node, uint64_t size)
{
	push_write(node, true, size, (struct bytes){ 0 });
	buffer_set_size(&node->bytes, (size_t)size);
}

static void write_make_durable(struct disk_node *node, const struct disk_write *write)
{
	if (write->is_truncate)
		buffer_set_size(&node->durable_bytes, (size_t)write->offset);
	else
		buffer_put_at(&node->durable_bytes, (size_t)write->offset,
			bytes_of(write->data, write->size));
}

void disk_sync(struct disk_node *node)
{
	for (const struct disk_write *write = node->writes; write != NULL; write = write->next)
		write_make_durable(node, write);
	writes_clear(node);
}

/* Each sector of the write reaches the disk or not; a lost one may still have grown the file. */
static void tear_write(struct disk_node *node, const struct disk_write *write, uint64_t *random)
{
	for (size_t done = 0; done < write->size;) {
		const uint64_t offset = write->offset + done;
		size_t part = DISK_SECTOR_BYTES - (size_t)(offset % DISK_SECTOR_BYTES);
		part = part < write->size - done ? part : write->size - done;
		const uint64_t chance = disk_random(random) % 4;
		if (chance < 2)
			buffer_put_at(&node->durable_bytes, (size_t)offset,
				bytes_of(write->data + done, part));
		else if (chance == 2 && node->durable_bytes.size < offset + part)
			buffer_set_size(&node->durable_bytes, (size_t)offset + part);
		done += part;
	}
}

/* Some files lose nothing, some all, and the others any part. */
static void crash_file(struct disk_node *node, uint64_t *random)
{
	const uint64_t fate = node->writes ? disk_random(random) % 4 : 0;
	for (const struct disk_write *write = node->writes; write != NULL && fate > 0;
		write = write->next) {
		if (fate == 1)
			write_make_durable(node, write);
		else if (!write->is_truncate)
			tear_write(node, write, random);
		else if (disk_random(random) % 2)
			write_make_durable(node, write);
	}
	writes_clear(node);
	buffer_reset(&node->bytes);
	buffer_append_bytes(&node->bytes, buffer_bytes(&node->durable_bytes));
}

static void crash_tree(struct disk_node *directory, uint64_t *random)
{
	entries_clear(&directory->entries);
	const struct disk_entry *entry = directory->durable_entries;
	for (; entry != NULL; entry = entry->next) {
		entries_set(&directory->entries, entry->name, entry->node);
		if (entry->node->is_directory)
			crash_tree(entry->node, random);
		else
			crash_file(entry->node, random);
	}
}

/* An edit is lost by chance, or because an earlier one of the same name is. */
static void crash_names(struct disk *disk, uint64_t *random)
{
	const uint64_t fate = disk->edits ? disk_random(random) % 4 : 0;
	for (struct disk_edit *edit = disk->edits; edit != NULL; edit = edit->next) {
		edit->is_marked = fate == 0 || (fate > 1 && disk_random(random) % 2);
		for (const struct disk_edit *early = disk->edits; early != edit;
			early = early->next)
			if (early->is_marked && edits_share_a_name(early, edit))
				edit->is_marked = true;
		if (!edit->is_marked)
			edit_make_durable(edit);
	}
	while (disk->edits != NULL)
		edit_drop(disk, &disk->edits);
}

void disk_crash(struct disk *disk, uint64_t *random)
{
	crash_names(disk, random);
	crash_tree(disk->root, random);
}
