/*
 * print_internal.h: values of DuckDB vectors as text and as JSON, as session.h describes them.
 *
 * A printer is made once for each column of a result and holds what the column's type says.
 */
#ifndef DUCK_PRINT_INTERNAL_H
#define DUCK_PRINT_INTERNAL_H

#include "base/arena.h"
#include "base/buffer.h"
#include "duck/duckdb.h"

struct printer {
	enum duckdb_type type;
	enum duckdb_type physical; /* of a decimal or an enum */
	uint8_t scale;             /* of a decimal */
	size_t child_count;        /* list, array: 1; map: key, value; struct: its fields */
	struct printer *children;
	size_t array_size;
	size_t label_count;
	const char **labels; /* of an enum; names of a struct's fields */
};

/* UNSUPPORTED for a type that has no text here; depth limits nesting. */
bool printer_init(struct printer *printer, duckdb_logical_type type, struct arena *arena,
	struct error *err) MUST_CHECK;

bool printer_is_number(const struct printer *printer);
bool printer_append_text(
	const struct printer *printer, duckdb_vector vector, idx_t row, struct buffer *out);
void printer_append_json(
	const struct printer *printer, duckdb_vector vector, idx_t row, struct buffer *out);

#endif
