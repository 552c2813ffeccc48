/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tgt-glue check: report every mistake in fleet.conf. */
#include "config.h"

#include <stdio.h>

#include "base/printable.h"
#include "tgt-glue/command/command.h"

int command_check(const struct command_line *line)
{
	struct fleet fleet;
	int r = command_load(line, &fleet);

	if (r == 0)
		print_line(stdout, "%s: %zu client%s, no mistakes",
			   line->config, fleet.n, fleet.n == 1 ? "" : "s");
	fleet_fini(&fleet);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
