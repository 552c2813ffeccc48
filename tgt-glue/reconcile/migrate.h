/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Migration of clients from one shard to another. */
#ifndef TGT_GLUE_RECONCILE_MIGRATE_H
#define TGT_GLUE_RECONCILE_MIGRATE_H

#include "tgt-glue/reconcile/pass.h"

/*
 * Removes the clients that another shard is to serve from this one's
 * targets-file, and then from its tgtd.  A client that cannot move stays: its
 * state's shard is this one.
 */
int migrate_clients(struct shard_pass *pass);

#endif
