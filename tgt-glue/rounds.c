/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * ORDER of an apply, so that one that was interrupted anywhere and is run again
 * ends in the same state:
 *
 *   1. every shard's tgtd is asked what it has; what would remove many targets
 *      ends here
 *   2. missing images are made
 *   3. from every shard goes what another one has now: out of the file first,
 *      then out of tgtd
 *   4. a client whose disk another target exports for writing is blocked: it is
 *      in no file, unless its own target has that disk already
 *   5. the rest, shard by shard                       (round.c has the order)
 *   6. spares that are missing are made, and fleet.conf is kept as it was read
 *
 * A client that moves is between 3 and 5 in no file and in no tgtd, so that
 * whichever tgtd is started when, never two have it.  One that cannot go in 3,
 * for it is logged in, stays: in 5 that shard is its own, in the file too.
 */
#include "config.h"

#include "tgt-glue/rounds.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#include "base/cleanup.h"
#include "base/printable.h"
#include "tgt-glue/children.h"
#include "tgt-glue/command.h"
#include "tgt-glue/exports.h"
#include "tgt-glue/moves.h"
#include "tgt-glue/removals.h"
#include "tgt-glue/spare.h"

/* Its image is made when it is reset. */
static bool is_reset(const struct rounds *rounds, const struct client *client)
{
	return strings_have(&rounds->wishes.reset, client->name);
}

static void prepare_child(struct rounds *rounds, size_t i)
{
	struct client *client = &rounds->fleet->clients[i];
	const char *why;

	switch (children_look(rounds->fleet, client, &why)) {
	case CHILD_READY:
		break;
	case CHILD_OTHER:
		if (is_reset(rounds, client))
			break;
		rounds->left = true;
		notes_say(
			rounds->notes,
			"%s: left: %s; `tgt-glue reset %s\' gives it a fresh disk",
			client->name, why, client->name);
		break;
	case CHILD_MISSING:
		if (is_reset(rounds, client))
			break;
		if (!rounds->dry && children_make(rounds->fleet, client) < 0) {
			rounds->skip[i] = pool_strdup(&rounds->fleet->conf.pool,
						      error_text());
			rounds->failed = true;
			notes_say(rounds->notes, "%s: %s", client->name,
				  rounds->skip[i]);
			break;
		}
		print_line(stdout, "%s: image: make %s, a child of %s",
			   client->name, client->child, client->master);
		break;
	}
}

static void prepare(struct rounds *rounds)
{
	struct fleet *fleet = rounds->fleet;
	struct pool *pool = &fleet->conf.pool;

	rounds->skip = pool_alloc(pool, (fleet->n + 1) * sizeof *rounds->skip);
	rounds->v = pool_alloc(pool, fleet->n_shards * sizeof *rounds->v);
	rounds->n = fleet->n_shards;
	for (size_t i = 0; i < fleet->n; i++)
		fleet->clients[i].shard = fleet->clients[i].home;
}

/* 2 */
static void prepare_children(struct rounds *rounds)
{
	for (size_t i = 0; i < rounds->fleet->n; i++)
		prepare_child(rounds, i);
}

/* 1 */
static void read_all(struct rounds *rounds)
{
	for (size_t i = 0; i < rounds->n; i++) {
		rounds->v[i] = (struct round){
			.fleet = rounds->fleet,
			.shard = &rounds->fleet->shards[i],
			.notes = rounds->notes,
			.dry = rounds->dry,
			.wishes = rounds->wishes,
			.skip = rounds->skip,
			.siblings = rounds->v,
		};
		round_read(&rounds->v[i]);
	}
}

/*
 * A tgtd that may run and does not answer may have any client.  Those that
 * another one has already it does not.
 */
static void hold_back(struct rounds *rounds)
{
	for (size_t i = 0; i < rounds->n; i++) {
		const struct round *silent = &rounds->v[i];

		if (silent->there || silent->off)
			continue;
		for (size_t k = 0; k < rounds->n; k++)
			if (k != i)
				rounds->v[k].hold = pool_printf(
					&rounds->fleet->conf.pool,
					"the %s does not answer, and may have it; type `%s\' and then `tgt-glue apply\'",
					silent->shard->tgtd,
					shard_start(silent->shard));
	}
}

static bool has_target_named(const struct live *live, const char *name)
{
	for (size_t i = 0; i < live->n; i++)
		if (live->targets[i].ours &&
		    !strcmp(exports_name(&live->targets[i]), name))
			return true;
	return false;
}

