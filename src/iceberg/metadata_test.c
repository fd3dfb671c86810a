#include "iceberg/metadata.h"

#include "base/test.h"
#include "base/world.h"
#include "format/deflate.h"

static void read_corpus(const char *name, struct buffer *out)
{
	char path[512];
	struct error err = { 0 };
	snprintf(path, sizeof path, WALBERG_CORPUS "/metadata/%s", name);
	buffer_reset(out);
	CHECK_OK(world_read_file(world_posix(), path, 1 << 24, out, &err), &err);
}

/* What a reader takes as missing anyway. */
static bool means_nothing(const char *key, json_t *value)
{
	return strcmp(key, "current-snapshot-id") == 0 && json_integer_value(value) == -1;
}

/* Every member of whole is in part's place of it; members that are added do not matter. */
static bool contains(json_t *whole, json_t *part)
{
	if (json_is_object(part)) {
		const char *key;
		json_t *value;
		json_object_foreach(part, key, value)
		{
			if (!means_nothing(key, value) &&
				!contains(json_object_get(whole, key), value))
				return false;
		}
		return json_is_object(whole);
	}
	if (!json_is_array(part))
		return json_equal(whole, part);
	if (json_array_size(whole) != json_array_size(part))
		return false;
	for (size_t i = 0; i < json_array_size(part); i++)
		if (!contains(json_array_get(whole, i), json_array_get(part, i)))
			return false;
	return true;
}

static json_t *parse(struct bytes text)
{
	struct error err = { 0 };
	json_t *json = NULL;
	CHECK_OK(json_parse(text, SIZE_MAX, &json, &err), &err);
	return json;
}

static void check_round_trip(const char *name)
{
	struct buffer file = { 0 }, again = { 0 }, twice = { 0 };
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct metadata *metadata;
	read_corpus(name, &file);
	CHECK_OK(metadata_decode(
			 buffer_bytes(&file), &METADATA_LIMITS_DEFAULT, &arena, &metadata, &err),
		&err);
	metadata_encode(metadata, &again);
	json_t *before = parse(buffer_bytes(&file)), *after = parse(buffer_bytes(&again));
	CHECK(contains(after, before));
	json_decref(before);
	json_decref(after);

	CHECK_OK(metadata_decode(
			 buffer_bytes(&again), &METADATA_LIMITS_DEFAULT, &arena, &metadata, &err),
		&err);
	struct arena other = { 0 };
	metadata = metadata_copy(metadata, &other);
	arena_deinit(&arena); /* the copy stands alone */
	metadata_encode(metadata, &twice);
	CHECK(bytes_equal(buffer_bytes(&again), buffer_bytes(&twice)));
	arena_deinit(&other);
	buffer_deinit(&file);
	buffer_deinit(&again);
	buffer_deinit(&twice);
}

TEST(valid_table_metadata_of_other_writers_survive_a_round_trip)
{
	check_round_trip("TableMetadataV1Valid.json");
	check_round_trip("TableMetadataV2Valid.json");
	check_round_trip("TableMetadataV2ValidMinimal.json");
	check_round_trip("TableMetadataV3ValidMinimal.json");
	check_round_trip("TableMetadataStatisticsFiles.json");
	check_round_trip("TableMetadataPartitionStatisticsFiles.json");
	check_round_trip("TrinoV3DeletionVectors.json");
	check_round_trip("PyIcebergOnWalberg.json");
}

static enum error_kind decode_kind(struct bytes bytes, const char *expected_text)
{
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct metadata *metadata;
	if (metadata_decode(bytes, &METADATA_LIMITS_DEFAULT, &arena, &metadata, &err))
		err.kind = ERROR_NONE;
	else if (strstr(err.text, expected_text) == NULL)
		test_fail(__FILE__, __LINE__, "\"%s\" lacks \"%s\"", err.text, expected_text);
	arena_deinit(&arena);
	return err.kind;
}

TEST(table_metadata_that_the_specification_forbids_are_refused)
{
	static const struct {
		const char *name, *text;
		enum error_kind kind;
	} CASES[] = {
		{ "TableMetadataUnsupportedVersion.json", "version", ERROR_UNSUPPORTED },
		{ "TableMetadataV1MissingSchemaType.json", "\"type\"", ERROR_CORRUPT },
		{ "TableMetadataV2CurrentSchemaNotFound.json", "current schema", ERROR_CORRUPT },
		{ "TableMetadataV2MissingLastPartitionId.json", "last-partition-id",
			ERROR_CORRUPT },
		{ "TableMetadataV2MissingPartitionSpecs.json", "partition-specs", ERROR_CORRUPT },
		{ "TableMetadataV2MissingSchemas.json", "schemas", ERROR_CORRUPT },
		{ "TableMetadataV2MissingSortOrder.json", "sort-orders", ERROR_CORRUPT },
	};
	struct buffer file = { 0 };
	for (size_t i = 0; i < sizeof CASES / sizeof *CASES; i++) {
		read_corpus(CASES[i].name, &file);
		CHECK_EQUAL(decode_kind(buffer_bytes(&file), CASES[i].text), CASES[i].kind);
	}
	buffer_deinit(&file);
}

