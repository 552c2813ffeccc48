/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carrying a plan out in the running tgtd. */
#ifndef TGT_GLUE_RECONCILE_EXECUTE_H
#define TGT_GLUE_RECONCILE_EXECUTE_H

#include "tgt-glue/reconcile/plan.h"
#include "tgt-glue/tgtd/client.h"

/*
 * Does what is to be done; what becomes of each target is in its work.  A work
 * that is neither left nor failed after it is done.
 */
void execute_plan(struct clients *clients, const struct tgtd *tgtd,
		  struct tgtd_state *live, struct plan *plan);

/*
 * Gives the disk its file again by taking it offline, naming the file, and so
 * online: tgtd opens it anew, and those who are logged in stay.  Only for a
 * file that is lost: I/O under way to one that answers would fail.
 */
int execute_reopen(const struct tgtd *tgtd, const struct reopen *reopen);

#endif
