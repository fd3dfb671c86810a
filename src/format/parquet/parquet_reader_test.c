/* What is read: parts, damaged files, those of other schemas and of other writers. */
#include "base/test.h"
#include "format/parquet/parquet_rows_fixture.h"

enum {
	FIXTURE_ROWS = 100,
};

TEST(row_group_bounds_are_read_back_in_the_form_of_a_batch)
{
	uint64_t seed = test_seed();
	struct batch batch;
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	struct parquet_reader *reader;
	struct error err;
	parquet_rows_init(&batch, COLUMNS, TYPE_COUNT);
	parquet_rows_append_random(&batch, COLUMNS, 300, &seed, 10);
	parquet_rows_write(COLUMNS, TYPE_COUNT, NULL, &batch, &file, &arena, &info);
	struct bytes bytes = buffer_bytes(&file), lower, upper;
	struct parquet_source source = parquet_fixture_source(&bytes);
	CHECK_OK(parquet_reader_open(&source, COLUMNS, TYPE_COUNT, NULL, &reader, &err), &err);
	for (size_t i = 0; i < TYPE_COUNT; i++) {
		if (COLUMNS[i].type.type == VALUE_FLOAT || COLUMNS[i].type.type == VALUE_DOUBLE)
			continue; /* random bits may be NaN */
		CHECK(parquet_reader_bounds(reader, 0, i, &lower, &upper));
		bool has_lower = false, has_upper = false;
		const struct column *column = &batch.columns[i];
		for (size_t row = 0; row < 300; row++) {
			struct bytes value =
				column->width ? bytes_of(column_fixed(column, row), column->width)
					      : column_bytes(column, row);
			has_lower |= !column_is_null(column, row) && bytes_equal(value, lower);
			has_upper |= !column_is_null(column, row) && bytes_equal(value, upper);
		}
		CHECK(has_lower && has_upper);
	}
	parquet_reader_close(reader);
	batch_deinit(&batch);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

/* ---- damage ---- */

static void make_small_file(
	struct buffer *file, struct arena *arena, enum parquet_encoding encoding)
{
	struct parquet_column columns[TYPE_COUNT];
	parquet_rows_encode_as(columns, encoding);
	uint64_t seed = 11;
	struct batch batch;
	struct parquet_file_info info;
	struct parquet_writer_options options = { .row_group_rows = 20, .page_rows = 8 };
	parquet_rows_init(&batch, COLUMNS, TYPE_COUNT);
	parquet_rows_append_random(&batch, COLUMNS, 24, &seed, 6);
	parquet_rows_write(columns, TYPE_COUNT, &options, &batch, file, arena, &info);
	batch_deinit(&batch);
}

static void check_cut(enum parquet_encoding encoding)
{
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct batch batch;
	parquet_rows_init(&batch, COLUMNS, TYPE_COUNT);
	make_small_file(&file, &arena, encoding);
	for (size_t size = 0; size < file.size; size++) {
		struct error err = { 0 };
		CHECK(!parquet_rows_read(
			bytes_of(file.data, size), COLUMNS, TYPE_COUNT, 50, &batch, &err));
		CHECK_EQUAL(err.kind, ERROR_CORRUPT);
	}
	batch_deinit(&batch);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

TEST(a_file_cut_at_any_length_is_corrupt)
{
	check_cut(PARQUET_ENCODING_USUAL);
	check_cut(PARQUET_ENCODING_DELTA);
}

static void check_flipped(enum parquet_encoding encoding, size_t step)
{
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	make_small_file(&file, &arena, encoding);
	size_t refused = 0, read = 0;
	for (size_t at = 0; at < file.size; at += step) {
		struct batch batch;
		struct error err = { 0 };
		uint8_t mask = (uint8_t)(1 << (at * 5 + at / 8) % 8);
		parquet_rows_init(&batch, COLUMNS, TYPE_COUNT);
		file.data[at] ^= mask;
		if (parquet_rows_read(buffer_bytes(&file), COLUMNS, TYPE_COUNT, 50, &batch, &err)) {
			CHECK_EQUAL(batch.row_count, 24);
			read++;
		} else {
			CHECK(err.kind == ERROR_CORRUPT || err.kind == ERROR_UNSUPPORTED ||
				err.kind == ERROR_LIMIT);
			refused++;
		}
		file.data[at] ^= mask;
		batch_deinit(&batch);
	}
	CHECK(refused > read); /* pages carry checksums; names and statistics do not */
	buffer_deinit(&file);
	arena_deinit(&arena);
}

TEST(a_flipped_bit_is_an_error_or_harmless)
{
	check_flipped(PARQUET_ENCODING_USUAL, 1);
	check_flipped(PARQUET_ENCODING_DELTA, 5);
}

/* ---- other schemas ---- */

TEST(types_that_iceberg_promotes_are_widened)
{
	static const struct parquet_column NARROW[] = {
		{ "i", 1, { VALUE_INT, 0, 0 }, true, 0, 0 },
		{ "f", 2, { VALUE_FLOAT, 0, 0 }, true, 0, 0 },
		{ "d", 3, { VALUE_DECIMAL, 9, 2 }, true, 0, 0 },
		{ "e", 4, { VALUE_DECIMAL, 18, 2 }, true, 0, 0 },
	};
	static const struct parquet_column WIDE[] = {
		{ "i", 1, { VALUE_LONG, 0, 0 }, true, 0, 0 },
		{ "f", 2, { VALUE_DOUBLE, 0, 0 }, true, 0, 0 },
		{ "d", 3, { VALUE_DECIMAL, 18, 2 }, true, 0, 0 },
		{ "e", 4, { VALUE_DECIMAL, 38, 2 }, true, 0, 0 },
		{ "added", 5, { VALUE_STRING, 0, 0 }, false, 0, 0 },
	};
	const int32_t number = -7;
	const float ratio = 0.5f;
	const int64_t price = -12345, amount = -999999999999999999;
	const __int128 wide_amount = amount;
	const int64_t wide_number = number;
	const double wide_ratio = ratio;
	struct batch batch, again;
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	struct error err;
	parquet_rows_init(&batch, NARROW, 4);
	parquet_rows_init(&again, WIDE, 5);
	column_append_fixed(&batch.columns[0], &number);
	column_append_fixed(&batch.columns[1], &ratio);
	column_append_fixed(&batch.columns[2], &price);
	column_append_fixed(&batch.columns[3], &amount);
	batch_finish_row(&batch);
	parquet_rows_write(NARROW, 4, NULL, &batch, &file, &arena, &info);
	CHECK_OK(parquet_rows_read(buffer_bytes(&file), WIDE, 5, 10, &again, &err), &err);
	CHECK(memcmp(column_fixed(&again.columns[0], 0), &wide_number, 8) == 0);
	CHECK(memcmp(column_fixed(&again.columns[1], 0), &wide_ratio, 8) == 0);
	CHECK(memcmp(column_fixed(&again.columns[2], 0), &price, 8) == 0);
	CHECK(memcmp(column_fixed(&again.columns[3], 0), &wide_amount, 16) == 0);
	CHECK(column_is_null(&again.columns[4], 0));
	batch_deinit(&again);

	struct parquet_column refused[] = { WIDE[0], WIDE[2], WIDE[4] };
	refused[0].type = (struct column_type){ VALUE_STRING, 0, 0 };
	refused[1].type.scale = 3; /* another scale would change the value */
	refused[2].is_required = true;
	for (int i = 0; i < 3; i++) {
		parquet_rows_init(&again, &refused[i], 1);
		CHECK(!parquet_rows_read(buffer_bytes(&file), &refused[i], 1, 10, &again, &err));
		CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
		batch_deinit(&again);
	}
	batch_deinit(&batch);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

TEST(skipped_rows_are_those_that_would_have_been_read)
{
	uint64_t seed = test_seed();
	struct batch batch, part;
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	struct parquet_reader *reader;
	struct error err;
	struct parquet_writer_options options = { .page_rows = 100 };
	parquet_rows_init(&batch, COLUMNS, TYPE_COUNT);
	parquet_rows_append_random(&batch, COLUMNS, 2000, &seed, 50);
	parquet_rows_write(COLUMNS, TYPE_COUNT, &options, &batch, &file, &arena, &info);
	struct bytes bytes = buffer_bytes(&file);
	struct parquet_source source = parquet_fixture_source(&bytes);
	CHECK_OK(parquet_reader_open(&source, COLUMNS, TYPE_COUNT, NULL, &reader, &err), &err);
	CHECK_OK(parquet_reader_begin(reader, 0, ALL, TYPE_COUNT, &err), &err);
	for (size_t row = 0;;) {
		size_t skip = test_random(&seed) % 350, got;
		struct batch expected;
		parquet_rows_init(&part, COLUMNS, TYPE_COUNT);
		parquet_rows_init(&expected, COLUMNS, TYPE_COUNT);
		CHECK_OK(parquet_reader_skip(reader, skip, &err), &err);
		CHECK_OK(parquet_reader_next(reader, &part, 20, &got, &err), &err);
		row += skip;
		for (size_t i = 0; i < got; i++)
			batch_append_from(&expected, &batch, row++);
		parquet_rows_check_same(&expected, &part);
		batch_deinit(&part);
		batch_deinit(&expected);
		if (got < 20)
			break;
	}
	parquet_reader_close(reader);
	batch_deinit(&batch);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

TEST(key_values_and_awkward_names_are_kept_apart)
{
	static const struct parquet_column TWO[] = {
		{ "a b", 1, { VALUE_INT, 0, 0 }, true, 0, 0 },
		{ "a_x20b", 2, { VALUE_INT, 0, 0 }, true, 0, 0 },
	};
	const struct parquet_key_value pair = { "iceberg.schema", "{\"type\":\"struct\"}" };
	struct parquet_writer_options options = { .key_values = &pair, .key_value_count = 1 };
	struct batch batch;
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct parquet_file_info info;
	struct parquet_reader *reader;
	struct error err;
	parquet_rows_init(&batch, TWO, 2);
	parquet_rows_write(TWO, 2, &options, &batch, &file, &arena, &info);
	struct bytes bytes = buffer_bytes(&file), value;
	struct parquet_source source = parquet_fixture_source(&bytes);
	CHECK_OK(parquet_reader_open(&source, TWO, 2, NULL, &reader, &err), &err);
	CHECK(parquet_reader_key_value(reader, "iceberg.schema", &value));
	CHECK(bytes_equal(value, bytes_of_cstring(pair.value)));
	CHECK(!parquet_reader_key_value(reader, "iceberg", &value));
	parquet_reader_close(reader);
	CHECK(memmem(file.data, file.size, "a_x20b_2", 8) != NULL);
	batch_deinit(&batch);
	buffer_deinit(&file);
	arena_deinit(&arena);
}

/* ---- files of another writer ---- */

static void read_fixture(const char *name, struct buffer *out)
{
	char path[4096];
	snprintf(path, sizeof path, "%s/parquet/%s.parquet", WALBERG_CORPUS, name);
	FILE *file = fopen(path, "rb");
	CHECK(file != NULL);
	buffer_reserve(out, 1 << 16);
	out->size = fread(out->data, 1, 1 << 16, file);
	fclose(file);
}

static void append_number(struct column *column, int64_t value)
{
	int32_t narrow = (int32_t)value;
	column_append_fixed(column, column->width == 8 ? (const void *)&value : &narrow);
}

/* Row i as tests/support/parquet_fixtures.py makes it. */
static void append_fixture_row(struct batch *batch, int64_t i)
{
	static const int64_t TRILLION = 1000000000000;
	struct column *columns = batch->columns;
	append_number(&columns[1], i * 3 - 50);
	for (size_t k = 0; i % 5 == 0 && k < TYPE_COUNT; k++)
		if (k != 1)
			column_append_null(&columns[k]);
	if (i % 5 != 0) {
		uint8_t is_third = i % 3 == 0, repeated[16];
		float ratio = (float)i / 4;
		double negative = -(double)i / 8;
		__int128 wide = -i * parquet_rows_power_of_ten(24);
		char text[16];
		memset(repeated, (int)i, sizeof repeated);
		snprintf(text, sizeof text, "text %d", (int)(i % 7));
		column_append_fixed(&columns[0], &is_third);
		append_number(&columns[2], i * TRILLION);
		column_append_fixed(&columns[3], &ratio);
		column_append_fixed(&columns[4], &negative);
		append_number(&columns[5], i - 50);
		append_number(&columns[6], i * TRILLION);
		column_append_fixed(&columns[7], &wide);
		append_number(&columns[8], i - 50);
		append_number(&columns[9], i * 1000001);
		append_number(&columns[10], i * 1000000000 + 1);
		append_number(&columns[11], -i * 1000000000);
		column_append_bytes(&columns[12], bytes_of_cstring(text));
		column_append_bytes(&columns[13], bytes_of(repeated, (size_t)(i % 4)));
		column_append_fixed(&columns[14], repeated);
	}
	batch_finish_row(batch);
}

TEST(files_of_other_writers_are_read)
{
	static const char *const NAMES[] = { "v1_dictionary_zstd", "v1_plain_none", "v2_plain_gzip",
		"v2_dictionary_zstd", "nested_crc", "decimals_as_integers", "delta",
		"walberg" /* by the first version of the writer here */ };
	struct batch expected;
	parquet_rows_init(&expected, COLUMNS, TYPE_COUNT);
	for (int64_t i = 0; i < FIXTURE_ROWS; i++)
		append_fixture_row(&expected, i);
	for (size_t i = 0; i < sizeof NAMES / sizeof *NAMES; i++) {
		struct batch batch;
		struct buffer file = { 0 };
		struct error err;
		parquet_rows_init(&batch, COLUMNS, TYPE_COUNT);
		read_fixture(NAMES[i], &file);
		CHECK_OK(parquet_rows_read(
				 buffer_bytes(&file), COLUMNS, TYPE_COUNT, 30, &batch, &err),
			&err);
		parquet_rows_check_same(&expected, &batch);
		batch_deinit(&batch);
		buffer_deinit(&file);
	}
	batch_deinit(&expected);
}

TEST(codecs_and_encodings_that_are_not_read_are_named)
{
	static const char *const NAMES[][2] = {
		{ "snappy", "codec 1" },
		{ "delta_texts", "encoding 7" },
	};
	for (int i = 0; i < 2; i++) {
		struct batch batch;
		struct buffer file = { 0 };
		struct error err;
		parquet_rows_init(&batch, COLUMNS, TYPE_COUNT);
		read_fixture(NAMES[i][0], &file);
		CHECK(!parquet_rows_read(
			buffer_bytes(&file), COLUMNS, TYPE_COUNT, 30, &batch, &err));
		CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
		CHECK(strstr(err.text, NAMES[i][1]) != NULL);
		batch_deinit(&batch);
		buffer_deinit(&file);
	}
}
