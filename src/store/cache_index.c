#include "store/cache_internal.h"

#include <sqlite3.h>
#include <stdlib.h>

enum {
	APPLICATION_ID = 0x57424348, /* "WBCH" */
	VERSION = 2,
	BUSY_TIMEOUT_MS = 30 * 1000,
	BOOT_ID_SIZE = 36,
};

/* AUTOINCREMENT: a number that was in use, and may still be locked, never stands for another. */
static const char SCHEMA[] =
	"CREATE TABLE object (id INTEGER PRIMARY KEY AUTOINCREMENT, name TEXT NOT NULL UNIQUE, "
	"file TEXT NOT NULL, size INTEGER NOT NULL, charged INTEGER NOT NULL, "
	"used_at INTEGER NOT NULL, checksum INTEGER);"
	"CREATE INDEX object_used ON object (used_at, id);"
	"CREATE TABLE extent (object INTEGER NOT NULL, first INTEGER NOT NULL, "
	"past INTEGER NOT NULL, PRIMARY KEY (object, first)) WITHOUT ROWID;"
	"CREATE TABLE state (charged INTEGER NOT NULL, boot TEXT NOT NULL);"
	"INSERT INTO state VALUES (0, '');"
	"CREATE TRIGGER charge AFTER UPDATE OF charged ON object BEGIN "
	"UPDATE state SET charged = charged + new.charged - old.charged; END;"
	"CREATE TRIGGER discharge AFTER DELETE ON object BEGIN "
	"UPDATE state SET charged = charged - old.charged; "
	"DELETE FROM extent WHERE object = old.id; END;"
	"PRAGMA user_version = 2;"
	"PRAGMA application_id = 1463960392;";

enum statement {
	SQL_BEGIN = 0,
	SQL_COMMIT,
	SQL_FIND,
	SQL_INSERT,
	SQL_REMOVE,
	SQL_CHARGE,
	SQL_SET_CHARGE,
	SQL_TOUCH,
	SQL_SET_CHECKSUM,
	SQL_RANGES,
	SQL_TOUCHING,
	SQL_REMOVE_TOUCHING,
	SQL_ADD_RANGE,
	SQL_REMOVE_RANGES,
	SQL_TOTAL,
	SQL_NEXT_USED,
	SQL_BOOT,
	SQL_SET_BOOT,
	SQL_FILE,
	STATEMENT_COUNT,
};

#define OBJECT_COLUMNS "id, file, size, charged, used_at, checksum"

static const char *const TEXTS[STATEMENT_COUNT] = {
	[SQL_BEGIN] = "BEGIN IMMEDIATE",
	[SQL_COMMIT] = "COMMIT",
	[SQL_FIND] = "SELECT " OBJECT_COLUMNS " FROM object WHERE name = ?1",
	[SQL_INSERT] = "INSERT INTO object (name, file, size, charged, used_at) VALUES (?1, "
		       "(SELECT ifnull(max(seq), 0) + 1 FROM sqlite_sequence WHERE name = "
		       "'object') || '-' || hex(randomblob(8)), ?2, 0, ?3)",
	[SQL_REMOVE] = "DELETE FROM object WHERE id = ?1",
	[SQL_CHARGE] = "UPDATE object SET charged = charged + ?2 WHERE id = ?1",
	[SQL_SET_CHARGE] = "UPDATE object SET charged = ?2 WHERE id = ?1",
	[SQL_TOUCH] = "UPDATE object SET used_at = ?2 WHERE id = ?1",
	[SQL_SET_CHECKSUM] = "UPDATE object SET checksum = ?2 WHERE id = ?1",
	[SQL_RANGES] = "SELECT first, past FROM extent WHERE object = ?1 ORDER BY first",
	[SQL_TOUCHING] = "SELECT min(first), max(past) FROM extent WHERE object = ?1 "
			 "AND first <= ?3 AND past >= ?2",
	[SQL_REMOVE_TOUCHING] =
		"DELETE FROM extent WHERE object = ?1 AND first <= ?3 AND past >= ?2",
	[SQL_ADD_RANGE] = "INSERT INTO extent (object, first, past) "
			  "SELECT id, ?2, ?3 FROM object WHERE id = ?1",
	[SQL_REMOVE_RANGES] = "DELETE FROM extent WHERE object = ?1",
	[SQL_TOTAL] = "SELECT charged FROM state",
	[SQL_NEXT_USED] = "SELECT " OBJECT_COLUMNS " FROM object WHERE (used_at, id) > (?1, ?2) "
			  "ORDER BY used_at, id LIMIT 1",
	[SQL_BOOT] = "SELECT boot FROM state",
	[SQL_SET_BOOT] = "UPDATE state SET boot = ?1",
	[SQL_FILE] = "SELECT 1 FROM object WHERE id = CAST(?1 AS INTEGER) AND file = ?1",
};

