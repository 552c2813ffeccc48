/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Migration of clients from one shard to another. */
#include "config.h"

#include "tgt-glue/reconcile/migrate.h"

#include "base/cleanup.h"
#include "tgt-glue/reconcile/execute.h"
#include "tgt-glue/reconcile/report.h"
#include "tgt-glue/reconcile/shard-pass.h"
#include "tgt-glue/reconcile/targets-conf.h"

/* The pass of the shard that is to serve the client. */
static const struct shard_pass *home_of(const struct shard_pass *pass,
					const struct client *client)
{
	return &pass->all->v[clients_state(pass->clients, client)->shard -
			     pass->fleet->shards];
}

/* Leaves the client on this shard, unless it has a target on the other one,
 * and is not logged in here alone. */
static void keep_here(const struct shard_pass *pass,
		      const struct client *client)
{
	const struct shard_pass *home = home_of(pass, client);
	const struct tgtd_target *there =
		tgtd_state_target(&home->live, client->iqn);
	const struct tgtd_target *here =
		tgtd_state_target(&pass->live, client->iqn);

	if (!there || (here && here->n_connections && !there->n_connections))
		clients_state(pass->clients, client)->shard = pass->shard;
}

/* Clients whose target here was not removed. */
static void keep_skipped(struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->plan.n; i++) {
		const struct work *w = &pass->plan.works[i];
		const struct client *client =
			fleet_client_by_iqn(pass->fleet, w->live->name);

		/* A successor does not migrate: it is blocked. */
		if (client && !w->successor &&
		    (work_is_stopped(w) || pass->all->options.only))
			keep_here(pass, client);
	}
}

/* A client does not migrate to a shard whose tgtd does not answer. */
static void keep_unless_it_runs(struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->live.n; i++) {
		const struct client *client = fleet_client_by_iqn(
			pass->fleet, pass->live.targets[i].name);

		if (client && !home_of(pass, client)->answers)
			clients_state(pass->clients, client)->shard =
				pass->shard;
	}
}

/* The same for a client whose disk has a target of another name here. */
static void skip_unless_it_runs(struct shard_pass *pass)
{
	for (size_t i = 0; i < pass->plan.n; i++) {
		struct work *w = &pass->plan.works[i];
		const struct shard_pass *home =
			w->successor ? home_of(pass, w->successor) : NULL;

		if (home && !home->answers)
			work_stop(
				&pass->plan, w, OUTCOME_SKIPPED,
				"the %s, which is to have its disk, does not answer; type `%s' and then `tgt-glue apply'",
				home->shard->tgtd, shard_start(home->shard));
	}
}

/* Clients in the targets-file of a tgtd that does not answer. */
static int keep_as_written(struct shard_pass *pass)
{
	struct last_applied written;
	_cleanup_free_ char *text = NULL;
	int r = targets_conf_load(pass->shard, &text, &written);

	for (size_t i = 0; i < written.blocks.n; i++) {
		const struct client *client = fleet_client_by_iqn(
			pass->fleet, written.blocks.v[i].key);

		if (client &&
		    clients_state(pass->clients, client)->shard != pass->shard)
			keep_here(pass, client);
	}
	last_applied_fini(&written);
	return r;
}

static int write_without_others(struct shard_pass *pass)
{
	_cleanup_free_ char *text = NULL;
	int r = targets_conf_text_own(pass->clients, pass->shard, &text);

	return r == 0 && *text ? targets_conf_write(pass->shard, text) : r;
}

/* Removes what migrates from the targets-file, then from tgtd. */
static int move_out(struct shard_pass *pass)
{
	struct tgtd_state now = { 0 };
	int r = shard_pass_forget_touched(pass);

	if (r == 0)
		r = write_without_others(pass);
	if (r < 0)
		return r;
	execute_plan(&pass->plan);
	r = shard_pass_verify(pass, &now);
	if (r == 0) {
		keep_skipped(pass);
		report_works(pass);
	}
	plan_fini(&pass->plan);
	tgtd_state_fini(&pass->live);
	pass->live = now;
	return r;
}

int migrate_clients(struct shard_pass *pass)
{
	int r = 0;

	if (!pass->answers && (pass->all->options.only || !pass->off))
		return keep_as_written(pass);
	if (!pass->answers)
		return pass->all->dry ? 0 : write_without_others(pass);
	keep_unless_it_runs(pass);
	plan_migrations(&pass->plan);
	skip_unless_it_runs(pass);
	keep_skipped(pass);
	if (pass->all->dry)
		plan_print(&pass->plan, stdout);
	else if (!pass->all->options.only && pass->plan.n)
		r = move_out(pass);
	else if (!pass->all->options.only)
		r = write_without_others(pass);
	plan_fini(&pass->plan);
	return r;
}
