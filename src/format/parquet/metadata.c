#include "format/parquet/metadata_internal.h"

#define SCALAR(record_type, field_id, field_kind, member)                                          \
	{                                                                                          \
		field_id, THRIFT_##field_kind, offsetof(struct record_type, member), NULL          \
	}
#define NESTED(record_type, field_id, field_kind, member, nested)                                  \
	{                                                                                          \
		field_id, THRIFT_##field_kind, offsetof(struct record_type, member), &(nested)     \
	}
#define RECORD(record_type, spelling, min_size, required_fields, table)                            \
	{                                                                                          \
		spelling, sizeof(struct record_type), min_size, required_fields,                   \
			sizeof(table) / sizeof *(table), table                                     \
	}

static const struct thrift_record EMPTY_RECORD = { "type", sizeof(struct empty_record), 1, 0, 0,
	NULL };

static const struct thrift_field DECIMAL_TYPE_FIELDS[] = {
	SCALAR(decimal_type, 1, I32, scale),
	SCALAR(decimal_type, 2, I32, precision),
};
static const struct thrift_record DECIMAL_TYPE_RECORD =
	RECORD(decimal_type, "DecimalType", 5, THRIFT_BIT(1) | THRIFT_BIT(2), DECIMAL_TYPE_FIELDS);

static const struct thrift_field TIME_UNIT_FIELDS[] = {
	NESTED(time_unit, 1, RECORD, millis, EMPTY_RECORD),
	NESTED(time_unit, 2, RECORD, micros, EMPTY_RECORD),
	NESTED(time_unit, 3, RECORD, nanos, EMPTY_RECORD),
};
static const struct thrift_record TIME_UNIT_RECORD =
	RECORD(time_unit, "TimeUnit", 1, 0, TIME_UNIT_FIELDS);

static const struct thrift_field TIME_TYPE_FIELDS[] = {
	SCALAR(time_type, 1, BOOL, is_adjusted_to_utc),
	NESTED(time_type, 2, RECORD, unit, TIME_UNIT_RECORD),
};
static const struct thrift_record TIME_TYPE_RECORD =
	RECORD(time_type, "TimeType", 3, THRIFT_BIT(1) | THRIFT_BIT(2), TIME_TYPE_FIELDS);

static const struct thrift_field INT_TYPE_FIELDS[] = {
	SCALAR(int_type, 1, I8, bit_width),
	SCALAR(int_type, 2, BOOL, is_signed),
};
static const struct thrift_record INT_TYPE_RECORD =
	RECORD(int_type, "IntType", 4, THRIFT_BIT(1) | THRIFT_BIT(2), INT_TYPE_FIELDS);

static const struct thrift_field LOGICAL_TYPE_FIELDS[] = {
	NESTED(logical_type, LOGICAL_STRING, RECORD, string, EMPTY_RECORD),
	NESTED(logical_type, LOGICAL_ENUM, RECORD, enumeration, EMPTY_RECORD),
	NESTED(logical_type, LOGICAL_DECIMAL, RECORD, decimal, DECIMAL_TYPE_RECORD),
	NESTED(logical_type, LOGICAL_DATE, RECORD, date, EMPTY_RECORD),
	NESTED(logical_type, LOGICAL_TIME, RECORD, time, TIME_TYPE_RECORD),
	NESTED(logical_type, LOGICAL_TIMESTAMP, RECORD, timestamp, TIME_TYPE_RECORD),
	NESTED(logical_type, LOGICAL_INTEGER, RECORD, integer, INT_TYPE_RECORD),
	NESTED(logical_type, LOGICAL_JSON, RECORD, json, EMPTY_RECORD),
	NESTED(logical_type, LOGICAL_UUID, RECORD, uuid, EMPTY_RECORD),
};
static const struct thrift_record LOGICAL_TYPE_RECORD =
	RECORD(logical_type, "LogicalType", 1, 0, LOGICAL_TYPE_FIELDS);

static const struct thrift_field SCHEMA_ELEMENT_FIELDS[] = {
	SCALAR(schema_element, SCHEMA_TYPE, I32, type),
	SCALAR(schema_element, SCHEMA_TYPE_LENGTH, I32, type_length),
	SCALAR(schema_element, SCHEMA_REPETITION, I32, repetition),
	SCALAR(schema_element, SCHEMA_NAME, BINARY, name),
	SCALAR(schema_element, SCHEMA_CHILD_COUNT, I32, child_count),
	SCALAR(schema_element, SCHEMA_CONVERTED_TYPE, I32, converted_type),
	SCALAR(schema_element, SCHEMA_SCALE, I32, scale),
	SCALAR(schema_element, SCHEMA_PRECISION, I32, precision),
	SCALAR(schema_element, SCHEMA_FIELD_ID, I32, field_id),
	NESTED(schema_element, SCHEMA_LOGICAL_TYPE, RECORD, logical_type, LOGICAL_TYPE_RECORD),
};
static const struct thrift_record SCHEMA_ELEMENT_RECORD =
	RECORD(schema_element, "SchemaElement", 3, THRIFT_BIT(SCHEMA_NAME), SCHEMA_ELEMENT_FIELDS);

