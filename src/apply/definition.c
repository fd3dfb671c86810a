#include "apply/apply_internal.h"

static bool changed(const struct relation *relation, struct error *err)
{
	char what[sizeof err->text];
	snprintf(what, sizeof what, "%s", err->text);
	error_set(err, ERROR_UNSUPPORTED, "the definition of \"%s.%s\" changed: %s",
		relation->namespace_name, relation->name, what);
	return error_hint(err, "Run \"walberg snapshot %s.%s\" to read it again as it is now.",
		relation->namespace_name, relation->name);
}

static bool check_column(const struct relation *relation, size_t index,
	const struct pgoutput_relation *seen_relation, struct error *err)
{
	const struct relation_column *column = &relation->columns[index];
	const struct pgoutput_column *seen = &seen_relation->columns[index];
	int size = (int)seen->name.size;
	if (!bytes_equal(bytes_of_cstring(column->name), seen->name))
		return error_set(err, ERROR_UNSUPPORTED, "column %zu was \"%s\" and is \"%.*s\"",
			index + 1, column->name, size, (const char *)seen->name.data);
	if (column->type_oid != seen->type_oid || column->type_modifier != seen->type_modifier)
		return error_set(
			err, ERROR_UNSUPPORTED, "column \"%s\" has another type", column->name);
	/* With REPLICA IDENTITY FULL every column is flagged, whatever the primary key is. */
	if (!relation->is_append && seen_relation->replica_identity == 'd' &&
		column->is_key != seen->is_key)
		return error_set(err, ERROR_UNSUPPORTED,
			"the primary key is another (column \"%s\")", column->name);
	return true;
}

bool definition_check(
	const struct relation *relation, const struct pgoutput_relation *seen, struct error *err)
{
	if (!bytes_equal(bytes_of_cstring(relation->name), seen->name) ||
		!bytes_equal(bytes_of_cstring(relation->namespace_name), seen->namespace_name)) {
		error_set(err, ERROR_UNSUPPORTED, "it is called \"%.*s.%.*s\" now",
			(int)seen->namespace_name.size, (const char *)seen->namespace_name.data,
			(int)seen->name.size, (const char *)seen->name.data);
		return changed(relation, err);
	}
	/* DEFAULT and FULL both send the primary key's old values. */
	if (!relation->is_append && seen->replica_identity != 'd' &&
		seen->replica_identity != 'f') {
		error_set(err, ERROR_UNSUPPORTED, "its replica identity was '%c' and is '%c'",
			relation->replica_identity, seen->replica_identity);
		return changed(relation, err);
	}
	if (relation->column_count != seen->column_count) {
		error_set(err, ERROR_UNSUPPORTED, "it had %zu columns and has %zu",
			relation->column_count, seen->column_count);
		return changed(relation, err);
	}
	for (size_t i = 0; i < relation->column_count; i++)
		if (!check_column(relation, i, seen, err))
			return changed(relation, err);
	return true;
}
