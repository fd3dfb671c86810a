/*
 * duckdb.h: the part of DuckDB's C API that walberg uses, declared here.
 *
 * The library comes without a header, so these declarations hold for version 1.5.5 only;
 * session_open() refuses any other.  Names, numbers and layouts are DuckDB's
 * (DuckDB manual, "C API").
 */
#ifndef DUCK_DUCKDB_H
#define DUCK_DUCKDB_H

#include <stdbool.h>
#include <stdint.h>

#define DUCKDB_VERSION_EXPECTED "v1.5.5"

enum duckdb_state {
	DUCKDB_SUCCESS = 0,
	DUCKDB_FAILURE = 1,
};

enum duckdb_type {
	DUCKDB_TYPE_INVALID = 0,
	DUCKDB_TYPE_BOOLEAN = 1,
	DUCKDB_TYPE_TINYINT = 2,
	DUCKDB_TYPE_SMALLINT = 3,
	DUCKDB_TYPE_INTEGER = 4,
	DUCKDB_TYPE_BIGINT = 5,
	DUCKDB_TYPE_UTINYINT = 6,
	DUCKDB_TYPE_USMALLINT = 7,
	DUCKDB_TYPE_UINTEGER = 8,
	DUCKDB_TYPE_UBIGINT = 9,
	DUCKDB_TYPE_FLOAT = 10,
	DUCKDB_TYPE_DOUBLE = 11,
	DUCKDB_TYPE_TIMESTAMP = 12,
	DUCKDB_TYPE_DATE = 13,
	DUCKDB_TYPE_TIME = 14,
	DUCKDB_TYPE_INTERVAL = 15,
	DUCKDB_TYPE_HUGEINT = 16,
	DUCKDB_TYPE_VARCHAR = 17,
	DUCKDB_TYPE_BLOB = 18,
	DUCKDB_TYPE_DECIMAL = 19,
	DUCKDB_TYPE_TIMESTAMP_S = 20,
	DUCKDB_TYPE_TIMESTAMP_MS = 21,
	DUCKDB_TYPE_TIMESTAMP_NS = 22,
	DUCKDB_TYPE_ENUM = 23,
	DUCKDB_TYPE_LIST = 24,
	DUCKDB_TYPE_STRUCT = 25,
	DUCKDB_TYPE_MAP = 26,
	DUCKDB_TYPE_UUID = 27,
	DUCKDB_TYPE_UNION = 28,
	DUCKDB_TYPE_BIT = 29,
	DUCKDB_TYPE_TIME_TZ = 30,
	DUCKDB_TYPE_TIMESTAMP_TZ = 31,
	DUCKDB_TYPE_UHUGEINT = 32,
	DUCKDB_TYPE_ARRAY = 33,
	DUCKDB_TYPE_BIGNUM = 35,
	DUCKDB_TYPE_SQLNULL = 36,
	DUCKDB_TYPE_TIME_NS = 39,
};

enum duckdb_error_type {
	DUCKDB_ERROR_INVALID = 0,
	DUCKDB_ERROR_IO = 28,
	DUCKDB_ERROR_FATAL = 30,
	DUCKDB_ERROR_INTERNAL = 31,
	DUCKDB_ERROR_OUT_OF_MEMORY = 33,
	DUCKDB_ERROR_PERMISSION = 34,
};

enum duckdb_statement_type {
	DUCKDB_STATEMENT_TYPE_INVALID = 0,
	DUCKDB_STATEMENT_TYPE_SELECT = 1,
	DUCKDB_STATEMENT_TYPE_EXPLAIN = 4,
};

/* Opaque handles; each *_destroy (disconnect, close) takes the handle's address and clears it. */
typedef struct duckdb_database_handle *duckdb_database;
typedef struct duckdb_connection_handle *duckdb_connection;
typedef struct duckdb_config_handle *duckdb_config;
typedef struct duckdb_prepared_statement_handle *duckdb_prepared_statement;
typedef struct duckdb_logical_type_handle *duckdb_logical_type;
typedef struct duckdb_data_chunk_handle *duckdb_data_chunk;
typedef struct duckdb_vector_handle *duckdb_vector;
typedef uint64_t idx_t;

/* Made by a query, also by one that failed; destroyed by duckdb_destroy_result(). */
typedef struct {
	idx_t unused_counts[3];
	void *unused_pointers[2];
	void *internal;
} duckdb_result;

