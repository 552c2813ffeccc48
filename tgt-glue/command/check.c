/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tgt-glue check: report every mistake in fleet.conf, or every unsound image.
 */
#include "config.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/printable.h"
#include "base/size.h"
#include "tgt-glue/backup/scrub.h"
#include "tgt-glue/backup/stop.h"
#include "tgt-glue/command/command.h"

static int check_images(const struct command_line *line, uint64_t rate)
{
	_cleanup_(fleet_fini) struct fleet fleet;
	struct scrub scrub;

	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	stop_catch();
	if (scrub_run(&fleet, rate, &scrub) < 0)
		return command_failed();
	if (scrub.unsound)
		return CLI_FAILED;
	return scrub.unchecked ? EXIT_SKIPPED : CLI_DONE;
}

int command_check(const struct command_line *line)
{
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	uint64_t rate = 0;

	if (line->rate &&
	    (!line->images || size_parse(line->rate, &rate) < 0)) {
		print_line(
			stderr,
			"tgt-glue: check: --rate: expected a size such as 50M, with --images, found '%s'",
			line->rate);
		return CLI_USAGE;
	}
	if (line->images)
		return check_images(line, rate);
	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	print_line(stdout, "%s: %zu client%s, no mistakes", line->config,
		   fleet.n, fleet.n == 1 ? "" : "s");
	return CLI_DONE;
}
