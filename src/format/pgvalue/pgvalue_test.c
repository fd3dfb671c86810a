#include "base/test.h"
#include "format/pgvalue/pgvalue_pairs.h"

#include <math.h>

enum {
	PAIR_COUNT = sizeof PGVALUE_PAIRS / sizeof PGVALUE_PAIRS[0],
	OID_INT4 = 23,
	OID_NUMERIC = 1700,
	OID_TIMESTAMPTZ = 1184,
};

static void append_hex(struct buffer *out, const char *hex)
{
	static const char DIGITS[] = "0123456789abcdef";
	for (; hex[0]; hex += 2)
		buffer_append_u8(out, (uint8_t)((strchr(DIGITS, hex[0]) - DIGITS) << 4 |
						(strchr(DIGITS, hex[1]) - DIGITS)));
}

static struct column_type type_of(uint32_t type_oid, int32_t type_modifier)
{
	struct column_type type;
	if (!pgvalue_type(type_oid, type_modifier, 'b', &type))
		test_fail(__FILE__, __LINE__, "type %u has no type in the lake", type_oid);
	return type;
}

/* Into an empty column of one's own. */
static enum pgvalue_fault append(struct column *column, uint32_t type_oid, int32_t type_modifier,
	uint8_t wire_kind, struct bytes wire)
{
	const struct column_type type = type_of(type_oid, type_modifier);
	const struct pgvalue_decoder decoder = pgvalue_decoder_of(type_oid, type);
	column_init(column, type);
	return pgvalue_append(&decoder, wire_kind, wire, column);
}

static bool columns_are_equal(const struct column *a, const struct column *b)
{
	return a->count == b->count && a->null_count == b->null_count &&
	       bytes_equal(buffer_bytes(&a->valid), buffer_bytes(&b->valid)) &&
	       bytes_equal(buffer_bytes(&a->fixed), buffer_bytes(&b->fixed)) &&
	       bytes_equal(buffer_bytes(&a->offsets), buffer_bytes(&b->offsets)) &&
	       bytes_equal(buffer_bytes(&a->data), buffer_bytes(&b->data));
}

TEST(text_and_binary_of_a_value_give_the_same_bytes_or_the_same_fault)
{
	struct buffer binary = { 0 };
	for (size_t i = 0; i < PAIR_COUNT; i++) {
		const struct pgvalue_pair *pair = &PGVALUE_PAIRS[i];
		struct column from_text, from_binary;
		buffer_reset(&binary);
		append_hex(&binary, pair->binary);
		const enum pgvalue_fault text_fault = append(&from_text, pair->type_oid,
			pair->type_modifier, 't', bytes_of_cstring(pair->text));
		const enum pgvalue_fault binary_fault = append(&from_binary, pair->type_oid,
			pair->type_modifier, 'b', buffer_bytes(&binary));
		if (text_fault != pair->fault || binary_fault != pair->fault ||
			!columns_are_equal(&from_text, &from_binary))
			test_fail(__FILE__, __LINE__, "pair %zu: \"%s\" has faults %d and %d", i,
				pair->text, text_fault, binary_fault);
		CHECK_EQUAL(from_text.count, pair->fault == PGVALUE_FITS);
		column_deinit(&from_text);
		column_deinit(&from_binary);
	}
	buffer_deinit(&binary);
}

/* Texts of other zones and decimals of another scale are of equal value, but not of equal text. */
static bool text_is_canonical(const struct pgvalue_pair *pair, const struct column *column)
{
	const size_t size = strlen(pair->text);
	if (pair->type_oid == OID_TIMESTAMPTZ)
		return strcmp(pair->text + size - 3, "+00") == 0 && size <= 29;
	if (pair->type_oid != OID_NUMERIC)
		return true;
	const char *point = strchr(pair->text, '.');
	return (point ? strlen(point + 1) : 0) == column->type.scale;
}

