/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watch over the free space of the store's file system, and on-low-space. */
#ifndef TGT_GLUE_COMMAND_FREE_SPACE_H
#define TGT_GLUE_COMMAND_FREE_SPACE_H

#include <sys/types.h>

#include "tgt-glue/base/events.h"
#include "tgt-glue/reconcile/space.h"

/* The state between two checks.  All zeros: no check yet. */
struct free_space_watch {
	bool low;
	bool pending; /* the command has not been run for the present state */
	pid_t pid;    /* of the running command, or 0 */
};

/*
 * To be called each second.  When the free space falls below min-free, and when
 * it is 10 % above min-free again, logs it, also as an event, and starts
 * on-low-space, without waiting for it.
 */
void free_space_check(struct free_space_watch *watch, const struct fleet *fleet,
		      const struct event_log *log);

#endif
