/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Quotas of the clients' images: the difference, and its removal. */
#include "config.h"

#include "tgt-glue/reconcile/quotas.h"

#include "base/error.h"
#include "base/printable.h"
#include "tgt-glue/reconcile/disk-quota.h"
#include "tgt-glue/reconcile/space.h"

static const char *quota_text(uint64_t limit)
{
	return limit ? size_text(limit) : "none";
}

static void print_difference(struct reconcile *reconcile,
			     const struct disk *disk)
{
	uint64_t now;

	if (quota_differs(reconcile->fleet, disk, &now))
		print_line(stdout, "%s: quota: set it to %s (now %s)",
			   disk_words(&reconcile->arena, disk),
			   quota_text(disk->quota), quota_text(now));
}

static void apply_one(struct reconcile *reconcile, const struct disk *disk)
{
	const char *words = disk_words(&reconcile->arena, disk);
	int r = quota_apply(reconcile->fleet, disk);

	if (r > 0)
		print_line(stdout, "%s: quota: set to %s", words,
			   quota_text(disk->quota));
	if (r >= 0)
		return;
	reconcile->failed = true;
	messages_print(reconcile->messages, "%s: quota: %s", words,
		       error_text());
}

void quotas_apply(struct reconcile *reconcile)
{
	const struct fleet *fleet = reconcile->fleet;
	const struct plan_options *options = &reconcile->options;

	for (size_t i = 0; i < fleet->n_disks; i++) {
		const struct disk *disk = &fleet->disks[i];

		if (options->only && !plan_resets_client(options, disk->client))
			continue;
		if (reconcile->dry)
			print_difference(reconcile, disk);
		else
			apply_one(reconcile, disk);
	}
}
