/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands plan and apply, and the loading that apply and reset share. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/config/read.h"
#include "tgt-glue/reconcile/reconcile.h"

int command_exit_code(const struct reconcile *reconcile, int r)
{
	if (r < 0 || reconcile->failed)
		return CLI_FAILED;
	return reconcile->skipped ? EXIT_SKIPPED : CLI_DONE;
}

int command_plan(const struct command_line *line)
{
	_cleanup_(fleet_fini) struct fleet fleet;
	_cleanup_(messages_fini) struct messages messages = { 0 };
	_cleanup_(reconcile_fini) struct reconcile reconcile = {
		.fleet = &fleet,
		.messages = &messages,
		.dry = true,
		.options.force = line->force
	};
	int code;

	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	code = command_exit_code(&reconcile, reconcile_run(&reconcile));
	return code == EXIT_SKIPPED ? CLI_DONE : code;
}

/* The lock needs the path of the targets-file alone: clients are resolved once,
 * under the lock. */
static int take_lock(const char *config)
{
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	int r = conf_read(config, &fleet.conf);

	if (r < 0)
		return r;
	fleet.n_shards = shard_resolve(&fleet.conf, &fleet.shards);
	return reconcile_lock(&fleet);
}

int command_load_locked(const struct command_line *line, struct fleet *fleet)
{
	_cleanup_close_ int lock = take_lock(line->config);
	struct error why = *error_last();
	int r = command_load(line, fleet);

	if (r < 0)
		return r;
	if (lock < 0) {
		error_set(&why);
		command_failed();
	}
	return steal_fd(&lock);
}

/* Makes one pass.  *ret_again: an obstacle remains that may go away by
 * itself. */
static int apply_once(const struct command_line *line,
		      struct messages *messages, bool *ret_again)
{
	_cleanup_close_ int lock = -1;
	_cleanup_(fleet_fini) struct fleet fleet;
	_cleanup_(reconcile_fini) struct reconcile reconcile = {
		.fleet = &fleet,
		.messages = messages,
		.remove = line->remove,
		.options.force = line->force
	};
	int code;

	*ret_again = false;
	lock = command_load_locked(line, &fleet);
	if (lock < 0)
		return CLI_FAILED;
	code = command_exit_code(&reconcile, reconcile_run(&reconcile));
	*ret_again = code != CLI_DONE && reconcile.waiting;
	fflush(stdout);
	return code;
}

int command_apply(const struct command_line *line)
{
	_cleanup_(messages_fini) struct messages messages = { 0 };
	bool again;
	int code = apply_once(line, &messages, &again);

	while (again && line->wait) {
		messages_next_pass(&messages);
		/* The lock is free meanwhile: another process may apply. */
		sleep(1);
		code = apply_once(line, &messages, &again);
	}
	return code;
}