/* A VARCHAR or BLOB in a vector: up to 12 bytes inline, longer ones by pointer; 16 bytes. */
typedef union {
	struct {
		uint32_t length;
		char data[12];
	} inlined;
	struct {
		uint32_t length;
		char prefix[4];
		char *data;
	} pointer;
} duckdb_string_t;

typedef struct {
	uint64_t lower;
	int64_t upper;
} duckdb_hugeint;

typedef struct {
	int32_t months;
	int32_t days;
	int64_t micros;
} duckdb_interval;

typedef struct {
	uint64_t offset;
	uint64_t length;
} duckdb_list_entry;

const char *duckdb_library_version(void);
void duckdb_free(void *memory);

enum duckdb_state duckdb_create_config(duckdb_config *out);
enum duckdb_state duckdb_set_config(duckdb_config config, const char *name, const char *value);
void duckdb_destroy_config(duckdb_config *config);
enum duckdb_state duckdb_open_ext(
	const char *path, duckdb_database *out, duckdb_config config, char **out_error);
void duckdb_close(duckdb_database *database);
enum duckdb_state duckdb_connect(duckdb_database database, duckdb_connection *out);
void duckdb_disconnect(duckdb_connection *connection);

enum duckdb_state duckdb_prepare(
	duckdb_connection connection, const char *sql, duckdb_prepared_statement *out);
const char *duckdb_prepare_error(duckdb_prepared_statement statement);
enum duckdb_statement_type duckdb_prepared_statement_type(duckdb_prepared_statement statement);
void duckdb_destroy_prepare(duckdb_prepared_statement *statement);
idx_t duckdb_nparams(duckdb_prepared_statement statement);
enum duckdb_state duckdb_bind_varchar_length(
	duckdb_prepared_statement statement, idx_t index, const char *text, idx_t length);
enum duckdb_state duckdb_execute_prepared(duckdb_prepared_statement statement, duckdb_result *out);
enum duckdb_state duckdb_execute_prepared_streaming(
	duckdb_prepared_statement statement, duckdb_result *out);

enum duckdb_state duckdb_query(duckdb_connection connection, const char *sql, duckdb_result *out);
void duckdb_destroy_result(duckdb_result *result);
const char *duckdb_result_error(duckdb_result *result);
enum duckdb_error_type duckdb_result_error_type(duckdb_result *result);
idx_t duckdb_column_count(duckdb_result *result);
const char *duckdb_column_name(duckdb_result *result, idx_t column);
duckdb_logical_type duckdb_column_logical_type(duckdb_result *result, idx_t column);
duckdb_data_chunk duckdb_fetch_chunk(duckdb_result result); /* NULL at the end or on an error */

idx_t duckdb_data_chunk_get_size(duckdb_data_chunk chunk);
duckdb_vector duckdb_data_chunk_get_vector(duckdb_data_chunk chunk, idx_t column);
void duckdb_destroy_data_chunk(duckdb_data_chunk *chunk);
void *duckdb_vector_get_data(duckdb_vector vector);
uint64_t *duckdb_vector_get_validity(duckdb_vector vector); /* NULL: every value is valid */
duckdb_vector duckdb_list_vector_get_child(duckdb_vector vector);
duckdb_vector duckdb_struct_vector_get_child(duckdb_vector vector, idx_t index);
duckdb_vector duckdb_array_vector_get_child(duckdb_vector vector);

enum duckdb_type duckdb_get_type_id(duckdb_logical_type type);
void duckdb_destroy_logical_type(duckdb_logical_type *type);
uint8_t duckdb_decimal_scale(duckdb_logical_type type);
enum duckdb_type duckdb_decimal_internal_type(duckdb_logical_type type);
enum duckdb_type duckdb_enum_internal_type(duckdb_logical_type type);
uint32_t duckdb_enum_dictionary_size(duckdb_logical_type type);
char *duckdb_enum_dictionary_value(duckdb_logical_type type, idx_t index); /* duckdb_free() */
duckdb_logical_type duckdb_list_type_child_type(duckdb_logical_type type);
duckdb_logical_type duckdb_map_type_key_type(duckdb_logical_type type);
duckdb_logical_type duckdb_map_type_value_type(duckdb_logical_type type);
duckdb_logical_type duckdb_array_type_child_type(duckdb_logical_type type);
idx_t duckdb_array_type_array_size(duckdb_logical_type type);
idx_t duckdb_struct_type_child_count(duckdb_logical_type type);
char *duckdb_struct_type_child_name(duckdb_logical_type type, idx_t index); /* duckdb_free() */
duckdb_logical_type duckdb_struct_type_child_type(duckdb_logical_type type, idx_t index);

#endif
