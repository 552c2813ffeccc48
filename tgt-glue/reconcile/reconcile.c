/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pass of all shards.
 *
 * ORDER, so that a pass that was interrupted anywhere and is run again ends in
 * the same state:
 *
 *   1. the state of every shard's tgtd is read; a pass that would remove many
 *      targets ends here
 *   2. missing images are created, and images that clients share lose their
 *      write permission
 *   3. clients that migrate are removed from the shard that they leave: from
 *      its targets-file first, then from its tgtd
 *      Clients that go over to another version of their master are chosen: the
 *      pass of their shard resets them                       (follow.h)
 *   4. a client of which another target exports a disk for writing is blocked:
 *      it is in no targets-file, unless its own target has its system disk
 *      already; then the data disk alone is in none, unless the target has it;
 *      in none is one whose boot reset is due            (boot-resets.h)
 *      Images that a new client takes up are named         (new-clients.h)
 *   5. the pass of each shard                (shard-pass.c has the order)
 *   6. quotas are set, missing spares are created, and fleet.conf is kept as it
 *      was read
 *
 * Between 3 and 5 a migrating client is in no targets-file and in no tgtd, so
 * that in whatever order tgtds are started, no two export its disk.  A client
 * that cannot migrate in 3, because it is logged in, stays: in 5 that shard
 * serves it, in the targets-file, too.
 */
#include "config.h"

#include "tgt-glue/reconcile/reconcile.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <string.h>
#include <sys/file.h>

#include "base/cleanup.h"
#include "base/printable.h"
#include "tgt-glue/config/resolve.h"
#include "tgt-glue/reconcile/boot-resets.h"
#include "tgt-glue/reconcile/client-image.h"
#include "tgt-glue/reconcile/client-rename.h"
#include "tgt-glue/reconcile/exports.h"
#include "tgt-glue/reconcile/follow.h"
#include "tgt-glue/reconcile/kept-image.h"
#include "tgt-glue/reconcile/migrate.h"
#include "tgt-glue/reconcile/new-clients.h"
#include "tgt-glue/reconcile/removals.h"
#include "tgt-glue/reconcile/shard-pass.h"
#include "tgt-glue/reconcile/mount-reserve.h"
#include "tgt-glue/reconcile/quotas.h"
#include "tgt-glue/reconcile/space.h"
#include "tgt-glue/reconcile/spare.h"

static void fail_image(struct reconcile *reconcile, const struct disk *disk)
{
	struct disk_state *state = clients_disk(&reconcile->clients, disk);

	state->image_error = arena_strdup(&reconcile->arena, error_text());
	reconcile->failed = true;
	messages_print(reconcile->messages, "%s: %s",
		       disk_words(&reconcile->arena, disk), state->image_error);
}

static void prepare_shared(struct reconcile *reconcile, const struct disk *disk)
{
	bool done = false;

	if (reconcile->dry)
		return;
	if (client_image_protect(reconcile->fleet, disk, &done) < 0)
		fail_image(reconcile, disk);
	else if (done)
		print_line(
			stdout,
			"disk %s: image: %s has no write permission now: clients share it",
			disk->name, disk->image);
}

/* An image that is not as fleet.conf says. */
static void report_other(struct reconcile *reconcile, const struct disk *disk)
{
	const struct disk_state *state =
		clients_disk(&reconcile->clients, disk);
	const char *words = disk_words(&reconcile->arena, disk);

	reconcile->skipped = true;
	if (disk->master)
		messages_print(
			reconcile->messages,
			"%s: skipped: %s; `tgt-glue reset %s' gives it a fresh disk",
			words, state->image_why,
			disk_reset_words(&reconcile->arena, disk));
	else
		messages_print(reconcile->messages, "%s: skipped: %s", words,
			       state->image_why);
}

static void prepare_child(struct reconcile *reconcile, const struct disk *disk)
{
	const struct disk_state *state =
		clients_disk(&reconcile->clients, disk);

	/* A reset creates the image; a rename brings it. */
	if (plan_resets(&reconcile->options, disk) ||
	    (strings_have(&reconcile->options.reset, disk->client->name) &&
	     client_rename_brings(&reconcile->clients, disk)))
		return;
	if (state->image == CHILD_OTHER)
		report_other(reconcile, disk);
	else if (disk->kind == DISK_SHARED)
		prepare_shared(reconcile, disk);
	if (state->image != CHILD_MISSING)
		return;
	if (!reconcile->dry &&
	    client_image_create(&reconcile->clients, disk, NULL) < 0)
		fail_image(reconcile, disk);
	else if (disk->master)
		print_line(stdout, "%s: image: make %s, a child of %s",
			   disk_words(&reconcile->arena, disk), disk->child,
			   kept_image_base(&reconcile->arena, reconcile->fleet,
					   disk));
	else
		print_line(stdout, "%s: image: make %s, of %s",
			   disk_words(&reconcile->arena, disk), disk->child,
			   size_text(disk->size));
}

