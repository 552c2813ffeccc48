/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command reset; image-reset.c has the order of its steps. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include "base/cleanup.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/reconcile/reconcile.h"

int command_reset(const struct command_line *line)
{
	_cleanup_close_ int lock = -1;
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_(messages_fini) struct messages messages = { 0 };
	_cleanup_(reconcile_fini) struct reconcile reconcile = {
		.fleet = &fleet, .messages = &messages, .options.only = true
	};
	struct strings *reset = &reconcile.options.reset;
	int code = select_ask(line, "reset", &reconcile.arena, reset);

	if (code != CLI_DONE)
		return code;
	lock = command_load_locked(line, &fleet);
	if (lock < 0)
		return CLI_FAILED;
	/* Exactly these clients, though fleet.conf may have changed. */
	if (!select_exist(line, &fleet, reset) ||
	    !select_have_disk(line, &fleet, "reset", SELECT_WITH_MASTER, reset))
		return CLI_FAILED;
	reconcile.options.reset_disk = line->disk;
	return command_exit_code(&reconcile, reconcile_run(&reconcile));
}
