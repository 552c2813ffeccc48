/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tgt-glue generate: print the targets.conf that tgt-admin reads. */
#include "config.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/error.h"
#include "tgt-glue/command/command.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/targets-conf.h"

/* --shard must be the number of a shard of the fleet. */
static int check_shard(const struct fleet *fleet, const char *number)
{
	const unsigned n = fleet_active_shards(fleet);

	if (!number || (!value_shard(number) && (unsigned)atoi(number) < n))
		return 0;
	fail(-ENOENT, "--shard: expected a number from 0 to %u, found '%s'",
	     n - 1, number);
	command_failed();
	return -ENOENT;
}

int command_generate(const struct command_line *line)
{
	struct fleet fleet;
	struct clients clients;
	int r = command_load(line, &fleet);

	if (r == 0)
		r = check_shard(&fleet, line->shard);
	if (r == 0) {
		clients_init(&clients, &fleet);
		client_images_inspect(&clients);
	}
	for (unsigned i = 0; r == 0 && i < fleet_active_shards(&fleet); i++) {
		char *text;

		if (line->shard && (unsigned)atoi(line->shard) != i)
			continue;
		text = targets_conf_text(&clients, &fleet.shards[i], NULL);
		fputs(text, stdout);
		free(text);
	}
	fleet_fini(&fleet);
	return r < 0 ? EXIT_FAILED : EXIT_DONE;
}
