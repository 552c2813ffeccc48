/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Execution of a plan in the running tgtd. */
#ifndef TGT_GLUE_RECONCILE_EXECUTE_H
#define TGT_GLUE_RECONCILE_EXECUTE_H

#include "tgt-glue/reconcile/plan.h"

/* Does the works of the plan, and sets the outcome of each: none stays
 * OUTCOME_PLANNED. */
void execute_plan(struct plan *plan);

/*
 * Makes tgtd reopen the disk's file: takes the disk offline and sets its path,
 * which takes it online.  Sessions stay.  Only for a lost file: pending I/O to
 * a file that answers would fail.
 */
int execute_reopen(const struct tgtd *tgtd, const struct reopen *reopen);

#endif
