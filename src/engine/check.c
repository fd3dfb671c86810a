#include "engine/check.h"

enum {
	NUMERIC_OID = 1700
};

static bool read_everything_again(struct error *err)
{
	return error_hint(
		err, "Run \"walberg snapshot --all\" to read everything again from this server.");
}

bool check_is_free(const struct lake *lake, const struct source_state *source, struct error *err)
{
	if (source->has_slot) {
		error_set(err, ERROR_SETUP,
			"replication slot \"%s\" exists already and is not this lake's",
			lake->slot_name);
		return error_hint(err,
			"Give this lake another name for its slot (source.slot). If nobody needs "
			"the slot any more: SELECT pg_drop_replication_slot('%s').",
			lake->slot_name);
	}
	if (source->publication != NULL) {
		error_set(err, ERROR_SETUP,
			"publication \"%s\" exists already and is not this lake's",
			source->publication);
		return error_hint(err,
			"Give this lake another name for its slot and publications (source.slot). "
			"If nobody needs the publication any more: DROP PUBLICATION \"%s\".",
			source->publication);
	}
	return true;
}

bool check_source(const struct lake *lake, const struct source_state *source, struct error *err)
{
	if (strcmp(lake->system_identifier, source->system_identifier) != 0) {
		error_set(err, ERROR_SETUP,
			"the lake was filled from the database system %s, this server is %s",
			lake->system_identifier, source->system_identifier);
		return error_hint(err,
			"Connect to the server that the lake belongs to, use "
			"another lake with --lake, or run \"walberg snapshot --all\".");
	}
	if (lake->timeline != source->timeline) {
		error_set(err, ERROR_SETUP,
			"the server is on timeline %lld, the lake was filled from timeline %lld: "
			"it "
			"was restored or promoted since",
			(long long)source->timeline, (long long)lake->timeline);
		return read_everything_again(err);
	}
	if (!source->has_slot) {
		error_set(err, ERROR_SETUP, "replication slot \"%s\" does not exist any more",
			lake->slot_name);
		return read_everything_again(err);
	}
	if (source->slot_is_lost) {
		error_set(err, ERROR_SETUP,
			"replication slot \"%s\" was invalidated: the server removed WAL that the "
			"lake still needs",
			lake->slot_name);
		return read_everything_again(err);
	}
	return true;
}

bool check_log(const struct lake *lake, const struct source_state *source, lsn_t log_end_lsn,
	struct error *err)
{
	char there[LSN_TEXT_SIZE], here[LSN_TEXT_SIZE];
	lsn_t end = log_end_lsn > lake->position ? log_end_lsn : lake->position;
	if (source->confirmed_lsn > end) {
		error_set(err, ERROR_SETUP,
			"changes are missing: slot \"%s\" stands at %s, the lake and its log end "
			"at "
			"%s. The slot was made again or moved, or the lake was restored from an "
			"older copy",
			lake->slot_name, lsn_format(source->confirmed_lsn, there),
			lsn_format(end, here));
		return read_everything_again(err);
	}
	if (source->current_lsn < end) {
		error_set(err, ERROR_SETUP,
			"the server's WAL ends at %s, the lake is already at %s: the database was "
			"restored from an older copy",
			lsn_format(source->current_lsn, there), lsn_format(end, here));
		return read_everything_again(err);
	}
	return true;
}

static bool refuse_type(
	const struct relation *relation, const struct relation_column *column, struct error *why)
{
	if (column->type_oid == NUMERIC_OID) {
		error_set(why, ERROR_UNSUPPORTED,
			"column \"%s\" is numeric without a precision of at most 38 digits",
			column->name);
		return error_hint(why,
			"Give it one, for instance numeric(38, 10), then run \"walberg snapshot "
			"%s.%s\".",
			relation->namespace_name, relation->name);
	}
	if (column->type_name != NULL)
		error_set(why, ERROR_UNSUPPORTED,
			"column \"%s\" has a type that is not captured: %s", column->name,
			column->type_name);
	else
		error_set(why, ERROR_UNSUPPORTED,
			"column \"%s\" has a type that is not captured (SELECT %u::regtype names "
			"it)",
			column->name, column->type_oid);
	return error_hint(why, "Change the column's type, then run \"walberg snapshot %s.%s\".",
		relation->namespace_name, relation->name);
}

