/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Difference between a client and its target in tgtd, and the kind of work that
 * removes it. */
#ifndef TGT_GLUE_RECONCILE_DIFFERENCE_H
#define TGT_GLUE_RECONCILE_DIFFERENCE_H

#include "tgt-glue/reconcile/clients.h"
#include "tgt-glue/reconcile/last-applied.h"

enum work_kind {
	WORK_DISKS,  /* add disks, also under a session: nothing else changes */
	WORK_ACCESS, /* change addresses and names; add disks, too */
	WORK_ACCOUNTS, /* change users or secrets; the others above, too */
	WORK_REMAKE,   /* delete and create */
	WORK_NEW,
	WORK_REMOVE,
	WORK_NONE, /* no difference, but its disk is blocked */
};

/* Kinds of work for a target that stays: it gets the disks that it lacks. */
#define WORKS_STAY (1u << WORK_DISKS | 1u << WORK_ACCESS | 1u << WORK_ACCOUNTS)

/* The difference between the client and its target, in arena; null: none.
 * With last null only what tgtd reports is compared. */
const char *difference_of_target(struct arena *arena,
				 const struct clients *clients,
				 const struct client *client,
				 const struct tgtd_target *live,
				 const struct last_applied *last,
				 enum work_kind *ret_kind);

/* The part of it that concerns the disks and that tgtd reports. */
const char *difference_of_disks(struct arena *arena,
				const struct clients *clients,
				const struct client *client,
				const struct tgtd_target *live);

/* True if the target has no LUN of the disk's number. */
bool difference_lacks(const struct disk *disk, const struct tgtd_target *live);

#endif