TEST(a_value_is_shown_as_postgresql_shows_it)
{
	struct buffer shown = { 0 };
	size_t count = 0;
	for (size_t i = 0; i < PAIR_COUNT; i++) {
		const struct pgvalue_pair *pair = &PGVALUE_PAIRS[i];
		struct column column;
		if (append(&column, pair->type_oid, pair->type_modifier, 't',
			    bytes_of_cstring(pair->text)) == PGVALUE_FITS &&
			text_is_canonical(pair, &column)) {
			buffer_reset(&shown);
			pgvalue_format(&shown, &column, 0);
			buffer_append_u8(&shown, 0);
			CHECK_TEXT((const char *)shown.data, pair->text);
			count++;
		}
		column_deinit(&column);
	}
	CHECK(count > 200);
	buffer_deinit(&shown);
}

TEST(values_have_the_numbers_that_iceberg_gives_them)
{
	static const struct {
		uint32_t oid;
		int32_t modifier;
		const char *text;
		int64_t value;
	} cases[] = {
		{ 1082, -1, "2024-02-29", 19782 },
		{ 1082, -1, "1969-12-31", -1 },
		{ 1083, -1, "12:34:56.7", INT64_C(45296700000) },
		{ 1114, -1, "2024-02-29 12:34:56.7", INT64_C(1709210096700000) },
		{ 1184, -1, "2024-02-29 12:34:56.7+05:30", INT64_C(1709190296700000) },
		{ 1184, -1, "2024-02-29 12:34:56-01:00:01", INT64_C(1709213697000000) },
		{ 1184, -1, "0001-12-31 23:30:00-01 BC", INT64_C(-62135595000000000) },
		{ 1700, (10 << 16 | 2) + 4, "-123.4", -12340 },
		{ 1700, (18 << 16 | 18) + 4, "0.5", INT64_C(500000000000000000) },
		{ 16, -1, "t", 1 },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct column column;
		CHECK_EQUAL(append(&column, cases[i].oid, cases[i].modifier, 't',
				    bytes_of_cstring(cases[i].text)),
			PGVALUE_FITS);
		int64_t value = column.width == 4   ? *(const int32_t *)column_fixed(&column, 0)
				: column.width == 1 ? *(const uint8_t *)column_fixed(&column, 0)
						    : *(const int64_t *)column_fixed(&column, 0);
		CHECK_EQUAL(value, cases[i].value);
		column_deinit(&column);
	}
}

TEST(postgresql_types_have_their_types_in_the_lake)
{
	static const struct {
		uint32_t oid;
		int32_t modifier;
		char typtype;
		const char *type; /* NULL: none */
	} cases[] = {
		{ 16, -1, 'b', "boolean" },
		{ 21, -1, 'b', "int" },
		{ 23, -1, 'b', "int" },
		{ 20, -1, 'b', "long" },
		{ 700, -1, 'b', "float" },
		{ 701, -1, 'b', "double" },
		{ 1700, (18 << 16 | 2) + 4, 'b', "decimal(18, 2)" },
		{ 1700, (38 << 16 | 38) + 4, 'b', "decimal(38, 38)" },
		{ 1700, (3 << 16 | (-2 & 0x7FF)) + 4, 'b', "decimal(5, 0)" },
		{ 1700, (3 << 16 | 5) + 4, 'b', "decimal(5, 5)" },
		{ 1700, (39 << 16 | 2) + 4, 'b', NULL },
		{ 1700, (38 << 16 | (-1 & 0x7FF)) + 4, 'b', NULL },
		{ 1700, (3 << 16 | 39) + 4, 'b', NULL },
		{ 1700, (1000 << 16 | 1000) + 4, 'b', NULL },
		{ 1700, -1, 'b', NULL },
		{ 25, -1, 'b', "string" },
		{ 1043, 14, 'b', "string" },
		{ 1042, 9, 'b', "string" },
		{ 114, -1, 'b', "string" },
		{ 3802, -1, 'b', "string" },
		{ 99999, -1, 'e', "string" },
		{ 1082, -1, 'b', "date" },
		{ 1083, -1, 'b', "time" },
		{ 1114, 3, 'b', "timestamp" },
		{ 1184, -1, 'b', "timestamptz" },
		{ 2950, -1, 'b', "uuid" },
		{ 17, -1, 'b', "binary" },
		{ 1186, -1, 'b', NULL },
		{ 1007, -1, 'b', NULL },
		{ 99999, -1, 'b', NULL },
		{ 23, -1, 'd', NULL },
		{ 99999, -1, 'c', NULL },
		{ 3904, -1, 'r', NULL },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		struct column_type type;
		char text[COLUMN_TYPE_TEXT_SIZE];
		const bool is_known =
			pgvalue_type(cases[i].oid, cases[i].modifier, cases[i].typtype, &type);
		CHECK_TEXT(is_known ? column_type_format(type, text) : "none",
			cases[i].type ? cases[i].type : "none");
		CHECK(is_known == (type.type != VALUE_NONE));
	}
}

