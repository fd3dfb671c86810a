#include "engine/metrics.h"

#include "engine/process.h"

#include <inttypes.h>
#include <stdlib.h>

enum metric_type {
	METRIC_COUNTER = 1,
	METRIC_GAUGE,
	METRIC_HISTOGRAM,
};

enum metric_form {
	FORM_U64 = 1,
	FORM_HISTOGRAM, /* struct metrics_histogram */
	FORM_FUNCTION,
};

struct metric {
	const char *name;
	enum metric_type type;
	const char *help;
	const char *label; /* NULL: one value */
	const char *const
		*labels; /* of the values that lie one after another; NULL among them: not shown */
	size_t label_count;
	enum metric_form form;
	size_t offset; /* in struct metrics */
	double (*value)(const struct process_activity *activity, micros_t now);
};

/* --- values that are worked out --- */

uint64_t metrics_lag_bytes(const struct process_activity *activity)
{
	const struct metrics *metrics = &activity->metrics;
	const uint64_t position = metrics->position;
	const uint64_t source = metrics->source_position;
	return metrics->is_live && position > 0 && source > position ? source - position : 0;
}

micros_t metrics_lag(const struct process_activity *activity, micros_t now)
{
	const micros_t at = activity->metrics.position_at;
	return metrics_lag_bytes(activity) > 0 && now > at ? now - at : 0;
}

static double lag_bytes(const struct process_activity *activity, micros_t now)
{
	(void)now;
	return (double)metrics_lag_bytes(activity);
}

static double lag_seconds(const struct process_activity *activity, micros_t now)
{
	return (double)metrics_lag(activity, now) / 1e6;
}

static double uptime_seconds(const struct process_activity *activity, micros_t now)
{
	return now > activity->started_at ? (double)(now - activity->started_at) / 1e6 : 0;
}

/* RssAnon of proc(5): what the process has for itself; mapped files are not in it. */
static double memory_bytes(const struct process_activity *activity, micros_t now)
{
	(void)now;
	char path[64], line[256];
	unsigned long long kilobytes = 0;
	snprintf(path, sizeof path, "/proc/%d/status", activity->pid);
	FILE *file = fopen(path, "re");
	if (file == NULL)
		return 0;
	while (fgets(line, sizeof line, file) != NULL)
		if (sscanf(line, "RssAnon: %llu", &kilobytes) == 1)
			break;
	fclose(file);
	return (double)kilobytes * 1024;
}

static double one(const struct process_activity *activity, micros_t now)
{
	(void)activity;
	(void)now;
	return 1;
}

static double reconnects(const struct process_activity *activity, micros_t now)
{
	(void)now;
	const uint64_t connections = activity->metrics.connections;
	return connections > 0 ? (double)(connections - 1) : 0;
}

static double reopenings(const struct process_activity *activity, micros_t now)
{
	(void)now;
	const uint64_t openings = activity->metrics.openings;
	return openings > 0 ? (double)(openings - 1) : 0;
}

uint64_t metrics_work(const struct process_activity *activity)
{
	const struct metrics *metrics = &activity->metrics;
	uint64_t work = metrics->store.bytes_written + metrics->store.bytes_read +
			metrics->snapshot_rows + metrics->openings;
	for (size_t i = 0; i < APPLY_OPERATION_COUNT; i++)
		work += metrics->apply.rows[i];
	return work;
}

/* --- the table --- */

static const char *const OPERATIONS[] = { "insert", "update", "delete", "truncate" };
static const char *const STATES[] = { NULL, "live", "snapshot", "paused", "left_out" };
static const char *const KINDS[] = { NULL, "busy", "lost", "missing", "conflict", "uncertain",
	"limit", "corrupt", "unsupported", "setup" };
static const char *const VERSIONS[] = { WALBERG_VERSION };

_Static_assert(sizeof STATES / sizeof *STATES == TABLE_STATE_COUNT, "a state has no label");
_Static_assert(sizeof KINDS / sizeof *KINDS == ERROR_KIND_COUNT, "a kind has no label");

