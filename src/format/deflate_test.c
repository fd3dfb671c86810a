#include "format/deflate.h"

#include "base/test.h"

static void fill(struct buffer *buffer, size_t size)
{
	for (size_t i = 0; i < size; i++)
		buffer_append_u8(buffer, (uint8_t)(i % 251 * (i >> 12)));
}

TEST(what_is_deflated_comes_back_in_both_forms)
{
	static const size_t SIZES[] = { 0, 1, 1000, 65536, 300000 };
	for (int form = DEFLATE_RAW; form <= DEFLATE_GZIP; form++)
		for (size_t i = 0; i < sizeof SIZES / sizeof *SIZES; i++) {
			struct buffer plain = { 0 }, packed = { 0 }, back = { 0 };
			struct error err = { 0 };
			fill(&plain, SIZES[i]);
			deflate_encode((enum deflate_form)form, buffer_bytes(&plain), &packed);
			CHECK_OK(deflate_decode((enum deflate_form)form, buffer_bytes(&packed),
					 SIZES[i], &back, &err),
				&err);
			CHECK(bytes_equal(buffer_bytes(&plain), buffer_bytes(&back)));
			buffer_deinit(&plain);
			buffer_deinit(&packed);
			buffer_deinit(&back);
		}
}

TEST(deflated_data_beyond_the_limit_are_refused)
{
	struct buffer plain = { 0 }, packed = { 0 }, back = { 0 };
	struct error err = { 0 };
	fill(&plain, 200000);
	deflate_encode(DEFLATE_RAW, buffer_bytes(&plain), &packed);
	CHECK(!deflate_decode(DEFLATE_RAW, buffer_bytes(&packed), 199999, &back, &err));
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	CHECK(back.size <= 200000);
	buffer_deinit(&plain);
	buffer_deinit(&packed);
	buffer_deinit(&back);
}

TEST(deflated_data_cut_or_continued_are_corrupt)
{
	struct buffer plain = { 0 }, packed = { 0 }, back = { 0 };
	struct error err = { 0 };
	fill(&plain, 5000);
	deflate_encode(DEFLATE_RAW, buffer_bytes(&plain), &packed);
	for (size_t size = 0; size < packed.size; size++) {
		buffer_reset(&back);
		CHECK(!deflate_decode(
			DEFLATE_RAW, bytes_of(packed.data, size), 1 << 20, &back, &err));
		CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	}
	buffer_append_u32le(&packed, 7); /* as Python's Avro writers leave it */
	buffer_reset(&back);
	CHECK_OK(deflate_decode(DEFLATE_RAW, buffer_bytes(&packed), 1 << 20, &back, &err), &err);
	CHECK_EQUAL(back.size, 5000);
	buffer_append_u8(&packed, 0);
	CHECK(!deflate_decode(DEFLATE_RAW, buffer_bytes(&packed), 1 << 20, &back, &err));
	CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	buffer_deinit(&plain);
	buffer_deinit(&packed);
	buffer_deinit(&back);
}
