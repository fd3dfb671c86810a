#include "cmd/aligned.h"
#include "cmd/show.h"
#include "cmd/status.h"

#include <inttypes.h>

static const char *const PHASES[] = {
	[LAKE_NEW] = "new",
	[LAKE_STARTING] = "starting",
	[LAKE_LIVE] = "live",
	[LAKE_DROPPED] = "dropped",
};

static const char *const STATES[] = {
	[TABLE_FORGOTTEN] = "forgotten",
	[TABLE_LIVE] = "live",
	[TABLE_SNAPSHOT] = "snapshot",
	[TABLE_PAUSED] = "paused",
	[TABLE_LEFT_OUT] = "left out",
};

static const char *state_text(const struct status *status, const struct status_table *table)
{
	if (table->row->state == TABLE_LIVE && status->lake->phase == LAKE_DROPPED)
		return "kept: not captured any more";
	if (table->row->state == TABLE_LIVE && table->is_append)
		return "append: updates and deletes are not seen";
	if (table->row->state == TABLE_SNAPSHOT)
		return table->has_version ? "snapshot: being read again" : "snapshot: being read";
	return STATES[table->row->state];
}

static bool is_reading(const struct status *status)
{
	return strncmp(status->process.text, "reading", strlen("reading")) == 0;
}

/* ---- for people ---- */

static void print_lake(const struct status *status, FILE *out)
{
	const struct lake *lake = status->lake;
	char position[LSN_TEXT_SIZE], at[SHOW_SIZE];
	fprintf(out, "lake      %s in %s, ", lake->id, status->configuration->lake_directory);
	if (lake->phase == LAKE_DROPPED)
		fputs("dropped: the source is let go, the tables stay", out);
	else if (lake->position == 0)
		fputs("its initial snapshot is not complete", out);
	if (lake->position != 0)
		fprintf(out, "%sat %s (%s)", lake->phase == LAKE_DROPPED ? "; " : "",
			lsn_format(lake->position, position), show_time(lake->position_at, at));
	fputc('\n', out);
}

static void print_process(const struct status *status, FILE *out)
{
	const struct process_activity *process = &status->process;
	char span[SHOW_SIZE];
	if (!status->is_running) {
		fputs("process   none is running (\"walberg run\" starts one)\n", out);
		return;
	}
	fprintf(out, "process   %d, for %s: %s", process->pid,
		show_span(status->now - process->started_at, span), process->text);
	if (is_reading(status))
		fprintf(out, ", %" PRIu64 " rows", (uint64_t)process->copied_rows);
	else if (status->lake->phase == LAKE_LIVE && !process->metrics.is_connected)
		fputs(", not connected to the source", out);
	fputc('\n', out);
	if (process->http[0] != '\0')
		fprintf(out, "          %s/metrics\n", process->http);
	if (process->metrics.is_log_full)
		fputs("          nothing is read from the source: the log has reached "
		      "log.size_limit,\n          and waits for the tables; a transaction larger "
		      "than "
		      "that never fits\n",
			out);
}

static void print_slot(const struct status *status, FILE *out)
{
	const struct source_state *source = &status->source;
	char confirmed[LSN_TEXT_SIZE], restart[LSN_TEXT_SIZE], held[SHOW_SIZE];
	if (!source->has_slot)
		fprintf(out, "slot      %s does not exist\n", status->lake->slot_name);
	else if (source->slot_is_lost)
		fprintf(out, "slot      %s was invalidated by the server\n",
			status->lake->slot_name);
	else
		fprintf(out, "slot      %s, confirmed %s, restarts at %s, holds back %s of WAL\n",
			status->lake->slot_name, lsn_format(source->confirmed_lsn, confirmed),
			lsn_format(source->restart_lsn, restart),
			show_bytes(status->held_bytes, held));
}

static void print_source(const struct status *status, FILE *out)
{
	char position[LSN_TEXT_SIZE], bytes[SHOW_SIZE], span[SHOW_SIZE];
	if (!status->is_reachable) {
		fprintf(out, "source    not looked at: %s\n", status->source_trouble);
		return;
	}
	fprintf(out, "source    PostgreSQL %d, at %s\n", status->source.server_version / 10000,
		lsn_format(status->source.current_lsn, position));
	if (status->source_trouble != NULL)
		fprintf(out, "          %s\n", status->source_trouble);
	if (status->lake->phase != LAKE_DROPPED)
		print_slot(status, out);
	if (status->lake->phase == LAKE_LIVE)
		fprintf(out, "lag       %s, %s\n", show_bytes(status->lag_bytes, bytes),
			show_span(status->lag, span));
}

