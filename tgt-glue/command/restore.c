/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands restore and revert; image-restore.c has the order of their
 * steps. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <string.h>

#include "base/cleanup.h"
#include "tgt-glue/reconcile/disk-states.h"
#include "tgt-glue/reconcile/reconcile.h"

int command_bring_back(const struct command_line *line, const char *verb,
		       const char *which, char *const *names)
{
	_cleanup_close_ int lock = -1;
	_cleanup_(fleet_fini) struct fleet fleet;
	_cleanup_(messages_fini) struct messages messages = { 0 };
	_cleanup_(reconcile_fini) struct reconcile reconcile = {
		.fleet = &fleet,
		.messages = &messages,
		.clients.which = which,
		.options.only = true
	};

	lock = command_load_locked(line, &fleet);
	if (lock < 0 ||
	    !command_clients(line, verb, names, &fleet, &reconcile.arena,
			     &reconcile.options.reset))
		return CLI_FAILED;
	return command_exit_code(&reconcile, reconcile_run(&reconcile));
}

int command_restore(const struct command_line *line)
{
	char *const names[] = { line->clients[0], NULL };

	if (line->from)
		return command_restore_from(line);
	return command_bring_back(line, "restore", line->clients[1], names);
}

int command_revert(const struct command_line *line)
{
	const char *name = line->clients[0];

	if (strcmp(name, WHICH_KEPT) != 0 && disk_states_check_name(name) < 0)
		return command_failed();
	return command_bring_back(line, "revert", name, line->clients + 1);
}