bool check_relation(const struct relation *relation, struct error *why)
{
	for (size_t i = 0; i < relation->column_count; i++)
		if (relation->columns[i].type.type == VALUE_NONE)
			return refuse_type(relation, &relation->columns[i], why);
	if (relation->column_count == 0)
		return error_set(why, ERROR_UNSUPPORTED, "the table has no columns");
	if (relation->replica_identity != 'i')
		return true;
	error_set(why, ERROR_UNSUPPORTED, "REPLICA IDENTITY USING INDEX is not captured");
	return error_hint(why,
		"ALTER TABLE %s.%s REPLICA IDENTITY DEFAULT, then run \"walberg snapshot %s.%s\".",
		relation->namespace_name, relation->name, relation->namespace_name, relation->name);
}

enum {
	FROZEN_XID = 2, /* of rows that a rewrite of pg_attribute itself has moved */
};

static bool is_later_change(const struct relation_column *was, const struct relation_column *is)
{
	return was->xid != 0 && is->xid != was->xid && is->xid != FROZEN_XID;
}

/*
 * VACUUM FULL and TRUNCATE give a table another file; ALTER TABLE changes a column's row in
 * pg_attribute.  Both together is a rewrite that no message tells of: ALTER COLUMN TYPE ... USING.
 */
static bool was_rewritten(const struct relation *lake, const struct relation *source)
{
	bool is_altered = false;
	for (size_t i = 0; i < lake->column_count; i++)
		is_altered |= is_later_change(&lake->columns[i], &source->columns[i]);
	return is_altered && lake->filenode != source->filenode;
}

bool check_same_definition(
	const struct relation *lake, const struct relation *source, struct error *why)
{
	if (lake->oid != source->oid)
		return error_set(why, ERROR_UNSUPPORTED, "the table was dropped and made again");
	if (lake->column_count != source->column_count)
		return error_set(why, ERROR_UNSUPPORTED, "the table had %zu columns and has %zu",
			lake->column_count, source->column_count);
	for (size_t i = 0; i < lake->column_count; i++) {
		const struct relation_column *was = &lake->columns[i], *is = &source->columns[i];
		if (strcmp(was->name, is->name) != 0)
			return error_set(why, ERROR_UNSUPPORTED,
				"column %zu was \"%s\" and is \"%s\"", i + 1, was->name, is->name);
		if (was->type_oid != is->type_oid || was->type_modifier != is->type_modifier)
			return error_set(why, ERROR_UNSUPPORTED, "column \"%s\" has another type",
				was->name);
		if (was->is_key != is->is_key)
			return error_set(why, ERROR_UNSUPPORTED,
				"the primary key is another (column \"%s\")", was->name);
		if (was->number != 0 && was->number != is->number)
			return error_set(why, ERROR_UNSUPPORTED,
				"column \"%s\" was dropped and made again", was->name);
	}
	if (lake->is_append != source->is_append)
		return error_set(why, ERROR_UNSUPPORTED, "the replica identity is another");
	if (was_rewritten(lake, source))
		return error_set(why, ERROR_UNSUPPORTED, "the table was rewritten by ALTER TABLE");
	return true;
}

bool check_is_newer(const struct relation *lake, const struct relation *source)
{
	bool is_newer = lake->filenode != source->filenode;
	for (size_t i = 0; i < lake->column_count; i++)
		is_newer |= lake->columns[i].xid != source->columns[i].xid;
	return is_newer;
}