struct index {
	sqlite3 *db;
	sqlite3_stmt *statements[STATEMENT_COUNT];
};

/* ---- speaking SQL ---- */

static bool fail(struct index *index, struct error *err)
{
	const int code = sqlite3_errcode(index->db) & 0xff;
	const bool is_damaged = code == SQLITE_CORRUPT || code == SQLITE_NOTADB;
	error_set(err,
		is_damaged                                           ? ERROR_CORRUPT
		: code == SQLITE_BUSY                                ? ERROR_BUSY
		: code == SQLITE_FULL                                ? ERROR_LIMIT
		: code == SQLITE_READONLY || code == SQLITE_CANTOPEN ? ERROR_SETUP
								     : ERROR_LOST,
		"the index of the cache cannot be used: %s", sqlite3_errmsg(index->db));
	if (is_damaged)
		error_hint(err, "End what uses the cache and remove its directory "
				"(lake.cache_directory); it is made again.");
	else if (code == SQLITE_FULL)
		error_hint(err, "Free space on the disk of lake.cache_directory, or set another.");
	return false;
}

/* The statement with its parameters, an int64 each; text, when there is any, is the first. */
static sqlite3_stmt *start(struct index *index, enum statement which, const char *text,
	size_t count, const int64_t *numbers)
{
	sqlite3_stmt **statement = &index->statements[which];
	int at = 1;
	if (*statement == NULL && sqlite3_prepare_v3(index->db, TEXTS[which], -1,
					  SQLITE_PREPARE_PERSISTENT, statement, NULL) != SQLITE_OK)
		return NULL;
	if (text != NULL)
		sqlite3_bind_text(*statement, at++, text, -1, SQLITE_STATIC);
	for (size_t i = 0; i < count; i++)
		sqlite3_bind_int64(*statement, at++, numbers[i]);
	return *statement;
}

#define NUMBERS(...)                                                                               \
	sizeof((const int64_t[]){ __VA_ARGS__ }) / sizeof(int64_t), (const int64_t[])              \
	{                                                                                          \
		__VA_ARGS__                                                                        \
	}

/* Whether there is a (further) row; when there is none, the statement is done. */
static bool step(struct index *index, sqlite3_stmt *row, bool *found, struct error *err)
{
	const int code = row != NULL ? sqlite3_step(row) : SQLITE_ERROR;
	*found = code == SQLITE_ROW;
	if (*found)
		return true;
	const bool ok = code == SQLITE_DONE || fail(index, err);
	if (row != NULL)
		sqlite3_reset(row);
	return ok;
}

static bool run(struct index *index, enum statement which, const char *text, size_t count,
	const int64_t *numbers, struct error *err)
{
	bool found;
	sqlite3_stmt *row = start(index, which, text, count, numbers);
	if (!step(index, row, &found, err))
		return false;
	if (found)
		sqlite3_reset(row);
	return true;
}

/* One number of one row, 0 when there is none. */
static bool ask(struct index *index, enum statement which, const char *text, int64_t *out,
	struct error *err)
{
	bool found;
	sqlite3_stmt *row = start(index, which, text, 0, NULL);
	if (!step(index, row, &found, err))
		return false;
	*out = found ? sqlite3_column_int64(row, 0) : 0;
	if (found)
		sqlite3_reset(row);
	return true;
}

static bool execute(struct index *index, const char *sql, struct error *err)
{
	return sqlite3_exec(index->db, sql, NULL, NULL, NULL) == SQLITE_OK || fail(index, err);
}

bool index_begin(struct index *index, struct error *err)
{
	return run(index, SQL_BEGIN, NULL, 0, NULL, err);
}

bool index_end(struct index *index, bool is_good, struct error *err)
{
	if (is_good && run(index, SQL_COMMIT, NULL, 0, NULL, err))
		return true;
	if (!sqlite3_get_autocommit(index->db)) /* an error may have rolled it back */
		sqlite3_exec(index->db, "ROLLBACK", NULL, NULL, NULL);
	return false;
}

