/*
 * run.h: the running process: capture in one thread, applying and publishing in another.
 *
 *	capture thread    source ─▶ log        reconnects by itself
 *	this thread       log ─▶ tables        opens the lake again after an error (supervisor)
 *	reading thread    one table at a time that is read again
 */
#ifndef ENGINE_RUN_H
#define ENGINE_RUN_H

#include "engine/configuration.h"
#include "engine/process.h"

#include <signal.h>

/* Makes the lake's directory where it is missing.  SETUP when no source is given. */
bool engine_open_process(const struct configuration *configuration, struct process **out,
	struct error *err) MUST_CHECK;

/*
 * Until *stop is set, which is a clean end and true, or an error that only an operator can mend.
 * watches: a person looks at standard error, which shows progress bars.
 */
bool engine_run(const struct configuration *configuration, struct process *process,
	volatile sig_atomic_t *stop, bool watches, struct error *err) MUST_CHECK;

#endif
