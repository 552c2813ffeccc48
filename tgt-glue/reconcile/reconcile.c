/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pass of all shards.
 *
 * ORDER, so that a pass that was interrupted anywhere and is run again ends in
 * the same state:
 *
 *   1. the state of every shard's tgtd is read; a pass that would remove many
 *      targets ends here
 *   2. missing images are created
 *   3. clients that migrate are removed from the shard that they leave: from
 *      its targets-file first, then from its tgtd
 *   4. a client whose disk another target exports for writing is blocked: it is
 *      in no targets-file, unless its own target has that disk already; so
 *      is one whose boot reset is due                    (boot-resets.h)
 *   5. the pass of each shard                (shard-pass.c has the order)
 *   6. missing spares are created, and fleet.conf is kept as it was read
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
#include "tgt-glue/reconcile/exports.h"
#include "tgt-glue/reconcile/kept-image.h"
#include "tgt-glue/reconcile/migrate.h"
#include "tgt-glue/reconcile/removals.h"
#include "tgt-glue/reconcile/shard-pass.h"
#include "tgt-glue/reconcile/spare.h"

static void prepare_child(struct reconcile *reconcile,
			  const struct client *client)
{
	struct client_state *state = clients_state(&reconcile->clients, client);

	/* A reset creates the image. */
	if (state->image == CHILD_READY ||
	    strings_have(&reconcile->options.reset, client->name))
		return;
	if (state->image == CHILD_OTHER) {
		reconcile->skipped = true;
		messages_print(
			reconcile->messages,
			"%s: skipped: %s; `tgt-glue reset %s' gives it a fresh disk",
			client->name, state->image_why, client->name);
		return;
	}
	if (!reconcile->dry &&
	    client_image_create(&reconcile->clients, client, NULL) < 0) {
		state->image_error =
			arena_strdup(&reconcile->arena, error_text());
		reconcile->failed = true;
		messages_print(reconcile->messages, "%s: %s", client->name,
			       state->image_error);
		return;
	}
	print_line(
		stdout, "%s: image: make %s, a child of %s", client->name,
		client->child,
		kept_image_base(&reconcile->arena, reconcile->fleet, client));
}

/* 2 */
static void prepare_children(struct reconcile *reconcile)
{
	for (size_t i = 0; i < reconcile->fleet->n; i++) {
		const struct client *client = &reconcile->fleet->clients[i];

		/* A pass of resets alone needs no other client's image. */
		if (reconcile->options.only &&
		    !strings_have(&reconcile->options.reset, client->name))
			continue;
		client_image_inspect(&reconcile->clients, client);
		if (!reconcile->options.only)
			prepare_child(reconcile, client);
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
			 const struct client *client)
{
	for (size_t i = 0; i < reconcile->n; i++) {
		const struct tgtd_target *t =
			tgtd_state_target(&reconcile->v[i].live, client->iqn);

		if (t && exports_writable(t) == client)
			return true;
	}
	return false;
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
	for (size_t i = 0; i < reconcile->fleet->n; i++) {
		struct client_state *state = &reconcile->clients.v[i];

		state->unlisted =
			strings_have(&reconcile->due,
				     reconcile->fleet->clients[i].name) ||
			(state->blocked &&
			 !has_own_disk(reconcile,
				       &reconcile->fleet->clients[i]));
	}
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

int reconcile_run(struct reconcile *reconcile)
{
	int r = read_all(reconcile);

	if (r == 0 && reconcile->refused)
		return 0;
	if (r == 0)
		r = boot_resets_add(reconcile);
	if (r == 0)
		prepare_children(reconcile);
	block_new_targets(reconcile);
	if (r == 0)
		r = check_force(reconcile);
	if (r == 0)
		r = migrate_all(reconcile);
	if (r < 0) {
		messages_print(reconcile->messages, "%s", error_text());
		return r;
	}
	block_clients(reconcile);
	r = run_all(reconcile);
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