/* Seconds; the last bucket of a histogram is +Inf. */
static const double BOUNDS[METRICS_BUCKET_COUNT - 1] = { 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5,
	5, 10 };

#define AT(field) .offset = offsetof(struct metrics, field)
#define LABELS(label_, labels_)                                                                    \
	.label = (label_), .labels = (labels_), .label_count = sizeof(labels_) / sizeof *(labels_)

static const struct metric METRICS[] = {
	{ "walberg_build_info", METRIC_GAUGE, "Always 1; the version is in the label.",
		LABELS("version", VERSIONS), .form = FORM_FUNCTION, .value = one },
	{ "walberg_uptime_seconds", METRIC_GAUGE, "Time since the process started.",
		.form = FORM_FUNCTION, .value = uptime_seconds },
	{ "walberg_memory_bytes", METRIC_GAUGE,
		"Memory of the process's own (RssAnon), without mapped files.",
		.form = FORM_FUNCTION, .value = memory_bytes },
	{ "walberg_live", METRIC_GAUGE,
		"1 while the tables are open and follow the source, 0 while they are read for the "
		"first time, or opened again after an error.",
		.form = FORM_U64, AT(is_live) },
	{ "walberg_connected", METRIC_GAUGE, "1 while changes are streamed from the source.",
		.form = FORM_U64, AT(is_connected) },
	{ "walberg_reconnects_total", METRIC_COUNTER,
		"Connections to the source that were made after one was lost.",
		.form = FORM_FUNCTION, .value = reconnects },
	{ "walberg_reopenings_total", METRIC_COUNTER,
		"Times that the tables were opened again after an error.", .form = FORM_FUNCTION,
		.value = reopenings },
	{ "walberg_position_bytes", METRIC_GAUGE,
		"The lake's position, as a number: the source's commits up to this LSN are in the "
		"tables.",
		.form = FORM_U64, AT(position) },
	{ "walberg_source_position_bytes", METRIC_GAUGE,
		"Where the source's WAL ends, as far as is known: it is asked every 10 s.",
		.form = FORM_U64, AT(source_position) },
	{ "walberg_confirmed_position_bytes", METRIC_GAUGE,
		"The LSN that the source was told is durable in the log.", .form = FORM_U64,
		AT(confirmed_lsn) },
	{ "walberg_lag_bytes", METRIC_GAUGE, "WAL of the source that is not in the tables yet.",
		.form = FORM_FUNCTION, .value = lag_bytes },
	{ "walberg_lag_seconds", METRIC_GAUGE,
		"Age of the lake's position while WAL is behind it; 0 when there is none.",
		.form = FORM_FUNCTION, .value = lag_seconds },
	{ "walberg_slot_held_bytes", METRIC_GAUGE,
		"WAL that the source keeps for the slot; it is asked every 10 s.", .form = FORM_U64,
		AT(slot_held_bytes) },
	{ "walberg_log_bytes", METRIC_GAUGE, "Size of the log.", .form = FORM_U64, AT(log_bytes) },
	{ "walberg_log_limit_bytes", METRIC_GAUGE, "log.size_limit.", .form = FORM_U64,
		AT(log_limit_bytes) },
	{ "walberg_log_full", METRIC_GAUGE,
		"1 while nothing is read from the source, because the log has reached its limit or "
		"its disk is full.",
		.form = FORM_U64, AT(is_log_full) },
	{ "walberg_transactions_total", METRIC_COUNTER,
		"Transactions of the source that were applied.", .form = FORM_U64,
		AT(apply.transactions) },
	{ "walberg_rows_applied_total", METRIC_COUNTER,
		"Changes of rows that were applied; a truncate counts once for each table.",
		LABELS("operation", OPERATIONS), .form = FORM_U64, AT(apply.rows) },
	{ "walberg_snapshot_rows_total", METRIC_COUNTER,
		"Rows that were read from tables of the source as a whole.", .form = FORM_U64,
		AT(snapshot_rows) },
	{ "walberg_tables", METRIC_GAUGE, "Tables of the source that the lake knows of.",
		LABELS("state", STATES), .form = FORM_U64, AT(tables) },
	{ "walberg_commit_seconds", METRIC_HISTOGRAM,
		"Time that a commit of the lake takes, from writing its files to the catalog's "
		"answer; the count is that of commits.",
		.form = FORM_HISTOGRAM, AT(commits) },
	{ "walberg_catalog_conflicts_total", METRIC_COUNTER,
		"Commits that the catalog refused because another writer had been there.",
		.form = FORM_U64, AT(catalog_conflicts) },
	{ "walberg_folds_total", METRIC_COUNTER,
		"Times that files of a table were folded into bigger ones.", .form = FORM_U64,
		AT(apply.folds) },
	{ "walberg_objects_written_total", METRIC_COUNTER, "Files written to the warehouse.",
		.form = FORM_U64, AT(store.objects_written) },
	{ "walberg_written_bytes_total", METRIC_COUNTER, "Bytes written to the warehouse.",
		.form = FORM_U64, AT(store.bytes_written) },
	{ "walberg_read_bytes_total", METRIC_COUNTER, "Bytes read from the warehouse.",
		.form = FORM_U64, AT(store.bytes_read) },
	{ "walberg_objects_removed_total", METRIC_COUNTER,
		"Files removed from the warehouse, after no version named them any more.",
		.form = FORM_U64, AT(store.objects_removed) },
	{ "walberg_store_errors_total", METRIC_COUNTER,
		"Calls to the warehouse that failed, by what walberg does about it: busy is tried "
		"again, uncertain is looked after, setup needs you.",
		LABELS("kind", KINDS), .form = FORM_U64, AT(store.errors) },
};

