/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * One round of bringing images, targets-file and tgtd to what the fleet is: all
 * that plan, apply, reset and watch do.
 */
#ifndef TGT_GLUE_ROUND_H
#define TGT_GLUE_ROUND_H

#include "tgt-glue/applied.h"
#include "tgt-glue/notes.h"
#include "tgt-glue/plan.h"

struct round {
	/* What is wanted; the caller's. */
	struct fleet *fleet;
	struct notes *notes;
	bool dry; /* change nothing, say what would be done */
	struct wishes wishes;

	/* What became of it. */
	bool failed;
	bool left;    /* something was, and named */
	bool waiting; /* for something that may come by itself */

	/* Its own. */
	struct tgtd tgtd;
	struct live live;
	struct applied applied;
	struct plan plan;
	const char **skip; /* why a client has no image, or null */
};

/* Takes the lock of all who change things: one at a time. A descriptor to be
 * closed, or -errno with words. */
int round_lock(const struct fleet *fleet);
/* -errno, said already, where the round did not come to its end. */
int round_run(struct round *round);
void round_fini(struct round *round);
/* The exit code. */
int round_code(const struct round *round, int r);

#endif
