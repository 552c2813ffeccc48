/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Which disks get a fresh image in a pass, and why. */
#include "config.h"

#include "tgt-glue/reconcile/plan.h"

bool plan_follows(const struct plan_options *options, const struct disk *disk)
{
	for (size_t i = 0; i < options->n_follow; i++)
		if (options->follow[i] == disk)
			return true;
	return false;
}

void plan_unfollow(struct plan_options *options, const struct disk *disk)
{
	size_t n = 0;

	for (size_t i = 0; i < options->n_follow; i++)
		if (options->follow[i] != disk)
			options->follow[n++] = options->follow[i];
	options->n_follow = n;
}

bool plan_resets(const struct plan_options *options, const struct disk *disk)
{
	const char *name = disk->client->name;

	return (strings_have(&options->reset, name) &&
		text_equal(disk->name, options->reset_disk)) ||
	       (strings_have(&options->boot, name) && disk->reset_boot) ||
	       plan_follows(options, disk);
}

bool plan_resets_client(const struct plan_options *options,
			const struct client *client)
{
	for (size_t i = 0; i < client->n_disks; i++)
		if (plan_resets(options, &client->disks[i]))
			return true;
	return false;
}

/* "its master is MASTER now", of each disk that goes over; null: none does. */
static const char *follow_reason(struct plan *plan, const struct client *client)
{
	const char *text = NULL;

	for (size_t i = 0; i < client->n_disks; i++) {
		const struct disk *disk = &client->disks[i];

		if (!plan_follows(plan->options, disk))
			continue;
		text = arena_printf(
			&plan->arena, "%s%s%sits master is %s now",
			text ? text : "", text ? "; " : "",
			disk->name ? arena_printf(&plan->arena,
						  "disk %s: ", disk->name)
				   : "",
			disk->master);
	}
	return text;
}

const char *plan_reset_reason(struct plan *plan, const struct client *client)
{
	const char *follows = follow_reason(plan, client);

	if (follows)
		return follows;
	return plan->clients->which  ? "restore"
	       : plan->clients->from ? "rename"
				     : "reset";
}
