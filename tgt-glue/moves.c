/* SPDX-License-Identifier: GPL-2.0-or-later */
#include "config.h"

#include "tgt-glue/moves.h"

#include <stdio.h>

#include "base/cleanup.h"
#include "tgt-glue/carry.h"
#include "tgt-glue/targets.h"

/* The round of the shard that the client is to be on. */
static const struct round *home_of(const struct round *round,
				   const struct client *client)
{
	return &round->siblings[client->shard - round->fleet->shards];
}

/* A client with a target where it is to be may lose the one that it has here,
 * unless it uses just that. */
static void stay(const struct round *round, struct client *client)
{
	const struct round *home = home_of(round, client);
	const struct live_target *there = live_target(&home->live, client->iqn);
	const struct live_target *here = live_target(&round->live, client->iqn);

	if (!there || (here && here->n_connections && !there->n_connections))
		client->shard = round->shard;
}

/* Those whose target here was not removed. */
static void stay_if_left(struct round *round)
{
	for (size_t i = 0; i < round->plan.n; i++) {
		const struct work *w = &round->plan.works[i];

		/* A successor stays where it is to be, and is blocked. */
		if (!w->successor &&
		    (w->left || w->failed || round->wishes.only))
			stay(round,
			     fleet_client_by_iqn(round->fleet, w->live->name));
	}
}

/* Nobody loses a disk to a tgtd that is not there to give it back. */
static void stay_until_it_runs(struct round *round)
{
	for (size_t i = 0; i < round->live.n; i++) {
		struct client *client = fleet_client_by_iqn(
			round->fleet, round->live.targets[i].name);

		if (client && !home_of(round, client)->there)
			client->shard = round->shard;
	}
}

/* Nor to one that is to have it under another name. */
static void leave_until_it_runs(struct round *round)
{
	for (size_t i = 0; i < round->plan.n; i++) {
		struct work *w = &round->plan.works[i];

		if (w->successor && !home_of(round, w->successor)->there)
			w->left = pool_printf(
				&round->plan.pool,
				"the %s, which is to have its disk, does not answer; type `%s\' and then `tgt-glue apply\'",
				w->successor->shard->tgtd,
				shard_start(w->successor->shard));
	}
}

/* Those whom the file names, and so a tgtd that cannot be asked. */
static int stay_as_written(struct round *round)
{
	struct applied written = { 0 };
	_cleanup_free_ char *text = NULL;
	int r = targets_read(round->shard, &text);

	if (r == 0)
		applied_parse(&written, text);
	for (size_t i = 0; i < written.n; i++) {
		struct client *client = fleet_client_by_iqn(
			round->fleet, written.targets[i].iqn);

		if (client && client->shard != round->shard)
			stay(round, client);
	}
	applied_fini(&written);
	return r;
}

static int write_without_others(struct round *round)
{
	_cleanup_free_ char *text = NULL;
	int r = targets_text_without_others(round->fleet, round->shard, &text);

	return r == 0 && *text ? round_write(round, text) : r;
}

/* What is to go, from file and tgtd. */
static int move_out(struct round *round)
{
	int r = round_forget_touched(round);

	if (r == 0)
		r = write_without_others(round);
	if (r < 0)
		return r;
	carry_out(round->fleet, &round->tgtd, &round->live, &round->plan);
	r = round_verify(round);
	if (r < 0)
		return r;
	stay_if_left(round);
	round_report(round);
	plan_fini(&round->plan);
	return round_look(round);
}

int moves_make(struct round *round)
{
	int r = 0;

	if (!round->there && (round->wishes.only || !round->off))
		return stay_as_written(round);
	if (!round->there)
		return round->dry ? 0 : write_without_others(round);
	stay_until_it_runs(round);
	plan_moves(round->fleet, round->shard, &round->live, &round->wishes,
		   &round->plan);
	leave_until_it_runs(round);
	stay_if_left(round);
	if (round->dry)
		plan_print(&round->plan, stdout);
	else if (!round->wishes.only && round->plan.n)
		r = move_out(round);
	else if (!round->wishes.only)
		r = write_without_others(round);
	plan_fini(&round->plan);
	return r;
}
