/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command reset; image-reset.c has the order of its steps. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include "base/cleanup.h"
#include "base/printable.h"
#include "tgt-glue/command/select.h"
#include "tgt-glue/reconcile/reconcile.h"

/* Returns false, after naming them, if a client has no such disk, or one that
 * has no master: a disk of its own is never reset. */
static bool check_disk(const struct command_line *line,
		       const struct reconcile *reconcile)
{
	const struct strings *names = &reconcile->options.reset;
	bool good = true;

	for (size_t i = 0; line->disk && i < names->n; i++) {
		const struct disk *disk =
			client_disk(fleet_client(reconcile->fleet, names->v[i]),
				    line->disk);

		if (disk && disk->kind == DISK_CHILD)
			continue;
		good = false;
		print_line(
			stderr,
			disk ? "tgt-glue: reset: expected a disk with a master, found disk %s of client %s, which has none: its content is kept whatever is reset; to begin anew, log the client out and move its image away"
			     : "tgt-glue: reset: expected a data disk of the client, found '%s', which client %s does not have; `disks' in fleet.conf names them",
			line->disk, names->v[i]);
	}
	return good;
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
	int code = select_ask(line, "reset", &reconcile.arena, reset);

	if (code != CLI_DONE)
		return code;
	lock = command_load_locked(line, &fleet);
	if (lock < 0)
		return CLI_FAILED;
	/* Exactly these clients, though fleet.conf may have changed. */
	if (!select_exist(line, &fleet, reset))
		return CLI_FAILED;
	reconcile.options.reset_disk = line->disk;
	if (!check_disk(line, &reconcile))
		return CLI_FAILED;
	return command_exit_code(&reconcile, reconcile_run(&reconcile));
}
