#include "base/map.h"
#include "base/test.h"

enum {
	KEYS = 64 /* few, so that runs collide and wrap */
};

TEST(a_map_agrees_with_an_array_under_random_changes)
{
	struct map map = { 0 };
	char values[KEYS];
	char *expected[KEYS] = { 0 };
	uint64_t state = test_seed();
	for (int i = 0; i < 100000; i++) {
		const uint64_t random = test_random(&state);
		const size_t index = (size_t)(random >> 33) % KEYS;
		const uint64_t key = index % 2 ? (uint64_t)index << 40 : index;
		char *value = &values[random >> 50 & (KEYS - 1)];
		if (random >> 62) {
			CHECK(map_put(&map, key, value) == expected[index]);
			expected[index] = value;
		} else {
			CHECK(map_remove(&map, key) == expected[index]);
			expected[index] = NULL;
		}
		const size_t other = (size_t)(random >> 20) % KEYS;
		CHECK(map_get(&map, other % 2 ? (uint64_t)other << 40 : other) == expected[other]);
	}
	size_t count = 0;
	for (size_t i = 0; i < KEYS; i++)
		count += expected[i] != NULL;
	CHECK_EQUAL(map.count, count);
	map_deinit(&map);
	CHECK(map_get(&map, 0) == NULL && map_remove(&map, 0) == NULL);
}
