/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands restore and revert; image-restore.c has the order of their
 * steps. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <string.h>

#include "base/cleanup.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/reconcile/reconcile.h"
#include "tgt-glue/reconcile/saved-states.h"

int command_bring_back(const struct command_line *line, const char *verb,
		       struct reconcile *reconcile)
{
	const struct strings *names = &reconcile->options.reset;
	_cleanup_close_ int lock = -1;
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_(messages_fini) struct messages messages = { 0 };
	int code = CLI_FAILED;

	reconcile->fleet = &fleet;
	reconcile->messages = &messages;
	reconcile->options.only = true;
	lock = command_load_locked(line, &fleet);
	reconcile->options.reset_disk = line->disk;
	if (lock >= 0 && select_exist(line, &fleet, names) &&
	    select_have_disk(line, &fleet, verb, SELECT_WITH_IMAGE, names))
		code = command_exit_code(reconcile, reconcile_run(reconcile));
	reconcile_fini(reconcile);
	return code;
}

int command_restore(const struct command_line *line)
{
	struct reconcile reconcile = { .clients.which = line->clients[1] };

	if (line->from)
		return command_restore_from(line);
	strings_add(&reconcile.arena, &reconcile.options.reset,
		    line->clients[0]);
	return command_bring_back(line, "restore", &reconcile);
}

int command_revert(const struct command_line *line)
{
	const char *name = line->clients[0];
	const struct command_line others = select_after_name(line);
	struct reconcile reconcile = { .clients.which = name };
	int code;

	if (strcmp(name, WHICH_KEPT) != 0 && saved_states_check_name(name) < 0)
		return command_failed();
	code = select_ask(&others, "revert", &reconcile.arena,
			  &reconcile.options.reset);
	if (code == CLI_DONE)
		return command_bring_back(line, "revert", &reconcile);
	reconcile_fini(&reconcile);
	return code;
}
