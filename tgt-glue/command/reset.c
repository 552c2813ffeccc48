/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command reset; image-reset.c has the order of its steps. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/reconcile/reconcile.h"

/* Reads the names of the clients.  One unknown name makes the command fail. */
static int read_names(const struct command_line *line, struct fleet *fleet,
		      struct strings *ret)
{
	int r = 0;

	for (char **name = line->clients; *name; name++) {
		if (!fleet_client(fleet, *name)) {
			fail(-ENOENT,
			     "reset: expected a client of %s, found '%s'; `tgt-glue status' lists them",
			     line->config, *name);
			r = -ENOENT;
			command_failed();
		} else if (!strings_have(ret, *name)) {
			strings_add(&fleet->conf.arena, ret, *name);
		}
	}
	return r;
}

int command_reset(const struct command_line *line)
{
	struct fleet fleet;
	struct messages messages = { 0 };
	struct reconcile reconcile = { .fleet = &fleet,
				       .messages = &messages,
				       .options.only = true };
	_cleanup_close_ int lock = -1;
	int r = command_load_locked(line, &fleet, &lock), code = EXIT_FAILED;

	if (r == 0)
		r = read_names(line, &fleet, &reconcile.options.reset);
	if (r == 0) {
		r = reconcile_run(&reconcile);
		code = command_exit_code(&reconcile, r);
	}
	reconcile_fini(&reconcile);
	messages_fini(&messages);
	fleet_fini(&fleet);
	return code;
}
