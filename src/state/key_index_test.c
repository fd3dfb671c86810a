#include "base/test.h"
#include "state/key_index.h"

#include <stdlib.h>
#include <time.h>

enum {
	KEY_COUNT = 20000,
	STEPS = 400000,
	RATE_KEYS = 300000,
	AHEAD = 12,
};

static struct key numbered_key(uint64_t number)
{
	return (struct key){ .high = UINT64_C(9) << 56, .low = number };
}

/* The simple model: the place of each key, file 0 for absent. */
struct model {
	struct key_place places[KEY_COUNT];
	uint64_t count;
};

static void check_step(
	struct key_index *index, struct model *model, uint64_t choice, uint64_t number)
{
	struct key_place *expected = &model->places[number];
	struct key_place old = { 0 };
	const bool is_there = expected->file != 0;
	bool was_there;
	if (choice % 10 < 3) {
		was_there = key_index_find(index, numbered_key(number), &old);
	} else if (choice % 10 < 7) {
		const struct key_place place = { 1 + (uint32_t)(choice >> 40), (uint32_t)choice };
		was_there = key_index_put(index, numbered_key(number), place, &old);
		CHECK(old.file == expected->file && old.row == expected->row);
		model->count += !was_there;
		*expected = old = place;
	} else {
		was_there = key_index_remove(index, numbered_key(number), &old);
		CHECK(old.file == expected->file && old.row == expected->row);
		model->count -= was_there;
		*expected = (struct key_place){ 0 };
	}
	CHECK(was_there == is_there);
	CHECK_EQUAL(key_index_count(index), model->count);
}

static void check_all(const struct key_index *index, const struct model *model)
{
	for (uint64_t number = 0; number < KEY_COUNT; number++) {
		struct key_place place = { 0 };
		const bool found = key_index_find(index, numbered_key(number), &place);
		CHECK(found == (model->places[number].file != 0));
		CHECK(place.file == model->places[number].file &&
			place.row == model->places[number].row);
	}
}

TEST(a_key_index_behaves_as_an_array_of_places_does)
{
	uint64_t state = test_seed();
	struct key_index *index = key_index_open(test_random(&state));
	struct model *model = memory_allocate(1, sizeof *model);
	for (int step = 0; step < STEPS; step++) {
		/* now few keys, now many, so that shards fill, grow and empty */
		const uint64_t range = step / 50000 % 2 ? KEY_COUNT : KEY_COUNT / 16;
		const uint64_t choice = test_random(&state);
		check_step(index, model, choice, test_random(&state) % range);
	}
	check_all(index, model);
	key_index_clear(index);
	memset(model, 0, sizeof *model);
	CHECK_EQUAL(key_index_count(index), 0);
	check_all(index, model);
	check_step(index, model, 5, 1);
	check_all(index, model);
	free(model);
	key_index_close(index);
}

TEST(keys_that_differ_in_one_bit_are_different_keys)
{
	struct key_index *index = key_index_open(test_seed());
	struct key_place old;
	const struct key base = { .high = UINT64_C(0xC0) << 56, .low = 0 };
	for (uint32_t bit = 0; bit < 126; bit++) {
		struct key key = base;
		if (bit < 64)
			key.low ^= UINT64_C(1) << bit;
		else
			key.high ^= UINT64_C(1) << (bit - 64);
		CHECK(!key_index_put(index, key, (struct key_place){ 1, bit }, &old));
	}
	CHECK(!key_index_find(index, base, &old));
	CHECK_EQUAL(key_index_count(index), 126);
	key_index_close(index);
	key_index_close(NULL);
}

static double now_s(void)
{
	struct timespec time;
	clock_gettime(CLOCK_MONOTONIC, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

TEST(a_key_index_takes_at_most_45_bytes_a_key_and_its_rate_is_printed)
{
	struct key_index *index = key_index_open(test_seed());
	struct key_place old;
	const double started = now_s();
	for (uint32_t i = 0; i < RATE_KEYS; i++) {
		key_index_prefetch(index, numbered_key((uint64_t)i + AHEAD));
		key_index_put(index, numbered_key(i), (struct key_place){ 1, i }, &old);
	}
	const double put = now_s();
	size_t found = 0;
	for (uint32_t i = 0; i < RATE_KEYS; i++) {
		key_index_prefetch(index, numbered_key((uint64_t)i * 7919 % RATE_KEYS));
		found += key_index_find(index, numbered_key((uint64_t)i * 7907 % RATE_KEYS), &old);
	}
	const double ended = now_s();
	CHECK_EQUAL(found, RATE_KEYS);
	CHECK(key_index_used_bytes(index) < RATE_KEYS * (size_t)46 + 100000);
	printf("key index: %.1f M puts/s, %.1f M finds/s, %.1f bytes a key\n",
		RATE_KEYS / (put - started) / 1e6, RATE_KEYS / (ended - put) / 1e6,
		(double)key_index_used_bytes(index) / RATE_KEYS);
	key_index_close(index);
}