static const struct thrift_field STATISTICS_FIELDS[] = {
	SCALAR(statistics, STATISTICS_NULL_COUNT, I64, null_count),
	SCALAR(statistics, STATISTICS_MAX_VALUE, BINARY, max_value),
	SCALAR(statistics, STATISTICS_MIN_VALUE, BINARY, min_value),
	SCALAR(statistics, STATISTICS_MAX_IS_EXACT, BOOL, max_is_exact),
	SCALAR(statistics, STATISTICS_MIN_IS_EXACT, BOOL, min_is_exact),
};
static const struct thrift_record STATISTICS_RECORD =
	RECORD(statistics, "Statistics", 1, 0, STATISTICS_FIELDS);

static const struct thrift_field PAGE_ENCODING_STATS_FIELDS[] = {
	SCALAR(page_encoding_stats, 1, I32, page_type),
	SCALAR(page_encoding_stats, 2, I32, encoding),
	SCALAR(page_encoding_stats, 3, I32, count),
};
static const struct thrift_record PAGE_ENCODING_STATS_RECORD =
	RECORD(page_encoding_stats, "PageEncodingStats", 7,
		THRIFT_BIT(1) | THRIFT_BIT(2) | THRIFT_BIT(3), PAGE_ENCODING_STATS_FIELDS);

static const struct thrift_field COLUMN_METADATA_FIELDS[] = {
	SCALAR(column_metadata, COLUMN_TYPE, I32, type),
	SCALAR(column_metadata, COLUMN_ENCODINGS, LIST_I32, encodings),
	SCALAR(column_metadata, COLUMN_PATH, LIST_BINARY, path),
	SCALAR(column_metadata, COLUMN_CODEC, I32, codec),
	SCALAR(column_metadata, COLUMN_VALUE_COUNT, I64, value_count),
	SCALAR(column_metadata, COLUMN_UNCOMPRESSED_SIZE, I64, uncompressed_size),
	SCALAR(column_metadata, COLUMN_COMPRESSED_SIZE, I64, compressed_size),
	SCALAR(column_metadata, COLUMN_DATA_PAGE_OFFSET, I64, data_page_offset),
	SCALAR(column_metadata, COLUMN_DICTIONARY_PAGE_OFFSET, I64, dictionary_page_offset),
	NESTED(column_metadata, COLUMN_STATISTICS, RECORD, statistics, STATISTICS_RECORD),
	NESTED(column_metadata, COLUMN_ENCODING_STATS, LIST_RECORDS, encoding_stats,
		PAGE_ENCODING_STATS_RECORD),
	SCALAR(column_metadata, COLUMN_BLOOM_FILTER_OFFSET, I64, bloom_filter_offset),
	SCALAR(column_metadata, COLUMN_BLOOM_FILTER_LENGTH, I32, bloom_filter_length),
};
static const struct thrift_record COLUMN_METADATA_RECORD =
	RECORD(column_metadata, "ColumnMetaData", 15,
		THRIFT_BIT(COLUMN_TYPE) | THRIFT_BIT(COLUMN_CODEC) |
			THRIFT_BIT(COLUMN_VALUE_COUNT) | THRIFT_BIT(COLUMN_UNCOMPRESSED_SIZE) |
			THRIFT_BIT(COLUMN_COMPRESSED_SIZE) | THRIFT_BIT(COLUMN_DATA_PAGE_OFFSET),
		COLUMN_METADATA_FIELDS);

static const struct thrift_field COLUMN_CHUNK_FIELDS[] = {
	SCALAR(column_chunk, CHUNK_FILE_PATH, BINARY, file_path),
	SCALAR(column_chunk, CHUNK_FILE_OFFSET, I64, file_offset),
	NESTED(column_chunk, CHUNK_METADATA, RECORD, metadata, COLUMN_METADATA_RECORD),
	SCALAR(column_chunk, CHUNK_OFFSET_INDEX_OFFSET, I64, offset_index_offset),
	SCALAR(column_chunk, CHUNK_OFFSET_INDEX_LENGTH, I32, offset_index_length),
	SCALAR(column_chunk, CHUNK_COLUMN_INDEX_OFFSET, I64, column_index_offset),
	SCALAR(column_chunk, CHUNK_COLUMN_INDEX_LENGTH, I32, column_index_length),
};
static const struct thrift_record COLUMN_CHUNK_RECORD =
	RECORD(column_chunk, "ColumnChunk", 17, THRIFT_BIT(CHUNK_METADATA), COLUMN_CHUNK_FIELDS);

static const struct thrift_field ROW_GROUP_FIELDS[] = {
	NESTED(row_group, 1, LIST_RECORDS, columns, COLUMN_CHUNK_RECORD),
	SCALAR(row_group, 2, I64, uncompressed_size),
	SCALAR(row_group, 3, I64, row_count),
	SCALAR(row_group, 5, I64, file_offset),
	SCALAR(row_group, 6, I64, compressed_size),
	SCALAR(row_group, 7, I16, ordinal),
};
static const struct thrift_record ROW_GROUP_RECORD =
	RECORD(row_group, "RowGroup", 7, THRIFT_BIT(1) | THRIFT_BIT(3), ROW_GROUP_FIELDS);

