/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Whether tgtd listens where fleet.conf says that clients find it. */
#ifndef TGT_GLUE_PORTALS_H
#define TGT_GLUE_PORTALS_H

#include "tgt-glue/live.h"
#include "tgt-glue/notes.h"
#include "tgt-glue/shard.h"

/* Notes each portal of the shard that its tgtd does not listen on. */
void portals_check(const struct tgtd *tgtd, struct live *live,
		   const struct shard *shard, struct notes *notes);

#endif
