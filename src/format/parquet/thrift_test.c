#include "base/test.h"
#include "format/parquet/metadata_internal.h"

static const struct page_header HEADER = {
	.present = THRIFT_BIT(1) | THRIFT_BIT(2) | THRIFT_BIT(3) | THRIFT_BIT(PAGE_HEADER_DATA_V2),
	.type = PAGE_DATA_V2,
	.uncompressed_size = 70000,
	.compressed_size = 300,
	.data_v2 = {
		.present = 0xfe,
		.value_count = 100,
		.null_count = 3,
		.row_count = 100,
		.encoding = ENCODING_PLAIN,
		.definition_size = 14,
		.repetition_size = 0,
		.is_compressed = false,
	},
};

static bool decode(struct bytes bytes, struct page_header *out, size_t *used, struct error *err)
{
	struct arena arena = { 0 };
	struct reader in = reader_of(bytes);
	bool done = thrift_decode(&in, &PAGE_HEADER_RECORD, out, &arena, 0, err);
	*used = in.offset;
	arena_deinit(&arena);
	return done;
}

TEST(a_record_comes_back_as_it_was_and_ends_where_it_ends)
{
	struct buffer out = { 0 };
	struct page_header decoded;
	struct error err;
	size_t used;
	thrift_encode(&out, &PAGE_HEADER_RECORD, &HEADER);
	size_t size = out.size;
	buffer_append_u8(&out, 0xff);
	CHECK_OK(decode(buffer_bytes(&out), &decoded, &used, &err), &err);
	CHECK_EQUAL(used, size);
	CHECK(memcmp(&decoded, &HEADER, sizeof HEADER) == 0);
	buffer_deinit(&out);
}

TEST(a_record_cut_anywhere_is_corrupt)
{
	struct buffer out = { 0 };
	struct page_header decoded;
	size_t used;
	thrift_encode(&out, &PAGE_HEADER_RECORD, &HEADER);
	for (size_t size = 0; size < out.size; size++) {
		struct error err = { 0 };
		CHECK(!decode(bytes_of(out.data, size), &decoded, &used, &err));
		CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	}
	buffer_deinit(&out);
}

TEST(unknown_fields_of_every_kind_are_passed_over)
{
	/* type, sizes, then field 20: a struct of all kinds; ids beyond 15 apart take long form */
	static const uint8_t BYTES[] = { 0x15, 0x06, 0x15, 0x10, 0x15, 0x08, 0x0c,
		40,                                             /* struct 20 */
		0x11, 0x12, 0x13, 7, 0x14, 2, 0x15, 4, 0x16, 6, /* booleans, byte, i16, i32, i64 */
		0x17, 0, 0, 0, 0, 0, 0, 0, 0,                   /* double */
		0x18, 2, 'a', 'b',                              /* binary */
		0x19, 0x31, 1, 2, 1,                            /* list of three booleans */
		0x1a, 0x25, 2, 4,                               /* set of two i32 */
		0x1b, 1, 0x85, 1, 'k', 9,                       /* map of binary to i32 */
		0x1b, 0,                                        /* empty map */
		0x1c, 0,                                        /* struct */
		0, 0 };
	struct page_header decoded;
	struct error err;
	size_t used;
	CHECK_OK(decode(bytes_of(BYTES, sizeof BYTES), &decoded, &used, &err), &err);
	CHECK_EQUAL(used, sizeof BYTES);
	CHECK_EQUAL(decoded.type, 3);
	CHECK_EQUAL(decoded.compressed_size, 4);
}

TEST(nesting_without_end_and_false_counts_are_corrupt)
{
	uint8_t nested[1000];
	memset(nested, 0x9c, sizeof nested); /* field 9 of each: a struct */
	struct page_header decoded;
	struct error err = { 0 };
	size_t used;
	CHECK(!decode(bytes_of(nested, sizeof nested), &decoded, &used, &err));
	CHECK_EQUAL(err.kind, ERROR_CORRUPT);

	/* a footer whose list of row groups claims 2^28 - 1 items */
	static const uint8_t FOOTER[] = { 0x49, 0xfc, 0xff, 0xff, 0xff, 0x7f, 0 };
	struct arena arena = { 0 };
	struct file_metadata metadata;
	struct reader in = reader_of(bytes_of(FOOTER, sizeof FOOTER));
	CHECK(!thrift_decode(&in, &FILE_METADATA_RECORD, &metadata, &arena, 1 << 20, &err));
	CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	CHECK_EQUAL(arena.used_bytes, 0);
	arena_deinit(&arena);
}

TEST(a_required_field_that_is_missing_or_doubled_is_corrupt)
{
	static const uint8_t MISSING[] = { 0x15, 0x06, 0x15, 0x10, 0 };
	static const uint8_t DOUBLED[] = { 0x15, 0x06, 0x15, 0x10, 0x15, 0x08, 0x05, 6, 0x08, 0 };
	struct page_header decoded;
	struct error err = { 0 };
	size_t used;
	CHECK(!decode(bytes_of(MISSING, sizeof MISSING), &decoded, &used, &err));
	CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	CHECK(!decode(bytes_of(DOUBLED, sizeof DOUBLED), &decoded, &used, &err));
	CHECK_EQUAL(err.kind, ERROR_CORRUPT);
}
