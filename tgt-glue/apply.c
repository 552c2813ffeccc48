/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands plan and apply. */
#include "config.h"

#include "tgt-glue/command.h"

#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tgt-glue/rounds.h"

int command_plan(const struct command_line *line)
{
	struct fleet fleet;
	struct notes notes = { 0 };
	struct rounds rounds = { .fleet = &fleet,
				 .notes = &notes,
				 .dry = true,
				 .wishes.force = line->force };
	int r = command_load(line, &fleet), code = EXIT_FAILED;

	if (r == 0) {
		r = rounds_run(&rounds);
		code = rounds_code(&rounds, r);
	}
	rounds_fini(&rounds);
	notes_fini(&notes);
	fleet_fini(&fleet);
	return code == EXIT_LEFT ? EXIT_DONE : code;
}

int command_load_locked(const struct command_line *line, struct fleet *fleet,
			int *ret_lock)
{
	_cleanup_close_ int lock = -1;
	int r = command_load(line, fleet);

	if (r < 0)
		return r;
	lock = rounds_lock(fleet);
	if (lock < 0) {
		command_failed();
		return lock;
	}
	/* Whoever had the lock may have had it for long. */
	fleet_fini(fleet);
	r = command_load(line, fleet);
	if (r == 0)
		*ret_lock = steal_fd(&lock);
	return r;
}

/* Once.  *ret_again: something was in the way that may go away. */
static int apply_once(const struct command_line *line, struct notes *notes,
		      bool *ret_again)
{
	struct fleet fleet;
	struct rounds rounds = { .fleet = &fleet,
				 .notes = notes,
				 .remove = line->remove,
				 .wishes.force = line->force };
	_cleanup_close_ int lock = -1;
	int r = command_load_locked(line, &fleet, &lock), code = EXIT_FAILED;

	if (r == 0) {
		r = rounds_run(&rounds);
		code = rounds_code(&rounds, r);
	}
	*ret_again = code != EXIT_DONE && rounds.waiting;
	rounds_fini(&rounds);
	fleet_fini(&fleet);
	fflush(stdout);
	return code;
}

int command_apply(const struct command_line *line)
{
	struct notes notes = { 0 };
	bool again;
	int code;

	for (;;) {
		code = apply_once(line, &notes, &again);
		if (!again || !line->wait)
			break;
		notes_turn(&notes);
		/* Others may apply while we wait. */
		sleep(1);
	}
	notes_fini(&notes);
	return code;
}
