/*
 * rewrite_fixture.h: for tests: queries over a lake of files that DuckDB itself wrote.
 *
 * Its tables: public.orders in three versions (the last with deletes), public.customers,
 * shop.orders, shop."Mixed Case", shop.items, public.none (empty), public.everything (all types,
 * and columns named like DuckDB's own), public.broken (paused), public.pending.  Version n has
 * snapshot id n * 100, position 0/n000 and second n of 2024.
 */
#ifndef QUERY_REWRITE_FIXTURE_H
#define QUERY_REWRITE_FIXTURE_H

#include "base/test.h"
#include "query/query.h"

struct fake_version {
	int64_t snapshot_id;
	lsn_t position;
	micros_t timestamp;
	struct table_version version;
};

struct fake_table {
	struct table_entry entry;
	size_t version_count;
	struct fake_version versions[4];
};

struct fake_tables {
	struct tables base;
	struct arena arena;
	size_t count;
	struct fake_table tables[10];
	struct table_entry entries[10];
	size_t begin_count;
	size_t fetched_columns; /* of all tables of all statements */
};

struct queried {
	struct fake_tables *tables;
	struct query_session *session;
	struct session *writer;
	const char *directory;
	struct arena arena;
	struct buffer out;
	struct buffer notes;
};

void queried_open(struct queried *lake);
void queried_open_in(struct queried *lake, const char *directory); /* which is its warehouse */
void queried_close(struct queried *lake);

/* Rows as "a|b;c|d", ~ for NULL, into lake->out; notes into lake->notes. */
bool queried_run(struct queried *lake, const char *sql, struct error *err);

void queried_expect(struct queried *lake, const char *sql, const char *rows, int line);
#define EXPECT(lake, sql, rows) queried_expect(lake, sql, rows, __LINE__)

void queried_expect_error(
	struct queried *lake, const char *sql, enum error_kind kind, const char *part, int line);
#define EXPECT_ERROR(lake, sql, kind, part) queried_expect_error(lake, sql, kind, part, __LINE__)

#endif
