#include "lab.h"

#include "base/logline.h"
#include "format/pgcopy/pgcopy.h"
#include "format/pgvalue/pgvalue.h"

#include <stdlib.h>

enum {
	OID_INT4 = 23,
	OID_INT8 = 20,
	ACCOUNTS_A = 0,
	ACCOUNTS_B = 1,
	JOURNAL = 2,
};

uint64_t lab_random(struct lab *lab, uint64_t below)
{
	return test_random(&lab->random) % below;
}

size_t lab_seed_count(size_t usual)
{
	const char *text = getenv("WALBERG_SIM_SEEDS");
	return text != NULL ? strtoul(text, NULL, 10) : usual;
}

/* --- the recording --- */

static struct relation relation_of(struct lab *lab, uint32_t oid, const char *name, bool is_append,
	const char *const *names, const uint32_t *oids, size_t count)
{
	struct relation relation = {
		.oid = oid,
		.filenode = oid,
		.namespace_name = "public",
		.name = name,
		.replica_identity = 'd',
		.is_append = is_append,
		.column_count = count,
		.columns = arena_array(&lab->arena, struct relation_column, count),
	};
	for (size_t i = 0; i < count; i++) {
		relation.columns[i] = (struct relation_column){ names[i], oids[i], -1,
			{ oids[i] == OID_INT4 ? VALUE_INT : VALUE_LONG, 0, 0 }, true,
			!is_append && i == 0, 0, 0, NULL };
	}
	return relation;
}

static void add_tables(struct lab *lab)
{
	static const char *const ACCOUNT[] = { "id", "balance" };
	static const uint32_t ACCOUNT_OIDS[] = { OID_INT4, OID_INT8 };
	static const char *const LINE[] = { "tick", "source", "target", "amount" };
	static const uint32_t LINE_OIDS[] = { OID_INT8, OID_INT4, OID_INT4, OID_INT8 };
	lab->relations[ACCOUNTS_A] =
		relation_of(lab, 1001, "accounts_a", false, ACCOUNT, ACCOUNT_OIDS, 2);
	lab->relations[ACCOUNTS_B] =
		relation_of(lab, 1002, "accounts_b", false, ACCOUNT, ACCOUNT_OIDS, 2);
	lab->relations[JOURNAL] = relation_of(lab, 1003, "journal", true, LINE, LINE_OIDS, 4);
	for (size_t i = 0; i < LAB_TABLES; i++)
		(void)recording_add_table(lab->recording, &lab->relations[i]);
}

struct account {
	int32_t id;
	int64_t balance;
};

struct ledger {
	struct lab *lab;
	struct account accounts[2][LAB_ACCOUNTS];
	int32_t next_id;
	int64_t tick;
	micros_t at;
};

static struct pgoutput_tuple account_row(struct ledger *ledger, const struct account *account)
{
	struct arena *arena = &ledger->lab->arena;
	const struct pgoutput_value values[] = { replay_int4(arena, account->id),
		replay_int8(arena, account->balance) };
	return replay_row(arena, values, 2);
}

static void add_line(struct ledger *ledger, uint32_t xid, int64_t tick, int32_t source,
	int32_t target, int64_t amount)
{
	struct arena *arena = &ledger->lab->arena;
	const struct pgoutput_value values[] = { replay_int8(arena, tick),
		replay_int4(arena, source), replay_int4(arena, target),
		replay_int8(arena, amount) };
	recording_insert(ledger->lab->recording, xid, JOURNAL, replay_row(arena, values, 4));
}

static void change_account(
	struct ledger *ledger, uint32_t xid, size_t table, size_t index, struct account now)
{
	struct account *account = &ledger->accounts[table][index];
	recording_update(ledger->lab->recording, xid, table, account_row(ledger, account),
		account_row(ledger, &now));
	*account = now;
}

static void open_accounts(struct ledger *ledger)
{
	struct recording *recording = ledger->lab->recording;
	uint32_t xid = recording_begin(recording, false, ledger->at++);
	for (size_t table = 0; table < 2; table++) {
		for (size_t i = 0; i < LAB_ACCOUNTS; i++) {
			ledger->accounts[table][i] = (struct account){ ledger->next_id++, 1000000 };
			recording_insert(recording, xid, table,
				account_row(ledger, &ledger->accounts[table][i]));
		}
	}
	(void)recording_commit(recording, xid);
}

