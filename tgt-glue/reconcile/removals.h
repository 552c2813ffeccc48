/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Number of targets that a new fleet.conf would remove: many need a
 * confirmation.
 */
#ifndef TGT_GLUE_RECONCILE_REMOVALS_H
#define TGT_GLUE_RECONCILE_REMOVALS_H

#include "tgt-glue/reconcile/pass.h"

/* The number of targets of ours, in tgtds and targets-files, that have no
 * client in fleet.conf; or -errno with a message.  *ret_all: of all targets of
 * ours. passes: after shard_pass_read. */
int removals_count(struct shard_pass *passes, size_t n, size_t *ret_all);

#endif
