/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a pass finds out and decides about each client. */
#include "config.h"

#include "tgt-glue/reconcile/clients.h"

void clients_init(struct clients *clients, struct fleet *fleet)
{
	clients->fleet = fleet;
	clients->v = arena_alloc(&fleet->conf.arena,
				 (fleet->n + 1) * sizeof *clients->v);
	for (size_t i = 0; i < fleet->n; i++)
		clients->v[i] =
			(struct client_state){ .shard = fleet->clients[i].home,
					       .view = fleet->clients[i].view,
					       .sector_size = 512 };
}

struct client_state *clients_state(const struct clients *clients,
				   const struct client *client)
{
	return &clients->v[client - clients->fleet->clients];
}
