/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Pass of one shard: brings its targets-file and its tgtd to the state that
 * the fleet describes. reconcile.h has the pass of all shards.
 */
#ifndef TGT_GLUE_RECONCILE_SHARD_PASS_H
#define TGT_GLUE_RECONCILE_SHARD_PASS_H

#include "tgt-glue/reconcile/pass.h"

/* Reads the state of the shard's tgtd. */
void shard_pass_read(struct shard_pass *pass);
/* Runs the pass.  Returns -errno, after reporting it, if the pass was not
 * completed. */
int shard_pass_run(struct shard_pass *pass);
void shard_pass_fini(struct shard_pass *pass);

/* Steps for migrate.c; shard-pass.c has their order. */
int shard_pass_forget_touched(struct shard_pass *pass);
/* Reads tgtd's state into *ret, and fails works that it does not confirm.  Call
 * tgtd_state_fini in any case. */
int shard_pass_verify(struct shard_pass *pass, struct tgtd_state *ret);

#endif
