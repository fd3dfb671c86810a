#include "cmd/doctor.h"

#include "base/json.h"

#include <stdarg.h>

static const struct check {
	const char *topic;
	void (*look)(struct doctor *doctor);
} CHECKS[] = {
	{ "catalog", doctor_look_at_catalog },
	{ "source", doctor_look_at_settings },
	{ "source", doctor_look_at_slot },
	{ "source", doctor_look_at_tables },
	{ "store", doctor_look_at_store },
	{ "log", doctor_look_at_log },
	{ "http", doctor_look_at_http },
};

static const char *const VERDICTS[] = {
	[VERDICT_OK] = "ok",
	[VERDICT_WARNING] = "warning",
	[VERDICT_WRONG] = "wrong",
};

void doctor_examine(struct doctor *doctor)
{
	for (size_t i = 0; i < sizeof CHECKS / sizeof *CHECKS; i++) {
		doctor->topic = CHECKS[i].topic;
		CHECKS[i].look(doctor);
	}
}

/* --- findings --- */

static void add(struct doctor *doctor, const struct finding *finding)
{
	const size_t count = doctor->finding_count;
	if ((count & (count - 1)) == 0) { /* capacities are the powers of two */
		struct finding *larger =
			arena_array(&doctor->arena, struct finding, count ? 2 * count : 1);
		if (count > 0)
			memcpy(larger, doctor->findings, count * sizeof *larger);
		doctor->findings = larger;
	}
	doctor->findings[doctor->finding_count++] = *finding;
}

void doctor_say(struct doctor *doctor, enum verdict verdict, const char *subject, const char *mend,
	const char *format, ...)
{
	char text[1024];
	va_list arguments;
	va_start(arguments, format);
	vsnprintf(text, sizeof text, format, arguments);
	va_end(arguments);
	const struct finding finding = {
		.topic = doctor->topic,
		.subject = arena_copy_cstring(&doctor->arena, subject),
		.verdict = verdict,
		.text = arena_copy_cstring(&doctor->arena, text),
		.mend = arena_copy_cstring(&doctor->arena, mend != NULL ? mend : ""),
	};
	add(doctor, &finding);
}

void doctor_say_error(
	struct doctor *doctor, enum verdict verdict, const char *subject, const struct error *err)
{
	doctor_say(doctor, verdict, subject, err->hint, "%s", err->text);
}

size_t doctor_count(const struct doctor *doctor, enum verdict verdict)
{
	size_t count = 0;
	for (size_t i = 0; i < doctor->finding_count; i++)
		count += doctor->findings[i].verdict == verdict;
	return count;
}

/* --- printing --- */

void doctor_print(const struct doctor *doctor, FILE *out)
{
	for (size_t i = 0; i < doctor->finding_count; i++) {
		const struct finding *finding = &doctor->findings[i];
		fprintf(out, "%-8s %-8s %s: %s\n", finding->topic, VERDICTS[finding->verdict],
			finding->subject, finding->text);
		if (finding->mend[0] != '\0')
			fprintf(out, "%-17s %s\n", "", finding->mend);
	}
	fprintf(out, "%zu ok, %zu to be warned of, %zu wrong\n", doctor_count(doctor, VERDICT_OK),
		doctor_count(doctor, VERDICT_WARNING), doctor_count(doctor, VERDICT_WRONG));
}

bool doctor_print_json(const struct doctor *doctor, FILE *out, struct error *err)
{
	struct buffer text = { 0 };
	struct json_writer writer = json_writer_of(&text);
	const enum verdict worst = doctor_count(doctor, VERDICT_WRONG) > 0     ? VERDICT_WRONG
				   : doctor_count(doctor, VERDICT_WARNING) > 0 ? VERDICT_WARNING
									       : VERDICT_OK;
	json_write_begin_object(&writer);
	json_write_member_cstring(&writer, "verdict", VERDICTS[worst]);
	json_write_key(&writer, "findings");
	json_write_begin_array(&writer);
	for (size_t i = 0; i < doctor->finding_count; i++) {
		const struct finding *finding = &doctor->findings[i];
		json_write_begin_object(&writer);
		json_write_member_cstring(&writer, "topic", finding->topic);
		json_write_member_cstring(&writer, "subject", finding->subject);
		json_write_member_cstring(&writer, "verdict", VERDICTS[finding->verdict]);
		json_write_member_cstring(&writer, "text", finding->text);
		json_write_member_cstring(
			&writer, "mend", finding->mend[0] != '\0' ? finding->mend : NULL);
		json_write_end_object(&writer);
	}
	json_write_end_array(&writer);
	json_write_end_object(&writer);
	fprintf(out, "%.*s\n", (int)text.size, (const char *)text.data);
	buffer_deinit(&text);
	return json_write_finish(&writer, err);
}
