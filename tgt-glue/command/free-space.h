/* SPDX-License-Identifier: GPL-2.0-or-later */
/* How much of the store's file system is free, and the command for too little.
 */
#ifndef TGT_GLUE_COMMAND_FREE_SPACE_H
#define TGT_GLUE_COMMAND_FREE_SPACE_H

#include <sys/types.h>

#include "tgt-glue/config/fleet.h"

/* In bytes. */
struct free_space {
	uint64_t size;
	uint64_t free;
	uint64_t min_free; /* 0: no warning */
};

/* All is 0 where the file system does not tell. */
void free_space_read(const struct fleet *fleet, struct free_space *ret);
bool free_space_is_low(const struct free_space *space);

/* What watch knows of it. */
struct free_space_watch {
	bool low;
	bool pending; /* the command is to be run for what is now */
	pid_t pid;    /* of the command that runs, or 0 */
};

/*
 * To be called each second: says when min-free is crossed, and runs
 * on-low-space then, without waiting for it.  The space is enough again where a
 * tenth more than min-free is free.
 */
void free_space_check(struct free_space_watch *watch,
		      const struct fleet *fleet);

#endif
