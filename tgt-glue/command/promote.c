/* SPDX-License-Identifier: GPL-2.0-or-later */
/* The command promote; versions/promote.h has the order of its steps. */
#include "config.h"

#include "tgt-glue/versions/promote.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/command/behind.h"
#include "tgt-glue/command/command.h"
#include "tgt-glue/command/family.h"
#include "tgt-glue/command/version-operand.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/versions/retire.h"
#include "tgt-glue/versions/version-events.h"

/* The clients of the family that are not on the version that they want. */
static void report(const struct fleet *fleet, const char *family)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(clients_fini) struct clients clients = { 0 };

	clients_init(&clients, fleet, &arena);
	for (size_t i = 0; i < fleet->n_disks; i++)
		if (text_equal(fleet->disks[i].family, family))
			client_image_inspect(&clients, &fleet->disks[i]);
	behind_print(&clients, family);
}

static int fail_both(void)
{
	print_line(
		stderr,
		"tgt-glue: promote: expected VERSION or --back, found both; see `tgt-glue promote --help'");
	return CLI_USAGE;
}

int command_promote(const struct command_line *line)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	_cleanup_(fleet_fini) struct fleet fleet = NO_FLEET;
	_cleanup_close_ int lock = -1;
	const char *family;
	unsigned number = 0;

	if (line->back && line->clients[1])
		return fail_both();
	if (line->clients[1] && version_operand(line->clients[1], &number) < 0)
		return command_failed();
	lock = command_load_locked(line, &fleet);
	if (lock < 0)
		return CLI_FAILED;
	if (command_family(&fleet, &arena, line->clients[0], NULL, &family) <
		    0 ||
	    promote_run(&fleet, family, number, line->back, &number) < 0)
		return command_failed();
	print_line(stdout, "%s: version %u is in production", family, number);
	version_event(&fleet, "promote", NULL, family, number);
	if (retire_old(&fleet, family) < 0)
		return command_failed();
	/* The masters of the clients are others now. */
	fleet_fini(&fleet);
	fleet = NO_FLEET;
	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	report(&fleet, family);
	return CLI_DONE;
}