TEST(malformed_texts_are_refused)
{
	static const struct {
		uint32_t oid;
		const char *texts[24];
	} cases[] = {
		{ 16, { "", "true", "T", "1" } },
		{ 23, { "", "-", "+1", " 1", "1 ", "1.0", "2147483648", "-2147483649", "0x1",
			      "99999999999999999999" } },
		{ 20, { "9223372036854775808", "-9223372036854775809", "18446744073709551616",
			      "10000000000000000000" } },
		{ 700, { "", "nan", "inf", "1e39", "0x1p3", "1,5", "1e", "--1", " 1", "+NaN" } },
		{ 701, { "", "infinity", "1e309", "1.2.3", "e5", "." } },
		{ 1700, { "", "-", ".", "1.", ".5", "1e5", "+1", "nan", "1 ", "--1", "1.2.3" } },
		{ 1082, { "", "2024-02-30", "2023-02-29", "2024-13-01", "2024-00-01", "2024-01-00",
				"24-01-01", "2024-1-01", "2024-01-01 AD", "0000-01-01",
				"2024-01-01x", "01/02/2024", "Infinity" } },
		{ 1083, { "", "24:00:00.000001", "12:60:00", "12:00:60", "25:00:00", "12:00",
				"12:00:00.", "12:00:00.1234567", "12:00:00+00", "1:00:00" } },
		{ 1114, { "", "2024-01-01", "2024-01-01T00:00:00", "2024-01-01 00:00:00+00",
				"2024-01-01 00:00", "2023-02-29 00:00:00" } },
		{ 1184, { "", "2024-01-01 00:00:00", "2024-01-01 00:00:00 UTC",
				"2024-01-01 00:00:00+", "2024-01-01 00:00:00+1",
				"2024-01-01 00:00:00+00:", "2024-01-01 00:00:00Z" } },
		{ 2950, { "", "a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a1",
				"a0eebc999c0b4ef8bb6d6bb9bd380a11",
				"a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a111",
				"g0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11",
				"{a0eebc99-9c0b-4ef8-bb6d-6bb9bd380a11}" } },
		{ 17, { "", "\\", "\\x0", "\\x0g", "x00", "\\X00", "abc" } },
	};
	for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
		for (size_t t = 0; cases[i].texts[t] != NULL; t++) {
			struct column column;
			const enum pgvalue_fault fault = append(&column, cases[i].oid,
				(10 << 16 | 2) + 4, 't', bytes_of_cstring(cases[i].texts[t]));
			if (fault != PGVALUE_MALFORMED)
				test_fail(__FILE__, __LINE__, "\"%s\" gives %d", cases[i].texts[t],
					fault);
			CHECK_EQUAL(column.count, 0);
			column_deinit(&column);
		}
	}
}

TEST(timestamps_of_any_year_are_out_of_range_and_not_malformed)
{
	static const char *const texts[] = { "9999999-12-31 23:59:59+00",
		"9999999-01-01 00:00:00-99:99:99 BC", "10000-01-01 23:59:59+23",
		"0001-01-01 00:00:00+00:00:01" };
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct column column;
		CHECK_EQUAL(append(&column, OID_TIMESTAMPTZ, -1, 't', bytes_of_cstring(texts[i])),
			PGVALUE_OUT_OF_RANGE);
		column_deinit(&column);
	}
}

