#include "engine/check.h"

#include "base/test.h"

static struct lake lake_of(void)
{
	return (struct lake){
		.id = "ab",
		.slot_name = "walberg_ab",
		.system_identifier = "7001",
		.timeline = 1,
		.position = 1000,
	};
}

static struct source_state source_of(void)
{
	return (struct source_state){
		.system_identifier = "7001",
		.timeline = 1,
		.has_slot = true,
		.confirmed_lsn = 900,
		.current_lsn = 5000,
	};
}

static void check_refused(const struct error *err, const char *text)
{
	CHECK_EQUAL(err->kind, ERROR_SETUP);
	if (strstr(err->text, text) == NULL)
		test_fail(__FILE__, __LINE__, "\"%s\", not \"%s\"", err->text, text);
	CHECK(strstr(err->hint, "walberg snapshot --all") != NULL);
}

TEST(a_lake_goes_on_with_the_server_it_was_filled_from)
{
	const struct lake lake = lake_of();
	struct source_state source = source_of();
	struct error err;
	CHECK_OK(check_source(&lake, &source, &err), &err);
	CHECK_OK(check_log(&lake, &source, 0, &err), &err);
	source.confirmed_lsn = 1000;
	source.current_lsn = 1000;
	CHECK_OK(check_log(&lake, &source, 900, &err), &err);
	source.confirmed_lsn = 1500;
	source.current_lsn = 1500;
	CHECK_OK(check_log(&lake, &source, 1500, &err), &err);
}

TEST(a_lake_does_not_go_on_with_another_server)
{
	const struct lake lake = lake_of();
	struct source_state source = source_of();
	struct error err;
	source.system_identifier = "7002";
	CHECK(!check_source(&lake, &source, &err));
	check_refused(&err, "the lake was filled from the database system 7001");
	source = source_of();
	source.timeline = 2;
	CHECK(!check_source(&lake, &source, &err));
	check_refused(&err, "the server is on timeline 2");
	source = source_of();
	source.has_slot = false;
	CHECK(!check_source(&lake, &source, &err));
	check_refused(&err, "replication slot \"walberg_ab\" does not exist any more");
	source = source_of();
	source.slot_is_lost = true;
	CHECK(!check_source(&lake, &source, &err));
	check_refused(&err, "replication slot \"walberg_ab\" was invalidated");
}

TEST(a_new_lake_takes_no_slot_and_no_publication_that_are_there_already)
{
	const struct lake lake = lake_of();
	struct source_state source = source_of();
	struct error err;
	CHECK(!check_is_free(&lake, &source, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, "slot \"walberg_ab\" exists already") != NULL);
	CHECK(strstr(err.hint, "source.slot") != NULL);
	source.has_slot = false;
	source.publication = "walberg_ab_append";
	CHECK(!check_is_free(&lake, &source, &err));
	CHECK_EQUAL(err.kind, ERROR_SETUP);
	CHECK(strstr(err.text, "publication \"walberg_ab_append\" exists already") != NULL);
	CHECK(strstr(err.hint, "source.slot") != NULL);
	source.publication = NULL;
	CHECK_OK(check_is_free(&lake, &source, &err), &err);
}

/* The slot was made again, or the lake and its log are an older copy. */
TEST(a_slot_beyond_lake_and_log_is_a_gap)
{
	const struct lake lake = lake_of();
	struct source_state source = source_of();
	struct error err;
	source.confirmed_lsn = 1001;
	CHECK(!check_log(&lake, &source, 0, &err));
	check_refused(&err, "changes are missing: slot \"walberg_ab\" stands at 0/3E9");
	CHECK(!check_log(&lake, &source, 1000, &err));
	check_refused(&err, "changes are missing");
	CHECK_OK(check_log(&lake, &source, 1001, &err), &err);
}

TEST(a_server_that_ends_before_the_lake_or_its_log_was_restored)
{
	const struct lake lake = lake_of();
	struct source_state source = source_of();
	struct error err;
	source.current_lsn = 999;
	CHECK(!check_log(&lake, &source, 0, &err));
	check_refused(&err, "the server's WAL ends at 0/3E7, the lake is already at 0/3E8");
	source.current_lsn = 1999;
	CHECK(!check_log(&lake, &source, 2000, &err));
	check_refused(&err, "restored from an older copy");
}

/* --- relations --- */

struct definition {
	struct relation_column columns[2];
	struct relation relation;
};

