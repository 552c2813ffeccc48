/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Exports of the clients' disks: which targets tgt-glue created, and which
 * targets export which client's disk.
 *
 * INVARIANT: tgt-glue creates no second writable export of a disk.  A disk is
 * recognised by its path and by device and inode of its file: a symbolic link,
 * another mount of the store, and the image itself are the same disk.
 */
#ifndef TGT_GLUE_RECONCILE_EXPORTS_H
#define TGT_GLUE_RECONCILE_EXPORTS_H

#include "tgt-glue/reconcile/last-applied.h"
#include "tgt-glue/reconcile/clients.h"

/*
 * Sets ours of each target, and file and disk of each of its LUNs.
 * -errno with a message if tgtd's open files cannot be read; all else is set
 * in any case.
 *
 * A target is ours if the targets-file or the record of what was applied names
 * it, or if its disk has the serial number that tgt-glue gives to a target of
 * that name, and is in the fleet's mount or the target has the fleet's prefix.
 */
int exports_inspect(const struct fleet *fleet, const struct last_applied *last,
		    struct tgtd_state *live);

/* The client whose disk the target exports for writing, or null. */
const struct client *exports_writable(const struct tgtd_target *target);
/* The client's name in a target's IQN: the part after the last colon. */
const char *exports_name(const struct tgtd_target *target);

/* A shard's tgtd, and its state. */
struct exporter {
	const struct shard *shard;
	bool answers; /* else live is empty ... */
	bool off;     /* ... and true if it certainly does not run */
	const struct tgtd_state *live;
};

/*
 * Sets blocked of each client and disk that another target exports for writing,
 * on any shard or in any other tgtd of this host.  A target of ours without
 * sessions does not block: plan_make removes it first.  force: a client whose
 * sessions are ignored, or null.
 */
void exports_block(struct clients *clients, const struct exporter *exporters,
		   size_t n, const char *force);

#endif
