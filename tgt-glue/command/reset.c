/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command reset; image-reset.c has the order of its steps. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include "base/cleanup.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/reconcile/reconcile.h"

/* Selects clients without the lock, because a question may take long.  The
 * names are in arena. */
static int ask(const struct command_line *line, struct arena *arena,
	       struct strings *ret)
{
	_cleanup_(fleet_fini) struct fleet fleet;
	_cleanup_(arena_fini) struct arena own = { 0 };
	struct strings clients = { 0 };
	int code;

	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	code = select_clients(line, &fleet, "reset", &own, &clients);
	if (code == CLI_DONE)
		code = select_confirm(line, "reset", &clients);
	for (size_t i = 0; i < clients.n; i++)
		strings_add_once(arena, ret, clients.v[i]);
	return code;
}

int command_reset(const struct command_line *line)
{
	_cleanup_close_ int lock = -1;
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_(messages_fini) struct messages messages = { 0 };
	_cleanup_(reconcile_fini) struct reconcile reconcile = {
		.fleet = &fleet, .messages = &messages, .options.only = true
	};
	struct strings *reset = &reconcile.options.reset;
	int code = ask(line, &reconcile.arena, reset);

	if (code != CLI_DONE)
		return code;
	lock = command_load_locked(line, &fleet);
	if (lock < 0)
		return CLI_FAILED;
	/* Exactly these clients, though fleet.conf may have changed. */
	for (size_t i = 0; i < reset->n; i++)
		if (!command_client(line, &fleet, reset->v[i]))
			return CLI_FAILED;
	return command_exit_code(&reconcile, reconcile_run(&reconcile));
}