TEST(bytes_that_are_not_utf8_are_refused_in_texts_but_not_in_binary)
{
	static const uint32_t texts[] = { 25, 1043, 1042, 19, 114, 3802 };
	const struct bytes wire = BYTES_LITERAL("\x01gr\xFCn");
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++) {
		struct column column;
		CHECK_EQUAL(append(&column, texts[i], -1, 'b', wire), PGVALUE_NOT_UTF8);
		CHECK_EQUAL(column.count, 0);
		column_deinit(&column);
		CHECK_EQUAL(append(&column, texts[i], -1, 't', wire), PGVALUE_NOT_UTF8);
		column_deinit(&column);
	}
	struct column column;
	CHECK_EQUAL(append(&column, 17, -1, 'b', wire), PGVALUE_FITS);
	CHECK(bytes_equal(column_bytes(&column, 0), wire));
	column_deinit(&column);
}

static bool any_size_is_good(struct column_type type)
{
	return type.type == VALUE_STRING || type.type == VALUE_BINARY;
}

TEST(a_binary_value_cut_at_any_byte_is_refused)
{
	struct buffer binary = { 0 };
	struct arena arena = { 0 };
	for (size_t i = 0; i < PAIR_COUNT; i++) {
		const struct pgvalue_pair *pair = &PGVALUE_PAIRS[i];
		buffer_reset(&binary);
		append_hex(&binary, pair->binary);
		buffer_append_u8(&binary, 0);
		for (size_t size = 0; size <= binary.size; size++) {
			struct column column;
			const uint8_t *copy = arena_copy(&arena, binary.data, size);
			const enum pgvalue_fault fault = append(&column, pair->type_oid,
				pair->type_modifier, 'b', bytes_of(copy, size));
			const bool is_int2_of_int4 = pair->type_oid == OID_INT4 && size == 2;
			if (!any_size_is_good(column.type) && size != binary.size - 1 &&
				!is_int2_of_int4)
				CHECK_EQUAL(fault, PGVALUE_MALFORMED);
			column_deinit(&column);
		}
		arena_reset(&arena);
	}
	buffer_deinit(&binary);
	arena_deinit(&arena);
}

TEST(a_value_with_a_flipped_bit_is_refused_or_within_its_type)
{
	struct buffer wire = { 0 };
	for (size_t i = 0; i < 2 * PAIR_COUNT; i++) {
		const struct pgvalue_pair *pair = &PGVALUE_PAIRS[i / 2];
		const uint8_t wire_kind = i % 2 ? 'b' : 't';
		buffer_reset(&wire);
		if (wire_kind == 'b')
			append_hex(&wire, pair->binary);
		else
			buffer_append_cstring(&wire, pair->text);
		for (size_t bit = 0; bit < wire.size * 8; bit++) {
			struct column column;
			wire.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
			const enum pgvalue_fault fault = append(&column, pair->type_oid,
				pair->type_modifier, wire_kind, buffer_bytes(&wire));
			CHECK_EQUAL(column.count, fault == PGVALUE_FITS);
			column_deinit(&column);
			wire.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		}
	}
	buffer_deinit(&wire);
}

/* numeric_send() of a decimal text without exponent, by the book: groups of four around the point.
 */
static void encode_numeric(struct buffer *out, const char *text)
{
	const bool is_negative = text[0] == '-';
	text += is_negative;
	char digits[128];
	const size_t whole = strcspn(text, ".");
	const char *fraction = text[whole] ? text + whole + 1 : "";
	const int weight = (int)(whole + 3) / 4 - 1;
	const int count = weight + 1 + (int)(strlen(fraction) + 3) / 4;
	memset(digits, '0', sizeof digits);
	memcpy(digits + (size_t)(weight + 1) * 4 - whole, text, whole);
	memcpy(digits + (size_t)(weight + 1) * 4, fraction, strlen(fraction));
	buffer_append_u16be(out, (uint16_t)count);
	buffer_append_u16be(out, (uint16_t)weight);
	buffer_append_u16be(out, is_negative ? 0x4000 : 0);
	buffer_append_u16be(out, (uint16_t)strlen(fraction));
	for (int i = 0; i < count; i++) {
		const char *at = digits + (size_t)i * 4;
		buffer_append_u16be(out, (uint16_t)((at[0] - '0') * 1000 + (at[1] - '0') * 100 +
						    (at[2] - '0') * 10 + at[3] - '0'));
	}
}

