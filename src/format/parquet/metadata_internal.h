/*
 * metadata_internal.h: the records of parquet-format's "parquet.thrift" that are used here.
 *
 * Field numbers stand in the tables of metadata.c; presence is asked by THRIFT_HAS with the
 * METADATA_ ids below where it matters.
 */
#ifndef FORMAT_PARQUET_METADATA_INTERNAL_H
#define FORMAT_PARQUET_METADATA_INTERNAL_H

#include "format/parquet/thrift_internal.h"

#define PARQUET_MAGIC "PAR1"

enum {
	PARQUET_MAGIC_SIZE = 4,
	PARQUET_TAIL_SIZE = 8, /* u32le size of the footer | magic */
};

enum physical_type {
	PHYSICAL_BOOLEAN = 0,
	PHYSICAL_INT32 = 1,
	PHYSICAL_INT64 = 2,
	PHYSICAL_INT96 = 3,
	PHYSICAL_FLOAT = 4,
	PHYSICAL_DOUBLE = 5,
	PHYSICAL_BYTE_ARRAY = 6,
	PHYSICAL_FIXED = 7,
};

enum converted_type {
	CONVERTED_UTF8 = 0,
	CONVERTED_ENUM = 4,
	CONVERTED_DECIMAL = 5,
	CONVERTED_DATE = 6,
	CONVERTED_TIME_MICROS = 8,
	CONVERTED_TIMESTAMP_MICROS = 10,
	CONVERTED_INT_32 = 17,
	CONVERTED_INT_64 = 18,
	CONVERTED_JSON = 19,
};

enum repetition {
	REPETITION_REQUIRED = 0,
	REPETITION_OPTIONAL = 1,
	REPETITION_REPEATED = 2,
};

enum encoding {
	ENCODING_PLAIN = 0,
	ENCODING_PLAIN_DICTIONARY = 2,
	ENCODING_RLE = 3,
	ENCODING_DELTA_BINARY_PACKED = 5,
	ENCODING_RLE_DICTIONARY = 8,
};

enum codec {
	CODEC_NONE = 0,
	CODEC_GZIP = 2,
	CODEC_ZSTD = 6,
};

enum page_type {
	PAGE_DATA = 0,
	PAGE_INDEX = 1,
	PAGE_DICTIONARY = 2,
	PAGE_DATA_V2 = 3,
};

struct empty_record {
	thrift_mask_t present;
};

struct decimal_type {
	thrift_mask_t present;
	int32_t scale, precision;
};

/* A union: exactly one member is present. */
struct time_unit {
	thrift_mask_t present;
	struct empty_record millis, micros, nanos;
};

struct time_type {
	thrift_mask_t present;
	bool is_adjusted_to_utc;
	struct time_unit unit;
};

struct int_type {
	thrift_mask_t present;
	int8_t bit_width;
	bool is_signed;
};

/* A union; the ids are those of parquet.thrift. */
enum {
	LOGICAL_STRING = 1,
	LOGICAL_ENUM = 4,
	LOGICAL_DECIMAL = 5,
	LOGICAL_DATE = 6,
	LOGICAL_TIME = 7,
	LOGICAL_TIMESTAMP = 8,
	LOGICAL_INTEGER = 10,
	LOGICAL_JSON = 12,
	LOGICAL_UUID = 14,

	TIME_UNIT_MICROS = 2,
};

struct logical_type {
	thrift_mask_t present;
	struct empty_record string, enumeration, date, json, uuid;
	struct decimal_type decimal;
	struct time_type time, timestamp;
	struct int_type integer;
};

enum {
	SCHEMA_TYPE = 1,
	SCHEMA_TYPE_LENGTH = 2,
	SCHEMA_REPETITION = 3,
	SCHEMA_NAME = 4,
	SCHEMA_CHILD_COUNT = 5,
	SCHEMA_CONVERTED_TYPE = 6,
	SCHEMA_SCALE = 7,
	SCHEMA_PRECISION = 8,
	SCHEMA_FIELD_ID = 9,
	SCHEMA_LOGICAL_TYPE = 10,
};

struct schema_element {
	thrift_mask_t present;
	int32_t type, type_length, repetition, child_count, converted_type, scale, precision;
	int32_t field_id;
	struct bytes name;
	struct logical_type logical_type;
};

