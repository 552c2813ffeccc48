/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tgt-glue check: report every mistake in fleet.conf, and masters that depend
 * on a client; or explain clients; or report every unsound image. */
#include "config.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/printable.h"
#include "base/size.h"
#include "tgt-glue/backup/scrub.h"
#include "tgt-glue/backup/stop.h"
#include "tgt-glue/command/command.h"
#include "tgt-glue/command/explain.h"
#include "tgt-glue/reconcile/mount-probe.h"
#include "tgt-glue/reconcile/mount-reserve.h"
#include "tgt-glue/versions/check-names.h"
#include "tgt-glue/versions/check-parents.h"

static int check_images(const struct command_line *line, uint64_t rate)
{
	_cleanup_(messages_fini) struct messages messages = { 0 };
	_cleanup_(fleet_fini) struct fleet fleet;
	struct event_log log = { .messages = &messages };
	struct scrub scrub;

	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	stop_catch();
	log.file = fleet.log_file;
	if (scrub_run(&fleet, &log, rate, &scrub) < 0)
		return command_failed();
	if (scrub.unsound)
		return CLI_FAILED;
	return scrub.unchecked ? EXIT_SKIPPED : CLI_DONE;
}

int command_check(const struct command_line *line)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	const char *differs;
	struct strings wrong;
	uint64_t rate = 0;
	int r;

	if (line->rate &&
	    (!line->images || size_parse(line->rate, &rate) < 0)) {
		print_line(
			stderr,
			"tgt-glue: check: --rate: expected a size such as 50M, with --images, found '%s'",
			line->rate);
		return CLI_USAGE;
	}
	if (line->images && line->explain) {
		print_line(
			stderr,
			"tgt-glue: check: expected --images or --explain, found both; see `tgt-glue check --help'");
		return CLI_USAGE;
	}
	if (line->images)
		return check_images(line, rate);
	r = command_load(line, &fleet);
	if (line->explain && (r == 0 || fleet.conf.n_mistakes)) {
		const int code = explain_clients(line, &fleet);

		return r < 0 ? CLI_FAILED : code;
	}
	if (r < 0)
		return CLI_FAILED;
	/* The images themselves tell their parents, too. */
	mount_probe_set_silent(&fleet);
	/* Such a master works; only a publish and a promotion are refused. */
	wrong = check_all_names(&fleet, &arena);
	for (size_t i = 0; i < wrong.n; i++)
		print_line(stderr, "tgt-glue: warning: %s", wrong.v[i]);
	differs = mount_reserve_differs(&arena, &fleet);
	if (differs)
		print_line(stderr, "tgt-glue: warning: %s", differs);
	wrong = check_parents(&fleet, &arena);
	for (size_t i = 0; i < wrong.n; i++)
		print_line(stderr, "tgt-glue: %s", wrong.v[i]);
	if (wrong.n)
		return CLI_FAILED;
	print_line(stdout, "%s: %zu client%s, no mistakes", line->config,
		   fleet.n, fleet.n == 1 ? "" : "s");
	return CLI_DONE;
}