/* 2 */
static void prepare_children(struct reconcile *reconcile)
{
	for (size_t i = 0; i < reconcile->fleet->n_disks; i++) {
		const struct disk *disk = &reconcile->fleet->disks[i];

		/* A pass of resets alone needs no other client's image. */
		if (reconcile->options.only &&
		    !strings_have(&reconcile->options.reset,
				  disk->client->name))
			continue;
		client_image_inspect(&reconcile->clients, disk);
		if (!reconcile->options.only)
			prepare_child(reconcile, disk);
	}
}

/* A tgtd that may run and does not answer may export any client without a
 * target elsewhere: no shard may create new targets. */
static void block_new_targets(struct reconcile *reconcile)
{
	for (size_t i = 0; i < reconcile->n; i++) {
		const struct shard_pass *silent = &reconcile->v[i];

		if (silent->answers || silent->off)
			continue;
		for (size_t k = 0; k < reconcile->n; k++)
			if (k != i)
				reconcile->v[k].blocked_reason = arena_printf(
					&reconcile->arena,
					"the %s does not answer, and may have it; type `%s' and then `tgt-glue apply'",
					silent->shard->tgtd,
					shard_start(silent->shard));
	}
}

/* --force must name a client of fleet.conf, or of a target of ours. */
static int check_force(struct reconcile *reconcile)
{
	const char *name = reconcile->options.force;
	bool answered = false;

	if (!name || fleet_client(reconcile->fleet, name))
		return 0;
	for (size_t i = 0; i < reconcile->n; i++) {
		const struct tgtd_state *live = &reconcile->v[i].live;

		answered = answered || reconcile->v[i].answers;
		for (size_t k = 0; k < live->n; k++)
			if (live->targets[k].ours &&
			    !strcmp(exports_name(&live->targets[k]), name))
				return 0;
	}
	/* If no tgtd answers, there is no session to end. */
	if (!answered)
		return 0;
	return fail(
		-ENOENT,
		"--force: expected a client of fleet.conf or a target of ours, found '%s'; `tgt-glue status' shows them",
		name);
}

/* Refuses a change that removes at least five targets and more than a fifth: it
 * may be a mistake, and no part of it is done.  0, or -errno with a message. */
static int check_removals(struct reconcile *reconcile)
{
	size_t all;
	int gone = removals_count(reconcile->v, reconcile->n, &all);

	if (gone < 5 || (size_t)gone * 5 <= all || reconcile->remove ||
	    reconcile->options.only)
		return gone < 0 ? gone : 0;
	reconcile->refused = !reconcile->dry;
	reconcile->skipped = true;
	messages_print(
		reconcile->messages,
		"skipped: this would remove %d of %zu targets, because %s does not name these IQNs (it lacks clients, or has another iqn-prefix); is it the right file?  `tgt-glue apply --remove' does it",
		gone, all, reconcile->fleet->conf.file);
	return 0;
}

/* 1 */
static int read_all(struct reconcile *reconcile)
{
	const struct fleet *fleet = reconcile->fleet;

	clients_init(&reconcile->clients, fleet, &reconcile->arena);
	reconcile->n = fleet->n_shards;
	reconcile->v = arena_alloc(&reconcile->arena,
				   reconcile->n * sizeof *reconcile->v);
	for (size_t i = 0; i < reconcile->n; i++) {
		reconcile->v[i] = (struct shard_pass){
			.all = reconcile,
			.fleet = fleet,
			.clients = &reconcile->clients,
			.shard = &fleet->shards[i],
		};
		shard_pass_read(&reconcile->v[i]);
	}
	return check_removals(reconcile);
}

/* 3 */
static int migrate_all(struct reconcile *reconcile)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < reconcile->n; i++)
		r = migrate_clients(&reconcile->v[i]);
	return r;
}

