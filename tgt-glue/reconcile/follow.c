/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Disks that go over to another version of their master. */
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
	       !strcmp(mark.client, disk->client->name) &&
	       !strcmp(mark.disk, disk->name ? disk->name : "");
}

enum follow follow_of(struct clients *clients, const struct disk *disk)
{
	struct disk_state *state = clients_disk(clients, disk);

	if (state->image != CHILD_READY || !state->behind)
		return FOLLOW_NONE;
	state->only_empty = false;
	if (disk->reset_boot)
		return FOLLOWS;
	/* What the administrator brought back stays until the master changes
	 * again. */
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

/* How many clients go over in one pass. */
enum { AT_ONCE = 64 };

/* How many clients stay with the disk of that name on a master. */
struct staying {
	const char *master;
	const char *disk; /* null: the system disk */
	size_t n;
};

/* Of follow_choose. */
struct following {
	struct reconcile *reconcile;
	size_t n_clients; /* that go over in this pass */
	struct staying *staying;
	size_t n_staying;
};

/* Adds disks of a client. */
static void choose(struct following *f, const struct disk *const *disks,
		   size_t n)
{
	struct reconcile *reconcile = f->reconcile;
	struct plan_options *options = &reconcile->options;

	if (f->n_clients >= AT_ONCE && !reconcile->dry) {
		reconcile->more = true;
		return;
	}
	for (size_t i = 0; i < n; i++) {
		options->follow =
			arena_grow(&reconcile->arena, options->follow,
				   options->n_follow, sizeof *options->follow);
		options->follow[options->n_follow++] = disks[i];
	}
	f->n_clients++;
}

static void count_staying(struct following *f, const struct disk *disk)
{
	for (size_t i = 0; i < f->n_staying; i++)
		if (!strcmp(f->staying[i].master, disk->master_name) &&
		    text_equal(f->staying[i].disk, disk->name)) {
			f->staying[i].n++;
			return;
		}
	f->staying = arena_grow(&f->reconcile->arena, f->staying, f->n_staying,
				sizeof *f->staying);
	f->staying[f->n_staying++] =
		(struct staying){ disk->master_name, disk->name, 1 };
}

static void report(struct reconcile *reconcile, const struct staying *staying)
{
	const char *disk = staying->disk ? staying->disk : "";

	messages_print(
		reconcile->messages,
		"%zu client%s%s%s on another version of %s (update = keep, or restored); `tgt-glue reset %s%s%sCLIENT' gives one a fresh disk of the version that fleet.conf wants, `tgt-glue versions %s' names them",
		staying->n, staying->n == 1 ? " stays" : "s stay",
		*disk ? " with disk " : "", disk, staying->master,
		*disk ? "--disk " : "", disk, *disk ? " " : "",
		staying->master);
}

static void choose_of_client(struct following *f, const struct client *client)
{
	struct reconcile *reconcile = f->reconcile;
	const struct disk **disks =
		arena_alloc(&reconcile->arena, client->n_disks * sizeof *disks);
	bool any = false;
	size_t n = 0;

	for (size_t i = 0; i < client->n_disks; i++) {
		const struct disk *disk = &client->disks[i];

		switch (follow_of(&reconcile->clients, disk)) {
		case FOLLOW_NONE:
			break;
		case FOLLOWS:
			any = true;
			/* Else it is reset anyway. */
			if (!plan_resets(&reconcile->options, disk))
				disks[n++] = disk;
			break;
		case STAYS:
			count_staying(f, disk);
			break;
		}
	}
	if (any && is_in_use(reconcile, client))
		strings_add(&reconcile->arena, &reconcile->followers,
			    client->iqn);
	else if (n && is_answered(reconcile, client))
		choose(f, disks, n);
}

void follow_choose(struct reconcile *reconcile)
{
	struct following f = { .reconcile = reconcile };

	for (size_t i = 0; i < reconcile->fleet->n; i++)
		choose_of_client(&f, &reconcile->fleet->clients[i]);
	for (size_t i = 0; i < f.n_staying; i++)
		report(reconcile, &f.staying[i]);
}

/* Is the work done, and with it a client gone over? */
static bool is_gone_over(const struct plan *plan, const struct work *work)
{
	for (size_t i = 0; work->client && i < work->client->n_disks; i++)
		if (plan_follows(plan->options, &work->client->disks[i]))
			return work->outcome == OUTCOME_DONE;
	return false;
}

void follow_continue(struct reconcile *reconcile)
{
	size_t done = 0;

	for (size_t i = 0; i < reconcile->n; i++) {
		const struct plan *plan = &reconcile->v[i].plan;

		for (size_t k = 0; k < plan->n; k++)
			done += is_gone_over(plan, &plan->works[k]);
	}
	reconcile->more = reconcile->more && done;
}
