/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tgt-glue check: report every mistake in fleet.conf. */
#include "config.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/printable.h"
#include "tgt-glue/command/command.h"

int command_check(const struct command_line *line)
{
	_cleanup_(fleet_fini) struct fleet fleet;

	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	print_line(stdout, "%s: %zu client%s, no mistakes", line->config,
		   fleet.n, fleet.n == 1 ? "" : "s");
	return CLI_DONE;
}
