/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Clients that go from one shard to another. */
#ifndef TGT_GLUE_MOVES_H
#define TGT_GLUE_MOVES_H

#include "tgt-glue/round.h"

/*
 * Takes the clients that are another shard's now out of this one's
 * targets-file, and then out of its tgtd.  Those who cannot go stay: sets their
 * client->shard.
 */
int moves_make(struct round *round);

#endif
