#include "base/test.h"
#include "format/parquet/rle_internal.h"

#include <stdlib.h>

TEST(the_specifications_bit_packing_example_is_reproduced)
{
	/* Encodings.md: 0 to 7 in three bits each */
	static const uint32_t VALUES[8] = { 0, 1, 2, 3, 4, 5, 6, 7 };
	static const uint8_t EXPECTED[] = { 1 << 1 | 1, 0x88, 0xc6, 0xfa };
	struct buffer out = { 0 };
	rle_encode(&out, VALUES, 8, 3);
	CHECK(bytes_equal(buffer_bytes(&out), bytes_of(EXPECTED, sizeof EXPECTED)));
	buffer_deinit(&out);
}

TEST(equal_values_become_one_run_up_to_the_last)
{
	uint32_t values[100];
	for (int i = 0; i < 100; i++)
		values[i] = 300;
	static const uint8_t EXPECTED[] = { 200, 1, 0x2c, 1 }; /* 100 << 1 as a varint | 300 */
	struct buffer out = { 0 };
	rle_encode(&out, values, 100, 9);
	CHECK(bytes_equal(buffer_bytes(&out), bytes_of(EXPECTED, sizeof EXPECTED)));
	buffer_deinit(&out);
}

static void check_round_trip(uint64_t *seed, unsigned bit_width, size_t count)
{
	uint32_t mask = bit_width == 32 ? UINT32_MAX : ((uint32_t)1 << bit_width) - 1;
	uint32_t *values = memory_allocate(count, sizeof *values);
	uint32_t *decoded = memory_allocate(count, sizeof *decoded);
	for (size_t i = 0; i < count;) { /* stretches of equal and of random values */
		size_t stretch = 1 + test_random(seed) % 40;
		bool is_run = test_random(seed) & 1;
		uint32_t value = (uint32_t)test_random(seed);
		for (; stretch > 0 && i < count; stretch--, i++)
			values[i] = (is_run ? value : (uint32_t)test_random(seed)) & mask;
	}
	struct buffer out = { 0 };
	rle_encode(&out, values, count, bit_width);
	struct rle_decoder decoder = rle_decoder_of(buffer_bytes(&out), bit_width);
	for (size_t i = 0; i < count;) {
		size_t take = 1 + test_random(seed) % 50;
		take = take < count - i ? take : count - i;
		CHECK(rle_decode(&decoder, decoded + i, take));
		i += take;
	}
	CHECK(memcmp(values, decoded, count * sizeof *values) == 0);
	CHECK(bit_width != 1 || out.size <= rle_levels_size_max(count));
	free(values);
	free(decoded);
	buffer_deinit(&out);
}

TEST(values_of_any_width_come_back_in_any_portions)
{
	uint64_t seed = test_seed();
	for (unsigned bit_width = 0; bit_width <= 32; bit_width++)
		for (size_t count = 1; count < 600; count += 1 + test_random(&seed) % 60)
			check_round_trip(&seed, bit_width, count);
}

TEST(levels_never_outgrow_the_room_kept_for_them)
{
	uint32_t values[4096];
	for (size_t period = 1; period < 200; period++) {
		for (size_t i = 0; i < 4096; i++)
			values[i] = i / period & 1;
		struct buffer out = { 0 };
		rle_encode(&out, values, 4096, 1);
		CHECK(out.size <= rle_levels_size_max(4096));
		buffer_deinit(&out);
	}
}

TEST(runs_that_are_cut_short_are_refused)
{
	uint32_t values[200], decoded[200];
	for (uint32_t i = 0; i < 200; i++)
		values[i] = i < 100 ? 5 : i % 8;
	struct buffer out = { 0 };
	rle_encode(&out, values, 200, 3);
	for (size_t size = 0; size < out.size; size++) {
		struct rle_decoder decoder = rle_decoder_of(bytes_of(out.data, size), 3);
		CHECK(!rle_decode(&decoder, decoded, 200));
	}
	buffer_deinit(&out);
	static const uint8_t TOO_WIDE[] = { 10 << 1, 2 };
	struct rle_decoder decoder = rle_decoder_of(bytes_of(TOO_WIDE, 2), 1);
	uint8_t levels[10];
	CHECK(!rle_decode_u8(&decoder, levels, 10));
}
