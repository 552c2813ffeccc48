/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bringing images, and every shard's targets-file and tgtd, to what the fleet
 * is: all that plan, apply, reset and watch do.
 */
#ifndef TGT_GLUE_RECONCILE_RECONCILE_H
#define TGT_GLUE_RECONCILE_RECONCILE_H

#include "tgt-glue/reconcile/shard-pass.h"

struct reconcile {
	/* What is wanted; the caller's. */
	struct fleet *fleet;
	struct messages *messages;
	bool dry; /* change nothing, say what would be done */
	struct plan_options options;
	bool remove; /* also where that is many targets */

	/* What became of it. */
	bool failed;
	bool skipped; /* something was, and named */
	bool waiting; /* for something that may come by itself */
	bool refused; /* it would remove many targets: nothing was done */

	struct clients clients;
	/* A round of each shard of the fleet. */
	struct shard_pass *v;
	size_t n;
	const char **skip_reason; /* why a client has no image, or null */
};

/* Takes the lock of all who change things: one at a time. A descriptor to be
 * closed, or -errno with words. */
int reconcile_lock(const struct fleet *fleet);
/* -errno, said already, where not all of them came to their end. */
int reconcile_run(struct reconcile *reconcile);
/* Would it refuse, for it would remove many targets?  Said then. reconcile_fini
 * in any case. */
bool reconcile_refuses(struct reconcile *reconcile);
void reconcile_fini(struct reconcile *reconcile);

#endif
