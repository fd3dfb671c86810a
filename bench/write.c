/*
 * write.c: rows a second and core of the Parquet writer against DuckDB's append and COPY of the
 * same rows.
 *
 *	bench_write [ROWS] [ROUNDS] [DIRECTORY]
 *
 * Seconds are CPU seconds of the process, kernel included.  The files stay when DIRECTORY is given.
 *
 * The rows are those of the eight-column table `orders` (id, customer, status of five, note of
 * 20-50 characters and 1 in 8 NULL, total, created, paid, score).  They lie ready as batches before
 * the clock starts; both sides write a file with zstd level 1 on one thread, alternating.
 */
#include "duck/duckdb.h"
#include "event/batch.h"
#include "format/parquet/parquet_writer.h"

#include <fcntl.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

/* The part of DuckDB's C API that only this program uses. */
typedef struct duckdb_appender_handle *duckdb_appender;
duckdb_logical_type duckdb_create_logical_type(enum duckdb_type type);
duckdb_logical_type duckdb_create_decimal_type(uint8_t width, uint8_t scale);
duckdb_data_chunk duckdb_create_data_chunk(duckdb_logical_type *types, idx_t column_count);
void duckdb_data_chunk_reset(duckdb_data_chunk chunk);
void duckdb_data_chunk_set_size(duckdb_data_chunk chunk, idx_t size);
void duckdb_vector_ensure_validity_writable(duckdb_vector vector);
void duckdb_vector_assign_string_element_len(
	duckdb_vector vector, idx_t index, const char *text, idx_t length);
void duckdb_validity_set_row_invalid(uint64_t *validity, idx_t row);
enum duckdb_state duckdb_appender_create(
	duckdb_connection connection, const char *schema, const char *table, duckdb_appender *out);
enum duckdb_state duckdb_append_data_chunk(duckdb_appender appender, duckdb_data_chunk chunk);
enum duckdb_state duckdb_appender_destroy(duckdb_appender *appender);

enum {
	COLUMN_COUNT = 8,
	BATCH_ROWS = 16384,
	CHUNK_ROWS = 2048, /* DuckDB's vector size */
	ROUNDS_MAX = 99,
};

static const struct parquet_column COLUMNS[COLUMN_COUNT] = {
	{ "id", 1, { VALUE_LONG, 0, 0 }, true, PARQUET_BOUNDS_TRUNCATE, PARQUET_ENCODING_USUAL },
	{ "customer_id", 2, { VALUE_INT, 0, 0 }, true, PARQUET_BOUNDS_TRUNCATE,
		PARQUET_ENCODING_USUAL },
	{ "status", 3, { VALUE_STRING, 0, 0 }, true, PARQUET_BOUNDS_TRUNCATE,
		PARQUET_ENCODING_USUAL },
	{ "note", 4, { VALUE_STRING, 0, 0 }, false, PARQUET_BOUNDS_TRUNCATE,
		PARQUET_ENCODING_USUAL },
	{ "total", 5, { VALUE_DECIMAL, 18, 2 }, true, PARQUET_BOUNDS_TRUNCATE,
		PARQUET_ENCODING_USUAL },
	{ "created", 6, { VALUE_TIMESTAMP, 0, 0 }, true, PARQUET_BOUNDS_TRUNCATE,
		PARQUET_ENCODING_USUAL },
	{ "paid", 7, { VALUE_BOOLEAN, 0, 0 }, true, PARQUET_BOUNDS_TRUNCATE,
		PARQUET_ENCODING_USUAL },
	{ "score", 8, { VALUE_DOUBLE, 0, 0 }, false, PARQUET_BOUNDS_TRUNCATE,
		PARQUET_ENCODING_USUAL },
};

_Noreturn static void stop(const char *what)
{
	fprintf(stderr, "bench_write: %s\n", what);
	exit(1);
}

/* CPU time: what else runs on a shared machine should not count. */
static double now(void)
{
	struct timespec time;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &time);
	return (double)time.tv_sec + (double)time.tv_nsec / 1e9;
}

/* ---- the rows ---- */

static uint64_t scramble(uint64_t value)
{
	value ^= value >> 33;
	value *= 0xff51afd7ed558ccdu;
	value ^= value >> 33;
	value *= 0xc4ceb9fe1a85ec53u;
	return value ^ value >> 33;
}

static void append_note(struct column *column, uint64_t row)
{
	if (row % 8 == 0) {
		column_append_null(column);
		return;
	}
	char text[65]; /* this row's digest and that of the seventh after it, so that notes share
			  some bytes */
	snprintf(text, sizeof text, "%016llx%016llx%016llx%016llx",
		(unsigned long long)scramble(row), (unsigned long long)scramble(row ^ 1ull << 40),
		(unsigned long long)scramble(row + 7),
		(unsigned long long)scramble((row + 7) ^ 1ull << 40));
	column_append_bytes(column, bytes_of(text, 20 + scramble(row + 2) % 31));
}

