#include "cmd/cmd.h"
#include "cmd/doctor.h"

bool cmd_doctor(const struct cmd_line *line, struct error *err)
{
	struct arena arena = { 0 };
	struct configuration configuration;
	struct doctor doctor = { .configuration = &configuration };
	bool done = cmd_load_configuration(line, line->count > 0, &arena, &configuration, err);
	if (done) {
		doctor_examine(&doctor);
		if (line->is_json)
			done = doctor_print_json(&doctor, stdout, err);
		else
			doctor_print(&doctor, stdout);
	}
	if (done && doctor_count(&doctor, VERDICT_WRONG) > 0) {
		err->kind = ERROR_NONE; /* all is told */
		done = false;
	}
	arena_deinit(&doctor.arena);
	arena_deinit(&arena);
	return done;
}
