/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Carrying a plan out in the running tgtd. */
#ifndef TGT_GLUE_CARRY_H
#define TGT_GLUE_CARRY_H

#include "tgt-glue/plan.h"
#include "tgt-glue/tgtd.h"

/*
 * Does what is to be done; what becomes of each target is in its work.  A work
 * that is neither left nor failed after it is done.
 */
void carry_out(struct fleet *fleet, const struct tgtd *tgtd, struct live *live,
	       struct plan *plan);

/*
 * Gives the disk its file again by taking it offline, naming the file, and so
 * online: tgtd opens it anew, and those who are logged in stay.  Only for a
 * file that is lost: I/O under way to one that answers would fail.
 */
int carry_reopen(const struct tgtd *tgtd, const struct reopen *reopen);

#endif
