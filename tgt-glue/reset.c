/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command reset; aside.c has the order of it. */
#include "config.h"

#include "tgt-glue/command.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/rounds.h"

/* All of them are clients, or nothing is done. */
static int take_names(const struct command_line *line, struct fleet *fleet,
		      struct strings *ret)
{
	int r = 0;

	for (char **name = line->clients; *name; name++) {
		if (!fleet_client(fleet, *name)) {
			fail(-ENOENT,
			     "reset: expected a client of %s, found '%s'; `tgt-glue status\' lists them",
			     line->config, *name);
			r = -ENOENT;
			command_failed();
		} else if (!strings_have(ret, *name)) {
			strings_add(&fleet->conf.pool, ret, *name);
		}
	}
	return r;
}

int command_reset(const struct command_line *line)
{
	struct fleet fleet;
	struct notes notes = { 0 };
	struct rounds rounds = { .fleet = &fleet,
				 .notes = &notes,
				 .wishes.only = true };
	_cleanup_close_ int lock = -1;
	int r = command_load_locked(line, &fleet, &lock), code = EXIT_FAILED;

	if (r == 0)
		r = take_names(line, &fleet, &rounds.wishes.reset);
	if (r == 0) {
		r = rounds_run(&rounds);
		code = rounds_code(&rounds, r);
	}
	rounds_fini(&rounds);
	notes_fini(&notes);
	fleet_fini(&fleet);
	return code;
}