static const struct thrift_field KEY_VALUE_FIELDS[] = {
	SCALAR(key_value, 1, BINARY, key),
	SCALAR(key_value, 2, BINARY, value),
};
static const struct thrift_record KEY_VALUE_RECORD =
	RECORD(key_value, "KeyValue", 3, THRIFT_BIT(1), KEY_VALUE_FIELDS);

static const struct thrift_field COLUMN_ORDER_FIELDS[] = {
	NESTED(column_order, 1, RECORD, type_order, EMPTY_RECORD),
};
static const struct thrift_record COLUMN_ORDER_RECORD =
	RECORD(column_order, "ColumnOrder", 1, 0, COLUMN_ORDER_FIELDS);

static const struct thrift_field FILE_METADATA_FIELDS[] = {
	SCALAR(file_metadata, 1, I32, version),
	NESTED(file_metadata, 2, LIST_RECORDS, schema, SCHEMA_ELEMENT_RECORD),
	SCALAR(file_metadata, 3, I64, row_count),
	NESTED(file_metadata, 4, LIST_RECORDS, row_groups, ROW_GROUP_RECORD),
	NESTED(file_metadata, 5, LIST_RECORDS, key_values, KEY_VALUE_RECORD),
	SCALAR(file_metadata, 6, BINARY, created_by),
	NESTED(file_metadata, 7, LIST_RECORDS, column_orders, COLUMN_ORDER_RECORD),
};
const struct thrift_record FILE_METADATA_RECORD = RECORD(file_metadata, "FileMetaData", 8,
	THRIFT_BIT(2) | THRIFT_BIT(3) | THRIFT_BIT(4), FILE_METADATA_FIELDS);

static const struct thrift_field DATA_PAGE_FIELDS[] = {
	SCALAR(data_page_header, 1, I32, value_count),
	SCALAR(data_page_header, 2, I32, encoding),
	SCALAR(data_page_header, 3, I32, definition_encoding),
	SCALAR(data_page_header, 4, I32, repetition_encoding),
};
static const struct thrift_record DATA_PAGE_RECORD = RECORD(data_page_header, "DataPageHeader", 9,
	THRIFT_BIT(1) | THRIFT_BIT(2) | THRIFT_BIT(3) | THRIFT_BIT(4), DATA_PAGE_FIELDS);

static const struct thrift_field DICTIONARY_PAGE_FIELDS[] = {
	SCALAR(dictionary_page_header, 1, I32, value_count),
	SCALAR(dictionary_page_header, 2, I32, encoding),
};
static const struct thrift_record DICTIONARY_PAGE_RECORD = RECORD(dictionary_page_header,
	"DictionaryPageHeader", 5, THRIFT_BIT(1) | THRIFT_BIT(2), DICTIONARY_PAGE_FIELDS);

static const struct thrift_field DATA_PAGE_V2_FIELDS[] = {
	SCALAR(data_page_header_v2, 1, I32, value_count),
	SCALAR(data_page_header_v2, 2, I32, null_count),
	SCALAR(data_page_header_v2, 3, I32, row_count),
	SCALAR(data_page_header_v2, 4, I32, encoding),
	SCALAR(data_page_header_v2, 5, I32, definition_size),
	SCALAR(data_page_header_v2, 6, I32, repetition_size),
	SCALAR(data_page_header_v2, DATA_V2_IS_COMPRESSED, BOOL, is_compressed),
};
static const struct thrift_record DATA_PAGE_V2_RECORD =
	RECORD(data_page_header_v2, "DataPageHeaderV2", 13,
		THRIFT_BIT(1) | THRIFT_BIT(2) | THRIFT_BIT(3) | THRIFT_BIT(4) | THRIFT_BIT(5) |
			THRIFT_BIT(6),
		DATA_PAGE_V2_FIELDS);

static const struct thrift_field PAGE_HEADER_FIELDS[] = {
	SCALAR(page_header, 1, I32, type),
	SCALAR(page_header, 2, I32, uncompressed_size),
	SCALAR(page_header, 3, I32, compressed_size),
	SCALAR(page_header, PAGE_HEADER_CRC, I32, crc),
	NESTED(page_header, PAGE_HEADER_DATA, RECORD, data, DATA_PAGE_RECORD),
	NESTED(page_header, PAGE_HEADER_DICTIONARY, RECORD, dictionary, DICTIONARY_PAGE_RECORD),
	NESTED(page_header, PAGE_HEADER_DATA_V2, RECORD, data_v2, DATA_PAGE_V2_RECORD),
};
const struct thrift_record PAGE_HEADER_RECORD = RECORD(page_header, "PageHeader", 7,
	THRIFT_BIT(1) | THRIFT_BIT(2) | THRIFT_BIT(3), PAGE_HEADER_FIELDS);
