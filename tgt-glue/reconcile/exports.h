/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Which targets tgt-glue made, and which targets export which client's disk.
 *
 * INVARIANT: tgt-glue makes no second writable export of a disk.  A disk is
 * recognised by its path and by device and inode of its file, for a symbolic
 * link, another mount of the store, and the image itself are the same disk.
 */
#ifndef TGT_GLUE_RECONCILE_EXPORTS_H
#define TGT_GLUE_RECONCILE_EXPORTS_H

#include "tgt-glue/reconcile/last-applied.h"
#include "tgt-glue/reconcile/clients.h"
#include "tgt-glue/tgtd/state.h"

/*
 * Sets ours of each target, file of its LUN, and client of each of its stores.
 * -errno with words where it cannot be told what tgtd has open: the rest is set
 * all the same.
 *
 * A target is ours where the targets-file or the file of what was applied names
 * it, or where its disk has the serial number that tgt-glue gives to a target
 * of that name and is in the fleet's mount or has the fleet's prefix.
 */
int exports_look(struct fleet *fleet, const struct last_applied *last,
		 struct tgtd_state *live);

/* The client whose disk the target exports for writing, or null. */
const struct client *exports_writable(const struct tgtd_target *target);
/* The client's name in a target's IQN: what is behind the last colon. */
const char *exports_name(const struct tgtd_target *target);

/* A shard's tgtd, and what it has. */
struct exporter {
	const struct shard *shard;
	bool there; /* it answers; else live is empty ... */
	bool off;   /* ... and it surely does not run */
	const struct tgtd_state *live;
};

/*
 * Sets blocked of each client that another target exports for writing,
 * on any shard or any other tgtd of this host.  A target of ours that nothing
 * holds does not block: plan_make removes it first.  force: a client whose
 * sessions hold nothing, or null.
 */
void exports_block(struct clients *clients, const struct exporter *exporters,
		   size_t n, const char *force);

#endif
