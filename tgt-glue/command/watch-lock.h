/* SPDX-License-Identifier: GPL-2.0-or-later */
/*
 * Lock that a running watch holds, by which others know that it runs.
 *
 * The lock is on TARGETS-FILE.watch of shard 0, an empty file that stays.  The
 * kernel releases it when the process ends, however that happens.
 */
#ifndef TGT_GLUE_COMMAND_WATCH_LOCK_H
#define TGT_GLUE_COMMAND_WATCH_LOCK_H

#include "tgt-glue/config/fleet.h"

/* A lock that is held, or NO_WATCH_LOCK. */
struct watch_lock {
	int fd;
	char *file;
};
#define NO_WATCH_LOCK    \
	{                \
		.fd = -1 \
	}

/* Takes the lock of the fleet, and releases that of an earlier one with another
 * targets-file.  Without effect while it is held.  A failure means that status
 * says there is no watch. */
void watch_lock_take(struct watch_lock *lock, const struct fleet *fleet);
void watch_lock_release(struct watch_lock *lock);

/* Whether a watch of this fleet runs. */
bool watch_runs(const struct fleet *fleet);
/* Whether this user has no permission to know that. */
bool watch_is_unknown(const struct fleet *fleet);

#endif
