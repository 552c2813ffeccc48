/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command reset; image-reset.c has the order of its steps. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include "base/cleanup.h"
#include "tgt-glue/reconcile/reconcile.h"

int command_reset(const struct command_line *line)
{
	_cleanup_close_ int lock = -1;
	_cleanup_(fleet_fini) struct fleet fleet;
	_cleanup_(messages_fini) struct messages messages = { 0 };
	_cleanup_(reconcile_fini) struct reconcile reconcile = {
		.fleet = &fleet, .messages = &messages, .options.only = true
	};

	lock = command_load_locked(line, &fleet);
	if (lock < 0 ||
	    !command_clients(line, "reset", line->clients, &fleet,
			     &reconcile.arena, &reconcile.options.reset))
		return CLI_FAILED;
	return command_exit_code(&reconcile, reconcile_run(&reconcile));
}
