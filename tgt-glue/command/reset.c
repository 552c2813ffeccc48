/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command reset; image-reset.c has the order of its steps. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/printable.h"
#include "tgt-glue/reconcile/reconcile.h"

/* Reads the names of the clients.  Returns false, after naming each unknown
 * one, if there are any. */
static bool read_names(const struct command_line *line,
		       struct reconcile *reconcile)
{
	struct strings *reset = &reconcile->options.reset;
	bool known = true;

	for (char **name = line->clients; *name; name++) {
		if (!fleet_client(reconcile->fleet, *name)) {
			print_line(
				stderr,
				"tgt-glue: reset: expected a client of %s, found '%s'; `tgt-glue status' lists them",
				line->config, *name);
			known = false;
		} else if (!strings_have(reset, *name)) {
			strings_add(&reconcile->arena, reset, *name);
		}
	}
	return known;
}

int command_reset(const struct command_line *line)
{
	_cleanup_close_ int lock = -1;
	_cleanup_(fleet_fini) struct fleet fleet;
	_cleanup_(messages_fini) struct messages messages = { 0 };
	_cleanup_(reconcile_fini) struct reconcile reconcile = {
		.fleet = &fleet, .messages = &messages, .options.only = true
	};

	lock = command_load_locked(line, &fleet);
	if (lock < 0 || !read_names(line, &reconcile))
		return CLI_FAILED;
	return command_exit_code(&reconcile, reconcile_run(&reconcile));
}
