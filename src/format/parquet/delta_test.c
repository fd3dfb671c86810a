#include "base/test.h"
#include "format/parquet/delta_internal.h"

#include <stdlib.h>

TEST(the_specifications_examples_are_reproduced)
{
	/* Encodings.md: 1, 2, 3, 4, 5 has differences that are all the least */
	static const int64_t STEADY[] = { 1, 2, 3, 4, 5 };
	static const uint8_t STEADY_BYTES[] = { 0x80, 1, 4, 5, 2, 2, 0, 0, 0, 0 };
	/* 7, 5, 3, 1, 2, 3, 4, 5: least -2, then 0, 0, 0, 3, 3, 3, 3 in two bits each */
	static const int32_t BENT[] = { 7, 5, 3, 1, 2, 3, 4, 5 };
	static const uint8_t BENT_BYTES[] = { 0x80, 1, 4, 8, 14, 3, 2, 0, 0, 0, 0xc0, 0x3f, 0, 0, 0,
		0, 0, 0 };
	struct buffer out = { 0 };
	delta_encode_64(&out, STEADY, 5);
	CHECK(bytes_equal(buffer_bytes(&out), bytes_of(STEADY_BYTES, sizeof STEADY_BYTES)));
	buffer_reset(&out);
	delta_encode_32(&out, BENT, 8);
	CHECK(bytes_equal(buffer_bytes(&out), bytes_of(BENT_BYTES, sizeof BENT_BYTES)));
	buffer_deinit(&out);
}

static void check_decoded(
	struct bytes encoded, const int64_t *values, size_t count, uint64_t mask, uint64_t *seed)
{
	uint64_t *decoded = memory_allocate(count + 1, sizeof *decoded);
	struct delta_decoder decoder;
	CHECK(delta_decoder_begin(&decoder, encoded));
	for (size_t i = 0; i < count;) {
		size_t take = 1 + test_random(seed) % 70;
		take = take < count - i ? take : count - i;
		CHECK(delta_decode(&decoder, decoded + i, take));
		i += take;
	}
	for (size_t i = 0; i < count; i++)
		CHECK_EQUAL(decoded[i] & mask, (uint64_t)values[i] & mask);
	CHECK(!delta_decode(&decoder, decoded, 1));
	CHECK_EQUAL(reader_left(&decoder.in), 0);
	free(decoded);
}

static void check_round_trip(uint64_t *seed, unsigned bit_width, size_t count)
{
	int64_t *values = memory_allocate(count + 1, sizeof *values);
	int32_t *narrow = memory_allocate(count + 1, sizeof *narrow);
	for (size_t i = 0; i < count; i++) {
		values[i] = bit_width ? (int64_t)(test_random(seed) >> (64 - bit_width)) : -5;
		narrow[i] = (int32_t)values[i];
	}
	struct buffer out = { 0 };
	delta_encode_64(&out, values, count);
	check_decoded(buffer_bytes(&out), values, count, UINT64_MAX, seed);
	buffer_reset(&out);
	delta_encode_32(&out, narrow, count);
	check_decoded(buffer_bytes(&out), values, count, UINT32_MAX, seed);
	free(values);
	free(narrow);
	buffer_deinit(&out);
}

TEST(integers_of_any_width_and_number_come_back)
{
	uint64_t seed = test_seed() | 1;
	for (unsigned bit_width = 0; bit_width <= 64; bit_width++)
		for (size_t count = 0; count < 500; count += 1 + test_random(&seed) % 60)
			check_round_trip(&seed, bit_width, count);
}

TEST(differences_of_32_bits_take_no_more_than_32)
{
	static const int32_t VALUES[] = { INT32_MIN, INT32_MAX, INT32_MIN, 0, INT32_MAX };
	struct buffer out = { 0 };
	delta_encode_32(&out, VALUES, 5);
	struct delta_decoder decoder;
	uint64_t decoded[5];
	CHECK(delta_decoder_begin(&decoder, buffer_bytes(&out)));
	CHECK(delta_decode(&decoder, decoded, 5));
	CHECK(decoder.bit_width <= 32);
	for (int i = 0; i < 5; i++)
		CHECK_EQUAL((int32_t)(uint32_t)decoded[i], VALUES[i]);
	buffer_deinit(&out);
}

TEST(integers_that_are_cut_short_are_refused)
{
	int64_t values[300];
	uint64_t decoded[300], seed = 3;
	for (size_t i = 0; i < 300; i++)
		values[i] = (int64_t)(test_random(&seed) % 1000);
	struct buffer out = { 0 };
	delta_encode_64(&out, values, 300);
	for (size_t size = 0; size < out.size; size++) {
		struct delta_decoder decoder;
		uint8_t *cut = memory_allocate(size + 1, 1); /* a read beyond it would be seen */
		memcpy(cut, out.data, size);
		CHECK(!delta_decoder_begin(&decoder, bytes_of(cut, size)) ||
			!delta_decode(&decoder, decoded, 300));
		free(cut);
	}
	buffer_deinit(&out);
}

TEST(a_flipped_bit_reads_nothing_beyond_the_integers)
{
	int64_t values[200];
	uint64_t decoded[200], seed = 5;
	for (size_t i = 0; i < 200; i++)
		values[i] = (int64_t)(test_random(&seed) >> i % 60);
	struct buffer out = { 0 };
	delta_encode_64(&out, values, 200);
	uint8_t *exact = memory_allocate(out.size, 1);
	size_t refused = 0;
	for (size_t bit = 0; bit < 8 * out.size; bit++) {
		struct delta_decoder decoder;
		memcpy(exact, out.data, out.size);
		exact[bit / 8] ^= (uint8_t)(1 << bit % 8);
		refused += !delta_decoder_begin(&decoder, bytes_of(exact, out.size)) ||
			   !delta_decode(&decoder, decoded, 200);
	}
	CHECK(refused > 0);
	free(exact);
	buffer_deinit(&out);
}

TEST(a_header_that_makes_no_sense_is_refused)
{
	static const uint8_t HEADERS[][6] = {
		{ 0, 4, 1, 2 },             /* blocks of nothing */
		{ 0x80, 1, 0, 1, 2 },       /* no miniblocks */
		{ 0x80, 1, 3, 1, 2 },       /* that do not divide the block */
		{ 0x80, 1, 8, 1, 2 },       /* of 16 values */
		{ 100, 1, 1, 2 },           /* not a multiple of 128 */
		{ 0x80, 0x80, 8, 4, 1, 2 }, /* blocks beyond the limit */
	};
	for (size_t i = 0; i < sizeof HEADERS / sizeof *HEADERS; i++) {
		struct delta_decoder decoder;
		CHECK(!delta_decoder_begin(&decoder, bytes_of(HEADERS[i], sizeof *HEADERS)));
	}
	static const uint8_t TOO_WIDE[] = { 0x80, 1, 4, 2, 2, 2, 65, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7 };
	struct delta_decoder decoder;
	uint64_t decoded[2];
	CHECK(delta_decoder_begin(&decoder, bytes_of(TOO_WIDE, sizeof TOO_WIDE)));
	CHECK(!delta_decode(&decoder, decoded, 2));
}
