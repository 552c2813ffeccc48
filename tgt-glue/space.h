/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much of the store's file system is free, and the command for too little.
 */
#ifndef TGT_GLUE_SPACE_H
#define TGT_GLUE_SPACE_H

#include <sys/types.h>

#include "tgt-glue/fleet.h"

/* In bytes. */
struct space {
	uint64_t size;
	uint64_t free;
	uint64_t min_free; /* 0: no warning */
};

/* All is 0 where the file system does not tell. */
void space_read(const struct fleet *fleet, struct space *ret);
bool space_is_low(const struct space *space);

/* What watch knows of it. */
struct space_watch {
	bool low;
	bool pending; /* the command is to be run for what is now */
	pid_t pid;    /* of the command that runs, or 0 */
};

/*
 * To be called each second: says when min-free is crossed, and runs
 * on-low-space then, without waiting for it.  The space is enough again where a
 * tenth more than min-free is free.
 */
void space_look(struct space_watch *watch, const struct fleet *fleet);

#endif