static void define(struct definition *definition)
{
	*definition = (struct definition){
		.columns = { { .name = "id",
				     .type_oid = 23,
				     .type_modifier = -1,
				     .type = { .type = VALUE_INT },
				     .is_required = true,
				     .is_key = true },
			{ .name = "note",
				.type_oid = 1043,
				.type_modifier = 104,
				.type = { .type = VALUE_STRING } } },
		.relation = { .oid = 7,
			.filenode = 7,
			.namespace_name = "public",
			.name = "orders",
			.replica_identity = 'd',
			.column_count = 2 },
	};
	definition->relation.columns = definition->columns;
}

TEST(a_relation_of_known_types_can_be_captured)
{
	struct definition orders;
	struct error why;
	define(&orders);
	CHECK_OK(check_relation(&orders.relation, &why), &why);
	orders.relation.replica_identity = 'f';
	CHECK_OK(check_relation(&orders.relation, &why), &why);
}

TEST(a_relation_that_cannot_be_kept_exactly_is_refused_with_the_reason)
{
	struct definition orders;
	struct error why;
	define(&orders);
	orders.columns[1].type.type = VALUE_NONE;
	CHECK(!check_relation(&orders.relation, &why));
	CHECK_EQUAL(why.kind, ERROR_UNSUPPORTED);
	CHECK(strstr(why.text, "column \"note\" has a type that is not captured") != NULL);
	CHECK(strstr(why.hint, "walberg snapshot public.orders") != NULL);
	orders.columns[1].type_name = "text[]";
	CHECK(!check_relation(&orders.relation, &why));
	CHECK_TEXT(why.text, "column \"note\" has a type that is not captured: text[]");
	define(&orders);
	orders.relation.column_count = 0;
	CHECK(!check_relation(&orders.relation, &why));
	CHECK(strstr(why.text, "no columns") != NULL);
	define(&orders);
	orders.relation.replica_identity = 'i';
	CHECK(!check_relation(&orders.relation, &why));
	CHECK(strstr(why.text, "REPLICA IDENTITY USING INDEX") != NULL);
	CHECK(strstr(why.hint, "ALTER TABLE public.orders") != NULL);
}

static void check_differs(
	const struct definition *was, const struct definition *is, const char *text)
{
	struct error why;
	CHECK(!check_same_definition(&was->relation, &is->relation, &why));
	CHECK_EQUAL(why.kind, ERROR_UNSUPPORTED);
	if (strstr(why.text, text) == NULL)
		test_fail(__FILE__, __LINE__, "\"%s\", not \"%s\"", why.text, text);
}

TEST(each_difference_between_lake_and_source_is_found)
{
	struct definition was, is;
	struct error why;
	define(&was);
	define(&is);
	CHECK_OK(check_same_definition(&was.relation, &is.relation, &why), &why);
	is.relation.oid = 8;
	check_differs(&was, &is, "dropped and made again");
	define(&is);
	is.relation.column_count = 1;
	check_differs(&was, &is, "had 2 columns and has 1");
	define(&is);
	is.columns[1].name = "remark";
	check_differs(&was, &is, "column 2 was \"note\" and is \"remark\"");
	define(&is);
	is.columns[1].type_oid = 25;
	check_differs(&was, &is, "column \"note\" has another type");
	define(&is);
	is.columns[1].type_modifier = 54;
	check_differs(&was, &is, "column \"note\" has another type");
	define(&is);
	is.columns[1].is_key = true;
	check_differs(&was, &is, "the primary key is another (column \"note\")");
	define(&is);
	was.columns[1].number = 2;
	is.columns[1].number = 3;
	check_differs(&was, &is, "column \"note\" was dropped and made again");
	define(&was);
	define(&is);
	is.relation.is_append = true;
	check_differs(&was, &is, "the replica identity is another");
}

TEST(only_another_file_and_a_changed_column_together_are_a_rewrite)
{
	struct definition was, is;
	struct error why;
	define(&was);
	define(&is);
	was.columns[0].xid = 700;
	is.columns[0].xid = 700;
	CHECK(!check_is_newer(&was.relation, &is.relation));
	is.relation.filenode = 8; /* VACUUM FULL */
	CHECK_OK(check_same_definition(&was.relation, &is.relation, &why), &why);
	CHECK(check_is_newer(&was.relation, &is.relation));
	is.columns[0].xid = 2; /* VACUUM FULL of pg_attribute */
	CHECK_OK(check_same_definition(&was.relation, &is.relation, &why), &why);
	is.columns[0].xid = 701;
	check_differs(&was, &is, "rewritten by ALTER TABLE");
	is.relation.filenode = was.relation.filenode; /* ALTER COLUMN SET NOT NULL */
	CHECK_OK(check_same_definition(&was.relation, &is.relation, &why), &why);
	CHECK(check_is_newer(&was.relation, &is.relation));
}