enum {
	METRIC_COUNT = sizeof METRICS / sizeof *METRICS,
};

/* --- reading --- */

void metrics_observe(struct metrics_histogram *histogram, micros_t took)
{
	size_t bucket = 0;
	while (bucket < METRICS_BUCKET_COUNT - 1 && (double)took > BOUNDS[bucket] * 1e6)
		bucket++;
	metrics_add(&histogram->buckets[bucket], 1);
	metrics_add(&histogram->sum, took > 0 ? (uint64_t)took : 0);
}

static const void *place_of(const struct metric *metric, const struct process_activity *activity)
{
	return (const char *)&activity->metrics + metric->offset;
}

/* Whole numbers stay exact: what a double cannot hold exactly is no number of ours. */
static void append_value(const struct metric *metric, const struct process_activity *activity,
	size_t index, micros_t now, struct buffer *out)
{
	if (metric->form == FORM_U64) {
		const _Atomic uint64_t *values = place_of(metric, activity);
		buffer_append_format(out, "%" PRIu64, (uint64_t)values[index]);
	} else {
		buffer_append_format(out, "%.15g", metric->value(activity, now));
	}
}

static const char *type_name(enum metric_type type)
{
	return type == METRIC_COUNTER ? "counter" : type == METRIC_GAUGE ? "gauge" : "histogram";
}

static uint64_t histogram_count(const struct metrics_histogram *histogram)
{
	uint64_t count = 0;
	for (size_t i = 0; i < METRICS_BUCKET_COUNT; i++)
		count += histogram->buckets[i];
	return count;
}

/* --- Prometheus --- */

static void print_histogram(
	const char *name, const struct metrics_histogram *histogram, struct buffer *out)
{
	uint64_t below = 0;
	for (size_t i = 0; i < METRICS_BUCKET_COUNT; i++) {
		below += histogram->buckets[i];
		if (i < METRICS_BUCKET_COUNT - 1)
			buffer_append_format(
				out, "%s_bucket{le=\"%g\"} %" PRIu64 "\n", name, BOUNDS[i], below);
	}
	buffer_append_format(out, "%s_bucket{le=\"+Inf\"} %" PRIu64 "\n", name, below);
	buffer_append_format(out, "%s_sum %.6f\n", name, (double)histogram->sum / 1e6);
	buffer_append_format(out, "%s_count %" PRIu64 "\n", name, below);
}

