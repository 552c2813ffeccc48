/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Resets of a shard's pass: images that are replaced (image-restore.h). */
#ifndef TGT_GLUE_RECONCILE_SHARD_RESETS_H
#define TGT_GLUE_RECONCILE_SHARD_RESETS_H

#include "tgt-glue/reconcile/pass.h"

/* Skips the reset of a disk that another process has open, or that is a
 * parent.  A client with `reset = boot' is not skipped: its target is closed,
 * and stays so if the reset fails. */
void shard_resets_check(struct shard_pass *pass);

/* Without tgtd, which certainly does not run: replaces the images of the
 * clients that the shard serves, and reports each that is not. */
void shard_resets_run(struct shard_pass *pass);

#endif
