/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The commands plan and apply, and the loading that apply and reset share. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "store/store.h"
#include "tgt-glue/config/read.h"
#include "tgt-glue/reconcile/mount-probe.h"
#include "tgt-glue/reconcile/reconcile.h"

int command_exit_code(const struct reconcile *reconcile, int r)
{
	if (r < 0 || reconcile->failed)
		return CLI_FAILED;
	return reconcile->skipped ? EXIT_SKIPPED : CLI_DONE;
}

/* Prints why the mount hangs the command; false: it does not. */
static bool report_silent(struct fleet *fleet)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };

	mount_probe_set_silent(fleet);
	if (fleet->mount_silent)
		print_line(stderr, "tgt-glue: %s",
			   mount_problem(&arena, fleet, MOUNT_SILENT));
	return fleet->mount_silent;
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

	if (command_load(line, &fleet) < 0 || report_silent(&fleet))
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

/* What is left after a pass: nothing, an obstacle that may go away by itself,
 * or something that another pass does. */
enum rest { REST_NONE, REST_OBSTACLE, REST_MORE };

static void close_images(struct store **images)
{
	if (*images)
		store_close(*images);
	*images = NULL;
}

/* *images: the catalog of the pass before, or null; the caller closes it. */
static int apply_once(const struct command_line *line,
		      struct messages *messages, struct store **images,
		      enum rest *ret_rest)
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

	*ret_rest = REST_NONE;
	lock = command_load_locked(line, &fleet);
	if (lock < 0)
		return CLI_FAILED;
	/* fleet.conf may name another store than before. */
	if (*images && strcmp(store_root(*images), fleet.rootdir.path) != 0)
		close_images(images);
	reconcile.clients.images = *images;
	code = command_exit_code(&reconcile, reconcile_run(&reconcile));
	*images = steal(reconcile.clients.images);
	if (reconcile.more)
		*ret_rest = REST_MORE;
	else if (code != CLI_DONE && reconcile.waiting)
		*ret_rest = REST_OBSTACLE;
	fflush(stdout);
	return code;
}

int command_apply(const struct command_line *line)
{
	_cleanup_(messages_fini) struct messages messages = { 0 };
	_cleanup_(close_images) struct store *images = NULL;
	enum rest rest;
	int code = apply_once(line, &messages, &images, &rest);

	while (rest == REST_MORE || (rest == REST_OBSTACLE && line->wait)) {
		messages_next_pass(&messages);
		/* The lock is free meanwhile: another process may apply. */
		if (rest == REST_OBSTACLE)
			sleep(1);
		code = apply_once(line, &messages, &images, &rest);
	}
	return code;
}