bool index_be_durable(struct index *index, bool is_durable, struct error *err)
{
	return execute(index,
		is_durable ? "PRAGMA synchronous = FULL" : "PRAGMA synchronous = NORMAL", err);
}

/* ---- opening ---- */

static bool pragma(struct index *index, const char *sql, int64_t *out, struct error *err)
{
	sqlite3_stmt *row = NULL;
	bool ok = sqlite3_prepare_v2(index->db, sql, -1, &row, NULL) == SQLITE_OK &&
		  sqlite3_step(row) == SQLITE_ROW;
	if (ok)
		*out = sqlite3_column_int64(row, 0);
	else
		fail(index, err);
	sqlite3_finalize(row);
	return ok;
}

static bool check_version(struct index *index, bool *is_new, struct error *err)
{
	int64_t application = 0, version = 0, objects = 0;
	if (!pragma(index, "PRAGMA application_id", &application, err) ||
		!pragma(index, "PRAGMA user_version", &version, err) ||
		!pragma(index, "SELECT count(*) FROM sqlite_schema", &objects, err))
		return false;
	*is_new = objects == 0;
	if (*is_new || (application == APPLICATION_ID && version == VERSION))
		return true;
	return error_set(err, ERROR_CORRUPT,
		"the index of the cache is of another version of walberg (%d)", (int)version);
}

/* Two processes may find it new: the second one sees in its transaction that it is not. */
static bool prepare(struct index *index, struct error *err)
{
	bool is_new = false;
	if (!execute(index, "PRAGMA journal_mode = WAL", err) ||
		!execute(index, "PRAGMA synchronous = NORMAL", err) ||
		!check_version(index, &is_new, err))
		return false;
	if (!is_new)
		return true;
	if (!index_begin(index, err))
		return false;
	bool ok = check_version(index, &is_new, err);
	if (ok && is_new)
		ok = execute(index, SCHEMA, err);
	return index_end(index, ok, err);
}

bool index_open(const char *path, struct index **out, struct error *err)
{
	struct index *index = memory_allocate(1, sizeof *index);
	const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX;
	bool ok = sqlite3_open_v2(path, &index->db, flags, NULL) == SQLITE_OK || fail(index, err);
	if (ok)
		sqlite3_busy_timeout(index->db, BUSY_TIMEOUT_MS);
	if (!ok || !prepare(index, err)) {
		index_close(index);
		return error_context(err, "opening \"%s\"", path);
	}
	*out = index;
	return true;
}

void index_close(struct index *index)
{
	if (index == NULL)
		return;
	for (size_t i = 0; i < STATEMENT_COUNT; i++)
		sqlite3_finalize(index->statements[i]);
	sqlite3_close(index->db);
	free(index);
}

/* ---- objects ---- */

static void take_object(sqlite3_stmt *row, struct arena *arena, struct index_object *out)
{
	*out = (struct index_object){
		.id = sqlite3_column_int64(row, 0),
		.file = arena_copy_cstring(arena, (const char *)sqlite3_column_text(row, 1)),
		.size = (uint64_t)sqlite3_column_int64(row, 2),
		.charged = (uint64_t)sqlite3_column_int64(row, 3),
		.used_at = sqlite3_column_int64(row, 4),
		.has_checksum = sqlite3_column_type(row, 5) != SQLITE_NULL,
		.checksum = (uint64_t)sqlite3_column_int64(row, 5),
	};
	sqlite3_reset(row);
}

bool index_find(struct index *index, const char *name, struct arena *arena,
	struct index_object *out, struct error *err)
{
	bool found;
	sqlite3_stmt *row = start(index, SQL_FIND, name, 0, NULL);
	*out = (struct index_object){ 0 };
	if (!step(index, row, &found, err))
		return false;
	if (found)
		take_object(row, arena, out);
	return true;
}

bool index_insert(struct index *index, const char *name, uint64_t size, int64_t now,
	struct arena *arena, struct index_object *out, struct error *err)
{
	return run(index, SQL_INSERT, name, NUMBERS((int64_t)size, now), err) &&
	       index_find(index, name, arena, out, err);
}

bool index_remove(struct index *index, int64_t id, struct error *err)
{
	return run(index, SQL_REMOVE, NULL, NUMBERS(id), err);
}

bool index_charge(struct index *index, int64_t id, uint64_t bytes, struct error *err)
{
	return run(index, SQL_CHARGE, NULL, NUMBERS(id, (int64_t)bytes), err);
}

