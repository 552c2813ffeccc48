/* SPDX-License-Identifier: GPL-2.0-or-later */
/* What a pass finds out and decides about each client. */
#include "config.h"

#include "tgt-glue/reconcile/clients.h"

#include "base/error.h"
#include "store/store.h"

void clients_init(struct clients *clients, const struct fleet *fleet,
		  struct arena *arena)
{
	clients->fleet = fleet;
	clients->arena = arena;
	clients->v = arena_alloc(arena, (fleet->n + 1) * sizeof *clients->v);
	for (size_t i = 0; i < fleet->n; i++)
		clients->v[i] =
			(struct client_state){ .shard =
						       fleet->clients[i].home };
	clients->disks = arena_alloc(arena, (fleet->n_disks + 1) *
						    sizeof *clients->disks);
	for (size_t i = 0; i < fleet->n_disks; i++)
		clients->disks[i] =
			(struct disk_state){ .view = fleet->disks[i].view,
					     .sector_size = 512 };
}

void clients_fini(struct clients *clients)
{
	if (clients->images)
		store_close(clients->images);
	clients->images = NULL;
}

bool clients_get_other_disks(const struct clients *clients)
{
	return clients->which || clients->from;
}

const char *clients_replace_command(const struct clients *clients,
				    const struct disk *disk)
{
	if (clients->which)
		return arena_printf(clients->arena, "tgt-glue restore %s %s",
				    disk_reset_words(clients->arena, disk),
				    shell_word(clients->which));
	if (clients->from)
		return arena_printf(clients->arena, "tgt-glue rename %s %s",
				    clients->from, disk->client->name);
	return arena_printf(clients->arena, "tgt-glue reset %s",
			    disk_reset_words(clients->arena, disk));
}

struct client_state *clients_state(const struct clients *clients,
				   const struct client *client)
{
	return &clients->v[client - clients->fleet->clients];
}

struct disk_state *clients_disk(const struct clients *clients,
				const struct disk *disk)
{
	return &clients->disks[disk - clients->fleet->disks];
}
