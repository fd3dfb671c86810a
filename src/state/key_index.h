/*
 * key_index.h: where each live row of one table lies, by key.
 *
 * Derived state (I8): it is rebuilt from the table's files, and so nothing in it can fail.
 * One thread at a time.  24 bytes a slot, at most 4 in 5 slots used: 30 to 45 bytes a key, also
 * while it grows.
 */
#ifndef STATE_KEY_INDEX_H
#define STATE_KEY_INDEX_H

#include "state/key.h"

struct key_place {
	uint32_t file; /* a number that the user of the index gives to each file */
	uint32_t row;
};

struct key_index;

struct key_index *key_index_open(uint64_t seed); /* random: keeps chosen keys from colliding */
void key_index_close(struct key_index *index);   /* also NULL */

bool key_index_find(const struct key_index *index, struct key key, struct key_place *out);

/* Insert or replace: true, and *old is filled, when the key was there. */
bool key_index_put(
	struct key_index *index, struct key key, struct key_place place, struct key_place *old);

/* True, and *old is filled, when the key was there. */
bool key_index_remove(struct key_index *index, struct key key, struct key_place *old);

void key_index_clear(struct key_index *index); /* gives the memory back */

/*
 * Begins to load the memory of a key that is looked for soon: a call some ten keys ahead of
 * find, put or remove hides most of their waiting.
 */
void key_index_prefetch(const struct key_index *index, struct key key);

uint64_t key_index_count(const struct key_index *index);
size_t key_index_used_bytes(const struct key_index *index); /* all memory of the index */

#endif
