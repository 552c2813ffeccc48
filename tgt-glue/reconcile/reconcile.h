/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * A pass of all shards: brings images, targets-files and tgtds to the state
 * that the fleet describes. plan, apply, reset and watch run it.
 */
#ifndef TGT_GLUE_RECONCILE_RECONCILE_H
#define TGT_GLUE_RECONCILE_RECONCILE_H

#include "tgt-glue/reconcile/plan.h"

struct reconcile {
	/* Set and owned by the caller. */
	struct fleet *fleet;
	struct messages *messages;
	bool dry; /* only print the plan */
	struct plan_options options;
	bool remove; /* remove targets, however many */

	/* The result. */
	bool failed;
	bool skipped; /* something was skipped, and reported */
	bool waiting; /* for something that may change without a command */
	bool refused; /* it would remove many targets, so nothing was done */

	struct clients clients;
	/* The pass of each shard of the fleet. */
	struct shard_pass *v;
	size_t n;
};

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