TEST(table_metadata_cut_anywhere_are_corrupt)
{
	struct buffer file = { 0 };
	read_corpus("TableMetadataV2Valid.json", &file);
	while (file.data[file.size - 1] != '}')
		file.size--;
	for (size_t size = 0; size < file.size; size++)
		CHECK_EQUAL(decode_kind(bytes_of(file.data, size), ""), ERROR_CORRUPT);
	buffer_deinit(&file);
}

TEST(table_metadata_with_a_flipped_bit_never_break_the_reader)
{
	struct buffer file = { 0 }, again = { 0 };
	struct arena arena = { 0 };
	struct error err;
	struct metadata *metadata;
	read_corpus("TableMetadataV2Valid.json", &file);
	for (size_t bit = 0; bit < file.size * 8; bit += 5) {
		file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		if (metadata_decode(buffer_bytes(&file), &METADATA_LIMITS_DEFAULT, &arena,
			    &metadata, &err)) {
			buffer_reset(&again);
			metadata_encode(metadata, &again);
		}
		file.data[bit / 8] ^= (uint8_t)(1 << bit % 8);
		arena_reset(&arena);
	}
	arena_deinit(&arena);
	buffer_deinit(&file);
	buffer_deinit(&again);
}

TEST(table_metadata_are_read_compressed_and_within_limits)
{
	struct buffer file = { 0 }, packed = { 0 };
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct metadata *metadata;
	read_corpus("TableMetadataV2Valid.json", &file);
	deflate_encode(DEFLATE_GZIP, buffer_bytes(&file), &packed);
	CHECK_OK(metadata_decode(
			 buffer_bytes(&packed), &METADATA_LIMITS_DEFAULT, &arena, &metadata, &err),
		&err);
	CHECK_EQUAL(metadata->snapshot_count, 2);
	struct metadata_limits limits = { .size_max = file.size - 1, .snapshot_count_max = 2 };
	CHECK(!metadata_decode(buffer_bytes(&packed), &limits, &arena, &metadata, &err));
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	CHECK(!metadata_decode(buffer_bytes(&file), &limits, &arena, &metadata, &err));
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	limits = (struct metadata_limits){ .size_max = file.size, .snapshot_count_max = 1 };
	CHECK(!metadata_decode(buffer_bytes(&file), &limits, &arena, &metadata, &err));
	CHECK_EQUAL(err.kind, ERROR_LIMIT);
	arena_deinit(&arena);
	buffer_deinit(&file);
	buffer_deinit(&packed);
}

TEST(decoded_table_metadata_have_the_values_of_the_file)
{
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct metadata *metadata;
	read_corpus("TrinoV3DeletionVectors.json", &file);
	CHECK_OK(metadata_decode(
			 buffer_bytes(&file), &METADATA_LIMITS_DEFAULT, &arena, &metadata, &err),
		&err);
	CHECK_EQUAL(metadata->format_version, 3);
	CHECK_EQUAL(metadata->next_row_id, 16);
	CHECK_EQUAL(metadata->current_snapshot->snapshot_id, 7777310120628922486);
	CHECK_EQUAL(metadata_parent(metadata, metadata->current_snapshot)->snapshot_id,
		7026943662205930455);
	CHECK_TEXT(snapshot_summary(metadata->current_snapshot, SUMMARY_OPERATION), "delete");
	CHECK_EQUAL(snapshot_summary_count(metadata->current_snapshot, "total-records"), 16);
	CHECK_EQUAL(snapshot_summary_count(metadata->current_snapshot, "engine-name"), 0);
	CHECK_TEXT(metadata_property(metadata, "write.format.default"), "PARQUET");
	CHECK(metadata_walberg_snapshot(metadata) == NULL);
	CHECK_EQUAL(metadata->current_schema->field_count, 2);
	CHECK_EQUAL(metadata->current_schema->fields[1].type.type, VALUE_INT);
	CHECK_OK(metadata_check_writable(metadata, &err), &err);

	read_corpus("TableMetadataV2Valid.json", &file);
	CHECK_OK(metadata_decode(
			 buffer_bytes(&file), &METADATA_LIMITS_DEFAULT, &arena, &metadata, &err),
		&err);
	CHECK(!metadata_check_writable(metadata, &err)); /* partitioned */
	CHECK_EQUAL(err.kind, ERROR_UNSUPPORTED);
	CHECK_EQUAL(metadata_find_ref(metadata, REF_MAIN)->snapshot_id, 3055729675574597004);
	arena_deinit(&arena);
	buffer_deinit(&file);
}

TEST(the_position_is_found_below_rows_and_properties_of_pyiceberg)
{
	struct buffer file = { 0 };
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct metadata *metadata;
	lsn_t position = 0;
	read_corpus("PyIcebergOnWalberg.json", &file);
	CHECK_OK(metadata_decode(
			 buffer_bytes(&file), &METADATA_LIMITS_DEFAULT, &arena, &metadata, &err),
		&err);
	const struct snapshot *snapshot = metadata_walberg_snapshot(metadata);
	CHECK(snapshot != NULL && snapshot != metadata->current_snapshot);
	CHECK(snapshot_position(snapshot, &position));
	CHECK_EQUAL(position, 0x16B3748);
	CHECK_TEXT(snapshot_summary(snapshot, SUMMARY_LAKE), "abc");
	arena_deinit(&arena);
	buffer_deinit(&file);
}
