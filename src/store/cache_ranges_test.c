#include "base/test.h"
#include "store/cache_internal.h"

enum {
	UNIVERSE = 64
};

static uint64_t bits_of(const struct byte_ranges *ranges)
{
	uint64_t bits = 0;
	for (size_t i = 0; i < ranges->count; i++) {
		const struct byte_range *range = &ranges->items[i];
		CHECK(range->start < range->end);
		CHECK(i == 0 || range[-1].end < range->start);
		for (uint64_t at = range->start; at < range->end; at++)
			bits |= UINT64_C(1) << at;
	}
	return bits;
}

static struct byte_ranges random_ranges(uint64_t *state, struct arena *arena, uint64_t *bits)
{
	struct byte_range items[8];
	const size_t count = test_random(state) % 8;
	*bits = 0;
	for (size_t i = 0; i < count; i++) {
		items[i].start = test_random(state) % UNIVERSE;
		items[i].end =
			items[i].start + test_random(state) % (UNIVERSE - items[i].start + 1);
		for (uint64_t at = items[i].start; at < items[i].end; at++)
			*bits |= UINT64_C(1) << at;
	}
	return ranges_of(items, count, arena);
}

TEST(ranges_are_reckoned_as_sets_of_bytes)
{
	struct arena arena = { 0 };
	uint64_t state = test_seed();
	for (size_t round = 0; round < 20000; round++) {
		uint64_t wanted_bits, present_bits;
		const struct byte_ranges wanted = random_ranges(&state, &arena, &wanted_bits);
		const struct byte_ranges present = random_ranges(&state, &arena, &present_bits);
		const struct byte_ranges missing = ranges_missing(&wanted, &present, &arena);
		const struct byte_ranges bridged = ranges_bridged(&missing, 3, &arena);
		CHECK(bits_of(&wanted) == wanted_bits);
		CHECK(bits_of(&present) == present_bits);
		CHECK(bits_of(&missing) == (wanted_bits & ~present_bits));
		CHECK((bits_of(&bridged) & bits_of(&missing)) == bits_of(&missing));
		for (size_t i = 1; i < bridged.count; i++)
			CHECK(bridged.items[i].start - bridged.items[i - 1].end > 3);
		arena_reset(&arena);
	}
	arena_deinit(&arena);
}