static void print_labelled(const struct metric *metric, const struct process_activity *activity,
	micros_t now, struct buffer *out)
{
	for (size_t i = 0; i < metric->label_count; i++) {
		if (metric->labels[i] == NULL)
			continue;
		buffer_append_format(
			out, "%s{%s=\"%s\"} ", metric->name, metric->label, metric->labels[i]);
		append_value(metric, activity, i, now, out);
		buffer_append_u8(out, '\n');
	}
}

void metrics_print(const struct process_activity *activity, micros_t now, struct buffer *out)
{
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		const struct metric *metric = &METRICS[i];
		buffer_append_format(out, "# HELP %s %s\n# TYPE %s %s\n", metric->name,
			metric->help, metric->name, type_name(metric->type));
		if (metric->form == FORM_HISTOGRAM) {
			print_histogram(metric->name, place_of(metric, activity), out);
		} else if (metric->label != NULL) {
			print_labelled(metric, activity, now, out);
		} else {
			buffer_append_format(out, "%s ", metric->name);
			append_value(metric, activity, 0, now, out);
			buffer_append_u8(out, '\n');
		}
	}
}

/* --- JSON --- */

static void write_value(const struct metric *metric, const struct process_activity *activity,
	size_t index, micros_t now, struct json_writer *writer)
{
	struct buffer text = { 0 };
	append_value(metric, activity, index, now, &text);
	json_write_raw(writer, buffer_bytes(&text));
	buffer_deinit(&text);
}

static void write_histogram(const struct metrics_histogram *histogram, struct json_writer *writer)
{
	json_write_begin_object(writer);
	json_write_member_uint(writer, "count", histogram_count(histogram));
	json_write_key(writer, "sum");
	json_write_double(writer, (double)histogram->sum / 1e6);
	json_write_end_object(writer);
}

void metrics_write_json(
	const struct process_activity *activity, micros_t now, struct json_writer *writer)
{
	for (size_t i = 0; i < METRIC_COUNT; i++) {
		const struct metric *metric = &METRICS[i];
		json_write_key(writer, metric->name);
		if (metric->form == FORM_HISTOGRAM) {
			write_histogram(place_of(metric, activity), writer);
			continue;
		}
		if (metric->label == NULL) {
			write_value(metric, activity, 0, now, writer);
			continue;
		}
		json_write_begin_object(writer);
		for (size_t k = 0; k < metric->label_count; k++) {
			if (metric->labels[k] == NULL)
				continue;
			json_write_key(writer, metric->labels[k]);
			write_value(metric, activity, k, now, writer);
		}
		json_write_end_object(writer);
	}
}

/* --- documentation --- */

static void print_row(const struct metric *metric, FILE *out)
{
	fprintf(out, "| `%s` | %s | %s", metric->name, type_name(metric->type), metric->help);
	if (metric->label != NULL && metric->labels != VERSIONS) {
		const char *before = "";
		fprintf(out, " `%s`: ", metric->label);
		for (size_t i = 0; i < metric->label_count; i++) {
			if (metric->labels[i] == NULL)
				continue;
			fprintf(out, "%s`%s`", before, metric->labels[i]);
			before = ", ";
		}
		fputc('.', out);
	}
	fputs(" |\n", out);
}

void metrics_print_markdown(FILE *out)
{
	fputs("# Metrics\n\n"
	      "A running `walberg run` shows these on `/metrics` of `http.listen` "
	      "(127.0.0.1:8080 unless set), in Prometheus's text format;\n"
	      "`walberg status --json` has them as `process.metrics`. Counters begin at 0 with "
	      "the process. A position is a PostgreSQL LSN\n"
	      "as a number of bytes.\n\n"
	      "| name | type | what it says |\n|---|---|---|\n",
		out);
	for (size_t i = 0; i < METRIC_COUNT; i++)
		print_row(&METRICS[i], out);
	fputs("\nTo be woken for: `walberg_log_full == 1`, `walberg_connected == 0` or "
	      "`walberg_live == 0` for minutes, `walberg_lag_seconds` or\n"
	      "`walberg_slot_held_bytes` that grow, `walberg_tables{state=\"paused\"} > 0`.\n\n"
	      "This page is written by `make docs`.\n",
		out);
}