/* True if the client's own target exports its disk now. */
static bool has_own_disk(const struct reconcile *reconcile,
			 const struct disk *disk)
{
	for (size_t i = 0; i < reconcile->n; i++) {
		const struct tgtd_target *t = tgtd_state_target(
			&reconcile->v[i].live, disk->client->iqn);

		for (size_t k = 0; t && k < t->n_luns; k++)
			if (t->luns[k].disk == disk &&
			    (disk->readonly || !t->luns[k].readonly))
				return true;
	}
	return false;
}

/* A client is unlisted as a whole unless its target has its system disk: a
 * target is complete, or does not exist. */
static void unlist(struct reconcile *reconcile, const struct client *client)
{
	struct client_state *state = clients_state(&reconcile->clients, client);

	state->unlisted =
		strings_have(&reconcile->due, client->name) ||
		(state->blocked && !has_own_disk(reconcile, client->disks));
	for (size_t i = 1; i < client->n_disks; i++) {
		const struct disk *disk = &client->disks[i];
		struct disk_state *d = clients_disk(&reconcile->clients, disk);

		d->unlisted = d->blocked && !has_own_disk(reconcile, disk);
	}
}

/* 4 */
static void block_clients(struct reconcile *reconcile)
{
	struct exporter *list =
		arena_alloc(&reconcile->arena, reconcile->n * sizeof *list);

	for (size_t i = 0; i < reconcile->n; i++) {
		const struct shard_pass *pass = &reconcile->v[i];

		list[i] = (struct exporter){ pass->shard, pass->answers,
					     pass->off, &pass->live };
	}
	exports_block(&reconcile->clients, list, reconcile->n,
		      reconcile->options.force);
	for (size_t i = 0; i < reconcile->fleet->n; i++)
		unlist(reconcile, &reconcile->fleet->clients[i]);
}

/* 5.  A failure of one shard does not stop the others. */
static int run_all(struct reconcile *reconcile)
{
	int result = 0;

	for (size_t i = 0; i < reconcile->n; i++) {
		int r = shard_pass_run(&reconcile->v[i]);

		if (result == 0)
			result = r;
	}
	return result;
}

bool reconcile_refuses(struct reconcile *reconcile)
{
	return read_all(reconcile) == 0 && reconcile->refused;
}

/* The mount's options are not this program's to change. */
static void warn_of_reserve(struct reconcile *reconcile)
{
	const char *differs =
		mount_reserve_differs(&reconcile->arena, reconcile->fleet);

	if (differs)
		messages_print(reconcile->messages, "warning: %s", differs);
}

int reconcile_run(struct reconcile *reconcile)
{
	int r = read_all(reconcile);

	if (r == 0 && reconcile->refused)
		return 0;
	warn_of_reserve(reconcile);
	if (r == 0)
		r = boot_resets_add(reconcile);
	if (r == 0)
		prepare_children(reconcile);
	block_new_targets(reconcile);
	if (r == 0)
		r = check_force(reconcile);
	if (r == 0)
		r = new_clients_read(reconcile);
	if (r == 0)
		r = migrate_all(reconcile);
	if (r < 0) {
		messages_print(reconcile->messages, "%s", error_text());
		return r;
	}
	if (!reconcile->options.only)
		follow_choose(reconcile);
	block_clients(reconcile);
	new_clients_report(reconcile);
	r = run_all(reconcile);
	follow_continue(reconcile);
	quotas_apply(reconcile);
	if (reconcile->dry)
		return r;
	/* 6 */
	spare_keep(&reconcile->arena, reconcile->fleet, reconcile->messages);
	if (!reconcile->options.only && fleet_keep(reconcile->fleet) < 0)
		messages_print(reconcile->messages, "warning: %s",
			       error_text());
	return r;
}

void reconcile_fini(struct reconcile *reconcile)
{
	for (size_t i = 0; i < reconcile->n; i++)
		shard_pass_fini(&reconcile->v[i]);
	reconcile->n = 0;
	clients_fini(&reconcile->clients);
	arena_fini(&reconcile->arena);
}

/* The lock is on the directory of the targets-files: the files themselves are
 * replaced. */
int reconcile_lock(const struct fleet *fleet)
{
	const char *file = fleet->shards[0].targets_file;
	_cleanup_free_ char *copy = strdup(file);
	_cleanup_close_ int fd = -1;
	int r;

	if (!copy)
		return fail(-ENOMEM, "out of memory");
	fd = open(dirname(copy), O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	r = fd < 0 || flock(fd, LOCK_EX) < 0 ? -errno : 0;
	if (r < 0)
		return fail_errno(r, "targets-file: %s", file);
	return steal_fd(&fd);
}
