/* SPDX-License-Identifier: GPL-2.0-or-later */
/* tgt-glue generate: print the targets.conf that tgt-admin reads. */
#include "config.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "base/printable.h"
#include "tgt-glue/command/command.h"
#include "tgt-glue/config/values.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/targets-conf.h"

int command_generate(const struct command_line *line)
{
	_cleanup_(fleet_fini) struct fleet fleet;
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct clients clients = { 0 };
	unsigned n;

	if (command_load(line, &fleet) < 0)
		return CLI_FAILED;
	n = fleet_active_shards(&fleet);
	if (line->shard && !value_is_number(line->shard, 0, n - 1)) {
		print_line(
			stderr,
			"tgt-glue: --shard: expected a number from 0 to %u, found '%s'",
			n - 1, line->shard);
		return CLI_FAILED;
	}
	clients_init(&clients, &fleet, &arena);
	client_images_inspect(&clients);
	for (unsigned i = 0; i < n; i++) {
		_cleanup_free_ char *text = NULL;

		if (value_read_number(line->shard, i) != i)
			continue;
		text = targets_conf_text(&clients, &fleet.shards[i], NULL);
		fputs(text, stdout);
	}
	return CLI_DONE;
}
