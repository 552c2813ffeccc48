/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands plan and apply, and the loading that apply and reset share. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "tgt-glue/reconcile/reconcile.h"

int command_exit_code(const struct reconcile *reconcile, int r)
{
	if (r < 0 || reconcile->failed)
		return EXIT_FAILED;
	return reconcile->skipped ? EXIT_SKIPPED : EXIT_DONE;
}

int command_plan(const struct command_line *line)
{
	struct fleet fleet;
	struct messages messages = { 0 };
	struct reconcile reconcile = { .fleet = &fleet,
				       .messages = &messages,
				       .dry = true,
				       .options.force = line->force };
	int r = command_load(line, &fleet), code = EXIT_FAILED;

	if (r == 0) {
		r = reconcile_run(&reconcile);
		code = command_exit_code(&reconcile, r);
	}
	reconcile_fini(&reconcile);
	messages_fini(&messages);
	fleet_fini(&fleet);
	return code == EXIT_SKIPPED ? EXIT_DONE : code;
}

/* The lock needs the path of the targets-file alone: clients are resolved once,
 * under the lock. */
static int take_lock(const char *config)
{
	struct fleet fleet = { .rootdir.fd = -1 };
	int r = conf_read(config, &fleet.conf);

	if (r == 0) {
		fleet.n_shards = shard_resolve(&fleet.conf, &fleet.shards);
		r = reconcile_lock(&fleet);
	}
	fleet_fini(&fleet);
	return r;
}

int command_load_locked(const struct command_line *line, struct fleet *fleet,
			int *ret_lock)
{
	_cleanup_close_ int lock = take_lock(line->config);
	struct error why = *error_last();
	int r = command_load(line, fleet);

	if (r < 0)
		return r;
	if (lock < 0) {
		error_set(&why);
		command_failed();
		return lock;
	}
	*ret_lock = steal_fd(&lock);
	return 0;
}

/* Makes one pass.  *ret_again: an obstacle remains that may go away by
 * itself. */
static int apply_once(const struct command_line *line,
		      struct messages *messages, bool *ret_again)
{
	struct fleet fleet;
	struct reconcile reconcile = { .fleet = &fleet,
				       .messages = messages,
				       .remove = line->remove,
				       .options.force = line->force };
	_cleanup_close_ int lock = -1;
	int r = command_load_locked(line, &fleet, &lock), code = EXIT_FAILED;

	if (r == 0) {
		r = reconcile_run(&reconcile);
		code = command_exit_code(&reconcile, r);
	}
	*ret_again = code != EXIT_DONE && reconcile.waiting;
	reconcile_fini(&reconcile);
	fleet_fini(&fleet);
	fflush(stdout);
	return code;
}

int command_apply(const struct command_line *line)
{
	struct messages messages = { 0 };
	bool again;
	int code;

	for (;;) {
		code = apply_once(line, &messages, &again);
		if (!again || !line->wait)
			break;
		messages_next_pass(&messages);
		/* The lock is free meanwhile: another process may apply. */
		sleep(1);
	}
	messages_fini(&messages);
	return code;
}