static void append_row(struct batch *batch, uint64_t row)
{
	static const char *const STATUS[] = { "PENDING", "PROCESSING", "COMPLETED", "CANCELLED",
		"RETURNED" };
	struct column *columns = batch->columns;
	int64_t id = (int64_t)row;
	int32_t customer = (int32_t)(scramble(row) & 1048575);
	int64_t total = (int64_t)(scramble(row + 3) & 16777215);
	int64_t created = 1704067200000000 + (int64_t)(row % 31536000) * 1000000;
	uint8_t paid = row & 1;
	double score = (double)(int64_t)scramble(row + 4) / 1000;
	column_append_fixed(&columns[0], &id);
	column_append_fixed(&columns[1], &customer);
	column_append_bytes(&columns[2], bytes_of_cstring(STATUS[scramble(row + 1) % 5]));
	append_note(&columns[3], row);
	column_append_fixed(&columns[4], &total);
	column_append_fixed(&columns[5], &created);
	column_append_fixed(&columns[6], &paid);
	column_append_fixed(&columns[7], &score);
	batch_finish_row(batch);
}

static struct batch *make_batches(size_t row_count, size_t *count)
{
	struct column_type types[COLUMN_COUNT];
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		types[i] = COLUMNS[i].type;
	*count = (row_count + BATCH_ROWS - 1) / BATCH_ROWS;
	struct batch *batches = memory_allocate(*count, sizeof *batches);
	for (size_t i = 0; i < *count; i++)
		batch_init(&batches[i], types, COLUMN_COUNT);
	for (size_t row = 0; row < row_count; row++)
		append_row(&batches[row / BATCH_ROWS], row + 1);
	return batches;
}

/* ---- walberg ---- */

static bool write_file(void *context, struct bytes data, struct error *err)
{
	int file = *(int *)context;
	while (data.size > 0) {
		ssize_t written = write(file, data.data, data.size);
		if (written < 0)
			return error_set_errno(err, ERROR_LOST, "cannot write the file");
		data.data += written;
		data.size -= (size_t)written;
	}
	return true;
}

static double run_walberg(const struct batch *batches, size_t count, const char *path)
{
	struct error err;
	struct parquet_writer *writer;
	struct parquet_file_info info;
	struct arena arena = { 0 };
	double start = now();
	int file = open(path, O_CREAT | O_TRUNC | O_WRONLY, 0600);
	if (file < 0)
		stop("cannot create the file");
	struct parquet_sink sink = { write_file, &file };
	bool done = parquet_writer_open(COLUMNS, COLUMN_COUNT, NULL, sink, &writer, &err);
	for (size_t i = 0; done && i < count; i++)
		done = parquet_writer_write(writer, &batches[i], NULL, 0, &err);
	if (!done || !parquet_writer_finish(writer, &arena, &info, &err))
		stop(err.text);
	parquet_writer_close(writer);
	close(file);
	double seconds = now() - start;
	arena_deinit(&arena);
	return seconds;
}

/* ---- DuckDB ---- */

static void duckdb_do(duckdb_connection connection, const char *sql)
{
	duckdb_result result;
	if (duckdb_query(connection, sql, &result) != DUCKDB_SUCCESS)
		stop(duckdb_result_error(&result));
	duckdb_destroy_result(&result);
}

static void fill_texts(
	duckdb_vector vector, const struct column *column, size_t start, size_t count)
{
	for (size_t i = 0; i < count; i++) {
		struct bytes text = column_bytes(column, start + i);
		duckdb_vector_assign_string_element_len(
			vector, i, text.size ? (const char *)text.data : "", text.size);
	}
}

static void fill_vector(
	duckdb_vector vector, const struct column *column, size_t start, size_t count)
{
	if (column->width == 0)
		fill_texts(vector, column, start, count);
	else
		memcpy(duckdb_vector_get_data(vector), column_fixed(column, start),
			count * column->width);
	if (column->null_count == 0)
		return;
	duckdb_vector_ensure_validity_writable(vector);
	uint64_t *validity = duckdb_vector_get_validity(vector);
	for (size_t i = 0; i < count; i++)
		if (column_is_null(column, start + i))
			duckdb_validity_set_row_invalid(validity, i);
}

static void append_batch(
	duckdb_appender appender, duckdb_data_chunk chunk, const struct batch *batch)
{
	for (size_t start = 0; start < batch->row_count; start += CHUNK_ROWS) {
		size_t left = batch->row_count - start;
		size_t count = left < CHUNK_ROWS ? left : CHUNK_ROWS;
		duckdb_data_chunk_reset(chunk);
		for (size_t i = 0; i < COLUMN_COUNT; i++)
			fill_vector(duckdb_data_chunk_get_vector(chunk, i), &batch->columns[i],
				start, count);
		duckdb_data_chunk_set_size(chunk, count);
		if (duckdb_append_data_chunk(appender, chunk) != DUCKDB_SUCCESS)
			stop("DuckDB refused a chunk");
	}
}

