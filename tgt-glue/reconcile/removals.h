/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Number of targets that a new fleet.conf would remove: many need a
 * confirmation.
 */
#ifndef TGT_GLUE_RECONCILE_REMOVALS_H
#define TGT_GLUE_RECONCILE_REMOVALS_H

#include "tgt-glue/reconcile/shard-pass.h"

struct removals {
	size_t targets; /* of ours, in the tgtds and in the targets-files */
	size_t gone;    /* of these, without a client in fleet.conf */
};

/* passes: after shard_pass_read. */
int removals_count(struct shard_pass *passes, size_t n, struct removals *ret);
/* True if more than a fifth of the targets, and at least five, would be
 * removed. */
bool removals_are_many(const struct removals *removals);

#endif
