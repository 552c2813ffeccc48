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

#endif