bool index_set_charge(struct index *index, int64_t id, uint64_t bytes, struct error *err)
{
	return run(index, SQL_SET_CHARGE, NULL, NUMBERS(id, (int64_t)bytes), err);
}

bool index_touch(struct index *index, int64_t id, int64_t now, struct error *err)
{
	return run(index, SQL_TOUCH, NULL, NUMBERS(id, now), err);
}

bool index_set_checksum(struct index *index, int64_t id, uint64_t checksum, struct error *err)
{
	return run(index, SQL_SET_CHECKSUM, NULL, NUMBERS(id, (int64_t)checksum), err);
}

bool index_next_used(
	struct index *index, struct index_object *at, struct arena *arena, struct error *err)
{
	bool found;
	sqlite3_stmt *row = start(index, SQL_NEXT_USED, NULL, NUMBERS(at->used_at, at->id));
	*at = (struct index_object){ 0 };
	if (!step(index, row, &found, err))
		return false;
	if (found)
		take_object(row, arena, at);
	return true;
}

bool index_total(struct index *index, uint64_t *out, struct error *err)
{
	int64_t total;
	if (!ask(index, SQL_TOTAL, NULL, &total, err))
		return false;
	*out = (uint64_t)total;
	return true;
}

/* ---- ranges ---- */

bool index_ranges(struct index *index, int64_t id, struct arena *arena, struct byte_ranges *out,
	struct error *err)
{
	bool found;
	struct buffer list = { 0 };
	sqlite3_stmt *row = start(index, SQL_RANGES, NULL, NUMBERS(id));
	bool ok;
	while ((ok = step(index, row, &found, err)) && found) {
		const struct byte_range range = { (uint64_t)sqlite3_column_int64(row, 0),
			(uint64_t)sqlite3_column_int64(row, 1) };
		buffer_append(&list, &range, sizeof range);
	}
	*out = (struct byte_ranges){ list.size / sizeof(struct byte_range),
		arena_copy(arena, list.data, list.size) };
	buffer_deinit(&list);
	return ok;
}

/* What touches it becomes one with it.  An object that is gone gets none. */
bool index_add_range(
	struct index *index, int64_t id, const struct byte_range *range, struct error *err)
{
	int64_t first = (int64_t)range->start, end = (int64_t)range->end;
	bool found;
	sqlite3_stmt *row = start(index, SQL_TOUCHING, NULL, NUMBERS(id, first, end));
	if (!step(index, row, &found, err))
		return false;
	int64_t joined_first = first, joined_end = end;
	if (found && sqlite3_column_type(row, 0) != SQLITE_NULL) {
		const int64_t other_first = sqlite3_column_int64(row, 0);
		const int64_t other_end = sqlite3_column_int64(row, 1);
		joined_first = other_first < first ? other_first : first;
		joined_end = other_end > end ? other_end : end;
	}
	if (found)
		sqlite3_reset(row);
	return run(index, SQL_REMOVE_TOUCHING, NULL, NUMBERS(id, first, end), err) &&
	       run(index, SQL_ADD_RANGE, NULL, NUMBERS(id, joined_first, joined_end), err);
}

bool index_remove_ranges(struct index *index, int64_t id, struct error *err)
{
	return run(index, SQL_REMOVE_RANGES, NULL, NUMBERS(id), err);
}

/* ---- what a crash of the machine left behind ---- */

static const char *boot_id(char text[BOOT_ID_SIZE + 1])
{
	FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
	size_t size = file != NULL ? fread(text, 1, BOOT_ID_SIZE, file) : 0;
	text[size] = '\0';
	if (file != NULL)
		fclose(file);
	return text;
}

bool index_is_of_this_boot(struct index *index, bool *out, struct error *err)
{
	char now[BOOT_ID_SIZE + 1];
	bool found;
	boot_id(now);
	sqlite3_stmt *row = start(index, SQL_BOOT, NULL, 0, NULL);
	if (!step(index, row, &found, err))
		return false;
	*out = found && strcmp((const char *)sqlite3_column_text(row, 0), now) == 0;
	if (found)
		sqlite3_reset(row);
	return *out || run(index, SQL_SET_BOOT, now, 0, NULL, err);
}

bool index_file_exists(struct index *index, const char *file, bool *out, struct error *err)
{
	int64_t found;
	if (!ask(index, SQL_FILE, file, &found, err))
		return false;
	*out = found != 0;
	return true;
}