enum {
	STATISTICS_NULL_COUNT = 3,
	STATISTICS_MAX_VALUE = 5,
	STATISTICS_MIN_VALUE = 6,
	STATISTICS_MAX_IS_EXACT = 7,
	STATISTICS_MIN_IS_EXACT = 8,
};

struct statistics {
	thrift_mask_t present;
	int64_t null_count;
	struct bytes max_value, min_value;
	bool max_is_exact, min_is_exact;
};

struct page_encoding_stats {
	thrift_mask_t present;
	int32_t page_type, encoding, count;
};

enum {
	COLUMN_TYPE = 1,
	COLUMN_ENCODINGS = 2,
	COLUMN_PATH = 3,
	COLUMN_CODEC = 4,
	COLUMN_VALUE_COUNT = 5,
	COLUMN_UNCOMPRESSED_SIZE = 6,
	COLUMN_COMPRESSED_SIZE = 7,
	COLUMN_DATA_PAGE_OFFSET = 9,
	COLUMN_DICTIONARY_PAGE_OFFSET = 11,
	COLUMN_STATISTICS = 12,
	COLUMN_ENCODING_STATS = 13,
	COLUMN_BLOOM_FILTER_OFFSET = 14,
	COLUMN_BLOOM_FILTER_LENGTH = 15,
};

struct column_metadata {
	thrift_mask_t present;
	int32_t type, codec;
	struct thrift_list encodings; /* int32_t */
	struct thrift_list path;      /* struct bytes */
	int64_t value_count, uncompressed_size, compressed_size;
	int64_t data_page_offset, dictionary_page_offset;
	struct statistics statistics;
	struct thrift_list encoding_stats; /* struct page_encoding_stats */
	int64_t bloom_filter_offset;
	int32_t bloom_filter_length;
};

enum {
	CHUNK_FILE_PATH = 1,
	CHUNK_FILE_OFFSET = 2,
	CHUNK_METADATA = 3,
	CHUNK_OFFSET_INDEX_OFFSET = 4,
	CHUNK_OFFSET_INDEX_LENGTH = 5,
	CHUNK_COLUMN_INDEX_OFFSET = 6,
	CHUNK_COLUMN_INDEX_LENGTH = 7,
};

struct column_chunk {
	thrift_mask_t present;
	struct bytes file_path;
	int64_t file_offset;
	struct column_metadata metadata;
	int64_t offset_index_offset, column_index_offset;
	int32_t offset_index_length, column_index_length;
};

struct row_group {
	thrift_mask_t present;
	struct thrift_list columns; /* struct column_chunk */
	int64_t uncompressed_size, row_count, file_offset, compressed_size;
	int16_t ordinal;
};

struct key_value {
	thrift_mask_t present;
	struct bytes key, value;
};

/* A union with one member. */
struct column_order {
	thrift_mask_t present;
	struct empty_record type_order;
};

struct file_metadata {
	thrift_mask_t present;
	int32_t version;
	struct thrift_list schema; /* struct schema_element: the root, then depth first */
	int64_t row_count;
	struct thrift_list row_groups; /* struct row_group */
	struct thrift_list key_values; /* struct key_value */
	struct bytes created_by;
	struct thrift_list column_orders; /* struct column_order, one a leaf */
};

struct data_page_header {
	thrift_mask_t present;
	int32_t value_count, encoding, definition_encoding, repetition_encoding;
};

struct dictionary_page_header {
	thrift_mask_t present;
	int32_t value_count, encoding;
};

enum {
	DATA_V2_IS_COMPRESSED = 7,
};

struct data_page_header_v2 {
	thrift_mask_t present;
	int32_t value_count, null_count, row_count, encoding;
	int32_t definition_size, repetition_size; /* bytes */
	bool is_compressed;                       /* true when absent */
};

enum {
	PAGE_HEADER_CRC = 4,
	PAGE_HEADER_DATA = 5,
	PAGE_HEADER_DICTIONARY = 7,
	PAGE_HEADER_DATA_V2 = 8,
};

struct page_header {
	thrift_mask_t present;
	int32_t type, uncompressed_size, compressed_size, crc;
	struct data_page_header data;
	struct dictionary_page_header dictionary;
	struct data_page_header_v2 data_v2;
};

extern const struct thrift_record FILE_METADATA_RECORD;
extern const struct thrift_record PAGE_HEADER_RECORD;

#endif