static void move_money(struct ledger *ledger, uint32_t xid)
{
	struct lab *lab = ledger->lab;
	size_t a = lab_random(lab, LAB_ACCOUNTS), b = lab_random(lab, LAB_ACCOUNTS);
	int64_t amount = (int64_t)lab_random(lab, 2000) - 1000;
	struct account from = ledger->accounts[0][a], to = ledger->accounts[1][b];
	from.balance -= amount;
	to.balance += amount;
	if (lab_random(lab, 8) == 0)
		from.id = ledger->next_id++; /* a key changes */
	change_account(ledger, xid, ACCOUNTS_A, a, from);
	change_account(ledger, xid, ACCOUNTS_B, b, to);
	add_line(ledger, xid, ledger->tick++, from.id, to.id, amount);
}

static void roll_back_something(struct ledger *ledger, uint32_t xid, bool is_streamed)
{
	struct lab *lab = ledger->lab;
	struct ledger before = *ledger;
	recording_savepoint(lab->recording, xid);
	for (uint64_t i = lab_random(lab, 5); i > 0; i--)
		add_line(ledger, xid, -1, 0, 0, 999999);
	move_money(ledger, xid);
	if (is_streamed && lab_random(lab, 2) == 0)
		recording_send_block(lab->recording, xid);
	recording_rollback_to_savepoint(lab->recording, xid);
	memcpy(ledger->accounts, before.accounts, sizeof before.accounts);
}

static void add_streamed(struct ledger *ledger)
{
	struct lab *lab = ledger->lab;
	struct ledger before = *ledger;
	uint32_t xid = recording_begin(lab->recording, true, ledger->at++);
	for (uint64_t i = 1 + lab_random(lab, 4); i > 0; i--) {
		move_money(ledger, xid);
		if (lab_random(lab, 3) == 0)
			roll_back_something(ledger, xid, true);
		if (lab_random(lab, 2) == 0)
			recording_send_block(lab->recording, xid);
	}
	if (lab_random(lab, 4) == 0) {
		recording_abort(lab->recording, xid);
		memcpy(ledger->accounts, before.accounts, sizeof before.accounts);
		return;
	}
	(void)recording_commit(lab->recording, xid);
}

static void add_plain(struct ledger *ledger)
{
	struct lab *lab = ledger->lab;
	uint32_t xid = recording_begin(lab->recording, false, ledger->at++);
	for (uint64_t i = 1 + lab_random(lab, 3); i > 0; i--)
		move_money(ledger, xid);
	if (lab_random(lab, 4) == 0)
		roll_back_something(ledger, xid, false);
	if (lab_random(lab, 40) == 0)
		recording_truncate(lab->recording, xid, &(size_t){ JOURNAL }, 1);
	(void)recording_commit(lab->recording, xid);
}

void lab_open(struct lab *lab, uint64_t seed, size_t transactions)
{
	logline_configure((struct logline_settings){ LOGLINE_ERROR, LOGLINE_TEXT, stderr });
	*lab = (struct lab){ .random = seed };
	lab->world = world_sim_open(seed);
	lab->recording = recording_open("7000000000000000001");
	add_tables(lab);
	struct ledger ledger = { .lab = lab, .next_id = 1, .at = 1700000000000000 };
	open_accounts(&ledger);
	for (size_t i = 0; i < transactions; i++) {
		if (lab_random(lab, 4) == 0)
			add_streamed(&ledger);
		else
			add_plain(&ledger);
		if (lab_random(lab, 5) == 0)
			(void)recording_advance(
				lab->recording, (uint32_t)(8 * (1 + lab_random(lab, 100))));
	}
}

void lab_close(struct lab *lab)
{
	recording_close(lab->recording);
	world_sim_close(lab->world);
	arena_deinit(&lab->arena);
}

/* --- what the lake must hold --- */

struct lines { /* rows as text, one after another */
	struct arena *arena;
	size_t count;
	const char **items;
};

static void add_rows(struct lines *lines, const struct batch *batch)
{
	struct buffer text = { 0 };
	for (size_t row = 0; row < batch->row_count; row++) {
		buffer_reset(&text);
		for (size_t i = 0; i < batch->column_count; i++) {
			pgvalue_format(&text, &batch->columns[i], row);
			buffer_append_u8(&text, ' ');
		}
		if ((lines->count & (lines->count - 1)) == 0)
			lines->items = memory_resize(
				lines->items, 2 * lines->count + 1, sizeof(const char *));
		lines->items[lines->count++] = arena_copy_text(lines->arena, buffer_bytes(&text));
	}
	buffer_deinit(&text);
}