static double run_duckdb(
	duckdb_connection connection, const struct batch *batches, size_t count, const char *path)
{
	static const enum duckdb_type TYPES[COLUMN_COUNT] = { DUCKDB_TYPE_BIGINT,
		DUCKDB_TYPE_INTEGER, DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_VARCHAR, DUCKDB_TYPE_DECIMAL,
		DUCKDB_TYPE_TIMESTAMP, DUCKDB_TYPE_BOOLEAN, DUCKDB_TYPE_DOUBLE };
	duckdb_logical_type types[COLUMN_COUNT];
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		types[i] = TYPES[i] == DUCKDB_TYPE_DECIMAL ? duckdb_create_decimal_type(18, 2)
							   : duckdb_create_logical_type(TYPES[i]);
	double start = now();
	duckdb_do(connection,
		"CREATE OR REPLACE TABLE orders (id BIGINT NOT NULL, customer_id INTEGER NOT NULL, "
		"status VARCHAR NOT NULL, note VARCHAR, total DECIMAL(18, 2) NOT NULL, "
		"created TIMESTAMP NOT NULL, paid BOOLEAN NOT NULL, score DOUBLE)");
	duckdb_appender appender;
	if (duckdb_appender_create(connection, NULL, "orders", &appender) != DUCKDB_SUCCESS)
		stop("DuckDB gave no appender");
	duckdb_data_chunk chunk = duckdb_create_data_chunk(types, COLUMN_COUNT);
	for (size_t i = 0; i < count; i++)
		append_batch(appender, chunk, &batches[i]);
	duckdb_destroy_data_chunk(&chunk);
	if (duckdb_appender_destroy(&appender) != DUCKDB_SUCCESS)
		stop("DuckDB could not flush its appender");
	char sql[512];
	snprintf(sql, sizeof sql,
		"COPY orders TO '%s' (FORMAT parquet, COMPRESSION zstd, COMPRESSION_LEVEL 1)",
		path);
	duckdb_do(connection, sql);
	double seconds = now() - start;
	for (size_t i = 0; i < COLUMN_COUNT; i++)
		duckdb_destroy_logical_type(&types[i]);
	return seconds;
}

static void open_duckdb(duckdb_database *database, duckdb_connection *connection)
{
	duckdb_config config;
	char *message = NULL;
	if (duckdb_create_config(&config) != DUCKDB_SUCCESS ||
		duckdb_set_config(config, "threads", "1") != DUCKDB_SUCCESS ||
		duckdb_open_ext(NULL, database, config, &message) != DUCKDB_SUCCESS ||
		duckdb_connect(*database, connection) != DUCKDB_SUCCESS)
		stop(message ? message : "DuckDB does not open");
	duckdb_destroy_config(&config);
}

/* ---- figures ---- */

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a, y = *(const double *)b;
	return (x > y) - (x < y);
}

static double print_rate(
	const char *name, double *seconds, size_t rounds, size_t rows, const char *path)
{
	qsort(seconds, rounds, sizeof *seconds, compare);
	double median = (double)rows / seconds[rounds / 2] / 1e6;
	int file = open(path, O_RDONLY);
	long long size = file < 0 ? 0 : (long long)lseek(file, 0, SEEK_END);
	close(file);
	printf("%-8s %6.2f M rows/s (%.2f to %.2f), %.1f MB\n", name, median,
		(double)rows / seconds[rounds - 1] / 1e6, (double)rows / seconds[0] / 1e6,
		(double)size / 1e6);
	return median;
}

int main(int count, char **arguments)
{
	size_t rows = count > 1 ? strtoul(arguments[1], NULL, 10) : 2000000;
	size_t rounds = count > 2 ? strtoul(arguments[2], NULL, 10) : 3;
	const char *directory = count > 3 ? arguments[3] : "/tmp";
	if (rows == 0 || rounds == 0 || rounds > ROUNDS_MAX)
		stop("usage: bench_write [ROWS] [ROUNDS] [DIRECTORY]");
	struct arena arena = { 0 };
	int self = (int)getpid();
	const char *own = arena_format(&arena, "%s/bench_write_%d_w.parquet", directory, self);
	const char *other = arena_format(&arena, "%s/bench_write_%d_d.parquet", directory, self);
	duckdb_database database;
	duckdb_connection connection;
	open_duckdb(&database, &connection);
	size_t batch_count;
	struct batch *batches = make_batches(rows, &batch_count);
	double own_seconds[ROUNDS_MAX], other_seconds[ROUNDS_MAX];
	for (size_t round = 0; round < rounds; round++) {
		own_seconds[round] = run_walberg(batches, batch_count, own);
		other_seconds[round] = run_duckdb(connection, batches, batch_count, other);
	}
	double own_rate = print_rate("walberg", own_seconds, rounds, rows, own);
	double other_rate = print_rate("duckdb", other_seconds, rounds, rows, other);
	printf("ratio    %6.2f\n", own_rate / other_rate);
	if (count <= 3) {
		unlink(own);
		unlink(other);
	}
	for (size_t i = 0; i < batch_count; i++)
		batch_deinit(&batches[i]);
	free(batches);
	duckdb_disconnect(&connection);
	duckdb_close(&database);
	arena_deinit(&arena);
	return 0;
}
