/*
 * sql_internal.h: one catalog in SQL, over drivers for two databases.
 *
 * sql.c says what is read and changed, sql_statement.c in which words, sql_schema.c in which
 * tables.  A driver runs statements on one kind of database, and knows what makes a commit final
 * there (I4).
 */
#ifndef CATALOG_SQL_INTERNAL_H
#define CATALOG_SQL_INTERNAL_H

#include "catalog/catalog.h"

enum statement { /* kept prepared; their texts are in sql_statement.c, or the driver's own */
	SQL_BEGIN = 0,
	SQL_BEGIN_WRITE,
	SQL_COMMIT,
	SQL_FENCE,
	SQL_FIND_TABLES,
	SQL_FIND_TYPE_COLUMN,
	SQL_LOAD_FORMAT,
	SQL_LOAD_LAKE,
	SQL_LOAD_TABLES,
	SQL_LOAD_COMMITS,
	SQL_LOAD_REQUESTS,
	SQL_LOAD_REMOVALS,
	SQL_LOAD_POINTERS,
	SQL_INSERT_LAKE,
	SQL_UPDATE_LAKE,
	SQL_INSERT_POINTER,
	SQL_UPDATE_POINTER,
	SQL_CHECK_POINTER,
	SQL_DELETE_POINTER,
	SQL_INSERT_NAMESPACE,
	SQL_PUT_TABLE,
	SQL_DELETE_TABLE,
	SQL_INSERT_COMMIT,
	SQL_DELETE_COMMITS,
	SQL_PUT_REMOVAL,
	SQL_DELETE_REMOVAL,
	SQL_INSERT_REQUEST,
	SQL_DELETE_REQUEST,
	STATEMENT_COUNT,
};

struct parameter { /* text, or when that is NULL number */
	const char *text;
	int64_t number;
};
#define TEXT(value)                                                                                \
	{                                                                                          \
		.text = (value)                                                                    \
	}
#define NUMBER(value)                                                                              \
	{                                                                                          \
		.number = (int64_t)(value)                                                         \
	}
#define PARAMETERS(...)                                                                            \
	(const struct parameter[]){ __VA_ARGS__ },                                                 \
		sizeof((const struct parameter[]){ __VA_ARGS__ }) / sizeof(struct parameter)
#define NO_PARAMETERS NULL, 0

enum {
	PARAMETERS_MAX = 18 /* with the catalog's name, which is the first of every statement */
};

struct sql_step { /* a change */
	enum statement which;
	const struct parameter *parameters;
	size_t count;
	bool is_conditional; /* refused when it does not change exactly one row */
};

struct sql_catalog {
	struct catalog base;
	struct catalog_ops ops; /* of base: the same for every driver, with its scheme */
	const struct sql_driver *driver;
	char *place; /* for messages */
	char *name;  /* the catalog_name column; parameter 1 of every statement that has any */
	bool is_read_only;
	bool has_tables; /* walberg's; a read-only open does not make them */
};

struct sql_words {           /* what a database calls it, in the definitions of tables */
	const char *text;    /* a text that is ordered by its bytes */
	const char *number;  /* of 64 bits */
	const char *counter; /* a primary key that counts itself up */
	const char *by_key;  /* behind a table that is kept in the order of its key; or "" */
};

struct sql_driver {
	const char *scheme;
	const char *const *texts; /* by statement: those that are not the same everywhere */
	struct sql_words words;

	/* What is read until rollback() is one moment's, and final (I4). */
	bool (*begin)(struct sql_catalog *catalog, struct error *err);
	/* Or BUSY.  Nothing from before it can still become true. */
	bool (*begin_write)(struct sql_catalog *catalog, struct error *err);
	/* Or UNCERTAIN; the transaction is over in any case. */
	bool (*commit)(struct sql_catalog *catalog, struct error *err);
	void (*rollback)(struct sql_catalog *catalog); /* also when there is no transaction */

	/* A query with its parameters from 2 on; then its rows, one by one. */
	bool (*start)(struct sql_catalog *catalog, enum statement which,
		const struct parameter *parameters, size_t count, struct error *err);
	/* *found is false after the last row, and the query done. */
	bool (*next)(struct sql_catalog *catalog, bool *found, struct error *err);
	int64_t (*number)(struct sql_catalog *catalog, int column);
	/* "" for NULL; in the arena. */
	const char *(*text)(struct sql_catalog *catalog, int column, struct arena *arena);

	/* Changes, in order.  *refused is the index of the first that was refused, or count. */
	bool (*run)(struct sql_catalog *catalog, const struct sql_step *steps, size_t count,
		size_t *refused, struct error *err);
	/* One or more statements without parameters or rows, not kept. */
	bool (*execute)(struct sql_catalog *catalog, const char *sql, struct error *err);

	/* NULL: one process of a machine has its own lock, and that is enough. */
	bool (*lock)(struct sql_catalog *catalog, struct error *err);
	void (*close)(struct sql_catalog *catalog);
};

/* ?1, ?2, ... are the parameters. */
const char *sql_statement_text(const struct sql_catalog *catalog, enum statement which);

/* The tables: made when missing, checked when there. */
bool sql_prepare_schema(struct sql_catalog *catalog, struct error *err) MUST_CHECK;

/* Fills what every driver's catalog begins with. */
void sql_catalog_init(struct sql_catalog *catalog, const struct sql_driver *driver,
	const char *place, const char *name, bool is_read_only);
void sql_catalog_deinit(struct sql_catalog *catalog);

#endif
