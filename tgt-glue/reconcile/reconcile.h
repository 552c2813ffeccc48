/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pass of all shards: brings images, targets-files and tgtds to the state
 * that the fleet describes. plan, apply, reset and watch run it.
 */
#ifndef TGT_GLUE_RECONCILE_RECONCILE_H
#define TGT_GLUE_RECONCILE_RECONCILE_H

#include "tgt-glue/reconcile/pass.h"

/* Takes the lock that all commands with changes take; waits for it.  Returns a
 * descriptor that the caller closes, or -errno with a message. */
int reconcile_lock(const struct fleet *fleet);
/* Runs the pass.  Returns -errno, after reporting it, if a shard's pass was
 * not completed. */
int reconcile_run(struct reconcile *reconcile);
/* True, after reporting it, if the pass would be refused because it removes
 * many targets.  Call reconcile_fini in any case. */
bool reconcile_refuses(struct reconcile *reconcile);
void reconcile_fini(struct reconcile *reconcile);

#endif
