/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Bringing images, and every shard's targets-file and tgtd, to what the fleet
 * is: all that plan, apply, reset and watch do.
 */
#ifndef TGT_GLUE_ROUNDS_H
#define TGT_GLUE_ROUNDS_H

#include "tgt-glue/round.h"

struct rounds {
	/* What is wanted; the caller's. */
	struct fleet *fleet;
	struct notes *notes;
	bool dry; /* change nothing, say what would be done */
	struct wishes wishes;
	bool remove; /* also where that is many targets */

	/* What became of it. */
	bool failed;
	bool left;    /* something was, and named */
	bool waiting; /* for something that may come by itself */
	bool refused; /* it would remove many targets: nothing was done */

	/* A round of each shard of the fleet. */
	struct round *v;
	size_t n;
	const char **skip; /* why a client has no image, or null */
};

/* Takes the lock of all who change things: one at a time. A descriptor to be
 * closed, or -errno with words. */
int rounds_lock(const struct fleet *fleet);
/* -errno, said already, where not all of them came to their end. */
int rounds_run(struct rounds *rounds);
/* Would it refuse, for it would remove many targets?  Said then.  rounds_fini
 * in any case. */
bool rounds_refuse(struct rounds *rounds);
void rounds_fini(struct rounds *rounds);
/* The exit code. */
int rounds_code(const struct rounds *rounds, int r);

#endif
