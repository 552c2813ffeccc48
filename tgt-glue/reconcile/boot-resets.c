/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Boot resets that are due: their record. */
#include "config.h"

#include "tgt-glue/reconcile/boot-resets.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/client-rename.h"
#include "tgt-glue/reconcile/new-clients.h"

#define ENDING ".resets"

static const char heading[] =
	"# Clients that are not admitted until their disks are reset.\n";

/* The names in the record, in arena. */
static int read_names(const struct fleet *fleet, struct arena *arena,
		      struct strings *ret)
{
	_cleanup_free_ char *text = NULL;
	char *rest;
	int r = shard_file_read(&fleet->shards[0], ENDING, &text);

	*ret = (struct strings){ 0 };
	rest = text;
	for (char *line; r == 0 && (line = strsep(&rest, "\n"));)
		if (*line && *line != '#')
			strings_add_once(arena, ret, line);
	return r;
}

/* Is the name one that stays in the record?  A client without `reset = boot'
 * keeps its disk, and must not be reset when it gets that key again. */
static bool stays(const struct fleet *fleet, const char *name)
{
	const struct client *client = fleet_client(fleet, name);

	return !client || client_resets_at_boot(client);
}

int boot_resets_load(const struct fleet *fleet, struct arena *arena,
		     struct strings *ret)
{
	struct strings names;
	int r = read_names(fleet, arena, &names);

	*ret = (struct strings){ 0 };
	for (size_t i = 0; r == 0 && i < names.n; i++)
		if (stays(fleet, names.v[i]))
			strings_add(arena, ret, names.v[i]);
	return r;
}

bool boot_resets_concern(const struct clients *clients,
			 const struct plan_options *options,
			 const struct client *client)
{
	for (size_t i = 0; i < client->n_disks; i++)
		if (client->disks[i].reset_boot &&
		    plan_resets(options, &client->disks[i]))
			return !clients->which;
	return false;
}

/* Is each disk with `reset = boot' reset, or replaced? */
static bool are_all_reset(const struct plan_options *options,
			  const struct client *client)
{
	for (size_t i = 0; i < client->n_disks; i++)
		if (client->disks[i].reset_boot &&
		    !plan_resets(options, &client->disks[i]))
			return false;
	return true;
}

/* Has a session written to a disk with `reset = boot'?  A rename resets what it
 * brings. */
static bool has_used_disk(struct clients *clients, const struct client *client)
{
	for (size_t i = 0; i < client->n_disks; i++) {
		const struct disk *disk = &client->disks[i];
		struct stat st;

		if (disk->reset_boot && disk->master &&
		    !client_rename_brings(clients, disk) &&
		    fleet_stat(clients->fleet, disk->child, &st) == 0 &&
		    !client_image_is_fresh(clients, disk))
			return true;
	}
	return false;
}

static bool has_boot_reset(const struct reconcile *reconcile,
			   const struct client *client)
{
	(void)reconcile;
	return client_resets_at_boot(client);
}

/* Adds the clients whose target is new, with a disk that is not.  *ret_any:
 * whether there is one. */
static int add_new_targets(struct reconcile *reconcile, bool *ret_any)
{
	const struct fleet *fleet = reconcile->fleet;
	struct arena *arena = &reconcile->arena;
	struct pairs new; /* IQN and name */
	int r = new_clients_find(reconcile, has_boot_reset, &new);

	*ret_any = false;
	for (size_t i = 0; r == 0 && i < new.n; i++) {
		const char *name = new.v[i].value;

		if (strings_have(&reconcile->due, name) ||
		    !has_used_disk(&reconcile->clients,
				   fleet_client(fleet, name)))
			continue;
		strings_add(arena, &reconcile->due, name);
		*ret_any = true;
	}
	return r;
}

int boot_resets_add(struct reconcile *reconcile)
{
	const struct fleet *fleet = reconcile->fleet;
	struct strings *due = &reconcile->due, names;
	bool changed, any_new = false;
	int r = read_names(fleet, &reconcile->arena, &names);

	if (r == 0)
		r = boot_resets_load(fleet, &reconcile->arena, due);
	changed = r == 0 && due->n != names.n;
	if (r == 0 && !reconcile->options.only)
		r = add_new_targets(reconcile, &any_new);
	if (r == 0 && (changed || any_new) && !reconcile->dry)
		r = boot_resets_save(reconcile);
	reconcile->was_due = *due;
	for (size_t i = 0; r == 0 && !reconcile->options.only && i < due->n;
	     i++)
		if (fleet_client(fleet, due->v[i]))
			strings_add_once(&reconcile->arena,
					 &reconcile->options.boot, due->v[i]);
	return r;
}

int boot_resets_save(const struct reconcile *reconcile)
{
	const struct shard *shard = &reconcile->fleet->shards[0];
	struct arena arena = { 0 };
	const char *text = heading;
	int r;

	for (size_t i = 0; i < reconcile->due.n; i++)
		text = arena_printf(&arena, "%s%s\n", text,
				    reconcile->due.v[i]);
	if (reconcile->due.n) {
		r = shard_file_write(shard, ENDING, text, 0600);
	} else {
		const char *path =
			arena_printf(&arena, "%s" ENDING, shard->targets_file);

		r = unlink(path) < 0 && errno != ENOENT
			    ? fail_errno(-errno, "%s", path)
			    : 0;
	}
	arena_fini(&arena);
	return r < 0 ? r : 0;
}

void boot_resets_set(struct shard_pass *pass, const struct client *client,
		     bool due)
{
	struct reconcile *all = pass->all;
	struct client_state *state = clients_state(pass->clients, client);
	struct strings kept = { 0 };

	if (due) {
		strings_add_once(&all->arena, &all->due, client->name);
		state->unlisted = true;
		return;
	}
	/* What the last session left is on any of its disks. */
	if (!strings_have(&all->due, client->name) ||
	    (strings_have(&all->was_due, client->name) &&
	     !are_all_reset(&all->options, client)))
		return;
	for (size_t i = 0; i < all->due.n; i++)
		if (strcmp(all->due.v[i], client->name) != 0)
			strings_add(&all->arena, &kept, all->due.v[i]);
	all->due = kept;
	state->unlisted = state->blocked;
}

int boot_resets_begin(struct shard_pass *pass)
{
	bool any = false;

	for (struct work *w = NULL; (w = work_next(&pass->plan, w, KINDS_ALL));)
		if (w->reset &&
		    boot_resets_concern(pass->clients, &pass->all->options,
					w->client)) {
			boot_resets_set(pass, w->client, true);
			any = true;
		}
	return any ? boot_resets_save(pass->all) : 0;
}

void boot_resets_end(struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->plan.n; i++) {
		const struct work *w = &pass->plan.works[i];

		/* A restore has replaced the disk, too.  Of a client that this
		 * concerns, another disk was not reset. */
		if (w->reset && w->outcome != OUTCOME_FAILED &&
		    (w->outcome != OUTCOME_NOT_RESET ||
		     boot_resets_concern(pass->clients, &pass->all->options,
					 w->client)))
			boot_resets_set(pass, w->client, false);
	}
}