/* Up to 24 digits before the point and 20 behind it, many of them zeros. */
static void random_decimal(uint64_t *state, char text[64])
{
	char *at = text;
	const int whole = 1 + (int)(test_random(state) % 24);
	const int fraction = (int)(test_random(state) % 21);
	const unsigned zeros = (unsigned)(test_random(state) % 4);
	if (test_random(state) % 2)
		*at++ = '-';
	for (int i = 0; i < whole + fraction; i++) {
		if (i == whole)
			*at++ = '.';
		const bool is_zero = test_random(state) % 4 < zeros;
		*at++ = (char)('0' + (is_zero ? 0 : test_random(state) % 10));
	}
	*at = '\0';
}

TEST(random_decimals_are_decoded_alike_from_text_and_binary)
{
	uint64_t state = test_seed();
	struct buffer binary = { 0 };
	size_t fitting = 0;
	for (int i = 0; i < 50000; i++) {
		char text[64];
		random_decimal(&state, text);
		buffer_reset(&binary);
		encode_numeric(&binary, text);
		const int precision = 1 + (int)(test_random(&state) % 38);
		const int scale = (int)(test_random(&state) % (unsigned)(precision + 1));
		const int32_t modifier = (precision << 16 | scale) + 4;
		struct column from_text, from_binary;
		const enum pgvalue_fault text_fault =
			append(&from_text, OID_NUMERIC, modifier, 't', bytes_of_cstring(text));
		const enum pgvalue_fault binary_fault =
			append(&from_binary, OID_NUMERIC, modifier, 'b', buffer_bytes(&binary));
		if (text_fault != binary_fault || !columns_are_equal(&from_text, &from_binary))
			test_fail(__FILE__, __LINE__, "%s as decimal(%d, %d): %d and %d", text,
				precision, scale, text_fault, binary_fault);
		fitting += text_fault == PGVALUE_FITS;
		column_deinit(&from_text);
		column_deinit(&from_binary);
	}
	CHECK(fitting > 5000);
	buffer_deinit(&binary);
}

TEST(all_nans_are_one_value)
{
	static const char *const nans[] = { "7ff8000000000000", "fff8000000000000",
		"7ff8000000000001" };
	struct buffer binary = { 0 };
	for (size_t i = 0; i < sizeof nans / sizeof nans[0]; i++) {
		struct column column;
		buffer_reset(&binary);
		append_hex(&binary, nans[i]);
		CHECK_EQUAL(append(&column, 701, -1, 'b', buffer_bytes(&binary)), PGVALUE_FITS);
		CHECK_EQUAL(*(const int64_t *)column_fixed(&column, 0), 0x7ff8000000000000);
		column_deinit(&column);
	}
	buffer_deinit(&binary);
}

TEST(a_fault_is_told_with_the_column_and_a_hint)
{
	struct relation_column columns[] = { { .name = "price",
		.type = { VALUE_DECIMAL, 10, 2 } } };
	const struct relation relation = {
		.namespace_name = "public", .name = "item", .column_count = 1, .columns = columns
	};
	struct error err = { 0 };
	CHECK(!pgvalue_set_error(&err, PGVALUE_NAN, &relation, 0));
	CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
	CHECK_TEXT(err.text, "a value of column \"price\" of \"public\".\"item\" cannot be kept as "
			     "decimal(10, 2): it is NaN");
	CHECK(strlen(err.hint) > 0);
	for (int fault = PGVALUE_MALFORMED; fault <= PGVALUE_TOO_LONG; fault++)
		CHECK(!pgvalue_set_error(&err, (enum pgvalue_fault)fault, &relation, 0));
}
