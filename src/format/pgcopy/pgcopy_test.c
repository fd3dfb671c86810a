#include "base/test.h"
#include "format/pgcopy/pgcopy.h"

/* COPY (VALUES (1, 'one'), (2, NULL), (NULL, ''), (4, repeat('x', 60))), by PostgreSQL 15 */
static const uint8_t RECORDED[] = "PGCOPY\n\377\r\n\0"
				  "\0\0\0\0"
				  "\0\0\0\0"
				  "\0\2"
				  "\0\0\0\4"
				  "\0\0\0\1"
				  "\0\0\0\3"
				  "one"
				  "\0\2"
				  "\0\0\0\4"
				  "\0\0\0\2"
				  "\377\377\377\377"
				  "\0\2"
				  "\377\377\377\377"
				  "\0\0\0\0"
				  "\0\2"
				  "\0\0\0\4"
				  "\0\0\0\4"
				  "\0\0\0\74"
				  "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"
				  "\377\377";

enum {
	RECORDED_SIZE = sizeof RECORDED - 1,
	ROW_COUNT = 4,
};

static bool field_is(const struct pgcopy_field *field, const char *bytes, size_t size)
{
	return !field->is_null && bytes_equal(field->bytes, bytes_of(bytes, size));
}

static void check_row(const struct pgcopy_field *row, size_t number)
{
	switch (number) {
	case 0:
		CHECK(field_is(&row[0], "\0\0\0\1", 4) && field_is(&row[1], "one", 3));
		break;
	case 1:
		CHECK(field_is(&row[0], "\0\0\0\2", 4) && row[1].is_null);
		break;
	case 2:
		CHECK(row[0].is_null && field_is(&row[1], "", 0));
		break;
	case 3:
		CHECK(field_is(&row[0], "\0\0\0\4", 4));
		CHECK(row[1].bytes.size == 60 && row[1].bytes.data[59] == 'x');
		break;
	default:
		CHECK(false);
	}
}

/* Every chunk in memory of its own, which is gone when the next one comes. */
static size_t decode_chunks(
	struct pgcopy *copy, struct bytes data, size_t chunk_size, struct error *err)
{
	size_t rows = 0;
	while (data.size > 0) {
		const size_t size = data.size < chunk_size ? data.size : chunk_size;
		struct arena arena = { 0 };
		const struct pgcopy_field *row;
		pgcopy_push(copy, bytes_of(arena_copy(&arena, data.data, size), size));
		for (;;) {
			CHECK_OK(pgcopy_next_row(copy, &row, err), err);
			if (row == NULL)
				break;
			check_row(row, rows++);
		}
		arena_deinit(&arena);
		data = bytes_of(data.data + size, data.size - size);
	}
	return rows;
}

TEST(a_copy_is_decoded_however_it_is_cut_into_chunks)
{
	for (size_t chunk_size = 1; chunk_size <= RECORDED_SIZE; chunk_size++) {
		struct pgcopy copy;
		struct error err = { 0 };
		pgcopy_init(&copy, 2);
		CHECK_EQUAL(
			decode_chunks(&copy, bytes_of(RECORDED, RECORDED_SIZE), chunk_size, &err),
			ROW_COUNT);
		CHECK_OK(pgcopy_finish(&copy, &err), &err);
		pgcopy_deinit(&copy);
	}
}

TEST(a_copy_that_ends_early_is_not_complete)
{
	for (size_t size = 0; size < RECORDED_SIZE; size++) {
		struct pgcopy copy;
		struct error err = { 0 };
		pgcopy_init(&copy, 2);
		decode_chunks(&copy, bytes_of(RECORDED, size), 16, &err);
		CHECK(!pgcopy_finish(&copy, &err));
		CHECK_EQUAL(err.kind, ERROR_CORRUPT);
		pgcopy_deinit(&copy);
	}
}

/* The rows that decoding yields, or -1. */
static int count_rows(struct bytes data, struct error *err)
{
	struct pgcopy copy;
	const struct pgcopy_field *row;
	int rows = -1;
	bool ok;
	pgcopy_init(&copy, 2);
	pgcopy_push(&copy, data);
	do {
		ok = pgcopy_next_row(&copy, &row, err);
		rows++;
	} while (ok && row != NULL);
	if (!ok || !pgcopy_finish(&copy, err))
		rows = -1;
	pgcopy_deinit(&copy);
	return rows;
}

TEST(a_copy_with_a_flipped_bit_is_refused_or_still_a_copy)
{
	uint8_t data[RECORDED_SIZE];
	memcpy(data, RECORDED, RECORDED_SIZE);
	for (size_t bit = 0; bit < 8 * RECORDED_SIZE; bit++) {
		struct error err = { 0 };
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		const int rows = count_rows(bytes_of(data, RECORDED_SIZE), &err);
		CHECK(rows == ROW_COUNT ? err.kind == ERROR_NONE : err.kind != ERROR_NONE);
		data[bit / 8] ^= (uint8_t)(1 << bit % 8);
	}
}

TEST(damaged_headers_and_rows_of_a_copy_are_refused)
{
	static const struct {
		struct bytes data;
		enum error_kind kind;
	} cases[] = {
		{ BYTES_LITERAL("PGCOPY\n\377\n\n\0\0\0\0\0\0\0\0\0\377\377"), ERROR_CORRUPT },
		{ BYTES_LITERAL("PGCOPY\n\377\r\n\0\0\1\0\0\0\0\0\0\377\377"), ERROR_UNSUPPORTED },
		{ BYTES_LITERAL("PGCOPY\n\377\r\n\0\0\0\0\0\177\0\0\0"), ERROR_CORRUPT },
		{ BYTES_LITERAL("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0\0\3"), ERROR_CORRUPT },
		{ BYTES_LITERAL("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0\0\2\377\377\377\376"),
			ERROR_CORRUPT },
		{ BYTES_LITERAL("PGCOPY\n\377\r\n\0\0\0\0\0\0\0\0\0\377\377\0"), ERROR_CORRUPT },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct error err = { 0 };
		CHECK_EQUAL(count_rows(cases[i].data, &err), -1);
		CHECK_EQUAL(err.kind, cases[i].kind);
	}
	struct error err = { 0 };
	CHECK_EQUAL(count_rows(BYTES_LITERAL("PGCOPY\n\377\r\n\0\0\0\377\377\0\0\0\3abc\377\377"),
			    &err),
		0);
}

TEST(rows_are_encoded_as_postgresql_encodes_them)
{
	struct pgcopy copy;
	struct buffer out = { 0 };
	struct error err = { 0 };
	const struct pgcopy_field *row;
	pgcopy_init(&copy, 2);
	pgcopy_encode_header(&out);
	pgcopy_push(&copy, bytes_of(RECORDED, RECORDED_SIZE));
	for (;;) {
		CHECK_OK(pgcopy_next_row(&copy, &row, &err), &err);
		if (row == NULL)
			break;
		pgcopy_encode_row(&out, row, 2);
	}
	pgcopy_encode_trailer(&out);
	CHECK(bytes_equal(buffer_bytes(&out), bytes_of(RECORDED, RECORDED_SIZE)));
	buffer_deinit(&out);
	pgcopy_deinit(&copy);
}
