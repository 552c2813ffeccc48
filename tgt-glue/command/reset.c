/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command reset; image-reset.c has the order of its steps. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include "base/cleanup.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/reconcile/reconcile.h"

/* Selects clients without the lock, because a question may take long. */
static int ask(const struct command_line *line)
{
	_cleanup_(fleet_fini) struct fleet fleet;
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct strings clients = { 0 };
	int code;

	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	code = select_clients(line, &fleet, "reset", &arena, &clients);
	return code == CLI_DONE ? select_confirm(line, "reset", &clients)
				: code;
}

int command_reset(const struct command_line *line)
{
	_cleanup_close_ int lock = -1;
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_(messages_fini) struct messages messages = { 0 };
	_cleanup_(reconcile_fini) struct reconcile reconcile = {
		.fleet = &fleet, .messages = &messages, .options.only = true
	};
	int code = ask(line);

	if (code != CLI_DONE)
		return code;
	lock = command_load_locked(line, &fleet);
	if (lock < 0)
		return CLI_FAILED;
	code = select_clients(line, &fleet, "reset", &reconcile.arena,
			      &reconcile.options.reset);
	if (code != CLI_DONE)
		return code;
	return command_exit_code(&reconcile, reconcile_run(&reconcile));
}