static bool take_rows(void *context, const struct table_rows *rows, struct error *err)
{
	(void)err;
	add_rows(context, rows->batch);
	return true;
}

static void decode_copy(struct bytes copy, const struct relation *relation, struct batch *batch)
{
	struct pgcopy decoder;
	const struct pgcopy_field *fields;
	struct error err;
	pgcopy_init(&decoder, relation->column_count);
	pgcopy_push(&decoder, copy);
	while (true) {
		CHECK_OK(pgcopy_next_row(&decoder, &fields, &err), &err);
		if (fields == NULL)
			break;
		for (size_t i = 0; i < relation->column_count; i++) {
			struct pgvalue_decoder value = pgvalue_decoder_of(
				relation->columns[i].type_oid, relation->columns[i].type);
			CHECK_EQUAL(
				pgvalue_append(&value, 'b', fields[i].bytes, &batch->columns[i]),
				PGVALUE_FITS);
		}
		batch_finish_row(batch);
	}
	pgcopy_deinit(&decoder);
}

static void expect_rows(const struct lab *lab, size_t table, lsn_t position, struct lines *lines)
{
	struct buffer copy = { 0 };
	struct batch batch;
	replay_copy_at(lab->recording, table, position, &copy);
	batch_init_for(&batch, &lab->relations[table]);
	decode_copy(buffer_bytes(&copy), &lab->relations[table], &batch);
	add_rows(lines, &batch);
	batch_deinit(&batch);
	buffer_deinit(&copy);
}

