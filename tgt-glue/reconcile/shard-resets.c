/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resets of a shard's pass: checks before tgtd is touched; images without
 * tgtd. */
#include "config.h"

#include "tgt-glue/reconcile/shard-resets.h"

#include <errno.h>

#include "base/error.h"
#include "tgt-glue/reconcile/boot-resets.h"
#include "tgt-glue/reconcile/image-reset.h"
#include "tgt-glue/reconcile/image-restore.h"
#include "tgt-glue/reconcile/report.h"

/* Is the last error, why an image is not replaced, a failure: a wrong state?
 * Other reasons may go away, and the client is skipped. */
static bool is_failure(const struct shard_pass *pass)
{
	const int code = error_last()->code;

	return clients_get_other_disks(pass->clients) && code != -EBUSY &&
	       code != -EPERM;
}

/* image_replace_check of the client's disks that are reset; *ret_failed: the
 * first that cannot be. */
static int check_images(struct shard_pass *pass, const struct client *client,
			pid_t tgtd, const struct disk **ret_failed)
{
	int r = 0;

	for (size_t i = 0; r == 0 && i < client->n_disks; i++) {
		*ret_failed = &client->disks[i];
		if (plan_resets(&pass->all->options, *ret_failed))
			r = image_replace_check(pass->clients, *ret_failed,
						tgtd);
	}
	return r;
}

static size_t count_resets(const struct plan_options *options,
			   const struct client *client)
{
	size_t n = 0;

	for (size_t i = 0; i < client->n_disks; i++)
		n += plan_resets(options, &client->disks[i]);
	return n;
}

/* A disk that cannot go over to another version stays, and the other disks of
 * the client are reset. */
static int check_work(struct shard_pass *pass, struct work *work)
{
	struct plan_options *options = &pass->all->options;
	const struct disk *failed;
	pid_t pid;
	int r = tgtd_state_pid(&pass->live, &pid);

	if (r < 0)
		return r;
	r = check_images(pass, work->client, pid, &failed);
	while (r < 0 && plan_follows(options, failed) &&
	       count_resets(options, work->client) > 1) {
		report_not_replaced(pass, work->name, error_text(), false);
		plan_unfollow(options, failed);
		work->why = plan_reset_reason(&pass->plan, work->client);
		r = check_images(pass, work->client, pid, &failed);
	}
	return r;
}

void shard_resets_check(struct shard_pass *pass)
{
	struct plan *plan = &pass->plan;

	image_resets_begin(pass->clients);
	for (struct work *w = NULL; (w = work_next(plan, w, KINDS_ALL));)
		if (w->reset &&
		    (pass->clients->from ||
		     !boot_resets_concern(pass->clients, plan->options,
					  w->client)) &&
		    check_work(pass, w) < 0)
			work_stop(plan, w,
				  is_failure(pass) ? OUTCOME_FAILED
						   : OUTCOME_SKIPPED,
				  "%s", error_text());
	image_resets_end(pass->clients);
}

/* Without tgtd: replaces the images of the client's disks that are reset. */
static int replace_images(struct shard_pass *pass, const struct client *client)
{
	const struct disk *failed;
	int r = check_images(pass, client, 0, &failed);

	for (size_t i = 0; r == 0 && i < client->n_disks; i++)
		if (plan_resets(&pass->all->options, &client->disks[i]))
			r = image_replace_run(pass->clients, &client->disks[i],
					      pass->all->messages);
	return r;
}

void shard_resets_run(struct shard_pass *pass)
{
	const struct strings *names = &pass->all->options.reset;

	image_resets_begin(pass->clients);
	for (size_t i = 0; i < names->n; i++) {
		const struct client *client =
			fleet_client(pass->fleet, names->v[i]);
		bool concern;
		int r;

		if (clients_state(pass->clients, client)->shard != pass->shard)
			continue;
		r = replace_images(pass, client);
		concern = boot_resets_concern(pass->clients,
					      &pass->all->options, client);
		boot_resets_set(pass, client, r < 0 && concern);
		if (r < 0)
			report_not_replaced(pass, client->name, error_text(),
					    is_failure(pass));
	}
	image_resets_end(pass->clients);
}