/* --force names a client, of now or of before. */
static int check_force(struct rounds *rounds)
{
	const char *name = rounds->wishes.force;
	bool answered = false;

	if (!name || fleet_client(rounds->fleet, name))
		return 0;
	for (size_t i = 0; i < rounds->n; i++) {
		answered = answered || rounds->v[i].there;
		if (has_target_named(&rounds->v[i].live, name))
			return 0;
	}
	/* Without any tgtd nobody is cut off. */
	if (!answered)
		return 0;
	return fail(
		-ENOENT,
		"--force: expected a client of fleet.conf or a target of ours, found '%s'; `tgt-glue status\' shows them",
		name);
}

/*
 * A change that takes many targets away may be none that was meant: nothing of
 * it is done then.
 */
static int check_removals(struct rounds *rounds)
{
	struct removals removals;
	int r = removals_count(rounds->v, rounds->n, &removals);

	if (r < 0 || !removals_are_many(&removals) || rounds->remove ||
	    rounds->wishes.only)
		return r;
	rounds->refused = !rounds->dry;
	rounds->left = true;
	notes_say(
		rounds->notes,
		"left: this would remove %zu of %zu targets, for %s does not name these IQNs (it lacks clients, or has another iqn-prefix); is it the right file?  `tgt-glue apply --remove\' does it",
		removals.gone, removals.targets, rounds->fleet->conf.file);
	return 0;
}

/* 3 */
static int move_all(struct rounds *rounds)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < rounds->n; i++)
		r = moves_make(&rounds->v[i]);
	return r;
}

/* Has the client's own target that disk now? */
static bool has_own_disk(const struct rounds *rounds,
			 const struct client *client)
{
	for (size_t i = 0; i < rounds->n; i++) {
		const struct live_target *t =
			live_target(&rounds->v[i].live, client->iqn);

		if (t && exports_writable(t) == client)
			return true;
	}
	return false;
}

/* 4 */
static void block_clients(struct rounds *rounds)
{
	struct exporter *list =
		pool_alloc(&rounds->fleet->conf.pool, rounds->n * sizeof *list);

	for (size_t i = 0; i < rounds->n; i++) {
		const struct round *round = &rounds->v[i];

		list[i] = (struct exporter){ round->shard,
					     round->there ? &round->tgtd : NULL,
					     round->off, &round->live };
	}
	exports_block(rounds->fleet, list, rounds->n, rounds->wishes.force);
	for (size_t i = 0; i < rounds->fleet->n; i++) {
		struct client *client = &rounds->fleet->clients[i];

		client->unlisted =
			client->blocked && !has_own_disk(rounds, client);
	}
}

/* 5. What one of them could not do is no reason to leave the others. */
static int run_all(struct rounds *rounds)
{
	int result = 0;

	for (size_t i = 0; i < rounds->n; i++) {
		struct round *round = &rounds->v[i];
		int r = round_run(round);

		if (result == 0)
			result = r;
		rounds->failed = rounds->failed || round->failed;
		rounds->left = rounds->left || round->left;
		rounds->waiting = rounds->waiting || round->waiting;
	}
	return result;
}

/* 5 */
static void keep(struct rounds *rounds)
{
	spare_keep(rounds->fleet, rounds->notes);
	if (!rounds->wishes.only && fleet_keep(rounds->fleet) < 0)
		notes_say(rounds->notes, "warning: %s", error_text());
}

bool rounds_refuse(struct rounds *rounds)
{
	prepare(rounds);
	read_all(rounds);
	return check_removals(rounds) == 0 && rounds->refused;
}

int rounds_run(struct rounds *rounds)
{
	int r;

	prepare(rounds);
	read_all(rounds);
	r = check_removals(rounds);
	if (r == 0 && rounds->refused)
		return 0;
	if (r == 0 && !rounds->wishes.only)
		prepare_children(rounds);
	children_sector_sizes(rounds->fleet);
	hold_back(rounds);
	if (r == 0)
		r = check_force(rounds);
	if (r == 0)
		r = move_all(rounds);
	if (r < 0) {
		notes_say(rounds->notes, "%s", error_text());
		return r;
	}
	block_clients(rounds);
	r = run_all(rounds);
	if (!rounds->dry)
		keep(rounds);
	return r;
}

void rounds_fini(struct rounds *rounds)
{
	for (size_t i = 0; i < rounds->n; i++)
		round_fini(&rounds->v[i]);
	rounds->n = 0;
}

/* The directory of the targets-files stays the same when they are written
 * anew. */
int rounds_lock(const struct fleet *fleet)
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

int rounds_code(const struct rounds *rounds, int r)
{
	if (r < 0 || rounds->failed)
		return EXIT_FAILED;
	return rounds->left ? EXIT_LEFT : EXIT_DONE;
}