static void add_text(struct aligned *aligned, const char *text)
{
	aligned_add(aligned, bytes_of_cstring(text));
}

static void add_table(
	struct aligned *aligned, const struct status *status, const struct status_table *table)
{
	char text[LSN_TEXT_SIZE];
	struct arena arena = { 0 };
	const struct catalog_table *row = table->row;
	add_text(aligned, arena_format(&arena, "%s.%s", row->namespace_name, row->name));
	if (table->has_version) {
		add_text(aligned, arena_format(&arena, "%" PRIu64, table->version.row_count));
		add_text(aligned, arena_format(&arena, "%" PRId64, table->version.snapshot_id));
	} else {
		add_text(aligned, "");
		add_text(aligned, "");
	}
	add_text(aligned, table->position != 0 ? lsn_format(table->position, text) : "");
	add_text(aligned, state_text(status, table));
	arena_deinit(&arena);
}

/* What brings a table back, where its reason does not say it. */
static void print_mending(const struct catalog_table *row, FILE *out)
{
	if (row->state != TABLE_PAUSED || strstr(row->reason, "walberg snapshot") != NULL)
		return;
	if (row->reason[strlen(row->reason) - 1] != '.')
		fputc('.', out);
	fprintf(out, " \"walberg snapshot %s.%s\" brings it back.", row->namespace_name, row->name);
}

static void print_reason(const struct status *status, const struct status_table *table, FILE *out)
{
	const struct catalog_table *row = table->row;
	if (row->reason[0] != '\0') {
		fprintf(out, "%s.%s is %s: %s", row->namespace_name, row->name,
			state_text(status, table), row->reason);
		print_mending(row, out);
		fputc('\n', out);
	}
	if (table->trouble != NULL)
		fprintf(out, "%s.%s cannot be looked at: %s\n", row->namespace_name, row->name,
			table->trouble);
}

static void print_tables(const struct status *status, FILE *out)
{
	static const char *const NAMES[] = { "table", "rows", "version", "position", "state" };
	static const bool IS_RIGHT[] = { false, true, true, true, false };
	struct aligned aligned;
	aligned_init(&aligned, out, sizeof NAMES / sizeof *NAMES, NAMES, IS_RIGHT);
	for (size_t i = 0; i < status->table_count; i++)
		add_table(&aligned, status, &status->tables[i]);
	aligned_finish(&aligned);
	aligned_deinit(&aligned);
	for (size_t i = 0; i < status->table_count; i++)
		print_reason(status, &status->tables[i], out);
}

void status_print(const struct status *status, FILE *out)
{
	char log[SHOW_SIZE];
	print_lake(status, out);
	print_process(status, out);
	print_source(status, out);
	fprintf(out, "log       %s\n\n", show_bytes(status->log_bytes, log));
	print_tables(status, out);
}

/* ---- for programs ---- */

static void member_lsn(struct json_writer *writer, const char *key, lsn_t lsn)
{
	char text[LSN_TEXT_SIZE];
	json_write_member_cstring(writer, key, lsn != 0 ? lsn_format(lsn, text) : NULL);
}

static void member_time(struct json_writer *writer, const char *key, micros_t at)
{
	char text[SHOW_SIZE];
	json_write_member_cstring(writer, key, at != 0 ? show_time_json(at, text) : NULL);
}

static void write_lake(const struct status *status, struct json_writer *writer)
{
	const struct lake *lake = status->lake;
	json_write_key(writer, "lake");
	json_write_begin_object(writer);
	json_write_member_cstring(writer, "id", lake->id);
	json_write_member_cstring(writer, "directory", status->configuration->lake_directory);
	json_write_member_cstring(writer, "phase", PHASES[lake->phase]);
	json_write_member_uint(writer, "commit_number", lake->commit_number);
	member_lsn(writer, "position", lake->position);
	member_time(writer, "position_at", lake->position_at);
	json_write_end_object(writer);
}

/* The file of another process: its number may be anything. */
static const char *step_name(uint32_t step)
{
	return step < STEP_COUNT ? publisher_step_name((enum publisher_step)step) : "unknown";
}