static int compare_lines(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static void compare(const struct relation *relation, struct lines *found, struct lines *expected,
	lsn_t position)
{
	char text[LSN_TEXT_SIZE];
	if (found->count > 0)
		qsort(found->items, found->count, sizeof(const char *), compare_lines);
	if (expected->count > 0)
		qsort(expected->items, expected->count, sizeof(const char *), compare_lines);
	for (size_t i = 0; i < found->count || i < expected->count; i++) {
		const char *is = i < found->count ? found->items[i] : "(none)";
		const char *should = i < expected->count ? expected->items[i] : "(none)";
		if (strcmp(is, should) != 0)
			test_fail(__FILE__, __LINE__,
				"%s at %s: %zu rows, not %zu; sorted row %zu is %s, not %s",
				relation->name, lsn_format(position, text), found->count,
				expected->count, i, is, should);
	}
}

static void check_table(struct lab *lab, const struct catalog_table *row, size_t index,
	lsn_t position, struct store *store)
{
	static const int COLUMNS[] = { 0, 1, 2, 3 };
	const struct table_options options = { .zstd_level = 1,
		.file_size_target_bytes = 1 << 20,
		.row_group_rows = 1 << 16,
		.lake_id = "check" };
	const struct relation *relation = &lab->relations[index];
	struct arena arena = { 0 };
	struct error err = { 0 };
	struct table *table;
	if (row->state != TABLE_LIVE)
		test_fail(__FILE__, __LINE__, "%s is not live: %s", row->name, row->reason);
	CHECK_OK(table_load(lab->world, store, &options, relation, row->metadata_location, &table,
			 &err),
		&err);
	struct lines found = { .arena = &arena }, expected = { .arena = &arena };
	CHECK_OK(table_scan(table, COLUMNS, relation->column_count, take_rows, &found, &err), &err);
	expect_rows(lab, index, position, &expected);
	compare(relation, &found, &expected, position);

	const char **paths;
	size_t count;
	table_named_paths(table, &arena, &paths, &count);
	for (size_t i = 0; i < count; i++) {
		uint64_t size;
		CHECK_OK(store_size(store, paths[i], &size, &err), &err); /* I1 */
	}
	free(found.items);
	free(expected.items);
	table_close(table);
	arena_deinit(&arena);
}

void lab_check(struct lab *lab, struct catalog *catalog, struct store *store)
{
	struct arena arena = { 0 };
	struct catalog_view view;
	struct error err = { 0 };
	if (!catalog_load(catalog, &arena, &view, &err)) {
		CHECK_EQUAL(err.kind, ERROR_MISSING);
		return;
	}
	CHECK(view.lake.position >= lab->position);
	CHECK(view.lake.commit_number >= lab->commit_number);
	lab->position = view.lake.position;
	lab->commit_number = view.lake.commit_number;
	for (size_t i = 0; view.lake.phase == LAKE_LIVE && i < LAB_TABLES; i++) {
		const struct catalog_table *row =
			catalog_view_find(&view, "public", lab->relations[i].name);
		CHECK(row != NULL);
		check_table(lab, row, i, view.lake.position, store);
	}
	arena_deinit(&arena);
}

/* --- engines --- */

static bool open_log(struct engine *engine, const struct lake *lake, struct error *err)
{
	struct segment_options options = {
		.lake_id = lake->id,
		.codec = &log_codec_pgoutput,
		.segment_size_bytes = 2000,
		.size_limit_bytes = 64 << 20,
	};
	if (engine->keeps_log && lake->phase == LAKE_LIVE) {
		options.confirmed_lsn = engine->server.confirmed_lsn;
		options.needed = lake->log_position;
		options.needed_log_id = lake->log_id;
	} else {
		snprintf(engine->log_directory, sizeof engine->log_directory, "/log-%p-%u",
			(void *)engine, engine->opened);
	}
	engine->opened++;
	return log_segment_open(
		engine->lab->world, engine->log_directory, &options, &engine->log, err);
}

static bool open_new_log(void *context, struct log **out, struct error *err)
{
	struct engine *engine = context;
	if (!open_log(engine, publisher_lake(engine->publisher), err))
		return false;
	*out = engine->log;
	return true;
}

static bool tell_nobody(void *context, const struct relation *relation, uint64_t rows)
{
	(void)context;
	(void)relation;
	(void)rows;
	return true;
}

static bool begin_or_resume(struct engine *engine, struct error *err)
{
	const struct lake *lake = publisher_lake(engine->publisher);
	const struct filling_progress progress = { tell_nobody, NULL };
	if (lake->phase != LAKE_LIVE)
		return filling_begin_lake(
			engine->publisher, engine->source, open_new_log, engine, &progress, err);
	if (!engine->keeps_log) {
		engine->server.has_slot = true;
		engine->server.confirmed_lsn = lake->position;
		for (size_t i = 0; i < LAB_TABLES; i++)
			engine->server.is_published[i] = true;
	}
	if (!open_log(engine, lake, err))
		return false;
	publisher_use_log(engine->publisher, engine->log);
	return true;
}

static bool create_lake(struct engine *engine, struct error *err)
{
	struct arena arena = { 0 };
	struct catalog_view view;
	const struct lake lake = {
		.id = "feedbeef",
		.slot_name = "s",
		.publication_name = "p",
		.append_publication_name = "q",
		.system_identifier = "",
		.commit_id = "none",
		.log_id = "",
	};
	bool done = catalog_load(engine->catalog, &arena, &view, err) ||
		    (err->kind == ERROR_MISSING && catalog_create(engine->catalog, &lake, err));
	arena_deinit(&arena);
	return done;
}

bool engine_open(struct engine *engine, struct error *err)
{
	const struct publisher_options options = {
		.world = engine->lab->world,
		.store = engine->store,
		.catalog = engine->catalog,
		.table = { .zstd_level = 1,
			.file_size_target_bytes = 1 << 20,
			.row_group_rows = 1 << 16 },
		.pending_bytes_max = 64 << 10,
		.commit_interval = 400 * 1000,
		.history = { 10, 200, 600 * 1000000L, 600 * 1000000L },
		.step = engine->step,
		.context = engine->context,
	};
	const struct capture_last none = { 0 };
	bool done = create_lake(engine, err) && publisher_open(&options, &engine->publisher, err) &&
		    source_replay_open(engine->lab->world, &engine->server, &engine->source, err) &&
		    begin_or_resume(engine, err) &&
		    capture_open(engine->lab->world, engine->source, engine->log, &none,
			    &engine->is_logging, &engine->capture, err);
	if (!done)
		engine_close(engine);
	return done;
}

void engine_close(struct engine *engine)
{
	capture_close(engine->capture);
	source_close(engine->source);
	publisher_close(engine->publisher);
	log_close(engine->log);
	engine->capture = NULL;
	engine->source = NULL;
	engine->publisher = NULL;
	engine->log = NULL;
}

bool engine_step(struct engine *engine, struct error *err)
{
	return capture_step(engine->capture, 0, err) && publisher_step(engine->publisher, err);
}
