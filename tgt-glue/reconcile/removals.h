/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How many targets a new fleet.conf would remove: too many need a word. */
#ifndef TGT_GLUE_RECONCILE_REMOVALS_H
#define TGT_GLUE_RECONCILE_REMOVALS_H

#include "tgt-glue/reconcile/shard-pass.h"

struct removals {
	size_t targets; /* of ours, in tgtd and in the targets-files */
	size_t gone;    /* of those, whose client is in fleet.conf no longer */
};

/* Of rounds that have been read. */
int removals_count(struct shard_pass *reconcile, size_t n,
		   struct removals *ret);
/* More than a fifth of the targets, and at least five? */
bool removals_are_many(const struct removals *removals);

#endif
