/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command ipxe: prints one boot script, or writes all. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <errno.h>
#include <stdio.h>

#include "base/error.h"
#include "tgt-glue/command/boot-script.h"

int command_ipxe(const struct command_line *line)
{
	const struct client *client;
	struct fleet fleet;
	int r = command_load(line, &fleet);
	int code = EXIT_DONE;

	if (r < 0) {
		code = EXIT_FAILED;
	} else if (line->all) {
		r = boot_write_all(&fleet, line->all);
		code = r < 0 ? command_failed() : r ? EXIT_SKIPPED : EXIT_DONE;
	} else if ((client = fleet_client(&fleet, line->client))) {
		fputs(boot_script(&fleet, client), stdout);
	} else {
		fail(-ENOENT,
		     "%s: client: expected one of fleet.conf, found '%s'; `tgt-glue status\' lists them",
		     line->config, line->client);
		code = command_failed();
	}
	fleet_fini(&fleet);
	return code;
}