static void write_process(const struct status *status, struct json_writer *writer)
{
	const struct process_activity *process = &status->process;
	json_write_key(writer, "process");
	if (!status->is_running) {
		json_write_null(writer);
		return;
	}
	json_write_begin_object(writer);
	json_write_member_int(writer, "pid", process->pid);
	member_time(writer, "started_at", process->started_at);
	json_write_member_cstring(writer, "activity", process->text);
	json_write_member_cstring(writer, "step", step_name(process->publisher_step));
	json_write_member_bool(writer, "is_connected", process->metrics.is_connected != 0);
	json_write_member_bool(writer, "is_log_full", process->metrics.is_log_full != 0);
	json_write_member_uint(writer, "copied_rows", process->copied_rows);
	json_write_member_cstring(writer, "http", process->http[0] != '\0' ? process->http : NULL);
	json_write_key(writer, "metrics");
	json_write_begin_object(writer);
	metrics_write_json(process, status->now, writer);
	json_write_end_object(writer);
	json_write_end_object(writer);
}

static void write_slot(const struct status *status, struct json_writer *writer)
{
	const struct source_state *source = &status->source;
	json_write_key(writer, "slot");
	if (!source->has_slot) {
		json_write_null(writer);
		return;
	}
	json_write_begin_object(writer);
	json_write_member_cstring(writer, "name", status->lake->slot_name);
	json_write_member_bool(writer, "is_active", source->slot_is_active);
	json_write_member_bool(writer, "is_lost", source->slot_is_lost);
	member_lsn(writer, "confirmed", source->confirmed_lsn);
	member_lsn(writer, "restart", source->restart_lsn);
	json_write_member_uint(writer, "held_bytes", status->held_bytes);
	json_write_end_object(writer);
}

static void write_source(const struct status *status, struct json_writer *writer)
{
	json_write_key(writer, "source");
	json_write_begin_object(writer);
	json_write_member_bool(writer, "is_reachable", status->is_reachable);
	json_write_member_cstring(writer, "trouble", status->source_trouble);
	if (status->is_reachable) {
		json_write_member_int(writer, "server_version", status->source.server_version);
		member_lsn(writer, "position", status->source.current_lsn);
		write_slot(status, writer);
	}
	json_write_end_object(writer);
}

static void write_lag(const struct status *status, struct json_writer *writer)
{
	const bool is_known = status->is_reachable && status->lake->phase == LAKE_LIVE;
	json_write_key(writer, "lag_bytes");
	if (is_known)
		json_write_uint(writer, status->lag_bytes);
	else
		json_write_null(writer);
	json_write_key(writer, "lag_seconds");
	if (is_known)
		json_write_double(writer, (double)status->lag / 1e6);
	else
		json_write_null(writer);
}

static void write_table(const struct status_table *table, struct json_writer *writer)
{
	const struct catalog_table *row = table->row;
	json_write_begin_object(writer);
	json_write_member_cstring(writer, "namespace", row->namespace_name);
	json_write_member_cstring(writer, "name", row->name);
	json_write_member_cstring(writer, "state", STATES[row->state]);
	json_write_member_bool(writer, "is_append", table->is_append);
	if (table->has_version) {
		json_write_member_uint(writer, "rows", table->version.row_count);
		json_write_member_int(writer, "snapshot_id", table->version.snapshot_id);
	}
	member_lsn(writer, "position", table->position);
	if (row->metadata_location[0] != '\0')
		json_write_member_cstring(writer, "metadata_location", row->metadata_location);
	if (row->reason[0] != '\0')
		json_write_member_cstring(writer, "reason", row->reason);
	if (table->trouble != NULL)
		json_write_member_cstring(writer, "trouble", table->trouble);
	json_write_end_object(writer);
}

bool status_print_json(const struct status *status, FILE *out, struct error *err)
{
	struct buffer text = { 0 };
	struct json_writer writer = json_writer_of(&text);
	json_write_begin_object(&writer);
	write_lake(status, &writer);
	write_process(status, &writer);
	write_source(status, &writer);
	write_lag(status, &writer);
	json_write_member_uint(&writer, "log_bytes", status->log_bytes);
	json_write_key(&writer, "tables");
	json_write_begin_array(&writer);
	for (size_t i = 0; i < status->table_count; i++)
		write_table(&status->tables[i], &writer);
	json_write_end_array(&writer);
	json_write_end_object(&writer);
	fprintf(out, "%.*s\n", (int)text.size, (const char *)text.data);
	buffer_deinit(&text);
	return json_write_finish(&writer, err);
}
