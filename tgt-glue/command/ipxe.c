/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command ipxe: prints one boot script, or writes all. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "tgt-glue/command/boot-script.h"

int command_ipxe(const struct command_line *line)
{
	_cleanup_(fleet_fini) struct fleet fleet;
	_cleanup_(arena_fini) struct arena arena = { 0 };
	const struct client *client;
	int r;

	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	if (line->all) {
		r = boot_write_all(&fleet, *line->clients);
		return r < 0 ? command_failed() : r ? EXIT_SKIPPED : CLI_DONE;
	}
	client = command_client(line, &fleet, *line->clients);
	if (!client)
		return CLI_FAILED;
	fputs(boot_script(&arena, &fleet, client), stdout);
	return CLI_DONE;
}
