/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Completion of the names of disks' earlier states. */
#include "config.h"

#include "tgt-glue/command/offer-states.h"

#include "base/cleanup.h"
#include "base/command-line.h"
#include "tgt-glue/base/arena.h"
#include "tgt-glue/reconcile/saved-states.h"

/* The states of the client's disk of that name; null: of its system disk. */
static struct saved_states states_of(struct arena *arena,
				     const struct fleet *fleet,
				     const struct client *client,
				     const char *name)
{
	struct saved_states states = { 0 };

	for (size_t i = 0; i < client->n_disks; i++) {
		const struct disk *disk = &client->disks[i];

		if (disk->child && text_equal(disk->name, name) &&
		    saved_states_read(arena, fleet, disk, &states) < 0)
			return (struct saved_states){ 0 };
	}
	return states;
}

void offer_states(const struct fleet *fleet, const char *client,
		  const char *disk, const char *word)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	const struct client *of = fleet_client(fleet, client);
	struct saved_states states = { 0 };

	if (of && fleet->rootdir.fd >= 0)
		states = states_of(&arena, fleet, of, disk);
	for (size_t i = 0; i < states.n; i++)
		if (states.v[i].kind != STATE_NOW)
			cli_offer(word, states.v[i].which);
}

void offer_snapshots(const struct fleet *fleet, const char *disk,
		     const char *word)
{
	_cleanup_(arena_fini) struct arena arena = { 0 };
	struct strings names = { 0 };

	for (size_t i = 0; i < fleet->n && fleet->rootdir.fd >= 0; i++) {
		const struct saved_states states =
			states_of(&arena, fleet, &fleet->clients[i], disk);

		for (size_t k = 0; k < states.n; k++)
			if (states.v[k].kind == STATE_SNAPSHOT &&
			    states.v[k].snapshot)
				strings_add_once(&arena, &names,
						 states.v[k].snapshot);
	}
	for (size_t i = 0; i < names.n; i++)
		cli_offer(word, names.v[i]);
}
