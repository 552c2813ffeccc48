/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * When sessions began.  tgtd does not tell; `tgt-glue watch' writes it down
 * beside the targets-file while it runs, one line a session:
 *
 *     IQN INITIATOR ADDRESS SESSION-ID UNIX-TIME
 */
#ifndef TGT_GLUE_SINCE_H
#define TGT_GLUE_SINCE_H

#include <stdint.h>

#include "tgt-glue/fleet.h"
#include "tgt-glue/live.h"

struct since {
	const char *iqn;
	const char *initiator;
	const char *address;
	uint64_t sid;
	int64_t time;
};

struct sinces {
	struct since *v;
	size_t n;
};

/* All that is written down, of the fleet's pool; nothing where no watch ran. */
void since_read(struct fleet *fleet, struct sinces *ret);
/* Of a session of that target, Unix seconds; 0: not known. */
int64_t since_of(const struct sinces *all, const char *iqn,
		 const struct live_connection *connection);

#endif
