/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that go from one shard to another. */
#ifndef TGT_GLUE_RECONCILE_MIGRATE_H
#define TGT_GLUE_RECONCILE_MIGRATE_H

#include "tgt-glue/reconcile/shard-pass.h"

/*
 * Takes the clients that are another shard's now out of this one's
 * targets-file, and then out of its tgtd.  Those who cannot go stay: sets their
 * client->shard.
 */
int migrate_clients(struct shard_pass *pass);

#endif
