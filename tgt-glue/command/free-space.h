/* SPDX-License-Identifier: GPL-2.0-or-later */
/* Watch over the free space of the store's filesystem, and on-low-space. */
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

/* All fields are 0 if statvfs() of the store fails. */
void free_space_read(const struct fleet *fleet, struct free_space *ret);
bool free_space_is_low(const struct free_space *space);

/* The state between two checks.  All zeros: no check yet. */
struct free_space_watch {
	bool low;
	bool pending; /* the command has not been run for the present state */
	pid_t pid;    /* of the running command, or 0 */
};

/*
 * To be called each second.  When the free space falls below min-free, and when
 * it is 10 % above min-free again, logs it and starts on-low-space, without
 * waiting for it.
 */
void free_space_check(struct free_space_watch *watch,
		      const struct fleet *fleet);

#endif
