/* SPDX-License-Identifier: GPL-2.0-or-later */
/* fleet.conf as every command loads it, and the messages of a failure. */
#include "config.h"

#include <stdio.h>

#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/command/command.h"
#include "tgt-glue/config/resolve.h"

int command_failed(void)
{
	print_line(stderr, "tgt-glue: %s", error_text());
	return EXIT_FAILED;
}

int command_load(const struct command_line *line, struct fleet *fleet)
{
	int r = fleet_load(line->config, NULL, fleet);

	if (r < 0 && fleet->conf.n_mistakes)
		conf_print_mistakes(&fleet->conf, stderr);
	else if (r < 0)
		command_failed();
	return r;
}
