/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command status: reads the model (status.h), prints it, and warns. */
#include "config.h"

#include "tgt-glue/command/command.h"

#include <stdio.h>
#include <time.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/command/reader.h"
#include "tgt-glue/command/status-follow.h"
#include "tgt-glue/command/status-print.h"
#include "tgt-glue/config/resolve.h"

static void warn(struct status *s)
{
	if (free_space_is_low(&s->space))
		print_line(
			stderr,
			"tgt-glue: warning: %s: %s free, expected at least %s; remove what is not needed, such as old images (`rm %s/clients/.NAME.vhdx.DATE')",
			s->fleet.store, size_text(s->space.free),
			size_text(s->space.min_free),
			shell_word(s->fleet.store));
	for (size_t i = 0; i < s->n; i++)
		if (s->rows[i].n_writers > 1)
			print_line(
				stderr,
				"tgt-glue: warning: %s: %zu sessions can write to its disk, which damages its file system; expected one, found %s: log the others out, and give each machine its own address or secret",
				s->rows[i].name, s->rows[i].n_writers,
				status_initiators(s, &s->rows[i]));
	if (s->mount == MOUNT_DENIED)
		print_line(stderr, "tgt-glue: %s: no permission for the mount",
			   s->fleet.mount);
	if (s->denied)
		reader_print_denied();
	if (s->mount_problem)
		print_line(stderr, "tgt-glue: %s", s->mount_problem);
	for (size_t i = 0; i < s->fleet.n_shards; i++)
		if (s->shards[i].tgtd_error &&
		    status_shard_is_used(&s->shards[i]))
			print_line(stderr, "tgt-glue: %s",
				   s->shards[i].tgtd_error);
}

/* Without tgtd or the mount --prometheus does not fail: its text contains that
 * fact. */
static int show(const struct command_line *line, struct status *s)
{
	if (line->json && status_print_json(s) < 0)
		return command_failed();
	if (line->prometheus)
		status_print_prometheus(s);
	else if (!line->json)
		status_print_table(s);
	fflush(stdout);
	warn(s);
	return (s->denied || s->tgtd_error || s->mount != MOUNT_ANSWERS) &&
			       !line->prometheus
		       ? CLI_FAILED
		       : CLI_DONE;
}

/* Loads fleet.conf.  Where it has mistakes, prints them, unless quiet, and
 * loads the one that was applied last. */
static int load(const void *arg, bool quiet, struct status *s)
{
	const struct command_line *line = arg;
	struct fleet bad;
	int r = quiet ? fleet_load(line->config, NULL, &s->fleet)
		      : command_load(line, &s->fleet);

	if (r == 0)
		return 0;
	bad = s->fleet;
	r = fleet_load_good(&bad, true, &s->fleet);
	fleet_fini(&bad);
	if (r < 0)
		return r;
	s->mistaken = true;
	if (quiet)
		return 0;
	print_line(
		stderr,
		"tgt-glue: %s: correct it and run `tgt-glue check'; this is the fleet that was applied last",
		line->config);
	return 0;
}

int command_status(const struct command_line *line)
{
	_cleanup_(status_fini) struct status s = { .fleet = NO_FLEET,
						   .now = time(NULL) };
	_cleanup_(mount_probe_fini) struct mount_probe probe = { 0 };

	if (line->json && line->prometheus) {
		fputs("tgt-glue: expected --json or --prometheus, found both; see `tgt-glue --help'\n",
		      stderr);
		return CLI_USAGE;
	}
	if (line->follow && !line->json) {
		fputs("tgt-glue: --follow: expected --json too, found none; see `tgt-glue status --help'\n",
		      stderr);
		return CLI_USAGE;
	}
	if (line->follow)
		return status_follow(load, line);
	if (load(line, false, &s) < 0)
		return CLI_FAILED;
	status_read(&s, &probe);
	return show(line, &s);
}
