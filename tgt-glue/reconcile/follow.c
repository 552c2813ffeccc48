/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that go over to another version of their master. */
#include "config.h"

#include "tgt-glue/reconcile/follow.h"

#include <string.h>

#include "tgt-glue/config/version-mark.h"
#include "tgt-glue/config/versions.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/image-restore.h"

/* Was its version published from it, and is an earlier one wanted? */
static bool is_own_version(struct clients *clients, const struct disk *disk)
{
	const struct fleet *fleet = clients->fleet;
	const char *version = clients_disk(clients, disk)->version;
	struct version_mark mark;

	return family_number(disk->family, version) >
		       family_number(disk->family, disk->master) &&
	       version_mark_read(clients->arena, &fleet->rootdir, version,
				 &mark) &&
	       !strcmp(mark.client, disk->client->name);
}

/* How many clients go over in one pass. */
enum { AT_ONCE = 32 };

enum follow follow_of(struct clients *clients, const struct client *client)
{
	const struct disk *disk = client->disks;
	struct disk_state *state = clients_disk(clients, disk);

	if (state->image != CHILD_READY || !state->behind)
		return FOLLOW_NONE;
	state->only_empty = false;
	if (disk->reset_boot)
		return FOLLOWS;
	/* What the administrator brought back stays until the next reset. */
	if (is_own_version(clients, disk) ||
	    image_is_restored(clients->fleet, disk))
		return STAYS;
	state->only_empty = !disk->update_reset;
	if (disk->update_reset || client_image_is_empty(clients, disk))
		return FOLLOWS;
	state->only_empty = false;
	return STAYS;
}

/* Whether it is logged in, or was so a moment ago: a machine that boots logs
 * out and in again. */
static bool is_in_use(const struct reconcile *reconcile,
		      const struct client *client)
{
	for (size_t i = 0; i < reconcile->n; i++) {
		const struct tgtd_target *target =
			tgtd_state_target(&reconcile->v[i].live, client->iqn);

		if (target && target->n_connections)
			return true;
	}
	return strings_have(&reconcile->recent, client->iqn);
}

/* Only a tgtd that answers names the logged-in clients. */
static bool is_answered(const struct reconcile *reconcile,
			const struct client *client)
{
	const struct shard *shard =
		clients_state(&reconcile->clients, client)->shard;

	for (size_t i = 0; i < reconcile->n; i++)
		if (reconcile->v[i].shard == shard)
			return reconcile->v[i].answers;
	return false;
}

static void choose(struct reconcile *reconcile, const struct client *client)
{
	if (is_in_use(reconcile, client)) {
		strings_add(&reconcile->arena, &reconcile->followers,
			    client->iqn);
	} else if (!is_answered(reconcile, client) ||
		   plan_resets(&reconcile->options, client->disks)) {
		/* Its shard does nothing, or resets it anyway. */
	} else if (reconcile->options.follow.n >= AT_ONCE && !reconcile->dry) {
		reconcile->more = true;
	} else {
		strings_add(&reconcile->arena, &reconcile->options.reset,
			    client->name);
		strings_add(&reconcile->arena, &reconcile->options.follow,
			    client->name);
	}
}

void follow_continue(struct reconcile *reconcile)
{
	const struct strings *chosen = &reconcile->options.follow;
	size_t done = 0;

	for (size_t i = 0; i < reconcile->n; i++) {
		const struct plan *plan = &reconcile->v[i].plan;

		for (size_t k = 0; k < plan->n; k++)
			done += plan->works[k].outcome == OUTCOME_DONE &&
				strings_have(chosen, plan->works[k].name);
	}
	reconcile->more = reconcile->more && done;
}

/* How many clients of a master stay. */
struct staying {
	const char *master;
	size_t n;
};

static void report(struct reconcile *reconcile, const struct staying *staying)
{
	messages_print(
		reconcile->messages,
		"%zu client%s on another version of %s (update = keep, or restored); `tgt-glue reset CLIENT' gives one a fresh disk of the version that fleet.conf wants, `tgt-glue versions %s' names them",
		staying->n, staying->n == 1 ? " stays" : "s stay",
		staying->master, staying->master);
}

static void count_staying(struct arena *arena, struct staying **v, size_t *n,
			  const struct client *client)
{
	for (size_t i = 0; i < *n; i++)
		if (!strcmp((*v)[i].master, client->disks->master_name)) {
			(*v)[i].n++;
			return;
		}
	*v = arena_grow(arena, *v, *n, sizeof **v);
	(*v)[(*n)++] = (struct staying){ client->disks->master_name, 1 };
}

void follow_choose(struct reconcile *reconcile)
{
	const struct fleet *fleet = reconcile->fleet;
	struct staying *staying = NULL;
	size_t n = 0;

	for (size_t i = 0; i < fleet->n; i++) {
		const struct client *client = &fleet->clients[i];

		switch (follow_of(&reconcile->clients, client)) {
		case FOLLOW_NONE:
			break;
		case FOLLOWS:
			choose(reconcile, client);
			break;
		case STAYS:
			count_staying(&reconcile->arena, &staying, &n, client);
			break;
		}
	}
	for (size_t i = 0; i < n; i++)
		report(reconcile, &staying[i]);
}
