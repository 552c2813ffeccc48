/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Check that tgtd listens on the portals of fleet.conf. */
#ifndef TGT_GLUE_TGTD_PORTALS_H
#define TGT_GLUE_TGTD_PORTALS_H

#include "tgt-glue/tgtd/state.h"
#include "tgt-glue/base/messages.h"
#include "tgt-glue/config/shard.h"

/* Prints a warning for each portal of the shard that its tgtd does not listen
 * on. */
void portals_check(const struct tgtd *tgtd, struct tgtd_state *live,
		   const struct shard *shard, struct messages *messages);

#endif
